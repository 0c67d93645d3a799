//! FheUint32: a ciphertext per counter, bootstrapped as it is added, under one owner's key.
//!
//! Making the keys, some seconds, is not counted; nor is reading, for these ciphertexts stay in
//! memory.

use seal::baseline::Owner;

use crate::Failure;
use crate::round::{Cost, Round};

/// Sixteen blocks of two bits, each a mask of 2048 words and a body: what
/// `PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128` says, without the headers of a serialization.
const CIPHERTEXT_BYTES: usize = 16 * (2048 + 1) * 8;

/// Encrypts, adds up and decrypts.
pub(crate) fn run(round: Round) -> Result<Cost, Failure> {
    let (owner, machine) = Owner::generate();
    let mut cost = Cost { bytes: CIPHERTEXT_BYTES * round.counters, ..Cost::default() };
    let mut columns = vec![vec![]; round.counters];
    for site in 0..round.sites {
        for (column, value) in columns.iter_mut().zip(round.values(site)) {
            column.push(cost.sites.run(|| Ok::<_, Failure>(owner.seal(value)))?);
        }
    }
    let mut totals = vec![];
    for column in &columns {
        let sum = cost.adding.run(|| machine.sum(column).ok_or("a round without sites"))?;
        let total = cost.opening.run(|| Ok::<_, Failure>(owner.open(&sum)))?;
        totals.push(u64::from(total));
    }
    round.check(&totals)?;
    Ok(cost)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_round() {
        run(Round { sites: 2, counters: 1 }).unwrap();
    }
}

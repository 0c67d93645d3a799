//! Graunt's own: sums of sealed contributions, opened by holders of shares.
//!
//! Only the sites contribute here, so that the row is of the same work as its peers'; in a round of
//! Graunt the holders contribute noise too.

use std::ops::Deref;

use seal::{Ciphertext, Context, Lane, Role, Share, Sum, open, seal};

use crate::Failure;
use crate::round::{Cost, Round};

const HOLDERS: u32 = 5;
const THRESHOLD: u32 = 3;
/// Besides the sign.
const BITS: u32 = 31;
const CONTEXT: Context = Context([42; 32]);

/// Seals, adds up and opens.
pub(crate) fn run(round: Round) -> Result<Cost, Failure> {
    let lane = Lane::new(round.sites, HOLDERS, THRESHOLD, round.counters, BITS)?;
    let mut cost = Cost::default();
    let mut sent = vec![];
    // By holder, of those who open.
    let mut inboxes = [vec![], vec![], vec![]];
    for site in 0..round.sites {
        let values: Vec<i128> = round.values(site).into_iter().map(i128::from).collect();
        let (ciphertext, shares) = cost.sites.run(|| {
            let (ciphertext, shares) = seal(&lane, &CONTEXT, &values, Role::Site)?;
            let shares: Vec<_> = shares.iter().map(Share::to_bytes).collect();
            Ok::<_, Failure>((ciphertext.to_bytes(), shares))
        })?;
        cost.bytes = ciphertext.len() + shares.iter().map(|share| share.len()).sum::<usize>();
        sent.push(ciphertext);
        inboxes.iter_mut().zip(shares).for_each(|(inbox, share)| inbox.push(share));
    }

    let mut sum = Sum::empty(&lane);
    for bytes in &sent {
        let ciphertext = cost.reading.run(|| Ciphertext::from_bytes(&lane, bytes))?;
        cost.adding.run(|| sum.add(&ciphertext))?;
    }
    let opened = cost.opening.run(|| {
        let released = inboxes.iter().map(|inbox| release(inbox)).collect::<Result<Vec<_>, _>>()?;
        Ok::<_, Failure>(open(&lane, &CONTEXT, &sum, round.sites, 0, &released)?)
    })?;
    let totals = opened.totals.into_iter().map(u64::try_from).collect::<Result<Vec<_>, _>>()?;
    round.check(&totals)?;
    Ok(cost)
}

/// What a holder reads and adds up.
fn release(inbox: &[impl Deref<Target = Vec<u8>>]) -> Result<Share, Failure> {
    let shares = inbox.iter().map(|bytes| Share::from_bytes(bytes));
    Ok(Share::sum(&shares.collect::<Result<Vec<_>, _>>()?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_round() {
        let cost = run(Round { sites: 3, counters: 20 }).unwrap();
        // Two of five shares are seeds, and so few counters take less than the others.
        assert!((3 * 8192..5 * 8192).contains(&cost.bytes), "{}", cost.bytes);
    }
}

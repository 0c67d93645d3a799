//! Prio3SumVec: two aggregators who see that every counter is in range, and together can open all.
//!
//! Counters have 32 bits. What the two say to each other about a site is not counted as bytes: 3 %
//! more at 1,000 counters, and less at 10,000.
//!
//! # Source
//! VDAF, section 7.4.3, in the crate `prio`.

use prio::codec::{Encode, ParameterizedDecode};
use prio::vdaf::prio3::{Prio3InputShare, Prio3PublicShare, Prio3SumVec, optimal_chunk_length};
use prio::vdaf::{Aggregatable, Aggregator, Client, Collector, VerifyTransition};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::Failure;
use crate::round::{Cost, Round};

const BITS: usize = 32;
const AGGREGATORS: u8 = 2;
const CONTEXT: &[u8] = b"sealed-peers";

/// Shards, verifies and adds up, unshards.
pub(crate) fn run(round: Round) -> Result<Cost, Failure> {
    let chunk = optimal_chunk_length(BITS * round.counters);
    let max = (1 << BITS) - 1;
    let prio = Prio3SumVec::new_sum_vec(AGGREGATORS, max, round.counters, chunk)?;
    let mut generator = ChaCha20Rng::try_from_os_rng()?;
    let mut key = [0; 32];
    generator.fill_bytes(&mut key);

    let mut cost = Cost::default();
    let mut sums = [(); 2].map(|()| prio.aggregate_init(&()));
    for site in 0..round.sites {
        let values: Vec<u128> = round.values(site).into_iter().map(u128::from).collect();
        let mut nonce = [0; 16];
        generator.fill_bytes(&mut nonce);
        let sent = cost.sites.run(|| shard(&prio, &values, &nonce))?;
        cost.bytes = sent.public.len() + sent.inputs.iter().map(Vec::len).sum::<usize>();
        let outputs = cost.reading.run(|| verify(&prio, &key, &nonce, &sent))?;
        cost.adding.run(|| {
            sums.iter_mut().zip(&outputs).try_for_each(|(sum, output)| sum.accumulate(output))
        })?;
    }
    let sites = usize::try_from(round.sites)?;
    let totals = cost.opening.run(|| prio.unshard(&(), sums, sites))?;
    let totals = totals.into_iter().map(u64::try_from).collect::<Result<Vec<_>, _>>()?;
    round.check(&totals)?;
    Ok(cost)
}

/// What a site sends.
struct Sent {
    public: Vec<u8>,
    inputs: Vec<Vec<u8>>,
}

fn shard(prio: &Prio3SumVec, values: &Vec<u128>, nonce: &[u8; 16]) -> Result<Sent, Failure> {
    let (public, inputs) = prio.shard(CONTEXT, values, nonce)?;
    let inputs = inputs.iter().map(Encode::get_encoded).collect::<Result<_, _>>()?;
    Ok(Sent { public: public.get_encoded()?, inputs })
}

type Output = <Prio3SumVec as prio::vdaf::Vdaf>::OutputShare;

/// What both aggregators do about one site, all of it in one place.
fn verify(
    prio: &Prio3SumVec,
    key: &[u8; 32],
    nonce: &[u8; 16],
    sent: &Sent,
) -> Result<Vec<Output>, Failure> {
    let (mut states, mut verifiers) = (vec![], vec![]);
    for (index, bytes) in sent.inputs.iter().enumerate() {
        let public = Prio3PublicShare::get_decoded_with_param(prio, &sent.public)?;
        let input = Prio3InputShare::get_decoded_with_param(&(prio, index), bytes)?;
        let (state, verifier) =
            prio.verify_init(key, CONTEXT, index, &(), nonce, &public, &input)?;
        states.push(state);
        verifiers.push(verifier);
    }
    let message = prio.verifier_shares_to_message(CONTEXT, &(), verifiers)?;
    let finish = |state| match prio.verify_next(CONTEXT, state, message.clone())? {
        VerifyTransition::Finish(output) => Ok(output),
        VerifyTransition::Continue(..) => Err("a second round of verification".into()),
    };
    states.into_iter().map(finish).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_round() {
        let cost = run(Round { sites: 3, counters: 20 }).unwrap();
        // A field element of 16 bytes per bit, and the proof.
        assert!(cost.bytes > 20 * 32 * 16, "{}", cost.bytes);
    }
}

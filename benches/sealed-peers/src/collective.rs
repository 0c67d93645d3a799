//! BFV under a key of five parties, all of whom are needed to open.
//!
//! The keys are long-lived, so that making them is not counted. The parties add errors to what they
//! release, but not as many as would hide the ciphertext's (see the crate's own remarks): it would
//! cost a wider modulus. Ciphertexts are whole polynomials, so that few counters pay for many.
//!
//! # Source
//! Mouchet et al., Multiparty Homomorphic Encryption from Ring-Learning-with-Errors (2020), in the
//! crate `fhe`.

use std::sync::Arc;

use fhe::bfv::{
    BfvParameters, BfvParametersBuilder, Ciphertext, Encoding, Plaintext, PublicKey, SecretKey,
};
use fhe::mbfv::{AggregateIter, CommonRandomPoly, DecryptionShare, PublicKeyShare};
use fhe_traits::{DeserializeParametrized, FheDecoder, FheEncoder, FheEncrypter, Serialize};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::Failure;
use crate::round::{Cost, Round};

const PARTIES: usize = 5;
const DEGREE: usize = 4096;
/// 109 bits in all, the most for 128 bits of security at this degree (Homomorphic Encryption
/// Standard, table 1). Opening reduces by the first of them, so that it must exceed a plaintext.
const MODULI_BITS: [usize; 2] = [54, 55];
const PLAINTEXT_MODULUS: u64 = 1 << 40;

/// Encrypts under the common key, adds up, opens by all parties.
pub(crate) fn run(round: Round) -> Result<Cost, Failure> {
    let parameters = BfvParametersBuilder::new()
        .set_degree(DEGREE)
        .set_plaintext_modulus(PLAINTEXT_MODULUS)
        .set_moduli_sizes(&MODULI_BITS)
        .build_arc()?;
    let mut generator = ChaCha20Rng::try_from_os_rng()?;
    let (parties, key) = keys(&parameters, &mut generator)?;

    let mut cost = Cost::default();
    let mut sums = vec![Ciphertext::zero(&parameters); round.counters.div_ceil(DEGREE)];
    for site in 0..round.sites {
        let values: Vec<u64> = round.values(site).into_iter().map(u64::from).collect();
        let sent = cost.sites.run(|| encrypt(&key, &values, &parameters, &mut generator))?;
        cost.bytes = sent.iter().map(Vec::len).sum();
        for (sum, bytes) in sums.iter_mut().zip(&sent) {
            let ciphertext = cost.reading.run(|| Ciphertext::from_bytes(bytes, &parameters))?;
            cost.adding.run(|| {
                *sum += &ciphertext;
                Ok::<_, Failure>(())
            })?;
        }
    }
    let mut totals = vec![];
    for sum in sums {
        totals.extend(cost.opening.run(|| open(&parties, sum, &mut generator))?);
    }
    totals.truncate(round.counters);
    round.check(&totals)?;
    Ok(cost)
}

/// The parties' own keys, and the one that sites encrypt under.
fn keys(
    parameters: &Arc<BfvParameters>,
    generator: &mut ChaCha20Rng,
) -> Result<(Vec<SecretKey>, PublicKey), Failure> {
    let common = CommonRandomPoly::new(parameters, generator)?;
    let (mut parties, mut shares) = (vec![], vec![]);
    for _ in 0..PARTIES {
        let secret = SecretKey::random(parameters, generator);
        shares.push(PublicKeyShare::new(&secret, common.clone(), generator)?);
        parties.push(secret);
    }
    Ok((parties, shares.into_iter().aggregate()?))
}

fn encrypt(
    key: &PublicKey,
    values: &[u64],
    parameters: &Arc<BfvParameters>,
    generator: &mut ChaCha20Rng,
) -> Result<Vec<Vec<u8>>, Failure> {
    let mut sent = vec![];
    for chunk in values.chunks(DEGREE) {
        let plaintext = Plaintext::try_encode(chunk, Encoding::poly(), parameters)?;
        sent.push(key.try_encrypt(&plaintext, generator)?.to_bytes());
    }
    Ok(sent)
}

fn open(
    parties: &[SecretKey],
    sum: Ciphertext,
    generator: &mut ChaCha20Rng,
) -> Result<Vec<u64>, Failure> {
    let sum = Arc::new(sum);
    let release = |party| DecryptionShare::new(party, &sum, generator);
    let released = parties.iter().map(release).collect::<Result<Vec<_>, _>>()?;
    let plaintext: Plaintext = released.into_iter().aggregate()?;
    Ok(Vec::try_decode(&plaintext, Encoding::poly())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_round_also_over_two_polynomials() {
        let few = run(Round { sites: 3, counters: 20 }).unwrap();
        let more = run(Round { sites: 3, counters: DEGREE + 1 }).unwrap();
        assert_eq!(2 * few.bytes, more.bytes);
    }
}

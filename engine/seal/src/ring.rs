//! The public masks of a round, and their products with secrets.
//!
//! Polynomials are modulo X^2048 + 1 and 2^64. It draws nothing that is secret.
//!
//! # Source
//! Negacyclic number-theoretic transforms modulo five 32-bit primes: `tfhe_ntt::native64`.

#![deny(clippy::float_arithmetic)]

use std::sync::LazyLock;

use tfhe_ntt::native64::Plan32;
use zeroize::Zeroizing;

use crate::lane::{Lane, wide};

/// Coefficients of a polynomial. With 64-bit coefficients and the errors of [`crate::Role`] this is
/// the parameter set of compact public keys of tfhe 1.8
/// (`PARAM_PKE_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128`).
pub(crate) const SIZE: usize = 2048;

/// What ciphertexts of one round have in common and those of others have not.
///
/// A digest of all that identifies the round: the query, the ledger's head, the set of sites. All
/// masks follow from it and from the lane, so that a ciphertext of one round opens in no other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Context(pub [u8; 32]);

/// The products of one secret polynomial with the masks of a round, block by block.
pub(crate) struct Products<'a> {
    lane: &'a Lane,
    context: &'a Context,
    secret: Zeroizing<[Vec<u32>; 5]>,
    scratch: Zeroizing<[Vec<u32>; 5]>,
    product: Zeroizing<Vec<u64>>,
}

impl<'a> Products<'a> {
    /// Transforms a polynomial with non-negative coefficients once, for all blocks.
    pub(crate) fn of(lane: &'a Lane, context: &'a Context, secret: &[u32]) -> Self {
        let wide: Zeroizing<Vec<u64>> =
            Zeroizing::new(secret.iter().map(|&word| u64::from(word)).collect());
        let mut transformed = empty();
        forward(&wide, &mut transformed);
        let product = Zeroizing::new(vec![0; SIZE]);
        Self { lane, context, secret: transformed, scratch: empty(), product }
    }

    /// The product with the mask of one block.
    pub(crate) fn with_mask(&mut self, block: usize) -> &[u64] {
        forward(&mask(self.lane, self.context, block), &mut self.scratch);
        let plans = [PLAN.ntt_0(), PLAN.ntt_1(), PLAN.ntt_2(), PLAN.ntt_3(), PLAN.ntt_4()];
        for ((plan, mask), secret) in plans.iter().zip(&mut *self.scratch).zip(&*self.secret) {
            plan.mul_assign_normalize(mask, secret);
        }
        let [p0, p1, p2, p3, p4] = &mut *self.scratch;
        PLAN.inv(&mut self.product, p0, p1, p2, p3, p4);
        &self.product
    }
}

/// The mask of one block: uniform, and the same for whoever knows the round.
pub(crate) fn mask(lane: &Lane, context: &Context, block: usize) -> Vec<u64> {
    let mut hasher = blake3::Hasher::new_derive_key(MASKS);
    hasher.update(&context.0).update(&lane.bytes()).update(&wide(block).to_le_bytes());
    let mut bytes = vec![0; 8 * SIZE];
    hasher.finalize_xof().fill(&mut bytes);
    let (words, _) = bytes.as_chunks();
    words.iter().map(|word| u64::from_le_bytes(*word)).collect()
}

fn forward(polynomial: &[u64], transformed: &mut [Vec<u32>; 5]) {
    let [p0, p1, p2, p3, p4] = transformed;
    PLAN.fwd(polynomial, p0, p1, p2, p3, p4);
}

fn empty() -> Zeroizing<[Vec<u32>; 5]> {
    Zeroizing::new(std::array::from_fn(|_| vec![0; SIZE]))
}

#[expect(clippy::expect_used, reason = "the primes are fixed and have roots for this size")]
static PLAN: LazyLock<Plan32> = LazyLock::new(|| Plan32::try_new(SIZE).expect("a fixed size"));

/// The domain of the masks among all uses of BLAKE3.
const MASKS: &str = "graunt 2026-11 seal: masks of a round";

#[cfg(test)]
mod tests;

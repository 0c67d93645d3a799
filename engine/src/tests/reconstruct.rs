//! Reconstruction of a secret bit of every person from many noisy counts, by least squares.
//!
//! # Source
//! Dinur and Nissim, Revealing Information while Preserving Privacy, 2003, Theorem 3.

use proptest::prelude::Rng;
use proptest::test_runner::TestRng;

/// A secret bit per person, and random subsets of persons whose bits are counted.
pub(crate) struct Attack {
    pub(crate) secret: Vec<bool>,
    subsets: Vec<Vec<bool>>,
}

impl Attack {
    pub(crate) fn new(people: usize, counts: usize, random: &mut TestRng) -> Self {
        let mut bits = || (0..people).map(|_| random.next_u64().is_multiple_of(2)).collect();
        let secret = bits();
        Self { secret, subsets: (0..counts).map(|_| bits()).collect() }
    }

    /// The bits that fit the counts best, once `noise` is added to them.
    pub(crate) fn guess(&self, noise: &[f64]) -> Vec<bool> {
        let people = self.secret.len();
        let value = |bit: bool| f64::from(u8::from(bit));
        // The normal equations AᵀA·x = Aᵀb, with a little added to the diagonal.
        let mut square = vec![vec![0.0; people]; people];
        let mut right = vec![0.0; people];
        for (subset, noise) in self.subsets.iter().zip(noise) {
            let pairs = subset.iter().zip(&self.secret);
            let count = pairs.map(|(inside, bit)| value(*inside && *bit)).sum::<f64>() + noise;
            let inside: Vec<usize> = (0..people).filter(|person| subset[*person]).collect();
            for &i in &inside {
                right[i] += count;
                for &j in &inside {
                    square[i][j] += 1.0;
                }
            }
        }
        for (i, row) in square.iter_mut().enumerate() {
            row[i] += 1e-6;
        }
        solved(square, right).into_iter().map(|x| x > 0.5).collect()
    }
}

/// The share of bits that are guessed right.
pub(crate) fn accuracy(secret: &[bool], guess: &[bool]) -> f64 {
    let right = secret.iter().zip(guess).filter(|(bit, guess)| bit == guess).count();
    right as f64 / secret.len() as f64
}

/// The solution of a positive definite system, by elimination.
fn solved(mut square: Vec<Vec<f64>>, mut right: Vec<f64>) -> Vec<f64> {
    let count = right.len();
    for pivot in 0..count {
        let (above, below) = square.split_at_mut(pivot + 1);
        let row = &above[pivot];
        for (i, other) in below.iter_mut().enumerate() {
            let factor = other[pivot] / row[pivot];
            for (to, from) in other.iter_mut().zip(row).skip(pivot) {
                *to -= factor * from;
            }
            right[pivot + 1 + i] -= factor * right[pivot];
        }
    }
    for pivot in (0..count).rev() {
        let known: f64 = (pivot + 1..count).map(|j| square[pivot][j] * right[j]).sum();
        right[pivot] = (right[pivot] - known) / square[pivot][pivot];
    }
    right
}

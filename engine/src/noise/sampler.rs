//! Draws of integer noise, of whichever family, exact.
//!
//! Every probability is met exactly: nothing is rounded, and nothing is cut off. What is compared
//! in 64 bits at first is compared in as many as it takes.
#![deny(clippy::float_arithmetic)]

use super::gaussian::Gaussian;
use super::generator::Generator;
use super::geometric::Laplace;
use super::{Family, Noise, NoiseError};

/// The law of one noise, prepared.
#[derive(Clone, Debug)]
pub(super) enum Sampler {
    Gaussian(Gaussian),
    Laplace(Laplace),
}

impl Sampler {
    /// Prepares draws of `noise`.
    pub(super) fn new(noise: Noise) -> Result<Self, NoiseError> {
        Ok(match noise.family {
            Family::Gaussian => Self::Gaussian(Gaussian::new(noise.scale)?),
            Family::Laplace => Self::Laplace(Laplace::new(noise.scale)?),
        })
    }

    /// Draws once.
    #[inline]
    pub(super) fn draw(&self, generator: &mut Generator) -> i128 {
        match self {
            Self::Gaussian(gaussian) => gaussian.draw(generator),
            Self::Laplace(laplace) => laplace.draw(generator),
        }
    }
}

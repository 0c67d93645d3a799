//! The bridge to opendp: our samplers under its measurements, its privacy maps over our charges.
//!
//! It does not decide what may be spent. A measurement is neither `Send` nor `Sync`, so each
//! chunk makes its own, which takes about a microsecond.
#![deny(clippy::float_arithmetic)]

use std::sync::Arc;

use dashu::integer::{IBig, UBig};
use dashu::rational::RBig;
use ledger_adapter::cost::Rho;
use opendp::core::{Measure, Measurement, Metric, PrivacyMap};
use opendp::domains::{AtomDomain, VectorDomain};
use opendp::error::{Error, ErrorVariant, Fallible};
use opendp::measurements::{MakeNoise, NoisePrivacyMap, Sample, ZExpFamily, make_noisy_max};
use opendp::measures::{MaxDivergence, ZeroConcentratedDivergence};
use opendp::metrics::{L1Distance, L2Distance, LInfDistance};
use opendp::traits::InfCast;
use rayon::iter::ParallelIterator;
use rayon::slice::ParallelSlice;

use super::sampler::Sampler;
use super::{CHUNK, Column, Family, Noise, NoiseError, PARALLEL_MIN, Scale, Sharpness};
use super::{charge, generator, laplace, residual};

/// The noise of one column.
#[derive(Debug)]
pub(super) enum Mechanism {
    Gaussian(Plan<2>),
    Laplace(Plan<1>),
}

impl Mechanism {
    /// Prepares the mechanism.
    pub(super) fn new(noise: Noise) -> Result<Self, NoiseError> {
        let sampler = Arc::new(Sampler::new(noise)?);
        Ok(match noise.family {
            Family::Gaussian => Self::Gaussian(Plan { noise, sampler }),
            Family::Laplace => Self::Laplace(Plan { noise, sampler }),
        })
    }

    /// Checks that `price` is at least what opendp's privacy map says of a Gaussian column, and
    /// what follows from it for a Laplace one: its map knows ε only.
    pub(super) fn check(&self, column: &Column, price: Rho) -> Result<(), NoiseError> {
        let (sensitivity, groups) = (column.sensitivity, column.groups.unwrap_or(1));
        let agrees = match self {
            Self::Gaussian(plan) => {
                let distance = charge::distance(&column.square()?);
                is_covered(plan.gaussian()?.map(&distance)?, 1, price)
            }
            Self::Laplace(plan) => {
                let epsilon = plan.laplace()?.map(&RBig::from(sensitivity))?;
                RBig::try_from(epsilon).is_ok_and(|epsilon| {
                    laplace::is_plausible(price, sensitivity, groups, &epsilon)
                })
            }
        };
        if agrees { Ok(()) } else { Err(NoiseError::MapDisagrees) }
    }

    /// Adds noise to each value of a column, and projects those of a residual one.
    pub(super) fn perturb(&self, column: Column) -> Result<Vec<i128>, NoiseError> {
        let Some(residual) = column.residual else {
            return self.perturb_each(&column.values, IBig::from, saturate);
        };
        let cells = IBig::from(residual::cells(&residual.shape)?);
        let noisy =
            self.perturb_each(&column.values, |value| IBig::from(value) * &cells, |noisy| noisy)?;
        let projected = residual::project(noisy, &residual.shape)?;
        Ok(projected.into_iter().map(saturate).collect())
    }

    /// Shape and order: as `values`.
    fn perturb_each<T: Clone + Send>(
        &self,
        values: &[i128],
        before: impl Fn(i128) -> IBig + Sync,
        after: impl Fn(IBig) -> T + Sync,
    ) -> Result<Vec<T>, NoiseError> {
        let perturb = |chunk: &[i128]| -> Result<Vec<T>, NoiseError> {
            let values = chunk.iter().copied().map(&before).collect();
            // The sampler resumes this thread's stream, so look after it here, where an error
            // keeps its reason.
            generator::with(|_| ())?;
            let noisy = match self {
                Self::Gaussian(plan) => plan.gaussian()?.invoke(&values),
                Self::Laplace(plan) => plan.laplace()?.invoke(&values),
            };
            let noisy = noisy.map_err(|_| NoiseError::Mechanism)?;
            Ok(noisy.into_iter().map(&after).collect())
        };
        let chunks: Vec<_> = if values.len() > PARALLEL_MIN {
            values.par_chunks(CHUNK).map(perturb).collect::<Result<_, _>>()?
        } else {
            values.chunks(CHUNK).map(perturb).collect::<Result<_, _>>()?
        };
        Ok(chunks.concat())
    }
}

/// Checks that `price` is at least what opendp's map says of a selection.
pub(super) fn check_selection(
    sensitivity: u64,
    groups: u64,
    sharpness: Sharpness,
    price: Rho,
) -> Result<(), NoiseError> {
    if sharpness.numerator == 0 {
        return Ok(());
    }
    let above = UBig::ONE << usize::from(sharpness.log2_denominator);
    let scale = f64::neg_inf_cast(RBig::from_parts(above.into(), sharpness.numerator.into()))?;
    // What opendp calls monotonic is that its distance is the range of the change.
    let space = (VectorDomain::new(AtomDomain::<u64>::default()), LInfDistance::new(true));
    let measurement = make_noisy_max(space.0, space.1, ZeroConcentratedDivergence, scale, true)?;
    let mapped = measurement.map(&sensitivity)?;
    if is_covered(mapped, groups, price) { Ok(()) } else { Err(NoiseError::MapDisagrees) }
}

/// What opendp needs to know of a noise: P is 1 for Laplace, 2 for Gaussian.
#[derive(Clone, Debug)]
pub(super) struct Plan<const P: usize> {
    noise: Noise,
    sampler: Arc<Sampler>,
}

impl Plan<2> {
    fn gaussian(&self) -> Fallible<GaussianMeasurement> {
        self.clone().make_noise((VectorDomain::new(AtomDomain::default()), L2Distance::default()))
    }
}

impl Plan<1> {
    fn laplace(&self) -> Fallible<LaplaceMeasurement> {
        self.clone().make_noise((VectorDomain::new(AtomDomain::default()), L1Distance::default()))
    }
}

impl<const P: usize> Sample for Plan<P> {
    fn sample(&self, shift: &IBig) -> Fallible<IBig> {
        match generator::resume(|generator| self.sampler.draw(generator)) {
            Some(noise) => Ok(shift + IBig::from(noise)),
            None => Err(Error::from(ErrorVariant::FailedFunction)),
        }
    }
}

impl<const P: usize, MI: Metric, MO: Measure> NoisePrivacyMap<MI, MO> for Plan<P>
where
    ZExpFamily<P>: NoisePrivacyMap<MI, MO>,
{
    /// opendp's own map for its own sampler of the same law.
    fn noise_privacy_map(
        &self,
        input_metric: &MI,
        output_measure: &MO,
    ) -> Fallible<PrivacyMap<MI, MO>> {
        let Scale { numerator, log2_denominator } = self.noise.scale;
        let denominator = UBig::ONE << usize::from(log2_denominator);
        let scale = RBig::from_parts(numerator.into(), denominator);
        ZExpFamily::<P> { scale }.noise_privacy_map(input_metric, output_measure)
    }
}

type NoiseMeasurement<MI, MO> = Measurement<VectorDomain<AtomDomain<IBig>>, MI, MO, Vec<IBig>>;
type GaussianMeasurement = NoiseMeasurement<L2Distance<RBig>, ZeroConcentratedDivergence>;
type LaplaceMeasurement = NoiseMeasurement<L1Distance<RBig>, MaxDivergence>;

/// Whether `price` is at least `count` times what opendp maps to. An infinite map is no fraction,
/// and no price is high enough.
fn is_covered(mapped: f64, count: u64, price: Rho) -> bool {
    let price = RBig::from_parts(price.nano().into(), charge::NANO.into());
    RBig::try_from(mapped).is_ok_and(|mapped| mapped * RBig::from(count) <= price)
}

/// The nearest `i128`. An error would tell that the exact value was near the end.
fn saturate(value: IBig) -> i128 {
    let end = if value > IBig::ZERO { i128::MAX } else { i128::MIN };
    i128::try_from(value).unwrap_or(end)
}

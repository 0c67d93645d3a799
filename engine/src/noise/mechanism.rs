//! The bridge to opendp: our sampler under its measurement, its privacy map over our charge.
//!
//! It does not decide what may be spent. A measurement is neither `Send` nor `Sync`, so each
//! chunk makes its own, which takes about a microsecond.
#![deny(clippy::float_arithmetic)]

use dashu::integer::{IBig, UBig};
use dashu::rational::RBig;
use ledger_adapter::cost::Rho;
use opendp::core::{Measurement, PrivacyMap};
use opendp::domains::{AtomDomain, VectorDomain};
use opendp::error::{Error, ErrorVariant, Fallible};
use opendp::measurements::{MakeNoise, NoisePrivacyMap, Sample, ZExpFamily};
use opendp::measures::ZeroConcentratedDivergence;
use opendp::metrics::L2Distance;
use rayon::iter::ParallelIterator;
use rayon::slice::ParallelSlice;

use super::sampler::Sampler;
use super::{CHUNK, NoiseError, PARALLEL_MIN, Scale, charge, generator};

/// The Gaussian mechanism of one scale.
#[derive(Clone, Debug)]
pub(super) struct Mechanism {
    scale: Scale,
    sampler: Sampler,
}

impl Mechanism {
    /// Prepares the mechanism.
    pub(super) fn new(scale: Scale) -> Result<Self, NoiseError> {
        Ok(Self { scale, sampler: Sampler::new(scale)? })
    }

    /// Checks that `price` is at least what opendp's privacy map says.
    pub(super) fn check(
        &self,
        sensitivity: u64,
        groups: u64,
        price: Rho,
    ) -> Result<(), NoiseError> {
        let mapped = self.measurement()?.map(&charge::distance(sensitivity, groups))?;
        // An infinite map is no fraction, and no price is high enough.
        let mapped = RBig::try_from(mapped).map_err(|_| NoiseError::MapDisagrees)?;
        let price = RBig::from_parts(price.nano().into(), UBig::from(1_000_000_000_u64));
        if mapped > price { Err(NoiseError::MapDisagrees) } else { Ok(()) }
    }

    /// Adds noise to each value. Shape and order: as `values`.
    pub(super) fn perturb(&self, values: &[i128]) -> Result<Vec<i128>, NoiseError> {
        let chunks: Vec<_> = if values.len() > PARALLEL_MIN {
            let chunks = values.par_chunks(CHUNK);
            chunks.map(|chunk| self.perturb_chunk(chunk)).collect::<Result<_, _>>()?
        } else {
            let chunks = values.chunks(CHUNK);
            chunks.map(|chunk| self.perturb_chunk(chunk)).collect::<Result<_, _>>()?
        };
        Ok(chunks.concat())
    }

    fn perturb_chunk(&self, values: &[i128]) -> Result<Vec<i128>, NoiseError> {
        let values: Vec<IBig> = values.iter().copied().map(IBig::from).collect();
        // The sampler resumes this thread's stream, so look after it here, where an error keeps
        // its reason.
        generator::with(|_| ())?;
        let noisy = self.measurement()?.invoke(&values).map_err(|_| NoiseError::Mechanism)?;
        Ok(noisy.into_iter().map(saturate).collect())
    }

    fn measurement(&self) -> Fallible<GaussianMeasurement> {
        self.clone().make_noise((VectorDomain::new(AtomDomain::default()), L2Distance::default()))
    }
}

impl Sample for Mechanism {
    fn sample(&self, shift: &IBig) -> Fallible<IBig> {
        match generator::resume(|generator| self.sampler.draw(generator)) {
            Some(noise) => Ok(shift + IBig::from(noise)),
            None => Err(Error::from(ErrorVariant::FailedFunction)),
        }
    }
}

impl NoisePrivacyMap<L2Distance<RBig>, ZeroConcentratedDivergence> for Mechanism {
    /// opendp's own map for its own sampler of the same law.
    fn noise_privacy_map(
        &self,
        input_metric: &L2Distance<RBig>,
        output_measure: &ZeroConcentratedDivergence,
    ) -> Fallible<PrivacyMap<L2Distance<RBig>, ZeroConcentratedDivergence>> {
        let denominator = UBig::ONE << usize::from(self.scale.log2_denominator);
        let scale = RBig::from_parts(self.scale.numerator.into(), denominator);
        ZExpFamily::<2> { scale }.noise_privacy_map(input_metric, output_measure)
    }
}

type GaussianMeasurement = Measurement<
    VectorDomain<AtomDomain<IBig>>,
    L2Distance<RBig>,
    ZeroConcentratedDivergence,
    Vec<IBig>,
>;

/// The nearest `i128`. An error would tell that the exact value was near the end.
fn saturate(value: IBig) -> i128 {
    let end = if value > IBig::ZERO { i128::MAX } else { i128::MIN };
    i128::try_from(value).unwrap_or(end)
}

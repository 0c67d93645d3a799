//! Noise that several parties add, none of whom sees what the others add.
//!
//! ```text
//!   σ of one trusted party ──per_party──▶ σ of each of many ──of_all──▶ σ of what they add up to
//! ```
//! Of all who add noise only some are sure to be honest: the others may know, or leave out, theirs.
//! So each adds enough for the honest ones alone to make up the noise that is paid for, and if all
//! are honest there is more of it than that.
//!
//! # Privacy
//! A sum of h independent discrete Gaussians of scale s is within a factor of exp(±τ), point by
//! point, of the discrete Gaussian of scale s·√h, with τ = 10·Σ exp(-2π²·s²·k/(k+1)) over k < h.
//! From s² = 8 on, τ is below h·10⁻³³, and a total over d values moves by less than d·τ in
//! what it costs. Shares are made 2⁻²⁰ wider than needed, which pays for that many times over.
//! Below s² = 8 each party adds noise of s² = 8, or all that is paid for if that is less: then one
//! honest party is enough.
//!
//! # Source
//! Kairouz, Liu and Steinke, The Distributed Discrete Gaussian Mechanism for Federated Learning
//! with Secure Aggregation, 2021, Theorem 1.
#![deny(clippy::float_arithmetic)]

use std::fmt;

use dashu::base::SquareRoot;
use dashu::integer::UBig;

use super::mechanism::Mechanism;
use super::{Column, Family, Noise, NoiseError, Scale};

/// Values to which one party has added its share of noise. It is made by
/// [`Purse::share`](super::purse::Purse::share), and for nobody's records by `cover`: exact values
/// have no such form.
pub struct NoisyShare {
    values: Vec<i128>,
}

impl fmt::Debug for NoisyShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NoisyShare")
    }
}

impl NoisyShare {
    pub(super) fn new(columns: Vec<Vec<i128>>) -> Self {
        Self { values: columns.concat() }
    }

    /// The values, column by column. They hold one share of the noise only, and are for sealing.
    pub(crate) fn values(&self) -> &[i128] {
        &self.values
    }
}

/// Draws the share of a party that has no records: noise for as many zeros as the columns have
/// values.
///
/// # Errors
/// [`NoiseError::NoFamily`] for noise that is not Gaussian, [`NoiseError::NoSensitivity`] for
/// nobody honest, [`NoiseError::BadScale`], [`NoiseError::Entropy`], [`NoiseError::Mechanism`].
pub(crate) fn cover(columns: Vec<Column>, honest: u32) -> Result<NoisyShare, NoiseError> {
    let zeros = columns.into_iter().map(|column| Column { values: nothing(&column), ..column });
    Ok(NoisyShare::new(zeros.map(|column| draw(column, honest)).collect::<Result<_, _>>()?))
}

fn nothing(column: &Column) -> Vec<i128> {
    vec![0; column.values.len()]
}

/// Adds one party's share of its noise to a column.
pub(super) fn draw(column: Column, honest: u32) -> Result<Vec<i128>, NoiseError> {
    let noise = per_party(column.noise, honest)?;
    Mechanism::new(noise)?.perturb(Column { noise, ..column })
}

/// The noise that each party adds, if `honest` of them are to make up `noise` together.
///
/// # Errors
/// [`NoiseError::NoFamily`] for noise that is not Gaussian, [`NoiseError::NoSensitivity`] if
/// nobody is honest, [`NoiseError::BadScale`], [`NoiseError::Overflow`].
pub(crate) fn per_party(noise: Noise, honest: u32) -> Result<Noise, NoiseError> {
    if noise.family != Family::Gaussian {
        return Err(NoiseError::NoFamily);
    }
    if honest == 0 {
        return Err(NoiseError::NoSensitivity);
    }
    let Scale { numerator, log2_denominator } = noise.scale;
    if numerator == 0 {
        return Err(NoiseError::BadScale);
    }
    let whole = (UBig::from(numerator).sqr(), UBig::ONE << (2 * usize::from(log2_denominator)));
    let least = UBig::from(LEAST_SQUARE);
    if honest == 1 || whole.0 <= &least * &whole.1 {
        return Ok(noise);
    }
    let share = (whole.0, whole.1 * UBig::from(honest));
    let share = if share.0 < &least * &share.1 { (least, UBig::ONE) } else { share };
    let slack = UBig::ONE << SLACK_BITS;
    root(share.0 * (&slack + UBig::ONE), share.1 * slack)
}

/// The noise that `parties` add up to, each with its share of `noise` for `honest` of them; wider
/// by a few billionths.
///
/// # Errors
/// As [`per_party`].
pub(crate) fn of_all(noise: Noise, honest: u32, parties: u32) -> Result<Noise, NoiseError> {
    let each = per_party(noise, honest)?;
    if parties <= 1 {
        return Ok(each);
    }
    let Scale { numerator, log2_denominator } = each.scale;
    let below = UBig::ONE << (2 * usize::from(log2_denominator));
    root(UBig::from(numerator).sqr() * UBig::from(parties), below)
}

/// The Gaussian whose squared scale is at least above / below, with a numerator of 31 bits where
/// that is fine enough.
fn root(above: UBig, below: UBig) -> Result<Noise, NoiseError> {
    let numerator = |fine: u8| {
        let square = (above.clone() << (2 * usize::from(fine))) + &below - UBig::ONE;
        let square = square / &below;
        let floor = square.sqrt();
        if floor.sqr() < square { floor + UBig::ONE } else { floor }
    };
    let limit = UBig::ONE << NUMERATOR_BITS;
    let fine = (0..=FINEST).take_while(|fine| numerator(*fine) < limit).last().unwrap_or(0);
    let overflow = |_| NoiseError::Overflow { what: "the noise scale" };
    let numerator = u64::try_from(numerator(fine)).map_err(overflow)?;
    Ok(Noise::from(Scale { numerator, log2_denominator: fine }))
}

/// Squared scale from which on sums of discrete Gaussians are discrete Gaussians for all that
/// matters.
const LEAST_SQUARE: u32 = 8;

/// Shares are one part in 2²⁰ wider than needed.
const SLACK_BITS: usize = 20;

const NUMERATOR_BITS: usize = 31;

/// Most binary places of a scale.
const FINEST: u8 = 60;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::charge_of;

    fn gaussian(numerator: u64, log2_denominator: u8) -> Noise {
        Noise::from(Scale { numerator, log2_denominator })
    }

    /// σ² of a noise.
    fn square(noise: Noise) -> f64 {
        noise.scale.as_f64().powi(2)
    }

    #[test]
    fn the_honest_alone_make_up_what_is_paid_for() {
        for sigma in [(1, 4), (1, 0), (23, 3), (3, 0), (40, 0), (1_234_567, 5), (u64::MAX, 20)] {
            let noise = gaussian(sigma.0, sigma.1);
            for honest in [1, 2, 3, 4, 17, 1_000] {
                let each = per_party(noise, honest).unwrap();
                let (one, whole) = (square(each), square(noise));
                let together = if one < 8.0 { one } else { one * f64::from(honest) };
                assert!(together >= whole * (1.0 - 1e-12), "{sigma:?} {honest}: {together}");
                // And not more than is needed.
                let needed =
                    if whole <= 8.0 { whole } else { (whole / f64::from(honest)).max(8.0) };
                assert!(one <= needed * (1.0 + 1e-5), "{sigma:?} {honest}: {one} {needed}");
            }
        }
        assert_eq!(per_party(gaussian(40, 0), 1).unwrap(), gaussian(40, 0));
    }

    #[test]
    fn all_together_are_wider_by_the_root_of_their_number() {
        for (honest, parties) in [(1, 1), (2, 8), (3, 3), (4, 105)] {
            let noise = gaussian(1_000, 3);
            let all = square(of_all(noise, honest, parties).unwrap());
            let expected = square(noise) * f64::from(parties) / f64::from(honest);
            assert!((all / expected - 1.0).abs() < 2e-6, "{honest} {parties}: {all} {expected}");
        }
    }

    #[test]
    fn what_cannot_be_shared_is_refused() {
        let laplace = Noise { family: Family::Laplace, ..gaussian(5, 0) };
        assert!(matches!(per_party(laplace, 2), Err(NoiseError::NoFamily)));
        assert!(matches!(per_party(gaussian(5, 0), 0), Err(NoiseError::NoSensitivity)));
        assert!(matches!(per_party(gaussian(0, 0), 2), Err(NoiseError::BadScale)));
    }

    /// The point-by-point distance of sums of discrete Gaussians from the discrete Gaussian of the
    /// same square, beside the bound. At s² = 8 both are beyond what floats show.
    #[test]
    fn sums_of_shares_are_as_close_as_the_theorem_says() {
        let law = |square: f64| -> Vec<f64> {
            let weight = |z: i32| (-f64::from(z * z) / (2.0 * square)).exp();
            let all: f64 = (-200..=200).map(weight).sum();
            (-200..=200).map(|z| weight(z) / all).collect()
        };
        for s2 in [0.4, 0.5, 0.7, 1.0] {
            let one = law(s2);
            let mut sum = one.clone();
            for parties in 2..=4_i32 {
                let at = |sum: &[f64], z: i32| usize::try_from(z + 200).map_or(0.0, |i| sum[i]);
                let convolved = (-200..=200).map(|z: i32| {
                    let parts = (-40..=40).filter(|x| (z - x).abs() <= 200);
                    parts.map(|x| at(&one, x) * at(&sum, z - x)).sum()
                });
                sum = convolved.collect();
                let whole = law(s2 * f64::from(parties));
                let reach = 8;
                let furthest = (-reach..=reach)
                    .map(|z| (at(&sum, z) / at(&whole, z)).ln().abs())
                    .fold(0.0, f64::max);
                let term = |k: i32| {
                    let k = f64::from(k);
                    (-2.0 * std::f64::consts::PI.powi(2) * s2 * k / (k + 1.0)).exp()
                };
                let bound = 10.0 * (1..parties).map(term).sum::<f64>();
                assert!(furthest <= bound + 1e-9, "{s2} {parties}: {furthest} {bound}");
                assert!(s2 > 0.6 || furthest > bound / 100.0, "{s2} {parties}: {furthest}");
            }
        }
    }

    #[test]
    fn the_charge_is_that_of_the_honest_alone() {
        // The charge of a column is that of the noise of one trusted party; three honest parties of
        // any number add up to no less.
        let noise = gaussian(90, 0);
        let three = of_all(noise, 3, 3).unwrap();
        assert!(charge_of(5, 2, three).unwrap() <= charge_of(5, 2, noise).unwrap());
    }
}

//! Two incidence rates compared.

use crate::estimate::{Estimate, Interval};
use crate::methods::distribution::{beta, bisect};
use crate::methods::hypothesis::Test;
use crate::methods::propagation::{
    Ratio, Reach, centre, down, exponential, fieller, two_sided, up, wald,
};

/// Cases and the person-time they were seen in, of an exposed and an unexposed group.
///
/// Cases are Poisson; person-time is given, up to its noise. Its unit does not matter to ratios.
#[derive(Clone, Debug)]
pub struct Incidence {
    /// Exposed cases, their person-time, unexposed cases, their person-time.
    inputs: [Estimate; 4],
}

impl Incidence {
    /// From exposed cases, their person-time, unexposed cases and their person-time.
    pub const fn new(inputs: [Estimate; 4]) -> Self {
        Self { inputs }
    }

    /// Incidence rate ratio, normal on the scale of logarithms.
    ///
    /// # Source
    ///
    /// Rothman, Greenland and Lash, Modern Epidemiology (2008), chapter 14.
    pub fn rate_ratio(&self, level: f64) -> Estimate {
        let z = two_sided(level);
        let centres = self.centres();
        let log = RATES.log(&centres);
        let sampling = wald(log, 1.0 / centres[0] + 1.0 / centres[2], z);
        let value = RATES.value(&self.inputs.each_ref().map(|input| input.value));
        self.with_noise("incidence rate ratio (Wald)", value, log, sampling, z)
    }

    /// Median-unbiased incidence rate ratio with its mid-P interval; of noisy cases, that of the
    /// nearest whole numbers, and the noise added on the scale of logarithms.
    ///
    /// # Source
    ///
    /// Rothman, Greenland and Lash 2008, chapter 14: given their sum, cases are binomial.
    pub fn median_unbiased_rate_ratio(&self, level: f64) -> Estimate {
        let z = two_sided(level);
        let centres = self.centres();
        let [exposed, unexposed] = self.whole_cases();
        let log_ratio = |tail: f64| {
            let share = bisect(0.0, 1.0, |share| {
                let [below, at, _] = split(exposed, exposed + unexposed, share);
                below + at / 2.0 > tail
            });
            (share / (1.0 - share) * (centres[3] / centres[1])).ln()
        };
        let rest = (1.0 - level) / 2.0;
        let sampling = Interval {
            lower: if exposed == 0.0 { f64::NEG_INFINITY } else { log_ratio(1.0 - rest) },
            upper: if unexposed == 0.0 { f64::INFINITY } else { log_ratio(rest) },
        };
        let log = match (exposed == 0.0, unexposed == 0.0) {
            (true, true) => f64::NAN,
            (true, false) => f64::NEG_INFINITY,
            (false, true) => f64::INFINITY,
            (false, false) => log_ratio(0.5),
        };
        // Where the estimate is no number, Wald's centre is one inside of the interval.
        let wald = RATES.log(&centres).max(sampling.lower).min(sampling.upper);
        let start = if log.is_finite() { log } else { wald };
        let method = "incidence rate ratio (median-unbiased, mid-P)";
        self.with_noise(method, log.exp(), start, sampling, z)
    }

    /// Incidence rate of the exposed less that of the unexposed, per unit of their person-time.
    ///
    /// # Source
    ///
    /// Rothman, Greenland and Lash 2008, chapter 14; noise as Fieller's limits of either rate.
    pub fn rate_difference(&self, level: f64) -> Estimate {
        let z = two_sided(level);
        let (mut value, mut variance, mut noise) = (0.0, 0.0, 0.0);
        let mut reach = Reach::default();
        for (at, sign) in [(0, 1.0), (2, -1.0)] {
            let (cases, time) = (&self.inputs[at], &self.inputs[at + 1]);
            let rate = cases.value / time.value;
            let per_time = 1.0 / (time.value * time.value);
            value += sign * rate;
            variance += centre(cases.value, cases.noise_variance, 0.0) * per_time;
            noise += (cases.noise_variance + rate * rate * time.noise_variance) * per_time;
            let variances = [cases.noise_variance, time.noise_variance];
            let ends = fieller([cases.value, time.value], variances, 0.0, z);
            reach = reach.and(sign * rate, [sign * ends.lower, sign * ends.upper]);
        }
        let interval = reach.widen(value, wald(value, variance, z));
        let method = "incidence rate difference (Wald)";
        Estimate::of(&self.inputs, method, value, noise, Some(interval))
    }

    /// Whether both rates are one: the score test, its variance with that of the noise.
    ///
    /// # Source
    ///
    /// Rothman, Greenland and Lash 2008, chapter 13.
    pub fn equality(&self) -> Test {
        let [exposed, time, unexposed, other_time] = &self.inputs;
        let cases = exposed.value + unexposed.value;
        let share = time.value / (time.value + other_time.value);
        let rate = cases / (time.value + other_time.value);
        let difference = exposed.value - cases * share;
        let rest = 1.0 - share;
        let of_cases =
            rest * rest * exposed.noise_variance + share * share * unexposed.noise_variance;
        let of_time = rest * rest * time.noise_variance + share * share * other_time.noise_variance;
        let variance = cases.max(0.0) * share * rest + of_cases + rate * rate * of_time;
        let statistic = if variance > 0.0 && time.value > 0.0 && other_time.value > 0.0 {
            difference * difference / variance
        } else {
            f64::NAN
        };
        Test::chi_square(&self.inputs, "equality of rates (score)", statistic, 1.0)
    }

    /// The two-sided mid-P value of one rate; `None` where a number is noisy, for the exact law
    /// knows no noise.
    ///
    /// # Source
    ///
    /// Rothman, Greenland and Lash 2008, chapter 13: twice the smaller tail.
    pub fn exact_equality(&self) -> Option<f64> {
        if self.inputs.iter().any(|input| input.noise_variance > 0.0) {
            return None;
        }
        let [exposed, unexposed] = self.whole_cases();
        let share = self.inputs[1].value / (self.inputs[1].value + self.inputs[3].value);
        let [below, at, above] = split(exposed, exposed + unexposed, share);
        Some((2.0 * (below.min(above) + at / 2.0)).min(1.0))
    }

    fn whole_cases(&self) -> [f64; 2] {
        [0, 2].map(|at| self.inputs[at].value.max(0.0).round())
    }

    /// Cases are not below 1/2; person-time has no smallest unit.
    fn centres(&self) -> [f64; 4] {
        std::array::from_fn(|at| {
            let least = if at % 2 == 0 { 0.5 } else { f64::MIN_POSITIVE };
            centre(self.inputs[at].value, self.inputs[at].noise_variance, least)
        })
    }

    fn with_noise(
        &self,
        method: &'static str,
        value: f64,
        start: f64,
        sampling: Interval,
        z: f64,
    ) -> Estimate {
        let centres = self.centres();
        let log = RATES.log(&centres);
        let (mut reach, mut relative) = (Reach::default(), 0.0);
        for (at, input) in self.inputs.iter().enumerate() {
            let slope = RATES.slope(&centres, at);
            relative += slope * slope * input.noise_variance;
            let noise = z * input.noise_variance.sqrt();
            let ends = [down(input.value, noise), up(input.value, noise, centres[at])];
            let moved = ends.map(|end| {
                let mut moved = centres;
                moved[at] = end;
                RATES.log(&moved)
            });
            if noise > 0.0 {
                reach = reach.and(log, moved);
            }
        }
        let interval = exponential(reach.widen(start, sampling));
        let noise = RATES.value(&centres).powi(2) * relative;
        Estimate::of(&self.inputs, method, value, noise, Some(interval))
    }
}

/// The binomial probabilities of fewer, as many and more than `count` of so many.
fn split(count: f64, total: f64, share: f64) -> [f64; 3] {
    let fewer = if count == 0.0 { 0.0 } else { 1.0 - beta(share, count, total - count + 1.0) };
    let more = if count == total { 0.0 } else { beta(share, count + 1.0, total - count) };
    [fewer, (1.0 - fewer - more).max(0.0), more]
}

const RATES: Ratio = Ratio { above: &[&[0], &[3]], below: &[&[1], &[2]] };

//! How many cases a vaccine prevents among those who have it.

use super::propagation::{Reach, centre, complement, down, exponential, two_sided, up, wald};
use crate::estimate::{Estimate, Interval};

/// Vaccine effectiveness, 1 less a ratio of the vaccinated to the unvaccinated: of risks in a
/// cohort, of rates, of hazards, or of odds where cases are compared with those who tested
/// negative. Negative where the vaccinated have more cases; at most 1.
///
/// # Source
///
/// Greenwood and Yule, Proceedings of the Royal Society of Medicine 8 (1915) 113; Halloran,
/// Longini and Struchiner, Design and Analysis of Vaccine Studies (2010), 1.3. The interval is that
/// of the ratio, turned.
pub fn effectiveness(ratio: &Estimate) -> Estimate {
    complement(ratio, "vaccine effectiveness")
}

/// Vaccine effectiveness by screening: from vaccinated and unvaccinated cases, and the coverage of
/// the population they come from, in (0, 1). NaN where there are no cases or no coverage.
///
/// # Source
///
/// Orenstein, Bernier, Dondero and others, Bulletin of the World Health Organization 63 (1985)
/// 1055; Farrington, International Journal of Epidemiology 22 (1993) 742: binomial cases, normal
/// on the scale of the log odds, coverage known up to its noise.
pub fn screening(
    vaccinated: &Estimate,
    unvaccinated: &Estimate,
    coverage: &Estimate,
    level: f64,
) -> Estimate {
    let z = two_sided(level);
    let odds = coverage.value / (1.0 - coverage.value);
    let value = vaccinated.value / unvaccinated.value / odds;
    let cases = [vaccinated, unvaccinated];
    let starts = cases.map(|count| centre(count.value, count.noise_variance, 0.5));
    let log = (starts[0] / starts[1] / odds).ln();
    let sampling = wald(log, 1.0 / starts[0] + 1.0 / starts[1], z);
    let mut reach = Reach::default();
    let mut relative = 0.0;
    for ((count, start), sign) in cases.iter().zip(starts).zip([1.0, -1.0]) {
        let noise = z * count.noise_variance.sqrt();
        if noise > 0.0 {
            let ends = [down(count.value, noise), up(count.value, noise, start)];
            let moved = ends.map(|end| log + sign * (end / start).ln());
            reach = reach.and(log, moved);
        }
        relative += count.noise_variance / (start * start);
    }
    let noise = z * coverage.noise_variance.sqrt();
    if noise > 0.0 {
        let ends = [coverage.value - noise, coverage.value + noise];
        let odds_of = |share: f64| share / (1.0 - share);
        let moved = ends.map(|end| log - (odds_of(end.clamp(0.0, 1.0)) / odds).ln());
        reach = reach.and(log, moved);
        let slope = 1.0 / (coverage.value * (1.0 - coverage.value));
        relative += slope * slope * coverage.noise_variance;
    }
    let interval = exponential(reach.widen(log, sampling));
    // A coverage of nobody or everybody, or beyond, has no odds.
    let has_odds = coverage.value > 0.0 && coverage.value < 1.0;
    let everything = Interval { lower: 0.0, upper: f64::INFINITY };
    let interval = if has_odds { interval } else { everything };
    let noise = (2.0 * log).exp() * relative;
    let inputs = [vaccinated, unvaccinated, coverage];
    let method = "vaccine effectiveness (screening)";
    let value = if has_odds { value } else { f64::NAN };
    complement(&Estimate::of(inputs, method, value, noise, Some(interval)), method)
}

#[cfg(test)]
mod tests {
    use super::{effectiveness, screening};
    use crate::estimate::{Estimate, Interval};
    use crate::methods::simulation::Random;
    use crate::methods::two_by_two::{Incidence, TwoByTwo};

    fn close(got: f64, expected: f64) {
        assert!((got - expected).abs() < 1e-4, "{got}, expected {expected}");
    }

    /// The trial of BNT162b2: 8 cases in 2.214 thousand person-years with vaccine and 162 in 2.222
    /// with placebo, 95.0 % (Polack and others, New England Journal of Medicine 383 (2020) 2603,
    /// table 2); interval by hand, exp(log(0.049561) -+ 1.959964 sqrt(1/8 + 1/162)).
    #[test]
    fn one_less_a_ratio_of_rates_is_the_effectiveness_of_a_trial() {
        let trial = Incidence::new([8.0, 2.214, 162.0, 2.222].map(Estimate::exact));
        let got = effectiveness(&trial.rate_ratio(0.95));
        let Interval { lower, upper } = got.interval.unwrap();
        close(got.value, 0.950439);
        close(lower, TRIAL[0]);
        close(upper, TRIAL[1]);
        let table = TwoByTwo::of_totals([8.0, 17_411.0, 162.0, 17_511.0].map(Estimate::exact));
        close(
            effectiveness(&table.risk_ratio(0.95)).value,
            1.0 - 8.0 * 17_511.0 / (162.0 * 17_411.0),
        );
    }

    /// Of cases 50 % and of the population 90 % are vaccinated: 89 %, Orenstein 1985, figure 1.
    #[test]
    fn screening_compares_the_odds_of_cases_with_those_of_the_population() {
        let [one, other, coverage] = [40.0, 40.0, 0.9].map(Estimate::exact);
        let got = screening(&one, &other, &coverage, 0.95);
        let Interval { lower, upper } = got.interval.unwrap();
        close(got.value, 8.0 / 9.0);
        // 1/9 times and over exp(1.959964 sqrt(1/20)).
        close(lower, 1.0 - 1.550010 / 9.0);
        close(upper, 1.0 - 1.0 / (1.550010 * 9.0));
        assert!(screening(&one, &other, &Estimate::exact(1.0), 0.95).value.is_nan());
    }

    /// Noise in cases and in coverage; a share of 95 % has a deviation of 0.5 % in 2,000 runs.
    #[test]
    fn intervals_of_screening_cover() {
        let mut random = Random::new(9);
        for (deviation, of_coverage) in [(0.0, 0.0), (1.4, 0.01), (2.8, 0.05), (14.0, 0.02)] {
            let mut held = 0;
            for _ in 0..2_000 {
                let mut noisy = |value: f64, deviation: f64| Estimate {
                    noise_variance: deviation * deviation,
                    ..Estimate::exact(value + deviation * random.normal())
                };
                let coverage = noisy(0.8, of_coverage);
                let cases = [40.0, 60.0].map(|mean| random.poisson(mean));
                let mut noisy = |value: f64| Estimate {
                    noise_variance: deviation * deviation,
                    ..Estimate::exact(value + deviation * random.normal())
                };
                let [one, other] = cases.map(&mut noisy);
                let got = screening(&one, &other, &coverage, 0.95);
                let Interval { lower, upper } = got.interval.unwrap();
                let truth = 1.0 - 40.0 / 60.0 * 0.2 / 0.8;
                held += u32::from(lower <= truth && truth <= upper);
            }
            assert!(held >= 1_880, "{deviation} {of_coverage}: {held}");
        }
    }

    const TRIAL: [f64; 2] = [0.899208, 0.975630];
}

//! Two groups compared within strata: one ratio for all of them, whether there is any
//! association, and whether one ratio fits all.
//!
//! Sums over strata are unbiased functions of noisy counts, for the noise of each count is
//! independent; their noise is that of each product of two counts. Strata of which noise alone
//! may have made all persons, those with fewer than two of its deviations, are left out.

use super::distribution::bisect;
use super::hypothesis::Test;
use super::propagation::{Ends, Reach, exponential, two_sided, wald};
use super::two_by_two::TwoByTwo;
use crate::estimate::Estimate;

/// Mantel and Haenszel's odds ratio over strata, with the variance of Robins, Breslow and
/// Greenland. NaN without strata that count.
///
/// # Source
///
/// Mantel and Haenszel, Journal of the National Cancer Institute 22 (1959) 719; Robins, Breslow
/// and Greenland, Biometrics 42 (1986) 311, equation 7.
pub fn odds_ratio(strata: &[TwoByTwo], level: f64) -> Estimate {
    let mut sums = Sums::default();
    let (mut same, mut mixed, mut opposite) = (0.0, 0.0, 0.0);
    let (mut above, mut below) = (0.0, 0.0);
    for stratum in counted(strata) {
        let [a, b, c, d] = stratum.values;
        let weight = 1.0 / stratum.persons;
        let [more_a, more_b, more_c, more_d] = stratum.products().map(|count| weight * count);
        let slopes = [[more_d, 0.0, 0.0, more_a], [0.0, more_c, more_b, 0.0]];
        sums.add(stratum.table, [a * d * weight, b * c * weight], slopes);
        // The variance is of counts, which are not negative.
        let [a, b, c, d] = stratum.values.map(|value| value.max(0.0));
        let persons = a + b + c + d;
        let (p, q) = ((a + d) / persons, (b + c) / persons);
        let (r, s) = (a * d / persons, b * c / persons);
        same += p * r;
        mixed += p * s + q * r;
        opposite += q * s;
        above += r;
        below += s;
    }
    let sampling = same / (2.0 * above * above)
        + mixed / (2.0 * above * below)
        + opposite / (2.0 * below * below);
    sums.estimate(strata, "odds ratio (Mantel-Haenszel)", sampling, level)
}

/// Mantel and Haenszel's risk ratio over strata. NaN without strata that count.
///
/// # Source
///
/// Greenland and Robins, Biometrics 41 (1985) 55, equations 4 and 13.
pub fn risk_ratio(strata: &[TwoByTwo], level: f64) -> Estimate {
    let mut sums = Sums::default();
    let (mut above, mut below, mut variance) = (0.0, 0.0, 0.0);
    for stratum in counted(strata) {
        let [a, b, c, d] = stratum.values;
        let weight = 1.0 / stratum.persons;
        let [more_a, more_b, more_c, more_d] = stratum.products().map(|count| weight * count);
        let slopes =
            [[more_c + more_d, 0.0, more_a, more_a], [more_c, more_c, more_a + more_b, 0.0]];
        sums.add(stratum.table, [a * (c + d) * weight, c * (a + b) * weight], slopes);
        let [a, b, c, d] = stratum.values.map(|value| value.max(0.0));
        let persons = a + b + c + d;
        above += a * (c + d) / persons;
        below += c * (a + b) / persons;
        variance += ((a + c) * (a + b) * (c + d) - a * c * persons) / (persons * persons);
    }
    let sampling = variance / (above * below);
    sums.estimate(strata, "risk ratio (Mantel-Haenszel)", sampling, level)
}

/// Whether group and outcome are independent in all strata, against an association in one
/// direction: the test of Cochran, Mantel and Haenszel, if asked with its correction of 1/2.
///
/// # Source
///
/// Mantel and Haenszel 1959; R, `mantelhaen.test`.
pub fn independence(strata: &[TwoByTwo], is_corrected: bool) -> Test {
    let (mut difference, mut variance) = (0.0, 0.0);
    for stratum in counted(strata) {
        let Margins { exposed, unexposed, cases, others } = stratum.margins();
        let persons = stratum.persons;
        if persons <= 1.0 {
            continue;
        }
        difference += stratum.values[0] - exposed * cases / persons;
        let product = [exposed, unexposed, cases, others].map(|margin| margin.max(0.0));
        let product: f64 = product.iter().product();
        variance += product / (persons * persons * (persons - 1.0));
        let square = persons * persons;
        variance += stratum.table.noise(&[
            unexposed * others / square,
            -unexposed * cases / square,
            -exposed * others / square,
            exposed * cases / square,
        ]);
    }
    let correction = if is_corrected && f64::abs(difference) >= 0.5 { 0.5 } else { 0.0 };
    let distance = f64::abs(difference) - correction;
    let statistic = if variance > 0.0 { distance * distance / variance } else { f64::NAN };
    let method = "Cochran-Mantel-Haenszel test";
    Test::chi_square(strata.iter().flat_map(TwoByTwo::inputs), method, statistic, 1.0)
}

/// Whether one odds ratio fits all strata: the test of Breslow and Day with Tarone's correction,
/// around the odds ratio of Mantel and Haenszel.
///
/// Without noise each stratum is weighted by the inverse of the variance that the fitted cells
/// give it. The variance by noise of its log odds ratio is added to that of sampling here.
///
/// # Source
///
/// Breslow and Day, Statistical Methods in Cancer Research 1 (1980), equation 4.30; Tarone,
/// Biometrika 72 (1985) 91.
pub fn homogeneity(strata: &[TwoByTwo]) -> Test {
    let odds = odds_ratio(strata, 0.95).value;
    let (mut squares, mut sum, mut weights, mut fitted) = (0.0, 0.0, 0.0, 0.0);
    for stratum in counted(strata) {
        let Some(cells) = stratum.fitted(odds) else { continue };
        let inverse = cells.map(|cell| 1.0 / cell);
        let [a, b, c, d] = inverse;
        // The log odds ratio is off by the difference over its variance.
        let precision = a + b + c + d;
        let distance = (stratum.values[0] - cells[0]) * precision;
        let variance = precision + stratum.table.noise(&[a, -b, -c, d]);
        squares += distance * distance / variance;
        sum += distance / variance;
        weights += 1.0 / variance;
        fitted += 1.0;
    }
    let statistic = squares - sum * sum / weights;
    let method = "Breslow-Day test (Tarone)";
    let inputs = strata.iter().flat_map(TwoByTwo::inputs);
    Test::chi_square(inputs, method, statistic, fitted - 1.0)
}

/// One stratum that counts.
struct Stratum<'a> {
    table: &'a TwoByTwo,
    values: [f64; 4],
    variances: [f64; 4],
    persons: f64,
}

struct Margins {
    exposed: f64,
    unexposed: f64,
    cases: f64,
    others: f64,
}

/// The strata that have more persons than noise alone may have made.
fn counted(strata: &[TwoByTwo]) -> impl Iterator<Item = Stratum<'_>> {
    strata.iter().filter_map(|table| {
        let cells = table.cells(0.0);
        let persons: f64 = cells.values.iter().sum();
        let noise = table.noise(&[1.0; 4]);
        let stratum = Stratum { table, values: cells.values, variances: cells.variances, persons };
        (persons > 2.0 * noise.sqrt()).then_some(stratum)
    })
}

impl Stratum<'_> {
    fn margins(&self) -> Margins {
        let [a, b, c, d] = self.values;
        Margins { exposed: a + b, unexposed: c + d, cases: a + c, others: b + d }
    }

    /// What the noise of another count is multiplied with in a product: not below one deviation,
    /// for the product of two noises has a variance too.
    fn products(&self) -> [f64; 4] {
        std::array::from_fn(|cell| self.values[cell].abs().max(self.variances[cell].sqrt()))
    }

    /// The cells with the margins of this table and an odds ratio, if there are such.
    fn fitted(&self, odds: f64) -> Option<[f64; 4]> {
        let Margins { exposed, unexposed, cases, .. } = self.margins();
        let cells = |a: f64| [a, exposed - a, cases - a, unexposed - cases + a];
        let (lowest, highest) = ((cases - unexposed).max(0.0), cases.min(exposed));
        if !(lowest < highest && odds > 0.0 && odds.is_finite()) {
            return None;
        }
        let fitted = cells(bisect(lowest, highest, |a| {
            let [a, b, c, d] = cells(a);
            a * d < odds * b * c
        }));
        fitted.iter().all(|cell| *cell > 0.0).then_some(fitted)
    }
}

/// Sums above and below the line of a ratio, with the variances and covariance of their noise.
#[derive(Default)]
struct Sums {
    above: f64,
    below: f64,
    above_noise: f64,
    below_noise: f64,
    covariance: f64,
}

impl Sums {
    fn add(
        &mut self,
        table: &TwoByTwo,
        [above, below]: [f64; 2],
        [above_slopes, below_slopes]: [[f64; 4]; 2],
    ) {
        self.above += above;
        self.below += below;
        self.above_noise += table.noise(&above_slopes);
        self.below_noise += table.noise(&below_slopes);
        self.covariance += table.covariance(&above_slopes, &below_slopes);
    }

    fn estimate(
        &self,
        strata: &[TwoByTwo],
        method: &'static str,
        sampling: f64,
        level: f64,
    ) -> Estimate {
        let z = two_sided(level);
        let above = Ends::new(self.above, self.above_noise, f64::MIN_POSITIVE, z);
        let below = Ends::new(self.below, self.below_noise, f64::MIN_POSITIVE, z);
        let deviations = (self.above_noise * self.below_noise).sqrt();
        let correlation = if deviations > 0.0 { self.covariance / deviations } else { 0.0 };
        let log = (above.centre / below.centre).ln();
        let sampling = wald(log, if sampling.is_nan() { f64::INFINITY } else { sampling }, z);
        let reach = Reach::of_ratio(above, below, correlation);
        let interval = exponential(reach.widen(log, sampling));
        let relative = self.above_noise / (above.centre * above.centre)
            + self.below_noise / (below.centre * below.centre)
            - 2.0 * self.covariance / (above.centre * below.centre);
        let value = self.above / self.below;
        let noise = (above.centre / below.centre).powi(2) * relative.max(0.0);
        let inputs = strata.iter().flat_map(TwoByTwo::inputs);
        Estimate::of(inputs, method, value, noise, Some(interval))
    }
}

#[cfg(test)]
mod tests {
    use super::{TwoByTwo, homogeneity, independence, odds_ratio, risk_ratio};
    use crate::estimate::{Estimate, Interval};
    use crate::methods::expected::{Row, rows};
    use crate::methods::simulation::Random;

    fn close(got: f64, expected: f64) {
        assert!((got / expected - 1.0).abs() < 1e-11, "{got}, expected {expected}");
    }

    fn is(estimate: &Estimate, expected: [f64; 3]) {
        let Interval { lower, upper } = estimate.interval.unwrap();
        close(estimate.value, expected[0]);
        close(lower, expected[1]);
        close(upper, expected[2]);
    }

    /// Admitted and rejected, men and women, in six departments.
    const BERKELEY: [[f64; 4]; 6] = [
        [512.0, 313.0, 89.0, 19.0],
        [353.0, 207.0, 17.0, 8.0],
        [120.0, 205.0, 202.0, 391.0],
        [138.0, 279.0, 131.0, 244.0],
        [53.0, 138.0, 94.0, 299.0],
        [22.0, 351.0, 24.0, 317.0],
    ];

    fn berkeley() -> [TwoByTwo; 6] {
        BERKELEY.map(|cells| TwoByTwo::of_cells(cells.map(Estimate::exact)))
    }

    /// R's `mantelhaen.test(UCBAdmissions)`, without and with correction.
    #[test]
    fn berkeleys_admissions_are_those_of_r() {
        let strata = berkeley();
        let expected = [0.904696828258623, 0.77190736175935, 1.06032976443666];
        is(&odds_ratio(&strata, 0.95), expected);
        let Some(rows) = rows("expected/r/R_mantelhaen.csv") else { return };
        let rows: Vec<&Row> = rows.iter().filter(|row| row.text("case").contains("UCB")).collect();
        assert_eq!(rows.len(), 2);
        for (row, is_corrected) in rows.into_iter().zip([false, true]) {
            let test = independence(&strata, is_corrected);
            close(test.statistic, row.number("stat"));
            close(test.p, row.number("p"));
            is(&odds_ratio(&strata, 0.95), ["or", "lo", "hi"].map(|column| row.number(column)));
        }
    }

    /// statsmodels 0.14, `StratifiedTable.test_equal_odds(adjust=True)`; the risk ratio by NumPy
    /// from equations 4 and 13 of Greenland and Robins.
    #[test]
    fn homogeneity_and_the_risk_ratio_are_those_of_their_formulas() {
        let strata = berkeley();
        let test = homogeneity(&strata);
        close(test.statistic, HOMOGENEITY[0]);
        close(test.p, HOMOGENEITY[1]);
        assert_eq!(test.degrees, 5.0);
        is(&risk_ratio(&strata, 0.95), RISK_RATIO);
    }

    #[test]
    fn strata_of_nobody_change_nothing() {
        let mut strata = berkeley().to_vec();
        let expected = odds_ratio(&strata, 0.95).value;
        strata.push(TwoByTwo::of_cells([0.0; 4].map(Estimate::exact)));
        assert_eq!(odds_ratio(&strata, 0.95).value, expected);
        assert_eq!(homogeneity(&strata).degrees, 5.0);
        assert!(odds_ratio(&strata[6..], 0.95).value.is_nan());
        assert!(independence(&strata[6..], false).p.is_nan());
    }

    /// Five strata of unequal sizes, with an odds ratio of 2 and baseline risks from 5 to 45 %.
    /// In 1,000 runs a share of 95 % has a deviation of 0.7 %.
    #[test]
    fn intervals_cover_and_tests_are_right_under_noise() {
        for (seed, (size, deviation)) in
            (1..).zip([(1.0, 0.0), (1.0, 1.4), (1.0, 2.8), (1.0, 14.0), (5.0, 14.0), (1.0, 40.0)])
        {
            let mut random = Random::new(seed);
            let (mut held, mut dissimilar, mut dependent) = (0.0, 0.0, 0.0);
            for _ in 0..1_000 {
                let mut draw = |odds_ratio: f64| {
                    [0.05, 0.1, 0.2, 0.3, 0.45].map(|risk| {
                        let odds = odds_ratio * risk / (1.0 - risk);
                        let (n, m) = ((40.0 + 400.0 * risk) * size, 120.0 * size);
                        let a = random.binomial(n, odds / (1.0 + odds));
                        let c = random.binomial(m, risk);
                        let cells = [a, n - a, c, m - c].map(|count| Estimate {
                            noise_variance: deviation * deviation,
                            ..Estimate::exact(count + deviation * random.normal())
                        });
                        TwoByTwo::of_cells(cells)
                    })
                };
                let strata = draw(2.0);
                let Interval { lower, upper } = odds_ratio(&strata, 0.95).interval.unwrap();
                held += f64::from(u8::from(lower <= 2.0 && 2.0 <= upper));
                dissimilar += f64::from(u8::from(homogeneity(&strata).p < 0.05));
                let strata = draw(1.0);
                dependent += f64::from(u8::from(independence(&strata, false).p < 0.05));
            }
            assert!(held >= 940.0, "{size} {deviation}: {held}");
            assert!(dissimilar <= 70.0, "{size} {deviation}: {dissimilar}");
            assert!(dependent <= 70.0, "{size} {deviation}: {dependent}");
        }
    }

    const HOMOGENEITY: [f64; 2] = [18.82550125205323, 0.0020714013978808676];
    const RISK_RATIO: [f64; 3] = [0.944905022595929, 0.8664522326830039, 1.0304613088274714];
}

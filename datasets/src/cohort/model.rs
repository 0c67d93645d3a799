//! What is worked out once before anyone is drawn: chances by sex and age, the flu calendar, sites.
//!
//! Published shares are marginal, while persons are drawn with odds ratios between conditions; so
//! the intercept of every logistic model is solved for, by sex and year of age, until the shares
//! come out as published.

use super::calendar::{Day, WINDOW_END, WINDOW_START, YEAR_DAYS};
use super::draw::{Draw, Purpose, cumulative};
use super::parameters::{
    BODY_MASS, CHRONIC, Chronic, DIABETES_BY_INCOME, FEMALE_SHARE, FLU_HARMONICS, FLU_SIZE,
    PYRAMID_PERCENT, SMOKER_BY_INCOME, SMOKER_PERCENT, Sex, by_age, odds, prevalence_percent,
};

/// Ages from 0 to this one have chances of their own; older persons have those of this one.
pub(super) const AGE_MOST: usize = 90;

/// Weeks in the study window, the last one short.
pub(super) const WEEKS: usize = 261;

/// Chances by sex and year of age.
type Chances = [[f64; AGE_MOST + 1]; 2];

/// Everything that is the same for all persons of a cohort.
pub(super) struct Model {
    /// Seed of the cohort.
    pub(super) seed: u64,
    /// Number of sites.
    pub(super) sites: usize,
    /// Cumulative shares of the sites as homes.
    pub(super) homes: Vec<f64>,
    /// Cumulative shares of sex and five-year age group; women's groups first.
    pub(super) pyramid: Vec<f64>,
    /// Cumulative weights of the weeks of the window for influenza.
    pub(super) flu_weeks: Vec<f64>,
    smoker: Chances,
    intercepts: [Chances; CHRONIC.len()],
    /// Expected number of conditions that raise mortality and visits.
    pub(super) burden: Chances,
}

impl Model {
    /// Works everything out.
    pub(super) fn new(seed: u64, sites: usize) -> Self {
        let smoker = by_sex_and_age(|sex, age| {
            let target = by_age(&SMOKER_PERCENT, sex, age) / 100.0;
            intercept(target, &[income_levels(&SMOKER_BY_INCOME)])
        });
        let intercepts = CHRONIC.map(|chronic| {
            by_sex_and_age(|sex, age| {
                let target = prevalence_percent(chronic, sex, age) / 100.0;
                let mut factors: Vec<Vec<Level>> = factors(chronic)
                    .iter()
                    .map(|(factor, odds)| binary(factor.share(sex, age), *odds))
                    .collect();
                if chronic == Chronic::Diabetes {
                    factors.push(income_levels(&DIABETES_BY_INCOME));
                }
                intercept(target, &factors)
            })
        });
        let burden = by_sex_and_age(|sex, age| {
            BURDEN.iter().map(|chronic| prevalence_percent(*chronic, sex, age) / 100.0).sum()
        });
        Self {
            seed,
            sites,
            homes: cumulative(&(0..sites).map(|at| 1.0 / (at as f64 + 1.5)).collect::<Vec<_>>()),
            pyramid: cumulative(&pyramid()),
            flu_weeks: cumulative(&flu_weeks(seed)),
            smoker,
            intercepts,
            burden,
        }
    }

    /// Chance that a person smokes, by fifth of income.
    pub(super) fn smoker(&self, sex: Sex, age: usize, quintile: usize) -> f64 {
        expit(at(&self.smoker, sex, age) + income_effect(&SMOKER_BY_INCOME, quintile))
    }

    /// Chance of a condition, given which of its factors are there, in the order of [`factors`].
    pub(super) fn chance(
        &self,
        chronic: Chronic,
        sex: Sex,
        age: usize,
        quintile: usize,
        present: impl Fn(Factor) -> bool,
    ) -> f64 {
        let mut logit = at(&self.intercepts[chronic as usize], sex, age);
        for (factor, odds) in factors(chronic) {
            logit += if present(*factor) { odds.ln() } else { 0.0 };
        }
        if chronic == Chronic::Diabetes {
            logit += income_effect(&DIABETES_BY_INCOME, quintile);
        }
        expit(logit)
    }
}

/// The figure for that sex and age in years.
pub(super) fn at(chances: &Chances, sex: Sex, age: usize) -> f64 {
    chances[sex as usize][age.min(AGE_MOST)]
}

/// The conditions that raise mortality and visits.
pub(super) const BURDEN: [Chronic; 4] =
    [Chronic::Diabetes, Chronic::Hypertension, Chronic::Copd, Chronic::Kidney];

/// What makes a condition more or less likely.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Factor {
    /// Smoking.
    Smoker,
    /// Another condition, drawn before.
    Condition(Chronic),
}

impl Factor {
    /// Published share of persons with the factor, of that sex and age.
    fn share(self, sex: Sex, age: usize) -> f64 {
        match self {
            Self::Smoker => by_age(&SMOKER_PERCENT, sex, age) / 100.0,
            Self::Condition(Chronic::Obesity) => obesity_share(sex, age),
            Self::Condition(chronic) => prevalence_percent(chronic, sex, age) / 100.0,
        }
    }
}

/// The factors of a condition with their odds ratios.
fn factors(chronic: Chronic) -> &'static [(Factor, f64)] {
    const OBESITY: Factor = Factor::Condition(Chronic::Obesity);
    const DIABETES: Factor = Factor::Condition(Chronic::Diabetes);
    const DEPRESSION: Factor = Factor::Condition(Chronic::Depression);
    const HYPERTENSION: Factor = Factor::Condition(Chronic::Hypertension);
    match chronic {
        Chronic::Obesity | Chronic::Cholesterol => &[],
        Chronic::Depression => {
            &[(Factor::Smoker, odds::DEPRESSION_SMOKER), (OBESITY, odds::DEPRESSION_OBESITY)]
        }
        Chronic::Diabetes => {
            &[(OBESITY, odds::DIABETES_OBESITY), (DEPRESSION, odds::DIABETES_DEPRESSION)]
        }
        Chronic::Hypertension => {
            &[(OBESITY, odds::HYPERTENSION_OBESITY), (DIABETES, odds::HYPERTENSION_DIABETES)]
        }
        Chronic::Copd => &[(Factor::Smoker, odds::COPD_SMOKER)],
        Chronic::Kidney => {
            &[(DIABETES, odds::KIDNEY_DIABETES), (HYPERTENSION, odds::KIDNEY_HYPERTENSION)]
        }
        Chronic::Asthma => &[(OBESITY, odds::ASTHMA_OBESITY)],
    }
}

/// Share of a factor's level, and what the level adds to the logit.
type Level = (f64, f64);

fn binary(share: f64, odds: f64) -> Vec<Level> {
    vec![(1.0 - share, 0.0), (share, odds.ln())]
}

fn income_levels(percents: &[f64; 5]) -> Vec<Level> {
    (0..5).map(|quintile| (0.2, income_effect(percents, quintile))).collect()
}

/// Logit of a fifth of income, against the mean of all.
fn income_effect(percents: &[f64; 5], quintile: usize) -> f64 {
    let mean = percents.iter().sum::<f64>() / 500.0;
    logit(percents[quintile] / 100.0) - logit(mean)
}

/// The intercept that gives the target share when the factors are independent; minus infinity,
/// which means never, when the target is 0.
fn intercept(target: f64, factors: &[Vec<Level>]) -> f64 {
    if target <= 0.0 {
        return f64::NEG_INFINITY;
    }
    let mut levels: Vec<Level> = vec![(1.0, 0.0)];
    for factor in factors {
        levels = levels
            .iter()
            .flat_map(|(weight, sum)| factor.iter().map(move |(w, s)| (weight * w, sum + s)))
            .collect();
    }
    let (mut lower, mut upper) = (-30.0, 30.0);
    for _ in 0..50 {
        let middle = (lower + upper) / 2.0;
        let share: f64 = levels.iter().map(|(weight, sum)| weight * expit(middle + sum)).sum();
        if share < target { lower = middle } else { upper = middle }
    }
    (lower + upper) / 2.0
}

fn by_sex_and_age(figure: impl Fn(Sex, usize) -> f64) -> Chances {
    [Sex::Female, Sex::Male].map(|sex| std::array::from_fn(|age| figure(sex, age)))
}

/// Share of persons whose body mass index is 30 or more; 0 below 18 years.
fn obesity_share(sex: Sex, age: usize) -> f64 {
    let (mu, sigma) = BODY_MASS.at(sex, age);
    if age < 18 { 0.0 } else { 1.0 - normal_below((30_f64.ln() - mu) / sigma) }
}

/// Standard normal distribution function, within 1e-4: Abramowitz and Stegun, 26.2.18.
fn normal_below(z: f64) -> f64 {
    let x = z.abs();
    let series =
        1.0 + 0.196_854 * x + 0.115_194 * x.powi(2) + 0.000_344 * x.powi(3) + 0.019_527 * x.powi(4);
    let above = 0.5 / series.powi(4);
    if z > 0.0 { 1.0 - above } else { above }
}

fn logit(share: f64) -> f64 {
    (share / (1.0 - share)).ln()
}

fn expit(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit).exp())
}

/// Weights of sex and five-year age group.
fn pyramid() -> Vec<f64> {
    let women = PYRAMID_PERCENT.iter().zip(FEMALE_SHARE).map(|(all, share)| all * share);
    let men = PYRAMID_PERCENT.iter().zip(FEMALE_SHARE).map(|(all, share)| all * (1.0 - share));
    women.chain(men).collect()
}

/// Weights of the weeks: the harmonics, times a gamma that all persons share, so that counts are
/// negative binomial about the harmonics.
fn flu_weeks(seed: u64) -> Vec<f64> {
    (0..WEEKS)
        .map(|week| {
            let noise = Draw::new(seed, Purpose::Week, week as u64).frailty(FLU_SIZE);
            flu_expected(week) * noise
        })
        .collect()
}

/// Weight of a week by the harmonics alone; the scale means nothing.
pub(super) fn flu_expected(week: usize) -> f64 {
    // The window opens 184 days after the first of July.
    let h = std::f64::consts::TAU * (184.0 + 7.0 * week as f64 + 3.0) / YEAR_DAYS;
    let waves = [h.cos(), h.sin(), (2.0 * h).cos(), (2.0 * h).sin()];
    FLU_HARMONICS.iter().zip(waves).map(|(size, wave)| size * wave).sum::<f64>().exp()
}

/// First day of a week of the window.
pub(super) fn week_start(week: usize) -> Day {
    (WINDOW_START + 7 * Day::try_from(week).unwrap_or(0)).min(WINDOW_END)
}

#[cfg(test)]
mod tests {
    use super::super::parameters::{Chronic, Sex};
    use super::{Factor, Model, WEEKS, binary, expit, intercept, normal_below, week_start};

    #[test]
    fn an_intercept_gives_the_target_share() {
        let base = intercept(0.2, &[binary(0.3, 3.0), binary(0.5, 0.5)]);
        let share = |a: f64, b: f64| expit(base + a.ln() + b.ln());
        let all = 0.35 * share(1.0, 1.0)
            + 0.35 * share(1.0, 0.5)
            + 0.15 * share(3.0, 1.0)
            + 0.15 * share(3.0, 0.5);
        assert!((all - 0.2).abs() < 1e-12);
        assert_eq!(expit(intercept(0.0, &[])), 0.0);
    }

    #[test]
    fn the_normal_distribution_function_matches_its_table() {
        for (z, below) in [(0.0, 0.5), (1.0, 0.8413), (-1.96, 0.0250), (2.5, 0.9938)] {
            assert!((normal_below(z) - below).abs() < 3e-4, "{z}");
        }
    }

    #[test]
    fn odds_ratios_hold_between_persons_who_differ_in_one_factor() {
        let model = Model::new(1, 3);
        let chance = |obese: bool| {
            model.chance(Chronic::Diabetes, Sex::Male, 55, 2, |factor| {
                obese && factor == Factor::Condition(Chronic::Obesity)
            })
        };
        let odds = |p: f64| p / (1.0 - p);
        assert!((odds(chance(true)) / odds(chance(false)) - 3.1371).abs() < 1e-9);
    }

    #[test]
    fn influenza_peaks_in_winter() {
        let peak =
            (0..52).max_by(|a, b| super::flu_expected(*a).total_cmp(&super::flu_expected(*b)));
        // The harmonics with the second one peak in the first weeks of the year or the last.
        assert!(peak.is_some_and(|week| week <= 5 || week >= 49), "{peak:?}");
        assert_eq!(week_start(WEEKS - 1), 17_897 + 7 * 260);
    }
}

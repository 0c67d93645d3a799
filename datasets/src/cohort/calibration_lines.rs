//! The figures that a cohort is held against, one line each.

use super::calendar::{WINDOW_START, age_on, civil};
use super::parameters::{
    BODY_MASS, Chronic, HYPERTENSION_AWARE, HYPERTENSION_TREATED, LogNormal, SYSTOLIC, Sex,
    TOTAL_CHOLESTEROL, odds,
};
use super::person::{Person, Quantity};
use super::pharmacy::BLEEDING;
use super::records::{Fraud, Lot, Records};
use super::supply::COUNTERFEIT_SHARE;
use super::vocabulary::{ACUTE, ids};

/// A person with their records.
pub(super) struct Subject<'a> {
    pub(super) person: &'a Person,
    pub(super) records: &'a Records,
}

/// One figure.
pub(super) struct Line {
    pub(super) what: &'static str,
    pub(super) target: f64,
    pub(super) tolerance: f64,
    pub(super) source: &'static str,
    /// What a ratio is multiplied by.
    pub(super) scale: f64,
    /// Whether it means anything at one site alone.
    pub(super) needs_sites: bool,
    pub(super) statistic: Statistic,
}

/// How a figure is worked out from persons.
pub(super) enum Statistic {
    /// What a person adds to the numerator and to the denominator.
    Ratio(fn(&Subject<'_>) -> (f64, f64)),
    /// The person's stratum below sixteen, whether they have the factor, whether the condition.
    Odds(fn(&Subject<'_>) -> Option<(usize, bool, bool)>),
}

impl Subject<'_> {
    /// One for a person within the ages, and one more if the person has the condition.
    fn has_within(&self, chronic: Chronic, ages: std::ops::Range<usize>) -> (f64, f64) {
        share(ages.contains(&self.person.age), self.person.has(chronic))
    }

    fn has_of_sex(&self, chronic: Chronic, sex: Sex, ages: std::ops::Range<usize>) -> (f64, f64) {
        let counted = ages.contains(&self.person.age) && self.person.sex == sex;
        share(counted, self.person.has(chronic))
    }

    /// Sex and decade of age, for adults of 20 and over.
    fn stratum(&self) -> Option<usize> {
        let decade = (self.person.age / 10).min(8);
        (self.person.age >= 20).then(|| self.person.sex as usize * 8 + decade - 2)
    }

    fn pair(&self, factor: bool, case: Chronic) -> Option<(usize, bool, bool)> {
        self.stratum().map(|stratum| (stratum, factor, self.person.has(case)))
    }

    /// Poorest against richest fifth, among adults of 20 and over.
    fn by_income(&self, case: bool) -> Option<(usize, bool, bool)> {
        let ends = self.person.quintile == 0 || self.person.quintile == 4;
        (ends && self.person.age >= 20).then_some((0, self.person.quintile == 0, case))
    }

    /// Sum of first logarithms and their number, for a sex and ages.
    fn first_log(&self, quantity: Quantity, sex: Sex, ages: std::ops::Range<usize>) -> (f64, f64) {
        let value = self.records.truth.first_values.iter().find(|(kind, age, _)| {
            *kind == quantity && self.person.sex == sex && ages.contains(age)
        });
        value.map_or((0.0, 0.0), |(_, _, logarithm)| (*logarithm, 1.0))
    }

    /// Squared standard score of the first value, for adults.
    fn squared_score(&self, quantity: Quantity, table: &LogNormal) -> (f64, f64) {
        let value = self.records.truth.first_values.iter().find(|(kind, ..)| *kind == quantity);
        value.filter(|(_, age, _)| *age >= 18).map_or((0.0, 0.0), |(_, age, logarithm)| {
            let (mu, sigma) = table.at(self.person.sex, *age);
            (((logarithm - mu) / sigma).powi(2), 1.0)
        })
    }

    /// Office visits in 2019 of those who are 66 or older and observed all through that year.
    fn office_visits(&self) -> Option<f64> {
        let year_end = WINDOW_START + 364;
        let days =
            self.person.stays.iter().map(|stay| (stay.end.min(year_end) - stay.start + 1).max(0));
        let counted = self.person.age >= 66 && days.sum::<i32>() == 365;
        let visits = self.records.visit.iter().filter(|visit| {
            visit.row.concept == ids::OUTPATIENT && civil(visit.row.start).0 == 2019
        });
        counted.then(|| visits.count() as f64)
    }

    fn frauds(&self, kind: Fraud) -> (f64, f64) {
        let frauds = self.records.truth.frauds.iter().filter(|fraud| fraud.row.kind == kind);
        (frauds.count() as f64, self.records.visit.len() as f64)
    }

    /// Dollars and number of true bills for visits of a kind.
    fn costs(&self, concept: i64) -> (f64, f64) {
        let frauds = &self.records.truth.frauds;
        let mut sums = (0.0, 0.0);
        for (visit, cost) in self.records.visit.iter().zip(&self.records.cost) {
            let billed = cost.row.visit_id == visit.row.id && visit.row.concept == concept;
            if billed && frauds.iter().all(|fraud| fraud.row.visit_id != visit.row.id) {
                sums = (sums.0 + cost.row.total_cost, sums.1 + 1.0);
            }
        }
        sums
    }
}

fn share(counted: bool, counts: bool) -> (f64, f64) {
    (f64::from(u8::from(counted && counts)), f64::from(u8::from(counted)))
}

const PERCENT: f64 = 100.0;
const BRIEF_511: &str = "NCHS Data Brief 511";
const NHANES: &str = "NHANES 2009-2012, weighted";
const NHANES_ODDS: &str = "NHANES 2009-2012, weighted, taken as holding within sex and age";
const CDC_KIDNEY: &str = "CDC, Chronic Kidney Disease in the United States 2023";
const NMES: &str = "NMES 1988, negative binomial, maximum likelihood";
const OURS: &str = "the generator's own assumption";

const fn ratio(
    what: &'static str,
    (target, tolerance): (f64, f64),
    scale: f64,
    source: &'static str,
    of: fn(&Subject<'_>) -> (f64, f64),
) -> Line {
    let statistic = Statistic::Ratio(of);
    Line { what, target, tolerance, source, scale, needs_sites: false, statistic }
}

const fn odds_ratio(
    what: &'static str,
    (target, tolerance): (f64, f64),
    source: &'static str,
    of: fn(&Subject<'_>) -> Option<(usize, bool, bool)>,
) -> Line {
    let statistic = Statistic::Odds(of);
    Line { what, target, tolerance, source, scale: 1.0, needs_sites: false, statistic }
}

/// Every line, in the order of the report.
pub(super) static LINES: &[Line] = &[
    ratio("aged below 20, %", (25.28, 1.0), PERCENT, "UN WPP 2022, United States 2019", |s| {
        share(true, s.person.age < 20)
    }),
    ratio("aged 65 and over, %", (15.79, 1.0), PERCENT, "UN WPP 2022, United States 2019", |s| {
        share(true, s.person.age >= 65)
    }),
    ratio("women, %", (50.3, 1.2), PERCENT, "Statistics Denmark 2013, shares by age", |s| {
        share(true, s.person.sex == Sex::Female)
    }),
    ratio("hypertension at 18 and over, %", (47.7, 2.0), PERCENT, BRIEF_511, |s| {
        s.has_within(Chronic::Hypertension, 18..200)
    }),
    ratio("hypertension at 18-39, %", (23.4, 2.0), PERCENT, BRIEF_511, |s| {
        s.has_within(Chronic::Hypertension, 18..40)
    }),
    ratio("hypertension at 40-59, %", (52.5, 2.5), PERCENT, BRIEF_511, |s| {
        s.has_within(Chronic::Hypertension, 40..60)
    }),
    ratio("hypertension at 60 and over, %", (71.6, 2.5), PERCENT, BRIEF_511, |s| {
        s.has_within(Chronic::Hypertension, 60..200)
    }),
    ratio(
        "aware of their hypertension, %",
        (HYPERTENSION_AWARE * 100.0, 2.0),
        PERCENT,
        BRIEF_511,
        |s| {
            share(
                s.person.has(Chronic::Hypertension),
                s.person.on_record[Chronic::Hypertension as usize],
            )
        },
    ),
    ratio(
        "treated for their hypertension, %",
        (HYPERTENSION_TREATED * 100.0, 2.0),
        PERCENT,
        BRIEF_511,
        |s| {
            share(
                s.person.has(Chronic::Hypertension),
                s.person.treated[Chronic::Hypertension as usize],
            )
        },
    ),
    ratio("diabetes at 20 and over, %", (11.3, 1.2), PERCENT, "NCHS Data Brief 516", |s| {
        s.has_within(Chronic::Diabetes, 20..200)
    }),
    ratio("diabetes of women of 60-69, %", (20.9, 4.0), PERCENT, NHANES, |s| {
        s.has_of_sex(Chronic::Diabetes, Sex::Female, 60..70)
    }),
    ratio("diabetes of men of 60-69, %", (23.2, 4.0), PERCENT, NHANES, |s| {
        s.has_of_sex(Chronic::Diabetes, Sex::Male, 60..70)
    }),
    ratio("COPD at 18 and over, %", (3.8, 0.7), PERCENT, "NCHS Data Brief 529", |s| {
        s.has_within(Chronic::Copd, 18..200)
    }),
    ratio("COPD at 75 and over, %", (10.5, 2.7), PERCENT, "NCHS Data Brief 529", |s| {
        s.has_within(Chronic::Copd, 75..200)
    }),
    ratio("kidney disease at 18-44, %", (6.0, 1.0), PERCENT, CDC_KIDNEY, |s| {
        s.has_within(Chronic::Kidney, 18..45)
    }),
    ratio("kidney disease at 45-64, %", (12.0, 1.6), PERCENT, CDC_KIDNEY, |s| {
        s.has_within(Chronic::Kidney, 45..65)
    }),
    ratio("kidney disease at 65 and over, %", (34.0, 3.0), PERCENT, CDC_KIDNEY, |s| {
        s.has_within(Chronic::Kidney, 65..200)
    }),
    ratio("asthma of women, %", (9.7, 1.2), PERCENT, "MMWR QuickStats, 26 June 2020", |s| {
        s.has_of_sex(Chronic::Asthma, Sex::Female, 18..200)
    }),
    ratio("asthma of men, %", (5.5, 1.0), PERCENT, "MMWR QuickStats, 26 June 2020", |s| {
        s.has_of_sex(Chronic::Asthma, Sex::Male, 18..200)
    }),
    ratio("depression of women, %", (24.0, 1.7), PERCENT, "MMWR 2023;72(24), BRFSS 2020", |s| {
        s.has_of_sex(Chronic::Depression, Sex::Female, 18..200)
    }),
    ratio("depression of men, %", (13.3, 1.4), PERCENT, "MMWR 2023;72(24), BRFSS 2020", |s| {
        s.has_of_sex(Chronic::Depression, Sex::Male, 18..200)
    }),
    odds_ratio("smoking, poorest to richest fifth, odds ratio", (4.94, 1.2), NHANES, |s| {
        s.by_income(s.person.smoker)
    }),
    odds_ratio("diabetes, poorest to richest fifth, odds ratio", (1.42, 0.36), NHANES, |s| {
        s.by_income(s.person.has(Chronic::Diabetes))
    }),
    odds_ratio(
        "diabetes and obesity, odds ratio",
        (odds::DIABETES_OBESITY, 0.6),
        NHANES_ODDS,
        |s| s.pair(s.person.has(Chronic::Obesity), Chronic::Diabetes),
    ),
    odds_ratio(
        "hypertension and diabetes, odds ratio",
        (odds::HYPERTENSION_DIABETES, 0.55),
        NHANES_ODDS,
        |s| s.pair(s.person.has(Chronic::Diabetes), Chronic::Hypertension),
    ),
    odds_ratio(
        "hypertension and obesity, odds ratio",
        (odds::HYPERTENSION_OBESITY, 0.35),
        NHANES_ODDS,
        |s| s.pair(s.person.has(Chronic::Obesity), Chronic::Hypertension),
    ),
    odds_ratio(
        "depression and smoking, odds ratio",
        (odds::DEPRESSION_SMOKER, 0.3),
        NHANES_ODDS,
        |s| s.pair(s.person.smoker, Chronic::Depression),
    ),
    ratio("systolic pressure of women of 60-69, log", (4.8414, 0.025), 1.0, NHANES, |s| {
        s.first_log(Quantity::Systolic, Sex::Female, 60..70)
    }),
    ratio("systolic pressure of men of 30-39, log", (4.7757, 0.02), 1.0, NHANES, |s| {
        s.first_log(Quantity::Systolic, Sex::Male, 30..40)
    }),
    ratio("body mass index of men of 40-49, log", (3.3588, 0.035), 1.0, NHANES, |s| {
        s.first_log(Quantity::BodyMass, Sex::Male, 40..50)
    }),
    ratio("total cholesterol of women of 50-59, log", (1.6942, 0.035), 1.0, NHANES, |s| {
        s.first_log(Quantity::TotalCholesterol, Sex::Female, 50..60)
    }),
    ratio("high-density cholesterol of men of 50-59, log", (0.169, 0.05), 1.0, NHANES, |s| {
        s.first_log(Quantity::Hdl, Sex::Male, 50..60)
    }),
    ratio("pulse of women of 70-79, log", (4.2525, 0.035), 1.0, NHANES, |s| {
        s.first_log(Quantity::Pulse, Sex::Female, 70..80)
    }),
    ratio("variance of systolic pressure to that published", (1.0, 0.08), 1.0, NHANES, |s| {
        s.squared_score(Quantity::Systolic, &SYSTOLIC)
    }),
    ratio("variance of body mass index to that published", (1.0, 0.1), 1.0, NHANES, |s| {
        s.squared_score(Quantity::BodyMass, &BODY_MASS)
    }),
    ratio("variance of cholesterol to that published", (1.0, 0.1), 1.0, NHANES, |s| {
        s.squared_score(Quantity::TotalCholesterol, &TOTAL_CHOLESTEROL)
    }),
    ratio("office visits a year at 66 and over", (5.773, 0.7), 1.0, NMES, |s| {
        s.office_visits().map_or((0.0, 0.0), |visits| (visits, 1.0))
    }),
    ratio("no office visit in a year at 66 and over, %", (14.8, 3.0), PERCENT, NMES, |s| {
        s.office_visits().map_or((0.0, 0.0), |visits| share(true, visits == 0.0))
    }),
    ratio(
        "deaths to those expected",
        (1.0, 0.12),
        1.0,
        "Puerto Rico Department of Health 2018",
        |s| (f64::from(u8::from(s.person.death.is_some())), s.person.deaths_expected),
    ),
    ratio(
        "influenza in December to February, %",
        (73.0, 12.0),
        PERCENT,
        "CDC FluSight 2022-2026, harmonics",
        |s| {
            let flu = s.records.condition.iter().filter(|row| row.row.concept == ids::INFLUENZA);
            flu.map(|row| share(true, [12, 1, 2].contains(&civil(row.row.start).1)))
                .fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
        },
    ),
    ratio("viral sinusitis among passing conditions, %", (26.4, 1.5), PERCENT, "GiBleed", |s| {
        let passing = s.records.condition.iter().filter(|row| ACUTE.contains(&row.row.concept));
        passing
            .map(|row| share(true, row.row.concept == ACUTE[0]))
            .fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }),
    ratio("office visit, dollars", (265.0, 8.0), 1.0, "MEPS Statistical Brief 517", |s| {
        s.costs(ids::OUTPATIENT)
    }),
    ratio("hospital stay, dollars", (12_000.0, 900.0), 1.0, "HCUP Statistical Brief 261", |s| {
        s.costs(ids::INPATIENT)
    }),
    ratio(
        "fills from counterfeit lots, %",
        (COUNTERFEIT_SHARE * 100.0, 0.12),
        PERCENT,
        OURS,
        |s| {
            let lots = s.records.truth.lots.iter();
            let false_lots = lots.filter(|lot| matches!(lot.row.kind, Lot::Cloned | Lot::Invented));
            (false_lots.count() as f64, s.records.drug.len() as f64)
        },
    ),
    ratio("bleeding after celecoxib, bad lot, %", (BLEEDING[1] * 100.0, 8.0), PERCENT, OURS, |s| {
        let (fills, events) = s.records.truth.reactions[1];
        (f64::from(events), f64::from(fills))
    }),
    ratio(
        "bleeding after celecoxib, other lots, %",
        (BLEEDING[0] * 100.0, 0.8),
        PERCENT,
        OURS,
        |s| {
            let (fills, events) = s.records.truth.reactions[0];
            (f64::from(events), f64::from(fills))
        },
    ),
    ratio("visits upcoded, %", (0.8, 0.25), PERCENT, OURS, |s| s.frauds(Fraud::Upcoding)),
    ratio("visits billed twice, %", (0.5, 0.18), PERCENT, OURS, |s| s.frauds(Fraud::Duplicate)),
    Line {
        needs_sites: true,
        ..ratio("persons at several sites, %", (10.0, 0.9), PERCENT, OURS, |s| {
            share(true, s.person.sites().len() > 1)
        })
    },
    ratio("mean age, years", (39.29, 0.8), 1.0, "UN WPP 2022, United States 2019", |s| {
        (age_on(WINDOW_START, s.person.birth) as f64 + 0.5, 1.0)
    }),
];

//! The methods that an indicator may name, and the roles of columns that each needs.

use std::fmt;

use crate::file::nearest;

use super::indicator::{Column, Role};
use crate::methods::populations::StandardPopulation;

/// What is made of an answer's columns.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Method {
    /// Noisy counts as they are.
    Count,
    /// Numerator over denominator, of persons.
    Proportion,
    /// Events over person-time.
    CrudeRate,
    /// A rate as if ages were as frequent as in a standard population.
    DirectlyStandardisedRate(Standard),
    /// Observed over expected at the rates of all units together: the standardised mortality
    /// ratio, and its like.
    Smr,
    /// New cases over person-time at risk.
    Incidence,
    /// Cases on a day over persons.
    PointPrevalence,
    /// Cases in a period over persons.
    PeriodPrevalence,
    /// Counts over time.
    EpidemicCurve,
    /// Deaths over time against those expected from earlier years.
    ExcessDeaths,
    /// Expectation of life from deaths and person-time by age.
    LifeTable,
    /// Survival from events and censorings by interval.
    KaplanMeier,
    /// The sum of one quantity over that of another.
    RatioOfSums,
    /// A mean as the engine releases it.
    Mean,
    /// Quantiles as the engine releases them.
    Quantiles,
    /// Shares of bins.
    Distribution,
    /// Persons at one stage after another, against the first.
    Cascade,
    /// The risk of the exposed over that of others; by Mantel and Haenszel where there are strata.
    RiskRatio,
    /// The risk of the exposed less that of others.
    RiskDifference,
    /// The odds of the exposed over those of others.
    OddsRatio,
    /// Slope and relative indices of inequality over ranks.
    Inequality,
    /// Vaccinated over persons.
    VaccineUptake,
    /// One less the risk ratio of the vaccinated.
    Effectiveness,
    /// Units against the limits of a funnel.
    Funnel,
    /// Reporting ratios of items against all others.
    Disproportionality,
    /// First digits against the law of Benford.
    Benford,
}

/// A population whose ages others are weighted by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standard {
    /// WHO world standard 2000-2025.
    Who2000,
    /// Revised European Standard Population 2013.
    Esp2013,
    /// European Standard Population 1976.
    Esp1976,
    /// Segi's world population of 1960.
    Segi1960,
    /// United States population of 2000.
    Us2000,
}

impl Standard {
    /// Every standard population.
    pub const ALL: [Self; 5] =
        [Self::Who2000, Self::Esp2013, Self::Esp1976, Self::Segi1960, Self::Us2000];

    /// Its name, for instance `who-2000`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Who2000 => "who-2000",
            Self::Esp2013 => "esp-2013",
            Self::Esp1976 => "esp-1976",
            Self::Segi1960 => "segi-1960",
            Self::Us2000 => "us-2000",
        }
    }

    /// Its weights.
    pub fn population(self) -> Option<&'static StandardPopulation> {
        StandardPopulation::named(match self {
            Self::Who2000 => "WHO 2000-2025",
            Self::Esp2013 => "ESP 2013",
            Self::Esp1976 => "ESP 1976",
            Self::Segi1960 => "Segi 1960",
            Self::Us2000 => "US 2000",
        })
    }
}

impl Method {
    /// Reads a name, with the standard population in parentheses where the method has one.
    ///
    /// # Errors
    /// What is wrong with it, and which names are allowed.
    pub(super) fn named(text: &str) -> Result<Self, String> {
        let (name, argument) = match text.strip_suffix(')').and_then(|t| t.split_once('(')) {
            Some((name, argument)) => (name, Some(argument)),
            None => (text, None),
        };
        let names = || RULES.iter().map(|rule| rule.name);
        let Some(rule) = RULES.iter().find(|rule| rule.name == name) else {
            return Err(not_one_of("method", name, names()));
        };
        let standards = || Standard::ALL.into_iter().map(Standard::name);
        match (rule.method, argument) {
            (Self::DirectlyStandardisedRate(_), Some(argument)) => Standard::ALL
                .into_iter()
                .find(|standard| standard.name() == argument)
                .map(Self::DirectlyStandardisedRate)
                .ok_or_else(|| not_one_of("standard population", argument, standards())),
            (Self::DirectlyStandardisedRate(_), None) => {
                let all: Vec<_> = standards().collect();
                Err(format!("method {name:?} needs a standard population: {name}({})", all[0])
                    + &format!("; there are {}", all.join(", ")))
            }
            (_, Some(argument)) => {
                Err(format!("method {name:?} takes nothing in parentheses, and has {argument:?}"))
            }
            (method, None) => Ok(method),
        }
    }

    /// Its name without the standard population, for instance `directly-standardised-rate`.
    pub fn name(self) -> &'static str {
        self.rule().map_or("", |rule| rule.name)
    }

    /// Whether the columns have the roles that the method needs, and no others.
    ///
    /// # Errors
    /// The role that is missing, or that has no place, with the columns of the wrong role.
    pub(super) fn check<'a>(
        self,
        columns: impl Iterator<Item = (&'a str, &'a Column)> + Clone,
    ) -> Result<(), (Option<&'a str>, String)> {
        let Some(rule) = self.rule() else { return Ok(()) };
        for (name, column) in columns.clone() {
            let role = column.role.name();
            let mut allowed = rule.needs.iter().chain(rule.may).copied();
            if !allowed.any(|known| known == role) {
                let all: Vec<_> = rule.needs.iter().chain(rule.may).copied().collect();
                let reason = format!(
                    "role {role:?} means nothing to method {:?}; its roles are {}",
                    rule.name,
                    all.join(", ")
                );
                return Err((Some(name), reason));
            }
            let mut others = columns.clone().filter(|(_, other)| other.role.name() == role);
            if !column.role.may_repeat() && others.nth(1).is_some() {
                return Err((Some(name), format!("more than one column has role {role:?}")));
            }
        }
        if let Self::DirectlyStandardisedRate(standard) = self
            && let Some((name, bands)) =
                columns.clone().find_map(|(name, column)| Some((name, column.age_bands()?)))
            && standard.population().and_then(|weights| weights.weights_of(&bands)).is_none()
        {
            let reason = format!("bands are not made of whole bands of {}", standard.name());
            return Err((Some(name), reason));
        }
        for role in rule.needs {
            if !columns.clone().any(|(_, column)| column.role.name() == *role) {
                let reason = format!("method {:?} needs a column of role {role:?}", rule.name);
                return Err((None, reason));
            }
        }
        Ok(())
    }

    fn rule(self) -> Option<&'static Rule> {
        let same =
            |rule: &&Rule| std::mem::discriminant(&rule.method) == std::mem::discriminant(&self);
        RULES.iter().find(same)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DirectlyStandardisedRate(standard) => {
                write!(f, "{}({})", self.name(), standard.name())
            }
            _ => f.write_str(self.name()),
        }
    }
}

/// Says that a word is not among those allowed, which of them may be meant, and all of them.
pub(super) fn not_one_of<'a>(
    what: &str,
    written: &str,
    allowed: impl Iterator<Item = &'a str> + Clone,
) -> String {
    let meant = nearest(written, allowed.clone());
    let meant = meant.map_or_else(String::new, |word| format!("did you mean {word:?}? "));
    let all: Vec<_> = allowed.collect();
    format!("there is no {what} {written:?}; {meant}there are {}", all.join(", "))
}

/// A method by its name, with the roles that it needs and those that it knows besides.
struct Rule {
    name: &'static str,
    /// For comparison only: which standard is in it means nothing.
    method: Method,
    needs: &'static [&'static str],
    may: &'static [&'static str],
}

const fn rule(
    name: &'static str,
    method: Method,
    needs: &'static [&'static str],
    may: &'static [&'static str],
) -> Rule {
    Rule { name, method, needs, may }
}

const SHARE: &[&str] = &[Role::NUMERATOR, Role::DENOMINATOR];
const PARTS: &[&str] = &[Role::STRATUM, Role::AGE, Role::UNIT, Role::TIME];
const COMPARED: &[&str] = &[Role::EXPOSED, Role::NUMERATOR, Role::DENOMINATOR];
const WITHIN: &[&str] = &[Role::STRATUM, Role::AGE];
const ONLY: &[&str] = &[Role::STRATUM];

static RULES: &[Rule] = &[
    rule("count", Method::Count, &[Role::COUNT], PARTS),
    rule("proportion", Method::Proportion, SHARE, PARTS),
    rule("crude-rate", Method::CrudeRate, SHARE, PARTS),
    rule(
        "directly-standardised-rate",
        Method::DirectlyStandardisedRate(Standard::Who2000),
        &[Role::AGE, Role::NUMERATOR, Role::DENOMINATOR],
        &[Role::STRATUM, Role::UNIT, Role::TIME],
    ),
    rule("smr", Method::Smr, &[Role::UNIT, Role::AGE, Role::NUMERATOR, Role::DENOMINATOR], ONLY),
    rule("incidence", Method::Incidence, SHARE, PARTS),
    rule("point-prevalence", Method::PointPrevalence, SHARE, PARTS),
    rule("period-prevalence", Method::PeriodPrevalence, SHARE, PARTS),
    rule("epidemic-curve", Method::EpidemicCurve, &[Role::TIME, Role::COUNT], WITHIN),
    rule("excess-deaths", Method::ExcessDeaths, &[Role::TIME, Role::COUNT], WITHIN),
    rule("life-table", Method::LifeTable, &[Role::AGE, Role::NUMERATOR, Role::DENOMINATOR], ONLY),
    rule(
        "kaplan-meier",
        Method::KaplanMeier,
        &[Role::INTERVAL, Role::EVENTS, Role::CENSORED],
        ONLY,
    ),
    rule("ratio-of-sums", Method::RatioOfSums, SHARE, PARTS),
    rule(
        "mean",
        Method::Mean,
        &[Role::MEAN],
        &[Role::STRATUM, Role::AGE, Role::UNIT, Role::TIME, Role::COUNT],
    ),
    rule("quantiles", Method::Quantiles, &[Role::QUANTILE], PARTS),
    rule("distribution", Method::Distribution, &[Role::BIN, Role::COUNT], WITHIN),
    rule("cascade", Method::Cascade, &[Role::STAGE], WITHIN),
    rule("risk-ratio", Method::RiskRatio, COMPARED, WITHIN),
    rule("risk-difference", Method::RiskDifference, COMPARED, WITHIN),
    rule("odds-ratio", Method::OddsRatio, COMPARED, WITHIN),
    rule(
        "inequality",
        Method::Inequality,
        &[Role::RANK, Role::NUMERATOR, Role::DENOMINATOR],
        WITHIN,
    ),
    rule("vaccine-uptake", Method::VaccineUptake, SHARE, PARTS),
    rule("effectiveness", Method::Effectiveness, COMPARED, WITHIN),
    rule("funnel", Method::Funnel, &[Role::UNIT, Role::NUMERATOR, Role::DENOMINATOR], ONLY),
    rule(
        "disproportionality",
        Method::Disproportionality,
        &[Role::ITEM, Role::NUMERATOR, Role::DENOMINATOR],
        ONLY,
    ),
    rule("benford", Method::Benford, &[Role::DIGIT, Role::COUNT], &[Role::STRATUM, Role::UNIT]),
];

#[cfg(test)]
mod tests {
    use super::{Method, RULES, Standard};

    #[test]
    fn every_method_is_read_by_the_name_that_it_shows() {
        for rule in RULES {
            let shown = rule.method.to_string();
            assert_eq!(Method::named(&shown), Ok(rule.method), "{shown}");
            assert!(shown.starts_with(rule.method.name()), "{shown}");
        }
        let european = Method::DirectlyStandardisedRate(Standard::Esp2013);
        assert_eq!(Method::named("directly-standardised-rate(esp-2013)"), Ok(european));
    }

    #[test]
    fn every_standard_has_its_weights() {
        for standard in Standard::ALL {
            let weights = standard.population().unwrap().weights;
            assert!(weights.len() >= 18, "{}", standard.name());
        }
    }

    #[test]
    fn a_wrong_name_is_told_the_nearest() {
        let wrong = |text| Method::named(text).unwrap_err();
        assert!(wrong("kaplan-maier").contains("did you mean \"kaplan-meier\"?"));
        let standard = wrong("directly-standardised-rate(us2000)");
        assert!(standard.contains("did you mean \"us-2000\"?"), "{standard}");
        assert!(wrong("directly-standardised-rate").contains("needs a standard population"));
        assert!(wrong("count(us-2000)").contains("takes nothing in parentheses"));
        assert!(wrong("count(").contains("no method"));
    }
}

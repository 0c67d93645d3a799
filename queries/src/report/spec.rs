//! What a report is to hold, as a file: which indicators, in which order, at what charge.
//!
//! ```toml
//! title = "Population health profile"
//! subtitle = "Three sites of a synthetic consortium"
//! purpose = "How healthy are the people of the three sites, and who is not?"
//! data_kind = "synthetic records"
//! region = "Six states"
//! period = "2023"
//! level = 0.95                      # of intervals; 0.95 if not said
//! characteristics = ["population-pyramid"]
//! limitations = ["The records are made up."]
//! disclosure = "cms"                # a publisher's rule on top of the noise; none if not said
//! cohort = { file = "new-users.toml", epsilon = 0.5 }   # or Circe JSON: the flow of persons
//!
//! [[results]]
//! heading = "Chronic disease"
//! text = "What people live with."
//! indicators = [
//!   "hypertension-prevalence",
//!   { id = "diabetes-prevalence", epsilon = 0.5, parameters = { year = 2022 } },
//! ]
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;
use toml::value::Datetime;

use crate::cohort::definition::Definition;
use crate::disclosure::rules::{Rule, Rules};
use crate::file::{self, Fault, FileError, Source, nearest};
use crate::indicators::catalogue::Catalogue;
use crate::indicators::indicator::Indicator;

/// What a report is to hold.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Spec {
    /// Its title.
    pub title: String,
    /// A second line; may be empty.
    pub subtitle: String,
    /// What it is for: the first lines of its summary.
    pub purpose: String,
    /// What the records are.
    pub data_kind: String,
    /// Where the persons live.
    pub region: String,
    /// The time that the numbers are of.
    pub period: String,
    /// Confidence of its intervals, in (0, 1).
    pub level: f64,
    /// What the persons are like: Table 1.
    pub characteristics: Vec<Question>,
    /// The results, section by section.
    pub results: Vec<Results>,
    /// What the numbers do not say, beside what every report says of that.
    pub limitations: Vec<String>,
    /// The publisher's rule that is kept on top of the noise.
    pub disclosure: Option<Rule>,
    /// The cohort whose flow of persons is shown.
    pub cohort: Option<Cohort>,
}

/// A cohort of a report.
#[derive(Clone, Debug, PartialEq)]
pub struct Cohort {
    /// What it is.
    pub definition: Definition,
    /// The charge of its flow.
    pub epsilon: f64,
}

/// A section of results.
#[derive(Clone, Debug, PartialEq)]
pub struct Results {
    /// Its heading.
    pub heading: String,
    /// What it is about; may be empty.
    pub text: String,
    /// Its indicators.
    pub questions: Vec<Question>,
}

/// An indicator as it is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// The indicator.
    pub indicator: Indicator,
    /// The statement to run.
    pub sql: String,
    /// Its privacy loss ε.
    pub epsilon: f64,
    /// What was asked otherwise than by default, in words.
    pub parameters: Vec<String>,
}

impl Spec {
    /// Reads a file, with indicators out of a catalogue.
    ///
    /// # Errors
    /// [`FileError`] with the line of the first thing that is wrong.
    pub fn load(path: &Path, catalogue: &Catalogue) -> Result<Self, FileError> {
        let beside = path.parent().unwrap_or(Path::new(""));
        Self::read(&path.display().to_string(), &file::read(path)?, catalogue, beside)
    }

    /// Reads a text; `file` is its name in messages, and files that it names are in `beside`.
    ///
    /// # Errors
    /// As [`Spec::load`].
    pub fn read(
        file: &str,
        text: &str,
        catalogue: &Catalogue,
        beside: &Path,
    ) -> Result<Self, FileError> {
        let source = Source { file, text };
        let document: Document = toml::from_str(text).map_err(|error| source.syntax(&error))?;
        document.checked(catalogue, beside).map_err(|fault| source.malformed(fault))
    }

    /// All that is asked, in the order of the report.
    pub fn questions(&self) -> impl Iterator<Item = &Question> {
        let results = self.results.iter().flat_map(|section| &section.questions);
        self.characteristics.iter().chain(results)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    title: Spanned<String>,
    #[serde(default)]
    subtitle: String,
    purpose: Spanned<String>,
    data_kind: String,
    region: String,
    period: String,
    level: Option<Spanned<f64>>,
    #[serde(default)]
    characteristics: Vec<Spanned<Asked>>,
    #[serde(default)]
    results: Vec<Section>,
    #[serde(default)]
    limitations: Vec<String>,
    disclosure: Option<Spanned<String>>,
    cohort: Option<Spanned<CohortFile>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CohortFile {
    file: PathBuf,
    epsilon: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    heading: Spanned<String>,
    #[serde(default)]
    text: String,
    indicators: Spanned<Vec<Spanned<Asked>>>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "an indicator: its name, or { id, epsilon, parameters }")]
enum Asked {
    Name(String),
    Whole(Whole),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Whole {
    id: String,
    epsilon: Option<f64>,
    #[serde(default)]
    parameters: BTreeMap<String, Given>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a whole number or a date")]
enum Given {
    Integer(i64),
    Date(Datetime),
}

impl Document {
    fn checked(self, catalogue: &Catalogue, beside: &Path) -> Result<Spec, Fault> {
        let filled = |text: Spanned<String>, what: &str| {
            let at = text.span().start;
            let text = text.into_inner();
            if text.trim().is_empty() { Err((at, format!("{what} is empty"))) } else { Ok(text) }
        };
        let level = match self.level {
            Some(level) if !(0.5..1.0).contains(level.get_ref()) => {
                let reason = format!("level {} is not from 0.5 up to 1", level.get_ref());
                return Err((level.span().start, reason));
            }
            level => level.map_or(0.95, Spanned::into_inner),
        };
        let mut results = Vec::new();
        for section in self.results {
            let at = section.indicators.span().start;
            let questions = questions(section.indicators.into_inner(), catalogue)?;
            if questions.is_empty() {
                return Err((at, "a section of results has at least one indicator".to_owned()));
            }
            let heading = filled(section.heading, "a heading")?;
            results.push(Results { heading, text: section.text, questions });
        }
        let spec = Spec {
            title: filled(self.title, "the title")?,
            subtitle: self.subtitle,
            purpose: filled(self.purpose, "the purpose")?,
            data_kind: self.data_kind,
            region: self.region,
            period: self.period,
            level,
            characteristics: questions(self.characteristics, catalogue)?,
            results,
            limitations: self.limitations,
            disclosure: self.disclosure.map(rule).transpose()?,
            cohort: self.cohort.map(|cohort| defined(&cohort, beside)).transpose()?,
        };
        let mut seen = BTreeSet::new();
        if let Some(twice) = spec
            .questions()
            .find(|question| !seen.insert((&question.sql, question.epsilon.to_bits())))
        {
            let reason = format!("indicator {:?} is asked twice alike", twice.indicator.id);
            return Err((0, reason));
        }
        if seen.is_empty() {
            return Err((0, "a report asks for at least one indicator".to_owned()));
        }
        Ok(spec)
    }
}

fn rule(name: Spanned<String>) -> Result<Rule, Fault> {
    let rules = Rules::built_in();
    let found = rules.named(name.get_ref()).cloned();
    found.ok_or_else(|| {
        let names: Vec<&str> = rules.all().iter().map(|rule| rule.name.as_str()).collect();
        let meant = nearest(name.get_ref(), names.iter().copied());
        let meant = meant.map_or_else(String::new, |name| format!("did you mean {name:?}? "));
        let all = names.join(", ");
        (name.span().start, format!("no rule {:?}; {meant}there are {all}", name.get_ref()))
    })
}

fn defined(cohort: &Spanned<CohortFile>, beside: &Path) -> Result<Cohort, Fault> {
    let at = cohort.span().start;
    let CohortFile { file, epsilon } = cohort.get_ref();
    if !(*epsilon > 0.0 && epsilon.is_finite()) {
        return Err((at, format!("epsilon {epsilon} is not above 0")));
    }
    let path = beside.join(file);
    let text = file::read(&path).map_err(|error| (at, error.to_string()))?;
    let shown = path.display().to_string();
    let definition = if path.extension().is_some_and(|end| end == "json") {
        Definition::from_circe(&name_of(&path), &shown, &text)
    } else {
        Definition::from_toml(&shown, &text)
    };
    let definition = definition.map_err(|error| (at, error.to_string()))?;
    Ok(Cohort { definition, epsilon: *epsilon })
}

/// A name for a cohort whose file gives it none: that of the file, as names of cohorts are.
fn name_of(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
    let words = stem.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let name: String = words.collect::<Vec<_>>().join("_").chars().take(30).collect();
    format!("of_{}", name.trim_end_matches('_'))
}

fn questions(asked: Vec<Spanned<Asked>>, catalogue: &Catalogue) -> Result<Vec<Question>, Fault> {
    let question = |asked: Spanned<Asked>| {
        let at = asked.span().start;
        question(asked.into_inner(), catalogue).map_err(|reason| (at, reason))
    };
    asked.into_iter().map(question).collect()
}

fn question(asked: Asked, catalogue: &Catalogue) -> Result<Question, String> {
    let whole = match asked {
        Asked::Name(id) => Whole { id, epsilon: None, parameters: BTreeMap::new() },
        Asked::Whole(whole) => whole,
    };
    let indicator = catalogue.find(&whole.id).map_err(|error| error.to_string())?;
    let epsilon = whole.epsilon.unwrap_or(indicator.epsilon);
    if !(epsilon > 0.0 && epsilon.is_finite()) {
        return Err(format!("epsilon {epsilon} is not above 0"));
    }
    let mut given = BTreeMap::new();
    let mut parameters = Vec::new();
    for (name, value) in whole.parameters {
        let written = match value {
            Given::Integer(number) => number.to_string(),
            Given::Date(date) => date.to_string(),
        };
        let value = indicator.value(&name, &written).map_err(|error| error.to_string())?;
        parameters.push(format!("{name} = {value}"));
        given.insert(name, value);
    }
    let sql = indicator.statement(&given).map_err(|error| error.to_string())?;
    Ok(Question { indicator: indicator.clone(), sql, epsilon, parameters })
}

#[cfg(test)]
mod tests {
    use super::Spec;
    use crate::indicators::catalogue::Catalogue;
    use std::path::Path;

    const HEAD: &str = "title = \"T\"\npurpose = \"P\"\ndata_kind = \"synthetic\"\n\
                        region = \"R\"\nperiod = \"2023\"\n";

    fn read(rest: &str) -> Result<Spec, String> {
        let catalogue = Catalogue::built_in().unwrap();
        let text = format!("{HEAD}{rest}");
        Spec::read("report.toml", &text, &catalogue, Path::new(""))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn indicators_are_asked_by_name_or_otherwise() {
        let spec = read(
            "[[results]]\nheading = \"H\"\nindicators = [\"asthma-prevalence\", \
             { id = \"copd-prevalence\", epsilon = 0.25, parameters = { year = 2021 } }]\n",
        );
        let spec = spec.unwrap();
        let asked: Vec<_> = spec.questions().collect();
        assert_eq!((asked[0].epsilon, asked[1].epsilon), (asked[0].indicator.epsilon, 0.25));
        assert!(asked[1].sql.contains("2021") && asked[1].parameters == ["year = 2021"]);
        assert_eq!(spec.level, 0.95);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line_and_what_is_allowed() {
        let section = |list: &str| format!("[[results]]\nheading = \"H\"\nindicators = [{list}]\n");
        for (rest, said) in [
            (
                section("\"astma-prevalence\""),
                "report.toml:8:15: no indicator \"astma-prevalence\"",
            ),
            (section("\"astma-prevalence\""), "did you mean \"asthma-prevalence\"?"),
            (section(""), "at least one indicator"),
            (section("{ id = \"asthma-prevalence\", epsilon = 0 }"), "epsilon 0 is not above 0"),
            (section("{ id = \"asthma-prevalence\", parameters = { yaer = 1 } }"), "\"year\""),
            (section("\"asthma-prevalence\", \"asthma-prevalence\""), "asked twice"),
            ("levl = 0.9\n".to_owned(), "report.toml:6:1: unknown field `levl`"),
            ("level = 95\n".to_owned(), "report.toml:6:9: level 95 is not from 0.5 up to 1"),
            (
                "disclosure = \"cmss\"\n".to_owned(),
                "did you mean \"cms\"? there are cms, cdc_wonder",
            ),
            ("cohort = { file = \"no.toml\", epsilon = 1 }\n".to_owned(), "no.toml cannot be read"),
            (String::new(), "at least one indicator"),
        ] {
            let error = read(&rest).unwrap_err();
            assert!(error.contains(said), "{rest}: {error}");
        }
    }
}

//! From a file's values to an indicator: everything that must hold beyond its shape.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Spanned, Value as Toml};

use crate::file::{Fault, Source};

use super::document::{ColumnDocument, ConceptsDocument, Document, ParameterDocument, RoleName};
use super::indicator::{Column, ConceptSet, Indicator, Role, Step, Version};
use super::method::{Method, not_one_of};
use super::parameter::{Parameter, Value, date, days_of_the_engine};
use super::template::Template;

impl Document {
    /// Checks all of it.
    ///
    /// # Errors
    /// The first thing that is wrong, and where.
    pub(super) fn checked(self, source: &Source<'_>) -> Result<Indicator, Fault> {
        if !is_id(self.id.get_ref()) {
            let reason = format!("id {:?} is not lower-case words with hyphens", self.id.get_ref());
            return fail(&self.id, reason);
        }
        let Some(version) = Version::parse(self.version.get_ref()) else {
            let reason = format!("version {:?} is not like 1.0.0", self.version.get_ref());
            return fail(&self.version, reason);
        };
        let method = named(&self.method, Method::named)?;
        let epsilon = *self.epsilon.get_ref();
        if !(EPSILON_LEAST..=EPSILON_MOST).contains(&epsilon) {
            let reason = format!("epsilon {epsilon} is not from {EPSILON_LEAST} to {EPSILON_MOST}");
            return fail(&self.epsilon, reason);
        }
        let multiplier = self.figure.get_ref().multiplier;
        if !(multiplier.is_finite() && multiplier > 0.0) {
            return fail(&self.figure, format!("multiplier {multiplier} is not above 0"));
        }
        if self.figure.get_ref().unit.trim().is_empty() {
            return fail(&self.figure, "the unit says nothing".to_owned());
        }
        if self.bounds.get_ref().person.trim().is_empty() {
            return fail(&self.bounds, "what one person adds is not said".to_owned());
        }
        let concepts = keyed(&self.concepts, concept_set)?;
        let parameters = keyed(&self.parameters, parameter)?;
        let columns = keyed(&self.columns, column)?;
        self.check_roles(method, &columns)?;
        let strata = self.strata(&columns)?;
        let template = self.template(source, &parameters, &concepts)?;
        let spans = |column: &Column| column.role == Role::Time { step: Step::Span };
        if columns.values().any(spans) && !parameters.contains_key("span") {
            return fail(&self.sql, "step \"span\" needs a parameter span".to_owned());
        }
        Ok(Indicator {
            version,
            method,
            epsilon,
            strata,
            concepts,
            parameters,
            columns,
            template,
            field: self.field,
            dates: self.dates,
            bounds: self.bounds.into_inner(),
            figure: self.figure.into_inner(),
            title: said(self.title)?,
            question: said(self.question)?,
            population: said(self.population)?,
            numerator: said(self.numerator)?,
            denominator: self.denominator.map(said).transpose()?,
            source: said(self.source)?,
            id: self.id.into_inner(),
        })
    }

    fn check_roles(&self, method: Method, columns: &BTreeMap<String, Column>) -> Result<(), Fault> {
        let roles = columns.iter().map(|(name, column)| (name.as_str(), column));
        method.check(roles).map_err(|(name, reason)| {
            let key = self.columns.keys().find(|key| Some(key.get_ref().as_str()) == name);
            (key.map_or(self.method.span().start, |key| key.span().start), reason)
        })?;
        let stages: BTreeSet<u32> =
            columns.values().filter_map(|column| column.role.place()).collect();
        let count = columns.values().filter(|column| column.role.place().is_some()).count();
        let is_row = stages.iter().copied().eq((1..).take(count));
        if !is_row {
            let reason = format!("places of stages are 1 to {count}, each once; here {stages:?}");
            return Err((self.method.span().start, reason));
        }
        Ok(())
    }

    /// The strata are the columns that name groups: all of them, each once.
    fn strata(&self, columns: &BTreeMap<String, Column>) -> Result<Vec<String>, Fault> {
        let keys = || columns.iter().filter(|(_, column)| column.role.is_key());
        let mut seen = BTreeSet::new();
        for stratum in self.strata.get_ref() {
            let name = stratum.get_ref().as_str();
            if !keys().any(|(key, _)| key == name) {
                let known = keys().map(|(key, _)| key.as_str());
                return fail(stratum, not_one_of("column that parts the result", name, known));
            }
            if !seen.insert(name) {
                return fail(stratum, format!("{name:?} is listed twice"));
            }
        }
        if let Some((name, _)) = keys().find(|(key, _)| !seen.contains(key.as_str())) {
            return fail(
                &self.strata,
                format!("column {name:?} parts the result and is not listed"),
            );
        }
        Ok(self.strata.get_ref().iter().map(|stratum| stratum.get_ref().clone()).collect())
    }

    /// The statement, with every place defined, and everything defined used.
    fn template(
        &self,
        source: &Source<'_>,
        parameters: &BTreeMap<String, Parameter>,
        concepts: &BTreeMap<String, ConceptSet>,
    ) -> Result<Template, Fault> {
        let written = source.at(self.sql.span());
        // Of the file's text, as places count in it: what is between the quotes.
        let opening = written.find(self.sql.get_ref().trim()).unwrap_or(0);
        let indent = self.sql.get_ref().find(|c: char| !c.is_whitespace()).unwrap_or(0);
        let place = |at: usize| (self.sql.span().start + opening + at).saturating_sub(indent);
        let template =
            Template::parse(self.sql.get_ref()).map_err(|(at, reason)| (place(at), reason))?;
        let mut used = BTreeSet::new();
        for found in template.places() {
            let (name, at) = (found.name.as_str(), place(found.at));
            match (found.concepts(), parameters.get(name)) {
                (Some(set), _) if !concepts.contains_key(set) => {
                    let known = concepts.keys().map(String::as_str);
                    return Err((at, not_one_of("concept set", set, known)));
                }
                (None, None) => {
                    let known = parameters.keys().map(String::as_str);
                    return Err((at, not_one_of("parameter", name, known)));
                }
                (None, Some(Parameter { default: Value::Integer(_), .. })) => {}
                _ if found.is_quoted => {
                    let reason = format!("{name:?} within quotes; only integers may stand there");
                    return Err((at, reason));
                }
                _ => {}
            }
            used.insert(name);
        }
        for key in self.concepts.keys() {
            if !used.contains(format!("concepts.{}", key.get_ref()).as_str()) {
                return fail(key, format!("concept set {:?} is not used", key.get_ref()));
            }
        }
        for key in self.parameters.keys() {
            if !used.contains(key.get_ref().as_str()) {
                return fail(key, format!("parameter {:?} is not used", key.get_ref()));
            }
        }
        for key in self.columns.keys() {
            if !template.has_word(key.get_ref()) {
                return fail(key, format!("column {:?} is not in the SQL", key.get_ref()));
            }
        }
        Ok(template)
    }
}

impl Role {
    const fn place(&self) -> Option<u32> {
        if let Self::Stage { place } = self { Some(*place) } else { None }
    }
}

/// Whether it is lower-case words of letters and digits with hyphens.
fn is_id(text: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.split('-').all(|word| !word.is_empty() && word.chars().all(is_letter))
}

/// Whether it is a name that SQL and places take as it is.
fn is_name(text: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(is_letter)
}

fn fail<T, V>(at: &Spanned<V>, reason: String) -> Result<T, Fault> {
    Err((at.span().start, reason))
}

fn named<T>(of: &Spanned<String>, read: fn(&str) -> Result<T, String>) -> Result<T, Fault> {
    read(of.get_ref()).map_err(|reason| (of.span().start, reason))
}

/// A text that is not empty.
fn said(text: Spanned<String>) -> Result<String, Fault> {
    if text.get_ref().trim().is_empty() {
        return fail(&text, "it says nothing".to_owned());
    }
    Ok(text.into_inner())
}

/// Every entry by its name, which is one that SQL takes.
fn keyed<D, T>(
    entries: &BTreeMap<Spanned<String>, D>,
    read: fn(&Spanned<String>, &D) -> Result<T, Fault>,
) -> Result<BTreeMap<String, T>, Fault> {
    let mut all = BTreeMap::new();
    for (key, entry) in entries {
        if !is_name(key.get_ref()) {
            let reason = format!("{:?} is not lower-case words with underscores", key.get_ref());
            return fail(key, reason);
        }
        all.insert(key.get_ref().clone(), read(key, entry)?);
    }
    Ok(all)
}

fn concept_set(key: &Spanned<String>, of: &ConceptsDocument) -> Result<ConceptSet, Fault> {
    let ids = of.ids.get_ref();
    if ids.is_empty() {
        return fail(&of.ids, format!("concept set {:?} is empty", key.get_ref()));
    }
    let mut seen = BTreeSet::new();
    if let Some(twice) = ids.iter().find(|id| !seen.insert(**id)) {
        return fail(&of.ids, format!("concept {twice} is listed twice"));
    }
    let what = said(of.what.clone())?;
    Ok(ConceptSet { ids: ids.clone(), descendants: of.descendants, what })
}

fn parameter(_: &Spanned<String>, of: &ParameterDocument) -> Result<Parameter, Fault> {
    let default = value(&of.default)?;
    let (least, most) = match default {
        Value::Integer(_) => (Value::Integer(i64::MIN), Value::Integer(i64::MAX)),
        Value::Date(_) => days_of_the_engine().unwrap_or((default, default)),
    };
    let limit = |of: &Option<Spanned<Toml>>, otherwise| of.as_ref().map_or(Ok(otherwise), value);
    let (least, most) = (limit(&of.least, least)?, limit(&of.most, most)?);
    let parameter = Parameter { default, what: said(of.what.clone())?, least, most };
    for limit in [&of.least, &of.most].into_iter().flatten() {
        let reads = parameter.check(value(limit)?);
        reads.map_err(|reason| (limit.span().start, reason))?;
    }
    parameter.check(default).map_err(|reason| (of.default.span().start, reason))?;
    Ok(parameter)
}

fn value(of: &Spanned<Toml>) -> Result<Value, Fault> {
    let written = of.get_ref();
    let read = match written {
        Toml::Integer(number) => Some(Value::Integer(*number)),
        Toml::Datetime(day) => date(&day.to_string()).map(Value::Date),
        _ => None,
    };
    read.map_or_else(|| fail(of, format!("{written} is neither an integer nor a date")), Ok)
}

/// A column with what its role needs, and with nothing else.
fn column(_: &Spanned<String>, of: &ColumnDocument) -> Result<Column, Fault> {
    let at = of.role.span().start;
    let needs = |name: &str| (at, format!("this role needs {name}"));
    let role = match of.role.get_ref() {
        RoleName::Stratum => Role::Stratum,
        RoleName::Age => Role::Age { bands: bands(of)?.ok_or_else(|| needs("bands"))? },
        RoleName::Time => Role::Time { step: of.step.ok_or_else(|| needs("a step"))? },
        RoleName::Unit => Role::Unit,
        RoleName::Item => Role::Item,
        RoleName::Exposed => Role::Exposed,
        RoleName::Rank => Role::Rank,
        RoleName::Interval => Role::Interval {
            width: width(of)?.ok_or_else(|| needs("a width"))?,
            last: of.last.ok_or_else(|| needs("the number of its last interval"))?,
        },
        RoleName::Digit => Role::Digit,
        RoleName::Bin => Role::Bin,
        RoleName::Numerator => Role::Numerator,
        RoleName::Denominator => Role::Denominator,
        RoleName::Count => Role::Count,
        RoleName::Events => Role::Events,
        RoleName::Censored => Role::Censored,
        RoleName::Mean => Role::Mean,
        RoleName::Quantile => Role::Quantile { level: level(of)?.ok_or_else(|| needs("a level"))? },
        RoleName::Stage => Role::Stage { place: of.place.ok_or_else(|| needs("a place"))? },
    };
    let has = [
        ("bands", of.bands.is_some(), Role::AGE),
        ("step", of.step.is_some(), Role::TIME),
        ("width", of.width.is_some(), Role::INTERVAL),
        ("last", of.last.is_some(), Role::INTERVAL),
        ("level", of.level.is_some(), Role::QUANTILE),
        ("place", of.place.is_some(), Role::STAGE),
    ];
    if let Some((name, ..)) = has.iter().find(|(_, is, owner)| *is && *owner != role.name()) {
        return Err((at, format!("{name} means nothing to role {:?}", role.name())));
    }
    if !of.values.is_empty() && !role.is_key() {
        return Err((at, format!("values have no names in role {:?}", role.name())));
    }
    Ok(Column { role, label: said(of.label.clone())?, values: of.values.clone() })
}

fn bands(of: &ColumnDocument) -> Result<Option<Vec<u16>>, Fault> {
    let Some(bands) = &of.bands else { return Ok(None) };
    let firsts = bands.get_ref();
    if firsts.is_empty() || !firsts.is_sorted_by(|a, b| a < b) {
        return fail(bands, format!("bands {firsts:?} are not ages in order"));
    }
    Ok(Some(firsts.clone()))
}

fn width(of: &ColumnDocument) -> Result<Option<f64>, Fault> {
    match &of.width {
        Some(width) if !(width.get_ref().is_finite() && *width.get_ref() > 0.0) => {
            fail(width, format!("width {} is not above 0", width.get_ref()))
        }
        width => Ok(width.as_ref().map(|width| *width.get_ref())),
    }
}

fn level(of: &ColumnDocument) -> Result<Option<f64>, Fault> {
    match &of.level {
        Some(level) if !(*level.get_ref() > 0.0 && *level.get_ref() < 1.0) => {
            fail(level, format!("level {} is not between 0 and 1", level.get_ref()))
        }
        level => Ok(level.as_ref().map(|level| *level.get_ref())),
    }
}

/// The least charge that the engine takes.
const EPSILON_LEAST: f64 = 0.001;

/// A default that anybody can afford.
const EPSILON_MOST: f64 = 10.0;

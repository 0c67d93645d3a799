//! `graunt indicators`: which there are, what one of them asks, and its SQL.

use std::path::PathBuf;

use queries::indicators::catalogue::Catalogue;
use queries::indicators::indicator::Indicator;
use serde_json::{Value, json};

use crate::commands::Context;
use crate::fail::Failure;
use crate::output::Output;
use crate::show::grid;

/// Arguments of `graunt indicators`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The indicator to be explained; without it, all are listed
    id: Option<String>,
    /// Directory of indicators of one's own, beside the built-in ones
    #[arg(long = "add", value_name = "DIR")]
    directories: Vec<PathBuf>,
    /// Give a parameter another value than by default: NAME=VALUE
    #[arg(long = "set", value_name = "NAME=VALUE", requires = "id")]
    given: Vec<String>,
    /// Print the SQL only, to be asked with graunt sql
    #[arg(long, requires = "id")]
    sql: bool,
}

/// Lists indicators, or explains one.
///
/// # Errors
/// [`Failure::Usage`] for a file that is wrong or a name that is not there.
pub(crate) fn run(
    arguments: &Arguments,
    context: &Context,
    out: &mut Output,
) -> Result<(), Failure> {
    let catalogue = catalogue(&arguments.directories)?;
    match &arguments.id {
        Some(id) => {
            let indicator = catalogue.find(id).map_err(usage)?;
            explain(indicator, arguments, context, out)
        }
        None => list(&catalogue, context, out),
    }
}

/// The built-in indicators, and those of these directories.
///
/// # Errors
/// [`Failure::Usage`].
pub(crate) fn catalogue(directories: &[PathBuf]) -> Result<Catalogue, Failure> {
    let built_in = Catalogue::built_in().map_err(usage)?;
    directories.iter().try_fold(built_in, |catalogue, directory| {
        catalogue.with_directory(directory).map_err(usage)
    })
}

/// What is wrong with a file or a name, with what was at the bottom of it.
pub(crate) fn usage(error: impl std::error::Error) -> Failure {
    let cause = error.source().map_or_else(String::new, |cause| format!(": {cause}"));
    Failure::usage(format!("{error}{cause}"), "graunt indicators lists those there are")
}

fn list(catalogue: &Catalogue, context: &Context, out: &mut Output) -> Result<(), Failure> {
    if context.json {
        return out.json(&catalogue.iter().map(summary).collect::<Vec<_>>());
    }
    let header = ["indicator", "field", "method", "epsilon", "what it tells"].map(str::to_owned);
    let mut all: Vec<&Indicator> = catalogue.iter().collect();
    all.sort_by(|a, b| (a.field, &a.id).cmp(&(b.field, &b.id)));
    let rows = all.iter().map(|indicator| {
        vec![
            indicator.id.clone(),
            indicator.field.name().to_owned(),
            indicator.method.to_string(),
            indicator.epsilon.to_string(),
            indicator.title.clone(),
        ]
    });
    out.line(grid(&header, rows.collect(), &[false, false, false, true, false]))?;
    out.dim_line(
        "graunt indicators NAME explains one; graunt report asks several and writes a page",
    )
}

fn summary(indicator: &Indicator) -> Value {
    json!({
        "id": indicator.id,
        "version": indicator.version.to_string(),
        "title": indicator.title,
        "question": indicator.question,
        "field": indicator.field.name(),
        "method": indicator.method.to_string(),
        "epsilon": indicator.epsilon,
        "strata": indicator.strata,
        "population": indicator.population,
        "numerator": indicator.numerator,
        "denominator": indicator.denominator,
        "one_person": indicator.bounds.person.trim(),
        "source": indicator.source,
        "parameters": indicator.parameters.iter().map(|(name, parameter)| {
            (name.clone(), json!({
                "what": parameter.what,
                "default": parameter.default.to_string(),
                "least": parameter.least.to_string(),
                "most": parameter.most.to_string(),
            }))
        }).collect::<serde_json::Map<_, _>>(),
    })
}

fn explain(
    indicator: &Indicator,
    arguments: &Arguments,
    context: &Context,
    out: &mut Output,
) -> Result<(), Failure> {
    let mut given = std::collections::BTreeMap::new();
    for written in &arguments.given {
        let (name, value) = written.split_once('=').ok_or_else(|| {
            Failure::usage(format!("{written:?} is not NAME=VALUE"), "for instance --set year=2022")
        })?;
        given.insert(name.to_owned(), indicator.value(name, value).map_err(usage)?);
    }
    let sql = indicator.statement(&given).map_err(usage)?;
    let sql = sql.trim();
    if context.json {
        let mut value = summary(indicator);
        value["sql"] = json!(sql);
        return out.json(&value);
    }
    if arguments.sql {
        return out.line(format_args!("{sql};"));
    }
    out.bold_line(format_args!("{}  ({} {})", indicator.title, indicator.id, indicator.version))?;
    out.line(&indicator.question)?;
    out.line("")?;
    let divided = indicator.denominator.iter().map(|of| ("divided by", of.clone()));
    let facts =
        [("population", indicator.population.clone()), ("counted", indicator.numerator.clone())];
    let more = [
        ("by", indicator.strata.join(", ")),
        ("method", indicator.method.to_string()),
        ("one person", indicator.bounds.person.trim().to_owned()),
        ("charge", format!("epsilon {}", indicator.epsilon)),
        ("source", indicator.source.clone()),
    ];
    for (name, value) in facts.into_iter().chain(divided).chain(more) {
        out.line(format_args!("{name:>12}  {value}"))?;
    }
    for (name, set) in &indicator.concepts {
        let ids: Vec<String> = set.ids.iter().map(u32::to_string).collect();
        let below = if set.descendants { " and all below" } else { "" };
        out.line(format_args!(
            "{:>12}  {name}: {} ({}{below})",
            "concepts",
            set.what,
            ids.join(", ")
        ))?;
    }
    for (name, parameter) in &indicator.parameters {
        let default = &parameter.default;
        out.line(format_args!("{:>12}  {name} = {default}: {}", "parameter", parameter.what))?;
    }
    out.line("")?;
    out.line(sql)
}

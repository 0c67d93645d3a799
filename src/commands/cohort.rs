//! `graunt cohort`: synthetic records of several sites.

use std::path::PathBuf;

use datasets::cohort::{CohortReport, CohortSpec, generate};
use serde_json::json;

use crate::commands::Context;
use crate::fail::Failure;
use crate::output::Output;
use crate::progress::bar;
use crate::show::grid;

/// Arguments of `graunt cohort`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Number of persons, over all sites
    #[arg(long, value_name = "N", default_value_t = 30_000,
          value_parser = clap::value_parser!(u64).range(1..))]
    persons: u64,
    /// Number of sites
    #[arg(long, value_name = "S", default_value_t = 3,
          value_parser = clap::value_parser!(u32).range(1..))]
    sites: u32,
    /// Equal seeds give equal cohorts
    #[arg(long, value_name = "K", default_value_t = 1662)]
    seed: u64,
    /// Directory to be made, with one directory of OMOP tables per site
    #[arg(long, value_name = "DIR", default_value = "cohort")]
    out: PathBuf,
}

/// Generates a cohort.
///
/// # Errors
/// [`Failure::Cohort`], [`Failure::Output`].
pub(crate) fn run(
    arguments: &Arguments,
    context: &Context,
    out: &mut Output,
) -> Result<(), Failure> {
    let Arguments { persons, sites, seed, .. } = *arguments;
    let bar = bar("persons", context.quiet);
    let progress = |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    };
    let report = generate(&CohortSpec { persons, sites, seed }, &arguments.out, &progress)?;
    drop(bar);
    if context.json { print_json(arguments, &report, out) } else { print(arguments, &report, out) }
}

fn print(arguments: &Arguments, report: &CohortReport, out: &mut Output) -> Result<(), Failure> {
    let place = arguments.out.display();
    out.line(format_args!(
        "{} synthetic persons, {} of them at two sites or more, in {place}",
        report.persons, report.overlap
    ))?;
    for (site, persons) in (1..).zip(&report.persons_by_site) {
        out.line(format_args!("  {place}/site-{site}: {persons} persons"))?;
    }
    let rows = report.rows.iter().map(|(table, rows)| vec![table.clone(), rows.to_string()]);
    let header = ["table", "rows, sites together"].map(str::to_owned);
    out.line(grid(&header, rows.collect(), &[false, true]))?;
    let met = report.calibration.iter().filter(|line| line.is_met()).count();
    out.dim_line(format_args!(
        "{met} of {} published figures are met within the tolerance of 20,000 persons; see \
         {place}/calibration.csv",
        report.calibration.len()
    ))
}

fn print_json(
    arguments: &Arguments,
    report: &CohortReport,
    out: &mut Output,
) -> Result<(), Failure> {
    let met = report.calibration.iter().filter(|line| line.is_met()).count();
    out.json(&json!({
        "out": arguments.out,
        "persons": report.persons,
        "persons_by_site": report.persons_by_site,
        "overlap": report.overlap,
        "rows": report.rows,
        "calibration": {"lines": report.calibration.len(), "met": met},
    }))
}

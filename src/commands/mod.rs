//! The subcommands, and what they share: where things live and how to speak.

mod analyst;
pub(crate) mod budget;
mod certificates;
pub(crate) mod chain;
pub(crate) mod cluster;
pub(crate) mod cohort;
pub(crate) mod demo;
pub(crate) mod export;
pub(crate) mod extract;
pub(crate) mod federation;
pub(crate) mod fhir;
pub(crate) mod holder;
pub(crate) mod indicators;
pub(crate) mod keys;
pub(crate) mod ledger;
pub(crate) mod mirror;
pub(crate) mod policy;
mod redact;
pub(crate) mod report;
pub(crate) mod serve;
pub(crate) mod site;
pub(crate) mod sql;
pub(crate) mod verify;
pub(crate) mod witness;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::config::Config;
use crate::fail::{EXIT_CODES, Failure};
use crate::home::Home;
use crate::output::Output;

/// Private, provable answers from health records at many sites.
///
/// Every answer carries differentially private noise, an interval, and a receipt that anyone can
/// check. Try `graunt demo` first.
///
/// Keys, ledger and receipts live in `.graunt/` of the working directory, or where `graunt.toml`
/// says; that file is looked for from the working directory up, and flags override it.
#[derive(Debug, Parser)]
#[command(name = "graunt", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// Configuration file [default: graunt.toml, from the working directory up]
    #[arg(long, global = true, help_heading = "Everywhere", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where keys, ledger and receipts live [default: .graunt]
    #[arg(
        long,
        global = true,
        help_heading = "Everywhere",
        value_name = "DIR",
        env = "GRAUNT_HOME"
    )]
    home: Option<PathBuf>,
    /// Print JSON, one object per result; errors as one object on standard error
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub(crate) json: bool,
    /// Show no progress
    #[arg(short, long, global = true, help_heading = "Everywhere")]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show everything once, on synthetic records, in a directory of its own
    Demo(demo::Arguments),
    /// Generate synthetic records of several sites
    Cohort(cohort::Arguments),
    /// Convert FHIR Bulk Data to OMOP tables, by views of SQL on FHIR
    Fhir(fhir::Arguments),
    /// De-identify a site's records and attest them on the ledger
    Extract(extract::Arguments),
    /// Print a de-identification policy to start from
    Policy(policy::Arguments),
    /// Make, read and check the ledger
    Ledger(ledger::Arguments),
    /// Replace the keys of sites and of the log; make certificates for calls between sites
    Keys(keys::Arguments),
    /// Open and show privacy budgets
    Budget(budget::Arguments),
    /// Say who may ask over the network, and how much each may spend
    Analyst(analyst::Arguments),
    /// Ask questions in SQL
    ///
    /// The same question asked again costs nothing. EXPLAIN query shows whose rows each step of it
    /// holds, ESTIMATE query what it would cost; neither is charged. CREATE VIEW name AS query and
    /// PREPARE name AS query name queries until the command ends; EXECUTE name(values) asks one.
    Sql(sql::Arguments),
    /// List and explain indicators: questions of population health with their methods
    Indicators(indicators::Arguments),
    /// Ask several indicators and write a page with tables, figures, methods and receipts
    ///
    /// What was asked before costs nothing: a report that was interrupted goes on when it is run
    /// again, and one that is run twice is the same.
    Report(report::Arguments),
    /// Verify receipts, offline
    Verify(verify::Arguments),
    /// Write a receipt in the forms that other systems read
    Export(export::Arguments),
    /// Watch the logs of others, and cosign that they only go forward
    Witness(witness::Arguments),
    /// Replay the log of another by its rules, and cosign only what obeys them
    Mirror(mirror::Arguments),
    /// Make and use the contract on an EVM chain
    Chain(chain::Arguments),
    /// Serve questions and answers to psql, R, Python, and a page; and the log, to anyone
    Serve(serve::Arguments),
    /// Answer for one site, showing nobody its records or totals
    Site(site::Arguments),
    /// Open totals of several sites, together with other holders
    Holder(holder::Arguments),
    /// Start the members of a cluster, which computes where one machine takes too long
    Cluster(cluster::Arguments),
    /// Write the terms that sites, holders and coordinator share
    Federation(federation::Arguments),
}

/// What every subcommand is given.
#[derive(Debug)]
pub(crate) struct Context {
    /// The configuration file.
    pub(crate) config: Config,
    /// Where things live.
    pub(crate) home: Home,
    /// Whether to print JSON.
    pub(crate) json: bool,
    /// Whether to show no progress.
    pub(crate) quiet: bool,
}

/// Reads a command line.
///
/// # Errors
/// What clap says of it; also help and version.
pub(crate) fn parse(
    arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> Result<Cli, clap::Error> {
    let command = with_exit_codes(Cli::command());
    Cli::from_arg_matches(&command.try_get_matches_from(arguments)?)
}

/// Adds the exit codes to the help of a command and of all below it.
fn with_exit_codes(command: clap::Command) -> clap::Command {
    command.after_help(EXIT_CODES).mut_subcommands(with_exit_codes)
}

/// Does what a command line asks.
///
/// # Errors
/// [`Failure`].
pub(crate) fn run(cli: Cli, out: &mut Output) -> Result<(), Failure> {
    let here =
        std::env::current_dir().map_err(Failure::store(".", "finding the working directory"))?;
    let config = Config::load(cli.config.as_deref(), &here)?;
    let home = Home::new(cli.home.as_deref(), &config);
    let context = Context { config, home, json: cli.json, quiet: cli.quiet };
    match cli.command {
        Command::Demo(arguments) => demo::run(&arguments, &context, out),
        Command::Cohort(arguments) => cohort::run(&arguments, &context, out),
        Command::Fhir(arguments) => fhir::run(&arguments, &context, out),
        Command::Extract(arguments) => extract::run(&arguments, &context, out),
        Command::Policy(arguments) => policy::run(&arguments, &context, out),
        Command::Ledger(arguments) => ledger::run(&arguments, &context, out),
        Command::Keys(arguments) => keys::run(&arguments, &context, out),
        Command::Budget(arguments) => budget::run(&arguments, &context, out),
        Command::Analyst(arguments) => analyst::run(&arguments, &context, out),
        Command::Indicators(arguments) => indicators::run(&arguments, &context, out),
        Command::Report(arguments) => report::run(&arguments, &context, out),
        Command::Sql(arguments) => sql::run(arguments, &context, out),
        Command::Verify(arguments) => verify::run(&arguments, &context, out),
        Command::Export(arguments) => export::run(&arguments, &context, out),
        Command::Witness(arguments) => witness::run(&arguments, &context, out),
        Command::Mirror(arguments) => mirror::run(&arguments, &context, out),
        Command::Chain(arguments) => chain::run(&arguments, &context, out),
        Command::Serve(arguments) => serve::run(&arguments, &context, out),
        Command::Site(arguments) => site::run(&arguments, &context, out),
        Command::Holder(arguments) => holder::run(&arguments, &context, out),
        Command::Cluster(arguments) => cluster::run(arguments, &context, out),
        Command::Federation(arguments) => federation::run(&arguments, &context, out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn bad_numbers_are_usage_errors() {
        for line in [
            "graunt sql --epsilon 0",
            "graunt sql --epsilon nan",
            "graunt sql --epsilon=-1",
            "graunt sql --delta inf",
            "graunt sql --rows-per-person 0",
            "graunt sql --confidence 1",
            "graunt budget open --population p --rho 0",
            "graunt budget open --population p",
            "graunt budget open --population p --rho 1 --epsilon 1",
            "graunt sql -c x -f y",
            "graunt sql --intervals --no-intervals",
            "graunt cohort --persons 0",
        ] {
            let error = parse(line.split(' ')).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn every_help_has_the_exit_codes() {
        for name in [
            "demo", "cohort", "extract", "policy", "ledger", "keys", "budget", "sql", "verify",
            "export", "witness", "mirror", "chain", "serve",
        ] {
            let help = parse(["graunt", name, "--help"]).unwrap_err();
            assert_eq!(help.exit_code(), 0);
            assert!(help.to_string().contains("Exit codes:"), "{name}");
        }
    }
}

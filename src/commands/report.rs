//! `graunt report`: a page of several indicators, priced before it is asked.
//!
//! ```text
//!  spec ──▶ questions ──price──▶ does the account hold all of it? ──ask, one by one──▶ document
//! ```
//! Questions that were answered before cost nothing, so a report that was interrupted goes on where
//! it was when it is run again, and one that is rebuilt is the same, byte for byte.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, NaiveDate};
use engine::engine::{Query, Quote};
use engine::privacy::relation::ContributionBounds;
use engine::sql::text;
use ledger_adapter::charge::ExtractStatus;
use ledger_adapter::cost::Cost;
use ledger_adapter::receipt::Receipt;
use queries::disclosure;
use queries::disclosure::packet::Packet;
use queries::released::Released;
use queries::report::compose::{Answered, Provenance, document};
use queries::report::disclosed::{disclosed, disclosed_flow};
use queries::report::files::{Place, WriteError};
use queries::report::flow::flow;
use queries::report::model::{Fact, Flow, ReceiptLine};
use queries::report::spec::{Question, Spec};
use serde_json::{Value, json};

use crate::commands::indicators::{catalogue, usage};
use crate::commands::{Context, cluster};
use crate::fail::Failure;
use crate::numbers;
use crate::output::Output;
use crate::population::known;
use crate::progress::bar;
use crate::script::Statement;
use crate::session::{Session, Terms};
use crate::show::{self, grid};

/// Arguments of `graunt report`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// File that says what the report holds; graunt report --example prints one
    #[arg(value_name = "SPEC", required_unless_present = "example")]
    spec: Option<PathBuf>,
    /// Print a file to start from
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "population-health",
          value_parser = EXAMPLES.map(|(name, _)| name))]
    example: Option<String>,
    /// The page to be written
    #[arg(short = 'o', long, value_name = "FILE", default_value = "report.html")]
    out: PathBuf,
    /// Directory of the data behind it [default: beside the page, with -data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// File for whoever checks outputs: each count before the rule of disclosure, and why it is not
    /// shown. It is not for readers
    #[arg(long, value_name = "FILE")]
    packet: Option<PathBuf>,
    /// Tell what it would cost and how wide its intervals would be; nothing is asked or charged
    #[arg(long)]
    dry_run: bool,
    /// Write it from answers that were released before, and ask nothing
    #[arg(long, conflicts_with = "dry_run")]
    rebuild: bool,
    /// Directory of indicators of one's own, beside the built-in ones
    #[arg(long = "add", value_name = "DIR")]
    directories: Vec<PathBuf>,
    /// The population that is asked
    #[arg(long, value_name = "NAME")]
    population: Option<String>,
    /// Failure probability of each question
    #[arg(long, value_name = "D", value_parser = numbers::delta)]
    delta: Option<f64>,
}

/// A question with its price.
struct Priced<'a> {
    /// What it is about; none for the flow of persons.
    question: Option<&'a Question>,
    name: &'a str,
    query: Query,
    statement: Statement,
    /// Nothing if it was answered before.
    quote: Option<Quote>,
}

/// Prices a report, asks what was not asked before, and writes it.
///
/// # Errors
/// [`Failure::Usage`] for a spec that is wrong, or if the account does not hold all of it: nothing
/// is charged then; [`Failure::Query`], [`Failure::Ledger`], [`Failure::Store`].
pub(crate) fn run(
    arguments: &Arguments,
    context: &Context,
    out: &mut Output,
) -> Result<(), Failure> {
    if let Some(wanted) = &arguments.example {
        let found = EXAMPLES.iter().find(|(name, _)| name == wanted);
        return out.bytes(found.map_or("", |(_, text)| text).as_bytes());
    }
    let Some(path) = &arguments.spec else { return Ok(()) };
    let spec = Spec::load(path, &catalogue(&arguments.directories)?).map_err(usage)?;
    let population = arguments.population.as_deref().or(context.config.sql.population.as_deref());
    let terms = terms(arguments, context, &spec)?;
    let session = Session::open(&context.home, population, terms, None)?;
    name_cohort(&spec, &session)?;
    let priced = price(&spec, &session)?;
    if arguments.dry_run {
        return tell(&spec, &priced, &session, context, out);
    }
    check(&priced, &session, arguments.rebuild)?;
    let place = place(arguments);
    place.prepare().map_err(unwritten)?;
    let asked = ask(&priced, &session, context)?;
    let provenance = provenance(&asked, &session, context)?;
    let Shown { answers, flow, packets } = shown(&spec, &priced, asked)?;
    let document = document(&spec, &answers, flow, provenance);
    let written = place.write(&document, &answers, &packets).map_err(unwritten)?;
    let charged = priced.iter().filter_map(|priced| priced.quote.as_ref());
    let cost = sum(charged.clone().map(|quote| quote.cost))?;
    if context.json {
        return out.json(&json!({
            "page": arguments.out,
            "files": written,
            "asked": charged.count(),
            "cost": show::cost_json(cost),
        }));
    }
    out.line(format_args!("{}", arguments.out.display()))?;
    out.line(format_args!("  {} files of data in {}", written.len() - 1, place.data.display()))?;
    let (asked, all) = (charged.count(), priced.len());
    let fresh = format!("{asked} of {all} indicators were asked, the others released before");
    out.line(format_args!("  {fresh}; cost {}", show::cost(cost)))
}

fn terms(arguments: &Arguments, context: &Context, spec: &Spec) -> Result<Terms, Failure> {
    let defaults = &context.config.sql;
    Ok(Terms {
        epsilon: 1.0,
        delta: arguments.delta.or(defaults.delta).unwrap_or(1e-6),
        rows_per_person: None,
        groups_per_person: None,
        persons_min: defaults.min_persons.unwrap_or(0),
        dialect: crate::session::Dialect::Datafusion,
        confidence: spec.level,
        without_revoked: false,
        is_quiet: true,
        memory: context.config.engine.memory,
        cluster: cluster::reached(None, None, PATIENCE, context)?,
        federation: None,
    })
}

/// Longest wait for the next bucket of a cluster.
const PATIENCE: Duration = Duration::from_secs(60);

fn place(arguments: &Arguments) -> Place {
    let page = arguments.out.clone();
    let data = arguments.data.clone().unwrap_or_else(|| {
        let stem = page.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        page.with_file_name(format!("{stem}-data"))
    });
    Place { page, data, packet: arguments.packet.clone() }
}

fn unwritten(error: WriteError) -> Failure {
    match error {
        WriteError::File { path, source } => Failure::store(path, "writing")(source),
        other => usage(other),
    }
}

/// Makes the views of the spec's cohort, so that questions can be about them.
fn name_cohort(spec: &Spec, session: &Session) -> Result<(), Failure> {
    let Some(cohort) = &spec.cohort else { return Ok(()) };
    for view in cohort.definition.views() {
        session.perform(&statement(view.to_string()))?;
    }
    Ok(())
}

const fn statement(sql: String) -> Statement {
    Statement { text: sql, start: text::Place { line: 1, column: 1 }, is_ended: true }
}

/// All questions of a report with their prices: the flow of persons first, if there is one.
fn price<'a>(spec: &'a Spec, session: &Session) -> Result<Vec<Priced<'a>>, Failure> {
    let mut priced = Vec::new();
    let mut add = |question, name, query: Query, statement: Statement| {
        let quote = match session.recall(&query, &statement)? {
            Some(_) => None,
            None => Some(session.price(&query, &statement)?),
        };
        priced.push(Priced { question, name, query, statement, quote });
        Ok::<(), Failure>(())
    };
    if let Some(cohort) = &spec.cohort {
        let statement = statement(cohort.definition.attrition_sql());
        let query = Query { epsilon: cohort.epsilon, ..session.query(&statement) };
        add(None, cohort.definition.name(), query, statement)?;
    }
    for question in spec.questions() {
        let statement = statement(question.sql.clone());
        let own = &question.indicator.bounds;
        let query = session.query(&statement);
        let bounds = ContributionBounds {
            rows_per_person: own.rows_per_person.map(u32::from),
            groups_per_person: own.groups_per_person.map(u32::from),
            ..query.bounds
        };
        let query = Query { epsilon: question.epsilon, bounds, ..query };
        add(Some(question), &question.indicator.id, query, statement)?;
    }
    Ok(priced)
}

fn sum(costs: impl Iterator<Item = Cost>) -> Result<Cost, Failure> {
    let mut all = Cost::default();
    for cost in costs {
        let hint = "ask for fewer indicators, or with less epsilon";
        let sum = all.checked_add(cost);
        all =
            sum.ok_or_else(|| Failure::usage("the report costs more than can be counted", hint))?;
    }
    Ok(all)
}

/// Sees that all of the report can be paid before any of it is.
fn check(priced: &[Priced<'_>], session: &Session, is_rebuilt: bool) -> Result<(), Failure> {
    let missing: Vec<&str> =
        priced.iter().filter(|priced| priced.quote.is_some()).map(|priced| priced.name).collect();
    if is_rebuilt && !missing.is_empty() {
        let what = format!("not released before: {}", missing.join(", "));
        return Err(Failure::usage(what, "run it without --rebuild, which asks and charges"));
    }
    let cost = sum(priced.iter().filter_map(|priced| Some(priced.quote.as_ref()?.cost)))?;
    let Some(balance) = session.balance()?.filter(|_| !missing.is_empty()) else { return Ok(()) };
    if !cost.fits(show::remaining(balance)) {
        let (asked, left) = (show::cost(cost), show::left(balance));
        let what = format!("the report costs {asked}, and left is {left}; nothing was charged");
        let hint =
            "ask for fewer indicators, or with less epsilon; --dry-run tells what each costs";
        return Err(Failure::usage(what, hint));
    }
    Ok(())
}

/// An answer, where its receipt is, and the receipt.
struct Asked {
    released: Released,
    title: String,
    receipt: Option<(PathBuf, Receipt)>,
}

fn ask(priced: &[Priced<'_>], session: &Session, context: &Context) -> Result<Vec<Asked>, Failure> {
    let progress = bar("asking", context.quiet);
    progress.set_length(priced.len() as u64);
    let mut asked = Vec::new();
    for priced in priced {
        progress.set_message(priced.name.to_owned());
        let reply = session.answer(&priced.query, &priced.statement)?;
        if let Some(fault) = reply.fault {
            return Err(fault);
        }
        let columns = priced.question.map(|question| &question.indicator.columns);
        let is_number = |name: &str| {
            columns.and_then(|all| all.get(name)).is_some_and(|column| !column.role.is_key())
        };
        let released = Released::of(&reply.answer).with_numbers(is_number);
        let title = priced.question.map_or("Flow of persons", |of| of.indicator.title.as_str());
        let receipt = reply.receipt.zip(reply.answer.receipt);
        asked.push(Asked { released, title: title.to_owned(), receipt });
        progress.inc(1);
    }
    Ok(asked)
}

/// What readers get to see.
struct Shown {
    answers: Vec<Answered>,
    flow: Option<Flow>,
    packets: Vec<Packet>,
}

/// Keeps the spec's rule of disclosure.
fn shown(spec: &Spec, priced: &[Priced<'_>], asked: Vec<Asked>) -> Result<Shown, Failure> {
    let (mut answers, mut drawn, mut packets) = (Vec::new(), None, Vec::new());
    let mut earlier = Vec::new();
    let context = disclosure::packet::Context {
        period: spec.period.clone(),
        purpose: spec.purpose.clone(),
        ..Default::default()
    };
    for (priced, asked) in priced.iter().zip(asked) {
        match (priced.question, &spec.cohort, &spec.disclosure) {
            (Some(question), _, Some(rule)) => {
                let indicator = &question.indicator;
                let kept = disclosed(rule, indicator, asked.released, &context, &mut earlier);
                let (released, found) = kept.map_err(usage)?;
                packets.extend(found);
                answers.push(Answered { question: question.clone(), released });
            }
            (Some(question), _, None) => {
                answers.push(Answered { question: question.clone(), released: asked.released });
            }
            (None, Some(cohort), rule) => {
                let kept = match rule {
                    Some(rule) => disclosed_flow(rule, asked.released),
                    None => asked.released,
                };
                drawn = Some(flow(&cohort.definition, &kept, spec.level));
            }
            (None, None, _) => {}
        }
    }
    Ok(Shown { answers, flow: drawn, packets })
}

fn provenance(
    asked: &[Asked],
    session: &Session,
    context: &Context,
) -> Result<Provenance, Failure> {
    let home = &context.home;
    let ledger = home.accounts()?;
    let population = session.population();
    let mut data = vec![Fact::new("Population", population.name.clone())];
    for extract in known(home, &home.registry()?, ledger.as_ref(), &population.name)? {
        if matches!(extract.status, ExtractStatus::Active(..)) {
            let value = format!("extract {}, attested on the ledger", extract.root);
            data.push(Fact::code(extract.site, value));
        }
    }
    let receipts = || asked.iter().filter_map(|asked| asked.receipt.as_ref());
    let cost = sum(receipts().map(|(_, receipt)| receipt.intent.cost))?;
    let engine = receipts().next().map_or("", |(_, of)| of.intent.engine.as_str());
    let privacy = vec![
        Fact::new("Unit of privacy", "the person, over all sites and tables; add or remove one"),
        Fact::new("Charge of all answers", show::cost(cost)),
        Fact::code("Account", population.account.to_string()),
        Fact::code("Engine", engine),
    ];
    let line = |asked: &Asked| {
        let (path, receipt) = asked.receipt.as_ref()?;
        let facts = vec![
            Fact::new("Charge", show::cost(receipt.intent.cost)),
            Fact::new("Day", day(receipt.intent.day).to_string()),
            Fact::code("File", file_name(path)),
        ];
        let name = receipt.intent.query.to_string();
        Some(ReceiptLine { name, proves: asked.title.clone(), facts })
    };
    let lines = asked.iter().filter_map(line).collect();
    let files: Vec<String> = receipts().map(|(path, _)| file_name(path)).collect();
    let commands = format!("cd receipts\ngraunt verify {}", files.join(" \\\n  "));
    let last = receipts().map(|(_, receipt)| receipt.intent.day).max().unwrap_or(0);
    Ok(Provenance { made_on: day(last), data, privacy, receipts: lines, commands })
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn day(days: u32) -> NaiveDate {
    let time = DateTime::from_timestamp(i64::from(days) * 86_400, 0);
    time.unwrap_or_default().date_naive()
}

/// What each question would cost, and how wide its intervals would be.
fn tell(
    spec: &Spec,
    priced: &[Priced<'_>],
    session: &Session,
    context: &Context,
    out: &mut Output,
) -> Result<(), Failure> {
    let balance = session.balance()?;
    let cost = sum(priced.iter().filter_map(|priced| Some(priced.quote.as_ref()?.cost)))?;
    if context.json {
        let indicators = priced.iter().map(|priced| {
            let quote = priced.quote.as_ref();
            json!({
                "indicator": priced.name,
                "epsilon": priced.query.epsilon,
                "was_released": quote.is_none(),
                "quote": quote.map(|quote| show::quote_json(quote, balance, spec.level)),
            })
        });
        return out.json(&json!({
            "cost": show::cost_json(cost),
            "left": balance.map(show::balance_json),
            "indicators": indicators.collect::<Vec<Value>>(),
        }));
    }
    let header = ["indicator", "epsilon", "cost", "counts", "interval"].map(str::to_owned);
    let mut rows = Vec::new();
    for priced in priced {
        let (id, epsilon) = (priced.name.to_owned(), priced.query.epsilon);
        let Some(quote) = &priced.quote else {
            let free = "none, released before";
            rows.push(vec![id, epsilon.to_string(), free.to_owned()]);
            continue;
        };
        let mut first = vec![id, epsilon.to_string(), show::cost(quote.cost)];
        if quote.columns.is_empty() {
            // Quantiles are drawn, and have intervals of their own.
            rows.push(first.clone());
        }
        for column in &quote.columns {
            let width = numbers::rough(show::width(column, spec.level));
            let most = if column.is_chosen { "at most " } else { "" };
            let cells = [column.name.clone(), format!("{most}\u{b1} {width}")];
            let start = std::mem::replace(&mut first, vec![String::new(); 3]);
            rows.push(start.into_iter().chain(cells).collect());
        }
    }
    out.line(grid(&header, rows, &[false, true, false, false, true]))?;
    let queries: Vec<Query> = priced
        .iter()
        .filter(|priced| priced.quote.is_some())
        .map(|priced| priced.query.clone())
        .collect();
    if !queries.is_empty() {
        out.line(show::together(&session.price_together(&queries)?))?;
    }
    let held = balance.filter(|balance| !cost.fits(show::remaining(*balance)));
    if let Some(balance) = balance {
        out.line(format_args!("left {}", show::left(balance)))?;
    }
    if held.is_some() {
        out.line("the budget does not hold that: ask for fewer indicators, or with less epsilon")?;
    }
    out.dim_line("nothing was asked or charged")
}

/// Specs to start from, by name.
const EXAMPLES: [(&str, &str); 4] = [
    ("population-health", include_str!("../../queries/reports/population-health.toml")),
    (
        "gastrointestinal-bleeding",
        include_str!("../../queries/reports/gastrointestinal-bleeding.toml"),
    ),
    ("surveillance", include_str!("../../queries/reports/surveillance.toml")),
    ("safety-and-supply", include_str!("../../queries/reports/safety-and-supply.toml")),
];

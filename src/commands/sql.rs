//! `graunt sql`: questions, from the command line, a file, or the shell.

use std::fs::{self, OpenOptions};
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::answer::Answer;
use engine::engine::Quote;
use serde_json::json;

use crate::commands::{Context, cluster};
use crate::fail::Failure;
use crate::federated;
use crate::numbers;
use crate::opened::Reply;
use crate::output::{Output, remark};
use crate::script::{Statement, Step, Verb, steps};
use crate::session::{Dialect, Performed, Reach, Session, Terms};
use crate::shell::{self, Next};
use crate::show::{self, Format};

/// Arguments of `graunt sql`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The question; several are separated by ; and answered one by one
    #[arg(short = 'c', long, value_name = "SQL", conflicts_with = "file")]
    command: Option<String>,
    /// File of questions, - for standard input; without -c and -f, a shell
    #[arg(short = 'f', long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Privacy loss of each question, from 0.001 to 10000 [default: 1]
    #[arg(long, value_name = "E", value_parser = numbers::epsilon)]
    epsilon: Option<f64>,
    /// Failure probability of each question, above 0 and at most 0.01 [default: 1e-6]
    #[arg(long, value_name = "D", value_parser = numbers::delta)]
    delta: Option<f64>,
    /// The population to ask [default: the only one]
    #[arg(long, value_name = "NAME")]
    population: Option<String>,
    /// Most rows of one person that count in one group [default: the policy's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rows_per_person: Option<u32>,
    /// Most groups that one person counts in [default: the policy's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    groups_per_person: Option<u32>,
    /// Fewest persons of a group that is shown, if more than the policy's [default: the policy's]
    #[arg(long, value_name = "N")]
    min_persons: Option<u32>,
    /// How questions are spelt [default: datafusion]
    #[arg(long, value_name = "DIALECT")]
    dialect: Option<Dialect>,
    /// How answers are printed; csv, json and arrow print nothing else on standard output
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// Print the bounds of intervals as well, after the asked columns
    #[arg(long, conflicts_with = "no_intervals")]
    intervals: bool,
    /// Print no intervals in tables
    #[arg(long)]
    no_intervals: bool,
    /// Confidence of intervals [default: 0.95]
    #[arg(long, value_name = "C", value_parser = numbers::confidence)]
    confidence: Option<f64>,
    /// Write answers to a file
    #[arg(short = 'o', long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Tell cost and noise before spending; nothing is charged. Views are made all the same
    #[arg(long)]
    quote: bool,
    /// Answer without the sites whose extract was withdrawn, instead of stopping
    #[arg(long)]
    without_revoked: bool,
    /// Ask sites that show nobody their records, under these terms
    #[arg(long, value_name = "FILE", requires = "tls")]
    federated: Option<PathBuf>,
    /// Have a cluster compute, whose scheduler is at this host and port; see graunt cluster
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "federated")]
    cluster: Option<String>,
    /// Directory of the coordinator's certificate, for --federated and --cluster
    #[arg(long, value_name = "DIR")]
    tls: Option<PathBuf>,
    /// File of the parameters of proofs, if the terms ask for proofs
    #[arg(long, value_name = "FILE", requires = "federated")]
    crs: Option<PathBuf>,
    /// Refuse terms under which sites do not prove that their totals are in range. It is the terms
    /// that ask for proofs, of all questions; this makes sure that they do
    #[arg(long, requires = "federated")]
    prove_inputs: bool,
    /// Longest wait for a site or holder, or for the next bucket of a cluster, in seconds
    #[arg(long, value_name = "S", default_value = "60",
          value_parser = clap::value_parser!(u64).range(1..))]
    patience: u64,
}

/// How answers are printed.
#[derive(Debug)]
pub(crate) struct Printing {
    format: Format,
    intervals: bool,
    json: bool,
    file: Option<PathBuf>,
    /// Whether only costs are told.
    pub(crate) quotes_only: bool,
    /// Whether a statement was answered already.
    has_answered: bool,
    /// What was printed last.
    last: Printed,
    /// What was answered last.
    answer: Option<Answer>,
}

/// What stands on standard output for people.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Printed {
    Nothing,
    Phrase,
    Table,
}

/// Asks questions.
///
/// # Errors
/// [`Failure`]; the questions after a failed one are not asked.
pub(crate) fn run(
    arguments: Arguments,
    context: &Context,
    out: &mut Output,
) -> Result<(), Failure> {
    let script = match (&arguments.command, &arguments.file) {
        (Some(text), _) => Some(text.clone()),
        (None, Some(path)) => Some(read(path)?),
        (None, None) if io::stdin().is_terminal() && out.is_terminal() => None,
        (None, None) => Some(read(Path::new("-"))?),
    };
    let mut printing = printing(&arguments, context);
    if let Some(script) = &script {
        printing.check(&statements(&steps(script)), out)?;
    }
    let population = arguments.population.as_deref().or(context.config.sql.population.as_deref());
    let terms = terms(&arguments, context)?;
    let (patience, crs) = (patience(&arguments), arguments.crs.clone());
    let reach = arguments.tls.clone().map(|tls| Reach { tls, crs, patience });
    let session = Session::open(&context.home, population, terms, reach.as_ref())?;
    let Some(script) = script else {
        return shell::run(&session, &context.home, printing, out);
    };
    let steps = steps(&script);
    if steps.is_empty() {
        let hint = "for instance -c 'SELECT COUNT(*) FROM person'";
        return Err(Failure::usage("there is no question", hint));
    }
    for step in &steps {
        match step {
            Step::Statement(statement) => printing.answer(&session, statement, out)?,
            Step::Command(command) => {
                if shell::command(&session, command, &mut printing, out)? == Next::Leave {
                    return Ok(());
                }
            }
        }
    }
    let statements = statements(&steps);
    let asked: Vec<&Statement> =
        statements.iter().filter(|statement| statement.verb() == Verb::Ask).collect();
    if printing.quotes_only && asked.len() > 1 && printing.is_for_people() {
        out.line(show::together(&session.registered(&asked)?))?;
    }
    Ok(())
}

fn statements(steps: &[Step]) -> Vec<Statement> {
    let statement = |step: &Step| match step {
        Step::Statement(statement) => Some(statement.clone()),
        Step::Command(_) => None,
    };
    steps.iter().filter_map(statement).collect()
}

fn terms(arguments: &Arguments, context: &Context) -> Result<Terms, Failure> {
    let defaults = &context.config.sql;
    let federation = arguments.federated.as_deref().map(federated::terms).transpose()?;
    if let Some(federation) = federation.as_ref().filter(|_| arguments.prove_inputs) {
        let hint = "terms with the lines that graunt federation crs prints do, for all parties";
        let required = federation.proofs_required();
        required.map_err(|error| Failure::usage(error.to_string(), hint))?;
    }
    Ok(Terms {
        epsilon: arguments.epsilon.or(defaults.epsilon).unwrap_or(1.0),
        delta: arguments.delta.or(defaults.delta).unwrap_or(1e-6),
        rows_per_person: arguments.rows_per_person.or(defaults.rows_per_person),
        groups_per_person: arguments.groups_per_person.or(defaults.groups_per_person),
        persons_min: arguments.min_persons.or(defaults.min_persons).unwrap_or(0),
        dialect: arguments.dialect.or(defaults.dialect).unwrap_or_default(),
        confidence: arguments.confidence.or(defaults.confidence).unwrap_or(0.95),
        without_revoked: arguments.without_revoked,
        is_quiet: context.quiet,
        memory: context.config.engine.memory,
        // Sites that show nobody their records compute for themselves.
        cluster: match federation {
            Some(_) => None,
            None => {
                let (address, tls) = (arguments.cluster.as_deref(), arguments.tls.as_deref());
                cluster::reached(address, tls, patience(arguments), context)?
            }
        },
        federation,
    })
}

fn patience(arguments: &Arguments) -> Duration {
    Duration::from_secs(arguments.patience)
}

fn printing(arguments: &Arguments, context: &Context) -> Printing {
    let format = arguments.format.or(context.config.sql.format).unwrap_or(Format::Table);
    // People see intervals unless they say no; programs if they ask.
    let is_for_people = format == Format::Table;
    Printing {
        format,
        intervals: arguments.intervals || (is_for_people && !arguments.no_intervals),
        json: context.json,
        file: arguments.out.clone(),
        quotes_only: arguments.quote,
        has_answered: false,
        last: Printed::Nothing,
        answer: None,
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    if path == Path::new("-") {
        let mut text = String::new();
        let read = io::stdin().read_to_string(&mut text);
        return read.map(|_| text).map_err(Failure::store("-", "reading standard input"));
    }
    fs::read_to_string(path).map_err(|error| {
        let what = format!("{}: {error}", path.display());
        Failure::usage(what, "name a file of SQL, or - for standard input")
    })
}

impl Printing {
    /// Sees that answers can be written, before anything is charged for them.
    ///
    /// # Errors
    /// [`Failure::Usage`], [`Failure::Store`].
    fn check(&self, statements: &[Statement], out: &Output) -> Result<(), Failure> {
        if self.format == Format::Arrow && !self.json && !self.quotes_only {
            let is_answered = |s: &&Statement| matches!(s.verb(), Verb::Ask | Verb::Execute);
            if statements.iter().filter(is_answered).count() > 1 {
                return Err(Failure::usage("an Arrow file holds one answer", "ask one question"));
            }
            if self.file.is_none() && out.is_terminal() {
                let what = "an Arrow file is not for a terminal";
                return Err(Failure::usage(what, "name a file with --out"));
            }
        }
        if let Some(path) = &self.file {
            let opened = OpenOptions::new().create(true).append(true).open(path);
            opened.map_err(Failure::store(path, "writing"))?;
        }
        Ok(())
    }

    /// Does what one statement asks for, or tells what it would cost.
    ///
    /// # Errors
    /// [`Failure`].
    pub(crate) fn answer(
        &mut self,
        session: &Session,
        statement: &Statement,
        out: &mut Output,
    ) -> Result<(), Failure> {
        let quotes_only = self.quotes_only;
        let done = if quotes_only { session.quote(statement) } else { session.perform(statement) };
        match done? {
            Performed::Answered(reply) => {
                self.print(&reply, session.terms(), out)?;
                self.has_answered = true;
                let Reply { answer, fault, .. } = *reply;
                self.answer = Some(answer);
                fault.map_or(Ok(()), Err)
            }
            Performed::Quoted(quote) => self.tell(&Told::Quote(quote), session, out),
            Performed::Explained(explanation) => {
                self.tell(&Told::Plan(explanation.plan, explanation.quote), session, out)
            }
            Performed::Estimated(quote) => self.tell(&Told::Estimate(quote), session, out),
            Performed::Done(phrase) => self.phrase(&phrase, out),
        }
    }

    /// What was answered last.
    pub(crate) const fn last_answer(&self) -> Option<&Answer> {
        self.answer.as_ref()
    }

    /// Tells what a question would cost. Only answers go to the file.
    fn tell(&mut self, told: &Told, session: &Session, out: &mut Output) -> Result<(), Failure> {
        let (balance, confidence) = (session.balance()?, session.terms().confidence);
        let quote = told.quote();
        if self.is_json() {
            let mut value = show::quote_json(quote, balance, confidence);
            if let Told::Plan(plan, _) = told {
                value["plan"] = json!(plan);
            }
            return out.json(&match told {
                Told::Quote(_) => value,
                Told::Plan(..) => json!({ "explain": value }),
                Told::Estimate(_) => json!({ "estimate": value }),
            });
        }
        let mut lines = Vec::new();
        if let Told::Plan(plan, _) = told {
            lines.extend(plan.iter().map(|line| format!("  {line}")));
        }
        let is_for_people = self.format == Format::Table;
        if is_for_people && !quote.columns.is_empty() {
            lines.push(show::quote_table(quote, confidence));
        }
        lines.extend(show::verdict(quote, balance));
        if is_for_people {
            self.space(Printed::Table, out)?;
            lines.iter().try_for_each(|line| out.line(line))?;
            return quote.notes.iter().try_for_each(|note| out.dim_line(note));
        }
        if self.format == Format::Csv {
            self.space(Printed::Table, out)?;
            out.bytes(show::quote_csv(quote, confidence).as_bytes())?;
        }
        lines.iter().chain(&quote.notes).for_each(remark);
        Ok(())
    }

    /// Tells what was named or forgotten.
    fn phrase(&mut self, phrase: &str, out: &mut Output) -> Result<(), Failure> {
        if self.is_json() {
            return out.json(&json!({ "done": phrase }));
        }
        if self.format == Format::Table {
            self.space(Printed::Phrase, out)?;
            return out.line(phrase);
        }
        remark(phrase);
        Ok(())
    }

    fn print(&mut self, reply: &Reply, terms: &Terms, out: &mut Output) -> Result<(), Failure> {
        let footer = show::footer(reply, terms);
        let mut bytes = Vec::new();
        let is_spaced = matches!(self.format, Format::Table | Format::Csv) && !self.json;
        if is_spaced && self.file.is_none() {
            self.space(Printed::Table, out)?;
        } else if is_spaced && self.has_answered {
            bytes.push(b'\n');
        }
        if self.json {
            let value = show::reply_json(reply, self.intervals)?;
            bytes.extend(value.to_string().into_bytes());
            bytes.push(b'\n');
        } else {
            bytes.extend(show::encoded(&reply.answer, self.format, self.intervals)?);
        }
        match &self.file {
            Some(path) => self.write(path, &bytes)?,
            None => out.bytes(&bytes)?,
        }
        if self.json {
            return Ok(());
        }
        if self.format == Format::Table && self.file.is_none() {
            out.line(footer)?;
            return reply.answer.notes.iter().try_for_each(|note| out.dim_line(note));
        }
        remark(footer);
        reply.answer.notes.iter().for_each(remark);
        Ok(())
    }

    const fn is_json(&self) -> bool {
        self.json || matches!(self.format, Format::Json)
    }

    /// Puts an empty line between tables, and between them and phrases.
    fn space(&mut self, next: Printed, out: &mut Output) -> Result<(), Failure> {
        let last = std::mem::replace(&mut self.last, next);
        let is_apart =
            last != Printed::Nothing && (last, next) != (Printed::Phrase, Printed::Phrase);
        if is_apart { out.line("") } else { Ok(()) }
    }

    /// The first answer replaces the file, the others follow.
    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), Failure> {
        let mut options = OpenOptions::new();
        options.create(true).write(true).append(self.has_answered).truncate(!self.has_answered);
        let file = options.open(path);
        file.and_then(|mut file| io::Write::write_all(&mut file, bytes))
            .map_err(Failure::store(path, "writing"))
    }
}

/// A price, and what asked for it.
enum Told {
    /// `--quote`.
    Quote(Quote),
    /// EXPLAIN, with its plan.
    Plan(Vec<String>, Quote),
    /// ESTIMATE.
    Estimate(Quote),
}

impl Printing {
    const fn is_for_people(&self) -> bool {
        matches!(self.format, Format::Table) && !self.json
    }
}

impl Told {
    const fn quote(&self) -> &Quote {
        match self {
            Self::Quote(quote) | Self::Plan(_, quote) | Self::Estimate(quote) => quote,
        }
    }
}

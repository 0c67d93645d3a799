//! The interactive shell: history, completion, statements over several lines, and commands about
//! the last answer. What is answered is the session's to say.

mod prompt;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use engine::answer::Answer;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{CompletionType, Editor};

use self::prompt::Prompt;
use crate::commands::sql::Printing;
use crate::fail::{self, Failure};
use crate::home::Home;
use crate::output::Output;
use crate::plot::{Point, plot};
use crate::script::{Statement, split};
use crate::session::Session;
use crate::show;

/// Reads statements from the terminal and answers them until the end of input. A failed statement
/// is told, and the shell goes on.
///
/// # Errors
/// [`Failure::Terminal`], [`Failure::Output`].
pub(crate) fn run(
    session: &Session,
    home: &Home,
    mut printing: Printing,
    out: &mut Output,
) -> Result<(), Failure> {
    let config = rustyline::Config::builder().completion_type(CompletionType::List).build();
    let mut editor: Editor<Prompt<'_>, FileHistory> = Editor::with_config(config)?;
    editor.set_helper(Some(Prompt::new(session)));
    let history = home.history();
    let mut options = OpenOptions::new();
    // The history holds questions: it is made for its owner only. Without one the shell works.
    let _ = options.create(true).append(true).mode(0o600).open(&history);
    let _ = editor.load_history(&history);
    out.line(format_args!("population {}; \\? for help", session.population().name))?;
    loop {
        match editor.readline("graunt> ") {
            Ok(text) if text.trim().is_empty() => {}
            Ok(text) => {
                let _ = editor.add_history_entry(text.trim());
                let _ = editor.save_history(&history);
                match answer(session, &text, &mut printing, out) {
                    Ok(Next::Prompt) => {}
                    Ok(Next::Leave) => return Ok(()),
                    Err(failure) if failure.is_broken_pipe() => return Err(failure),
                    Err(failure) => fail::print(&failure, false),
                }
            }
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// What is done after a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Next {
    /// The next one is read.
    Prompt,
    /// That was the last.
    Leave,
}

fn answer(
    session: &Session,
    text: &str,
    printing: &mut Printing,
    out: &mut Output,
) -> Result<Next, Failure> {
    if let Some(own) = text.trim().strip_prefix('\\') {
        return command(session, own, printing, out);
    }
    for statement in split(text) {
        printing.answer(session, &statement, out)?;
    }
    Ok(Next::Prompt)
}

/// Does what a command asks for that begins with a backslash, given without it.
///
/// # Errors
/// [`Failure::Usage`] if there is no such command or table; as questions have them.
pub(crate) fn command(
    session: &Session,
    command: &str,
    printing: &mut Printing,
    out: &mut Output,
) -> Result<Next, Failure> {
    let mut words = command.trim_end_matches(';').split_whitespace();
    match (words.next(), words.next()) {
        (Some("q"), None) => return Ok(Next::Leave),
        (Some("quote"), Some("on")) => printing.quotes_only = true,
        (Some("quote"), Some("off")) => printing.quotes_only = false,
        (Some("plot"), None) => out.line(plotted(last(printing)?, columns())?)?,
        (Some("receipt"), path) => receipt(last(printing)?, path, out)?,
        (Some("cost"), Some(_)) => {
            let text = command.trim_start().trim_start_matches("cost");
            for statement in split(text) {
                let asked = Statement { text: format!("ESTIMATE {}", statement.text), ..statement };
                printing.answer(session, &asked, out)?;
            }
        }
        _ => meta(session, command, out)?,
    }
    Ok(Next::Prompt)
}

fn last(printing: &Printing) -> Result<&Answer, Failure> {
    let none = || Failure::usage("nothing was answered yet", "ask a question first");
    printing.last_answer().ok_or_else(none)
}

/// Tells what proves the last answer, or writes it to a file.
fn receipt(answer: &Answer, path: Option<&str>, out: &mut Output) -> Result<(), Failure> {
    let receipt = answer.receipt.as_ref().ok_or_else(|| {
        Failure::usage("the last answer has no receipt", "answers of public tables have none")
    })?;
    if let Some(path) = path {
        receipt.save(Path::new(path))?;
        return out.line(format_args!("the receipt is in {path}; graunt verify {path} checks it"));
    }
    let intent = &receipt.intent;
    out.line(format_args!("query   {}", intent.query))?;
    out.line(format_args!("charged {}", show::cost(intent.cost)))?;
    out.line(format_args!("asked   {}", intent.sql.trim()))?;
    out.dim_line("\\receipt FILE writes it; graunt verify FILE checks it, on any machine")
}

/// The last answer drawn: its first column with intervals, else its first of numbers, by the
/// columns before it.
///
/// # Errors
/// [`Failure::Usage`] if it has no numbers.
fn plotted(answer: &Answer, columns: usize) -> Result<String, Failure> {
    let all = 0..answer.columns().len();
    let is_number =
        |column: &usize| (0..answer.len()).any(|row| answer.number(row, *column).is_some());
    let bounded = all.clone().find(|column| answer.has_intervals(*column));
    let value = bounded.or_else(|| all.clone().rev().find(is_number));
    let value = value.ok_or_else(|| {
        Failure::usage("there is nothing to draw", "ask for numbers, such as COUNT(*)")
    })?;
    let labels: Vec<usize> = all.filter(|c| *c != value && !answer.has_intervals(*c)).collect();
    let points = (0..answer.len()).map(|row| {
        let words: Vec<String> = labels.iter().map(|column| answer.text(row, *column)).collect();
        let ends = |bound: engine::answer::Bound| (bound.lower, bound.upper);
        Point {
            label: words.join(", "),
            value: answer.number(row, value).unwrap_or(f64::NAN),
            interval: answer.interval(row, value).map(ends),
        }
    });
    let points: Vec<Point> = points.collect();
    Ok(plot(&answer.columns()[value], &points, columns, !is_unicode()))
}

/// The width of the terminal.
fn columns() -> usize {
    let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let asked = || Some(usize::from(console::Term::stdout().size_checked()?.1));
    told.or_else(asked).unwrap_or(80)
}

/// Whether the terminal shows more than ASCII, as far as the locale tells.
fn is_unicode() -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(std::env::var_os);
    let locale = locale.map(|locale| locale.to_string_lossy().to_ascii_lowercase());
    locale.is_some_and(|locale| locale.contains("utf-8") || locale.contains("utf8"))
}

/// Answers a command that begins with a backslash, given without it; nothing is charged.
///
/// # Errors
/// [`Failure::Usage`] if there is no such command or table, [`Failure::Output`].
fn meta(session: &Session, command: &str, out: &mut Output) -> Result<(), Failure> {
    let mut words = command.trim_end_matches(';').split_whitespace();
    match (words.next(), words.next()) {
        (Some("d"), None) => out.line(show::tables(session.catalog())),
        (Some("d"), Some(name)) => match session.catalog().table(&name.to_ascii_lowercase()) {
            Some(table) => out.line(show::columns(table)),
            None => {
                Err(Failure::usage(format!("there is no table {name:?}"), "\\d lists the tables"))
            }
        },
        (Some("budget"), None) => match session.balance()? {
            Some(balance) => {
                out.line(format_args!("left {}", show::left(balance)))?;
                out.line(format_args!("spent in {} charges", balance.charges))
            }
            None => out.line("no budget is open for this population"),
        },
        (Some("concept"), Some(_)) => {
            let wanted = command.trim_start().trim_start_matches("concept").trim();
            let found = session.concepts().iter().filter(|concept| concept.is_like(wanted));
            let rows = found.take(CONCEPTS_SHOWN).map(|concept| {
                vec![concept.id.to_string(), concept.name.clone(), concept.of.clone()]
            });
            let header = ["concept_id", "concept_name", "domain_id"].map(str::to_owned);
            out.line(show::grid(&header, rows.collect(), &[true, false, false]))
        }
        (Some("?"), None) => out.line(HELP),
        _ => Err(Failure::usage(format!("there is no command \\{command}"), "\\? lists them")),
    }
}

const HELP: &str = "\
SELECT ...;              asks a question; it ends with a semicolon, on as many lines as you like;
                         the same question asked again costs nothing
EXPLAIN SELECT ...;      shows whose rows each step holds, with bounds, noise and cost
ESTIMATE SELECT ...;     tells cost, noise and the width of intervals; neither charges anything
CREATE VIEW v AS ...;    names a query to ask about, until you leave; DROP VIEW v; forgets it
PREPARE q AS ... $1 ...; names a question with parameters; EXECUTE q(1); asks it,
                         DEALLOCATE q; forgets it
\\cost SELECT ...         tells cost, noise and the width of intervals, as ESTIMATE does
\\plot                    draws the last answer with its intervals
\\receipt [FILE]          tells what proves the last answer, or writes it to a file
\\d                       lists the tables
\\d TABLE                 lists the columns of a table, with their public bounds and values
\\concept WORDS           lists concepts by their names; within quotes, Tab completes them
\\budget                  tells what is left of the budget
\\quote on|off            tells what questions would cost, and charges nothing
\\?                       shows this
\\q, Ctrl-D               leaves; Ctrl-C abandons the line, or takes a question back: before it
                         is charged that costs nothing";

/// Concepts that are listed.
const CONCEPTS_SHOWN: usize = 40;

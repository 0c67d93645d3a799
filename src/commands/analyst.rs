//! `graunt analyst`: who may ask over the network, and how much each may spend.

use std::fs;
use std::path::PathBuf;

use ledger_adapter::charge::Opening;
use ledger_adapter::cost::Cost;
use ledger_adapter::digest::Digest;
use serde_json::{Value, json};

use crate::analysts::{Analyst, Analysts, new_password};
use crate::commands::Context;
use crate::fail::Failure;
use crate::numbers::{self, cap_of_epsilon};
use crate::output::Output;
use crate::show::{balance_json, cost, grid, left};

/// Arguments of `graunt analyst`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Let somebody ask over the network; a password is made and printed once
    ///
    /// With --epsilon they have an account of their own on the ledger, which pays the same as the
    /// population's with each question: what it does not hold is refused. It is set once.
    Add(AddArguments),
    /// List who may ask, and what is left of what they may spend
    List,
    /// Give somebody another password
    Password {
        /// Their name
        name: String,
        /// File with the password in its first line, instead of one that is made
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Let somebody ask no longer; what they spent stays on the ledger
    Remove {
        /// Their name
        name: String,
    },
}

#[derive(Debug, clap::Args)]
struct AddArguments {
    /// Their name: lower-case letters, digits and hyphens; a certificate of that name does, too
    name: String,
    /// Most that their questions may cost all in all, from 0.001 to 10000 [default: no bound of
    /// their own]
    #[arg(long, value_name = "E", value_parser = numbers::epsilon)]
    epsilon: Option<f64>,
    /// Failure probability of all of them
    #[arg(long, value_name = "D", default_value = "1e-5", value_parser = numbers::delta)]
    delta: f64,
    /// Most privacy loss of one question
    #[arg(long, value_name = "E", value_parser = numbers::epsilon)]
    question_epsilon: Option<f64>,
    /// File with the password in its first line, instead of one that is made
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

/// Adds, lists and removes analysts.
///
/// # Errors
/// [`Failure::Usage`], [`Failure::Ledger`], [`Failure::Store`], [`Failure::Output`].
pub(crate) fn run(
    arguments: &Arguments,
    context: &Context,
    out: &mut Output,
) -> Result<(), Failure> {
    let analysts = Analysts::open(context.home.directory())?;
    match &arguments.action {
        Action::Add(arguments) => add(&analysts, arguments, context, out),
        Action::List => list(&analysts, context, out),
        Action::Password { name, password_file } => {
            let (password, is_made) = password(password_file.as_ref())?;
            analysts.set_password(name, &password)?;
            told(name, is_made.then_some(&password), context, out)
        }
        Action::Remove { name } => {
            analysts.remove(name)?;
            match context.json {
                true => out.json(&json!({ "removed": name })),
                false => out.line(format_args!("{name} may ask no longer")),
            }
        }
    }
}

fn add(
    analysts: &Analysts,
    arguments: &AddArguments,
    context: &Context,
    out: &mut Output,
) -> Result<(), Failure> {
    let (password, is_made) = password(arguments.password_file.as_ref())?;
    let cap = arguments.epsilon.map(|epsilon| cap_of_epsilon(epsilon, arguments.delta));
    let hint = "for instance --epsilon 3 --delta 1e-5";
    let cap = cap.transpose().map_err(|rule| Failure::usage(rule, hint))?;
    let account = cap.map(|_| Digest::random()).transpose()?;
    let (name, epsilon_max) = (arguments.name.clone(), arguments.question_epsilon);
    analysts.add(&Analyst { name, account, epsilon_max, password: None }, &password)?;
    if let Err(fault) = opened(account, cap, context) {
        // Without the account their questions would be refused for another reason.
        analysts.remove(&arguments.name)?;
        return Err(fault);
    }
    told(&arguments.name, is_made.then_some(&password), context, out)
}

/// Opens the account, if there is to be one.
fn opened(account: Option<Digest>, cap: Option<Cost>, context: &Context) -> Result<(), Failure> {
    if let (Some(account), Some(cap)) = (account, cap) {
        context.home.accounts()?.open_account(&Opening { account, cap })?;
    }
    Ok(())
}

fn told(
    name: &str,
    password: Option<&String>,
    context: &Context,
    out: &mut Output,
) -> Result<(), Failure> {
    if context.json {
        return out.json(&json!({ "analyst": name, "password": password }));
    }
    out.line(format_args!("{name} may ask over the network"))?;
    match password {
        Some(password) => out.line(format_args!("password {password}, which is not told again")),
        None => Ok(()),
    }
}

fn list(analysts: &Analysts, context: &Context, out: &mut Output) -> Result<(), Failure> {
    let all = analysts.list()?;
    let ledger = match all.iter().any(|analyst| analyst.account.is_some()) {
        true => Some(context.home.accounts()?),
        false => None,
    };
    let (mut rows, mut values): (Vec<Vec<String>>, Vec<Value>) = (vec![], vec![]);
    for analyst in all {
        let balance = match (&ledger, analyst.account) {
            (Some(ledger), Some(account)) => ledger.remaining(account)?,
            _ => None,
        };
        rows.push(vec![
            analyst.name.clone(),
            balance.map_or_else(|| "no bound of their own".to_owned(), |held| cost(held.cap)),
            balance.map_or_else(String::new, left),
            analyst.epsilon_max.map_or_else(String::new, |epsilon| epsilon.to_string()),
        ]);
        values.push(json!({
            "analyst": analyst.name,
            "budget": balance.map(balance_json),
            "question_epsilon": analyst.epsilon_max,
        }));
    }
    if context.json {
        return out.json(&values);
    }
    if rows.is_empty() {
        return out.line("nobody may ask over the network; graunt analyst add lets somebody");
    }
    let header = ["analyst", "may spend", "left", "epsilon of a question, at most"];
    out.line(grid(&header.map(str::to_owned), rows, &[false, false, false, true]))
}

/// The password of a file, or one that is made; true if it is.
fn password(file: Option<&PathBuf>) -> Result<(String, bool), Failure> {
    let Some(path) = file else { return Ok((new_password()?, true)) };
    let text = fs::read_to_string(path).map_err(Failure::store(path, "reading"))?;
    Ok((text.lines().next().unwrap_or_default().to_owned(), false))
}

//! `graunt budget`: opens and shows what a population may spend.

use ledger_adapter::charge::{Balance, Opening};
use ledger_adapter::cost::Cost;
use serde_json::json;

use crate::commands::Context;
use crate::fail::Failure;
use crate::numbers::{self, as_epsilon, cap_of_epsilon, cap_of_rho, readable};
use crate::output::{Output, remark};
use crate::population::{self, Population};
use crate::show::{balance_json, cost, grid, remaining};

/// Arguments of `graunt budget`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Open a population's budget, once and for all, and attest the extracts that wait for it
    ///
    /// With --epsilon, half of delta pays for choosing which keys to show and half for the
    /// conversion; rho is the largest that fits, rounded down.
    Open(OpenArguments),
    /// Show what a population may spend, has spent, and has left
    Show {
        /// The population [default: the only one]
        #[arg(long, value_name = "NAME")]
        population: Option<String>,
    },
    /// List all populations with their budgets
    List,
}

#[derive(Debug, clap::Args)]
struct OpenArguments {
    /// The population; made if it is new
    #[arg(long, value_name = "NAME")]
    population: String,
    /// Cap in zero-concentrated differential privacy
    #[arg(long, value_name = "R", value_parser = numbers::rho, conflicts_with = "epsilon",
          required_unless_present = "epsilon")]
    rho: Option<f64>,
    /// Cap in differential privacy, from 0.001 to 10000
    #[arg(long, value_name = "E", value_parser = numbers::epsilon)]
    epsilon: Option<f64>,
    /// Failure probability, above 0 and at most 0.01
    #[arg(long, value_name = "D", default_value = "1e-5", value_parser = numbers::delta)]
    delta: f64,
}

/// Opens or shows budgets.
///
/// # Errors
/// [`Failure::Ledger`], [`Failure::Usage`], [`Failure::Output`].
pub(crate) fn run(
    arguments: &Arguments,
    context: &Context,
    out: &mut Output,
) -> Result<(), Failure> {
    match &arguments.action {
        Action::Open(arguments) => open(arguments, context, out),
        Action::Show { population } => show(population.as_deref(), context, out),
        Action::List => list(context, out),
    }
}

fn open(arguments: &OpenArguments, context: &Context, out: &mut Output) -> Result<(), Failure> {
    let cap = match (arguments.rho, arguments.epsilon) {
        (Some(rho), _) => cap_of_rho(rho, arguments.delta),
        (None, Some(epsilon)) => cap_of_epsilon(epsilon, arguments.delta),
        (None, None) => Err("neither rho nor epsilon is given".to_owned()),
    };
    let hint = "for instance --epsilon 3 --delta 1e-5";
    let cap = cap.map_err(|rule| Failure::usage(rule, hint))?;
    let home = &context.home;
    let (ledger, is_new) = home.accounts_or_new()?;
    if is_new && !context.quiet {
        remark(format_args!("made a ledger in {}", home.ledger_directory().display()));
    }
    let registry = home.registry()?;
    let account = registry.create_population(&arguments.population)?.account;
    let placed = ledger.open_account(&Opening { account, cap })?;
    let sites = population::attest(home, &registry, ledger.as_ref(), &arguments.population)?;
    let fresh = Balance { cap, spent: Cost::default(), charges: 0 };
    let balance = ledger.remaining(account)?.unwrap_or(fresh);
    if context.json {
        return out.json(&json!({
            "population": arguments.population,
            "account": account,
            "entry": placed.index,
            "attested": sites,
            "budget": balance_json(balance),
        }));
    }
    let was = if placed.repeated { "was open already" } else { "is open" };
    out.line(format_args!("the budget of {} {was}: {}", arguments.population, cost(cap)))?;
    if let Some((epsilon, delta)) = as_epsilon(cap.rho, cap) {
        let (epsilon, delta) = (readable(epsilon), readable(delta));
        out.line(format_args!("  that is epsilon {epsilon} at delta {delta}, all in all"))?;
    }
    sites.iter().try_for_each(|site| out.line(format_args!("  attested the extract of {site}")))
}

fn show(name: Option<&str>, context: &Context, out: &mut Output) -> Result<(), Failure> {
    let ledger = context.home.accounts()?;
    let name = name.or(context.config.sql.population.as_deref());
    let population = Population::find(&context.home.registry()?, name)?;
    let balance = ledger.remaining(population.account)?;
    if context.json {
        return out.json(&json!({
            "population": population.name,
            "account": population.account,
            "budget": balance.map(balance_json),
        }));
    }
    let Some(balance) = balance else {
        return out.line(format_args!("population {} has no budget yet", population.name));
    };
    let row = |what: &str, amount| [vec![what.to_owned()], amounts(amount, balance)].concat();
    let rows =
        vec![row("cap", balance.cap), row("spent", balance.spent), row("left", remaining(balance))];
    let at = as_epsilon(balance.cap.rho, balance.cap).map_or(0.0, |(_, delta)| delta);
    let header = ["", "rho", "delta", &format!("epsilon at delta {}", readable(at))];
    out.line(format_args!("population {}", population.name))?;
    out.line(grid(&header.map(str::to_owned), rows, &[false, true, true, true]))?;
    out.line(format_args!("{} charges", balance.charges))
}

fn list(context: &Context, out: &mut Output) -> Result<(), Failure> {
    let ledger = context.home.accounts()?;
    let mut rows = Vec::new();
    let mut values = Vec::new();
    for (name, population) in context.home.registry()?.populations()? {
        let balance = ledger.remaining(population.account)?;
        values.push(json!({
            "population": name,
            "account": population.account,
            "budget": balance.map(balance_json),
        }));
        let cells = balance.map_or_else(
            || vec!["no budget yet".to_owned(); 3],
            |balance| amounts(remaining(balance), balance),
        );
        let charges = balance.map_or(0, |balance| balance.charges).to_string();
        rows.push([vec![name], cells, vec![charges]].concat());
    }
    if context.json {
        return out.json(&values);
    }
    let header = ["population", "rho left", "delta left", "epsilon left", "charges"];
    out.line(grid(&header.map(str::to_owned), rows, &[false, true, true, true, true]))
}

/// ρ, δ, ε.
fn amounts(amount: Cost, balance: Balance) -> Vec<String> {
    let epsilon = as_epsilon(amount.rho, balance.cap).map(|(epsilon, _)| readable(epsilon));
    let (rho, delta) = (amount.rho.as_f64(), amount.delta.as_f64());
    vec![readable(rho), readable(delta), epsilon.unwrap_or_default()]
}

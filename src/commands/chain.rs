//! `graunt chain`: the contract on an EVM chain, and what it remembers of the log.

use ledger_adapter::chain::anchor::Anchor;
use ledger_adapter::chain::{Address, Roles};
use serde_json::json;

use crate::commands::Context;
use crate::fail::Failure;
use crate::output::Output;
use crate::progress::spinner;

/// Arguments of `graunt chain`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Print the addresses that this home sends from: both pay for gas
    Address,
    /// Make a contract, which this home owns and may use
    Deploy,
    /// Say what an address may do from now on, and nothing else
    Grant {
        /// The address
        #[arg(value_name = "ADDRESS")]
        address: Address,
        /// It gives roles
        #[arg(long)]
        owner: bool,
        /// It opens accounts, and attests, supersedes and withdraws extracts
        #[arg(long)]
        steward: bool,
        /// It charges and releases
        #[arg(long)]
        engine: bool,
    },
    /// Have the chain remember how far the log has come, or check the log against it
    Anchor {
        /// Only if the log has so many new entries
        #[arg(long, value_name = "N", default_value_t = 1)]
        every: u64,
    },
}

/// Speaks to the chain of the configuration.
///
/// # Errors
/// [`Failure::Usage`], [`Failure::Ledger`], [`Failure::Output`].
pub(crate) fn run(
    arguments: &Arguments,
    context: &Context,
    out: &mut Output,
) -> Result<(), Failure> {
    match &arguments.action {
        Action::Address => address(context, out),
        Action::Deploy => deploy(context, out),
        Action::Grant { address, owner, steward, engine } => {
            let roles = Roles { owner: *owner, steward: *steward, engine: *engine };
            grant(*address, roles, context, out)
        }
        Action::Anchor { every } => anchor(*every, context, out),
    }
}

fn address(context: &Context, out: &mut Output) -> Result<(), Failure> {
    let address = context.home.chain_key()?.address();
    let anchor = context.home.anchor_key()?.address();
    if context.json {
        return out.json(&json!({"address": address, "anchor": anchor}));
    }
    out.line(format_args!("{address}  opens, attests, charges, releases"))?;
    out.line(format_args!("{anchor}  anchors; it needs no role"))
}

fn deploy(context: &Context, out: &mut Output) -> Result<(), Failure> {
    let (home, key) = (&context.home, context.home.chain_key()?);
    let mut network = home.evm()?.network_without(home.finality())?;
    let waiting = spinner("waiting for the chain", context.quiet);
    network.contract = network.deploy(&key)?;
    let all = Roles { owner: true, steward: true, engine: true };
    network.grant(&key, key.address().parse()?, all)?;
    drop(waiting);
    let contract = network.contract.to_string();
    if context.json {
        return out.json(&json!({"contract": contract}));
    }
    out.line(format_args!("contract = \"{contract}\""))?;
    out.dim_line("  put this line under [ledger.evm] in graunt.toml")
}

fn grant(
    address: Address,
    roles: Roles,
    context: &Context,
    out: &mut Output,
) -> Result<(), Failure> {
    let home = &context.home;
    let waiting = spinner("waiting for the chain", context.quiet);
    home.evm()?.network(home.finality())?.grant(&home.chain_key()?, address, roles)?;
    drop(waiting);
    let named = [(roles.owner, "owner"), (roles.steward, "steward"), (roles.engine, "engine")];
    let named: Vec<&str> = named.iter().filter(|(is, _)| *is).map(|(_, name)| *name).collect();
    if context.json {
        return out.json(&json!({"address": address.to_string(), "roles": named}));
    }
    let what = if named.is_empty() { "nothing".to_owned() } else { named.join(", ") };
    out.line(format_args!("{address} is {what}"))
}

fn anchor(every: u64, context: &Context, out: &mut Output) -> Result<(), Failure> {
    let home = &context.home;
    let ledger = home.ledger()?;
    let network = home.evm()?.network(home.finality())?;
    let waiting = spinner("waiting for the chain", context.quiet);
    let anchor = Anchor::open(&ledger, network, home.anchor_key()?, &home.outbox("anchor"))?;
    let new = anchor.advance(&ledger, every)?;
    let known = anchor.last()?;
    drop(waiting);
    if context.json {
        let known = known.map(|known| json!({"size": known.size, "root": known.root}));
        return out.json(&json!({"anchored": new.is_some(), "chain": known}));
    }
    match (new, known) {
        (Some(new), _) => out.line(format_args!("the chain remembers {} entries", new.size)),
        (None, Some(known)) => {
            let size = known.size;
            out.line(format_args!("the log continues the {size} entries that the chain remembers"))
        }
        (None, None) => out.line("the chain remembers nothing of this log yet"),
    }
}

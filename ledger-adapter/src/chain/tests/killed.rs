//! An engine that is killed again and again, and a node that is, and every charge exactly once.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use super::node::{Client, Node, network_at, open};
use super::*;
use crate::charge::{Admission, Finality};
use crate::ledger::Ledger as _;

fn request(number: u64) -> ChargeRequest {
    let cost = Cost { rho: Rho::from_nano(1), delta: Delta::default() };
    ChargeRequest { items: vec![(name("account", 0), cost)], ..a_request(number) }
}

/// The child: charges one query after the other, and says after each that it was granted. Without
/// the variables it is no child, and there is nothing to do.
#[test]
fn the_child_charges_until_it_is_killed() {
    let variable = |name: &str| std::env::var(format!("GRAUNT_CHAIN_CHILD_{name}"));
    let (Ok(directory), Ok(url), Ok(contract)) =
        (variable("DIRECTORY"), variable("URL"), variable("CONTRACT"))
    else {
        return;
    };
    let network = network_at(&url, contract.parse().unwrap());
    let ledger = open(&network, 1, Path::new(&directory)).unwrap();
    // The account and the extract come before the charges.
    for number in ledger.log().len().unwrap() - 2.. {
        let granted = ledger.charge(&request(number), Finality::Final).unwrap();
        assert!(matches!(granted, Admission::Granted(_)), "{granted:?}");
        println!("\ngranted {number}");
    }
}

/// Runs the child until it has said so many charges, lets it go on for a moment that differs each
/// time, and kills it. Gives the number of the last charge that it said.
fn run_and_kill(directory: &Path, node: &Node, contract: &str, round: u64) -> Option<u64> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let of_child = "chain::tests::killed::the_child_charges_until_it_is_killed";
    command.args(["--exact", of_child, "--nocapture", "--test-threads", "1"]);
    command.env("GRAUNT_CHAIN_CHILD_DIRECTORY", directory);
    command.env("GRAUNT_CHAIN_CHILD_URL", node.url()).env("GRAUNT_CHAIN_CHILD_CONTRACT", contract);
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let granted = lines.map_while(Result::ok).filter_map(|line| {
        line.strip_prefix("granted ").map(|number| number.parse::<u64>().unwrap())
    });
    let mut last = None;
    for number in granted {
        last = Some(number);
        if last.is_some() && number % 3 == round % 3 {
            break;
        }
    }
    // Somewhere in the next charge: after so many of the node's own answers.
    for _ in 0..round * 7 % 60 {
        node.call("eth_blockNumber", &json!([]));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    last
}

#[test]
fn killed_again_and_again_every_charge_is_there_exactly_once() {
    let kills = size_from("GRAUNT_CHAIN_KILLS", 6);
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("chain.json");
    let more = ["--state", state.to_str().unwrap(), "--block-base-fee-per-gas", "1000000000"];
    let Some(mut node) = Node::start(Client::Anvil, &more) else { return };
    let network = node.with_contract(node.network(), &[1]);
    let contract = network.contract.to_string();
    let engine = directory.path().join("engine");
    let ledger = open(&network, 1, &engine).unwrap();
    let cap = Cost { rho: Rho::from_nano(u64::MAX), delta: Delta::default() };
    ledger.open_account(&Opening { account: name("account", 0), cap }).unwrap();
    ledger.attest(&an_extract(0, 0)).unwrap();
    drop(ledger);
    let mut said = None;
    for round in 0..kills {
        said = said.max(run_and_kill(&engine, &node, &contract, round));
        if round % 5 == 4 {
            // The node is begun again from what it had on disk.
            let port = node.port;
            node.stop_softly();
            node = Node::start_at(Client::Anvil, &more, port).unwrap();
        }
    }
    let ledger = open(&network, 1, &engine).unwrap();
    let recorded = ledger.log().len().unwrap() - 2;
    let spent = ledger.remaining(name("account", 0)).unwrap().unwrap().spent.rho.nano();
    println!("{kills} kills: said {said:?}, recorded {recorded}, spent {spent}");
    assert!(said.is_some_and(|last| last < recorded));
    assert_eq!(spent, recorded);
    for number in 0..recorded {
        let outcome = ledger.outcome(name("query", number)).unwrap();
        assert!(outcome.is_some(), "{number}");
    }
}

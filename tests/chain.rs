//! A question on an EVM chain, through the command line; skipped where no node is installed.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::support::Place;

/// A node that ends with the test.
struct Node {
    child: Child,
    port: u16,
}

impl Node {
    fn start() -> Option<Self> {
        let Some(program) = std::env::var_os("GRAUNT_ANVIL") else {
            eprintln!("skipped: GRAUNT_ANVIL does not name anvil, a node for tests");
            return None;
        };
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(program);
        command.args(["--hardfork", "london", "--port", &port.to_string()]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("Listening on")));
        // What it says later has nowhere to go, and must not stop it.
        std::thread::spawn(move || lines.for_each(drop));
        Some(Self { child, port })
    }

    fn give_money(&self, address: &str) {
        let params = json!([address, "0x56BC75E2D63100000"]);
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": METHOD, "params": params});
        let body = body.to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let head = format!(
            "POST / HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("\"result\""), "{answer}");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn value(place: &Place, args: &[&str]) -> Value {
    serde_json::from_str(&place.done(&[args, &["--json"]].concat())).unwrap()
}

#[test]
fn a_contract_holds_the_budget_and_a_chain_remembers_the_log() {
    let Some(node) = Node::start() else { return };
    let place = Place::new();
    let text = |kind: &str, contract: &str| {
        format!(
            "[ledger]\nkind = \"{kind}\"\n[ledger.evm]\nurl = \"http://127.0.0.1:{}\"\n\
             chain_id = 31337\ngas_price = 2000000000\nfinal_blocks = 1\n\
             patience_seconds = 60\n{contract}\n",
            node.port
        )
    };
    let set = |kind, contract: &str| {
        fs::write(place.path("graunt.toml"), text(kind, contract)).unwrap();
    };
    set("evm", "");
    let addresses = value(&place, &["chain", "address"]);
    for who in ["address", "anchor"] {
        node.give_money(addresses[who].as_str().unwrap());
    }
    let made = value(&place, &["chain", "deploy"]);
    let contract = format!("contract = {}", made["contract"]);
    set("evm", &contract);
    place.done(&["cohort", "--persons", "300", "--sites", "1", "--seed", "3", "--out", "raw"]);
    place.extract("raw/site-1", "site-1", "out");
    place.done(&["budget", "open", "--population", "town", "--rho", "0.03", "--delta", "1e-5"]);
    let ask = |sql: &str| place.run(&["sql", "--epsilon", "1", "-c", sql]);
    let first = ask("SELECT COUNT(*) AS n FROM person");
    assert_eq!(first.code, 0, "{}", first.err);
    place.done(&["verify", ".graunt/receipts"]);
    // The contract says no: what is left is not enough.
    let second = ask("SELECT COUNT(*) AS m FROM death");
    assert!(second.code != 0 && second.out.is_empty(), "{}", second.out);
    assert!(second.err.contains("budget") || second.err.contains("left"), "{}", second.err);

    set("log", &contract);
    let anchored = value(&place, &["chain", "anchor"]);
    assert_eq!(anchored["anchored"], true);
    assert_eq!(anchored["chain"]["size"], 4);
    assert_eq!(value(&place, &["chain", "anchor"])["anchored"], false);

    // Without its node nothing is answered.
    set("evm", &contract);
    drop(node);
    let third = ask("SELECT COUNT(*) AS k FROM person");
    assert!(third.code != 0 && third.out.is_empty());
    assert!(third.err.contains("the node does not answer"), "{}", third.err);
}

/// Gives an account of a test network money.
const METHOD: &str = "anvil_setBalance";

//! Nodes of other projects, started by a test and stopped with it.
//!
//! Where a node is not installed its tests say so and end: the variable, or the search path, names
//! the program itself, not a script that starts it as a child, which would outlive the test.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::chain::finality::{FinalRule, FinalityRules};
use crate::chain::key::ChainKey;
use crate::chain::ledger::ChainLedger;
use crate::chain::rpc::Rpc;
use crate::chain::transaction::Fees;
use crate::chain::{Address, Network, Roles};
use crate::charge::Finality;
use crate::digest::Digest;
use crate::error::LedgerError;
use crate::keys::Signer;
use crate::log::LogLedger;

/// A kind of node.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Client {
    /// Foundry's: revm.
    Anvil,
    /// Truffle's: ethereumjs, an EVM that shares no code with the other.
    Ganache,
}

/// A node that runs.
#[derive(Debug)]
pub(super) struct Node {
    child: Child,
    pub(super) port: u16,
    pub(super) rpc: Rpc,
}

impl Client {
    /// Where it is installed.
    fn program(self) -> Option<PathBuf> {
        let (variable, name) = match self {
            Self::Anvil => ("GRAUNT_ANVIL", "anvil"),
            Self::Ganache => ("GRAUNT_GANACHE", "ganache"),
        };
        let on_path = || {
            let path = std::env::var_os("PATH")?;
            std::env::split_paths(&path).map(|dir| dir.join(name)).find(|path| path.is_file())
        };
        let found = std::env::var_os(variable).map(PathBuf::from).or_else(on_path);
        // npm's anvil is a script around the program.
        let starts_child = |path: &PathBuf| {
            self == Self::Anvil && std::fs::read(path).is_ok_and(|file| file.starts_with(b"#!"))
        };
        let found = found.filter(|path| !starts_child(path));
        if found.is_none() {
            println!("skipped: {variable} does not name {name}, nor is it on the search path");
        }
        found
    }
}

impl Node {
    /// Starts a node with more arguments; `None` if it is not installed.
    pub(super) fn start(client: Client, more: &[&str]) -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self::start_at(client, more, port)
    }

    /// As [`Node::start`], at a port that is known to be free.
    pub(super) fn start_at(client: Client, more: &[&str], port: u16) -> Option<Self> {
        let mut command = Command::new(client.program()?);
        match client {
            Client::Anvil => command.args(["--hardfork", "london", "--port"]),
            Client::Ganache => command.args([
                "--chain.hardfork=london",
                "--chain.chainId=31337",
                "--miner.blockGasLimit=30000000",
                "--wallet.mnemonic=test test test test test test test test test test test junk",
                "--server.port",
            ]),
        };
        command.arg(port.to_string()).args(more);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        lines.find(|line| line.as_ref().unwrap().contains("istening on")).unwrap().unwrap();
        // Whatever else it says is read, or it would wait for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        let rpc = Rpc::new(&format!("http://127.0.0.1:{port}"), Duration::from_secs(20));
        Some(Self { child, port, rpc })
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The network of this node, without a contract yet.
    pub(super) fn network(&self) -> Network {
        network_at(&self.url(), "0x0000000000000000000000000000000000000000".parse().unwrap())
    }

    /// Makes the contract, with the first key as its owner and these as steward and engine.
    pub(super) fn with_contract(&self, mut network: Network, engines: &[u8]) -> Network {
        network.contract = network.deploy(&key(0)).unwrap();
        let roles = Roles { owner: false, steward: true, engine: true };
        for engine in engines {
            let who: Address = key(*engine).address().parse().unwrap();
            network.grant(&key(0), who, roles).unwrap();
        }
        network
    }

    /// Calls a method that only such nodes have.
    pub(super) fn call(&self, method: &'static str, params: &Value) -> Value {
        self.rpc.call(method, params).unwrap()
    }

    /// Asks it to end, so that it writes what it holds to its file, and waits for that.
    pub(super) fn stop_softly(mut self) {
        let asked = format!("kill {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &asked]).status().unwrap().success());
        self.child.wait().unwrap();
    }

    pub(super) fn mine(&self, blocks: u64) {
        for _ in 0..blocks {
            self.call("evm_mine", &json!([]));
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended before.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A network whose blocks are final at once.
pub(super) fn network_at(url: &str, contract: Address) -> Network {
    let fees = Fees::Dynamic { price_max: 3_000_000_000, tip_max: 1_000_000_000 };
    Network {
        finality: FinalityRules { confirmations: 1, rule: FinalRule::Blocks(1) },
        timeout: Duration::from_secs(20),
        patience: Duration::from_secs(60),
        poll: Duration::from_millis(2),
        ..Network::new(url, 31_337, contract, fees)
    }
}

/// A key that development nodes give money to; they are published with the nodes.
pub(super) fn key(number: u8) -> ChainKey {
    let key = match number {
        0 => "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
        1 => "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
        _ => "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    };
    ChainKey::from_bytes(key.parse::<Digest>().unwrap().as_bytes()).unwrap()
}

/// A directory of one engine: its log and its outbox.
pub(super) fn log_in(directory: &Path) -> LogLedger {
    let (path, signer) = (directory.join("log"), Signer::from_seed(&[1; 32]));
    if path.exists() {
        LogLedger::open(&path, signer, None).unwrap()
    } else {
        LogLedger::create(&path, "example.org/log", signer, None).unwrap()
    }
}

/// Opens the ledger of an engine in its directory.
pub(super) fn open(
    network: &Network,
    engine: u8,
    directory: &Path,
) -> Result<ChainLedger, LedgerError> {
    let outbox = directory.join("outbox");
    ChainLedger::open(log_in(directory), network.clone(), key(engine), &outbox)
}

/// A ledger that gives up at once when something is not as final as is needed.
pub(super) fn impatient(network: &Network, need: Finality) -> Network {
    Network { patience: Duration::ZERO, need, ..network.clone() }
}

//! The contract against the rules: the checked-in bytecode in an EVM of this process.

use std::collections::BTreeMap;
use std::fmt::Debug;

use alloy_primitives::{Address, Bytes, TxKind};
use revm::context::result::{ExecutionResult, Output};
use revm::context::{Context, TxEnv};
use revm::database::{CacheDB, EmptyDB};
use revm::primitives::hardfork::SpecId;
use revm::{ExecuteCommitEvm, MainBuilder, MainContext};

use super::*;
use crate::account::{State, Verdict};
use crate::chain::contract::{self, Log};

/// What a transaction came to.
struct Done {
    gas: u64,
    /// Events, or the bytes that it reverted with.
    result: Result<Vec<Log>, Vec<u8>>,
}

/// A contract in an EVM, whose every transaction comes from one address with all roles.
struct Evm<F> {
    transact: F,
    contract: Address,
}

/// Deploys the contract under the rules of `spec`.
fn deploy(spec: SpecId) -> Evm<impl FnMut(Address, TxKind, Vec<u8>) -> ExecutionResult> {
    let context = Context::mainnet().with_db(CacheDB::<EmptyDB>::default());
    let context = context.modify_cfg_chained(|cfg| {
        cfg.set_spec_and_mainnet_gas_params(spec);
        cfg.disable_nonce_check = true;
    });
    let mut evm = context.build_mainnet();
    let mut nonce = 0;
    let mut transact = move |from: Address, kind: TxKind, data: Vec<u8>| {
        let call = TxEnv::builder().caller(from).kind(kind).data(Bytes::from(data));
        let call = call.gas_limit(15_000_000).gas_price(0).nonce(nonce).build().unwrap();
        nonce += 1;
        evm.transact_commit(call).unwrap()
    };
    let made = transact(ENGINE, TxKind::Create, contract::bytecode().to_vec());
    println!("deploy {}", made.tx_gas_used());
    let ExecutionResult::Success { output: Output::Create(_, Some(contract)), .. } = made else {
        panic!("{made:?}")
    };
    let all = contract::grant(ENGINE, contract::OWNER | contract::STEWARD | contract::ENGINE);
    assert!(transact(ENGINE, TxKind::Call(contract), all).is_success());
    Evm { transact, contract }
}

impl<F: FnMut(Address, TxKind, Vec<u8>) -> ExecutionResult> Evm<F> {
    fn call(&mut self, calldata: Vec<u8>) -> Done {
        self.call_from(ENGINE, calldata)
    }

    fn call_from(&mut self, from: Address, calldata: Vec<u8>) -> Done {
        let result = (self.transact)(from, TxKind::Call(self.contract), calldata);
        let gas = result.tx_gas_used();
        let result = match result {
            ExecutionResult::Success { logs, .. } => Ok(logs
                .into_iter()
                .map(|log| Log { topics: log.data.topics().to_vec(), data: log.data.data.to_vec() })
                .collect()),
            ExecutionResult::Revert { output, .. } => Err(output.to_vec()),
            ExecutionResult::Halt { reason, .. } => panic!("{reason:?}"),
        };
        Done { gas, result }
    }

    /// Records an entry; gives the gas.
    fn record(&mut self, entry: &Entry) -> u64 {
        let done = self.call(contract::call(entry));
        assert!(done.result.is_ok(), "{entry:?}");
        done.gas
    }
}

/// What the rules, or the contract, say of an entry, in words that compare.
#[derive(Debug, Eq, PartialEq)]
enum Said {
    New(Vec<AccountEffect>),
    Repeated,
    Error(String),
}

fn said_by_rules(verdict: Result<Verdict, LedgerError>) -> Said {
    match verdict {
        Ok(Verdict::Accepted(effects)) => Said::New(effects),
        Ok(Verdict::Repeated(_)) => Said::Repeated,
        Err(error) => words(&error),
    }
}

fn said_by_contract(entry: &Entry, done: Done) -> Said {
    match (done.result, entry) {
        (Ok(logs), _) if logs.is_empty() => Said::Repeated,
        (Ok(logs), Entry::Charge(request)) => Said::New(contract::effects(request, &logs).unwrap()),
        (Ok(_), _) => Said::New(Vec::new()),
        (Err(revert), _) => words(&contract::fault(&revert).unwrap()),
    }
}

fn words(error: &impl Debug) -> Said {
    Said::Error(format!("{error:?}"))
}

/// An endless sequence of entries, all of them about few names.
struct Entries {
    random: SplitMix,
    world: u64,
}

impl Entries {
    fn name(&mut self, kind: &str, count: u64) -> Digest {
        let number = self.random.below(count);
        Digest::labelled(kind, &[&self.world.to_be_bytes(), &number.to_be_bytes()])
    }

    fn word(&mut self, bound: u64) -> usize {
        usize::try_from(self.random.below(bound)).unwrap()
    }

    fn extract(&mut self) -> Attestation {
        Attestation {
            root: self.name("root", 8),
            account: self.name("account", 3),
            key: self.name("key", 3),
            expires_day: 10 + u32::try_from(self.random.below(2)).unwrap(),
        }
    }

    fn cost(&mut self) -> Cost {
        let rho = Rho::from_nano([0, 1, 2, 3, 5, 20][self.word(6)]);
        Cost { rho, delta: Delta::from_atto(self.random.below(3)) }
    }

    fn request(&mut self) -> ChargeRequest {
        // None rarely, and mostly one.
        let items = [0, 1, 1, 1, 1, 2, 2, 3][self.word(8)];
        let items = (0..items).map(|_| (self.name("account", 4), self.cost())).collect();
        let inputs = [0, 1, 1, 1, 1, 1, 2, 2][self.word(8)];
        let inputs = (0..inputs).map(|_| self.name("root", 8)).collect();
        let (query, intent) = (self.name("query", 40), self.name("intent", 2));
        let day = 8 + u32::try_from(self.random.below(4)).unwrap();
        ChargeRequest { query, items, intent, inputs, day }
    }

    fn opening(&mut self) -> Opening {
        let account = self.name("account", 3);
        let (rho, delta) = match self.random.below(12) {
            0 => (0, 1_000_000_000_000_000_001),
            1 => (0, 1_000_000_000_000_000_000),
            2 => (0, 0),
            // The same for an account mostly, so that most of them can be charged for long.
            _ => (80, 50),
        };
        let cap = Cost { rho: Rho::from_nano(rho), delta: Delta::from_atto(delta) };
        Opening { account, cap }
    }

    fn next(&mut self) -> Entry {
        match self.random.below(18) {
            0 => Entry::Open(self.opening()),
            1 | 2 => Entry::Attest(self.extract()),
            3 => Entry::Supersede { old: self.name("root", 8), new: self.extract() },
            4 if self.random.below(3) == 0 => Entry::Revoke { root: self.name("root", 8) },
            4 | 5 => {
                let query = self.name("query", 40);
                Entry::Release { query, commitment: self.name("commitment", 2) }
            }
            7 | 8 => {
                let round = [0, 0, 1, 255, 256][self.word(5)];
                let root = match self.random.below(6) {
                    0 => Digest::from_bytes([0; 32]),
                    _ => self.name("set", 2),
                };
                Entry::Commit { query: self.name("query", 20), round, root }
            }
            6 if self.random.below(3) == 0 => Entry::Redact { query: self.name("query", 30) },
            6 if self.random.below(4) == 0 => {
                let (old, new) = (self.name("key", 4), self.name("key", 4));
                Entry::Key(KeyRotation { role: KeyRole::Site, old, new })
            }
            _ => Entry::Charge(self.request()),
        }
    }
}

/// How often the rules said what, without the names in it.
type Tally = BTreeMap<String, u64>;

fn count(said: &Said, tally: &mut Tally) {
    let kind = match said {
        Said::New(_) => "new".to_owned(),
        Said::Repeated => "repeated".to_owned(),
        Said::Error(text) => {
            let is_word = |word: &&str| !word.chars().any(|c| c.is_ascii_digit());
            text.split_whitespace().filter(is_word).collect::<Vec<_>>().join(" ")
        }
    };
    *tally.entry(kind).or_default() += 1;
}

/// Runs one entry on both; they must say the same.
fn compare(
    evm: &mut Evm<impl FnMut(Address, TxKind, Vec<u8>) -> ExecutionResult>,
    state: &mut State,
    entry: &Entry,
    tally: &mut Tally,
) {
    let calldata = contract::call(entry);
    assert_eq!(contract::entries(&calldata).unwrap(), std::slice::from_ref(entry));
    let expected = said_by_rules(state.apply(entry));
    assert_eq!(said_by_contract(entry, evm.call(calldata)), expected, "{entry:?}");
    count(&expected, tally);
}

/// Runs a batch of charges on both.
fn compare_batch(
    evm: &mut Evm<impl FnMut(Address, TxKind, Vec<u8>) -> ExecutionResult>,
    state: &mut State,
    batch: &[ChargeRequest],
    tally: &mut Tally,
) {
    let calldata = contract::charge_many(batch.iter()).unwrap();
    let entries: Vec<_> = batch.iter().cloned().map(Entry::Charge).collect();
    if !batch[0].items.is_empty() {
        assert_eq!(contract::entries(&calldata).unwrap(), entries);
    }
    let logs = evm.call(calldata).result.unwrap();
    for (request, entry) in batch.iter().zip(&entries) {
        let expected = said_by_rules(state.apply(entry));
        let found = match contract::rejection(request.query, &logs) {
            Some(error) => words(&error),
            None => contract::effects(request, &logs)
                .filter(|effects| !effects.is_empty())
                .map_or(Said::Repeated, Said::New),
        };
        // A name twice in one batch has two answers among the events.
        let twice = batch.iter().filter(|other| other.query == request.query).count() > 1;
        assert!(twice || found == expected, "{request:?}: {found:?}, not {expected:?}");
        count(&expected, tally);
    }
}

#[test]
fn the_contract_decides_as_the_rules_do() {
    let wanted = size_from("GRAUNT_CHAIN_OPERATIONS", 20_000);
    let mut evm = deploy(SpecId::LONDON);
    let mut state = State::default();
    let mut entries = Entries { random: SplitMix(0x6772_6175_6e74), world: 0 };
    let mut tally = Tally::new();
    let mut done = 0;
    while done < wanted {
        entries.world = done / 600;
        if entries.random.below(30) == 0 {
            let first = entries.request();
            let batch: Vec<_> = (0..5)
                .map(|_| {
                    let items = first.items.iter().map(|(name, _)| (*name, entries.cost()));
                    let items = items.collect();
                    let (query, intent) = (entries.name("query", 40), entries.name("intent", 2));
                    ChargeRequest { query, intent, items, ..first.clone() }
                })
                .collect();
            compare_batch(&mut evm, &mut state, &batch, &mut tally);
            done += 5;
        } else {
            compare(&mut evm, &mut state, &entries.next(), &mut tally);
            done += 1;
        }
    }
    // Each rule of the state machine was met, or the test would say little: new, repeated,
    // 20 refusals, 7 conflicts, 5 kinds of inactive, exhausted.
    assert_eq!(tally.len(), 35, "{tally:#?}");
    assert!(tally.values().all(|times| *times >= 5), "{tally:#?}");
}

fn an_opening(number: u64) -> Entry {
    let (rho, delta) = (Rho::from_nano(10_000_000_000), Delta::from_atto(1_000_000_000_000));
    Entry::Open(Opening { account: name("account", number), cap: Cost { rho, delta } })
}

#[test]
fn every_call_keeps_within_its_gas() {
    for spec in [SpecId::LONDON, SpecId::OSAKA] {
        let mut evm = deploy(spec);
        evm.record(&an_opening(0));
        let open = evm.record(&an_opening(1));
        evm.record(&Entry::Attest(an_extract(0, 0)));
        let attest = evm.record(&Entry::Attest(an_extract(1, 1)));
        let first = evm.record(&Entry::Charge(a_request(0)));
        let charge = evm.record(&Entry::Charge(a_request(1)));
        let again = evm.record(&Entry::Charge(a_request(1)));
        let release = |number| Entry::Release {
            query: name("query", number),
            commitment: name("release", number),
        };
        let commit = |round| Entry::Commit {
            query: name("query", 0),
            round,
            root: name("set", u64::from(round)),
        };
        evm.record(&commit(0));
        let (committed, again_committed) = (evm.record(&commit(1)), evm.record(&commit(1)));
        evm.record(&release(0));
        let released = evm.record(&release(1));
        let mut two = a_request(2);
        two.items.push((name("account", 1), two.items[0].1));
        two.inputs.push(name("root", 1));
        let two = evm.record(&Entry::Charge(two));
        let mut per_item = Vec::new();
        for (count, start) in [(10, 100), (50, 200), (200, 300)] {
            let batch: Vec<_> = (start..start + count).map(a_request).collect();
            let batch = evm.call(contract::charge_many(batch.iter()).unwrap());
            assert_eq!(batch.result.unwrap().len(), usize::try_from(count).unwrap());
            per_item.push(batch.gas / count);
        }
        let (log, root) = (name("log", 0), name("checkpoint", 0));
        let anchored_first = evm.call(contract::anchor(log, 1, root)).gas;
        let anchored = evm.call(contract::anchor(log, 70_000, name("checkpoint", 1))).gas;
        let new = an_extract(2, 0);
        let supersede = evm.record(&Entry::Supersede { old: name("root", 0), new });
        let revoke = evm.record(&Entry::Revoke { root: name("root", 2) });
        println!(
            "{spec:?}: open {open}, attest {attest}, supersede {supersede}, revoke {revoke}, \
             first charge {first}, charge {charge}, of two accounts and extracts {two}, \
             repeated {again}, set {committed}, again {again_committed}, \
             release {released}, per item of 10, 50, 200 {per_item:?}, \
             first anchor {anchored_first}, anchor {anchored}"
        );
        assert!(charge <= 65_000 && released <= 35_000 && anchored <= 40_000);
        assert!(committed <= 52_000 && again_committed <= 32_000);
        assert!(per_item.iter().all(|gas| *gas <= 32_000));
    }
}

//! The whole way of a query on real nodes: granted, refused, taken back, begun again.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::node::{Client, Node, impatient, key, log_in, open};
use super::*;
use crate::chain::Network;
use crate::chain::courier::Step;
use crate::chain::finality::FinalRule;
use crate::chain::ledger::ChainLedger;
use crate::chain::rpc::Moment;
use crate::chain::transaction::Fees;
use crate::charge::{Admission, Charged, ExtractStatus, Finality, Outcome, Placed};
use crate::conformance::{Scope, conforms};
use crate::error::{Inactive, Untrusted};
use crate::ledger::Ledger as _;
use crate::loopback::Loopback;
use crate::part::Claims;

fn cost(rho: u64) -> Cost {
    Cost { rho: Rho::from_nano(rho), delta: Delta::default() }
}

fn opening(cap: u64) -> Opening {
    Opening { account: name("account", 0), cap: cost(cap) }
}

fn request(number: u64, rho: u64) -> ChargeRequest {
    ChargeRequest { items: vec![(name("account", 0), cost(rho))], ..a_request(number) }
}

/// Opens an account and attests its extract.
fn begin(ledger: &ChainLedger, cap: u64) {
    ledger.open_account(&opening(cap)).unwrap();
    ledger.attest(&an_extract(0, 0)).unwrap();
}

fn granted(ledger: &ChainLedger, request: &ChargeRequest) -> Charged {
    match ledger.charge(request, Finality::Witnessed).unwrap() {
        Admission::Granted(charged) => charged,
        Admission::Repeated(placed) => panic!("{placed:?}"),
    }
}

fn spent(ledger: &ChainLedger) -> u64 {
    ledger.remaining(name("account", 0)).unwrap().unwrap().spent.rho.nano()
}

fn equivocated<T: std::fmt::Debug>(result: Result<T, LedgerError>) -> bool {
    matches!(result, Err(LedgerError::Untrusted { fault: Untrusted::Equivocated, .. }))
}

/// A node, its network with a contract, and an open ledger in a directory.
fn started(client: Client, more: &[&str]) -> Option<(Node, Network, tempfile::TempDir)> {
    let node = Node::start(client, more)?;
    let network = node.with_contract(node.network(), &[1, 2]);
    Some((node, network, tempfile::tempdir().unwrap()))
}

fn a_query_goes_its_way_on(client: Client) {
    let Some((_node, network, directory)) = started(client, &[]) else { return };
    let ledger = open(&network, 1, directory.path()).unwrap();
    begin(&ledger, 10);
    let charged = granted(&ledger, &request(0, 4));
    assert_eq!((charged.cost(), charged.placed().index), (cost(4), 2));
    assert_eq!(charged.placed().finality, Finality::Final);
    assert_eq!(charged.effects()[0].spent_after, cost(4));
    let repeated = ledger.charge(&request(0, 4), Finality::Final).unwrap();
    assert!(matches!(repeated, Admission::Repeated(Placed { index: 2, .. })));
    let conflict = ledger.charge(&request(0, 5), Finality::Final);
    assert!(matches!(conflict, Err(LedgerError::Conflict { what: "query" })));
    assert_eq!(ledger.release(charged, name("release", 0)).unwrap().index, 3);
    let outcome = ledger.outcome(name("query", 0)).unwrap();
    assert!(matches!(outcome, Some(Outcome::Released(_, found)) if found == name("release", 0)));
    let exhausted = ledger.charge(&request(1, 7), Finality::Final);
    assert!(matches!(exhausted, Err(LedgerError::Exhausted { .. })));
    let new = an_extract(1, 0);
    ledger.supersede(name("root", 0), &new).unwrap();
    let status = ledger.status(name("root", 0)).unwrap();
    assert_eq!(status, ExtractStatus::Superseded(name("root", 1)));
    ledger.revoke(name("root", 1)).unwrap();
    assert_eq!(ledger.extracts(name("account", 0)).unwrap(), []);

    // Begun again, it has all of it, and the outbox has nothing.
    drop(ledger);
    let ledger = open(&network, 1, directory.path()).unwrap();
    assert_eq!((spent(&ledger), ledger.log().len().unwrap()), (4, 6));
    let proof = ledger.proof(&[2, 3]).unwrap().verify(None).unwrap();
    assert_eq!(proof[0].1, Entry::Charge(request(0, 4)));
    assert_eq!(ledger.remaining(name("account", 7)).unwrap(), None);
}

#[test]
fn a_query_goes_its_way_on_anvil() {
    a_query_goes_its_way_on(Client::Anvil);
}

#[test]
fn a_query_goes_its_way_on_ganache() {
    a_query_goes_its_way_on(Client::Ganache);
}

#[test]
fn where_gas_is_free_nobody_needs_money() {
    let free = ["--base-fee", "0", "--gas-price", "0", "--accounts", "0"];
    let Some(node) = Node::start(Client::Anvil, &free) else { return };
    let network = Network { fees: Fees::Fixed { price: 0 }, ..node.network() };
    let network = node.with_contract(network, &[1]);
    let directory = tempfile::tempdir().unwrap();
    let ledger = open(&network, 1, directory.path()).unwrap();
    begin(&ledger, 10);
    drop(granted(&ledger, &request(0, 4)));
    assert_eq!(spent(&ledger), 4);
}

#[test]
fn what_another_engine_does_counts() {
    let Some((_node, network, directory)) = started(Client::Anvil, &[]) else { return };
    let one = open(&network, 1, &directory.path().join("one")).unwrap();
    let two = open(&network, 2, &directory.path().join("two")).unwrap();
    begin(&one, 10);
    begin(&two, 10);
    drop(granted(&one, &request(0, 6)));
    assert_eq!(spent(&two), 6);
    // The log of the second knows nothing of the first; the contract does.
    let exhausted = two.charge(&request(1, 5), Finality::Final);
    let Err(LedgerError::Exhausted { asked, left, .. }) = exhausted else {
        panic!("{exhausted:?}")
    };
    assert_eq!((asked, left), (cost(5), cost(4)));
    let charged = granted(&two, &request(2, 3));
    assert_eq!(charged.effects()[0].spent_before, cost(6));
    assert_eq!(charged.effects()[0].spent_after, cost(9));
    // The name of a query is taken for all.
    let conflict = two.charge(&request(0, 1), Finality::Final);
    assert!(matches!(conflict, Err(LedgerError::Conflict { what: "query" })));
    let repeated = two.charge(&request(0, 6), Finality::Final).unwrap();
    assert!(matches!(repeated, Admission::Repeated(_)));
    one.revoke(name("root", 0)).unwrap();
    assert_eq!(two.status(name("root", 0)).unwrap(), ExtractStatus::Revoked);
    let inactive = two.charge(&request(3, 1), Finality::Final);
    assert!(matches!(inactive, Err(LedgerError::Inactive { why: Inactive::Revoked, .. })));
    assert_eq!(spent(&one), 9);
}

#[test]
fn a_set_and_a_part_are_of_what_the_chain_has() {
    let Some((_node, network, directory)) = started(Client::Anvil, &[]) else { return };
    let path = |name: &str| directory.path().join(name);
    let one = open(&network, 1, &path("one")).unwrap();
    let two = open(&network, 2, &path("two")).unwrap();
    begin(&one, 10);
    begin(&two, 10);
    let asked = request(0, 4);
    let charged = granted(&one, &asked);
    let (query, set, other) = (asked.query, name("set", 0), name("set", 1));
    let placed = one.commit(query, 0, set).unwrap();
    assert_eq!((placed.index, placed.finality, placed.repeated), (3, Finality::Final, false));
    assert!(one.commit(query, 0, set).unwrap().repeated);
    assert_eq!(one.committed(query, 0).unwrap(), Some((placed, set)));
    assert_eq!(one.charged(&asked).unwrap().map(|placed| placed.index), Some(2));
    // The log of the second knows nothing of it, until it asks for the same.
    assert_eq!((two.committed(query, 0).unwrap(), two.charged(&asked).unwrap()), (None, None));
    let claims = Claims::at(&path("claims")).unwrap();
    let unknown = claims.claim(&two, &asked, Finality::Final);
    assert!(matches!(unknown, Err(LedgerError::Refused { .. })));
    let repeated = two.charge(&asked, Finality::Final).unwrap();
    assert!(matches!(repeated, Admission::Repeated(_)));
    let conflict = two.commit(query, 0, other);
    assert!(matches!(conflict, Err(LedgerError::Conflict { what: "set of contributions" })));
    two.commit(query, 0, set).unwrap();
    assert_eq!(two.committed(query, 0).unwrap().map(|(_, root)| root), Some(set));
    let part = claims.claim(&two, &asked, Finality::Final).unwrap();
    assert_eq!((part.cost(), part.placed().finality), (cost(4), Finality::Final));
    assert!(claims.claim(&one, &asked, Finality::Final).is_err());
    one.release(charged, name("release", 0)).unwrap();
    // The contract closes the query for all.
    let late = two.commit(query, 1, other);
    assert!(matches!(late, Err(LedgerError::Refused { .. })), "{late:?}");
}

#[test]
fn a_race_for_the_last_of_it_has_one_winner() {
    let Some((node, network, directory)) = started(Client::Anvil, &[]) else { return };
    let one = open(&network, 1, &directory.path().join("one")).unwrap();
    let two = open(&network, 2, &directory.path().join("two")).unwrap();
    begin(&one, 10);
    begin(&two, 10);
    node.call("evm_setAutomine", &json!([false]));
    let outcomes = std::thread::scope(|scope| {
        let first = scope.spawn(|| one.charge(&request(1, 6), Finality::Final));
        let second = scope.spawn(|| two.charge(&request(2, 6), Finality::Final));
        // Both would succeed when they are run; the block decides.
        let is_over = || first.is_finished() || second.is_finished();
        while node.call("txpool_status", &json!([]))["pending"] != "0x2" && !is_over() {
            std::thread::yield_now();
        }
        node.mine(1);
        [first.join().unwrap(), second.join().unwrap()]
    });
    let granted = outcomes.iter().filter(|o| matches!(o, Ok(Admission::Granted(_)))).count();
    let exhausted = outcomes
        .iter()
        .filter(|outcome| {
            matches!(outcome, Err(LedgerError::Exhausted { left, .. }) if *left == cost(4))
        })
        .count();
    assert_eq!((granted, exhausted), (1, 1), "{outcomes:?}");
    assert_eq!(spent(&one), 6);
}

#[test]
fn charges_that_wait_together_go_together() {
    let Some((node, network, directory)) = started(Client::Anvil, &[]) else { return };
    let ledger = open(&network, 1, directory.path()).unwrap();
    begin(&ledger, 50);
    node.call("evm_setAutomine", &json!([false]));
    let before = node.rpc.block(Moment::Latest).unwrap();
    let charge = |number: u64| match ledger.charge(&request(number, 3), Finality::Final) {
        Ok(Admission::Granted(charged)) => Some(charged.effects()[0].spent_after.rho.nano()),
        Ok(Admission::Repeated(placed)) => panic!("{placed:?}"),
        Err(LedgerError::Exhausted { .. }) => None,
        Err(error) => panic!("{error:?}"),
    };
    let mut after: Vec<_> = std::thread::scope(|scope| {
        let charge = &charge;
        let first = scope.spawn(move || charge(0));
        let mine_one = || {
            while node.call("txpool_status", &json!([]))["pending"] == "0x0" {
                std::thread::yield_now();
            }
            node.mine(1);
        };
        // While the first is on its way, the others come.
        while node.call("txpool_status", &json!([]))["pending"] == "0x0" {
            std::thread::yield_now();
        }
        let others: Vec<_> = (1..24).map(|n| scope.spawn(move || charge(n))).collect();
        while ledger.waiting() < 24 {
            std::thread::yield_now();
        }
        mine_one();
        mine_one();
        let others = others.into_iter().map(|thread| thread.join().unwrap());
        others.chain([first.join().unwrap()]).flatten().collect()
    });
    // 16 of 24 fit, each with its own place in the order, and all in two blocks.
    after.sort_unstable();
    assert_eq!(after, (1..=16).map(|number| number * 3).collect::<Vec<u64>>());
    assert_eq!((spent(&ledger), ledger.log().len().unwrap()), (48, 18));
    assert_eq!(node.rpc.block(Moment::Latest).unwrap(), before.map(|block| block + 2));
}

#[test]
fn a_key_without_a_role_is_refused() {
    let Some((_node, network, directory)) = started(Client::Anvil, &[]) else { return };
    let owner = open(&network, 0, directory.path()).unwrap();
    let refused = owner.open_account(&opening(10));
    assert!(matches!(refused, Err(LedgerError::Refused { rule }) if rule.contains("role")));
    let denied = network.grant(&key(1), network.contract, Default::default());
    assert!(matches!(denied, Err(LedgerError::Refused { .. })), "{denied:?}");
}

#[test]
fn a_key_that_is_used_elsewhere_is_noticed() {
    let Some((_node, network, directory)) = started(Client::Anvil, &[]) else { return };
    let ledger = open(&network, 1, directory.path()).unwrap();
    begin(&ledger, 10);
    for number in 0..3 {
        // Another contract, made with the engine's key.
        network.deploy(&key(1)).unwrap();
        drop(granted(&ledger, &request(number, 1)));
    }
    assert_eq!(spent(&ledger), 3);
    let taken = ChainLedger::open(
        log_in(&directory.path().join("other")),
        network,
        key(1),
        &directory.path().join("outbox"),
    );
    assert!(matches!(taken, Err(LedgerError::Refused { .. })));
}

#[test]
fn another_contract_or_chain_is_not_trusted() {
    let Some((_node, network, directory)) = started(Client::Anvil, &[]) else { return };
    let other = Network { contract: key(1).address().parse().unwrap(), ..network.clone() };
    for wrong in [other, Network { chain_id: 1, ..network }] {
        let error = open(&wrong, 1, directory.path()).unwrap_err();
        assert!(matches!(error, LedgerError::Untrusted { fault: Untrusted::Disagrees(_), .. }));
    }
}

#[test]
fn a_node_that_is_down_refuses_the_query() {
    let Some((node, network, directory)) = started(Client::Anvil, &[]) else { return };
    let ledger = open(&network, 1, directory.path()).unwrap();
    begin(&ledger, 10);
    drop(node);
    let error = ledger.charge(&request(0, 4), Finality::Final).unwrap_err();
    assert!(matches!(error, LedgerError::Chain(_)) && error.is_retryable());
    assert!(matches!(ledger.remaining(name("account", 0)), Err(LedgerError::Chain(_))));
    assert_eq!(ledger.log().len().unwrap(), 2);
}

#[test]
fn an_error_of_a_node_is_not_an_answer() {
    let Some((node, network, directory)) = started(Client::Anvil, &[]) else { return };
    // A node that lies about what was sent: at first it says yes and forgets it, then it says no
    // and mines it. Clients in use do either.
    let (behind, sends) = (node.rpc.clone(), AtomicU64::new(0));
    let liar = Loopback::start(move |_, body| {
        let asked: Value = serde_json::from_slice(body).unwrap();
        let (id, method) = (&asked["id"], asked["method"].as_str().unwrap().to_owned());
        let forward = || match behind.call(Box::leak(method.clone().into()), &asked["params"]) {
            Ok(result) => json!({ "id": id, "result": result }),
            Err(error) => json!({ "id": id, "error": { "code": 3, "message": error.to_string() } }),
        };
        let said = match (&*method, sends.load(Ordering::SeqCst) % 2) {
            ("eth_sendRawTransaction", 0) => json!({ "id": id, "result": "0x00" }),
            ("eth_sendRawTransaction", _) => {
                forward();
                json!({ "id": id, "error": { "code": -32603, "message": "nonce too low" } })
            }
            _ => forward(),
        };
        if method == "eth_sendRawTransaction" {
            sends.fetch_add(1, Ordering::SeqCst);
        }
        (200, "application/json".to_owned(), said.to_string().into_bytes())
    });
    let lied_to = Network { url: liar.url(), ..network };
    let ledger = open(&lied_to, 1, directory.path()).unwrap();
    begin(&ledger, 10);
    for number in 0..3 {
        drop(granted(&ledger, &request(number, 2)));
    }
    assert_eq!((spent(&ledger), ledger.log().len().unwrap()), (6, 5));
}

#[test]
fn a_receipt_that_a_node_has_forgotten_is_not_needed() {
    let Some((node, network, directory)) = started(Client::Anvil, &[]) else { return };
    begin(&open(&network, 1, directory.path()).unwrap(), 10);
    let ledger = open(&network, 1, directory.path()).unwrap();
    ledger.dies_at(Step::Included);
    assert!(ledger.charge(&request(0, 4), Finality::Final).is_err());
    drop(ledger);
    let behind = node.rpc.clone();
    let forgetful = Loopback::start(move |_, body| {
        let asked: Value = serde_json::from_slice(body).unwrap();
        let method = asked["method"].as_str().unwrap().to_owned();
        let said = if method == "eth_getTransactionReceipt" {
            json!({ "id": asked["id"], "result": null })
        } else {
            let result = behind.call(Box::leak(method.into()), &asked["params"]);
            json!({ "id": asked["id"], "result": result.unwrap_or_default() })
        };
        (200, "application/json".to_owned(), said.to_string().into_bytes())
    });
    let forgotten = Network { url: forgetful.url(), ..network };
    let ledger = open(&forgotten, 1, directory.path()).unwrap();
    assert_eq!((spent(&ledger), ledger.log().len().unwrap()), (4, 3));
    let outcome = ledger.outcome(name("query", 0)).unwrap();
    assert!(matches!(outcome, Some(Outcome::Charged(_))));
}

#[test]
fn a_charge_that_vanishes_stops_the_engine() {
    let Some((node, network, directory)) = started(Client::Anvil, &[]) else { return };
    let network = Network { need: Finality::Confirmed, ..network };
    let mut network = network;
    network.finality.rule = FinalRule::Blocks(64);
    let ledger = open(&network, 1, directory.path()).unwrap();
    begin(&ledger, 10);
    let too_final = ledger.charge(&request(0, 4), Finality::Final);
    assert!(matches!(too_final, Err(LedgerError::Finality { has: Finality::Confirmed, .. })));
    let charged = granted(&ledger, &request(0, 4));
    assert_eq!(spent(&ledger), 4);
    node.call("anvil_reorg", &json!([1, []]));
    assert!(equivocated(ledger.release(charged, name("release", 0))));
    // It stays so, even if the charge should come back.
    node.mine(3);
    assert!(equivocated(ledger.charge(&request(1, 1), Finality::Confirmed)));
    assert!(equivocated(ledger.outcome(name("query", 0))));
    drop(ledger);
    // Opened again, it brings the charge back to the chain before anything else.
    let ledger = open(&network, 1, directory.path()).unwrap();
    assert_eq!(spent(&ledger), 4);
    assert_eq!(ledger.log().len().unwrap(), 3);
    let outcome = ledger.outcome(name("query", 0)).unwrap();
    assert!(matches!(outcome, Some(Outcome::Charged(_))));
    node.mine(70);
    drop(granted(&ledger, &request(1, 1)));
    assert_eq!(spent(&ledger), 5);
}

#[test]
fn nothing_is_granted_before_it_is_final() {
    let Some((node, network, directory)) = started(Client::Anvil, &["--slots-in-an-epoch", "4"])
    else {
        return;
    };
    begin(&open(&network, 1, directory.path()).unwrap(), 10);
    node.mine(20);
    let mut network = impatient(&network, Finality::Final);
    network.finality.rule = FinalRule::Tag;
    let ledger = open(&network, 1, directory.path()).unwrap();
    let unsettled = |result: Result<Admission, LedgerError>| {
        matches!(result, Err(LedgerError::Unsettled { .. }))
    };
    assert!(unsettled(ledger.charge(&request(0, 4), Finality::Final)));
    // It is mined, and that is not enough; asking again does not charge again.
    for _ in 0..4 {
        assert_eq!((spent(&ledger), ledger.log().len().unwrap()), (4, 2));
        assert!(unsettled(ledger.charge(&request(0, 4), Finality::Final)));
        node.mine(1);
    }
    // Its block is replaced by one without it, and it is sent again.
    node.call("anvil_reorg", &json!([5, []]));
    assert!(unsettled(ledger.charge(&request(0, 4), Finality::Final)));
    node.mine(1);
    assert!(unsettled(ledger.charge(&request(0, 4), Finality::Final)));
    assert_eq!((spent(&ledger), ledger.log().len().unwrap()), (4, 2));
    node.mine(16);
    // What counted as spent all the time is found, and may not be used: its noise might have been
    // drawn by a process that is no more.
    let repeated = ledger.charge(&request(0, 4), Finality::Final).unwrap();
    assert!(matches!(repeated, Admission::Repeated(Placed { index: 2, .. })));
    assert_eq!(spent(&ledger), 4);
}

#[test]
fn killed_at_any_step_it_charges_exactly_once() {
    let Some((_node, network, directory)) = started(Client::Anvil, &[]) else { return };
    begin(&open(&network, 1, directory.path()).unwrap(), 100);
    let steps = [Step::Signed, Step::Stored, Step::Sent, Step::Included, Step::Recorded];
    let mut expected = 0;
    for (number, step) in (0..).zip(steps) {
        // A network that is too slow, so that it is looked for more than once.
        let ledger = open(&network, 1, directory.path()).unwrap();
        ledger.dies_at(step);
        let died = ledger.charge(&request(number, 7), Finality::Final);
        assert!(matches!(died, Err(LedgerError::Poisoned)), "{step:?}: {died:?}");
        drop(ledger);
        let ledger = open(&network, 1, directory.path()).unwrap();
        let outcome = ledger.outcome(name("query", number)).unwrap();
        // Before it was on disk it was never sent; after that it counts, and is not used.
        assert_eq!(outcome.is_some(), step != Step::Signed, "{step:?}");
        let again = ledger.charge(&request(number, 7), Finality::Final).unwrap();
        let is_new = matches!(again, Admission::Granted(_));
        assert_eq!(is_new, step == Step::Signed, "{step:?}");
        expected += 7;
        assert_eq!(spent(&ledger), expected, "{step:?}");
    }
}

#[test]
fn a_ledger_on_a_chain_conforms() {
    let Some(node) = Node::start(Client::Anvil, &[]) else { return };
    let root = tempfile::tempdir().unwrap();
    let count = Cell::new(0);
    let network = RefCell::new(node.network());
    let again = || {
        let directory = root.path().join(format!("{}", count.get()));
        open(&network.borrow(), 1, &directory).unwrap()
    };
    let make = || {
        // Another contract each time; everything else goes on.
        count.set(count.get() + 1);
        *network.borrow_mut() = node.with_contract(node.network(), &[1]);
        again()
    };
    let restart = |ledger| {
        drop(ledger);
        again()
    };
    let operations = usize::try_from(size_from("GRAUNT_CHAIN_NODE_OPERATIONS", 200)).unwrap();
    conforms(Scope::Everything, operations, make, restart);
}

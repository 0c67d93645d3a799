//! Logs of this machine that lean on a chain: anchored there, or spending a share of its budget.

use std::fs;
use std::ops::Range;
use std::path::Path;

use super::node::{Client, Node, key, log_in, open};
use super::*;
use crate::chain::anchor::{Anchor, Anchored};
use crate::chain::{Network, lease};
use crate::charge::{Admission, Finality, Outcome};
use crate::error::Untrusted;
use crate::keys::Signer;
use crate::ledger::Ledger as _;
use crate::log::LogLedger;

fn cost(rho: u64) -> Cost {
    Cost { rho: Rho::from_nano(rho), delta: Delta::default() }
}

fn opening(number: u64) -> Opening {
    Opening { account: name("account", number), cap: cost(100) }
}

fn open_all(log: &LogLedger, numbers: Range<u64>) {
    for number in numbers {
        assert!(!log.open_account(&opening(number)).unwrap().repeated);
    }
}

fn request(number: u64, rho: u64) -> ChargeRequest {
    ChargeRequest { items: vec![(name("account", 0), cost(rho))], ..a_request(number) }
}

fn started() -> Option<(Node, Network, tempfile::TempDir)> {
    let node = Node::start(Client::Anvil, &[])?;
    let network = node.with_contract(node.network(), &[1]);
    Some((node, network, tempfile::tempdir().unwrap()))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for found in fs::read_dir(from).unwrap() {
        let found = found.unwrap();
        fs::copy(found.path(), to.join(found.file_name())).unwrap();
    }
}

#[test]
fn an_anchored_log_cannot_go_back() {
    let Some((_node, network, directory)) = started() else { return };
    let path = |name: &str| directory.path().join(name);
    let (log, outbox) = (log_in(directory.path()), path("anchors"));
    // A key without any role.
    let anchor_of = |log: &LogLedger| Anchor::open(log, network.clone(), key(2), &outbox);
    let anchor = anchor_of(&log).unwrap();
    assert_eq!(anchor.last().unwrap(), None);
    open_all(&log, 0..3);
    assert_eq!(anchor.advance(&log, 4).unwrap(), None);
    let first = anchor.advance(&log, 3).unwrap().unwrap();
    assert_eq!(first.size, 3);
    assert_eq!(anchor.last().unwrap(), Some(first));
    assert_eq!(anchor.advance(&log, 1).unwrap(), None);
    copy(&path("log"), &path("old"));
    open_all(&log, 3..5);
    anchor.check(&log).unwrap();
    let Anchored { size, root } = anchor.advance(&log, 1).unwrap().unwrap();
    assert_eq!((size, root), (5, log.check().unwrap().root));

    // The log as it was before opens clean, and the chain knows better.
    let signer = || Signer::from_seed(&[1; 32]);
    let old = LogLedger::open(&path("old"), signer(), None).unwrap();
    let rolled_back = |error| {
        matches!(
            error,
            Err(LedgerError::Untrusted { fault: Untrusted::RolledBack { seen: 5, found: 3 }, .. })
        )
    };
    assert!(rolled_back(anchor.check(&old)));
    assert!(rolled_back(anchor.advance(&old, 1).map(drop)));
    // Grown again in another way, it is a fork.
    open_all(&old, 10..13);
    let forked =
        |error| matches!(error, Err(LedgerError::Untrusted { fault: Untrusted::Forked, .. }));
    assert!(forked(anchor.advance(&old, 1).map(drop)));
    drop(anchor);
    assert!(forked(anchor_of(&old).map(drop)));
    assert_eq!(anchor_of(&log).unwrap().last().unwrap().map(|last| last.size), Some(5));
}

#[test]
fn a_lost_lease_is_spent() {
    let Some((_node, network, directory)) = started() else { return };
    let chain = open(&network, 1, &directory.path().join("chain")).unwrap();
    chain.open_account(&opening(0)).unwrap();
    chain.attest(&an_extract(0, 0)).unwrap();
    let spent = || chain.remaining(name("account", 0)).unwrap().unwrap().spent;
    let (share, extracts) = (request(1000, 10), [an_extract(0, 0)]);
    let new_log = |name: &str, witness: Option<&str>| {
        let witness = witness.map(|witness| directory.path().join(witness));
        let (path, signer) = (directory.path().join(name), Signer::from_seed(&[2; 32]));
        LogLedger::create(&path, "example.org/lease", signer, witness).unwrap()
    };
    let unwitnessed = new_log("unwitnessed", None);
    let refused = lease::take(&chain, &unwitnessed, &share, &extracts);
    assert!(matches!(refused, Err(LedgerError::Finality { need: Finality::Witnessed, .. })));
    let log = new_log("leased", Some("witness"));
    assert!(lease::take(&chain, &log, &share, &[]).is_err());
    assert_eq!(spent(), cost(0));

    let lease = lease::take(&chain, &log, &share, &extracts).unwrap();
    assert_eq!(spent(), cost(10));
    let mut granted = 0;
    for number in 0..8 {
        match log.charge(&request(number, 3), Finality::Witnessed) {
            Ok(Admission::Granted(_)) => granted += 1,
            Err(LedgerError::Exhausted { left, .. }) => assert_eq!(left, cost(1)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((granted, spent()), (3, cost(10)));
    // Not again with the same name, not even after the log was lost.
    let fresh = new_log("fresh", Some("other-witness"));
    let again = lease::take(&chain, &fresh, &share, &extracts);
    assert!(matches!(again, Err(LedgerError::Refused { rule: "a lease is taken once" })));
    assert!(fresh.is_empty().unwrap());
    lease.settle(&chain, &log).unwrap();
    assert!(matches!(chain.outcome(name("query", 1000)), Ok(Some(Outcome::Released(..)))));
    assert_eq!(spent(), cost(10));
}

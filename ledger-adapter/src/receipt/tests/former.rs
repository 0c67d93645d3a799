//! Receipts of a log whose key was replaced.

use super::*;
use crate::receipt::policy::TrustPolicy;

fn vkey(seed: u8) -> String {
    let key = Signer::from_seed(&[seed; 32]).public();
    VerifierKey::new("example.org/log", key).unwrap().to_string()
}

/// The receipt, in a log under the key of a seed.
fn signed_by(seed: u8) -> Receipt {
    let mut receipt = build(&case());
    let mut tree = Tree::default();
    receipt.log.entries.iter().for_each(|proved| tree.push(leaf_hash(proved.entry.as_bytes())));
    let (origin, size) = ("example.org/log".to_owned(), tree.len());
    let checkpoint = Checkpoint { origin, size, root: tree.root() };
    receipt.log.checkpoint = checkpoint.sign(&Signer::from_seed(&[seed; 32]));
    receipt.log.vkey = vkey(seed);
    for (at, proved) in (0..).zip(&mut receipt.log.entries) {
        (proved.index, proved.path) = (at, tree.inclusion(at, size).unwrap());
    }
    receipt
}

#[test]
fn what_a_former_key_of_the_log_signed_verifies_up_to_its_last_checkpoint() {
    let trust = |former: &[(u8, u64)]| Trust {
        log_vkey: Some(vkey(12)),
        keys: vec![site().public(), engine().public()],
        former_logs: former.iter().map(|(seed, size)| (vkey(*seed), *size)).collect(),
        ..Trust::default()
    };
    let size = u64::try_from(signed_by(11).log.entries.len()).unwrap();
    for former in [&[(11, size)][..], &[(11, size + 7)], &[(10, 1), (11, size)]] {
        let verified = signed_by(11).verify(&trust(former)).unwrap();
        assert!(verified.is_log_trusted && verified.are_keys_trusted);
    }
    let _ = signed_by(12).verify(&trust(&[(11, 1)])).unwrap();
    let longer = signed_by(11).verify(&trust(&[(11, size - 1)])).unwrap_err();
    assert!(longer.to_string().contains("took its place"), "{longer}");
    for (seed, former) in [(11, &[][..]), (13, &[(11, size)])] {
        let stranger = signed_by(seed).verify(&trust(former));
        let fault =
            LedgerError::Untrusted { place: "log proof".to_owned(), fault: Untrusted::Signer };
        assert_eq!(stranger.unwrap_err().to_string(), fault.to_string());
    }
    // A note that another key signed is none of the former key.
    let mut forged = signed_by(13);
    forged.log.vkey = vkey(11);
    assert!(forged.verify(&trust(&[(11, size)])).is_err());
}

#[test]
fn a_policy_says_up_to_where_a_former_key_signed() {
    let policy = |former: Value, lines: &[u8]| {
        let mut log_policy: Vec<_> =
            lines.iter().map(|seed| format!("log {}", vkey(*seed))).collect();
        log_policy.push("quorum none".to_owned());
        let wire = json!({
            "version": 1, "log_policy": log_policy, "former_logs": former,
            "sites": [{"name": "city", "keys": [site().public()]}],
            "release": [engine().public()],
        });
        TrustPolicy::parse(wire.to_string().as_bytes())
    };
    let size = signed_by(11).log.entries.len();
    let former = |size: usize| json!([{"key": vkey(11), "size": size}]);
    for seed in [11, 12] {
        let _ = policy(former(size), &[11, 12]).unwrap().verify(&signed_by(seed)).unwrap();
    }
    let longer = policy(former(size - 1), &[11, 12]).unwrap().verify(&signed_by(11)).unwrap_err();
    assert!(longer.to_string().contains("took its place"), "{longer}");
    for wrong in [
        policy(former(size), &[12]),
        policy(json!([{"key": vkey(11), "size": 4}, {"key": vkey(11), "size": 5}]), &[11, 12]),
        policy(json!([{"key": vkey(11)}]), &[11, 12]),
        policy(json!([{"key": vkey(11), "size": 4, "more": 1}]), &[11, 12]),
    ] {
        assert!(wrong.is_err());
    }
}

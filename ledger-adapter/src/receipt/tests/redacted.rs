//! What is left of a receipt when its query is redacted, and what it must never pass for.

use super::*;
use crate::receipt::redacted::{Filed, RedactedReceipt, VerifiedRedaction, destroy};

/// A receipt of a real ledger, and that ledger.
fn released() -> (MemoryLedger, Receipt) {
    let ledger = MemoryLedger::new().unwrap();
    let case = case();
    ledger.open_account(&case.opening).unwrap();
    ledger.attest(&case.attestation).unwrap();
    let granted = ledger.charge(&case.request, Finality::Local).unwrap();
    let Admission::Granted(charged) = granted else { panic!("repeated") };
    let mut receipt = build(&case);
    let commitment = release_commitment(&receipt.release_salt, &receipt.release).unwrap();
    ledger.release(charged, commitment).unwrap();
    receipt.log = ledger.proof(&[0, 1, 2, 3]).unwrap();
    (ledger, receipt)
}

fn redacted() -> (MemoryLedger, Receipt, RedactedReceipt) {
    let (ledger, receipt) = released();
    assert_eq!(ledger.redact(receipt.intent.query).unwrap().index, 4);
    let left = receipt.redact(ledger.proof(&[0, 1, 2, 3, 4]).unwrap()).unwrap();
    (ledger, receipt, left)
}

fn complaint(verified: Result<VerifiedRedaction, LedgerError>) -> String {
    match verified {
        Err(LedgerError::Untrusted { fault, .. }) => fault.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn charge_and_extracts_still_verify_when_question_and_answer_are_gone() {
    let (ledger, receipt, left) = redacted();
    let trust =
        Trust { log_vkey: Some(ledger.vkey()), keys: receipt.keys.clone(), ..Trust::default() };
    let verified = left.verify(&trust).unwrap();
    assert!(verified.is_log_trusted && verified.are_keys_trusted);
    let charged = format!("entry 2 charges {}, of {}", receipt.intent.cost, case().opening.cap);
    for line in [
        "5 ledger entries are under one signed checkpoint",
        "entry 4 redacts the query: question, answer and salts are destroyed",
        charged.as_str(),
        "entry 1 attests the extract of city, signed by it",
        "redacted; inclusion and charge verified",
    ] {
        assert!(verified.lines.iter().any(|found| found == line), "{line}: {verified:?}");
    }
    let text = serde_json::to_string(&left).unwrap();
    for gone in [
        receipt.release_salt.to_string(),
        receipt.intent_salt.to_string(),
        receipt.intent.plan.to_string(),
        receipt.intent.sql.clone(),
        receipt.release.payload.clone(),
        "visit_occurrence".to_owned(),
        "104.25".to_owned(),
        "discrete-gaussian".to_owned(),
    ] {
        assert!(!text.contains(&gone), "{gone} is still there");
    }
    let spent = ledger.remaining(digest(4)).unwrap().unwrap().spent;
    assert_eq!(spent, receipt.intent.cost);
}

#[test]
fn neither_document_passes_for_the_other() {
    let (_, receipt, left) = redacted();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("receipt.json");
    receipt.save(&path).unwrap();
    assert_eq!(Filed::load(&path).unwrap(), Filed::Whole(Box::new(receipt.clone())));
    left.save(&path).unwrap();
    assert_eq!(Filed::load(&path).unwrap(), Filed::Redacted(Box::new(left.clone())));
    let error = Receipt::load(&path).unwrap_err();
    assert!(matches!(error, LedgerError::Malformed { what: "receipt", .. }));
    // A file with the fields of both is neither.
    let mut both = serde_json::to_value(&receipt).unwrap();
    both["redacted"] = json!(left.redacted);
    std::fs::write(&path, both.to_string()).unwrap();
    assert!(Filed::load(&path).is_err());
    // A whole receipt does not verify under a proof that redacts it.
    let whole = Receipt { log: left.log, ..receipt };
    assert!(super::complaint(&whole).contains("order of a release"));
    destroy(&path).unwrap();
    destroy(&path).unwrap();
    assert!(matches!(
        Filed::load(&path),
        Err(LedgerError::Untrusted { fault: Untrusted::Missing, .. })
    ));
}

#[test]
fn a_receipt_is_redacted_only_as_the_ledger_says() {
    let (ledger, receipt) = released();
    let unsaid = receipt.redact(ledger.proof(&[0, 1, 2, 3]).unwrap());
    assert!(matches!(unsaid, Err(LedgerError::Untrusted {
        fault: Untrusted::Disagrees(claim), ..
    }) if claim.contains("redaction")));
    ledger.redact(receipt.intent.query).unwrap();
    for (indices, missing) in
        [([1, 2, 3, 4], "opening"), ([0, 2, 3, 4], "attestation"), ([0, 1, 3, 4], "charge")]
    {
        let left = receipt.redact(ledger.proof(&indices).unwrap());
        assert!(matches!(left, Err(LedgerError::Untrusted {
            fault: Untrusted::Disagrees(claim), ..
        }) if claim.contains(missing)));
    }
}

#[test]
fn what_is_left_cannot_be_changed() {
    let (_, _, left) = redacted();
    let other = RedactedReceipt { redacted: digest(1), ..left.clone() };
    assert!(complaint(other.verify(&Trust::default())).contains("charge is not in the proof"));
    let none = RedactedReceipt { extracts: vec![], ..left.clone() };
    assert!(complaint(none.verify(&Trust::default())).contains("one extract statement"));
    let stranger = Trust { keys: vec![engine().public()], ..Trust::default() };
    assert!(complaint(left.verify(&stranger)).contains("not trusted"));
    // The redaction comes last, and is of this query.
    let entries = |order: &[usize]| -> Vec<Entry> {
        let decode = |at: &usize| Entry::decode(left.log.entries[*at].entry.as_bytes()).unwrap();
        order.iter().map(decode).collect()
    };
    for order in [[0, 1, 4, 2, 3], [0, 1, 2, 4, 3], [0, 2, 1, 3, 4]] {
        let wrong = RedactedReceipt { log: proof(&entries(&order)), ..left.clone() };
        assert!(complaint(wrong.verify(&Trust::default())).contains("order"), "{order:?}");
    }
    let mut dear = entries(&[0, 1, 2, 3, 4]);
    if let Entry::Charge(request) = &mut dear[2] {
        request.items[0].1 = cost(60_000_000, 5);
    }
    let dear = RedactedReceipt { log: proof(&dear), ..left.clone() };
    assert!(complaint(dear.verify(&Trust::default())).contains("beyond the cap"));
    let text = serde_json::to_string(&left).unwrap();
    for bit in (0..text.len() * 8).step_by(37) {
        let mut bytes = text.clone().into_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let Ok(wrong) = serde_json::from_slice::<RedactedReceipt>(&bytes) else { continue };
        assert!(wrong == left || wrong.verify(&Trust::default()).is_err(), "bit {bit}");
    }
}

#[test]
fn a_query_that_was_never_released_can_be_redacted_but_not_released_then() {
    let ledger = MemoryLedger::new().unwrap();
    let case = case();
    ledger.open_account(&case.opening).unwrap();
    ledger.attest(&case.attestation).unwrap();
    let granted = ledger.charge(&case.request, Finality::Local).unwrap();
    let Admission::Granted(charged) = granted else { panic!("repeated") };
    ledger.redact(case.request.query).unwrap();
    assert!(ledger.redact(case.request.query).unwrap().repeated);
    let refused = ledger.release(charged, digest(1));
    assert!(matches!(refused, Err(LedgerError::Refused { .. })));
    let left = build(&case).redact(ledger.proof(&[0, 1, 2, 3]).unwrap()).unwrap();
    let _ = left.verify(&Trust::default()).unwrap();
    assert!(matches!(ledger.redact(digest(77)), Err(LedgerError::Refused { .. })));
}

#[test]
fn a_receipt_may_prove_the_sets_that_were_opened() {
    let ledger = MemoryLedger::new().unwrap();
    let case = case();
    ledger.open_account(&case.opening).unwrap();
    ledger.attest(&case.attestation).unwrap();
    let granted = ledger.charge(&case.request, Finality::Local).unwrap();
    let Admission::Granted(charged) = granted else { panic!("repeated") };
    let query = case.request.query;
    assert_eq!(ledger.commit(query, 0, digest(31)).unwrap().index, 3);
    assert_eq!(ledger.commit(query, 1, digest(32)).unwrap().index, 4);
    let mut receipt = build(&case);
    let commitment = release_commitment(&receipt.release_salt, &receipt.release).unwrap();
    ledger.release(charged, commitment).unwrap();
    for indices in [vec![0, 1, 2, 3, 4, 5], vec![0, 1, 2, 4, 5], vec![0, 1, 2, 5]] {
        receipt.log = ledger.proof(&indices).unwrap();
        assert_eq!(receipt.verify(&Trust::default()).unwrap().lines.len(), 9);
    }
    ledger.redact(query).unwrap();
    let left = receipt.redact(ledger.proof(&[0, 1, 2, 3, 4, 5, 6]).unwrap()).unwrap();
    assert!(left.verify(&Trust::default()).unwrap().lines[0].starts_with("7 ledger entries"));
}

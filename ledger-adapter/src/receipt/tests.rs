//! A whole receipt, and every way in which it can be wrong.

mod former;
mod redacted;

use serde_json::json;

use super::*;
use crate::charge::{Admission, Attestation, ChargeRequest, Finality, Opening};
use crate::cost::{Cost, Delta, Rho};
use crate::entry::Entry;
use crate::keys::Signer;
use crate::ledger::Ledger;
use crate::manifest::{FileManifest, Manifest, PolicyEvidence, Rows, TableManifest};
use crate::memory::MemoryLedger;
use crate::note::{Checkpoint, VerifierKey};
use crate::statement::{
    MechanismRecord, ReleasePredicate, ReleasedTable, extract_statement, intent_commitment,
    release_commitment, release_statement,
};
use crate::tree::{Tree, leaf_hash};

fn digest(byte: u8) -> Digest {
    Digest::from_bytes([byte; 32])
}

fn cost(rho: u64, delta: u64) -> Cost {
    Cost { rho: Rho::from_nano(rho), delta: Delta::from_atto(delta) }
}

fn site() -> Signer {
    Signer::from_seed(&[1; 32])
}

fn engine() -> Signer {
    Signer::from_seed(&[2; 32])
}

fn manifest() -> Manifest {
    Manifest {
        version: 1,
        extract: digest(3),
        population: "north".to_owned(),
        account: digest(4),
        site: "city".to_owned(),
        data_model: "OMOP-CDM-5.4".to_owned(),
        key_epoch: "2026".to_owned(),
        policy: PolicyEvidence {
            name: "safe-harbor".to_owned(),
            basis: "45 CFR 164.514(b)(2)".to_owned(),
            digest: digest(5),
            actions: Vec::new(),
        },
        persons_min: 0,
        buckets: 1,
        tables: Vec::new(),
        supersedes: None,
        issued_day: 20_000,
        expires_day: 20_100,
    }
}

fn mechanism() -> MechanismRecord {
    MechanismRecord {
        column: "n".to_owned(),
        mechanism: "discrete-gaussian".to_owned(),
        sensitivity: 1,
        groups_per_person: 2,
        scale_numerator: 20,
        scale_log2_denominator: 1,
        // 2·1²/(2·10²)
        rho: Rho::from_nano(10_000_000),
        delta: Delta::from_atto(5),
        decimal_places: 0,
        threshold: Some(30),
    }
}

fn predicate(intent: Digest) -> ReleasePredicate {
    let table = ReleasedTable {
        columns: vec!["year".to_owned(), "n".to_owned()],
        rows: vec![vec![json!(2024), json!(104.25)]],
        lower: vec![vec![json!(null), json!(90.1)]],
        upper: vec![vec![json!(null), json!(118.3)]],
    };
    let effect = crate::charge::AccountEffect {
        account: digest(4),
        cost: cost(10_000_000, 5),
        spent_before: cost(0, 0),
        spent_after: cost(10_000_000, 5),
        cap: cost(50_000_000, 100),
    };
    ReleasePredicate {
        query: digest(6),
        intent,
        effects: vec![effect],
        table,
        notes: vec!["one key was suppressed".to_owned()],
        finality: Finality::Local,
        mechanisms: vec![],
    }
}

/// What a case may change before things are signed and recorded.
struct Case {
    manifest: Manifest,
    intent: Intent,
    request: ChargeRequest,
    opening: Opening,
    attestation: Attestation,
    predicate: ReleasePredicate,
    site: Signer,
}

fn case() -> Case {
    let manifest = manifest();
    let statement = extract_statement(manifest.clone());
    let root = Envelope::sign(&statement, &site()).unwrap().payload_digest().unwrap();
    let intent = Intent {
        version: 1,
        query: digest(6),
        sql: "select year, count(*) as n from visit_occurrence group by 1".to_owned(),
        plan: digest(7),
        engine: "graunt 0.1.0".to_owned(),
        inputs: vec![root],
        cost: cost(10_000_000, 5),
        account: digest(4),
        mechanisms: vec![mechanism()],
        day: 20_050,
    };
    let commitment = intent_commitment(&digest(8), &intent).unwrap();
    let request = ChargeRequest {
        query: intent.query,
        items: vec![(intent.account, intent.cost)],
        intent: commitment,
        inputs: intent.inputs.clone(),
        day: intent.day,
    };
    let key = site().public().keyid();
    Case {
        opening: Opening { account: digest(4), cap: cost(50_000_000, 100) },
        attestation: Attestation { root, account: digest(4), key, expires_day: 20_100 },
        predicate: predicate(commitment),
        manifest,
        intent,
        request,
        site: site(),
    }
}

/// Builds the receipt on a log without rules, as a lying operator could.
fn build(case: &Case) -> Receipt {
    let extract = Envelope::sign(&extract_statement(case.manifest.clone()), &case.site).unwrap();
    let statement = release_statement(case.predicate.clone()).unwrap();
    let release = Envelope::sign(&statement, &engine()).unwrap();
    let commitment = release_commitment(&digest(9), &release).unwrap();
    let entries = [
        Entry::Open(case.opening.clone()),
        Entry::Attest(case.attestation.clone()),
        Entry::Charge(case.request.clone()),
        Entry::Release { query: case.request.query, commitment },
    ];
    Receipt {
        version: 1,
        release,
        release_salt: digest(9),
        intent: case.intent.clone(),
        intent_salt: digest(8),
        extracts: vec![extract],
        keys: vec![case.site.public(), engine().public()],
        log: proof(&entries),
    }
}

/// A receipt that verifies.
pub(crate) fn sample() -> Receipt {
    build(&case())
}

fn proof(entries: &[Entry]) -> LogProof {
    let signer = Signer::from_seed(&[3; 32]);
    let key = VerifierKey::new("example.org/log", signer.public()).unwrap();
    let mut tree = Tree::default();
    entries.iter().for_each(|entry| tree.push(leaf_hash(&entry.encode())));
    let origin = key.origin().to_owned();
    let note = Checkpoint { origin, size: tree.len(), root: tree.root() }.sign(&signer);
    let entries = (0..).zip(entries).map(|(index, entry)| (index, entry.encode())).collect();
    LogProof::of(&tree, note, &key, entries).unwrap()
}

/// Brings intent, charge and release in line again after the intent was changed.
fn recommit(case: &mut Case) {
    let commitment = intent_commitment(&digest(8), &case.intent).unwrap();
    case.request.intent = commitment;
    case.predicate.intent = commitment;
}

fn complaint(receipt: &Receipt) -> String {
    match receipt.verify(&Trust::default()) {
        Err(LedgerError::Untrusted { fault, .. }) => fault.to_string(),
        other => panic!("{other:?}"),
    }
}

/// The complaint about a receipt that was wrong from the start.
fn complaint_if(change: impl FnOnce(&mut Case)) -> String {
    let mut case = case();
    change(&mut case);
    complaint(&build(&case))
}

#[test]
fn a_receipt_of_a_real_ledger_verifies() {
    let ledger = MemoryLedger::new().unwrap();
    let case = case();
    let opened = ledger.open_account(&case.opening).unwrap();
    let attested = ledger.attest(&case.attestation).unwrap();
    let granted = ledger.charge(&case.request, Finality::Local).unwrap();
    let Admission::Granted(charged) = granted else { panic!("repeated") };
    assert_eq!(charged.effects(), case.predicate.effects);
    let charge_index = charged.placed().index;
    let mut receipt = build(&case);
    let commitment = release_commitment(&receipt.release_salt, &receipt.release).unwrap();
    let released = ledger.release(charged, commitment).unwrap();
    let indices = [opened.index, attested.index, charge_index, released.index];
    receipt.log = ledger.proof(&indices).unwrap();

    let trust =
        Trust { log_vkey: Some(ledger.vkey()), keys: receipt.keys.clone(), ..Trust::default() };
    let verified = receipt.verify(&trust).unwrap();
    assert!(verified.is_log_trusted && verified.are_keys_trusted);
    assert_eq!(verified.lines.len(), 7, "{:?}", verified.lines);
    let verified = receipt.verify(&Trust::default()).unwrap();
    assert!(!verified.is_log_trusted && !verified.are_keys_trusted);
    assert_eq!(verified.lines.len(), 9);
}

#[test]
fn a_file_comes_back_and_verifies() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("answer.receipt.json");
    assert!(Receipt::load(&path).is_err());
    let receipt = build(&case());
    receipt.save(&path).unwrap();
    let again = Receipt::load(&path).unwrap();
    assert_eq!(again, receipt);
    let _ = again.verify(&Trust::default()).unwrap();
}

#[test]
fn strangers_are_not_trusted() {
    let receipt = build(&case());
    let stranger = Signer::from_seed(&[9; 32]).public();
    let signer = |trust: &Trust| {
        let error = receipt.verify(trust).unwrap_err();
        matches!(error, LedgerError::Untrusted { fault: Untrusted::Signer, .. })
    };
    assert!(signer(&Trust { keys: vec![stranger], ..Trust::default() }));
    assert!(signer(&Trust { keys: vec![engine().public()], ..Trust::default() }));
    let other = VerifierKey::new("example.org/log", stranger).unwrap().to_string();
    assert!(signer(&Trust { log_vkey: Some(other), ..Trust::default() }));
}

#[test]
fn statements_that_do_not_agree_are_named() {
    assert!(complaint_if(|case| case.predicate.query = digest(1)).contains("another query"));
    assert!(complaint_if(|case| case.predicate.intent = digest(1)).contains("another intent"));
    assert!(complaint_if(|case| case.intent.sql.push(' ')).contains("another intent"));
    let shape = complaint_if(|case| case.predicate.table.lower.clear());
    assert!(shape.contains("shape"));
    let two = complaint_if(|case| {
        let effect = case.predicate.effects[0];
        case.predicate.effects.push(effect);
    });
    assert!(two.contains("one account"));
    let mut receipt = build(&case());
    let mut statement = release_statement(case().predicate).unwrap();
    statement.predicate.table.rows[0][1] = json!(105);
    receipt.release = Envelope::sign(&statement, &engine()).unwrap();
    assert!(complaint(&receipt).contains("attested digest"));
    let mut receipt = build(&case());
    receipt.release_salt = digest(0);
    assert!(complaint(&receipt).contains("another release"));
}

#[test]
fn a_charge_for_something_else_is_named() {
    assert!(complaint_if(|case| case.request.intent = digest(1)).contains("another intent"));
    assert!(complaint_if(|case| case.request.items[0].1 = cost(9, 5)).contains("another cost"));
    let first = complaint_if(|case| case.request.items[0].0 = digest(77));
    assert!(first.contains("another cost or account"), "{first}");
    // Whoever asks may pay out of an account of their own, too: the same, after the population.
    let own = |case: &mut Case, paid| case.request.items.push((digest(77), paid));
    let less = complaint_if(|case| own(case, cost(9, 5)));
    assert!(less.contains("another cost or account"), "{less}");
    let mut own_case = case();
    let same = own_case.intent.cost;
    own(&mut own_case, same);
    assert!(build(&own_case).verify(&Trust::default()).is_ok());
    let other = complaint_if(|case| case.request.inputs.push(digest(1)));
    assert!(other.contains("other extracts"));
    assert!(complaint_if(|case| case.request.day += 1).contains("another day"));
    let mut receipt = build(&case());
    receipt.log.entries.remove(2);
    assert!(complaint(&receipt).contains("charge is not in the proof"));
    let mut receipt = build(&case());
    let again = receipt.log.entries[2].clone();
    receipt.log.entries.push(again);
    assert!(complaint(&receipt).contains("twice"));
}

#[test]
fn a_balance_that_does_not_add_up_is_named() {
    let sum = complaint_if(|case| case.predicate.effects[0].spent_before = cost(1, 0));
    assert!(sum.contains("add up"));
    let cap = complaint_if(|case| case.predicate.effects[0].cap = cost(1, 0));
    assert!(cap.contains("beyond the cap"));
    let opened = complaint_if(|case| case.opening.cap = cost(60_000_000, 100));
    assert!(opened.contains("another cap"));
    let missing = complaint_if(|case| case.opening.account = digest(1));
    assert!(missing.contains("opening"));
    let effect = complaint_if(|case| case.predicate.effects[0].cost = cost(1, 0));
    assert!(effect.contains("another cost"));
}

#[test]
fn an_extract_that_does_not_fit_is_named() {
    assert!(complaint_if(|case| case.attestation.root = digest(1)).contains("not in the proof"));
    assert!(complaint_if(|case| case.attestation.key = digest(1)).contains("another key"));
    let account = complaint_if(|case| case.attestation.account = digest(1));
    assert!(account.contains("another account"));
    assert!(complaint_if(|case| case.attestation.expires_day = 20_049).contains("expired"));
    assert!(complaint_if(|case| case.attestation.expires_day += 1).contains("another day"));
    assert!(complaint_if(|case| case.manifest.buckets = 2).contains("not the attested one"));
    let mut receipt = build(&case());
    receipt.extracts.clear();
    assert!(complaint(&receipt).contains("one extract statement"));
    assert!(complaint_if(|case| case.site = Signer::from_seed(&[5; 32])).contains("another key"));
}

#[test]
fn a_site_may_not_sign_a_release() {
    let complaint = complaint_if(|case| {
        case.site = engine();
        case.attestation.key = engine().public().keyid();
    });
    assert!(complaint.contains("signed by a site"), "{complaint}");
}

#[test]
fn noise_that_costs_more_than_was_charged_is_named() {
    let with = |change: fn(&mut Intent)| {
        complaint_if(|case| {
            change(&mut case.intent);
            recommit(case);
        })
    };
    let cheap = with(|intent| intent.mechanisms[0].rho = Rho::from_nano(9_999_999));
    assert!(cheap.contains("more than it states"));
    assert!(with(|intent| intent.mechanisms[0].scale_numerator = 19).contains("than it states"));
    assert!(with(|intent| intent.mechanisms.push(mechanism())).contains("than was charged"));
    assert!(with(|intent| intent.mechanisms.clear()).contains("no mechanism"));
    let name = with(|intent| intent.mechanisms[0].mechanism = "none".to_owned());
    assert!(name.contains("cannot be recomputed"));
    let delta = with(|intent| intent.mechanisms[0].delta = Delta::from_atto(6));
    assert!(delta.contains("than was charged"));
}

#[test]
fn a_release_before_its_charge_is_named() {
    let mut receipt = build(&case());
    let decode = |at: usize| Entry::decode(receipt.log.entries[at].entry.as_bytes()).unwrap();
    receipt.log = proof(&[decode(0), decode(1), decode(3), decode(2)]);
    assert!(complaint(&receipt).contains("order"));
    let mut receipt = build(&case());
    let decode = |at: usize| Entry::decode(receipt.log.entries[at].entry.as_bytes()).unwrap();
    receipt.log = proof(&[decode(0), decode(2), decode(1), decode(3)]);
    assert!(complaint(&receipt).contains("order"));
}

/// A list of likely questions finds the committed one with the salt, and not without.
#[test]
fn a_commitment_says_nothing_without_its_salt() {
    let (case, salt) = (case(), digest(8));
    let likely = |number: u64| Intent {
        sql: format!("select count(*) as n from visit_occurrence limit {number}"),
        ..case.intent.clone()
    };
    let committed = intent_commitment(&salt, &likely(321)).unwrap();
    let finds = |salt: &Digest| -> Vec<u64> {
        let is_it = |number: &u64| intent_commitment(salt, &likely(*number)).unwrap() == committed;
        (0..500).filter(is_it).collect()
    };
    assert_eq!(finds(&salt), [321]);
    let plain = crate::canonical::to_vec(&likely(321)).unwrap();
    for wrong in [digest(0), Digest::sha256(b""), Digest::sha256(&plain), case.intent.query] {
        assert!(finds(&wrong).is_empty());
    }
    assert_ne!(Digest::sha256(&plain), committed);
    assert_ne!(Digest::labelled("graunt/intent/v1", &[&plain]), committed);
}

/// The statement is far longer than a ledger entry may be; the entry holds its digest only.
#[test]
fn an_extract_of_thousands_of_files_is_one_small_entry() {
    let file = |number: u64| FileManifest {
        path: format!("visit_occurrence/{number:05}.parquet"),
        bytes: number,
        blake3: Digest::sha256(&number.to_be_bytes()),
    };
    let table = TableManifest {
        name: "visit_occurrence".to_owned(),
        rows: Rows::Public,
        columns: vec![],
        files: (0..5_000).map(file).collect(),
    };
    let mut case = case();
    case.manifest.tables = vec![table];
    let statement = Envelope::sign(&extract_statement(case.manifest.clone()), &site()).unwrap();
    assert!(statement.payload().unwrap().len() > 10 * crate::entry::ENTRY_BYTES_MAX);
    let root = statement.payload_digest().unwrap();
    case.attestation.root = root;
    case.intent.inputs = vec![root];
    case.request.inputs = vec![root];
    recommit(&mut case);
    assert!(Entry::Attest(case.attestation.clone()).encode().len() < 400);
    let _ = build(&case).verify(&Trust::default()).unwrap();
}

#[test]
fn what_a_retired_key_attests_afterwards_is_refused() {
    let receipt = build(&case());
    let retired = |index| Trust {
        keys: receipt.keys.clone(),
        retired: [(site().public().keyid(), index)].into(),
        ..Trust::default()
    };
    // The attestation is entry 1: before the rotation it stands, however old the key is now.
    let _ = receipt.verify(&retired(2)).unwrap();
    for index in [0, 1] {
        let error = receipt.verify(&retired(index)).unwrap_err();
        assert!(error.to_string().contains("took its place"), "{error}");
    }
}

#[test]
fn every_flipped_bit_is_detected() {
    let receipt = build(&case());
    let text = serde_json::to_string(&receipt).unwrap();
    // A stride that is prime to 8 meets every bit of the byte.
    for bit in (0..text.len() * 8).step_by(37) {
        let mut bytes = text.clone().into_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let Ok(wrong) = serde_json::from_slice::<Receipt>(&bytes) else { continue };
        assert!(wrong == receipt || wrong.verify(&Trust::default()).is_err(), "bit {bit}");
    }
}

#[test]
fn a_record_spelt_as_a_list_is_not_a_receipt() {
    let receipt = build(&case());
    let mut document = serde_json::to_value(&receipt).unwrap();
    let bytes = |document: &Value| serde_json::to_vec(document).unwrap();
    assert_eq!(read::<Receipt>(&bytes(&document)).unwrap(), receipt);
    let paid = receipt.intent.cost;
    document["intent"]["cost"] = serde_json::json!([paid.rho, paid.delta]);
    // serde alone takes it for the same receipt, and JavaScript for another.
    assert_eq!(serde_json::from_value::<Receipt>(document.clone()).unwrap(), receipt);
    assert!(read::<Receipt>(&bytes(&document)).is_err());
}

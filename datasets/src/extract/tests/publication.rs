//! What an extract promises to those who read it: signature, digests, leaves, the ledger.

use std::fs;

use ledger_adapter::charge::ExtractStatus;
use ledger_adapter::cost::{Cost, Delta, Rho};
use ledger_adapter::leaves::Leaves;
use ledger_adapter::ledger::Ledger;
use ledger_adapter::manifest::{Manifest, Rows};
use ledger_adapter::memory::MemoryLedger;
use ledger_adapter::statement::{Envelope, Statement};

use super::{ISSUED_DAY, PERSONS, Stored, VISITS, Workshop, table_of};
use crate::extract::error::ExtractError;
use crate::extract::{LEAVES_FILE, MANIFEST_FILE, attest};
use crate::policy::Policy;
use ledger_adapter::bucket::bucket_of;

const FILES: [(&str, &str); 2] = [("person.csv", PERSONS), ("visit_occurrence.csv", VISITS)];

#[test]
fn the_signed_manifest_names_every_byte() {
    let shop = Workshop::new();
    let built = shop.built("a", &FILES, &Policy::default());
    let json = fs::read(built.path.join(MANIFEST_FILE)).unwrap();
    let envelope: Envelope = serde_json::from_slice(&json).unwrap();
    assert_eq!(envelope.payload_digest().unwrap(), built.root);
    let payload = envelope.verify(&[shop.signer.public()]).unwrap();
    let statement: Statement<Manifest> = serde_json::from_slice(&payload).unwrap();
    assert_eq!(statement.predicate, built.manifest);
    let leaves = fs::read(built.path.join(LEAVES_FILE)).unwrap();
    let mut rest = leaves.as_slice();
    for file in built.manifest.tables.iter().flat_map(|table| &table.files) {
        let bytes = fs::read(built.path.join(&file.path)).unwrap();
        let own = Leaves::of(&bytes);
        assert_eq!((file.bytes, file.blake3), (bytes.len() as u64, own.root()));
        let (first, later) = rest.split_at(own.to_bytes().len());
        assert_eq!(first, own.to_bytes());
        rest = later;
    }
    assert!(rest.is_empty());
    assert_eq!(built.manifest.expires_day, ISSUED_DAY + 365);
    assert_eq!(built.manifest.policy.digest, Policy::default().digest());
    assert_eq!(built.attestation.key, shop.signer.public().keyid());
}

#[test]
fn rows_lie_in_the_bucket_of_their_person_in_order() {
    let shop = Workshop::new();
    let visits: String =
        (0..900).map(|i| format!("{i},{},9202,2020-01-01,2020-01-01,,\n", 1 + i % 2)).collect();
    let visits = format!("{}\n{visits}", VISITS.lines().next().unwrap());
    let built = shop.built(
        "a",
        &[("person.csv", PERSONS), ("visit_occurrence.csv", &visits)],
        &Policy::default(),
    );
    let table = table_of(&built, "visit_occurrence");
    assert_eq!(table.files.len(), 16);
    assert_eq!(
        table.rows,
        Rows::PerPerson { unit: "person_id".to_owned(), rows_per_person_max: 200 }
    );
    let rows = Stored::read(&built, "visit_occurrence").rows;
    let places: Vec<(u32, i64)> = rows
        .iter()
        .map(|row| row["person_id"].parse().unwrap())
        .map(|pseudonym: i64| (bucket_of(pseudonym, 16), pseudonym))
        .collect();
    assert_eq!(places.len(), 900);
    assert!(places.is_sorted());
}

#[test]
fn nothing_is_overwritten_and_nothing_is_left_behind() {
    let shop = Workshop::new();
    let built = shop.built("a", &FILES, &Policy::default());
    let from = shop.source("a", &[]);
    let error = shop.run(&shop.request(&from, "a-out", &Policy::default())).unwrap_err();
    assert!(matches!(error, ExtractError::Exists { .. }), "{error}");
    fs::write(from.join("visit_occurrence.csv"), "visit_occurrence_id\n1\n").unwrap();
    let error = shop.run(&shop.request(&from, "b-out", &Policy::default())).unwrap_err();
    assert!(matches!(error, ExtractError::MissingColumns { .. }), "{error}");
    let names: Vec<_> = fs::read_dir(built.path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("out"))
        .collect();
    assert_eq!(names, ["a-out"]);
    // An empty directory may be there already.
    fs::create_dir(shop.root.path().join("c-out")).unwrap();
    shop.built("c", &FILES, &Policy::default());
}

#[test]
fn a_second_extract_of_a_site_supersedes_the_first() {
    let shop = Workshop::new();
    let ledger = MemoryLedger::new().unwrap();
    let first = shop.built("a", &FILES, &Policy::default());
    let second = shop.built("b", &FILES, &Policy::default());
    let cap = Cost { rho: Rho::from_nano(1_000_000_000), delta: Delta::from_atto(1_000) };
    let account = first.attestation.account;
    ledger.open_account(&ledger_adapter::charge::Opening { account, cap }).unwrap();
    attest(&first, &ledger).unwrap();
    attest(&second, &ledger).unwrap();
    assert_eq!(ledger.status(first.root).unwrap(), ExtractStatus::Superseded(second.root));
    assert!(matches!(ledger.status(second.root).unwrap(), ExtractStatus::Active(_, day)
        if day == ISSUED_DAY + 365));
    let from = shop.source("a", &[]);
    let mut request = shop.request(&from, "d-out", &Policy::default());
    request.supersedes = Some(second.root);
    let third = shop.run(&request).unwrap();
    attest(&third, &ledger).unwrap();
    assert_eq!(ledger.extracts(account).unwrap(), [third.root]);
}

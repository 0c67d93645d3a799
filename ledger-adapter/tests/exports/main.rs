//! Exports of the receipts in `vectors/`: what is in them, and what must not be.
//!
//! `GRAUNT_EXPORTS` names a directory to which they are written, for `validate.py`, which checks
//! them with validators by others; `validate.sh` runs both.

// Clippy takes only what is under `cfg(test)` for a test.
#![cfg(test)]

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ledger_adapter::digest::Digest;
use ledger_adapter::export::{Question, Record, fhir, five_safes, open_lineage, prov};
use ledger_adapter::keys::Signer;
use ledger_adapter::policy::Policy;
use ledger_adapter::proof::LogProof;
use ledger_adapter::receipt::policy::TrustPolicy;
use ledger_adapter::receipt::{Receipt, Trust};
use ledger_adapter::tlog_proof::TlogProof;
use serde_json::{Value, json};

#[test]
fn an_audit_event_is_of_the_query_profile() {
    let event = fhir::audit_event(&record("wide"), Question::Withheld);
    assert_eq!(event["resourceType"], "AuditEvent");
    assert_eq!(event["recorded"], "2024-11-23T00:00:00Z");
    assert_eq!((&event["action"], &event["outcome"]), (&json!("E"), &json!("0")));
    let codes: Vec<_> = (0..2).map(|at| &event["agent"][at]["type"]["coding"][0]["code"]).collect();
    assert_eq!(codes, ["110153", "110152"]);
    assert_eq!(event["agent"][0]["who"]["extension"][0]["valueCode"], "masked");
    let entities = event["entity"].as_array().unwrap();
    let types: Vec<_> = entities.iter().map(|entity| &entity["type"]["code"]).collect();
    assert_eq!(types, ["2", "XrequestId", "4", "4", "4"]);
    let query = STANDARD.decode(entities[0]["query"].as_str().unwrap()).unwrap();
    assert!(query.starts_with(b"ni:///sha-256;"));
    assert_eq!(entities[1]["what"]["identifier"]["value"], "06".repeat(32));

    let shown = fhir::audit_event(&record("wide"), Question::Shown);
    let query = STANDARD.decode(shown["entity"][0]["query"].as_str().unwrap()).unwrap();
    assert_eq!(String::from_utf8(query).unwrap(), receipt("wide").intent.sql);
}

#[test]
fn a_provenance_carries_the_signed_statement() {
    let provenance = fhir::provenance(&record("wide")).unwrap();
    assert_eq!(provenance["occurredDateTime"], "2024-11-23");
    assert_eq!(provenance["entity"].as_array().unwrap().len(), 2);
    assert_eq!(provenance["agent"][1]["who"]["identifier"]["value"], "city");
    assert_eq!(provenance["agent"][2]["who"]["identifier"]["value"], "lake");
    assert_eq!(provenance["policy"].as_array().unwrap().len(), 1);
    let signature = &provenance["signature"][0];
    assert_eq!(signature["sigFormat"], "application/vnd.dsse+json");
    let data = STANDARD.decode(signature["data"].as_str().unwrap()).unwrap();
    let envelope: Value = serde_json::from_slice(&data).unwrap();
    assert_eq!(envelope, serde_json::to_value(receipt("wide").release).unwrap());
}

#[test]
fn a_run_event_names_what_was_read_and_written() {
    let event = open_lineage::run_event(&record("wide"));
    assert_eq!(event["run"]["runId"], "06060606-0606-8606-8606-060606060606");
    let release = &event["run"]["facets"]["graunt_dpRelease"];
    // 10000000 + 924234315 + 390625000 + 2^60 + 2^53 + 1
    assert_eq!(release["rhoNano"], "1161928705186447284");
    assert_eq!((&release["deltaAtto"], &release["finality"]), (&json!("5"), &json!("witnessed")));
    assert_eq!((&release["chargeIndex"], &release["releaseIndex"]), (&json!("31"), &json!("39")));
    assert_eq!(event["job"]["namespace"], "ledger://example.org/graunt");
    assert_eq!(event["job"]["name"], format!("account/{}", "04".repeat(32)));
    assert_eq!(event["inputs"].as_array().unwrap().len(), 2);
    assert_eq!(event["outputs"][0]["name"], format!("release/{}", "06".repeat(32)));
}

#[test]
fn a_prov_document_derives_the_answer_from_each_extract() {
    let document = prov::document(&record("wide"));
    let query = format!("query:{}", "06".repeat(32));
    assert_eq!(document["activity"][&query]["graunt:day"]["$"], "2024-11-23");
    for (relation, count) in [("used", 2), ("wasDerivedFrom", 2), ("wasAttributedTo", 2)] {
        assert_eq!(document[relation].as_object().unwrap().len(), count);
    }
    let answer = &document["wasGeneratedBy"]["_:generated"]["prov:entity"];
    assert_eq!(document["wasDerivedFrom"]["_:derived1"]["prov:generatedEntity"], *answer);
    assert_eq!(document["agent"]["site:1"]["prov:label"], "lake");
}

#[test]
fn a_crate_holds_the_very_bytes_that_were_signed() {
    let receipt = receipt("wide");
    let files = five_safes::files(&record("wide"), Question::Withheld).unwrap();
    let names: Vec<_> = files.keys().map(String::as_str).collect();
    let expected = [
        "charge.json",
        "charge.tlog-proof",
        "log-proof.json",
        "release.dsse.json",
        "release.json",
        "release.tlog-proof",
        "ro-crate-metadata.json",
        "table.json",
    ];
    assert_eq!(names, expected);
    let lines = log_policy();
    for name in ["charge", "release"] {
        let text = String::from_utf8(files[&format!("{name}.tlog-proof")].clone()).unwrap();
        let proof: TlogProof = text.parse().unwrap();
        let entry = &files[&format!("{name}.json")];
        assert_eq!(proof.verify(entry, &lines, None).unwrap().cosigned.len(), 2);
        assert!(proof.verify(&entry[1..], &lines, None).is_err());
    }
    let payload = receipt.release.payload().unwrap();
    let statement: Value = serde_json::from_slice(&payload).unwrap();
    let digest = Digest::sha256(&files["table.json"]).to_string();
    assert_eq!(statement["subject"][0]["digest"]["sha256"], digest);
    let log: LogProof = serde_json::from_slice(&files["log-proof.json"]).unwrap();
    assert_eq!(log.verify(Some(&receipt.log.vkey)).unwrap().len(), 5);

    let metadata: Value = serde_json::from_slice(&files["ro-crate-metadata.json"]).unwrap();
    let graph = metadata["@graph"].as_array().unwrap();
    let found = |id: &str| graph.iter().find(|entity| entity["@id"] == id).unwrap();
    let kinds: Vec<_> = ["#check", "#validation", "#sign-off", "#disclosure"]
        .map(|id| found(id)["additionalType"]["@id"].as_str().unwrap())
        .to_vec();
    assert_eq!(
        kinds,
        ["CheckValue", "ValidationCheck", "SignOff", "DisclosureCheck"]
            .map(|kind| format!("https://w3id.org/shp#{kind}"))
    );
    for part in found("./")["hasPart"].as_array().unwrap() {
        assert!(files.contains_key(part["@id"].as_str().unwrap()));
    }

    let shown = five_safes::files(&record("wide"), Question::Shown).unwrap();
    let whole: Receipt = serde_json::from_slice(&shown["receipt.json"]).unwrap();
    assert_eq!(whole, receipt);
}

#[test]
fn nothing_that_is_kept_back_is_in_an_export() {
    for name in ["plain", "wide"] {
        let receipt = receipt(name);
        let plan = receipt.intent.plan.to_string();
        let hashed = Digest::sha256(receipt.intent.sql.as_bytes()).to_string();
        let salts = [receipt.intent_salt.to_string(), receipt.release_salt.to_string()];
        // A digest of the text without salt is as good as the text; the length of a file is as
        // good as its number of records.
        let mut secrets = vec![receipt.intent.sql, plan, hashed, "7654321".to_owned()];
        secrets.extend(salts);
        for (file, bytes) in exports(name, Question::Withheld) {
            let mut texts = vec![String::from_utf8(bytes).unwrap()];
            // Also within what is base64, and within what is in that.
            for _ in 0..3 {
                let inner: Vec<_> = texts.iter().flat_map(|text| decoded(text)).collect();
                texts.extend(inner);
            }
            for (secret, text) in
                secrets.iter().flat_map(|secret| texts.iter().map(move |text| (secret, text)))
            {
                assert!(!text.contains(secret), "{file}: {secret}");
                let escaped = json!(secret).to_string();
                assert!(!text.contains(escaped.trim_matches('"')), "{file}: {secret}");
            }
        }
    }
    // The search finds what is there.
    let shown = exports("plain", Question::Shown);
    let event = String::from_utf8(shown["audit-event.json"].clone()).unwrap();
    assert!(decoded(&event).iter().any(|text| text.contains("select year")));
}

#[test]
fn the_same_receipt_gives_the_same_bytes() {
    for name in ["plain", "wide"] {
        assert_eq!(exports(name, Question::Shown), exports(name, Question::Shown));
    }
}

#[test]
fn what_is_not_verified_is_not_exported() {
    let mut receipt = receipt("plain");
    assert!(Record::of(receipt.clone(), &Trust::default()).is_ok());
    let stranger = Trust { keys: vec![Signer::from_seed(&[9; 32]).public()], ..Trust::default() };
    assert!(Record::of(receipt.clone(), &stranger).is_err());
    receipt.intent.day += 1;
    assert!(Record::of(receipt.clone(), &Trust::default()).is_err());
    assert!(Record::under(receipt, &policy()).is_err());
}

#[test]
fn exports_are_written_where_that_is_asked() {
    let directory = std::env::var_os("GRAUNT_EXPORTS");
    let kept = tempfile::tempdir().unwrap();
    let directory = directory.as_ref().map_or(kept.path(), Path::new);
    for (name, question) in
        [("plain", Question::Withheld), ("wide", Question::Withheld), ("shown", Question::Shown)]
    {
        let receipt = if name == "shown" { "plain" } else { name };
        for (file, bytes) in exports(receipt, question) {
            let path = directory.join(name).join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        let written = directory.join(name).join("crate/ro-crate-metadata.json");
        assert!(written.is_file());
    }
}

/// Every export of a receipt, by the name of its file.
fn exports(name: &str, question: Question) -> BTreeMap<String, Vec<u8>> {
    let record = record(name);
    let json = |value: &Value| serde_json::to_vec_pretty(value).unwrap();
    let mut files = BTreeMap::from([
        ("audit-event.json".to_owned(), json(&fhir::audit_event(&record, question))),
        ("provenance.json".to_owned(), json(&fhir::provenance(&record).unwrap())),
        ("run-event.json".to_owned(), json(&open_lineage::run_event(&record))),
        ("prov.json".to_owned(), json(&prov::document(&record))),
    ]);
    for (file, bytes) in five_safes::files(&record, question).unwrap() {
        files.insert(format!("crate/{file}"), bytes);
    }
    files
}

/// Everything in a text that is base64 of a text.
fn decoded(text: &str) -> Vec<String> {
    let is_digit = |letter: char| letter.is_ascii_alphanumeric() || "+/=".contains(letter);
    let words = text.split(|letter| !is_digit(letter)).filter(|word| word.len() > 20);
    words.filter_map(|word| String::from_utf8(STANDARD.decode(word).ok()?).ok()).collect()
}

fn record(name: &str) -> Record {
    Record::under(receipt(name), &policy()).unwrap()
}

fn receipt(name: &str) -> Receipt {
    Receipt::load(&vectors().join(format!("{name}.receipt.json"))).unwrap()
}

fn policy() -> TrustPolicy {
    TrustPolicy::load(&vectors().join("policy.json")).unwrap()
}

/// The part of the policy that is a C2SP tlog-policy.
fn log_policy() -> Policy {
    let text = std::fs::read_to_string(vectors().join("policy.json")).unwrap();
    let policy: Value = serde_json::from_str(&text).unwrap();
    let lines = policy["log_policy"].as_array().unwrap().iter();
    let text: String = lines.map(|line| format!("{}\n", line.as_str().unwrap())).collect();
    Policy::parse(&text).unwrap()
}

fn vectors() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/vectors"))
}

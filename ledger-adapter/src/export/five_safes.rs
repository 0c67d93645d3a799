//! A Five Safes RO-Crate: the release as trusted research environments archive it.
//!
//! ```text
//! ro-crate-metadata.json   what is what, and which checks were made
//! table.json               the answer, word for word what the signed statement has the digest of
//! release.dsse.json        the signed statement
//! charge.json, charge.tlog-proof     the ledger's entry of the charge, and its proof
//! release.json, release.tlog-proof   the ledger's entry of the release, and its proof
//! log-proof.json           all entries that the receipt rests on, and their proof
//! receipt.json             everything, with the query's text; only if it may be shown
//! ```
//!
//! # Source
//! RO-Crate 1.1; Process Run Crate 0.5; Five Safes RO-Crate 0.4, "Review process": its phases are
//! `CheckValue`, that bytes are the attested ones; `ValidationCheck`, that the noise costs no more
//! than was charged; `SignOff`, that sites attested their extracts for this account;
//! `DisclosureCheck`, that the charge was on the ledger before the release.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::{Question, Record};
use crate::error::LedgerError;
use crate::proof::past_the_end;
use crate::tlog_proof::TlogProof;

/// The files of the crate, by name.
///
/// # Errors
/// [`LedgerError::Malformed`], which does not happen for a receipt that was read.
pub fn files(
    record: &Record,
    question: Question,
) -> Result<BTreeMap<String, Vec<u8>>, LedgerError> {
    let mut files = BTreeMap::from([
        ("table.json".to_owned(), record.table.clone()),
        ("release.dsse.json".to_owned(), record.envelope()?),
        ("log-proof.json".to_owned(), pretty(&record.receipt.log)?),
    ]);
    for (name, index) in [("charge", record.charge_index), ("release", record.release_index)] {
        let log = &record.receipt.log;
        let place = log.entries.iter().position(|proved| proved.index == index);
        let place = place.ok_or_else(|| past_the_end(index))?;
        let proof = TlogProof::of(log, place)?.to_string();
        let entry = log.entries.get(place).map(|proved| proved.entry.clone());
        files.insert(format!("{name}.json"), entry.unwrap_or_default().into_bytes());
        files.insert(format!("{name}.tlog-proof"), proof.into_bytes());
    }
    if question == Question::Shown {
        files.insert("receipt.json".to_owned(), pretty(&record.receipt)?);
    }
    let metadata = pretty(&metadata(record, question))?;
    files.insert("ro-crate-metadata.json".to_owned(), metadata);
    Ok(files)
}

fn pretty(value: &impl Serialize) -> Result<Vec<u8>, LedgerError> {
    let bytes = serde_json::to_vec_pretty(value);
    let mut bytes = bytes
        .map_err(|error| LedgerError::Malformed { what: "crate", detail: error.to_string() })?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn metadata(record: &Record, question: Question) -> Value {
    let mut graph = root(record, question);
    graph.extend(described_files(question));
    graph.extend(agents(record));
    graph.push(query(record));
    graph.extend(assessments(record));
    json!({"@context": "https://w3id.org/ro/crate/1.1/context", "@graph": graph})
}

/// The crate itself, and what it conforms to.
fn root(record: &Record, question: Question) -> Vec<Value> {
    let parts: Vec<_> = described(question).map(|file| reference(file.name)).collect();
    let actions = [QUERY, "#check", "#validation", "#sign-off", "#disclosure"];
    let profile = |id: &str, name: &str, version: &str| {
        let kind = "CreativeWork";
        json!({"@id": id, "@type": kind, "name": name, "version": version})
    };
    vec![
        json!({
            "@id": "ro-crate-metadata.json",
            "@type": "CreativeWork",
            "about": reference("./"),
            "conformsTo": reference("https://w3id.org/ro/crate/1.1"),
        }),
        json!({
            "@id": "./",
            "@type": "Dataset",
            "name": format!("Differentially private release {}", record.query()),
            "description": "An answer, the signed statement of it, and its place on a ledger",
            "datePublished": record.date,
            "license": reference("#licence"),
            "conformsTo": [reference(FIVE_SAFES), reference(PROCESS_RUN)],
            "hasPart": parts,
            "mentions": actions.map(reference),
            "author": reference("#publisher"),
            "publisher": reference("#publisher"),
            "sourceOrganization": reference("#project"),
        }),
        profile(FIVE_SAFES, "Five Safes RO-Crate", "0.4"),
        profile(PROCESS_RUN, "Process Run Crate", "0.5"),
        json!({
            "@id": "#licence",
            "@type": "CreativeWork",
            "name": "not stated",
            "description": "A receipt states no licence; ask the publisher",
        }),
    ]
}

/// A file of the crate.
struct Described {
    name: &'static str,
    title: &'static str,
    description: &'static str,
    format: &'static str,
}

const FILES: [Described; 7] = [
    Described {
        name: "table.json",
        title: "released table",
        description: "values and intervals, with noise",
        format: "application/json",
    },
    Described {
        name: "release.dsse.json",
        title: "release statement",
        description: "in-toto statement in a DSSE envelope, signed by the engine",
        format: "application/vnd.dsse+json",
    },
    Described {
        name: "log-proof.json",
        title: "proof of the ledger",
        description: "signed checkpoint, entries and their inclusion",
        format: "application/json",
    },
    Described {
        name: "charge.json",
        title: "entry of the charge",
        description: "as the ledger has it",
        format: "application/json",
    },
    Described {
        name: "charge.tlog-proof",
        title: "proof of the charge",
        description: "C2SP tlog-proof of its entry",
        format: "text/plain",
    },
    Described {
        name: "release.json",
        title: "entry of the release",
        description: "as the ledger has it",
        format: "application/json",
    },
    Described {
        name: "release.tlog-proof",
        title: "proof of the release",
        description: "C2SP tlog-proof of its entry",
        format: "text/plain",
    },
];

const RECEIPT: Described = Described {
    name: "receipt.json",
    title: "receipt",
    description: "everything, with the text of the query",
    format: "application/json",
};

fn described(question: Question) -> impl Iterator<Item = Described> {
    FILES.into_iter().chain((question == Question::Shown).then_some(RECEIPT))
}

fn described_files(question: Question) -> impl Iterator<Item = Value> {
    described(question).map(|file| {
        json!({
            "@id": file.name,
            "@type": "File",
            "name": file.title,
            "description": file.description,
            "encodingFormat": file.format,
        })
    })
}

/// Who took part. A receipt does not name whoever asked.
fn agents(record: &Record) -> Vec<Value> {
    let (name, version) = record.engine();
    let organization = |id: &str, name: &str| {
        let kind = "Organization";
        json!({"@id": id, "@type": kind, "name": name, "url": "https://graunt.dev/"})
    };
    let mut agents = vec![
        json!({
            "@id": ENGINE,
            "@type": "SoftwareApplication",
            "name": name,
            "url": "https://graunt.dev/",
            "version": version,
        }),
        json!({"@id": "#requester", "@type": "Person", "name": "not named"}),
        organization("#publisher", &format!("Operator of {}", record.origin)),
        organization("#project", &format!("Account {}", record.effect.account)),
    ];
    for (at, input) in record.inputs.iter().enumerate() {
        agents.push(organization(&format!("#site-{at}"), &input.site));
        agents.push(json!({
            "@id": format!("urn:sha256:{}", input.root),
            "@type": "CreativeWork",
            "name": format!("Statement of the extract of {}", input.site),
            "description": format!("De-identified by {}", input.policy.basis),
            "creator": reference(&format!("#site-{at}")),
        }));
    }
    agents
}

fn query(record: &Record) -> Value {
    let inputs: Vec<_> = record
        .inputs
        .iter()
        .map(|input| reference(&format!("urn:sha256:{}", input.root)))
        .collect();
    json!({
        "@id": QUERY,
        "@type": "CreateAction",
        "name": "Answer a query with differential privacy",
        "description": format!("Its salted commitment on the ledger is {}", record.intent),
        "instrument": reference(ENGINE),
        "agent": reference("#requester"),
        "object": single(inputs),
        "result": reference("table.json"),
        "endTime": record.date,
        "actionStatus": COMPLETED,
    })
}

/// What was checked when the receipt was verified, in the phases of Five Safes.
fn assessments(record: &Record) -> Vec<Value> {
    let assessment = |id: &str, kind: &str, name: String, object: &str| {
        json!({
            "@id": id,
            "@type": "AssessAction",
            "additionalType": reference(&format!("https://w3id.org/shp#{kind}")),
            "name": name,
            "object": reference(object),
            "instrument": reference(ENGINE),
            "agent": reference("#publisher"),
            "endTime": record.date,
            "actionStatus": COMPLETED,
        })
    };
    let sites: Vec<_> = record.sites().into_iter().collect();
    let cost = record.effect.cost;
    vec![
        assessment(
            "#check",
            "CheckValue",
            "The table has the digest of the signed release statement: OK".to_owned(),
            "table.json",
        ),
        assessment(
            "#validation",
            "ValidationCheck",
            "The stated noise costs no more than was charged: OK".to_owned(),
            "release.dsse.json",
        ),
        assessment(
            "#sign-off",
            "SignOff",
            format!("Extracts attested for this account by {}: approved", sites.join(", ")),
            "log-proof.json",
        ),
        assessment(
            "#disclosure",
            "DisclosureCheck",
            format!("Entry {} charges {cost}: OK", record.charge_index),
            "table.json",
        ),
    ]
}

/// A list of one is written as its item.
fn single(mut items: Vec<Value>) -> Value {
    match (items.pop(), items.is_empty()) {
        (Some(only), true) => only,
        (last, _) => items.into_iter().chain(last).collect(),
    }
}

fn reference(id: &str) -> Value {
    json!({"@id": id})
}

const QUERY: &str = "#query";
const ENGINE: &str = "https://graunt.dev/engine";
const COMPLETED: &str = "http://schema.org/CompletedActionStatus";
const FIVE_SAFES: &str = "https://w3id.org/5s-crate/0.4";
const PROCESS_RUN: &str = "https://w3id.org/ro/wfrun/process/0.5";

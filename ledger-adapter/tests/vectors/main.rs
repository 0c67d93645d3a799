//! Receipts in files, which every verifier must accept or refuse alike: `vectors/`.
//!
//! The files are made here, from fixed seeds, and compared. `GRAUNT_WRITE_VECTORS=1` writes them
//! anew (with `--test-threads=1`, for the other tests read them). `verifier/verify.test.mjs` reads
//! the same files.

// Clippy takes only what is under `cfg(test)` for a test.
#![cfg(test)]

mod cases;
mod lies;
mod mutations;
mod witness;

use std::path::{Path, PathBuf};

use ledger_adapter::receipt::policy::TrustPolicy;
use ledger_adapter::receipt::redacted::Filed;
use serde_json::{Value, json};

use self::mutations::filed;

#[test]
fn the_files_are_what_their_seeds_give() {
    let mut refused = Vec::new();
    for lie in lies::lies() {
        let lies::Lie { name, check, complaint, receipt } = lie;
        let lie = json!({
            "name": name, "check": check, "complaint": complaint, "receipt": receipt,
        });
        refused.push(lie);
    }
    let mut mutations = Vec::new();
    let (plain, wide) = (cases::plain().receipt(), cases::wide().receipt());
    for (name, text) in [
        ("plain", serde_json::to_string_pretty(&plain)),
        ("redacted", serde_json::to_string_pretty(&cases::redacted(&wide))),
        ("wide", serde_json::to_string_pretty(&wide)),
    ] {
        let text = text.unwrap() + "\n";
        is_written(&file(name), &text);
        mutations.extend(mutations::mutations(name, &text));
    }
    let joint = serde_json::to_string_pretty(&cases::joint().receipt()).unwrap() + "\n";
    is_written(&file("joint"), &joint);
    let former = serde_json::to_string_pretty(&cases::former()).unwrap() + "\n";
    is_written(&file("former"), &former);
    is_written(&directory().join("refused.json"), &lines(&refused));
    is_written(&directory().join("mutations.json"), &lines(&mutations));
    let policy = serde_json::to_string_pretty(&cases::policy()).unwrap() + "\n";
    is_written(&directory().join("policy.json"), &policy);
}

#[test]
fn good_receipts_are_accepted() {
    let counts = [("former", 10), ("joint", 10), ("plain", 10), ("wide", 15), ("redacted", 9)];
    for (name, count) in counts {
        let text = std::fs::read_to_string(file(name)).unwrap();
        let (is_trusted, lines) = match filed(&text).unwrap() {
            Filed::Whole(receipt) => {
                let verified = policy().verify(&receipt).unwrap();
                (verified.is_log_trusted && verified.are_keys_trusted, verified.lines)
            }
            Filed::Redacted(left) => {
                let verified = policy().verify_redacted(&left).unwrap();
                (verified.is_log_trusted && verified.are_keys_trusted, verified.lines)
            }
        };
        assert!(is_trusted);
        assert_eq!(lines.len(), count, "{lines:#?}");
        assert_eq!(lines.iter().filter(|line| line.contains("cosigned")).count(), 2);
    }
}

#[test]
fn lies_are_refused_for_what_they_are() {
    let lies = read("refused.json");
    assert!(lies.len() > 70, "{}", lies.len());
    for lie in lies {
        let complaint = complaint(&lie["receipt"].to_string());
        let expected = lie["complaint"].as_str().unwrap();
        let complaint = complaint.unwrap_or_else(|| panic!("{}: accepted", lie["name"]));
        assert!(complaint.contains(expected), "{}: {complaint}", lie["name"]);
    }
}

#[test]
fn whatever_is_changed_is_refused() {
    let mutations = read("mutations.json");
    assert!(mutations.len() > 900, "{}", mutations.len());
    for mutation in mutations {
        let text = std::fs::read_to_string(file(mutation["of"].as_str().unwrap())).unwrap();
        let spoilt = mutations::apply(&text, &mutation);
        assert_ne!(spoilt, text);
        assert!(complaint(&spoilt).is_some(), "{mutation}");
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    // A stride that is prime to 8 meets every bit of the byte.
    let step = std::env::var("GRAUNT_FLIP_STEP").map_or(29, |step| step.parse().unwrap());
    for name in NAMES {
        let bytes = std::fs::read(file(name)).unwrap();
        // The last newline may be any white space.
        for bit in (0..(bytes.len() - 1) * 8).step_by(step) {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let Ok(text) = String::from_utf8(bytes) else { continue };
            assert!(complaint(&text).is_some(), "{name}, bit {bit}");
        }
    }
}

const NAMES: [&str; 5] = ["former", "joint", "plain", "redacted", "wide"];

/// Why a receipt is refused; `None` if it is not.
fn complaint(text: &str) -> Option<String> {
    let error = match filed(text) {
        Ok(Filed::Whole(receipt)) => policy().verify(&receipt).err(),
        Ok(Filed::Redacted(left)) => policy().verify_redacted(&left).err(),
        Err(error) => return Some(error),
    };
    error.map(|error| error.to_string())
}

fn policy() -> TrustPolicy {
    TrustPolicy::load(&directory().join("policy.json")).unwrap()
}

fn read(name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(directory().join(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn file(name: &str) -> PathBuf {
    directory().join(format!("{name}.receipt.json"))
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

/// A list with one item per line.
fn lines(items: &[Value]) -> String {
    let items: Vec<_> = items.iter().map(Value::to_string).collect();
    format!("[\n{}\n]\n", items.join(",\n"))
}

fn is_written(path: &Path, text: &str) {
    if std::env::var_os("GRAUNT_WRITE_VECTORS").is_some() {
        std::fs::write(path, text).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap();
    assert!(found == text, "{} is not what its seed gives", path.display());
}

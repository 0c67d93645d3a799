//! Receipts that are wrong from the start: signed and recorded by whoever tells the lie.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ledger_adapter::cost::{Delta, Rho};
use ledger_adapter::entry::Entry;
use ledger_adapter::note::VerifierKey;
use ledger_adapter::proof::LogProof;
use ledger_adapter::receipt::Receipt;
use ledger_adapter::receipt::redacted::RedactedReceipt;
use ledger_adapter::statement::{Envelope, PAYLOAD_TYPE, release_statement};
use serde_json::{Value, json};

use crate::cases::{
    CITY, Case, ENGINE, FORMER, Input, LAKE, LOG, ORIGIN, RETIRED, STRANGER, cost, digest, joint,
    plain, proof, redacted, signer, wide, written,
};
use crate::witness;

/// A wrong receipt, the check of `verifier/verify.mjs` that finds it first, and a part of what
/// [`ledger_adapter::receipt::policy::TrustPolicy::verify`] says of it.
pub(crate) struct Lie {
    pub(crate) name: &'static str,
    pub(crate) check: &'static str,
    pub(crate) complaint: &'static str,
    pub(crate) receipt: Value,
}

/// All of them.
pub(crate) fn lies() -> Vec<Lie> {
    let mut lies = Vec::new();
    for (name, check, complaint, change) in CASES {
        let mut case = plain();
        change(&mut case);
        let receipt = serde_json::to_value(case.receipt()).unwrap();
        lies.push(Lie { name, check, complaint, receipt });
    }
    for (name, check, complaint, change) in RECEIPTS {
        let mut receipt = plain().receipt();
        change(&mut receipt);
        let receipt = serde_json::to_value(receipt).unwrap();
        lies.push(Lie { name, check, complaint, receipt });
    }
    for (name, complaint, change) in SETS {
        let mut entries = written(&joint().receipt());
        change(&mut entries);
        let log = proof(&entries, 0, LOG);
        let whole = Receipt { log, ..joint().receipt() };
        // What is left of it, if that is no other lie, is refused for the same.
        entries.push(Entry::Redact { query: whole.intent.query }.encode());
        let left = redacted(&joint().receipt());
        let left = RedactedReceipt { log: proof(&entries, 0, LOG), ..left };
        let receipt = serde_json::to_value(whole).unwrap();
        lies.push(Lie { name: name[0], check: "order", complaint, receipt });
        let receipt = serde_json::to_value(left).unwrap();
        lies.push(Lie { name: name[1], check: "order", complaint, receipt });
    }
    for (name, check, complaint, change) in REDACTED {
        let mut left = redacted(&wide().receipt());
        change(&mut left);
        let receipt = serde_json::to_value(left).unwrap();
        lies.push(Lie { name, check, complaint, receipt });
    }
    for (name, complaint, find, put) in PAYLOADS {
        let mut receipt = plain().receipt();
        let payload = String::from_utf8(receipt.release.payload().unwrap()).unwrap();
        assert_eq!(payload.matches(find).count(), 1, "{name}: {payload}");
        receipt.release = signed(payload.replace(find, put).as_bytes(), PAYLOAD_TYPE);
        let receipt = serde_json::to_value(receipt).unwrap();
        lies.push(Lie { name, check: "release", complaint, receipt });
    }
    lies
}

type Told<T> = (&'static str, &'static str, &'static str, fn(&mut T));

/// Two names, the complaint, and what is changed in the encoded entries.
type ToldTwice = ([&'static str; 2], &'static str, fn(&mut Vec<Vec<u8>>));

/// Lies in what is said.
const CASES: &[Told<Case>] = &[
    ("another query", "release", "another query", |case| case.predicate.query = digest(1)),
    ("another intent", "release", "another intent", |case| case.predicate.intent = digest(1)),
    ("another text", "release", "another intent", |case| case.intent.sql.push(' ')),
    ("no intervals", "release", "shape", |case| case.predicate.table.lower.clear()),
    ("a short row", "release", "shape", |case| {
        case.predicate.table.upper[0].pop();
    }),
    ("two accounts", "balance", "one account", |case| {
        let effect = case.predicate.effects[0];
        case.predicate.effects.push(effect);
    }),
    ("a charge for another intent", "charge", "another intent", |case| {
        case.request.intent = digest(1);
    }),
    ("a lower charge", "charge", "another cost", |case| case.request.items[0].1 = cost(9, 5)),
    ("a charge of another account", "charge", "another cost", |case| {
        case.request.items[0].0 = digest(1);
    }),
    ("a charge of two accounts", "charge", "another cost", |case| {
        case.request.items.push((digest(1), cost(1, 1)));
    }),
    ("a charge for more extracts", "charge", "other extracts", |case| {
        case.request.inputs.push(digest(1));
    }),
    ("a charge of another day", "charge", "another day", |case| case.request.day += 1),
    ("a balance that does not add up", "balance", "add up", |case| {
        case.predicate.effects[0].spent_before = cost(1, 0);
    }),
    ("a balance past the integers", "balance", "add up", |case| {
        case.predicate.effects[0].spent_before = cost(u64::MAX, 0);
    }),
    ("a balance beyond the cap", "balance", "beyond the cap", |case| {
        case.predicate.effects[0].cap = cost(1, 0);
    }),
    ("another cap than opened", "balance", "another cap", |case| {
        case.opening.cap = cost(60_000_000, 100);
    }),
    ("another account opened", "balance", "opening", |case| case.opening.account = digest(1)),
    ("another cost released", "balance", "another cost", |case| {
        case.predicate.effects[0].cost = cost(1, 0);
    }),
    ("another root attested", "extracts", "not in the proof", |case| {
        case.inputs[0].attestation.root = digest(1);
    }),
    ("another key attested", "extracts", "another key", |case| {
        case.inputs[0].attestation.key = digest(1);
    }),
    ("another account attested", "extracts", "another account", |case| {
        case.inputs[0].attestation.account = digest(1);
    }),
    ("expired", "extracts", "expired", |case| case.inputs[0].attestation.expires_day = 20_049),
    ("another expiry", "extracts", "another day", |case| {
        case.inputs[0].attestation.expires_day += 1;
    }),
    ("another account in the manifest", "extracts", "manifest names another", |case| {
        let mut manifest = case.inputs[0].manifest.clone();
        manifest.account = digest(1);
        case.inputs[0] = Input::new(manifest, CITY);
        case.inputs[0].attestation.account = digest(4);
        relist(case);
    }),
    ("another manifest", "extracts", "not the attested one", |case| {
        case.inputs[0].manifest.buckets = 2;
    }),
    ("a site that signs a release", "extracts", "signed by a site", |case| {
        case.inputs[0] = Input::new(case.inputs[0].manifest.clone(), ENGINE);
    }),
    ("a stranger as a site", "trust", "not trusted", |case| case.inputs[0].signer = STRANGER),
    ("a stranger as the engine", "trust", "not trusted", |case| case.releaser = STRANGER),
    ("a site as the engine", "roles", "not signed by a release key", |case| case.releaser = LAKE),
    ("a site for another site", "roles", "not signed by its site", |case| {
        case.inputs[0] = Input::new(case.inputs[0].manifest.clone(), LAKE);
    }),
    ("a key that was retired", "extracts", "another took its place", |case| {
        case.inputs[0] = Input::new(case.inputs[0].manifest.clone(), RETIRED);
    }),
    ("a site of no name here", "roles", "a site that is not trusted", |case| {
        let mut manifest = case.inputs[0].manifest.clone();
        manifest.site = "moon".to_owned();
        case.inputs[0] = Input::new(manifest, CITY);
        relist(case);
    }),
    ("noise that is too cheap", "mechanisms", "more than it states", |case| {
        case.intent.mechanisms[0].rho = Rho::from_nano(9_999_999);
        case.recommit();
    }),
    ("noise that is too narrow", "mechanisms", "more than it states", |case| {
        case.intent.mechanisms[0].scale_numerator = 19;
        case.recommit();
    }),
    ("more noise than was charged", "mechanisms", "than was charged", |case| {
        let more = case.intent.mechanisms[0].clone();
        case.intent.mechanisms.push(more);
        case.recommit();
    }),
    ("a delta that was not charged", "mechanisms", "than was charged", |case| {
        case.intent.mechanisms[0].delta = Delta::from_atto(6);
        case.recommit();
    }),
    ("no noise", "mechanisms", "no mechanism", |case| {
        case.intent.mechanisms.clear();
        case.recommit();
    }),
    ("noise of no name", "mechanisms", "cannot be recomputed", |case| {
        case.intent.mechanisms[0].mechanism = "toString".to_owned();
        case.recommit();
    }),
    ("other noise than reserved", "mechanisms", "other mechanisms", |case| {
        case.predicate.mechanisms = case.intent.mechanisms.clone();
        case.predicate.mechanisms[0].scale_numerator += 1;
    }),
    ("fewer than reserved", "mechanisms", "other mechanisms", |case| {
        let more = case.intent.mechanisms[0].clone();
        case.predicate.mechanisms = vec![more.clone()];
        case.intent.mechanisms.push(more);
        case.recommit();
    }),
];

/// Lies in how it is put together.
const RECEIPTS: &[Told<Receipt>] = &[
    ("another version", "receipt", "versions", |receipt| receipt.version = 2),
    ("no keys", "trust", "not trusted", |receipt| receipt.keys.clear()),
    ("another salt of the release", "order", "another release", |receipt| {
        receipt.release_salt = digest(0);
    }),
    ("another salt of the intent", "release", "another intent", |receipt| {
        receipt.intent_salt = digest(0);
    }),
    ("another table", "release", "attested digest", |receipt| {
        let mut statement = release_statement(plain().predicate).unwrap();
        statement.predicate.table.rows[0][1] = json!(105);
        receipt.release = Envelope::sign(&statement, &signer(ENGINE)).unwrap();
    }),
    ("two subjects", "release", "attested digest", |receipt| {
        let mut statement = release_statement(plain().predicate).unwrap();
        statement.subject.push(statement.subject[0].clone());
        receipt.release = Envelope::sign(&statement, &signer(ENGINE)).unwrap();
    }),
    ("another kind of payload", "release", "not an in-toto statement", |receipt| {
        let payload = receipt.release.payload().unwrap();
        receipt.release = signed(&payload, "application/json");
    }),
    ("a second form of a signature", "release", "signature does not verify", |receipt| {
        let signature = &mut receipt.release.signatures[0].sig;
        *signature = STANDARD.encode(plus_order(&STANDARD.decode(&*signature).unwrap()));
    }),
    ("no extract", "extracts", "one extract statement", |receipt| receipt.extracts.clear()),
    ("no charge in the proof", "charge", "charge is not in the proof", |receipt| {
        receipt.log.entries.remove(2);
    }),
    ("no release in the proof", "order", "release is not in the proof", |receipt| {
        receipt.log.entries.remove(3);
    }),
    ("an entry twice", "charge", "twice", |receipt| {
        let again = receipt.log.entries[2].clone();
        receipt.log.entries.push(again);
    }),
    ("a release before its charge", "order", "order", |receipt| reorder(receipt, &[0, 1, 3, 2])),
    ("a set after the release", "order", "of the time", |receipt| {
        let query = receipt.intent.query;
        let mut entries = written(receipt);
        entries.push(Entry::Commit { query, round: 0, root: digest(1) }.encode());
        receipt.log = proof(&entries, 0, LOG);
    }),
    ("a charge before the extract", "order", "order", |receipt| reorder(receipt, &[0, 2, 1, 3])),
    ("an extract that was revoked", "order", "order", |receipt| {
        let root = receipt.intent.inputs[0];
        let mut entries = written(receipt);
        entries.push(Entry::Revoke { root }.encode());
        receipt.log = proof(&entries, 0, LOG);
    }),
    ("an entry in another spelling", "entries", "canonical", |receipt| {
        respell(receipt, |entry| entry.replacen(':', ": ", 1));
    }),
    ("an entry with a key twice", "entries", "duplicate", |receipt| {
        respell(receipt, |entry| entry.replace("\"version\":1", "\"version\":1,\"version\":1"));
    }),
    ("an entry of another version", "entries", "version 2", |receipt| {
        respell(receipt, |entry| entry.replace("\"version\":1", "\"version\":2"));
    }),
    ("an entry of no known kind", "entries", "unknown variant", |receipt| {
        respell(receipt, |entry| entry.replace("\"release\"", "\"refund\""));
    }),
    ("an entry at another index", "entries", "not in the log", |receipt| {
        receipt.log.entries[1].index = 0;
    }),
    ("another log", "trust", "not trusted", |receipt| {
        receipt.log = proof(&written(receipt), 0, STRANGER);
    }),
    ("a former key of the log, grown further", "checkpoint", "took its place", |receipt| {
        receipt.log = proof(&written(receipt), 1, FORMER);
    }),
    ("another log under the key of ours", "checkpoint", "not trusted", |receipt| {
        let vkey = VerifierKey::new(ORIGIN, signer(LOG).public()).unwrap().to_string();
        receipt.log = LogProof { vkey, ..proof(&written(receipt), 0, STRANGER) };
    }),
    ("one witness of two", "checkpoint", "cosignatures of 1", |receipt| {
        recosign(receipt, &[witness::SOUTH]);
    }),
    ("one witness twice", "checkpoint", "two signatures of one key", |receipt| {
        recosign(receipt, &[witness::SOUTH, witness::SOUTH]);
    }),
];

/// Lies in the sets of contributions, with a name for the receipt and one for what is left of it.
/// The entries are: open, attest, charge, commit, commit, release.
const SETS: &[ToldTwice] = &[
    (["a set of another query", "left with a set of another query"], "another query", |entries| {
        let (round, root) = (1, digest(1));
        entries.insert(4, Entry::Commit { query: digest(1), round, root }.encode());
    }),
    (["a set before the charge", "left with a set before the charge"], "of the time", |entries| {
        entries.swap(2, 3);
    }),
    (["two sets of a round", "left with two sets of a round"], "two sets", |entries| {
        let Ok(Entry::Commit { query, round, .. }) = Entry::decode(&entries[3]) else { panic!() };
        entries[4] = Entry::Commit { query, round, root: digest(1) }.encode();
    }),
];

/// Lies in what is left of a redacted receipt.
const REDACTED: &[Told<RedactedReceipt>] = &[
    ("left of another query", "charge", "charge is not in the proof", |left| {
        left.redacted = digest(1);
    }),
    ("no redaction", "order", "redaction is not in the proof", |left| {
        left.log.entries.pop();
    }),
    ("left with an extract too few", "extracts", "one extract statement", |left| {
        left.extracts.pop();
    }),
    ("left with a charge beyond the cap", "charge", "beyond the cap", |left| {
        relog(left, |entry| {
            if let Entry::Open(opening) = entry {
                opening.cap = cost(1, 1);
            }
        });
    }),
    ("left with another account opened", "charge", "opening", |left| {
        relog(left, |entry| {
            if let Entry::Open(opening) = entry {
                opening.account = digest(1);
            }
        });
    }),
    ("redacted before the charge", "order", "order of a redaction", |left| {
        let mut entries = left_entries(left);
        let last = entries.pop().unwrap();
        entries.insert(0, last);
        left.log = proof(&entries, 0, LOG);
    }),
    ("another query beside the redacted one", "order", "order of a redaction", |left| {
        let mut entries = left_entries(left);
        entries.push(Entry::Redact { query: digest(1) }.encode());
        left.log = proof(&entries, 0, LOG);
    }),
    ("left by a stranger", "trust", "not trusted", |left| {
        left.keys[0] = signer(STRANGER).public();
    }),
];

fn left_entries(left: &RedactedReceipt) -> Vec<Vec<u8>> {
    left.log.entries.iter().map(|proved| proved.entry.clone().into_bytes()).collect()
}

/// A log whose entries say something else.
fn relog(left: &mut RedactedReceipt, change: fn(&mut Entry)) {
    let changed = |bytes: &Vec<u8>| {
        let mut entry = Entry::decode(bytes).unwrap();
        change(&mut entry);
        entry.encode()
    };
    left.log = proof(&left_entries(left).iter().map(changed).collect::<Vec<_>>(), 0, LOG);
}

/// Lies in how the signed statement of the release is written: a name, the complaint, what is
/// found, and what is put there.
const PAYLOADS: &[(&str, &str, &str, &str)] = &[
    ("a field of no name", "unknown field", "\"notes\":", "\"more\":1,\"notes\":"),
    ("a field twice", "duplicate field", "\"notes\":", "\"notes\":[],\"notes\":"),
    ("no notes", "missing field", "\"notes\":[\"one key was suppressed\"],", ""),
    ("a cost with a fraction", "floating point", "\"rho\":25000000", "\"rho\":25000000.0"),
    ("a cost past 64 bits", "floating point", "\"rho\":25000000", "\"rho\":18446744073709551616"),
    ("a cost below zero", "invalid value", "\"rho\":25000000", "\"rho\":-25000000"),
    ("no known finality", "unknown variant", "\"witnessed\"", "\"sure\""),
    (
        "something after it",
        "trailing characters",
        "\"name\":\"table.json\"}]}",
        "\"name\":\"table.json\"}]}{}",
    ),
    ("half a character", "hex escape", "one key", "\\ud800 key"),
    ("a control character", "control character", "one key", "one\u{1}key"),
    ("a number with a zero before it", "invalid number", "104.25", "0104.25"),
    ("a number without digits", "invalid number", "104.25", "104."),
    ("a number out of range", "out of range", "104.25", "1e400"),
    ("another number in the table", "attested digest", "104.25", "104.26"),
    ("another predicate", "type is another", "dp-release/v1", "dp-release/v2"),
];

/// Signs bytes as the engine would.
fn signed(payload: &[u8], payload_type: &str) -> Envelope {
    let mut envelope = Envelope::sign(&json!(0), &signer(ENGINE)).unwrap();
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    let signature = signer(ENGINE).sign(&[head.as_bytes(), payload].concat());
    envelope.payload_type = payload_type.to_owned();
    envelope.payload = STANDARD.encode(payload);
    envelope.signatures[0].sig = STANDARD.encode(signature);
    envelope
}

/// The signature with the order of the group added to its scalar, which a lax verifier takes.
fn plus_order(signature: &[u8]) -> Vec<u8> {
    // 2^252 + 27742317777372353535851937790883648493, least byte first: RFC 8032, section 5.1.
    let mut order = 27_742_317_777_372_353_535_851_937_790_883_648_493_u128.to_le_bytes().to_vec();
    order.resize(31, 0);
    order.push(0x10);
    let mut carry = 0;
    let mut out = signature[..32].to_vec();
    for (byte, more) in signature[32..].iter().zip(order) {
        let sum = u16::from(*byte) + u16::from(more) + carry;
        out.push(sum.to_le_bytes()[0]);
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
    out
}

fn reorder(receipt: &mut Receipt, order: &[usize]) {
    let entries = written(receipt);
    let entries: Vec<_> = order.iter().map(|at| entries[*at].clone()).collect();
    receipt.log = proof(&entries, 0, LOG);
}

/// A log whose last entry is written in another way.
fn respell(receipt: &mut Receipt, change: fn(&str) -> String) {
    let mut entries = written(receipt);
    let last = String::from_utf8(entries.pop().unwrap()).unwrap();
    assert_ne!(change(&last), last);
    entries.push(change(&last).into_bytes());
    receipt.log = proof(&entries, 0, LOG);
}

fn recosign(receipt: &mut Receipt, witnesses: &[u8]) {
    let (text, lines) = receipt.log.checkpoint.rsplit_once("\n\n").unwrap();
    let note = format!("{text}\n\n{}\n", lines.lines().next().unwrap());
    receipt.log.checkpoint = witness::cosigned(&note, witnesses);
}

/// Brings intent and charge in line with the inputs.
fn relist(case: &mut Case) {
    case.intent.inputs = case.inputs.iter().map(|input| input.attestation.root).collect();
    case.request.inputs = case.intent.inputs.clone();
    case.recommit();
}

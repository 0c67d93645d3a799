//! Policies: which are read, and what they accept.

use super::*;
use crate::cosignature::Cosigner;
use crate::digest::Digest;
use crate::keys::Signer;

const ORIGIN: &str = "example.org/log";

fn log(seed: u8) -> VerifierKey {
    VerifierKey::new(ORIGIN, Signer::from_seed(&[seed; 32]).public()).unwrap()
}

/// Witness `number` of name `w<number>`.
fn cosigner(number: u8) -> Cosigner {
    Cosigner::new(&format!("w{number}.example"), Signer::from_seed(&[100 + number; 32])).unwrap()
}

/// A checkpoint of log 1 with cosignatures of these witnesses.
fn note(witnesses: &[u8]) -> String {
    let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size: 7, root: Digest::sha256(b"7") };
    let mut note = Note::parse(&checkpoint.sign(&Signer::from_seed(&[1; 32]))).unwrap();
    for number in witnesses {
        note.add(cosigner(*number).cosign(note.text(), 1000 + u64::from(*number))).unwrap();
    }
    note.to_string()
}

/// The lines of six witnesses, the example of the specification, after a line of log 1.
fn example() -> String {
    let witness = |number: u8, name: &str| format!("witness {name} {}\n", cosigner(number).key());
    let witnesses: String = (0..6)
        .zip(["X1", "X2", "X3", "Y1", "Y2", "Y3"])
        .map(|(n, name)| witness(n, name))
        .collect();
    format!(
        "log {}\n\n  # by two organisations\n{witnesses}\tgroup X-witnesses  2 X1 X2 X3\n\
         group Y-witnesses any Y1 Y2 Y3\ngroup X-and-Y all X-witnesses Y-witnesses\n\
         quorum X-and-Y\n",
        log(1)
    )
}

fn fault<T: std::fmt::Debug>(result: Result<T, LedgerError>) -> Untrusted {
    match result {
        Err(LedgerError::Untrusted { fault, .. }) => fault,
        other => panic!("{other:?}"),
    }
}

fn detail(text: &str) -> String {
    match Policy::parse(text) {
        Err(LedgerError::Malformed { what: "policy", detail }) => detail,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn the_example_of_the_specification_accepts_what_it_says() {
    let policy = Policy::parse(&example()).unwrap();
    assert_eq!((policy.logs().len(), policy.witnesses().len()), (1, 6));
    for set in 0..64_u8 {
        let witnesses: Vec<u8> = (0..6).filter(|number| set >> number & 1 == 1).collect();
        let x = witnesses.iter().filter(|number| **number < 3).count();
        let y = witnesses.len() - x;
        let verified = policy.verify(&note(&witnesses), None, "here");
        if x >= 2 && y >= 1 {
            let approved = verified.unwrap();
            assert_eq!(approved.checkpoint.size, 7);
            assert_eq!(approved.cosigned.len(), witnesses.len());
        } else {
            assert_eq!(fault(verified), Untrusted::Quorum { has: witnesses.len() });
        }
    }
    let approved = policy.verify(&note(&[0, 2, 5]), Some(&log(1)), "here").unwrap();
    let names = [("X1", 1000), ("X3", 1002), ("Y3", 1005)];
    assert_eq!(approved.cosigned, names.map(|(name, time)| (name.to_owned(), time)));
}

#[test]
fn a_policy_without_logs_takes_the_one_that_is_known() {
    let policy = Policy::parse("quorum none\n").unwrap();
    assert_eq!(policy.verify(&note(&[]), Some(&log(1)), "here").unwrap().cosigned, []);
    assert_eq!(fault(policy.verify(&note(&[]), None, "here")), Untrusted::Signer);
    assert_eq!(fault(policy.verify(&note(&[]), Some(&log(2)), "here")), Untrusted::Signer);
    let other = Policy::parse(&format!("log {}\nquorum none\n", log(2))).unwrap();
    assert_eq!(fault(other.verify(&note(&[]), None, "here")), Untrusted::Signer);
    assert_eq!(fault(other.verify(&note(&[]), Some(&log(1)), "here")), Untrusted::Signer);
}

#[test]
fn a_wrong_cosignature_spoils_the_note() {
    let text = format!("witness a {}\nquorum none\n", cosigner(0).key());
    let policy = Policy::parse(&text).unwrap();
    let mut line = Note::parse(&note(&[0])).unwrap().signatures()[1].clone();
    // Another message: the time is not the one that was signed.
    line.signature[7] ^= 1;
    let verified = policy.verify(&format!("{}{line}\n", note(&[])), Some(&log(1)), "here");
    assert_eq!(fault(verified), Untrusted::Signature);
}

#[test]
fn errors_name_their_line() {
    let (a, b) = (cosigner(0).key().to_string(), cosigner(1).key().to_string());
    let log = log(1);
    for (text, expected) in [
        ("".to_owned(), "line 1: it does not end with a newline"),
        ("\n".to_owned(), "line 1: it ends without a quorum line"),
        ("quorum none\nquorum none\n".to_owned(), "line 2: there is a quorum already"),
        ("#\nquorum x\n".to_owned(), "line 2: no line above defines \"x\""),
        ("quorum\n".to_owned(), "line 1: it is `quorum <name>`"),
        ("quorum none none\n".to_owned(), "line 1: it is `quorum <name>`"),
        ("Quorum none\n".to_owned(), "line 1: \"Quorum\" is not log, witness, group or quorum"),
        ("quorum none\r\n".to_owned(), "line 1: a control character"),
        (format!("witness none {a}\n"), "line 1: the name none stands for no witness"),
        (format!("witness a {a}\nwitness a {b}\n"), "line 2: \"a\" is defined above"),
        (format!("witness a {a}\nwitness b {a}\n"), "line 2: its key is on a line above"),
        (format!("log {log}\nlog {log}\n"), "line 2: its key is on a line above"),
        (format!("witness a {a}\ngroup g 2 a\n"), "line 2: \"2\" of 1 members"),
        (format!("witness a {a}\ngroup g 0 a\n"), "line 2: \"0\" of 1 members"),
        (format!("witness a {a}\ngroup g 01 a\n"), "line 2: \"01\" of 1 members"),
        (format!("witness a {a}\ngroup g +1 a\n"), "line 2: \"+1\" of 1 members"),
        (format!("witness a {a}\ngroup g all a a\n"), "line 2: \"a\" is in a group already"),
        (format!("witness a {a}\ngroup g all\n"), "line 2: it is `group <name> all|any|<k>"),
        ("group g any g\n".to_owned(), "line 1: no line above defines \"g\""),
        (format!("log {a}\n"), "line 1: verifier key is malformed: of type 4 instead of 1"),
        (format!("witness w {log}\n"), "line 1: verifier key is malformed: of type 1 instead"),
    ] {
        let found = detail(&text);
        assert!(found.starts_with(expected), "{text:?}: {found}");
    }
    // One private key in both roles: a cosignature does not say who made it.
    let both = Cosigner::new("w.example", Signer::from_seed(&[1; 32])).unwrap();
    let text = format!("log {log}\nwitness w {}\nquorum w\n", both.key());
    assert_eq!(detail(&text), "line 2: its key is on a line above");
    let text = format!("witness a {a}\nwitness b {b}\ngroup g any a\ngroup h any a b\nquorum h\n");
    assert_eq!(detail(&text), "line 4: \"a\" is in a group already");
}

#[test]
fn a_truncated_or_flipped_policy_accepts_no_more_keys() {
    let text = example();
    let policy = Policy::parse(&text).unwrap();
    for cut in (0..text.len()).filter(|cut| text.is_char_boundary(*cut)) {
        assert!(Policy::parse(&text[..cut]).is_err(), "{}", &text[..cut]);
    }
    // A flipped bit of a key is seen, for its id is beside it. Elsewhere it may make another
    // policy, but of the same keys.
    let keys = |policy: &Policy| {
        let logs: Vec<_> = policy.logs.iter().map(|log| log.key.clone()).collect();
        let witnesses: Vec<_> = policy.witnesses.iter().map(|line| line.key.clone()).collect();
        (logs, witnesses)
    };
    let (logs, witnesses) = keys(&policy);
    for bit in 0..text.len() * 8 {
        let mut bytes = text.clone().into_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let Some(read) = String::from_utf8(bytes).ok().and_then(|text| Policy::parse(&text).ok())
        else {
            continue;
        };
        let (its_logs, its_witnesses) = keys(&read);
        assert!(its_logs.iter().all(|key| logs.contains(key)), "bit {bit}");
        assert!(its_witnesses.iter().all(|key| witnesses.contains(key)), "bit {bit}");
    }
}

//! A fuzzer for stable Rust: seeded, so that a run that fails can be had again.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::charge::{Attestation, ChargeRequest, Opening};
use crate::cost::{Cost, Delta, Rho};
use crate::dice::Dice;
use crate::digest::Digest;
use crate::ledger::Ledger as _;
use crate::memory::MemoryLedger;
use crate::note::Checkpoint;
use crate::receipt::tests::sample;

fn digest(byte: u8) -> Digest {
    Digest::from_bytes([byte; 32])
}

fn entries() -> Vec<Entry> {
    let cost = Cost { rho: Rho::from_nano(5), delta: Delta::from_atto(7) };
    let (account, key) = (digest(2), digest(3));
    let attestation = |root| Attestation { root, account, key, expires_day: 9 };
    let items = vec![(account, cost)];
    let (query, intent, inputs) = (digest(4), digest(5), vec![digest(6)]);
    vec![
        Entry::Open(Opening { account, cap: cost }),
        Entry::Attest(attestation(digest(1))),
        Entry::Supersede { old: digest(1), new: attestation(digest(6)) },
        Entry::Charge(ChargeRequest { query, items, intent, inputs, day: 8 }),
        Entry::Commit { query, round: 0, root: digest(8) },
        Entry::Release { query, commitment: digest(7) },
        Entry::Revoke { root: digest(6) },
    ]
}

/// Bytes that a target accepts.
fn seeds(name: &str) -> Vec<Vec<u8>> {
    let encoded = || entries().into_iter().map(|entry| entry.encode());
    match name {
        "entry" => encoded().collect(),
        "note" => {
            let signer = Signer::from_seed(&LOG_SEED);
            let sign = |size| Checkpoint { origin: ORIGIN.to_owned(), size, root: digest(1) };
            let notes = [0, 1, 70_000].map(|size| sign(size).sign(&signer));
            let more = format!("{}\u{2014} other.example AAAAAAAA\n", notes[1]);
            notes.into_iter().chain([more]).map(String::into_bytes).collect()
        }
        "proof" => {
            let ledger = MemoryLedger::new().unwrap();
            for (of, expires_day) in [(2, 9), (3, 9), (4, 9)] {
                let (account, cap) =
                    (digest(of), Cost { rho: Rho::from_nano(5), ..Cost::default() });
                ledger.open_account(&Opening { account, cap }).unwrap();
                let (root, key) = (digest(10 + of), digest(3));
                ledger.attest(&Attestation { root, account, key, expires_day }).unwrap();
            }
            let proof = ledger.proof(&[0, 3, 5]).unwrap();
            vec![serde_json::to_vec(&proof).unwrap()]
        }
        "receipt" => vec![serde_json::to_vec(&sample()).unwrap()],
        _ => {
            let mut frames = Vec::new();
            for entry in encoded() {
                frames.extend(u32::try_from(entry.len()).unwrap().to_le_bytes());
                frames.extend([0; 4]);
                frames.extend(entry);
            }
            vec![recovered::with_checksums(&frames), frames]
        }
    }
}

/// Changes bytes as a careless or a clever stranger might.
fn mutate(bytes: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    for _ in 0..=dice.below(4) {
        let at = dice.below(bytes.len() + 1);
        let end = (at + 1 + dice.below(40)).min(bytes.len());
        match dice.below(9) {
            0 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            1 if at < bytes.len() => bytes[at] = u8::try_from(dice.below(256)).unwrap(),
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..end)),
            4 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            5 if !other.is_empty() => {
                let from = dice.below(other.len());
                let to = (from + 1 + dice.below(200)).min(other.len());
                bytes.splice(at..at, other[from..to].iter().copied());
            }
            6 => {
                let words = WORDS[dice.below(WORDS.len())];
                bytes.splice(at..end.min(at + dice.below(words.len() + 1)), words.iter().copied());
            }
            7 => {
                // A digit of a number, which stays one.
                let digits: Vec<_> =
                    (0..bytes.len()).filter(|at| bytes[*at].is_ascii_digit()).collect();
                if !digits.is_empty() {
                    let at = digits[dice.below(digits.len())];
                    bytes[at] = b'0' + u8::try_from(dice.below(10)).unwrap();
                }
            }
            _ => bytes.insert(at, u8::try_from(dice.below(256)).unwrap()),
        }
    }
}

const WORDS: [&[u8]; 14] = [
    b"0",
    b"-1",
    b"1e9",
    b"18446744073709551615",
    b"18446744073709551616",
    b"null",
    b"[]",
    b"{}",
    b"\"\"",
    b"\n\n",
    b"\\u0000",
    "\u{2014} ".as_bytes(),
    &[0xff; 8],
    &[0; 8],
];

#[test]
fn every_seed_is_accepted() {
    for (name, target) in TARGETS {
        for (number, seed) in seeds(name).iter().enumerate() {
            assert!(target(seed), "{name} {number}: {}", String::from_utf8_lossy(seed));
            if let Ok(directory) = std::env::var("GRAUNT_FUZZ_CORPUS") {
                let directory = std::path::Path::new(&directory).join(name);
                std::fs::create_dir_all(&directory).unwrap();
                std::fs::write(directory.join(format!("seed-{number}")), seed).unwrap();
            }
        }
    }
}

#[test]
fn no_bytes_make_a_parser_panic() {
    let runs = std::env::var("GRAUNT_FUZZ_RUNS").map_or(1_500, |text| text.parse().unwrap());
    for (name, target) in TARGETS {
        let seeds = seeds(name);
        let mut accepted = 0;
        for run in 0..runs {
            let mut dice = Dice(run);
            let mut bytes = seeds[dice.below(seeds.len())].clone();
            mutate(&mut bytes, &seeds[dice.below(seeds.len())], &mut dice);
            match catch_unwind(AssertUnwindSafe(|| target(&bytes))) {
                Ok(is_accepted) => accepted += u64::from(is_accepted),
                Err(_) => panic!("{name}, run {run}: {}", String::from_utf8_lossy(&bytes)),
            }
        }
        println!("{name}: {runs} runs, {accepted} accepted");
    }
}

//! A log whose bytes were changed or cut, by accident or by someone.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::tests::{ORIGIN, charge, cost, digest, places, signer};
use super::wal::{MAGIC, frame};
use super::{Core, Entry, LedgerError, LogLedger, State};
use crate::charge::{Admission, Attestation, Finality, Opening};
use crate::disk::simulated::Simulated;
use crate::error::Untrusted;
use crate::ledger::Ledger as _;
use crate::log::commit::{CHECKPOINT, WAL};
use crate::note::VerifierKey;
use crate::proof::LogProof;

const LOG: &str = "/log";
const WITNESS: &str = "/elsewhere/witness";
const CHARGES: u32 = 12;

/// The files of a log, and a proof of all its entries.
#[derive(Clone, Debug)]
struct Files {
    wal: Vec<u8>,
    checkpoint: Vec<u8>,
    witness: Vec<u8>,
    proof: Vec<u8>,
}

fn witness() -> Option<PathBuf> {
    Some(PathBuf::from(WITNESS))
}

fn file(name: &str) -> PathBuf {
    Path::new(LOG).join(name)
}

/// An account, an extract, charges, one of them released.
fn written() -> Files {
    let disk = Simulated::new(0);
    let at = Arc::new(disk.clone());
    let log = LogLedger::create_on(at, Path::new(LOG), ORIGIN, signer(), witness()).unwrap();
    let account = digest(b'a', 0);
    log.open_account(&Opening { account, cap: cost(100) }).unwrap();
    let (root, key) = (digest(b'x', 0), digest(b'k', 0));
    log.attest(&Attestation { root, account, key, expires_day: 9 }).unwrap();
    for number in 0..CHARGES {
        let admission = log.charge(&charge(number, 2), Finality::Witnessed).unwrap();
        if let (0, Admission::Granted(charged)) = (number, admission) {
            log.release(charged, digest(b'r', 0)).unwrap();
        }
    }
    let proof = log.proof(&(0..log.len().unwrap()).collect::<Vec<_>>()).unwrap();
    let bytes = |path: &Path| disk.bytes(path).unwrap();
    Files {
        wal: bytes(&file(WAL)),
        checkpoint: bytes(&file(CHECKPOINT)),
        witness: bytes(Path::new(WITNESS)),
        proof: serde_json::to_vec(&proof).unwrap(),
    }
}

/// Opens a log with these files, and gives its state and bytes.
fn opened(files: &Files) -> Result<(State, Vec<Vec<u8>>), LedgerError> {
    let disk = Simulated::new(0);
    disk.put(&file(WAL), &files.wal);
    disk.put(&file(CHECKPOINT), &files.checkpoint);
    disk.put(Path::new(WITNESS), &files.witness);
    let mut core = Core::open(Arc::new(disk), Path::new(LOG), signer(), witness().into())?;
    let state = core.read(State::clone)?;
    let entries = core.entries(0, state.count())?;
    Ok((state, entries))
}

fn proved(proof: &[u8], vkey: &str) -> Option<Vec<(u64, Entry)>> {
    serde_json::from_slice::<LogProof>(proof).ok()?.verify(Some(vkey)).ok()
}

fn is_refusal(error: &LedgerError) -> bool {
    matches!(error, LedgerError::Untrusted { .. } | LedgerError::Malformed { .. })
}

/// P24: a checksum is against accidents only, so each of these must fail by the signature.
#[test]
fn every_flipped_bit_is_detected_or_changes_nothing() {
    let files = written();
    let whole = opened(&files).unwrap();
    let vkey = VerifierKey::new(ORIGIN, signer().public()).unwrap().to_string();
    let entries = proved(&files.proof, &vkey).unwrap();
    let lengths = [&files.wal, &files.checkpoint, &files.witness, &files.proof].map(Vec::len);
    let bits = 8 * lengths.iter().sum::<usize>();
    assert!(bits > 100_000 && bits % STRIDE != 0);
    let flips = std::env::var("GRAUNT_FLIPS").map_or(1_500, |text| text.parse().unwrap());
    let mut harmless = 0;
    for flip in 0..flips.min(bits) {
        let bit = flip * STRIDE % bits;
        let (mut wrong, mut at) = (files.clone(), bit / 8);
        let parts = [&mut wrong.wal, &mut wrong.checkpoint, &mut wrong.witness, &mut wrong.proof];
        for part in parts {
            if at < part.len() {
                part[at] ^= 1 << (bit % 8);
                break;
            }
            at -= part.len();
        }
        if wrong.proof != files.proof {
            if let Some(found) = proved(&wrong.proof, &vkey) {
                assert_eq!(found, entries, "bit {bit}");
                harmless += 1;
            }
            continue;
        }
        match opened(&wrong) {
            Ok(found) => {
                assert_eq!(found, whole, "bit {bit}");
                harmless += 1;
            }
            Err(error) => assert!(is_refusal(&error), "bit {bit}: {error:?}"),
        }
    }
    println!("{flips} flips of {bits} bits, {harmless} of them harmless");
}

/// P24: every entry that was acknowledged is under a signed checkpoint, so whoever changes one and
/// repairs its checksum is found out.
#[test]
fn an_edit_of_any_entry_with_a_repaired_checksum_is_detected() {
    let files = written();
    let places = places(&files.wal);
    for pair in places.windows(2) {
        let mut entry = files.wal[pair[0] + 8..pair[1]].to_vec();
        let middle = entry.len() / 2;
        entry[middle] ^= 1;
        let mut wal = files.wal[..pair[0]].to_vec();
        frame(&entry, &mut wal).unwrap();
        wal.extend(&files.wal[pair[1]..]);
        let error = opened(&Files { wal, ..files.clone() }).unwrap_err();
        assert!(matches!(error, LedgerError::Untrusted { fault: Untrusted::Edited, .. }));
    }
}

/// P10: what is missing of the entries under the signed checkpoint was taken away, and is not a
/// tail that a crash tore.
#[test]
fn a_truncation_at_every_byte_is_detected() {
    let files = written();
    for cut in 0..files.wal.len() {
        let wal = files.wal[..cut].to_vec();
        let error = opened(&Files { wal, ..files.clone() }).unwrap_err();
        let LedgerError::Untrusted { fault, .. } = &error else { panic!("{error:?}") };
        if cut < MAGIC.len() {
            assert_eq!(*fault, Untrusted::Edited);
        } else {
            assert!(matches!(fault, Untrusted::Truncated { .. }), "{fault:?}");
        }
    }
    for cut in 0..files.checkpoint.len() {
        let checkpoint = files.checkpoint[..cut].to_vec();
        let error = opened(&Files { checkpoint, ..files.clone() }).unwrap_err();
        assert!(is_refusal(&error), "{error:?}");
        let witness = files.witness[..cut.min(files.witness.len() - 1)].to_vec();
        let error = opened(&Files { witness, ..files.clone() }).unwrap_err();
        assert!(is_refusal(&error), "{error:?}");
    }
}

/// P10: beyond the signed checkpoint a torn entry is what a crash left; whatever is whole there
/// counts as spent.
#[test]
fn a_last_frame_torn_at_every_byte_is_cut_and_those_before_it_count() {
    let files = written();
    let signed = files.wal.len();
    let mut wal = files.wal.clone();
    for number in [40, 41] {
        frame(&Entry::Charge(charge(number, 1)).encode(), &mut wal).unwrap();
    }
    let last = *places(&wal).iter().rev().nth(1).unwrap();
    for cut in signed..=wal.len() {
        let (state, _) = opened(&Files { wal: wal[..cut].to_vec(), ..files.clone() }).unwrap();
        let whole = u64::from(cut >= last) + u64::from(cut == wal.len());
        let spent = state.balance(digest(b'a', 0)).unwrap().spent;
        assert_eq!(spent.rho.nano(), 2 * u64::from(CHARGES) + whole, "cut at {cut}");
        // Whatever the bytes behind it are.
        let mut garbage = wal[..cut].to_vec();
        garbage.extend([0xff; 30]);
        let (again, _) = opened(&Files { wal: garbage, ..files.clone() }).unwrap();
        assert_eq!(again, state);
    }
}

/// Prime, so that a sample of flips is spread over all files.
const STRIDE: usize = 7_919;

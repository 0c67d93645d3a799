//! What was signed for the chain and is not final yet, on disk before it is sent.
//!
//! ```text
//! graunt-outbox 1 <chain> <contract> <sender> <next nonce>
//! <raw transaction>                                  signed, and perhaps sent
//! final <hash>                                       beyond anyone's power to take back
//! ```
//! A signed transaction is the one thing that can be repeated safely: it is mined once or never,
//! whoever sends it and how often. So it is kept from before its first send until it is final, and
//! what became of it, only its hash decides. One process at a time holds an outbox.
//!
//! It sends nothing; see [`crate::chain::courier`].

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use alloy_primitives::{Address, B256, hex};

use crate::chain::transaction::Sealed;
use crate::durable;
use crate::error::{LedgerError, Untrusted};

/// Whose transactions an outbox holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Owner {
    pub(super) chain_id: u64,
    pub(super) contract: Address,
    pub(super) sender: Address,
}

/// A file of signed transactions.
#[derive(Debug)]
pub(super) struct Outbox {
    path: PathBuf,
    owner: Owner,
    file: File,
    /// Held as long as the outbox.
    _lock: File,
    open: VecDeque<Sealed>,
    next_nonce: u64,
    /// Lines of transactions that are final: when there are many, the file is written anew.
    settled: usize,
    is_poisoned: bool,
}

impl Outbox {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// [`LedgerError::Refused`] if another process has it, [`LedgerError::Untrusted`] if it is of
    /// another key, chain or contract, or was changed, [`LedgerError::Store`].
    pub(super) fn open(path: &Path, owner: Owner) -> Result<Self, LedgerError> {
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            durable::create_directory(parent)?;
        }
        let lock = durable::lock_file(&durable::beside(path, ".lock"))?;
        take(&lock)?;
        durable::create(path, header(owner, 0).as_bytes(), durable::PRIVATE)?;
        let bytes = durable::read(path)?.unwrap_or_default();
        let (open, next_nonce) = read(&bytes, owner, &path.display().to_string())?;
        let file = rewrite(path, owner, &open, next_nonce)?;
        let (path, settled) = (path.to_owned(), 0);
        Ok(Self { path, owner, file, _lock: lock, open, next_nonce, settled, is_poisoned: false })
    }

    /// The transactions that are not final, in the order of their nonces.
    pub(super) const fn waiting(&self) -> &VecDeque<Sealed> {
        &self.open
    }

    /// The least nonce that was never used here.
    pub(super) const fn next_nonce(&self) -> u64 {
        self.next_nonce
    }

    /// Puts a transaction on disk. Only then may it be sent.
    pub(super) fn put(&mut self, transaction: Sealed) -> Result<(), LedgerError> {
        self.write(&format!("{}\n", hex::encode(&transaction.raw)), true)?;
        self.next_nonce = self.next_nonce.max(transaction.nonce + 1);
        self.open.push_back(transaction);
        Ok(())
    }

    /// Forgets a transaction that is final. After a power failure it may be back: it is asked for
    /// once more then, and nothing else.
    pub(super) fn settle(&mut self, hash: B256) -> Result<(), LedgerError> {
        self.write(&format!("{FINAL}{}\n", hex::encode(hash)), false)?;
        self.open.retain(|transaction| transaction.hash != hash);
        self.settled += 1;
        if self.settled >= SETTLED_MAX {
            self.file = rewrite(&self.path, self.owner, &self.open, self.next_nonce)?;
            self.settled = 0;
        }
        Ok(())
    }

    fn write(&mut self, line: &str, is_durable: bool) -> Result<(), LedgerError> {
        if self.is_poisoned {
            return Err(LedgerError::Poisoned);
        }
        // After an error what is in the file is not known, until it is opened again.
        self.is_poisoned = true;
        self.file.write_all(line.as_bytes()).map_err(durable::failed(&self.path, "write"))?;
        if is_durable {
            durable::sync(&self.file, &self.path)?;
        }
        self.is_poisoned = false;
        Ok(())
    }
}

/// Takes the lock. A process that was killed just now, or a child that has not begun its own
/// program yet, may have it for a moment longer.
fn take(lock: &File) -> Result<(), LedgerError> {
    let start = Instant::now();
    while lock.try_lock().is_err() {
        if start.elapsed() >= LOCK_PATIENCE {
            return Err(LedgerError::Refused { rule: "one process at a time sends with a key" });
        }
        std::thread::sleep(LOCK_POLL);
    }
    Ok(())
}

/// Reads the whole file: the transactions that are not final, and the next nonce.
fn read(bytes: &[u8], owner: Owner, place: &str) -> Result<(VecDeque<Sealed>, u64), LedgerError> {
    let untrusted = |fault| LedgerError::Untrusted { place: place.to_owned(), fault };
    let edited = || untrusted(Untrusted::Edited);
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let (head, rest) = text.split_once('\n').ok_or_else(edited)?;
    let nonce = head.rsplit_once(' ').and_then(|(_, nonce)| nonce.parse().ok());
    let mut next_nonce: u64 = nonce.ok_or_else(edited)?;
    if format!("{head}\n") != header(owner, next_nonce) {
        let disagrees = "it is the outbox of another key, chain or contract";
        return Err(untrusted(Untrusted::Disagrees(disagrees)));
    }
    let mut open = VecDeque::new();
    // What comes after the last line was never acknowledged, so never sent.
    let (lines, _torn) = rest.rsplit_once('\n').unwrap_or_default();
    for line in lines.lines() {
        let line = understood(line, owner).ok_or_else(edited)?;
        match line {
            Line::Put(transaction) => {
                next_nonce = next_nonce.max(transaction.nonce + 1);
                open.push_back(transaction);
            }
            Line::Final(hash) => open.retain(|transaction| transaction.hash != hash),
        }
    }
    Ok((open, next_nonce))
}

enum Line {
    Put(Sealed),
    Final(B256),
}

fn understood(line: &str, owner: Owner) -> Option<Line> {
    if let Some(hash) = line.strip_prefix(FINAL) {
        return hash.parse().ok().map(Line::Final);
    }
    let raw = hex::decode(line).ok()?;
    let read = Sealed::decode(raw, owner.chain_id, owner.sender).ok()?;
    (read.to == Some(owner.contract)).then_some(Line::Put(read))
}

/// Writes the file anew, and opens it for what comes.
fn rewrite(
    path: &Path,
    owner: Owner,
    open: &VecDeque<Sealed>,
    next_nonce: u64,
) -> Result<File, LedgerError> {
    let mut text = header(owner, next_nonce);
    for transaction in open {
        text += &hex::encode(&transaction.raw);
        text.push('\n');
    }
    durable::replace(path, text.as_bytes(), durable::PRIVATE)?;
    let mut options = OpenOptions::new();
    options.append(true).mode(durable::PRIVATE);
    options.open(path).map_err(durable::failed(path, "open"))
}

fn header(owner: Owner, next_nonce: u64) -> String {
    let Owner { chain_id, contract, sender } = owner;
    format!("graunt-outbox 1 {chain_id} {contract} {sender} {next_nonce}\n")
}

const FINAL: &str = "final ";

const LOCK_PATIENCE: Duration = Duration::from_secs(1);

const LOCK_POLL: Duration = Duration::from_millis(10);

/// Lines of final transactions after which the file is written anew: half a megabyte of them.
const SETTLED_MAX: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::key::ChainKey;
    use crate::chain::transaction::{Draft, Fees};

    fn key() -> ChainKey {
        ChainKey::from_bytes(&[7; 32]).unwrap()
    }

    fn owner() -> Owner {
        let (contract, sender) = (Address::repeat_byte(2), key().sender());
        Owner { chain_id: 5, contract, sender }
    }

    fn transaction(nonce: u64) -> Sealed {
        let (fees, to) = (Fees::Fixed { price: 0 }, Some(owner().contract));
        let draft = Draft { chain_id: 5, nonce, gas_limit: 9, fees, to, input: vec![1; 40] };
        draft.sign(&key()).unwrap()
    }

    fn nonces(outbox: &Outbox) -> Vec<u64> {
        outbox.waiting().iter().map(|transaction| transaction.nonce).collect()
    }

    #[test]
    fn what_is_not_final_is_there_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/outbox");
        let mut outbox = Outbox::open(&path, owner()).unwrap();
        assert_eq!(outbox.next_nonce(), 0);
        for nonce in [4, 5, 6] {
            outbox.put(transaction(nonce)).unwrap();
        }
        outbox.settle(transaction(4).hash).unwrap();
        outbox.settle(transaction(6).hash).unwrap();
        let taken = Outbox::open(&path, owner()).unwrap_err();
        assert!(matches!(taken, LedgerError::Refused { .. }));
        drop(outbox);
        for _ in 0..2 {
            let outbox = Outbox::open(&path, owner()).unwrap();
            assert_eq!((nonces(&outbox), outbox.next_nonce()), (vec![5], 7));
            assert_eq!(outbox.waiting()[0], transaction(5));
        }
    }

    #[test]
    fn a_torn_end_was_never_sent_and_anything_else_is_an_edit() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("outbox");
        let mut outbox = Outbox::open(&path, owner()).unwrap();
        outbox.put(transaction(0)).unwrap();
        let first = std::fs::read(&path).unwrap().len();
        outbox.put(transaction(1)).unwrap();
        drop(outbox);
        let whole = std::fs::read(&path).unwrap();
        let head = header(owner(), 0).len();
        for cut in head..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let outbox = Outbox::open(&path, owner()).unwrap();
            let expected: &[u64] = if cut < first { &[] } else { &[0] };
            assert_eq!(nonces(&outbox), expected, "{cut}");
        }
        // The last digit of the header is the nonce, of which the chain knows better.
        for at in (0..first).filter(|at| *at != head - 2) {
            let mut wrong = whole.clone();
            wrong[at] ^= 1;
            std::fs::write(&path, &wrong).unwrap();
            let error = Outbox::open(&path, owner()).unwrap_err();
            assert!(matches!(error, LedgerError::Untrusted { .. }), "{at}");
        }
    }

    #[test]
    fn it_belongs_to_one_key_chain_and_contract() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("outbox");
        drop(Outbox::open(&path, owner()).unwrap());
        let other = Address::repeat_byte(9);
        for owner in [
            Owner { chain_id: 6, ..owner() },
            Owner { contract: other, ..owner() },
            Owner { sender: other, ..owner() },
        ] {
            let error = Outbox::open(&path, owner).unwrap_err();
            assert!(matches!(error, LedgerError::Untrusted { .. }));
        }
    }

    #[test]
    fn it_does_not_grow_for_ever() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("outbox");
        let mut outbox = Outbox::open(&path, owner()).unwrap();
        let sealed = transaction(0);
        for _ in 0..SETTLED_MAX {
            outbox.put(sealed.clone()).unwrap();
            outbox.settle(sealed.hash).unwrap();
        }
        let length = std::fs::metadata(&path).unwrap().len();
        assert_eq!(length, header(owner(), 1).len() as u64);
    }
}

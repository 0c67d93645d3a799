//! A log's side of one witness.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::cosignature::CosignerKey;
use crate::error::{LedgerError, Untrusted};
use crate::note::{NOTE_BYTES_MAX, Note, SignatureLine};
use crate::tree::Tree;
use crate::web::Web;
use crate::witnessing::Client;
use crate::witnessing::request::{AddCheckpoint, decimal};
use crate::witnessing::server::SIZE;

/// What a witness said, as far as it can be used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Said {
    /// It cosigned, verifiably.
    Cosigned(SignatureLine),
    /// It has this size, and wants a proof from there.
    Has(u64),
}

impl Client {
    /// Makes a client of the witness with this key at `url`, the prefix before `/add-checkpoint`.
    /// `timeout` is of one request.
    ///
    /// # Errors
    /// [`LedgerError::Malformed`] for an address that does not begin with `http://`.
    pub fn new(key: CosignerKey, url: &str, timeout: Duration) -> Result<Self, LedgerError> {
        Ok(Self { key, web: Web::new(url, timeout)?, size: AtomicU64::new(0) })
    }

    /// The witness's key.
    pub const fn key(&self) -> &CosignerKey {
        &self.key
    }

    /// Has a signed checkpoint of the whole `tree` cosigned, and gives the verified line.
    ///
    /// # Errors
    /// [`Untrusted::RolledBack`] if the witness has seen more, [`Untrusted::Forked`] if it says
    /// that the tree does not continue what it has seen, [`Untrusted::Signer`] or
    /// [`Untrusted::Signature`] if it answers with anything but its own cosignature,
    /// [`LedgerError::Answered`] for other refusals, [`LedgerError::Unreachable`].
    pub fn cosign(&self, note: &Note, tree: &Tree) -> Result<SignatureLine, LedgerError> {
        let mut old = self.first_guess(tree.len());
        for _ in 0..ROUNDS_MAX {
            match self.ask(&request(note, tree, old), tree.len())? {
                Said::Cosigned(line) => return Ok(line),
                Said::Has(size) => old = size,
            }
        }
        Err(self.undecided())
    }

    /// The size to ask with first.
    pub(super) fn first_guess(&self, size: u64) -> u64 {
        self.size.load(Ordering::SeqCst).min(size)
    }

    /// The error for a witness that tells another size each time.
    pub(super) fn undecided(&self) -> LedgerError {
        let detail = format!("{} tells another size each time", self.web.prefix());
        LedgerError::Malformed { what: "witness's answer", detail }
    }

    /// Asks once about a checkpoint of `size` entries.
    pub(super) fn ask(&self, request: &AddCheckpoint, size: u64) -> Result<Said, LedgerError> {
        let place = self.web.prefix();
        let untrusted = |fault| LedgerError::Untrusted { place: place.to_owned(), fault };
        let answer = self.web.send("add-checkpoint", &request.encode(), NOTE_BYTES_MAX)?;
        let text = String::from_utf8(answer.body).unwrap_or_default();
        match answer.status {
            200 => {
                let line = self.find(request.note.text(), &text, place)?;
                self.size.store(size, Ordering::SeqCst);
                Ok(Said::Cosigned(line))
            }
            409 if answer.content_type == SIZE => {
                let told = text.strip_suffix('\n').and_then(decimal);
                let told = told.ok_or_else(|| LedgerError::Malformed {
                    what: "witness's answer",
                    detail: format!("{place} tells no size"),
                })?;
                if told > size {
                    return Err(untrusted(Untrusted::RolledBack { seen: told, found: size }));
                }
                self.size.store(told, Ordering::SeqCst);
                Ok(Said::Has(told))
            }
            // 409 without a size is how earlier versions of the protocol say that roots differ.
            409 | 422 => Err(untrusted(Untrusted::Forked)),
            status => Err(LedgerError::Answered { url: place.to_owned(), status }),
        }
    }

    /// This witness's verified line among those of an answer; others are passed over.
    fn find(&self, text: &str, answer: &str, place: &str) -> Result<SignatureLine, LedgerError> {
        let lines = answer.lines().filter_map(|line| SignatureLine::parse(line).ok());
        let mut ours = lines.filter(|line| line.is_of(self.key.name(), self.key.id()));
        let line = ours.next().ok_or_else(|| LedgerError::Untrusted {
            place: place.to_owned(),
            fault: Untrusted::Signer,
        })?;
        self.key.verify_line(text, &line, place)?;
        Ok(line)
    }
}

/// The request with the proof from a size to the whole of a tree.
pub(super) fn request(note: &Note, tree: &Tree, old: u64) -> AddCheckpoint {
    let proof = tree.consistency(old, tree.len()).unwrap_or_default();
    AddCheckpoint { old, proof, note: note.clone() }
}

/// How often a witness is asked about one checkpoint: with a guess, with what it tells, and once
/// more each if others ask it at the same time.
pub(super) const ROUNDS_MAX: usize = 4;

//! Which logs are believed, and how many of which witnesses must have cosigned: a file that people
//! write.
//!
//! ```text
//! log example.org/graunt+…
//! witness north witness.north.example+… http://127.0.0.1:7001
//! witness south witness.south.example+…
//! witness west mirror.west.example+…
//! group all-sites 2 north south west
//! quorum all-sites
//! ```
//! A policy counts keys. That two witnesses are not run by the same people is for its author to
//! know: two witnesses of one operator are one.
//!
//! # Source
//! C2SP tlog-policy. Narrower than it: text is UTF-8, keys are Ed25519, and no key may be of a log
//! and of a witness, for an Ed25519 cosignature does not say who made it.

mod parse;

use std::path::Path;

use crate::cosignature::CosignerKey;
use crate::durable;
use crate::error::{LedgerError, Untrusted};
use crate::note::{Checkpoint, Note, VerifierKey};

/// A policy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Policy {
    logs: Vec<LogLine>,
    witnesses: Vec<WitnessLine>,
    /// Witnesses and groups in the order of their lines; members come before their groups.
    nodes: Vec<Node>,
    /// What must be met; `None` for no cosignatures at all.
    quorum: Option<usize>,
}

/// A log that is believed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogLine {
    /// Its key.
    pub key: VerifierKey,
    /// Where it is read, if that was written.
    pub url: Option<String>,
}

/// A witness that counts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WitnessLine {
    /// Its name in the policy.
    pub name: String,
    /// Its key.
    pub key: CosignerKey,
    /// Where it is asked: the prefix before `/add-checkpoint`.
    pub url: Option<String>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Node {
    /// Index of a witness.
    Witness(usize),
    /// How many of the members, which are indices of nodes, are needed.
    Group { need: usize, members: Vec<usize> },
}

/// A checkpoint that a policy accepts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Approved {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// Names of the witnesses that cosigned, and when, in seconds since 1970.
    pub cosigned: Vec<(String, u64)>,
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// [`LedgerError::Malformed`] with the number of the line.
    pub fn parse(text: &str) -> Result<Self, LedgerError> {
        parse::parse(text)
    }

    /// Reads a policy from a file.
    ///
    /// # Errors
    /// As [`Policy::parse`]; [`Untrusted::Missing`], [`LedgerError::Store`].
    pub fn load(path: &Path) -> Result<Self, LedgerError> {
        let bytes = durable::read(path)?.ok_or_else(|| LedgerError::Untrusted {
            place: path.display().to_string(),
            fault: Untrusted::Missing,
        })?;
        let text = String::from_utf8(bytes).map_err(|_| LedgerError::Malformed {
            what: "policy",
            detail: format!("{} is not UTF-8", path.display()),
        })?;
        Self::parse(&text)
    }

    /// The logs; none if they are known from elsewhere.
    pub fn logs(&self) -> &[LogLine] {
        &self.logs
    }

    /// The witnesses, in the order of their lines.
    pub fn witnesses(&self) -> &[WitnessLine] {
        &self.witnesses
    }

    /// Whether the witnesses that have cosigned, given one by one, are enough.
    pub fn is_met_by(&self, has_cosigned: impl Fn(usize) -> bool) -> bool {
        let mut met = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            met.push(match node {
                Node::Witness(index) => has_cosigned(*index),
                Node::Group { need, members } => {
                    members.iter().filter(|member| met.get(**member) == Some(&true)).count()
                        >= *need
                }
            });
        }
        self.quorum.is_none_or(|quorum| met.get(quorum) == Some(&true))
    }

    /// Verifies the cosignatures on a note: the time of each witness's, in the order of their
    /// lines.
    ///
    /// # Errors
    /// [`Untrusted::Signature`] if one that says it is of a witness here does not verify.
    pub fn cosignatures(&self, note: &Note, place: &str) -> Result<Vec<Option<u64>>, LedgerError> {
        self.witnesses.iter().map(|witness| witness.key.verify(note, place)).collect()
    }

    /// Verifies a note: signed by a log, cosigned by enough witnesses. `known` is the log's key
    /// where that is known; if the policy lists logs it must be one of them.
    ///
    /// # Errors
    /// As [`VerifierKey::open`]; [`Untrusted::Signer`] if no log is listed and none known;
    /// [`Untrusted::Quorum`] for too few cosignatures, [`Untrusted::Signature`] for a wrong one.
    pub fn verify(
        &self,
        note: &str,
        known: Option<&VerifierKey>,
        place: &str,
    ) -> Result<Approved, LedgerError> {
        let untrusted = |fault| LedgerError::Untrusted { place: place.to_owned(), fault };
        let note = Note::parse(note)?;
        let is_listed = |key: &VerifierKey| self.logs.iter().any(|log| log.key == *key);
        let key = match known {
            Some(key) if self.logs.is_empty() || is_listed(key) => Some(key),
            Some(_) => None,
            None => self.logs.iter().map(|log| &log.key).find(|key| key.line(&note).is_some()),
        };
        let key = key.ok_or_else(|| untrusted(Untrusted::Signer))?;
        let checkpoint = key.verify(&note, place)?;
        Ok(Approved { checkpoint, cosigned: self.enough(&note, place)? })
    }

    /// Names of the witnesses that cosigned a note, and when, if they are enough. Whose log it is
    /// of is not looked at.
    ///
    /// # Errors
    /// [`Untrusted::Quorum`] for too few cosignatures, [`Untrusted::Signature`] for a wrong one.
    pub fn enough(&self, note: &Note, place: &str) -> Result<Vec<(String, u64)>, LedgerError> {
        let times = self.cosignatures(note, place)?;
        let names = self.witnesses.iter().map(|witness| witness.name.clone());
        let cosigned: Vec<_> =
            names.zip(&times).filter_map(|(name, time)| Some((name, (*time)?))).collect();
        if self.is_met_by(|index| matches!(times.get(index), Some(Some(_)))) {
            return Ok(cosigned);
        }
        let fault = Untrusted::Quorum { has: cosigned.len() };
        Err(LedgerError::Untrusted { place: place.to_owned(), fault })
    }
}

#[cfg(test)]
mod tests;

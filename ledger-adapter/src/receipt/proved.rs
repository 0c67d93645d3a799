//! The entries of a proof that was verified, and what can be looked up among them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::charge::{Attestation, ChargeRequest, Opening};
use crate::cost::Cost;
use crate::digest::Digest;
use crate::entry::Entry;
use crate::error::{LedgerError, Untrusted};
use crate::keys::PublicKey;
use crate::manifest::Manifest;
use crate::statement::{EXTRACT_TYPE, Envelope, Statement};

/// Entries with their indices, under one signed checkpoint, and the keys of those who may sign.
#[derive(Clone, Copy, Debug)]
pub(super) struct Proved<'a> {
    pub(super) entries: &'a [(u64, Entry)],
    pub(super) keys: &'a [PublicKey],
    /// Keys that attest nothing from an index on.
    pub(super) retired: &'a BTreeMap<Digest, u64>,
}

/// An extract that a charge names, with everything checked that can be.
#[derive(Clone, Debug)]
pub(super) struct Input {
    /// Index of the entry that attests it.
    pub(super) index: u64,
    /// Key that attested it and signed its statement.
    pub(super) key: Digest,
    /// What the site says of it.
    pub(super) manifest: Manifest,
}

impl<'a> Proved<'a> {
    /// The one charge of a query.
    pub(super) fn charge(&self, query: Digest) -> Result<(u64, &'a ChargeRequest), LedgerError> {
        let missing = "the charge is not in the proof";
        let found = self.one(
            missing,
            |entry| matches!(entry, Entry::Charge(request) if request.query == query),
        )?;
        match found {
            (index, Entry::Charge(request)) => Ok((*index, request)),
            _ => disagrees(missing),
        }
    }

    /// What an account was opened with.
    pub(super) fn cap(&self, account: Digest) -> Result<Cost, LedgerError> {
        let missing = "the opening of the account is not in the proof";
        let found = self.one(
            missing,
            |entry| matches!(entry, Entry::Open(opening) if opening.account == account),
        )?;
        match found {
            (_, Entry::Open(Opening { cap, .. })) => Ok(*cap),
            _ => disagrees(missing),
        }
    }

    /// The entry that put an extract on the ledger.
    fn attestation(&self, root: Digest) -> Result<(u64, &'a Attestation), LedgerError> {
        let missing = "an extract's attestation is not in the proof";
        let found = self.one(missing, |entry| match entry {
            Entry::Attest(new) | Entry::Supersede { new, .. } => new.root == root,
            _ => false,
        })?;
        match found {
            (index, Entry::Attest(new) | Entry::Supersede { new, .. }) => Ok((*index, new)),
            _ => disagrees(missing),
        }
    }

    /// An extract is attested for a charged account, its statement is signed by the attested key,
    /// and it had not expired on the day of the charge.
    pub(super) fn input(
        &self,
        request: &ChargeRequest,
        root: Digest,
        envelope: &Envelope,
    ) -> Result<Input, LedgerError> {
        let (payload, signers) = envelope.verify_signers(self.keys)?;
        if Digest::sha256(&payload) != root {
            return disagrees("an extract statement is not the attested one");
        }
        let (index, attested) = self.attestation(root)?;
        if !signers.iter().any(|key| key.keyid() == attested.key) {
            return disagrees("an extract statement is signed by another key than attested");
        }
        if self.retired.get(&attested.key).is_some_and(|retired| *retired <= index) {
            return disagrees("an extract is attested by a key after another took its place");
        }
        if !request.items.iter().any(|(account, _)| *account == attested.account) {
            return disagrees("an extract is attested for another account");
        }
        if request.day > attested.expires_day {
            return disagrees("an extract had expired on the day of the charge");
        }
        let manifest = Statement::<Manifest>::from_payload(&payload, EXTRACT_TYPE)?.predicate;
        if manifest.account != attested.account {
            return disagrees("an extract's manifest names another account than attested");
        }
        if manifest.expires_day != attested.expires_day {
            return disagrees("an extract's manifest expires on another day than attested");
        }
        Ok(Input { index, key: attested.key, manifest })
    }

    /// Each committed set of contributions is of this query and within this part of the log, and
    /// the only one of its round.
    pub(super) fn check_sets(&self, query: Digest, within: Range<u64>) -> Result<(), LedgerError> {
        let mut rounds = BTreeSet::new();
        for (index, entry) in self.entries {
            let Entry::Commit { query: of, round, .. } = entry else { continue };
            if *of != query {
                return disagrees("a set of contributions is of another query");
            }
            if !within.contains(index) {
                return disagrees("a set of contributions is not of the time of its query");
            }
            if !rounds.insert(*round) {
                return disagrees("a round has two sets of contributions");
            }
        }
        Ok(())
    }

    /// The one entry that is wanted.
    pub(super) fn one(
        &self,
        missing: &'static str,
        is_wanted: impl Fn(&Entry) -> bool,
    ) -> Result<&'a (u64, Entry), LedgerError> {
        let mut found = self.entries.iter().filter(|(_, entry)| is_wanted(entry));
        match (found.next(), found.next()) {
            (Some(one), None) => Ok(one),
            (None, _) => disagrees(missing),
            (Some(_), Some(_)) => disagrees("the proof has an entry twice"),
        }
    }
}

/// The error for a claim that does not hold.
pub(super) fn disagrees<T>(claim: &'static str) -> Result<T, LedgerError> {
    let fault = Untrusted::Disagrees(claim);
    Err(LedgerError::Untrusted { place: "receipt".to_owned(), fault })
}

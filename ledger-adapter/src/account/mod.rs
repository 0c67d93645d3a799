//! The rules of accounts and extracts: a pure state machine that every ledger replays.
//!
//! ```text
//! open ──▶ account ──charge──▶ charged ──release──▶ released        nothing is ever refunded
//!                              │  └────────redact──────┴──▶ redacted
//!                              └─commit──▶ one set of contributions for each round
//! attest ──▶ active ──supersede──▶ superseded,  active ──revoke──▶ revoked
//! key old ──▶ key new: what old attested stays active; new supersedes it, old attests no more
//! log key old ──▶ log key new: under later entries only new signs
//! ```
//! [`State`] is a fold of entries: no clock, no randomness, no files, no floats. Whoever replays
//! the same entries holds the same balances, so enforcement needs no trust in whoever wrote them.
//! It does not know how final an entry is.

mod log_keys;
mod sets;

use std::collections::{BTreeMap, HashMap, HashSet};

use self::log_keys::LogKeys;
use self::sets::Sets;
use crate::charge::{
    AccountEffect, Attestation, Balance, ChargeRequest, ExtractStatus, Finality, KeyRole,
    KeyRotation, Opening, Outcome, Placed,
};
use crate::cost::Cost;
use crate::digest::Digest;
use crate::entry::{ENTRY_BYTES_MAX, Entry};
use crate::error::{Inactive, LedgerError, Untrusted};

/// What the rules say of an entry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It is new and allowed. Holds what it does to accounts, in the order of a charge's items;
    /// empty for other entries.
    Accepted(Vec<AccountEffect>),
    /// It is on the ledger already, word for word, at this index.
    Repeated(u64),
}

/// Everything the rules need to know of the entries so far.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct State {
    count: u64,
    accounts: HashMap<Digest, Account>,
    queries: HashMap<Digest, Query>,
    sets: Sets,
    extracts: HashMap<Digest, Extract>,
    /// The one active extract of each account and holder of keys.
    active: BTreeMap<(Digest, Digest), Digest>,
    /// Who holds each key that ever attested: the first key of its chain.
    holders: HashMap<Digest, Digest>,
    /// Keys that others took the place of: which, and by what entry.
    retired: HashMap<Digest, (Digest, u64)>,
    log_keys: LogKeys,
}

impl State {
    /// Replays entries from the first.
    ///
    /// # Errors
    /// [`Untrusted::Rule`] with the index of the first entry that is not allowed, or that repeats
    /// another: a ledger never writes a repeated one.
    pub fn replay<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Result<Self, LedgerError> {
        let mut state = Self::default();
        for entry in entries {
            let index = state.count;
            if !matches!(state.apply(entry), Ok(Verdict::Accepted(_))) {
                let fault = Untrusted::Rule { index };
                return Err(LedgerError::Untrusted { place: "log".to_owned(), fault });
            }
        }
        Ok(state)
    }

    /// Number of entries so far: the index of the next.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Decides about an entry, and changes nothing.
    ///
    /// # Errors
    /// [`LedgerError::Refused`] if no balance would make it right, [`LedgerError::Conflict`] if its
    /// name stands for something else, [`LedgerError::Inactive`] for the state of an extract,
    /// [`LedgerError::Exhausted`] if an account does not hold enough; looked for in this order.
    pub fn admit(&self, entry: &Entry) -> Result<Verdict, LedgerError> {
        self.admit_encoded(entry, &entry.encode())
    }

    fn admit_encoded(&self, entry: &Entry, encoding: &[u8]) -> Result<Verdict, LedgerError> {
        match entry {
            Entry::Open(opening) => self.admit_opening(opening),
            Entry::Charge(request) => self.admit_charge(request, encoding),
            Entry::Release { query, commitment } => self.admit_release(*query, *commitment),
            Entry::Attest(new) => self.admit_extract(None, new),
            Entry::Supersede { old, new } => self.admit_extract(Some(*old), new),
            Entry::Revoke { root } => self.admit_revocation(*root),
            Entry::Redact { query } => self.admit_redaction(*query),
            Entry::Commit { query, round, root } => self.admit_set(*query, *round, *root),
            Entry::Key(rotation) => self.admit_rotation(rotation),
        }
    }

    /// Decides about an entry, and adds it if it is accepted.
    ///
    /// # Errors
    /// As [`State::admit`]; nothing has changed then.
    pub fn apply(&mut self, entry: &Entry) -> Result<Verdict, LedgerError> {
        self.apply_encoded(entry, &entry.encode())
    }

    /// As [`State::apply`], for who has what [`Entry::encode`] gives.
    pub(crate) fn apply_encoded(
        &mut self,
        entry: &Entry,
        encoding: &[u8],
    ) -> Result<Verdict, LedgerError> {
        let verdict = self.admit_encoded(entry, encoding)?;
        if let Verdict::Accepted(effects) = &verdict {
            self.add(entry, encoding, effects);
            self.count += 1;
        }
        Ok(verdict)
    }

    /// What became of a query; `finality` is that of the ledger.
    pub fn outcome(&self, query: Digest, finality: Finality) -> Option<Outcome> {
        let query = self.queries.get(&query)?;
        let placed = |index| Placed { index, finality, repeated: false };
        Some(match (query.redaction, query.release) {
            (Some(index), _) => Outcome::Redacted(placed(index)),
            (None, Some((index, commitment))) => Outcome::Released(placed(index), commitment),
            (None, None) => Outcome::Charged(placed(query.index)),
        })
    }

    /// What became of an extract; `finality` is that of the ledger.
    pub fn status(&self, root: Digest, finality: Finality) -> ExtractStatus {
        let Some(extract) = self.extracts.get(&root) else { return ExtractStatus::Unknown };
        match extract.standing {
            Standing::Active => {
                let placed = Placed { index: extract.index, finality, repeated: false };
                ExtractStatus::Active(placed, extract.attestation.expires_day)
            }
            Standing::Superseded(new) => ExtractStatus::Superseded(new),
            Standing::Revoked(_) => ExtractStatus::Revoked,
        }
    }

    /// Active extracts of an account, in order of root.
    pub fn extracts(&self, account: Digest) -> Vec<Digest> {
        let first = (account, Digest::from_bytes([0; 32]));
        let last = (account, Digest::from_bytes([0xff; 32]));
        let mut roots: Vec<_> = self.active.range(first..=last).map(|(_, root)| *root).collect();
        roots.sort_unstable();
        roots
    }

    /// What an account holds; `None` if it was never opened.
    pub fn balance(&self, account: Digest) -> Option<Balance> {
        let account = self.accounts.get(&account)?;
        Some(Balance { cap: account.cap, spent: account.spent, charges: account.charges })
    }

    /// Index of the entry that opened an account.
    pub fn opened_at(&self, account: Digest) -> Option<u64> {
        self.accounts.get(&account).map(|account| account.index)
    }

    /// Index of the entry that put an extract on the ledger, active or not.
    pub fn attested_at(&self, root: Digest) -> Option<u64> {
        self.extracts.get(&root).map(|extract| extract.index)
    }

    /// Index of the entry that charged just this request, word for word; `None` if its query was
    /// never charged.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] if its query was charged by another request.
    pub fn charged(&self, request: &ChargeRequest) -> Result<Option<u64>, LedgerError> {
        let Some(found) = self.queries.get(&request.query) else { return Ok(None) };
        if found.request == Digest::sha256(&Entry::Charge(request.clone()).encode()) {
            Ok(Some(found.index))
        } else {
            Err(LedgerError::Conflict { what: "query" })
        }
    }

    /// Index of the entry that charged a query.
    pub fn charged_at(&self, query: Digest) -> Option<u64> {
        self.queries.get(&query).map(|query| query.index)
    }

    fn admit_opening(&self, opening: &Opening) -> Result<Verdict, LedgerError> {
        if opening.cap.is_zero() {
            return refuse("an account holds something at first");
        }
        if opening.cap.delta.atto() > DELTA_ATTO_ONE {
            return refuse("delta is a probability, at most 1");
        }
        match self.accounts.get(&opening.account) {
            None => Ok(Verdict::Accepted(Vec::new())),
            Some(found) if found.cap == opening.cap => Ok(Verdict::Repeated(found.index)),
            Some(_) => Err(LedgerError::Conflict { what: "account" }),
        }
    }

    fn admit_charge(
        &self,
        request: &ChargeRequest,
        encoding: &[u8],
    ) -> Result<Verdict, LedgerError> {
        check_form(request)?;
        if encoding.len() > ENTRY_BYTES_MAX {
            return refuse("a charge fits into one ledger entry");
        }
        if let Some(found) = self.queries.get(&request.query) {
            return if found.request == Digest::sha256(encoding) {
                Ok(Verdict::Repeated(found.index))
            } else {
                Err(LedgerError::Conflict { what: "query" })
            };
        }
        if request.items.iter().any(|(account, _)| !self.accounts.contains_key(account)) {
            return refuse("an account is opened before it is charged");
        }
        for root in &request.inputs {
            self.check_input(*root, request)?;
        }
        let effects = request.items.iter().map(|(account, cost)| self.effect(*account, *cost));
        Ok(Verdict::Accepted(effects.collect::<Result<_, _>>()?))
    }

    fn check_input(&self, root: Digest, request: &ChargeRequest) -> Result<(), LedgerError> {
        let inactive = |why| LedgerError::Inactive { root, why };
        let found = self.extracts.get(&root).ok_or_else(|| inactive(Inactive::Unattested))?;
        found.check_active(root)?;
        if !request.items.iter().any(|(account, _)| *account == found.attestation.account) {
            return Err(inactive(Inactive::OtherAccount));
        }
        if request.day > found.attestation.expires_day {
            return Err(inactive(Inactive::Expired));
        }
        Ok(())
    }

    fn effect(&self, account: Digest, cost: Cost) -> Result<AccountEffect, LedgerError> {
        let found = self.accounts.get(&account);
        let (cap, spent_before) = found.map_or_else(Default::default, |a| (a.cap, a.spent));
        let spent_after = spent_before.checked_add(cost).filter(|after| after.fits(cap));
        match spent_after {
            Some(spent_after) => {
                Ok(AccountEffect { account, cost, spent_before, spent_after, cap })
            }
            None => {
                let left = cap.checked_sub(spent_before).unwrap_or_default();
                Err(LedgerError::Exhausted { account, asked: cost, left })
            }
        }
    }

    fn admit_release(&self, query: Digest, commitment: Digest) -> Result<Verdict, LedgerError> {
        let Some(found) = self.queries.get(&query) else {
            return refuse("a query is charged before it is released");
        };
        match found.release {
            None if found.redaction.is_some() => refuse("a redacted query is not released"),
            None => Ok(Verdict::Accepted(Vec::new())),
            Some((index, released)) if released == commitment => Ok(Verdict::Repeated(index)),
            Some(_) => Err(LedgerError::Conflict { what: "release" }),
        }
    }

    fn admit_extract(
        &self,
        old: Option<Digest>,
        new: &Attestation,
    ) -> Result<Verdict, LedgerError> {
        if let Some(found) = self.extracts.get(&new.root) {
            if found.attestation != *new || found.replaces != old {
                return Err(LedgerError::Conflict { what: "extract" });
            }
            return found.check_active(new.root).map(|()| Verdict::Repeated(found.index));
        }
        if !self.accounts.contains_key(&new.account) {
            return refuse("an account is opened before extracts are attested for it");
        }
        if self.retired.contains_key(&new.key) {
            return refuse("a key attests nothing after another took its place");
        }
        let Some(old) = old else {
            return if self.active.contains_key(&(new.account, self.holder(new.key))) {
                Err(LedgerError::Conflict { what: "an active extract of this account and key" })
            } else {
                Ok(Verdict::Accepted(Vec::new()))
            };
        };
        let unattested = LedgerError::Inactive { root: old, why: Inactive::Unattested };
        let found = self.extracts.get(&old).ok_or(unattested)?;
        found.check_active(old)?;
        let (account, key) = (found.attestation.account, found.attestation.key);
        if (account, self.holder(key)) != (new.account, self.holder(new.key)) {
            return refuse("an extract is superseded by one of the same account and key holder");
        }
        Ok(Verdict::Accepted(Vec::new()))
    }

    fn admit_revocation(&self, root: Digest) -> Result<Verdict, LedgerError> {
        let unattested = LedgerError::Inactive { root, why: Inactive::Unattested };
        let found = self.extracts.get(&root).ok_or(unattested)?;
        if let Standing::Revoked(index) = found.standing {
            return Ok(Verdict::Repeated(index));
        }
        found.check_active(root).map(|()| Verdict::Accepted(Vec::new()))
    }

    fn admit_redaction(&self, query: Digest) -> Result<Verdict, LedgerError> {
        match self.queries.get(&query) {
            None => refuse("a query is charged before it is redacted"),
            Some(Query { redaction: Some(index), .. }) => Ok(Verdict::Repeated(*index)),
            Some(_) => Ok(Verdict::Accepted(Vec::new())),
        }
    }

    fn admit_rotation(&self, rotation: &KeyRotation) -> Result<Verdict, LedgerError> {
        let KeyRotation { role, old, new } = rotation;
        if *role == KeyRole::Log {
            return self.log_keys.admit(rotation);
        }
        match self.retired.get(old) {
            Some((taken, index)) if taken == new => return Ok(Verdict::Repeated(*index)),
            Some(_) => return Err(LedgerError::Conflict { what: "key" }),
            None => {}
        }
        if !self.holders.contains_key(old) {
            return refuse("a key attests before another takes its place");
        }
        // A key of somebody else would bring two chains, and two active extracts, under one holder.
        if self.holders.contains_key(new) {
            return refuse("a key that takes another's place was never used before");
        }
        Ok(Verdict::Accepted(Vec::new()))
    }

    /// Who holds a key: the first key of its chain.
    fn holder(&self, key: Digest) -> Digest {
        self.holders.get(&key).copied().unwrap_or(key)
    }

    /// Adds an entry that was admitted with these effects.
    fn add(&mut self, entry: &Entry, encoding: &[u8], effects: &[AccountEffect]) {
        let index = self.count;
        match entry {
            Entry::Open(Opening { account, cap }) => {
                let opened = Account { cap: *cap, spent: Cost::default(), charges: 0, index };
                self.accounts.insert(*account, opened);
            }
            Entry::Charge(request) => {
                for effect in effects {
                    if let Some(account) = self.accounts.get_mut(&effect.account) {
                        account.spent = effect.spent_after;
                        account.charges += 1;
                    }
                }
                let request_digest = Digest::sha256(encoding);
                let query =
                    Query { index, request: request_digest, release: None, redaction: None };
                self.queries.insert(request.query, query);
            }
            Entry::Release { query, commitment } => {
                if let Some(query) = self.queries.get_mut(query) {
                    query.release = Some((index, *commitment));
                }
            }
            Entry::Redact { query } => {
                if let Some(query) = self.queries.get_mut(query) {
                    query.redaction = Some(index);
                }
            }
            Entry::Commit { query, round, root } => self.sets.add(*query, *round, *root, index),
            Entry::Attest(new) => self.add_extract(None, new),
            Entry::Supersede { old, new } => self.add_extract(Some(*old), new),
            Entry::Revoke { root } => {
                if let Some(extract) = self.extracts.get_mut(root) {
                    extract.standing = Standing::Revoked(index);
                    let Attestation { account, key, .. } = extract.attestation;
                    let holder = self.holder(key);
                    self.active.remove(&(account, holder));
                }
            }
            Entry::Key(rotation @ KeyRotation { role: KeyRole::Log, .. }) => {
                self.log_keys.add(rotation, index);
            }
            Entry::Key(KeyRotation { role: KeyRole::Site, old, new }) => {
                self.holders.insert(*new, self.holder(*old));
                self.retired.insert(*old, (*new, index));
            }
        }
    }

    fn add_extract(&mut self, replaces: Option<Digest>, new: &Attestation) {
        if let Some(old) = replaces.and_then(|old| self.extracts.get_mut(&old)) {
            old.standing = Standing::Superseded(new.root);
        }
        let holder = self.holder(new.key);
        self.holders.insert(new.key, holder);
        self.active.insert((new.account, holder), new.root);
        let attestation = new.clone();
        let (index, standing) = (self.count, Standing::Active);
        self.extracts.insert(new.root, Extract { index, attestation, replaces, standing });
    }
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Account {
    cap: Cost,
    spent: Cost,
    charges: u64,
    index: u64,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Query {
    index: u64,
    /// SHA-256 of the charge's encoding: enough to tell a repetition from a conflict.
    request: Digest,
    release: Option<(u64, Digest)>,
    redaction: Option<u64>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Extract {
    index: u64,
    attestation: Attestation,
    replaces: Option<Digest>,
    standing: Standing,
}

impl Extract {
    fn check_active(&self, root: Digest) -> Result<(), LedgerError> {
        match self.standing {
            Standing::Active => Ok(()),
            Standing::Superseded(_) => {
                Err(LedgerError::Inactive { root, why: Inactive::Superseded })
            }
            Standing::Revoked(_) => Err(LedgerError::Inactive { root, why: Inactive::Revoked }),
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Standing {
    Active,
    Superseded(Digest),
    Revoked(u64),
}

/// Checks what can be seen in a request alone.
fn check_form(request: &ChargeRequest) -> Result<(), LedgerError> {
    if request.items.is_empty() {
        return refuse("a charge names an account");
    }
    if request.inputs.is_empty() {
        return refuse("a charge names the extracts that are read");
    }
    if request.items.iter().any(|(_, cost)| cost.is_zero()) {
        return refuse("a charge costs something");
    }
    let mut seen = HashSet::new();
    if !request.items.iter().all(|(account, _)| seen.insert(account)) {
        return refuse("a charge names an account once");
    }
    let mut seen = HashSet::new();
    if !request.inputs.iter().all(|root| seen.insert(root)) {
        return refuse("a charge names an extract once");
    }
    Ok(())
}

const fn refuse<T>(rule: &'static str) -> Result<T, LedgerError> {
    Err(LedgerError::Refused { rule })
}

/// A δ of 1.
const DELTA_ATTO_ONE: u64 = 1_000_000_000_000_000_000;

#[cfg(test)]
mod tests;

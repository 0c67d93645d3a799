//! A ledger whose accounts are on a chain, and whose receipts come from a log.
//!
//! ```text
//! rules of the log's state ▶ contract, as final as needed ▶ log        after a crash: outbox ▶ log
//! ```
//! The log knows what this engine recorded; the contract knows what everyone spent. An entry that
//! the log would take and the contract does not is refused. What the chain has and the log has not,
//! because the process was killed in between, is appended before anything else is done.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use alloy_primitives::{Address, B256};

use crate::account::{State, Verdict};
use crate::chain::Network;
use crate::chain::contract::{self, Log, Standing};
use crate::chain::courier::{Courier, Delivery, Step};
use crate::chain::key::ChainKey;
use crate::chain::queue::{Queue, Waiting};
use crate::chain::rpc::Rpc;
use crate::chain::transaction::Sealed;
use crate::charge::{
    Admission, Attestation, Balance, ChargeRequest, Charged, ExtractStatus, Finality, KeyRole,
    KeyRotation, Opening, Outcome, Placed,
};
use crate::digest::Digest;
use crate::entry::Entry;
use crate::error::{LedgerError, Untrusted};
use crate::ledger::Ledger;
use crate::log::LogLedger;
use crate::proof::LogProof;
use crate::store::{Decided, Store as _};

/// A [`Ledger`] on a chain.
pub struct ChainLedger {
    log: LogLedger,
    rpc: Rpc,
    contract: Address,
    need: Finality,
    queue: Queue,
    line: Mutex<Line>,
}

/// One transaction after the other.
#[derive(Debug)]
struct Line {
    courier: Courier,
    /// Acknowledged in this process, and not final: they must stay where they are.
    watched: Vec<B256>,
    /// One of them is gone.
    is_stopped: bool,
}

impl ChainLedger {
    /// Opens the ledger of a key: the log that it records in, and the outbox of what it sent, which
    /// no other process may have open. What the chain has and the log has not is appended first.
    ///
    /// # Errors
    /// [`LedgerError::Chain`], [`LedgerError::Unsettled`] if something that was sent earlier is
    /// still not final, [`LedgerError::Untrusted`] for another chain or contract, an outbox of
    /// another key, or a log that refuses what the chain has; [`LedgerError::Store`].
    pub fn open(
        log: LogLedger,
        network: Network,
        key: ChainKey,
        outbox: &Path,
    ) -> Result<Self, LedgerError> {
        let (need, contract) = (network.need, network.contract.0);
        let courier = Courier::open(network, key, outbox)?;
        let rpc = courier.rpc().clone();
        let line = Mutex::new(Line { courier, watched: Vec::new(), is_stopped: false });
        let ledger = Self { log, rpc, contract, need, queue: Queue::default(), line };
        drop(ledger.caught_up()?);
        Ok(ledger)
    }

    /// The log that this engine's entries are recorded in.
    pub const fn log(&self) -> &LogLedger {
        &self.log
    }

    /// Where a test says when to die.
    #[cfg(test)]
    pub(super) fn dies_at(&self, step: Step) {
        self.line.lock().unwrap().courier.dies_at = Some(step);
    }

    /// Number of charges that wait.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Asks the contract a question.
    fn ask<C: alloy_sol_types::SolCall>(&self, question: &C) -> Result<C::Return, LedgerError> {
        self.rpc.ask(self.contract, question).map_err(LedgerError::Chain)
    }

    /// Decides about an entry other than a charge, executes it on the chain, and records it.
    fn submit(&self, entry: &Entry) -> Result<Decided, LedgerError> {
        let mut line = self.caught_up()?;
        let decided = self.decide(entry)?;
        if decided.repeated {
            return Ok(decided);
        }
        let sealed = line.courier.accept(contract::call(entry))?;
        match line.courier.deliver(&sealed, self.need)? {
            Delivery::Done(_) => {}
            failed => return Err(self.failed(&mut line, &sealed, failed)?),
        }
        let recorded = self.log.submit(entry.clone())?;
        self.close(&mut line, &sealed)?;
        Ok(recorded)
    }

    /// What the log's rules say of an entry.
    fn decide(&self, entry: &Entry) -> Result<Decided, LedgerError> {
        self.log
            .read(|state| state.admit(entry).map(|verdict| Decided::new(verdict, state.count())))?
    }

    /// Charges, together with whatever else waits.
    fn submit_charge(&self, request: &ChargeRequest) -> Result<Decided, LedgerError> {
        let own = self.queue.join(request);
        let Ok(mut line) = self.line.lock() else {
            self.queue.leave(&own);
            return Err(LedgerError::Poisoned);
        };
        // Whoever had the line before may have acted for it.
        own.answered().unwrap_or_else(|| {
            let answer = self.lead(&mut line, &own);
            // While the line is held, or another would act for a charge that nobody awaits.
            self.queue.leave(&own);
            answer
        })
    }

    /// Acts for a charge and for all that may go with it.
    fn lead(&self, line: &mut Line, own: &Arc<Waiting>) -> Result<Decided, LedgerError> {
        self.catch_up(line)?;
        let mut batch = Vec::new();
        for waiting in self.queue.with(own) {
            match self.decide(&Entry::Charge(waiting.request.clone())) {
                Ok(decided) if !decided.repeated => batch.push(waiting),
                settled => self.queue.answer(&waiting, settled),
            }
        }
        let mut requests = batch.iter().map(|waiting| &waiting.request);
        let input = match (requests.len(), requests.next()) {
            (_, None) => None,
            (1, Some(only)) => Some(contract::call(&Entry::Charge(only.clone()))),
            _ => contract::charge_many(batch.iter().map(|waiting| &waiting.request)),
        };
        if let Some(input) = input {
            // If this fails, nothing was sent, and the others try for themselves.
            let sealed = line.courier.accept(input)?;
            self.carry(line, &sealed, &batch)?;
        }
        own.answered().ok_or(LedgerError::Poisoned)?
    }

    /// Delivers a transaction of charges, and answers each.
    fn carry(
        &self,
        line: &mut Line,
        sealed: &Sealed,
        batch: &[Arc<Waiting>],
    ) -> Result<(), LedgerError> {
        let answers = match line.courier.deliver(sealed, self.need) {
            Ok(Delivery::Done(logs)) => self.record_all(line, sealed, batch, &logs),
            // Nothing was charged: the others try for themselves.
            Ok(failed) => return Err(self.failed(line, sealed, failed)?),
            Err(error) => Err(error),
        };
        match answers {
            Ok(answers) => {
                for (waiting, answer) in batch.iter().zip(answers) {
                    self.queue.answer(waiting, answer);
                }
                Ok(())
            }
            Err(error) => {
                let transaction = contract::digest(sealed.hash);
                for waiting in batch {
                    let unsettled = LedgerError::Unsettled { transaction, source: None };
                    self.queue.answer(waiting, Err(unsettled));
                }
                Err(error)
            }
        }
    }

    /// Records those charges of a transaction that the chain has, with what they did there. The
    /// outer error says that the log may lack some, so the transaction stays in the outbox.
    fn record_all(
        &self,
        line: &mut Line,
        sealed: &Sealed,
        batch: &[Arc<Waiting>],
        logs: &[Log],
    ) -> Result<Vec<Result<Decided, LedgerError>>, LedgerError> {
        line.courier.passes(Step::Included)?;
        let mut answers = Vec::new();
        for Waiting { request, .. } in batch.iter().map(AsRef::as_ref) {
            if let Some(error) = contract::rejection(request.query, logs) {
                answers.push(Err(error));
                continue;
            }
            let mut decided = self.log.submit(Entry::Charge(request.clone()))?;
            match contract::effects(request, logs) {
                Some(effects) => decided.effects = effects,
                // It was charged before this log knew of it: noise may have been drawn for it.
                None => decided.repeated = true,
            }
            answers.push(Ok(decided));
        }
        line.courier.passes(Step::Recorded)?;
        self.close(line, sealed)?;
        Ok(answers)
    }

    /// Holds the line, after whatever was sent earlier is done with.
    fn caught_up(&self) -> Result<MutexGuard<'_, Line>, LedgerError> {
        let mut line = self.line.lock().map_err(|_| LedgerError::Poisoned)?;
        self.catch_up(&mut line)?;
        Ok(line)
    }

    fn catch_up(&self, line: &mut Line) -> Result<(), LedgerError> {
        let earlier: Vec<Sealed> = line.courier.outbox.waiting().iter().cloned().collect();
        for sealed in earlier {
            if line.is_stopped || line.watched.contains(&sealed.hash) {
                self.look_again(line, &sealed)?;
                continue;
            }
            match line.courier.deliver(&sealed, self.need)? {
                Delivery::Done(logs) => {
                    self.append(&sealed, &logs)?;
                    self.close(line, &sealed)?;
                }
                // Whoever asked was told, or asks again.
                failed => drop(self.failed(line, &sealed, failed)?),
            }
        }
        Ok(())
    }

    /// Looks whether an acknowledged transaction is still there.
    fn look_again(&self, line: &mut Line, sealed: &Sealed) -> Result<(), LedgerError> {
        if line.is_stopped || !line.courier.is_done(sealed.hash).map_err(LedgerError::Chain)? {
            line.is_stopped = true;
            return Err(self.untrusted(sealed, Untrusted::Equivocated));
        }
        if line.courier.is_final(sealed.hash).map_err(LedgerError::Chain)? {
            line.courier.outbox.settle(sealed.hash)?;
            line.watched.retain(|hash| *hash != sealed.hash);
        }
        Ok(())
    }

    /// Appends to the log what a transaction did on the chain.
    fn append(&self, sealed: &Sealed, logs: &[Log]) -> Result<(), LedgerError> {
        for entry in contract::entries(&sealed.input)? {
            if let Entry::Charge(request) = &entry
                && contract::rejection(request.query, logs).is_some()
            {
                continue;
            }
            self.append_one(sealed, entry)?;
        }
        Ok(())
    }

    fn append_one(&self, sealed: &Sealed, entry: Entry) -> Result<(), LedgerError> {
        let refuses = "the log refuses what the chain has";
        let appended = self.log.submit(entry).map_err(|error| match error {
            LedgerError::Refused { .. }
            | LedgerError::Conflict { .. }
            | LedgerError::Inactive { .. }
            | LedgerError::Exhausted { .. } => {
                self.untrusted(sealed, Untrusted::Disagrees(refuses))
            }
            fault => fault,
        });
        appended.map(drop)
    }

    /// Done with a transaction that did what it says: nothing to do for it any more if it is final.
    fn close(&self, line: &mut Line, sealed: &Sealed) -> Result<(), LedgerError> {
        if self.need == Finality::Final {
            line.courier.outbox.settle(sealed.hash)
        } else {
            line.watched.push(sealed.hash);
            Ok(())
        }
    }

    /// Done with a transaction of which there is no success; gives the reason.
    fn failed(
        &self,
        line: &mut Line,
        sealed: &Sealed,
        failed: Delivery,
    ) -> Result<LedgerError, LedgerError> {
        let (why, found) = match failed {
            Delivery::Reverted(why) => (why, Vec::new()),
            Delivery::Displaced(found) => (no_answer(sealed), found),
            Delivery::Done(_) => (no_answer(sealed), contract::entries(&sealed.input)?),
        };
        let is_displaced = matches!(why, LedgerError::Unsettled { .. });
        for entry in contract::entries(&sealed.input)? {
            if found.contains(&entry) {
                self.append_one(sealed, entry)?;
                continue;
            }
            let repeats = |state: &State| matches!(state.admit(&entry), Ok(Verdict::Repeated(_)));
            if self.log.read(repeats)? {
                let lacks = "the chain has refused what the log has";
                return Err(self.untrusted(sealed, Untrusted::Disagrees(lacks)));
            }
        }
        // Until its block is final, another may come in which it succeeds.
        if is_displaced || line.courier.is_final(sealed.hash).map_err(LedgerError::Chain)? {
            line.courier.outbox.settle(sealed.hash)?;
        }
        Ok(why)
    }

    fn record(&self, entry: &Entry) -> Result<Placed, LedgerError> {
        self.submit(entry).map(|decided| self.placed(&decided))
    }

    const fn placed(&self, decided: &Decided) -> Placed {
        let Decided { index, repeated, .. } = *decided;
        Placed { index, finality: self.need, repeated }
    }

    /// Where the log has something.
    fn at(&self, index: impl FnOnce(&State) -> Option<u64>) -> Result<Option<Placed>, LedgerError> {
        let finality = self.need;
        let placed = |index| Placed { index, finality, repeated: false };
        self.log.read(|state| index(state).map(placed))
    }

    fn untrusted(&self, sealed: &Sealed, fault: Untrusted) -> LedgerError {
        LedgerError::Untrusted { place: format!("transaction {}", sealed.hash), fault }
    }
}

impl Ledger for ChainLedger {
    fn open_account(&self, opening: &Opening) -> Result<Placed, LedgerError> {
        self.record(&Entry::Open(opening.clone()))
    }

    fn charge(&self, request: &ChargeRequest, need: Finality) -> Result<Admission, LedgerError> {
        let has = self.need;
        if has < need {
            return Err(LedgerError::Finality { has, need });
        }
        let decided = self.submit_charge(request)?;
        let placed = self.placed(&decided);
        Ok(if decided.repeated {
            Admission::Repeated(placed)
        } else {
            let effects = decided.effects;
            Admission::Granted(Charged::whole(request.query, placed, effects))
        })
    }

    /// What this engine charged: what others did is not in its log.
    fn charged(&self, request: &ChargeRequest) -> Result<Option<Placed>, LedgerError> {
        drop(self.caught_up()?);
        let index = self.log.read(|state| state.charged(request))??;
        let word = self.ask(&contract::query_of(request.query))?;
        let placed = self.at(|_| index)?;
        agreed(placed, |_| contract::is_charged_by(word, request))
    }

    fn commit(&self, query: Digest, round: u32, root: Digest) -> Result<Placed, LedgerError> {
        self.record(&Entry::Commit { query, round, root })
    }

    /// What this engine committed.
    fn committed(
        &self,
        query: Digest,
        round: u32,
    ) -> Result<Option<(Placed, Digest)>, LedgerError> {
        drop(self.caught_up()?);
        let found = self.log.read(|state| state.committed(query, round, self.need))?;
        let root = contract::digest(self.ask(&contract::set_of(query, round))?);
        agreed(found, |(_, committed)| *committed == root)
    }

    fn outcome(&self, query: Digest) -> Result<Option<Outcome>, LedgerError> {
        // What was sent and had no answer has one by now, or there is still none.
        drop(self.caught_up()?);
        self.log.read(|state| state.outcome(query, self.need))
    }

    fn release(&self, charged: Charged, commitment: Digest) -> Result<Placed, LedgerError> {
        self.record(&Entry::Release { query: charged.into_released()?, commitment })
    }

    fn redact(&self, query: Digest) -> Result<Placed, LedgerError> {
        self.record(&Entry::Redact { query })
    }

    fn attest(&self, attestation: &Attestation) -> Result<Placed, LedgerError> {
        self.record(&Entry::Attest(attestation.clone()))
    }

    fn supersede(&self, old: Digest, new: &Attestation) -> Result<Placed, LedgerError> {
        self.record(&Entry::Supersede { old, new: new.clone() })
    }

    fn revoke(&self, root: Digest) -> Result<Placed, LedgerError> {
        self.record(&Entry::Revoke { root })
    }

    fn rotate(&self, rotation: &KeyRotation) -> Result<Placed, LedgerError> {
        if rotation.role == KeyRole::Log {
            return Err(LedgerError::Refused { rule: "a chain is signed by no key of its own" });
        }
        self.record(&Entry::Key(rotation.clone()))
    }

    /// What the log knows, unless another engine has superseded or revoked the extract since.
    fn status(&self, root: Digest) -> Result<ExtractStatus, LedgerError> {
        let known = self.log.read(|state| state.status(root, self.need))?;
        if !matches!(known, ExtractStatus::Active(..)) {
            return Ok(known);
        }
        Ok(match contract::standing(self.ask(&contract::extract_of(root))?) {
            Standing::Active => known,
            Standing::Unattested => ExtractStatus::Unknown,
            Standing::Revoked => ExtractStatus::Revoked,
            Standing::Superseded => match self.ask(&contract::successor(root))? {
                // What took its place was revoked.
                B256::ZERO => ExtractStatus::Revoked,
                new => ExtractStatus::Superseded(contract::digest(new)),
            },
        })
    }

    fn extracts(&self, account: Digest) -> Result<Vec<Digest>, LedgerError> {
        let mut active = Vec::new();
        for root in self.log.read(|state| state.extracts(account))? {
            if matches!(self.status(root)?, ExtractStatus::Active(..)) {
                active.push(root);
            }
        }
        Ok(active)
    }

    fn attested(&self, root: Digest) -> Result<Option<Placed>, LedgerError> {
        self.at(|state| state.attested_at(root))
    }

    fn opened(&self, account: Digest) -> Result<Option<Placed>, LedgerError> {
        self.at(|state| state.opened_at(account))
    }

    /// What the contract says; the number of charges is that of this engine.
    fn remaining(&self, account: Digest) -> Result<Option<Balance>, LedgerError> {
        let (spent, cap) = contract::balance(self.ask(&contract::account(account))?);
        if cap.is_zero() {
            return Ok(None);
        }
        let charges = self.log.read(|state| state.balance(account))?;
        let charges = charges.map_or(0, |balance| balance.charges);
        Ok(Some(Balance { cap, spent, charges }))
    }

    fn proof(&self, indices: &[u64]) -> Result<LogProof, LedgerError> {
        self.log.proof(indices)
    }
}

/// What the log has, unless the contract lacks it.
fn agreed<T>(found: Option<T>, is_there: impl Fn(&T) -> bool) -> Result<Option<T>, LedgerError> {
    if found.as_ref().is_none_or(is_there) {
        return Ok(found);
    }
    let fault = Untrusted::Disagrees("the chain has not what the log has");
    Err(LedgerError::Untrusted { place: "contract".to_owned(), fault })
}

fn no_answer(sealed: &Sealed) -> LedgerError {
    LedgerError::Unsettled { transaction: contract::digest(sealed.hash), source: None }
}

impl fmt::Debug for ChainLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChainLedger").field("log", &self.log).finish_non_exhaustive()
    }
}

//! Gathers the cosignatures that a policy asks for.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use crate::error::{LedgerError, Untrusted};
use crate::note::{Note, SignatureLine, VerifierKey};
use crate::policy::Policy;
use crate::tree::Tree;
use crate::witnessing::client::{ROUNDS_MAX, Said, request};
use crate::witnessing::request::AddCheckpoint;
use crate::witnessing::{Client, Cosigners, Worker};

/// A request that waits for a worker.
#[derive(Debug)]
pub(super) struct Job {
    request: AddCheckpoint,
    size: u64,
    reply: Sender<(usize, Result<Said, LedgerError>)>,
}

impl Cosigners {
    /// Makes ready to ask those witnesses of a policy that have an address. `timeout` is of one
    /// request; all of them together take at most four times as long.
    ///
    /// # Errors
    /// [`LedgerError::Malformed`] for an address that is none, if the witnesses that have one are
    /// too few, or if the policy asks for none; [`LedgerError::Store`] if no thread can be started.
    pub fn new(policy: Policy, timeout: Duration) -> Result<Self, LedgerError> {
        let bad =
            |detail: &str| LedgerError::Malformed { what: "policy", detail: detail.to_owned() };
        if policy.is_met_by(|_| false) {
            return Err(bad("it asks for no witness, so it makes nothing witnessed"));
        }
        let mut workers = Vec::new();
        for (witness, line) in policy.witnesses().iter().enumerate() {
            let Some(url) = &line.url else { continue };
            let client = Arc::new(Client::new(line.key.clone(), url, timeout)?);
            let (jobs, inbox) = mpsc::channel();
            let (index, asker) = (workers.len(), Arc::clone(&client));
            let thread = std::thread::Builder::new().name("graunt-witness".to_owned());
            // Nobody waits for these threads: they end with the channel and their last request.
            let thread = thread.spawn(move || ask_all(index, &asker, &inbox));
            drop(thread.map_err(|source| LedgerError::Store {
                path: url.into(),
                action: "start a thread",
                source,
            })?);
            workers.push(Worker { witness, client, jobs });
        }
        let can_ask = |witness| workers.iter().any(|worker| worker.witness == witness);
        if !policy.is_met_by(can_ask) {
            return Err(bad("its quorum needs witnesses that have no address"));
        }
        Ok(Self { policy, workers, timeout })
    }

    /// The policy.
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Has the signed checkpoint of a whole `tree` cosigned, and gives the note with as many
    /// verified cosignatures as the policy asks for. Returns as soon as there are enough.
    ///
    /// # Errors
    /// If there are not enough: [`Untrusted::RolledBack`] or [`Untrusted::Forked`] if a witness
    /// says so, else [`LedgerError::Unwitnessed`]. [`Untrusted::Signer`] if the policy lists logs
    /// and this is none of them.
    pub fn gather(
        &self,
        note: &str,
        key: &VerifierKey,
        tree: &Tree,
    ) -> Result<String, LedgerError> {
        let mut note = Note::parse(note)?;
        let (lines, faults) = self.ask(&note, tree);
        for line in lines.into_iter().flatten() {
            note.add(line)?;
        }
        let cosigned = note.to_string();
        match self.policy.verify(&cosigned, Some(key), "cosigned checkpoint") {
            Ok(_) => Ok(cosigned),
            Err(LedgerError::Untrusted { fault: Untrusted::Quorum { .. }, .. }) => {
                Err(self.blame(faults))
            }
            Err(error) => Err(error),
        }
    }

    /// Asks all witnesses, those that tell another size again, until there are enough or none is
    /// left to wait for.
    fn ask(&self, note: &Note, tree: &Tree) -> (Vec<Option<SignatureLine>>, Vec<Fault>) {
        let deadline = Instant::now() + self.timeout * u32::try_from(ROUNDS_MAX).unwrap_or(1);
        let mut lines = vec![None; self.workers.len()];
        let mut rounds = vec![1; self.workers.len()];
        let mut faults = Vec::new();
        let (reply, answers) = mpsc::channel();
        let send = |worker: &Worker, old| {
            let request = request(note, tree, old);
            // A worker that is gone does not answer, which is what the deadline is for.
            drop(worker.jobs.send(Job { request, size: tree.len(), reply: reply.clone() }));
        };
        for worker in &self.workers {
            send(worker, worker.client.first_guess(tree.len()));
        }
        let mut open = self.workers.len();
        while open > 0 && !self.is_enough(&lines) {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok((index, answer)) = answers.recv_timeout(left) else { break };
            let worker = &self.workers[index];
            match answer {
                Ok(Said::Has(size)) if rounds[index] < ROUNDS_MAX => {
                    rounds[index] += 1;
                    send(worker, size);
                    continue;
                }
                Ok(Said::Has(_)) => faults.push((index, worker.client.undecided())),
                Ok(Said::Cosigned(line)) => lines[index] = Some(line),
                Err(error) => faults.push((index, error)),
            }
            open -= 1;
        }
        (lines, faults)
    }

    fn is_enough(&self, lines: &[Option<SignatureLine>]) -> bool {
        self.policy.is_met_by(|witness| {
            let mut cosigned = self.workers.iter().zip(lines).filter(|(_, line)| line.is_some());
            cosigned.any(|(worker, _)| worker.witness == witness)
        })
    }

    /// The worst of what witnesses said.
    fn blame(&self, mut faults: Vec<Fault>) -> LedgerError {
        let is_alarm = |(_, error): &Fault| {
            let fault = match error {
                LedgerError::Untrusted { fault, .. } => fault,
                _ => return false,
            };
            matches!(fault, Untrusted::RolledBack { .. } | Untrusted::Forked)
        };
        if let Some(at) = faults.iter().position(is_alarm) {
            return faults.swap_remove(at).1;
        }
        let say = |(index, error): &Fault| {
            let witness = self.workers.get(*index).map(|worker| worker.witness);
            let line = witness.and_then(|witness| self.policy.witnesses().get(witness));
            format!("{}: {error}", line.map_or("", |line| &line.name))
        };
        let mut detail = faults.iter().map(say).collect::<Vec<_>>().join("; ");
        if detail.is_empty() {
            detail.push_str("no answer in time");
        }
        LedgerError::Unwitnessed { detail }
    }
}

/// What went wrong with the worker of an index.
type Fault = (usize, LedgerError);

/// Asks a witness about the latest checkpoint that waits; nobody waits for the earlier ones.
fn ask_all(index: usize, client: &Client, inbox: &Receiver<Job>) {
    while let Ok(first) = inbox.recv() {
        let job = inbox.try_iter().last().unwrap_or(first);
        let said = client.ask(&job.request, job.size);
        // Whoever asked may have had enough already.
        drop(job.reply.send((index, said)));
    }
}

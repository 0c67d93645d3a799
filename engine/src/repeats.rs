//! Answers that were released already: the same plan over the same extracts at the same price
//! returns them, at no further cost.
//!
//! Answering again with fresh noise would cost again, and tell more. A stored answer is looked at
//! before it is given: it has to be the one that its receipt proves.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use arrow::ipc::reader::FileReader;
use ledger_adapter::digest::Digest;
use ledger_adapter::keys::PublicKey;
use ledger_adapter::receipt::{Receipt, Trust};
use ledger_adapter::statement::{MechanismRecord, RELEASE_TYPE, ReleasePredicate, Statement};
use serde_json::Value;
use tokio::sync::OwnedMutexGuard;

use crate::answer::{Answer, Bound};
use crate::privacy::price::PricedPlan;

/// What makes two questions the same.
#[derive(Debug)]
pub(crate) struct Question {
    plan: Digest,
    inputs: Vec<Digest>,
    account: Digest,
    mechanisms: Vec<MechanismRecord>,
    confidence: f64,
    key: Digest,
}

impl Question {
    /// `None` for a plan whose mechanisms have no text form, which does not happen.
    pub(crate) fn of(
        priced: &PricedPlan,
        inputs: Vec<Digest>,
        account: Digest,
        confidence: f64,
    ) -> Option<Self> {
        let plan = priced.plan.digest;
        let mechanisms = priced.reserved.clone();
        let priced = serde_json::to_vec(&mechanisms).ok()?;
        let mut parts: Vec<&[u8]> = vec![plan.as_bytes(), account.as_bytes(), &priced];
        parts.extend(inputs.iter().map(|input| &input.as_bytes()[..]));
        let confidence_bytes = confidence.to_be_bytes();
        parts.push(&confidence_bytes);
        let key = Digest::labelled("graunt/question/v1", &parts);
        Some(Self { plan, inputs, account, mechanisms, confidence, key })
    }
}

/// A directory of released answers.
#[derive(Clone, Debug)]
pub(crate) struct Releases {
    directory: PathBuf,
    /// The questions that are being answered.
    turns: Arc<Mutex<HashMap<Digest, Weak<Queue>>>>,
}

/// Those who ask the same question.
type Queue = tokio::sync::Mutex<()>;

impl Releases {
    pub(crate) fn at(directory: PathBuf) -> Self {
        Self { directory, turns: Arc::default() }
    }

    /// Waits for whoever asks the same question: what they are charged for is found afterwards.
    pub(crate) async fn turn(&self, question: &Question) -> OwnedMutexGuard<()> {
        let queue = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|_, queue| queue.strong_count() > 0);
            let queue = turns.get(&question.key).and_then(Weak::upgrade).unwrap_or_default();
            turns.insert(question.key, Arc::downgrade(&queue));
            queue
        };
        queue.lock_owned().await
    }

    /// The answer of the same question, if there is one whose receipt proves it.
    pub(crate) fn find(&self, question: &Question, signer: &PublicKey) -> Option<Answer> {
        let (rows, proof) = self.paths(question);
        let receipt = Receipt::load(&proof).ok()?;
        let intent = &receipt.intent;
        let same = intent.plan == question.plan
            && intent.inputs == question.inputs
            && intent.account == question.account
            && intent.mechanisms == question.mechanisms;
        // Whose keys they are is checked below: the release is our own.
        if !same || receipt.verify(&Trust::default()).is_err() {
            return None;
        }
        receipt.release.verify(&[*signer]).ok()?;
        let payload = receipt.release.payload().ok()?;
        let statement = Statement::<ReleasePredicate>::from_payload(&payload, RELEASE_TYPE).ok()?;
        let released = statement.predicate;
        let reader = FileReader::try_new(fs::File::open(rows).ok()?, None).ok()?;
        let schema = reader.schema();
        let batches: Vec<_> = reader.collect::<Result<_, _>>().ok()?;
        let rows = arrow::compute::concat_batches(&schema, &batches).ok()?;
        let bounds = bounds(&released.table.lower, &released.table.upper, rows.num_columns())?;
        let names = released.table.columns.clone();
        let mut answer = Answer::new(names, rows, bounds, question.confidence);
        if answer.released().digest().ok()? != released.table.digest().ok()? {
            return None;
        }
        answer.notes = released.notes;
        answer
            .notes
            .push("answered before: this is the same release, and costs nothing".to_owned());
        answer.receipt = Some(receipt);
        Some(answer)
    }

    /// Keeps an answer. That it cannot be kept costs nobody but who asks again.
    pub(crate) fn keep(&self, question: &Question, answer: &Answer) {
        let (rows, proof) = self.paths(question);
        let mut bytes = Vec::new();
        let Some(receipt) = &answer.receipt else { return };
        let written = answer.write_arrow(&mut bytes, false).is_ok()
            && fs::create_dir_all(&self.directory).is_ok()
            && write(&rows, &bytes);
        if written {
            // Without its proof the answer is not looked at.
            let _ = receipt.save(&proof);
        }
    }

    fn paths(&self, question: &Question) -> (PathBuf, PathBuf) {
        let name = question.key.to_string();
        let file = |end: &str| self.directory.join(format!("{name}.{end}"));
        (file("arrow"), file("receipt.json"))
    }
}

/// Writes a file whole or not at all.
fn write(path: &Path, bytes: &[u8]) -> bool {
    let partial = path.with_extension("partial");
    fs::write(&partial, bytes).is_ok() && fs::rename(&partial, path).is_ok()
}

/// The intervals of a released table, by column.
fn bounds(
    lower: &[Vec<Value>],
    upper: &[Vec<Value>],
    columns: usize,
) -> Option<Vec<Option<Vec<Option<Bound>>>>> {
    let bound = |row: usize, column: usize| {
        let end = |ends: &[Vec<Value>]| ends.get(row)?.get(column)?.as_f64();
        Some(Bound { lower: end(lower)?, upper: end(upper)? })
    };
    let column = |column| {
        let all: Vec<Option<Bound>> = (0..lower.len()).map(|row| bound(row, column)).collect();
        all.iter().any(Option::is_some).then_some(all)
    };
    Some((0..columns).map(column).collect())
}

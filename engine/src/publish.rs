//! The last stage: an answer is signed, recorded on the ledger, and only then given, with its
//! receipt. It computes nothing of the answer.

use ledger_adapter::charge::Charged;
use ledger_adapter::digest::Digest;
use ledger_adapter::entry::ROUNDS_MAX;
use ledger_adapter::error::LedgerError;
use ledger_adapter::keys::PublicKey;
use ledger_adapter::receipt::Receipt;
use ledger_adapter::statement::{
    Envelope, Intent, MechanismRecord, ReleasePredicate, intent_commitment, release_commitment,
    release_statement,
};

use crate::answer::Answer;
use crate::engine::Engine;
use crate::error::Error;
use crate::privacy::price::PricedPlan;

impl Engine {
    pub(crate) fn publish(
        &self,
        priced: &PricedPlan,
        mut answer: Answer,
        charged: Charged,
        papers: Papers,
    ) -> Result<Answer, Error> {
        let Papers { intent, salt: intent_salt, mechanisms, notes } = papers;
        answer.cost = priced.cost;
        answer.asked = Some(priced.asked);
        answer.notes = self.notes(&answer);
        answer.notes.extend(notes);
        let predicate = ReleasePredicate {
            query: intent.query,
            intent: self.past_gate(intent_commitment(&intent_salt, &intent))?,
            // What a person's own account holds is nobody else's.
            effects: charged.effects().iter().take(1).copied().collect(),
            table: answer.released(),
            notes: answer.notes.clone(),
            finality: charged.placed().finality,
            mechanisms: if mechanisms == priced.reserved { vec![] } else { mechanisms },
        };
        let statement = self.past_gate(release_statement(predicate))?;
        let release = self.past_gate(Envelope::sign(&statement, &self.signer))?;
        let release_salt = self.past_gate(Digest::random())?;
        let commitment = self.past_gate(release_commitment(&release_salt, &release))?;
        let charge_index = charged.placed().index;
        let placed = self.past_gate(self.ledger().release(charged, commitment))?;
        let mut indices = vec![charge_index, placed.index];
        for root in &intent.inputs {
            indices.extend(self.past_gate(self.ledger().attested(*root))?.map(|at| at.index));
        }
        indices.extend(self.past_gate(self.ledger().opened(intent.account))?.map(|p| p.index));
        indices.extend(self.past_gate(self.sets(intent.query))?);
        indices.sort_unstable();
        indices.dedup();
        let log = self.past_gate(self.ledger().proof(&indices))?;
        let extracts = self.catalog().extracts().iter().map(|e| e.envelope().clone()).collect();
        let keys = self.keys();
        let receipt =
            Receipt { version: 1, release, release_salt, intent, intent_salt, extracts, keys, log };
        answer.receipt = Some(receipt);
        if let (Some(releases), Some(question)) = (&self.releases, self.question(priced)) {
            releases.keep(&question, &answer);
        }
        Ok(answer)
    }

    /// Where the sets lie of which totals were opened for a query; none for one of records at hand.
    fn sets(&self, query: Digest) -> Result<Vec<u64>, LedgerError> {
        let mut indices = Vec::new();
        for round in 0..ROUNDS_MAX {
            let Some((placed, _)) = self.ledger().committed(query, round)? else { break };
            indices.push(placed.index);
        }
        Ok(indices)
    }

    fn keys(&self) -> Vec<PublicKey> {
        let sites = self.catalog().extracts().iter().map(|extract| extract.key());
        std::iter::once(self.signer.public()).chain(sites).collect()
    }

    fn notes(&self, answer: &Answer) -> Vec<String> {
        let bounded = (0..answer.columns().len()).any(|column| answer.has_intervals(column));
        let percent = answer.confidence() * 100.0;
        let note = format!(
            "intervals hold the bounded total of these records with {percent:.0} % confidence"
        );
        if bounded { vec![note] } else { vec![] }
    }
}

/// What goes into the receipt of a query besides the answer.
pub(crate) struct Papers {
    pub(crate) intent: Intent,
    pub(crate) salt: Digest,
    pub(crate) mechanisms: Vec<MechanismRecord>,
    pub(crate) notes: Vec<String>,
}

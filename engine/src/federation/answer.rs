//! The street of a question over sites: as [`Engine::answer`], with the parties in the place of the
//! records.

use ledger_adapter::digest::Digest;
use ledger_adapter::error::LedgerError;

use crate::aggregate;
use crate::answer::Answer;
use crate::engine::{Engine, Query, Quote};
use crate::error::Error;
use crate::federation::coordinator::{CoordinatorDoor, Federated};
use crate::federation::plan::{self, Manner, Order, plan_digest};
use crate::federation::site::DONE;
use crate::federation::terms::Federation;
use crate::federation::transcript::{self, Transcript};
use crate::federation::transport::Refusal;
use crate::noise::purse::Purse;
use crate::notes;
use crate::perturb;
use crate::privacy::price::PricedPlan;
use crate::publish::Papers;
use crate::scan::public::settle;

impl Engine {
    /// Answers one query over the sites of a federation, none of which shows its records or totals.
    /// The transcript lets anyone check that the opened totals are those of the sealed ones.
    ///
    /// # Errors
    /// As [`Engine::answer`]. Parties that are lost or lie are named in the operator's log, and in
    /// the notes of an answer that came about without them.
    ///
    /// # Privacy
    /// As [`Engine::answer`], to whoever holds fewer than `threshold` of the holders' shares, and
    /// whatever all other parties tell each other; see [`crate::federation::terms`].
    pub async fn answer_federated(
        &self,
        query: &Query,
        federated: &Federated,
    ) -> Result<(Answer, Transcript), Error> {
        let priced = self.planned_federated(query, &federated.federation).await?;
        self.check(&priced)?;
        settle(self.catalog(), &priced, &self.session, None).await?;
        let plan = plan_digest(&priced.plan, &federated.digest);
        let (charged, intent, salt) = self.charge(&priced, plan)?;
        // ═══════════════ the gate: errors are silent, and the charge stands ═══════════════
        let manner = Manner {
            federation: federated.digest,
            is_ohdsi: self.is_ohdsi(),
            confidence: self.settings.confidence,
        };
        let order = Order::new(query, manner, intent.clone(), salt).signed(&federated.signer);
        let order = self.past_gate(order)?;
        let name = charged.query();
        let purse = Purse::open(charged);
        let ledger = std::sync::Arc::clone(self.ledger());
        let mut door = CoordinatorDoor::new(federated.clone(), ledger, purse, (name, order));
        let nothing = self.past_gate(aggregate::nothing(&priced))?;
        let confidence = self.settings.confidence;
        let run = tokio::task::spawn_blocking(move || {
            let drawn = perturb::run(&priced, nothing, &mut door, confidence);
            (priced, door, drawn)
        });
        let (priced, door, drawn) = self.past_gate(run.await)?;
        dismiss(federated, name).await;
        for fault in &door.faults {
            self.incident(&Refusal::failed(fault.clone()));
        }
        let (noisy, mechanisms) = self.past_gate(drawn)?;
        let mut notes = notes::notes(&priced, &noisy);
        let transcript = Transcript::new(name, federated.federation.clone(), door.rounds.clone());
        notes.extend(said(&federated.federation, &door));
        notes.push(transcript::said(&transcript.digest()));
        let charged = self.past_gate(door.purse.close())?;
        let estimates = self.estimate(&priced, noisy).await?;
        let papers = Papers { intent, salt, mechanisms, notes };
        Ok((self.publish(&priced, estimates, charged, papers)?, transcript))
    }

    /// What a federated query would cost; its noise is that of the honest parties alone.
    ///
    /// # Errors
    /// [`Error::Rejected`], as [`Engine::answer_federated`].
    pub async fn quote_federated(
        &self,
        query: &Query,
        federation: &Federation,
    ) -> Result<Quote, Error> {
        Self::quoted(self.planned_federated(query, federation).await?)
    }

    async fn planned_federated(
        &self,
        query: &Query,
        federation: &Federation,
    ) -> Result<PricedPlan, Error> {
        self.check_sites(federation)?;
        let mut query = query.clone();
        query.bounds.sites_per_person = Some(federation.sites_per_person);
        let priced = self.plan(&query).await?;
        plan::check(&priced, federation)?;
        Ok(priced)
    }

    /// Every site of the federation has an extract, and no other is charged for.
    fn check_sites(&self, federation: &Federation) -> Result<(), Error> {
        let extracts = self.catalog().extracts().iter();
        let known: Vec<&str> = extracts.map(|e| e.manifest().site.as_str()).collect();
        let mut sites: Vec<&str> = federation.sites.iter().map(|s| s.name.as_str()).collect();
        sites.sort_unstable();
        if known == sites {
            return Ok(());
        }
        let (known, sites) = (known.join(", "), sites.join(", "));
        let detail = format!("the terms have the sites {sites}, and attested are those of {known}");
        Err(Error::Ledger(LedgerError::Malformed { what: "federation", detail }))
    }

    /// The roots of all extracts, in order of site.
    pub(super) fn roots(&self) -> Vec<Digest> {
        self.catalog().extracts().iter().map(|extract| extract.root()).collect()
    }
}

/// Lets sites forget the query; those that do not hear it forget it with their process.
async fn dismiss(federated: &Federated, query: Digest) {
    let calls = federated.federation.sites.iter().map(|site| {
        let body = query.as_bytes().to_vec();
        federated.transport.call(&site.name, DONE, body, federated.patience)
    });
    futures::future::join_all(calls).await;
}

/// What a reader must know of who took part.
fn said(federation: &Federation, door: &CoordinatorDoor) -> Vec<String> {
    let sites = door.sites();
    let names = sites.iter().cloned().collect::<Vec<_>>().join(", ");
    let lost = federation.sites.iter().filter(|site| !sites.contains(&site.name));
    let lost: Vec<String> = lost.map(|site| site.name.clone()).collect();
    let (honest, parties) = (federation.honest(), door.parties());
    let mut notes = vec![
        format!("added up over sites that show no totals: {names}"),
        format!(
            "the charge is for the noise of {honest} honest parties; {parties} added noise, and \
             intervals hold all of it"
        ),
    ];
    if let Some(parameters) = &door.federated.parameters {
        let beyond = parameters.shift_max();
        notes.push(format!(
            "each site proved that it moves no total by more than 2^32, give or take {beyond}; \
             whoever drew the parameters of the proofs could forge them"
        ));
    }
    if federation.sites_per_person > 1 {
        let most = federation.sites_per_person;
        notes.push(format!(
            "a person at several sites counts at each, at up to {most}, as noise and charge allow, \
             but in numbers of persons that count each once"
        ));
    }
    if !lost.is_empty() {
        notes.push(format!("not in the answer, as they were lost: {}", lost.join(", ")));
    }
    let liars = door.liars.iter().map(|holder| format!("{holder} gave a wrong share"));
    notes.extend(liars);
    let unproven = door.unproven.iter();
    notes.extend(unproven.map(|site| format!("{site} did not prove that its totals are in range")));
    notes
}

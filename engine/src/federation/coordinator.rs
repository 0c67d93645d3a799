//! The coordinator: plans, charges, asks, and adds up what it cannot read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::join_all;
use ledger_adapter::digest::Digest;
use ledger_adapter::keys::Signer;
use ledger_adapter::ledger::Ledger;
use seal::Share;
use tokio::runtime::Handle;

use crate::federation::contribution::{Contribution, SignedHeader, nobody, root};
use crate::federation::holder::{COVER, CoverRequest, OPEN, OpenRequest, VOTE, open_request, vote};
use crate::federation::parameters::Parameters;
use crate::federation::round::{Opened, Spec, values_max, variance};
use crate::federation::sealing::{Sealed, Sealing};
use crate::federation::site::{NEXT, START, opened_message, parties};
use crate::federation::terms::{Federation, TermsError};
use crate::federation::transcript::{Opening, Round};
use crate::federation::transport::{Refusal, Transport};
use crate::noise::error::NoiseError;
use crate::noise::purse::{Door, Purse};
use crate::noise::share::of_all;
use crate::noise::{Column, KeepTable, Noise, Scores};

/// What it takes to ask a federation.
#[derive(Clone)]
pub struct Federated {
    pub(super) federation: Federation,
    /// By which proofs are checked.
    pub(super) parameters: Option<Parameters>,
    pub(super) digest: Digest,
    pub(super) transport: Arc<dyn Transport>,
    /// The coordinator's key.
    pub(super) signer: Signer,
    /// How long sites are waited for, in each round.
    pub(super) patience: Duration,
}

impl fmt::Debug for Federated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Federated({} sites)", self.federation.sites.len())
    }
}

impl Federated {
    /// A coordinator of this federation, which waits so long for each reply. Parameters are given
    /// if the terms ask for proofs.
    ///
    /// # Errors
    /// [`TermsError`] if the terms do not hold, name another key for the coordinator, or pin other
    /// parameters.
    pub fn new(
        (federation, parameters): (Federation, Option<Parameters>),
        transport: Arc<dyn Transport>,
        signer: Signer,
        patience: Duration,
    ) -> Result<Self, TermsError> {
        federation.check()?;
        if federation.coordinator.key != signer.public() {
            return Err(TermsError("they name another key for the coordinator".to_owned()));
        }
        Parameters::check(parameters.as_ref(), &federation)?;
        let digest = federation.digest()?;
        Ok(Self { federation, parameters, digest, transport, signer, patience })
    }

    /// The terms.
    pub const fn terms(&self) -> &Federation {
        &self.federation
    }
}

/// The door of the coordinator: each column that goes through is a round of all parties.
pub(super) struct CoordinatorDoor {
    pub(super) federated: Federated,
    ledger: Arc<dyn Ledger>,
    handle: Handle,
    /// Pays as the sites' purses do, so that a plan that costs more than was granted ends here.
    pub(super) purse: Purse,
    query: Digest,
    /// The signed order, for the first round.
    order: Vec<u8>,
    /// Sites that have answered every round so far.
    alive: BTreeSet<String>,
    /// The sites of the first round that is shown: those of all later ones.
    shown: Option<BTreeSet<String>>,
    parties: u32,
    /// What the last round came to.
    last: Option<Opened>,
    /// Every round, for who checks it later.
    pub(super) rounds: Vec<Round>,
    /// Who was lost or lied, and how: for the operator.
    pub(super) faults: Vec<String>,
    /// Holders whose shares were wrong.
    pub(super) liars: BTreeSet<String>,
    /// Sites whose contribution was not proved.
    pub(super) unproven: BTreeSet<String>,
}

impl CoordinatorDoor {
    pub(super) fn new(
        federated: Federated,
        ledger: Arc<dyn Ledger>,
        purse: Purse,
        (query, order): (Digest, Vec<u8>),
    ) -> Self {
        let alive = federated.federation.sites.iter().map(|site| site.name.clone()).collect();
        Self {
            federated,
            ledger,
            handle: Handle::current(),
            purse,
            query,
            order,
            alive,
            shown: None,
            parties: 0,
            last: None,
            rounds: Vec::new(),
            faults: Vec::new(),
            liars: BTreeSet::new(),
            unproven: BTreeSet::new(),
        }
    }

    /// The sites whose records are in the answer.
    pub(super) fn sites(&self) -> BTreeSet<String> {
        self.shown.clone().unwrap_or_default()
    }

    /// How many parties' noise is in the answer.
    pub(super) const fn parties(&self) -> u32 {
        self.parties
    }

    fn round(&mut self, columns: &[Column], is_shown: bool) -> Result<Vec<Vec<i128>>, NoiseError> {
        let spec = Spec::of(columns, &self.federated.federation, self.last.as_ref())?;
        if spec.cells() == Some(0) {
            self.purse.account(columns)?;
            return Ok(vec![vec![]; columns.len()]);
        }
        spec.check(&self.federated.federation).map_err(parties)?;
        self.purse.account(columns)?;
        let handle = self.handle.clone();
        let opened = handle.block_on(self.opened(&spec)).map_err(parties)?;
        let set: BTreeSet<String> = self.alive.clone();
        if is_shown {
            let first = self.shown.get_or_insert_with(|| set.clone());
            if *first != set {
                // What was opened before is of other records.
                let reason = "a site was lost between two rounds of the answer".to_owned();
                return Err(NoiseError::Parties { reason });
            }
        }
        let columns = spec.columns(&opened.totals);
        self.parties = opened.parties;
        self.last = Some(opened);
        columns.ok_or_else(|| parties(Refusal::failed("the totals have another shape")))
    }

    /// One round, from the first request to the opened totals.
    async fn opened(&mut self, spec: &Spec) -> Result<Opened, Refusal> {
        let federation = self.federated.federation.clone();
        let round = u32::try_from(self.rounds.len()).unwrap_or(u32::MAX);
        let digest = spec.digest()?;
        let parameters = self.federated.parameters.as_ref();
        let sealing = Sealing::of(&federation, parameters, (self.query, round, spec))?;
        let (mut set, sealed) = self.contributions(spec, &digest, round, &sealing).await?;
        let sites = set.iter().filter(|made| federation.site(&made.signed.header.party).is_some());
        let sites = u32::try_from(sites.count()).unwrap_or(u32::MAX);
        let covers = u32::try_from(set.len()).unwrap_or(u32::MAX) - sites;
        if sites < federation.sites_min {
            let faults = self.faults.join("; ");
            return Err(Refusal::failed(format!("{sites} sites answered, too few: {faults}")));
        }
        if covers < federation.covers_min {
            let faults = self.faults.join("; ");
            return Err(Refusal::failed(format!("{covers} holders added noise: {faults}")));
        }
        let headers: Vec<SignedHeader> = set.iter().map(|made| made.signed.clone()).collect();
        let root = root(&headers)?;
        let (ledger, query) = (Arc::clone(&self.ledger), self.query);
        let committed =
            tokio::task::spawn_blocking(move || ledger.commit(query, round, root)).await;
        let committed = committed.map_err(|_| Refusal::failed("the ledger was not asked"))?;
        committed.map_err(|error| Refusal::failed(format!("the set is not recorded: {error}")))?;
        let votes = self.votes(&headers, round, &root).await?;
        let shares = self.shares(&headers, &set, (round, votes)).await;
        let opened = sealing.open(sealed, (sites, covers), &shares).map_err(|error| {
            let faults = self.faults.join("; ");
            Refusal::failed(format!("the sum does not open: {error}; {faults}"))
        })?;
        for number in &opened.liars {
            let index = usize::try_from(*number - 1).unwrap_or(usize::MAX);
            let holder = federation.holders.get(index).map_or("?", |holder| holder.name.as_str());
            self.liars.insert(holder.to_owned());
        }
        let opening = Opening::new(&opened.opening);
        let sealed = set.drain(..).map(|made| made.ciphertext).collect();
        self.rounds.push(Round::new(spec.clone(), headers, sealed, opening));
        Ok(Opened { parties: sites + covers, totals: opened.totals })
    }

    /// What the parties contribute, in order of name: sites that do not are lost from now on.
    async fn contributions(
        &mut self,
        spec: &Spec,
        digest: &Digest,
        round: u32,
        sealing: &Sealing,
    ) -> Result<(Vec<Contribution>, Vec<Sealed>), Refusal> {
        let (query, federation) = (self.query, &self.federated.federation);
        let cover = CoverRequest { query, round, spec: spec.clone() };
        let cover = serde_json::to_vec(&cover);
        let cover = cover.map_err(|_| Refusal::failed("a round has no text form"))?;
        let (action, body) = match &self.last {
            None => (START, self.order.clone()),
            Some(opened) => (NEXT, opened_message(query, round, opened)),
        };
        let asked = self.alive.iter().map(|site| (site.clone(), action, body.clone()));
        let holders = federation.holders.iter();
        let covers = holders.map(|holder| (holder.name.clone(), COVER, cover.clone()));
        let (transport, patience) = (&self.federated.transport, self.federated.patience);
        let calls = asked.chain(covers).map(|(party, action, body)| async move {
            let reply = transport.call(&party, action, body, patience).await;
            (party, reply)
        });
        let mut made = Vec::new();
        for (party, reply) in join_all(calls).await {
            let read = reply.and_then(|bytes| {
                let made = Contribution::from_bytes(&bytes)?;
                made.check((query, round, digest), &party, federation)?;
                let by = federation.contributor(&party).ok_or_else(nobody)?;
                let sealed = sealing.read(by, &made.ciphertext).inspect_err(|_| {
                    if sealing.is_proof_of(by) {
                        self.unproven.insert(party.clone());
                    }
                })?;
                Ok((made, sealed))
            });
            match read {
                Ok(read) => made.push(read),
                Err(refusal) => {
                    self.alive.remove(&party);
                    self.faults.push(format!("{party}: {refusal}"));
                }
            }
        }
        made.sort_by(|a, b| a.0.signed.header.party.cmp(&b.0.signed.header.party));
        Ok(made.into_iter().unzip())
    }

    /// What holders say to a set.
    async fn votes(
        &mut self,
        headers: &[SignedHeader],
        round: u32,
        root: &Digest,
    ) -> Result<BTreeMap<String, String>, Refusal> {
        let votes = BTreeMap::new();
        let request = OpenRequest { query: self.query, round, set: headers.to_vec(), votes };
        let body = serde_json::to_vec(&request);
        let body = body.map_err(|_| Refusal::failed("a set has no text form"))?;
        let federation = &self.federated.federation;
        let said = vote(federation, (self.query, round), root)?;
        let (transport, patience) = (&self.federated.transport, self.federated.patience);
        let calls = federation.holders.iter().map(|holder| {
            let body = body.clone();
            async move { (holder, transport.call(&holder.name, VOTE, body, patience).await) }
        });
        let (mut votes, mut faults) = (BTreeMap::new(), Vec::new());
        for (holder, reply) in join_all(calls).await {
            match reply {
                Ok(signature) if holder.key.verify(said.as_bytes(), &signature) => {
                    votes.insert(holder.name.clone(), STANDARD.encode(signature));
                }
                Ok(_) => faults.push(format!("{}: its vote is for another set", holder.name)),
                Err(refusal) => faults.push(format!("{}: {refusal}", holder.name)),
            }
        }
        self.faults.extend(faults);
        Ok(votes)
    }

    /// The shares of the sum that holders give.
    async fn shares(
        &mut self,
        headers: &[SignedHeader],
        set: &[Contribution],
        (round, votes): (u32, BTreeMap<String, String>),
    ) -> Vec<Share> {
        let request = OpenRequest { query: self.query, round, set: headers.to_vec(), votes };
        let (transport, patience) = (&self.federated.transport, self.federated.patience);
        let holders = self.federated.federation.holders.iter().enumerate();
        let calls = holders.map(|(index, holder)| {
            let parcels = set.iter().filter_map(|made| made.parcels.get(index));
            let parcels: Vec<&[u8]> = parcels.map(Vec::as_slice).collect();
            let body = open_request(&request, &parcels);
            async move {
                let reply = match body {
                    Ok(body) => transport.call(&holder.name, OPEN, body, patience).await,
                    Err(refusal) => Err(refusal),
                };
                (index, holder.name.clone(), reply)
            }
        });
        let mut shares = Vec::new();
        for (index, holder, reply) in join_all(calls).await {
            let read = reply.and_then(|bytes| {
                let share = Share::from_bytes(&bytes);
                let share = share.map_err(|error| Refusal::refused(error.to_string()))?;
                if usize::try_from(share.holder()).is_ok_and(|number| number == index + 1) {
                    Ok(share)
                } else {
                    Err(Refusal::refused("its share is another holder's"))
                }
            });
            match read {
                Ok(share) => shares.push(share),
                Err(refusal) => self.faults.push(format!("{holder}: {refusal}")),
            }
        }
        shares
    }
}

impl Door for CoordinatorDoor {
    fn add(&mut self, columns: Vec<Column>) -> Result<Vec<Vec<i128>>, NoiseError> {
        self.round(&columns, true)
    }

    fn add_to_choose(&mut self, columns: Vec<Column>) -> Result<Vec<Vec<i128>>, NoiseError> {
        self.round(&columns, false)
    }

    fn select(&mut self, _: Vec<Scores>) -> Result<Vec<Vec<usize>>, NoiseError> {
        Err(parties(Refusal::refused("choices are not made over sites")))
    }

    fn keep(&mut self, _: &[i128], _: &KeepTable) -> Result<Vec<bool>, NoiseError> {
        Err(parties(Refusal::refused("keys are not chosen over sites")))
    }

    fn law(&self, noise: Noise) -> Result<Noise, NoiseError> {
        of_all(noise, self.federated.federation.honest(), self.parties)
    }

    fn variance(&self, noise: Noise) -> Result<f64, NoiseError> {
        variance(noise, &self.federated.federation, self.parties)
    }

    fn values_max(&self) -> usize {
        values_max(&self.federated.federation)
    }
}

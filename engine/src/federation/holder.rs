//! A key holder: adds noise to every total, and opens the sum of one set per round, ever.
//!
//! Which set that is the ledger says. A ledger may show one holder another set than the next, so
//! holders also tell each other, and open what enough of them agree on: see
//! [`Federation::votes_min`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ledger_adapter::charge::{Finality, Outcome};
use ledger_adapter::digest::Digest;
use ledger_adapter::entry::ROUNDS_MAX;
use ledger_adapter::keys::Signer;
use ledger_adapter::ledger::Ledger;
use ledger_adapter::once::{Once, Stored};
use seal::Share;
use serde::{Deserialize, Serialize};

use crate::federation::contribution::{Contribution, SignedHeader, about, nobody, root};
use crate::federation::frame::{pack, unpack};
use crate::federation::parcel::ParcelKey;
use crate::federation::round::Spec;
use crate::federation::terms::{Federation, TermsError};
use crate::federation::transport::{Node, Refusal};
use crate::noise::share::cover;

/// A holder of shares.
pub struct HolderNode {
    federation: Federation,
    name: String,
    signer: Signer,
    parcels: ParcelKey,
    ledger: Arc<dyn Ledger>,
    need: Finality,
    kept: Once,
}

impl fmt::Debug for HolderNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HolderNode({})", self.name)
    }
}

/// Asks a holder to add noise to a round.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CoverRequest {
    pub(super) query: Digest,
    pub(super) round: u32,
    pub(super) spec: Spec,
}

/// Asks a holder to open the sum of a set; its parcels follow, in the order of the set.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OpenRequest {
    pub(super) query: Digest,
    pub(super) round: u32,
    pub(super) set: Vec<SignedHeader>,
    /// What holders said to it: by name, base64.
    #[serde(default)]
    pub(super) votes: BTreeMap<String, String>,
}

impl HolderNode {
    /// The holder `name`; what it must not forget is in `kept`. A set is opened only
    /// if the ledger holds its root with finality `need`.
    ///
    /// # Errors
    /// [`TermsError`] if the terms have no such holder with these keys.
    pub fn new(
        federation: Federation,
        name: &str,
        (signer, parcels): (Signer, ParcelKey),
        (ledger, need): (Arc<dyn Ledger>, Finality),
        kept: Once,
    ) -> Result<Self, TermsError> {
        federation.check()?;
        let own = federation.holder(name).map(|(_, holder)| holder);
        let is_own = own.is_some_and(|holder| {
            holder.key == signer.public() && holder.parcel_key == parcels.public()
        });
        if !is_own {
            return Err(TermsError(format!("they have no holder {name} with these keys")));
        }
        Ok(Self { federation, name: name.to_owned(), signer, parcels, ledger, need, kept })
    }

    /// Noise for a round of a query that is charged and not answered yet.
    fn cover(&self, body: &[u8]) -> Result<Vec<u8>, Refusal> {
        let request: CoverRequest = serde_json::from_slice(body)
            .map_err(|_| Refusal::refused("a request for noise is malformed"))?;
        let CoverRequest { query, round, spec } = request;
        let own = self.federation.digest().map_err(|error| Refusal::failed(error.to_string()))?;
        if spec.federation() != own {
            return Err(Refusal::refused("the coordinator has other terms of the federation"));
        }
        if round >= ROUNDS_MAX {
            return Err(Refusal::refused("there are not so many rounds"));
        }
        match self.ledger.outcome(query).map_err(unread)? {
            Some(Outcome::Charged(placed)) if placed.finality >= self.need => {}
            Some(Outcome::Charged(_)) => {
                return Err(Refusal::unavailable("the charge is not final enough yet"));
            }
            _ => return Err(Refusal::refused("the query is not charged, or is over")),
        }
        let name = format!("cover-{query}-{round}");
        if let Some(bytes) = self.kept.find(&name).map_err(unread)? {
            // The same noise again is no news; other noise would be.
            let made = Contribution::from_bytes(&bytes)?;
            return if made.signed.header.spec == spec.digest()? {
                Ok(bytes)
            } else {
                Err(Refusal::refused("noise was added to this round in another shape"))
            };
        }
        // What cannot be sealed is refused before noise is drawn for it.
        spec.check(&self.federation)?;
        let noisy = cover(spec.zeros()?, self.federation.honest())
            .map_err(|error| Refusal::refused(error.to_string()))?;
        let (by, terms) = ((self.name.as_str(), &self.signer), (&self.federation, None));
        let made = Contribution::seal((query, round, &spec), terms, by, &noisy)?;
        match self.kept.keep(&name, &made.to_bytes()?).map_err(unread)? {
            Stored::Now(bytes) | Stored::Before(bytes) => Ok(bytes),
        }
    }

    /// This holder's share of the sum of a set, if it is the one set of this round.
    fn open(&self, body: &[u8]) -> Result<Vec<u8>, Refusal> {
        let malformed = || Refusal::refused("a request to open is malformed");
        let parts = unpack(body)?;
        let [head, parcels @ ..] = parts.as_slice() else { return Err(malformed()) };
        let request: OpenRequest = serde_json::from_slice(head).map_err(|_| malformed())?;
        let OpenRequest { query, round, set, votes } = request;
        let root = self.agreed((query, round), &set)?;
        let said = vote(&self.federation, (query, round), &root)?;
        let voters = self.federation.holders.iter().filter(|holder| {
            let signature = votes.get(&holder.name).map(|text| STANDARD.decode(text));
            matches!(signature, Some(Ok(bytes)) if holder.key.verify(said.as_bytes(), &bytes))
        });
        let needed = self.federation.votes_min();
        if u32::try_from(voters.count()).unwrap_or(0) < needed {
            let what = format!("fewer than {needed} holders agreed on this set");
            return Err(Refusal::refused(what));
        }
        let shares = self.shares((query, round), &set, parcels)?;
        let share = Share::sum(&shares).map_err(|error| Refusal::refused(error.to_string()))?;
        Ok(share.to_bytes().to_vec())
    }

    /// This holder's word that a set is the one of its round; it never says so of another.
    fn vote(&self, body: &[u8]) -> Result<Vec<u8>, Refusal> {
        let request: OpenRequest = serde_json::from_slice(body)
            .map_err(|_| Refusal::refused("a request to agree is malformed"))?;
        let of = (request.query, request.round);
        let root = self.agreed(of, &request.set)?;
        let said = vote(&self.federation, of, &root)?;
        Ok(self.signer.sign(said.as_bytes()).to_vec())
    }

    /// The root of a set that this holder agrees to, now and for ever: it is what the terms ask
    /// for, the ledger holds it, and no other was agreed to before.
    fn agreed(
        &self,
        (query, round): (Digest, u32),
        set: &[SignedHeader],
    ) -> Result<Digest, Refusal> {
        let name = format!("cover-{query}-{round}");
        let own = self.kept.find(&name).map_err(unread)?;
        let own = own.ok_or_else(|| Refusal::refused("this holder added no noise to the round"))?;
        let own = Contribution::from_bytes(&own)?.signed;
        let root = self.checked((query, round), set, &own)?;
        let recorded = self.ledger.committed(query, round).map_err(unread)?;
        match recorded {
            Some((placed, found)) if found == root && placed.finality >= self.need => {}
            Some((_, found)) if found == root => {
                return Err(Refusal::unavailable("the set is not final enough on the ledger yet"));
            }
            Some(_) => return Err(Refusal::refused("the ledger holds another set for this round")),
            None => return Err(Refusal::refused("the ledger holds no set for this round")),
        }
        // Two sums with one secret in both would tell it. What is kept outlives a restart, and a
        // ledger that is rolled back or shows everybody another set.
        let name = format!("open-{query}-{round}");
        match self.kept.keep(&name, root.as_bytes()).map_err(unread)? {
            Stored::Now(_) => Ok(root),
            Stored::Before(before) if before == root.as_bytes() => Ok(root),
            Stored::Before(_) => {
                Err(Refusal::refused("another set of this round was agreed to before"))
            }
        }
    }

    /// The root of a set that may be opened: enough sites, enough noise, all of it signed, and all
    /// of it to the same sum as this holder's own noise.
    fn checked(
        &self,
        (query, round): (Digest, u32),
        set: &[SignedHeader],
        own: &SignedHeader,
    ) -> Result<Digest, Refusal> {
        let refused = |what: String| Err(Refusal::refused(what));
        if set.len() > self.federation.sites.len() + self.federation.holders.len() {
            return refused("a set is of more parties than there are".to_owned());
        }
        let (mut sites, mut covers) = (0, 0);
        for signed in set {
            let header = &signed.header;
            let party = &header.party;
            if header.query != query || header.round != round {
                return refused(format!("{party} contributed to something else"));
            }
            if header.spec != own.header.spec {
                return refused(format!("{party} adds up something else than this holder"));
            }
            if header.parcels.len() != self.federation.holders.len() {
                return refused(format!("{party} has not a parcel for each holder"));
            }
            let key = self.federation.key_of(party);
            signed.check(&key.ok_or_else(nobody)?)?;
            if self.federation.site(party).is_some() {
                sites += 1;
            } else {
                covers += 1;
            }
            if *party == self.name && signed != own {
                return refused("this holder's noise is another".to_owned());
            }
        }
        if sites < self.federation.sites_min {
            return refused(format!("{sites} sites are too few to be opened together"));
        }
        if covers < self.federation.covers_min {
            return refused(format!("the noise of {covers} holders is too little"));
        }
        root(set)
    }

    /// This holder's share of each contribution.
    fn shares(
        &self,
        (query, round): (Digest, u32),
        set: &[SignedHeader],
        parcels: &[&[u8]],
    ) -> Result<Vec<Share>, Refusal> {
        if parcels.len() != set.len() {
            return Err(Refusal::refused("there is not a parcel for each contribution"));
        }
        let (number, _) = self.federation.holder(&self.name).ok_or_else(not_held)?;
        let index = usize::try_from(number - 1).map_err(|_| not_held())?;
        let mut shares = Vec::with_capacity(set.len());
        for (signed, parcel) in set.iter().zip(parcels) {
            let header = &signed.header;
            if header.parcels.get(index) != Some(&Digest::sha256(parcel)) {
                return Err(Refusal::refused("a parcel is another than was signed"));
            }
            let about = about(query, round, &header.party, &self.name);
            let by = |error: String| Refusal::refused(format!("{}: {error}", header.party));
            let bytes = self.parcels.open(parcel, &about).map_err(|error| by(error.reason))?;
            let share = Share::from_bytes(&bytes).map_err(|error| by(error.to_string()))?;
            if share.holder() != number {
                return Err(by("its share is another holder's".to_owned()));
            }
            shares.push(share);
        }
        Ok(shares)
    }
}

#[async_trait]
impl Node for HolderNode {
    async fn handle(&self, peer: &str, action: &str, body: &[u8]) -> Result<Vec<u8>, Refusal> {
        if peer != self.federation.coordinator.name {
            return Err(Refusal::refused("only the coordinator asks holders"));
        }
        match action {
            COVER => self.cover(body),
            VOTE => self.vote(body),
            OPEN => self.open(body),
            _ => Err(Refusal::refused("a holder does no such thing")),
        }
    }
}

/// The request to open a set, with the parcels for one holder.
pub(super) fn open_request(request: &OpenRequest, parcels: &[&[u8]]) -> Result<Vec<u8>, Refusal> {
    let head = serde_json::to_vec(request);
    let head = head.map_err(|_| Refusal::failed("a set has no text form"))?;
    let mut parts: Vec<&[u8]> = vec![&head];
    parts.extend(parcels);
    Ok(pack(&parts))
}

/// What holders sign of a set.
pub(super) fn vote(
    federation: &Federation,
    (query, round): (Digest, u32),
    root: &Digest,
) -> Result<Digest, Refusal> {
    let terms = federation.digest().map_err(|error| Refusal::failed(error.to_string()))?;
    let round = round.to_be_bytes();
    let parts: [&[u8]; 4] = [terms.as_bytes(), query.as_bytes(), &round, root.as_bytes()];
    Ok(Digest::labelled("graunt/vote/v1", &parts))
}

/// What the store or the ledger says is for the operator, and has no place in a refusal.
fn unread(_: ledger_adapter::error::LedgerError) -> Refusal {
    Refusal::unavailable("this holder's ledger or store cannot be read")
}

fn not_held() -> Refusal {
    Refusal::failed("this holder is not one")
}

/// Asks for noise.
pub(super) const COVER: &str = "cover";

/// Asks for a word that a set is the one of its round.
pub(super) const VOTE: &str = "vote";

/// Asks for a share of a sum.
pub(super) const OPEN: &str = "open";

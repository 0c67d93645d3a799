//! What one party adds to one round: a ciphertext, shares of its secret for the holders, and its
//! signed word for both.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ledger_adapter::canonical;
use ledger_adapter::digest::Digest;
use ledger_adapter::keys::{PublicKey, Signer};
use ledger_adapter::tree::Tree;
use serde::{Deserialize, Serialize};

use crate::federation::frame::{pack, unpack};
use crate::federation::parameters::Parameters;
use crate::federation::parcel;
use crate::federation::round::Spec;
use crate::federation::sealing::{Made, Sealing};
use crate::federation::terms::Federation;
use crate::federation::transport::Refusal;
use crate::noise::share::NoisyShare;

/// What a party says of its contribution. The set of those that are added up is on the ledger.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    /// The query.
    pub(super) query: Digest,
    /// Its round, from 0.
    pub(super) round: u32,
    /// Who contributes.
    pub(super) party: String,
    /// Digest of what is added up.
    pub(super) spec: Digest,
    /// SHA-256 of the ciphertext.
    pub(super) ciphertext: Digest,
    /// SHA-256 of each holder's parcel of shares.
    pub(super) parcels: Vec<Digest>,
}

/// A header with its signature.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignedHeader {
    pub(super) header: Header,
    /// The party's, base64.
    signature: String,
}

impl SignedHeader {
    fn sign(header: Header, signer: &Signer) -> Result<Self, Refusal> {
        let signature = STANDARD.encode(signer.sign(digest(&header)?.as_bytes()));
        Ok(Self { header, signature })
    }

    /// Checks that its party signed it.
    pub(super) fn check(&self, key: &PublicKey) -> Result<(), Refusal> {
        let signature = STANDARD.decode(&self.signature).unwrap_or_default();
        if key.verify(digest(&self.header)?.as_bytes(), &signature) {
            return Ok(());
        }
        Err(Refusal::refused(format!("{} did not sign its contribution", self.header.party)))
    }
}

fn digest(header: &Header) -> Result<Digest, Refusal> {
    let bytes = canonical::to_vec(header);
    let bytes = bytes.map_err(|_| Refusal::failed("a contribution has no text form"))?;
    Ok(Digest::labelled("graunt/contribution/v1", &[&bytes]))
}

/// A contribution as it travels.
#[derive(Clone, Debug)]
pub(super) struct Contribution {
    pub(super) signed: SignedHeader,
    pub(super) ciphertext: Vec<u8>,
    pub(super) parcels: Vec<Vec<u8>>,
}

impl Contribution {
    /// Seals a party's noisy values for one round.
    ///
    /// # Errors
    /// [`Refusal`] if the round cannot be sealed.
    pub(super) fn seal(
        (query, round, spec): (Digest, u32, &Spec),
        (federation, parameters): (&Federation, Option<&Parameters>),
        (party, signer): (&str, &Signer),
        noisy: &NoisyShare,
    ) -> Result<Self, Refusal> {
        let sealing = Sealing::of(federation, parameters, (query, round, spec))?;
        let by = federation.contributor(party).ok_or_else(nobody)?;
        let made = sealing.seal(by, &spec.within(noisy.values()))?;
        Self::of((query, round, spec.digest()?), federation, (party, signer), made)
    }

    /// Signs what was sealed, with its shares in parcels.
    ///
    /// # Errors
    /// [`Refusal`] if a parcel cannot be sealed.
    pub(super) fn of(
        (query, round, spec): (Digest, u32, Digest),
        federation: &Federation,
        (party, signer): (&str, &Signer),
        (ciphertext, shares): Made,
    ) -> Result<Self, Refusal> {
        let parcels = federation.holders.iter().zip(&shares).map(|(holder, share)| {
            let about = about(query, round, party, &holder.name);
            parcel::seal(&holder.parcel_key, &share.to_bytes(), &about)
        });
        let parcels: Vec<Vec<u8>> = parcels.collect::<Result<_, _>>()?;
        let header = Header {
            query,
            round,
            party: party.to_owned(),
            spec,
            ciphertext: Digest::sha256(&ciphertext),
            parcels: parcels.iter().map(|parcel| Digest::sha256(parcel)).collect(),
        };
        Ok(Self { signed: SignedHeader::sign(header, signer)?, ciphertext, parcels })
    }

    /// Checks that it is what `party` was asked for.
    ///
    /// # Errors
    /// [`Refusal`] with what is wrong.
    pub(super) fn check(
        &self,
        (query, round, spec): (Digest, u32, &Digest),
        party: &str,
        federation: &Federation,
    ) -> Result<(), Refusal> {
        let header = &self.signed.header;
        let wrong = |what: &str| Err(Refusal::refused(format!("{party}: {what}")));
        if header.party != party || header.query != query || header.round != round {
            return wrong("its contribution is to something else");
        }
        if header.spec != *spec {
            return wrong("it adds up something else");
        }
        if header.ciphertext != Digest::sha256(&self.ciphertext) {
            return wrong("its ciphertext is another than it signed");
        }
        let parcels: Vec<Digest> = self.parcels.iter().map(|p| Digest::sha256(p)).collect();
        if header.parcels != parcels || parcels.len() != federation.holders.len() {
            return wrong("its parcels are others than it signed");
        }
        let key = federation.key_of(party);
        self.signed.check(&key.ok_or_else(nobody)?)
    }

    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, Refusal> {
        let head = serde_json::to_vec(&self.signed);
        let head = head.map_err(|_| Refusal::failed("a contribution has no text form"))?;
        let mut parts: Vec<&[u8]> = vec![&head, &self.ciphertext];
        parts.extend(self.parcels.iter().map(Vec::as_slice));
        Ok(pack(&parts))
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, Refusal> {
        let malformed = || Refusal::refused("a contribution is malformed");
        let parts = unpack(bytes)?;
        let [head, ciphertext, parcels @ ..] = parts.as_slice() else { return Err(malformed()) };
        let signed = serde_json::from_slice(head).map_err(|_| malformed())?;
        let parcels = parcels.iter().map(|parcel| parcel.to_vec()).collect();
        Ok(Self { signed, ciphertext: ciphertext.to_vec(), parcels })
    }
}

pub(super) fn nobody() -> Refusal {
    Refusal::refused("nobody is called so")
}

/// What a parcel of shares is for.
pub(super) fn about(query: Digest, round: u32, party: &str, holder: &str) -> Digest {
    let round = round.to_be_bytes();
    let parts: [&[u8]; 4] = [query.as_bytes(), &round, party.as_bytes(), holder.as_bytes()];
    Digest::labelled("graunt/parcel/v1", &parts)
}

/// The root of a set of contributions, in order of party.
///
/// # Errors
/// [`Refusal`] if a party is there twice, or out of order.
pub(super) fn root(set: &[SignedHeader]) -> Result<Digest, Refusal> {
    if set.windows(2).any(|pair| pair[0].header.party >= pair[1].header.party) {
        return Err(Refusal::refused("a set of contributions is not in order of party"));
    }
    let mut tree = Tree::default();
    for signed in set {
        tree.push(ledger_adapter::tree::leaf_hash(digest(&signed.header)?.as_bytes()));
    }
    Ok(tree.root())
}

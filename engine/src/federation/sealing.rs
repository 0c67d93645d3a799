//! How contributions to one round are sealed, read, added up and opened: plainly, or with proofs
//! that they are in range, whichever the terms ask for.
//!
//! It does not know who signed a contribution, nor which set may be opened.

use std::fmt;

use ledger_adapter::digest::Digest;
use seal::proof::{MaskCiphertext, ProvenCiphertext, ProvenLane, ProvenSum, Verified};
use seal::proof::{seal_mask, seal_proven};
use seal::{Ciphertext, Context, Lane, Opened, Opening, Role, Share, Sum};

use crate::federation::parameters::Parameters;
use crate::federation::round::{Spec, context};
use crate::federation::terms::{Contributor, Federation};
use crate::federation::transport::Refusal;

/// The seals of one round: the same at all parties.
pub(super) struct Sealing {
    context: Context,
    kind: Kind,
}

enum Kind {
    Plain(Lane),
    /// Holders neither prove nor check proofs, and have no parameters.
    Proven(ProvenLane, Option<Parameters>),
}

/// What a contributor sends, and a share of its secret for each holder.
pub(super) type Made = (Vec<u8>, Vec<Share>);

/// A contribution that was read; if it is to be proved, its proofs are right.
pub(super) enum Sealed {
    Plain(Ciphertext),
    Site(Verified),
    Mask(MaskCiphertext),
}

/// How many sites and how many holders contributed.
pub(super) type Counts = (u32, u32);

impl Sealing {
    /// The seals of a round of a query.
    ///
    /// # Errors
    /// [`Refusal`] if there are more parties or cells than can be added up.
    pub(super) fn of(
        federation: &Federation,
        parameters: Option<&Parameters>,
        (query, round, spec): (Digest, u32, &Spec),
    ) -> Result<Self, Refusal> {
        let context = context(query, round, &spec.digest()?);
        let kind = match &federation.proofs {
            None => Kind::Plain(spec.lane(federation)?),
            Some(proofs) => {
                Kind::Proven(spec.proven_lane(federation, proofs)?, parameters.cloned())
            }
        };
        Ok(Self { context, kind })
    }

    /// Seals values that are within the range of the round.
    ///
    /// # Errors
    /// [`Refusal`] if they cannot be sealed.
    pub(super) fn seal(&self, by: Contributor<'_>, values: &[i128]) -> Result<Made, Refusal> {
        let context = &self.context;
        match (&self.kind, by) {
            (Kind::Plain(lane), by) => {
                let role = match by {
                    Contributor::Site(_) => Role::Site,
                    Contributor::Holder(_) => Role::Holder,
                };
                let (sealed, shares) = seal::seal(lane, context, values, role).map_err(failed)?;
                Ok((sealed.to_bytes(), shares))
            }
            (Kind::Proven(lane, parameters), Contributor::Site(name)) => {
                let crs = given(parameters.as_ref())?.crs();
                let metadata = self.metadata(name);
                let (values, about) = (narrow(values)?, metadata.as_bytes());
                let made = seal_proven(lane, crs, context, &values, about);
                let (sealed, shares) = made.map_err(failed)?;
                Ok((sealed.to_bytes().map_err(failed)?, shares))
            }
            (Kind::Proven(lane, _), Contributor::Holder(number)) => {
                let made = seal_mask(lane, context, number, &narrow(values)?);
                let (sealed, shares) = made.map_err(failed)?;
                Ok((sealed.to_bytes(), shares))
            }
        }
    }

    /// Reads what a contributor sealed, and checks its proofs if it has to have any.
    ///
    /// # Errors
    /// [`Refusal`] if it is malformed, or not proved to be this contributor's and in range.
    pub(super) fn read(&self, by: Contributor<'_>, bytes: &[u8]) -> Result<Sealed, Refusal> {
        let malformed = |_| Refusal::refused("its ciphertext is malformed");
        match (&self.kind, by) {
            (Kind::Plain(lane), _) => {
                Ok(Sealed::Plain(Ciphertext::from_bytes(lane, bytes).map_err(malformed)?))
            }
            (Kind::Proven(lane, parameters), Contributor::Site(name)) => {
                let unproven =
                    |error| Refusal::refused(format!("its contribution is not proved: {error}"));
                let crs = given(parameters.as_ref())?.crs();
                let read = ProvenCiphertext::from_bytes(lane, bytes).map_err(unproven)?;
                let metadata = self.metadata(name);
                let verified = read.verify(lane, crs, &self.context, metadata.as_bytes());
                Ok(Sealed::Site(verified.map_err(unproven)?))
            }
            (Kind::Proven(lane, _), Contributor::Holder(number)) => {
                let read = MaskCiphertext::from_bytes(lane, &self.context, number, bytes);
                Ok(Sealed::Mask(read.map_err(|_| Refusal::refused("its noise is malformed"))?))
            }
        }
    }

    /// Whether what this contributor sends has proofs.
    pub(super) const fn is_proof_of(&self, by: Contributor<'_>) -> bool {
        matches!((&self.kind, by), (Kind::Proven(..), Contributor::Site(_)))
    }

    /// Adds up a set and opens the sum by shares of it.
    ///
    /// # Errors
    /// [`Refusal`] if it is no set, or the shares do not open it.
    pub(super) fn open(
        &self,
        set: Vec<Sealed>,
        (sites, covers): Counts,
        shares: &[Share],
    ) -> Result<Opened, Refusal> {
        match &self.kind {
            Kind::Plain(lane) => {
                let sum = plain_sum(lane, set)?;
                seal::open(lane, &self.context, &sum, sites, covers, shares).map_err(failed)
            }
            Kind::Proven(lane, _) => proven_sum(lane, set)?.open(lane, shares).map_err(failed),
        }
    }

    /// Adds up a set and reads the sum, if this is its opening.
    ///
    /// # Errors
    /// [`Refusal`] if it is no set, or the opening is another's.
    pub(super) fn verify(
        &self,
        set: Vec<Sealed>,
        (sites, covers): Counts,
        opening: &Opening,
    ) -> Result<Vec<i128>, Refusal> {
        match &self.kind {
            Kind::Plain(lane) => {
                let sum = plain_sum(lane, set)?;
                opening.verify(lane, &self.context, &sum, sites, covers).map_err(refused)
            }
            Kind::Proven(lane, _) => proven_sum(lane, set)?.verify(lane, opening).map_err(refused),
        }
    }

    /// Whose contribution a proof is about, and to what: terms, query, round and columns are in the
    /// context.
    fn metadata(&self, site: &str) -> Digest {
        let parts: [&[u8]; 2] = [&self.context.0, site.as_bytes()];
        Digest::labelled("graunt/proven-contribution/v1", &parts)
    }
}

fn plain_sum(lane: &Lane, set: Vec<Sealed>) -> Result<Sum, Refusal> {
    let own = |sealed| match sealed {
        Sealed::Plain(ciphertext) => Ok(ciphertext),
        Sealed::Site(_) | Sealed::Mask(_) => Err(mixed()),
    };
    let set: Vec<Ciphertext> = set.into_iter().map(own).collect::<Result<_, _>>()?;
    Sum::of(lane, &set).map_err(refused)
}

fn proven_sum(lane: &ProvenLane, set: Vec<Sealed>) -> Result<ProvenSum, Refusal> {
    let (mut sites, mut masks) = (Vec::new(), Vec::new());
    for sealed in set {
        match sealed {
            Sealed::Site(verified) => sites.push(verified),
            Sealed::Mask(mask) => masks.push(mask),
            Sealed::Plain(_) => return Err(mixed()),
        }
    }
    ProvenSum::of(lane, &sites, &masks).map_err(refused)
}

fn narrow(values: &[i128]) -> Result<Vec<i64>, Refusal> {
    let narrow = values.iter().map(|value| i64::try_from(*value));
    narrow.collect::<Result<_, _>>().map_err(|_| Refusal::failed("a total is too wide for a proof"))
}

fn given(parameters: Option<&Parameters>) -> Result<&Parameters, Refusal> {
    parameters.ok_or_else(|| Refusal::failed("the parameters of proofs are not given"))
}

fn mixed() -> Refusal {
    Refusal::failed("contributions with and without proofs are not added up")
}

fn failed(error: impl fmt::Display) -> Refusal {
    Refusal::failed(error.to_string())
}

fn refused(error: impl fmt::Display) -> Refusal {
    Refusal::refused(error.to_string())
}

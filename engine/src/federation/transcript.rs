//! What was sealed and opened for one query, for whoever wants to check it.
//!
//! Nothing in it tells more than the opened totals, which hold all of the noise.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ledger_adapter::canonical;
use ledger_adapter::digest::Digest;
use ledger_adapter::entry::Entry;
use ledger_adapter::error::LedgerError;
use ledger_adapter::manifest::Manifest;
use ledger_adapter::receipt::Receipt;
use ledger_adapter::statement::{EXTRACT_TYPE, RELEASE_TYPE, ReleasePredicate, Statement};
use serde::{Deserialize, Serialize};

use crate::federation::contribution::{SignedHeader, nobody, root};
use crate::federation::parameters::Parameters;
use crate::federation::round::Spec;
use crate::federation::sealing::Sealing;
use crate::federation::terms::{Contributor, Federation};
use crate::federation::transport::Refusal;

/// All rounds of one query.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transcript {
    version: u32,
    query: Digest,
    federation: Federation,
    rounds: Vec<Round>,
}

/// One round: what was added up, and what it came to.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Round {
    spec: Spec,
    set: Vec<SignedHeader>,
    /// In the order of the set, base64.
    ciphertexts: Vec<String>,
    opening: Opening,
}

/// The sum of the one-time secrets, base64: it opens the sum, and nothing else.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Opening(String);

impl Opening {
    pub(super) fn new(opening: &seal::Opening) -> Self {
        Self(STANDARD.encode(opening.to_bytes()))
    }
}

impl Round {
    pub(super) fn new(
        spec: Spec,
        set: Vec<SignedHeader>,
        ciphertexts: Vec<Vec<u8>>,
        opening: Opening,
    ) -> Self {
        let ciphertexts = ciphertexts.iter().map(|bytes| STANDARD.encode(bytes)).collect();
        Self { spec, set, ciphertexts, opening }
    }

    /// Its root, and the totals that it came to.
    fn check(
        &self,
        (query, number): (Digest, u32),
        federation: &Federation,
        parameters: Option<&Parameters>,
    ) -> Result<(Digest, Vec<i128>), Refusal> {
        let refused = |why: String| Refusal::refused(format!("round {number}: {why}"));
        let wrong = |what: &str| Err(refused(what.to_owned()));
        let digest = self.spec.digest()?;
        let terms = federation.digest().map_err(|error| Refusal::refused(error.to_string()))?;
        if self.spec.federation() != terms {
            return wrong("it was added up under other terms");
        }
        let sealing = Sealing::of(federation, parameters, (query, number, &self.spec))?;
        if self.set.len() != self.ciphertexts.len() {
            return wrong("there is not a ciphertext for each contribution");
        }
        let (mut sites, mut covers) = (0, 0);
        let mut read = Vec::with_capacity(self.set.len());
        for (signed, ciphertext) in self.set.iter().zip(&self.ciphertexts) {
            let header = &signed.header;
            if (header.query, header.round, header.spec) != (query, number, digest) {
                return wrong("a contribution is to something else");
            }
            let bytes = STANDARD.decode(ciphertext).unwrap_or_default();
            if Digest::sha256(&bytes) != header.ciphertext {
                return wrong("a ciphertext is another than was signed");
            }
            let party = &header.party;
            let key = federation.key_of(party);
            signed.check(&key.ok_or_else(nobody)?)?;
            let by = federation.contributor(party).ok_or_else(nobody)?;
            match by {
                Contributor::Site(_) => sites += 1,
                Contributor::Holder(_) => covers += 1,
            }
            let sealed = sealing.read(by, &bytes);
            read.push(sealed.map_err(|why| refused(format!("{party}: {why}")))?);
        }
        if sites < federation.sites_min || covers < federation.covers_min {
            return wrong("fewer took part than the terms ask for");
        }
        let opening = STANDARD.decode(&self.opening.0).unwrap_or_default();
        let opening = seal::Opening::from_bytes(&opening);
        let opening = opening.map_err(|error| refused(error.to_string()))?;
        let totals = sealing.verify(read, (sites, covers), &opening);
        Ok((root(&self.set)?, totals.map_err(|error| refused(error.reason))?))
    }
}

/// How a release names its transcript.
pub(super) fn said(digest: &Digest) -> String {
    format!("transcript of the opened totals: SHA-256 {digest}")
}

impl Transcript {
    pub(super) const fn new(query: Digest, federation: Federation, rounds: Vec<Round>) -> Self {
        Self { version: 1, query, federation, rounds }
    }

    /// The query.
    pub const fn query(&self) -> Digest {
        self.query
    }

    /// SHA-256 of its canonical form; the receipt's notes have it.
    pub fn digest(&self) -> Digest {
        Digest::sha256(&self.to_bytes())
    }

    /// Its canonical form.
    pub fn to_bytes(&self) -> Vec<u8> {
        // It holds integers and text only, which always have one.
        canonical::to_vec(self).unwrap_or_default()
    }

    /// Reads a transcript.
    ///
    /// # Errors
    /// [`Refusal`] if it is none, or not in canonical form.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Refusal> {
        let malformed = || Refusal::refused("the transcript is malformed");
        let read: Self = serde_json::from_slice(bytes).map_err(|_| malformed())?;
        if read.version == 1 && read.to_bytes() == bytes { Ok(read) } else { Err(malformed()) }
    }

    /// Checks that it is the transcript of a receipt: that the receipt's release names it, and that
    /// each set is the one that the ledger held before it was opened. The receipt itself is to be
    /// verified first. Parameters are given if its terms ask for proofs. Gives the number of
    /// rounds.
    ///
    /// # Errors
    /// [`Refusal`] with the first thing that is wrong.
    pub fn check_receipt(
        &self,
        receipt: &Receipt,
        parameters: Option<&Parameters>,
    ) -> Result<usize, Refusal> {
        let refused = |what: &str| Refusal::refused(what.to_owned());
        let other = |error: LedgerError| Refusal::refused(error.to_string());
        if receipt.intent.query != self.query {
            return Err(refused("the transcript is of another query"));
        }
        let payload = receipt.release.payload().map_err(other)?;
        let release = Statement::<ReleasePredicate>::from_payload(&payload, RELEASE_TYPE);
        let named = said(&self.digest());
        if !release.map_err(other)?.predicate.notes.contains(&named) {
            return Err(refused("the receipt names another transcript"));
        }
        self.check_sites(receipt)?;
        let rounds = self.check(parameters)?;
        let entries = receipt.log.verify(None).map_err(other)?;
        for (number, (root, _)) in (0u32..).zip(&rounds) {
            let is_it = |(_, entry): &(u64, Entry)| {
                matches!(entry, Entry::Commit { query, round, root: held }
                    if *query == self.query && *round == number && held == root)
            };
            if !entries.iter().any(is_it) {
                return Err(Refusal::refused(format!(
                    "the ledger has no such set of round {number}"
                )));
            }
        }
        let of_query = |(_, entry): &(u64, Entry)| match entry {
            Entry::Commit { query, .. } => *query == self.query,
            _ => false,
        };
        let sets = entries.iter().filter(|entry| of_query(entry)).count();
        if rounds.is_empty() || sets != rounds.len() {
            return Err(refused("the ledger holds more rounds than the transcript"));
        }
        Ok(rounds.len())
    }

    /// The sites of the terms are those whose extracts the receipt has, under the same keys: nobody
    /// else's totals can stand for theirs.
    fn check_sites(&self, receipt: &Receipt) -> Result<(), Refusal> {
        let other = |error: LedgerError| Refusal::refused(error.to_string());
        if receipt.extracts.len() != self.federation.sites.len() {
            return Err(Refusal::refused("the terms have other sites than the receipt"));
        }
        for envelope in &receipt.extracts {
            let payload = envelope.payload().map_err(other)?;
            let statement = Statement::<Manifest>::from_payload(&payload, EXTRACT_TYPE);
            let name = statement.map_err(other)?.predicate.site;
            let site = self.federation.site(&name);
            if site.is_none_or(|site| envelope.verify(&[site.key]).is_err()) {
                let what = format!("the terms have another key for {name} than signed its extract");
                return Err(Refusal::refused(what));
            }
        }
        Ok(())
    }

    /// The terms under which it was made, by its own word.
    pub const fn federation(&self) -> &Federation {
        &self.federation
    }

    /// Checks every signature, digest, proof and opening. Gives the root of each round's set, which
    /// the ledger must hold, and the totals that it came to.
    ///
    /// # Errors
    /// [`Refusal`] with the first thing that is wrong.
    pub fn check(
        &self,
        parameters: Option<&Parameters>,
    ) -> Result<Vec<(Digest, Vec<i128>)>, Refusal> {
        let terms = &self.federation;
        let checked = terms.check().and_then(|()| Parameters::check(parameters, terms));
        checked.map_err(|error| Refusal::refused(error.to_string()))?;
        let rounds = (0u32..).zip(&self.rounds);
        rounds.map(|(number, round)| round.check((self.query, number), terms, parameters)).collect()
    }
}

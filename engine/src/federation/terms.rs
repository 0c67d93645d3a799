//! Who takes part in federated queries, and on what terms. Everybody holds the same copy.
//!
//! # Privacy
//! Totals are opened by `threshold` holders together, so up to `threshold` − 1 of them may be
//! dishonest, and every site but the one whose records are at stake. Every set that is opened holds
//! the noise of at least `covers_min` holders, and so of at least `covers_min` − (`threshold` − 1)
//! honest ones, besides that of the site itself. Noise is as wide as these alone must make it: see
//! [`Federation::honest`]. It is more where more are honest.
//!
//! A person may be at up to `sites_per_person` sites, each of which bounds and counts that person
//! on its own; sensitivities are so many times larger. Numbers of persons are put right by a sketch
//! of who is counted several times: see `perturb::sketch`.

use std::collections::BTreeSet;

use ledger_adapter::canonical;
use ledger_adapter::digest::Digest;
use ledger_adapter::keys::PublicKey;
use seal::proof::{Pin, ProofError, ProvenLane};
use serde::{Deserialize, Serialize};

use crate::federation::parcel;

/// Who takes part, and on what terms.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Federation {
    /// Version of this format; 1.
    pub version: u32,
    /// How many holders open a total together: more than half of them.
    pub threshold: u32,
    /// Fewest sites whose totals may be opened together.
    pub sites_min: u32,
    /// Fewest holders whose noise every opened total has; from `threshold` to the number of
    /// holders.
    pub covers_min: u32,
    /// Most sites that one person is at.
    pub sites_per_person: u32,
    /// Most persons of one site; totals of more are cut off at what so many could add up to.
    pub persons_per_site: u64,
    /// Whether sites prove that what they contribute is in range, and under which parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proofs: Option<Proofs>,
    /// Who plans and asks.
    pub coordinator: Party,
    /// Whose records are asked about.
    pub sites: Vec<Party>,
    /// Who opens totals.
    pub holders: Vec<Holder>,
}

/// One party.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Party {
    /// Its name, as in its certificate; of a site also that of its extract.
    pub name: String,
    /// Where it listens; empty for one that does not.
    #[serde(default)]
    pub url: String,
    /// The key that signs what it says.
    pub key: PublicKey,
}

/// The parameters of proofs, pinned.
///
/// # Privacy
/// A proof keeps what a lying site adds to one total within a range of 2³² values, or a little
/// beyond; it does not make the value true, and shows nothing of it. Whoever drew the parameters
/// can forge proofs of their own, and learns nothing of others.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proofs {
    /// SHA-256 of the file of parameters.
    pub crs: Digest,
    /// How many totals one proof is about.
    pub counters: u32,
}

impl Proofs {
    /// What a round of so many totals, each of them at least `lower`, looks like.
    pub(crate) fn lane(
        &self,
        federation: &Federation,
        cells: usize,
        lower: i64,
    ) -> Result<ProvenLane, ProofError> {
        let counters = usize::try_from(self.counters).map_err(|_| ProofError::Counters)?;
        let pin = Pin { counters, digest: *self.crs.as_bytes() };
        let parties = (count(&federation.sites), count(&federation.holders), federation.threshold);
        ProvenLane::under(pin, parties, cells, lower)
    }
}

/// Who contributes to a round, by their part in it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Contributor<'a> {
    /// The site of this name.
    Site(&'a str),
    /// The holder of this number, from 1.
    Holder(u32),
}

/// One holder of shares.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holder {
    /// Its name, as in its certificate.
    pub name: String,
    /// Where it listens.
    pub url: String,
    /// The key that signs what it says.
    pub key: PublicKey,
    /// The key that shares are encrypted to, base64.
    pub parcel_key: String,
}

/// Why terms cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the terms of the federation: {0}")]
pub struct TermsError(pub(crate) String);

impl Federation {
    /// Checks the terms.
    ///
    /// # Errors
    /// [`TermsError`] with the rule that is broken.
    pub fn check(&self) -> Result<(), TermsError> {
        let (sites, holders) = (self.sites.len() as u64, self.holders.len() as u64);
        let names = self.names();
        let rules = [
            (self.version == 1, "version is 1"),
            ((1..=SITES_MAX).contains(&sites), "there are from 1 to 1,000 sites"),
            ((2..=HOLDERS_MAX).contains(&holders), "there are from 2 to 16 holders"),
            (
                // Two groups of holders could open two sets otherwise.
                u64::from(self.threshold) * 2 > holders && u64::from(self.threshold) <= holders,
                "threshold is more than half of the holders, and at most all of them",
            ),
            (
                self.covers_min >= self.threshold && u64::from(self.covers_min) <= holders,
                "covers_min is at least the threshold, and at most the number of holders",
            ),
            (
                self.sites_min >= 1 && u64::from(self.sites_min) <= sites,
                "sites_min is at least 1, and at most the number of sites",
            ),
            (
                self.sites_per_person >= 1 && u64::from(self.sites_per_person) <= sites,
                "sites_per_person is at least 1, and at most the number of sites",
            ),
            (
                (1..=PERSONS_MAX).contains(&self.persons_per_site),
                "persons_per_site is from 1 to 2^33",
            ),
            (names.iter().all(|name| is_name(name)), "names are 1 to 40 of a-z, 0-9 and -"),
            (
                names.iter().collect::<BTreeSet<_>>().len() == names.len(),
                "every party has a name of its own",
            ),
        ];
        if let Some((_, rule)) = rules.iter().find(|(holds, _)| !holds) {
            return Err(TermsError((*rule).to_owned()));
        }
        let sites = self.sites.iter().map(|site| site.key);
        let keys: Vec<PublicKey> =
            sites.chain(self.holders.iter().map(|holder| holder.key)).collect();
        let parcels: BTreeSet<_> = self.holders.iter().map(|holder| &holder.parcel_key).collect();
        let distinct = keys.iter().collect::<BTreeSet<_>>().len() == keys.len();
        if !distinct || parcels.len() != self.holders.len() {
            return Err(TermsError("one key is not two parties'".to_owned()));
        }
        for holder in &self.holders {
            let name = &holder.name;
            parcel::public_key(&holder.parcel_key)
                .map_err(|_| TermsError(format!("the parcel key of {name} is none")))?;
        }
        if let Some(proofs) = &self.proofs {
            let lane = proofs.lane(self, 1, 0);
            lane.map_err(|error| TermsError(format!("proofs: {error}")))?;
        }
        Ok(())
    }

    /// The parameters under which sites prove what they contribute, for who insists on proofs.
    ///
    /// # Errors
    /// [`TermsError`] if the terms ask for none.
    pub fn proofs_required(&self) -> Result<Proofs, TermsError> {
        self.proofs.ok_or_else(|| TermsError("they ask for no proofs".to_owned()))
    }

    /// Digest of all terms.
    ///
    /// # Errors
    /// [`TermsError`], which does not happen.
    pub fn digest(&self) -> Result<Digest, TermsError> {
        let bytes = canonical::to_vec(self).map_err(|error| TermsError(error.to_string()))?;
        Ok(Digest::labelled("graunt/federation/v1", &[&bytes]))
    }

    /// How many holders must agree on a set before any of them opens it: so many that two such
    /// groups share an honest one, even if the ledger shows each of them another set.
    pub const fn votes_min(&self) -> u32 {
        let others = self.threshold - 1;
        #[expect(clippy::cast_possible_truncation, reason = "at most 16 holders")]
        let holders = self.holders.len() as u32;
        (holders + others) / 2 + 1
    }

    /// How many of those who add noise to a total are honest at least: the site whose records are
    /// at stake, and as many of the holders as are left when all but the threshold conspire.
    pub const fn honest(&self) -> u32 {
        self.covers_min - (self.threshold - 1) + 1
    }

    /// The site of that name.
    pub(crate) fn site(&self, name: &str) -> Option<&Party> {
        self.sites.iter().find(|site| site.name == name)
    }

    /// The holder of that name, and its number from 1.
    pub(crate) fn holder(&self, name: &str) -> Option<(u32, &Holder)> {
        (1..).zip(&self.holders).find(|(_, holder)| holder.name == name)
    }

    /// The signing key of a site or holder.
    pub(crate) fn key_of(&self, name: &str) -> Option<PublicKey> {
        let site = self.site(name).map(|site| site.key);
        site.or_else(|| self.holder(name).map(|(_, holder)| holder.key))
    }

    /// The part of a site or holder in a round.
    pub(crate) fn contributor<'a>(&self, name: &'a str) -> Option<Contributor<'a>> {
        let site = self.site(name).map(|_| Contributor::Site(name));
        site.or_else(|| self.holder(name).map(|(number, _)| Contributor::Holder(number)))
    }

    fn names(&self) -> Vec<&String> {
        let sites = self.sites.iter().map(|site| &site.name);
        let holders = self.holders.iter().map(|holder| &holder.name);
        std::iter::once(&self.coordinator.name).chain(sites).chain(holders).collect()
    }
}

fn count<T>(parties: &[T]) -> u32 {
    u32::try_from(parties.len()).unwrap_or(u32::MAX)
}

fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=40).contains(&name.len()) && name.chars().all(fits)
}

const SITES_MAX: u64 = 1_000;

/// A set of liars is looked for among all choices of `threshold` holders.
const HOLDERS_MAX: u64 = 16;

const PERSONS_MAX: u64 = 1 << 33;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::federation::tests::fixture::terms;

    fn refused(change: impl Fn(&mut Federation)) -> String {
        let mut changed = terms(3);
        change(&mut changed);
        changed.check().unwrap_err().0
    }

    #[test]
    fn terms_that_would_open_too_much_are_refused() {
        assert_eq!(terms(3).check(), Ok(()));
        assert!(refused(|t| t.threshold = 2).contains("more than half"));
        assert!(refused(|t| t.threshold = 6).contains("more than half"));
        assert!(refused(|t| t.covers_min = 2).contains("covers_min"));
        assert!(refused(|t| t.covers_min = 6).contains("covers_min"));
        assert!(refused(|t| t.sites_min = 0).contains("sites_min"));
        assert!(refused(|t| t.sites_per_person = 4).contains("sites_per_person"));
        assert!(refused(|t| t.persons_per_site = 0).contains("persons_per_site"));
        assert!(refused(|t| t.holders.truncate(1)).contains("holders"));
        assert!(refused(|t| t.sites.clear()).contains("sites"));
        assert!(refused(|t| t.sites[0].key = t.holders[0].key).contains("two parties"));
        let same = |t: &mut Federation| t.holders[0].parcel_key = t.holders[1].parcel_key.clone();
        assert!(refused(same).contains("two parties"));
        assert!(refused(|t| t.sites[0].name = "holder-1".to_owned()).contains("name of its own"));
        assert!(refused(|t| t.sites[0].name = "../x".to_owned()).contains("names are"));
        assert!(refused(|t| t.holders[2].parcel_key = "AAAA".to_owned()).contains("holder-2"));
    }

    #[test]
    fn all_but_one_site_and_a_threshold_less_one_of_the_holders_may_conspire() {
        let honest = |threshold, covers_min| {
            let mut changed = terms(3);
            (changed.threshold, changed.covers_min) = (threshold, covers_min);
            changed.check().unwrap();
            changed.honest()
        };
        // Of three covers two may be of liars: one is left, and the site itself.
        assert_eq!(honest(3, 3), 2);
        assert_eq!(honest(3, 5), 4);
        assert_eq!(honest(5, 5), 2);
        let two_sites = terms(2);
        assert_eq!((two_sites.check(), two_sites.honest()), (Ok(()), 3));
    }

    #[test]
    fn two_groups_that_agree_share_an_honest_holder() {
        for holders in 2..=16_u32 {
            for threshold in holders / 2 + 1..=holders {
                let mut changed = terms(3);
                let one = changed.holders[0].clone();
                changed.holders = vec![one; usize::try_from(holders).unwrap()];
                changed.threshold = threshold;
                let votes = changed.votes_min();
                assert!(votes <= holders);
                // Two groups have 2·votes − holders in common at least; threshold − 1 may lie.
                assert!(2 * votes - holders > threshold - 1, "{holders} {threshold}");
            }
        }
    }

    #[test]
    fn another_word_is_another_digest() {
        let digest = terms(3).digest().unwrap();
        let mut changed = terms(3);
        changed.sites_per_person = 2;
        assert_ne!(changed.digest().unwrap(), digest);
        assert_eq!(terms(3).digest().unwrap(), digest);
    }
}

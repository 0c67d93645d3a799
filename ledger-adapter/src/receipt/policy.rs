//! Whom a verifier trusts, as one file: logs and witnesses, sites, and who may sign a release.
//!
//! ```json
//! {
//!   "version": 1,
//!   "log_policy": ["log example.org/graunt+1f…+AZ…", "quorum none"],
//!   "former_logs": [{"key": "example.org/graunt+0c…+AQ…", "size": 17}],
//!   "sites": [{"name": "city", "keys": ["…", "…"], "retired": [{"key": "…", "from": 17}]}],
//!   "release": ["…"]
//! }
//! ```
//! A receipt and this file are all that a stranger needs: no ledger and no data. The lines of
//! `log_policy` are those of a C2SP tlog-policy, word for word, so that other tools of transparency
//! logs take them as they are; what a policy there leaves open, who may sign what is logged, is
//! said beside them; so is up to which size a key of a log signed that another took the place of,
//! where both have their line. `verifier/policy.mjs` reads the same file.
//!
//! # Source
//! C2SP tlog-policy, "Policy file syntax and structure".

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::durable;
use crate::error::{LedgerError, Untrusted};
use crate::keys::PublicKey;
use crate::manifest::Manifest;
use crate::note::VerifierKey;
use crate::policy::Policy;
use crate::proof::LogProof;
use crate::receipt::redacted::{RedactedReceipt, VerifiedRedaction};
use crate::receipt::{Receipt, Trust, Verified};
use crate::statement::{EXTRACT_TYPE, Envelope, Statement};

/// The file, as it was read and found to be in order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TrustPolicy {
    log: Policy,
    former_logs: Vec<FormerLog>,
    sites: Vec<SiteKeys>,
    release: Vec<PublicKey>,
}

/// A key of a log that another took the place of.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormerLog {
    /// The key, as its line in `log_policy` has it.
    pub key: String,
    /// Size of the largest checkpoint that it may have signed.
    pub size: u64,
}

/// A site, and the keys with which it may sign its extracts.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteKeys {
    /// The site, as its manifests name it.
    pub name: String,
    /// Its keys.
    pub keys: Vec<PublicKey>,
    /// Those of them that others took the place of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retired: Vec<RetiredKey>,
}

/// A key that another took the place of.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetiredKey {
    /// The key, which stays among those of its site.
    pub key: PublicKey,
    /// Index of the ledger entry that says so: what the key attests from there on is refused.
    pub from: u64,
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    version: u32,
    log_policy: Vec<String>,
    #[serde(default)]
    former_logs: Vec<FormerLog>,
    sites: Vec<SiteKeys>,
    release: Vec<PublicKey>,
}

impl TrustPolicy {
    /// Reads a policy file.
    ///
    /// # Errors
    /// [`Untrusted::Missing`], [`LedgerError::Store`], and as [`TrustPolicy::parse`].
    pub fn load(path: &Path) -> Result<Self, LedgerError> {
        let bytes = durable::read(path)?.ok_or_else(|| LedgerError::Untrusted {
            place: path.display().to_string(),
            fault: Untrusted::Missing,
        })?;
        Self::parse(&bytes)
    }

    /// Reads a policy.
    ///
    /// # Errors
    /// [`LedgerError::Malformed`] if it is not one, if it names a site or a key twice, or if it has
    /// no log.
    pub fn parse(bytes: &[u8]) -> Result<Self, LedgerError> {
        let read: Wire =
            serde_json::from_slice(bytes).map_err(|error| malformed(&error.to_string()))?;
        if read.version != 1 {
            return Err(malformed("of another version"));
        }
        let names: BTreeSet<_> = read.sites.iter().map(|site| &site.name).collect();
        if names.len() != read.sites.len() {
            return Err(malformed("a site is there twice"));
        }
        let log = log_policy(&read.log_policy)?;
        let former: BTreeSet<_> = read.former_logs.iter().map(|former| &former.key).collect();
        let logs: BTreeSet<_> = log.logs().iter().map(|line| line.key.to_string()).collect();
        if former.len() != read.former_logs.len() || !former.iter().all(|key| logs.contains(*key)) {
            return Err(malformed("a former key of a log has no line, or is there twice"));
        }
        let Wire { former_logs, sites, release, .. } = read;
        let policy = Self { log, former_logs, sites, release };
        let keys: BTreeSet<_> = policy.keys().collect();
        if keys.len() != policy.keys().count() {
            return Err(malformed("a key is there twice"));
        }
        for site in &policy.sites {
            let retired: BTreeSet<_> = site.retired.iter().map(|retired| retired.key).collect();
            if retired.len() != site.retired.len()
                || !retired.iter().all(|key| site.keys.contains(key))
            {
                return Err(malformed("a retired key is not its site's, or there twice"));
            }
        }
        Ok(policy)
    }

    /// Verifies a receipt as [`Receipt::verify`] does, by this policy: its log and all keys in it
    /// are trusted, enough witnesses cosigned, a release key signed the release, and each site its
    /// own extract.
    ///
    /// # Errors
    /// As [`Receipt::verify`] and [`Policy::verify`]; [`Untrusted::Signer`] for a log or key that
    /// is not trusted, [`Untrusted::Disagrees`] for one that signed what it may not.
    pub fn verify(&self, receipt: &Receipt) -> Result<Verified, LedgerError> {
        let (trust, witnesses) = self.trust(&receipt.log, &receipt.keys)?;
        let mut verified = receipt.verify(&trust)?;
        let (_, signers) = receipt.release.verify_signers(&receipt.keys)?;
        if !signers.iter().any(|key| self.release.contains(key)) {
            return disagrees("the release is not signed by a release key");
        }
        verified.lines.extend(witnesses);
        verified.lines.push(self.sites(&receipt.extracts, &receipt.keys)?);
        Ok(verified)
    }

    /// Verifies what is left of a receipt, in the same way.
    ///
    /// # Errors
    /// As [`TrustPolicy::verify`].
    pub fn verify_redacted(
        &self,
        left: &RedactedReceipt,
    ) -> Result<VerifiedRedaction, LedgerError> {
        let (trust, witnesses) = self.trust(&left.log, &left.keys)?;
        let mut verified = left.verify(&trust)?;
        verified.lines.extend(witnesses);
        verified.lines.push(self.sites(&left.extracts, &left.keys)?);
        Ok(verified)
    }

    /// What is trusted of the log and the keys of a receipt, and a line for each witness.
    fn trust(
        &self,
        log: &LogProof,
        keys: &[PublicKey],
    ) -> Result<(Trust, Vec<String>), LedgerError> {
        let is_listed = |key: &PublicKey| self.keys().any(|listed| listed == key);
        // Without keys, a receipt would be asked for its own.
        if keys.is_empty() || !keys.iter().all(is_listed) {
            return Err(untrusted(Untrusted::Signer));
        }
        let vkey: VerifierKey = log.vkey.parse()?;
        let approved = self.log.verify(&log.checkpoint, Some(&vkey), "log proof")?;
        let retired = self.sites.iter().flat_map(|site| &site.retired);
        let former = self.former_logs.iter();
        let trust = Trust {
            log_vkey: Some(vkey.to_string()),
            keys: keys.to_vec(),
            retired: retired.map(|retired| (retired.key.keyid(), retired.from)).collect(),
            former_logs: former.map(|former| (former.key.clone(), former.size)).collect(),
        };
        let line = |(witness, _)| format!("{witness} cosigned the checkpoint");
        Ok((trust, approved.cosigned.into_iter().map(line).collect()))
    }

    /// Each site signed its own extract.
    fn sites(&self, extracts: &[Envelope], keys: &[PublicKey]) -> Result<String, LedgerError> {
        for envelope in extracts {
            let (payload, signers) = envelope.verify_signers(keys)?;
            let manifest = Statement::<Manifest>::from_payload(&payload, EXTRACT_TYPE)?.predicate;
            let Some(site) = self.sites.iter().find(|site| site.name == manifest.site) else {
                return disagrees("an extract is of a site that is not trusted here");
            };
            if !signers.iter().any(|key| site.keys.contains(key)) {
                return disagrees("an extract is not signed by its site's key");
            }
        }
        Ok("each is signed by a key of its role".to_owned())
    }

    fn keys(&self) -> impl Iterator<Item = &PublicKey> {
        self.release.iter().chain(self.sites.iter().flat_map(|site| &site.keys))
    }
}

/// The policy of the lines, which must be one line each.
fn log_policy(lines: &[String]) -> Result<Policy, LedgerError> {
    if lines.iter().any(|line| line.contains('\n')) {
        return Err(malformed("a line of its log policy is two"));
    }
    let policy = Policy::parse(&lines.iter().map(|line| format!("{line}\n")).collect::<String>())?;
    if policy.logs().is_empty() {
        return Err(malformed("it has no log"));
    }
    Ok(policy)
}

fn malformed(detail: &str) -> LedgerError {
    LedgerError::Malformed { what: "trust policy", detail: detail.to_owned() }
}

fn untrusted(fault: Untrusted) -> LedgerError {
    LedgerError::Untrusted { place: "receipt".to_owned(), fault }
}

fn disagrees<T>(claim: &'static str) -> Result<T, LedgerError> {
    Err(untrusted(Untrusted::Disagrees(claim)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Signer;

    fn key(seed: u8) -> PublicKey {
        Signer::from_seed(&[seed; 32]).public()
    }

    fn text(lines: &[&str], sites: &[(&str, u8)], release: &[u8]) -> String {
        let site =
            |(name, seed): &(&str, u8)| serde_json::json!({"name": name, "keys": [key(*seed)]});
        let release: Vec<_> = release.iter().map(|seed| key(*seed)).collect();
        let sites: Vec<_> = sites.iter().map(site).collect();
        let wire = serde_json::json!({
            "version": 1, "log_policy": lines, "sites": sites, "release": release,
        });
        wire.to_string()
    }

    #[test]
    fn only_what_is_understood_in_full_is_a_policy() {
        let log = VerifierKey::new("example.org/log", key(3)).unwrap();
        let again = VerifierKey::new("example.org/other", key(3)).unwrap();
        let (log, again) = (format!("log {log} https://log.example.org/"), format!("log {again}"));
        let none = "\tquorum  none ";
        let read = |text: &str| TrustPolicy::parse(text.as_bytes());
        let good = text(&["# a comment", "", &log, none], &[("city", 1)], &[2]);
        assert_eq!(read(&good).unwrap().log.logs()[0].key.origin(), "example.org/log");
        for wrong in [
            text(&[&log], &[("city", 1)], &[2]),
            text(&[none], &[("city", 1)], &[2]),
            text(&[&log, none, none], &[("city", 1)], &[2]),
            text(&[&log, &again, none], &[("city", 1)], &[2]),
            text(&[&log, "quorum some"], &[("city", 1)], &[2]),
            text(&[&log, none, "mirror x"], &[("city", 1)], &[2]),
            text(&[&format!("{log}\n{none}")], &[("city", 1)], &[2]),
            text(&[&log, none], &[("city", 1), ("city", 4)], &[2]),
            text(&[&log, none], &[("city", 1)], &[1]),
            text(&[&log, none], &[("city", 1), ("lake", 1)], &[2]),
            good.replace("\"version\":1", "\"version\":2"),
            good.replace("\"version\":1", "\"version\":1,\"more\":1"),
        ] {
            assert!(read(&wrong).is_err(), "{wrong}");
        }
    }
}

//! What a verified receipt says, in the forms that hospitals, trusted research environments and
//! data platforms read.
//!
//! ```text
//!                         ┌─▶ fhir         AuditEvent (R4, IHE BALP), Provenance (R5)
//! Receipt ──verified──▶ Record ─▶ open_lineage   RunEvent 2-0-2
//!                         ├─▶ prov         PROV-JSON
//!                         └─▶ five_safes   RO-Crate: names and bytes of files
//! ```
//! Exports are copies for other systems, never what is signed; each points back at the signed
//! statement and at the log. They depend on nothing but the receipt: the same one gives the same
//! bytes, and its day is the only time in them.
//!
//! # Privacy
//! No text of a query, digest of one or of an answer that could be guessed, number of records or
//! duration is in an AuditEvent, RunEvent or PROV document, unless [`Question::Shown`] asks for the
//! text; that is for copies that stay with those who hold receipts. A Provenance and a crate carry
//! the signed statement, which names columns and mechanisms as the query spells them: they are for
//! holders of receipts always. A receipt names no analyst, so no export does.

pub mod fhir;
pub mod five_safes;
pub mod open_lineage;
pub mod prov;

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::canonical;
use crate::charge::{AccountEffect, Finality};
use crate::digest::Digest;
use crate::entry::Entry;
use crate::error::LedgerError;
use crate::keys::PublicKey;
use crate::manifest::{Manifest, PolicyEvidence};
use crate::note::VerifierKey;
use crate::receipt::policy::TrustPolicy;
use crate::receipt::{Receipt, Trust};
use crate::statement::{
    EXTRACT_TYPE, RELEASE_TYPE, ReleasePredicate, Statement, intent_commitment,
};

/// Whether the text of the query may be in an export.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Question {
    /// It may not; a salted commitment stands for it.
    #[default]
    Withheld,
    /// It may: the export stays with those who may see the receipt.
    Shown,
}

/// A receipt that was verified, and what exports say of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    receipt: Receipt,
    /// Salted commitment to the intent, as on the ledger: it stands for the query.
    intent: Digest,
    predicate: ReleasePredicate,
    /// Canonical JSON of the answer.
    table: Vec<u8>,
    inputs: Vec<Input>,
    effect: AccountEffect,
    /// Name of the log.
    origin: String,
    charge_index: u64,
    release_index: u64,
    /// Who signed the release.
    releaser: PublicKey,
    /// Day of the charge, `YYYY-MM-DD`.
    date: String,
}

/// An extract that was read.
#[derive(Clone, Debug, PartialEq)]
struct Input {
    root: Digest,
    site: String,
    policy: PolicyEvidence,
}

impl Record {
    /// Verifies a receipt by keys.
    ///
    /// # Errors
    /// As [`Receipt::verify`]; [`LedgerError::Malformed`] for a day after the year 9999.
    pub fn of(receipt: Receipt, trust: &Trust) -> Result<Self, LedgerError> {
        let _ = receipt.verify(trust)?;
        let keys = if trust.keys.is_empty() { receipt.keys.clone() } else { trust.keys.clone() };
        Self::verified(receipt, &keys)
    }

    /// Verifies a receipt by a policy.
    ///
    /// # Errors
    /// As [`TrustPolicy::verify`] and [`Record::of`].
    pub fn under(receipt: Receipt, policy: &TrustPolicy) -> Result<Self, LedgerError> {
        let _ = policy.verify(&receipt)?;
        let keys = receipt.keys.clone();
        Self::verified(receipt, &keys)
    }

    fn verified(receipt: Receipt, keys: &[PublicKey]) -> Result<Self, LedgerError> {
        let (payload, signers) = receipt.release.verify_signers(keys)?;
        let statement = Statement::<ReleasePredicate>::from_payload(&payload, RELEASE_TYPE)?;
        let predicate = statement.predicate;
        let mut inputs = Vec::new();
        for (root, envelope) in receipt.intent.inputs.iter().zip(&receipt.extracts) {
            let payload = envelope.payload()?;
            let manifest = Statement::<Manifest>::from_payload(&payload, EXTRACT_TYPE)?.predicate;
            inputs.push(Input { root: *root, site: manifest.site, policy: manifest.policy });
        }
        let (mut charge, mut release) = (None, None);
        for (index, entry) in receipt.log.verify(None)? {
            match entry {
                Entry::Charge(of) if of.query == predicate.query => charge = Some(index),
                Entry::Release { query, .. } if query == predicate.query => release = Some(index),
                _ => {}
            }
        }
        let key: VerifierKey = receipt.log.vkey.parse()?;
        Ok(Self {
            intent: intent_commitment(&receipt.intent_salt, &receipt.intent)?,
            table: canonical::to_vec(&predicate.table)?,
            effect: predicate.effects.first().copied().ok_or_else(|| missing("an account"))?,
            charge_index: charge.ok_or_else(|| missing("a charge"))?,
            release_index: release.ok_or_else(|| missing("a release"))?,
            releaser: signers.first().copied().ok_or_else(|| missing("a signer"))?,
            origin: key.origin().to_owned(),
            date: date(receipt.intent.day).ok_or_else(|| missing("a day before 10000-01-01"))?,
            predicate,
            inputs,
            receipt,
        })
    }

    /// Name of the query on the ledger.
    const fn query(&self) -> Digest {
        self.predicate.query
    }

    /// SHA-256 of the answer, as the release statement has it.
    fn table_digest(&self) -> Digest {
        Digest::sha256(&self.table)
    }

    /// The start of the day of the charge. A receipt knows no closer time, and shall not.
    fn midnight(&self) -> String {
        format!("{}T00:00:00Z", self.date)
    }

    /// Name and version of the engine.
    fn engine(&self) -> (&str, &str) {
        let engine = self.receipt.intent.engine.as_str();
        engine.rsplit_once(' ').unwrap_or((engine, "unknown"))
    }

    /// The sites, each once.
    fn sites(&self) -> BTreeSet<&str> {
        self.inputs.iter().map(|input| input.site.as_str()).collect()
    }

    /// The canonical JSON of the signed release statement's envelope.
    fn envelope(&self) -> Result<Vec<u8>, LedgerError> {
        canonical::to_vec(&self.receipt.release)
    }

    /// How final the charge was.
    const fn finality(&self) -> &'static str {
        match self.predicate.finality {
            Finality::Local => "local",
            Finality::Witnessed => "witnessed",
            Finality::Confirmed => "confirmed",
            Finality::Final => "final",
        }
    }
}

/// The name of what has this SHA-256.
///
/// # Source
/// RFC 6920, section 3: named information URIs.
fn name_of(digest: Digest) -> String {
    format!("ni:///sha-256;{}", URL_SAFE_NO_PAD.encode(digest.as_bytes()))
}

/// A UUID from the first bits of a random digest.
///
/// # Source
/// RFC 9562, section 5.8: version 8, whose bits are the maker's own.
fn uuid(digest: Digest) -> String {
    let hex = digest.to_string();
    let variant = u8::from_str_radix(&hex[16..17], 16).unwrap_or_default() & 3 | 8;
    let (a, b, c) = (&hex[..8], &hex[8..12], &hex[13..16]);
    format!("{a}-{b}-8{c}-{variant:x}{}-{}", &hex[17..20], &hex[20..32])
}

/// A day since 1970-01-01 in the Gregorian calendar; `None` after the year 9999.
fn date(day: u32) -> Option<String> {
    let (mut year, mut rest) = (1970_u32, day);
    let is_leap = |year: u32| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    while rest >= 365 + u32::from(is_leap(year)) {
        rest -= 365 + u32::from(is_leap(year));
        year += 1;
        if year > 9999 {
            return None;
        }
    }
    let february = 28 + u32::from(is_leap(year));
    let mut month = 1;
    for days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if rest < days {
            break;
        }
        rest -= days;
        month += 1;
    }
    Some(format!("{year:04}-{month:02}-{:02}", rest + 1))
}

fn missing(what: &str) -> LedgerError {
    LedgerError::Malformed { what: "receipt", detail: format!("it is without {what}") }
}

/// Who makes the exports.
const PRODUCER: &str = "https://graunt.dev/engine";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_dates_of_the_calendar() {
        for (day, written) in [
            (0, "1970-01-01"),
            (58, "1970-02-28"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (20_050, "2024-11-23"),
            (20_088, "2024-12-31"),
            (47_540, "2100-02-28"),
            (47_541, "2100-03-01"),
            (2_932_896, "9999-12-31"),
        ] {
            assert_eq!(date(day).as_deref(), Some(written));
        }
        assert_eq!(date(2_932_897), None);
        assert_eq!(date(u32::MAX), None);
    }

    #[test]
    fn digests_have_names_and_uuids() {
        // RFC 6920, section 8.1: "Hello World!".
        let name = "ni:///sha-256;f4OxZX_x_FO5LcGBSKHWXfwtSx-j1ncoSt3SABJtkGk";
        assert_eq!(name_of(Digest::sha256(b"Hello World!")), name);
        let of = |byte| uuid(Digest::from_bytes([byte; 32]));
        assert_eq!(of(0xff), "ffffffff-ffff-8fff-bfff-ffffffffffff");
        assert_eq!(of(0x06), "06060606-0606-8606-8606-060606060606");
    }
}

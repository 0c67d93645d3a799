//! The checks of a receipt, one after another.

use crate::charge::AccountEffect;
use crate::cost::Cost;
use crate::digest::Digest;
use crate::entry::Entry;
use crate::error::{LedgerError, Untrusted};
use crate::receipt::exact::{Price, carries_out, price};
use crate::receipt::proved::{Proved, disagrees};
use crate::receipt::{Receipt, Trust, Verified};
use crate::statement::{
    Envelope, KEY_SELECTION, RELEASE_TYPE, ReleasePredicate, Statement, intent_commitment,
    release_commitment,
};

/// Verifies a receipt.
pub(super) fn verify(receipt: &Receipt, trust: &Trust) -> Result<Verified, LedgerError> {
    if receipt.version != VERSION || receipt.intent.version != VERSION {
        let detail = format!("versions {} and {}", receipt.version, receipt.intent.version);
        return Err(LedgerError::Malformed { what: "receipt", detail });
    }
    let entries = trust.entries(&receipt.log)?;
    let are_keys_trusted = !trust.keys.is_empty();
    // Each field of a receipt is checked, also this one, though trusted keys are known without it.
    let is_stranger = |key| are_keys_trusted && !trust.keys.contains(key);
    if receipt.keys.is_empty() || receipt.keys.iter().any(is_stranger) {
        let (place, fault) = ("receipt".to_owned(), Untrusted::Signer);
        return Err(LedgerError::Untrusted { place, fault });
    }
    let keys = if are_keys_trusted { &trust.keys } else { &receipt.keys };
    let proved = Proved { entries: &entries, keys, retired: &trust.retired };
    let check = Check { receipt, proved };
    let mut lines =
        vec![format!("{} ledger entries are under one signed checkpoint", entries.len())];
    lines.push(check.release()?);
    lines.push(check.charge()?);
    lines.push(check.balance()?);
    lines.extend(check.inputs()?);
    lines.extend(check.mechanisms()?);
    lines.push(check.order()?);
    let is_log_trusted = trust.log_vkey.is_some();
    if !is_log_trusted {
        lines.push("the log's key is only self-asserted".to_owned());
    }
    if !are_keys_trusted {
        lines.push("the signers' keys are only self-asserted".to_owned());
    }
    Ok(Verified { lines, is_log_trusted, are_keys_trusted })
}

struct Check<'a> {
    receipt: &'a Receipt,
    proved: Proved<'a>,
}

impl Check<'_> {
    /// The release statement: signed, about this query and intent, and about this table.
    fn release(&self) -> Result<String, LedgerError> {
        let payload = self.receipt.release.verify(self.proved.keys)?;
        let statement: Statement<ReleasePredicate> =
            Statement::from_payload(&payload, RELEASE_TYPE)?;
        let table = &statement.predicate.table;
        if !table.is_rectangular() {
            return disagrees("the answer's intervals do not have the shape of its values");
        }
        let digest = table.digest()?.to_string();
        match statement.subject.as_slice() {
            [subject]
                if subject.digest.len() == 1 && subject.digest.get("sha256") == Some(&digest) => {}
            _ => {
                let place = "answer".to_owned();
                return Err(LedgerError::Untrusted { place, fault: Untrusted::Digest });
            }
        }
        if statement.predicate.query != self.receipt.intent.query {
            return disagrees("the release is of another query than the intent");
        }
        if statement.predicate.intent != self.intent()? {
            return disagrees("the release is of another intent");
        }
        Ok("the answer is the one in the signed release statement".to_owned())
    }

    /// The charge on the ledger is for this intent, word for word.
    fn charge(&self) -> Result<String, LedgerError> {
        let intent = &self.receipt.intent;
        let (index, request) = self.proved.charge(self.receipt.intent.query)?;
        if request.intent != self.intent()? {
            return disagrees("the charge is for another intent");
        }
        // The population's account pays first; whoever asks may pay the same out of their own.
        let is_first = request.items.first() == Some(&(intent.account, intent.cost));
        if !is_first || request.items.iter().any(|(_, cost)| *cost != intent.cost) {
            return disagrees("the charge is of another cost or account than the intent");
        }
        if request.inputs != intent.inputs {
            return disagrees("the charge is for other extracts than the intent");
        }
        if request.day != intent.day {
            return disagrees("the charge is of another day than the intent");
        }
        Ok(format!("entry {index} charges {} for the stated intent", intent.cost))
    }

    /// What the charge did to the account: before and cost are after, within the cap as opened.
    fn balance(&self) -> Result<String, LedgerError> {
        let intent = &self.receipt.intent;
        let payload = self.receipt.release.payload()?;
        let statement: Statement<ReleasePredicate> =
            Statement::from_payload(&payload, RELEASE_TYPE)?;
        let [effect] = statement.predicate.effects.as_slice() else {
            return disagrees("the release does not state one account");
        };
        let AccountEffect { account, cost, spent_before, spent_after, cap } = *effect;
        if account != intent.account || cost != intent.cost {
            return disagrees("the release states another cost or account than the intent");
        }
        if spent_before.checked_add(cost) != Some(spent_after) {
            return disagrees("the stated balance does not add up");
        }
        if !spent_after.fits(cap) {
            return disagrees("the stated balance is beyond the cap");
        }
        if self.proved.cap(account)? != cap {
            return disagrees("the account was opened with another cap");
        }
        Ok(format!("spent after it: {spent_after}, of {cap}"))
    }

    /// Each extract is attested for the account, its statement is signed by the attested key, and
    /// it had not expired.
    fn inputs(&self) -> Result<Vec<String>, LedgerError> {
        let intent = &self.receipt.intent;
        if intent.inputs.is_empty() || self.receipt.extracts.len() != intent.inputs.len() {
            return disagrees("there is not one extract statement for each input");
        }
        let (_, releasers) = self.receipt.release.verify_signers(self.proved.keys)?;
        let (_, request) = self.proved.charge(intent.query)?;
        let check = |(root, envelope): (&Digest, &Envelope)| {
            let input = self.proved.input(request, *root, envelope)?;
            if releasers.iter().any(|key| key.keyid() == input.key) {
                return disagrees("the release is signed by a site, which may only attest");
            }
            let (index, site) = (input.index, input.manifest.site);
            Ok(format!("entry {index} attests the extract of {site}, signed by it"))
        };
        intent.inputs.iter().zip(&self.receipt.extracts).map(check).collect()
    }

    /// The noise costs no more than is stated, in sum no more than was charged; and where a bound
    /// was chosen privately, the release carries out what the intent reserved.
    fn mechanisms(&self) -> Result<Vec<String>, LedgerError> {
        let reserved = &self.receipt.intent.mechanisms;
        let payload = self.receipt.release.payload()?;
        let statement = Statement::<ReleasePredicate>::from_payload(&payload, RELEASE_TYPE)?;
        let stated = &statement.predicate.mechanisms;
        let stated = if stated.is_empty() { reserved } else { stated };
        if stated.len() != reserved.len() {
            return disagrees("the release has other mechanisms than were reserved");
        }
        let (mut lines, mut sum) = (Vec::new(), Cost::default());
        for (record, reserved) in stated.iter().zip(reserved) {
            if !carries_out(record, reserved) {
                return disagrees("the release has other mechanisms than were reserved");
            }
            match price(record) {
                Price::Paid => {}
                Price::Owed => return disagrees("a stated mechanism costs more than it states"),
                Price::Unknown => {
                    return disagrees("the cost of a stated mechanism cannot be recomputed");
                }
            }
            let cost = Cost { rho: reserved.rho, delta: reserved.delta };
            match sum.checked_add(cost) {
                Some(total) => sum = total,
                None => return disagrees("the stated mechanisms cost more than was charged"),
            }
            let verb = if record.mechanism == KEY_SELECTION { "states" } else { "costs" };
            lines.push(format!("the noise on {} {verb} at most {cost}", record.column));
        }
        if lines.is_empty() {
            return disagrees("no mechanism is stated");
        }
        if !sum.fits(self.receipt.intent.cost) {
            return disagrees("the stated mechanisms cost more than was charged");
        }
        Ok(lines)
    }

    /// Opened, attested, charged, released: in this order, and the release is this one. Whatever
    /// was opened of the query lies between the last two.
    fn order(&self) -> Result<String, LedgerError> {
        let intent = &self.receipt.intent;
        let (charged, _) = self.proved.charge(self.receipt.intent.query)?;
        let release = self.proved.one(
            "the release is not in the proof",
            |entry| matches!(entry, Entry::Release { query, .. } if *query == intent.query),
        )?;
        let (released, Entry::Release { commitment, .. }) = release else {
            return disagrees("the release is not in the proof");
        };
        let expected = release_commitment(&self.receipt.release_salt, &self.receipt.release)?;
        if *commitment != expected {
            return disagrees("the ledger has another release of this query");
        }
        self.proved.check_sets(intent.query, charged..*released)?;
        for (index, entry) in self.proved.entries {
            let is_late = match entry {
                Entry::Release { .. } | Entry::Commit { .. } => false,
                Entry::Open(_) | Entry::Attest(_) | Entry::Supersede { .. } => *index >= charged,
                Entry::Charge(_) => *index >= *released,
                Entry::Revoke { .. } | Entry::Redact { .. } | Entry::Key(_) => true,
            };
            if is_late {
                return disagrees("the entries are not in the order of a release");
            }
        }
        Ok(format!("entry {released} records the release, after the charge"))
    }

    fn intent(&self) -> Result<Digest, LedgerError> {
        intent_commitment(&self.receipt.intent_salt, &self.receipt.intent)
    }
}

const VERSION: u32 = 1;

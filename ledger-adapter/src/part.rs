//! A site's own part of a query that was charged elsewhere: once per site and query, for ever.
//!
//! ```text
//! view of the ledger: just this request? ──▶ name on disk, or taken already ──▶ Charged
//! ```
//! Where an answer is put together from several sites, one party is granted the charge, and each
//! site draws noise of its own for it. A site sees that the charge is on the ledger, word for word,
//! and writes nothing there. That it draws its noise once is its own to know: [`Claims`] is a
//! directory with one empty file for each query that it ever took part in.
//!
//! A part that was claimed and not used is lost, as a charge is: a second claim is refused, also
//! after a crash. It cannot know of claims that were lost with their directory, so a site whose
//! directory is gone, or came back from a backup, takes part in no query that was charged before.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::charge::{AccountEffect, Balance, ChargeRequest, Charged, Finality, Outcome};
use crate::cost::Cost;
use crate::digest::Digest;
use crate::disk::{Disk, System};
use crate::error::LedgerError;
use crate::view::View;

/// The queries that a site has claimed its part of. Its clones, and other processes that open the
/// same directory, refuse what any of them has claimed.
#[derive(Clone, Debug)]
pub struct Claims {
    directory: PathBuf,
    disk: Arc<dyn Disk>,
}

impl Claims {
    /// The claims in a directory of a local file system, which is made if it is not there. Each
    /// site has one of its own, and only one.
    ///
    /// # Errors
    /// [`LedgerError::Store`].
    pub fn at(directory: &Path) -> Result<Self, LedgerError> {
        Self::on(Arc::new(System), directory)
    }

    /// Claims the site's part of a query that `view` shows charged, by just this request, and
    /// neither released nor redacted. Nothing is written to the ledger.
    ///
    /// # Privacy
    /// At most one [`Charged`] comes of a query in this directory, whoever asks and how often, and
    /// whatever fails in between: the name of the query is on disk before it is made. Noise that
    /// is drawn twice for one charge could be averaged away.
    ///
    /// # Errors
    /// [`LedgerError::Refused`] if the query is not charged, is released or redacted, or was
    /// claimed before; [`LedgerError::Conflict`] if it was charged by another request;
    /// [`LedgerError::Finality`] if the charge is not as final as is needed; a fault of the view.
    /// After [`LedgerError::Store`] the part may be lost: ask for the query under a new name.
    pub fn claim<V: View + ?Sized>(
        &self,
        view: &V,
        request: &ChargeRequest,
        need: Finality,
    ) -> Result<Charged, LedgerError> {
        let Some(placed) = view.charged(request)? else { return refuse(UNCHARGED) };
        if placed.finality < need {
            return Err(LedgerError::Finality { has: placed.finality, need });
        }
        match view.outcome(request.query)? {
            Some(Outcome::Charged(_)) => {}
            Some(Outcome::Released(..) | Outcome::Redacted(_)) => {
                return refuse("no part is claimed after a query is released or redacted");
            }
            None => return refuse(UNCHARGED),
        }
        let effects = request.items.iter().map(|(account, cost)| effect(view, *account, *cost));
        let effects = effects.collect::<Result<_, _>>()?;
        if !self.disk.take_name(&self.directory.join(request.query.to_string()))? {
            return refuse("a part of a charge is claimed once");
        }
        Ok(Charged::part(request.query, placed, effects))
    }

    fn on(disk: Arc<dyn Disk>, directory: &Path) -> Result<Self, LedgerError> {
        disk.create_directories(directory)?;
        Ok(Self { directory: directory.to_owned(), disk })
    }
}

/// The account as it is seen now, with the charge in it.
fn effect<V: View + ?Sized>(
    view: &V,
    account: Digest,
    cost: Cost,
) -> Result<AccountEffect, LedgerError> {
    let Some(Balance { cap, spent: spent_after, .. }) = view.remaining(account)? else {
        return refuse(UNCHARGED);
    };
    let Some(spent_before) = spent_after.checked_sub(cost) else { return refuse(UNCHARGED) };
    Ok(AccountEffect { account, cost, spent_before, spent_after, cap })
}

const fn refuse<T>(rule: &'static str) -> Result<T, LedgerError> {
    Err(LedgerError::Refused { rule })
}

const UNCHARGED: &str = "a part is claimed of a query that is charged";

#[cfg(test)]
mod tests;

//! Which extracts a population has, and what the ledger says of each.

use std::collections::BTreeMap;
use std::path::PathBuf;

use engine::scan::extract::VerifiedExtract;
use ledger_adapter::charge::{Attestation, ExtractStatus};
use ledger_adapter::digest::Digest;
use ledger_adapter::error::{Inactive, LedgerError};
use ledger_adapter::ledger::Ledger;
use ledger_adapter::registry::{ExtractRecord, Registry};

use crate::fail::Failure;
use crate::home::Home;

/// A population by name.
#[derive(Clone, Debug)]
pub(crate) struct Population {
    /// Its name, as people know it.
    pub(crate) name: String,
    /// Its account on the ledger.
    pub(crate) account: Digest,
}

impl Population {
    /// The population of that name, or the only one there is.
    ///
    /// # Errors
    /// [`Failure::Usage`] if there is none, or a choice; [`Failure::Ledger`].
    pub(crate) fn find(registry: &Registry, name: Option<&str>) -> Result<Self, Failure> {
        let mut all = registry.populations()?;
        let names = all.keys().cloned().collect::<Vec<_>>().join(", ");
        let chosen = match name {
            Some(name) => name.to_owned(),
            None if all.len() == 1 => names.clone(),
            None if all.is_empty() => {
                let hint = "make one with graunt extract or graunt budget open, or see it all with \
                            graunt demo";
                return Err(Failure::usage("there is no population here yet", hint));
            }
            None => {
                let what = format!("there are several populations: {names}");
                return Err(Failure::usage(what, "choose one with --population"));
            }
        };
        match all.remove(&chosen) {
            Some(found) => Ok(Self { name: chosen, account: found.account }),
            None => {
                let what = format!("there is no population {chosen:?} here");
                let hint = if names.is_empty() { "there is none yet" } else { names.as_str() };
                Err(Failure::usage(what, format!("known populations: {hint}")))
            }
        }
    }
}

/// An extract of the registry, with what the ledger says of it.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// Its root.
    pub(crate) root: Digest,
    /// Its site.
    pub(crate) site: String,
    /// Where it lies.
    pub(crate) path: PathBuf,
    /// What the ledger says.
    pub(crate) status: ExtractStatus,
}

/// Every extract of a population that the registry knows, in order of site and root.
///
/// # Errors
/// [`Failure::Ledger`].
pub(crate) fn known(
    home: &Home,
    registry: &Registry,
    ledger: &dyn Ledger,
    population: &str,
) -> Result<Vec<Known>, Failure> {
    let of = |(_, record): &(Digest, ExtractRecord)| record.population == population;
    let mut all = Vec::new();
    for (root, record) in registry.extracts()?.into_iter().filter(of) {
        let (path, status) = (home.found(&record.path), ledger.status(root)?);
        all.push(Known { root, site: record.site, path, status });
    }
    all.sort_by(|a, b| (&a.site, a.root).cmp(&(&b.site, b.root)));
    Ok(all)
}

/// The extracts that a query reads: the active one of each site. With `without_revoked`, sites
/// whose only extract was withdrawn are left out; their names come second.
///
/// # Errors
/// [`LedgerError::Inactive`] for a withdrawn extract; [`Failure::Usage`] if there is none to read.
pub(crate) fn readable(
    all: Vec<Known>,
    population: &str,
    without_revoked: bool,
) -> Result<(Vec<Known>, Vec<String>), Failure> {
    let mut revoked: BTreeMap<String, Digest> = BTreeMap::new();
    let mut waiting = false;
    let mut active = Vec::new();
    for extract in all {
        match extract.status {
            ExtractStatus::Active(..) => active.push(extract),
            ExtractStatus::Revoked => {
                revoked.insert(extract.site, extract.root);
            }
            ExtractStatus::Unknown => waiting = true,
            ExtractStatus::Superseded(_) => {}
        }
    }
    revoked.retain(|site, _| active.iter().all(|extract| extract.site != *site));
    if let Some(root) = revoked.values().next()
        && (!without_revoked || active.is_empty())
    {
        return Err(LedgerError::Inactive { root: *root, why: Inactive::Revoked }.into());
    }
    if active.is_empty() {
        let what = format!("population {population:?} has no attested extract");
        let hint = if waiting {
            format!("its extracts wait for graunt budget open --population {population}")
        } else {
            format!("make one with graunt extract --population {population}")
        };
        return Err(Failure::usage(what, hint));
    }
    Ok((active, revoked.into_keys().collect()))
}

/// Opens extracts, with their signatures checked.
///
/// # Errors
/// [`Failure::Ledger`].
pub(crate) fn open(home: &Home, extracts: &[Known]) -> Result<Vec<VerifiedExtract>, Failure> {
    let trusted = home.keys()?.trusted()?;
    let open = |known: &Known| VerifiedExtract::open(&known.path, known.root, &trusted);
    Ok(extracts.iter().map(open).collect::<Result<_, LedgerError>>()?)
}

/// The extract that a new one of this site replaces, attested or still waiting.
///
/// # Errors
/// [`Failure::Ledger`].
pub(crate) fn replaced(home: &Home, all: &[Known], site: &str) -> Result<Option<Digest>, Failure> {
    let own: Vec<Known> = all.iter().filter(|known| known.site == site).cloned().collect();
    let active = own.iter().find(|known| matches!(known.status, ExtractStatus::Active(..)));
    let waiting = open(home, &waiting(&own))?;
    let is_replaced =
        |root: Digest| waiting.iter().any(|extract| extract.manifest().supersedes == Some(root));
    let last = waiting.iter().map(VerifiedExtract::root).find(|root| !is_replaced(*root));
    Ok(last.or_else(|| active.map(|known| known.root)))
}

/// Attests the extracts that wait for it, each after the one that it replaces. Gives their sites.
///
/// # Errors
/// [`Failure::Ledger`].
pub(crate) fn attest(
    home: &Home,
    registry: &Registry,
    ledger: &dyn Ledger,
    population: &str,
) -> Result<Vec<String>, Failure> {
    let all = known(home, registry, ledger, population)?;
    let mut rest = open(home, &waiting(&all))?;
    let mut sites = Vec::new();
    while !rest.is_empty() {
        let roots: Vec<Digest> = rest.iter().map(VerifiedExtract::root).collect();
        let is_ready = |extract: &VerifiedExtract| {
            extract.manifest().supersedes.is_none_or(|old| !roots.contains(&old))
        };
        let (ready, later): (Vec<_>, Vec<_>) = rest.into_iter().partition(is_ready);
        if ready.is_empty() {
            // Each claims to replace another; no order would satisfy them.
            return Err(LedgerError::Conflict { what: "a circle of extracts" }.into());
        }
        for extract in ready {
            attest_one(&extract, ledger)?;
            sites.push(extract.manifest().site.clone());
        }
        rest = later;
    }
    Ok(sites)
}

fn attest_one(extract: &VerifiedExtract, ledger: &dyn Ledger) -> Result<(), Failure> {
    let manifest = extract.manifest();
    let attestation = Attestation {
        root: extract.root(),
        account: manifest.account,
        key: extract.key().keyid(),
        expires_day: manifest.expires_day,
    };
    if let Some(old) = manifest.supersedes
        && matches!(ledger.status(old)?, ExtractStatus::Active(..))
    {
        ledger.supersede(old, &attestation)?;
    } else {
        ledger.attest(&attestation)?;
    }
    Ok(())
}

/// Those not on the ledger yet whose files are still there.
fn waiting(all: &[Known]) -> Vec<Known> {
    let waits = |known: &&Known| known.status == ExtractStatus::Unknown && known.path.is_dir();
    all.iter().filter(waits).cloned().collect()
}

#[cfg(test)]
mod tests {
    use ledger_adapter::charge::{Finality, Placed};

    use super::*;

    fn extract(site: &str, status: ExtractStatus) -> Known {
        let root = Digest::sha256(format!("{site}{status:?}").as_bytes());
        Known { root, site: site.to_owned(), path: PathBuf::new(), status }
    }

    fn active() -> ExtractStatus {
        let placed = Placed { index: 0, finality: Finality::Local, repeated: false };
        ExtractStatus::Active(placed, 30_000)
    }

    #[test]
    fn a_withdrawn_site_stops_the_query_unless_it_is_left_out_knowingly() {
        let all = vec![extract("a", active()), extract("b", ExtractStatus::Revoked)];
        let error = readable(all.clone(), "p", false).unwrap_err();
        assert_eq!(error.exit_code(), 5);
        let (read, left_out) = readable(all, "p", true).unwrap();
        assert_eq!((read.len(), left_out), (1, vec!["b".to_owned()]));
        let only = vec![extract("b", ExtractStatus::Revoked)];
        assert_eq!(readable(only, "p", true).unwrap_err().exit_code(), 5);
    }

    #[test]
    fn a_site_with_a_new_extract_is_read_again() {
        let old = extract("a", ExtractStatus::Revoked);
        let older = extract("a", ExtractStatus::Superseded(old.root));
        let (read, left_out) =
            readable(vec![older, old, extract("a", active())], "p", false).unwrap();
        assert_eq!((read.len(), left_out.len()), (1, 0));
    }

    #[test]
    fn extracts_without_a_budget_are_said_to_wait() {
        let error = readable(vec![extract("a", ExtractStatus::Unknown)], "p", false).unwrap_err();
        assert!(error.hint().unwrap().contains("budget open"));
        assert_eq!(readable(vec![], "p", false).unwrap_err().exit_code(), 2);
    }
}

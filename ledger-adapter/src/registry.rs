//! Names, kept off the ledger: which account a population has, and where an extract lies.
//!
//! The ledger holds salted digests only. This file says what they stand for, and so it is private;
//! whoever destroys a salt makes the ledger's account unlinkable to the name for good.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::durable;
use crate::error::LedgerError;

/// A population and its account.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Population {
    /// The account on the ledger: a digest of salt and name.
    pub account: Digest,
    /// 32 secret random bytes.
    pub salt: Digest,
}

impl Population {
    /// Draws a salt for a name.
    fn new(name: &str) -> Result<Self, LedgerError> {
        let salt = Digest::random()?;
        Ok(Self { account: account(&salt, name), salt })
    }
}

/// The account of a population on the ledger.
pub fn account(salt: &Digest, name: &str) -> Digest {
    Digest::labelled("graunt/account/v1", &[salt.as_bytes(), name.as_bytes()])
}

/// An extract, and where it lies.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtractRecord {
    /// Directory of the extract.
    pub path: PathBuf,
    /// The site that made it.
    pub site: String,
    /// Name of its population.
    pub population: String,
}

/// The file of names. Every call reads it anew, so several processes may share it.
#[derive(Clone, Debug)]
pub struct Registry {
    path: PathBuf,
}

impl Registry {
    /// Opens a registry; a file that is not there yet is an empty one.
    ///
    /// # Errors
    /// [`LedgerError::Untrusted`] with `Exposed` if others may read the file,
    /// [`LedgerError::Malformed`] if it is no registry, [`LedgerError::Store`].
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let registry = Self { path: path.to_owned() };
        registry.read()?;
        Ok(registry)
    }

    /// The population of that name.
    ///
    /// # Errors
    /// As [`Registry::open`].
    pub fn population(&self, name: &str) -> Result<Option<Population>, LedgerError> {
        Ok(self.read()?.populations.remove(name))
    }

    /// The population of that name, made with a random salt if there is none.
    ///
    /// # Errors
    /// As [`Registry::open`]; [`LedgerError::Malformed`] for an empty name or one above 200 bytes;
    /// [`LedgerError::Entropy`].
    pub fn create_population(&self, name: &str) -> Result<Population, LedgerError> {
        check_name(name)?;
        self.change(|names| {
            if let Some(found) = names.populations.get(name) {
                return Ok(found.clone());
            }
            let made = Population::new(name)?;
            names.populations.insert(name.to_owned(), made.clone());
            Ok(made)
        })
    }

    /// Takes part in a population that others made, by its account. Only they can tell that the
    /// account is that of this name: they have the salt.
    ///
    /// # Errors
    /// As [`Registry::create_population`]; [`LedgerError::Conflict`] if the name has another
    /// account here.
    pub fn join_population(&self, name: &str, account: Digest) -> Result<(), LedgerError> {
        check_name(name)?;
        self.change(|names| {
            let unknown = Digest::from_bytes([0; 32]);
            let joined = || Population { account, salt: unknown };
            let found = names.populations.entry(name.to_owned()).or_insert_with(joined);
            if found.account == account {
                return Ok(());
            }
            Err(LedgerError::Conflict { what: "account of the population" })
        })
    }

    /// All populations, by name.
    ///
    /// # Errors
    /// As [`Registry::open`].
    pub fn populations(&self) -> Result<BTreeMap<String, Population>, LedgerError> {
        Ok(self.read()?.populations)
    }

    /// Remembers where an extract lies, and its site. The same root again moves it.
    ///
    /// # Errors
    /// As [`Registry::open`]; [`LedgerError::Malformed`] for names that are empty or above 200
    /// bytes; [`LedgerError::Refused`] if the population is not registered.
    pub fn record_extract(&self, root: Digest, record: &ExtractRecord) -> Result<(), LedgerError> {
        check_name(&record.site)?;
        self.change(|names| {
            if !names.populations.contains_key(&record.population) {
                return Err(LedgerError::Refused {
                    rule: "a population comes before its extracts",
                });
            }
            names.sites.insert(record.site.clone());
            names.extracts.insert(root, record.clone());
            Ok(())
        })
    }

    /// The extract with that root.
    ///
    /// # Errors
    /// As [`Registry::open`].
    pub fn extract(&self, root: Digest) -> Result<Option<ExtractRecord>, LedgerError> {
        Ok(self.read()?.extracts.remove(&root))
    }

    /// All extracts, by root; also those that are no longer active.
    ///
    /// # Errors
    /// As [`Registry::open`].
    pub fn extracts(&self) -> Result<BTreeMap<Digest, ExtractRecord>, LedgerError> {
        Ok(self.read()?.extracts)
    }

    /// Sites that ever had an extract here, by name.
    ///
    /// # Errors
    /// As [`Registry::open`].
    pub fn sites(&self) -> Result<BTreeSet<String>, LedgerError> {
        Ok(self.read()?.sites)
    }

    fn read(&self) -> Result<Names, LedgerError> {
        let malformed = |detail: String| LedgerError::Malformed { what: "registry", detail };
        let Some(bytes) = durable::read_secret(&self.path)? else { return Ok(Names::default()) };
        let names: Names =
            serde_json::from_slice(&bytes).map_err(|error| malformed(error.to_string()))?;
        if names.version != VERSION {
            return Err(malformed(format!("version {}", names.version)));
        }
        Ok(names)
    }

    /// Reads, changes and replaces the file while no other process does.
    fn change<T>(
        &self,
        edit: impl FnOnce(&mut Names) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        let lock_path = durable::beside(&self.path, ".lock");
        let lock = durable::lock_file(&lock_path)?;
        // Closing the file at the end of this call unlocks it.
        lock.lock().map_err(durable::failed(&lock_path, "lock"))?;
        let mut names = self.read()?;
        let before = names.clone();
        let done = edit(&mut names)?;
        if names != before {
            let mut text = serde_json::to_vec_pretty(&names).map_err(|error| {
                LedgerError::Malformed { what: "registry", detail: error.to_string() }
            })?;
            text.push(b'\n');
            durable::replace(&self.path, &text, durable::PRIVATE)?;
        }
        Ok(done)
    }
}

#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Names {
    version: u32,
    populations: BTreeMap<String, Population>,
    extracts: BTreeMap<Digest, ExtractRecord>,
    sites: BTreeSet<String>,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            version: VERSION,
            populations: BTreeMap::new(),
            extracts: BTreeMap::new(),
            sites: BTreeSet::new(),
        }
    }
}

fn check_name(name: &str) -> Result<(), LedgerError> {
    if (1..=200).contains(&name.len()) && !name.chars().any(char::is_control) {
        return Ok(());
    }
    let detail = "1 to 200 bytes without control characters are allowed".to_owned();
    Err(LedgerError::Malformed { what: "name", detail })
}

const VERSION: u32 = 1;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn names_stay_and_the_file_is_private() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("registry.json");
        let registry = Registry::open(&path).unwrap();
        assert_eq!(registry.population("north").unwrap(), None);
        let north = registry.create_population("north").unwrap();
        assert_eq!(registry.create_population("north").unwrap(), north);
        assert_eq!(account(&north.salt, "north"), north.account);
        let root = Digest::sha256(b"root");
        let record = ExtractRecord {
            path: "extracts/1".into(),
            site: "city".to_owned(),
            population: "north".to_owned(),
        };
        registry.record_extract(root, &record).unwrap();
        let again = Registry::open(&path).unwrap();
        assert_eq!(again.population("north").unwrap(), Some(north));
        assert_eq!(again.extract(root).unwrap(), Some(record.clone()));
        assert_eq!(again.extracts().unwrap().len(), 1);
        assert_eq!(again.sites().unwrap(), BTreeSet::from(["city".to_owned()]));
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let stray = ExtractRecord { population: "south".to_owned(), ..record };
        assert!(registry.record_extract(root, &stray).is_err());
        assert!(registry.create_population("").is_err());
    }

    #[test]
    fn names_made_at_once_are_all_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("registry.json");
        std::thread::scope(|scope| {
            for number in 0..8 {
                let registry = Registry::open(&path).unwrap();
                scope.spawn(move || {
                    registry.create_population(&format!("p{number}")).unwrap();
                    registry.create_population("shared").unwrap();
                });
            }
        });
        assert_eq!(Registry::open(&path).unwrap().populations().unwrap().len(), 9);
    }
}

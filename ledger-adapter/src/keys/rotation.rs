//! How the key of a site, or of the log, is replaced in the directory of keys, in steps that a
//! crash may part.
//!
//! ```text
//! site-x.next.pem   begun: the new key is drawn; nothing signs for the site until it is finished
//! site-x.<old>.rotation.json   the statement of both keys, and where the ledger has it
//! site-x.<old>.pub  the old public half stays trusted, for what it attested
//! site-x.pub        the new public half
//! site-x.pem        the new key, renamed over the old one, which is gone then: finished
//! ```
//! The log's key is `log` instead of `site-x`, and has no public half here; see
//! [`crate::log::LogLedger::replace_key`]. Every step may be repeated; whoever begins again while
//! there is a `next` goes on where it stopped.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::charge::KeyRole;
use crate::durable;
use crate::error::LedgerError;
use crate::keys::{Keyring, Signer, check_id, malformed};
use crate::receipt::policy::{RetiredKey, SiteKeys};
use crate::rotation::{PlacedRotation, Rotation};
use crate::statement::Envelope;

/// A rotation of a key that was begun.
#[derive(Debug)]
#[must_use = "the key signs nothing until it is finished"]
pub struct Rotating {
    ring: Keyring,
    /// Which key: how the names of its files begin.
    name: String,
    signers: (Signer, Signer),
    rotation: Rotation,
    statement: Envelope,
}

impl Keyring {
    /// Begins to replace a site's key, or goes on with what was begun: draws the new key, and signs
    /// the statement with both. Put its entry on the ledger next, then [`Rotating::finish`].
    ///
    /// # Errors
    /// [`crate::error::Untrusted::Missing`] if the site has no key here, [`LedgerError::Malformed`]
    /// for an id that is not 1 to 40 of `a-z`, `0-9` and `-`, [`LedgerError::Entropy`],
    /// [`LedgerError::Store`].
    pub fn begin_rotation(&self, site: &str) -> Result<Rotating, LedgerError> {
        check_id(site)?;
        self.begin(KeyRole::Site, format!("site-{site}"))
    }

    /// As [`Keyring::begin_rotation`], of the log's own key. Let the log put [`Rotating::signers`]
    /// in each other's place next, then [`Rotating::finish`].
    ///
    /// # Errors
    /// As [`Keyring::begin_rotation`].
    pub fn begin_log_rotation(&self) -> Result<Rotating, LedgerError> {
        self.begin(KeyRole::Log, LOG.to_owned())
    }

    fn begin(&self, role: KeyRole, name: String) -> Result<Rotating, LedgerError> {
        let old = Signer::load(&self.file(&name, "pem"))?;
        let new = Signer::load_or_create(&self.file(&name, "next.pem"))?;
        let statement = Rotation::sign(role, &old, &new)?;
        let rotation = Rotation::verify(&statement)?;
        Ok(Rotating { ring: self.clone(), name, signers: (old, new), rotation, statement })
    }

    /// All rotations that were finished here, in the order of the ledger.
    ///
    /// # Errors
    /// [`LedgerError::Malformed`] if a file is none, [`LedgerError::Store`].
    pub fn rotations(&self) -> Result<Vec<PlacedRotation>, LedgerError> {
        let mut found = Vec::new();
        for path in self.listed(ROTATION)? {
            let bytes = durable::read(&path)?.unwrap_or_default();
            let placed = serde_json::from_slice::<PlacedRotation>(&bytes);
            found.push(placed.map_err(|error| malformed("key rotation", error.to_string()))?);
        }
        found.sort_by_key(|placed| placed.index);
        Ok(found)
    }

    /// The keys of every site that has one here, as a trust policy lists them.
    ///
    /// # Errors
    /// As [`Keyring::rotations`] and [`Keyring::trusted`].
    pub fn sites(&self) -> Result<Vec<SiteKeys>, LedgerError> {
        let rotations = self.rotations()?;
        let mut sites: BTreeMap<String, SiteKeys> = BTreeMap::new();
        for path in self.listed("pub")? {
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            let Some(name) = stem.strip_prefix("site-") else { continue };
            // What comes after a dot says that it is the half of a key that was replaced.
            let name = name.split('.').next().unwrap_or(name).to_owned();
            let key = Self::public(&path)?;
            let (keys, retired) = (Vec::new(), Vec::new());
            let site = sites.entry(name.clone()).or_insert(SiteKeys { name, keys, retired });
            site.keys.push(key);
            for placed in &rotations {
                if Rotation::verify(&placed.statement)?.old == key {
                    site.retired.push(RetiredKey { key, from: placed.index });
                }
            }
        }
        Ok(sites.into_values().collect())
    }

    /// Fails if a rotation of a key was begun and not finished.
    pub(super) fn check_settled(&self, name: &str) -> Result<(), LedgerError> {
        let rule = match name {
            LOG => "a rotation of the log's key that was begun is finished first",
            _ => "a rotation that was begun is finished first",
        };
        let is_rotating = self.file(name, "next.pem").exists();
        if is_rotating { Err(LedgerError::Refused { rule }) } else { Ok(()) }
    }

    fn file(&self, name: &str, end: &str) -> PathBuf {
        self.directory.join(format!("{name}.{end}"))
    }
}

impl Rotating {
    /// Which key takes the place of which.
    pub const fn rotation(&self) -> &Rotation {
        &self.rotation
    }

    /// The key that is retired, and the one that takes its place.
    pub const fn signers(&self) -> &(Signer, Signer) {
        &self.signers
    }

    /// Where the statement is kept.
    pub fn path(&self) -> PathBuf {
        let old = self.rotation.old.keyid().to_string();
        self.ring.file(&self.name, &format!("{}.{ROTATION}", old.get(..16).unwrap_or(&old)))
    }

    /// Gives up a rotation that the ledger refused: the new key is destroyed.
    ///
    /// # Errors
    /// [`LedgerError::Store`].
    pub fn abandon(self) -> Result<(), LedgerError> {
        let next = self.ring.file(&self.name, "next.pem");
        fs::remove_file(&next).map_err(durable::failed(&next, "remove"))?;
        durable::sync_directory_of(&next)
    }

    /// Puts the new key in place. The old private half is gone then; its public half stays trusted.
    ///
    /// # Errors
    /// [`LedgerError::Store`]; begin again to go on.
    pub fn finish(self, index: u64) -> Result<PlacedRotation, LedgerError> {
        let path = self.path();
        let Self { ring, name, rotation, statement, .. } = self;
        let placed = PlacedRotation { index, statement };
        let mut record = serde_json::to_vec_pretty(&placed)
            .map_err(|error| malformed("key rotation", error.to_string()))?;
        record.push(b'\n');
        durable::replace(&path, &record, durable::PUBLIC)?;
        if rotation.role == KeyRole::Site {
            let line = |key| format!("{key}\n").into_bytes();
            let old = rotation.old.keyid().to_string();
            let kept = ring.file(&name, &format!("{}.pub", old.get(..16).unwrap_or(&old)));
            durable::replace(&kept, &line(rotation.old), durable::PUBLIC)?;
            durable::replace(&ring.file(&name, "pub"), &line(rotation.new), durable::PUBLIC)?;
        }
        let (next, pem) = (ring.file(&name, "next.pem"), ring.file(&name, "pem"));
        fs::rename(&next, &pem).map_err(durable::failed(&pem, "rename"))?;
        durable::sync_directory_of(&pem)?;
        Ok(placed)
    }
}

/// How the names of files with rotations end.
const ROTATION: &str = "rotation.json";

/// How the name of the log's key begins.
const LOG: &str = "log";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Untrusted;
    use crate::receipt::Trust;

    #[test]
    fn a_rotation_leaves_one_private_key_and_both_public_ones() {
        let directory = tempfile::tempdir().unwrap();
        let ring = Keyring::open(directory.path()).unwrap();
        let missing = ring.begin_rotation("north").unwrap_err();
        assert!(matches!(missing, LedgerError::Untrusted { fault: Untrusted::Missing, .. }));
        assert!(ring.begin_rotation("../north").is_err());
        let old = ring.site_signer("north").unwrap().public();
        let begun = ring.begin_rotation("north").unwrap();
        assert_eq!(begun.rotation().old, old);
        let new = begun.rotation().new;
        // Nothing signs for the site meanwhile, and it is trusted as before.
        let refused = ring.site_signer("north").unwrap_err();
        assert!(matches!(refused, LedgerError::Refused { .. }), "{refused}");
        assert_eq!(ring.trusted().unwrap(), [old]);
        let placed = begun.finish(7).unwrap();
        assert_eq!(ring.site_signer("north").unwrap().public(), new);
        let mut trusted = ring.trusted().unwrap();
        trusted.sort();
        let mut both = [old, new];
        both.sort();
        assert_eq!(trusted, both);
        assert_eq!(ring.rotations().unwrap(), [placed]);
        let private = fs::read_dir(directory.path()).unwrap();
        let private = private.filter(|entry| {
            let path = entry.as_ref().unwrap().path();
            path.extension().is_some_and(|extension| extension == "pem")
        });
        assert_eq!(private.count(), 1);

        // A second one ends the chain, and trust follows it from the first key.
        let again = ring.begin_rotation("north").unwrap();
        let newest = again.rotation().new;
        again.finish(9).unwrap();
        let mut trust = Trust { keys: vec![old], ..Trust::default() };
        ring.rotations().unwrap().iter().for_each(|placed| trust.follow(placed).unwrap());
        assert_eq!(trust.keys, [old, new, newest]);
    }

    #[test]
    fn the_log_has_one_private_key_before_and_after() {
        let directory = tempfile::tempdir().unwrap();
        let ring = Keyring::open(directory.path()).unwrap();
        assert!(ring.begin_log_rotation().is_err(), "there is no key yet");
        let old = ring.log_signer().unwrap().public();
        let begun = ring.begin_log_rotation().unwrap();
        let rotation = *begun.rotation();
        assert_eq!((rotation.role, rotation.old), (KeyRole::Log, old));
        let (retired, next) = begun.signers();
        assert_eq!((retired.public(), next.public()), (old, rotation.new));
        drop(begun);
        // Nothing opens the log meanwhile; begun again, it is the same.
        assert!(matches!(ring.log_signer(), Err(LedgerError::Refused { .. })));
        let begun = ring.begin_log_rotation().unwrap();
        assert_eq!(*begun.rotation(), rotation);
        let path = begun.path();
        let placed = begun.finish(6).unwrap();
        assert_eq!(ring.log_signer().unwrap().public(), rotation.new);
        assert_eq!(ring.rotations().unwrap(), [placed]);
        let name = format!("log.{}.rotation.json", &old.keyid().to_string()[..16]);
        assert_eq!(path, directory.path().join(&name));
        let mut names: Vec<_> = fs::read_dir(directory.path()).unwrap().collect();
        names.sort_by_key(|entry| entry.as_ref().unwrap().path());
        let names: Vec<_> = names.into_iter().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, [name.as_str(), "log.pem"], "the log's keys sign no statements");
        assert!(ring.trusted().unwrap().is_empty() && ring.sites().unwrap().is_empty());
    }

    #[test]
    fn a_rotation_that_is_given_up_leaves_the_key_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let ring = Keyring::open(directory.path()).unwrap();
        let old = ring.site_signer("north").unwrap().public();
        ring.begin_rotation("north").unwrap().abandon().unwrap();
        assert_eq!(ring.site_signer("north").unwrap().public(), old);
        assert_eq!((ring.trusted().unwrap(), ring.rotations().unwrap()), (vec![old], vec![]));
    }

    #[test]
    fn a_rotation_goes_on_wherever_it_stopped() {
        // After each of the steps of finishing but the last.
        for steps in 1..4 {
            let directory = tempfile::tempdir().unwrap();
            let ring = Keyring::open(directory.path()).unwrap();
            let old = ring.site_signer("north").unwrap().public();
            let begun = ring.begin_rotation("north").unwrap();
            let rotation = *begun.rotation();
            if steps == 3 {
                let line = format!("{}\n", rotation.new).into_bytes();
                let path = ring.file("site-north", "pub");
                durable::replace(&path, &line, durable::PUBLIC).unwrap();
            }
            if steps >= 2 {
                let line = format!("{old}\n").into_bytes();
                let end = format!("{}.pub", &old.keyid().to_string()[..16]);
                durable::replace(&ring.file("site-north", &end), &line, durable::PUBLIC).unwrap();
            }
            drop(begun);
            assert!(ring.site_signer("north").is_err());
            assert!(ring.trusted().unwrap().contains(&old) || steps == 3);
            let again = ring.begin_rotation("north").unwrap();
            assert_eq!(*again.rotation(), rotation);
            again.finish(5).unwrap();
            assert_eq!(ring.site_signer("north").unwrap().public(), rotation.new);
            assert_eq!(ring.trusted().unwrap().len(), 2);
        }
    }
}

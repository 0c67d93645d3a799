//! Numbers for identifiers: the same for one identifier in all tables, and in later runs.
//!
//! They are no pseudonyms: who knows an identifier can make its number. The tables stay where the
//! export is; an extract gives its own pseudonyms under a key.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use sha2::{Digest, Sha256};

use crate::fhir::error::FhirError;

/// Numbers that were given out.
#[derive(Debug)]
pub(super) struct Ids {
    namespace: String,
    /// More of the digest that each number is from, and whether its resource was read.
    given: HashMap<i64, Given>,
}

#[derive(Debug)]
struct Given {
    check: u64,
    read: bool,
}

impl Ids {
    /// Numbers of a namespace.
    pub(super) fn new(namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), given: HashMap::new() }
    }

    /// The number of an identifier such as `Patient/p1`: the first 63 bits of the SHA-256 of the
    /// namespace's length in eight bytes, the namespace, and the identifier.
    ///
    /// # Errors
    /// [`FhirError::Collision`] if another identifier has it.
    pub(super) fn number(&mut self, identifier: &str) -> Result<i64, FhirError> {
        self.given(identifier).map(|(number, _)| number)
    }

    /// Whether a resource is read for the first time.
    ///
    /// # Errors
    /// [`FhirError::Collision`].
    pub(super) fn read(&mut self, identifier: &str) -> Result<bool, FhirError> {
        let (_, given) = self.given(identifier)?;
        Ok(!std::mem::replace(&mut given.read, true))
    }

    fn given(&mut self, identifier: &str) -> Result<(i64, &mut Given), FhirError> {
        let mut digest = Sha256::new();
        digest.update((self.namespace.len() as u64).to_be_bytes());
        digest.update(self.namespace.as_bytes());
        digest.update(identifier.as_bytes());
        let digest: [u8; 32] = digest.finalize().into();
        let (number, check) = parts(&digest);
        match self.given.entry(number) {
            Entry::Vacant(free) => Ok((number, free.insert(Given { check, read: false }))),
            Entry::Occupied(taken) if taken.get().check == check => Ok((number, taken.into_mut())),
            Entry::Occupied(_) => Err(FhirError::Collision),
        }
    }
}

/// The first 63 bits of a digest, and the 64 after the first 64.
fn parts(digest: &[u8; 32]) -> (i64, u64) {
    let word = |at: usize| {
        let bytes = digest.iter().skip(at).take(8);
        bytes.fold(0_u64, |word, byte| (word << 8) | u64::from(*byte))
    };
    // A word without its first bit fits.
    (i64::try_from(word(0) >> 1).unwrap_or(i64::MAX), word(8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_depend_on_nothing_but_namespace_and_identifier() {
        let mut ids = Ids::new("site-a");
        let first = ids.number("Patient/p1").unwrap();
        // python: int.from_bytes(sha256(len8 + b"site-a" + b"Patient/p1").digest()[:8]) >> 1
        assert_eq!(first, NUMBER);
        ids.number("Patient/p2").unwrap();
        assert_eq!(ids.number("Patient/p1").unwrap(), first);
        assert_ne!(Ids::new("site-b").number("Patient/p1").unwrap(), first);
        assert_ne!(ids.number("Encounter/p1").unwrap(), first);
    }

    #[test]
    fn a_resource_is_read_once() {
        let mut ids = Ids::new("");
        ids.number("Patient/p1").unwrap();
        assert!(ids.read("Patient/p1").unwrap());
        assert!(!ids.read("Patient/p1").unwrap());
        assert!(ids.read("Patient/p2").unwrap());
    }

    #[test]
    fn two_identifiers_of_one_number_are_refused() {
        let mut ids = Ids::new("");
        let number = ids.number("Patient/p1").unwrap();
        ids.given.get_mut(&number).unwrap().check ^= 1;
        assert!(matches!(ids.number("Patient/p1"), Err(FhirError::Collision)));
    }

    const NUMBER: i64 = 5_493_413_549_856_629_960;
}

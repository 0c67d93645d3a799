//! What is written on the ledger: tiny, salted, and in one encoding only.
//!
//! An entry holds digests and integers. It never holds a query's text, a name, a number of records
//! or a duration: a ledger is read by everyone and forgets nothing.

use serde::{Deserialize, Serialize};

use crate::canonical;
use crate::charge::{Attestation, ChargeRequest, KeyRotation, Opening};
use crate::digest::Digest;
use crate::error::LedgerError;

/// Longest encoding of an entry in bytes: its length is two bytes in an entry bundle.
///
/// # Source
/// C2SP tlog-tiles v0.1.0, "Log Entries".
pub const ENTRY_BYTES_MAX: usize = 65_535;

/// Rounds of a query are numbered from 0, and their numbers are less than this. No query needs
/// nearly as many; without a bound, one charge would buy any number of entries.
pub const ROUNDS_MAX: u32 = 256;

/// One entry of a ledger.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Entry {
    /// An account is opened.
    Open(Opening),
    /// A query is charged.
    Charge(ChargeRequest),
    /// A charged query is released.
    Release {
        /// Name of the query.
        query: Digest,
        /// Salted commitment to the release statement.
        commitment: Digest,
    },
    /// An extract is put on the ledger.
    Attest(Attestation),
    /// An extract takes the place of another.
    Supersede {
        /// Root of the extract that it replaces.
        old: Digest,
        /// The new extract.
        new: Attestation,
    },
    /// An extract is withdrawn.
    Revoke {
        /// Root of the extract.
        root: Digest,
    },
    /// The documents and salts of a query are destroyed. Its charge stays spent.
    Redact {
        /// Name of the query.
        query: Digest,
    },
    /// A key takes the place of another.
    Key(KeyRotation),
    /// A set of contributions to a charged query may be opened: in this round, this one only.
    Commit {
        /// Name of the query.
        query: Digest,
        /// Number of the round, from 0; less than [`ROUNDS_MAX`].
        round: u32,
        /// Merkle root of the set.
        root: Digest,
    },
}

impl Entry {
    /// Encodes the entry: canonical JSON, `{"entry":{"revoke":{…}},"version":1}`.
    pub fn encode(&self) -> Vec<u8> {
        #[expect(clippy::expect_used, reason = "structs of integers and hex strings are JSON")]
        canonical::to_vec(&WireRef { entry: self, version: VERSION }).expect("an entry is JSON")
    }

    /// Decodes an entry, and accepts nothing but its one encoding.
    ///
    /// # Errors
    /// [`LedgerError::Malformed`] if the bytes are not an entry of this version, are longer than
    /// [`ENTRY_BYTES_MAX`], or are not exactly what [`Entry::encode`] gives.
    pub fn decode(bytes: &[u8]) -> Result<Self, LedgerError> {
        let malformed = |detail: String| LedgerError::Malformed { what: "ledger entry", detail };
        if bytes.len() > ENTRY_BYTES_MAX {
            return Err(malformed(format!("{} bytes", bytes.len())));
        }
        let wire: Wire =
            serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
        if wire.version != VERSION {
            return Err(malformed(format!("version {}", wire.version)));
        }
        if wire.entry.encode() != bytes {
            return Err(malformed("not in canonical form".to_owned()));
        }
        Ok(wire.entry)
    }
}

#[derive(Serialize)]
struct WireRef<'a> {
    entry: &'a Entry,
    version: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    entry: Entry,
    version: u32,
}

const VERSION: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charge::KeyRole;
    use crate::cost::{Cost, Delta, Rho};

    fn digest(byte: u8) -> Digest {
        Digest::from_bytes([byte; 32])
    }

    fn every_kind() -> Vec<Entry> {
        let cost = Cost { rho: Rho::from_nano(u64::MAX), delta: Delta::from_atto(7) };
        let new =
            Attestation { root: digest(1), account: digest(2), key: digest(3), expires_day: 9 };
        vec![
            Entry::Open(Opening { account: digest(2), cap: cost }),
            Entry::Charge(ChargeRequest {
                query: digest(4),
                items: vec![(digest(2), cost)],
                intent: digest(5),
                inputs: vec![digest(1)],
                day: 20_000,
            }),
            Entry::Release { query: digest(4), commitment: digest(6) },
            Entry::Attest(new.clone()),
            Entry::Supersede { old: digest(7), new },
            Entry::Redact { query: digest(4) },
            Entry::Commit { query: digest(4), round: 255, root: digest(9) },
            Entry::Key(KeyRotation { role: KeyRole::Site, old: digest(3), new: digest(8) }),
            Entry::Revoke { root: digest(1) },
        ]
    }

    #[test]
    fn the_encoding_is_written_down() {
        let text = String::from_utf8(every_kind().pop().unwrap().encode()).unwrap();
        let root = "01".repeat(32);
        let written = format!("{{\"entry\":{{\"revoke\":{{\"root\":\"{root}\"}}}},\"version\":1}}");
        assert_eq!(text, written);
        let text = String::from_utf8(every_kind()[0].encode()).unwrap();
        let account = "02".repeat(32);
        let cap = "{\"delta\":7,\"rho\":18446744073709551615}";
        let open = format!("{{\"open\":{{\"account\":\"{account}\",\"cap\":{cap}}}}}");
        assert_eq!(text, format!("{{\"entry\":{open},\"version\":1}}"));
        let text = String::from_utf8(every_kind()[7].encode()).unwrap();
        let (new, old) = ("08".repeat(32), "03".repeat(32));
        let keys = format!("\"new\":\"{new}\",\"old\":\"{old}\",\"role\":\"site\"");
        let key = format!("{{\"key\":{{{keys}}}}}");
        assert_eq!(text, format!("{{\"entry\":{key},\"version\":1}}"));
        let text = String::from_utf8(every_kind()[6].encode()).unwrap();
        let (query, root) = ("04".repeat(32), "09".repeat(32));
        let set = format!("\"query\":\"{query}\",\"root\":\"{root}\",\"round\":255");
        assert_eq!(text, format!("{{\"entry\":{{\"commit\":{{{set}}}}},\"version\":1}}"));
    }

    #[test]
    fn entries_come_back_and_no_other_spelling_is_read() {
        for entry in every_kind() {
            let bytes = entry.encode();
            assert_eq!(Entry::decode(&bytes).unwrap(), entry);
            let text = String::from_utf8(bytes.clone()).unwrap();
            for other in [
                text.replacen(':', ": ", 1),
                format!(" {text}"),
                format!("{text}\n"),
                text.replace("\"version\":1", "\"version\":2"),
                text.replace("\"version\":1", "\"version\":1.0"),
                text.replace("\"version\":1", "\"version\":1,\"version\":1"),
                text.replace("\"version\":1", "\"version\":1,\"x\":0"),
                text.replacen("\\u", "u", 1).replacen("\"entry\"", "\"\\u0065ntry\"", 1),
            ] {
                assert!(Entry::decode(other.as_bytes()).is_err(), "{other}");
            }
            for cut in 0..bytes.len() {
                assert!(Entry::decode(&bytes[..cut]).is_err());
            }
        }
    }

    #[test]
    fn an_amount_is_an_integer_in_range() {
        let text = String::from_utf8(every_kind()[0].encode()).unwrap();
        let amount = u64::MAX.to_string();
        assert!(Entry::decode(text.replace(&amount, "1").as_bytes()).is_ok());
        for other in ["1.0", "0.5", "1e3", "-1", "\"1\"", "null", "18446744073709551616", "01"] {
            assert!(Entry::decode(text.replace(&amount, other).as_bytes()).is_err(), "{other}");
        }
    }

    #[test]
    fn another_order_of_keys_is_refused() {
        let entry = every_kind().pop().unwrap();
        let root = "01".repeat(32);
        let text = format!("{{\"version\":1,\"entry\":{{\"revoke\":{{\"root\":\"{root}\"}}}}}}");
        let read: Wire = serde_json::from_str(&text).unwrap();
        assert_eq!(read.entry, entry);
        assert!(Entry::decode(text.as_bytes()).is_err());
    }
}

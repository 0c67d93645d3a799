//! Who may ask over the network: names, passwords, certificates by the same names, and how much
//! each may spend. The file is for the operator only.
//!
//! A password is kept as SCRAM has it, salted and stretched. Whoever reads the file can log in as
//! anybody; it lies beside the keys with which they could do worse.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ledger_adapter::digest::Digest;
use pgwire::api::auth::sasl::scram::gen_salted_password;
use serde::{Deserialize, Serialize};

use crate::fail::Failure;
use crate::wire::error::WireError;

/// The file of analysts. Every call reads it anew, so several processes may share it.
#[derive(Clone, Debug)]
pub(crate) struct Analysts {
    path: PathBuf,
}

/// Somebody who may ask.
#[derive(Clone, Debug)]
pub(crate) struct Analyst {
    /// Their name.
    pub(crate) name: String,
    /// Their own account on the ledger, if what they may spend is bounded.
    pub(crate) account: Option<Digest>,
    /// The most ε of one question.
    pub(crate) epsilon_max: Option<f64>,
    /// Which password is theirs now: a name of it, which tells nothing of it. Sessions of an
    /// earlier one are over.
    pub(crate) password: Option<Digest>,
}

/// What is kept of a password.
#[derive(Clone)]
pub(crate) struct Secret {
    /// 16 random bytes.
    pub(crate) salt: Vec<u8>,
    /// `SaltedPassword` of RFC 5802 over SHA-256.
    pub(crate) salted: Vec<u8>,
}

impl Secret {
    /// Whether this is what somebody proves themselves by now. Between asking for a password and
    /// its proof another may have been set.
    pub(crate) fn is_of(&self, analyst: &Analyst) -> bool {
        analyst.password == Some(password_name(&BASE64.encode(&self.salt)))
    }
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    salt: String,
    salted_password: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epsilon_max: Option<f64>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    /// By which names that are not there are given a salt that stays the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    unknown: Option<Digest>,
    analysts: BTreeMap<String, Record>,
}

impl Analysts {
    /// The analysts of a home; a file that is not there yet has none.
    ///
    /// # Errors
    /// [`Failure::Usage`] if it is no such file or others may read it, [`Failure::Ledger`].
    pub(crate) fn open(home: &Path) -> Result<Self, Failure> {
        let analysts = Self { path: home.join("analysts.json") };
        analysts.read()?;
        Ok(analysts)
    }

    /// All of them, by name.
    ///
    /// # Errors
    /// As [`Analysts::open`].
    pub(crate) fn list(&self) -> Result<Vec<Analyst>, Failure> {
        Ok(self.read()?.analysts.iter().map(|(name, record)| analyst(name, record)).collect())
    }

    /// Adds somebody.
    ///
    /// # Errors
    /// [`Failure::Usage`] for a name that cannot be one or is taken, or a short password; else as
    /// [`Analysts::open`].
    pub(crate) fn add(&self, analyst: &Analyst, password: &str) -> Result<(), Failure> {
        check_name(&analyst.name)?;
        let (account, epsilon_max) = (analyst.account, analyst.epsilon_max);
        let record = Record { account, epsilon_max, ..record(password)? };
        self.change(|all| {
            if all.contains_key(&analyst.name) {
                let what = format!("there is an analyst {} already", analyst.name);
                return Err(Failure::usage(what, "graunt analyst password sets another password"));
            }
            all.insert(analyst.name.clone(), record);
            Ok(())
        })
    }

    /// Gives somebody another password.
    ///
    /// # Errors
    /// As [`Analysts::add`]; [`Failure::Usage`] if there is nobody of that name.
    pub(crate) fn set_password(&self, name: &str, password: &str) -> Result<(), Failure> {
        let Record { salt, salted_password, .. } = record(password)?;
        self.change(|all| {
            let found = all.get_mut(name).ok_or_else(|| nobody(name))?;
            found.salt = salt;
            found.salted_password = salted_password;
            Ok(())
        })
    }

    /// Takes somebody's way in. What their account has spent stays on the ledger.
    ///
    /// # Errors
    /// As [`Analysts::set_password`].
    pub(crate) fn remove(&self, name: &str) -> Result<(), Failure> {
        self.change(|all| all.remove(name).map(drop).ok_or_else(|| nobody(name)))
    }

    /// Somebody by name.
    ///
    /// # Errors
    /// As [`Analysts::open`].
    pub(crate) fn find(&self, name: &str) -> Result<Option<Analyst>, Failure> {
        Ok(self.read()?.analysts.get(name).map(|record| analyst(name, record)))
    }

    /// What is kept of somebody's password. Of nobody's there is one too, which no password fits:
    /// whoever tries names does not learn which there are.
    ///
    /// # Errors
    /// As [`Analysts::open`].
    pub(crate) fn secret(&self, name: &str) -> Result<Secret, Failure> {
        let document = self.read()?;
        // Where there are no analysts, there is nothing to be found out.
        let unknown = document.unknown.map_or([0; 32], |secret| *secret.as_bytes());
        let of =
            |label: &str| Digest::labelled(label, &[&unknown, name.as_bytes()]).as_bytes().to_vec();
        let known = document.analysts.get(name).and_then(|record| {
            let salt = BASE64.decode(&record.salt).ok()?;
            Some(Secret { salt, salted: BASE64.decode(&record.salted_password).ok()? })
        });
        Ok(known.unwrap_or_else(|| Secret {
            salt: of("graunt/no-salt/v1")[..SALT_BYTES].to_vec(),
            salted: of("graunt/no-password/v1"),
        }))
    }

    /// Somebody by name and password. It takes some milliseconds of a processor.
    ///
    /// # Errors
    /// As [`Analysts::open`].
    pub(crate) fn check(&self, name: &str, password: &str) -> Result<Option<Analyst>, Failure> {
        let secret = self.secret(name)?;
        let given = gen_salted_password(password, &secret.salt, ITERATIONS);
        // Digests are compared, so that the time tells nothing of the bytes.
        let digest = |bytes: &[u8]| Digest::labelled("graunt/password/v1", &[bytes]);
        let fits = digest(&given) == digest(&secret.salted);
        Ok(self.find(name)?.filter(|analyst| fits && secret.is_of(analyst)))
    }

    fn read(&self) -> Result<Document, Failure> {
        let mode = match fs::metadata(&self.path) {
            Ok(found) => found.permissions().mode(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Document::default());
            }
            Err(error) => return Err(Failure::store(&self.path, "reading")(error)),
        };
        if mode & 0o077 != 0 {
            return Err(WireError::Exposed { path: self.path.clone() }.into());
        }
        let text = fs::read(&self.path).map_err(Failure::store(&self.path, "reading"))?;
        serde_json::from_slice(&text).map_err(|error| {
            Failure::store(&self.path, "understanding it")(std::io::Error::other(error))
        })
    }

    fn change(
        &self,
        change: impl FnOnce(&mut BTreeMap<String, Record>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let failed = |action| Failure::store(&self.path, action);
        if let Some(directory) = self.path.parent() {
            fs::create_dir_all(directory).map_err(failed("making the directory"))?;
        }
        let lock = File::create(self.path.with_extension("lock")).map_err(failed("locking"))?;
        lock.lock().map_err(failed("locking"))?;
        let mut document = self.read()?;
        change(&mut document.analysts)?;
        if document.unknown.is_none() {
            document.unknown = Some(Digest::random()?);
        }
        let text = serde_json::to_vec_pretty(&document)
            .map_err(|error| Failure::Encode(Box::new(error)))?;
        let partial = self.path.with_extension("partial");
        let mut options = OpenOptions::new();
        let options = options.create(true).truncate(true).write(true).mode(0o600);
        let mut file = options.open(&partial).map_err(failed("writing"))?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(failed("writing"))?;
        fs::rename(&partial, &self.path).map_err(failed("writing"))
    }
}

/// A password that nobody guesses: 26 letters and digits, of 130 random bits.
///
/// # Errors
/// [`Failure::Ledger`] without randomness.
pub(crate) fn new_password() -> Result<String, Failure> {
    let bytes = Digest::random()?;
    let letter = |byte: &u8| char::from(LETTERS[usize::from(byte & 31)]);
    Ok(bytes.as_bytes().iter().take(26).map(letter).collect())
}

fn record(password: &str) -> Result<Record, Failure> {
    if password.chars().count() < PASSWORD_CHARS_MIN {
        let what = format!("a password has at least {PASSWORD_CHARS_MIN} characters");
        return Err(Failure::usage(what, "without --password-file a good one is made"));
    }
    let salt = Digest::random()?.as_bytes()[..SALT_BYTES].to_vec();
    let salted = gen_salted_password(password, &salt, ITERATIONS);
    let (salt, salted_password) = (BASE64.encode(salt), BASE64.encode(salted));
    Ok(Record { salt, salted_password, account: None, epsilon_max: None })
}

fn analyst(name: &str, record: &Record) -> Analyst {
    let (account, epsilon_max) = (record.account, record.epsilon_max);
    let password = Some(password_name(&record.salt));
    Analyst { name: name.to_owned(), account, epsilon_max, password }
}

/// What a password is called, by its salt.
fn password_name(salt: &str) -> Digest {
    Digest::labelled("graunt/password-name/v1", &[salt.as_bytes()])
}

/// A name is one that a certificate may bear, too.
fn check_name(name: &str) -> Result<(), Failure> {
    let is_plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    let begins = name.bytes().next().is_some_and(|c| c.is_ascii_lowercase());
    if begins && name.len() <= 40 && name.bytes().all(is_plain) && !name.ends_with('-') {
        return Ok(());
    }
    let what = format!("{name:?} is no name of an analyst");
    Err(Failure::usage(what, "a name is lower-case letters, digits and hyphens, such as ada"))
}

fn nobody(name: &str) -> Failure {
    Failure::usage(format!("there is no analyst {name:?}"), "graunt analyst list tells them")
}

/// Rounds of PBKDF2: what SCRAM clients compute at each login. RFC 7677 asks for 4,096 at least;
/// passwords that Graunt makes need no more.
pub(crate) const ITERATIONS: usize = 8_192;

const SALT_BYTES: usize = 16;

const PASSWORD_CHARS_MIN: usize = 12;

/// Without those that are taken for others.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

#[cfg(test)]
mod tests {
    use super::*;

    fn ada() -> Analyst {
        Analyst { name: "ada".to_owned(), account: None, epsilon_max: Some(0.5), password: None }
    }

    #[test]
    fn whoever_has_the_password_is_let_in_and_nobody_else() {
        let directory = tempfile::tempdir().unwrap();
        let analysts = Analysts::open(directory.path()).unwrap();
        let password = new_password().unwrap();
        assert_eq!(password.len(), 26);
        assert_ne!(password, new_password().unwrap());
        analysts.add(&ada(), &password).unwrap();
        assert!(analysts.add(&ada(), &password).is_err());
        let found = analysts.check("ada", &password).unwrap().unwrap();
        assert_eq!((found.name.as_str(), found.epsilon_max), ("ada", Some(0.5)));
        assert!(analysts.check("ada", "not the password").unwrap().is_none());
        assert!(analysts.check("eve", &password).unwrap().is_none());
        let before = analysts.secret("ada").unwrap();
        assert!(before.is_of(&found));
        analysts.set_password("ada", "another password").unwrap();
        let now = analysts.find("ada").unwrap().unwrap();
        assert!(!before.is_of(&now), "proved with a password that is no more");
        assert!(analysts.secret("ada").unwrap().is_of(&now));
        assert!(analysts.check("ada", &password).unwrap().is_none());
        assert!(analysts.check("ada", "another password").unwrap().is_some());
        analysts.remove("ada").unwrap();
        assert!(analysts.check("ada", "another password").unwrap().is_none());
        assert!(analysts.remove("ada").is_err());
    }

    #[test]
    fn a_name_that_is_not_there_has_a_salt_that_stays() {
        let directory = tempfile::tempdir().unwrap();
        let analysts = Analysts::open(directory.path()).unwrap();
        let salt = |name| analysts.secret(name).unwrap().salt;
        analysts.add(&ada(), "a long password").unwrap();
        assert_eq!(salt("eve"), salt("eve"));
        let again = Analysts::open(directory.path()).unwrap();
        assert_eq!(again.secret("eve").unwrap().salt, salt("eve"));
        assert_ne!(salt("eve"), salt("mallory"));
        assert_eq!(salt("eve").len(), SALT_BYTES);
    }

    #[test]
    fn bad_names_short_passwords_and_files_that_others_read_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let analysts = Analysts::open(directory.path()).unwrap();
        for name in ["", "Ada", "a b", "-a", "a-", "1a", "a'; DROP", &"a".repeat(41)] {
            let analyst = Analyst { name: name.to_owned(), ..ada() };
            assert!(analysts.add(&analyst, "a long password").is_err(), "{name}");
        }
        assert!(analysts.add(&ada(), "short").is_err());
        analysts.add(&ada(), "a long password").unwrap();
        let path = directory.path().join("analysts.json");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(analysts.list().is_err());
    }
}

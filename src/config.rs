//! The configuration file `graunt.toml`, found from the working directory up. Flags override it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ledger_adapter::charge::Finality;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::chain::{EvmTerms, Kind};
use crate::desk::limits::LimitTerms;
use crate::numbers::{bytes, check_confidence, check_delta, check_epsilon};
use crate::session::Dialect;
use crate::show::Format;

/// Name of the configuration file.
pub(crate) const FILE_NAME: &str = "graunt.toml";

/// The configuration, with every path made absolute or relative to the working directory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Config {
    /// Keys, ledger, receipts.
    pub(crate) home: Option<PathBuf>,
    /// The file that remembers how far the log has come.
    pub(crate) witness: Option<PathBuf>,
    /// Name of the log: a domain and a path.
    pub(crate) origin: Option<String>,
    /// What is asked of the ledger.
    pub(crate) ledger: LedgerTerms,
    /// How buckets are computed.
    pub(crate) engine: EngineTerms,
    /// Defaults of `graunt sql`.
    pub(crate) sql: SqlDefaults,
    /// Defaults of `graunt extract`.
    pub(crate) extract: ExtractDefaults,
    /// How `graunt serve` serves.
    pub(crate) serve: ServeTerms,
}

/// How `graunt serve` serves.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ServeTerms {
    /// Directory of the doors' certificate.
    pub(crate) tls: Option<PathBuf>,
    /// Directory of reports that everybody may read.
    pub(crate) reports: Option<PathBuf>,
    /// Whether receipts, with question and answer, are for everybody.
    pub(crate) public_releases: bool,
    /// Names under which a proxy on this machine passes requests on to the page.
    pub(crate) hosts: Vec<String>,
    /// How much at once, and how long.
    pub(crate) limits: LimitTerms,
}

/// What is asked of the ledger.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LedgerTerms {
    /// Where accounts are decided about.
    pub(crate) kind: Kind,
    /// The chain.
    pub(crate) evm: Option<EvmTerms>,
    /// How final a charge must be before a record is read.
    pub(crate) finality: Option<Finality>,
    /// The file that names witnesses, and how many of them must cosign: what is recorded here, or
    /// the log that is followed.
    pub(crate) witnesses: Option<PathBuf>,
    /// Verifier keys of the log that is followed: one, or two while one takes the other's place.
    pub(crate) log: Vec<String>,
    /// Where the files of the log that is followed are: a directory, or an address.
    pub(crate) from: Option<String>,
}

/// How buckets are computed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct EngineTerms {
    /// The scheduler of the cluster that computes: host and port.
    pub(crate) cluster: Option<String>,
    /// Directory of the certificate for it.
    pub(crate) tls: Option<PathBuf>,
    /// Most memory of rows that are put aside, such as "2GiB".
    #[serde(deserialize_with = "size")]
    pub(crate) memory: Option<usize>,
}

fn size<'de, D: Deserializer<'de>>(text: D) -> Result<Option<usize>, D::Error> {
    let text = String::deserialize(text)?;
    bytes(&text).map(Some).map_err(D::Error::custom)
}

/// Defaults of `graunt sql`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SqlDefaults {
    /// Privacy loss per query.
    pub(crate) epsilon: Option<f64>,
    /// Failure probability per query.
    pub(crate) delta: Option<f64>,
    /// The population that is asked.
    pub(crate) population: Option<String>,
    /// Most rows of one person that count in one group.
    pub(crate) rows_per_person: Option<u32>,
    /// Most groups that one person counts in.
    pub(crate) groups_per_person: Option<u32>,
    /// Fewest persons of a group that is shown, where that is more than the policy's.
    pub(crate) min_persons: Option<u32>,
    /// How questions are spelt.
    pub(crate) dialect: Option<Dialect>,
    /// How answers are printed.
    pub(crate) format: Option<Format>,
    /// Confidence of intervals.
    pub(crate) confidence: Option<f64>,
}

/// Defaults of `graunt extract`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ExtractDefaults {
    /// Built-in name or file of the de-identification policy.
    pub(crate) policy: Option<String>,
    /// The population that extracts are of.
    pub(crate) population: Option<String>,
    /// The site that makes extracts.
    pub(crate) site: Option<String>,
    /// Which key makes pseudonyms.
    pub(crate) key_epoch: Option<String>,
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// It is not TOML, or has keys that no configuration has.
    #[error("{} is no configuration of graunt", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Which key, and where.
        source: Box<toml::de::Error>,
    },
    /// A value is out of range.
    #[error("{}, [sql]: {rule}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// What must hold.
        rule: String,
    },
}

impl Config {
    /// Reads `given`, or the nearest `graunt.toml` from `directory` up, or nothing.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub(crate) fn load(given: Option<&Path>, directory: &Path) -> Result<Self, ConfigError> {
        let found = given.map(Path::to_owned).or_else(|| {
            directory.ancestors().map(|up| up.join(FILE_NAME)).find(|path| path.is_file())
        });
        match found {
            None => Ok(Self::default()),
            Some(path) => {
                // In the working directory itself, paths are shown as short as they are typed.
                let path = path.strip_prefix(directory).map(Path::to_owned).unwrap_or(path);
                let text = fs::read_to_string(&path)
                    .map_err(|source| ConfigError::Unreadable { path: path.clone(), source })?;
                Self::from_text(&text, path)
            }
        }
    }

    fn from_text(text: &str, path: PathBuf) -> Result<Self, ConfigError> {
        let document: Document = toml::from_str(text).map_err(|source| ConfigError::Syntax {
            path: path.clone(),
            source: Box::new(source),
        })?;
        let check = || -> Result<(), String> {
            document.sql.epsilon.map(check_epsilon).transpose()?;
            document.sql.delta.map(check_delta).transpose()?;
            document.sql.confidence.map(check_confidence).transpose()?;
            if document.sql.rows_per_person == Some(0) || document.sql.groups_per_person == Some(0)
            {
                return Err("rows_per_person and groups_per_person must be at least 1".to_owned());
            }
            Ok(())
        };
        check().map_err(|rule| ConfigError::Value { path: path.clone(), rule })?;
        let here = path.parent().map(Path::to_owned).unwrap_or_default();
        let below = |given: Option<PathBuf>| given.map(|given| here.join(given));
        // Without a home of its own, the file's directory has it.
        let home = Some(below(document.home).unwrap_or_else(|| here.join(HOME)));
        let Document {
            witness, origin, mut ledger, mut engine, sql, mut extract, mut serve, ..
        } = document;
        serve.tls = below(serve.tls);
        serve.reports = below(serve.reports);
        engine.tls = below(engine.tls);
        ledger.witnesses = below(ledger.witnesses);
        // A policy that is a file is found beside the configuration.
        extract.policy = extract.policy.map(|policy| {
            let beside = here.join(&policy);
            if beside.is_file() { beside.display().to_string() } else { policy }
        });
        let witness = below(witness);
        Ok(Self { home, witness, origin, ledger, engine, sql, extract, serve })
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Document {
    home: Option<PathBuf>,
    witness: Option<PathBuf>,
    origin: Option<String>,
    ledger: LedgerTerms,
    engine: EngineTerms,
    sql: SqlDefaults,
    extract: ExtractDefaults,
    serve: ServeTerms,
}

/// Where things live unless something else is said.
pub(crate) const HOME: &str = ".graunt";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, ConfigError> {
        Config::from_text(text, PathBuf::from("/etc/study/graunt.toml"))
    }

    #[test]
    fn paths_are_relative_to_the_file() {
        let config = read("home = \"private\"\nwitness = \"/mnt/witness\"\n").unwrap();
        assert_eq!(config.home, Some(PathBuf::from("/etc/study/private")));
        assert_eq!(config.witness, Some(PathBuf::from("/mnt/witness")));
        assert_eq!(read("").unwrap().home, Some(PathBuf::from("/etc/study/.graunt")));
    }

    #[test]
    fn every_section_is_read() {
        let config = read(
            "[sql]\nepsilon = 0.5\ndelta = 1e-7\npopulation = \"p\"\nrows_per_person = 3\n\
             groups_per_person = 2\nformat = \"csv\"\nconfidence = 0.9\n\
             min_persons = 11\ndialect = \"ohdsi\"\n\
             [ledger]\nfinality = \"confirmed\"\nwitnesses = \"w.policy\"\n\
             [engine]\ncluster = \"host:50050\"\ntls = \"member\"\nmemory = \"2GiB\"\n\
             [serve]\nreports = \"pages\"\npublic_releases = true\n\
             [serve.limits]\nanswer_step_ms = 250\n\
             [extract]\npolicy = \"date-shift\"\n",
        )
        .unwrap();
        assert_eq!(config.sql.epsilon, Some(0.5));
        assert_eq!(config.sql.format, Some(Format::Csv));
        assert_eq!(config.sql.min_persons, Some(11));
        assert_eq!(config.sql.dialect, Some(Dialect::Ohdsi));
        assert_eq!(config.ledger.finality, Some(Finality::Confirmed));
        assert_eq!(config.ledger.witnesses, Some(PathBuf::from("/etc/study/w.policy")));
        assert_eq!(config.extract.policy.as_deref(), Some("date-shift"));
        assert_eq!(config.engine.cluster.as_deref(), Some("host:50050"));
        assert_eq!(config.engine.tls, Some(PathBuf::from("/etc/study/member")));
        assert_eq!(config.engine.memory, Some(2 << 30));
        assert_eq!(config.serve.reports, Some(PathBuf::from("/etc/study/pages")));
        assert!(config.serve.public_releases);
        assert!(read("[engine]\nmemory = \"2 apples\"").is_err());
    }

    #[test]
    fn unknown_keys_are_named() {
        for (text, key) in
            [("hom = 1", "hom"), ("[sql]\nepsilonn = 1", "epsilonn"), ("[ledger]\nkin = 1", "kin")]
        {
            match read(text).unwrap_err() {
                ConfigError::Syntax { source, .. } => {
                    assert!(source.to_string().contains(&format!("`{key}`")), "{source}");
                }
                other => panic!("{other}"),
            }
        }
    }

    #[test]
    fn values_out_of_range_are_refused() {
        for text in [
            "epsilon = 0.0",
            "epsilon = nan",
            "delta = 1.0",
            "confidence = 95",
            "rows_per_person = 0",
            "min_persons = -1",
            "dialect = \"latin\"",
        ] {
            assert!(read(&format!("[sql]\n{text}")).is_err(), "{text}");
        }
        assert!(read("[ledger]\nfinality = \"soon\"").is_err());
    }

    #[test]
    fn the_nearest_file_from_the_directory_up_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let below = directory.path().join("a/b");
        fs::create_dir_all(&below).unwrap();
        fs::write(directory.path().join(FILE_NAME), "home = \"outer\"").unwrap();
        let found = Config::load(None, &below).unwrap();
        assert_eq!(found.home, Some(directory.path().join("outer")));
        fs::write(directory.path().join("a").join(FILE_NAME), "home = \"inner\"").unwrap();
        let found = Config::load(None, &below).unwrap();
        assert_eq!(found.home, Some(directory.path().join("a/inner")));
        assert!(Config::load(Some(&below.join("missing.toml")), &below).is_err());
    }
}

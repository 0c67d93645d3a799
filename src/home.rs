//! Where keys, ledger, registry, receipts, releases and incidents live, and how they are opened.
//!
//! ```text
//! .graunt/ keys/  ledger/  witness/checkpoint  registry.json  receipts/  releases/
//!          incidents.log  history
//! ```

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{SecondsFormat, Utc};
use engine::engine::IncidentLog;
use engine::federation::transcript::Transcript;
use ledger_adapter::chain::key::ChainKey;
use ledger_adapter::chain::ledger::ChainLedger;
use ledger_adapter::charge::Finality;
use ledger_adapter::digest::Digest;
use ledger_adapter::error::LedgerError;
use ledger_adapter::follower::Follower;
use ledger_adapter::keys::Keyring;
use ledger_adapter::keys::rotation::Rotating;
use ledger_adapter::ledger::Ledger;
use ledger_adapter::log::{LogLedger, Watch};
use ledger_adapter::mirror::Mirror;
use ledger_adapter::note::VerifierKey;
use ledger_adapter::policy::Policy;
use ledger_adapter::receipt::{Receipt, Trust};
use ledger_adapter::registry::Registry;
use ledger_adapter::witnessing::Cosigners;

use crate::chain::{EvmTerms, Kind};
use crate::commands::mirror::source;
use crate::commands::witness::named;
use crate::config::{Config, HOME, LedgerTerms};
use crate::fail::Failure;

/// The directory of everything that is kept.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    directory: PathBuf,
    witness: PathBuf,
    origin: Option<String>,
    ledger: LedgerTerms,
}

impl Home {
    /// The home that flag, configuration or working directory name, in this order. Nothing is
    /// made or read.
    pub(crate) fn new(given: Option<&Path>, config: &Config) -> Self {
        let directory = given.map(Path::to_owned).or_else(|| config.home.clone());
        let directory = directory.unwrap_or_else(|| PathBuf::from(HOME));
        let witness = config.witness.clone();
        let witness = witness.unwrap_or_else(|| directory.join("witness").join("checkpoint"));
        let (origin, ledger) = (config.origin.clone(), config.ledger.clone());
        Self { directory, witness, origin, ledger }
    }

    /// The directory itself.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The file that remembers how far the log has come.
    pub(crate) fn witness(&self) -> &Path {
        &self.witness
    }

    /// Whether the witness lies within the home, and so is restored together with the log.
    pub(crate) fn is_witness_inside(&self) -> bool {
        self.witness.starts_with(&self.directory)
    }

    /// How final a charge must be before a record is read.
    pub(crate) fn finality(&self) -> Finality {
        let unless_said = match self.ledger.kind {
            Kind::Log | Kind::Follow => Finality::Witnessed,
            Kind::Evm => Finality::Final,
        };
        self.ledger.finality.unwrap_or(unless_said)
    }

    /// The directory of the log.
    pub(crate) fn ledger_directory(&self) -> PathBuf {
        self.directory.join("ledger")
    }

    /// The directory of the log as files that others read.
    pub(crate) fn tiles(&self) -> PathBuf {
        self.directory.join("tiles")
    }

    /// The directory of receipts.
    pub(crate) fn receipts(&self) -> PathBuf {
        self.directory.join("receipts")
    }

    /// The directory of released answers, from which repeated questions are answered.
    pub(crate) fn releases(&self) -> PathBuf {
        self.directory.join("releases")
    }

    /// The shell's history.
    pub(crate) fn history(&self) -> PathBuf {
        self.directory.join("history")
    }

    /// The operator's log of failures after the gate.
    pub(crate) fn incidents(&self) -> PathBuf {
        self.directory.join("incidents.log")
    }

    /// The keys; their directory is made on first use.
    ///
    /// # Errors
    /// [`Failure::Ledger`].
    pub(crate) fn keys(&self) -> Result<Keyring, Failure> {
        Ok(Keyring::open(&self.directory.join("keys"))?)
    }

    /// The file of names.
    ///
    /// # Errors
    /// [`Failure::Ledger`].
    pub(crate) fn registry(&self) -> Result<Registry, Failure> {
        Ok(Registry::open(&self.directory.join("registry.json"))?)
    }

    /// Whether there is a ledger, or was one.
    pub(crate) fn has_ledger(&self) -> bool {
        let directory = self.ledger_directory();
        let kept = ["entries.wal", "checkpoint"].map(|name| directory.join(name));
        kept.iter().any(|path| path.exists()) || self.witness.exists()
    }

    /// Opens the ledger and verifies all of it.
    ///
    /// # Errors
    /// [`Failure::Usage`] if there is none, [`Failure::Ledger`].
    pub(crate) fn ledger(&self) -> Result<LogLedger, Failure> {
        if !self.has_ledger() {
            let place = self.directory.display();
            return Err(Failure::usage(
                format!("there is no ledger in {place}"),
                "make one with graunt ledger init, go to the directory that has it, or see it all \
                 with graunt demo",
            ));
        }
        let signer = self.keys()?.log_signer()?;
        Ok(LogLedger::open(&self.ledger_directory(), signer, self.watch()?)?)
    }

    /// What decides about accounts and extracts: the log, or a chain, with the log as its record.
    ///
    /// # Errors
    /// As [`Home::ledger`]; [`Failure::Usage`] if the configuration says too little of the chain.
    pub(crate) fn accounts(&self) -> Result<Arc<dyn Ledger>, Failure> {
        if self.is_follower() {
            return self.followed();
        }
        self.deciding(self.ledger()?)
    }

    /// Whether accounts are decided about in another home.
    pub(crate) fn is_follower(&self) -> bool {
        self.ledger.kind == Kind::Follow
    }

    /// The log of another home, replayed here.
    fn followed(&self) -> Result<Arc<dyn Ledger>, Failure> {
        let hint = "name log and from there, as graunt serve of the other home prints them";
        let missing = |what| Failure::usage(format!("graunt.toml has no {what} to follow"), hint);
        let keys = self.ledger.log.iter().map(|key| key.parse());
        let keys: Vec<VerifierKey> = keys.collect::<Result<_, LedgerError>>()?;
        if keys.is_empty() {
            return Err(missing("log"));
        }
        let from = self.ledger.from.as_deref().ok_or_else(|| missing("from"))?;
        let cosigner = named("mirror", None, self.keys()?.mirror_signer()?)?;
        let mut mirror = Mirror::open(&self.directory.join("mirror"), keys, cosigner)?;
        if let Some(witnesses) = &self.ledger.witnesses {
            mirror = mirror.asking(Policy::load(witnesses)?);
        }
        Ok(Arc::new(Follower::new(mirror, source(from)?)))
    }

    /// As [`Home::accounts`], but makes the log if there is none; true if it was made.
    ///
    /// # Errors
    /// As [`Home::accounts`].
    pub(crate) fn accounts_or_new(&self) -> Result<(Arc<dyn Ledger>, bool), Failure> {
        if self.is_follower() {
            return Ok((self.followed()?, false));
        }
        let (log, is_new) = self.ledger_or_new()?;
        Ok((self.deciding(log)?, is_new))
    }

    fn deciding(&self, log: LogLedger) -> Result<Arc<dyn Ledger>, Failure> {
        if self.ledger.kind == Kind::Log {
            if self.outbox("outbox").exists() {
                let what = "the accounts of this home are on a chain, which is not configured here";
                return Err(Failure::usage(what, "use its graunt.toml, with kind = \"evm\""));
            }
            return Ok(Arc::new(log));
        }
        let network = self.evm()?.network(self.finality())?;
        let (key, outbox) = (self.chain_key()?, self.outbox("outbox"));
        Ok(Arc::new(ChainLedger::open(log, network, key, &outbox)?))
    }

    /// The chain of the configuration.
    ///
    /// # Errors
    /// [`Failure::Usage`] if it has none.
    pub(crate) fn evm(&self) -> Result<&EvmTerms, Failure> {
        self.ledger.evm.as_ref().ok_or_else(|| {
            let hint = "name url, chain_id and gas_price there";
            Failure::usage("graunt.toml has no [ledger.evm]", hint)
        })
    }

    /// The key that holds roles on the contract.
    ///
    /// # Errors
    /// [`Failure::Ledger`].
    pub(crate) fn chain_key(&self) -> Result<ChainKey, Failure> {
        self.keys()?;
        Ok(ChainKey::load_or_create(&self.directory.join("keys").join("chain.key"))?)
    }

    /// The key that anchors the log; it needs no role, and its transactions are in no one's way.
    ///
    /// # Errors
    /// [`Failure::Ledger`].
    pub(crate) fn anchor_key(&self) -> Result<ChainKey, Failure> {
        self.keys()?;
        Ok(ChainKey::load_or_create(&self.directory.join("keys").join("anchor.key"))?)
    }

    /// What was sent to the chain under a key, before it was sent.
    pub(crate) fn outbox(&self, name: &str) -> PathBuf {
        self.directory.join("chain").join(name)
    }

    /// Opens the ledger, or makes one; true if it was made.
    ///
    /// # Errors
    /// [`Failure::Ledger`].
    pub(crate) fn ledger_or_new(&self) -> Result<(LogLedger, bool), Failure> {
        if self.has_ledger() {
            return Ok((self.ledger()?, false));
        }
        let signer = self.keys()?.log_signer()?;
        let name = short(signer.public().keyid());
        let origin = self.origin.clone().unwrap_or_else(|| format!("graunt.local/{name}"));
        let watch = self.watch()?;
        let ledger = LogLedger::create(&self.ledger_directory(), &origin, signer, watch)?;
        Ok((ledger, true))
    }

    /// Who watches the log: the file, and the witnesses of the policy if there is one.
    fn watch(&self) -> Result<Watch, Failure> {
        let file = Some(self.witness.clone());
        let Some(path) = &self.ledger.witnesses else {
            if self.ledger_directory().join("cosigned").exists() {
                let what = "the log has witnesses, and no policy that names them is configured";
                let hint = "use its graunt.toml, with witnesses under [ledger]";
                return Err(Failure::usage(what, hint));
            }
            return Ok(file.into());
        };
        let cosigners = Cosigners::new(Policy::load(path)?, WITNESS_MAX)?;
        // Mirrors read the entries before they cosign.
        Ok(Watch { file, cosigners: Some(cosigners), tiles: Some(self.tiles()) })
    }

    /// The lines by which others judge the log: those of the policy, or its key alone.
    ///
    /// # Errors
    /// [`Failure::Store`].
    pub(crate) fn log_policy(&self, vkey: &str) -> Result<Vec<String>, Failure> {
        let Some(path) = &self.ledger.witnesses else {
            return Ok(vec![format!("log {vkey}"), "quorum none".to_owned()]);
        };
        let text = fs::read_to_string(path).map_err(Failure::store(path, "reading"))?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// Gives the log a new witness, which believes what it sees now.
    ///
    /// # Errors
    /// [`Failure::Ledger`].
    pub(crate) fn add_witness(&self) -> Result<(), Failure> {
        let signer = self.keys()?.log_signer()?;
        Ok(LogLedger::add_witness(&self.ledger_directory(), signer, self.witness.clone())?)
    }

    /// Puts a new key in the place of the log's own, or goes on with what was begun. Gives the
    /// index of the entry; the rotation is for the caller to finish.
    ///
    /// # Errors
    /// [`Failure::Usage`] if there is no log, or a chain decides; [`Failure::Ledger`].
    pub(crate) fn rotate_log(&self) -> Result<(u64, Rotating), Failure> {
        if self.ledger.kind == Kind::Evm {
            let what = "no key of a log signs the accounts of a chain";
            return Err(Failure::usage(what, "whoever owns the contract grants and takes roles"));
        }
        // What would stop it is better found before it is begun, for then nothing else goes on.
        match self.ledger() {
            Err(Failure::Ledger(LedgerError::Refused { .. })) => {}
            opened => drop(opened?),
        }
        // An export that nobody cosigns is brought up to the rotation: later exports go on there.
        let exported = Some(self.tiles()).filter(|tiles| tiles.join("checkpoint").is_file());
        let watch = self.watch()?;
        let watch = Watch { tiles: watch.tiles.clone().or(exported), ..watch };
        let begun = self.keys()?.begin_log_rotation()?;
        let (old, new) = begun.signers().clone();
        match LogLedger::replace_key(&self.ledger_directory(), old, new, watch) {
            Ok(index) => Ok((index, begun)),
            Err(error) => {
                // What the log refuses is not on it; after any other fault it may be.
                if matches!(error, LedgerError::Refused { .. } | LedgerError::Conflict { .. }) {
                    begun.abandon()?;
                }
                Err(error.into())
            }
        }
    }

    /// Keys that this home trusts for receipts; nothing is made. Without keys and ledger, nobody
    /// is trusted.
    ///
    /// # Errors
    /// [`Failure::Ledger`].
    pub(crate) fn trust(&self) -> Result<Trust, Failure> {
        let keys = self.directory.join("keys");
        if !keys.is_dir() {
            return Ok(Trust::default());
        }
        let ring = self.keys()?;
        let mut trust = Trust { keys: ring.trusted()?, ..Trust::default() };
        let note = fs::read_to_string(self.ledger_directory().join("checkpoint"));
        if let Ok(note) = note
            && keys.join("log.pem").is_file()
            && let Some(origin) = note.lines().next()
        {
            let key = VerifierKey::new(origin, ring.log_signer()?.public())?;
            trust.log_vkey = Some(key.to_string());
        }
        trust.follow_all(&ring.rotations()?)?;
        Ok(trust)
    }

    /// Sees that receipts can be written, before anything is charged for them.
    ///
    /// # Errors
    /// [`Failure::Store`].
    pub(crate) fn prepare_receipts(&self) -> Result<(), Failure> {
        let directory = self.receipts();
        fs::create_dir_all(&directory).map_err(Failure::store(directory, "making the directory"))
    }

    /// Keeps a receipt under the first 16 digits of its query's name.
    ///
    /// # Errors
    /// [`Failure::Ledger`].
    pub(crate) fn save_receipt(&self, receipt: &Receipt) -> Result<PathBuf, Failure> {
        let path = self.receipts().join(format!("{}.json", short(receipt.intent.query)));
        receipt.save(&path)?;
        Ok(path)
    }

    /// Keeps the transcript of a federated answer beside its receipt.
    ///
    /// # Errors
    /// [`Failure::Store`].
    pub(crate) fn save_transcript(&self, transcript: &Transcript) -> Result<(), Failure> {
        let directory = self.directory.join("transcripts");
        let made = fs::create_dir_all(&directory);
        made.map_err(Failure::store(&directory, "making the directory"))?;
        let path = directory.join(format!("{}.json", short(transcript.query())));
        fs::write(&path, transcript.to_bytes()).map_err(Failure::store(path, "writing"))
    }

    /// Where the reasons of failures after the gate go: a file for the operator only.
    pub(crate) fn incident_log(&self) -> IncidentLog {
        let path = self.incidents();
        Box::new(move |incident, reason| {
            let time = Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true);
            let line = format!("{time} {incident} {}\n", reason.replace('\n', " "));
            let mut options = OpenOptions::new();
            let file = options.create(true).append(true).mode(0o600).open(&path);
            // The query has failed already; there is nobody to tell that its reason is lost too.
            let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
        })
    }

    /// A path as it is kept in the registry: below the home's parent it is relative, so that all
    /// of it can be moved together.
    ///
    /// # Errors
    /// [`Failure::Store`].
    pub(crate) fn kept(&self, path: &Path) -> Result<PathBuf, Failure> {
        let absolute = |path: &Path| {
            std::path::absolute(path).map_err(Failure::store(path, "finding the directory"))
        };
        let (path, home) = (absolute(path)?, absolute(&self.directory)?);
        let relative = home.parent().and_then(|parent| path.strip_prefix(parent).ok());
        Ok(relative.map(|below| Path::new("..").join(below)).unwrap_or(path))
    }

    /// Where a path of the registry is.
    pub(crate) fn found(&self, kept: &Path) -> PathBuf {
        match kept.strip_prefix("..") {
            Ok(below) => match self.directory.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent.join(below),
                _ => below.to_owned(),
            },
            Err(_) => kept.to_owned(),
        }
    }
}

/// Longest wait for one answer of a witness.
const WITNESS_MAX: Duration = Duration::from_secs(5);

/// Today in UTC, in days since 1970-01-01.
///
/// # Errors
/// [`Failure::Usage`] if the clock is before that day.
pub(crate) fn today() -> Result<u32, Failure> {
    let day = Utc::now().timestamp().div_euclid(86_400);
    u32::try_from(day).map_err(|_| Failure::usage("the clock is before 1970", "set the clock"))
}

/// The first 16 hex digits of a digest.
pub(crate) fn short(digest: Digest) -> String {
    let mut text = digest.to_string();
    text.truncate(16);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_beside_the_home_move_with_it() {
        let home = Home::new(Some(Path::new("/data/study/.graunt")), &Config::default());
        let kept = home.kept(Path::new("/data/study/extracts/a")).unwrap();
        assert_eq!(kept, PathBuf::from("../extracts/a"));
        let moved = Home::new(Some(Path::new("/other/.graunt")), &Config::default());
        assert_eq!(moved.found(&kept), PathBuf::from("/other/extracts/a"));
        let far = home.kept(Path::new("/mnt/extract")).unwrap();
        assert_eq!(home.found(&far), PathBuf::from("/mnt/extract"));
        let here = Home::new(None, &Config::default());
        assert_eq!(here.found(&kept), PathBuf::from("extracts/a"));
    }

    #[test]
    fn the_default_witness_is_inside() {
        let home = Home::new(Some(Path::new("/data/.graunt")), &Config::default());
        assert_eq!(home.witness(), Path::new("/data/.graunt/witness/checkpoint"));
        assert!(home.is_witness_inside());
    }

    #[test]
    fn a_ledger_is_made_once_with_keys_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let home = Home::new(Some(directory.path()), &Config::default());
        let (ledger, made) = home.ledger_or_new().unwrap();
        assert!(made && ledger.is_empty().unwrap());
        drop(ledger);
        assert!(!home.ledger_or_new().unwrap().1);
        assert!(home.trust().unwrap().log_vkey.is_some());
        let mode = fs::metadata(home.directory().join("keys/log.pem")).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
    }
}

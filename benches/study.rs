//! A small study to ask: a synthetic cohort at two sites, extracted and attested as real records
//! would be, with a budget that no benchmark exhausts.
//!
//! Its ledger is in memory, so that the disk does not hide what an answer costs; `ledger` measures
//! the disk.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use datasets::cohort::{CohortSpec, generate};
use datasets::extract::{BuiltExtract, ExtractRequest, attest, build};
use datasets::policy::Policy;
use engine::answer::Answer;
use engine::catalog::Catalog;
use engine::engine::{Engine, Query, Settings};
use engine::privacy::relation::ContributionBounds;
use engine::scan::extract::VerifiedExtract;
use engine::sql::dialect::Dialect;
use ledger_adapter::charge::{Finality, Opening};
use ledger_adapter::cost::{Cost, Delta, Rho};
use ledger_adapter::digest::Digest;
use ledger_adapter::keys::{Keyring, Signer};
use ledger_adapter::ledger::Ledger;
use ledger_adapter::memory::MemoryLedger;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A study that can be asked.
pub(crate) struct Study {
    engine: Engine,
    runtime: Runtime,
    /// Rows of each table, sites together.
    pub(crate) rows: BTreeMap<String, u64>,
    _directory: TempDir,
}

impl Study {
    /// Makes it, in a directory that goes with it.
    pub(crate) fn new() -> Result<Self, Box<dyn Error>> {
        let directory = tempfile::tempdir()?;
        let cohort = directory.path().join("cohort");
        generate(&CohortSpec { persons: PERSONS, sites: SITES, seed: 1662 }, &cohort, &|_, _| ())?;
        let keys = Keyring::open(&directory.path().join("keys"))?;
        let ledger = Arc::new(MemoryLedger::new()?);
        let account = Digest::sha256(b"population");
        let rho = Rho::from_nano(u64::MAX / 2);
        // All of δ: a million thresholds.
        let delta = Delta::from_atto(1_000_000_000_000_000_000);
        ledger.open_account(&Opening { account, cap: Cost { rho, delta } })?;
        let mut rows = BTreeMap::new();
        let mut extracts = Vec::new();
        for site in (1..=SITES).map(|site| format!("site-{site}")) {
            let built = extract(directory.path(), &site, account, &keys)?;
            attest(&built, ledger.as_ref())?;
            for table in &built.report.tables {
                *rows.entry(table.table.clone()).or_default() += table.rows_out;
            }
            extracts.push(VerifiedExtract::open(&built.path, built.root, &keys.trusted()?)?);
        }
        let engine = ask(extracts, ledger, keys.release_signer()?)?;
        Ok(Self { engine, runtime: Runtime::new()?, rows, _directory: directory })
    }

    /// Asks one question at ε = 1, and waits for the answer.
    pub(crate) fn answer(&self, sql: &str) -> Result<Answer, engine::error::Error> {
        let groups_per_person = Some(GROUPS_PER_PERSON);
        let bounds = ContributionBounds { groups_per_person, ..ContributionBounds::default() };
        let query = Query { text: sql.to_owned(), epsilon: 1.0, delta: 1e-6, bounds };
        self.runtime.block_on(self.engine.answer(&query))
    }
}

fn extract(
    directory: &Path,
    site: &str,
    account: Digest,
    keys: &Keyring,
) -> Result<BuiltExtract, Box<dyn Error>> {
    let request = ExtractRequest {
        from: directory.join("cohort").join(site),
        site: site.to_owned(),
        population: "study".to_owned(),
        account,
        policy: Policy::default(),
        out: directory.join("extracts").join(site),
        key_epoch: "epoch-1".to_owned(),
        supersedes: None,
        issued_day: DAY,
    };
    Ok(build(&request, &keys.secret("epoch-1")?, &keys.site_signer(site)?, &|_, _, _| ())?)
}

fn ask(
    extracts: Vec<VerifiedExtract>,
    ledger: Arc<MemoryLedger>,
    signer: Signer,
) -> Result<Engine, engine::error::Error> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let settings = Settings {
        day: DAY,
        finality: Finality::Local,
        threads,
        memory: None,
        confidence: 0.95,
        dialect: Dialect::default(),
    };
    // An incident ends the benchmark; this says why.
    let incidents = Box::new(|incident, why: &str| eprintln!("incident {incident}: {why}"));
    Engine::new(Catalog::new(extracts)?, ledger, signer, settings, incidents)
}

/// Two sites, so that tables are merged.
const SITES: u32 = 2;

/// Enough that records and not the parser take the time, and few enough to be made in seconds.
const PERSONS: u64 = 5_000;

/// Most groups that one person counts in, where keys are not the person's own.
const GROUPS_PER_PERSON: u32 = 4;

/// 27 May 2026, in days since 1970-01-01.
const DAY: u32 = 20_600;

//! Asks one question again and again, in a process of its own.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::util::display::array_value_to_string;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use engine::catalog::Catalog;
use engine::cluster::{Cluster, Papers};
use engine::engine::{Engine, Query, Settings};
use engine::privacy::relation::ContributionBounds;
use engine::scan::extract::VerifiedExtract;
use engine::sql::dialect::Dialect;
use ledger_adapter::charge::{Attestation, Finality, Opening};
use ledger_adapter::cost::{Cost, Delta, Rho};
use ledger_adapter::keys::Signer;
use ledger_adapter::ledger::Ledger;
use ledger_adapter::memory::MemoryLedger;
use ledger_adapter::statement::Envelope;

use crate::Outcome;
use crate::make::{account, site};
use crate::queries::{Question, find};

/// Asks `system` a question `runs` times.
pub(crate) fn run(
    system: &str,
    (data, name): (&str, &str),
    directory: &Path,
    runs: usize,
) -> Outcome {
    let question = find(data, name)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_stack_size(8 << 20)
        .enable_all()
        .build()?;
    let extract = directory.join("extract");
    let Measured { seconds, rows, values } = match system {
        "graunt" => graunt(&runtime, question, &extract, runs, None)?,
        address if address.contains(':') => {
            let cluster = Cluster::new(address, papers()?, Duration::from_secs(60));
            graunt(&runtime, question, &extract, runs, Some(cluster))?
        }
        "datafusion" => runtime.block_on(plain(question, &extract, runs))?,
        other => return Err(format!("{other} is not measured here").into()),
    };
    let peak = peak_mib()?;
    let values = values.join(", ");
    let measured = format!("\"seconds\": {seconds:?}, \"peak_mib\": {peak}, \"rows\": {rows}");
    println!("{{{measured}, \"values\": [{values}]}}");
    Ok(())
}

/// What came of asking again and again.
#[derive(Default)]
struct Measured {
    seconds: Vec<f64>,
    /// Of the last answer.
    rows: usize,
    /// Of answers that are one number.
    values: Vec<String>,
}

/// A warm engine: what a server has. Each answer is charged, noised and has its receipt.
fn graunt(
    runtime: &tokio::runtime::Runtime,
    question: &Question,
    extract: &Path,
    runs: usize,
    cluster: Option<Cluster>,
) -> Result<Measured, Box<dyn std::error::Error>> {
    let ledger = Arc::new(MemoryLedger::new()?);
    let cap = Cost {
        rho: Rho::from_nano(u64::MAX / 2),
        delta: Delta::from_atto(1_000_000_000_000_000_000),
    };
    ledger.open_account(&Opening { account: account(), cap })?;
    let text = fs::read(extract.join("manifest.dsse.json"))?;
    let root = serde_json::from_slice::<Envelope>(&text)?.payload_digest()?;
    let key = site().public();
    let attestation =
        Attestation { root, account: account(), key: key.keyid(), expires_day: 30_000 };
    ledger.attest(&attestation)?;
    let extract = VerifiedExtract::open(extract, root, &[key])?;
    let settings = Settings {
        day: 20_000,
        finality: Finality::Local,
        threads: THREADS,
        memory: None,
        confidence: 0.95,
        dialect: Dialect::default(),
    };
    let log = Box::new(|incident, why: &str| eprintln!("incident {incident}: {why}"));
    let signer = Signer::from_seed(&[9; 32]);
    let engine = Engine::new(Catalog::new(vec![extract])?, ledger, signer, settings, log)?;
    let engine = match cluster {
        Some(cluster) => engine.with_cluster(cluster),
        None => engine,
    };
    let bounds = match question.bounds {
        Some((rows, groups)) => ContributionBounds {
            rows_per_person: Some(rows),
            groups_per_person: Some(groups),
            ..ContributionBounds::default()
        },
        None => ContributionBounds::default(),
    };
    // As it was published of those.
    let epsilon = if question.name.starts_with("r2t") { 0.8 } else { 1.0 };
    let query = Query { text: question.sql.to_owned(), epsilon, delta: 1e-6, bounds };
    let mut measured = Measured::default();
    for _ in 0..runs {
        let start = Instant::now();
        let answer = runtime.block_on(engine.answer(&query))?;
        measured.seconds.push(start.elapsed().as_secs_f64());
        measured.rows = answer.len();
        if (answer.len(), answer.columns().len()) == (1, 1) {
            measured.values.push(answer.text(0, 0));
        }
    }
    Ok(measured)
}

/// The certificate for a cluster, from the directory that `GRAUNT_TLS` names.
fn papers() -> Result<Papers, Box<dyn std::error::Error>> {
    let directory = std::env::var("GRAUNT_TLS")?;
    let read = |name: &str| fs::read(Path::new(&directory).join(name));
    let [authority, certificate] = ["authority.pem", "certificate.pem"].map(read);
    Ok(Papers { authority: authority?, certificate: certificate?, key: read("key.pem")? })
}

/// The same text without privacy, over the same files.
async fn plain(
    question: &Question,
    extract: &Path,
    runs: usize,
) -> Result<Measured, Box<dyn std::error::Error>> {
    let context =
        SessionContext::new_with_config(SessionConfig::new().with_target_partitions(THREADS));
    for entry in fs::read_dir(extract)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            let name = entry.file_name();
            let (name, path) = (name.to_string_lossy(), entry.path());
            let options = ParquetReadOptions::default();
            context.register_parquet(&*name, &*path.to_string_lossy(), options).await?;
        }
    }
    let mut measured = Measured::default();
    for _ in 0..runs {
        let start = Instant::now();
        let batches = context.sql(question.sql).await?.collect().await?;
        measured.seconds.push(start.elapsed().as_secs_f64());
        measured.rows = batches.iter().map(RecordBatch::num_rows).sum();
        if let [batch] = batches.as_slice()
            && (batch.num_rows(), batch.num_columns()) == (1, 1)
        {
            measured.values.push(array_value_to_string(batch.column(0), 0)?);
        }
    }
    Ok(measured)
}

/// The most memory that this process has had.
fn peak_mib() -> Result<u64, Box<dyn std::error::Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    Ok(line.split_whitespace().nth(1).unwrap_or("0").parse::<u64>()? / 1_024)
}

/// Threads of either.
const THREADS: usize = 2;

//! What a charge costs, from the request until it is as final as the ledger makes it; what opening
//! a long log costs, and proofs from it.
//!
//! `GRAUNT_BENCH_ENTRIES` is the length of the long log.

mod account;
mod support;

use std::path::Path;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode, Throughput};
use ledger_adapter::cost::Rho;
use ledger_adapter::digest::Digest;
use ledger_adapter::error::LedgerError;
use ledger_adapter::keys::Signer;
use ledger_adapter::ledger::Ledger;
use ledger_adapter::log::LogLedger;
use ledger_adapter::memory::MemoryLedger;
use ledger_adapter::tree::{Tree, leaf_hash, verify_inclusion};

use self::account::Account;
use self::support::{Outcome, criterion, done};

fn main() -> Outcome {
    let directory = tempfile::tempdir()?;
    let mut criterion = criterion();
    charges(&mut criterion, directory.path())?;
    long_log(&mut criterion, directory.path())?;
    criterion.final_summary();
    Ok(())
}

fn create(directory: &Path, name: &str, witness: Option<&str>) -> Result<LogLedger, LedgerError> {
    let witness = witness.map(|witness| directory.join(witness));
    LogLedger::create(&directory.join(name), "example.org/log", signer(), witness)
}

fn signer() -> Signer {
    Signer::from_seed(&[1; 32])
}

/// By one writer, and by many whose charges share an fsync.
fn charges(criterion: &mut Criterion, directory: &Path) -> Outcome {
    let memory = MemoryLedger::new()?;
    let local = create(directory, "local", None)?;
    let witnessed = create(directory, "witnessed", Some("witness"))?;
    let ledgers: [(&str, &dyn Ledger); 3] =
        [("memory", &memory), ("local", &local), ("witnessed", &witnessed)];
    let mut group = criterion.benchmark_group("ledger");
    group.sampling_mode(SamplingMode::Flat);
    for (name, ledger) in ledgers {
        let account = Account::open(ledger)?;
        group.throughput(Throughput::Elements(1));
        let mut times = Vec::new();
        group.bench_function(format!("{name}, one writer"), |b| {
            b.iter_custom(|count| {
                let begun = times.len();
                for _ in 0..count {
                    let start = Instant::now();
                    let charged = done(account.charge(ledger, RHO));
                    times.push(start.elapsed());
                    drop(charged);
                }
                times[begun..].iter().sum()
            });
        });
        print_percentiles(&mut times);
        group.throughput(Throughput::Elements(WRITERS as u64));
        group.bench_function(format!("{name}, {WRITERS} writers"), |b| {
            b.iter_custom(|count| charge_at_once(ledger, account, count));
        });
    }
    group.finish();
    Ok(())
}

/// The time in which each of the writers charges so often, one after the other.
fn charge_at_once(ledger: &dyn Ledger, account: Account, count: u64) -> Duration {
    // The writers and the clock.
    let barrier = Barrier::new(WRITERS + 1);
    std::thread::scope(|scope| {
        for _ in 0..WRITERS {
            scope.spawn(|| {
                barrier.wait();
                (0..count).for_each(|_| drop(done(account.charge(ledger, RHO))));
                barrier.wait();
            });
        }
        barrier.wait();
        let start = Instant::now();
        barrier.wait();
        start.elapsed()
    })
}

/// Opening a log, which reads and verifies all of it; and proofs of single entries.
fn long_log(criterion: &mut Criterion, directory: &Path) -> Outcome {
    let entries = std::env::var("GRAUNT_BENCH_ENTRIES").map_or(Ok(20_000), |text| text.parse())?;
    let log = create(directory, "long", None)?;
    let account = Account::open(&log)?;
    charge_at_once(&log, account, entries / WRITERS as u64);
    let mut group = criterion.benchmark_group("long log");
    group.sampling_mode(SamplingMode::Flat);
    group.throughput(Throughput::Elements(log.len()?));
    group.bench_function(format!("open, {entries} entries"), |b| {
        b.iter(|| done(LogLedger::open(&directory.join("long"), signer(), None)));
    });
    group.throughput(Throughput::Elements(1));
    let index = entries / 3;
    group.bench_function("prove an entry", |b| b.iter(|| done(log.proof(&[index]))));
    let proof = log.proof(&[index])?;
    group.bench_function("verify an entry", |b| b.iter(|| done(proof.verify(None))));

    let mut tree = Tree::default();
    (0..entries).for_each(|index| tree.push(leaf_hash(&index.to_be_bytes())));
    let (root, leaf) = (tree.root(), leaf_hash(&index.to_be_bytes()));
    group.bench_function("inclusion, made", |b| b.iter(|| tree.inclusion(index, entries)));
    let path: Vec<Digest> = tree.inclusion(index, entries).unwrap_or_default();
    assert!(verify_inclusion(&leaf, index, entries, &path, &root));
    group.bench_function("inclusion, verified", |b| {
        b.iter(|| verify_inclusion(&leaf, index, entries, &path, &root));
    });
    group.finish();
    Ok(())
}

/// What the mean hides: a disk is quick until it is not.
fn print_percentiles(times: &mut [Duration]) {
    times.sort_unstable();
    let at = |percent: usize| times.get(times.len() * percent / 100);
    if let (Some(half), Some(most), Some(nearly_all)) = (at(50), at(95), at(99)) {
        println!("p50 {half:?}, p95 {most:?}, p99 {nearly_all:?}");
    }
}

/// Writers that share an fsync.
const WRITERS: usize = 64;

/// The least that can be charged, so that the account lasts.
const RHO: Rho = Rho::from_nano(1);

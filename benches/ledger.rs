//! What a charge costs, from the request until it is as final as the ledger makes it.

mod account;
mod support;

use criterion::{SamplingMode, Throughput};
use ledger_adapter::cost::Rho;
use ledger_adapter::keys::Signer;
use ledger_adapter::ledger::Ledger;
use ledger_adapter::log::LogLedger;
use ledger_adapter::memory::MemoryLedger;

use self::account::Account;
use self::support::{Outcome, criterion, done};

fn main() -> Outcome {
    let directory = tempfile::tempdir()?;
    let create = |name: &str, witness: Option<&str>| {
        let path = |name| directory.path().join(name);
        let signer = Signer::from_seed(&[1; 32]);
        LogLedger::create(&path(name), "example.org/log", signer, witness.map(path))
    };
    let memory = MemoryLedger::new()?;
    let local = create("local", None)?;
    let witnessed = create("witnessed", Some("witness"))?;
    let ledgers: [(&str, &dyn Ledger); 3] =
        [("memory", &memory), ("local", &local), ("witnessed", &witnessed)];

    let mut criterion = criterion();
    let mut group = criterion.benchmark_group("ledger");
    group.sampling_mode(SamplingMode::Flat);
    for (name, ledger) in ledgers {
        let account = Account::open(ledger)?;
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("{name}, one writer"), |b| {
            b.iter(|| done(account.charge(ledger, RHO)));
        });
        group.throughput(Throughput::Elements(WRITERS));
        group.bench_function(format!("{name}, {WRITERS} writers"), |b| {
            b.iter(|| charge_at_once(ledger, account));
        });
    }
    group.finish();
    criterion.final_summary();
    Ok(())
}

/// One charge by each of the writers, who all wait for theirs. Starting the threads is part of it.
fn charge_at_once(ledger: &dyn Ledger, account: Account) {
    std::thread::scope(|scope| {
        for _ in 0..WRITERS {
            scope.spawn(|| done(account.charge(ledger, RHO)));
        }
    });
}

/// Writers that share an fsync.
const WRITERS: u64 = 64;

/// The least that can be charged, so that the account lasts.
const RHO: Rho = Rho::from_nano(1);

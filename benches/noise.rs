//! What noise costs: a column of counts through the one door, and the price that is set before.

mod account;
mod support;

use std::hint::black_box;

use criterion::{BatchSize, Throughput};
use engine::noise::{Exact, Scale, add, charge, scale_within, threshold};
use ledger_adapter::cost::{Delta, Rho};
use ledger_adapter::memory::MemoryLedger;

use self::account::Account;
use self::support::{Outcome, criterion, done};

fn main() -> Outcome {
    let ledger = MemoryLedger::new()?;
    let account = Account::open(&ledger)?;
    let mut criterion = criterion();
    let mut group = criterion.benchmark_group("noise");

    group.throughput(Throughput::Elements(CELLS as u64));
    for rho in RHOS.map(Rho::from_nano) {
        let scale = scale_within(1, 1, rho)?;
        let column = || {
            let values = vec![1_000; CELLS];
            let exact = Exact { values, sensitivity: 1, groups: 1, scale };
            (vec![exact], done(account.charge(&ledger, rho)))
        };
        group.bench_function(format!("sigma {:.1}", scale.as_f64()), |b| {
            let noisy = |(columns, charged)| done(add(columns, charged));
            b.iter_batched(column, noisy, BatchSize::LargeInput);
        });
    }

    // What a quote computes, once per column.
    group.throughput(Throughput::Elements(1));
    group.bench_function("price", |b| b.iter(|| done(price(black_box(Rho::from_nano(RHOS[0]))))));
    group.finish();
    criterion.final_summary();
    Ok(())
}

/// Scale, charge and threshold of a count by keys that are found in the records.
fn price(rho: Rho) -> Result<(Scale, Rho, i64), engine::noise::error::NoiseError> {
    let scale = scale_within(1, 4, rho)?;
    let delta = Delta::from_atto(1_000_000_000_000);
    Ok((scale, charge(1, 4, scale)?, threshold(scale, 4, delta)?))
}

/// A table of counties by age band by sex has as many.
const CELLS: usize = 100_000;

/// Budgets in billionths of ρ: noise of about 7 and of about 700.
const RHOS: [u64; 2] = [10_000_000, 1_000];

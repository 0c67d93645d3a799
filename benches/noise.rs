//! What noise costs: a column of counts through the one door, and the price that is set before.

mod account;
mod support;

use std::hint::black_box;

use criterion::{BatchSize, Throughput};
use engine::noise::error::NoiseError;
use engine::noise::{Column, Family, Noise, add, charge_of, deviation, noise_within, threshold_of};
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
    for family in [Family::Gaussian, Family::Laplace] {
        for rho in RHOS.map(Rho::from_nano) {
            let noise = noise_within(1, 1, rho, &[family])?;
            let column = || {
                let (values, groups) = (vec![1_000; CELLS], Some(1));
                let column = Column { values, sensitivity: 1, groups, noise, residual: None };
                (vec![column], done(account.charge(&ledger, rho)))
            };
            let name = format!("{family:?} of deviation {:.1}", deviation(noise));
            group.bench_function(name, |b| {
                let noisy = |(columns, charged)| done(add(columns, charged));
                b.iter_batched(column, noisy, BatchSize::LargeInput);
            });
        }
    }

    // What a quote computes, once per column.
    group.throughput(Throughput::Elements(1));
    group.bench_function("price", |b| b.iter(|| done(price(black_box(Rho::from_nano(RHOS[0]))))));
    group.finish();
    criterion.final_summary();
    Ok(())
}

/// Noise, charge and threshold of a count by keys that are found in the records.
fn price(rho: Rho) -> Result<(Noise, Rho, i64), NoiseError> {
    let noise = noise_within(1, 4, rho, &[Family::Gaussian, Family::Laplace])?;
    let delta = Delta::from_atto(1_000_000_000_000);
    Ok((noise, charge_of(1, 4, noise)?, threshold_of(noise, 4, delta)?))
}

/// A table of counties by age band by sex has as many.
const CELLS: usize = 100_000;

/// Budgets in billionths of ρ: noise of about 7 and of about 700.
const RHOS: [u64; 2] = [10_000_000, 1_000];

//! What is beyond sums, and what it costs: proofs of range, decisions, general ciphertexts.
//!
//! `GRAUNT_BENCH_COUNTERS` is the size of a proof (64 if unset); general ciphertexts take minutes
//! and are run where `GRAUNT_BENCH_GENERAL` is set.

use std::error::Error;
use std::fmt::Display;
use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput};
use seal::baseline::{Number, Owner};
use seal::gate::{Authority, Gate, GateError, SealedCounts};
use seal::proof::{Crs, MaskCiphertext, ProvenLane, ProvenSum, seal_mask, seal_proven};
use seal::{Context, Share, ShareError};

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(1))
        .configure_from_args();
    proofs(&mut criterion)?;
    gate(&mut criterion)?;
    if std::env::var_os("GRAUNT_BENCH_GENERAL").is_some() {
        general(&mut criterion)?;
    }
    criterion.final_summary();
    Ok(())
}

/// One site's proof and its verification; the sum of ten sites is opened.
fn proofs(criterion: &mut Criterion) -> Result<(), Box<dyn Error>> {
    let counters = std::env::var("GRAUNT_BENCH_COUNTERS").map_or(Ok(64), |text| text.parse())?;
    let crs = Crs::generate(counters)?;
    let lane = ProvenLane::new(&crs, 10, 5, 3, counters, 0)?;
    let context = Context([1; 32]);
    let values = vec![1_234_567; counters];
    let noise = vec![-5; counters];
    let (sealed, own) = seal_proven(&lane, &crs, &context, &values, &[1])?;
    let bytes = sealed.to_bytes()?.len() - 8 * (2_048 + counters);
    println!("parameters of {} bytes, proof of {bytes} bytes", crs.to_bytes().len());
    let mut group = criterion.benchmark_group("proof");
    group.throughput(Throughput::Elements(counters as u64));
    group.bench_function(format!("prove {counters} counters"), |b| {
        b.iter(|| done(seal_proven(&lane, &crs, &context, black_box(&values), &[1])));
    });
    group.bench_function(format!("verify {counters} counters"), |b| {
        b.iter(|| done(sealed.clone().verify(&lane, &crs, &context, &[1])));
    });
    let holders: Vec<(MaskCiphertext, Vec<Share>)> = (1..=5)
        .map(|holder| seal_mask(&lane, &context, holder, &noise))
        .collect::<Result<_, _>>()?;
    let masks: Vec<MaskCiphertext> = holders.iter().map(|(mask, _)| mask.clone()).collect();
    let release = |holder: usize| {
        let of_holders = holders.iter().map(|(_, shares)| shares[holder].clone());
        let shares: Vec<Share> = of_holders.chain([own[holder].clone()]).collect();
        Share::sum(&shares)
    };
    let shares: Vec<Share> = (0..3).map(release).collect::<Result<_, ShareError>>()?;
    let verified = [sealed.clone().verify(&lane, &crs, &context, &[1])?];
    group.bench_function("sum of one site and five masks, opened", |b| {
        b.iter(|| done(done(ProvenSum::of(&lane, &verified, &masks)).open(&lane, &shares)));
    });
    group.finish();
    Ok(())
}

/// Ten sites, five persons.
fn gate(criterion: &mut Criterion) -> Result<(), GateError> {
    let gate = Gate::new(10, 5, CELLS)?;
    let (authority, site, evaluation) = Authority::generate()?;
    let evaluator = evaluation.evaluator()?;
    let sealed: Vec<SealedCounts> =
        (0..10).map(|_| site.seal(&gate, &[1; CELLS])).collect::<Result<_, _>>()?;
    let decisions = evaluator.decide(&gate, &sealed)?;
    println!("{} bootstraps per cell", decisions.bootstraps_per_cell());
    let mut group = criterion.benchmark_group("gate");
    group.throughput(Throughput::Elements(CELLS as u64));
    group.bench_function("seal, one site", |b| b.iter(|| done(site.seal(&gate, &[1; CELLS]))));
    group.bench_function("decide, all threads", |b| {
        b.iter(|| done(evaluator.decide(&gate, &sealed)))
    });
    group.bench_function("open", |b| b.iter(|| done(authority.open(&decisions))));
    group.finish();
    Ok(())
}

/// The same for one counter of ten sites as general ciphertexts.
fn general(criterion: &mut Criterion) -> Result<(), &'static str> {
    let (owner, machine) = Owner::generate();
    let numbers: Vec<Number> = (1..=10).map(|counter| owner.seal(counter)).collect();
    let sum = machine.sum(&numbers).ok_or("no sum of ten numbers")?;
    let mut group = criterion.benchmark_group("general");
    group.bench_function("sum of ten", |b| b.iter(|| machine.sum(&numbers)));
    group.bench_function("largest of two", |b| b.iter(|| machine.largest(&numbers[..2])));
    group.bench_function("at least five", |b| b.iter(|| machine.is_at_least(&sum, 5)));
    group.finish();
    Ok(())
}

/// What was measured, which must not have failed: a failure is quick, and means nothing.
fn done<T>(outcome: Result<T, impl Display>) -> T {
    outcome.unwrap_or_else(|error| panic!("{error}"))
}

const CELLS: usize = 8;

//! What a sealed sum costs, party by party, beside shares of the counters themselves.
//!
//! Run with `cargo bench -p seal`. A line per round says what goes over the wire; times are of one
//! thread. The peer is Shamir's scheme on each counter, with 64-bit points: nothing to encrypt, but
//! a point per counter, site and holder, and no ciphertext that a ledger could name.

use std::fmt::Display;
use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkGroup, Criterion, Throughput, measurement::WallTime};
use seal::{Ciphertext, Context, Lane, Role, Share, Sum, open, seal};

const CONTEXT: Context = Context([42; 32]);

/// Sites, holders, threshold, counters, bits.
const ROUNDS: [(u32, u32, u32, usize, u32); 3] =
    [(10, 5, 3, 1000, 31), (100, 5, 3, 10_000, 30), (100, 5, 3, 10_000, 62)];

type Sealed = Vec<(Ciphertext, Vec<Share>)>;

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_millis(1_500))
        .without_plots()
        .configure_from_args();
    for (sites, holders, threshold, counters, bits) in ROUNDS {
        let lane = done(Lane::new(sites, holders, threshold, counters, bits));
        let name = format!("{sites} sites x {counters} counters of {bits} bits");
        let mut group = criterion.benchmark_group(name);
        parties(&mut group, &lane);
        group.finish();
    }
    let mut group = criterion.benchmark_group("100 sites x 10000 counters, shares of each");
    peer(&mut group);
    group.finish();
    criterion.final_summary();
}

/// What was measured, which must not have failed: a failure is quick, and means nothing.
fn done<T>(outcome: Result<T, impl Display>) -> T {
    outcome.unwrap_or_else(|error| panic!("{error}"))
}

/// A value for each counter; which ones does not matter for the time.
fn values(lane: &Lane) -> Vec<i128> {
    (0i128..)
        .take(lane.counters())
        .map(|index| index * 7919 % 1_000_003 % (1 << lane.bits()))
        .collect()
}

fn seal_all(lane: &Lane, values: &[i128]) -> Sealed {
    let role = |index| if index < lane.sites() { Role::Site } else { Role::Holder };
    let contributors = 0..lane.sites() + lane.holders();
    contributors.map(|index| done(seal(lane, &CONTEXT, values, role(index)))).collect()
}

/// What one holder releases.
fn release(sealed: &Sealed, holder: usize) -> Share {
    let own: Vec<Share> = sealed.iter().map(|(_, shares)| shares[holder].clone()).collect();
    done(Share::sum(&own))
}

fn round(lane: &Lane, values: &[i128]) -> Vec<i128> {
    let sealed = seal_all(lane, values);
    let sum = done(Sum::of(lane, sealed.iter().map(|(ciphertext, _)| ciphertext)));
    let released: Vec<Share> = [0, 2, 4].map(|holder| release(&sealed, holder)).into();
    let (sites, holders) = (lane.sites(), lane.holders());
    let opened = done(open(lane, &CONTEXT, &sum, sites, holders, &released));
    done(opened.opening.verify(lane, &CONTEXT, &sum, sites, holders))
}

fn parties(group: &mut BenchmarkGroup<'_, WallTime>, lane: &Lane) {
    let values = values(lane);
    let contributors = lane.sites() + lane.holders();
    let sealed = seal_all(lane, &values);
    let bytes = sealed[0].0.to_bytes();
    let shares: usize = sealed[0].1.iter().map(|share| share.to_bytes().len()).sum();
    println!(
        "{} bits per counter; ciphertext {} bytes, of which {} zeros take {}; shares {} bytes",
        lane.body_bits(),
        bytes.len(),
        lane.checks(),
        lane.checks() * 6,
        shares
    );
    let ciphertexts = || sealed.iter().map(|(ciphertext, _)| ciphertext);
    let sum = done(Sum::of(lane, ciphertexts()));
    let released: Vec<Share> = [0, 2, 4].map(|holder| release(&sealed, holder)).into();
    let (sites, holders) = (lane.sites(), lane.holders());
    let opened = done(open(lane, &CONTEXT, &sum, sites, holders, &released));
    let total = i128::from(contributors) * values[1];
    assert_eq!(opened.totals[1], total, "a bench of wrong totals");

    let counters = done(u64::try_from(lane.counters()));
    group.throughput(Throughput::Elements(counters));
    group.bench_function("seal", |b| {
        b.iter(|| done(seal(lane, &CONTEXT, black_box(&values), Role::Site)));
    });
    group.bench_function("write", |b| b.iter(|| sealed[0].0.to_bytes()));
    group.bench_function("read", |b| {
        b.iter(|| done(Ciphertext::from_bytes(lane, black_box(&bytes))));
    });
    group.bench_function("open", |b| {
        b.iter(|| done(open(lane, &CONTEXT, &sum, sites, holders, &released)));
    });
    group.bench_function("verify", |b| {
        b.iter(|| done(opened.opening.verify(lane, &CONTEXT, &sum, sites, holders)));
    });
    group.bench_function("release, one holder", |b| b.iter(|| release(&sealed, 4)));
    group.throughput(Throughput::Elements(counters * u64::from(contributors)));
    group.bench_function("aggregate", |b| {
        b.iter(|| done(Sum::of(lane, ciphertexts())));
    });
    group.bench_function("all parties", |b| b.iter(|| round(lane, &values)));
}

/// 2^61 - 1.
const PRIME: u64 = (1 << 61) - 1;

fn times(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b) % u128::from(PRIME);
    done(u64::try_from(product))
}

/// Three-of-five shares of 10,000 counters, and their sums over 105 contributors.
fn peer(group: &mut BenchmarkGroup<'_, WallTime>) {
    const COUNTERS: usize = 10_000;
    let drawn: Vec<[u64; 2]> =
        (1u64..).take(COUNTERS).map(|i| [times(i, 0x1234_5678_9ABC), times(i, 77_777)]).collect();
    let share = |holder: u64| -> Vec<u64> {
        let point = |(value, [one, two]): (u64, &[u64; 2])| {
            let slope = (one + times(*two, holder)) % PRIME;
            (value + times(slope, holder)) % PRIME
        };
        (0u64..).zip(&drawn).map(point).collect()
    };
    println!("{} bytes of shares from each site", 5 * 8 * COUNTERS);
    group.throughput(Throughput::Elements(10_000));
    group.bench_function("share", |b| b.iter(|| (1..=5).map(share).collect::<Vec<_>>()));
    let all: Vec<Vec<u64>> = (0..105).map(|_| share(5)).collect();
    group.throughput(Throughput::Elements(105 * 10_000));
    group.bench_function("aggregate, one holder", |b| {
        b.iter(|| {
            let mut sum = vec![0u64; COUNTERS];
            for row in black_box(&all) {
                sum.iter_mut().zip(row).for_each(|(total, point)| {
                    let next = *total + point;
                    *total = if next >= PRIME { next - PRIME } else { next };
                });
            }
            sum
        });
    });
}

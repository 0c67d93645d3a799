//! What it costs to know that a file is the attested one: hashing it when an extract is made, and
//! checking it when it is read.

mod support;

use std::hint::black_box;

use criterion::Throughput;
use ledger_adapter::leaves::{GROUP_BYTES, LeafHasher, Leaves};

use self::support::{Outcome, criterion, done};

fn main() -> Outcome {
    let file: Vec<u8> =
        (0..FILE_BYTES).map(|at| (at.wrapping_mul(at) >> 7).to_le_bytes()[0]).collect();
    let leaves = Leaves::of(&file);
    let stored = leaves.to_bytes();
    let group_bytes = usize::try_from(GROUP_BYTES)?;
    let mut criterion = criterion();

    let mut group = criterion.benchmark_group("scan");
    group.throughput(Throughput::Bytes(FILE_BYTES));
    group.bench_function("hash in memory", |b| b.iter(|| Leaves::of(black_box(&file))));
    group.bench_function("hash while writing", |b| b.iter(|| hash_in_parts(black_box(&file))));
    group.bench_function("check every group", |b| {
        b.iter(|| check(&leaves, black_box(&file), group_bytes))
    });
    // What is done once per file when an extract is opened: the leaves prove themselves.
    group.throughput(Throughput::Elements(leaves.count()));
    group.bench_function("check the leaves", |b| {
        b.iter(|| done(Leaves::from_bytes(black_box(&stored), FILE_BYTES)).root());
    });
    group.finish();
    criterion.final_summary();
    Ok(())
}

/// As the writer of a file does.
fn hash_in_parts(file: &[u8]) -> Leaves {
    let mut hasher = LeafHasher::new();
    file.chunks(PART_BYTES).for_each(|part| hasher.update(part));
    hasher.finish()
}

fn check(leaves: &Leaves, file: &[u8], group_bytes: usize) {
    for (index, group) in (0..).zip(file.chunks(group_bytes)) {
        assert!(leaves.check_group(index, group), "group {index} is not the attested one");
    }
}

/// About a bucket of a large table.
const FILE_BYTES: u64 = 16 << 20;

/// Bytes that a writer hands over at a time; no whole number of groups.
const PART_BYTES: usize = 100_000;

//! Tests of the law of the noise, of the door, and of its tape.
//!
//! Seeds are fixed, so a pass stays a pass. The false-alarm rate of a new seed is beside each
//! test: a statistic of Pearson's is compared through Wilson and Hilferty's cube root, which is
//! close to normal; a limit of 5 has rate 3e-7. `GRAUNT_NOISE_DRAWS` is how many draws a law is
//! tested with, if not 200 000.

mod door;
mod law;
mod orders;
mod replay;
mod steps;

use ledger_adapter::charge::{Admission, Attestation, ChargeRequest, Charged, Finality, Opening};
use ledger_adapter::cost::Cost;
use ledger_adapter::digest::Digest;
use ledger_adapter::ledger::Ledger;
use ledger_adapter::memory::MemoryLedger;

use super::generator::{self, Generator};
use super::*;

fn scale(numerator: u64, log2_denominator: u8) -> Scale {
    Scale { numerator, log2_denominator }
}

fn gaussian(numerator: u64, log2_denominator: u8) -> Noise {
    scale(numerator, log2_denominator).into()
}

fn laplace(numerator: u64, log2_denominator: u8) -> Noise {
    Noise { family: Family::Laplace, scale: scale(numerator, log2_denominator) }
}

/// How many draws a law is tested with.
fn draws_wanted() -> usize {
    let asked = std::env::var("GRAUNT_NOISE_DRAWS").ok();
    asked.map_or(200_000, |asked| asked.parse().unwrap())
}

fn draws(noise: Noise, count: usize, seed: u8) -> Vec<i128> {
    let sampler = Sampler::new(noise).unwrap();
    let mut generator = Generator::seeded(seed);
    (0..count).map(|_| sampler.draw(&mut generator)).collect()
}

/// The weight of an integer under a law, up to a factor.
fn weight(noise: Noise, z: i32) -> f64 {
    let steps = f64::from(z) / noise.scale.as_f64();
    match noise.family {
        Family::Gaussian => (-steps.powi(2) / 2.0).exp(),
        Family::Laplace => (-steps.abs()).exp(),
    }
}

/// Wilson and Hilferty's normal deviate of a statistic of Pearson's.
fn deviate(statistic: f64, freedom: f64) -> f64 {
    let spread = 2.0 / (9.0 * freedom);
    ((statistic / freedom).cbrt() - (1.0 - spread)) / spread.sqrt()
}

/// How far draws are from a law: Pearson's statistic over the integers, each tail of fewer than
/// ten expected draws in one cell.
fn departure(draws: &[i128], noise: Noise) -> f64 {
    let far = (20..).find(|&z| f64::from(z) > 45.0 * noise.scale.as_f64()).unwrap();
    let total: f64 = (-far..=far).map(|z| weight(noise, z)).sum();
    let expected = |z: i32| draws.len() as f64 * weight(noise, z) / total;
    let reach = (0..far).take_while(|&z| expected(z) >= 10.0).last().unwrap();
    let mut seen = vec![0_u32; usize::try_from(2 * reach + 3).unwrap()];
    for &z in draws {
        let z = z.clamp(i128::from(-reach - 1), i128::from(reach + 1));
        seen[usize::try_from(z + i128::from(reach + 1)).unwrap()] += 1;
    }
    let outer: f64 = (reach + 1..far).map(expected).sum();
    let cells = (-reach - 1..=reach + 1).zip(seen).filter_map(|(z, seen)| {
        let expected = if z.abs() > reach { outer } else { expected(z) };
        (expected >= 0.5).then(|| (f64::from(seen) - expected).powi(2) / expected)
    });
    let cells: Vec<f64> = cells.collect();
    deviate(cells.iter().sum(), cells.len() as f64 - 1.0)
}

/// The normal deviate of the sample variance, for laws of wide scale: its standard error is
/// √((κ - 1)/n) of it, where the kurtosis κ is 3 for a Gaussian and 6 for a Laplace.
fn variance_deviate(draws: &[i128], noise: Noise) -> f64 {
    let count = draws.len() as f64;
    let mean_square = draws.iter().map(|&z| (z as f64).powi(2)).sum::<f64>() / count;
    let kurtosis = if noise.family == Family::Gaussian { 3.0 } else { 6.0 };
    (mean_square / deviation(noise).powi(2) - 1.0) / ((kurtosis - 1.0) / count).sqrt()
}

/// A charge, granted by a ledger in memory.
fn charged(rho_nano: u64, delta_atto: u64) -> Charged {
    let cost = Cost { rho: Rho::from_nano(rho_nano), delta: Delta::from_atto(delta_atto) };
    let (account, root) = (Digest::sha256(b"account"), Digest::sha256(b"root"));
    let ledger = MemoryLedger::new().unwrap();
    ledger.open_account(&Opening { account, cap: cost }).unwrap();
    let key = Digest::sha256(b"key");
    ledger.attest(&Attestation { root, account, key, expires_day: 30_000 }).unwrap();
    let request = ChargeRequest {
        query: Digest::sha256(b"query"),
        items: vec![(account, cost)],
        intent: Digest::sha256(b"intent"),
        inputs: vec![root],
        day: 20_000,
    };
    match ledger.charge(&request, Finality::Local).unwrap() {
        Admission::Granted(charged) => charged,
        Admission::Repeated(_) => panic!("a new ledger knows the query"),
    }
}

/// A column of counts that one person moves by one in one place.
fn column(values: Vec<i128>, noise: Noise) -> Column {
    Column::within(values, 1, Some(1), noise)
}

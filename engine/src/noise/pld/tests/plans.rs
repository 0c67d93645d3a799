//! How many queries a pre-registered plan admits, next to what DPSQL+ admits.
//!
//! The setting is theirs: COUNT and SUM by group, each query (0.5, 1e-8)-private, all of them
//! together (10, 1e-5)-private. shared/research/peers.md, Section 3.3, has what their code gave:
//! 899 queries by ρ and 1,154 by privacy loss distributions.

use crate::noise::pld::{Family, PrivacyLoss, Workload, calibrate, compose};

const QUERY: (f64, f64) = (0.5, 1e-8);
const PLAN: (f64, f64) = (10.0, 1e-5);

/// σ of a Gaussian count that is (ε, δ)-private by itself.
fn sigma(epsilon: f64, delta: f64) -> f64 {
    let one = Workload { sensitivity: 1, groups: 1, times: 1 };
    calibrate(Family::Gaussian, one, epsilon, delta).unwrap()
}

/// Whether `queries` fit: each some Gaussians, and `threshold` of δ for choosing keys.
fn fits(queries: u64, losses: &[PrivacyLoss], threshold: f64) -> bool {
    let spent = queries as f64 * threshold;
    let parts: Vec<_> = losses.iter().map(|loss| (loss.clone(), queries)).collect();
    spent < PLAN.1 && compose(&parts).epsilon(PLAN.1 - spent) <= PLAN.0
}

/// δ of ρ at ε: the minimum over α of exp((α-1)(αρ-ε)) / (α-1) · (1-1/α)^α (CKS20, Prop. 12).
fn delta_of(rho: f64, epsilon: f64) -> f64 {
    let log = |alpha: f64| {
        let order = alpha - 1.0;
        order * (alpha * rho - epsilon) - order.ln() + alpha * (-1.0 / alpha).ln_1p()
    };
    let (mut low, mut high) = (1.0 + 1e-9, (epsilon + 1.0) / rho + 2.0);
    for _ in 0..200 {
        let (left, right) = (low + (high - low) / 3.0, high - (high - low) / 3.0);
        if log(left) < log(right) {
            high = right;
        } else {
            low = left;
        }
    }
    log(low).exp().min(1.0)
}

/// The largest ρ that implies (ε, δ).
fn rho_within(epsilon: f64, delta: f64) -> f64 {
    let (mut low, mut high) = (1e-9, 100.0);
    for _ in 0..100 {
        let middle = f64::midpoint(low, high);
        if delta_of(middle, epsilon) <= delta {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

#[test]
fn the_count_of_queries_of_dpsql_plus_is_reproduced() {
    // Three Gaussians a query, for COUNT, SUM and the choice of keys, each with a third of ε and
    // δ by basic composition; half of the last δ is for the Gaussian, half for the threshold.
    let (epsilon, delta) = (QUERY.0 / 3.0, QUERY.1 / 3.0);
    let (answer, keys) = (sigma(epsilon, delta), sigma(epsilon, delta / 2.0));
    assert!((answer - 29.41).abs() < 0.01 && (keys - 30.16).abs() < 0.01, "{answer}, {keys}");
    let losses = [answer, answer, keys].map(|scale| PrivacyLoss::gaussian(1.0, scale).unwrap());
    assert!(fits(1154, &losses, delta / 2.0));
    assert!(!fits(1155, &losses, delta / 2.0));
}

#[test]
fn at_the_noise_of_dpsql_plus_1680_queries_fit() {
    // Ours needs no third Gaussian: the threshold looks at the noisy count that is released.
    let delta = QUERY.1 / 6.0;
    let losses = [(1, 29.41), (1000, 29_410.0)]
        .map(|(sensitivity, scale)| PrivacyLoss::discrete_gaussian(sensitivity, scale).unwrap());
    let once = losses.clone().map(|loss| (loss, 1));
    assert!(compose(&once).epsilon(QUERY.1 - delta) <= QUERY.0 / 2.0);
    assert!(fits(1154, &losses, delta) && fits(1680, &losses, delta));
    assert!(!fits(1700, &losses, delta));
    // By ρ.
    let rho = 1.0 / (29.41_f64 * 29.41);
    assert!(1500.0 * rho <= rho_within(PLAN.0, PLAN.1 - 1500.0 * delta));
}

#[test]
fn one_split_of_delta_admits_899_by_rho_and_1154_by_loss() {
    // Of a query's 1e-8, 1e-9 is for the threshold and 1e-19 for the conversion of ρ. The noise
    // is still less than theirs: σ = 24.6 for each of two columns against 29.4.
    let (threshold, conversion) = (1e-9, 1e-19);
    let rho = rho_within(QUERY.0, conversion);
    let scale = (1.0 / rho).sqrt();
    assert!((24.5..24.8).contains(&scale), "{scale}");
    assert!(899.0 * rho <= rho_within(PLAN.0, PLAN.1 - 899.0 * threshold));
    let losses = [(1, scale), (1000, 1000.0 * scale)]
        .map(|(sensitivity, scale)| PrivacyLoss::discrete_gaussian(sensitivity, scale).unwrap());
    let once = losses.clone().map(|loss| (loss, 1));
    assert!(compose(&once).epsilon(QUERY.1 - threshold) <= QUERY.0);
    assert!(fits(1154, &losses, threshold));
}

#[test]
fn queries_that_use_all_of_their_delta_are_fewer_and_half_as_noisy() {
    // With 9e-9 of 1e-8 for the noise: σ = 14.0, and 390 queries.
    let (threshold, noise) = (1e-9, 9e-9);
    let scale = sigma(QUERY.0, noise) * 2.0_f64.sqrt();
    assert!((13.9..14.1).contains(&scale), "{scale}");
    let losses = [scale, scale].map(|scale| PrivacyLoss::gaussian(1.0, scale).unwrap());
    assert!(fits(385, &losses, threshold) && !fits(400, &losses, threshold));
}

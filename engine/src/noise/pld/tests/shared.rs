//! All rows of the reference files, where the folder that keeps them is present.

use std::env;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::{assert_between, epsilon_of};
use crate::noise::pld::PrivacyLoss;

/// A reference file, or nothing, said plainly.
fn reference(name: &str) -> Option<Value> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared");
    let folder = env::var_os("GRAUNT_SHARED").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    let path = folder.join("reference").join(name);
    if !path.exists() {
        println!("skipped: there is no {}", path.display());
        return None;
    }
    Some(serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap())
}

fn float(row: &Value, name: &str) -> f64 {
    row[name].as_f64().unwrap_or_else(|| panic!("{name} of {row}"))
}

fn times(row: &Value) -> u64 {
    row["k"].as_u64().unwrap()
}

#[test]
fn every_row_of_the_accounting_reference_holds() {
    let Some(reference) = reference("acct_ref.json") else { return };
    let rows = |name: &str| reference[name].as_array().unwrap().clone();
    let check = |loss: PrivacyLoss, row: &Value, lower: &str, upper: &str, shrink: f64| {
        let found = epsilon_of(loss, times(row), float(row, "delta"));
        let lower = float(row, lower) * (1.0 - shrink);
        assert_between(found, lower, float(row, upper), &row.to_string());
    };
    let mut checked = 0;
    for row in rows("gauss") {
        let loss = PrivacyLoss::gaussian(1.0, float(&row, "sigma")).unwrap();
        check(loss, &row, "exact", "exact", 0.0);
        checked += 1;
    }
    for row in rows("lap") {
        let loss = PrivacyLoss::laplace(float(&row, "eps0"), 1.0).unwrap();
        check(loss, &row, "pld_lo", "pld_up", 0.0);
        checked += 1;
    }
    for row in rows("dlap") {
        let scale = 1.0 / float(&row, "eps0");
        let loss = PrivacyLoss::discrete_laplace(1, scale).unwrap();
        check(loss, &row, "kov", "pld_up", 0.0);
        // Its lower and upper ends are the same pessimistic figure, on a grid of 1e-4.
        let loss = PrivacyLoss::discrete_laplace(4, 4.0 * scale).unwrap();
        check(loss, &row, "pld_sens4_lo", "pld_sens4_up", 1e-5);
        checked += 2;
    }
    for row in rows("dgauss") {
        let loss = PrivacyLoss::discrete_gaussian(1, float(&row, "sigma")).unwrap();
        check(loss, &row, "pld_lo", "pld_up", 0.0);
        checked += 1;
    }
    assert_eq!(checked, 64);
}

#[test]
fn every_row_of_the_calibration_reference_holds() {
    let Some(reference) = reference("cross_ref.json") else { return };
    let rows = reference.as_array().unwrap();
    assert_eq!(rows.len(), 36);
    for row in rows {
        let (epsilon, delta) = (float(row, "eps"), float(row, "delta"));
        let gaussian = PrivacyLoss::gaussian(1.0, float(row, "gauss_sigma_exact")).unwrap();
        let found = epsilon_of(gaussian, times(row), delta);
        assert_between(found, epsilon * (1.0 - 1e-8), epsilon, &row.to_string());
        // Found by a pessimistic accountant, so ε itself may be a little less.
        let laplace = PrivacyLoss::laplace(float(row, "lap_eps0_pld"), 1.0).unwrap();
        let found = epsilon_of(laplace, times(row), delta);
        assert_between(found, epsilon * (1.0 - 5e-4), epsilon, &row.to_string());
    }
}

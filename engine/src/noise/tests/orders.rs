//! That the charge of Laplace noise is the supremum over all orders, from the masses themselves.

use super::*;

#[test]
fn no_order_costs_more_than_the_charge() {
    for (at, s) in [
        (laplace(1, 3), 0.125),
        (laplace(1, 2), 0.25),
        (laplace(1, 1), 0.5),
        (laplace(1, 0), 1.0),
        (laplace(5, 1), 2.5),
        (laplace(20, 0), 20.0),
        (laplace(300, 0), 300.0),
    ] {
        for shift in [1_u32, 2, 3, 4, 7, 30, 400] {
            let rho = charge_of(u64::from(shift), 1, at).unwrap().nano() as f64;
            let mut order = 1.0 + 1e-4;
            let close = 1e9 * divergence(shift, s, order);
            assert!((rho - close).abs() <= 1e-3 * rho + 2.0, "{shift}, {s}: {rho}, {close}");
            while order < 1e5 {
                let found = 1e9 * divergence(shift, s, order);
                // 10^-11 is what the float sums may be off near order 1.
                assert!(rho >= found * (1.0 - 1e-10), "{shift}, {s}, {order}: {rho}, {found}");
                order = 1.0 + (order - 1.0) * 1.3;
            }
        }
    }
}

/// D(α)/α of the law of scale `s` and itself moved by `shift`, from the masses themselves.
fn divergence(shift: u32, s: f64, order: f64) -> f64 {
    let t = order - 1.0;
    let loss = |z: u32| (f64::from(shift) - 2.0 * f64::from(z)) / s;
    let p = (-1.0 / s).exp();
    // Up to 0 and from `shift` on the loss is constant; the masses in between one by one.
    let logarithms = (0..=shift).map(|z| {
        let mass = if z == 0 || z == shift { 1.0 } else { 1.0 - p };
        (mass / (1.0 + p)).ln() - f64::from(z) / s + t * loss(z)
    });
    let logarithms: Vec<f64> = logarithms.collect();
    let most = logarithms.iter().copied().fold(f64::MIN, f64::max);
    let sum: f64 = logarithms.iter().map(|logarithm| (logarithm - most).exp()).sum();
    (most + sum.ln()) / (t * order)
}

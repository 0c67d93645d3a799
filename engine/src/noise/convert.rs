//! Between ρ and (ε, δ), by opendp's outward-rounded conversion.
//!
//! (ε, δ) is how people ask and read; nothing is charged in it.

use ledger_adapter::cost::Rho;
use opendp::combinators::ConcentratedMeasure;
use opendp::measures::ZeroConcentratedDivergence;

use super::NoiseError;

/// The largest ρ in billionths that implies (ε, δ), or zero.
///
/// δ grows with ρ at a fixed ε, so the range is doubled until it is too much, then halved.
pub(super) fn rho_within(epsilon: f64, delta: f64) -> Result<Rho, NoiseError> {
    if !(1e-3..=1e4).contains(&epsilon) {
        return Err(NoiseError::BadEpsilon);
    }
    check_delta(delta)?;
    let fits = |nano: u64| -> Result<bool, NoiseError> {
        let profile = ZeroConcentratedDivergence::convert(above(Rho::from_nano(nano)))?;
        Ok(profile.delta(epsilon)? <= delta)
    };
    let mut too_much = 1_u64;
    while fits(too_much)? {
        too_much = too_much.checked_mul(2).ok_or(NoiseError::Overflow { what: "the charge" })?;
    }
    let mut enough = too_much / 2;
    while too_much - enough > 1 {
        let middle = enough + (too_much - enough) / 2;
        if fits(middle)? {
            enough = middle;
        } else {
            too_much = middle;
        }
    }
    Ok(Rho::from_nano(enough))
}

/// The least float ε, up to opendp's rounding, that ρ implies at δ.
pub(super) fn epsilon_of(rho: Rho, delta: f64) -> Result<f64, NoiseError> {
    check_delta(delta)?;
    if rho.nano() == 0 {
        return Ok(0.0);
    }
    let epsilon = ZeroConcentratedDivergence::convert(above(rho))?.epsilon(delta)?;
    if epsilon.is_finite() { Ok(epsilon) } else { Err(NoiseError::Overflow { what: "epsilon" }) }
}

/// A float that is not below ρ: two operations round, each by at most half a step.
fn above(rho: Rho) -> f64 {
    rho.as_f64().next_up().next_up()
}

fn check_delta(delta: f64) -> Result<(), NoiseError> {
    if delta > 0.0 && delta < 1.0 { Ok(()) } else { Err(NoiseError::BadDelta) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rho(nano: u64) -> Rho {
        Rho::from_nano(nano)
    }

    #[test]
    fn rho_agrees_with_published_conversions() {
        // Conversions of (1, 1e-6), (3, 1e-6), (0.5, 1e-6) and (1, 1e-9), to the digits known.
        for (epsilon, delta, expected, tolerance) in [
            (1.0, 1e-6, 0.024_356, 1e-6),
            (3.0, 1e-6, 0.185_07, 1e-5),
            (0.5, 1e-6, 0.006_641_5, 1e-7),
            (1.0, 1e-9, 0.014_97, 1e-5),
        ] {
            let found = rho_within(epsilon, delta).unwrap().as_f64();
            assert!((found - expected).abs() < tolerance, "{epsilon}, {delta}: {found}");
        }
        let epsilon = epsilon_of(rho(500_000_000), 1e-6).unwrap();
        assert!((epsilon - 5.221_53).abs() < 1e-4, "{epsilon}");
    }

    #[test]
    fn there_and_back_never_gains() {
        for epsilon in [1e-3, 0.01, 0.1, 1.0, 10.0, 100.0, 1e4] {
            for delta in [1e-300, 1e-18, 1e-9, 1e-6, 0.01, 0.5, 0.999] {
                let found = rho_within(epsilon, delta).unwrap();
                let back = epsilon_of(found, delta).unwrap();
                assert!(back <= epsilon * (1.0 + 1e-9), "{epsilon}, {delta}: {back}");
                let next = epsilon_of(rho(found.nano() + 1), delta).unwrap();
                assert!(next >= epsilon * (1.0 - 1e-9), "{epsilon}, {delta}: {next}");
            }
        }
        assert_eq!(epsilon_of(Rho::default(), 1e-6).unwrap(), 0.0);
        assert!(rho_within(1e-3, 1e-6).unwrap().nano() > 10);
    }

    #[test]
    fn what_is_no_privacy_parameter_is_refused() {
        for epsilon in [0.0, -1.0, 9e-4, 1.1e4, f64::NAN, f64::INFINITY] {
            assert!(matches!(rho_within(epsilon, 0.1), Err(NoiseError::BadEpsilon)));
        }
        for delta in [0.0, -0.0, 1.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(rho_within(1.0, delta), Err(NoiseError::BadDelta)));
            assert!(matches!(epsilon_of(rho(1), delta), Err(NoiseError::BadDelta)));
        }
    }
}

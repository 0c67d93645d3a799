//! Numbers as people give them, read once and rounded against the spender.

use ledger_adapter::cost::{Cost, Delta, Rho};

/// Reads the ε of a query or a budget.
///
/// # Errors
/// What is allowed, for people.
pub(crate) fn epsilon(text: &str) -> Result<f64, String> {
    check_epsilon(number(text)?)
}

/// Checks the ε of a query or a budget: from 0.001 to 10,000.
///
/// # Errors
/// What is allowed, for people.
pub(crate) fn check_epsilon(value: f64) -> Result<f64, String> {
    let rule = "epsilon must be a number from 0.001 to 10000";
    if (0.001..=10_000.0).contains(&value) { Ok(value) } else { Err(rule.to_owned()) }
}

/// Reads the δ of a query.
///
/// # Errors
/// What is allowed, for people.
pub(crate) fn delta(text: &str) -> Result<f64, String> {
    check_delta(number(text)?)
}

/// Checks the δ of a query or a budget: above 0 and at most 0.01, beyond which whole records may
/// be shown by chance.
///
/// # Errors
/// What is allowed, for people.
pub(crate) fn check_delta(value: f64) -> Result<f64, String> {
    let rule = "delta must be a number above 0 and at most 0.01";
    if value > 0.0 && value <= 0.01 { Ok(value) } else { Err(rule.to_owned()) }
}

/// Reads the ρ of a budget.
///
/// # Errors
/// What is allowed, for people.
pub(crate) fn rho(text: &str) -> Result<f64, String> {
    let value = number(text)?;
    let rule = "rho must be a number from 0.000000001 to 1000000000";
    if (1e-9..=1e9).contains(&value) { Ok(value) } else { Err(rule.to_owned()) }
}

/// Reads a size of memory: a whole number of bytes, or of KiB, MiB or GiB, at least 1 MiB.
///
/// # Errors
/// What is allowed, for people.
pub(crate) fn bytes(text: &str) -> Result<usize, String> {
    let rule = || "a size is like 512MiB or 2GiB, 1MiB at least".to_owned();
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match &text[digits.len()..] {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(rule()),
    };
    let count: usize = digits.parse().map_err(|_| rule())?;
    count.checked_mul(unit).filter(|bytes| *bytes >= 1 << 20).ok_or_else(rule)
}

/// Reads a confidence.
///
/// # Errors
/// What is allowed, for people.
pub(crate) fn confidence(text: &str) -> Result<f64, String> {
    check_confidence(number(text)?)
}

/// Checks a confidence: from 0.5 to 0.9999.
///
/// # Errors
/// What is allowed, for people.
pub(crate) fn check_confidence(value: f64) -> Result<f64, String> {
    let rule = "confidence must be a number from 0.5 to 0.9999, for instance 0.95";
    if (0.5..=0.9999).contains(&value) { Ok(value) } else { Err(rule.to_owned()) }
}

/// What an account holds that is opened for ρ and δ; both rounded down.
///
/// # Errors
/// What is allowed, for people.
pub(crate) fn cap_of_rho(rho: f64, delta: f64) -> Result<Cost, String> {
    let beyond = || "a budget must fit its integers".to_owned();
    let rho = Rho::from_nano(scaled(rho, 9).ok_or_else(beyond)?);
    Ok(Cost { rho, delta: Delta::from_atto(scaled(delta, 18).ok_or_else(beyond)?) })
}

/// What an account holds that is opened for ε and δ: half of δ pays for choosing keys, and half
/// for the conversion of ρ; both rounded down.
///
/// # Errors
/// What is allowed, for people.
pub(crate) fn cap_of_epsilon(epsilon: f64, delta: f64) -> Result<Cost, String> {
    let half = delta / 2.0;
    let rho = engine::noise::rho_within(epsilon, half).map_err(|error| error.to_string())?;
    let atto = scaled(delta, 18).ok_or_else(|| "delta must fit its integers".to_owned())?;
    Ok(Cost { rho, delta: Delta::from_atto(atto / 2) })
}

/// What (ρ, δ) of an account with this cap means to people: an ε, and the whole δ at which it
/// holds. The conversion takes as much of δ as the cap has for keys.
pub(crate) fn as_epsilon(rho: Rho, cap: Cost) -> Option<(f64, f64)> {
    let conversion = if cap.delta.atto() > 0 { cap.delta.as_f64() } else { CONVERSION_DELTA };
    let epsilon = engine::noise::epsilon_of(rho, conversion).ok()?;
    Some((epsilon, conversion + cap.delta.as_f64()))
}

/// A number of which only the size matters: three significant digits.
pub(crate) fn rough(value: f64) -> String {
    readable(format!("{value:.2e}").parse().unwrap_or(value))
}

/// A number with six significant digits, or all of its whole ones; scientific where it is tiny or
/// huge.
pub(crate) fn readable(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() || size == 0.0 {
        return if value == 0.0 { "0".to_owned() } else { value.to_string() };
    }
    if !(1e-4..1e15).contains(&size) {
        return trimmed_exponent(&format!("{value:.5e}"));
    }
    let decimals = (0..9_usize).find(|places| {
        // 100,000 in front of the point leaves none behind it; every tenth of it one more.
        size * POWERS[*places] >= 99_999.5
    });
    trimmed(&format!("{value:.*}", decimals.unwrap_or(9)))
}

/// `⌊value · 10^places⌋`, exactly, of the shortest decimal that stands for the float; `None` for
/// what is negative or does not fit.
pub(crate) fn scaled(value: f64, places: i32) -> Option<u64> {
    if !value.is_finite() || value < 0.0 {
        return None;
    }
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e')?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    let shift = exponent.parse::<i32>().ok()? + places - i32::try_from(fraction.len()).ok()?;
    let power = |by: u32| 10_u128.checked_pow(by);
    let scaled = match u32::try_from(shift) {
        Ok(up) => digits.checked_mul(power(up)?)?,
        Err(_) => power(shift.unsigned_abs()).map_or(0, |by| digits / by),
    };
    u64::try_from(scaled).ok()
}

fn number(text: &str) -> Result<f64, String> {
    text.trim().parse().map_err(|_| format!("{text:?} is no number"))
}

fn trimmed(text: &str) -> String {
    if !text.contains('.') {
        return text.to_owned();
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn trimmed_exponent(text: &str) -> String {
    match text.split_once('e') {
        Some((mantissa, exponent)) => format!("{}e{exponent}", trimmed(mantissa)),
        None => text.to_owned(),
    }
}

const POWERS: [f64; 9] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8];

/// For accounts without any δ of their own: a customary one.
const CONVERSION_DELTA: f64 = 1e-6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_rounded_down_from_the_decimal_that_was_meant() {
        for (value, places, expected) in [
            (0.3, 9, 300_000_000),
            (0.29, 9, 290_000_000),
            (1e-5, 18, 10_000_000_000_000),
            (1.0, 18, 1_000_000_000_000_000_000),
            (0.000_000_000_9, 9, 0),
            (0.000_000_001_9, 9, 1),
            (123.456, 2, 12_345),
            (5e-324, 18, 0),
            (0.0, 9, 0),
        ] {
            assert_eq!(scaled(value, places), Some(expected), "{value}");
        }
        for value in [-1.0, f64::NAN, f64::INFINITY, 1e300] {
            assert_eq!(scaled(value, 9), None, "{value}");
        }
    }

    #[test]
    fn bad_numbers_are_refused() {
        for text in ["0", "-1", "nan", "inf", "-inf", "0.0009", "10001", "1e400", "one", ""] {
            assert!(epsilon(text).is_err(), "{text}");
        }
        for text in ["0", "-0.1", "NaN", "0.011", "inf"] {
            assert!(delta(text).is_err(), "{text}");
        }
        for text in ["0", "-1", "nan", "inf", "1e-10", "1e10"] {
            assert!(rho(text).is_err(), "{text}");
        }
        for text in ["0", "1", "nan", "95"] {
            assert!(confidence(text).is_err(), "{text}");
        }
        assert_eq!(epsilon("0.001"), Ok(0.001));
        assert_eq!(epsilon("10000"), Ok(10_000.0));
        assert_eq!(delta("1e-6"), Ok(1e-6));
    }

    #[test]
    fn a_budget_never_promises_less_privacy_than_was_asked() {
        let cap = cap_of_epsilon(3.0, 1e-5).unwrap();
        assert_eq!(cap.delta.atto(), 5_000_000_000_000);
        let (epsilon, delta) = as_epsilon(cap.rho, cap).unwrap();
        assert!(epsilon <= 3.0 + 1e-9 && epsilon > 2.999, "{epsilon}");
        assert!((delta - 1e-5).abs() < 1e-17);
        let cap = cap_of_rho(0.5, 1e-6).unwrap();
        assert_eq!((cap.rho.nano(), cap.delta.atto()), (500_000_000, 1_000_000_000_000));
    }

    #[test]
    fn rough_numbers_have_three_digits() {
        assert_eq!([12_345.6, 0.001_234_5, 0.0].map(rough), ["12300", "0.00123", "0"]);
    }

    #[test]
    fn numbers_are_readable() {
        for (value, expected) in [
            (0.0, "0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (123_456_789.4, "123456789"),
            (1_234.567_89, "1234.57"),
            (0.012_345_678, "0.0123457"),
            (99_999.96, "100000"),
            (1e-7, "1e-7"),
            (4.999_999_9e-6, "5e-6"),
            (2.5e20, "2.5e20"),
            (0.1 + 0.2, "0.3"),
            (100.0, "100"),
        ] {
            assert_eq!(readable(value), expected);
        }
    }
}

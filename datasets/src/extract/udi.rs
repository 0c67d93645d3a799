//! Device identifiers cut down to what is about the model and the lot.
//!
//! # Source
//! GS1 General Specifications, section 3: application identifiers (01) model, (10) lot,
//! (21) serial number; in the bracketed form that the FDA prints in its UDI rule guidance.

/// Keeps `(01)` with its 14 digits and `(10)` with its lot, in that order; `None` if neither is
/// there in the form of the standard.
pub(super) fn model_and_lot(text: &str) -> Option<String> {
    let mut model = None;
    let mut lot = None;
    for element in text.split('(').skip(1) {
        match element.split_once(')') {
            Some(("01", value)) if is_model(value) => model = model.or(Some(value)),
            Some(("10", value)) if is_lot(value) => lot = lot.or(Some(value)),
            _ => {}
        }
    }
    let model = model.map(|value| format!("(01){value}")).unwrap_or_default();
    let lot = lot.map(|value| format!("(10){value}")).unwrap_or_default();
    let kept = model + &lot;
    (!kept.is_empty()).then_some(kept)
}

fn is_model(value: &str) -> bool {
    value.len() == 14 && value.bytes().all(|byte| byte.is_ascii_digit())
}

/// At most 20 characters; the standard allows more kinds of them than lots are given.
fn is_lot(value: &str) -> bool {
    (1..=20).contains(&value.len())
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./+".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_serial_number_and_the_days_go() {
        let udi = "(01)13465995954590(11)760704(17)010719(10)8477791433724820(21)488266988";
        assert_eq!(model_and_lot(udi).as_deref(), Some("(01)13465995954590(10)8477791433724820"));
    }

    #[test]
    fn what_is_not_in_the_form_of_the_standard_goes() {
        for text in ["488266988", "(21)488266988", "(01)1346", "(10)", "(10)a b", "(10", ""] {
            assert_eq!(model_and_lot(text), None, "{text}");
        }
        assert_eq!(model_and_lot("(10)L-7(21)9").as_deref(), Some("(10)L-7"));
    }
}

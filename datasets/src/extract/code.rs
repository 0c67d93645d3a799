//! Tells codes from text that may name somebody, by shape.
//!
//! It cannot know what a code stands for: which columns hold codes is the policy's to say.

/// Whether a text has the shape of a code: at most 32 letters, digits and `.-_:/+`, a digit among
/// them, and not the shape of a date, a telephone, social security or universally unique number.
pub(super) fn is_code(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:/+".contains(&byte))
        && text.bytes().any(|byte| byte.is_ascii_digit())
        && !NAMING.iter().any(|shape| has_shape(text, shape))
}

/// Whether a text is digits in groups of the given lengths, with one character between them.
fn has_shape(text: &str, groups: &[usize]) -> bool {
    let parts: Vec<&str> = text.split(|c: char| !c.is_ascii_digit()).collect();
    parts.len() == groups.len() && parts.iter().zip(groups).all(|(part, size)| part.len() == *size)
}

/// Social security number, telephone numbers, and dates in three orders. A universally unique
/// number is longer than any code.
const NAMING: &[&[usize]] = &[&[3, 2, 4], &[3, 3, 4], &[1, 3, 3, 4], &[4, 2, 2], &[2, 2, 4]];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_pass() {
        for code in ["44054006", "E11.9", "8302-2", "0002-8215-01", "ICD10:E11", "L1", "0"] {
            assert!(is_code(code), "{code}");
        }
    }

    #[test]
    fn text_dates_and_naming_numbers_do_not() {
        for text in [
            "",
            "Smith",
            "Acute viral pharyngitis (disorder)",
            "999-17-5017",
            "508-222-5200",
            "1-877-267-2323",
            "2014-10-06",
            "06.10.2014",
            "3edac2e3-d223-6fae-d515-daf96ef6bc76",
            "a7@b.org",
        ] {
            assert!(!is_code(text), "{text}");
        }
    }
}

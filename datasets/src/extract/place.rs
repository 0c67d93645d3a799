//! Places made coarser: postal codes cut, states written one way.

use std::borrow::Cow;

use crate::extract::cell::Cell;
use crate::policy::document::ZipDetail;

/// A United States postal code cut to what may stay; `None` if it is no such code.
///
/// Numbers and digits that lost their leading zeros get them back: `2155` is `02155`.
pub(super) fn zip(cell: Cell<'_>, detail: ZipDetail, small_zip3: &[String]) -> Option<String> {
    let whole = digits(cell)?;
    match detail {
        ZipDetail::Zip5 => whole.get(..5).map(str::to_owned),
        ZipDetail::Zip3 => {
            let area = whole.get(..3)?;
            let small = small_zip3.iter().any(|small| small == area);
            Some(if small { "000".to_owned() } else { area.to_owned() })
        }
        ZipDetail::Drop => None,
    }
}

/// The two-letter code of a state given by code or name, in any case; the text itself otherwise.
pub(super) fn state(text: &str) -> Cow<'_, str> {
    let named = STATES.iter().find(|(_, name)| name.eq_ignore_ascii_case(text));
    match named {
        Some((code, _)) => Cow::Borrowed(code),
        None if text.len() == 2 => Cow::Owned(text.to_ascii_uppercase()),
        None => Cow::Borrowed(text),
    }
}

/// The digits of a postal code: three, five or more.
fn digits(cell: Cell<'_>) -> Option<String> {
    let (digits, number) = match cell {
        Cell::Integer(value) => (value.to_string(), true),
        Cell::Float(_) => match cell.integer() {
            crate::extract::cell::Lenient::Value(value) => (value.to_string(), true),
            _ => return None,
        },
        Cell::Text(text) => {
            let first = text.split_once(['-', ' ']).map_or(text, |(first, _)| first);
            let whole = first.strip_suffix(".0");
            (whole.unwrap_or(first).to_owned(), whole.is_some())
        }
        _ => return None,
    };
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match digits.len() {
        3 if number => Some(format!("00{digits}")),
        4 => Some(format!("0{digits}")),
        7 | 8 => Some(format!("{digits:0>9}")),
        3 | 5 | 9 => Some(digits),
        _ => None,
    }
}

/// States, the District of Columbia and the territories, by postal code.
const STATES: &[(&str, &str)] = &[
    ("AK", "Alaska"),
    ("AL", "Alabama"),
    ("AR", "Arkansas"),
    ("AS", "American Samoa"),
    ("AZ", "Arizona"),
    ("CA", "California"),
    ("CO", "Colorado"),
    ("CT", "Connecticut"),
    ("DC", "District of Columbia"),
    ("DE", "Delaware"),
    ("FL", "Florida"),
    ("GA", "Georgia"),
    ("GU", "Guam"),
    ("HI", "Hawaii"),
    ("IA", "Iowa"),
    ("ID", "Idaho"),
    ("IL", "Illinois"),
    ("IN", "Indiana"),
    ("KS", "Kansas"),
    ("KY", "Kentucky"),
    ("LA", "Louisiana"),
    ("MA", "Massachusetts"),
    ("MD", "Maryland"),
    ("ME", "Maine"),
    ("MI", "Michigan"),
    ("MN", "Minnesota"),
    ("MO", "Missouri"),
    ("MP", "Northern Mariana Islands"),
    ("MS", "Mississippi"),
    ("MT", "Montana"),
    ("NC", "North Carolina"),
    ("ND", "North Dakota"),
    ("NE", "Nebraska"),
    ("NH", "New Hampshire"),
    ("NJ", "New Jersey"),
    ("NM", "New Mexico"),
    ("NV", "Nevada"),
    ("NY", "New York"),
    ("OH", "Ohio"),
    ("OK", "Oklahoma"),
    ("OR", "Oregon"),
    ("PA", "Pennsylvania"),
    ("PR", "Puerto Rico"),
    ("RI", "Rhode Island"),
    ("SC", "South Carolina"),
    ("SD", "South Dakota"),
    ("TN", "Tennessee"),
    ("TX", "Texas"),
    ("UT", "Utah"),
    ("VA", "Virginia"),
    ("VI", "Virgin Islands"),
    ("VT", "Vermont"),
    ("WA", "Washington"),
    ("WI", "Wisconsin"),
    ("WV", "West Virginia"),
    ("WY", "Wyoming"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn postal_codes_are_cut_and_small_areas_hidden() {
        let small = ["036".to_owned()];
        let cut = |cell| zip(cell, ZipDetail::Zip3, &small);
        assert_eq!(cut(Cell::Text("02155")).as_deref(), Some("021"));
        assert_eq!(cut(Cell::Text("02155-1234")).as_deref(), Some("021"));
        assert_eq!(cut(Cell::Text("021551234")).as_deref(), Some("021"));
        assert_eq!(cut(Cell::Text("2155")).as_deref(), Some("021"));
        assert_eq!(cut(Cell::Integer(2_155)).as_deref(), Some("021"));
        assert_eq!(cut(Cell::Float(2_155.0)).as_deref(), Some("021"));
        assert_eq!(cut(Cell::Text("021")).as_deref(), Some("021"));
        assert_eq!(cut(Cell::Integer(601)).as_deref(), Some("006"));
        assert_eq!(cut(Cell::Text("03601")).as_deref(), Some("000"));
        assert_eq!(cut(Cell::Text("SW1A 1AA")), None);
        assert_eq!(zip(Cell::Integer(2_155), ZipDetail::Zip5, &[]).as_deref(), Some("02155"));
    }

    #[test]
    fn states_are_written_one_way() {
        assert_eq!(state("Massachusetts"), "MA");
        assert_eq!(state("ma"), "MA");
        assert_eq!(state("Bavaria"), "Bavaria");
    }
}

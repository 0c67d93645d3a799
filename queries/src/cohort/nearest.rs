//! The name that someone may have meant.

/// The candidate with the fewest letters to change, if those are few.
pub(super) fn nearest<'a>(name: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let most = name.chars().count().div_ceil(3).max(2);
    let near = candidates.iter().map(|candidate| (distance(name, candidate), *candidate));
    near.filter(|(distance, _)| *distance <= most).min_by_key(|near| near.0).map(|near| near.1)
}

/// Letters to add, drop or change, and neighbours to swap, whatever their case.
///
/// # Source
/// The optimal string alignment distance (Boytsov 2011, section 2.2).
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.to_lowercase().chars().collect();
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = changed.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn letters_are_added_dropped_changed_and_swapped() {
        let cases = [("", "ab", 2), ("table", "tabel", 1), ("Table", "cable", 1), ("a", "a", 0)];
        for (a, b, letters) in cases {
            assert_eq!((distance(a, b), distance(b, a)), (letters, letters), "{a} {b}");
        }
    }

    #[test]
    fn a_name_that_is_like_none_has_no_nearest() {
        let names = ["concepts", "table", "window"];
        assert_eq!(nearest("concept", &names), Some("concepts"));
        assert_eq!(nearest("tabel", &names), Some("table"));
        assert_eq!(nearest("colour", &names), None);
    }
}

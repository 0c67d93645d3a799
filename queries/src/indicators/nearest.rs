//! What somebody may have meant who wrote something else.

/// The allowed word that is closest to the one written, if any is close.
pub(super) fn nearest<'a>(
    written: &str,
    allowed: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let closest = allowed.into_iter().map(|word| (distance(written, word), word)).min()?;
    // Two words that differ in most of their letters have nothing to do with each other.
    (closest.0 * 2 <= written.chars().count().max(2)).then_some(closest.1)
}

/// Fewest letters to be put in, taken out or changed to make one word of the other.
///
/// # Source
/// Wagner and Fischer, J ACM 1974;21:168.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (done, letter) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = done + 1;
        for (at, other) in to.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = row[at + 1];
            row[at + 1] = changed.min(row[at] + 1).min(row[at + 1] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn distances_are_those_of_the_textbook() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("größe", "grösse"), 2);
    }

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        assert_eq!(nearest("titel", ["id", "title", "unit"]), Some("title"));
        assert_eq!(nearest("colour", ["id", "title"]), None);
        assert_eq!(nearest("x", []), None);
    }
}

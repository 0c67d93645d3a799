//! Files that people write: where in them something is wrong, and what they may have meant.

use std::ops::Range;
use std::path::{Path, PathBuf};

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// It says what makes no sense.
    #[error("{file}:{line}:{column}: {reason}")]
    Malformed {
        /// The file, as it was named.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong, with the value that is, and what would be allowed.
        reason: String,
    },
    /// It cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Where something is wrong, in bytes of the file, and what.
pub(crate) type Fault = (usize, String);

/// The text that is read, for places in messages.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) file: &'a str,
    pub(crate) text: &'a str,
}

impl Source<'_> {
    /// The text between two places.
    pub(crate) fn at(&self, span: Range<usize>) -> &str {
        self.text.get(span).unwrap_or_default()
    }

    pub(crate) fn malformed(&self, (at, reason): Fault) -> FileError {
        let before = self.text.get(..at).unwrap_or_default();
        let line = before.rsplit('\n').next().unwrap_or_default();
        FileError::Malformed {
            file: self.file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: line.chars().count() + 1,
            reason,
        }
    }

    /// What the parser of TOML says, with the word that may have been meant: it names the wrong one
    /// and then those allowed, each between grave accents.
    pub(crate) fn syntax(&self, error: &toml::de::Error) -> FileError {
        let mut reason = error.message().trim().replace('\n', ", ");
        let words: Vec<&str> = error.message().split('`').skip(1).step_by(2).collect();
        if let [wrong, allowed @ ..] = words.as_slice()
            && let Some(meant) = nearest(wrong, allowed.iter().copied())
        {
            reason.push_str(&format!("; did you mean `{meant}`?"));
        }
        self.malformed((error.span().map_or(0, |span| span.start), reason))
    }
}

/// Reads a file as text.
///
/// # Errors
/// [`FileError::Unreadable`].
pub(crate) fn read(path: &Path) -> Result<String, FileError> {
    let unreadable = |source| FileError::Unreadable { path: path.to_owned(), source };
    std::fs::read_to_string(path).map_err(unreadable)
}

/// The allowed word that is closest to the one written, if any is close.
pub(crate) fn nearest<'a>(
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

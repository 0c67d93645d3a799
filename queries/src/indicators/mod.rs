//! Indicators as data: a question in SQL, with all that it takes to read its answer.
//!
//! ```text
//!         Catalogue             statement       engine            method
//!  file ────────▶ Indicator ────────▶ SQL ───────▶ columns ───────▶ figure
//! ```
//! An indicator is one file, and nobody needs Rust to write one: the built-in ones are in
//! `queries/indicators`, one's own in any directory. A file that cannot be right is refused when it
//! is read, with its line and what would be allowed there. Nothing here asks, charges or computes.
//!
//! | key | what it says |
//! | --- | --- |
//! | `id`, `version` | its name, which is that of its file; a semantic version |
//! | `title`, `question`, `field`, `source` | what it is about, and where its definition is from |
//! | `population`, `numerator`, `denominator` | who and what is counted, in words |
//! | `method` | what is made of the columns: a name of [`method::Method`] |
//! | `strata` | the columns that part the result, in order |
//! | `epsilon`, `dates` | the default charge; how much of dates the extracts must have kept |
//! | `sql` | one SELECT, with places: `${year}`, `IN (${concepts.diabetes})` |
//! | `[bounds]` | what one person can contribute |
//! | `[concepts.NAME]` | `ids`, and whether their `descendants` count |
//! | `[parameters]` | integers and dates with a `default`, from `least` to `most` |
//! | `[columns]` | the `role` of every column of the result, and what its `values` are called |
//! | `[figure]` | kind, unit, and what the result is multiplied by to be in that unit |

pub mod catalogue;
mod checked;
mod document;
pub mod error;
mod files;
pub mod indicator;
pub mod method;
pub mod parameter;
mod template;
#[cfg(test)]
mod tests;

//! The dialects in which queries are written, and how each is cut into words.

use datafusion::sql::sqlparser::dialect::{self, GenericDialect};
use datafusion::sql::sqlparser::tokenizer::{TokenWithSpan, Tokenizer};

use crate::error::{Code, Rejection};
use crate::sql::dates::WeekStart;
use crate::sql::ohdsi;
use crate::sql::text::{Place, refused};

/// How the text of a query is read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Dialect {
    /// The SQL of the engine.
    #[default]
    DataFusion,
    /// Transact-SQL as queries over OMOP tables are published in: `@cdm.person`, TOP, DATEDIFF.
    Ohdsi,
}

impl Dialect {
    /// The rules of the parser.
    pub(crate) fn rules(self) -> &'static dyn dialect::Dialect {
        match self {
            Self::DataFusion => &GenericDialect {},
            Self::Ohdsi => &TransactSql {},
        }
    }

    /// Cuts a text into words, which keep their places.
    ///
    /// # Errors
    /// `R-SYNTAX` if a quote or comment does not end, or if a parameter has no value.
    pub(crate) fn tokens(self, text: &str) -> Result<Vec<TokenWithSpan>, Rejection> {
        let tokens = Tokenizer::new(self.rules(), text).tokenize_with_location();
        let tokens = tokens.map_err(|error| {
            let start = error.location;
            let place = Place { line: start.line, column: start.column };
            refused(Code::Syntax, Some(place), error.message.to_ascii_lowercase())
        })?;
        match self {
            Self::DataFusion => Ok(tokens),
            Self::Ohdsi => ohdsi::plain(tokens),
        }
    }

    /// The day that DATEDIFF lets weeks begin with.
    pub(crate) const fn week(self) -> WeekStart {
        match self {
            Self::DataFusion => WeekStart::Monday,
            Self::Ohdsi => WeekStart::Sunday,
        }
    }
}

/// Transact-SQL, with the named arguments and filters of aggregates that it does not have itself.
#[derive(Debug)]
struct TransactSql {}

impl dialect::Dialect for TransactSql {
    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        ch == '"' || ch == '['
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_alphabetic() || matches!(ch, '_' | '#' | '@')
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        ch.is_alphanumeric() || matches!(ch, '_' | '#' | '@' | '$')
    }

    fn convert_type_before_value(&self) -> bool {
        true
    }

    fn supports_eq_alias_assignment(&self) -> bool {
        true
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }

    fn supports_group_by_expr(&self) -> bool {
        true
    }

    fn supports_nested_comments(&self) -> bool {
        true
    }

    fn supports_parens_around_table_factor(&self) -> bool {
        true
    }

    fn supports_try_convert(&self) -> bool {
        true
    }
}

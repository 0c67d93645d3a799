//! The privacy clause of GoogleSQL, `SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = 1, …)`:
//! taken out of the words of a statement before it is parsed. It decides nothing.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use crate::error::{Code, Rejection};
use crate::sql::text::{place_at, refused};

/// What a statement asks of its privacy; `None` where it does not say.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Options {
    /// Privacy loss, from 0.001 to 10,000.
    pub(crate) epsilon: Option<f64>,
    /// Failure probability, above 0 and at most 0.01.
    pub(crate) delta: Option<f64>,
    /// Most groups that one person counts in; at least 1.
    pub(crate) groups_per_person: Option<u32>,
    /// Most rows of one person that count; at least 1.
    pub(crate) rows_per_person: Option<u32>,
    /// The column of the privacy unit, as it is written, with its qualifier.
    pub(crate) unit: Option<String>,
    /// How the groups that are shown are chosen.
    pub(crate) selection: Option<GroupSelection>,
    /// Fewest persons of a group that is shown; at least 1.
    pub(crate) persons_min: Option<u32>,
}

/// How the groups that are shown are chosen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum GroupSelection {
    /// Those whose noisy number of persons is above a threshold.
    LaplaceThreshold,
    /// All of those that are declared.
    PublicGroups,
}

/// Takes the privacy clauses out of a statement. The other tokens keep their places.
///
/// # Errors
/// `R-SYNTAX` if a clause is not well formed, or if two clauses differ; `R-EPSILON` if a number
/// is out of range.
pub(crate) fn take(tokens: &mut Vec<TokenWithSpan>) -> Result<Options, Rejection> {
    let solid: Vec<usize> =
        (0..tokens.len()).filter(|i| !matches!(tokens[*i].token, Token::Whitespace(_))).collect();
    let mut removed = vec![false; tokens.len()];
    let mut found: Option<Options> = None;
    let mut at = 0;
    while at < solid.len() {
        let mut reader = Reader { tokens, solid: &solid, at };
        if !reader.starts_clause() {
            at += 1;
            continue;
        }
        let first = &tokens[solid[at + 1]];
        let options = reader.options()?;
        for position in &solid[at + 1..reader.at] {
            removed[*position] = true;
        }
        at = reader.at;
        if found.as_ref().is_some_and(|found| *found != options) {
            let place = place_at(first.span.start);
            return Err(refused(Code::Syntax, place, "the statement has two privacy clauses")
                .hint(
                    "a statement has one charge; write the clause once, after its first SELECT",
                ));
        }
        found = Some(options);
    }
    let mut removed = removed.into_iter();
    tokens.retain(|_| !removed.next().unwrap_or(false));
    Ok(found.unwrap_or_default())
}

/// Reads the tokens of a statement that are not space.
struct Reader<'a> {
    tokens: &'a [TokenWithSpan],
    solid: &'a [usize],
    at: usize,
}

/// What stands after the = of an option.
enum Value {
    Null,
    Number(String),
    Name(String),
}

impl<'a> Reader<'a> {
    /// Steps over `SELECT WITH DIFFERENTIAL_PRIVACY`, if that is what comes.
    fn starts_clause(&mut self) -> bool {
        let is_clause = self.word(0).is_some_and(|word| word.keyword == Keyword::SELECT)
            && self.word(1).is_some_and(|word| word.keyword == Keyword::WITH)
            && self.word(2).is_some_and(|word| word.value.eq_ignore_ascii_case(CLAUSE));
        if is_clause {
            self.at += 3;
        }
        is_clause
    }

    /// Reads `OPTIONS(…)`, which may be left out.
    fn options(&mut self) -> Result<Options, Rejection> {
        let mut options = Options::default();
        let mut seen: Vec<String> = Vec::new();
        if self.word(0).is_none_or(|word| word.keyword != Keyword::OPTIONS) {
            return Ok(options);
        }
        self.at += 1;
        self.expect(&Token::LParen)?;
        while !self.skip(&Token::RParen) {
            if !seen.is_empty() {
                self.expect(&Token::Comma)?;
            }
            let start = self.at;
            let Some(name) = self.word(0).map(|word| word.value.to_ascii_lowercase()) else {
                return Err(self.unexpected("the name of an option"));
            };
            self.at += 1;
            self.expect(&Token::Eq)?;
            let value = self.value()?;
            if seen.contains(&name) {
                return Err(self.refuse(start, Code::Syntax, &format!("{name} is given twice")));
            }
            if let Err((code, reason)) = set(&mut options, &name, value) {
                return Err(self.refuse(start, code, &reason));
            }
            seen.push(name);
        }
        Ok(options)
    }

    fn value(&mut self) -> Result<Value, Rejection> {
        let sign = if self.skip(&Token::Minus) { "-" } else { "" };
        match self.peek(0).map(|token| &token.token) {
            Some(Token::Number(digits, _)) => {
                self.at += 1;
                Ok(Value::Number(format!("{sign}{digits}")))
            }
            Some(Token::SingleQuotedString(text)) if sign.is_empty() => {
                self.at += 1;
                Ok(Value::Name(text.clone()))
            }
            Some(Token::Word(word)) if sign.is_empty() => {
                self.at += 1;
                if word.keyword == Keyword::NULL {
                    return Ok(Value::Null);
                }
                let mut name = word.value.clone();
                while self.skip(&Token::Period) {
                    let Some(part) = self.word(0) else { return Err(self.unexpected("a name")) };
                    name = format!("{name}.{}", part.value);
                    self.at += 1;
                }
                Ok(Value::Name(name))
            }
            _ => Err(self.unexpected("a number, a name or NULL")),
        }
    }

    fn peek(&self, ahead: usize) -> Option<&'a TokenWithSpan> {
        self.solid.get(self.at + ahead).map(|position| &self.tokens[*position])
    }

    fn word(&self, ahead: usize) -> Option<&'a Word> {
        match self.peek(ahead).map(|token| &token.token) {
            Some(Token::Word(word)) => Some(word),
            _ => None,
        }
    }

    fn skip(&mut self, token: &Token) -> bool {
        let is_next = self.peek(0).is_some_and(|next| next.token == *token);
        self.at += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, token: &Token) -> Result<(), Rejection> {
        if self.skip(token) { Ok(()) } else { Err(self.unexpected(&token.to_string())) }
    }

    fn unexpected(&self, expected: &str) -> Rejection {
        let found =
            self.peek(0).map_or_else(|| "the end".to_owned(), |next| next.token.to_string());
        // At the end, the place of the last token is the nearest.
        let at = self.at.min(self.solid.len().saturating_sub(1));
        self.refuse(at, Code::Syntax, &format!("expected {expected}, found {found}"))
    }

    fn refuse(&self, at: usize, code: Code, reason: &str) -> Rejection {
        let place = self.solid.get(at).and_then(|i| place_at(self.tokens[*i].span.start));
        refused(code, place, reason).hint(HINT)
    }
}

fn set(options: &mut Options, name: &str, value: Value) -> Result<(), (Code, String)> {
    match name {
        "epsilon" => options.epsilon = real(name, value, |e| (0.001..=10_000.0).contains(&e))?,
        "delta" => options.delta = real(name, value, |d| d > 0.0 && d <= 0.01)?,
        "max_groups_contributed" => options.groups_per_person = count(name, value)?,
        "max_rows_contributed" => options.rows_per_person = count(name, value)?,
        "min_privacy_units_per_group" => options.persons_min = count(name, value)?,
        "privacy_unit_column" => options.unit = text(name, value)?,
        "group_selection_strategy" => {
            let strategy = text(name, value)?.map(|strategy| strategy.to_ascii_uppercase());
            options.selection = match strategy.as_deref() {
                None => None,
                Some("LAPLACE_THRESHOLD") => Some(GroupSelection::LaplaceThreshold),
                Some("PUBLIC_GROUPS") => Some(GroupSelection::PublicGroups),
                Some(other) => {
                    return Err((Code::Syntax, format!("no strategy is called {other}")));
                }
            };
        }
        _ => return Err((Code::Syntax, format!("no option is called {name}"))),
    }
    Ok(())
}

fn real(
    name: &str,
    value: Value,
    is_within: impl FnOnce(f64) -> bool,
) -> Result<Option<f64>, (Code, String)> {
    let digits = match value {
        Value::Null => return Ok(None),
        Value::Number(digits) => digits,
        Value::Name(_) => return Err((Code::Syntax, format!("{name} is not a number"))),
    };
    let number: f64 =
        digits.parse().map_err(|_| (Code::Syntax, format!("{name} is not a number")))?;
    if is_within(number) {
        return Ok(Some(number));
    }
    Err((Code::Epsilon, format!("{name} = {digits} is out of range")))
}

fn count(name: &str, value: Value) -> Result<Option<u32>, (Code, String)> {
    let digits = match value {
        Value::Null => return Ok(None),
        Value::Number(digits) => digits,
        Value::Name(_) => return Err((Code::Syntax, format!("{name} is not a number"))),
    };
    let number: i128 =
        digits.parse().map_err(|_| (Code::Syntax, format!("{name} is not a whole number")))?;
    match u32::try_from(number) {
        Ok(number) if number > 0 => Ok(Some(number)),
        _ => Err((Code::Epsilon, format!("{name} = {digits} is out of range"))),
    }
}

fn text(name: &str, value: Value) -> Result<Option<String>, (Code, String)> {
    match value {
        Value::Null => Ok(None),
        Value::Name(text) => Ok(Some(text)),
        Value::Number(_) => Err((Code::Syntax, format!("{name} is not a name"))),
    }
}

const CLAUSE: &str = "DIFFERENTIAL_PRIVACY";
const HINT: &str = "the options are epsilon (0.001 to 10000), delta (above 0, at most 0.01), \
    max_groups_contributed, max_rows_contributed, min_privacy_units_per_group (from 1), \
    privacy_unit_column, group_selection_strategy (LAPLACE_THRESHOLD or PUBLIC_GROUPS)";

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::GenericDialect;
    use datafusion::sql::sqlparser::tokenizer::Tokenizer;

    use super::*;
    use crate::sql::text::Place;

    fn taken(text: &str) -> Result<(Options, String), Rejection> {
        let tokenizer = Tokenizer::new(&GenericDialect {}, text).tokenize_with_location();
        let mut tokens = tokenizer.unwrap();
        let options = take(&mut tokens)?;
        let rest = tokens.iter().map(|token| token.token.to_string()).collect::<String>();
        Ok((options, rest.split_whitespace().collect::<Vec<_>>().join(" ")))
    }

    fn with(options: &str) -> Result<Options, Rejection> {
        let text = format!("SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS({options}) 1");
        taken(&text).map(|(options, _)| options)
    }

    #[test]
    fn all_options_are_read() {
        let options = with(
            "epsilon = 1, delta = 1e-6, max_groups_contributed = 3, max_rows_contributed = 10, \
             privacy_unit_column = p.person_id, group_selection_strategy = PUBLIC_GROUPS, \
             min_privacy_units_per_group = 11",
        );
        let expected = Options {
            epsilon: Some(1.0),
            delta: Some(1e-6),
            groups_per_person: Some(3),
            rows_per_person: Some(10),
            unit: Some("p.person_id".to_owned()),
            selection: Some(GroupSelection::PublicGroups),
            persons_min: Some(11),
        };
        assert_eq!(options, Ok(expected));
    }

    #[test]
    fn null_is_as_if_not_given() {
        let options = with("epsilon = NULL, max_groups_contributed = null, delta = 0.001");
        assert_eq!(options, Ok(Options { delta: Some(0.001), ..Options::default() }));
        assert_eq!(with(""), Ok(Options::default()));
    }

    #[test]
    fn the_clause_is_taken_out_and_the_rest_stays() {
        let text = "select with differential_privacy options(epsilon=2) COUNT(*) FROM person";
        let (options, rest) = taken(text).unwrap();
        assert_eq!(options.epsilon, Some(2.0));
        assert_eq!(rest, "select COUNT(*) FROM person");
        let (options, rest) = taken("SELECT WITH DIFFERENTIAL_PRIVACY a FROM t").unwrap();
        assert_eq!((options, rest.as_str()), (Options::default(), "SELECT a FROM t"));
    }

    #[test]
    fn clauses_of_one_statement_agree() {
        let nested = |inner| {
            taken(&format!(
                "SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = 1) n FROM\n\
                 (SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = {inner}) COUNT(*) n FROM t)"
            ))
        };
        assert_eq!(nested("1.0").unwrap().0.epsilon, Some(1.0));
        let refused = nested("2").unwrap_err();
        assert_eq!(refused.code, Code::Syntax);
        assert_eq!(refused.place, Some(Place { line: 2, column: 9 }));
    }

    #[test]
    fn faults_have_a_code_and_a_place() {
        let place = |column| Some(Place { line: 1, column });
        for (options, code, column) in [
            ("epsilom = 1", Code::Syntax, 42),
            ("epsilon = 1, epsilon = 1", Code::Syntax, 55),
            ("epsilon = one", Code::Syntax, 42),
            ("epsilon 1", Code::Syntax, 50),
            ("epsilon = 1 delta = 1e-6", Code::Syntax, 54),
            ("epsilon = 0", Code::Epsilon, 42),
            ("epsilon = -1", Code::Epsilon, 42),
            ("epsilon = 1e300", Code::Epsilon, 42),
            ("delta = 0.5", Code::Epsilon, 42),
            ("max_rows_contributed = 0", Code::Epsilon, 42),
            ("max_rows_contributed = 5000000000", Code::Epsilon, 42),
            ("max_rows_contributed = 1.5", Code::Syntax, 42),
            ("privacy_unit_column = 5", Code::Syntax, 42),
            ("group_selection_strategy = BEST", Code::Syntax, 42),
        ] {
            let refused = with(options).unwrap_err();
            assert_eq!((refused.code, refused.place), (code, place(column)), "{options}");
            assert!(refused.hint.unwrap().contains("max_groups_contributed"), "{options}");
        }
    }
}

//! Text of an expression to its words and signs.
//!
//! # Source
//! FHIRPath 2.0.0, section 4.1 (literals), section 12 (lexical elements) and appendix B (grammar).

use super::decimal::Decimal;
use super::error::{PathError, PathFault};
use super::syntax::Literal;
use super::temporal::Temporal;

/// A word or a sign, with its place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    /// Bytes before it.
    pub(super) at: usize,
    /// What it is.
    pub(super) kind: TokenKind,
}

/// What a word or sign is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum TokenKind {
    /// A name or keyword.
    Word(String),
    /// A name between backticks: never a keyword.
    Name(String),
    /// A value.
    Literal(Literal),
    /// `%name`, `%'name'` or a name between backticks.
    Constant(String),
    /// `$this` or `$index`.
    Variable(String),
    /// A sign.
    Sign(&'static str),
    /// The end of the expression.
    End,
}

/// Splits an expression into words and signs; the last is its end.
///
/// # Errors
/// [`PathFault::Syntax`], [`PathFault::Overflow`], [`PathFault::TooLarge`].
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, PathError> {
    if text.len() > BYTES_MAX {
        return Err(PathFault::TooLarge("16384 bytes").at(BYTES_MAX));
    }
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_space()?;
        let at = lexer.at;
        let kind = lexer.next()?;
        let is_end = kind == TokenKind::End;
        tokens.push(Token { at, kind });
        if is_end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn fault(&self, what: &'static str) -> PathError {
        PathFault::Syntax(what).at(self.at)
    }

    fn take_while(&mut self, admits: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|letter| !admits(letter)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    /// Passes over white space and comments.
    fn skip_space(&mut self) -> Result<(), PathError> {
        loop {
            self.take_while(|letter| matches!(letter, ' ' | '\t' | '\r' | '\n'));
            if self.rest().starts_with("//") {
                self.take_while(|letter| letter != '\n');
            } else if self.rest().starts_with("/*") {
                let end = self.rest().find("*/");
                self.at += end.ok_or_else(|| self.fault("a comment does not end"))? + 2;
            } else {
                return Ok(());
            }
        }
    }

    fn next(&mut self) -> Result<TokenKind, PathError> {
        let Some(letter) = self.peek() else { return Ok(TokenKind::End) };
        match letter {
            'a'..='z' | 'A'..='Z' | '_' => Ok(TokenKind::Word(self.word().to_owned())),
            '`' => Ok(TokenKind::Name(self.quoted('`')?)),
            '\'' => Ok(TokenKind::Literal(Literal::Text(self.quoted('\'')?))),
            '0'..='9' => self.number(),
            '@' => self.temporal(),
            '%' => self.constant(),
            '$' => {
                self.at += 1;
                Ok(TokenKind::Variable(self.word().to_owned()))
            }
            _ => {
                let sign = SIGNS.iter().find(|sign| self.rest().starts_with(**sign));
                let sign = sign.ok_or_else(|| self.fault("a sign that has no meaning here"))?;
                self.at += sign.len();
                Ok(TokenKind::Sign(sign))
            }
        }
    }

    fn word(&mut self) -> &'t str {
        self.take_while(|letter| letter.is_ascii_alphanumeric() || letter == '_')
    }

    fn constant(&mut self) -> Result<TokenKind, PathError> {
        self.at += 1;
        let name = match self.peek() {
            Some(mark @ ('`' | '\'')) => self.quoted(mark)?,
            _ => self.word().to_owned(),
        };
        if name.is_empty() {
            return Err(self.fault("a constant without a name"));
        }
        Ok(TokenKind::Constant(name))
    }

    /// What is between two marks, with its escapes resolved.
    fn quoted(&mut self, mark: char) -> Result<String, PathError> {
        let opening = self.at;
        self.at += 1;
        let mut found = String::new();
        loop {
            found.push_str(self.take_while(|letter| letter != mark && letter != '\\'));
            let Some(letter) = self.peek() else {
                return Err(PathFault::Syntax("a text does not end").at(opening));
            };
            self.at += 1;
            if letter == mark {
                return Ok(found);
            }
            found.push(self.escape()?);
        }
    }

    /// The letter that is meant after a backslash.
    fn escape(&mut self) -> Result<char, PathError> {
        let letter = self.peek().ok_or_else(|| self.fault("a text does not end"))?;
        let meant = match letter {
            'r' => '\r',
            'n' => '\n',
            't' => '\t',
            'f' => '\u{c}',
            '\'' | '"' | '`' | '\\' | '/' => letter,
            'u' => {
                let digits = self.rest().get(1..5).unwrap_or_default();
                let is_hex = digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_hexdigit());
                let code = is_hex.then(|| u32::from_str_radix(digits, 16).ok()).flatten();
                let meant = code.and_then(char::from_u32);
                let meant = meant.ok_or_else(|| self.fault("no such letter"))?;
                self.at += 4;
                meant
            }
            _ => return Err(self.fault("no such escape")),
        };
        self.at += letter.len_utf8();
        Ok(meant)
    }

    fn number(&mut self) -> Result<TokenKind, PathError> {
        let start = self.at;
        self.take_while(|letter| letter.is_ascii_digit());
        let after = |at: usize| self.rest().as_bytes().get(at).copied();
        let is_decimal = after(0) == Some(b'.') && after(1).is_some_and(|b| b.is_ascii_digit());
        if is_decimal {
            self.at += 1;
            self.take_while(|letter| letter.is_ascii_digit());
        }
        let digits = self.text.get(start..self.at).unwrap_or_default();
        let literal = if is_decimal {
            Decimal::parse(digits).map(Literal::Decimal)
        } else {
            digits.parse().ok().map(Literal::Integer)
        };
        Ok(TokenKind::Literal(literal.ok_or(PathFault::Overflow.at(start))?))
    }

    fn temporal(&mut self) -> Result<TokenKind, PathError> {
        let start = self.at;
        self.at += 1;
        let letters = |letter: char| letter.is_ascii_digit() || "-:TZ+.".contains(letter);
        let mut text = self.take_while(letters);
        // A point that no digit follows is the next step of the path.
        if let Some(shorter) = text.strip_suffix('.') {
            text = shorter;
            self.at -= 1;
        }
        let no_date = PathFault::Syntax("no date or time follows the @");
        let parsed = Temporal::parse(text).ok_or(no_date.at(start))?;
        let literal = match text.strip_prefix('T') {
            Some(time) => Literal::Temporal(time.to_owned(), "Time"),
            None if parsed.is_date() && !text.ends_with('T') => {
                Literal::Temporal(text.to_owned(), "Date")
            }
            None => Literal::Temporal(text.trim_end_matches('T').to_owned(), "DateTime"),
        };
        Ok(TokenKind::Literal(literal))
    }
}

/// No expression of a view is nearly as long.
const BYTES_MAX: usize = 16_384;

/// Signs; of two that begin alike, the longer first.
const SIGNS: &[&str] = &[
    "!=", "!~", "<=", ">=", ".", ",", "(", ")", "[", "]", "{", "}", "+", "-", "*", "/", "&", "|",
    "=", "~", "<", ">",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<TokenKind> {
        tokens(text).unwrap().into_iter().map(|token| token.kind).collect()
    }

    #[test]
    fn an_expression_is_words_and_signs() {
        assert_eq!(
            kinds("a.where(b >= 1.0) // comment"),
            [
                TokenKind::Word("a".to_owned()),
                TokenKind::Sign("."),
                TokenKind::Word("where".to_owned()),
                TokenKind::Sign("("),
                TokenKind::Word("b".to_owned()),
                TokenKind::Sign(">="),
                TokenKind::Literal(Literal::Decimal(Decimal::parse("1.0").unwrap())),
                TokenKind::Sign(")"),
                TokenKind::End,
            ]
        );
    }

    #[test]
    fn texts_have_escapes() {
        let text = TokenKind::Literal(Literal::Text("it's \u{e9}\n".to_owned()));
        assert_eq!(kinds(r"'it\'s \u00e9\n'"), [text, TokenKind::End]);
        assert_eq!(kinds("`a b`")[0], TokenKind::Name("a b".to_owned()));
        assert_eq!(kinds("%'my one'")[0], TokenKind::Constant("my one".to_owned()));
    }

    #[test]
    fn a_date_ends_before_the_next_step() {
        let date = TokenKind::Literal(Literal::Temporal("2020-02".to_owned(), "Date"));
        assert_eq!(kinds("@2020-02.lowBoundary")[..2], [date, TokenKind::Sign(".")]);
        let time = TokenKind::Literal(Literal::Temporal("12:30".to_owned(), "Time"));
        assert_eq!(kinds("@T12:30")[0], time);
    }

    #[test]
    fn faults_have_a_place() {
        for (text, at) in [
            ("a = 'b", 4),
            ("a ; b", 2),
            ("@@", 0),
            ("a.%", 3),
            (r"'\x'", 2),
            ("a /* b", 2),
            ("99999999999999999999", 0),
            ("@2020-13", 0),
        ] {
            assert_eq!(tokens(text).unwrap_err().at, at, "{text}");
        }
        let long = "a".repeat(20_000);
        assert_eq!(tokens(&long).unwrap_err().fault, PathFault::TooLarge("16384 bytes"));
    }
}

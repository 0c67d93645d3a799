//! Statements about the session itself: SET, SHOW, RESET, transactions. They read nothing and cost
//! nothing.

use std::collections::BTreeMap;

use engine::error::{Code, Rejection};

use crate::desk::told::Step;
use crate::numbers;
use crate::opened::spelling;
use crate::session::{Dialect, Terms};

/// A statement about the session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Control {
    /// Gives a variable a value.
    Set(String, String),
    /// Gives a variable a value until the transaction is over.
    SetLocal(String, String),
    /// Tells a variable.
    Show(String),
    /// Gives a variable its value from the beginning; all of them without a name.
    Reset(Option<String>),
    /// Something about transactions, or that clients do by habit: its word, and its effect.
    Word(&'static str, Step),
}

/// What may be set, and is.
#[derive(Clone, Debug)]
pub(crate) struct Knobs {
    /// How questions are asked.
    pub(crate) terms: Terms,
    /// Whether intervals are columns.
    pub(crate) intervals: bool,
    others: BTreeMap<String, String>,
    first: Box<Terms>,
    /// Within a transaction, what holds when it is over.
    saved: Option<Box<Saved>>,
}

/// What holds when a transaction is over.
#[derive(Clone, Debug)]
struct Saved {
    /// After ROLLBACK: what was set when it began.
    before: Knobs,
    /// After COMMIT: what is set, without what was set for the transaction only.
    after: Knobs,
}

impl Control {
    /// Reads a statement; `None` if it is about something else.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let words = words(text)?;
        let plain: Vec<String> = words.iter().map(|word| word.to_ascii_lowercase()).collect();
        let plain: Vec<&str> = plain.iter().map(String::as_str).collect();
        let word = |word, step| Some(Self::Word(word, step));
        match plain.as_slice() {
            ["begin", ..] => word("BEGIN", Step::Begin),
            ["start", "transaction", ..] => word("START TRANSACTION", Step::Begin),
            ["commit" | "end", ..] => word("COMMIT", Step::End),
            ["rollback" | "abort", rest @ ..] if rest.contains(&"to") => {
                word("ROLLBACK", Step::Back)
            }
            ["rollback" | "abort", ..] => word("ROLLBACK", Step::End),
            ["savepoint", _] => word("SAVEPOINT", Step::None),
            ["release", ..] => word("RELEASE", Step::None),
            ["discard", "all"] => word("DISCARD ALL", Step::None),
            ["deallocate", "all"] => word("DEALLOCATE ALL", Step::None),
            ["unlisten", "*"] => word("UNLISTEN", Step::None),
            ["set", "session", "characteristics", ..] | ["set", "transaction", ..] => {
                word("SET", Step::None)
            }
            ["set", "session", name, "=" | "to", ..] => {
                Some(Self::Set((*name).to_owned(), value(&words[4..])))
            }
            ["set", "local", name, "=" | "to", ..] => {
                Some(Self::SetLocal((*name).to_owned(), value(&words[4..])))
            }
            ["set", name, "=" | "to", ..] => {
                Some(Self::Set((*name).to_owned(), value(&words[3..])))
            }
            ["set", "time", "zone", ..] => {
                Some(Self::Set("timezone".to_owned(), value(&words[3..])))
            }
            ["set", "names", ..] => {
                Some(Self::Set("client_encoding".to_owned(), value(&words[2..])))
            }
            ["show", "transaction", "isolation", "level"] => {
                Some(Self::Show("transaction_isolation".to_owned()))
            }
            ["show", "time", "zone"] => Some(Self::Show("timezone".to_owned())),
            ["show", name] => Some(Self::Show((*name).to_owned())),
            ["reset", "all"] => Some(Self::Reset(None)),
            ["reset", name] => Some(Self::Reset(Some((*name).to_owned()))),
            _ => None,
        }
    }
}

impl Knobs {
    /// What is set at the beginning.
    pub(crate) fn new(terms: Terms) -> Self {
        let first = Box::new(terms.clone());
        Self { terms, intervals: false, others: BTreeMap::new(), first, saved: None }
    }

    /// Gives a variable a value.
    ///
    /// # Errors
    /// `R-STATEMENT` if there is no such variable, or it takes no such value.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), Rejection> {
        if let Some(saved) = &mut self.saved {
            saved.after.put(name, value)?;
        }
        self.put(name, value)
    }

    /// Gives a variable a value until the transaction is over; without one nothing is set, as in
    /// PostgreSQL.
    ///
    /// # Errors
    /// As [`Knobs::set`].
    pub(crate) fn set_local(&mut self, name: &str, value: &str) -> Result<(), Rejection> {
        match self.saved {
            Some(_) => self.put(name, value),
            None => self.clone().put(name, value),
        }
    }

    /// Goes on by a statement about transactions: ROLLBACK undoes what was set since it began.
    pub(crate) fn step(&mut self, word: &str, step: Step) {
        match step {
            Step::Begin if self.saved.is_none() => {
                let saved = Saved { before: self.clone(), after: self.clone() };
                self.saved = Some(Box::new(saved));
            }
            Step::End => {
                if let Some(saved) = self.saved.take() {
                    *self = if word == "ROLLBACK" { saved.before } else { saved.after };
                }
            }
            _ => {}
        }
    }

    fn put(&mut self, name: &str, value: &str) -> Result<(), Rejection> {
        let number = |read: fn(&str) -> Result<f64, String>| {
            read(value).map_err(|rule| unfit(name, value, &rule))
        };
        match name {
            "graunt.epsilon" => self.terms.epsilon = number(numbers::epsilon)?,
            "graunt.delta" => self.terms.delta = number(numbers::delta)?,
            "graunt.confidence" => self.terms.confidence = number(numbers::confidence)?,
            "graunt.intervals" => {
                self.intervals =
                    flag(value).ok_or_else(|| unfit(name, value, "it is on or off"))?;
            }
            "graunt.dialect" => {
                self.terms.dialect = match value {
                    "datafusion" => Dialect::Datafusion,
                    "ohdsi" => Dialect::Ohdsi,
                    _ => return Err(unfit(name, value, "it is datafusion or ohdsi")),
                };
            }
            _ if name.starts_with("graunt.") => return Err(unknown(name)),
            _ if OTHERS.iter().any(|(known, _)| *known == name) => {
                let value: String = value.chars().take(VALUE_CHARS_MAX).collect();
                self.others.insert(name.to_owned(), value);
            }
            _ => return Err(unknown(name)),
        }
        Ok(())
    }

    /// Gives a variable its first value; all of them without a name.
    ///
    /// # Errors
    /// `R-STATEMENT` if there is no such variable.
    pub(crate) fn reset(&mut self, name: Option<&str>) -> Result<(), Rejection> {
        if let Some(saved) = &mut self.saved {
            saved.after.reset(name)?;
        }
        let first = Self::new((*self.first).clone());
        match name {
            None => *self = Self { saved: self.saved.take(), ..first },
            Some("graunt.intervals") => self.intervals = false,
            Some(name) if name.starts_with("graunt.") => {
                let value = first.get(name).ok_or_else(|| unknown(name))?;
                self.put(name, &value)?;
            }
            Some(name) => drop(self.others.remove(name)),
        }
        Ok(())
    }

    /// The value of a variable; `None` if there is none of that name.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        Some(match name {
            "graunt.epsilon" => self.terms.epsilon.to_string(),
            "graunt.delta" => self.terms.delta.to_string(),
            "graunt.confidence" => self.terms.confidence.to_string(),
            "graunt.intervals" => if self.intervals { "on" } else { "off" }.to_owned(),
            "graunt.dialect" => match spelling(self.terms.dialect) {
                engine::sql::dialect::Dialect::Ohdsi => "ohdsi".to_owned(),
                _ => "datafusion".to_owned(),
            },
            _ => match self.others.get(name) {
                Some(value) => value.clone(),
                None => OTHERS.iter().find(|(known, _)| *known == name)?.1.to_owned(),
            },
        })
    }
}

fn unknown(name: &str) -> Rejection {
    Rejection::new(Code::Statement, format!("there is no variable {name}")).hint(
        "graunt.epsilon, graunt.delta, graunt.confidence, graunt.intervals and graunt.dialect are \
         set; graunt.cost, graunt.budget, graunt.notes and graunt.receipt are shown",
    )
}

fn unfit(name: &str, value: &str, rule: &str) -> Rejection {
    let value: String = value.chars().take(40).collect();
    Rejection::new(Code::Statement, format!("{name} cannot be {value:?}: {rule}"))
}

fn flag(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "on" | "true" | "yes" | "1" => Some(true),
        "off" | "false" | "no" | "0" => Some(false),
        _ => None,
    }
}

fn value(words: &[String]) -> String {
    words.iter().filter(|word| *word != ",").cloned().collect::<Vec<_>>().join(", ")
}

/// The words of a short statement, without comments, quotes and the semicolon at its end. `None`
/// for one that is not of words, or too long to be about the session.
fn words(text: &str) -> Option<Vec<String>> {
    let text = text.trim().trim_end_matches(';').trim_end();
    if text.len() > STATEMENT_BYTES_MAX || text.contains(';') {
        return None;
    }
    let first = text.split(|c: char| !c.is_ascii_alphabetic()).next()?.to_ascii_lowercase();
    if !FIRST.contains(&first.as_str()) {
        return None;
    }
    let mut words = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' | '"' => {
                let mut word = String::new();
                loop {
                    match chars.next()? {
                        end if end == c && chars.peek() == Some(&c) => {
                            chars.next();
                            word.push(c);
                        }
                        end if end == c => break,
                        other => word.push(other),
                    }
                }
                words.push(word);
            }
            c if c.is_whitespace() => {}
            '=' | ',' | '(' | ')' => words.push(c.to_string()),
            _ => {
                let mut word = String::from(c);
                while let Some(next) = chars.peek().filter(|next| is_of_word(**next)) {
                    word.push(*next);
                    chars.next();
                }
                words.push(word);
            }
        }
    }
    Some(words)
}

fn is_of_word(c: char) -> bool {
    !c.is_whitespace() && !matches!(c, '=' | ',' | '\'' | '"' | '(' | ')')
}

/// With what statements about the session begin.
const FIRST: [&str; 15] = [
    "begin",
    "start",
    "commit",
    "end",
    "rollback",
    "abort",
    "savepoint",
    "release",
    "discard",
    "deallocate",
    "unlisten",
    "set",
    "show",
    "reset",
    "close",
];

/// Variables of PostgreSQL that clients set and ask for, and what they are at first. None of them
/// changes anything.
const OTHERS: &[(&str, &str)] = &[
    ("application_name", ""),
    ("bytea_output", "hex"),
    ("client_encoding", "UTF8"),
    ("client_min_messages", "notice"),
    ("datestyle", "ISO, MDY"),
    ("default_transaction_isolation", "serializable"),
    ("default_transaction_read_only", "off"),
    ("extra_float_digits", "1"),
    ("idle_in_transaction_session_timeout", "0"),
    ("in_hot_standby", "off"),
    ("integer_datetimes", "on"),
    ("intervalstyle", "postgres"),
    ("is_superuser", "off"),
    ("jit", "off"),
    ("lock_timeout", "0"),
    ("max_identifier_length", "63"),
    ("max_index_keys", "32"),
    ("password_encryption", "scram-sha-256"),
    ("row_security", "on"),
    ("search_path", "public"),
    ("server_encoding", "UTF8"),
    ("server_version", crate::desk::PG_VERSION),
    ("server_version_num", "150000"),
    ("standard_conforming_strings", "on"),
    ("statement_timeout", "0"),
    ("timezone", "Etc/UTC"),
    ("transaction_isolation", "serializable"),
    ("transaction_read_only", "off"),
];

const STATEMENT_BYTES_MAX: usize = 2_000;

const VALUE_CHARS_MAX: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> Terms {
        Terms {
            epsilon: 1.0,
            delta: 1e-6,
            rows_per_person: None,
            groups_per_person: None,
            persons_min: 0,
            dialect: Dialect::Datafusion,
            confidence: 0.95,
            without_revoked: false,
            is_quiet: true,
            federation: None,
            memory: None,
            cluster: None,
        }
    }

    #[test]
    fn what_clients_send_at_connect_is_read() {
        let set = |name: &str, value: &str| Some(Control::Set(name.to_owned(), value.to_owned()));
        assert_eq!(Control::read("SET extra_float_digits = 3"), set("extra_float_digits", "3"));
        assert_eq!(Control::read("set datestyle to ISO;"), set("datestyle", "ISO"));
        assert_eq!(
            Control::read("SET search_path = \"public\",\"x y\""),
            set("search_path", "public, x y")
        );
        assert_eq!(Control::read("SET graunt.epsilon=0.5"), set("graunt.epsilon", "0.5"));
        assert_eq!(
            Control::read("SET application_name = 'It''s = me'"),
            set("application_name", "It's = me")
        );
        let begin = "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY";
        assert_eq!(Control::read(begin), Some(Control::Word("BEGIN", Step::Begin)));
        let back = Some(Control::Word("ROLLBACK", Step::Back));
        assert_eq!(Control::read("ROLLBACK TO SAVEPOINT \"_pg3_1\""), back);
        let show = Some(Control::Show("transaction_isolation".to_owned()));
        assert_eq!(Control::read("show transaction isolation level"), show);
        let local = Control::SetLocal("datestyle".to_owned(), "ISO".to_owned());
        assert_eq!(Control::read("SET LOCAL datestyle = 'ISO'"), Some(local));
        assert_eq!(Control::read("SET SESSION datestyle = 'ISO'"), set("datestyle", "ISO"));
        for question in
            ["SELECT 1", "SET", "SET x = 1; SELECT 1", "SHOW a b c", "settle", "SET a 'b"]
        {
            assert_eq!(Control::read(question), None, "{question}");
        }
    }

    #[test]
    fn variables_are_checked_shown_and_reset() {
        let mut knobs = Knobs::new(terms());
        knobs.set("graunt.epsilon", "0.5").unwrap();
        knobs.set("graunt.intervals", "ON").unwrap();
        assert_eq!(knobs.terms.epsilon, 0.5);
        assert!(knobs.intervals);
        for (name, value) in [
            ("graunt.epsilon", "0"),
            ("graunt.epsilon", "NaN"),
            ("graunt.epsilon", "1 OR 1"),
            ("graunt.delta", "1"),
            ("graunt.intervals", "perhaps"),
            ("graunt.dialect", "latin"),
            ("graunt.receipt", "x"),
            ("nothing", "x"),
        ] {
            assert_eq!(knobs.set(name, value).unwrap_err().code, Code::Statement, "{name}");
        }
        assert_eq!(knobs.get("graunt.epsilon").as_deref(), Some("0.5"));
        knobs.reset(Some("graunt.epsilon")).unwrap();
        assert_eq!(knobs.get("graunt.epsilon").as_deref(), Some("1"));
        knobs.set("application_name", &"x".repeat(9_000)).unwrap();
        assert_eq!(knobs.get("application_name").map(|value| value.len()), Some(500));
        knobs.reset(None).unwrap();
        assert!(!knobs.intervals);
        assert_eq!(knobs.get("application_name").as_deref(), Some(""));
        assert_eq!(knobs.get("nothing"), None);
    }
    #[test]
    fn what_is_set_for_a_transaction_ends_with_it() {
        let name = "graunt.epsilon";
        let mut knobs = Knobs::new(terms());
        knobs.set_local(name, "0.5").unwrap();
        assert_eq!(knobs.get(name).as_deref(), Some("1"));
        assert!(knobs.set_local("nothing", "x").is_err());
        for (word, expected) in [("COMMIT", "0.25"), ("ROLLBACK", "0.25")] {
            knobs.step("BEGIN", Step::Begin);
            knobs.set(name, "0.25").unwrap();
            knobs.set_local(name, "0.5").unwrap();
            knobs.step("BEGIN", Step::Begin);
            knobs.step("SAVEPOINT", Step::None);
            assert_eq!(knobs.get(name).as_deref(), Some("0.5"));
            knobs.step(word, Step::End);
            assert_eq!(knobs.get(name).as_deref(), Some(expected), "{word}");
        }
        // What is set or reset after it for the session stays, and ROLLBACK undoes all of it.
        knobs.step("BEGIN", Step::Begin);
        knobs.set_local(name, "0.5").unwrap();
        knobs.reset(None).unwrap();
        knobs.step("ROLLBACK", Step::End);
        assert_eq!(knobs.get(name).as_deref(), Some("0.25"));
        knobs.step("BEGIN", Step::Begin);
        knobs.set_local(name, "0.5").unwrap();
        knobs.reset(Some(name)).unwrap();
        knobs.step("COMMIT", Step::End);
        assert_eq!(knobs.get(name).as_deref(), Some("1"));
    }
}

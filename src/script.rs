//! Statements of a script: where one ends and the next begins. It does not parse SQL.

use engine::sql::text::Place;

/// One statement of a script.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Statement {
    /// Its text, without the semicolon at its end.
    pub(crate) text: String,
    /// Where it begins in the script.
    pub(crate) start: Place,
    /// Whether a semicolon ends it.
    pub(crate) is_ended: bool,
}

/// What a statement does, as far as its first word tells.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verb {
    /// Asks, at a price.
    Ask,
    /// Asks what was prepared, at a price.
    Execute,
    /// Tells a plan or a price, for nothing.
    Tell,
    /// Names a query or forgets one, for nothing.
    Name,
}

impl Statement {
    /// What it does.
    pub(crate) fn verb(&self) -> Verb {
        match first_word(&self.text).to_ascii_uppercase().as_str() {
            "EXECUTE" => Verb::Execute,
            "EXPLAIN" | "ESTIMATE" => Verb::Tell,
            "CREATE" | "DROP" | "PREPARE" | "DEALLOCATE" => Verb::Name,
            _ => Verb::Ask,
        }
    }

    /// Where a place of the statement's text is in the script.
    pub(crate) const fn in_script(&self, place: Place) -> Place {
        let line = self.start.line + place.line.saturating_sub(1);
        let before = if place.line <= 1 { self.start.column.saturating_sub(1) } else { 0 };
        Place { line, column: place.column + before }
    }
}

/// A step of a script.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Step {
    /// A command of the shell: a line that begins with a backslash, without it.
    Command(String),
    /// A statement.
    Statement(Statement),
}

/// Splits a script into statements, and lines between them that begin with a backslash.
pub(crate) fn steps(script: &str) -> Vec<Step> {
    let (mut steps, mut held, mut first) = (Vec::new(), String::new(), 0);
    let flush = |held: &mut String, first: usize, steps: &mut Vec<Step>| {
        // Places are those of the script.
        let text = "\n".repeat(first) + &std::mem::take(held);
        steps.extend(split(&text).into_iter().map(Step::Statement));
    };
    for (number, line) in script.split('\n').enumerate() {
        match line.trim_start().strip_prefix('\\') {
            Some(command) if is_complete(&held) => {
                flush(&mut held, first, &mut steps);
                steps.push(Step::Command(command.trim().to_owned()));
                first = number + 1;
            }
            _ => {
                held.push_str(line);
                held.push('\n');
            }
        }
    }
    flush(&mut held, first, &mut steps);
    steps
}

/// Splits a script at semicolons outside quotes and comments. Statements of nothing but space and
/// comments are left out.
pub(crate) fn split(script: &str) -> Vec<Statement> {
    let mut found = Vec::new();
    let mut scanner = Scanner::new();
    let mut chars = script.chars().peekable();
    while let Some(c) = chars.next() {
        if scanner.step(c, chars.peek().copied()) {
            found.extend(scanner.finish(true));
        }
    }
    found.extend(scanner.finish(false));
    found
}

/// Whether the last statement of a script is ended, so that nothing more is waited for.
pub(crate) fn is_complete(script: &str) -> bool {
    split(script).last().is_none_or(|statement| statement.is_ended)
}

/// The first word of a text, past space and comments.
fn first_word(text: &str) -> String {
    let mut scanner = Scanner::new();
    let mut chars = text.chars().peekable();
    let mut word = String::new();
    while let Some(c) = chars.next() {
        scanner.step(c, chars.peek().copied());
        if scanner.has_code {
            if !c.is_alphanumeric() && c != '_' {
                break;
            }
            word.push(c);
        }
    }
    word
}

/// What surrounds a character.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Within {
    Code,
    Quotes(char),
    LineComment,
    BlockComment(u32),
}

struct Scanner {
    within: Within,
    text: String,
    start: Option<Place>,
    has_code: bool,
    at: Place,
    /// The character belongs to a pair whose first decided already.
    is_second: bool,
}

impl Scanner {
    const fn new() -> Self {
        Self {
            within: Within::Code,
            text: String::new(),
            start: None,
            has_code: false,
            at: Place { line: 1, column: 1 },
            is_second: false,
        }
    }

    /// Takes a character; true if it ends a statement.
    fn step(&mut self, c: char, next: Option<char>) -> bool {
        let is_end = c == ';' && self.within == Within::Code;
        if !(is_end || self.start.is_none() && c.is_whitespace()) {
            self.start.get_or_insert(self.at);
            self.text.push(c);
        }
        if self.is_second {
            self.is_second = false;
        } else {
            self.enter_or_leave(c, next);
        }
        self.at = match c {
            '\n' => Place { line: self.at.line + 1, column: 1 },
            _ => Place { line: self.at.line, column: self.at.column + 1 },
        };
        is_end
    }

    fn enter_or_leave(&mut self, c: char, next: Option<char>) {
        let pair = next.map(|next| (c, next));
        self.within = match (self.within, c) {
            (Within::Code, '\'' | '"') => Within::Quotes(c),
            (Within::Code, '-') if pair == Some(('-', '-')) => Within::LineComment,
            (Within::Code, '/') if pair == Some(('/', '*')) => {
                self.is_second = true;
                Within::BlockComment(1)
            }
            (Within::BlockComment(depth), '/') if pair == Some(('/', '*')) => {
                self.is_second = true;
                Within::BlockComment(depth + 1)
            }
            (Within::BlockComment(depth), '*') if pair == Some(('*', '/')) => {
                self.is_second = true;
                if depth > 1 { Within::BlockComment(depth - 1) } else { Within::Code }
            }
            (Within::Quotes(quote), _) if c == quote => Within::Code,
            (Within::LineComment, '\n') => Within::Code,
            (within, _) => within,
        };
        // A quote is of the statement; a comment alone makes none.
        let is_code = matches!(self.within, Within::Code | Within::Quotes(_));
        self.has_code |= is_code && !c.is_whitespace() && c != ';' && !self.closes_comment(c);
    }

    /// Whether a `*` has just closed a comment: then it is not code.
    const fn closes_comment(&self, c: char) -> bool {
        c == '*' && self.is_second
    }

    fn finish(&mut self, is_ended: bool) -> Option<Statement> {
        let text = std::mem::take(&mut self.text);
        let start = self.start.take();
        let has_code = std::mem::take(&mut self.has_code);
        let start = start.filter(|_| has_code)?;
        Some(Statement { text: text.trim_end().to_owned(), start, is_ended })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(script: &str) -> Vec<String> {
        split(script).into_iter().map(|statement| statement.text).collect()
    }

    #[test]
    fn statements_end_at_semicolons_outside_quotes() {
        assert_eq!(texts("SELECT 1; SELECT 2"), ["SELECT 1", "SELECT 2"]);
        assert_eq!(texts("SELECT ';', \"a;b\", 'it''s;';"), ["SELECT ';', \"a;b\", 'it''s;'"]);
        assert_eq!(texts(" ;; \n ; "), Vec::<String>::new());
    }

    #[test]
    fn comments_end_no_statement_and_make_none() {
        let script = "-- one; two\nSELECT 1 /* a; /* b; */ c; */ ;\n-- the end;\n/* ; */";
        assert_eq!(texts(script), ["-- one; two\nSELECT 1 /* a; /* b; */ c; */"]);
        assert_eq!(texts("SELECT 4 - -1; SELECT 4 / 2 * 1"), ["SELECT 4 - -1", "SELECT 4 / 2 * 1"]);
        assert_eq!(texts("/*/ ; */ SELECT 1").len(), 1);
    }

    #[test]
    fn places_are_those_of_the_script() {
        let statements = split("SELECT 1;\n  SELECT a,\n  b;");
        assert_eq!(statements[1].start, Place { line: 2, column: 3 });
        let place = |line, column| Place { line, column };
        assert_eq!(statements[1].in_script(place(1, 8)), place(2, 10));
        assert_eq!(statements[1].in_script(place(2, 3)), place(3, 3));
    }

    #[test]
    fn the_first_word_tells_what_a_statement_does() {
        let verb = |text: &str| split(text).first().map(Statement::verb);
        assert_eq!(verb("select 1"), Some(Verb::Ask));
        assert_eq!(verb("/* PREPARE */ -- EXPLAIN\n(SELECT 1)"), Some(Verb::Ask));
        assert_eq!(verb("/* /* */ EXPLAIN */ SELECT 1"), Some(Verb::Ask));
        assert_eq!(verb("-- a\nexplain SELECT 1"), Some(Verb::Tell));
        assert_eq!(verb("ESTIMATE(SELECT 1)"), Some(Verb::Tell));
        assert_eq!(verb("Create/* a */VIEW v AS SELECT 1"), Some(Verb::Name));
        assert_eq!(verb("CREATED"), Some(Verb::Ask));
        assert_eq!(verb("'PREPARE'"), Some(Verb::Ask));
        assert_eq!(verb(";; EXECUTE p(1)"), Some(Verb::Execute));
    }

    #[test]
    fn commands_are_lines_between_statements() {
        let found = steps("\\d\nSELECT 1;\n \\budget \nSELECT '\n\\x'\n, 2;\n\\q");
        let shown: Vec<String> = found
            .iter()
            .map(|step| match step {
                Step::Command(command) => format!("\\{command}"),
                Step::Statement(found) => format!("{}:{}", found.start.line, found.text),
            })
            .collect();
        assert_eq!(shown, ["\\d", "2:SELECT 1", "\\budget", "4:SELECT '\n\\x'\n, 2", "\\q"]);
        assert_eq!(steps("SELECT 1").len(), 1);
        assert_eq!(steps("").len(), 0);
    }

    #[test]
    fn a_shell_waits_for_the_semicolon() {
        assert!(is_complete(""));
        assert!(is_complete("SELECT 1; -- done"));
        assert!(!is_complete("SELECT 1"));
        assert!(!is_complete("SELECT ';"));
    }
}

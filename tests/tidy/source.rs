//! A Rust file with its code and its comments apart, so that a rule about the one is not misled
//! by the other, or by what stands in a string.
//!
//! It knows tokens and not syntax: what a macro would make of them is not its business.

/// A Rust file.
#[derive(Debug)]
pub(super) struct Source {
    /// From the root of the workspace.
    pub(super) path: String,
    /// As it is.
    pub(super) text: String,
    /// Names, numbers and single punctuation marks; neither comments nor literal text.
    pub(super) tokens: Vec<Token>,
    /// Everything but comments is blank.
    pub(super) comments: String,
}

/// A name, a number or a punctuation mark.
#[derive(Debug)]
pub(super) struct Token {
    /// Its letters.
    pub(super) text: String,
    /// Its line, from 1.
    pub(super) line: usize,
}

impl Source {
    /// Takes a file apart.
    pub(super) fn new(path: &str, text: &str) -> Self {
        let letters: Vec<char> = text.chars().collect();
        let (mut tokens, mut comments) = (Vec::new(), String::new());
        let (mut at, mut line) = (0, 1);
        while at < letters.len() {
            let (kind, end) = lexeme(&letters, at);
            let lexeme: String = letters[at..end].iter().collect();
            match kind {
                Kind::Token => tokens.push(Token { text: lexeme.clone(), line }),
                Kind::Comment => comments.push_str(&lexeme),
                Kind::Literal | Kind::Space => {}
            }
            let lines = lexeme.matches('\n').count();
            if !matches!(kind, Kind::Comment) {
                comments.push_str(&"\n".repeat(lines));
            }
            line += lines;
            at = end;
        }
        Self { path: path.to_owned(), text: text.to_owned(), tokens, comments }
    }

    /// The text of the token at a place; empty past the end.
    pub(super) fn token(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| &token.text)
    }

    /// The text of the token so many places before another; empty before the start.
    pub(super) fn before(&self, at: usize, places: usize) -> &str {
        at.checked_sub(places).map_or("", |at| self.token(at))
    }

    /// Where the bracket that opens at a place is closed; the last token if it never is.
    pub(super) fn closing(&self, opening: usize) -> usize {
        let mut depth = 0_usize;
        for at in opening..self.tokens.len() {
            match self.token(at) {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return at;
            }
        }
        self.tokens.len().saturating_sub(1)
    }
}

enum Kind {
    Token,
    Comment,
    Literal,
    Space,
}

/// What begins at a place, and where it ends.
fn lexeme(letters: &[char], at: usize) -> (Kind, usize) {
    let rest = &letters[at..];
    match rest {
        ['/', '/', ..] => (Kind::Comment, at + run(rest, |letter| letter != '\n')),
        ['/', '*', ..] => (Kind::Comment, at + block_comment(rest)),
        ['"', ..] => (Kind::Literal, at + quoted(rest, '"')),
        // A character, unless it is a lifetime or a label.
        ['\'', '\\', ..] | ['\'', _, '\'', ..] => (Kind::Literal, at + quoted(rest, '\'')),
        [letter, ..] if letter.is_whitespace() => {
            (Kind::Space, at + run(rest, char::is_whitespace))
        }
        [letter, ..] if is_word(*letter) => {
            let length = run(rest, is_word);
            let word: String = rest[..length].iter().collect();
            match raw_string(&rest[length..]) {
                Some(more) if ["r", "br", "cr"].contains(&word.as_str()) => {
                    (Kind::Literal, at + length + more)
                }
                _ => (Kind::Token, at + length),
            }
        }
        _ => (Kind::Token, at + 1),
    }
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn run(letters: &[char], goes_on: impl Fn(char) -> bool) -> usize {
    letters.iter().take_while(|letter| goes_on(**letter)).count()
}

/// Length of a block comment; they nest.
fn block_comment(letters: &[char]) -> usize {
    let (mut at, mut depth) = (0, 0_usize);
    while at < letters.len() {
        let step = match letters[at..] {
            ['/', '*', ..] => {
                depth += 1;
                2
            }
            ['*', '/', ..] => {
                depth -= 1;
                2
            }
            _ => 1,
        };
        at += step;
        if depth == 0 {
            return at;
        }
    }
    letters.len()
}

/// Length of a literal between two of the same marks, with escapes.
fn quoted(letters: &[char], mark: char) -> usize {
    let mut at = 1;
    while at < letters.len() {
        match letters[at] {
            '\\' => at += 2,
            letter if letter == mark => return at + 1,
            _ => at += 1,
        }
    }
    letters.len()
}

/// Length of a raw string without its prefix; `None` if there is none.
fn raw_string(letters: &[char]) -> Option<usize> {
    let marks = run(letters, |letter| letter == '#');
    if letters.get(marks) != Some(&'"') {
        return None;
    }
    let mut end = vec!['"'];
    end.extend(std::iter::repeat_n('#', marks));
    let start = marks + 1;
    let inside = letters[start..].windows(end.len()).position(|window| window == end)?;
    Some(start + inside + end.len())
}

#[test]
fn literals_and_comments_are_told_from_code() {
    let text =
        "let a = \"fn /* x */ \\\" \"; // fn 1\n/* fn /* 2 */\n */ 'l: b'\\'' r#\"\nfn \"# 'x'";
    let source = Source::new("a.rs", text);
    let tokens: Vec<(&str, usize)> =
        source.tokens.iter().map(|token| (token.text.as_str(), token.line)).collect();
    let expected =
        [("let", 1), ("a", 1), ("=", 1), (";", 1), ("'", 3), ("l", 3), (":", 3), ("b", 3)];
    assert_eq!(tokens, expected);
    assert_eq!(source.comments, "// fn 1\n/* fn /* 2 */\n */\n");
}

#[test]
fn brackets_are_matched() {
    let source = Source::new("a.rs", "f(a[1], {\"}\"}) ; g(");
    assert_eq!(source.closing(1), 9);
    assert_eq!(source.closing(12), 12);
}

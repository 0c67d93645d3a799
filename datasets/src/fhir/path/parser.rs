//! Words and signs to the parts of an expression.
//!
//! It climbs the levels of operators. What is nested deeper than [`DEPTH_MAX`] is refused, so
//! that neither it nor what walks the parts later can run out of stack.

use super::error::{PathError, PathFault};
use super::lexer::{Token, TokenKind, tokens};
use super::syntax::{
    FUNCTIONS, Function, Kind, LEVELS, Literal, Node, Operator, TYPE_FUNCTIONS, TYPE_LEVEL,
    TypeFunction,
};

/// Reads an expression.
///
/// # Errors
/// [`PathError`] at the first place that is not understood.
pub(super) fn parse(text: &str) -> Result<Node, PathError> {
    let mut parser = Parser { tokens: tokens(text)?, next: 0, open: 0 };
    let node = parser.expression(0)?;
    match parser.peek().kind {
        TokenKind::End => Ok(node),
        _ => Err(parser.fault("an operator or the end is wanted here")),
    }
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    /// Expressions that have begun and not ended.
    open: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        // The last token is the end, and is never passed.
        self.tokens.get(self.next).unwrap_or(&END)
    }

    fn at(&self) -> usize {
        self.peek().at
    }

    fn fault(&self, what: &'static str) -> PathError {
        PathFault::Syntax(what).at(self.at())
    }

    fn advance(&mut self) -> TokenKind {
        let kind = self.peek().kind.clone();
        if kind != TokenKind::End {
            self.next += 1;
        }
        kind
    }

    fn takes(&mut self, sign: &str) -> bool {
        let is_there = matches!(self.peek().kind, TokenKind::Sign(next) if next == sign);
        self.next += usize::from(is_there);
        is_there
    }

    fn needs(&mut self, sign: &str, what: &'static str) -> Result<(), PathError> {
        if self.takes(sign) { Ok(()) } else { Err(self.fault(what)) }
    }

    /// An expression whose operators bind at least as tightly as a level.
    fn expression(&mut self, level: usize) -> Result<Node, PathError> {
        if level == 0 {
            self.open += 1;
            if self.open > DEPTH_MAX {
                return Err(PathFault::TooLarge(TOO_DEEP).at(self.at()));
            }
        }
        let node = self.climb(level)?;
        self.open -= usize::from(level == 0);
        Ok(node)
    }

    fn climb(&mut self, level: usize) -> Result<Node, PathError> {
        let mut left = self.sign()?;
        loop {
            let at = self.at();
            let Some((found, operator)) = self.operator() else { return Ok(left) };
            if found < level {
                return Ok(left);
            }
            self.next += 1;
            left = match operator {
                Some(operator) => {
                    let right = self.climb(found + 1)?;
                    node(at, Kind::Binary(operator, Box::new(left), Box::new(right)))?
                }
                None => {
                    let function = match self.tokens.get(self.next - 1).map(|token| &token.kind) {
                        Some(TokenKind::Word(word)) if word == "is" => TypeFunction::Is,
                        _ => TypeFunction::OfType,
                    };
                    let name = self.type_name()?;
                    node(at, Kind::TypeCall(Some(Box::new(left)), function, Some(name)))?
                }
            };
        }
    }

    /// The operator that is next, and its level; no operator for those that take a type.
    fn operator(&self) -> Option<(usize, Option<Operator>)> {
        let text = match &self.peek().kind {
            TokenKind::Word(word) => word.as_str(),
            TokenKind::Sign(sign) => sign,
            _ => return None,
        };
        if matches!(text, "is" | "as") {
            return Some((TYPE_LEVEL, None));
        }
        LEVELS.iter().enumerate().find_map(|(level, operators)| {
            let (_, operator) = operators.iter().find(|(known, _)| *known == text)?;
            Some((level, Some(*operator)))
        })
    }

    /// A path, perhaps with signs before it.
    fn sign(&mut self) -> Result<Node, PathError> {
        let at = self.at();
        let mut negative = false;
        loop {
            if self.takes("-") {
                negative = !negative;
            } else if !self.takes("+") {
                break;
            }
        }
        let path = self.path()?;
        if negative { node(at, Kind::Negative(Box::new(path))) } else { Ok(path) }
    }

    fn path(&mut self) -> Result<Node, PathError> {
        let mut path = self.term()?;
        loop {
            let at = self.at();
            if self.takes(".") {
                path = self.step(Some(path))?;
            } else if self.takes("[") {
                let index = self.expression(0)?;
                self.needs("]", "the ] of an index is wanted here")?;
                path = node(at, Kind::At(Box::new(path), Box::new(index)))?;
            } else {
                return Ok(path);
            }
        }
    }

    /// What a path begins with.
    fn term(&mut self) -> Result<Node, PathError> {
        let at = self.at();
        match &self.peek().kind {
            TokenKind::Literal(literal) => {
                let kind = Kind::Literal(literal.clone());
                self.next += 1;
                self.refuse_unit()?;
                node(at, kind)
            }
            TokenKind::Word(word) if matches!(word.as_str(), "true" | "false") => {
                let kind = Kind::Literal(Literal::Boolean(word == "true"));
                self.next += 1;
                node(at, kind)
            }
            TokenKind::Constant(name) => {
                let kind = Kind::Constant(name.clone());
                self.next += 1;
                node(at, kind)
            }
            TokenKind::Variable(name) => {
                let kind = match name.as_str() {
                    "this" => Kind::This,
                    "index" => Kind::Index,
                    _ => return Err(PathFault::Unsupported(format!("${name}")).at(at)),
                };
                self.next += 1;
                node(at, kind)
            }
            TokenKind::Sign("(") => {
                self.next += 1;
                let inner = self.expression(0)?;
                self.needs(")", "a ) is wanted here")?;
                Ok(inner)
            }
            TokenKind::Sign("{") => {
                self.next += 1;
                self.needs("}", "a } is wanted here")?;
                node(at, Kind::Nothing)
            }
            TokenKind::Word(_) | TokenKind::Name(_) => self.step(None),
            _ => Err(self.fault("a value or a path is wanted here")),
        }
    }

    /// A member or a function of the input.
    fn step(&mut self, input: Option<Node>) -> Result<Node, PathError> {
        let at = self.at();
        let input = input.map(Box::new);
        let name = match self.advance() {
            TokenKind::Word(name) => name,
            TokenKind::Name(name) => return node(at, Kind::Member(input, name)),
            _ => return Err(PathFault::Syntax("a name is wanted here").at(at)),
        };
        if !self.takes("(") {
            return node(at, Kind::Member(input, name));
        }
        if let Some((_, function, optional)) =
            TYPE_FUNCTIONS.iter().find(|(known, _, _)| *known == name)
        {
            let name = if *optional && self.takes(")") {
                None
            } else {
                let name = self.type_name()?;
                self.needs(")", "the ) after a type is wanted here")?;
                Some(name)
            };
            return node(at, Kind::TypeCall(input, *function, name));
        }
        let Some((function, known, least, most)) = FUNCTIONS
            .iter()
            .find(|(known, ..)| *known == name)
            .map(|(k, f, l, m)| (*f, *k, *l, *m))
        else {
            return Err(PathFault::Unsupported(format!("{name}()")).at(at));
        };
        let arguments = self.arguments()?;
        if !(least..=most).contains(&arguments.len()) {
            let expected = expected(function, least, most);
            return Err(PathFault::Arguments { function: known, expected }.at(at));
        }
        node(at, Kind::Call(input, function, arguments))
    }

    fn arguments(&mut self) -> Result<Vec<Node>, PathError> {
        let mut arguments = Vec::new();
        if self.takes(")") {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.expression(0)?);
            if self.takes(")") {
                return Ok(arguments);
            }
            self.needs(",", "a , or ) is wanted here")?;
        }
    }

    /// The name of a type, `FHIR.Patient` or `Patient`, or as a text `'Patient'`.
    fn type_name(&mut self) -> Result<String, PathError> {
        let at = self.at();
        let mut name = match self.advance() {
            TokenKind::Word(name) | TokenKind::Name(name) => name,
            TokenKind::Literal(Literal::Text(name)) => return Ok(name),
            _ => return Err(PathFault::Syntax("the name of a type is wanted here").at(at)),
        };
        while self.takes(".") {
            match self.advance() {
                TokenKind::Word(part) | TokenKind::Name(part) => name = part,
                _ => return Err(PathFault::Syntax("the name of a type is wanted here").at(at)),
            }
        }
        Ok(name)
    }

    /// Refuses quantities such as `4 'mg'` and `4 days` by their own name.
    fn refuse_unit(&self) -> Result<(), PathError> {
        let previous = self.tokens.get(self.next - 1).map(|token| &token.kind);
        let is_number =
            matches!(previous, Some(TokenKind::Literal(Literal::Integer(_) | Literal::Decimal(_))));
        let is_unit = match &self.peek().kind {
            TokenKind::Literal(Literal::Text(_)) => true,
            TokenKind::Word(word) => {
                UNITS.contains(&word.strip_suffix('s').unwrap_or(word.as_str()))
            }
            _ => false,
        };
        if is_number && is_unit {
            return Err(PathFault::Unsupported("a quantity with a unit".to_owned()).at(self.at()));
        }
        Ok(())
    }
}

fn expected(function: Function, least: usize, most: usize) -> &'static str {
    match (function, least, most) {
        (Function::LowBoundary | Function::HighBoundary, ..) => "(here) no",
        (_, 0, 0) => "no",
        (_, 1, 1) => "one",
        (_, 0, 1) => "at most one",
        (_, 1, 2) => "one or two",
        _ => "two or three",
    }
}

/// A part at a place, unless it is too deep.
fn node(at: usize, kind: Kind) -> Result<Node, PathError> {
    let depth_of = |input: &Option<Box<Node>>| input.as_ref().map_or(0, |node| node.depth);
    let below = match &kind {
        Kind::Nothing | Kind::Literal(_) | Kind::This | Kind::Index | Kind::Constant(_) => 0,
        Kind::Member(input, _) | Kind::TypeCall(input, ..) => depth_of(input),
        Kind::Call(input, _, arguments) => {
            let deepest = arguments.iter().map(|node| node.depth).max().unwrap_or(0);
            deepest.max(depth_of(input))
        }
        Kind::Negative(input) => input.depth,
        Kind::At(one, two) | Kind::Binary(_, one, two) => one.depth.max(two.depth),
    };
    if below >= DEPTH_MAX {
        return Err(PathFault::TooLarge(TOO_DEEP).at(at));
    }
    Ok(Node { at, depth: below + 1, kind })
}

/// No expression of a view is nearly as deep.
const DEPTH_MAX: usize = 100;
const TOO_DEEP: &str = "100 parts above one another";
const END: Token = Token { at: 0, kind: TokenKind::End };

/// Units of time that may follow a number without quotes.
const UNITS: &[&str] = &["year", "month", "week", "day", "hour", "minute", "second", "millisecond"];

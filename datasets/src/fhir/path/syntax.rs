//! The parts of an expression once it is understood.

use super::decimal::Decimal;

/// A part of an expression, with its place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    /// Bytes before it.
    pub(super) at: usize,
    /// How many parts are above one another in it.
    pub(super) depth: usize,
    /// What it is.
    pub(super) kind: Kind,
}

/// What a part of an expression is. Where it says `input`, nothing means the current focus.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// `{}`.
    Nothing,
    /// A value that is written out.
    Literal(Literal),
    /// `$this`.
    This,
    /// `$index`.
    Index,
    /// `%name`.
    Constant(String),
    /// A member of the input; of the focus, a type may stand there too: `Patient.name`.
    Member(Option<Box<Node>>, String),
    /// A function of the input.
    Call(Option<Box<Node>>, Function, Vec<Node>),
    /// A function of the input that takes the name of a type, if there is one.
    TypeCall(Option<Box<Node>>, TypeFunction, Option<String>),
    /// `input[index]`.
    At(Box<Node>, Box<Node>),
    /// `-input`.
    Negative(Box<Node>),
    /// Two parts and what is between them.
    Binary(Operator, Box<Node>, Box<Node>),
}

/// A value that is written out.
#[derive(Clone, Debug)]
pub(super) enum Literal {
    /// `true` or `false`.
    Boolean(bool),
    /// `7`.
    Integer(i64),
    /// `7.0`.
    Decimal(Decimal),
    /// `'text'`.
    Text(String),
    /// `@2020-02`, with its type.
    Temporal(String, &'static str),
}

impl PartialEq for Literal {
    fn eq(&self, other: &Self) -> bool {
        // Numbers that are written alike are alike here.
        format!("{self:?}") == format!("{other:?}")
    }
}

/// A function of values.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Function {
    All,
    Contains,
    Count,
    Distinct,
    Empty,
    EndsWith,
    Exists,
    Extension,
    First,
    HighBoundary,
    Iif,
    Join,
    Last,
    Length,
    LowBoundary,
    Lower,
    Not,
    ResourceKey,
    Select,
    StartsWith,
    Substring,
    ToDecimal,
    ToInteger,
    ToText,
    Upper,
    Where,
}

/// A function that takes a type.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum TypeFunction {
    /// Those of the input that are of the type: `ofType(T)`, `as(T)`, `as T`.
    OfType,
    /// Whether the input is: `is(T)`, `is T`.
    Is,
    /// Keys of what the references of the input refer to, if that is of the type.
    ReferenceKey,
}

/// What stands between two parts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Operator {
    Add,
    And,
    Concatenate,
    Contains,
    Divide,
    Equal,
    Greater,
    GreaterOrEqual,
    Implies,
    In,
    Less,
    LessOrEqual,
    Multiply,
    NotEqual,
    Or,
    Subtract,
    Union,
    WholeDivide,
    Modulo,
    Xor,
}

/// A function, its name, and how few and many arguments it takes.
pub(super) type Signature = (&'static str, Function, usize, usize);

/// The functions that are understood, besides those that take types.
pub(super) const FUNCTIONS: &[Signature] = &[
    ("all", Function::All, 1, 1),
    ("contains", Function::Contains, 1, 1),
    ("count", Function::Count, 0, 0),
    ("distinct", Function::Distinct, 0, 0),
    ("empty", Function::Empty, 0, 0),
    ("endsWith", Function::EndsWith, 1, 1),
    ("exists", Function::Exists, 0, 1),
    ("extension", Function::Extension, 1, 1),
    ("first", Function::First, 0, 0),
    ("getResourceKey", Function::ResourceKey, 0, 0),
    ("highBoundary", Function::HighBoundary, 0, 0),
    ("iif", Function::Iif, 2, 3),
    ("join", Function::Join, 0, 1),
    ("last", Function::Last, 0, 0),
    ("length", Function::Length, 0, 0),
    ("lowBoundary", Function::LowBoundary, 0, 0),
    ("lower", Function::Lower, 0, 0),
    ("not", Function::Not, 0, 0),
    ("select", Function::Select, 1, 1),
    ("startsWith", Function::StartsWith, 1, 1),
    ("substring", Function::Substring, 1, 2),
    ("toDecimal", Function::ToDecimal, 0, 0),
    ("toInteger", Function::ToInteger, 0, 0),
    ("toString", Function::ToText, 0, 0),
    ("upper", Function::Upper, 0, 0),
    ("where", Function::Where, 1, 1),
];

/// The functions that take a type, and whether they may go without.
pub(super) const TYPE_FUNCTIONS: &[(&str, TypeFunction, bool)] = &[
    ("as", TypeFunction::OfType, false),
    ("getReferenceKey", TypeFunction::ReferenceKey, true),
    ("is", TypeFunction::Is, false),
    ("ofType", TypeFunction::OfType, false),
];

/// Operators by how tightly they bind, loosest first. `is` and `as`, which take a type, bind as
/// tightly as [`TYPE_LEVEL`].
///
/// # Source
/// FHIRPath 2.0.0, section 6.8.
pub(super) const LEVELS: &[&[(&str, Operator)]] = &[
    &[("implies", Operator::Implies)],
    &[("or", Operator::Or), ("xor", Operator::Xor)],
    &[("and", Operator::And)],
    &[("in", Operator::In), ("contains", Operator::Contains)],
    &[("=", Operator::Equal), ("!=", Operator::NotEqual)],
    &[
        (">", Operator::Greater),
        (">=", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        ("<=", Operator::LessOrEqual),
    ],
    &[("|", Operator::Union)],
    &[],
    &[("+", Operator::Add), ("-", Operator::Subtract), ("&", Operator::Concatenate)],
    &[
        ("*", Operator::Multiply),
        ("/", Operator::Divide),
        ("div", Operator::WholeDivide),
        ("mod", Operator::Modulo),
    ],
];

/// The level of `is` and `as` in [`LEVELS`].
pub(super) const TYPE_LEVEL: usize = 7;

//! A function call in a query: read, and made. It gives no call a meaning.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DataType, DateTimeField, Expr, ExtractSyntax, Function, FunctionArg,
    FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, ObjectName, ObjectNamePart,
    TypedString, UnaryOperator, Value,
};

use crate::error::{Code, Rejection};
use crate::sql::text::{Place, place_at};

/// A call of a function by one plain name, with arguments in order and nothing besides.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    /// Lower-case name.
    pub(crate) name: String,
    /// Where the name stands.
    pub(crate) place: Option<Place>,
    /// The arguments, in order.
    pub(crate) arguments: Vec<&'a Expr>,
}

impl<'a> Call<'a> {
    /// Reads an expression that is a plain call.
    pub(crate) fn of(expr: &'a Expr) -> Option<Self> {
        let Expr::Function(function) = expr else { return None };
        let name = plain_name(function)?;
        let FunctionArguments::List(list) = &function.args else { return None };
        let is_bare = list.duplicate_treatment.is_none()
            && list.clauses.is_empty()
            && function.parameters == FunctionArguments::None
            && function.filter.is_none()
            && function.over.is_none()
            && function.null_treatment.is_none()
            && function.within_group.is_empty()
            && !function.uses_odbc_syntax;
        if !is_bare {
            return None;
        }
        let arguments: Option<Vec<&Expr>> = list.args.iter().map(in_order).collect();
        let place = place_at(name.span.start);
        Some(Self { name: name.value.to_ascii_lowercase(), place, arguments: arguments? })
    }

    /// Refuses the call under `R-FUNCTION`.
    pub(crate) fn refuse(&self, reason: &str) -> Rejection {
        let mut rejection = Rejection::new(Code::Function, format!("{}: {reason}", self.name));
        rejection.place = self.place;
        rejection
    }
}

/// The name of a function, if it is one word without quotes.
pub(crate) fn plain_name(function: &Function) -> Option<&Ident> {
    match function.name.0.as_slice() {
        [ObjectNamePart::Identifier(name)] if name.quote_style.is_none() => Some(name),
        _ => None,
    }
}

/// A whole number as it is written, with its sign.
pub(crate) fn whole_number(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Nested(inner) => whole_number(inner),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => whole_number(expr)?.checked_neg(),
        Expr::UnaryOp { op: UnaryOperator::Plus, expr } => whole_number(expr),
        Expr::Value(literal) => match &literal.value {
            Value::Number(digits, _) => digits.parse().ok(),
            _ => None,
        },
        _ => None,
    }
}

/// A number as it is written, with its sign; never infinite.
pub(crate) fn number(expr: &Expr) -> Option<f64> {
    let value = match expr {
        Expr::Nested(inner) => number(inner),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => Some(-number(expr)?),
        Expr::UnaryOp { op: UnaryOperator::Plus, expr } => number(expr),
        Expr::Value(literal) => match &literal.value {
            Value::Number(digits, _) => digits.parse().ok(),
            _ => None,
        },
        _ => None,
    };
    value.filter(|value| value.is_finite())
}

/// The text of a string literal.
pub(crate) fn quoted(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Value(literal) => match &literal.value {
            Value::SingleQuotedString(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

/// Makes a number.
pub(crate) fn literal(value: &str) -> Expr {
    Expr::value(Value::Number(value.to_owned(), false))
}

/// Makes `DATE 'day'`.
pub(crate) fn date(day: &str) -> Expr {
    Expr::TypedString(TypedString {
        data_type: DataType::Date,
        value: Value::SingleQuotedString(day.to_owned()).into(),
        uses_odbc_syntax: false,
    })
}

/// Makes `EXTRACT(field FROM from)`.
pub(crate) fn extract(field: DateTimeField, from: &Expr) -> Expr {
    Expr::Extract { field, syntax: ExtractSyntax::From, expr: Box::new(from.clone()) }
}

/// Makes `left op right`, with parentheses around operands that have operators of their own, so
/// that what is printed is read the same way.
pub(crate) fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(operand(left)), op, right: Box::new(operand(right)) }
}

/// Puts parentheses around an expression.
pub(crate) fn nested(expr: Expr) -> Expr {
    match expr {
        Expr::Nested(_) => expr,
        other => Expr::Nested(Box::new(other)),
    }
}

/// Makes `name(arguments)`.
pub(crate) fn function(name: &str, arguments: Vec<Expr>) -> Expr {
    let unnamed = |argument| FunctionArg::Unnamed(FunctionArgExpr::Expr(argument));
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: arguments.into_iter().map(unnamed).collect(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

fn in_order(argument: &FunctionArg) -> Option<&Expr> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    }
}

fn operand(expr: Expr) -> Expr {
    match expr {
        Expr::Identifier(_)
        | Expr::CompoundIdentifier(_)
        | Expr::Value(_)
        | Expr::Nested(_)
        | Expr::Function(_)
        | Expr::TypedString(_)
        | Expr::Extract { .. }
        | Expr::Cast { .. }
        | Expr::Case { .. }
        | Expr::Interval(_)
        | Expr::Subquery(_) => expr,
        other => nested(other),
    }
}

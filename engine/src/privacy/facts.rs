//! What is publicly known of a column or expression: its range, its keys, whose it is.
//!
//! Everything here follows from signed bounds and the query's text, never from records.

use std::collections::BTreeSet;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::logical_expr::expr::{BinaryExpr, Case, ScalarFunction};
use datafusion::logical_expr::{Expr, ExprSchemable, Operator};
use ledger_adapter::manifest::{ColumnManifest, KeyValue};

use crate::privacy::calendar::KEPT;
use crate::privacy::image::{Days, image};
use crate::privacy::range::{PRODUCT_DECIMALS, Range, whole};
use crate::scan::reader::{DATE_MAX, DATE_MIN};

/// What is known of one column.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Facts {
    /// Range of the values; sums need it.
    pub(crate) range: Option<Range>,
    /// Range of one person's total, where the policy declares one.
    pub(crate) person_total: Option<Range>,
    /// All values that it may take, null aside; keys without a threshold need it.
    pub(crate) domain: Option<Vec<ScalarValue>>,
    /// Days that a date is within, where the query says both ends.
    pub(crate) days: Option<Days>,
    /// Whether the value may be null.
    pub(crate) nullable: bool,
    /// Whether the value, where it is not null, is the pseudonym of the row's person.
    pub(crate) person: bool,
    /// Whether one person has one value of it only.
    pub(crate) constant: bool,
    /// What de-identification did to the columns that it is made of.
    pub(crate) generalised: BTreeSet<String>,
    /// For released values: the same as an expression over the columns of the released cells.
    pub(crate) lineage: Option<Expr>,
}

impl Facts {
    /// What a manifest says of a column.
    pub(crate) fn of_column(column: &ColumnManifest, constant: bool) -> Self {
        let domain = column.domain.as_ref().map(|values| values.iter().map(scalar).collect());
        let note = |what: &String| format!("{}: {what}", column.name);
        Self {
            range: column.bounds.and_then(Range::of_bounds),
            person_total: column.person_total.and_then(Range::of_bounds),
            domain,
            days: None,
            nullable: column.nullable,
            person: false,
            constant,
            generalised: column.generalised.iter().map(note).collect(),
            lineage: None,
        }
    }
}

/// The facts of the columns of a relation, in the order of its schema.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope<'a> {
    pub(crate) schema: &'a DFSchema,
    pub(crate) facts: &'a [Facts],
}

impl Scope<'_> {
    pub(crate) fn column(&self, column: &Column) -> Option<&Facts> {
        self.facts.get(self.schema.maybe_index_of_column(column)?)
    }

    /// The facts of an expression. What is not known is left out, which is always safe.
    pub(crate) fn facts(&self, expr: &Expr) -> Facts {
        let mut facts = self.known(expr);
        if let Some((values, nullable)) = self.image(expr)
            && facts.domain.as_ref().is_none_or(|known| known.len() >= values.len())
        {
            (facts.domain, facts.nullable) = (Some(values), nullable);
        }
        facts
    }

    /// The values of an expression of one date that is within known days.
    fn image(&self, expr: &Expr) -> Option<(Vec<ScalarValue>, bool)> {
        let columns = expr.column_refs();
        let date = columns.iter().next().filter(|_| columns.len() == 1)?;
        let of = self.column(date)?;
        image(expr, self.schema, date, of.days?, of.nullable)
    }

    /// What its parts say of an expression.
    fn known(&self, expr: &Expr) -> Facts {
        let mut facts = self.shape(expr);
        let mut constant = true;
        let mut known = true;
        for column in expr.column_refs() {
            match self.column(column) {
                Some(of) => {
                    constant &= of.constant;
                    facts.generalised.extend(of.generalised.iter().cloned());
                }
                None => known = false,
            }
        }
        facts.constant = constant && known;
        facts.lineage = self.lineage(expr);
        if facts.domain.is_none() {
            let data_type = expr.get_type(self.schema).unwrap_or(DataType::Null);
            facts.domain = facts.range.and_then(|range| enumerate(range, &data_type));
        }
        facts
    }

    /// The expression over the columns of released cells; `None` if it rests on anything else.
    fn lineage(&self, expr: &Expr) -> Option<Expr> {
        let mut complete = true;
        let done = expr.clone().unalias_nested().data.transform_up(|inner| {
            let Expr::Column(column) = &inner else { return Ok(Transformed::no(inner)) };
            match self.column(column).and_then(|facts| facts.lineage.clone()) {
                Some(lineage) => Ok(Transformed::yes(lineage)),
                None => {
                    complete = false;
                    Ok(Transformed::no(inner))
                }
            }
        });
        done.ok().filter(|_| complete).map(|done| done.data)
    }

    /// The facts of several expressions, in their order.
    pub(crate) fn all(&self, exprs: &[Expr]) -> Vec<Facts> {
        exprs.iter().map(|expr| self.facts(expr)).collect()
    }

    fn shape(&self, expr: &Expr) -> Facts {
        let nullable = expr.nullable(self.schema).unwrap_or(true);
        let unknown = Facts { nullable, ..Facts::default() };
        match expr {
            Expr::Alias(alias) => self.known(&alias.expr),
            Expr::Column(column) => self.column(column).cloned().unwrap_or(unknown),
            Expr::Literal(value, _) => literal(value),
            Expr::Cast(cast) => self.converted(&cast.expr, cast.field.data_type()),
            Expr::TryCast(cast) => self.converted(&cast.expr, cast.field.data_type()),
            Expr::Negative(inner) => {
                Facts { range: self.known(inner).range.map(Range::negated), ..unknown }
            }
            Expr::BinaryExpr(binary) => self.binary(binary),
            Expr::Case(case) => self.case(case),
            Expr::ScalarFunction(function) => {
                Facts { nullable, ..self.function(function).unwrap_or_default() }
            }
            _ if expr.get_type(self.schema).is_ok_and(|t| t == DataType::Boolean) => {
                Facts { domain: Some(booleans()), ..unknown }
            }
            _ => unknown,
        }
    }

    fn converted(&self, inner: &Expr, to: &DataType) -> Facts {
        let from = self.known(inner);
        let source = inner.get_type(self.schema).unwrap_or(DataType::Null);
        let domain = from.domain.and_then(|values| {
            values.iter().map(|value| value.cast_to(to).ok()).collect::<Option<Vec<_>>>()
        });
        let numbers = to.is_numeric() && source.is_numeric();
        let range = from.range.filter(|_| numbers).and_then(|range| {
            if to.is_integer() { range.increasing(f64::trunc, 0) } else { Some(range) }
        });
        Facts { range, domain, nullable: true, ..Facts::default() }
    }

    fn binary(&self, binary: &BinaryExpr) -> Facts {
        let (left, right) = (self.known(&binary.left), self.known(&binary.right));
        let integer = |e: &Expr| e.get_type(self.schema).is_ok_and(|t| t.is_integer());
        let integers = integer(&binary.left) && integer(&binary.right);
        let date = |e: &Expr| e.get_type(self.schema).is_ok_and(|t| t == DataType::Date32);
        let dates = date(&binary.left) && date(&binary.right);
        let range = match (left.range, right.range) {
            // All dates are within the calendar, so that no two are further apart than its ends.
            _ if dates && binary.op == Operator::Minus => {
                let days = f64::from(DATE_MAX - DATE_MIN);
                Range::new(-days, days, 0)
            }
            (Some(a), Some(b)) => match binary.op {
                Operator::Plus => a.plus(b),
                Operator::Minus => a.plus(b.negated()),
                Operator::Multiply => a.times(b),
                Operator::Divide => a.over(b, integers),
                Operator::Modulo => remainder(a, b),
                _ => None,
            },
            _ => None,
        };
        // Integers wrap, and then no range holds.
        let is_exact = |r: &Range| r.lower.abs().max(r.upper.abs()) < INTEGER_MAX;
        let range = range.filter(|range| !integers || is_exact(range));
        let logical = compares(binary.op) || binary.op.is_logic_operator();
        // A division is empty where the divisor is zero.
        let divides = matches!(binary.op, Operator::Divide | Operator::Modulo);
        let written = is_written(&binary.right);
        let nullable = left.nullable || right.nullable || (divides && !written);
        Facts { range, nullable, domain: logical.then(booleans), ..Facts::default() }
    }

    fn case(&self, case: &Case) -> Facts {
        let branches: Vec<Facts> = case
            .when_then_expr
            .iter()
            .map(|(_, then)| then)
            .chain(case.else_expr.as_ref())
            .map(|branch| self.known(branch))
            .collect();
        let nullable = case.else_expr.is_none() || branches.iter().any(|branch| branch.nullable);
        Facts { nullable, ..either(&branches) }
    }

    fn function(&self, function: &ScalarFunction) -> Option<Facts> {
        let arguments: Vec<Facts> = function.args.iter().map(|of| self.known(of)).collect();
        let first = arguments.first()?;
        let just = |range: Option<Range>| Some(Facts { range, ..Facts::default() });
        match function.name() {
            "coalesce" => Some(either(&arguments)),
            "nullif" | KEPT => Some(first.clone()),
            "greatest" => just(extreme(&arguments, f64::max)),
            "least" => just(extreme(&arguments, f64::min)),
            "abs" => just(first.range?.magnitude()),
            "floor" => just(first.range?.increasing(f64::floor, 0)),
            "ceil" => just(first.range?.increasing(f64::ceil, 0)),
            "trunc" if arguments.len() == 1 => just(first.range?.increasing(f64::trunc, 0)),
            "round" if arguments.len() == 1 => just(first.range?.increasing(f64::round, 0)),
            "round" => {
                let wide = first.range?;
                just(Range::new(wide.lower - 1.0, wide.upper + 1.0, PRODUCT_DECIMALS))
            }
            "sqrt" => {
                let root = |v: f64| v.max(0.0).sqrt();
                just(first.range?.increasing(root, PRODUCT_DECIMALS))
            }
            "date_part" => just(date_part(function.args.first()?)),
            _ => None,
        }
    }
}

/// What is known of a value that is one of several.
pub(crate) fn either(branches: &[Facts]) -> Facts {
    let nothing = |facts: &Facts| matches!(&facts.domain, Some(values) if values.is_empty());
    let some: Vec<&Facts> = branches.iter().filter(|branch| !nothing(branch)).collect();
    let range = some.iter().map(|branch| branch.range).reduce(|a, b| a?.union(b?)).flatten();
    let domain: Option<Vec<Vec<ScalarValue>>> =
        some.iter().map(|branch| branch.domain.clone()).collect();
    let domain = domain.map(|values| sorted(values.into_iter().flatten().collect()));
    let nullable = branches.iter().all(|branch| branch.nullable);
    Facts { range, domain, nullable, ..Facts::default() }
}

/// In order, without repeats.
pub(crate) fn sorted(mut values: Vec<ScalarValue>) -> Vec<ScalarValue> {
    values.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    values.dedup();
    values
}

fn literal(value: &ScalarValue) -> Facts {
    let number = value.cast_to(&DataType::Float64).ok();
    let range = match (value.data_type().is_numeric(), number) {
        (true, Some(ScalarValue::Float64(Some(number)))) => Range::point(number),
        _ => None,
    };
    let domain = if value.is_null() { vec![] } else { vec![value.clone()] };
    Facts { range, domain: Some(domain), nullable: value.is_null(), ..Facts::default() }
}

fn extreme(arguments: &[Facts], pick: fn(f64, f64) -> f64) -> Option<Range> {
    // A null argument is passed over, so every argument may be the result.
    let mut ranges = arguments.iter().map(|argument| argument.range);
    let known: Vec<Range> = ranges.by_ref().flatten().collect();
    let decimals = known.iter().map(|range| range.decimals).max()?;
    if known.len() == arguments.len() && arguments.iter().all(|argument| !argument.nullable) {
        let lower = known.iter().map(|range| range.lower).reduce(pick)?;
        let upper = known.iter().map(|range| range.upper).reduce(pick)?;
        return Range::new(lower, upper, decimals);
    }
    if known.len() < arguments.len() {
        return None;
    }
    known.into_iter().map(Some).reduce(|a, b| a?.union(b?)).flatten()
}

/// Whether an operator compares two values, and so yields true, false or null.
pub(crate) const fn compares(op: Operator) -> bool {
    use Operator::{
        Eq, Gt, GtEq, ILikeMatch, IsDistinctFrom, IsNotDistinctFrom, LikeMatch, Lt, LtEq, NotEq,
        NotILikeMatch, NotLikeMatch, RegexIMatch, RegexMatch, RegexNotIMatch, RegexNotMatch,
    };
    matches!(
        op,
        Eq | NotEq
            | Lt
            | LtEq
            | Gt
            | GtEq
            | IsDistinctFrom
            | IsNotDistinctFrom
            | RegexMatch
            | RegexIMatch
            | RegexNotMatch
            | RegexNotIMatch
            | LikeMatch
            | ILikeMatch
            | NotLikeMatch
            | NotILikeMatch
    )
}

/// Whether a divisor is a literal other than zero.
fn is_written(divisor: &Expr) -> bool {
    let Expr::Literal(value, _) = divisor else { return false };
    let zero = ScalarValue::new_zero(&value.data_type());
    !value.is_null() && zero.is_ok_and(|zero| zero != *value)
}

/// Integers below it in size are exact, also as floats' neighbours.
const INTEGER_MAX: f64 = 4_611_686_018_427_387_904.0;

fn remainder(a: Range, b: Range) -> Option<Range> {
    let most = (b.lower.abs().max(b.upper.abs()) - 1.0).max(0.0);
    let lower = if a.lower >= 0.0 { 0.0 } else { -most };
    if a.decimals > 0 || b.decimals > 0 {
        return None;
    }
    Range::new(lower, most, 0)
}

fn date_part(part: &Expr) -> Option<Range> {
    let Expr::Literal(value, _) = part else { return None };
    let (lower, upper) = match value.try_as_str()??.to_ascii_lowercase().as_str() {
        "year" => (1850.0, 2150.0),
        "quarter" => (1.0, 4.0),
        "month" => (1.0, 12.0),
        "week" => (1.0, 53.0),
        "day" => (1.0, 31.0),
        "dow" => (0.0, 6.0),
        "doy" => (1.0, 366.0),
        _ => return None,
    };
    Range::new(lower, upper, 0)
}

/// Every integer of a range, where they are few enough to be shown with their zeros.
fn enumerate(range: Range, data_type: &DataType) -> Option<Vec<ScalarValue>> {
    if range.decimals > 0 || !data_type.is_numeric() {
        return None;
    }
    let (lower, upper) = (whole(range.lower.ceil())?, whole(range.upper.floor())?);
    if upper.checked_sub(lower)? >= ENUMERATED_MAX {
        return None;
    }
    (lower..=upper).map(|i| ScalarValue::Int64(Some(i)).cast_to(data_type).ok()).collect()
}

fn booleans() -> Vec<ScalarValue> {
    vec![ScalarValue::Boolean(Some(false)), ScalarValue::Boolean(Some(true))]
}

fn scalar(value: &KeyValue) -> ScalarValue {
    match value {
        KeyValue::Integer(value) => ScalarValue::Int64(Some(*value)),
        KeyValue::Text(value) => ScalarValue::Utf8(Some(value.clone())),
    }
}

/// Most integers of a bounded key that are shown with their zeros: more than the years of birth of
/// the living, fewer than the years that a date may have.
const ENUMERATED_MAX: i64 = 250;

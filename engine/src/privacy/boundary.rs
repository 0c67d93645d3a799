//! The boundary: an aggregate over persons' rows that is not grouped by the person.
//!
//! # Privacy
//! Neighbours differ in all rows of one person. The contributions plan yields one row per person
//! and group, made from that person's rows alone. A person keeps at most `groups_max` groups, and
//! in each every column is clamped to `lower..=upper`, with `lower ≤ 0 ≤ upper`; a person who is
//! absent adds 0. So adding or removing a person moves at most `groups_max` cells of a column by
//! at most [`Contribution::sensitivity`] each.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{Column, ScalarValue, TableReference};
use datafusion::functions::core::expr_fn::{coalesce, greatest};
use datafusion::functions_aggregate::expr_fn::sum;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{
    Aggregate, Expr, ExprSchemable, LogicalPlan, Projection, cast, lit, when,
};

use crate::error::{Code, Rejection};
use crate::privacy::facts::Facts;
use crate::privacy::grid::to_grid;
use crate::privacy::range::Range;
use crate::privacy::relation::{Analysis, Kind, Relation, column_of, named, unplanned};
use crate::privacy::released::ReleasedTable;

/// One private aggregate.
#[derive(Debug)]
pub(crate) struct Boundary {
    /// Columns: the person, the keys, the contributions as 64-bit integers; one row per person
    /// and group.
    pub(crate) contributions: LogicalPlan,
    pub(crate) keys: Vec<Key>,
    pub(crate) columns: Vec<Contribution>,
    /// Most groups that a person counts in; at least 1.
    pub(crate) groups_max: u64,
    /// The column of [`Boundary::columns`] that counts persons, where keys are not declared.
    pub(crate) persons: Option<usize>,
}

/// One key of the groups.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) data_type: DataType,
    /// All values, null included where it may be; `None` if they are not publicly known.
    pub(crate) domain: Option<Vec<ScalarValue>>,
}

/// One column to be noised.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Contribution {
    /// What it is, for people and receipts.
    pub(crate) label: String,
    /// Clamp of one person's total in one group, in steps of the grid; `lower ≤ 0 ≤ upper`.
    pub(crate) lower: i64,
    pub(crate) upper: i64,
    /// A step of the grid is 10^-decimals.
    pub(crate) decimals: u8,
    /// Whether SQL sees whole numbers.
    pub(crate) integer: bool,
    row: Expr,
    /// For a sum that an average is made of: the column that counts its rows. A person with more
    /// rows than count has the sum scaled down to those that do.
    count: Option<usize>,
}

impl Contribution {
    /// Most that one person can move one cell, in steps of the grid; at least 1.
    pub(crate) fn sensitivity(&self) -> u64 {
        self.lower.unsigned_abs().max(self.upper.unsigned_abs()).max(1)
    }
}

impl Analysis<'_> {
    pub(crate) fn aggregate(&mut self, aggregate: &Aggregate) -> Result<Relation, Rejection> {
        let input = self.relation(&aggregate.input)?;
        let Kind::PerPerson { units, rows_max } = &input.kind else {
            let plan = LogicalPlan::Aggregate(aggregate.clone());
            return self.after(&plan, vec![input], false);
        };
        if aggregate.group_expr.iter().any(|e| matches!(e, Expr::GroupingSet(_))) {
            return Err(Rejection::new(
                Code::Operator,
                "ROLLUP, CUBE and GROUPING SETS have no rule yet",
            )
            .hint("ask one GROUP BY at a time"));
        }
        let is_unit = |expr: &Expr| column_of(expr).is_some_and(|c| units.contains(c));
        if aggregate.group_expr.iter().any(is_unit) {
            return self.within_person(aggregate, input);
        }
        let rows = self.bounds.rows_per_person.map_or(*rows_max, u64::from).max(1);
        let unit = units[0].clone();
        let mut keys = Vec::new();
        let mut steady = true;
        for (i, expr) in aggregate.group_expr.iter().enumerate() {
            let expr = self.row_expr(expr, &input)?;
            let facts = input.scope().facts(&expr);
            if facts.person {
                return Err(Rejection::new(Code::Rows, "the person is a key of the result")
                    .hint("group by a property of persons, or count them"));
            }
            steady &= facts.constant;
            keys.push((self.key(i, &expr, &facts, &input)?, expr));
        }
        let mut columns = Columns { rows, found: Vec::new() };
        let mut outputs = Vec::new();
        for expr in &aggregate.aggr_expr {
            outputs.push(columns.output(self, expr, &input)?);
        }
        let mut columns = columns.found;
        if columns.is_empty() {
            return Err(Rejection::new(Code::Aggregate, "the groups have no aggregate")
                .hint("add COUNT(*), or COUNT(DISTINCT person_id)"));
        }
        let single = keys.is_empty() || steady;
        let cells = keys
            .iter()
            .try_fold(1u64, |cells, (key, _)| cells.checked_mul(key.domain.as_ref()?.len() as u64));
        // Past that many cells zeros are no help: keys are shown above a threshold instead.
        let cells = cells.filter(|cells| *cells <= CELLS_MAX);
        let declared = cells.is_some();
        let wanted = self.bounds.groups_per_person.map_or(GROUPS_PER_PERSON, u64::from).max(1);
        let groups_max = if single { 1 } else { wanted.min(cells.unwrap_or(u64::MAX).max(1)) };
        let persons = if declared { None } else { Some(persons_column(&mut columns)) };
        let contributions = contributions(&input, &unit, &keys, &columns)?;
        let keys: Vec<Key> = keys.into_iter().map(|(key, _)| key).collect();
        let index = self.boundaries.len();
        self.boundaries.push(Boundary { contributions, keys, columns, groups_max, persons });
        self.released(index, aggregate, &outputs)
    }

    fn key(
        &self,
        index: usize,
        expr: &Expr,
        facts: &Facts,
        input: &Relation,
    ) -> Result<Key, Rejection> {
        let data_type = expr.get_type(input.plan.schema()).map_err(unplanned)?;
        let domain = match &facts.domain {
            Some(values) => {
                let cast = values.iter().map(|value| value.cast_to(&data_type));
                let mut values = cast.collect::<Result<Vec<_>, _>>().map_err(unplanned)?;
                if facts.nullable {
                    values.insert(0, ScalarValue::try_from(&data_type).map_err(unplanned)?);
                }
                Some(values)
            }
            None => None,
        };
        Ok(Key { name: format!("k{index}"), data_type, domain })
    }

    /// The noisy cells as a table, under the names that the aggregate's columns had.
    fn released(
        &mut self,
        index: usize,
        aggregate: &Aggregate,
        outputs: &[Expr],
    ) -> Result<Relation, Rejection> {
        let table = ReleasedTable::new(index, &self.boundaries[index]);
        let keys = self.boundaries[index].keys.iter().map(|key| table.column(&key.name));
        let exprs: Vec<Expr> = keys.chain(outputs.iter().cloned()).collect();
        let scan = table.scan().map_err(unplanned)?;
        let facts = scan
            .schema()
            .iter()
            .map(|(qualifier, field)| Facts {
                nullable: field.is_nullable(),
                lineage: Some(Expr::Column(Column::new(qualifier.cloned(), field.name()))),
                ..Facts::default()
            })
            .collect();
        let cells = vec![table.cell()];
        let input = Relation { plan: scan, facts, kind: Kind::Released { cells } };
        let exprs = exprs
            .into_iter()
            .zip(aggregate.schema.iter())
            .map(|(expr, (qualifier, field))| named(expr, qualifier, field.name()))
            .collect();
        self.projected(input, exprs)
    }
}

/// Collects the noisy columns that the aggregates of one boundary need, each once.
struct Columns {
    rows: u64,
    found: Vec<Contribution>,
}

impl Columns {
    /// The aggregate as an expression over the released columns `a0`, `a1`, …
    fn output(
        &mut self,
        analysis: &mut Analysis<'_>,
        expr: &Expr,
        input: &Relation,
    ) -> Result<Expr, Rejection> {
        let function = match expr.clone().unalias() {
            Expr::AggregateFunction(function) => function,
            other => {
                let reason = format!("{} is no aggregate", other.schema_name());
                return Err(Rejection::new(Code::Aggregate, reason));
            }
        };
        let index = analysis.boundaries.len();
        let AggregateFunction { func, params } = &function;
        let filter = match &params.filter {
            Some(filter) => Some(analysis.argument(filter, input)?),
            None => None,
        };
        let mut args = Vec::with_capacity(params.args.len());
        for arg in &params.args {
            args.push(analysis.argument(arg, input)?);
        }
        let plain = params.order_by.is_empty() && params.null_treatment.is_none();
        let asked = |argument: &Expr| Asked {
            label: label(expr),
            argument: argument.clone(),
            facts: input.scope().facts(argument),
            filter,
            boundary: index,
        };
        match (func.name(), args.as_slice(), params.distinct) {
            ("count", [argument], true) if input.scope().facts(argument).person => {
                Ok(self.persons(asked(argument)))
            }
            ("count", [argument], false) if plain => self.count(asked(argument)),
            ("sum", [argument], false) if plain => {
                let kind = argument.get_type(input.plan.schema()).map_err(unplanned)?;
                self.sum(asked(argument), kind.is_integer())
            }
            ("avg", [argument], false) if plain => self.average(asked(argument)),
            ("count", _, true) => Err(Rejection::new(
                Code::Aggregate,
                "COUNT(DISTINCT …) of anything but the person has no rule yet",
            )
            .at("DISTINCT")
            .hint("COUNT(DISTINCT person_id) is answered")),
            (name, ..) => {
                Err(Rejection::new(Code::Aggregate, format!("{name} has no private form yet"))
                    .at(name)
                    .hint("COUNT, SUM and AVG are answered"))
            }
        }
    }

    /// `COUNT(DISTINCT person)`: one person counts once.
    fn persons(&mut self, asked: Asked) -> Expr {
        let argument = Some(asked.argument).filter(|_| asked.facts.nullable);
        let row = counted(argument, asked.filter);
        let column = self.add(asked.label, row, (0, 1), 0, true);
        released(asked.boundary, column)
    }

    /// `COUNT(*)` or `COUNT(x)`.
    fn count(&mut self, asked: Asked) -> Result<Expr, Rejection> {
        let row = counted(Some(asked.argument), asked.filter);
        let column = self.add(asked.label, row, (0, steps(self.rows)?), 0, true);
        Ok(released(asked.boundary, column))
    }

    fn sum(&mut self, asked: Asked, integer: bool) -> Result<Expr, Rejection> {
        let range = asked.bounded()?;
        let row = asked.on_grid(range, 0)?;
        let clamp = self.total_of(range, asked.facts.person_total, &asked.label)?;
        let column = self.add(asked.label, row, clamp, range.decimals, integer);
        Ok(released(asked.boundary, column))
    }

    /// The middle of the range, plus the sum of differences from it over the count: half the
    /// sensitivity of a plain sum.
    fn average(&mut self, asked: Asked) -> Result<Expr, Rejection> {
        let range = asked.bounded()?;
        let wide = || too_wide(&asked.label);
        let (low, high) = range.steps().ok_or_else(wide)?;
        let middle = low + (high - low) / 2;
        let most = (high - middle).max(middle - low).max(1);
        let rows = steps(self.rows)?;
        let most = most.checked_mul(rows).ok_or_else(wide)?;
        let row = asked.on_grid(range, middle)?;
        let count = counted(Some(asked.argument.clone()), asked.filter.clone());
        let label = format!("{} (count)", asked.label);
        let count = self.add(label, count, (0, rows), 0, true);
        let label = format!("{} (centred sum)", asked.label);
        let sums = self.add(label, row, (-most, most), range.decimals, false);
        self.found[sums].count = Some(count);
        let middle = middle as f64 / 10f64.powi(i32::from(range.decimals));
        let count = cast(released(asked.boundary, count), DataType::Float64);
        let sums = released(asked.boundary, sums);
        when(count.clone().gt(lit(0.0)), lit(middle) + sums / count).end().map_err(unplanned)
    }

    /// Clamp of one person's total: what the policy declares, or rows times the row's bounds.
    fn total_of(
        &self,
        range: Range,
        declared: Option<Range>,
        label: &str,
    ) -> Result<(i64, i64), Rejection> {
        let (low, high) = range.steps().ok_or_else(|| too_wide(label))?;
        let rows = steps(self.rows)?;
        let lower = low.min(0).checked_mul(rows).ok_or_else(|| too_wide(label))?;
        let upper = high.max(0).checked_mul(rows).ok_or_else(|| too_wide(label))?;
        match declared.filter(|d| d.decimals == range.decimals).and_then(Range::steps) {
            Some((least, most)) => Ok((lower.max(least.min(0)), upper.min(most.max(0)))),
            None => Ok((lower, upper)),
        }
    }

    fn add(
        &mut self,
        label: String,
        row: Expr,
        (lower, upper): (i64, i64),
        decimals: u8,
        integer: bool,
    ) -> usize {
        let same = |c: &Contribution| {
            (&c.row, c.lower, c.upper, c.decimals, c.count) == (&row, lower, upper, decimals, None)
        };
        if let Some(index) = self.found.iter().position(same) {
            return index;
        }
        self.found.push(Contribution { label, lower, upper, decimals, integer, row, count: None });
        self.found.len() - 1
    }
}

/// The aggregate as it was written, near enough.
fn label(expr: &Expr) -> String {
    let shown = expr.clone().unalias_nested().data.human_display().to_string();
    if shown.eq_ignore_ascii_case("count(1)") { "count(*)".to_owned() } else { shown }
}

/// The column that counts persons, for the threshold: an existing one, or one more.
fn persons_column(columns: &mut Vec<Contribution>) -> usize {
    let row = counted(None, None);
    if let Some(index) = columns.iter().position(|c| c.row == row && c.upper == 1) {
        return index;
    }
    let label = "persons".to_owned();
    columns.push(Contribution {
        label,
        lower: 0,
        upper: 1,
        decimals: 0,
        integer: true,
        row,
        count: None,
    });
    columns.len() - 1
}

/// 1 for a row that counts, 0 for one that does not.
fn counted(argument: Option<Expr>, filter: Option<Expr>) -> Expr {
    let present = argument.filter(|a| !matches!(a, Expr::Literal(v, _) if !v.is_null()));
    let present = present.map(Expr::is_not_null);
    let condition = match (present, filter) {
        (Some(present), Some(filter)) => present.and(filter.is_true()),
        (Some(present), None) => present,
        (None, Some(filter)) => filter.is_true(),
        (None, None) => return lit(1i64),
    };
    when(condition, lit(1i64)).otherwise(lit(0i64)).unwrap_or_else(|_| lit(0i64))
}

/// One aggregate that is asked for.
struct Asked {
    label: String,
    argument: Expr,
    facts: Facts,
    filter: Option<Expr>,
    boundary: usize,
}

impl Asked {
    /// The row's value on the grid less `middle`, 0 where it is null or filtered out.
    fn on_grid(&self, range: Range, middle: i64) -> Result<Expr, Rejection> {
        let value = to_grid(self.argument.clone(), range).ok_or_else(|| too_wide(&self.label))?;
        let value = if middle == 0 { value } else { value - lit(middle) };
        let value = coalesce(vec![value, lit(0i64)]);
        match &self.filter {
            Some(filter) => {
                when(filter.clone().is_true(), value).otherwise(lit(0i64)).map_err(unplanned)
            }
            None => Ok(value),
        }
    }

    /// The public range of the argument.
    fn bounded(&self) -> Result<Range, Rejection> {
        self.facts.range.ok_or_else(|| {
            let shown = self.argument.schema_name().to_string();
            let column = self.argument.column_refs().into_iter().next();
            let reason = format!("{} adds up values without public bounds", self.label);
            Rejection::new(Code::Unbounded, reason)
                .at(column.map_or(String::new(), |column| column.name.clone()))
                .hint(format!(
                    "bound it: WHERE {shown} BETWEEN low AND high, or declare bounds in the policy"
                ))
        })
    }
}

/// A noisy column of a boundary.
fn released(boundary: usize, column: usize) -> Expr {
    ReleasedTable::column_of(boundary, &format!("a{column}"))
}

fn too_wide(label: &str) -> Rejection {
    Rejection::new(Code::Unbounded, format!("the bounds of {label} are too wide for its grid"))
        .hint("narrow them: WHERE x BETWEEN low AND high, or give fewer rows per person")
}

fn steps(rows: u64) -> Result<i64, Rejection> {
    i64::try_from(rows)
        .map_err(|_| Rejection::new(Code::Epsilon, "rows per person is out of range"))
}

/// One row per person and group: the sums of the rows' contributions.
fn contributions(
    input: &Relation,
    unit: &Column,
    keys: &[(Key, Expr)],
    columns: &[Contribution],
) -> Result<LogicalPlan, Rejection> {
    let mut exprs = vec![Expr::Column(unit.clone()).alias(PERSON)];
    exprs.extend(keys.iter().map(|(key, expr)| expr.clone().unalias().alias(&key.name)));
    exprs.extend(columns.iter().enumerate().map(|(i, c)| c.row.clone().alias(format!("v{i}"))));
    let rows = Projection::try_new(exprs, Arc::new(input.plan.clone())).map_err(unplanned)?;
    let column = |name: &str| Expr::Column(Column::new(None::<TableReference>, name));
    let group =
        std::iter::once(column(PERSON)).chain(keys.iter().map(|(key, _)| column(&key.name)));
    let sums = (0..columns.len()).map(|i| sum(column(&format!("v{i}"))));
    let rows = Arc::new(LogicalPlan::Projection(rows));
    let group: Vec<Expr> = group.collect();
    let kept = group.len();
    let plan = Aggregate::try_new(rows, group, sums.collect()).map_err(unplanned)?;
    let plan = LogicalPlan::Aggregate(plan);
    let output = |i: usize| Expr::Column(Column::from(plan.schema().qualified_field(i)));
    let scaled = columns.iter().enumerate().map(|(i, column)| match column.count {
        Some(count) => scaled(output(kept + i), &output(kept + count), columns[count].upper),
        None => Ok(output(kept + i)),
    });
    let totals = scaled.enumerate().map(|(i, total)| Ok(total?.alias(format!("t{i}"))));
    let exprs = (0..kept).map(|i| Ok(output(i))).chain(totals).collect::<Result<_, Rejection>>()?;
    let plan = Projection::try_new(exprs, Arc::new(plan.clone())).map_err(unplanned)?;
    Ok(LogicalPlan::Projection(plan))
}

/// `total · rows / count` where `count` is more than `rows`, in integers, towards zero: no step of
/// it is larger than the total was.
fn scaled(total: Expr, count: &Expr, rows: i64) -> Result<Expr, Rejection> {
    // Never divided by zero, in whatever order the parts are computed.
    let by = greatest(vec![count.clone(), lit(1i64)]);
    let (whole, rest) = (total.clone() / by.clone(), total.clone() % by.clone());
    let fewer = whole * lit(rows) + rest * lit(rows) / by;
    when(count.clone().gt(lit(rows)), fewer).otherwise(total).map_err(unplanned)
}

/// The person's column in the contributions.
const PERSON: &str = "__graunt_person";

/// Most cells of declared keys that are shown with their zeros.
const CELLS_MAX: u64 = 100_000;

/// Groups per person where neither the query nor the keys say: most persons have fewer distinct
/// conditions or drugs in a year, and the noise grows with the root of it.
const GROUPS_PER_PERSON: u64 = 10;

//! From the aggregates of a query to the noisy columns that they are computed from.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{Expr, cast, lit, when};

use crate::error::{Code, Rejection};
use crate::privacy::asked::{Asked, asked, thousandths, too_wide};
use crate::privacy::candidates::{Candidates, to_bin};
use crate::privacy::contributions::{Bound, Contribution, Nested, NestedKind, Rank, Shape, Target};
use crate::privacy::marked::{Marks, unmarked};
use crate::privacy::moments::{Spread, Together};
use crate::privacy::range::{Range, whole};
use crate::privacy::relation::{Analysis, unplanned};
use crate::privacy::released::ReleasedTable;

/// Collects the noisy columns that the aggregates of one boundary need, each once.
pub(crate) struct Columns<'a> {
    /// Most rows of a person that count.
    pub(crate) rows: u64,
    /// Whether that was asked for; if not, bounds are chosen privately.
    pub(crate) is_given: bool,
    /// The boundary's number.
    pub(crate) boundary: usize,
    pub(crate) shape: Shape<'a>,
    pub(crate) found: Vec<Contribution>,
    pub(crate) nested: Vec<Nested>,
}

impl Columns<'_> {
    /// The aggregate as an expression over the released columns.
    pub(crate) fn output(
        &mut self,
        analysis: &mut Analysis<'_>,
        expr: &Expr,
    ) -> Result<Expr, Rejection> {
        let input = self.shape.input;
        let function = match expr.clone().unalias() {
            Expr::AggregateFunction(function) => function,
            other => {
                let reason = format!("{} is no aggregate", other.schema_name());
                return Err(Rejection::new(Code::Aggregate, reason));
            }
        };
        let AggregateFunction { func, params } = &function;
        let filter = match &params.filter {
            Some(filter) => Some(analysis.argument(filter, input)?),
            None => None,
        };
        let mut marks = Marks::default();
        let mut args = Vec::with_capacity(params.args.len());
        for arg in &params.args {
            let arg = unmarked(arg, &mut marks)?;
            args.push(asked(analysis, arg, expr, filter.clone(), input)?);
        }
        for arg in &mut args {
            arg.marked(&marks);
        }
        if params.null_treatment.is_some() {
            return Err(no_form(func.name()));
        }
        let name = func.name();
        match (name, args.len(), params.distinct) {
            ("median" | "approx_median" | "percentile_cont" | "approx_percentile_cont", ..) => {
                let thousandths = match args.get(1) {
                    _ if name.ends_with("median") => Some(500),
                    Some(fraction) => thousandths(&fraction.argument, &params.order_by),
                    None => None,
                };
                let Some(thousandths) = thousandths else {
                    return Err(Rejection::new(
                        Code::Aggregate,
                        "the fraction of a percentile is not a written-out number from 0 to 1",
                    )
                    .at(name));
                };
                self.quantile(args.swap_remove(0), Rank::Thousandths(thousandths))
            }
            _ if !params.order_by.is_empty() => Err(no_form(name)),
            ("count", 1, true) if args[0].facts.person => Ok(self.persons(args.remove(0))),
            ("count", 1, true) => self.distinct(args.remove(0)),
            ("min" | "max", 1, _) => {
                let rank = if name == "min" { Rank::Least } else { Rank::Greatest };
                self.quantile(args.remove(0), rank)
            }
            ("count", 1, false) => self.count(args.remove(0)),
            ("sum", 1, false) => self.sum(args.remove(0)),
            ("avg", 1, false) => self.average(args.remove(0)),
            ("var" | "var_pop" | "stddev" | "stddev_pop", 1, false) => {
                self.spread(args.remove(0), Spread::named(name))
            }
            ("covar_samp" | "covar_pop" | "corr", 2, false) => {
                let second = args.remove(1);
                self.together(args.remove(0), second, Together::named(name))
            }
            _ => Err(no_form(name)),
        }
    }

    /// `COUNT(DISTINCT person)`: one person counts once.
    fn persons(&mut self, asked: Asked) -> Expr {
        let argument = Some(asked.argument).filter(|_| asked.facts.nullable);
        let row = counted(argument, asked.filter);
        let column = self.add(Contribution {
            weight: asked.marks.weight(),
            bound: Bound::Clamp,
            ..count_of(asked.label, row, 1)
        });
        self.released(column)
    }

    /// `COUNT(DISTINCT x)`: a person adds so many values to a group.
    fn distinct(&mut self, asked: Asked) -> Result<Expr, Rejection> {
        let few = asked.facts.domain.as_ref().map_or(u64::MAX, |d| d.len() as u64).max(1);
        let default = if self.is_given { self.rows } else { self.rows.min(VALUES_PER_PERSON) };
        let most = default.min(few).max(1);
        let plan = self.shape.values(asked.argument.clone(), asked.filter.clone())?;
        let column = Contribution {
            weight: asked.marks.weight(),
            bound: Bound::Clamp,
            ..count_of(asked.label.clone(), lit(0i64), steps(most)?)
        };
        // Not shared with any other column: its rows add nothing by themselves.
        self.found.push(column);
        let column = self.found.len() - 1;
        let kind = NestedKind::Distinct { column };
        self.nested.push(Nested { label: asked.label, contributions: plan, most, kind });
        Ok(self.released(column))
    }

    /// `COUNT(*)` or `COUNT(x)`.
    fn count(&mut self, asked: Asked) -> Result<Expr, Rejection> {
        let weight = asked.marks.weight();
        let argument = Some(asked.argument);
        let given = asked.marks.total.and_then(|total| whole(total.upper.max(1.0).ceil()));
        let Some(most) = given else {
            let rows = self.rows;
            let column = self.counting(asked.label, argument, asked.filter, rows, weight)?;
            return Ok(self.released(column));
        };
        let row = counted(argument, asked.filter);
        let column = self.add(Contribution { weight, ..count_of(asked.label, row, most) });
        Ok(self.released(column))
    }

    /// The column that counts rows.
    pub(crate) fn counting(
        &mut self,
        label: String,
        argument: Option<Expr>,
        filter: Option<Expr>,
        rows: u64,
        weight: f64,
    ) -> Result<usize, Rejection> {
        let row = counted(argument, filter);
        let bound = self.bound(rows, false);
        Ok(self.add(Contribution { weight, bound, ..count_of(label, row, steps(rows)?) }))
    }

    fn sum(&mut self, asked: Asked) -> Result<Expr, Rejection> {
        let range = asked.bounded()?;
        let row = asked.on_grid(range, 0)?;
        let (lower, upper) = self.total_of(range, asked.facts.person_total, &asked.label)?;
        let most = lower.unsigned_abs().max(upper.unsigned_abs());
        let given = asked.marks.total.is_some();
        let bound = if given { Bound::Clamp } else { self.bound(most, range.decimals > 0) };
        let column = self.add(Contribution {
            label: asked.label,
            lower,
            upper,
            decimals: range.decimals,
            integer: asked.integer,
            weight: asked.marks.weight(),
            bound,
            row,
            count: None,
        });
        Ok(self.released(column))
    }

    /// The middle of the range, plus the sum of differences from it over the count: half the
    /// sensitivity of a plain sum. Never outside of the range.
    fn average(&mut self, asked: Asked) -> Result<Expr, Rejection> {
        let range = asked.bounded()?;
        let (low, high) = range.steps().ok_or_else(|| too_wide(&asked.label))?;
        let middle = low + (high - low) / 2;
        let weight = asked.marks.weight();
        let label = format!("{} (count)", asked.label);
        let count = self.counting(
            label,
            Some(asked.argument.clone()),
            asked.filter.clone(),
            self.rows,
            weight * COUNT_SHARE,
        )?;
        let row = asked.on_grid(range, middle)?;
        let most = (high - middle).max(middle - low).max(1);
        let label = format!("{} (centred sum)", asked.label);
        let weight = weight * (1.0 - COUNT_SHARE);
        let sums = self.linked(label, row, most, range.decimals, count, weight)?;
        let middle = middle as f64 / 10f64.powi(i32::from(range.decimals));
        let count = cast(self.released(count), DataType::Float64);
        let mean = lit(middle) + self.released(sums) / count.clone();
        let least = datafusion::functions::core::expr_fn::least(vec![mean, lit(range.upper)]);
        let within = datafusion::functions::core::expr_fn::greatest(vec![least, lit(range.lower)]);
        when(count.gt(lit(0.0)), within).end().map_err(unplanned)
    }

    /// A sum whose rows are counted by another column, and that is scaled down with it.
    pub(crate) fn linked(
        &mut self,
        label: String,
        row: Expr,
        most: i64,
        decimals: u8,
        count: usize,
        weight: f64,
    ) -> Result<usize, Rejection> {
        let rows = self.found[count].upper;
        let total = most.checked_mul(rows).ok_or_else(|| too_wide(&label))?;
        let bound = match &self.found[count].bound {
            Bound::Norm(_) => Bound::Linked { anchor: count, row: most.unsigned_abs() },
            _ => Bound::Clamp,
        };
        Ok(self.add(Contribution {
            label,
            lower: -total,
            upper: total,
            decimals,
            integer: false,
            weight,
            bound,
            row,
            count: Some(count),
        }))
    }

    /// A quantile among public candidates.
    fn quantile(&mut self, asked: Asked, rank: Rank) -> Result<Expr, Rejection> {
        let range = asked.bounded()?;
        let candidates = Candidates::of(range).ok_or_else(|| too_wide(&asked.label))?;
        let candidates = Arc::new(candidates);
        let value = to_bin(asked.argument.clone(), &candidates);
        let contributions = self.shape.values(value, asked.filter.clone())?;
        let place: usize = self.nested.iter().map(quantiles).sum();
        let target = Target { label: asked.label.clone(), place, rank, integer: asked.integer };
        let shown = contributions.display_indent().to_string();
        let same = |nested: &&mut Nested| match &nested.kind {
            NestedKind::Quantiles { candidates: others, .. } => {
                **others == *candidates
                    && nested.contributions.display_indent().to_string() == shown
            }
            NestedKind::Distinct { .. } => false,
        };
        if let Some(nested) = self.nested.iter_mut().find(same) {
            if let NestedKind::Quantiles { targets, .. } = &mut nested.kind {
                targets.push(target);
            }
        } else {
            let default = if self.is_given { self.rows } else { self.rows.min(QUANTILE_ROWS) };
            let kind = NestedKind::Quantiles { candidates, targets: vec![target] };
            let label = asked.label;
            self.nested.push(Nested { label, contributions, most: default.max(1), kind });
        }
        Ok(ReleasedTable::column_of(self.boundary, &format!("q{place}")))
    }

    /// Clamp of one person's total: what the query or the policy declares, or rows times the row's
    /// bounds.
    fn total_of(
        &self,
        range: Range,
        declared: Option<Range>,
        label: &str,
    ) -> Result<(i64, i64), Rejection> {
        let (low, high) = range.steps().ok_or_else(|| too_wide(label))?;
        let rows = steps(self.rows)?;
        let lower = low.min(0).saturating_mul(rows);
        let upper = high.max(0).saturating_mul(rows);
        let step = 10f64.powi(i32::from(range.decimals));
        let declared = declared.and_then(|d| {
            let range = Range::new(d.lower * step, d.upper * step, 0)?;
            range.steps()
        });
        let (lower, upper) = match declared {
            Some((least, most)) => (lower.max(least.min(0)), upper.min(most.max(0))),
            None => (lower, upper),
        };
        let fits = lower > -TOTAL_MAX && upper < TOTAL_MAX;
        if fits { Ok((lower, upper)) } else { Err(too_wide(label)) }
    }

    /// How totals of at most `most` are bounded.
    fn bound(&self, most: u64, fractions: bool) -> Bound {
        if self.is_given || most <= FEW || (self.rows <= FEW && !fractions) {
            return Bound::Clamp;
        }
        Bound::Norm(ladder(most))
    }

    /// The column, as it is found already or new.
    pub(crate) fn add(&mut self, column: Contribution) -> usize {
        let same = |c: &Contribution| {
            (&c.row, c.lower, c.upper, c.decimals)
                == (&column.row, column.lower, column.upper, column.decimals)
                && (c.count, &c.bound) == (column.count, &column.bound)
                && c.row != lit(0i64)
        };
        if let Some(index) = self.found.iter().position(same) {
            let found = &mut self.found[index];
            found.weight = found.weight.max(column.weight);
            return index;
        }
        self.found.push(column);
        self.found.len() - 1
    }

    /// A noisy column of this boundary.
    pub(crate) fn released(&self, column: usize) -> Expr {
        ReleasedTable::column_of(self.boundary, &format!("a{column}"))
    }
}

/// The column that counts persons, for keys: an existing one, or one more.
pub(crate) fn persons_column(columns: &mut Vec<Contribution>) -> usize {
    let row = counted(None, None);
    if let Some(index) = columns.iter().position(|c| c.row == row && c.upper == 1) {
        return index;
    }
    columns.push(Contribution { weight: KEYS_SHARE, ..count_of("persons".to_owned(), row, 1) });
    columns.len() - 1
}

fn count_of(label: String, row: Expr, upper: i64) -> Contribution {
    Contribution {
        label,
        lower: 0,
        upper,
        decimals: 0,
        integer: true,
        weight: 1.0,
        bound: Bound::Clamp,
        row,
        count: None,
    }
}

/// 1 for a row that counts, 0 for one that does not.
pub(crate) fn counted(argument: Option<Expr>, filter: Option<Expr>) -> Expr {
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

/// Lets every column choose its norm up to what the most groups of a person can come to, so that
/// the greatest norm cuts nobody off.
pub(crate) fn widen(columns: &mut [Contribution], groups: u64) {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the root of a number of groups"
    )]
    let root = (groups as f64).sqrt().ceil() as u64;
    for column in columns {
        if let Bound::Norm(rungs) = &mut column.bound {
            let most = rungs.last().copied().unwrap_or(1).saturating_mul(root);
            *rungs = ladder(most.min(TOTAL_MAX.unsigned_abs()));
        }
    }
}

/// Norms to choose from: the greatest, and ever smaller ones by the root of two.
fn ladder(most: u64) -> Vec<u64> {
    let rung = |i: u32| (most as f64 / f64::from(i).mul_add(0.5, 0.0).exp2()).ceil();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at least 1, and at most the greatest, which replaces it"
    )]
    let mut rungs: Vec<u64> = (1..RUNGS).rev().map(|i| (rung(i) as u64).clamp(1, most)).collect();
    rungs.push(most);
    rungs.dedup();
    rungs
}

/// Quantiles that a nested column is asked for.
pub(crate) fn quantiles(nested: &Nested) -> usize {
    match &nested.kind {
        NestedKind::Quantiles { targets, .. } => targets.len(),
        NestedKind::Distinct { .. } => 0,
    }
}

fn no_form(name: &str) -> Rejection {
    Rejection::new(Code::Aggregate, format!("{name} has no private form")).at(name).hint(
        "COUNT, SUM, AVG, VAR, STDDEV, COVAR, CORR, MEDIAN, PERCENTILE_CONT, MIN and MAX have one",
    )
}

fn steps(rows: u64) -> Result<i64, Rejection> {
    i64::try_from(rows)
        .map_err(|_| Rejection::new(Code::Epsilon, "rows per person is out of range"))
}

/// What the count of an average gets of the average's noise budget: its error is divided by the
/// count twice over.
const COUNT_SHARE: f64 = 0.2;

/// What the count of persons gets that is needed for choosing keys only.
const KEYS_SHARE: f64 = 0.15;

/// Totals of at most this many steps are not worth a private choice of their bound.
const FEW: u64 = 4;

/// Values of one person that count as distinct where the query does not say.
const VALUES_PER_PERSON: u64 = 10;

/// Rows of one person that count in a quantile where the query does not say.
const QUANTILE_ROWS: u64 = 10;

/// Number of norms to choose from.
const RUNGS: u32 = 47;

/// Clamps beyond it would not leave room for sums.
const TOTAL_MAX: i64 = 1 << 61;

//! Intervals that hold the true value of the records with the asked confidence, noise included.
//!
//! The noise is known: a noisy cell is `y = x + Z` with a published law of `Z`. Where a column is
//! a noisy cell itself, the interval is `y ± q` with `Pr[|Z| > q] ≤ α`, exactly. Where it is
//! computed from noisy cells, the law of `f(y − Z)` is simulated and its quantiles are taken; for
//! linear `f` that is the same interval, for ratios it is Fieller's in all but name.
//!
//! Intervals are for the bounded records: rows beyond bounds that the query gave are outside of
//! them. Where a bound was chosen privately, what it cuts off at most is within the intervals of
//! plain counts and sums.
//!
//! # Source
//! Casella and Berger, Statistical Inference, section 9.2 (pivotal quantities).

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{Column, DFSchema, ScalarValue, TableReference};
use datafusion::error::DataFusionError;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::Expr;

use crate::answer::Bound;
use crate::estimate::table::Cells;
use crate::estimate::{ColumnBounds, cell_of};
use crate::noise;
use crate::privacy::plan::boundary_index;
use crate::privacy::price::PricedPlan;
use crate::privacy::released::ReleasedTable;

/// What intervals are computed from.
pub(crate) struct Intervals<'a> {
    pub(crate) priced: &'a PricedPlan,
    /// The noisy tables, in order of boundary.
    pub(crate) released: &'a [Cells],
    /// The output, with its hidden columns.
    pub(crate) rows: &'a RecordBatch,
    pub(crate) confidence: f64,
}

/// Whether a column that is this expression over noisy cells has intervals.
pub(crate) fn has_intervals(lineage: Option<&Expr>) -> bool {
    lineage.is_some_and(|lineage| !sources(lineage).is_empty() || quantile_of(lineage).is_some())
}

/// A noisy column that an output column is made from.
struct Source {
    boundary: usize,
    column: usize,
    name: Column,
}

impl Intervals<'_> {
    /// The bounds of every asked column.
    pub(crate) fn all(
        &self,
        session: &SessionContext,
    ) -> Result<Vec<ColumnBounds>, DataFusionError> {
        let columns = self.priced.plan.output.iter();
        columns.map(|column| self.column(column.lineage.as_ref(), session)).collect()
    }

    fn column(
        &self,
        lineage: Option<&Expr>,
        session: &SessionContext,
    ) -> Result<ColumnBounds, DataFusionError> {
        let Some(lineage) = lineage else { return Ok(None) };
        let sources = sources(lineage);
        if sources.is_empty() {
            return Ok(self.quantile(lineage));
        }
        if let (Expr::Column(_), [source]) = (lineage, sources.as_slice()) {
            return self.plain(source).map(Some);
        }
        self.simulated(lineage, &sources, session).map(Some)
    }

    /// A quantile, whose interval was drawn with it.
    fn quantile(&self, lineage: &Expr) -> ColumnBounds {
        let (boundary, index) = quantile_of(lineage)?;
        let drawn = self.released[boundary].quantiles.get(index)?;
        let bound = |row| {
            let drawn = drawn.get(self.cell(boundary, row)?)?;
            Some(Bound { lower: drawn.lower, upper: drawn.upper })
        };
        Some((0..self.rows.num_rows()).map(bound).collect())
    }

    /// A noisy cell as it is, or a sum of such.
    fn plain(&self, source: &Source) -> Result<Vec<Option<Bound>>, DataFusionError> {
        let contribution = &self.priced.plan.boundaries[source.boundary].columns[source.column];
        let cells = &self.released[source.boundary];
        if let Some(drawn) = cells.united.get(source.column).filter(|drawn| !drawn.is_empty()) {
            let own = |row| drawn.get(self.cell(source.boundary, row)?);
            let bound = |row| own(row).map(|d| Bound { lower: d.lower, upper: d.upper });
            return Ok((0..self.rows.num_rows()).map(bound).collect());
        }
        let noise = cells.noises[source.column];
        let alpha = 1.0 - self.confidence;
        let single = noise::quantile_of(noise, alpha).map_err(external)? as f64;
        // A sum of many has the Gaussian law, but for what the corner of one may add.
        let many = noise::deviation(noise) * noise::normal_quantile(alpha);
        let step = 10f64.powi(i32::from(contribution.decimals));
        let cut = cells.bounds[source.column].map_or(0.0, |chosen| chosen.cut);
        let floor = if contribution.lower >= 0 { 0.0 } else { f64::NEG_INFINITY };
        let values = cells.batch.column_by_name(&source.name.name).ok_or_else(missing)?;
        let values = cast(values, &DataType::Float64)?;
        let values = values.as_primitive::<Float64Type>();
        let whole = cells.whole(values);
        let bound = |row| {
            let cell = self.cell(source.boundary, row)?;
            let spread = cells.spreads[source.column][cell];
            let half = if (spread - 1.0).abs() > 1e-12 { many * spread } else { single };
            let (value, half) = (values.value(cell), half / step);
            // What was cut off, where it can be told best: in proportion to what was not.
            // Where totals may cancel, that says nothing.
            let share = ((value.abs() + half) / whole).min(1.0);
            let cut = cut / step * if contribution.lower < 0 { 1.0 } else { share };
            let lower = if contribution.lower < 0 { value - half - cut } else { value - half };
            Some(Bound { lower: lower.max(floor), upper: (value + half + cut).max(floor) })
        };
        Ok((0..self.rows.num_rows()).map(bound).collect())
    }

    /// The quantiles of the expression over simulated noise.
    fn simulated(
        &self,
        lineage: &Expr,
        sources: &[Source],
        session: &SessionContext,
    ) -> Result<Vec<Option<Bound>>, DataFusionError> {
        let draws = if self.rows.num_rows() > MANY_ROWS { DRAWS_MIN } else { DRAWS };
        let mut noise: BTreeMap<(usize, usize), Vec<f64>> = BTreeMap::new();
        for source in sources {
            let law = self.released[source.boundary].noises[source.column];
            let drawn = noise::replicas_of(law, draws).map_err(external)?;
            noise.insert((source.boundary, source.column), drawn);
        }
        let schema = self.schema(lineage)?;
        let expression = session.create_physical_expr(lineage.clone(), &schema)?;
        let mut bounds = Vec::with_capacity(self.rows.num_rows());
        for row in 0..self.rows.num_rows() {
            let Some(columns) = self.perturbed(&schema, row, draws, &noise)? else {
                bounds.push(None);
                continue;
            };
            let batch = RecordBatch::try_new(Arc::new(schema.as_arrow().clone()), columns)?;
            let values = expression.evaluate(&batch)?.into_array(draws)?;
            let values = cast(&values, &DataType::Float64)?;
            bounds.push(quantiles(values.as_primitive::<Float64Type>(), self.confidence));
        }
        Ok(bounds)
    }

    /// The columns of the lineage, repeated, with fresh noise taken off the noisy ones.
    fn perturbed(
        &self,
        schema: &DFSchema,
        row: usize,
        draws: usize,
        noise: &BTreeMap<(usize, usize), Vec<f64>>,
    ) -> Result<Option<Vec<ArrayRef>>, DataFusionError> {
        let mut columns = Vec::with_capacity(schema.fields().len());
        for (qualifier, field) in schema.iter() {
            let boundary = boundary_of(qualifier).ok_or_else(missing)?;
            let Some(cell) = self.cell(boundary, row) else { return Ok(None) };
            let cells = &self.released[boundary];
            let array = cells.batch.column_by_name(field.name()).ok_or_else(missing)?;
            let index = column_index(field.name());
            let spread = index.map_or(1.0, |index| cells.spreads[index][cell]);
            let drawn = index.and_then(|index| noise.get(&(boundary, index)));
            let Some(drawn) = drawn else {
                let same = Int64Array::from_value(i64::try_from(cell).unwrap_or(0), draws);
                columns.push(take(array, &same, None)?);
                continue;
            };
            let contribution =
                &self.priced.plan.boundaries[boundary].columns[index.unwrap_or_default()];
            let step = 10f64.powi(i32::from(contribution.decimals));
            let value =
                match ScalarValue::try_from_array(array, cell)?.cast_to(&DataType::Float64)? {
                    ScalarValue::Float64(Some(value)) => value,
                    _ => return Ok(None),
                };
            let moved: Float64Array =
                drawn.iter().map(|z| Some(value - z * spread / step)).collect();
            columns.push(cast(&moved, field.data_type())?);
        }
        Ok(Some(columns))
    }

    fn schema(&self, lineage: &Expr) -> Result<DFSchema, DataFusionError> {
        let mut fields = Vec::new();
        let mut columns: Vec<&Column> = lineage.column_refs().into_iter().collect();
        columns.sort();
        for column in columns {
            let boundary = boundary_of(column.relation.as_ref()).ok_or_else(missing)?;
            let schema =
                ReleasedTable::new(boundary, &self.priced.plan.boundaries[boundary]).schema();
            let field = schema.field_with_name(&column.name)?.clone().with_nullable(true);
            fields.push((column.relation.clone(), Arc::new(field)));
        }
        DFSchema::new_with_metadata(fields, std::collections::HashMap::new())
    }

    fn cell(&self, boundary: usize, row: usize) -> Option<usize> {
        let cells = &self.priced.plan.cells;
        let (_, column) = cells.iter().find(|(of, _)| *of == boundary)?;
        let number = cell_of(self.rows, *column, row)?;
        // Cells are numbered before the threshold; find the row that carries the number.
        let numbers = self.released[boundary].batch.column(0);
        let numbers = numbers.as_primitive_opt::<arrow::datatypes::UInt64Type>()?;
        numbers.values().binary_search(&(number as u64)).ok()
    }
}

fn sources(lineage: &Expr) -> Vec<Source> {
    let mut columns: Vec<&Column> = lineage.column_refs().into_iter().collect();
    columns.sort();
    let source = |column: &Column| {
        let boundary = boundary_of(column.relation.as_ref())?;
        Some(Source { boundary, column: column_index(&column.name)?, name: column.clone() })
    };
    columns.into_iter().filter_map(source).collect()
}

/// The boundary and the index of the quantile that `q0`, `q1`, … is.
fn quantile_of(lineage: &Expr) -> Option<(usize, usize)> {
    let Expr::Column(column) = lineage else { return None };
    let boundary = boundary_of(column.relation.as_ref())?;
    Some((boundary, column.name.strip_prefix('q')?.parse().ok()?))
}

fn boundary_of(relation: Option<&TableReference>) -> Option<usize> {
    boundary_index(relation?.table())
}

/// The noisy column that `a0`, `a1`, … is; `None` for keys.
fn column_index(name: &str) -> Option<usize> {
    name.strip_prefix('a')?.parse().ok()
}

fn quantiles(values: &Float64Array, confidence: f64) -> Option<Bound> {
    let drawn = values.len();
    let mut values: Vec<f64> = values.iter().flatten().filter(|v| v.is_finite()).collect();
    // Where much of the noise makes the expression undefined, no interval would be honest.
    if values.len() * 100 < drawn * 99 {
        return None;
    }
    values.sort_unstable_by(f64::total_cmp);
    let tail = (1.0 - confidence) / 2.0;
    let most = values.len() - 1;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a fraction between 0 and 1 of a length"
    )]
    let at = |fraction: f64| ((fraction * most as f64).round() as usize).min(most);
    Some(Bound { lower: values[at(tail)], upper: values[at(1.0 - tail)] })
}

fn missing() -> DataFusionError {
    DataFusionError::Internal("an interval's column is missing".to_owned())
}

fn external(error: noise::error::NoiseError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// Simulated draws per row: the 2.5 % quantile of 4,000 draws is off by 0.25 % of probability.
const DRAWS: usize = 4_000;

/// Draws per row of a long result.
const DRAWS_MIN: usize = 1_000;

/// A result with more rows is long.
const MANY_ROWS: usize = 400;

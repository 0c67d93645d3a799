//! What the answer of a statement will look like, before it is asked: columns, types, parameters.
//! Nothing is charged, and no record is read.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::Statement;

use crate::answer::Answer;
use crate::engine::{Engine, Query};
use crate::error::Error;
use crate::estimate::interval::has_intervals;
use crate::privacy::price::PricedPlan;
use crate::requests::Outcome;
use crate::sql::arguments::{Argument, literal, parameters, parse_with_parameters};
use crate::sql::prepare::bind_arguments;
use crate::sql::rewrite::rewrite;
use crate::sql::text::{ParsedQuery, Request, parse_request};

/// The columns of an answer that was not asked for yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    columns: Vec<ShapeColumn>,
}

#[derive(Clone, Debug, PartialEq)]
struct ShapeColumn {
    name: String,
    kind: DataType,
    has_interval: bool,
}

/// What a statement gives.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Description {
    /// The answer of a question.
    Answer(Shape),
    /// A plan and a price, of EXPLAIN.
    Explanation,
    /// A price, of ESTIMATE.
    Estimate,
    /// A phrase.
    Phrase,
}

impl Shape {
    fn of(priced: &PricedPlan) -> Self {
        let fields = priced.plan.outer.schema();
        let columns = priced.plan.output.iter().enumerate().map(|(i, column)| ShapeColumn {
            name: column.name.clone(),
            kind: fields.field(i).data_type().clone(),
            has_interval: has_intervals(column.lineage.as_ref()),
        });
        Self { columns: columns.collect() }
    }

    fn plain(plan: &LogicalPlan) -> Self {
        let columns = plan.schema().fields().iter().map(|field| ShapeColumn {
            name: field.name().clone(),
            kind: field.data_type().clone(),
            has_interval: false,
        });
        Self { columns: columns.collect() }
    }

    /// The asked columns in the asked order, then the ends of intervals under the name of their
    /// column and one of `ends`, if there are any.
    pub fn schema(&self, ends: Option<[&str; 2]>) -> SchemaRef {
        let plain = |column: &ShapeColumn| Field::new(&column.name, column.kind.clone(), true);
        let mut fields: Vec<Field> = self.columns.iter().map(plain).collect();
        let bounded = self.columns.iter().filter(|column| column.has_interval);
        for (column, ends) in bounded.filter_map(|column| Some((column, ends?))) {
            let whole = column.kind.is_integer();
            let kind = if whole { DataType::Int64 } else { DataType::Float64 };
            for end in ends {
                fields.push(Field::new(format!("{}{end}", column.name), kind.clone(), true));
            }
        }
        Arc::new(Schema::new(fields))
    }
}

impl Answer {
    /// The answer in the columns and types that were foretold, which [`Shape::schema`] has.
    ///
    /// # Errors
    /// A column of another type, which does not happen.
    pub fn shaped(
        &self,
        shape: &Shape,
        ends: Option<[&str; 2]>,
    ) -> Result<RecordBatch, ArrowError> {
        let own = self.batch(true)?;
        let schema = shape.schema(ends);
        let mut arrays: Vec<ArrayRef> = own.columns()[..shape.columns.len()].to_vec();
        // The ends of intervals follow the columns, in their order.
        let mut bounds = own.columns()[shape.columns.len()..].iter();
        for (i, column) in shape.columns.iter().enumerate() {
            let found: Vec<ArrayRef> = match self.has_intervals(i) {
                true => bounds.by_ref().take(2).cloned().collect(),
                false => vec![new_null_array(&DataType::Int64, self.len()); 2],
            };
            if column.has_interval && ends.is_some() {
                arrays.extend(found);
            }
        }
        let fields = schema.fields().iter().zip(&arrays);
        let arrays: Vec<ArrayRef> = fields
            .map(|(field, array)| cast(array, field.data_type()))
            .collect::<Result<_, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(self.len()));
        RecordBatch::try_new_with_options(schema, arrays, &options)
    }
}

impl Engine {
    /// What a statement gives.
    ///
    /// # Errors
    /// [`Error::Rejected`], as [`Engine::answer`].
    pub async fn describe(&self, query: &Query) -> Result<Description, Error> {
        match parse_request(&query.text, self.settings.dialect)? {
            Request::Answer(parsed) => self.described(parsed, query).await,
            Request::Execute { name, arguments } => {
                self.described(self.executed(&name, arguments)?, query).await
            }
            Request::Explain(_) => Ok(Description::Explanation),
            Request::Estimate(_) => Ok(Description::Estimate),
            _ => Ok(Description::Phrase),
        }
    }

    async fn described(&self, parsed: ParsedQuery, query: &Query) -> Result<Description, Error> {
        Ok(Description::Answer(Shape::of(&self.planned(parsed, query).await?)))
    }

    /// The types of the parameters `$1`, `$2`, … of a query, and what its answer looks like. A
    /// type is not known where the query does not tell it.
    ///
    /// # Errors
    /// [`Error::Rejected`] if the query is refused whatever the values are.
    pub async fn describe_prepared(
        &self,
        query: &Query,
    ) -> Result<(Vec<Option<DataType>>, Shape), Error> {
        let parsed = parse_with_parameters(&query.text, self.settings.dialect)?;
        let count = parameters(&parsed);
        let plan = self.unbound(&parsed).await;
        let types = plan.as_ref().and_then(|plan| plan.get_parameter_types().ok());
        let types = types.unwrap_or_default();
        let of = |i: usize| types.get(&format!("${i}")).cloned().flatten();
        let types: Vec<Option<DataType>> = (1..=count).map(of).collect();
        // Any values do for the shape, unless the query's rules depend on them.
        let samples: Vec<_> = types.iter().map(|kind| literal(&sample(kind.as_ref()))).collect();
        let sampled = match bind_arguments(&parsed, &samples) {
            Ok(bound) => self.planned(bound, query).await,
            Err(rejection) => Err(rejection.into()),
        };
        match (sampled, plan) {
            (Ok(priced), _) => Ok((types, Shape::of(&priced))),
            (Err(_), Some(plan)) => Ok((types, Shape::plain(&plan))),
            (Err(error), None) => Err(error),
        }
    }

    /// The plan of a query whose parameters have no values; none if it takes values to plan it.
    async fn unbound(&self, parsed: &ParsedQuery) -> Option<LogicalPlan> {
        let mut statement = parsed.statement.clone();
        if let Statement::Statement(inner) = &mut statement {
            rewrite(inner, parsed.dialect).ok()?;
        }
        self.session.state().statement_to_plan(statement).await.ok()
    }

    /// Answers a query with values in the place of its parameters.
    ///
    /// # Errors
    /// As [`Engine::answer`]; `R-STATEMENT` if there are too few or too many values.
    pub async fn perform_prepared(
        &self,
        query: &Query,
        values: &[Argument],
    ) -> Result<Outcome, Error> {
        let parsed = parse_with_parameters(&query.text, self.settings.dialect)?;
        let values: Vec<_> = values.iter().map(literal).collect();
        let bound = bind_arguments(&parsed, &values)?;
        self.answer_parsed(bound, query).await.map(|answer| Outcome::Answered(Box::new(answer)))
    }
}

/// A value of a type, for a plan that is made to see its columns.
fn sample(kind: Option<&DataType>) -> Argument {
    match kind {
        Some(kind) if kind.is_numeric() => Argument::Number("1".to_owned()),
        Some(DataType::Date32 | DataType::Date64 | DataType::Timestamp(..)) => {
            Argument::Date("2020-01-01".to_owned())
        }
        Some(DataType::Boolean) => Argument::Boolean(true),
        _ => Argument::Text("1".to_owned()),
    }
}

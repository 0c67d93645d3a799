//! What is said about tables and columns: whose rows a table holds, and what de-identification did
//! to a column. It is from the signed manifests, which anyone may see; no record is looked at.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use arrow::array::{Array as _, ArrayRef, AsArray as _, Int64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use datafusion::catalog::{MemTable, TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::error::Result as PlanResult;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature,
    Volatility,
};
use ledger_adapter::manifest::Rows;

use crate::catalog::{Catalog, TableSpec};

/// The comments of a population's tables and columns.
#[derive(Debug)]
pub(super) struct Comments {
    /// By table and place of the column, from 1; a table's own is at 0.
    by_name: BTreeMap<(String, i64), String>,
    /// As the library numbers tables, which it does once it is asked for them.
    numbered: OnceLock<Numbered>,
}

/// Comments by the number of their table, and the number of the table of tables.
#[derive(Debug, Default)]
struct Numbered {
    class: i64,
    comments: BTreeMap<(i64, i64), String>,
}

impl Comments {
    /// The comments that manifests give.
    pub(super) fn new(catalog: &Catalog) -> Self {
        let mut by_name = BTreeMap::new();
        for table in catalog.tables() {
            by_name.insert((table.name.clone(), 0), cut(&of_table(table)));
            for (place, column) in (1..).zip(&table.columns) {
                let is_unit = table.unit() == Some(column.name.as_str());
                let unit = is_unit.then_some("the person's pseudonym");
                let told: Vec<&str> =
                    unit.into_iter().chain(column.generalised.as_deref()).collect();
                if !told.is_empty() {
                    by_name.insert((table.name.clone(), place), cut(&told.join("; ")));
                }
            }
        }
        Self { by_name, numbered: OnceLock::new() }
    }

    /// Registers the functions that tell comments, and the table of them.
    pub(super) fn register(self: &Arc<Self>, session: &SessionContext) {
        for (name, is_of_column) in [("col_description", true), ("obj_description", false)] {
            let function = Description::new(name, is_of_column, Arc::clone(self));
            session.register_udf(ScalarUDF::new_from_impl(function));
        }
        session.register_udtf(DESCRIPTIONS, Arc::new(Descriptions(Arc::clone(self))));
    }

    /// Learns which number each table has; before that nothing has a comment.
    ///
    /// # Errors
    /// If the library cannot tell.
    pub(super) async fn learn(&self, session: &SessionContext) -> PlanResult<()> {
        if self.numbered.get().is_some() {
            return Ok(());
        }
        let plan = session.state().create_logical_plan(NUMBERS).await?;
        let batches = session.execute_logical_plan(plan).await?.collect().await?;
        let mut numbered = Numbered::default();
        for batch in &batches {
            let oids = cast(batch.column(0), &DataType::Int64)?;
            let names = cast(batch.column(1), &DataType::Utf8)?;
            let is_public = cast(batch.column(2), &DataType::Boolean)?;
            let (oids, names) = (oids.as_primitive::<Int64Type>(), names.as_string::<i32>());
            for row in 0..batch.num_rows() {
                let oid = oids.value(row);
                if !is_public.as_boolean().value(row) {
                    numbered.class = oid;
                    continue;
                }
                let name = names.value(row).to_owned();
                let own = self.by_name.range((name.clone(), 0)..=(name, i64::MAX));
                let own = own.map(|((_, place), comment)| ((oid, *place), comment.clone()));
                numbered.comments.extend(own);
            }
        }
        // Whoever was first learnt the same.
        let _ = self.numbered.set(numbered);
        Ok(())
    }

    fn of(&self, oid: i64, place: i64) -> Option<&str> {
        self.numbered.get()?.comments.get(&(oid, place)).map(String::as_str)
    }

    /// One row per comment, as `pg_description` has them.
    fn rows(&self) -> PlanResult<RecordBatch> {
        let none = Numbered::default();
        let numbered = self.numbered.get().unwrap_or(&none);
        let oids: Int64Array = numbered.comments.keys().map(|(oid, _)| Some(*oid)).collect();
        let classes: Int64Array = numbered.comments.keys().map(|_| Some(numbered.class)).collect();
        let places: Int64Array = numbered.comments.keys().map(|(_, place)| Some(*place)).collect();
        let texts: StringArray = numbered.comments.values().map(Some).collect();
        let number = |name: &str| Field::new(name, DataType::Int64, true);
        let fields = vec![
            number("objoid"),
            number("classoid"),
            number("objsubid"),
            Field::new("description", DataType::Utf8, true),
        ];
        let columns: Vec<ArrayRef> =
            vec![Arc::new(oids), Arc::new(classes), Arc::new(places), Arc::new(texts)];
        Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
    }
}

fn of_table(table: &TableSpec) -> String {
    match &table.rows {
        Rows::Public => "reference data about nobody".to_owned(),
        Rows::PerPerson { unit, rows_per_person_max: 1 } => {
            format!("one row per person, by {unit}")
        }
        Rows::PerPerson { unit, rows_per_person_max: most } => {
            format!("rows of persons, by {unit}; at most {most} of one person count")
        }
    }
}

fn cut(text: &str) -> String {
    text.chars().take(COMMENT_CHARS_MAX).collect()
}

/// The function that tells the comment of a table, or of a column of it.
#[derive(Debug)]
struct Description {
    name: &'static str,
    is_of_column: bool,
    comments: Arc<Comments>,
    signature: Signature,
}

impl Description {
    fn new(name: &'static str, is_of_column: bool, comments: Arc<Comments>) -> Self {
        let anything = vec![TypeSignature::Nullary, TypeSignature::VariadicAny];
        let signature = Signature::one_of(anything, Volatility::Stable);
        Self { name, is_of_column, comments, signature }
    }
}

impl PartialEq for Description {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && Arc::ptr_eq(&self.comments, &other.comments)
    }
}

impl Eq for Description {}

impl Hash for Description {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Description {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> PlanResult<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let rows = args.number_rows;
        let given = |i: usize, kind: &DataType| -> PlanResult<Option<ArrayRef>> {
            let Some(value) = args.args.get(i) else { return Ok(None) };
            Ok(Some(cast(&value.to_array(rows)?, kind)?))
        };
        let oids = given(0, &DataType::Int64)?;
        let kind = if self.is_of_column { DataType::Int64 } else { DataType::Utf8 };
        let second = given(1, &kind)?;
        let told = |row: usize| {
            let oid = number(oids.as_ref()?, row)?;
            let place = match &second {
                Some(places) if self.is_of_column => number(places, row)?,
                Some(classes) if !is_class(classes, row) => return None,
                _ => 0,
            };
            self.comments.of(oid, place)
        };
        let told: StringArray = (0..rows).map(told).collect();
        Ok(ColumnarValue::Array(Arc::new(told)))
    }
}

fn number(values: &ArrayRef, row: usize) -> Option<i64> {
    let values = values.as_primitive::<Int64Type>();
    values.is_valid(row).then(|| values.value(row))
}

/// Whether a text names the table of tables: nothing else has comments here.
fn is_class(classes: &ArrayRef, row: usize) -> bool {
    let classes = classes.as_string::<i32>();
    classes.is_valid(row) && ["pg_class", "pg_catalog.pg_class"].contains(&classes.value(row))
}

/// The comments as a table, which no client can name.
#[derive(Debug)]
struct Descriptions(Arc<Comments>);

impl TableFunctionImpl for Descriptions {
    fn call_with_args(&self, _: TableFunctionArgs) -> PlanResult<Arc<dyn TableProvider>> {
        let rows = self.0.rows()?;
        Ok(Arc::new(MemTable::try_new(rows.schema(), vec![vec![rows]])?))
    }
}

/// The name of the function that gives all comments.
pub(super) const DESCRIPTIONS: &str = "graunt_descriptions";

/// The numbers of the population's tables, and of the table of tables.
const NUMBERS: &str = "SELECT c.oid, c.relname, n.nspname = 'public' FROM pg_catalog.pg_class c \
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE n.nspname = 'public' OR (n.nspname = 'pg_catalog' AND c.relname = 'pg_class')";

/// The longest comment.
const COMMENT_CHARS_MAX: usize = 1_000;

//! What clients of PostgreSQL ask about the catalogue itself: which tables and columns there are,
//! which version this is. It is answered over tables that have no rows, and a session of its own,
//! from which no record, file or function of the engine can be reached.

mod comments;
mod correlated;
mod functions;
mod rewrite;
mod spelling;
#[cfg(test)]
mod tests;
mod views;

use std::collections::BTreeSet;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::DataFusionError;
use datafusion::execution::context::{SQLOptions, SessionContext};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionConfig;
use datafusion::sql::parser::Statement as Parsed;
use datafusion::sql::sqlparser::ast::{Expr, ObjectName, Statement, Visit, Visitor};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Tokenizer;
use datafusion_pg_catalog::pg_catalog::context::EmptyContextProvider;
use datafusion_pg_catalog::setup_pg_catalog;
use datafusion_pg_catalog::sql::PostgresCompatibilityParser;
use futures::StreamExt as _;

use self::comments::Comments;
use crate::catalog::Catalog;
use crate::error::{Code, Error, Rejection};
use crate::scan::table::DeclaredTable;
use crate::sql::arguments::{Argument, highest, literal};
use crate::sql::length::check_length;

/// The catalogue of a population as clients of PostgreSQL ask about it.
pub struct PgCatalog {
    session: SessionContext,
    parser: PostgresCompatibilityParser,
    comments: Arc<Comments>,
    tables: BTreeSet<String>,
}

impl fmt::Debug for PgCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PgCatalog").finish_non_exhaustive()
    }
}

impl PgCatalog {
    /// The catalogue of a population, as the database of that name.
    ///
    /// # Errors
    /// [`Error::Internal`] if a table cannot be registered.
    pub fn new(catalog: &Catalog, database: &str, version: &str) -> Result<Self, Error> {
        let config = SessionConfig::new()
            .with_default_catalog_and_schema(database, "public")
            .with_information_schema(true)
            .with_batch_size(BATCH_ROWS)
            .with_target_partitions(1);
        let memory = Arc::new(GreedyMemoryPool::new(MEMORY_BYTES));
        let runtime = RuntimeEnvBuilder::new().with_memory_pool(memory).build_arc();
        let runtime = runtime.map_err(|_| Error::Internal("temporary files have no place"))?;
        let session = SessionContext::new_with_config_rt(config, runtime);
        let mut tables = BTreeSet::new();
        for table in catalog.tables() {
            session
                .register_table(
                    table.name.as_str(),
                    Arc::new(DeclaredTable::new(Arc::clone(table))),
                )
                .map_err(|_| Error::Internal("a declared table cannot be registered"))?;
            tables.insert(table.name.clone());
        }
        setup_pg_catalog(&session, database, EmptyContextProvider)
            .map_err(|_| Error::Internal("the catalogue cannot be set up"))?;
        let functions = functions::constants(version).into_iter();
        functions.for_each(|function| session.register_udf(function));
        let comments = Arc::new(Comments::new(catalog));
        comments.register(&session);
        Ok(Self { session, parser: PostgresCompatibilityParser::new(), comments, tables })
    }

    /// Whether a statement is about the catalogue only: it reads tables of it, or none at all and
    /// calls functions of it. What reads a table of the population never is.
    pub fn concerns(&self, text: &str) -> bool {
        let Ok(statements) = parsed(text) else { return false };
        let [statement @ Statement::Query(_)] = statements.as_slice() else { return false };
        let mut seen = Seen { tables: &self.tables, of_catalog: false, of_records: false };
        let _ = statement.visit(&mut seen);
        seen.of_catalog && !seen.of_records
    }

    /// The columns of what a query gives, and the types of its parameters where they are known.
    ///
    /// # Errors
    /// `R-STATEMENT` if the catalogue cannot answer it.
    pub async fn describe(
        &self,
        text: &str,
    ) -> Result<(SchemaRef, Vec<Option<DataType>>), Rejection> {
        let statement = read(text)?;
        let count = highest(&statement);
        if let Some(columns) = rewrite::empty_columns(&statement) {
            return Ok((texts(&columns), vec![None; count]));
        }
        // Whatever the values are, the columns are the same, unless the planner needs a list.
        let plan = match self.plan(text, None).await {
            Err(_) if count > 0 => self.plan(text, Some(&[])).await?,
            planned => planned?,
        };
        let types = plan.get_parameter_types().unwrap_or_default();
        let known = (1..=count).map(|i| types.get(&format!("${i}")).cloned().flatten());
        Ok((Arc::new(plan.schema().as_arrow().clone()), known.collect()))
    }

    /// Answers a query about the catalogue.
    ///
    /// # Errors
    /// `R-STATEMENT` if the catalogue cannot answer it.
    pub async fn answer(&self, text: &str, values: &[Argument]) -> Result<RecordBatch, Rejection> {
        if let Some(columns) = rewrite::empty_columns(&read(text)?) {
            return Ok(RecordBatch::new_empty(texts(&columns)));
        }
        let plan = self.plan(text, Some(values)).await?;
        let schema: SchemaRef = Arc::new(plan.schema().as_arrow().clone());
        let frame = self.session.execute_logical_plan(plan).await.map_err(refused)?;
        let mut rows = frame.execute_stream().await.map_err(refused)?;
        let (mut batches, mut bytes) = (Vec::new(), 0);
        while let Some(batch) = rows.next().await {
            let batch = batch.map_err(refused)?;
            bytes += batch.get_array_memory_size();
            if bytes > MEMORY_BYTES {
                return Err(Rejection::new(
                    Code::Statement,
                    "this is more than the catalogue tells",
                ));
            }
            batches.push(batch);
        }
        if schema.fields().is_empty() {
            let rows = batches.iter().map(RecordBatch::num_rows).sum();
            let options = RecordBatchOptions::new().with_row_count(Some(rows));
            let batch = RecordBatch::try_new_with_options(schema, vec![], &options);
            return batch.map_err(|error| refused(error.into()));
        }
        // Some tables of the library have other types than they say.
        let fitted = |batch: &RecordBatch| {
            let pairs = batch.columns().iter().zip(schema.fields());
            let columns = pairs.map(|(column, field)| cast(column, field.data_type()));
            let nullable: Vec<_> = schema
                .fields()
                .iter()
                .map(|field| field.as_ref().clone().with_nullable(true))
                .collect();
            RecordBatch::try_new(
                Arc::new(Schema::new(nullable)),
                columns.collect::<Result<_, _>>()?,
            )
        };
        let batches = batches.iter().map(fitted).collect::<Result<Vec<_>, _>>();
        let batches = batches.map_err(|error| refused(error.into()))?;
        match batches.first() {
            Some(first) => concat_batches(&first.schema(), &batches),
            None => Ok(RecordBatch::new_empty(schema)),
        }
        .map_err(|error| refused(error.into()))
    }

    async fn plan(
        &self,
        text: &str,
        values: Option<&[Argument]>,
    ) -> Result<LogicalPlan, Rejection> {
        let mut statement = read(text)?;
        let mut has_changed = false;
        if let Some(values) = values
            && highest(&statement) > 0
        {
            rewrite::fill(&mut statement, &values.iter().map(literal).collect::<Vec<_>>());
            has_changed = true;
        }
        has_changed |= spelling::spell(&mut statement);
        // The library knows some queries by their very words: they stay if nothing has changed.
        let text = if has_changed { statement.to_string() } else { text.to_owned() };
        functions::check(&read(&text)?)?;
        let statements = self.parser.parse(&text);
        let statements =
            statements.map_err(|error| Rejection::new(Code::Syntax, error.to_string()))?;
        let mut statement = one(statements)?;
        rewrite::rewrite(&mut statement);
        self.comments.learn(&self.session).await.map_err(refused)?;
        let state = self.session.state();
        let parsed = Parsed::Statement(Box::new(statement));
        let plan = state.statement_to_plan(parsed).await.map_err(refused)?;
        let reading = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false);
        reading.with_allow_statements(false).verify_plan(&plan).map_err(refused)?;
        Ok(plan)
    }
}

/// Reads the one statement of a text.
fn read(text: &str) -> Result<Statement, Rejection> {
    one(parsed(text)?)
}

/// Reads statements, if they are not so long that their trees would take the stack when they are
/// dropped: those are for the engine to refuse.
fn parsed(text: &str) -> Result<Vec<Statement>, Rejection> {
    let dialect = PostgreSqlDialect {};
    let tokens = Tokenizer::new(&dialect, text).tokenize_with_location();
    let tokens = tokens.map_err(|error| Rejection::new(Code::Syntax, error.to_string()))?;
    check_length(&tokens)?;
    let statements = Parser::new(&dialect).with_tokens_with_locations(tokens).parse_statements();
    statements.map_err(|error| Rejection::new(Code::Syntax, error.to_string()))
}

fn one(mut statements: Vec<Statement>) -> Result<Statement, Rejection> {
    let statement = statements.pop().filter(|_| statements.is_empty());
    statement.ok_or_else(|| Rejection::new(Code::Statement, "one statement is answered at a time"))
}

/// Columns of text.
fn texts(names: &[String]) -> SchemaRef {
    let fields = names.iter().map(|name| Field::new(name, DataType::Utf8, true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// What a statement reads.
struct Seen<'a> {
    tables: &'a BTreeSet<String>,
    of_catalog: bool,
    of_records: bool,
}

impl Visitor for Seen<'_> {
    type Break = ();

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        let parts: Vec<String> = (relation.0.iter())
            .filter_map(|part| Some(part.as_ident()?.value.to_ascii_lowercase()))
            .collect();
        let is_of = |schema: &str| parts.iter().rev().nth(1).is_some_and(|part| part == schema);
        let name = parts.last().map_or("", String::as_str);
        if is_of("pg_catalog") || is_of("information_schema") {
            self.of_catalog = true;
        } else if self.tables.contains(name) {
            self.of_records = true;
        } else if name.starts_with("pg_") {
            self.of_catalog = true;
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        let name = match expr {
            Expr::Function(function) => function.name.0.last().and_then(|part| part.as_ident()),
            Expr::Identifier(name) => Some(name),
            _ => None,
        };
        let name = name.map(|name| name.value.to_ascii_lowercase()).unwrap_or_default();
        self.of_catalog |= name.starts_with("pg_") || OF_CATALOG.contains(&name.as_str());
        ControlFlow::Continue(())
    }
}

/// What the catalogue cannot answer. Its errors are about public names only.
fn refused(error: DataFusionError) -> Rejection {
    let text = error.strip_backtrace();
    let line = text.lines().next().unwrap_or_default();
    Rejection::new(Code::Statement, format!("the catalogue does not answer this: {line}"))
        .hint("\\d and information_schema tell tables and columns")
}

/// Functions and words of the catalogue whose names do not say that they are.
const OF_CATALOG: [&str; 17] = [
    "version",
    "current_schema",
    "current_schemas",
    "current_database",
    "current_catalog",
    "current_user",
    "session_user",
    "user",
    "has_table_privilege",
    "has_schema_privilege",
    "has_database_privilege",
    "has_any_column_privilege",
    "obj_description",
    "col_description",
    "shobj_description",
    "format_type",
    "quote_ident",
];

/// Rows that are worked on at once. No pool knows how long the texts are that functions make of
/// them.
const BATCH_ROWS: usize = 1_024;

/// Most memory that answers about the catalogue may take.
const MEMORY_BYTES: usize = 64 << 20;

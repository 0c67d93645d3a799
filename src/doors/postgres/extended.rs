//! Statements that are prepared, described, given values, and answered in portals that keep what
//! was not fetched yet.

use std::fmt::Debug;
use std::sync::Arc;

use arrow::datatypes::DataType;
use arrow_pg::datatypes::into_pg_type;
use async_trait::async_trait;
use futures::Sink;
use pgwire::api::portal::{Format, Portal};
use pgwire::api::query::ExtendedQueryHandler;
use pgwire::api::results::{FieldInfo, Response};
use pgwire::api::stmt::QueryParser;
use pgwire::api::store::PortalStore;
use pgwire::api::{ClientInfo, ClientPortalStore, Type};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::PgWireBackendMessage;

use super::Connection;
use super::copy::Copy;
use super::refused::refused;
use super::rows::{fields, response};
use super::simple::{self, is_stuck, notice, of_state, stuck, visit};
use super::values::values;
use crate::desk::told::Told;
use crate::desk::visit::Seen;

/// Answers prepared statements.
pub(super) struct Extended {
    connection: Arc<Connection>,
    parser: Arc<Preparer>,
}

/// A prepared statement.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    text: String,
    copy: Option<Copy>,
    seen: Seen,
}

impl Extended {
    pub(super) fn new(connection: Arc<Connection>) -> Self {
        let parser = Arc::new(Preparer(Arc::clone(&connection)));
        Self { connection, parser }
    }
}

impl Prepared {
    /// The types of its parameters: those that the client gave, else those that the query tells.
    pub(super) fn types(&self, given: &[Option<Type>]) -> Vec<Type> {
        let count = self.seen.parameters.len().max(given.len());
        let known = |i: usize| self.seen.parameters.get(i).and_then(Option::as_ref).map(pg_type);
        let given =
            |i: usize| given.get(i).cloned().flatten().filter(|kind| *kind != Type::UNKNOWN);
        (0..count).map(|i| given(i).or_else(|| known(i)).unwrap_or(Type::TEXT)).collect()
    }
}

/// Prepares statements.
pub(super) struct Preparer(Arc<Connection>);

#[async_trait]
impl QueryParser for Preparer {
    type Statement = Prepared;

    async fn parse_sql<C>(
        &self,
        client: &C,
        sql: &str,
        _: &[Option<Type>],
    ) -> PgWireResult<Option<Prepared>>
    where
        C: ClientInfo + Unpin + Send + Sync,
    {
        let copy = Copy::read(sql);
        let text = copy.as_ref().map_or(sql, |copy| &copy.text).to_owned();
        if crate::script::split(&text).is_empty() {
            return Ok(None);
        }
        if is_stuck(client, &text) {
            return Err(PgWireError::UserError(Box::new(stuck())));
        }
        let seen = visit(&self.0)?.describe(&text).await;
        let seen = seen.map_err(|failure| refused(&failure, &text))?;
        Ok(Some(Prepared { text, copy, seen }))
    }

    fn get_parameter_types(&self, prepared: &Prepared) -> PgWireResult<Vec<Type>> {
        Ok(prepared.types(&[]))
    }

    fn get_result_schema(
        &self,
        prepared: &Prepared,
        format: Option<&Format>,
    ) -> PgWireResult<Vec<FieldInfo>> {
        match &prepared.seen.schema {
            // A copy has no rows.
            Some(schema) if prepared.copy.is_none() => {
                fields(schema, format.unwrap_or(&Format::UnifiedText))
            }
            _ => Ok(vec![]),
        }
    }
}

#[async_trait]
impl ExtendedQueryHandler for Extended {
    type Statement = Prepared;
    type QueryParser = Preparer;

    fn query_parser(&self) -> Arc<Preparer> {
        Arc::clone(&self.parser)
    }

    async fn do_query<C>(
        &self,
        client: &mut C,
        portal: &Portal<Prepared>,
        _: usize,
    ) -> PgWireResult<Response>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let prepared = &portal.statement.statement;
        if is_stuck(client, &prepared.text) {
            return Err(PgWireError::UserError(Box::new(stuck())));
        }
        // Whatever cannot be told in the asked formats is refused before it is paid for.
        if let (Some(schema), None) = (&prepared.seen.schema, &prepared.copy) {
            fields(schema, &portal.result_column_format)?;
        }
        let values = values(portal)?;
        let visit = visit(&self.connection)?;
        let text = of_state(client, &prepared.text);
        let done = visit.perform(text, Some(&values), Some(&prepared.seen)).await;
        match done.map_err(|failure| refused(&failure, &prepared.text))? {
            Told::Done(tag, step) => Ok(simple::response(tag, step)),
            Told::Rows(found) => {
                notice(client, &found.notices).await?;
                match &prepared.copy {
                    Some(copy) => Ok(Response::CopyOut(copy.response(&found.batch)?)),
                    None => {
                        let (schema, format) =
                            (prepared.seen.schema.as_ref(), &portal.result_column_format);
                        response(found.batch, schema, format, found.tag).map(Response::Query)
                    }
                }
            }
        }
    }
}

fn pg_type(kind: &DataType) -> Type {
    match kind {
        DataType::UInt8 | DataType::Int8 => Type::INT2,
        DataType::UInt16 => Type::INT4,
        DataType::UInt32 | DataType::UInt64 => Type::INT8,
        DataType::Null => Type::TEXT,
        DataType::LargeUtf8 | DataType::Utf8View | DataType::Utf8 => Type::TEXT,
        other => into_pg_type(other).unwrap_or(Type::TEXT),
    }
}

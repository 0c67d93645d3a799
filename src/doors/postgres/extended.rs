//! Statements that are prepared, described, given values, and answered in portals that keep what
//! was not fetched yet.

use std::fmt::Debug;
use std::sync::Arc;

use arrow::datatypes::DataType;
use arrow_pg::datatypes::into_pg_type;
use async_trait::async_trait;
use futures::{Sink, SinkExt as _};
use pgwire::api::portal::{Format, Portal};
use pgwire::api::query::{ExtendedQueryHandler, send_ready_for_query};
use pgwire::api::results::{FieldInfo, Response};
use pgwire::api::stmt::{QueryParser, StoredStatement};
use pgwire::api::store::{Entry, PortalStore};
use pgwire::api::{ClientInfo, ClientPortalStore, DEFAULT_NAME, Type};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::extendedquery::{
    Bind, BindComplete, Execute, Parse, ParseComplete, Sync as Synchronize,
};
use pgwire::messages::response::TransactionStatus;

use super::copy::Copy;
use super::refused::refused;
use super::rows::{fields, response};
use super::simple::{self, is_back, is_stuck, notice, of_state, stepped, stuck, visit};
use super::values::values;
use super::{Connection, Room};
use crate::desk::seeing::Seen;
use crate::desk::told::{Step, Told};
use crate::fail::Failure;

/// Answers prepared statements.
pub(super) struct Extended {
    connection: Arc<Connection>,
    parser: Arc<Preparer>,
}

/// A prepared statement, or one with its values in a portal.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    /// Empty for a statement that says nothing.
    text: String,
    copy: Option<Copy>,
    seen: Seen,
    /// What it takes of what the connection may keep, until it is dropped.
    _room: Room,
}

impl Extended {
    pub(super) fn new(connection: Arc<Connection>) -> Self {
        let parser = Arc::new(Preparer(Arc::clone(&connection)));
        Self { connection, parser }
    }
}

impl Prepared {
    /// A statement that says nothing. The library would keep any number of them.
    fn nothing(room: Room) -> Self {
        let seen = Seen { schema: None, parameters: vec![], intervals: false };
        Self { text: String::new(), copy: None, seen, _room: room }
    }

    /// About how many bytes it takes.
    fn bytes(&self) -> usize {
        2 * self.text.len() + self.seen.parameters.len() * VALUE_BYTES
    }

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
        types: &[Option<Type>],
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
        let parameters = types.len().max(seen.parameters.len());
        let room = self.0.room(2 * text.len() + parameters * VALUE_BYTES)?;
        Ok(Some(Prepared { text, copy, seen, _room: room }))
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

    /// As the library's, but whatever is kept under a name takes room.
    async fn on_parse<C>(&self, client: &mut C, message: Parse) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let name = named(message.name.as_deref())?;
        let parsed = StoredStatement::parse(client, &message, self.query_parser()).await?;
        let statement = match parsed {
            Some(statement) => statement,
            None => {
                let nothing = Prepared::nothing(self.connection.room(0)?);
                StoredStatement::new(name.to_owned(), nothing, vec![])
            }
        };
        client.portal_store().put_statement(Arc::new(statement));
        client.send(PgWireBackendMessage::ParseComplete(ParseComplete::new())).await?;
        Ok(())
    }

    /// As the library's, but portals take room too.
    async fn on_bind<C>(&self, client: &mut C, message: Bind) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        named(message.portal_name.as_deref())?;
        let name = named(message.statement_name.as_deref())?;
        let Some(Entry::Value(found)) = client.portal_store().get_statement(name) else {
            return Err(PgWireError::StatementNotFound(name.to_owned()));
        };
        let bytes = found.statement.bytes() + taken(&message);
        let own = Prepared {
            _room: self.connection.room(PORTAL_BYTES_MIN + bytes)?,
            ..found.statement.clone()
        };
        let types = found.parameter_types.clone();
        let own = Arc::new(StoredStatement::new(found.id.clone(), own, types));
        client.portal_store().put_portal(Arc::new(Portal::try_new(&message, own)?));
        client.send(PgWireBackendMessage::BindComplete(BindComplete::new())).await?;
        Ok(())
    }

    /// As the library's, which knows nothing of going back within a transaction, and takes memory
    /// for as many rows as somebody says.
    async fn on_execute<C>(&self, client: &mut C, mut message: Execute) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let name = message.name.as_deref().unwrap_or(DEFAULT_NAME);
        let goes_back = match client.portal_store().get_portal(name) {
            Some(Entry::Value(portal)) => is_back(&portal.statement.statement.text),
            _ => false,
        };
        if !(0..=ROWS_AT_ONCE_MAX).contains(&message.max_rows) {
            message.max_rows = 0;
        }
        let before = client.transaction_status();
        self._on_execute(client, message).await?;
        if goes_back {
            client.set_transaction_status(stepped(before, Step::Back));
        }
        Ok(())
    }

    /// As the library's, but portals end with their transaction.
    async fn on_sync<C>(&self, client: &mut C, _: Synchronize) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let status = client.transaction_status();
        match status {
            TransactionStatus::Idle => client.portal_store().clear_portals(),
            _ => client.portal_store().rm_portal(DEFAULT_NAME),
        }
        send_ready_for_query(client, status).await
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
        if prepared.text.is_empty() {
            return Ok(Response::EmptyQuery);
        }
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

/// The name of a statement or portal.
fn named(name: Option<&str>) -> PgWireResult<&str> {
    match name {
        Some(name) if name.len() > NAME_BYTES_MAX => {
            let what = format!("a name has at most {NAME_BYTES_MAX} bytes");
            Err(refused(&Failure::limit(what), ""))
        }
        name => Ok(name.unwrap_or(DEFAULT_NAME)),
    }
}

/// About how many bytes values take.
fn taken(message: &Bind) -> usize {
    let values = message.parameters.iter().flatten().map(bytes::Bytes::len).sum::<usize>();
    let codes = message.parameter_format_codes.len() + message.result_column_format_codes.len();
    values + (message.parameters.len() + codes) * VALUE_BYTES
}

/// The longest name of a statement or portal. Drivers count theirs.
const NAME_BYTES_MAX: usize = 1_000;

/// What a value or its type takes besides its bytes, about.
const VALUE_BYTES: usize = 64;

/// What a portal takes at least: it may keep rows that are not fetched yet.
const PORTAL_BYTES_MIN: usize = 60 << 10;

/// Most rows of one portion: whoever asks for more gets all, as whoever names no number.
const ROWS_AT_ONCE_MAX: i32 = 100_000;

//! The calls of Flight SQL, each to its end.

use std::pin::Pin;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::ipc::writer::IpcWriteOptions;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use arrow_flight::flight_service_server::FlightService;
use arrow_flight::sql::server::{FlightSqlService, PeekableFlightDataStream};
use arrow_flight::sql::{
    ActionClosePreparedStatementRequest, ActionCreatePreparedStatementRequest,
    ActionCreatePreparedStatementResult, CommandGetCatalogs, CommandGetDbSchemas,
    CommandGetSqlInfo, CommandGetTableTypes, CommandGetTables, CommandPreparedStatementQuery,
    CommandStatementQuery, DoPutPreparedStatementResult, ProstMessageExt, SqlInfo,
    TicketStatementQuery,
};
use arrow_flight::{
    Action, FlightDescriptor, FlightEndpoint, FlightInfo, HandshakeRequest, HandshakeResponse,
    IpcMessage, Result as FlightResult, SchemaAsIpc, Ticket,
};
use engine::sql::arguments::Argument;
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use prost::Message as _;
use tonic::metadata::{BinaryMetadataValue as Bytes, MetadataMap, MetadataValue};
use tonic::{Code, Request, Response, Status, Streaming};

use super::guests::{Guest, Guests, Prepared};
use super::listing;
use super::values::values;
use crate::desk::refusal::Refusal;
use crate::desk::told::Told;
use crate::fail::Failure;

/// The service.
pub(super) struct Flight {
    guests: Arc<Guests>,
}

type Stream_<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;
type Fetched = Result<Response<<Flight as FlightService>::DoGetStream>, Status>;

impl Flight {
    pub(super) const fn new(guests: Arc<Guests>) -> Self {
        Self { guests }
    }

    fn who<T>(&self, request: &Request<T>) -> Result<Arc<Guest>, Status> {
        self.guests.who(request).map_err(|failure| status(&failure))
    }

    async fn fetched(&self, guest: &Guest, text: &str, values: Option<&[Argument]>) -> Fetched {
        let done =
            guest.visit.perform(text, values, None).await.map_err(|failure| status(&failure))?;
        match done {
            Told::Rows(rows) => sent(rows.batch_with_metadata().map_err(encode)?),
            Told::Done(tag, _) => {
                let rows = crate::desk::told::Rows::text("status", &[tag.to_owned()], tag);
                sent(rows.map_err(encode)?.batch)
            }
        }
    }
}

/// An announcement without a schema: drivers would keep its metadata, and drop that of the rows.
fn announced<M: ProstMessageExt>(
    ticket: &M,
    request: Request<FlightDescriptor>,
) -> Result<Response<FlightInfo>, Status> {
    let ticket = Ticket::new(ticket.as_any().encode_to_vec());
    let endpoint = FlightEndpoint::new().with_ticket(ticket);
    let info = FlightInfo::new().with_endpoint(endpoint);
    Ok(Response::new(info.with_descriptor(request.into_inner())))
}

/// An announcement of a listing, whose schema drivers check.
fn listed<M: ProstMessageExt>(
    ticket: &M,
    batch: Result<RecordBatch, FlightError>,
    request: Request<FlightDescriptor>,
) -> Result<Response<FlightInfo>, Status> {
    let schema = batch?.schema();
    let announced = announced(ticket, request)?.into_inner();
    let announced = announced.try_with_schema(&schema).map_err(encode)?;
    Ok(Response::new(announced))
}

fn sent(batch: RecordBatch) -> Fetched {
    let encoder = FlightDataEncoderBuilder::new().with_schema(batch.schema());
    let rows = encoder.build(stream::iter([Ok(batch)])).map_err(Status::from);
    Ok(Response::new(Box::pin(rows)))
}

#[tonic::async_trait]
impl FlightSqlService for Flight {
    type FlightService = Self;

    async fn do_handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Stream_<HandshakeResponse>>, Status> {
        let token = self.guests.login(request.metadata()).await;
        let token = token.map_err(|failure| status(&failure))?;
        let reply = HandshakeResponse { protocol_version: 0, payload: token.clone().into() };
        let reply: Stream_<HandshakeResponse> = Box::pin(stream::iter([Ok(reply)]));
        let mut response = Response::new(reply);
        let header = format!("Bearer {token}").parse();
        let header = header.map_err(|_| Status::internal("the token has no form"))?;
        response.metadata_mut().insert("authorization", header);
        Ok(response)
    }

    async fn get_flight_info_statement(
        &self,
        query: CommandStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let guest = self.who(&request)?;
        // What is refused is refused now; nothing is charged before it is fetched.
        guest.visit.describe(&query.query).await.map_err(|failure| status(&failure))?;
        let ticket = TicketStatementQuery { statement_handle: query.query.into() };
        announced(&ticket, request)
    }

    async fn do_get_statement(
        &self,
        ticket: TicketStatementQuery,
        request: Request<Ticket>,
    ) -> Fetched {
        let guest = self.who(&request)?;
        let text = String::from_utf8(ticket.statement_handle.to_vec());
        let text = text.map_err(|_| Status::invalid_argument("the ticket is no statement"))?;
        self.fetched(&guest, &text, None).await
    }

    async fn do_action_create_prepared_statement(
        &self,
        query: ActionCreatePreparedStatementRequest,
        request: Request<Action>,
    ) -> Result<ActionCreatePreparedStatementResult, Status> {
        let guest = self.who(&request)?;
        let seen = guest.visit.describe(&query.query).await.map_err(|failure| status(&failure))?;
        let dataset_schema = match &seen.schema {
            Some(schema) => {
                let options = IpcWriteOptions::default();
                let message = IpcMessage::try_from(SchemaAsIpc::new(schema, &options));
                message.map_err(encode)?.0
            }
            None => bytes::Bytes::new(),
        };
        let handle = guest.keep(query.query, seen).map_err(|failure| status(&failure))?;
        Ok(ActionCreatePreparedStatementResult {
            prepared_statement_handle: handle.into(),
            dataset_schema,
            parameter_schema: bytes::Bytes::new(),
        })
    }

    async fn do_action_close_prepared_statement(
        &self,
        query: ActionClosePreparedStatementRequest,
        request: Request<Action>,
    ) -> Result<(), Status> {
        let guest = self.who(&request)?;
        guest.forget(&handle(&query.prepared_statement_handle)?);
        Ok(())
    }

    async fn do_put_prepared_statement_query(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<DoPutPreparedStatementResult, Status> {
        let guest = self.who(&request)?;
        let rows = request.into_inner().map_err(|status| FlightError::Tonic(Box::new(status)));
        let batches: Vec<RecordBatch> = FlightRecordBatchStream::new_from_flight_data(rows)
            .take(BATCHES_MAX)
            .try_collect()
            .await?;
        let values = values(&batches).map_err(|fault| Status::invalid_argument(fault.line()))?;
        if !guest.bind(&handle(&query.prepared_statement_handle)?, values) {
            return Err(no_such());
        }
        Ok(DoPutPreparedStatementResult { prepared_statement_handle: None })
    }

    async fn get_flight_info_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let guest = self.who(&request)?;
        guest.prepared(&handle(&query.prepared_statement_handle)?).ok_or_else(no_such)?;
        announced(&query, request)
    }

    async fn do_get_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<Ticket>,
    ) -> Fetched {
        let guest = self.who(&request)?;
        let found = guest.prepared(&handle(&query.prepared_statement_handle)?);
        let Prepared { text, seen, values, .. } = found.ok_or_else(no_such)?;
        let wanted = seen.parameters.len();
        if wanted > 0 && values.as_ref().is_none_or(|values| values.len() != wanted) {
            let what = format!("[R-STATEMENT] the query has {wanted} parameters");
            return Err(Status::invalid_argument(what));
        }
        self.fetched(&guest, &text, values.as_deref()).await
    }

    async fn get_flight_info_catalogs(
        &self,
        query: CommandGetCatalogs,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.who(&request)?;
        listed(&query, listing::catalogs(&self.guests.desk, query), request)
    }

    async fn do_get_catalogs(
        &self,
        query: CommandGetCatalogs,
        request: Request<Ticket>,
    ) -> Fetched {
        self.who(&request)?;
        sent(listing::catalogs(&self.guests.desk, query)?)
    }

    async fn get_flight_info_schemas(
        &self,
        query: CommandGetDbSchemas,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.who(&request)?;
        listed(&query, listing::schemas(&self.guests.desk, query.clone()), request)
    }

    async fn do_get_schemas(
        &self,
        query: CommandGetDbSchemas,
        request: Request<Ticket>,
    ) -> Fetched {
        self.who(&request)?;
        sent(listing::schemas(&self.guests.desk, query)?)
    }

    async fn get_flight_info_tables(
        &self,
        query: CommandGetTables,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.who(&request)?;
        listed(&query, listing::tables(&self.guests.desk, query.clone()), request)
    }

    async fn do_get_tables(&self, query: CommandGetTables, request: Request<Ticket>) -> Fetched {
        self.who(&request)?;
        sent(listing::tables(&self.guests.desk, query)?)
    }

    async fn get_flight_info_table_types(
        &self,
        query: CommandGetTableTypes,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.who(&request)?;
        listed(&query, listing::table_types(query), request)
    }

    async fn do_get_table_types(
        &self,
        query: CommandGetTableTypes,
        request: Request<Ticket>,
    ) -> Fetched {
        self.who(&request)?;
        sent(listing::table_types(query)?)
    }

    async fn get_flight_info_sql_info(
        &self,
        query: CommandGetSqlInfo,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.who(&request)?;
        let abilities = listing::abilities()?;
        listed(&query, query.clone().into_builder(&abilities).build(), request)
    }

    async fn do_get_sql_info(&self, query: CommandGetSqlInfo, request: Request<Ticket>) -> Fetched {
        self.who(&request)?;
        sent(query.into_builder(&listing::abilities()?).build()?)
    }

    async fn do_action_fallback(
        &self,
        request: Request<Action>,
    ) -> Result<Response<Stream_<FlightResult>>, Status> {
        if request.get_ref().r#type != "CloseSession" {
            return Err(Status::unimplemented("there is no such action"));
        }
        self.guests.leave(request.metadata());
        let closed = FlightResult { body: bytes::Bytes::from_static(CLOSED) };
        let closed: Stream_<FlightResult> = Box::pin(stream::iter([Ok(closed)]));
        Ok(Response::new(closed))
    }

    async fn register_sql_info(&self, _: i32, _: &SqlInfo) {}
}

fn handle(bytes: &bytes::Bytes) -> Result<String, Status> {
    String::from_utf8(bytes.to_vec()).map_err(|_| no_such())
}

fn no_such() -> Status {
    Status::not_found("[R-STATEMENT] there is no such prepared statement in this session")
}

/// A failure as gRPC has it: a line with the code, then what to do and where, each on its own; and
/// all of it for programs.
fn status(failure: &Failure) -> Status {
    let refusal = Refusal::of(failure);
    let code = match refusal.code.as_str() {
        "exhausted" | "limit" => Code::ResourceExhausted,
        "cancelled" => Code::Cancelled,
        "unauthorized" => Code::Unauthenticated,
        "untrusted" => Code::FailedPrecondition,
        code if code.starts_with("R-") || code == "usage" => Code::InvalidArgument,
        _ => Code::Internal,
    };
    let mut text = refusal.line();
    if let Some(hint) = &refusal.hint {
        text.push_str(&format!("\n hint: {hint}"));
    }
    if let Some((line, column)) = refusal.place {
        text.push_str(&format!("\n at: line {line}, column {column}"));
    }
    let mut metadata = MetadataMap::new();
    let told = refusal.to_json()["error"].to_string();
    let told: MetadataValue<tonic::metadata::Binary> = Bytes::from_bytes(told.as_bytes());
    metadata.insert_bin("graunt-error-bin", told);
    Status::with_metadata(code, text, metadata)
}

fn encode(error: arrow::error::ArrowError) -> Status {
    FlightError::Arrow(error).into()
}

/// Batches of parameters that are read; there is one row of them.
const BATCHES_MAX: usize = 4;

/// `CloseSessionResult` with the status `CLOSED`.
const CLOSED: &[u8] = &[0x08, 0x01];

//! Statements that come as text, one or several, and are answered in text.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use futures::{Sink, SinkExt as _};
use pgwire::api::copy::send_copy_out_response;
use pgwire::api::portal::Format;
use pgwire::api::query::{
    SimpleQueryHandler, send_execution_response, send_query_response, send_ready_for_query,
};
use pgwire::api::results::{Response, Tag};
use pgwire::api::store::PortalStore;
use pgwire::api::{ClientInfo, ClientPortalStore, PgWireConnectionState};
use pgwire::error::{ErrorInfo, PgWireError, PgWireResult};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::response::{EmptyQueryResponse, TransactionStatus};
use pgwire::messages::simplequery::Query;

use super::Connection;
use super::copy::Copy;
use super::refused::{plain, protocol, told};
use super::rows;
use crate::desk::control::Control;
use crate::desk::told::{Step, Told};
use crate::desk::visit::Visit;
use crate::script::split;

/// Answers statements that come as text.
pub(super) struct Simple(pub(super) Arc<Connection>);

#[async_trait]
impl SimpleQueryHandler for Simple {
    /// Answers statement by statement, each in the state that the one before left. The library
    /// keeps the state from before the first until after the last.
    async fn on_query<C>(&self, client: &mut C, query: Query) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let visit = visit(&self.0)?;
        let statements = split(&query.query);
        if statements.is_empty() {
            client
                .feed(PgWireBackendMessage::EmptyQueryResponse(EmptyQueryResponse::new()))
                .await?;
        }
        for statement in &statements {
            let done = self.done(client, &visit, &statement.text, &query.query).await?;
            if let Some(fault) = done {
                client.feed(PgWireBackendMessage::ErrorResponse(fault.into())).await?;
                client.set_transaction_status(client.transaction_status().to_error_state());
                break;
            }
        }
        client.set_state(PgWireConnectionState::ReadyForQuery);
        let status = client.transaction_status();
        if matches!(status, TransactionStatus::Idle) {
            // Portals end with their transaction.
            client.portal_store().clear_portals();
        }
        send_ready_for_query(client, status).await
    }

    async fn do_query<C>(&self, _: &mut C, _: &str) -> PgWireResult<Vec<Response>>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        Err(protocol("XX000", "statements are answered one by one"))
    }
}

impl Simple {
    /// Does one statement of a text, and sends what it gives; what is wrong with it, if anything.
    async fn done<C>(
        &self,
        client: &mut C,
        visit: &Visit,
        statement: &str,
        all: &str,
    ) -> PgWireResult<Option<ErrorInfo>>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let copy = Copy::read(statement);
        let text = copy.as_ref().map_or(statement, |copy| &copy.text);
        if is_stuck(client, text) {
            return Ok(Some(stuck()));
        }
        let done = match visit.perform(of_state(client, text), None, None).await {
            Ok(done) => done,
            Err(failure) => {
                let mut fault = told(&failure, text);
                // The place is one of this statement, and clients show the whole text.
                fault.position = fault.position.filter(|_| text == all);
                return Ok(Some(fault));
            }
        };
        match (done, copy) {
            (Told::Done(tag, step), _) => {
                let status = stepped(client.transaction_status(), step);
                client.set_transaction_status(status);
                send_execution_response(client, Tag::new(tag)).await?;
            }
            (Told::Rows(found), Some(copy)) => {
                notice(client, &found.notices).await?;
                send_copy_out_response(client, copy.response(&found.batch)?).await?;
            }
            (Told::Rows(found), None) => {
                notice(client, &found.notices).await?;
                let format = Format::UnifiedText;
                let rows = rows::response(found.batch, None, &format, found.tag)?;
                send_query_response(client, rows, true).await?;
            }
        }
        Ok(None)
    }
}

/// Whoever was let in at this connection.
pub(super) fn visit(connection: &Connection) -> PgWireResult<Arc<Visit>> {
    let visit = connection.visit.get().cloned();
    visit.ok_or_else(|| protocol("28000", "nobody was let in at this connection"))
}

/// Tells what is worth knowing besides rows, before the statement is over: later it is not seen.
pub(super) async fn notice<C>(client: &mut C, lines: &[String]) -> PgWireResult<()>
where
    C: Sink<PgWireBackendMessage> + Unpin + Send + Sync,
    C::Error: Debug,
    PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
{
    for line in lines {
        let notice = plain("NOTICE", "00000", line);
        client.feed(PgWireBackendMessage::NoticeResponse(notice.into())).await?;
    }
    Ok(())
}

/// A statement as the state of the transaction has it: what failed is not committed.
pub(super) fn of_state<'a, C: ClientInfo>(client: &C, text: &'a str) -> &'a str {
    let is_failed = matches!(client.transaction_status(), TransactionStatus::Error);
    match Control::read(text) {
        Some(Control::Word("COMMIT", Step::End)) if is_failed => "ROLLBACK",
        _ => text,
    }
}

/// The state of a transaction after a statement about it.
pub(super) const fn stepped(status: TransactionStatus, step: Step) -> TransactionStatus {
    match (step, status) {
        (Step::None, _) | (Step::Back, TransactionStatus::Idle) => status,
        // There is nothing to go back to, and nothing was undone; it goes on.
        (Step::Begin | Step::Back, _) => TransactionStatus::Transaction,
        (Step::End, _) => TransactionStatus::Idle,
    }
}

/// The response to a statement about the session, where the library keeps the state. It has none
/// for going back, after which the state is set apart.
pub(super) fn response(tag: &'static str, step: Step) -> Response {
    match step {
        Step::None | Step::Back => Response::Execution(Tag::new(tag)),
        Step::Begin => Response::TransactionStart(Tag::new(tag)),
        Step::End => Response::TransactionEnd(Tag::new(tag)),
    }
}

/// Whether a statement goes back to a point within a transaction.
pub(super) fn is_back(text: &str) -> bool {
    matches!(Control::read(text), Some(Control::Word(_, Step::Back)))
}

/// Whether a transaction failed, and this statement does not end it.
pub(super) fn is_stuck<C: ClientInfo>(client: &C, text: &str) -> bool {
    let ends = matches!(Control::read(text), Some(Control::Word(_, Step::End | Step::Back)));
    matches!(client.transaction_status(), TransactionStatus::Error) && !ends
}

/// What is said then.
pub(super) fn stuck() -> ErrorInfo {
    let what = "the transaction failed before; ROLLBACK ends it";
    plain("ERROR", "25P02", what)
}

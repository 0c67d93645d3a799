//! Questions from the page: login, prices, answers, and taking a question back.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::guests::{COOKIE, Guest};
use super::{Here, Page, Refused, apart, refused};
use crate::desk::counters::Door;
use crate::desk::told::{ENDS, Told};
use crate::desk::visit::Visit;
use crate::fail::Failure;
use crate::opened::Reply;
use crate::show;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Login {
    analyst: String,
    password: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    sql: String,
    epsilon: Option<f64>,
    delta: Option<f64>,
    #[serde(default)]
    id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    id: String,
}

type Given<T> = Result<Json<T>, JsonRejection>;

/// Logs somebody in.
pub(super) async fn login(
    State(page): Here,
    headers: HeaderMap,
    given: Given<Login>,
) -> Result<Response, Refused> {
    check(&headers)?;
    let Login { analyst, password } = body(given)?;
    let found = page.desk.login(Door::Page, &analyst, &password).await.map_err(Refused::from)?;
    let token = page.guests.admit(&page.desk, found.clone()).map_err(Refused::from)?;
    let secure = if page.is_secure { "; Secure" } else { "" };
    let cookie = format!("{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict{secure}");
    let visit = Visit::begin(&page.desk, Door::Page, found).map_err(Refused::from)?;
    let left = visit.balance().map_err(Refused::from)?;
    let left = left.map(|balance| show::balance_json(balance)["left"].clone());
    let reply = json!({ "analyst": analyst, "left": left });
    Ok(([(header::SET_COOKIE, cookie)], Json(reply)).into_response())
}

/// Logs somebody out.
pub(super) async fn logout(State(page): Here, headers: HeaderMap) -> Result<Response, Refused> {
    check(&headers)?;
    page.guests.leave(&headers);
    let cookie = format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

/// Who is logged in.
pub(super) async fn me(State(page): Here, headers: HeaderMap) -> Result<Json<Value>, Refused> {
    let guest = apart(move || page.guests.allowed(&headers).map_err(Refused::from)).await?;
    Ok(Json(json!({ "analyst": guest.map(|guest| guest.analyst.name.clone()) })))
}

/// The plan and the price of a question.
pub(super) async fn explain(
    State(page): Here,
    headers: HeaderMap,
    given: Given<Question>,
) -> Result<Response, Refused> {
    let (guest, question) = (who(&page, &headers)?, body(given)?);
    let visit =
        Visit::begin(&page.desk, Door::Page, guest.analyst.clone()).map_err(Refused::from)?;
    set(&visit, &question)?;
    let explained = visit.explain(&question.sql).await.map_err(Refused::from)?;
    Ok(Json(explained).into_response())
}

/// Asks a question.
pub(super) async fn ask(
    State(page): Here,
    headers: HeaderMap,
    given: Given<Question>,
) -> Result<Response, Refused> {
    let (guest, question) = (who(&page, &headers)?, body(given)?);
    let visit = guest.begin(&question.id).map_err(Refused::from)?;
    let _over = Over(Arc::clone(&guest), question.id.clone());
    set(&visit, &question)?;
    visit.set("graunt.intervals", "on").map_err(Refused::from)?;
    match visit.perform(&question.sql, None, None).await.map_err(Refused::from)? {
        Told::Rows(rows) => match &rows.reply {
            Some(reply) => Ok(Json(answered(reply, &rows.metadata)?).into_response()),
            None => Err(Refused::from(Failure::usage(
                "only questions are asked here",
                "Explain and price tells plans and prices",
            ))),
        },
        Told::Done(..) => Err(Refused::from(Failure::usage(
            "only questions are asked here",
            "psql, Python and graunt sql have views and settings",
        ))),
    }
}

/// Takes a question back; what is charged already is answered all the same, to whoever asked it.
pub(super) async fn cancel(
    State(page): Here,
    headers: HeaderMap,
    given: Given<Named>,
) -> Result<Response, Refused> {
    let (guest, Named { id }) = (who(&page, &headers)?, body(given)?);
    let visit = guest.asked(&id).ok_or_else(|| {
        refused(StatusCode::NOT_FOUND, "not found", "no question of that name is being asked")
    })?;
    Ok(Json(json!({ "charged": !visit.cancel() })).into_response())
}

/// A question that is over when it is dropped, whatever came of it.
struct Over(Arc<Guest>, String);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.end(&self.1);
    }
}

fn set(visit: &Visit, question: &Question) -> Result<(), Refused> {
    let given = [("graunt.epsilon", question.epsilon), ("graunt.delta", question.delta)];
    for (name, value) in given.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        visit.set(name, &value.to_string()).map_err(Refused::from)?;
    }
    Ok(())
}

fn answered(
    reply: &Reply,
    metadata: &std::collections::HashMap<String, String>,
) -> Result<Value, Refused> {
    let answer = &reply.answer;
    let encode = |error| Refused::from(Failure::Encode(Box::new(error)));
    let rows = answer.to_json(true).map_err(encode)?;
    let bounded: Vec<&String> = (answer.columns().iter().enumerate())
        .filter(|(column, _)| answer.has_intervals(*column))
        .map(|(_, name)| name)
        .collect();
    // The ends of intervals go by the same names as at the other doors.
    let renamed = rows.into_iter().map(|row| {
        let Value::Object(mut row) = row else { return row };
        for name in &bounded {
            for (old, new) in ["_lower", "_upper"].iter().zip(ENDS) {
                if let Some(value) = row.remove(&format!("{name}{old}")) {
                    row.insert(format!("{name}{new}"), value);
                }
            }
        }
        Value::Object(row)
    });
    let pair = |name: &String| json!(ENDS.map(|end| format!("{name}{end}")));
    let intervals: Map<String, Value> =
        bounded.iter().map(|name| ((*name).clone(), pair(name))).collect();
    Ok(json!({
        "columns": answer.columns(),
        "rows": renamed.collect::<Vec<_>>(),
        "intervals": intervals,
        "confidence": answer.confidence(),
        "cost": show::cost_json(answer.cost),
        "is_repeat": reply.is_repeat(),
        "budget": reply.balance.map(show::balance_json),
        "notes": answer.notes,
        "query": metadata.get("graunt.query"),
        "receipt": answer.receipt,
    }))
}

fn who(page: &Page, headers: &HeaderMap) -> Result<Arc<Guest>, Refused> {
    check(headers)?;
    page.guests
        .who(headers)
        .ok_or_else(|| refused(StatusCode::UNAUTHORIZED, "unauthorized", "log in to ask questions"))
}

/// Pages of others may send forms here in a visitor's name, but not with this header.
fn check(headers: &HeaderMap) -> Result<(), Refused> {
    if headers.get("x-graunt").is_some_and(|value| value == "1") {
        return Ok(());
    }
    Err(refused(StatusCode::FORBIDDEN, "forbidden", "the request does not come from this page"))
}

fn body<T>(given: Given<T>) -> Result<T, Refused> {
    match given {
        Ok(Json(body)) => Ok(body),
        Err(fault) => {
            let what = "the request is not the JSON that belongs here";
            Err(refused(fault.status(), "usage", what))
        }
    }
}

//! Answers, quotes, balances and tables as people and programs read them.

use std::error::Error as StdError;

use clap::ValueEnum;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};
use engine::answer::Answer;
use engine::catalog::{Catalog, TableSpec};
use engine::engine::{Quote, QuotedColumn};
use engine::noise::normal_quantile;
use engine::registered::Registered;
use ledger_adapter::charge::Balance;
use ledger_adapter::cost::Cost;
use ledger_adapter::manifest::{Bounds, ColumnKind, ColumnManifest, KeyValue, Rows};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::fail::Failure;
use crate::numbers::{as_epsilon, readable, rough};
use crate::opened::Reply;
use crate::session::{TOGETHER_DELTA, Terms};

/// How answers are printed.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// For people, with intervals, cost and notes.
    Table,
    /// RFC 4180, with a header and nothing else.
    Csv,
    /// One array of objects per statement, and nothing else.
    Json,
    /// An Arrow IPC file.
    Arrow,
}

/// A table with a header; columns of `right` stand to the right.
pub(crate) fn grid(header: &[String], rows: Vec<Vec<String>>, right: &[bool]) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(header.to_vec());
    table.add_rows(rows);
    for (column, _) in right.iter().enumerate().filter(|(_, right)| **right) {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

/// An answer for people: values, and with `intervals` each with its interval beside it.
///
/// # Errors
/// [`Failure::Encode`].
pub(crate) fn answer_table(answer: &Answer, intervals: bool) -> Result<String, Failure> {
    let schema = answer.batch(false).map_err(encode)?.schema();
    let kinds = schema.fields().iter().map(|field| field.data_type());
    let kinds: Vec<(bool, bool)> =
        kinds.map(|kind| (kind.is_numeric(), kind.is_floating())).collect();
    let has_interval = |column| intervals && answer.has_intervals(column);
    let percent = readable(answer.confidence() * 100.0);
    let (mut header, mut right) = (Vec::new(), Vec::new());
    for (column, name) in answer.columns().iter().enumerate() {
        header.push(name.clone());
        right.push(kinds[column].0);
        if has_interval(column) {
            header.push(format!("{percent} % interval"));
            right.push(true);
        }
    }
    let mut rows = Vec::with_capacity(answer.len());
    for row in 0..answer.len() {
        let mut cells = Vec::with_capacity(header.len());
        for (column, (_, is_floating)) in kinds.iter().enumerate() {
            let number = answer.number(row, column).filter(|_| *is_floating);
            cells.push(number.map_or_else(|| answer.text(row, column), readable));
            if has_interval(column) {
                let interval = answer.interval(row, column);
                cells.push(interval.map_or_else(String::new, |bound| {
                    format!("[{}, {}]", readable(bound.lower), readable(bound.upper))
                }));
            }
        }
        rows.push(cells);
    }
    Ok(grid(&header, rows, &right))
}

/// An answer for programs.
///
/// # Errors
/// [`Failure::Encode`].
pub(crate) fn encoded(
    answer: &Answer,
    format: Format,
    intervals: bool,
) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    match format {
        Format::Csv => answer.write_csv(&mut bytes, intervals).map_err(encode)?,
        Format::Arrow => answer.write_arrow(&mut bytes, intervals).map_err(encode)?,
        Format::Json => {
            let rows = answer.to_json(intervals).map_err(encode)?;
            serde_json::to_writer(&mut bytes, &rows).map_err(encode)?;
            bytes.push(b'\n');
        }
        Format::Table => {
            bytes.extend(answer_table(answer, intervals)?.into_bytes());
            bytes.push(b'\n');
        }
    }
    Ok(bytes)
}

/// What an answer cost, what is left, where its receipt is: one line.
pub(crate) fn footer(reply: &Reply, terms: &Terms) -> String {
    let mut parts = Vec::new();
    if reply.is_repeat() {
        parts.push("cost nothing, as it was answered before".to_owned());
    } else if reply.answer.cost.is_zero() {
        parts.push("cost nothing".to_owned());
    } else {
        let (epsilon, delta) = reply.answer.asked.unwrap_or((terms.epsilon, terms.delta));
        let asked = format!("epsilon {epsilon}, delta {}", readable(delta));
        parts.push(format!("cost {} ({asked})", cost(reply.answer.cost)));
    }
    if let Some(balance) = reply.balance.filter(|_| !reply.answer.cost.is_zero()) {
        parts.push(format!("left {}", left(balance)));
    }
    if let Some(path) = &reply.receipt {
        parts.push(format!("receipt {}", path.display()));
    }
    parts.join(" · ")
}

/// A reply for programs.
///
/// # Errors
/// [`Failure::Encode`].
pub(crate) fn reply_json(reply: &Reply, intervals: bool) -> Result<Value, Failure> {
    let answer = &reply.answer;
    Ok(json!({
        "columns": answer.columns(),
        "rows": answer.to_json(intervals).map_err(encode)?,
        "confidence": answer.confidence(),
        "cost": cost_json(answer.cost),
        "is_repeat": reply.is_repeat(),
        "budget": reply.balance.map(balance_json),
        "notes": answer.notes,
        "receipt": reply.receipt,
    }))
}

/// The noisy columns of a quote for people, with intervals of this confidence.
pub(crate) fn quote_table(quote: &Quote, confidence: f64) -> String {
    let header = [
        "column".to_owned(),
        "noise (standard deviation)".to_owned(),
        format!("{} % interval", readable(confidence * 100.0)),
        "one person counts within".to_owned(),
        "groups per person".to_owned(),
        "keys shown above".to_owned(),
    ];
    let rows = quote.columns.iter().map(|column| {
        let (most, about) = if column.is_chosen { ("at most ", "at most") } else { ("", "about") };
        vec![
            column.name.clone(),
            format!("{most}{}", readable(column.noise)),
            format!("± {about} {}", rough(width(column, confidence))),
            format!("[{}, {}]", readable(column.clamp.0), readable(column.clamp.1)),
            format!("{most}{}", column.groups_per_person),
            column.threshold.map_or_else(String::new, |count| format!("{count} persons")),
        ]
    });
    grid(&header, rows.collect(), &[false, true, true, true, true, true])
}

/// The noisy columns of a quote as CSV with a header (RFC 4180).
pub(crate) fn quote_csv(quote: &Quote, confidence: f64) -> String {
    let header = "column,noise,half_width,is_chosen,lower,upper,groups_per_person,threshold";
    let rows = quote.columns.iter().map(|column| {
        format!(
            "\"{}\",{},{},{},{},{},{},{}\n",
            column.name.replace('"', "\"\""),
            column.noise,
            width(column, confidence),
            column.is_chosen,
            column.clamp.0,
            column.clamp.1,
            column.groups_per_person,
            column.threshold.map_or_else(String::new, |count| count.to_string()),
        )
    });
    std::iter::once(format!("{header}\n")).chain(rows).collect()
}

/// What a quote comes to, and whether the account holds it, for people.
pub(crate) fn verdict(quote: &Quote, balance: Option<Balance>) -> Vec<String> {
    let mut lines = vec![format!("would cost {}; nothing is charged", cost(quote.cost))];
    if let Some(balance) = balance {
        lines.push(format!("left {}", left(balance)));
        if !quote.cost.fits(remaining(balance)) {
            let line = "the budget does not hold that: ask with a smaller --epsilon";
            lines.push(line.to_owned());
        }
    }
    lines
}

/// What several questions cost together, for people.
pub(crate) fn together(registered: &Registered) -> String {
    let charge = cost(registered.cost);
    let epsilon = readable(registered.epsilon);
    let delta = readable(TOGETHER_DELTA);
    let by_loss = registered.epsilon_together.map_or_else(String::new, |epsilon| {
        let epsilon = readable(epsilon);
        format!("; fixed beforehand they amount to epsilon {epsilon}, by their privacy losses")
    });
    format!("together {charge}: epsilon {epsilon} at delta {delta}{by_loss}")
}

/// A quote for programs.
pub(crate) fn quote_json(quote: &Quote, balance: Option<Balance>, confidence: f64) -> Value {
    let columns = quote.columns.iter().map(|column| {
        json!({
            "column": column.name,
            "noise": column.noise,
            "half_width": width(column, confidence),
            "is_chosen": column.is_chosen,
            "lower": column.clamp.0,
            "upper": column.clamp.1,
            "groups_per_person": column.groups_per_person,
            "threshold": column.threshold,
        })
    });
    json!({
        "cost": cost_json(quote.cost),
        "columns": columns.collect::<Vec<_>>(),
        "confidence": confidence,
        "notes": quote.notes,
        "budget": balance.map(balance_json),
    })
}

/// Half the width that the noise alone gives the interval of a column.
pub(crate) fn width(column: &QuotedColumn, confidence: f64) -> f64 {
    column.noise * normal_quantile(1.0 - confidence)
}

/// What something costs, for people.
pub(crate) fn cost(cost: Cost) -> String {
    format!("rho {}, delta {}", readable(cost.rho.as_f64()), readable(cost.delta.as_f64()))
}

/// What is left of an account, for people.
pub(crate) fn left(balance: Balance) -> String {
    let left = remaining(balance);
    match as_epsilon(left.rho, balance.cap) {
        Some((epsilon, delta)) => {
            format!("{} (epsilon {} at delta {})", cost(left), readable(epsilon), readable(delta))
        }
        None => cost(left),
    }
}

/// What is left of an account.
pub(crate) fn remaining(balance: Balance) -> Cost {
    balance.cap.checked_sub(balance.spent).unwrap_or_default()
}

/// A cost for programs: exact integers, and what they mean.
pub(crate) fn cost_json(cost: Cost) -> Value {
    json!({
        "rho": cost.rho.as_f64(),
        "delta": cost.delta.as_f64(),
        "rho_nano": cost.rho.nano(),
        "delta_atto": cost.delta.atto(),
    })
}

/// A balance for programs.
pub(crate) fn balance_json(balance: Balance) -> Value {
    let amount = |amount: Cost| {
        let mut value = cost_json(amount);
        if let Some((epsilon, delta)) = as_epsilon(amount.rho, balance.cap) {
            value["epsilon"] = json!(epsilon);
            value["epsilon_at_delta"] = json!(delta);
        }
        value
    };
    json!({
        "cap": amount(balance.cap),
        "spent": amount(balance.spent),
        "left": amount(remaining(balance)),
        "charges": balance.charges,
    })
}

/// The tables of a population, for people.
pub(crate) fn tables(catalog: &Catalog) -> String {
    let rows = catalog.tables().map(|table| {
        let (whose, most) = match &table.rows {
            Rows::Public => ("public".to_owned(), String::new()),
            Rows::PerPerson { unit, rows_per_person_max } => {
                (format!("persons, by {unit}"), rows_per_person_max.to_string())
            }
        };
        vec![table.name.clone(), whose, most, table.columns.len().to_string()]
    });
    let header = ["table", "whose rows", "rows per person, at most", "columns"].map(str::to_owned);
    grid(&header, rows.collect(), &[false, false, true, true])
}

/// The columns of a table, for people.
pub(crate) fn columns(table: &TableSpec) -> String {
    let rows = table.columns.iter().map(|column| {
        let kind = match column.kind {
            ColumnKind::Integer => "integer",
            ColumnKind::Float => "float",
            ColumnKind::Text => "text",
            ColumnKind::Date => "date",
        };
        let is_unit = table.unit() == Some(column.name.as_str());
        let null = if column.nullable { "yes" } else { "" };
        vec![
            column.name.clone(),
            kind.to_owned(),
            null.to_owned(),
            if is_unit { "the person".to_owned() } else { public_values(column) },
            column.generalised.clone().unwrap_or_default(),
        ]
    });
    let header = ["column", "kind", "null", "public bounds or values", "generalised"];
    grid(&header.map(str::to_owned), rows.collect(), &[])
}

fn public_values(column: &ColumnManifest) -> String {
    let mut parts = Vec::new();
    if let Some(bounds) = column.bounds {
        parts.push(interval(bounds));
    }
    if let Some(total) = column.person_total {
        parts.push(format!("per person {}", interval(total)));
    }
    if let Some(values) = &column.domain {
        let shown = values.iter().take(VALUES_SHOWN).map(|value| match value {
            KeyValue::Integer(value) => value.to_string(),
            KeyValue::Text(value) => value.clone(),
        });
        let mut list = shown.collect::<Vec<_>>().join(", ");
        if values.len() > VALUES_SHOWN {
            list.push_str(&format!(", ... ({} values)", values.len()));
        }
        parts.push(list);
    }
    parts.join("; ")
}

fn interval(bounds: Bounds) -> String {
    let step = 10_f64.powi(i32::from(bounds.scale));
    let end = |value: i64| readable(value as f64 / step);
    format!("[{}, {}]", end(bounds.lower), end(bounds.upper))
}

fn encode(error: impl StdError + Send + Sync + 'static) -> Failure {
    Failure::Encode(Box::new(error))
}

/// Values of a key that are listed before the rest is only counted.
const VALUES_SHOWN: usize = 8;

#[cfg(test)]
mod tests {
    use ledger_adapter::cost::{Delta, Rho};

    use super::*;

    #[test]
    fn a_grid_has_its_numbers_to_the_right() {
        let header = ["name", "n"].map(str::to_owned);
        let rows =
            vec![vec!["a".to_owned(), "1".to_owned()], vec!["b".to_owned(), "23".to_owned()]];
        let text = grid(&header, rows, &[false, true]);
        assert!(text.contains("┆  1 │") && text.contains("┆ 23 │"), "{text}");
    }

    #[test]
    fn what_is_left_is_never_negative_and_has_an_epsilon() {
        let amount = |nano, atto| Cost { rho: Rho::from_nano(nano), delta: Delta::from_atto(atto) };
        let cap = amount(200_000_000, 5_000_000_000_000);
        let balance = Balance { cap, spent: amount(50_000_000, 0), charges: 2 };
        assert_eq!(remaining(balance).rho.nano(), 150_000_000);
        let text = left(balance);
        assert!(text.starts_with("rho 0.15, delta 5e-6 (epsilon 2."), "{text}");
        let value = balance_json(balance);
        assert_eq!(value["left"]["rho_nano"], 150_000_000);
        assert_eq!(value["charges"], 2);
    }
}

//! Transact-SQL of published OMOP queries, written as the engine's SQL: parameters and brackets in
//! the words, TOP, hints and functions in the tree. Dates are rewritten elsewhere.

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    CaseWhen, CastKind, DataType, ExactNumberInfo, Expr, Function, FunctionArg, FunctionArgExpr,
    Ident, LimitClause, ObjectName, Query, SetExpr, TableFactor, TimezoneInfo, Top, TopQuantity,
    Value,
};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::error::{Code, Rejection};
use crate::sql::call::{Call, date, function, plain_name, whole_number};
use crate::sql::dates::dated;
use crate::sql::text::{place_at, refused};

/// Drops the schemas `@cdm.` and `dbo.`, and makes plain names of names in brackets.
///
/// # Errors
/// `R-SYNTAX` if a parameter has no value; `R-STATEMENT` if there is a temporary table.
pub(crate) fn plain(tokens: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>, Rejection> {
    let mut result = Vec::with_capacity(tokens.len());
    let mut tokens = tokens.into_iter().peekable();
    while let Some(mut token) = tokens.next() {
        let place = place_at(token.span.start);
        if let Token::Word(word) = &mut token.token {
            let is_quoted = word.quote_style.is_some();
            let is_parameter = !is_quoted && word.value.starts_with('@');
            let is_schema = is_parameter || word.value.eq_ignore_ascii_case("dbo");
            if is_schema && tokens.peek().is_some_and(|next| next.token == Token::Period) {
                tokens.next();
                continue;
            }
            if is_parameter {
                let reason = format!("the parameter {} has no value", word.value);
                return Err(refused(Code::Syntax, place, reason).hint(
                    "write its value, or $1 in PREPARE name AS query, then EXECUTE name(value)",
                ));
            }
            if !is_quoted && word.value.starts_with('#') {
                return Err(refused(Code::Statement, place, "there are no temporary tables")
                    .hint("name a query: CREATE VIEW name AS query, or WITH name AS (query)"));
            }
            if word.quote_style == Some('[') {
                word.quote_style = if is_plain(&word.value) { None } else { Some('"') };
                word.keyword = Keyword::NoKeyword;
            }
        }
        result.push(token);
    }
    Ok(result)
}

/// Writes the functions of Transact-SQL as those of the engine.
///
/// # Errors
/// `R-FUNCTION` if the answer would depend on the clock, or if there is no such function.
pub(crate) fn rewrite_expr(expr: &mut Expr) -> Result<(), Rejection> {
    match expr {
        Expr::Function(call) => rename(call),
        Expr::Convert { is_try, expr: inner, data_type: Some(kind), styles, .. } => {
            if !styles.is_empty() {
                return Err(Rejection::new(Code::Function, "CONVERT has no styles")
                    .at("convert")
                    .hint("CAST(value AS type); dates are written as 2020-12-31"));
            }
            *expr = Expr::Cast {
                kind: if *is_try { CastKind::TryCast } else { CastKind::Cast },
                expr: inner.clone(),
                data_type: kind.clone(),
                array: false,
                format: None,
            };
        }
        _ => {}
    }
    if let Expr::Cast { data_type, expr: inner, .. } = expr {
        *data_type = known(data_type);
        let day = dated(inner);
        if *data_type == DataType::Date && matches!(day, Expr::TypedString(_)) {
            *expr = day;
        }
    }
    if let Some(call) = Call::of(expr)
        && let Some(rewritten) = rewritten(&call)?
    {
        *expr = rewritten;
    }
    Ok(())
}

/// Writes TOP as LIMIT.
///
/// # Errors
/// `R-SYNTAX` if TOP counts ties or in percent, or stands beside another limit.
pub(crate) fn rewrite_top(query: &mut Query) -> Result<(), Rejection> {
    limit_branches(&mut query.body)?;
    let SetExpr::Select(select) = &mut *query.body else { return Ok(()) };
    let Some(top) = select.top.take() else { return Ok(()) };
    if query.limit_clause.is_some() || query.fetch.is_some() {
        return Err(Rejection::new(Code::Syntax, "TOP and LIMIT are of one query").at("top"));
    }
    query.limit_clause = Some(limit(top)?);
    Ok(())
}

/// Drops the hints of a table, such as WITH (NOLOCK), which change no answer.
pub(crate) fn drop_hints(table: &mut TableFactor) {
    let TableFactor::Table { with_hints, args, alias, .. } = table else { return };
    with_hints.retain(|hint| !is_hint(hint));
    // An old spelling leaves WITH out: then they look like columns, or like arguments.
    if let Some(alias) = alias {
        alias.columns.retain(|column| !is_hint_name(&column.name));
    }
    let are_hints = args.as_ref().is_some_and(|found| {
        !found.args.is_empty()
            && found.args.iter().all(|argument| match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => is_hint(expr),
                _ => false,
            })
    });
    if are_hints {
        *args = None;
    }
}

fn rewritten(call: &Call<'_>) -> Result<Option<Expr>, Rejection> {
    let owned = |name| Some(function(name, call.arguments.iter().map(|&a| a.clone()).collect()));
    Ok(match (call.name.as_str(), call.arguments.as_slice()) {
        ("isnull", [_, _]) => owned("coalesce"),
        ("len", [_]) => owned("character_length"),
        ("ceiling", [_]) => owned("ceil"),
        ("iif", [condition, when_true, when_false]) => Some(Expr::Case {
            case_token: AttachedToken::empty(),
            end_token: AttachedToken::empty(),
            operand: None,
            conditions: vec![CaseWhen {
                condition: (*condition).clone(),
                result: (*when_true).clone(),
            }],
            else_result: Some(Box::new((*when_false).clone())),
        }),
        ("datefromparts", _) => Some(written_date(call)?),
        ("getdate" | "getutcdate" | "sysdatetime" | "sysutcdatetime", _) => {
            return Err(call
                .refuse("the answer would depend on the clock")
                .hint("write the day, for instance DATE '2024-12-31'"));
        }
        _ => None,
    })
}

/// Renames aggregates, whatever stands around their arguments.
fn rename(call: &mut Function) {
    let Some(name) = plain_name(call) else { return };
    let known = match name.value.to_ascii_lowercase().as_str() {
        "count_big" => "count",
        "stdev" => "stddev",
        "stdevp" => "stddev_pop",
        "varp" => "var_pop",
        _ => return,
    };
    call.name = ObjectName::from(vec![Ident::with_span(name.span, known)]);
}

fn written_date(call: &Call<'_>) -> Result<Expr, Rejection> {
    let hint = "write DATE '1950-12-31'; for ages, age_at(p.year_of_birth, date)";
    let parts: Option<Vec<i64>> = call.arguments.iter().map(|part| whole_number(part)).collect();
    let Some([year, month, day]) = parts.as_deref() else {
        return Err(call.refuse("the parts are not written numbers").hint(hint));
    };
    let days = match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let is_date =
        (1..=9_999).contains(year) && (1..=12).contains(month) && (1..=days).contains(day);
    if is_date {
        return Ok(date(&format!("{year:04}-{month:02}-{day:02}")));
    }
    Err(call.refuse("there is no such day").hint(hint))
}

/// Types of Transact-SQL by the names that the planner knows.
fn known(kind: &DataType) -> DataType {
    match kind {
        // FLOAT has 53 bits there.
        DataType::Float(_) => DataType::Double(ExactNumberInfo::None),
        DataType::Nvarchar(length) => DataType::Varchar(*length),
        DataType::Datetime(_) => DataType::Timestamp(None, TimezoneInfo::None),
        DataType::Bit(None) => DataType::Boolean,
        DataType::Custom(name, modifiers) => match name.to_string().to_ascii_lowercase().as_str() {
            "datetime2" | "smalldatetime" => DataType::Timestamp(None, TimezoneInfo::None),
            "nchar" => DataType::Text,
            _ => DataType::Custom(name.clone(), modifiers.clone()),
        },
        other => other.clone(),
    }
}

fn limit_branches(body: &mut SetExpr) -> Result<(), Rejection> {
    let SetExpr::SetOperation { left, right, .. } = body else { return Ok(()) };
    for side in [left, right] {
        limit_branches(side)?;
        let SetExpr::Select(select) = &mut **side else { continue };
        let Some(top) = select.top.take() else { continue };
        let limit_clause = Some(limit(top)?);
        let body = Box::new(SetExpr::Select(select.clone()));
        **side = SetExpr::Query(Box::new(Query {
            with: None,
            body,
            order_by: None,
            limit_clause,
            fetch: None,
            locks: Vec::new(),
            for_clause: None,
            settings: None,
            format_clause: None,
            pipe_operators: Vec::new(),
        }));
    }
    Ok(())
}

fn limit(top: Top) -> Result<LimitClause, Rejection> {
    let fault = |reason| {
        let hint = "for instance SELECT TOP 10 … ORDER BY COUNT(*) DESC";
        Err(Rejection::new(Code::Syntax, reason).at("top").hint(hint))
    };
    if top.percent || top.with_ties {
        return fault("TOP counts rows, without PERCENT and TIES");
    }
    let limit = match top.quantity {
        Some(TopQuantity::Constant(rows)) => Expr::value(Value::Number(rows.to_string(), false)),
        Some(TopQuantity::Expr(rows)) => rows,
        None => return fault("TOP has no number"),
    };
    Ok(LimitClause::LimitOffset { limit: Some(limit), offset: None, limit_by: Vec::new() })
}

fn is_hint(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(name) if is_hint_name(name))
}

fn is_hint_name(name: &Ident) -> bool {
    let name = name.value.to_ascii_lowercase();
    ["nolock", "readuncommitted", "readpast", "tablock", "nowait"].contains(&name.as_str())
}

fn is_plain(name: &str) -> bool {
    name.chars().all(|c| c.is_alphanumeric() || c == '_')
        && name.chars().next().is_some_and(|c| !c.is_ascii_digit())
}

#[cfg(test)]
mod tests;

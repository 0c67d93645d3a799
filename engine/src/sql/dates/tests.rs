//! Differences and steps of dates, by example and by computing what was written.

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{self, SelectItem, SetExpr};

use super::*;
use crate::error::Code;
use crate::sql::dialect::Dialect;
use crate::sql::text::{Request, parse_request};

fn expr(text: &str, dialect: Dialect) -> Result<Expr, Rejection> {
    let Request::Answer(query) = parse_request(&format!("SELECT {text} AS x"), dialect)? else {
        panic!("{text}")
    };
    let Statement::Statement(statement) = query.statement else { panic!("{text}") };
    let ast::Statement::Query(query) = *statement else { panic!("{text}") };
    let SetExpr::Select(select) = *query.body else { panic!("{text}") };
    match select.projection.into_iter().next() {
        Some(SelectItem::ExprWithAlias { expr, .. }) => Ok(expr),
        other => panic!("{other:?}"),
    }
}

fn printed(text: &str) -> String {
    expr(text, Dialect::DataFusion).unwrap().to_string()
}

/// Year, month and day, and days since 1970-01-01 by counting years and months one by one.
fn civil(day: &str) -> (i64, i64, i64, i64) {
    let parts: Vec<i64> = day.split('-').map(|part| part.parse().unwrap()).collect();
    let (year, month, day) = (parts[0], parts[1], parts[2]);
    let is_leap = |y: i64| y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
    let length = |y| if is_leap(y) { 366 } else { 365 };
    let february = if is_leap(year) { 29 } else { 28 };
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before: i64 = months.iter().take(usize::try_from(month - 1).unwrap()).sum();
    let years: i64 = if year >= 1970 {
        (1970..year).map(length).sum()
    } else {
        -(year..1970).map(length).sum::<i64>()
    };
    (year, month, day, years + before + day - 1)
}

/// Computes as the engine does: dates are days, division rounds toward zero.
fn value(expr: &Expr) -> i64 {
    match expr {
        Expr::Nested(inner) => value(inner),
        Expr::TypedString(day) => civil(&day.value.to_string().replace('\'', "")).3,
        Expr::Value(_) => whole_number(expr).unwrap(),
        Expr::Extract { field, expr: day, .. } => {
            let Expr::TypedString(day) = &**day else { panic!("{day}") };
            let (year, month, day, _) = civil(&day.value.to_string().replace('\'', ""));
            match field {
                DateTimeField::Year => year,
                DateTimeField::Quarter => (month + 2) / 3,
                DateTimeField::Month => month,
                DateTimeField::Day => day,
                other => panic!("{other}"),
            }
        }
        Expr::BinaryOp { left, op, right } => match op {
            BinaryOperator::Plus => value(left) + value(right),
            BinaryOperator::Minus => value(left) - value(right),
            BinaryOperator::Multiply => value(left) * value(right),
            BinaryOperator::Divide => value(left) / value(right),
            other => panic!("{other}"),
        },
        other => panic!("{other}"),
    }
}

fn difference(unit: &str, from: &str, to: &str, dialect: Dialect) -> i64 {
    value(&expr(&format!("DATEDIFF({unit}, '{from}', '{to}')"), dialect).unwrap())
}

#[test]
fn differences_count_the_boundaries_that_are_crossed() {
    for (unit, from, to, expected) in [
        ("day", "2024-02-28", "2024-03-01", 2),
        ("dd", "1900-02-28", "1900-03-01", 1),
        ("'day'", "1969-12-31", "1970-01-02", 2),
        ("month", "2023-12-31", "2024-01-01", 1),
        ("mm", "2024-01-01", "2024-01-31", 0),
        ("month", "2023-11-15", "2024-05-01", 6),
        ("'quarter'", "2024-03-31", "2024-04-01", 1),
        ("qq", "2024-01-01", "2024-03-31", 0),
        ("quarter", "2023-11-15", "2024-05-01", 2),
        ("year", "2023-12-31", "2024-01-01", 1),
        ("yy", "1950-06-01", "1949-06-01", -1),
    ] {
        for dialect in [Dialect::DataFusion, Dialect::Ohdsi] {
            let found = difference(unit, from, to, dialect);
            assert_eq!(found, expected, "{unit} {from} {to}");
            assert_eq!(difference(unit, to, from, dialect), -expected, "{unit} {to} {from}");
        }
    }
}

#[test]
fn weeks_begin_on_monday_and_in_transact_sql_on_sunday() {
    // 1849-12-31, 1969-12-29 and 2024-01-08 were Mondays.
    for (from, to, monday, sunday) in [
        ("2024-01-06", "2024-01-07", 0, 1),
        ("2024-01-07", "2024-01-08", 1, 0),
        ("2024-01-07", "2024-01-13", 1, 0),
        ("2024-01-01", "2024-01-07", 0, 1),
        ("1969-12-28", "1969-12-29", 1, 0),
        ("1969-12-27", "1969-12-28", 0, 1),
        ("1969-12-29", "1970-01-05", 1, 1),
        ("1850-01-06", "1850-01-07", 1, 0),
        ("1850-01-05", "1850-01-06", 0, 1),
        ("1850-01-01", "2150-12-31", 15_705, 15_705),
    ] {
        assert_eq!(difference("week", from, to, Dialect::DataFusion), monday, "{from} {to}");
        assert_eq!(difference("wk", from, to, Dialect::Ohdsi), sunday, "{from} {to}");
    }
    assert_eq!(civil(FIRST_MONDAY).3 - civil("2024-01-08").3, -7 * 9_080);
    assert_eq!(civil(FIRST_MONDAY).3 - civil(FIRST_SUNDAY).3, 1);
}

#[test]
fn differences_are_plain_arithmetic() {
    assert_eq!(printed("DATE_DIFF('day', a, t.b)"), "(t.b - a)");
    assert_eq!(printed("DATEDIFF(t.b, a + 1)"), "(t.b - (a + 1))");
    assert_eq!(
        printed("date_diff('month', a, '2020-01-01')"),
        "(((EXTRACT(YEAR FROM DATE '2020-01-01') - EXTRACT(YEAR FROM a)) * 12) + \
         (EXTRACT(MONTH FROM DATE '2020-01-01') - EXTRACT(MONTH FROM a)))"
    );
    assert_eq!(
        printed("DATE_DIFF('week', a, b)"),
        "(((b - DATE '1849-12-31') / 7) - ((a - DATE '1849-12-31') / 7))"
    );
    // GoogleSQL has the end first, and weeks from Sunday unless it says ISO.
    assert_eq!(printed("DATE_DIFF(d, a, DAY)"), "(d - a)");
    assert!(printed("DATE_DIFF(b, a, WEEK)").contains("1849-12-30"));
    assert!(printed("DATE_DIFF(b, a, ISOWEEK)").contains("1849-12-31"));
}

#[test]
fn dates_are_moved_by_written_steps() {
    for (text, expected) in [
        ("DATE_ADD('day', 30, d)", "(d + INTERVAL '30' DAY)"),
        ("DATEADD(dd, -30, d)", "(d - INTERVAL '30' DAY)"),
        ("DATEADD(week, 2, d)", "(d + INTERVAL '14' DAY)"),
        ("DATEADD(qq, 1, d)", "(d + INTERVAL '3' MONTH)"),
        ("DATEADD(year, 1, '20200229')", "(DATE '2020-02-29' + INTERVAL '1' YEAR)"),
        ("DATE_ADD(d, INTERVAL 5 DAY)", "(d + INTERVAL '5' DAY)"),
        ("DATE_SUB(d, INTERVAL '1' MONTH)", "(d - INTERVAL '1' MONTH)"),
        ("DATE_ADD(d, 7)", "(d + INTERVAL '7' DAY)"),
        ("DATE_ADD(d, INTERVAL 1 WEEK)", "(d + INTERVAL '7' DAY)"),
        ("YEAR(d)", "EXTRACT(YEAR FROM d)"),
        ("Month(p.d)", "EXTRACT(MONTH FROM p.d)"),
        ("DAY('2020-01-31')", "EXTRACT(DAY FROM DATE '2020-01-31')"),
        ("DATEPART(quarter, d)", "EXTRACT(QUARTER FROM d)"),
    ] {
        assert_eq!(printed(text), expected, "{text}");
    }
}

#[test]
fn unknown_units_and_steps_are_refused_at_their_place() {
    for text in [
        "DATE_DIFF('hour', a, b)",
        "DATE_DIFF('day', a)",
        "DATEDIFF(a, b, c)",
        "DATE_ADD('day', n, d)",
        "DATE_ADD('day', 1.5, d)",
        "DATEADD(week, 9223372036854775807, d)",
        "DATE_ADD(d, INTERVAL 5 HOUR)",
        "DATEPART(week, d)",
    ] {
        let refused = expr(text, Dialect::DataFusion).unwrap_err();
        let place = refused.place.map(|place| (place.line, place.column));
        assert_eq!((refused.code, place), (Code::Function, Some((1, 8))), "{text}");
        assert!(refused.hint.is_some(), "{text}");
    }
}

//! Methods over days: epidemic curves, and deaths in excess of earlier years.

use chrono::{Days, NaiveDate};

use super::view::View;
use super::{Outcome, OutcomeError, axis, figure, missing, names, table};
use crate::estimate::Estimate;
use crate::indicators::indicator::{FigureKind, Role, Step};
use crate::methods::counts::Limits;
use crate::methods::epidemic;
use crate::methods::excess::{Baseline, Excess, WeekOfDeaths};
use crate::methods::weeks::{Week, WeekSystem};
use crate::report::model::{Cell, Column, Row, RowGroup, Unit};
use crate::report::plots::{Form, Plot, Series, TimeSeries};

/// The day of a row; a year is its first day.
pub(super) fn day(view: &View<'_>, row: usize) -> Result<NaiveDate, OutcomeError> {
    let key = view.key(row, "time").unwrap_or_default();
    let date = key.get(..10).unwrap_or(key);
    let year = || NaiveDate::from_ymd_opt(key.parse().ok()?, 1, 1);
    let day = date.parse().ok().or_else(year);
    day.ok_or_else(|| view.wrong("time", key, "a day, as 2023-12-31, or a year"))
}

/// Counts over time, with intervals of sampling and noise.
pub(super) fn curve(view: &View<'_>) -> Result<Outcome, OutcomeError> {
    let keys = view.keys_but(&["time"]);
    let (mut groups, mut series, mut methods) = (vec![], vec![], vec![]);
    for group in view.groups(&keys) {
        let counts: Vec<Option<&Estimate>> =
            group.rows.iter().map(|row| view.estimate(*row, "count")).collect();
        let there: Vec<Estimate> = counts.iter().flatten().copied().cloned().collect();
        let mut shown = epidemic::curve(&there, LIMITS, view.level).into_iter();
        let (mut rows, mut points) = (vec![], vec![]);
        for (row, count) in group.rows.iter().zip(&counts) {
            let estimate = count.and_then(|_| shown.next());
            let cell = estimate.as_ref().map_or_else(missing, Cell::from);
            methods.extend(estimate.map(|estimate| estimate.method));
            let day = day(view, *row)?;
            rows.push(Row::new(day.to_string(), [cell.clone()]));
            points.push((day, cell));
        }
        let form = match view.indicator.figure.kind {
            FigureKind::Bars => Form::Columns,
            _ => Form::Line,
        };
        let points = without_gaps(points, step(view));
        series.push(Series { name: group.label.clone(), form, points });
        groups.push(RowGroup { heading: group.label, rows });
    }
    let columns = vec![
        Column::new(view.label("time"), Unit::Other(String::new())),
        Column::new(view.label("count"), Unit::Count),
    ];
    let (time, value) = (view.label("time"), axis(view, &view.label("count")));
    let plot = Plot::Time(TimeSeries { time, value, series, marks: vec![] });
    let figure = figure(view, Some(plot));
    Ok(Outcome { table: table(view, columns, groups), figure, methods: names(methods) })
}

/// Deaths by week against those that earlier years let expect: the last year of the answer against
/// all before it.
pub(super) fn excess(view: &View<'_>) -> Result<Outcome, OutcomeError> {
    let keys = view.keys_but(&["time"]);
    let (mut groups, mut series, mut methods) = (vec![], vec![], vec![]);
    for group in view.groups(&keys) {
        let firsts = group.rows.iter().map(|row| day(view, *row));
        let firsts = firsts.collect::<Result<Vec<NaiveDate>, _>>()?;
        let span = span(&firsts);
        let mut weeks = Vec::new();
        for (row, first) in group.rows.iter().zip(&firsts) {
            let week = season(*first, firsts.iter().min(), span);
            if let Some((week, deaths)) = week.zip(view.estimate(*row, "count")) {
                let (days, deaths) = (f64::from(span), deaths.clone());
                weeks.push((*first, WeekOfDeaths { week, days, deaths }));
            }
        }
        let Some(last) = weeks.iter().map(|(_, of)| of.week.year()).max() else { continue };
        let before = Week::new(WeekSystem::Iso, last, 1).and_then(Week::first_day);
        let all: Vec<WeekOfDeaths> = weeks.iter().map(|(_, of)| of.clone()).collect();
        let baseline = before.and_then(|before| Baseline::fit(&all, before));
        let (mut rows, mut seen, mut expected) = (vec![], vec![], vec![]);
        for (first, of) in weeks.iter().filter(|(_, of)| of.week.year() == last) {
            let counts = epidemic::curve(std::slice::from_ref(&of.deaths), LIMITS, view.level);
            let observed = counts.first().map_or_else(missing, Cell::from);
            let found = baseline.as_ref().map(|baseline| baseline.excess(of, view.level));
            let cell = |pick: fn(&Excess) -> &Estimate| {
                found.as_ref().map_or_else(missing, |found| Cell::from(pick(found)))
            };
            methods.extend(found.as_ref().map(|found| found.excess.method));
            seen.push((*first, observed.clone()));
            expected.push((*first, cell(|found| &found.expected)));
            let cells =
                [observed, cell(|f| &f.expected), cell(|f| &f.excess), cell(|f| &f.p_score)];
            rows.push(Row::new(first.to_string(), cells));
        }
        let name = |what: &str| match group.label.as_str() {
            "" => what.to_owned(),
            label => format!("{label}, {what}"),
        };
        series.push(Series { name: name("observed"), form: Form::Line, points: seen });
        series.push(Series { name: name("expected"), form: Form::Dashes, points: expected });
        groups.push(RowGroup { heading: group.label.clone(), rows });
    }
    let columns = vec![
        Column::new(view.label("time"), Unit::Other(String::new())),
        Column::new("Observed", Unit::Count),
        Column::new("Expected", Unit::Count),
        Column::new("Excess", Unit::Count),
        Column::new("P-score", Unit::Share),
    ];
    let (time, value) = (view.label("time"), axis(view, &view.label("count")));
    let plot = Plot::Time(TimeSeries { time, value, series, marks: vec![] });
    let figure = figure(view, Some(plot));
    Ok(Outcome { table: table(view, columns, groups), figure, methods: names(methods) })
}

/// How many days the spans of a result have: the least distance of two of them.
fn span(firsts: &[NaiveDate]) -> u32 {
    let mut days = firsts.to_vec();
    days.sort_unstable();
    let apart = days.windows(2).map(|pair| (pair[1] - pair[0]).num_days());
    apart.filter_map(|days| u32::try_from(days).ok()).filter(|days| *days > 0).min().unwrap_or(7)
}

/// The week of the year that a span is, or its place among the spans of a year: they are counted
/// from the first one, as many to a year as fit best, and stand for weeks of years that never were.
fn season(first: NaiveDate, start: Option<&NaiveDate>, span: u32) -> Option<Week> {
    if span == 7 {
        return Week::of(first, WeekSystem::Iso);
    }
    let place = u32::try_from((first - *start?).num_days()).ok()? / span;
    let of_year = (365 + span / 2) / span;
    let year = 2001 + i32::try_from(place / of_year.max(1)).ok()?;
    Week::new(WeekSystem::Iso, year, place % of_year.max(1) + 1)
}

/// How many days apart the times of an indicator are, where that is always the same.
fn step(view: &View<'_>) -> Option<Days> {
    match view.one("time").map(|(_, column)| &column.role) {
        Some(Role::Time { step: Step::Day }) => Some(Days::new(1)),
        Some(Role::Time { step: Step::Week }) => Some(Days::new(7)),
        _ => None,
    }
}

/// The same with a hole where a day is missing, so that no line goes over what was not shown.
fn without_gaps(points: Vec<(NaiveDate, Cell)>, step: Option<Days>) -> Vec<(NaiveDate, Cell)> {
    let Some(step) = step else { return points };
    let mut whole: Vec<(NaiveDate, Cell)> = Vec::with_capacity(points.len());
    for (day, cell) in points {
        let next = |whole: &[(NaiveDate, Cell)]| whole.last()?.0.checked_add_days(step);
        while let Some(missed) = next(&whole).filter(|missed| *missed < day) {
            whole.push((missed, missing()));
        }
        whole.push((day, cell));
    }
    whole
}

/// How a count of a day or week may have come about by chance.
const LIMITS: Limits = Limits::ByarFrom10;

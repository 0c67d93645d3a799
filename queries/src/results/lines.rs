//! Methods that make one number of each row: counts, shares, rates, ratios, means.

use super::view::View;
use super::{Outcome, OutcomeError, axis, figure, missing, multiplier, names, table, unit};
use crate::estimate::Estimate;
use crate::indicators::indicator::{Column as Described, FigureKind};
use crate::indicators::method::Method;
use crate::methods::counts::Limits;
use crate::methods::proportions::{ProportionLimits, proportion};
use crate::methods::rates;
use crate::methods::utilisation::ratio_of_sums;
use crate::report::model::{Cell, Column, Row, RowGroup, Unit};
use crate::report::plots::{Categories, Form, Group, Plot, Pyramid, Series, TimeSeries};

use super::series::day;

pub(super) fn outcome(view: &View<'_>) -> Result<Outcome, OutcomeError> {
    let values: Vec<Option<Estimate>> = (0..view.len()).map(|row| value(view, row)).collect();
    let label = result_label(view);
    let (outer, inner) = parts(view);
    let counted: Vec<&str> = ["numerator", "denominator", "count"]
        .into_iter()
        .filter(|role| view.one(role).is_some() && view.indicator.method != Method::Count)
        .collect();
    let head = inner.first().map_or_else(String::new, |(_, column)| column.label.clone());
    let mut columns = vec![Column::new(head, Unit::Other(String::new()))];
    columns.extend(counted.iter().map(|role| Column::new(view.label(role), counted_unit(view))));
    columns.push(Column::new(label.clone(), unit(&view.indicator.figure, view.indicator.method)));
    let shown = |row: usize| {
        let counts = counted.iter().map(|role| view.cell(row, role));
        let result = values[row].as_ref().map_or_else(missing, Cell::from);
        let words: Vec<String> =
            inner.iter().map(|(place, column)| view.word(row, *place, column)).collect();
        let name = if words.is_empty() { "all".to_owned() } else { words.join(", ") };
        Row::new(name, counts.chain([result]))
    };
    let groups = view.groups(&outer).into_iter().map(|group| RowGroup {
        heading: group.label,
        rows: group.rows.into_iter().map(shown).collect(),
    });
    let table = table(view, columns, groups.collect());
    let methods = names(values.iter().flatten().map(|estimate| estimate.method));
    let figure = figure(view, plot(view, &values, &label)?);
    Ok(Outcome { table, figure, methods })
}

/// What the numerator and denominator count: sums of other things than persons have decimals.
const fn counted_unit(view: &View<'_>) -> Unit {
    match view.indicator.method {
        Method::RatioOfSums | Method::Mean => Unit::Other(String::new()),
        _ => Unit::Count,
    }
}

fn result_label(view: &View<'_>) -> String {
    match view.indicator.method {
        Method::Count => view.label("count"),
        Method::Mean => view.label("mean"),
        Method::Proportion => "Share".to_owned(),
        Method::PointPrevalence | Method::PeriodPrevalence => "Prevalence".to_owned(),
        Method::VaccineUptake => "Uptake".to_owned(),
        Method::CrudeRate => "Rate".to_owned(),
        Method::Incidence => "Incidence".to_owned(),
        _ => "Ratio".to_owned(),
    }
}

/// The result of one row.
fn value(view: &View<'_>, row: usize) -> Option<Estimate> {
    let level = view.level;
    let factor = multiplier(&view.indicator.figure);
    let released = |role| view.estimate(row, role);
    let pair = || Some((released("numerator")?, released("denominator")?));
    Some(match view.indicator.method {
        Method::Count => released("count")?.clone(),
        Method::Mean => released("mean")?.clone().times(factor),
        Method::Proportion
        | Method::PointPrevalence
        | Method::PeriodPrevalence
        | Method::VaccineUptake => {
            let (part, whole) = pair()?;
            proportion(part, whole, ProportionLimits::Wilson, level).times(factor)
        }
        Method::CrudeRate | Method::Incidence => {
            let (events, time) = pair()?;
            rates::crude(events, time, Limits::ByarFrom10, level).times(factor)
        }
        _ => {
            let (sum, of) = pair()?;
            ratio_of_sums(sum, of, None, "ratio of sums (Fieller, noise only)", level).times(factor)
        }
    })
}

/// Key columns that make groups, and the one that runs within a group.
type Parts<'a> = (Vec<(usize, &'a Described)>, Vec<(usize, &'a Described)>);

fn parts<'a>(view: &View<'a>) -> Parts<'a> {
    let mut outer = view.keys_but(&[]);
    let running = ["age", "time", "unit"];
    let place = outer.iter().position(|(_, column)| running.contains(&column.role.name()));
    let place = place.or_else(|| outer.len().checked_sub(1));
    let inner = place.map(|place| outer.remove(place)).into_iter().collect();
    (outer, inner)
}

fn plot(
    view: &View<'_>,
    values: &[Option<Estimate>],
    label: &str,
) -> Result<Option<Plot>, OutcomeError> {
    let (outer, inner) = parts(view);
    let Some((place, column)) = inner.first() else { return Ok(None) };
    let groups = view.groups(&outer);
    let cell = |row: usize| values[row].as_ref().map_or_else(missing, Cell::from);
    let value = axis(view, label);
    if column.role.name() == "time" {
        let mut series = Vec::new();
        for group in &groups {
            let days = group.rows.iter().map(|row| Ok((day(view, *row)?, cell(*row))));
            let points = days.collect::<Result<Vec<_>, OutcomeError>>()?;
            series.push(Series { name: group.label.clone(), form: Form::Line, points });
        }
        let time = column.label.clone();
        return Ok(Some(Plot::Time(TimeSeries { time, value, series, marks: vec![] })));
    }
    let mut categories: Vec<String> = Vec::new();
    for row in view.rows() {
        let word = view.word(row, *place, column);
        if !categories.contains(&word) {
            categories.push(word);
        }
    }
    let of_group = |group: &super::view::Group| {
        let of = |category: &String| {
            let row = group.rows.iter().find(|row| view.word(**row, *place, column) == *category);
            row.map_or(Cell::Empty, |row| cell(*row))
        };
        Group { name: group.label.clone(), cells: categories.iter().map(of).collect() }
    };
    let drawn: Vec<Group> = groups.iter().map(of_group).collect();
    if view.indicator.figure.kind == FigureKind::Pyramid
        && let [left, right] = drawn.as_slice()
    {
        let (left, right) = (left.clone(), right.clone());
        let band = column.label.clone();
        let bands = categories;
        return Ok(Some(Plot::Pyramid(Pyramid { band, value, bands, left, right })));
    }
    let category = column.label.clone();
    let plot = Categories { category, value, categories, groups: drawn, reference: None };
    Ok(Some(match view.indicator.figure.kind {
        FigureKind::Bars | FigureKind::Pyramid => Plot::Bars(plot),
        _ => Plot::Rates(plot),
    }))
}

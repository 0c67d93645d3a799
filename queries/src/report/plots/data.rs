//! The numbers behind a plot, as a table.

use chrono::NaiveDate;

use super::{Categories, Forest, Funnel, Multiples, Pyramid, Role, Survival, TimeSeries};
use crate::report::model::{Cell, Column, Number, Row, RowGroup, Table, Unit};

pub(super) fn categories(plot: &Categories) -> Table {
    let columns = plot.groups.iter().map(|group| {
        let unit = plot.value.unit.clone();
        if group.name.is_empty() {
            return Column::new(&plot.value.label, unit);
        }
        Column { over: plot.value.label.clone(), ..Column::new(&group.name, unit) }
    });
    let rows = plot.categories.iter().enumerate().map(|(index, name)| {
        let cell = |cells: &Vec<Cell>| cells.get(index).cloned().unwrap_or(Cell::Empty);
        Row::new(name, plot.groups.iter().map(|group| cell(&group.cells)))
    });
    table(&plot.category, columns, vec![group("", rows)])
}

pub(super) fn time(plot: &TimeSeries) -> Table {
    table(&plot.time, time_columns(plot), vec![group("", time_rows(plot))])
}

pub(super) fn multiples(plot: &Multiples) -> Table {
    let Some(first) = plot.panels.first().map(|panel| &panel.plot) else {
        return table("", [].into_iter(), vec![]);
    };
    let groups = plot.panels.iter().map(|panel| group(&panel.title, time_rows(&panel.plot)));
    table(&first.time, time_columns(first), groups.collect())
}

pub(super) fn pyramid(plot: &Pyramid) -> Table {
    let sides = [&plot.left, &plot.right];
    let columns = sides.map(|side| {
        let column = Column::new(&side.name, plot.value.unit.clone());
        Column { over: plot.value.label.clone(), ..column }
    });
    let rows = plot.bands.iter().enumerate().map(|(index, band)| {
        let cell = |cells: &Vec<Cell>| cells.get(index).cloned().unwrap_or(Cell::Empty);
        Row::new(band, sides.map(|side| cell(&side.cells)))
    });
    table(&plot.band, columns.into_iter(), vec![group("", rows)])
}

pub(super) fn survival(plot: &Survival) -> Table {
    let columns = [
        Column::new(&plot.value.label, plot.value.unit.clone()),
        Column::new("Persons at risk", Unit::Count),
    ];
    let groups = plot.curves.iter().map(|curve| {
        let mut times: Vec<f64> = curve.steps.iter().map(|(time, _)| *time).collect();
        times.extend(plot.risk_times.iter().take(curve.at_risk.len()));
        times.sort_unstable_by(f64::total_cmp);
        times.dedup();
        let rows = times.into_iter().map(|time| {
            let step = curve.steps.iter().find(|step| step.0.total_cmp(&time).is_eq());
            let place = plot.risk_times.iter().position(|other| other.total_cmp(&time).is_eq());
            let risk = place.and_then(|place| curve.at_risk.get(place));
            let cells = [step.map(|step| &step.1), risk];
            Row::new(time.to_string(), cells.map(|cell| cell.cloned().unwrap_or(Cell::Empty)))
        });
        group(&curve.name, rows.collect::<Vec<_>>().into_iter())
    });
    table(&plot.time.title(), columns.into_iter(), groups.collect())
}

pub(super) fn forest(plot: &Forest) -> Table {
    let mut groups = vec![];
    for row in &plot.rows {
        if row.role == Role::Heading {
            groups.push(group(&row.label, [].into_iter()));
            continue;
        }
        // What all rows come to stands under no heading but its own.
        if groups.is_empty() {
            groups.push(group("", [].into_iter()));
        }
        if let Some(last) = groups.last_mut() {
            last.rows.push(Row::new(&row.label, [row.cell.clone()]));
        }
    }
    let column = Column::new(&plot.value.label, plot.value.unit.clone());
    table(&plot.row, [column].into_iter(), groups)
}

pub(super) fn funnel(plot: &Funnel) -> Table {
    let columns = [
        Column::new(&plot.size.label, plot.size.unit.clone()),
        Column::new(&plot.value.label, plot.value.unit.clone()),
    ];
    let rows = plot.points.iter().map(|point| {
        Row::new(&point.label, [Cell::Number(Number::exact(point.size)), point.cell.clone()])
    });
    table(&plot.unit, columns.into_iter(), vec![group("", rows)])
}

fn time_columns(plot: &TimeSeries) -> impl Iterator<Item = Column> {
    plot.series.iter().map(|series| {
        let unit = plot.value.unit.clone();
        if series.name.is_empty() {
            return Column::new(&plot.value.label, unit);
        }
        Column { over: plot.value.label.clone(), ..Column::new(&series.name, unit) }
    })
}

/// One row for each day of any series.
fn time_rows(plot: &TimeSeries) -> impl Iterator<Item = Row> {
    let points = plot.series.iter().flat_map(|series| &series.points);
    let mut dates: Vec<NaiveDate> = points.map(|(date, _)| *date).collect();
    dates.sort_unstable();
    dates.dedup();
    dates.into_iter().map(|date| {
        let cells = plot.series.iter().map(|series| {
            let found = series.points.iter().find(|(other, _)| *other == date);
            found.map_or(Cell::Empty, |(_, cell)| cell.clone())
        });
        Row::new(date.to_string(), cells)
    })
}

fn group(heading: &str, rows: impl Iterator<Item = Row>) -> RowGroup {
    RowGroup { heading: heading.to_owned(), rows: rows.collect() }
}

fn table(first: &str, columns: impl Iterator<Item = Column>, groups: Vec<RowGroup>) -> Table {
    let names = Column::new(first, Unit::Other(String::new()));
    let columns = [names].into_iter().chain(columns).collect();
    Table { caption: String::new(), columns, groups, notes: vec![] }
}

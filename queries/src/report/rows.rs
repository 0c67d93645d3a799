//! Tables and figures as rows with all digits, for the CSV beside a report.
//!
//! A number becomes as many columns as it has sides: value, ends, noise, why it is not there.

use std::collections::BTreeSet;

use super::model::{Cell, Row, Table, Unit};

/// Rows under named columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    /// Names of the columns; each once.
    pub columns: Vec<String>,
    /// One after the other, as long as `columns`.
    pub rows: Vec<Vec<Datum>>,
}

/// What stands in a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Datum {
    /// Nothing.
    Missing,
    /// Words.
    Text(String),
    /// A number with all its digits; shares are parts of 1.
    Number(f64),
}

impl Rows {
    /// The rows of a table.
    ///
    /// Of a column of numbers, the ends, the noise and the reasons are columns of their own if
    /// any of its cells has them. Rows that stand under headings have them in a column `group`.
    pub fn of(table: &Table) -> Self {
        let grouped = table.groups.iter().any(|group| !group.heading.is_empty());
        let units = table.groups.iter().flat_map(|group| &group.rows).any(|row| row.unit.is_some());
        let mut rows = Self { columns: vec![], rows: vec![vec![]; rows_of(table).count()] };
        if grouped {
            rows.add("group", rows_of(table).map(|(group, _)| text(group)));
        }
        let first = table.columns.first().map_or("", |column| column.label.as_str());
        let names = rows_of(table).map(|(_, row)| Datum::Text(row.label.clone()));
        rows.add(if first.is_empty() { "row" } else { first }, names);
        if units {
            let unit =
                |unit: &Option<Unit>| unit.as_ref().map_or(Datum::Missing, |u| text(name(u)));
            rows.add("unit", rows_of(table).map(|(_, row)| unit(&row.unit)));
        }
        for (place, column) in table.columns.iter().skip(1).enumerate() {
            let over = if column.over.is_empty() { "" } else { " " };
            let name = format!("{}{over}{}", column.over, column.label);
            let cells: Vec<&Cell> = rows_of(table)
                .map(|(_, row)| row.cells.get(place).unwrap_or(&Cell::Empty))
                .collect();
            rows.add_sides(&name, &cells);
        }
        let receipts: Vec<String> = rows_of(table).map(|(_, row)| receipts(&row.cells)).collect();
        if receipts.iter().any(|names| !names.is_empty()) {
            rows.add("receipts", receipts.iter().map(|names| text(names)));
        }
        rows
    }

    /// RFC 4180, with a line of names; nothing is empty, infinity is `inf`.
    ///
    /// Words that a spreadsheet would take for a formula are written behind an apostrophe.
    pub fn csv(&self) -> String {
        let names = self.columns.iter().map(|name| field(name));
        let mut lines = vec![names.collect::<Vec<_>>().join(",")];
        for row in &self.rows {
            let fields = row.iter().map(|datum| match datum {
                Datum::Missing => String::new(),
                Datum::Number(value) if value.is_nan() => String::new(),
                Datum::Number(value) => value.to_string(),
                Datum::Text(text) => field(text),
            });
            lines.push(fields.collect::<Vec<_>>().join(","));
        }
        lines.join("\r\n") + "\r\n"
    }

    fn add(&mut self, name: &str, data: impl Iterator<Item = Datum>) {
        let mut unique = name.to_owned();
        while self.columns.contains(&unique) {
            unique.push('_');
        }
        self.columns.push(unique);
        for (row, datum) in self.rows.iter_mut().zip(data) {
            row.push(datum);
        }
    }

    fn add_sides(&mut self, name: &str, cells: &[&Cell]) {
        let value = |cell: &&Cell| match cell {
            Cell::Text { text: words } => text(words),
            Cell::Number(number) => Datum::Number(number.value),
            Cell::Empty | Cell::Suppressed { .. } => Datum::Missing,
        };
        self.add(name, cells.iter().map(value));
        let interval = |cell: &&Cell| cell.number().and_then(|number| number.interval);
        if cells.iter().any(|cell| interval(cell).is_some()) {
            let lower = |cell| interval(cell).map_or(Datum::Missing, |i| Datum::Number(i.lower));
            let upper = |cell| interval(cell).map_or(Datum::Missing, |i| Datum::Number(i.upper));
            self.add(&format!("{name} lower"), cells.iter().map(lower));
            self.add(&format!("{name} upper"), cells.iter().map(upper));
        }
        let noise = |cell: &&Cell| cell.number().map(|number| number.noise_sd);
        if cells.iter().any(|cell| noise(cell).is_some_and(|sd| sd != 0.0)) {
            let sd = |cell| noise(cell).map_or(Datum::Missing, Datum::Number);
            self.add(&format!("{name} noise sd"), cells.iter().map(sd));
        }
        let reason = |cell: &&Cell| match cell {
            Cell::Suppressed { reason } => text(reason),
            _ => Datum::Missing,
        };
        if cells.iter().any(|cell| matches!(cell, Cell::Suppressed { .. })) {
            self.add(&format!("{name} suppressed"), cells.iter().map(reason));
        }
    }
}

/// Each row with the heading that it stands under.
fn rows_of(table: &Table) -> impl Iterator<Item = (&str, &Row)> {
    table.groups.iter().flat_map(|group| group.rows.iter().map(|row| (group.heading.as_str(), row)))
}

/// Names of what proves a row, in order.
fn receipts(cells: &[Cell]) -> String {
    let names: BTreeSet<&str> = cells
        .iter()
        .filter_map(Cell::number)
        .flat_map(|number| number.receipts.iter().map(AsRef::as_ref))
        .collect();
    names.into_iter().collect::<Vec<_>>().join(" ")
}

fn text(words: &str) -> Datum {
    if words.is_empty() { Datum::Missing } else { Datum::Text(words.to_owned()) }
}

fn name(unit: &Unit) -> &str {
    match unit {
        Unit::Count => "count",
        Unit::Share => "share",
        Unit::Ratio => "ratio",
        Unit::Probability => "probability",
        Unit::Rate(name) | Unit::Other(name) => name,
    }
}

fn field(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    // Some spreadsheets part fields at semicolons or tabs.
    if text.contains([',', ';', '\t', '"', '\r', '\n']) {
        format!("\"{guard}{}\"", text.replace('"', "\"\""))
    } else {
        format!("{guard}{text}")
    }
}

#[cfg(test)]
mod tests {
    use super::{Datum, Rows};
    use crate::estimate::Interval;
    use crate::report::model::{Cell, Column, Number, Row, RowGroup, Table, Unit};
    use std::collections::BTreeSet;
    use std::sync::Arc;

    fn table() -> Table {
        let number = |value, noise_sd| Number {
            value,
            interval: Some(Interval { lower: -1.25, upper: f64::INFINITY }),
            noise_sd,
            receipts: BTreeSet::from([Arc::from("r2"), Arc::from("r1")]),
        };
        let rows = vec![
            Row::new("=1+1", [Cell::Number(number(0.1 + 0.2, 2.5)), Cell::exact(3.0)]),
            Row::new("a, \"b\"", [Cell::suppressed("too few"), Cell::Empty]),
            Row {
                unit: Some(Unit::Other("years".to_owned())),
                ..Row::new("c", [Cell::exact(f64::NAN), Cell::text("-")])
            },
        ];
        let share = Column { over: "Women".to_owned(), ..Column::new("Share", Unit::Share) };
        Table {
            caption: String::new(),
            columns: vec![
                Column::new("Age", Unit::Other(String::new())),
                share,
                Column::new("n", Unit::Count),
            ],
            groups: vec![RowGroup { heading: "Group".to_owned(), rows }],
            notes: vec![],
        }
    }

    #[test]
    fn csv_has_every_digit_and_every_side_of_a_number() {
        let expected = "group,Age,unit,Women Share,Women Share lower,Women Share upper,\
                        Women Share noise sd,Women Share suppressed,n,receipts\r\n\
                        Group,'=1+1,,0.30000000000000004,-1.25,inf,2.5,,3,r1 r2\r\n\
                        Group,\"a, \"\"b\"\"\",,,,,,too few,,\r\n\
                        Group,c,years,,,,0,,'-,\r\n";
        assert_eq!(Rows::of(&table()).csv(), expected);
    }

    #[test]
    fn columns_of_one_name_are_told_apart_and_short_rows_are_filled() {
        let mut table = table();
        table.columns[2].label = "Women Share".to_owned();
        table.groups[0].rows[0].cells.clear();
        let rows = Rows::of(&table);
        assert!(rows.columns.contains(&"Women Share_".to_owned()));
        assert_eq!(rows.rows[0][3], Datum::Missing);
        assert!(rows.rows.iter().all(|row| row.len() == rows.columns.len()));
    }
}

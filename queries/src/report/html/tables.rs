//! Tables as HTML: numbers below each other, intervals beside them, reasons as notes.

use std::fmt::Write;

use maud::{Markup, html};

use super::Page;
use super::blocks::opened;
use crate::report::exhibits::Exhibit;
use crate::report::model::{Cell, Column, Number, Row, Table, Unit};
use crate::report::numbers::{Written, decimals, decimals_of_column, fixed, settled, written_with};

pub(super) fn table(page: &Page<'_>, table: &Table, exhibit: &Exhibit) -> Markup {
    let reasons = Reasons::of(table, &exhibit.name);
    html! {
        div.table id=(exhibit.name) {
            (grid(page, table, &reasons, html! {
                strong { (exhibit.label) "." } " " (table.caption)
            }))
            (notes(table, &reasons))
            (proofs(page, exhibit))
            p.download { (download(exhibit)) }
        }
    }
}

/// The numbers of a figure, behind a fold.
pub(super) fn data(page: &Page<'_>, exhibit: &Exhibit) -> Markup {
    let table = &exhibit.data;
    let reasons = Reasons::of(table, &exhibit.name);
    let caption = html! { strong { "Data of " (exhibit.label) "." } " " (exhibit.caption) };
    opened(
        exhibit,
        &html! {
            (grid(page, table, &reasons, caption))
            (notes(table, &reasons))
        },
    )
}

/// The rows with all digits, as a file that is part of the page.
pub(super) fn download(exhibit: &Exhibit) -> Markup {
    let mut link = String::from("data:text/csv;charset=utf-8,");
    for byte in exhibit.rows().csv().bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~,".contains(&byte) {
            link.push(char::from(byte));
        } else {
            // A string takes all that is written to it.
            let _ = write!(link, "%{byte:02X}");
        }
    }
    let file = format!("{}.csv", exhibit.name);
    html! { a download=(file) href=(link) { "Data with all digits: " (file) } }
}

/// Which receipts prove an exhibit.
pub(super) fn proofs(page: &Page<'_>, exhibit: &Exhibit) -> Markup {
    let more = exhibit.receipts.len().saturating_sub(RECEIPTS_MAX);
    html! {
        @if !exhibit.receipts.is_empty() {
            p.proofs {
                @if exhibit.receipts.len() == 1 { "Receipt: " } @else { "Receipts: " }
                @for (index, name) in exhibit.receipts.iter().take(RECEIPTS_MAX).enumerate() {
                    @if index > 0 { ", " }
                    (page.receipt(name))
                }
                @if more > 0 { ", and " (more) " more, which the data name" }
                "."
            }
        }
    }
}

/// Why cells are suppressed: each reason once, with a letter.
struct Reasons<'a> {
    texts: Vec<&'a str>,
    prefix: &'a str,
}

impl<'a> Reasons<'a> {
    fn of(table: &'a Table, prefix: &'a str) -> Self {
        let mut texts: Vec<&str> = vec![];
        for (cell, _) in table.cells() {
            match cell {
                Cell::Suppressed { reason } if !texts.contains(&reason.as_str()) => {
                    texts.push(reason);
                }
                _ => {}
            }
        }
        Self { texts, prefix }
    }

    fn link(&self, reason: &str) -> Markup {
        let place = self.texts.iter().position(|text| *text == reason).unwrap_or(0);
        html! {
            span.unseen { "suppressed" } span aria-hidden="true" { "–" }
            sup { a href={ "#" (self.prefix) "-note-" (letter(place)) } { (letter(place)) } }
        }
    }
}

/// `a`, `b`, ..., `z`, `aa`, ...
fn letter(place: usize) -> String {
    let last = u8::try_from(place % 26).map_or('a', |letter| char::from(b'a' + letter));
    let before = if place >= 26 { letter(place / 26 - 1) } else { String::new() };
    before + &last.to_string()
}

/// How the numbers of a column are written.
struct Style {
    decimals: Option<usize>,
    /// The widest interval, in widths of a digit; none if there is none.
    interval: Option<usize>,
    is_text: bool,
}

impl Style {
    fn of(table: &Table, place: usize) -> Self {
        let rows = || table.groups.iter().flat_map(|group| &group.rows);
        let column = table.columns.get(place + 1);
        let cells = || rows().filter_map(|row| Some((row.cells.get(place)?, unit(row, column?))));
        let own_unit = |row: &&Row| row.unit.is_some();
        let alike = rows().filter(|row| !own_unit(row));
        let alike = alike.filter_map(|row| Some((row.cells.get(place)?, &column?.unit)));
        let decimals = decimals_of_column(alike);
        let interval = cells().filter_map(|(cell, unit)| {
            let text = text(cell.number()?, unit, column?, decimals).interval?;
            let narrow = text.chars().filter(|letter| ",.".contains(*letter)).count();
            // The parentheses are as wide as a digit together, points and commas less than half.
            Some(text.chars().count() + 1 - narrow / 2)
        });
        let is_text = |cell: &Cell| matches!(cell, Cell::Text { .. } | Cell::Empty);
        let is_text = rows().any(|_| true) && cells().all(|(cell, _)| is_text(cell));
        Self { decimals, interval: interval.max(), is_text }
    }
}

fn unit<'a>(row: &'a Row, column: &'a Column) -> &'a Unit {
    row.unit.as_ref().unwrap_or(&column.unit)
}

/// Points stand below each other, but for rows with a unit of their own.
fn text(number: &Number, unit: &Unit, column: &Column, decimals_of: Option<usize>) -> Written {
    let own = decimals(number, unit);
    let is_alike = *unit == column.unit && *unit != Unit::Count;
    written_with(number, unit, if is_alike { settled(own, decimals_of) } else { own })
}

fn grid(page: &Page<'_>, table: &Table, reasons: &Reasons<'_>, caption: Markup) -> Markup {
    let styles: Vec<Style> =
        (1..table.columns.len()).map(|place| Style::of(table, place - 1)).collect();
    html! {
        div.scroll tabindex="0" role="group" aria-label="Table, scrolls sideways" {
            table {
                caption { span { (caption) } }
                thead { (headings(page, table, &styles)) }
                @for group in &table.groups {
                    tbody {
                        @if !group.heading.is_empty() {
                            tr.group {
                                th scope="rowgroup" colspan=(table.columns.len().max(1)) {
                                    span { (group.heading) }
                                }
                            }
                        }
                        @for line in &group.rows {
                            (row(table, line, &styles, reasons, !group.heading.is_empty()))
                        }
                    }
                }
            }
        }
    }
}

/// One line of headings, or two if some columns have one in common.
fn headings(page: &Page<'_>, table: &Table, styles: &[Style]) -> Markup {
    let has_over = table.columns.iter().any(|column| !column.over.is_empty());
    let heading = |place: usize, column: &Column| {
        let style = place.checked_sub(1).and_then(|place| styles.get(place));
        let unit = column.unit.label();
        let interval = style.is_some_and(|style| style.interval.is_some());
        html! {
            (column.label)
            @if place > 0 && unit == "%" && interval {
                " " span.unit { "% (" (page.level) " interval)" }
            } @else {
                @if place > 0 && !unit.is_empty() { " " span.unit { (unit) } }
                @if interval { " " span.unit { "(" (page.level) " interval)" } }
            }
        }
    };
    let class = |place: usize| match place.checked_sub(1).and_then(|place| styles.get(place)) {
        Some(style) if !style.is_text => "number",
        _ => "text",
    };
    if !has_over {
        return html! {
            tr {
                @for (place, column) in table.columns.iter().enumerate() {
                    th scope="col" class=(class(place)) { (heading(place, column)) }
                }
            }
        };
    }
    html! {
        tr.over {
            @for (place, width) in spans(&table.columns) {
                @let column = &table.columns[place];
                @if column.over.is_empty() {
                    th scope="col" rowspan="2" class=(class(place)) { (heading(place, column)) }
                } @else {
                    th scope="colgroup" colspan=(width) { span { (column.over) } }
                }
            }
        }
        tr {
            @for (place, column) in table.columns.iter().enumerate() {
                @if !column.over.is_empty() {
                    th scope="col" class=(class(place)) { (heading(place, column)) }
                }
            }
        }
    }
}

/// Where columns under a common heading begin, and how many they are.
fn spans(columns: &[Column]) -> Vec<(usize, usize)> {
    let mut spans: Vec<(usize, usize)> = vec![];
    for (place, column) in columns.iter().enumerate() {
        match spans.last_mut() {
            Some((first, width))
                if !column.over.is_empty() && columns[*first].over == column.over =>
            {
                *width += 1;
            }
            _ => spans.push((place, 1)),
        }
    }
    spans
}

fn row(
    table: &Table,
    row: &Row,
    styles: &[Style],
    reasons: &Reasons<'_>,
    is_grouped: bool,
) -> Markup {
    let columns = table.columns.iter().skip(1).zip(styles).enumerate();
    html! {
        tr.grouped[is_grouped] {
            th scope="row" { (row.label) }
            @for (place, (column, style)) in columns {
                @let cell = row.cells.get(place).unwrap_or(&Cell::Empty);
                (content(cell, (unit(row, column), column), style, reasons))
            }
        }
    }
}

fn content(
    cell: &Cell,
    (unit, column): (&Unit, &Column),
    style: &Style,
    reasons: &Reasons<'_>,
) -> Markup {
    let class = if style.is_text { "text" } else { "number" };
    // Keeps numbers below each other where some have no interval.
    let beside = |inner: &str| {
        html! {
            @if let Some(width) = style.interval {
                " " span.interval style={ "min-width:" (width) "ch" } { (inner) }
            }
        }
    };
    html! {
        td class=(class) {
            @match cell {
                Cell::Empty => {},
                Cell::Text { text } => (text),
                Cell::Suppressed { reason } => { (reasons.link(reason)) (beside("")) },
                Cell::Number(number) => {
                    @let text = text(number, unit, column, style.decimals);
                    @let interval = text.interval.map(|interval| format!("({interval})"));
                    (text.value) (beside(interval.as_deref().unwrap_or_default()))
                },
            }
        }
    }
}

fn notes(table: &Table, reasons: &Reasons<'_>) -> Markup {
    let noise: Vec<String> =
        (1..table.columns.len()).filter_map(|place| noise(table, place)).collect();
    html! {
        @if !(table.notes.is_empty() && reasons.texts.is_empty() && noise.is_empty()) {
            div.notes {
                @for note in &table.notes { p { (note) } }
                @for (place, text) in reasons.texts.iter().enumerate() {
                    p id={ (reasons.prefix) "-note-" (letter(place)) } {
                        sup { (letter(place)) } " Suppressed: "
                        @if text.is_empty() { "no reason given" } @else { (text) }
                        "."
                    }
                }
                @if !noise.is_empty() {
                    p { "Standard deviation of the privacy noise: " (noise.join("; ")) "." }
                }
            }
        }
    }
}

/// Between what and what the noise of a column is.
fn noise(table: &Table, place: usize) -> Option<String> {
    let column = table.columns.get(place)?;
    let rows = table.groups.iter().flat_map(|group| &group.rows);
    // Rows in units of their own would not compare.
    let noises = rows.filter(|row| row.unit.is_none()).filter_map(|row| {
        let sd = row.cells.get(place - 1)?.number()?.noise_sd;
        (sd > 0.0 && sd.is_finite()).then_some(sd * column.unit.factor())
    });
    let noises: Vec<f64> = noises.collect();
    let least = noises.iter().copied().min_by(f64::total_cmp)?;
    let most = noises.iter().copied().max_by(f64::total_cmp)?;
    let (least, most) = (two_digits(least), two_digits(most));
    let range = if least == most { least } else { format!("{least} to {most}") };
    let points = if column.unit == Unit::Share { " percentage points" } else { "" };
    let over = if column.over.is_empty() { "" } else { ", " };
    Some(format!("{}{over}{} {range}{points}", column.over, column.label))
}

fn two_digits(value: f64) -> String {
    let number = Number { noise_sd: value, ..Number::exact(value) };
    fixed(value, decimals(&number, &Unit::Ratio))
}

/// From so many on, the data name the rest.
const RECEIPTS_MAX: usize = 8;

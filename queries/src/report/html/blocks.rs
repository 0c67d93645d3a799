//! Blocks of a section as HTML.

use maud::{Markup, PreEscaped, html};

use super::Page;
use super::flow::flow;
use super::tables::{data, download, proofs, table};
use crate::report::exhibits::Exhibit;
use crate::report::model::{Block, Cell, Code, Figure, KeyNumber, ReceiptLine, Unit};
use crate::report::numbers::written;
use crate::report::plots::{DrawingError, Names, Width};

pub(super) fn block<'a>(
    page: &Page<'_>,
    block: &Block,
    exhibits: &mut impl Iterator<Item = &'a Exhibit>,
) -> Result<Markup, DrawingError> {
    let mut exhibit = |render: &dyn Fn(&Exhibit) -> Result<Markup, DrawingError>| {
        exhibits.next().map_or_else(|| Ok(html! {}), render)
    };
    Ok(match block {
        Block::Paragraph { text } => html! { p { (page.inline(text)) } },
        Block::List { items } => html! {
            ul { @for item in items { li { (page.inline(item)) } } }
        },
        Block::Notice { heading, text } => html! {
            aside.notice { p { strong { (heading) } " " (page.inline(text)) } }
        },
        Block::Facts { facts } => page.facts(facts),
        Block::KeyNumbers { numbers } => key_numbers(page, numbers),
        Block::Table(content) => exhibit(&|exhibit| Ok(table(page, content, exhibit)))?,
        Block::Figure(content) => exhibit(&|exhibit| figure(page, content, exhibit))?,
        Block::Flow(content) => exhibit(&|exhibit| Ok(flow(page, content, exhibit)))?,
        Block::Receipts { receipts } => {
            html! { ol.receipts { @for line in receipts { (receipt(page, line)) } } }
        }
        Block::Code(content) => code(content),
    })
}

fn key_numbers(page: &Page<'_>, numbers: &[KeyNumber]) -> Markup {
    html! {
        dl.key {
            @for number in numbers {
                div {
                    dt { (number.label) }
                    dd {
                        (key_value(page, number))
                        @if !number.note.is_empty() { span.note { (number.note) } }
                    }
                }
            }
        }
    }
}

fn key_value(page: &Page<'_>, number: &KeyNumber) -> Markup {
    let content = match &number.cell {
        Cell::Empty => return html! { span.value { "–" } },
        Cell::Text { text } => return html! { span.value { (text) } },
        Cell::Suppressed { reason } => {
            return html! { span.value { "–" } span.interval { "Suppressed: " (reason) } };
        }
        Cell::Number(content) => content,
    };
    let text = written(content, &number.unit);
    let percent = if number.unit == Unit::Share && content.value.is_finite() { "%" } else { "" };
    let unit = if percent.is_empty() { number.unit.label() } else { "" };
    html! {
        span.value { (text.value) (percent) }
        @if !unit.is_empty() { span.unit { (unit) } }
        @if let Some(interval) = text.interval {
            span.interval { (page.level) " interval " (interval) (percent) }
        }
    }
}

/// Both layouts are in the page; the style sheet shows the one that fits.
fn figure(page: &Page<'_>, figure: &Figure, exhibit: &Exhibit) -> Result<Markup, DrawingError> {
    let draw = |width, name| {
        let id = format!("{}-{name}", exhibit.name);
        let title = format!("{}. {}", exhibit.label, figure.caption);
        let names = Names { id: &id, title: &title, description: &figure.alt };
        figure.plot.sheets(names, width)
    };
    let (wide, narrow) = (draw(Width::Wide, "wide")?, draw(Width::Narrow, "narrow")?);
    Ok(html! {
        figure.plot.tall[wide.len() > 1] id=(exhibit.name) {
            div.wide { @for sheet in &wide { (PreEscaped(sheet)) } }
            div.narrow { @for sheet in &narrow { (PreEscaped(sheet)) } }
            figcaption {
                strong { (exhibit.label) "." } " " (figure.caption)
                @if !figure.note.is_empty() { " " span.note { (figure.note) } }
            }
            (proofs(page, exhibit))
            (data(page, exhibit))
        }
    })
}

fn receipt(page: &Page<'_>, line: &ReceiptLine) -> Markup {
    let uses = page.exhibits.iter().filter(|exhibit| exhibit.receipts.contains(line.name.as_str()));
    let uses: Vec<&Exhibit> = uses.collect();
    html! {
        li.receipt id=[page.receipts.get(line.name.as_str())] {
            p { code { (line.name) } " " span.proves { (line.proves) } }
            (page.facts(&line.facts))
            @if !uses.is_empty() {
                p.uses {
                    "Proves "
                    @for (index, exhibit) in uses.iter().enumerate() {
                        @if index > 0 { ", " }
                        a href={ "#" (exhibit.name) } { (exhibit.label) }
                    }
                    "."
                }
            }
        }
    }
}

fn code(code: &Code) -> Markup {
    let class = match code.language.as_str() {
        "sql" => "language-sql",
        "shell" => "language-shell",
        _ => "language-text",
    };
    let lines = code.text.lines().count();
    let text = html! { pre tabindex="0" { code class=(class) { (code.text) } } };
    html! {
        figure.code {
            @if lines > CODE_LINES_MAX {
                details {
                    summary { (code.caption) " (" (lines) " lines)" }
                    (text)
                }
            } @else {
                figcaption { (code.caption) }
                (text)
            }
        }
    }
}

/// Both what a reader may open, and the file.
pub(super) fn opened(exhibit: &Exhibit, inner: &Markup) -> Markup {
    html! {
        details.data {
            summary { "Data of " (exhibit.label) }
            (inner)
            p.download { (download(exhibit)) }
        }
    }
}

/// Longer ones are folded.
const CODE_LINES_MAX: usize = 14;

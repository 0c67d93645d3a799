//! A document as one HTML file: complete in itself, without scripts, for screens and paper.
//!
//! Equal documents give equal bytes. All text is escaped by `maud`; what is put in as it is comes
//! from this crate: the style sheet, and plots, which escape for themselves.

use std::collections::BTreeMap;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::exhibits::Exhibit;
use super::model::{Block, Document, Fact, Inline, Section};
use super::numbers::fixed;
use super::plots::DrawingError;

mod blocks;
mod flow;
mod tables;
#[cfg(test)]
mod tests;

/// The document as HTML.
///
/// # Errors
/// If a plot cannot be drawn.
pub fn html(document: &Document) -> Result<String, DrawingError> {
    let page = Page::new(document);
    let mut ids = Ids::default();
    let outline: Vec<Chapter<'_>> = outline(&document.sections, "", &mut ids);
    let mut exhibits = page.exhibits.iter();
    let mut body = vec![];
    for part in &outline {
        body.push(section(&page, part, 2, &mut exhibits)?);
    }
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            (head(document))
            body {
                a.skip href="#content" { "Skip to the content" }
                (masthead(document))
                div.columns {
                    nav.contents aria-labelledby="contents" {
                        h2 id="contents" { "Contents" }
                        (contents(&outline))
                    }
                    main id="content" { @for part in &body { (part) } }
                }
                footer.colophon {
                    p {
                        "This file is complete in itself: it runs no script and loads nothing. "
                        "Numbers are rounded for reading; the data beside each table and figure "
                        "are not."
                    }
                }
            }
        }
    };
    Ok(markup.into_string())
}

/// What all parts of a page refer to.
struct Page<'a> {
    /// Where the receipts of each name are described.
    receipts: BTreeMap<&'a str, String>,
    exhibits: Vec<Exhibit>,
    /// `95%`.
    level: String,
}

/// A section with its number and a safe, unique id.
struct Chapter<'a> {
    section: &'a Section,
    number: String,
    id: String,
    parts: Vec<Chapter<'a>>,
}

/// Ids that are taken already.
#[derive(Default)]
struct Ids(std::collections::BTreeSet<String>);

impl<'a> Page<'a> {
    fn new(document: &'a Document) -> Self {
        let lists = document.blocks().filter_map(|block| match block {
            Block::Receipts { receipts } => Some(receipts),
            _ => None,
        });
        let mut receipts = BTreeMap::new();
        for receipt in lists.flatten() {
            let id = format!("receipt-{}", receipts.len() + 1);
            receipts.entry(receipt.name.as_str()).or_insert(id);
        }
        let level = document.level * 100.0;
        let level = fixed(level, if level.fract() == 0.0 { 0 } else { 1 });
        Self { receipts, exhibits: document.exhibits(), level: format!("{level}%") }
    }

    /// A link to a receipt, if the page describes it.
    fn receipt(&self, name: &str) -> Markup {
        let shown = shortened(name);
        let is_short = shown == name;
        html! {
            @if let Some(id) = self.receipts.get(name) {
                a.receipt href={ "#" (id) } title=[(!is_short).then_some(name)] { (shown) }
            } @else {
                code title=[(!is_short).then_some(name)] { (shown) }
            }
        }
    }

    fn inline(&self, text: &[Inline]) -> Markup {
        html! {
            @for piece in text {
                @match piece {
                    Inline::Plain(text) => (text),
                    Inline::Strong(text) => strong { (text) },
                    Inline::Code(text) => code { (text) },
                    Inline::Receipt(name) => (self.receipt(name)),
                }
            }
        }
    }

    fn facts(&self, facts: &[Fact]) -> Markup {
        html! {
            dl.facts {
                @for fact in facts {
                    div { dt { (fact.name) } dd { (self.inline(&fact.value)) } }
                }
            }
        }
    }
}

impl Ids {
    /// An id of letters, digits and hyphens that no other has.
    fn take(&mut self, wanted: &str) -> String {
        let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
        let base = format!("s-{}", wanted.chars().map(letter).collect::<String>());
        let numbered = (2_u32..).map(|number| format!("{base}-{number}"));
        let mut candidates = std::iter::once(base.clone()).chain(numbered);
        let free = candidates.find(|id| !self.0.contains(id)).unwrap_or(base);
        self.0.insert(free.clone());
        free
    }
}

fn outline<'a>(sections: &'a [Section], prefix: &str, ids: &mut Ids) -> Vec<Chapter<'a>> {
    let mut parts = vec![];
    for (index, section) in (1_u32..).zip(sections) {
        let number = format!("{prefix}{index}");
        let id = ids.take(&section.id);
        let parts_of = outline(&section.subsections, &format!("{number}."), ids);
        parts.push(Chapter { section, number, id, parts: parts_of });
    }
    parts
}

fn head(document: &Document) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            // Nothing may be loaded or run, whatever text says.
            meta http-equiv="Content-Security-Policy" content=(POLICY);
            meta name="description" content=(document.subtitle);
            meta name="date" content=(document.made_on);
            meta name="generator" content="Graunt";
            title { (document.title) }
            style { (PreEscaped(STYLE)) }
        }
    }
}

fn masthead(document: &Document) -> Markup {
    let facts =
        [("Data", &document.data_kind), ("Region", &document.region), ("Period", &document.period)];
    let day = document.made_on.format("%-d %B %Y");
    html! {
        header.masthead {
            h1 { (document.title) }
            @if !document.subtitle.is_empty() { p.subtitle { (document.subtitle) } }
            dl.imprint {
                @for (name, value) in facts.into_iter().filter(|(_, value)| !value.is_empty()) {
                    div { dt { (name) } dd { (value) } }
                }
                div {
                    dt { "Made on" }
                    dd { time datetime=(document.made_on) { (day) } }
                }
            }
        }
    }
}

fn contents(parts: &[Chapter<'_>]) -> Markup {
    html! {
        ol {
            @for part in parts {
                li {
                    a href={ "#" (part.id) } {
                        span.number { (part.number) } " " (part.section.heading)
                    }
                    @if !part.parts.is_empty() { (contents(&part.parts)) }
                }
            }
        }
    }
}

fn section<'a>(
    page: &Page<'_>,
    part: &Chapter<'_>,
    level: usize,
    exhibits: &mut impl Iterator<Item = &'a Exhibit>,
) -> Result<Markup, DrawingError> {
    let mut inner = vec![];
    for block in &part.section.blocks {
        inner.push(blocks::block(page, block, exhibits)?);
    }
    for part in &part.parts {
        inner.push(section(page, part, level + 1, exhibits)?);
    }
    let heading = html! { span.number { (part.number) } " " (part.section.heading) };
    Ok(html! {
        section id=(part.id) aria-labelledby={ (part.id) "-heading" } {
            @let id = format!("{}-heading", part.id);
            @match level {
                2 => h2 id=(id) { (heading) },
                3 => h3 id=(id) { (heading) },
                4 => h4 id=(id) { (heading) },
                _ => h5 id=(id) { (heading) },
            }
            @if !part.section.items.is_empty() { p.items { (part.section.items) } }
            @for block in &inner { (block) }
        }
    })
}

/// The beginning of a long name, such as a digest.
fn shortened(name: &str) -> String {
    if name.chars().count() <= NAME_MAX {
        return name.to_owned();
    }
    name.chars().take(NAME_MAX - 4).chain(['…']).collect()
}

const NAME_MAX: usize = 20;
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
const STYLE: &str = include_str!("style.css");

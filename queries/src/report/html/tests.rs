//! What holds for all pages.

use std::collections::BTreeSet;

use super::html;
use crate::report::model::{
    Block, Cell, Code, Column, Document, Fact, Figure, Inline, Row, RowGroup, Section, Table, Unit,
};
use crate::report::plots::Plot;
use crate::report::sample::{date, document, rates};

/// The attributes of a kind in a page.
fn attributes<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let opening = format!(" {name}=\"");
    page.split(&opening).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

/// Checks that each element that opens closes, and in order.
fn check_nesting(page: &str) {
    let mut open = vec![];
    for piece in page.split('<').skip(1) {
        let tag = piece.split('>').next().unwrap();
        let name = tag.trim_start_matches('/').split([' ', '\n', '/']).next().unwrap();
        let is_void = ["meta", "!DOCTYPE"].contains(&name) || tag.ends_with('/');
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !is_void {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

fn hostile(text: &str) -> Document {
    let name = || text.to_owned();
    let inline = || {
        vec![
            Inline::Plain(name()),
            Inline::Strong(name()),
            Inline::Code(name()),
            Inline::Receipt(name()),
        ]
    };
    let Plot::Rates(mut plot) = rates() else { unreachable!() };
    plot.categories = vec![name(); 5];
    plot.category = name();
    plot.groups[0].name = name();
    let table = Table {
        caption: name(),
        columns: vec![
            Column::new(text, Unit::Other(name())),
            Column { over: name(), ..Column::new(text, Unit::Rate(name())) },
        ],
        groups: vec![RowGroup {
            heading: name(),
            rows: vec![
                Row::new(text, [Cell::suppressed(text)]),
                Row::new(text, [Cell::text(text)]),
            ],
        }],
        notes: vec![name()],
    };
    let blocks = [
        Block::Paragraph { text: inline() },
        Block::List { items: vec![inline()] },
        Block::Notice { heading: name(), text: inline() },
        Block::Facts { facts: vec![Fact { name: name(), value: inline() }] },
        Block::Table(table),
        Block::Figure(Figure {
            caption: name(),
            alt: name(),
            plot: Plot::Rates(plot),
            note: name(),
        }),
        Block::Code(Code { caption: name(), language: name(), text: name() }),
    ];
    let sections = vec![Section::new(text, text).with(blocks), Section::new(text, text)];
    let (title, subtitle, data_kind, region, period) = (name(), name(), name(), name(), name());
    let made_on = date(2026, 11, 23);
    Document { title, subtitle, data_kind, region, period, made_on, level: 0.95, sections }
}

#[test]
fn equal_documents_are_equal_bytes() {
    let page = html(&document()).unwrap();
    assert_eq!(page, html(&document()).unwrap());
    if let Ok(place) = std::env::var("GRAUNT_REPORT_DIR") {
        std::fs::write(format!("{place}/sample.html"), &page).unwrap();
    }
}

#[test]
fn no_text_is_markup_wherever_it_stands() {
    for text in
        ["</style><script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "' onload='x"]
    {
        let page = html(&hostile(text)).unwrap();
        check_nesting(&page);
        assert!(!page.contains("<script") && !page.contains("<img"));
        for tag in page.split('<').skip(1).filter_map(|piece| piece.split('>').next()) {
            // Nothing that was not written here is outside of quotes.
            let outside: String = tag.split('"').step_by(2).collect();
            assert!(!outside.contains("onerror") && !outside.contains("onload"), "{tag}");
        }
    }
}

#[test]
fn a_page_loads_nothing_and_runs_nothing() {
    let page = html(&document()).unwrap();
    check_nesting(&page);
    for forbidden in
        ["<script", "<link", "<img", "<iframe", "@import", "url(", "javascript:", " src="]
    {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    let elsewhere = page.matches("://").count();
    assert_eq!(elsewhere, page.matches("xmlns=\"http://www.w3.org/2000/svg\"").count());
    let files = |href: &&str| href.starts_with('#') || href.starts_with("data:text/csv;");
    assert!(attributes(&page, "href").iter().all(files));
}

#[test]
fn every_link_leads_somewhere_and_every_name_is_one_place() {
    for page in [html(&document()).unwrap(), html(&hostile("Same name, \"twice\"")).unwrap()] {
        let ids = attributes(&page, "id");
        let unique: BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!(ids.len(), unique.len());
        let links = attributes(&page, "href").into_iter().filter_map(|href| href.strip_prefix('#'));
        let labels =
            attributes(&page, "aria-labelledby").into_iter().flat_map(|ids| ids.split(' '));
        for target in links.chain(labels) {
            assert!(unique.contains(target), "{target}");
        }
    }
}

#[test]
fn tables_say_what_heads_what_and_why_a_cell_is_empty() {
    let page = html(&document()).unwrap();
    let start = page.find("<div class=\"table\" id=\"table-1\"").unwrap();
    let table = &page[start..page[start..].find("</div><p class=\"proofs\"").unwrap() + start];
    assert!(table.contains("<strong>Table\u{a0}1.</strong> Characteristics of persons"));
    assert!(table.contains("<th scope=\"colgroup\" colspan=\"2\"><span>COPD</span></th>"));
    assert!(table.contains("<th scope=\"rowgroup\" colspan=\"5\"><span>Smoking</span></th>"));
    assert!(table.contains("<th scope=\"row\">Current</th>"));
    assert!(table.contains("1,877 <span class=\"interval\""));
    assert!(table.contains(">(1,860–1,894)</span>"));
    let dash = "<span class=\"unseen\">suppressed</span><span aria-hidden=\"true\">–</span>\
                <sup><a href=\"#table-1-note-b\">b</a></sup>";
    assert!(table.contains(dash));
    let note =
        "<p id=\"table-1-note-b\"><sup>b</sup> Suppressed: follows from a suppressed number.</p>";
    assert!(table.contains(note));
    assert!(table.contains("Standard deviation of the privacy noise: COPD, Persons 6;"));
}

#[test]
fn figures_have_numbers_data_and_receipts() {
    let page = html(&document()).unwrap();
    let exhibits = document().exhibits();
    let names: Vec<&str> = exhibits.iter().map(|exhibit| exhibit.name.as_str()).collect();
    let expected = [
        "figure-1", "table-1", "figure-2", "table-2", "figure-3", "figure-4", "figure-5",
        "figure-6", "figure-7", "figure-8", "figure-9",
    ];
    assert_eq!(names, expected);
    for exhibit in &exhibits {
        assert!(page.contains(&format!("download=\"{}.csv\"", exhibit.name)));
        assert!(page.contains(&format!(">{}</a>", exhibit.label)), "{}", exhibit.label);
    }
    assert!(page.contains("<summary>Data of Figure\u{a0}9</summary>"));
    assert!(page.contains("<a class=\"receipt\" href=\"#receipt-1\">q-2026-0412</a>"));
}

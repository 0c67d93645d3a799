//! The tables and figures of a document: numbered in reading order, with their data.
//!
//! All renderings take numbers and names from here, so `figure-2.csv` is the data of Figure 2.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::model::{
    Block, Cell, Code, Column, Document, Flow, Row, RowGroup, Section, Step, Table, Unit,
};
use super::rows::Rows;

/// A table or a figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Exhibit {
    /// Its name in files and links: `table-1`, `figure-2`.
    pub name: String,
    /// Its name in text: `Table 1`, `Figure 2`.
    pub label: String,
    /// One sentence that tells what it shows.
    pub caption: String,
    /// Its numbers.
    pub data: Table,
    /// Names of the receipts that prove them.
    pub receipts: BTreeSet<Arc<str>>,
}

impl Exhibit {
    /// Its numbers with all digits.
    pub fn rows(&self) -> Rows {
        Rows::of(&self.data)
    }
}

impl Document {
    /// All tables and figures, flows of persons among the figures, in reading order.
    pub fn exhibits(&self) -> Vec<Exhibit> {
        let mut exhibits = vec![];
        let (mut tables, mut figures) = (0, 0);
        for block in self.blocks() {
            let (kind, count, caption, data) = match block {
                Block::Table(table) => ("table", &mut tables, &table.caption, table.clone()),
                Block::Figure(figure) => {
                    ("figure", &mut figures, &figure.caption, figure.plot.data())
                }
                Block::Flow(flow) => ("figure", &mut figures, &flow.caption, table_of(flow)),
                _ => continue,
            };
            *count += 1;
            let title = if kind == "table" { "Table" } else { "Figure" };
            exhibits.push(Exhibit {
                name: format!("{kind}-{count}"),
                label: format!("{title}\u{a0}{count}"),
                caption: caption.clone(),
                receipts: receipts(&data),
                data,
            });
        }
        exhibits
    }

    /// All blocks, in reading order.
    pub fn blocks(&self) -> impl Iterator<Item = &Block> {
        let mut all = vec![];
        for section in &self.sections {
            blocks(section, &mut all);
        }
        all.into_iter()
    }

    /// All queries and commands, in reading order.
    pub fn code(&self) -> impl Iterator<Item = &Code> {
        self.blocks().filter_map(|block| match block {
            Block::Code(code) => Some(code),
            _ => None,
        })
    }
}

fn blocks<'a>(section: &'a Section, all: &mut Vec<&'a Block>) {
    all.extend(&section.blocks);
    for section in &section.subsections {
        blocks(section, all);
    }
}

fn receipts(table: &Table) -> BTreeSet<Arc<str>> {
    let numbers = table.cells().filter_map(|(cell, _)| cell.number());
    numbers.flat_map(|number| number.receipts.iter().cloned()).collect()
}

fn table_of(flow: &Flow) -> Table {
    let column = |label, unit| Column::new(label, unit);
    let none = Unit::Other(String::new());
    let columns =
        vec![column("Persons", none.clone()), column("Part", none), column("Number", Unit::Count)];
    let mut rows = vec![];
    let mut add = |label: &str, part: &str, count: &Cell| {
        rows.push(Row::new(label, [Cell::text(part), count.clone()]));
    };
    let mut step = |step: &Step, part: &str| {
        add(&step.label, part, &step.count);
        for excluded in &step.excluded {
            add(&excluded.label, "excluded", &excluded.count);
        }
    };
    flow.steps.iter().for_each(|at| step(at, "step"));
    flow.arms.iter().for_each(|at| step(at, "group"));
    let groups = vec![RowGroup { heading: String::new(), rows }];
    Table { caption: flow.caption.clone(), columns, groups, notes: vec![] }
}

//! From answers to a document, in the order of STROBE and RECORD.
//!
//! ```text
//!  Spec ──questions──▶ answers ──results::Outcome──▶ blocks ──▶ Document
//!    Provenance: data, accounts, receipts ─────────────▶ ┘
//! ```
//! Everything comes from the spec, the answers and public facts, so that the same releases make
//! the same document, byte for byte.

use chrono::NaiveDate;

use super::model::{
    Block, Cell, Code, Document, Fact, Flow, Inline, KeyNumber, Part, ReceiptLine, Section, Table,
    Unit,
};
use super::spec::{Question, Spec};
use crate::estimate::Estimate;
use crate::indicators::indicator::Indicator;
use crate::indicators::method::Method;
use crate::released::{Released, Value};
use crate::results::{Outcome, OutcomeError};

/// Where the numbers come from, as whoever asked for them knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Provenance {
    /// The day on which the last of the numbers was charged.
    pub made_on: NaiveDate,
    /// Sites, extracts, attestations, policies.
    pub data: Vec<Fact>,
    /// Account, charge of all answers together, neighbouring relation.
    pub privacy: Vec<Fact>,
    /// One for each answer, in their order.
    pub receipts: Vec<ReceiptLine>,
    /// Commands that check them.
    pub commands: String,
}

/// An answer to a question of the spec.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// The question.
    pub question: Question,
    /// What was released.
    pub released: Released,
}

/// The document of a report. `answers` are to the questions of the spec, in their order.
///
/// An answer that has not the columns which its indicator describes is replaced by a notice that
/// says so: it is paid for, and so are the others.
pub fn document(
    spec: &Spec,
    answers: &[Answered],
    flow: Option<Flow>,
    provenance: Provenance,
) -> Document {
    let mut methods: Vec<Vec<String>> = Vec::new();
    let mut blocks = |answered: &Answered| {
        let made = Outcome::of(&answered.question.indicator, &answered.released, spec.level);
        methods.push(made.as_ref().map_or_else(|_| vec![], |made| made.methods.clone()));
        shown(made, &answered.question)
    };
    let (described, resulting) = answers.split_at(spec.characteristics.len().min(answers.len()));
    let mut characteristics = Part::Characteristics.section();
    for answered in described {
        characteristics.blocks.extend(blocks(answered));
    }
    let mut results = Part::Results.section();
    let mut left = resulting;
    for section in &spec.results {
        let (own, rest) = left.split_at(section.questions.len().min(left.len()));
        left = rest;
        let place = format!("results-{}", results.subsections.len() + 1);
        let mut made = Section::new(place, &section.heading);
        made.blocks.extend(paragraph(&section.text));
        for answered in own {
            let indicator = &answered.question.indicator;
            let mut part = Section::new(&indicator.id, titled(&answered.question));
            part.blocks.extend(paragraph(&indicator.question));
            part.blocks.extend(blocks(answered));
            made.subsections.push(part);
        }
        results.subsections.push(made);
    }
    let mut summary = Part::Summary.section();
    summary.blocks.extend(paragraph(&spec.purpose));
    summary.blocks.extend(key_numbers(described));
    let mut sections = vec![
        summary,
        Part::Data.section().with([Block::Facts { facts: provenance.data }]),
        methods_section(spec, &methods, provenance.privacy),
    ];
    sections.extend(flow.map(|flow| Part::Flow.section().with([Block::Flow(flow)])));
    if !characteristics.blocks.is_empty() {
        sections.push(characteristics);
    }
    sections.push(results);
    sections.push(limitations(spec, answers));
    sections.push(verification(answers, provenance.receipts, provenance.commands));
    Document {
        title: spec.title.clone(),
        subtitle: spec.subtitle.clone(),
        data_kind: spec.data_kind.clone(),
        region: spec.region.clone(),
        period: spec.period.clone(),
        made_on: provenance.made_on,
        level: spec.level,
        sections,
    }
}

/// The title of an indicator, with what was asked otherwise than by default.
fn titled(question: &Question) -> String {
    let title = &question.indicator.title;
    match question.parameters.as_slice() {
        [] => title.clone(),
        parameters => format!("{title} ({})", parameters.join(", ")),
    }
}

/// The table and figure of an answer, or why there are none.
fn shown(outcome: Result<Outcome, OutcomeError>, question: &Question) -> Vec<Block> {
    let mut outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) => {
            let text = vec![Inline::Plain(error.to_string())];
            return vec![Block::Notice { heading: "No table could be made".to_owned(), text }];
        }
    };
    outcome.table.caption = titled(question);
    if let Some(figure) = &mut outcome.figure {
        figure.caption = titled(question);
    }
    outcome.blocks().collect()
}

fn paragraph(text: &str) -> Option<Block> {
    (!text.trim().is_empty()).then(|| Block::paragraph(text.trim()))
}

/// How many persons there are, from the first count that describes them.
fn key_numbers(described: &[Answered]) -> Option<Block> {
    let counted = described.iter().find(|a| a.question.indicator.method == Method::Count)?;
    let released = &counted.released;
    let columns = &counted.question.indicator.columns;
    let (name, column) = columns.iter().find(|(_, column)| column.role.name() == "count")?;
    let place = released.place(name)?;
    let counts: Vec<&Estimate> =
        released.rows().iter().filter_map(|row| row.get(place).and_then(Value::estimate)).collect();
    let number = KeyNumber {
        label: column.label.clone(),
        cell: Cell::from(&Estimate::sum(counts.into_iter())),
        unit: Unit::Count,
        note: "all groups that are shown".to_owned(),
    };
    Some(Block::KeyNumbers { numbers: vec![number] })
}

fn methods_section(spec: &Spec, methods: &[Vec<String>], privacy: Vec<Fact>) -> Section {
    let mut section = Part::Methods.section();
    section.blocks.push(Block::paragraph(
        "Each number was released with differential privacy: what one person can contribute was \
         bounded, noise was added, and the loss was charged to the account of the population \
         before a record was read. Intervals cover the noise together with chance, where the \
         method knows it.",
    ));
    section.blocks.push(Block::Facts { facts: privacy });
    if let Some(rule) = &spec.disclosure {
        section.blocks.push(Block::paragraph(format!(
            "On top of the noise, tables keep the rule {} ({}).",
            rule.name, rule.source
        )));
    }
    for (question, used) in spec.questions().zip(methods) {
        let used = used.join("; ");
        let id = format!("method-{}", question.indicator.id);
        let part = Section::new(id, titled(question));
        section.subsections.push(part.with([Block::Facts { facts: facts(question, &used) }]));
    }
    section
}

/// What an indicator is, for the section on methods (RECORD 6.1, 7.1).
fn facts(question: &Question, used: &str) -> Vec<Fact> {
    let Indicator { id, version, population, numerator, denominator, bounds, source, .. } =
        &question.indicator;
    let mut facts = vec![
        Fact::code("Indicator", format!("{id} {version}")),
        Fact::new("Population", population),
        Fact::new("Counted", numerator),
    ];
    facts.extend(denominator.as_ref().map(|of| Fact::new("Divided by", of)));
    facts.push(Fact::new("One person", bounds.person.trim()));
    for set in question.indicator.concepts.values() {
        let ids: Vec<String> = set.ids.iter().map(u32::to_string).collect();
        let below = if set.descendants { ", with all descendants" } else { "" };
        let listed = format!("{} ({}{below})", set.what, ids.join(", "));
        facts.push(Fact::new("Concepts", listed));
    }
    if !question.parameters.is_empty() {
        facts.push(Fact::code("Asked with", question.parameters.join(", ")));
    }
    let made =
        if used.is_empty() { question.indicator.method.to_string() } else { used.to_owned() };
    facts.push(Fact::new("Method", made));
    facts.push(Fact::new("Privacy loss", format!("epsilon {}", question.epsilon)));
    facts.push(Fact::new("Source", source));
    facts
}

fn limitations(spec: &Spec, answers: &[Answered]) -> Section {
    let plain = |text: &str| vec![Inline::Plain(text.to_owned())];
    let mut items = vec![
        plain(
            "Noise: every number differs from that of the records by chance that was added on \
             purpose. Its standard deviation stands beside the numbers in the files of data; \
             differences that are smaller than the intervals mean nothing.",
        ),
        plain(
            "Bounds: of persons with more events than the bounds allow, only so many count. What \
             was cut off is in the notes of the tables.",
        ),
        plain(
            "Small groups: groups that may have fewer persons than the policy asks for are not \
             shown, and totals of what is shown leave them out.",
        ),
        plain(
            "Several sites: a person of two sites is one person where pseudonyms agree; an event \
             that two sites hold is two events.",
        ),
        plain(
            "Negative numbers and shares beyond 0 to 100 % can come of noise. They are shown as \
             they are, since cutting them off would bias sums and means.",
        ),
    ];
    items.extend(spec.limitations.iter().map(|text| plain(text)));
    let mut notes: Vec<String> = Vec::new();
    for note in answers.iter().flat_map(|answered| &answered.released.notes) {
        if note.contains("de-identified") && !notes.contains(note) {
            notes.push(note.clone());
        }
    }
    items.extend(notes.iter().map(|note| plain(note)));
    Part::Limitations.section().with([Block::List { items }])
}

fn verification(answers: &[Answered], receipts: Vec<ReceiptLine>, commands: String) -> Section {
    let mut section = Part::Verification.section();
    section.blocks.push(Block::paragraph(
        "Each number can be traced to a release with a receipt, which proves the question, its \
         charge, the attested records and the answer, with its noise and before any rule of \
         disclosure. The commands below check them without \
         the records and without trust in whoever made this report.",
    ));
    section.blocks.push(Block::Receipts { receipts });
    let caption = "How to verify".to_owned();
    let language = "shell".to_owned();
    section.blocks.push(Block::Code(Code { caption, language, text: commands }));
    let mut queries = Section::new("queries", "Queries");
    queries.blocks = answers
        .iter()
        .map(|answered| {
            Block::Code(Code {
                caption: answered.question.indicator.title.clone(),
                language: "sql".to_owned(),
                text: answered.question.sql.trim().to_owned(),
            })
        })
        .collect();
    section.subsections.push(queries);
    section
}

/// All tables of a document, for those who look for suppressed cells.
pub fn tables(document: &Document) -> impl Iterator<Item = &Table> {
    document.blocks().filter_map(|block| match block {
        Block::Table(table) => Some(table),
        _ => None,
    })
}

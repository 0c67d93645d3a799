//! A made-up report with one of everything, for tests and for eyes.
//!
//! With `GRAUNT_REPORT_DIR` set, a test writes it there as `sample.html`.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::NaiveDate;

use super::model::{
    Block, Cell, Code, Column, Document, Excluded, Fact, Figure, Flow, Inline, KeyNumber, Number,
    Part, ReceiptLine, Row, RowGroup, Section, Step, Table, Unit,
};
use super::plots::{Axis, Plot, TimeSeries};
use crate::estimate::Interval;

mod plots;

pub(crate) use plots::{bars, epidemic, forest, funnel, multiples, pyramid, rates, survival};

pub(crate) const DIGEST: &str = "b3a1c04de5f6978812ab34cd56ef7890";

pub(crate) fn number(value: f64, lower: f64, upper: f64, noise_sd: f64) -> Number {
    let receipts = BTreeSet::from([Arc::from("q-2026-0412")]);
    Number { value, interval: Some(Interval { lower, upper }), noise_sd, receipts }
}

pub(crate) fn cell(value: f64, side: f64) -> Cell {
    Cell::Number(number(value, value - side, value + side, side / 3.0))
}

fn ratio(value: f64, factor: f64) -> Cell {
    Cell::Number(number(value, value / factor, value * factor, 0.02))
}

pub(crate) fn date(year: i32, month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, day).unwrap()
}

pub(crate) fn axis(label: &str, unit: Unit) -> Axis {
    Axis { label: label.to_owned(), unit }
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

pub(crate) fn per_100_000() -> Unit {
    Unit::Rate("per 100,000 person-years".to_owned())
}

fn figure(plot: Plot, caption: &str) -> Block {
    let note = "Whiskers and bands are 95% intervals that cover sampling and privacy noise.";
    Block::Figure(Figure {
        caption: caption.to_owned(),
        alt: format!("{caption} All numbers are in the table below the figure."),
        plot,
        note: note.to_owned(),
    })
}

fn characteristics() -> Table {
    let columns = |over: &str| {
        [("Persons", Unit::Count), ("Share", Unit::Share)]
            .map(|(label, unit)| Column { over: over.to_owned(), ..Column::new(label, unit) })
    };
    let row = |label: &str, a: f64, b: f64| {
        let share = |part: f64, of: f64| cell(part / of, 0.011);
        Row::new(label, [cell(a, 17.0), share(a, 5391.0), cell(b, 17.0), share(b, 41_872.0)])
    };
    let mut small = row("Unknown", 0.0, 61.0);
    small.cells[0] = Cell::suppressed("fewer than 11 persons");
    small.cells[1] = Cell::suppressed("follows from a suppressed number");
    let mut age =
        Row::new("Median age, years", [cell(68.4, 0.9), Cell::Empty, cell(57.1, 0.3), Cell::Empty]);
    age.unit = Some(Unit::Other("years".to_owned()));
    let group = |heading: &str, rows: Vec<Row>| RowGroup { heading: heading.to_owned(), rows };
    Table {
        caption: "Characteristics of persons with and without COPD at the start of follow-up."
            .to_owned(),
        columns: [Column::new("Characteristic", Unit::Other(String::new()))]
            .into_iter()
            .chain(columns("COPD"))
            .chain(columns("No COPD"))
            .collect(),
        groups: vec![
            group("", vec![row("All", 5391.0, 41_872.0), age]),
            group("Sex", vec![row("Women", 2512.0, 21_490.0), row("Men", 2871.0, 20_365.0)]),
            group(
                "Smoking",
                vec![
                    row("Never", 1204.0, 22_918.0),
                    row("Former", 2310.0, 11_407.0),
                    row("Current", 1877.0, 7_486.0),
                    small,
                ],
            ),
        ],
        notes: vec!["Persons of several sites are counted once.".to_owned()],
    }
}

fn main_table() -> Table {
    let columns = [
        Column::new("Age", Unit::Other(String::new())),
        Column::new("Cases", Unit::Count),
        Column::new("Person-years", Unit::Count),
        Column::new("Crude rate", per_100_000()),
        Column::new("Rate ratio", Unit::Ratio),
        Column::new("p", Unit::Probability),
    ];
    let row = |label: &str, cases: f64, years: f64, ratio_of: f64, p: f64| {
        let rate = cases / years * 1e5;
        let cells = [
            cell(cases, 12.0),
            Cell::exact(years),
            cell(rate, rate.abs() / 9.0),
            ratio(ratio_of, 1.21),
            Cell::exact(p),
        ];
        Row::new(label, cells)
    };
    let mut first = row("18–39", 9.0, 48_210.0, 1.0, 0.5);
    first.cells[2] = Cell::suppressed("fewer than 11 persons");
    first.cells[0] = Cell::suppressed("fewer than 11 persons");
    first.cells[3] = Cell::Empty;
    first.cells[4] = Cell::Empty;
    let rows = vec![
        first,
        row("40–54", 131.0, 91_220.0, 1.36, 0.0171),
        row("55–64", 402.0, 104_310.0, 1.41, 0.0004),
        row("65–74", 811.0, 98_003.0, 1.32, 0.0092),
        row("75 and older", 944.0, 61_244.0, 1.21, 0.0613),
    ];
    Table {
        caption: "First diagnoses of COPD by age, and the rate in men relative to women."
            .to_owned(),
        columns: columns.to_vec(),
        groups: vec![RowGroup { heading: String::new(), rows }],
        notes: vec![],
    }
}

fn flow() -> Flow {
    let excluded =
        |label: &str, count: f64| Excluded { label: label.to_owned(), count: cell(count, 11.0) };
    let step = |label: &str, count: f64, excluded: Vec<Excluded>| Step {
        label: label.to_owned(),
        count: cell(count, 17.0),
        excluded,
    };
    Flow {
        caption: "From all persons in the three extracts to the study population.".to_owned(),
        steps: vec![
            step(
                "Persons with any observation in 2023–2025",
                61_204.0,
                vec![excluded("Under 18 years", 9_870.0), excluded("Sex not recorded", 12.0)],
            ),
            step(
                "Adults under observation",
                51_330.0,
                vec![excluded("Less than 365 days of history", 4_067.0)],
            ),
            step("Study population", 47_263.0, vec![]),
        ],
        arms: vec![step("COPD", 5_391.0, vec![]), step("No COPD", 41_872.0, vec![])],
    }
}

const QUERY: &str = "WITH first_diagnosis AS (
  SELECT person_id, MIN(condition_start_date) AS onset
  FROM condition_occurrence
  WHERE condition_concept_id IN (descendants_of(255573))
  GROUP BY person_id
)
SELECT age_band, sex, COUNT(*) AS cases
FROM first_diagnosis JOIN person USING (person_id)
WHERE onset >= DATE '2024-01-01' AND onset < DATE '2026-01-01'
GROUP BY age_band, sex
WITH PRIVACY (epsilon 1, delta 1e-7)";

fn plain(text: &str) -> Inline {
    Inline::Plain(text.to_owned())
}

fn front() -> Vec<Section> {
    let key = |label: &str, cell: Cell, unit: Unit, note: &str| KeyNumber {
        label: label.to_owned(),
        cell,
        unit,
        note: note.to_owned(),
    };
    let summary = Part::Summary.section().with([
        Block::paragraph(
            "Among 47,263 adults of three districts, first diagnoses of chronic obstructive \
             pulmonary disease rose with age in both sexes and were about a third more frequent \
             in men. Weekly admissions crossed the alert threshold from January to March 2026.",
        ),
        Block::KeyNumbers {
            numbers: vec![
                key(
                    "Incidence, adults",
                    cell(388.2, 16.4),
                    per_100_000(),
                    "Age-standardised, ESP 2013",
                ),
                key("Prevalence", cell(0.1141, 0.0031), Unit::Share, "On 31 December 2025"),
                key(
                    "Men relative to women",
                    ratio(1.32, 1.09),
                    Unit::Ratio,
                    "Mantel–Haenszel, by age",
                ),
            ],
        },
        Block::Notice {
            heading: "Synthetic data.".to_owned(),
            text: vec![plain("No number in this report is about real persons.")],
        },
    ]);
    let data = Part::Data.section().with([
        Block::paragraph("Three sites signed their extracts; the ledger holds the digests."),
        Block::Facts {
            facts: vec![
                Fact::new("Sites", "North District Hospital, Coast Clinic, Capital Insurance"),
                Fact::code("Extract of North", DIGEST),
                Fact::new(
                    "Privacy",
                    "(ε = 2.0, δ = 10⁻⁷) for the whole report and each person over all sites",
                ),
                Fact {
                    name: "First receipt".to_owned(),
                    value: vec![Inline::Receipt("q-2026-0412".to_owned()), plain(" (verified)")],
                },
            ],
        },
    ]);
    let mut methods = Part::Methods.section().with([Block::paragraph(
        "Rates are per person-year between the first day under observation and the first of \
         diagnosis, death, or the end of 2025.",
    )]);
    methods.subsections = vec![
        Section::new("cases", "Case definition").with([Block::Code(Code {
            caption: "First diagnoses by age and sex".to_owned(),
            language: "sql".to_owned(),
            text: QUERY.to_owned(),
        })]),
        Section::new("intervals", "Intervals").with([Block::paragraph(
            "All intervals cover sampling and privacy noise together; without noise they are \
             those of Byar for rates and of Wilson for proportions.",
        )]),
    ];
    vec![summary, data, methods]
}

fn results() -> Section {
    let mut results = Part::Results.section();
    results.subsections = vec![
        Section::new("incidence", "Incidence by age and sex").with([
            Block::Table(main_table()),
            figure(rates(), "Incidence of COPD by age and sex."),
            figure(bars(), "Comorbidities of persons with COPD."),
        ]),
        Section::new("season", "Admissions over the season").with([
            figure(
                Plot::Time(TimeSeries {
                    marks: vec![(date(2025, 12, 15), "vaccination starts".to_owned())],
                    ..epidemic(0.0, 96.0, 42)
                }),
                "Weekly admissions with COPD, and what was expected.",
            ),
            figure(multiples(), "Weekly admissions by region."),
        ]),
        Section::new("outcomes", "Outcomes").with([
            figure(survival(), "Survival after the first diagnosis, by smoking."),
            figure(forest(), "Rate of admission, vaccinated relative to not vaccinated."),
            figure(funnel(), "Deaths within 30 days by hospital, against chance."),
        ]),
    ];
    results
}

fn back() -> Vec<Section> {
    let limitations = Part::Limitations.section().with([Block::List {
        items: vec![
            vec![plain("Diagnoses are those that were coded; mild disease is missed.")],
            vec![
                plain("Person-time beyond "),
                Inline::Strong("365 days".to_owned()),
                plain(" a year and person is cut off by a bound of the query."),
            ],
        ],
    }]);
    let receipts = vec![
        ReceiptLine {
            name: "q-2026-0412".to_owned(),
            proves: "First diagnoses and person-years by age band and sex".to_owned(),
            facts: vec![
                Fact::new("Charge", "ρ = 0.0213, which is (ε = 1.0, δ = 10⁻⁷)"),
                Fact::new("Ledger", "entry 10,482 of 10,517"),
                Fact::code("SHA-256", DIGEST),
            ],
        },
        ReceiptLine {
            name: "7f0e2c9b4d8a61530f1e2d3c4b5a69788796a5b4c3d2e1f0".to_owned(),
            proves: "Weekly admissions by region".to_owned(),
            facts: vec![Fact::new("Charge", "ρ = 0.0107"), Fact::code("SHA-256", DIGEST)],
        },
    ];
    let verification = Part::Verification.section().with([
        Block::paragraph("Whoever holds the receipts can check them without asking anybody:"),
        Block::Code(Code {
            caption: "On a machine without a network".to_owned(),
            language: "shell".to_owned(),
            text: "graunt verify receipts/*.json --policy trust.toml".to_owned(),
        }),
        Block::Receipts { receipts },
    ]);
    vec![limitations, verification]
}

/// One of everything.
pub(crate) fn document() -> Document {
    let flow = Part::Flow.section().with([Block::Flow(flow())]);
    let persons = Part::Characteristics.section().with([
        Block::Table(characteristics()),
        figure(pyramid(), "Persons under observation on 1 January 2024."),
    ]);
    let mut sections = front();
    sections.extend([flow, persons, results()]);
    sections.extend(back());
    Document {
        title: "Chronic obstructive pulmonary disease in three districts".to_owned(),
        subtitle: "Incidence, admissions and survival among adults, from the linked records of \
                   three sites"
            .to_owned(),
        data_kind: "Synthetic electronic health records (OMOP), linked over sites".to_owned(),
        region: "North, Coast and Capital districts".to_owned(),
        period: "1 January 2024 to 31 December 2025".to_owned(),
        made_on: date(2026, 11, 23),
        level: 0.95,
        sections,
    }
}

//! Reads Synthea's CSV files as OMOP tables.
//!
//! Clinical concepts are 0 and codes stay as they are: mapping vocabularies is for a real
//! conversion (the OHDSI project has one). Only sex, race, ethnicity, kinds of visit and a few
//! vital signs are mapped. Nothing is de-identified here.
//!
//! # Source
//! Synthea wiki, CSV File Data Dictionary; OMOP CDM v5.4 for the names.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use arrow::array::LargeStringArray;

use crate::extract::cell::{Cell, RawColumn};
use crate::extract::error::ExtractError;
use crate::extract::frame;
use crate::extract::source::{RawTable, file_name, is_csv, stem};

/// Synthea's files, by the names that it gives them.
#[derive(Debug)]
pub(super) struct Synthea {
    files: BTreeMap<String, PathBuf>,
}

/// One of Synthea's files.
struct Sheet {
    rows: usize,
    columns: BTreeMap<&'static str, RawColumn>,
}

/// Where an OMOP column comes from.
enum From {
    /// A column of the sheet.
    Column(&'static str),
    /// The first of two columns that is not empty.
    Either(&'static str, &'static str),
    /// The same value in every row.
    Constant(&'static str),
    /// A value for each of the values of a column; those not listed are concept 0.
    Mapped(&'static str, &'static [(&'static str, &'static str)]),
    /// A part of a column's text, from one byte to before another.
    Part(&'static str, usize, usize),
    /// The difference of two columns.
    Less(&'static str, &'static str),
    /// A number for the row, from what is in it.
    Row,
}

/// How an OMOP table is made of one sheet.
struct Mapping {
    table: &'static str,
    sheet: &'static str,
    /// Columns of the sheet that are read; together they name a row.
    reads: &'static [&'static str],
    /// A column, and what it must hold (anything, if that is empty) for a row to count.
    only: Option<(&'static str, &'static str)>,
    columns: &'static [(&'static str, From)],
}

impl Synthea {
    /// Takes the files that Synthea writes, and names the others.
    pub(super) fn open(files: &[PathBuf]) -> (Self, Vec<String>) {
        let is_read = |path: &PathBuf| {
            let stem = stem(path);
            is_csv(path) && MAPPINGS.iter().any(|mapping| mapping.sheet == stem)
        };
        let (own, other): (Vec<_>, Vec<_>) = files.iter().cloned().partition(is_read);
        let files = own.into_iter().map(|path| (stem(&path), path)).collect();
        (Self { files }, other.iter().map(|path| file_name(path)).collect())
    }

    /// Whether a table can be made.
    pub(super) fn has(&self, table: &str) -> bool {
        let there = |sheet: &str| self.files.contains_key(sheet);
        if table == PERIODS {
            return there("encounters");
        }
        MAPPINGS.iter().any(|mapping| mapping.table == table && there(mapping.sheet))
    }

    /// Makes a table.
    ///
    /// # Errors
    /// Those of reading the file, and [`ExtractError::MissingColumns`].
    pub(super) fn read(&self, table: &str) -> Result<RawTable, ExtractError> {
        if table == PERIODS {
            return self.observation_periods();
        }
        let mut rows = 0;
        let mut columns: BTreeMap<&'static str, Vec<Option<String>>> = BTreeMap::new();
        let mappings = MAPPINGS.iter().filter(|mapping| mapping.table == table);
        for mapping in mappings.filter(|mapping| self.files.contains_key(mapping.sheet)) {
            let sheet = self.sheet(mapping.sheet, mapping.reads)?;
            let kept = sheet.kept(mapping.only);
            let names = sheet.names(mapping.reads);
            for (column, from) in mapping.columns {
                // A column that an earlier sheet did not have is missing for its rows.
                let values = columns.entry(column).or_default();
                values.resize(rows, None);
                values.extend(kept.iter().map(|row| from.value(&sheet, &names, *row)));
            }
            rows += kept.len();
        }
        let columns = columns.into_iter().map(|(name, mut values)| {
            values.resize(rows, None);
            (name, RawColumn::Text(values.into_iter().collect::<LargeStringArray>()))
        });
        Ok(RawTable { rows, columns: columns.collect(), unknown_columns: Vec::new() })
    }

    /// One period per patient, from the first day of an encounter to the last.
    fn observation_periods(&self) -> Result<RawTable, ExtractError> {
        let sheet = self.sheet("encounters", &["PATIENT", "START", "STOP"])?;
        let mut periods: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
        for row in 0..sheet.rows {
            let days = (sheet.text("START", row), sheet.text("STOP", row));
            let (Some(patient), (Some(start), stop)) = (sheet.text("PATIENT", row), days) else {
                continue;
            };
            // Times are written so that their order is the order of their text.
            let stop = stop.unwrap_or(start);
            let period = periods.entry(patient).or_insert((start, stop));
            *period = (period.0.min(start), period.1.max(stop));
        }
        let text = |values: Vec<Option<&str>>| {
            RawColumn::Text(values.into_iter().collect::<LargeStringArray>())
        };
        let patients = || periods.keys().map(|patient| Some(*patient)).collect();
        let rows = periods.len();
        let columns = BTreeMap::from([
            ("observation_period_id", text(patients())),
            ("person_id", text(patients())),
            (
                "observation_period_start_date",
                text(periods.values().map(|period| Some(period.0)).collect()),
            ),
            (
                "observation_period_end_date",
                text(periods.values().map(|period| Some(period.1)).collect()),
            ),
            ("period_type_concept_id", text(vec![Some(RECORD_TYPE); rows])),
        ]);
        Ok(RawTable { rows, columns, unknown_columns: Vec::new() })
    }

    fn sheet(&self, name: &str, reads: &[&'static str]) -> Result<Sheet, ExtractError> {
        let Some(path) = self.files.get(name) else {
            return Ok(Sheet { rows: 0, columns: BTreeMap::new() });
        };
        let (rows, columns) = frame::open(path, name)?.read(reads)?;
        let missing: Vec<&str> =
            reads.iter().copied().filter(|column| !columns.contains_key(column)).collect();
        if missing.is_empty() {
            return Ok(Sheet { rows, columns });
        }
        Err(ExtractError::MissingColumns { table: name.to_owned(), columns: missing.join(", ") })
    }
}

impl Sheet {
    fn text(&self, column: &str, row: usize) -> Option<&str> {
        match self.columns.get(column)?.cell(row) {
            Cell::Text(text) => Some(text),
            _ => None,
        }
    }

    fn kept(&self, only: Option<(&str, &str)>) -> Vec<usize> {
        let counts = |row: &usize| match only {
            None => true,
            Some((column, "")) => self.text(column, *row).is_some(),
            Some((column, value)) => self.text(column, *row) == Some(value),
        };
        (0..self.rows).filter(counts).collect()
    }

    /// A name for each row from all that was read of it, with a count where rows are the same:
    /// the names do not depend on the order of the rows.
    fn names(&self, reads: &[&'static str]) -> Vec<String> {
        let mut seen: HashMap<String, u64> = HashMap::new();
        let mut names = Vec::with_capacity(self.rows);
        for row in 0..self.rows {
            let parts: Vec<&str> =
                reads.iter().map(|column| self.text(column, row).unwrap_or_default()).collect();
            let content = parts.join("|");
            let count = seen.entry(content.clone()).or_default();
            *count += 1;
            names.push(format!("{content}#{count}"));
        }
        names
    }
}

impl From {
    fn value(&self, sheet: &Sheet, names: &[String], row: usize) -> Option<String> {
        let text = |column: &str| sheet.text(column, row);
        match self {
            Self::Column(column) => text(column).map(str::to_owned),
            Self::Either(first, second) => text(first).or_else(|| text(second)).map(str::to_owned),
            Self::Constant(value) => Some((*value).to_owned()),
            Self::Mapped(column, values) => {
                let value = text(column).unwrap_or_default();
                let found = values.iter().find(|(from, _)| *from == value);
                Some(found.map_or("0", |(_, concept)| concept).to_owned())
            }
            Self::Part(column, start, end) => {
                text(column).and_then(|value| value.get(*start..*end)).map(str::to_owned)
            }
            Self::Less(column, less) => {
                let number = |column| text(column).and_then(|value| value.parse::<f64>().ok());
                Some((number(column)? - number(less).unwrap_or_default()).max(0.0).to_string())
            }
            Self::Row => names.get(row).cloned(),
        }
    }
}

/// The one table that is not made row by row.
const PERIODS: &str = "observation_period";

/// Concept 32817: electronic health record.
const RECORD_TYPE: &str = "32817";

/// Standard concepts of sex, race and ethnicity in the OMOP vocabulary.
const SEXES: &[(&str, &str)] = &[("M", "8507"), ("F", "8532")];
const RACES: &[(&str, &str)] = &[
    ("asian", "8515"),
    ("black", "8516"),
    ("hawaiian", "8557"),
    ("native", "8657"),
    ("other", "8522"),
    ("white", "8527"),
];
const ETHNICITIES: &[(&str, &str)] = &[("hispanic", "38003563"), ("nonhispanic", "38003564")];

/// Kinds of visit as in the OHDSI conversion of Synthea; urgent care is its emergency visit.
const VISITS: &[(&str, &str)] = &[
    ("ambulatory", "9202"),
    ("emergency", "9203"),
    ("inpatient", "9201"),
    ("outpatient", "9202"),
    ("urgentcare", "9203"),
    ("wellness", "9202"),
];

/// Standard concepts of the LOINC codes of vital signs, in the OMOP vocabulary.
const SIGNS: &[(&str, &str)] = &[
    ("29463-7", "3025315"),
    ("39156-5", "3038553"),
    ("8302-2", "3036277"),
    ("8462-4", "3012888"),
    ("8480-6", "3004249"),
    ("8867-4", "3027018"),
    ("9279-1", "3024171"),
];

/// How tables are made; a table with two mappings has the rows of both.
static MAPPINGS: &[Mapping] = &[
    Mapping {
        table: "person",
        sheet: "patients",
        reads: &["Id", "BIRTHDATE", "RACE", "ETHNICITY", "GENDER"],
        only: None,
        columns: &[
            ("person_id", From::Column("Id")),
            ("person_source_value", From::Column("Id")),
            ("location_id", From::Column("Id")),
            ("gender_concept_id", From::Mapped("GENDER", SEXES)),
            ("race_concept_id", From::Mapped("RACE", RACES)),
            ("ethnicity_concept_id", From::Mapped("ETHNICITY", ETHNICITIES)),
            ("year_of_birth", From::Part("BIRTHDATE", 0, 4)),
            ("month_of_birth", From::Part("BIRTHDATE", 5, 7)),
            ("day_of_birth", From::Part("BIRTHDATE", 8, 10)),
        ],
    },
    Mapping {
        table: "location",
        sheet: "patients",
        reads: &["Id", "STATE", "ZIP"],
        only: None,
        columns: &[
            ("location_id", From::Column("Id")),
            ("state", From::Column("STATE")),
            ("zip", From::Column("ZIP")),
        ],
    },
    Mapping {
        table: "death",
        sheet: "patients",
        reads: &["Id", "DEATHDATE"],
        only: Some(("DEATHDATE", "")),
        columns: &[
            ("person_id", From::Column("Id")),
            ("death_date", From::Column("DEATHDATE")),
            ("death_type_concept_id", From::Constant(RECORD_TYPE)),
        ],
    },
    Mapping {
        table: "visit_occurrence",
        sheet: "encounters",
        reads: &["Id", "PATIENT", "START", "STOP", "ENCOUNTERCLASS", "ORGANIZATION", "PROVIDER"],
        only: None,
        columns: &[
            ("visit_occurrence_id", From::Column("Id")),
            ("person_id", From::Column("PATIENT")),
            ("visit_concept_id", From::Mapped("ENCOUNTERCLASS", VISITS)),
            ("visit_start_date", From::Column("START")),
            ("visit_end_date", From::Either("STOP", "START")),
            ("provider_id", From::Column("PROVIDER")),
            ("care_site_id", From::Column("ORGANIZATION")),
        ],
    },
    Mapping {
        table: "cost",
        sheet: "encounters",
        reads: &["Id", "BASE_ENCOUNTER_COST", "TOTAL_CLAIM_COST", "PAYER_COVERAGE"],
        only: None,
        columns: &[
            ("cost_id", From::Column("Id")),
            ("cost_event_id", From::Column("Id")),
            ("cost_domain_id", From::Constant("Visit")),
            ("cost_type_concept_id", From::Constant(RECORD_TYPE)),
            // Concept 44818668: US dollar.
            ("currency_concept_id", From::Constant("44818668")),
            ("total_charge", From::Column("TOTAL_CLAIM_COST")),
            ("total_cost", From::Column("BASE_ENCOUNTER_COST")),
            ("paid_by_payer", From::Column("PAYER_COVERAGE")),
            ("paid_by_patient", From::Less("TOTAL_CLAIM_COST", "PAYER_COVERAGE")),
        ],
    },
    Mapping {
        table: "condition_occurrence",
        sheet: "conditions",
        reads: &["PATIENT", "ENCOUNTER", "START", "STOP", "CODE"],
        only: None,
        columns: &[
            ("condition_occurrence_id", From::Row),
            ("person_id", From::Column("PATIENT")),
            ("condition_concept_id", From::Constant("0")),
            ("condition_start_date", From::Column("START")),
            ("condition_end_date", From::Column("STOP")),
            ("condition_type_concept_id", From::Constant(RECORD_TYPE)),
            ("visit_occurrence_id", From::Column("ENCOUNTER")),
            ("condition_source_value", From::Column("CODE")),
        ],
    },
    Mapping {
        table: "drug_exposure",
        sheet: "medications",
        reads: &["PATIENT", "ENCOUNTER", "START", "STOP", "CODE", "DISPENSES"],
        only: None,
        columns: &[
            ("drug_exposure_id", From::Row),
            ("person_id", From::Column("PATIENT")),
            ("drug_concept_id", From::Constant("0")),
            ("drug_exposure_start_date", From::Column("START")),
            ("drug_exposure_end_date", From::Either("STOP", "START")),
            ("drug_type_concept_id", From::Constant(RECORD_TYPE)),
            ("quantity", From::Column("DISPENSES")),
            ("visit_occurrence_id", From::Column("ENCOUNTER")),
            ("drug_source_value", From::Column("CODE")),
        ],
    },
    Mapping {
        table: "drug_exposure",
        sheet: "immunizations",
        reads: &["PATIENT", "ENCOUNTER", "DATE", "CODE"],
        only: None,
        columns: &[
            ("drug_exposure_id", From::Row),
            ("person_id", From::Column("PATIENT")),
            ("drug_concept_id", From::Constant("0")),
            ("drug_exposure_start_date", From::Column("DATE")),
            ("drug_exposure_end_date", From::Column("DATE")),
            ("drug_type_concept_id", From::Constant(RECORD_TYPE)),
            ("quantity", From::Constant("1")),
            ("visit_occurrence_id", From::Column("ENCOUNTER")),
            ("drug_source_value", From::Column("CODE")),
        ],
    },
    Mapping {
        table: "procedure_occurrence",
        sheet: "procedures",
        reads: &["PATIENT", "ENCOUNTER", "START", "CODE"],
        only: None,
        columns: &[
            ("procedure_occurrence_id", From::Row),
            ("person_id", From::Column("PATIENT")),
            ("procedure_concept_id", From::Constant("0")),
            ("procedure_date", From::Column("START")),
            ("visit_occurrence_id", From::Column("ENCOUNTER")),
            ("procedure_source_value", From::Column("CODE")),
        ],
    },
    Mapping {
        table: "measurement",
        sheet: "observations",
        reads: &["PATIENT", "ENCOUNTER", "DATE", "CODE", "VALUE", "TYPE"],
        only: Some(("TYPE", "numeric")),
        columns: &[
            ("measurement_id", From::Row),
            ("person_id", From::Column("PATIENT")),
            ("measurement_concept_id", From::Mapped("CODE", SIGNS)),
            ("measurement_date", From::Column("DATE")),
            ("value_as_number", From::Column("VALUE")),
            ("visit_occurrence_id", From::Column("ENCOUNTER")),
        ],
    },
    Mapping {
        table: "device_exposure",
        sheet: "devices",
        reads: &["PATIENT", "ENCOUNTER", "START", "STOP", "CODE", "UDI"],
        only: None,
        columns: &[
            ("device_exposure_id", From::Row),
            ("person_id", From::Column("PATIENT")),
            ("device_concept_id", From::Constant("0")),
            ("device_exposure_start_date", From::Column("START")),
            ("device_exposure_end_date", From::Column("STOP")),
            ("unique_device_id", From::Column("UDI")),
            ("quantity", From::Constant("1")),
            ("visit_occurrence_id", From::Column("ENCOUNTER")),
        ],
    },
];

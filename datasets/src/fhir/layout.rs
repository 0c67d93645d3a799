//! The columns of the tables that are written: those of the data model here, and those beyond it
//! that keep what the source said.

use ledger_adapter::manifest::ColumnKind;

use crate::schema;

/// A table that is written.
#[derive(Debug)]
pub(super) struct Layout {
    /// Its name.
    pub(super) table: &'static str,
    /// Its columns, in order.
    pub(super) columns: Vec<Column>,
}

/// A column that is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Whether the data model wants a value in every row.
    pub(super) required: bool,
}

/// How a value of a view becomes a value of a column.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// An identifier becomes its number.
    Key,
    /// Codes become a concept; a number is one.
    Concept,
    /// The day of a date or time.
    Date,
    /// A whole number.
    Integer,
    /// A number.
    Float,
    /// Text as it is.
    Text,
}

impl Layout {
    /// The layout of a table of the schema; no columns for a name that is none.
    pub(super) fn new(table: &'static str) -> Self {
        let of_schema = schema::table(table).map(|table| table.columns).unwrap_or_default();
        let mut columns: Vec<Column> = of_schema
            .iter()
            .map(|column| Column {
                name: column.name,
                kind: kind(column.name, column.kind),
                required: column.required,
            })
            .collect();
        let beyond = BEYOND.iter().filter(|(owner, _, _)| *owner == table);
        let beyond = beyond.filter(|(_, name, _)| columns.iter().all(|known| known.name != *name));
        let beyond: Vec<Column> =
            beyond.map(|(_, name, kind)| Column { name, kind: *kind, required: false }).collect();
        columns.extend(beyond);
        Self { table, columns }
    }

    /// The place of a column.
    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The column that numbers the table's rows, if they have numbers of their own.
    pub(super) fn own_key(&self) -> Option<&'static str> {
        let is_own = |name: &str| name.strip_suffix("_id") == Some(self.table);
        self.columns.iter().map(|column| column.name).find(|name| is_own(name))
    }

    /// The column with the date of the record, if it is one.
    pub(super) fn date(&self) -> Option<&'static str> {
        self.columns.iter().find(|column| column.kind == Kind::Date).map(|column| column.name)
    }
}

fn kind(name: &str, kind: ColumnKind) -> Kind {
    match kind {
        ColumnKind::Integer if name.ends_with("_concept_id") => Kind::Concept,
        ColumnKind::Integer if name.ends_with("_id") => Kind::Key,
        ColumnKind::Integer => Kind::Integer,
        ColumnKind::Float => Kind::Float,
        ColumnKind::Date => Kind::Date,
        ColumnKind::Text => Kind::Text,
    }
}

/// Columns of OMOP CDM v5.4 that an extract does not take, and `*_source_vocabulary_id`, which is
/// ours: a code says nothing without its vocabulary, and has no other place while it is mapped to
/// no concept.
const BEYOND: &[(&str, &str, Kind)] = &[
    ("condition_occurrence", "condition_source_vocabulary_id", Kind::Text),
    ("drug_exposure", "drug_source_concept_id", Kind::Integer),
    ("drug_exposure", "drug_source_vocabulary_id", Kind::Text),
    ("procedure_occurrence", "procedure_source_concept_id", Kind::Integer),
    ("procedure_occurrence", "procedure_source_vocabulary_id", Kind::Text),
    ("measurement", "measurement_source_value", Kind::Text),
    ("measurement", "measurement_source_concept_id", Kind::Integer),
    ("measurement", "measurement_source_vocabulary_id", Kind::Text),
    ("measurement", "unit_source_value", Kind::Text),
    ("observation", "observation_source_value", Kind::Text),
    ("observation", "observation_source_concept_id", Kind::Integer),
    ("observation", "observation_source_vocabulary_id", Kind::Text),
    ("device_exposure", "device_source_value", Kind::Text),
    ("device_exposure", "device_source_concept_id", Kind::Integer),
    ("device_exposure", "device_source_vocabulary_id", Kind::Text),
];

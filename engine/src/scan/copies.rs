//! Rows that several sites have: which of them are read, and once only.
//!
//! A table that promises one row per person keeps the row of the first site, in order of site, of
//! a person who is at several: otherwise each join with it would count that person twice. Of public
//! tables the sites may have parts, as of a list of providers, or the same, as of a vocabulary:
//! rows of all are read, and of rows with one name, `<table>_id`, the first site's. Tables without
//! such a name keep each row once.

use std::collections::HashSet;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::datatypes::Int64Type;
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use arrow::{array::AsArray, compute::filter_record_batch};

use crate::catalog::{Catalog, TableSpec};

/// The copies of a public table that differ from each other, by extract and number of the table.
pub(crate) fn differing(catalog: &Catalog, spec: &TableSpec) -> Vec<(usize, usize)> {
    let mut seen = HashSet::new();
    let content = |(extract, table): &(usize, usize)| {
        let files = &catalog.extracts()[*extract].manifest().tables[*table].files;
        files.iter().map(|file| file.blake3).collect::<Vec<_>>()
    };
    spec.sources.iter().copied().filter(|source| seen.insert(content(source))).collect()
}

/// Which rows of later sites are left out.
#[derive(Clone, Debug)]
pub(crate) enum Once {
    /// None.
    No,
    /// Those of persons of earlier sites, by this column.
    Persons(String),
    /// Those that earlier sites have, by these columns.
    Rows(Vec<String>),
}

impl Once {
    /// How a table is read that so many sites have a file of.
    pub(crate) fn of(spec: &TableSpec, is_single: bool, files: usize) -> Self {
        match spec.unit() {
            _ if files < 2 => Self::No,
            Some(unit) if is_single => Self::Persons(unit.to_owned()),
            Some(_) => Self::No,
            None => {
                let name = format!("{}_id", spec.name);
                let names = || spec.columns.iter().map(|column| column.name.clone());
                Self::Rows(
                    names()
                        .find(|column| *column == name)
                        .map_or(names().collect(), |name| vec![name]),
                )
            }
        }
    }

    /// The columns that must be read to know a row again.
    pub(crate) fn columns(&self) -> &[String] {
        match self {
            Self::No => &[],
            Self::Persons(unit) => std::slice::from_ref(unit),
            Self::Rows(names) => names,
        }
    }
}

/// What earlier sites had, and what this one has.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    earlier: Known,
    current: Known,
}

#[derive(Debug, Default)]
struct Known {
    persons: HashSet<i64>,
    rows: HashSet<Box<[u8]>>,
}

impl Seen {
    /// The next site begins.
    pub(crate) fn next_site(&mut self) {
        self.earlier.persons.extend(self.current.persons.drain());
        self.earlier.rows.extend(self.current.rows.drain());
    }

    /// The rows that no earlier site had.
    pub(crate) fn new_rows(
        &mut self,
        once: &Once,
        batch: &RecordBatch,
    ) -> Result<RecordBatch, ArrowError> {
        let missing = || ArrowError::SchemaError("a column that names rows is missing".to_owned());
        let keep: BooleanArray = match once {
            Once::No => return Ok(batch.clone()),
            Once::Persons(unit) => {
                let units = batch.column_by_name(unit).ok_or_else(missing)?;
                let units = units.as_primitive_opt::<Int64Type>().ok_or_else(missing)?;
                self.current.persons.extend(units.values().iter().copied());
                let is_new = |person| Some(!self.earlier.persons.contains(person));
                units.values().iter().map(is_new).collect()
            }
            Once::Rows(names) => {
                let columns = names.iter().map(|name| batch.column_by_name(name).cloned());
                let columns: Vec<_> = columns.collect::<Option<_>>().ok_or_else(missing)?;
                let fields = columns.iter().map(|c| SortField::new(c.data_type().clone()));
                let rows = RowConverter::new(fields.collect())?.convert_columns(&columns)?;
                let is_new = rows.iter().map(|row| !self.earlier.rows.contains(row.as_ref()));
                let keep = is_new.map(Some).collect();
                self.current.rows.extend(rows.iter().map(|row| Box::from(row.as_ref())));
                keep
            }
        };
        filter_record_batch(batch, &keep)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{AsArray, Int64Array, RecordBatch, StringArray};
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};

    use super::{Once, Seen};

    fn batch(ids: &[i64], names: &[Option<&str>]) -> RecordBatch {
        let fields = vec![
            Field::new("place_id", DataType::Int64, true),
            Field::new("name", DataType::Utf8, true),
        ];
        let ids = Int64Array::from(ids.to_vec());
        let names = StringArray::from(names.to_vec());
        let schema = Arc::new(Schema::new(fields));
        RecordBatch::try_new(schema, vec![Arc::new(ids), Arc::new(names)]).unwrap()
    }

    fn left(once: &Once) -> Vec<i64> {
        let mut seen = Seen::default();
        let mut left = Vec::new();
        for site in [
            vec![batch(&[1, 1], &[Some("a"), Some("a")]), batch(&[2], &[None])],
            vec![batch(&[2, 3, 1], &[None, Some("c"), Some("other")])],
        ] {
            for batch in site {
                let kept = seen.new_rows(once, &batch).unwrap();
                left.extend(kept.column(0).as_primitive::<Int64Type>().values());
            }
            seen.next_site();
        }
        left
    }

    #[test]
    fn later_sites_add_what_no_earlier_one_had_and_a_sites_own_rows_all_stay() {
        assert_eq!(left(&Once::No), [1, 1, 2, 2, 3, 1]);
        assert_eq!(left(&Once::Persons("place_id".to_owned())), [1, 1, 2, 3]);
        assert_eq!(left(&Once::Rows(vec!["place_id".to_owned()])), [1, 1, 2, 3]);
        let whole = Once::Rows(vec!["place_id".to_owned(), "name".to_owned()]);
        assert_eq!(left(&whole), [1, 1, 2, 3, 1]);
    }
}

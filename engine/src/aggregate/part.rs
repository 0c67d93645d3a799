//! What one part of a computation came to, as a batch that can travel: exact, so only to whoever
//! adds the noise.

use std::sync::{Arc, LazyLock};

use arrow::array::{
    ArrayRef, AsArray, BinaryArray, BinaryBuilder, RecordBatch, UInt32Array, UInt32Builder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt32Type};
use datafusion::error::DataFusionError;

use crate::aggregate::cells::{Cells, Mark};
use crate::aggregate::nested::{Valued, Values};

/// What a row of a part is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Section {
    /// The totals of a cell.
    Cell,
    /// How many persons need each bound of this private choice.
    Profile(usize),
    /// Rows of one value, in a cell of this nested column.
    Nested(usize),
    /// A person in a cell of this column.
    Mark(usize),
}

/// The columns of a part: what a row is about, of which, the key of the cell, and the numbers.
pub(crate) fn schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        let field = |name: &str, kind| Field::new(name, kind, false);
        Arc::new(Schema::new(vec![
            field("section", DataType::UInt32),
            field("of", DataType::UInt32),
            field("key", DataType::Binary),
            field("value", DataType::Binary),
            field("numbers", DataType::Binary),
        ]))
    });
    Arc::clone(&SCHEMA)
}

/// Writes a part.
#[derive(Debug, Default)]
pub(crate) struct Part {
    sections: UInt32Builder,
    of: UInt32Builder,
    keys: BinaryBuilder,
    values: BinaryBuilder,
    numbers: BinaryBuilder,
    /// Bytes since the last batch.
    bytes: usize,
    /// Batches that are full.
    full: Vec<RecordBatch>,
}

impl Part {
    /// Writes the cells of a part; `codes` are the bytes of their keys.
    ///
    /// # Errors
    /// If the columns make no batch, which is ours.
    pub(crate) fn cells(
        &mut self,
        cells: &Cells,
        codes: &[Box<[u8]>],
    ) -> Result<(), DataFusionError> {
        let mut numbers = Vec::new();
        for (group, totals) in cells.rows() {
            bytes_of(totals, &mut numbers);
            self.push(Section::Cell, &codes[group], &[], &numbers)?;
        }
        for (profile, counts) in cells.profiles().iter().enumerate() {
            bytes_of(counts, &mut numbers);
            self.push(Section::Profile(profile), &[], &[], &numbers)?;
        }
        for (column, marks) in cells.marks().iter().enumerate() {
            for (group, mark) in marks {
                let numbers = [mark.hash.to_le_bytes(), mark.place.to_le_bytes()].concat();
                self.push(Section::Mark(column), &codes[*group as usize], &[], &numbers)?;
            }
        }
        Ok(())
    }

    /// Writes the values of nested column `nested`.
    ///
    /// # Errors
    /// If the columns make no batch, which is ours.
    pub(crate) fn values(
        &mut self,
        nested: usize,
        values: &Values,
        valued: &Valued,
    ) -> Result<(), DataFusionError> {
        for (key, value, rows) in values.rows(valued) {
            self.push(Section::Nested(nested), key, value, &rows.to_le_bytes())?;
        }
        Ok(())
    }

    /// The part as batches.
    ///
    /// # Errors
    /// If the columns make no batch, which is ours.
    pub(crate) fn finish(mut self) -> Result<Vec<RecordBatch>, DataFusionError> {
        self.close()?;
        Ok(self.full)
    }

    fn close(&mut self) -> Result<(), DataFusionError> {
        self.bytes = 0;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.sections.finish()),
            Arc::new(self.of.finish()),
            Arc::new(self.keys.finish()),
            Arc::new(self.values.finish()),
            Arc::new(self.numbers.finish()),
        ];
        self.full.push(RecordBatch::try_new(schema(), columns)?);
        Ok(())
    }

    fn push(
        &mut self,
        section: Section,
        key: &[u8],
        value: &[u8],
        numbers: &[u8],
    ) -> Result<(), DataFusionError> {
        let (section, of) = match section {
            Section::Cell => (0, 0),
            Section::Profile(of) => (1, of),
            Section::Nested(of) => (2, of),
            Section::Mark(of) => (3, of),
        };
        self.sections.append_value(section);
        self.of.append_value(u32::try_from(of).unwrap_or(u32::MAX));
        self.keys.append_value(key);
        self.values.append_value(value);
        self.numbers.append_value(numbers);
        self.bytes += key.len() + value.len() + numbers.len();
        if self.bytes >= BATCH_BYTES { self.close() } else { Ok(()) }
    }

    /// The rows of a part.
    ///
    /// # Errors
    /// If the batch is none.
    pub(crate) fn read(
        part: &RecordBatch,
    ) -> Result<impl Iterator<Item = PartRow<'_>>, DataFusionError> {
        let column = |i: usize| part.columns().get(i);
        let number = |i| column(i).and_then(|c: &ArrayRef| c.as_primitive_opt::<UInt32Type>());
        let bytes = |i| column(i).and_then(|c: &ArrayRef| c.as_binary_opt::<i32>());
        let columns = (|| Some((number(0)?, number(1)?, bytes(2)?, bytes(3)?, bytes(4)?)))();
        let (sections, of, keys, values, numbers): (
            &UInt32Array,
            &UInt32Array,
            &BinaryArray,
            &BinaryArray,
            &BinaryArray,
        ) = columns.ok_or_else(Self::shape)?;
        if sections.values().iter().any(|section| *section > 3) {
            return Err(Self::shape());
        }
        Ok((0..part.num_rows()).map(move |row| {
            let of = of.value(row) as usize;
            let section = match sections.value(row) {
                0 => Section::Cell,
                1 => Section::Profile(of),
                2 => Section::Nested(of),
                _ => Section::Mark(of),
            };
            let (key, value, numbers) = (keys.value(row), values.value(row), numbers.value(row));
            PartRow { section, key, value, numbers }
        }))
    }

    /// The error of a batch that is no part.
    pub(crate) fn shape() -> DataFusionError {
        DataFusionError::Execution("a part has another shape than was asked for".to_owned())
    }
}

/// One row of a part.
#[derive(Debug)]
pub(crate) struct PartRow<'a> {
    pub(crate) section: Section,
    pub(crate) key: &'a [u8],
    value: &'a [u8],
    numbers: &'a [u8],
}

impl<'a> PartRow<'a> {
    /// The totals, of which there are `width`.
    pub(crate) fn totals(&self, width: usize) -> Result<Vec<i128>, DataFusionError> {
        let (numbers, rest) = self.numbers.as_chunks::<16>();
        if !rest.is_empty() || numbers.len() != width {
            return Err(Part::shape());
        }
        Ok(numbers.iter().map(|bytes| i128::from_le_bytes(*bytes)).collect())
    }

    /// A value, and its rows.
    pub(crate) fn value(&self) -> Result<(&'a [u8], u64), DataFusionError> {
        let rows = <[u8; 8]>::try_from(self.numbers).map_err(|_| Part::shape())?;
        Ok((self.value, u64::from_le_bytes(rows)))
    }

    /// A person.
    pub(crate) fn mark(&self) -> Result<Mark, DataFusionError> {
        match self.numbers.as_chunks::<8>() {
            ([hash, place], []) => {
                Ok(Mark { hash: u64::from_le_bytes(*hash), place: u64::from_le_bytes(*place) })
            }
            _ => Err(Part::shape()),
        }
    }
}

fn bytes_of(numbers: &[i128], bytes: &mut Vec<u8>) {
    bytes.clear();
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}

/// Bytes after which a batch is full; far below what offsets of 32 bits can name.
const BATCH_BYTES: usize = 1 << 25;

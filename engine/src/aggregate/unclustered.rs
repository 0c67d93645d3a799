//! Rows that do not come in order of person: split by person, put aside, and brought into order
//! part by part. What does not fit into memory is put aside on disk.
//!
//! ```text
//!  rows ─▶ 64 parts by a hash of the person ─▶ (memory is full: to disk) ─▶ part by part:
//!          numbers of fixed width, without keys or text                     sorted, handed on
//! ```
//! On disk are pseudonyms, numbers of groups and totals, in files that only the user of the process
//! may read and that go with it.

use std::fmt;
use std::io::Write;
use std::sync::Arc;

use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::execution::disk_manager::DiskManager;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::spill_file::{SpillFile, SpillWriter};
use futures::StreamExt;

/// Rows put aside.
pub(crate) struct Unclustered {
    /// Numbers per row: the person, the group, the columns.
    width: usize,
    parts: Vec<PutAside>,
    memory: MemoryReservation,
    disk: Arc<DiskManager>,
}

#[derive(Default)]
struct PutAside {
    rows: Vec<i64>,
    spilled: Option<(Arc<dyn SpillFile>, Box<dyn SpillWriter>)>,
}

impl fmt::Debug for Unclustered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unclustered").field("memory", &self.memory.size()).finish_non_exhaustive()
    }
}

/// Rows in order of person.
#[derive(Debug, Default)]
pub(crate) struct Ordered {
    pub(crate) persons: Vec<i64>,
    pub(crate) groups: Vec<u32>,
    pub(crate) columns: Vec<Vec<i64>>,
}

impl Unclustered {
    /// For rows with so many columns; memory and disk are those of the task.
    pub(crate) fn new(columns: usize, context: &TaskContext) -> Self {
        let consumer = MemoryConsumer::new(ASIDE).with_can_spill(true);
        Self {
            width: 2 + columns,
            parts: (0..PARTS).map(|_| PutAside::default()).collect(),
            memory: consumer.register(context.memory_pool()),
            disk: Arc::clone(&context.runtime_env().disk_manager),
        }
    }

    /// Puts rows aside.
    ///
    /// # Errors
    /// If there is neither memory nor disk for them.
    pub(crate) fn push(
        &mut self,
        persons: &[i64],
        groups: &[u32],
        columns: &[&[i64]],
    ) -> Result<(), DataFusionError> {
        let bytes = persons.len() * self.width * size_of::<i64>();
        if self.memory.try_grow(bytes).is_err() {
            self.spill()?;
            self.memory.grow(bytes);
        }
        for (row, person) in persons.iter().enumerate() {
            let rows = &mut self.parts[part_of(*person)].rows;
            rows.push(*person);
            rows.push(i64::from(groups[row]));
            rows.extend(columns.iter().map(|column| column[row]));
        }
        Ok(())
    }

    /// Hands on all rows, persons whole and each part in order of person, and forgets them.
    ///
    /// # Errors
    /// If what was put aside cannot be read, or `each` fails.
    pub(crate) async fn drain(
        &mut self,
        mut each: impl FnMut(&Ordered) -> Result<(), DataFusionError>,
    ) -> Result<(), DataFusionError> {
        let mut ordered = Ordered::default();
        for part in 0..self.parts.len() {
            let mut rows = std::mem::take(&mut self.parts[part].rows);
            if let Some((file, mut writer)) = self.parts[part].spilled.take() {
                writer.finish()?;
                drop(writer);
                read_back(file.as_ref(), &mut rows).await?;
            }
            ordered.set(&rows, self.width);
            drop(rows);
            each(&ordered)?;
        }
        self.memory.free();
        Ok(())
    }

    /// Whether rows were put on disk.
    #[cfg(test)]
    pub(crate) fn has_spilled(&self) -> bool {
        self.parts.iter().any(|part| part.spilled.is_some())
    }

    fn spill(&mut self) -> Result<(), DataFusionError> {
        for part in self.parts.iter_mut().filter(|part| !part.rows.is_empty()) {
            if part.spilled.is_none() {
                let file = self.disk.create_tmp_file(ASIDE)?;
                let writer = file.open_writer()?;
                part.spilled = Some((file, writer));
            }
            if let Some((_, writer)) = &mut part.spilled {
                let bytes: Vec<u8> = part.rows.iter().flat_map(|n| n.to_le_bytes()).collect();
                writer.write_all(&bytes)?;
            }
            part.rows = Vec::new();
        }
        self.memory.free();
        Ok(())
    }
}

impl Ordered {
    /// These rows in order of person.
    fn set(&mut self, rows: &[i64], width: usize) {
        let mut order: Vec<(i64, usize)> =
            rows.chunks_exact(width).map(|row| row[0]).zip(0..).collect();
        order.sort_unstable();
        self.persons.clear();
        self.groups.clear();
        self.columns.resize(width - 2, Vec::new());
        self.persons.extend(order.iter().map(|(person, _)| *person));
        let at = |row: usize, column: usize| rows[row * width + column];
        // Put in as a number of 32 bits.
        let group = |row: usize| u32::try_from(at(row, 1)).unwrap_or(u32::MAX);
        self.groups.extend(order.iter().map(|(_, row)| group(*row)));
        for (column, values) in self.columns.iter_mut().enumerate() {
            values.clear();
            values.extend(order.iter().map(|(_, row)| at(*row, 2 + column)));
        }
    }
}

async fn read_back(file: &dyn SpillFile, rows: &mut Vec<i64>) -> Result<(), DataFusionError> {
    let mut bytes = Vec::new();
    let mut stream = file.read_stream()?;
    while let Some(more) = stream.next().await {
        bytes.extend_from_slice(&more?);
    }
    let (numbers, rest) = bytes.as_chunks::<8>();
    if !rest.is_empty() {
        return Err(DataFusionError::Execution("rows put aside are cut off".to_owned()));
    }
    rows.extend(numbers.iter().map(|bytes| i64::from_le_bytes(*bytes)));
    Ok(())
}

fn part_of(person: i64) -> usize {
    let mixed = person.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    // Its uppermost six bits.
    usize::try_from(mixed >> 58).unwrap_or(0)
}

/// Who takes the memory of them.
pub(crate) const ASIDE: &str = "rows put aside";

/// Parts that rows are split into.
const PARTS: usize = 64;

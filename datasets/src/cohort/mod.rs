//! Synthetic cohorts: invented persons whose records look and add up like real ones.
//!
//! ```text
//!  published figures ─▶ model ─▶ person i = f(seed, i) ─▶ records ─▶ blocks ─▶ Parquet, by site
//!                                     └────────────────────────────────└▶ truth, calibration
//! ```
//! A cohort is a directory:
//!
//! | path | what |
//! | --- | --- |
//! | `site-1/person.parquet`, ... | a site's raw OMOP CDM v5.4 tables, identifiers and all |
//! | `reference/attested_lot.parquet` | lots as their makers attest them |
//! | `truth/person.parquet` | income, smoking, what each person has, the sites of each |
//! | `truth/fraud.parquet`, `truth/lot.parquet` | bills and lots that are false, with their kind |
//! | `calibration.csv` | figures of the cohort beside their published sources |
//!
//! The same seed, number of sites and person give the same records, whatever the number of
//! persons; so two cohorts of `n` and `n + 1` persons are neighbours in the sense of differential
//! privacy. About one person in ten is known at several sites under one number; no day of theirs
//! is observed at two sites, so the union over sites is the truth.
//!
//! Nothing here is private, and nothing is de-identified: that is the extract's work.

mod billing;
mod block;
mod calendar;
pub mod calibration;
mod calibration_lines;
mod care;
mod draw;
pub mod error;
mod history;
mod laboratory;
mod model;
mod parameters;
mod person;
mod pharmacy;
mod places;
mod public_tables;
mod records;
mod store;
mod supply;
mod tables;
#[cfg(test)]
mod tests;
mod vocabulary;

use std::collections::BTreeMap;
use std::path::Path;

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use self::block::{Block, truth_schemas};
use self::calibration::{CalibrationLine, Tally, as_csv};
use self::error::CohortError;
use self::model::Model;
use self::store::Store;

/// Which cohort to generate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CohortSpec {
    /// Number of persons, over all sites; from 1 to 4,000,000,000.
    pub persons: u64,
    /// Number of sites; from 1 to 64.
    pub sites: u32,
    /// Where the random numbers come from: equal seeds give equal cohorts.
    pub seed: u64,
}

/// What was generated.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CohortReport {
    /// Persons, each counted once however many sites know them.
    pub persons: u64,
    /// Persons known at each site, in order of site; they add up to more than `persons`.
    pub persons_by_site: Vec<u64>,
    /// Persons known at two sites or more.
    pub overlap: u64,
    /// Rows of each table, sites together.
    pub rows: BTreeMap<String, u64>,
    /// Figures of the cohort beside their sources.
    pub calibration: Vec<CalibrationLine>,
}

/// Generates a cohort under a directory that is empty or not there yet.
///
/// `progress` hears, from the calling thread, how many persons are written and how many there will
/// be. Memory is bounded whatever the number of persons. The files are the same for any number of
/// threads.
///
/// # Errors
/// [`CohortError::OutOfRange`] before anything is written; [`CohortError::Occupied`] when the
/// directory holds something; [`CohortError::Store`] and [`CohortError::Parquet`] when writing
/// fails.
pub fn generate(
    spec: &CohortSpec,
    out: &Path,
    progress: &dyn Fn(u64, u64),
) -> Result<CohortReport, CohortError> {
    within("the number of persons", 1, PERSONS_MOST, spec.persons)?;
    within("the number of sites", 1, SITES_MOST, u64::from(spec.sites))?;
    let sites = usize::try_from(spec.sites)
        .map_err(|_| CohortError::Internal("a number of sites that no machine can count"))?;
    let model = Model::new(spec.seed, sites);
    let mut store = Store::create(out, spec.seed, sites, &truth_schemas())?;
    let mut tally = Tally::default();
    let mut persons_by_site = vec![0; sites];
    let mut overlap = 0;
    let starts: Vec<u64> = (0..spec.persons.div_ceil(BLOCK)).map(|block| block * BLOCK).collect();
    for group in starts.chunks(BLOCKS_AT_ONCE) {
        let blocks: Vec<Block> = group
            .par_iter()
            .map(|start| Block::draw(&model, *start..(start + BLOCK).min(spec.persons)))
            .collect::<Result<_, CohortError>>()?;
        let mut batches = Vec::with_capacity(blocks.len());
        for block in blocks {
            tally.add(&block.tally);
            overlap += block.overlap;
            for (sum, more) in persons_by_site.iter_mut().zip(block.persons_by_site) {
                *sum += more;
            }
            batches.push(block.batches);
        }
        store.append(&batches)?;
        let done = group.last().map_or(0, |start| (start + BLOCK).min(spec.persons));
        progress(done, spec.persons);
    }
    let calibration = tally.lines(sites);
    store.write_text("calibration.csv", &as_csv(&calibration))?;
    let rows = store.finish()?;
    Ok(CohortReport { persons: spec.persons, persons_by_site, overlap, rows, calibration })
}

/// Ten-digit numbers of persons must not run out, nor 64-bit row numbers.
const PERSONS_MOST: u64 = 4_000_000_000;

/// Each site keeps eleven files open.
const SITES_MOST: u64 = 64;

/// Persons drawn together.
const BLOCK: u64 = 2_000;

/// Blocks held in memory at once.
const BLOCKS_AT_ONCE: usize = 8;

fn within(what: &'static str, least: u64, most: u64, asked: u64) -> Result<(), CohortError> {
    if (least..=most).contains(&asked) {
        return Ok(());
    }
    Err(CohortError::OutOfRange { what, least, most, asked })
}

//! The tables about nobody: vocabulary, source, places, makers' lots.

use arrow::array::RecordBatch;

use super::calendar::{Day, WINDOW_END, WINDOW_START};
use super::error::CohortError;
use super::places::{PROVIDERS, areas, care_site_id, provider_id};
use super::supply::{AttestedLot, attested_lots};
use super::tables::{Columns, batch, dates, floats, integers, integers_or_null, texts};
use super::vocabulary::{ancestries, concepts, ids};

/// Every public table of a site, by name.
pub(super) fn site_tables(site: usize) -> Result<Vec<(&'static str, RecordBatch)>, CohortError> {
    [
        ("concept", concept_columns()),
        ("concept_ancestor", ancestor_columns()),
        ("cdm_source", source_columns(site)),
        ("location", location_columns()),
        ("care_site", care_site_columns(site)),
        ("provider", provider_columns(site)),
    ]
    .into_iter()
    .map(|(name, columns)| Ok((name, batch(name, columns)?)))
    .collect()
}

/// The lots that makers attest, as columns: number, drug, maker, quarter of issue (first day), day
/// of expiry, and the site that it was sent to, counted from 1, or null for all.
pub(super) fn lot_columns(seed: u64, sites: usize) -> Columns {
    let rows: Vec<AttestedLot> = attested_lots(seed, sites).collect();
    let issued = |lot: &AttestedLot| WINDOW_START + Day::try_from(lot.quarter * 91).unwrap_or(0);
    vec![
        ("lot_number", texts(&rows, |lot| Some(&lot.number))),
        ("drug_concept_id", integers(&rows, |lot| lot.concept)),
        ("maker", texts(&rows, |lot| Some(lot.maker))),
        ("issue_date", dates(&rows, |lot| Some(issued(lot)))),
        ("expiry_date", dates(&rows, |lot| Some(issued(lot) + 730))),
        ("site", integers_or_null(&rows, |lot| lot.site.map(|site| i64::from(site) + 1))),
    ]
}

fn concept_columns() -> Columns {
    let rows = concepts();
    vec![
        ("concept_id", integers(&rows, |c| c.id)),
        ("concept_name", texts(&rows, |c| Some(c.name))),
        ("domain_id", texts(&rows, |c| Some(c.domain_id))),
        ("vocabulary_id", texts(&rows, |c| Some(c.vocabulary_id))),
        ("concept_class_id", texts(&rows, |c| Some(c.class_id))),
        ("standard_concept", texts(&rows, |c| (c.id != 0).then_some("S"))),
        ("concept_code", texts(&rows, |c| Some(c.code))),
        ("valid_start_date", dates(&rows, |_| Some(0))),
        // 2099-12-31, as the vocabularies write what has no end.
        ("valid_end_date", dates(&rows, |_| Some(47_481))),
    ]
}

fn ancestor_columns() -> Columns {
    let rows = ancestries();
    vec![
        ("ancestor_concept_id", integers(&rows, |a| a.ancestor)),
        ("descendant_concept_id", integers(&rows, |a| a.descendant)),
        ("min_levels_of_separation", integers(&rows, |a| a.levels_min)),
        ("max_levels_of_separation", integers(&rows, |a| a.levels_max)),
    ]
}

fn source_columns(site: usize) -> Columns {
    let rows = [format!("site-{}", site + 1)];
    vec![
        ("cdm_source_name", texts(&rows, |_| Some("Graunt synthetic cohort"))),
        ("cdm_source_abbreviation", texts(&rows, |name| Some(name))),
        ("cdm_holder", texts(&rows, |_| Some("nobody: every person is invented"))),
        ("source_release_date", dates(&rows, |_| Some(WINDOW_END))),
        ("cdm_release_date", dates(&rows, |_| Some(WINDOW_END))),
        ("cdm_version", texts(&rows, |_| Some("5.4"))),
        ("vocabulary_version", texts(&rows, |_| Some("subset"))),
    ]
}

fn location_columns() -> Columns {
    let rows = areas();
    vec![
        ("location_id", integers(&rows, |a| a.location_id)),
        ("state", texts(&rows, |a| Some(a.state))),
        ("zip", texts(&rows, |a| Some(&a.zip))),
        ("county", texts(&rows, |a| Some(a.county))),
        ("country_concept_id", integers(&rows, |_| ids::UNITED_STATES)),
        ("latitude", floats(&rows, |a| Some(a.latitude))),
        ("longitude", floats(&rows, |a| Some(a.longitude))),
    ]
}

fn care_site_columns(site: usize) -> Columns {
    let rows = [format!("General Hospital {}", site + 1)];
    vec![
        ("care_site_id", integers(&rows, |_| care_site_id(site))),
        ("care_site_name", texts(&rows, |name| Some(name))),
    ]
}

fn provider_columns(site: usize) -> Columns {
    let rows: Vec<usize> = (0..PROVIDERS).collect();
    vec![
        ("provider_id", integers(&rows, |index| provider_id(site, *index))),
        ("care_site_id", integers(&rows, |_| care_site_id(site))),
    ]
}

//! What a population's records look like, over all of its sites: from signed manifests only.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use ledger_adapter::digest::Digest;
use ledger_adapter::error::{LedgerError, Untrusted};
use ledger_adapter::manifest::{Bounds, ColumnKind, ColumnManifest, Rows, TableManifest};

use crate::error::Error;
use crate::scan::extract::VerifiedExtract;

/// The tables of one population.
#[derive(Debug)]
pub struct Catalog {
    account: Digest,
    buckets: u32,
    extracts: Vec<VerifiedExtract>,
    /// Whose private records are here.
    records: Records,
    tables: BTreeMap<String, Arc<TableSpec>>,
}

/// Whose private records can be read. What a table looks like is always told by all manifests.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Records {
    /// Those of all sites.
    All,
    /// Those of the site of this extract.
    Of(usize),
    /// Nobody's.
    Nobodys,
}

impl Records {
    /// Whether the private records of this extract are read.
    pub(crate) fn include(self, extract: usize) -> bool {
        match self {
            Self::All => true,
            Self::Of(own) => own == extract,
            Self::Nobodys => false,
        }
    }
}

/// One table, over all sites that have it.
#[derive(Debug)]
pub struct TableSpec {
    /// Lower-case name.
    pub name: String,
    /// Whose rows they are.
    pub rows: Rows,
    /// Columns in order, with the widest bounds and domains that any site declares.
    pub columns: Vec<ColumnManifest>,
    /// The columns as SQL sees them.
    pub schema: SchemaRef,
    /// Where its files are: index of the extract, and of the table in its manifest.
    pub(crate) sources: Vec<(usize, usize)>,
}

impl Catalog {
    /// Merges the extracts of one population, one per site.
    ///
    /// # Errors
    /// [`Error::Untrusted`] if they are not of one population, one key epoch, one number of
    /// buckets and one shape of tables, or if a site comes twice.
    pub fn new(mut extracts: Vec<VerifiedExtract>) -> Result<Self, Error> {
        extracts.sort_by(|a, b| a.manifest().site.cmp(&b.manifest().site));
        let Some(first) = extracts.first().map(|extract| extract.manifest().clone()) else {
            return Err(disagrees("population", "there is no extract"));
        };
        for pair in extracts.windows(2) {
            if pair[0].manifest().site == pair[1].manifest().site {
                return Err(disagrees(&first.site, "the site has two extracts"));
            }
        }
        let mut tables = BTreeMap::new();
        for (e, extract) in extracts.iter().enumerate() {
            let manifest = extract.manifest();
            let same = manifest.account == first.account
                && manifest.key_epoch == first.key_epoch
                && manifest.buckets == first.buckets;
            if !same {
                let fault = "population, key epoch or buckets differ from the other sites'";
                return Err(disagrees(&manifest.site, fault));
            }
            for (t, table) in manifest.tables.iter().enumerate() {
                merge(&mut tables, table, (e, t), &manifest.site)?;
            }
        }
        let tables = tables
            .into_iter()
            .map(|(name, spec)| (name, Arc::new(TableSpec { schema: schema(&spec), ..spec })))
            .collect();
        let (account, buckets, records) = (first.account, first.buckets, Records::All);
        Ok(Self { account, buckets, extracts, records, tables })
    }

    /// The same population where only the private records of `site` are at hand; of nobody without
    /// one. The other extracts need no more than their manifests and public tables.
    ///
    /// # Errors
    /// [`Error::Untrusted`] if no extract is of that site.
    pub fn with_records_of(mut self, site: Option<&str>) -> Result<Self, Error> {
        self.records = match site {
            None => Records::Nobodys,
            Some(site) => {
                let mut extracts = self.extracts.iter();
                let own = extracts.position(|extract| extract.manifest().site == site);
                Records::Of(own.ok_or_else(|| disagrees(site, "it has no extract here"))?)
            }
        };
        Ok(self)
    }

    /// Whose private records are at hand.
    pub(crate) const fn records(&self) -> Records {
        self.records
    }

    /// The account that queries are charged to.
    pub const fn account(&self) -> Digest {
        self.account
    }

    /// Number of buckets of every private table.
    pub const fn buckets(&self) -> u32 {
        self.buckets
    }

    /// Fewest persons of a group that every site's policy lets an answer show.
    pub fn persons_min(&self) -> u32 {
        self.extracts.iter().map(|extract| extract.manifest().persons_min).max().unwrap_or(0)
    }

    /// The extracts, in order of site.
    pub fn extracts(&self) -> &[VerifiedExtract] {
        &self.extracts
    }

    /// The tables, in order of name.
    pub fn tables(&self) -> impl Iterator<Item = &Arc<TableSpec>> {
        self.tables.values()
    }

    /// The table of that name.
    pub fn table(&self, name: &str) -> Option<&Arc<TableSpec>> {
        self.tables.get(name)
    }
}

impl TableSpec {
    /// The column with the person's pseudonym, of a private table.
    pub fn unit(&self) -> Option<&str> {
        match &self.rows {
            Rows::Public => None,
            Rows::PerPerson { unit, .. } => Some(unit),
        }
    }
}

fn merge(
    tables: &mut BTreeMap<String, TableSpec>,
    table: &TableManifest,
    source: (usize, usize),
    site: &str,
) -> Result<(), Error> {
    let Some(spec) = tables.get_mut(&table.name) else {
        let spec = TableSpec {
            name: table.name.clone(),
            rows: table.rows.clone(),
            columns: table.columns.clone(),
            schema: Arc::new(Schema::empty()),
            sources: vec![source],
        };
        tables.insert(table.name.clone(), spec);
        return Ok(());
    };
    spec.sources.push(source);
    let apart = || disagrees(site, "a table differs in shape from the other sites'");
    match (&mut spec.rows, &table.rows) {
        (Rows::Public, Rows::Public) => {}
        (
            Rows::PerPerson { unit, rows_per_person_max },
            Rows::PerPerson { unit: other, rows_per_person_max: more },
        ) if unit == other => *rows_per_person_max = (*rows_per_person_max).max(*more),
        _ => return Err(apart()),
    }
    if spec.columns.len() != table.columns.len() {
        return Err(apart());
    }
    for (column, other) in spec.columns.iter_mut().zip(&table.columns) {
        if column.name != other.name || column.kind != other.kind {
            return Err(apart());
        }
        column.nullable |= other.nullable;
        column.bounds = widest(column.bounds, other.bounds).ok_or_else(apart)?;
        column.person_total = widest(column.person_total, other.person_total).ok_or_else(apart)?;
        column.domain = match (column.domain.take(), &other.domain) {
            (Some(mut values), Some(others)) => {
                values.extend(others.iter().cloned());
                values.sort();
                values.dedup();
                Some(values)
            }
            _ => None,
        };
        column.generalised = column.generalised.take().or_else(|| other.generalised.clone());
    }
    Ok(())
}

/// The union of two bounds; unbounded if either is. `None` if their grids differ.
fn widest(a: Option<Bounds>, b: Option<Bounds>) -> Option<Option<Bounds>> {
    match (a, b) {
        (Some(a), Some(b)) if a.scale == b.scale => Some(Some(Bounds {
            lower: a.lower.min(b.lower),
            upper: a.upper.max(b.upper),
            scale: a.scale,
        })),
        (Some(_), Some(_)) => None,
        _ => Some(None),
    }
}

fn schema(spec: &TableSpec) -> SchemaRef {
    let fields: Vec<Field> = spec
        .columns
        .iter()
        .map(|column| {
            // The scan turns floats that are not finite and impossible dates into nulls.
            let emptied = matches!(column.kind, ColumnKind::Float | ColumnKind::Date);
            Field::new(&column.name, data_type(column.kind), column.nullable || emptied)
        })
        .collect();
    Arc::new(Schema::new(fields))
}

/// The Arrow type of a column's values.
pub(crate) const fn data_type(kind: ColumnKind) -> DataType {
    match kind {
        ColumnKind::Integer => DataType::Int64,
        ColumnKind::Float => DataType::Float64,
        ColumnKind::Text => DataType::Utf8,
        ColumnKind::Date => DataType::Date32,
    }
}

fn disagrees(place: &str, fault: &'static str) -> Error {
    Error::Untrusted(LedgerError::Untrusted {
        place: place.to_owned(),
        fault: Untrusted::Disagrees(fault),
    })
}

//! Small extracts made in a test, and the way to the exact cells of a query over them.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray,
};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{Field, Int64Type, Schema};
use arrow::util::display::array_value_to_string;
use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::SessionContext;
use ledger_adapter::bucket::bucket_of;
use ledger_adapter::charge::{Attestation, Finality, Opening};
use ledger_adapter::cost::{Cost, Delta, Rho};
use ledger_adapter::digest::Digest;
use ledger_adapter::keys::Signer;
use ledger_adapter::leaves::Leaves;
use ledger_adapter::ledger::Ledger;
use ledger_adapter::manifest::{
    Bounds, ColumnKind, ColumnManifest, FileManifest, KeyValue, Manifest, PolicyEvidence, Rows,
    TableManifest,
};
use ledger_adapter::memory::MemoryLedger;
use ledger_adapter::statement::{Envelope, extract_statement};
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::WriterProperties;
use tempfile::TempDir;

use crate::aggregate::{self, Place};
use crate::catalog::{Catalog, data_type};
use crate::engine::{Engine, Query, Settings};
use crate::error::Error;
use crate::privacy::boundary::Slot;
use crate::privacy::contributions::NestedKind;
use crate::privacy::relation::ContributionBounds;
use crate::scan::extract::VerifiedExtract;
use crate::scan::gate::VerifiedScan;
use crate::scan::public::settle;
use crate::sql::bind::runtime;
use crate::sql::dialect::Dialect;

/// A table of a test: its shape, and its rows over all persons.
#[derive(Clone)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// Most rows per person, or `None` for a public table.
    pub(crate) rows_max: Option<u32>,
    pub(crate) columns: Vec<ColumnManifest>,
    pub(crate) rows: RecordBatch,
}

/// A column with everything left open.
pub(crate) fn column(name: &str, kind: ColumnKind) -> ColumnManifest {
    ColumnManifest {
        name: name.to_owned(),
        kind,
        nullable: name != "person_id",
        bounds: None,
        person_total: None,
        domain: None,
        generalised: None,
    }
}

pub(crate) fn bounded(
    mut column: ColumnManifest,
    lower: i64,
    upper: i64,
    scale: u8,
) -> ColumnManifest {
    column.bounds = Some(Bounds { lower, upper, scale });
    column
}

pub(crate) fn keyed(mut column: ColumnManifest, values: &[&str]) -> ColumnManifest {
    column.domain = Some(values.iter().map(|v| KeyValue::Text((*v).to_owned())).collect());
    column
}

impl Table {
    pub(crate) fn new(
        name: &'static str,
        rows_max: Option<u32>,
        columns: Vec<ColumnManifest>,
        arrays: Vec<ArrayRef>,
    ) -> Self {
        let fields: Vec<Field> =
            columns.iter().map(|c| Field::new(&c.name, data_type(c.kind), c.nullable)).collect();
        let rows = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
        Self { name, rows_max, columns, rows }
    }

    fn persons(&self) -> Vec<i64> {
        self.rows.column(0).as_primitive::<Int64Type>().values().to_vec()
    }

    /// The rows at these places, in this order.
    pub(crate) fn picked(&self, rows: &[usize]) -> Self {
        let places = Int64Array::from_iter_values(rows.iter().map(|i| i64::try_from(*i).unwrap()));
        Self { rows: take_record_batch(&self.rows, &places).unwrap(), ..self.clone() }
    }

    /// Without the rows of one person.
    pub(crate) fn without(&self, person: i64) -> Self {
        if self.rows_max.is_none() {
            return self.clone();
        }
        let persons = self.persons();
        let kept: Vec<usize> = (0..persons.len()).filter(|i| persons[*i] != person).collect();
        self.picked(&kept)
    }
}

/// An engine over tables of a test, and what must outlive it.
pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) ledger: Arc<MemoryLedger>,
    pub(crate) directory: TempDir,
}

impl World {
    /// The same with so many bytes for rows that are put aside.
    pub(crate) fn with_memory(mut self, bytes: usize) -> Self {
        let state = SessionStateBuilder::new_from_existing(self.engine.session.state());
        let state = state.with_runtime_env(runtime(Some(bytes)).unwrap()).build();
        self.engine.session = SessionContext::new_with_state(state);
        self
    }
}

/// One site's tables under attestation, in an engine with a large budget.
pub(crate) fn world(sites: &[Vec<Table>], buckets: usize) -> World {
    world_placed(20_000, sites, buckets, bucket_of)
}

/// The same on a given day; extracts expire on day 30,000.
pub(crate) fn world_on(day: u32, sites: &[Vec<Table>], buckets: usize) -> World {
    world_placed(day, sites, buckets, bucket_of)
}

/// Which bucket a person's rows are written to.
type Placement = fn(i64, u32) -> u32;

/// The same with persons in buckets of one's choice.
pub(crate) fn world_placed(
    day: u32,
    sites: &[Vec<Table>],
    buckets: usize,
    place: Placement,
) -> World {
    let directory = TempDir::new().unwrap();
    let ledger = Arc::new(MemoryLedger::new().unwrap());
    let account = Digest::sha256(b"population");
    let cap = Cost {
        rho: Rho::from_nano(u64::MAX / 2),
        delta: Delta::from_atto(1_000_000_000_000_000_000),
    };
    ledger.open_account(&Opening { account, cap }).unwrap();
    let mut extracts = Vec::new();
    for (s, tables) in sites.iter().enumerate() {
        let signer = Signer::from_seed(&[u8::try_from(s).unwrap() + 1; 32]);
        let site = directory.path().join(format!("site-{s}"));
        let mut leaves = Vec::new();
        let manifests =
            tables.iter().map(|t| write(t, &site, (buckets, place), &mut leaves)).collect();
        fs::write(site.join("leaves.bin"), leaves).unwrap();
        let manifest = manifest(&format!("site-{s}"), account, buckets, manifests);
        let envelope = Envelope::sign(&extract_statement(manifest), &signer).unwrap();
        fs::write(site.join("manifest.dsse.json"), serde_json::to_vec(&envelope).unwrap()).unwrap();
        let root = envelope.payload_digest().unwrap();
        let key = signer.public().keyid();
        ledger.attest(&Attestation { root, account, key, expires_day: 30_000 }).unwrap();
        extracts.push(VerifiedExtract::open(&site, root, &[signer.public()]).unwrap());
    }
    let dialect = Dialect::default();
    let (finality, threads, confidence) = (Finality::Local, 2, 0.95);
    let settings = Settings { day, finality, threads, memory: None, confidence, dialect };
    let signer = Signer::from_seed(&[9; 32]);
    let as_ledger: Arc<dyn Ledger> = Arc::clone(&ledger) as Arc<dyn Ledger>;
    let catalog = Catalog::new(extracts).unwrap();
    let log = Box::new(|incident, why: &str| eprintln!("incident {incident}: {why}"));
    let engine = Engine::new(catalog, as_ledger, signer, settings, log).unwrap();
    World { engine, ledger, directory }
}

fn write(
    table: &Table,
    site: &std::path::Path,
    (buckets, place): (usize, Placement),
    leaves: &mut Vec<u8>,
) -> TableManifest {
    fs::create_dir_all(site.join(table.name)).unwrap();
    let parts: Vec<RecordBatch> = match table.rows_max {
        None => vec![table.rows.clone()],
        Some(_) => {
            let persons = table.persons();
            let of = |b| -> Vec<usize> {
                let count = u32::try_from(buckets).unwrap();
                let own = |i: &usize| place(persons[*i], count) == u32::try_from(b).unwrap();
                (0..persons.len()).filter(own).collect()
            };
            (0..buckets).map(|b| table.picked(&of(b)).rows).collect()
        }
    };
    let mut files = Vec::new();
    for (i, part) in parts.iter().enumerate() {
        let path = format!("{}/bucket-{i:03}.parquet", table.name);
        let mut bytes = Vec::new();
        let properties = table.rows_max.and_then(|_| in_order(part));
        let mut writer = ArrowWriter::try_new(&mut bytes, part.schema(), properties).unwrap();
        writer.write(part).unwrap();
        writer.close().unwrap();
        fs::write(site.join(&path), &bytes).unwrap();
        let own = Leaves::of(&bytes);
        leaves.extend(own.to_bytes());
        files.push(FileManifest { path, bytes: bytes.len() as u64, blake3: own.root() });
    }
    let rows = match table.rows_max {
        None => Rows::Public,
        Some(rows_per_person_max) => {
            Rows::PerPerson { unit: table.columns[0].name.clone(), rows_per_person_max }
        }
    };
    TableManifest { name: table.name.to_owned(), rows, columns: table.columns.clone(), files }
}

/// What a file says of rows that are in order of person; nothing of others.
fn in_order(part: &RecordBatch) -> Option<WriterProperties> {
    let persons = part.column(0).as_primitive::<Int64Type>().values();
    let by_person = SortingColumn { column_idx: 0, descending: false, nulls_first: false };
    let properties = WriterProperties::builder().set_sorting_columns(Some(vec![by_person]));
    persons.is_sorted().then(|| properties.build())
}

pub(crate) fn manifest(
    site: &str,
    account: Digest,
    buckets: usize,
    tables: Vec<TableManifest>,
) -> Manifest {
    Manifest {
        version: 1,
        extract: Digest::sha256(site.as_bytes()),
        population: "test".to_owned(),
        account,
        site: site.to_owned(),
        data_model: "test".to_owned(),
        key_epoch: "e1".to_owned(),
        policy: PolicyEvidence {
            name: "none".to_owned(),
            basis: "synthetic".to_owned(),
            digest: Digest::sha256(b""),
            actions: vec![],
        },
        persons_min: 0,
        buckets: u32::try_from(buckets).unwrap(),
        tables,
        supersedes: None,
        issued_day: 19_000,
        expires_day: 30_000,
    }
}

/// Rows by group and bin.
pub(crate) type Bins = BTreeMap<String, BTreeMap<usize, u64>>;

/// The exact cells of one boundary, by key, with what was declared of them.
#[derive(Debug, PartialEq)]
pub(crate) struct Exact {
    pub(crate) cells: BTreeMap<String, Vec<i128>>,
    pub(crate) slots: Vec<Slot>,
    /// One per private choice: persons by the bound they need.
    pub(crate) profiles: Vec<Vec<i128>>,
    /// For each column of quantiles: most rows of a person per group, and rows by group and bin.
    pub(crate) bins: Vec<(u64, Bins)>,
    pub(crate) groups_max: u64,
}

/// Runs the street up to the exact cells; noise is never reached.
pub(crate) fn exact(
    world: &World,
    sql: &str,
    bounds: ContributionBounds,
    threads: usize,
) -> Result<Vec<Exact>, Error> {
    exact_at(world, sql, bounds, Place::Here(threads))
}

/// The same, computed somewhere.
pub(crate) fn exact_at(
    world: &World,
    sql: &str,
    bounds: ContributionBounds,
    place: Place<'_>,
) -> Result<Vec<Exact>, Error> {
    let query = Query { text: sql.to_owned(), epsilon: 1.0, delta: 1e-6, bounds };
    block_on(async {
        let engine = &world.engine;
        let priced = engine.plan(&query).await?;
        engine.check(&priced)?;
        let settled = settle(engine.catalog(), &priced, &engine.session, None).await?;
        let (charged, _, _) = engine.charge(&priced, priced.plan.digest)?;
        let scan = VerifiedScan::open(engine.catalog(), &priced, &settled, &charged)?;
        let choice = Digest::sha256(b"fixed");
        let exact = aggregate::run(&priced, scan, &engine.session, choice, place).await.unwrap();
        let boundaries = priced.plan.boundaries.iter().zip(exact);
        Ok(boundaries
            .map(|(boundary, exact)| {
                let names = names(&exact.keys, exact.codes.len());
                let slots = (0..boundary.columns.len()).flat_map(|i| boundary.slots(i));
                let most = boundary.nested.iter().filter_map(|nested| match nested.kind {
                    NestedKind::Quantiles { .. } => Some(nested.most),
                    NestedKind::Distinct { .. } => None,
                });
                let by_name = |bins: Vec<_>| names.iter().cloned().zip(bins).collect();
                Exact {
                    slots: slots.collect(),
                    cells: by_key(&names, &exact.slots),
                    profiles: exact.profiles,
                    bins: most.zip(exact.bins.into_iter().map(by_name)).collect(),
                    groups_max: boundary.groups_max(),
                }
            })
            .collect())
    })
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.unwrap();
    runtime.block_on(future)
}

fn by_key(names: &[String], columns: &[Vec<i128>]) -> BTreeMap<String, Vec<i128>> {
    let cell = |row: usize| columns.iter().map(|c| c[row]).collect();
    (0..names.len()).map(|row| (names[row].clone(), cell(row))).collect()
}

fn names(keys: &[ArrayRef], rows: usize) -> Vec<String> {
    let name = |row| {
        let shown = |array: &ArrayRef| {
            if array.is_null(row) {
                "∅".to_owned()
            } else {
                array_value_to_string(array, row).unwrap()
            }
        };
        keys.iter().map(shown).collect::<Vec<_>>().join("|")
    };
    (0..rows).map(name).collect()
}

/// The same SQL on plain DataFusion: no bounds, no noise; rows as text, sorted.
pub(crate) fn plain(tables: &[Table], sql: &str) -> Vec<Vec<String>> {
    block_on(async {
        let context = SessionContext::new();
        for table in tables {
            context.register_batch(table.name, table.rows.clone()).unwrap();
        }
        let batches = context.sql(sql).await.unwrap().collect().await.unwrap();
        if batches.is_empty() {
            return vec![];
        }
        let all = concat_batches(&batches[0].schema(), &batches).unwrap();
        let cell = |row, column: &ArrayRef| {
            if column.is_null(row) {
                String::new()
            } else {
                array_value_to_string(column, row).unwrap()
            }
        };
        (0..all.num_rows())
            .map(|row| all.columns().iter().map(|column| cell(row, column)).collect())
            .collect()
    })
}

/// A small clinic: persons, their visits, and public codes. `visits` rows per person are given.
pub(crate) fn clinic(persons: &[Person]) -> Vec<Table> {
    let ids: Vec<i64> = persons.iter().map(|p| p.id).collect();
    let person = Table::new(
        "person",
        Some(1),
        vec![
            column("person_id", ColumnKind::Integer),
            keyed(column("sex", ColumnKind::Text), &["F", "M"]),
            bounded(column("year_of_birth", ColumnKind::Integer), 1930, 2019, 0),
        ],
        vec![
            Arc::new(Int64Array::from(ids)),
            Arc::new(persons.iter().map(|p| p.sex).collect::<StringArray>()),
            Arc::new(persons.iter().map(|p| p.born).collect::<Int64Array>()),
        ],
    );
    let visits: Vec<(i64, &Visit)> =
        persons.iter().flat_map(|p| p.visits.iter().map(move |v| (p.id, v))).collect();
    let visit = Table::new(
        "visit",
        Some(8),
        vec![
            column("person_id", ColumnKind::Integer),
            keyed(column("region", ColumnKind::Text), &["N", "S", "W"]),
            column("code", ColumnKind::Integer),
            bounded(column("cost", ColumnKind::Float), 0, 10_000, 2),
            bounded(column("days", ColumnKind::Integer), -5, 30, 0),
            column("visit_date", ColumnKind::Date),
        ],
        vec![
            Arc::new(visits.iter().map(|(id, _)| Some(*id)).collect::<Int64Array>()),
            Arc::new(visits.iter().map(|(_, v)| v.region).collect::<StringArray>()),
            Arc::new(visits.iter().map(|(_, v)| v.code).collect::<Int64Array>()),
            Arc::new(visits.iter().map(|(_, v)| v.cost).collect::<Float64Array>()),
            Arc::new(visits.iter().map(|(_, v)| v.days).collect::<Int64Array>()),
            Arc::new(visits.iter().map(|(_, v)| v.date).collect::<Date32Array>()),
        ],
    );
    let codes = Table::new(
        "codes",
        None,
        vec![column("code", ColumnKind::Integer), column("chapter", ColumnKind::Text)],
        vec![
            Arc::new(Int64Array::from(vec![1, 2, 3, 3])),
            Arc::new(StringArray::from(vec!["A", "A", "B", "C"])),
        ],
    );
    vec![person, visit, codes]
}

#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) id: i64,
    pub(crate) sex: Option<&'static str>,
    pub(crate) born: Option<i64>,
    pub(crate) visits: Vec<Visit>,
}

#[derive(Clone, Debug)]
pub(crate) struct Visit {
    pub(crate) region: Option<&'static str>,
    pub(crate) code: Option<i64>,
    pub(crate) cost: Option<f64>,
    pub(crate) days: Option<i64>,
    pub(crate) date: Option<i32>,
}

//! Synthetic records: ten rows a person on average with a heavy tail, persons mostly at home in one
//! region. Everything follows from the number of rows.

use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use ledger_adapter::bucket::bucket_of;
use ledger_adapter::manifest::{Bounds, ColumnKind, ColumnManifest, KeyValue, Rows};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// A table to be made: what the manifest says of it, and the batches of each bucket, which are
/// whole persons in order.
pub(crate) struct Made {
    pub(crate) name: &'static str,
    pub(crate) rows: Rows,
    pub(crate) columns: Vec<ColumnManifest>,
    pub(crate) batches: Box<dyn Fn(u32) -> Box<dyn Iterator<Item = RecordBatch>>>,
}

/// A column without bounds.
pub(crate) fn column(name: &str, kind: ColumnKind) -> ColumnManifest {
    ColumnManifest {
        name: name.to_owned(),
        kind,
        nullable: false,
        bounds: None,
        person_total: None,
        domain: None,
        generalised: None,
    }
}

/// A column of numbers within bounds, in steps of `10^-scale`.
pub(crate) fn bounded(name: &str, kind: ColumnKind, upper: i64, scale: u8) -> ColumnManifest {
    let bounds = Some(Bounds { lower: 0, upper, scale });
    ColumnManifest { bounds, ..column(name, kind) }
}

/// A column of these texts.
pub(crate) fn keyed(name: &str, values: &[String]) -> ColumnManifest {
    let mut domain: Vec<KeyValue> = values.iter().cloned().map(KeyValue::Text).collect();
    domain.sort();
    ColumnManifest { domain: Some(domain), ..column(name, ColumnKind::Text) }
}

/// The Arrow schema of columns.
pub(crate) fn schema(columns: &[ColumnManifest]) -> SchemaRef {
    let kind = |kind| match kind {
        ColumnKind::Integer => DataType::Int64,
        ColumnKind::Float => DataType::Float64,
        ColumnKind::Text => DataType::Utf8,
        ColumnKind::Date => DataType::Date32,
    };
    let field = |c: &ColumnManifest| Field::new(&c.name, kind(c.kind), c.nullable);
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

/// Records by person.
pub(crate) fn private(rows_per_person_max: u32) -> Rows {
    Rows::PerPerson { unit: "person_id".to_owned(), rows_per_person_max }
}

/// Persons of a bucket in order, with the seed of each one's records.
#[derive(Clone)]
pub(crate) struct People {
    by_bucket: Arc<Vec<Vec<i64>>>,
}

impl People {
    pub(crate) fn new(count: u64, buckets: u32) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(1662);
        let mut by_bucket = vec![Vec::new(); buckets as usize];
        for _ in 0..count {
            let person = random.next_u64().cast_signed();
            by_bucket[bucket_of(person, buckets) as usize].push(person);
        }
        for persons in &mut by_bucket {
            persons.sort_unstable();
            persons.dedup();
        }
        Self { by_bucket: Arc::new(by_bucket) }
    }

    /// Batches of about [`datasets::extract::file::GROUP_ROWS`] rows of whole persons.
    fn batches(
        &self,
        bucket: u32,
        rows_of: impl Fn(&mut ChaCha8Rng) -> u64 + 'static,
        build: impl Fn(&[(i64, u64)]) -> RecordBatch + 'static,
    ) -> Box<dyn Iterator<Item = RecordBatch>> {
        let (people, mut at) = (Arc::clone(&self.by_bucket), 0);
        Box::new(std::iter::from_fn(move || {
            let persons = &people[bucket as usize];
            let (mut group, mut rows) = (Vec::new(), 0);
            while at < persons.len() && rows < datasets::extract::file::GROUP_ROWS as u64 {
                let mut random = ChaCha8Rng::seed_from_u64(persons[at].cast_unsigned());
                let count = rows_of(&mut random);
                group.push((persons[at], count));
                rows += count;
                at += 1;
            }
            (!group.is_empty()).then(|| build(&group))
        }))
    }
}

/// `visit`, `drug` and `concept`, with so many visits.
pub(crate) fn clinic(rows: u64, buckets: u32) -> Vec<Made> {
    let people = People::new(rows / 10, buckets);
    let regions: Vec<String> = (0..50).map(|i| format!("R{i:02}")).collect();
    let sexes = ["F".to_owned(), "M".to_owned()];
    let ages: Vec<String> = (0..18).map(|i| format!("{}-{}", 5 * i, 5 * i + 4)).collect();
    let conditions: Vec<String> = (0..500).map(|i| format!("C{i:03}")).collect();
    let columns = vec![
        column("person_id", ColumnKind::Integer),
        keyed("region", &regions),
        keyed("sex", &sexes),
        keyed("age_band", &ages),
        keyed("condition_code", &conditions),
        column("code", ColumnKind::Integer),
        bounded("cost", ColumnKind::Float, 100_000_000, 2),
        column("visit_date", ColumnKind::Date),
    ];
    let visits = {
        let (people, schema) = (people.clone(), schema(&columns));
        let texts = Arc::new((regions, sexes, ages, conditions));
        Box::new(move |bucket| {
            let (schema, texts) = (Arc::clone(&schema), Arc::clone(&texts));
            people.batches(bucket, visits_of, move |group| visit_batch(&schema, &texts, group))
        })
    };
    let drug_columns =
        vec![column("person_id", ColumnKind::Integer), column("concept_id", ColumnKind::Integer)];
    let drugs = {
        let (people, schema) = (people, schema(&drug_columns));
        Box::new(move |bucket| {
            let schema = Arc::clone(&schema);
            // Three on average.
            people.batches(
                bucket,
                |random| random.next_u64() % 7,
                move |group| drug_batch(&schema, group),
            )
        })
    };
    let concept_columns = vec![
        column("concept_id", ColumnKind::Integer),
        keyed("category", &(0..20).map(|i| format!("K{i:02}")).collect::<Vec<_>>()),
    ];
    let concepts = concept_batch(&schema(&concept_columns));
    let concepts = Box::new(move |_| -> Box<dyn Iterator<Item = RecordBatch>> {
        Box::new(std::iter::once(concepts.clone()))
    });
    vec![
        Made { name: "concept", rows: Rows::Public, columns: concept_columns, batches: concepts },
        Made { name: "drug", rows: private(100), columns: drug_columns, batches: drugs },
        Made { name: "visit", rows: private(10_000), columns, batches: visits },
    ]
}

type Texts = (Vec<String>, [String; 2], Vec<String>, Vec<String>);

fn visit_batch(schema: &SchemaRef, texts: &Texts, group: &[(i64, u64)]) -> RecordBatch {
    let (regions, sexes, ages, conditions) = texts;
    let mut persons = Vec::new();
    let (mut region, mut sex, mut age, mut condition) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut codes, mut costs, mut dates) = (Vec::new(), Vec::new(), Vec::new());
    for (person, count) in group {
        let mut random = ChaCha8Rng::seed_from_u64(person.cast_unsigned() ^ 0x0051);
        let home = below(&mut random, 50);
        let (own_sex, own_age) = (below(&mut random, 2), below(&mut random, 18));
        let mut rows: Vec<i32> = (0..*count)
            .map(|_| 18_262 + i32::try_from(random.next_u64() % 2_400).unwrap_or(0))
            .collect();
        rows.sort_unstable();
        for date in rows {
            persons.push(*person);
            let at_home = below(&mut random, 100) < 95;
            let place = if at_home { home } else { below(&mut random, 50) };
            region.push(regions[place].as_str());
            sex.push(sexes[own_sex].as_str());
            age.push(ages[own_age].as_str());
            // Few are frequent.
            let skewed = uniform(&mut random).powi(3);
            condition.push(conditions[whole(skewed * 500.0).min(499)].as_str());
            codes.push(i64::try_from(random.next_u64() % 100_000).unwrap_or(0));
            let cost = (4.5 + 1.3 * normal(&mut random)).exp().min(1e6);
            costs.push((cost * 100.0).round() / 100.0);
            dates.push(date);
        }
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(persons)),
        Arc::new(StringArray::from(region)),
        Arc::new(StringArray::from(sex)),
        Arc::new(StringArray::from(age)),
        Arc::new(StringArray::from(condition)),
        Arc::new(Int64Array::from(codes)),
        Arc::new(Float64Array::from(costs)),
        Arc::new(Date32Array::from(dates)),
    ];
    batch(schema, columns)
}

fn drug_batch(schema: &SchemaRef, group: &[(i64, u64)]) -> RecordBatch {
    let (mut persons, mut concepts) = (Vec::new(), Vec::new());
    for (person, count) in group {
        let mut random = ChaCha8Rng::seed_from_u64(person.cast_unsigned() ^ 0xd509);
        for _ in 0..*count {
            persons.push(*person);
            concepts.push(i64::try_from(random.next_u64() % 500).unwrap_or(0));
        }
    }
    batch(schema, vec![Arc::new(Int64Array::from(persons)), Arc::new(Int64Array::from(concepts))])
}

fn concept_batch(schema: &SchemaRef) -> RecordBatch {
    let categories: Vec<String> = (0..500).map(|i| format!("K{:02}", i % 20)).collect();
    let ids = Int64Array::from_iter_values(0..500);
    batch(schema, vec![Arc::new(ids), Arc::new(StringArray::from(categories))])
}

pub(crate) fn batch(schema: &SchemaRef, columns: Vec<ArrayRef>) -> RecordBatch {
    RecordBatch::try_new(Arc::clone(schema), columns)
        .unwrap_or_else(|error| panic!("columns made here are of their schema: {error}"))
}

/// Log-normal with mean ten.
fn visits_of(random: &mut ChaCha8Rng) -> u64 {
    let rows = (10f64.ln() - 0.72 + 1.2 * normal(random)).exp().round();
    (whole(rows) as u64).clamp(1, 5_000)
}

fn below(random: &mut ChaCha8Rng, count: u64) -> usize {
    usize::try_from(random.next_u64() % count).unwrap_or(0)
}

fn uniform(random: &mut ChaCha8Rng) -> f64 {
    (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small, not negative")]
fn whole(number: f64) -> usize {
    number as usize
}

/// Box and Muller's: quality does not matter here.
fn normal(random: &mut ChaCha8Rng) -> f64 {
    let (u, v) = (1.0 - uniform(random), uniform(random));
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

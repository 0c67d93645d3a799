//! TPC-H with the customer as the person: orders and their lines say whose they are, as every table
//! of an extract does. Amounts are floats on a grid of cents, as money in extracts is.
//!
//! # Source
//! TPC Benchmark H, revision 3.0.1, section 4.2 (data generation), as `tpchgen` has it.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::SchemaRef;
use ledger_adapter::bucket::bucket_of;
use ledger_adapter::manifest::{ColumnKind, ColumnManifest, KeyValue, Rows};
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator,
    RegionGenerator, SupplierGenerator,
};

use crate::tables::{Made, batch, bounded, column, keyed, schema};

/// All tables at a scale factor.
pub(crate) fn tables(scale: f64, buckets: u32) -> Vec<Made> {
    let mut owners = BTreeMap::new();
    let mut orders = Persons::new(buckets);
    for order in OrderGenerator::new(scale, 1, 1) {
        owners.insert(order.o_orderkey, order.o_custkey);
        let row = (order.o_orderkey, order.o_orderdate.to_unix_epoch());
        orders.push(order.o_custkey, row);
    }
    let mut customers = Persons::new(buckets);
    for customer in CustomerGenerator::new(scale, 1, 1) {
        customers.push(customer.c_custkey, customer.c_nationkey);
    }
    let mut lines = Persons::new(buckets);
    for item in LineItemGenerator::new(scale, 1, 1) {
        let Some(owner) = owners.get(&item.l_orderkey) else { continue };
        lines.push(*owner, Line::of(&item));
    }
    drop(owners);
    let mut made = vec![
        made("customer", 1, customer_columns(), customers, customer_batch),
        made("lineitem", 1_000, line_columns(), lines, line_batch),
        made("orders", 100, order_columns(), orders, order_batch),
    ];
    made.extend(public(scale));
    made.sort_by_key(|table| table.name);
    made
}

/// Rows by bucket, each with its person.
struct Persons<T> {
    buckets: Vec<Vec<(i64, T)>>,
}

impl<T> Persons<T> {
    fn new(buckets: u32) -> Self {
        Self { buckets: (0..buckets).map(|_| Vec::new()).collect() }
    }

    fn push(&mut self, person: i64, row: T) {
        let buckets = u32::try_from(self.buckets.len()).unwrap_or(1);
        self.buckets[bucket_of(person, buckets) as usize].push((person, row));
    }
}

fn made<T: 'static>(
    name: &'static str,
    most: u32,
    columns: Vec<ColumnManifest>,
    mut rows: Persons<T>,
    build: fn(&SchemaRef, &[(i64, T)]) -> RecordBatch,
) -> Made {
    for bucket in &mut rows.buckets {
        bucket.sort_by_key(|row| row.0);
    }
    let (rows, shape) = (Arc::new(rows.buckets), schema(&columns));
    let batches = Box::new(move |bucket: u32| -> Box<dyn Iterator<Item = RecordBatch>> {
        let (rows, shape, mut at) = (Arc::clone(&rows), Arc::clone(&shape), 0);
        Box::new(std::iter::from_fn(move || {
            let rest = &rows[bucket as usize][at..];
            let group = datasets::extract::file::GROUP_ROWS.min(rest.len());
            let last = rest.get(group.checked_sub(1)?)?.0;
            let same = rest[group..].iter().take_while(|row| row.0 == last).count();
            at += group + same;
            Some(build(&shape, &rest[..group + same]))
        }))
    });
    let rows = Rows::PerPerson { unit: "custkey".to_owned(), rows_per_person_max: most };
    Made { name, rows, columns, batches }
}

fn integers(values: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

fn amounts(values: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(values.map(|cents| cents as f64 / 100.0)))
}

fn texts<'a>(values: impl Iterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn customer_columns() -> Vec<ColumnManifest> {
    vec![column("custkey", ColumnKind::Integer), column("c_nationkey", ColumnKind::Integer)]
}

fn customer_batch(schema: &SchemaRef, rows: &[(i64, i64)]) -> RecordBatch {
    batch(schema, vec![integers(rows.iter().map(|r| r.0)), integers(rows.iter().map(|r| r.1))])
}

fn order_columns() -> Vec<ColumnManifest> {
    vec![
        column("custkey", ColumnKind::Integer),
        column("o_orderkey", ColumnKind::Integer),
        column("o_orderdate", ColumnKind::Date),
    ]
}

fn order_batch(schema: &SchemaRef, rows: &[(i64, (i64, i32))]) -> RecordBatch {
    let dates = Date32Array::from_iter_values(rows.iter().map(|row| row.1.1));
    let keys = integers(rows.iter().map(|row| row.1.0));
    batch(schema, vec![integers(rows.iter().map(|row| row.0)), keys, Arc::new(dates)])
}

/// A line of an order. Texts are numbers of what they may be.
struct Line {
    order: i64,
    part: i64,
    supplier: i64,
    quantity: i64,
    price: i64,
    discount: i64,
    tax: i64,
    flag: u8,
    status: u8,
    shipped: i32,
    instruction: u8,
    mode: u8,
}

impl Line {
    fn of(item: &tpchgen::generators::LineItem<'_>) -> Self {
        let place = |texts: &[&str], text: &str| {
            let place = texts.iter().position(|known| *known == text);
            place.and_then(|place| u8::try_from(place).ok()).unwrap_or(0)
        };
        Self {
            order: item.l_orderkey,
            part: item.l_partkey,
            supplier: item.l_suppkey,
            quantity: item.l_quantity,
            price: item.l_extendedprice.into_inner(),
            discount: item.l_discount.into_inner(),
            tax: item.l_tax.into_inner(),
            flag: place(FLAGS, item.l_returnflag),
            status: place(STATUSES, item.l_linestatus),
            shipped: item.l_shipdate.to_unix_epoch(),
            instruction: place(INSTRUCTIONS, item.l_shipinstruct),
            mode: place(MODES, item.l_shipmode),
        }
    }
}

fn line_columns() -> Vec<ColumnManifest> {
    let texts = |name, values: &[&str]| {
        keyed(name, &values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>())
    };
    vec![
        column("custkey", ColumnKind::Integer),
        column("l_orderkey", ColumnKind::Integer),
        column("l_partkey", ColumnKind::Integer),
        column("l_suppkey", ColumnKind::Integer),
        bounded("l_quantity", ColumnKind::Integer, 50, 0),
        bounded("l_extendedprice", ColumnKind::Float, 10_500_000, 2),
        bounded("l_discount", ColumnKind::Float, 10, 2),
        bounded("l_tax", ColumnKind::Float, 8, 2),
        texts("l_returnflag", FLAGS),
        texts("l_linestatus", STATUSES),
        column("l_shipdate", ColumnKind::Date),
        texts("l_shipinstruct", INSTRUCTIONS),
        texts("l_shipmode", MODES),
    ]
}

fn line_batch(schema: &SchemaRef, rows: &[(i64, Line)]) -> RecordBatch {
    let lines = || rows.iter().map(|row| &row.1);
    let named = |names: &'static [&'static str], of: fn(&Line) -> u8| {
        texts(lines().map(|line| names[usize::from(of(line))]))
    };
    let columns: Vec<ArrayRef> = vec![
        integers(rows.iter().map(|row| row.0)),
        integers(lines().map(|line| line.order)),
        integers(lines().map(|line| line.part)),
        integers(lines().map(|line| line.supplier)),
        integers(lines().map(|line| line.quantity)),
        amounts(lines().map(|line| line.price)),
        amounts(lines().map(|line| line.discount)),
        amounts(lines().map(|line| line.tax)),
        named(FLAGS, |line| line.flag),
        named(STATUSES, |line| line.status),
        Arc::new(Date32Array::from_iter_values(lines().map(|line| line.shipped))),
        named(INSTRUCTIONS, |line| line.instruction),
        named(MODES, |line| line.mode),
    ];
    batch(schema, columns)
}

/// Tables about nobody.
fn public(scale: f64) -> Vec<Made> {
    let parts: Vec<_> = PartGenerator::new(scale, 1, 1).into_iter().collect();
    let part = vec![
        integers(parts.iter().map(|part| part.p_partkey)),
        texts(parts.iter().map(|part| part.p_type)),
        texts(
            parts
                .iter()
                .map(|part| part.p_brand.to_string())
                .collect::<Vec<_>>()
                .iter()
                .map(String::as_str),
        ),
        texts(parts.iter().map(|part| part.p_container)),
        integers(parts.iter().map(|part| i64::from(part.p_size))),
    ];
    let suppliers: Vec<_> = SupplierGenerator::new(scale, 1, 1).into_iter().collect();
    let supplier = vec![
        integers(suppliers.iter().map(|supplier| supplier.s_suppkey)),
        integers(suppliers.iter().map(|supplier| supplier.s_nationkey)),
    ];
    let nations: Vec<_> = NationGenerator::new(scale, 1, 1).into_iter().collect();
    let nation = vec![
        integers(nations.iter().map(|nation| nation.n_nationkey)),
        texts(nations.iter().map(|nation| nation.n_name)),
        integers(nations.iter().map(|nation| nation.n_regionkey)),
    ];
    let regions: Vec<_> = RegionGenerator::new(scale, 1, 1).into_iter().collect();
    let region = vec![
        integers(regions.iter().map(|region| region.r_regionkey)),
        texts(regions.iter().map(|region| region.r_name)),
    ];
    let number = |name: &str| column(name, ColumnKind::Integer);
    let text = |name: &str| column(name, ColumnKind::Text);
    let all = |values: Vec<&str>| values.into_iter().map(str::to_owned).collect::<Vec<_>>();
    let names = all(nations.iter().map(|nation| nation.n_name).collect());
    let region_names = all(regions.iter().map(|region| region.r_name).collect());
    let keys = |mut column: ColumnManifest, count: i64| {
        column.domain = Some((0..count).map(KeyValue::Integer).collect());
        column
    };
    vec![
        table(
            "nation",
            vec![keys(number("n_nationkey"), 25), keyed("n_name", &names), number("n_regionkey")],
            nation,
        ),
        table(
            "part",
            vec![
                number("p_partkey"),
                text("p_type"),
                text("p_brand"),
                text("p_container"),
                number("p_size"),
            ],
            part,
        ),
        table("region", vec![number("r_regionkey"), keyed("r_name", &region_names)], region),
        table("supplier", vec![number("s_suppkey"), number("s_nationkey")], supplier),
    ]
}

fn table(name: &'static str, columns: Vec<ColumnManifest>, arrays: Vec<ArrayRef>) -> Made {
    let rows = batch(&schema(&columns), arrays);
    let batches = Box::new(move |_| -> Box<dyn Iterator<Item = RecordBatch>> {
        Box::new(std::iter::once(rows.clone()))
    });
    Made { name, rows: Rows::Public, columns, batches }
}

const FLAGS: &[&str] = &["A", "N", "R"];
const STATUSES: &[&str] = &["F", "O"];
const INSTRUCTIONS: &[&str] = &["COLLECT COD", "DELIVER IN PERSON", "NONE", "TAKE BACK RETURN"];
const MODES: &[&str] = &["AIR", "FOB", "MAIL", "RAIL", "REG AIR", "SHIP", "TRUCK"];

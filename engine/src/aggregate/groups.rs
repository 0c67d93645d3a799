//! Numbers for the groups of rows: each distinct key is met once, and is a small integer after.
//!
//! ```text
//!  key columns ─▶ a code per column ─▶ one number per combination ─▶ the group, or none
//!                 (last value first)   (pairs, from the left)        (not a declared one)
//! ```
//! Rows of one person mostly repeat their keys, so each step first looks at the row before.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array};
use arrow::compute::{cast, take};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Float64Type, Int32Type, Int64Type,
};
use arrow::row::RowConverter;
use datafusion::error::DataFusionError;
use foldhash::fast::FixedState;

use crate::aggregate::spec::converter;

/// The number of a row that is in no declared group.
pub(crate) const NONE: u32 = u32::MAX;

/// The number of a combination of codes that no row had yet.
const UNKNOWN: u32 = u32::MAX - 1;

/// The groups that were met.
#[derive(Debug)]
pub(crate) struct Groups {
    types: Vec<DataType>,
    converter: RowConverter,
    coders: Vec<Coder>,
    /// One per key after the first.
    pairs: Vec<Pairs>,
    /// The group of a combination of codes.
    of_combination: Vec<u32>,
    of_code: Known,
    codes: Vec<Box<[u8]>>,
    is_declared: bool,
    /// Of the batch at hand: combinations so far, and codes of one column.
    combined: Vec<u32>,
    column: Vec<u32>,
}

impl Groups {
    /// Groups by keys of these types; `declared` ones are numbered in their order, and all others
    /// are none. Without a key there is one group.
    pub(crate) fn new(
        types: &[DataType],
        declared: Option<&[Box<[u8]>]>,
    ) -> Result<Self, DataFusionError> {
        let mut groups = Self {
            types: types.to_vec(),
            converter: converter(types)?,
            coders: types.iter().map(Coder::of).collect::<Result<_, _>>()?,
            pairs: types.iter().skip(1).map(|_| Pairs::default()).collect(),
            of_combination: Vec::new(),
            of_code: HashMap::default(),
            codes: Vec::new(),
            is_declared: false,
            combined: Vec::new(),
            column: Vec::new(),
        };
        for code in declared.unwrap_or_default() {
            groups.group(code)?;
        }
        groups.is_declared = declared.is_some();
        Ok(groups)
    }

    /// The canonical bytes of each group, by its number.
    pub(crate) fn codes(&self) -> &[Box<[u8]>] {
        &self.codes
    }

    /// Numbers the rows of a batch. `columns` are the keys, of `rows` rows each.
    pub(crate) fn number(
        &mut self,
        columns: &[ArrayRef],
        rows: usize,
        numbers: &mut Vec<u32>,
    ) -> Result<(), DataFusionError> {
        numbers.clear();
        if self.types.is_empty() {
            let only = self.group(&[])?;
            numbers.resize(rows, only);
            return Ok(());
        }
        let columns = self.typed(columns)?;
        let mut combined = std::mem::take(&mut self.combined);
        self.coders[0].code(&columns[0], &mut combined)?;
        for (i, column) in columns.iter().enumerate().skip(1) {
            self.coders[i].code(column, &mut self.column)?;
            self.pairs[i - 1].join(&mut combined, &self.column)?;
        }
        let next = combined.iter().max().map_or(0, |most| *most as usize + 1);
        if next > self.of_combination.len() {
            self.of_combination.resize(next, UNKNOWN);
        }
        self.look_up(&combined, numbers);
        if numbers.contains(&UNKNOWN) {
            self.meet(&columns, &combined)?;
            self.look_up(&combined, numbers);
        }
        self.combined = combined;
        Ok(())
    }

    /// The groups of combinations, as far as they are known.
    fn look_up(&self, combined: &[u32], numbers: &mut Vec<u32>) {
        let groups = self.of_combination.as_slice();
        numbers.clear();
        numbers.extend(combined.iter().map(|combination| groups[*combination as usize]));
    }

    /// Finds out which groups combinations are that come for the first time.
    fn meet(&mut self, columns: &[ArrayRef], combined: &[u32]) -> Result<(), DataFusionError> {
        let (mut rows, mut met) = (Vec::new(), Vec::new());
        for (row, combination) in (0u32..).zip(combined) {
            let place = &mut self.of_combination[*combination as usize];
            if *place == UNKNOWN {
                *place = NONE;
                rows.push(row);
                met.push(*combination);
            }
        }
        let rows = UInt32Array::from(rows);
        let picked = columns.iter().zip(&self.types);
        let picked = picked.map(|(column, kind)| cast(&take(column, &rows, None)?, kind));
        let encoded = self.converter.convert_columns(&picked.collect::<Result<Vec<_>, _>>()?)?;
        for (combination, row) in met.into_iter().zip(&encoded) {
            self.of_combination[combination as usize] = self.group(row.as_ref())?;
        }
        Ok(())
    }

    fn group(&mut self, code: &[u8]) -> Result<u32, DataFusionError> {
        if let Some(group) = self.of_code.get(code) {
            return Ok(*group);
        }
        if self.is_declared {
            return Ok(NONE);
        }
        let group = numbered(self.codes.len())?;
        self.codes.push(code.into());
        self.of_code.insert(code.into(), group);
        Ok(group)
    }

    fn typed(&self, columns: &[ArrayRef]) -> Result<Vec<ArrayRef>, DataFusionError> {
        let typed = columns.iter().zip(&self.types).map(|(column, kind)| {
            let as_stored = match column.data_type() {
                DataType::Dictionary(_, of) => of.as_ref() == kind,
                other => other == kind,
            };
            if as_stored { Ok(ArrayRef::clone(column)) } else { cast(column, kind) }
        });
        Ok(typed.collect::<Result<_, _>>()?)
    }
}

/// Numbers for pairs of numbers.
#[derive(Debug, Default)]
pub(crate) struct Pairs {
    /// By the first number and the second, where both are small.
    dense: Vec<u32>,
    sparse: HashMap<(u32, u32), u32, FixedState>,
    next: usize,
}

impl Pairs {
    /// Replaces each of `left` by the number of the pair with `right`; what is none stays so.
    pub(crate) fn join(&mut self, left: &mut [u32], right: &[u32]) -> Result<(), DataFusionError> {
        if self.join_known(left, right) {
            return Ok(());
        }
        let mut last = (NONE, NONE, NONE);
        for (left, right) in left.iter_mut().zip(right) {
            if (last.0, last.1) != (*left, *right) {
                last = (*left, *right, self.pair(*left, *right)?);
            }
            *left = last.2;
        }
        Ok(())
    }

    /// The same for small numbers if all pairs were met before; nothing is done if not.
    fn join_known(&mut self, left: &mut [u32], right: &[u32]) -> bool {
        let is_small = |numbers: &[u32]| numbers.iter().fold(0, |most, n| most.max(*n)) < DENSE;
        if self.dense.is_empty() || !is_small(left) || !is_small(right) {
            return false;
        }
        let place = |left: u32, right: u32| (left * DENSE + right) as usize;
        let pairs = left.iter().zip(right);
        let met = pairs.fold(true, |met, (l, r)| met & (self.dense[place(*l, *r)] != NONE));
        if met {
            for (left, right) in left.iter_mut().zip(right) {
                *left = self.dense[place(*left, *right)];
            }
        }
        met
    }

    /// How many pairs there are.
    pub(crate) const fn len(&self) -> usize {
        self.next
    }

    fn pair(&mut self, left: u32, right: u32) -> Result<u32, DataFusionError> {
        if left == NONE || right == NONE {
            return Ok(NONE);
        }
        let next = numbered(self.next)?;
        let place = if left < DENSE && right < DENSE {
            if self.dense.is_empty() {
                self.dense = vec![NONE; (DENSE * DENSE) as usize];
            }
            &mut self.dense[(left * DENSE + right) as usize]
        } else {
            self.sparse.entry((left, right)).or_insert(NONE)
        };
        if *place == NONE {
            *place = next;
            self.next += 1;
        }
        Ok(*place)
    }
}

/// Codes by value.
type Known = HashMap<Box<[u8]>, u32, FixedState>;

/// The values of the last dictionary, and their codes.
type Dictionary = Option<(ArrayRef, Vec<u32>)>;

/// Codes for the values of one column.
#[derive(Debug)]
enum Coder {
    /// Values that are numbers of 64 bits, or fewer.
    Bits {
        codes: HashMap<Option<u64>, u32, FixedState>,
        last: Option<(Option<u64>, u32)>,
    },
    Text {
        codes: HashMap<Box<[u8]>, u32, FixedState>,
        null: Option<u32>,
        last: Dictionary,
    },
    Other {
        codes: HashMap<Box<[u8]>, u32, FixedState>,
        converter: RowConverter,
    },
}

impl Coder {
    fn of(kind: &DataType) -> Result<Self, DataFusionError> {
        Ok(match kind {
            DataType::Int64 | DataType::Int32 | DataType::Date32 | DataType::Float64 => {
                Self::Bits { codes: HashMap::default(), last: None }
            }
            DataType::Utf8 => Self::Text { codes: HashMap::default(), null: None, last: None },
            other => Self::Other {
                codes: HashMap::default(),
                converter: converter(std::slice::from_ref(other))?,
            },
        })
    }

    /// The codes of a column's values.
    fn code(&mut self, column: &ArrayRef, out: &mut Vec<u32>) -> Result<(), DataFusionError> {
        out.clear();
        match (column.data_type(), &mut *self) {
            (DataType::Int64, Self::Bits { .. }) => {
                self.bits::<Int64Type>(column, out, i64::cast_unsigned)
            }
            (DataType::Int32, Self::Bits { .. }) => {
                self.bits::<Int32Type>(column, out, |value| u64::from(value.cast_unsigned()))
            }
            (DataType::Date32, Self::Bits { .. }) => {
                self.bits::<Date32Type>(column, out, |value| u64::from(value.cast_unsigned()))
            }
            (DataType::Float64, Self::Bits { .. }) => {
                self.bits::<Float64Type>(column, out, f64::to_bits)
            }
            (DataType::Utf8, Self::Text { codes, null, .. }) => text((codes, null), column, out),
            (DataType::Dictionary(..), Self::Text { codes, null, last }) => {
                dictionary((codes, null), last, column, out)
            }
            (_, Self::Other { codes, converter }) => {
                let rows = converter.convert_columns(std::slice::from_ref(column))?;
                for row in &rows {
                    let code = match codes.get(row.as_ref()) {
                        Some(code) => *code,
                        None => {
                            let code = numbered(codes.len())?;
                            codes.insert(row.as_ref().into(), code);
                            code
                        }
                    };
                    out.push(code);
                }
                Ok(())
            }
            _ => Err(DataFusionError::Internal("a key changed its type".to_owned())),
        }
    }

    fn bits<T: ArrowPrimitiveType>(
        &mut self,
        column: &ArrayRef,
        out: &mut Vec<u32>,
        bits: impl Fn(T::Native) -> u64,
    ) -> Result<(), DataFusionError> {
        let Self::Bits { codes, last } = self else { return Ok(()) };
        let values = column.as_primitive::<T>();
        for row in 0..values.len() {
            let value = values.is_valid(row).then(|| bits(values.value(row)));
            let code = match *last {
                Some((same, code)) if same == value => code,
                _ => {
                    let next = codes.len();
                    let code = *codes.entry(value).or_insert(numbered(next)?);
                    *last = Some((value, code));
                    code
                }
            };
            out.push(code);
        }
        Ok(())
    }
}

/// The codes of a dictionary's keys: each of its values is looked up once.
fn dictionary(
    (codes, null): (&mut Known, &mut Option<u32>),
    last: &mut Dictionary,
    column: &ArrayRef,
    out: &mut Vec<u32>,
) -> Result<(), DataFusionError> {
    let kind = || DataFusionError::Internal("a dictionary has other keys".to_owned());
    let column = column.as_dictionary_opt::<Int32Type>().ok_or_else(kind)?;
    if last.as_ref().is_none_or(|(values, _)| !Arc::ptr_eq(values, column.values())) {
        let mut of_value = Vec::with_capacity(column.values().len());
        text((codes, null), column.values(), &mut of_value)?;
        *last = Some((Arc::clone(column.values()), of_value));
    }
    let Some((_, of_value)) = last else { return Err(kind()) };
    let code = |key: &i32| usize::try_from(*key).ok().and_then(|key| of_value.get(key)).copied();
    if column.keys().null_count() == 0 {
        let keys = column.keys().values();
        out.extend(keys.iter().map(|key| code(key).unwrap_or(NONE)));
        return if out.contains(&NONE) { Err(kind()) } else { Ok(()) };
    }
    let missing = match *null {
        Some(code) => code,
        None => *null.insert(numbered(codes.len())?),
    };
    for key in column.keys() {
        out.push(match key {
            Some(key) => code(&key).ok_or_else(kind)?,
            None => missing,
        });
    }
    Ok(())
}

fn text(
    (codes, null): (&mut Known, &mut Option<u32>),
    column: &ArrayRef,
    out: &mut Vec<u32>,
) -> Result<(), DataFusionError> {
    let values = column.as_string::<i32>();
    let mut last: Option<(Option<&str>, u32)> = None;
    for value in values {
        let known = match (last, value) {
            (Some((same, code)), _) if same == value => Some(code),
            (_, Some(value)) => codes.get(value.as_bytes()).copied(),
            (_, None) => *null,
        };
        let code = match known {
            Some(code) => code,
            None => {
                let code = numbered(codes.len() + usize::from(null.is_some()))?;
                match value {
                    Some(value) => _ = codes.insert(value.as_bytes().into(), code),
                    None => *null = Some(code),
                }
                code
            }
        };
        last = Some((value, code));
        out.push(code);
    }
    Ok(())
}

fn numbered(count: usize) -> Result<u32, DataFusionError> {
    let number = u32::try_from(count).ok().filter(|number| *number < UNKNOWN);
    number.ok_or_else(|| DataFusionError::Execution("there are too many groups".to_owned()))
}

/// Pairs of numbers below it are looked up in a table, of a megabyte.
const DENSE: u32 = 512;

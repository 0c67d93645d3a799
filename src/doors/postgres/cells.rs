//! The cells of a row, as PostgreSQL sends them. Of which type a column is, is told in `rows`.

use arrow::array::{Array as _, RecordBatch};
use arrow::datatypes::DataType;
use arrow::util::display::array_value_to_string;
use arrow_pg::encoder::{Encoder, encode_value};
use pgwire::api::results::{FieldFormat, FieldInfo};
use pgwire::error::{PgWireError, PgWireResult};

/// A row, in the formats that were asked for.
///
/// # Errors
/// A cell that has no such form, which those of plain columns have.
pub(super) fn encode_row<E: Encoder>(
    encoder: &mut E,
    batch: &RecordBatch,
    row: usize,
    told: &[FieldInfo],
) -> PgWireResult<E::Item> {
    let schema = batch.schema_ref();
    let columns = batch.columns().iter().zip(schema.fields()).zip(told);
    for ((array, field), told) in columns {
        if !matches!(array.data_type(), DataType::Decimal128(..)) {
            encode_value(encoder, array, row, field, told)?;
            continue;
        }
        // The library's decimals have 28 digits, and fail if there are more.
        let text = (!array.is_null(row)).then(|| array_value_to_string(array, row));
        let text = text.transpose().map_err(|error| PgWireError::ApiError(Box::new(error)))?;
        match told.format() {
            FieldFormat::Text => encoder.encode_field(&text, told)?,
            FieldFormat::Binary => encoder.encode_field(&text.as_deref().map(numeric), told)?,
        }
    }
    Ok(encoder.take_row())
}

/// A decimal in the binary form: how many groups of four digits, the place of the first, the sign,
/// how many digits are shown after the point, the groups.
///
/// # Source
/// PostgreSQL 15, `numeric_send`.
fn numeric(text: &str) -> Vec<u8> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (NEGATIVE, digits),
        None => (0, text),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let (left, right) = (whole.len().next_multiple_of(4), part.len().next_multiple_of(4));
    let padded = format!("{whole:0>left$}{part:0<right$}");
    let value = |group: i16, digit: &u8| group * 10 + i16::from(digit.saturating_sub(b'0').min(9));
    let groups: Vec<i16> =
        padded.as_bytes().chunks(4).map(|group| group.iter().fold(0, value)).collect();
    let start = groups.iter().take_while(|group| **group == 0).count();
    let end = groups.iter().rposition(|group| *group != 0).map_or(start, |last| last + 1);
    let kept = &groups[start..end];
    // A decimal has some dozens of digits.
    let short = |count: usize| i16::try_from(count).unwrap_or(i16::MAX);
    let weight = if kept.is_empty() { 0 } else { short(left / 4) - 1 - short(start) };
    let head = [short(kept.len()), weight, sign, short(part.len())];
    head.iter().chain(kept).flat_map(|number| number.to_be_bytes()).collect()
}

/// The sign of numbers below zero.
const NEGATIVE: i16 = 0x4000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_groups_of_four_digits() {
        for (text, expected) in [
            ("0", vec![0, 0, 0, 0]),
            ("0.00", vec![0, 0, 0, 2]),
            ("12345.67", vec![3, 1, 0, 2, 1, 2_345, 6_700]),
            ("-0.00012", vec![2, -1, NEGATIVE, 5, 1, 2_000]),
            ("50000", vec![1, 1, 0, 0, 5]),
            ("-7.5", vec![2, 0, NEGATIVE, 1, 7, 5_000]),
        ] {
            let bytes: Vec<u8> = expected.iter().flat_map(|n: &i16| n.to_be_bytes()).collect();
            assert_eq!(numeric(text), bytes, "{text}");
        }
    }
}

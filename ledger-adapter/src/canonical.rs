//! One way to write a value as JSON, so that equal values have equal digests.
//!
//! Keys sorted by their bytes, no white space, strings escaped only where JSON demands it, integers
//! in full. It does not normalise text: two spellings of one letter are two strings.
//!
//! # Source
//! RFC 8785 (JCS), with two departures that ledger entries never meet: keys sort by UTF-8 and not
//! by UTF-16 order, and a float is written as the shortest decimal that reads back as itself, not
//! as ECMAScript would.

use serde::Serialize;
use serde_json::Value;

use crate::error::LedgerError;

/// Writes a value in canonical form.
///
/// # Errors
/// [`LedgerError::Malformed`] if the value has no form in JSON, such as a map with keys that are
/// not strings.
pub fn to_vec(value: &impl Serialize) -> Result<Vec<u8>, LedgerError> {
    let malformed = |error: serde_json::Error| LedgerError::Malformed {
        what: "canonical document",
        detail: error.to_string(),
    };
    let value = serde_json::to_value(value).map_err(malformed)?;
    let mut out = Vec::new();
    write(&value, &mut out).map_err(malformed)?;
    Ok(out)
}

fn write(value: &Value, out: &mut Vec<u8>) -> serde_json::Result<()> {
    match value {
        Value::Object(fields) => {
            // Whether a map keeps order is a feature that any crate of the build may turn on.
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(key, _)| key.as_bytes());
            out.push(b'{');
            for (at, (key, value)) in fields.into_iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                serde_json::to_writer(&mut *out, key)?;
                out.push(b':');
                write(value, out)?;
            }
            out.push(b'}');
        }
        Value::Array(values) => {
            out.push(b'[');
            for (at, value) in values.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write(value, out)?;
            }
            out.push(b']');
        }
        scalar => serde_json::to_writer(&mut *out, scalar)?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_sorted_and_nothing_is_added() {
        let value = json!({"b": [1, null, {"z": "\u{e9}\n", "a": true}], "a": u64::MAX});
        let bytes = to_vec(&value).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(
            text,
            "{\"a\":18446744073709551615,\"b\":[1,null,{\"a\":true,\"z\":\"\u{e9}\\n\"}]}"
        );
    }

    #[test]
    fn floats_read_back_as_themselves() {
        for value in [0.1, 1.0 / 3.0, 1e300, 5e-324, 123_456_789.123_456_78, -0.0] {
            let bytes = to_vec(&json!([value])).unwrap();
            let again: Value = serde_json::from_slice(&bytes).unwrap();
            assert_eq!(again[0].as_f64().map(f64::to_bits), Some(f64::to_bits(value)));
            assert_eq!(to_vec(&again).unwrap(), bytes);
        }
    }
}

//! Values of parameters as clients send them, in text or binary, as values of SQL.

use bytes::Bytes;
use engine::sql::arguments::{Argument, is_number};
use pgwire::api::Type;
use pgwire::api::portal::{Format, Portal};
use pgwire::error::PgWireResult;

use super::extended::Prepared;
use super::refused::unfit;

/// The values of a portal's parameters.
///
/// # Errors
/// 08P01 if they are not as many as the formats say, 22P03 if one is not of its type, 0A000 for a
/// type that parameters do not have here.
pub(super) fn values(portal: &Portal<Prepared>) -> PgWireResult<Vec<Argument>> {
    if let Format::Individual(codes) = &portal.parameter_format
        && codes.len() != portal.parameters.len()
    {
        return Err(unfit("08P01", "there are not as many formats as parameters"));
    }
    let types = portal.statement.statement.types(&portal.statement.parameter_types);
    if types.len() != portal.parameters.len() {
        let what = format!("the query has {} parameters", types.len());
        return Err(unfit("08P01", &what));
    }
    let pairs = portal.parameters.iter().zip(&types).enumerate();
    pairs
        .map(|(i, (value, kind))| match value {
            None => Ok(Argument::Null),
            Some(bytes) if portal.parameter_format.is_binary(i) => binary(bytes, kind),
            Some(bytes) => text(bytes, kind),
        })
        .collect()
}

fn text(bytes: &Bytes, kind: &Type) -> PgWireResult<Argument> {
    let wrong = || unfit("22P02", &format!("a value is not of type {kind}"));
    let text = std::str::from_utf8(bytes).map_err(|_| unfit("22021", "a value is not UTF-8"))?;
    let number = || {
        let digits = text.trim();
        is_number(digits.strip_prefix('-').unwrap_or(digits)).then(|| digits.to_owned())
    };
    Ok(match kind.clone() {
        Type::INT2
        | Type::INT4
        | Type::INT8
        | Type::OID
        | Type::FLOAT4
        | Type::FLOAT8
        | Type::NUMERIC => Argument::Number(number().ok_or_else(wrong)?),
        Type::BOOL => match text.to_ascii_lowercase().as_str() {
            "t" | "true" | "1" | "on" | "yes" => Argument::Boolean(true),
            "f" | "false" | "0" | "off" | "no" => Argument::Boolean(false),
            _ => return Err(wrong()),
        },
        // Drivers of Java add a zone to days.
        Type::DATE => Argument::Date(text.get(..10).unwrap_or(text).to_owned()),
        _ => Argument::Text(text.to_owned()),
    })
}

fn binary(bytes: &Bytes, kind: &Type) -> PgWireResult<Argument> {
    let wrong = || unfit("22P03", &format!("a value is not of type {kind}"));
    let endless = || unfit("22P03", "a value is not a finite number");
    let whole = |value: i64| Argument::Number(value.to_string());
    Ok(match kind.clone() {
        Type::BOOL => Argument::Boolean(fixed::<1>(bytes).ok_or_else(wrong)? != [0]),
        Type::INT2 => whole(i16::from_be_bytes(fixed(bytes).ok_or_else(wrong)?).into()),
        Type::INT4 => whole(i32::from_be_bytes(fixed(bytes).ok_or_else(wrong)?).into()),
        Type::INT8 => whole(i64::from_be_bytes(fixed(bytes).ok_or_else(wrong)?)),
        Type::OID => whole(u32::from_be_bytes(fixed(bytes).ok_or_else(wrong)?).into()),
        Type::FLOAT4 => {
            float(f32::from_be_bytes(fixed(bytes).ok_or_else(wrong)?).into()).ok_or_else(endless)?
        }
        Type::FLOAT8 => {
            float(f64::from_be_bytes(fixed(bytes).ok_or_else(wrong)?)).ok_or_else(endless)?
        }
        Type::DATE => {
            let days = i32::from_be_bytes(fixed(bytes).ok_or_else(wrong)?);
            let day = DAY_ZERO.checked_add_signed(chrono::TimeDelta::days(days.into()));
            Argument::Date(day.ok_or_else(wrong)?.format("%Y-%m-%d").to_string())
        }
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN => {
            text(bytes, &Type::TEXT)?
        }
        _ => {
            let what = format!("parameters of type {kind} are sent as text here");
            return Err(unfit("0A000", &what));
        }
    })
}

fn fixed<const N: usize>(bytes: &Bytes) -> Option<[u8; N]> {
    bytes.as_ref().try_into().ok()
}

/// A number that SQL can write; none for infinities and what is no number.
fn float(value: f64) -> Option<Argument> {
    value.is_finite().then(|| Argument::Number(format!("{value:e}")))
}

/// Days of PostgreSQL are counted from 2000-01-01.
const DAY_ZERO: chrono::NaiveDate = match chrono::NaiveDate::from_ymd_opt(2000, 1, 1) {
    Some(day) => day,
    None => chrono::NaiveDate::MIN,
};

#[cfg(test)]
mod tests {
    use pgwire::error::PgWireError;

    use super::*;

    fn number(text: &str) -> Argument {
        Argument::Number(text.to_owned())
    }

    #[test]
    fn values_of_all_kinds_are_read_in_both_forms() {
        let of = |bytes: &[u8], kind: Type| binary(&Bytes::copy_from_slice(bytes), &kind);
        assert_eq!(of(&(-5_i16).to_be_bytes(), Type::INT2).unwrap(), number("-5"));
        assert_eq!(of(&8507_i64.to_be_bytes(), Type::INT8).unwrap(), number("8507"));
        assert_eq!(of(&(-1.5_f64).to_be_bytes(), Type::FLOAT8).unwrap(), number("-1.5e0"));
        let day = Argument::Date("2020-02-29".to_owned());
        assert_eq!(of(&7364_i32.to_be_bytes(), Type::DATE).unwrap(), day);
        assert_eq!(of(&[1], Type::BOOL).unwrap(), Argument::Boolean(true));
        assert!(of(&[1, 2, 3], Type::INT4).is_err());
        assert!(of(&f64::NAN.to_be_bytes(), Type::FLOAT8).is_err());
        assert!(of(&[1, 2], Type::INET).is_err());
        let of = |value: &str, kind: Type| text(&Bytes::copy_from_slice(value.as_bytes()), &kind);
        assert_eq!(of("8507", Type::INT8).unwrap(), number("8507"));
        assert_eq!(of("2020-02-29 +00", Type::DATE).unwrap(), day);
        assert_eq!(of("TRUE", Type::BOOL).unwrap(), Argument::Boolean(true));
        for (value, kind) in [("1; DROP", Type::INT4), ("perhaps", Type::BOOL)] {
            let Err(PgWireError::UserError(told)) = of(value, kind) else { panic!("{value}") };
            assert!(told.message.starts_with("[R-STATEMENT] a value is not of type"), "{told:?}");
            assert_eq!(told.code, "22P02");
        }
        assert_eq!(of("1; DROP", Type::TEXT).unwrap(), Argument::Text("1; DROP".to_owned()));
        assert!(text(&Bytes::from_static(&[0xff]), &Type::TEXT).is_err());
    }
}

//! Values that are no containers: which JSON they are read from, and the form they get.

use crate::quantity::Quantity;
use crate::schema::Scalar;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Number, Value};

/// Why a value is no scalar of its field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScalarError {
    /// It is of another JSON type.
    Type,
    /// It is a number that the field can't hold.
    Number(String),
    /// It is not the text or number that the field is read from.
    Inner {
        /// What it is read from.
        wanted: &'static str,
        /// A number that it can't hold.
        number: Option<String>,
    },
    /// It has not the form that it must have; says so.
    Form(String),
}

/// What the API calls a scalar.
pub fn name(scalar: Scalar) -> &'static str {
    match scalar {
        Scalar::String => "string",
        Scalar::Boolean => "bool",
        Scalar::Int32 => "int32",
        Scalar::Int64 => "int64",
        Scalar::Double => "float64",
        Scalar::Bytes => "[]uint8",
        Scalar::Time => "v1.Time",
        Scalar::MicroTime => "v1.MicroTime",
        Scalar::Duration => "v1.Duration",
        Scalar::Quantity => "resource.Quantity",
        Scalar::IntOrString => "intstr.IntOrString",
    }
}

/// What a scalar is where nothing was said.
pub fn zero(scalar: Scalar) -> Value {
    match scalar {
        Scalar::String => Value::String(String::new()),
        Scalar::Boolean => Value::Bool(false),
        Scalar::Int32 | Scalar::Int64 | Scalar::Double | Scalar::IntOrString => Value::from(0),
        Scalar::Time | Scalar::MicroTime | Scalar::Bytes => Value::Null,
        Scalar::Duration => Value::from("0s"),
        Scalar::Quantity => Value::from("0"),
    }
}

/// Reads a boolean.
pub fn boolean(scalar: Scalar, value: bool) -> Result<Value, ScalarError> {
    match scalar {
        Scalar::Boolean => Ok(Value::Bool(value)),
        other => Err(wrong(other)),
    }
}

/// Reads a whole number.
pub fn integer(scalar: Scalar, value: i64) -> Result<Value, ScalarError> {
    match scalar {
        Scalar::Int64 | Scalar::Double => Ok(Value::from(value)),
        Scalar::Int32 | Scalar::IntOrString if i32::try_from(value).is_ok() => Ok(Value::from(value)),
        Scalar::Int32 | Scalar::IntOrString => Err(unfit(scalar, value.to_string())),
        Scalar::Quantity => quantity(&value.to_string()),
        other => Err(wrong(other)),
    }
}

/// Reads a number with a fraction, or one that is too large for [`integer`].
pub fn float(scalar: Scalar, value: Number, whole: bool) -> Result<Value, ScalarError> {
    match scalar {
        Scalar::Double => Ok(match value.as_f64().filter(|it| it.fract() == 0.0 && it.abs() < 9e15) {
            #[expect(clippy::cast_possible_truncation, reason = "it is whole and small")]
            Some(it) => Value::from(it as i64),
            None => Value::Number(value),
        }),
        Scalar::Quantity => quantity(&value.to_string()),
        Scalar::Int32 | Scalar::Int64 | Scalar::IntOrString => {
            match value.as_f64().filter(|it| whole && it.fract() == 0.0 && it.abs() < 9e15) {
                #[expect(clippy::cast_possible_truncation, reason = "it is whole and small")]
                Some(it) => integer(scalar, it as i64),
                None => Err(unfit(scalar, value.to_string())),
            }
        }
        other => Err(wrong(other)),
    }
}

/// Reads a text.
pub fn text(scalar: Scalar, value: &str) -> Result<Value, ScalarError> {
    match scalar {
        Scalar::String | Scalar::IntOrString => Ok(Value::from(value)),
        Scalar::Quantity => quantity(value.trim()),
        Scalar::Time => time(value).map(|at| Value::from(at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())),
        Scalar::MicroTime => time(value).map(|at| Value::from(at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string())),
        Scalar::Duration => super::duration::parse(value)
            .map(|it| Value::from(super::duration::format(it)))
            .ok_or_else(|| ScalarError::Form(format!("time: invalid duration {value:?}"))),
        Scalar::Bytes => bytes(value),
        Scalar::Boolean | Scalar::Int32 | Scalar::Int64 | Scalar::Double => Err(ScalarError::Type),
    }
}

/// That a number is none that the field can hold.
fn unfit(scalar: Scalar, number: String) -> ScalarError {
    match scalar {
        Scalar::IntOrString => ScalarError::Inner { wanted: "int32", number: Some(number) },
        _ => ScalarError::Number(number),
    }
}

/// Scalars that read themselves from a text say so without their field's name.
fn wrong(scalar: Scalar) -> ScalarError {
    match scalar {
        Scalar::Time | Scalar::MicroTime | Scalar::Duration => ScalarError::Inner { wanted: "string", number: None },
        Scalar::IntOrString => ScalarError::Inner { wanted: "int32", number: None },
        Scalar::Quantity => ScalarError::Form(crate::quantity::QuantityError::Form.to_string()),
        _ => ScalarError::Type,
    }
}

fn quantity(text: &str) -> Result<Value, ScalarError> {
    match Quantity::parse(text) {
        Ok(it) => Ok(Value::String(it.to_string())),
        Err(error) => Err(ScalarError::Form(error.to_string())),
    }
}

fn bytes(text: &str) -> Result<Value, ScalarError> {
    let lines = text.contains(['\r', '\n']);
    let joined = if lines { text.replace(['\r', '\n'], "") } else { String::new() };
    let text = if lines { joined.as_str() } else { text };
    match STANDARD.decode(text) {
        Ok(_) => Ok(Value::from(text)),
        Err(error) => {
            let at = match error {
                base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => at,
                base64::DecodeError::InvalidLength(_) | base64::DecodeError::InvalidPadding => text.len() / 4 * 4,
            };
            Err(ScalarError::Form(format!("illegal base64 data at input byte {at}")))
        }
    }
}

/// Reads RFC 3339, no more: `2006-01-02T15:04:05`, a fraction if need be, `Z` or an offset.
pub fn time(text: &str) -> Result<Timestamp, ScalarError> {
    const FORM: &[u8] = b"dddd-dd-ddTdd:dd:dd";
    let refuse = || {
        ScalarError::Form(format!(
            "parsing time {text:?} as \"2006-01-02T15:04:05Z07:00\": cannot parse {text:?} as \"2006\""
        ))
    };
    let (date, rest) = text.as_bytes().split_at_checked(FORM.len()).ok_or_else(refuse)?;
    let fits = date.iter().zip(FORM).all(|(is, must)| if *must == b'd' { is.is_ascii_digit() } else { is == must });
    let rest = match rest.strip_prefix(b".") {
        Some(fraction) => {
            let digits = fraction.iter().take_while(|it| it.is_ascii_digit()).count();
            fraction.get(digits..).unwrap_or_default()
        }
        None => rest,
    };
    let offset = match rest {
        b"Z" => true,
        [b'+' | b'-', a, b, b':', c, d] => [a, b, c, d].iter().all(|it| it.is_ascii_digit()),
        _ => false,
    };
    if !fits || !offset {
        return Err(refuse());
    }
    text.parse().map_err(|_| refuse())
}

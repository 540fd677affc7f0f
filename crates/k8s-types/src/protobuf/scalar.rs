//! Values that are no containers, and the messages that some of them are.

use super::ReadError;
use super::wire::{self, Reader, Token, Writer};
use crate::decode::{duration, scalar as json};
use crate::schema::Scalar;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Number, Value};

/// Writes a scalar, the empty one for `null`; nothing is returned where the value does not fit.
pub fn write(writer: &mut Writer, number: u32, scalar: Scalar, value: &Value) -> Option<()> {
    match scalar {
        Scalar::String => writer.text(number, text(value)?),
        Scalar::Boolean => writer.number(number, u64::from(if value.is_null() { false } else { value.as_bool()? })),
        Scalar::Int32 | Scalar::Int64 => writer.signed(number, integer(value)?),
        Scalar::Double => writer.double(number, if value.is_null() { 0.0 } else { value.as_f64()? }),
        // Bytes that are not there are not written, not even where they are no pointer.
        Scalar::Bytes if value.is_null() => {}
        Scalar::Bytes => writer.data(number, &STANDARD.decode(text(value)?).ok()?),
        Scalar::Time | Scalar::MicroTime => time(writer, number, scalar, value)?,
        Scalar::Duration => {
            let nanos = if value.is_null() { 0 } else { duration::parse(text(value)?)? };
            message(writer, number, |writer| writer.signed(1, nanos));
        }
        Scalar::Quantity => {
            let it = if value.is_null() { "0" } else { text(value)? };
            message(writer, number, |writer| writer.text(1, it));
        }
        Scalar::IntOrString => {
            let (form, number_, text_) = match value {
                Value::String(it) => (1, 0, it.as_str()),
                other => (0, integer(other)?, ""),
            };
            message(writer, number, |writer| {
                writer.number(1, form);
                writer.signed(2, number_);
                writer.text(3, text_);
            });
        }
    }
    Some(())
}

fn time(writer: &mut Writer, number: u32, scalar: Scalar, value: &Value) -> Option<()> {
    let at = if value.is_null() { None } else { Some(json::time(text(value)?).ok()?) };
    message(writer, number, |writer| {
        if let Some(at) = at {
            // A plain time has seconds only; a fraction counts up from the second before it.
            let nanos = i64::from(at.subsec_nanosecond());
            let seconds = at.as_second() - i64::from(nanos < 0);
            let micros = nanos.rem_euclid(1_000_000_000) / 1_000 * 1_000;
            writer.signed(1, seconds);
            writer.signed(2, if scalar == Scalar::MicroTime { micros } else { 0 });
        }
    });
    Some(())
}

fn message(writer: &mut Writer, number: u32, write: impl FnOnce(&mut Writer)) {
    let Ok(()) = writer.message(number, |writer| {
        write(writer);
        Ok::<_, std::convert::Infallible>(())
    });
}

fn text(value: &Value) -> Option<&str> {
    if value.is_null() { Some("") } else { value.as_str() }
}

fn integer(value: &Value) -> Option<i64> {
    if value.is_null() { Some(0) } else { value.as_i64() }
}

/// Reads a scalar.
pub fn read(token: Token<'_>, scalar: Scalar) -> Result<Value, ReadError> {
    Ok(match scalar {
        Scalar::String => Value::String(wire::text(token.data()?)),
        Scalar::Boolean => Value::Bool(token.number()? != 0),
        // The upper half of what was written for a negative number is cut off as it was added.
        #[expect(clippy::cast_possible_truncation, reason = "so does everybody")]
        Scalar::Int32 => Value::from(token.number()? as i32),
        Scalar::Int64 => Value::from(token.number()?.cast_signed()),
        Scalar::Double => match token {
            Token::Fixed64(bits) => double(f64::from_bits(bits)),
            other => return Err(ReadError::WireType(other.wire_type())),
        },
        Scalar::Bytes => Value::String(STANDARD.encode(token.data()?)),
        Scalar::Time | Scalar::MicroTime => read_time(token, scalar)?,
        Scalar::Duration => Value::String(duration::format(parts(token)?.numbers[1].cast_signed())),
        Scalar::Quantity => {
            let text = wire::text(parts(token)?.text);
            let read = json::text(Scalar::Quantity, if text.is_empty() { "0" } else { &text });
            read.map_err(|_| ReadError::Form(format!("unable to parse quantity {text:?}")))?
        }
        Scalar::IntOrString => {
            let parts = parts(token)?;
            if parts.numbers[1] == 1 {
                Value::String(wire::text(parts.text))
            } else {
                #[expect(clippy::cast_possible_truncation, reason = "so does everybody")]
                Value::from(parts.numbers[2] as i32)
            }
        }
    })
}

/// A whole number is shown without a fraction; what is no number has no JSON.
fn double(it: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and small")]
    if it.fract() == 0.0 && it.abs() < 9e15 {
        Value::from(it as i64)
    } else {
        Number::from_f64(it).map_or(Value::Null, Value::Number)
    }
}

fn read_time(token: Token<'_>, scalar: Scalar) -> Result<Value, ReadError> {
    let data = token.data()?;
    if data.is_empty() {
        return Ok(Value::Null);
    }
    let [_, seconds, nanos] = parts(Token::Data(data))?.numbers;
    let (seconds, nanos) = (seconds.cast_signed(), i32::try_from(nanos).unwrap_or(0));
    let at = Timestamp::new(seconds, nanos).map_err(|_| ReadError::Form(format!("no time has {seconds} seconds")))?;
    let form = if scalar == Scalar::Time { "%Y-%m-%dT%H:%M:%SZ" } else { "%Y-%m-%dT%H:%M:%S.%6fZ" };
    Ok(Value::String(at.strftime(form).to_string()))
}

/// What the small messages have: numbers in 1 and 2, a text in 1 or 3.
struct Parts<'a> {
    numbers: [u64; 3],
    text: &'a [u8],
}

fn parts(token: Token<'_>) -> Result<Parts<'_>, ReadError> {
    let mut reader = Reader::new(token.data()?);
    let mut parts = Parts { numbers: [0; 3], text: &[] };
    while let Some((number, token)) = reader.next()? {
        match (number, token) {
            (1 | 2, Token::Number(value)) => {
                if let Some(place) = parts.numbers.get_mut(number as usize) {
                    *place = value;
                }
            }
            (1 | 3, Token::Data(text)) => parts.text = text,
            _ => {}
        }
    }
    Ok(parts)
}

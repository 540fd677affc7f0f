//! Single values from text, by the model's type.

use aws_model::{Kind, codec};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Reads `text` as a value of `kind`; `None` when it is not one, or `kind` is no single value.
pub fn from_text(kind: &Kind, text: &str) -> Option<Value> {
    match kind {
        Kind::String => Some(text.into()),
        Kind::Integer => text.parse::<i32>().ok().map(Value::from),
        Kind::Long => text.parse::<i64>().ok().map(Value::from),
        // Infinity and NaN have no JSON form: refused.
        Kind::Double => serde_json::Number::from_f64(text.parse().ok()?).map(Value::Number),
        Kind::Boolean if text.eq_ignore_ascii_case("true") => Some(true.into()),
        Kind::Boolean if text.eq_ignore_ascii_case("false") => Some(false.into()),
        Kind::Timestamp => {
            let value = match text.parse::<f64>() {
                Ok(seconds) => Value::Number(serde_json::Number::from_f64(seconds)?),
                Err(_) => text.into(),
            };
            codec::parse_time(&value).map(|_| value)
        }
        Kind::Blob => is_base64(text).then(|| text.into()),
        _ => None,
    }
}

/// Whether `text` is base64, padded.
pub fn is_base64(text: &str) -> bool {
    STANDARD.decode(text).is_ok()
}

/// What a value of `kind` is called in messages to the user.
pub fn noun(kind: &Kind) -> &'static str {
    match kind {
        Kind::Structure(_) => "Structure",
        Kind::List { .. } => "List",
        Kind::Map { .. } => "Map",
        Kind::String => "String",
        Kind::Integer => "Integer",
        Kind::Long => "Long",
        Kind::Double => "Double",
        Kind::Boolean => "Boolean",
        Kind::Timestamp => "Timestamp",
        Kind::Blob => "Blob",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_by_their_type() {
        assert_eq!(from_text(&Kind::Integer, "-3"), Some(Value::from(-3)));
        assert_eq!(from_text(&Kind::Integer, "3000000000"), None);
        assert_eq!(from_text(&Kind::Long, "3000000000"), Some(Value::from(3_000_000_000_i64)));
        assert_eq!(from_text(&Kind::Boolean, "True"), Some(Value::from(true)));
        assert_eq!(from_text(&Kind::Boolean, "yes"), None);
        assert_eq!(from_text(&Kind::Double, "NaN"), None);
        assert_eq!(from_text(&Kind::Timestamp, "2026-01-01T00:00:00Z"), Some("2026-01-01T00:00:00Z".into()));
        assert_eq!(from_text(&Kind::Timestamp, "tomorrow"), None);
        assert_eq!(from_text(&Kind::Blob, "a"), None);
    }
}

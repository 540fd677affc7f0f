//! What generated code calls: conversions between structs and JSON, AWS's forms of time and bytes, and the refusal
//! of an operation that is modelled but not served.

use crate::Fault;
use jiff::Timestamp;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// The input of an operation that takes none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

/// The refusal of an operation that AWS has and we do not serve (yet), by its name.
pub fn not_served(service: &str, operation: &str) -> Fault {
    // The code that each protocol's clients know as "no such feature here"; a 4xx, so that no client retries.
    let code =
        if matches!(service, "ec2" | "iam" | "sts") { "UnsupportedOperation" } else { "UnsupportedOperationException" };
    Fault::client(code, format!("Postern does not serve {service}:{operation}."))
}

/// Reads an operation's input.
///
/// # Errors
/// `SerializationException` when a member has another type than the model says.
pub fn input<T: DeserializeOwned>(value: Value) -> Result<T, Fault> {
    serde_json::from_value(value).map_err(|e| Fault::client("SerializationException", e.to_string()))
}

/// Writes an operation's output as a JSON tree.
///
/// # Errors
/// `InternalFailure` when it has no JSON form; generated shapes always have one.
pub fn to_value<T: Serialize>(output: &T) -> Result<Value, Fault> {
    serde_json::to_value(output).map_err(internal)
}

/// Writes an operation's output as JSON text.
///
/// # Errors
/// `InternalFailure` when it has no JSON form; generated shapes always have one.
pub fn to_json<T: Serialize>(output: &T) -> Result<Vec<u8>, Fault> {
    serde_json::to_vec(output).map_err(internal)
}

fn internal(error: serde_json::Error) -> Fault {
    Fault::server("InternalFailure", format!("the answer has no JSON form: {error}"))
}

/// A time that came as epoch seconds or as ISO 8601: what is read is the same for every protocol.
fn read_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    match Option::<Value>::deserialize(deserializer)? {
        None => Ok(None),
        Some(value) => parse_time(&value).map(Some).ok_or_else(|| D::Error::custom(format!("{value} is not a time"))),
    }
}

/// A time from JSON: epoch seconds as a number, or ISO 8601 text. Kept to the millisecond, as AWS does.
pub fn parse_time(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Number(n) => {
            let millis = n.as_f64()? * 1000.0;
            // Beyond this a float no longer counts milliseconds exactly; jiff's own range is smaller.
            (millis.abs() < 9e15).then(|| Timestamp::from_millisecond(millis.round() as i64).ok())?
        }
        Value::String(s) => s.parse().ok(),
        _ => None,
    }
}

/// Epoch seconds with a fraction of milliseconds, as a JSON number (`1576874258.137`): the JSON protocols.
pub mod epoch {
    use super::*;

    /// Writes.
    pub fn serialize<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => serializer.serialize_f64(time.as_millisecond() as f64 / 1000.0),
            None => serializer.serialize_none(),
        }
    }

    /// Reads.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
        read_time(deserializer)
    }
}

/// ISO 8601 with milliseconds and `Z` (`2026-01-01T00:00:00.000Z`): EC2.
pub mod iso_millis {
    use super::*;

    /// Writes.
    pub fn serialize<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => serializer.collect_str(&time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ")),
            None => serializer.serialize_none(),
        }
    }

    /// Reads.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
        read_time(deserializer)
    }
}

/// ISO 8601 in whole seconds with `Z` (`2026-01-01T00:00:00Z`): IAM and STS.
pub mod iso_seconds {
    use super::*;

    /// Writes.
    pub fn serialize<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => serializer.collect_str(&time.strftime("%Y-%m-%dT%H:%M:%SZ")),
            None => serializer.serialize_none(),
        }
    }

    /// Reads.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
        read_time(deserializer)
    }
}

/// Bytes as base64 text: blobs in every protocol.
pub mod base64 {
    use super::*;
    use ::base64::Engine;
    use ::base64::engine::general_purpose::STANDARD;

    /// Writes.
    pub fn serialize<S: Serializer>(bytes: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
        match bytes {
            Some(bytes) => serializer.serialize_str(&STANDARD.encode(bytes)),
            None => serializer.serialize_none(),
        }
    }

    /// Reads.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u8>>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| STANDARD.decode(text).map_err(D::Error::custom)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(Debug, PartialEq, Default, Serialize, Deserialize)]
    #[serde(default)]
    struct Sample {
        #[serde(skip_serializing_if = "Option::is_none", with = "epoch")]
        epoch: Option<Timestamp>,
        #[serde(skip_serializing_if = "Option::is_none", with = "iso_millis")]
        millis: Option<Timestamp>,
        #[serde(skip_serializing_if = "Option::is_none", with = "iso_seconds")]
        seconds: Option<Timestamp>,
        #[serde(skip_serializing_if = "Option::is_none", with = "base64")]
        bytes: Option<Vec<u8>>,
    }

    #[test]
    fn times_and_bytes_have_awss_forms() {
        let time = Timestamp::from_millisecond(1_576_874_258_137).ok();
        let sample = Sample { epoch: time, millis: time, seconds: time, bytes: Some(b"hi".to_vec()) };
        let json = to_value(&sample).unwrap();
        let expected = json!({
            "epoch": 1_576_874_258.137, "millis": "2019-12-20T20:37:38.137Z", "seconds": "2019-12-20T20:37:38Z",
            "bytes": "aGk=",
        });
        assert_eq!(json, expected);
        let back: Sample = input(json).unwrap();
        assert_eq!(back.epoch, time);
        assert_eq!(back.millis, time);
        assert_eq!(back.bytes, sample.bytes);
    }

    #[test]
    fn what_is_absent_stays_absent() {
        assert_eq!(to_json(&Sample::default()).unwrap(), b"{}");
        assert_eq!(input::<Sample>(json!({})).unwrap(), Sample::default());
    }

    #[test]
    fn a_wrong_type_is_refused() {
        assert_eq!(input::<Sample>(json!({"epoch": "soon"})).unwrap_err().code, "SerializationException");
        assert_eq!(input::<Sample>(json!({"epoch": 1e300})).unwrap_err().code, "SerializationException");
        assert_eq!(input::<Sample>(json!({"bytes": "*"})).unwrap_err().code, "SerializationException");
    }

    #[test]
    fn what_is_not_served_is_refused_by_name() {
        assert!(not_served("eks", "CreateNodegroup").message.contains("eks:CreateNodegroup"));
    }
}

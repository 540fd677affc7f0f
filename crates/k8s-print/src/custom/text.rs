//! Values as text, the way Go prints them.

use serde_json::{Number, Value};
use std::fmt::Write;

/// A value in a cell of text.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "<no value>".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => shown_number(number),
        Value::Array(_) | Value::Object(_) => {
            let mut text = String::new();
            write_json(value, &mut text);
            text
        }
    }
}

fn shown_number(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => float_text(float, 21),
        _ => number.to_string(),
    }
}

/// A floating point number, with an exponent from `10^limit` on, or below `10^-4`.
fn float_text(float: f64, limit: i32) -> String {
    if float == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{float:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..limit).contains(&exponent) {
        return format!("{float}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}

/// JSON with its keys in order, and with what HTML would take for its own escaped.
fn write_json(value: &Value, text: &mut String) {
    match value {
        Value::Object(entries) => {
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_unstable_by(|a, b| a.0.cmp(b.0));
            text.push('{');
            for (at, (key, value)) in entries.into_iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                write_text(key, text);
                text.push(':');
                write_json(value, text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                write_json(item, text);
            }
            text.push(']');
        }
        Value::String(inner) => write_text(inner, text),
        Value::Number(number) => text.push_str(&shown_number(number)),
        Value::Null | Value::Bool(_) => {
            let _ = write!(text, "{value}");
        }
    }
}

fn write_text(inner: &str, text: &mut String) {
    for c in Value::from(inner).to_string().chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(text, "\\u{:04x}", u32::from(c));
            }
            c => text.push(c),
        }
    }
}

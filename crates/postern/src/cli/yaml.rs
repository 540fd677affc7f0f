//! YAML as eksctl prints it: maps sorted by key, lists not indented, text quoted only where it would read as something
//! else.

use serde_json::Value;
use std::fmt::Write;

/// A document, ending in a newline.
pub fn document(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(_) | Value::Array(_) if !is_empty(value) => block(&mut text, value, 0),
        scalar => {
            text.push_str(&inline(scalar));
            text.push('\n');
        }
    }
    text
}

fn block(text: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<_> = map.iter().collect();
            keys.sort_by_key(|(key, _)| key.as_str());
            for (at, (key, value)) in keys.into_iter().enumerate() {
                // the first member of something in a list stands behind the dash
                let pad = if at == 0 && text.ends_with("- ") { 0 } else { indent };
                let _ = write!(text, "{:pad$}{}:", "", string(key));
                member(text, value, indent);
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                let pad = if at == 0 && text.ends_with("- ") { 0 } else { indent };
                let _ = write!(text, "{:pad$}- ", "");
                if is_empty(item) || !(item.is_object() || item.is_array()) {
                    let _ = writeln!(text, "{}", inline(item));
                } else {
                    block(text, item, indent + 2);
                }
            }
        }
        scalar => {
            let _ = writeln!(text, "{:indent$}{}", "", inline(scalar));
        }
    }
}

fn member(text: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(_) if !is_empty(value) => {
            text.push('\n');
            block(text, value, indent + 2);
        }
        Value::Array(_) if !is_empty(value) => {
            text.push('\n');
            block(text, value, indent);
        }
        scalar => {
            let _ = writeln!(text, " {}", inline(scalar));
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => string(text),
        Value::Object(_) => "{}".to_owned(),
        Value::Array(_) => "[]".to_owned(),
        other => other.to_string(),
    }
}

/// Plain where it reads back as the same text; double quotes where it would read as another type or has control
/// characters; single quotes where only YAML's punctuation is in the way.
fn string(text: &str) -> String {
    if text.is_empty() || reads_as_other(text) || text.chars().any(char::is_control) {
        return Value::from(text).to_string();
    }
    let first = text.chars().next().unwrap_or_default();
    let punctuation = "!&*{}[],#|>@`\"'%".contains(first)
        || text.starts_with("- ")
        || text.starts_with("? ")
        || text.starts_with(": ")
        || matches!(text, "-" | "?" | ":")
        || text.contains(": ")
        || text.contains(" #")
        || text.ends_with(':')
        || text.starts_with(' ')
        || text.ends_with(' ');
    if punctuation { format!("'{}'", text.replace('\'', "''")) } else { text.to_owned() }
}

/// Whether YAML 1.1, which many readers still follow, takes it for a number, a truth value, nothing or a date.
fn reads_as_other(text: &str) -> bool {
    const WORDS: &[&str] = &["y", "n", "yes", "no", "on", "off", "true", "false", "null", "~", "<<"];
    const FLOATS: &[&str] = &[".inf", "-.inf", "+.inf", ".nan"];
    let lower = text.to_ascii_lowercase();
    if WORDS.contains(&lower.as_str()) || FLOATS.contains(&lower.as_str()) {
        return true;
    }
    let digits = lower.trim_start_matches(['-', '+']);
    let starts_numeric = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let plain = digits.replace('_', "");
    let number = plain.parse::<f64>().is_ok() && starts_numeric
        || ["0x", "0o", "0b"]
            .iter()
            .any(|it| plain.strip_prefix(it).is_some_and(|it| i128::from_str_radix(it, 16).is_ok()));
    let sexagesimal =
        plain.contains(':') && plain.split(':').all(|it| !it.is_empty() && it.chars().all(|c| c.is_ascii_digit()));
    number || sexagesimal || is_date(text)
}

fn is_date(text: &str) -> bool {
    let day = text.get(..10).unwrap_or_default();
    let bytes = day.as_bytes();
    bytes.len() == 10
        && bytes.iter().enumerate().all(|(at, it)| if at == 4 || at == 7 { *it == b'-' } else { it.is_ascii_digit() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn maps_are_sorted_and_lists_stand_at_their_key() {
        let value = json!({"b": [{"y": 1, "x": {}}, "s"], "a": {"c": [], "d": null, "e": true}});
        assert_eq!(document(&value), "a:\n  c: []\n  d: null\n  e: true\nb:\n- x: {}\n  \"y\": 1\n- s\n");
        assert_eq!(document(&json!([])), "[]\n");
    }

    #[test]
    fn lists_in_lists_and_nested_maps_keep_their_place() {
        let value = json!([{"a": {"b": [[1, 2]]}}]);
        assert_eq!(document(&value), "- a:\n    b:\n    - - 1\n      - 2\n");
    }

    #[test]
    fn text_that_reads_as_something_else_is_quoted() {
        for text in ["1.24", "", "no", "True", "null", "0x1f", "1_000", "10:30", "2026-08-22", "a\nb"] {
            assert!(string(text).starts_with('"'), "{text} -> {}", string(text));
        }
        for text in ["@x", "a: b", "a #b", "*", "'", "x:"] {
            assert!(string(text).starts_with('\''), "{text} -> {}", string(text));
        }
        for text in ["1.24.17", "192.168.0.0/16", "~/.ssh/id_rsa.pub", "ap-northeast-2a", "-x", "arn:aws:iam::1:role/x"]
        {
            assert_eq!(string(text), text);
        }
    }

    #[test]
    fn what_is_printed_reads_back() {
        let value = json!({"k": ["1.24", "", "a: b", "'", "#", {"deep": {"n": 1, "s": "x\ty"}}], "e": {}, "n": null});
        let back: Value = serde_saphyr::from_str(&document(&value)).unwrap();
        assert_eq!(back, value);
    }
}

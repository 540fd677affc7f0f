//! The types' and fields' descriptions, merged over the minors.

use super::{Minors, bundle, only};
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::BTreeMap;

/// By definition and field (nothing for the definition itself): which minors say what.
type Said<'a> = BTreeMap<(&'a str, &'a str), Vec<(Minors, &'a str)>>;

/// Writes one line of JSON a text, `[definition, field, minors, text]`, deflated.
///
/// # Errors
/// When a document has no definitions.
pub fn encode(documents: &BTreeMap<u32, Value>) -> Result<Vec<u8>> {
    let mut all = Said::new();
    for (minor, document) in documents {
        let definitions = ["$defs", "definitions"].iter().find_map(|key| document.get(key)).and_then(Value::as_object);
        for (name, definition) in definitions.context("the document has definitions")? {
            say(&mut all, *minor, (name, ""), definition);
            for (field, property) in definition.get("properties").and_then(Value::as_object).into_iter().flatten() {
                say(&mut all, *minor, (name, field), property);
            }
        }
    }
    let mut lines = String::new();
    for ((definition, field), texts) in all {
        for (minors, text) in texts {
            lines.push_str(&serde_json::to_string(&(definition, field, minors, text))?);
            lines.push('\n');
        }
    }
    bundle::deflate(lines.as_bytes())
}

fn say<'a>(all: &mut Said<'a>, minor: u32, of: (&'a str, &'a str), described: &'a Value) {
    let Some(text) = described.get("description").and_then(Value::as_str) else { return };
    let texts = all.entry(of).or_default();
    match texts.iter_mut().find(|(_, it)| *it == text) {
        Some((minors, _)) => *minors |= only(minor),
        None => texts.push((only(minor), text)),
    }
}

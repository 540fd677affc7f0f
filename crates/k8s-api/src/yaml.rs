//! YAML in and out. Kubernetes objects are JSON; YAML is another way to write them.

use serde_json::Value;

/// Writes a value, keys sorted.
pub fn write(value: &Value) -> String {
    let mut sorted = value.clone();
    sorted.sort_all_objects();
    // A value of ours that cannot be written is a defect, and an empty body says so without taking the server down.
    let mut text = serde_saphyr::to_string(&sorted).unwrap_or_default();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// Reads the first document, as leniently as upstream's reader: of a key that is given twice the last value counts.
///
/// # Errors
/// What is wrong with it.
pub fn read(text: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(text).map_err(|error| error.to_string())?;
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins,
        legacy_octal_numbers: true,
    };
    let documents: Vec<Value> =
        serde_saphyr::from_multiple_with_options(text, options).map_err(|error| error.to_string())?;
    Ok(documents.into_iter().next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_written_is_read_back() {
        let value =
            json!({"b": ["x", 1, null, true, {}], "a": {"yes": "no", "n": "12", "e": "", "m": "a\nb\n", "c": ": #"}});
        assert_eq!(read(write(&value).as_bytes()).unwrap(), value);
        assert!(write(&value).starts_with("a:\n"));
    }

    #[test]
    fn the_first_document_counts_and_the_last_of_two_values() {
        assert_eq!(read(b"a: 1\na: 2\n---\nb: 3\n").unwrap(), json!({"a": 2}));
        assert_eq!(read(b"").unwrap(), json!(null));
    }

    #[test]
    fn what_older_readers_take_for_something_else_is_quoted() {
        for text in ["yes", "on", "~", "0x1", "1e3", "null", "true", "2020-01-01", "- a", "="] {
            let written = write(&json!({ "a": text }));
            assert_eq!(read(written.as_bytes()).unwrap(), json!({ "a": text }), "{written}");
        }
    }
}

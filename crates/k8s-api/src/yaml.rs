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

/// Reads one document.
///
/// # Errors
/// What is wrong with it.
pub fn read(text: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(text).map_err(|error| error.to_string())?;
    serde_saphyr::from_str(text).map_err(|error| error.to_string())
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
    fn what_older_readers_take_for_something_else_is_quoted() {
        for text in ["yes", "on", "~", "0x1", "1e3", "null", "true", "2020-01-01", "- a", "="] {
            let written = write(&json!({ "a": text }));
            assert_eq!(read(written.as_bytes()).unwrap(), json!({ "a": text }), "{written}");
        }
    }
}

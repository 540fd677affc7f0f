//! The frames of a watch: in order for each object; those of different objects come in any order.

use super::{Comparison, identity};
use serde_json::Value;

/// Whose frame it is.
fn subject(frame: &Value) -> String {
    let object = &frame["object"];
    let kind = frame["type"].as_str().unwrap_or_default();
    let of = match kind {
        "ERROR" | "BOOKMARK" => return kind.to_owned(),
        // A single object, as a watch of a name was answered once.
        "" => identity(frame),
        _ if object["kind"] == "Table" => identity(&object["rows"][0]["object"]),
        _ => identity(object),
    };
    format!("{}/{}", of.0, of.1)
}

impl Comparison<'_> {
    /// Compares all frames of a watch.
    pub fn frames(&mut self, want: &[Value], got: &[Value]) {
        let mut left: Vec<(String, &Value)> = got.iter().map(|it| (subject(it), it)).collect();
        for (index, want) in want.iter().enumerate() {
            let at = format!("/frames/{index}");
            let swaps = self.unstable.iter().any(|it| it.starts_with(&format!("{at}/object/metadata/name")));
            let subject = subject(want);
            match left.iter().position(|(it, _)| *it == subject || swaps) {
                Some(found) => {
                    let (_, got) = left.remove(found);
                    self.value(&at, want, got);
                }
                None => self.differ(&at, Some(want), None),
            }
        }
        for (_, got) in left {
            self.differ("/frames/-", None, Some(got));
        }
    }
}

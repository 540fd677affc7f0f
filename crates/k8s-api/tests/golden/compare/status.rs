//! Statuses of failure: their causes have no order, and their message repeats them.

use super::Comparison;
use crate::replay::translate;
use serde_json::{Map, Value, json};

impl Comparison<'_> {
    /// Compares two statuses.
    pub(super) fn status(&mut self, at: &str, want: &Map<String, Value>, got: &Map<String, Value>) {
        let causes = |it: &Map<String, Value>| it.get("details").and_then(|it| it.get("causes")).cloned();
        let (wanted, found) = (causes(want), causes(got));
        let repeats = |it: &Map<String, Value>| {
            let message = it.get("message").and_then(Value::as_str)?;
            let (head, tail) = message.split_once(" is invalid: ")?;
            Some((head.to_owned(), tail.to_owned()))
        };
        let (listed, shown) = (repeats(want), repeats(got));
        // Where both lists are those of the causes, comparing the causes is enough.
        let told_by_causes = match (&wanted, &found, &listed, &shown) {
            (Some(wanted), Some(found), Some((want_head, want_tail)), Some((got_head, got_tail))) => {
                self.text(want_head, got_head) && repeated(wanted, want_tail) && repeated(found, got_tail)
            }
            _ => false,
        };
        self.fields(at, want, got, &["details", "message"]);
        if !told_by_causes {
            self.message(&format!("{at}/message"), want.get("message"), got.get("message"));
        }
        self.details(&format!("{at}/details"), want.get("details"), got.get("details"));
    }

    fn details(&mut self, at: &str, want: Option<&Value>, got: Option<&Value>) {
        let (Some(Value::Object(wanted)), Some(Value::Object(found))) = (want, got) else {
            if want != got && !self.is_unstable(at) {
                self.differ(at, want, got);
            }
            return;
        };
        self.fields(at, wanted, found, &["causes"]);
        let at = format!("{at}/causes");
        match (wanted.get("causes"), found.get("causes")) {
            (None, None) => {}
            (Some(want), Some(got)) => self.causes(&at, want, got),
            (want, got) => self.differ(&at, want, got),
        }
    }

    /// Causes as a set, in a newer version's words where they are known.
    fn causes(&mut self, at: &str, want: &Value, got: &Value) {
        let list = |it: &Value| it.as_array().cloned().unwrap_or_default();
        let (want, mut left) = (list(want), list(got));
        for (index, want) in want.iter().enumerate() {
            let alike = |comparison: &mut Self, got: &Value| {
                if comparison.trial(want, got) {
                    return true;
                }
                let rule = translate::cause(want, got);
                rule.inspect(|rule| comparison.explain(rule)).is_some()
            };
            match left.iter().position(|got| alike(self, got)) {
                Some(found) => {
                    left.remove(found);
                }
                None => self.differ(&format!("{at}/{index}"), Some(want), None),
            }
        }
        for got in &left {
            self.differ(&format!("{at}/-"), None, Some(got));
        }
    }

    fn message(&mut self, at: &str, want: Option<&Value>, got: Option<&Value>) {
        let (Some(Value::String(wanted)), Some(Value::String(found))) = (want, got) else {
            if want != got && !self.is_unstable(at) {
                self.differ(at, want, got);
            }
            return;
        };
        if self.is_unstable(at) || self.text(wanted, found) {
            return;
        }
        // Lists in brackets and conflicts are told in any order.
        let pieces = |text: &str| {
            let text = text.replace(['[', ']'], "");
            let mut pieces: Vec<String> = text.split([',', '\n']).map(|it| it.trim().to_owned()).collect();
            pieces.sort_unstable();
            json!(pieces)
        };
        let mut trial = Comparison::new(self.bindings, &[]);
        trial.value("", &pieces(wanted), &pieces(found));
        if !trial.differences.is_empty() {
            self.differ(at, want, got);
        }
    }
}

/// Whether a message's tail is the list of the causes: each once, with its field.
fn repeated(causes: &Value, tail: &str) -> bool {
    let mut all: Vec<String> = Vec::new();
    for cause in causes.as_array().into_iter().flatten() {
        let text = |name: &str| cause[name].as_str().unwrap_or_default();
        let line = format!("{}: {}", text("field"), text("message"));
        if !all.contains(&line) {
            all.push(line);
        }
    }
    match &all[..] {
        [one] => tail == one,
        all => tail == format!("[{}]", all.join(", ")),
    }
}

//! Field selectors: `metadata.name=a,status.phase!=Running`.

use super::SelectorError;
use super::field_labels::{FieldLabels, Place};
use serde_json::Value;
use std::fmt;

/// One comparison as it was written, its value without escapes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldTerm {
    /// The field.
    pub field: Box<str>,
    /// Whether the value must be equal, or must not.
    pub equal: bool,
    /// The value.
    pub value: Box<str>,
}

/// Conditions on the fields of one kind's objects, all of which must hold.
#[derive(Debug, Clone, Default)]
pub struct FieldSelector {
    terms: Vec<(FieldTerm, Place)>,
}

/// Reads the terms of a field selector, whatever the fields are, sorted by their text.
pub fn parse_terms(selector: &str) -> Result<Vec<FieldTerm>, SelectorError> {
    let mut parts = split(selector);
    parts.sort_unstable();
    parts.into_iter().filter(|it| !it.is_empty()).map(|part| term(selector, part)).collect()
}

/// `value` as it must be written in a field selector.
pub fn escape_value(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, '\\' | ',' | '=') {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

/// The parts between commas that no backslash stands before.
fn split(selector: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (at, c) in selector.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' => {
                parts.extend(selector.get(start..at));
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.extend(selector.get(start..));
    parts
}

fn term(selector: &str, part: &str) -> Result<FieldTerm, SelectorError> {
    let operator = part.char_indices().find(|&(at, c)| c == '=' || (c == '!' && part[at..].starts_with("!=")));
    let Some((at, c)) = operator else {
        return Err(SelectorError(format!("invalid selector: '{selector}'; can't understand '{part}'")));
    };
    let (field, rest) = part.split_at(at);
    let rest = match c {
        '!' => rest.strip_prefix("!="),
        _ => rest.strip_prefix("==").or_else(|| rest.strip_prefix('=')),
    };
    let value = unescape(rest.unwrap_or_default())?;
    Ok(FieldTerm { field: field.into(), equal: c == '=', value: value.into() })
}

fn unescape(text: &str) -> Result<String, SelectorError> {
    let mut value = String::with_capacity(text.len());
    let mut rest = text.chars();
    let bad_escape = |what: &str| SelectorError(format!("invalid field selector: invalid escape sequence: \\{what}"));
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.next() {
                Some(c @ ('\\' | ',' | '=')) => value.push(c),
                Some(c) => return Err(bad_escape(&c.to_string())),
                None => return Err(bad_escape("")),
            },
            ',' | '=' => {
                let code = u32::from(c);
                let message = format!("invalid field selector: unescaped character in value: {code}");
                return Err(SelectorError(message));
            }
            c => value.push(c),
        }
    }
    Ok(value)
}

impl FieldSelector {
    /// Selects every object.
    pub fn everything() -> Self {
        Self::default()
    }

    /// Reads a selector for objects of a kind that has these labels.
    pub fn parse(text: &str, labels: &FieldLabels) -> Result<Self, SelectorError> {
        let mut terms = Vec::new();
        for mut term in parse_terms(text)? {
            let (place, name) = labels.resolve(&term.field)?;
            term.field = name.into();
            terms.push((term, place));
        }
        Ok(Self { terms })
    }

    /// Whether it selects everything.
    pub fn is_everything(&self) -> bool {
        self.terms.is_empty()
    }

    /// What it requires, by the API's names for the fields.
    pub fn terms(&self) -> impl Iterator<Item = &FieldTerm> {
        self.terms.iter().map(|(term, _)| term)
    }

    /// The value that it requires `field` to have, if it does.
    pub fn exact(&self, field: &str) -> Option<&str> {
        self.terms().find(|it| it.equal && *it.field == *field).map(|it| &*it.value)
    }

    /// Whether `object` is selected.
    pub fn matches(&self, object: &Value) -> bool {
        self.terms.iter().all(|(term, place)| place.is(object, &term.value) == term.equal)
    }
}

impl fmt::Display for FieldSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, it) in self.terms().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            let operator = if it.equal { "=" } else { "!=" };
            write!(f, "{comma}{}{operator}{}", it.field, escape_value(&it.value))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    proptest! {
        #[test]
        fn what_is_written_is_read_back(all in prop::collection::vec(("[a-z.]{1,6}", any::<bool>(), "[a-c,=\\\\!é]{0,6}"), 0..4)) {
            let text = all.iter().map(|(field, equal, value)| {
                format!("{field}{}{}", if *equal { "=" } else { "!=" }, escape_value(value))
            }).collect::<Vec<_>>().join(",");
            let mut terms: Vec<(String, bool, String)> =
                parse_terms(&text).unwrap().into_iter().map(|it| (it.field.into(), it.equal, it.value.into())).collect();
            let mut wanted = all;
            terms.sort();
            wanted.sort();
            prop_assert_eq!(terms, wanted);
        }

        #[test]
        fn no_text_breaks_the_parser(text in "[a,=\\\\!é]{0,12}") {
            let _ = parse_terms(&text);
        }
    }

    #[track_caller]
    fn refusal(group: &str, version: &str, kind: &str, minor: u32, text: &str) -> String {
        FieldSelector::parse(text, &FieldLabels::of(group, version, kind, minor)).unwrap_err().0
    }

    #[test]
    fn labels_a_kind_lacks_are_refused_in_its_words() {
        let slice = refusal("resource.k8s.io", "v1", "ResourceSlice", 34, "spec.x=1");
        assert_eq!(slice, "field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: spec.x");
        let job = refusal("batch", "v1", "Job", 34, "spec.x=1");
        assert_eq!(job, "field label \"spec.x\" not supported for batchv1.Job");
        assert_eq!(
            refusal("", "v1", "Node", 34, "metadata.namespace=a"),
            "field label not supported: metadata.namespace"
        );
        assert_eq!(
            refusal("", "v1", "Pod", 27, "spec.hostNetwork=true"),
            "field label not supported: spec.hostNetwork"
        );
        let service = refusal("", "v1", "Service", 30, "spec.type=NodePort");
        assert_eq!(service, r#""spec.type" is not a known field selector: only "metadata.name", "metadata.namespace""#);
        assert_eq!(
            refusal("", "v1", "Pod", 34, "metadata.name=a=b"),
            "invalid field selector: unescaped character in value: 61"
        );
        assert_eq!(
            refusal("", "v1", "Pod", 34, "metadata.name=a\\"),
            "invalid field selector: invalid escape sequence: \\"
        );
    }

    #[test]
    fn absent_fields_have_their_zero() {
        let of = |group, kind| FieldLabels::of(group, "v1", kind, 34);
        for (labels, text, object, want) in [
            (of("", "Pod"), "spec.hostNetwork=false", json!({"spec": {}}), true),
            (of("", "Pod"), "spec.hostNetwork=true", json!({"spec": {"hostNetwork": true}}), true),
            (of("", "Pod"), "status.podIPs!=x", json!({}), true),
            (of("", "Node"), "spec.unschedulable!=true", json!({}), true),
            (of("", "ReplicationController"), "status.replicas=0", json!({"status": {"replicas": 0}}), true),
            (of("batch", "Job"), "status.successful=1", json!({"status": {"succeeded": 1}}), true),
            (of("", "Event"), "source=k", json!({"source": {}, "reportingComponent": "k"}), true),
            (of("events.k8s.io", "Event"), "regarding.name=p", json!({"involvedObject": {"name": "p"}}), true),
            (of("events.k8s.io", "Event"), "regarding.name=p", json!({"regarding": {"name": "q"}}), false),
        ] {
            assert_eq!(FieldSelector::parse(text, &labels).unwrap().matches(&object), want, "{text}");
        }
    }

    #[test]
    fn fields_go_by_the_apis_name() {
        let it =
            FieldSelector::parse("spec.host=n,metadata.name!=a\\,b", &FieldLabels::of("", "v1", "Pod", 34)).unwrap();
        assert_eq!(it.to_string(), "metadata.name!=a\\,b,spec.nodeName=n");
        assert_eq!((it.exact("spec.nodeName"), it.exact("metadata.name")), (Some("n"), None));
    }

    #[test]
    fn custom_fields_are_compared_as_text() {
        let labels = FieldLabels::custom([".spec.n", "spec.on", ".spec.s"], false);
        let object = json!({"spec": {"n": 2, "on": true}});
        for (text, want) in [("spec.n=2", true), ("spec.on=true", true), ("spec.s=", true), ("spec.s=x", false)] {
            assert_eq!(FieldSelector::parse(text, &labels).unwrap().matches(&object), want, "{text}");
        }
        assert!(FieldSelector::parse("metadata.namespace=a", &labels).is_err());
    }
}

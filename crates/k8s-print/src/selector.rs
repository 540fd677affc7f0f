//! Selectors as text.

use crate::view::{NONE, View, join};
use std::fmt::Write;

/// Labels as `a=b,c=d`.
pub(crate) fn labels(labels: View<'_>) -> String {
    let mut text = String::new();
    for (key, value) in labels.sorted_texts() {
        separate(&mut text);
        text.push_str(key);
        text.push('=');
        text.push_str(value);
    }
    if text.is_empty() { NONE.to_owned() } else { text }
}

/// A label selector as `a=b,x in (1,2),!y`; nothing selected or everything is an empty text, and none is what makes no
/// sense.
pub(crate) fn bare(selector: View<'_>) -> Option<String> {
    let mut requirements: Vec<(&str, String)> = Vec::new();
    for (key, value) in selector.at("matchLabels").sorted_texts() {
        requirements.push((key, format!("{key}={value}")));
    }
    for it in selector.at("matchExpressions").list() {
        let key = it.at("key").text();
        let text = match it.at("operator").text() {
            "In" => format!("{key} in ({})", values(it)),
            "NotIn" => format!("{key} notin ({})", values(it)),
            "Exists" => key.to_owned(),
            "DoesNotExist" => format!("!{key}"),
            _ => return None,
        };
        requirements.push((key, text));
    }
    requirements.sort_by(|a, b| a.0.cmp(b.0));
    Some(join(requirements.iter().map(|(_, text)| text.as_str()), ","))
}

/// The same, for a cell.
pub(crate) fn shown(selector: View<'_>) -> String {
    match bare(selector) {
        None => "<error>".to_owned(),
        Some(text) if text.is_empty() => NONE.to_owned(),
        Some(text) => text,
    }
}

fn values(requirement: View<'_>) -> String {
    let mut values: Vec<&str> = requirement.at("values").list().map(View::text).collect();
    values.sort_unstable();
    join(values.into_iter(), ",")
}

/// A label selector spelled out field by field.
pub(crate) fn spelled_out(selector: View<'_>) -> String {
    let mut text = "&LabelSelector{MatchLabels:map[string]string{".to_owned();
    for (key, value) in selector.at("matchLabels").sorted_texts() {
        let _ = write!(text, "{key}: {value},");
    }
    text.push_str("},MatchExpressions:[]LabelSelectorRequirement{");
    for it in selector.at("matchExpressions").list() {
        let values = join(it.at("values").list().map(View::text), " ");
        let (key, operator) = (it.at("key").text(), it.at("operator").text());
        let _ = write!(text, "LabelSelectorRequirement{{Key:{key},Operator:{operator},Values:[{values}],}},");
    }
    text.push_str("},}");
    text
}

fn separate(text: &mut String) {
    if !text.is_empty() {
        text.push(',');
    }
}

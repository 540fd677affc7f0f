//! One answer against one record: status, headers, body or frames.

use super::binding::Bindings;
use super::compare::{Comparison, Difference};
use super::scenario::{Asker, Response, Scenario, Step};
use super::target::Target;
use super::translate::{self, ANONYMOUS, FIELD_VALIDATION, Rule};
use crate::harness::Answer;
use serde_json::{Value, json};

/// What comparing a step found.
#[derive(Debug, Default)]
pub struct Found {
    /// What is not as recorded.
    pub differences: Vec<Difference>,
    /// What explains that a newer version answers otherwise.
    pub explained: Vec<&'static Rule>,
}

impl Found {
    /// One difference.
    pub fn one(at: &str, want: impl Into<Value>, got: impl Into<Value>) -> Self {
        let difference = Difference { at: at.to_owned(), want: Some(want.into()), got: Some(got.into()) };
        Self { differences: vec![difference], explained: Vec::new() }
    }
}

/// Compares a whole answer with what was recorded.
pub fn compare(scenario: &Scenario, step: &Step, bindings: &mut Bindings, answer: &Answer) -> Found {
    let want = &step.response;
    let (status, path) = (answer.status.as_u16(), step.request.path.as_str());
    let body: Option<Value> = serde_json::from_slice(&answer.body).ok();
    if let Some(rule) = body.as_ref().and_then(|body| newer(scenario, step, status, body)) {
        return Found { differences: Vec::new(), explained: vec![rule] };
    }
    if let Some(rule) = translate::page(path, want.status, want.body.as_ref(), (status, &answer.body)) {
        return Found { differences: Vec::new(), explained: vec![rule] };
    }
    if status != want.status {
        let text = String::from_utf8_lossy(&answer.body).chars().take(600).collect::<String>();
        let message = want.body.as_ref().map_or(Value::Null, |it| it.get("message").cloned().unwrap_or_default());
        return Found::one(
            "/status",
            json!({"status": want.status, "message": message}),
            json!({"status": status, "body": body.unwrap_or_else(|| text.into())}),
        );
    }
    if step.setup {
        // The values are of interest all the same.
        if let (Some(want), Some(got)) = (&want.body, &body) {
            Comparison::new(bindings, &[]).value("/body", want, got);
        }
        return Found::default();
    }
    let mut comparison = Comparison::new(bindings, &step.unstable);
    if scenario.successor {
        comparison.explain(&translate::SUCCESSORS);
    }
    comparison.kinds = scenario.is_of_kinds();
    comparison.unordered = is_from_watch_cache(path);
    headers(&mut comparison, want, answer);
    let resource = Target::new(path).resource;
    if let Some(items) = &want.items {
        let kind = json!({"items": items});
        let mut wanted = kind;
        let rules = rewrite_items(&mut wanted, resource);
        let found = json!({"items": body.as_ref().map_or(Value::Null, with_kinds)});
        comparison.subset = true;
        comparison.value("/body", &wanted, &found);
        comparison.explained.extend(rules);
    } else if let Some(wanted) = &want.body {
        compare_body(&mut comparison, wanted, body.as_ref(), answer, resource);
    }
    for difference in std::mem::take(&mut comparison.differences) {
        match translate::place(&scenario.name, &difference.at) {
            Some(rule) => comparison.explain(rule),
            None => comparison.differences.push(difference),
        }
    }
    Found { differences: comparison.differences, explained: comparison.explained }
}

/// Compares the frames of a watch.
pub fn compare_frames(
    scenario: &Scenario,
    step: &Step,
    bindings: &mut Bindings,
    answer: &Answer,
    got: &[Value],
) -> Found {
    let mut comparison = Comparison::new(bindings, &step.unstable);
    comparison.kinds = scenario.is_of_kinds();
    headers(&mut comparison, &step.response, answer);
    let resource = Target::new(&step.request.path).resource;
    let mut want = step.response.frames.clone().unwrap_or_default();
    for frame in &mut want {
        let object = if frame.get("type").is_some() { &mut frame["object"] } else { frame };
        let rules = translate::expected(object, resource);
        comparison.explained.extend(rules);
    }
    comparison.frames(&want, got);
    Found { differences: comparison.differences, explained: comparison.explained }
}

/// The rule by which a newer server answers quite otherwise.
fn newer(scenario: &Scenario, step: &Step, status: u16, body: &Value) -> Option<&'static Rule> {
    if translate::verdict(&scenario.name, step.note(), body) == Some(true) {
        return Some(&translate::VERDICTS);
    }
    let before = step.response.body.as_ref().and_then(|it| it["message"].as_str()).unwrap_or_default();
    if let Some(rule) = translate::outcome(&scenario.name, (step.response.status, before), (status, body)) {
        return Some(rule);
    }
    let refused = status == 401 && body["reason"] == "Unauthorized";
    let anonymous = matches!(step.asker(), Asker::Anonymous(_)) || step.request.headers.contains_key("authorization");
    if refused && anonymous && step.response.status == 403 {
        return Some(&ANONYMOUS);
    }
    let unreadable = step.request.path.contains("resourceVersion=") && step.response.status == 500;
    if unreadable && status == 400 {
        return Some(&translate::VERSION_IS_400);
    }
    let text = |body: &Value| body["message"].as_str().unwrap_or_default().to_owned();
    let (old, new) = (step.response.body.as_ref().map(text).unwrap_or_default(), text(body));
    let named = new.starts_with("only the following media types are accepted")
        || new.starts_with("the body of the request was in an unknown format");
    if status == step.response.status && [406, 415].contains(&status) && old.starts_with(&status.to_string()) && named {
        return Some(&translate::NEGOTIATION);
    }
    let build = |body: &Value| body.get("gitVersion").is_some_and(Value::is_string);
    if status == 200 && build(body) && step.response.body.as_ref().is_some_and(build) {
        return Some(&translate::BUILD);
    }
    None
}

fn compare_body(comparison: &mut Comparison<'_>, want: &Value, got: Option<&Value>, answer: &Answer, resource: &str) {
    let text = String::from_utf8_lossy(&answer.body);
    match (want, got) {
        (Value::String(want), _) if want == "<created>" => {}
        // Bodies that are kept as text for their layout: what is in them is compared like any other.
        (Value::String(want), Some(got)) if translate::is_relaid(want, &text) => {
            comparison.explain(&translate::LAYOUT);
            let want: Value = serde_json::from_str(want).unwrap_or_default();
            if !(want.get("gitVersion").is_some() && got.get("gitVersion").is_some()) {
                comparison.value("/body", &want, got);
            }
        }
        (Value::String(want), _) => {
            if !comparison.text(want, &text) {
                comparison.differ("/body", Some(&want.as_str().into()), Some(&text.as_ref().into()));
            }
        }
        (want, Some(got)) => {
            let mut want = want.clone();
            let rules = translate::expected(&mut want, resource);
            comparison.explained.extend(rules);
            comparison.value("/body", &want, got);
        }
        (want, None) => comparison.differ("/body", Some(want), Some(&text.as_ref().into())),
    }
}

/// The items of a list, each with its kind and version.
fn with_kinds(list: &Value) -> Value {
    let mut items = list["items"].clone();
    let kind = list["kind"].as_str().unwrap_or_default().trim_end_matches("List").to_owned();
    for item in items.as_array_mut().into_iter().flatten() {
        item["kind"] = kind.clone().into();
        item["apiVersion"] = list["apiVersion"].clone();
    }
    items
}

fn rewrite_items(want: &mut Value, resource: &str) -> Vec<&'static Rule> {
    let items = want["items"].as_array_mut().into_iter().flatten();
    items.flat_map(|it| translate::expected(it, resource)).collect()
}

/// Whether a list came from a watch cache, which had no order in 1.20.
fn is_from_watch_cache(path: &str) -> bool {
    let query = path.split_once('?').map_or("", |(_, query)| query);
    let value = |name: &str| {
        query.split('&').filter_map(|it| it.split_once('=')).find(|(it, _)| *it == name).map_or("", |(_, value)| value)
    };
    let version = value("resourceVersion");
    !version.is_empty() && (value("limit").is_empty() || version == "0") && value("resourceVersionMatch") != "Exact"
}

fn headers(comparison: &mut Comparison<'_>, want: &Response, answer: &Answer) {
    let wanted: Vec<(String, Vec<String>)> =
        want.headers.iter().map(|(name, value)| (name.to_lowercase(), texts(value))).collect();
    let of =
        |name: &str| wanted.iter().find(|(it, _)| it == name).map(|(_, values)| values.clone()).unwrap_or_default();
    for (name, values) in wanted.iter().filter(|(name, _)| name != "warning") {
        let got = answer.header(name);
        let same = match name.as_str() {
            // The length of a body with versions and times in it is as long as they are.
            "content-length" => got == [answer.body.len().to_string()] || answer.body.is_empty(),
            _ => values.len() == got.len() && values.iter().zip(&got).all(|(want, got)| comparison.text(want, got)),
        };
        if !same {
            comparison.differ(&format!("/headers/{name}"), Some(&json!(values)), Some(&json!(got)));
        }
    }
    if of("content-type").is_empty() && want.body.as_ref().is_some_and(|it| !it.is_string()) {
        let got = answer.header("content-type");
        if got != ["application/json"] {
            comparison.differ("/headers/content-type", Some(&json!("application/json")), Some(&json!(got)));
        }
    }
    warnings(comparison, &of("warning"), &answer.header("warning"));
}

/// Warnings in order; those of fields as a set, and not in records older than 1.25.
fn warnings(comparison: &mut Comparison<'_>, want: &[String], got: &[String]) {
    let of_fields = |it: &&String| it.contains("unknown field") || it.contains("duplicate field");
    let split = |list: &[String]| {
        let mut fields: Vec<String> = list.iter().filter(of_fields).cloned().collect();
        fields.sort_unstable();
        (fields, list.iter().filter(|it| !of_fields(it)).cloned().collect::<Vec<_>>())
    };
    let ((want_fields, want), (got_fields, got)) = (split(want), split(got));
    if want_fields.is_empty() && !got_fields.is_empty() {
        comparison.explain(&FIELD_VALIDATION);
    } else if want_fields != got_fields {
        comparison.differ("/headers/warning", Some(&json!(want_fields)), Some(&json!(got_fields)));
    }
    let deprecated = |it: &String| it.contains(" is deprecated in v1.");
    let got: Vec<String> = match want.iter().any(deprecated) {
        true => got,
        false => got
            .into_iter()
            .filter(|it| {
                !deprecated(it) || {
                    comparison.explain(&translate::DEPRECATIONS);
                    false
                }
            })
            .collect(),
    };
    if want.len() != got.len() || !want.iter().zip(&got).all(|(want, got)| comparison.text(want, got)) {
        comparison.differ("/headers/warning", Some(&json!(want)), Some(&json!(got)));
    }
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Value::String(text) => vec![text.clone()],
        _ => Vec::new(),
    }
}

#[test]
fn lists_of_the_watch_cache_are_told_by_their_query() {
    let unordered = ["/x?resourceVersion=0", "/x?limit=2&resourceVersion=0", "/x?a=b&resourceVersion=12"];
    assert!(unordered.into_iter().all(is_from_watch_cache));
    let ordered = [
        "/x",
        "/x?limit=2&resourceVersion=12",
        "/x?resourceVersion=",
        "/x?resourceVersion=1&resourceVersionMatch=Exact",
    ];
    assert!(!ordered.into_iter().any(is_from_watch_cache));
}

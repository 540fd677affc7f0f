//! What is wrong with objects and with changes, as `kind-validation.jsonl` has it, in the words of 1.34 and in the same
//! order.

use crate::records::{context, expand, kind, merge, namespace, put, read};
use crate::translation::{ELSEWHERE, NEWER, Told};
use k8s_kinds::meta::{validate_object_meta, validate_object_meta_update};
use k8s_types::{Errors, Path};
use serde_json::{Value, json};

const MINOR: u8 = 34;

fn ours(errors: &Errors) -> Vec<Told> {
    let mut all: Vec<Told> = errors.iter().map(|it| Told::new(it.reason, it.path.as_str(), &it.message)).collect();
    all.dedup();
    all
}

fn recorded(response: &Value) -> Vec<Told> {
    let causes = response["body"]["details"]["causes"].as_array().cloned().unwrap_or_default();
    let text = |cause: &Value, name: &str| cause[name].as_str().unwrap_or_default().to_owned();
    let told = |it: &Value| Told::new(&text(it, "reason"), &text(it, "field"), &text(it, "message"));
    let mut all: Vec<Told> = causes.iter().map(told).collect();
    all.dedup();
    all
}

/// Puts values in the place of what a recording leaves open.
fn fill_placeholders(value: &mut Value) {
    match value {
        Value::String(text) if text == "<nodePort>" => *value = json!(30002),
        Value::String(text) if text == "<clusterIP>" => *text = "10.100.0.9".to_owned(),
        Value::String(text) => {
            while let Some((before, rest)) = text.clone().split_once("<rand") {
                let after = rest.split_once('>').map_or("", |(_, after)| after);
                *text = format!("{before}bcdfg{after}");
            }
        }
        Value::Array(items) => items.iter_mut().for_each(fill_placeholders),
        Value::Object(map) => map.values_mut().for_each(fill_placeholders),
        _ => {}
    }
}

/// Admission gives every pod back the tolerations that it gave it before.
fn admit(object: &mut Value, old: &Value) {
    if object["kind"] != "Pod" {
        return;
    }
    let given = old["spec"]["tolerations"].as_array().cloned().unwrap_or_default();
    let mut tolerations = object["spec"]["tolerations"].as_array().cloned().unwrap_or_default();
    for it in
        given.into_iter().filter(|it| it["key"].as_str().is_some_and(|key| key.starts_with("node.kubernetes.io/")))
    {
        if !tolerations.contains(&it) {
            tolerations.push(it);
        }
    }
    object["spec"]["tolerations"] = tolerations.into();
}

/// What is wrong with a new object; nothing is said of kinds of other groups.
fn judge_create(request: &Value, minor: u8) -> Option<Errors> {
    let cx = context(minor);
    let mut object = request["body"].clone();
    expand(&mut object);
    fill_placeholders(&mut object);
    let (kind, namespaced) = kind(&object)?;
    if let Some(namespace) = namespace(request["path"].as_str().unwrap()) {
        put(&mut object, &["metadata", "namespace"], namespace.into());
    }
    let prefix = object["metadata"]["generateName"].as_str().unwrap_or_default().to_owned();
    if !prefix.is_empty() {
        put(&mut object, &["metadata", "name"], json!(format!("{prefix}xct8g")));
    }
    kind.default(&mut object, &cx);
    kind.prepare_for_create(&mut object, &cx);
    if object["kind"] == "Pod" && object["spec"].get("serviceAccountName").is_none() {
        object["spec"]["serviceAccountName"] = json!("default");
    }
    let mut errors = validate_object_meta(&object, namespaced, kind.name_rule(), &Path::new("metadata"));
    errors.extend(kind.validate(&object, &cx));
    Some(errors)
}

/// What is wrong with a merge patch of a stored object.
fn judge_change(request: &Value, stored: &Value) -> Option<Errors> {
    let cx = context(MINOR);
    let (kind, _) = kind(stored)?;
    let mut old = stored.clone();
    fill_placeholders(&mut old);
    kind.default(&mut old, &cx);
    let mut object = old.clone();
    merge(&mut object, &request["body"]);
    admit(&mut object, &old);
    kind.default(&mut object, &cx);
    let errors = if request["path"].as_str().unwrap().ends_with("/status") {
        kind.prepare_for_status_update(&mut object, &old, &cx);
        kind.validate_status_update(&object, &old, &cx)
    } else {
        // The server counts generations, whatever a client says.
        object["metadata"]["generation"] = old["metadata"]["generation"].clone();
        kind.prepare_for_update(&mut object, &old, &cx);
        kind.validate_update(&object, &old, &cx)
    };
    let mut all = validate_object_meta_update(&object, &old, &Path::new("metadata"));
    all.extend(errors);
    Some(all)
}

/// How an answer differs from what was recorded.
fn difference(scenario: &str, case: &str, errors: &Errors, response: &Value) -> Option<String> {
    if ELSEWHERE.contains(&(scenario, case)) {
        return None;
    }
    let found = ours(errors);
    let newer = NEWER.iter().find(|(name, it, _)| (*name, *it) == (scenario, case));
    let want = recorded(response);
    let same = match newer {
        Some((_, _, lines)) => found.iter().map(|it| it.short.as_str()).eq(lines.iter().copied()),
        None => found.len() == want.len() && found.iter().zip(&want).all(|(found, want)| found.says(want)),
    };
    (!same).then(|| format!("{scenario}: {case}\n  found {found:#?}\n  recorded {want:#?}"))
}

#[test]
fn objects_and_changes_are_judged_alike() {
    let (mut creates, mut updates) = (0, 0);
    let mut bad = Vec::new();
    for scenario in read("kind-validation.jsonl") {
        let name = scenario.name.trim_start_matches("validation/");
        let mut stored = Value::Null;
        for step in &scenario.steps {
            let (request, response) = (&step["request"], &step["response"]);
            let status = response["status"].as_u64().unwrap();
            let errors = match request["method"].as_str().unwrap() {
                "POST" if matches!(status, 201 | 422) => judge_create(request, MINOR).inspect(|_| creates += 1),
                "PATCH" if matches!(status, 200 | 422) => judge_change(request, &stored).inspect(|_| updates += 1),
                _ => None,
            };
            let Some(errors) = errors else { continue };
            if status < 300 {
                stored = response["body"].clone();
            }
            bad.extend(difference(name, step["case"].as_str().unwrap_or_default(), &errors, response));
        }
    }
    assert!(bad.is_empty(), "{}\n{}", bad.len(), bad.join("\n"));
    assert_eq!((creates, updates), (231, 51));
}

#[test]
fn what_was_taken_is_taken_by_every_minor() {
    let mut compared = 0;
    for scenario in read("kind-validation.jsonl") {
        for step in
            scenario.steps.iter().filter(|it| it["request"]["method"] == "POST" && it["response"]["status"] == 201)
        {
            // 1.20 dropped these silently.
            if step["case"] == "ephemeralContainers at create" {
                continue;
            }
            for minor in 24..=36 {
                let Some(errors) = judge_create(&step["request"], minor) else { continue };
                assert!(errors.is_empty(), "{} {} 1.{minor}: {errors:#?}", scenario.name, step["case"]);
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 312);
}

//! Objects are stored as they were, and stay as they are.

use crate::records::{check, context, create, is_core, records, scenarios, served, target};
use crate::words::newer_defaults;
use k8s_kinds::{Context, kind};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Takes away what the records have and the pure functions have not, or the other way round.
fn comparable(mut it: Value) -> Value {
    if let Some(metadata) = it["metadata"].as_object_mut() {
        for field in ["resourceVersion", "creationTimestamp", "uid", "selfLink"] {
            metadata.shift_remove(field);
        }
    }
    it.as_object_mut().unwrap().shift_remove("apiVersion");
    it
}

#[test]
fn objects_are_stored_as_recorded() {
    let (mut compared, mut report) = (0, String::new());
    for scenario in scenarios("kind-defaults") {
        for step in &scenario.steps {
            let at = target(step["request"]["path"].as_str().unwrap());
            let body = &step["request"]["body"];
            let name = body["kind"].as_str().unwrap_or_default();
            // The legacy signer is gone with certificates/v1beta1.
            let gone = at.group == "certificates.k8s.io" && at.version == "v1beta1";
            if is_core(&at.group) || gone || step["response"]["status"] != 201 {
                continue;
            }
            let steps = kind(&at.group, name);
            let cx = context(served(&at.group, &at.version));
            let object = create(steps, body, at.namespace.as_deref(), &cx);
            let mut again = object.clone();
            steps.default(&mut again, &cx);
            let mut want = comparable(step["response"]["body"].clone());
            newer_defaults(&at.group, name, &mut want);
            let mut got = comparable(object.clone());
            // Jobs and CronJobs have generations since 1.21 and later.
            let counted = !["Job", "CronJob"].contains(&name);
            if counted && got["metadata"].get("generation") != want["metadata"].get("generation") {
                writeln!(report, "{}: generation", scenario.name).unwrap();
            }
            for it in [&mut got, &mut want] {
                it["metadata"].as_object_mut().unwrap().shift_remove("generation");
            }
            if got != want {
                writeln!(report, "{}:\n  got  {got}\n  want {want}", scenario.name).unwrap();
            }
            if again != object {
                writeln!(report, "{}: defaults are not settled\n  {object}\n  {again}", scenario.name).unwrap();
            }
            let errors = check(steps, &object, at.namespace.is_some(), &cx);
            if !errors.is_empty() {
                writeln!(report, "{}: {errors:?}", scenario.name).unwrap();
            }
            compared += 1;
        }
    }
    assert!(report.is_empty(), "{report}");
    assert_eq!(compared, 60);
}

/// Whatever a server stored is valid today.
#[test]
fn stored_objects_are_valid() {
    let files = [
        "fresh-apiserver",
        "fresh-with-controller-manager",
        "table-kinds",
        "crud",
        "patch-strategic",
        "ssa",
        "subresources",
        "managedfields",
        "delete",
        "lists",
        "admission-authz",
        "admission-plugins",
    ];
    let (mut compared, mut report) = (0, String::new());
    for file in files {
        for scenario in records(file) {
            let mut objects = Vec::new();
            collect(&scenario, &mut objects);
            for object in objects {
                let (group, version) = object["apiVersion"].as_str().unwrap().split_once('/').unwrap();
                let name = object["kind"].as_str().unwrap();
                // Events may come from the core group, which asks for less; that version of ingresses is gone; the
                // server's own address was replaced.
                let beyond = group == "events.k8s.io" || (group == "networking.k8s.io" && version == "v1beta1");
                if beyond || object.to_string().contains("<advertise-address>") {
                    continue;
                }
                let steps = kind(group, name);
                let cx = context(served(group, version));
                let mut settled = object.clone();
                steps.default(&mut settled, &cx);
                for error in steps.validate(&settled, &cx) {
                    writeln!(report, "{file}: {group} {name}: {error}\n  {object}").unwrap();
                }
                compared += 1;
            }
        }
    }
    assert!(report.is_empty(), "{report}");
    assert_eq!(compared, 524);
}

/// The objects outside the core group that were stored: they have a uid.
fn collect<'a>(it: &'a Value, objects: &mut Vec<&'a Value>) {
    match it {
        Value::Object(map) => {
            let stored = it["metadata"]["uid"].is_string() && it["kind"].is_string() && it["kind"] != "Scale";
            if stored && it["apiVersion"].as_str().is_some_and(|it| it.contains('/')) {
                objects.push(it);
                return;
            }
            map.iter().filter(|(key, _)| *key != "request").for_each(|(_, it)| collect(it, objects));
        }
        Value::Array(items) => items.iter().for_each(|it| collect(it, objects)),
        _ => {}
    }
}

/// Every way into an object.
fn pointers(it: &Value, at: &str, all: &mut Vec<String>) {
    let mut go = |key: &str, it: &Value| {
        let path = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
        pointers(it, &path, all);
        all.push(path);
    };
    match it {
        Value::Object(map) => map.iter().for_each(|(key, it)| go(key, it)),
        Value::Array(items) => items.iter().enumerate().for_each(|(at, it)| go(&at.to_string(), it)),
        _ => {}
    }
}

/// Whatever field is missing or of another type: no step stumbles, and defaults that were filled in stay.
#[test]
fn no_fields_absence_trips_a_step() {
    let odd = [Value::Null, json!({}), json!([]), json!(""), json!(-1), json!(true), json!([{}])];
    let mut tried = 0;
    for step in scenarios("kind-defaults").iter().flat_map(|it| &it.steps) {
        let at = target(step["request"]["path"].as_str().unwrap());
        let body = &step["request"]["body"];
        let Some(name) = body["kind"].as_str().filter(|_| !is_core(&at.group)) else { continue };
        let steps = kind(&at.group, name);
        let mut all = Vec::new();
        pointers(body, "", &mut all);
        for (pointer, odd) in all.iter().flat_map(|it| odd.iter().map(move |odd| (it, odd))) {
            for minor in [24, 36] {
                let cx = Context { minor, version: served(&at.group, &at.version), now: "2026-01-01T00:00:00Z" };
                let mut object = body.clone();
                *object.pointer_mut(pointer).unwrap() = odd.clone();
                steps.default(&mut object, &cx);
                let settled = object.clone();
                steps.default(&mut object, &cx);
                assert_eq!(object, settled, "{name} {pointer} {odd}");
                steps.prepare_for_create(&mut object, &cx);
                let mut changed = body.clone();
                steps.default(&mut changed, &cx);
                steps.prepare_for_update(&mut changed, &object, &cx);
                steps.prepare_for_status_update(&mut object, &changed, &cx);
                steps.validate(&object, &cx);
                steps.validate_update(&changed, &object, &cx);
                steps.validate_status_update(&object, &changed, &cx);
                steps.warnings(&object, Some(&changed), &cx);
                tried += 1;
            }
        }
    }
    assert!(tried > 10_000, "{tried}");
}

//! Objects and changes are refused as they were.

use crate::records::{check, context, create, is_core, merge, scenarios, served, target};
use crate::words::{Told, newer_words, same_set, told};
use k8s_kinds::{Context, kind};
use serde_json::{Value, json};
use std::fmt::Write as _;

#[test]
fn objects_are_refused_as_recorded() {
    let (mut compared, mut report) = (0, String::new());
    for scenario in scenarios("kind-validation") {
        let mut stored: Option<Value> = None;
        for step in &scenario.steps {
            let case = step["case"].as_str().unwrap_or_default();
            let request = &step["request"];
            let at = target(request["path"].as_str().unwrap());
            let status = step["response"]["status"].as_u64().unwrap();
            let body = &request["body"];
            if is_core(&at.group) || !(status == 422 || status == 201 || status == 200) || body.is_null() {
                continue;
            }
            let name = body["kind"]
                .as_str()
                .map(str::to_owned)
                .or_else(|| stored.as_ref().and_then(|it| it["kind"].as_str().map(str::to_owned)));
            let Some(name) = name else { continue };
            if at.rest.last().is_some_and(|it| it == "scale") {
                continue;
            }
            let steps = kind(&at.group, &name);
            let cx = context(served(&at.group, &at.version));
            let (errors, result) = if request["method"] == "POST" {
                let object = create(steps, body, at.namespace.as_deref(), &cx);
                (check(steps, &object, at.namespace.is_some(), &cx), object)
            } else {
                let Some(old) = &stored else { continue };
                let mut object = old.clone();
                if request["method"] == "PATCH" {
                    merge(&mut object, body);
                } else {
                    object = body.clone();
                }
                steps.default(&mut object, &cx);
                match at.rest.get(2).map(String::as_str) {
                    Some("status") => (steps.validate_status_update(&object, old, &cx), object),
                    Some("approval") => (k8s_kinds::certificates::validate_approval(&object, old), object),
                    _ => {
                        steps.prepare_for_update(&mut object, old, &cx);
                        (steps.validate_update(&object, old, &cx), object)
                    }
                }
            };
            let none = Vec::new();
            let causes = step["response"]["body"]["details"]["causes"].as_array().unwrap_or(&none);
            let mut want: Vec<Told> = causes.iter().filter_map(|it| newer_words(&name, it)).collect();
            if status != 422 {
                want.clear();
            }
            if name == "StatefulSet" && at.rest.get(2).is_some() {
                // Available replicas are counted since 1.22.
                let why = "Invalid value: 0: cannot be greater than status.replicas";
                want.push(("status.availableReplicas".to_owned(), "FieldValueInvalid".to_owned(), why.to_owned()));
            }
            let got = told(&errors);
            if !same_set(&got, &want) {
                writeln!(report, "{} / {case}:\n  got  {got:#?}\n  want {want:#?}", scenario.name).unwrap();
            }
            compared += 1;
            if errors.is_empty() && (case == "valid base" || request["method"] != "POST") {
                stored = Some(result);
                if name == "CustomResourceDefinition" {
                    // The server's own controller accepts the names.
                    let established = json!([{"type": "Established", "status": "True"}]);
                    stored.as_mut().unwrap()["status"]["conditions"] = established;
                }
            }
        }
    }
    assert!(report.is_empty(), "{report}");
    assert_eq!(compared, 318);
}

/// Definitions of custom resources again, as an API server of the 1.36 libraries answered about them.
#[test]
fn definitions_are_refused_as_recorded() {
    let (mut compared, mut report) = (0, String::new());
    let cx = Context { minor: 36, version: "v1", now: "2026-01-01T00:00:00Z" };
    let steps = kind("apiextensions.k8s.io", "CustomResourceDefinition");
    let all = scenarios("crd");
    let all = all.iter().filter(|it| it.name == "crd-validation-messages").flat_map(|it| &it.steps);
    for step in all.filter(|it| it["request"]["method"] == "POST" && it["request"]["body"].is_object()) {
        let body = &step["request"]["body"];
        let none = Vec::new();
        let causes = step["response"]["body"]["details"]["causes"].as_array().unwrap_or(&none);
        let want: Vec<Told> = causes.iter().filter_map(|it| newer_words("CustomResourceDefinition", it)).collect();
        if !(step["response"]["status"] == 422 || step["response"]["status"] == 201) || want.len() != causes.len() {
            continue;
        }
        let got = told(&check(steps, &create(steps, body, None, &cx), false, &cx));
        if !same_set(&got, &want) {
            writeln!(report, "{}:\n  got  {got:#?}\n  want {want:#?}", step["note"]).unwrap();
        }
        compared += 1;
    }
    assert!(report.is_empty(), "{report}");
    assert_eq!(compared, 20);
}

/// Reviews of access: what is wrong with them is told under the paths that were recorded.
#[test]
fn reviews_are_refused_as_recorded() {
    let mut compared = 0;
    let cx = context("v1");
    for scenario in scenarios("subresources").iter().filter(|it| it.name == "virtual-kinds") {
        for step in &scenario.steps {
            let at = target(step["request"]["path"].as_str().unwrap());
            let body = &step["request"]["body"];
            let name = body["kind"].as_str().unwrap_or_default();
            let status = &step["response"]["status"];
            if name == "TokenReview" {
                let fault = k8s_kinds::authentication::token_review_fault(body);
                assert_eq!(fault, step["response"]["body"]["message"].as_str().filter(|_| status == 400));
                compared += 1;
            }
            if at.group != "authorization.k8s.io" || !(status == 201 || status == 422) {
                continue;
            }
            let steps = kind(&at.group, name);
            let mut object = body.clone();
            steps.default(&mut object, &cx);
            let none = Vec::new();
            let causes = step["response"]["body"]["details"]["causes"].as_array().unwrap_or(&none);
            let want: Vec<Told> = causes.iter().filter_map(|it| newer_words(name, it)).collect();
            let got = told(&steps.validate(&object, &cx));
            assert!(same_set(&got, &want), "{name}: {got:#?} {want:#?}");
            compared += 1;
        }
    }
    assert_eq!(compared, 10);
}

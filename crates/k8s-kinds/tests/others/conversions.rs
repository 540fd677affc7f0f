//! Scales and events: one object in two shapes.

use crate::records::{context, create, merge, records, scenarios};
use k8s_kinds::kind;
use serde_json::Value;

/// The Scale of a recorded object that was made before, and what a changed Scale makes of it.
#[test]
fn scales_are_as_recorded() {
    use k8s_kinds::autoscaling::{apply_scale, scale_of};
    let mut compared = 0;
    let deployment = kind("apps", "Deployment");
    let cx = context("v1");
    for scenario in scenarios("subresources").iter().filter(|it| it.name == "scale-subresource") {
        let mut object = Value::Null;
        for step in &scenario.steps {
            let (request, response) = (&step["request"], &step["response"]);
            let path = request["path"].as_str().unwrap();
            let body = &request["body"];
            if request["method"] == "POST" && body["kind"] == "Deployment" {
                object = create(deployment, body, Some("g-subresources-scale-subresource"), &cx);
            }
            if !path.contains("/deployments/t/scale") || object.is_null() {
                continue;
            }
            if request["method"] == "PUT" && body["kind"] == "Scale" && response["status"] == 200 {
                apply_scale(&mut object, body).unwrap();
            } else if request["method"] == "PATCH" && body["spec"]["replicas"].is_number() {
                let mut scale = scale_of(&object, "apps", "Deployment");
                merge(&mut scale, body);
                match apply_scale(&mut object, &scale) {
                    Ok(()) => assert_eq!(response["status"], 200),
                    Err(errors) => {
                        let causes = response["body"]["details"]["causes"].as_array().unwrap();
                        assert_eq!(errors[0].message, causes[0]["message"].as_str().unwrap());
                        assert_eq!(errors[0].path.as_str(), causes[0]["field"].as_str().unwrap());
                        compared += 1;
                        continue;
                    }
                }
            } else if request["method"] != "GET" {
                continue;
            }
            let got = scale_of(&object, "apps", "Deployment");
            for field in ["spec", "status"] {
                assert_eq!(got[field], response["body"][field], "{path}");
            }
            compared += 1;
        }
    }
    assert_eq!(compared, 6);
}

/// The same event was read in both groups.
#[test]
fn events_are_converted_as_recorded() {
    let mut compared = 0;
    for scenario in records("crud").iter().filter(|it| it["name"] == "events-two-groups") {
        let mut objects = Vec::new();
        for step in scenario["steps"].as_array().unwrap() {
            let body = &step["response"]["body"];
            if body["kind"] == "Event" {
                objects.push(body);
            }
        }
        let of = |version: &'static str| objects.iter().filter(move |it| it["apiVersion"] == version);
        for core in of("v1") {
            let same = |it: &&&Value| it["metadata"]["resourceVersion"] == core["metadata"]["resourceVersion"];
            let Some(new) = of("events.k8s.io/v1").find(same) else { continue };
            let mut there = (*core).clone();
            k8s_kinds::events::from_core(&mut there);
            assert_eq!(there, **new);
            k8s_kinds::events::to_core(&mut there);
            assert_eq!(there, **core);
            compared += 1;
        }
    }
    assert_eq!(compared, 2);
}

//! Object names, labels and annotations, as `names.jsonl` has them.

use crate::records::{kind, namespace, put, read};
use k8s_kinds::meta::validate_object_meta;
use k8s_types::{Path, Status};

/// From 1.34 on the lengths of labels are told in bytes.
fn newer(message: &str) -> String {
    if message.contains("metadata.labels") || message.contains("metadata.annotations") {
        message.replace("no more than 63 characters", "no more than 63 bytes")
    } else {
        message.to_owned()
    }
}

#[test]
fn names_and_labels_are_judged_alike() {
    let mut compared = 0;
    for scenario in read("names.jsonl") {
        for step in &scenario.steps {
            let mut object = step["request"]["body"].clone();
            let Some((kind, namespaced)) = kind(&object) else { continue };
            if let Some(namespace) = namespace(step["request"]["path"].as_str().unwrap()) {
                put(&mut object, &["metadata", "namespace"], namespace.into());
            }
            let errors = validate_object_meta(&object, namespaced, kind.name_rule(), &Path::new("metadata"));
            let response = &step["response"];
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            if response["status"] == 201 {
                assert!(errors.is_empty(), "{}: {name}: {errors:?}", scenario.name);
            } else {
                let status = Status::invalid("", object["kind"].as_str().unwrap(), name, &errors);
                let want = newer(response["body"]["message"].as_str().unwrap());
                assert_eq!(status.message, want, "{}", scenario.name);
                let causes = status.to_value()["details"]["causes"].as_array().map_or(0, Vec::len);
                assert_eq!(Some(causes), response["body"]["details"]["causes"].as_array().map(Vec::len));
            }
            compared += 1;
        }
    }
    assert_eq!(compared, 92);
}

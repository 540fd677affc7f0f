//! What newer minors store and say otherwise than the records, and how answers are compared.

use k8s_types::Errors;
use serde_json::{Value, json};

/// One error as it is compared: its path, its reason, its text.
pub type Told = (String, String, String);

/// What minors since 1.20 store otherwise.
pub fn newer_defaults(group: &str, kind: &str, it: &mut Value) {
    let spec = |it: &mut Value, field: &str, value: Value| it["spec"][field] = value;
    match (group, kind) {
        // 1.21 and 1.24: modes and suspension are written out.
        ("batch", "Job") => {
            spec(it, "completionMode", json!("NonIndexed"));
            spec(it, "suspend", json!(false));
        }
        // 1.22: the status tells what is available.
        ("apps", "StatefulSet") => it["status"]["availableReplicas"] = json!(0),
        // 1.22: a surge is possible.
        ("apps", "DaemonSet") if it["spec"]["updateStrategy"]["type"] == "RollingUpdate" => {
            it["spec"]["updateStrategy"]["rollingUpdate"]["maxSurge"] = json!(0);
        }
        // autoscaling/v2 leaves out what is nothing, which v2beta2 wrote.
        ("autoscaling", "HorizontalPodAutoscaler") if it["status"].get("conditions").is_some() => {
            it["status"] = json!({"desiredReplicas": 0, "currentMetrics": null});
        }
        // The asker is the server's to fill in.
        ("certificates.k8s.io", _) => {
            for field in ["username", "uid", "groups"] {
                it["spec"].as_object_mut().unwrap().shift_remove(field);
            }
        }
        _ => {}
    }
}

/// The recorded error in the words of newer minors; nothing where they say nothing.
pub fn newer_words(kind: &str, cause: &Value) -> Option<Told> {
    let text = |field: &str| cause[field].as_str().unwrap_or_default().to_owned();
    let (path, mut reason, message) = (text("field"), text("reason"), text("message"));
    let words = [
        // Lengths are bytes since 1.32.
        ("must be no more than 63 characters", "must be no more than 63 bytes"),
        // StatefulSets: more may change since 1.22 and 1.23.
        (
            "'replicas', 'template', and 'updateStrategy'",
            "'replicas', 'template', 'updateStrategy', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds'",
        ),
        // The cron library's third version, since 1.21.
        ("Expected exactly 5 fields, found 1: x", "expected exactly 5 fields, found 1: [x]"),
        ("Expected exactly 5 fields, found 1: foo", "expected exactly 5 fields, found 1: [foo]"),
        ("Expected exactly 5 fields, found 6: * * * * * *", "expected exactly 5 fields, found 6: [* * * * * *]"),
        ("End of range (61) above maximum (59): 61", "end of range (61) above maximum (59): 61"),
        // A class and its annotation may be the same since 1.22.
        ("can not be set when the class field is also set", "must match `ingressClassName` when both are specified"),
        // A port's name has a letter since 1.28.
        ("must contain at least one letter or number (a-z, 0-9)", "must contain at least one letter (a-z)"),
        ("not a valid CIDR", "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"),
        ("must to greater or equal than 0", "must be greater than or equal to 0"),
        ("set x-preserve-unknown-fields to true", "set x-kubernetes-preserve-unknown-fields to true"),
        ("Required value: schemas are required", "Required value"),
    ];
    let mut message = words.iter().fold(message, |message, (old, new)| message.replace(old, new));
    let mut path = path;
    match (kind, path.as_str()) {
        // 1.22: a surge may stand for it.
        ("DaemonSet", "spec.updateStrategy.rollingUpdate.maxUnavailable") => {
            reason = "FieldValueRequired".to_owned();
            message = "Required value: cannot be 0 when maxSurge is 0".to_owned();
        }
        // 1.22: some of the spec may change.
        ("CSIDriver", "spec") => {
            path = "spec.attachedRequired".to_owned();
            message = "Invalid value: false: field is immutable".to_owned();
        }
        // Schemas, columns and subresources of custom resources are checked elsewhere.
        ("CustomResourceDefinition", path) if is_of_custom_resources(path) => return None,
        _ => {}
    }
    Some((path, reason, message))
}

pub fn is_of_custom_resources(path: &str) -> bool {
    let parts = ["openAPIV3Schema", "additionalPrinterColumns", "subresources", "selectableFields"];
    parts.iter().any(|part| path.contains(part)) && !path.ends_with("schema.openAPIV3Schema")
}

pub fn told(errors: &Errors) -> Vec<Told> {
    errors.iter().map(|it| (it.path.as_str().to_owned(), it.reason.to_owned(), it.message.clone())).collect()
}

/// Whether two errors are the same, but for the value, whose rendering changed with 1.30.
pub fn alike(a: &Told, b: &Told) -> bool {
    let detail = |message: &str| -> String {
        if ["Invalid value: ", "Unsupported value: "].iter().any(|it| message.starts_with(it)) {
            // The rendered value may have colons in it, the sentence after it hardly.
            let rest = message.split_once(": ").map(|(_, rest)| rest).unwrap_or_default();
            return rest.to_owned();
        }
        message.to_owned()
    };
    // A struct's value without a sentence after it: nothing is left to compare.
    let bare = |message: &str| message.starts_with("Invalid value: ") && message.ends_with('}');
    if a.0 == b.0 && a.1 == b.1 && bare(&a.2) && bare(&b.2) {
        return true;
    }
    let (left, right) = (detail(&a.2), detail(&b.2));
    let tail = |text: &str| text.rsplit(": ").next().unwrap_or_default().to_owned();
    a.0 == b.0 && a.1 == b.1 && (left == right || tail(&left) == tail(&right))
}

pub fn same_set(got: &[Told], want: &[Told]) -> bool {
    got.iter().all(|it| want.iter().any(|other| alike(it, other)))
        && want.iter().all(|it| got.iter().any(|other| alike(it, other)))
}

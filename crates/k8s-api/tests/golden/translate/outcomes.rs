//! Refusals and answers that a later minor gives otherwise as a whole: by status and a part of the message.

use super::{
    APPLY_TYPE, ATOMIC, DECODED_FIRST, DELETED_AT, DUPLICATES, EMPTY_OWNED, GRACE, LIST_KEYS, NAMESPACE_LABEL,
    NAMESPACE_OF_PATH, NO_EXPORT, NO_PATHS, RESET_FIELDS, REWORDED, Rule, SELECTABLE, SELECTORS, SUBRESOURCES, SWAGGER,
    TIMEOUTS, TOKENS, VERDICTS, WHO_AM_I,
};
use serde_json::Value;

/// A file's scenario (`*` for all), the old status with a part of the old message, the new ones, and why.
type Outcome = (&'static str, (u16, &'static str), (u16, &'static str), &'static Rule);

const OUTCOMES: &[Outcome] = &[
    ("label-selectors", (400, "invalid label value: "), (400, "values[0][env]: Invalid value: "), &SELECTORS),
    ("label-selectors", (400, "invalid label key "), (400, "<nil>: Invalid value: "), &SELECTORS),
    ("label-selectors", (400, "for 'Gt', 'Lt' operators"), (400, "values[0]: Invalid value: "), &SELECTORS),
    (
        "*",
        (400, "expected: '=', '!=', '==', 'in', notin'"),
        (400, "expected: in, notin, =, ==, !=, gt, lt"),
        &SELECTORS,
    ),
    ("*", (500, "expected objects of the same type"), (400, "invalid object type: "), &APPLY_TYPE),
    ("*", (500, "no corresponding type for"), (400, "invalid object type: "), &APPLY_TYPE),
    ("*", (400, "Incorrect version specified in apply patch"), (400, "invalid object type: "), &APPLY_TYPE),
    ("duplicate-and-missing-list-keys", (500, ".metadata.finalizers"), (400, "invalid object type: "), &APPLY_TYPE),
    ("duplicate-and-missing-list-keys", (422, ".name: Required value"), (500, "omits all key fields"), &LIST_KEYS),
    ("service-ports-by-port-and-protocol", (500, "omits key field \"protocol\""), (201, ""), &LIST_KEYS),
    ("service-ports-by-port-and-protocol", (500, "omits key field \"protocol\""), (200, ""), &LIST_KEYS),
    (
        "not-a-patch",
        (400, "json: cannot unmarshal"),
        (400, "error decoding patch: json: cannot unmarshal"),
        &DECODED_FIRST,
    ),
    ("not-a-patch", (400, "unexpected end of"), (400, "error decoding patch: unexpected end of"), &DECODED_FIRST),
    ("merge-basics", (500, "Invalid JSON Patch"), (400, "error decoding patch: "), &DECODED_FIRST),
    ("merge-basics", (500, "Invalid JSON Patch"), (400, "Invalid JSON Patch"), &DECODED_FIRST),
    ("merge-basics", (422, "Invalid value: \"[]\""), (400, "error decoding patch: "), &DECODED_FIRST),
    ("scale-subresource", (422, "metadata.namespace: Required value"), (200, ""), &NAMESPACE_OF_PATH),
    ("pod-graceful", (500, "No API token found"), (409, "object is being deleted: "), &TOKENS),
    // The pod that was to end before it was asked to still ends in a second.
    ("pod-graceful", (404, "pods \"neg\" not found"), (200, ""), &GRACE),
    ("too-large-resource-version", (500, "is a future revision"), (504, "Too large resource version"), &REWORDED),
    ("bad-query", (200, ""), (400, "invalid timeout specified in the request URL"), &TIMEOUTS),
    ("names-and-protected", (422, "\"a.b\""), (422, "must not contain dots"), &VERDICTS),
    ("names-and-protected", (422, "\"-a\""), (422, "metadata.labels: "), &NAMESPACE_LABEL),
    ("names-and-protected", (422, "no more than 63 characters"), (422, "metadata.labels: "), &NAMESPACE_LABEL),
    ("env-volumes-tolerations", (409, "nodeSelector.x"), (409, ".template.spec.nodeSelector"), &ATOMIC),
    ("deployment-status-subresource", (409, ".spec.replicas"), (200, ""), &RESET_FIELDS),
    // Who scaled owns the replicas.
    ("deployment-lifecycle", (200, ""), (409, "conflict with \"scaler\""), &SUBRESOURCES),
    // An apply before it was taken already.
    ("service-ports-by-port-and-protocol", (201, ""), (200, ""), &LIST_KEYS),
    ("field-selectors", (400, "is not a known field selector"), (200, ""), &SELECTABLE),
    ("pods-field-selectors", (400, "spec.hostNetwork"), (200, ""), &SELECTABLE),
];

/// A scenario's place that a later minor fills otherwise: the scenario, the end of the place, and why.
const PLACES: &[(&str, &str, &Rule)] = &[
    ("delete-status-shapes", "/body/metadata/resourceVersion", &DELETED_AT),
    ("finalizers", "/body/metadata/managedFields", &DUPLICATES),
    ("pod-graceful", "/body/metadata/deletionGracePeriodSeconds", &GRACE),
    ("status-semantics", "/fieldsV1/f:metadata", &RESET_FIELDS),
    ("status-semantics", "/f:status/f:observedGeneration", &RESET_FIELDS),
    ("virtual-kinds", "/status/resourceRules/-", &WHO_AM_I),
    ("auth-errors", "/headers/content-type", &SWAGGER),
    ("metadata-ownership", "/fieldsV1/f:data", &EMPTY_OWNED),
    ("env-volumes-tolerations", "/f:emptyDir", &EMPTY_OWNED),
];

/// The rule by which a newer minor has something else in a place of an answer.
pub fn place(scenario: &str, at: &str) -> Option<&'static Rule> {
    PLACES.iter().find(|(name, end, _)| *name == scenario && at.ends_with(end)).map(|(.., rule)| *rule)
}

/// The rule by which a newer minor answers a path otherwise, whatever the answer says.
pub fn page(path: &str, old: u16, want: Option<&Value>, new: (u16, &[u8])) -> Option<&'static Rule> {
    let had_paths = want.is_some_and(|it| it.get("paths").is_some());
    if (old, new.0) == (404, 404) && had_paths && new.1 == b"404 page not found\n" {
        return Some(&NO_PATHS);
    }
    (path.ends_with("?export=true") && new.0 == 200).then_some(&NO_EXPORT)
}

/// Whether a recorded text is indented JSON that newer servers lay out otherwise, and `got` is laid out as they do.
pub fn is_relaid(want: &str, got: &str) -> bool {
    let indented = |value: &Value| serde_json::to_string_pretty(value).ok();
    let read = |text: &str| serde_json::from_str::<Value>(text).ok();
    want.starts_with("{\n  ")
        && read(want).is_some()
        && read(got).is_some_and(|it| indented(&it).as_deref() == Some(got))
}

/// The rule by which a newer minor answers otherwise, if it is known of a scenario's step.
pub fn outcome(scenario: &str, old: (u16, &str), new: (u16, &Value)) -> Option<&'static Rule> {
    let message = new.1["message"].as_str().unwrap_or_default();
    let is = |(name, (old_status, old_part), (status, part), _): &&Outcome| {
        (*name == "*" || *name == scenario)
            && (*old_status, *status) == (old.0, new.0)
            && old.1.contains(old_part)
            && message.contains(part)
    };
    OUTCOMES.iter().find(is).map(|(.., rule)| *rule)
}

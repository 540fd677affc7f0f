//! Texts in a newer version's words.

use super::{FIELD_VALIDATION, REWORDED, Rule, VALUES_AS_JSON};
use serde_json::Value;

/// From what 1.20 says to what 1.34 says.
const WORDINGS: &[(&str, &str)] = &[
    // Ingresses were of another group inside.
    ("Ingress.extensions ", "Ingress.networking.k8s.io "),
    ("ingresses.extensions ", "ingresses.networking.k8s.io "),
    (
        "resourceVersionMatch is forbidden for watch",
        "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
    ),
    ("kind must not be empty", "must not be empty"),
    ("name must not be empty", "must not be empty"),
    ("uid must not be empty", "must not be empty"),
    ("in references for x and y", "in references for X/x and X/y"),
    ("in references for e and f", "in references for Pod/e and Pod/f"),
    ("less than or equal to cpu limit", "less than or equal to cpu limit of 1"),
    ("less than or equal to memory limit", "less than or equal to memory limit of 1Gi"),
    ("equal to example.com/gpu limit", "equal to example.com/gpu limit of 2"),
    ("must contain at least one letter or number (a-z, 0-9)", "must contain at least one letter (a-z)"),
    ("must be valid IP address", "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"),
    ("must be valid CIDR", "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"),
    ("not a valid CIDR", "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"),
    (
        "match regex ([a-z0-9]([-_a-z0-9]*[a-z0-9])?\\.)*[a-z0-9]([-_a-z0-9]*[a-z0-9])?",
        "match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$",
    ),
    (
        "`spec.containers[*].image`, `spec.initContainers[*].image`, `spec.activeDeadlineSeconds` or `spec.tolerations` \
         (only additions to existing tolerations)",
        "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only \
         additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was \
         previously negative)",
    ),
    (
        "ExternalTrafficPolicy can only be set on NodePort and LoadBalancer service",
        "may only be set for externally-accessible services",
    ),
    (
        "HealthCheckNodePort can only be set on LoadBalancer service with ExternalTrafficPolicy=Local",
        "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
    ),
    ("element [0] must match clusterIP", "first value must match `clusterIP`"),
    ("(127.0.0.0/8)", "(127.0.0.0/8, ::1/128)"),
    ("(169.254.0.0/16)", "(169.254.0.0/16, fe80::/10)"),
    ("(224.0.0.0/24)", "(224.0.0.0/24, ff02::/10)"),
    (
        "except resources.requests for bound claims",
        "except resources.requests and volumeAttributesClassName for bound claims",
    ),
    // Lengths are bytes.
    ("must have at most 1048576 bytes", "may not be more than 1048576 bytes"),
    ("must have at most 262144 bytes", "may not be more than 262144 bytes"),
    ("must be no more than 63 characters", "must be no more than 63 bytes"),
    ("must be no more than 253 characters", "must be no more than 253 bytes"),
    (
        "'replicas', 'template', and 'updateStrategy'",
        "'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', \
         'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds'",
    ),
    // The library of schedules.
    ("Expected exactly 5 fields, found 1: x", "expected exactly 5 fields, found 1: [x]"),
    ("Expected exactly 5 fields, found 1: foo", "expected exactly 5 fields, found 1: [foo]"),
    ("Expected exactly 5 fields, found 6: * * * * * *", "expected exactly 5 fields, found 6: [* * * * * *]"),
    ("End of range (61) above maximum (59): 61", "end of range (61) above maximum (59): 61"),
    ("can not be set when the class field is also set", "must match `ingressClassName` when both are specified"),
    ("must to greater or equal than 0", "must be greater than or equal to 0"),
    ("set x-preserve-unknown-fields to true", "set x-kubernetes-preserve-unknown-fields to true"),
    ("Required value: schemas are required", "Required value"),
];

/// Paths of fields that are written otherwise.
const PATHS: &[(&str, &str)] = &[
    ("data[%s][", "data["),
    ("spec.hostAliases.ip", "spec.hostAliases[0].ip"),
    ("spec.hostAliases.hostnames", "spec.hostAliases[0].hostnames[0]"),
];

/// How Go shows values; since 1.30 errors show JSON.
const GO: [&str; 13] = [
    "intstr.",
    "apps.",
    "batch.",
    "[]string",
    "core.",
    "v1.",
    "Quantity{",
    "[]",
    "map[",
    "(nil)",
    "\"null\"",
    "v1beta1.",
    "(*",
];

/// Where a text goes on in the words of a language's libraries, which no client reads.
const RUNTIME: [&str; 8] = [
    "json: cannot unmarshal",
    "&value.valueUnstructured",
    "strconv.",
    "invalid character",
    "error converting YAML to JSON",
    "yaml: ",
    "couldn't get version/kind; json parse error",
    "ReadString: ",
];

fn reworded(text: &str) -> String {
    let word = |text: String, (old, new): &(&str, &str)| {
        if !text.contains(old) || (new.contains(old) && text.contains(new)) { text } else { text.replace(old, new) }
    };
    PATHS.iter().fold(WORDINGS.iter().fold(text.to_owned(), word), word)
}

/// The rule by which `got` says what `want` says.
pub fn text(want: &str, got: &str, mut is: impl FnMut(&str) -> bool) -> Option<&'static Rule> {
    if (want, got) == ("extensions", "networking.k8s.io") {
        return Some(&REWORDED);
    }
    let newer = reworded(want);
    if newer != want && is(&newer) {
        return Some(&REWORDED);
    }
    if of_typed_object(want, got) {
        return Some(&REWORDED);
    }
    if same_but_for_the_value(&newer, got) {
        return Some(&VALUES_AS_JSON);
    }
    for lead in [" cannot be handled as a ", "error decoding patch"] {
        let head = |text: &str| {
            let (head, rest) = text.split_once(lead)?;
            Some(format!("{head}{lead}{}", rest.split(':').next().unwrap_or_default()))
        };
        if head(want).is_some_and(|want| head(got) == Some(want)) {
            return Some(&FIELD_VALIDATION);
        }
    }
    None
}

/// The rule by which one cause of an invalid object says what another says.
pub fn cause(want: &Value, got: &Value) -> Option<&'static Rule> {
    let text = |it: &Value, name: &str| it[name].as_str().unwrap_or_default().to_owned();
    if text(want, "reason") != text(got, "reason") || reworded(&text(want, "field")) != text(got, "field") {
        return None;
    }
    // How a change is shown after the first line is free.
    let line = |it: &Value| text(it, "message").split('\n').next().unwrap_or_default().to_owned();
    let (want, got) = (line(want), line(got));
    if want == got || reworded(&want) == got {
        return Some(&REWORDED);
    }
    same_but_for_the_value(&reworded(&want), &got).then_some(&VALUES_AS_JSON)
}

/// Whether two errors differ in how they show a value, and the old one shows it as Go does.
fn same_but_for_the_value(want: &str, got: &str) -> bool {
    for lead in ["Invalid value: ", "Unsupported value: ", "Forbidden: "] {
        let (Some((head, value)), Some((found, shown))) = (want.split_once(lead), got.split_once(lead)) else {
            continue;
        };
        let tail = |text: &str| text.rsplit_once(": ").map(|(_, tail)| tail.to_owned());
        let (old, new) = (tail(value), tail(shown));
        // A struct's value without a sentence after it: nothing is left to compare.
        let bare = value.ends_with('}') && shown.ends_with('}');
        return head == found && GO.iter().any(|it| value.contains(it)) && (bare || (old.is_some() && old == new));
    }
    false
}

/// Whether both complain the same of a typed object; newer servers say which one.
fn of_typed_object(want: &str, got: &str) -> bool {
    let lead = "failed to create typed patch object";
    let why = want.strip_prefix(lead).and_then(|it| it.strip_prefix(": "));
    let which = got.strip_prefix(lead).and_then(|it| it.strip_prefix(" (")?.split_once("): "));
    why.is_some() && why == which.map(|(_, why)| why)
}

/// Whether both texts go on in a library's words at the same place.
pub fn by_a_runtime(want: &str, got: &str) -> bool {
    RUNTIME.iter().filter_map(|marker| want.find(marker)).any(|at| at > 0 && got.get(..at) == want.get(..at))
}

#[test]
fn newer_words_are_found() {
    let rule = |want: &str, got: &str| text(want, got, |newer| newer == got).map(|it| it.name);
    assert_eq!(
        rule("x: must be valid CIDR", "x: must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"),
        Some("reworded")
    );
    let old = "a: Invalid value: map[string]string{\"a\":\"b\"}: must match";
    assert_eq!(rule(old, "a: Invalid value: {\"a\":\"b\"}: must match"), Some("values-as-json"));
    assert_eq!(rule(old, "a: Invalid value: {\"a\":\"b\"}: must not match"), None);
    assert_eq!(rule("a", "b"), None);
    assert!(by_a_runtime("x: json: cannot unmarshal a", "x: json: cannot unmarshal b"));
}

//! From what 1.20 answered to what 1.34 answers: small rules, each with its reason and the minor since which it holds.

mod objects;
mod outcomes;
mod texts;
mod verdicts;

pub use objects::expected;
pub use outcomes::{is_relaid, outcome, page, place};
pub use texts::{by_a_runtime, cause, text};
pub use verdicts::verdict;

/// Why a newer version answers otherwise.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// Its name in reports.
    pub name: &'static str,
    /// The minor since which it holds, as well as it is known.
    pub since: u8,
    /// What changed.
    pub reason: &'static str,
}

macro_rules! rules {
    ($($id:ident, $name:literal, $since:literal, $reason:literal;)*) => {
        $(#[doc = $reason] pub static $id: Rule = Rule { name: $name, since: $since, reason: $reason };)*
        /// All rules.
        #[cfg(test)]
        static RULES: &[&Rule] = &[$(&$id),*];
    };
}

rules! {
    NAMESPACE_LABEL, "namespace-label", 21, "namespaces carry their name as label kubernetes.io/metadata.name";
    NEWER_FIELDS, "newer-fields", 21, "fields that came later have defaults";
    SUCCESSORS, "successor-version", 22, "a beta version is gone, its successor has the same shape";
    SUBRESOURCES, "subresource-in-managed-fields", 22, "writes through a subresource have an entry of their own";
    FIELD_VALIDATION, "field-validation", 25, "unknown and duplicate fields are warned of, and decoding errors are strict";
    SINGULAR, "singular-names", 27, "discovery names the singular of built-in resources";
    VALUES_AS_JSON, "values-as-json", 30, "errors show values as JSON";
    REWORDED, "reworded", 24, "a text was reworded";
    VERDICTS, "newer-verdict", 24, "a later minor judges the object otherwise";
    RESOURCES, "served-resources", 22, "the release serves other versions and resources";
    NO_NULL_TIMES, "no-null-times", 34, "nested metadata has no empty creationTimestamp";
    VERSION_IS_400, "bad-version-is-400", 31, "a version that can't be read is the client's fault";
    ANONYMOUS, "anonymous-health-only", 32, "anonymous requests reach the health endpoints only (EKS)";
    ATOMIC, "atomic-selectors", 24, "selectors and references are owned as a whole";
    RESET_FIELDS, "reset-fields", 22, "the status is not owned through the main path";
    DEPRECATIONS, "deprecation-warnings", 33, "a resource is deprecated";
    NEGOTIATION, "negotiation-texts", 21, "refusals of media types name those that are taken";
    SELECTORS, "selector-texts", 22, "refusals of label selectors are field errors, and list the operators by name";
    APPLY_TYPE, "apply-object-type", 26, "an apply's kind and version are checked before anything else";
    LIST_KEYS, "list-keys", 24, "keys of lists have the schema's defaults, and all of them must be missing to be refused";
    NO_PATHS, "no-paths-in-404", 22, "a path that there is not is answered by a page, not by the list of paths";
    LAYOUT, "layout", 23, "indented JSON is laid out anew as a whole, and says what a newer server says";
    DUPLICATES, "duplicates-in-sets", 26, "sets with duplicates have owners";
    NO_EXPORT, "no-export", 21, "objects can't be exported";
    DECODED_FIRST, "patches-decoded-first", 25, "the body of a patch is decoded before it is applied";
    NAMESPACE_OF_PATH, "namespace-of-path", 22, "an object without a namespace is in that of the path";
    TIMEOUTS, "request-deadline", 22, "the timeout in a query bounds any request, and one that is none is refused";
    GRACE, "negative-grace", 22, "a negative grace period is one second";
    DELETED_AT, "deleted-at", 27, "what is deleted is answered in the version of its end";
    TOKENS, "no-token-secrets", 24, "pods get tokens without secrets";
    EMPTY_OWNED, "empty-maps-owned", 21, "empty maps that were applied are owned";
    WHO_AM_I, "who-am-i", 28, "everybody may ask who they are";
    SWAGGER, "swagger-type", 24, "the OpenAPI document is sent as JSON";
    SELECTABLE, "selectable-fields", 29, "more fields can be selected by";
    BUILD, "build", 24, "the release, its checks and its paths are the server's own";
}

/// Beta versions whose records are replayed against their successors.
pub const SUCCESSOR_VERSIONS: [(&str, &str); 6] = [
    ("flowcontrol.apiserver.k8s.io/v1beta1", "flowcontrol.apiserver.k8s.io/v1"),
    ("assuredConcurrencyShares", "nominalConcurrencyShares"),
    ("batch/v1beta1", "batch/v1"),
    ("policy/v1beta1", "policy/v1"),
    ("autoscaling/v2beta2", "autoscaling/v2"),
    ("discovery.k8s.io/v1beta1", "discovery.k8s.io/v1"),
];

/// Groups (in a list of groups) and resources (of a group's version) of 1.20 that 1.34 doesn't serve.
pub fn is_gone(group_version: &str, name: &str) -> bool {
    const GONE: [(&str, &str); 2] = [("", "extensions"), ("policy/v1beta1", "podsecuritypolicies")];
    GONE.contains(&(group_version, name))
}

#[test]
fn rules_have_names_of_their_own() {
    let mut names: Vec<&str> = RULES.iter().map(|rule| rule.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), RULES.len());
    assert!(RULES.iter().all(|rule| (20..=super::MINOR).contains(&rule.since) && !rule.reason.is_empty()));
}

//! What checks of pods share: a look at all containers, and the words for who is at fault.

use k8s_kinds::value::Look;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;

/// A pod under a version of the policies.
pub(super) struct Pod<'a> {
    pub(super) spec: &'a Value,
    pub(super) annotations: &'a Value,
    /// The minor whose rules count.
    pub(super) version: u8,
    /// The server's own minor: some rules were changed without a new version.
    pub(super) server: u8,
}

/// Something that a policy forbids.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Violation {
    pub(super) reason: String,
    pub(super) detail: String,
}

impl Violation {
    pub(super) fn new(reason: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { reason: reason.into(), detail: detail.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.detail.is_empty() { f.write_str(&self.reason) } else { write!(f, "{} ({})", self.reason, self.detail) }
    }
}

impl<'a> Pod<'a> {
    pub(super) fn new(pod: &'a Value, version: u8, server: u8) -> Self {
        Self { spec: pod.at("spec"), annotations: pod.look(&["metadata", "annotations"]), version, server }
    }

    /// All containers, in the order in which they are judged.
    pub(super) fn containers(&self) -> impl Iterator<Item = &'a Value> {
        let spec = self.spec;
        ["initContainers", "containers", "ephemeralContainers"].into_iter().flat_map(move |it| spec.items(it))
    }

    /// The names of the containers that are at fault.
    pub(super) fn guilty(&self, fault: impl Fn(&Value) -> bool) -> Vec<&'a str> {
        self.containers().filter(|it| fault(it)).map(|it| it.text("name")).collect()
    }

    /// Whether the pod is one for Windows, to which some rules do not apply since 1.25.
    pub(super) fn is_for_windows(&self) -> bool {
        self.version >= 25 && self.spec.at("os").text("name") == "windows"
    }

    /// Whether the pod has users of its own, for which some rules are relaxed since 1.35.
    pub(super) fn has_own_users(&self) -> bool {
        self.version >= 35 && self.spec.at("hostUsers").as_bool() == Some(false)
    }
}

/// A container's security context, or a pod's.
pub(super) fn context(it: &Value) -> &Value {
    it.at("securityContext")
}

/// One or many.
pub(super) fn plural<'a>(one: &'a str, many: &'a str, count: usize) -> &'a str {
    if count == 1 { one } else { many }
}

/// `"a", "b"`.
pub(super) fn quoted<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> String {
    texts.into_iter().map(|it| format!("\"{}\"", it.as_ref())).collect::<Vec<_>>().join(", ")
}

/// `containers "a", "b"`.
pub(super) fn containers(names: &[&str]) -> String {
    format!("{} {}", plural("container", "containers", names.len()), quoted(names))
}

/// `pod and container "a"`: whoever set something that must not be set.
pub(super) fn setters(pod: bool, names: &[&str]) -> Option<String> {
    match (pod, names.is_empty()) {
        (false, true) => None,
        (true, true) => Some("pod".to_owned()),
        (false, false) => Some(containers(names)),
        (true, false) => Some(format!("pod and {}", containers(names))),
    }
}

/// What fields of the pod's own context and of its containers' must not say. Who says so, and what.
pub(super) fn forbidden_values<'a>(
    pod: &Pod<'a>,
    value: impl Fn(&'a Value) -> Option<&'a str>,
    allowed: impl Fn(&str) -> bool,
) -> (bool, Vec<&'a str>, BTreeSet<&'a str>) {
    let wrong = |it: &'a Value| value(context(it)).filter(|it| !allowed(it));
    let own = wrong(pod.spec);
    let mut names = Vec::new();
    let mut values: BTreeSet<&str> = own.into_iter().collect();
    for container in pod.containers() {
        if let Some(value) = wrong(container) {
            names.push(container.text("name"));
            values.insert(value);
        }
    }
    (own.is_some(), names, values)
}

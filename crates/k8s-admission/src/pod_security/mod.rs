//! PodSecurity: a namespace's labels say how much a pod there may do to its node.
//!
//! Only what is enforced is answered here. What the labels ask to be told about (`audit`, `warn`) refuses nothing.

mod baseline;
mod check;
mod policy;
mod restricted;

use crate::step::{Outcome, forbidden, is_about};
use check::{Pod, Violation};
use k8s_kinds::value::{Look, items_mut, object_mut, remove, same};
use k8s_registry::admission::{Admission, Attempt, Operation};
use k8s_types::Status;
use policy::{Level, Policy};
use serde_json::Value;

/// The plugin.
pub struct PodSecurity {
    minor: u8,
}

impl PodSecurity {
    /// The plugin of a server of this minor.
    pub fn new(minor: u8) -> Self {
        Self { minor }
    }

    fn namespace(attempt: &Attempt<'_>, object: &Value, old: Option<&Value>) -> Outcome {
        let all = policy::errors(object.at("metadata").at("labels"));
        let before = old.map(|it| policy::errors(it.at("metadata").at("labels"))).unwrap_or_default();
        if all.is_empty() || !before.is_empty() {
            return Ok(());
        }
        let name = crate::step::name_of(attempt, object);
        Err(Box::new(Status::invalid("", "Namespace", name, &all)))
    }

    fn pod(&self, attempt: &Attempt<'_>, pod: &Value, old: Option<&Value>) -> Outcome {
        let Some(namespace) = attempt.registry.peek("", "namespaces", "", attempt.namespace) else { return Ok(()) };
        let (policy, _) = policy::enforced(namespace.at("metadata").at("labels"));
        if policy.level == Level::Privileged || old.is_some_and(|old| !matters(pod, old)) {
            return Ok(());
        }
        let violations = evaluate(&policy, self.minor, pod);
        if violations.is_empty() {
            return Ok(());
        }
        let texts: Vec<String> = violations.iter().map(ToString::to_string).collect();
        Err(forbidden(attempt, pod, format!("violates PodSecurity \"{policy}\": {}", texts.join(", "))))
    }
}

impl Admission for PodSecurity {
    fn check(&self, attempt: &Attempt<'_>, object: &Value, old: Option<&Value>) -> Outcome {
        if attempt.operation == Operation::Delete {
            return Ok(());
        }
        match attempt.subresource {
            "" if is_about(attempt, "", "namespaces") => Self::namespace(attempt, object, old),
            "" | "ephemeralcontainers" | "resize" if is_about(attempt, "", "pods") => self.pod(attempt, object, old),
            _ => Ok(()),
        }
    }
}

/// All that a pod does against a policy, on a server of this minor.
fn evaluate(policy: &Policy, minor: u8, pod: &Value) -> Vec<Violation> {
    let pod = Pod::new(pod, policy.version.unwrap_or(minor).min(minor), minor);
    match policy.level {
        Level::Privileged => Vec::new(),
        Level::Baseline => baseline::check(&pod, false),
        Level::Restricted => {
            let mut found = baseline::check(&pod, true);
            found.extend(restricted::check(&pod));
            found
        }
    }
}

/// Whether a change of a pod is one that a policy may have something to say about.
fn matters(pod: &Value, old: &Value) -> bool {
    let profiles = |it: &Value| -> Vec<(String, Value)> {
        let annotations = it.at("metadata").entries("annotations");
        let marks = ["seccomp.security.alpha.kubernetes.io/", "container.seccomp.security.alpha.kubernetes.io/"];
        let counts = |key: &str| {
            key.starts_with("container.apparmor.security.beta.kubernetes.io/")
                || marks.iter().any(|it| key.starts_with(it))
        };
        let mut found: Vec<_> =
            annotations.filter(|(key, _)| counts(key)).map(|(key, value)| (key.to_owned(), value.clone())).collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found
    };
    profiles(pod) != profiles(old) || !same(&without_harmless(pod), &without_harmless(old))
}

/// A pod's spec without what may change and bears on no policy.
fn without_harmless(pod: &Value) -> Value {
    let mut spec = pod.clone();
    let Some(spec) = object_mut(&mut spec, "spec") else { return Value::Null };
    for field in
        ["activeDeadlineSeconds", "tolerations", "nodeName", "terminationGracePeriodSeconds", "schedulingGates"]
    {
        remove(spec, field);
    }
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        items_mut(spec, list).iter_mut().for_each(|it| {
            remove(it, "image");
            remove(it, "resources");
        });
    }
    spec.take()
}

#[cfg(test)]
mod tests;

//! Priority: a pod's priority and what it does to others follow from its class.

use crate::step::{Outcome, forbidden, is_about};
use k8s_kinds::value::{Look, copy_field, object_made, set};
use k8s_registry::Registry;
use k8s_registry::admission::{Admission, Attempt, Operation};
use k8s_types::Status;
use serde_json::Value;

/// The plugin.
pub struct Priority;

const GROUP: &str = "scheduling.k8s.io";
const CLASSES: &str = "priorityclasses";
/// What pods do to those of lower priority where nothing else is said.
const PREEMPT: &str = "PreemptLowerPriority";
/// The classes that a cluster can't do without.
const SYSTEM: &[&str] = &["system-cluster-critical", "system-node-critical"];

impl Admission for Priority {
    fn change(&self, attempt: &Attempt<'_>, object: &mut Value, old: Option<&Value>) -> Outcome {
        if !attempt.subresource.is_empty() || !is_about(attempt, "", "pods") {
            return Ok(());
        }
        match (attempt.operation, old) {
            (Operation::Create, _) => settle(attempt, object),
            (Operation::Update, Some(old)) => {
                keep(object, old);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn check(&self, attempt: &Attempt<'_>, object: &Value, _old: Option<&Value>) -> Outcome {
        if !attempt.subresource.is_empty() || !is_about(attempt, GROUP, CLASSES) {
            return Ok(());
        }
        let name = crate::step::name_of(attempt, object);
        if attempt.operation == Operation::Delete {
            if SYSTEM.contains(&name) {
                return Err(forbidden(attempt, object, "this is a system priority class and cannot be deleted"));
            }
            return Ok(());
        }
        if !object.flag("globalDefault") {
            return Ok(());
        }
        match default_class(attempt.registry) {
            Some(class) if attempt.operation == Operation::Create || class.at("metadata").text("name") != name => {
                let other = class.at("metadata").text("name");
                let why = format!("PriorityClass {other} is already marked as default. Only one default can exist");
                Err(forbidden(attempt, object, why))
            }
            _ => Ok(()),
        }
    }
}

/// The class of pods that name none: of several the one that gives the least.
fn default_class(registry: &Registry) -> Option<Value> {
    let classes = registry.peek_all(GROUP, CLASSES, "");
    classes.into_iter().filter(|it| it.flag("globalDefault")).min_by_key(|it| it.int("value"))
}

fn settle(attempt: &Attempt<'_>, pod: &mut Value) -> Outcome {
    let class = class_of(attempt, pod)?;
    let (priority, policy) = match &class {
        Some(class) => (class.int("value"), class.at("preemptionPolicy").as_str().unwrap_or(PREEMPT)),
        None => (0, PREEMPT),
    };
    let spec = pod.at("spec");
    if let Some(given) = spec.opt_int("priority").filter(|it| *it != priority) {
        let why = format!(
            "the integer value of priority ({given}) must not be provided in pod spec; priority admission controller \
             computed {priority} from the given PriorityClass name"
        );
        return Err(forbidden(attempt, pod, why));
    }
    if let Some(given) = spec.at("preemptionPolicy").as_str().filter(|it| *it != policy) {
        let why = format!(
            "the string value of PreemptionPolicy ({given}) must not be provided in pod spec; priority admission \
             controller computed {policy} from the given PriorityClass name"
        );
        return Err(forbidden(attempt, pod, why));
    }
    if let Some(spec) = object_made(pod, "spec") {
        if let Some(class) = &class {
            set(spec, "priorityClassName", class.at("metadata").text("name"));
        }
        set(spec, "priority", priority);
        set(spec, "preemptionPolicy", policy);
    }
    Ok(())
}

/// The pod's class, or the default one where it names none.
fn class_of(attempt: &Attempt<'_>, pod: &Value) -> Result<Option<Value>, Box<Status>> {
    let name = pod.at("spec").text("priorityClassName");
    if name.is_empty() {
        return Ok(default_class(attempt.registry));
    }
    match attempt.registry.peek(GROUP, CLASSES, "", name) {
        Some(class) => Ok(Some(class)),
        None => Err(forbidden(attempt, pod, format!("no PriorityClass with name {name} was found"))),
    }
}

/// A client that does not know these fields does not take them away.
fn keep(pod: &mut Value, old: &Value) {
    let Some(spec) = object_made(pod, "spec") else { return };
    for field in ["priority", "preemptionPolicy"] {
        if !spec.has(field) && old.at("spec").has(field) {
            copy_field(spec, old.at("spec"), field);
        }
    }
}

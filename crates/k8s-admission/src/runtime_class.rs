//! RuntimeClass: what a pod's runtime needs besides, and where it is to be had.

use crate::step::{Outcome, does, forbidden, list_made, map_made};
use k8s_kinds::value::{Look, object_made, same, set};
use k8s_registry::admission::{Admission, Attempt, Operation};
use k8s_types::Status;
use serde_json::Value;

/// The plugin.
pub struct RuntimeClass;

impl Admission for RuntimeClass {
    fn change(&self, attempt: &Attempt<'_>, object: &mut Value, _old: Option<&Value>) -> Outcome {
        if !does(attempt, Operation::Create, "", "pods") {
            return Ok(());
        }
        let Some(class) = class_of(attempt, object)? else { return Ok(()) };
        let overhead = class.look(&["overhead", "podFixed"]);
        if class.has("overhead") {
            let given = object.at("spec").at("overhead");
            if given.is_object() && !same_amounts(given, overhead) {
                return Err(forbidden(attempt, object, MISMATCH));
            }
            if let Some(spec) = object_made(object, "spec") {
                set(spec, "overhead", overhead.clone());
            }
        }
        place(object, class.at("scheduling")).map_err(|why| forbidden(attempt, object, why))
    }

    fn check(&self, attempt: &Attempt<'_>, object: &Value, _old: Option<&Value>) -> Outcome {
        if !does(attempt, Operation::Create, "", "pods") {
            return Ok(());
        }
        let class = class_of(attempt, object)?;
        let given = object.at("spec").at("overhead");
        match class.as_ref().map(|it| it.at("overhead")).filter(|it| it.is_object()) {
            Some(overhead) if !same_amounts(given, overhead.at("podFixed")) => {
                Err(forbidden(attempt, object, MISMATCH))
            }
            None if given.as_object().is_some_and(|it| !it.is_empty()) => {
                let why = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead";
                Err(forbidden(attempt, object, why))
            }
            _ => Ok(()),
        }
    }
}

const MISMATCH: &str = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead";

fn class_of(attempt: &Attempt<'_>, pod: &Value) -> Result<Option<Value>, Box<Status>> {
    let Some(name) = pod.at("spec").at("runtimeClassName").as_str() else { return Ok(None) };
    let class = attempt.registry.peek("node.k8s.io", "runtimeclasses", "", name);
    let missing = || forbidden(attempt, pod, format!("pod rejected: RuntimeClass \"{name}\" not found"));
    class.map(Some).ok_or_else(missing)
}

fn same_amounts(a: &Value, b: &Value) -> bool {
    let amounts = |it: &Value| -> std::collections::BTreeMap<String, _> {
        let entries = it.as_object().into_iter().flatten();
        entries.map(|(name, value)| (name.clone(), crate::amounts::amount(value))).collect()
    };
    amounts(a) == amounts(b)
}

/// Sends a pod to where its runtime is.
fn place(pod: &mut Value, scheduling: &Value) -> Result<(), String> {
    let Some(spec) = object_made(pod, "spec") else { return Ok(()) };
    for (key, wanted) in scheduling.entries("nodeSelector") {
        let Some(selector) = map_made(spec, "nodeSelector") else { continue };
        match selector.get(key).and_then(Value::as_str) {
            Some(given) if Some(given) != wanted.as_str() => {
                return Err(format!(
                    "conflict: runtimeClass.scheduling.nodeSelector[{key}] = {}; pod.spec.nodeSelector[{key}] = {given}",
                    wanted.as_str().unwrap_or_default(),
                ));
            }
            Some(_) => {}
            None => drop(selector.insert(key.to_owned(), wanted.clone())),
        }
    }
    for toleration in scheduling.items("tolerations") {
        let Some(there) = list_made(spec, "tolerations") else { break };
        if !there.iter().any(|it| covers(it, toleration)) {
            there.retain(|it| !covers(toleration, it));
            there.push(toleration.clone());
        }
    }
    Ok(())
}

/// Whether a toleration tolerates all that another one does.
fn covers(a: &Value, b: &Value) -> bool {
    if same(a, b) {
        return true;
    }
    let operator =
        |it: &Value| if it.text("operator").is_empty() { "Equal".to_owned() } else { it.text("operator").to_owned() };
    let (exists, key) = (operator(a) == "Exists", a.text("key"));
    if key != b.text("key") && !(key.is_empty() && exists) {
        return false;
    }
    if !a.text("effect").is_empty() && a.text("effect") != b.text("effect") {
        return false;
    }
    let longer = match (a.opt_int("tolerationSeconds"), b.opt_int("tolerationSeconds")) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(a), Some(b)) => a >= b,
    };
    let no_execute = a.text("effect") == "NoExecute";
    (longer || !no_execute) && (exists || operator(b) == "Equal" && a.text("value") == b.text("value"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tolerations_that_add_nothing_are_left_out() {
        let mut pod = json!({"spec": {"tolerations": [{"operator": "Exists"}]}});
        place(&mut pod, &json!({"tolerations": [{"key": "k", "operator": "Exists"}]})).unwrap();
        assert_eq!(pod["spec"]["tolerations"], json!([{"operator": "Exists"}]));
        let mut pod = json!({"spec": {"tolerations": [{"key": "k", "value": "v"}]}});
        place(&mut pod, &json!({"tolerations": [{"key": "k", "operator": "Exists"}]})).unwrap();
        assert_eq!(pod["spec"]["tolerations"], json!([{"key": "k", "operator": "Exists"}]));
    }

    #[test]
    fn selectors_must_agree() {
        let mut pod = json!({"spec": {"nodeSelector": {"a": "z"}}});
        let why = place(&mut pod, &json!({"nodeSelector": {"a": "b"}})).unwrap_err();
        assert_eq!(why, "conflict: runtimeClass.scheduling.nodeSelector[a] = b; pod.spec.nodeSelector[a] = z");
    }
}

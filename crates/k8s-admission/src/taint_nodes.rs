//! TaintNodesByCondition: a new node takes no pods until it is known to be ready.

use crate::step::{Outcome, does, list_made};
use k8s_kinds::value::{Look, object_made};
use k8s_registry::admission::{Admission, Attempt, Operation};
use serde_json::{Value, json};

/// The plugin.
pub struct TaintNodesByCondition;

const NOT_READY: &str = "node.kubernetes.io/not-ready";
const EFFECT: &str = "NoSchedule";

impl Admission for TaintNodesByCondition {
    fn change(&self, attempt: &Attempt<'_>, object: &mut Value, _old: Option<&Value>) -> Outcome {
        if !does(attempt, Operation::Create, "", "nodes") {
            return Ok(());
        }
        let taints = object_made(object, "spec").and_then(|spec| list_made(spec, "taints"));
        if let Some(taints) = taints
            && !taints.iter().any(|it| it.text("key") == NOT_READY && it.text("effect") == EFFECT)
        {
            taints.push(json!({"key": NOT_READY, "effect": EFFECT}));
        }
        Ok(())
    }
}

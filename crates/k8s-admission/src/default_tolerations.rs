//! DefaultTolerationSeconds: pods stay for a while on a node that is not ready or not reachable.

use crate::step::{Outcome, is_about, list_made};
use k8s_kinds::value::{Look, object_made};
use k8s_registry::admission::{Admission, Attempt, Operation};
use serde_json::{Value, json};

/// The plugin.
pub struct DefaultTolerationSeconds;

const TAINTS: &[&str] = &["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];
const SECONDS: u32 = 300;

impl Admission for DefaultTolerationSeconds {
    fn change(&self, attempt: &Attempt<'_>, object: &mut Value, _old: Option<&Value>) -> Outcome {
        let concerned = attempt.operation != Operation::Delete && attempt.subresource.is_empty();
        if !concerned || !is_about(attempt, "", "pods") {
            return Ok(());
        }
        let Some(spec) = object_made(object, "spec") else { return Ok(()) };
        for taint in TAINTS {
            let tolerated = spec.items("tolerations").iter().any(|it| tolerates(it, taint));
            if !tolerated && let Some(tolerations) = list_made(spec, "tolerations") {
                tolerations.push(json!({
                    "key": taint, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": SECONDS,
                }));
            }
        }
        Ok(())
    }
}

fn tolerates(toleration: &Value, taint: &str) -> bool {
    let (key, effect) = (toleration.text("key"), toleration.text("effect"));
    (key.is_empty() || key == taint) && (effect.is_empty() || effect == "NoExecute")
}

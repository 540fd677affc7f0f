//! LimitRanger: a namespace's limit ranges give containers what they don't ask for, and hold everything within bounds.

mod bounds;
mod defaults;

use crate::step::{Outcome, aggregate, forbidden, is_about};
use k8s_kinds::value::Look;
use k8s_registry::admission::{Admission, Attempt, Operation};
use serde_json::Value;

/// The plugin.
pub struct LimitRanger;

impl Admission for LimitRanger {
    fn change(&self, attempt: &Attempt<'_>, object: &mut Value, _old: Option<&Value>) -> Outcome {
        if attempt.operation == Operation::Create && attempt.subresource.is_empty() && is_about(attempt, "", "pods") {
            for range in ranges(attempt) {
                defaults::apply(&range, object);
            }
        }
        Ok(())
    }

    fn check(&self, attempt: &Attempt<'_>, object: &Value, old: Option<&Value>) -> Outcome {
        let Some(complaints) = judge(attempt, old) else { return Ok(()) };
        for range in ranges(attempt) {
            if let Some(why) = aggregate(complaints(&range, object)) {
                return Err(forbidden(attempt, object, why));
            }
        }
        Ok(())
    }
}

/// What judges the attempt's object by a limit range; `None` where no limit applies.
fn judge(attempt: &Attempt<'_>, old: Option<&Value>) -> Option<fn(&Value, &Value) -> Vec<String>> {
    let updates = attempt.operation == Operation::Update;
    // What is on its way out may change as it must.
    let leaving = updates && old.is_some_and(|it| it.at("metadata").has("deletionTimestamp"));
    if attempt.operation == Operation::Delete || leaving {
        return None;
    }
    // What a pod asks for changes only through its own subresource.
    let whole = attempt.subresource.is_empty();
    if is_about(attempt, "", "pods") && (whole && !updates || attempt.subresource == "resize") {
        return Some(bounds::of_pod);
    }
    (whole && is_about(attempt, "", "persistentvolumeclaims")).then_some(bounds::of_claim)
}

fn ranges(attempt: &Attempt<'_>) -> Vec<Value> {
    attempt.registry.peek_all("", "limitranges", attempt.namespace)
}

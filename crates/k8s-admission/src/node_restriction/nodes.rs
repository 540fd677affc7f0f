//! What a kubelet may do to its node.

use super::{Case, labels};
use crate::step::{Outcome, name_of};
use k8s_kinds::value::{Look, same};
use k8s_registry::admission::Operation;
use serde_json::Value;

pub(super) fn judge(case: &Case<'_>) -> Outcome {
    let node = case.node;
    let name = name_of(case.attempt, case.object);
    if name != node {
        return case.refuse(format!("node \"{node}\" is not allowed to modify node \"{name}\""));
    }
    match (case.attempt.operation, case.old) {
        (Operation::Create, _) => {
            let forbidden = labels::forbidden(case.object, &Value::Null).join(", ");
            let why = format!("node \"{node}\" is not allowed to set the following labels: {forbidden}");
            case.refuse_unless(forbidden.is_empty(), &why)
        }
        (Operation::Update, Some(old)) => {
            let taints = |it: &Value| it.look(&["spec", "taints"]).clone();
            if !same(&taints(case.object), &taints(old)) {
                return case.refuse(format!("node \"{node}\" is not allowed to modify taints"));
            }
            let forbidden = labels::forbidden(case.object, old).join(", ");
            let why = format!("is not allowed to modify labels: {forbidden}");
            case.refuse_unless(forbidden.is_empty(), &why)
        }
        _ => Ok(()),
    }
}

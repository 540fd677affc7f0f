//! NamespaceLifecycle: nothing is made in a namespace that is absent or on its way out, and some namespaces are there
//! for good. (The registry sees to the first as well, until the write is committed; here it is said before anything
//! else is.)

use crate::step::{Known, Outcome, does, forbidden, name_of};
use k8s_kinds::value::Look;
use k8s_registry::admission::{Admission, Attempt, Operation};
use k8s_types::{Cause, Details, Status};
use serde_json::Value;

/// The plugin.
#[derive(Default)]
pub struct NamespaceLifecycle {
    namespaces: Known,
}

const IMMORTAL: &[&str] = &["default", "kube-system", "kube-public"];

/// What a namespace has that is on its way out.
const MARK: &str = "\"deletionTimestamp\"";

impl Admission for NamespaceLifecycle {
    fn change(&self, attempt: &Attempt<'_>, object: &mut Value, _old: Option<&Value>) -> Outcome {
        if attempt.operation != Operation::Create || !attempt.endpoint.resource().namespaced {
            return Ok(());
        }
        let Some(endpoint) = self.namespaces.endpoint(attempt.registry, "", "namespaces") else { return Ok(()) };
        let Some(namespace) = attempt.registry.find(endpoint, "", attempt.namespace)? else {
            return Err(Box::new(Status::not_found(endpoint.group_resource(), attempt.namespace)));
        };
        // Most namespaces stay, which their bytes tell without being read.
        let suspect = str::from_utf8(&namespace.bytes).is_ok_and(|it| it.contains(MARK));
        if suspect && attempt.registry.read(endpoint, &namespace).at("metadata").has("deletionTimestamp") {
            return Err(terminating(attempt, name_of(attempt, object)));
        }
        Ok(())
    }

    fn check(&self, attempt: &Attempt<'_>, object: &Value, _old: Option<&Value>) -> Outcome {
        if does(attempt, Operation::Delete, "", "namespaces") && IMMORTAL.contains(&attempt.name) {
            return Err(forbidden(attempt, object, "this namespace may not be deleted"));
        }
        Ok(())
    }
}

fn terminating(attempt: &Attempt<'_>, name: &str) -> Box<Status> {
    let at = attempt.namespace;
    let why = format!("unable to create new content in namespace {at} because it is being terminated");
    let mut status = Status::forbidden(attempt.endpoint.group_resource(), name, &why);
    let cause = Cause {
        reason: "NamespaceTerminating".to_owned(),
        message: format!("namespace {at} is being terminated"),
        field: "metadata.namespace".to_owned(),
    };
    status.details.get_or_insert_with(|| Box::new(Details::default())).causes.push(cause);
    Box::new(status)
}

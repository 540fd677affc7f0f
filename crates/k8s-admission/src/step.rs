//! What plugins ask of an attempt, and how they refuse it.

use k8s_authz::User;
use k8s_kinds::value::Look;
use k8s_registry::admission::{Asker, Attempt, Operation};
use k8s_registry::{Endpoint, Registry};
use k8s_types::Status;
use serde_json::Value;
use std::sync::{Arc, OnceLock};

/// What a step comes to.
pub(crate) type Outcome = Result<(), Box<Status>>;

/// The annotation of a pod that stands for one that its node runs by itself.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// The endpoint of a resource that is looked at with every write: found once.
#[derive(Default)]
pub(crate) struct Known(OnceLock<Option<Arc<Endpoint>>>);

impl Known {
    /// The endpoint, in whatever version comes first.
    pub(crate) fn endpoint(&self, registry: &Registry, group: &str, plural: &str) -> Option<&Arc<Endpoint>> {
        self.0.get_or_init(|| registry.catalog().any_version(group, plural).cloned()).as_ref()
    }
}

/// Whether an attempt is about a resource: the object itself or one of its subresources.
pub(crate) fn is_about(attempt: &Attempt<'_>, group: &str, plural: &str) -> bool {
    let resource = attempt.endpoint.resource();
    *resource.plural == *plural && *resource.group == *group
}

/// Whether an attempt does something to an object of a resource, not to a subresource.
pub(crate) fn does(attempt: &Attempt<'_>, operation: Operation, group: &str, plural: &str) -> bool {
    attempt.operation == operation && attempt.subresource.is_empty() && is_about(attempt, group, plural)
}

/// The object's name; what it begins with where the server makes one up.
pub(crate) fn name_of<'a>(attempt: &Attempt<'a>, object: &'a Value) -> &'a str {
    let metadata = object.at("metadata");
    match (attempt.name, metadata.text("name")) {
        ("", "") => metadata.text("generateName"),
        ("", name) => name,
        (name, _) => name,
    }
}

/// A refusal; `why` is the sentence after the colon.
pub(crate) fn forbidden(attempt: &Attempt<'_>, object: &Value, why: impl AsRef<str>) -> Box<Status> {
    Box::new(Status::forbidden(attempt.endpoint.group_resource(), name_of(attempt, object), why.as_ref()))
}

/// Who asks, for an authorizer.
pub(crate) fn user_of(asker: &Asker<'_>) -> User {
    User {
        name: asker.name.to_owned(),
        uid: asker.uid.to_owned(),
        groups: asker.groups.to_vec(),
        extra: asker.extra.clone(),
    }
}

/// Several complaints as one text: each is told once, and brackets hold more than one.
pub(crate) fn aggregate(mut texts: Vec<String>) -> Option<String> {
    let mut told = std::collections::HashSet::new();
    texts.retain(|it| told.insert(it.clone()));
    match texts.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        many => Some(format!("[{}]", many.join(", "))),
    }
}

/// Whether a pod stands for one that its node runs by itself.
pub(crate) fn is_mirror(pod: &Value) -> bool {
    pod.look(&["metadata", "annotations", MIRROR]).is_string()
}

/// The map in the field `name`, made where it is not there.
pub(crate) fn map_made<'a>(object: &'a mut Value, name: &str) -> Option<&'a mut serde_json::Map<String, Value>> {
    k8s_kinds::value::object_made(object, name)?.as_object_mut()
}

/// The list in the field `name`, made where it is not there.
pub(crate) fn list_made<'a>(object: &'a mut Value, name: &str) -> Option<&'a mut Vec<Value>> {
    k8s_kinds::value::set_default(object, name, Vec::<Value>::new());
    object.get_mut(name)?.as_array_mut()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_told_once() {
        let texts = |it: &[&str]| aggregate(it.iter().map(ToString::to_string).collect());
        assert_eq!(texts(&[]), None);
        assert_eq!(texts(&["a", "a"]).as_deref(), Some("a"));
        assert_eq!(texts(&["a", "b", "a"]).as_deref(), Some("[a, b]"));
    }
}

//! The steps of a write that depend on the kind.

use k8s_types::Errors;
use k8s_types::names::{self, NameRule};
use serde_json::Value;

/// What else a step may depend on.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The cluster's Kubernetes minor: 24 is 1.24.
    pub minor: u8,
    /// The API version that the object is written in, without its group: `v1`, `v2`, `v1beta1`.
    pub version: &'a str,
    /// The time of the request, RFC 3339 in seconds.
    pub now: &'a str,
}

/// The steps of one kind. Every step has the answer of a kind without peculiarities as its default.
///
/// The object's shape was checked before (every field has the JSON type that the schema gives it), so a step reads
/// what it needs and leaves the rest. `metadata` is validated elsewhere, but for a name rule that is the kind's own.
pub trait Kind: Sync {
    /// The form of the kind's object names.
    fn name_rule(&self) -> NameRule {
        names::name_is_subdomain
    }

    /// Fills in what is absent. Runs on everything that is read from a client and after every patch.
    fn default(&self, _object: &mut Value, _cx: &Context<'_>) {}

    /// What a create drops or sets: status, fields that this minor has switched off, generated labels.
    fn prepare_for_create(&self, _object: &mut Value, _cx: &Context<'_>) {}

    /// What an update keeps from `old`: status, values that the server owns.
    fn prepare_for_update(&self, _object: &mut Value, _old: &Value, _cx: &Context<'_>) {}

    /// Whether `metadata.generation` is set at a create and rises with every change outside metadata and status.
    fn has_generation(&self) -> bool {
        false
    }

    /// The first minor in which [`Self::has_generation`] holds.
    fn generation_since(&self) -> u8 {
        0
    }

    /// What a change through `/status` keeps from `old`: all but status and metadata.
    fn prepare_for_status_update(&self, object: &mut Value, old: &Value, _cx: &Context<'_>) {
        keep_all_but_status(object, old);
    }

    /// Whether an update without `metadata.resourceVersion` is taken.
    fn allows_unconditional_update(&self) -> bool {
        true
    }

    /// Whether an update of a name that is not there makes it.
    fn allows_create_on_update(&self) -> bool {
        false
    }

    /// What is wrong with a new object.
    fn validate(&self, _object: &Value, _cx: &Context<'_>) -> Errors {
        Errors::new()
    }

    /// What is wrong with a change. Includes what [`Self::validate`] finds in the new object.
    fn validate_update(&self, object: &Value, _old: &Value, cx: &Context<'_>) -> Errors {
        self.validate(object, cx)
    }

    /// What is wrong with a change through `/status`.
    fn validate_status_update(&self, _object: &Value, _old: &Value, _cx: &Context<'_>) -> Errors {
        Errors::new()
    }

    /// What a client is warned of when it writes the object: texts for the `Warning` header.
    fn warnings(&self, _object: &Value, _old: Option<&Value>, _cx: &Context<'_>) -> Vec<String> {
        Vec::new()
    }
}

/// Takes over everything from `old` but status and metadata.
pub(crate) fn keep_all_but_status(object: &mut Value, old: &Value) {
    if let (Some(object), Some(old)) = (object.as_object_mut(), old.as_object()) {
        let kept = |name: &str| !matches!(name, "apiVersion" | "kind" | "metadata" | "status");
        object.retain(|name, _| !kept(name) || old.contains_key(name));
        for (name, value) in old.iter().filter(|(name, _)| kept(name)) {
            object.insert(name.clone(), value.clone());
        }
    }
}

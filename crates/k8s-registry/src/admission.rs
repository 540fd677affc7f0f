//! What else looks at a write after it was decoded: changes it, or refuses it.

use crate::catalog::Endpoint;
use crate::registry::Registry;
use k8s_types::Status;
use serde_json::Value;
use std::collections::BTreeMap;

/// What a write does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// A new object.
    Create,
    /// A change.
    Update,
    /// An end.
    Delete,
}

/// Who writes, as far as a step of admission may have to know.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// The user's name.
    pub name: &'a str,
    /// The user's uid, or empty.
    pub uid: &'a str,
    /// The groups that the user is in.
    pub groups: &'a [String],
    /// What else is known.
    pub extra: &'a BTreeMap<String, Vec<String>>,
}

impl Asker<'static> {
    /// The server itself.
    pub fn server() -> Self {
        static NOTHING: BTreeMap<String, Vec<String>> = BTreeMap::new();
        Self { name: "system:apiserver", uid: "", groups: &[], extra: &NOTHING }
    }
}

/// A write that is about to happen.
pub struct Attempt<'a> {
    /// The cluster.
    pub registry: &'a Registry,
    /// The resource.
    pub endpoint: &'a Endpoint,
    /// Its subresource; empty for the object itself.
    pub subresource: &'a str,
    /// What is done.
    pub operation: Operation,
    /// Where; empty for a resource without namespaces.
    pub namespace: &'a str,
    /// The object's name; empty for one that the server will name.
    pub name: &'a str,
    /// Whether nothing will be written.
    pub dry_run: bool,
    /// Who writes.
    pub asker: Asker<'a>,
    /// When.
    pub now: jiff::Timestamp,
}

/// One step of admission. Steps run in the order in which a server has them: all changes first, then all checks.
pub trait Admission: Send + Sync {
    /// Changes the object.
    ///
    /// # Errors
    /// A refusal.
    fn change(&self, _attempt: &Attempt<'_>, _object: &mut Value, _old: Option<&Value>) -> Result<(), Box<Status>> {
        Ok(())
    }

    /// Looks at the object as it would be stored; for a delete, at the object that is there.
    ///
    /// # Errors
    /// A refusal.
    fn check(&self, _attempt: &Attempt<'_>, _object: &Value, _old: Option<&Value>) -> Result<(), Box<Status>> {
        Ok(())
    }
}

//! The way of a write: decoded object in, stored object out.
//!
//! `create`, `update` (which patches and applies use too) and `delete` follow the steps of the API's documents;
//! each reads, decides, and commits with a compare on what it read, and starts again when somebody was faster.

mod collection;
mod create;
mod delete;
mod meta;
mod patch;
mod subresource;
mod update;

pub use delete::{DeleteOptions, Propagation};
pub use patch::Patch;

use crate::admission::{Asker, Attempt, Operation};
use crate::catalog::{Endpoint, KindVersions};
use crate::encoding::{self, Stored};
use crate::keys;
use crate::registry::{Registry, failure};
use bytes::Bytes;
use k8s_kinds::Context;
use k8s_types::decode::{DecodeError, Decoded};
use k8s_types::{Errors, Status};
use serde_json::Value;
use store::{Compare, KeyRange, Op, Txn};

/// How often a write starts again when somebody was faster.
const ROUNDS: usize = 60;

/// What becomes of fields that the kind does not have, and of those that are given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Validation {
    /// They are dropped.
    Ignore,
    /// They are dropped, and the client is told.
    #[default]
    Warn,
    /// They are refused.
    Strict,
}

/// What a request says besides the object.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// The field manager.
    pub manager: &'a str,
    /// Go all the way, but write nothing.
    pub dry_run: bool,
    /// Unknown and duplicate fields.
    pub validation: Validation,
    /// The time of the request.
    pub now: jiff::Timestamp,
    /// Who writes.
    pub asker: Asker<'a>,
}

/// What a write is about.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    /// The resource.
    pub endpoint: &'a Endpoint,
    /// The subresource; empty for the object itself.
    pub subresource: &'a str,
    /// Empty for a resource without namespaces.
    pub namespace: &'a str,
    /// Empty where the object says it, or the server makes one up.
    pub name: &'a str,
}

/// What a write came to.
#[derive(Debug)]
pub struct Done {
    /// The object as it is now, in the endpoint's version.
    pub object: Value,
    /// Whether it is new.
    pub created: bool,
    /// Whether it is gone: it was waiting for its last finalizer.
    pub deleted: bool,
    /// For the `Warning` header.
    pub warnings: Vec<String>,
}

impl Options<'_> {
    /// The time as objects have it.
    fn stamp(&self) -> String {
        k8s_types::age::format(self.now)
    }
}

impl<'a> Target<'a> {
    fn context(&self, registry: &'a Registry, now: &'a str) -> Context<'a> {
        Context { minor: registry.catalog.release().minor(), version: &self.endpoint.resource().version, now }
    }

    /// An Invalid status about an object by its name.
    pub(crate) fn invalid(&self, name: &str, errors: &[k8s_types::FieldError]) -> Box<Status> {
        let resource = self.endpoint.resource();
        Box::new(Status::invalid(&resource.group, &resource.kind, name, errors))
    }

    fn key(&self, name: &str) -> Bytes {
        keys::object(&self.endpoint.prefix, self.namespace, name)
    }

    /// Why a body can't be read, in the words of the API.
    pub fn undecodable(&self, error: &DecodeError) -> Box<Status> {
        let resource = self.endpoint.resource();
        Box::new(Status::bad_request(format!(
            "{kind} in version {version} cannot be handled as a {kind}: {error}",
            kind = resource.kind,
            version = k8s_types::status::quote(&resource.version),
        )))
    }

    /// What strict validation says of a decoded body: refuses, or returns the warnings.
    ///
    /// # Errors
    /// 400 where the client wants it so.
    pub fn judge(&self, decoded: &Decoded, validation: Validation) -> Result<Vec<String>, Box<Status>> {
        if decoded.strict.is_empty() || validation == Validation::Ignore {
            return Ok(Vec::new());
        }
        let texts: Vec<String> = decoded.strict.iter().map(ToString::to_string).collect();
        if validation == Validation::Warn {
            return Ok(texts);
        }
        let error = DecodeError::Form(format!("strict decoding error: {}", texts.join(", ")));
        Err(self.undecodable(&error))
    }
}

/// What a commit depends on besides the object itself, and what it writes besides it.
#[derive(Default)]
pub(crate) struct Beside {
    pub(crate) compares: Vec<Compare>,
    pub(crate) ops: Vec<Op>,
}

impl Registry {
    /// Does something with the bookkeeping of field ownership of a target.
    fn with_manager<T>(
        &self,
        target: &Target<'_>,
        subresource: &str,
        act: impl FnOnce(&k8s_patch::managed::Manager<'_>) -> T,
    ) -> Option<T> {
        let versions = KindVersions { catalog: &self.catalog, kind: &target.endpoint.resource().kind };
        let manager = target.endpoint.manager(subresource, &versions)?;
        Some(act(&manager))
    }

    /// Notes who owns what in an object that is answered and not stored.
    pub fn note_owner(&self, target: &Target<'_>, object: &mut Value, options: &Options<'_>) {
        self.with_manager(target, "", |manager| manager.update(None, object, options.manager, &options.stamp()));
    }

    fn attempt<'a>(&'a self, target: &Target<'a>, operation: Operation, options: &Options<'a>) -> Attempt<'a> {
        Attempt {
            registry: self,
            endpoint: target.endpoint,
            subresource: target.subresource,
            operation,
            namespace: target.namespace,
            name: target.name,
            dry_run: options.dry_run,
            asker: options.asker,
            now: options.now,
        }
    }

    /// Runs the steps of admission that change the object.
    fn admit(&self, attempt: &Attempt<'_>, object: &mut Value, old: Option<&Value>) -> Result<(), Box<Status>> {
        self.admission.iter().try_for_each(|step| step.change(attempt, object, old))
    }

    /// Runs the steps of admission that check it.
    fn check(&self, attempt: &Attempt<'_>, object: &Value, old: Option<&Value>) -> Result<(), Box<Status>> {
        self.admission.iter().try_for_each(|step| step.check(attempt, object, old))
    }

    /// The stored form of an object.
    fn encode(&self, target: &Target<'_>, object: &Value) -> Bytes {
        if !target.endpoint.is_converted() {
            return encoding::encode(object);
        }
        let mut stored = object.clone();
        target.endpoint.to_stored(&mut stored);
        encoding::encode(&stored)
    }

    /// Commits one object's new value (`None` deletes it) if it still is at `revision` (0: if it is not there).
    /// Returns the new resource version; `None` when somebody was faster.
    async fn commit(
        &self,
        key: Bytes,
        revision: u64,
        value: Option<Bytes>,
        beside: Beside,
    ) -> Result<Option<u64>, Box<Status>> {
        let mut compares = beside.compares;
        compares.push(Compare::ModRevision(key.clone(), revision));
        let mut success = beside.ops;
        success.push(match value {
            Some(value) => Op::Put(key, value),
            None => Op::Delete(KeyRange::key(key)),
        });
        let done = self.store.txn(Txn { compares, success, failure: Vec::new() }).await;
        let done = done.map_err(|error| failure(&error))?;
        Ok(done.succeeded.then_some(done.revision))
    }

    /// The object that is there, with its stored form.
    fn live(&self, target: &Target<'_>, name: &str) -> Result<Option<(Stored, Value)>, Box<Status>> {
        let found = self.find(target.endpoint, target.namespace, name)?;
        Ok(found.map(|stored| {
            let object = self.read(target.endpoint, &stored);
            (stored, object)
        }))
    }
}

/// Refuses when there is something to complain of.
fn refuse(target: &Target<'_>, name: &str, errors: &Errors) -> Result<(), Box<Status>> {
    if errors.is_empty() { Ok(()) } else { Err(target.invalid(name, errors)) }
}

impl Target<'_> {
    /// The name of an object that is about to be written.
    pub(crate) fn name_of(&self, object: &Value) -> String {
        let name = meta::text(object, "name");
        if name.is_empty() { self.name.to_owned() } else { name.to_owned() }
    }
}

//! Making many objects in few transactions. Each goes the way of a create up to the write.

use super::writer;
use crate::metadata::at;
use jiff::Timestamp;
use k8s_registry::{Endpoint, Registry, Target, encoding, keys};
use k8s_types::Status;
use serde_json::Value;
use std::sync::Arc;
use store::{Compare, Op, Txn};

/// At most so many bytes of objects go into one transaction: half of what stores take.
const MOST_BYTES: usize = 512 << 10;
/// At most so many objects.
const MOST_OBJECTS: usize = 120;

/// Objects that will be made.
pub(super) struct Batch<'a> {
    pub(super) registry: &'a Registry,
    pub(super) now: Timestamp,
    made: Vec<Made>,
}

struct Made {
    compare: Compare,
    op: Op,
    size: usize,
}

/// The endpoint of an object; nothing for a kind that the minor doesn't serve.
pub(super) fn endpoint<'a>(registry: &'a Registry, object: &Value) -> Option<&'a Arc<Endpoint>> {
    registry.catalog().endpoint_of_kind(at(object, "/apiVersion"), at(object, "/kind"))
}

/// The namespace and the name of an object.
pub(super) fn names(object: &Value) -> (&str, &str) {
    (at(object, "/metadata/namespace"), at(object, "/metadata/name"))
}

impl<'a> Batch<'a> {
    pub(super) fn new(registry: &'a Registry, now: Timestamp) -> Self {
        Self { registry, now, made: Vec::new() }
    }

    /// The object that is there by the kind and the names of this one; nothing for a kind that is not served.
    pub(super) fn live(&self, object: &Value) -> Result<Option<Value>, Box<Status>> {
        let Some(endpoint) = endpoint(self.registry, object) else { return Ok(None) };
        let (namespace, name) = names(object);
        Ok(self.registry.find(endpoint, namespace, name)?.map(|it| self.registry.read(endpoint, &it)))
    }

    /// Makes an object if there is none of its name.
    pub(super) async fn make(&mut self, object: Value, manager: &'static str) -> Result<(), Box<Status>> {
        self.make_with(object, manager, |_| {}).await
    }

    /// Makes an object if there is none of its name; `finish` adds what a create would drop.
    pub(super) async fn make_with(
        &mut self,
        object: Value,
        manager: &'static str,
        finish: impl FnOnce(&mut Value),
    ) -> Result<(), Box<Status>> {
        let Some(endpoint) = endpoint(self.registry, &object) else { return Ok(()) };
        let (namespace, name) = names(&object);
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        if self.registry.find(endpoint, &namespace, &name)?.is_some() {
            return Ok(());
        }
        let target = Target { endpoint, subresource: "", namespace: &namespace, name: &name };
        let mut options = writer(manager, self.now);
        options.dry_run = true;
        let mut made = match self.registry.create(target, object, options).await {
            Ok(done) => done.object,
            // Its namespace ends.
            Err(status) if status.code == 403 || status.code == 404 => return Ok(()),
            Err(status) => return Err(status),
        };
        finish(&mut made);
        if endpoint.is_converted() {
            endpoint.to_stored(&mut made);
        }
        let key = keys::object(&endpoint.prefix, &namespace, &name);
        let value = encoding::encode(&made);
        let size = key.len() + value.len();
        self.made.push(Made { compare: Compare::ModRevision(key.clone(), 0), op: Op::Put(key, value), size });
        Ok(())
    }

    /// Replaces an object at the version that it names.
    pub(super) async fn replace(&self, object: Value, manager: &'static str) -> Result<(), Box<Status>> {
        let Some(endpoint) = endpoint(self.registry, &object) else { return Ok(()) };
        let (namespace, name) = names(&object);
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        let target = Target { endpoint, subresource: "", namespace: &namespace, name: &name };
        match self.registry.update(target, object, writer(manager, self.now)).await {
            // Somebody was faster, and the next start looks again.
            Err(status) if !matches!(status.code, 404 | 409) => Err(status),
            _ => Ok(()),
        }
    }

    /// Writes what was made, all of it under way at the same time.
    pub(super) async fn commit(self) -> Result<(), Box<Status>> {
        let store = self.registry.store();
        let chunks = chunks(self.made).into_iter().map(|chunk| async move {
            match store.txn(transaction(&chunk)).await {
                Ok(done) if done.succeeded => return Ok(()),
                Ok(_) => {}
                Err(error) => return Err(Box::new(Status::internal(error.to_string()))),
            }
            // Somebody made one of them meanwhile; the others are still wanted.
            for one in chunk.chunks(1) {
                let done = store.txn(transaction(one)).await;
                done.map_err(|error| Box::new(Status::internal(error.to_string())))?;
            }
            Ok(())
        });
        futures::future::try_join_all(chunks).await.map(drop)
    }
}

fn transaction(made: &[Made]) -> Txn {
    Txn {
        compares: made.iter().map(|it| it.compare.clone()).collect(),
        success: made.iter().map(|it| it.op.clone()).collect(),
        failure: Vec::new(),
    }
}

/// Cuts into pieces that a store takes.
fn chunks(made: Vec<Made>) -> Vec<Vec<Made>> {
    let (mut chunks, mut bytes) = (Vec::new(), 0);
    for one in made {
        bytes += one.size;
        match chunks.last_mut() {
            Some(last) if bytes <= MOST_BYTES && Vec::len(last) < MOST_OBJECTS => last.push(one),
            _ => {
                bytes = one.size;
                chunks.push(vec![one]);
            }
        }
    }
    chunks
}

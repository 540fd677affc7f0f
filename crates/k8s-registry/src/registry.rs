//! One cluster's objects.

use crate::admission::Admission;
use crate::catalog::{Catalog, Endpoint};
use crate::encoding::Stored;
use crate::keys;
use crate::log::{Changes, Gone, Logs};
use base::Ipv4Block;
use k8s_types::Status;
use serde_json::Value;
use std::sync::Arc;
use store::{KeyRange, Store, StoreError};

/// What a registry is made from.
pub struct RegistryConfig {
    /// What the cluster's minor serves.
    pub catalog: Arc<Catalog>,
    /// Where the objects lie; nothing else lies there.
    pub store: Arc<dyn Store>,
    /// Where services get their addresses from.
    pub services: Ipv4Block,
    /// The steps of admission, in their order.
    pub admission: Vec<Box<dyn Admission>>,
}

/// One cluster's objects. Everything a request does to them goes through here.
pub struct Registry {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) services: Ipv4Block,
    pub(crate) admission: Vec<Box<dyn Admission>>,
    pub(crate) logs: Logs,
}

impl Registry {
    /// The registry over a store.
    pub fn new(config: RegistryConfig) -> Arc<Self> {
        let logs = Logs::new(config.store.clone());
        Arc::new(Self {
            catalog: config.catalog,
            store: config.store,
            services: config.services,
            admission: config.admission,
            logs,
        })
    }

    /// What is served.
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// Where the objects lie.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The current resource version.
    pub fn revision(&self) -> u64 {
        self.store.revision()
    }

    /// The changes of a resource after a resource version, of all namespaces.
    ///
    /// # Errors
    /// When that long ago is forgotten.
    pub fn changes(&self, endpoint: &Endpoint, after: u64) -> Result<Changes, Gone> {
        self.logs.changes(&endpoint.prefix, after)
    }

    /// An object as it lies in the store; `None` where there is none.
    ///
    /// # Errors
    /// When the store fails.
    pub fn find(&self, endpoint: &Endpoint, namespace: &str, name: &str) -> Result<Option<Stored>, Box<Status>> {
        let key = keys::object(&endpoint.prefix, namespace, name);
        let found = self.store.range(&KeyRange::key(key), None, 1).map_err(|error| failure(&error))?;
        Ok(found.kvs.into_iter().next().map(Stored::from))
    }

    /// An object as the endpoint's version has it.
    ///
    /// # Errors
    /// 404, or when the store fails.
    pub fn object(&self, endpoint: &Endpoint, namespace: &str, name: &str) -> Result<Value, Box<Status>> {
        match self.find(endpoint, namespace, name)? {
            Some(stored) => Ok(self.read(endpoint, &stored)),
            None => Err(Box::new(Status::not_found(endpoint.group_resource(), name))),
        }
    }

    /// Reads a stored object in the endpoint's version.
    pub fn read(&self, endpoint: &Endpoint, stored: &Stored) -> Value {
        let mut object = stored.object(&endpoint.api_version, &endpoint.resource().kind);
        if endpoint.is_converted() {
            endpoint.from_stored(&mut object);
        }
        object
    }

    /// An object from inside, in whatever version comes first; `None` where there is none or the minor has no such
    /// resource.
    pub fn peek(&self, group: &str, plural: &str, namespace: &str, name: &str) -> Option<Value> {
        let endpoint = self.catalog.any_version(group, plural)?;
        let stored = self.find(endpoint, namespace, name).ok()??;
        Some(self.read(endpoint, &stored))
    }

    /// All objects of a resource from inside, or those of a namespace.
    pub fn peek_all(&self, group: &str, plural: &str, namespace: &str) -> Vec<Value> {
        let Some(endpoint) = self.catalog.any_version(group, plural) else { return Vec::new() };
        let range = KeyRange::prefix(keys::scope(&endpoint.prefix, namespace));
        let found = self.store.range(&range, None, 0).map(|it| it.kvs).unwrap_or_default();
        found.into_iter().map(|kv| self.read(endpoint, &Stored::from(kv))).collect()
    }
}

/// A failure of the store, as a client sees it.
pub(crate) fn failure(error: &StoreError) -> Box<Status> {
    Box::new(match error {
        StoreError::Compacted { .. } => Status::expired("The resourceVersion for the provided list is too old."),
        StoreError::Future(wanted) => Status::timeout(format!("Too large resource version: {wanted}"), Some(1)),
        StoreError::BadTxn(why) if why.contains("large") => Status::too_large(why.clone()),
        other => Status::internal(other.to_string()),
    })
}

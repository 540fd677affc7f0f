//! What all controllers share: a cluster's objects, and how they are written.

use crate::config::Config;
use jiff::Timestamp;
use k8s_registry::write::Patch;
use k8s_registry::{
    Asker, Catalog, DeleteOptions, Done, Endpoint, Options, Registry, Stored, Target, Validation, keys,
};
use k8s_types::Status;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use store::KeyRange;

/// The name that fields are owned under.
pub(crate) const MANAGER: &str = "kube-controller-manager";
/// How many writes one piece of work has under way at a time: they share a commit.
pub(crate) const TOGETHER: usize = 64;

/// The key of an object in the store.
pub(crate) type Key = Arc<str>;

/// One cluster, as its controllers reach it.
pub(crate) struct Cluster {
    pub(crate) registry: Arc<Registry>,
    pub(crate) config: Config,
}

/// Where an object lies.
#[derive(Clone)]
pub(crate) struct Place<'a> {
    /// Its resource, in whatever version comes first.
    pub(crate) endpoint: Arc<Endpoint>,
    /// Its namespace; empty where there is none.
    pub(crate) namespace: &'a str,
    /// Its name.
    pub(crate) name: &'a str,
}

impl<'a> Place<'a> {
    /// By the object's key; nothing for a key of something else.
    pub(crate) fn of(catalog: &Catalog, key: &'a str) -> Option<Self> {
        let is = |it: &&Arc<Endpoint>| !it.prefix.is_empty() && key.starts_with(&it.prefix);
        let endpoint = catalog.endpoints().iter().find(is)?;
        let (namespace, name) = keys::parts(&endpoint.prefix, key.as_bytes())?;
        Some(Self { endpoint: endpoint.clone(), namespace, name })
    }

    /// Whether it is an object of this resource.
    pub(crate) fn is(&self, group: &str, plural: &str) -> bool {
        let resource = self.endpoint.resource();
        &*resource.group == group && &*resource.plural == plural
    }

    /// As the target of a write.
    pub(crate) fn target(&self) -> Target<'_> {
        Target { endpoint: &self.endpoint, subresource: "", namespace: self.namespace, name: self.name }
    }
}

/// As whom a controller writes, and under what name it owns fields.
pub(crate) fn options(user: &'static str, manager: &'static str) -> Options<'static> {
    static GROUPS: LazyLock<Vec<String>> = LazyLock::new(|| {
        ["system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"]
            .map(str::to_owned)
            .into()
    });
    static NOTHING: BTreeMap<String, Vec<String>> = BTreeMap::new();
    Options {
        manager,
        dry_run: false,
        validation: Validation::Ignore,
        now: Timestamp::now(),
        asker: Asker { name: user, uid: "", groups: &GROUPS, extra: &NOTHING },
    }
}

impl Cluster {
    /// What is served.
    pub(crate) fn catalog(&self) -> &Catalog {
        self.registry.catalog()
    }

    /// An object by its key, as it lies in the store.
    pub(crate) fn stored(&self, key: &str) -> Result<Option<Stored>, Box<Status>> {
        let found = self.registry.store().range(&KeyRange::key(key.to_owned()), None, 1);
        let found = found.map_err(|error| Box::new(Status::internal(error.to_string())))?;
        Ok(found.kvs.into_iter().next().map(Stored::from))
    }

    /// All objects of a resource, or those of a namespace, as they lie in the store.
    pub(crate) fn all(&self, endpoint: &Endpoint, namespace: &str) -> Result<Vec<Stored>, Box<Status>> {
        let range = KeyRange::prefix(keys::scope(&endpoint.prefix, namespace));
        let found = self.registry.store().range(&range, None, 0);
        let found = found.map_err(|error| Box::new(Status::internal(error.to_string())))?;
        Ok(found.kvs.into_iter().map(Stored::from).collect())
    }

    /// An endpoint of the core group.
    pub(crate) fn core(&self, plural: &str) -> Result<&Arc<Endpoint>, Box<Status>> {
        self.catalog().endpoint("", "v1", plural).ok_or_else(|| Box::new(Status::no_such_resource()))
    }

    /// Deletes an object; one that is gone already is as good.
    pub(crate) async fn delete(
        &self,
        target: Target<'_>,
        delete: &DeleteOptions,
        options: Options<'_>,
    ) -> Result<(), Box<Status>> {
        match self.registry.delete(target, delete, options).await {
            Err(status) if status.code != 404 => Err(status),
            _ => Ok(()),
        }
    }

    /// Merges something into an object, at the version that it names; one that is gone stays so.
    pub(crate) async fn merge(
        &self,
        target: Target<'_>,
        patch: Value,
        options: Options<'_>,
    ) -> Result<Option<Done>, Box<Status>> {
        match self.registry.patch(target, Patch::Merge(patch), options).await {
            Ok(done) => Ok(Some(done)),
            Err(status) if status.code == 404 => Ok(None),
            Err(status) => Err(status),
        }
    }
}

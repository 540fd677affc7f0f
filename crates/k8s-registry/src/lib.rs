//! The objects of one cluster: read, listed, watched and written as the Kubernetes API promises, over any store.
//!
//! Read [`catalog`] (what a minor serves, prepared once for all clusters), [`encoding`] and [`keys`] (how an object lies
//! in the store: as the bytes that are sent), [`registry`] (one cluster), [`read`] (get and list), [`log`] (changes, as
//! watchers read them), then [`mod@write`] (the way of every write), [`allocate`] (service addresses and node ports) and
//! [`admission`] (what else may say no). May use: base, store, k8s-types, k8s-kinds, k8s-patch. Must never learn:
//! HTTP, who asks and whether they may, AWS.
//! Invariant: an acknowledged write is in the store; a resource version names one state of the whole cluster.

pub mod admission;
pub mod allocate;
pub mod catalog;
pub mod continue_token;
pub mod encoding;
pub mod keys;
pub mod log;
pub mod read;
pub mod registry;
pub mod write;

pub use admission::Asker;
pub use catalog::{Catalog, Endpoint};
pub use encoding::Stored;
pub use log::{Change, Changes, Gone};
pub use read::{List, ListQuery};
pub use registry::{Registry, RegistryConfig};
pub use write::{DeleteOptions, Done, Options, Propagation, Target, Validation};

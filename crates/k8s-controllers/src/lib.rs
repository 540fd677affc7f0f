//! The controllers that an API server can't be without, run beside it: what has to happen to objects because other
//! objects are as they are.
//!
//! Read [`config`], [`runner`] (one task and one watch for a cluster), `queue` (what waits to be done), then the
//! controllers: `namespaces` (the end of a namespace), `collector` (owners and dependents), `furnish` (what every
//! namespace has), `aggregate` (ClusterRoles made of others), `tokens` (token Secrets), `addresses` (of Services),
//! `protection` (of volumes in use) and `expiry` (Events). [`fresh`] makes what a new cluster has before anybody asks for
//! it. May use: base, store, k8s-types, k8s-registry, k8s-authz. Must never learn: transport, who may do what, AWS's API.
//! Invariant: whatever is done is decided from objects in the store; a controller that starts anew comes to the same.

mod access;
mod addresses;
mod aggregate;
mod collector;
pub mod config;
mod expiry;
pub mod fresh;
mod furnish;
mod metadata;
mod namespaces;
mod protection;
mod queue;
mod report;
pub mod runner;
mod tokens;

pub use config::{Config, TokenFor, TokenSource};
pub use fresh::{FreshConfig, ensure_fresh};
pub use runner::Controllers;

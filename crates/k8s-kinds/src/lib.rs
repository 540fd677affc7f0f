//! What every built-in kind does with its objects: defaults, what a create and an update prepare, validation.
//!
//! [`kind()`] is the API server's one question here. All of it is pure: what needs other objects or a counter (service
//! addresses, quotas, service accounts) is the API server's. May use: base, k8s-types. Must never learn: storage,
//! transport, who asks.
//! Invariant: defaulting twice is defaulting once, and a defaulted object that was valid stays valid.

mod admissionregistration;
mod apiextensions;
mod apiregistration;
mod apps;
pub mod authentication;
mod authorization;
pub mod autoscaling;
pub mod batch;
pub mod certificates;
mod checks;
mod client_config;
pub mod convert;
mod coordination;
pub mod core;
mod discovery;
pub mod events;
mod flowcontrol;
pub mod kind;
pub mod meta;
mod net;
mod networking;
mod node;
mod policy;
mod rbac;
pub mod registry;
mod resource;
mod scheduling;
mod storage;
mod template;
pub mod value;

pub use convert::convert;
pub use kind::{Context, Kind};
pub use registry::kind;

//! The edge of the AWS APIs: HTTP in, HTTP out; in between the signature, the one authorization point, and the service.
//!
//! Read [`gateway`] (a request's way), then [`host`] and [`pick`] (which service is meant), [`access`] (what the
//! gateway asks about callers), [`service`] (what it asks of services), [`body`] (limits), [`serve`] (listeners).
//!
//! May use: base, aws-model, aws-wire. Must never learn: any service's implementation, storage.
//! Invariant: no operation is called before its caller is known and allowed.

pub mod access;
pub mod body;
pub mod gateway;
pub mod host;
pub mod pick;
pub mod serve;
pub mod service;

mod journal;

pub use access::{AccessKey, Authorizer, Credentials};
pub use gateway::{Gateway, GatewayConfig, GatewayError, Origin};
pub use serve::Serving;
pub use service::{Output, ServiceDispatch, ServiceEntry};

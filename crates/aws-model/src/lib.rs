//! Shapes and one operation trait per AWS service, generated from the service models, and what every
//! service shares: who asks, in which account and region, and how a refusal looks.
//!
//! Read [`context`], [`fault`], then `generated/`. May use: base. Must never learn: behaviour, HTTP, storage.

pub mod codec;
pub mod context;
pub mod fault;
pub mod generated;
pub mod model;
pub mod pattern;
pub mod shape;

mod facts;
mod resolve;
mod route;

pub use context::{Caller, Context, Principal};
pub use fault::Fault;
pub use generated::{ec2, eks, iam, ssm, sts};
pub use model::{Lookup, Model, ModelError, Models, Operation, Protocol, Routed};
pub use shape::{ErrorFacts, Kind, Location, Member, Shape, ShapeId};

//! IAM and STS as far as EKS and its tools need: roles, policies, instance profiles, users, access keys, sessions.
//!
//! Read [`records`] (what is stored), `trust` (who may take on a role), then any noun, then `service`.
//! May use: base, store, aws-model. Must never learn: EC2, EKS, HTTP.
//! Invariant: an access key id names one secret for ever; policies are kept and shown, and who enforces them is not
//! here.

pub mod records;

mod access_key;
mod account;
mod catalogue;
mod document;
mod error;
mod instance_profile;
mod names;
mod page;
mod policy;
mod role;
mod role_policy;
mod service;
mod session;
mod tag;
mod trust;
mod user;
mod world;

pub use access_key::AccessKey;
pub use error::IamError;
pub use service::IamService;

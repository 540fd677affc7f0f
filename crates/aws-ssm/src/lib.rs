//! SSM as far as finding machine images goes: the public parameters that name the recommended ones.
//!
//! Read `parameter` (which image has which parameters), then `service`. May use: base, aws-model; EC2 is asked through
//! its operation trait. Must never learn: the store, how EC2 keeps images.
//! Invariant: a parameter's image is one that EC2 in the same region shows.

mod parameter;
mod service;

pub use service::SsmService;

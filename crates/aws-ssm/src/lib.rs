//! SSM as far as finding machine images goes: the public parameters that name the recommended ones.
//!
//! Read `parameter` (what there is), then `service`. May use: base, aws-model, and the image catalogue of aws-ec2.
//! Must never learn: the store. Invariant: a parameter's image is one that EC2 in the same region knows.

mod parameter;
mod service;

pub use service::SsmService;

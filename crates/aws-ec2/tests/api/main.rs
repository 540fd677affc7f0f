//! EC2 through its operation trait, as clients see it: life cycles with their refusals, one file for each noun.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop where it stands")]

mod common;
mod concurrency;
mod gateways;
mod groups;
mod instances;
mod interfaces;
mod lookups;
mod queries;
mod service_interfaces;
mod vpcs;

//! Service records in, wishes for this host out: which namespaces, links, routes and packet filters stand for a VPC,
//! which names resolve to what, in which order an access mode changes, who can reach what.
//!
//! Read [`world`] (the records, indexed), [`plan`] (names and addresses), then [`vpc`], [`provider`], [`internet`]
//! (each a sum of parts, [`assembly`]), [`desired`] (all of them, kept current), [`names`], [`access`], [`reach`]. May use: the services' records, fabric. Must never learn: I/O of any kind.
//! Invariant: everything here is a pure function of its arguments.

pub mod access;
pub mod assembly;
pub mod desired;
pub mod filter;
pub mod instance;
pub mod internet;
pub mod names;
pub mod plan;
pub mod provider;
pub mod reach;
pub mod vpc;
pub mod world;

#[cfg(test)]
mod testing;

pub use access::{AccessStep, Gate, Gates, Horizon};
pub use desired::Desired;
pub use world::{ClusterId, Dirty, Runtime, VpcDirt, VpcWorld, World};

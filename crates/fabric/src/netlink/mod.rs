//! The kernel's netlink, as little of it as a network needs.
//!
//! Messages are written here rather than by a crate, for one reason: a change of a cluster is some fifty messages, and
//! [`Socket::run`] sends them in one system call and then collects the answers. A socket belongs to the namespace of
//! the thread that made it and may then be used from any thread.

pub(crate) mod dump;
pub(crate) mod filter;
pub(crate) mod route;
mod socket;
mod wire;

pub(crate) use socket::{Answer, Reply, Socket};
pub(crate) use wire::{Attributes, Request, messages, u32_at};

/// The protocol number on everything we make (routes, rules, addresses, neighbours), by which a survey knows its own.
/// The kernel gives numbers above 4 no meaning; 80 is in no `rt_protos` of the tools.
pub(crate) const OURS: u8 = 80;

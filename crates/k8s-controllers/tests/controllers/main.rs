//! The controllers over a real store, driven through the registry as clients drive it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it stands")]
#![allow(clippy::print_stdout, reason = "how long things took is worth a look")]

mod accounts;
mod addresses;
mod collector;
mod events;
mod fresh;
mod golden;
mod harness;
mod namespaces;
mod protection;

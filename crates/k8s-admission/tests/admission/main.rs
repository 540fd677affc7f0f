//! The plugins over a registry.
#![expect(clippy::unwrap_used, reason = "tests may")]

mod cluster;
mod golden;
mod plugins;
mod replay;

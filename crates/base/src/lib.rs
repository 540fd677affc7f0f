//! The words every other crate speaks: typed ids, accounts, regions, address blocks, time.
//!
//! Read [`ids`] (one type per AWS id), [`net`] (IPv4 blocks), [`clock`], [`kubernetes`] (versions on offer).
//! May use: nothing of ours. Must never learn: I/O, async, any service.
//! Invariant: a value of these types is always well-formed; parsing is the only way in.

pub mod clock;
pub mod ids;
pub mod kubernetes;
pub mod net;
pub mod place;

pub use clock::{Clock, SystemClock};
pub use ids::*;
pub use kubernetes::{KubernetesRelease, KubernetesVersion};
pub use net::Ipv4Block;

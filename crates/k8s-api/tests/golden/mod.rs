//! The replay of recorded answers. A record is a scenario of steps ([`scenario`]); a run sends each step's request with
//! the values that this server gave ([`binding`]), [`translate`]s what 1.20 answered to what 1.34 must answer,
//! [`compare`]s, and [`report`]s. What can't be replayed yet is named in [`skips`].

pub mod answers;
pub mod binding;
pub mod compare;
pub mod report;
pub mod run;
pub mod scenario;
pub mod skips;
pub mod target;
pub mod translate;

/// The release that is replayed against.
pub const MINOR: u8 = 34;

/// A request for a certificate, as records have `<pem>` in one: `CN=alice`.
pub const SIGNING_REQUEST: &str = include_str!("request.b64");

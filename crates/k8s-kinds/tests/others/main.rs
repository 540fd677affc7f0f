//! The kinds outside the core group: the recorded answers of a 1.20 API server replayed as pure functions, and what
//! minors after the records do.
//!
//! Objects are compared with what was stored, errors with what was told, after the translations in [`words`]: the
//! records are older than all minors that are served.
#![allow(clippy::unwrap_used, reason = "a record that is not as it should be fails the test")]

mod conversions;
mod newer;
mod records;
mod refused;
mod stored;
mod words;

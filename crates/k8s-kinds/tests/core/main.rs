//! What real API servers answered about the core group's kinds, replayed as pure functions.

#![allow(clippy::unwrap_used, reason = "a record that is not as it should be fails the test")]

mod defaults;
mod names;
mod properties;
mod records;
mod stored;
mod translation;
mod validation;

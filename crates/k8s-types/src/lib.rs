//! The Kubernetes API's words and facts: what kinds there are, how their fields are shaped, how names, selectors and
//! quantities are read, how the API says no.
//!
//! Objects are JSON values; [`schema`] tells what may stand in them and [`release`] which of them a Kubernetes minor
//! serves; [`decode`] and [`protobuf`] read and write them. [`status`] and [`field`] are the API's errors. May use: base.
//! Must never learn: storage, transport. Invariant: everything here is a function of its arguments; a release's facts are
//! read once and shared.

pub mod age;
pub mod decode;
pub mod field;
pub mod names;
pub mod protobuf;
pub mod quantity;
pub mod release;
pub mod schema;
pub mod selectors;
pub mod status;

pub use field::{Errors, FieldError, Path};
pub use status::{Cause, Details, Status};

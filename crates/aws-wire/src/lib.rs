//! AWS's wire protocols: bytes in, bytes out. No sockets, no state but a cache of signing keys.
//!
//! Read [`parts`], then [`mod@decode`] (a request becomes an operation and its input as JSON), [`mod@validate`] (the model's
//! constraints), [`encode`] (an output or a [`aws_model::Fault`] becomes an answer), and [`sigv4`] (who signed).
//! May use: base, aws-model. Must never learn: HTTP servers, storage, any operation's behaviour.

pub mod decode;
pub mod encode;
pub mod form;
pub mod parts;
pub mod sigv4;
pub mod validate;

mod json;
mod query;
mod refuse;
mod scalar;
mod xml;

pub use decode::{Decoded, decode};
pub use encode::Reply;
pub use parts::Parts;
pub use validate::validate;

//! Names in, answers out, and the server that speaks them.
//!
//! Read [`zone`] (what a view of the names must answer), [`respond`] (one query's bytes to one answer's bytes, pure),
//! [`server`] (sockets). A *view* is what the askers behind some sockets may see: one for the Internet's resolver, one
//! for each VPC. The same name may have other answers in another view; that is all that split horizon is.
//!
//! May use: nothing of ours. Must never learn: who owns a zone, what a cluster or a VPC is.
//! Invariant: a question is answered from its view or refused; nothing is ever asked upstream.

pub mod respond;
pub mod server;
pub mod zone;

pub use respond::{Responder, Transport};
pub use server::{Server, ServerHandle};
pub use zone::{Answer, Kind, Zone};

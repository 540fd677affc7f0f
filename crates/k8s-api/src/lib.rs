//! The face of one cluster's Kubernetes API server: from an accepted connection to the bytes of an answer.
//!
//! Read in the order of a request: [`server`] (configuration, listeners), [`accept`] (connections and their limits),
//! [`connections`] (who is connected, and hanging up), [`tls`], [`wire`] (closing with a FIN), then [`chain`] (what
//! every request goes through):
//! [`request`] (what is asked), [`authentication`] (who asks), [`authorization`] (may they), [`health`] and [`version`]
//! (what is served), [`respond`] and [`status`] (how it is written).
//!
//! May use: base. Must never learn: AWS, the host, other clusters.
//! Invariant: nothing is handed out before the asker is known and allowed.

pub mod accept;
pub mod authentication;
pub mod authorization;
pub mod body;
pub mod chain;
pub mod connections;
pub mod health;
pub mod query;
pub mod request;
pub mod respond;
pub mod server;
pub mod status;
pub mod tls;
pub mod version;
pub mod wire;

pub use accept::Listening;
pub use connections::{Connection, Leg};
pub use health::Check;
pub use server::{ApiServer, ApiServerConfig};
pub use tls::TlsError;

//! One cluster's Kubernetes API server: from an accepted connection to the bytes of an answer.
//!
//! Read in the order of a request: [`server`] (configuration, listeners), [`accept`] (connections and their limits),
//! [`connections`] (who is connected, and hanging up), [`tls`], [`wire`] (closing with a FIN), then [`chain`] (what
//! every request goes through):
//! [`request`] (what is asked), [`authentication`] and [`identity`] (who asks), [`flow`] (whose turn it is), [`api`] (the resources), [`health`] and
//! [`version`] (what else is served), [`negotiate`] and [`respond`] (how it is written), [`observe`] (what is told of it
//! afterwards).
//!
//! May use: base, the k8s crates. Must never learn: AWS, the host, other clusters.
//! Invariant: nothing is handed out before the asker is known and allowed.

pub mod accept;
pub mod api;
pub mod authentication;
pub mod body;
pub mod chain;
pub mod connections;
pub mod flow;
pub mod health;
pub mod identity;
pub mod negotiate;
pub mod observe;
pub mod query;
pub mod request;
pub mod respond;
pub mod rights;
pub mod server;
pub mod tls;
pub mod version;
pub mod wire;
pub mod yaml;

pub use accept::Listening;
pub use api::documents::Documents;
pub use connections::{Connection, Leg};
pub use flow::FlowControl;
pub use health::Check;
pub use identity::{IdentityConfig, TokenAuthenticator};
pub use observe::Journal;
pub use rights::{Rights, SharedAuthorizer};
pub use server::{ApiServer, ApiServerConfig};
pub use tls::TlsError;

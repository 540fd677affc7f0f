//! Who asks a Kubernetes API server: tokens of service accounts, client certificates, and acting as somebody else.
//!
//! A credential comes in ([`bearer`], [`certificate`]), is checked ([`verify`], then [`service_account`] against the
//! objects it is bound to) and becomes a [`UserInfo`]. [`token_request`] makes such tokens with a key of [`key`], whose
//! public half [`oidc`] publishes. [`review`] answers the API's questions about all that.
//! May use: base, k8s-types. Must never learn: storage, transport, what a user may do (authorization).
//! Invariant: an answer depends on the arguments alone; times are given, and objects are looked up by the caller. No
//! input makes a function here panic, and what a credential costs to check is bounded before it is read.

pub mod bearer;
pub mod cache;
pub mod certificate;
pub mod claims;
mod der;
pub mod features;
pub mod impersonation;
mod jws;
pub mod key;
pub mod oidc;
pub mod review;
pub mod service_account;
pub mod token_request;
pub mod user;
pub mod verify;

pub use cache::TokenCache;
pub use certificate::ClientCertificate;
pub use claims::Claims;
pub use impersonation::Impersonation;
pub use key::{KeySet, PublicKey, Signer};
pub use token_request::TokenRequest;
pub use user::UserInfo;
pub use verify::{TokenError, Verifier};

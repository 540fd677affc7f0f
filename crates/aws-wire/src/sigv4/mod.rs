//! AWS Signature Version 4: who signed a request, whether the signature holds, and signing of our own.
//!
//! A server calls [`parse`], looks the secret up by the credential's key id, and calls [`Verifier::verify`]; a client
//! calls [`sign`] or [`presign`]. Everything works on the raw request ([`crate::Parts`]): a decoded path has lost what
//! was signed.

mod canonical;
mod error;
mod key;
mod parse;
mod sign;
mod verify;

pub use error::SigError;
pub use parse::{Credential, Form, Signed, parse, parse_presigned};
pub use sign::{Keys, Request, presign, sign};
pub use verify::Verifier;

/// The one algorithm that is known; SigV4a (ECDSA) is refused.
const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// A body that the signature does not cover.
const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// The longest life of a presigned URL, in seconds: seven days (Signature Version 4 reference).
const MAX_EXPIRES: i64 = 604_800;

//! The tokens that clients show to a cluster: a request to STS, "who am I", signed but not sent. The cluster that the
//! token is for stands in a signed header, which is not in the token: whoever checks it puts its own name there.
//!
//! ```text
//! k8s-aws-v1.<base64url of https://sts.<region>.amazonaws.com/?Action=GetCallerIdentity&…&X-Amz-Signature=…>
//! ```
//!
//! On AWS the request is sent to STS. Here it is checked in place, against the keys that STS would check it against.

use aws_model::{Caller, Principal};
use aws_wire::Parts;
use aws_wire::form::{self, Plus};
use aws_wire::sigv4::{self, SigError, Verifier};
use base::{AccountId, Region};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;

/// What tokens begin with.
pub const PREFIX: &str = "k8s-aws-v1.";

/// The longest token.
const MAX_LENGTH: usize = 4096;

/// How long a token is good, whatever its `X-Amz-Expires` says; also how far ahead of us its date may be.
const LIFE: SignedDuration = SignedDuration::from_mins(15);

/// What `X-Amz-Expires` may say. (Clients say 60; some, 0.)
const EXPIRES: std::ops::RangeInclusive<i64> = 0..=900;

/// The header that binds a token to a cluster.
const CLUSTER_HEADER: &str = "x-k8s-aws-id";

/// The query parameters that a token may have, in small letters, each once.
const PARAMETERS: [&str; 9] = [
    "action",
    "version",
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-signedheaders",
];

/// The version of STS's API.
const STS_VERSION: &str = "2011-06-15";

/// Why a token is refused. For the log: clients are only told that they are.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It is no token of ours; what is wrong.
    #[error("{0}")]
    Format(&'static str),
    /// The request is not for STS; where it would go.
    #[error("unexpected host {0} in the presigned URL")]
    Host(String),
    /// A query parameter that is not needed, or is there twice.
    #[error("unexpected query parameter {0} in the presigned URL")]
    Parameter(String),
    /// The cluster's name is not signed.
    #[error("the x-k8s-aws-id header is not signed in the presigned URL")]
    Unbound,
    /// Signed too long ago, or for a later time.
    #[error("signed at {0}, which is too far from now")]
    Time(Timestamp),
    /// The signature is not well-formed or does not hold, for this cluster.
    #[error("the signature: {0}")]
    Signature(#[from] SigError),
    /// The key is not known, switched off, over, or came with another session's token.
    #[error("the access key {0} is not valid")]
    Key(String),
}

/// An access key as it is known.
pub struct Key {
    /// What signs.
    pub secret: String,
    /// The token that must come with it, for a session's key.
    pub session_token: Option<String>,
    /// Whether it is switched on.
    pub active: bool,
    /// When it ends, for a session's key.
    pub expires: Option<Timestamp>,
    /// Whose key it is.
    pub caller: Caller,
}

/// Who signed a token, as STS would say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StsIdentity {
    /// The account.
    pub account: AccountId,
    /// The ARN: of a user, of root, or of a session of a role.
    pub arn: String,
    /// The same, or for a session its role's ARN, without path.
    pub canonical_arn: String,
    /// The unique id of the user or role; the account of root.
    pub principal_id: String,
    /// The session's name; empty for who has none.
    pub session_name: String,
    /// The access key that signed.
    pub access_key_id: String,
}

impl StsIdentity {
    /// The identity of a caller; none for an AWS service, which signs no tokens.
    pub fn of(caller: &Caller) -> Option<Self> {
        let Caller { account, principal, arn, user_id, access_key_id } = caller;
        let (canonical_arn, session) = match principal {
            Principal::Root | Principal::User(_) => (arn.clone(), ""),
            Principal::AssumedRole { role, session } => (format!("arn:aws:iam::{account}:role/{role}"), &session[..]),
            Principal::Service(_) => return None,
        };
        let id = if session.is_empty() { user_id } else { user_id.split(':').next()? };
        Some(Self {
            account: account.clone(),
            arn: arn.clone(),
            canonical_arn,
            principal_id: id.to_owned(),
            session_name: session.to_owned(),
            access_key_id: access_key_id.clone(),
        })
    }
}

/// Verifies tokens. Keeps derived signing keys: share one.
pub struct TokenVerifier {
    signatures: Verifier,
    is_own: Box<dyn Fn(&str) -> bool + Send + Sync>,
}

impl TokenVerifier {
    /// A verifier that, besides STS's own names, accepts requests to the hosts (with their ports) that `is_own` says yes
    /// to, over HTTP too: clients that are given this service's own address sign for that.
    pub fn new(is_own: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self { signatures: Verifier::default(), is_own: Box::new(is_own) }
    }

    /// Tells who signed a token for the cluster of that name. `keys` knows the access keys by id.
    ///
    /// # Errors
    /// Why nobody did.
    pub fn verify(
        &self,
        token: &str,
        cluster: &str,
        now: Timestamp,
        keys: impl FnOnce(&str) -> Option<Key>,
    ) -> Result<StsIdentity, TokenError> {
        let url = decode(token)?;
        let (host, query) = self.split(&url)?;
        check_parameters(query)?;
        let parts = Parts {
            method: "GET",
            path: "/",
            query,
            headers: vec![
                ("host", host.as_bytes()),
                (CLUSTER_HEADER, cluster.as_bytes()),
                ("accept", b"application/json"),
            ],
            body: b"",
        };
        let signed = sigv4::parse_presigned(&parts, EXPIRES)?;
        if !signed.covers(CLUSTER_HEADER) {
            return Err(TokenError::Unbound);
        }
        signed.check_scope("sts", region(host, &signed.credential.region)?)?;
        // Before the key is looked for: a stranger's old tokens cost nothing.
        if now.duration_since(signed.time).abs() > LIFE {
            return Err(TokenError::Time(signed.time));
        }
        let unknown = || TokenError::Key(signed.credential.access_key_id.clone());
        let key = keys(&signed.credential.access_key_id).ok_or_else(unknown)?;
        self.signatures.verify_signature(&parts, &signed, &key.secret)?;
        // The session's token is in what was signed: only who has the secret comes this far.
        let over = key.expires.is_some_and(|it| it <= now);
        if !key.active || over || key.session_token != signed.session_token {
            return Err(unknown());
        }
        StsIdentity::of(&key.caller).ok_or_else(unknown)
    }

    /// The host and query of a token's URL, if it leads to STS.
    fn split<'a>(&self, url: &'a str) -> Result<(&'a str, &'a str), TokenError> {
        let (scheme, rest) = url.split_once("://").ok_or(TokenError::Format("the token holds no URL"))?;
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let query = path.strip_prefix("/?").ok_or(TokenError::Format("unexpected path in the presigned URL"))?;
        if query.contains('#') {
            return Err(TokenError::Format("unexpected fragment in the presigned URL"));
        }
        let expected = match scheme {
            "https" => sts_region(authority).is_some() || (self.is_own)(authority),
            "http" => (self.is_own)(authority),
            _ => return Err(TokenError::Format("unexpected scheme in the presigned URL")),
        };
        if expected { Ok((authority, query)) } else { Err(TokenError::Host(authority.to_owned())) }
    }
}

/// The region that a request to `host` must be signed for. Our own address serves all.
fn region<'a>(host: &'a str, scoped: &'a str) -> Result<&'a str, SigError> {
    let known = |it: &&str| it.parse().is_ok_and(|it: Region| it.known());
    let own = || Some(scoped).filter(known);
    sts_region(host).or_else(own).ok_or_else(|| SigError::WrongScope("a valid region".to_owned()))
}

/// The region of an STS endpoint's name: regional, FIPS, dual-stack, or global.
fn sts_region(host: &str) -> Option<&str> {
    if host == "sts.amazonaws.com" {
        return Some("us-east-1");
    }
    let rest = host.strip_prefix("sts.").or_else(|| host.strip_prefix("sts-fips."))?;
    let region = rest.strip_suffix(".amazonaws.com").or_else(|| rest.strip_suffix(".api.aws"))?;
    region.parse().is_ok_and(|it: Region| it.known()).then_some(region)
}

fn decode(token: &str) -> Result<String, TokenError> {
    if token.len() > MAX_LENGTH {
        return Err(TokenError::Format("the token is too long"));
    }
    let text = token.strip_prefix(PREFIX).ok_or(TokenError::Format("the token is not one of IAM's"))?;
    let url = URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenError::Format("the token is not base64url"))?;
    let url = String::from_utf8(url).ok().filter(|it| it.bytes().all(|byte| byte.is_ascii_graphic()));
    url.ok_or(TokenError::Format("the token holds no URL"))
}

fn check_parameters(query: &str) -> Result<(), TokenError> {
    let pairs = form::pairs(query, Plus::Space).ok_or(TokenError::Format("the presigned URL is not UTF-8"))?;
    let mut seen = BTreeSet::new();
    let (mut action, mut version) = (None, None);
    for (name, value) in &pairs {
        let small = name.to_ascii_lowercase();
        match small.as_str() {
            "action" => action = Some(value.as_str()),
            "version" => version = Some(value.as_str()),
            _ => {}
        }
        if !PARAMETERS.contains(&small.as_str()) || !seen.insert(small) {
            return Err(TokenError::Parameter(name.clone()));
        }
    }
    match (action, version) {
        (Some("GetCallerIdentity"), Some(STS_VERSION)) => Ok(()),
        (Some("GetCallerIdentity"), _) => Err(TokenError::Format("unexpected version in the presigned URL")),
        _ => Err(TokenError::Format("unexpected action in the presigned URL")),
    }
}

#[cfg(test)]
mod tests;

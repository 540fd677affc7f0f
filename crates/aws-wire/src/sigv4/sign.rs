//! Signs our own clients' requests.

use super::canonical::{hex, sha256_hex, string_to_sign};
use super::parse::Credential;
use super::{ALGORITHM, UNSIGNED_PAYLOAD, key};
use crate::form;
use crate::parts::Parts;
use aws_lc_rs::hmac;
use jiff::Timestamp;

/// A client's credentials, and what it signs for.
#[derive(Clone)]
pub struct Keys {
    /// The access key's id.
    pub access_key_id: String,
    /// Its secret.
    pub secret: String,
    /// The session token of temporary credentials.
    pub session_token: Option<String>,
    /// The region.
    pub region: String,
    /// The service's signing name.
    pub service: String,
}

/// A request to be signed. `headers` must have `host`; all of them are signed.
pub type Request<'a> = Parts<'a>;

/// The headers to add to `request`: `x-amz-date`, for temporary credentials `x-amz-security-token`, `authorization`.
pub fn sign(request: &Request<'_>, keys: &Keys, now: Timestamp) -> Vec<(&'static str, String)> {
    let date = basic(now);
    let mut added = vec![("x-amz-date", date.clone())];
    if let Some(token) = &keys.session_token {
        added.push(("x-amz-security-token", token.clone()));
    }
    let mut parts = request.clone();
    parts.headers.extend(added.iter().map(|(name, value)| (*name, value.as_bytes())));
    let headers = names(&parts);
    let hash = match request.header("x-amz-content-sha256") {
        Some(hash) => hash.to_owned(),
        None => sha256_hex(request.body),
    };
    let credential = credential(keys, &date);
    let signature = signature(&parts, keys, &credential, &headers, &date, &hash);
    let scope = scope(&credential);
    let authorization =
        format!("{ALGORITHM} Credential={scope}, SignedHeaders={}, Signature={signature}", headers.join(";"));
    added.push(("authorization", authorization));
    added
}

/// The query string of a presigned URL that lives for `expires` seconds: the request's own one, and the signature.
/// The body is empty.
pub fn presign(request: &Request<'_>, keys: &Keys, expires: u32, now: Timestamp) -> String {
    let date = basic(now);
    let credential = credential(keys, &date);
    let headers = names(request);
    let (scope, expires, list) = (scope(&credential), expires.to_string(), headers.join(";"));
    let mut pairs = vec![
        ("X-Amz-Algorithm", ALGORITHM),
        ("X-Amz-Credential", &scope),
        ("X-Amz-Date", &date),
        ("X-Amz-Expires", &expires),
        ("X-Amz-SignedHeaders", &list),
    ];
    if let Some(token) = &keys.session_token {
        pairs.push(("X-Amz-Security-Token", token));
    }
    let own = if request.query.is_empty() { String::new() } else { format!("{}&", request.query) };
    let query = own + &form::write(pairs);
    let parts = Parts { query: &query, body: b"", ..request.clone() };
    let hash = if keys.service == "s3" { UNSIGNED_PAYLOAD.to_owned() } else { sha256_hex(b"") };
    let signature = signature(&parts, keys, &credential, &headers, &date, &hash);
    format!("{query}&X-Amz-Signature={signature}")
}

fn signature(
    parts: &Parts<'_>,
    keys: &Keys,
    credential: &Credential,
    headers: &[String],
    date: &str,
    hash: &str,
) -> String {
    let text = string_to_sign(parts, credential, headers, date, hash);
    hex(hmac::sign(&key::derive(&keys.secret, credential), text.as_bytes()).as_ref())
}

fn names(parts: &Parts<'_>) -> Vec<String> {
    let mut names: Vec<String> = parts.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    names.sort();
    names.dedup();
    names
}

fn credential(keys: &Keys, date: &str) -> Credential {
    Credential {
        access_key_id: keys.access_key_id.clone(),
        day: date.get(..8).unwrap_or_default().to_owned(),
        region: keys.region.clone(),
        service: keys.service.clone(),
    }
}

fn scope(credential: &Credential) -> String {
    let Credential { access_key_id, day, region, service } = credential;
    format!("{access_key_id}/{day}/{region}/{service}/aws4_request")
}

fn basic(time: Timestamp) -> String {
    time.strftime("%Y%m%dT%H%M%SZ").to_string()
}

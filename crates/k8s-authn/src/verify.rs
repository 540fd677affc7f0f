//! Whether a token is what it says it is. What it is bound to is a question for [`crate::service_account`].

use crate::claims::{Claims, LEGACY_ISSUER};
use crate::jws::{self, Header, Parts};
use crate::key::{ALGORITHM, KeySet};
use jiff::Timestamp;
use k8s_types::status::quote;

/// The longest token that is looked at, in bytes.
pub const LONGEST_TOKEN: usize = 64 * 1024;

/// How far the clocks of issuer and server may differ, in seconds.
pub const LEEWAY_SECONDS: i64 = 60;

/// Why a token that seems to be the cluster's is not accepted, in the words of API servers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// No key that it could be signed with.
    #[error("invalid signature, no keys found")]
    UnknownKey,
    /// The signature is not of what it is for.
    #[error("go-jose/go-jose: error in cryptographic primitive")]
    Signature,
    /// For somebody else.
    #[error("token audiences {} is invalid for the target audiences {}", list(.token), list(.target))]
    Audiences {
        /// For whom the token is.
        token: Vec<String>,
        /// Who asks.
        target: Vec<String>,
    },
    /// Its time is over.
    #[error("service account token has expired")]
    Expired,
    /// Its time is to come.
    #[error("service account token is not valid yet")]
    NotYetValid,
    /// It says that it will be issued.
    #[error("service account token is issued in the future")]
    IssuedInFuture,
    /// It does not say all that it must, or what it is bound to is gone.
    #[error("{0}")]
    Invalid(String),
}

impl TokenError {
    pub(crate) fn invalid(text: impl Into<String>) -> Self {
        Self::Invalid(text.into())
    }
}

/// A token whose signature, issuer, audience and time are right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// What it says.
    pub claims: Claims,
    /// Those of the audiences asked for that it is for.
    pub audiences: Vec<String>,
}

/// What verifies the tokens of a cluster's service accounts.
#[derive(Debug, Clone)]
pub struct Verifier {
    /// The keys that tokens may be signed with.
    pub keys: KeySet,
    /// The issuers of bound tokens: the present one, and former ones.
    pub issuers: Vec<String>,
    /// The API server's own audiences: those of a token that names none, and those asked for where nobody says.
    pub audiences: Vec<String>,
}

impl Verifier {
    /// What `token` says, if it is good at `now` for any of `audiences`; where those are empty, for the API server.
    /// `None` if it is not one of this cluster's service accounts' tokens at all.
    ///
    /// # Errors
    /// If it is one, but not good.
    pub fn verify(&self, token: &str, now: Timestamp, audiences: &[String]) -> Result<Option<Verified>, TokenError> {
        let Some(claims) = self.authentic(token)? else { return Ok(None) };
        let audiences = self.admit(&claims, now, audiences)?;
        Ok(Some(Verified { claims, audiences }))
    }

    /// What `token` says, if one of the keys signed it; whether it is good now is for [`Verifier::admit`] to tell. The
    /// dear part of [`Verifier::verify`], whose outcome is always the same for the same token and keys.
    ///
    /// # Errors
    /// If it is one of the cluster's, but its signature is not good.
    pub fn authentic(&self, token: &str) -> Result<Option<Claims>, TokenError> {
        if token.len() > LONGEST_TOKEN {
            return Ok(None);
        }
        let Some(parts) = Parts::of(token) else { return Ok(None) };
        let Some(claims) = Claims::from_json(&parts.payload) else { return Ok(None) };
        if !claims.is_legacy() && !self.issuers.contains(&claims.issuer) {
            return Ok(None);
        }
        let Some(header) = jws::object::<Header<'_>>(&parts.header) else { return Ok(None) };
        self.check_signature(&header, &parts)?;
        Ok(Some(claims))
    }

    /// For which of `audiences` an authentic token's claims are good at `now`; as [`Verifier::verify`].
    ///
    /// # Errors
    /// If they are good for none, or not now.
    pub fn admit(&self, claims: &Claims, now: Timestamp, audiences: &[String]) -> Result<Vec<String>, TokenError> {
        let audiences = self.common_audiences(claims, audiences)?;
        if claims.is_legacy() {
            check_legacy(claims)?;
        } else {
            check_time(claims, now)?;
        }
        Ok(audiences)
    }

    /// Whether `token` says that it is one that this verifies. Nothing of it is verified.
    pub fn is_addressed(&self, token: &str) -> bool {
        let claims = || Claims::from_json(&Parts::of(token)?.payload);
        token.len() <= LONGEST_TOKEN
            && claims().is_some_and(|it| it.issuer == LEGACY_ISSUER || self.issuers.contains(&it.issuer))
    }

    fn check_signature(&self, header: &Header<'_>, parts: &Parts<'_>) -> Result<(), TokenError> {
        if header.alg != ALGORITHM || header.crit.is_some() {
            return Err(TokenError::Signature);
        }
        let mut keys = self.keys.candidates(&header.kid).peekable();
        if keys.peek().is_none() {
            return Err(TokenError::UnknownKey);
        }
        let good = keys.any(|key| key.verifies(parts.message.as_bytes(), &parts.signature));
        if good { Ok(()) } else { Err(TokenError::Signature) }
    }

    fn common_audiences(&self, claims: &Claims, asked: &[String]) -> Result<Vec<String>, TokenError> {
        let token = if claims.audiences.is_empty() { &self.audiences } else { &claims.audiences };
        let target = if asked.is_empty() { &self.audiences } else { asked };
        let common: Vec<String> = target.iter().filter(|it| token.contains(it)).cloned().collect();
        if common.is_empty() {
            return Err(TokenError::Audiences { token: token.clone(), target: target.to_vec() });
        }
        Ok(common)
    }
}

fn check_time(claims: &Claims, now: Timestamp) -> Result<(), TokenError> {
    let now = now.as_second();
    if claims.not_before.is_some_and(|it| now + LEEWAY_SECONDS < it) {
        return Err(TokenError::NotYetValid);
    }
    if claims.expires.is_some_and(|it| now - LEEWAY_SECONDS > it) {
        return Err(TokenError::Expired);
    }
    if claims.issued.is_some_and(|it| now + LEEWAY_SECONDS < it) {
        return Err(TokenError::IssuedInFuture);
    }
    Ok(())
}

/// A secret's token never ends, but must say all that it may.
fn check_legacy(claims: &Claims) -> Result<(), TokenError> {
    let secret = claims.secret.as_ref().map_or("", |it| &it.name);
    let account = &claims.service_account;
    for (what, value) in [
        ("sub", claims.subject.as_str()),
        ("namespace", &claims.namespace),
        ("secretName", secret),
        ("serviceAccountName", &account.name),
        ("serviceAccountUID", &account.uid),
    ] {
        if value.is_empty() {
            return Err(TokenError::invalid(format!("{what} claim is missing")));
        }
    }
    if crate::user::split_service_account(&claims.subject) != Some((&claims.namespace, &account.name)) {
        return Err(TokenError::invalid("sub claim is invalid"));
    }
    Ok(())
}

/// Texts in brackets, as Go prints them.
fn list(texts: &[String]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| quote(text)).collect();
    format!("[{}]", quoted.join(" "))
}

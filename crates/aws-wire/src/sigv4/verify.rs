//! Whether a signature holds: recomputed, compared in constant time, then the clock.

use super::canonical::{sha256_hex, string_to_sign};
use super::key::Cache;
use super::parse::{Form, Signed};
use super::{SigError, UNSIGNED_PAYLOAD};
use crate::parts::Parts;
use aws_lc_rs::hmac;
use jiff::{SignedDuration, Timestamp};

/// How far a signed request's date may be from ours (Signature Version 4 reference).
const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// How far ahead of us a presigned URL's date may be.
const PRESIGNED_AHEAD: SignedDuration = SignedDuration::from_mins(15);

/// Verifies signatures. Keeps derived keys: share one.
#[derive(Default)]
pub struct Verifier {
    keys: Cache,
}

impl Verifier {
    /// Checks that `secret` signed the request, and not too long ago.
    ///
    /// # Errors
    /// [`SigError::Mismatch`] when the signature or the body's hash is another, [`SigError::Expired`] or
    /// [`SigError::NotYet`] when the signature holds but its time does not.
    pub fn verify(&self, parts: &Parts<'_>, signed: &Signed, secret: &str, now: Timestamp) -> Result<(), SigError> {
        self.verify_signature(parts, signed, secret)?;
        check_clock(signed, now)
    }

    /// Checks that `secret` signed the request, whenever that was: for those who have their own rule about the time.
    ///
    /// # Errors
    /// [`SigError::Mismatch`].
    pub fn verify_signature(&self, parts: &Parts<'_>, signed: &Signed, secret: &str) -> Result<(), SigError> {
        let signature = unhex(&signed.signature).ok_or(SigError::Mismatch)?;
        let hash = body_hash(parts, signed)?;
        let text = string_to_sign(parts, &signed.credential, &signed.headers, &signed.date, &hash);
        let key = self.keys.key(secret, &signed.credential);
        // Compares in constant time.
        hmac::verify(&key, text.as_bytes(), &signature).map_err(|_| SigError::Mismatch)
    }
}

/// The hash that was signed. A header names it if it is there, and then it must be the body's; only S3 has bodies that
/// the signature does not cover.
fn body_hash(parts: &Parts<'_>, signed: &Signed) -> Result<String, SigError> {
    let s3 = signed.credential.service == "s3";
    let claimed = match parts.header("x-amz-content-sha256") {
        Some(claimed) => claimed.trim(),
        None if s3 && signed.form != Form::Header => UNSIGNED_PAYLOAD,
        None => return Ok(sha256_hex(parts.body)),
    };
    let open = s3 && (claimed == UNSIGNED_PAYLOAD || claimed.starts_with("STREAMING-"));
    if open || claimed == sha256_hex(parts.body) { Ok(claimed.to_owned()) } else { Err(SigError::Mismatch) }
}

fn check_clock(signed: &Signed, now: Timestamp) -> Result<(), SigError> {
    let (life, ahead) = match signed.form {
        Form::Header => (SKEW, SKEW),
        Form::Presigned { expires } => (SignedDuration::from_secs(expires), PRESIGNED_AHEAD),
    };
    let age = now.duration_since(signed.time);
    let limit = |time: Result<Timestamp, jiff::Error>| {
        time.map(|time| time.strftime("%Y%m%dT%H%M%SZ").to_string()).unwrap_or_default()
    };
    if age > life {
        return Err(SigError::Expired { signed: signed.date.clone(), limit: limit(now.checked_sub(life)) });
    }
    if age < -ahead {
        return Err(SigError::NotYet { signed: signed.date.clone(), limit: limit(now.checked_add(ahead)) });
    }
    Ok(())
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| (byte as char).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some((digit(*pair.first()?)? << 4) | digit(*pair.get(1)?)?)).collect()
}

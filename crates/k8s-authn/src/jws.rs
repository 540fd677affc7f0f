//! JSON Web Signature in its compact form (RFC 7515), as far as tokens use it.

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// base64url as servers read it: the bits that the last letter has too many may be anything.
pub(crate) const LENIENT: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, NO_PAD.with_decode_allow_trailing_bits(true));

/// A token taken apart; nothing of it is verified.
#[derive(Debug)]
pub(crate) struct Parts<'a> {
    pub(crate) header: Vec<u8>,
    pub(crate) payload: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    /// What is signed.
    pub(crate) message: &'a str,
}

/// What a token says of its signature.
#[derive(Debug, Deserialize)]
pub(crate) struct Header<'a> {
    #[serde(borrow)]
    pub(crate) alg: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) kid: Cow<'a, str>,
    /// Extensions that one must understand; none is.
    #[serde(borrow)]
    pub(crate) crit: Option<&'a RawValue>,
}

impl<'a> Parts<'a> {
    /// The three parts of `token`, if it has three.
    pub(crate) fn of(token: &'a str) -> Option<Self> {
        let (message, signature) = token.rsplit_once('.')?;
        let (header, payload) = message.split_once('.')?;
        let decode = |part: &str| LENIENT.decode(part).ok();
        Some(Self { header: decode(header)?, payload: decode(payload)?, signature: decode(signature)?, message })
    }
}

/// Reads a JSON object; members may not come twice. (Serde would take a list for its members, too.)
pub(crate) fn object<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Option<T> {
    json.trim_ascii_start().starts_with(b"{").then(|| serde_json::from_slice(json).ok()).flatten()
}

/// The token of a header that is encoded already, and a payload.
pub(crate) fn sign<E>(
    header: &str,
    payload: &str,
    sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
) -> Result<String, E> {
    let mut token = String::with_capacity(header.len() + payload.len() * 4 / 3 + 352);
    token.push_str(header);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(payload, &mut token);
    let signature = sign(token.as_bytes())?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_three_parts() {
        let token = sign("e30", "{}", |message| Ok::<_, ()>(message.to_vec())).unwrap();
        assert_eq!(token, "e30.e30.ZTMwLmUzMA");
        let parts = Parts::of(&token).unwrap();
        assert_eq!((parts.payload.as_slice(), parts.signature.as_slice()), (&b"{}"[..], &b"e30.e30"[..]));
        for bad in ["", ".", "a", "e30.e30", "e30.e30.e30.e30", "e30.e30.=", "e30.e+0.e30"] {
            assert!(Parts::of(bad).is_none(), "{bad}");
        }
    }
}

//! Where a request has its bearer token: in `Authorization` or, from browsers, among the WebSocket subprotocols.

use crate::features::Feature;
use crate::jws::LENIENT;
use base::KubernetesVersion;
use base64::Engine;
use std::borrow::Cow;

/// How a subprotocol starts that is a token and no protocol.
pub const PROTOCOL_PREFIX: &str = "base64url.bearer.authorization.k8s.io.";

/// What a client is warned of that puts too many spaces before its token.
const SPACE_WARNING: &str =
    "the provided Authorization header contains extra space before the bearer token, and is ignored";

/// What a request's `Authorization` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authorization<'a> {
    /// Nothing about tokens.
    None,
    /// A token. What is not UTF-8 in it is replaced: no token has that.
    Token(Cow<'a, str>),
    /// A token that is not read, as there are spaces before it.
    Ignored,
}

/// Reads the value of the (first) `Authorization` header: the scheme in any case, one space, the token up to another.
pub fn authorization(value: &[u8]) -> Authorization<'_> {
    let mut parts = value.trim_ascii().splitn(3, |byte| *byte == b' ');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(scheme), Some(token), rest) if scheme.eq_ignore_ascii_case(b"bearer") => match (token, rest) {
            ([], Some(_)) => Authorization::Ignored,
            ([], None) => Authorization::None,
            (token, _) => Authorization::Token(String::from_utf8_lossy(token)),
        },
        _ => Authorization::None,
    }
}

impl Authorization<'_> {
    /// What the client is to be warned of by servers of `version`.
    pub fn warning(&self, version: KubernetesVersion) -> Option<&'static str> {
        (*self == Self::Ignored && Feature::BearerSpaceWarning.is_in(version)).then_some(SPACE_WARNING)
    }
}

/// A token among subprotocols.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtocolToken {
    /// The token.
    pub token: String,
    /// The `Sec-WebSocket-Protocol` without it, which is what the rest of the server may see.
    pub protocols: String,
}

/// Why subprotocols are not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// More than one token.
    #[error("multiple base64.bearer.authorization tokens specified")]
    Multiple,
    /// Not base64url.
    #[error("invalid base64.bearer.authorization token encoding")]
    Encoding,
    /// Not UTF-8.
    #[error("invalid base64.bearer.authorization token")]
    Token,
    /// No protocol beside the token, so none could be chosen.
    #[error("missing additional subprotocol")]
    NoProtocol,
}

/// Reads the values of a WebSocket request's `Sec-WebSocket-Protocol` headers.
///
/// # Errors
/// If there is something like a token, but not just one, or not beside a protocol.
pub fn websocket<'a>(values: impl IntoIterator<Item = &'a str>) -> Result<Option<ProtocolToken>, ProtocolError> {
    let mut token = None;
    let mut protocols: Vec<&str> = Vec::new();
    for protocol in values.into_iter().flat_map(|value| value.split(',')).map(str::trim) {
        match protocol.strip_prefix(PROTOCOL_PREFIX) {
            None => protocols.push(protocol),
            Some(_) if token.is_some() => return Err(ProtocolError::Multiple),
            Some(encoded) => {
                let decoded = LENIENT.decode(encoded).map_err(|_| ProtocolError::Encoding)?;
                token = Some(String::from_utf8(decoded).map_err(|_| ProtocolError::Token)?);
            }
        }
    }
    match token.filter(|token| !token.is_empty()) {
        None => Ok(None),
        Some(_) if protocols.is_empty() => Err(ProtocolError::NoProtocol),
        Some(token) => Ok(Some(ProtocolToken { token, protocols: protocols.join(",") })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_scheme_may_be_in_any_case_and_spaces_count() {
        let token = |text| Authorization::Token(Cow::Borrowed(text));
        for (value, read) in [
            ("Bearer a", token("a")),
            (" bEARER a.b ", token("a.b")),
            ("Bearer a b c", token("a")),
            ("Bearer  a", Authorization::Ignored),
            ("Bearer", Authorization::None),
            ("Bearer ", Authorization::None),
            ("Bearer\ta", Authorization::None),
            ("Basic a", Authorization::None),
            ("", Authorization::None),
        ] {
            assert_eq!(authorization(value.as_bytes()), read, "{value:?}");
        }
        assert!(Authorization::Ignored.warning(KubernetesVersion::new(25)).is_some());
        assert!(Authorization::Ignored.warning(KubernetesVersion::new(24)).is_none());
        assert!(Authorization::None.warning(KubernetesVersion::new(36)).is_none());
    }

    #[test]
    fn a_subprotocol_may_be_a_token() {
        let one = "base64url.bearer.authorization.k8s.io.dG9r";
        let read = websocket(["v4.channel.k8s.io, ", one, "b"]).unwrap().unwrap();
        assert_eq!(read, ProtocolToken { token: "tok".to_owned(), protocols: "v4.channel.k8s.io,,b".to_owned() });
        assert_eq!(websocket(["a", one, one]), Err(ProtocolError::Multiple));
        assert_eq!(websocket([one]), Err(ProtocolError::NoProtocol));
        assert_eq!(websocket([format!("a,{PROTOCOL_PREFIX}=").as_str()]), Err(ProtocolError::Encoding));
        assert_eq!(websocket([format!("a,{PROTOCOL_PREFIX}_w").as_str()]), Err(ProtocolError::Token));
        assert_eq!(websocket([PROTOCOL_PREFIX]), Ok(None));
        assert_eq!(websocket(["a", "b"]), Ok(None));
        assert_eq!(websocket([]), Ok(None));
    }

    proptest! {
        #[test]
        fn any_header_is_read(bytes in proptest::collection::vec(any::<u8>(), 0..40), text in ".{0,40}") {
            let _ = authorization(&bytes);
            let with_scheme = [b"Bearer ".as_slice(), &bytes].concat();
            let _ = authorization(&with_scheme);
            let _ = websocket([text.as_str(), &format!("{PROTOCOL_PREFIX}{text}")]);
        }
    }
}

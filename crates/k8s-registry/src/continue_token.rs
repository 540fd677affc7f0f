//! Continue tokens: where the next page of a list begins, and at which resource version the list is read.

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::{DecodeError, Engine};
use k8s_types::Status;
use k8s_types::status::quote;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The contents of a token, as clients hand them back without looking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContinueToken {
    #[serde(rename = "v")]
    version: String,
    /// The resource version of the list; -1 for one that goes on with whatever there is.
    #[serde(rename = "rv")]
    pub revision: i64,
    /// The key that the page begins with, after the prefix of the list.
    pub start: String,
}

impl ContinueToken {
    /// The page after the key that ends in `last`.
    pub fn after(revision: i64, last: &str) -> Self {
        Self { version: "meta.k8s.io/v1".to_owned(), revision, start: format!("{last}\0") }
    }

    /// As it is sent.
    pub fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// Reads a token that a client sent.
    ///
    /// # Errors
    /// 400 for one that is none.
    pub fn parse(text: &str) -> Result<Self, Box<Status>> {
        let invalid = |why: &str| {
            Box::new(Status::bad_request(format!("invalid continue token: continue key is not valid: {why}")))
        };
        let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map_err(|error| {
            let at = match error {
                DecodeError::InvalidByte(at, _) | DecodeError::InvalidLastSymbol(at, _) => at,
                DecodeError::InvalidLength(at) => at,
                DecodeError::InvalidPadding => text.len(),
            };
            invalid(&format!("illegal base64 data at input byte {at}"))
        })?;
        let value: Value = serde_json::from_slice(&bytes).map_err(|_| match bytes.first() {
            None => invalid("unexpected end of JSON input"),
            Some(byte) => {
                let quoted = format!("'{}'", char::from(*byte).escape_default());
                invalid(&format!("invalid character {quoted} looking for beginning of value"))
            }
        })?;
        let version = value.get("v").and_then(Value::as_str).unwrap_or_default();
        if version != "meta.k8s.io/v1" {
            return Err(invalid(&format!("server does not recognize this encoded version {}", quote(version))));
        }
        let token: Self = serde_json::from_value(value).map_err(|error| invalid(&error.to_string()))?;
        if token.revision == 0 || token.start.is_empty() {
            return Err(invalid("incorrect encoded start resourceVersion (version meta.k8s.io/v1)"));
        }
        // It is joined to a prefix; it must not lead out of it.
        if token.start.split('/').any(|part| part == "..") || token.start.starts_with('/') {
            return Err(invalid(&token.start));
        }
        Ok(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_upstreams() {
        let token = ContinueToken::after(205, "l1");
        let text = "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MjA1LCJzdGFydCI6ImwxXHUwMDAwIn0";
        assert_eq!(token.to_text(), text);
        assert_eq!(ContinueToken::parse(text).unwrap(), token);
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for text in ["", "abc", "e30", "!!!!", "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiIuLi9hIn0"] {
            assert_eq!(ContinueToken::parse(text).unwrap_err().code, 400, "{text}");
        }
    }
}

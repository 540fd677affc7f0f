//! Names, paths, ids and ARNs. Source: *IAM User Guide*, "IAM identifiers" and "IAM and AWS STS quotas".

use crate::error::{Result, invalid};
use base::{AccountId, random_bytes};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Letters of ids: base32.
const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A name with nothing but what names may have.
pub(crate) fn check(name: &str, parameter: &str, max: usize) -> Result<()> {
    let known = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    if name.is_empty() || name.len() > max || !name.chars().all(known) {
        return Err(invalid(format!(
            "The specified value for {parameter} is invalid. It must contain only alphanumeric characters and/or the \
                following: +=,.@_-"
        )));
    }
    Ok(())
}

/// A path: `/` when none is given, else with slashes at both ends.
pub(crate) fn path(given: &Option<String>) -> Result<String> {
    let path = given.clone().unwrap_or_else(|| "/".to_owned());
    let known = path.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
    if !known || path.len() > 512 || !path.starts_with('/') || !path.ends_with('/') {
        return Err(invalid(
            "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric \
                characters and/or / characters.",
        ));
    }
    Ok(path)
}

/// A new unique id with its prefix, as `AROA`; 20 characters, or 21 as newer ones have.
pub(crate) fn unique_id(prefix: &str) -> String {
    let letters = random_bytes::<17>().map(|byte| char::from(LETTERS[usize::from(byte % 32)]));
    format!("{prefix}{}", letters.iter().collect::<String>())
}

/// A new access key id: `AKIA` or `ASIA` and 16 characters.
pub(crate) fn access_key_id(prefix: &str) -> String {
    let letters = random_bytes::<16>().map(|byte| char::from(LETTERS[usize::from(byte % 32)]));
    format!("{prefix}{}", letters.iter().collect::<String>())
}

/// A new secret of 40 characters.
pub(crate) fn secret() -> String {
    STANDARD.encode(random_bytes::<30>())
}

/// A new session token.
pub(crate) fn session_token() -> String {
    STANDARD.encode([&[0x21; 3][..], &random_bytes::<180>()].concat())
}

/// An ARN of IAM, as `arn:aws:iam::111122223333:role/path/name`.
pub(crate) fn arn(account: &AccountId, kind: &str, path: &str, name: &str) -> String {
    format!("arn:aws:iam::{account}:{kind}{path}{name}")
}

/// Text as IAM writes policies into its answers: percent-encoded but for RFC 3986's unreserved characters.
pub(crate) fn encoded(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_awss_form() {
        let id = access_key_id("AKIA");
        assert_eq!((id.len(), &id[..4]), (20, "AKIA"));
        assert!(id.bytes().all(|b| b.is_ascii_uppercase() || (b'2'..=b'7').contains(&b)));
        assert_eq!(secret().len(), 40);
    }

    #[test]
    fn names_and_paths_are_checked() {
        assert!(check("eks.role_1+a", "roleName", 64).is_ok());
        for bad in ["", "a b", "a/b", &"a".repeat(65)] {
            assert!(check(bad, "roleName", 64).is_err(), "{bad}");
        }
        assert_eq!(path(&None).unwrap(), "/");
        assert!(path(&Some("/team/".into())).is_ok());
        assert!(path(&Some("team".into())).is_err());
    }

    #[test]
    fn policies_are_percent_encoded() {
        assert_eq!(encoded(r#"{"a": "b+c"}"#), "%7B%22a%22%3A%20%22b%2Bc%22%7D");
    }
}

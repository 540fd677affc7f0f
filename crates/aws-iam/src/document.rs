//! Checks of policy documents. Source: *IAM User Guide*, "IAM JSON policy elements reference".

use crate::error::{Result, malformed};
use serde_json::Value;

/// Bytes of a trust policy, an inline policy and a managed one; AWS's quotas (the first with its raise).
pub(crate) const MAX_TRUST: usize = 8192;
/// See [`MAX_TRUST`].
pub(crate) const MAX_POLICY: usize = 10240;

/// What a document is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Says who may take on a role: has principals, has no resources.
    Trust,
    /// Says what may be done: has resources, has no principals.
    Permissions,
}

/// One value or a list of them, as policies write nearly everything.
pub(crate) fn each(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Null => vec![],
        one => vec![one],
    }
}

/// Checks a document.
pub(crate) fn check(text: &str, kind: Kind) -> Result<()> {
    let max = if kind == Kind::Trust { MAX_TRUST } else { MAX_POLICY };
    if text.len() > max {
        return Err(crate::error::limit(format!("Cannot exceed quota for the policy's size: {max}")));
    }
    let document: Value = serde_json::from_str(text).map_err(|_| malformed("This policy contains invalid Json"))?;
    if !document.is_object() {
        return Err(malformed("Syntax errors in policy."));
    }
    if let Some(version) = document.get("Version")
        && !["2012-10-17", "2008-10-17"].iter().any(|known| version == known)
    {
        return Err(malformed("The policy must contain a valid version string"));
    }
    let statements = each(&document["Statement"]);
    if statements.is_empty() {
        return Err(malformed("Syntax errors in policy."));
    }
    statements.into_iter().try_for_each(|statement| check_statement(statement, kind))
}

fn check_statement(statement: &Value, kind: Kind) -> Result<()> {
    if !statement.is_object() {
        return Err(malformed("Syntax errors in policy."));
    }
    if !["Allow", "Deny"].iter().any(|effect| statement["Effect"] == *effect) {
        return Err(malformed("Invalid effect in statement."));
    }
    let has = |member: &str| statement.get(member).is_some();
    if !has("Action") && !has("NotAction") {
        return Err(malformed("Policy statement must contain actions."));
    }
    match kind {
        Kind::Trust if has("Resource") || has("NotResource") => Err(malformed("Has prohibited field Resource")),
        Kind::Trust if !has("Principal") && !has("NotPrincipal") => Err(malformed("Missing required field Principal")),
        Kind::Permissions if has("Principal") => Err(malformed("Policy document should not specify a principal.")),
        Kind::Permissions if !has("Resource") && !has("NotResource") => {
            Err(malformed("Policy statement must contain resources."))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(text: &str, kind: Kind, want: &str) {
        let message = check(text, kind).unwrap_err().to_string();
        assert_eq!(message, format!("MalformedPolicyDocument: {want}"));
    }

    #[test]
    fn documents_are_checked_for_their_kind() {
        let trust = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole",
            "Principal":{"Service":"eks.amazonaws.com"}}}"#;
        let allow = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"eks:*","Resource":"*"}]}"#;
        assert!(check(trust, Kind::Trust).is_ok());
        assert!(check(allow, Kind::Permissions).is_ok());
        refused("{", Kind::Trust, "This policy contains invalid Json");
        refused("[]", Kind::Trust, "Syntax errors in policy.");
        refused(r#"{"Statement":[]}"#, Kind::Trust, "Syntax errors in policy.");
        refused(allow, Kind::Trust, "Has prohibited field Resource");
        refused(trust, Kind::Permissions, "Policy document should not specify a principal.");
        refused(
            r#"{"Version":"2020-01-01","Statement":[{}]}"#,
            Kind::Trust,
            "The policy must contain a valid version string",
        );
    }
}

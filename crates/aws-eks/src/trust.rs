//! Whether a role lets EKS take it on: its ARN and its trust policy.

use crate::error::EksError;
use base::AccountId;
use serde_json::Value;

/// Who takes on the role.
pub const EKS: &str = "eks.amazonaws.com";

/// The ARN of a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleArn {
    /// The whole ARN.
    pub arn: String,
    /// The role's account.
    pub account: AccountId,
    /// Its name: what stands behind the last slash.
    pub name: String,
}

impl RoleArn {
    /// Reads `arn:aws:iam::<account>:role/<path><name>`.
    ///
    /// # Errors
    /// [`EksError::RoleArn`] for another form.
    pub fn parse(arn: &str) -> Result<Self, EksError> {
        let read = || {
            let (account, path) = arn.strip_prefix("arn:aws:iam::")?.split_once(":role/")?;
            let name = path.rsplit('/').next().filter(|name| !name.is_empty())?;
            Some(Self { arn: arn.to_owned(), account: account.parse().ok()?, name: name.to_owned() })
        };
        read().ok_or_else(|| EksError::RoleArn(arn.to_owned()))
    }
}

/// Whether a trust policy, as IAM hands it out (JSON, perhaps percent-encoded), allows EKS to take on the role.
pub fn trusts_eks(policy: &str) -> bool {
    let decoded = percent_decoded(policy);
    let Ok(policy) = serde_json::from_str::<Value>(&decoded) else { return false };
    let statements = each(&policy["Statement"]);
    let about_us = |it: &&Value| names_us(&it["Principal"]) && each(&it["Action"]).iter().any(|it| assumes(it));
    let mut ours = statements.into_iter().filter(about_us).peekable();
    ours.peek().is_some() && ours.all(|it| it["Effect"] == "Allow")
}

fn names_us(principal: &Value) -> bool {
    principal == "*" || each(&principal["Service"]).iter().any(|it| *it == EKS || *it == "*")
}

fn assumes(action: &Value) -> bool {
    action.as_str().is_some_and(|it| ["sts:assumerole", "sts:*", "*"].contains(&it.to_ascii_lowercase().as_str()))
}

/// A policy writes one of something without a list.
fn each(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Null => vec![],
        one => vec![one],
    }
}

fn percent_decoded(text: &str) -> String {
    let digit =
        |byte: Option<&u8>| byte.and_then(|it| char::from(*it).to_digit(16)).and_then(|it| u8::try_from(it).ok());
    let (bytes, mut decoded, mut at) = (text.as_bytes(), Vec::with_capacity(text.len()), 0);
    while let Some(&byte) = bytes.get(at) {
        match (byte, digit(bytes.get(at + 1)), digit(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(high << 4 | low);
                at += 3;
            }
            _ => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
        "Principal":{"Service":"eks.amazonaws.com"},"Action":["sts:AssumeRole","sts:TagSession"]}]}"#;

    #[test]
    fn arns_are_those_of_roles() {
        let role = RoleArn::parse("arn:aws:iam::111122223333:role/team/a/eks").unwrap();
        assert_eq!((role.name.as_str(), role.account.as_str()), ("eks", "111122223333"));
        let bad = [
            "",
            "eks",
            "arn:aws:iam::1111:role/eks",
            "arn:aws:iam::111122223333:user/eks",
            "arn:aws:iam::111122223333:role/",
        ];
        assert!(bad.iter().all(|it| RoleArn::parse(it).is_err()));
    }

    #[test]
    fn trust_must_be_ours_and_allowed() {
        assert!(trusts_eks(GOOD));
        let encoded: String = GOOD.bytes().map(|byte| format!("%{byte:02X}")).collect();
        assert!(trusts_eks(&encoded), "IAM's answers are percent-encoded");
        let single = r#"{"Statement":{"Effect":"Allow","Principal":{"Service":["ec2.amazonaws.com","eks.amazonaws.com"]},
            "Action":"sts:AssumeRole"}}"#;
        assert!(trusts_eks(single));
        assert!(!trusts_eks(&GOOD.replace("eks.amazonaws.com", "ec2.amazonaws.com")));
        assert!(!trusts_eks(&GOOD.replace("Allow", "Deny")));
        assert!(!trusts_eks(&GOOD.replace("sts:AssumeRole", "sts:GetCallerIdentity")));
        assert!(!trusts_eks("not json") && !trusts_eks("{}") && !trusts_eks("%"));
    }
}

//! Who may take on a role: its trust policy against a caller. Real, but small: an explicit Deny wins, a condition that
//! is not understood never holds for an Allow and always holds for a Deny.
//! Source: *IAM User Guide*, "AWS JSON policy elements: Principal" and "Policy evaluation logic".

use crate::document::each;
use aws_model::{Caller, Principal};
use serde_json::Value;

/// What a trust policy is asked about.
pub(crate) struct Question<'a> {
    /// Who asks.
    pub caller: &'a Caller,
    /// The ARN of the caller's role, when a session asks.
    pub caller_role: Option<String>,
    /// The ExternalId of the call.
    pub external_id: Option<&'a str>,
}

/// Whether the trust policy lets the caller take on the role.
pub(crate) fn allows(policy: &str, question: &Question<'_>) -> bool {
    let Ok(policy) = serde_json::from_str::<Value>(policy) else { return false };
    let mut allowed = false;
    for statement in each(&policy["Statement"]) {
        let concerns = each(&statement["Action"]).into_iter().any(is_assume_role)
            && names(&statement["Principal"], question)
            && !statement["Principal"].is_null();
        if !concerns {
            continue;
        }
        match (statement["Effect"].as_str(), conditions(&statement["Condition"], question)) {
            (Some("Deny"), Some(true) | None) => return false,
            (Some("Allow"), Some(true)) => allowed = true,
            _ => {}
        }
    }
    allowed
}

fn is_assume_role(action: &Value) -> bool {
    action.as_str().is_some_and(|it| like(&it.to_ascii_lowercase(), "sts:assumerole"))
}

/// Whether a principal element names the caller.
fn names(principal: &Value, question: &Question<'_>) -> bool {
    if let Some(text) = principal.as_str() {
        return text == "*" && !question.caller.is_service();
    }
    let caller = question.caller;
    if let Principal::Service(name) = caller.principal {
        return each(&principal["Service"]).into_iter().any(|it| *it == name);
    }
    let account = caller.account.as_str();
    let root = format!("arn:aws:iam::{account}:root");
    each(&principal["AWS"]).into_iter().filter_map(Value::as_str).any(|it| {
        it == "*" || it == account || it == root || it == caller.arn || question.caller_role.as_deref() == Some(it)
    })
}

/// Whether all conditions hold; `None` when one is not understood.
fn conditions(conditions: &Value, question: &Question<'_>) -> Option<bool> {
    let Some(operators) = conditions.as_object() else { return Some(conditions.is_null()) };
    let mut hold = true;
    for (operator, tests) in operators {
        let matches: fn(&str, &str) -> bool = match operator.as_str() {
            "StringEquals" | "ArnEquals" => |pattern, value| pattern == value,
            "StringLike" | "ArnLike" => like,
            _ => return None,
        };
        for (key, wanted) in tests.as_object()? {
            let value = match key.to_ascii_lowercase().as_str() {
                "sts:externalid" => question.external_id.map(str::to_owned),
                "aws:principalarn" => Some(question.caller_role.clone().unwrap_or_else(|| question.caller.arn.clone())),
                "aws:principalaccount" | "aws:sourceaccount" => Some(question.caller.account.to_string()),
                _ => return None,
            };
            let hit = |pattern: &Value| {
                pattern.as_str().zip(value.as_deref()).is_some_and(|(pattern, value)| matches(pattern, value))
            };
            hold &= each(wanted).into_iter().any(hit);
        }
    }
    Some(hold)
}

/// Whether `value` has the form of `pattern`, in which `*` stands for anything and `?` for one character.
fn like(pattern: &str, value: &str) -> bool {
    let (pattern, value) = (pattern.as_bytes(), value.as_bytes());
    let (mut p, mut v, mut star) = (0, 0, None);
    while v < value.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, v));
            p += 1;
        } else if pattern.get(p).is_some_and(|c| *c == b'?' || *c == value[v]) {
            (p, v) = (p + 1, v + 1);
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            (p, v) = (at + 1, from + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user() -> Caller {
        Caller {
            account: "111122223333".parse().unwrap(),
            principal: Principal::User("ann".into()),
            arn: "arn:aws:iam::111122223333:user/ann".into(),
            user_id: "AIDA1".into(),
            access_key_id: "AKIA1".into(),
        }
    }

    #[track_caller]
    fn check(statement: &str, caller: &Caller, external_id: Option<&str>, want: bool) {
        let policy = format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#);
        let question = Question { caller, caller_role: None, external_id };
        assert_eq!(allows(&policy, &question), want, "{statement}");
    }

    fn allow(principal: &str) -> String {
        format!(r#"{{"Effect":"Allow","Principal":{principal},"Action":"sts:AssumeRole"}}"#)
    }

    #[test]
    fn a_principal_is_an_account_an_arn_or_anybody() {
        let ann = user();
        check(&allow(r#"{"AWS":"arn:aws:iam::111122223333:root"}"#), &ann, None, true);
        check(&allow(r#"{"AWS":"111122223333"}"#), &ann, None, true);
        check(
            &allow(r#"{"AWS":["arn:aws:iam::111122223333:user/bob","arn:aws:iam::111122223333:user/ann"]}"#),
            &ann,
            None,
            true,
        );
        check(&allow(r#"{"AWS":"arn:aws:iam::111122223333:user/bob"}"#), &ann, None, false);
        check(&allow(r#"{"AWS":"444455556666"}"#), &ann, None, false);
        check(&allow(r#""*""#), &ann, None, true);
        check(&allow(r#"{"Service":"eks.amazonaws.com"}"#), &ann, None, false);
    }

    #[test]
    fn a_service_is_named_as_a_service() {
        let ec2 = Caller::service("111122223333".parse().unwrap(), "ec2.amazonaws.com");
        check(&allow(r#"{"Service":"ec2.amazonaws.com"}"#), &ec2, None, true);
        check(&allow(r#"{"Service":"eks.amazonaws.com"}"#), &ec2, None, false);
        check(&allow(r#"{"AWS":"111122223333"}"#), &ec2, None, false);
    }

    #[test]
    fn an_explicit_deny_wins() {
        let deny = r#"{"Effect":"Deny","Principal":{"AWS":"arn:aws:iam::111122223333:user/ann"},"Action":"sts:*"}"#;
        check(&format!("{},{deny}", allow(r#""*""#)), &user(), None, false);
    }

    #[test]
    fn conditions_hold_or_are_not_understood() {
        let with = |condition: &str| {
            format!(r#"{{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Condition":{condition}}}"#)
        };
        let external = with(r#"{"StringEquals":{"sts:ExternalId":"x-1"}}"#);
        check(&external, &user(), Some("x-1"), true);
        check(&external, &user(), Some("x-2"), false);
        check(&external, &user(), None, false);
        check(&with(r#"{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:user/a*"}}"#), &user(), None, true);
        check(&with(r#"{"Bool":{"aws:MultiFactorAuthPresent":"true"}}"#), &user(), None, false);
    }
}

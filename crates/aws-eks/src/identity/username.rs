//! Templates of user and group names.

use crate::tokens::StsIdentity;

/// The template of the name that EC2 gave an instance.
const PRIVATE_DNS_NAME: &str = "{{EC2PrivateDNSName}}";

/// What names that users write must not begin with.
const RESERVED: [&str; 4] = ["aws:", "iam:", "amazon:", "eks:"];

/// Whether a template needs an instance's private DNS name.
pub fn needs_private_dns_name(template: &str) -> bool {
    template.contains(PRIVATE_DNS_NAME)
}

/// Whether a name is one that only the service gives.
pub fn is_reserved(name: &str) -> bool {
    RESERVED.into_iter().any(|it| name.starts_with(it))
}

/// Whether a session is named after an instance, as those that instances are given are.
pub fn is_instance_id(session: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    session.strip_prefix("i-").is_some_and(|it| [8, 17].contains(&it.len()) && it.bytes().all(word))
}

/// Fills a template in; none when it needs an instance's name and there is none. What is filled in is not looked at
/// again, so that nobody can name a session after a template.
pub fn fill(template: &str, who: &StsIdentity, private_dns_name: Option<&str>) -> Option<String> {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(start) = rest.find("{{") {
        let (before, after) = rest.split_at(start);
        filled.push_str(before);
        let Some(end) = after.find("}}") else {
            rest = after;
            break;
        };
        let (word, tail) = after.split_at(end + 2);
        match word {
            "{{AccountID}}" => filled.push_str(who.account.as_str()),
            "{{SessionName}}" => filled.push_str(&who.session_name.replace('@', "-")),
            "{{SessionNameRaw}}" => filled.push_str(&who.session_name),
            "{{AccessKeyID}}" => filled.push_str(&who.access_key_id),
            PRIVATE_DNS_NAME if !is_instance_id(&who.session_name) => return None,
            PRIVATE_DNS_NAME => filled.push_str(private_dns_name?),
            // Braces in front of others: only these two are done with.
            _ => {
                filled.push('{');
                rest = after.split_at(1).1;
                continue;
            }
        }
        rest = tail;
    }
    filled.push_str(rest);
    Some(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn who(session: &str) -> StsIdentity {
        StsIdentity {
            account: "111122223333".parse().unwrap(),
            arn: String::new(),
            canonical_arn: String::new(),
            principal_id: "AROADEV".to_owned(),
            session_name: session.to_owned(),
            access_key_id: "ASIAKEY".to_owned(),
        }
    }

    #[test]
    fn words_are_filled_in_once() {
        let fill = |template: &str, session: &str| fill(template, &who(session), Some("ip-10-0-0-1.ec2.internal"));
        for (template, session, want) in [
            ("{{AccountID}}:{{SessionName}}", "a@b", Some("111122223333:a-b")),
            ("x:{{SessionNameRaw}}", "a@b", Some("x:a@b")),
            ("{{AccessKeyID}}", "", Some("ASIAKEY")),
            ("x:{{SessionName}}", "{{AccountID}}", Some("x:{{AccountID}}")),
            ("system:node:{{EC2PrivateDNSName}}", "i-0123456789abcdef0", Some("system:node:ip-10-0-0-1.ec2.internal")),
            ("system:node:{{EC2PrivateDNSName}}", "me", None),
            ("{{Other}} {{{AccountID}}} {{", "", Some("{{Other}} {111122223333} {{")),
        ] {
            assert_eq!(fill(template, session).as_deref(), want, "{template}");
        }
        assert_eq!(super::fill(PRIVATE_DNS_NAME, &who("i-01234567"), None), None);
    }

    proptest! {
        #[test]
        fn no_template_makes_it_panic(template in "(\\{\\{|\\}\\}|AccountID|SessionName|.){0,12}", session in ".{0,8}") {
            let filled = fill(&template, &who(&session), None);
            if !template.contains("{{") {
                prop_assert_eq!(filled, Some(template));
            }
        }
    }
}

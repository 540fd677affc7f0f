//! The ConfigMap `kube-system/aws-auth`: who may enter, written by users. What of it is well-formed counts; a slip in one
//! place must not lock everybody out.

use crate::tokens::StsIdentity;
use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};
use std::fmt;

/// The namespace of the ConfigMap.
pub const NAMESPACE: &str = "kube-system";

/// Its name.
pub const NAME: &str = "aws-auth";

/// What a principal is mapped to: templates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct User {
    /// The user's name.
    pub username: String,
    /// The user's groups.
    pub groups: Vec<String>,
}

/// The ConfigMap, read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AwsAuth {
    /// By ARN in small letters.
    roles: HashMap<String, User>,
    users: HashMap<String, User>,
    accounts: HashSet<String>,
}

impl AwsAuth {
    /// Who is mapped: roles before users before whole accounts. Those of an account are called by their ARNs.
    pub fn find(&self, who: &StsIdentity) -> Option<User> {
        let arn = who.canonical_arn.to_ascii_lowercase();
        let found = self.roles.get(&arn).or_else(|| self.users.get(&arn)).cloned();
        let of_account = || self.accounts.contains(who.account.as_str());
        found.or_else(|| of_account().then(|| User { username: who.canonical_arn.clone(), groups: vec![] }))
    }
}

/// Reads the values of the ConfigMap's keys `mapRoles`, `mapUsers` and `mapAccounts`; those that it does not have are
/// empty. Answers also what was passed over, for the log.
pub fn parse(map_roles: &str, map_users: &str, map_accounts: &str) -> (AwsAuth, Vec<String>) {
    let mut problems = Vec::new();
    let auth = AwsAuth {
        roles: mappings("mapRoles", map_roles, "rolearn", &mut problems),
        users: mappings("mapUsers", map_users, "userarn", &mut problems),
        accounts: accounts(map_accounts, &mut problems),
    };
    (auth, problems)
}

/// Texts that stand for nothing.
fn is_blank(text: &str) -> bool {
    matches!(text.trim(), "" | "``" | "\"\"")
}

/// One list of mappings. Of two for the same ARN the last one counts.
fn mappings(key: &str, text: &str, arn: &str, problems: &mut Vec<String>) -> HashMap<String, User> {
    if is_blank(text) {
        return HashMap::new();
    }
    let items = match serde_saphyr::from_str::<Value>(text) {
        Ok(Value::Array(items)) => items,
        Ok(Value::Null) => return HashMap::new(),
        Ok(_) => {
            problems.push(format!("{key} is not a list"));
            return HashMap::new();
        }
        Err(error) => {
            problems.push(format!("{key} is not YAML: {error}"));
            return HashMap::new();
        }
    };
    let mut found = HashMap::new();
    for (place, item) in items.iter().enumerate() {
        let Some(item) = item.as_object() else {
            problems.push(format!("{key}[{place}] is not a mapping"));
            continue;
        };
        let mut text = |name: &str| match member(item, name) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(_) => {
                problems.push(format!("{key}[{place}].{name} is not a text"));
                String::new()
            }
        };
        let (arn, username) = (text(arn), text("username"));
        let groups = match member(item, "groups") {
            None | Some(Value::Null) => vec![],
            Some(Value::Array(all)) => {
                let texts: Vec<String> = all.iter().filter_map(Value::as_str).map(str::to_owned).collect();
                if texts.len() < all.len() {
                    problems.push(format!("{key}[{place}].groups has what is not a text"));
                }
                texts
            }
            Some(_) => {
                problems.push(format!("{key}[{place}].groups is not a list"));
                vec![]
            }
        };
        found.insert(arn.to_ascii_lowercase(), User { username, groups });
    }
    found
}

/// A member, whose name may be written in any case; the last one counts.
fn member<'a>(item: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    item.iter().rfind(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn accounts(text: &str, problems: &mut Vec<String>) -> HashSet<String> {
    if is_blank(text) {
        return HashSet::new();
    }
    match serde_saphyr::from_str::<Option<Accounts>>(text) {
        Ok(found) => found.map(|it| it.0).unwrap_or_default(),
        Err(error) => {
            problems.push(format!("mapAccounts is not a list of accounts: {error}"));
            HashSet::new()
        }
    }
}

/// A list of account numbers, with quotes or without.
struct Accounts(HashSet<String>);

impl<'de> Deserialize<'de> for Accounts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Accounts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of account numbers")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Accounts, A::Error> {
                let mut found = HashSet::new();
                while let Some(text) = seq.next_element::<String>()? {
                    found.insert(text);
                }
                Ok(Accounts(found))
            }
        }
        deserializer.deserialize_seq(List)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn who(arn: &str) -> StsIdentity {
        StsIdentity {
            account: "111122223333".parse().unwrap(),
            arn: arn.to_owned(),
            canonical_arn: arn.to_owned(),
            principal_id: "AROADEV".to_owned(),
            session_name: String::new(),
            access_key_id: String::new(),
        }
    }

    const ROLES: &str = "
- groups:
  - system:bootstrappers
  - system:nodes
  rolearn: arn:aws:iam::111122223333:role/Node-Role
  username: system:node:{{EC2PrivateDNSName}}
- rolearn: arn:aws:iam::111122223333:role/two
  username: first
- {RoleARN: 'arn:aws:iam::111122223333:role/two', username: second, groups: [g]}
";

    fn role(auth: &AwsAuth, name: &str) -> Option<User> {
        auth.find(&who(&format!("arn:aws:iam::111122223333:role/{name}")))
    }

    #[test]
    fn the_config_map_of_a_node_group_is_read() {
        let (auth, problems) = parse(ROLES, "", "");
        assert_eq!(problems, Vec::<String>::new());
        let node = role(&auth, "node-role").unwrap();
        assert_eq!(node.username, "system:node:{{EC2PrivateDNSName}}");
        assert_eq!(node.groups, ["system:bootstrappers", "system:nodes"]);
        assert_eq!(role(&auth, "two").unwrap(), User { username: "second".into(), groups: vec!["g".into()] });
        assert_eq!(role(&auth, "three"), None);
    }

    #[test]
    fn users_and_accounts() {
        let users = r#"[{"userarn": "arn:aws:iam::111122223333:user/ops/bob", "username": "bob"}]"#;
        let (auth, problems) = parse("", users, "- '111122223333'\n");
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(auth.find(&who("arn:aws:iam::111122223333:user/ops/Bob")).unwrap().username, "bob");
        let other = "arn:aws:iam::111122223333:user/Eve";
        assert_eq!(auth.find(&who(other)).unwrap(), User { username: other.into(), groups: vec![] });
        let (bare, _) = parse("", "", "- 111122223333\n- 012345678901\n");
        assert_eq!(bare.accounts, HashSet::from(["111122223333".to_owned(), "012345678901".to_owned()]));
        let stranger = StsIdentity { account: "444455556666".parse().unwrap(), ..who(other) };
        assert_eq!(bare.find(&stranger), None);
    }

    #[test]
    fn slips_cost_only_what_they_are_in() {
        let roles = "
- rolearn: arn:aws:iam::111122223333:role/good
  username: good
  groups: [a, 1]
- just text
- rolearn: arn:aws:iam::111122223333:role/odd
  username: odd
  groups: all
";
        let (auth, problems) = parse(roles, "- userarn: [", "{}");
        assert_eq!(role(&auth, "good").unwrap(), User { username: "good".into(), groups: vec!["a".into()] });
        assert_eq!(role(&auth, "odd").unwrap(), User { username: "odd".into(), groups: vec![] });
        assert_eq!(problems.len(), 5, "{problems:?}");
        for blank in ["", "  \n", "\"\"", "``", "[]", "null"] {
            assert_eq!(parse(blank, blank, blank), (AwsAuth::default(), vec![]), "{blank}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "([-:\\[\\]{} \\n'\"&*!|>]|rolearn|username|groups|.){0,24}") {
            let (auth, _) = parse(&text, &text, &text);
            let _ = auth.find(&who("arn:aws:iam::111122223333:role/x"));
        }
    }
}

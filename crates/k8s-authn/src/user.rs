//! A user, and the names that users and groups have by convention.

use k8s_types::names;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The name of someone without a credential.
pub const ANONYMOUS: &str = "system:anonymous";
/// The group of everybody with a credential.
pub const AUTHENTICATED: &str = "system:authenticated";
/// The group of everybody without one.
pub const UNAUTHENTICATED: &str = "system:unauthenticated";
/// The group of all service accounts.
pub const SERVICE_ACCOUNTS: &str = "system:serviceaccounts";
/// The group of kubelets.
pub const NODES: &str = "system:nodes";
/// The group of those who may do anything.
pub const MASTERS: &str = "system:masters";

/// The extra key of a bound token's pod.
pub const POD_NAME: &str = "authentication.kubernetes.io/pod-name";
/// The extra key of that pod's uid.
pub const POD_UID: &str = "authentication.kubernetes.io/pod-uid";
/// The extra key of a bound token's node.
pub const NODE_NAME: &str = "authentication.kubernetes.io/node-name";
/// The extra key of that node's uid.
pub const NODE_UID: &str = "authentication.kubernetes.io/node-uid";
/// The extra key of what tells one credential from another.
pub const CREDENTIAL_ID: &str = "authentication.kubernetes.io/credential-id";

const ACCOUNT_PREFIX: &str = "system:serviceaccount:";

/// Further facts of a user's, by key.
pub type Extra = BTreeMap<String, Vec<String>>;

/// Somebody who asks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserInfo {
    /// The name that rules know.
    pub name: String,
    /// Tells people apart who have the name one after the other; may be empty.
    pub uid: String,
    /// The groups, in the order in which the API tells them.
    pub groups: Vec<String>,
    /// What else the authenticator found out.
    pub extra: Extra,
}

impl UserInfo {
    /// Someone without a credential.
    pub fn anonymous() -> Self {
        Self { name: ANONYMOUS.to_owned(), groups: vec![UNAUTHENTICATED.to_owned()], ..Self::default() }
    }

    /// The user that a service account is.
    pub fn service_account(namespace: &str, name: &str, uid: &str) -> Self {
        Self {
            name: service_account_name(namespace, name),
            uid: uid.to_owned(),
            groups: service_account_groups(namespace),
            extra: Extra::new(),
        }
    }

    /// With the group of everybody who has a credential, as it is added to each user that was made of one.
    #[must_use]
    pub fn authenticated(mut self) -> Self {
        let told = self.groups.iter().any(|group| group == AUTHENTICATED || group == UNAUTHENTICATED);
        if self.name != ANONYMOUS && !told {
            self.groups.push(AUTHENTICATED.to_owned());
        }
        self
    }

    /// Whether the user is in `group`.
    pub fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|it| it == group)
    }

    /// The one value of an extra key.
    pub fn extra_value(&self, key: &str) -> Option<&str> {
        match self.extra.get(key).map(Vec::as_slice) {
            Some([one]) => Some(one),
            _ => None,
        }
    }

    /// As the API's `UserInfo`; what is empty is left out.
    pub fn to_value(&self) -> Value {
        let mut user = Map::new();
        let mut put = |key: &str, empty: bool, value: Value| {
            if !empty {
                user.insert(key.to_owned(), value);
            }
        };
        put("username", self.name.is_empty(), json!(self.name));
        put("uid", self.uid.is_empty(), json!(self.uid));
        put("groups", self.groups.is_empty(), json!(self.groups));
        put("extra", self.extra.is_empty(), json!(self.extra));
        Value::Object(user)
    }
}

/// The user name of a service account.
pub fn service_account_name(namespace: &str, name: &str) -> String {
    format!("{ACCOUNT_PREFIX}{namespace}:{name}")
}

/// The groups of a service account.
pub fn service_account_groups(namespace: &str) -> Vec<String> {
    vec![SERVICE_ACCOUNTS.to_owned(), format!("{SERVICE_ACCOUNTS}:{namespace}")]
}

/// The namespace and name of the service account whose user name this is, if such an account can exist.
pub fn split_service_account(user: &str) -> Option<(&str, &str)> {
    let (namespace, name) = user.strip_prefix(ACCOUNT_PREFIX)?.split_once(':')?;
    let sound = names::name_is_label(namespace, false).is_empty() && names::name_is_subdomain(name, false).is_empty();
    sound.then_some((namespace, name))
}

/// The node whose kubelet has this user name, if such a node can exist.
pub fn split_node(user: &str) -> Option<&str> {
    user.strip_prefix("system:node:").filter(|node| names::name_is_subdomain(node, false).is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_but_the_anonymous_user_is_authenticated() {
        let bob = UserInfo { name: "bob".to_owned(), groups: vec!["dev".to_owned()], ..UserInfo::default() };
        let bob = bob.authenticated();
        assert_eq!(bob.groups, ["dev", AUTHENTICATED]);
        assert_eq!(bob.clone().authenticated(), bob, "once is enough");
        assert_eq!(UserInfo::anonymous().authenticated().groups, [UNAUTHENTICATED]);
    }

    #[test]
    fn service_accounts_are_known_by_their_names() {
        let user = UserInfo::service_account("a", "b.c", "u").authenticated();
        assert_eq!(split_service_account(&user.name), Some(("a", "b.c")));
        assert_eq!(user.groups, ["system:serviceaccounts", "system:serviceaccounts:a", "system:authenticated"]);
        for not in ["a:b", "system:serviceaccount:a", "system:serviceaccount:a:b:c", "system:serviceaccount:a.b:c"] {
            assert_eq!(split_service_account(not), None, "{not}");
        }
        assert_eq!(split_service_account("system:serviceaccount:a:B"), None);
        assert_eq!(split_node("system:node:n1.x"), Some("n1.x"));
        assert_eq!(split_node("system:node:"), None);
    }

    #[test]
    fn empty_members_are_left_out() {
        assert_eq!(UserInfo::default().to_value(), json!({}));
        let text = UserInfo::service_account("a", "b", "u").to_value().to_string();
        assert_eq!(
            text,
            r#"{"username":"system:serviceaccount:a:b","uid":"u","groups":["system:serviceaccounts","system:serviceaccounts:a"]}"#
        );
    }
}

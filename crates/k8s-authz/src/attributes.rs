//! Who wants to do what, and what the API says to those who may not.

use k8s_types::Status;
use k8s_types::selectors::FieldTerm;
use k8s_types::status::{GroupResource, quote};
use std::collections::BTreeMap;

/// The group of those who may do anything.
pub const MASTERS: &str = "system:masters";
/// The group of kubelets.
pub const NODES: &str = "system:nodes";

/// Somebody who asks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct User {
    /// The name that rules know.
    pub name: String,
    /// Tells people apart who have the name one after the other.
    pub uid: String,
    /// The groups, in the order in which the API tells them.
    pub groups: Vec<String>,
    /// What else the authenticator found out.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl User {
    /// Whether the user is in `group`.
    pub fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|it| it == group)
    }

    /// Whether no rule need be asked.
    pub fn is_master(&self) -> bool {
        self.is_in(MASTERS)
    }

    /// The node whose kubelet this is.
    pub fn node(&self) -> Option<&str> {
        self.name.strip_prefix("system:node:").filter(|_| self.is_in(NODES))
    }

    /// The namespace and name of the service account that this is.
    pub fn service_account(&self) -> Option<(&str, &str)> {
        service_account(&self.name)
    }
}

/// The namespace and name of the service account whose user's name this is.
pub fn service_account(user: &str) -> Option<(&str, &str)> {
    user.strip_prefix("system:serviceaccount:")?.split_once(':').filter(|(_, name)| !name.contains(':'))
}

/// A wish of a user's.
#[derive(Debug, Clone, Copy)]
pub struct Attributes<'a> {
    /// Who.
    pub user: &'a User,
    /// `get`, `list`, `create`; a lower-case HTTP method for paths.
    pub verb: &'a str,
    /// The API group; empty for the core group.
    pub group: &'a str,
    /// The API version.
    pub version: &'a str,
    /// The resource, in plural.
    pub resource: &'a str,
    /// The subresource, or empty.
    pub subresource: &'a str,
    /// The namespace; empty at the cluster scope and for all namespaces.
    pub namespace: &'a str,
    /// The object's name, or empty.
    pub name: &'a str,
    /// The path, where the wish is about none of the API's resources.
    pub path: Option<&'a str>,
    /// What a list, watch or deletecollection is restricted to.
    pub fields: &'a [FieldTerm],
}

impl<'a> Attributes<'a> {
    /// `user` wants to do `verb` to a resource; all else is empty.
    pub fn resource(user: &'a User, verb: &'a str, group: &'a str, resource: &'a str) -> Self {
        let empty = Self::path(user, verb, "");
        Self { group, resource, path: None, ..empty }
    }

    /// `user` wants to do `verb` to a path outside of the API's resources.
    pub fn path(user: &'a User, verb: &'a str, path: &'a str) -> Self {
        Self {
            user,
            verb,
            group: "",
            version: "",
            resource: "",
            subresource: "",
            namespace: "",
            name: "",
            path: Some(path),
            fields: &[],
        }
    }

    /// The sentence of a refusal.
    pub fn denied(&self) -> String {
        let (user, verb) = (quote(&self.user.name), self.verb);
        if let Some(path) = self.path {
            return format!("User {user} cannot {verb} path {}", quote(path));
        }
        let resource = if self.subresource.is_empty() {
            quote(self.resource)
        } else {
            quote(&format!("{}/{}", self.resource, self.subresource))
        };
        let scope = if self.namespace.is_empty() {
            "at the cluster scope".to_owned()
        } else {
            format!("in the namespace {}", quote(self.namespace))
        };
        format!("User {user} cannot {verb} resource {resource} in API group {} {scope}", quote(self.group))
    }

    /// The answer to a wish that was refused for `reason`, which may be empty.
    pub fn forbidden(&self, reason: &str) -> Status {
        let mut why = self.denied().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        if !reason.is_empty() {
            why.push_str(": ");
            why.push_str(reason);
        }
        Status::forbidden(GroupResource { group: self.group, resource: self.resource }, self.name, &why)
    }
}

/// What an authorizer says to a wish.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decision {
    /// Whether it is allowed. If not, another authorizer may still allow it.
    pub allowed: bool,
    /// Why, for people.
    pub reason: String,
}

impl Decision {
    /// Yes, for no reason that need be told.
    pub fn allow() -> Self {
        Self { allowed: true, reason: String::new() }
    }

    /// Not as far as this authorizer knows.
    pub fn no_opinion(reason: impl Into<String>) -> Self {
        Self { allowed: false, reason: reason.into() }
    }
}

/// Whatever decides.
pub trait Authorizer {
    /// Whether the wish is granted.
    fn decide(&self, attributes: &Attributes<'_>) -> Decision;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str, groups: &[&str]) -> User {
        User { name: name.to_owned(), groups: groups.iter().map(ToString::to_string).collect(), ..User::default() }
    }

    #[test]
    fn names_tell_who_is_who() {
        assert_eq!(user("system:node:n1", &[NODES]).node(), Some("n1"));
        assert_eq!(user("system:node:n1", &[]).node(), None);
        assert_eq!(user("system:serviceaccount:a:b", &[]).service_account(), Some(("a", "b")));
        assert_eq!(user("system:serviceaccount:a:b:c", &[]).service_account(), None);
        assert!(user("x", &["a", MASTERS]).is_master());
    }

    #[test]
    fn refusals_are_worded_as_upstream_words_them() {
        let bob = user("bob", &[]);
        let it = Attributes::path(&bob, "get", "/logs/a<b>&c");
        assert_eq!(it.forbidden("").message, r#"forbidden: User "bob" cannot get path "/logs/a&lt;b&gt;&amp;c""#);
        let it = Attributes {
            subresource: "log",
            namespace: "a",
            name: "x",
            ..Attributes::resource(&bob, "get", "", "pods")
        };
        assert_eq!(
            it.forbidden("because").message,
            r#"pods "x" is forbidden: User "bob" cannot get resource "pods/log" in API group "" in the namespace "a": because"#
        );
    }
}

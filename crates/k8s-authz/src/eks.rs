//! EKS access policies: rights that a cluster's access entries give, beside roles and bindings.
//!
//! They show in no role and in no rules review. The facts stand in `data/access-policies.txt`.

use crate::attributes::{Attributes, Authorizer, Decision};
use crate::bootstrap::paragraphs;
use crate::rbac::SharedRules;
use crate::rule::PolicyRule;
use std::collections::HashMap;

const FACTS: &str = include_str!("../data/access-policies.txt");
const ARN: &str = "arn:aws:eks::aws:cluster-access-policy/";
/// Where the authenticator tells the IAM principal of a user: the user or role, without a session.
const PRINCIPAL: &str = "canonicalArn";

/// What an access policy allows, by its ARN; `None` if there is no such policy, or no rules of it are known.
pub fn access_policy(arn: &str) -> Option<Vec<PolicyRule>> {
    let name = arn.strip_prefix(ARN)?;
    let is = |line: &str| line.strip_prefix("policy ").is_some_and(|it| it == name);
    paragraphs(FACTS, u32::MAX).into_iter().find(|(line, _)| is(line)).map(|(_, rules)| rules)
}

/// Where an access policy holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Everywhere.
    Cluster,
    /// In these namespaces; `*` stands for any text.
    Namespaces(Vec<String>),
}

impl Scope {
    fn holds(&self, asked: &Attributes<'_>) -> bool {
        match self {
            Self::Cluster => true,
            Self::Namespaces(patterns) => {
                asked.path.is_none()
                    && !asked.namespace.is_empty()
                    && patterns.iter().any(|it| matches(it, asked.namespace))
            }
        }
    }
}

/// Whether `text` is as `pattern`, in which `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, mut pattern)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(start) else { return false };
    while let Some((part, rest)) = pattern.split_once('*') {
        let Some((_, after)) = text.split_once(part) else { return false };
        (pattern, text) = (rest, after);
    }
    text.ends_with(pattern)
}

/// The access policies that a cluster's access entries are associated with.
#[derive(Debug, Default)]
pub struct AccessPolicies {
    /// By the entry's principal.
    entries: HashMap<Box<str>, Vec<(SharedRules, Scope)>>,
}

impl AccessPolicies {
    /// Sets the policies of the access entry of an IAM principal: ARN and scope of each. Policies without known rules
    /// allow nothing.
    pub fn set(&mut self, principal: &str, policies: &[(&str, Scope)]) {
        let known = policies.iter().filter_map(|(arn, scope)| Some((access_policy(arn)?.into(), scope.clone())));
        self.entries.insert(principal.into(), known.collect());
    }

    /// Forgets an access entry.
    pub fn remove(&mut self, principal: &str) {
        self.entries.remove(principal);
    }
}

impl Authorizer for AccessPolicies {
    /// Looks at the user's IAM principal. Who is impersonated has none: the keys that a request can ask for are in
    /// lower case, and this one is not.
    fn decide(&self, attributes: &Attributes<'_>) -> Decision {
        let principal = attributes.user.extra.get(PRINCIPAL).and_then(|it| it.first());
        let policies = principal.and_then(|it| self.entries.get(it.as_str()));
        let allows = |(rules, scope): &(SharedRules, Scope)| {
            scope.holds(attributes) && rules.iter().any(|it| it.allows(attributes))
        };
        Decision { allowed: policies.is_some_and(|it| it.iter().any(allows)), reason: String::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attributes::User;

    fn rules(name: &str) -> Vec<PolicyRule> {
        access_policy(&format!("{ARN}{name}")).unwrap()
    }

    #[test]
    fn policies_differ_as_their_names_tell() {
        let user = User::default();
        let may = |policy: &str, verb, group, resource, subresource| {
            let ask = Attributes { subresource, namespace: "a", ..Attributes::resource(&user, verb, group, resource) };
            rules(policy).iter().any(|it| it.allows(&ask))
        };
        for (policy, write_pods, read_secrets, write_roles, read_nodes) in [
            ("AmazonEKSClusterAdminPolicy", true, true, true, true),
            ("AmazonEKSAdminViewPolicy", false, true, false, true),
            ("AmazonEKSAdminPolicy", true, true, true, false),
            ("AmazonEKSEditPolicy", true, true, false, false),
            ("AmazonEKSViewPolicy", false, false, false, false),
        ] {
            assert_eq!(may(policy, "create", "", "pods", ""), write_pods, "{policy}");
            assert_eq!(may(policy, "get", "", "secrets", ""), read_secrets, "{policy}");
            assert_eq!(may(policy, "update", "rbac.authorization.k8s.io", "roles", ""), write_roles, "{policy}");
            assert_eq!(may(policy, "get", "", "nodes", ""), read_nodes, "{policy}");
            assert!(may(policy, "get", "", "pods", "log"), "{policy}");
            assert!(may(policy, "list", "apps", "deployments", ""), "{policy}");
        }
        assert_eq!(access_policy("arn:aws:eks::aws:cluster-access-policy/Nope"), None);
        assert_eq!(access_policy("AmazonEKSViewPolicy"), None);
    }

    #[test]
    fn scopes_limit() {
        let mut policies = AccessPolicies::default();
        let principal = "arn:aws:iam::111122223333:role/dev";
        let admin = format!("{ARN}AmazonEKSClusterAdminPolicy");
        let extra = [(PRINCIPAL.to_owned(), vec![principal.to_owned()])].into();
        let user = User { extra, ..User::default() };
        let ask = |namespace| Attributes { namespace, ..Attributes::resource(&user, "get", "", "pods") };
        let names = |all: &[&str]| Scope::Namespaces(all.iter().map(ToString::to_string).collect());
        policies.set(principal, &[(&admin, names(&["dev-*", "x"]))]);
        for (namespace, allowed) in [("dev-1", true), ("x", true), ("dev", false), ("xy", false), ("", false)] {
            assert_eq!(policies.decide(&ask(namespace)).allowed, allowed, "{namespace}");
        }
        assert!(!policies.decide(&Attributes::path(&user, "get", "/metrics")).allowed);
        policies.set(principal, &[(&admin, Scope::Cluster)]);
        assert!(policies.decide(&Attributes::path(&user, "get", "/metrics")).allowed);
        assert!(!policies.decide(&Attributes { user: &User::default(), ..ask("x") }).allowed);
        policies.remove(principal);
        assert!(!policies.decide(&ask("x")).allowed);
    }

    #[test]
    fn patterns() {
        for (pattern, text, want) in [
            ("*", "", true),
            ("a*b", "ab", true),
            ("a*b", "axxb", true),
            ("a*b", "axxc", false),
            ("a*b*c", "axbxc", true),
            ("a*b*c", "axxc", false),
            ("a", "ab", false),
        ] {
            assert_eq!(matches(pattern, text), want, "{pattern} {text}");
        }
    }
}

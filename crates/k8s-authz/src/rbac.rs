//! Role-based access control: an index over roles and bindings, from subjects to what is bound to them.
//!
//! A decision looks at the bindings of the user and of the user's groups only, so other users' bindings cost nothing.
//! Bindings are looked at in the order of their names, those of the cluster first.

use crate::attributes::{Attributes, Authorizer, Decision, User};
use crate::json::{items, text};
use crate::rule::PolicyRule;
use k8s_types::status::quote;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The API group of roles and bindings.
pub const GROUP: &str = "rbac.authorization.k8s.io";

/// A role's rules, shared.
pub type SharedRules = Arc<[PolicyRule]>;

/// Roles and bindings of a cluster.
#[derive(Debug, Default)]
pub struct Rules {
    cluster: Scope,
    namespaces: HashMap<Box<str>, Scope>,
}

/// The roles and bindings of one namespace, or those of the cluster.
#[derive(Debug, Default)]
struct Scope {
    roles: HashMap<Box<str>, SharedRules>,
    bindings: HashMap<Box<str>, Arc<Binding>>,
    /// By the names of users; those of service accounts are users' too.
    users: Subjects,
    groups: Subjects,
}

/// Subjects and the bindings of each by name.
type Subjects = HashMap<Box<str>, BTreeMap<Box<str>, Arc<Binding>>>;

#[derive(Debug)]
struct Binding {
    name: Box<str>,
    namespace: Box<str>,
    to_cluster_role: bool,
    role: Box<str>,
    subjects: Vec<Subject>,
}

/// Whom a binding is for: the name by which users have it, and the reason of what it allows them, which is told so
/// often that it is made only once.
#[derive(Debug)]
struct Subject {
    is_group: bool,
    name: Box<str>,
    reason: Box<str>,
}

/// A binding's role that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingRole {
    /// Whether it is a ClusterRole.
    pub is_cluster_role: bool,
    /// Its name.
    pub name: String,
}

impl std::fmt::Display for MissingRole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = if self.is_cluster_role { "clusterrole" } else { "role" };
        write!(f, "{kind}.{GROUP} {} not found", quote(&self.name))
    }
}

/// All that a user may do, as far as rules tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserRules {
    /// The rules of all bindings.
    pub rules: Vec<PolicyRule>,
    /// Roles that bindings refer to in vain.
    pub missing: Vec<MissingRole>,
}

impl Binding {
    fn from_value(binding: &Value) -> Self {
        let (name, namespace) = (text(binding, "/metadata/name"), text(binding, "/metadata/namespace"));
        let (role_kind, role) = (text(binding, "/roleRef/kind"), text(binding, "/roleRef/name"));
        let by = if namespace.is_empty() {
            format!("ClusterRoleBinding {}", quote(name))
        } else {
            format!("RoleBinding {}", quote(&format!("{name}/{namespace}")))
        };
        let reason = format!("RBAC: allowed by {by} of {role_kind} {} to", quote(role));
        Self {
            name: name.into(),
            namespace: namespace.into(),
            to_cluster_role: role_kind == "ClusterRole",
            role: role.into(),
            subjects: items(binding, "/subjects")
                .filter_map(|it| Subject::from_value(it, namespace, &reason))
                .collect(),
        }
    }

    /// Why `user` is allowed what the binding's role allows.
    fn reason(&self, user: &User) -> String {
        let is = |it: &&Subject| if it.is_group { user.is_in(&it.name) } else { *it.name == *user.name };
        self.subjects.iter().find(is).map_or_else(String::new, |it| it.reason.to_string())
    }
}

impl Subject {
    /// A subject of a binding in `namespace`; `None` for what can be nobody.
    fn from_value(subject: &Value, namespace: &str, reason: &str) -> Option<Self> {
        let (kind, name) = (text(subject, "/kind"), text(subject, "/name"));
        let own = text(subject, "/namespace");
        let (is_group, name, told) = match kind {
            "User" | "Group" => (kind == "Group", name.to_owned(), quote(name)),
            "ServiceAccount" => {
                let namespace = if own.is_empty() { namespace } else { own };
                if namespace.is_empty() {
                    return None;
                }
                (false, format!("system:serviceaccount:{namespace}:{name}"), quote(&format!("{name}/{own}")))
            }
            _ => return None,
        };
        Some(Self { is_group, name: name.into(), reason: format!("{reason} {kind} {told}").into() })
    }
}

impl Scope {
    fn subjects(&mut self, is_group: bool) -> &mut Subjects {
        if is_group { &mut self.groups } else { &mut self.users }
    }

    fn put_binding(&mut self, binding: Binding) {
        self.remove_binding(&binding.name);
        let binding = Arc::new(binding);
        for it in &binding.subjects {
            let of = self.subjects(it.is_group).entry(it.name.clone()).or_default();
            of.insert(binding.name.clone(), Arc::clone(&binding));
        }
        self.bindings.insert(binding.name.clone(), binding);
    }

    fn remove_binding(&mut self, name: &str) {
        let Some(binding) = self.bindings.remove(name) else { return };
        for it in &binding.subjects {
            let subjects = self.subjects(it.is_group);
            if let Some(of) = subjects.get_mut(&it.name) {
                of.remove(name);
                if of.is_empty() {
                    subjects.remove(&it.name);
                }
            }
        }
    }

    /// The bindings of `user`, each once, by name.
    fn bindings_of(&self, user: &User) -> Vec<&Binding> {
        let groups = user.groups.iter().filter_map(|it| self.groups.get(it.as_str()));
        let all = self.users.get(user.name.as_str()).into_iter().chain(groups);
        let mut found: Vec<&Binding> = all.flat_map(|it| it.values().map(|it| &**it)).collect();
        found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        found.dedup_by(|a, b| std::ptr::eq(*a, *b));
        found
    }

    fn is_empty(&self) -> bool {
        self.roles.is_empty() && self.bindings.is_empty()
    }
}

impl Rules {
    /// No roles, no bindings.
    pub fn new() -> Self {
        Self::default()
    }

    fn scope(&mut self, namespace: &str) -> &mut Scope {
        if namespace.is_empty() { &mut self.cluster } else { self.namespaces.entry(namespace.into()).or_default() }
    }

    /// Takes in a Role, ClusterRole, RoleBinding or ClusterRoleBinding as it is now. Other kinds are ignored.
    pub fn put(&mut self, object: &Value) {
        let scope = self.scope(text(object, "/metadata/namespace"));
        match text(object, "/kind") {
            "Role" | "ClusterRole" => {
                let rules = PolicyRule::of_role(object).into();
                scope.roles.insert(text(object, "/metadata/name").into(), rules);
            }
            "RoleBinding" | "ClusterRoleBinding" => scope.put_binding(Binding::from_value(object)),
            _ => {}
        }
    }

    /// Forgets an object of one of the four kinds; `namespace` is empty for those of the cluster.
    pub fn remove(&mut self, kind: &str, namespace: &str, name: &str) {
        let scope = self.scope(namespace);
        match kind {
            "Role" | "ClusterRole" => {
                scope.roles.remove(name);
            }
            "RoleBinding" | "ClusterRoleBinding" => scope.remove_binding(name),
            _ => {}
        }
        if scope.is_empty() && !namespace.is_empty() {
            self.namespaces.remove(namespace);
        }
    }

    /// The rules of a role as a binding refers to it: of the cluster, or of `namespace`.
    pub fn role(&self, is_cluster_role: bool, namespace: &str, name: &str) -> Result<&SharedRules, MissingRole> {
        let scope = if is_cluster_role { Some(&self.cluster) } else { self.namespaces.get(namespace) };
        scope.and_then(|it| it.roles.get(name)).ok_or_else(|| MissingRole { is_cluster_role, name: name.to_owned() })
    }

    /// Calls `visit` with every binding of `user` that counts in `namespace`, until it answers false.
    fn visit<'a>(
        &'a self,
        user: &User,
        namespace: &str,
        mut visit: impl FnMut(&'a Binding, Result<&'a SharedRules, MissingRole>) -> bool,
    ) {
        let own = self.namespaces.get(namespace).filter(|_| !namespace.is_empty());
        for scope in std::iter::once(&self.cluster).chain(own) {
            for binding in scope.bindings_of(user) {
                let rules = self.role(binding.to_cluster_role, &binding.namespace, &binding.role);
                if !visit(binding, rules) {
                    return;
                }
            }
        }
    }

    /// All rules that `user` has in `namespace`; without one, those of the cluster.
    pub fn rules_for(&self, user: &User, namespace: &str) -> UserRules {
        let mut found = UserRules::default();
        self.visit(user, namespace, |_, rules| {
            match rules {
                Ok(rules) => found.rules.extend_from_slice(rules),
                Err(missing) => found.missing.push(missing),
            }
            true
        });
        found
    }
}

impl Authorizer for Rules {
    fn decide(&self, attributes: &Attributes<'_>) -> Decision {
        let mut by = None;
        let mut missing = Vec::new();
        self.visit(attributes.user, attributes.namespace, |binding, rules| {
            match rules {
                Ok(rules) if rules.iter().any(|it| it.allows(attributes)) => by = Some(binding),
                Ok(_) => {}
                Err(it) => missing.push(it),
            }
            by.is_none()
        });
        match by {
            Some(binding) => Decision { allowed: true, reason: binding.reason(attributes.user) },
            None if missing.is_empty() => Decision::default(),
            None => Decision::no_opinion(format!("RBAC: {}", told(&missing))),
        }
    }
}

/// Errors as one: each once, several in brackets.
pub(crate) fn told(errors: &[impl ToString]) -> String {
    let mut texts: Vec<String> = Vec::new();
    for text in errors.iter().map(ToString::to_string) {
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    match texts.as_slice() {
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    }
}

#[cfg(test)]
mod tests;

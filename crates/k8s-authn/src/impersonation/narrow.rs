//! The narrower ways (since 1.36): to be some user, and to do just this as such a user, are allowed one by one.

use super::{AUTHENTICATION, Attempt, Check, Impersonation, Part};
use crate::features::Feature;
use crate::user::{AUTHENTICATED, MASTERS, NODE_NAME, NODES, UserInfo, split_node, split_service_account};
use base::KubernetesVersion;
use k8s_types::status::quote;
use k8s_types::{FieldError, Path, names};

impl Impersonation {
    /// The narrower ways that fit the user.
    pub(super) fn constrained<'a>(
        &'a self,
        version: KubernetesVersion,
        asker: &UserInfo,
    ) -> impl Iterator<Item = Attempt> + 'a {
        let just_name = self.uid.is_empty() && self.groups.is_empty() && self.extra.is_empty();
        let node = split_node(&self.user);
        let is_account = split_service_account(&self.user).is_some();
        let is_askers_node = node.is_some_and(|node| {
            split_service_account(&asker.name).is_some() && asker.extra_value(NODE_NAME) == Some(node)
        });
        let modes = [
            (Mode::AssociatedNode, just_name && is_askers_node),
            (Mode::ArbitraryNode, just_name && node.is_some()),
            (Mode::ServiceAccount, just_name && is_account),
            (Mode::UserInfo, node.is_none() && !is_account),
        ];
        let known = Feature::ConstrainedImpersonation.is_in(version);
        modes.into_iter().filter(move |(_, fits)| known && *fits).map(|(mode, _)| self.constrained_by(mode))
    }

    fn constrained_by(&self, mode: Mode) -> Attempt {
        let verb = mode.verb();
        let mut checks = vec![Check::Request(format!("impersonate-on:{}:", mode.name()))];
        let whole = Part { verb: verb.to_owned(), group: AUTHENTICATION, version: "v1", ..Part::default() };
        let name = match split_node(&self.user) {
            // What is allowed is to be the own node, whichever it is.
            Some(_) if mode == Mode::AssociatedNode => {
                Part { resource: "nodes", name: "*".to_owned(), ..whole.clone() }
            }
            Some(node) => Part { resource: "nodes", name: node.to_owned(), ..whole.clone() },
            None => self.name_part(&whole),
        };
        checks.push(Check::Part(name));
        checks.extend(self.uid_checks(&whole));
        checks.extend(self.group_never(&whole));
        let all = Part { resource: "groups", name: "*".to_owned(), ..whole.clone() };
        checks.extend(at_once(all, self.group_checks(&whole).collect(), self.groups.len()));
        checks.extend(self.extra_never(&whole));
        let (subresource, name) = ("*".to_owned(), "*".to_owned());
        let all = Part { group: AUTHENTICATION, resource: "userextras", subresource, name, ..whole.clone() };
        let values = self.extra.values().map(Vec::len).sum();
        checks.extend(at_once(all, self.extra_checks(&whole).collect(), values));
        let mut user = self.user();
        if split_node(&self.user).is_some() {
            user.groups = vec![NODES.to_owned(), AUTHENTICATED.to_owned()];
        }
        Attempt { constraint: verb, checks, user }
    }

    /// Groups that can't be had in a narrower way.
    fn group_never(&self, whole: &Part) -> Option<Check> {
        let (name, what) = if self.groups.iter().any(String::is_empty) {
            ("", "the empty string group")
        } else if self.groups.iter().any(|group| group == MASTERS) {
            (MASTERS, "the system:masters group")
        } else {
            return None;
        };
        let part = Part { resource: "groups", name: name.to_owned(), ..whole.clone() };
        Some(Check::Never(part, format!("impersonating {what} is not allowed")))
    }

    /// Extras that can't be had in a narrower way.
    fn extra_never(&self, whole: &Part) -> Option<Check> {
        let reason = self.extra.iter().find_map(|(key, values)| {
            let path = Path::new("extra").child("key");
            let errors = if key.is_empty() { Vec::new() } else { names::domain_prefixed_path(&path, key) };
            Some(if key.is_empty() {
                "impersonating the empty string key in extra is not allowed".to_owned()
            } else if !errors.is_empty() {
                format!("impersonating an invalid key in extra is not allowed: {}", aggregate(&errors))
            } else if *key != key.to_lowercase() {
                format!("impersonating a non-lowercase key in extra is not allowed: {}", quote(key))
            } else if values.iter().any(String::is_empty) {
                "impersonating the empty string value in extra is not allowed".to_owned()
            } else {
                return None;
            })
        })?;
        Some(Check::Never(Part { group: AUTHENTICATION, resource: "userextras", ..whole.clone() }, reason))
    }
}

/// From how many parts of a kind on it is asked first whether all are allowed.
const MANY: usize = 4;

/// The checks of `count` parts of a kind.
fn at_once(all: Part, each: Vec<Check>, count: usize) -> Vec<Check> {
    if count >= MANY { vec![Check::Many(all, each)] } else { each }
}

/// A narrower way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    AssociatedNode,
    ArbitraryNode,
    ServiceAccount,
    UserInfo,
}

impl Mode {
    fn verb(self) -> &'static str {
        match self {
            Self::AssociatedNode => "impersonate:associated-node",
            Self::ArbitraryNode => "impersonate:arbitrary-node",
            Self::ServiceAccount => "impersonate:serviceaccount",
            Self::UserInfo => "impersonate:user-info",
        }
    }

    fn name(self) -> &'static str {
        self.verb().split_once(':').map_or("", |(_, name)| name)
    }
}

/// Errors in one text.
fn aggregate(errors: &[FieldError]) -> String {
    match errors {
        [one] => one.to_string(),
        many => format!("[{}]", many.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
    }
}

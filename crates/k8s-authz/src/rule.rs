//! One rule of a role: what it allows, whether it covers another, how it is written.

use crate::attributes::Attributes;
use crate::json::{items, texts};
use k8s_types::status::quote;
use serde_json::{Map, Value, json};

/// A rule: any of the verbs on any of the resources of any of the groups, or on any of the paths.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct PolicyRule {
    /// The API groups.
    pub groups: Vec<Box<str>>,
    /// The resources, as `pods`, `pods/log`, `*/scale`.
    pub resources: Vec<Box<str>>,
    /// The only objects that the rule is about; empty for all.
    pub names: Vec<Box<str>>,
    /// The paths outside of the API's resources, as `/healthz/*`.
    pub paths: Vec<Box<str>>,
    /// The verbs.
    pub verbs: Vec<Box<str>>,
}

fn has(list: &[Box<str>], wanted: &str) -> bool {
    list.iter().any(|it| &**it == wanted)
}

fn has_or_any(list: &[Box<str>], wanted: &str) -> bool {
    list.iter().any(|it| &**it == "*" || &**it == wanted)
}

fn has_all(list: &[Box<str>], wanted: &[Box<str>]) -> bool {
    wanted.iter().all(|it| has(list, it))
}

impl PolicyRule {
    /// A rule from its JSON object.
    pub fn from_value(rule: &Value) -> Self {
        let list = |path| texts(rule, path).map(Into::into).collect();
        Self {
            groups: list("/apiGroups"),
            resources: list("/resources"),
            names: list("/resourceNames"),
            paths: list("/nonResourceURLs"),
            verbs: list("/verbs"),
        }
    }

    /// The rules of a Role or ClusterRole.
    pub fn of_role(role: &Value) -> Vec<Self> {
        items(role, "/rules").map(Self::from_value).collect()
    }

    /// The rule as a JSON object.
    pub fn to_value(&self) -> Value {
        let mut rule = Map::new();
        rule.insert("verbs".to_owned(), json!(self.verbs));
        for (member, list) in [
            ("apiGroups", &self.groups),
            ("resources", &self.resources),
            ("resourceNames", &self.names),
            ("nonResourceURLs", &self.paths),
        ] {
            if !list.is_empty() {
                rule.insert(member.to_owned(), json!(list));
            }
        }
        Value::Object(rule)
    }

    /// Whether the rule allows what is asked.
    pub fn allows(&self, asked: &Attributes<'_>) -> bool {
        if !has_or_any(&self.verbs, asked.verb) {
            return false;
        }
        if let Some(path) = asked.path {
            return self.paths.iter().any(|it| path_covers(it, path));
        }
        has_or_any(&self.groups, asked.group)
            && self.resources.iter().any(|it| resource_matches(it, asked.resource, asked.subresource))
            && (self.names.is_empty() || has(&self.names, asked.name))
    }

    /// Whether the rule alone allows all that `other` does.
    pub fn covers(&self, other: &Self) -> bool {
        (has(&self.verbs, "*") || has_all(&self.verbs, &other.verbs))
            && (has(&self.groups, "*") || has_all(&self.groups, &other.groups))
            && other.resources.iter().all(|it| self.covers_resource(it))
            && other.paths.iter().all(|it| self.paths.iter().any(|own| path_covers(own, it)))
            && (self.names.is_empty() || (!other.names.is_empty() && has_all(&self.names, &other.names)))
    }

    fn covers_resource(&self, resource: &str) -> bool {
        let everywhere = |own: &str| match (own.strip_prefix("*/"), resource.split_once('/')) {
            (Some(own), Some((_, subresource))) => own == subresource,
            _ => false,
        };
        self.resources.iter().any(|it| &**it == "*" || &**it == resource || everywhere(it))
    }

    /// The rule as rules of one verb on one resource or path each.
    pub fn split(&self) -> Vec<Self> {
        let one = |it: &str| vec![Box::<str>::from(it)];
        let mut parts = Vec::new();
        for group in &self.groups {
            for resource in &self.resources {
                for verb in &self.verbs {
                    let part =
                        Self { groups: one(group), resources: one(resource), verbs: one(verb), ..Self::default() };
                    if self.names.is_empty() {
                        parts.push(part);
                    } else {
                        parts.extend(self.names.iter().map(|it| Self { names: one(it), ..part.clone() }));
                    }
                }
            }
        }
        for path in &self.paths {
            parts.extend(self.verbs.iter().map(|it| Self { paths: one(path), verbs: one(it), ..Self::default() }));
        }
        parts
    }

    /// As error texts tell it: `{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}`.
    pub fn describe(&self) -> String {
        let mut parts = Vec::new();
        for (name, list) in [
            ("APIGroups", &self.groups),
            ("Resources", &self.resources),
            ("NonResourceURLs", &self.paths),
            ("ResourceNames", &self.names),
            ("Verbs", &self.verbs),
        ] {
            if !list.is_empty() {
                parts.push(format!("{name}:{}", quoted(list)));
            }
        }
        format!("{{{}}}", parts.join(", "))
    }

    /// Whether it is about one resource and at most one object, so that it can be joined with others by their verbs.
    fn is_simple(&self) -> bool {
        self.groups.len() == 1 && self.resources.len() == 1 && self.names.len() <= 1 && self.paths.is_empty()
    }
}

/// Texts as Go prints a list of them: `["a" "b"]`.
pub(crate) fn quoted(list: &[impl AsRef<str>]) -> String {
    let texts: Vec<String> = list.iter().map(|it| quote(it.as_ref())).collect();
    format!("[{}]", texts.join(" "))
}

fn resource_matches(rule: &str, resource: &str, subresource: &str) -> bool {
    if rule == "*" {
        return true;
    }
    if subresource.is_empty() {
        return rule == resource;
    }
    rule.split_once('/').is_some_and(|(of, it)| it == subresource && (of == resource || of == "*"))
}

fn path_covers(rule: &str, path: &str) -> bool {
    rule == path || (rule.ends_with('*') && path.starts_with(rule.trim_end_matches('*')))
}

/// What of `wanted` none of the `owned` rules covers, as rules of one verb on one resource or path each.
pub fn missing(owned: &[PolicyRule], wanted: &[PolicyRule]) -> Vec<PolicyRule> {
    let parts = wanted.iter().flat_map(PolicyRule::split);
    parts.filter(|part| !owned.iter().any(|it| it.covers(part))).collect()
}

/// Joins rules about the same resource by their verbs.
pub fn compact(rules: Vec<PolicyRule>) -> Vec<PolicyRule> {
    let mut joined: Vec<PolicyRule> = Vec::new();
    for rule in rules {
        let same = |it: &&mut PolicyRule| {
            it.is_simple() && it.groups == rule.groups && it.resources == rule.resources && it.names == rule.names
        };
        match joined.iter_mut().find(same).filter(|_| rule.is_simple()) {
            Some(it) => it.verbs.extend(rule.verbs),
            None => joined.push(rule),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attributes::User;
    use proptest::prelude::*;

    fn rule(value: Value) -> PolicyRule {
        PolicyRule::from_value(&value)
    }

    #[test]
    fn rules_allow() {
        let user = User::default();
        let ask = |verb, group, resource, subresource, name| Attributes {
            subresource,
            name,
            ..Attributes::resource(&user, verb, group, resource)
        };
        let pods = rule(json!({"apiGroups": [""], "resources": ["pods", "pods/log", "*/scale"], "verbs": ["get"]}));
        assert!(pods.allows(&ask("get", "", "pods", "", "x")));
        assert!(pods.allows(&ask("get", "", "pods", "log", "x")));
        assert!(pods.allows(&ask("get", "", "replicationcontrollers", "scale", "x")));
        assert!(!pods.allows(&ask("get", "", "pods", "exec", "x")));
        assert!(!pods.allows(&ask("list", "", "pods", "", "")));
        assert!(!pods.allows(&ask("get", "apps", "pods", "", "x")));
        assert!(
            !rule(json!({"apiGroups": ["*"], "resources": ["pods/*"], "verbs": ["*"]}))
                .allows(&ask("get", "", "pods", "log", "x"))
        );
        let one = rule(json!({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"], "resourceNames": ["a"]}));
        assert!(one.allows(&ask("get", "x", "y", "z", "a")) && !one.allows(&ask("list", "x", "y", "", "")));
        let paths = rule(json!({"nonResourceURLs": ["/api/*", "/version"], "verbs": ["get"]}));
        for (path, want) in
            [("/api/v1", true), ("/api/", true), ("/api", false), ("/version", true), ("/version/", false)]
        {
            assert_eq!(paths.allows(&Attributes::path(&user, "get", path)), want, "{path}");
        }
    }

    #[test]
    fn what_is_missing_is_told_compactly() {
        let owned = [rule(json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}))];
        let wanted = [rule(json!({"apiGroups": [""], "resources": ["secrets", "pods"], "verbs": ["get", "*"]}))];
        let texts: Vec<String> = compact(missing(&owned, &wanted)).iter().map(PolicyRule::describe).collect();
        assert_eq!(
            texts,
            [
                r#"{APIGroups:[""], Resources:["secrets"], Verbs:["get" "*"]}"#,
                r#"{APIGroups:[""], Resources:["pods"], Verbs:["*"]}"#
            ]
        );
    }

    #[test]
    fn names_limit_what_is_covered() {
        let all = rule(json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}));
        let one = PolicyRule { names: vec!["a".into()], ..all.clone() };
        let other = PolicyRule { names: vec!["b".into()], ..all.clone() };
        assert!(all.covers(&one) && one.covers(&one) && !one.covers(&all) && !one.covers(&other));
    }

    fn list(of: &'static [&'static str], least: usize) -> impl Strategy<Value = Vec<Box<str>>> {
        prop::collection::vec(prop::sample::select(of).prop_map(Into::into), least..3)
    }

    fn any_rule() -> impl Strategy<Value = PolicyRule> {
        (
            list(&["", "apps", "*"], 1),
            list(&["pods", "pods/log", "*/log", "*"], 1),
            list(&["a", "b"], 0),
            list(&["get", "list", "*"], 1),
        )
            .prop_map(|(groups, resources, names, verbs)| PolicyRule {
                groups,
                resources,
                names,
                verbs,
                paths: Vec::new(),
            })
    }

    proptest! {
        #[test]
        fn what_is_covered_is_allowed(own in any_rule(), other in any_rule(), at in 0..16usize) {
            let user = User::default();
            if own.covers(&other) {
                let verb = ["get", "list"][at % 2];
                let group = ["", "apps"][at / 2 % 2];
                let subresource = ["", "log"][at / 4 % 2];
                let name = ["a", "b"][at / 8];
                let ask = Attributes { subresource, name, ..Attributes::resource(&user, verb, group, "pods") };
                prop_assert!(!other.allows(&ask) || own.allows(&ask));
            }
        }

        #[test]
        fn a_rule_lacks_nothing_of_itself(it in any_rule()) {
            prop_assert!(missing(std::slice::from_ref(&it), std::slice::from_ref(&it)).is_empty());
            prop_assert_eq!(PolicyRule::from_value(&it.to_value()), it);
        }
    }
}

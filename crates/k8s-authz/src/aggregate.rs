//! Aggregated ClusterRoles: their rules are those of the ClusterRoles that their selectors select.

use crate::json::{items, text};
use crate::rule::PolicyRule;
use k8s_types::selectors::{LabelSelector, SelectorError};
use serde_json::Value;

/// Whether `role`'s rules are made from others'.
pub fn is_aggregated(role: &Value) -> bool {
    role.get("aggregationRule").is_some_and(Value::is_object)
}

/// The rules that the aggregated `role` should have, given all ClusterRoles; `None` if it is not aggregated.
///
/// Per selector in the order of names, each rule once; the role itself gives nothing.
pub fn rules_of<'a, I>(role: &Value, all: I) -> Result<Option<Vec<PolicyRule>>, SelectorError>
where
    I: IntoIterator<Item = &'a Value>,
{
    if !is_aggregated(role) {
        return Ok(None);
    }
    let own = text(role, "/metadata/name");
    let mut others: Vec<&'a Value> = all.into_iter().filter(|it| text(it, "/metadata/name") != own).collect();
    others.sort_unstable_by_key(|it| text(it, "/metadata/name"));
    let mut rules: Vec<PolicyRule> = Vec::new();
    for selector in items(role, "/aggregationRule/clusterRoleSelectors") {
        let selector = LabelSelector::from_object(selector)?;
        for it in others.iter().filter(|it| selector.matches_object(it)) {
            for rule in PolicyRule::of_role(it) {
                if !rules.contains(&rule) {
                    rules.push(rule);
                }
            }
        }
    }
    Ok(Some(rules))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn who_views_may_do_less_than_who_edits() {
        let mut roles = crate::bootstrap::objects(34);
        roles.retain(|it| it["kind"] == "ClusterRole");
        // Edit takes in view, and admin edit: each needs the rules that the other came to.
        let gathered = ["view", "edit", "admin"].map(|name| {
            let at = roles.iter().position(|it| it["metadata"]["name"] == name).unwrap();
            let rules = rules_of(&roles[at], &roles).unwrap().unwrap();
            roles[at]["rules"] = rules.iter().map(PolicyRule::to_value).collect();
            rules
        });
        let [view, edit, admin] = &gathered;
        assert!(crate::rule::missing(edit, view).is_empty() && crate::rule::missing(admin, edit).is_empty());
        assert!(!crate::rule::missing(view, edit).is_empty() && !crate::rule::missing(edit, admin).is_empty());
    }

    #[test]
    fn rules_are_gathered() {
        let rule = |verb: &str| json!({"apiGroups": [""], "resources": ["pods"], "verbs": [verb]});
        let role = |name: &str, label: &str, rules: Value| json!({"metadata": {"name": name, "labels": {label: "true"}}, "rules": rules});
        let all = [
            role("c", "a", json!([rule("list")])),
            role("b", "a", json!([rule("get"), rule("list")])),
            role("d", "other", json!([rule("delete")])),
        ];
        let mut top = role("a", "a", json!([rule("watch")]));
        assert_eq!(rules_of(&top, &all).unwrap(), None);
        top["aggregationRule"] = json!({"clusterRoleSelectors": [{"matchLabels": {"a": "true"}}]});
        let verbs: Vec<String> =
            rules_of(&top, all.iter().chain([&top])).unwrap().unwrap().iter().map(|it| it.verbs.concat()).collect();
        assert_eq!(verbs, ["get", "list"]);
    }
}

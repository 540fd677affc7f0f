//! ClusterRoles whose rules are those of others.

use crate::access::{Cluster, options};
use crate::metadata::at;
use crate::runner::{Seen, Work};
use k8s_authz::PolicyRule;
use k8s_authz::aggregate::{is_aggregated, rules_of};
use k8s_registry::Target;
use k8s_registry::write::Patch;
use k8s_types::Status;
use serde_json::{Value, json};
use std::sync::Arc;

const USER: &str = "system:serviceaccount:kube-system:clusterrole-aggregation-controller";
/// The controller applies, under its own name.
const MANAGER: &str = "clusterrole-aggregation-controller";
/// The group of ClusterRoles.
pub(crate) const GROUP: &str = "rbac.authorization.k8s.io";

/// Takes in a change. Returns whether roles have to be looked at.
pub(crate) fn observe(seen: &Seen<'_>) -> Option<Work> {
    seen.place.is(GROUP, "clusterroles").then_some(Work::Aggregate)
}

/// The rules that aggregated roles should have and don't, each with the name of the role.
pub(crate) fn plan(roles: &[Value]) -> Vec<(String, Vec<Value>)> {
    let mut changes = Vec::new();
    for role in roles.iter().filter(|it| is_aggregated(it)) {
        let name = at(role, "/metadata/name");
        match rules_of(role, roles) {
            Ok(Some(rules)) if rules != PolicyRule::of_role(role) => {
                changes.push((name.to_owned(), rules.iter().map(PolicyRule::to_value).collect()));
            }
            Ok(_) => {}
            // Validation keeps such selectors out.
            Err(error) => tracing::warn!(role = name, ?error, "a cluster role can't be aggregated"),
        }
    }
    changes
}

/// Brings all aggregated roles up to date. Roles that are made of aggregated ones follow when these have changed.
pub(crate) async fn aggregate(cluster: Arc<Cluster>) -> Result<(), Box<Status>> {
    let Some(endpoint) = cluster.catalog().any_version(GROUP, "clusterroles") else { return Ok(()) };
    let roles: Vec<Value> = cluster.all(endpoint, "")?.iter().map(|it| cluster.registry.read(endpoint, it)).collect();
    for (name, rules) in plan(&roles) {
        let object = json!({"kind": "ClusterRole", "apiVersion": endpoint.api_version, "metadata": {"name": name},
            "rules": rules});
        let target = Target { endpoint, subresource: "", namespace: "", name: &name };
        cluster.registry.patch(target, Patch::Apply { object, force: true }, options(USER, MANAGER)).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_written() {
        let rule = json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]});
        let mut roles = [
            json!({"metadata": {"name": "all"}, "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}}),
            json!({"metadata": {"name": "one", "labels": {"a": "b"}}, "rules": [rule]}),
        ];
        let changes = plan(&roles);
        assert_eq!(changes, [("all".to_owned(), vec![rule])]);
        roles[0]["rules"] = json!(changes[0].1);
        assert_eq!(plan(&roles), []);
    }
}

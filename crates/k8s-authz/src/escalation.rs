//! Nobody may give what they do not have: the checks that stand before writes of roles and bindings.

use crate::attributes::{Attributes, Authorizer, User};
use crate::json::{items, text};
use crate::rbac::{GROUP, Rules, UserRules};
use crate::rule::{PolicyRule, compact, missing, quoted};
use k8s_types::Status;
use k8s_types::status::{GroupResource, quote};
use serde_json::Value;

/// Whether `user` may grant `wanted`, having `owned`; if not, the sentence about it.
pub fn covers(user: &User, owned: &UserRules, wanted: &[PolicyRule]) -> Result<(), String> {
    let lacking = missing(&owned.rules, wanted);
    if lacking.is_empty() {
        return Ok(());
    }
    let mut texts: Vec<String> = compact(lacking).iter().map(PolicyRule::describe).collect();
    texts.sort_unstable();
    texts.dedup();
    let mut sentence = format!(
        "user {} (groups={}) is attempting to grant RBAC permissions not currently held:\n{}",
        quote(&user.name),
        quoted(&user.groups),
        texts.join("\n")
    );
    if !owned.missing.is_empty() {
        let errors: Vec<String> = owned.missing.iter().map(ToString::to_string).collect();
        sentence.push_str(&format!("; resolution errors: [{}]", errors.join(" ")));
    }
    Err(sentence)
}

/// Whether `user` may write `role`, a Role or ClusterRole, through the request for the object `request_name` (empty
/// for a create).
pub fn check_role(
    rules: &Rules,
    authorizer: &dyn Authorizer,
    user: &User,
    role: &Value,
    request_name: &str,
) -> Result<(), Box<Status>> {
    let namespace = text(role, "/metadata/namespace");
    let resource = if text(role, "/kind") == "ClusterRole" { "clusterroles" } else { "roles" };
    let escalate = Attributes {
        version: "v1",
        namespace,
        name: request_name,
        ..Attributes::resource(user, "escalate", GROUP, resource)
    };
    if user.is_master() || authorizer.decide(&escalate).allowed {
        return Ok(());
    }
    let forbidden = |why: &str| {
        Box::new(Status::forbidden(GroupResource { group: GROUP, resource }, text(role, "/metadata/name"), why))
    };
    let owned = rules.rules_for(user, namespace);
    covers(user, &owned, &PolicyRule::of_role(role)).map_err(|why| forbidden(&why))?;
    // An aggregated role may come to allow anything.
    let selects = items(role, "/aggregationRule/clusterRoleSelectors").next().is_some();
    if selects && covers(user, &owned, &everything()).is_err() {
        return Err(forbidden("must have cluster-admin privileges to use the aggregationRule"));
    }
    Ok(())
}

/// Whether `user` may write `binding`, a RoleBinding or ClusterRoleBinding.
pub fn check_binding(
    rules: &Rules,
    authorizer: &dyn Authorizer,
    user: &User,
    binding: &Value,
) -> Result<(), Box<Status>> {
    let namespace = text(binding, "/metadata/namespace");
    let to_cluster_role = text(binding, "/roleRef/kind") == "ClusterRole";
    let role = text(binding, "/roleRef/name");
    let of_role = if to_cluster_role { "clusterroles" } else { "roles" };
    let bind =
        Attributes { version: "v1", namespace, name: role, ..Attributes::resource(user, "bind", GROUP, of_role) };
    if user.is_master() || authorizer.decide(&bind).allowed {
        return Ok(());
    }
    let wanted = rules
        .role(to_cluster_role, namespace, role)
        .map_err(|_| Box::new(Status::not_found(GroupResource { group: GROUP, resource: of_role }, role)))?;
    covers(user, &rules.rules_for(user, namespace), wanted).map_err(|why| {
        let resource = if namespace.is_empty() { "clusterrolebindings" } else { "rolebindings" };
        Box::new(Status::forbidden(GroupResource { group: GROUP, resource }, text(binding, "/metadata/name"), &why))
    })
}

fn everything() -> [PolicyRule; 2] {
    let any = || vec!["*".into()];
    [
        PolicyRule { groups: any(), resources: any(), verbs: any(), ..PolicyRule::default() },
        PolicyRule { paths: any(), verbs: any(), ..PolicyRule::default() },
    ]
}

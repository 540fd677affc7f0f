//! Records as the API shows them.

use super::records::{AccessEntry, Association, Scope};
use aws_model::eks;

/// An entry.
pub fn entry(it: &AccessEntry) -> eks::AccessEntry {
    eks::AccessEntry {
        cluster_name: Some(it.cluster.clone()),
        principal_arn: Some(it.principal_arn.clone()),
        kubernetes_groups: Some(it.groups.clone()),
        access_entry_arn: Some(it.arn.clone()),
        created_at: Some(it.created),
        modified_at: Some(it.modified),
        tags: Some(it.tags.clone()),
        username: Some(it.username.clone()),
        r#type: Some(it.kind.as_str().to_owned()),
    }
}

/// An access policy of an entry.
pub fn association(it: &Association) -> eks::AssociatedAccessPolicy {
    let (kind, namespaces) = match &it.scope {
        Scope::Cluster => ("cluster", vec![]),
        Scope::Namespaces(names) => ("namespace", names.clone()),
    };
    eks::AssociatedAccessPolicy {
        policy_arn: Some(it.policy.clone()),
        access_scope: Some(eks::AccessScope { r#type: Some(kind.to_owned()), namespaces: Some(namespaces) }),
        associated_at: Some(it.associated),
        modified_at: Some(it.modified),
    }
}

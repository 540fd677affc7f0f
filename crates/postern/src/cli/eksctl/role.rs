//! The service role that `create cluster` makes where none is given, and its removal.

use super::CLUSTER_TAG;
use super::network::{Tags, random};
use super::work::Work;
use crate::cli::error::CliError;
use serde_json::{Value, json};

/// The tag with the region of the role's cluster: roles belong to no region, names of clusters do.
const REGION_TAG: &str = "postern/region";

/// Who may take the role on, and what for.
const TRUST: &str = concat!(
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"eks.amazonaws.com"},"#,
    r#""Action":["sts:AssumeRole","sts:TagSession"]}]}"#
);

/// The longest name of a role. Source: *IAM API Reference*, `CreateRole`.
const NAME_MAX: usize = 64;

/// Makes a role; returns its ARN.
///
/// # Errors
/// Those of IAM.
pub fn make(work: &mut Work<'_, '_>, cluster: &str, tags: &Tags, controller: bool) -> Result<String, CliError> {
    let name = format!("{}{}", prefix(cluster), suffix(random()));
    let mut list: Vec<_> = tags.iter().map(|(k, v)| json!({"Key": k, "Value": v})).collect();
    list.push(json!({"Key": REGION_TAG, "Value": work.region}));
    let input = json!({"RoleName": name, "AssumeRolePolicyDocument": TRUST, "Tags": list});
    let answer = work.call("iam", "CreateRole", input)?;
    let policies = ["AmazonEKSClusterPolicy", "AmazonEKSVPCResourceController"];
    for policy in &policies[..if controller { 2 } else { 1 }] {
        let arn = format!("arn:aws:iam::aws:policy/{policy}");
        work.call("iam", "AttachRolePolicy", json!({"RoleName": name, "PolicyArn": arn}))?;
    }
    let arn = answer["Role"]["Arn"].as_str().unwrap_or_default().to_owned();
    work.info(format!("created service role {arn}"))?;
    Ok(arn)
}

/// Removes the roles that [`make`] made for a cluster of this name in this region; says which.
///
/// # Errors
/// Those of IAM.
pub fn remove(work: &mut Work<'_, '_>, cluster: &str) -> Result<Vec<String>, CliError> {
    let prefix = prefix(cluster);
    let roles = work.list("iam", "ListRoles", json!({}), "Roles")?;
    let names = roles.iter().filter_map(|it| it["RoleName"].as_str()).filter(|it| it.starts_with(&prefix));
    let mut removed = Vec::new();
    for name in names {
        let tags = work.list("iam", "ListRoleTags", json!({ "RoleName": name }), "Tags")?;
        let has = |key: &str, value: &str| tags.iter().any(|it| it["Key"] == *key && it["Value"] == *value);
        if !has(CLUSTER_TAG, cluster) || !has(REGION_TAG, &work.region) {
            continue;
        }
        let attached = work.list("iam", "ListAttachedRolePolicies", json!({ "RoleName": name }), "AttachedPolicies")?;
        for policy in attached.iter().map(|it: &Value| &it["PolicyArn"]) {
            work.call("iam", "DetachRolePolicy", json!({"RoleName": name, "PolicyArn": policy}))?;
        }
        work.call("iam", "DeleteRole", json!({ "RoleName": name }))?;
        removed.push(format!("role {name}"));
    }
    Ok(removed)
}

/// All but the random end of a role's name, cut so that the end fits.
fn prefix(cluster: &str) -> String {
    const TAIL: &str = "-ServiceRole-";
    let mut stem = format!("eksctl-{cluster}-cluster");
    // cluster names are ASCII
    stem = stem.chars().take(NAME_MAX - TAIL.len() - suffix(0).len()).collect();
    stem + TAIL
}

/// Twelve letters and digits, as CloudFormation ends its names.
fn suffix(mut number: u64) -> String {
    const LETTERS: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let mut letter = || {
        let it = LETTERS[(number % 36) as usize];
        number /= 36;
        char::from(it)
    };
    (0..12).map(|_| letter()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_whatever_the_cluster_is_called() {
        let name = |cluster: &str| format!("{}{}", prefix(cluster), suffix(u64::MAX));
        assert!(name("blue").starts_with("eksctl-blue-cluster-ServiceRole-"));
        assert_eq!(name(&"x".repeat(100)).len(), NAME_MAX);
    }

    #[test]
    fn the_trust_policy_is_json() {
        serde_json::from_str::<Value>(TRUST).unwrap();
    }
}

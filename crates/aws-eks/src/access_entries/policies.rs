//! The access policies that there are, and where they may hold. What they allow is the API server's knowledge.

use super::error::AccessEntryError;
use super::records::Scope;
use crate::error::EksError;
use aws_model::eks::AccessScope;

/// What stands before a policy's name in its ARN.
const ROOT: &str = "arn:aws:eks::aws:cluster-access-policy/";

/// The policy that makes an administrator.
pub const CLUSTER_ADMIN: &str = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy";

/// The names of all policies, in the order in which AWS lists them.
const NAMES: [&str; 19] = [
    "AmazonEKSAdminPolicy",
    "AmazonEKSAdminViewPolicy",
    "AmazonEKSAutoNodePolicy",
    "AmazonEKSBlockStorageClusterPolicy",
    "AmazonEKSBlockStoragePolicy",
    "AmazonEKSClusterAdminPolicy",
    "AmazonEKSComputeClusterPolicy",
    "AmazonEKSComputePolicy",
    "AmazonEKSEditPolicy",
    "AmazonEKSHybridPolicy",
    "AmazonEKSLoadBalancingClusterPolicy",
    "AmazonEKSLoadBalancingPolicy",
    "AmazonEKSNetworkingClusterPolicy",
    "AmazonEKSNetworkingPolicy",
    "AmazonEKSViewPolicy",
    "AmazonEMRJobPolicy",
    "AmazonSagemakerHyperpodClusterPolicy",
    "AmazonSagemakerHyperpodControllerPolicy",
    "AmazonSagemakerHyperpodSystemNamespacePolicy",
];

/// Policies that only a service's own roles may have.
const OF_SERVICES: [&str; 2] = ["AmazonEKSBlockStorageClusterPolicy", "AmazonEKSComputeClusterPolicy"];

/// The names of all policies.
pub fn names() -> &'static [&'static str] {
    &NAMES
}

/// The ARN of a policy.
pub fn arn(name: &str) -> String {
    format!("{ROOT}{name}")
}

/// Checks that a policy is there, and that users may associate it.
///
/// # Errors
/// [`AccessEntryError::NoPolicy`] and [`AccessEntryError::ServicePolicy`].
pub fn check(arn: &str) -> Result<(), AccessEntryError> {
    let name = arn.strip_prefix(ROOT).filter(|name| NAMES.contains(name)).ok_or(AccessEntryError::NoPolicy)?;
    if OF_SERVICES.contains(&name) { Err(AccessEntryError::ServicePolicy) } else { Ok(()) }
}

/// Reads a scope: `cluster`, or `namespace` with at least one.
///
/// # Errors
/// What is wrong with it.
pub fn scope(asked: Option<&AccessScope>) -> Result<Scope, EksError> {
    let asked = asked.ok_or(EksError::Missing("accessScope"))?;
    let namespaces = asked.namespaces.as_deref().unwrap_or_default();
    let refuse = |text: String| EksError::from(AccessEntryError::Scope(text));
    match asked.r#type.as_deref() {
        Some("cluster") if namespaces.is_empty() => Ok(Scope::Cluster),
        Some("cluster") => Err(refuse("namespaces cannot be specified with an access scope of type cluster".into())),
        Some("namespace") if namespaces.is_empty() => {
            Err(refuse("namespaces must be specified with an access scope of type namespace".into()))
        }
        Some("namespace") => {
            if let Some(bad) = namespaces.iter().find(|it| !is_pattern(it)) {
                return Err(refuse(format!("The namespace '{bad}' in the access scope is not valid")));
            }
            let mut kept: Vec<String> = Vec::with_capacity(namespaces.len());
            for namespace in namespaces {
                if !kept.contains(namespace) {
                    kept.push(namespace.clone());
                }
            }
            Ok(Scope::Namespaces(kept))
        }
        Some(other) => {
            Err(refuse(format!("The access scope type '{other}' is not valid; it is one of cluster, namespace")))
        }
        None => Err(EksError::Missing("accessScope.type")),
    }
}

/// Whether a text could match a namespace's name: a label's characters and `*`.
fn is_pattern(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'*');
    (1..=63).contains(&text.len()) && text.bytes().all(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(kind: &str, namespaces: &[&str]) -> Result<Scope, EksError> {
        let namespaces = Some(namespaces.iter().map(ToString::to_string).collect());
        scope(Some(&AccessScope { r#type: Some(kind.to_owned()), namespaces }))
    }

    #[test]
    fn scopes_are_the_cluster_or_namespaces() {
        assert_eq!(ask("cluster", &[]).unwrap(), Scope::Cluster);
        let want = Scope::Namespaces(vec!["dev-*".into(), "x".into()]);
        assert_eq!(ask("namespace", &["dev-*", "x", "dev-*"]).unwrap(), want);
        for (kind, namespaces) in
            [("cluster", &["x"][..]), ("namespace", &[]), ("namespace", &["A"]), ("namespace", &[""]), ("other", &[])]
        {
            assert_eq!(ask(kind, namespaces).unwrap_err().code().0, "InvalidParameterException");
        }
        assert!(scope(None).is_err());
    }

    #[test]
    fn policies_are_those_of_the_list() {
        assert!(check(CLUSTER_ADMIN).is_ok());
        assert!(matches!(check("AmazonEKSClusterAdminPolicy"), Err(AccessEntryError::NoPolicy)));
        assert!(matches!(check(&arn("Nope")), Err(AccessEntryError::NoPolicy)));
        assert!(matches!(check(&arn("AmazonEKSComputeClusterPolicy")), Err(AccessEntryError::ServicePolicy)));
    }
}

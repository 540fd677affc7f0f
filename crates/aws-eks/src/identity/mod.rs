//! From who signed a token to the Kubernetes user it is in a cluster.
//!
//! Read [`look_up`] and [`map`]: which of the cluster's sources knows the identity, by its authentication mode; then [`username`]
//! (templates) and [`aws_auth`] (the ConfigMap).
//!
//! | mode | sources, the first that knows wins |
//! |---|---|
//! | `CONFIG_MAP` | the cluster's creator, `aws-auth` |
//! | `API_AND_CONFIG_MAP` | access entries, `aws-auth` |
//! | `API` | access entries |

pub mod aws_auth;
pub mod username;

use crate::access_entries::records::{Scope, entry_key};
use crate::access_entries::{AccessEntry, Association, IamPrincipal};
use crate::create::MODES;
use crate::records::{Cluster, ClusterKey};
use crate::tokens::StsIdentity;
use aws_auth::AwsAuth;
use std::collections::BTreeMap;
use store::{Records, StoreError};

/// The user that a cluster's creator is in mode `CONFIG_MAP`.
const CREATOR: &str = "kubernetes-admin";

/// The group that may do everything.
const MASTERS: &str = "system:masters";

/// A user as an API server knows it. That it is in `system:authenticated` is left to the API server, which says so of
/// every user that it knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubernetesIdentity {
    /// The user's name.
    pub username: String,
    /// What tells the user from others of the same name.
    pub uid: String,
    /// The groups it is in.
    pub groups: Vec<String>,
    /// What else is known.
    pub extra: BTreeMap<String, Vec<String>>,
    /// What it may besides what roles and bindings say.
    pub policies: Vec<ScopedPolicy>,
}

/// An access policy and where it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopedPolicy {
    /// The policy's ARN.
    pub policy_arn: String,
    /// Where it holds.
    pub scope: Scope,
}

/// What a cluster knows about an identity: templates, not filled in yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    username: String,
    groups: Vec<String>,
    policies: Vec<ScopedPolicy>,
    /// Whether users wrote it into a ConfigMap, where they may have written any name.
    unchecked: bool,
}

/// What a cluster knows about `who` by its records and its ConfigMap `aws-auth`, if it has one. Reads memory.
///
/// # Errors
/// When the records cannot be read.
pub fn look_up(
    records: &Records,
    cluster: &ClusterKey,
    aws_auth: Option<&AwsAuth>,
    who: &StsIdentity,
) -> Result<Option<Mapping>, StoreError> {
    let Some(record) = records.shared::<Cluster>(&cluster.key())? else { return Ok(None) };
    let entry = match IamPrincipal::parse(&who.canonical_arn) {
        Ok(principal) => records.shared::<AccessEntry>(&entry_key(cluster, &principal))?,
        Err(_) => None,
    };
    Ok(map(&record.authentication_mode, entry.as_deref(), aws_auth, who))
}

/// Finds out what a cluster in `mode` knows about `who`. `entry` is the one of its principal, if there is one; `aws_auth`
/// the ConfigMap, if there is one. Nothing: the identity may not enter.
pub fn map(mode: &str, entry: Option<&AccessEntry>, aws_auth: Option<&AwsAuth>, who: &StsIdentity) -> Option<Mapping> {
    // A principal that is made anew under the same name is another one.
    let entry = entry.filter(|it| it.principal_id == who.principal_id);
    let by_entry = || entry.map(Mapping::of_entry);
    let by_config_map = || aws_auth.and_then(|it| it.find(who)).map(Mapping::of_aws_auth);
    match MODES.iter().position(|it| *it == mode)? {
        0 => entry.filter(|it| it.of_creator).map(|_| Mapping::of_creator()).or_else(by_config_map),
        1 => by_entry().or_else(by_config_map),
        _ => by_entry(),
    }
}

impl Mapping {
    fn of_entry(entry: &AccessEntry) -> Self {
        let policy = |it: &Association| ScopedPolicy { policy_arn: it.policy.clone(), scope: it.scope.clone() };
        Self {
            username: entry.username.clone(),
            groups: entry.groups.clone(),
            policies: entry.policies.iter().map(policy).collect(),
            unchecked: false,
        }
    }

    fn of_aws_auth(found: aws_auth::User) -> Self {
        Self { username: found.username, groups: found.groups, policies: vec![], unchecked: true }
    }

    fn of_creator() -> Self {
        Self { username: CREATOR.to_owned(), groups: vec![MASTERS.to_owned()], policies: vec![], unchecked: false }
    }

    /// Whether [`Mapping::user`] needs the private DNS name of the instance that the session is named after.
    pub fn needs_private_dns_name(&self) -> bool {
        self.texts().any(username::needs_private_dns_name)
    }

    fn texts(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.username).chain(&self.groups).map(String::as_str)
    }

    /// The user. None when a template cannot be filled in, or the name is empty or one that only the service gives.
    pub fn user(self, who: &StsIdentity, private_dns_name: Option<&str>) -> Option<KubernetesIdentity> {
        let fill = |text: &String| username::fill(text, who, private_dns_name);
        let username = fill(&self.username).filter(|it| !it.is_empty())?;
        if self.unchecked && username::is_reserved(&username) {
            return None;
        }
        Some(KubernetesIdentity {
            username,
            uid: format!("aws-iam-authenticator:{}:{}", who.account, who.principal_id),
            groups: self.groups.iter().map(fill).collect::<Option<_>>()?,
            extra: extra(who),
            policies: self.policies,
        })
    }
}

fn extra(who: &StsIdentity) -> BTreeMap<String, Vec<String>> {
    let pairs = [
        ("accessKeyId", &who.access_key_id),
        ("arn", &who.arn),
        ("canonicalArn", &who.canonical_arn),
        ("principalId", &who.principal_id),
        ("sessionName", &who.session_name),
        ("sigs.k8s.io/aws-iam-authenticator/principalId", &who.principal_id),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), vec![value.clone()])).collect()
}

#[cfg(test)]
mod tests;

//! The rules of an entry's name, groups and type, and entries that begin with a cluster.

use super::error::AccessEntryError;
use super::policies::CLUSTER_ADMIN;
use super::principal::{IamPrincipal, Kind};
use super::records::{AccessEntry, Association, EntryType, Scope};
use crate::create::{one_of, token};
use crate::error::EksError;
use crate::records::ClusterKey;
use crate::tags;
use aws_model::eks::CreateAccessEntryRequest;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// What names must not begin with: names of Kubernetes' and AWS's own (*Amazon EKS User Guide*, "Create access entries").
const RESERVED: [&str; 5] = ["system:", "eks:", "aws:", "amazon:", "iam:"];

/// What stands for a session's name, as the session gave it or with `-` for `@`.
const SESSION_NAMES: [&str; 2] = ["SessionName", "SessionNameRaw"];

/// A well-formed request for an entry.
#[derive(Debug, Clone)]
pub struct CreateAccessEntry {
    /// Whose it will be.
    pub principal: IamPrincipal,
    kind: EntryType,
    username: String,
    groups: Vec<String>,
    tags: BTreeMap<String, String>,
    token: Option<(String, String)>,
}

impl CreateAccessEntry {
    /// Reads a request about a cluster.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn parse(ask: &CreateAccessEntryRequest, cluster: &ClusterKey) -> Result<Self, EksError> {
        let principal = IamPrincipal::parse(ask.principal_arn.as_ref().ok_or(EksError::Missing("principalArn"))?)?;
        if principal.is_service_linked() {
            return Err(AccessEntryError::ServiceLinked.into());
        }
        let kind = kind(ask.r#type.as_ref())?;
        let username = ask.username.as_deref().filter(|it| !it.is_empty());
        let groups = ask.kubernetes_groups.clone().unwrap_or_default();
        username.map_or(Ok(()), check_username)?;
        check_groups(&groups)?;
        if kind != EntryType::Standard {
            if principal.kind != Kind::Role || principal.account != cluster.account {
                return Err(AccessEntryError::NodePrincipal(kind.as_str()).into());
            }
            if username.is_some() || !groups.is_empty() {
                return Err(AccessEntryError::StandardOnly.into());
            }
        }
        let all_tags = ask.tags.clone().unwrap_or_default();
        tags::check(&all_tags).map_err(EksError::Parameter)?;
        let rest = CreateAccessEntryRequest { client_request_token: None, ..ask.clone() };
        Ok(Self {
            username: username.map_or_else(|| default_username(kind, &principal), str::to_owned),
            groups: if kind == EntryType::Standard { groups } else { own_groups(kind) },
            principal,
            kind,
            tags: all_tags,
            token: token(ask.client_request_token.as_ref(), &rest)?,
        })
    }

    /// Whether `existing` came from this very request: then it is the answer.
    ///
    /// # Errors
    /// [`AccessEntryError::InUse`] when it did not.
    pub fn is_retry_of(&self, existing: AccessEntry) -> Result<AccessEntry, EksError> {
        if self.token.is_some() && self.token == existing.client_token {
            return Ok(existing);
        }
        Err(AccessEntryError::InUse.into())
    }

    /// The record of the accepted entry.
    pub fn accept(&self, cluster: &ClusterKey, principal_id: &str, uuid: &str, now: Timestamp) -> AccessEntry {
        AccessEntry {
            cluster: cluster.name.clone(),
            principal_arn: self.principal.arn.clone(),
            principal_id: principal_id.to_owned(),
            arn: arn(cluster, &self.principal, uuid),
            kind: self.kind,
            username: self.username.clone(),
            groups: self.groups.clone(),
            policies: vec![],
            tags: self.tags.clone(),
            created: now,
            modified: now,
            of_creator: false,
            client_token: self.token.clone(),
        }
    }
}

/// The entry that a cluster begins with: its creator's, who is an administrator.
pub fn of_creator(
    cluster: &ClusterKey,
    principal: &IamPrincipal,
    principal_id: &str,
    uuid: &str,
    now: Timestamp,
) -> AccessEntry {
    let policy =
        Association { policy: CLUSTER_ADMIN.to_owned(), scope: Scope::Cluster, associated: now, modified: now };
    AccessEntry {
        cluster: cluster.name.clone(),
        principal_arn: principal.arn.clone(),
        principal_id: principal_id.to_owned(),
        arn: arn(cluster, principal, uuid),
        kind: EntryType::Standard,
        username: default_username(EntryType::Standard, principal),
        groups: vec![],
        policies: vec![policy],
        tags: BTreeMap::new(),
        created: now,
        modified: now,
        of_creator: true,
        client_token: None,
    }
}

fn arn(cluster: &ClusterKey, principal: &IamPrincipal, uuid: &str) -> String {
    let ClusterKey { account, region, name } = cluster;
    let (kind, owner) = (principal.kind.as_str(), &principal.account);
    format!("arn:aws:eks:{region}:{account}:access-entry/{name}/{kind}/{owner}/{}/{uuid}", principal.name)
}

fn kind(asked: Option<&String>) -> Result<EntryType, EksError> {
    let all = EntryType::ALL.map(EntryType::as_str);
    let name = one_of("type", asked, EntryType::Standard.as_str(), &all)?;
    Ok(EntryType::ALL.into_iter().find(|it| it.as_str() == name).unwrap_or(EntryType::Standard))
}

/// The name that the service gives when the user gives none.
pub fn default_username(kind: EntryType, principal: &IamPrincipal) -> String {
    match (kind, principal.kind) {
        (EntryType::Standard, Kind::Role) => {
            let IamPrincipal { account, name, .. } = principal;
            format!("arn:aws:sts::{account}:assumed-role/{name}/{{{{SessionName}}}}")
        }
        (EntryType::Standard, _) => principal.arn.clone(),
        (EntryType::Ec2Linux | EntryType::Ec2Windows, _) => "system:node:{{EC2PrivateDNSName}}".to_owned(),
        _ => "system:node:{{SessionName}}".to_owned(),
    }
}

fn own_groups(kind: EntryType) -> Vec<String> {
    kind.groups().iter().map(ToString::to_string).collect()
}

/// Checks a name that a user gives.
///
/// # Errors
/// The rule that it breaks.
pub fn check_username(name: &str) -> Result<(), AccessEntryError> {
    if let Some(reserved) = RESERVED.into_iter().find(|it| name.starts_with(it)) {
        return Err(AccessEntryError::Username(reserved));
    }
    // A session's name is free to choose: without something fixed before it, it could be anybody's.
    let bare = |word: &&str| {
        let place = name.find(&format!("{{{{{word}}}}}"));
        place.is_some_and(|at| !name.as_bytes().iter().take(at).any(|byte| *byte == b':'))
    };
    SESSION_NAMES.into_iter().find(bare).map_or(Ok(()), |word| Err(AccessEntryError::SessionName(word)))
}

/// Checks groups that a user gives.
///
/// # Errors
/// The rule that one breaks.
pub fn check_groups(groups: &[String]) -> Result<(), AccessEntryError> {
    match groups.iter().find(|it| it.is_empty() || it.starts_with("system:")) {
        Some(it) if it.is_empty() => Err(AccessEntryError::NoGroup),
        Some(it) => Err(AccessEntryError::Group(it.clone())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster() -> ClusterKey {
        ClusterKey {
            account: "111122223333".parse().unwrap(),
            region: "eu-west-1".parse().unwrap(),
            name: "blue".to_owned(),
        }
    }

    fn ask(principal: &str, kind: &str) -> CreateAccessEntryRequest {
        CreateAccessEntryRequest {
            principal_arn: Some(format!("arn:aws:iam::111122223333:{principal}")),
            r#type: Some(kind.to_owned()),
            ..Default::default()
        }
    }

    #[test]
    fn names_and_groups_that_the_service_gives() {
        for (principal, kind, username, groups) in [
            ("user/a/bob", "STANDARD", "arn:aws:iam::111122223333:user/a/bob", &[][..]),
            ("role/a/dev", "STANDARD", "arn:aws:sts::111122223333:assumed-role/dev/{{SessionName}}", &[]),
            ("role/n", "EC2_LINUX", "system:node:{{EC2PrivateDNSName}}", &["system:nodes"]),
            ("role/n", "EC2", "system:node:{{SessionName}}", &["system:nodes"]),
            ("role/n", "HYBRID_LINUX", "system:node:{{SessionName}}", &["system:nodes"]),
        ] {
            let entry = CreateAccessEntry::parse(&ask(principal, kind), &cluster()).unwrap();
            assert_eq!((entry.username.as_str(), entry.groups.as_slice()), (username, &own(groups)[..]), "{kind}");
        }
    }

    fn own(groups: &[&str]) -> Vec<String> {
        groups.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn arns_name_cluster_and_principal() {
        let entry = CreateAccessEntry::parse(&ask("role/a/dev", "STANDARD"), &cluster()).unwrap();
        let record = entry.accept(&cluster(), "AROADEV", "u-1", Timestamp::UNIX_EPOCH);
        assert_eq!(record.arn, "arn:aws:eks:eu-west-1:111122223333:access-entry/blue/role/111122223333/dev/u-1");
    }

    #[test]
    fn what_is_refused_and_how() {
        let refused = |change: &dyn Fn(&mut CreateAccessEntryRequest), text: &str| {
            let mut ask = ask("role/dev", "STANDARD");
            change(&mut ask);
            let error = CreateAccessEntry::parse(&ask, &cluster()).unwrap_err();
            assert_eq!((error.code().0, error.to_string().as_str()), ("InvalidParameterException", text));
        };
        let principal = "The specified principalArn is invalid: invalid principal.";
        refused(&|it| it.principal_arn = Some("arn:aws:sts::111122223333:assumed-role/a/b".into()), principal);
        refused(
            &|it| it.principal_arn = Some("arn:aws:iam::111122223333:role/aws-service-role/x.amazonaws.com/X".into()),
            "The caller is not allowed to modify access entries with a principalArn value of a Service Linked Role",
        );
        refused(&|it| it.username = Some("system:me".into()), "The username must not begin with system:");
        refused(
            &|it| it.kubernetes_groups = Some(vec!["ok".into(), "system:masters".into()]),
            "The kubernetes group name system:masters is invalid, it cannot start with system:",
        );
        refused(
            &|it| it.username = Some("john{{SessionName}}".into()),
            "The username must have a colon before {{SessionName}}",
        );
        let standard = "This operation can only be performed on Access Entries with a type of \"STANDARD\".";
        let node = |it: &mut CreateAccessEntryRequest| it.r#type = Some("EC2_LINUX".into());
        refused(&|it| (node(it), it.username = Some("me".into())).1, standard);
        refused(&|it| (node(it), it.kubernetes_groups = Some(vec!["g".into()])).1, standard);
        let role = "The specified principalArn is invalid: type EC2_LINUX needs an IAM role in the cluster's account";
        refused(&|it| (node(it), it.principal_arn = Some("arn:aws:iam::999999999999:role/dev".into())).1, role);
        refused(&|it| (node(it), it.principal_arn = Some("arn:aws:iam::111122223333:user/dev".into())).1, role);
    }

    #[test]
    fn session_names_need_a_colon_before() {
        for good in ["me", ":john{{SessionName}}", "jo:hn{{SessionNameRaw}}", "{{AccountID}}"] {
            assert!(check_username(good).is_ok(), "{good}");
        }
        for bad in ["{{SessionName}}:", "x{{SessionNameRaw}}", "iam:x", "amazon:", "aws:x", "eks:x"] {
            assert!(check_username(bad).is_err(), "{bad}");
        }
    }
}

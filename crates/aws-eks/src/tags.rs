//! Tags of resources and the ARNs that the tag operations take.

use crate::access_entries::{IamPrincipal, records::entry_key};
use crate::error::EksError;
use crate::records::ClusterKey;
use aws_model::Context;
use base::Region;
use std::collections::BTreeMap;

/// Tags a resource may have (*Amazon EKS API Reference*, `TagMap`).
const MOST: usize = 50;

/// Checks tags that a request brings.
///
/// # Errors
/// A sentence about the first key or value that is not allowed, for the operation's own error.
pub fn check(tags: &BTreeMap<String, String>) -> Result<(), String> {
    for (key, value) in tags {
        let length = key.chars().count();
        if !(1..=128).contains(&length) {
            return Err(format!("The tag key '{key}' has {length} characters; it must have 1 to 128"));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(format!("The tag key '{key}' is not allowed: keys that begin with aws: are reserved"));
        }
        if value.chars().count() > 256 {
            return Err(format!("The value of tag '{key}' has more than 256 characters"));
        }
    }
    too_many(tags.len())
}

fn too_many(count: usize) -> Result<(), String> {
    if count > MOST { Err(format!("A resource can have at most {MOST} tags, not {count}")) } else { Ok(()) }
}

/// The tags after adding `more`.
///
/// # Errors
/// When one is not allowed, or they become too many.
pub fn merge(
    mut tags: BTreeMap<String, String>,
    more: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, EksError> {
    check(&more).map_err(EksError::Tag)?;
    tags.extend(more);
    too_many(tags.len()).map_err(EksError::Tag)?;
    Ok(tags)
}

/// What has tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// A cluster.
    Cluster(ClusterKey),
    /// An access entry, if the principal's is still the one of this ARN.
    AccessEntry {
        /// Its cluster.
        cluster: ClusterKey,
        /// Its principal.
        principal: IamPrincipal,
        /// Its own ARN.
        arn: String,
    },
}

impl Resource {
    /// The key of its record.
    pub fn key(&self) -> String {
        match self {
            Self::Cluster(cluster) => cluster.key(),
            Self::AccessEntry { cluster, principal, .. } => entry_key(cluster, principal),
        }
    }

    /// The same, if it is the caller's.
    ///
    /// # Errors
    /// [`EksError::NoResource`] when it is another account's.
    pub fn of(self, ctx: &Context) -> Result<Self, EksError> {
        let (owner, arn) = match &self {
            Self::Cluster(cluster) => {
                let ClusterKey { account, region, name } = cluster;
                (account, format!("arn:aws:eks:{region}:{account}:cluster/{name}"))
            }
            Self::AccessEntry { cluster, arn, .. } => (&cluster.account, arn.clone()),
        };
        if *owner == ctx.caller.account { Ok(self) } else { Err(EksError::NoResource(arn)) }
    }
}

/// The access entry of a cluster that the rest of an ARN names: `<role|user|root>/<account>/<principal>/<uuid>`.
fn entry(cluster: ClusterKey, rest: &str, arn: &str) -> Option<Resource> {
    let mut parts = rest.split('/');
    let (kind, account, name, _uuid) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let principal = match kind {
        "root" => format!("arn:aws:iam::{account}:root"),
        _ => format!("arn:aws:iam::{account}:{kind}/{name}"),
    };
    let principal = IamPrincipal::parse(&principal).ok().filter(|_| parts.next().is_none())?;
    Some(Resource::AccessEntry { cluster, principal, arn: arn.to_owned() })
}

/// The resource that an ARN names, as seen in `region`.
///
/// # Errors
/// [`EksError::Tag`] for what is no ARN of EKS in this region, [`EksError::NoResource`] for the kinds of resources that
/// there are none of.
pub fn resource(arn: Option<&str>, region: &Region) -> Result<Resource, EksError> {
    let arn = arn.ok_or_else(|| EksError::Tag("resourceArn must be specified".to_owned()))?;
    let invalid = || EksError::Tag(format!("Invalid resource ARN: {arn}"));
    let mut parts = arn.splitn(6, ':');
    let (Some("arn"), Some("aws"), Some("eks")) = (parts.next(), parts.next(), parts.next()) else {
        return Err(invalid());
    };
    let (Some(place), Some(account), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(invalid());
    };
    let account = account.parse().map_err(|_| invalid())?;
    let (kind, name) = path.split_once('/').filter(|(_, name)| !name.is_empty()).ok_or_else(invalid)?;
    if place != region.as_str() {
        return Err(EksError::Tag(format!("The resource {arn} is not in region {region}; ask there")));
    }
    let cluster = |name: &str| ClusterKey { account, region: region.clone(), name: name.to_owned() };
    match kind {
        "cluster" if !name.contains('/') => Ok(Resource::Cluster(cluster(name))),
        "access-entry" => {
            let found = name.split_once('/').and_then(|(name, rest)| entry(cluster(name), rest, arn));
            found.ok_or_else(invalid)
        }
        "nodegroup"
        | "addon"
        | "fargateprofile"
        | "identityproviderconfig"
        | "podidentityassociation"
        | "eks-anywhere-subscription"
        | "capability" => Err(EksError::NoResource(arn.to_owned())),
        _ => Err(invalid()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(count: usize) -> BTreeMap<String, String> {
        (0..count).map(|n| (format!("k{n}"), "v".to_owned())).collect()
    }

    #[test]
    fn tags_have_bounds() {
        let one = |key: &str, value: &str| check(&BTreeMap::from([(key.to_owned(), value.to_owned())]));
        assert!(one("k", "").is_ok() && one(&"k".repeat(128), &"v".repeat(256)).is_ok());
        assert!(one("", "v").is_err() && one(&"k".repeat(129), "v").is_err() && one("k", &"v".repeat(257)).is_err());
        assert!(one("aws:eks:x", "v").is_err() && one("AWS:x", "v").is_err());
        assert!(check(&tags(50)).is_ok() && check(&tags(51)).is_err());
    }

    #[test]
    fn adding_counts_what_is_there() {
        assert_eq!(merge(tags(50), tags(10)).unwrap().len(), 50, "the same keys are replaced");
        let other = BTreeMap::from([("other".to_owned(), String::new())]);
        assert!(matches!(merge(tags(50), other), Err(EksError::Tag(_))));
    }

    #[test]
    fn only_clusters_arns_of_this_region_name_something() {
        let region: Region = "eu-west-1".parse().unwrap();
        let ask = |arn: &str| resource(Some(arn), &region);
        let blue = ask("arn:aws:eks:eu-west-1:111122223333:cluster/blue").unwrap();
        assert_eq!(blue.key(), "eks/111122223333/eu-west-1/cluster/blue");
        let entry = ask("arn:aws:eks:eu-west-1:111122223333:access-entry/blue/role/444455556666/dev/u-1").unwrap();
        assert_eq!(
            entry.key(),
            "eks-access/111122223333/eu-west-1/blue/arn:aws:iam::444455556666:role/dev",
            "the principal may be another account's"
        );
        let missing = "arn:aws:eks:eu-west-1:111122223333:nodegroup/blue/ng/1";
        assert!(matches!(ask(missing), Err(EksError::NoResource(_))));
        for bad in [
            "blue",
            "arn:aws:ec2:eu-west-1:111122223333:cluster/blue",
            "arn:aws:eks:eu-west-2:111122223333:cluster/blue",
            "arn:aws:eks:eu-west-1:1:cluster/blue",
            "arn:aws:eks:eu-west-1:111122223333:cluster/",
            "arn:aws:eks:eu-west-1:111122223333:boat/blue",
            "arn:aws:eks:eu-west-1:111122223333:access-entry/blue",
            "arn:aws:eks:eu-west-1:111122223333:access-entry/blue/role/444455556666/dev",
            "arn:aws:eks:eu-west-1:111122223333:access-entry/blue/boat/444455556666/dev/u-1",
        ] {
            assert!(matches!(ask(bad), Err(EksError::Tag(_))), "{bad}");
        }
    }
}

//! The operations on access entries: each reads, decides and commits one transaction. Whoever comes with a token reads
//! the same records, so that a change holds from the moment it is answered.

use super::create::{self, CreateAccessEntry};
use super::error::AccessEntryError;
use super::policies;
use super::principal::IamPrincipal;
use super::records::{AccessEntry, Association, EntryType, entry_key, entry_prefix};
use super::render;
use crate::create::MODES;
use crate::error::EksError;
use crate::page;
use crate::records::{Cluster, ClusterKey, ClusterStatus};
use crate::service::EksService;
use aws_model::Context;
use aws_model::eks::*;
use serde::de::IgnoredAny;
use store::Tx;

/// Entries that a cluster may have (*Amazon EKS User Guide*, "Service quotas").
const MOST: usize = 3000;

fn key_of(ctx: &Context, cluster: &str) -> ClusterKey {
    ClusterKey { account: ctx.caller.account.clone(), region: ctx.region.clone(), name: cluster.to_owned() }
}

/// Whether a cluster knows access entries.
fn check_mode(cluster: &Cluster) -> Result<(), AccessEntryError> {
    if cluster.authentication_mode == MODES[0] { Err(AccessEntryError::Mode) } else { Ok(()) }
}

/// The cluster, if its entries may change now. Reading it binds the commit to that.
fn changeable(tx: &Tx<'_>, key: &ClusterKey) -> Result<(), EksError> {
    let cluster: Cluster = tx.get(&key.key())?.ok_or_else(|| EksError::NoCluster(key.name.clone()))?;
    check_mode(&cluster)?;
    match cluster.status {
        ClusterStatus::Active | ClusterStatus::Updating => Ok(()),
        ClusterStatus::Creating | ClusterStatus::Deleting | ClusterStatus::Failed => {
            Err(EksError::NotActive(key.name.clone()))
        }
    }
}

/// The key of the entry that a request names. What is no principal's ARN has no entry.
fn named(cluster: &ClusterKey, arn: Option<&String>) -> Result<(String, IamPrincipal), EksError> {
    let arn = arn.ok_or(EksError::Missing("principalArn"))?;
    let principal = IamPrincipal::parse(arn).map_err(|_| AccessEntryError::NotFound)?;
    Ok((entry_key(cluster, &principal), principal))
}

fn of_principal(found: Option<AccessEntry>, principal: &IamPrincipal) -> Result<AccessEntry, EksError> {
    Ok(found.filter(|it| it.principal_arn == principal.arn).ok_or(AccessEntryError::NotFound)?)
}

impl EksService {
    /// DescribeAccessEntry.
    pub(crate) fn describe_entry(
        &self,
        ctx: &Context,
        cluster: &str,
        arn: Option<&String>,
    ) -> Result<AccessEntry, EksError> {
        check_mode(&*self.read(ctx, cluster)?)?;
        let (key, principal) = named(&key_of(ctx, cluster), arn)?;
        of_principal(self.records.get(&key)?, &principal)
    }

    /// Changes an entry; `change` says whether it is another one now.
    async fn change_entry<T>(
        &self,
        ctx: &Context,
        cluster: &str,
        arn: Option<&String>,
        change: impl Fn(&mut AccessEntry) -> Result<(bool, T), EksError>,
    ) -> Result<(AccessEntry, T), EksError> {
        let cluster = key_of(ctx, cluster);
        self.records
            .transact(|tx| {
                changeable(tx, &cluster)?;
                let (key, principal) = named(&cluster, arn)?;
                let mut entry = of_principal(tx.get(&key)?, &principal)?;
                let (changed, answer) = change(&mut entry)?;
                if changed {
                    tx.put(key, &entry)?;
                }
                Ok((entry, answer))
            })
            .await
    }

    /// CreateAccessEntry.
    pub(crate) async fn create_entry(
        &self,
        ctx: &Context,
        cluster: &str,
        input: &CreateAccessEntryRequest,
    ) -> Result<AccessEntry, EksError> {
        check_mode(&*self.read(ctx, cluster)?)?;
        let cluster = key_of(ctx, cluster);
        let ask = CreateAccessEntry::parse(input, &cluster)?;
        let key = entry_key(&cluster, &ask.principal);
        // A retry is answered even when the principal is gone meanwhile.
        if let Some(existing) = self.records.get(&key)? {
            return ask.is_retry_of(existing);
        }
        let id = ask.principal.id(&*self.iam, ctx).await?;
        let entry = ask.accept(&cluster, &id, &base::random_uuid(), self.clock.now());
        self.records
            .transact(|tx| {
                changeable(tx, &cluster)?;
                if let Some(existing) = tx.get::<AccessEntry>(&key)? {
                    return ask.is_retry_of(existing);
                }
                // A look is enough: it does not matter if two at once overstep the limit by one.
                if tx.peek::<IgnoredAny>(&entry_prefix(&cluster))?.len() >= MOST {
                    return Err(AccessEntryError::Limit(MOST).into());
                }
                tx.put(&key, &entry)?;
                Ok(entry.clone())
            })
            .await
    }

    /// ListAccessEntries, by principal.
    pub(crate) fn list_entries(
        &self,
        ctx: &Context,
        cluster: &str,
        input: &ListAccessEntriesRequest,
    ) -> Result<ListAccessEntriesResponse, EksError> {
        check_mode(&*self.read(ctx, cluster)?)?;
        let policy = input.associated_policy_arn.as_ref();
        let wanted = |it: &AccessEntry| policy.is_none_or(|arn| it.policies.iter().any(|it| it.policy == *arn));
        let found = self.records.scan::<AccessEntry>(&entry_prefix(&key_of(ctx, cluster)))?;
        let found = found.into_iter().map(|(_, it)| it).filter(wanted);
        let mut arns: Vec<String> = found.map(|it| it.principal_arn).collect();
        arns.sort();
        let (arns, next_token) = page::page(arns, input.max_results, input.next_token.as_deref(), page::by_order)?;
        Ok(ListAccessEntriesResponse { access_entries: Some(arns), next_token })
    }

    /// UpdateAccessEntry. What is left out stays; an empty name asks for the service's.
    pub(crate) async fn update_entry(
        &self,
        ctx: &Context,
        cluster: &str,
        input: &UpdateAccessEntryRequest,
    ) -> Result<AccessEntry, EksError> {
        let username = input.username.as_deref();
        username.map_or(Ok(()), create::check_username)?;
        let groups = input.kubernetes_groups.as_ref();
        create::check_groups(groups.map(Vec::as_slice).unwrap_or_default())?;
        let now = self.clock.now();
        let change = |entry: &mut AccessEntry| {
            if entry.kind != EntryType::Standard {
                return Err(AccessEntryError::StandardOnly.into());
            }
            let before = entry.clone();
            match username {
                Some("") => {
                    let principal = IamPrincipal::parse(&entry.principal_arn)?;
                    entry.username = create::default_username(entry.kind, &principal);
                }
                Some(name) => name.clone_into(&mut entry.username),
                None => {}
            }
            if let Some(groups) = groups {
                entry.groups.clone_from(groups);
            }
            let changed = *entry != before;
            if changed {
                entry.modified = now;
            }
            Ok((changed, ()))
        };
        Ok(self.change_entry(ctx, cluster, input.principal_arn.as_ref(), change).await?.0)
    }

    /// DeleteAccessEntry, with what is associated.
    pub(crate) async fn delete_entry(
        &self,
        ctx: &Context,
        cluster: &str,
        arn: Option<&String>,
    ) -> Result<(), EksError> {
        let cluster = key_of(ctx, cluster);
        self.records
            .transact(|tx| {
                changeable(tx, &cluster)?;
                let (key, principal) = named(&cluster, arn)?;
                of_principal(tx.get(&key)?, &principal)?;
                tx.delete(key);
                Ok(())
            })
            .await
    }

    /// AssociateAccessPolicy; again for another scope.
    pub(crate) async fn associate_policy(
        &self,
        ctx: &Context,
        cluster: &str,
        input: &AssociateAccessPolicyRequest,
    ) -> Result<(AccessEntry, Association), EksError> {
        let policy = input.policy_arn.as_ref().ok_or(EksError::Missing("policyArn"))?;
        let scope = policies::scope(input.access_scope.as_ref())?;
        let now = self.clock.now();
        let associate = |entry: &mut AccessEntry| {
            // Nodes of Auto Mode are the one kind of nodes that have policies.
            if !matches!(entry.kind, EntryType::Standard | EntryType::Ec2) {
                return Err(AccessEntryError::StandardOnly.into());
            }
            policies::check(policy)?;
            let wish = Association { policy: policy.clone(), scope: scope.clone(), associated: now, modified: now };
            match entry.policies.binary_search_by(|it| it.policy.cmp(policy)) {
                Ok(at) => {
                    let Some(known) = entry.policies.get_mut(at).filter(|it| it.scope != wish.scope) else {
                        return Ok((false, entry.policies.get(at).cloned().unwrap_or(wish)));
                    };
                    (known.scope, known.modified) = (wish.scope, now);
                    Ok((true, known.clone()))
                }
                Err(at) => {
                    entry.policies.insert(at, wish.clone());
                    Ok((true, wish))
                }
            }
        };
        self.change_entry(ctx, cluster, input.principal_arn.as_ref(), associate).await
    }

    /// DisassociateAccessPolicy.
    pub(crate) async fn disassociate_policy(
        &self,
        ctx: &Context,
        cluster: &str,
        input: &DisassociateAccessPolicyRequest,
    ) -> Result<(), EksError> {
        let policy = input.policy_arn.as_ref().ok_or(EksError::Missing("policyArn"))?;
        let disassociate = |entry: &mut AccessEntry| {
            let before = entry.policies.len();
            entry.policies.retain(|it| it.policy != *policy);
            if entry.policies.len() == before {
                return Err(AccessEntryError::NotAssociated.into());
            }
            Ok((true, ()))
        };
        self.change_entry(ctx, cluster, input.principal_arn.as_ref(), disassociate).await.map(drop)
    }

    /// ListAssociatedAccessPolicies, by policy.
    pub(crate) fn list_associated(
        &self,
        ctx: &Context,
        cluster: &str,
        input: &ListAssociatedAccessPoliciesRequest,
    ) -> Result<ListAssociatedAccessPoliciesResponse, EksError> {
        let entry = self.describe_entry(ctx, cluster, input.principal_arn.as_ref())?;
        let arns: Vec<&str> = entry.policies.iter().map(|it| it.policy.as_str()).collect();
        let (arns, next_token) = page::page(arns, input.max_results, input.next_token.as_deref(), page::by_order)?;
        let shown = entry.policies.iter().filter(|it| arns.contains(&it.policy.as_str()));
        Ok(ListAssociatedAccessPoliciesResponse {
            cluster_name: Some(entry.cluster.clone()),
            principal_arn: Some(entry.principal_arn.clone()),
            next_token,
            associated_access_policies: Some(shown.map(render::association).collect()),
        })
    }
}

/// ListAccessPolicies.
///
/// # Errors
/// For a page size or token that is not valid.
pub fn list_policies(input: &ListAccessPoliciesRequest) -> Result<ListAccessPoliciesResponse, EksError> {
    let names = policies::names().to_vec();
    let (names, next_token) = page::page(names, input.max_results, input.next_token.as_deref(), page::by_place)?;
    let policy = |name: &str| AccessPolicy { name: Some(name.to_owned()), arn: Some(policies::arn(name)) };
    Ok(ListAccessPoliciesResponse { access_policies: Some(names.into_iter().map(policy).collect()), next_token })
}

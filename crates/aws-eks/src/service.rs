//! The operations: each reads, decides and commits one transaction. What follows from it is the reconciler's work.

use crate::access_entries::{self, AccessEntry, principal, render as entries};
use crate::create::{self, CreateCluster, Plan};
use crate::error::EksError;
use crate::page;
use crate::records::{
    Cluster, ClusterKey, ClusterStatus, Update, UpdateStatus, cluster_key, cluster_prefix, update_key, update_prefix,
};
use crate::render;
use crate::surroundings;
use crate::tags::{self, Resource};
use crate::update::Change;
use crate::versions;
use async_trait::async_trait;
use aws_model::ec2::Ec2;
use aws_model::eks::*;
use aws_model::iam::Iam;
use aws_model::{Context, Fault};
use base::Clock;
use reconcile::Handle;
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{KeyRange, Records, Tx};

/// EKS, as clients know it. Cheap to clone.
#[derive(Clone)]
pub struct EksService {
    pub(crate) records: Records,
    pub(crate) clock: Arc<dyn Clock>,
    ec2: Arc<dyn Ec2>,
    pub(crate) iam: Arc<dyn Iam>,
    nudge: Handle<ClusterKey>,
}

impl EksService {
    /// The service over `records`. It asks `ec2` and `iam` about what a cluster is given, and nudges the reconciler
    /// ([`crate::Reconciler::nudge`]) about what it accepted.
    pub fn new(
        records: Records,
        clock: Arc<dyn Clock>,
        ec2: Arc<dyn Ec2>,
        iam: Arc<dyn Iam>,
        nudge: Handle<ClusterKey>,
    ) -> Self {
        Self { records, clock, ec2, iam, nudge }
    }

    pub(crate) fn read(&self, ctx: &Context, name: &str) -> Result<Arc<Cluster>, EksError> {
        let key = cluster_key(&ctx.caller.account, &ctx.region, name);
        self.records.shared(&key)?.ok_or_else(|| EksError::NoCluster(name.to_owned()))
    }

    async fn create(&self, ctx: &Context, input: &CreateClusterRequest) -> Result<Cluster, EksError> {
        let ask = CreateCluster::parse(input)?;
        let key = cluster_key(&ctx.caller.account, &ctx.region, &ask.name);
        // A retry is answered even when what was free then is not free any more.
        if let Some(existing) = self.records.get(&key)? {
            return ask.is_retry_of(existing);
        }
        let around = surroundings::look(&*self.ec2, &*self.iam, ctx, &ask).await?;
        let creator = if ask.creator_is_admin { principal::behind(&*self.iam, ctx).await? } else { None };
        let plan = Plan::random();
        let cluster = self
            .records
            .transact(|tx| match tx.get::<Cluster>(&key)? {
                Some(existing) => ask.is_retry_of(existing),
                None => {
                    let cluster = ask.accept(ctx, &around, &plan, tx)?;
                    tx.put(&key, &cluster)?;
                    if let Some((creator, id)) = &creator {
                        let owner = cluster.cluster_key();
                        let entry = access_entries::create::of_creator(&owner, creator, id, &plan.entry_id, ctx.now);
                        tx.put(access_entries::records::entry_key(&owner, creator), &entry)?;
                    }
                    Ok(cluster)
                }
            })
            .await?;
        self.nudge.nudge(cluster.cluster_key());
        Ok(cluster)
    }

    async fn delete(&self, ctx: &Context, name: &str) -> Result<Cluster, EksError> {
        let key = cluster_key(&ctx.caller.account, &ctx.region, name);
        let cluster = self
            .records
            .transact(|tx| {
                let mut cluster: Cluster = tx.get(&key)?.ok_or_else(|| EksError::NoCluster(name.to_owned()))?;
                match cluster.status {
                    ClusterStatus::Deleting => return Ok(cluster),
                    ClusterStatus::Updating => return Err(EksError::DeleteWhileUpdating(name.to_owned())),
                    ClusterStatus::Active if cluster.deletion_protection => {
                        return Err(EksError::Protected(name.to_owned()));
                    }
                    ClusterStatus::Active | ClusterStatus::Creating | ClusterStatus::Failed => (),
                }
                cluster.status = ClusterStatus::Deleting;
                tx.put(&key, &cluster)?;
                Ok(cluster)
            })
            .await?;
        self.nudge.nudge(cluster.cluster_key());
        Ok(cluster)
    }

    async fn update(&self, ctx: &Context, name: &str, input: &UpdateClusterConfigRequest) -> Result<Update, EksError> {
        let change = Change::parse(input)?;
        let (account, region, id) = (&ctx.caller.account, &ctx.region, base::random_uuid());
        let key = cluster_key(account, region, name);
        let rest = UpdateClusterConfigRequest { client_request_token: None, ..input.clone() };
        let token = create::token(input.client_request_token.as_ref(), &rest)?;
        let now = self.clock.now();
        let update = self
            .records
            .transact(|tx| {
                let cluster: Cluster = tx.get(&key)?.ok_or_else(|| EksError::NoCluster(name.to_owned()))?;
                let updates = peek_updates(tx, ctx, name)?;
                if let Some(same) = retried(&updates, token.as_ref())? {
                    return Ok::<Update, EksError>(same);
                }
                let running = updates.into_iter().find(|it| it.status == UpdateStatus::InProgress).map(|it| it.id);
                let (cluster, update) = change.decide(cluster, running, &id, token.clone(), now)?;
                tx.put(&key, &cluster)?;
                tx.put(update_key(account, region, name, &id), &update)?;
                Ok(update)
            })
            .await?;
        let key = ClusterKey { account: account.clone(), region: region.clone(), name: name.to_owned() };
        self.nudge.nudge(key);
        Ok(update)
    }

    fn list(&self, ctx: &Context, input: &ListClustersRequest) -> Result<ListClustersResponse, EksError> {
        if let Some(other) = input.include.iter().flatten().find(|it| *it != "all") {
            return Err(EksError::Parameter(format!("Invalid value '{other}' in include; the only one is all")));
        }
        let prefix = cluster_prefix(&ctx.caller.account, &ctx.region);
        // Keys are all that is needed, and they are in order already: no record is parsed.
        let found = self.records.store().range(&KeyRange::prefix(prefix.clone()), None, 0)?;
        let name = |key: &[u8]| String::from_utf8_lossy(&key[prefix.len().min(key.len())..]).into_owned();
        let names: Vec<String> = found.kvs.iter().map(|kv| name(&kv.key)).collect();
        let (names, next) = page::page(names, input.max_results, input.next_token.as_deref(), page::by_order)?;
        Ok(ListClustersResponse { clusters: Some(names), next_token: next })
    }

    fn updates(&self, ctx: &Context, name: &str, input: &ListUpdatesRequest) -> Result<ListUpdatesResponse, EksError> {
        self.read(ctx, name)?;
        no_parts(&input.nodegroup_name, &input.addon_name, &input.capability_name)?;
        let prefix = update_prefix(&ctx.caller.account, &ctx.region, name);
        let mut updates: Vec<Update> = self.records.scan(&prefix)?.into_iter().map(|(_, update)| update).collect();
        updates.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.id.cmp(&b.id)));
        let ids: Vec<String> = updates.into_iter().map(|it| it.id).collect();
        let (ids, next) = page::page(ids, input.max_results, input.next_token.as_deref(), page::by_place)?;
        Ok(ListUpdatesResponse { update_ids: Some(ids), next_token: next })
    }

    fn one_update(&self, ctx: &Context, name: &str, input: &DescribeUpdateRequest) -> Result<Update, EksError> {
        self.read(ctx, name)?;
        no_parts(&input.nodegroup_name, &input.addon_name, &input.capability_name)?;
        let id = input.update_id.as_ref().ok_or(EksError::Missing("updateId"))?;
        let key = update_key(&ctx.caller.account, &ctx.region, name, id);
        self.records.get(&key)?.ok_or_else(|| EksError::NoUpdate(id.clone()))
    }

    /// The tags of the resource that `arn` names.
    fn tags(&self, ctx: &Context, arn: Option<&str>) -> Result<BTreeMap<String, String>, EksError> {
        let resource = tags::resource(arn, &ctx.region)?.of(ctx)?;
        let key = resource.key();
        let tags = match &resource {
            Resource::Cluster(_) => self.records.get::<Cluster>(&key)?.map(|it| it.tags),
            Resource::AccessEntry { arn, .. } => {
                self.records.get::<AccessEntry>(&key)?.filter(|it| it.arn == *arn).map(|it| it.tags)
            }
        };
        tags.ok_or_else(|| EksError::NoResource(arn.unwrap_or_default().to_owned()))
    }

    /// Changes the tags of the resource that `arn` names.
    async fn retag(
        &self,
        ctx: &Context,
        arn: Option<&str>,
        change: impl Fn(BTreeMap<String, String>) -> Result<BTreeMap<String, String>, EksError>,
    ) -> Result<(), EksError> {
        let resource = tags::resource(arn, &ctx.region)?.of(ctx)?;
        let key = resource.key();
        let missing = || EksError::NoResource(arn.unwrap_or_default().to_owned());
        self.records
            .transact(|tx| {
                match &resource {
                    Resource::Cluster(_) => {
                        let mut record: Cluster = tx.get(&key)?.ok_or_else(missing)?;
                        let tags = change(record.tags.clone())?;
                        if tags != record.tags {
                            record.tags = tags;
                            tx.put(&key, &record)?;
                        }
                    }
                    Resource::AccessEntry { arn, .. } => {
                        let found = tx.get(&key)?.filter(|it: &AccessEntry| it.arn == *arn);
                        let mut record = found.ok_or_else(missing)?;
                        let tags = change(record.tags.clone())?;
                        if tags != record.tags {
                            record.tags = tags;
                            tx.put(&key, &record)?;
                        }
                    }
                }
                Ok(())
            })
            .await
    }
}

fn peek_updates(tx: &Tx<'_>, ctx: &Context, name: &str) -> Result<Vec<Update>, EksError> {
    // A new update always writes the cluster too, which the transaction reads: looking is enough.
    let found = tx.peek(&update_prefix(&ctx.caller.account, &ctx.region, name))?;
    Ok(found.into_iter().map(|(_, update)| update).collect())
}

/// The update that a request with this token made before.
fn retried(updates: &[Update], token: Option<&(String, String)>) -> Result<Option<Update>, EksError> {
    let Some((token, digest)) = token else { return Ok(None) };
    let same = updates.iter().find(|it| it.client_token.as_ref().is_some_and(|(it, _)| it == token));
    match same {
        Some(it) if it.client_token.as_ref().is_some_and(|(_, it)| it == digest) => Ok(Some(it.clone())),
        Some(_) => Err(EksError::Token),
        None => Ok(None),
    }
}

/// There are no node groups, add-ons or capabilities yet whose updates could be meant.
fn no_parts(group: &Option<String>, addon: &Option<String>, capability: &Option<String>) -> Result<(), EksError> {
    let parts = [("node group", group), ("addon", addon), ("capability", capability)];
    match parts.into_iter().find_map(|(kind, name)| name.clone().map(|name| (kind, name))) {
        Some((kind, name)) => Err(EksError::NoPart { kind, name }),
        None => Ok(()),
    }
}

/// The cluster's name of a request, with which to answer.
fn named(name: Option<String>) -> Result<String, Fault> {
    name.ok_or_else(|| EksError::Missing("name").about(None))
}

#[async_trait]
impl Eks for EksService {
    async fn create_cluster(&self, ctx: &Context, input: CreateClusterRequest) -> Result<CreateClusterResponse, Fault> {
        let made = self.create(ctx, &input).await.map_err(|error| error.about(input.name.as_deref()))?;
        Ok(CreateClusterResponse { cluster: Some(render::created(&made)) })
    }

    async fn create_access_entry(
        &self,
        ctx: &Context,
        input: CreateAccessEntryRequest,
    ) -> Result<CreateAccessEntryResponse, Fault> {
        let name = named(input.cluster_name.clone())?;
        let entry = self.create_entry(ctx, &name, &input).await.map_err(|error| error.about(Some(&name)))?;
        Ok(CreateAccessEntryResponse { access_entry: Some(entries::entry(&entry)) })
    }

    async fn describe_access_entry(
        &self,
        ctx: &Context,
        input: DescribeAccessEntryRequest,
    ) -> Result<DescribeAccessEntryResponse, Fault> {
        let name = named(input.cluster_name)?;
        let found = self.describe_entry(ctx, &name, input.principal_arn.as_ref());
        let entry = found.map_err(|error| error.about(Some(&name)))?;
        Ok(DescribeAccessEntryResponse { access_entry: Some(entries::entry(&entry)) })
    }

    async fn list_access_entries(
        &self,
        ctx: &Context,
        input: ListAccessEntriesRequest,
    ) -> Result<ListAccessEntriesResponse, Fault> {
        let name = named(input.cluster_name.clone())?;
        self.list_entries(ctx, &name, &input).map_err(|error| error.about(Some(&name)))
    }

    async fn update_access_entry(
        &self,
        ctx: &Context,
        input: UpdateAccessEntryRequest,
    ) -> Result<UpdateAccessEntryResponse, Fault> {
        let name = named(input.cluster_name.clone())?;
        let entry = self.update_entry(ctx, &name, &input).await.map_err(|error| error.about(Some(&name)))?;
        Ok(UpdateAccessEntryResponse { access_entry: Some(entries::entry(&entry)) })
    }

    async fn delete_access_entry(
        &self,
        ctx: &Context,
        input: DeleteAccessEntryRequest,
    ) -> Result<DeleteAccessEntryResponse, Fault> {
        let name = named(input.cluster_name)?;
        let deleted = self.delete_entry(ctx, &name, input.principal_arn.as_ref()).await;
        deleted.map_err(|error| error.about(Some(&name)))?;
        Ok(DeleteAccessEntryResponse {})
    }

    async fn associate_access_policy(
        &self,
        ctx: &Context,
        input: AssociateAccessPolicyRequest,
    ) -> Result<AssociateAccessPolicyResponse, Fault> {
        let name = named(input.cluster_name.clone())?;
        let associated = self.associate_policy(ctx, &name, &input).await;
        let (entry, association) = associated.map_err(|error| error.about(Some(&name)))?;
        Ok(AssociateAccessPolicyResponse {
            cluster_name: Some(name),
            principal_arn: Some(entry.principal_arn),
            associated_access_policy: Some(entries::association(&association)),
        })
    }

    async fn disassociate_access_policy(
        &self,
        ctx: &Context,
        input: DisassociateAccessPolicyRequest,
    ) -> Result<DisassociateAccessPolicyResponse, Fault> {
        let name = named(input.cluster_name.clone())?;
        self.disassociate_policy(ctx, &name, &input).await.map_err(|error| error.about(Some(&name)))?;
        Ok(DisassociateAccessPolicyResponse {})
    }

    async fn list_associated_access_policies(
        &self,
        ctx: &Context,
        input: ListAssociatedAccessPoliciesRequest,
    ) -> Result<ListAssociatedAccessPoliciesResponse, Fault> {
        let name = named(input.cluster_name.clone())?;
        self.list_associated(ctx, &name, &input).map_err(|error| error.about(Some(&name)))
    }

    async fn list_access_policies(
        &self,
        _ctx: &Context,
        input: ListAccessPoliciesRequest,
    ) -> Result<ListAccessPoliciesResponse, Fault> {
        access_entries::operations::list_policies(&input).map_err(|error| error.about(None))
    }

    async fn delete_cluster(&self, ctx: &Context, input: DeleteClusterRequest) -> Result<DeleteClusterResponse, Fault> {
        let name = named(input.name)?;
        let cluster = self.delete(ctx, &name).await.map_err(|error| error.about(Some(&name)))?;
        Ok(DeleteClusterResponse { cluster: Some(render::cluster(&cluster)) })
    }

    async fn describe_cluster(
        &self,
        ctx: &Context,
        input: DescribeClusterRequest,
    ) -> Result<DescribeClusterResponse, Fault> {
        let name = named(input.name)?;
        let cluster = self.read(ctx, &name).map_err(|error| error.about(Some(&name)))?;
        Ok(DescribeClusterResponse { cluster: Some(render::cluster(&cluster)) })
    }

    async fn describe_cluster_versions(
        &self,
        _ctx: &Context,
        input: DescribeClusterVersionsRequest,
    ) -> Result<DescribeClusterVersionsResponse, Fault> {
        versions::describe(&input, self.clock.now()).map_err(|error| error.about(None))
    }

    async fn describe_update(
        &self,
        ctx: &Context,
        input: DescribeUpdateRequest,
    ) -> Result<DescribeUpdateResponse, Fault> {
        let name = named(input.name.clone())?;
        let update = self.one_update(ctx, &name, &input).map_err(|error| error.about(Some(&name)))?;
        Ok(DescribeUpdateResponse { update: Some(render::update(&update)) })
    }

    async fn list_clusters(&self, ctx: &Context, input: ListClustersRequest) -> Result<ListClustersResponse, Fault> {
        self.list(ctx, &input).map_err(|error| error.about(None))
    }

    async fn list_tags_for_resource(
        &self,
        ctx: &Context,
        input: ListTagsForResourceRequest,
    ) -> Result<ListTagsForResourceResponse, Fault> {
        let tags = self.tags(ctx, input.resource_arn.as_deref()).map_err(|error| error.about(None))?;
        Ok(ListTagsForResourceResponse { tags: Some(tags) })
    }

    async fn list_updates(&self, ctx: &Context, input: ListUpdatesRequest) -> Result<ListUpdatesResponse, Fault> {
        let name = named(input.name.clone())?;
        self.updates(ctx, &name, &input).map_err(|error| error.about(Some(&name)))
    }

    async fn tag_resource(&self, ctx: &Context, input: TagResourceRequest) -> Result<TagResourceResponse, Fault> {
        let more = input.tags.unwrap_or_default();
        let add = |tags| {
            if more.is_empty() {
                return Err(EksError::Tag("tags must be specified".to_owned()));
            }
            tags::merge(tags, more.clone())
        };
        self.retag(ctx, input.resource_arn.as_deref(), add).await.map_err(|error| error.about(None))?;
        Ok(TagResourceResponse::default())
    }

    async fn untag_resource(&self, ctx: &Context, input: UntagResourceRequest) -> Result<UntagResourceResponse, Fault> {
        let keys = input.tag_keys.unwrap_or_default();
        let remove = |mut tags: BTreeMap<String, String>| {
            if keys.is_empty() {
                return Err(EksError::Tag("tagKeys must be specified".to_owned()));
            }
            tags.retain(|key, _| !keys.contains(key));
            Ok(tags)
        };
        self.retag(ctx, input.resource_arn.as_deref(), remove).await.map_err(|error| error.about(None))?;
        Ok(UntagResourceResponse::default())
    }

    async fn update_cluster_config(
        &self,
        ctx: &Context,
        input: UpdateClusterConfigRequest,
    ) -> Result<UpdateClusterConfigResponse, Fault> {
        let name = named(input.name.clone())?;
        let update = self.update(ctx, &name, &input).await.map_err(|error| error.about(Some(&name)))?;
        Ok(UpdateClusterConfigResponse { update: Some(render::update(&update)) })
    }
}

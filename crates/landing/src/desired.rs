//! What the fabric should have, kept current change by change.

use crate::access::Gates;
use crate::assembly::Assembly;
use crate::internet::{self, InternetPart};
use crate::provider;
use crate::vpc;
use crate::world::{ClusterId, Dirty, Runtime, VpcDirt, World};
use crate::{instance, plan};
use base::{InstanceId, VpcId};
use fabric::{Namespace, NsName, Profile};
use std::collections::{BTreeMap, BTreeSet};

/// The routers, as sums of what stands in them. Whatever else there is, is small and made anew when it is dirty.
#[derive(Debug)]
pub struct Desired {
    internet: Assembly<InternetPart>,
    provider: Assembly<provider::RouterPart>,
    vpcs: BTreeMap<VpcId, Assembly<vpc::RouterPart>>,
    /// The namespaces of each cluster's control plane, so that those of one whose record is gone go too.
    clusters: BTreeMap<ClusterId, Vec<NsName>>,
    /// Whether it was brought up to date before: the first time, everything is dirty.
    begun: bool,
}

impl Default for Desired {
    fn default() -> Self {
        let empty = World::default();
        Self {
            internet: internet::internet(&empty),
            provider: provider::router(&empty, &Gates::new()),
            vpcs: BTreeMap::new(),
            clusters: BTreeMap::new(),
            begun: false,
        }
    }
}

/// Everything there is, for a start.
pub fn everything(world: &World) -> Dirty {
    let whole = VpcDirt { whole: true, ..VpcDirt::default() };
    Dirty {
        all: true,
        vpcs: world.vpcs().map(|(id, _)| (id.clone(), whole.clone())).collect(),
        clusters: world.clusters().map(|(id, _)| id.clone()).collect(),
        instances: world.instances().map(|(_, it)| it.id.clone()).collect(),
    }
}

impl Desired {
    /// Brings what is dirty up to date, and returns the namespaces that this may have changed; `None` is one that
    /// should not exist.
    pub fn update(
        &mut self,
        world: &World,
        gates: &Gates,
        runtime: &Runtime,
        dirty: &Dirty,
    ) -> BTreeMap<NsName, Option<Namespace>> {
        let mut dirty = dirty.clone();
        if !std::mem::replace(&mut self.begun, true) {
            dirty.merge(everything(world));
        }
        if dirty.all {
            // What is gone without a word, as when the world was read anew.
            self.vpcs.keys().for_each(|id| dirty.vpc(id).whole = true);
            dirty.clusters.extend(self.clusters.keys().cloned());
        }
        let mut dirt = dirty.vpcs.clone();
        let mut instances: BTreeSet<InstanceId> = dirty.instances.clone();
        let mut clusters: BTreeSet<ClusterId> = dirty.clusters.clone();
        for id in &dirty.instances {
            // A process came or went: so do the links of its interfaces.
            if let Some((vpc, instance)) = world.instance(id) {
                let interfaces = vpc.interfaces_of(id).map(|it| it.id.clone());
                dirt.entry(instance.vpc.clone()).or_default().interfaces.extend(interfaces);
            }
        }
        let mut changed = BTreeMap::new();
        for (id, dirt) in &dirt {
            internet::update(&mut self.internet, world, id, dirt);
            changed.insert(plan::vpc(id), self.vpc(world, runtime, id, dirt));
            instances.extend(owners(world, id, dirt));
            if dirt.whole {
                // Their routes name the VPC's blocks and subnets.
                clusters.extend(world.clusters_in(id).map(ClusterId::of));
            }
        }
        for id in &clusters {
            provider::update(&mut self.provider, world, gates, id);
            changed.extend(self.control_plane(world, id));
        }
        for id in &instances {
            changed.insert(plan::instance(id), instance::namespace(world, runtime, id));
        }
        changed.insert(plan::outside(), Some(internet::outside()));
        changed.insert(plan::internet(), Some(self.internet.namespace()));
        changed.insert(plan::provider(), Some(self.provider.namespace()));
        changed
    }

    fn control_plane(&mut self, world: &World, id: &ClusterId) -> BTreeMap<NsName, Option<Namespace>> {
        let before = self.clusters.remove(id).unwrap_or_default();
        let now = provider::control_plane(world, id);
        let standing: Vec<NsName> = now.iter().filter(|(_, it)| it.is_some()).map(|(name, _)| name.clone()).collect();
        if !standing.is_empty() {
            self.clusters.insert(id.clone(), standing);
        }
        let mut changed: BTreeMap<NsName, Option<Namespace>> = before.into_iter().map(|name| (name, None)).collect();
        changed.extend(now);
        changed
    }

    fn vpc(&mut self, world: &World, runtime: &Runtime, id: &VpcId, dirt: &VpcDirt) -> Option<Namespace> {
        let new = || Assembly::new(Profile::Router, Some(crate::filter::TABLE));
        let router = self.vpcs.entry(id.clone()).or_insert_with(new);
        if vpc::update(router, world, runtime, id, dirt) {
            return Some(router.namespace());
        }
        self.vpcs.remove(id);
        None
    }
}

/// The instances whose own network may differ.
fn owners(world: &World, id: &VpcId, dirt: &VpcDirt) -> Vec<InstanceId> {
    let Some(vpc) = world.vpc(id) else { return Vec::new() };
    if dirt.whole {
        return vpc.instances.keys().cloned().collect();
    }
    let interfaces = dirt.interfaces.iter().filter_map(|it| vpc.interfaces.get(it));
    interfaces.filter_map(|it| it.attachment.as_ref()?.instance.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{CLUSTER_GROUP, GATEWAY, INSTANCE, NODE_GROUP, SUBNET_C, Scenery, TABLE, VPC};
    use aws_ec2::records as ec2;
    use serde_json::json;

    /// All namespaces, as they are when nothing is known of before.
    fn anew(scenery: &Scenery) -> BTreeMap<NsName, Namespace> {
        let dirty = everything(&scenery.world);
        let all = Desired::default().update(&scenery.world, &scenery.gates, &scenery.runtime, &dirty);
        all.into_iter().filter_map(|(name, it)| Some((name, it?))).collect()
    }

    /// Follows a scenery by what it says is dirty, and checks that this leads to the same as starting anew.
    struct Follower {
        desired: Desired,
        known: BTreeMap<NsName, Namespace>,
    }

    impl Follower {
        fn follow(&mut self, scenery: &mut Scenery) {
            let dirty = std::mem::take(&mut scenery.dirty);
            let changes = self.desired.update(&scenery.world, &scenery.gates, &scenery.runtime, &dirty);
            for (name, namespace) in changes {
                match namespace {
                    Some(namespace) => drop(self.known.insert(name, namespace)),
                    None => drop(self.known.remove(&name)),
                }
            }
            let anew = anew(scenery);
            assert_eq!(self.known.keys().collect::<Vec<_>>(), anew.keys().collect::<Vec<_>>());
            for (name, namespace) in &anew {
                assert_eq!(&self.known[name], namespace, "{name}");
            }
        }
    }

    #[test]
    fn following_leads_to_what_a_start_would_make() {
        let mut scenery = Scenery::new(true, true, &["0.0.0.0/0"]);
        let mut follower = Follower { desired: Desired::default(), known: BTreeMap::new() };
        follower.follow(&mut scenery);
        scenery.group(NODE_GROUP, &[("tcp", 443, 443, json!({"Group": CLUSTER_GROUP}))]);
        follower.follow(&mut scenery);
        scenery.runtime.pids.clear();
        scenery.dirty.instances.insert(INSTANCE.parse().unwrap());
        follower.follow(&mut scenery);
        scenery.cluster(false, true, &[]);
        follower.follow(&mut scenery);
        scenery.remove::<ec2::RouteTable>(TABLE);
        follower.follow(&mut scenery);
        scenery.remove::<ec2::InternetGateway>(GATEWAY);
        follower.follow(&mut scenery);
        scenery.remove::<ec2::SecurityGroup>(NODE_GROUP);
        scenery.remove::<ec2::Subnet>(SUBNET_C);
        follower.follow(&mut scenery);
        scenery.remove_cluster();
        follower.follow(&mut scenery);
        scenery.remove::<ec2::Vpc>(VPC);
        follower.follow(&mut scenery);
    }
}

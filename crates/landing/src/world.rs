//! The records of all accounts and regions, parsed once and indexed by what they are networks of.
//!
//! The world follows the store event by event and says which parts became dirty, so that the cost of a change is the
//! cost of the VPC and the cluster it concerns, not of all that exist.

use aws_ec2::records as ec2;
use aws_eks::records as eks;
use base::{
    AccountId, InstanceId, InternetGatewayId, NetworkInterfaceId, Region, RouteTableId, SecurityGroupId, SubnetId,
    VpcId,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::Ipv4Addr;
use store::Event;

/// Which cluster: names are unique only within an account and region.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId {
    /// Its owner.
    pub account: AccountId,
    /// Its region.
    pub region: Region,
    /// Its name.
    pub name: String,
}

impl ClusterId {
    /// The id of a cluster's record.
    pub fn of(cluster: &eks::Cluster) -> Self {
        Self { account: cluster.account.clone(), region: cluster.region.clone(), name: cluster.name.clone() }
    }
}

/// What one VPC consists of.
#[derive(Debug, Clone, Default)]
pub struct VpcWorld {
    /// The VPC itself; `None` while only parts of it are known.
    pub vpc: Option<ec2::Vpc>,
    /// Its subnets.
    pub subnets: BTreeMap<SubnetId, ec2::Subnet>,
    /// Its route tables.
    pub route_tables: BTreeMap<RouteTableId, ec2::RouteTable>,
    /// Its security groups.
    pub groups: BTreeMap<SecurityGroupId, ec2::SecurityGroup>,
    /// Its network interfaces.
    pub interfaces: BTreeMap<NetworkInterfaceId, ec2::NetworkInterface>,
    /// Its instances.
    pub instances: BTreeMap<InstanceId, ec2::Instance>,
    /// The Internet gateway that is attached to it.
    pub gateway: Option<InternetGatewayId>,
}

impl VpcWorld {
    /// The route table of a subnet: its own, or the main one.
    pub fn route_table_of(&self, subnet: &SubnetId) -> Option<&ec2::RouteTable> {
        let own = |table: &&ec2::RouteTable| table.associations.iter().any(|it| it.subnet.as_ref() == Some(subnet));
        self.route_tables.values().find(own).or_else(|| self.route_tables.values().find(|it| it.is_main()))
    }

    /// The interface that holds a private address.
    pub fn interface_at(&self, address: Ipv4Addr) -> Option<&ec2::NetworkInterface> {
        self.interfaces.values().find(|it| it.addresses.iter().any(|own| own.address == address))
    }

    /// An instance's primary interface.
    pub fn primary_interface(&self, instance: &InstanceId) -> Option<&ec2::NetworkInterface> {
        self.interfaces_of(instance).find(|it| it.attachment.as_ref().is_some_and(|at| at.device_index == 0))
    }

    /// All interfaces of an instance.
    pub fn interfaces_of<'a, 'b>(
        &'a self,
        instance: &'b InstanceId,
    ) -> impl Iterator<Item = &'a ec2::NetworkInterface> + use<'a, 'b> {
        let owner = |it: &'a ec2::NetworkInterface| it.attachment.as_ref().and_then(|at| at.instance.as_ref());
        self.interfaces.values().filter(move |it| owner(it) == Some(instance))
    }

    fn is_empty(&self) -> bool {
        self.vpc.is_none()
            && self.gateway.is_none()
            && self.subnets.is_empty()
            && self.route_tables.is_empty()
            && self.groups.is_empty()
            && self.interfaces.is_empty()
            && self.instances.is_empty()
    }
}

/// What this host knows and no record says.
#[derive(Debug, Clone, Default)]
pub struct Runtime {
    /// The first process of each instance that runs.
    pub pids: BTreeMap<InstanceId, u32>,
}

/// What a change touched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dirty {
    /// Whether all that there is, or was, may differ; the rest then lists what there is.
    pub all: bool,
    /// VPCs whose network may differ, and what of it.
    pub vpcs: BTreeMap<VpcId, VpcDirt>,
    /// Clusters whose control plane's network may differ.
    pub clusters: BTreeSet<ClusterId>,
    /// Instances whose desired power state may differ.
    pub instances: BTreeSet<InstanceId>,
}

/// What of one VPC may differ.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VpcDirt {
    /// Everything: the VPC itself changed, a subnet, a route table or its gateway.
    pub whole: bool,
    /// Network interfaces.
    pub interfaces: BTreeSet<NetworkInterfaceId>,
    /// Security groups.
    pub groups: BTreeSet<SecurityGroupId>,
}

impl VpcDirt {
    fn merge(&mut self, other: Self) {
        self.whole |= other.whole;
        self.interfaces.extend(other.interfaces);
        self.groups.extend(other.groups);
    }
}

impl Dirty {
    /// What is dirty of a VPC; from now on it is dirty.
    pub fn vpc(&mut self, id: &VpcId) -> &mut VpcDirt {
        self.vpcs.entry(id.clone()).or_default()
    }

    /// Whether nothing is dirty.
    pub fn is_empty(&self) -> bool {
        !self.all && self.vpcs.is_empty() && self.clusters.is_empty() && self.instances.is_empty()
    }

    /// Adds what another change touched.
    pub fn merge(&mut self, other: Dirty) {
        self.all |= other.all;
        for (id, dirt) in other.vpcs {
            self.vpcs.entry(id).or_default().merge(dirt);
        }
        self.clusters.extend(other.clusters);
        self.instances.extend(other.instances);
    }
}

/// A record that did not parse; the world goes on without it.
#[derive(Debug, thiserror::Error)]
#[error("record {key}: {source}")]
pub struct BadRecord {
    /// Its key.
    pub key: String,
    /// Why.
    #[source]
    pub source: serde_json::Error,
}

/// All records that make networks.
#[derive(Debug, Default)]
pub struct World {
    vpcs: BTreeMap<VpcId, VpcWorld>,
    clusters: BTreeMap<ClusterId, eks::Cluster>,
    /// Where to look for a part whose record is gone: key to VPC.
    homes: HashMap<String, VpcId>,
    /// Endpoint ids in lower case, for the resolver.
    endpoints: HashMap<String, ClusterId>,
    /// Whose control plane an interface belongs to, for the VPC's router.
    cross_account: HashMap<NetworkInterfaceId, ClusterId>,
    /// Instances by id, for places.
    instances: BTreeMap<InstanceId, VpcId>,
    /// Who holds a public address, for the resolver.
    public_addresses: HashMap<Ipv4Addr, (VpcId, NetworkInterfaceId)>,
}

/// The parts of an EC2 key: `ec2/<account>/<region>/<kind>/<id>`.
fn ec2_kind(key: &str) -> Option<&str> {
    key.strip_prefix(ec2::ROOT)?.split('/').nth(2)
}

impl World {
    /// A VPC and its parts.
    pub fn vpc(&self, id: &VpcId) -> Option<&VpcWorld> {
        self.vpcs.get(id)
    }

    /// All VPCs.
    pub fn vpcs(&self) -> impl Iterator<Item = (&VpcId, &VpcWorld)> {
        self.vpcs.iter()
    }

    /// A cluster.
    pub fn cluster(&self, id: &ClusterId) -> Option<&eks::Cluster> {
        self.clusters.get(id)
    }

    /// All clusters.
    pub fn clusters(&self) -> impl Iterator<Item = (&ClusterId, &eks::Cluster)> {
        self.clusters.iter()
    }

    /// The cluster with an endpoint id, given in lower case.
    pub fn cluster_at(&self, endpoint_id: &str) -> Option<(&ClusterId, &eks::Cluster)> {
        let id = self.endpoints.get(endpoint_id)?;
        self.clusters.get_key_value(id)
    }

    /// The cluster whose X-ENI an interface is.
    pub fn cluster_of(&self, interface: &NetworkInterfaceId) -> Option<&eks::Cluster> {
        self.clusters.get(self.cross_account.get(interface)?)
    }

    /// An instance and its VPC.
    pub fn instance(&self, id: &InstanceId) -> Option<(&VpcWorld, &ec2::Instance)> {
        let vpc = self.vpcs.get(self.instances.get(id)?)?;
        Some((vpc, vpc.instances.get(id)?))
    }

    /// The VPC and the private address behind a public address.
    pub fn public_address(&self, address: Ipv4Addr) -> Option<(&VpcWorld, Ipv4Addr)> {
        let (vpc, id) = self.public_addresses.get(&address)?;
        let vpc = self.vpcs.get(vpc)?;
        let mut own = vpc.interfaces.get(id)?.addresses.iter();
        let own = own.find(|it| it.public.as_ref().is_some_and(|it| it.address == address))?;
        Some((vpc, own.address))
    }

    /// All instances with their VPCs.
    pub fn instances(&self) -> impl Iterator<Item = (&VpcWorld, &ec2::Instance)> {
        self.vpcs.values().flat_map(|vpc| vpc.instances.values().map(move |it| (vpc, it)))
    }

    /// The clusters whose X-ENIs lie in a VPC.
    pub fn clusters_in<'a>(&'a self, vpc: &'a VpcId) -> impl Iterator<Item = &'a eks::Cluster> {
        self.clusters.values().filter(move |it| it.vpc == *vpc)
    }

    /// Follows a change of the store.
    ///
    /// # Errors
    /// When a record does not parse: it is left out, and what it stood for before is gone.
    pub fn apply(&mut self, event: &Event) -> Result<Dirty, BadRecord> {
        let key = String::from_utf8_lossy(event.key()).into_owned();
        let value = match event {
            Event::Put { kv, .. } => Some(&kv.value[..]),
            Event::Delete { .. } => None,
        };
        self.put(&key, value)
    }

    /// Takes one record in (`None`: it is gone).
    ///
    /// # Errors
    /// As [`World::apply`].
    pub fn put(&mut self, key: &str, value: Option<&[u8]>) -> Result<Dirty, BadRecord> {
        let mut dirty = self.forget(key);
        if let Some(value) = value {
            let added = self.learn(key, value).map_err(|source| BadRecord { key: key.to_owned(), source })?;
            dirty.merge(added);
        }
        for vpc in dirty.vpcs.keys() {
            if self.vpcs.get(vpc).is_some_and(VpcWorld::is_empty) {
                self.vpcs.remove(vpc);
            }
        }
        Ok(dirty)
    }

    /// Removes what a key stood for.
    fn forget(&mut self, key: &str) -> Dirty {
        let mut dirty = Dirty::default();
        if let Some(home) = self.homes.remove(key) {
            let id = key.rsplit('/').next().unwrap_or_default();
            let Some(world) = self.vpcs.get_mut(&home) else { return dirty };
            let dirt = dirty.vpc(&home);
            match ec2_kind(key) {
                Some("vpc") => (world.vpc, dirt.whole) = (None, true),
                Some("subnet") => (_, dirt.whole) = (remove_by(&mut world.subnets, id), true),
                Some("rtb") => (_, dirt.whole) = (remove_by(&mut world.route_tables, id), true),
                Some("igw") => (world.gateway, dirt.whole) = (None, true),
                Some("sg") => dirt.groups.extend(remove_by(&mut world.groups, id).map(|(id, _)| id)),
                Some("eni") => {
                    if let Some((id, old)) = remove_by(&mut world.interfaces, id) {
                        dirt.interfaces.insert(id);
                        for own in publics(&old) {
                            self.public_addresses.remove(&own);
                        }
                    }
                }
                Some("instance") => {
                    if let Some((id, _)) = remove_by(&mut world.instances, id) {
                        self.instances.remove(&id);
                        dirty.instances.insert(id);
                    }
                }
                _ => {}
            }
        } else if let Some(id) = cluster_id(key)
            && let Some(cluster) = self.clusters.remove(&id)
        {
            self.endpoints.remove(&cluster.endpoint_id.to_ascii_lowercase());
            for interface in cross_account(&cluster) {
                self.cross_account.remove(interface);
            }
            touch(&mut dirty, id, &cluster);
        }
        dirty
    }

    /// Takes in what a key stands for now.
    fn learn(&mut self, key: &str, value: &[u8]) -> Result<Dirty, serde_json::Error> {
        let mut dirty = Dirty::default();
        if let Some(id) = cluster_id(key) {
            let cluster: eks::Cluster = serde_json::from_slice(value)?;
            self.endpoints.insert(cluster.endpoint_id.to_ascii_lowercase(), id.clone());
            self.cross_account.extend(cross_account(&cluster).map(|it| (it.clone(), id.clone())));
            touch(&mut dirty, id.clone(), &cluster);
            self.clusters.insert(id, cluster);
            return Ok(dirty);
        }
        let home = match ec2_kind(key) {
            Some("vpc") => {
                let it: ec2::Vpc = serde_json::from_slice(value)?;
                let home = it.id.clone();
                self.home(&home).vpc = Some(it);
                dirty.vpc(&home).whole = true;
                home
            }
            Some("subnet") => {
                let (home, _) =
                    self.part(value, |it: &ec2::Subnet| (it.vpc.clone(), it.id.clone()), |w| &mut w.subnets)?;
                dirty.vpc(&home).whole = true;
                home
            }
            Some("rtb") => {
                let whose = |it: &ec2::RouteTable| (it.vpc.clone(), it.id.clone());
                let (home, _) = self.part(value, whose, |w| &mut w.route_tables)?;
                dirty.vpc(&home).whole = true;
                home
            }
            Some("sg") => {
                let whose = |it: &ec2::SecurityGroup| (it.vpc.clone(), it.id.clone());
                let (home, id) = self.part(value, whose, |w| &mut w.groups)?;
                dirty.vpc(&home).groups.insert(id);
                home
            }
            Some("eni") => {
                let it: ec2::NetworkInterface = serde_json::from_slice(value)?;
                let home = it.vpc.clone();
                let holder = (home.clone(), it.id.clone());
                self.public_addresses.extend(publics(&it).map(|address| (address, holder.clone())));
                dirty.vpc(&home).interfaces.insert(it.id.clone());
                self.home(&home).interfaces.insert(it.id.clone(), it);
                home
            }
            Some("instance") => {
                let it: ec2::Instance = serde_json::from_slice(value)?;
                self.instances.insert(it.id.clone(), it.vpc.clone());
                dirty.instances.insert(it.id.clone());
                let home = it.vpc.clone();
                dirty.vpc(&home);
                self.home(&home).instances.insert(it.id.clone(), it);
                home
            }
            Some("igw") => {
                let it: ec2::InternetGateway = serde_json::from_slice(value)?;
                let Some(home) = it.vpc else { return Ok(dirty) };
                self.home(&home).gateway = Some(it.id);
                dirty.vpc(&home).whole = true;
                home
            }
            _ => return Ok(dirty),
        };
        self.homes.insert(key.to_owned(), home);
        Ok(dirty)
    }

    fn home(&mut self, vpc: &VpcId) -> &mut VpcWorld {
        self.vpcs.entry(vpc.clone()).or_default()
    }

    fn part<K: Ord + Clone, T: serde::de::DeserializeOwned>(
        &mut self,
        value: &[u8],
        whose: impl Fn(&T) -> (VpcId, K),
        place: impl Fn(&mut VpcWorld) -> &mut BTreeMap<K, T>,
    ) -> Result<(VpcId, K), serde_json::Error> {
        let it: T = serde_json::from_slice(value)?;
        let (home, id) = whose(&it);
        place(self.home(&home)).insert(id.clone(), it);
        Ok((home, id))
    }
}

/// The public addresses of an interface.
fn publics(interface: &ec2::NetworkInterface) -> impl Iterator<Item = Ipv4Addr> {
    interface.addresses.iter().filter_map(|it| Some(it.public.as_ref()?.address))
}

/// The X-ENIs of a cluster.
fn cross_account(cluster: &eks::Cluster) -> impl Iterator<Item = &NetworkInterfaceId> {
    cluster.control_plane.iter().filter_map(|it| it.interface.as_ref()).map(|it| &it.id)
}

/// A cluster's record came or went: its own network is dirty, and its interfaces in the user's VPC.
fn touch(dirty: &mut Dirty, id: ClusterId, cluster: &eks::Cluster) {
    dirty.vpc(&cluster.vpc).interfaces.extend(cross_account(cluster).cloned());
    dirty.clusters.insert(id);
}

fn remove_by<K: Ord + std::str::FromStr, T>(map: &mut BTreeMap<K, T>, id: &str) -> Option<(K, T)> {
    map.remove_entry(&id.parse().ok()?)
}

/// The cluster of a key `eks/<account>/<region>/cluster/<name>`.
fn cluster_id(key: &str) -> Option<ClusterId> {
    let mut parts = key.strip_prefix(eks::ROOT)?.splitn(4, '/');
    let (account, region) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    (parts.next()? == "cluster").then_some(())?;
    Some(ClusterId { account, region, name: parts.next()?.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NODE_GROUP, Scenery, VPC};

    #[test]
    fn parts_may_come_before_their_vpc_and_go_after_it() {
        let mut scenery = Scenery::new(true, false, &["0.0.0.0/0"]);
        let vpc: VpcId = VPC.parse().unwrap();
        let whole = scenery.world.vpc(&vpc).unwrap().clone();
        scenery.world = World::default();
        scenery.group(NODE_GROUP, &[]);
        scenery.vpc(true, true);
        let group: SecurityGroupId = NODE_GROUP.parse().unwrap();
        assert_eq!(scenery.world.vpc(&vpc).unwrap().groups[&group], whole.groups[&group]);
        scenery.remove::<ec2::Vpc>(VPC);
        assert!(scenery.world.vpc(&vpc).is_some(), "the group is still there");
        scenery.remove::<ec2::SecurityGroup>(NODE_GROUP);
        assert!(scenery.world.vpc(&vpc).is_none(), "nothing is left of it");
    }
}

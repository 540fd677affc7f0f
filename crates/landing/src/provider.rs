//! The provider's side: its router, which holds every cluster's public addresses, and a namespace per control plane
//! instance with one leg to that router and one, the X-ENI, in the user's subnet.

use crate::access::{Gate, Gates};
use crate::assembly::{Assembly, Part};
use crate::plan::{self, TABLE_MAIN};
use crate::vpc::transit;
use crate::world::{ClusterId, VpcWorld, World};
use aws_eks::records::{Cluster, ClusterStatus, ControlPlaneInstance};
use base::Ipv4Block;
use fabric::{Fact, Namespace, NsName, Profile, Route, RouteKind, Selector, Veth};
use std::net::Ipv4Addr;

/// Replies go back by the leg that the request came by: one table a leg, chosen by source address.
const TABLE_PROVIDER_LEG: u32 = 201;
const TABLE_USER_LEG: u32 = 202;

fn route(table: u32, destination: Ipv4Block, kind: RouteKind) -> Fact {
    Fact::Route(Route { table, destination, kind })
}

fn address(dev: &str, address: Ipv4Addr) -> Fact {
    Fact::Address { dev: dev.to_owned(), address, prefix: 32, connected: false }
}

/// Hardware address of a control plane instance's provider leg: locally administered, made from its address.
fn provider_mac(address: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = address.octets();
    [0x02, 0x0e, a, b, c, d]
}

/// Whether a cluster's control plane should have a network: from the time its interfaces exist until it is deleted.
fn stands(cluster: &Cluster) -> bool {
    matches!(cluster.status, ClusterStatus::Creating | ClusterStatus::Active | ClusterStatus::Updating)
        && !cluster.control_plane.is_empty()
        && cluster.control_plane.iter().all(|it| it.interface.is_some())
}

/// The parts of the provider's router.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum RouterPart {
    /// What it has without any cluster.
    Base,
    /// A cluster.
    Cluster(ClusterId),
}

/// The provider's router with all that is in it. `gates` says who may use each cluster's public addresses at the
/// moment.
pub fn router(world: &World, gates: &Gates) -> Assembly<RouterPart> {
    let mut router = Assembly::new(Profile::Router, Some("provider"));
    router.put(RouterPart::Base, Some(base()));
    for (id, _) in world.clusters() {
        update(&mut router, world, gates, id);
    }
    router
}

/// Brings what the router has of a cluster up to date.
pub fn update(router: &mut Assembly<RouterPart>, world: &World, gates: &Gates, id: &ClusterId) {
    let cluster = world.cluster(id).filter(|it| stands(it));
    router.put(RouterPart::Cluster(id.clone()), cluster.map(|it| part(it, gates.get(id))));
}

fn base() -> Part {
    let mut part = Part::default();
    let facts = &mut part.facts;
    facts.insert(address("lo", plan::PROVIDER_ROUTER));
    facts.insert(Fact::Veth(Veth {
        name: "edge".to_owned(),
        alt_name: None,
        peer_ns: plan::internet(),
        peer_name: "t-provider".to_owned(),
        mtu: plan::MTU_INTERNET,
        peer_mac: None,
        proxy_arp: false,
    }));
    facts.insert(address("edge", plan::TRANSIT_EDGE));
    facts.insert(route(TABLE_MAIN, Ipv4Block::ANY, transit("edge", plan::TRANSIT_INTERNET)));
    facts.insert(route(TABLE_MAIN, plan::provider_network(), RouteKind::Blackhole));
    facts.insert(route(TABLE_MAIN, plan::cluster_endpoints(), RouteKind::Blackhole));
    filter(&mut part);
    part
}

/// One list of addresses that are open to all, one access list for the others and one map for all clusters: a cluster
/// more is a few elements more. The lists are asked before the address is translated and drop in silence; clusters'
/// instances cannot reach each other.
///
/// Most clusters are open to all, and those cost a look-up by hash: the access list is one of intervals, which the
/// kernel builds anew at every change.
fn filter(part: &mut Part) {
    for (name, is_map, declaration) in [VIPS, OPEN, ACCESS, TARGETS] {
        part.declare(name, is_map, declaration);
    }
    let chains = [
        (
            "access",
            "type filter hook prerouting priority mangle; policy accept;",
            vec![
                "iifname \"edge\" ip daddr @vips ip daddr != @open_to_all ct state new \
                 ip daddr . ip saddr != @public_access drop",
            ],
        ),
        (
            "balance",
            "type nat hook prerouting priority dstnat; policy accept;",
            vec!["iifname \"edge\" dnat ip to ip daddr . tcp dport map @targets"],
        ),
        (
            "between",
            "type filter hook forward priority filter; policy drop;",
            vec!["ct state established,related accept", "iifname \"edge\" ct status dnat accept"],
        ),
    ];
    for (name, hook, rules) in chains {
        part.chain(name, Some(hook), rules.into_iter().map(str::to_owned).collect());
    }
}

/// A set's name, whether it is a map, and its declaration.
type Declared = (&'static str, bool, &'static str);

const VIPS: Declared = ("vips", false, "type ipv4_addr;");
const OPEN: Declared = ("open_to_all", false, "type ipv4_addr;");
const ACCESS: Declared = ("public_access", false, "type ipv4_addr . ipv4_addr; flags interval;");
const TARGETS: Declared = ("targets", true, "type ipv4_addr . inet_service : ipv4_addr . inet_service;");

fn part(cluster: &Cluster, gate: Option<&Gate>) -> Part {
    let mut part = Part::default();
    let mut add = |(name, is_map, declaration): Declared, element| part.element(name, is_map, declaration, element);
    for instance in &cluster.control_plane {
        let public = instance.public_address;
        add(VIPS, public.to_string());
        add(TARGETS, format!("{public} . 443 : {} . 443", instance.provider_address));
        match gate.map(|it| &it.open_to) {
            Some(blocks) if blocks.contains(&Ipv4Block::ANY) => add(OPEN, public.to_string()),
            Some(blocks) => blocks.iter().for_each(|block| add(ACCESS, format!("{public} . {block}"))),
            None => {}
        }
    }
    cluster.control_plane.iter().for_each(|instance| plug(&mut part, cluster, instance));
    part
}

fn plug(part: &mut Part, cluster: &Cluster, instance: &ControlPlaneInstance) {
    let dev = plan::provider_link(cluster, instance);
    let mac = provider_mac(instance.provider_address);
    part.facts.insert(Fact::Veth(Veth {
        name: dev.clone(),
        alt_name: None,
        peer_ns: plan::control_plane(cluster, instance),
        peer_name: "prov0".to_owned(),
        mtu: plan::MTU_VPC,
        peer_mac: Some(mac),
        proxy_arp: true,
    }));
    part.facts.insert(Fact::Neighbour { dev: dev.clone(), address: instance.provider_address, mac });
    let kind = RouteKind::Via { dev, gateway: None, onlink: false, source: None };
    part.facts.insert(route(TABLE_MAIN, Ipv4Block::host(instance.provider_address), kind));
}

/// The namespaces of a cluster's control plane instances; `None` for those that should not (or no longer) exist.
pub fn control_plane(world: &World, id: &ClusterId) -> Vec<(NsName, Option<Namespace>)> {
    let Some(cluster) = world.cluster(id) else { return Vec::new() };
    let vpc = world.vpc(&cluster.vpc);
    let namespace = |instance: &ControlPlaneInstance| {
        let wanted = stands(cluster).then(|| vpc.and_then(|vpc| instance_namespace(vpc, instance))).flatten();
        (plan::control_plane(cluster, instance), wanted)
    };
    cluster.control_plane.iter().map(namespace).collect()
}

fn instance_namespace(vpc: &VpcWorld, instance: &ControlPlaneInstance) -> Option<Namespace> {
    let interface = instance.interface.as_ref()?;
    let gateway = vpc.subnets.get(&interface.subnet)?.block.nth(1)?;
    let mut namespace = Namespace::pinned(Profile::Host);
    let facts = &mut namespace.facts;
    let provider =
        |onlink| RouteKind::Via { dev: "prov0".to_owned(), gateway: Some(plan::PROVIDER_ROUTER), onlink, source: None };
    facts.insert(address("prov0", instance.provider_address));
    facts.insert(route(TABLE_MAIN, Ipv4Block::ANY, provider(true)));
    facts.insert(route(TABLE_PROVIDER_LEG, Ipv4Block::ANY, provider(true)));
    facts.insert(leg(instance.provider_address, TABLE_PROVIDER_LEG));
    let user = |source| RouteKind::Via { dev: "xeni0".to_owned(), gateway: Some(gateway), onlink: true, source };
    facts.insert(address("xeni0", interface.address));
    for block in vpc.vpc.iter().flat_map(|it| &it.blocks) {
        facts.insert(route(TABLE_MAIN, block.block, user(Some(interface.address))));
    }
    facts.insert(route(TABLE_USER_LEG, Ipv4Block::ANY, user(None)));
    facts.insert(leg(interface.address, TABLE_USER_LEG));
    Some(namespace)
}

fn leg(source: Ipv4Addr, table: u32) -> Fact {
    Fact::Rule { priority: table, selector: Selector::From(Ipv4Block::host(source)), table: Some(table) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scenery;

    fn elements(scenery: &Scenery, set: &str) -> Vec<String> {
        let ruleset = router(&scenery.world, &scenery.gates).namespace().ruleset.unwrap();
        ruleset.sets[set].elements.iter().cloned().collect()
    }

    fn allowed(scenery: &Scenery) -> Vec<String> {
        elements(scenery, "public_access")
    }

    #[test]
    fn the_access_list_follows_the_gate() {
        let scenery = Scenery::new(true, true, &["198.18.10.0/24"]);
        assert_eq!(allowed(&scenery), ["198.19.0.11 . 198.18.10.0/24", "198.19.0.12 . 198.18.10.0/24"]);
        let private = Scenery::new(false, true, &["0.0.0.0/0"]);
        assert_eq!((allowed(&private).len(), elements(&private, "open_to_all").len()), (0, 0));
        let open = Scenery::new(true, true, &["198.18.10.0/24", "0.0.0.0/0"]);
        assert_eq!(allowed(&open), Vec::<String>::new());
        assert_eq!(elements(&open, "open_to_all"), ["198.19.0.11", "198.19.0.12"]);
    }

    #[test]
    fn control_plane_instances_answer_by_the_leg_they_were_asked_on() {
        let scenery = Scenery::new(false, true, &[]);
        let namespaces = control_plane(&scenery.world, &scenery.cluster_id());
        assert_eq!(namespaces.len(), 2);
        for (name, namespace) in namespaces {
            let facts = namespace.unwrap_or_else(|| panic!("{name}")).facts;
            for table in [TABLE_PROVIDER_LEG, TABLE_USER_LEG] {
                assert!(
                    facts.iter().any(|it| matches!(it, Fact::Rule { table: Some(t), .. } if *t == table)),
                    "{name}"
                );
            }
        }
    }
}

//! A VPC as the namespace of its router.

use crate::filter;
use crate::plan::{self, TABLE_MAIN};
use crate::world::{Runtime, VpcWorld, World};
use aws_ec2::records::{NetworkInterface, RouteTarget, Vpc};
use aws_eks::records::Cluster;
use base::{Ipv4Block, NetworkInterfaceId, VpcId};
use fabric::{Fact, Namespace, NsName, Profile, Route, RouteKind, Selector, Veth};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// Policy rules by mark stand after the main table, the last one drops what nobody routes.
const PRIORITY_TABLES: u32 = 33_000;
const PRIORITY_LAST: u32 = 40_000;

/// Where the owner's end of an interface is: its namespace, and the link's name there.
pub struct Owner {
    /// The namespace.
    pub namespace: NsName,
    /// The link.
    pub link: String,
}

/// The router of a VPC, or `None` when the VPC is gone.
pub fn router(world: &World, runtime: &Runtime, id: &VpcId) -> Option<Namespace> {
    let vpc = world.vpc(id)?;
    let record = vpc.vpc.as_ref()?;
    let owners = owners(world, runtime, id, vpc);
    let linked: Vec<&NetworkInterface> = vpc.interfaces.values().filter(|it| owners.contains_key(&it.id)).collect();
    let mut router = Namespace::pinned(Profile::Router);
    base(&mut router, vpc, record);
    for interface in &linked {
        if let Some(owner) = owners.get(&interface.id) {
            plug(&mut router, interface, owner);
        }
    }
    if vpc.gateway.is_some() {
        gateway(&mut router, id);
    }
    tables(&mut router, vpc, &linked);
    router.ruleset = Some(filter::ruleset(vpc, &linked));
    Some(router)
}

/// Who has the other end of each interface that is plugged in: instances that run, and control plane instances.
pub fn owners(world: &World, runtime: &Runtime, id: &VpcId, vpc: &VpcWorld) -> BTreeMap<NetworkInterfaceId, Owner> {
    let mut owners = BTreeMap::new();
    for interface in vpc.interfaces.values() {
        let Some(attachment) = &interface.attachment else { continue };
        let Some(instance) = &attachment.instance else { continue };
        if runtime.pids.contains_key(instance) {
            let link = format!("eth{}", attachment.device_index);
            owners.insert(interface.id.clone(), Owner { namespace: plan::instance(instance), link });
        }
    }
    for cluster in world.clusters_in(id) {
        owners.extend(cross_account(cluster, vpc));
    }
    owners
}

fn cross_account<'a>(
    cluster: &'a Cluster,
    vpc: &'a VpcWorld,
) -> impl Iterator<Item = (NetworkInterfaceId, Owner)> + use<'a> {
    cluster.control_plane.iter().filter_map(move |instance| {
        let interface = instance.interface.as_ref()?;
        let owner = Owner { namespace: plan::control_plane(cluster, instance), link: "xeni0".to_owned() };
        vpc.interfaces.contains_key(&interface.id).then(|| (interface.id.clone(), owner))
    })
}

fn loopback(address: Ipv4Addr) -> Fact {
    Fact::Address { dev: "lo".to_owned(), address, prefix: 32, connected: false }
}

fn route(table: u32, destination: Ipv4Block, kind: RouteKind) -> Fact {
    Fact::Route(Route { table, destination, kind })
}

/// What every router has: the services' addresses, the subnets' gateways, silence for addresses that nobody has.
fn base(router: &mut Namespace, vpc: &VpcWorld, record: &Vpc) {
    let facts = &mut router.facts;
    facts.insert(loopback(plan::METADATA));
    if record.dns_support {
        facts.insert(loopback(plan::LINK_LOCAL_RESOLVER));
        facts.insert(loopback(record.resolver()));
    }
    facts.extend(vpc.subnets.values().filter_map(|it| it.block.nth(1)).map(loopback));
    facts.extend(record.blocks.iter().map(|it| route(TABLE_MAIN, it.block, RouteKind::Blackhole)));
    facts.insert(Fact::Rule { priority: PRIORITY_LAST, selector: Selector::All, table: None });
}

/// An interface: its link, the way to each of its addresses, and its neighbour entry, written so that it needs not be learnt.
fn plug(router: &mut Namespace, interface: &NetworkInterface, owner: &Owner) {
    let dev = plan::interface_link(&interface.id);
    let mac = plan::mac(&interface.mac);
    let primary = interface.primary();
    router.facts.insert(Fact::Veth(Veth {
        name: dev.clone(),
        alt_name: Some(interface.id.to_string()),
        peer_ns: owner.namespace.clone(),
        peer_name: owner.link.clone(),
        mtu: plan::MTU_VPC,
        peer_mac: Some(mac),
        proxy_arp: true,
    }));
    router.facts.insert(Fact::Neighbour { dev: dev.clone(), address: primary, mac });
    for own in &interface.addresses {
        let gateway = (own.address != primary).then_some(primary);
        let kind = RouteKind::Via { dev: dev.clone(), gateway, onlink: gateway.is_some(), source: None };
        router.facts.insert(route(TABLE_MAIN, Ipv4Block::host(own.address), kind));
    }
}

/// The Internet gateway's transit link.
fn gateway(router: &mut Namespace, id: &VpcId) {
    router.facts.insert(Fact::Veth(Veth {
        name: "igw".to_owned(),
        alt_name: None,
        peer_ns: plan::internet(),
        peer_name: plan::transit_link(id),
        mtu: plan::MTU_INTERNET,
        peer_mac: None,
        proxy_arp: false,
    }));
    router.facts.insert(Fact::Address {
        dev: "igw".to_owned(),
        address: plan::TRANSIT_EDGE,
        prefix: 32,
        connected: false,
    });
}

/// The way to the other end of a transit link.
pub(crate) fn transit(dev: &str, gateway: Ipv4Addr) -> RouteKind {
    RouteKind::Via { dev: dev.to_owned(), gateway: Some(gateway), onlink: true, source: None }
}

/// The route tables, each selected by the mark that the packet filter sets by interface.
fn tables(router: &mut Namespace, vpc: &VpcWorld, linked: &[&NetworkInterface]) {
    for table in vpc.route_tables.values() {
        let number = plan::table_number(&table.id);
        let selector = Selector::Mark(number);
        router.facts.insert(Fact::Rule { priority: PRIORITY_TABLES, selector, table: Some(number) });
        for it in &table.routes {
            let kind = match &it.target {
                RouteTarget::InternetGateway(id) if vpc.gateway.as_ref() == Some(id) => {
                    transit("igw", plan::TRANSIT_INTERNET)
                }
                RouteTarget::NetworkInterface(id) => match linked.iter().find(|it| it.id == *id) {
                    Some(interface) => transit(&plan::interface_link(id), interface.primary()),
                    None => RouteKind::Blackhole,
                },
                RouteTarget::InternetGateway(_) => RouteKind::Blackhole,
            };
            router.facts.insert(route(number, it.destination, kind));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{GATEWAY, INSTANCE, Scenery, TABLE, VPC};
    use aws_ec2::records as ec2;

    fn router(scenery: &Scenery) -> Namespace {
        super::router(&scenery.world, &scenery.runtime, &VPC.parse().unwrap()).unwrap()
    }

    fn veths(namespace: &Namespace) -> Vec<String> {
        let veth = |fact: &Fact| match fact {
            Fact::Veth(it) => Some(format!("{} - {}:{}", it.name, it.peer_ns, it.peer_name)),
            _ => None,
        };
        namespace.facts.iter().filter_map(veth).collect()
    }

    #[test]
    fn instances_control_planes_and_the_gateway_are_plugged_in() {
        let scenery = Scenery::new(true, false, &["0.0.0.0/0"]);
        assert_eq!(
            veths(&router(&scenery)),
            [
                "e-00000000000a - i-0aaaaaaaaaaaaaaaa:eth0",
                "e-00000000001a - cp-4ef9b1c9a5f24dcb-a:xeni0",
                "e-00000000001c - cp-4ef9b1c9a5f24dcb-c:xeni0",
                "igw - internet:t-aaaaaaaaaaaa",
            ]
        );
    }

    #[test]
    fn an_instance_that_does_not_run_has_no_link() {
        let mut scenery = Scenery::new(true, false, &["0.0.0.0/0"]);
        scenery.runtime.pids.remove(&INSTANCE.parse().unwrap());
        assert!(!veths(&router(&scenery)).iter().any(|it| it.contains(INSTANCE)));
    }

    #[test]
    fn the_default_route_goes_when_the_gateway_does() {
        let mut scenery = Scenery::new(true, false, &["0.0.0.0/0"]);
        let number = plan::table_number(&TABLE.parse().unwrap());
        let default = |kind| route(number, Ipv4Block::ANY, kind);
        assert!(router(&scenery).facts.contains(&default(transit("igw", plan::TRANSIT_INTERNET))));
        scenery.remove::<ec2::InternetGateway>(GATEWAY);
        assert!(router(&scenery).facts.contains(&default(RouteKind::Blackhole)));
    }

    #[test]
    fn without_dns_support_there_is_no_resolver() {
        let mut scenery = Scenery::new(true, false, &["0.0.0.0/0"]);
        let resolver = loopback("192.168.0.2".parse().unwrap());
        assert!(router(&scenery).facts.contains(&resolver));
        scenery.vpc(false, true);
        assert!(!router(&scenery).facts.contains(&resolver));
    }
}

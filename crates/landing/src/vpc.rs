//! A VPC as the namespace of its router.

use crate::assembly::{Assembly, Part};
use crate::filter;
use crate::plan::{self, TABLE_MAIN};
use crate::world::{Runtime, VpcDirt, VpcWorld, World};
use aws_ec2::records::{NetworkInterface, RouteTarget, Vpc};
use base::{Ipv4Block, NetworkInterfaceId, SecurityGroupId, VpcId};
use fabric::{Fact, NsName, Profile, Route, RouteKind, Selector, Veth};
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

/// The parts of a VPC's router.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum RouterPart {
    /// The VPC itself, its subnets, its route tables and its gateway.
    Base,
    /// A network interface.
    Interface(NetworkInterfaceId),
    /// A security group.
    Group(SecurityGroupId),
}

/// The router of a VPC with all that is in it, or `None` when the VPC is gone.
pub fn router(world: &World, runtime: &Runtime, id: &VpcId) -> Option<Assembly<RouterPart>> {
    let mut router = Assembly::new(Profile::Router, Some(filter::TABLE));
    let whole = VpcDirt { whole: true, ..VpcDirt::default() };
    update(&mut router, world, runtime, id, &whole).then_some(router)
}

/// Brings the dirty parts of a VPC's router up to date. Returns whether there is a VPC.
pub fn update(router: &mut Assembly<RouterPart>, world: &World, runtime: &Runtime, id: &VpcId, dirt: &VpcDirt) -> bool {
    let Some((vpc, record)) = world.vpc(id).and_then(|it| Some((it, it.vpc.as_ref()?))) else { return false };
    // Small, and a route may lead to any interface.
    router.put(RouterPart::Base, Some(base(world, runtime, vpc, record)));
    let mut interfaces = dirt.interfaces.clone();
    let mut groups = dirt.groups.clone();
    if dirt.whole {
        interfaces.extend(vpc.interfaces.keys().cloned());
        groups.extend(vpc.groups.keys().cloned());
        for part in router.keys() {
            match part {
                RouterPart::Base => {}
                RouterPart::Interface(id) => drop(interfaces.insert(id.clone())),
                RouterPart::Group(id) => drop(groups.insert(id.clone())),
            }
        }
    }
    for id in groups {
        let part = vpc.groups.get(&id).map(|group| {
            let mut part = Part::default();
            filter::group(&mut part, group);
            part
        });
        router.put(RouterPart::Group(id), part);
    }
    for id in interfaces {
        let part = vpc.interfaces.get(&id).map(|it| interface_part(world, runtime, vpc, it));
        router.put(RouterPart::Interface(id), part);
    }
    true
}

fn interface_part(world: &World, runtime: &Runtime, vpc: &VpcWorld, interface: &NetworkInterface) -> Part {
    let mut part = Part::default();
    filter::name(&mut part, interface);
    if let Some(owner) = owner(world, runtime, interface) {
        plug(&mut part, interface, &owner);
        filter::admit(&mut part, vpc, interface);
    }
    part
}

/// Who has the other end of an interface that is plugged in: an instance that runs, or a control plane instance.
pub fn owner(world: &World, runtime: &Runtime, interface: &NetworkInterface) -> Option<Owner> {
    if let Some(cluster) = world.cluster_of(&interface.id) {
        let mut instances = cluster.control_plane.iter();
        let instance = instances.find(|it| it.interface.as_ref().is_some_and(|own| own.id == interface.id))?;
        return Some(Owner { namespace: plan::control_plane(cluster, instance), link: "xeni0".to_owned() });
    }
    let attachment = interface.attachment.as_ref()?;
    let instance = attachment.instance.as_ref().filter(|it| runtime.pids.contains_key(*it))?;
    let link = format!("eth{}", attachment.device_index);
    Some(Owner { namespace: plan::instance(instance), link })
}

fn loopback(address: Ipv4Addr) -> Fact {
    Fact::Address { dev: "lo".to_owned(), address, prefix: 32, connected: false }
}

fn route(table: u32, destination: Ipv4Block, kind: RouteKind) -> Fact {
    Fact::Route(Route { table, destination, kind })
}

/// What does not belong to one interface: the services' addresses, the subnets' gateways, silence for addresses that
/// nobody has, the route tables, the gateway.
fn base(world: &World, runtime: &Runtime, vpc: &VpcWorld, record: &Vpc) -> Part {
    let mut part = Part::default();
    let facts = &mut part.facts;
    facts.insert(loopback(plan::METADATA));
    if record.dns_support {
        facts.insert(loopback(plan::LINK_LOCAL_RESOLVER));
        facts.insert(loopback(record.resolver()));
    }
    facts.extend(vpc.subnets.values().filter_map(|it| it.block.nth(1)).map(loopback));
    facts.extend(record.blocks.iter().map(|it| route(TABLE_MAIN, it.block, RouteKind::Blackhole)));
    facts.insert(Fact::Rule { priority: PRIORITY_LAST, selector: Selector::All, table: None });
    if vpc.gateway.is_some() {
        gateway(&mut part, &record.id);
    }
    tables(&mut part, world, runtime, vpc);
    filter::base(&mut part);
    part
}

/// An interface: its link, the way to each of its addresses, and its neighbour entry, written so that it needs not be learnt.
fn plug(router: &mut Part, interface: &NetworkInterface, owner: &Owner) {
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
fn gateway(router: &mut Part, id: &VpcId) {
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
fn tables(router: &mut Part, world: &World, runtime: &Runtime, vpc: &VpcWorld) {
    let linked = |id| vpc.interfaces.get(id).filter(|it| owner(world, runtime, it).is_some());
    for table in vpc.route_tables.values() {
        let number = plan::table_number(&table.id);
        let selector = Selector::Mark(number);
        router.facts.insert(Fact::Rule { priority: PRIORITY_TABLES, selector, table: Some(number) });
        for it in &table.routes {
            let kind = match &it.target {
                RouteTarget::InternetGateway(id) if vpc.gateway.as_ref() == Some(id) => {
                    transit("igw", plan::TRANSIT_INTERNET)
                }
                RouteTarget::NetworkInterface(id) => match linked(id) {
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
    use fabric::Namespace;

    fn router(scenery: &Scenery) -> Namespace {
        super::router(&scenery.world, &scenery.runtime, &VPC.parse().unwrap()).unwrap().namespace()
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

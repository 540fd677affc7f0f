//! The Internet and the laptop on it.

use crate::assembly::{Assembly, Part};
use crate::plan::{self, TABLE_MAIN};
use crate::vpc::transit;
use crate::world::{VpcDirt, World};
use base::{Ipv4Block, NetworkInterfaceId, VpcId};
use fabric::{Fact, Namespace, OrdSet, Profile, Route, RouteKind, Veth};
use std::net::Ipv4Addr;

fn route(destination: Ipv4Block, kind: RouteKind) -> Fact {
    Fact::Route(Route { table: TABLE_MAIN, destination, kind })
}

fn address(dev: &str, address: Ipv4Addr, prefix: u8, connected: bool) -> Fact {
    Fact::Address { dev: dev.to_owned(), address, prefix, connected }
}

/// The parts of the Internet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum InternetPart {
    /// What it is without any VPC.
    Base,
    /// The public addresses of an interface of a VPC.
    Interface(VpcId, NetworkInterfaceId),
}

/// The Internet with all public addresses: the public resolver, the AWS APIs, the laptop's link, and the way to every
/// address. What nobody announces is dropped in silence, so that a laptop that resolved a private address hangs.
pub fn internet(world: &World) -> Assembly<InternetPart> {
    let mut internet = Assembly::new(Profile::Router, None);
    internet.put(InternetPart::Base, Some(base()));
    let whole = VpcDirt { whole: true, ..VpcDirt::default() };
    for (id, _) in world.vpcs() {
        update(&mut internet, world, id, &whole);
    }
    internet
}

/// Brings what the Internet knows of a VPC up to date.
pub fn update(internet: &mut Assembly<InternetPart>, world: &World, id: &VpcId, dirt: &VpcDirt) {
    let vpc = world.vpc(id).filter(|it| it.gateway.is_some() && it.vpc.is_some());
    let mut interfaces = dirt.interfaces.clone();
    if dirt.whole {
        interfaces.extend(world.vpc(id).into_iter().flat_map(|it| it.interfaces.keys().cloned()));
        interfaces.extend(internet.keys().filter_map(|part| match part {
            InternetPart::Interface(of, interface) if of == id => Some(interface.clone()),
            _ => None,
        }));
    }
    let link = plan::transit_link(id);
    for interface in interfaces {
        let addresses = vpc.and_then(|it| it.interfaces.get(&interface)).into_iter().flat_map(|it| &it.addresses);
        let public = addresses.filter_map(|it| it.public.as_ref());
        let facts: OrdSet<Fact> =
            public.map(|it| route(Ipv4Block::host(it.address), transit(&link, plan::TRANSIT_EDGE))).collect();
        let part = (!facts.is_empty()).then(|| Part { facts, ..Part::default() });
        internet.put(InternetPart::Interface(id.clone(), interface), part);
    }
}

fn base() -> Part {
    let mut part = Part::default();
    let facts = &mut part.facts;
    for local in [plan::PUBLIC_RESOLVER, plan::SERVICE_ADDRESS, plan::TRANSIT_INTERNET] {
        facts.insert(address("lo", local, 32, false));
    }
    facts.insert(Fact::Veth(Veth {
        name: "t-outside".to_owned(),
        alt_name: None,
        peer_ns: plan::outside(),
        peer_name: "eth0".to_owned(),
        mtu: plan::MTU_INTERNET,
        peer_mac: None,
        proxy_arp: false,
    }));
    facts.insert(address("t-outside", plan::OUTSIDE_GATEWAY, 24, true));
    facts.insert(route(Ipv4Block::ANY, RouteKind::Blackhole));
    facts.insert(route(plan::cluster_endpoints(), transit("t-provider", plan::TRANSIT_EDGE)));
    part
}

/// The laptop.
pub fn outside() -> Namespace {
    let mut outside = Namespace::pinned(Profile::Host);
    outside.facts.insert(address("eth0", plan::OUTSIDE_ADDRESS, 24, true));
    outside.facts.insert(route(
        Ipv4Block::ANY,
        RouteKind::Via { dev: "eth0".to_owned(), gateway: Some(plan::OUTSIDE_GATEWAY), onlink: false, source: None },
    ));
    outside
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_internet_has_a_laptop_and_the_way_to_the_provider() {
        let internet = internet(&World::default()).namespace();
        assert!(internet.facts.contains(&route(plan::cluster_endpoints(), transit("t-provider", plan::TRANSIT_EDGE))));
        assert!(outside().facts.contains(&address("eth0", plan::OUTSIDE_ADDRESS, 24, true)));
    }
}

//! The Internet and the laptop on it.

use crate::plan::{self, TABLE_MAIN};
use crate::vpc::transit;
use crate::world::World;
use base::Ipv4Block;
use fabric::{Fact, Namespace, Profile, Route, RouteKind, Veth};
use std::net::Ipv4Addr;

fn route(destination: Ipv4Block, kind: RouteKind) -> Fact {
    Fact::Route(Route { table: TABLE_MAIN, destination, kind })
}

fn address(dev: &str, address: Ipv4Addr, prefix: u8, connected: bool) -> Fact {
    Fact::Address { dev: dev.to_owned(), address, prefix, connected }
}

/// The Internet: the public resolver, the AWS APIs, the laptop's link, and the way to every public address.
/// What nobody announces is dropped in silence, so that a laptop that resolved a private address hangs.
pub fn internet(world: &World) -> Namespace {
    let mut internet = Namespace::pinned(Profile::Router);
    let facts = &mut internet.facts;
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
    for (id, vpc) in world.vpcs() {
        if vpc.gateway.is_none() || vpc.vpc.is_none() {
            continue;
        }
        let public = vpc.interfaces.values().flat_map(|it| &it.addresses).filter_map(|it| it.public.as_ref());
        let link = plan::transit_link(id);
        facts.extend(public.map(|it| route(Ipv4Block::host(it.address), transit(&link, plan::TRANSIT_EDGE))));
    }
    internet
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
        let internet = internet(&World::default());
        assert!(internet.facts.contains(&route(plan::cluster_endpoints(), transit("t-provider", plan::TRANSIT_EDGE))));
        assert!(outside().facts.contains(&address("eth0", plan::OUTSIDE_ADDRESS, 24, true)));
    }
}

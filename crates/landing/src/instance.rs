//! An instance's own network: what DHCP would give it on AWS.

use crate::plan::{self, TABLE_MAIN};
use crate::world::{Runtime, VpcWorld, World};
use aws_ec2::records::{InstanceState, NetworkInterface};
use base::{InstanceId, Ipv4Block};
use fabric::{Fact, Namespace, Route, RouteKind, Selector};

/// The first table and rule of further interfaces: interface N uses 10000+N, as AWS's own set-up of Amazon Linux does.
const TABLE_FURTHER: u32 = 10_000;

/// The namespace of an instance, or `None` when it does not run here.
pub fn namespace(world: &World, runtime: &Runtime, id: &InstanceId) -> Option<Namespace> {
    let (vpc, _) = world.instance(id)?;
    let mut namespace = Namespace::of_process(*runtime.pids.get(id)?);
    for interface in vpc.interfaces_of(id) {
        configure(&mut namespace, vpc, interface);
    }
    Some(namespace)
}

fn configure(namespace: &mut Namespace, vpc: &VpcWorld, interface: &NetworkInterface) {
    let Some(subnet) = vpc.subnets.get(&interface.subnet) else { return };
    let Some(gateway) = subnet.block.nth(1) else { return };
    let index = interface.attachment.as_ref().map_or(0, |it| it.device_index.max(0).unsigned_abs());
    let dev = format!("eth{index}");
    let primary = interface.primary();
    let first = index == 0;
    let table = if first { TABLE_MAIN } else { TABLE_FURTHER + index };
    let facts = &mut namespace.facts;
    facts.insert(Fact::Address { dev: dev.clone(), address: primary, prefix: subnet.block.prefix(), connected: first });
    for further in interface.addresses.iter().skip(1) {
        facts.insert(Fact::Address { dev: dev.clone(), address: further.address, prefix: 32, connected: false });
    }
    let kind = RouteKind::Via { dev, gateway: Some(gateway), onlink: !first, source: None };
    facts.insert(Fact::Route(Route { table, destination: Ipv4Block::ANY, kind }));
    if !first {
        let selector = Selector::From(Ipv4Block::host(primary));
        facts.insert(Fact::Rule { priority: table, selector, table: Some(table) });
    }
}

/// Whether an instance's record wants it to run.
pub fn wants_to_run(state: InstanceState) -> bool {
    matches!(state, InstanceState::Pending | InstanceState::Running)
}

/// Its host name, as `ip-192-168-1-10.ap-northeast-2.compute.internal`.
pub fn host_name(vpc: &VpcWorld, address: std::net::Ipv4Addr) -> Option<String> {
    let region = &vpc.vpc.as_ref()?.region;
    let [a, b, c, d] = address.octets();
    Some(format!("ip-{a}-{b}-{c}-{d}.{}", region.private_domain()))
}

/// The resolver it uses: base+2 of its VPC.
pub fn resolver(vpc: &VpcWorld) -> std::net::Ipv4Addr {
    vpc.vpc.as_ref().map_or(plan::LINK_LOCAL_RESOLVER, |it| it.resolver())
}

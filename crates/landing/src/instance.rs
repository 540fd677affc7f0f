//! An instance's own network: what DHCP would give it on AWS.

use crate::plan::{self, TABLE_MAIN};
use crate::world::{Runtime, VpcWorld, World};
use aws_ec2::records::NetworkInterface;
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
        // All that leaves from one of its addresses leaves by it: another interface's source check would drop it.
        for own in &interface.addresses {
            let selector = Selector::From(Ipv4Block::host(own.address));
            facts.insert(Fact::Rule { priority: table, selector, table: Some(table) });
        }
    }
}

/// The host name of an address, as `ip-192-168-1-10.ap-northeast-2.compute.internal`.
pub fn host_name(vpc: &VpcWorld, address: std::net::Ipv4Addr) -> Option<String> {
    let region = &vpc.vpc.as_ref()?.region;
    let [a, b, c, d] = address.octets();
    Some(format!("ip-{a}-{b}-{c}-{d}.{}", region.private_domain()))
}

/// The resolver that instances use: base+2 of its VPC.
pub fn resolver(vpc: &VpcWorld) -> std::net::Ipv4Addr {
    vpc.vpc.as_ref().map_or(plan::LINK_LOCAL_RESOLVER, |it| it.resolver())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{INSTANCE, NODE_GROUP, SUBNET_C, Scenery, VPC};
    use serde_json::json;

    #[test]
    fn what_leaves_from_any_address_of_a_further_interface_leaves_by_it() {
        let mut scenery = Scenery::new(true, false, &["0.0.0.0/0"]);
        let id = "eni-0000000000000002c";
        let attachment = json!({"id": "eni-attach-0bbbbbbbbbbbbbbbb", "at": "2026-01-01T00:00:00Z", "device_index": 1,
            "delete_on_termination": false, "instance": INSTANCE, "instance_owner": "111122223333"});
        let address = |text: &str| json!({"address": text, "public": null});
        let interface = json!({"id": id, "vpc": VPC, "subnet": SUBNET_C, "zone": "ap-northeast-2a",
            "mac": "0a:1b:9c:6d:33:e6", "description": "", "groups": [NODE_GROUP], "source_dest_check": true,
            "addresses": [address("192.168.2.20"), address("192.168.2.21")], "attachment": attachment,
            "requester": null, "tags": {}});
        scenery.ec2::<NetworkInterface>(id, interface);
        let namespace = namespace(&scenery.world, &scenery.runtime, &INSTANCE.parse().unwrap()).unwrap();
        let rules: Vec<_> = namespace.facts.iter().filter(|it| matches!(it, Fact::Rule { .. })).cloned().collect();
        let rule = |text: &str| {
            let selector = Selector::From(Ipv4Block::host(text.parse().unwrap()));
            Fact::Rule { priority: 10_001, selector, table: Some(10_001) }
        };
        assert_eq!(rules, [rule("192.168.2.20"), rule("192.168.2.21")]);
    }
}

//! The address and name plan of one Postern: which ranges mean what, and how namespaces and links are called.

use aws_eks::records::{Cluster, ControlPlaneInstance};
use base::{InstanceId, Ipv4Block, NetworkInterfaceId, VpcId};
use fabric::NsName;
use std::net::Ipv4Addr;

/// The public resolver, on the Internet.
pub const PUBLIC_RESOLVER: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 53);
/// The AWS APIs under their real host names, on the Internet.
pub const SERVICE_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 80);
/// The laptop.
pub const OUTSIDE_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 18, 10, 10);
/// The laptop's gateway.
pub const OUTSIDE_GATEWAY: Ipv4Addr = Ipv4Addr::new(198, 18, 10, 1);
/// The resolver of every VPC, beside base+2.
pub const LINK_LOCAL_RESOLVER: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 253);
/// The metadata service of every VPC.
pub const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
/// The Internet's end of every transit link. Links are unnumbered otherwise: a transit link has two ends, so both
/// addresses may be the same on each of them and no numbers need to be allotted.
pub const TRANSIT_INTERNET: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 0);
/// The edge's end of every transit link.
pub const TRANSIT_EDGE: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 1);
/// The provider's router.
pub const PROVIDER_ROUTER: Ipv4Addr = Ipv4Addr::new(240, 0, 0, 1);

/// Frames inside a VPC, as on AWS.
pub const MTU_VPC: u32 = 9001;
/// Frames across an Internet gateway, as on AWS.
pub const MTU_INTERNET: u32 = 1500;
/// The kernel's main routing table.
pub const TABLE_MAIN: u32 = 254;

/// The block of the cluster endpoints' public addresses.
pub fn cluster_endpoints() -> Ipv4Block {
    block(Ipv4Addr::new(198, 19, 0, 0), 17)
}

/// The provider's network.
pub fn provider_network() -> Ipv4Block {
    block(Ipv4Addr::new(240, 0, 0, 0), 8)
}

/// The block of a prefix that is known to be valid.
pub(crate) fn block(address: Ipv4Addr, prefix: u8) -> Ipv4Block {
    Ipv4Block::containing(address, prefix).unwrap_or(Ipv4Block::host(address))
}

/// The namespace that is the Internet.
pub fn internet() -> NsName {
    NsName::new("internet")
}

/// The namespace of the laptop.
pub fn outside() -> NsName {
    NsName::new("outside")
}

/// The namespace of the provider's router.
pub fn provider() -> NsName {
    NsName::new("provider")
}

/// The namespace of a VPC's router.
pub fn vpc(id: &VpcId) -> NsName {
    NsName::new(id.as_str())
}

/// The namespace of an instance.
pub fn instance(id: &InstanceId) -> NsName {
    NsName::new(id.as_str())
}

/// The namespace of a control plane instance: the first half of its cluster's endpoint id, and its zone's letter.
pub fn control_plane(cluster: &Cluster, instance: &ControlPlaneInstance) -> NsName {
    let letter = instance.zone.chars().last().unwrap_or('x');
    NsName::new(format!("cp-{}-{letter}", short(&cluster.endpoint_id)))
}

/// The first 16 digits of an endpoint id in lower case: unique enough for names, and readable.
fn short(endpoint_id: &str) -> String {
    endpoint_id.chars().take(16).collect::<String>().to_ascii_lowercase()
}

/// The last `count` hex digits of an id; ids are random, so they are as good as a hash of it.
fn tail(id: &str, count: usize) -> &str {
    id.get(id.len().saturating_sub(count)..).unwrap_or(id)
}

/// The router's end of an ENI. Its full id is the link's second name.
pub fn interface_link(id: &NetworkInterfaceId) -> String {
    format!("e-{}", tail(id.as_str(), 12))
}

/// The Internet's end of a VPC's transit link.
pub fn transit_link(id: &VpcId) -> String {
    format!("t-{}", tail(id.as_str(), 12))
}

/// The provider router's end of a control plane instance's link.
pub fn provider_link(cluster: &Cluster, instance: &ControlPlaneInstance) -> String {
    let letter = instance.zone.chars().last().unwrap_or('x');
    format!("p-{}{letter}", tail(&short(&cluster.endpoint_id), 12))
}

/// A routing table's number, which is also the firewall mark that selects it: 31 bits of its (random) id, away from
/// the kernel's own tables. Two tables of one VPC would have to agree in all of them to meet.
pub fn table_number(id: &base::RouteTableId) -> u32 {
    let digits = u32::from_str_radix(tail(id.as_str(), 8), 16).unwrap_or(0);
    (digits & 0x7fff_ffff).max(1000)
}

/// A hardware address from its text; zeros for a text that is none.
pub fn mac(text: &str) -> [u8; 6] {
    let mut bytes = [0; 6];
    for (slot, part) in bytes.iter_mut().zip(text.split(':')) {
        *slot = u8::from_str_radix(part, 16).unwrap_or(0);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_names_fit_the_kernel() {
        let eni: NetworkInterfaceId = "eni-0c1d5c0c6a6b6f1aa".parse().unwrap();
        assert_eq!(interface_link(&eni), "e-c0c6a6b6f1aa");
        assert!(transit_link(&VpcId::random()).len() <= 15);
    }

    #[test]
    fn hardware_addresses_parse() {
        assert_eq!(mac("0a:1b:9c:6d:33:e5"), [0x0a, 0x1b, 0x9c, 0x6d, 0x33, 0xe5]);
        assert_eq!(mac("nonsense"), [0; 6]);
    }
}

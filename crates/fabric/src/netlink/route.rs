//! Requests for links, addresses, neighbours, routes and rules, from the words of the topology.

use super::{OURS, Request};
use crate::topology::{Route, RouteKind, Selector, Veth};
use base::Ipv4Block;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, BorrowedFd};

const ACK: u16 = 5; // NLM_F_REQUEST | NLM_F_ACK
const CREATE: u16 = ACK | 0x400;
const CREATE_NEW: u16 = CREATE | 0x200;
const CREATE_OR_REPLACE: u16 = CREATE | 0x100;

pub(super) const LINK: u16 = 16;
pub(super) const ADDRESS: u16 = 20;
pub(super) const ROUTE: u16 = 24;
pub(super) const NEIGHBOUR: u16 = 28;
pub(super) const RULE: u16 = 32;
const SET_NEIGHBOUR_TABLE: u16 = 67;
const LINK_NAMES: u16 = 108;

const IPV4: u8 = 2;
/// The loopback link is always the first of a namespace.
const LOOPBACK: u32 = 1;
const UP: u32 = 1;

pub(super) const IFLA_ADDRESS: u16 = 1;
pub(super) const IFLA_IFNAME: u16 = 3;
pub(super) const IFLA_MTU: u16 = 4;
const IFLA_LINKINFO: u16 = 18;
pub(super) const IFLA_IFALIAS: u16 = 20;
pub(super) const IFLA_AF_SPEC: u16 = 26;
const IFLA_GROUP: u16 = 27;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_TX_QUEUES: u16 = 31;
const IFLA_RX_QUEUES: u16 = 32;
const IFLA_GSO_IPV4_MAX_SIZE: u16 = 63;
pub(super) const IFLA_NAMES: u16 = 52;
pub(super) const IFLA_ALT_NAME: u16 = 53;
pub(super) const IFLA_INET_CONF: u16 = 1;
/// The place of `proxy_arp` among a link's IPv4 settings.
pub(super) const DEVCONF_PROXY_ARP: u16 = 3;

/// The group of links that are ours, and of those on their way out. A group is deleted in one request, which waits for
/// the kernel's grace periods once instead of once a link.
const GROUP: u32 = 80;
const GROUP_DOOMED: u32 = 81;

/// The longest run of TCP segments, in bytes, that crosses a link as one. Three times the kernel's default: each run costs
/// a router's lookups once, and with them a routed path is as fast as a plain pair. Beyond it the receiver's cache is
/// too small to gain more. Kernels before 6.3 don't know the attribute and ignore it.
const SEGMENTS: u32 = 192 << 10;

/// What is written on a near end, for people (`ip link` shows it) and for a survey after a restart.
pub(crate) fn label(veth: &Veth) -> String {
    match veth.peer_mac {
        Some(mac) => format!("{}@{} {}", veth.peer_name, veth.peer_ns, mac_text(&mac)),
        None => format!("{}@{}", veth.peer_name, veth.peer_ns),
    }
}

/// A hardware address as the tools write it.
pub(crate) fn mac_text(mac: &[u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

fn link_header(index: u32, flags: u32) -> [u8; 16] {
    let mut header = [0; 16];
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header[8..12].copy_from_slice(&flags.to_ne_bytes());
    header[12..16].copy_from_slice(&flags.to_ne_bytes());
    header
}

/// Makes a pair, each end in its own namespace, the near one up. One queue each: packets of one link are few and the
/// memory is not.
pub(crate) fn add_veth(veth: &Veth, peer_namespace: BorrowedFd<'_>) -> Request {
    let peer_namespace = peer_namespace.as_raw_fd().cast_unsigned();
    Request::new(LINK, CREATE_NEW, &link_header(0, UP))
        .text(IFLA_IFNAME, &veth.name)
        .u32(IFLA_MTU, veth.mtu)
        .u32(IFLA_GROUP, GROUP)
        .u32(IFLA_TX_QUEUES, 1)
        .u32(IFLA_RX_QUEUES, 1)
        .u32(IFLA_GSO_IPV4_MAX_SIZE, SEGMENTS)
        .nest(IFLA_LINKINFO, |info| {
            info.text(1, "veth").nest(2, |data| {
                data.nest(1, |peer| {
                    // It can't be born up: the kernel opens it before it has its other end.
                    let peer = peer
                        .raw(&link_header(0, 0))
                        .text(IFLA_IFNAME, &veth.peer_name)
                        .u32(IFLA_MTU, veth.mtu)
                        .u32(IFLA_TX_QUEUES, 1)
                        .u32(IFLA_RX_QUEUES, 1)
                        .u32(IFLA_GSO_IPV4_MAX_SIZE, SEGMENTS)
                        .u32(IFLA_NET_NS_FD, peer_namespace);
                    match veth.peer_mac {
                        Some(mac) => peer.attr(IFLA_ADDRESS, &mac),
                        None => peer,
                    }
                })
            })
        })
}

/// Sets what a near end has beyond its name: label, MTU, `proxy_arp`, up.
pub(crate) fn set_near(veth: &Veth) -> Request {
    Request::new(LINK, ACK, &link_header(0, UP))
        .text(IFLA_IFNAME, &veth.name)
        .u32(IFLA_MTU, veth.mtu)
        .text(IFLA_IFALIAS, &label(veth))
        .nest(IFLA_AF_SPEC, |spec| {
            spec.nest(u16::from(IPV4), |inet| {
                inet.nest(IFLA_INET_CONF, |conf| conf.u32(DEVCONF_PROXY_ARP, u32::from(veth.proxy_arp)))
            })
        })
}

/// Sets MTU and hardware address of a far end, and sets it up.
pub(crate) fn set_far(veth: &Veth) -> Request {
    let request =
        Request::new(LINK, ACK, &link_header(0, UP)).text(IFLA_IFNAME, &veth.peer_name).u32(IFLA_MTU, veth.mtu);
    match veth.peer_mac {
        Some(mac) => request.attr(IFLA_ADDRESS, &mac),
        None => request,
    }
}

/// Gives a link its longer name, or takes it.
pub(crate) fn alt_name(link: &str, name: &str, add: bool) -> Request {
    let (kind, flags) = if add { (LINK_NAMES, CREATE | 0x800) } else { (LINK_NAMES + 1, ACK) };
    Request::new(kind, flags, &link_header(0, 0))
        .text(IFLA_IFNAME, link)
        .nest(IFLA_NAMES, |names| names.text(IFLA_ALT_NAME, name))
}

/// Asks for a link by its name.
pub(crate) fn link(name: &str) -> Request {
    Request::new(LINK + 2, ACK, &link_header(0, 0)).text(IFLA_IFNAME, name)
}

/// Marks a link for [`remove_doomed`].
pub(crate) fn doom(name: &str) -> Request {
    Request::new(LINK, ACK, &link_header(0, 0)).text(IFLA_IFNAME, name).u32(IFLA_GROUP, GROUP_DOOMED)
}

/// Removes the marked links and thereby their far ends.
pub(crate) fn remove_doomed() -> Request {
    Request::new(LINK + 1, ACK, &link_header(0, 0)).u32(IFLA_GROUP, GROUP_DOOMED)
}

/// Removes every near end of ours in the namespace.
pub(crate) fn remove_ours() -> Request {
    Request::new(LINK + 1, ACK, &link_header(0, 0)).u32(IFLA_GROUP, GROUP)
}

/// Sets the loopback link up.
pub(crate) fn loopback_up() -> Request {
    Request::new(LINK, ACK, &link_header(LOOPBACK, UP))
}

/// Makes a link answer proxied ARP at once; the kernel's default is a random wait of up to 0.8 s.
pub(crate) fn no_proxy_delay(index: u32) -> Request {
    Request::new(SET_NEIGHBOUR_TABLE, ACK, &[IPV4, 0, 0, 0])
        .text(1, "arp_cache")
        .nest(6, |parameters| parameters.u32(1, index).attr(13, &0_u64.to_ne_bytes()))
}

/// Adds an address, or removes it.
pub(crate) fn address(index: u32, address: Ipv4Addr, prefix: u8, connected: bool, add: bool) -> Request {
    let mut header = [IPV4, prefix, 0, 0, 0, 0, 0, 0];
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    let (kind, flags) = if add { (ADDRESS, CREATE_NEW) } else { (ADDRESS + 1, ACK) };
    let request = Request::new(kind, flags, &header).attr(2, &address.octets()).attr(1, &address.octets());
    if !add {
        return request;
    }
    let no_prefix_route = if connected { 0 } else { 0x200 };
    request.u32(8, no_prefix_route).attr(11, &[OURS])
}

/// Writes a permanent neighbour entry, or removes the entry.
pub(crate) fn neighbour(index: u32, address: Ipv4Addr, mac: &[u8; 6], add: bool) -> Request {
    let mut header = [0; 12];
    header[0] = IPV4;
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header[8..10].copy_from_slice(&0x80_u16.to_ne_bytes());
    let (kind, flags) = if add { (NEIGHBOUR, CREATE_OR_REPLACE) } else { (NEIGHBOUR + 1, ACK) };
    let request = Request::new(kind, flags, &header).attr(1, &address.octets());
    if add { request.attr(2, mac).attr(12, &[OURS]) } else { request }
}

/// Writes a route over whatever its table has for the destination. `index` is the link's, for routes by a link.
pub(crate) fn set_route(route: &Route, index: u32) -> Request {
    let (scope, kind, flags) = match &route.kind {
        RouteKind::Via { gateway, onlink, .. } => {
            (if gateway.is_some() { 0 } else { 253 }, 1, if *onlink { 4 } else { 0 })
        }
        RouteKind::Blackhole => (0, 6, 0),
        RouteKind::Local => (254, 2, 0),
    };
    let request = Request::new(ROUTE, CREATE_OR_REPLACE, &route_header(&route.destination, scope, kind, flags))
        .u32(15, route.table)
        .attr(1, &route.destination.network().octets());
    match &route.kind {
        RouteKind::Via { gateway, source, .. } => {
            let request = request.u32(4, index);
            let request = match gateway {
                Some(gateway) => request.attr(5, &gateway.octets()),
                None => request,
            };
            match source {
                Some(source) => request.attr(7, &source.octets()),
                None => request,
            }
        }
        RouteKind::Blackhole => request,
        RouteKind::Local => request.u32(4, LOOPBACK),
    }
}

/// Removes our route for a destination from a table, whatever it does.
pub(crate) fn remove_route(route: &Route) -> Request {
    Request::new(ROUTE + 1, ACK, &route_header(&route.destination, 255, 0, 0))
        .u32(15, route.table)
        .attr(1, &route.destination.network().octets())
}

fn route_header(destination: &Ipv4Block, scope: u8, kind: u8, flags: u32) -> [u8; 12] {
    let mut header = [IPV4, destination.prefix(), 0, 0, 0, OURS, scope, kind, 0, 0, 0, 0];
    header[8..12].copy_from_slice(&flags.to_ne_bytes());
    header
}

/// Adds a policy rule, or removes it. It is not asked to be new: the kernel would take a rule for all packets to be
/// there already when there is one for a source that does the same.
pub(crate) fn rule(priority: u32, selector: &Selector, table: Option<u32>, add: bool) -> Request {
    let source_length = if let Selector::From(block) = selector { block.prefix() } else { 0 };
    let action = if table.is_some() { 1 } else { 6 };
    let header = [IPV4, 0, source_length, 0, 0, 0, 0, action, 0, 0, 0, 0];
    let (kind, flags) = if add { (RULE, CREATE) } else { (RULE + 1, ACK) };
    let request = Request::new(kind, flags, &header).u32(6, priority).attr(21, &[OURS]);
    let request = match selector {
        Selector::All => request,
        Selector::Mark(mark) => request.u32(10, *mark).u32(16, u32::MAX),
        Selector::From(block) => request.attr(2, &block.network().octets()),
    };
    match table {
        Some(table) => request.u32(15, table),
        None => request,
    }
}

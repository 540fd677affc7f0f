//! Reading lists of what a namespace has back into the words of the topology. Only what bears our protocol number
//! counts.

use super::route::{
    ADDRESS, DEVCONF_PROXY_ARP, IFLA_AF_SPEC, IFLA_ALT_NAME, IFLA_IFALIAS, IFLA_IFNAME, IFLA_INET_CONF, IFLA_MTU,
    IFLA_NAMES, LINK, NEIGHBOUR, ROUTE, RULE,
};
use super::{Attributes, OURS, Request, Socket, u32_at};
use crate::topology::{Fact, NsName, Route, RouteKind, Selector, Veth};
use base::Ipv4Block;
use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;

const DUMP: u16 = 0x301; // NLM_F_REQUEST | NLM_F_DUMP
const IPV4: u8 = 2;
const UP: u32 = 1;
/// A dump that other people's changes cut across is asked again this often before it is taken for an error.
const ATTEMPTS: usize = 8;

/// Tells the name of a link by its number.
pub(crate) type Names<'a> = &'a dyn Fn(u32) -> Option<String>;

/// A link as listed.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) name: String,
    /// The pair that the label describes, if the link is a near end of ours.
    pub(crate) veth: Option<Veth>,
}

/// Reads one link from the kernel's description.
pub(crate) fn read_link(body: &[u8]) -> Option<Link> {
    let index = u32_at(body, 4)?;
    let up = u32_at(body, 8)? & UP != 0;
    let attributes = Attributes::after(body, 16);
    let name = attributes.text(IFLA_IFNAME)?;
    let veth = attributes.text(IFLA_IFALIAS).and_then(|label| {
        let (peer_name, peer_ns, peer_mac) = read_label(&label)?;
        // Settings come as one array of numbers, the first being number 1.
        let settings = attributes.within(IFLA_AF_SPEC).within(u16::from(IPV4)).find(IFLA_INET_CONF)?;
        let proxy_arp = u32_at(settings, usize::from(DEVCONF_PROXY_ARP - 1) * 4)?;
        Some(Veth {
            name: name.clone(),
            alt_name: attributes.within(IFLA_NAMES).text(IFLA_ALT_NAME),
            peer_ns,
            peer_name,
            // A link that is down is not what anybody wants: no MTU makes the plan change it, and with that set it up.
            mtu: if up { attributes.u32(IFLA_MTU)? } else { 0 },
            peer_mac,
            proxy_arp: proxy_arp != 0,
        })
    });
    Some(Link { index, name, veth })
}

fn read_label(label: &str) -> Option<(String, NsName, Option<[u8; 6]>)> {
    let (end, mac) = match label.split_once(' ') {
        Some((end, mac)) => (end, Some(read_mac(mac)?)),
        None => (label, None),
    };
    let (name, namespace) = end.split_once('@')?;
    Some((name.to_owned(), NsName::new(namespace), mac))
}

fn read_mac(text: &str) -> Option<[u8; 6]> {
    let bytes: Vec<u8> = text.split(':').map(|byte| u8::from_str_radix(byte, 16)).collect::<Result<_, _>>().ok()?;
    bytes.try_into().ok()
}

/// Every link of the socket's namespace.
pub(crate) fn links(socket: &mut Socket) -> io::Result<Vec<Link>> {
    let mut header = [0; 16];
    header[0] = 0; // any family, so that the IPv4 settings are listed with the link
    Ok(list(socket, LINK, &header)?.iter().filter_map(|body| read_link(body)).collect())
}

/// Everything of ours in the socket's namespace but the links, which the caller listed already.
/// `everything` also takes addresses without our number, as kernels before 5.18 report them.
pub(crate) fn facts(socket: &mut Socket, links: &[Link], everything: bool) -> io::Result<Vec<Fact>> {
    let known: BTreeMap<u32, &str> = links.iter().map(|link| (link.index, link.name.as_str())).collect();
    let names = |index: u32| known.get(&index).map(|name| (*name).to_owned());
    let mut facts = Vec::new();
    let mut take = |bodies: Vec<Vec<u8>>, read: &dyn Fn(&[u8]) -> Option<Fact>| {
        facts.extend(bodies.iter().filter_map(|body| read(body)));
    };
    take(list(socket, ADDRESS, &[IPV4, 0, 0, 0, 0, 0, 0, 0])?, &|body| read_address(body, &names, everything));
    let mut header = [0; 12];
    header[0] = IPV4;
    take(list(socket, NEIGHBOUR, &header)?, &|body| read_neighbour(body, &names));
    take(list(socket, ROUTE, &header)?, &|body| read_route(body, &names));
    take(list(socket, RULE, &header)?, &|body| read_rule(body));
    Ok(facts)
}

fn list(socket: &mut Socket, kind: u16, header: &[u8]) -> io::Result<Vec<Vec<u8>>> {
    for _ in 1..ATTEMPTS {
        match socket.ask(Request::new(kind + 2, DUMP, header)) {
            Ok(replies) => {
                return Ok(replies.into_iter().filter(|reply| reply.kind == kind).map(|reply| reply.body).collect());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("the list changed each time it was read"))
}

/// Reads an address that we (or in a namespace of ours anybody) gave to a link.
pub(crate) fn read_address(body: &[u8], names: Names<'_>, everything: bool) -> Option<Fact> {
    let attributes = Attributes::after(body, 8);
    let address = attributes.ipv4(2)?;
    let ours = match attributes.find(11) {
        Some(protocol) => protocol == [OURS],
        None => everything && !address.is_loopback(),
    };
    let connected = attributes.u32(8).unwrap_or(0) & 0x200 == 0;
    ours.then_some(())?;
    Some(Fact::Address { dev: names(u32_at(body, 4)?)?, address, prefix: *body.get(1)?, connected })
}

/// Reads a permanent neighbour entry of ours.
pub(crate) fn read_neighbour(body: &[u8], names: Names<'_>) -> Option<Fact> {
    let attributes = Attributes::after(body, 12);
    let permanent = body.get(8).is_some_and(|state| state & 0x80 != 0);
    (permanent && body.first() == Some(&IPV4) && attributes.find(12) == Some(&[OURS])).then_some(())?;
    Some(Fact::Neighbour {
        dev: names(u32_at(body, 4)?)?,
        address: attributes.ipv4(1)?,
        mac: attributes.find(2)?.try_into().ok()?,
    })
}

/// Reads a route of ours.
pub(crate) fn read_route(body: &[u8], names: Names<'_>) -> Option<Fact> {
    let attributes = Attributes::after(body, 12);
    (body.first() == Some(&IPV4) && body.get(5) == Some(&OURS)).then_some(())?;
    let network = attributes.ipv4(1).unwrap_or(Ipv4Addr::UNSPECIFIED);
    let kind = match body.get(7)? {
        1 => RouteKind::Via {
            dev: names(attributes.u32(4)?)?,
            gateway: attributes.ipv4(5),
            onlink: u32_at(body, 8)? & 4 != 0,
            source: attributes.ipv4(7),
        },
        2 => RouteKind::Local,
        6 => RouteKind::Blackhole,
        _ => return None,
    };
    let table = attributes.u32(15).unwrap_or_else(|| u32::from(body[4]));
    Some(Fact::Route(Route { table, destination: Ipv4Block::containing(network, *body.get(1)?)?, kind }))
}

/// Reads a policy rule of ours.
pub(crate) fn read_rule(body: &[u8]) -> Option<Fact> {
    let attributes = Attributes::after(body, 12);
    (body.first() == Some(&IPV4) && attributes.find(21) == Some(&[OURS])).then_some(())?;
    let selector = match (attributes.u32(10), attributes.ipv4(2)) {
        (Some(mark), _) => Selector::Mark(mark),
        (None, Some(source)) => Selector::From(Ipv4Block::containing(source, *body.get(2)?)?),
        (None, None) => Selector::All,
    };
    let table = (*body.get(7)? == 1).then(|| attributes.u32(15).unwrap_or_else(|| u32::from(body[4])));
    Some(Fact::Rule { priority: attributes.u32(6).unwrap_or(0), selector, table })
}

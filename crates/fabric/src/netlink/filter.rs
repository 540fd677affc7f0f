//! Netfilter's netlink: which packet filter a namespace has, and its tracked connections.

use super::{Attributes, Reply, Request, Socket};
use std::io;
use std::net::Ipv4Addr;

const FILTER: u16 = 10 << 8;
const GET_TABLE: u16 = FILTER | 1;
const GET_GENERATION: u16 = FILTER | 16;
const TRACK: u16 = 1 << 8;
const GET_FLOW: u16 = TRACK | 1;
const DELETE_FLOW: u16 = TRACK | 2;

const ASK: u16 = 1;
const ACK: u16 = 5;
const DUMP: u16 = 0x301;
const ANY_FAMILY: u8 = 0;
const INET: u8 = 1;
const IPV4: u8 = 2;

const ORIGINAL: u16 = 1;
const ID: u16 = 12;
const ZONE: u16 = 18;

fn header(family: u8) -> [u8; 4] {
    [family, 0, 0, 0]
}

/// The number of the namespace's packet filter; every transaction of anybody makes it another one.
pub(crate) fn generation(socket: &mut Socket) -> io::Result<u32> {
    let replies = socket.ask(Request::new(GET_GENERATION, ASK | ACK, &header(ANY_FAMILY)))?;
    let reply = replies.first().ok_or(io::ErrorKind::UnexpectedEof)?;
    let bytes = Attributes::after(&reply.body, 4).find(1).and_then(|it| it.try_into().ok());
    bytes.map(u32::from_be_bytes).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The names of the tables of family `inet`.
pub(crate) fn tables(socket: &mut Socket) -> io::Result<Vec<String>> {
    let replies = socket.ask(Request::new(GET_TABLE, DUMP, &header(INET)))?;
    Ok(replies.iter().filter_map(|reply| Attributes::after(&reply.body, 4).text(1)).collect())
}

/// A tracked IPv4 connection, as the first packet came in.
#[derive(Debug, Clone)]
pub(crate) struct Flow {
    pub(crate) source: Ipv4Addr,
    pub(crate) destination: Ipv4Addr,
    original: Vec<u8>,
    id: Option<Vec<u8>>,
    zone: Option<Vec<u8>>,
}

/// All tracked IPv4 connections.
pub(crate) fn flows(socket: &mut Socket) -> io::Result<Vec<Flow>> {
    let replies = socket.ask(Request::new(GET_FLOW, DUMP, &header(IPV4)))?;
    Ok(replies.iter().filter_map(read_flow).collect())
}

fn read_flow(reply: &Reply) -> Option<Flow> {
    let attributes = Attributes::after(&reply.body, 4);
    let addresses = attributes.within(ORIGINAL).within(1);
    Some(Flow {
        source: addresses.ipv4(1)?,
        destination: addresses.ipv4(2)?,
        original: attributes.find(ORIGINAL)?.to_vec(),
        id: attributes.find(ID).map(<[u8]>::to_vec),
        zone: attributes.find(ZONE).map(<[u8]>::to_vec),
    })
}

/// Forgets a connection. The id keeps a newer one with the same addresses alive.
pub(crate) fn forget(flow: &Flow) -> Request {
    let mut request =
        Request::new(DELETE_FLOW, ACK, &header(IPV4)).nest(ORIGINAL, |original| original.raw(&flow.original));
    if let Some(id) = &flow.id {
        request = request.attr(ID, id);
    }
    match &flow.zone {
        Some(zone) => request.attr(ZONE, zone),
        None => request,
    }
}

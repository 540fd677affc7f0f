//! What a view must be able to say. The owner of the names implements [`Zone`]; this crate puts it on the wire.

use std::net::{IpAddr, Ipv4Addr};

/// The type of record that is asked for, as far as an answer may depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An IPv4 address.
    A,
    /// An IPv6 address.
    Aaaa,
    /// The name of an address.
    Ptr,
    /// Whatever there is.
    Any,
    /// Any other type, by its number.
    Other(u16),
}

/// What a view knows about a name. It need not look at the kind that was asked: an answer of another kind than the
/// question becomes "this name exists, but has no such record".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The name has these addresses, in any order: every answer is shuffled. None means [`Answer::NoData`].
    Addresses {
        /// The addresses.
        v4: Vec<Ipv4Addr>,
        /// How long the answer may be kept, in seconds.
        ttl: u32,
    },
    /// The name stands for an address and this is the host's name, without a final dot.
    Name {
        /// The host's name.
        target: String,
        /// How long the answer may be kept, in seconds.
        ttl: u32,
    },
    /// The name exists and has no such record.
    NoData,
    /// There is no such name.
    NoSuchName,
    /// The asker may not ask here, or not this.
    Refused,
}

/// One view of the names: everything that the askers behind some sockets may see.
pub trait Zone: Send + Sync + 'static {
    /// Looks `name` up for an asker at `source`. The name is in lower case and without a final dot; the root is `""`.
    /// It is called for every query on the task that serves the socket, so it must not block.
    fn lookup(&self, name: &str, kind: Kind, source: IpAddr) -> Answer;

    /// The name of the zone that `name` lies in, for the SOA record of a negative answer. Must be `name` itself or what
    /// follows one of its dots. By default all after the first dot.
    fn apex<'a>(&self, name: &'a str) -> &'a str {
        name.split_once('.').map_or("", |(_, parent)| parent)
    }
}

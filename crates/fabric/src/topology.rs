//! What should exist: namespaces, the facts that hold in each, and each one's packet filter.
//!
//! A namespace is a set of [`Fact`]s, one for everything netlink can add or remove on its own. Sets make the plan a
//! set difference, and a survey of the kernel yields the same type, so that start-up, repair and every change are one path.
//!
//! The collections are persistent: a copy shares all of its structure, and two versions are compared by what they do
//! not share. A router of a thousand links in which one changed thus costs what the one link costs, though whoever
//! asks for a change always hands over the whole.

use base::Ipv4Block;
pub use imbl::{OrdMap, OrdSet};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;

/// The name of a namespace within one fabric, as `internet`, `vpc-0123...` or `i-0123...`.
/// The fabric adds the prefix of its daemon where the name is seen on the machine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NsName(pub String);

impl NsName {
    /// A name.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for NsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What keeps a namespace alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Anchor {
    /// A name in `/run/netns`, made and removed by the fabric.
    Pinned,
    /// A process that somebody else started; the fabric only configures what it is asked to.
    Process(u32),
}

/// The sysctls a namespace is born with, set before it has any link (links copy `default` when they are made).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Forwards packets, answers ARP for others, sends no redirects, filters no reverse path; no IPv6 on links.
    Router,
    /// A host with its own addresses; no IPv6 on links.
    Host,
}

/// A veth pair. It belongs to the namespace that lists it; the other end is born in `peer_ns`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Veth {
    /// Name of the near end, at most 15 bytes.
    pub name: String,
    /// A longer second name of the near end (an ENI's id), so that people find it.
    pub alt_name: Option<String>,
    /// Where the far end lies.
    pub peer_ns: NsName,
    /// Name of the far end there, at most 15 bytes.
    pub peer_name: String,
    /// MTU of both ends.
    pub mtu: u32,
    /// Hardware address of the far end; the kernel's choice when `None`.
    pub peer_mac: Option<[u8; 6]>,
    /// Whether the near end answers ARP for others (an ENI's router side) or must not (a transit link).
    pub proxy_arp: bool,
}

/// What a route does with a packet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RouteKind {
    /// Out of a link, perhaps by a gateway, perhaps with a preferred source.
    Via {
        /// The link.
        dev: String,
        /// The next hop; none for an address on the link itself.
        gateway: Option<Ipv4Addr>,
        /// Take the gateway to be on the link whatever the addresses say.
        onlink: bool,
        /// Preferred source address.
        source: Option<Ipv4Addr>,
    },
    /// Dropped in silence.
    Blackhole,
    /// Delivered here: every address of the block is local.
    Local,
}

/// A route of some table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Route {
    /// The table; 254 is main.
    pub table: u32,
    /// Where packets go.
    pub destination: Ipv4Block,
    /// What happens to them.
    pub kind: RouteKind,
}

/// Which packets a policy rule takes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Selector {
    /// All.
    All,
    /// Those with this firewall mark.
    Mark(u32),
    /// Those from this block.
    From(Ipv4Block),
}

/// One thing that holds in a namespace and that netlink can add or remove on its own.
/// The order of the variants is the order in which facts are made; they go in the opposite order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fact {
    /// A veth pair whose near end is here. Both ends are up.
    Veth(Veth),
    /// An address of a link; the prefix makes no connected route unless `connected`.
    Address {
        /// The link, `lo` included.
        dev: String,
        /// The address.
        address: Ipv4Addr,
        /// Its prefix length.
        prefix: u8,
        /// Whether the kernel adds the connected route.
        connected: bool,
    },
    /// A permanent neighbour entry.
    Neighbour {
        /// The link.
        dev: String,
        /// The neighbour's address.
        address: Ipv4Addr,
        /// Its hardware address.
        mac: [u8; 6],
    },
    /// A route.
    Route(Route),
    /// A policy rule.
    Rule {
        /// Lower ones are asked first.
        priority: u32,
        /// Which packets.
        selector: Selector,
        /// The table to look up; `None` drops in silence.
        table: Option<u32>,
    },
}

/// A set or map of the packet filter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Set {
    /// Whether it is a `map` (its elements are `key : value`).
    pub is_map: bool,
    /// What stands between the braces before the elements, as `type ipv4_addr : verdict;` or `type ipv4_addr; flags interval;`.
    pub declaration: String,
    /// The elements as nft prints them, as `10.0.0.4` or `"e-1a2b" : goto sg_drop`. For an interval set they must not overlap.
    pub elements: OrdSet<String>,
}

/// A chain of the packet filter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chain {
    /// Hook, priority and policy of a base chain, as `type filter hook forward priority 0; policy drop;`.
    pub hook: Option<String>,
    /// The rules in order, in nft's syntax.
    pub rules: Vec<String>,
}

/// One table (family `inet`) of a namespace's packet filter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ruleset {
    /// The table's name.
    pub table: String,
    /// Its sets and maps by name.
    pub sets: OrdMap<String, Set>,
    /// Its chains by name.
    pub chains: OrdMap<String, Chain>,
}

/// One namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// What keeps it alive.
    pub anchor: Anchor,
    /// What it is born with.
    pub profile: Profile,
    /// What holds in it.
    pub facts: OrdSet<Fact>,
    /// Its packet filter, if it has one.
    pub ruleset: Option<Ruleset>,
}

impl Namespace {
    /// An empty namespace that the fabric pins.
    pub fn pinned(profile: Profile) -> Self {
        Self { anchor: Anchor::Pinned, profile, facts: OrdSet::new(), ruleset: None }
    }

    /// An empty namespace of a process.
    pub fn of_process(pid: u32) -> Self {
        Self { anchor: Anchor::Process(pid), profile: Profile::Host, facts: OrdSet::new(), ruleset: None }
    }
}

/// All namespaces of one fabric.
pub type Topology = BTreeMap<NsName, Namespace>;

//! One step of a plan, and how an engineer would type it.

use super::filter::Edit;
use crate::netlink::route::mac_text;
use crate::topology::{Anchor, Fact, Namespace, NsName, Profile, Route, RouteKind, Selector, Veth};
use std::fmt;

/// Steps in their order. Prints as a script.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// The steps.
    pub steps: Vec<Step>,
}

/// One thing to do. Doing it twice is doing it once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Makes a namespace, or takes a process's for one.
    Create {
        /// Its name.
        ns: NsName,
        /// What keeps it alive.
        anchor: Anchor,
        /// What it is born with.
        profile: Profile,
    },
    /// Writes a namespace's sysctls anew.
    Profile {
        /// Where.
        ns: NsName,
        /// Which ones.
        profile: Profile,
    },
    /// Makes a veth pair.
    AddLink {
        /// Where the near end is.
        ns: NsName,
        /// The pair.
        veth: Veth,
    },
    /// Changes what can change of a pair in place: MTU, hardware address, long name, proxied ARP.
    ChangeLink {
        /// Where the near end is.
        ns: NsName,
        /// As it is.
        from: Veth,
        /// As it should be.
        to: Veth,
    },
    /// Removes a pair, with everything that holds about either end.
    RemoveLink {
        /// Where the near end is.
        ns: NsName,
        /// The pair.
        veth: Veth,
    },
    /// Adds a fact.
    Add {
        /// Where.
        ns: NsName,
        /// The fact, not a veth.
        fact: Fact,
    },
    /// Writes a fact over another one about the same thing.
    Replace {
        /// Where.
        ns: NsName,
        /// The fact, not a veth.
        fact: Fact,
    },
    /// Removes a fact.
    Drop {
        /// Where.
        ns: NsName,
        /// The fact, not a veth.
        fact: Fact,
    },
    /// One transaction on the packet filter.
    Filter {
        /// Where.
        ns: NsName,
        /// The table.
        table: String,
        /// What is done to it.
        edits: Vec<Edit>,
    },
    /// Removes a namespace, or lets go of a process's.
    Remove {
        /// Its name.
        ns: NsName,
        /// What keeps it alive.
        anchor: Anchor,
    },
}

impl Step {
    pub(crate) fn create(ns: &NsName, namespace: &Namespace) -> Self {
        Self::Create { ns: ns.clone(), anchor: namespace.anchor.clone(), profile: namespace.profile }
    }

    /// The namespace that the step is about.
    pub fn ns(&self) -> &NsName {
        match self {
            Self::Create { ns, .. }
            | Self::Profile { ns, .. }
            | Self::AddLink { ns, .. }
            | Self::ChangeLink { ns, .. }
            | Self::RemoveLink { ns, .. }
            | Self::Add { ns, .. }
            | Self::Replace { ns, .. }
            | Self::Drop { ns, .. }
            | Self::Filter { ns, .. }
            | Self::Remove { ns, .. } => ns,
        }
    }

    /// A transaction as nft reads it; nothing for other steps.
    pub(crate) fn script(&self) -> String {
        let Self::Filter { table, edits, .. } = self else { return String::new() };
        let mut script = String::new();
        for edit in edits {
            edit.write(table, &mut script);
        }
        script
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps.iter().try_for_each(|step| writeln!(f, "{step}"))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create { ns, anchor: Anchor::Pinned, profile } => {
                write!(f, "ip netns add {ns} # {}", profile_text(*profile))
            }
            Self::Create { ns, anchor: Anchor::Process(pid), .. } => write!(f, "ip netns attach {ns} {pid}"),
            Self::Profile { ns, profile } => write!(f, "# sysctls of {ns}: {}", profile_text(*profile)),
            Self::AddLink { ns, veth } => write!(f, "{}", AddLink(ns, veth)),
            Self::ChangeLink { ns, from, to } => write!(f, "{}", ChangeLink(ns, from, to)),
            Self::RemoveLink { ns, veth } => write!(f, "ip -n {ns} link del {}", veth.name),
            Self::Add { ns, fact } => write!(f, "ip -n {ns} {}", FactText(fact, "add")),
            Self::Replace { ns, fact } => write!(f, "ip -n {ns} {}", FactText(fact, "replace")),
            Self::Drop { ns, fact } => write!(f, "ip -n {ns} {}", FactText(fact, "del")),
            Self::Filter { ns, .. } => {
                write!(f, "ip netns exec {ns} nft -f - <<END\n{}END", self.script())
            }
            Self::Remove { ns, anchor: Anchor::Pinned } => write!(f, "ip netns del {ns}"),
            Self::Remove { ns, anchor: Anchor::Process(pid) } => write!(f, "# leave {ns} to process {pid}"),
        }
    }
}

fn profile_text(profile: Profile) -> &'static str {
    match profile {
        Profile::Router => "router",
        Profile::Host => "host",
    }
}

fn switch(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

struct AddLink<'a>(&'a NsName, &'a Veth);

impl fmt::Display for AddLink<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(ns, veth) = self;
        write!(f, "ip -n {ns} link add {} mtu {} up type veth peer name {}", veth.name, veth.mtu, veth.peer_name)?;
        write!(f, " mtu {}", veth.mtu)?;
        if let Some(mac) = &veth.peer_mac {
            write!(f, " address {}", mac_text(mac))?;
        }
        write!(f, " netns {} # proxy_arp {}", veth.peer_ns, switch(veth.proxy_arp))?;
        if let Some(name) = &veth.alt_name {
            write!(f, ", altname {name}")?;
        }
        Ok(())
    }
}

struct ChangeLink<'a>(&'a NsName, &'a Veth, &'a Veth);

impl fmt::Display for ChangeLink<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(ns, from, to) = self;
        write!(f, "ip -n {ns} link set {} up", to.name)?;
        if from.mtu != to.mtu {
            write!(f, " mtu {} # both ends", to.mtu)?;
        }
        if from.alt_name != to.alt_name {
            write!(f, " # altname {}", to.alt_name.as_deref().unwrap_or("none"))?;
        }
        if from.proxy_arp != to.proxy_arp {
            write!(f, " # proxy_arp {}", switch(to.proxy_arp))?;
        }
        match &to.peer_mac {
            Some(mac) if from.peer_mac != to.peer_mac => {
                write!(f, "\nip -n {} link set {} address {}", to.peer_ns, to.peer_name, mac_text(mac))
            }
            _ => Ok(()),
        }
    }
}

struct FactText<'a>(&'a Fact, &'a str);

impl fmt::Display for FactText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(fact, verb) = self;
        match fact {
            Fact::Veth(veth) => write!(f, "link {verb} {}", veth.name),
            Fact::Address { dev, address, prefix, connected } => {
                let flag = if *connected { "" } else { " noprefixroute" };
                write!(f, "addr {verb} {address}/{prefix} dev {dev}{flag}")
            }
            Fact::Neighbour { dev, address, mac } => {
                write!(f, "neigh {verb} {address} lladdr {} dev {dev} nud permanent", mac_text(mac))
            }
            Fact::Route(route) => write!(f, "route {verb} {}", RouteText(route)),
            Fact::Rule { priority, selector, table } => {
                write!(f, "rule {verb} pref {priority}")?;
                match selector {
                    Selector::All => Ok(()),
                    Selector::Mark(mark) => write!(f, " fwmark {mark:#x}"),
                    Selector::From(block) => write!(f, " from {block}"),
                }?;
                match table {
                    Some(table) => write!(f, " lookup {table}"),
                    None => write!(f, " blackhole"),
                }
            }
        }
    }
}

struct RouteText<'a>(&'a Route);

impl fmt::Display for RouteText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Route { table, destination, kind } = self.0;
        match kind {
            RouteKind::Via { dev, gateway, onlink, source } => {
                write!(f, "{destination}")?;
                if let Some(gateway) = gateway {
                    write!(f, " via {gateway}")?;
                }
                write!(f, " dev {dev}")?;
                if *onlink {
                    write!(f, " onlink")?;
                }
                if let Some(source) = source {
                    write!(f, " src {source}")?;
                }
            }
            RouteKind::Blackhole => write!(f, "blackhole {destination}")?,
            RouteKind::Local => write!(f, "local {destination} dev lo")?,
        }
        if *table == 254 { Ok(()) } else { write!(f, " table {table}") }
    }
}

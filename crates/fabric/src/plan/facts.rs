//! The facts of one namespace that stand on its links: addresses, neighbours, routes, rules.

use super::links::Ends;
use super::{Pair, Step};
use crate::topology::{Fact, Route, RouteKind, Selector};
use base::Ipv4Block;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// Steps that make (in the order of a plan's first part) and those that remove (its last part).
pub(super) struct Facts {
    pub(super) first: Vec<Step>,
    pub(super) last: Vec<Step>,
}

/// What a fact is about. Two facts about the same thing can't both hold.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key<'a> {
    Address(&'a str, Ipv4Addr, u8),
    Neighbour(&'a str, Ipv4Addr),
    Route(u32, Ipv4Block),
    Rule(u32, &'a Selector, Option<u32>),
}

/// The link that a fact stands on.
pub(super) fn dev(fact: &Fact) -> Option<&str> {
    match fact {
        Fact::Address { dev, .. } | Fact::Neighbour { dev, .. } => Some(dev),
        Fact::Route(Route { kind: RouteKind::Via { dev, .. }, .. }) => Some(dev),
        Fact::Veth(_) | Fact::Route(_) | Fact::Rule { .. } => None,
    }
}

/// Looks at what differs, and at the rest only where a link or an address goes. `fresh` links have no facts yet; those
/// of `leaving` links go with them.
pub(super) fn diff(pair: &Pair<'_>, fresh: &Ends<'_>, leaving: &Ends<'_>) -> Facts {
    let on = |ends: &Ends<'_>, fact: &Fact| dev(fact).is_some_and(|dev| ends.contains(&(pair.name, dev)));
    let lost: BTreeMap<Key<'_>, &Fact> =
        pair.lost.iter().filter(|it| !on(fresh, it)).filter_map(|it| Some((key(it)?, *it))).collect();
    let mut new: BTreeMap<Key<'_>, &Fact> = pair.new.iter().filter_map(|it| Some((key(it)?, *it))).collect();
    let wired_anew = fresh.iter().any(|(ns, _)| *ns == pair.name);
    if wired_anew {
        new.extend(pair.common(|it| on(fresh, it)).filter_map(|it| Some((key(it)?, it))));
    }
    let early = early_removals(pair, &lost, &new, &|fact| on(leaving, fact));
    let shaken = if early.is_empty() && !wired_anew {
        Shaken::default()
    } else {
        Shaken::by(pair, &|fact| early.contains(fact) || on(fresh, fact))
    };
    let rewritten: Vec<&Fact> =
        if shaken.is_empty() { Vec::new() } else { pair.common(|it| shaken.takes(it) && !on(fresh, it)).collect() };
    let ns = pair.name;
    let mut first: Vec<Step> = early.iter().map(|it| Step::Drop { ns: ns.clone(), fact: (*it).clone() }).collect();
    let stands = |key: &Key<'_>| lost.get(key).is_some_and(|old| !early.contains(old) && !shaken.takes(old));
    let mut made: Vec<(&Fact, bool)> = new.iter().map(|(key, fact)| (*fact, stands(key))).collect();
    made.extend(rewritten.into_iter().map(|fact| (fact, false)));
    made.sort_by_key(|(fact, _)| rank(fact));
    first.extend(made.into_iter().map(|(fact, replace)| {
        let (ns, fact) = (ns.clone(), fact.clone());
        if replace { Step::Replace { ns, fact } } else { Step::Add { ns, fact } }
    }));
    let mut last: Vec<&Fact> = lost
        .iter()
        .filter(|(key, fact)| !new.contains_key(key) && !early.contains(*fact))
        .filter(|(_, fact)| !shaken.takes(fact) && !on(leaving, fact))
        .map(|(_, fact)| *fact)
        .collect();
    let again = mistakable(pair, &last);
    last.extend(again.iter().copied());
    last.sort_by_key(|fact| std::cmp::Reverse(rank(fact)));
    let mut last: Vec<Step> = last.into_iter().map(|fact| Step::Drop { ns: ns.clone(), fact: fact.clone() }).collect();
    last.extend(again.into_iter().map(|fact| Step::Add { ns: ns.clone(), fact: fact.clone() }));
    Facts { first, last }
}

/// Rules that stay, but that the kernel might take for one that goes: asked to remove the rule for all packets of a
/// priority, it removes the first one that does the same, whatever its selector. They go first and come back.
fn mistakable<'a>(pair: &Pair<'a>, last: &[&Fact]) -> Vec<&'a Fact> {
    let general: BTreeSet<(u32, Option<u32>)> = last
        .iter()
        .filter_map(|fact| match fact {
            Fact::Rule { priority, selector: Selector::All, table } => Some((*priority, *table)),
            _ => None,
        })
        .collect();
    if general.is_empty() {
        return vec![];
    }
    let alike = |fact: &Fact| match fact {
        Fact::Rule { priority, selector, table } => {
            *selector != Selector::All && general.contains(&(*priority, *table))
        }
        _ => false,
    };
    pair.common(alike).collect()
}

/// Routes by a gateway come after the others: after those that lead to gateways, and after that of the gateway itself
/// in a network that is otherwise a blackhole, as in a router. Else the order of the facts.
fn rank(fact: &Fact) -> (bool, &Fact) {
    let late = match fact {
        Fact::Route(Route { kind: RouteKind::Via { gateway, .. }, .. }) => gateway.is_some(),
        Fact::Rule { .. } => true,
        _ => false,
    };
    (late, fact)
}

fn key(fact: &Fact) -> Option<Key<'_>> {
    Some(match fact {
        Fact::Veth(_) => return None,
        Fact::Address { dev, address, prefix, .. } => Key::Address(dev, *address, *prefix),
        Fact::Neighbour { dev, address, .. } => Key::Neighbour(dev, *address),
        Fact::Route(route) => Key::Route(route.table, route.destination),
        Fact::Rule { priority, selector, table } => Key::Rule(*priority, selector, *table),
    })
}

/// Addresses that must go before anything is added: those that come back as connected or not (the kernel can't change
/// that in place), and all of a link that is left without any (with its last address the kernel takes the link's
/// routes and neighbours, wanted or not).
fn early_removals<'a>(
    pair: &Pair<'a>,
    lost: &BTreeMap<Key<'a>, &'a Fact>,
    new: &BTreeMap<Key<'a>, &'a Fact>,
    leaves: &dyn Fn(&Fact) -> bool,
) -> BTreeSet<&'a Fact> {
    let staying = lost.iter().filter(|(_, fact)| !leaves(fact));
    let addresses: Vec<_> = staying.filter_map(|(key, fact)| Some((key, *fact, address(fact)?.0))).collect();
    if addresses.is_empty() {
        return BTreeSet::new();
    }
    let wanted = pair.want.into_iter().flat_map(|it| &it.facts);
    let keeps: BTreeSet<&str> = wanted.filter_map(|fact| address(fact).map(|(dev, _)| dev)).chain(["lo"]).collect();
    addresses
        .into_iter()
        .filter(|(key, _, dev)| new.contains_key(key) || !keeps.contains(dev))
        .map(|(_, fact, _)| fact)
        .collect()
}

/// The link and the address of an address.
pub(super) fn address(fact: &Fact) -> Option<(&str, Ipv4Addr)> {
    match fact {
        Fact::Address { dev, address, .. } => Some((dev, *address)),
        _ => None,
    }
}

/// The preferred source of a route.
pub(super) fn source(fact: &Fact) -> Option<Ipv4Addr> {
    match fact {
        Fact::Route(Route { kind: RouteKind::Via { source, .. }, .. }) => *source,
        _ => None,
    }
}

/// Whether the kernel takes a route along with its preferred source: it looks only at the main table.
pub(super) fn goes_with_source(fact: &Fact) -> bool {
    matches!(fact, Fact::Route(Route { table: 254, .. }))
}

/// What the kernel takes along with addresses that go before anything is made.
#[derive(Default)]
struct Shaken<'a> {
    /// Links that are left without any address.
    bare: BTreeSet<&'a str>,
    /// Addresses that no link has any more.
    sources: BTreeSet<Ipv4Addr>,
}

impl<'a> Shaken<'a> {
    fn by(pair: &Pair<'a>, goes: &dyn Fn(&Fact) -> bool) -> Self {
        let facts = pair.have.into_iter().flat_map(|it| &it.facts).filter(|fact| address(fact).is_some());
        let (gone, stays): (Vec<&Fact>, Vec<&Fact>) = facts.partition(|fact| goes(fact));
        let links = |facts: &[&'a Fact]| -> BTreeSet<&'a str> { facts.iter().filter_map(|it| dev(it)).collect() };
        let addresses = |facts: &[&Fact]| -> BTreeSet<Ipv4Addr> {
            facts.iter().filter_map(|it| address(it).map(|(_, address)| address)).collect()
        };
        let mut bare = &links(&gone) - &links(&stays);
        bare.remove("lo");
        Self { bare, sources: &addresses(&gone) - &addresses(&stays) }
    }

    fn is_empty(&self) -> bool {
        self.bare.is_empty() && self.sources.is_empty()
    }

    /// Whether a fact has gone with them.
    fn takes(&self, fact: &Fact) -> bool {
        let stands_on_bare = address(fact).is_none() && dev(fact).is_some_and(|dev| self.bare.contains(dev));
        stands_on_bare || goes_with_source(fact) && source(fact).is_some_and(|source| self.sources.contains(&source))
    }
}

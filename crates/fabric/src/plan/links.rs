//! Veth pairs: which go, which come, which change in place.

use super::{Pair, Step};
use crate::topology::{Anchor, Fact, NsName, OrdSet, Veth};
use std::collections::{BTreeMap, BTreeSet};

/// The ends of links: (namespace, name).
pub(super) type Ends<'a> = BTreeSet<(&'a NsName, &'a str)>;

/// What happens to the links.
pub(super) struct Links<'a> {
    /// Removals that must come first, since a new link needs one of their names.
    pub(super) in_the_way: Vec<Step>,
    pub(super) added: Vec<Step>,
    pub(super) changed: Vec<Step>,
    pub(super) removed: Vec<Step>,
    /// Ends about which nothing holds when facts are made: of links that stood in the way, and of new ones.
    pub(super) fresh: Ends<'a>,
    /// Ends that go when everything else is done, and take along what still holds about them.
    pub(super) leaving: Ends<'a>,
}

pub(super) fn diff<'a>(pairs: &[Pair<'a>]) -> Links<'a> {
    let mut links = Links {
        in_the_way: vec![],
        added: vec![],
        changed: vec![],
        removed: vec![],
        fresh: Ends::new(),
        leaving: Ends::new(),
    };
    let mut removed = Vec::new();
    let mut taken = Ends::new();
    // A namespace that is new or another one has none of its links, nor have the others any link to it.
    let fresh: BTreeSet<&NsName> =
        pairs.iter().filter(|pair| pair.have.is_none() && pair.want.is_some()).map(|pair| pair.name).collect();
    let leaving: BTreeMap<&NsName, &Anchor> = pairs
        .iter()
        .filter(|pair| pair.want.is_none())
        .filter_map(|pair| pair.have.map(|have| (pair.name, &have.anchor)))
        .collect();
    for pair in pairs {
        let stranded: Vec<&Veth> = match (pair.want, fresh.is_empty()) {
            (Some(_), false) => pair.common_links(|it| fresh.contains(&it.peer_ns)).collect(),
            _ => vec![],
        };
        let new: BTreeMap<&str, &Veth> = pair.new.iter().filter_map(|it| veth(it)).map(by_name).collect();
        let lost: BTreeMap<&str, &Veth> = pair.lost.iter().filter_map(|it| veth(it)).map(by_name).collect();
        let in_place = |old: &Veth, new: &Veth| same_ends(old, new) && !fresh.contains(&old.peer_ns);
        for old in lost.values().chain(&stranded) {
            match new.get(old.name.as_str()) {
                Some(new) if in_place(old, new) => links.changed.push(change(pair.name, old, new)),
                _ => removed.push((pair.name, *old)),
            }
        }
        for new in new.values().chain(&stranded) {
            if lost.get(new.name.as_str()).is_none_or(|old| !in_place(old, new)) {
                taken.extend(ends(pair.name, new));
                links.added.push(Step::AddLink { ns: pair.name.clone(), veth: (*new).clone() });
            }
        }
    }
    for (ns, veth) in removed {
        // A pair between two namespaces that both go is taken along by them.
        if leaving.contains_key(ns) && leaving.contains_key(&veth.peer_ns) {
            continue;
        }
        let step = Step::RemoveLink { ns: ns.clone(), veth: veth.clone() };
        if ends(ns, veth).iter().any(|end| taken.contains(end)) {
            links.fresh.extend(ends(ns, veth));
            links.in_the_way.push(step);
        } else {
            links.leaving.extend(ends(ns, veth));
            links.removed.push(step);
        }
    }
    links.fresh.extend(taken);
    links
}

/// The pairs that a namespace lists. Facts are ordered and pairs come first, so this looks at nothing else.
pub(crate) fn veths(facts: &OrdSet<Fact>) -> impl Iterator<Item = &Veth> {
    listed(facts).map(|(_, veth)| veth)
}

/// The same, with the facts that say so.
pub(super) fn listed(facts: &OrdSet<Fact>) -> impl Iterator<Item = (&Fact, &Veth)> {
    facts.iter().map_while(|fact| veth(fact).map(|it| (fact, it)))
}

fn veth(fact: &Fact) -> Option<&Veth> {
    match fact {
        Fact::Veth(veth) => Some(veth),
        _ => None,
    }
}

fn by_name(veth: &Veth) -> (&str, &Veth) {
    (&veth.name, veth)
}

fn change(ns: &NsName, from: &Veth, to: &Veth) -> Step {
    Step::ChangeLink { ns: ns.clone(), from: from.clone(), to: to.clone() }
}

fn same_ends(one: &Veth, other: &Veth) -> bool {
    one.name == other.name && one.peer_ns == other.peer_ns && one.peer_name == other.peer_name
}

fn ends<'a>(ns: &'a NsName, veth: &'a Veth) -> [(&'a NsName, &'a str); 2] {
    [(ns, &veth.name), (&veth.peer_ns, &veth.peer_name)]
}

//! From what there is to what there should be: a pure function of two topologies.
//!
//! The order of a plan: namespaces; packet filters that are made anew (so that a router is closed before it has a
//! link); links that stand in the way; links; then in each namespace what is added or replaced; changes of filters;
//! what is no longer wanted; links; namespaces. Nothing is removed before its replacement stands, unless the kernel
//! insists.

mod facts;
mod filter;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod kernel;
#[cfg(test)]
mod laws;
mod links;
#[cfg(test)]
mod real;
mod step;

pub use filter::Edit;
pub(crate) use filter::replaces;
pub(crate) use links::veths as links_of;
pub use step::{Plan, Step};

use crate::topology::{Fact, Namespace, NsName, OrdSet, Topology, Veth};
use imbl::ordset::DiffItem;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Some namespaces of a topology.
pub(crate) type View<'a> = BTreeMap<&'a NsName, &'a Namespace>;

/// What has to be done so that `have` becomes `want`. A veth pair whose far namespace is not wanted waits, and so do
/// the facts about its near end.
pub fn plan(have: &Topology, want: &Topology) -> Plan {
    let exists = |name: &NsName| want.contains_key(name);
    let possible: BTreeMap<&NsName, Cow<'_, Namespace>> =
        want.iter().map(|(name, namespace)| (name, possible(namespace, &exists))).collect();
    plan_views(&have.iter().collect(), &possible.iter().map(|(name, it)| (*name, it.as_ref())).collect())
}

/// The same for a part of a topology, of which everything is possible. The part must hold both ends of each pair that
/// differs.
pub(crate) fn plan_views(have: &View<'_>, want: &View<'_>) -> Plan {
    let pairs = pairs(have, want);
    let links = links::diff(&pairs);
    let mut plan = Plan::default();
    for pair in &pairs {
        match (pair.have, pair.want) {
            (None, Some(want)) => plan.steps.push(Step::create(pair.name, want)),
            (Some(have), Some(want)) if have.profile != want.profile => {
                plan.steps.push(Step::Profile { ns: pair.name.clone(), profile: want.profile })
            }
            _ => {}
        }
    }
    let filters: Vec<_> = pairs.iter().filter(|pair| pair.want.is_some()).map(filter::diff).collect();
    let (new, changed): (Vec<_>, Vec<_>) = filters.into_iter().flatten().partition(filter::is_replacement);
    plan.steps.extend(new);
    plan.steps.extend(links.in_the_way);
    plan.steps.extend(links.added);
    plan.steps.extend(links.changed);
    let mut removals = Vec::new();
    for pair in &pairs {
        if pair.want.is_some() {
            let mut facts = facts::diff(pair, &links.fresh, &links.leaving);
            plan.steps.append(&mut facts.first);
            removals.append(&mut facts.last);
        }
    }
    plan.steps.extend(changed);
    plan.steps.extend(removals);
    plan.steps.extend(links.removed);
    plan.steps.extend(removed_namespaces(have, want));
    plan
}

/// One namespace before and after, with the facts in which they differ. One that lives by another process now is
/// another one.
pub(crate) struct Pair<'a> {
    pub(crate) name: &'a NsName,
    pub(crate) have: Option<&'a Namespace>,
    pub(crate) want: Option<&'a Namespace>,
    pub(crate) lost: Vec<&'a Fact>,
    pub(crate) new: Vec<&'a Fact>,
}

impl<'a> Pair<'a> {
    fn new(name: &'a NsName, have: Option<&'a Namespace>, want: Option<&'a Namespace>) -> Self {
        let (lost, new) = match (have, want) {
            // Most namespaces of a large change are the very same object.
            (Some(have), Some(want)) if std::ptr::eq(have, want) => (vec![], vec![]),
            (Some(have), Some(want)) => differences(&have.facts, &want.facts),
            (have, want) => (
                have.into_iter().flat_map(|it| &it.facts).collect(),
                want.into_iter().flat_map(|it| &it.facts).collect(),
            ),
        };
        Self { name, have, want, lost, new }
    }

    /// Those of the facts before that `pick` takes and that hold after as well. Asks `pick` first: it is cheap, and
    /// takes few.
    fn common(&self, pick: impl Fn(&Fact) -> bool) -> impl Iterator<Item = &'a Fact> {
        let want = self.want;
        self.have
            .into_iter()
            .flat_map(|it| &it.facts)
            .filter(move |fact| pick(fact) && want.is_some_and(|want| want.facts.contains(*fact)))
    }

    /// The links that are listed before and after and that `pick` takes.
    fn common_links(&self, pick: impl Fn(&Veth) -> bool) -> impl Iterator<Item = &'a Veth> {
        let want = self.want;
        self.have
            .into_iter()
            .flat_map(|it| links::listed(&it.facts))
            .filter(move |(fact, veth)| pick(veth) && want.is_some_and(|want| want.facts.contains(*fact)))
            .map(|(_, veth)| veth)
    }
}

/// What only one of two sets has: of the first, and of the second. Costs what the sets do not share.
pub(crate) fn differences<'a, T: Ord + Clone>(one: &'a OrdSet<T>, other: &'a OrdSet<T>) -> (Vec<&'a T>, Vec<&'a T>) {
    let (mut lost, mut new) = (Vec::new(), Vec::new());
    for it in one.diff(other) {
        match it {
            DiffItem::Remove(it) => lost.push(it),
            DiffItem::Add(it) => new.push(it),
        }
    }
    (lost, new)
}

fn pairs<'a>(have: &View<'a>, want: &View<'a>) -> Vec<Pair<'a>> {
    let names: BTreeSet<&NsName> = have.keys().chain(want.keys()).copied().collect();
    names
        .into_iter()
        .map(|name| {
            let want = want.get(name).copied();
            let have = have.get(name).copied().filter(|have| want.is_none_or(|want| want.anchor == have.anchor));
            Pair::new(name, have, want)
        })
        .collect()
}

/// What of a namespace can be made as long as only some namespaces exist.
pub(crate) fn possible<'a>(namespace: &'a Namespace, exists: &dyn Fn(&NsName) -> bool) -> Cow<'a, Namespace> {
    let waiting: BTreeSet<&str> =
        links_of(&namespace.facts).filter(|veth| !exists(&veth.peer_ns)).map(|veth| veth.name.as_str()).collect();
    if waiting.is_empty() {
        return Cow::Borrowed(namespace);
    }
    let by_link = |fact: &Fact| match fact {
        Fact::Veth(veth) => !waiting.contains(veth.name.as_str()),
        other => facts::dev(other).is_none_or(|dev| !waiting.contains(dev)),
    };
    let standing: Vec<&Fact> = namespace.facts.iter().filter(|fact| by_link(fact)).collect();
    // The kernel refuses a source that is not there, by whatever link the route goes.
    let sources: BTreeSet<_> =
        standing.iter().filter_map(|it| facts::address(it)).map(|(_, address)| address).collect();
    let sourced = |fact: &&Fact| facts::source(fact).is_none_or(|source| sources.contains(&source));
    let facts = standing.into_iter().filter(sourced).cloned().collect();
    Cow::Owned(Namespace { facts, ..namespace.clone() })
}

fn removed_namespaces(have: &View<'_>, want: &View<'_>) -> Vec<Step> {
    // One whose process changed went with the old process; there is nothing to do about it.
    have.iter()
        .filter(|(name, _)| !want.contains_key(*name))
        .map(|(name, have)| Step::Remove { ns: (*name).clone(), anchor: have.anchor.clone() })
        .collect()
}

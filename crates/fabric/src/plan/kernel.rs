//! A kernel for tests: it does steps as strictly as the real one, and takes along what the real one takes along.

use super::filter::{Edit, key_of};
use super::step::Step;
use crate::topology::{
    Anchor, Chain, Fact, Namespace, NsName, OrdSet, Profile, Route, RouteKind, Ruleset, Set, Topology, Veth,
};
use base::Ipv4Block;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

#[derive(Debug, Clone, Default)]
pub(super) struct Kernel {
    spaces: BTreeMap<NsName, Space>,
}

#[derive(Debug, Clone)]
struct Space {
    anchor: Anchor,
    profile: Profile,
    links: BTreeMap<String, End>,
    facts: BTreeSet<Fact>,
    tables: BTreeMap<String, Ruleset>,
}

#[derive(Debug, Clone)]
struct End {
    /// Set on near ends.
    veth: Option<Veth>,
    other: (NsName, String),
}

type Done = Result<(), String>;

fn check(holds: bool, complaint: impl FnOnce() -> String) -> Done {
    if holds { Ok(()) } else { Err(complaint()) }
}

impl Kernel {
    pub(super) fn topology(&self) -> Topology {
        let namespace = |space: &Space| {
            let mut it = Namespace {
                anchor: space.anchor.clone(),
                profile: space.profile,
                facts: space.facts.iter().cloned().collect(),
                ruleset: space.tables.values().next().cloned(),
            };
            it.facts.extend(space.links.values().filter_map(|end| end.veth.clone()).map(Fact::Veth));
            it
        };
        assert!(self.spaces.values().all(|it| it.tables.len() <= 1), "a table is left over");
        self.spaces.iter().map(|(name, space)| (name.clone(), namespace(space))).collect()
    }

    pub(super) fn apply(&mut self, step: &Step) -> Done {
        match step {
            Step::Create { ns, anchor, profile } => {
                check(!self.spaces.contains_key(ns), || format!("{ns} exists"))?;
                let (anchor, profile) = (anchor.clone(), *profile);
                let space =
                    Space { anchor, profile, links: BTreeMap::new(), facts: BTreeSet::new(), tables: BTreeMap::new() };
                self.spaces.insert(ns.clone(), space);
                Ok(())
            }
            Step::Profile { ns, profile } => {
                self.space(ns)?.profile = *profile;
                Ok(())
            }
            Step::Remove { ns, .. } => {
                let links: Vec<String> = self.space(ns)?.links.keys().cloned().collect();
                for link in links {
                    // A pair with both ends here is gone with the first of them.
                    if self.space(ns)?.links.contains_key(&link) {
                        self.remove_link(ns, &link)?;
                    }
                }
                self.spaces.remove(ns);
                Ok(())
            }
            Step::AddLink { ns, veth } => self.add_link(ns, veth),
            Step::ChangeLink { ns, from, to } => {
                let end = self.space(ns)?.links.get_mut(&from.name).ok_or("no such link")?;
                check(end.veth.as_ref() == Some(from), || format!("{} is another", from.name))?;
                check(end.other == (to.peer_ns.clone(), to.peer_name.clone()), || "ends differ".into())?;
                end.veth = Some(to.clone());
                Ok(())
            }
            Step::RemoveLink { ns, veth } => self.remove_link(ns, &veth.name),
            Step::Add { ns, fact } => self.space(ns)?.add(fact, false),
            Step::Replace { ns, fact } => self.space(ns)?.add(fact, true),
            Step::Drop { ns, fact } => self.space(ns)?.remove(fact),
            Step::Filter { ns, table, edits } => {
                let mut tables = self.space(ns)?.tables.clone();
                edits.iter().try_for_each(|it| edit(&mut tables, table, it).map_err(|why| format!("{it:?}: {why}")))?;
                self.space(ns)?.tables = tables;
                Ok(())
            }
        }
    }

    fn space(&mut self, ns: &NsName) -> Result<&mut Space, String> {
        self.spaces.get_mut(ns).ok_or_else(|| format!("no namespace {ns}"))
    }

    fn add_link(&mut self, ns: &NsName, veth: &Veth) -> Done {
        let far = (veth.peer_ns.clone(), veth.peer_name.clone());
        let near = (ns.clone(), veth.name.clone());
        for (ns, name) in [&near, &far] {
            check(!self.space(ns)?.links.contains_key(name), || format!("{name} exists in {ns}"))?;
        }
        check(near != far, || "a link to itself".into())?;
        self.space(&far.0)?.links.insert(far.1.clone(), End { veth: None, other: near.clone() });
        self.space(ns)?.links.insert(near.1, End { veth: Some(veth.clone()), other: far });
        Ok(())
    }

    /// Takes the other end along, and what holds about either.
    fn remove_link(&mut self, ns: &NsName, name: &str) -> Done {
        let end = self.space(ns)?.links.remove(name).ok_or_else(|| format!("no link {name} in {ns}"))?;
        self.space(ns)?.lose(name);
        let (ns, name) = end.other;
        let far = self.space(&ns)?;
        far.links.remove(&name);
        far.lose(&name);
        Ok(())
    }
}

fn dev(fact: &Fact) -> Option<&str> {
    match fact {
        Fact::Address { dev, .. } | Fact::Neighbour { dev, .. } => Some(dev),
        Fact::Route(Route { kind: RouteKind::Via { dev, .. }, .. }) => Some(dev),
        _ => None,
    }
}

fn same_thing(one: &Fact, other: &Fact) -> bool {
    match (one, other) {
        (Fact::Route(one), Fact::Route(other)) => (one.table, one.destination) == (other.table, other.destination),
        (Fact::Neighbour { dev: a, address: b, .. }, Fact::Neighbour { dev: c, address: d, .. }) => (a, b) == (c, d),
        (Fact::Address { dev: a, address: b, prefix: c, .. }, Fact::Address { dev: d, address: e, prefix: f, .. }) => {
            (a, b, c) == (d, e, f)
        }
        _ => one == other,
    }
}

impl Space {
    fn lose(&mut self, link: &str) {
        self.facts.retain(|fact| dev(fact) != Some(link));
        self.lose_sources();
    }

    /// Routes from an address that is no longer there go.
    fn lose_sources(&mut self) {
        let facts = self.facts.clone();
        let held = |wanted| facts.iter().any(|it| matches!(it, Fact::Address { address, .. } if *address == wanted));
        self.facts.retain(|it| !super::facts::goes_with_source(it) || super::facts::source(it).is_none_or(held));
    }

    fn add(&mut self, fact: &Fact, replace: bool) -> Done {
        if let Some(dev) = dev(fact) {
            check(dev == "lo" || self.links.contains_key(dev), || format!("no link {dev}"))?;
        }
        if let Fact::Route(Route { kind: RouteKind::Via { dev, gateway, onlink, source }, .. }) = fact {
            check(source.is_none_or(|it| self.has_address(it)), || "the source is not ours".into())?;
            if let Some(gateway) = gateway.filter(|_| !onlink) {
                check(self.leads_to(dev, gateway), || format!("{gateway} is not reachable"))?;
            }
        }
        let old = self.facts.iter().find(|it| same_thing(it, fact)).cloned();
        if let Some(old) = old {
            check(replace && !matches!(fact, Fact::Address { .. } | Fact::Rule { .. }), || "exists".into())?;
            self.facts.remove(&old);
        }
        self.facts.insert(fact.clone());
        Ok(())
    }

    fn remove(&mut self, fact: &Fact) -> Done {
        check(self.facts.remove(fact), || "there is no such fact".into())?;
        let Fact::Address { dev: link, .. } = fact else { return Ok(()) };
        let others: Vec<&str> =
            self.facts.iter().filter(|it| matches!(it, Fact::Address { .. })).filter_map(dev).collect();
        if link != "lo" && !others.contains(&link.as_str()) {
            self.facts.retain(|it| dev(it) != Some(link));
        }
        self.lose_sources();
        Ok(())
    }

    fn has_address(&self, wanted: Ipv4Addr) -> bool {
        self.facts.iter().any(|fact| matches!(fact, Fact::Address { address, .. } if *address == wanted))
    }

    fn leads_to(&self, link: &str, gateway: Ipv4Addr) -> bool {
        self.facts.iter().any(|fact| match fact {
            Fact::Address { dev, address, prefix, connected: true } => {
                dev == link && Ipv4Block::containing(*address, *prefix).is_some_and(|it| it.contains(gateway))
            }
            Fact::Route(Route { destination, kind: RouteKind::Via { dev, gateway: None, .. }, .. }) => {
                dev == link && destination.contains(gateway)
            }
            _ => false,
        })
    }
}

fn edit(tables: &mut BTreeMap<String, Ruleset>, name: &str, edit: &Edit) -> Done {
    if *edit == Edit::AddTable {
        tables.entry(name.to_owned()).or_insert_with(|| Ruleset { table: name.to_owned(), ..Ruleset::default() });
        return Ok(());
    }
    if *edit == Edit::DeleteTable {
        return tables.remove(name).map(drop).ok_or_else(|| "no table".into());
    }
    let table = tables.get_mut(name).ok_or("no table")?;
    let rules: Vec<String> = table.chains.values().flat_map(|chain| chain.rules.clone()).collect();
    let elements: Vec<String> = table.sets.values().flat_map(|set| set.elements.clone()).collect();
    match edit {
        Edit::AddTable | Edit::DeleteTable => Ok(()),
        Edit::AddSet { set, is_map, declaration } => {
            check(!table.sets.contains_key(set), || "exists".into())?;
            let declared = Set { is_map: *is_map, declaration: declaration.clone(), elements: OrdSet::new() };
            table.sets.insert(set.clone(), declared);
            Ok(())
        }
        Edit::DeleteSet { set, .. } => {
            check(!rules.iter().any(|rule| words(rule).any(|it| it == format!("@{set}"))), || "in use".into())?;
            table.sets.remove(set).map(drop).ok_or_else(|| "no set".into())
        }
        Edit::FlushSet { set, .. } => {
            table.sets.get_mut(set).ok_or("no set")?.elements.clear();
            Ok(())
        }
        Edit::AddElements { set, elements } => {
            for element in elements {
                refers(table, element)?;
                let held = &mut table.sets.get_mut(set).ok_or("no set")?.elements;
                check(held.iter().all(|it| key_of(it) != key_of(element)), || format!("{element} exists"))?;
                held.insert(element.clone());
            }
            check(!elements.is_empty(), || "no elements".into())
        }
        Edit::DeleteElements { set, elements } => {
            let held = &mut table.sets.get_mut(set).ok_or("no set")?.elements;
            check(!elements.is_empty() && elements.iter().all(|it| held.remove(it).is_some()), || {
                "no such element".into()
            })
        }
        Edit::AddChain { chain, hook } => {
            check(!table.chains.contains_key(chain), || "exists".into())?;
            table.chains.insert(chain.clone(), Chain { hook: hook.clone(), rules: vec![] });
            Ok(())
        }
        Edit::FlushChain(chain) => {
            table.chains.get_mut(chain).ok_or("no chain")?.rules.clear();
            Ok(())
        }
        Edit::DeleteChain(chain) => {
            let targets = rules.iter().chain(&elements).flat_map(|it| target(it));
            check(!targets.into_iter().any(|it| it == *chain), || "in use".into())?;
            let removed = table.chains.remove(chain).ok_or("no chain")?;
            check(removed.rules.is_empty(), || "not empty".into())
        }
        Edit::AddRule { chain, rule } => {
            refers(table, rule)?;
            table.chains.get_mut(chain).ok_or("no chain")?.rules.push(rule.clone());
            Ok(())
        }
    }
}

/// Whether what a rule or an element points to is there.
fn refers(table: &Ruleset, text: &str) -> Done {
    for set in words(text).filter_map(|word| word.strip_prefix('@')) {
        check(table.sets.contains_key(set), || format!("no set {set}"))?;
    }
    check(target(text).is_none_or(|it| table.chains.contains_key(&it)), || format!("no chain for {text}"))
}

fn target(text: &str) -> Option<String> {
    words(text).skip_while(|word| *word != "jump" && *word != "goto").nth(1).map(str::to_owned)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace()
}

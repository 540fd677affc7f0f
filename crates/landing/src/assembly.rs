//! A namespace as the sum of its parts, each of which can be replaced on its own.
//!
//! A router holds something of every interface or cluster. When one of them changes, its part is made anew and the
//! sum changes by the difference, so that a change costs what it concerns and not what the router holds. The sum is a
//! persistent value: handing it out costs nothing, and the fabric compares it to the one before by what they do not
//! share.

use fabric::{Chain, Fact, Namespace, OrdMap, OrdSet, Profile, Ruleset, Set};
use imbl::{ordmap, ordset};
use std::collections::{BTreeMap, HashMap};

/// What one thing adds to a namespace: facts, elements of sets (declared by everybody who adds some), chains.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Part {
    /// What holds.
    pub facts: OrdSet<Fact>,
    /// Sets and maps, with this part's elements.
    pub sets: OrdMap<String, Set>,
    /// Chains. Parts may have the same chain; they must agree about what it says.
    pub chains: OrdMap<String, Chain>,
}

impl Part {
    /// Adds an element to a set, which is declared with it.
    pub fn element(&mut self, set: &str, is_map: bool, declaration: &str, element: String) {
        self.declare(set, is_map, declaration);
        if let Some(set) = self.sets.get_mut(set) {
            set.elements.insert(element);
        }
    }

    /// Declares a set, with no element yet.
    pub fn declare(&mut self, set: &str, is_map: bool, declaration: &str) {
        if !self.sets.contains_key(set) {
            let empty = Set { is_map, declaration: declaration.to_owned(), elements: OrdSet::new() };
            self.sets.insert(set.to_owned(), empty);
        }
    }

    /// Adds a chain.
    pub fn chain(&mut self, name: &str, hook: Option<&str>, rules: Vec<String>) {
        self.chains.insert(name.to_owned(), Chain { hook: hook.map(str::to_owned), rules });
    }
}

/// What more than one part may hold.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Held {
    Fact(Fact),
    Set(String),
    Element(String, String),
    Chain(String),
}

/// A namespace and the parts that it is the sum of.
#[derive(Debug)]
pub struct Assembly<K> {
    profile: Profile,
    facts: OrdSet<Fact>,
    ruleset: Option<Ruleset>,
    parts: BTreeMap<K, Part>,
    /// How many parts hold what more than one does, beyond the first.
    shared: HashMap<Held, usize>,
}

impl<K: Ord> Assembly<K> {
    /// Without any part. A namespace without a `table` has no packet filter.
    pub fn new(profile: Profile, table: Option<&str>) -> Self {
        let ruleset = table.map(|table| Ruleset { table: table.to_owned(), ..Ruleset::default() });
        Self { profile, facts: OrdSet::new(), ruleset, parts: BTreeMap::new(), shared: HashMap::new() }
    }

    /// The sum.
    pub fn namespace(&self) -> Namespace {
        Namespace { facts: self.facts.clone(), ruleset: self.ruleset.clone(), ..Namespace::pinned(self.profile) }
    }

    /// The keys of the parts there are.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.parts.keys()
    }

    /// Replaces a part; `None` takes it away.
    pub fn put(&mut self, key: K, part: Option<Part>) {
        let new = part.clone().unwrap_or_default();
        let old = match part {
            Some(part) => self.parts.insert(key, part),
            None => self.parts.remove(&key),
        };
        let old = old.unwrap_or_default();
        for it in old.facts.diff(&new.facts) {
            match it {
                ordset::DiffItem::Add(fact) => self.add_fact(fact),
                ordset::DiffItem::Remove(fact) => self.remove_fact(fact),
            }
        }
        for it in old.sets.diff(&new.sets) {
            match it {
                ordmap::DiffItem::Add(name, set) => self.change_set(name, None, Some(set)),
                ordmap::DiffItem::Update { old: (name, old), new: (_, new) } => {
                    self.change_set(name, Some(old), Some(new));
                }
                ordmap::DiffItem::Remove(name, set) => self.change_set(name, Some(set), None),
            }
        }
        for it in old.chains.diff(&new.chains) {
            match it {
                ordmap::DiffItem::Add(name, chain) => self.add_chain(name, chain),
                ordmap::DiffItem::Update { new: (name, chain), .. } => self.set_chain(name, chain),
                ordmap::DiffItem::Remove(name, _) => self.remove_chain(name),
            }
        }
    }

    fn add_fact(&mut self, fact: &Fact) {
        if self.facts.insert(fact.clone()).is_some() {
            *self.shared.entry(Held::Fact(fact.clone())).or_default() += 1;
        }
    }

    fn remove_fact(&mut self, fact: &Fact) {
        if !release(&mut self.shared, Held::Fact(fact.clone())) {
            self.facts.remove(fact);
        }
    }

    fn change_set(&mut self, name: &str, old: Option<&Set>, new: Option<&Set>) {
        let Some(ruleset) = &mut self.ruleset else { return };
        if let Some(new) = new {
            match ruleset.sets.get_mut(name) {
                None => {
                    let declared = Set { elements: OrdSet::new(), ..new.clone() };
                    ruleset.sets.insert(name.to_owned(), declared);
                }
                Some(held) => {
                    if old.is_none() {
                        *self.shared.entry(Held::Set(name.to_owned())).or_default() += 1;
                    }
                    if held.is_map != new.is_map || held.declaration != new.declaration {
                        held.is_map = new.is_map;
                        held.declaration.clone_from(&new.declaration);
                    }
                }
            }
        }
        let nothing = OrdSet::new();
        let elements = |set: Option<&Set>| set.map_or_else(|| nothing.clone(), |set| set.elements.clone());
        let (old_elements, new_elements) = (elements(old), elements(new));
        if let Some(held) = ruleset.sets.get_mut(name) {
            for it in old_elements.diff(&new_elements) {
                let key = |element: &String| Held::Element(name.to_owned(), element.clone());
                match it {
                    ordset::DiffItem::Add(element) => {
                        if held.elements.insert(element.clone()).is_some() {
                            *self.shared.entry(key(element)).or_default() += 1;
                        }
                    }
                    ordset::DiffItem::Remove(element) => {
                        if !release(&mut self.shared, key(element)) {
                            held.elements.remove(element);
                        }
                    }
                }
            }
        }
        if new.is_none() && !release(&mut self.shared, Held::Set(name.to_owned())) {
            ruleset.sets.remove(name);
        }
    }

    fn add_chain(&mut self, name: &str, chain: &Chain) {
        if self.ruleset.as_ref().is_some_and(|it| it.chains.contains_key(name)) {
            *self.shared.entry(Held::Chain(name.to_owned())).or_default() += 1;
        }
        self.set_chain(name, chain);
    }

    fn set_chain(&mut self, name: &str, chain: &Chain) {
        if let Some(ruleset) = &mut self.ruleset
            && ruleset.chains.get(name) != Some(chain)
        {
            ruleset.chains.insert(name.to_owned(), chain.clone());
        }
    }

    fn remove_chain(&mut self, name: &str) {
        if !release(&mut self.shared, Held::Chain(name.to_owned()))
            && let Some(ruleset) = &mut self.ruleset
        {
            ruleset.chains.remove(name);
        }
    }
}

/// Whether somebody else still holds it.
fn release(shared: &mut HashMap<Held, usize>, what: Held) -> bool {
    use std::collections::hash_map::Entry;
    let Entry::Occupied(mut count) = shared.entry(what) else { return false };
    *count.get_mut() -= 1;
    if *count.get() == 0 {
        count.remove();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn part() -> impl Strategy<Value = Option<Part>> {
        let facts = proptest::collection::btree_set(0u8..6, 0..4);
        let elements = proptest::collection::btree_set((0u8..3, 0u8..4), 0..5);
        let chains = proptest::collection::btree_set(0u8..4, 0..3);
        proptest::option::of((facts, elements, chains).prop_map(|(facts, elements, chains)| {
            let mut part = Part::default();
            for number in facts {
                let address = std::net::Ipv4Addr::new(10, 0, 0, number);
                part.facts.insert(Fact::Address { dev: "lo".to_owned(), address, prefix: 32, connected: false });
            }
            for (set, element) in elements {
                part.element(&format!("s{set}"), false, "type mark;", element.to_string());
            }
            for chain in chains {
                part.chain(&format!("c{chain}"), None, vec![format!("jump {chain}")]);
            }
            part
        }))
    }

    /// The sum as one would write it down without keeping count.
    fn sum(parts: &BTreeMap<u8, Part>) -> Namespace {
        let mut whole = Namespace::pinned(Profile::Router);
        let mut ruleset = Ruleset { table: "t".to_owned(), ..Ruleset::default() };
        for part in parts.values() {
            whole.facts.extend(part.facts.iter().cloned());
            for (name, set) in &part.sets {
                let held =
                    ruleset.sets.entry(name.clone()).or_insert_with(|| Set { elements: OrdSet::new(), ..set.clone() });
                held.elements.extend(set.elements.iter().cloned());
            }
            ruleset.chains.extend(part.chains.iter().map(|(name, chain)| (name.clone(), chain.clone())));
        }
        whole.ruleset = Some(ruleset);
        whole
    }

    proptest! {
        #[test]
        fn the_sum_is_the_sum_whatever_came_and_went(
            changes in proptest::collection::vec((0u8..4, part()), 1..20)
        ) {
            let mut assembly = Assembly::new(Profile::Router, Some("t"));
            let mut parts = BTreeMap::new();
            for (key, part) in changes {
                assembly.put(key, part.clone());
                match part {
                    Some(part) => drop(parts.insert(key, part)),
                    None => drop(parts.remove(&key)),
                }
                prop_assert_eq!(assembly.namespace(), sum(&parts));
            }
            for key in 0..4 {
                assembly.put(key, None);
            }
            prop_assert!(assembly.shared.is_empty());
        }
    }
}

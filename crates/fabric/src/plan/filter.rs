//! Packet filters: one transaction from a table to another.
//!
//! The order within a transaction follows from what refers to what: rules and map elements point to chains, rules
//! point to sets. So what points is taken away first, and written last.

use super::{Pair, Step, differences};
use crate::topology::{Chain, OrdMap, OrdSet, Ruleset, Set};
use imbl::ordmap::DiffItem;
use std::collections::BTreeSet;
use std::fmt::Write;

/// One command to nft about the table of its step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// Makes the table if it is not there.
    AddTable,
    /// Removes the table with everything in it.
    DeleteTable,
    /// Makes a set or map without elements.
    AddSet {
        /// Its name.
        set: String,
        /// Whether it is a map.
        is_map: bool,
        /// What stands between the braces.
        declaration: String,
    },
    /// Removes a set or map with its elements.
    DeleteSet {
        /// Its name.
        set: String,
        /// Whether it is a map.
        is_map: bool,
    },
    /// Makes a chain without rules.
    AddChain {
        /// Its name.
        chain: String,
        /// What stands between the braces of a base chain.
        hook: Option<String>,
    },
    /// Removes the rules of a chain.
    FlushChain(String),
    /// Removes a chain.
    DeleteChain(String),
    /// Removes all elements of a set or map.
    FlushSet {
        /// Its name.
        set: String,
        /// Whether it is a map.
        is_map: bool,
    },
    /// Adds elements.
    AddElements {
        /// The set or map.
        set: String,
        /// At least one.
        elements: Vec<String>,
    },
    /// Removes elements.
    DeleteElements {
        /// The set or map.
        set: String,
        /// At least one.
        elements: Vec<String>,
    },
    /// Adds a rule at the end of a chain.
    AddRule {
        /// The chain.
        chain: String,
        /// The rule.
        rule: String,
    },
}

impl Edit {
    /// Writes the command as a line.
    pub(crate) fn write(&self, table: &str, out: &mut String) {
        let what = |is_map: bool| if is_map { "map" } else { "set" };
        // Writing to a string can't fail.
        let _ = match self {
            Self::AddTable => writeln!(out, "add table inet {table}"),
            Self::DeleteTable => writeln!(out, "delete table inet {table}"),
            Self::AddSet { set, is_map, declaration } => {
                writeln!(out, "add {} inet {table} {set} {{ {declaration} }}", what(*is_map))
            }
            Self::DeleteSet { set, is_map } => writeln!(out, "delete {} inet {table} {set}", what(*is_map)),
            Self::AddChain { chain, hook: Some(hook) } => writeln!(out, "add chain inet {table} {chain} {{ {hook} }}"),
            Self::AddChain { chain, hook: None } => writeln!(out, "add chain inet {table} {chain}"),
            Self::FlushChain(chain) => writeln!(out, "flush chain inet {table} {chain}"),
            Self::DeleteChain(chain) => writeln!(out, "delete chain inet {table} {chain}"),
            Self::FlushSet { set, is_map } => writeln!(out, "flush {} inet {table} {set}", what(*is_map)),
            Self::AddElements { set, elements } => {
                writeln!(out, "add element inet {table} {set} {{ {} }}", elements.join(", "))
            }
            Self::DeleteElements { set, elements } => {
                writeln!(out, "delete element inet {table} {set} {{ {} }}", elements.join(", "))
            }
            Self::AddRule { chain, rule } => writeln!(out, "add rule inet {table} {chain} {rule}"),
        };
    }
}

/// Whether a filter step makes its table anew, so that it does not matter what was there.
pub(super) fn is_replacement(step: &Step) -> bool {
    matches!(step, Step::Filter { edits, .. } if replaces(edits))
}

/// Whether edits make the table anew.
pub(crate) fn replaces(edits: &[Edit]) -> bool {
    edits.starts_with(&[Edit::AddTable, Edit::DeleteTable, Edit::AddTable])
}

/// The transactions that lead a namespace's filter to what it should be.
pub(super) fn diff(pair: &Pair<'_>) -> Vec<Step> {
    let have = pair.have.and_then(|it| it.ruleset.as_ref());
    let want = pair.want.and_then(|it| it.ruleset.as_ref());
    let step = |table: &str, edits| Step::Filter { ns: pair.name.clone(), table: table.to_owned(), edits };
    match (have, want) {
        (None, None) => vec![],
        (Some(have), None) => vec![step(&have.table, remove())],
        (None, Some(want)) => vec![step(&want.table, replace(want))],
        (Some(have), Some(want)) if have == want => vec![],
        (Some(have), Some(want)) if have.table != want.table => {
            vec![step(&want.table, replace(want)), step(&have.table, remove())]
        }
        (Some(have), Some(want)) => {
            let edits = if needs_replacement(have, want) { replace(want) } else { change(have, want) };
            vec![step(&want.table, edits)]
        }
    }
}

/// Works whether the table is there or not: nft 1.0.6 has no `destroy`.
fn remove() -> Vec<Edit> {
    vec![Edit::AddTable, Edit::DeleteTable]
}

/// Works whether the table is there or not, and leaves no moment without a filter.
pub(crate) fn replace(want: &Ruleset) -> Vec<Edit> {
    let mut edits = vec![Edit::AddTable, Edit::DeleteTable, Edit::AddTable];
    edits.extend(change(&Ruleset { table: want.table.clone(), ..Ruleset::default() }, want));
    edits
}

/// A chain's hook can't be changed in place, and what jumps to the chain would have to be unravelled.
fn needs_replacement(have: &Ruleset, want: &Ruleset) -> bool {
    changed(&have.chains, &want.chains).any(|it| matches!(it, (_, Some(old), Some(new)) if old.hook != new.hook))
}

/// The entries of two maps that differ: name, before, after. Costs what the maps do not share.
fn changed<'a, V: PartialEq + Clone>(
    have: &'a OrdMap<String, V>,
    want: &'a OrdMap<String, V>,
) -> impl Iterator<Item = (&'a String, Option<&'a V>, Option<&'a V>)> {
    have.diff(want).map(|it| match it {
        DiffItem::Add(name, new) => (name, None, Some(new)),
        DiffItem::Update { old: (name, old), new: (_, new) } => (name, Some(old), Some(new)),
        DiffItem::Remove(name, old) => (name, Some(old), None),
    })
}

fn change(have: &Ruleset, want: &Ruleset) -> Vec<Edit> {
    let redeclared: BTreeSet<&str> = changed(&have.sets, &want.sets)
        .filter(|it| matches!(it, (_, Some(old), Some(new)) if !same_declaration(old, new)))
        .map(|(name, ..)| name.as_str())
        .collect();
    let mut edits = Vec::new();
    let (flushed, rules) = chain_edits(have, want, &redeclared);
    // What is new and refers to nothing.
    for (name, old, new) in changed(&have.chains, &want.chains) {
        if let (None, Some(chain)) = (old, new) {
            edits.push(Edit::AddChain { chain: name.clone(), hook: chain.hook.clone() });
        }
    }
    edits.extend(flushed);
    let (less, more) = set_edits(have, want, &redeclared);
    edits.extend(less);
    let gone = changed(&have.chains, &want.chains).filter(|(_, _, new)| new.is_none());
    edits.extend(gone.map(|(name, ..)| Edit::DeleteChain(name.clone())));
    edits.extend(more);
    edits.extend(rules);
    edits
}

fn same_declaration(one: &Set, other: &Set) -> bool {
    one.is_map == other.is_map && one.declaration == other.declaration
}

/// What empties chains, and what fills them again.
fn chain_edits(have: &Ruleset, want: &Ruleset, redeclared: &BTreeSet<&str>) -> (Vec<Edit>, Vec<Edit>) {
    let mut flushed = Vec::new();
    let mut rules = Vec::new();
    let empty = Chain::default();
    let mut names: BTreeSet<&String> = changed(&have.chains, &want.chains).map(|(name, ..)| name).collect();
    if !redeclared.is_empty() {
        // Whatever refers to a set that is made anew must let go of the old one.
        names.extend(have.chains.keys());
    }
    for name in names {
        let old = have.chains.get(name);
        let new = want.chains.get(name).unwrap_or(&empty);
        let held: &[String] = old.map_or(&[], |chain| &chain.rules);
        let refers = held.iter().any(|rule| mentions(rule, redeclared));
        let kept = if !refers && new.rules.starts_with(held) { held.len() } else { 0 };
        if !held.is_empty() && kept == 0 {
            flushed.push(Edit::FlushChain(name.clone()));
        }
        let more = new.rules.iter().skip(kept);
        rules.extend(more.map(|rule| Edit::AddRule { chain: name.clone(), rule: rule.clone() }));
    }
    (flushed, rules)
}

/// Whether a rule uses one of the sets, as `@name`.
fn mentions(rule: &str, sets: &BTreeSet<&str>) -> bool {
    if sets.is_empty() {
        return false;
    }
    let name =
        |rest: &'_ str| -> usize { rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len()) };
    rule.split('@').skip(1).any(|rest| sets.contains(&rest[..name(rest)]))
}

/// What takes sets and elements away, and what brings them.
fn set_edits(have: &Ruleset, want: &Ruleset, redeclared: &BTreeSet<&str>) -> (Vec<Edit>, Vec<Edit>) {
    let mut less = Vec::new();
    let mut more = Vec::new();
    for (name, old, new) in changed(&have.sets, &want.sets) {
        if let Some(old) = old
            && (new.is_none() || redeclared.contains(name.as_str()))
        {
            less.push(Edit::DeleteSet { set: name.clone(), is_map: old.is_map });
        }
    }
    let nothing = OrdSet::new();
    for (name, old, new) in changed(&have.sets, &want.sets) {
        let Some(new) = new else { continue };
        let old = old.filter(|_| !redeclared.contains(name.as_str()));
        if old.is_none() {
            let (set, declaration) = (name.clone(), new.declaration.clone());
            more.push(Edit::AddSet { set, is_map: new.is_map, declaration });
        }
        let held = old.map_or(&nothing, |set| &set.elements);
        let (removed, mut added) = differences(held, &new.elements);
        let owned = |elements: Vec<&String>| elements.into_iter().cloned().collect::<Vec<String>>();
        if !removed.is_empty() && !added.is_empty() && is_interval(new) {
            // nft checks new intervals against those that the same transaction removes.
            less.push(Edit::FlushSet { set: name.clone(), is_map: new.is_map });
            added = new.elements.iter().collect();
        } else if !removed.is_empty() {
            less.push(Edit::DeleteElements { set: name.clone(), elements: owned(removed) });
        }
        if !added.is_empty() {
            more.push(Edit::AddElements { set: name.clone(), elements: owned(added) });
        }
    }
    (less, more)
}

fn is_interval(set: &Set) -> bool {
    set.declaration.contains("interval")
}

/// The sets of a table, for those who check one against a kernel.
#[cfg(test)]
pub(super) fn key_of(element: &str) -> &str {
    element.split(" : ").next().unwrap_or(element)
}

//! Bookkeeping of writes that are no apply.

use super::entry::{self, Entry, Operation};
use super::{Manager, cap};
use crate::fields::Set;
use crate::typed::{Comparison, identical};
use serde_json::Value;

impl Manager<'_> {
    /// Writes into `new` who owns what after `by` made it of `live` at `now` (RFC 3339 in seconds, UTC); `live` is
    /// `None` for a create. What the client sent as entries is taken where it can be read.
    pub fn update(&self, live: Option<&Value>, new: &mut Value, by: &str, now: &str) {
        let sent = entry::take(new);
        let reset = self.subresource.is_empty() && sent.as_ref().is_some_and(entry::is_reset);
        let comparison = self.compare(live.unwrap_or(self.zero), new);
        let known = live.and_then(entry::of);
        let is_known = |it: &Value| known.is_some_and(|known| identical(it, known));
        let sent = sent.filter(|it| self.subresource.is_empty() && !is_known(it));
        if comparison.is_same() && !reset && live.is_some() && sent.is_none() {
            // Nothing changed and nobody asks for more.
            entry::store_json(new, known.cloned());
            return;
        }
        let mut entries = if reset { Vec::new() } else { decode_either(sent, known) };
        if live.is_some() && entries.is_empty() {
            // Nobody began to keep track of this object, or somebody asked to stop.
            return;
        }
        self.reconcile(&mut entries);
        self.take_ownership(&mut entries, live.unwrap_or(self.zero), new, comparison, by, now);
        cap::cap_updates(&mut entries);
        entry::store(new, entries);
    }

    /// Gives the fields that differ to `by`, and takes them from all others.
    pub(super) fn take_ownership(
        &self,
        entries: &mut Vec<Entry>,
        old: &Value,
        new: &Value,
        comparison: Comparison,
        by: &str,
        now: &str,
    ) {
        self.release(entries, old, new, &comparison);
        let Comparison { added: mut own, modified, .. } = comparison;
        own.add(modified);
        if own.is_empty() {
            return;
        }
        let by = if by.is_empty() { "unknown" } else { by };
        let mut mine = Entry::new(by, Operation::Update, self.api_version, self.subresource);
        mine.time = Some(now.to_owned());
        mine.fields = own;
        match entries.iter_mut().find(|it| it.is_same(&mine)) {
            Some(earlier) => {
                mine.fields.add(std::mem::take(&mut earlier.fields));
                *earlier = mine;
            }
            None => entries.push(mine),
        }
    }

    /// Takes the fields that differ from their owners; entries without fields, and of versions that are gone, go.
    pub(super) fn release(&self, entries: &mut Vec<Entry>, old: &Value, new: &Value, comparison: &Comparison) {
        let mut others: Vec<(String, Option<Comparison>)> = Vec::new();
        entries.retain_mut(|entry| {
            let differs = if entry.api_version == self.api_version {
                comparison
            } else {
                if !others.iter().any(|it| it.0 == entry.api_version) {
                    others.push((entry.api_version.clone(), self.compare_in(&entry.api_version, old, new)));
                }
                let found = others.iter().find(|it| it.0 == entry.api_version).and_then(|it| it.1.as_ref());
                let Some(differs) = found else { return false };
                differs
            };
            let before = [&differs.added, &differs.modified, &differs.removed];
            if before.iter().any(|it| entry.fields.intersects(it)) {
                before.iter().for_each(|it| entry.fields.subtract(it));
                entry.changed();
            }
            !entry.fields.is_empty()
        });
    }
}

/// What the client sent, unless it is nothing or can't be read; else what is known.
fn decode_either(sent: Option<Value>, known: Option<&Value>) -> Vec<Entry> {
    match sent.map(entry::decode) {
        Some(Ok(entries)) if !entries.is_empty() => entries,
        _ => known.and_then(|it| entry::decode(it.clone()).ok()).unwrap_or_default(),
    }
}

/// The union of what entries own, version by version.
pub(super) fn by_version<'e>(entries: impl Iterator<Item = &'e Entry>) -> Vec<(&'e str, Set)> {
    let mut all: Vec<(&str, Set)> = Vec::new();
    for entry in entries {
        match all.iter_mut().find(|it| it.0 == entry.api_version) {
            Some((_, set)) => set.add(entry.fields.clone()),
            None => all.push((&entry.api_version, entry.fields.clone())),
        }
    }
    all
}

//! The bound on the number of entries of updates.

use super::entry::{Entry, Operation};

/// How many entries of updates an object keeps apart.
const MAX_UPDATES: usize = 10;

/// Folds the oldest entries of updates, version by version, until there are few enough.
pub(super) fn cap_updates(entries: &mut Vec<Entry>) {
    let is_update = |it: &Entry| it.operation == Operation::Update;
    if entries.iter().filter(|it| is_update(it)).count() <= MAX_UPDATES {
        return;
    }
    let all = std::mem::take(entries);
    let (mut updates, applies): (Vec<Entry>, Vec<Entry>) = all.into_iter().partition(is_update);
    *entries = applies;
    updates.sort_by_cached_key(|it| (it.time.clone().unwrap_or_default(), it.identity()));
    let mut surplus = updates.len() - MAX_UPDATES;
    let mut kept: Vec<Entry> = Vec::with_capacity(MAX_UPDATES);
    for entry in updates {
        // The first of a version stays what it is until there is a second to fold it with.
        let first = kept.iter_mut().find(|it| surplus > 0 && it.api_version == entry.api_version);
        match first {
            Some(first) => {
                "ancient-changes".clone_into(&mut first.manager);
                first.subresource.clear();
                first.fields.add(entry.fields);
                first.time = entry.time;
                first.changed();
                surplus -= 1;
            }
            None => kept.push(entry),
        }
    }
    entries.append(&mut kept);
}

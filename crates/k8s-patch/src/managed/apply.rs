//! Server-side apply.

use super::entry::{self, Entry, Operation};
use super::update::by_version;
use super::{ApplyError, Conflict, Manager, conflict, last_applied};
use crate::fields::Set;
use crate::typed::{Schema, identical, same};
use serde_json::{Map, Value};
use std::borrow::Cow;

impl Manager<'_> {
    /// Lays `applied` over `live` (`None` for a create) for the manager `by`. The answer has all that must be stored
    /// but defaults; it is `live` where nothing changed. `now` is RFC 3339 in seconds, UTC.
    pub fn apply(
        &self,
        live: Option<&Value>,
        applied: &Value,
        by: &str,
        force: bool,
        now: &str,
    ) -> Result<Value, ApplyError> {
        self.check_request(applied)?;
        let empty = Value::Object(Map::new());
        let base = live.unwrap_or(&empty);
        let known = entry::of(base).cloned().unwrap_or_default();
        let mut entries = entry::decode(known)
            .map_err(|error| ApplyError::Failed(format!("failed to decode managed fields: {error}")))?;
        if entries.is_empty() && live.is_some() {
            let comparison = self.compare(self.zero, base);
            self.take_ownership(&mut entries, self.zero, base, comparison, "before-first-apply", now);
        }
        self.check_schema(base, applied)?;
        self.reconcile(&mut entries);

        let (mut object, entries) = if by == last_applied::MANAGER {
            let (mut object, entries) = match self.lay_over(base, applied, entries.clone(), by, force, now) {
                Err(ApplyError::Conflict(conflicts)) => {
                    let left = last_applied::disallowed(self, base, conflicts);
                    if !left.is_empty() {
                        return Err(ApplyError::Conflict(left));
                    }
                    self.lay_over(base, applied, entries, by, true, now)?
                }
                other => other?,
            };
            last_applied::sync(&mut object, applied);
            (object, entries)
        } else {
            self.lay_over(base, applied, entries, by, force, now)?
        };
        entry::store(&mut object, entries);
        Ok(object)
    }

    fn check_request(&self, applied: &Value) -> Result<(), ApplyError> {
        let text = |name: &str| applied.get(name).and_then(Value::as_str).unwrap_or_default();
        let (api_version, kind) = (text("apiVersion"), text("kind"));
        if api_version != self.api_version || kind != self.kind {
            return Err(ApplyError::BadRequest(format!(
                "invalid object type: {}",
                group_version_kind(api_version, kind)
            )));
        }
        if entry::of(applied).is_some_and(Value::is_array) {
            return Err(ApplyError::BadRequest("metadata.managedFields must be nil".to_owned()));
        }
        Ok(())
    }

    fn check_schema(&self, live: &Value, applied: &Value) -> Result<(), ApplyError> {
        let failed = |what: &str, object: &Value, error: &dyn std::fmt::Display| {
            let name = |name| object.pointer(&format!("/metadata/{name}")).and_then(Value::as_str).unwrap_or_default();
            let kind = group_version_kind(self.api_version, self.kind);
            let (namespace, name) = (name("namespace"), name("name"));
            ApplyError::Failed(format!("failed to create typed {what} object ({namespace}/{name}; {kind}): {error}"))
        };
        self.schema.check(applied, false).map_err(|error| failed("patch", applied, &error))?;
        self.schema.check(live, true).map_err(|error| failed("live", live, &error))
    }

    fn lay_over(
        &self,
        live: &Value,
        applied: &Value,
        mut entries: Vec<Entry>,
        by: &str,
        force: bool,
        now: &str,
    ) -> Result<(Value, Vec<Entry>), ApplyError> {
        let mut mine = Entry::new(by, Operation::Apply, self.api_version, self.subresource);
        mine.fields = self.schema.to_field_set(applied);
        mine.fields.subtract_recursive(self.reset);
        let last = entries.iter().position(|it| it.is_same(&mine)).map(|at| entries.remove(at));

        let merged = self.schema.merge(live, applied);
        let object = self.prune(merged, &entries, &mine, last.as_ref());
        let comparison = self.compare(live, &object);
        if !force {
            let mut conflicts = self.conflicts(&entries, live, &object, &comparison);
            if !conflicts.is_empty() {
                conflict::sort(&mut conflicts);
                return Err(ApplyError::Conflict(conflicts));
            }
        }
        self.release(&mut entries, live, &object, &comparison);
        mine.fields.subtract(super::unowned());
        // An apply that changes nothing leaves no trace of when it was.
        let changed = !identical(live, &object) && !same(live, &object);
        match last {
            Some(last) if !changed && last.api_version == mine.api_version && last.fields == mine.fields => {
                entries.push(last);
            }
            last => {
                mine.time = if changed { Some(now.to_owned()) } else { last.and_then(|it| it.time) };
                if !mine.fields.is_empty() {
                    entries.push(mine);
                }
            }
        }
        Ok((object, entries))
    }

    fn conflicts(
        &self,
        entries: &[Entry],
        live: &Value,
        object: &Value,
        comparison: &crate::typed::Comparison,
    ) -> Vec<Conflict> {
        let mut conflicts = Vec::new();
        for entry in entries {
            let other =
                (entry.api_version != self.api_version).then(|| self.compare_in(&entry.api_version, live, object));
            let differs = match &other {
                None => comparison,
                Some(Some(differs)) => differs,
                Some(None) => continue,
            };
            let changed = differs.modified.union(&differs.added);
            let fields = entry.fields.intersection(&changed);
            conflicts.append(&mut conflict::with(entry, &fields));
        }
        conflicts
    }

    /// Removes from `merged` what this manager applied last, does not apply now, and nobody else owns.
    fn prune(&self, merged: Value, others: &[Entry], mine: &Entry, last: Option<&Entry>) -> Value {
        let Some(last) = last.filter(|it| !it.fields.is_empty()) else { return merged };
        let version = last.api_version.as_str();
        let (Some(schema), Some(in_version)) =
            (self.versions.schema(version), self.versions.convert(&merged, self.api_version, version))
        else {
            return merged;
        };
        let last = named(&schema, last.fields.clone());
        if version == self.api_version && last.difference(&named(&schema, mine.fields.clone())).is_empty() {
            return merged;
        }
        let mut pruned = in_version.clone().into_owned();
        schema.remove_items(&mut pruned, &last);
        let mut owned = by_version(others.iter().chain([mine]));
        // What is owned in the version of the last apply first: conversions may need it.
        owned.sort_by_key(|it| it.0 != version);
        for (owned_in, owned) in owned {
            if let Some(back) = self.add_back(&in_version, &pruned, version, owned_in, owned) {
                pruned = back;
            }
        }
        // Only what the last apply had may go.
        let mut gone = named(&schema, schema.to_field_set(&in_version));
        gone.subtract(&named(&schema, schema.to_field_set(&pruned)));
        let gone = gone.intersection(&last);
        let mut object = in_version.into_owned();
        schema.remove_items(&mut object, &gone);
        match self.versions.convert(&object, version, self.api_version) {
            Some(Cow::Owned(converted)) => converted,
            _ => object,
        }
    }

    /// `pruned` with all of `merged` that is `owned` in version `owned_in`; both are of `version`.
    fn add_back(&self, merged: &Value, pruned: &Value, version: &str, owned_in: &str, owned: Set) -> Option<Value> {
        let schema = self.versions.schema(owned_in)?;
        let merged = self.versions.convert(merged, version, owned_in)?;
        let pruned = self.versions.convert(pruned, version, owned_in)?;
        let mut gone = named(&schema, schema.to_field_set(&merged));
        gone.subtract(&named(&schema, schema.to_field_set(&pruned)));
        gone.subtract(&named(&schema, owned));
        let mut back = merged.into_owned();
        schema.remove_items(&mut back, &gone);
        match self.versions.convert(&back, owned_in, version) {
            Some(Cow::Owned(converted)) => Some(converted),
            _ => Some(back),
        }
    }
}

fn named(schema: &Schema<'_>, mut set: Set) -> Set {
    schema.ensure_named(&mut set);
    set
}

/// `apps/v1, Kind=Deployment`; the core group is nothing before the slash.
fn group_version_kind(api_version: &str, kind: &str) -> String {
    let slash = if api_version.contains('/') { "" } else { "/" };
    format!("{slash}{api_version}, Kind={kind}")
}

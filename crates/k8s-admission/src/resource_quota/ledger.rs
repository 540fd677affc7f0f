//! What is used of everything in namespaces with quotas, and what is promised.

use super::scopes;
use super::usage::Usage;
use crate::amounts::Amounts;
use crate::step::Outcome;
use jiff::Timestamp;
use k8s_kinds::value::Look;
use k8s_registry::admission::Attempt;
use k8s_registry::{ListQuery, keys};
use k8s_types::Status;
use k8s_types::quantity::Quantity;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a write may take that was admitted: after that its room is free again.
const PATIENCE: Duration = Duration::from_secs(5);
/// More ledgers than this are not kept when nothing is promised in them.
const MOST: usize = 512;

/// The ledgers by the scopes of their objects' keys: one for each resource of a namespace.
#[derive(Default)]
pub(super) struct Ledgers {
    all: Mutex<HashMap<String, Arc<Mutex<Ledger>>>>,
}

#[derive(Default)]
struct Ledger {
    /// By the objects' keys.
    records: HashMap<Box<[u8]>, Record>,
    /// By the objects' keys.
    promises: HashMap<Box<[u8]>, Promise>,
    /// Tells records that were seen in the last look from those that were not.
    look: u64,
}

struct Record {
    revision: u64,
    usage: Usage,
    look: u64,
}

/// An object as it will be when a write that was admitted is done.
struct Promise {
    usage: Usage,
    /// The version that the write is of; 0 for a new object.
    revision: u64,
    made: Instant,
}

/// What is used, by everybody but the object that is asked about.
pub(super) struct Used<'a> {
    ledger: &'a Ledger,
    own: &'a [u8],
    now: Timestamp,
}

impl Ledgers {
    /// The ledger of an attempt's resource in its namespace.
    fn of(&self, attempt: &Attempt<'_>) -> Arc<Mutex<Ledger>> {
        let mut all = lock(&self.all);
        if all.len() > MOST {
            all.retain(|_, it| Arc::strong_count(it) > 1 || !lock(it).promises.is_empty());
        }
        all.entry(keys::scope(&attempt.endpoint.prefix, attempt.namespace)).or_default().clone()
    }

    /// Asks whether a write fits in beside all that is there and promised, and promises it its room if so.
    pub(super) fn book(
        &self,
        attempt: &Attempt<'_>,
        name: &str,
        old: Option<&Value>,
        usage: Usage,
        judge: impl FnOnce(&Used<'_>) -> Outcome,
    ) -> Outcome {
        let key = keys::object(&attempt.endpoint.prefix, attempt.namespace, name);
        let shared = self.of(attempt);
        let mut ledger = lock(&shared);
        ledger.refresh(attempt)?;
        judge(&Used { ledger: &ledger, own: &key, now: attempt.now })?;
        if !attempt.dry_run {
            let version = old.map(|it| it.at("metadata").text("resourceVersion"));
            let revision = version.and_then(|it| it.parse().ok()).unwrap_or(0);
            ledger.promises.insert(key.as_ref().into(), Promise { usage, revision, made: Instant::now() });
        }
        Ok(())
    }

    /// Forgets what was promised for a new object that is there by now.
    pub(super) fn release(&self, attempt: &Attempt<'_>, name: &str) {
        let all = lock(&self.all);
        if all.is_empty() {
            return;
        }
        let prefix = &attempt.endpoint.prefix;
        let ledger = all.get(&keys::scope(prefix, attempt.namespace)).cloned();
        drop(all);
        if let Some(ledger) = ledger {
            let key = keys::object(prefix, attempt.namespace, name);
            // A change that is under way is not done because its object is there.
            let promises = &mut lock(&ledger).promises;
            if promises.get(key.as_ref()).is_some_and(|it| it.revision == 0) {
                promises.remove(key.as_ref());
            }
        }
    }
}

fn lock<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ledger {
    /// Looks at what is there; reads what changed since the last look.
    fn refresh(&mut self, attempt: &Attempt<'_>) -> Result<(), Box<Status>> {
        self.look += 1;
        let look = self.look;
        let endpoint = attempt.endpoint;
        let resource = endpoint.resource();
        let query = ListQuery { namespace: attempt.namespace, ..ListQuery::default() };
        for stored in attempt.registry.list(endpoint, &query)?.items {
            match self.records.get_mut(stored.key.as_ref()) {
                Some(record) if record.revision == stored.revision => record.look = look,
                _ => {
                    let object = attempt.registry.read(endpoint, &stored);
                    let usage = Usage::of(&resource.group, &resource.plural, &object);
                    let record = Record { revision: stored.revision, usage, look };
                    self.records.insert(stored.key.as_ref().into(), record);
                }
            }
        }
        self.records.retain(|_, it| it.look == look);
        let records = &self.records;
        self.promises.retain(|key, promise| {
            let kept = match records.get(key) {
                Some(record) => record.revision > promise.revision,
                // What is gone can't be changed any more.
                None => promise.revision > 0,
            };
            !kept && promise.made.elapsed() < PATIENCE
        });
        Ok(())
    }
}

impl Used<'_> {
    /// What is used of some resources within a quota's scopes.
    pub(super) fn under<'n>(&self, quota: &Value, names: impl Iterator<Item = &'n String>) -> Amounts {
        let mut sums: Amounts = names.map(|name| (name.clone(), Quantity::ZERO)).collect();
        let records = self.ledger.records.iter().map(|(key, it)| (key, &it.usage));
        let records = records.filter(|(key, _)| key.as_ref() == self.own || !self.ledger.promises.contains_key(*key));
        let promises = self.ledger.promises.iter().map(|(key, it)| (key, &it.usage));
        let promises = promises.filter(|(key, _)| key.as_ref() != self.own);
        for (_, usage) in records.chain(promises).filter(|(_, usage)| scopes::matches(quota, usage)) {
            for (name, sum) in &mut sums {
                if let Some(amount) = usage.of_one(name, self.now) {
                    sum.add(amount);
                }
            }
        }
        sums
    }
}

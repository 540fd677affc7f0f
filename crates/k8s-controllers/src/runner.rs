//! One task for each cluster: it watches everything, tells each controller, and does what they find.
//!
//! While nothing happens it sleeps without a timer, unless something is due at a known time.

use crate::access::{Cluster, Key, Place};
use crate::collector::Collector;
use crate::config::Config;
use crate::expiry::{self, Expiry};
use crate::namespaces::{self, Ending};
use crate::queue::{Outcome, Queue};
use crate::{addresses, aggregate, furnish, protection, tokens};
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use k8s_registry::{Registry, Stored, keys};
use k8s_types::Status;
use std::sync::Arc;
use std::time::Duration;
use store::{Event, KeyRange, KeyValue, StoreError, Watch, WatchError};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How much is under way at a time: writes that come together share a commit.
const TOGETHER: usize = 64;
/// How many objects are read at a time when everything is.
const PAGE: usize = 1000;
/// The wait before everything is read again after the watch broke.
const PAUSE: Duration = Duration::from_millis(100);

/// The controllers of a cluster, which run until this is dropped.
#[derive(Debug)]
pub struct Controllers {
    task: JoinHandle<()>,
}

/// A change of an object, or an object that was there before.
pub(crate) struct Seen<'a> {
    /// Its key.
    pub(crate) key: Key,
    /// Where it lies.
    pub(crate) place: Place<'a>,
    /// As it is now.
    pub(crate) now: Option<Stored>,
    /// As it was.
    pub(crate) before: Option<Stored>,
    /// When.
    pub(crate) revision: u64,
    /// Whether it happens now.
    pub(crate) live: bool,
}

/// Something to look at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Work {
    /// An object with owners or dependents, by its key.
    Collect(Key),
    /// A namespace that ends.
    Namespace(Key),
    /// What a namespace must have.
    Furnish(Key),
    /// Aggregated ClusterRoles.
    Aggregate,
    /// A token Secret, by its key.
    Token(Key),
    /// The Secrets of a service account: namespace and name.
    Account(Key, Key),
    /// The list of Secrets of a service account.
    Forget {
        /// Of both.
        namespace: Key,
        /// The account.
        account: Key,
        /// The Secret that went.
        secret: Key,
    },
    /// The object of an address that a Service has or had.
    Address {
        /// The address.
        address: Key,
        /// The Service's key.
        service: Key,
    },
    /// A volume or a claim that may go, by its key.
    Unprotect(Key),
    /// Events.
    Expire,
}

/// What became of a piece of work, and what else has to be looked at.
type Done = Result<(Outcome, Vec<Work>), Box<Status>>;
/// A piece of work with what became of it.
type Finished = (Work, Done);

impl Controllers {
    /// Starts them. They need the runtime that this is called in.
    pub fn start(registry: Arc<Registry>, config: Config) -> Self {
        let cluster = Arc::new(Cluster { registry, config });
        Self { task: tokio::spawn(run(cluster)) }
    }
}

impl Drop for Controllers {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(cluster: Arc<Cluster>) {
    loop {
        match Run::begin(cluster.clone()) {
            Ok((run, watch)) => match run.go(watch).await {
                WatchError::Closed => return,
                error => tracing::info!(%error, "controllers read everything again"),
            },
            Err(StoreError::Closed) => return,
            Err(error) => tracing::warn!(%error, "controllers can't read the store"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The controllers from one reading of everything to the next.
struct Run {
    cluster: Arc<Cluster>,
    queue: Queue<Work>,
    collector: Collector,
    ending: Ending,
    expiry: Expiry,
}

impl Run {
    /// Reads everything, and watches what comes after.
    fn begin(cluster: Arc<Cluster>) -> Result<(Self, Watch), StoreError> {
        let store = cluster.registry.store().clone();
        let revision = store.revision();
        let watch = store.watch(KeyRange::prefix(keys::ROOT), Some(revision + 1))?;
        let mut run = Self {
            cluster,
            queue: Queue::default(),
            collector: Collector::default(),
            ending: Ending::default(),
            expiry: Expiry::default(),
        };
        if revision > 0 {
            run.read_everything(revision)?;
        }
        for work in run.collector.everything() {
            run.queue.add(work);
        }
        Ok((run, watch))
    }

    /// Takes in all objects as they were at a revision.
    fn read_everything(&mut self, revision: u64) -> Result<(), StoreError> {
        let store = self.cluster.registry.store().clone();
        let mut range = KeyRange::prefix(keys::ROOT);
        loop {
            let found = store.range(&range, Some(revision), PAGE)?;
            let last = found.kvs.last().map(|it| it.key.clone());
            for kv in found.kvs {
                self.observe(Event::Put { kv, prev: None }, false);
            }
            match last {
                Some(last) if found.more => range.start = [&last[..], &[0]].concat().into(),
                _ => return Ok(()),
            }
        }
    }

    /// Tells every controller of a change.
    fn observe(&mut self, event: Event, live: bool) {
        let revision = event.revision();
        let key = event.key().clone();
        let Ok(text) = std::str::from_utf8(&key) else { return };
        let Some(place) = Place::of(self.cluster.catalog(), text) else { return };
        let stored = |it: KeyValue| Stored::from(it);
        let (now, before) = match event {
            Event::Put { kv, prev } => (Some(stored(kv)), prev.map(stored)),
            Event::Delete { prev, .. } => (None, prev.map(stored)),
        };
        let seen = Seen { key: Key::from(text), place, now, before, revision, live };
        let collect = self.collector.observe(&seen);
        if live {
            // What was there before is looked at once all of it is known.
            collect.into_iter().for_each(|it| self.queue.add(it));
        }
        let found =
            [self.ending.observe(&seen), furnish::observe(&seen), aggregate::observe(&seen), tokens::observe(&seen)];
        let addresses = addresses::observe(&self.cluster, &seen);
        let claims = protection::observe(&self.cluster, &seen);
        found.into_iter().flatten().chain(addresses).chain(claims).for_each(|it| self.queue.add(it));
        if self.expiry.observe(&seen) {
            let ttl = self.cluster.config.event_ttl;
            self.queue.add_at(Work::Expire, Instant::now() + if live { ttl } else { Duration::ZERO });
        }
    }

    /// Works until the watch ends.
    async fn go(mut self, mut watch: Watch) -> WatchError {
        let mut running: FuturesUnordered<BoxFuture<'static, Finished>> = FuturesUnordered::new();
        loop {
            while running.len() < TOGETHER
                && let Some(work) = self.queue.pop()
            {
                match self.begin_work(&work) {
                    Some(future) => running.push(future.map(|result| (work, result)).boxed()),
                    None => self.queue.finish(work, Outcome::Done, Instant::now()),
                }
            }
            let due = self.queue.due();
            let alarm = async {
                match due {
                    Some(when) => tokio::time::sleep_until(when).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                batch = watch.events.recv() => match batch {
                    Some(Ok(events)) => events.into_iter().for_each(|it| self.observe(it, true)),
                    Some(Err(error)) => return error,
                    None => return WatchError::Closed,
                },
                Some(finished) = running.next(), if !running.is_empty() => self.finish(finished),
                () = alarm => self.queue.wake(Instant::now()),
            }
        }
    }

    /// Begins a piece of work; nothing if there is nothing to wait for.
    fn begin_work(&mut self, work: &Work) -> Option<BoxFuture<'static, Done>> {
        let cluster = self.cluster.clone();
        let plain = |done: Result<(), Box<Status>>| done.map(|()| (Outcome::Done, Vec::new()));
        let timed = |done: Result<Outcome, Box<Status>>| done.map(|outcome| (outcome, Vec::new()));
        Some(match work.clone() {
            Work::Collect(key) => {
                let mut job = match self.collector.plan(&cluster, &key) {
                    Ok(job) => job?,
                    Err(status) => return Some(std::future::ready(Err(status)).boxed()),
                };
                job.take_visits().into_iter().for_each(|it| self.queue.add(it));
                if job.is_nothing() {
                    return None;
                }
                job.carry_out(cluster).map(plain).boxed()
            }
            Work::Namespace(name) => namespaces::end(cluster, name).map(timed).boxed(),
            Work::Furnish(name) => furnish::furnish(cluster, name).map(plain).boxed(),
            Work::Aggregate => aggregate::aggregate(cluster).map(plain).boxed(),
            Work::Token(key) => tokens::token(cluster, key).map(plain).boxed(),
            Work::Account(namespace, name) => {
                let look = tokens::account(&cluster, &namespace, &name);
                std::future::ready(look.map(|look| (Outcome::Done, look))).boxed()
            }
            Work::Forget { namespace, account, secret } => {
                tokens::forget(cluster, namespace, account, secret).map(plain).boxed()
            }
            Work::Address { address, service } => addresses::keep(cluster, address, service).map(plain).boxed(),
            Work::Unprotect(key) => protection::unprotect(cluster, key).map(plain).boxed(),
            Work::Expire => {
                self.expiry.begin();
                expiry::expire(cluster).map(timed).boxed()
            }
        })
    }

    fn finish(&mut self, (work, result): Finished) {
        let mut outcome = match result {
            Ok((outcome, look)) => {
                look.into_iter().for_each(|it| self.queue.add(it));
                outcome
            }
            Err(status) => {
                if status.code != 409 {
                    tracing::warn!(?work, message = status.message, "a controller could not do its work");
                }
                Outcome::Failed
            }
        };
        if work == Work::Expire && outcome == Outcome::Done && !self.expiry.rest() {
            outcome = Outcome::Later(self.cluster.config.event_ttl);
        }
        self.queue.finish(work, outcome, Instant::now());
    }
}

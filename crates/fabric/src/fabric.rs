//! The fabric: takes desired namespaces, keeps the kernel at them.
//!
//! Every change takes one path, [`Inner::reconcile`]: lock the namespaces that the change can touch, read back those
//! that are not sure, plan, apply, remember what stands. Start-up, repair and retries only mark namespaces as unsure
//! first. A packet filter is never read back, since nft's listing can't be compared with what was written; when it is
//! not sure, it is written again in one transaction. Tracked connections do not notice.

use crate::apply::{Places, Tools, apply};
use crate::nft::Nft;
use crate::place::Place;
use crate::plan::{Step, View, plan_views, replaces};
use crate::report::{Failure, Report, Status};
use crate::state::State;
use crate::survey::{stray_filter, survey};
use crate::topology::{Anchor, Namespace, NsName, Profile};
use crate::{netns, watch};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, OwnedMutexGuard, broadcast};
use tokio::time::Instant;

/// A change is tried at once a second time, after reading back what failed: that heals a filter that somebody edited.
const PASSES: usize = 2;
/// Namespaces whose re-creation an owner has not heard of yet; a slow one then hears that it lagged and re-opens all.
const REBUILT_QUEUE: usize = 1024;

/// How to make a fabric.
#[derive(Debug, Clone)]
pub struct FabricOptions {
    /// Stands before the name of every pin in `/run/netns`, as `pn1a2b-`. Two fabrics must not share one.
    pub prefix: String,
}

/// Why the fabric could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum FabricError {
    /// A prefix that can't be part of a file's name, or that is empty and so would claim every pin of the machine.
    #[error("{0:?} is no prefix for names of namespaces: use letters, digits and dashes")]
    Prefix(String),
    /// The directory of pins could not be made or read.
    #[error("cannot use /run/netns; the fabric needs root on Linux")]
    Pins(#[source] io::Error),
    /// Watching the directory of pins failed.
    #[error("cannot watch /run/netns")]
    Watch(#[source] io::Error),
    /// Connections could not be read or cut.
    #[error("cannot cut connections through {ns}")]
    Connections {
        /// Where.
        ns: NsName,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// Some steps failed; the others were done.
    #[error("{} steps failed, the first: {}", .0.len(), .0.first().map(ToString::to_string).unwrap_or_default())]
    Steps(Vec<Failure>),
    /// The fabric was destroyed.
    #[error("the fabric was destroyed")]
    Closed,
    /// The task that did the work is gone: it panicked, or the runtime stops.
    #[error("the work was cut short")]
    Interrupted(#[source] tokio::task::JoinError),
}

/// Keeps namespaces as they should be. Clones are the same fabric; the watching ends with the last one, the namespaces
/// stay.
#[derive(Debug, Clone)]
pub struct Fabric {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) tools: Tools,
    state: Mutex<State>,
    pub(crate) closed: AtomicBool,
    /// Wakes the repairer.
    pub(crate) wake: Arc<Notify>,
    pub(crate) suspects: Mutex<BTreeSet<NsName>>,
    pub(crate) repairs: AtomicU64,
    status: tokio::sync::watch::Sender<Status>,
    rebuilt: broadcast::Sender<NsName>,
}

impl Fabric {
    /// Opens a fabric. What bears the prefix already is found, and kept until [`Fabric::set`] or [`Fabric::retain`]
    /// decides about it. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the prefix is unusable or `/run/netns` is.
    pub fn new(options: FabricOptions) -> Result<Self, FabricError> {
        let sound = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if options.prefix.is_empty() || !options.prefix.chars().all(sound) {
            return Err(FabricError::Prefix(options.prefix));
        }
        netns::prepare_pins().map_err(FabricError::Pins)?;
        let mut state = State::default();
        for name in netns::pins(&options.prefix).map_err(FabricError::Pins)? {
            let entry = state.entry(&NsName::new(name));
            entry.unsure = true;
            entry.filter_unsure = true;
        }
        let inner = Arc::new(Inner {
            tools: Tools { prefix: options.prefix, nft: Nft::new() },
            state: Mutex::new(state),
            closed: AtomicBool::new(false),
            wake: Arc::new(Notify::new()),
            suspects: Mutex::default(),
            repairs: AtomicU64::new(0),
            status: tokio::sync::watch::Sender::new(Status::default()),
            rebuilt: broadcast::Sender::new(REBUILT_QUEUE),
        });
        watch::start(&inner).map_err(FabricError::Watch)?;
        Ok(Self { inner })
    }

    /// Makes these namespaces as given; `None` is gone. The others stay as they are. Returns when all that could be
    /// done is done; a veth pair to a namespace that is not wanted (yet) waits for it.
    ///
    /// # Errors
    /// When nothing could be done. Single steps that fail are in the report, and are tried again by themselves.
    pub async fn set(&self, changes: BTreeMap<NsName, Option<Namespace>>) -> Result<Report, FabricError> {
        let names: BTreeSet<NsName> = changes.keys().cloned().collect();
        {
            let mut state = self.inner.state();
            for (name, want) in changes {
                state.set_want(&name, want);
            }
        }
        self.inner.reconcile(names).await
    }

    /// Removes every namespace of the prefix but these: what an earlier run left and nobody wants any more.
    ///
    /// # Errors
    /// As [`Fabric::set`].
    pub async fn retain(&self, keep: &BTreeSet<NsName>) -> Result<Report, FabricError> {
        let others: Vec<NsName> = self.inner.state().entries.keys().filter(|it| !keep.contains(*it)).cloned().collect();
        self.set(others.into_iter().map(|name| (name, None)).collect()).await
    }

    /// How the fabric is, and every change of that.
    pub fn status(&self) -> tokio::sync::watch::Receiver<Status> {
        self.inner.status.subscribe()
    }

    /// Hears of namespaces that had to be made again (an instance has another process): sockets inside must be
    /// re-opened.
    pub fn on_rebuilt(&self) -> broadcast::Receiver<NsName> {
        self.inner.rebuilt.subscribe()
    }

    /// What packet filters are written with.
    pub fn filter_engine(&self) -> &'static str {
        self.inner.tools.nft.describe()
    }
}

/// What one pass over some namespaces came to.
enum Pass {
    /// More namespaces have to be locked first.
    Involves(BTreeSet<NsName>),
    Done(Report),
}

impl Inner {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings some namespaces to what is wanted.
    pub(crate) async fn reconcile(self: &Arc<Self>, names: BTreeSet<NsName>) -> Result<Report, FabricError> {
        let start = Instant::now();
        let mut total = Report::default();
        let mut involved = self.state().involved(&names);
        let mut passes = 0;
        while passes < PASSES {
            let guards = self.lock(&involved).await;
            if self.closed.load(Ordering::Acquire) {
                return Err(FabricError::Closed);
            }
            let (inner, all) = (Arc::clone(self), involved.clone());
            let pass = tokio::task::spawn_blocking(move || inner.pass(&all));
            match pass.await.map_err(FabricError::Interrupted)? {
                Pass::Involves(more) => involved.extend(more),
                Pass::Done(report) => {
                    passes += 1;
                    total.done.extend(report.done);
                    total.refreshed.extend(report.refreshed);
                    total.failed = report.failed;
                    total.waiting = report.waiting;
                    self.watch_routers(&involved);
                    if total.failed.is_empty() {
                        break;
                    }
                }
            }
            drop(guards);
        }
        total.took = start.elapsed();
        self.publish(&involved, &total);
        Ok(total)
    }

    pub(crate) async fn lock(&self, names: &BTreeSet<NsName>) -> Vec<OwnedMutexGuard<()>> {
        let locks: Vec<_> = {
            let mut state = self.state();
            names.iter().map(|name| Arc::clone(&state.entry(name).lock)).collect()
        };
        let mut guards = Vec::with_capacity(locks.len());
        for lock in locks {
            guards.push(lock.lock_owned().await);
        }
        guards
    }

    /// Blocks. The caller holds the locks of `involved`.
    fn pass(&self, involved: &BTreeSet<NsName>) -> Pass {
        for name in involved {
            self.survey(name);
        }
        let grown = self.state().involved(involved);
        if !grown.is_subset(involved) {
            return Pass::Involves(grown);
        }
        let task = self.task(involved);
        let have: View<'_> = task.have.iter().map(|(name, it)| (name, it.as_ref())).collect();
        let want: View<'_> = task.want.iter().map(|(name, it)| (name, it.as_ref())).collect();
        let plan = plan_views(&have, &want);
        if plan.steps.is_empty() {
            self.commit(involved, &task, &BTreeSet::new());
            return Pass::Done(Report { waiting: task.waiting, ..Report::default() });
        }
        let mut places = task.places.clone();
        let applied = apply(plan, &mut places, &self.tools);
        let mut report = Report { waiting: task.waiting.clone(), ..Report::default() };
        let mut rebuilt = Vec::new();
        for step in applied.done {
            match &step {
                Step::Filter { ns, edits, .. } if replaces(edits) && task.refresh.contains(ns) => {
                    report.refreshed.push(ns.clone());
                }
                Step::Create { ns, .. } => {
                    rebuilt.push(ns.clone());
                    report.done.push(step);
                }
                _ => report.done.push(step),
            }
        }
        let mut unsure = BTreeSet::new();
        for (step, error) in applied.failed {
            unsure.extend(self.doubt(&step));
            report.failed.push(Failure { ns: step.ns().clone(), step: step.to_string(), cause: error.to_string() });
        }
        self.announce(&rebuilt);
        self.settle(involved, places);
        self.commit(involved, &task, &unsure);
        Pass::Done(report)
    }

    /// Reads a namespace back if it is not sure.
    fn survey(&self, name: &NsName) {
        let (want, have, place, filter_unsure) = {
            let mut state = self.state();
            let entry = state.entry(name);
            if !entry.unsure && !entry.filter_unsure {
                return;
            }
            if !entry.unsure && entry.want.as_ref().is_some_and(|it| it.ruleset.is_some()) {
                return; // Only the filter, and that is written again without a look.
            }
            (entry.want.clone(), entry.have.clone(), entry.place.clone(), entry.filter_unsure)
        };
        let anchor = want.as_ref().or(have.as_ref()).map_or(Anchor::Pinned, |it| it.anchor.clone());
        let profile = want.as_ref().or(have.as_ref()).map_or(Profile::Host, |it| it.profile);
        let place = place.filter(|place| place.is_anchored(&anchor) && place.open().is_ok());
        let place = place.or_else(|| Place::find(&self.tools.pin(name), &anchor, profile).ok().map(Arc::new));
        let found = place.as_ref().and_then(|place| {
            let mut found = survey(place, &anchor, profile).ok()?;
            if anchor != Anchor::Pinned && !self.far_ends(name).is_subset(&found.links) {
                return None; // Another life of the process's name: nothing of ours is there.
            }
            found.namespace.ruleset = match (&want, filter_unsure) {
                (_, false) => have.as_ref().and_then(|it| it.ruleset.clone()),
                (Some(want), true) if want.ruleset.is_some() => None,
                _ => stray_filter(place).ok().flatten(),
            };
            Some(found.namespace)
        });
        let mut state = self.state();
        let place = place.filter(|_| found.is_some());
        state.set_have(name, found.map(Arc::new));
        let entry = state.entry(name);
        entry.place = place;
        entry.unsure = false;
        // Whether the filter is sure is decided when it was written; a stray one is known now.
        entry.filter_unsure = filter_unsure && want.is_some_and(|it| it.ruleset.is_some());
    }

    /// The names of links that others' pairs should have in a namespace.
    fn far_ends(&self, name: &NsName) -> BTreeSet<String> {
        let state = self.state();
        let listers = state.entries.get(name).into_iter().flat_map(|entry| entry.listed_by.keys());
        listers
            .filter_map(|lister| state.entries.get(lister)?.want.as_ref())
            .flat_map(|namespace| crate::plan::links_of(&namespace.facts))
            .filter(|veth| veth.peer_ns == *name)
            .map(|veth| veth.peer_name.clone())
            .collect()
    }

    fn task(&self, involved: &BTreeSet<NsName>) -> Task {
        let state = self.state();
        let mut task = Task::default();
        for name in involved {
            let Some(entry) = state.entries.get(name) else { continue };
            if let Some(have) = &entry.have {
                let have = match &have.ruleset {
                    Some(_) if entry.filter_unsure => Arc::new(Namespace { ruleset: None, ..(**have).clone() }),
                    _ => Arc::clone(have),
                };
                task.have.insert(name.clone(), have);
                if entry.filter_unsure {
                    task.refresh.insert(name.clone());
                }
            }
            if let Some(want) = &entry.want {
                let mut possible = Arc::clone(want);
                if state.lacks_peers(name)
                    && let Cow::Owned(part) = crate::plan::possible(want, &|peer| state.wants(peer))
                {
                    let lacking = crate::plan::links_of(&want.facts).filter(|it| !state.wants(&it.peer_ns));
                    task.waiting.extend(lacking.map(|it| (name.clone(), it.name.clone(), it.peer_ns.clone())));
                    possible = Arc::new(part);
                }
                task.want.insert(name.clone(), possible);
            }
            if let Some(place) = &entry.place {
                task.places.insert(name.clone(), Arc::clone(place));
            }
        }
        task
    }

    /// Marks what a failed step leaves in doubt, and says which namespaces that are.
    fn doubt(&self, step: &Step) -> Vec<NsName> {
        let mut state = self.state();
        let mut names = vec![step.ns().clone()];
        if let Step::AddLink { veth, .. } | Step::ChangeLink { to: veth, .. } | Step::RemoveLink { veth, .. } = step {
            names.push(veth.peer_ns.clone());
        }
        for name in &names {
            let entry = state.entry(name);
            if matches!(step, Step::Filter { .. }) {
                entry.filter_unsure = true;
            } else {
                entry.unsure = true;
            }
        }
        names
    }

    fn announce(&self, created: &[NsName]) {
        let known: Vec<&NsName> = {
            let state = self.state();
            created.iter().filter(|name| state.entries.get(*name).is_some_and(|entry| entry.known)).collect()
        };
        for name in known {
            // Nobody may be listening.
            let _ = self.rebuilt.send(name.clone());
        }
    }

    fn settle(&self, involved: &BTreeSet<NsName>, mut places: Places) {
        let mut state = self.state();
        for name in involved {
            let place = places.remove(name);
            let entry = state.entry(name);
            if place.is_none() {
                entry.watcher = None;
            }
            entry.place = place;
        }
    }

    /// Remembers what stands now. What is in doubt is read back before it is used.
    fn commit(&self, involved: &BTreeSet<NsName>, task: &Task, unsure: &BTreeSet<NsName>) {
        let mut state = self.state();
        for name in involved {
            let entry = state.entry(name);
            if unsure.contains(name) {
                // Known to be there only if it has a place; the rest is read back.
                if entry.place.is_none() {
                    state.set_have(name, None);
                }
                continue;
            }
            if task.want.contains_key(name) && task.refresh.contains(name) {
                entry.filter_unsure = false;
            }
            state.set_have(name, task.want.get(name).cloned());
            state.prune(name);
        }
    }

    fn publish(&self, involved: &BTreeSet<NsName>, report: &Report) {
        let namespaces = {
            let mut state = self.state();
            let failing: BTreeSet<&NsName> = report.failed.iter().map(|failure| &failure.ns).collect();
            for name in involved {
                if let Some(entry) = state.entries.get_mut(name) {
                    watch::schedule(entry, failing.contains(name));
                }
            }
            state.entries.values().filter(|entry| entry.place.is_some()).count()
        };
        for failure in &report.failed {
            tracing::warn!(%failure, "a step of the network failed and will be tried again");
        }
        let repairs = self.repairs.load(Ordering::Relaxed);
        self.status.send_modify(|status| {
            status.namespaces = namespaces;
            status.repairs = repairs;
            status.failing.retain(|failure| !involved.contains(&failure.ns));
            status.failing.extend(report.failed.iter().cloned());
            if !report.is_unchanged() || !report.refreshed.is_empty() {
                status.last = Some(Arc::new(report.clone()));
            }
        });
    }

    /// A namespace that exists.
    pub(crate) fn place(&self, name: &NsName) -> io::Result<Arc<Place>> {
        let place = self.state().entries.get(name).and_then(|entry| entry.place.clone());
        place.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("there is no namespace {name}")))
    }
}

/// The part of the world that one pass works on.
#[derive(Default)]
struct Task {
    have: BTreeMap<NsName, Arc<Namespace>>,
    want: BTreeMap<NsName, Arc<Namespace>>,
    places: Places,
    /// Namespaces whose filter is written again because it is not sure, not because it should change.
    refresh: BTreeSet<NsName>,
    waiting: Vec<(NsName, String, NsName)>,
}

/// How long a failing namespace rests after some failures in a row: 1, 2, 4 ... 30 s.
pub(crate) fn rest(attempts: u32) -> Duration {
    Duration::from_secs((1 << attempts.min(5)).min(30))
}

//! Repair: hearing that somebody else changed what is ours, and putting it right.
//!
//! Three sources: netlink's notices in each router, inotify for the pins, and a slow tick for what neither tells (a
//! pin that was only unmounted, a packet filter that was flushed). All they do is to mark a namespace as suspect; one
//! task then reads it back and reconciles it, as any change would.

use crate::fabric::{Inner, rest};
use crate::netlink::{Socket, dump};
use crate::netns;
use crate::place::Place;
use crate::state::{Entry, Watcher};
use crate::topology::{Fact, NsName, Profile};
use rustix::fs::inotify;
use std::collections::BTreeSet;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Notices of one act come together; this long we listen before acting.
const DEBOUNCE: Duration = Duration::from_millis(50);
/// How often retries fall due.
const TICK: Duration = Duration::from_millis(500);
/// How often the number of each packet filter is read (a few microseconds for a router).
const FILTER_TICKS: u32 = 4;
/// How often each pin is looked at.
const PIN_TICKS: u32 = 10;
/// The kernel's groups of links, neighbours, IPv4 addresses, routes and rules.
const GROUPS: u32 = 0x1 | 0x4 | 0x10 | 0x40 | 0x80;
/// One notice is far smaller.
const NOTICES: usize = 64 * 1024;

const UP: u32 = 1;
const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_DELADDR: u16 = 21;
const RTM_DELROUTE: u16 = 25;
const RTM_DELNEIGH: u16 = 29;
const RTM_DELRULE: u16 = 33;

/// Starts the repairer and the watch over the pins; both end with the fabric.
pub(crate) fn start(inner: &Arc<Inner>) -> io::Result<()> {
    let pins = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC)?;
    inotify::add_watch(&pins, netns::PINS, inotify::WatchFlags::DELETE | inotify::WatchFlags::MOVED_FROM)?;
    tokio::spawn(watch_pins(Arc::downgrade(inner), readable(pins)?));
    tokio::spawn(repair(Arc::downgrade(inner), Arc::clone(&inner.wake)));
    Ok(())
}

#[allow(unsafe_code)]
fn readable<T: AsRawFd>(source: T) -> io::Result<AsyncFd<T>> {
    // SAFETY: both kinds of source own one descriptor, name the same one each time, and close it when they are
    // dropped, which the wrapper does only after it has left the reactor.
    unsafe { AsyncFd::register_with_interest(source, Interest::READABLE) }.map_err(io::Error::from)
}

/// Plans the next attempt for a namespace that failed, or none.
pub(crate) fn schedule(entry: &mut Entry, failed: bool) {
    if failed {
        entry.retry_at = Some(Instant::now() + rest(entry.attempts));
        entry.attempts = entry.attempts.saturating_add(1);
    } else {
        entry.attempts = 0;
        entry.retry_at = None;
    }
}

impl Inner {
    /// Gives a watcher to each router that has none.
    pub(crate) fn watch_routers(self: &Arc<Self>, names: &BTreeSet<NsName>) {
        let unwatched: Vec<(NsName, Arc<Place>)> = {
            let state = self.state();
            let routers = names.iter().filter_map(|name| {
                let entry = state.entries.get(name)?;
                let router = entry.want.as_ref().is_some_and(|want| want.profile == Profile::Router);
                let place = entry.place.as_ref().filter(|_| router && entry.watcher.is_none())?;
                Some((name.clone(), Arc::clone(place)))
            });
            routers.collect()
        };
        for (name, place) in unwatched {
            let socket = place
                .open()
                .and_then(|namespace| netns::inside(namespace.as_fd(), || Socket::listener(GROUPS)))
                .and_then(readable);
            match socket {
                Ok(socket) => {
                    let task = tokio::spawn(watch_router(Arc::downgrade(self), name.clone(), place, socket));
                    self.state().entry(&name).watcher = Some(Watcher(task.abort_handle()));
                }
                Err(error) => tracing::warn!(%name, %error, "cannot watch a router; damage will not be repaired"),
            }
        }
    }

    /// Has the repairer look at a namespace.
    pub(crate) fn suspect(&self, name: NsName) {
        self.suspects.lock().unwrap_or_else(PoisonError::into_inner).insert(name);
        self.wake.notify_one();
    }

    fn has(&self, ns: &NsName, fact: &Fact) -> bool {
        let state = self.state();
        state.entries.get(ns).and_then(|entry| entry.have.as_ref()).is_some_and(|have| have.facts.contains(fact))
    }
}

async fn watch_router(inner: Weak<Inner>, name: NsName, place: Arc<Place>, socket: AsyncFd<Socket>) {
    let mut buffer = vec![0; NOTICES];
    loop {
        let Ok(mut ready) = socket.readable().await else { return };
        let Some(inner) = inner.upgrade() else { return };
        loop {
            match ready.try_io(|socket| socket.get_ref().receive(&mut buffer)) {
                Ok(Ok(length)) => {
                    if is_damage(&inner, &name, &place, &buffer[..length]) {
                        inner.suspect(name.clone());
                    }
                }
                // More happened than the socket could hold: no telling what.
                Ok(Err(_)) => inner.suspect(name.clone()),
                Err(_would_block) => break,
            }
        }
    }
}

/// Whether a notice tells that something went that we did not take away. What goes with a link that we remove is none:
/// the place has forgotten the link by then.
fn is_damage(inner: &Inner, name: &NsName, place: &Place, bytes: &[u8]) -> bool {
    let ours = place.port();
    let names = |index| place.link_name(index);
    let gone = |fact: Option<Fact>| fact.is_some_and(|fact| inner.has(name, &fact));
    crate::netlink::messages(bytes).filter(|message| message.port == 0 || Some(message.port) != ours).any(|message| {
        let body = message.body;
        match message.kind {
            RTM_DELADDR => gone(dump::read_address(body, &names, true)),
            RTM_DELNEIGH => gone(dump::read_neighbour(body, &names)),
            RTM_DELROUTE => gone(dump::read_route(body, &names)),
            RTM_DELRULE => gone(dump::read_rule(body)),
            RTM_DELLINK => dump::read_link(body).is_some_and(|link| is_used(place, &link)),
            RTM_NEWLINK if was_set_down(body) => dump::read_link(body).is_some_and(|link| is_used(place, &link)),
            _ => false,
        }
    })
}

/// Whether a notice about a link is of its being set down. That of its birth claims that all flags changed.
fn was_set_down(body: &[u8]) -> bool {
    let [flags, changed] = [8, 12].map(|at| crate::netlink::u32_at(body, at).unwrap_or(0));
    flags & UP == 0 && changed & UP != 0 && changed != u32::MAX
}

fn is_used(place: &Place, link: &dump::Link) -> bool {
    place.link_name(link.index).as_ref() == Some(&link.name)
}

async fn watch_pins(inner: Weak<Inner>, pins: AsyncFd<OwnedFd>) {
    loop {
        let Ok(mut ready) = pins.readable().await else { return };
        let Some(inner) = inner.upgrade() else { return };
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(pins.get_ref(), &mut buffer);
        while let Ok(event) = reader.next() {
            let name = event.file_name().and_then(|name| name.to_str().ok());
            let name = name.and_then(|name| name.strip_prefix(&inner.tools.prefix)).map(NsName::new);
            if let Some(name) = name.filter(|name| inner.state().wants(name)) {
                inner.suspect(name);
            }
        }
        ready.clear_ready();
    }
}

/// Holds the fabric only while it works, so that the last owner's end is the end.
async fn repair(inner: Weak<Inner>, wake: Arc<Notify>) {
    let mut ticks: u32 = 0;
    loop {
        let ticked = tokio::time::timeout(TICK, wake.notified()).await.is_err();
        let Some(this) = inner.upgrade().filter(|this| !this.closed.load(Ordering::Acquire)) else { return };
        ticks = ticks.wrapping_add(u32::from(ticked));
        if ticked && ticks.is_multiple_of(FILTER_TICKS) {
            this.check_filters();
        }
        if ticked && ticks.is_multiple_of(PIN_TICKS) {
            this.check_pins();
        }
        let due = this.due();
        if !due.is_empty() {
            tokio::time::sleep(DEBOUNCE).await;
            let names: BTreeSet<NsName> = due.into_iter().chain(this.due()).collect();
            this.look_again(names).await;
        }
    }
}

impl Inner {
    /// Suspects, and those whose retry has come.
    fn due(&self) -> BTreeSet<NsName> {
        let mut names = std::mem::take(&mut *self.suspects.lock().unwrap_or_else(PoisonError::into_inner));
        let now = Instant::now();
        let state = self.state();
        let retries = state.entries.iter().filter(|(_, entry)| entry.retry_at.is_some_and(|at| at <= now));
        names.extend(retries.map(|(name, _)| name.clone()));
        names
    }

    async fn look_again(self: &Arc<Self>, names: BTreeSet<NsName>) {
        let mut known = BTreeSet::new();
        {
            let mut state = self.state();
            for name in names {
                if let Some(entry) = state.entries.get_mut(&name) {
                    // The filter alone may be in doubt; then the rest is not read.
                    entry.unsure |= !entry.filter_unsure;
                    known.insert(name);
                }
            }
        }
        if known.is_empty() {
            return;
        }
        self.name_again(&known).await;
        match self.reconcile(known).await {
            Ok(report) if !report.done.is_empty() || !report.refreshed.is_empty() => {
                self.repairs.fetch_add(1, Ordering::Relaxed);
                tracing::info!(done = report.done.len(), refreshed = report.refreshed.len(), "repaired the network");
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "cannot repair the network"),
        }
    }

    /// Gives names back that somebody took from namespaces which still live.
    async fn name_again(&self, names: &BTreeSet<NsName>) {
        for name in names {
            let lock = Arc::clone(&self.state().entry(name).lock);
            let _guard = lock.lock_owned().await;
            let place = {
                let state = self.state();
                state.entries.get(name).filter(|entry| entry.want.is_some()).and_then(|entry| entry.place.clone())
            };
            let Some(place) = place.filter(|place| place.is_pinned() && !place.is_named()) else { continue };
            match place.pin_again() {
                Ok(()) => {
                    self.repairs.fetch_add(1, Ordering::Relaxed);
                    tracing::info!(%name, "gave a namespace its name again");
                }
                Err(error) => tracing::warn!(%name, %error, "cannot give a namespace its name again"),
            }
        }
    }

    fn check_pins(&self) {
        let unnamed: Vec<NsName> = {
            let state = self.state();
            let pinned = state.entries.iter().filter(|(_, entry)| entry.want.is_some());
            pinned
                .filter(|(_, entry)| entry.place.as_ref().is_some_and(|it| it.is_pinned() && !it.is_named()))
                .map(|(name, _)| name.clone())
                .collect()
        };
        unnamed.into_iter().for_each(|name| self.suspect(name));
    }

    /// Finds packet filters that somebody else changed. One that is just being changed by us is left for the next
    /// time.
    fn check_filters(&self) {
        let routers: Vec<_> = {
            let state = self.state();
            let filtered = state.entries.iter().filter(|(_, entry)| {
                entry.have.as_ref().is_some_and(|have| have.profile == Profile::Router && have.ruleset.is_some())
            });
            filtered
                .filter_map(|(name, entry)| Some((name.clone(), Arc::clone(&entry.lock), entry.place.clone()?)))
                .collect()
        };
        for (name, lock, place) in routers {
            let Ok(_guard) = lock.try_lock_owned() else { continue };
            let Some(known) = place.generation() else { continue };
            if place.with_filter(crate::netlink::filter::generation).is_ok_and(|found| found != known) {
                self.state().entry(&name).filter_unsure = true;
                self.suspect(name);
            }
        }
    }
}

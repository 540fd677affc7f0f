//! The changes of a resource as watchers read them: one log for each resource that is watched, which every watcher
//! reads at its own place. A change is kept once, its frame is made once, however many watch.

use crate::encoding::Stored;
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use store::{Event, KeyRange, Store, StoreError, WatchError};
use tokio::sync::{oneshot, watch};

/// A log forgets what is older than this many changes ...
const MOST_CHANGES: usize = 4096;
/// ... or than this many bytes of objects, but never the newest ones.
const MOST_BYTES: usize = 16 << 20;

/// One change of one object.
#[derive(Debug)]
pub struct Change {
    /// The key.
    pub key: Bytes,
    /// When.
    pub revision: u64,
    /// The object afterwards; `None` when it was deleted.
    pub now: Option<Stored>,
    /// The object before; `None` when it is new.
    pub before: Option<Stored>,
    /// The frame that most watchers send; made by the first who needs it.
    pub frame: OnceLock<Bytes>,
}

impl Change {
    fn of(event: Event) -> Self {
        let key = event.key().clone();
        let revision = event.revision();
        let (now, before) = match event {
            Event::Put { kv, prev } => (Some(Stored::from(kv)), prev),
            Event::Delete { prev, .. } => (None, prev),
        };
        Self { key, revision, now, before: before.map(Stored::from), frame: OnceLock::new() }
    }

    fn size(&self) -> usize {
        let size = |it: &Option<Stored>| it.as_ref().map_or(0, |it| it.bytes.len());
        size(&self.now) + size(&self.before)
    }
}

/// The watcher has to list again: what comes next is not known any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gone {
    /// That long ago is forgotten; the oldest state that is known.
    TooOld(u64),
    /// The watcher was too slow.
    Lagged,
    /// The server stops.
    Closed,
}

#[derive(Debug)]
struct Log {
    changes: VecDeque<Arc<Change>>,
    /// The place of the first change that is kept.
    first: u64,
    /// All changes after this revision are in it.
    since: u64,
    bytes: usize,
    /// What was known when the log was begun stays until as much has come after it as a log keeps: whoever asked for
    /// it gets the time to read it that everybody has.
    backlog: Backlog,
    ended: Option<Gone>,
}

/// How much came after a log was begun.
#[derive(Debug)]
struct Backlog {
    /// The newest revision of that moment.
    until: u64,
    changes: usize,
    bytes: usize,
}

impl Log {
    fn new(since: u64, until: u64) -> Self {
        let backlog = Backlog { until, changes: 0, bytes: 0 };
        Self { changes: VecDeque::new(), first: 0, since, bytes: 0, backlog, ended: None }
    }

    fn push(&mut self, change: Change) {
        let size = change.size();
        self.bytes += size;
        if change.revision > self.backlog.until {
            self.backlog.changes += 1;
            self.backlog.bytes += size;
        }
        self.changes.push_back(Arc::new(change));
    }

    /// Forgets what is too old.
    fn trim(&mut self) {
        if self.backlog.changes <= MOST_CHANGES && self.backlog.bytes <= MOST_BYTES {
            return;
        }
        while self.changes.len() > MOST_CHANGES || self.bytes > MOST_BYTES && self.changes.len() > 1 {
            let Some(old) = self.changes.pop_front() else { break };
            self.bytes -= old.size();
            self.since = old.revision;
            self.first += 1;
        }
    }

    /// The place after the newest change.
    fn next(&self) -> u64 {
        self.first + self.changes.len() as u64
    }

    /// The place of the first change after a revision; `None` when it may be forgotten.
    fn place_after(&self, revision: u64) -> Option<u64> {
        let skip = self.changes.partition_point(|it| it.revision <= revision) as u64;
        (self.since <= revision).then_some(self.first + skip)
    }
}

/// A resource's log.
#[derive(Debug)]
struct Shared {
    log: Mutex<Log>,
    /// The place after the newest change.
    next: watch::Sender<u64>,
    /// Goes with the log, which ends what feeds it.
    _alive: oneshot::Sender<()>,
}

impl Shared {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, events: Vec<Event>) {
        let mut log = self.log();
        for event in events {
            log.push(Change::of(event));
        }
        log.trim();
        let next = log.next();
        drop(log);
        self.next.send_replace(next);
    }

    fn end(&self, why: Gone) {
        self.log().ended = Some(why);
        // Everybody looks again.
        self.next.send_modify(|_| {});
    }
}

/// The logs of a cluster's resources, by the prefix of their keys. A log exists for as long as somebody watches.
pub struct Logs {
    store: Arc<dyn Store>,
    shared: Mutex<HashMap<String, Weak<Shared>>>,
}

/// A watcher's place in a log.
pub struct Changes {
    shared: Arc<Shared>,
    woken: watch::Receiver<u64>,
    place: u64,
    /// Changes up to this revision are known already.
    after: u64,
}

impl Logs {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, shared: Mutex::default() }
    }

    /// What happens to keys with a prefix after a revision.
    ///
    /// # Errors
    /// [`Gone::TooOld`].
    pub fn changes(&self, prefix: &str, after: u64) -> Result<Changes, Gone> {
        loop {
            let shared = self.shared(prefix, after)?;
            let woken = shared.next.subscribe();
            // The log may have gone on since it was found to reach back far enough.
            let place = shared.log().place_after(after);
            if let Some(place) = place {
                return Ok(Changes { shared, woken, place, after });
            }
        }
    }

    fn shared(&self, prefix: &str, after: u64) -> Result<Arc<Shared>, Gone> {
        let mut all = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.get(prefix).and_then(Weak::upgrade);
        if let Some(shared) = known.filter(|it| {
            let log = it.log();
            log.since <= after && log.ended.is_none()
        }) {
            return Ok(shared);
        }
        // A log that reaches back further replaces the one there is, and serves those who come later as well.
        let shared = self.start(prefix, after)?;
        all.retain(|_, it| it.strong_count() > 0);
        all.insert(prefix.to_owned(), Arc::downgrade(&shared));
        Ok(shared)
    }

    fn start(&self, prefix: &str, after: u64) -> Result<Arc<Shared>, Gone> {
        let watch = self.store.watch(KeyRange::prefix(prefix.to_owned()), Some(after + 1));
        let mut watch = watch.map_err(|error| match error {
            StoreError::Compacted { oldest, .. } => Gone::TooOld(oldest),
            _ => Gone::Closed,
        })?;
        let log = Log::new(after, self.store.revision());
        let (alive, mut forgotten) = oneshot::channel();
        let shared = Arc::new(Shared { log: Mutex::new(log), next: watch::Sender::new(0), _alive: alive });
        let weak = Arc::downgrade(&shared);
        tokio::spawn(async move {
            loop {
                let batch = tokio::select! {
                    batch = watch.events.recv() => batch,
                    // Nobody watches any more.
                    _ = &mut forgotten => return,
                };
                let Some(shared) = weak.upgrade() else { return };
                match batch {
                    Some(Ok(events)) => shared.append(events),
                    Some(Err(WatchError::Compacted(oldest))) => return shared.end(Gone::TooOld(oldest)),
                    Some(Err(WatchError::Lagged)) => return shared.end(Gone::Lagged),
                    Some(Err(WatchError::Closed)) | None => return shared.end(Gone::Closed),
                }
            }
        });
        Ok(shared)
    }
}

impl Changes {
    /// The changes since the last call; waits for the first. At most `most` of them.
    ///
    /// # Errors
    /// When what comes next is not known any more.
    pub async fn next(&mut self, most: usize) -> Result<Vec<Arc<Change>>, Gone> {
        loop {
            self.woken.borrow_and_update();
            {
                let log = self.shared.log();
                if self.place < log.first {
                    return Err(Gone::Lagged);
                }
                let skip = usize::try_from(self.place - log.first).unwrap_or(usize::MAX);
                let found: Vec<Arc<Change>> = log.changes.iter().skip(skip).take(most).cloned().collect();
                self.place += found.len() as u64;
                let ended = log.ended.clone();
                drop(log);
                let new: Vec<Arc<Change>> = found.iter().filter(|it| it.revision > self.after).cloned().collect();
                if !new.is_empty() {
                    return Ok(new);
                }
                if !found.is_empty() {
                    continue;
                }
                if let Some(ended) = ended {
                    return Err(ended);
                }
            }
            if self.woken.changed().await.is_err() {
                return Err(Gone::Closed);
            }
        }
    }
}

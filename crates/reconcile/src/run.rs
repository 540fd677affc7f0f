//! The loop itself: woken by nudges that carry no news, by a period, and by what waited long enough.

use crate::backoff::Backoff;
use crate::slots::{Slots, Status};
use async_trait::async_trait;
use std::collections::HashMap;
use std::fmt::Debug;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};

/// What a loop does with its keys.
#[async_trait]
pub trait Work<K>: Send + Sync + 'static {
    /// The keys that need a turn by what is recorded now. Asked at the start, each period and after
    /// [`Handle::nudge_all`], so that a lost nudge costs time and nothing else. Must not wait.
    ///
    /// # Errors
    /// Why that cannot be said; asked again after a while.
    fn survey(&self) -> Result<Vec<K>, String>;

    /// Looks at the whole wish for `key` and makes it so. May be dropped at any await when the loop stops, so what it
    /// did so far must be found again.
    ///
    /// # Errors
    /// Why it is not so yet; there will be another turn.
    async fn turn(&self, key: &K) -> Result<(), String>;
}

/// How a loop runs.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How often everything is surveyed without a nudge.
    pub period: Duration,
    /// How many turns may run at a time.
    pub parallel: usize,
    /// How failures wait.
    pub backoff: Backoff,
    /// How long turns may go on after the loop was told to stop, before they are dropped.
    pub grace: Duration,
}

struct Shared<K> {
    slots: Mutex<Slots<K>>,
    /// A survey is wanted.
    survey: AtomicBool,
    /// A survey is under way: its keys are not nudged yet.
    surveying: AtomicBool,
    wake: Notify,
    ended: Notify,
}

impl<K> Shared<K> {
    fn slots(&self) -> MutexGuard<'_, Slots<K>> {
        // Slots holds no half-made state across a panic: each change is complete before anything can fail.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes a loop and looks at it. Cheap to clone.
pub struct Handle<K> {
    shared: Arc<Shared<K>>,
}

impl<K> Clone for Handle<K> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<K: Ord + Clone> Handle<K> {
    /// Something may have changed about `key`.
    pub fn nudge(&self, key: K) {
        self.shared.slots().nudge(key);
        self.shared.wake.notify_one();
    }

    /// Something may have changed about anything.
    pub fn nudge_all(&self) {
        self.shared.survey.store(true, Ordering::SeqCst);
        self.shared.wake.notify_one();
    }

    /// What the loop is doing.
    pub fn status(&self) -> Status<K> {
        self.shared.slots().status()
    }

    /// Returns when no key has anything to do, now or later (a key that waits after a failure has).
    pub async fn idle(&self) {
        loop {
            let ended = self.shared.ended.notified();
            // The flags before the slots: a survey raises one before it lowers the other, and nudges before it ends.
            let surveyed = !self.shared.survey.load(Ordering::SeqCst) && !self.shared.surveying.load(Ordering::SeqCst);
            if surveyed && self.shared.slots().is_idle() {
                return;
            }
            ended.await;
        }
    }
}

/// A loop over the keys of `K`, before it runs.
pub struct Loop<K> {
    shared: Arc<Shared<K>>,
    options: Options,
}

impl<K: Ord + Clone + Debug + Send + Sync + 'static> Loop<K> {
    /// A loop that has yet to run.
    pub fn new(options: Options) -> Self {
        let shared = Shared {
            slots: Mutex::new(Slots::new(options.backoff)),
            survey: AtomicBool::new(true),
            surveying: AtomicBool::new(false),
            wake: Notify::new(),
            ended: Notify::new(),
        };
        Self { shared: Arc::new(shared), options }
    }

    /// What wakes it.
    pub fn handle(&self) -> Handle<K> {
        Handle { shared: Arc::clone(&self.shared) }
    }

    /// Runs until `stop`; then no turn begins, and those under way get [`Options::grace`]. Dropping the future drops
    /// all turns at once.
    pub async fn run<W: Work<K>>(&self, work: Arc<W>, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        let mut period = interval_at(Instant::now() + self.options.period, self.options.period);
        period.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut turns = Turns { shared: &self.shared, tasks: JoinSet::new(), keys: HashMap::new() };
        let mut survey_at = None;
        loop {
            let due = survey_at.is_some_and(|at| at <= Instant::now());
            if due || self.shared.survey.load(Ordering::SeqCst) {
                survey_at = self.survey(&*work);
            }
            turns.begin(&work, self.options.parallel);
            let next = self.shared.slots().next_due().into_iter().chain(survey_at).min();
            tokio::select! {
                biased;
                () = &mut stop => break,
                Some(ended) = turns.tasks.join_next_with_id() => turns.end(ended),
                () = self.shared.wake.notified() => (),
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => (),
                _ = period.tick() => self.shared.survey.store(true, Ordering::SeqCst),
            }
        }
        let drain = async {
            while let Some(ended) = turns.tasks.join_next_with_id().await {
                turns.end(ended);
            }
        };
        if timeout(self.options.grace, drain).await.is_err() {
            tracing::warn!("turns were dropped because they outlasted the grace");
        }
    }

    /// Nudges what the survey names. Answers when to survey again, if that failed.
    fn survey<W: Work<K>>(&self, work: &W) -> Option<Instant> {
        // Cleared before looking, so that a nudge that comes while we look is not lost.
        self.shared.surveying.store(true, Ordering::SeqCst);
        self.shared.survey.store(false, Ordering::SeqCst);
        let again = match work.survey() {
            Ok(keys) => {
                let mut slots = self.shared.slots();
                keys.into_iter().for_each(|key| slots.nudge(key));
                None
            }
            Err(error) => {
                tracing::warn!(%error, "the survey failed");
                Some(Instant::now() + self.options.backoff.cap.min(self.options.period))
            }
        };
        self.shared.surveying.store(false, Ordering::SeqCst);
        self.shared.ended.notify_waiters();
        again
    }
}

/// The turns under way.
struct Turns<'a, K> {
    shared: &'a Shared<K>,
    tasks: JoinSet<Result<(), String>>,
    keys: HashMap<Id, K>,
}

impl<K: Ord + Clone + Debug + Send + Sync + 'static> Turns<'_, K> {
    fn begin<W: Work<K>>(&mut self, work: &Arc<W>, parallel: usize) {
        while self.tasks.len() < parallel {
            let Some(key) = self.shared.slots().take(Instant::now()) else { break };
            let (work, of) = (Arc::clone(work), key.clone());
            let task = self.tasks.spawn(async move { work.turn(&of).await });
            self.keys.insert(task.id(), key);
        }
    }

    fn end(&mut self, ended: Result<(Id, Result<(), String>), JoinError>) {
        let (id, outcome) = match ended {
            Ok(ended) => ended,
            Err(error) => (error.id(), Err(format!("the turn broke off: {error}"))),
        };
        if let Some(key) = self.keys.remove(&id) {
            let error = outcome.as_ref().err().cloned();
            let wait = self.shared.slots().finish(&key, outcome, Instant::now());
            if let (Some(error), Some(wait)) = (error, wait) {
                tracing::debug!(?key, %error, ?wait, "the turn failed");
            }
        }
        self.shared.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use tokio::sync::oneshot;

    const OPTIONS: Options = Options {
        period: Duration::from_secs(60),
        parallel: 3,
        backoff: Backoff { first: Duration::from_millis(100), cap: Duration::from_secs(10) },
        grace: Duration::from_secs(5),
    };

    #[derive(Default)]
    struct Fake {
        surveyed: Mutex<Vec<u32>>,
        began: Mutex<Vec<(u32, Instant)>>,
        fail: AtomicUsize,
        panic: AtomicBool,
        takes: Duration,
        now: AtomicUsize,
        peak: AtomicUsize,
    }

    #[async_trait]
    impl Work<u32> for Fake {
        fn survey(&self) -> Result<Vec<u32>, String> {
            Ok(self.surveyed.lock().unwrap().clone())
        }

        async fn turn(&self, key: &u32) -> Result<(), String> {
            self.began.lock().unwrap().push((*key, Instant::now()));
            let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
            self.peak.fetch_max(now, Ordering::SeqCst);
            tokio::time::sleep(self.takes).await;
            self.now.fetch_sub(1, Ordering::SeqCst);
            assert!(!self.panic.swap(false, Ordering::SeqCst), "told to panic");
            let failing =
                self.fail.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
            if failing { Err("told to fail".into()) } else { Ok(()) }
        }
    }

    impl Fake {
        fn turns(&self) -> usize {
            self.began.lock().unwrap().len()
        }
    }

    fn start(fake: Fake) -> (Arc<Fake>, Handle<u32>, oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
        let (fake, looped) = (Arc::new(fake), Loop::new(OPTIONS));
        let (handle, work) = (looped.handle(), Arc::clone(&fake));
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            looped.run(work, async { drop(stopped.await) }).await;
        });
        (fake, handle, stop, task)
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_survey_names_gets_a_turn_at_the_start_and_each_period() {
        let (fake, handle, _stop, _task) = start(Fake { surveyed: Mutex::new(vec![1, 2]), ..Fake::default() });
        handle.idle().await;
        assert_eq!(fake.turns(), 2);
        tokio::time::sleep(OPTIONS.period + Duration::from_secs(1)).await;
        assert_eq!(fake.turns(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failing_key_is_tried_at_growing_distances() {
        let (fake, handle, _stop, _task) = start(Fake { fail: 4.into(), ..Fake::default() });
        handle.nudge(7);
        handle.idle().await;
        let began = fake.began.lock().unwrap().clone();
        let gaps: Vec<u128> = began.windows(2).map(|pair| (pair[1].1 - pair[0].1).as_millis()).collect();
        // The timer rounds up to whole milliseconds.
        let near = |gap: u128, want: u128| gap >= want && gap <= want + 2;
        assert!(gaps.iter().zip([100, 200, 400, 800]).all(|(gap, want)| near(*gap, want)), "{gaps:?}");
        assert!(handle.status().troubles.is_empty(), "what recovered is no trouble any more");
    }

    #[tokio::test(start_paused = true)]
    async fn a_failing_key_does_not_hold_up_others_and_shows() {
        let (fake, handle, _stop, _task) = start(Fake { fail: 1.into(), ..Fake::default() });
        handle.nudge(1);
        tokio::time::sleep(Duration::from_millis(10)).await;
        handle.nudge(2);
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert_eq!(fake.turns(), 2);
        let status = handle.status();
        assert_eq!((status.waiting, status.running, status.turns), (1, 0, 2));
        assert_eq!(status.troubles[0].error, "told to fail");
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_turns_at_a_time_than_allowed() {
        let (fake, handle, _stop, _task) = start(Fake { takes: Duration::from_secs(1), ..Fake::default() });
        (0..10).for_each(|key| handle.nudge(key));
        handle.idle().await;
        assert_eq!(fake.turns(), 10);
        assert_eq!(fake.peak.load(Ordering::SeqCst), OPTIONS.parallel);
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_that_panics_is_a_failure_and_is_tried_again() {
        let (fake, handle, _stop, _task) = start(Fake { panic: true.into(), ..Fake::default() });
        handle.nudge(1);
        handle.idle().await;
        assert_eq!(fake.turns(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn stopping_waits_for_turns_within_the_grace() {
        let (fake, handle, stop, task) = start(Fake { takes: Duration::from_secs(2), ..Fake::default() });
        (0..4).for_each(|key| handle.nudge(key));
        tokio::time::sleep(Duration::from_secs(1)).await;
        stop.send(()).unwrap();
        task.await.unwrap();
        assert_eq!((fake.turns(), fake.now.load(Ordering::SeqCst)), (3, 0), "no new turn, none dropped");
    }

    #[tokio::test(start_paused = true)]
    async fn stopping_drops_turns_that_outlast_the_grace() {
        let (fake, handle, stop, task) = start(Fake { takes: Duration::from_secs(3600), ..Fake::default() });
        handle.nudge(1);
        tokio::time::sleep(Duration::from_secs(1)).await;
        stop.send(()).unwrap();
        let began = Instant::now();
        task.await.unwrap();
        assert!(began.elapsed() < OPTIONS.grace * 2);
        assert_eq!(fake.now.load(Ordering::SeqCst), 1, "the turn did not end by itself");
    }
}

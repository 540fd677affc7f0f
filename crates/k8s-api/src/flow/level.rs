//! One priority level: its seats, and the queues before them.
//!
//! A flow is dealt a hand of queues and waits in the shortest of them, so a flood fills its own hand and little more.
//! A seat that gets free goes to the queue which has the fewest, in turns where several have: every flow moves on.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// Queues of one level; the API allows more, whose memory would be spent for nothing.
const MOST_QUEUES: usize = 1 << 16;
/// Cards of a hand; the API's limit on a hand's entropy keeps it below.
const MOST_CARDS: usize = 32;

/// How requests wait for a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queuing {
    /// How many queues there are.
    pub queues: usize,
    /// How many of them a flow may use.
    pub hand: usize,
    /// How many requests wait in one.
    pub length: usize,
}

/// What a level may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many requests run at a time; `None` for an exempt level.
    pub seats: Option<usize>,
    /// How others wait; `None` where they are refused.
    pub queuing: Option<Queuing>,
}

/// Why a request got no seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// All seats are taken, and nobody waits at this level.
    ConcurrencyLimit,
    /// The flow's queues are full.
    QueueFull,
    /// It waited for too long.
    TimeOut,
}

/// How a level does at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// What it may do.
    pub limits: Limits,
    /// Requests that run.
    pub executing: usize,
    /// Requests that wait.
    pub waiting: usize,
}

/// A priority level.
#[derive(Debug)]
pub struct Level {
    state: Mutex<State>,
}

/// The right to run. The next request gets it when this is dropped.
#[derive(Debug)]
pub struct Seat {
    // None once it was given back.
    level: Option<Arc<Level>>,
    place: Place,
}

/// The queue that a seat is counted on, as the queues were numbered in an epoch.
#[derive(Debug, Clone, Copy)]
struct Place {
    queue: usize,
    epoch: u64,
}

#[derive(Debug)]
struct State {
    limits: Limits,
    executing: usize,
    waiting: usize,
    queues: Vec<Queue>,
    /// The queue that was served last.
    last: usize,
    /// Counts the times that the queues were made anew.
    epoch: u64,
}

#[derive(Debug, Default)]
struct Queue {
    executing: usize,
    waiting: VecDeque<oneshot::Sender<Seat>>,
}

/// What an arriving request gets.
enum Arrival {
    Seat(Place),
    Wait(oneshot::Receiver<Seat>),
    Rejected(Rejection),
}

impl Level {
    /// A level without requests.
    pub fn new(limits: Limits) -> Arc<Self> {
        let mut state = State { limits, executing: 0, waiting: 0, queues: Vec::new(), last: 0, epoch: 0 };
        state.make_queues();
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// Changes what it may do. Those who run go on, those who wait keep their turns.
    pub fn limit(self: &Arc<Self>, limits: Limits) {
        {
            let mut state = self.lock();
            let old = std::mem::replace(&mut state.limits, limits);
            if old.queuing != limits.queuing {
                state.make_queues();
            }
        }
        self.dispatch();
    }

    /// Waits for a seat, up to `patience`. `flow` tells the flow's hand.
    ///
    /// # Errors
    /// When there is none.
    pub async fn seat(self: &Arc<Self>, flow: u64, patience: Duration) -> Result<Seat, Rejection> {
        let arrival = self.lock().arrive(flow);
        match arrival {
            Arrival::Seat(place) => Ok(Seat { level: Some(self.clone()), place }),
            Arrival::Rejected(rejection) => Err(rejection),
            Arrival::Wait(turn) => match tokio::time::timeout(patience, turn).await {
                Ok(Ok(seat)) => Ok(seat),
                Ok(Err(_)) | Err(_) => Err(Rejection::TimeOut),
            },
        }
    }

    /// How it does.
    pub fn load(&self) -> Load {
        let state = self.lock();
        Load { limits: state.limits, executing: state.executing, waiting: state.waiting }
    }

    /// Gives free seats to those who wait. Nothing is sent under the lock: a receiver that is gone gives its seat back
    /// at once.
    fn dispatch(self: &Arc<Self>) {
        loop {
            let next = self.lock().next();
            let Some((place, turn)) = next else { return };
            let seat = Seat { level: Some(self.clone()), place };
            if let Err(mut seat) = turn.send(seat) {
                // Not by dropping it whole, which would come back here.
                seat.level = None;
                self.lock().leave(place);
            }
        }
    }

    // No panic leaves a state half changed.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some(level) = self.level.take() else { return };
        level.lock().leave(self.place);
        level.dispatch();
    }
}

impl State {
    fn arrive(&mut self, flow: u64) -> Arrival {
        let Some(seats) = self.limits.seats else { return Arrival::Seat(self.occupy(0)) };
        let Some(queuing) = self.limits.queuing else {
            return if self.executing < seats {
                Arrival::Seat(self.occupy(0))
            } else {
                Arrival::Rejected(Rejection::ConcurrencyLimit)
            };
        };
        let at = self.shortest(flow, queuing.hand);
        if self.executing < seats && self.waiting == 0 {
            return Arrival::Seat(self.occupy(at));
        }
        let Some(queue) = self.queues.get_mut(at) else { return Arrival::Rejected(Rejection::QueueFull) };
        if queue.waiting.len() >= queuing.length {
            // Those who gave up still stand here.
            let before = queue.waiting.len();
            queue.waiting.retain(|it| !it.is_closed());
            self.waiting -= before - queue.waiting.len();
        }
        if queue.waiting.len() >= queuing.length {
            return Arrival::Rejected(Rejection::QueueFull);
        }
        let (turn, wait) = oneshot::channel();
        queue.waiting.push_back(turn);
        self.waiting += 1;
        Arrival::Wait(wait)
    }

    fn occupy(&mut self, at: usize) -> Place {
        self.executing += 1;
        if let Some(queue) = self.queues.get_mut(at) {
            queue.executing += 1;
        }
        Place { queue: at, epoch: self.epoch }
    }

    fn leave(&mut self, place: Place) {
        self.executing -= 1;
        if place.epoch == self.epoch
            && let Some(queue) = self.queues.get_mut(place.queue)
        {
            queue.executing -= 1;
        }
    }

    /// Takes out who is next, if there is a seat for it.
    fn next(&mut self) -> Option<(Place, oneshot::Sender<Seat>)> {
        while self.waiting > 0 && self.limits.seats.is_none_or(|seats| self.executing < seats) {
            let count = self.queues.len();
            // In turns: the search begins behind the queue that was served last, and the first of equals is taken.
            let order = (1..=count).map(|step| (self.last + step) % count);
            let (at, turn) = order
                .filter_map(|at| Some((at, self.queues.get(at)?)))
                .filter(|(_, queue)| !queue.waiting.is_empty())
                .min_by_key(|(_, queue)| queue.executing)
                .map(|(at, _)| at)
                .and_then(|at| Some((at, self.queues.get_mut(at)?.waiting.pop_front()?)))?;
            self.waiting -= 1;
            self.last = at;
            if !turn.is_closed() {
                return Some((self.occupy(at), turn));
            }
        }
        None
    }

    /// The queue of a flow's hand with the fewest requests.
    fn shortest(&self, flow: u64, cards: usize) -> usize {
        let mut hand = [0; MOST_CARDS];
        let hand = deal(flow, self.queues.len(), hand.get_mut(..cards.min(MOST_CARDS)).unwrap_or_default());
        let load = |at: &usize| self.queues.get(*at).map_or(0, |it| it.executing + it.waiting.len());
        hand.iter().copied().min_by_key(load).unwrap_or_default()
    }

    /// Makes the queues that the limits ask for; those who wait are spread over them anew.
    fn make_queues(&mut self) {
        // A level that has become one without queues still serves those who wait.
        let count = self.limits.queuing.map_or(1, |it| it.queues.clamp(1, MOST_QUEUES));
        let old = std::mem::take(&mut self.queues);
        self.queues.resize_with(count, Queue::default);
        self.epoch += 1;
        self.last = 0;
        for (at, queue) in old.into_iter().enumerate() {
            if let Some(new) = self.queues.get_mut(at % count) {
                new.waiting.extend(queue.waiting);
            }
        }
    }
}

/// Deals distinct cards of a deck, told by `hash` alone: all hands are equally likely.
fn deal(mut hash: u64, deck: usize, hand: &mut [usize]) -> &[usize] {
    let size = hand.len().min(deck);
    for dealt in 0..size {
        let left = (deck - dealt) as u64;
        let mut card = usize::try_from(hash % left).unwrap_or_default();
        hash /= left;
        // The card among those that are left; the dealt ones are kept in order.
        let Some(before) = hand.get_mut(..=dealt) else { break };
        let mut place = 0;
        while place < dealt && before.get(place).is_some_and(|it| *it <= card) {
            card += 1;
            place += 1;
        }
        if let Some(last) = before.last_mut() {
            *last = card;
        }
        if let Some(moved) = before.get_mut(place..) {
            moved.rotate_right(1);
        }
    }
    hand.get(..size).unwrap_or_default()
}

#[cfg(test)]
mod tests;

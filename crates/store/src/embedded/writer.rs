//! The one thread that writes. It takes whatever waits, runs it, makes all of it durable with one flush, and only then
//! shows and acknowledges it. There is no timer: a commit's size is what arrived while the one before was flushed.

use super::checkpoint::Point;
use super::disk::Disk;
use super::entry::{Entry, encode_txn};
use super::frame::PREFIX;
use super::segment::Segment;
use super::shared::{Bell, Shared, lock, read, write};
use super::{Options, Retain, txn};
use crate::api::{StoreError, Txn, TxnResult};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::{mpsc, oneshot};

/// The most requests of one commit: what as many clients as anybody tried have in flight, and a quarter of what a
/// watcher may be behind.
const ROUND: usize = 512;
/// A commit larger than this is flushed before more is taken in, so that those who came first don't wait for
/// megabytes of others.
const COMMIT_BYTES: usize = 4 << 20;
/// The first segment is small, so that a store that holds little takes little and opens at once; each next one is four
/// times as large, up to the option.
const FIRST_SEGMENT: u64 = 64 << 10;

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// What the writer is asked for.
pub(crate) enum Request {
    Txn(Txn, Reply<TxnResult>),
    Compact(u64, Reply<()>),
    /// Begins a new segment and pins history, for a checkpoint of all before.
    Rotate(Reply<Point>),
}

/// Who waits for the commit, and what they get then.
enum Waiting {
    Txn(Reply<TxnResult>, TxnResult),
    Compact(Reply<()>),
}

impl Waiting {
    /// A caller that went away doesn't need its answer.
    fn answer(self, outcome: Result<(), StoreError>) {
        match self {
            Self::Txn(reply, result) => drop(reply.send(outcome.map(|()| result))),
            Self::Compact(reply) => drop(reply.send(outcome)),
        }
    }
}

pub(crate) struct Writer {
    shared: Arc<Shared>,
    disk: Arc<dyn Disk>,
    options: Options,
    segment: Segment,
    sequence: u64,
    /// The frame in the making: room for its prefix, then entries.
    buffer: Vec<u8>,
    waiting: Vec<Waiting>,
    /// History before this is forgotten when the commit is durable.
    compacting: u64,
    keeper: Bell,
    herald: Bell,
}

/// How large the first segment of a new store is.
pub(crate) fn first_segment(options: &Options) -> u64 {
    FIRST_SEGMENT.min(options.segment_bytes)
}

impl Writer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        disk: Arc<dyn Disk>,
        options: Options,
        (segment, sequence): (Segment, u64),
        (keeper, herald): (Bell, Bell),
    ) -> Self {
        let (buffer, waiting) = (vec![0; PREFIX], Vec::new());
        Self { shared, disk, options, segment, sequence, buffer, waiting, compacting: 0, keeper, herald }
    }

    /// Runs until nobody can send any more, or the store is closing and everything sent is answered.
    pub(crate) fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let mut round = Vec::with_capacity(ROUND);
        while requests.blocking_recv_many(&mut round, ROUND) > 0 {
            for request in round.drain(..) {
                self.take(request);
                if self.buffer.len() >= COMMIT_BYTES {
                    self.commit();
                }
            }
            self.commit();
            if self.shared.is_closing() {
                requests.close();
            }
        }
    }

    fn take(&mut self, request: Request) {
        if let Some(error) = self.shared.failed.get() {
            return match request {
                Request::Txn(_, reply) => drop(reply.send(Err(error.clone()))),
                Request::Compact(_, reply) => drop(reply.send(Err(error.clone()))),
                Request::Rotate(reply) => drop(reply.send(Err(error.clone()))),
            };
        }
        match request {
            Request::Txn(txn, reply) => {
                let (result, changes) = txn::run(&mut write(&self.shared.index), txn);
                if !changes.is_empty() {
                    encode_txn(&mut self.buffer, result.revision, &changes);
                }
                self.waiting.push(Waiting::Txn(reply, result));
            }
            Request::Compact(revision, reply) => match self.compact(revision) {
                Ok(()) => self.waiting.push(Waiting::Compact(reply)),
                refused => drop(reply.send(refused)),
            },
            Request::Rotate(reply) => {
                self.commit();
                drop(reply.send(self.rotate_for_checkpoint()));
            }
        }
    }

    fn compact(&mut self, revision: u64) -> Result<(), StoreError> {
        if revision > self.shared.visible() {
            return Err(StoreError::Future(revision));
        }
        if revision > self.compacting.max(read(&self.shared.index).oldest()) {
            Entry::Compact(revision).encode(&mut self.buffer);
            self.compacting = revision;
        }
        Ok(())
    }

    /// By the policy: when twice as much is there as shall stay, so that each event is looked at once or twice.
    fn compact_by_policy(&mut self) -> Result<(), StoreError> {
        let Retain::Events(keep) = self.options.retain else { return Ok(()) };
        let visible = self.shared.visible();
        let target = {
            let index = read(&self.shared.index);
            let (_, _, events) = index.counts();
            (events > keep.saturating_mul(2)).then(|| index.revision_keeping(keep).min(visible))
        };
        target.map_or(Ok(()), |target| self.compact(target))
    }

    /// Makes durable, shows and acknowledges what was taken. When the disk fails, everybody hears that it did, and what
    /// was done in memory stays invisible for good.
    fn commit(&mut self) {
        let outcome = self.write();
        if let Err(error) = &outcome {
            self.fail(error);
        }
        for waiting in self.waiting.drain(..) {
            waiting.answer(outcome.clone());
        }
    }

    fn fail(&self, error: &StoreError) {
        if self.shared.failed.set(error.clone()).is_ok() {
            tracing::error!(%error, "the store has failed; nothing more is written");
        }
    }

    fn write(&mut self) -> Result<(), StoreError> {
        if let Some(error) = self.shared.failed.get() {
            return Err(error.clone());
        }
        if self.buffer.len() == PREFIX {
            return Ok(());
        }
        self.compact_by_policy()?;
        let length = self.buffer.len();
        let failed = |error: std::io::Error| StoreError::Io(error.to_string());
        if !self.segment.fits(length) {
            self.rotate().map_err(failed)?;
        }
        self.segment.append(&mut self.buffer, self.sequence).map_err(failed)?;
        self.sequence += 1;
        self.buffer.truncate(PREFIX);
        self.buffer.shrink_to(COMMIT_BYTES);
        self.shared.log_bytes.fetch_add(length as u64, Ordering::Relaxed);
        self.publish();
        self.order_spare();
        Ok(())
    }

    fn publish(&mut self) {
        let newest = read(&self.shared.index).newest();
        self.shared.show(newest);
        if self.compacting > 0 {
            write(&self.shared.index).compact(self.compacting);
            self.compacting = 0;
        }
        self.herald.ring();
        self.keeper.ring();
    }

    /// Has the next segment made while this one fills.
    fn order_spare(&mut self) {
        if self.segment.is_half_full()
            && let Ok(mut spare) = self.shared.spare.try_lock()
            && spare.ready.is_none()
        {
            spare.wanted = Some((self.segment.number + 1, self.next_size()));
        }
    }

    fn next_size(&self) -> u64 {
        self.segment.size().saturating_mul(4).min(self.options.segment_bytes)
    }

    /// Goes on in the next segment: the spare one, or if writers outran the keeper, a small one that is made now.
    fn rotate(&mut self) -> std::io::Result<()> {
        let mut spare = lock(&self.shared.spare);
        spare.wanted = None;
        let next = self.segment.number + 1;
        self.segment = match spare.ready.take().filter(|segment| segment.number == next) {
            Some(segment) => segment,
            None => Segment::create(&*self.disk, next, first_segment(&self.options))?,
        };
        Ok(())
    }

    fn rotate_for_checkpoint(&mut self) -> Result<Point, StoreError> {
        if let Some(error) = self.shared.failed.get() {
            return Err(error.clone());
        }
        if let Err(error) = self.rotate() {
            let error = StoreError::Io(error.to_string());
            self.fail(&error);
            return Err(error);
        }
        let oldest = write(&self.shared.index).pin();
        let revision = self.shared.visible();
        Ok(Point { segment: self.segment.number, sequence: self.sequence, oldest, revision })
    }
}

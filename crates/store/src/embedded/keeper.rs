//! The thread that keeps the log short: it makes the next segment while the writer fills this one, and takes a
//! checkpoint when the log has grown, after which the segments before it go. Neither is in a writer's way.

use super::checkpoint::Point;
use super::disk::Disk;
use super::segment::{self, Segment};
use super::shared::{Bell, Ear, Shared, lock, write};
use super::writer::Request;
use super::{Options, checkpoint};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::{mpsc, oneshot};

pub(crate) struct Keeper {
    pub(crate) shared: Arc<Shared>,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) options: Options,
    pub(crate) writer: mpsc::WeakSender<Request>,
    /// Size of the last checkpoint. The log may grow to as much, so that checkpoints cost no more than the log itself.
    pub(crate) checkpoint_bytes: u64,
    pub(crate) herald: Bell,
}

impl Keeper {
    /// Runs until all bells are gone.
    pub(crate) fn run(mut self, ear: &Ear) {
        let mut not_before = 0;
        while ear.wait() {
            self.make_spare();
            let log = self.shared.log_bytes.load(Ordering::Relaxed);
            if log < self.options.checkpoint_bytes.max(self.checkpoint_bytes).max(not_before) {
                continue;
            }
            match self.checkpoint() {
                Ok(()) => not_before = 0,
                Err(_) if self.shared.is_closing() => {}
                Err(error) => {
                    tracing::warn!(%error, "no checkpoint could be taken; the log goes on growing");
                    not_before = log + self.options.checkpoint_bytes;
                }
            }
        }
    }

    fn make_spare(&self) {
        let mut spare = lock(&self.shared.spare);
        let Some((number, size)) = spare.wanted.take() else { return };
        match Segment::create(&*self.disk, number, size) {
            Ok(segment) => spare.ready = Some(segment),
            // The writer will try for itself when it needs one.
            Err(error) => tracing::warn!(%error, number, "no segment could be made in advance"),
        }
    }

    fn rotate(&self) -> io::Result<Point> {
        let closing = || io::Error::other("the store is closing");
        let (reply, answer) = oneshot::channel();
        let writer = self.writer.upgrade().ok_or_else(closing)?;
        // A request that could not be sent holds its reply open: it must be gone before the answer is waited for.
        writer.blocking_send(Request::Rotate(reply)).map_err(|_| closing())?;
        drop(writer);
        answer.blocking_recv().map_err(|_| closing())?.map_err(io::Error::other)
    }

    fn checkpoint(&mut self) -> io::Result<()> {
        let covered = self.shared.log_bytes.load(Ordering::Relaxed);
        let point = self.rotate()?;
        let saved = checkpoint::save(&*self.disk, &self.shared.index, point, || {
            self.make_spare();
            if self.shared.is_closing() { Err(io::Error::other("the store is closing")) } else { Ok(()) }
        });
        write(&self.shared.index).unpin();
        self.herald.ring();
        self.checkpoint_bytes = saved?;
        self.shared.log_bytes.fetch_sub(covered, Ordering::Relaxed);
        remove_before(&*self.disk, point.segment)?;
        self.shared.checkpoints.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// Removes what a checkpoint made needless. Not made durable: what comes back is removed at the next start.
pub(crate) fn remove_before(disk: &dyn Disk, number: u64) -> io::Result<()> {
    for name in disk.list()? {
        let old = segment::number(&name).or_else(|| checkpoint::number(&name)).is_some_and(|found| found < number);
        if old || name == checkpoint::UNFINISHED {
            disk.remove(&name)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::disk::Directory;
    use super::super::index::Index;
    use super::super::shared::bell;
    use super::*;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    #[test]
    fn a_checkpoint_does_not_wait_for_a_writer_that_has_stopped() {
        let home = tempfile::tempdir().unwrap();
        let (sender, mut requests) = mpsc::channel(1);
        let mut keeper = Keeper {
            shared: Arc::new(Shared::new(Index::default(), None, 0, 1)),
            disk: Arc::new(Directory::open(home.path()).unwrap()),
            options: Options::default(),
            writer: sender.downgrade(),
            checkpoint_bytes: 0,
            herald: bell().0,
        };
        requests.close();
        let (done, outcome) = channel();
        std::thread::spawn(move || done.send(keeper.checkpoint()));
        let outcome = outcome.recv_timeout(Duration::from_secs(20)).unwrap();
        assert!(outcome.is_err());
    }
}

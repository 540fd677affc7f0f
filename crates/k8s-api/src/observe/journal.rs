//! Lines on their way to a file. Whoever writes a line puts it into memory and goes on; a task of its own moves what has
//! gathered to the disk. When the disk can't keep up lines are dropped and counted: a server that waits for its own
//! record could be stopped by anybody who asks enough.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::Notify;

/// Bytes that may wait for the disk: what the busiest server writes in some tenths of a second.
const WAITING: usize = 4 << 20;
/// How long lines gather before they are written together: a line by itself costs more to write than to make.
const GATHER: Duration = Duration::from_millis(100);
/// Bytes of a file before the next one is begun.
const FILE: u64 = 16 << 20;

/// Where lines go. They stop being written when it is dropped, after what has gathered.
#[derive(Debug, Clone)]
pub struct Journal(Option<Arc<Shared>>);

#[derive(Debug)]
struct Shared {
    gathered: Mutex<Vec<u8>>,
    news: Arc<Notify>,
    taken: AtomicU64,
    dropped: AtomicU64,
    path: PathBuf,
}

impl Journal {
    /// One that keeps nothing.
    pub fn nowhere() -> Self {
        Self(None)
    }

    /// One in a file, which is continued where there is one. At 16 MiB it is renamed to `<path>.1` and a new one is
    /// begun. Needs the runtime that this is called in.
    ///
    /// # Errors
    /// When the file can't be opened.
    pub fn file(path: &Path) -> io::Result<Self> {
        let file = open(path)?;
        let news = Arc::new(Notify::new());
        let shared = Arc::new(Shared {
            gathered: Mutex::default(),
            news: news.clone(),
            taken: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            path: path.to_owned(),
        });
        tokio::spawn(write(Arc::downgrade(&shared), news, file));
        Ok(Self(Some(shared)))
    }

    /// Adds a line, which `write` writes without its end.
    pub fn line(&self, write: impl FnOnce(&mut Vec<u8>)) {
        let Some(shared) = &self.0 else { return };
        let mut gathered = shared.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        if gathered.len() >= WAITING {
            shared.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        write(&mut gathered);
        gathered.push(b'\n');
        drop(gathered);
        shared.taken.fetch_add(1, Ordering::Relaxed);
        shared.news.notify_one();
    }

    /// Whether lines are kept at all.
    pub fn is_kept(&self) -> bool {
        self.0.is_some()
    }

    /// How many lines were taken in.
    pub fn taken(&self) -> u64 {
        self.0.as_ref().map_or(0, |it| it.taken.load(Ordering::Relaxed))
    }

    /// How many lines were lost because the disk did not keep up or refused.
    pub fn dropped(&self) -> u64 {
        self.0.as_ref().map_or(0, |it| it.dropped.load(Ordering::Relaxed))
    }
}

impl Shared {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.gathered.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let rest = self.take();
        if !rest.is_empty()
            // Not made anew: where there is no file any more, its folder is being removed with its cluster.
            && let Err(error) = OpenOptions::new().append(true).open(&self.path).and_then(|mut it| it.write_all(&rest))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %self.path.display(), %error, "the end of a journal is lost");
        }
        self.news.notify_one();
    }
}

fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

async fn write(shared: Weak<Shared>, news: Arc<Notify>, file: File) {
    let mut file = Some(file);
    loop {
        news.notified().await;
        tokio::time::sleep(GATHER).await;
        let Some(strong) = shared.upgrade() else { return };
        let (lines, path, open) = (strong.take(), strong.path.clone(), file.take());
        let count = lines.iter().filter(|it| **it == b'\n').count() as u64;
        let written = tokio::task::spawn_blocking(move || append(open, &path, &lines)).await;
        match written {
            Ok(Ok(open)) => file = Some(open),
            // What was written meanwhile waits; the file is opened anew with the next line.
            Ok(Err(error)) => {
                strong.dropped.fetch_add(count, Ordering::Relaxed);
                tracing::warn!(path = %strong.path.display(), %error, "a journal can't be written");
            }
            // The runtime ends.
            Err(_) => return,
        }
    }
}

/// Appends whole lines, and begins a new file when this one is full.
fn append(file: Option<File>, path: &Path, lines: &[u8]) -> io::Result<File> {
    let mut file = match file {
        Some(file) => file,
        None => open(path)?,
    };
    file.write_all(lines)?;
    if file.metadata()?.len() < FILE {
        return Ok(file);
    }
    std::fs::rename(path, path.with_added_extension("1"))?;
    open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    async fn until(mut holds: impl FnMut() -> bool) {
        let end = Instant::now() + Duration::from_secs(10);
        while !holds() {
            assert!(Instant::now() < end, "it does not come to that");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    #[tokio::test]
    async fn lines_come_to_the_file_in_their_order() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("journal");
        let journal = Journal::file(&path).unwrap();
        for number in 0..1000 {
            journal.line(|out| out.extend_from_slice(number.to_string().as_bytes()));
        }
        let read = || std::fs::read_to_string(&path).unwrap();
        until(|| read().lines().count() == 1000).await;
        assert!(read().lines().enumerate().all(|(number, line)| line == number.to_string()));
        assert_eq!((journal.taken(), journal.dropped()), (1000, 0));
    }

    #[tokio::test]
    async fn a_full_file_gives_way_to_a_new_one() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("journal");
        std::fs::write(&path, vec![b'x'; usize::try_from(FILE).unwrap()]).unwrap();
        let journal = Journal::file(&path).unwrap();
        journal.line(|out| out.extend_from_slice(b"last of the old"));
        until(|| home.path().join("journal.1").exists()).await;
        journal.line(|out| out.extend_from_slice(b"first of the new"));
        until(|| std::fs::read_to_string(&path).is_ok_and(|it| it == "first of the new\n")).await;
    }

    #[test]
    fn what_nobody_writes_away_is_bounded() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let home = tempfile::tempdir().unwrap();
        let _in = runtime.enter();
        // Nothing drives the runtime: the disk is as slow as can be.
        let journal = Journal::file(&home.path().join("journal")).unwrap();
        let line = vec![b'x'; 1 << 20];
        for _ in 0..10 {
            journal.line(|out| out.extend_from_slice(&line));
        }
        assert_eq!(journal.dropped(), 6);
        drop(journal);
        let written = std::fs::metadata(home.path().join("journal")).unwrap().len();
        assert_eq!(written, 4 * (1 << 20) + 4, "what has gathered is written at the end");
    }
}

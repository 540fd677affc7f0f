//! One starter or remover at a time per machine, by a lock that ends with its holder.

use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

/// Held until dropped, also by what is forked meanwhile.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of the machine in `dir`. `None` if it is held, or if there is no such directory (any more).
    pub(crate) fn try_take(dir: &Path) -> io::Result<Option<Self>> {
        let path = dir.join("lock");
        let file = match File::options().create(true).truncate(false).write(true).mode(0o600).open(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
            other => other?,
        }
        // the holder before us may have removed the file, and then our lock is on nothing
        let same = path.metadata().is_ok_and(|it| Some(it.ino()) == file.metadata().ok().map(|it| it.ino()));
        Ok(same.then_some(Self { _file: file }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_taker_waits_for_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let first = Lock::try_take(dir.path()).unwrap();
        assert!(first.is_some());
        assert!(Lock::try_take(dir.path()).unwrap().is_none());
        drop(first);
        assert!(Lock::try_take(dir.path()).unwrap().is_some());
    }

    #[test]
    fn nothing_can_be_locked_where_nothing_is() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Lock::try_take(&dir.path().join("gone")).unwrap().is_none());
    }
}

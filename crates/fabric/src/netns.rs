//! Network namespaces: making them, pinning them to a name, standing in them.
#![allow(unsafe_code)] // one call, below, with its reason

use rustix::mount::{self, MountFlags, MountPropagationFlags, UnmountFlags};
use rustix::thread::{self, LinkNameSpaceType, UnshareFlags};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where people's tools look for namespaces.
pub(crate) const PINS: &str = "/run/netns";

/// Which namespace it is, while any is alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    /// Of an open namespace.
    pub(crate) fn of(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let stat = rustix::fs::fstat(fd)?;
        Ok(Self { device: stat.st_dev, inode: stat.st_ino })
    }

    /// Of whatever lies at a path.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        let meta = fs::metadata(path)?;
        Ok(Self { device: meta.dev(), inode: meta.ino() })
    }
}

/// The path of a pin.
pub(crate) fn pin_path(name: &str) -> PathBuf {
    Path::new(PINS).join(name)
}

/// Makes the directory of pins as `ip netns add` does: shared, so that a pin that goes also goes from mount namespaces
/// that were copied in the meantime, and a mount of its own, so that a later `ip netns add` does not cover our pins.
pub(crate) fn prepare_pins() -> io::Result<()> {
    fs::create_dir_all(PINS)?;
    let shared = MountPropagationFlags::SHARED | MountPropagationFlags::REC;
    match mount::mount_change(PINS, shared) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::INVAL) => {
            mount::mount_bind_recursive(PINS, PINS)?;
            Ok(mount::mount_change(PINS, shared)?)
        }
        Err(error) => Err(error.into()),
    }
}

/// Moves the calling thread into a new namespace. Only for threads that end soon: see [`on_thread`].
pub(crate) fn unshare() -> io::Result<()> {
    // SAFETY: `NEWNET` alone changes neither the thread's table of descriptors nor any memory.
    Ok(unsafe { thread::unshare_unsafe(UnshareFlags::NEWNET) }?)
}

/// The namespace of the calling thread.
pub(crate) fn current() -> io::Result<OwnedFd> {
    Ok(File::open("/proc/thread-self/ns/net")?.into())
}

/// Moves the calling thread into a namespace. Only for threads that end soon.
pub(crate) fn enter(namespace: BorrowedFd<'_>) -> io::Result<()> {
    Ok(thread::move_into_link_name_space(namespace, Some(LinkNameSpaceType::Network))?)
}

/// Runs something on a thread of its own, so that the namespace it moves to dies with it. Costs about 40 µs.
pub(crate) fn on_thread<T: Send>(work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("netns".into()).spawn_scoped(scope, work)?;
        thread.join().map_err(|_| io::Error::other("the thread inside the namespace panicked"))?
    })
}

/// Runs something inside a namespace.
pub(crate) fn inside<T: Send>(namespace: BorrowedFd<'_>, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    on_thread(|| {
        enter(namespace)?;
        work()
    })
}

/// Gives an open namespace a name. A file without a namespace, as a kill between two steps leaves it, is taken over.
pub(crate) fn pin(namespace: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let _file = File::create(path)?;
    let source = format!("/proc/self/fd/{}", namespace.as_raw_fd());
    mount::mount(source, path, c"none", MountFlags::BIND, None).map_err(|error| {
        let _ = fs::remove_file(path);
        error.into()
    })
}

/// Takes the name away. The namespace lives on while anybody holds it.
pub(crate) fn unpin(path: &Path) -> io::Result<()> {
    match mount::unmount(path, UnmountFlags::DETACH) {
        // Not mounted, or not there at all.
        Ok(()) | Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The names of pins that start with `prefix`, without it.
pub(crate) fn pins(prefix: &str) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(PINS) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        if let Ok(name) = entry?.file_name().into_string()
            && let Some(name) = name.strip_prefix(prefix)
        {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// Opens a namespace by its pin or its process.
pub(crate) fn open(path: &Path) -> io::Result<OwnedFd> {
    let file = File::open(path)?;
    // A pin's file stays behind when only the mount was taken away.
    enterable(file.as_fd())?;
    Ok(file.into())
}

fn enterable(fd: BorrowedFd<'_>) -> io::Result<()> {
    const NSFS: u64 = 0x6e73_6673;
    let kind = rustix::fs::fstatfs(fd)?.f_type;
    if u64::try_from(kind).is_ok_and(|kind| kind == NSFS) {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::NotFound, "there is no namespace behind the name"))
    }
}

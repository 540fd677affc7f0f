//! What is known of a running machine on disk, and whether it is still true.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags};
use serde::{Deserialize, Serialize};

use crate::error::MachineError;

/// How a machine is kept apart from the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Isolation {
    /// Its root is nobody on the host: own user namespace over idmapped layers. The default.
    UserNamespace,
    /// Its root has the host's user id 0 with fewer capabilities, for hosts without idmapped mounts. It keeps honest
    /// software apart; it does not hold a hostile root.
    SharedIds,
}

/// A machine whose init runs, as of when it was looked up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// The machine.
    pub id: String,
    /// Its init's process id on the host.
    pub pid: i32,
    /// When that process started, in clock ticks since the host's boot; tells a reused number apart.
    pub start_time: u64,
    /// The host's boot that this is about.
    pub boot_id: String,
    /// The inode of its pid namespace: the mark that no other process can bear.
    pub pid_namespace: u64,
    /// How it is kept apart.
    pub isolation: Isolation,
    /// The layer under its `/etc`.
    pub etc_layer: PathBuf,
    /// Environment for commands that enter it.
    pub env: BTreeMap<String, String>,
}

/// The file's name in a machine's directory.
const FILE: &str = "state.json";

impl Running {
    /// Describes the process `pid`, which must be the init of machine `id`.
    pub(crate) fn of(
        id: &str,
        pid: i32,
        isolation: Isolation,
        etc_layer: &Path,
        env: &BTreeMap<String, String>,
    ) -> io::Result<Self> {
        Ok(Self {
            id: id.into(),
            pid,
            start_time: start_time(pid)?.ok_or(io::ErrorKind::NotFound)?,
            boot_id: boot_id()?,
            pid_namespace: fs::metadata(format!("/proc/{pid}/ns/pid"))?.ino(),
            isolation,
            etc_layer: etc_layer.into(),
            env: env.clone(),
        })
    }

    /// Writes it so that a reader sees all of it or what was there before.
    pub(crate) fn save(&self, dir: &Path) -> io::Result<()> {
        let draft = dir.join("state.draft");
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        fs::rename(&draft, dir.join(FILE))
    }

    /// What the directory says, true or not. A file that can't be read as a state counts as none: there was a crash or
    /// an older version, and the cgroup still leads to the processes.
    pub(crate) fn load(dir: &Path) -> Result<Option<Self>, MachineError> {
        let path = dir.join(FILE);
        match fs::read(&path) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(MachineError::file("cannot read", &path)(e)),
        }
    }

    /// Pins the init, if it is still the process that was recorded. `None` when it has ended.
    pub fn pidfd(&self) -> Result<Option<OwnedFd>, MachineError> {
        let Some(pid) = Pid::from_raw(self.pid) else { return Ok(None) };
        let pidfd = match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
            Ok(it) => it,
            Err(rustix::io::Errno::SRCH | rustix::io::Errno::INVAL) => return Ok(None),
            Err(e) => return Err(MachineError::kernel("open the machine's init")(e)),
        };
        // asked after the descriptor pins it
        let same = start_time(self.pid).map_err(MachineError::kernel("read the init's start time"))?
            == Some(self.start_time)
            && boot_id().map_err(MachineError::kernel("read the boot id"))? == self.boot_id
            && fs::metadata(format!("/proc/{}/ns/pid", self.pid)).is_ok_and(|it| it.ino() == self.pid_namespace);
        Ok(same.then_some(pidfd))
    }

    /// Waits until its dead init is gone from the process table: collected by the host's init, or by us where we are
    /// that.
    pub(crate) fn await_collection(&self, until: Instant) {
        let is_zombie = || {
            let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
            parse_stat(&stat).is_some_and(|it| it.zombie && it.start_time == self.start_time)
        };
        while is_zombie() && Instant::now() < until {
            if !matches!(crate::sys::wait(self.pid, false, false), Ok(Some(_))) {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }

    /// Its network namespace, to move links into.
    pub fn netns(&self) -> Result<OwnedFd, MachineError> {
        let pinned = self.pidfd()?;
        let file = fs::File::open(format!("/proc/{}/ns/net", self.pid))
            .map_err(MachineError::kernel("open the machine's network namespace"))?;
        // alive after opening means that the number meant the same process throughout
        match pinned.map(|it| crate::sys::signal_pidfd(&it, 0)) {
            Some(Ok(())) => Ok(file.into()),
            _ => Err(MachineError::NotRunning(self.id.clone())),
        }
    }
}

/// When a process started; `None` for one that is gone or a zombie.
fn start_time(pid: i32) -> io::Result<Option<u64>> {
    match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => Ok(parse_stat(&stat).filter(|it| !it.zombie).map(|it| it.start_time)),
        Err(e) if e.kind() == io::ErrorKind::NotFound || e.raw_os_error() == Some(libc::ESRCH) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Fields 3 and 22 of `/proc/PID/stat`.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    zombie: bool,
    start_time: u64,
}

fn parse_stat(stat: &str) -> Option<Stat> {
    // the name in parentheses may hold anything, also parentheses
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let zombie = matches!(fields.next()?, "Z" | "X");
    Some(Stat { zombie, start_time: fields.nth(18)?.parse().ok()? })
}

fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn myself() -> Running {
        let pid = i32::try_from(std::process::id()).unwrap();
        Running::of("i-1", pid, Isolation::UserNamespace, Path::new("/layer"), &BTreeMap::new()).unwrap()
    }

    #[test]
    fn a_saved_state_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Running::load(dir.path()).unwrap(), None);
        myself().save(dir.path()).unwrap();
        assert_eq!(Running::load(dir.path()).unwrap(), Some(myself()));
        fs::write(dir.path().join(FILE), "{").unwrap();
        assert_eq!(Running::load(dir.path()).unwrap(), None);
    }

    #[test]
    fn a_reused_number_is_not_the_machine() {
        assert!(myself().pidfd().unwrap().is_some());
        let later = Running { start_time: myself().start_time + 1, ..myself() };
        assert!(later.pidfd().unwrap().is_none());
        let other = Running { pid_namespace: 1, ..myself() };
        assert!(other.pidfd().unwrap().is_none());
        let before = Running { boot_id: "x".into(), ..myself() };
        assert!(before.pidfd().unwrap().is_none());
        assert!(before.netns().is_err());
    }

    #[test]
    fn names_with_parentheses_do_not_mislead() {
        let tail = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20";
        assert_eq!(parse_stat(&format!("7 (a) Z b) {tail}")), Some(Stat { zombie: false, start_time: 4242 }));
        let dead = tail.replace('S', "Z");
        assert_eq!(parse_stat(&format!("7 (a) {dead}")), Some(Stat { zombie: true, start_time: 4242 }));
    }
}

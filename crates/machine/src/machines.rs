//! The service's side: starting, finding, stopping and removing machines. It never forks; it runs our own executable.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::cgroup::Cgroups;
use crate::error::{MachineError, StepFailure};
use crate::lock::Lock;
use crate::spec::{MachineSpec, check_id};
use crate::starter::{BootPlan, Outcome};
use crate::state::{Isolation, Running};
use crate::{layer, sys};

/// A start that takes longer is undone. The slowest seen is a fraction of a second; a disk under load may add seconds.
const START_DEADLINE: Duration = Duration::from_secs(30);

/// How long the kernel may take to tear down a killed machine.
const KILL_DEADLINE: Duration = Duration::from_secs(15);

/// Machines that are taken down at the same time. Each one mostly waits; this bounds threads, not work.
const SIDE_BY_SIDE: usize = 64;

/// How long the host's init may take to collect a dead machine; one that never does leaves a line in `ps`, and no harm.
const COLLECT_DEADLINE: Duration = Duration::from_secs(3);

/// How long to wait for another process that starts or removes the same machine.
const LOCK_DEADLINE: Duration = Duration::from_secs(35);

/// Where and how this service keeps its machines.
#[derive(Clone, Debug)]
pub struct Options {
    /// The program to run hidden steps with; it must call [`crate::run_hidden`] first thing. `/proc/self/exe` is the
    /// running one, also after an upgrade has replaced its file.
    pub executable: PathBuf,
    /// A directory of this service alone, on a real file system (ext4, xfs, btrfs), one directory a machine in it.
    pub root: PathBuf,
    /// Path of the service's machines in the cgroup tree, of this service alone, as in `postern/main`.
    pub cgroup_parent: String,
    /// `None` uses a user namespace where the host can and falls back where it can't.
    pub isolation: Option<Isolation>,
}

/// The machines of one service.
#[derive(Clone, Debug)]
pub struct Machines {
    options: Options,
    etc_layer: PathBuf,
}

impl Machines {
    /// For the service, once per root directory: prepares it and the copy of the host's `/etc`, and clears away copies
    /// that nothing uses any more. Needs root.
    pub fn new(options: Options) -> Result<Self, MachineError> {
        let mut it = Self::open(options)?;
        let mut used = BTreeSet::new();
        for id in it.known()? {
            used.extend(Running::load(&it.dir(&id))?.map(|it| it.etc_layer));
        }
        it.etc_layer = layer::etc(Path::new("/etc"), &it.layers(), Some(&used))?;
        Ok(it)
    }

    /// For another process beside the service, to find, enter and stop machines. Needs root.
    pub fn open(options: Options) -> Result<Self, MachineError> {
        if !rustix::process::geteuid().is_root() {
            return Err(MachineError::NotRoot);
        }
        let parts: Vec<_> = options.cgroup_parent.split('/').collect();
        let plain = |it: &&str| !it.is_empty() && !it.starts_with('.') && !it.contains(['\n', ' ']);
        if !parts.iter().all(plain) {
            return Err(MachineError::Spec(format!(
                "cgroup_parent {:?} must be a relative path",
                options.cgroup_parent
            )));
        }
        let root = &options.root;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(root)
            .map_err(MachineError::file("cannot make", root))?;
        let root = root.canonicalize().map_err(MachineError::file("cannot find", root))?;
        Ok(Self { options: Options { root, ..options }, etc_layer: PathBuf::new() })
    }

    fn layers(&self) -> PathBuf {
        self.options.root.join("layers.d") // no id has a dot
    }

    /// The directory of machine `id`, whether it exists or not.
    pub fn dir(&self, id: &str) -> PathBuf {
        self.options.root.join(id)
    }

    /// What its init said, and what failed during its starts.
    pub fn console_log(&self, id: &str) -> PathBuf {
        self.dir(id).join("console.log")
    }

    /// Starts a machine and returns when its init runs with its root in place. Blocks: some tens of milliseconds.
    ///
    /// Its network namespace has only `lo`. Its files are those of its last run, if it had one.
    pub fn start(&self, spec: &MachineSpec) -> Result<Running, MachineError> {
        spec.check()?;
        let id = &spec.id;
        if let Some(it) = self.find(id)? {
            return Err(MachineError::AlreadyRunning { id: id.clone(), pid: it.pid });
        }
        let dir = self.dir(id);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&dir)
            .map_err(MachineError::file("cannot make", &dir))?;
        let etc_layer = if self.etc_layer.is_dir() {
            self.etc_layer.clone()
        } else {
            layer::etc(Path::new("/etc"), &self.layers(), None)?
        };
        let plan = BootPlan {
            spec: spec.clone(),
            dir: dir.clone(),
            etc_layer,
            cgroup_parent: self.options.cgroup_parent.clone(),
            isolation: self.options.isolation,
        };
        let mut starter = self.spawn_starter(&plan)?;
        let outcome = read_outcome(&mut starter, id);
        if outcome.is_err() {
            let _ = starter.kill();
        }
        starter.wait().map_err(MachineError::kernel("wait for the starter"))?;
        let error = match outcome {
            Ok(Outcome::Runs(it)) => return Ok(it),
            Ok(Outcome::Locked) => return Err(MachineError::Busy(id.clone())),
            Ok(Outcome::Failed(failure)) => MachineError::Start { id: id.clone(), failure },
            Err(e) => e,
        };
        if let Err(e) = self.kill(id) {
            tracing::warn!(id, error = %e, "a failed start left something");
        }
        Err(error)
    }

    fn spawn_starter(&self, plan: &BootPlan) -> Result<Child, MachineError> {
        let log = self.console_log(&plan.spec.id);
        let console = File::options()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&log)
            .map_err(MachineError::file("cannot open", &log))?;
        // plain enough for std to use posix_spawn; a fork of this large process would copy its page tables
        let mut starter = Command::new(&self.options.executable)
            .arg0("postern")
            .args([crate::HIDDEN, "start"])
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(console)
            .spawn()
            .map_err(MachineError::file("cannot run", &self.options.executable))?;
        let bytes = serde_json::to_vec(plan).map_err(|e| MachineError::Spec(e.to_string()))?;
        if let Some(mut pipe) = starter.stdin.take() {
            // a starter that has died says so on its other pipe
            let _ = pipe.write_all(&bytes);
        }
        Ok(starter)
    }

    /// The machine `id`, if it runs.
    pub fn find(&self, id: &str) -> Result<Option<Running>, MachineError> {
        check_id(id)?;
        let Some(it) = Running::load(&self.dir(id))? else { return Ok(None) };
        Ok(it.pidfd()?.map(|_| it))
    }

    /// Every machine that runs, by id.
    pub fn list(&self) -> Result<Vec<Running>, MachineError> {
        let mut found = Vec::new();
        for id in self.known()? {
            found.extend(self.find(&id)?);
        }
        Ok(found)
    }

    /// The ids of all machines that have a directory, running or not.
    pub fn known(&self) -> Result<Vec<String>, MachineError> {
        let root = &self.options.root;
        let mut ids = Vec::new();
        for it in fs::read_dir(root).map_err(MachineError::file("cannot list", root))?.flatten() {
            let is_dir = it.file_type().is_ok_and(|it| it.is_dir());
            ids.extend(it.file_name().into_string().ok().filter(|it| is_dir && check_id(it).is_ok()));
        }
        ids.sort();
        Ok(ids)
    }

    /// Asks the machine to power off and waits; what is left after `grace` is killed. Fine if it does not run.
    pub fn stop(&self, id: &str, grace: Duration) -> Result<(), MachineError> {
        if let Some(init) = self.pin(id)? {
            let _ = sys::signal_pidfd(&init, sys::poweroff_signal());
            ended(&init, grace)?;
        }
        self.kill(id)
    }

    /// Kills every process of the machine and removes its cgroups. Its files stay. Fine if it does not run.
    pub fn kill(&self, id: &str) -> Result<(), MachineError> {
        check_id(id)?;
        let _lock = self.lock(id)?;
        self.kill_locked(id)
    }

    fn kill_locked(&self, id: &str) -> Result<(), MachineError> {
        let dir = self.dir(id);
        let running = Running::load(&dir)?;
        if let Some(init) = self.pin(id)? {
            // the kernel kills the rest of a pid namespace with its init, and ends the init last
            let _ = sys::signal_pidfd(&init, libc::SIGKILL);
            if !ended(&init, KILL_DEADLINE)? {
                return Err(MachineError::Remains { id: id.into(), what: "its init".into() });
            }
        }
        if let Some(it) = running {
            it.await_collection(Instant::now() + COLLECT_DEADLINE);
        }
        let left = self.cgroups(id)?.remove(Instant::now() + KILL_DEADLINE);
        if let Some(it) = left.first() {
            return Err(MachineError::Remains { id: id.into(), what: format!("cgroup {}", it.display()) });
        }
        match fs::remove_file(dir.join("state.json")) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(MachineError::file("cannot remove", &dir)(e)),
            _ => Ok(()),
        }
    }

    /// Makes the machine's init end everything in it and start its services afresh. Addresses and files stay.
    pub fn reboot(&self, id: &str) -> Result<(), MachineError> {
        let init = self.pin(id)?.ok_or_else(|| MachineError::NotRunning(id.into()))?;
        sys::signal_pidfd(&init, sys::reboot_signal()).map_err(MachineError::kernel("signal the machine's init"))
    }

    /// Kills the machine and deletes everything of it, however far its start or an earlier removal came. Fine if it is
    /// gone.
    pub fn remove(&self, id: &str) -> Result<(), MachineError> {
        check_id(id)?;
        let dir = self.dir(id);
        let lock = self.lock(id)?;
        self.kill_locked(id)?;
        match fs::remove_dir_all(&dir) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(MachineError::file("cannot remove", &dir)(e));
            }
            _ => {}
        }
        drop(lock);
        Ok(())
    }

    /// Stops every machine of this service, side by side, and says what could not be. Their files stay.
    pub fn stop_all(&self, grace: Duration) -> Vec<(String, MachineError)> {
        self.for_all(|id| self.stop(id, grace))
    }

    /// Removes every machine of this service with its files, side by side, and says what could not be.
    pub fn remove_all(&self) -> Vec<(String, MachineError)> {
        self.for_all(|id| self.remove(id))
    }

    fn for_all(&self, act: impl Fn(&str) -> Result<(), MachineError> + Sync) -> Vec<(String, MachineError)> {
        let ids = match self.known() {
            Ok(ids) => ids,
            Err(e) => return vec![(String::new(), e)],
        };
        let mut failed = Vec::new();
        for some in ids.chunks(SIDE_BY_SIDE) {
            std::thread::scope(|scope| {
                let running: Vec<_> = some.iter().map(|id| (id, scope.spawn(|| act(id)))).collect();
                for (id, it) in running {
                    // a thread that panicked has told so itself, and left its machine as it is
                    let lost = || Err(MachineError::Remains { id: id.clone(), what: "everything".into() });
                    failed.extend(it.join().unwrap_or_else(|_| lost()).err().map(|e| (id.clone(), e)));
                }
            });
        }
        failed
    }

    /// The machine's lock; `None` where there is no directory to lock, and so nobody who starts in it.
    fn lock(&self, id: &str) -> Result<Option<Lock>, MachineError> {
        let dir = self.dir(id);
        let until = Instant::now() + LOCK_DEADLINE;
        loop {
            match Lock::try_take(&dir).map_err(MachineError::file("cannot lock", &dir))? {
                Some(it) => return Ok(Some(it)),
                None if !dir.exists() => return Ok(None),
                None if Instant::now() >= until => return Err(MachineError::Busy(id.into())),
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    fn pin(&self, id: &str) -> Result<Option<OwnedFd>, MachineError> {
        check_id(id)?;
        Running::load(&self.dir(id))?.map_or(Ok(None), |it| it.pidfd())
    }

    fn cgroups(&self, id: &str) -> Result<Cgroups, MachineError> {
        Cgroups::new(&self.options.cgroup_parent, id).map_err(MachineError::kernel("read the cgroup hierarchies"))
    }
}

/// Waits until the process has ended; false after `limit`.
fn ended(process: &OwnedFd, limit: Duration) -> Result<bool, MachineError> {
    readable(process, Instant::now() + limit).map_err(MachineError::kernel("wait for the machine's init"))
}

fn readable(it: impl AsFd, until: Instant) -> rustix::io::Result<bool> {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let left = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        match poll(&mut [PollFd::new(&it, PollFlags::IN)], Some(&left)) {
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e),
        }
    }
}

/// One line of JSON. Not until the end of the pipe: should the starter be killed, its children may hold it for a
/// moment.
fn read_outcome(starter: &mut Child, id: &str) -> Result<Outcome, MachineError> {
    let until = Instant::now() + START_DEADLINE;
    let Some(mut pipe) = starter.stdout.take() else { return Err(MachineError::StartTimeout(id.into())) };
    let (mut line, mut part) = (Vec::new(), [0; 4096]);
    while !line.ends_with(b"\n") {
        if !readable(&pipe, until).map_err(MachineError::kernel("wait for the starter"))? {
            return Err(MachineError::StartTimeout(id.into()));
        }
        match pipe.read(&mut part).map_err(MachineError::kernel("read from the starter"))? {
            0 => break,
            n => line.extend_from_slice(&part[..n]),
        }
    }
    serde_json::from_slice(&line).or_else(|e| {
        let step = "run the starter".to_owned();
        let cause = format!("it ended without an answer ({e})");
        Ok(Outcome::Failed(StepFailure { step, cause, errno: None }))
    })
}

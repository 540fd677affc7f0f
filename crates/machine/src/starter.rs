//! The first hidden process of a start: host root, single-threaded, gone when the start is over.
//!
//! ```text
//! service ── runs ──> starter ── forks ──> stage ── forks ──> init-to-be ── execs ──> init
//!                     cgroups,             leaves the host's   composes the root,      pid 1, outlives
//!                     user namespace,      mounts, enters the  writes the identity     them all
//!                     mounts by descriptor user namespace
//! ```
//! A killed starter leaves nothing that runs: its children wait for its word and end when its pipe does.

use std::fs::{self, DirBuilder, File};
use std::io::{self, BufRead, BufReader, PipeReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, chown};
use std::path::{Path, PathBuf};

use rustix::fs::CWD;
use rustix::mount::{OpenTreeFlags, open_tree};
use rustix::thread::UnshareFlags;
use serde::{Deserialize, Serialize};

use crate::cgroup::Cgroups;
use crate::error::{Step, StepFailure};
use crate::lock::Lock;
use crate::spec::{IDS, MachineSpec};
use crate::stage::{self, Report, Stage};
use crate::state::{Isolation, Running};
use crate::sys::{self, Fork};

/// What the service tells the starter.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct BootPlan {
    pub(crate) spec: MachineSpec,
    pub(crate) dir: PathBuf,
    pub(crate) etc_layer: PathBuf,
    pub(crate) cgroup_parent: String,
    pub(crate) isolation: Option<Isolation>,
}

/// What the starter answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Outcome {
    Runs(Running),
    Locked,
    Failed(StepFailure),
}

/// Whose the files of a machine's disk are; they can't change hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Owner {
    isolation: Isolation,
    id_base: u32,
}

/// Reads a [`BootPlan`] from standard input, starts the machine, answers one line on standard output.
pub(crate) fn main() -> Result<(), StepFailure> {
    detach()?;
    let plan: BootPlan = serde_json::from_reader(io::stdin().lock()).step("read the plan")?;
    sys::become_stdio(File::open("/dev/null").step("open /dev/null")?, 0).step("let go of the plan")?;
    let outcome = start(&plan).unwrap_or_else(Outcome::Failed);
    if let Outcome::Failed(it) = &outcome {
        eprintln!("start failed: {it}");
    }
    let mut line = serde_json::to_vec(&outcome).step("write the outcome")?;
    line.push(b'\n');
    io::stdout().write_all(&line).step("answer the service")
}

/// Keeps nothing of the service but its three standard streams.
fn detach() -> Result<(), StepFailure> {
    sys::close_from(3, false).step("close inherited descriptors")?;
    sys::single_threaded().step("be alone")?;
    sys::release_signals().step("reset signals")?;
    sys::ignore_signal(libc::SIGPIPE); // a reader that died is an error to report, not a reason to die halfway
    rustix::process::setsid().step("leave the session")?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    sys::fresh_keyring();
    std::env::set_current_dir("/").step("leave the directory")
}

fn start(plan: &BootPlan) -> Result<Outcome, StepFailure> {
    let Some(lock) = Lock::try_take(&plan.dir).step("lock the machine")? else { return Ok(Outcome::Locked) };
    let alive = Running::load(&plan.dir).and_then(|it| it.map_or(Ok(None), |it| it.pidfd()));
    if alive.map_err(io::Error::other).step("look for a running init")?.is_some() {
        return Ok(Outcome::Locked); // somebody else was quicker
    }
    let (isolation, userns) = isolate(plan)?;
    let owner = if isolation == Isolation::UserNamespace { plan.spec.id_base } else { 0 };
    make_disk(plan, isolation, owner)?;
    let mut cgroups = Cgroups::new(&plan.cgroup_parent, &plan.spec.id).step("read the cgroup hierarchies")?;
    cgroups.make(&plan.spec.limits, owner)?;
    let stage = Stage {
        plan,
        isolation,
        usr: layer(Path::new("/usr"), userns.as_ref())?,
        etc: layer(&plan.etc_layer, userns.as_ref())?,
        disk: disk(&plan.dir.join("disk"), isolation)?,
        // read-only: what runs as pid 1 must not be a way to overwrite our executable
        executable: layer(Path::new("/proc/self/exe"), None)?,
        shortcuts: shortcuts()?,
        cgroups,
        userns,
    };
    let running = raise(&stage)?;
    drop(lock);
    Ok(Outcome::Runs(running))
}

/// Forks the stage and leads it through: its init's number, ready, recorded, go.
fn raise(stage: &Stage<'_>) -> Result<Running, StepFailure> {
    let plan = stage.plan;
    let (reports, writer) = io::pipe().step("make a pipe")?;
    let (wait_for_go, mut go) = io::pipe().step("make a pipe")?;
    let child = match sys::fork().step("fork the stage")? {
        Fork::Child => {
            drop((reports, go));
            stage::main(stage, writer, wait_for_go)
        }
        Fork::Parent(pid) => pid,
    };
    drop((writer, wait_for_go));
    let mut reports = BufReader::new(reports);
    let pid = await_ready(&mut reports)?;
    // collected before the machine runs, so that the cgroup given to it holds only what is its own
    sys::wait(child, true, false).step("wait for the stage")?;
    let running = Running::of(&plan.spec.id, pid, stage.isolation, &plan.etc_layer, &plan.spec.env)
        .and_then(|it| it.save(&plan.dir).map(|()| it))
        .step("record the machine")?;
    go.write_all(b"g").step("let init run")?;
    match next_report(&mut reports)? {
        // its end of the pipe is closed by the exec
        None => Ok(running),
        Some(Report::Failed(it)) => Err(it),
        Some(other) => Err(io::Error::other(format!("{other:?}"))).step("run init"),
    }
}

fn await_ready(reports: &mut BufReader<PipeReader>) -> Result<i32, StepFailure> {
    let (mut pid, mut ready) = (None, false);
    loop {
        match next_report(reports)? {
            Some(Report::Init(number)) => pid = Some(number),
            Some(Report::Ready) => ready = true,
            Some(Report::Failed(it)) => return Err(it),
            None => return Err(io::Error::from(io::ErrorKind::UnexpectedEof)).step("build the machine"),
        }
        if let (Some(pid), true) = (pid, ready) {
            return Ok(pid);
        }
    }
}

fn next_report(reports: &mut BufReader<PipeReader>) -> Result<Option<Report>, StepFailure> {
    let mut line = String::new();
    match reports.read_line(&mut line).step("hear from the stage")? {
        0 => Ok(None),
        _ => serde_json::from_str(&line).map(Some).step("understand the stage"),
    }
}

/// Decides how to keep the machine apart: as its disk is, else as asked, else as well as the host can.
fn isolate(plan: &BootPlan) -> Result<(Isolation, Option<OwnedFd>), StepFailure> {
    let path = plan.dir.join("owner.json");
    let before: Option<Owner> = fs::read(&path).ok().and_then(|it| serde_json::from_slice(&it).ok());
    let wish = before.map(|it| it.isolation).or(plan.isolation);
    if let Some(it) = before.filter(|it| it.id_base != plan.spec.id_base) {
        let text = format!("its files belong to ids from {}, not {}", it.id_base, plan.spec.id_base);
        return Err(io::Error::other(text)).step("take over the disk");
    }
    let (isolation, userns) = match wish {
        Some(Isolation::SharedIds) => (Isolation::SharedIds, None),
        Some(Isolation::UserNamespace) => (Isolation::UserNamespace, Some(user_namespace(plan.spec.id_base)?)),
        None => match user_namespace(plan.spec.id_base).and_then(|it| idmaps(&it, plan).map(|()| it)) {
            Ok(it) => (Isolation::UserNamespace, Some(it)),
            Err(why) => {
                eprintln!("falls back to shared ids: {why}");
                (Isolation::SharedIds, None)
            }
        },
    };
    if before.is_none() {
        let owner = Owner { isolation, id_base: plan.spec.id_base };
        let bytes = serde_json::to_vec(&owner).step("record the owner")?;
        let draft = plan.dir.join("owner.draft");
        fs::write(&draft, bytes).and_then(|()| fs::rename(&draft, &path)).step("record the owner")?;
    }
    Ok((isolation, userns))
}

fn idmaps(userns: &OwnedFd, plan: &BootPlan) -> Result<(), StepFailure> {
    layer(Path::new("/usr"), Some(userns))?;
    layer(&plan.etc_layer, Some(userns)).map(drop)
}

/// A new user namespace whose ids are the host's from `base` on. It lives as long as the descriptor.
pub(crate) fn user_namespace(base: u32) -> Result<OwnedFd, StepFailure> {
    let (mut made, tell) = io::pipe().step("make a pipe")?;
    let (mut hold, held) = io::pipe().step("make a pipe")?;
    let holder = match sys::fork().step("fork a holder of the user namespace")? {
        Fork::Child => {
            drop((made, held));
            let ok = sys::unshare(UnshareFlags::NEWUSER);
            let errno = ok.as_ref().err().and_then(io::Error::raw_os_error).unwrap_or(0);
            let _ = (&tell).write_all(&errno.to_ne_bytes());
            let _ = hold.read(&mut [0]); // ends with the starter, however that ends
            sys::exit_now(0);
        }
        Fork::Parent(pid) => pid,
    };
    drop((tell, hold));
    let map = format!("0 {base} {IDS}");
    let mut errno = [0; 4];
    let result = made
        .read_exact(&mut errno)
        .and_then(|()| match i32::from_ne_bytes(errno) {
            0 => Ok(()),
            errno => Err(io::Error::from_raw_os_error(errno)),
        })
        .step("make a user namespace")
        .and_then(|()| fs::write(format!("/proc/{holder}/uid_map"), &map).step("map user ids"))
        .and_then(|()| fs::write(format!("/proc/{holder}/gid_map"), &map).step("map group ids"))
        .and_then(|()| File::open(format!("/proc/{holder}/ns/user")).step("open the user namespace"));
    drop(held);
    sys::wait(holder, true, false).step("wait for the holder")?;
    result.map(OwnedFd::from)
}

/// A detached read-only view of a host directory or file, owned by the ids of `userns`.
pub(crate) fn layer(path: &Path, userns: Option<&OwnedFd>) -> Result<OwnedFd, StepFailure> {
    let tree = clone(path)?;
    sys::read_only(tree.as_fd(), userns.map(AsFd::as_fd))
        .step(format!("make an id-mapped read-only view of {}", path.display()))?;
    Ok(tree)
}

fn disk(path: &Path, isolation: Isolation) -> Result<OwnedFd, StepFailure> {
    let tree = clone(path)?;
    if isolation == Isolation::SharedIds {
        sys::no_devices(tree.as_fd(), false).step("make devices on the disk mean nothing")?;
    }
    Ok(tree)
}

fn clone(path: &Path) -> Result<OwnedFd, StepFailure> {
    open_tree(CWD, path, OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC)
        .step(format!("clone the mount of {}", path.display()))
}

/// The directories that the machine's root keeps between starts. Everything inside `rootfs` is made by the machine
/// itself, with its own rights: a machine could have put links there.
fn make_disk(plan: &BootPlan, isolation: Isolation, owner: u32) -> Result<(), StepFailure> {
    let disk = plan.dir.join("disk");
    for (name, owner) in
        [("", 0), ("rootfs", owner), ("usr", owner), ("usr.work", owner), ("etc", owner), ("etc.work", owner)]
    {
        let path = disk.join(name);
        DirBuilder::new().recursive(true).mode(0o755).create(&path).step(format!("make {}", path.display()))?;
        chown(&path, Some(owner), Some(owner)).step(format!("give away {}", path.display()))?;
    }
    let stage = plan.dir.join("stage");
    DirBuilder::new().recursive(true).mode(0o755).create(&stage).step("make the stage")?;
    tracing::debug!(id = plan.spec.id, ?isolation, "disk is there");
    Ok(())
}

/// `/bin -> usr/bin` and its like, as the host has them.
fn shortcuts() -> Result<Vec<(PathBuf, PathBuf)>, StepFailure> {
    let names = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"];
    let links: Vec<_> = names
        .iter()
        .filter_map(|it| Some((PathBuf::from(it), fs::read_link(Path::new("/").join(it)).ok()?)))
        .filter(|(_, target)| target.starts_with("usr") || target.starts_with("/usr"))
        .collect();
    if !links.iter().any(|(name, _)| name == Path::new("bin")) {
        return Err(io::Error::other("/bin is no link to usr/bin")).step("find a merged /usr on the host");
    }
    Ok(links)
}

//! The second hidden process of a start: it leaves the host's mounts before it enters the user namespace.
//!
//! A mount namespace of a user namespace gets *locked* copies of every mount it was made from; they can't be taken away
//! and keep whatever they pin alive, other machines' network namespaces too. So the copy is made from a stage that
//! holds only what a machine needs.

use std::fs::{self, File};
use std::io::{PipeReader, PipeWriter, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::CWD;
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, UnmountFlags, mount, mount_bind, mount_change, move_mount,
    unmount,
};
use rustix::process::{Gid, Uid, pivot_root};
use rustix::thread::{LinkNameSpaceType, UnshareFlags};
use serde::{Deserialize, Serialize};

use crate::cgroup::Cgroups;
use crate::error::{Step, StepFailure};
use crate::inside;
use crate::starter::BootPlan;
use crate::state::Isolation;
use crate::sys::{self, Fork};

/// Device nodes that a machine sees. The first ones must exist; runc fails every pod if one is missing.
const DEVICES: &[&str] = &["null", "zero", "full", "random", "urandom", "tty"];
const MORE_DEVICES: &[&str] = &["net/tun", "fuse"];

/// What the starter prepared.
pub(crate) struct Stage<'a> {
    pub(crate) plan: &'a BootPlan,
    pub(crate) isolation: Isolation,
    pub(crate) usr: OwnedFd,
    pub(crate) etc: OwnedFd,
    pub(crate) disk: OwnedFd,
    pub(crate) executable: OwnedFd,
    pub(crate) shortcuts: Vec<(PathBuf, PathBuf)>,
    pub(crate) cgroups: Cgroups,
    pub(crate) userns: Option<OwnedFd>,
}

/// What the stage and the init-to-be tell the starter, one line of JSON each.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    Init(i32),
    Ready,
    Failed(StepFailure),
}

impl Report {
    /// A starter that is gone can't be told; the reader of `go` notices that.
    pub(crate) fn send(&self, mut to: &PipeWriter) {
        if let Ok(mut line) = serde_json::to_vec(self) {
            line.push(b'\n');
            let _ = to.write_all(&line);
        }
    }
}

/// Builds the stage, enters the namespaces, forks the init-to-be and ends.
pub(crate) fn main(stage: &Stage<'_>, reports: PipeWriter, go: PipeReader) -> ! {
    let forked = stage
        .cgroups
        .join()
        .and_then(|()| build(stage))
        .and_then(|()| enter(stage))
        .and_then(|()| sys::fork().step("fork init"));
    match forked {
        Ok(Fork::Child) => inside::main(stage, &reports, go),
        Ok(Fork::Parent(pid)) => Report::Init(pid).send(&reports),
        Err(failure) => Report::Failed(failure).send(&reports),
    }
    sys::exit_now(0)
}

fn build(stage: &Stage<'_>) -> Result<(), StepFailure> {
    sys::unshare(UnshareFlags::NEWNS).step("make a mount namespace")?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).step("make mounts private")?;
    let base = stage.plan.dir.join("stage");
    // mode 755: the machine's root walks through it
    mount("stage", &base, "tmpfs", MountFlags::NOSUID, Some(c"mode=755,size=1m")).step("mount the stage")?;
    std::env::set_current_dir(&base).step("enter the stage")?;
    for it in ["proc", "sys", "usr", "etc", "disk", "dev", "new"] {
        fs::create_dir(it).step(format!("make {it}"))?;
    }
    // whole ones: the kernel lets a user namespace mount its own only where it can see one
    let hard = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("proc", "proc", "proc", hard, None).step("mount the stage's /proc")?;
    mount("sysfs", "sys", "sysfs", hard, None).step("mount the stage's /sys")?;
    for (tree, to) in [(&stage.usr, "usr"), (&stage.etc, "etc"), (&stage.disk, "disk")] {
        move_mount(tree.as_fd(), c"", CWD, to, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
            .step(format!("put /{to} on the stage"))?;
    }
    for name in DEVICES {
        device(name).step(format!("put /dev/{name} on the stage"))?;
    }
    for name in MORE_DEVICES.iter().filter(|it| Path::new("/dev").join(it).exists()) {
        if let Err(e) = device(name) {
            eprintln!("goes without /dev/{name}: {e}");
        }
    }
    pivot_root(".", ".").step("turn to the stage")?;
    unmount(".", UnmountFlags::DETACH).step("let go of the host's mounts")?;
    std::env::set_current_dir("/").step("stand on the stage")
}

fn device(name: &str) -> std::io::Result<()> {
    let (from, to) = (Path::new("/dev").join(name), Path::new("dev").join(name));
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    File::create(&to)?;
    Ok(mount_bind(&from, &to)?)
}

fn enter(stage: &Stage<'_>) -> Result<(), StepFailure> {
    if let Some(userns) = &stage.userns {
        rustix::thread::move_into_link_name_space(userns.as_fd(), Some(LinkNameSpaceType::User))
            .step("enter the user namespace")?;
        become_root()?;
    }
    // inside the user namespace: a network namespace belongs to the user namespace it was made in
    sys::unshare(
        UnshareFlags::NEWNS
            | UnshareFlags::NEWNET
            | UnshareFlags::NEWPID
            | UnshareFlags::NEWUTS
            | UnshareFlags::NEWIPC
            | UnshareFlags::NEWCGROUP,
    )
    .step("make the machine's namespaces")
}

/// Becomes root of the current user namespace, in no other group. The process must be single-threaded.
pub(crate) fn become_root() -> Result<(), StepFailure> {
    rustix::thread::set_thread_groups(&[]).step("leave the host's groups")?;
    rustix::thread::set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT).step("become group root")?;
    rustix::thread::set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT).step("become root")
}

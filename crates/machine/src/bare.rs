//! Running a command at a place that is only a network namespace: the host's files, but none of its names or sockets.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change};
use rustix::thread::{LinkNameSpaceType, UnshareFlags};

use crate::command::Run;
use crate::enter::run;
use crate::error::{MachineError, Step, StepFailure};
use crate::{identity, sys};

/// A command to run at a bare place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BareSpec {
    /// The text of its `/etc/resolv.conf`.
    pub resolv_conf: String,
    /// The text of its `/etc/hosts`; `None` is localhost only.
    pub hosts: Option<String>,
    /// A PEM certificate that is trusted there in addition to the host's bundle.
    pub ca_bundle: Option<String>,
    /// Program and arguments; empty runs `/bin/bash`.
    pub argv: Vec<String>,
    /// The whole environment of the command.
    pub env: BTreeMap<String, String>,
}

/// Directories of the host where local name services and other daemons listen.
const SOCKETS: &[&str] = &["/run", "/var/run"];

/// Runs a command in the given network namespace and returns its exit status, 128 and the signal if one ended it.
///
/// Call it in a process of its own before any thread exists: the process leaves the host's network and mounts for good.
pub fn enter_bare(netns: BorrowedFd<'_>, spec: &BareSpec) -> Result<i32, MachineError> {
    sys::single_threaded().map_err(MachineError::kernel("enter the place"))?;
    let cwd = std::env::current_dir().unwrap_or_else(|_| "/".into());
    rustix::thread::move_into_link_name_space(netns.as_fd(), Some(LinkNameSpaceType::Network))
        .map_err(MachineError::kernel("enter the place's network"))?;
    let bundle = dress(spec).map_err(|failure| MachineError::Start { id: "place".into(), failure })?;
    let mut env = spec.env.clone();
    if let Some(bundle) = bundle {
        // for programs that were built to look elsewhere
        env.entry("SSL_CERT_FILE".into()).or_insert_with(|| bundle.into());
    }
    let command = Run { argv: spec.argv.clone(), env, cwd: cwd.to_string_lossy().into_owned() };
    let guard = || sys::close_from(3, true).step("close descriptors");
    run(&command, guard).map_err(MachineError::kernel("run the command"))
}

/// Gives this process mounts of its own with the place's files. Returns the bundle that was extended.
fn dress(spec: &BareSpec) -> Result<Option<&'static str>, StepFailure> {
    sys::unshare(UnshareFlags::NEWNS).step("make a mount namespace")?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).step("make mounts private")?;
    let bundle = identity::BUNDLES.iter().copied().find(|it| Path::new(it).exists());
    let nsswitch = identity::nsswitch(&fs::read_to_string("/etc/nsswitch.conf").unwrap_or_default());
    let trust = match (bundle, &spec.ca_bundle) {
        (Some(path), Some(ours)) => {
            let all = fs::read_to_string(path).step(format!("read {path}"))?;
            Some((path, identity::extend(&all, ours)))
        }
        _ => None,
    };
    hide_sockets().step("hide the host's sockets")?;
    private_etc()?;
    let hosts = spec.hosts.as_deref().unwrap_or("127.0.0.1 localhost\n::1 localhost\n");
    for (path, text) in [
        ("/etc/resolv.conf", spec.resolv_conf.as_str()),
        ("/etc/hosts", hosts),
        ("/etc/nsswitch.conf", nsswitch.as_str()),
    ] {
        identity::put(path, 0o644, text).step(format!("write {path}"))?;
    }
    if let Some((path, text)) = &trust {
        identity::put(path, 0o644, text).step(format!("write {path}"))?;
    }
    // a /sys of the old network would show tools the host's links; one that is in use may stay
    if let Err(e) = mount("sysfs", "/sys", "sysfs", MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC, None) {
        tracing::debug!(error = %e, "/sys still shows the host's links");
    }
    Ok(trust.map(|(path, _)| path))
}

/// Empties `/run`, and `/var/run` where that is no link to it. Nothing in them is needed by a command that starts now.
fn hide_sockets() -> io::Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    for path in SOCKETS {
        let is_link = fs::symlink_metadata(path).is_ok_and(|it| it.is_symlink());
        if !is_link && Path::new(path).is_dir() {
            mount("run", *path, "tmpfs", flags, Some(c"mode=755,size=64m"))?;
            fs::create_dir(Path::new(path).join("lock"))?;
        }
    }
    Ok(())
}

/// Lays a layer of our own over `/etc`: files can be replaced whether they are there, are missing, or are links into
/// the directory that was just emptied, and stay ours if the host rewrites its own.
fn private_etc() -> Result<(), StepFailure> {
    for it in ["/run/.etc", "/run/.etc/upper", "/run/.etc/work"] {
        fs::create_dir(it).step(format!("make {it}"))?;
    }
    let overlay = mount(
        "etc",
        "/etc",
        "overlay",
        MountFlags::empty(),
        Some(c"lowerdir=/etc,upperdir=/run/.etc/upper,workdir=/run/.etc/work"),
    );
    if overlay.is_err() {
        // no overlays here (a host that is itself deep in layers): a copy does it
        copy("/etc", "/run/.etc/upper").step("copy /etc")?;
        mount_bind("/run/.etc/upper", "/etc").step("mount the copy of /etc")?;
    }
    Ok(())
}

fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    for it in fs::read_dir(from)?.flatten() {
        let (kind, to) = (it.file_type()?, to.as_ref().join(it.file_name()));
        if kind.is_dir() {
            fs::create_dir(&to)?;
            fs::set_permissions(&to, it.metadata()?.permissions())?;
            copy(it.path(), to)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(it.path())?, to)?;
        } else if kind.is_file() {
            fs::copy(it.path(), to)?;
        }
    }
    Ok(())
}

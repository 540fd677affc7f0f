//! What this host's kernel can and can't do for machines, each tried and told in one line.

use std::fs;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount};
use rustix::thread::UnshareFlags;
use serde::{Deserialize, Serialize};

use crate::cgroup::{self, Cgroups};
use crate::error::{MachineError, Step, StepFailure};
use crate::spec::{IDS, Limits};
use crate::starter::{layer, user_namespace};
use crate::sys::{self, Fork};

/// One thing that machines need or like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capability {
    /// Its name, as in "idmapped mounts".
    pub name: String,
    /// Whether it works here.
    pub ok: bool,
    /// Without it: what is worse for it, and the kernel's answer.
    pub detail: String,
}

/// Tries everything, in a process of its own. `root` is where machines will live; `executable` as in
/// [`crate::Options`].
pub fn probe(executable: &Path, root: &Path) -> Result<Vec<Capability>, MachineError> {
    let answer = Command::new(executable)
        .args([crate::HIDDEN, "probe"])
        .arg(root)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .map_err(MachineError::file("cannot run", executable))?;
    serde_json::from_slice(&answer.stdout).map_err(|e| MachineError::kernel("understand the probe")(io::Error::from(e)))
}

/// The hidden process: answers with JSON on standard output.
pub(crate) fn main(root: &Path) -> Result<(), StepFailure> {
    let found = [
        row("root", "no machine can be made", &mut || {
            if rustix::process::geteuid().is_root() { Ok(()) } else { fail("run the service as root") }
        }),
        row("namespaces", "no machine can be made", &mut || in_child(&|| sys::unshare(ALL).step("make them"))),
        row("user namespaces", FALLS_BACK, &mut || user_namespace(PROBE_IDS).map(drop)),
        row("idmapped mounts of /usr", FALLS_BACK, &mut || idmap(Path::new("/usr"))),
        row("idmapped mounts of the data directory", FALLS_BACK, &mut || idmap(root)),
        row("overlay file system", "no machine can be made", &mut || in_child(&|| overlay(root))),
        row("merged /usr", "no machine can be made", &mut || {
            if fs::read_link("/bin").is_ok() { Ok(()) } else { fail("/bin is no link to usr/bin") }
        }),
        row("system call filter", "no machine can be made", &mut || {
            in_child(&|| crate::filter::install().step("install it"))
        }),
        row("cgroups", "machines run without limits of their own", &mut cgroups),
        row("memory limits", "machines can't be given a memory limit", &mut || controller("memory")),
        row("processor limits", "machines can't be given a processor limit", &mut || controller("cpu")),
        row("process limits", "machines can't be given a process limit", &mut || controller("pids")),
    ];
    let text = serde_json::to_vec(&found).step("write the answer")?;
    io::stdout().write_all(&text).step("answer")
}

const FALLS_BACK: &str = "machines fall back to the host's user ids, which holds no hostile root";
const PROBE_IDS: u32 = u32::MAX - 2 * IDS;
const ALL: UnshareFlags = UnshareFlags::NEWNS
    .union(UnshareFlags::NEWNET)
    .union(UnshareFlags::NEWPID)
    .union(UnshareFlags::NEWUTS)
    .union(UnshareFlags::NEWIPC)
    .union(UnshareFlags::NEWCGROUP);

fn row(name: &str, without: &str, attempt: &mut dyn FnMut() -> Result<(), StepFailure>) -> Capability {
    let result = attempt();
    let detail = result.as_ref().err().map_or(String::new(), |it| format!("{without} ({it})"));
    Capability { name: name.into(), ok: result.is_ok(), detail }
}

fn fail<T>(text: &str) -> Result<T, StepFailure> {
    Err(io::Error::other(text.to_owned())).step("look")
}

/// Tries what can't be undone in a child, which takes it along when it ends.
fn in_child(attempt: &dyn Fn() -> Result<(), StepFailure>) -> Result<(), StepFailure> {
    match sys::fork().step("fork")? {
        Fork::Child => {
            let errno = attempt().err().map_or(0, |it| it.errno.unwrap_or(libc::EIO));
            sys::exit_now(errno.min(255))
        }
        Fork::Parent(pid) => match sys::wait(pid, true, false).step("wait")? {
            Some((_, sys::Ended::Exit(0))) => Ok(()),
            Some((_, sys::Ended::Exit(errno))) => Err(io::Error::from_raw_os_error(errno)).step("try"),
            other => fail(&format!("{other:?}")),
        },
    }
}

fn idmap(path: &Path) -> Result<(), StepFailure> {
    let userns: OwnedFd = user_namespace(PROBE_IDS)?;
    layer(path, Some(&userns)).map(drop)
}

/// As machines use it: the upper directory where they live. A host that is itself a container may have no such place.
fn overlay(root: &Path) -> Result<(), StepFailure> {
    let base = root.join(format!("probe.{}", std::process::id()));
    for it in ["", "upper", "work", "merged"] {
        fs::create_dir(base.join(it)).step("make its directories")?;
    }
    let attempt = || {
        sys::unshare(UnshareFlags::NEWNS).step("make a mount namespace")?;
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).step("make mounts private")?;
        std::env::set_current_dir(&base).step("go there")?;
        let options = Some(c"lowerdir=/usr,upperdir=upper,workdir=work");
        mount("probe", "merged", "overlay", MountFlags::empty(), options).step("mount it")?;
        unmount("merged", UnmountFlags::empty()).step("unmount it")
    };
    let result = attempt();
    let _ = fs::remove_dir_all(&base);
    result
}

fn cgroups() -> Result<(), StepFailure> {
    let id = format!("probe-{}", std::process::id());
    let mut it = Cgroups::new("machine-probe", &id).step("read the hierarchies")?;
    let made = it.make(&Limits::default(), 0);
    let usable = it.usable().len();
    it.remove(std::time::Instant::now());
    made?;
    if usable == 0 { fail("none is mounted that can be written") } else { Ok(()) }
}

fn controller(name: &str) -> Result<(), StepFailure> {
    let all = cgroup::hierarchies().step("read the hierarchies")?;
    let old = all.iter().any(|it| it.controllers.iter().any(|it| it == name));
    let new = all.iter().filter(|it| it.unified).any(|it| {
        let list = fs::read_to_string(it.mount.join("cgroup.controllers")).unwrap_or_default();
        list.split_ascii_whitespace().any(|it| it == name)
    });
    if old || new { Ok(()) } else { fail("no hierarchy has the controller") }
}

//! The third hidden process of a start: pid 1 in the machine's namespaces. It composes the root, then becomes init.

use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, PipeReader, PipeWriter, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, unmount};
use rustix::process::pivot_root;

use crate::error::{Step, StepFailure};
use crate::stage::{Report, Stage};
use crate::state::Isolation;
use crate::{command, filter, identity, init, sys};

/// Capabilities that a machine without a user namespace of its own goes without, by `capability.h`: DAC_READ_SEARCH (2,
/// opens files by handle), SYS_MODULE, SYS_RAWIO, SYS_PACCT, SYS_BOOT, SYS_TIME, SYS_TTY_CONFIG, MKNOD, AUDIT_CONTROL,
/// MAC_OVERRIDE, MAC_ADMIN, SYSLOG, WAKE_ALARM, BLOCK_SUSPEND, AUDIT_READ, PERFMON, BPF, CHECKPOINT_RESTORE.
pub(crate) const GIVEN_UP: &[u32] = &[2, 16, 17, 20, 22, 25, 26, 27, 30, 32, 33, 34, 35, 36, 37, 38, 39, 40];

/// Directories of the root, with their modes. Missing ones are made at every start.
const DIRECTORIES: &[(&str, u32)] = &[
    ("usr", 0o755),
    ("etc", 0o755),
    ("proc", 0o555),
    ("sys", 0o555),
    ("dev", 0o755),
    ("run", 0o755),
    ("tmp", 0o1777),
    ("root", 0o700),
    ("home", 0o755),
    ("media", 0o755),
    ("mnt", 0o755),
    ("opt", 0o755),
    ("srv", 0o755),
    ("var", 0o755),
    ("var/cache", 0o755),
    ("var/lib", 0o755),
    ("var/log", 0o755),
    ("var/spool", 0o755),
    ("var/tmp", 0o1777),
];

/// Builds the machine around itself, waits for the starter's word and becomes init.
pub(crate) fn main(stage: &Stage<'_>, reports: &PipeWriter, mut go: PipeReader) -> ! {
    // held from before anyone knows our number, through the exec: pid 1 would lose what comes before init listens
    let held = sys::hold_signals(None).step("hold signals");
    let built = held.and_then(|()| compose(stage)).and_then(|()| settle(stage));
    if let Err(failure) = built {
        Report::Failed(failure).send(reports);
        sys::exit_now(1);
    }
    Report::Ready.send(reports);
    // a starter that died before it could record us must not leave us running
    if !matches!(go.read(&mut [0]), Ok(1)) {
        sys::exit_now(1);
    }
    let failure = become_init(stage);
    Report::Failed(failure).send(reports);
    sys::exit_now(1)
}

fn compose(stage: &Stage<'_>) -> Result<(), StepFailure> {
    rustix::process::setsid().step("make a session")?;
    mount_bind("/disk/rootfs", "/new").step("mount the root")?;
    std::env::set_current_dir("/new").step("enter the root")?;
    for (path, mode) in DIRECTORIES {
        directory(path, *mode).step(format!("make /{path}"))?;
    }
    let links = stage.shortcuts.iter().map(|(name, to)| (name.as_path(), to.as_path()));
    for (name, to) in
        links.chain([(Path::new("var/run"), Path::new("/run")), (Path::new("var/lock"), Path::new("/run/lock"))])
    {
        link(to, name).step(format!("link /{}", name.display()))?;
    }
    for layer in ["usr", "etc"] {
        overlay(layer, stage.isolation)?;
    }
    kernel_files(stage.isolation)?;
    devices()?;
    cgroups(stage)?;
    pivot_root(".", ".").step("turn to the root")?;
    unmount(".", UnmountFlags::DETACH).step("let go of the stage")?;
    std::env::set_current_dir("/").step("stand in the root")
}

fn directory(path: &str, mode: u32) -> io::Result<()> {
    match fs::create_dir(path) {
        Ok(()) => fs::set_permissions(path, fs::Permissions::from_mode(mode)),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(e),
    }
}

fn link(to: &Path, name: &Path) -> io::Result<()> {
    match symlink(to, name) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
        _ => Ok(()),
    }
}

fn overlay(layer: &str, isolation: Isolation) -> Result<(), StepFailure> {
    // a user namespace may not write trusted attributes
    let attributes = if isolation == Isolation::UserNamespace { ",userxattr" } else { "" };
    let options = format!("lowerdir=/{layer},upperdir=/disk/{layer},workdir=/disk/{layer}.work{attributes}");
    let options = CString::new(options).step("name the layers")?;
    mount(layer, layer, "overlay", MountFlags::NODEV, Some(options.as_c_str()))
        .step(format!("mount the overlay of /{layer}"))
}

fn kernel_files(isolation: Isolation) -> Result<(), StepFailure> {
    let hard = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let soft = MountFlags::NOSUID | MountFlags::NODEV;
    mount("proc", "proc", "proc", hard, None).step("mount /proc")?;
    mount("sysfs", "sys", "sysfs", hard, None).step("mount /sys")?;
    // sizes bound what can be held in the host's memory by files nobody reads; /run holds sockets and container state
    mount("tmpfs", "run", "tmpfs", soft, Some(c"mode=755,size=256m")).step("mount /run")?;
    mount("tmpfs", "tmp", "tmpfs", soft, Some(c"mode=1777,size=1g")).step("mount /tmp")?;
    for (path, mode) in [("run/lock", 0o1777), ("run/netns", 0o755), ("run/.sys", 0o755), ("run/machine", 0o700)] {
        directory(path, mode).step(format!("make /{path}"))?;
    }
    // `ip netns exec` takes /sys away before it mounts its own, and may only while a whole one is in sight
    mount("sysfs", "run/.sys", "sysfs", hard, None).step("mount a second /sys")?;
    if isolation == Isolation::SharedIds {
        guard_kernel_files()?;
    }
    Ok(())
}

/// Without a user namespace the kernel would take this root for the host's.
fn guard_kernel_files() -> Result<(), StepFailure> {
    let read_only = |path: &str| -> io::Result<()> {
        mount_bind(path, path)?;
        let flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        Ok(rustix::mount::mount_remount(path, flags, c"")?)
    };
    for path in ["proc/sys", "proc/irq", "proc/bus", "proc/fs", "proc/sysrq-trigger"] {
        if Path::new(path).exists() {
            read_only(path).step(format!("make /{path} read-only"))?;
        }
    }
    mount_bind("proc/sys/net", "proc/sys/net").step("keep /proc/sys/net")?;
    let flags = MountFlags::BIND | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    rustix::mount::mount_remount("proc/sys/net", flags, c"").step("make /proc/sys/net writable")?;
    for path in ["proc/kcore", "proc/kmsg"] {
        if Path::new(path).exists() {
            mount_bind("/dev/null", path).step(format!("hide /{path}"))?;
        }
    }
    Ok(())
}

fn devices() -> Result<(), StepFailure> {
    let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
    mount("dev", "dev", "tmpfs", flags, Some(c"mode=755,size=64k")).step("mount /dev")?;
    bind_nodes(Path::new("/dev"), Path::new("dev")).step("bind the devices")?;
    for (path, mode) in [("dev/pts", 0o755), ("dev/shm", 0o1777), ("dev/mqueue", 0o1777)] {
        directory(path, mode).step(format!("make /{path}"))?;
    }
    // group 5 is tty wherever there is Debian, Red Hat or SUSE
    mount("devpts", "dev/pts", "devpts", flags, Some(c"newinstance,ptmxmode=0666,mode=620,gid=5"))
        .step("mount /dev/pts")?;
    mount("shm", "dev/shm", "tmpfs", flags | MountFlags::NODEV, Some(c"mode=1777,size=256m")).step("mount /dev/shm")?;
    if let Err(e) = mount("mqueue", "dev/mqueue", "mqueue", flags | MountFlags::NODEV, None) {
        eprintln!("goes without message queues: {e}");
    }
    for (name, to) in [
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        link(Path::new(to), &Path::new("dev").join(name)).step(format!("link /dev/{name}"))?;
    }
    Ok(())
}

fn bind_nodes(from: &Path, to: &Path) -> io::Result<()> {
    for it in fs::read_dir(from)?.flatten() {
        let (from, to) = (it.path(), to.join(it.file_name()));
        if it.file_type()?.is_dir() {
            fs::create_dir(&to)?;
            bind_nodes(&from, &to)?;
        } else {
            File::create(&to)?;
            mount_bind(&from, &to)?;
        }
    }
    Ok(())
}

fn cgroups(stage: &Stage<'_>) -> Result<(), StepFailure> {
    let usable = stage.cgroups.usable();
    let hard = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let top = Path::new("sys/fs/cgroup");
    if let [only] = usable
        && only.unified
    {
        mount("cgroup2", top, "cgroup2", hard, None).step("mount /sys/fs/cgroup")?;
        return leave_top(top);
    }
    if usable.is_empty() {
        return Ok(());
    }
    mount("cgroup", top, "tmpfs", hard, Some(c"mode=755,size=64k")).step("mount /sys/fs/cgroup")?;
    for it in usable {
        let Some(to) = it.mount.file_name().map(|name| top.join(name)) else { continue };
        fs::create_dir(&to).step(format!("make /{}", to.display()))?;
        let mounted = if it.unified {
            mount("cgroup2", &to, "cgroup2", hard, None)
        } else {
            let options = CString::new(it.controllers.join(",")).step("name the controllers")?;
            mount("cgroup", &to, "cgroup", hard, Some(options.as_c_str()))
        };
        mounted.step(format!("mount /{}", to.display()))?;
        if it.unified {
            leave_top(&to)?;
        }
    }
    Ok(())
}

/// Version 2 gives controllers to the children of a cgroup only if no process is in it, so init lives in a child.
fn leave_top(top: &Path) -> Result<(), StepFailure> {
    let own = top.join(init::CGROUP);
    match fs::create_dir(&own) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e).step("make init's cgroup"),
        _ => {}
    }
    fs::write(own.join("cgroup.procs"), "0").step("move init to its cgroup")
}

/// Everything after the root is in place: names, files, init's orders.
fn settle(stage: &Stage<'_>) -> Result<(), StepFailure> {
    let spec = &stage.plan.spec;
    rustix::system::sethostname(spec.hostname.as_bytes()).step("set the host name")?;
    identity::write(spec)?;
    init::Orders { env: spec.env.clone(), services: spec.services.clone() }.save().step("leave orders for init")?;
    sys::become_stdio(File::open("/dev/null").step("open /dev/null")?, 0).step("redirect standard input")?;
    sys::become_stdio(io::stderr().as_fd(), 1).step("redirect standard output")
}

fn become_init(stage: &Stage<'_>) -> StepFailure {
    let prepared = filter::install().step("install the system call filter").and_then(|()| match stage.isolation {
        Isolation::UserNamespace => Ok(()),
        Isolation::SharedIds => sys::drop_capabilities(GIVEN_UP).step("give up capabilities"),
    });
    let prepared = prepared.and_then(|()| sys::close_from(3, true).step("close descriptors"));
    let env = CString::new(format!("PATH={}", command::PATH));
    match (prepared, env) {
        (Err(it), _) => it,
        (_, Err(e)) => StepFailure { step: "prepare init".into(), cause: e.to_string(), errno: None },
        (Ok(()), Ok(env)) => {
            let error = sys::exec_file(stage.executable.as_fd(), &[init::NAME.into()], &[env]);
            StepFailure { step: "run init".into(), cause: error.to_string(), errno: error.raw_os_error() }
        }
    }
}

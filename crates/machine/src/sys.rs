//! The system calls that no safe library offers. Everything `unsafe` of this crate is here.
//!
//! All of it is for the single-threaded processes that build, run and enter machines; nothing here is for the service.
#![allow(unsafe_code)] // the kernel is spoken to here, each call with its reason

use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::thread::UnshareFlags;

/// Who one is after [`fork`].
pub(crate) enum Fork {
    Child,
    Parent(i32),
}

/// Duplicates this process.
///
/// Refuses in a process with more than one thread: a lock held by another thread would stay locked in the child.
pub(crate) fn fork() -> io::Result<Fork> {
    single_threaded()?;
    // SAFETY: there is no other thread (checked), so the child may use everything that the parent could.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Fork::Child),
        pid => Ok(Fork::Parent(pid)),
    }
}

/// Fails when this process has a second thread.
pub(crate) fn single_threaded() -> io::Result<()> {
    match std::fs::read_dir("/proc/self/task").map(|it| it.count()) {
        Ok(1) => Ok(()),
        Ok(n) => Err(io::Error::other(format!("must be called before any thread is started, but there are {n}"))),
        // where /proc is not mounted any more (between two roots) the process was checked before
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}

/// Ends this process at once, without running exit handlers that belong to the parent.
pub(crate) fn exit_now(status: i32) -> ! {
    // SAFETY: _exit never returns and touches no memory.
    unsafe { libc::_exit(status) }
}

/// Leaves the given namespaces for new ones.
pub(crate) fn unshare(flags: UnshareFlags) -> io::Result<()> {
    debug_assert!(!flags.contains(UnshareFlags::FILES));
    // SAFETY: only unsharing the descriptor table can surprise other code, and it is never asked for.
    Ok(unsafe { rustix::thread::unshare_unsafe(flags) }?)
}

const MOUNT_ATTR_RDONLY: u64 = 0x1;
const MOUNT_ATTR_NOSUID: u64 = 0x2;
const MOUNT_ATTR_NODEV: u64 = 0x4;
const MOUNT_ATTR_IDMAP: u64 = 0x0010_0000;

/// The kernel's `struct mount_attr`, first version.
#[repr(C)]
#[derive(Default)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns: u64,
}

fn mount_setattr(tree: BorrowedFd<'_>, attr: &MountAttr) -> io::Result<()> {
    // SAFETY: the path is an empty C string, `attr` is a live struct of the given size which the kernel only reads.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            std::ptr::from_ref(attr),
            size_of::<MountAttr>(),
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Makes a detached mount (from `open_tree`) read-only, and shows its owners as the ids of `userns`.
pub(crate) fn read_only(tree: BorrowedFd<'_>, userns: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let mut attr = MountAttr { set: MOUNT_ATTR_RDONLY, ..MountAttr::default() };
    if let Some(userns) = userns {
        attr.set |= MOUNT_ATTR_IDMAP;
        attr.userns = u64::try_from(userns.as_raw_fd()).unwrap_or(u64::MAX);
    }
    mount_setattr(tree, &attr)
}

/// Makes devices (and, on request, set-user-id) mean nothing on a detached mount.
pub(crate) fn no_devices(tree: BorrowedFd<'_>, nosuid: bool) -> io::Result<()> {
    let set = MOUNT_ATTR_NODEV | if nosuid { MOUNT_ATTR_NOSUID } else { 0 };
    mount_setattr(tree, &MountAttr { set, ..MountAttr::default() })
}

/// Replaces this process by the program behind `file`, which needs no path.
pub(crate) fn exec_file(file: BorrowedFd<'_>, argv: &[CString], env: &[CString]) -> io::Error {
    let pointers = |list: &[CString]| -> Vec<*const libc::c_char> {
        list.iter().map(|it| it.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (argv, env) = (pointers(argv), pointers(env));
    // SAFETY: both arrays end with a null pointer and point to C strings that outlive the call.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            file.as_raw_fd(),
            c"".as_ptr(),
            argv.as_ptr(),
            env.as_ptr(),
            libc::AT_EMPTY_PATH,
        );
    }
    io::Error::last_os_error()
}

/// Replaces this process by the program at `path`.
pub(crate) fn exec(path: &CString, argv: &[CString], env: &[CString]) -> io::Error {
    let pointers = |list: &[CString]| -> Vec<*const libc::c_char> {
        list.iter().map(|it| it.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (argv, env) = (pointers(argv), pointers(env));
    // SAFETY: as in `exec_file`.
    unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), env.as_ptr()) };
    io::Error::last_os_error()
}

/// Marks every descriptor from `first` on to be closed by exec, or closes them at once.
pub(crate) fn close_from(first: u32, at_exec: bool) -> io::Result<()> {
    let flags = if at_exec { libc::CLOSE_RANGE_CLOEXEC } else { 0 };
    // SAFETY: at start and just before exec nothing else in this process owns a descriptor in the range.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, flags) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Makes `fd` standard input (0), output (1) or error (2) as well.
pub(crate) fn become_stdio(fd: impl AsFd, number: i32) -> io::Result<()> {
    // SAFETY: the target is a standard stream, which std treats as always open and never owns.
    if unsafe { libc::dup2(fd.as_fd().as_raw_fd(), number) } < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Leaves the session keyring of whoever started us.
pub(crate) fn fresh_keyring() {
    const JOIN_SESSION_KEYRING: libc::c_long = 1;
    // SAFETY: the null name asks for a new anonymous keyring; kernels without keyrings refuse, which is as good.
    unsafe { libc::syscall(libc::SYS_keyctl, JOIN_SESSION_KEYRING, std::ptr::null::<libc::c_char>()) };
}

/// Takes capabilities out of the bounding set, so that no exec from here on brings them back.
pub(crate) fn drop_capabilities(numbers: &[u32]) -> io::Result<()> {
    for &number in numbers {
        // SAFETY: PR_CAPBSET_DROP takes one number and no pointers.
        let result = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(number), 0, 0, 0) };
        // EINVAL: a kernel that is older than the capability has nothing to give away
        if result < 0 && io::Error::last_os_error().raw_os_error() != Some(libc::EINVAL) {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Sends `signal` to every process of this pid namespace but init and the caller.
pub(crate) fn signal_everyone(signal: i32) -> io::Result<()> {
    // SAFETY: kill touches no memory. -1 is "everyone whom I may signal", which the pid namespace bounds.
    if unsafe { libc::kill(-1, signal) } < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Sends `signal` to one process, or with a negative number to a group.
pub(crate) fn signal(pid: i32, signal: i32) -> io::Result<()> {
    if pid == 0 || pid == -1 {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    // SAFETY: kill touches no memory.
    if unsafe { libc::kill(pid, signal) } < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// What became of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Exit(i32),
    Signal(i32),
    Stopped,
}

impl Ended {
    /// As a shell reports it: the exit status, or 128 and the signal.
    pub(crate) fn status(self) -> i32 {
        match self {
            Self::Exit(status) => status,
            Self::Signal(signal) => 128 + signal,
            Self::Stopped => 128 + libc::SIGSTOP,
        }
    }
}

/// Collects a child: `-1` any, else that one. `None` when none has changed and `block` is false.
pub(crate) fn wait(pid: i32, block: bool, stops: bool) -> io::Result<Option<(i32, Ended)>> {
    let flags = if block { 0 } else { libc::WNOHANG } | if stops { libc::WUNTRACED } else { 0 };
    let mut status = 0;
    loop {
        // SAFETY: `status` is a live integer that the kernel fills.
        match unsafe { libc::waitpid(pid, &raw mut status, flags) } {
            0 => return Ok(None),
            -1 => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
            pid if libc::WIFSTOPPED(status) => return Ok(Some((pid, Ended::Stopped))),
            pid if libc::WIFSIGNALED(status) => return Ok(Some((pid, Ended::Signal(libc::WTERMSIG(status))))),
            pid => return Ok(Some((pid, Ended::Exit(libc::WEXITSTATUS(status))))),
        }
    }
}

/// A signal that arrived, and whether a process sent it (the kernel sends those of the terminal).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrived {
    pub(crate) signal: i32,
    pub(crate) from_process: bool,
}

/// Holds back the given signals (`None`: all), to be taken by [`next_signal`].
pub(crate) fn hold_signals(which: Option<&[i32]>) -> io::Result<()> {
    let set = signal_set(which);
    // SAFETY: `set` is initialised; the old mask is not asked for.
    let result = unsafe { libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Lets every signal through again and gives each its default action, as a freshly executed program expects.
pub(crate) fn release_signals() -> io::Result<()> {
    let none = signal_set(Some(&[]));
    // SAFETY: default actions are no code of ours; the mask is initialised. Some numbers refuse, and may.
    unsafe {
        for number in 1..=libc::SIGRTMAX() {
            libc::signal(number, libc::SIG_DFL);
        }
        if libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut()) < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Ignores one signal.
pub(crate) fn ignore_signal(number: i32) {
    // SAFETY: ignoring runs no code of ours.
    unsafe { libc::signal(number, libc::SIG_IGN) };
}

/// Waits for one of the held signals, at most `limit`.
pub(crate) fn next_signal(which: Option<&[i32]>, limit: Option<Duration>) -> io::Result<Option<Arrived>> {
    let set = signal_set(which);
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let limit = limit.map(|it| libc::timespec {
        tv_sec: libc::time_t::try_from(it.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: libc::c_long::from(it.subsec_nanos().cast_signed()),
    });
    let limit = limit.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: set and limit are live for the call (or null), `info` has room for what the kernel writes.
    let signal = unsafe { libc::sigtimedwait(&raw const set, info.as_mut_ptr(), limit) };
    if signal < 0 {
        let error = io::Error::last_os_error();
        return match error.raw_os_error() {
            Some(libc::EAGAIN | libc::EINTR) => Ok(None),
            _ => Err(error),
        };
    }
    // SAFETY: zeroed is a valid value of this plain struct, and the kernel has filled it.
    let from_process = unsafe { info.assume_init() }.si_code <= 0;
    Ok(Some(Arrived { signal, from_process }))
}

fn signal_set(which: Option<&[i32]>) -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: sigfillset and sigemptyset initialise the whole set before anything reads it.
    unsafe {
        match which {
            None => {
                libc::sigfillset(set.as_mut_ptr());
            }
            Some(list) => {
                libc::sigemptyset(set.as_mut_ptr());
                for &number in list {
                    libc::sigaddset(set.as_mut_ptr(), number);
                }
            }
        }
        set.assume_init()
    }
}

/// Signals that init understands: systemd's numbers for "power off" and "reboot".
pub(crate) fn poweroff_signal() -> i32 {
    libc::SIGRTMIN() + 3
}

/// See [`poweroff_signal`].
pub(crate) fn reboot_signal() -> i32 {
    libc::SIGRTMIN() + 5
}

/// Sends a signal through a process descriptor, which can't hit a reused number.
pub(crate) fn signal_pidfd(pidfd: &OwnedFd, signal: i32) -> io::Result<()> {
    // SAFETY: the null siginfo asks for the same as kill; no memory is touched.
    let result = unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, std::ptr::null::<libc::siginfo_t>(), 0)
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Brings `lo` up in this network namespace.
pub(crate) fn loopback_up() -> io::Result<()> {
    let socket = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None)?;
    // SAFETY: all zero is a valid value of this plain struct.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(libc::IFF_UP).unwrap_or(1);
    // SAFETY: SIOCSIFFLAGS reads one ifreq, which is live; the name in it ends with a zero.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw mut request) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Installs the filter for this process and all that descend from it. The program must be valid BPF.
pub(crate) fn seccomp(program: &[libc::sock_filter]) -> io::Result<()> {
    let length = u16::try_from(program.len()).map_err(io::Error::other)?;
    let program = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut() };
    // SAFETY: the kernel copies the program during the call and does not write to it.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

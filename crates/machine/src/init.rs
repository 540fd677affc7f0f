//! Pid 1 of a machine: brings `lo` up, keeps services running, collects the dead, ends everything on request.
//!
//! | signal | what it does |
//! |---|---|
//! | SIGRTMIN+3, SIGTERM, SIGPWR | power off: SIGTERM to all, SIGKILL after [`GRACE`], end |
//! | SIGRTMIN+5, SIGINT | reboot: the same, then `/run` and `/tmp` emptied and services started afresh |

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::command::{PATH, Run};
use crate::error::Step;
use crate::spec::Service;
use crate::sys::{self, Fork};

/// What `ps` shows for pid 1.
pub(crate) const NAME: &std::ffi::CStr = c"/sbin/init";

/// Init's own cgroup, in version 2.
pub(crate) const CGROUP: &str = "init.scope";

/// How long processes may take to end when they are asked. The host's own limit is usually shorter.
pub(crate) const GRACE: Duration = Duration::from_secs(90);

/// The wait before a service that ended is started again: doubles from the first to the last, back to the first after
/// it ran for [`STEADY`].
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LAST_WAIT: Duration = Duration::from_secs(30);
const STEADY: Duration = Duration::from_secs(10);

const ORDERS: &str = "/run/machine/orders.json";

/// What init is to run, left for it by the process that it was.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Orders {
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) services: Vec<Service>,
}

impl Orders {
    /// Writes them into the machine, readable by its root only.
    pub(crate) fn save(&self) -> io::Result<()> {
        let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(ORDERS)?;
        Ok(serde_json::to_writer(file, self)?)
    }
}

/// Runs until told to power off.
pub(crate) fn main() -> ExitCode {
    let _ = rustix::thread::set_name(c"init");
    if let Err(e) = sys::hold_signals(None) {
        eprintln!("init: cannot hold signals: {e}");
        return ExitCode::FAILURE;
    }
    usual_descriptor_limit();
    if let Err(e) = sys::loopback_up() {
        eprintln!("init: cannot bring lo up: {e}");
    }
    for top in ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] {
        pass_controllers_on(Path::new(top));
    }
    let orders = fs::read(ORDERS).map_err(|e| e.to_string());
    let orders: Orders = match orders.and_then(|it| serde_json::from_slice(&it).map_err(|e| e.to_string())) {
        Ok(it) => it,
        Err(e) => {
            eprintln!("init: cannot read its orders, runs no service: {e}");
            Orders::default()
        }
    };
    loop {
        let again = supervise(&orders);
        end_everyone();
        if !again {
            return ExitCode::SUCCESS;
        }
        eprintln!("init: reboots");
        renew_tmpfs();
        if let Err(e) = orders.save() {
            eprintln!("init: cannot keep its orders: {e}");
        }
    }
}

/// The service raises its own soft limit; a machine's processes get the one that a booted system gives, since programs
/// that close or count all possible descriptors are slow with a large one.
fn usual_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    const USUAL: u64 = 1024;
    let limit = getrlimit(Resource::Nofile);
    // Lowering a soft limit is always allowed.
    let _ =
        setrlimit(Resource::Nofile, Rlimit { current: Some(limit.maximum.map_or(USUAL, |it| it.min(USUAL))), ..limit });
}

/// Lets what runs here limit what it starts, as a container run-time wants. A controller that refuses is left out.
fn pass_controllers_on(top: &Path) {
    let available = fs::read_to_string(top.join("cgroup.controllers")).unwrap_or_default();
    for it in available.split_ascii_whitespace() {
        let _ = fs::write(top.join("cgroup.subtree_control"), format!("+{it}"));
    }
}

/// A service and when it is due.
struct Slot<'a> {
    service: &'a Service,
    pid: Option<i32>,
    started: Instant,
    due: Instant,
    wait: Duration,
}

impl<'a> Slot<'a> {
    fn new(service: &'a Service, now: Instant) -> Self {
        Self { service, pid: None, started: now, due: now, wait: FIRST_WAIT }
    }

    fn start(&mut self, env: &BTreeMap<String, String>, now: Instant) {
        self.started = now;
        match spawn(self.service, env) {
            Ok(pid) => self.pid = Some(pid),
            Err(e) => {
                eprintln!("init: {} did not start: {e}", self.service.name);
                self.postpone(now);
            }
        }
    }

    fn ended(&mut self, how: sys::Ended, now: Instant) {
        eprintln!("init: {} ended: {how:?}", self.service.name);
        self.pid = None;
        self.postpone(now);
    }

    fn postpone(&mut self, now: Instant) {
        if now.duration_since(self.started) >= STEADY {
            self.wait = FIRST_WAIT;
        }
        self.due = now + self.wait;
        self.wait = (self.wait * 2).min(LAST_WAIT);
    }
}

/// True for "reboot", false for "power off".
fn supervise(orders: &Orders) -> bool {
    let mut slots: Vec<_> = orders.services.iter().map(|it| Slot::new(it, Instant::now())).collect();
    loop {
        while let Ok(Some((pid, how))) = sys::wait(-1, false, false) {
            if let Some(it) = slots.iter_mut().find(|it| it.pid == Some(pid)) {
                it.ended(how, Instant::now());
            }
        }
        let now = Instant::now();
        for it in slots.iter_mut().filter(|it| it.pid.is_none() && it.due <= now) {
            it.start(&orders.env, now);
        }
        let next = slots.iter().filter(|it| it.pid.is_none()).map(|it| it.due).min();
        match sys::next_signal(None, next.map(|it| it.saturating_duration_since(Instant::now()))) {
            Ok(Some(it)) if it.signal == sys::poweroff_signal() => return false,
            Ok(Some(it)) if matches!(it.signal, libc::SIGTERM | libc::SIGPWR) => return false,
            Ok(Some(it)) if it.signal == sys::reboot_signal() || it.signal == libc::SIGINT => return true,
            Ok(_) => {}
            Err(e) => {
                eprintln!("init: cannot wait for signals: {e}");
                return false;
            }
        }
    }
}

/// Forks by hand: std's `Command` would hand init's blocked signals down.
fn spawn(service: &Service, env: &BTreeMap<String, String>) -> io::Result<i32> {
    let log = File::options().create(true).append(true).mode(0o640).open(format!("/var/log/{}.log", service.name))?;
    let base = [("PATH", PATH), ("HOME", "/root"), ("LANG", "C.UTF-8")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    let env = base.into_iter().chain(env.clone()).collect();
    let command = Run { argv: service.argv.clone(), env, cwd: "/".into() };
    match sys::fork()? {
        Fork::Parent(pid) => Ok(pid),
        Fork::Child => sys::exit_now(command.become_it(|| {
            rustix::process::setsid().step("make a session")?;
            sys::become_stdio(&log, 1).step("redirect its output")?;
            sys::become_stdio(&log, 2).step("redirect its errors")
        })),
    }
}

/// Asks everyone to end, insists after [`GRACE`], returns when init is alone.
fn end_everyone() {
    let _ = sys::signal_everyone(libc::SIGTERM);
    hang_up();
    let _ = sys::signal_everyone(libc::SIGCONT);
    if !alone_by(Instant::now() + GRACE) {
        let _ = sys::signal_everyone(libc::SIGKILL);
        alone_by(Instant::now() + GRACE);
    }
}

/// Interactive shells ignore SIGTERM; they end when their terminal goes.
fn hang_up() {
    for it in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = it.file_name().to_str().and_then(|it| it.parse::<i32>().ok()).filter(|it| *it > 1) else {
            continue;
        };
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // field 7 is the terminal, 0 for none; fields start after the name
        let terminal = stat.rsplit_once(')').and_then(|it| it.1.split_ascii_whitespace().nth(4));
        if terminal.is_some_and(|it| it != "0") {
            let _ = sys::signal(pid, libc::SIGHUP);
        }
    }
}

fn alone_by(until: Instant) -> bool {
    loop {
        while let Ok(Some(_)) = sys::wait(-1, false, false) {}
        // commands that entered from outside are nobody's children here, hence not "no child left"
        if sys::signal_everyone(0).is_err() {
            return true;
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        let _ = sys::next_signal(Some(&[libc::SIGCHLD]), Some(left.min(Duration::from_millis(20))));
    }
}

/// What a real reboot would have emptied.
fn renew_tmpfs() {
    for path in ["/tmp", "/run"] {
        for it in fs::read_dir(path).into_iter().flatten().flatten() {
            // mounts stay, and what holds the orders and the second sysfs
            if matches!(it.file_name().to_str(), Some(".sys" | "machine" | "lock" | "netns")) {
                continue;
            }
            let _ = match it.file_type() {
                Ok(kind) if kind.is_dir() => fs::remove_dir_all(it.path()),
                _ => fs::remove_file(it.path()),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_service_is_tried_ever_more_slowly() {
        let service = Service { name: "x".into(), argv: vec!["x".into()] };
        let start = Instant::now();
        let mut slot = Slot::new(&service, start);
        let mut waits = vec![];
        for _ in 0..10 {
            slot.postpone(start);
            waits.push(slot.due - start);
        }
        assert_eq!(waits[..3], [FIRST_WAIT, FIRST_WAIT * 2, FIRST_WAIT * 4]);
        assert_eq!(waits[9], LAST_WAIT);
    }

    #[test]
    fn a_steady_service_is_back_at_once() {
        let service = Service { name: "x".into(), argv: vec!["x".into()] };
        let start = Instant::now();
        let mut slot = Slot::new(&service, start);
        slot.wait = LAST_WAIT;
        slot.postpone(start + STEADY);
        assert_eq!(slot.due, start + STEADY + FIRST_WAIT);
    }
}

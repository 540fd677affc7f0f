//! Running a command in a machine, as `ssh` would but without a network: the caller's own streams, the machine's
//! everything else.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::path::Path;

use rustix::process::{DumpableBehavior, Pid, Signal};
use rustix::termios::{tcgetpgrp, tcsetpgrp};
use rustix::thread::ThreadNameSpaceType;

use crate::command::{PATH, Run};
use crate::error::{MachineError, Step, StepFailure};
use crate::inside::GIVEN_UP;
use crate::spec::EnterSpec;
use crate::state::{Isolation, Running};
use crate::sys::{self, Fork};
use crate::{cgroup, filter, identity, stage};

/// Signals that the waiting process hands on to the command.
const HANDED_ON: &[i32] = &[libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGUSR1, libc::SIGUSR2];

/// Runs a command as the machine's root and returns its exit status, 128 and the signal if one ended it.
///
/// Call it in a process of its own before any thread exists: the process leaves the host for good and closes every
/// descriptor but its three standard streams.
pub fn enter(machine: &Running, spec: &EnterSpec) -> Result<i32, MachineError> {
    sys::single_threaded().map_err(MachineError::kernel("enter the machine"))?;
    let failed = |failure| MachineError::Start { id: machine.id.clone(), failure };
    let init = machine.pidfd()?.ok_or_else(|| MachineError::NotRunning(machine.id.clone()))?;
    // from here on processes of the machine could look at this one
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(MachineError::kernel("hide from the machine"))?;
    cgroup::join_those_of(machine.pid).map_err(MachineError::kernel("enter the machine's cgroups"))?;
    let mut spaces = ThreadNameSpaceType::MOUNT
        | ThreadNameSpaceType::CONTROL_GROUP
        | ThreadNameSpaceType::HOST_NAME_AND_NIS_DOMAIN_NAME
        | ThreadNameSpaceType::INTER_PROCESS_COMMUNICATION
        | ThreadNameSpaceType::PROCESS_ID
        | ThreadNameSpaceType::NETWORK;
    if machine.isolation == Isolation::UserNamespace {
        spaces |= ThreadNameSpaceType::USER;
    }
    rustix::thread::move_into_thread_name_spaces(init.as_fd(), spaces)
        .map_err(MachineError::kernel("enter the machine's namespaces"))?;
    drop(init);
    sys::close_from(3, false).map_err(MachineError::kernel("close the host's descriptors"))?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    sys::fresh_keyring();
    stage::become_root().map_err(failed)?;
    let env = environment(&machine.env, &spec.env);
    let command = Run { argv: spec.argv.clone(), env, cwd: spec.cwd.clone().unwrap_or("/root".into()) };
    let guard = || {
        filter::install().step("install the system call filter")?;
        match machine.isolation {
            Isolation::UserNamespace => Ok(()),
            Isolation::SharedIds => sys::drop_capabilities(GIVEN_UP).step("give up capabilities"),
        }
    };
    run(&command, guard).map_err(MachineError::kernel("run the command"))
}

/// What every command finds, then the machine's, then the caller's, the later ones winning.
fn environment(machine: &BTreeMap<String, String>, ask: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut env: BTreeMap<String, String> = [
        ("PATH", PATH),
        ("HOME", "/root"),
        ("USER", "root"),
        ("LOGNAME", "root"),
        ("SHELL", "/bin/bash"),
        ("LANG", "C.UTF-8"),
    ]
    .map(|(k, v)| (k.to_owned(), v.to_owned()))
    .into();
    if let Ok(term) = std::env::var("TERM") {
        env.insert("TERM".into(), term);
    }
    if let Some(bundle) = identity::BUNDLES.iter().find(|it| Path::new(it).exists()) {
        env.insert("SSL_CERT_FILE".into(), (*bundle).into());
    }
    env.extend(machine.iter().chain(ask).map(|(k, v)| (k.clone(), v.clone())));
    env
}

/// Runs it in a child and waits. `guard` runs in the child just before.
pub(crate) fn run(command: &Run, guard: impl FnOnce() -> Result<(), StepFailure>) -> io::Result<i32> {
    let terminal = io::stdin().is_terminal() && is_foreground();
    sys::hold_signals(Some(&[HANDED_ON, &[libc::SIGCHLD]].concat()))?;
    let child = match sys::fork()? {
        Fork::Parent(pid) => pid,
        Fork::Child => {
            if terminal {
                // a group that exists in the machine's own pid namespace, or its shell would find the terminal taken by
                // nobody
                let _ = rustix::process::setpgid(None, None);
                take_terminal(rustix::process::getpgrp());
            }
            sys::exit_now(command.become_it(guard))
        }
    };
    let status = attend(child, terminal);
    if terminal {
        take_terminal(rustix::process::getpgrp());
    }
    status
}

/// Only a foreground job may hand the terminal on.
fn is_foreground() -> bool {
    tcgetpgrp(io::stdin()).is_ok_and(|it| it == rustix::process::getpgrp())
}

fn take_terminal(group: Pid) {
    // a background group that sets the terminal is stopped by this signal, unless it ignores it
    sys::ignore_signal(libc::SIGTTOU);
    let _ = tcsetpgrp(io::stdin(), group);
}

fn attend(child: i32, terminal: bool) -> io::Result<i32> {
    loop {
        while let Some((_, how)) = sys::wait(child, false, true)? {
            if how != sys::Ended::Stopped {
                return Ok(how.status());
            }
            if terminal {
                // Ctrl-Z: stop with the command, so that the caller's shell gets its terminal back
                take_terminal(rustix::process::getpgrp());
                rustix::process::kill_process(rustix::process::getpid(), Signal::STOP)?;
                if let Some(group) = Pid::from_raw(child) {
                    take_terminal(group);
                }
                let _ = sys::signal(-child, libc::SIGCONT);
            }
        }
        let held = [HANDED_ON, &[libc::SIGCHLD]].concat();
        if let Some(it) = sys::next_signal(Some(&held), None)?
            && it.signal != libc::SIGCHLD
            && it.from_process
        {
            let _ = sys::signal(child, it.signal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callers_variables_win() {
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        let env = environment(&map(&[("A", "machine"), ("B", "machine")]), &map(&[("B", "caller"), ("HOME", "/x")]));
        assert_eq!((env["A"].as_str(), env["B"].as_str(), env["HOME"].as_str()), ("machine", "caller", "/x"));
        assert_eq!(env["PATH"], PATH);
    }
}

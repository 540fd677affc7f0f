//! `postern down` and `postern reset`: ending the service, and forgetting what it knew.

use super::error::CliError;
use super::session::Session;
use super::up::{require_root, running};
use crate::control::Request;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde_json::Value;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;

/// What only a data directory has: the store.
const MARK: &str = "store";

/// What a service that did not come as far as the store may have left.
const EARLY: &[&str] = &["postern.log", "postern.sock", "machines", "pki", "ca-bundle.pem"];

/// How long a daemon may take to end after it said that all is removed.
const END_LIMIT_SECONDS: i64 = 30;

/// Stops the service and removes what it made on this host; without a daemon, what a killed one left.
///
/// # Errors
/// Without root, or when something can't be removed.
pub fn down(session: &mut Session<'_>) -> Result<(), CliError> {
    require_root("down")?;
    take_down(session, "down")
}

/// As [`down`], and deletes the state.
///
/// # Errors
/// As [`down`]; when the directory is not one of ours, or something is still mounted in it.
pub fn reset(session: &mut Session<'_>) -> Result<(), CliError> {
    require_root("reset")?;
    let dir = session.client.data_dir().to_owned();
    if !dir.exists() {
        return session.line(format!("nothing to reset: there is no {}", dir.display()));
    }
    check_ours(&dir)?;
    take_down(session, "reset")?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").map_err(CliError::io("read the mounts"))?;
    delete(&dir, &mounts)?;
    session.line(format!("the state in {} is deleted", dir.display()))
}

fn take_down(session: &mut Session<'_>, command: &str) -> Result<(), CliError> {
    let dir = session.client.data_dir().to_owned();
    let Some(hello) = running(&session.client)? else {
        return clean_up(session, &dir, command);
    };
    let process = process(hello.pid);
    let _: Value = session.ask(&Request::Down)?;
    if let Some(process) = process {
        wait_for_end(&process, hello.pid)?;
    }
    session.line(format!("postern at {} is down", dir.display()))
}

/// Removes what a daemon that is no more left behind.
fn clean_up(session: &mut Session<'_>, dir: &Path, command: &str) -> Result<(), CliError> {
    if !dir.exists() {
        return session.line(format!("nothing to take down: there is no {}", dir.display()));
    }
    session.progress("removing what a killed daemon may have left");
    let removed = crate::daemon::clean_up(dir);
    session.progress_done();
    let removed = removed.map_err(CliError::Inner)?;
    for it in &removed {
        session.line(it)?;
    }
    if removed.is_empty() && command == "down" {
        return session.line(format!("no daemon ran at {}, and nothing was left of one", dir.display()));
    }
    Ok(())
}

/// Pins the process, so that another one with its number is not waited for.
fn process(pid: u32) -> Option<OwnedFd> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw)?;
    pidfd_open(pid, PidfdFlags::empty()).ok()
}

/// The next `up` must find the socket and the port free.
fn wait_for_end(process: &OwnedFd, pid: u32) -> Result<(), CliError> {
    let limit = Timespec { tv_sec: END_LIMIT_SECONDS, tv_nsec: 0 };
    match poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&limit)) {
        Ok(0) => Err(CliError::told(format!(
            "all is removed, but process {pid} has not ended in {END_LIMIT_SECONDS} seconds"
        ))),
        Ok(_) => Ok(()),
        Err(e) => Err(CliError::io("wait for the daemon's end")(e.into())),
    }
}

/// Refuses to delete what the service did not make.
fn check_ours(dir: &Path) -> Result<(), CliError> {
    if dir.join(MARK).exists() {
        return Ok(());
    }
    let mut entries = fs::read_dir(dir).map_err(CliError::io(format!("list {}", dir.display())))?;
    if entries.all(|it| it.is_ok_and(|it| EARLY.iter().any(|early| it.file_name() == *early))) {
        return Ok(());
    }
    Err(CliError::told(format!("{} is not a data directory of postern: nothing is deleted", dir.display())))
}

/// Deletes everything in the directory, and the directory unless something is mounted on it.
fn delete(dir: &Path, mountinfo: &str) -> Result<(), CliError> {
    let dir = fs::canonicalize(dir).map_err(CliError::io(format!("find {}", dir.display())))?;
    // following a mount would delete what lies on it: an instance's layers are the host's own /usr
    if let Some(mount) = mounts(mountinfo).find(|it| it.starts_with(&dir) && *it != dir) {
        let text = format!("{} is still mounted: nothing is deleted; unmount it and try again", mount.display());
        return Err(CliError::told(text));
    }
    for entry in fs::read_dir(&dir).map_err(CliError::io(format!("list {}", dir.display())))? {
        let entry = entry.map_err(CliError::io(format!("list {}", dir.display())))?;
        let path = entry.path();
        let is_dir = entry.file_type().is_ok_and(|it| it.is_dir());
        let removed = if is_dir { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.map_err(CliError::io(format!("delete {}", path.display())))?;
    }
    // it may be a volume's root, or hold a path that the user wants to keep: empty is enough
    drop(fs::remove_dir(&dir));
    Ok(())
}

/// The mount points of a mountinfo text, its octal escapes resolved.
fn mounts(mountinfo: &str) -> impl Iterator<Item = std::path::PathBuf> + '_ {
    let unescape = |it: &str| {
        ["\\040", "\\011", "\\012"]
            .iter()
            .zip([" ", "\t", "\n"])
            .fold(it.to_owned(), |it, (from, to)| it.replace(from, to))
    };
    mountinfo.lines().filter_map(|it| it.split(' ').nth(4)).map(move |it| unescape(it).replace("\\134", "\\").into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::{FakeDaemon, hello, run};
    use crate::control::Reply;

    fn is_root() -> bool {
        let root = rustix::process::geteuid().is_root();
        if !root {
            eprintln!("skipped: needs root");
        }
        root
    }

    #[test]
    fn down_asks_the_daemon_and_shows_its_progress() {
        if !is_root() {
            return;
        }
        // a process that has ended, so that there is nothing to wait for
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        let daemon = FakeDaemon::start(move |request| match request {
            Request::Hello => {
                let mut hello = hello();
                hello["pid"] = pid.into();
                vec![Reply::Done { value: hello }]
            }
            _ => vec![Reply::Progress { text: "stopping i-1".into() }, Reply::Done { value: Value::Null }],
        });
        let ran = daemon.run("postern down");
        assert_eq!(ran.output(), format!("postern at {} is down\n", daemon.dir().display()));
        assert_eq!(ran.err, "stopping i-1\n");
        assert!(matches!(daemon.requests()[..], [Request::Hello, Request::Down]));
    }

    #[test]
    fn a_directory_that_is_not_ours_is_kept() {
        if !is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("thesis.txt"), "x").unwrap();
        let ran = run(&format!("postern reset --data-dir {}", dir.path().display()));
        assert!(ran.failure().contains("is not a data directory of postern"), "{}", ran.err);
        assert!(dir.path().join("thesis.txt").exists());
    }

    #[test]
    fn nothing_there_is_no_failure() {
        if !is_root() {
            return;
        }
        assert_eq!(run("postern reset --data-dir /nowhere/x").output(), "nothing to reset: there is no /nowhere/x\n");
        assert_eq!(
            run("postern down --data-dir /nowhere/x").output(),
            "nothing to take down: there is no /nowhere/x\n"
        );
    }

    #[test]
    fn deleting_stops_before_a_mount_and_else_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("my data");
        fs::create_dir_all(data.join("store/wal")).unwrap();
        fs::write(data.join("postern.log"), "x").unwrap();
        let shown = fs::canonicalize(&data).unwrap().display().to_string().replace(' ', "\\040");
        let error = delete(&data, &format!("1 2 0:1 / {shown}/machines/usr rw - x x rw\n")).unwrap_err();
        assert!(error.to_string().contains("is still mounted"), "{error}");
        assert!(data.join("store/wal").exists());
        check_ours(&data).unwrap();
        delete(&data, &format!("1 2 0:1 / {shown} rw - x x rw\n1 2 0:1 / {shown}2 rw - x x rw\n")).unwrap();
        assert!(!data.exists());
    }
}

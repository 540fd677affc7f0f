//! `postern up`: the service, in the foreground or detached.

use super::client::Client;
use super::error::CliError;
use super::session::Session;
use crate::control::{Hello, Request};
use base::Region;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use rustix::thread::{CapabilitySet, capabilities};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long a detached start may take. It remakes every network of the state first, some milliseconds each; a host with
/// a thousand VPCs needs seconds.
const START_LIMIT: Duration = Duration::from_secs(120);

/// How often a detached start is looked at: what a person does not notice.
const LOOK: Duration = Duration::from_millis(20);

/// How long the system may take to clear a killed service away: it closes some thousand descriptors.
const DYING: Duration = Duration::from_secs(3);

/// How much of the log's end is searched for the line that a failed start left.
const TAIL: u64 = 64 << 10;

/// Starts the service.
#[derive(Debug, clap::Args)]
pub struct Up {
    /// Where the AWS API listens on this host.
    #[arg(long, default_value = "127.0.0.1:4566", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// The default region.
    #[arg(long, default_value = "ap-northeast-2")]
    region: Region,
    /// Return when the service answers, and leave it running.
    #[arg(long)]
    detach: bool,
    /// Become the leader of a session: how a detached start starts the service.
    #[arg(long, hide = true, conflicts_with = "detach")]
    new_session: bool,
}

impl Up {
    /// Runs the service until it ends, or starts it and returns when it answers.
    ///
    /// A second start with the same data directory says so and changes nothing: it succeeds when detached, as what was
    /// asked for is so, and fails in the foreground, as there is nothing to stay for.
    ///
    /// # Errors
    /// Without root, when the service can't start, and as said above.
    pub fn run(self, session: &mut Session<'_>) -> Result<(), CliError> {
        require_root("up")?;
        require_capabilities(capabilities(None).map_or(CapabilitySet::all(), |it| it.effective))?;
        if let Some(hello) = running(&session.client)? {
            let line = format!(
                "postern runs already at {}: process {}, AWS API at http://{}",
                session.client.data_dir().display(),
                hello.pid,
                hello.listen
            );
            return if self.detach { session.line(line) } else { Err(CliError::Told(line)) };
        }
        let data_dir = make_data_dir(session.client.data_dir())?;
        if self.detach { self.start(session, &data_dir) } else { self.serve(data_dir) }
    }

    fn serve(self, data_dir: PathBuf) -> Result<(), CliError> {
        if self.new_session {
            rustix::process::setsid().map_err(|e| CliError::io("make a session")(e.into()))?;
        }
        raise_descriptor_limit();
        let shown = data_dir.display().to_string();
        let options = crate::daemon::Options {
            data_dir,
            listen: self.listen,
            region: self.region,
            on_ready: Box::new(move |hello: &Hello| {
                use std::io::Write;
                // a terminal that went away is no reason to stop
                drop(writeln!(std::io::stdout(), "{}", ready_line(hello, &shown)));
            }),
        };
        crate::daemon::run(options).map_err(CliError::Inner)
    }

    fn start(self, session: &mut Session<'_>, data_dir: &Path) -> Result<(), CliError> {
        let path = data_dir.join("postern.log");
        let log = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        let log = log.map_err(CliError::io(format!("write {}", path.display())))?;
        let before = log.metadata().map_err(CliError::io(format!("read {}", path.display())))?.len();
        let mut child = self.spawn(data_dir, log)?;
        let started = Instant::now();
        session.progress("starting postern");
        loop {
            if let Some(hello) = running(&session.client)? {
                session.progress_done();
                return session.line(ready_line(&hello, &data_dir.display().to_string()));
            }
            if let Some(status) = child.try_wait().map_err(CliError::io("wait for the service"))? {
                return Err(CliError::Told(last_words(&path, before, status)));
            }
            if started.elapsed() > START_LIMIT {
                give_up(&mut child);
                let limit = START_LIMIT.as_secs();
                let text = format!("postern did not answer within {limit} seconds; its log is {}", path.display());
                return Err(CliError::Told(text));
            }
            session.tick();
            std::thread::sleep(LOOK);
        }
    }

    fn spawn(&self, data_dir: &Path, log: File) -> Result<Child, CliError> {
        let program = std::env::current_exe().map_err(CliError::io("find this program"))?;
        let both = log.try_clone().map_err(CliError::io("share the log"))?;
        Command::new(program)
            .args(["up", "--new-session", "--listen", &self.listen.to_string(), "--region", self.region.as_str()])
            .arg("--data-dir")
            .arg(data_dir)
            .stdin(Stdio::null())
            .stdout(both)
            .stderr(log)
            .current_dir("/")
            .spawn()
            .map_err(CliError::io("start the service"))
    }
}

/// Refuses everyone but root.
///
/// # Errors
/// For everyone but root.
pub fn require_root(command: &'static str) -> Result<(), CliError> {
    if rustix::process::geteuid().is_root() { Ok(()) } else { Err(CliError::NotRoot(command)) }
}

/// Refuses a root that may not make networks, as most containers' is.
fn require_capabilities(effective: CapabilitySet) -> Result<(), CliError> {
    let needed = [(CapabilitySet::NET_ADMIN, "CAP_NET_ADMIN"), (CapabilitySet::SYS_ADMIN, "CAP_SYS_ADMIN")];
    let missing: Vec<_> = needed.iter().filter(|(it, _)| !effective.contains(*it)).map(|(_, name)| *name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let missing = missing.join(" and ");
    Err(CliError::told(format!("root has no {missing} here: in a container, run it with --privileged")))
}

/// The daemon that runs, if one does.
///
/// # Errors
/// When something is there that is no daemon of ours.
pub fn running(client: &Client) -> Result<Option<Hello>, CliError> {
    let deadline = Instant::now() + DYING;
    loop {
        match client.ask(&Request::Hello, &mut |_| {}) {
            Ok(hello) => return Ok(Some(hello)),
            Err(CliError::NoDaemon(_)) => return Ok(None),
            // one that was killed a moment ago breaks off, and is no daemon as soon as the system has cleared it away
            Err(e) if Instant::now() > deadline => return Err(e),
            Err(_) => std::thread::sleep(LOOK),
        }
    }
}

/// Lets the service have as many descriptors as the system allows: shells start programs with a thousand, for the sake
/// of those that use `select`, and a few busy clusters hold more connections than that.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    // where it is refused, the service runs with what it has
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// Makes the directory for root alone, and returns its absolute path: a detached service stands elsewhere.
fn make_data_dir(path: &Path) -> Result<PathBuf, CliError> {
    let doing = || format!("make the data directory {}", path.display());
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(CliError::io(doing()))?;
    fs::canonicalize(path).map_err(CliError::io(doing()))
}

fn ready_line(hello: &Hello, data_dir: &str) -> String {
    format!(
        "postern {} is ready: AWS API at http://{}, region {}, state in {data_dir}",
        hello.version, hello.listen, hello.region
    )
}

/// The line that a service left on stderr before it ended: the last error, else the last line at all.
fn last_words(log: &Path, from: u64, status: ExitStatus) -> String {
    let mut text = Vec::new();
    let read = File::open(log).and_then(|mut file| {
        let from = from.max(file.metadata()?.len().saturating_sub(TAIL));
        file.seek(SeekFrom::Start(from))?;
        file.read_to_end(&mut text)
    });
    let text = if read.is_ok() { String::from_utf8_lossy(&text) } else { Default::default() };
    let lines: Vec<_> = text.lines().map(str::trim).filter(|it| !it.is_empty()).collect();
    let error = lines.iter().rev().find_map(|it| it.strip_prefix("Error: "));
    match error.or(lines.last().copied()) {
        Some(line) => line.to_owned(),
        None => format!("postern ended with {status} and left no word in {}", log.display()),
    }
}

/// Ends a service that does not answer; what it made is removed by the next `down` or `up`.
fn give_up(child: &mut Child) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // not yet waited for, so the number is still its own; one that has just ended is no failure
        let _ = kill_process(pid, Signal::TERM);
    }
    for _ in 0..250 {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        std::thread::sleep(LOOK);
    }
    drop(child.kill());
    drop(child.wait());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::{FakeDaemon, hello};
    use crate::control::Reply;
    use std::os::unix::process::ExitStatusExt;

    fn answering() -> FakeDaemon {
        FakeDaemon::start(|_| vec![Reply::Done { value: hello() }])
    }

    #[test]
    fn a_second_up_says_that_it_runs_already() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: needs root");
            return;
        }
        let daemon = answering();
        let line =
            format!("postern runs already at {}: process 42, AWS API at http://127.0.0.1:4566", daemon.dir().display());
        assert_eq!(daemon.run("postern up --detach").output(), format!("{line}\n"));
        assert_eq!(daemon.run("postern up").failure(), format!("Error: {line}"));
    }

    #[test]
    fn the_last_error_of_this_start_is_shown() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("postern.log");
        let failed = ExitStatus::from_raw(1 << 8);
        fs::write(&log, "Error: old\n").unwrap();
        assert!(last_words(&log, 11, failed).contains("left no word"));
        fs::write(&log, "Error: old\nINFO one\nError: port 4566 is taken\nbye\n").unwrap();
        assert_eq!(last_words(&log, 11, failed), "port 4566 is taken");
        fs::write(&log, "Error: old\nthread panicked\n\n").unwrap();
        assert_eq!(last_words(&log, 11, failed), "thread panicked");
    }

    #[test]
    fn a_root_without_power_is_told_what_it_lacks() {
        assert!(require_capabilities(CapabilitySet::all()).is_ok());
        let error = require_capabilities(CapabilitySet::all() - CapabilitySet::NET_ADMIN).unwrap_err();
        assert!(error.to_string().starts_with("root has no CAP_NET_ADMIN here: "), "{error}");
        let error = require_capabilities(CapabilitySet::CHOWN).unwrap_err();
        assert!(error.to_string().starts_with("root has no CAP_NET_ADMIN and CAP_SYS_ADMIN here"), "{error}");
    }

    #[test]
    fn the_data_directory_is_roots_alone() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let made = make_data_dir(&dir.path().join("a/b")).unwrap();
        assert_eq!(fs::metadata(made).unwrap().permissions().mode() & 0o777, 0o700);
    }
}

//! The control client: blocking, on one thread, so that a command may still enter namespaces after it asked.

use super::error::CliError;
use crate::control::{Reply, Request, socket_path};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often a waiting command comes back to move its spinner.
const TICK: Duration = Duration::from_millis(100);

/// The longest silence between two lines. What takes long says so by progress lines; five minutes without one is a
/// hang.
const SILENCE: Duration = Duration::from_secs(300);

/// The longest line: a listing of a hundred thousand places is some 20 MB.
const LINE_MAX: usize = 256 << 20;

/// What happens while one waits for an answer.
pub enum Event<'a> {
    /// The daemon told how far it is.
    Progress(&'a str),
    /// A moment passed.
    Tick,
}

/// Finds the daemon of one data directory. Every question is a connection of its own.
#[derive(Debug, Clone)]
pub struct Client {
    data_dir: PathBuf,
}

impl Client {
    /// A client of the daemon that runs with this data directory, if one does.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self { data_dir: data_dir.into() }
    }

    /// The data directory.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Asks and waits for the answer.
    ///
    /// # Errors
    /// [`CliError::NoDaemon`] when nobody listens, [`CliError::Refused`] with the daemon's own line, and
    /// [`CliError::Daemon`] when it goes away, falls silent or answers something else.
    pub fn ask<T: DeserializeOwned>(&self, request: &Request, on: &mut dyn FnMut(Event<'_>)) -> Result<T, CliError> {
        let value = self.exchange(request, on)?;
        serde_json::from_value(value)
            .map_err(|e| self.broken(format!("gave an answer that this `postern` does not know ({e})")))
    }

    fn exchange(&self, request: &Request, on: &mut dyn FnMut(Event<'_>)) -> Result<Value, CliError> {
        let mut stream = self.connect()?;
        let mut line = serde_json::to_vec(request).map_err(|e| CliError::told(format!("cannot ask that: {e}")))?;
        line.push(b'\n');
        stream.write_all(&line).map_err(|e| self.broken(format!("took no question ({e})")))?;
        let mut reader = BufReader::new(stream);
        loop {
            let line = self.line(&mut reader, on)?;
            match serde_json::from_slice(&line) {
                Ok(Reply::Progress { text }) => on(Event::Progress(&text)),
                Ok(Reply::Done { value }) => return Ok(value),
                Ok(Reply::Failed { code, message }) => return Err(CliError::Refused { code, message }),
                Err(e) => return Err(self.broken(format!("gave an answer that is none ({e})"))),
            }
        }
    }

    fn connect(&self) -> Result<UnixStream, CliError> {
        let path = socket_path(&self.data_dir);
        let stream = match UnixStream::connect(&path) {
            Ok(stream) => stream,
            Err(e)
                if matches!(
                    e.kind(),
                    ErrorKind::NotFound | ErrorKind::ConnectionRefused | ErrorKind::NotADirectory
                ) =>
            {
                return Err(CliError::NoDaemon(self.data_dir.clone()));
            }
            Err(e) if e.kind() == ErrorKind::PermissionDenied => {
                return Err(CliError::told(format!("only root may ask the daemon at {}", self.data_dir.display())));
            }
            Err(source) => return Err(CliError::Io { doing: format!("connect to {}", path.display()), source }),
        };
        stream.set_read_timeout(Some(TICK)).map_err(CliError::io("wait on the daemon's socket"))?;
        Ok(stream)
    }

    fn line(&self, reader: &mut BufReader<UnixStream>, on: &mut dyn FnMut(Event<'_>)) -> Result<Vec<u8>, CliError> {
        let deadline = Instant::now() + SILENCE;
        let mut line = Vec::new();
        loop {
            // what was read before a timeout stays in `line`
            match reader.read_until(b'\n', &mut line) {
                Ok(_) if line.ends_with(b"\n") => return Ok(line),
                Ok(_) => return Err(self.broken("ended before it answered")),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => on(Event::Tick),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(self.broken(format!("broke off ({e})"))),
            }
            if Instant::now() > deadline {
                return Err(self.broken(format!("has been silent for {} seconds", SILENCE.as_secs())));
            }
            if line.len() > LINE_MAX {
                return Err(self.broken("gave an answer without end"));
            }
        }
    }

    fn broken(&self, problem: impl Into<String>) -> CliError {
        CliError::Daemon { data_dir: self.data_dir.clone(), problem: problem.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::FakeDaemon;
    use crate::control::Hello;
    use serde_json::json;

    #[test]
    fn an_answer_is_the_last_line_and_progress_comes_before() {
        let daemon = FakeDaemon::start(|_| {
            vec![
                Reply::Progress { text: "one".into() },
                Reply::Progress { text: "two".into() },
                Reply::Done {
                    value: json!({"version": "0", "pid": 7, "listen": "127.0.0.1:4566", "region": "eu-west-1"}),
                },
            ]
        });
        let mut heard = Vec::new();
        let hello: Hello = daemon
            .client()
            .ask(&Request::Hello, &mut |event| {
                if let Event::Progress(text) = event {
                    heard.push(text.to_owned());
                }
            })
            .unwrap();
        assert_eq!((hello.pid, heard), (7, vec!["one".to_owned(), "two".to_owned()]));
        assert!(matches!(daemon.requests()[..], [Request::Hello]));
    }

    #[test]
    fn nobody_there_says_how_to_start() {
        let dir = tempfile::tempdir().unwrap();
        let error = Client::new(dir.path()).ask::<Value>(&Request::Hello, &mut |_| {}).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("no daemon answers at {}: start one with `postern up`", dir.path().display())
        );
    }

    #[test]
    fn a_socket_that_a_killed_daemon_left_is_nobody() {
        let dir = tempfile::tempdir().unwrap();
        drop(std::os::unix::net::UnixListener::bind(socket_path(dir.path())).unwrap());
        let error = Client::new(dir.path()).ask::<Value>(&Request::Hello, &mut |_| {}).unwrap_err();
        assert!(matches!(error, CliError::NoDaemon(_)), "{error}");
    }

    #[test]
    fn a_daemon_that_ends_in_between_is_told_apart_from_none() {
        let daemon = FakeDaemon::start(|_| vec![Reply::Progress { text: "one".into() }]);
        let error = daemon.client().ask::<Value>(&Request::Hello, &mut |_| {}).unwrap_err();
        assert!(error.to_string().contains("ended before it answered"), "{error}");
    }
}

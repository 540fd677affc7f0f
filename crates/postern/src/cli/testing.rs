//! A daemon that answers from a script, and a run of the command line against it.

use super::client::Client;
use super::session::{Progress, Session};
use crate::control::{Reply, Request, socket_path};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex};

/// Answers on the socket of a directory of its own until it is dropped.
pub struct FakeDaemon {
    dir: tempfile::TempDir,
    requests: Arc<Mutex<Vec<Request>>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl FakeDaemon {
    /// Answers each request with the lines of `script`.
    pub fn start(script: impl FnMut(&Request) -> Vec<Reply> + Send + 'static) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(socket_path(dir.path())).unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let thread = std::thread::spawn({
            let (requests, mut script) = (requests.clone(), script);
            move || {
                for stream in listener.incoming() {
                    let mut stream = stream.unwrap();
                    let mut line = String::new();
                    BufReader::new(&stream).read_line(&mut line).unwrap();
                    if line.is_empty() {
                        return;
                    }
                    let request: Request = serde_json::from_str(&line).unwrap();
                    let replies = script(&request);
                    requests.lock().unwrap().push(request);
                    for reply in replies {
                        let mut line = serde_json::to_vec(&reply).unwrap();
                        line.push(b'\n');
                        stream.write_all(&line).unwrap();
                    }
                }
            }
        });
        Self { dir, requests, thread: Some(thread) }
    }

    /// Answers AWS operations by a function of service, operation and input; `Hello` with region ap-northeast-2.
    pub fn aws(
        mut answer: impl FnMut(&str, &str, &Value) -> Result<Value, (&'static str, String)> + Send + 'static,
    ) -> Self {
        Self::start(move |request| match request {
            Request::Hello => vec![Reply::Done { value: hello() }],
            Request::Call { service, operation, input, .. } => vec![match answer(service, operation, input) {
                Ok(value) => Reply::Done { value },
                Err((code, message)) => Reply::Failed { code: Some(code.to_owned()), message },
            }],
            other => vec![Reply::Failed { code: None, message: format!("not in the script: {other:?}") }],
        })
    }

    /// A client of it.
    pub fn client(&self) -> Client {
        Client::new(self.dir.path())
    }

    /// Its data directory.
    pub fn dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// What it was asked so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// The AWS operations it was asked so far, with their inputs.
    pub fn calls(&self) -> Vec<(String, Value)> {
        let call = |it| match it {
            Request::Call { operation, input, .. } => Some((operation, input)),
            _ => None,
        };
        self.requests().into_iter().filter_map(call).collect()
    }

    /// Runs a command line, split at white space.
    pub fn run(&self, line: &str) -> Ran {
        run(&format!("{line} --data-dir {}", self.dir.path().display()))
    }
}

impl Drop for FakeDaemon {
    fn drop(&mut self) {
        // a connection that asks nothing ends it
        drop(UnixStream::connect(socket_path(self.dir.path())));
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the fake daemon failed");
        }
    }
}

/// What a run printed.
#[derive(Debug)]
pub struct Ran {
    /// Whether it ended with status 0.
    pub success: bool,
    /// Standard output, without the time stamps of eksctl's log lines.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ran {
    /// The one line of a command that failed.
    #[track_caller]
    pub fn failure(&self) -> &str {
        assert!(!self.success, "it succeeded: {self:?}");
        let lines: Vec<_> = self.err.lines().filter(|it| it.starts_with("Error: ")).collect();
        assert_eq!(lines.len(), 1, "{self:?}");
        lines[0]
    }

    /// The output of a command that succeeded.
    #[track_caller]
    pub fn output(&self) -> &str {
        assert!(self.success, "it failed: {self:?}");
        &self.out
    }
}

/// Runs a command line, split at white space, with an empty environment and without a terminal.
pub fn run(line: &str) -> Ran {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut session = Session {
        client: Client::new(""),
        out: &mut out,
        err: &mut err,
        progress: Progress::Lines,
        colour: false,
        env: |_| None,
        given: Vec::new(),
    };
    let status = super::run_in(&mut session, line.split_whitespace().map(Into::into));
    let out = String::from_utf8(out).unwrap().lines().map(|it| format!("{}\n", without_time(it))).collect();
    Ran { success: status == std::process::ExitCode::SUCCESS, out, err: String::from_utf8(err).unwrap() }
}

/// A log line without its time stamp, of which only the form is checked.
fn without_time(line: &str) -> &str {
    let Some((stamp, rest)) = line.split_at_checked(20) else { return line };
    let digits = |it: &str| it.replace(|c: char| c.is_ascii_digit(), "0");
    if digits(stamp) == "0000-00-00 00:00:00 " && rest.starts_with('[') { rest } else { line }
}

/// What a daemon says of itself.
pub fn hello() -> Value {
    serde_json::json!({"version": "0.1.0", "pid": 42, "listen": "127.0.0.1:4566", "region": "ap-northeast-2"})
}

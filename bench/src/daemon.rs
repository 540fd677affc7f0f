//! The real binary as a user starts it, in a data directory and namespaces of its own. It is reset when it goes out of
//! scope, however the program ends; `bench/run` looks after those that a killed program leaves.

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The region of all that is measured.
pub const REGION: &str = "ap-northeast-2";

/// A running Postern.
pub struct Daemon {
    dir: tempfile::TempDir,
    binary: PathBuf,
    /// Where its AWS API listens.
    pub listen: SocketAddr,
    /// The administrator's key and its secret.
    pub key: (String, String),
}

impl Daemon {
    /// Starts one on a free port. `POSTERN_BIN` says which binary, by default the release build.
    ///
    /// # Errors
    /// When it does not start; root is needed.
    pub fn up() -> anyhow::Result<Self> {
        let binary = std::env::var_os("POSTERN_BIN")
            .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/postern"), PathBuf::from);
        let dir = tempfile::Builder::new().prefix("postern-bench-").tempdir()?;
        let listen = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut daemon = Self { dir, binary, listen, key: Default::default() };
        daemon.start()?;
        let key = daemon.ask(&json!({"ask": "credentials"}))?;
        let text = |name: &str| key[name].as_str().map(str::to_owned).context("the administrator's key");
        daemon.key = (text("access_key_id")?, text("secret_access_key")?);
        Ok(daemon)
    }

    /// Its data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// `postern up --detach`, and how long it took.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(&self) -> anyhow::Result<Duration> {
        let started = Instant::now();
        self.run(&["up", "--detach", "--region", REGION, "--listen", &self.listen.to_string()])?;
        Ok(started.elapsed())
    }

    /// Takes everything down and keeps the records.
    ///
    /// # Errors
    /// When something stays.
    pub fn down(&self) -> anyhow::Result<()> {
        self.run(&["down"])
    }

    /// Kills the daemon without a word; its namespaces stay.
    ///
    /// # Errors
    /// When it does not go.
    pub fn kill(&self) -> anyhow::Result<()> {
        let pid = self.pid()?;
        ensure!(Command::new("kill").args(["-9", &pid.to_string()]).status()?.success(), "cannot kill {pid}");
        let deadline = Instant::now() + Duration::from_secs(10);
        while Path::new(&format!("/proc/{pid}")).exists() {
            ensure!(Instant::now() < deadline, "process {pid} does not go");
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// The daemon's process id.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn pid(&self) -> anyhow::Result<u64> {
        self.ask(&json!({"ask": "hello"}))?["pid"].as_u64().context("the daemon's process id")
    }

    /// Resident memory of the daemon in KiB.
    ///
    /// # Errors
    /// When it is gone.
    pub fn resident(&self) -> anyhow::Result<f64> {
        kib(&format!("/proc/{}/status", self.pid()?), "VmRSS:")
    }

    /// Where a place's network namespace can be opened.
    ///
    /// # Errors
    /// When there is no such place.
    pub fn place(&self, place: &str) -> anyhow::Result<PathBuf> {
        let standing = self.ask(&json!({"ask": "stand", "place": place}))?;
        if let Some(path) = standing.pointer("/namespace").and_then(Value::as_str) {
            return Ok(path.into());
        }
        let pid = standing.get("pid").and_then(Value::as_u64).with_context(|| format!("{place}: {standing}"))?;
        Ok(format!("/proc/{pid}/ns/net").into())
    }

    /// One request over the control socket.
    ///
    /// # Errors
    /// When it is refused.
    pub fn ask(&self, request: &Value) -> anyhow::Result<Value> {
        let mut stream = UnixStream::connect(self.data_dir().join("postern.sock"))?;
        stream.write_all(format!("{request}\n").as_bytes())?;
        for line in BufReader::new(stream).lines() {
            let mut reply: Value = serde_json::from_str(&line?)?;
            match reply["say"].as_str() {
                Some("done") => return Ok(reply["value"].take()),
                Some("failed") => bail!("{request}: {}", reply["message"]),
                _ => {}
            }
        }
        bail!("{request}: no answer")
    }

    fn run(&self, args: &[&str]) -> anyhow::Result<()> {
        let mut command = Command::new(&self.binary);
        command.args(args).env("POSTERN_DATA_DIR", self.data_dir()).stdin(Stdio::null());
        let output = command.output().with_context(|| format!("cannot run {}", self.binary.display()))?;
        if !output.status.success() {
            let log = std::fs::read_to_string(self.data_dir().join("postern.log")).unwrap_or_default();
            let last: Vec<&str> = log.lines().rev().take(10).collect();
            let error = String::from_utf8_lossy(&output.stderr);
            bail!("postern {args:?}: {error}\nthe end of its log, newest first:\n{}", last.join("\n"));
        }
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Err(error) = self.run(&["reset"]) {
            eprintln!("{error:#}");
        }
    }
}

/// A number of KiB from one of the files in `/proc`.
///
/// # Errors
/// When the file or the line is not there.
pub fn kib(path: &str, name: &str) -> anyhow::Result<f64> {
    let text = std::fs::read_to_string(path)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("{name} in {path}"))?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}

//! A service's worth of machines for one test, taken down when the test ends, however it ends.
#![allow(dead_code)] // each test file uses its part

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use machine::{Isolation, Limits, MachineSpec, Machines, Options};

/// The stand-in for the service.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_machine-test");

static NEXT: AtomicU32 = AtomicU32::new(0);

pub struct Host {
    pub machines: Machines,
    pub root: PathBuf,
    pub parent: String,
    _dir: tempfile::TempDir,
}

impl Host {
    /// `None`, with the reason printed, where the test can't run.
    pub fn new() -> Option<Self> {
        Self::with(None)
    }

    pub fn with(isolation: Option<Isolation>) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: machines need root");
            return None;
        }
        // on the disk of the build, which is a real file system where /tmp may be none
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let root = dir.path().join("machines");
        let parent = format!("machine-test-{}/{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let options =
            Options { executable: PROGRAM.into(), root: root.clone(), cgroup_parent: parent.clone(), isolation };
        Some(Self { machines: Machines::new(options).unwrap(), root, parent, _dir: dir })
    }

    /// Runs a shell line in a machine.
    pub fn run(&self, id: &str, line: &str) -> Output {
        self.program(&["enter", self.root.to_str().unwrap(), &self.parent, id, "sh", "-c", line]).output().unwrap()
    }

    /// Its standard output, when it must succeed.
    #[track_caller]
    pub fn answer(&self, id: &str, line: &str) -> String {
        let it = self.run(id, line);
        assert!(it.status.success(), "{line}: {} {}", text(&it.stdout), text(&it.stderr));
        text(&it.stdout)
    }

    #[track_caller]
    pub fn refuses(&self, id: &str, line: &str) {
        let it = self.run(id, line);
        assert!(!it.status.success(), "{line} worked: {}", text(&it.stdout));
    }

    pub fn program(&self, args: &[&str]) -> Command {
        let mut it = Command::new(PROGRAM);
        it.args(args);
        it
    }

    /// Everything on this host that still bears the mark of this test.
    pub fn remains(&self) -> Vec<String> {
        let mut found = Vec::new();
        for line in std::fs::read_to_string("/proc/self/mountinfo").unwrap().lines() {
            if line.contains(self.root.to_str().unwrap()) {
                found.push(format!("mount {line}"));
            }
        }
        for pid in pids() {
            let cgroup = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
            if cgroup.lines().any(|it| it.contains(&format!("/{}/", self.parent))) {
                found.push(format!("process {pid} {}", name_of(pid)));
            }
        }
        for hierarchy in std::fs::read_dir("/sys/fs/cgroup").unwrap().flatten() {
            let dir = hierarchy.path().join(&self.parent);
            found.extend(
                std::fs::read_dir(dir).into_iter().flatten().flatten().filter_map(|it| {
                    it.file_type().unwrap().is_dir().then(|| format!("cgroup {}", it.path().display()))
                }),
            );
        }
        found
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        for (id, e) in self.machines.remove_all() {
            eprintln!("{id}: {e}");
        }
    }
}

/// An ordinary machine with ids of its own.
pub fn spec(id: &str) -> MachineSpec {
    MachineSpec {
        id: id.into(),
        hostname: format!("{id}.example.internal"),
        resolver: Ipv4Addr::new(10, 9, 0, 2),
        search: "example.internal".into(),
        id_base: 0x1000_0000 + NEXT.fetch_add(1, Ordering::Relaxed) * machine::IDS,
        ca_bundle: Some("-----BEGIN CERTIFICATE-----\nours\n-----END CERTIFICATE-----\n".into()),
        authorized_keys: vec!["ssh-ed25519 AAAA test".into()],
        env: BTreeMap::from([("AWS_REGION".into(), "ap-northeast-2".into())]),
        limits: Limits::default(),
        services: vec![],
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end().to_owned()
}

pub fn pids() -> Vec<i32> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|it| it.file_name().to_str()?.parse().ok()).collect()
}

pub fn name_of(pid: i32) -> String {
    text(&std::fs::read(format!("/proc/{pid}/comm")).unwrap_or_default())
}

/// Polls until it holds.
#[track_caller]
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < until, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub fn exists(path: impl AsRef<Path>) -> bool {
    path.as_ref().symlink_metadata().is_ok()
}

//! A machine's cgroups: `PARENT/ID` in every hierarchy, version 1 and 2 alike, given to the machine's root.
//!
//! They also are the proof of descent: whatever is in them was started by a machine, whatever is not was not.

use std::fs;
use std::io;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags};

use crate::error::{Step, StepFailure};
use crate::spec::Limits;
use crate::sys;

/// Version 1 controllers that a machine gets; others (network classes, perf) stay the host's.
const CONTROLLERS: &[&str] = &["cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "hugetlb"];

/// Files of its own cgroup that a machine's root may write. The limits are not among them.
const DELEGATED: &[&str] = &["cgroup.procs", "tasks", "cgroup.threads", "cgroup.subtree_control"];

/// Period of the processor time limit, in microseconds: the kernel's default.
const CPU_PERIOD: u64 = 100_000;

/// One mounted cgroup hierarchy of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hierarchy {
    /// Where the host has it.
    pub(crate) mount: PathBuf,
    /// Version 1: the controllers, which also are the mount options. Version 2: empty.
    pub(crate) controllers: Vec<String>,
    /// Whether this is the version 2 hierarchy.
    pub(crate) unified: bool,
}

/// The host's hierarchies that machines take part in.
pub(crate) fn hierarchies() -> io::Result<Vec<Hierarchy>> {
    Ok(parse(&fs::read_to_string("/proc/self/mountinfo")?))
}

fn parse(mountinfo: &str) -> Vec<Hierarchy> {
    let mut found: Vec<Hierarchy> = Vec::new();
    for line in mountinfo.lines() {
        let Some((place, kind)) = line.split_once(" - ") else { continue };
        let Some(mount) = place.split(' ').nth(4).map(PathBuf::from) else { continue };
        let mut kind = kind.split(' ');
        let (name, options) = (kind.next(), kind.nth(1).unwrap_or_default());
        let it = match name {
            Some("cgroup2") => Hierarchy { mount, controllers: vec![], unified: true },
            Some("cgroup") => {
                let controllers: Vec<_> =
                    options.split(',').filter(|it| CONTROLLERS.contains(it)).map(String::from).collect();
                Hierarchy { mount, controllers, unified: false }
            }
            _ => continue,
        };
        let known = found.iter().any(|old| old.unified == it.unified && old.controllers == it.controllers);
        if !known && (it.unified || !it.controllers.is_empty()) {
            found.push(it);
        }
    }
    found
}

/// The cgroups of one machine.
#[derive(Clone, Debug)]
pub(crate) struct Cgroups {
    parent: String,
    id: String,
    hierarchies: Vec<Hierarchy>,
}

impl Cgroups {
    pub(crate) fn new(parent: &str, id: &str) -> io::Result<Self> {
        Ok(Self { parent: parent.into(), id: id.into(), hierarchies: hierarchies()? })
    }

    fn dir(&self, hierarchy: &Hierarchy) -> PathBuf {
        hierarchy.mount.join(&self.parent).join(&self.id)
    }

    /// Makes them with their limits and gives them to `owner`. Hierarchies that the host can't write are left out,
    /// unless a limit needs them.
    pub(crate) fn make(&mut self, limits: &Limits, owner: u32) -> Result<(), StepFailure> {
        let mut usable = Vec::new();
        for it in &self.hierarchies {
            match self.make_in(it) {
                Ok(()) => usable.push(it.clone()),
                Err(e) => tracing::debug!(mount = %it.mount.display(), error = %e, "cgroup hierarchy left out"),
            }
        }
        self.hierarchies = usable;
        self.limit(limits)?;
        for it in &self.hierarchies {
            let dir = self.dir(it);
            chown(&dir, Some(owner), Some(owner)).step(format!("give away cgroup {}", dir.display()))?;
            for file in DELEGATED.iter().map(|it| dir.join(it)).filter(|it| it.exists()) {
                chown(&file, Some(owner), Some(owner)).step(format!("give away {}", file.display()))?;
            }
        }
        Ok(())
    }

    fn make_in(&self, hierarchy: &Hierarchy) -> io::Result<()> {
        // the parent may be removed between the two by the removal of another machine, its last user
        for _ in 0..8 {
            match self.make_levels(hierarchy) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                other => return other,
            }
        }
        Err(io::ErrorKind::NotFound.into())
    }

    fn make_levels(&self, hierarchy: &Hierarchy) -> io::Result<()> {
        let mut dir = hierarchy.mount.clone();
        let levels: Vec<_> = self.parent.split('/').filter(|it| !it.is_empty()).chain([self.id.as_str()]).collect();
        for level in levels {
            if hierarchy.unified {
                // refused one by one where a controller does not exist or is used by version 1
                for it in ["+cpu", "+memory", "+pids", "+cpuset", "+io", "+hugetlb"] {
                    let _ = fs::write(dir.join("cgroup.subtree_control"), it);
                }
            }
            let above = dir.clone();
            dir.push(level);
            match fs::create_dir(&dir) {
                Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
                _ => {}
            }
            if hierarchy.controllers.iter().any(|it| it == "cpuset") {
                // a new cpuset is empty, and nobody may enter an empty one
                for file in ["cpuset.cpus", "cpuset.mems"] {
                    fs::write(dir.join(file), fs::read_to_string(above.join(file))?.trim())?;
                }
                fs::write(dir.join("cgroup.clone_children"), "1")?;
            }
        }
        Ok(())
    }

    fn limit(&self, limits: &Limits) -> Result<(), StepFailure> {
        if let Some(bytes) = limits.memory {
            self.set("memory", &[("memory.limit_in_bytes", bytes.to_string())], &[("memory.max", bytes.to_string())])?;
        }
        if let Some(millis) = limits.cpu_millis {
            // the kernel's least quota is a millisecond
            let quota = (u64::from(millis) * CPU_PERIOD / 1000).max(1000);
            let old = [("cpu.cfs_period_us", CPU_PERIOD.to_string()), ("cpu.cfs_quota_us", quota.to_string())];
            self.set("cpu", &old, &[("cpu.max", format!("{quota} {CPU_PERIOD}"))])?;
        }
        if let Some(count) = limits.pids {
            self.set("pids", &[("pids.max", count.to_string())], &[("pids.max", count.to_string())])?;
        }
        Ok(())
    }

    fn set(&self, controller: &str, v1: &[(&str, String)], v2: &[(&str, String)]) -> Result<(), StepFailure> {
        let old = self.hierarchies.iter().find(|it| it.controllers.iter().any(|it| it == controller));
        let new = self.hierarchies.iter().find(|it| it.unified);
        let (dir, files) = match (old, new) {
            (Some(it), _) => (self.dir(it), v1),
            (None, Some(it)) => (self.dir(it), v2),
            (None, None) => return Err(io::ErrorKind::Unsupported).step(format!("limit {controller}: no such cgroup")),
        };
        for (file, value) in files {
            fs::write(dir.join(file), value).step(format!("limit {controller} to {value}"))?;
        }
        Ok(())
    }

    /// Moves the calling process in.
    pub(crate) fn join(&self) -> Result<(), StepFailure> {
        for it in &self.hierarchies {
            let file = self.dir(it).join("cgroup.procs");
            fs::write(&file, "0").step(format!("enter cgroup {}", file.display()))?;
        }
        Ok(())
    }

    /// Hierarchies that [`Self::make`] could use.
    pub(crate) fn usable(&self) -> &[Hierarchy] {
        &self.hierarchies
    }

    /// Kills whatever is in them and removes them, by `deadline`. Fine with none there. Returns what remains.
    pub(crate) fn remove(&self, deadline: Instant) -> Vec<PathBuf> {
        loop {
            let dirs: Vec<_> = self.hierarchies.iter().map(|it| self.dir(it)).filter(|it| it.exists()).collect();
            for dir in &dirs {
                kill_all(dir);
                remove_tree(dir);
            }
            let left: Vec<_> = dirs.into_iter().filter(|it| it.exists()).collect();
            if left.is_empty() || Instant::now() >= deadline {
                self.remove_empty_parents();
                return left;
            }
            // a killed process leaves its cgroup a moment later, and the kernel offers nothing to wait on in version 1
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn remove_empty_parents(&self) {
        for it in &self.hierarchies {
            let mut dir = it.mount.join(&self.parent);
            while dir != it.mount && fs::remove_dir(&dir).is_ok() {
                dir.pop();
            }
        }
    }
}

/// Joins the cgroups that process `pid` is in, in the hierarchies that machines take part in.
pub(crate) fn join_those_of(pid: i32) -> io::Result<()> {
    let list = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
    for it in hierarchies()? {
        let path = list.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            let (controllers, path) = (parts.next()?, parts.next()?);
            let same = if it.unified {
                controllers.is_empty()
            } else {
                controllers.split(',').any(|name| it.controllers.iter().any(|mine| mine == name))
            };
            same.then(|| path.trim_start_matches('/').to_owned())
        });
        let Some(path) = path.filter(|it| !it.is_empty()) else { continue };
        fs::write(it.mount.join(path).join("cgroup.procs"), "0")?;
    }
    Ok(())
}

fn kill_all(dir: &Path) {
    for_each_below(dir, &mut |dir| {
        for pid in fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default().lines() {
            let Some(pid) = pid.parse().ok().and_then(Pid::from_raw) else { continue };
            // the descriptor pins the process; that it is in here is asked again after that
            let Ok(pidfd) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) else { continue };
            let still = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
            if still.lines().any(|it| it.parse() == Ok(pid.as_raw_nonzero().get())) {
                let _ = sys::signal_pidfd(&pidfd, libc::SIGKILL);
            }
        }
    });
}

fn remove_tree(dir: &Path) {
    for_each_below(dir, &mut |dir| {
        let _ = fs::remove_dir(dir);
    });
}

/// Children first.
fn for_each_below(dir: &Path, act: &mut dyn FnMut(&Path)) {
    for it in fs::read_dir(dir).into_iter().flatten().flatten() {
        if it.file_type().is_ok_and(|it| it.is_dir()) {
            for_each_below(&it.path(), act);
        }
    }
    act(dir);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hybrid_hosts_show_each_hierarchy_once() {
        let found = parse(
            "24 23 0:21 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
             25 23 0:22 / /sys/fs/cgroup/net_cls rw - cgroup cgroup rw,net_cls\n\
             26 23 0:23 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n\
             27 23 0:24 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
             28 23 0:21 / /mnt/again rw - cgroup cgroup rw,cpu,cpuacct\n",
        );
        let mounts: Vec<_> = found.iter().map(|it| it.mount.to_str().unwrap()).collect();
        assert_eq!(mounts, ["/sys/fs/cgroup/cpu", "/sys/fs/cgroup/unified"]);
        assert_eq!(found[0].controllers, ["cpu", "cpuacct"]);
    }

    #[test]
    fn a_version_2_host_has_one() {
        let found = parse("30 23 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n");
        assert_eq!(found, [Hierarchy { mount: "/sys/fs/cgroup".into(), controllers: vec![], unified: true }]);
    }
}

//! The lower layer of every machine's `/etc`: a copy of what everybody may read in the host's, less what is the host's
//! alone.
//!
//! A copy, because an overlay of the live directory would show root of a machine every secret that the host keeps there
//! in files of its root, also those that appear later; and because changing a directory under a live overlay is
//! undefined.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::error::MachineError;

/// Paths below `/etc` that say something about the host itself, or that every machine gets its own of. A star ends a
/// prefix.
const HOSTS_OWN: &[&str] = &[
    "NetworkManager",
    "apt/auth.conf*",
    "cloud",
    "cni",
    "containerd",
    "crypttab",
    "docker",
    "environment",
    "fstab",
    "group-",
    "hostname",
    "hosts",
    "kubernetes",
    "letsencrypt",
    "machine-id",
    "netns",
    "netplan",
    "network",
    "nologin",
    "passwd-",
    "rancher",
    "resolv.conf",
    "ssh/ssh_host_*",
    "subgid*",
    "subuid*",
    "sudoers.d",
    "systemd/network",
    "wireguard",
];

/// Files above this are no configuration; leaving them out keeps the copy quick.
const LARGEST: u64 = 16 << 20;

/// Files and directories in all; a host with more has something else under `/etc`.
const MOST: usize = 100_000;

/// Finds the copy of `etc` under `layers`, or makes it. With `keep`, all other copies but those are removed.
pub(crate) fn etc(etc: &Path, layers: &Path, keep: Option<&BTreeSet<PathBuf>>) -> Result<PathBuf, MachineError> {
    let entries = survey(etc).map_err(MachineError::file("cannot list", etc))?;
    let layer = layers.join(format!("etc-{:016x}", fingerprint(&entries)));
    fs::create_dir_all(layers).map_err(MachineError::file("cannot make", layers))?;
    if !layer.exists() {
        // made beside and renamed: a killed copy is never taken for a whole one
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let draft = layers.join(format!("draft-{}-{}", std::process::id(), now.as_nanos()));
        let made = fill(etc, &draft, &entries).and_then(|()| fs::rename(&draft, &layer));
        if made.is_err() {
            let _ = fs::remove_dir_all(&draft);
        }
        if !layer.exists() {
            made.map_err(MachineError::file("cannot copy /etc to", &layer))?;
        }
    }
    if let Some(keep) = keep {
        for it in fs::read_dir(layers).into_iter().flatten().flatten().map(|it| it.path()) {
            if it != layer && !keep.contains(&it) {
                let _ = fs::remove_dir_all(it);
            }
        }
    }
    Ok(layer)
}

struct Entry {
    path: PathBuf, // relative
    meta: Metadata,
}

/// What may be copied, parents first.
fn survey(etc: &Path) -> io::Result<Vec<Entry>> {
    let mut found = vec![Entry { path: PathBuf::new(), meta: fs::metadata(etc)? }];
    let mut at = 0;
    while at < found.len() {
        let it = &found[at];
        at += 1;
        // a directory that not everybody may list and enter is kept, but empty
        if !it.meta.is_dir() || it.meta.mode() & 0o005 != 0o005 {
            continue;
        }
        let parent = it.path.clone();
        let mut names: Vec<_> = fs::read_dir(etc.join(&parent))?.flatten().map(|it| it.file_name()).collect();
        names.sort();
        for path in names.into_iter().map(|it| parent.join(it)).filter(|it| !hosts_own(it)) {
            // it may be gone by now, as the host goes on living
            let Ok(meta) = fs::symlink_metadata(etc.join(&path)) else { continue };
            if meta.is_dir() || meta.is_symlink() || (meta.is_file() && public(&meta)) {
                found.push(Entry { path, meta });
            }
        }
        if found.len() > MOST {
            return Err(io::Error::other(format!("more than {MOST} files")));
        }
    }
    Ok(found)
}

fn public(meta: &Metadata) -> bool {
    meta.mode() & 0o004 != 0 && meta.len() <= LARGEST
}

fn hosts_own(path: &Path) -> bool {
    let path = path.to_string_lossy();
    HOSTS_OWN.iter().any(|it| it.strip_suffix('*').map_or(path == *it, |prefix| path.starts_with(prefix)))
}

fn fingerprint(entries: &[Entry]) -> u64 {
    let mut hash = DefaultHasher::new();
    env!("CARGO_PKG_VERSION").hash(&mut hash);
    HOSTS_OWN.hash(&mut hash);
    for it in entries {
        let m = &it.meta;
        (&it.path, m.mode(), m.uid(), m.gid(), m.len(), m.mtime(), m.mtime_nsec(), m.ino()).hash(&mut hash);
    }
    hash.finish()
}

fn fill(etc: &Path, to: &Path, entries: &[Entry]) -> io::Result<()> {
    for it in entries {
        let (from, to) = (etc.join(&it.path), to.join(&it.path));
        let m = &it.meta;
        if m.is_symlink() {
            symlink(fs::read_link(&from)?, &to)?;
            lchown(&to, Some(m.uid()), Some(m.gid()))?;
            continue;
        }
        if m.is_dir() {
            fs::create_dir(&to)?;
        } else {
            match fs::copy(&from, &to) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                other => other?,
            };
        }
        chown(&to, Some(m.uid()), Some(m.gid()))?;
        // set-user-id has no business in /etc
        fs::set_permissions(&to, fs::Permissions::from_mode(m.mode() & 0o1777))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> tempfile::TempDir {
        let host = tempfile::tempdir().unwrap();
        let etc = host.path().join("etc");
        for dir in ["etc", "etc/ssl", "etc/ssl/private", "etc/ssh"] {
            fs::create_dir(host.path().join(dir)).unwrap();
        }
        for (name, mode) in [
            ("shadow", 0o640),
            ("services", 0o644),
            ("ssl/private/key.pem", 0o644),
            ("ssh/ssh_host_key.pub", 0o644),
            ("ssh/ssh_config", 0o644),
            ("hostname", 0o644),
        ] {
            fs::write(etc.join(name), name).unwrap();
            fs::set_permissions(etc.join(name), fs::Permissions::from_mode(mode)).unwrap();
        }
        fs::set_permissions(etc.join("ssl/private"), fs::Permissions::from_mode(0o710)).unwrap();
        symlink("services", etc.join("link")).unwrap();
        host
    }

    fn layer_of(host: &Path, used: &BTreeSet<PathBuf>) -> PathBuf {
        etc(&host.join("etc"), &host.join("layers"), Some(used)).unwrap()
    }

    #[test]
    fn only_what_everybody_may_read_is_copied() {
        let host = host();
        let layer = layer_of(host.path(), &BTreeSet::new());
        let has = |it: &str| layer.join(it).symlink_metadata().is_ok();
        assert!(has("services") && has("link") && has("ssh/ssh_config") && has("ssl/private"));
        assert!(!has("shadow") && !has("ssl/private/key.pem") && !has("ssh/ssh_host_key.pub") && !has("hostname"));
        assert_eq!(fs::metadata(layer.join("ssl/private")).unwrap().mode() & 0o777, 0o710);
    }

    #[test]
    fn a_copy_is_reused_until_the_host_changes() {
        let host = host();
        let first = layer_of(host.path(), &BTreeSet::new());
        assert_eq!(layer_of(host.path(), &BTreeSet::new()), first);
        fs::write(host.path().join("etc/services"), "changed!").unwrap();
        let second = layer_of(host.path(), &BTreeSet::from([first.clone()]));
        assert_ne!(second, first);
        assert!(first.exists(), "a machine still uses it");
        layer_of(host.path(), &BTreeSet::new());
        assert!(!first.exists());
    }
}

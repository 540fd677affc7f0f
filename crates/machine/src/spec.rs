//! What a machine should be, as the caller says it: plain values, checked once.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::error::MachineError;

/// How many user and group ids a machine has: all that 16 bits can name, so that `nobody` (65534) exists in it.
pub const IDS: u32 = 65_536;

/// A machine to start. Its files live in the directory that [`crate::Options::root`] holds for its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineSpec {
    /// Its name on this host: lower-case letters, digits and hyphens, at most 64. Names directory and cgroup.
    pub id: String,
    /// What `hostname` answers in it, at most 64 bytes (the kernel's limit).
    pub hostname: String,
    /// The only name server of its `resolv.conf`.
    pub resolver: Ipv4Addr,
    /// The search domain of its `resolv.conf`; empty for none.
    pub search: String,
    /// The host's number of its uid and gid 0; it owns the [`IDS`] from there. No two machines may share any.
    pub id_base: u32,
    /// A PEM certificate that is trusted in it in addition to the host's bundle.
    pub ca_bundle: Option<String>,
    /// Lines of `ec2-user`'s `authorized_keys`, written at the first start only, as on EC2.
    pub authorized_keys: Vec<String>,
    /// Environment of its services and of commands that enter it.
    pub env: BTreeMap<String, String>,
    /// What it may use.
    pub limits: Limits,
    /// What init keeps running, started in this order.
    pub services: Vec<Service>,
}

/// Bounds of a machine; `None` is the host's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Memory in bytes, page cache and tmpfs included.
    pub memory: Option<u64>,
    /// Processor time in thousandths of one processor.
    pub cpu_millis: Option<u32>,
    /// Processes and threads.
    pub pids: Option<u32>,
}

/// A process that init keeps running.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Its name in the console log and of its log file, `/var/log/NAME.log`.
    pub name: String,
    /// Program and arguments; the program is looked up in `PATH`.
    pub argv: Vec<String>,
}

/// A command to run in a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnterSpec {
    /// Program and arguments; empty runs `/bin/bash`.
    pub argv: Vec<String>,
    /// Added to (or replacing) the machine's environment.
    pub env: BTreeMap<String, String>,
    /// Where it starts; `None` is root's home.
    pub cwd: Option<String>,
}

impl MachineSpec {
    /// Checks every rule of the fields. The first broken one is named.
    pub fn check(&self) -> Result<(), MachineError> {
        let bad = |text: String| Err(MachineError::Spec(text));
        check_id(&self.id)?;
        if self.hostname.is_empty() || self.hostname.len() > 64 || !self.hostname.bytes().all(is_name_byte) {
            return bad(format!("hostname {:?} must be 1 to 64 letters, digits, dots and hyphens", self.hostname));
        }
        if !self.search.bytes().all(|it| is_name_byte(it) || it == b' ') {
            return bad(format!("search {:?} must hold domain names only", self.search));
        }
        if self.id_base < IDS || self.id_base.checked_add(IDS).is_none() {
            return bad(format!("id_base {} must leave the host its own ids, and room for {IDS}", self.id_base));
        }
        if self.authorized_keys.iter().any(|it| it.contains('\n')) {
            return bad("an authorized key must be one line".into());
        }
        if self.env.iter().any(|(k, v)| k.is_empty() || k.contains(['=', '\0']) || v.contains('\0')) {
            return bad("an environment variable has an impossible name or value".into());
        }
        for it in &self.services {
            let named = !it.name.is_empty() && it.name.bytes().all(is_name_byte) && !it.name.starts_with('.');
            if !named || it.argv.is_empty() || it.argv.iter().any(|it| it.contains('\0')) {
                return bad(format!("service {:?} needs a plain name and a program", it.name));
            }
        }
        Ok(())
    }
}

/// An id becomes a path component here and in the cgroup tree.
pub(crate) fn check_id(id: &str) -> Result<(), MachineError> {
    let plain = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-';
    if id.is_empty() || id.len() > 64 || !id.bytes().all(plain) {
        return Err(MachineError::Spec(format!("id {id:?} must be 1 to 64 lower-case letters, digits and hyphens")));
    }
    Ok(())
}

fn is_name_byte(it: u8) -> bool {
    it.is_ascii_alphanumeric() || matches!(it, b'-' | b'.' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> MachineSpec {
        MachineSpec {
            id: "i-1".into(),
            hostname: "ip-10-0-0-1.internal".into(),
            resolver: Ipv4Addr::new(10, 0, 0, 2),
            search: String::new(),
            id_base: 1_000_000,
            ca_bundle: None,
            authorized_keys: vec![],
            env: BTreeMap::new(),
            limits: Limits::default(),
            services: vec![],
        }
    }

    #[track_caller]
    fn refused(change: impl FnOnce(&mut MachineSpec), word: &str) {
        let mut spec = spec();
        change(&mut spec);
        let text = spec.check().unwrap_err().to_string();
        assert!(text.contains(word), "{text}");
    }

    #[test]
    fn an_ordinary_machine_is_accepted() {
        spec().check().unwrap();
    }

    #[test]
    fn an_id_cannot_leave_its_directory() {
        refused(|it| it.id = "../x".into(), "id");
        refused(|it| it.id = String::new(), "id");
    }

    #[test]
    fn the_hosts_own_ids_are_not_given_away() {
        refused(|it| it.id_base = 0, "id_base");
        refused(|it| it.id_base = u32::MAX - 5, "id_base");
    }

    #[test]
    fn text_cannot_smuggle_lines_into_files() {
        refused(|it| it.hostname = "a\nb".into(), "hostname");
        refused(|it| it.search = "a\nnameserver 1.1.1.1".into(), "search");
        refused(|it| it.authorized_keys = vec!["a\nb".into()], "key");
        let dots = Service { name: "../x".into(), argv: vec!["a".into()] };
        refused(|it| it.services = vec![dots], "service");
    }
}

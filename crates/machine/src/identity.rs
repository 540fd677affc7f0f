//! Who a machine is: its users, names, resolver and trust, as files.
//!
//! Written by the machine's own root after it stands in its root, never by the host's: a machine that was stopped may
//! have left links where these files go.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use crate::error::{Step, StepFailure};
use crate::spec::MachineSpec;

/// The user that owners of EC2 instances log in as; the first ordinary user id on every distribution.
const USER: &str = "ec2-user";
const USER_ID: u32 = 1000;

/// `nobody`, the last id of 16 bits that is not "none".
const NOBODY: u32 = 65_534;

/// Says that the files of the first start were all written. Holds the machine's id.
const MARK: &str = "/var/lib/machine/identity";

/// Where distributions keep the bundle of certificate authorities that programs read.
pub(crate) const BUNDLES: &[&str] =
    &["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem"];

/// Where one may add to it so that the next rebuild keeps it.
const ADDED: &str = "/usr/local/share/ca-certificates/local-authority.crt";

/// Writes what every start renews, and at the first start all the rest.
pub(crate) fn write(spec: &MachineSpec) -> Result<(), StepFailure> {
    renew(spec)?;
    if Path::new(MARK).exists() {
        return Ok(());
    }
    users().step("write the users")?;
    sudo().step("write sudo's rules")?;
    names().step("write the names")?;
    home(spec).step("write the user's home")?;
    put("/etc/machine-id", 0o444, &machine_id().step("draw a machine id")?).step("write the machine id")?;
    fs::create_dir_all("/var/lib/machine").step("make /var/lib/machine")?;
    put(MARK, 0o644, &format!("{}\n", spec.id)).step("mark the first start")
}

/// What an instance learns anew at each start.
fn renew(spec: &MachineSpec) -> Result<(), StepFailure> {
    put("/etc/hostname", 0o644, &format!("{}\n", spec.hostname)).step("write /etc/hostname")?;
    put("/etc/resolv.conf", 0o644, &resolv_conf(spec)).step("write /etc/resolv.conf")?;
    let Some(ours) = &spec.ca_bundle else { return Ok(()) };
    for it in BUNDLES.iter().filter(|it| Path::new(it).exists()) {
        let bundle = fs::read_to_string(it).step(format!("read {it}"))?;
        if !bundle.contains(ours.trim()) {
            put(it, 0o644, &extend(&bundle, ours)).step(format!("write {it}"))?;
        }
    }
    if let Some(parent) = Path::new(ADDED).parent() {
        fs::create_dir_all(parent).step("make the directory of added authorities")?;
    }
    put(ADDED, 0o644, &extend("", ours)).step("add the authority")
}

/// The bundle with one more authority.
pub(crate) fn extend(bundle: &str, ours: &str) -> String {
    let mut all = bundle.trim_end().to_owned();
    if !all.is_empty() {
        all.push('\n');
    }
    all.push_str(ours.trim());
    all.push('\n');
    all
}

fn resolv_conf(spec: &MachineSpec) -> String {
    let mut text = String::new();
    if !spec.search.is_empty() {
        let _ = writeln!(text, "search {}", spec.search);
    }
    let _ = writeln!(text, "nameserver {}", spec.resolver);
    text
}

fn users() -> io::Result<()> {
    let passwd = passwd(&read("/etc/passwd")?);
    let group = group(&read("/etc/group")?, &passwd);
    put("/etc/shadow", 0o600, &locked(&passwd, ":*:19000:0:99999:7:::"))?;
    put("/etc/gshadow", 0o600, &locked(&group, ":!::"))?;
    put("/etc/passwd", 0o644, &passwd)?;
    put("/etc/group", 0o644, &group)
}

/// The host's system accounts (files in `/usr` belong to them), none of its people, and ours.
fn passwd(host: &str) -> String {
    let mut text = "root:x:0:0:root:/root:/bin/bash\n".to_owned();
    for line in host.lines() {
        let fields: Vec<_> = line.split(':').collect();
        let [name, _, uid, gid, about, home, shell] = fields[..] else { continue };
        if is_system(uid) && uid != "0" && name != USER {
            let _ = writeln!(text, "{name}:x:{uid}:{gid}:{about}:{home}:{shell}");
        }
    }
    let _ = writeln!(text, "{USER}:x:{USER_ID}:{USER_ID}:EC2 Default User:/home/{USER}:/bin/bash");
    text
}

fn group(host: &str, passwd: &str) -> String {
    let known = |name: &str| passwd.lines().any(|it| it.split(':').next() == Some(name));
    let mut text = "root:x:0:\n".to_owned();
    for line in host.lines() {
        let fields: Vec<_> = line.split(':').collect();
        let [name, _, gid, members] = fields[..] else { continue };
        if is_system(gid) && gid != "0" && name != USER {
            let members: Vec<_> = members.split(',').filter(|it| known(it) && *it != USER).collect();
            let _ = writeln!(text, "{name}:x:{gid}:{}", members.join(","));
        }
    }
    let _ = writeln!(text, "{USER}:x:{USER_ID}:");
    text
}

fn is_system(id: &str) -> bool {
    id.parse().is_ok_and(|it: u32| it < USER_ID || it == NOBODY)
}

/// One line for each name, without a password that would fit.
fn locked(accounts: &str, rest: &str) -> String {
    accounts.lines().filter_map(|it| it.split(':').next()).fold(String::new(), |mut text, name| {
        let _ = writeln!(text, "{name}{rest}");
        text
    })
}

fn sudo() -> io::Result<()> {
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let rules = format!(
        "Defaults env_reset\nDefaults secure_path=\"{path}\"\nroot ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n"
    );
    put("/etc/sudoers", 0o440, &rules)?;
    ensure("/etc/sudoers.d", 0o750)?;
    put("/etc/sudoers.d/90-cloud-init-users", 0o440, &format!("{USER} ALL=(ALL) NOPASSWD:ALL\n"))
}

fn names() -> io::Result<()> {
    put("/etc/hosts", 0o644, "127.0.0.1 localhost localhost.localdomain\n::1 localhost6 localhost6.localdomain6\n")?;
    put("/etc/nsswitch.conf", 0o644, &nsswitch(&read("/etc/nsswitch.conf")?))?;
    for (path, signal) in [("poweroff", "RTMIN+3"), ("reboot", "RTMIN+5")] {
        let path = format!("/usr/local/sbin/{path}");
        ensure("/usr/local/sbin", 0o755)?;
        put(&path, 0o755, &format!("#!/bin/bash\n# init of this instance listens to signals\nkill -s {signal} 1\n"))?;
    }
    Ok(())
}

/// The host's, but hosts come from the file and from DNS only: nothing that would ask a service of the host.
pub(crate) fn nsswitch(host: &str) -> String {
    let others = host.lines().filter(|it| !it.trim_start().starts_with("hosts:"));
    let mut text: String = others.flat_map(|it| [it, "\n"]).collect();
    text.push_str("hosts: files dns\n");
    text
}

fn home(spec: &MachineSpec) -> io::Result<()> {
    let home = format!("/home/{USER}");
    let ssh = format!("{home}/.ssh");
    let keys = format!("{ssh}/authorized_keys");
    ensure(&home, 0o700)?;
    for it in [".bashrc", ".profile"] {
        let skeleton = format!("/etc/skel/{it}");
        if Path::new(&skeleton).exists() {
            let file = format!("{home}/{it}");
            put(&file, 0o644, &read(&skeleton)?)?;
            chown(&file, Some(USER_ID), Some(USER_ID))?;
        }
    }
    ensure(&ssh, 0o700)?;
    let lines: String = spec.authorized_keys.iter().flat_map(|it| [it.as_str(), "\n"]).collect();
    put(&keys, 0o600, &lines)?;
    for it in [home, ssh, keys] {
        chown(it, Some(USER_ID), Some(USER_ID))?;
    }
    Ok(())
}

fn machine_id() -> io::Result<String> {
    let mut bytes = [0; 16];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let mut text = bytes.iter().fold(String::new(), |mut text, it| {
        let _ = write!(text, "{it:02x}");
        text
    });
    text.push('\n');
    Ok(text)
}

/// Empty where there is none.
fn read(path: &str) -> io::Result<String> {
    match fs::read_to_string(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        other => other,
    }
}

fn ensure(path: &str, mode: u32) -> io::Result<()> {
    fs::create_dir_all(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

/// Replaces the file, or whatever link is in its place.
pub(crate) fn put(path: &str, mode: u32, text: &str) -> io::Result<()> {
    let draft = format!("{path}.draft");
    fs::write(&draft, text)?;
    fs::set_permissions(&draft, fs::Permissions::from_mode(mode))?;
    fs::rename(&draft, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "root:x:0:0:Boss:/root:/bin/zsh\ndaemon:x:1:1::/:/usr/sbin/nologin\n\
                        ann:x:1000:1000::/home/ann:/bin/sh\n\
                        bob:x:1001:1001::/home/bob:/bin/sh\nnobody:x:65534:65534::/:/usr/sbin/nologin\nbroken\n";

    #[test]
    fn the_hosts_people_do_not_come_along() {
        let made = passwd(HOST);
        let names: Vec<_> = made.lines().map(|it| it.split(':').next().unwrap()).collect();
        assert_eq!(names, ["root", "daemon", "nobody", "ec2-user"]);
        assert!(made.starts_with("root:x:0:0:root:/root:/bin/bash\n"));
    }

    #[test]
    fn groups_keep_only_members_that_exist() {
        let made = group("root:x:0:\nadm:x:4:ann,daemon\nann:x:1000:\n", &passwd(HOST));
        assert_eq!(made, "root:x:0:\nadm:x:4:daemon\nec2-user:x:1000:\n");
    }

    #[test]
    fn nobody_has_a_password() {
        assert_eq!(locked("root:x:0:\na:x:1:\n", ":*:x"), "root:*:x\na:*:x\n");
    }

    #[test]
    fn hosts_are_looked_up_in_files_and_dns() {
        assert_eq!(nsswitch("passwd: files\nhosts: files resolve myhostname\n"), "passwd: files\nhosts: files dns\n");
    }

    #[test]
    fn a_bundle_grows_by_one() {
        assert_eq!(extend("A\n\n", "\nB\n\n"), "A\nB\n");
        assert_eq!(extend("", "B"), "B\n");
    }
}

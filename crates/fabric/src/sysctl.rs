//! The sysctls that a namespace is born with.

use crate::topology::Profile;
use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;

/// A protocol family, a setting of it, and the value.
type Setting = (&'static str, &'static str, &'static str);

/// Taking one address from a link must not take the others of its subnet.
const COMMON: &[Setting] = &[
    ("ipv6", "conf/default/disable_ipv6", "1"),
    ("ipv4", "conf/all/promote_secondaries", "1"),
    ("ipv4", "conf/default/promote_secondaries", "1"),
    ("ipv4", "conf/all/accept_redirects", "0"),
    ("ipv4", "conf/default/accept_redirects", "0"),
    ("ipv4", "conf/all/rp_filter", "0"),
    ("ipv4", "conf/default/rp_filter", "0"),
];

const ROUTER: &[Setting] = &[
    ("ipv4", "ip_forward", "1"),
    ("ipv4", "conf/default/proxy_arp", "1"),
    ("ipv4", "conf/all/send_redirects", "0"),
    ("ipv4", "conf/default/send_redirects", "0"),
];

const HOST: &[Setting] = &[("ipv4", "ip_forward", "0"), ("ipv4", "conf/default/proxy_arp", "0")];

/// Writes them for the calling thread's namespace (`/proc/sys/net` shows the one of whoever opens it).
///
/// Each directory is opened once: the kernel keeps the same names of all namespaces in one chain, so that looking up
/// `/proc/sys/net/ipv4` anew for each setting would cost more with every namespace there is.
///
/// # Errors
/// Names the setting. Those that a kernel without IPv6 has not are left out.
pub(crate) fn write(profile: Profile) -> io::Result<()> {
    let own = match profile {
        Profile::Router => ROUTER,
        Profile::Host => HOST,
    };
    for family in ["ipv4", "ipv6"] {
        let directory = format!("/proc/sys/net/{family}");
        let opened = fs::open(&directory, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        let settings = COMMON.iter().chain(own).filter(|(of, _, _)| *of == family);
        match opened {
            Err(Errno::NOENT) if family == "ipv6" => {}
            Err(error) => return Err(refused(&directory, error.into())),
            Ok(opened) => {
                for (_, name, value) in settings {
                    set(&opened, name, value)
                        .map_err(|error| refused(&format!("{directory}/{name} to {value}"), error))?;
                }
            }
        }
    }
    Ok(())
}

fn set(directory: &OwnedFd, name: &str, value: &str) -> io::Result<()> {
    let file = fs::openat(directory, name, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    File::from(file).write_all(value.as_bytes())
}

fn refused(what: &str, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot set {what}: {error}"))
}

//! The sysctls that a namespace is born with.

use crate::topology::Profile;
use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{self, FsMountFlags, FsOpenFlags, MountAttrFlags};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};

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

/// A view of `/proc/sys` for as long as it lives.
///
/// The kernel keeps the names below `/proc/sys/net` of all namespaces in one chain for each name and instance of the
/// file system, so that finding `/proc/sys/net/ipv4` in the machine's own instance costs more with every namespace
/// there ever was. An instance of our own knows no namespace but those that it is used for.
#[derive(Debug)]
pub(crate) struct Sysctls {
    /// Its root; the machine's own `/proc` where the kernel makes no other (before 5.8, or without the privilege).
    root: OwnedFd,
}

impl Sysctls {
    /// A new view.
    ///
    /// # Errors
    /// When `/proc` is not there.
    pub(crate) fn open() -> io::Result<Self> {
        let root = instance().or_else(|_| fs::open("/proc", DIRECTORY, Mode::empty()))?;
        Ok(Self { root })
    }

    /// Writes a profile for the calling thread's namespace (`sys/net` shows the one of whoever opens it).
    ///
    /// # Errors
    /// Names the setting. Those that a kernel without IPv6 has not are left out.
    pub(crate) fn write(&self, profile: Profile) -> io::Result<()> {
        let own = match profile {
            Profile::Router => ROUTER,
            Profile::Host => HOST,
        };
        for family in ["ipv4", "ipv6"] {
            let directory = format!("sys/net/{family}");
            let opened = fs::openat(&self.root, &directory, DIRECTORY, Mode::empty());
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
}

const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// An instance of procfs that is mounted nowhere.
fn instance() -> rustix::io::Result<OwnedFd> {
    let context = mount::fsopen("proc", FsOpenFlags::FSOPEN_CLOEXEC)?;
    mount::fsconfig_create(context.as_fd())?;
    mount::fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())
}

fn set(directory: &OwnedFd, name: &str, value: &str) -> io::Result<()> {
    let file = fs::openat(directory, name, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    File::from(file).write_all(value.as_bytes())
}

fn refused(what: &str, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot set {what}: {error}"))
}

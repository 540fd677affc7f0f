//! Bare places and the probe.
#![allow(clippy::unwrap_used)] // helpers of tests are tests too

mod common;

use std::fs;
use std::path::Path;

use common::{Host, PROGRAM, text};

/// A network namespace pinned by a file, gone with the value.
struct Space(std::path::PathBuf);

impl Space {
    fn new(host: &Host) -> Self {
        let file = host.root.join("space");
        fs::write(&file, "").unwrap();
        // a machine's namespace is as good as any, and needs no unsafe code here
        let running = host.machines.start(&common::spec("i-space")).unwrap();
        rustix::mount::mount_bind(format!("/proc/{}/ns/net", running.pid), &file).unwrap();
        Self(file)
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(&self.0, rustix::mount::UnmountFlags::DETACH);
    }
}

#[test]
fn a_bare_place_has_its_own_names_trust_and_network() {
    let Some(host) = Host::new() else { return };
    let space = Space::new(&host);
    let authority = host.root.join("ca.pem");
    fs::write(&authority, "-----BEGIN CERTIFICATE-----\nplace\n-----END CERTIFICATE-----\n").unwrap();
    let before = ["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf"].map(|it| fs::read(it).unwrap_or_default());
    let run = |line: &str| {
        let args = ["bare", space.0.to_str().unwrap(), authority.to_str().unwrap(), "nameserver 198.18.0.53\n"];
        let it = host.program(&args).args(["sh", "-c", line]).env("MARK", "kept").output().unwrap();
        (it.status.code(), text(&it.stdout), text(&it.stderr))
    };
    let (status, out, err) = run("cat /etc/resolv.conf; ls /sys/class/net; echo $MARK; exit 9");
    assert_eq!((status, out.as_str()), (Some(9), "nameserver 198.18.0.53\nlo\nkept"), "{err}");
    assert_eq!(run("grep ^hosts: /etc/nsswitch.conf").1, "hosts: files dns");
    assert_eq!(run("cat /etc/hosts").1, "127.0.0.1 localhost\n::1 localhost");
    assert_eq!(run("ls /run /var/run").1, "/run:\nlock\n\n/var/run:\nlock");
    assert_eq!(
        run("grep -c . $SSL_CERT_FILE | sed 's/.*/some/'; grep place $SSL_CERT_FILE; pwd").1,
        format!("some\nplace\n{}", std::env::current_dir().unwrap().display())
    );
    assert_eq!(run("kill -TERM $$").0, Some(143));
    let after = ["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf"].map(|it| fs::read(it).unwrap_or_default());
    assert_eq!(before, after, "the host's files are as they were");
    assert!(!text(&fs::read("/etc/ssl/certs/ca-certificates.crt").unwrap_or_default()).contains("place"));
}

#[test]
fn the_probe_names_what_works() {
    let Some(host) = Host::new() else { return };
    let found = machine::probe(Path::new(PROGRAM), &host.root).unwrap();
    for it in &found {
        println!("{} {} {}", it.name, it.ok, it.detail);
        assert_eq!(it.ok, it.detail.is_empty(), "{it:?}");
        assert!(
            it.ok || !matches!(it.name.as_str(), "root" | "namespaces" | "overlay file system"),
            "other tests pass"
        );
    }
    assert!(found.iter().any(|it| it.name == "idmapped mounts of /usr"));
    let left = fs::read_dir(&host.root).unwrap().flatten().filter(|it| it.file_name() != "layers.d").count();
    assert_eq!(left, 0);
    let nowhere = machine::probe(Path::new(PROGRAM), Path::new("/proc")).unwrap();
    let it = nowhere.iter().find(|it| it.name == "idmapped mounts of the data directory").unwrap();
    assert!(!it.ok && it.detail.contains("fall back"), "{it:?}");
}

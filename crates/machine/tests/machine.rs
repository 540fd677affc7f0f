//! A machine as its user sees it: a small Linux of its own that can do nothing to the host.
#![allow(clippy::unwrap_used)] // helpers of tests are tests too

mod common;

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use common::{Host, eventually, spec, text};
use machine::{Isolation, Limits, MachineError, Service};

#[test]
fn it_has_a_name_a_resolver_and_users_of_its_own() {
    let Some(host) = Host::new() else { return };
    let running = host.machines.start(&spec("i-1")).unwrap();
    assert_eq!(
        running.isolation,
        Isolation::UserNamespace,
        "{:?}",
        std::fs::read_to_string(host.machines.console_log("i-1"))
    );
    assert_eq!(host.answer("i-1", "uname -n; cat /etc/hostname"), "i-1.example.internal\ni-1.example.internal");
    assert_eq!(host.answer("i-1", "cat /etc/resolv.conf"), "search example.internal\nnameserver 10.9.0.2");
    assert_eq!(
        host.answer("i-1", "id -un; id -u; echo $HOME $AWS_REGION; pwd"),
        "root\n0\n/root ap-northeast-2\n/root"
    );
    assert_eq!(host.answer("i-1", "stat -c '%U %a' /home/ec2-user/.ssh/authorized_keys"), "ec2-user 600");
    assert_eq!(host.answer("i-1", "cat /home/ec2-user/.ssh/authorized_keys"), "ssh-ed25519 AAAA test");
    assert_eq!(host.answer("i-1", "tail -n 3 /etc/ssl/certs/ca-certificates.crt | sed -n 2p"), "ours");
    assert_eq!(
        host.answer("i-1", "stat -c %U:%a /usr/bin/env /etc /etc/passwd /tmp"),
        "root:755\nroot:755\nroot:644\nroot:1777"
    );
    assert_ne!(host.answer("i-1", "cat /etc/machine-id"), text(&std::fs::read("/etc/machine-id").unwrap_or_default()));
}

#[test]
fn it_sees_its_own_processes_only() {
    let Some(host) = Host::new() else { return };
    host.machines.start(&spec("i-1")).unwrap();
    assert_eq!(host.answer("i-1", "cat /proc/1/comm; tr '\\0' ' ' < /proc/1/cmdline"), "init\n/sbin/init");
    let seen = host.answer("i-1", "ps -e -o comm=");
    let mut names: Vec<_> = seen.lines().collect();
    names.sort_unstable();
    assert_eq!(names, ["init", "ps", "sh"]);
    assert_eq!(
        host.answer("i-1", "ls -l /proc/1/fd | grep -c '/proc\\|socket\\|pipe' || true"),
        "0",
        "init holds nothing of the host"
    );
    assert_eq!(
        host.answer(
            "i-1",
            "cat /proc/self/cgroup | cut -d: -f3 | sort -u | grep -v '^/$' | grep -c machine-test || true"
        ),
        "0"
    );
}

#[test]
fn its_network_is_lo_alone_and_its_own() {
    let Some(host) = Host::new() else { return };
    let running = host.machines.start(&spec("i-1")).unwrap();
    assert_eq!(host.answer("i-1", "ls /sys/class/net"), "lo");
    eventually("lo is up", || host.run("i-1", "grep -q '^1$' /sys/class/net/lo/carrier").status.success());
    host.answer("i-1", "echo 1 > /proc/sys/net/ipv4/ip_forward");
    assert_eq!(host.answer("i-1", "cat /proc/sys/net/ipv4/ip_forward"), "1");
    use std::os::unix::fs::MetadataExt;
    let its = std::fs::File::from(running.netns().unwrap()).metadata().unwrap().ino();
    assert_ne!(its, std::fs::metadata("/proc/self/ns/net").unwrap().ino());
    assert!(host.answer("i-1", "readlink /proc/self/ns/net").contains(&its.to_string()));
}

/// What root in any machine must fail at, whatever keeps it apart.
fn cannot_hurt_the_host(host: &Host) {
    let secret = std::fs::read_to_string("/etc/shadow").unwrap();
    assert!(secret.lines().count() > 3);
    for file in
        ["/proc/sys/kernel/hostname", "/proc/sys/vm/swappiness", "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger"]
    {
        let before = std::fs::read(file).unwrap_or_default();
        host.refuses("i-1", &format!("cat {file} > /tmp/same; cat /tmp/same > {file}"));
        assert_eq!(std::fs::read(file).unwrap_or_default(), before, "{file}");
    }
    host.refuses("i-1", "mknod /tmp/disk b 8 0 && head -c1 /tmp/disk");
    host.refuses("i-1", "mknod /root/kmsg c 1 11 && head -c1 /root/kmsg");
    host.refuses("i-1", "dmesg");
    host.refuses("i-1", "date -s 2001-01-01");
    host.refuses("i-1", "grep -q . /proc/kcore");
    assert_eq!(host.answer("i-1", "cut -d: -f2 /etc/shadow | sort -u"), "*", "nobody has a password");
    assert_eq!(
        host.answer("i-1", "ls -A /root /home /etc/ssl/private /etc/sudoers.d | grep -v '^\\.\\(bash\\|prof\\)'"),
        "/etc/ssl/private:\n\n/etc/sudoers.d:\n90-cloud-init-users\n\n/home:\nec2-user\n\n/root:"
    );
    assert_eq!(host.answer("i-1", "ls /etc/ssh/ssh_host_* 2>/dev/null | wc -l"), "0");
    for line in host.answer("i-1", "cut -d' ' -f5 /proc/self/mountinfo").lines() {
        assert!(!line.contains("old") && !line.starts_with("/disk") && !line.starts_with("/new"), "{line}");
    }
    host.refuses("i-1", "ls /lost+found");
    host.refuses("i-1", "ls /proc/1/root/disk");
    // /usr is its own to change, and the host's stays
    host.answer("i-1", "echo changed > /usr/bin/of-the-machine && rm /usr/bin/env && touch /etc/new");
    assert!(
        !common::exists("/usr/bin/of-the-machine") && common::exists("/usr/bin/env") && !common::exists("/etc/new")
    );
}

#[test]
fn its_root_cannot_hurt_the_host() {
    let Some(host) = Host::new() else { return };
    host.machines.start(&spec("i-1")).unwrap();
    cannot_hurt_the_host(&host);
    host.refuses("i-1", "mount -o remount,rw,bind /proc/sys && echo x > /proc/sys/kernel/hostname");
    host.refuses("i-1", "echo x > /proc/1/exe");
    host.refuses("i-1", "cat /proc/1/environ | tr '\\0' '\\n' | grep -v ^PATH=");
}

#[test]
fn without_idmapped_mounts_it_works_much_the_same() {
    let Some(host) = Host::with(Some(Isolation::SharedIds)) else { return };
    let running = host.machines.start(&spec("i-1")).unwrap();
    assert_eq!(running.isolation, Isolation::SharedIds);
    cannot_hurt_the_host(&host);
    host.answer("i-1", "echo 1 > /proc/sys/net/ipv4/ip_forward");
    assert_eq!(host.answer("i-1", "uname -n"), "i-1.example.internal");
    host.machines.stop("i-1", Duration::from_secs(5)).unwrap();
    assert_eq!(host.remains(), Vec::<String>::new());
}

#[test]
fn two_machines_cannot_read_each_others_files() {
    let Some(host) = Host::new() else { return };
    let (one, two) = (spec("i-1"), spec("i-2"));
    host.machines.start(&one).unwrap();
    host.machines.start(&two).unwrap();
    host.answer("i-1", "umask 077; echo secret > /root/secret; echo open > /tmp/open; echo v > /var/v");
    host.refuses("i-2", "cat /root/secret");
    host.refuses("i-2", "cat /tmp/open");
    host.refuses("i-2", "cat /var/v");
    // nor would a path lead there: on the host the files are other people's
    let file = host.machines.dir("i-1").join("disk/rootfs/root/secret");
    use std::os::unix::fs::MetadataExt;
    assert_eq!(std::fs::metadata(&file).unwrap().uid(), one.id_base);
    assert_eq!(std::fs::metadata(host.machines.dir("i-1")).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(host.answer("i-2", "ps -e -o comm= | grep -c init"), "1");
}

#[test]
fn its_files_stay_over_a_stop_and_its_tmp_does_not() {
    let Some(host) = Host::new() else { return };
    let spec = spec("i-1");
    host.machines.start(&spec).unwrap();
    host.answer(
        "i-1",
        "echo kept | tee /root/a /etc/a /usr/a /var/a > /tmp/a; cat /etc/machine-id > /var/id; rm /etc/services",
    );
    host.machines.stop("i-1", Duration::from_secs(5)).unwrap();
    host.machines.start(&spec).unwrap();
    assert_eq!(host.answer("i-1", "cat /root/a /etc/a /usr/a /var/a"), "kept\nkept\nkept\nkept");
    assert_eq!(host.answer("i-1", "ls /tmp | wc -l; cmp /etc/machine-id /var/id"), "0");
    host.refuses("i-1", "ls /etc/services");
    let other_ids = machine::MachineSpec { id_base: spec.id_base + machine::IDS, ..spec };
    host.machines.stop("i-1", Duration::from_secs(5)).unwrap();
    let refusal = host.machines.start(&other_ids).unwrap_err().to_string();
    assert!(refusal.contains("its files belong to ids from"), "{refusal}");
}

#[test]
fn links_that_it_left_lead_nowhere_on_the_host() {
    let Some(host) = Host::new() else { return };
    let spec = spec("i-1");
    let victim = host.root.with_file_name("victim");
    std::fs::write(&victim, "untouched").unwrap();
    std::fs::set_permissions(&victim, std::fs::Permissions::from_mode(0o666)).unwrap();
    host.machines.start(&spec).unwrap();
    let links =
        format!("for f in /etc/resolv.conf /etc/hostname /var/log; do rm -rf $f; ln -s {} $f; done", victim.display());
    host.answer("i-1", &links);
    host.machines.stop("i-1", Duration::from_secs(5)).unwrap();
    host.machines.start(&spec).unwrap();
    assert_eq!(host.answer("i-1", "tail -n1 /etc/resolv.conf"), "nameserver 10.9.0.2");
    host.machines.remove("i-1").unwrap();
    assert_eq!(std::fs::read_to_string(victim).unwrap(), "untouched");
}

#[test]
fn commands_come_back_with_their_status() {
    let Some(host) = Host::new() else { return };
    host.machines.start(&spec("i-1")).unwrap();
    assert_eq!(host.run("i-1", "exit 7").status.code(), Some(7));
    assert_eq!(host.run("i-1", "kill -KILL $$").status.code(), Some(137));
    let missing =
        host.program(&["enter", host.root.to_str().unwrap(), &host.parent, "i-1", "no-such-command"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(127));
    assert_eq!(text(&missing.stderr), "no-such-command: command not found");
}

#[test]
fn a_signal_to_the_caller_reaches_the_command() {
    let Some(host) = Host::new() else { return };
    host.machines.start(&spec("i-1")).unwrap();
    let line = "trap 'exit 42' TERM; touch /run/ready; while :; do sleep 0.05; done";
    let mut caller =
        host.program(&["enter", host.root.to_str().unwrap(), &host.parent, "i-1", "sh", "-c", line]).spawn().unwrap();
    eventually("the command runs", || host.run("i-1", "test -e /run/ready").status.success());
    rustix::process::kill_process(rustix::process::Pid::from_child(&caller), rustix::process::Signal::TERM).unwrap();
    assert_eq!(caller.wait().unwrap().code(), Some(42));
}

#[test]
fn services_are_kept_running_and_a_reboot_starts_them_afresh() {
    let Some(host) = Host::new() else { return };
    let argv =
        ["sh", "-c", "echo started >> /var/log/starts; echo $AWS_REGION; exec sleep 1000"].map(String::from).to_vec();
    let mut spec = spec("i-1");
    spec.services = vec![
        Service { name: "sleeper".into(), argv },
        Service { name: "broken".into(), argv: vec!["no-such-program".into()] },
    ];
    host.machines.start(&spec).unwrap();
    let starts = || host.run("i-1", "wc -l < /var/log/starts");
    eventually("it runs", || text(&starts().stdout) == "1" && host.run("i-1", "pgrep -x sleep").status.success());
    host.answer("i-1", "pkill -x sleep");
    eventually("it runs again", || text(&starts().stdout) == "2" && host.run("i-1", "pgrep -x sleep").status.success());
    assert_eq!(host.answer("i-1", "head -n1 /var/log/sleeper.log"), "ap-northeast-2");
    host.answer("i-1", "touch /tmp/gone /root/stays");
    let before = host.machines.find("i-1").unwrap();
    host.machines.reboot("i-1").unwrap();
    eventually("it runs after the reboot", || text(&starts().stdout) == "3");
    assert_eq!(host.machines.find("i-1").unwrap(), before);
    assert_eq!(host.answer("i-1", "ls /tmp /root"), "/root:\nstays\n\n/tmp:");
    let log = std::fs::read_to_string(host.machines.console_log("i-1")).unwrap();
    assert!(log.contains("init: broken ended: Exit(127)"), "{log}");
    assert_eq!(host.answer("i-1", "tail -n1 /var/log/broken.log"), "no-such-program: command not found");
}

#[test]
fn it_can_power_itself_off() {
    let Some(host) = Host::new() else { return };
    host.machines.start(&spec("i-1")).unwrap();
    host.run("i-1", "poweroff");
    eventually("it is off", || host.machines.find("i-1").unwrap().is_none());
    host.machines.kill("i-1").unwrap();
    assert_eq!(host.remains(), Vec::<String>::new());
}

#[test]
fn limits_hold() {
    let Some(host) = Host::new() else { return };
    let mut spec = spec("i-1");
    spec.limits = Limits { memory: Some(64 << 20), cpu_millis: Some(500), pids: Some(40) };
    host.machines.start(&spec).unwrap();
    // busy with its memory, so that it is the one to go
    assert_ne!(host.run("i-1", "head -c 200M /dev/zero | tail -n1 | wc -c > /run/out").status.code(), None);
    assert_ne!(text(&host.run("i-1", "cat /run/out").stdout), "209715200");
    host.refuses("i-1", "set -e; for i in $(seq 60); do sleep 5 & done");
    let own = host.answer("i-1", "ls /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null | head -n1");
    host.refuses("i-1", &format!("test -e {own}; echo 9999 > {own}"));
}

#[test]
fn a_bad_start_says_which_step() {
    let Some(host) = Host::new() else { return };
    // a file where the disk must be
    std::fs::create_dir(host.machines.dir("i-1")).unwrap();
    std::fs::write(host.machines.dir("i-1").join("disk"), "").unwrap();
    match host.machines.start(&spec("i-1")).unwrap_err() {
        MachineError::Start { failure, .. } => assert!(failure.step.contains("disk"), "{failure}"),
        other => panic!("{other}"),
    }
    assert_eq!(host.remains(), Vec::<String>::new());
}

#[test]
fn a_start_is_quick() {
    let Some(host) = Host::new() else { return };
    let mut took = vec![];
    for n in 0..5 {
        let spec = spec(&format!("i-{n}"));
        let start = Instant::now();
        host.machines.start(&spec).unwrap();
        took.push(start.elapsed());
    }
    took.sort();
    println!("starts took {took:?}");
    // the bound is generous: the machine that runs the tests is busy with other tests
    assert!(took[0] < Duration::from_secs(2), "{took:?}");
}

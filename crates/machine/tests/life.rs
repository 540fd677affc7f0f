//! A machine's life and death: it outlives its starter, and nothing of it outlives its removal.
#![allow(clippy::unwrap_used)] // helpers of tests are tests too

mod common;

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use common::{Host, PROGRAM, eventually, spec, text};
use machine::MachineError;

#[test]
fn it_outlives_the_process_that_started_it() {
    let Some(host) = Host::new() else { return };
    let json = serde_json::to_string(&spec("i-1")).unwrap();
    let root = host.root.to_str().unwrap();
    let starter = host.program(&["start", root, &host.parent, &json]).output().unwrap();
    assert!(starter.status.success(), "{}", text(&starter.stderr));
    let found = host.machines.list().unwrap();
    assert_eq!(found.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), ["i-1"]);
    assert_eq!(host.answer("i-1", "uname -n"), "i-1.example.internal");
    // its session is its own, so that no terminal or group signal of the service reaches it
    let stat = fs::read_to_string(format!("/proc/{}/stat", found[0].pid)).unwrap();
    let session = stat.rsplit_once(')').unwrap().1.split_ascii_whitespace().nth(3).unwrap().to_owned();
    assert_eq!(session, found[0].pid.to_string());
}

#[test]
fn a_lost_copy_of_etc_is_made_again() {
    let Some(host) = Host::new() else { return };
    fs::remove_dir_all(host.root.join("layers.d")).unwrap();
    let running = host.machines.start(&spec("i-1")).unwrap();
    assert!(running.etc_layer.is_dir());
    host.answer("i-1", "test -e /etc/passwd && test -e /etc/services");
}

#[test]
fn a_second_start_is_refused() {
    let Some(host) = Host::new() else { return };
    let first = host.machines.start(&spec("i-1")).unwrap();
    match host.machines.start(&spec("i-1")).unwrap_err() {
        MachineError::AlreadyRunning { pid, .. } => assert_eq!(pid, first.pid),
        other => panic!("{other}"),
    }
}

#[test]
fn a_stop_leaves_no_process_mount_or_cgroup() {
    let Some(host) = Host::new() else { return };
    let running = host.machines.start(&spec("i-1")).unwrap();
    assert!(!host.remains().is_empty(), "the check sees a running machine");
    host.answer(
        "i-1",
        "setsid sh -c 'trap \"\" TERM HUP; while :; do sleep 1; done' > /dev/null 2>&1 & \
         mkdir -p /sys/fs/cgroup/pids/a/b; true",
    );
    let start = Instant::now();
    host.machines.stop("i-1", Duration::from_millis(300)).unwrap();
    assert!(start.elapsed() >= Duration::from_millis(300), "the stubborn one had its grace");
    assert_eq!(host.remains(), Vec::<String>::new());
    assert_eq!(host.machines.find("i-1").unwrap(), None);
    assert!(!fs::metadata(format!("/proc/{}", running.pid)).is_ok_and(|_| common::name_of(running.pid) == "init"));
    assert!(host.machines.dir("i-1").join("disk").exists(), "its files stay");
    host.machines.stop("i-1", Duration::from_secs(1)).unwrap();
}

#[test]
fn an_idle_machine_stops_at_once() {
    let Some(host) = Host::new() else { return };
    let spec = spec("i-1");
    host.machines.start(&spec).unwrap();
    // many times right after the start: init must not miss a signal that comes while it begins
    for _ in 0..5 {
        host.machines.stop("i-1", Duration::from_secs(100)).unwrap();
        host.machines.start(&spec).unwrap();
    }
    let start = Instant::now();
    host.machines.stop("i-1", Duration::from_secs(100)).unwrap();
    println!("a stop took {:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(50), "it did not wait for the grace");
}

#[test]
fn removal_is_complete_and_may_be_repeated() {
    let Some(host) = Host::new() else { return };
    host.machines.start(&spec("i-1")).unwrap();
    host.answer("i-1", "mkdir -p /var/deep/er; chmod 0 /var/deep; ln -s / /var/out");
    host.machines.remove("i-1").unwrap();
    host.machines.remove("i-1").unwrap();
    host.machines.remove("i-never").unwrap();
    assert_eq!(host.remains(), Vec::<String>::new());
    assert!(!host.machines.dir("i-1").exists());
    assert_eq!(host.machines.known().unwrap(), Vec::<String>::new());
    assert!(common::exists("/usr/bin/env"));
}

#[test]
fn a_process_that_only_looks_like_its_init_is_left_alone() {
    let Some(host) = Host::new() else { return };
    host.machines.start(&spec("i-1")).unwrap();
    host.machines.kill("i-1").unwrap();
    let mut bystander = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    let running = machine::Running {
        id: "i-1".into(),
        pid: i32::try_from(bystander.id()).unwrap(),
        start_time: 1,
        boot_id: fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap().trim().into(),
        pid_namespace: 1,
        isolation: machine::Isolation::UserNamespace,
        etc_layer: "/x".into(),
        env: Default::default(),
    };
    fs::write(host.machines.dir("i-1").join("state.json"), serde_json::to_vec(&running).unwrap()).unwrap();
    assert_eq!(host.machines.find("i-1").unwrap(), None);
    host.machines.remove("i-1").unwrap();
    assert_eq!(bystander.try_wait().unwrap(), None, "it still sleeps");
    bystander.kill().unwrap();
    bystander.wait().unwrap();
}

#[test]
fn no_machine_keeps_the_network_of_another_alive() {
    let Some(host) = Host::new() else { return };
    let first = host.machines.start(&spec("i-1")).unwrap();
    // pinned as a router's namespace is
    let pin = host.root.join("pin");
    fs::write(&pin, "").unwrap();
    rustix::mount::mount_bind(format!("/proc/{}/ns/net", first.pid), &pin).unwrap();
    host.machines.start(&spec("i-2")).unwrap();
    let second = host.machines.find("i-2").unwrap().unwrap();
    let mounts = fs::read_to_string(format!("/proc/{}/mountinfo", second.pid)).unwrap();
    rustix::mount::unmount(&pin, rustix::mount::UnmountFlags::DETACH).unwrap();
    assert!(!mounts.contains("nsfs") && !mounts.contains(pin.to_str().unwrap()), "{mounts}");
}

#[test]
fn whatever_a_killed_starter_leaves_is_removed() {
    let Some(host) = Host::new() else { return };
    let root = host.root.to_str().unwrap().to_owned();
    let mut killed = 0;
    for round in 0..25u64 {
        let id = format!("i-{round}");
        let plan = serde_json::json!({
            "spec": spec(&id), "dir": host.machines.dir(&id), "etc_layer": etc_layer(&host),
            "cgroup_parent": host.parent, "isolation": null,
        });
        fs::create_dir(host.machines.dir(&id)).unwrap();
        let mut starter = std::process::Command::new(PROGRAM)
            .args([machine::HIDDEN, "start"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        serde_json::to_writer(starter.stdin.take().unwrap(), &plan).unwrap();
        // the moment to strike is the point of this test, so it waits by the clock
        std::thread::sleep(Duration::from_micros(1500 * round));
        starter.kill().unwrap();
        killed += u32::from(starter.wait().unwrap().signal() == Some(libc_kill()));
        host.machines.remove(&id).unwrap();
        assert!(!host.machines.dir(&id).exists());
    }
    println!("{killed} of 25 starters were killed halfway");
    assert!(killed > 3, "{root}");
    eventually("nothing remains", || host.remains().is_empty());
}

fn libc_kill() -> i32 {
    rustix::process::Signal::KILL.as_raw()
}

fn etc_layer(host: &Host) -> std::path::PathBuf {
    let layers = fs::read_dir(host.root.join("layers.d")).unwrap();
    layers.flatten().map(|it| it.path()).next().unwrap()
}

#[test]
fn twenty_start_side_by_side() {
    let Some(host) = Host::new() else { return };
    let start = Instant::now();
    std::thread::scope(|scope| {
        for n in 0..20 {
            let host = &host;
            scope.spawn(move || host.machines.start(&spec(&format!("i-{n}"))).unwrap());
        }
    });
    println!("20 starts took {:?} together", start.elapsed());
    assert_eq!(host.machines.list().unwrap().len(), 20);
    let mut spaces: Vec<_> = host.machines.list().unwrap().iter().map(|it| it.pid_namespace).collect();
    spaces.sort_unstable();
    spaces.dedup();
    assert_eq!(spaces.len(), 20);
    let start = Instant::now();
    assert!(host.machines.stop_all(Duration::from_secs(10)).is_empty());
    println!("20 stops took {:?} together", start.elapsed());
    assert_eq!(host.remains(), Vec::<String>::new());
    assert_eq!(host.machines.known().unwrap().len(), 20, "their files stay");
    assert!(host.machines.remove_all().is_empty());
    assert_eq!(host.machines.known().unwrap(), Vec::<String>::new());
    assert_eq!(host.remains(), Vec::<String>::new());
}

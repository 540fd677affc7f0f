//! The command line as scripts and people meet it: one clear line for every failure, statuses that say what happened,
//! and output that another program can read.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Postern, Ran, host, sorted, until};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

const POSTERN: &str = env!("CARGO_BIN_EXE_postern");

/// An instance that nobody has.
const NOBODY: &str = "i-0123456789abcdef0";

fn run(command: &mut Command) -> Ran {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ran { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

/// The one line of a command that ended with 1 and printed no answer.
#[track_caller]
fn line(ran: Ran) -> String {
    assert_eq!((ran.code, ran.out.lines().find(|it| !is_progress(it))), (1, None), "{}", ran.err);
    let lines: Vec<_> = ran.err.lines().filter(|it| !is_progress(it)).collect();
    assert_eq!(lines.len(), 1, "{}", ran.err);
    lines[0].strip_prefix("Error: ").unwrap_or_else(|| panic!("{}", ran.err)).to_owned()
}

/// What is shown while one waits, before the line that tells the end.
fn is_progress(line: &str) -> bool {
    line == "starting postern" || line.contains(" [ℹ]  ") || line.starts_with("Command \"update-cluster-endpoints\"")
}

/// A command in an empty data directory, with `before` as what starts the program.
fn alone(before: &[&str], data_dir: &Path, args: &[&str]) -> Ran {
    let words: Vec<&str> = before.iter().copied().chain([POSTERN]).chain(args.iter().copied()).collect();
    run(Command::new(words[0]).args(&words[1..]).env("POSTERN_DATA_DIR", data_dir))
}

#[test]
fn without_root_one_line_says_so() {
    // neither the build's directory nor a temporary one need be open to others
    let dir = tempfile::Builder::new().permissions(PermissionsExt::from_mode(0o755)).tempdir().unwrap();
    let program = dir.path().join("postern");
    std::fs::copy(POSTERN, &program).unwrap();
    let program = program.to_str().unwrap();
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", program];
    for command in ["up", "down", "reset"] {
        let mut setpriv = Command::new("setpriv");
        setpriv.args(nobody).arg(command).env("POSTERN_DATA_DIR", dir.path().join("data"));
        let want = format!("`postern {command}` needs root: run it as root, for instance with sudo");
        assert_eq!(line(run(&mut setpriv)), want);
    }
    let postern = Postern::up("ca-central-1");
    for args in [&["status"][..], &["get", "cluster"], &["at", "outside", "--", "true"]] {
        let mut setpriv = Command::new("setpriv");
        setpriv.args(nobody).args(args).env("POSTERN_DATA_DIR", postern.data_dir());
        assert!(line(run(&mut setpriv)).starts_with("only root may ask the daemon at "));
    }
}

#[test]
fn a_root_that_may_not_make_networks_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    for (bounding, name) in [("-net_admin", "CAP_NET_ADMIN"), ("-sys_admin", "CAP_SYS_ADMIN")] {
        let (bounding, inherited) = (format!("--bounding-set={bounding}"), format!("--inh-caps={bounding}"));
        for flag in [&[][..], &["--detach"]] {
            let args: Vec<&str> = ["up"].iter().chain(flag).copied().collect();
            let ran = alone(&["setpriv", &bounding, &inherited], &dir.path().join("data"), &args);
            let want = format!("root has no {name} here: in a container, run it with --privileged");
            assert_eq!(line(ran), want);
        }
    }
    assert!(!dir.path().join("data").exists(), "nothing was made");
}

#[test]
fn what_keeps_the_service_from_starting_is_one_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let holder = std::net::TcpListener::bind(taken).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let listen = taken.to_string();
    for flags in [vec!["--detach"], vec![]] {
        let with = |more: [&'static str; 2]| [vec!["up"], flags.clone(), more.to_vec()].concat();
        let port: Vec<&str> = [vec!["up"], flags.clone(), vec!["--listen", &listen]].concat();
        let want = format!("{taken} is taken by another program; choose another with --listen");
        assert_eq!(line(alone(&[], &data, &port)), want);
        let said = line(alone(&[], &data, &with(["--listen", "0.0.0.0:4566"])));
        assert!(said.starts_with("0.0.0.0:4566 is not a loopback address"), "{said}");
        let said = line(alone(&[], &data, &with(["--region", "nowhere-1"])));
        assert!(said.contains("\"nowhere-1\" is not a region like ap-northeast-2"), "{said}");
        let said = line(alone(&[], Path::new("/dev/null/data"), &with(["--region", "eu-west-1"])));
        assert!(said.contains("/dev/null/data"), "{said}");
    }
    drop(holder);
    alone(&[], &data, &["reset"]).ok();
    assert!(!data.exists());
}

#[test]
fn without_a_daemon_every_command_says_how_to_start_one() {
    let dir = tempfile::tempdir().unwrap();
    let want = format!("no daemon answers at {}: start one with `postern up`", dir.path().display());
    for args in [
        "status",
        "status --output json",
        "env",
        "places",
        "reach blue",
        "at outside -- true",
        "account create",
        "get cluster",
        "create cluster --name blue",
        "delete cluster blue",
        "utils update-cluster-endpoints --cluster blue --private-access=true",
    ] {
        let words: Vec<&str> = args.split(' ').collect();
        assert_eq!(line(alone(&[], dir.path(), &words)), want, "{args}");
    }
}

#[test]
fn what_is_not_there_is_named() {
    let postern = Postern::up("sa-east-1");
    let no_instance = format!("there is no instance {NOBODY}; `postern places` lists what there is");
    assert_eq!(line(postern.at(NOBODY, &["true"])), no_instance);
    assert_eq!(line(postern.cli(&["env", "--from", NOBODY])), no_instance);
    assert!(line(postern.at("inside", &["true"])).starts_with("there is no place \"inside\": one stands at `outside`"));
    assert_eq!(
        line(postern.cli(&["reach", "blue"])),
        "no cluster blue in sa-east-1; `postern status` lists what there is"
    );
    for args in [
        &["get", "cluster", "blue"][..],
        &["delete", "cluster", "blue"],
        &["utils", "update-cluster-endpoints", "--cluster", "blue", "--private-access=true"],
    ] {
        let said = line(postern.cli(args));
        assert!(said.contains("No cluster found for name: blue."), "{said}");
    }
    for (args, says) in [
        (&["frobnicate"][..], "there is no command \"frobnicate\""),
        (&["create", "nodegroup", "--cluster", "blue"], "`create nodegroup` is not served yet"),
        (&["scale", "nodegroup"], "`scale` is eksctl's, and not served here yet"),
        (&["utils", "nothing"], "there is no `utils nothing`"),
        (&["console"], "`postern console` is not served"),
        (&["up", "--nope"], "unexpected argument '--nope' found"),
        (&["create", "cluster", "--name", "a", "--version", "1.2", "--dry-run"], "1.2 is no longer supported"),
    ] {
        let said = line(postern.cli(args));
        assert!(said.contains(says), "{args:?}: {said}");
    }
}

#[test]
fn a_second_up_changes_nothing() {
    let postern = Postern::up("eu-west-2");
    let pid = postern.pid();
    let listen = postern.listen.to_string();
    let running = format!("process {pid}, AWS API at http://{listen}");
    let again = postern.cli(&["up", "--detach", "--listen", &listen]).ok();
    assert!(again.starts_with("postern runs already at ") && again.trim_end().ends_with(&running), "{again}");
    let said = line(postern.cli(&["up", "--listen", &listen]));
    assert!(said.starts_with("postern runs already at ") && said.ends_with(&running), "{said}");
    assert_eq!(postern.pid(), pid);
}

#[test]
fn the_service_takes_the_descriptors_that_the_system_allows() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let script = format!("ulimit -Sn 512 && exec {POSTERN} up --detach --listen {port}");
    run(Command::new("sh").args(["-c", &script]).env("POSTERN_DATA_DIR", &data)).ok();
    let status = alone(&[], &data, &["status", "--output", "json"]).json();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", status["hello"]["pid"])).unwrap();
    alone(&[], &data, &["reset"]).ok();
    let words: Vec<&str> =
        limits.lines().find(|it| it.starts_with("Max open files")).unwrap().split_whitespace().collect();
    assert_eq!(words[3], words[4], "{limits}");
    assert_ne!(words[3], "512");
}

#[test]
fn what_scripts_read_can_be_read() {
    let postern = Postern::up("eu-south-1");
    for args in [&["status"][..], &["places"], &["env"], &["account", "create"], &["get", "cluster"]] {
        let args: Vec<&str> = args.iter().copied().chain(["--output", "json"]).collect();
        let value = postern.cli(&args).json();
        assert!(value.is_object() || value.is_array(), "{args:?}: {value}");
    }
    // a shell takes the exports as they are
    let script = format!("eval \"$({POSTERN} env)\" && aws sts get-caller-identity --query Arn --output text");
    let who = run(Command::new("sh").args(["-eu", "-c", &script]).env("POSTERN_DATA_DIR", postern.data_dir())).ok();
    assert!(who.trim().ends_with(":user/admin"), "{who}");
    let json = postern.cli(&["env", "--output", "json"]).json();
    for (name, value) in json.as_object().unwrap() {
        let script = format!("eval \"$({POSTERN} env)\" && printf %s \"${name}\"");
        let shell = run(Command::new("sh").args(["-c", &script]).env("POSTERN_DATA_DIR", postern.data_dir())).ok();
        assert_eq!(*value, shell.as_str(), "{name}");
    }
    for (shell, marks) in [("bash", "complete "), ("zsh", "#compdef postern"), ("fish", "complete -c postern")] {
        let script = postern.cli(&["completions", shell]).ok();
        assert!(script.contains(marks) && script.contains("reach"), "{shell}");
    }
    let bash = postern.cli(&["completions", "bash"]).ok();
    let mut check = Command::new("bash").arg("-n").stdin(Stdio::piped()).spawn().unwrap();
    check.stdin.take().unwrap().write_all(bash.as_bytes()).unwrap();
    assert!(check.wait().unwrap().success());
}

/// Runs a command at a place, with something to read.
fn piped(postern: &Postern, place: &str, command: &[&str], input: &[u8]) -> Ran {
    let mut child = Command::new(POSTERN)
        .args(["at", place, "--"])
        .args(command)
        .env("POSTERN_DATA_DIR", postern.data_dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_vec());
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ran { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

#[test]
fn at_hands_through_input_output_and_status() {
    let postern = Postern::up("us-west-2");
    let (_, subnets) = postern.public_vpc("10.81.0.0/16", [("a", "10.81.1.0/24"), ("b", "10.81.2.0/24")]);
    let instance = postern.instance(&subnets[0]);
    for place in ["outside", &instance] {
        for (command, status) in [
            ("true", 0),
            ("false", 1),
            ("exit 7", 7),
            ("exit 255", 255),
            ("kill -TERM $$", 128 + 15),
            ("kill -KILL $$", 128 + 9),
        ] {
            assert_eq!(postern.at(place, &["sh", "-c", command]).code, status, "{command} at {place}");
        }
        assert_eq!(postern.at(place, &["/nowhere/program"]).code, 127, "{place}");
        assert_eq!(postern.at(place, &["/etc/passwd"]).code, 126, "{place}");
        let both = postern.at(place, &["sh", "-c", "echo out; echo err >&2"]);
        assert_eq!((both.out.as_str(), both.err.as_str()), ("out\n", "err\n"));
        let large = "a line of text\n".repeat(20_000);
        let ran = piped(&postern, place, &["cat"], large.as_bytes());
        assert!(ran.code == 0 && ran.out == large, "{place}: {} {} bytes", ran.code, ran.out.len());
        let ran = piped(&postern, place, &["head", "-c", "5"], large.as_bytes());
        assert_eq!((ran.code, ran.out.as_str()), (0, "a lin"), "{place}");
    }
}

#[test]
fn the_seed_cluster_is_planned_from_real_subnets() {
    let postern = Postern::up("ap-northeast-2");
    let (vpc, subnets) = postern.public_vpc("192.168.0.0/16", [("a", "192.168.1.0/24"), ("c", "192.168.2.0/24")]);
    let both = subnets.join(",");
    let flags = format!(
        "create cluster --name myeks --region ap-northeast-2 --nodegroup-name mynodegroup --node-type t3.medium \
         --node-volume-size 30 --vpc-public-subnets {both} --version 1.24 --ssh-access --external-dns-access \
         --verbose 4 --dry-run"
    );
    let words: Vec<&str> = flags.split_whitespace().collect();
    let plan = postern.cli(&words).ok();
    let mut want = include_str!("golden/seed_cluster_config.yaml").to_owned();
    for (mark, id) in [("SUBNET-A", &subnets[0]), ("SUBNET-C", &subnets[1]), ("VPC\n", &format!("{vpc}\n"))] {
        want = want.replace(mark, id);
    }
    assert_eq!(plan, want);
    assert_eq!(postern.query("eks list-clusters", "clusters"), "", "a dry run makes nothing");
}

#[test]
fn a_clusters_whole_life_by_the_command_line() {
    let postern = Postern::up("eu-west-1");
    let vpcs = |postern: &Postern| sorted(&postern.query("ec2 describe-vpcs", "Vpcs[].VpcId").replace('\t', "\n"));
    let before = vpcs(&postern);
    let roles = postern.query("iam list-roles", "Roles[].RoleName");
    postern.cli(&["create", "cluster", "--name", "mine", "--version", "1.24", "--without-nodegroup"]).ok();
    let made: Vec<String> = vpcs(&postern).into_iter().filter(|it| !before.contains(it)).collect();
    assert_eq!(made.len(), 1);

    let json = postern.cli(&["get", "cluster", "mine", "-o", "json"]).json();
    let (cluster, vpc) = (&json[0], &json[0]["ResourcesVpcConfig"]["VpcId"]);
    assert_eq!(
        (&cluster["Name"], &cluster["Status"], vpc),
        (&"mine".into(), &"ACTIVE".into(), &made[0].as_str().into())
    );
    let yaml = postern.cli(&["get", "cluster", "mine", "-o", "yaml"]).ok();
    let script = "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin)))";
    let ran = piped(&postern, "outside", &["python3", "-c", script], yaml.as_bytes());
    if ran.err.contains("No module named 'yaml'") {
        assert!(yaml.contains("\n  Name: mine\n"), "{yaml}");
    } else {
        assert_eq!(ran.json(), json, "YAML and JSON say the same");
    }
    assert_eq!(postern.cli(&["get", "cluster"]).ok(), "NAME\tREGION\t\tEKSCTL CREATED\nmine\teu-west-1\tTrue\n");

    // a plan is a plan until it is approved
    let change = ["utils", "update-cluster-endpoints", "--cluster", "mine", "--private-access=true"];
    let access = |postern: &Postern| {
        let query = "cluster.resourcesVpcConfig.[endpointPublicAccess,endpointPrivateAccess]";
        postern.query("eks describe-cluster --name mine", query)
    };
    let planned = postern.cli(&change).ok();
    assert!(planned.contains("(plan) would update") && planned.contains("run again with '--approve'"), "{planned}");
    assert_eq!(access(&postern), "True\tFalse");
    postern.cli(&[&change[..], &["--approve"]].concat()).ok();
    assert_eq!(access(&postern), "True\tTrue");
    let neither =
        ["utils", "update-cluster-endpoints", "--cluster", "mine", "--private-access=false", "--public-access=false"];
    assert!(line(postern.cli(&neither)).contains("must have one of public or private"));

    let reach = postern.cli(&["reach", "mine", "--output", "json"]).json();
    let from = |it: &Value| it["computed"]["from"].as_str().unwrap().to_owned();
    assert_eq!(reach.as_array().unwrap().iter().map(from).collect::<Vec<_>>(), ["outside"]);
    assert_eq!(reach[0]["confirmed"], serde_json::json!([true, true]));

    postern.cli(&["delete", "cluster", "mine", "--wait"]).ok();
    assert_eq!(vpcs(&postern), before, "the VPC that was made for it went with it");
    assert_eq!(postern.query("iam list-roles", "Roles[].RoleName"), roles);
    assert_eq!(postern.query("ec2 describe-network-interfaces", "NetworkInterfaces"), "");
}

#[test]
fn public_names_are_answered_as_public_names_are() {
    let postern = Postern::up("ap-northeast-3");
    let (_, subnets) = postern.public_vpc("10.82.0.0/16", [("a", "10.82.1.0/24"), ("b", "10.82.2.0/24")]);
    let name = host(&postern.cluster("named", "1.29", &subnets, ""));
    let dig = |args: &[&str]| postern.at("outside", &[&["dig", "+time=2", "+tries=1"], args].concat()).ok();
    for unknown in ["example.com", "amazonaws.com.example.org", "s3.ap-northeast-3.amazonaws.com", &format!("x{name}")]
    {
        assert!(dig(&[unknown]).contains("status: NXDOMAIN"), "{unknown}");
    }
    let addresses = sorted(&dig(&["+short", &name]));
    assert_eq!(addresses.len(), 2);
    for spelling in [name.to_ascii_lowercase(), name.to_ascii_uppercase(), format!("{name}.")] {
        assert_eq!(sorted(&dig(&["+short", &spelling])), addresses, "{spelling}");
    }
    assert_eq!(dig(&["+short", "STS.Ap-Northeast-3.AmazonAWS.com"]), "198.18.0.80\n");
    for answer in dig(&["+noall", "+answer", &name]).lines() {
        assert_eq!(answer.split_whitespace().nth(1), Some("60"), "{answer}");
    }
    let none = dig(&["AAAA", &name]);
    assert!(none.contains("status: NOERROR") && none.contains("ANSWER: 0"), "{none}");
    let mut firsts = BTreeSet::new();
    until("each address was the first once", || {
        firsts.extend(dig(&["+short", &name]).lines().next().map(str::to_owned));
        firsts.len() == 2
    });
}

//! A stand-in for the service and its command line, for this crate's tests: it has the hidden modes, and a few open
//! ones.
//!
//! `start ROOT PARENT SPEC-JSON`, `enter ROOT PARENT ID COMMAND...`, `bare NETNS-FILE CA-FILE RESOLV-TEXT COMMAND...`

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::os::fd::AsFd;
use std::process::ExitCode;

use machine::{BareSpec, EnterSpec, Machines, Options, enter, enter_bare, run_hidden};

fn main() -> ExitCode {
    if let Some(code) = run_hidden(std::env::args_os()) {
        return code;
    }
    match open_mode(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(status) => ExitCode::from(u8::try_from(status).unwrap_or(u8::MAX)),
        Err(e) => {
            eprintln!("{e}");
            ExitCode::from(250)
        }
    }
}

fn open_mode(args: &[String]) -> Result<i32, Box<dyn Error>> {
    match args {
        [mode, root, parent, spec] if mode == "start" => {
            Machines::new(options(root, parent))?.start(&serde_json::from_str(spec)?)?;
            Ok(0)
        }
        [mode, root, parent, id, argv @ ..] if mode == "enter" => {
            let running = Machines::open(options(root, parent))?.find(id)?.ok_or("it does not run")?;
            let spec = EnterSpec { argv: argv.to_vec(), env: BTreeMap::new(), cwd: None };
            Ok(enter(&running, &spec)?)
        }
        [mode, netns, authority, resolv_conf, argv @ ..] if mode == "bare" => {
            let netns = File::open(netns)?;
            let spec = BareSpec {
                resolv_conf: resolv_conf.clone(),
                hosts: None,
                ca_bundle: Some(std::fs::read_to_string(authority)?),
                argv: argv.to_vec(),
                env: std::env::vars().collect(),
            };
            Ok(enter_bare(netns.as_fd(), &spec)?)
        }
        _ => Err("see the top of the source".into()),
    }
}

fn options(root: &str, parent: &str) -> Options {
    let executable = "/proc/self/exe".into();
    Options { executable, root: root.into(), cgroup_parent: parent.into(), isolation: None }
}

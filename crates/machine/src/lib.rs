//! Machines: an EC2 instance as a system container without an image, over the host's own `/usr`.
//!
//! Read [`spec`] (what a machine is), [`machines`] (the service's side), then the hidden processes in the order in
//! which they run: `starter`, `stage`, `inside`, `init`. [`mod@enter`] and [`bare`] run commands in machines and at bare
//! network places. May use: nothing of ours. Must never learn: AWS, the store, how networks are built; it only hands
//! out a network namespace. Invariant: a machine's root has no power over the host or another machine; files that a
//! machine can change are only ever touched with that machine's own rights.
//!
//! Machines outlive the service. They are started by the service's own executable in a hidden mode, so a program that
//! uses this crate must call [`run_hidden`] first thing in `main`, before it starts a thread.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

pub mod bare;
mod cgroup;
mod command;
pub mod enter;
pub mod error;
mod filter;
mod identity;
mod init;
mod inside;
mod layer;
mod lock;
pub mod machines;
pub mod probe;
pub mod spec;
mod stage;
mod starter;
pub mod state;
mod sys;

pub use bare::{BareSpec, enter_bare};
pub use enter::enter;
pub use error::{MachineError, StepFailure};
pub use machines::{Machines, Options};
pub use probe::{Capability, probe};
pub use spec::{EnterSpec, IDS, Limits, MachineSpec, Service};
pub use state::{Isolation, Running};

/// The first argument of our executable in a hidden mode.
pub const HIDDEN: &str = "__machine";

/// Runs one of this crate's hidden processes if the arguments (with the program's name) ask for one, else returns
/// `None`.
///
/// Call it before any thread is started. Inside a machine the same executable is pid 1, under the name of init.
pub fn run_hidden(args: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let args: Vec<OsString> = args.into_iter().collect();
    let name = args.first().and_then(|it| Path::new(it).file_name());
    if name.is_some_and(|it| it == "init") && rustix::process::getpid().is_init() {
        return Some(init::main());
    }
    let [_, hidden, mode, rest @ ..] = args.as_slice() else { return None };
    if hidden != HIDDEN {
        return None;
    }
    let result = match (mode.to_str(), rest) {
        (Some("start"), []) => starter::main(),
        (Some("probe"), [root]) => probe::main(Path::new(root)),
        _ => {
            eprintln!("{HIDDEN} is for internal use");
            return Some(ExitCode::from(2));
        }
    };
    Some(match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_arguments_are_not_ours() {
        let args = |list: &[&str]| list.iter().map(OsString::from).collect::<Vec<_>>();
        assert!(run_hidden(args(&["postern", "up"])).is_none());
        assert!(run_hidden(args(&["postern", "at", "__machine"])).is_none());
        assert!(run_hidden(args(&["init"])).is_none(), "a test is never pid 1");
        assert!(run_hidden(args(&[])).is_none());
    }
}

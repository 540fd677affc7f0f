//! The command line. One module per command; each asks the daemon, prints and ends with one line if it can't.
//!
//! Read [`grammar`] (what can be typed), [`session`] (what a command works with), [`client`] (how the daemon is asked),
//! then any command. Of the daemon it knows `run`, `clean_up` and `Options`; everything else goes through the control
//! socket. No command starts a thread or a runtime before it runs the daemon: `at` enters namespaces, which only a
//! single thread may.

mod account;
mod at;
mod client;
mod completions;
mod console;
mod eksctl;
mod env;
mod error;
mod grammar;
mod places;
mod reach;
mod reset;
mod session;
mod status;
mod table;
#[cfg(test)]
mod testing;
mod up;
mod yaml;

use client::Client;
use error::CliError;
use grammar::{Command, Parsed};
use session::{Progress, Session};
use std::ffi::OsString;
use std::io::{IsTerminal, stderr, stdout};
use std::process::ExitCode;

/// Reads the process's arguments and does what they say.
pub fn run() -> ExitCode {
    // unlocked handles: the daemon's threads log to the same stderr
    let (mut out, mut err) = (stdout(), stderr());
    let mut session = Session {
        client: Client::new(""),
        colour: out.is_terminal(),
        progress: Progress::for_terminal(err.is_terminal()),
        out: &mut out,
        err: &mut err,
        env: |name| std::env::var(name).ok().filter(|it| !it.is_empty()),
        given: Vec::new(),
    };
    let status = run_in(&mut session, std::env::args_os());
    session.flush();
    status
}

/// Does what a command line says, in a session that is given.
fn run_in(session: &mut Session<'_>, args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let result = match grammar::parse(args) {
        Parsed::Command(cli, given) => {
            session.client = Client::new(cli.data_dir);
            session.given = given;
            dispatch(session, cli.command)
        }
        Parsed::Help(text) => session.text(&text).map(|()| ExitCode::SUCCESS),
        Parsed::Wrong(text) => {
            session.note(text);
            return ExitCode::FAILURE;
        }
    };
    match result {
        Ok(status) => status,
        // whoever closed the output has what they wanted
        Err(CliError::OutputClosed) => ExitCode::SUCCESS,
        Err(error) => {
            session.note(format!("Error: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn dispatch(session: &mut Session<'_>, command: Command) -> Result<ExitCode, CliError> {
    let done = match command {
        Command::Up(it) => it.run(session),
        Command::Down => reset::down(session),
        Command::Reset => reset::reset(session),
        Command::Status(it) => it.run(session),
        Command::Env(it) => it.run(session),
        Command::At(it) => return it.run(session),
        Command::Places(it) => it.run(session),
        Command::Reach(it) => it.run(session),
        Command::Create(it) => it.run(session),
        Command::Get(it) => it.run(session),
        Command::Delete(it) => it.run(session),
        Command::Utils(it) => it.run(session),
        Command::Console(it) => it.run(),
        Command::Completions(it) => it.run(session),
        Command::Account(it) => it.run(session),
        Command::Other(words) => Err(eksctl::refuse_group(&words)),
    };
    done.map(|()| ExitCode::SUCCESS)
}

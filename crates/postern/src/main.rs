//! Postern: EKS that you can run yourself. This binary is both the command line and the daemon it talks to.

mod cli;
mod control;
mod daemon;

use std::process::ExitCode;

fn main() -> ExitCode {
    // An instance's first process and the helpers that enter namespaces are this same binary; they must run before
    // any thread exists.
    if let Some(status) = machine::run_hidden(std::env::args_os()) {
        return status;
    }
    cli::run()
}

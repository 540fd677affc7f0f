//! What a command can end with: one line on stderr that says what to do, and exit status 1.

use std::io;
use std::path::PathBuf;

/// Why a command could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// What was typed, or what was found, does not allow it; the text is the whole line.
    #[error("{0}")]
    Told(String),
    /// Nobody listens on the data directory's socket.
    #[error("no daemon answers at {}: start one with `postern up`", .0.display())]
    NoDaemon(PathBuf),
    /// Only root may do this.
    #[error("`postern {0}` needs root: run it as root, for instance with sudo")]
    NotRoot(&'static str),
    /// The daemon refused.
    #[error("{message}")]
    Refused {
        /// AWS's error code, when an AWS operation was refused.
        code: Option<String>,
        /// The daemon's line.
        message: String,
    },
    /// The daemon ended or hung before the last line of its answer.
    #[error("the daemon at {} {problem}: its log is {}", .data_dir.display(), .data_dir.join("postern.log").display())]
    Daemon {
        /// Where it should be.
        data_dir: PathBuf,
        /// What it did instead of answering.
        problem: String,
    },
    /// A file, a process or a terminal did not do as asked.
    #[error("cannot {doing}: {source}")]
    Io {
        /// What was tried, as in "read the file x".
        doing: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// What failed in the daemon's own code, run in this process.
    #[error("{0:#}")]
    Inner(anyhow::Error),
    /// Whoever read the output went away, as `head` does.
    #[error("the output is closed")]
    OutputClosed,
}

impl CliError {
    /// A line for the user.
    pub fn told(text: impl Into<String>) -> Self {
        Self::Told(text.into())
    }

    /// For `map_err` on an I/O result.
    pub fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }

    /// Whether AWS's code is this one.
    pub fn is_code(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { code: Some(code), .. } if code == wanted)
    }
}

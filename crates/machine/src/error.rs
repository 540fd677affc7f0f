//! What can go wrong with a machine, in words that say what the user can do.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Why a machine could not be started, found, entered, stopped or removed.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// The specification can't be built; the text names the field and the rule.
    #[error("the machine's specification is not usable: {0}")]
    Spec(String),
    /// Only host root can make machines.
    #[error("machines need root; run the service as root")]
    NotRoot,
    /// It runs already; stop it first.
    #[error("machine {id} runs already as process {pid}")]
    AlreadyRunning {
        /// The machine.
        id: String,
        /// Its init's process id on the host.
        pid: i32,
    },
    /// No running machine has this id.
    #[error("machine {0} does not run")]
    NotRunning(String),
    /// Another start or removal of the same machine is under way.
    #[error("machine {0} is being started or removed by another process; try again")]
    Busy(String),
    /// A step of the start failed; the name is the step as the log shows it.
    #[error("machine {id} did not start: {failure}")]
    Start {
        /// The machine.
        id: String,
        /// The step and the kernel's answer.
        failure: StepFailure,
    },
    /// The start took longer than its bound and was undone.
    #[error("machine {0} did not start in time; its console log says how far it came")]
    StartTimeout(String),
    /// Something of the machine is still there after everything was tried.
    #[error("machine {id} could not be taken down: {what} remains")]
    Remains {
        /// The machine.
        id: String,
        /// What was left, for a person.
        what: String,
    },
    /// A file of the machine or of the host could not be read or written.
    #[error("{doing} {path}")]
    File {
        /// What was tried, as in "cannot read".
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// A namespace, cgroup or process could not be reached.
    #[error("cannot {doing}")]
    Kernel {
        /// What was tried.
        doing: &'static str,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
}

impl MachineError {
    pub(crate) fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { doing, path, source }
    }

    pub(crate) fn kernel<E: Into<io::Error>>(doing: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Kernel { doing, source: source.into() }
    }
}

/// A failed step in one of the short-lived processes that build a machine. It crosses a pipe, so it carries text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{step}: {cause}")]
pub struct StepFailure {
    /// The step, as in "mount the overlay of /usr".
    pub step: String,
    /// The kernel's answer.
    pub cause: String,
    /// Its error number, where there is one.
    pub errno: Option<i32>,
}

/// Names a step: `thing.step("mount /proc")?`.
pub(crate) trait Step<T> {
    fn step(self, step: impl Into<String>) -> Result<T, StepFailure>;
}

impl<T, E: Into<io::Error>> Step<T> for Result<T, E> {
    fn step(self, step: impl Into<String>) -> Result<T, StepFailure> {
        self.map_err(|cause| {
            let cause = cause.into();
            StepFailure { step: step.into(), errno: cause.raw_os_error(), cause: cause.to_string() }
        })
    }
}

//! What a change did, and how the fabric is.

use crate::plan::Step;
use crate::topology::NsName;
use std::fmt;
use std::time::Duration;

/// A step that could not be done.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Where.
    pub ns: NsName,
    /// The step, as an engineer would type it.
    pub step: String,
    /// What the kernel or the tool said.
    pub cause: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.ns, self.step, self.cause)
    }
}

/// What one change did.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The steps that were done. Empty when everything stood already.
    pub done: Vec<Step>,
    /// Namespaces whose packet filter was written again, unchanged, since nobody could know what was in it.
    pub refreshed: Vec<NsName>,
    /// The steps that failed. They are tried again by themselves.
    pub failed: Vec<Failure>,
    /// Veth pairs that wait for their far namespace, as (near namespace, name, far namespace).
    pub waiting: Vec<(NsName, String, NsName)>,
    /// How long planning and doing took.
    pub took: Duration,
}

impl Report {
    /// Whether nothing had to be done and nothing failed.
    pub fn is_unchanged(&self) -> bool {
        self.done.is_empty() && self.failed.is_empty()
    }

    /// Whether everything that was asked stands now.
    pub fn is_complete(&self) -> bool {
        self.failed.is_empty() && self.waiting.is_empty()
    }

    /// An error that names the failures, if there are any.
    ///
    /// # Errors
    /// When a step failed.
    pub fn ok(self) -> Result<Self, crate::FabricError> {
        if self.failed.is_empty() { Ok(self) } else { Err(crate::FabricError::Steps(self.failed)) }
    }
}

/// How the fabric is.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// The namespaces that exist.
    pub namespaces: usize,
    /// How often something that somebody else broke was put right.
    pub repairs: u64,
    /// The last report that did or failed anything.
    pub last: Option<std::sync::Arc<Report>>,
    /// What fails at present, by namespace. Empty when all is well.
    pub failing: Vec<Failure>,
}

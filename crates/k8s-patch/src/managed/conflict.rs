//! Why an apply fails, in the API's words.

use super::entry::{Entry, Operation};
use crate::fields::Set;
use k8s_types::status::{Cause, Details, Status, quote};
use std::fmt;

/// Why an apply fails.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// The request makes no sense.
    #[error("{0}")]
    BadRequest(String),
    /// The object does not fit the schema, or what is stored does not. Servers answer it as a failure of their own.
    #[error("{0}")]
    Failed(String),
    /// Fields have other owners and other values.
    #[error("{}", message(.0))]
    Conflict(Vec<Conflict>),
}

/// A field that another manager owns with another value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Whose it is.
    pub owner: Owner,
    /// The field, as `.spec.l[k="a"].v`.
    pub path: String,
}

/// A manager as conflicts name it: `"u" with subresource "status" using apps/v1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    name: String,
    subresource: String,
    /// Of updates only.
    api_version: Option<String>,
    identity: String,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&quote(&self.name))?;
        if !self.subresource.is_empty() {
            write!(f, " with subresource {}", quote(&self.subresource))?;
        }
        match &self.api_version {
            Some(version) => write!(f, " using {version}"),
            None => Ok(()),
        }
    }
}

/// The conflicts with one owner.
pub(super) fn with(entry: &Entry, fields: &Set) -> Vec<Conflict> {
    let owner = Owner {
        name: entry.manager.clone(),
        subresource: entry.subresource.clone(),
        api_version: (entry.operation == Operation::Update).then(|| entry.api_version.clone()),
        identity: entry.identity(),
    };
    fields.paths().into_iter().map(|path| Conflict { owner: owner.clone(), path }).collect()
}

/// Puts conflicts in the order in which they are told: owner by owner.
pub(super) fn sort(conflicts: &mut [Conflict]) {
    conflicts.sort_by(|a, b| a.owner.identity.cmp(&b.owner.identity));
}

fn message(conflicts: &[Conflict]) -> String {
    if let [one] = conflicts {
        return format!("Apply failed with 1 conflict: conflict with {}: {}", one.owner, one.path);
    }
    let mut lines = Vec::new();
    for with_one in conflicts.chunk_by(|a, b| a.owner == b.owner) {
        lines.extend(with_one.first().map(|it| format!("conflicts with {}:", it.owner)));
        lines.extend(with_one.iter().map(|it| format!("- {}", it.path)));
    }
    format!("Apply failed with {} conflicts: {}", conflicts.len(), lines.join("\n"))
}

impl ApplyError {
    /// What the API answers.
    pub fn status(&self) -> Status {
        match self {
            Self::BadRequest(text) => Status::bad_request(text.clone()),
            Self::Failed(text) => Status::failure(500, "", text.clone(), None),
            Self::Conflict(conflicts) => {
                let cause = |it: &Conflict| Cause {
                    reason: "FieldManagerConflict".to_owned(),
                    message: format!("conflict with {}", it.owner),
                    field: it.path.clone(),
                };
                let details = Details { causes: conflicts.iter().map(cause).collect(), ..Details::default() };
                Status::failure(409, "Conflict", self.to_string(), Some(details))
            }
        }
    }
}

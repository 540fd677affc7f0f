//! Why IAM and STS refuse: AWS's code and sentence, or a store that failed.

use aws_model::Fault;
use store::StoreError;

/// A refusal or a failure of an IAM or STS operation.
#[derive(Debug, thiserror::Error)]
pub enum IamError {
    /// The caller's request cannot be done, in AWS's terms.
    #[error(transparent)]
    Refused(#[from] Fault),
    /// The records could not be read or written.
    #[error("the change could not be saved")]
    Store(#[from] StoreError),
}

/// The result of a decision.
pub type Result<T> = std::result::Result<T, IamError>;

impl From<IamError> for Fault {
    fn from(error: IamError) -> Fault {
        match error {
            IamError::Refused(fault) => fault,
            IamError::Store(cause) => {
                tracing::error!(error = %cause, "IAM records");
                Fault::server("ServiceFailure", "The request processing has failed because of an unknown error")
            }
        }
    }
}

/// A refusal with a status of its own.
pub(crate) fn refuse(status: u16, code: &'static str, message: impl Into<String>) -> IamError {
    IamError::Refused(Fault::with_status(status, code, message))
}

/// `NoSuchEntity`: `kind` is as in `The role with name`.
pub(crate) fn absent(kind: &str, name: &str) -> IamError {
    refuse(404, "NoSuchEntity", format!("{kind} {name} cannot be found."))
}

/// `EntityAlreadyExists`.
pub(crate) fn exists(kind: &str, name: &str) -> IamError {
    refuse(409, "EntityAlreadyExists", format!("{kind} with name {name} already exists."))
}

/// `DeleteConflict`.
pub(crate) fn conflict(message: impl Into<String>) -> IamError {
    refuse(409, "DeleteConflict", message)
}

/// `LimitExceeded`.
pub(crate) fn limit(message: impl Into<String>) -> IamError {
    refuse(409, "LimitExceeded", message)
}

/// `ValidationError`.
pub(crate) fn invalid(message: impl Into<String>) -> IamError {
    refuse(400, "ValidationError", message)
}

/// `MalformedPolicyDocument`.
pub(crate) fn malformed(message: impl Into<String>) -> IamError {
    refuse(400, "MalformedPolicyDocument", message)
}

/// The value of a parameter that must be there.
pub(crate) fn required<'a>(value: &'a Option<String>, parameter: &str) -> Result<&'a str> {
    let missing = || {
        invalid(format!(
            "1 validation error detected: Value null at '{parameter}' failed to satisfy constraint: Member must not \
                be null"
        ))
    };
    value.as_deref().ok_or_else(missing)
}

/// Refuses by name what AWS has and we do not serve.
pub(crate) fn unsupported(members: &[(&str, bool)]) -> Result<()> {
    match members.iter().find(|(_, given)| *given) {
        Some((name, _)) => {
            Err(refuse(400, "UnsupportedOperation", format!("Postern does not support the parameter {name} here.")))
        }
        None => Ok(()),
    }
}

/// `NoSuchEntity` for a policy.
pub(crate) fn no_policy(arn: &str) -> IamError {
    refuse(404, "NoSuchEntity", format!("Policy {arn} was not found."))
}

//! Why EC2 refuses: AWS's code and sentence, or a store that failed.

use aws_model::Fault;
use store::StoreError;

/// A refusal or a failure of an EC2 operation.
#[derive(Debug, thiserror::Error)]
pub enum Ec2Error {
    /// The caller's request cannot be done, in AWS's terms.
    #[error(transparent)]
    Refused(#[from] Fault),
    /// The records could not be read or written.
    #[error("the change could not be saved")]
    Store(#[from] StoreError),
}

/// The result of a decision.
pub type Result<T> = std::result::Result<T, Ec2Error>;

impl From<Ec2Error> for Fault {
    fn from(error: Ec2Error) -> Fault {
        match error {
            Ec2Error::Refused(fault) => fault,
            Ec2Error::Store(cause) => {
                tracing::error!(error = %cause, "EC2 records");
                Fault::server("InternalError", "An internal error has occurred")
            }
        }
    }
}

/// A refusal with any code.
pub(crate) fn refuse(code: &'static str, message: impl Into<String>) -> Ec2Error {
    Ec2Error::Refused(Fault::client(code, message))
}

/// `InvalidParameterValue`.
pub(crate) fn invalid(message: impl Into<String>) -> Ec2Error {
    refuse("InvalidParameterValue", message)
}

/// `InvalidParameterCombination`.
pub(crate) fn combination(message: impl Into<String>) -> Ec2Error {
    refuse("InvalidParameterCombination", message)
}

/// `DependencyViolation`.
pub(crate) fn dependency(message: impl Into<String>) -> Ec2Error {
    refuse("DependencyViolation", message)
}

/// `MissingParameter`.
pub(crate) fn missing(parameter: &str) -> Ec2Error {
    refuse("MissingParameter", format!("The request must contain the parameter {parameter}"))
}

/// The value of a parameter that must be there.
pub(crate) fn required<'a>(value: &'a Option<String>, parameter: &str) -> Result<&'a str> {
    value.as_deref().ok_or_else(|| missing(parameter))
}

/// The value of a list parameter that must be there.
pub(crate) fn required_list<'a, T>(value: &'a Option<Vec<T>>, parameter: &str) -> Result<&'a [T]> {
    value.as_deref().ok_or_else(|| missing(parameter))
}

/// Refuses by name what AWS has and we do not serve.
pub(crate) fn unsupported(members: &[(&str, bool)]) -> Result<()> {
    match members.iter().find(|(_, given)| *given) {
        Some((name, _)) => {
            Err(refuse("UnsupportedOperation", format!("Postern does not support the parameter {name} here.")))
        }
        None => Ok(()),
    }
}

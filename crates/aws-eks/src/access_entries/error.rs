//! Why an operation on access entries is refused. The sentences are AWS's where they are known.

/// A refusal.
#[derive(Debug, thiserror::Error)]
pub enum AccessEntryError {
    /// The cluster's mode knows no access entries.
    #[error(
        "The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP] to perform this operation."
    )]
    Mode,
    /// The principal has an entry.
    #[error("The specified access entry resource is already in use on this cluster.")]
    InUse,
    /// The principal has no entry.
    #[error(
        "The specified principalArn could not be found. You can view your available access entries with \
         'list-access-entries'."
    )]
    NotFound,
    /// The principal is none, or is not there.
    #[error("The specified principalArn is invalid: invalid principal.")]
    Principal,
    /// The principal is a role of a service's.
    #[error("The caller is not allowed to modify access entries with a principalArn value of a Service Linked Role")]
    ServiceLinked,
    /// Nodes are roles of the cluster's account.
    #[error("The specified principalArn is invalid: type {0} needs an IAM role in the cluster's account")]
    NodePrincipal(&'static str),
    /// Only entries of people and programs have names, groups and policies of their own.
    #[error("This operation can only be performed on Access Entries with a type of \"STANDARD\".")]
    StandardOnly,
    /// The name begins as one that is not the user's to give.
    #[error("The username must not begin with {0}")]
    Username(&'static str),
    /// A session's name could imitate another user.
    #[error("The username must have a colon before {{{{{0}}}}}")]
    SessionName(&'static str),
    /// The group is one of Kubernetes' own.
    #[error("The kubernetes group name {0} is invalid, it cannot start with system:")]
    Group(String),
    /// The group has no name.
    #[error("The kubernetes group name must not be empty")]
    NoGroup,
    /// There is no such access policy.
    #[error("The specified policyArn could not be found.")]
    NoPolicy,
    /// The access policy is for a service's own roles.
    #[error("The specified policyArn can only be associated with service-linked roles")]
    ServicePolicy,
    /// The access policy is not associated.
    #[error("The specified policyArn is not associated with the access entry.")]
    NotAssociated,
    /// The scope is not well-formed; how.
    #[error("{0}")]
    Scope(String),
    /// The cluster has as many entries as it may.
    #[error("The cluster has {0} access entries, which is the limit; delete some")]
    Limit(usize),
}

impl AccessEntryError {
    /// AWS's code and HTTP status.
    pub fn code(&self) -> (&'static str, u16) {
        match self {
            Self::Mode => ("InvalidRequestException", 400),
            Self::InUse => ("ResourceInUseException", 409),
            Self::NotFound | Self::NoPolicy | Self::NotAssociated => ("ResourceNotFoundException", 404),
            Self::Limit(_) => ("ResourceLimitExceededException", 400),
            _ => ("InvalidParameterException", 400),
        }
    }
}

//! Why EKS refuses or fails: one variant a sentence, with AWS's own code. Where AWS's text is known it is AWS's.

use crate::access_entries::AccessEntryError;
use aws_model::Fault;
use base::{SecurityGroupId, SubnetId};
use serde_json::Value;
use store::StoreError;

/// A refusal or failure of an EKS operation.
#[derive(Debug, thiserror::Error)]
pub enum EksError {
    /// A member is missing.
    #[error("{0} must be specified")]
    Missing(&'static str),
    /// A member's value is not allowed; the text says what is.
    #[error("{0}")]
    Parameter(String),
    /// A member that AWS has and Postern does not serve.
    #[error("Postern does not support {0}; leave it out")]
    Unsupported(&'static str),
    /// The name of a cluster has a wrong form.
    #[error(
        "Cluster name '{0}' is not valid: it has 1 to 100 letters, digits, hyphens and underscores, and begins with a \
         letter or digit"
    )]
    Name(String),
    /// No such cluster.
    #[error("No cluster found for name: {0}.")]
    NoCluster(String),
    /// The name is taken.
    #[error("Cluster already exists with name: {0}")]
    Exists(String),
    /// The role's ARN has a wrong form.
    #[error("Invalid Role Arn: '{0}'")]
    RoleArn(String),
    /// There is no such role, or it does not trust EKS.
    #[error("Role with arn: {0} could not be assumed because it does not exist or the trusted entity is not correct")]
    Role(String),
    /// The version is not on offer.
    #[error("unsupported Kubernetes version {0}")]
    Version(String),
    /// All subnets lie in one zone.
    #[error("Subnets specified must be in at least two different AZs")]
    OneZone,
    /// Subnets of several VPCs.
    #[error("Subnets specified must belong to the same VPC")]
    SeveralVpcs,
    /// Subnets without room for the cluster's interfaces.
    #[error("Subnets [{}] must have at least {min} free IP addresses each", list(.subnets))]
    Full {
        /// Which.
        subnets: Vec<SubnetId>,
        /// How many are needed.
        min: i32,
    },
    /// A zone in which EKS makes no clusters.
    #[error(
        "Cannot create cluster '{cluster}' because {zone}, the targeted availability zone, does not currently have \
         sufficient capacity to support the cluster. Retry and choose from these availability zones: {}",
        list(.valid)
    )]
    Zone {
        /// The cluster.
        cluster: String,
        /// The zone's name.
        zone: String,
        /// The names of those that would do.
        valid: Vec<String>,
    },
    /// Security groups of another VPC.
    #[error(
        "Security group(s) [{}] are not in the same VPC as the subnets. Please specify security groups that are in the \
         same VPC as the subnets",
        list(.0)
    )]
    ForeignGroups(Vec<SecurityGroupId>),
    /// No way to the endpoint would be left.
    #[error("Both private and public endpoint access cannot be false")]
    NoAccess,
    /// Entries of `publicAccessCidrs` that are refused.
    #[error("The following CIDRs are invalid in publicAccessCidrs: [{}]", list(.0))]
    PublicCidrs(Vec<String>),
    /// `CONFIG_MAP` needs the creator as an administrator.
    #[error("bootstrapClusterCreatorAdminPermissions must be true if cluster authentication mode is set to CONFIG_MAP")]
    CreatorMustBeAdmin,
    /// More than one kind of change, or none.
    #[error("Only one type of update can be allowed.")]
    SeveralUpdates,
    /// Another update is under way.
    #[error("Cannot {kind} because cluster {cluster} currently has update {id} in progress")]
    Updating {
        /// What was asked for.
        kind: &'static str,
        /// The cluster.
        cluster: String,
        /// The update under way.
        id: String,
    },
    /// A cluster being updated cannot be deleted.
    #[error("Cannot delete because cluster {0} currently has an update in progress")]
    DeleteWhileUpdating(String),
    /// The cluster does not serve yet, or any more.
    #[error("Cluster '{0}' is not in ACTIVE status")]
    NotActive(String),
    /// The cluster is protected.
    #[error(
        "Cluster '{0}' cannot be deleted because deletion protection is enabled; disable it with UpdateClusterConfig"
    )]
    Protected(String),
    /// The access is as asked for already.
    #[error(
        "Cluster is already at the desired configuration with endpointPrivateAccess: {private} , endpointPublicAccess: \
         {public}, and Public Endpoint Restrictions: [{cidrs}]"
    )]
    SameAccess {
        /// As it is.
        private: bool,
        /// As it is.
        public: bool,
        /// As they are, with commas between.
        cidrs: String,
    },
    /// The configuration is as asked for already.
    #[error("No changes needed for the {0} config provided")]
    SameConfig(&'static str),
    /// Authentication modes only go one step forward.
    #[error("Unsupported authentication mode update from {from} to {to}")]
    Mode {
        /// As it is.
        from: String,
        /// As asked for.
        to: String,
    },
    /// No such update.
    #[error("No update found for ID: {0}")]
    NoUpdate(String),
    /// No such node group, add-on or capability.
    #[error("No {kind} found for name: {name}.")]
    NoPart {
        /// Of which kind.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// The token was used with other parameters.
    #[error("The clientRequestToken was used before with different parameters; use a new one")]
    Token,
    /// A tag operation's request is wrong.
    #[error("{0}")]
    Tag(String),
    /// A tag operation's resource is not there.
    #[error("Resource not found: {0}")]
    NoResource(String),
    /// A range of addresses is used up.
    #[error("There is no free address left in the pool of {0} addresses; delete a cluster")]
    PoolEmpty(&'static str),
    /// An operation on access entries.
    #[error(transparent)]
    AccessEntry(#[from] AccessEntryError),
    /// EC2 refused.
    #[error("{message} (Service: Ec2, Status Code: {status}, Request ID: {request})")]
    Ec2 {
        /// Its sentence.
        message: String,
        /// Its HTTP status.
        status: u16,
        /// The request to it.
        request: String,
    },
    /// Another service failed.
    #[error("{service} could not be asked")]
    Upstream {
        /// Which.
        service: &'static str,
        /// How.
        #[source]
        source: Fault,
    },
    /// The records could not be read or written.
    #[error("the change could not be saved")]
    Store(#[from] StoreError),
}

fn list<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl EksError {
    /// AWS's code and HTTP status (*Amazon EKS API Reference*, "Common Errors" and each operation's errors).
    pub fn code(&self) -> (&'static str, u16) {
        match self {
            Self::Zone { .. } => ("UnsupportedAvailabilityZoneException", 400),
            Self::NotActive(_) | Self::Protected(_) => ("InvalidRequestException", 400),
            Self::PoolEmpty(_) => ("ResourceLimitExceededException", 400),
            Self::Tag(_) => ("BadRequestException", 400),
            Self::NoResource(_) => ("NotFoundException", 404),
            Self::NoCluster(_) | Self::NoUpdate(_) | Self::NoPart { .. } => ("ResourceNotFoundException", 404),
            Self::Exists(_) | Self::Updating { .. } | Self::DeleteWhileUpdating(_) => ("ResourceInUseException", 409),
            Self::AccessEntry(it) => it.code(),
            Self::Upstream { .. } | Self::Store(_) => ("ServerException", 500),
            _ => ("InvalidParameterException", 400),
        }
    }

    /// The refusal as clients see it; `cluster` is the one that was asked about. What only the operator may know goes
    /// to the log.
    pub fn about(self, cluster: Option<&str>) -> Fault {
        let (code, status) = self.code();
        if status >= 500 {
            let cause = std::error::Error::source(&self).map(ToString::to_string);
            tracing::error!(error = %self, cause, cluster, "an EKS operation failed");
        }
        let mut fault = Fault::with_status(status, code, self.to_string());
        let has_place = !matches!(self, Self::Tag(_) | Self::NoResource(_));
        if let Some(cluster) = cluster.filter(|_| has_place) {
            fault = fault.member("clusterName", cluster);
        }
        if let Self::Zone { valid, .. } = self {
            fault = fault.member("validZones", Value::from(valid));
        }
        fault
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentences_that_clients_match_on() {
        let check = |error: EksError, code: &str, status: u16, text: &str| {
            let fault = error.about(Some("blue"));
            assert_eq!((fault.code.as_ref(), fault.status, fault.message.as_str()), (code, status, text));
            assert_eq!(fault.members["clusterName"], "blue");
        };
        let name = || "blue".to_owned();
        check(EksError::NoCluster(name()), "ResourceNotFoundException", 404, "No cluster found for name: blue.");
        check(EksError::Exists(name()), "ResourceInUseException", 409, "Cluster already exists with name: blue");
        check(
            EksError::SameAccess { private: true, public: true, cidrs: "0.0.0.0/0".into() },
            "InvalidParameterException",
            400,
            "Cluster is already at the desired configuration with endpointPrivateAccess: true , endpointPublicAccess: \
             true, and Public Endpoint Restrictions: [0.0.0.0/0]",
        );
        check(
            EksError::Updating { kind: "EndpointAccessUpdate", cluster: name(), id: "u1".into() },
            "ResourceInUseException",
            409,
            "Cannot EndpointAccessUpdate because cluster blue currently has update u1 in progress",
        );
    }

    #[test]
    fn the_cause_of_our_failures_stays_in_the_log() {
        let fault = EksError::Store(StoreError::Io("/secret/path".into())).about(None);
        assert_eq!((fault.code.as_ref(), fault.status), ("ServerException", 500));
        assert!(!fault.message.contains("secret"));
    }
}

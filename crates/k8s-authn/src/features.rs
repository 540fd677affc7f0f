//! What of authentication came in which Kubernetes minor: the first minor whose servers do it unless told otherwise.

use base::KubernetesVersion;

/// A change of behaviour between minors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// A warning about a second space before a bearer token.
    BearerSpaceWarning,
    /// The use of secrets' tokens is tracked, and warned of where the secret was made for its account.
    LegacyTokenTracking,
    /// Secrets' tokens that were not used for long are marked invalid.
    LegacyTokenCleanUp,
    /// A token has an id (`jti`), which is the user's credential id.
    TokenId,
    /// A pod's token names the pod's node.
    TokenNodeOfPod,
    /// A token that is bound to a node is accepted.
    TokenBoundToNodeAccepted,
    /// A token may be bound to a node.
    TokenBoundToNode,
    /// A client certificate's fingerprint is the user's credential id.
    CertificateId,
    /// A client certificate's subject may give the user's uid.
    CertificateUid,
    /// Impersonation headers without a user are a bad request, not a fault of the server's.
    ImpersonationBadRequest,
    /// Impersonation may be allowed for single actions.
    ConstrainedImpersonation,
    /// A creation time that is not set is left out.
    NoNullCreationTimestamp,
    /// The uid of a request for a token is its account's.
    TokenRequestUid,
}

impl Feature {
    /// Whether servers of `version` have it.
    pub fn is_in(self, version: KubernetesVersion) -> bool {
        let since = match self {
            Self::BearerSpaceWarning => 25,
            Self::LegacyTokenTracking => 27,
            Self::LegacyTokenCleanUp => 29,
            Self::TokenId | Self::TokenNodeOfPod | Self::TokenBoundToNodeAccepted => 30,
            Self::TokenBoundToNode => 31,
            Self::CertificateId => 32,
            Self::CertificateUid => 33,
            Self::NoNullCreationTimestamp | Self::TokenRequestUid => 34,
            Self::ImpersonationBadRequest => 35,
            Self::ConstrainedImpersonation => 36,
        };
        version >= KubernetesVersion::new(since)
    }
}

//! What can be wrong with a signature, and how each protocol says so.

use aws_model::{Fault, Protocol};

/// Why a request is not authenticated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SigError {
    /// The request is not signed.
    #[error("Request is missing Authentication Token")]
    Missing,
    /// It is signed in a form that can't be read; what is wrong with it.
    #[error("{0}")]
    Incomplete(String),
    /// No such access key, or the session token is not the key's.
    #[error("The security token included in the request is invalid.")]
    UnknownKey,
    /// The session token is out of date.
    #[error("The security token included in the request is expired")]
    ExpiredToken,
    /// Another service or region is meant; which.
    #[error("Credential should be scoped to {0}.")]
    WrongScope(String),
    /// The day of the scope is not the date's.
    #[error(
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{day}' != '{date}'."
    )]
    WrongDay {
        /// The day of the scope.
        day: String,
        /// When it was signed, as sent.
        date: String,
    },
    /// The signature is not the one that the secret makes.
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access \
         Key and signing method. Consult the service documentation for details."
    )]
    Mismatch,
    /// Signed too long ago, or the clocks differ.
    #[error("Signature expired: {signed} is now earlier than {limit}")]
    Expired {
        /// When it was signed, as sent.
        signed: String,
        /// The earliest time that would do, in the same form.
        limit: String,
    },
    /// Signed for a later time than now.
    #[error("Signature not yet current: {signed} is still later than {limit}")]
    NotYet {
        /// When it was signed, as sent.
        signed: String,
        /// The latest time that would do, in the same form.
        limit: String,
    },
}

impl SigError {
    /// The fault in a protocol's terms. Query services and EC2 follow the APIs' lists of common errors; JSON services
    /// say it with types that end in `Exception`.
    pub fn fault(&self, protocol: Protocol) -> Fault {
        match protocol {
            Protocol::Ec2 => self.ec2(),
            Protocol::Query => self.query(),
            // The JSON protocol answers 400 where REST answers 403.
            Protocol::Json => Fault::client(self.json_type(), self.to_string()),
            Protocol::RestJson => Fault::with_status(403, self.json_type(), self.to_string()),
        }
    }

    fn ec2(&self) -> Fault {
        match self {
            Self::Expired { .. } | Self::NotYet { .. } => Fault::client("RequestExpired", "Request has expired."),
            Self::ExpiredToken => Fault::client("RequestExpired", "Request has expired."),
            _ => Fault::with_status(401, "AuthFailure", "AWS was not able to validate the provided access credentials"),
        }
    }

    fn query(&self) -> Fault {
        let (status, code) = match self {
            Self::Missing => (403, "MissingAuthenticationToken"),
            Self::Incomplete(_) => (400, "IncompleteSignature"),
            Self::UnknownKey => (403, "InvalidClientTokenId"),
            Self::ExpiredToken => (403, "ExpiredToken"),
            Self::WrongScope(_) | Self::WrongDay { .. } | Self::Mismatch => (403, "SignatureDoesNotMatch"),
            Self::Expired { .. } | Self::NotYet { .. } => (403, "SignatureDoesNotMatch"),
        };
        Fault::with_status(status, code, self.to_string())
    }

    fn json_type(&self) -> &'static str {
        match self {
            Self::Missing => "MissingAuthenticationTokenException",
            Self::Incomplete(_) => "IncompleteSignatureException",
            Self::UnknownKey => "UnrecognizedClientException",
            Self::ExpiredToken => "ExpiredTokenException",
            Self::WrongScope(_) | Self::WrongDay { .. } | Self::Mismatch => "InvalidSignatureException",
            Self::Expired { .. } | Self::NotYet { .. } => "InvalidSignatureException",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_protocol_has_its_code_and_status() {
        let said = |error: SigError| {
            [Protocol::Ec2, Protocol::Query, Protocol::Json, Protocol::RestJson].map(|protocol| {
                let fault = error.fault(protocol);
                format!("{} {}", fault.status, fault.code)
            })
        };
        assert_eq!(
            said(SigError::Mismatch),
            [
                "401 AuthFailure",
                "403 SignatureDoesNotMatch",
                "400 InvalidSignatureException",
                "403 InvalidSignatureException"
            ]
        );
        assert_eq!(
            said(SigError::Missing),
            [
                "401 AuthFailure",
                "403 MissingAuthenticationToken",
                "400 MissingAuthenticationTokenException",
                "403 MissingAuthenticationTokenException"
            ]
        );
        assert_eq!(said(SigError::UnknownKey)[3], "403 UnrecognizedClientException");
        assert_eq!(said(SigError::ExpiredToken)[1], "403 ExpiredToken");
    }
}

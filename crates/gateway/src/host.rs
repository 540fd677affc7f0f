//! The service and region that a host name stands for. The forms are those of the *AWS General Reference*, "AWS service
//! endpoints": regional, dual-stack, FIPS, and the few without a region.

/// The region of host names that name none.
pub const GLOBAL_REGION: &str = "us-east-1";

/// What a host name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// No name of AWS's, as `127.0.0.1:4566`: it leads to every service.
    Neutral,
    /// A name of AWS's.
    Aws {
        /// The service's endpoint prefix, as `eks`.
        prefix: String,
        /// The region.
        region: String,
    },
    /// A name in AWS's domains that has another form.
    Foreign,
}

impl Host {
    /// Reads the `Host` header or `:authority`, with or without port and final dot.
    pub fn parse(authority: &str) -> Self {
        let name = authority.rsplit_once(':').map_or(authority, |(name, port)| {
            if port.bytes().all(|byte| byte.is_ascii_digit()) { name } else { authority }
        });
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let Some(labels) = name.strip_suffix(".amazonaws.com").or_else(|| name.strip_suffix(".api.aws")) else {
            return Self::Neutral;
        };
        let labels: Vec<&str> = labels.split('.').collect();
        let (prefix, region) = match labels[..] {
            [prefix] | [prefix, "global"] => (prefix, GLOBAL_REGION),
            [prefix, region] | ["fips", prefix, region] => (prefix, region),
            _ => return Self::Foreign,
        };
        let prefix = prefix.strip_suffix("-fips").unwrap_or(prefix);
        if prefix.is_empty() || region.is_empty() {
            return Self::Foreign;
        }
        Self::Aws { prefix: prefix.to_owned(), region: region.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(authority: &str, want: Option<(&str, &str)>) {
        let want = want.map(|(prefix, region)| Host::Aws { prefix: prefix.to_owned(), region: region.to_owned() });
        assert_eq!(Host::parse(authority), want.unwrap_or(Host::Neutral), "{authority}");
    }

    #[test]
    fn names_of_awss_tell_service_and_region() {
        check("eks.ap-northeast-2.amazonaws.com", Some(("eks", "ap-northeast-2")));
        check("EKS.ap-northeast-2.amazonaws.com.:443", Some(("eks", "ap-northeast-2")));
        check("eks.eu-west-1.api.aws", Some(("eks", "eu-west-1")));
        check("fips.eks.us-east-2.amazonaws.com", Some(("eks", "us-east-2")));
        check("ec2-fips.us-east-2.amazonaws.com", Some(("ec2", "us-east-2")));
        check("sts.amazonaws.com", Some(("sts", "us-east-1")));
        check("iam.amazonaws.com", Some(("iam", "us-east-1")));
        check("iam.global.api.aws", Some(("iam", "us-east-1")));
    }

    #[test]
    fn other_names_say_nothing() {
        for name in ["127.0.0.1:4566", "localhost", "[::1]:4566", "", "amazonaws.com", "eks.example.com"] {
            check(name, None);
        }
        assert_eq!(Host::parse("bucket.s3.us-east-1.amazonaws.com"), Host::Foreign);
        assert_eq!(Host::parse(".amazonaws.com"), Host::Foreign);
    }
}

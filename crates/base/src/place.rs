//! Places: anywhere a packet can start.

use crate::ids::{InstanceId, ParseError};
use std::fmt;
use std::str::FromStr;

/// Somewhere one can stand, as the command line names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// A laptop on the Internet.
    Outside,
    /// An instance, by its id.
    Instance(InstanceId),
    /// A node, by its name.
    Node(String),
    /// A pod of a cluster: `NAMESPACE/POD@CLUSTER`.
    Pod {
        /// Its namespace.
        namespace: String,
        /// Its name.
        pod: String,
        /// Its cluster's name.
        cluster: String,
    },
}

impl FromStr for Place {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if text == "outside" {
            return Ok(Self::Outside);
        }
        if let Ok(id) = text.parse() {
            return Ok(Self::Instance(id));
        }
        if let Some((pod, cluster)) = text.split_once('@')
            && let Some((namespace, pod)) = pod.split_once('/')
            && ![namespace, pod, cluster].contains(&"")
        {
            return Ok(Self::Pod { namespace: namespace.into(), pod: pod.into(), cluster: cluster.into() });
        }
        if text.starts_with("ip-") && text.contains('.') {
            return Ok(Self::Node(text.to_owned()));
        }
        Err(ParseError {
            text: text.to_owned(),
            expected: "a place: outside, an instance id, a node name or NAMESPACE/POD@CLUSTER",
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outside => f.write_str("outside"),
            Self::Instance(id) => id.fmt(f),
            Self::Node(name) => f.write_str(name),
            Self::Pod { namespace, pod, cluster } => write!(f, "{namespace}/{pod}@{cluster}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_parse_and_print() {
        for text in
            ["outside", "i-0123456789abcdef0", "ip-10-0-0-4.ap-northeast-2.compute.internal", "default/web@blue"]
        {
            assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
        }
        for bad in ["", "inside", "i-xyz", "/p@c", "a/b@"] {
            assert!(bad.parse::<Place>().is_err(), "{bad}");
        }
    }
}

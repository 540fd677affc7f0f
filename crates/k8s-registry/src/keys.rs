//! Where objects lie in the store: `/registry/<group>/<resource>/<namespace>/<name>`, as API servers lay them out.
//! Ranges of a resource, a namespace or a page of either are ranges of keys, and byte order is the order of lists.

use bytes::Bytes;
use store::KeyRange;

/// The root of everything that is an object.
pub const ROOT: &str = "/registry/";

/// The prefix of a resource's keys, with the slash at its end.
pub fn resource(group: &str, plural: &str) -> String {
    if group.is_empty() { format!("{ROOT}{plural}/") } else { format!("{ROOT}{group}/{plural}/") }
}

/// The key of an object. `namespace` is empty for one that has none.
pub fn object(prefix: &str, namespace: &str, name: &str) -> Bytes {
    let key = if namespace.is_empty() { format!("{prefix}{name}") } else { format!("{prefix}{namespace}/{name}") };
    Bytes::from(key)
}

/// The prefix of a namespace's objects, or of all of a resource's.
pub fn scope(prefix: &str, namespace: &str) -> String {
    if namespace.is_empty() { prefix.to_owned() } else { format!("{prefix}{namespace}/") }
}

/// All keys with a prefix from the one that `start` names on (which is appended to the prefix).
pub fn from(prefix: &str, start: &str) -> KeyRange {
    let mut range = KeyRange::prefix(prefix.to_owned());
    if !start.is_empty() {
        range.start = Bytes::from(format!("{prefix}{start}"));
    }
    range
}

/// The namespace (empty where there is none) and the name of a key below a resource's prefix.
pub fn parts<'a>(prefix: &str, key: &'a [u8]) -> Option<(&'a str, &'a str)> {
    let rest = std::str::from_utf8(key).ok()?.strip_prefix(prefix)?;
    Some(rest.split_once('/').unwrap_or(("", rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_laid_out_as_api_servers_do() {
        let prefix = resource("", "configmaps");
        assert_eq!(object(&prefix, "default", "a"), "/registry/configmaps/default/a");
        assert_eq!(object(&resource("apps", "deployments"), "ns", "d"), "/registry/apps/deployments/ns/d");
        assert_eq!(parts(&prefix, b"/registry/configmaps/default/a"), Some(("default", "a")));
        assert_eq!(parts(&resource("", "nodes"), b"/registry/nodes/n1"), Some(("", "n1")));
        assert_eq!(parts(&prefix, b"/registry/configmaps2/x"), None);
    }

    #[test]
    fn a_page_begins_where_the_last_one_ended() {
        let range = from("/registry/pods/", "default/a\0");
        assert!(!range.contains(b"/registry/pods/default/a") && range.contains(b"/registry/pods/default/a0"));
        assert!(!range.contains(b"/registry/podtemplates/default/a"));
    }
}

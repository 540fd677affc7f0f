//! What a request's path is about.

/// The parts of a path that name an object.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Target<'a> {
    group: &'a str,
    namespace: &'a str,
    /// The resource, empty outside the API.
    pub resource: &'a str,
    /// The object's name, empty for collections.
    pub name: &'a str,
}

impl<'a> Target<'a> {
    /// Reads a path.
    pub fn new(path: &'a str) -> Self {
        let path = path.split('?').next().unwrap_or_default();
        let parts: Vec<&str> = path.split('/').filter(|it| !it.is_empty()).collect();
        let (group, rest) = match parts[..] {
            ["api", _, ref rest @ ..] => ("", rest),
            ["apis", group, _, ref rest @ ..] => (group, rest),
            _ => return Self::default(),
        };
        let rest = rest.strip_prefix(&["watch"]).unwrap_or(rest);
        let (namespace, rest) = match rest {
            ["namespaces", namespace, resource, tail @ ..] if !["status", "finalize"].contains(resource) => {
                (*namespace, [&[*resource], tail].concat())
            }
            rest => ("", rest.to_vec()),
        };
        let part = |index: usize| rest.get(index).copied().unwrap_or_default();
        Self { group, namespace, resource: part(0), name: part(1) }
    }

    /// What tells an object from all others; `namespace` and `name` are used where the path has none.
    pub fn key(&self, namespace: &str, name: &str) -> String {
        let or = |own: &str, other: &str| if own.is_empty() { other.to_owned() } else { own.to_owned() };
        format!("{}/{}/{}/{}", self.group, self.resource, or(self.namespace, namespace), or(self.name, name))
    }
}

#[test]
fn paths_are_read() {
    let key = |path: &str| Target::new(path).key("ns", "n");
    assert_eq!(key("/api/v1/namespaces/a/pods/b/status?x=/y"), "/pods/a/b");
    assert_eq!(key("/apis/apps/v1/namespaces/a/deployments"), "apps/deployments/a/n");
    assert_eq!(key("/apis/apps/v1/watch/deployments"), "apps/deployments/ns/n");
    assert_eq!(key("/api/v1/namespaces/a/finalize"), "/namespaces/ns/a");
    assert_eq!(key("/api/v1/namespaces/a"), "/namespaces/ns/a");
    assert_eq!(Target::new("/version"), Target::default());
}

//! How documents name things: operations, tags, definitions.

use k8s_types::release::{GroupVersionKind, Release};

/// With a large first letter.
pub fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|it| it.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// As `Apps`, `RbacAuthorization`, `Core`: a group in the names of operations.
pub fn operation_group(group: &str) -> String {
    if group.is_empty() {
        return "Core".to_owned();
    }
    let own = group.strip_suffix(".k8s.io").unwrap_or(group);
    own.split(['.', '-']).map(capitalized).collect()
}

/// As `apps_v1`, `rbacAuthorization`.
pub fn tag(group: &str, version: Option<&str>) -> String {
    let name = operation_group(group);
    let mut letters = name.chars();
    let small: String = letters.next().map(|it| it.to_lowercase().chain(letters).collect()).unwrap_or_default();
    match version {
        Some(version) => format!("{small}_{version}"),
        None => small,
    }
}

/// `a ` or `an ` before a kind, nothing before one that is a plural.
pub fn article(kind: &str) -> &'static str {
    if kind.ends_with('s') && !kind.ends_with("ss") {
        return "";
    }
    if kind.starts_with(['A', 'E', 'I', 'O', 'U']) { "an " } else { "a " }
}

/// The name of a kind's definition: the release's, and for a kind that it does not have its group's name from back to
/// front, the version and the kind.
pub fn definition(release: &Release, kind: &GroupVersionKind) -> String {
    let known = release.kind(&kind.group, &kind.version, &kind.kind).and_then(|it| release.types().get(it));
    if let Some(known) = known {
        return known.name.to_string();
    }
    let labels: Vec<&str> = kind.group.split('.').rev().collect();
    format!("{}.{}.{}", labels.join("."), kind.version, kind.kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_apis() {
        assert_eq!(operation_group("flowcontrol.apiserver.k8s.io"), "FlowcontrolApiserver");
        assert_eq!(operation_group("crd-x.golden.dev"), "CrdXGoldenDev");
        assert_eq!(tag("rbac.authorization.k8s.io", Some("v1")), "rbacAuthorization_v1");
        assert_eq!(tag("", Some("v1")), "core_v1");
        assert_eq!([article("Endpoints"), article("Ingress"), article("Pod")], ["", "an ", "a "]);
        let release = Release::load(36).unwrap();
        let name = |group: &str, kind: &str| definition(&release, &GroupVersionKind::new(group, "v1", kind));
        assert_eq!(name("", "Pod"), "io.k8s.api.core.v1.Pod");
        assert_eq!(name("foo-x.golden.dev", "FooList"), "dev.golden.foo-x.v1.FooList");
    }
}

//! What a server serves: the groups, versions and resources that discovery tells of, in the order in which it does.

use k8s_types::release::{Release, Resource};
use std::cmp::{Ordering, Reverse};
use std::sync::Arc;

/// The groups that a server serves. Begins with a release's and takes further versions (custom resources, other
/// servers) at run time.
#[derive(Debug, Clone)]
pub struct Catalogue {
    release: Arc<Release>,
    groups: Vec<Group>,
}

/// A group with its versions.
#[derive(Debug, Clone)]
pub struct Group {
    name: Arc<str>,
    versions: Vec<Version>,
}

/// A version of a group, with what can be found in it.
#[derive(Debug, Clone)]
pub struct Version {
    /// As `v1`.
    pub name: Arc<str>,
    /// An APIService's `groupPriorityMinimum`: the group with the highest comes first.
    pub group_priority: u32,
    /// An APIService's `versionPriority`: the version with the highest comes first and is preferred.
    pub version_priority: u32,
    /// Whether what is known of it is up to date.
    pub freshness: Freshness,
    /// What is in it.
    pub resources: Resources,
}

/// Whether what is known of a version is up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Freshness {
    /// It is.
    #[default]
    Current,
    /// Its server could not be asked of late.
    Stale,
}

/// The resources of a version, in the order of discovery.
#[derive(Debug, Clone)]
pub enum Resources {
    /// A release's own, by their places in it.
    BuiltIn(Arc<[u32]>),
    /// Custom resources, whose discovery differs in small things.
    Custom(Arc<[Resource]>),
}

impl Version {
    /// The priorities that the API gives to every custom resource's version.
    pub const CUSTOM_PRIORITIES: (u32, u32) = (1000, 100);

    /// A version of custom resources.
    pub fn custom(name: &str, resources: impl Into<Arc<[Resource]>>) -> Self {
        let (group_priority, version_priority) = Self::CUSTOM_PRIORITIES;
        Self {
            name: name.into(),
            group_priority,
            version_priority,
            freshness: Freshness::Current,
            resources: Resources::Custom(resources.into()),
        }
    }

    /// Whether its resources are custom ones.
    pub fn is_custom(&self) -> bool {
        matches!(self.resources, Resources::Custom(_))
    }
}

impl Group {
    /// Empty for the core group.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its versions, the preferred one first; there is at least one.
    pub fn versions(&self) -> &[Version] {
        &self.versions
    }

    fn priority(&self) -> u32 {
        self.versions.iter().map(|it| it.group_priority).max().unwrap_or_default()
    }
}

impl Catalogue {
    /// What a release serves without being asked for more.
    pub fn new(release: Arc<Release>) -> Self {
        Self::with(release, |it| it.served_by_default)
    }

    /// What a release serves of the resources that are `served`.
    pub fn with(release: Arc<Release>, served: impl Fn(&Resource) -> bool) -> Self {
        let mut groups = Vec::new();
        for group in release.groups() {
            let mut versions = Vec::new();
            for version in &group.versions {
                let own = |it: &Resource| it.group == group.name && it.version == version.name;
                let places: Arc<[u32]> = (0u32..)
                    .zip(release.resources())
                    .filter(|(_, it)| own(it) && served(it))
                    .map(|(at, _)| at)
                    .collect();
                if !places.is_empty() {
                    versions.push(Version {
                        name: (*version.name).into(),
                        group_priority: group.priority,
                        version_priority: version.priority,
                        freshness: Freshness::Current,
                        resources: Resources::BuiltIn(places),
                    });
                }
            }
            if !versions.is_empty() {
                groups.push(Group { name: (*group.name).into(), versions });
            }
        }
        Self { release, groups }
    }

    /// Adds a version to a group, which need not be there yet; replaces the version where it is.
    pub fn add(&mut self, group: &str, version: Version) {
        let at = self.groups.iter().position(|it| &*it.name == group).unwrap_or_else(|| {
            self.groups.push(Group { name: group.into(), versions: Vec::new() });
            self.groups.len() - 1
        });
        if let Some(group) = self.groups.get_mut(at) {
            group.versions.retain(|it| it.name != version.name);
            group.versions.push(version);
            group.versions.sort_by(version_order);
        }
        self.groups.sort_by(|a, b| (Reverse(a.priority()), &a.name).cmp(&(Reverse(b.priority()), &b.name)));
    }

    /// The release that it began with.
    pub fn release(&self) -> &Arc<Release> {
        &self.release
    }

    /// Its groups in the order of discovery; the core group is one of them.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// A group by its name.
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|it| &*it.name == name)
    }

    /// A version of a group.
    pub fn version(&self, group: &str, version: &str) -> Option<&Version> {
        self.group(group)?.versions.iter().find(|it| &*it.name == version)
    }

    /// The resources of one of its versions, in the order of discovery.
    pub fn resources<'a>(&'a self, version: &'a Version) -> impl Iterator<Item = &'a Resource> {
        let (places, custom): (&[u32], &[Resource]) = match &version.resources {
            Resources::BuiltIn(places) => (places, &[]),
            Resources::Custom(resources) => (&[], resources),
        };
        let all = self.release.resources();
        places.iter().filter_map(|at| all.get(*at as usize)).chain(custom)
    }
}

fn version_order(a: &Version, b: &Version) -> Ordering {
    b.version_priority.cmp(&a.version_priority).then_with(|| compare_versions(&a.name, &b.name))
}

/// The order of version names: released ones before betas before alphas, newer ones first, all other names last and by
/// the alphabet. `Less` comes first.
pub fn compare_versions(a: &str, b: &str) -> Ordering {
    match (parse(a), parse(b)) {
        (Some(a), Some(b)) => b.cmp(&a),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => a.cmp(b),
    }
}

/// A name of the form `v1`, `v2beta3`: its stability (2 for a released one), and its two numbers.
fn parse(name: &str) -> Option<(u8, u64, u64)> {
    let rest = name.strip_prefix('v')?;
    let number = |text: &str| {
        let canonical = text.bytes().all(|it| it.is_ascii_digit()) && !text.starts_with('0');
        if canonical { text.parse::<u64>().ok() } else { None }
    };
    let end = rest.find(|it: char| !it.is_ascii_digit()).unwrap_or(rest.len());
    let (major, tail) = rest.split_at_checked(end)?;
    let major = number(major)?;
    if tail.is_empty() {
        return Some((2, major, 0));
    }
    let (stability, minor) = match tail.strip_prefix("beta") {
        Some(minor) => (1, minor),
        None => (0, tail.strip_prefix("alpha")?),
    };
    Some((stability, major, number(minor)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_come_by_stability_and_number() {
        // In the order that an API server records for a group with all of them.
        let ordered = [
            "v10",
            "v2",
            "v1",
            "v11beta2",
            "v10beta3",
            "v3beta1",
            "v12alpha1",
            "v11alpha2",
            "foo1",
            "foo10",
            "v0",
            "v01",
        ];
        let mut names = ordered;
        names.reverse();
        names.sort_by(|a, b| compare_versions(a, b));
        assert_eq!(names, ordered);
    }

    #[test]
    fn what_is_added_finds_its_place() {
        let release = Arc::new(Release::load(33).unwrap());
        let mut catalogue = Catalogue::new(release);
        let before = catalogue.groups().len();
        let none: Arc<[Resource]> = Arc::new([]);
        for version in ["v1beta1", "v2", "v1", "v2"] {
            catalogue.add("example.com", Version::custom(version, none.clone()));
        }
        let names: Vec<&str> = catalogue.group("example.com").unwrap().versions().iter().map(|it| &*it.name).collect();
        assert_eq!(names, ["v2", "v1", "v1beta1"]);
        assert_eq!(catalogue.groups().len(), before + 1);
        assert_eq!(catalogue.groups().last().unwrap().name(), "example.com");
        assert!(catalogue.version("apps", "v1").is_some_and(|it| catalogue.resources(it).count() == 5));
    }

    #[test]
    fn adding_keeps_the_order_of_a_release() {
        for minor in Release::minors() {
            let mut catalogue = Catalogue::new(Arc::new(Release::load(minor).unwrap()));
            let names = |it: &Catalogue| -> Vec<String> { it.groups().iter().map(|it| it.name().to_owned()).collect() };
            let before = names(&catalogue);
            catalogue.add("zzz.example.com", Version::custom("v1", Vec::new()));
            let mut after = names(&catalogue);
            after.pop();
            assert_eq!(before, after, "1.{minor}");
        }
    }
}

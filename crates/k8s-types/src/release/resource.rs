//! What discovery tells of resources.

use crate::schema::TypeId;

/// What a kind is called in full.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupVersionKind {
    /// Empty for the core group.
    pub group: Box<str>,
    /// As `v1`.
    pub version: Box<str>,
    /// As `Pod`.
    pub kind: Box<str>,
}

/// An API group.
#[derive(Debug, Clone)]
pub struct Group {
    /// Empty for the core group.
    pub name: Box<str>,
    /// An APIService's `groupPriorityMinimum`: higher comes first.
    pub priority: u32,
    /// In the order of discovery; the first that is served is preferred.
    pub versions: Box<[Version]>,
}

/// A version of a group that the minor knows.
#[derive(Debug, Clone)]
pub struct Version {
    /// As `v1`.
    pub name: Box<str>,
    /// An APIService's `versionPriority`: higher comes first.
    pub priority: u32,
    /// Whether it has a resource that is served without being asked for.
    pub served_by_default: bool,
}

/// A resource of a version.
#[derive(Debug, Clone)]
pub struct Resource {
    /// Empty for the core group.
    pub group: Box<str>,
    /// As `v1`.
    pub version: Box<str>,
    /// As `pods`, in paths.
    pub plural: Box<str>,
    /// As `pod`.
    pub singular: Box<str>,
    /// As `Pod`.
    pub kind: Box<str>,
    /// Whether its objects lie in namespaces.
    pub namespaced: bool,
    /// As `po`.
    pub short_names: Box<[Box<str>]>,
    /// As `all`.
    pub categories: Box<[Box<str>]>,
    /// What can be done with it.
    pub verbs: Verbs,
    /// What stands under its objects' names, sorted by name.
    pub subresources: Box<[Subresource]>,
    /// Its kind's type.
    pub type_id: Option<TypeId>,
    /// In which group and version its objects are stored; nothing where they are not (reviews, bindings, component
    /// statuses). Resources with the same one and the same kind share their objects.
    pub stored: Option<Stored>,
    /// Whether it is served without being asked for.
    pub served_by_default: bool,
    /// That it goes away.
    pub deprecated: Option<Deprecation>,
}

/// Where a resource's objects are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Empty for the core group.
    pub group: Box<str>,
    /// As `v1`.
    pub version: Box<str>,
    /// What discovery calls `storageVersionHash`.
    pub hash: Box<str>,
}

/// What stands under an object's name in a path.
#[derive(Debug, Clone)]
pub struct Subresource {
    /// As `status`.
    pub name: Box<str>,
    /// What is sent and answered: the resource's own kind, or another as `autoscaling/v1` `Scale`.
    pub kind: GroupVersionKind,
    /// Whether [`Self::kind`] is the resource's own.
    pub own_kind: bool,
    /// What can be done with it.
    pub verbs: Verbs,
    /// What it takes, where that is more than [`Self::kind`].
    pub accepts: Box<[GroupVersionKind]>,
}

/// That a resource goes away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deprecation {
    /// Since which minor it warns.
    pub in_minor: u8,
    /// In which minor it is gone, where that was said.
    pub removed_in_minor: Option<u8>,
    /// What to use, where that was said.
    pub replacement: Option<GroupVersionKind>,
}

/// A set of verbs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verbs(pub(super) u8);

/// By their bit, in the order that discovery has them.
const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

impl Verbs {
    /// All that objects of an ordinary kind know.
    pub const ALL: Self = Self(u8::MAX);

    /// Whether a verb is in it.
    pub fn contains(self, verb: &str) -> bool {
        VERBS.iter().position(|it| *it == verb).is_some_and(|at| self.0 & 1 << at != 0)
    }

    /// Its verbs in the order that discovery has them.
    pub fn iter(self) -> impl Iterator<Item = &'static str> {
        VERBS.into_iter().enumerate().filter(move |(at, _)| self.0 & 1 << at != 0).map(|(_, verb)| verb)
    }

    /// The set of some verbs; those that are none are left out.
    pub fn of(verbs: &[&str]) -> Self {
        let at = |verb: &&str| VERBS.iter().position(|it| it == verb);
        Self(verbs.iter().filter_map(at).fold(0, |set, at| set | 1 << at))
    }
}

impl GroupVersionKind {
    /// Puts a name together.
    pub fn new(group: &str, version: &str, kind: &str) -> Self {
        Self { group: group.into(), version: version.into(), kind: kind.into() }
    }

    /// As objects name it: `v1`, `apps/v1`.
    pub fn api_version(&self) -> String {
        api_version(&self.group, &self.version)
    }
}

impl Resource {
    /// As objects name it: `v1`, `apps/v1`.
    pub fn api_version(&self) -> String {
        api_version(&self.group, &self.version)
    }

    /// A subresource by its name.
    pub fn subresource(&self, name: &str) -> Option<&Subresource> {
        self.subresources.iter().find(|it| &*it.name == name)
    }

    /// What the `Warning` header says where it is deprecated.
    pub fn warning(&self) -> Option<String> {
        let it = self.deprecated.as_ref()?;
        let mut text = format!("{} {} is deprecated in v1.{}+", self.api_version(), self.kind, it.in_minor);
        if let Some(removed) = it.removed_in_minor {
            text.push_str(&format!(", unavailable in v1.{removed}+"));
        }
        if let Some(instead) = &it.replacement {
            text.push_str(&format!("; use {} {}", instead.api_version(), instead.kind));
        }
        Some(text)
    }
}

/// Group and version as objects name them.
fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

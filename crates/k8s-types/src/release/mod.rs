//! What a Kubernetes minor has: its types, its resources, in which version each is stored, what is going away.
//!
//! The facts of all minors lie in one compressed file; [`Release::load`] reads what one minor needs of it, so that
//! a server holds nothing of the others.

mod bundle;
mod descriptions;
mod resource;

pub use descriptions::Descriptions;
pub use resource::{Deprecation, Group, GroupVersionKind, Resource, Stored, Subresource, Verbs, Version};

use crate::protobuf::Order;
use crate::schema::{Struct, TypeId, Types};

/// The oldest minor that there are facts of.
pub const OLDEST: u8 = 24;
/// The newest minor that there are facts of.
pub const NEWEST: u8 = 36;

/// The facts of one minor; share it.
#[derive(Debug)]
pub struct Release {
    minor: u8,
    types: Types,
    /// The types' fields by their protobuf numbers.
    order: Order,
    /// Sorted by group, version and kind.
    kinds: Box<[(GroupVersionKind, TypeId)]>,
    /// In the order of discovery.
    groups: Box<[Group]>,
    /// In the order of discovery: groups, versions, plural names.
    resources: Box<[Resource]>,
    /// Places in `resources`, sorted by group, version and plural.
    by_name: Box<[u32]>,
}

impl Release {
    /// Reads the facts of Kubernetes 1.`minor`; nothing for a minor that is not known.
    pub fn load(minor: u8) -> Option<Self> {
        if !(OLDEST..=NEWEST).contains(&minor) {
            return None;
        }
        bundle::read(minor)
    }

    /// All minors that [`Self::load`] knows, oldest first.
    pub fn minors() -> impl DoubleEndedIterator<Item = u8> {
        OLDEST..=NEWEST
    }

    /// Which one it is: 24 for 1.24.
    pub fn minor(&self) -> u8 {
        self.minor
    }

    /// The types of all kinds and of what is in them.
    pub fn types(&self) -> &Types {
        &self.types
    }

    /// The types' fields by their protobuf numbers.
    pub(crate) fn order(&self) -> &Order {
        &self.order
    }

    /// The groups and their versions in the order of discovery, those that are off included; the core group, whose name
    /// is empty, comes first.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// All resources in the order of discovery, those that are not served by default included.
    pub fn resources(&self) -> &[Resource] {
        &self.resources
    }

    /// The resources of a group's version, in the order of discovery.
    pub fn resources_of<'a>(&'a self, group: &'a str, version: &'a str) -> impl Iterator<Item = &'a Resource> {
        self.resources.iter().filter(move |it| &*it.group == group && &*it.version == version)
    }

    /// A resource by the names in its path.
    pub fn resource(&self, group: &str, version: &str, plural: &str) -> Option<&Resource> {
        let found = self.by_name.binary_search_by(|at| {
            self.resources.get(*at as usize).map_or(std::cmp::Ordering::Less, |it| {
                (&*it.group, &*it.version, &*it.plural).cmp(&(group, version, plural))
            })
        });
        self.resources.get(*self.by_name.get(found.ok()?)? as usize)
    }

    /// The resource that objects of a kind are stored in, of a group's version.
    pub fn resource_of_kind(&self, group: &str, version: &str, kind: &str) -> Option<&Resource> {
        self.resources.iter().find(|it| &*it.group == group && &*it.version == version && &*it.kind == kind)
    }

    /// The type of a kind. `DeleteOptions`, `WatchEvent` and the other options are found in every group and version, as
    /// the API has them.
    pub fn kind(&self, group: &str, version: &str, kind: &str) -> Option<TypeId> {
        let find = |group: &str, version: &str| {
            let found = self
                .kinds
                .binary_search_by(|(it, _)| (&*it.group, &*it.version, &*it.kind).cmp(&(group, version, kind)));
            self.kinds.get(found.ok()?).map(|(_, id)| *id)
        };
        find(group, version).or_else(|| match kind {
            "DeleteOptions" | "WatchEvent" => find("", "v1"),
            "CreateOptions" | "GetOptions" | "ListOptions" | "PatchOptions" | "UpdateOptions" => {
                find("meta.k8s.io", "v1")
            }
            // Evictions are still taken in the form that they had.
            "Eviction" if (group, version) == ("policy", "v1beta1") => find(group, "v1"),
            _ => None,
        })
    }

    /// All kinds with their types, sorted.
    pub fn kinds(&self) -> impl Iterator<Item = (&GroupVersionKind, TypeId)> {
        self.kinds.iter().map(|(kind, id)| (kind, *id))
    }

    /// A type by its definition's name, as `io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta`.
    pub fn type_named(&self, name: &str) -> Option<TypeId> {
        self.types.named(name)
    }

    /// What its types and fields are for, where the program was built with it. Read anew at every call.
    pub fn descriptions(&self) -> Option<Descriptions> {
        Descriptions::load(self.minor)
    }

    /// A type by its definition's name, with what it has.
    pub fn struct_named(&self, name: &str) -> Option<&Struct> {
        self.types.get(self.type_named(name)?)
    }
}

#[cfg(test)]
mod tests;

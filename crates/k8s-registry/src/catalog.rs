//! What a minor serves, with everything that a request needs of it prepared: made once and shared by all clusters of
//! the minor.

use crate::{encoding, keys};
use k8s_kinds::Kind;
use k8s_kinds::convert::convert;
use k8s_patch::fields::Set;
use k8s_patch::managed::{Manager, Versions, zero_object};
use k8s_patch::typed::Schema;
use k8s_types::decode::{self, DecodeError, Decoded};
use k8s_types::release::{Release, Resource, Subresource};
use k8s_types::schema::TypeId;
use k8s_types::status::GroupResource;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// A resource that is served.
pub struct Endpoint {
    release: Arc<Release>,
    index: usize,
    /// `v1`, `apps/v1`.
    pub api_version: String,
    /// The kind's steps.
    pub kind: &'static dyn Kind,
    /// The prefix of its objects' keys; empty where none are stored.
    pub prefix: String,
    /// What an object's JSON begins with.
    pub head: Vec<u8>,
    /// The version that its objects are stored in.
    pub stored_version: String,
    /// The object without any value.
    zero: Value,
    /// Fields that a write of the object itself does not touch.
    reset: Set,
    /// Fields that a write of its status does not touch.
    reset_status: Set,
}

/// The endpoints of a minor.
pub struct Catalog {
    release: Arc<Release>,
    endpoints: Vec<Arc<Endpoint>>,
    /// The few that share a plural, in the order of discovery: a name is found without making one.
    by_plural: HashMap<Box<str>, Vec<Arc<Endpoint>>>,
}

impl Catalog {
    /// All that a minor serves without being asked for more; nothing for a minor that is not known.
    pub fn load(minor: u8) -> Option<Self> {
        let release = Arc::new(Release::load(minor)?);
        let mut catalog = Self { release: release.clone(), endpoints: Vec::new(), by_plural: HashMap::new() };
        for (index, resource) in release.resources().iter().enumerate().filter(|(_, it)| it.served_by_default) {
            let endpoint = Arc::new(Endpoint::new(&release, index, resource));
            catalog.by_plural.entry(resource.plural.clone()).or_default().push(endpoint.clone());
            catalog.endpoints.push(endpoint);
        }
        Some(catalog)
    }

    /// The facts behind it.
    pub fn release(&self) -> &Arc<Release> {
        &self.release
    }

    /// All endpoints, in the order of discovery.
    pub fn endpoints(&self) -> &[Arc<Endpoint>] {
        &self.endpoints
    }

    /// An endpoint by the names in its path.
    pub fn endpoint(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Endpoint>> {
        let found = |it: &&Arc<Endpoint>| &*it.resource().group == group && &*it.resource().version == version;
        self.by_plural.get(plural)?.iter().find(found)
    }

    /// The first endpoint of a resource, in whatever version: for those who look at objects from inside.
    pub fn any_version(&self, group: &str, plural: &str) -> Option<&Arc<Endpoint>> {
        self.by_plural.get(plural)?.iter().find(|it| &*it.resource().group == group)
    }

    /// The endpoint of a kind.
    pub fn endpoint_of_kind(&self, api_version: &str, kind: &str) -> Option<&Arc<Endpoint>> {
        self.endpoints.iter().find(|it| it.api_version == api_version && &*it.resource().kind == kind)
    }
}

/// What a write of a resource's status does not touch.
fn status_reset(resource: &Resource) -> Set {
    let spec = Set::of_names([["spec"]]);
    match (&*resource.group, &*resource.kind) {
        ("apps", "Deployment") => spec.union(&Set::of_names([["metadata", "labels"]])),
        _ => spec,
    }
}

impl Endpoint {
    fn new(release: &Arc<Release>, index: usize, resource: &Resource) -> Self {
        let api_version = resource.api_version();
        let has_status = resource.subresource("status").is_some();
        let names = |fields: &[&str]| Set::of_names(fields.iter().map(|it| [*it]));
        let zero = resource.type_id.map(|root| zero_object(&Schema { types: release.types(), root }));
        let prefix = match &resource.stored {
            Some(stored) => keys::resource(&stored.group, &resource.plural),
            None => String::new(),
        };
        Self {
            head: encoding::head(&api_version, &resource.kind),
            kind: k8s_kinds::registry::kind(&resource.group, &resource.kind),
            prefix,
            stored_version: resource
                .stored
                .as_ref()
                .map_or_else(|| resource.version.to_string(), |it| it.version.to_string()),
            zero: zero.unwrap_or(Value::Null),
            reset: if has_status { names(&["status"]) } else { Set::default() },
            reset_status: status_reset(resource),
            release: release.clone(),
            index,
            api_version,
        }
    }

    /// What discovery tells of it.
    #[expect(clippy::indexing_slicing, reason = "the index was taken from this very list")]
    pub fn resource(&self) -> &Resource {
        &self.release.resources()[self.index]
    }

    /// A subresource by its name.
    pub fn subresource(&self, name: &str) -> Option<&Subresource> {
        self.resource().subresource(name)
    }

    /// As errors name it.
    pub fn group_resource(&self) -> GroupResource<'_> {
        GroupResource { group: &self.resource().group, resource: &self.resource().plural }
    }

    /// The facts behind it.
    pub fn release(&self) -> &Arc<Release> {
        &self.release
    }

    /// The kind's type.
    pub fn type_id(&self) -> Option<TypeId> {
        self.resource().type_id
    }

    /// Its shapes.
    pub fn schema(&self) -> Option<Schema<'_>> {
        Some(Schema { types: self.release.types(), root: self.type_id()? })
    }

    /// Reads an object of the kind from JSON.
    ///
    /// # Errors
    /// When it is none.
    pub fn decode(&self, text: &[u8]) -> Result<Decoded, DecodeError> {
        match self.type_id() {
            Some(root) => decode::decode(text, self.release.types(), root),
            None => Err(DecodeError::Form("the kind has no type".to_owned())),
        }
    }

    /// Brings an object that was made otherwise into the kind's form.
    ///
    /// # Errors
    /// When it has none.
    pub fn conform(&self, object: Value) -> Result<Decoded, DecodeError> {
        match self.type_id() {
            Some(root) => decode::conform(object, self.release.types(), root),
            None => Err(DecodeError::Form("the kind has no type".to_owned())),
        }
    }

    /// Adds what an API server writes of fields that have no value.
    pub fn show(&self, object: &mut Value) {
        if let Some(root) = self.type_id() {
            decode::show(object, self.release.types(), root);
        }
    }

    /// Keeps track of who owns which field, for writes through the object itself or one of its subresources.
    pub fn manager<'a>(&'a self, subresource: &'a str, versions: &'a dyn Versions) -> Option<Manager<'a>> {
        Some(Manager {
            schema: self.schema()?,
            api_version: &self.api_version,
            kind: &self.resource().kind,
            subresource,
            zero: &self.zero,
            reset: if subresource == "status" { &self.reset_status } else { &self.reset },
            versions,
        })
    }

    /// Whether its objects are stored in another version than its own.
    pub fn is_converted(&self) -> bool {
        *self.stored_version != *self.resource().version
    }

    /// Brings an object from the stored version to this one. `apiVersion` is as it should be already.
    pub fn from_stored(&self, object: &mut Value) {
        let resource = self.resource();
        convert(&resource.group, &resource.kind, &self.stored_version, &resource.version, object);
        if self.is_converted() {
            self.show(object);
        }
    }

    /// Brings an object from this version to the stored one.
    pub fn to_stored(&self, object: &mut Value) {
        let resource = self.resource();
        convert(&resource.group, &resource.kind, &resource.version, &self.stored_version, object);
    }
}

/// The versions in which a kind is served, for fields that were written through another one.
pub(crate) struct KindVersions<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) kind: &'a str,
}

impl KindVersions<'_> {
    fn endpoint(&self, api_version: &str) -> Option<&Arc<Endpoint>> {
        self.catalog.endpoint_of_kind(api_version, self.kind)
    }
}

impl Versions for KindVersions<'_> {
    fn convert<'v>(&self, object: &'v Value, from: &str, to: &str) -> Option<Cow<'v, Value>> {
        let (from, to) = (self.endpoint(from)?.resource(), self.endpoint(to)?.resource());
        if from.group != to.group {
            return None;
        }
        let mut converted = object.clone();
        convert(&from.group, &from.kind, &from.version, &to.version, &mut converted);
        Some(Cow::Owned(converted))
    }

    fn schema(&self, version: &str) -> Option<Schema<'_>> {
        self.endpoint(version)?.schema()
    }
}

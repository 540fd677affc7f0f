//! The paths of a version and what can be done at them: every verb of every resource and subresource.

use super::custom::Custom;
use super::naming::{article, capitalized, operation_group, tag};
use super::operation::{Body, Content, Method, Operation, Parameter, PathItem, Response};
use super::parameters::{self, Connection, Options};
use k8s_types::release::{GroupVersionKind, Release, Resource, Subresource};
use std::borrow::Cow;

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";

/// Writes the paths of one version.
pub struct Paths<'a> {
    release: &'a Release,
    group: &'a str,
    version: &'a str,
    custom: bool,
    /// With the kinds of their lists.
    resources: Vec<(&'a Resource, Cow<'a, str>)>,
    /// As `AppsV1`, in the names of operations.
    id: String,
    /// As `apps_v1`.
    tag: String,
    /// As `/apis/apps/v1`.
    root: String,
}

/// Where an operation is: what differs between a resource and its subresources.
struct Place<'a> {
    resource: &'a Resource,
    sub: Option<&'a Subresource>,
}

impl<'a> Paths<'a> {
    /// Those of a version of the release.
    pub fn built_in(release: &'a Release, group: &'a str, version: &'a str, resources: Vec<&'a Resource>) -> Self {
        let with_list = |it: &'a Resource| (it, Cow::Owned(format!("{}List", it.kind)));
        Self::new(release, group, version, false, resources.into_iter().map(with_list).collect())
    }

    /// Those of a version of custom resources.
    pub fn custom(release: &'a Release, group: &'a str, version: &'a str, resources: &[Custom<'a>]) -> Self {
        let with_list = |it: &Custom<'a>| (it.resource, Cow::Borrowed(it.list_kind));
        Self::new(release, group, version, true, resources.iter().map(with_list).collect())
    }

    fn new(
        release: &'a Release,
        group: &'a str,
        version: &'a str,
        custom: bool,
        resources: Vec<(&'a Resource, Cow<'a, str>)>,
    ) -> Self {
        let root = if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
        let id = format!("{}{}", operation_group(group), capitalized(version));
        Self { release, group, version, custom, resources, id, tag: tag(group, Some(version)), root }
    }

    /// All paths, sorted.
    pub fn all(&self) -> Vec<PathItem> {
        let mut paths = Vec::new();
        if !self.custom {
            paths.push(self.index());
        }
        for (resource, list_kind) in &self.resources {
            self.resource(resource, list_kind, &mut paths);
        }
        paths.sort_by(|a, b| a.path.cmp(&b.path));
        paths
    }

    fn index(&self) -> PathItem {
        let list = super::roots::answer(&format!("{META}.APIResourceList"));
        let operation = Operation {
            method: Method::Get,
            tag: self.tag.clone(),
            description: "get available resources".to_owned(),
            id: format!("get{}APIResources", self.id),
            parameters: Vec::new(),
            body: None,
            consumes: super::roots::OBJECTS.into(),
            produces: super::roots::OBJECTS.into(),
            responses: list,
            action: None,
            kind: None,
        };
        PathItem::new(format!("{}/", self.root), Vec::new(), vec![operation])
    }

    fn resource(&self, it: &Resource, list_kind: &str, paths: &mut Vec<PathItem>) {
        let place = Place { resource: it, sub: None };
        let scope = if it.namespaced { "/namespaces/{namespace}" } else { "" };
        let collection = format!("{}{scope}/{}", self.root, it.plural);
        let namespace = || if it.namespaced { vec![parameters::namespace()] } else { Vec::new() };
        let mut operations = Vec::new();
        if it.verbs.contains("list") {
            operations.push(self.list(&place, list_kind, if it.namespaced { "Namespaced" } else { "" }, ""));
        }
        if it.verbs.contains("create") {
            operations.push(self.create(&place));
        }
        if it.verbs.contains("deletecollection") {
            operations.push(self.delete_collection(&place));
        }
        push(paths, collection.clone(), namespace(), operations);
        if it.namespaced && it.verbs.contains("list") {
            let everywhere = vec![self.list(&place, list_kind, "", "ForAllNamespaces")];
            push(paths, format!("{}/{}", self.root, it.plural), Vec::new(), everywhere);
        }
        let object = format!("{collection}/{{name}}");
        let mut own = namespace();
        own.push(parameters::name(&it.kind));
        push(paths, object.clone(), own, self.object(&place));
        for sub in &it.subresources {
            self.subresource(it, sub, &object, paths);
        }
        if it.verbs.contains("watch") && it.verbs.contains("list") && !self.custom {
            self.watches(&place, paths);
        }
    }

    /// What can be done with one object, or with a subresource that is none of its own making.
    fn object(&self, place: &Place<'_>) -> Vec<Operation> {
        let verbs = place.sub.map_or(place.resource.verbs, |it| it.verbs);
        let mut operations = Vec::new();
        if verbs.contains("get") {
            operations.push(self.read(place));
        }
        if verbs.contains("update") {
            operations.push(self.replace(place));
        }
        if verbs.contains("create") && place.sub.is_some() {
            operations.push(self.create(place));
        }
        if verbs.contains("delete") && place.sub.is_none() {
            operations.push(self.delete(place));
        }
        if verbs.contains("patch") {
            operations.push(self.patch(place));
        }
        operations
    }

    fn subresource(&self, of: &Resource, sub: &Subresource, object: &str, paths: &mut Vec<PathItem>) {
        let place = Place { resource: of, sub: Some(sub) };
        let path = format!("{object}/{}", sub.name);
        let mut own = vec![parameters::name(&self.operated_kind(&place).kind)];
        if of.namespaced {
            own.push(parameters::namespace());
        }
        let Some(connection) = connection(of, sub) else {
            return push(paths, path, own, self.object(&place));
        };
        push(paths, path.clone(), own.clone(), self.connects(&place, connection, ""));
        if connection == Connection::Proxy {
            own.push(parameters::proxied_path());
            push(paths, format!("{path}/{{path}}"), own, self.connects(&place, connection, "WithPath"));
        }
    }

    fn watches(&self, place: &Place<'_>, paths: &mut Vec<PathItem>) {
        let it = place.resource;
        let root = format!("{}/watch", self.root);
        let name = parameters::name(&it.kind);
        let (scope, own, prefix) = if it.namespaced {
            let everywhere = self.watch(place, format!("{}ListForAllNamespaces", it.kind), true);
            push(paths, format!("{root}/{}", it.plural), Vec::new(), vec![everywhere]);
            ("/namespaces/{namespace}", vec![parameters::namespace()], "Namespaced")
        } else {
            ("", Vec::new(), "")
        };
        let path = format!("{root}{scope}/{}", it.plural);
        let list = self.watch(place, format!("{prefix}{}List", it.kind), true);
        push(paths, path.clone(), own.clone(), vec![list]);
        let mut own = own;
        own.push(name);
        let one = self.watch(place, format!("{prefix}{}", it.kind), false);
        push(paths, format!("{path}/{{name}}"), own, vec![one]);
    }

    // Operations.

    fn list(&self, place: &Place<'_>, list_kind: &str, prefix: &str, suffix: &str) -> Operation {
        let kind = &place.resource.kind;
        let watchable = place.resource.verbs.contains("watch") && !self.custom;
        let description = format!("{} objects of kind {kind}", if watchable { "list or watch" } else { "list" });
        let list = self.definition(&GroupVersionKind::new(self.group, self.version, list_kind));
        Operation {
            produces: self.produced(!self.custom),
            responses: ok(Content::Definition(list)),
            ..self.operation(
                place,
                Method::Get,
                "list",
                Options::List,
                description,
                format!("list{}{prefix}{kind}{suffix}", self.id),
            )
        }
    }

    fn read(&self, place: &Place<'_>) -> Operation {
        let is_log = place.sub.is_some_and(|it| &*it.name == "log");
        let options = match (is_log, self.custom) {
            (true, _) => Options::Log,
            (false, true) => Options::Read,
            (false, false) => Options::None,
        };
        let description = format!("read {}the specified {}", of(place), place.resource.kind);
        let mut it = Operation {
            responses: ok(self.content(place)),
            ..self.operation(place, Method::Get, "get", options, description, self.named("read", place))
        };
        if is_log {
            it.produces.insert(0, "text/plain");
            it.responses = ok(Content::Text);
        }
        it
    }

    fn create(&self, place: &Place<'_>) -> Operation {
        let description = match place.sub {
            None => format!("create {}{}", article(&place.resource.kind), place.resource.kind),
            Some(sub) => {
                format!("create {} of {}{}", sub.name, article(&place.resource.kind), place.resource.kind)
            }
        };
        let content = self.content(place);
        Operation {
            body: self.body(place),
            responses: answers([("200", "OK"), ("201", "Created"), ("202", "Accepted")], &content),
            ..self.operation(place, Method::Post, "post", Options::Write, description, self.named("create", place))
        }
    }

    fn replace(&self, place: &Place<'_>) -> Operation {
        let description = format!("replace {}the specified {}", of(place), place.resource.kind);
        let content = self.content(place);
        Operation {
            body: self.body(place),
            responses: answers([("200", "OK"), ("201", "Created")], &content),
            ..self.operation(place, Method::Put, "put", Options::Write, description, self.named("replace", place))
        }
    }

    fn patch(&self, place: &Place<'_>) -> Operation {
        let description = format!("partially update {}the specified {}", of(place), place.resource.kind);
        let content = self.content(place);
        let mut consumes = vec!["application/json-patch+json", "application/merge-patch+json"];
        if !self.custom {
            consumes.push("application/strategic-merge-patch+json");
        }
        consumes.push("application/apply-patch+yaml");
        Operation {
            body: Some(Body { definition: format!("{META}.Patch"), required: true }),
            consumes,
            responses: if self.custom { ok(content) } else { answers([("200", "OK"), ("201", "Created")], &content) },
            ..self.operation(place, Method::Patch, "patch", Options::Patch, description, self.named("patch", place))
        }
    }

    fn delete(&self, place: &Place<'_>) -> Operation {
        let kind = &place.resource.kind;
        let answered = if !self.custom && answers_deleted(place.resource) {
            self.content(place)
        } else {
            Content::Definition(format!("{META}.Status"))
        };
        Operation {
            body: Some(self.delete_options()),
            responses: answers([("200", "OK"), ("202", "Accepted")], &answered),
            ..self.operation(
                place,
                Method::Delete,
                "delete",
                Options::Delete,
                format!("delete {}{kind}", article(kind)),
                self.named("delete", place),
            )
        }
    }

    fn delete_collection(&self, place: &Place<'_>) -> Operation {
        let kind = &place.resource.kind;
        let id = format!("delete{}Collection{}{kind}", self.id, scope(place));
        Operation {
            body: (!self.custom).then(|| self.delete_options()),
            responses: ok(Content::Definition(format!("{META}.Status"))),
            ..self.operation(
                place,
                Method::Delete,
                "deletecollection",
                Options::DeleteCollection,
                format!("delete collection of {kind}"),
                id,
            )
        }
    }

    fn watch(&self, place: &Place<'_>, name: String, list: bool) -> Operation {
        let kind = &place.resource.kind;
        let (action, description) = if list {
            let what = format!("watch individual changes to a list of {kind}.");
            ("watchlist", format!("{what} deprecated: use the 'watch' parameter with a list operation instead."))
        } else {
            let what = format!("watch changes to an object of kind {kind}.");
            let instead = "use the 'watch' parameter with a list operation instead, filtered to a single item with the \
                           'fieldSelector' parameter.";
            ("watch", format!("{what} deprecated: {instead}"))
        };
        Operation {
            produces: self.produced(true),
            responses: ok(Content::Definition(format!("{META}.WatchEvent"))),
            ..self.operation(place, Method::Get, action, Options::Watch, description, format!("watch{}{name}", self.id))
        }
    }

    fn connects(&self, place: &Place<'_>, connection: Connection, suffix: &str) -> Vec<Operation> {
        const ALL: [Method; 7] =
            [Method::Get, Method::Put, Method::Post, Method::Delete, Method::Options, Method::Head, Method::Patch];
        let methods = if connection == Connection::Proxy { &ALL[..] } else { &[Method::Get, Method::Post] };
        let Some(sub) = place.sub else { return Vec::new() };
        let kind = &place.resource.kind;
        let operation = |method: &Method| {
            let verb = method.name();
            let id = format!(
                "connect{}{}{}{kind}{}{suffix}",
                self.id,
                capitalized(verb),
                scope(place),
                capitalized(&sub.name)
            );
            let description = format!("connect {} requests to {} of {kind}", verb.to_uppercase(), sub.name);
            Operation {
                produces: vec!["*/*"],
                responses: ok(Content::Text),
                ..self.operation(place, *method, "connect", Options::Connect(connection), description, id)
            }
        };
        methods.iter().map(operation).collect()
    }

    fn operation(
        &self,
        place: &Place<'_>,
        method: Method,
        action: &'static str,
        options: Options,
        description: String,
        id: String,
    ) -> Operation {
        Operation {
            method,
            tag: self.tag.clone(),
            description,
            id,
            parameters: parameters::options(options, self.release.minor(), self.custom),
            body: None,
            consumes: if self.custom { vec!["application/json", "application/yaml"] } else { vec!["*/*"] },
            produces: self.produced(false),
            responses: Vec::new(),
            action: Some(action),
            kind: Some(self.operated_kind(place)),
        }
    }

    // Words.

    /// As `readAppsV1NamespacedDeploymentScale`.
    fn named(&self, verb: &str, place: &Place<'_>) -> String {
        let sub = place.sub.map(|it| capitalized(&it.name)).unwrap_or_default();
        format!("{verb}{}{}{}{sub}", self.id, scope(place), place.resource.kind)
    }

    /// The kind that an operation is said to be about.
    fn operated_kind(&self, place: &Place<'_>) -> GroupVersionKind {
        match place.sub {
            Some(sub) if !self.custom => sub.kind.clone(),
            _ => GroupVersionKind::new(self.group, self.version, &place.resource.kind),
        }
    }

    fn content(&self, place: &Place<'_>) -> Content {
        Content::Definition(self.handled(place))
    }

    fn body(&self, place: &Place<'_>) -> Option<Body> {
        Some(Body { definition: self.handled(place), required: true })
    }

    /// The definition of what is sent and answered.
    fn handled(&self, place: &Place<'_>) -> String {
        match place.sub {
            Some(sub) => self.definition(&sub.kind),
            None => self.definition(&GroupVersionKind::new(self.group, self.version, &place.resource.kind)),
        }
    }

    fn delete_options(&self) -> Body {
        Body { definition: format!("{META}.DeleteOptions"), required: false }
    }

    fn definition(&self, kind: &GroupVersionKind) -> String {
        super::naming::definition(self.release, kind)
    }

    fn produced(&self, streams: bool) -> Vec<&'static str> {
        let mut types = vec!["application/json", "application/yaml"];
        if !self.custom {
            types.push("application/vnd.kubernetes.protobuf");
        }
        if streams {
            types.extend(["application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch"]);
        }
        types
    }
}

/// Adds a path, where there is something to do at it.
fn push(to: &mut Vec<PathItem>, path: String, own: Vec<Parameter>, operations: Vec<Operation>) {
    if !operations.is_empty() {
        to.push(PathItem::new(path, own, operations));
    }
}

fn scope(place: &Place<'_>) -> &'static str {
    if place.resource.namespaced { "Namespaced" } else { "" }
}

/// As `status of `, for a subresource.
fn of(place: &Place<'_>) -> String {
    place.sub.map(|it| format!("{} of ", it.name)).unwrap_or_default()
}

fn ok(content: Content) -> Vec<Response> {
    answers([("200", "OK")], &content)
}

fn answers<const N: usize>(codes: [(&'static str, &'static str); N], content: &Content) -> Vec<Response> {
    let response = |(code, description)| Response { code, description, content: Some(content.clone()) };
    let refused = Response { code: "401", description: "Unauthorized", content: None };
    codes.into_iter().map(response).chain([refused]).collect()
}

/// What a subresource is a connection for, if it is one.
fn connection(of: &Resource, sub: &Subresource) -> Option<Connection> {
    if !of.group.is_empty() {
        return None;
    }
    Some(match &*sub.name {
        "attach" => Connection::Attach,
        "exec" => Connection::Exec,
        "portforward" => Connection::PortForward,
        "proxy" => Connection::Proxy,
        _ => return None,
    })
}

/// Whether a deletion is answered with the object that is deleted; mostly it is a Status.
fn answers_deleted(it: &Resource) -> bool {
    match &*it.group {
        "" => [
            "PersistentVolume",
            "PersistentVolumeClaim",
            "Pod",
            "PodTemplate",
            "ResourceQuota",
            "Service",
            "ServiceAccount",
        ]
        .contains(&&*it.kind),
        "policy" => &*it.kind == "PodSecurityPolicy",
        "resource.k8s.io" => true,
        "storage.k8s.io" => &*it.kind != "CSIStorageCapacity",
        _ => false,
    }
}

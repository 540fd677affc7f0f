//! What a request for a resource comes to, once the asker is known and allowed.
//!
//! [`options`] reads the query, `read`, `watch` and `write` do what the verb says, `reviews` answers questions
//! that are asked by creating an object, `node` says what only a node could answer, [`documents`] tells what there is,
//! [`present`] writes the answer.

pub mod documents;
mod node;
pub mod options;
pub mod present;
mod read;
mod reviews;
mod watch;
mod write;

use crate::body;
use crate::chain::Asked;
use crate::identity::Identities;
use crate::negotiate::{self, Media};
use crate::request::ResourceInfo;
use crate::respond::{self, Body, Layout};
use crate::rights::Rights;
use bytes::Bytes;
use hyper::header::{HeaderValue, WARNING};
use hyper::{Method, Response, StatusCode};
use k8s_authz::{Authorizer, ClusterAuthorizer};
use k8s_print::IncludeObject;
use k8s_registry::{Endpoint, Registry, Target};
use k8s_types::Status;
use k8s_types::release::Subresource;
use k8s_types::status::quote;
use present::Presenter;
use serde_json::Value;
use std::sync::{Arc, RwLockReadGuard};

/// A cluster's API.
pub struct Api {
    /// Its objects.
    pub registry: Arc<Registry>,
    /// Who may do what.
    pub rights: Rights,
    /// Who is who.
    pub identities: Arc<Identities>,
    /// What it tells of itself.
    pub documents: Arc<documents::Documents>,
}

/// The outcome of a request: an answer, or the refusal to be written in the client's format.
type Answer = Result<Response<Body>, Box<Status>>;

impl Api {
    /// Who may do what, at the moment.
    pub fn authorizer(&self) -> RwLockReadGuard<'_, ClusterAuthorizer> {
        self.rights.authorizer.read()
    }

    /// Whether somebody may do something.
    pub fn decide(&self, attributes: &k8s_authz::Attributes<'_>) -> k8s_authz::Decision {
        self.authorizer().decide(attributes)
    }

    /// Answers a request for a resource.
    pub async fn answer<B>(&self, asked: &Asked<'_>, body: B) -> Answer
    where
        B: hyper::body::Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        let Some(wanted) = &asked.info.resource else { return Err(Box::new(Status::no_such_resource())) };
        if !self.documents.has_group(&wanted.group) {
            return Ok(documents::no_page());
        }
        let endpoint = self.registry.catalog().endpoint(&wanted.group, &wanted.version, &wanted.resource);
        let Some(endpoint) = endpoint else { return Err(Box::new(Status::no_such_resource())) };
        let subresource = match wanted.subresource.as_str() {
            "" => None,
            name => match endpoint.subresource(name) {
                Some(found) => Some(found),
                None => return Err(Box::new(Status::no_such_resource())),
            },
        };
        let verb = asked.info.verb.as_str();
        exists(endpoint, subresource, wanted, verb)?;
        let namespaced = endpoint.resource().namespaced;
        let namespace = if namespaced { wanted.namespace.as_str() } else { "" };
        if asked.method == Method::HEAD {
            return Err(Box::new(Status::method_not_allowed()));
        }
        allows(endpoint, subresource, wanted, verb)?;
        let target = Target { endpoint, subresource: &wanted.subresource, namespace, name: &wanted.name };
        if node::is_of_node(target) {
            return self.of_node(target);
        }
        let mut response = match verb {
            "get" => self.get(asked, target).await,
            "list" => self.list(asked, endpoint, namespace),
            "watch" => self.watch(asked, endpoint, namespace),
            "create" => self.create(asked, target, subresource, self.body(asked, body).await?).await,
            "update" => self.update(asked, target, subresource, self.body(asked, body).await?).await,
            "patch" => self.patch(asked, target, body::read(body).await.map_err(Box::new)?).await,
            "delete" => self.delete(asked, target, body::read(body).await.map_err(Box::new)?).await,
            "deletecollection" => {
                self.delete_collection(asked, target, body::read(body).await.map_err(Box::new)?).await
            }
            _ => Err(Box::new(Status::method_not_allowed())),
        }?;
        if !matches!(verb, "get" | "list" | "watch") {
            self.rights.settle(endpoint, self.registry.revision()).await;
        }
        if let Some(text) = endpoint.resource().warning() {
            warn(&mut response, &[text]);
        }
        Ok(response)
    }

    /// Answers with a failure, in the format that the client takes if it can be had.
    pub fn failure(&self, asked: &Asked<'_>, layout: Layout, status: &Status) -> Response<Body> {
        let response = respond::failure(layout, status);
        let media = negotiate::accept(asked.headers, asked.query, false).map_or(Media::Json, |it| it.media);
        let body = match media {
            Media::Json => None,
            Media::Yaml => Some(crate::yaml::write(&status.to_value()).into_bytes()),
            Media::Protobuf => k8s_types::protobuf::encode(&status.to_value(), self.registry.catalog().release()).ok(),
        };
        match body {
            Some(body) => respond::with_body(response, media.name(), body.into()),
            None => response,
        }
    }

    fn presenter(&self, asked: &Asked<'_>) -> Result<Presenter<'_>, Box<Status>> {
        let format = negotiate::accept(asked.headers, asked.query, true)?;
        let include = match format.shape {
            negotiate::Shape::Table(_) => negotiate::include_object(asked.query)?,
            _ => IncludeObject::Metadata,
        };
        Ok(Presenter { registry: &self.registry, documents: &self.documents, format, include, now: asked.now })
    }

    /// Reads a body as the value that it stands for; the kind's own reader looks closer.
    async fn body<B>(&self, asked: &Asked<'_>, body: B) -> Result<Sent, Box<Status>>
    where
        B: hyper::body::Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        let media = negotiate::content_type(asked.headers)?;
        let bytes = body::read(body).await.map_err(Box::new)?;
        Ok(Sent { media, bytes })
    }
}

/// How many bytes of a body a refusal shows.
const SHOWN: usize = 30;

/// A body as it was sent.
struct Sent {
    media: Media,
    bytes: Bytes,
}

impl Sent {
    /// The value that it stands for, which should be of a kind.
    fn value(&self, api: &Api, kind: &str) -> Result<Value, Box<Status>> {
        let unreadable = |error: String| {
            let error = if error.starts_with("EOF") { "unexpected end of JSON input" } else { &error };
            self.unrecognized(kind, &format!("couldn't get version/kind; json parse error: {error}"))
        };
        match self.media {
            Media::Json => serde_json::from_slice(&self.bytes).map_err(|error| unreadable(error.to_string())),
            Media::Yaml => crate::yaml::read(&self.bytes).map_err(|error| self.unrecognized(kind, &error)),
            Media::Protobuf => {
                let release = api.registry.catalog().release();
                k8s_types::protobuf::decode(&self.bytes, release)
                    .map_err(|error| self.unrecognized(kind, &error.to_string()))
            }
        }
    }

    /// A refusal of a body that is no object; it shows how the body begins.
    fn unrecognized(&self, kind: &str, why: &str) -> Box<Status> {
        let begin = self.bytes.get(..SHOWN).unwrap_or(&self.bytes);
        let shown = match begin.first() {
            None => "<empty>".to_owned(),
            Some(b'{') => String::from_utf8_lossy(begin).into_owned(),
            Some(_) => base::hex(begin),
        };
        let more = if self.bytes.len() > SHOWN { " ..." } else { "" };
        Box::new(Status::bad_request(format!(
            "the object provided is unrecognized (must be of type {kind}): {why} ({shown}{more})"
        )))
    }
}

/// Whether there is such a path, for any method.
fn exists(
    endpoint: &Endpoint,
    subresource: Option<&Subresource>,
    wanted: &ResourceInfo,
    verb: &str,
) -> Result<(), Box<Status>> {
    let resource = endpoint.resource();
    let (scoped, named) = (!wanted.namespace.is_empty(), is_named(wanted, verb));
    let is_there = if !resource.namespaced {
        // A namespace is below itself, its siblings are not.
        !scoped || (&*resource.plural == "namespaces" && wanted.namespace == wanted.name)
    } else {
        scoped || !named
    };
    // What answers questions has no objects.
    let has_objects = subresource.is_some()
        || ["get", "update", "patch", "delete"].into_iter().any(|verb| resource.verbs.contains(verb));
    if is_there && (has_objects || !named) { Ok(()) } else { Err(Box::new(Status::no_such_resource())) }
}

/// Whether a path is one object's; a list may have a name from its selector.
fn is_named(wanted: &ResourceInfo, verb: &str) -> bool {
    !wanted.name.is_empty() && !matches!(verb, "list" | "watch" | "deletecollection")
}

/// Whether an endpoint knows a verb, on an object or on the collection of them.
fn allows(
    endpoint: &Endpoint,
    subresource: Option<&Subresource>,
    wanted: &ResourceInfo,
    verb: &str,
) -> Result<(), Box<Status>> {
    let resource = endpoint.resource();
    let verbs = subresource.map_or(resource.verbs, |it| it.verbs);
    let fits = match verb {
        // Objects are made where the others are, and only what belongs to an object is made at its own path.
        "create" => is_named(wanted, verb) == subresource.is_some(),
        "update" | "patch" => is_named(wanted, verb),
        _ => true,
    };
    // In all namespaces at once one can only look.
    let elsewhere = resource.namespaced && wanted.namespace.is_empty() && !matches!(verb, "list" | "watch");
    if verbs.contains(verb) && fits && !elsewhere { Ok(()) } else { Err(Box::new(Status::method_not_allowed())) }
}

/// Adds warnings to an answer, each once.
fn warn(response: &mut Response<Body>, texts: &[String]) {
    let mut said: Vec<&String> = Vec::new();
    for text in texts {
        if said.contains(&text) {
            continue;
        }
        said.push(text);
        if let Ok(value) = HeaderValue::from_str(&format!("299 - {}", quote(text))) {
            response.headers_mut().append(WARNING, value);
        }
    }
}

/// Answers with a Status that is no refusal.
fn done(presenter: &Presenter<'_>, status: &Status) -> Answer {
    let code = if status.code == 0 { StatusCode::OK } else { respond::code(status) };
    presenter.value(code, &status.to_value())
}

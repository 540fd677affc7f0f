//! What a request for a resource comes to, once the asker is known and allowed.
//!
//! [`options`] reads the query, `read`, `watch` and `write` do what the verb says, `reviews` answers questions
//! that are asked by creating an object, [`documents`] tells what there is, [`present`] writes the answer.

pub mod documents;
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
use crate::respond::{self, Body};
use crate::rights::Rights;
use bytes::Bytes;
use hyper::header::{HeaderValue, WARNING};
use hyper::{Response, StatusCode};
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
        let endpoint = self.registry.catalog().endpoint(&wanted.group, &wanted.version, &wanted.resource);
        let Some(endpoint) = endpoint else { return Err(Box::new(Status::no_such_resource())) };
        let subresource = match wanted.subresource.as_str() {
            "" => None,
            name => match endpoint.subresource(name) {
                Some(found) => Some(found),
                None => return Err(Box::new(Status::no_such_resource())),
            },
        };
        let namespaced = endpoint.resource().namespaced;
        let scoped = !wanted.namespace.is_empty();
        let named_namespace = &*endpoint.resource().plural == "namespaces";
        if scoped && !namespaced && !named_namespace {
            return Err(Box::new(Status::no_such_resource()));
        }
        let namespace = if namespaced { wanted.namespace.as_str() } else { "" };
        let verb = asked.info.verb.as_str();
        if namespaced && namespace.is_empty() && !matches!(verb, "list" | "watch" | "create") {
            return Err(Box::new(Status::no_such_resource()));
        }
        allows(endpoint, subresource, verb, namespaced && namespace.is_empty())?;
        let target = Target { endpoint, subresource: &wanted.subresource, namespace, name: &wanted.name };
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

/// A body as it was sent.
struct Sent {
    media: Media,
    bytes: Bytes,
}

impl Sent {
    /// The value that it stands for.
    fn value(&self, api: &Api) -> Result<Value, Box<Status>> {
        let unreadable = |error: String| {
            let text = format!(
                "the object provided is unrecognized (must be of type Kind): couldn't get version/kind; json parse error: {error}"
            );
            Box::new(Status::bad_request(text))
        };
        match self.media {
            Media::Json => serde_json::from_slice(&self.bytes).map_err(|error| unreadable(error.to_string())),
            Media::Yaml => crate::yaml::read(&self.bytes).map_err(unreadable),
            Media::Protobuf => {
                let release = api.registry.catalog().release();
                k8s_types::protobuf::decode(&self.bytes, release).map_err(|error| {
                    Box::new(Status::bad_request(format!("the object provided is unrecognized: {error}")))
                })
            }
        }
    }
}

/// Whether an endpoint knows a verb.
fn allows(
    endpoint: &Endpoint,
    subresource: Option<&Subresource>,
    verb: &str,
    everywhere: bool,
) -> Result<(), Box<Status>> {
    let verbs = subresource.map_or(endpoint.resource().verbs, |it| it.verbs);
    // A thing that lies in a namespace is made in one, but reviews say in their body where they are.
    let elsewhere = everywhere && verb == "create";
    if verbs.contains(verb) && !elsewhere { Ok(()) } else { Err(Box::new(Status::method_not_allowed())) }
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

//! A request's way: body, service, signature, operation, authorization, constraints, call, answer.

use crate::access::{AccessKey, Authorizer, Credentials};
use crate::body::{BodyError, Reader};
use crate::host::{GLOBAL_REGION, Host};
use crate::journal::Entry;
use crate::pick::{Services, likely_protocol};
use crate::service::{Output, ServiceEntry};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_model::{Context, Fault, Model, ModelError, Models};
use aws_wire::sigv4::{self, SigError, Signed, Verifier};
use aws_wire::{Decoded, Parts, Reply, encode};
use base::{Clock, Region};
use bytes::Bytes;
use futures::FutureExt;
use http_body_util::Full;
use hyper::body::Body;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::http::request;
use hyper::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

/// Where the daemon's own clients ask whether it is up. No name of AWS's starts with an underscore.
const HEALTH: &str = "/_postern/health";

/// What a gateway is made from.
pub struct GatewayConfig {
    /// The services that it leads to.
    pub services: Vec<ServiceEntry>,
    /// Who has which key.
    pub credentials: Arc<dyn Credentials>,
    /// Who may do what.
    pub authorizer: Arc<dyn Authorizer>,
    /// The time, for signatures and sessions.
    pub clock: Arc<dyn Clock>,
}

/// Why there is no gateway.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The models can't be read.
    #[error("the service models can't be read")]
    Models(#[from] ModelError),
    /// There is no model of this name.
    #[error("there is no model of the service {0}")]
    NoModel(&'static str),
}

/// Where a request came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// From this machine, over its own loopback interface.
    Host,
    /// From a network that we serve.
    Network,
}

/// The edge of the AWS APIs. One serves all listeners.
pub struct Gateway {
    models: Models,
    services: Vec<ServiceEntry>,
    credentials: Arc<dyn Credentials>,
    authorizer: Arc<dyn Authorizer>,
    clock: Arc<dyn Clock>,
    verifier: Verifier,
    bodies: Reader,
}

/// The models of those services that are led to.
struct Served<'a>(&'a Gateway);

impl Services for Served<'_> {
    fn models(&self) -> impl Iterator<Item = &Model> {
        self.0.services.iter().filter_map(|service| self.0.models.service(service.name))
    }
}

impl Gateway {
    /// A gateway that listens nowhere yet.
    ///
    /// # Errors
    /// [`GatewayError`] for a service without a model.
    pub fn new(config: GatewayConfig) -> Result<Arc<Self>, GatewayError> {
        let models = Models::load()?;
        if let Some(service) = config.services.iter().find(|service| models.service(service.name).is_none()) {
            return Err(GatewayError::NoModel(service.name));
        }
        Ok(Arc::new(Self {
            models,
            services: config.services,
            credentials: config.credentials,
            authorizer: config.authorizer,
            clock: config.clock,
            verifier: Verifier::default(),
            bodies: Reader::default(),
        }))
    }

    /// Answers one request.
    pub async fn handle<B>(&self, request: Request<B>, origin: Origin) -> Response<Full<Bytes>>
    where
        B: Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        if origin == Origin::Host && request.method() == Method::GET && request.uri().path() == HEALTH {
            return health();
        }
        let started = Instant::now();
        let request_id = base::random_uuid();
        let mut entry = Entry::default();
        let (head, body) = request.into_parts();
        let reply = match self.bodies.read(body).await {
            Ok(body) => self.answer(&parts(&head, &body.bytes), &request_id, &mut entry).await,
            Err(error) => self.refuse_body(error, &parts(&head, b""), &request_id, &mut entry),
        };
        entry.write(&request_id, reply.status, started.elapsed());
        response(reply)
    }

    async fn answer(&self, parts: &Parts<'_>, request_id: &str, entry: &mut Entry) -> Reply {
        let host = Host::parse(parts.header("host").unwrap_or_default());
        let signed = sigv4::parse(parts);
        let served = Served(self);
        let model = match &signed {
            // Where host and scope disagree the host's service refuses.
            Ok(signed) => served.at(&host).or_else(|| match host {
                Host::Neutral => served.signed_for(&signed.credential.service),
                _ => None,
            }),
            Err(_) => served.hinted(&host, parts),
        };
        let Some(model) = model else {
            let fault = unknown_service(&host, signed.as_ref().ok(), self.services.iter().map(|it| it.name));
            entry.code = Some(fault.code.to_string());
            return encode::plain_fault(likely_protocol(parts), &fault, request_id);
        };
        entry.service = Some(model.service().to_owned());
        let outcome = match signed {
            Ok(signed) => self.call(model, &host, parts, &signed, request_id, entry).await,
            Err(error) => Err(error.fault(model.protocol())),
        };
        outcome.unwrap_or_else(|fault| {
            entry.code = Some(fault.code.to_string());
            encode::fault(model, &fault, request_id)
        })
    }

    async fn call(
        &self,
        model: &Model,
        host: &Host,
        parts: &Parts<'_>,
        signed: &Signed,
        request_id: &str,
        entry: &mut Entry,
    ) -> Result<Reply, Fault> {
        // `model` came from this list.
        let Some(service) = self.services.iter().find(|service| service.name == model.service()) else {
            return Err(Fault::server("InternalFailure", "the service is gone"));
        };
        let now = self.clock.now();
        let identified = region(model, service.global, host, signed)
            .and_then(|region| Ok((region, self.authenticate(parts, signed, now)?)));
        let (region, key) = identified.map_err(|error| error.fault(model.protocol()))?;
        let ctx = Context { caller: key.caller.clone(), region, request_id: request_id.to_owned(), now };
        entry.caller = Some(ctx.caller.arn.clone());

        let Decoded { operation, input } = aws_wire::decode(model, parts)?;
        entry.operation = Some(operation.name.clone());
        self.authorizer.authorize(&ctx, model.service(), &operation.name, &input)?;
        aws_wire::validate(model, operation, &input)?;
        // A defect in one operation must not take the connection, and its caller's other requests, with it.
        let called = AssertUnwindSafe(service.dispatch.dispatch(&ctx, &operation.name, input)).catch_unwind().await;
        let output = called.unwrap_or_else(|_| {
            tracing::error!(request_id, operation = operation.name, "an operation panicked");
            Err(Fault::server("InternalFailure", "An internal error has occurred"))
        })?;
        Ok(match output {
            Output::Tree(tree) => encode::success(model, operation, &tree, request_id),
            Output::Json(text) => encode::json_text(model, operation, text, request_id),
        })
    }

    /// Who signed. The clock and the key's own state come after the signature: a stranger learns nothing from them.
    fn authenticate(&self, parts: &Parts<'_>, signed: &Signed, now: Timestamp) -> Result<Arc<AccessKey>, SigError> {
        let key = self.credentials.find(&signed.credential.access_key_id).ok_or(SigError::UnknownKey)?;
        let token = match (&key.session_token, &signed.session_token) {
            (None, None) => true,
            (Some(ours), Some(theirs)) => verify_slices_are_equal(ours.as_bytes(), theirs.as_bytes()).is_ok(),
            _ => false,
        };
        if !token || !key.active {
            return Err(SigError::UnknownKey);
        }
        self.verifier.verify(parts, signed, &key.secret, now)?;
        match key.expires {
            Some(expires) if expires <= now => Err(SigError::ExpiredToken),
            _ => Ok(key),
        }
    }

    fn refuse_body(&self, error: BodyError, parts: &Parts<'_>, request_id: &str, entry: &mut Entry) -> Reply {
        let fault = match error {
            BodyError::TooLarge => {
                let text = format!("Request body exceeds the limit of {} bytes.", crate::body::LARGEST);
                Fault::with_status(413, "RequestEntityTooLarge", text)
            }
            BodyError::TooSlow => Fault::with_status(408, "RequestTimeout", "The request's body came too slowly."),
            BodyError::Broken => Fault::client("IncompleteBody", "The request's body broke off."),
        };
        entry.code = Some(fault.code.to_string());
        let host = Host::parse(parts.header("host").unwrap_or_default());
        let served = Served(self);
        let signed = sigv4::parse(parts).ok();
        let scoped = signed.as_ref().and_then(|signed| served.signed_for(&signed.credential.service));
        match served.at(&host).or(scoped).or_else(|| served.hinted(&host, parts)) {
            Some(model) => encode::fault(model, &fault, request_id),
            None => encode::plain_fault(likely_protocol(parts), &fault, request_id),
        }
    }
}

/// The region that a request is for: the signature's, which must be one that is served and the host's.
fn region(model: &Model, global: bool, host: &Host, signed: &Signed) -> Result<Region, SigError> {
    let scoped = signed.credential.region.as_str();
    let expected = match host {
        Host::Aws { region, .. } => region.as_str(),
        // Clients that are given an address of their own sign even for global services with their own region.
        Host::Neutral | Host::Foreign => scoped,
    };
    signed.check_scope(model.signing_name(), expected)?;
    let known = scoped.parse().ok().filter(Region::known);
    let region = known.ok_or_else(|| SigError::WrongScope("a valid region".to_owned()))?;
    if global {
        GLOBAL_REGION.parse().map_err(|_| SigError::WrongScope("a valid region".to_owned()))
    } else {
        Ok(region)
    }
}

fn unknown_service(host: &Host, signed: Option<&Signed>, served: impl Iterator<Item = &'static str>) -> Fault {
    let served = served.collect::<Vec<_>>().join(", ");
    let what = match (host, signed) {
        (Host::Aws { prefix, .. }, _) => format!("the service {prefix}"),
        (Host::Foreign, _) => "a service at this host name".to_owned(),
        (Host::Neutral, Some(signed)) => format!("the service {}", signed.credential.service),
        (Host::Neutral, None) => {
            let text = format!(
                "Request is missing Authentication Token, and neither host, target, action nor path says which of \
                 Postern's services is meant: {served}."
            );
            return Fault::with_status(403, "MissingAuthenticationToken", text);
        }
    };
    Fault::client("UnsupportedOperation", format!("Postern does not serve {what}. It serves {served}."))
}

/// The request as its signature covers it. HTTP/2 has the host in `:authority`.
fn parts<'a>(head: &'a request::Parts, body: &'a [u8]) -> Parts<'a> {
    let mut headers: Vec<_> = head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    if !head.headers.contains_key("host")
        && let Some(authority) = head.uri.authority()
    {
        headers.push(("host", authority.as_str().as_bytes()));
    }
    let (path, query) = (head.uri.path(), head.uri.query().unwrap_or_default());
    Parts { method: head.method.as_str(), path, query, headers, body }
}

fn response(reply: Reply) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(reply.body)));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in reply.headers {
        // A fault's code may be a text from anywhere; one that is no header is left out.
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    response
}

fn health() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(b"{\"status\":\"ok\"}\n")));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

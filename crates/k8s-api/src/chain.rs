//! What every request goes through, outermost first: audit id, request info, authentication, impersonation,
//! flow control, authorization, and only then whatever serves the path.

use crate::api::Api;
use crate::authentication::{AnonymousAccess, Caller, authenticate};
use crate::flow::FlowControl;
use crate::flow::deadline::Span;
use crate::flow::table::{Class, Marks};
use crate::health::Health;
use crate::identity::{to_info, to_user};
use crate::observe::audit::{Record, Stage, Verdict};
use crate::observe::metrics::{Counted, What};
use crate::observe::{Journal, Metrics};
use crate::request::RequestInfo;
use crate::respond::{self, Body, Failed, Layout};
use crate::version::VersionInfo;
use base::KubernetesRelease;
use hyper::header::HeaderValue;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use jiff::Timestamp;
use k8s_authn::impersonation::{Check, Impersonation, NoUser, Part};
use k8s_authz::{Attributes, Decision, User};
use k8s_types::Status;
use k8s_types::selectors::FieldTerm;
use std::sync::Arc;
use std::time::Instant;
use tokio::time::timeout_at;

/// The longest audit id that is taken over from a client; upstream's limit.
const LONGEST_AUDIT_ID: usize = 64;

/// Everything that answering takes, one per cluster.
pub struct Chain {
    access: AnonymousAccess,
    version: VersionInfo,
    /// The server's checks.
    pub health: Health,
    /// The cluster's API.
    pub api: Api,
    metrics: Arc<Metrics>,
    audit: Journal,
    /// Whose turn it is.
    pub flow: FlowControl,
}

/// An answer before its common headers, and what is told of the request afterwards.
#[derive(Default)]
struct Outcome {
    response: Response<Body>,
    /// What is asked; `None` for a path that can't be read.
    info: Option<RequestInfo>,
    /// Who asks, and as whom.
    user: Option<User>,
    impersonated: Option<User>,
    verdict: Option<Verdict>,
    /// What it is counted as, from before it was answered.
    counted: Option<Counted>,
}

/// A request as it came.
struct Came<'a> {
    parts: &'a hyper::http::request::Parts,
    caller: &'a Caller,
    audit_id: HeaderValue,
    at: Timestamp,
    clock: Instant,
}

/// A request whose asker is known and allowed.
pub struct Asked<'a> {
    /// What is asked.
    pub info: &'a RequestInfo,
    /// How.
    pub method: &'a Method,
    /// The raw query.
    pub query: &'a str,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// Who asks.
    pub user: &'a User,
    /// When.
    pub now: Timestamp,
}

impl Chain {
    /// The chain of a cluster of `release`. The record of every request goes to `audit`.
    pub fn new(release: &KubernetesRelease, health: Health, api: Api, flow: FlowControl, audit: Journal) -> Self {
        Self {
            access: AnonymousAccess::of(release.version),
            version: VersionInfo::of(release),
            health,
            api,
            metrics: Arc::default(),
            audit,
            flow,
        }
    }

    /// Answers `request` of `caller`.
    pub async fn answer<B>(&self, request: Request<B>, caller: &Caller) -> Response<Body>
    where
        B: hyper::body::Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        let (parts, body) = request.into_parts();
        let audit_id = audit_id(&parts.headers);
        let came = Came { parts: &parts, caller, audit_id, at: Timestamp::now(), clock: Instant::now() };
        let outcome = self.outcome(&came, body).await;
        let mut response = self.tell(&came, outcome);
        respond::common_headers(&mut response, came.audit_id);
        if parts.method == Method::HEAD { respond::without_body(response) } else { response }
    }

    async fn outcome<B>(&self, came: &Came<'_>, body: B) -> Outcome
    where
        B: hyper::body::Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        let (parts, headers, now) = (came.parts, &came.parts.headers, came.at);
        let query = parts.uri.query().unwrap_or_default();
        let layout = Layout::wanted(query, headers);
        let mut outcome = Outcome::default();
        let Ok(info) = RequestInfo::parse(&parts.method, parts.uri.path(), query) else {
            outcome.response = respond::text(StatusCode::BAD_REQUEST, "400 Bad Request");
            return outcome;
        };
        let info = outcome.info.insert(info);
        outcome.counted = Some(self.metrics.begin(What::of(&self.api.registry, &parts.method, info, query)));
        let span = match Span::of(info, query) {
            Ok(span) => span,
            Err(status) => {
                outcome.response = respond::failure(layout, &status);
                return outcome;
            }
        };
        let user = authenticate(&self.api, self.access, info, headers, &came.caller.user, now).await;
        self.metrics.authenticated(user.is_ok());
        let Ok(user) = user else {
            outcome.response = respond::failure(layout, &Status::unauthorized());
            return outcome;
        };
        let user = &*outcome.user.insert(user);
        outcome.impersonated = match self.impersonated(user, info, headers) {
            Ok(other) => other,
            Err(Refusal::Status(status)) => {
                outcome.response = respond::failure(layout, &status);
                return outcome;
            }
            Err(Refusal::Page(text)) => {
                outcome.response = respond::text(StatusCode::INTERNAL_SERVER_ERROR, text);
                return outcome;
            }
        };
        let user = outcome.impersonated.as_ref().unwrap_or(user);
        let asked = Asked { info, method: &parts.method, query, headers, user, now };
        let turn = self.in_turn(&asked, body, layout, span, &mut outcome.verdict);
        outcome.response = match span {
            Span::Watch | Span::Stream => turn.await,
            Span::Within(time) => timeout_at((came.clock + time).into(), turn).await.unwrap_or_else(|_| {
                let status = Status::timeout("request did not complete within the allotted timeout", None);
                respond::failure(layout, &status)
            }),
        };
        outcome
    }

    /// Answers when it is the request's turn. A watch has its seat until its answer has begun; what streams otherwise
    /// needs none.
    async fn in_turn<B>(
        &self,
        asked: &Asked<'_>,
        body: B,
        layout: Layout,
        span: Span,
        verdict: &mut Option<Verdict>,
    ) -> Response<Body>
    where
        B: hyper::body::Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        let class = if span == Span::Stream { None } else { self.flow.classify(asked.user, asked.info) };
        let Some(Class { level, flow, marks }) = class else {
            return self.if_allowed(asked, body, layout, verdict).await;
        };
        let mut response = match level.seat(flow, span.patience()).await {
            Ok(_seat) => self.if_allowed(asked, body, layout, verdict).await,
            Err(rejection) => {
                tracing::debug!(user = asked.user.name, ?rejection, "no seat");
                respond::too_many_requests()
            }
        };
        let Marks { schema, level } = marks;
        response.headers_mut().insert(respond::FLOW_SCHEMA, schema);
        response.headers_mut().insert(respond::PRIORITY_LEVEL, level);
        response
    }

    async fn if_allowed<B>(
        &self,
        asked: &Asked<'_>,
        body: B,
        layout: Layout,
        verdict: &mut Option<Verdict>,
    ) -> Response<Body>
    where
        B: hyper::body::Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        match self.verdict(asked, &asked.info.verb) {
            Ok(allowed) => {
                *verdict = Some(allowed);
                self.serve(asked, body, layout).await
            }
            Err((refused, status)) => {
                *verdict = Some(refused);
                respond::failure(layout, &status)
            }
        }
    }

    /// Counts and records a request that was answered. What goes on, as a watch, is recorded again when it ends.
    fn tell(&self, came: &Came<'_>, outcome: Outcome) -> Response<Body> {
        let Outcome { mut response, info, user, impersonated, verdict, counted } = outcome;
        let code = response.status().as_u16();
        if let Some(counted) = &counted {
            let bytes = hyper::body::Body::size_hint(response.body()).exact();
            self.metrics.answered(counted.what(), code, came.clock.elapsed(), bytes);
        }
        let failed = response.extensions_mut().remove::<Failed>();
        let record = Record {
            audit_id: came.audit_id.to_str().unwrap_or_default(),
            uri: &came.parts.uri,
            headers: &came.parts.headers,
            info: info.as_ref(),
            user: user.as_ref(),
            impersonated: impersonated.as_ref(),
            source: came.caller.address,
            verdict: verdict.as_ref(),
            code,
            failed: failed.as_ref(),
            received: came.at,
        };
        let goes_on = counted.as_ref().is_some_and(|it| it.what().is_long_running()) && code < 300;
        let stage = if goes_on { Stage::ResponseStarted } else { Stage::ResponseComplete };
        self.audit.line(|out| record.write(stage, Timestamp::now(), out));
        if !goes_on {
            return response;
        }
        let end = self.audit.is_kept().then(|| record.end(&self.audit));
        respond::holding(response, (counted, end))
    }

    /// Whether the asker may do what is asked; `verb` is the request's own, or another about the same.
    fn allowed(&self, asked: &Asked<'_>, verb: &str) -> Result<(), Box<Status>> {
        self.verdict(asked, verb).map(|_| ()).map_err(|(_, status)| status)
    }

    /// The same, with why.
    fn verdict(&self, asked: &Asked<'_>, verb: &str) -> Result<Verdict, (Verdict, Box<Status>)> {
        let fields = field_terms(asked);
        let attributes = attributes(asked, verb, &fields);
        let Decision { allowed, reason } = self.api.decide(&attributes);
        if allowed {
            return Ok(Verdict { allowed, reason });
        }
        let status = Box::new(attributes.forbidden(&reason));
        Err((Verdict { allowed, reason }, status))
    }

    /// The user that the asker wants to act as, if it is another.
    fn impersonated(&self, user: &User, info: &RequestInfo, headers: &HeaderMap) -> Result<Option<User>, Refusal> {
        let version = self.api.identities.version();
        let pairs = headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let wish = Impersonation::from_headers(version, pairs).map_err(|error| match error {
            NoUser::Fault(text) => Refusal::Page(NoUser::page(&info.path, &text)),
            NoUser::BadRequest(status) => Refusal::Status(status),
        })?;
        let Some(wish) = wish else { return Ok(None) };
        let none = HeaderMap::new();
        let (method, now) = (&Method::GET, Timestamp::UNIX_EPOCH);
        let asked = Asked { info, method, query: "", headers: &none, user, now };
        let attempt = wish.resolve(version, &to_info(user), |check| self.may_impersonate(&asked, check));
        attempt.map(|it| Some(to_user(it.user))).map_err(Refusal::Status)
    }

    fn may_impersonate(&self, asked: &Asked<'_>, check: &Check) -> Result<(), Box<Status>> {
        let attributes = |part| part_attributes(asked.user, part);
        match check {
            Check::Request(prefix) => self.allowed(asked, &format!("{prefix}{}", asked.info.verb)),
            Check::Part(part) => {
                let attributes = attributes(part);
                let decision = self.api.decide(&attributes);
                if decision.allowed { Ok(()) } else { Err(Box::new(attributes.forbidden(&decision.reason))) }
            }
            Check::Many(all, parts) => {
                if self.api.decide(&attributes(all)).allowed {
                    return Ok(());
                }
                parts.iter().try_for_each(|it| self.may_impersonate(asked, it))
            }
            Check::Never(part, reason) => Err(Box::new(attributes(part).forbidden(reason))),
        }
    }

    async fn serve<B>(&self, asked: &Asked<'_>, body: B, layout: Layout) -> Response<Body>
    where
        B: hyper::body::Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        if asked.info.resource.is_some() {
            return match self.api.answer(asked, body).await {
                Ok(response) => response,
                Err(status) => self.api.failure(asked, layout, &status),
            };
        }
        match asked.info.path.as_str() {
            "/version" | "/version/" if asked.info.verb == "get" => {
                // Always for people, whatever the client is.
                match crate::negotiate::accept(asked.headers, asked.query, false) {
                    Ok(_) => respond::json(StatusCode::OK, Layout::Indented, &self.version),
                    Err(status) => respond::failure(layout, &status),
                }
            }
            "/version" | "/version/" => respond::failure(layout, &Status::method_not_allowed()),
            "/metrics" | "/metrics/" if asked.info.verb == "get" => {
                self.metrics.answer(&self.api.registry, &self.version, &self.audit, &self.flow.loads())
            }
            path => match self.health.report(path, asked.query) {
                Some(report) => respond::report(report),
                None => self.api.documents.answer(&self.api, asked, layout),
            },
        }
    }
}

/// The part of a user that somebody wants to act as, as a wish.
fn part_attributes<'a>(asker: &'a User, part: &'a Part) -> Attributes<'a> {
    Attributes {
        version: part.version,
        subresource: &part.subresource,
        namespace: &part.namespace,
        name: &part.name,
        ..Attributes::resource(asker, &part.verb, part.group, part.resource)
    }
}

/// Why somebody can't act as somebody else.
enum Refusal {
    Status(Box<Status>),
    Page(String),
}

/// What a request is restricted to by a field selector.
fn field_terms(asked: &Asked<'_>) -> Vec<FieldTerm> {
    if !matches!(asked.info.verb.as_str(), "list" | "watch" | "deletecollection") {
        return Vec::new();
    }
    let text = crate::query::value(asked.query, "fieldSelector").unwrap_or_default();
    k8s_types::selectors::parse_terms(&text).unwrap_or_default()
}

fn attributes<'a>(asked: &'a Asked<'_>, verb: &'a str, fields: &'a [FieldTerm]) -> Attributes<'a> {
    match &asked.info.resource {
        None => Attributes::path(asked.user, verb, &asked.info.path),
        Some(it) => Attributes {
            version: &it.version,
            subresource: &it.subresource,
            namespace: &it.namespace,
            name: &it.name,
            fields,
            ..Attributes::resource(asked.user, verb, &it.group, &it.resource)
        },
    }
}

/// The client's own id where it is fit to be sent back, else a new one.
fn audit_id(headers: &HeaderMap) -> HeaderValue {
    match headers.get(respond::AUDIT_ID) {
        Some(id) if !id.is_empty() && id.len() <= LONGEST_AUDIT_ID => id.clone(),
        _ => HeaderValue::from_str(&base::random_uuid()).unwrap_or(HeaderValue::from_static("")),
    }
}

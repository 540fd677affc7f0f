//! What a minor tells of itself: discovery, schemas, what fields are for, and where tokens come from. The documents are
//! made once for all clusters of a minor.

use crate::api::Api;
use crate::chain::Asked;
use crate::negotiate;
use crate::query;
use crate::respond::{self, Body, Layout};
use bytes::Bytes;
use hyper::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, EXPIRES, HeaderValue, IF_NONE_MATCH, LOCATION, VARY,
};
use hyper::{Response, StatusCode};
use k8s_discovery::{Catalogue, Document, Documents as Published, Form, Root};
use k8s_types::Status;
use k8s_types::release::{Descriptions, Release};
use serde_json::{Value, json};
use std::sync::{Arc, OnceLock};

const JSON: &str = "application/json";
const SWAGGER: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// The documents of a minor.
pub struct Documents {
    release: Arc<Release>,
    published: Published,
    descriptions: OnceLock<Option<Descriptions>>,
}

impl Documents {
    /// The documents of a minor; each is made when somebody asks for it.
    pub fn new(release: Arc<Release>) -> Self {
        let published = Published::new(Catalogue::new(release.clone()));
        Self { release, published, descriptions: OnceLock::new() }
    }

    /// What a field is for; nothing where the build has no descriptions.
    pub fn describe(&self, definition: &str, field: &str) -> String {
        let descriptions = self.descriptions.get_or_init(|| self.release.descriptions());
        descriptions.as_ref().and_then(|it| it.of_field(definition, field)).unwrap_or_default().to_owned()
    }

    /// Answers a request for a path that is no resource.
    pub fn answer(&self, api: &Api, asked: &Asked<'_>, layout: Layout) -> Response<Body> {
        let path = asked.info.path.as_str();
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        // Schemas are files, which can be asked for without their content.
        let known = match parts.first() {
            Some(&"api" | &"apis" | &".well-known") => asked.info.verb == "get",
            Some(&"openapi") => matches!(asked.info.verb.as_str(), "get" | "head"),
            _ => true,
        };
        if !known {
            return respond::failure(layout, &Status::method_not_allowed());
        }
        let found = match parts.as_slice() {
            [""] => Some(respond::json(StatusCode::OK, layout, &self.index())),
            ["api"] => Some(self.root(asked, layout, Root::Api)),
            ["apis"] => Some(self.root(asked, layout, Root::Apis)),
            ["api", version] => self.published.discovery.resources("", version).map(|it| self.json(it, asked, layout)),
            ["apis", group] => self.published.discovery.group(group).map(|it| self.json(it, asked, layout)),
            ["apis", group, version] => {
                self.published.discovery.resources(group, version).map(|it| self.json(it, asked, layout))
            }
            ["openapi", "v2"] => Some(self.swagger(asked)),
            ["openapi", "v3"] => Some(sent(self.published.openapi_index(), JSON, asked)),
            ["openapi", "v3", ..] => self.schema(asked, &path.trim_matches('/')["openapi/v3/".len()..]),
            [".well-known", "openid-configuration"] => {
                let issuer = &api.identities.policy.issuer;
                let configuration = k8s_authn::oidc::configuration(issuer, &format!("{issuer}/keys"));
                Some(respond::json(StatusCode::OK, Layout::Compact, &configuration))
            }
            ["openid", "v1", "jwks"] => {
                let keys = api.identities.tokens().map(|it| k8s_authn::oidc::jwks(&it.verifier.keys));
                keys.map(|keys| {
                    let body = Layout::Compact.write(&keys);
                    respond::full(StatusCode::OK, "application/jwk-set+json", body.into())
                })
            }
            _ => None,
        };
        found.unwrap_or_else(|| match parts.as_slice() {
            ["api", ..] => respond::failure(layout, &Status::no_such_resource()),
            ["apis", group, ..] if self.has_group(group) => respond::failure(layout, &Status::no_such_resource()),
            _ => no_page(),
        })
    }

    /// Whether there is a group of that name.
    pub fn has_group(&self, name: &str) -> bool {
        name.is_empty() || self.published.discovery.group(name).is_some()
    }

    /// All paths there are.
    fn index(&self) -> Value {
        let mut paths = vec!["/.well-known/openid-configuration".to_owned(), "/api".to_owned(), "/apis".to_owned()];
        for group in self.published.discovery.catalogue().groups() {
            let root = if group.name().is_empty() { "/api".to_owned() } else { format!("/apis/{}", group.name()) };
            if !group.name().is_empty() {
                paths.push(root.clone());
            }
            paths.extend(group.versions().iter().map(|it| format!("{root}/{}", it.name)));
        }
        let more = ["/healthz", "/healthz/ping", "/livez", "/livez/ping", "/openapi/v2", "/openapi/v3"];
        paths.extend(more.map(str::to_owned));
        paths.extend(["/openid/v1/jwks", "/readyz", "/readyz/ping", "/readyz/shutdown", "/version"].map(str::to_owned));
        paths.sort();
        json!({ "paths": paths })
    }

    /// `/api` and `/apis`: all in one for those who know that form, else the list of versions or groups.
    fn root(&self, asked: &Asked<'_>, layout: Layout, root: Root) -> Response<Body> {
        if let Some(form) = self.aggregated_form(asked) {
            let mut response = sent(self.published.discovery.aggregated(root, form), form.media_type(), asked);
            response.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
            return response;
        }
        match root {
            Root::Api => {
                let host = asked.headers.get(hyper::header::HOST).and_then(|it| it.to_str().ok()).unwrap_or_default();
                let address = if host.contains(':') { host.to_owned() } else { format!("{host}:443") };
                self.value(&self.published.discovery.versions(&address), asked, layout)
            }
            Root::Apis => self.json(self.published.discovery.groups(), asked, layout),
        }
    }

    /// The form of aggregated discovery that the client takes before plain JSON.
    fn aggregated_form(&self, asked: &Asked<'_>) -> Option<Form> {
        let text = asked.headers.get(ACCEPT)?.to_str().ok()?;
        for clause in text.split(',') {
            let mut parts = clause.split(';').map(str::trim);
            if parts.next() != Some(JSON) {
                continue;
            }
            let parameters: Vec<(&str, &str)> = parts.filter_map(|it| it.split_once('=')).collect();
            let parameter = |name: &str| parameters.iter().find(|(it, _)| *it == name).map(|(_, value)| *value);
            let shape = parameter("as")?;
            let form = parameter("v").and_then(Form::named).filter(|it| it.is_known(self.release.minor()));
            if shape == "APIGroupDiscoveryList" && parameter("g") == Some("apidiscovery.k8s.io") && form.is_some() {
                return form;
            }
        }
        None
    }

    /// A document that other media types have too.
    fn json(&self, document: &Document, asked: &Asked<'_>, layout: Layout) -> Response<Body> {
        match negotiate::accept(asked.headers, asked.query, false) {
            Ok(format) if format.media == negotiate::Media::Json && layout == Layout::Compact => {
                respond::full(StatusCode::OK, JSON, document.bytes())
            }
            _ => self.value(&serde_json::from_slice(&document.bytes()).unwrap_or_default(), asked, layout),
        }
    }

    fn value(&self, value: &Value, asked: &Asked<'_>, layout: Layout) -> Response<Body> {
        let format = match negotiate::accept(asked.headers, asked.query, false) {
            Ok(format) => format,
            Err(status) => return respond::failure(layout, &status),
        };
        match format.media {
            negotiate::Media::Json => respond::json(StatusCode::OK, layout, value),
            negotiate::Media::Yaml => {
                let body = crate::yaml::write(value).into_bytes();
                respond::full(StatusCode::OK, format.media.name(), body.into())
            }
            negotiate::Media::Protobuf => match k8s_types::protobuf::encode(value, &self.release) {
                Ok(body) => respond::full(StatusCode::OK, format.media.name(), body.into()),
                Err(_) => respond::json(StatusCode::OK, layout, value),
            },
        }
    }

    fn swagger(&self, asked: &Asked<'_>) -> Response<Body> {
        let accepted = asked.headers.get(ACCEPT).and_then(|it| it.to_str().ok()).unwrap_or_default();
        let wants = |it: &str| it.starts_with("application/com.github.proto-openapi.spec.v2");
        let mut response = if accepted.split(',').map(str::trim).any(wants) {
            sent(self.published.openapi.swagger_protobuf(), SWAGGER, asked)
        } else {
            sent(self.published.openapi.swagger(), JSON, asked)
        };
        response.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
        response
    }

    /// The schema of a group's version: for good where the client names the right hash.
    fn schema(&self, asked: &Asked<'_>, name: &str) -> Option<Response<Body>> {
        let document = self.published.openapi.document(name)?;
        let mut response = sent(document, JSON, asked);
        match query::value(asked.query, "hash").filter(|it| !it.is_empty()) {
            Some(hash) if hash == document.etag() => {
                let headers = response.headers_mut();
                headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, immutable"));
                let year = asked.now.checked_add(jiff::SignedDuration::from_hours(365 * 24)).unwrap_or(asked.now);
                let text = year.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
                if let Ok(value) = HeaderValue::from_str(&text) {
                    headers.insert(EXPIRES, value);
                }
            }
            Some(_) => {
                let place = format!("/openapi/v3/{name}?hash={}", document.etag());
                response = respond::text(StatusCode::MOVED_PERMANENTLY, Bytes::new());
                response.headers_mut().insert(LOCATION, HeaderValue::from_str(&place).ok()?);
            }
            None => {}
        }
        Some(response)
    }
}

/// There is nothing at a path, and nobody whose it would be.
pub fn no_page() -> Response<Body> {
    respond::text(StatusCode::NOT_FOUND, "404 page not found\n")
}

/// A document as it is, or that the client has it already.
fn sent(document: &Document, media: &'static str, asked: &Asked<'_>) -> Response<Body> {
    let tag = format!("\"{}\"", document.etag());
    let known = asked.headers.get(IF_NONE_MATCH).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let mut response = if known.split(',').map(str::trim).any(|it| it == tag || it == document.etag()) {
        let mut response = respond::text(StatusCode::NOT_MODIFIED, Bytes::new());
        response.headers_mut().remove(CONTENT_TYPE);
        response
    } else if negotiate::accepts_gzip(asked.headers) && document.bytes().len() > 128 * 1024 {
        let mut response = respond::full(StatusCode::OK, media, document.gzip());
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        response
    } else {
        respond::full(StatusCode::OK, media, document.bytes())
    };
    if let Ok(value) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(ETAG, value);
    }
    response
}

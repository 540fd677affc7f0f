//! The paths that belong to no version: discovery's own, the server's version, its tokens' issuer.

use super::naming::{operation_group, tag};
use super::operation::{Content, Method, Operation, PathItem, Response};

/// The media types of discovery's documents.
pub const OBJECTS: [&str; 3] = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";

/// `/api/`.
pub fn api() -> PathItem {
    discovery("/api/".to_owned(), "get available API versions", "getCoreAPIVersions".to_owned(), "core", "APIVersions")
}

/// `/apis/`.
pub fn apis() -> PathItem {
    discovery("/apis/".to_owned(), "get available API versions", "getAPIVersions".to_owned(), "apis", "APIGroupList")
}

/// `/apis/{group}/`.
pub fn group(name: &str) -> PathItem {
    let id = format!("get{}APIGroup", operation_group(name));
    discovery(format!("/apis/{name}/"), "get information of a group", id, &tag(name, None), "APIGroup")
}

/// `/version/`, of which a minor has its own words.
pub fn version(minor: u8) -> PathItem {
    let description = if minor < 33 { "get the code version" } else { "get the version information for this server" };
    let mut operation = get(description, "getCodeVersion".to_owned(), "version");
    operation.consumes = vec!["application/json"];
    operation.produces = vec!["application/json"];
    operation.responses = answer("io.k8s.apimachinery.pkg.version.Info");
    PathItem::new("/version/".to_owned(), Vec::new(), vec![operation])
}

/// `/.well-known/openid-configuration/`.
pub fn issuer() -> PathItem {
    let description = "get service account issuer OpenID configuration, also known as the 'OIDC discovery doc'";
    let mut operation = get(description, "getServiceAccountIssuerOpenIDConfiguration".to_owned(), "WellKnown");
    operation.produces = vec!["application/json"];
    operation.responses = text();
    PathItem::new("/.well-known/openid-configuration/".to_owned(), Vec::new(), vec![operation])
}

/// `/openid/v1/jwks/`.
pub fn keys() -> PathItem {
    let description = "get service account issuer OpenID JSON Web Key Set (contains public token verification keys)";
    let mut operation = get(description, "getServiceAccountIssuerOpenIDKeyset".to_owned(), "openid");
    operation.produces = vec!["application/jwk-set+json"];
    operation.responses = text();
    PathItem::new("/openid/v1/jwks/".to_owned(), Vec::new(), vec![operation])
}

/// An answer that is an object, and the refusal that may stand in for it.
pub fn answer(definition: &str) -> Vec<Response> {
    responses(Content::Definition(definition.to_owned()))
}

fn text() -> Vec<Response> {
    responses(Content::Text)
}

fn responses(content: Content) -> Vec<Response> {
    vec![
        Response { code: "200", description: "OK", content: Some(content) },
        Response { code: "401", description: "Unauthorized", content: None },
    ]
}

fn discovery(path: String, description: &str, id: String, tag: &str, kind: &str) -> PathItem {
    let mut operation = get(description, id, tag);
    operation.consumes = OBJECTS.into();
    operation.produces = OBJECTS.into();
    operation.responses = answer(&format!("{META}.{kind}"));
    PathItem::new(path, Vec::new(), vec![operation])
}

fn get(description: &str, id: String, tag: &str) -> Operation {
    Operation {
        method: Method::Get,
        tag: tag.to_owned(),
        description: description.to_owned(),
        id,
        parameters: Vec::new(),
        body: None,
        consumes: Vec::new(),
        produces: Vec::new(),
        responses: Vec::new(),
        action: None,
        kind: None,
    }
}

//! OpenAPI documents: what kinds there are, how they are shaped and what can be done with them, for tools.
//!
//! Read `operation` (what can be done at a path) and `schema` (types as JSON schemas); `v3` and `v2` write documents of
//! both, and `gnostic` writes the second kind as protobuf.

mod custom;
mod gnostic;
mod json;
mod naming;
mod operation;
mod parameters;
mod paths;
mod roots;
mod schema;
mod v2;
mod v3;

pub use custom::Custom;
pub use schema::{Descriptions, NO_DESCRIPTION};

use crate::catalogue::Catalogue;
use k8s_types::release::{GroupVersionKind, Release, Resource};
use operation::PathItem;
use paths::Paths;
use schema::{Definitions, Dialect};
use serde_json::Map;

/// The media types under which the second form is asked for and answered as protobuf.
pub const PROTOBUF_V2: [&str; 2] = [
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
];

/// The paths that a catalogue has OpenAPI 3.0 documents for without custom resources, sorted: `api/v1`,
/// `apis/apps/v1`, `version`.
pub fn built_in_names(catalogue: &Catalogue) -> Vec<String> {
    let fixed = ["api", "apis", "version", ".well-known/openid-configuration", "openid/v1/jwks"];
    let mut names: Vec<String> = fixed.iter().map(|it| (*it).to_owned()).collect();
    for group in catalogue.groups() {
        let versions = group.versions().iter().filter(|it| !it.is_custom());
        let before = names.len();
        names.extend(versions.map(|it| document_name(group.name(), &it.name)));
        if names.len() > before && !group.name().is_empty() {
            names.push(format!("apis/{}", group.name()));
        }
    }
    names.sort();
    names
}

/// The path of a version's OpenAPI 3.0 document, below `/openapi/v3/`.
pub fn document_name(group: &str, version: &str) -> String {
    if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") }
}

/// The OpenAPI 3.0 document of a path, as [`built_in_names`] has them.
pub fn document(catalogue: &Catalogue, texts: Option<&dyn Descriptions>, name: &str) -> Option<Vec<u8>> {
    let paths = paths_of(catalogue, name)?;
    let definitions = Definitions::new(catalogue.release(), texts);
    Some(v3::document(&definitions, &paths, &Map::new()))
}

/// The OpenAPI 3.0 document of a version of custom resources. Who makes many of them reads the descriptions once for
/// all.
pub fn custom_document(
    release: &Release,
    texts: Option<&dyn Descriptions>,
    group: &str,
    version: &str,
    resources: &[Custom<'_>],
) -> Vec<u8> {
    let paths = Paths::custom(release, group, version, resources).all();
    let own = custom::definitions(release, resources, Dialect::V3);
    v3::document(&Definitions::new(release, texts), &paths, &own)
}

/// The OpenAPI 2.0 document of everything: what is built in, and some custom resources.
pub fn swagger(catalogue: &Catalogue, texts: Option<&dyn Descriptions>, resources: &[Custom<'_>]) -> Vec<u8> {
    let release = catalogue.release();
    let built_in = |name: &String| paths_of(catalogue, name);
    let mut paths: Vec<PathItem> = built_in_names(catalogue).iter().filter_map(built_in).flatten().collect();
    let same_version = |a: &Custom<'_>, b: &Custom<'_>| {
        (&a.resource.group, &a.resource.version) == (&b.resource.group, &b.resource.version)
    };
    for of_version in resources.chunk_by(same_version) {
        let Some(first) = of_version.first() else { continue };
        paths.extend(Paths::custom(release, &first.resource.group, &first.resource.version, of_version).all());
    }
    paths.sort_by(|a, b| a.path.cmp(&b.path));
    let own = custom::definitions(release, resources, Dialect::V2);
    v2::document(&Definitions::new(release, texts), &paths, &own, release.minor())
}

/// The protobuf form of an OpenAPI 2.0 document.
pub fn swagger_protobuf(document: &[u8]) -> Vec<u8> {
    gnostic::encode(&serde_json::from_slice(document).unwrap_or_default())
}

/// The name that documents give to a kind's definition.
pub fn definition_name(release: &Release, kind: &GroupVersionKind) -> String {
    naming::definition(release, kind)
}

/// The paths of a document; nothing where it is not one of the release.
fn paths_of(catalogue: &Catalogue, name: &str) -> Option<Vec<PathItem>> {
    let (group, version) = match name {
        "api" => return Some(vec![roots::api()]),
        "apis" => return Some(vec![roots::apis()]),
        "version" => return Some(vec![roots::version(catalogue.release().minor())]),
        ".well-known/openid-configuration" => return Some(vec![roots::issuer()]),
        "openid/v1/jwks" => return Some(vec![roots::keys()]),
        _ => match name.strip_prefix("apis/") {
            Some(rest) => match rest.split_once('/') {
                Some((group, version)) => (group, version),
                None => return catalogue.group(rest).map(|it| vec![roots::group(it.name())]),
            },
            None => ("", name.strip_prefix("api/")?),
        },
    };
    let found = catalogue.version(group, version).filter(|it| !it.is_custom())?;
    let resources: Vec<&Resource> = catalogue.resources(found).collect();
    Some(Paths::built_in(catalogue.release(), group, version, resources).all())
}

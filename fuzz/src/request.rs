//! Requests as text: method and target in the first line, then headers.

use crate::world::WORLD;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Method};
use k8s_api::api::options::{ListOptions, WriteOptions};
use k8s_api::negotiate;
use k8s_api::request::RequestInfo;

/// Tells what is asked, how it is to be answered, and with which options.
pub fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let mut lines = text.split('\n');
    let Some((method, target)) = lines.next().and_then(|it| it.split_once(' ')) else { return };
    let Ok(method) = Method::from_bytes(method.as_bytes()) else { return };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|it| it.split_once(": ")) {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            headers.append(name, value);
        }
    }
    let Ok(info) = RequestInfo::parse(&method, path, query) else { return };
    let _ = (negotiate::accept(&headers, query, true), negotiate::content_type(&headers));
    let _ = (negotiate::accepts_gzip(&headers), negotiate::include_object(query));
    let Some(resource) = info.resource else { return };
    let catalog = WORLD.registry.catalog();
    let Some(endpoint) = catalog.endpoint(&resource.group, &resource.version, &resource.resource) else { return };
    if let Ok(options) = ListOptions::parse(query, endpoint, info.verb == "watch") {
        let _ = options.is_everything();
    }
    let _ = WriteOptions::parse(query, &endpoint.resource().kind, method == Method::PATCH, method == Method::PATCH);
}

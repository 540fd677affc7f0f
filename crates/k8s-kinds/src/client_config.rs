//! Where a webhook is: a URL, or a service of the cluster.

use crate::value::{Look, object_mut, set_default};
use k8s_types::{Errors, FieldError, Path, names};
use serde_json::Value;

const FORM: &str = "desired format: https://host[/path]";

/// Fills in a service's port.
pub(crate) fn default(config: &mut Value) {
    if let Some(service) = object_mut(config, "service") {
        set_default(service, "port", 443);
    }
}

/// What is wrong with a webhook's `clientConfig`.
pub(crate) fn validate(errors: &mut Errors, config: &Value, path: &Path) {
    match (config.has("url"), config.has("service")) {
        (true, false) => validate_url(errors, config.text("url"), &path.child("url")),
        (false, true) => validate_service(errors, config.at("service"), &path.child("service")),
        _ => errors.push(FieldError::required(path, "exactly one of url or service is required")),
    }
}

fn validate_url(errors: &mut Errors, url: &str, path: &Path) {
    let (before, fragment) = url.split_once('#').unwrap_or((url, ""));
    let (before, query) = before.split_once('?').unwrap_or((before, ""));
    let (scheme, rest) = before.split_once("://").unwrap_or(("", before));
    let authority = rest.split('/').next().unwrap_or_default();
    let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    if scheme != "https" {
        let why = format!("'https' is the only allowed URL scheme; {FORM}");
        errors.push(FieldError::invalid(path, scheme, &why));
    }
    if host.is_empty() || scheme.is_empty() {
        errors.push(FieldError::invalid(path, "", &format!("host must be specified; {FORM}")));
    }
    if let Some(user) = user {
        errors.push(FieldError::invalid(path, user, "user information is not permitted in the URL"));
    }
    if !fragment.is_empty() {
        errors.push(FieldError::invalid(path, fragment, "fragments are not permitted in the URL"));
    }
    if !query.is_empty() {
        errors.push(FieldError::invalid(path, query, "query parameters are not permitted in the URL"));
    }
}

fn validate_service(errors: &mut Errors, service: &Value, path: &Path) {
    for (field, why) in [("name", "service name is required"), ("namespace", "service namespace is required")] {
        crate::checks::required(errors, service, path, field, why);
    }
    let port = service.opt_int("port").unwrap_or(443);
    for fault in names::port_number(port) {
        errors.push(FieldError::invalid(&path.child("port"), port, &format!("port is not valid: {fault}")));
    }
    validate_path(errors, service.text("path"), &path.child("path"));
}

fn validate_path(errors: &mut Errors, text: &str, path: &Path) {
    if text.is_empty() || text == "/" {
        return;
    }
    if text == "//" {
        errors.push(FieldError::invalid(path, text, "segment[0] may not be empty"));
        return;
    }
    if !text.starts_with('/') {
        errors.push(FieldError::invalid(path, text, "must start with a '/'"));
    }
    let mut chars = text.chars();
    chars.next();
    let rest = chars.as_str();
    for (index, segment) in rest.strip_suffix('/').unwrap_or(rest).split('/').enumerate() {
        if segment.is_empty() {
            errors.push(FieldError::invalid(path, text, &format!("segment[{index}] may not be empty")));
            continue;
        }
        for fault in names::dns1123_subdomain(segment) {
            errors.push(FieldError::invalid(path, text, &format!("segment[{index}]: {fault}")));
        }
    }
}

//! Secret.

use super::config_map::{DATA_MAX, decoded_length, validate_frozen};
use crate::meta::immutable;
use crate::value::{self, Look, object_made, set_default_zero};
use crate::{Context, Kind};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_types::names::{self, invalid_each};
use k8s_types::{Errors, FieldError, Path};
use serde_json::Value;

/// The kind.
#[derive(Debug)]
pub struct Secret;

const ACCOUNT: &str = "kubernetes.io/service-account.name";

impl Kind for Secret {
    fn default(&self, object: &mut Value, _cx: &Context<'_>) {
        let texts: Vec<(String, String)> = object
            .entries("stringData")
            .map(|(key, text)| (key.to_owned(), STANDARD.encode(text.as_str().unwrap_or_default())))
            .collect();
        if !texts.is_empty()
            && let Some(data) = object_made(object, "data")
        {
            for (key, text) in texts {
                value::set(data, &key, text);
            }
        }
        value::remove(object, "stringData");
        set_default_zero(object, "type", "Opaque");
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value, _cx: &Context<'_>) {
        // Clients that do not know the type leave it as it is.
        if object.text("type").is_empty() {
            value::copy_field(object, old, "type");
        }
    }

    fn validate(&self, object: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let path = Path::new("data");
        let mut total = 0;
        for (key, value) in object.entries("data") {
            errors.extend(invalid_each(&path.key(key), key, names::config_map_key(key)));
            total += value.as_str().map_or(0, decoded_length);
        }
        if total > DATA_MAX {
            errors.push(FieldError::too_long(&path, DATA_MAX));
        }
        validate_type(&mut errors, object, &path);
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = immutable(object.at("type"), old.at("type"), &Path::new("type"));
        errors.extend(validate_frozen(object, old, &["data"]));
        errors.extend(self.validate(object, cx));
        errors
    }
}

/// What a type wants to be in a secret.
fn validate_type(errors: &mut Errors, object: &Value, path: &Path) {
    let data = object.at("data");
    let has = |key: &str| data.get(key).is_some();
    let needed = |key: &str| FieldError::required(&path.key(key), "");
    match object.text("type") {
        "kubernetes.io/service-account-token" if object.look(&["metadata", "annotations"]).text(ACCOUNT).is_empty() => {
            errors.push(FieldError::required(&Path::new("metadata.annotations").key(ACCOUNT), ""));
        }
        "kubernetes.io/dockercfg" => validate_json(errors, data, ".dockercfg", path),
        "kubernetes.io/dockerconfigjson" => validate_json(errors, data, ".dockerconfigjson", path),
        "kubernetes.io/basic-auth" if !has("username") && !has("password") => {
            errors.extend([needed("username"), needed("password")]);
        }
        "kubernetes.io/ssh-auth" if data.text("ssh-privatekey").is_empty() => errors.push(needed("ssh-privatekey")),
        "kubernetes.io/tls" => errors.extend(["tls.crt", "tls.key"].into_iter().filter(|it| !has(it)).map(needed)),
        _ => {}
    }
}

fn validate_json(errors: &mut Errors, data: &Value, key: &str, path: &Path) {
    let path = path.key(key);
    let Some(text) = data.get(key).and_then(Value::as_str) else {
        errors.push(FieldError::required(&path, ""));
        return;
    };
    let bytes = STANDARD.decode(text).unwrap_or_default();
    let text = match serde_json::from_slice::<Value>(&bytes) {
        Ok(Value::Object(_) | Value::Null) => return,
        Ok(other) => {
            format!("json: cannot unmarshal {} into Go value of type map[string]interface {{}}", kind_of(&other))
        }
        Err(error) => json_error(&bytes, &error),
    };
    errors.push(FieldError::invalid(&path, "<secret contents redacted>", &text));
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        _ => "array",
    }
}

/// As Go says it: the end came too soon, or a character does not fit.
fn json_error(bytes: &[u8], error: &serde_json::Error) -> String {
    if error.is_eof() {
        return "unexpected end of JSON input".to_owned();
    }
    let first = bytes.iter().find(|c| !c.is_ascii_whitespace());
    match first {
        Some(c) if !b"{[\"-0123456789tfn".contains(c) => {
            format!("invalid character '{}' looking for beginning of value", char::from(*c))
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const CX: Context<'_> = Context { minor: 34, version: "v1", now: "" };

    #[test]
    fn texts_become_data() {
        let mut it = json!({"stringData": {"a": "hello", "b": "x"}, "data": {"b": "AAE="}});
        Secret.default(&mut it, &CX);
        assert_eq!(it, json!({"data": {"b": "eA==", "a": "aGVsbG8="}, "type": "Opaque"}));
    }

    #[test]
    fn docker_secrets_are_json_objects() {
        let text = |json: &str| {
            let it = json!({"type": "kubernetes.io/dockercfg", "data": {".dockercfg": STANDARD.encode(json)}});
            Secret.validate(&it, &CX).first().map(|it| it.message.clone()).unwrap_or_default()
        };
        assert_eq!(text("{}"), "");
        assert!(text("x").ends_with("invalid character 'x' looking for beginning of value"));
        assert!(text("[]").contains("cannot unmarshal array") && text("{").ends_with("unexpected end of JSON input"));
    }
}

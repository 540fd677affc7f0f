//! The options of `pods/log`.

use super::check;
use crate::Context;
use crate::value::Look;
use k8s_types::{Errors, FieldError, Path};
use serde_json::Value;

const STREAMS: [&str; 3] = ["All", "Stderr", "Stdout"];

/// What is wrong with the options (`PodLogOptions`) of a request for a container's log.
pub fn validate(options: &Value, cx: &Context<'_>) -> Errors {
    let mut errors = Errors::new();
    let path = |name: &str| Path::new(name);
    if let Some(lines) = options.opt_int("tailLines") {
        check::nonnegative(&mut errors, lines, &path("tailLines"));
    }
    let positive = |errors: &mut Errors, name: &str| {
        if let Some(value) = options.opt_int(name).filter(|it| *it < 1) {
            errors.push(FieldError::invalid(&path(name), value, "must be greater than 0"));
        }
    };
    positive(&mut errors, "limitBytes");
    if options.has("sinceSeconds") && options.has("sinceTime") {
        let text = "at most one of `sinceTime` or `sinceSeconds` may be specified";
        errors.push(FieldError::forbidden(&path("[]"), text));
    } else {
        positive(&mut errors, "sinceSeconds");
    }
    validate_stream(&mut errors, options, cx);
    errors
}

/// Both streams are one until a minor that tells them apart.
fn validate_stream(errors: &mut Errors, options: &Value, cx: &Context<'_>) {
    let Some(stream) = options.at("stream").as_str() else { return };
    if cx.minor < 36 {
        errors.push(FieldError::forbidden(&Path::new("stream"), "may not be specified"));
        return;
    }
    check::one_of(errors, stream, &STREAMS, &Path::new("stream"));
    if stream != "All" && options.has("tailLines") {
        let text = "`tailLines` and specific `stream` are mutually exclusive for now";
        errors.push(FieldError::forbidden(&Path::new("[]"), text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_make_sense() {
        let cx = Context { minor: 34, version: "v1", now: "" };
        let texts = |it: Value| validate(&it, &cx).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            texts(json!({"tailLines": -1, "limitBytes": 0})),
            [
                "tailLines: Invalid value: -1: must be greater than or equal to 0",
                "limitBytes: Invalid value: 0: must be greater than 0"
            ]
        );
        assert_eq!(texts(json!({"sinceSeconds": 1, "sinceTime": "x"})).len(), 1);
        assert!(texts(json!({"tailLines": 0, "sinceSeconds": 1})).is_empty());
    }
}

//! Probes and lifecycle hooks: what is asked of a container, and how.

use super::check;
use crate::Context;
use crate::value::Look;
use k8s_types::names;
use k8s_types::{Errors, FieldError, Path};
use serde_json::Value;

/// What is wrong with a container's hooks and probes; `path` is the container's.
pub(crate) fn validate(errors: &mut Errors, container: &Value, grace: Option<i64>, path: &Path, cx: &Context<'_>) {
    let lifecycle = container.at("lifecycle");
    for hook in ["postStart", "preStop"] {
        if lifecycle.has(hook) {
            let path = path.child("lifecycle").child(hook);
            validate_handler(errors, lifecycle.at(hook), HOOKS, grace, &path, cx);
        }
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if container.has(name) {
            validate_probe(errors, name, container.at(name), grace, &path.child(name), cx);
        }
    }
}

const PROBES: &[&str] = &["exec", "httpGet", "tcpSocket", "grpc"];
const HOOKS: &[&str] = &["exec", "httpGet", "tcpSocket", "sleep"];

fn validate_probe(errors: &mut Errors, name: &str, probe: &Value, grace: Option<i64>, path: &Path, cx: &Context<'_>) {
    validate_handler(errors, probe, PROBES, grace, path, cx);
    for name in ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"] {
        if probe.int(name) < 0 {
            check::nonnegative(errors, probe.int(name), &path.child(name));
        }
    }
    let own_grace = probe.opt_int("terminationGracePeriodSeconds");
    let at = path.child("terminationGracePeriodSeconds");
    if let Some(seconds) = own_grace.filter(|it| *it <= 0) {
        errors.push(FieldError::invalid(&at, seconds, "must be greater than 0"));
    }
    if name == "readinessProbe" {
        if let Some(seconds) = own_grace {
            errors.push(FieldError::invalid(&at, seconds, "must not be set for readinessProbes"));
        }
    } else if probe.int("successThreshold") != 1 {
        let threshold = probe.int("successThreshold");
        errors.push(FieldError::invalid(&path.child("successThreshold"), threshold, "must be 1"));
    }
}

fn validate_handler(
    errors: &mut Errors,
    handler: &Value,
    kinds: &[&str],
    grace: Option<i64>,
    path: &Path,
    cx: &Context<'_>,
) {
    let mut given = kinds.iter().filter(|it| handler.has(it));
    let Some(first) = given.next() else {
        errors.push(FieldError::required(path, "must specify a handler type"));
        return;
    };
    let (action, at) = (handler.at(first), path.child(first));
    match *first {
        "exec" => {
            if action.items("command").is_empty() {
                errors.push(FieldError::required(&at.child("command"), ""));
            }
        }
        "httpGet" => validate_get(errors, action, &at),
        "tcpSocket" | "grpc" => check::port_or_name(errors, action.at("port"), &at.child("port")),
        _ => validate_sleep(errors, action, grace, &at, cx),
    }
    for more in given {
        errors.push(FieldError::forbidden(&path.child(more), "may not specify more than 1 handler type"));
    }
}

fn validate_get(errors: &mut Errors, action: &Value, path: &Path) {
    check::text_needed(errors, action, "path", path);
    check::port_or_name(errors, action.at("port"), &path.child("port"));
    check::one_of(errors, action.text("scheme"), &["HTTP", "HTTPS"], &path.child("scheme"));
    for header in action.items("httpHeaders") {
        check::rule(errors, header.text("name"), &path.child("httpHeaders"), names::http_header_name);
    }
}

/// From 1.33 on a hook may sleep for no time at all.
fn validate_sleep(errors: &mut Errors, action: &Value, grace: Option<i64>, path: &Path, cx: &Context<'_>) {
    let seconds = action.int("seconds");
    let Some(grace) = grace else { return };
    let zero = cx.minor >= 33;
    if (0..=grace).contains(&seconds) && (zero || seconds != 0) {
        return;
    }
    let text = if zero {
        format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})")
    } else if cx.minor == 32 {
        format!(
            "must be greater than 0 and less than terminationGracePeriodSeconds ({grace}). Enable \
             AllowPodLifecycleSleepActionZeroValue feature gate for zero sleep."
        )
    } else {
        format!("must be greater than 0 and less than terminationGracePeriodSeconds ({grace})")
    };
    errors.push(FieldError::invalid(path, seconds, &text));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn texts(container: &Value, minor: u8) -> Vec<String> {
        let mut errors = Errors::new();
        let cx = Context { minor, version: "v1", now: "" };
        validate(&mut errors, container, Some(30), &Path::new("c"), &cx);
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn one_handler() {
        let it =
            json!({"lifecycle": {"preStop": {"exec": {"command": ["a"]}, "sleep": {"seconds": 1}}, "postStart": {}}});
        assert_eq!(
            texts(&it, 34),
            [
                "c.lifecycle.postStart: Required value: must specify a handler type",
                "c.lifecycle.preStop.sleep: Forbidden: may not specify more than 1 handler type"
            ]
        );
    }

    #[test]
    fn sleeping() {
        let it = |seconds: i64| json!({"lifecycle": {"preStop": {"sleep": {"seconds": seconds}}}});
        assert!(texts(&it(0), 34).is_empty() && texts(&it(0), 30).len() == 1 && texts(&it(31), 34).len() == 1);
    }
}

//! Which policy a namespace's labels ask for.

use k8s_kinds::value::Look;
use k8s_types::{Errors, FieldError, Path};
use serde_json::Value;
use std::fmt;

/// How strict a policy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Everything is allowed.
    Privileged,
    /// Known ways out of a container are not.
    Baseline,
    /// What is not needed is not allowed either.
    Restricted,
}

/// A level as some minor has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// How strict.
    pub level: Level,
    /// The minor whose rules count; the newest one's when `None`.
    pub version: Option<u8>,
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Privileged => "privileged",
            Level::Baseline => "baseline",
            Level::Restricted => "restricted",
        };
        match self.version {
            Some(minor) => write!(f, "{level}:v1.{minor}"),
            None => write!(f, "{level}:latest"),
        }
    }
}

const PREFIX: &str = "pod-security.kubernetes.io/";
const LEVELS: &str = "must be one of privileged, baseline, restricted";
const VERSIONS: &str = "must be \"latest\" or \"v1.x\"";

fn level(text: &str) -> Option<Level> {
    match text {
        "privileged" => Some(Level::Privileged),
        "baseline" => Some(Level::Baseline),
        "restricted" => Some(Level::Restricted),
        _ => None,
    }
}

/// A version; its minor, or `None` for the latest.
fn version(text: &str) -> Option<Option<u8>> {
    if text == "latest" {
        return Some(None);
    }
    let digits = text.strip_prefix("v1.")?;
    let canonical = digits == "0" || !digits.starts_with('0');
    let number = canonical && !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit());
    // No minor is that high; it is the newest one's rules then, as for any that is not known yet.
    number.then(|| Some(digits.parse().unwrap_or(u8::MAX)))
}

/// What a namespace enforces, and what is wrong with how it says so. A level that is none is taken for the strictest.
pub(super) fn enforced(labels: &Value) -> (Policy, Errors) {
    mode(labels, "enforce")
}

/// All that is wrong with a namespace's labels.
pub(super) fn errors(labels: &Value) -> Errors {
    ["enforce", "audit", "warn"].iter().flat_map(|it| mode(labels, it).1).collect()
}

fn mode(labels: &Value, mode: &str) -> (Policy, Errors) {
    let mut errors = Errors::new();
    let mut policy = Policy { level: Level::Privileged, version: None };
    let mut read = |name: String, detail: &str, accept: &mut dyn FnMut(&str) -> bool| {
        if let Some(text) = labels.at(&name).as_str()
            && !accept(text)
        {
            let path = Path::new("metadata").child("labels").key(&name);
            errors.push(FieldError::invalid(&path, text, detail));
        }
    };
    read(format!("{PREFIX}{mode}"), LEVELS, &mut |text| {
        policy.level = level(text).unwrap_or(Level::Restricted);
        level(text).is_some()
    });
    read(format!("{PREFIX}{mode}-version"), VERSIONS, &mut |text| {
        policy.version = version(text).flatten();
        version(text).is_some()
    });
    (policy, errors)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn labels_are_read() {
        let labels = json!({
            "pod-security.kubernetes.io/enforce": "baseline",
            "pod-security.kubernetes.io/enforce-version": "v1.25",
        });
        let (policy, errors) = enforced(&labels);
        assert_eq!((policy.to_string().as_str(), errors.len()), ("baseline:v1.25", 0));
        assert_eq!(enforced(&json!({})).0.to_string(), "privileged:latest");
        let wrong = json!({
            "pod-security.kubernetes.io/enforce": "strict",
            "pod-security.kubernetes.io/warn-version": "1.25",
        });
        assert_eq!(enforced(&wrong).0.level, Level::Restricted);
        let texts: Vec<String> = errors_of(&wrong);
        assert_eq!(
            texts,
            [
                "metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: \"strict\": must be one of \
                 privileged, baseline, restricted",
                "metadata.labels[pod-security.kubernetes.io/warn-version]: Invalid value: \"1.25\": must be \
                 \"latest\" or \"v1.x\"",
            ]
        );
    }

    fn errors_of(labels: &Value) -> Vec<String> {
        errors(labels).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn versions_have_one_form() {
        assert_eq!(version("v1.0"), Some(Some(0)));
        assert_eq!(version("v1.1000"), Some(Some(u8::MAX)));
        assert!(["v1", "v1.", "v1.01", "v2.1", "v1.-1", ""].iter().all(|it| version(it).is_none()));
    }
}

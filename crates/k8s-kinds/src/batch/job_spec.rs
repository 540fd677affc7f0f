//! What is wrong with the spec of a job, or of a template of jobs.

use super::failure_policy;
use crate::checks::{not_negative, one_of};
use crate::kind::Context;
use crate::template;
use crate::value::Look;
use k8s_types::{Errors, FieldError, Path, names};
use serde_json::Value;

/// Indexes are counted by the controller one by one.
const MOST_PARALLEL_INDEXED: i64 = 100_000;

/// All but the selector.
pub(super) fn validate(errors: &mut Errors, spec: &Value, path: &Path, cx: &Context<'_>) {
    let numbers = [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ];
    for field in numbers {
        not_negative(errors, spec, path, field);
    }
    if spec.has("maxFailedIndexes") && !spec.has("backoffLimitPerIndex") {
        let path = path.child("backoffLimitPerIndex");
        errors.push(FieldError::required(&path, "when maxFailedIndexes is specified"));
    }
    if spec.has("managedBy") {
        let (path, manager) = (path.child("managedBy"), spec.text("managedBy"));
        errors.extend(names::domain_prefixed_path(&path, manager));
        if manager.len() > names::LABEL_MAX {
            errors.push(FieldError::too_long(&path, names::LABEL_MAX));
        }
    }
    validate_mode(errors, spec, path);
    if spec.has("podFailurePolicy") {
        failure_policy::validate(errors, spec, path);
    }
    if spec.has("successPolicy") {
        validate_success(errors, spec, &path.child("successPolicy"));
    }
    if spec.has("podReplacementPolicy") {
        let with_failures = spec.has("podFailurePolicy");
        let supported: &[&str] = if with_failures { &["Failed"] } else { &["Failed", "TerminatingOrFailed"] };
        one_of(errors, spec, path, "podReplacementPolicy", supported);
    }
    template::validate(errors, spec.at("template"), &path.child("template"), cx);
    validate_restart_policy(errors, spec, path);
}

fn validate_mode(errors: &mut Errors, spec: &Value, path: &Path) {
    if spec.has("completionMode") {
        one_of(errors, spec, path, "completionMode", &["NonIndexed", "Indexed"]);
    }
    if spec.text("completionMode") != "Indexed" {
        for field in ["backoffLimitPerIndex", "maxFailedIndexes"] {
            if let Some(value) = spec.opt_int(field) {
                errors.push(FieldError::invalid(&path.child(field), value, "requires indexed completion mode"));
            }
        }
        return;
    }
    if !spec.has("completions") {
        errors.push(FieldError::required(&path.child("completions"), "when completion mode is Indexed"));
    }
    if spec.int("parallelism") > MOST_PARALLEL_INDEXED {
        let why = format!("must be less than or equal to {MOST_PARALLEL_INDEXED} when completion mode is Indexed");
        errors.push(FieldError::invalid(&path.child("parallelism"), spec.int("parallelism"), &why));
    }
    if spec.has("completions") && spec.int("maxFailedIndexes") > spec.int("completions") {
        let why = "must be less than or equal to completions";
        errors.push(FieldError::invalid(&path.child("maxFailedIndexes"), spec.int("maxFailedIndexes"), why));
    }
}

fn validate_success(errors: &mut Errors, spec: &Value, path: &Path) {
    let policy = spec.at("successPolicy");
    if spec.text("completionMode") != "Indexed" {
        errors.push(crate::checks::invalid_without_value(path, "requires indexed completion mode"));
        return;
    }
    let (rules, path) = (policy.items("rules"), path.child("rules"));
    if rules.is_empty() {
        let why = "at least one rules must be specified when the successPolicy is specified";
        errors.push(FieldError::required(&path, why));
    }
    if rules.len() > 20 {
        errors.push(FieldError::too_many(&path, rules.len(), 20));
    }
    for (index, rule) in rules.iter().enumerate() {
        let path = path.index(index);
        if !rule.has("succeededCount") && !rule.has("succeededIndexes") {
            let why = "at least one of succeededCount or succeededIndexes must be specified";
            errors.push(FieldError::required(&path, why));
        }
        let mut most = spec.int("completions");
        if rule.has("succeededIndexes") {
            let indexes = rule.text("succeededIndexes");
            match count_indexes(indexes, most) {
                Ok(count) => most = count,
                Err(why) => {
                    let why = format!("error parsing succeededIndexes: {why}");
                    errors.push(FieldError::invalid(&path.child("succeededIndexes"), indexes, &why));
                }
            }
        }
        not_negative(errors, rule, &path, "succeededCount");
        if rule.int("succeededCount") > most {
            let what = if rule.has("succeededIndexes") { "succeededIndexes" } else { "completions" };
            let why = format!("must be less than or equal to {most} (the number of specified {what})");
            errors.push(FieldError::invalid(&path.child("succeededCount"), rule.int("succeededCount"), &why));
        }
    }
}

/// How many indexes a text as `1,3-5` has; they rise and are below `completions`.
fn count_indexes(text: &str, completions: i64) -> Result<i64, String> {
    let quoted = k8s_types::status::quote;
    let (mut count, mut last) = (0, -1);
    for interval in text.split(',').filter(|it| !it.is_empty()) {
        let parts: Vec<&str> = interval.split('-').collect();
        let number = |part: &str| -> Result<i64, String> {
            let index: i64 =
                part.parse().map_err(|_| format!("cannot convert string to integer for index: {}", quoted(part)))?;
            if index >= completions {
                return Err(format!("too large index: {}", quoted(part)));
            }
            Ok(index)
        };
        let (from, to) = match parts.as_slice() {
            [one] => (number(one)?, number(one)?),
            [from, to] => (number(from)?, number(to)?),
            _ => {
                return Err(format!(
                    "the fragment {} violates the requirement that an index interval can have at most two parts \
                     separated by '-'",
                    quoted(interval)
                ));
            }
        };
        if from > to {
            return Err(format!("non-increasing order, previous: {from}, current: {to}"));
        }
        if from <= last {
            return Err(format!("non-increasing order, previous: {last}, current: {from}"));
        }
        count += to - from + 1;
        last = to;
    }
    Ok(count)
}

/// A job's pods end, so they are not started again whatever comes.
fn validate_restart_policy(errors: &mut Errors, spec: &Value, path: &Path) {
    let policy = spec.look(&["template", "spec"]).text("restartPolicy");
    let path = path.child("template.spec.restartPolicy");
    match policy {
        "" | "Always" => errors.push(FieldError::required(&path, r#"valid values: "OnFailure", "Never""#)),
        "OnFailure" if spec.has("podFailurePolicy") => {
            let why = r#"only "Never" is supported when podFailurePolicy is specified"#;
            errors.push(FieldError::invalid(&path, policy, why));
        }
        "OnFailure" | "Never" => {}
        other => errors.push(FieldError::not_supported(&path, other, &["OnFailure", "Never"])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn indexes_are_counted() {
        assert_eq!(count_indexes("", 5), Ok(0));
        assert_eq!(count_indexes("0,2-4", 5), Ok(4));
        assert!(
            count_indexes("5", 5).is_err() && count_indexes("2,1", 5).is_err() && count_indexes("1-2-3", 5).is_err()
        );
    }

    proptest! {
        #[test]
        fn any_text_of_indexes_is_read_or_refused(text in "[0-9,-]{0,24}", completions in 0i64..40) {
            if let Ok(count) = count_indexes(&text, completions) {
                prop_assert!(count <= completions);
            }
        }
    }
}

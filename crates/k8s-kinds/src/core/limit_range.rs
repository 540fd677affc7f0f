//! LimitRange: what the pods and claims of a namespace may ask for one by one.

use super::check;
use super::resources::{self, quantity, validate_container_name, validate_name};
use crate::value::{Look, items_mut, object_made, object_mut, set_default};
use crate::{Context, Kind};
use k8s_types::names::qualified_name;
use k8s_types::quantity::Quantity;
use k8s_types::{Errors, FieldError, Path};
use serde_json::Value;

/// The kind.
#[derive(Debug)]
pub struct LimitRange;

const LISTS: [&str; 5] = ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"];
/// Beyond it, amounts are compared whole and not in thousandths.
const MILLI_MAX: i64 = i64::MAX / 1000;

impl Kind for LimitRange {
    fn default(&self, object: &mut Value, _cx: &Context<'_>) {
        let Some(spec) = object_made(object, "spec") else { return };
        for limit in items_mut(spec, "limits") {
            for list in LISTS {
                resources::default_list(object_mut(limit, list));
            }
            if limit.text("type") == "Container" {
                for (to, from) in [("default", "max"), ("defaultRequest", "default"), ("defaultRequest", "min")] {
                    fill(limit, to, from);
                }
            }
        }
    }

    fn validate(&self, object: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let limits = object.at("spec").items("limits");
        for (at, limit) in limits.iter().enumerate() {
            let path = Path::new("spec.limits").index(at);
            let kind = limit.text("type");
            validate_type(&mut errors, kind, &path.child("type"));
            if limits.iter().take(at).any(|it| it.text("type") == kind) {
                errors.push(FieldError::duplicate(&path.child("type"), kind));
            }
            validate_limit(&mut errors, limit, &path);
        }
        errors
    }
}

/// Fills the amounts of one list in where another has them.
fn fill(limit: &mut Value, to: &str, from: &str) {
    let Some(from) = limit.map(from).filter(|it| !it.is_empty()).cloned() else { return };
    if let Some(to) = object_made(limit, to) {
        for (name, amount) in from {
            set_default(to, &name, amount);
        }
    }
}

fn validate_type(errors: &mut Errors, kind: &str, path: &Path) {
    let before = errors.len();
    check::rule(errors, kind, path, qualified_name);
    let standard = matches!(kind, "Pod" | "Container" | "PersistentVolumeClaim");
    if errors.len() == before && !kind.contains('/') && !standard {
        errors.push(FieldError::invalid(path, kind, "must be a standard limit type or fully qualified"));
    }
}

fn validate_limit(errors: &mut Errors, limit: &Value, path: &Path) {
    let kind = limit.text("type");
    let is_pod = kind == "Pod";
    let mut names: Vec<&str> = Vec::new();
    for list in LISTS {
        if is_pod && list.starts_with("default") {
            if limit.entries(list).next().is_some() {
                errors.push(FieldError::forbidden(&path.child(list), "may not be specified when `type` is 'Pod'"));
            }
            continue;
        }
        for (name, _) in limit.entries(list) {
            let at = path.child(list).key(name);
            if matches!(kind, "Pod" | "Container") {
                validate_container_name(errors, name, &at);
            } else {
                validate_name(errors, name, &at);
            }
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    let has_size = |list: &str| limit.at(list).has("storage");
    if kind == "PersistentVolumeClaim" && !has_size("min") && !has_size("max") {
        let text = "either minimum or maximum storage value is required, but neither was provided";
        errors.push(FieldError::required(&path.child("limits"), text));
    }
    for name in names {
        let amount = |list: &str| {
            let hidden = is_pod && list.starts_with("default");
            limit.at(list).get(name).filter(|_| !hidden).map(quantity)
        };
        let amounts = Amounts {
            min: amount("min"),
            max: amount("max"),
            default: amount("default"),
            request: amount("defaultRequest"),
            ratio: amount("maxLimitRequestRatio"),
        };
        validate_order(errors, name, &amounts, path);
        validate_ratio(errors, name, &amounts, path);
    }
}

/// One resource's amounts.
struct Amounts {
    min: Option<Quantity>,
    max: Option<Quantity>,
    default: Option<Quantity>,
    request: Option<Quantity>,
    ratio: Option<Quantity>,
}

fn validate_order(errors: &mut Errors, name: &str, it: &Amounts, path: &Path) {
    let mut ordered =
        |list: &str, shown: &Option<Quantity>, less: (&str, &Option<Quantity>), more: (&str, &Option<Quantity>)| {
            if let (Some(shown), Some(small), Some(big)) = (shown, less.1, more.1)
                && small > big
            {
                let text = format!("{} value {small} is greater than {} value {big}", less.0, more.0);
                errors.push(FieldError::invalid(&path.child(list).key(name), shown.to_string(), &text));
            }
        };
    ordered("min", &it.min, ("min", &it.min), ("max", &it.max));
    ordered("defaultRequest", &it.request, ("min", &it.min), ("default request", &it.request));
    ordered("defaultRequest", &it.request, ("default request", &it.request), ("max", &it.max));
    ordered("defaultRequest", &it.request, ("default request", &it.request), ("default limit", &it.default));
    ordered("default", &it.min, ("min", &it.min), ("default", &it.default));
    ordered("default", &it.max, ("default", &it.default), ("max", &it.max));
    if let (Some(default), Some(request)) = (&it.default, &it.request)
        && default != request
        && !resources::is_overcommit_allowed(name)
    {
        let text = format!("default value {default} must equal to defaultRequest value {request} in {name}");
        errors.push(FieldError::invalid(&path.child("defaultRequest").key(name), request.to_string(), &text));
    }
}

fn validate_ratio(errors: &mut Errors, name: &str, it: &Amounts, path: &Path) {
    let Some(ratio) = &it.ratio else { return };
    let path = path.child("maxLimitRequestRatio").key(name);
    if ratio.milli_value() < 1000 {
        errors.push(FieldError::invalid(&path, ratio.to_string(), &format!("ratio {ratio} is less than 1")));
    }
    let (Some(min), Some(max)) = (&it.min, &it.max) else { return };
    let small = |it: &Quantity| it.value() < MILLI_MAX;
    let (value, most) = if small(ratio) && small(min) && small(max) {
        (ratio.milli_value() as f64 / 1000.0, max.milli_value() as f64 / min.milli_value() as f64)
    } else {
        (ratio.value() as f64, max.value() as f64 / min.value() as f64)
    };
    if value > most {
        let text = format!("ratio {ratio} is greater than max/min = {most:.6}");
        errors.push(FieldError::invalid(&path, ratio.to_string(), &text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const CX: Context<'_> = Context { minor: 34, version: "v1", now: "" };

    #[test]
    fn requests_are_limits_or_the_least() {
        let mut it =
            json!({"spec": {"limits": [{"type": "Container", "max": {"cpu": "2"}, "min": {"memory": "1Mi"}}]}});
        LimitRange.default(&mut it, &CX);
        assert_eq!(it["spec"]["limits"][0]["defaultRequest"], json!({"cpu": "2", "memory": "1Mi"}));
        assert!(LimitRange.validate(&it, &CX).is_empty());
    }

    #[test]
    fn ratios_fit_the_bounds() {
        let it = json!({"spec": {"limits": [
            {"type": "Pod", "min": {"cpu": "1"}, "max": {"cpu": "2"}, "maxLimitRequestRatio": {"cpu": "3"}}]}});
        let text = LimitRange.validate(&it, &CX)[0].message.clone();
        assert_eq!(text, "Invalid value: \"3\": ratio 3 is greater than max/min = 2.000000");
    }
}

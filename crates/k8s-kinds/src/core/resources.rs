//! Resource names and amounts: requests, limits, capacities, quotas.

use super::check::{self, NOT_INTEGER};
use crate::meta::NEGATIVE;
use crate::value::Look;
use k8s_types::names;
use k8s_types::quantity::Quantity;
use k8s_types::{Errors, FieldError, Path};
use serde_json::Value;

/// Names without a domain that quotas may limit.
const QUOTA_NAMES: [&str; 19] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.storage",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "persistentvolumeclaims",
    "configmaps",
    "services.nodeports",
    "services.loadbalancers",
];

/// What comes only in whole numbers.
const INTEGER_NAMES: [&str; 9] = [
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
];

/// Whether the API itself has given the name its meaning.
pub fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

/// Whether the name is of pages of one size, as `hugepages-2Mi`.
pub fn is_huge_pages(name: &str) -> bool {
    name.starts_with("hugepages-")
}

/// Whether containers may have limits above their requests.
pub fn is_overcommit_allowed(name: &str) -> bool {
    is_native(name) && !is_huge_pages(name)
}

/// Whether the name is somebody's own, as a device plugin's.
pub fn is_extended(name: &str) -> bool {
    !is_native(name) && !name.starts_with("requests.") && names::qualified_name(&format!("requests.{name}")).is_empty()
}

/// Whether a quota may limit the name although it has no domain.
pub fn is_quota_name(name: &str) -> bool {
    QUOTA_NAMES.contains(&name) || is_huge_pages(name) || name.starts_with("requests.hugepages-")
}

/// Whether a pod may ask for it as a whole.
pub fn is_pod_level(name: &str) -> bool {
    matches!(name, "cpu" | "memory") || is_huge_pages(name)
}

fn is_container_name(name: &str) -> bool {
    matches!(name, "cpu" | "memory" | "ephemeral-storage") || is_huge_pages(name)
}

/// A quantity that the codec has let through; anything else counts as nothing.
pub(crate) fn quantity(value: &Value) -> Quantity {
    Quantity::from_value(value).unwrap_or(Quantity::ZERO)
}

/// What is wrong with a resource's name.
pub fn validate_name(errors: &mut Errors, name: &str, path: &Path) {
    let before = errors.len();
    check::qualified(errors, name, path);
    if errors.len() == before && !name.contains('/') && !is_quota_name(name) && name != "storage" {
        errors.push(FieldError::invalid(path, name, "must be a standard resource type or fully qualified"));
    }
}

/// What is wrong with the name of what a container asks for.
pub fn validate_container_name(errors: &mut Errors, name: &str, path: &Path) {
    validate_name(errors, name, path);
    if !name.contains('/') {
        if !is_container_name(name) {
            errors.push(FieldError::invalid(path, name, "must be a standard resource for containers"));
        }
    } else if !is_native(name) && !is_extended(name) {
        errors.push(FieldError::invalid(path, name, "doesn't follow extended resource name standard"));
    }
}

fn validate_pod_name(errors: &mut Errors, name: &str, path: &Path) {
    let before = errors.len();
    validate_name(errors, name, path);
    if errors.len() == before && !is_pod_level(name) {
        errors.push(FieldError::not_supported(path, name, &["cpu", "hugepages-", "memory"]));
    }
}

/// What is wrong with the name of what a quota limits.
pub fn validate_quota_name(errors: &mut Errors, name: &str, path: &Path) {
    validate_name(errors, name, path);
    if !name.contains('/') && !is_quota_name(name) {
        errors.push(FieldError::invalid(path, name, "must be a standard resource for quota"));
    }
}

/// What is wrong with an amount of a resource: below 0, or a fraction of what comes in whole numbers.
pub fn validate_amount(errors: &mut Errors, name: &str, amount: &Quantity, path: &Path) {
    if amount.signum() < 0 {
        errors.push(FieldError::invalid(path, amount.to_string(), NEGATIVE));
    }
    if (INTEGER_NAMES.contains(&name) || is_extended(name)) && amount.milli_value() % 1000 != 0 {
        errors.push(FieldError::invalid(path, amount.to_string(), NOT_INTEGER));
    }
}

/// What is wrong with a map of resources, whatever it is for.
pub fn validate_resource_list(list: &Value, path: &Path) -> Errors {
    let mut errors = Errors::new();
    for (name, value) in list.as_object().into_iter().flatten() {
        validate_amount(&mut errors, name, &quantity(value), &path.key(name));
    }
    errors
}

/// Whose requests and limits are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    /// A container's.
    Container,
    /// A pod's as a whole.
    Pod,
}

/// What is wrong with requests and limits. `claims` are the names of the pod's resource claims.
pub(crate) fn validate_requirements(errors: &mut Errors, it: &Value, of: Of, claims: &[&str], path: &Path) {
    for part in ["limits", "requests"] {
        let part_path = path.child(part);
        for (name, value) in it.entries(part) {
            let amount = quantity(value);
            let at = part_path.key(name);
            match of {
                Of::Container => validate_container_name(errors, name, &at),
                Of::Pod => validate_pod_name(errors, name, &at),
            }
            validate_amount(errors, name, &amount, &at);
            if part == "requests" {
                validate_against_limit(errors, name, &amount, it.at("limits").get(name), path);
            }
            if is_huge_pages(name) && !is_divisible(name, &amount) {
                let text = format!("{amount} is not positive integer multiple of {name}");
                errors.push(FieldError::invalid(&at, amount.to_string(), &text));
            }
        }
    }
    let any =
        |test: fn(&str) -> bool| ["limits", "requests"].iter().any(|part| it.entries(part).any(|(name, _)| test(name)));
    if any(is_huge_pages) && !any(|name| matches!(name, "cpu" | "memory")) {
        errors.push(FieldError::forbidden(path, "HugePages require cpu or memory"));
    }
    validate_claims(errors, it.items("claims"), claims, &path.child("claims"));
}

fn validate_against_limit(errors: &mut Errors, name: &str, amount: &Quantity, limit: Option<&Value>, path: &Path) {
    let free = is_overcommit_allowed(name);
    let Some(limit) = limit else {
        if !free {
            errors.push(FieldError::required(
                &path.child("limits"),
                "Limit must be set for non overcommitable resources",
            ));
        }
        return;
    };
    let limit = quantity(limit);
    let text = if !free && *amount != limit {
        format!("must be equal to {name} limit of {limit}")
    } else if *amount > limit {
        format!("must be less than or equal to {name} limit of {limit}")
    } else {
        return;
    };
    errors.push(FieldError::invalid(&path.child("requests"), amount.to_string(), &text));
}

fn is_divisible(name: &str, amount: &Quantity) -> bool {
    let size = name.strip_prefix("hugepages-").and_then(|it| Quantity::parse(it).ok()).unwrap_or(Quantity::ZERO);
    size.signum() > 0 && size.value() != 0 && amount.value() % size.value() == 0
}

fn validate_claims(errors: &mut Errors, claims: &[Value], pods: &[&str], path: &Path) {
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for (at, claim) in claims.iter().enumerate() {
        let path = path.index(at);
        let (name, request) = (claim.text("name"), claim.text("request"));
        if name.is_empty() {
            errors.push(FieldError::required(&path, ""));
            continue;
        }
        if !request.is_empty() {
            check::label(errors, request, &path.child("request"));
        }
        let overlaps = |(other, part): &(&str, &str)| {
            *other == name && (*part == request || part.is_empty() || request.is_empty())
        };
        if seen.iter().any(overlaps) {
            let whole = request.is_empty() || seen.contains(&(name, ""));
            let shown = if whole { name.to_owned() } else { format!("{name}/{request}") };
            errors.push(FieldError::duplicate(&path, shown));
        }
        seen.push((name, request));
        if !pods.contains(&name) {
            let mut error = FieldError::not_found(&path, name);
            error.message.push_str(": must be one of the names in pod.spec.resourceClaims");
            if pods.is_empty() {
                error.message.push_str(" which is empty");
            } else {
                let mut sorted = pods.to_vec();
                sorted.sort_unstable();
                error.message.push_str(": ");
                error.message.push_str(&sorted.join(", "));
            }
            errors.push(error);
        }
    }
}

/// Rounds every amount of a resource map up to thousandths, the least that the API keeps.
pub(crate) fn default_list(list: Option<&mut Value>) {
    for value in list.and_then(Value::as_object_mut).into_iter().flat_map(|map| map.values_mut()) {
        if let Ok(mut amount) = Quantity::from_value(value)
            && !amount.round_up(-3)
        {
            *value = Value::String(amount.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn texts(it: &Value) -> Vec<String> {
        let mut errors = Errors::new();
        validate_requirements(&mut errors, it, Of::Container, &["a"], &Path::new("r"));
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn names_have_kinds() {
        assert!(is_native("cpu") && is_native("kubernetes.io/x") && !is_native("a.b/c"));
        assert!(is_extended("a.b/c") && !is_extended("cpu") && !is_overcommit_allowed("hugepages-2Mi"));
    }

    #[test]
    fn requests_stay_below_limits() {
        assert_eq!(
            texts(&json!({"requests": {"cpu": "2"}, "limits": {"cpu": "1500m"}})),
            ["r.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1500m"]
        );
        assert_eq!(
            texts(&json!({"requests": {"a.b/c": "2"}})),
            ["r.limits: Required value: Limit must be set for non overcommitable resources"]
        );
        assert_eq!(texts(&json!({"limits": {"hugepages-2Mi": "3Mi"}})).len(), 2);
    }

    #[test]
    fn claims_are_the_pods_and_once() {
        let found = texts(&json!({"claims": [{"name": "a"}, {"name": "a", "request": "x"}, {"name": "b"}]}));
        assert_eq!(found[0], "r.claims[1]: Duplicate value: \"a\"");
        assert!(found[1].ends_with("must be one of the names in pod.spec.resourceClaims: a"), "{}", found[1]);
    }

    #[test]
    fn finer_amounts_are_rounded_up() {
        let mut it = json!({"cpu": "100u", "memory": "1Gi"});
        default_list(Some(&mut it));
        assert_eq!(it, json!({"cpu": "1m", "memory": "1Gi"}));
    }
}

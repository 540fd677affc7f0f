//! `metadata.ownerReferences`.

use crate::value::Look;
use k8s_types::{Errors, FieldError, Path};
use serde_json::Value;

/// What is wrong with the references to an object's owners.
pub(super) fn validate(owners: &[Value], path: &Path) -> Errors {
    let mut errors = Errors::new();
    let mut controller: Option<String> = None;
    for owner in owners {
        errors.extend(validate_one(owner, path));
        if !owner.flag("controller") {
            continue;
        }
        let name = format!("{}/{}", owner.text("kind"), owner.text("name"));
        match &controller {
            None => controller = Some(name),
            Some(first) => {
                let text = format!(
                    "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {name}"
                );
                errors.push(FieldError::invalid(path, owners.to_vec(), &text));
            }
        }
    }
    errors
}

fn validate_one(owner: &Value, path: &Path) -> Errors {
    let mut errors = Errors::new();
    let (api_version, kind) = (owner.text("apiVersion"), owner.text("kind"));
    // More than one slash can't be read as a group and a version.
    let version = match api_version.split('/').collect::<Vec<_>>().as_slice() {
        [version] | [_, version] => version,
        _ => "",
    };
    if version.is_empty() {
        errors.push(FieldError::invalid(&path.child("apiVersion"), api_version, "version must not be empty"));
    }
    for name in ["kind", "name", "uid"] {
        if owner.text(name).is_empty() {
            errors.push(FieldError::invalid(&path.child(name), owner.text(name), "must not be empty"));
        }
    }
    if (api_version, kind) == ("v1", "Event") {
        errors.push(FieldError::invalid(path, owner.clone(), "/v1, Kind=Event is disallowed from being an owner"));
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_controller_and_all_fields() {
        let path = Path::new("metadata.ownerReferences");
        let owner = json!({"apiVersion": "apps/v1", "kind": "A", "name": "a", "uid": "1", "controller": true});
        assert!(validate(std::slice::from_ref(&owner), &path).is_empty());
        let errors = validate(&[owner.clone(), owner], &path);
        assert!(errors[0].message.ends_with("Found \"true\" in references for A/a and A/a"), "{}", errors[0]);
        assert_eq!(validate(&[json!({"apiVersion": "a/b/c"})], &path).len(), 4);
    }
}

//! The group `rbac.authorization.k8s.io`: roles and who has them.

use crate::checks::{as_struct, is_usable, label_selector, one_of, required};
use crate::kind::{Context, Kind};
use crate::value::{Look, items_mut, object_made, same, set, set_default, set_default_zero};
use k8s_types::names::{self, NameRule};
use k8s_types::{Errors, FieldError, Path};
use serde_json::Value;

const GROUP: &str = "rbac.authorization.k8s.io";

/// Role and ClusterRole: what may be done.
pub(crate) struct Role {
    /// Whether it holds within a namespace.
    pub(crate) namespaced: bool,
}

/// RoleBinding and ClusterRoleBinding: who has a role.
pub(crate) struct RoleBinding {
    /// Whether it holds within a namespace.
    pub(crate) namespaced: bool,
}

impl Kind for Role {
    fn name_rule(&self) -> NameRule {
        names::name_is_path_segment
    }

    fn default(&self, object: &mut Value, _cx: &Context<'_>) {
        // A role without rules is written with none, not without the field.
        if object.items("rules").is_empty() {
            set(object, "rules", Value::Null);
        }
    }

    fn allows_create_on_update(&self) -> bool {
        true
    }

    fn validate(&self, object: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        for (index, rule) in object.items("rules").iter().enumerate() {
            validate_rule(&mut errors, rule, self.namespaced, &Path::new("rules").index(index));
        }
        let aggregation = object.at("aggregationRule");
        if !self.namespaced && !aggregation.is_null() {
            let path = Path::new("aggregationRule.clusterRoleSelectors");
            let selectors = aggregation.items("clusterRoleSelectors");
            if selectors.is_empty() {
                let why = "at least one clusterRoleSelector required if aggregationRule is non-nil";
                errors.push(FieldError::required(&path, why));
            }
            for (index, selector) in selectors.iter().enumerate() {
                label_selector(&mut errors, selector, &path.index(index));
                if !is_usable(selector) {
                    errors.push(FieldError::invalid(&path.index(index), "null", "invalid label selector."));
                }
            }
        }
        errors
    }
}

fn validate_rule(errors: &mut Errors, rule: &Value, namespaced: bool, path: &Path) {
    let none = |field: &str| rule.items(field).is_empty();
    if none("verbs") {
        errors.push(FieldError::required(&path.child("verbs"), "verbs must contain at least one value"));
    }
    if !none("nonResourceURLs") {
        let (path, value) = (path.child("nonResourceURLs"), rule.at("nonResourceURLs"));
        if namespaced {
            let why = "namespaced rules cannot apply to non-resource URLs";
            errors.push(FieldError::invalid(&path, value.clone(), why));
        }
        if !(none("apiGroups") && none("resources") && none("resourceNames")) {
            let why = "rules cannot apply to both regular resources and non-resource URLs";
            errors.push(FieldError::invalid(&path, value.clone(), why));
        }
        return;
    }
    if none("apiGroups") {
        let why = "resource rules must supply at least one api group";
        errors.push(FieldError::required(&path.child("apiGroups"), why));
    }
    if none("resources") {
        let why = "resource rules must supply at least one resource";
        errors.push(FieldError::required(&path.child("resources"), why));
    }
}

impl Kind for RoleBinding {
    fn name_rule(&self) -> NameRule {
        names::name_is_path_segment
    }

    fn default(&self, object: &mut Value, _cx: &Context<'_>) {
        if let Some(role) = object_made(object, "roleRef") {
            set_default_zero(role, "apiGroup", GROUP);
            // These are written even where they are empty.
            set_default(role, "kind", "");
            set_default(role, "name", "");
        }
        for subject in items_mut(object, "subjects") {
            if ["User", "Group"].contains(&subject.text("kind")) {
                set_default_zero(subject, "apiGroup", GROUP);
            }
        }
    }

    fn allows_create_on_update(&self) -> bool {
        true
    }

    fn validate(&self, object: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let (role, path) = (object.at("roleRef"), Path::new("roleRef"));
        one_of(&mut errors, role, &path, "apiGroup", &[GROUP]);
        let kinds: &[&str] = if self.namespaced { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
        one_of(&mut errors, role, &path, "kind", kinds);
        let name = role.text("name");
        required(&mut errors, role, &path, "name", "");
        errors.extend(names::invalid_each(&path.child("name"), name, names::name_is_path_segment(name, false)));
        for (index, subject) in object.items("subjects").iter().enumerate() {
            validate_subject(&mut errors, subject, self.namespaced, &Path::new("subjects").index(index));
        }
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = self.validate(object, cx);
        let role = object.at("roleRef");
        if !same(role, old.at("roleRef")) {
            let told = as_struct(role, &[("APIGroup", "apiGroup"), ("Kind", "kind"), ("Name", "name")]);
            errors.push(FieldError::invalid(&Path::new("roleRef"), told, "cannot change roleRef"));
        }
        errors
    }
}

fn validate_subject(errors: &mut Errors, subject: &Value, namespaced: bool, path: &Path) {
    let name = subject.text("name");
    required(errors, subject, path, "name", "");
    match subject.text("kind") {
        "ServiceAccount" => {
            if !name.is_empty() {
                errors.extend(names::invalid_each(&path.child("name"), name, names::dns1123_subdomain(name)));
            }
            one_of(errors, subject, path, "apiGroup", &[""]);
            if !namespaced {
                required(errors, subject, path, "namespace", "");
            }
        }
        "User" | "Group" => one_of(errors, subject, path, "apiGroup", &[GROUP]),
        other => {
            let kinds = &["ServiceAccount", "User", "Group"];
            errors.push(FieldError::not_supported(&path.child("kind"), other, kinds));
        }
    }
}

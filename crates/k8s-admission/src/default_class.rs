//! DefaultStorageClass and DefaultIngressClass: who names no class gets the one that is marked as the default.

use crate::step::{Outcome, does, forbidden};
use k8s_kinds::value::{Look, object_made, set};
use k8s_registry::admission::{Admission, Attempt, Operation};
use serde_json::Value;

/// Since this minor the newest of several defaults is taken; before it, several are an error.
const NEWEST_SINCE: u8 = 26;

/// Either of the plugins.
pub struct DefaultClass {
    minor: u8,
    kind: &'static Defaulted,
}

/// What gets a class, and from where.
struct Defaulted {
    group: &'static str,
    plural: &'static str,
    field: &'static str,
    /// The annotation that named the class before there was a field.
    old_field: &'static str,
    class_group: &'static str,
    class_plural: &'static str,
    /// The annotations that mark a class as a default.
    marks: &'static [&'static str],
    too_many: fn(usize) -> String,
}

static STORAGE: Defaulted = Defaulted {
    group: "",
    plural: "persistentvolumeclaims",
    field: "storageClassName",
    old_field: "volume.beta.kubernetes.io/storage-class",
    class_group: "storage.k8s.io",
    class_plural: "storageclasses",
    marks: &["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"],
    too_many: |count| format!("Internal error occurred: {count} default StorageClasses were found"),
};

static INGRESS: Defaulted = Defaulted {
    group: "networking.k8s.io",
    plural: "ingresses",
    field: "ingressClassName",
    old_field: "kubernetes.io/ingress.class",
    class_group: "networking.k8s.io",
    class_plural: "ingressclasses",
    marks: &["ingressclass.kubernetes.io/is-default-class"],
    too_many: |count| format!("Internal error occurred: {count} default IngressClasses were found, only 1 allowed"),
};

impl DefaultClass {
    /// DefaultStorageClass.
    pub fn storage(minor: u8) -> Self {
        Self { minor, kind: &STORAGE }
    }

    /// DefaultIngressClass.
    pub fn ingress(minor: u8) -> Self {
        Self { minor, kind: &INGRESS }
    }

    /// The default class's name, or how many there are where that is wrong.
    fn pick(&self, classes: &[Value]) -> Result<Option<String>, usize> {
        let is_default = |class: &&Value| {
            let annotations = class.look(&["metadata", "annotations"]);
            self.kind.marks.iter().any(|mark| annotations.text(mark) == "true")
        };
        let defaults: Vec<&Value> = classes.iter().filter(is_default).collect();
        if defaults.len() > 1 && self.minor < NEWEST_SINCE {
            return Err(defaults.len());
        }
        // Times of this form are ordered as their texts; the first name goes first among those of one second.
        let rank = |class: &&Value| {
            let metadata = class.at("metadata");
            let name = std::cmp::Reverse(metadata.text("name").to_owned());
            (metadata.text("creationTimestamp").to_owned(), name)
        };
        let newest = defaults.into_iter().max_by_key(rank);
        Ok(newest.map(|it| it.at("metadata").text("name").to_owned()))
    }
}

impl Admission for DefaultClass {
    fn change(&self, attempt: &Attempt<'_>, object: &mut Value, _old: Option<&Value>) -> Outcome {
        let kind = self.kind;
        if !does(attempt, Operation::Create, kind.group, kind.plural)
            || object.at("spec").has(kind.field)
            || object.look(&["metadata", "annotations", kind.old_field]).is_string()
        {
            return Ok(());
        }
        let classes = attempt.registry.peek_all(kind.class_group, kind.class_plural, "");
        let class = self.pick(&classes).map_err(|count| forbidden(attempt, object, (kind.too_many)(count)))?;
        if let Some(class) = class
            && let Some(spec) = object_made(object, "spec")
        {
            set(spec, kind.field, class);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn class(name: &str, created: &str, default: &str) -> Value {
        json!({"metadata": {
            "name": name,
            "creationTimestamp": created,
            "annotations": {"storageclass.kubernetes.io/is-default-class": default},
        }})
    }

    #[test]
    fn the_newest_default_is_taken() {
        let classes = [
            class("a", "2024-01-01T00:00:00Z", "true"),
            class("c", "2025-01-01T00:00:00Z", "true"),
            class("b", "2025-01-01T00:00:00Z", "true"),
            class("d", "2026-01-01T00:00:00Z", "false"),
        ];
        assert_eq!(DefaultClass::storage(26).pick(&classes), Ok(Some("b".to_owned())));
        assert_eq!(DefaultClass::storage(25).pick(&classes), Err(3));
        assert_eq!(DefaultClass::storage(25).pick(&[]), Ok(None));
    }
}

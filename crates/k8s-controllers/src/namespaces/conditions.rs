//! What a namespace that ends tells of its content.

use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The conditions, in their order, each with what it says when all is well.
const CONDITIONS: [(&str, &str, &str); 5] = [
    ("NamespaceDeletionDiscoveryFailure", "ResourcesDiscovered", "All resources successfully discovered"),
    ("NamespaceDeletionGroupVersionParsingFailure", "ParsedGroupVersions", "All legacy kube types successfully parsed"),
    (
        "NamespaceDeletionContentFailure",
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
    ("NamespaceContentRemaining", "ContentRemoved", "All content successfully removed"),
    ("NamespaceFinalizersRemaining", "ContentHasNoFinalizers", "All content-preserving finalizers finished"),
];

/// What is left of a namespace after everything in it was deleted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Remains {
    /// How many objects of a resource are left, by its name, a dot, and its group.
    pub(super) resources: BTreeMap<String, usize>,
    /// How many of them a finalizer keeps.
    pub(super) finalizers: BTreeMap<String, usize>,
    /// What did not go although nothing keeps it, or could not be deleted.
    pub(super) failures: Vec<String>,
}

impl Remains {
    /// Whether nothing is left and nothing failed.
    pub(super) fn is_nothing(&self) -> bool {
        self.resources.is_empty() && self.failures.is_empty()
    }

    /// What a condition says where not all is well: its reason and its text.
    fn trouble(&self, condition: &str) -> Option<(&'static str, String)> {
        let list = |of: &BTreeMap<String, usize>, word: &str| {
            let all: Vec<String> =
                of.iter().map(|(it, count)| format!("{it} {word} {count} resource instances")).collect();
            (!all.is_empty()).then(|| all.join(", "))
        };
        match condition {
            "NamespaceDeletionContentFailure" if !self.failures.is_empty() => {
                let mut failures = self.failures.clone();
                failures.sort_unstable();
                let (count, all) = (failures.len(), failures.join(", "));
                Some((
                    "ContentDeletionFailed",
                    format!("Failed to delete all resource types, {count} remaining: {all}"),
                ))
            }
            "NamespaceContentRemaining" => list(&self.resources, "has")
                .map(|it| ("SomeResourcesRemain", format!("Some resources are remaining: {it}"))),
            "NamespaceFinalizersRemaining" => list(&self.finalizers, "in").map(|it| {
                ("SomeFinalizersRemain", format!("Some content in the namespace has finalizers remaining: {it}"))
            }),
            _ => None,
        }
    }

    /// The conditions that a namespace has from now on; nothing if these are what it has.
    pub(super) fn conditions(&self, namespace: &Value, now: Timestamp) -> Option<Value> {
        let before = namespace.pointer("/status/conditions").and_then(Value::as_array);
        let mut conditions = before.cloned().unwrap_or_default();
        let mut changed = false;
        for (kind, well, text) in CONDITIONS {
            let (status, reason, message) = match self.trouble(kind) {
                Some((reason, message)) => ("True", reason, message),
                None => ("False", well, text.to_owned()),
            };
            let mut made = json!({
                "type": kind,
                "status": status,
                "lastTransitionTime": k8s_types::age::format(now),
                "reason": reason,
                "message": message,
            });
            match conditions.iter_mut().find(|it| it.get("type").is_some_and(|it| it == kind)) {
                None => conditions.push(made),
                Some(known) => {
                    if known.get("status") == made.get("status")
                        && let Some(time) = known.get("lastTransitionTime")
                    {
                        made["lastTransitionTime"] = time.clone();
                    }
                    if *known == made {
                        continue;
                    }
                    *known = made;
                }
            }
            changed = true;
        }
        changed.then_some(Value::Array(conditions))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn conditions_change_when_what_they_say_does() {
        let mut namespace = json!({"status": {}});
        let pods = Remains { resources: [("pods.".to_owned(), 1)].into(), ..Remains::default() };
        let first = pods.conditions(&namespace, at(0)).unwrap();
        assert_eq!(first.as_array().unwrap().len(), 5);
        assert_eq!(first[3]["message"], "Some resources are remaining: pods. has 1 resource instances");
        namespace["status"]["conditions"] = first;
        assert_eq!(pods.conditions(&namespace, at(1)), None);
        let two = Remains { resources: [("pods.".to_owned(), 2)].into(), ..Remains::default() };
        let second = two.conditions(&namespace, at(2)).unwrap();
        assert_eq!(second[3]["lastTransitionTime"], "1970-01-01T00:00:00Z", "it still is true");
        namespace["status"]["conditions"] = second;
        let last = Remains::default().conditions(&namespace, at(3)).unwrap();
        assert_eq!(last[3]["status"], "False");
        assert_eq!(last[3]["lastTransitionTime"], "1970-01-01T00:00:03Z");
        assert_eq!(last[4]["lastTransitionTime"], "1970-01-01T00:00:00Z");
    }

    /// What API servers were seen to say.
    #[test]
    fn the_texts_are_those_of_the_records() {
        let recorded = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/controller-nsdel.jsonl"));
        let pods = Remains {
            resources: [("pods.".to_owned(), 1)].into(),
            failures: vec!["unexpected items still remain in namespace: gc-nsd for gvr: /v1, Resource=pods".to_owned()],
            ..Remains::default()
        };
        let held = Remains {
            resources: [("configmaps.".to_owned(), 1)].into(),
            finalizers: [("example.com/hold".to_owned(), 1)].into(),
            ..Remains::default()
        };
        for remains in [pods, held, Remains::default()] {
            for condition in remains.conditions(&json!({}), at(0)).unwrap().as_array().unwrap() {
                for member in ["type", "reason", "message"] {
                    let text = condition[member].to_string();
                    assert!(recorded.contains(&text), "{text}");
                }
            }
        }
    }
}

//! PodTopologyLabels: a pod tells by its labels in which zone and region it runs.

use crate::step::{Outcome, is_about, map_made};
use k8s_kinds::value::{Look, object_made};
use k8s_registry::admission::{Admission, Attempt, Operation};
use serde_json::Value;

/// The plugin.
pub struct PodTopologyLabels;

/// The minor since which servers do this without being asked.
pub const SINCE: u8 = 35;

const LABELS: &[&str] = &["topology.kubernetes.io/zone", "topology.kubernetes.io/region"];

impl Admission for PodTopologyLabels {
    fn change(&self, attempt: &Attempt<'_>, object: &mut Value, _old: Option<&Value>) -> Outcome {
        let placed = match (attempt.operation, attempt.subresource) {
            (Operation::Create, "") => true,
            // A binding comes as a change of the pod: it has its node by now.
            (_, "binding") => true,
            _ => false,
        };
        let node = object.at("spec").text("nodeName");
        if !placed || !is_about(attempt, "", "pods") || node.is_empty() {
            return Ok(());
        }
        let Some(node) = attempt.registry.peek("", "nodes", "", node) else { return Ok(()) };
        let found = node.look(&["metadata", "labels"]);
        for label in LABELS.iter().filter(|it| found.has(it)) {
            let labels = object_made(object, "metadata").and_then(|metadata| map_made(metadata, "labels"));
            if let Some(labels) = labels {
                labels.insert((*label).to_owned(), found.at(label).clone());
            }
        }
        Ok(())
    }
}

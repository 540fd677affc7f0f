//! What a kubelet may do to pods, and for which of them it may ask for tokens.

use super::Case;
use super::references::{CLAIMS, CONFIG_MAPS, SECRETS, TRUST_BUNDLES, refers_to};
use crate::step::{Outcome, is_mirror, name_of};
use k8s_kinds::value::{Look, same};
use k8s_registry::admission::Operation;
use serde_json::Value;

pub(super) fn judge(case: &Case<'_>) -> Outcome {
    let node = case.node;
    match (case.attempt.subresource, case.attempt.operation) {
        ("", Operation::Create) => create(case),
        ("", Operation::Delete) => {
            let why = format!("node \"{node}\" can only delete pods with spec.nodeName set to itself");
            case.refuse_unless(runs_on(case.object, node), &why)
        }
        ("", Operation::Update) => case.refuse(format!(
            "unexpected operation \"{}\", node \"{node}\" can only create and delete mirror pods",
            case.operation()
        )),
        ("status", Operation::Update) => status(case),
        ("eviction", Operation::Create) => evict(case),
        ("status" | "eviction", _) => case.refuse(format!("unexpected operation \"{}\"", case.operation())),
        (other, _) => {
            case.refuse(format!("unexpected pod subresource \"{other}\", only 'status' and 'eviction' are allowed"))
        }
    }
}

fn runs_on(pod: &Value, node: &str) -> bool {
    pod.at("spec").text("nodeName") == node
}

/// A kubelet creates pods only for what it runs by itself.
fn create(case: &Case<'_>) -> Outcome {
    let (node, pod) = (case.node, case.object);
    if !is_mirror(pod) {
        return case.refuse(format!(
            "pod does not have \"kubernetes.io/config.mirror\" annotation, node \"{node}\" can only create mirror pods"
        ));
    }
    if !runs_on(pod, node) {
        return case.refuse(format!("node \"{node}\" can only create pods with spec.nodeName set to itself"));
    }
    owner(case)?;
    let spec = pod.at("spec");
    let refuse = |what: &str| case.refuse(format!("node \"{node}\" can not create pods that reference {what}"));
    if !spec.text("serviceAccountName").is_empty() {
        return refuse("a service account");
    }
    for (references, what) in [
        (SECRETS, "secrets"),
        (CONFIG_MAPS, "configmaps"),
        (TRUST_BUNDLES, "clustertrustbundles"),
        (CLAIMS, "persistentvolumeclaims"),
    ] {
        if refers_to(spec, references) {
            return refuse(what);
        }
    }
    Ok(())
}

/// Such a pod is owned by its node.
fn owner(case: &Case<'_>) -> Outcome {
    let node = case.node;
    let can_only = |what: &str| case.refuse(format!("node \"{node}\" can only create pods with {what} set to itself"));
    let owner = match case.object.at("metadata").items("ownerReferences") {
        [] => return can_only("an owner reference"),
        [owner] => owner,
        _ => return can_only("a single owner reference"),
    };
    if (owner.text("apiVersion"), owner.text("kind"), owner.text("name")) != ("v1", "Node", node) {
        return can_only("an owner reference");
    }
    if !owner.flag("controller") {
        return can_only("a controller owner reference");
    }
    if owner.flag("blockOwnerDeletion") {
        return case.refuse(format!("node \"{node}\" must not set blockOwnerDeletion on an owner reference"));
    }
    let Some(found) = case.attempt.registry.peek("", "nodes", "", node) else { return case.not_found("nodes", node) };
    let (given, uid) = (owner.text("uid"), found.at("metadata").text("uid"));
    case.refuse_unless(given == uid, &format!("node {node} UID mismatch: expected {given} got {uid}"))
}

fn status(case: &Case<'_>) -> Outcome {
    let (node, pod) = (case.node, case.object);
    let Some(old) = case.old else { return Ok(()) };
    if !runs_on(old, node) {
        return case
            .refuse(format!("node \"{node}\" can only update pod status for pods with spec.nodeName set to itself"));
    }
    let unchanged = |path: &[&str]| same(pod.look(path), old.look(path));
    if !unchanged(&["metadata", "labels"]) {
        return case.refuse(format!("node \"{node}\" cannot update labels through pod status"));
    }
    if !unchanged(&["status", "resourceClaimStatuses"]) {
        return case.refuse(format!("node \"{node}\" cannot update resource claim statues"));
    }
    Ok(())
}

fn evict(case: &Case<'_>) -> Outcome {
    let name = name_of(case.attempt, case.object);
    if name.is_empty() {
        return case.refuse("could not determine pod from request data");
    }
    let Some(pod) = case.attempt.registry.peek("", "pods", case.attempt.namespace, name) else {
        return case.not_found("pods", name);
    };
    let why = format!("node {} can only evict pods with spec.nodeName set to itself", case.node);
    case.refuse_unless(runs_on(&pod, case.node), &why)
}

/// A kubelet asks for tokens only on behalf of the pods that it runs.
pub(super) fn judge_token(case: &Case<'_>) -> Outcome {
    if case.attempt.operation != Operation::Create {
        return Ok(());
    }
    let bound = case.object.look(&["spec", "boundObjectRef"]);
    let name = bound.text("name");
    if bound.text("apiVersion") != "v1" || bound.text("kind") != "Pod" || name.is_empty() {
        return case.refuse("node requested token not bound to a pod");
    }
    let uid = bound.text("uid");
    if uid.is_empty() {
        return case.refuse("node requested token with a pod binding without a uid");
    }
    let Some(pod) = case.attempt.registry.peek("", "pods", case.attempt.namespace, name) else {
        return case.not_found("pods", name);
    };
    if pod.at("metadata").text("uid") != uid {
        return case.refuse(format!(
            "the UID in the bound object reference ({uid}) does not match the UID in record. The object might have \
             been deleted and then recreated"
        ));
    }
    if !runs_on(&pod, case.node) {
        return case.refuse("node requested token bound to a pod scheduled on a different node");
    }
    super::audiences::judge(case, &pod)
}

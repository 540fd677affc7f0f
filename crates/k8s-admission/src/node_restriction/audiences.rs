//! For whom the tokens are that a kubelet asks for: for those that the pod's own volumes name.

use super::Case;
use crate::step::{Outcome, name_of, user_of};
use k8s_authz::Attributes;
use k8s_kinds::value::Look;
use k8s_registry::Registry;
use serde_json::Value;

/// The minor since which servers look at this without being asked.
const SINCE: u8 = 33;

/// What lets a kubelet ask for others.
const VERB: &str = "request-serviceaccounts-token-audience";

pub(super) fn judge(case: &Case<'_>, pod: &Value) -> Outcome {
    if case.plugin.minor < SINCE {
        return Ok(());
    }
    let audience = match case.object.at("spec").items("audiences") {
        [] => "",
        [one] => one.as_str().unwrap_or_default(),
        _ => return case.refuse("node may only request 0 or 1 audiences"),
    };
    if is_named(case.attempt.registry, pod, audience) || is_granted(case, audience) {
        return Ok(());
    }
    case.refuse(format!(
        "audience \"{audience}\" not found in pod spec volume, {} is not authorized to request tokens for \
         this audience",
        case.attempt.asker.name
    ))
}

fn is_granted(case: &Case<'_>, audience: &str) -> bool {
    let user = user_of(&case.attempt.asker);
    let asked = Attributes {
        version: "v1",
        namespace: case.attempt.namespace,
        name: name_of(case.attempt, case.object),
        ..Attributes::resource(&user, VERB, "", audience)
    };
    case.plugin.authorizer.decide(&asked).allowed
}

/// Whether a volume of the pod is about tokens for the audience.
fn is_named(registry: &Registry, pod: &Value, audience: &str) -> bool {
    pod.at("spec").items("volumes").iter().any(|volume| {
        let mut sources = volume.at("projected").items("sources").iter().map(|it| it.at("serviceAccountToken"));
        if sources.any(|it| it.is_object() && it.text("audience") == audience) {
            return true;
        }
        let Some(driver) = driver_of(registry, pod.at("metadata"), volume) else { return false };
        let driver = registry.peek("storage.k8s.io", "csidrivers", "", &driver);
        driver.is_some_and(|it| it.at("spec").items("tokenRequests").iter().any(|it| it.text("audience") == audience))
    })
}

/// The driver of a volume, if it has one: its own, or that of the volume that its claim is bound to.
fn driver_of(registry: &Registry, pod: &Value, volume: &Value) -> Option<String> {
    let claim = if volume.has("ephemeral") {
        format!("{}-{}", pod.text("name"), volume.text("name"))
    } else if volume.has("persistentVolumeClaim") {
        volume.at("persistentVolumeClaim").text("claimName").to_owned()
    } else {
        return volume.at("csi").at("driver").as_str().map(str::to_owned);
    };
    let claim = registry.peek("", "persistentvolumeclaims", pod.text("namespace"), &claim)?;
    let bound = registry.peek("", "persistentvolumes", "", claim.at("spec").text("volumeName"))?;
    bound.look(&["spec", "csi", "driver"]).as_str().map(str::to_owned)
}

//! Fields of pods that a minor knows and ignores: they were added, but are not switched on by default until later.

use crate::Context;
use serde_json::Value;

/// Where the field is in a pod's spec (`*` is every item of a list), and the first minor that has it switched on;
/// [`NEVER`] where none has yet.
const FIELDS: [(&[&str], u8); 43] = [
    (&["initContainers", "*", "restartPolicy"], 29),
    (&["containers", "*", "restartPolicy"], 35),
    (&["containers", "*", "restartPolicyRules"], 35),
    (&["initContainers", "*", "restartPolicyRules"], 35),
    (&["containers", "*", "resizePolicy"], 33),
    (&["initContainers", "*", "resizePolicy"], 33),
    (&["containers", "*", "resources", "claims"], 34),
    (&["initContainers", "*", "resources", "claims"], 34),
    (&["containers", "*", "volumeMounts", "*", "recursiveReadOnly"], 31),
    (&["initContainers", "*", "volumeMounts", "*", "recursiveReadOnly"], 31),
    (&["containers", "*", "lifecycle", "preStop", "sleep"], 30),
    (&["containers", "*", "lifecycle", "postStart", "sleep"], 30),
    (&["initContainers", "*", "lifecycle", "preStop", "sleep"], 30),
    (&["initContainers", "*", "lifecycle", "postStart", "sleep"], 30),
    (&["containers", "*", "lifecycle", "stopSignal"], NEVER),
    (&["initContainers", "*", "lifecycle", "stopSignal"], NEVER),
    (&["containers", "*", "env", "*", "valueFrom", "fileKeyRef"], 35),
    (&["initContainers", "*", "env", "*", "valueFrom", "fileKeyRef"], 35),
    (&["containers", "*", "securityContext", "appArmorProfile"], 30),
    (&["initContainers", "*", "securityContext", "appArmorProfile"], 30),
    (&["containers", "*", "securityContext", "procMount"], 33),
    (&["initContainers", "*", "securityContext", "procMount"], 33),
    (&["containers", "*", "livenessProbe", "terminationGracePeriodSeconds"], 25),
    (&["containers", "*", "startupProbe", "terminationGracePeriodSeconds"], 25),
    (&["securityContext", "appArmorProfile"], 30),
    (&["securityContext", "supplementalGroupsPolicy"], 33),
    (&["securityContext", "seLinuxChangePolicy"], 33),
    (&["volumes", "*", "image"], 35),
    (&["volumes", "*", "projected", "sources", "*", "clusterTrustBundle"], NEVER),
    (&["volumes", "*", "projected", "sources", "*", "podCertificate"], NEVER),
    (&["schedulingGates"], 27),
    (&["topologySpreadConstraints", "*", "minDomains"], 27),
    (&["topologySpreadConstraints", "*", "nodeAffinityPolicy"], 26),
    (&["topologySpreadConstraints", "*", "nodeTaintsPolicy"], 26),
    (&["topologySpreadConstraints", "*", "matchLabelKeys"], 27),
    (&["affinity", "podAffinity", REQUIRED, "*", "matchLabelKeys"], 31),
    (&["affinity", "podAffinity", REQUIRED, "*", "mismatchLabelKeys"], 31),
    (&["affinity", "podAntiAffinity", REQUIRED, "*", "matchLabelKeys"], 31),
    (&["affinity", "podAntiAffinity", REQUIRED, "*", "mismatchLabelKeys"], 31),
    (&["hostUsers"], 33),
    (&["resources"], 34),
    (&["resourceClaims"], 34),
    (&["hostnameOverride"], 35),
];
const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const NEVER: u8 = u8::MAX;

/// Drops from a pod's spec what its minor has switched off, but for fields that the old object uses already.
pub(crate) fn drop_disabled(spec: &mut Value, old: Option<&Value>, cx: &Context<'_>) {
    for (path, _) in FIELDS.iter().filter(|(_, since)| *since > cx.minor) {
        if !old.is_some_and(|old| is_used(old, path)) {
            drop_at(spec, path);
        }
    }
}

fn is_used(value: &Value, path: &[&str]) -> bool {
    match path {
        [] => !value.is_null(),
        ["*", rest @ ..] => value.as_array().is_some_and(|items| items.iter().any(|it| is_used(it, rest))),
        [name, rest @ ..] => value.get(name).is_some_and(|it| is_used(it, rest)),
    }
}

fn drop_at(value: &mut Value, path: &[&str]) {
    match path {
        [] => {}
        ["*", rest @ ..] => {
            for item in value.as_array_mut().into_iter().flatten() {
                drop_at(item, rest);
            }
        }
        [name] => crate::value::remove(value, name),
        [name, rest @ ..] => {
            if let Some(inner) = value.get_mut(name) {
                drop_at(inner, rest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_off_is_dropped_unless_it_is_used() {
        let spec = json!({"initContainers": [{"name": "a", "restartPolicy": "Always"}], "schedulingGates": []});
        let cx = |minor| Context { minor, version: "v1", now: "" };
        let mut it = spec.clone();
        drop_disabled(&mut it, None, &cx(26));
        assert_eq!(it, json!({"initContainers": [{"name": "a"}]}));
        let mut it = spec.clone();
        drop_disabled(&mut it, Some(&spec), &cx(26));
        assert_eq!(it, spec);
        drop_disabled(&mut it, None, &cx(34));
        assert_eq!(it, spec);
    }
}

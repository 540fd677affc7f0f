//! What else a pod's spec refers to.

use k8s_kinds::value::Look;
use serde_json::Value;

/// Where references of one sort stand.
#[derive(Clone, Copy)]
pub(crate) struct References {
    /// Fields of the spec that are lists of them.
    listed: &'static [&'static str],
    /// Fields in the source of a variable.
    variable: &'static str,
    /// Fields in a source of variables.
    variables: &'static str,
    /// Fields of a volume.
    volume: &'static [&'static [&'static str]],
    /// Fields of a source of a projected volume.
    projected: &'static str,
}

/// Secrets.
pub(crate) const SECRETS: References = References {
    listed: &["imagePullSecrets"],
    variable: "secretKeyRef",
    variables: "secretRef",
    volume: &[
        &["azureFile"],
        &["cephfs", "secretRef"],
        &["cinder", "secretRef"],
        &["csi", "nodePublishSecretRef"],
        &["flexVolume", "secretRef"],
        &["iscsi", "secretRef"],
        &["rbd", "secretRef"],
        &["scaleIO", "secretRef"],
        &["secret"],
        &["storageos", "secretRef"],
    ],
    projected: "secret",
};

/// ConfigMaps.
pub(super) const CONFIG_MAPS: References = References {
    listed: &[],
    variable: "configMapKeyRef",
    variables: "configMapRef",
    volume: &[&["configMap"]],
    projected: "configMap",
};

/// ClusterTrustBundles.
pub(super) const TRUST_BUNDLES: References =
    References { listed: &[], variable: "", variables: "", volume: &[], projected: "clusterTrustBundle" };

/// PersistentVolumeClaims.
pub(super) const CLAIMS: References =
    References { listed: &[], variable: "", variables: "", volume: &[&["persistentVolumeClaim"]], projected: "" };

/// Whether a pod refers to any of a sort.
pub(crate) fn refers_to(spec: &Value, sort: References) -> bool {
    let containers = ["initContainers", "containers", "ephemeralContainers"];
    let in_container = |it: &Value| {
        it.items("env").iter().any(|it| it.at("valueFrom").has(sort.variable))
            || it.items("envFrom").iter().any(|it| it.has(sort.variables))
    };
    let in_volume = |it: &Value| {
        sort.volume.iter().any(|path| !it.look(path).is_null())
            || it.at("projected").items("sources").iter().any(|it| it.has(sort.projected))
    };
    sort.listed.iter().any(|it| !spec.items(it).is_empty())
        || containers.iter().flat_map(|it| spec.items(it)).any(in_container)
        || spec.items("volumes").iter().any(in_volume)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn references_are_found_wherever_they_are() {
        for spec in [
            json!({"imagePullSecrets": [{"name": "a"}]}),
            json!({"volumes": [{"csi": {"nodePublishSecretRef": {"name": "a"}}}]}),
            json!({"volumes": [{"projected": {"sources": [{"secret": {}}]}}]}),
            json!({"initContainers": [{"env": [{"valueFrom": {"secretKeyRef": {}}}]}]}),
            json!({"containers": [{"envFrom": [{"secretRef": {}}]}]}),
        ] {
            assert!(refers_to(&spec, SECRETS), "{spec}");
            assert!(![CONFIG_MAPS, CLAIMS, TRUST_BUNDLES].iter().any(|it| refers_to(&spec, *it)), "{spec}");
        }
        assert!(refers_to(&json!({"volumes": [{"persistentVolumeClaim": {"claimName": "x"}}]}), CLAIMS));
    }
}

//! The volume with a pod's token.

use crate::step::list_made;
use k8s_kinds::value::{Look, items_mut, object_made, object_mut};
use serde_json::{Value, json};

/// Where clients look for their token.
const PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// What the volume's name begins with.
const VOLUME: &str = "kube-api-access-";
/// How long a token lives. The odd seconds tell it from one that somebody asked for.
const SECONDS: u32 = 3607;
/// The alphabet of generated names.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// Mounts a token in all containers that have nothing at its place.
pub(super) fn mount(pod: &mut Value) {
    let Some(spec) = object_made(pod, "spec") else { return };
    let there = spec.items("volumes").iter().map(|it| it.text("name")).find(|it| it.starts_with(VOLUME));
    let there = there.map(str::to_owned);
    let name = there.clone().unwrap_or_else(|| format!("{VOLUME}{}", suffix()));
    let mut used = false;
    for list in ["initContainers", "containers"] {
        for container in items_mut(spec, list) {
            if container.items("volumeMounts").iter().any(|it| it.text("mountPath") == PATH) {
                continue;
            }
            if let Some(mounts) = list_made(container, "volumeMounts") {
                mounts.push(json!({"name": name, "readOnly": true, "mountPath": PATH}));
                used = true;
            }
        }
    }
    if used
        && there.is_none()
        && let Some(volumes) = object_mut(pod, "spec").and_then(|spec| list_made(spec, "volumes"))
    {
        volumes.push(volume(&name));
    }
}

fn volume(name: &str) -> Value {
    let namespace = json!({"apiVersion": "v1", "fieldPath": "metadata.namespace"});
    let sources = json!([
        {"serviceAccountToken": {"expirationSeconds": SECONDS, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": namespace}]}},
    ]);
    json!({"name": name, "projected": {"sources": sources, "defaultMode": 0o644}})
}

fn suffix() -> String {
    let random: [u8; 5] = base::ids::random_bytes();
    random
        .iter()
        .filter_map(|byte| ALPHABET.get(usize::from(*byte) % ALPHABET.len()))
        .map(|it| char::from(*it))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_is_there_is_used() {
        let mut pod = json!({"spec": {
            "containers": [{"name": "c"}],
            "volumes": [{"name": "kube-api-access-mine", "emptyDir": {}}],
        }});
        mount(&mut pod);
        assert_eq!(pod["spec"]["containers"][0]["volumeMounts"][0]["name"], "kube-api-access-mine");
        assert_eq!(pod["spec"]["volumes"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn without_a_place_for_it_there_is_no_token() {
        let mut pod = json!({"spec": {"containers": [{"volumeMounts": [{"mountPath": PATH}]}]}});
        mount(&mut pod);
        assert!(pod["spec"].get("volumes").is_none());
    }
}

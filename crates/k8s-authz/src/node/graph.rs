//! What the pods of each node use.

use crate::json::{items, text};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// The kinds that a kubelet's rights depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Pod,
    Secret,
    ConfigMap,
    Claim,
    Volume,
    ServiceAccount,
    ResourceClaim,
    VolumeAttachment,
    ResourceSlice,
}

type Key = (Kind, Box<str>, Box<str>);

/// Who uses what: nodes by their pods, pods by their volumes, environment and account, volumes by their claims.
///
/// Objects are put in as they are and removed when they are gone; what an object that is put in again no longer uses
/// is forgotten.
#[derive(Debug, Default)]
pub struct Graph {
    /// Which nodes use an object, and through how many others.
    used: HashMap<Key, HashMap<Box<str>, usize>>,
    /// What each object that was put in gives, so that it can be taken back.
    given: HashMap<Key, Vec<(Key, Box<str>)>>,
    /// The claim that a volume is bound to.
    claims: HashMap<Box<str>, Key>,
    /// The volumes that need a secret.
    volumes: HashMap<Key, HashSet<Box<str>>>,
    /// The secrets that a volume needs.
    secrets: HashMap<Box<str>, Vec<Key>>,
}

fn kind_of(kind: &str) -> Option<Kind> {
    match kind {
        "Pod" => Some(Kind::Pod),
        "PersistentVolume" => Some(Kind::Volume),
        "VolumeAttachment" => Some(Kind::VolumeAttachment),
        "ResourceSlice" => Some(Kind::ResourceSlice),
        _ => None,
    }
}

impl Graph {
    /// Takes in a Pod, PersistentVolume, VolumeAttachment or ResourceSlice as it is now. Other kinds are ignored.
    pub fn put(&mut self, object: &Value) {
        let (namespace, name) = (text(object, "/metadata/namespace"), text(object, "/metadata/name"));
        let kind = text(object, "/kind");
        self.remove(kind, namespace, name);
        let Some(kind) = kind_of(kind) else { return };
        let node = text(object, "/spec/nodeName");
        let key: Key = (kind, namespace.into(), name.into());
        match kind {
            Kind::Volume => self.put_volume(object, name),
            _ if node.is_empty() => {}
            Kind::Pod => {
                let mut uses = vec![key.clone()];
                // A kubelet makes mirror pods itself; they must not give it rights.
                if object.pointer("/metadata/annotations/kubernetes.io~1config.mirror").is_none() {
                    uses.extend(used_by_pod(object, namespace, name));
                }
                self.give(key, uses, node);
            }
            _ => self.give(key.clone(), vec![key], node),
        }
    }

    /// Forgets an object.
    pub fn remove(&mut self, kind: &str, namespace: &str, name: &str) {
        let Some(kind) = kind_of(kind) else { return };
        for (key, node) in self.given.remove(&(kind, namespace.into(), name.into())).unwrap_or_default() {
            let Some(nodes) = self.used.get_mut(&key) else { continue };
            if let Some(count) = nodes.get_mut(&node) {
                *count -= 1;
                if *count == 0 {
                    nodes.remove(&node);
                }
            }
            if nodes.is_empty() {
                self.used.remove(&key);
            }
        }
        if kind == Kind::Volume {
            self.claims.remove(name);
            for secret in self.secrets.remove(name).unwrap_or_default() {
                if let Some(volumes) = self.volumes.get_mut(&secret) {
                    volumes.remove(name);
                    if volumes.is_empty() {
                        self.volumes.remove(&secret);
                    }
                }
            }
        }
    }

    fn give(&mut self, key: Key, uses: Vec<Key>, node: &str) {
        for it in &uses {
            *self.used.entry(it.clone()).or_default().entry(node.into()).or_default() += 1;
        }
        self.given.insert(key, uses.into_iter().map(|it| (it, node.into())).collect());
    }

    fn put_volume(&mut self, volume: &Value, name: &str) {
        let (namespace, claim) = (text(volume, "/spec/claimRef/namespace"), text(volume, "/spec/claimRef/name"));
        if claim.is_empty() {
            return;
        }
        self.claims.insert(name.into(), (Kind::Claim, namespace.into(), claim.into()));
        let secrets = secrets_of_volume(volume, namespace);
        for secret in &secrets {
            self.volumes.entry(secret.clone()).or_default().insert(name.into());
        }
        self.secrets.insert(name.into(), secrets);
    }

    fn uses(&self, key: &Key, node: &str) -> bool {
        self.used.get(key).is_some_and(|it| it.contains_key(node))
    }

    fn uses_volume(&self, volume: &str, node: &str) -> bool {
        self.claims.get(volume).is_some_and(|it| self.uses(it, node))
    }

    /// Whether something on `node` uses the object.
    pub(super) fn is_used(&self, kind: Kind, namespace: &str, name: &str, node: &str) -> bool {
        if kind == Kind::Volume {
            return self.uses_volume(name, node);
        }
        let key: Key = (kind, namespace.into(), name.into());
        self.uses(&key, node)
            || self.volumes.get(&key).is_some_and(|it| it.iter().any(|volume| self.uses_volume(volume, node)))
    }
}

fn used_by_pod(pod: &Value, namespace: &str, name: &str) -> Vec<Key> {
    let mut found = Vec::new();
    let mut add = |kind, name: &str| {
        if !name.is_empty() {
            found.push((kind, Box::from(namespace), Box::from(name)));
        }
    };
    add(Kind::ServiceAccount, text(pod, "/spec/serviceAccountName"));
    items(pod, "/spec/imagePullSecrets").for_each(|it| add(Kind::Secret, text(it, "/name")));
    for list in ["/spec/initContainers", "/spec/containers", "/spec/ephemeralContainers"] {
        for container in items(pod, list) {
            for it in items(container, "/envFrom") {
                add(Kind::Secret, text(it, "/secretRef/name"));
                add(Kind::ConfigMap, text(it, "/configMapRef/name"));
            }
            for it in items(container, "/env") {
                add(Kind::Secret, text(it, "/valueFrom/secretKeyRef/name"));
                add(Kind::ConfigMap, text(it, "/valueFrom/configMapKeyRef/name"));
            }
        }
    }
    for volume in items(pod, "/spec/volumes") {
        add(Kind::Claim, text(volume, "/persistentVolumeClaim/claimName"));
        if volume.get("ephemeral").is_some() {
            add(Kind::Claim, &format!("{name}-{}", text(volume, "/name")));
        }
        add(Kind::ConfigMap, text(volume, "/configMap/name"));
        for path in SECRETS_OF_VOLUMES {
            add(Kind::Secret, text(volume, path));
        }
        for source in items(volume, "/projected/sources") {
            add(Kind::Secret, text(source, "/secret/name"));
            add(Kind::ConfigMap, text(source, "/configMap/name"));
        }
    }
    items(pod, "/status/resourceClaimStatuses").for_each(|it| add(Kind::ResourceClaim, text(it, "/resourceClaimName")));
    items(pod, "/spec/resourceClaims").for_each(|it| add(Kind::ResourceClaim, text(it, "/resourceClaimName")));
    add(Kind::ResourceClaim, text(pod, "/status/extendedResourceClaimStatus/resourceClaimName"));
    found
}

const SECRETS_OF_VOLUMES: [&str; 10] = [
    "/secret/secretName",
    "/azureFile/secretName",
    "/cephfs/secretRef/name",
    "/cinder/secretRef/name",
    "/flexVolume/secretRef/name",
    "/rbd/secretRef/name",
    "/scaleIO/secretRef/name",
    "/iscsi/secretRef/name",
    "/storageos/secretRef/name",
    "/csi/nodePublishSecretRef/name",
];

/// The secrets that a kubelet needs to mount a volume; those of controllers are not among them.
fn secrets_of_volume(volume: &Value, namespace: &str) -> Vec<Key> {
    let mut found = Vec::new();
    let mut add = |own: &str, name: &str| {
        if !name.is_empty() {
            let namespace = if own.is_empty() { namespace } else { own };
            found.push((Kind::Secret, Box::from(namespace), Box::from(name)));
        }
    };
    add(text(volume, "/spec/azureFile/secretNamespace"), text(volume, "/spec/azureFile/secretName"));
    for source in ["cephfs", "cinder", "flexVolume", "rbd", "scaleIO", "iscsi", "storageos"] {
        let at = |member: &str| text(volume, &format!("/spec/{source}/secretRef/{member}"));
        add(at("namespace"), at("name"));
    }
    for secret in ["nodePublishSecretRef", "nodeStageSecretRef", "nodeExpandSecretRef"] {
        let at = |member: &str| text(volume, &format!("/spec/csi/{secret}/{member}"));
        add(at("namespace"), at("name"));
    }
    found
}

//! The objects that a recorded server had: what it was sent, and what it added itself.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Each recorded resource's group and kind.
pub const KINDS: [(&str, &str, &str); 64] = [
    ("pods", "", "Pod"),
    ("nodes", "", "Node"),
    ("services", "", "Service"),
    ("endpoints", "", "Endpoints"),
    ("configmaps", "", "ConfigMap"),
    ("secrets", "", "Secret"),
    ("serviceaccounts", "", "ServiceAccount"),
    ("events", "", "Event"),
    ("namespaces", "", "Namespace"),
    ("persistentvolumes", "", "PersistentVolume"),
    ("persistentvolumeclaims", "", "PersistentVolumeClaim"),
    ("resourcequotas", "", "ResourceQuota"),
    ("limitranges", "", "LimitRange"),
    ("podtemplates", "", "PodTemplate"),
    ("replicationcontrollers", "", "ReplicationController"),
    ("componentstatuses", "", "ComponentStatus"),
    ("", "", "Status"),
    ("deployments", "apps", "Deployment"),
    ("replicasets", "apps", "ReplicaSet"),
    ("statefulsets", "apps", "StatefulSet"),
    ("daemonsets", "apps", "DaemonSet"),
    ("controllerrevisions", "apps", "ControllerRevision"),
    ("jobs", "batch", "Job"),
    ("cronjobs", "batch", "CronJob"),
    ("horizontalpodautoscalers", "autoscaling", "HorizontalPodAutoscaler"),
    ("scale", "autoscaling", "Scale"),
    ("poddisruptionbudgets", "policy", "PodDisruptionBudget"),
    ("podsecuritypolicies", "policy", "PodSecurityPolicy"),
    ("endpointslices", "discovery.k8s.io", "EndpointSlice"),
    ("ingresses", "networking.k8s.io", "Ingress"),
    ("ingressclasses", "networking.k8s.io", "IngressClass"),
    ("networkpolicies", "networking.k8s.io", "NetworkPolicy"),
    ("servicecidrs", "networking.k8s.io", "ServiceCIDR"),
    ("ipaddresses", "networking.k8s.io", "IPAddress"),
    ("roles", "rbac.authorization.k8s.io", "Role"),
    ("rolebindings", "rbac.authorization.k8s.io", "RoleBinding"),
    ("clusterrolebindings", "rbac.authorization.k8s.io", "ClusterRoleBinding"),
    ("storageclasses", "storage.k8s.io", "StorageClass"),
    ("volumeattributesclasses", "storage.k8s.io", "VolumeAttributesClass"),
    ("csidrivers", "storage.k8s.io", "CSIDriver"),
    ("csinodes", "storage.k8s.io", "CSINode"),
    ("csistoragecapacities", "storage.k8s.io", "CSIStorageCapacity"),
    ("volumeattachments", "storage.k8s.io", "VolumeAttachment"),
    ("priorityclasses", "scheduling.k8s.io", "PriorityClass"),
    ("runtimeclasses", "node.k8s.io", "RuntimeClass"),
    ("leases", "coordination.k8s.io", "Lease"),
    ("leasecandidates", "coordination.k8s.io", "LeaseCandidate"),
    ("validatingwebhookconfigurations", "admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
    ("mutatingwebhookconfigurations", "admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
    ("validatingadmissionpolicies", "admissionregistration.k8s.io", "ValidatingAdmissionPolicy"),
    ("mutatingadmissionpolicies", "admissionregistration.k8s.io", "MutatingAdmissionPolicy"),
    ("validatingadmissionpolicybindings", "admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"),
    ("customresourcedefinitions", "apiextensions.k8s.io", "CustomResourceDefinition"),
    ("apiservices", "apiregistration.k8s.io", "APIService"),
    ("flowschemas", "flowcontrol.apiserver.k8s.io", "FlowSchema"),
    ("prioritylevelconfigurations", "flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"),
    ("certificatesigningrequests", "certificates.k8s.io", "CertificateSigningRequest"),
    ("clustertrustbundles", "certificates.k8s.io", "ClusterTrustBundle"),
    ("podcertificaterequests", "certificates.k8s.io", "PodCertificateRequest"),
    ("storageversions", "internal.apiserver.k8s.io", "StorageVersion"),
    ("storageversionmigrations", "storagemigration.k8s.io", "StorageVersionMigration"),
    ("resourceclaims", "resource.k8s.io", "ResourceClaim"),
    ("resourceslices", "resource.k8s.io", "ResourceSlice"),
    ("foos", "tb.example.com", "Foo"),
];

/// The scenarios of a file of records.
pub fn scenarios(file: &str) -> Vec<Value> {
    let path = format!("{}/../../tests/golden/{file}.jsonl", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap();
    text.lines().map(|it| serde_json::from_str(it).unwrap()).collect()
}

/// The resource, group and kind that a path is of.
pub fn kind_of(path: &str) -> (&'static str, &'static str, &'static str) {
    let known = |part: &str| KINDS.into_iter().find(|(resource, _, _)| *resource == part && !part.is_empty());
    let of_namespace = |it: &(&str, &str, &str)| it.0 == "namespaces";
    let mut found: Vec<_> = path.split('/').filter_map(known).collect();
    if found.len() > 1 {
        found.retain(|it| !of_namespace(it));
    }
    found[0]
}

/// Objects by their paths.
#[derive(Default)]
pub struct World {
    objects: BTreeMap<String, Value>,
}

impl World {
    /// Does what a request asks for.
    pub fn apply(&mut self, method: &str, path: &str, body: &Value) {
        let path = path.split('?').next().unwrap();
        match method {
            "POST" => {
                let name = body["metadata"]["name"].as_str().unwrap();
                self.objects.insert(format!("{path}/{name}"), body.clone());
            }
            "PATCH" => {
                let path = path.trim_end_matches("/status").trim_end_matches("/approval");
                let body = match body {
                    Value::String(text) => serde_json::from_str(text).unwrap(),
                    other => other.clone(),
                };
                merge(self.objects.get_mut(path).unwrap(), &body);
            }
            "DELETE" => {
                let deleted = json!({"metadata": {"deletionTimestamp": "2026-11-23T00:00:00Z"}});
                for (_, it) in self.objects.iter_mut().filter(|(it, _)| it.starts_with(path)) {
                    merge(it, &deleted);
                }
            }
            _ => {}
        }
    }

    /// Takes over the objects that a server said it had.
    pub fn learn(&mut self, path: &str, response: &Value) {
        for it in response["items"].as_array().into_iter().flatten() {
            let name = it["metadata"]["name"].as_str().unwrap();
            self.objects.insert(format!("{}/{name}", path.split('?').next().unwrap()), it.clone());
        }
    }

    /// The object that a row is of.
    pub fn object(&self, path: &str, resource: &str, cell: &str) -> Option<Value> {
        let name = cell.trim_end_matches(" (default)");
        let single = path.ends_with(&format!("{resource}/{name}"));
        let path = if single { path.to_owned() } else { format!("{path}/{name}") };
        let mut object = match self.objects.get(&path) {
            Some(object) => object.clone(),
            None if resource == "componentstatuses" => component(name),
            // a list over all namespaces
            None => self.objects.iter().find(|(it, _)| it.ends_with(&format!("/{resource}/{name}")))?.1.clone(),
        };
        complete(&mut object, resource);
        Some(object)
    }

    /// What the definition of a custom resource declares.
    pub fn printer_columns(&self, path: &str) -> Vec<Value> {
        let group = path.split('/').nth(2).unwrap();
        let path = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/foos.{group}");
        let columns = &self.objects[&path]["spec"]["versions"][0]["additionalPrinterColumns"];
        columns.as_array().cloned().unwrap_or_default()
    }
}

/// RFC 7386.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    for (key, value) in patch {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(key);
        } else {
            merge(&mut target[key], value);
        }
    }
}

/// What the server adds to what it is sent, as far as it is printed.
fn complete(object: &mut Value, resource: &str) {
    let mut whole = added(object, resource);
    merge(&mut whole, object);
    merge(&mut whole, &json!({"metadata": {"creationTimestamp": "2026-11-23T11:00:00Z"}}));
    for port in whole["spec"]["ports"].as_array_mut().into_iter().flatten().filter(|_| resource == "services") {
        let mut with_protocol = json!({"protocol": "TCP"});
        merge(&mut with_protocol, port);
        *port = with_protocol;
    }
    *object = whole;
}

fn added(object: &Value, resource: &str) -> Value {
    let old = object["metadata"]["deletionTimestamp"].is_string();
    let by_uid = json!({"matchLabels": {"controller-uid": "<uid>"}});
    match resource {
        "pods" => json!({"status": {"phase": "Pending"}}),
        "services" => {
            let named = object["spec"]["type"] == "ExternalName";
            let address = object["spec"]["clusterIP"].as_str().unwrap_or("<clusterIP>");
            let addresses = if named { json!([]) } else { json!([address]) };
            json!({"spec": {"type": "ClusterIP", "clusterIPs": addresses}})
        }
        "secrets" => json!({"type": "Opaque"}),
        "namespaces" => json!({"status": {"phase": if old { "Terminating" } else { "Active" }}}),
        "replicationcontrollers" => {
            json!({"spec": {"replicas": 1, "selector": object["spec"]["template"]["metadata"]["labels"]}})
        }
        "deployments" | "replicasets" | "statefulsets" => json!({"spec": {"replicas": 1}}),
        "jobs" if object["spec"]["parallelism"].is_null() => {
            json!({"spec": {"parallelism": 1, "completions": 1, "selector": by_uid}})
        }
        "jobs" => json!({"spec": {"selector": by_uid}}),
        "cronjobs" => json!({"spec": {"suspend": false}}),
        "persistentvolumes" => {
            let spec = json!({"persistentVolumeReclaimPolicy": "Retain", "volumeMode": "Filesystem"});
            json!({"spec": spec, "status": {"phase": "Pending"}})
        }
        "persistentvolumeclaims" => json!({"spec": {"volumeMode": "Filesystem"}, "status": {"phase": "Pending"}}),
        "horizontalpodautoscalers" => json!({"spec": {"minReplicas": 1, "targetCPUUtilizationPercentage": 80}}),
        "storageclasses" => json!({"reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"}),
        "priorityclasses" => json!({"preemptionPolicy": "PreemptLowerPriority"}),
        "certificatesigningrequests" => json!({"spec": {"username": "admin"}}),
        _ => json!({}),
    }
}

/// What the recorded server found when it looked at the other components.
fn component(name: &str) -> Value {
    let (status, message) = match name {
        "scheduler" => ("False", refused(10251)),
        "controller-manager" => ("False", refused(10252)),
        _ => ("True", r#"{"health":"true"}"#.to_owned()),
    };
    json!({"metadata": {"name": name}, "conditions": [{"type": "Healthy", "status": status, "message": message}]})
}

fn refused(port: u16) -> String {
    format!(r#"Get "http://127.0.0.1:{port}/healthz": dial tcp 127.0.0.1:{port}: connect: connection refused"#)
}

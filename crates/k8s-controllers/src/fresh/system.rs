//! The namespaces of a fresh cluster, and what lies in them besides the API server's addresses.

use super::batch::Batch;
use super::{FreshConfig, SERVER};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use k8s_types::Status;
use serde_json::{Map, Value, json};

/// Since this minor it is noted when the server began to see whose token Secrets are used.
const TOKEN_TRACKING: u8 = 27;
/// Up to this minor StorageClass `gp2` is the default one.
const LAST_DEFAULT_GP2: u8 = 29;
/// Since this minor the server hands on users' uids.
const REMOTE_UIDS: u8 = 33;

pub(super) fn namespaces() -> impl Iterator<Item = Value> {
    ["kube-system", "kube-public", "kube-node-lease", "default"]
        .into_iter()
        .map(|name| json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}}))
}

/// The API server's service.
pub(super) fn service(config: &FreshConfig) -> Option<Value> {
    let address = config.services.nth(1)?;
    Some(json!({
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"component": "apiserver", "provider": "kubernetes"},
        },
        "spec": {
            "ports": [{"name": "https", "protocol": "TCP", "port": 443, "targetPort": config.port}],
            "clusterIP": address,
            "clusterIPs": [address],
            "type": "ClusterIP",
            "sessionAffinity": "None",
            "ipFamilyPolicy": "SingleStack",
            "ipFamilies": ["IPv4"],
        },
    }))
}

/// Everything that is made once and then left alone.
pub(super) fn objects(config: &FreshConfig, minor: u8) -> Vec<Value> {
    let mut objects = vec![
        priority_class(
            "system-cluster-critical",
            2_000_000_000,
            "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
        ),
        priority_class(
            "system-node-critical",
            2_000_001_000,
            "Used for system critical pods that must not be moved from their current node.",
        ),
    ];
    if minor >= TOKEN_TRACKING {
        let since = config.now.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d").to_string();
        let data = Map::from_iter([("since".to_owned(), Value::from(since))]);
        objects.push(config_map("kube-apiserver-legacy-service-account-token-tracking", data));
    }
    objects.extend(service_range(config));
    if config.eks {
        objects.push(storage_class(minor));
    }
    if let Some(roles) = &config.aws_auth {
        objects.push(config_map("aws-auth", Map::from_iter([("mapRoles".to_owned(), Value::from(roles.as_str()))])));
    }
    objects
}

fn config_map(name: &str, data: Map<String, Value>) -> Value {
    let metadata = json!({"name": name, "namespace": "kube-system"});
    json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata, "data": data})
}

fn priority_class(name: &str, value: i64, description: &str) -> Value {
    json!({
        "kind": "PriorityClass",
        "apiVersion": "scheduling.k8s.io/v1",
        "metadata": {"name": name},
        "value": value,
        "description": description,
        "preemptionPolicy": "PreemptLowerPriority",
    })
}

/// The range of service addresses and the one that is taken from the start, where the minor has them as objects.
fn service_range(config: &FreshConfig) -> Vec<Value> {
    let version = "networking.k8s.io/v1";
    let range = json!({
        "kind": "ServiceCIDR",
        "apiVersion": version,
        "metadata": {"name": "kubernetes", "finalizers": ["networking.k8s.io/service-cidr-finalizer"]},
        "spec": {"cidrs": [config.services.to_string()]},
    });
    let taken = config.services.nth(1).map(|address| {
        json!({
            "kind": "IPAddress",
            "apiVersion": version,
            "metadata": {
                "name": address,
                "labels": {
                    "ipaddress.kubernetes.io/ip-family": "IPv4",
                    "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
                },
            },
            "spec": {
                "parentRef": {"group": "", "resource": "services", "namespace": "default", "name": "kubernetes"},
            },
        })
    });
    std::iter::once(range).chain(taken).collect()
}

/// Adds the status that an object has once its controller has looked at it.
pub(super) fn finish(made: &mut Value, now: Timestamp) {
    if made.get("kind").is_some_and(|it| it == "ServiceCIDR") {
        let time = k8s_types::age::format(now);
        made["status"] = json!({"conditions": [{
            "type": "Ready",
            "status": "True",
            "lastTransitionTime": time,
            "reason": "",
            "message": "Kubernetes Service CIDR is ready",
        }]});
    }
}

/// What EKS provisions volumes by.
fn storage_class(minor: u8) -> Value {
    let mut metadata = json!({"name": "gp2"});
    if minor <= LAST_DEFAULT_GP2 {
        metadata["annotations"] = json!({"storageclass.kubernetes.io/is-default-class": "true"});
    }
    json!({
        "kind": "StorageClass",
        "apiVersion": "storage.k8s.io/v1",
        "metadata": metadata,
        "provisioner": "kubernetes.io/aws-ebs",
        "parameters": {"fsType": "ext4", "type": "gp2"},
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer",
    })
}

/// How others know clients and this server: kept as the server was started.
fn authentication(config: &FreshConfig, minor: u8) -> Map<String, Value> {
    let mut data = Map::new();
    data.insert("client-ca-file".to_owned(), Value::from(config.client_ca.as_str()));
    if let Some(proxy_ca) = &config.proxy_ca {
        let headers = [
            ("requestheader-allowed-names", r#"["front-proxy-client"]"#),
            ("requestheader-client-ca-file", proxy_ca),
            ("requestheader-extra-headers-prefix", r#"["X-Remote-Extra-"]"#),
            ("requestheader-group-headers", r#"["X-Remote-Group"]"#),
            ("requestheader-username-headers", r#"["X-Remote-User"]"#),
        ];
        data.extend(headers.map(|(name, value)| (name.to_owned(), Value::from(value))));
        if minor >= REMOTE_UIDS {
            data.insert("requestheader-uid-headers".to_owned(), Value::from(r#"["X-Remote-Uid"]"#));
        }
    }
    data
}

/// Makes what the server keeps as it must be, or brings it up to date.
pub(super) async fn keep(batch: &mut Batch<'_>, config: &FreshConfig) -> Result<(), Box<Status>> {
    let data = authentication(config, batch.registry.catalog().release().minor());
    let wanted = config_map("extension-apiserver-authentication", data);
    match batch.live(&wanted)? {
        None => batch.make(wanted, SERVER).await,
        Some(live) if live.get("data") == wanted.get("data") => Ok(()),
        Some(mut live) => {
            live["data"] = wanted["data"].clone();
            batch.replace(live, SERVER).await
        }
    }
}

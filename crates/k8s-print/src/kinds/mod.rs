//! The tables of built-in kinds.

use crate::printer::Layout;

mod access;
mod admission;
mod autoscaling;
mod cluster;
mod config;
mod devices;
mod flow;
mod jobs;
mod network;
mod pod;
mod storage;
mod workloads;

/// The table of a kind that has one of its own.
pub(crate) fn layout(group: &str, kind: &str) -> Option<&'static Layout> {
    match group {
        "" => core(kind),
        "apps" => apps(kind),
        "batch" => batch(kind),
        "autoscaling" => scaling(kind),
        "policy" => policy(kind),
        "networking.k8s.io" => networking(kind),
        "discovery.k8s.io" => (kind == "EndpointSlice").then_some(&network::ENDPOINT_SLICE),
        "events.k8s.io" => (kind == "Event").then_some(&cluster::EVENT),
        "storage.k8s.io" => storage(kind),
        "rbac.authorization.k8s.io" => rbac(kind),
        "certificates.k8s.io" => certificates(kind),
        "coordination.k8s.io" => coordination(kind),
        "scheduling.k8s.io" => (kind == "PriorityClass").then_some(&config::PRIORITY_CLASS),
        "node.k8s.io" => (kind == "RuntimeClass").then_some(&config::RUNTIME_CLASS),
        "admissionregistration.k8s.io" => admission(kind),
        "apiregistration.k8s.io" => (kind == "APIService").then_some(&cluster::API_SERVICE),
        "flowcontrol.apiserver.k8s.io" => flowcontrol(kind),
        "internal.apiserver.k8s.io" => (kind == "StorageVersion").then_some(&cluster::STORAGE_VERSION),
        "storagemigration.k8s.io" => (kind == "StorageVersionMigration").then_some(&cluster::MIGRATION),
        "resource.k8s.io" => resource(kind),
        _ => None,
    }
}

fn core(kind: &str) -> Option<&'static Layout> {
    Some(match kind {
        "Pod" => &pod::POD,
        "Node" => &cluster::NODE,
        "Event" => &cluster::EVENT,
        "Service" => &network::SERVICE,
        "Endpoints" => &network::ENDPOINTS,
        "ConfigMap" => &config::CONFIG_MAP,
        "Secret" => &config::SECRET,
        "ServiceAccount" => &config::SERVICE_ACCOUNT,
        "Namespace" => &cluster::NAMESPACE,
        "PersistentVolume" => &storage::VOLUME,
        "PersistentVolumeClaim" => &storage::CLAIM,
        "PodTemplate" => &workloads::POD_TEMPLATE,
        "ReplicationController" => &workloads::REPLICATION_CONTROLLER,
        "ResourceQuota" => &config::RESOURCE_QUOTA,
        "ComponentStatus" => &cluster::COMPONENT_STATUS,
        "Status" => &cluster::STATUS,
        _ => return None,
    })
}

fn apps(kind: &str) -> Option<&'static Layout> {
    Some(match kind {
        "Deployment" => &workloads::DEPLOYMENT,
        "ReplicaSet" => &workloads::REPLICA_SET,
        "DaemonSet" => &workloads::DAEMON_SET,
        "StatefulSet" => &workloads::STATEFUL_SET,
        "ControllerRevision" => &workloads::CONTROLLER_REVISION,
        _ => return None,
    })
}

fn batch(kind: &str) -> Option<&'static Layout> {
    Some(match kind {
        "Job" => &jobs::JOB,
        "CronJob" => &jobs::CRON_JOB,
        _ => return None,
    })
}

fn scaling(kind: &str) -> Option<&'static Layout> {
    Some(match kind {
        "HorizontalPodAutoscaler" => &autoscaling::AUTOSCALER,
        "Scale" => &autoscaling::SCALE,
        _ => return None,
    })
}

fn policy(kind: &str) -> Option<&'static Layout> {
    Some(match kind {
        "PodDisruptionBudget" => &workloads::DISRUPTION_BUDGET,
        "PodSecurityPolicy" => &access::POD_SECURITY_POLICY,
        _ => return None,
    })
}

fn networking(kind: &str) -> Option<&'static Layout> {
    Some(match kind {
        "Ingress" => &network::INGRESS,
        "IngressClass" => &network::INGRESS_CLASS,
        "NetworkPolicy" => &network::NETWORK_POLICY,
        "ServiceCIDR" => &network::SERVICE_CIDR,
        "IPAddress" => &network::IP_ADDRESS,
        _ => return None,
    })
}

fn storage(kind: &str) -> Option<&'static Layout> {
    Some(match kind {
        "StorageClass" => &storage::CLASS,
        "VolumeAttributesClass" => &storage::ATTRIBUTES_CLASS,
        "VolumeAttachment" => &storage::ATTACHMENT,
        "CSINode" => &storage::CSI_NODE,
        "CSIDriver" => &storage::CSI_DRIVER,
        "CSIStorageCapacity" => &storage::CSI_CAPACITY,
        _ => return None,
    })
}

fn rbac(kind: &str) -> Option<&'static Layout> {
    Some(match kind {
        "RoleBinding" => &access::ROLE_BINDING,
        "ClusterRoleBinding" => &access::CLUSTER_ROLE_BINDING,
        _ => return None,
    })
}

fn certificates(kind: &str) -> Option<&'static Layout> {
    Some(match kind {
        "CertificateSigningRequest" => &access::SIGNING_REQUEST,
        "ClusterTrustBundle" => &access::TRUST_BUNDLE,
        "PodCertificateRequest" => &access::POD_CERTIFICATE,
        _ => return None,
    })
}

fn coordination(kind: &str) -> Option<&'static Layout> {
    Some(match kind {
        "Lease" => &cluster::LEASE,
        "LeaseCandidate" => &cluster::LEASE_CANDIDATE,
        _ => return None,
    })
}

fn admission(kind: &str) -> Option<&'static Layout> {
    Some(match kind {
        "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => &admission::WEBHOOKS,
        "ValidatingAdmissionPolicy" => &admission::VALIDATING_POLICY,
        "MutatingAdmissionPolicy" => &admission::MUTATING_POLICY,
        "ValidatingAdmissionPolicyBinding" | "MutatingAdmissionPolicyBinding" => &admission::BINDING,
        _ => return None,
    })
}

fn flowcontrol(kind: &str) -> Option<&'static Layout> {
    Some(match kind {
        "FlowSchema" => &flow::FLOW_SCHEMA,
        "PriorityLevelConfiguration" => &flow::PRIORITY_LEVEL,
        _ => return None,
    })
}

fn resource(kind: &str) -> Option<&'static Layout> {
    Some(match kind {
        "DeviceClass" | "ResourceClaimTemplate" => &devices::PLAIN,
        "ResourceClaim" => &devices::CLAIM,
        "ResourceSlice" => &devices::SLICE,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;

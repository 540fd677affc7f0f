//! Which kind does what: the steps of every built-in kind by its group and name.

use crate::admissionregistration::{AdmissionPolicy, PolicyBinding, WebhookConfiguration};
use crate::apiextensions::CustomResourceDefinition;
use crate::apiregistration::ApiService;
use crate::apps::{ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet};
use crate::authentication::{SelfSubjectReview, TokenReview};
use crate::authorization::{AccessReview, Reviewed, RulesReview};
use crate::autoscaling::HorizontalPodAutoscaler;
use crate::batch::{CronJob, Job};
use crate::certificates::CertificateSigningRequest;
use crate::coordination::{Lease, LeaseCandidate};
use crate::core;
use crate::discovery::EndpointSlice;
use crate::flowcontrol::{FlowSchema, PriorityLevelConfiguration};
use crate::kind::Kind;
use crate::networking::{Ingress, IngressClass, IpAddress, NetworkPolicy, ServiceCidr};
use crate::node::RuntimeClass;
use crate::policy::PodDisruptionBudget;
use crate::rbac::{Role, RoleBinding};
use crate::resource::{DeviceClass, ResourceClaim, ResourceClaimTemplate, ResourceSlice};
use crate::scheduling::PriorityClass;
use crate::storage::{CsiDriver, CsiNode, CsiStorageCapacity, StorageClass, VolumeAttachment, VolumeAttributesClass};

/// A kind without peculiarities.
struct Plain;

impl Kind for Plain {}

/// The steps of a kind. One that is not known here has no peculiarities.
pub fn kind(group: &str, kind: &str) -> &'static dyn Kind {
    match group {
        "" => core_kind(kind),
        "apps" => apps(kind),
        "batch" => match kind {
            "Job" => &Job,
            "CronJob" => &CronJob,
            _ => &Plain,
        },
        "autoscaling" if kind == "HorizontalPodAutoscaler" => &HorizontalPodAutoscaler,
        "policy" if kind == "PodDisruptionBudget" => &PodDisruptionBudget,
        "networking.k8s.io" => networking(kind),
        "discovery.k8s.io" if kind == "EndpointSlice" => &EndpointSlice,
        "rbac.authorization.k8s.io" => rbac(kind),
        "storage.k8s.io" => storage(kind),
        "scheduling.k8s.io" if kind == "PriorityClass" => &PriorityClass,
        "node.k8s.io" if kind == "RuntimeClass" => &RuntimeClass,
        "coordination.k8s.io" => match kind {
            "Lease" => &Lease,
            "LeaseCandidate" => &LeaseCandidate,
            _ => &Plain,
        },
        "certificates.k8s.io" if kind == "CertificateSigningRequest" => &CertificateSigningRequest,
        "admissionregistration.k8s.io" => admission(kind),
        "flowcontrol.apiserver.k8s.io" => match kind {
            "FlowSchema" => &FlowSchema,
            "PriorityLevelConfiguration" => &PriorityLevelConfiguration,
            _ => &Plain,
        },
        "events.k8s.io" if kind == "Event" => &crate::events::Event,
        "authentication.k8s.io" => match kind {
            "TokenReview" => &TokenReview,
            "SelfSubjectReview" => &SelfSubjectReview,
            "TokenRequest" => &core::service_account::TokenRequest,
            _ => &Plain,
        },
        "authorization.k8s.io" => match kind {
            "SubjectAccessReview" => &AccessReview(Reviewed::Subject),
            "SelfSubjectAccessReview" => &AccessReview(Reviewed::Oneself),
            "LocalSubjectAccessReview" => &AccessReview(Reviewed::Local),
            "SelfSubjectRulesReview" => &RulesReview,
            _ => &Plain,
        },
        "resource.k8s.io" => devices(kind),
        "apiregistration.k8s.io" if kind == "APIService" => &ApiService,
        "apiextensions.k8s.io" if kind == "CustomResourceDefinition" => &CustomResourceDefinition,
        _ => &Plain,
    }
}

fn core_kind(kind: &str) -> &'static dyn Kind {
    match kind {
        "Pod" => &core::pod::Pod,
        "PodTemplate" => &core::pod_template::PodTemplate,
        "ReplicationController" => &core::replication_controller::ReplicationController,
        "Service" => &core::service::Service,
        "Endpoints" => &core::endpoints::Endpoints,
        "ConfigMap" => &core::config_map::ConfigMap,
        "Secret" => &core::secret::Secret,
        "ServiceAccount" => &core::service_account::ServiceAccount,
        "Namespace" => &core::namespace::Namespace,
        "Node" => &core::node::Node,
        "PersistentVolume" => &core::volume::PersistentVolume,
        "PersistentVolumeClaim" => &core::claim::PersistentVolumeClaim,
        "LimitRange" => &core::limit_range::LimitRange,
        "ResourceQuota" => &core::quota::ResourceQuota,
        "Event" => &core::event::Event,
        "Binding" => &core::binding::Binding,
        "ComponentStatus" => &core::component_status::ComponentStatus,
        _ => &Plain,
    }
}

fn apps(kind: &str) -> &'static dyn Kind {
    match kind {
        "Deployment" => &Deployment,
        "ReplicaSet" => &ReplicaSet,
        "StatefulSet" => &StatefulSet,
        "DaemonSet" => &DaemonSet,
        "ControllerRevision" => &ControllerRevision,
        _ => &Plain,
    }
}

fn networking(kind: &str) -> &'static dyn Kind {
    match kind {
        "Ingress" => &Ingress,
        "IngressClass" => &IngressClass,
        "NetworkPolicy" => &NetworkPolicy,
        "IPAddress" => &IpAddress,
        "ServiceCIDR" => &ServiceCidr,
        _ => &Plain,
    }
}

fn rbac(kind: &str) -> &'static dyn Kind {
    match kind {
        "Role" => &Role { namespaced: true },
        "ClusterRole" => &Role { namespaced: false },
        "RoleBinding" => &RoleBinding { namespaced: true },
        "ClusterRoleBinding" => &RoleBinding { namespaced: false },
        _ => &Plain,
    }
}

fn storage(kind: &str) -> &'static dyn Kind {
    match kind {
        "StorageClass" => &StorageClass,
        "CSIDriver" => &CsiDriver,
        "CSINode" => &CsiNode,
        "CSIStorageCapacity" => &CsiStorageCapacity,
        "VolumeAttachment" => &VolumeAttachment,
        "VolumeAttributesClass" => &VolumeAttributesClass,
        _ => &Plain,
    }
}

fn admission(kind: &str) -> &'static dyn Kind {
    match kind {
        "ValidatingWebhookConfiguration" => &WebhookConfiguration { mutating: false },
        "MutatingWebhookConfiguration" => &WebhookConfiguration { mutating: true },
        "ValidatingAdmissionPolicy" => &AdmissionPolicy { mutating: false },
        "MutatingAdmissionPolicy" => &AdmissionPolicy { mutating: true },
        "ValidatingAdmissionPolicyBinding" => &PolicyBinding { mutating: false },
        "MutatingAdmissionPolicyBinding" => &PolicyBinding { mutating: true },
        _ => &Plain,
    }
}

fn devices(kind: &str) -> &'static dyn Kind {
    match kind {
        "DeviceClass" => &DeviceClass,
        "ResourceClaim" => &ResourceClaim,
        "ResourceClaimTemplate" => &ResourceClaimTemplate,
        "ResourceSlice" => &ResourceSlice,
        _ => &Plain,
    }
}

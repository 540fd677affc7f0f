//! Records as answers show them (*Amazon EKS API Reference*, `Cluster` and `Update`).

use crate::logging;
use crate::records::{Cluster, ClusterStatus, HealthIssue, Update};
use aws_model::eks;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A cluster. Endpoint, issuer and certificate are promised only once it serves.
pub fn cluster(it: &Cluster) -> eks::Cluster {
    let serves = matches!(it.status, ClusterStatus::Active | ClusterStatus::Updating | ClusterStatus::Deleting)
        && it.certificate_authority.is_some();
    let certificate = it.certificate_authority.as_ref().filter(|_| serves).map(|pem| STANDARD.encode(pem));
    let oidc = || eks::OIDC { issuer: Some(it.oidc_issuer()) };
    eks::Cluster {
        name: Some(it.name.clone()),
        arn: Some(it.arn()),
        created_at: Some(it.created),
        version: Some(it.version.clone()),
        endpoint: serves.then(|| format!("https://{}", it.endpoint_host())),
        role_arn: Some(it.role_arn.clone()),
        resources_vpc_config: Some(eks::VpcConfigResponse {
            subnet_ids: Some(it.subnets.iter().map(ToString::to_string).collect()),
            security_group_ids: Some(it.security_groups.iter().map(ToString::to_string).collect()),
            cluster_security_group_id: it.cluster_security_group.as_ref().map(ToString::to_string),
            vpc_id: Some(it.vpc.to_string()),
            endpoint_public_access: Some(it.access.public),
            endpoint_private_access: Some(it.access.private),
            public_access_cidrs: Some(it.access.public_cidrs.iter().map(ToString::to_string).collect()),
        }),
        kubernetes_network_config: Some(eks::KubernetesNetworkConfigResponse {
            service_ipv4_cidr: Some(it.service_block.to_string()),
            ip_family: Some("ipv4".to_owned()),
            ..Default::default()
        }),
        logging: Some(logging::render(&it.log_types)),
        identity: serves.then(|| eks::Identity { oidc: Some(oidc()) }),
        status: Some(it.status.as_str().to_owned()),
        certificate_authority: Some(eks::Certificate { data: certificate }),
        platform_version: Some(it.platform_version.clone()),
        tags: Some(it.tags.clone()),
        health: Some(eks::ClusterHealth { issues: Some(it.issues.iter().map(issue).collect()) }),
        access_config: Some(eks::AccessConfigResponse {
            authentication_mode: Some(it.authentication_mode.clone()),
            bootstrap_cluster_creator_admin_permissions: None,
        }),
        upgrade_policy: Some(eks::UpgradePolicyResponse { support_type: Some(it.support_type.clone()) }),
        deletion_protection: Some(it.deletion_protection),
        control_plane_scaling_config: Some(eks::ControlPlaneScalingConfig { tier: Some("standard".to_owned()) }),
        ..Default::default()
    }
}

/// A new cluster, as CreateCluster answers it: with what only that answer shows.
pub fn created(it: &Cluster) -> eks::Cluster {
    let mut shown = cluster(it);
    if let Some(access) = &mut shown.access_config {
        access.bootstrap_cluster_creator_admin_permissions = Some(it.creator_is_admin);
    }
    shown
}

fn issue(it: &HealthIssue) -> eks::ClusterIssue {
    eks::ClusterIssue {
        code: Some(it.code.clone()),
        message: Some(it.message.clone()),
        resource_ids: Some(it.resource_ids.clone()),
    }
}

/// An update. Errors of one that is still being taken back are not shown yet.
pub fn update(it: &Update) -> eks::Update {
    let error = |it: &HealthIssue| eks::ErrorDetail {
        error_code: Some(it.code.clone()),
        error_message: Some(it.message.clone()),
        resource_ids: Some(it.resource_ids.clone()),
    };
    let over = it.status != crate::records::UpdateStatus::InProgress;
    let param =
        |(kind, value): &(String, String)| eks::UpdateParam { r#type: Some(kind.clone()), value: Some(value.clone()) };
    eks::Update {
        id: Some(it.id.clone()),
        status: Some(it.status.as_str().to_owned()),
        r#type: Some(it.kind.clone()),
        params: Some(it.params.iter().map(param).collect()),
        created_at: Some(it.created),
        errors: Some(it.errors.iter().filter(|_| over).map(error).collect()),
    }
}

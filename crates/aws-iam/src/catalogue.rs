//! AWS managed policies that EKS and its tools attach: names and what they are about. The documents are of our own
//! wording: which services' actions a policy allows, without AWS's conditions. Source of the names: *AWS Managed Policy
//! Reference Guide*.

use crate::error::{Result, no_policy};
use aws_model::iam as wire;
use jiff::Timestamp;
use serde_json::json;

/// An AWS managed policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Managed {
    /// Its name.
    pub name: &'static str,
    /// Its path.
    pub path: &'static str,
    actions: &'static [&'static str],
}

const fn managed(name: &'static str, path: &'static str, actions: &'static [&'static str]) -> Managed {
    Managed { name, path, actions }
}

const TABLE: &[Managed] = &[
    managed("AWSCloudFormationFullAccess", "/", &["cloudformation:*"]),
    managed("AdministratorAccess", "/", &["*"]),
    managed(
        "AmazonEBSCSIDriverPolicy",
        "/service-role/",
        &[
            "ec2:CreateSnapshot",
            "ec2:AttachVolume",
            "ec2:DetachVolume",
            "ec2:ModifyVolume",
            "ec2:CreateVolume",
            "ec2:DeleteVolume",
            "ec2:DeleteSnapshot",
            "ec2:CreateTags",
            "ec2:DeleteTags",
            "ec2:Describe*",
        ],
    ),
    managed(
        "AmazonEC2ContainerRegistryPullOnly",
        "/",
        &[
            "ecr:GetAuthorizationToken",
            "ecr:BatchGetImage",
            "ecr:GetDownloadUrlForLayer",
            "ecr:BatchImportUpstreamImage",
        ],
    ),
    managed(
        "AmazonEC2ContainerRegistryReadOnly",
        "/",
        &[
            "ecr:GetAuthorizationToken",
            "ecr:BatchCheckLayerAvailability",
            "ecr:GetDownloadUrlForLayer",
            "ecr:GetRepositoryPolicy",
            "ecr:DescribeRepositories",
            "ecr:ListImages",
            "ecr:DescribeImages",
            "ecr:BatchGetImage",
            "ecr:GetLifecyclePolicy",
            "ecr:ListTagsForResource",
            "ecr:DescribeImageScanFindings",
        ],
    ),
    managed("AmazonEC2FullAccess", "/", &["ec2:*", "elasticloadbalancing:*", "cloudwatch:*", "autoscaling:*"]),
    managed(
        "AmazonEKSBlockStoragePolicy",
        "/",
        &["ec2:CreateVolume", "ec2:AttachVolume", "ec2:DeleteVolume", "ec2:Describe*"],
    ),
    managed(
        "AmazonEKSClusterPolicy",
        "/",
        &[
            "autoscaling:Describe*",
            "autoscaling:UpdateAutoScalingGroup",
            "ec2:AttachVolume",
            "ec2:AuthorizeSecurityGroupIngress",
            "ec2:CreateRoute",
            "ec2:CreateSecurityGroup",
            "ec2:CreateTags",
            "ec2:CreateVolume",
            "ec2:DeleteRoute",
            "ec2:DeleteSecurityGroup",
            "ec2:DeleteVolume",
            "ec2:Describe*",
            "ec2:DetachVolume",
            "ec2:ModifyInstanceAttribute",
            "ec2:ModifyVolume",
            "ec2:RevokeSecurityGroupIngress",
            "elasticloadbalancing:*",
            "kms:DescribeKey",
            "iam:CreateServiceLinkedRole",
        ],
    ),
    managed(
        "AmazonEKSComputePolicy",
        "/",
        &["ec2:CreateFleet", "ec2:RunInstances", "ec2:CreateLaunchTemplate", "iam:PassRole"],
    ),
    managed(
        "AmazonEKSFargatePodExecutionRolePolicy",
        "/",
        &[
            "ecr:GetAuthorizationToken",
            "ecr:BatchCheckLayerAvailability",
            "ecr:GetDownloadUrlForLayer",
            "ecr:BatchGetImage",
        ],
    ),
    managed("AmazonEKSLoadBalancingPolicy", "/", &["elasticloadbalancing:*", "ec2:Describe*"]),
    managed(
        "AmazonEKSNetworkingPolicy",
        "/",
        &["ec2:CreateNetworkInterface", "ec2:AttachNetworkInterface", "ec2:Describe*"],
    ),
    managed(
        "AmazonEKSServicePolicy",
        "/",
        &[
            "ec2:CreateNetworkInterface",
            "ec2:CreateNetworkInterfacePermission",
            "ec2:DeleteNetworkInterface",
            "ec2:Describe*",
            "ec2:CreateTags",
            "route53:AssociateVPCWithHostedZone",
            "logs:CreateLogStream",
            "logs:PutLogEvents",
            "eks:UpdateClusterVersion",
        ],
    ),
    managed(
        "AmazonEKSVPCResourceController",
        "/",
        &[
            "ec2:CreateNetworkInterface",
            "ec2:AttachNetworkInterface",
            "ec2:DetachNetworkInterface",
            "ec2:DeleteNetworkInterface",
            "ec2:ModifyNetworkInterfaceAttribute",
            "ec2:AssignPrivateIpAddresses",
            "ec2:UnassignPrivateIpAddresses",
            "ec2:CreateNetworkInterfacePermission",
        ],
    ),
    managed("AmazonEKSWorkerNodeMinimalPolicy", "/", &["ec2:DescribeInstances", "eks-auth:AssumeRoleForPodIdentity"]),
    managed(
        "AmazonEKSWorkerNodePolicy",
        "/",
        &[
            "ec2:DescribeInstances",
            "ec2:DescribeInstanceTypes",
            "ec2:DescribeRouteTables",
            "ec2:DescribeSecurityGroups",
            "ec2:DescribeSubnets",
            "ec2:DescribeVolumes",
            "ec2:DescribeVolumesModifications",
            "ec2:DescribeVpcs",
            "eks:DescribeCluster",
            "eks-auth:AssumeRoleForPodIdentity",
        ],
    ),
    managed(
        "AmazonEKS_CNI_Policy",
        "/",
        &[
            "ec2:AssignPrivateIpAddresses",
            "ec2:AttachNetworkInterface",
            "ec2:CreateNetworkInterface",
            "ec2:CreateTags",
            "ec2:DeleteNetworkInterface",
            "ec2:DescribeInstances",
            "ec2:DescribeTags",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeInstanceTypes",
            "ec2:DescribeSubnets",
            "ec2:DetachNetworkInterface",
            "ec2:ModifyNetworkInterfaceAttribute",
            "ec2:UnassignPrivateIpAddresses",
        ],
    ),
    managed("AmazonS3ReadOnlyAccess", "/", &["s3:Get*", "s3:List*", "s3:Describe*"]),
    managed(
        "AmazonSSMManagedInstanceCore",
        "/",
        &[
            "ssm:DescribeAssociation",
            "ssm:GetDocument",
            "ssm:GetManifest",
            "ssm:GetParameter",
            "ssm:GetParameters",
            "ssm:PutInventory",
            "ssm:UpdateInstanceInformation",
            "ssmmessages:*",
            "ec2messages:*",
        ],
    ),
    managed("CloudWatchAgentServerPolicy", "/", &["cloudwatch:PutMetricData", "ec2:DescribeTags", "logs:*"]),
    managed("CloudWatchLogsFullAccess", "/", &["logs:*"]),
    managed("ReadOnlyAccess", "/", &["*:Describe*", "*:Get*", "*:List*"]),
];

impl Managed {
    /// Its ARN.
    pub fn arn(&self) -> String {
        format!("arn:aws:iam::aws:policy{}{}", self.path, self.name)
    }

    /// Its id; AWS's own has no meaning, so this one follows from the name.
    pub fn id(&self) -> String {
        let letters = self.name.bytes().chain(*b"POLICYPOLICYPOLIC").filter(u8::is_ascii_alphanumeric).take(17);
        format!("ANPA{}", letters.map(|byte| char::from(byte.to_ascii_uppercase())).collect::<String>())
    }

    /// Its document.
    pub fn document(&self) -> String {
        let statement = json!({"Effect": "Allow", "Action": self.actions, "Resource": "*"});
        json!({"Version": "2012-10-17", "Statement": [statement]}).to_string()
    }

    /// As answers show it.
    pub fn render(&self, attached: usize) -> wire::Policy {
        wire::Policy {
            policy_name: Some(self.name.to_owned()),
            policy_id: Some(self.id()),
            arn: Some(self.arn()),
            path: Some(self.path.to_owned()),
            default_version_id: Some("v1".to_owned()),
            attachment_count: i32::try_from(attached).ok(),
            permissions_boundary_usage_count: Some(0),
            is_attachable: Some(true),
            create_date: Some(Timestamp::UNIX_EPOCH),
            update_date: Some(Timestamp::UNIX_EPOCH),
            ..Default::default()
        }
    }
}

/// Whether an ARN is of an AWS managed policy.
pub(crate) fn is_managed(arn: &str) -> bool {
    arn.starts_with("arn:aws:iam::aws:policy/")
}

/// The policy of that ARN.
pub(crate) fn find(arn: &str) -> Result<&'static Managed> {
    TABLE.iter().find(|it| it.arn() == arn).ok_or_else(|| no_policy(arn))
}

/// All of them, by name.
pub(crate) fn all() -> &'static [Managed] {
    TABLE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Kind, check};

    #[test]
    fn every_policy_is_found_by_its_arn_and_has_a_good_document() {
        for it in all() {
            assert_eq!(find(&it.arn()).unwrap(), it);
            check(&it.document(), Kind::Permissions).unwrap();
        }
        assert!(find("arn:aws:iam::aws:policy/Nothing").is_err());
    }
}

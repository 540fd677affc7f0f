//! `create cluster --dry-run`: the ClusterConfig that the flags come to, member by member as eksctl fills it in.

use super::create::Network;
use super::create_flags::{CreateCluster, NodeFlags};
use super::flags::pairs;
use crate::cli::error::CliError;
use serde_json::{Map, Value, json};

/// What the flags come to, once names are found and zones chosen.
pub struct Facts<'a> {
    /// The cluster's name.
    pub name: &'a str,
    /// Its region.
    pub region: &'a str,
    /// Its version.
    pub version: &'a str,
    /// Its network.
    pub network: &'a Network,
}

/// The ClusterConfig.
///
/// # Errors
/// When a flag does not fit the others, or is not served.
pub fn config(flags: &CreateCluster, facts: &Facts<'_>) -> Result<Value, CliError> {
    let mut metadata = json!({"name": facts.name, "region": facts.region, "version": facts.version});
    let tags = pairs(&flags.tags, "tags")?;
    if !tags.is_empty() {
        metadata["tags"] = json!(tags);
    }
    let upgrade = flags.support_type.as_ref().map_or(json!({}), |it| json!({ "supportType": it }));
    let mut config = json!({
        "accessConfig": {"authenticationMode": "API_AND_CONFIG_MAP"},
        "addonsConfig": {},
        "apiVersion": "eksctl.io/v1alpha5",
        "cloudWatch": {"clusterLogging": {}},
        "iam": {"vpcResourceControllerPolicy": true, "withOIDC": false},
        "kind": "ClusterConfig",
        "kubernetesNetworkConfig": {"ipFamily": "IPv4"},
        "metadata": metadata,
        "privateCluster": {"enabled": false, "skipEndpointCreation": false},
        "upgradePolicy": upgrade,
        "vpc": vpc(flags, facts.network),
    });
    if let Network::New { zones, .. } = facts.network {
        config["availabilityZones"] = json!(zones);
    }
    if flags.without_nodegroup != Some(true) {
        config["managedNodeGroups"] = json!([node_group(facts.name, &flags.nodes)?]);
    }
    Ok(config)
}

fn vpc(flags: &CreateCluster, network: &Network) -> Value {
    let (block, nat) = match network {
        Network::New { block, .. } => (block.to_string(), flags.vpc_nat_mode.as_deref().unwrap_or("Single")),
        Network::Existing(it) => (it.block.clone(), "Disable"),
    };
    let mut vpc = json!({
        "autoAllocateIPv6": false,
        "cidr": block,
        "clusterEndpoints": {"privateAccess": false, "publicAccess": true},
        "manageSharedNodeSecurityGroupRules": true,
        "nat": {"gateway": nat},
    });
    if let Network::Existing(existing) = network {
        vpc["id"] = json!(existing.vpc);
        let mut subnets = Map::new();
        for (kind, list) in [("private", &existing.private), ("public", &existing.public)] {
            let subnet = |it: &super::existing::Subnet| json!({"az": it.zone, "cidr": it.block, "id": it.id});
            let list: Map<_, _> = list.iter().map(|(zone, it)| (zone.clone(), subnet(it))).collect();
            if !list.is_empty() {
                subnets.insert(kind.to_owned(), list.into());
            }
        }
        vpc["subnets"] = subnets.into();
    }
    vpc
}

fn node_group(cluster: &str, flags: &NodeFlags) -> Result<Value, CliError> {
    if flags.managed == Some(false) {
        return Err(CliError::told("--managed=false is not served yet: only managed node groups are shown"));
    }
    let name = match &flags.nodegroup_name {
        Some(name) => name.clone(),
        None => format!("ng-{:08x}", super::network::random() as u32),
    };
    let (min, desired, max) = sizes(flags)?;
    let mut labels = json!({"alpha.eksctl.io/cluster-name": cluster, "alpha.eksctl.io/nodegroup-name": name});
    for (key, value) in pairs(&flags.node_labels, "node-labels")? {
        labels[key] = value.into();
    }
    let ssh = flags.ssh_access == Some(true) || flags.ssh_public_key.is_some();
    let key = flags.ssh_public_key.as_deref().unwrap_or(if ssh { "~/.ssh/id_rsa.pub" } else { "" });
    let mut group = json!({
        "amiFamily": flags.node_ami_family,
        "desiredCapacity": desired,
        "disableIMDSv1": true,
        "disablePodIMDS": flags.disable_pod_imds.unwrap_or(false),
        "iam": {"withAddonPolicies": addon_policies(flags)},
        "instanceSelector": {},
        "instanceType": flags.node_type,
        "labels": labels,
        "maxSize": max,
        "minSize": min,
        "name": name,
        "privateNetworking": flags.node_private_networking.unwrap_or(false),
        "releaseVersion": "",
        "securityGroups": {"withLocal": null, "withShared": null},
        "ssh": {"allow": ssh, "publicKeyPath": key},
        "tags": {"alpha.eksctl.io/nodegroup-name": name, "alpha.eksctl.io/nodegroup-type": "managed"},
        "volumeSize": flags.node_volume_size,
        "volumeType": flags.node_volume_type,
    });
    if flags.node_volume_type == "gp3" {
        // what a gp3 volume has when nothing is said
        group["volumeIOPS"] = json!(3000);
        group["volumeThroughput"] = json!(125);
    }
    if let Some(most) = flags.max_pods_per_node {
        group["maxPodsPerNode"] = json!(most);
    }
    if flags.spot == Some(true) {
        group["spot"] = json!(true);
    }
    Ok(group)
}

/// Least, wanted and most nodes: two when nothing is said, and what is said stands for what is not.
fn sizes(flags: &NodeFlags) -> Result<(u32, u32, u32), CliError> {
    let (nodes, least, most) = (flags.nodes, flags.nodes_min, flags.nodes_max);
    let desired = nodes.or(least).unwrap_or(most.map_or(2, |it| it.min(2)));
    let (min, max) = (least.unwrap_or(desired), most.unwrap_or(desired));
    if let (Some(min), Some(max)) = (least, most)
        && min > max
    {
        return Err(CliError::told(format!("--nodes-min={min} must not be greater than --nodes-max={max}")));
    }
    if !(min..=max).contains(&desired) {
        return Err(CliError::told(format!(
            "{desired} nodes do not lie between --nodes-min={min} and --nodes-max={max}"
        )));
    }
    Ok((min, desired, max))
}

fn addon_policies(flags: &NodeFlags) -> Value {
    let on = |it: Option<bool>| it.unwrap_or(false);
    json!({
        "albIngress": false,
        "appMesh": on(flags.appmesh_access),
        "appMeshPreview": on(flags.appmesh_preview_access),
        "autoScaler": on(flags.asg_access),
        "awsLoadBalancerController": on(flags.alb_ingress_access),
        "certManager": false,
        "cloudWatch": false,
        "ebs": false,
        "efs": false,
        "externalDNS": on(flags.external_dns_access),
        "fsx": false,
        "imageBuilder": on(flags.full_ecr_access),
        "xRay": false,
    })
}

#[cfg(test)]
mod tests {
    use crate::cli::testing::FakeDaemon;
    use serde_json::{Value, json};

    /// What eksctl prints for the story's flags.
    const SEED: &str = include_str!("seed.yaml");

    fn daemon() -> FakeDaemon {
        FakeDaemon::aws(|_, operation, input| {
            Ok(match operation {
                "DescribeClusterVersions" => {
                    let version = |it: &str| json!({ "clusterVersion": it });
                    json!({"clusterVersions": [version("1.24"), version("1.34"), version("1.9")]})
                }
                "DescribeSubnets" => {
                    assert_eq!(input["SubnetIds"], json!(["subnet-c", "subnet-a"]));
                    json!({"Subnets": [
                        {"SubnetId": "subnet-a", "VpcId": "vpc-1", "AvailabilityZone": "ap-northeast-2a",
                            "CidrBlock": "192.168.1.0/24"},
                        {"SubnetId": "subnet-c", "VpcId": "vpc-1", "AvailabilityZone": "ap-northeast-2c",
                            "CidrBlock": "192.168.2.0/24"}]})
                }
                "DescribeVpcs" => json!({"Vpcs": [{"VpcId": "vpc-1", "CidrBlock": "192.168.0.0/16"}]}),
                "DescribeAvailabilityZones" => json!({"AvailabilityZones": [
                    {"ZoneName": "ap-northeast-2c", "ZoneId": "c"}, {"ZoneName": "ap-northeast-2a", "ZoneId": "a"},
                    {"ZoneName": "ap-northeast-2b", "ZoneId": "b"}, {"ZoneName": "ap-northeast-2d", "ZoneId": "d"}]}),
                other => panic!("{other}"),
            })
        })
    }

    #[test]
    fn the_seeds_flags_come_to_the_seeds_file() {
        let ran = daemon().run(
            "postern create cluster --name myeks --region ap-northeast-2 --nodegroup-name mynodegroup --node-type \
             t3.medium \
             --node-volume-size 30 --vpc-public-subnets subnet-c,subnet-a --version 1.24 --ssh-access \
             --external-dns-access \
             --verbose 4 --dry-run",
        );
        assert_eq!(ran.output(), SEED);
    }

    #[test]
    fn without_subnets_zones_are_chosen_and_a_vpc_is_new() {
        let ran = daemon().run("postern create cluster -n c --dry-run");
        let value: Value = serde_saphyr::from_str(ran.output()).unwrap();
        assert_eq!(value["availabilityZones"], json!(["ap-northeast-2a", "ap-northeast-2b", "ap-northeast-2c"]));
        assert_eq!(value["metadata"]["version"], "1.34");
        assert_eq!(value["vpc"]["cidr"], "192.168.0.0/16");
        assert_eq!(value["vpc"]["nat"]["gateway"], "Single");
        assert_eq!((&value["vpc"]["id"], &value["vpc"]["subnets"]), (&Value::Null, &Value::Null));
        let group = &value["managedNodeGroups"][0];
        assert_eq!((&group["instanceType"], &group["volumeSize"]), (&json!("m5.large"), &json!(80)));
        assert_eq!((&group["ssh"]["allow"], &group["ssh"]["publicKeyPath"]), (&json!(false), &json!("")));
        assert!(group["name"].as_str().unwrap().starts_with("ng-"), "{group}");
    }

    #[test]
    fn other_flags_are_shown_where_they_belong() {
        let ran = daemon().run(
            "postern create cluster c --dry-run --zones x1,x2 --tags a=b --support-type STANDARD --nodes 3 \
             --nodes-max 5 --spot \
             --node-volume-type gp2 --node-labels k=v --max-pods-per-node 9 --full-ecr-access --asg-access -P \
             --vpc-nat-mode Disable",
        );
        let value: Value = serde_saphyr::from_str(ran.output()).unwrap();
        assert_eq!(value["availabilityZones"], json!(["x1", "x2"]));
        assert_eq!(value["metadata"]["tags"], json!({"a": "b"}));
        assert_eq!(value["upgradePolicy"], json!({"supportType": "STANDARD"}));
        assert_eq!(value["vpc"]["nat"]["gateway"], "Disable");
        let group = &value["managedNodeGroups"][0];
        let sizes = ["minSize", "desiredCapacity", "maxSize"].map(|it| group[it].as_u64().unwrap());
        assert_eq!((sizes, &group["volumeIOPS"], &group["spot"]), ([3, 3, 5], &Value::Null, &json!(true)));
        assert_eq!((&group["labels"]["k"], &group["maxPodsPerNode"]), (&json!("v"), &json!(9)));
        let policies = &group["iam"]["withAddonPolicies"];
        assert_eq!((&policies["imageBuilder"], &policies["autoScaler"]), (&json!(true), &json!(true)));
        let ran = daemon().run("postern create cluster c --dry-run --without-nodegroup");
        assert!(!ran.output().contains("managedNodeGroups"));
    }

    #[test]
    fn flags_that_do_not_fit_are_refused() {
        for (flags, word) in [
            ("--nodes-min 3 --nodes-max 2", "--nodes-min=3 must not be greater than --nodes-max=2"),
            ("--nodes 9 --nodes-max 2", "9 nodes do not lie between --nodes-min=9 and --nodes-max=2"),
            ("--managed=false", "--managed=false is not served"),
            ("--version 1.35", "invalid version, supported values: 1.9, 1.24, 1.34"),
            ("--version 1.8", "invalid version, 1.8 is no longer supported, supported values: 1.9, 1.24, 1.34"),
            ("--vpc-cidr 10.0.0.0/16 --vpc-public-subnets subnet-c,subnet-a", "cannot be used at the same time"),
            ("-f x.yaml", "cannot use --name when --config-file/-f is set"),
        ] {
            let ran = daemon().run(&format!("postern create cluster --name c --dry-run {flags}"));
            assert!(ran.failure().contains(word), "{flags}: {}", ran.err);
        }
        assert!(daemon().run("postern create cluster --dry-run").failure().contains("--name must be set"));
    }
}

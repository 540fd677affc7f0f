//! Creating and deleting clusters, told against a small EC2, IAM and EKS that remember what was made.

use super::CLUSTER_TAG;
use crate::cli::testing::{FakeDaemon, Ran};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// What exists. Deleting refuses what is still in use, so that an order of steps that only a fake allows is noticed.
#[derive(Default)]
struct World {
    things: Vec<Value>,
    made: usize,
    fail_at: Option<&'static str>,
    cluster_status: Option<&'static str>,
}

type Answer = Result<Value, (&'static str, String)>;

impl World {
    fn make(&mut self, kind: &str, prefix: &str, input: &Value) -> Value {
        self.made += 1;
        let id = input["RoleName"].as_str().map_or(format!("{prefix}-{}", self.made), str::to_owned);
        let tags = match &input["TagSpecifications"][0]["Tags"] {
            Value::Null => input["Tags"].clone(),
            tags => tags.clone(),
        };
        self.things.push(json!({"kind": kind, "id": id, "input": input, "tags": tags, "attached": []}));
        id.into()
    }

    fn find(&self, kind: &str, input: &Value, id_field: &str) -> Vec<Value> {
        let wanted = input["Filters"][0]["Values"][0].clone();
        let tagged = |it: &Value| {
            it["tags"].as_array().is_some_and(|it| it.contains(&json!({"Key": CLUSTER_TAG, "Value": wanted})))
        };
        let matching = self.things.iter().filter(|it| it["kind"] == kind && (wanted.is_null() || tagged(it)));
        let show = |it: &Value| json!({id_field: it["id"], "Attachments": it["attached"], "CidrBlock": "10.0.0.0/16"});
        matching.map(show).collect()
    }

    fn used(&self, id: &Value) -> bool {
        let in_vpc = |it: &Value| {
            it["input"]["VpcId"] == *id
                || it["attached"].as_array().is_some_and(|it| it.contains(&json!({"VpcId": id})))
        };
        let in_cluster =
            |it: &Value| it["input"]["resourcesVpcConfig"]["subnetIds"].as_array().is_some_and(|it| it.contains(id));
        self.things.iter().any(|it| in_vpc(it) || in_cluster(it))
    }

    fn delete(&mut self, id: &Value) -> Answer {
        let attached = self.things.iter().find(|it| it["id"] == *id).is_some_and(|it| it["attached"] != json!([]));
        if self.used(id) || attached {
            return Err(("DependencyViolation", format!("{id} has dependencies and cannot be deleted.")));
        }
        let before = self.things.len();
        self.things.retain(|it| it["id"] != *id);
        assert_eq!(self.things.len() + 1, before, "{id} does not exist");
        Ok(json!({}))
    }

    fn attach(&mut self, id: &Value, what: Option<Value>) -> Answer {
        let thing = self.things.iter_mut().find(|it| it["id"] == *id).unwrap();
        thing["attached"] = what.into_iter().collect();
        Ok(json!({}))
    }

    fn cluster(&self) -> Answer {
        let Some(it) = self.things.iter().find(|it| it["kind"] == "cluster") else {
            return Err(("ResourceNotFoundException", "No cluster found for name: c.".to_owned()));
        };
        let status = self.cluster_status.unwrap_or("ACTIVE");
        let issues = if status == "FAILED" { json!([{"message": "no addresses"}]) } else { json!([]) };
        Ok(json!({"cluster": {"name": "c", "status": status, "endpoint": "https://E",
                "roleArn": it["input"]["roleArn"],
            "health": {"issues": issues}}}))
    }

    fn answer(&mut self, operation: &str, input: &Value) -> Answer {
        if self.fail_at == Some(operation) {
            self.fail_at = None;
            return Err(("InternalError", "boom".to_owned()));
        }
        Ok(match operation {
            "DescribeClusterVersions" => {
                json!({"clusterVersions": [{"clusterVersion": "1.24"}, {"clusterVersion": "1.34"}]})
            }
            "DescribeAvailabilityZones" => json!({"AvailabilityZones": [
                {"ZoneName": "ap-northeast-2a"}, {"ZoneName": "ap-northeast-2b"}, {"ZoneName": "ap-northeast-2c"}]}),
            "CreateVpc" => json!({"Vpc": {"VpcId": self.make("vpc", "vpc", input)}}),
            "CreateSubnet" => json!({"Subnet": {"SubnetId": self.make("subnet", "subnet", input)}}),
            "CreateRouteTable" => json!({"RouteTable": {"RouteTableId": self.make("table", "rtb", input)}}),
            "CreateInternetGateway" => {
                json!({"InternetGateway": {"InternetGatewayId": self.make("gateway", "igw", input)}})
            }
            "CreateRole" => {
                let name = self.make("role", "role", input);
                json!({"Role": {"RoleName": name, "Arn": format!("arn:aws:iam::1:role/{}", name.as_str().unwrap())}})
            }
            "CreateCluster" => json!({"cluster": {"name": self.make("cluster", "c", input)}}),
            "ModifyVpcAttribute" | "ModifySubnetAttribute" | "CreateRoute" | "AssociateRouteTable" => json!({}),
            "AttachInternetGateway" => {
                return self.attach(&input["InternetGatewayId"], Some(json!({"VpcId": input["VpcId"]})));
            }
            "DetachInternetGateway" => return self.attach(&input["InternetGatewayId"], None),
            "AttachRolePolicy" => {
                return self.attach(&input["RoleName"], Some(json!({"PolicyArn": input["PolicyArn"]})));
            }
            "DetachRolePolicy" => return self.attach(&input["RoleName"], None),
            "DescribeVpcs" => json!({"Vpcs": self.find("vpc", input, "VpcId")}),
            "DescribeSubnets" if input["SubnetIds"].is_array() => existing(&input["SubnetIds"]),
            "DescribeSubnets" => json!({"Subnets": self.find("subnet", input, "SubnetId")}),
            "DescribeRouteTables" => json!({"RouteTables": self.find("table", input, "RouteTableId")}),
            "DescribeInternetGateways" => json!({"InternetGateways": self.find("gateway", input, "InternetGatewayId")}),
            "ListRoles" => json!({"Roles": self.find("role", input, "RoleName")}),
            "ListRoleTags" => {
                let role = self.things.iter().find(|it| it["id"] == input["RoleName"]).unwrap();
                json!({"Tags": role["tags"]})
            }
            "ListAttachedRolePolicies" => {
                let role = self.things.iter().find(|it| it["id"] == input["RoleName"]).unwrap();
                json!({"AttachedPolicies": role["attached"]})
            }
            "DescribeCluster" => return self.cluster(),
            "DeleteCluster" => {
                self.things.retain(|it| it["kind"] != "cluster");
                json!({})
            }
            "DeleteVpc" => return self.delete(&input["VpcId"]),
            "DeleteSubnet" => return self.delete(&input["SubnetId"]),
            "DeleteRouteTable" => return self.delete(&input["RouteTableId"]),
            "DeleteInternetGateway" => return self.delete(&input["InternetGatewayId"]),
            "DeleteRole" => return self.delete(&input["RoleName"]),
            other => panic!("{other}"),
        })
    }
}

/// Subnets that are there, in zones a, c and c; the last in another VPC when its name says so.
fn existing(ids: &Value) -> Value {
    let subnet = |id: &str| {
        let zone = if id == "subnet-a" { "ap-northeast-2a" } else { "ap-northeast-2c" };
        let vpc = if id == "subnet-far" { "vpc-far" } else { "vpc-near" };
        json!({"SubnetId": id, "VpcId": vpc, "AvailabilityZone": zone, "CidrBlock": "192.168.1.0/24"})
    };
    json!({"Subnets": ids.as_array().unwrap().iter().map(|it| subnet(it.as_str().unwrap())).collect::<Value>()})
}

struct Stage {
    daemon: FakeDaemon,
    world: Arc<Mutex<World>>,
}

impl Stage {
    fn new(world: World) -> Self {
        let world = Arc::new(Mutex::new(world));
        let shared = world.clone();
        let daemon = FakeDaemon::aws(move |_, operation, input| shared.lock().unwrap().answer(operation, input));
        Self { daemon, world }
    }

    fn run(&self, line: &str) -> Ran {
        self.daemon.run(line)
    }

    fn kinds(&self) -> Vec<String> {
        let text = |it: &Value| it["kind"].as_str().unwrap().to_owned();
        let mut kinds: Vec<_> = self.world.lock().unwrap().things.iter().map(text).collect();
        kinds.sort();
        kinds
    }

    fn input_of(&self, operation: &str) -> Value {
        self.daemon.calls().into_iter().find(|(it, _)| it == operation).unwrap().1
    }

    fn file(&self, text: &str) -> String {
        let path = self.daemon.dir().join("cluster.yaml");
        let head =
            "apiVersion: eksctl.io/v1alpha5\nkind: ClusterConfig\nmetadata:\n  name: c\n  region: ap-northeast-2\n";
        std::fs::write(&path, format!("{head}{text}")).unwrap();
        path.display().to_string()
    }
}

#[test]
fn a_cluster_gets_a_network_and_a_role_of_its_own_and_delete_takes_all_of_it() {
    let stage = Stage::new(World::default());
    let ran = stage.run("postern create cluster --name c --tags team=x --without-nodegroup");
    let mut lines: Vec<_> = ran.output().lines().map(str::to_owned).collect();
    let role = lines.iter_mut().find(|it| it.contains("created service role")).unwrap();
    assert!(role.starts_with("[ℹ]  created service role arn:aws:iam::1:role/eksctl-c-cluster-ServiceRole-"), "{role}");
    *role = "[role]".to_owned();
    let where_ = "cluster \"c\" in \"ap-northeast-2\"";
    assert_eq!(
        lines,
        [
            &format!("[ℹ]  postern version {}", env!("CARGO_PKG_VERSION")),
            "[ℹ]  using region ap-northeast-2",
            "[ℹ]  setting availability zones to [ap-northeast-2a ap-northeast-2b ap-northeast-2c]",
            "[ℹ]  subnets for ap-northeast-2a - public:192.168.0.0/19",
            "[ℹ]  subnets for ap-northeast-2b - public:192.168.32.0/19",
            "[ℹ]  subnets for ap-northeast-2c - public:192.168.64.0/19",
            "[!]  no private subnets are made, as NAT gateways are not served yet",
            "[ℹ]  using Kubernetes version 1.34",
            "[ℹ]  creating EKS cluster \"c\" in \"ap-northeast-2\" region",
            &format!(
                "[ℹ]  Kubernetes API endpoint access will use default of {{publicAccess=true, privateAccess=false}} \
                 for {where_}"
            ),
            &format!("[ℹ]  CloudWatch logging will not be enabled for {where_}"),
            "[ℹ]  created VPC vpc-1 (192.168.0.0/16) with Internet gateway igw-2",
            "[ℹ]  created public subnet subnet-4 in ap-northeast-2a (192.168.0.0/19)",
            "[ℹ]  created public subnet subnet-5 in ap-northeast-2b (192.168.32.0/19)",
            "[ℹ]  created public subnet subnet-6 in ap-northeast-2c (192.168.64.0/19)",
            "[role]",
            "[ℹ]  waiting for the control plane to become ready",
            "[✔]  all EKS cluster resources for \"c\" have been created",
            "[ℹ]  its endpoint is https://E",
            "[ℹ]  no kubeconfig is written: try 'aws eks update-kubeconfig --region ap-northeast-2 --name c'",
            "[✔]  EKS cluster \"c\" in \"ap-northeast-2\" region is ready",
        ]
    );
    assert_eq!(ran.err, "");
    let input = stage.input_of("CreateCluster");
    assert_eq!(input["resourcesVpcConfig"]["subnetIds"], json!(["subnet-4", "subnet-5", "subnet-6"]));
    assert_eq!(input["accessConfig"]["authenticationMode"], "API_AND_CONFIG_MAP");
    assert_eq!(input["bootstrapSelfManagedAddons"], false);
    assert_eq!((&input["tags"]["team"], &input["tags"][CLUSTER_TAG]), (&json!("x"), &json!("c")));
    let route = stage.input_of("CreateRoute");
    assert_eq!((&route["GatewayId"], &route["DestinationCidrBlock"]), (&json!("igw-2"), &json!("0.0.0.0/0")));

    let ran = stage.run("postern delete cluster c");
    assert_eq!(ran.output().lines().next(), Some("[ℹ]  deleting EKS cluster \"c\""));
    assert_eq!(ran.output().lines().last(), Some("[✔]  all cluster resources were deleted"));
    assert_eq!(stage.kinds(), Vec::<String>::new());
}

#[test]
fn whatever_step_fails_nothing_stays() {
    for step in [
        "CreateVpc",
        "ModifyVpcAttribute",
        "CreateInternetGateway",
        "AttachInternetGateway",
        "CreateRouteTable",
        "CreateRoute",
        "CreateSubnet",
        "ModifySubnetAttribute",
        "AssociateRouteTable",
        "CreateRole",
        "AttachRolePolicy",
        "CreateCluster",
    ] {
        let stage = Stage::new(World { fail_at: Some(step), ..World::default() });
        let ran = stage.run("postern create cluster --name c");
        assert_eq!(ran.failure(), "Error: failed to create cluster \"c\": boom", "{step}");
        assert!(
            ran.out.contains("[✖]  boom\n[!]  1 error(s) occurred and cluster hasn't been created properly"),
            "{}",
            ran.out
        );
        assert_eq!(stage.kinds(), Vec::<String>::new(), "{step}");
    }
}

#[test]
fn a_cluster_that_fails_is_undone_and_says_why() {
    let stage = Stage::new(World { cluster_status: Some("FAILED"), ..World::default() });
    let ran = stage.run("postern create cluster --name c");
    assert_eq!(ran.failure(), "Error: failed to create cluster \"c\": cluster \"c\" is FAILED: no addresses");
    assert_eq!(stage.kinds(), Vec::<String>::new());
}

#[test]
fn given_subnets_are_used_as_they_are() {
    let stage = Stage::new(World::default());
    let ran = stage.run(
        "postern create cluster --name c --vpc-public-subnets subnet-a,subnet-c --version 1.24 --without-nodegroup",
    );
    assert!(
        ran.output().contains(
            "[✔]  using existing VPC (vpc-near) and subnets (private:map[] public:map[ap-northeast-2a:{subnet-a \
             ap-northeast-2a 192.168.1.0/24 0 } ap-northeast-2c:{subnet-c ap-northeast-2c 192.168.1.0/24 0 }])\n\
             [!]  custom VPC/subnets will be used;"
        ),
        "{}",
        ran.out
    );
    assert_eq!(stage.kinds(), ["cluster", "role"]);
    assert_eq!(stage.input_of("CreateCluster")["version"], "1.24");
    stage.run("postern delete cluster --name=c").output();
    assert_eq!(stage.kinds(), Vec::<String>::new());
}

#[test]
fn what_can_not_be_is_refused_before_anything_is_made() {
    for (flags, word) in [
        ("--vpc-public-subnets subnet-c,subnet-d", "insufficient number of subnets, at least 2x public"),
        ("--vpc-public-subnets subnet-a,subnet-far", "given subnet-far is in vpc-far, not in vpc-near"),
        ("--zones ap-northeast-2a", "only 1 zones discovered [ap-northeast-2a], at least 2 are required"),
        ("--vpc-cidr 10.0.0.0/8", "VPC CIDR prefix must be between /16 and /24"),
        ("--vpc-nat-mode Single", "NAT mode Single is not served yet"),
        ("--version 1.99", "resolving cluster version: invalid version, supported values: 1.24, 1.34"),
        ("--write-kubeconfig", "--write-kubeconfig is not served"),
        ("--tags x", "--tags: \"x\" is not of the form key=value"),
        ("other", "argument=other and --name=c cannot be used at the same time"),
    ] {
        let stage = Stage::new(World::default());
        let ran = stage.run(&format!("postern create cluster --name c {flags}"));
        assert!(ran.failure().contains(word), "{flags}: {}", ran.err);
        assert!(!stage.daemon.calls().iter().any(|(it, _)| it.starts_with("Create")), "{flags}");
    }
}

#[test]
fn a_second_cluster_of_the_name_and_what_is_left_of_one_are_refused() {
    let stage = Stage::new(World::default());
    stage.run("postern create cluster --name c").output();
    let ran = stage.run("postern create cluster --name c");
    assert_eq!(ran.failure(), "Error: cluster \"c\" exists already in \"ap-northeast-2\", its status is ACTIVE");
    stage.world.lock().unwrap().things.retain(|it| it["kind"] != "cluster");
    let ran = stage.run("postern create cluster --name c");
    assert!(
        ran.failure().contains("vpc-1 is left of an earlier cluster \"c\": run 'postern delete cluster"),
        "{}",
        ran.err
    );
    // and delete does take what is left
    stage.run("postern delete cluster c").output();
    assert_eq!(stage.kinds(), Vec::<String>::new());
}

#[test]
fn a_file_says_what_flags_can_not() {
    let stage = Stage::new(World::default());
    let text = concat!(
        "  version: \"1.24\"\n  tags: {team: x}\n",
        "vpc:\n  subnets:\n    public: {one: {id: subnet-a}, two: {id: subnet-c}}\n",
        "  clusterEndpoints: {publicAccess: false, privateAccess: true}\n  publicAccessCIDRs: [198.18.0.0/24]\n",
        "iam:\n  serviceRoleARN: arn:aws:iam::1:role/mine\n",
        "cloudWatch:\n  clusterLogging:\n    enableTypes: [\"*\"]\n",
        "kubernetesNetworkConfig:\n  serviceIPv4CIDR: 10.200.0.0/16\n",
    );
    let ran = stage.run(&format!("postern create cluster -f {}", stage.file(text)));
    assert!(ran.output().contains("will use provided values {publicAccess=false, privateAccess=true}"), "{}", ran.out);
    assert!(ran.output().contains("[!]  warning, having public access disallowed"), "{}", ran.out);
    let input = stage.input_of("CreateCluster");
    assert_eq!(input["roleArn"], "arn:aws:iam::1:role/mine");
    assert_eq!(
        input["resourcesVpcConfig"],
        json!({"subnetIds": ["subnet-a", "subnet-c"], "endpointPublicAccess": false, "endpointPrivateAccess": true,
            "publicAccessCidrs": ["198.18.0.0/24"]})
    );
    assert_eq!(input["logging"]["clusterLogging"][0]["types"].as_array().unwrap().len(), 5);
    assert_eq!(input["kubernetesNetworkConfig"]["serviceIpv4Cidr"], "10.200.0.0/16");
    assert_eq!(stage.kinds(), ["cluster"]);
}

#[test]
fn a_file_that_does_not_fit_is_refused() {
    for (text, word) in [
        ("vpc:\n  id: vpc-1\n", "vpc.id without vpc.subnets is not served"),
        ("vpc:\n  subnets:\n    public:\n      a: {az: x}\n", "has no id"),
        (
            "vpc:\n  subnets:\n    public:\n      a: {id: subnet-a, az: x}\n      c: {id: subnet-c}\n",
            "az of subnet-a is x in the file",
        ),
        ("vpc:\n  clusterEndpoints: {publicAccess: false}\n", "must have one of public or private"),
        ("nodeGroups: [{name: x}]\n", "nodeGroups is not served yet"),
        ("nodegroups: []\n", "nodegroups"),
    ] {
        let stage = Stage::new(World::default());
        let ran = stage.run(&format!("postern create cluster --config-file={}", stage.file(text)));
        assert!(ran.failure().contains(word), "{text}: {}", ran.err);
        assert_eq!(stage.kinds(), Vec::<String>::new());
    }
}

#[test]
fn a_cluster_that_nobody_has_can_not_be_deleted() {
    let stage = Stage::new(World::default());
    let ran = stage.run("postern delete cluster --name c");
    assert!(ran.failure().contains("No cluster found for name: c."), "{}", ran.err);
    assert!(stage.run("postern delete cluster").failure().contains("--name must be set"));
    assert!(stage.run("postern delete cluster c --wait=false").failure().contains("--wait=false is not served"));
}

#[test]
fn what_the_user_put_in_the_network_keeps_it_and_the_rest_goes() {
    let stage = Stage::new(World::default());
    stage.run("postern create cluster --name c").output();
    stage.world.lock().unwrap().make("instance", "i", &json!({"VpcId": "vpc-1"}));
    let ran = stage.run("postern delete cluster c");
    assert!(
        ran.failure().contains("failed to delete all resources of cluster \"c\": \"vpc-1\" has dependencies"),
        "{}",
        ran.err
    );
    assert_eq!(stage.kinds(), ["instance", "vpc"]);
}

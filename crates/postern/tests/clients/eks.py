"""boto3's view of EKS: waiters, paginators, error classes, tags, updates, refusals. Any surprise is an AssertionError."""

import json

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

retries = Config(retries={"max_attempts": 1})
ec2, eks, iam = (boto3.client(name, config=retries) for name in ("ec2", "eks", "iam"))
region = eks.meta.region_name


def refused(error, call, text, **arguments):
    try:
        call(**arguments)
    except error as caught:
        message = caught.response["Error"]["Message"]
        assert text in message, message
        return caught.response
    raise AssertionError(f"not refused: {text}")


trust = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "eks.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
role = iam.create_role(RoleName="cluster", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
vpc = ec2.create_vpc(CidrBlock="10.30.0.0/16")["Vpc"]["VpcId"]
zones = [it["ZoneName"] for it in ec2.describe_availability_zones()["AvailabilityZones"]]
subnets = [
    ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.30.{n}.0/24", AvailabilityZone=zones[n % 2])["Subnet"]["SubnetId"]
    for n in range(3)
]
config = {"subnetIds": subnets[:2]}

# refusals of CreateCluster
bad = eks.exceptions.InvalidParameterException
make = lambda **more: dict({"name": "x", "roleArn": role, "resourcesVpcConfig": config}, **more)
refused(bad, eks.create_cluster, "at least two different AZs", **make(resourcesVpcConfig={"subnetIds": [subnets[0], subnets[2]]}))
refused(bad, eks.create_cluster, "does not exist", **make(resourcesVpcConfig={"subnetIds": [subnets[0], "subnet-0123456789abcdef0"]}))
refused(bad, eks.create_cluster, "unsupported Kubernetes version", **make(version="1.7"))
refused(bad, eks.create_cluster, "could not be assumed", **make(roleArn=role + "x"))
refused(bad, eks.create_cluster, "Both private and public endpoint access cannot be false",
        **make(resourcesVpcConfig=dict(config, endpointPublicAccess=False)))
refused(bad, eks.create_cluster, "The following CIDRs are invalid in publicAccessCidrs",
        **make(resourcesVpcConfig=dict(config, publicAccessCidrs=["10.0.0.0/8"])))

# create, wait, look
made = eks.create_cluster(name="blue", roleArn=role, resourcesVpcConfig=config, version="1.31", tags={"team": "a"})
assert made["cluster"]["status"] == "CREATING" and "endpoint" not in made["cluster"]
refused(eks.exceptions.ResourceInUseException, eks.create_cluster, "Cluster already exists with name: blue", **make(name="blue"))
eks.get_waiter("cluster_active").wait(name="blue", WaiterConfig={"Delay": 1, "MaxAttempts": 30})
blue = eks.describe_cluster(name="blue")["cluster"]
assert blue["endpoint"].startswith("https://") and blue["endpoint"].endswith(f".{region}.eks.amazonaws.com"), blue
assert blue["identity"]["oidc"]["issuer"].rsplit("/", 1)[1] == blue["endpoint"][8:40]
assert blue["certificateAuthority"]["data"] and blue["kubernetesNetworkConfig"]["serviceIpv4Cidr"] == "172.20.0.0/16"
assert blue["resourcesVpcConfig"]["vpcId"] == vpc and blue["resourcesVpcConfig"]["publicAccessCidrs"] == ["0.0.0.0/0"]

# the control plane's interfaces
found = ec2.describe_network_interfaces(Filters=[{"Name": "description", "Values": ["Amazon EKS blue"]}])["NetworkInterfaces"]
assert len({it["AvailabilityZone"] for it in found}) == 2
for it in found:
    assert it["RequesterManaged"] and it["Status"] == "in-use" and it["TagSet"] == [] and "Association" not in it, it
    attachment = it["Attachment"]
    assert "InstanceId" not in attachment and attachment["InstanceOwnerId"] == it["RequesterId"] != it["OwnerId"], it
    try:
        ec2.detach_network_interface(AttachmentId=attachment["AttachmentId"])
        raise AssertionError("a user may not detach it")
    except ClientError as error:
        assert error.response["Error"]["Code"] == "AuthFailure", error

# updates
change = lambda **access: eks.update_cluster_config(name="blue", resourcesVpcConfig=access)
refused(bad, eks.update_cluster_config, "Only one type of update can be allowed.", name="blue",
        resourcesVpcConfig={"endpointPrivateAccess": True}, logging={"clusterLogging": [{"types": ["api"], "enabled": True}]})
refused(bad, eks.update_cluster_config, "Cluster is already at the desired configuration with endpointPrivateAccess: false , "
        "endpointPublicAccess: true, and Public Endpoint Restrictions: [0.0.0.0/0]", name="blue",
        resourcesVpcConfig={"endpointPublicAccess": True})
update = change(endpointPrivateAccess=True)["update"]
assert update["type"] == "EndpointAccessUpdate" and update["status"] == "InProgress", update
eks.get_waiter("cluster_active").wait(name="blue", WaiterConfig={"Delay": 1, "MaxAttempts": 30})
update = eks.describe_update(name="blue", updateId=update["id"])["update"]
assert update["status"] == "Successful" and update["errors"] == [], update
assert eks.list_updates(name="blue")["updateIds"] == [update["id"]]

# tags
arn = blue["arn"]
eks.tag_resource(resourceArn=arn, tags={"stage": "dev"})
eks.untag_resource(resourceArn=arn, tagKeys=["team"])
assert eks.list_tags_for_resource(resourceArn=arn)["tags"] == {"stage": "dev"}
refused(eks.exceptions.NotFoundException, eks.list_tags_for_resource, "", resourceArn=arn.replace("blue", "none"))
refused(eks.exceptions.BadRequestException, eks.list_tags_for_resource, "", resourceArn="arn:aws:eks:x")

# what is missing, what is not served
answer = refused(eks.exceptions.ResourceNotFoundException, eks.describe_cluster, "No cluster found for name: none.", name="none")
assert answer["clusterName"] == "none" and answer["ResponseMetadata"]["HTTPStatusCode"] == 404, answer
try:
    eks.list_nodegroups(clusterName="blue")
    raise AssertionError("node groups are not served")
except ClientError as error:
    assert "ListNodegroups" in str(error), error

# pages
for n in range(4):
    eks.create_cluster(name=f"page-{n}", roleArn=role, resourcesVpcConfig=config)
pages = list(eks.get_paginator("list_clusters").paginate(PaginationConfig={"PageSize": 2}))
assert [len(page["clusters"]) for page in pages] == [2, 2, 1], pages
versions = eks.get_paginator("describe_cluster_versions").paginate(PaginationConfig={"PageSize": 3})
versions = [it for page in versions for it in page["clusterVersions"]]
assert [it["clusterVersion"] for it in versions if it["defaultVersion"]] == ["1.34"], versions
refused(bad, eks.list_clusters, "", nextToken="nonsense")

# the same token twice is one cluster
twice = [eks.create_cluster(**make(name="twice", clientRequestToken="t1"))["cluster"]["arn"] for _ in range(2)]
assert twice[0] == twice[1]

# delete
for n in range(4):
    eks.get_waiter("cluster_active").wait(name=f"page-{n}", WaiterConfig={"Delay": 1, "MaxAttempts": 30})
assert eks.delete_cluster(name="blue")["cluster"]["status"] == "DELETING"
eks.get_waiter("cluster_deleted").wait(name="blue", WaiterConfig={"Delay": 1, "MaxAttempts": 30})
left = ec2.describe_network_interfaces(Filters=[{"Name": "description", "Values": ["Amazon EKS blue"]}])["NetworkInterfaces"]
assert left == [], left
try:
    ec2.delete_subnet(SubnetId=subnets[0])
    raise AssertionError("a subnet in use")
except ClientError as error:
    assert error.response["Error"]["Code"] == "DependencyViolation", error
print("ok")

"""Two worlds with the same names and blocks in them: `REGION KEY SECRET REGION KEY SECRET`.

Each sees its own things and all of them, and the other's ids are no ids in it. Prints the endpoints of both; the
second's cluster is deleted again.
"""

import json
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

TRUST = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "eks.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
retries = Config(retries={"max_attempts": 1})


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, f"{arguments}: {error}"
        return
    raise AssertionError(f"not refused with {code}: {arguments}")


def until(what, holds):
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.05)


class World:
    """One account in one region, furnished."""

    def __init__(self, region, key, secret):
        self.region, self.key = region, key
        client = lambda name: boto3.client(
            name, region_name=region, aws_access_key_id=key, aws_secret_access_key=secret, config=retries)
        self.ec2, self.eks, self.iam, self.sts = (client(name) for name in ("ec2", "eks", "iam", "sts"))
        self.account = self.sts.get_caller_identity()["Account"]
        self.vpc = self.ec2.create_vpc(CidrBlock="10.90.0.0/16")["Vpc"]["VpcId"]
        self.subnets = [self.ec2.create_subnet(
            VpcId=self.vpc, CidrBlock=f"10.90.{n}.0/24", AvailabilityZone=region + "ab"[n])["Subnet"]["SubnetId"]
            for n in range(2)]
        image = self.ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
        self.instance = self.ec2.run_instances(
            ImageId=image, InstanceType="t3.micro", SubnetId=self.subnets[0], MinCount=1, MaxCount=1,
        )["Instances"][0]["InstanceId"]
        try:
            self.iam.create_role(RoleName="shared", AssumeRolePolicyDocument=json.dumps(TRUST))
        except self.iam.exceptions.EntityAlreadyExistsException:
            pass  # the same account's other region
        self.role = self.iam.get_role(RoleName="shared")["Role"]["Arn"]
        self.create("same", self.role)
        until("ACTIVE", lambda: self.cluster()["status"] == "ACTIVE")
        cluster = self.cluster()
        self.arn, self.endpoint = cluster["arn"], cluster["endpoint"]
        self.group = cluster["resourcesVpcConfig"]["clusterSecurityGroupId"]

    def create(self, name, role):
        return self.eks.create_cluster(name=name, roleArn=role, resourcesVpcConfig={"subnetIds": self.subnets})

    def cluster(self):
        return self.eks.describe_cluster(name="same")["cluster"]

    def sees_only_its_own(self):
        assert self.eks.list_clusters()["clusters"] == ["same"]
        assert self.cluster()["arn"] == self.arn == f"arn:aws:eks:{self.region}:{self.account}:cluster/same"
        vpcs = self.ec2.describe_vpcs()["Vpcs"]
        assert [it["VpcId"] for it in vpcs if not it["IsDefault"]] == [self.vpc], vpcs
        instances = [it["InstanceId"] for r in self.ec2.describe_instances()["Reservations"] for it in r["Instances"]]
        assert instances == [self.instance], instances
        groups = self.ec2.describe_security_groups()["SecurityGroups"]
        groups = [it["GroupId"] for it in groups if it["GroupName"] != "default"]
        assert groups == [self.group], groups
        owners = {it["OwnerId"] for it in vpcs} | {
            it["OwnerId"] for it in self.ec2.describe_network_interfaces()["NetworkInterfaces"]}
        assert owners == {self.account}, owners
        assert [it["Arn"] for it in self.iam.list_roles()["Roles"]] == [self.role]
        assert [it["AccessKeyId"] for it in self.iam.list_access_keys()["AccessKeyMetadata"]] == [self.key]

    def cannot_touch(self, other):
        ec2 = self.ec2
        refused("InvalidVpcID.NotFound", ec2.describe_vpcs, VpcIds=[other.vpc])
        refused("InvalidVpcID.NotFound", ec2.delete_vpc, VpcId=other.vpc)
        refused("InvalidVpcID.NotFound", ec2.create_subnet, VpcId=other.vpc, CidrBlock="10.90.9.0/24")
        refused("InvalidVpcID.NotFound", ec2.create_tags, Resources=[other.vpc], Tags=[{"Key": "a", "Value": "b"}])
        refused("InvalidSubnetID.NotFound", ec2.describe_subnets, SubnetIds=other.subnets)
        refused("InvalidSubnetID.NotFound", ec2.delete_subnet, SubnetId=other.subnets[0])
        refused("InvalidInstanceID.NotFound", ec2.describe_instances, InstanceIds=[other.instance])
        refused("InvalidInstanceID.NotFound", ec2.terminate_instances, InstanceIds=[other.instance])
        refused("InvalidGroup.NotFound", ec2.describe_security_groups, GroupIds=[other.group])
        refused("InvalidGroup.NotFound", ec2.authorize_security_group_ingress, GroupId=other.group,
                IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0")
        # by ARN, which names the account and the region
        code = "NotFoundException" if self.region == other.region else "BadRequestException"
        refused(code, self.eks.list_tags_for_resource, resourceArn=other.arn)
        refused(code, self.eks.tag_resource, resourceArn=other.arn, tags={"a": "b"})
        if self.account != other.account:
            refused("InvalidParameterException", self.create, name="other", role=other.role)
            refused("NoSuchEntity", self.iam.delete_access_key, AccessKeyId=other.key)


def gone(world):
    try:
        world.cluster()
    except world.eks.exceptions.ResourceNotFoundException:
        return True
    return False


first, second = World(*sys.argv[1:4]), World(*sys.argv[4:7])
assert first.endpoint != second.endpoint
assert (first.region, first.account) != (second.region, second.account)
for own, other in ((first, second), (second, first)):
    own.sees_only_its_own()
    own.cannot_touch(other)
    own.sees_only_its_own()
# what one deletes, the other keeps
second.eks.delete_cluster(name="same")
until("deleted", lambda: gone(second))
assert first.cluster()["status"] == "ACTIVE"
print(first.endpoint, second.endpoint)

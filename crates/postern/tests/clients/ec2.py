"""boto3's view of EC2: a VPC's life, groups, addresses, instances, filters, refusals."""

import base64

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ec2 = boto3.client("ec2", config=Config(retries={"max_attempts": 1}))
region = ec2.meta.region_name


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error
        return error.response["Error"]["Message"]
    raise AssertionError(f"not refused with {code}")


default = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
assert [it["CidrBlock"] for it in default] == ["172.31.0.0/16"], default

vpc = ec2.create_vpc(CidrBlock="10.50.0.0/16", TagSpecifications=[
    {"ResourceType": "vpc", "Tags": [{"Key": "Name", "Value": "mine"}]}])["Vpc"]
assert vpc["State"] in ("pending", "available") and vpc["Tags"] == [{"Key": "Name", "Value": "mine"}], vpc
id = vpc["VpcId"]
ec2.get_waiter("vpc_available").wait(VpcIds=[id])
hostnames = ec2.describe_vpc_attribute(VpcId=id, Attribute="enableDnsHostnames")
assert hostnames["EnableDnsHostnames"] == {"Value": False}, hostnames
assert [it["VpcId"] for it in ec2.describe_vpcs(Filters=[{"Name": "tag:Name", "Values": ["mi*"]}])["Vpcs"]] == [id]
assert "invalid" in refused("InvalidParameterValue", ec2.describe_vpcs, Filters=[{"Name": "colour", "Values": ["red"]}])
assert refused("InvalidVpcID.NotFound", ec2.describe_vpcs, VpcIds=["vpc-0123456789abcdef0"]) == \
    "The vpc ID 'vpc-0123456789abcdef0' does not exist"

subnet = ec2.create_subnet(VpcId=id, CidrBlock="10.50.1.0/24", AvailabilityZone=region + "a")["Subnet"]
assert subnet["AvailableIpAddressCount"] == 251, subnet
refused("InvalidSubnet.Conflict", ec2.create_subnet, VpcId=id, CidrBlock="10.50.1.128/25")
refused("InvalidSubnet.Range", ec2.create_subnet, VpcId=id, CidrBlock="10.51.1.0/24")

group = ec2.create_security_group(GroupName="web", Description="web", VpcId=id)["GroupId"]
refused("InvalidGroup.Duplicate", ec2.create_security_group, GroupName="web", Description="web", VpcId=id)
rule = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "10.50.0.0/16", "Description": "vpc"}]}
made = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])["SecurityGroupRules"]
assert made[0]["SecurityGroupRuleId"].startswith("sgr-") and made[0]["CidrIpv4"] == "10.50.0.0/16", made
refused("InvalidPermission.Duplicate", ec2.authorize_security_group_ingress, GroupId=group, IpPermissions=[rule])
ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[rule])
refused("InvalidPermission.NotFound", ec2.revoke_security_group_ingress, GroupId=group, IpPermissions=[rule])
refused("DryRunOperation", ec2.delete_security_group, GroupId=group, DryRun=True)

nic = ec2.create_network_interface(SubnetId=subnet["SubnetId"], Groups=[group], PrivateIpAddress="10.50.1.77")["NetworkInterface"]
assert nic["Status"] in ("pending", "available") and nic["PrivateIpAddress"] == "10.50.1.77", nic
refused("InvalidIPAddress.InUse", ec2.create_network_interface, SubnetId=subnet["SubnetId"], PrivateIpAddress="10.50.1.77")
refused("DependencyViolation", ec2.delete_security_group, GroupId=group)
refused("DependencyViolation", ec2.delete_subnet, SubnetId=subnet["SubnetId"])

refused("InvalidVpc.Range", ec2.associate_vpc_cidr_block, VpcId=id, CidrBlock="192.168.0.0/16")
added = ec2.associate_vpc_cidr_block(VpcId=id, CidrBlock="100.64.0.0/16")["CidrBlockAssociation"]["AssociationId"]
refused("InvalidVpc.Conflict", ec2.associate_vpc_cidr_block, VpcId=id, CidrBlock="100.64.9.0/24")
ec2.disassociate_vpc_cidr_block(AssociationId=added)

image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
path = "/aws/service/eks/optimized-ami/1.34/amazon-linux-2023/x86_64/standard/recommended/image_id"
recommended = boto3.client("ssm").get_parameter(Name=path)["Parameter"]["Value"]
found = ec2.describe_images(ImageIds=[recommended])["Images"][0]
assert found["Name"].startswith("amazon-eks-node-al2023-x86_64-standard-1.34-v"), found
key = ec2.create_key_pair(KeyName="k", KeyType="ed25519")
assert "PRIVATE KEY" in key["KeyMaterial"]
named = ec2.run_instances(ImageId="resolve:ssm:" + path, InstanceType="t3.micro", MinCount=1, MaxCount=1,
                          SubnetId=subnet["SubnetId"], UserData="#!/bin/sh\n")["Instances"][0]
assert named["ImageId"] == recommended, "EC2 and SSM mean the same image"
data = ec2.describe_instance_attribute(InstanceId=named["InstanceId"], Attribute="userData")["UserData"]["Value"]
assert base64.b64decode(data) == b"#!/bin/sh\n", data
ec2.terminate_instances(InstanceIds=[named["InstanceId"]])
ec2.get_waiter("instance_terminated").wait(InstanceIds=[named["InstanceId"]], WaiterConfig={"Delay": 1})
ran = ec2.run_instances(ImageId=image, InstanceType="t3.micro", MinCount=2, MaxCount=2, SubnetId=subnet["SubnetId"],
                        SecurityGroupIds=[group], KeyName="k", ClientToken="once")["Instances"]
again = ec2.run_instances(ImageId=image, InstanceType="t3.micro", MinCount=2, MaxCount=2, SubnetId=subnet["SubnetId"],
                          SecurityGroupIds=[group], KeyName="k", ClientToken="once")["Instances"]
ids = sorted(it["InstanceId"] for it in ran)
assert ids == sorted(it["InstanceId"] for it in again)
ec2.get_waiter("instance_running").wait(InstanceIds=ids, WaiterConfig={"Delay": 1})
stopped = ec2.stop_instances(InstanceIds=ids[:1])["StoppingInstances"][0]
assert stopped["CurrentState"]["Name"] == "stopping" and stopped["PreviousState"]["Name"] == "running", stopped
ec2.get_waiter("instance_stopped").wait(InstanceIds=ids[:1], WaiterConfig={"Delay": 1})
refused("IncorrectInstanceState", ec2.reboot_instances, InstanceIds=ids[:1])
ec2.start_instances(InstanceIds=ids[:1])
ec2.get_waiter("instance_running").wait(InstanceIds=ids, WaiterConfig={"Delay": 1})
pages = list(ec2.get_paginator("describe_instances").paginate(PaginationConfig={"PageSize": 5}))
assert sum(len(it["Instances"]) for page in pages for it in page["Reservations"]) == 3, "the terminated one is shown"

elastic = ec2.allocate_address(Domain="vpc")
refused("Gateway.NotAttached", ec2.associate_address, AllocationId=elastic["AllocationId"], InstanceId=ids[0])
igw = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
ec2.attach_internet_gateway(InternetGatewayId=igw, VpcId=id)
ec2.associate_address(AllocationId=elastic["AllocationId"], InstanceId=ids[0])
seen = ec2.describe_instances(InstanceIds=ids[:1])["Reservations"][0]["Instances"][0]
assert seen["PublicIpAddress"] == elastic["PublicIp"], seen

ec2.terminate_instances(InstanceIds=ids)
ec2.get_waiter("instance_terminated").wait(InstanceIds=ids, WaiterConfig={"Delay": 1})
ec2.release_address(AllocationId=elastic["AllocationId"])
ec2.delete_network_interface(NetworkInterfaceId=nic["NetworkInterfaceId"])
ec2.delete_security_group(GroupId=group)
ec2.delete_subnet(SubnetId=subnet["SubnetId"])
refused("DependencyViolation", ec2.delete_vpc, VpcId=id)
ec2.detach_internet_gateway(InternetGatewayId=igw, VpcId=id)
ec2.delete_vpc(VpcId=id)
refused("InvalidVpcID.NotFound", ec2.describe_vpcs, VpcIds=[id])
print("ok")

"""Ten clients at once: each makes a VPC with two subnets and five clusters in it. Waits until all fifty are ACTIVE."""

import json
from concurrent.futures import ThreadPoolExecutor

import boto3

iam = boto3.client("iam")
trust = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "eks.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
role = iam.create_role(RoleName="many", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]


def client(number):
    session = boto3.session.Session()
    ec2, eks = session.client("ec2"), session.client("eks")
    vpc = ec2.create_vpc(CidrBlock=f"10.{number}.0.0/16")["Vpc"]["VpcId"]
    zones = [it["ZoneName"] for it in ec2.describe_availability_zones()["AvailabilityZones"]]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.{number}.{n}.0/24", AvailabilityZone=zones[n])["Subnet"]["SubnetId"]
        for n in range(2)
    ]
    names = [f"many-{number}-{n}" for n in range(5)]
    for name in names:
        eks.create_cluster(name=name, roleArn=role, resourcesVpcConfig={"subnetIds": subnets})
    for name in names:
        eks.get_waiter("cluster_active").wait(name=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})


with ThreadPoolExecutor(10) as pool:
    list(pool.map(client, range(10)))

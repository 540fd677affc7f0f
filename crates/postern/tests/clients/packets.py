"""What EC2 says is what packets do. One scenario for each function below; `packets.py NAME` runs it."""

import json
import os
import subprocess
import sys
import time

import boto3
from botocore.config import Config

retries = Config(retries={"max_attempts": 1})
ec2, eks, iam = (boto3.client(name, config=retries) for name in ("ec2", "eks", "iam"))
region = ec2.meta.region_name
PATIENCE = 60


def at(place, *command):
    ran = subprocess.run([os.environ["POSTERN"], "at", place, "--", *command], capture_output=True, text=True)
    return ran.returncode, ran.stdout.strip()


def until(what, holds):
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"not within {PATIENCE} s: {what}"
        time.sleep(0.05)


def vpc(block, subnets):
    """A VPC with an Internet gateway, and its subnets as (zone letter, block)."""
    id = ec2.create_vpc(CidrBlock=block)["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=id, EnableDnsHostnames={"Value": True})
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=id)
    table = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [id]}])["RouteTables"][0]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    return id, table, gateway, [subnet(id, *it, True) for it in subnets]


def subnet(vpc, letter, block, public):
    id = ec2.create_subnet(VpcId=vpc, CidrBlock=block, AvailabilityZone=region + letter)["Subnet"]["SubnetId"]
    ec2.modify_subnet_attribute(SubnetId=id, MapPublicIpOnLaunch={"Value": public})
    return id


def launch(subnet, **more):
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    ran = ec2.run_instances(ImageId=image, InstanceType="t3.micro", MinCount=1, MaxCount=1, SubnetId=subnet, **more)
    return ran["Instances"][0]["InstanceId"]


def show(instance):
    return ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]


def in_state(state, *instances):
    until(f"{instances} are {state}", lambda: all(show(it)["State"]["Name"] == state for it in instances))
    return [show(it) for it in instances]


def serve(*instances):
    """A server on port 80 of each, which answers with the instance's id."""
    for instance in instances:
        script = (f"mkdir -p /tmp/www && cd /tmp/www && echo {instance} > who && "
                  "setsid python3 -m http.server 80 >/dev/null 2>&1 </dev/null &")
        assert at(instance, "sh", "-c", script)[0] == 0
    for instance in instances:
        reaches(instance, "127.0.0.1", instance)


def asks(place, address):
    return at(place, "curl", "-s", "--max-time", "1", f"http://{address}/who")[1]


def reaches(place, address, instance):
    until(f"{place} reaches {instance} at {address}", lambda: asks(place, address) == instance)


def silent(place, address):
    """A change is acknowledged before the network follows it, so that silence may need a moment."""
    until(f"{place} gets no answer at {address}", lambda: asks(place, address) == "")


def dig(place, *words):
    out = at(place, "dig", "+short", "+time=1", "+tries=1", *words)[1]
    return " ".join(line for line in out.splitlines() if not line.startswith(";"))


def tcp(port, **peer):
    return [{"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **peer}]


ANYBODY = {"IpRanges": [{"CidrIp": "0.0.0.0/0"}]}


def default_group(vpc):
    filters = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "group-name", "Values": ["default"]}]
    return ec2.describe_security_groups(Filters=filters)["SecurityGroups"][0]["GroupId"]


def open_web(group):
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=tcp(80, **ANYBODY))


def groups():
    id, _, _, (near, far) = vpc("10.77.0.0/16", [("a", "10.77.0.0/28"), ("b", "10.77.255.240/28")])
    web, db = (ec2.create_security_group(GroupName=it, Description=it, VpcId=id)["GroupId"] for it in ("web", "db"))
    one = launch(near, SecurityGroupIds=[web])
    two, three = (launch(it, SecurityGroupIds=[db]) for it in (near, far))
    first, second, third = in_state("running", one, two, three)
    serve(one, two, three)
    address, public = second["PrivateIpAddress"], second["PublicIpAddress"]
    silent(one, address)
    ec2.authorize_security_group_ingress(
        GroupId=db, IpPermissions=tcp(80, UserIdGroupPairs=[{"GroupId": web}]))
    reaches(one, address, two)
    reaches(one, third["PrivateIpAddress"], three)
    assert asks(three, address) == "" and asks(two, first["PrivateIpAddress"]) == ""
    # By the public address it is a stranger who comes, whatever group it is in.
    assert asks(one, public) == ""
    open_web(db)
    reaches(one, public, two)
    reaches("outside", public, two)
    # Nothing goes out without an egress rule, but the VPC's own resolver is no peer of a group's.
    ec2.revoke_security_group_egress(GroupId=web, IpPermissions=[{"IpProtocol": "-1", **ANYBODY}])
    silent(one, address)
    assert dig(one, second["PrivateDnsName"]) == address
    open_web(web)
    reaches(two, first["PrivateIpAddress"], one)
    ec2.authorize_security_group_egress(GroupId=web, IpPermissions=tcp(80, UserIdGroupPairs=[{"GroupId": db}]))
    reaches(one, address, two)
    assert asks(one, public) == ""


def public_address():
    id, _, _, (here, _) = vpc("172.20.0.0/20", [("a", "172.20.1.0/24"), ("b", "172.20.2.0/24")])
    open_web(default_group(id))
    instance = launch(here)
    before = in_state("running", instance)[0]
    serve(instance)
    reaches("outside", before["PublicIpAddress"], instance)
    elastic = ec2.allocate_address()
    address = elastic["PublicIp"]
    associate = lambda: ec2.associate_address(AllocationId=elastic["AllocationId"], InstanceId=instance)
    association = associate()["AssociationId"]
    reaches("outside", address, instance)
    silent("outside", before["PublicIpAddress"])
    ec2.disassociate_address(AssociationId=association)
    again = show(instance)["PublicIpAddress"]
    assert again != address
    reaches("outside", again, instance)
    silent("outside", address)
    # A stop takes the auto-assigned address, a start brings another; the private one stays.
    ec2.stop_instances(InstanceIds=[instance])
    stopped = in_state("stopped", instance)[0]
    assert "PublicIpAddress" not in stopped and stopped["PublicDnsName"] == "", stopped
    ec2.start_instances(InstanceIds=[instance])
    started = in_state("running", instance)[0]
    assert started["PrivateIpAddress"] == before["PrivateIpAddress"], started
    serve(instance)
    reaches("outside", started["PublicIpAddress"], instance)
    # What the instance held is free again.
    free = lambda: ec2.describe_subnets(SubnetIds=[here])["Subnets"][0]["AvailableIpAddressCount"]
    had = free()
    associate()
    ec2.terminate_instances(InstanceIds=[instance])
    in_state("terminated", instance)
    assert free() == had + 1
    ec2.release_address(AllocationId=elastic["AllocationId"])


def second_interface():
    id, _, _, (here,) = vpc("192.168.0.0/16", [("a", "192.168.1.0/24")])
    ec2.associate_vpc_cidr_block(VpcId=id, CidrBlock="100.64.0.0/16")
    further = subnet(id, "a", "100.64.3.0/24", False)
    instance, peer = launch(here), launch(here)
    in_state("running", instance, peer)
    serve(instance)
    addresses = ["100.64.3.20", "100.64.3.21"]
    given = [{"PrivateIpAddress": it, "Primary": it == addresses[0]} for it in addresses]
    made = ec2.create_network_interface(SubnetId=further, PrivateIpAddresses=given)["NetworkInterface"]
    assert asks(peer, addresses[0]) == ""
    attachment = ec2.attach_network_interface(
        NetworkInterfaceId=made["NetworkInterfaceId"], InstanceId=instance, DeviceIndex=1)["AttachmentId"]
    for address in addresses:
        reaches(peer, address, instance)
    assert "100.64.3.20/24" in at(instance, "ip", "-br", "-4", "address", "show", "eth1")[1]
    ec2.detach_network_interface(AttachmentId=attachment)
    until("eth1 is gone", lambda: at(instance, "ip", "link", "show", "eth1")[0] != 0)
    silent(peer, addresses[0])
    ec2.delete_network_interface(NetworkInterfaceId=made["NetworkInterfaceId"])


def routes():
    zones = [("a", "10.0.1.0/24"), ("b", "10.0.2.0/24")]
    id, table, gateway, (one, two) = vpc("10.0.0.0/16", zones)
    _, _, _, (other_one, other_two) = vpc("10.0.0.0/16", zones)
    address = "10.0.1.10"
    here, there = (launch(it, PrivateIpAddress=address) for it in (one, other_one))
    peer, stranger = launch(two), launch(other_two)
    in_state("running", here, there, peer, stranger)
    serve(here, there)
    reaches(peer, address, here)
    reaches(stranger, address, there)
    open_web(default_group(id))
    public = show(here)["PublicIpAddress"]
    reaches("outside", public, here)
    ec2.delete_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0")
    silent("outside", public)
    reaches(peer, address, here)
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    reaches("outside", public, here)


def nat_instance():
    id, _, _, (public,) = vpc("10.8.0.0/16", [("a", "10.8.0.0/24")])
    hidden = subnet(id, "b", "10.8.1.0/24", False)
    table = ec2.create_route_table(VpcId=id)["RouteTable"]["RouteTableId"]
    ec2.associate_route_table(RouteTableId=table, SubnetId=hidden)
    nat, inner = launch(public), launch(hidden)
    in_state("running", nat, inner)
    target = f"https://eks.{region}.amazonaws.com/"
    out = lambda: at(inner, "curl", "-sk", "--max-time", "1", "-o", "/dev/null", target)[0] == 0
    assert not out()
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", InstanceId=nat)
    rules = "sysctl -qw net.ipv4.ip_forward=1 && nft -f - <<'END'\n" \
            "table ip n { chain p { type nat hook postrouting priority 100; oifname eth0 masquerade; }; }\nEND"
    assert at(nat, "sh", "-c", rules)[0] == 0
    assert not out(), "its own packets only, as long as source and destination are checked"
    ec2.modify_instance_attribute(InstanceId=nat, SourceDestCheck={"Value": False})
    until("it goes through the NAT instance", out)
    ec2.modify_instance_attribute(InstanceId=nat, SourceDestCheck={"Value": True})
    until("the check is back", lambda: not out())


def resolver():
    id, _, _, (here,) = vpc("172.31.0.0/16", [("a", "172.31.1.0/24")])
    instance = launch(here)
    seen = in_state("running", instance)[0]
    private, public = seen["PrivateIpAddress"], seen["PublicIpAddress"]
    private_name, public_name = seen["PrivateDnsName"], seen["PublicDnsName"]
    change = lambda **attribute: ec2.modify_vpc_attribute(VpcId=id, **attribute)
    assert at(instance, "hostname")[1] == private_name
    assert dig(instance, private_name) == private and dig(instance, "-x", private) == private_name + "."
    assert dig(instance, "@169.254.169.253", private_name) == private
    assert dig("outside", private_name) == ""
    assert dig("outside", public_name) == public and dig(instance, public_name) == private
    change(EnableDnsHostnames={"Value": False})
    assert show(instance)["PublicDnsName"] == ""
    until("the public name is gone", lambda: dig("outside", public_name) == "")
    assert dig(instance, private_name) == private
    change(EnableDnsSupport={"Value": False})
    until("the resolver is gone", lambda: dig(instance, private_name) == "")
    assert dig(instance, "@169.254.169.253", private_name) == ""
    change(EnableDnsSupport={"Value": True})
    until("the resolver is back", lambda: dig(instance, private_name) == private)


def public_access_cidrs():
    letters = [it["ZoneName"][-1] for it in ec2.describe_availability_zones()["AvailabilityZones"]]
    _, _, _, subnets = vpc("10.44.0.0/16", [(letter, f"10.44.{n}.0/24") for n, letter in enumerate(letters)])
    trust = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "eks.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    role = iam.create_role(RoleName="eks", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    eks.create_cluster(name="c", roleArn=role, resourcesVpcConfig={"subnetIds": subnets})
    instance = launch(subnets[0])
    public = in_state("running", instance)[0]["PublicIpAddress"]
    until("the cluster is there", lambda: eks.describe_cluster(name="c")["cluster"]["status"] == "ACTIVE")
    url = eks.describe_cluster(name="c")["cluster"]["endpoint"] + "/livez"
    gets = lambda place: at(place, "curl", "-k", "-s", "--max-time", "1", url)[0] == 0

    def allow(*blocks):
        update = eks.update_cluster_config(name="c", resourcesVpcConfig={"publicAccessCidrs": blocks})["update"]["id"]
        status = lambda: eks.describe_update(name="c", updateId=update)["update"]["status"]
        until("the update is done", lambda: status() == "Successful")
        return gets(instance), gets("outside")

    assert allow(f"{public}/32") == (True, False)
    assert allow("198.18.10.0/24") == (False, True)
    assert allow("198.18.10.0/24", f"{public}/32") == (True, True)


globals()[sys.argv[1]]()

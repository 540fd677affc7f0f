"""Every operation of EKS's model, with the least input that the model allows: it is served, or refused by name."""

import time

import boto3
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError

eks = boto3.client("eks", config=Config(retries={"max_attempts": 1}, read_timeout=10))
model = eks.meta.service_model
NAME = "nothere"
# what is refused for its input, before anything is looked up
INPUT = {
    "AssociateAccessPolicy": "accessScope", "CreateCluster": "subnetIds", "UpdateClusterConfig": "update", "ListTagsForResource": NAME, "TagResource": NAME,
    "UntagResource": NAME,
}


def value(shape):
    kind = shape.type_name
    if kind == "structure":
        return {name: value(shape.members[name]) for name in shape.required_members}
    if kind == "list":
        return [value(shape.member)]
    if kind == "map":
        return {"key": value(shape.value)}
    if kind == "string":
        return shape.enum[0] if shape.enum else NAME
    return {"integer": 1, "long": 1, "boolean": True, "timestamp": 1_700_000_000, "double": 1.0, "blob": b"x"}[kind]


assert len(model.operation_names) >= 64, model.operation_names
served, slowest = [], 0
for name in model.operation_names:
    shape = model.operation_model(name).input_shape
    started = time.monotonic()
    try:
        getattr(eks, xform_name(name))(**(value(shape) if shape else {}))
        served.append(name)
    except ClientError as error:
        status, said = error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]
        assert 400 <= status < 500, f"{name}: {status} {said}"
        if said["Code"] == "UnsupportedOperationException":
            assert f"eks:{name}" in said["Message"], f"{name}: {said}"
            assert status == 400, f"{name}: {status}"
        elif name in INPUT:
            served.append(name)
            assert INPUT[name] in said["Message"], f"{name}: {said}"
        else:
            served.append(name)
            assert status == 404 and said["Code"] == "ResourceNotFoundException", f"{name}: {status} {said}"
            assert NAME in said["Message"], f"{name}: {said}"
    slowest = max(slowest, time.monotonic() - started)
assert slowest < 5, slowest
assert {"ListClusters", "DescribeClusterVersions", "DescribeCluster", "DeleteCluster"} <= set(served), served
print("served:", *served)

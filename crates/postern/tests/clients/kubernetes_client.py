"""The Python client of Kubernetes, unchanged: typed and dynamic, lists, watches, patches, errors.

    kubernetes_client.py KUBECONFIG
"""

import json
import sys
import tempfile

from kubernetes import client, config, dynamic, utils, watch
from kubernetes.client.exceptions import ApiException

NAMESPACE = "python"


def refused(code, call, *args, **kwargs):
    """The Status that a call is refused with."""
    try:
        call(*args, **kwargs)
    except ApiException as error:
        assert error.status == code, (error.status, error.body)
        status = json.loads(error.body)
        assert status["kind"] == "Status" and status["code"] == code, status
        return status
    raise AssertionError(f"not refused: {call}")


def config_map(name, **data):
    return client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name, labels={"of": "test"}), data=data)


def typed(core):
    made = core.create_namespaced_config_map(NAMESPACE, config_map("one", a="1"))
    assert made.metadata.uid and made.data == {"a": "1"}
    read = core.read_namespaced_config_map("one", NAMESPACE)
    read.data["b"] = "2"
    stored = core.replace_namespaced_config_map("one", NAMESPACE, read)
    assert stored.data == {"a": "1", "b": "2"}
    status = refused(409, core.replace_namespaced_config_map, "one", NAMESPACE, read)
    assert status["reason"] == "Conflict" and "object has been modified" in status["message"], status
    status = refused(409, core.create_namespaced_config_map, NAMESPACE, config_map("one"))
    assert status["reason"] == "AlreadyExists", status
    status = refused(404, core.read_namespaced_config_map, "none", NAMESPACE)
    assert status["details"] == {"name": "none", "kind": "configmaps"}, status
    status = refused(422, core.create_namespaced_config_map, NAMESPACE, config_map("Bad_Name"))
    assert status["reason"] == "Invalid" and status["details"]["causes"][0]["field"] == "metadata.name", status
    gone = core.delete_namespaced_config_map("one", NAMESPACE, propagation_policy="Background")
    assert gone.status == "Success", gone


def patches(apps):
    container = client.V1Container(name="c", image="one", ports=[client.V1ContainerPort(container_port=80)])
    template = client.V1PodTemplateSpec(
        metadata=client.V1ObjectMeta(labels={"app": "web"}), spec=client.V1PodSpec(containers=[container])
    )
    spec = client.V1DeploymentSpec(selector=client.V1LabelSelector(match_labels={"app": "web"}), template=template)
    deployment = client.V1Deployment(metadata=client.V1ObjectMeta(name="web"), spec=spec)
    made = apps.create_namespaced_deployment(NAMESPACE, deployment)
    assert made.spec.replicas == 1 and made.spec.strategy.rolling_update.max_surge == "25%", made
    image = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "two"}]}}}}

    # The typed client sends an object as a strategic merge patch, and a list as a JSON patch.
    done = apps.patch_namespaced_deployment("web", NAMESPACE, image).spec.template.spec.containers[0]
    assert done.image == "two" and done.ports[0].container_port == 80, done
    replicas = [{"op": "replace", "path": "/spec/replicas", "value": 4}]
    assert apps.patch_namespaced_deployment("web", NAMESPACE, replicas).spec.replicas == 4
    deployments = dynamic.DynamicClient(apps.api_client).resources.get(api_version="apps/v1", kind="Deployment")
    done = deployments.patch(image, "web", NAMESPACE, content_type="application/merge-patch+json")
    done = done.spec.template.spec.containers[0]
    assert done.image == "two" and done.ports is None, done
    scale = apps.read_namespaced_deployment_scale("web", NAMESPACE)
    scale.spec.replicas = 2
    assert apps.replace_namespaced_deployment_scale("web", NAMESPACE, scale).spec.replicas == 2
    apps.delete_namespaced_deployment("web", NAMESPACE)


def pages_and_watches(core):
    for number in range(7):
        core.create_namespaced_config_map(NAMESPACE, config_map(f"page-{number}"))
    names, token, versions = [], None, set()
    while token is None or token:
        page = core.list_namespaced_config_map(NAMESPACE, limit=3, _continue=token or "", label_selector="of=test")
        assert len(page.items) <= 3
        names += [it.metadata.name for it in page.items]
        token, version = page.metadata._continue or "", page.metadata.resource_version
        versions.add(version)
    assert names == [f"page-{number}" for number in range(7)], names
    assert len(versions) == 1, versions
    core.delete_namespaced_config_map("page-0", NAMESPACE)
    core.patch_namespaced_config_map("page-1", NAMESPACE, {"data": {"seen": "yes"}})
    wanted = [("DELETED", "page-0"), ("MODIFIED", "page-1")]
    seen = []
    # Two watches, the second from where the first stopped.
    for _ in wanted:
        watcher = watch.Watch()
        for event in watcher.stream(
            core.list_namespaced_config_map, NAMESPACE, resource_version=version, label_selector="of=test",
            timeout_seconds=10,
        ):
            seen.append((event["type"], event["object"].metadata.name))
            version = event["object"].metadata.resource_version
            watcher.stop()
    assert seen == wanted, seen
    core.delete_collection_namespaced_config_map(NAMESPACE, label_selector="of=test")
    assert not core.list_namespaced_config_map(NAMESPACE, label_selector="of=test").items


def dynamically(api):
    found = dynamic.DynamicClient(api)
    roles = found.resources.get(api_version="rbac.authorization.k8s.io/v1", kind="Role")
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r"}, "rules": rules}
    applied = roles.server_side_apply(body=role, name="r", namespace=NAMESPACE, field_manager="python")
    assert applied.rules[0].verbs == ["get"], applied
    assert applied.metadata.managedFields[0].operation == "Apply", applied
    role["rules"][0]["verbs"] = ["list"]
    conflict = refused(
        409, roles.server_side_apply, body=role, name="r", namespace=NAMESPACE, field_manager="other"
    )
    assert conflict["details"]["causes"][0]["reason"] == "FieldManagerConflict", conflict
    assert [it.metadata.name for it in roles.get(namespace=NAMESPACE).items] == ["r"]
    roles.delete(name="r", namespace=NAMESPACE)
    kinds = {it.kind for it in found.resources.search(group="apps", api_version="v1")}
    assert {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"} <= kinds, kinds


def from_yaml(api, core):
    text = f"""
apiVersion: v1
kind: Service
metadata: {{name: s, namespace: {NAMESPACE}}}
spec: {{selector: {{a: b}}, ports: [{{port: 80}}]}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {{name: c, namespace: {NAMESPACE}}}
spec:
  schedule: '@hourly'
  jobTemplate: {{spec: {{template: {{spec: {{restartPolicy: Never, containers: [{{name: c, image: i}}]}}}}}}}}
"""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(text)
        file.flush()
        utils.create_from_yaml(api, file.name)
        try:
            utils.create_from_yaml(api, file.name)
        except utils.FailToCreateError as error:
            assert [it.status for it in error.api_exceptions] == [409, 409], error
        else:
            raise AssertionError("created twice")
    assert core.read_namespaced_service("s", NAMESPACE).spec.cluster_ip


def main():
    api = config.new_client_from_config(sys.argv[1])
    core = client.CoreV1Api(api)
    assert int(client.VersionApi(api).get_code().minor.rstrip("+")) >= 24
    core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=NAMESPACE)))
    typed(core)
    patches(client.AppsV1Api(api))
    pages_and_watches(core)
    dynamically(api)
    from_yaml(api, core)
    may = client.V1SelfSubjectAccessReview(
        spec=client.V1SelfSubjectAccessReviewSpec(
            resource_attributes=client.V1ResourceAttributes(verb="delete", resource="nodes")
        )
    )
    assert client.AuthorizationV1Api(api).create_self_subject_access_review(may).status.allowed
    core.delete_namespace(NAMESPACE)


main()

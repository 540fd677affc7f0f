//! What minors after the records do, and kinds that the records have not.

use k8s_kinds::{Context, Kind, kind};
use serde_json::{Value, json};

const NOW: &str = "2026-01-01T00:00:00Z";

fn cx(minor: u8, version: &'static str) -> Context<'static> {
    Context { minor, version, now: NOW }
}

/// A new object as it would be stored.
fn made(kind: &dyn Kind, mut object: Value, cx: &Context<'_>) -> Value {
    kind.default(&mut object, cx);
    object["metadata"]["uid"] = json!("u");
    kind.prepare_for_create(&mut object, cx);
    let mut again = object.clone();
    kind.default(&mut again, cx);
    assert_eq!(again, object, "defaults are not settled");
    object
}

/// What is said about a new object.
fn faults(group: &str, name: &str, minor: u8, object: Value) -> Vec<String> {
    let (kind, cx) = (kind(group, name), cx(minor, "v1"));
    kind.validate(&made(kind, object, &cx), &cx).iter().map(ToString::to_string).collect()
}

/// What is said about a change of an object by a merge of top-level fields of its spec.
fn update_faults(group: &str, name: &str, minor: u8, object: Value, changes: &[(&str, Value)]) -> Vec<String> {
    let (kind, cx) = (kind(group, name), cx(minor, "v1"));
    let old = made(kind, object, &cx);
    let mut new = old.clone();
    for (pointer, value) in changes {
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        new.pointer_mut(parent).unwrap()[field] = value.clone();
    }
    kind.default(&mut new, &cx);
    kind.prepare_for_update(&mut new, &old, &cx);
    kind.validate_update(&new, &old, &cx).iter().map(ToString::to_string).collect()
}

fn pod(policy: &str) -> Value {
    json!({"restartPolicy": policy, "containers": [{"name": "c", "image": "i:1"}]})
}

fn job(spec: Value) -> Value {
    let mut job = json!({"metadata": {"name": "j"}, "spec": {"template": {"spec": pod("Never")}}});
    for (field, value) in spec.as_object().unwrap() {
        job["spec"][field] = value.clone();
    }
    job
}

#[test]
fn jobs_are_labelled_and_defaulted_as_their_minor_does() {
    let job_kind = kind("batch", "Job");
    let old = made(job_kind, job(json!({})), &cx(26, "v1"));
    assert_eq!(old["spec"]["selector"], json!({"matchLabels": {"controller-uid": "u"}}));
    assert_eq!(old["metadata"]["annotations"], json!({"batch.kubernetes.io/job-tracking": ""}));
    assert!(old["spec"].get("podReplacementPolicy").is_none());
    let new = made(job_kind, job(json!({})), &cx(34, "v1"));
    assert_eq!(new["spec"]["selector"], json!({"matchLabels": {"batch.kubernetes.io/controller-uid": "u"}}));
    let labels = json!({
        "controller-uid": "u", "job-name": "j",
        "batch.kubernetes.io/controller-uid": "u", "batch.kubernetes.io/job-name": "j",
    });
    assert_eq!(new["spec"]["template"]["metadata"]["labels"], labels);
    assert_eq!(new["metadata"]["labels"], labels);
    assert_eq!(new["spec"]["podReplacementPolicy"], "TerminatingOrFailed");
    assert!(job_kind.validate(&new, &cx(34, "v1")).is_empty());
}

#[test]
fn a_job_of_an_earlier_minor_may_be_changed() {
    let job_kind = kind("batch", "Job");
    let old = made(job_kind, job(json!({})), &cx(26, "v1"));
    let mut new = old.clone();
    new["spec"]["parallelism"] = json!(2);
    let cx = cx(34, "v1");
    job_kind.default(&mut new, &cx);
    assert_eq!(job_kind.validate_update(&new, &old, &cx), []);
}

#[test]
fn jobs_with_indexes_and_policies_are_checked() {
    let told = faults("batch", "Job", 34, job(json!({"completionMode": "Indexed", "parallelism": 200_000})));
    assert_eq!(
        told,
        [
            "spec.completions: Required value: when completion mode is Indexed",
            "spec.parallelism: Invalid value: 200000: must be less than or equal to 100000 when completion mode is Indexed",
        ]
    );
    let policy = json!({"podFailurePolicy": {"rules": [
        {"action": "FailIndex", "onExitCodes": {"operator": "In", "containerName": "x", "values": [3, 0]}},
        {"action": "", "onPodConditions": [{"type": "DisruptionTarget", "status": "No"}]},
        {"action": "Ignore"},
    ]}});
    assert_eq!(
        faults("batch", "Job", 34, job(policy)),
        [
            "spec.podFailurePolicy.rules[0].action: Invalid value: \"FailIndex\": requires the backoffLimitPerIndex to be set",
            "spec.podFailurePolicy.rules[0].onExitCodes.containerName: Invalid value: \"x\": must be one of the container or initContainer names in the pod template",
            "spec.podFailurePolicy.rules[0].onExitCodes.values[1]: Invalid value: 0: must not be 0 for the In operator",
            "spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: [3,0]: must be ordered",
            "spec.podFailurePolicy.rules[1].action: Required value: valid values: [\"Count\" \"FailIndex\" \"FailJob\" \"Ignore\"]",
            "spec.podFailurePolicy.rules[1].onPodConditions[0].status: Unsupported value: \"No\": supported values: \"False\", \"True\", \"Unknown\"",
            "spec.podFailurePolicy.rules[2]: Invalid value: specifying one of OnExitCodes and OnPodConditions is required",
        ]
    );
    let success = json!({"completionMode": "Indexed", "completions": 3, "successPolicy": {"rules": [
        {"succeededIndexes": "0-5"}, {},
    ]}});
    assert_eq!(
        faults("batch", "Job", 34, job(success)),
        [
            "spec.successPolicy.rules[0].succeededIndexes: Invalid value: \"0-5\": error parsing succeededIndexes: too large index: \"5\"",
            "spec.successPolicy.rules[1]: Required value: at least one of succeededCount or succeededIndexes must be specified",
        ]
    );
}

#[test]
fn a_jobs_template_may_change_where_it_runs_while_it_waits() {
    let gpu = [("/spec/template/spec/nodeSelector", json!({"gpu": "yes"}))];
    let suspended = job(json!({"suspend": true}));
    assert!(update_faults("batch", "Job", 34, suspended.clone(), &gpu).is_empty());
    let told = update_faults("batch", "Job", 34, job(json!({})), &gpu);
    assert!(
        told.len() == 1
            && told[0].starts_with("spec.template: Invalid value: ")
            && told[0].ends_with("field is immutable")
    );
    let more = [("/spec/template/spec/hostNetwork", json!(true))];
    assert_eq!(update_faults("batch", "Job", 34, suspended, &more).len(), 1);
    let elastic = job(json!({"completionMode": "Indexed", "completions": 2, "parallelism": 2}));
    let both = [("/spec/completions", json!(3)), ("/spec/parallelism", json!(3))];
    assert!(update_faults("batch", "Job", 34, elastic.clone(), &both).is_empty());
    assert_eq!(
        update_faults("batch", "Job", 34, elastic, &both[..1]),
        ["spec.completions: Invalid value: 3: can only be modified in tandem with spec.parallelism"]
    );
}

#[test]
fn cron_jobs_name_their_time_zone_in_its_field() {
    let cron_job = |schedule: &str, zone: Option<&str>| {
        let mut it = json!({"metadata": {"name": "c"}, "spec": {
            "schedule": schedule, "jobTemplate": {"spec": {"template": {"spec": pod("Never")}}},
        }});
        if let Some(zone) = zone {
            it["spec"]["timeZone"] = json!(zone);
        }
        it
    };
    let told = |minor, schedule, zone| faults("batch", "CronJob", minor, cron_job(schedule, zone));
    assert!(told(34, "@daily", Some("Europe/Berlin")).is_empty());
    assert_eq!(
        told(34, "@daily", Some("Mars/Base")),
        ["spec.timeZone: Invalid value: \"Mars/Base\": unknown time zone Mars/Base"]
    );
    assert_eq!(
        told(34, "TZ=UTC 0 0 * * *", None),
        [
            "spec.schedule: Invalid value: \"TZ=UTC 0 0 * * *\": cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        ]
    );
    assert!(told(28, "TZ=UTC 0 0 * * *", None).is_empty());
    let warned = kind("batch", "CronJob").warnings(&cron_job("CRON_TZ=UTC * * * * *", None), None, &cx(28, "v1"));
    assert_eq!(warned.len(), 1);
}

fn stateful_set() -> Value {
    json!({"metadata": {"name": "s"}, "spec": {
        "serviceName": "h", "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": pod("Always")},
    }})
}

#[test]
fn stateful_sets_are_checked_more_closely_since_1_34() {
    let mut bare = stateful_set();
    bare["spec"]["template"]["spec"]["containers"] = json!([]);
    assert!(faults("apps", "StatefulSet", 33, bare.clone()).is_empty());
    assert_eq!(faults("apps", "StatefulSet", 34, bare.clone()), ["spec.template.spec.containers: Required value"]);
    // What was wrong before may stay.
    assert!(update_faults("apps", "StatefulSet", 34, bare, &[("/spec/replicas", json!(3))]).is_empty());
    let mut claims = stateful_set();
    claims["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] = json!([{"name": "v", "mountPath": "/v"}]);
    let claim = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
    claims["spec"]["volumeClaimTemplates"] = json!([{"metadata": {"name": "v"}, "spec": claim}]);
    assert!(faults("apps", "StatefulSet", 34, claims.clone()).is_empty());
    claims["spec"]["volumeClaimTemplates"][0]["spec"].as_object_mut().unwrap().remove("accessModes");
    let told = faults("apps", "StatefulSet", 34, claims);
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("spec.volumeClaimTemplates[0].spec.accessModes: Required value"), "{told:?}");
}

#[test]
fn stateful_sets_may_change_in_more_and_more() {
    let limit = [("/spec/revisionHistoryLimit", json!(3))];
    assert!(update_faults("apps", "StatefulSet", 34, stateful_set(), &limit).is_empty());
    assert_eq!(
        update_faults("apps", "StatefulSet", 30, stateful_set(), &limit),
        [
            "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
        ]
    );
    let it = made(kind("apps", "StatefulSet"), stateful_set(), &cx(34, "v1"));
    let kept = json!({"whenDeleted": "Retain", "whenScaled": "Retain"});
    assert_eq!(it["spec"]["persistentVolumeClaimRetentionPolicy"], kept);
}

#[test]
fn a_daemon_set_counts_its_templates() {
    let set = kind("apps", "DaemonSet");
    let old = made(set, stateful_set(), &cx(34, "v1"));
    let generation = |it: &Value| it["metadata"]["annotations"]["deprecated.daemonset.template.generation"].clone();
    assert_eq!(generation(&old), "1");
    let mut new = old.clone();
    new["metadata"].as_object_mut().unwrap().remove("annotations");
    new["spec"]["template"]["spec"]["hostNetwork"] = json!(true);
    set.prepare_for_update(&mut new, &old, &cx(34, "v1"));
    assert_eq!(generation(&new), "2");
    let mut both = old.clone();
    both["spec"]["updateStrategy"]["rollingUpdate"]["maxSurge"] = json!(1);
    let told = set.validate(&both, &cx(34, "v1"));
    let want =
        "spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero";
    assert_eq!(told.iter().map(ToString::to_string).collect::<Vec<_>>(), [want]);
}

#[test]
fn admission_policies_are_checked_without_reading_expressions() {
    let policy = json!({"metadata": {"name": "p"}, "spec": {
        "matchConstraints": {"resourceRules": [
            {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"]},
        ]},
        "variables": [{"name": "a-b", "expression": "1"}],
        "validations": [{"expression": " ", "message": "a\nb", "reason": "Nope"}],
    }});
    let group = "admissionregistration.k8s.io";
    assert_eq!(
        faults(group, "ValidatingAdmissionPolicy", 34, policy.clone()),
        [
            "spec.variables[0].name: Invalid value: \"a-b\": name is not a valid CEL identifier",
            "spec.validations[0].expression: Required value: expression is not specified",
            "spec.validations[0].message: Invalid value: \"a\\nb\": message must not contain line breaks",
            "spec.validations[0].reason: Unsupported value: \"Nope\": supported values: \"Forbidden\", \"Invalid\", \"RequestEntityTooLarge\", \"Unauthorized\"",
        ]
    );
    let it = made(kind(group, "ValidatingAdmissionPolicy"), policy, &cx(34, "v1"));
    assert_eq!(it["spec"]["failurePolicy"], "Fail");
    assert_eq!(it["spec"]["matchConstraints"]["resourceRules"][0]["scope"], "*");
    assert_eq!(it["spec"]["matchConstraints"]["matchPolicy"], "Equivalent");
    let binding = json!({"metadata": {"name": "b"}, "spec": {
        "policyName": "p", "paramRef": {"name": "x", "selector": {}}, "validationActions": ["Deny", "Warn"],
    }});
    let told = faults(group, "ValidatingAdmissionPolicyBinding", 34, binding);
    assert_eq!(told.len(), 3, "{told:?}");
    let mutating = json!({"metadata": {"name": "m"}, "spec": {
        "matchConstraints": {"resourceRules": [
            {"apiGroups": [""], "apiVersions": ["*"], "operations": ["*"], "resources": ["pods"]},
        ]},
        "mutations": [{"patchType": "JSONPatch"}, {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": "x"}}],
    }});
    assert_eq!(
        faults(group, "MutatingAdmissionPolicy", 36, mutating),
        ["spec.mutations[0].jsonPatch: Required value: must be specified when patchType is JSONPatch"]
    );
}

#[test]
fn flow_control_is_checked() {
    let group = "flowcontrol.apiserver.k8s.io";
    let schema = json!({"metadata": {"name": "s"}, "spec": {
        "priorityLevelConfiguration": {"name": "l"}, "matchingPrecedence": 1,
        "rules": [{
            "subjects": [{"kind": "User", "group": {"name": "g"}}],
            "resourceRules": [{"verbs": ["*", "get"], "apiGroups": ["*"], "resources": ["*"]}],
        }],
    }});
    assert_eq!(
        faults(group, "FlowSchema", 34, schema),
        [
            "spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have matchingPrecedence 1",
            "spec.rules[0].subjects[0].group: Forbidden: group is forbidden when subject kind is not 'Group'",
            "spec.rules[0].subjects[0].user: Required value: user is required when subject kind is 'User'",
            "spec.rules[0].resourceRules[0].verbs: Invalid value: [\"*\",\"get\"]: if '*' is present, must not specify other verbs",
            "spec.rules[0].resourceRules[0].namespaces: Required value: resource rules that are not cluster scoped must supply at least one namespace",
        ]
    );
    let level = json!({"metadata": {"name": "l"}, "spec": {"type": "Limited", "limited": {
        "limitResponse": {"type": "Queue", "queuing": {"queues": 4, "handSize": 8}},
    }}});
    assert_eq!(
        faults(group, "PriorityLevelConfiguration", 34, level.clone()),
        ["spec.limited.limitResponse.queuing.handSize: Invalid value: 8: should not be greater than queues (4)"]
    );
    let it = made(kind(group, "PriorityLevelConfiguration"), level, &cx(34, "v1"));
    assert_eq!(it["spec"]["limited"]["nominalConcurrencyShares"], 30);
    assert_eq!(it["spec"]["limited"]["lendablePercent"], 0);
}

#[test]
fn addresses_of_services_are_canonical() {
    let rule = kind("networking.k8s.io", "IPAddress").name_rule();
    assert!(rule("10.0.0.1", false).is_empty() && rule("2001:db8::1", false).is_empty());
    assert!(!rule("2001:DB8::1", false).is_empty() && !rule("x", false).is_empty());
    let cidrs = |list: Value| json!({"metadata": {"name": "c"}, "spec": {"cidrs": list}});
    let told = |list: Value| faults("networking.k8s.io", "ServiceCIDR", 34, cidrs(list));
    assert!(told(json!(["10.0.0.0/16", "fd00::/112"])).is_empty());
    assert_eq!(told(json!(["10.0.0.0/16", "11.0.0.0/16"])).len(), 1);
    assert_eq!(told(json!(["10.0.0.1/16"])).len(), 1);
    let second = [("/spec/cidrs", json!(["10.0.0.0/16", "fd00::/112"]))];
    let change =
        |minor| update_faults("networking.k8s.io", "ServiceCIDR", minor, cidrs(json!(["10.0.0.0/16"])), &second);
    assert!(change(34).is_empty());
    assert_eq!(change(33).len(), 1);
}

#[test]
fn ingress_classes_have_their_scope() {
    let class = |parameters: Value| json!({"metadata": {"name": "c"}, "spec": {"controller": "a.b/c", "parameters": parameters}});
    let told = |parameters: Value| faults("networking.k8s.io", "IngressClass", 34, class(parameters));
    assert!(told(json!({"kind": "K", "name": "n"})).is_empty());
    assert_eq!(
        told(json!({"kind": "K", "name": "n", "namespace": "x"})),
        ["spec.parameters.namespace: Forbidden: `parameters.scope` is set to 'Cluster'"]
    );
    assert_eq!(
        told(json!({"kind": "K", "name": "n", "scope": "Namespace"})),
        ["spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'"]
    );
    let change = [("/spec/controller", json!("a.b/d"))];
    let told = update_faults("networking.k8s.io", "IngressClass", 34, class(Value::Null), &change);
    assert_eq!(told, ["spec.controller: Invalid value: \"a.b/d\": field is immutable"]);
}

#[test]
fn volumes_are_where_they_are() {
    let group = "storage.k8s.io";
    let attachment = json!({"metadata": {"name": "a"}, "spec": {"attacher": "d.x", "nodeName": "n", "source": {}}});
    let one = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
    assert_eq!(faults(group, "VolumeAttachment", 34, attachment), [format!("spec.source: Required value: {one}")]);
    let node =
        json!({"metadata": {"name": "n"}, "spec": {"drivers": [{"name": "d.x", "nodeID": "i"}, {"name": "d.x"}]}});
    assert_eq!(
        faults(group, "CSINode", 34, node),
        ["spec.drivers[1].name: Duplicate value: \"d.x\"", "spec.drivers[1].nodeID: Required value"]
    );
    let class = json!({"metadata": {"name": "c"}, "driverName": "d.x", "parameters": {"iops": "3"}});
    assert!(faults(group, "VolumeAttributesClass", 34, class.clone()).is_empty());
    let (it, cx) = (kind(group, "VolumeAttributesClass"), cx(34, "v1"));
    let mut other = class.clone();
    other["parameters"] = json!({});
    assert_eq!(it.validate_update(&other, &class, &cx).len(), 2);
    let driver = made(kind(group, "CSIDriver"), json!({"metadata": {"name": "d.x"}, "spec": {}}), &cx);
    assert_eq!(driver["spec"]["seLinuxMount"], false);
}

#[test]
fn devices_are_asked_for() {
    let group = "resource.k8s.io";
    let claim = |request: Value| json!({"metadata": {"name": "c"}, "spec": {"devices": {"requests": [request]}}});
    let it = made(
        kind(group, "ResourceClaim"),
        claim(json!({"name": "a", "exactly": {"deviceClassName": "gpu"}})),
        &cx(34, "v1"),
    );
    let exactly = json!({"deviceClassName": "gpu", "allocationMode": "ExactCount", "count": 1});
    assert_eq!(it["spec"]["devices"]["requests"][0]["exactly"], exactly);
    let told = |request: Value| faults(group, "ResourceClaim", 34, claim(request));
    assert_eq!(
        told(json!({"name": "a"})),
        ["spec.devices.requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is required"]
    );
    assert_eq!(
        told(json!({"name": "a", "exactly": {"deviceClassName": "gpu", "allocationMode": "All", "count": 2}})),
        [
            "spec.devices.requests[0].exactly.count: Invalid value: 2: must not be specified when allocationMode is 'All'"
        ]
    );
    let slice = json!({"metadata": {"name": "s"}, "spec": {
        "driver": "d.x", "pool": {"name": "p", "resourceSliceCount": 1, "generation": 1}, "nodeName": "n",
        "devices": [{"name": "a"}, {"name": "a"}],
    }});
    assert_eq!(faults(group, "ResourceSlice", 34, slice), ["spec.devices[1].name: Duplicate value: \"a\""]);
}

#[test]
fn services_of_apis_are_called_by_group_and_version() {
    let service = json!({"metadata": {"name": "v1.x.io"}, "spec": {
        "group": "y.io", "version": "v1", "groupPriorityMinimum": 1, "versionPriority": 2000, "insecureSkipTLSVerify": true,
    }});
    assert_eq!(
        faults("apiregistration.k8s.io", "APIService", 34, service),
        [
            "metadata.name: Invalid value: \"v1.x.io\": must be `spec.version+\".\"+spec.group`: \"v1.y.io\"",
            "spec.versionPriority: Invalid value: 2000: must be positive and less than 1000",
            "spec.insecureSkipTLSVerify: Invalid value: true: local APIServices may not have insecureSkipTLSVerify",
        ]
    );
}

#[test]
fn budgets_and_leases_know_their_newer_fields() {
    let budget = json!({"metadata": {"name": "b"}, "spec": {"unhealthyPodEvictionPolicy": "X"}});
    assert!(faults("policy", "PodDisruptionBudget", 26, budget.clone()).is_empty());
    assert_eq!(
        faults("policy", "PodDisruptionBudget", 34, budget),
        [
            "spec.unhealthyPodEvictionPolicy: Unsupported value: \"X\": supported values: \"AlwaysAllow\", \"IfHealthyBudget\""
        ]
    );
    let lease = json!({"metadata": {"name": "l"}, "spec": {"preferredHolder": "x"}});
    assert!(faults("coordination.k8s.io", "Lease", 34, lease).is_empty(), "the field is taken away");
}

/// Which kinds refuse a PUT without a resource version, and which are made by one, as was tried on an API server.
#[test]
fn puts_are_taken_as_recorded() {
    let refusing = [
        ("policy", "PodDisruptionBudget"),
        ("storage.k8s.io", "CSIDriver"),
        ("storage.k8s.io", "CSINode"),
        ("storage.k8s.io", "VolumeAttachment"),
        ("coordination.k8s.io", "Lease"),
        ("node.k8s.io", "RuntimeClass"),
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
        ("apiextensions.k8s.io", "CustomResourceDefinition"),
        ("apiregistration.k8s.io", "APIService"),
    ];
    for (group, name) in refusing {
        assert!(!kind(group, name).allows_unconditional_update(), "{name}");
    }
    for (group, name) in [("apps", "Deployment"), ("batch", "Job"), ("networking.k8s.io", "Ingress")] {
        assert!(kind(group, name).allows_unconditional_update(), "{name}");
    }
    let made_by_put = [
        ("events.k8s.io", "Event"),
        ("rbac.authorization.k8s.io", "Role"),
        ("rbac.authorization.k8s.io", "ClusterRole"),
        ("rbac.authorization.k8s.io", "RoleBinding"),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
        ("coordination.k8s.io", "Lease"),
        ("node.k8s.io", "RuntimeClass"),
    ];
    for (group, name) in made_by_put {
        assert!(kind(group, name).allows_create_on_update(), "{name}");
    }
    assert!(!kind("apps", "Deployment").allows_create_on_update());
}

#[test]
fn writers_are_warned() {
    let warned = |group, name, minor, object: Value| kind(group, name).warnings(&object, None, &cx(minor, "v1"));
    let ingress = json!({"metadata": {"annotations": {"kubernetes.io/ingress.class": "x"}}});
    assert_eq!(
        warned("networking.k8s.io", "Ingress", 34, ingress),
        ["annotation \"kubernetes.io/ingress.class\" is deprecated, please use 'spec.ingressClassName' instead"]
    );
    let slice = json!({"addressType": "FQDN"});
    assert!(warned("discovery.k8s.io", "EndpointSlice", 32, slice.clone()).is_empty());
    assert_eq!(warned("discovery.k8s.io", "EndpointSlice", 33, slice), ["addressType: FQDN endpoints are deprecated"]);
    let deployment = json!({"metadata": {"name": "a.b"}, "spec": {"template": {"spec": pod("Always")}}});
    let warnings = warned("apps", "Deployment", 34, deployment);
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].starts_with("metadata.name: this is used in Pod names and hostnames"), "{warnings:?}");
}

/// No shares at all could be said only since `v1`; an annotation carries it through the versions before.
#[test]
fn a_level_without_shares_stays_without() {
    let group = "flowcontrol.apiserver.k8s.io";
    let level = kind(group, "PriorityLevelConfiguration");
    let mut it = json!({"metadata": {"name": "l"}, "spec": {"type": "Limited", "limited": {
        "nominalConcurrencyShares": 0, "limitResponse": {"type": "Reject"},
    }}});
    level.default(&mut it, &cx(30, "v1"));
    k8s_kinds::convert(group, "PriorityLevelConfiguration", "v1", "v1beta3", &mut it);
    let mut again = it.clone();
    level.default(&mut again, &cx(30, "v1beta3"));
    assert_eq!(again, it);
    assert_eq!(level.validate(&it, &cx(30, "v1beta3")), []);
    it["metadata"].as_object_mut().unwrap().remove("annotations");
    level.default(&mut it, &cx(30, "v1beta3"));
    assert_eq!(it["spec"]["limited"]["nominalConcurrencyShares"], 30);
}

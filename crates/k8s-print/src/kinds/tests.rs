//! What later minors print, and what the recorded server had no occasion to.

use crate::row;
use jiff::Timestamp;
use serde_json::{Value, json};

const GROUPS: [(&str, &str); 9] = [
    ("Pod", ""),
    ("Event", "events.k8s.io"),
    ("HorizontalPodAutoscaler", "autoscaling"),
    ("ValidatingAdmissionPolicyBinding", "admissionregistration.k8s.io"),
    ("ResourceClaim", "resource.k8s.io"),
    ("APIService", "apiregistration.k8s.io"),
    ("CertificateSigningRequest", "certificates.k8s.io"),
    ("IPAddress", "networking.k8s.io"),
    ("Job", "batch"),
];

fn now() -> Timestamp {
    "2024-01-01T00:10:00Z".parse().unwrap()
}

fn cells(kind: &str, minor: u32, object: &Value) -> Vec<Value> {
    let group = GROUPS.iter().find(|(it, _)| *it == kind).unwrap().1;
    row(group, kind, minor, object, now()).cells
}

fn pod(spec: Value, status: Value) -> Value {
    json!({"metadata": {"name": "p"}, "spec": spec, "status": status})
}

/// Ready, status and restarts.
fn summary(minor: u32, pod: &Value) -> [String; 3] {
    let cells = cells("Pod", minor, pod);
    [1, 2, 3].map(|at| cells[at].as_str().unwrap().to_owned())
}

#[test]
fn restarts_tell_when_the_last_was() {
    let ended = |at: &str| json!({"terminated": {"finishedAt": at}});
    let statuses = json!([
        {"restartCount": 1, "lastState": ended("2024-01-01T00:08:00Z"), "state": {"running": {}}, "ready": true},
        {"restartCount": 2, "lastState": ended("2024-01-01T00:01:00Z"), "state": {"running": {}}, "ready": true},
    ]);
    let it = pod(json!({"containers": [{}, {}]}), json!({"phase": "Running", "containerStatuses": statuses}));
    assert_eq!(summary(30, &it), ["2/2", "Running", "3 (2m ago)"]);
}

#[test]
fn sidecars_count_as_containers() {
    let spec = json!({"containers": [{}], "initContainers": [{"name": "s", "restartPolicy": "Always"}, {"name": "i"}]});
    let sidecar = json!({"name": "s", "started": true, "ready": true, "restartCount": 4, "state": {"running": {}}});
    let waiting = json!({"name": "i", "restartCount": 1, "state": {"waiting": {"reason": "PodInitializing"}}});
    let it = pod(spec.clone(), json!({"phase": "Pending", "initContainerStatuses": [sidecar, waiting]}));
    assert_eq!(summary(30, &it), ["1/2", "Init:1/2", "5"]);
    let done = json!({"name": "i", "restartCount": 1, "state": {"terminated": {"exitCode": 0}}});
    let main = json!({"ready": true, "restartCount": 2, "state": {"running": {}}});
    let status = json!({"phase": "Running", "initContainerStatuses": [sidecar, done], "containerStatuses": [main]});
    assert_eq!(summary(30, &pod(spec.clone(), status)), ["2/2", "Running", "6"]);
    // once initialized, a sidecar that starts anew hides nothing
    let failing = json!({"name": "s", "restartCount": 5, "state": {"waiting": {"reason": "CrashLoopBackOff"}}});
    let conditions = json!([{"type": "Initialized", "status": "True"}]);
    let status = json!({"phase": "Running", "conditions": conditions, "initContainerStatuses": [failing], "containerStatuses": [main]});
    assert_eq!(summary(30, &pod(spec, status)), ["1/2", "Init:CrashLoopBackOff", "7"]);
}

#[test]
fn gated_and_ended_pods_say_so() {
    let conditions = json!([{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]);
    let it = pod(json!({"containers": [{}]}), json!({"phase": "Pending", "conditions": conditions}));
    assert_eq!(summary(30, &it)[1], "SchedulingGated");
    let mut it = pod(json!({"containers": [{}]}), json!({"phase": "Failed"}));
    it["metadata"]["deletionTimestamp"] = "2024-01-01T00:00:00Z".into();
    assert_eq!((summary(30, &it)[1].as_str(), summary(31, &it)[1].as_str()), ("Terminating", "Failed"));
}

#[test]
fn events_of_the_newer_api_are_printed_as_the_older_ones() {
    let event = json!({
        "metadata": {"name": "e"}, "type": "Normal", "reason": "R", "note": " text\n", "eventTime": "2024-01-01T00:00:00.5Z",
        "regarding": {"kind": "Pod", "name": "p", "fieldPath": "spec"}, "reportingController": "c", "reportingInstance": "i",
        "series": {"count": 7, "lastObservedTime": "2024-01-01T00:09:00.000000Z"},
    });
    let want = json!(["60s", "Normal", "R", "pod/p", "spec", "c, i", "text", "9m59s", 7, "e"]);
    assert_eq!(Value::from(cells("Event", 30, &event)), want);
}

#[test]
fn autoscalers_name_their_targets() {
    let scaler = |metrics: Value, states: Value| json!({"spec": {"metrics": metrics, "minReplicas": 1}, "status": {"currentMetrics": states}});
    let cpu = json!({"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 80}}});
    let memory = json!({"type": "ContainerResource", "containerResource": {"name": "memory", "target": {"averageValue": "1Gi"}}});
    let queue = json!({"type": "External", "external": {"target": {"averageValue": "30"}}});
    let requests = json!({"type": "Object", "object": {"target": {"value": "10k"}}});
    let states = json!([
        {"type": "Resource", "resource": {"current": {"averageUtilization": 5, "averageValue": "1m"}}},
        {"type": "ContainerResource", "containerResource": {"current": {"averageValue": "1.5Gi"}}},
    ]);
    let targets = |minor, it: &Value| cells("HorizontalPodAutoscaler", minor, it)[2].clone();
    let it = scaler(json!([cpu, memory, queue]), states);
    assert_eq!(targets(29, &it), "5%/80%, 1536Mi/1Gi + 1 more...");
    assert_eq!(targets(30, &it), "cpu: 5%/80%, memory: 1536Mi/1Gi + 1 more...");
    let it = scaler(json!([queue, requests]), json!([{}, {"object": {"current": {"value": "5500"}}}]));
    assert_eq!(targets(30, &it), "<unknown>/30 (avg), 5500/10k");
    assert_eq!(targets(30, &scaler(json!([]), json!([]))), "<none>");
    assert_eq!(
        targets(30, &scaler(json!([{"type": "Odd"}, {"type": "Resource"}]), json!([]))),
        "<unknown type>, : <unknown>/<auto>"
    );
}

#[test]
fn bindings_tell_their_parameter() {
    let param =
        |it: Value| cells("ValidatingAdmissionPolicyBinding", 30, &json!({"spec": {"paramRef": it}}))[2].clone();
    assert_eq!(param(Value::Null), "<unset>");
    assert_eq!(param(json!({"name": "n"})), "*/n");
    assert_eq!(param(json!({"name": "n", "namespace": "s"})), "s/n");
    let expression = json!({"key": "k", "operator": "In", "values": ["x", "y"]});
    assert_eq!(
        param(json!({"selector": {"matchLabels": {"b": "1", "a": "2"}, "matchExpressions": [expression]}})),
        "&LabelSelector{MatchLabels:map[string]string{a: 2,b: 1,},MatchExpressions:[]LabelSelectorRequirement{\
         LabelSelectorRequirement{Key:k,Operator:In,Values:[x y],},},}"
    );
}

#[test]
fn states_are_told_in_a_word() {
    let claim = |it: Value| cells("ResourceClaim", 34, &it)[1].clone();
    assert_eq!(claim(json!({})), "pending");
    assert_eq!(claim(json!({"status": {"allocation": {}, "reservedFor": [{}]}})), "allocated,reserved");
    assert_eq!(claim(json!({"metadata": {"deletionTimestamp": "2024-01-01T00:00:00Z"}})), "deleted");
    let condition = json!({"type": "Available", "status": "False", "reason": "MissingEndpoints"});
    let service = json!({"spec": {"service": {"namespace": "n", "name": "s"}}, "status": {"conditions": [condition]}});
    assert_eq!(cells("APIService", 30, &service)[1..3], [json!("n/s"), json!("False (MissingEndpoints)")]);
    assert_eq!(cells("APIService", 30, &json!({}))[1..3], [json!("Local"), json!("Unknown")]);
    let conditions = json!([{"type": "Approved", "status": "True"}, {"type": "Failed", "status": "True"}]);
    let request =
        json!({"spec": {"expirationSeconds": 3600}, "status": {"conditions": conditions, "certificate": "eA=="}});
    assert_eq!(cells("CertificateSigningRequest", 30, &request)[4..], [json!("60m"), json!("Approved,Failed,Issued")]);
    let parent = json!({"group": "", "resource": "services", "namespace": "n", "name": "s"});
    assert_eq!(cells("IPAddress", 33, &json!({"spec": {"parentRef": parent}}))[1], "services/n/s");
    let job = json!({"status": {"conditions": [{"type": "SuccessCriteriaMet", "status": "True"}]}});
    assert_eq!(
        (&cells("Job", 33, &job)[1], &cells("Job", 34, &job)[1]),
        (&json!("Running"), &json!("SuccessCriteriaMet"))
    );
}

#[test]
fn what_has_no_columns_of_its_own_has_the_time_it_was_made() {
    let it = json!({"metadata": {"name": "n", "creationTimestamp": "2024-01-01T00:00:00Z"}});
    assert_eq!(Value::from(row("x", "Y", 30, &it, now()).cells), json!(["n", "2024-01-01T00:00:00Z"]));
    assert_eq!(Value::from(row("x", "Y", 30, &json!(1), now()).cells), json!(["", "0001-01-01T00:00:00Z"]));
}

//! Flow control: its levels of priority, and what requests belong to which.

use super::batch::Batch;
use k8s_types::Status;
use serde_json::{Value, json};

const GROUP: &str = "flowcontrol.apiserver.k8s.io";
/// Who writes the specs.
const PRODUCER: &str = "api-priority-and-fairness-config-producer-v1";
/// Who writes the status.
const CONSUMER: &str = "api-priority-and-fairness-config-consumer-v1";
/// An object with this follows the server's own idea of it.
const AUTOUPDATE: &str = "apf.kubernetes.io/autoupdate-spec";
/// Since this minor levels lend seats, ...
const LENDING: u8 = 26;
/// ... since this one the exempt level tells of its seats, too, ...
const EXEMPT_SEATS: u8 = 28;
/// ... and up to this one endpoints' controllers have a schema of their own.
const LAST_ENDPOINT_CONTROLLER: u8 = 31;

/// A level: its name, shares, the part of them that it lends, and how its queues are; without queues it rejects.
type Level = (&'static str, u32, u32, Option<(u32, u32, u32)>);

const LEVELS: [Level; 7] = [
    ("catch-all", 5, 0, None),
    ("system", 30, 33, Some((64, 6, 50))),
    ("node-high", 40, 25, Some((64, 6, 50))),
    ("leader-election", 10, 0, Some((16, 4, 50))),
    ("workload-high", 40, 50, Some((128, 6, 50))),
    ("workload-low", 100, 90, Some((128, 6, 50))),
    ("global-default", 20, 50, Some((128, 6, 50))),
];

/// Makes them, and brings those up to date that follow the server.
pub(super) async fn ensure(batch: &mut Batch<'_>, minor: u8) -> Result<(), Box<Status>> {
    let catalog = batch.registry.catalog().clone();
    let Some(endpoint) = catalog.any_version(GROUP, "prioritylevelconfigurations") else { return Ok(()) };
    for (name, spec) in levels(&endpoint.resource().version, minor) {
        let object = object(&endpoint.api_version, "PriorityLevelConfiguration", name, spec);
        ensure_one(batch, object, |_| {}).await?;
    }
    let Some(endpoint) = catalog.any_version(GROUP, "flowschemas") else { return Ok(()) };
    let time = k8s_types::age::format(batch.now);
    for schema in schemas(minor) {
        let object = object(&endpoint.api_version, "FlowSchema", schema.name, schema.spec());
        ensure_one(batch, object, |made| found(made, &endpoint.api_version, schema.level, &time)).await?;
    }
    Ok(())
}

fn object(api_version: &str, kind: &str, name: &str, spec: Value) -> Value {
    let metadata = json!({"name": name, "annotations": {AUTOUPDATE: "true"}});
    json!({"kind": kind, "apiVersion": api_version, "metadata": metadata, "spec": spec})
}

async fn ensure_one(batch: &mut Batch<'_>, wanted: Value, finish: impl FnOnce(&mut Value)) -> Result<(), Box<Status>> {
    let Some(mut live) = batch.live(&wanted)? else { return batch.make_with(wanted, PRODUCER, finish).await };
    let follows = live.pointer("/metadata/annotations").and_then(|it| it.get(AUTOUPDATE));
    if follows.is_none_or(|it| it != "true") || covers(&live["spec"], &wanted["spec"]) {
        return Ok(());
    }
    live["spec"] = wanted["spec"].clone();
    batch.replace(live, PRODUCER).await
}

/// Whether an object is as it is wanted, where the wish says anything; the rest is defaults.
fn covers(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => {
            wanted.iter().all(|(name, it)| live.get(name).is_some_and(|live| covers(live, it)))
        }
        (Value::Array(live), Value::Array(wanted)) => {
            live.len() == wanted.len() && live.iter().zip(wanted).all(|(live, it)| covers(live, it))
        }
        _ => live == wanted,
    }
}

/// The names and specs of the levels.
fn levels(version: &str, minor: u8) -> Vec<(&'static str, Value)> {
    let mut exempt = json!({"type": "Exempt"});
    if minor >= EXEMPT_SEATS {
        exempt["exempt"] = json!({"nominalConcurrencyShares": 0, "lendablePercent": 0});
    }
    let shares_field = match version {
        "v1beta1" | "v1beta2" => "assuredConcurrencyShares",
        _ => "nominalConcurrencyShares",
    };
    let limited = |(name, shares, lendable, queues): Level| {
        let response = match queues {
            None => json!({"type": "Reject"}),
            Some((queues, hand, length)) => json!({
                "type": "Queue",
                "queuing": {"queues": queues, "handSize": hand, "queueLengthLimit": length},
            }),
        };
        let mut limited = json!({shares_field: shares, "limitResponse": response});
        if minor >= LENDING {
            limited["lendablePercent"] = json!(lendable);
        }
        (name, json!({"type": "Limited", "limited": limited}))
    };
    std::iter::once(("exempt", exempt)).chain(LEVELS.map(limited)).collect()
}

/// Which requests belong to a level.
struct Schema {
    name: &'static str,
    level: &'static str,
    precedence: u32,
    /// What tells flows apart.
    flows: Option<&'static str>,
    subjects: Vec<Value>,
    /// What resources; all when empty and there are no paths.
    resources: Vec<Value>,
    paths: Vec<Value>,
}

impl Schema {
    fn spec(&self) -> Value {
        let mut rule = json!({"subjects": self.subjects});
        if self.resources.is_empty() && self.paths.is_empty() {
            rule["resourceRules"] = json!([resources(&["*"], "*", &["*"], true)]);
            rule["nonResourceRules"] = json!([{"verbs": ["*"], "nonResourceURLs": ["*"]}]);
        }
        if !self.resources.is_empty() {
            rule["resourceRules"] = json!(self.resources);
        }
        if !self.paths.is_empty() {
            rule["nonResourceRules"] = json!([{"verbs": ["get"], "nonResourceURLs": self.paths}]);
        }
        let mut spec = json!({
            "priorityLevelConfiguration": {"name": self.level},
            "matchingPrecedence": self.precedence,
            "rules": [rule],
        });
        if let Some(flows) = self.flows {
            spec["distinguisherMethod"] = json!({"type": flows});
        }
        spec
    }
}

fn resources(verbs: &[&str], group: &str, resources: &[&str], cluster: bool) -> Value {
    let mut rule = json!({"verbs": verbs, "apiGroups": [group], "resources": resources});
    if cluster {
        rule["clusterScope"] = json!(true);
    }
    rule["namespaces"] = json!(["*"]);
    rule
}

fn group(name: &str) -> Value {
    json!({"kind": "Group", "group": {"name": name}})
}

fn user(name: &str) -> Value {
    json!({"kind": "User", "user": {"name": name}})
}

fn account(name: &str) -> Value {
    json!({"kind": "ServiceAccount", "serviceAccount": {"namespace": "kube-system", "name": name}})
}

fn schemas(minor: u8) -> Vec<Schema> {
    let everybody = || vec![group("system:unauthenticated"), group("system:authenticated")];
    let manager = || user("system:kube-controller-manager");
    let schema = |name, level, precedence, flows, subjects| Schema {
        name,
        level,
        precedence,
        flows,
        subjects,
        resources: Vec::new(),
        paths: Vec::new(),
    };
    let (by_user, by_namespace) = (Some("ByUser"), Some("ByNamespace"));
    let writes = ["get", "create", "update"];
    let leases = || vec![resources(&writes, "coordination.k8s.io", &["leases"], false)];
    let all = vec![
        schema("exempt", "exempt", 1, None, vec![group("system:masters")]),
        Schema {
            paths: vec![json!("/healthz"), json!("/readyz"), json!("/livez")],
            ..schema("probes", "exempt", 2, None, everybody())
        },
        Schema {
            resources: leases(),
            ..schema(
                "system-leader-election",
                "leader-election",
                100,
                by_user,
                vec![manager(), user("system:kube-scheduler"), account("*")],
            )
        },
        Schema {
            resources: vec![resources(&writes, "", &["endpoints"], false)],
            ..schema(
                "endpoint-controller",
                "workload-high",
                150,
                by_user,
                vec![manager(), account("endpoint-controller"), account("endpointslicemirroring-controller")],
            )
        },
        Schema {
            resources: leases(),
            ..schema("workload-leader-election", "leader-election", 200, by_user, vec![account("*")])
        },
        Schema {
            resources: vec![
                resources(&["*"], "", &["nodes", "nodes/status"], true),
                resources(&["*"], "coordination.k8s.io", &["leases"], false),
            ],
            ..schema("system-node-high", "node-high", 400, by_user, vec![group("system:nodes")])
        },
        schema("system-nodes", "system", 500, by_user, vec![group("system:nodes")]),
        schema("kube-controller-manager", "workload-high", 800, by_namespace, vec![manager()]),
        schema("kube-scheduler", "workload-high", 800, by_namespace, vec![user("system:kube-scheduler")]),
        schema("kube-system-service-accounts", "workload-high", 900, by_namespace, vec![account("*")]),
        schema("service-accounts", "workload-low", 9000, by_user, vec![group("system:serviceaccounts")]),
        schema("global-default", "global-default", 9900, by_user, everybody()),
        schema("catch-all", "catch-all", 10_000, by_user, everybody()),
    ];
    let here = |it: &Schema| it.name != "endpoint-controller" || minor <= LAST_ENDPOINT_CONTROLLER;
    all.into_iter().filter(here).collect()
}

/// Adds that the schema's level was found, and who says so.
fn found(made: &mut Value, api_version: &str, level: &str, time: &str) {
    let message = format!(
        "This FlowSchema references the PriorityLevelConfiguration object named {} and it exists",
        k8s_types::status::quote(level)
    );
    made["status"] = json!({"conditions": [
        {"type": "Dangling", "status": "False", "lastTransitionTime": time, "reason": "Found", "message": message},
    ]});
    let condition = json!({".": {}, "f:lastTransitionTime": {}, "f:message": {}, "f:reason": {}, "f:status": {},
        "f:type": {}});
    let owned = json!({
        "manager": CONSUMER,
        "operation": "Apply",
        "apiVersion": api_version,
        "time": time,
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:status": {"f:conditions": {"k:{\"type\":\"Dangling\"}": condition}}},
        "subresource": "status",
    });
    if let Some(fields) = made.pointer_mut("/metadata/managedFields").and_then(Value::as_array_mut) {
        // Applies stand first.
        fields.insert(0, owned);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::at;

    #[test]
    fn a_wish_covers_what_it_says() {
        let live = json!({"a": [{"b": 1, "default": 2}]});
        assert!(covers(&live, &json!({"a": [{"b": 1}]})));
        assert!(!covers(&live, &json!({"a": [{"b": 2}]})) && !covers(&live, &json!({"a": []})));
        assert!(!covers(&live, &json!({"c": 1})));
    }

    /// Schemas that API servers were seen to make are made alike.
    #[test]
    fn schemas_are_those_of_the_records() {
        let recorded = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/fresh-apiserver.jsonl"));
        let scenario = |name: &str| -> Vec<Value> {
            let line = recorded.lines().find(|it| it.contains(&format!("\"fresh/{name}\""))).unwrap();
            let scenario: Value = serde_json::from_str(line).unwrap();
            scenario["steps"][0]["response"]["items"].as_array().unwrap().clone()
        };
        let schemas = schemas(24);
        for item in scenario("flowschemas") {
            let name = at(&item, "/metadata/name");
            let made = schemas.iter().find(|it| it.name == name).unwrap();
            // Leader election has moved to leases since.
            if !name.contains("leader-election") {
                assert_eq!(made.spec(), item["spec"], "{name}");
            }
            let mut shown = json!({"metadata": {"name": name, "managedFields": []}});
            found(&mut shown, "", made.level, "<time>");
            assert_eq!(shown["status"], item["status"], "{name}");
        }
        let levels = levels("v1beta1", 24);
        for item in scenario("prioritylevelconfigurations") {
            let name = at(&item, "/metadata/name");
            let (_, spec) = levels.iter().find(|(it, _)| *it == name).unwrap();
            assert_eq!(*spec, item["spec"], "{name}");
        }
    }
}

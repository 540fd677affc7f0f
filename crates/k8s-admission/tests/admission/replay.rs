//! Replays recorded scenarios. What newer servers answer instead is in [`translate`].

use crate::cluster::{Answer, Cluster, Place, Who, options};
use k8s_registry::admission::{Attempt, Operation};
use k8s_registry::write::Patch;
use k8s_registry::{DeleteOptions, Target};
use serde_json::{Value, json};

const RECORDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/");

/// A certificate request, where the records have none to show: of CN=me, O=dev.
const REQUEST: &str = include_str!("request.txt");

/// A cluster in which scenarios are replayed.
pub struct Replay {
    cluster: Cluster,
    minor: u8,
}

impl Replay {
    pub async fn new(minor: u8) -> Self {
        let cluster = Cluster::new(minor).await;
        Self { cluster, minor }
    }

    /// Replays a scenario. Returns how many steps were compared.
    pub async fn run(&self, name: &str) -> usize {
        let file = if name.starts_with("defaults/") { "kind-defaults" } else { "admission-plugins" };
        let text = std::fs::read_to_string(format!("{RECORDS}{file}.jsonl")).unwrap();
        let scenario = text.lines().map(|it| serde_json::from_str::<Value>(it).unwrap()).find(|it| it["name"] == name);
        let scenario = scenario.unwrap();
        for step in scenario["setup"].as_array().into_iter().flatten() {
            let (method, path) = (step["method"].as_str().unwrap(), step["path"].as_str().unwrap());
            self.ask(method, path, step["body"].clone(), &Who::admin()).await.unwrap().unwrap();
        }
        let mut compared = 0;
        let mut problems = Vec::new();
        for (index, step) in scenario["steps"].as_array().unwrap().iter().enumerate() {
            let mut step = step.clone();
            if !translate(name, index, &mut step, self.minor) {
                continue;
            }
            let request = &step["request"];
            let who = Who::of(&step["as"]);
            let body = self.bound(request["body"].clone(), request["path"].as_str().unwrap());
            let method = request["method"].as_str().unwrap();
            let Some(answer) = self.ask(method, request["path"].as_str().unwrap(), body, &who).await else { continue };
            for problem in compare(&answer, &step["response"]) {
                problems.push(format!("{name} {index}: {method} {}: {problem}", request["path"]));
            }
            compared += 1;
            if file == "kind-defaults" {
                self.clear(request["path"].as_str().unwrap(), &answer.unwrap()).await;
            }
        }
        assert!(problems.is_empty(), "1.{}:\n{}", self.minor, problems.join("\n"));
        compared
    }

    /// Takes an object away, whatever holds it.
    async fn clear(&self, path: &str, object: &Value) {
        let place = Place::parse(path).unwrap();
        let registry = &self.cluster.registry;
        let endpoint = registry.catalog().endpoint(&place.group, &place.version, &place.plural).unwrap().clone();
        let name = object["metadata"]["name"].as_str().unwrap();
        let target = Target { endpoint: &endpoint, subresource: "", namespace: &place.namespace, name };
        let admin = Who::admin();
        let bare = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        registry.patch(target, bare, options(&admin)).await.unwrap();
        let now = DeleteOptions { grace: Some(0), ..DeleteOptions::default() };
        registry.delete(target, &now, options(&admin)).await.unwrap();
    }

    /// Puts the uids of what is there in the place of `<uid>`.
    fn bound(&self, mut body: Value, path: &str) -> Value {
        let registry = &self.cluster.registry;
        let uid = |plural: &str, namespace: &str, name: &str| {
            registry.peek("", plural, namespace, name).map_or(Value::Null, |it| it["metadata"]["uid"].clone())
        };
        for owner in body.pointer_mut("/metadata/ownerReferences").and_then(Value::as_array_mut).into_iter().flatten() {
            owner["uid"] = uid("nodes", "", owner["name"].as_str().unwrap());
        }
        if let Some(bound) = body.pointer_mut("/spec/boundObjectRef").filter(|it| it.get("uid").is_some()) {
            bound["uid"] = uid("pods", &Place::parse(path).unwrap().namespace, bound["name"].as_str().unwrap());
        }
        if body.pointer("/spec/request").is_some_and(|it| it.as_str().unwrap().starts_with('<')) {
            body["spec"]["request"] = Value::from(REQUEST.trim());
        }
        body
    }

    /// Sends a request; `None` for what the registry does not answer by itself.
    async fn ask(&self, method: &str, path: &str, body: Value, who: &Who) -> Option<Answer> {
        let place = Place::parse(path)?;
        if matches!(place.subresource.as_str(), "eviction" | "token") {
            return self.review(&place, body, who);
        }
        self.cluster.ask(method, path, body, who).await
    }

    /// Asks the plugins of a review: the registry does not see those.
    fn review(&self, place: &Place, mut body: Value, who: &Who) -> Option<Answer> {
        let registry = &self.cluster.registry;
        let endpoint = registry.catalog().endpoint(&place.group, &place.version, &place.plural)?;
        let attempt = Attempt {
            registry,
            endpoint,
            subresource: &place.subresource,
            operation: Operation::Create,
            namespace: &place.namespace,
            name: &place.name,
            dry_run: place.dry_run,
            asker: who.asker(),
            now: jiff::Timestamp::now(),
        };
        let plugins = self.cluster.plugins();
        let refused = plugins.iter().find_map(|it| it.change(&attempt, &mut body, None).err());
        // What a review answers is made elsewhere.
        Some(refused.map_or(Ok(Value::Null), Err))
    }
}

/// Makes of a recorded step what a newer server does; `false` for a step that is not about plugins.
fn translate(scenario: &str, index: usize, step: &mut Value, minor: u8) -> bool {
    let message = step["response"]["body"]["message"].as_str().unwrap_or_default().to_owned();
    // Authorization and requests that never come to the registry.
    if message.contains(" in API group ") || message.contains("relationship") || step["response"]["status"] == 405 {
        return false;
    }
    match (scenario, index) {
        // An object from before the quota's status was there is not counted; here it would be. And what a controller
        // writes into the status later was written by admission.
        ("admission/resourcequota", 1 | 7 | 26) => return false,
        // The text names the containers since.
        ("admission/resourcequota", 5) => {
            let text = message.replace("limits.memory,requests.cpu", "limits.memory for: c; requests.cpu for: c");
            step["response"]["body"]["message"] = Value::from(text);
        }
        // Of several defaults the newest is taken since 1.26. Both are of the same second here.
        ("admission/storage", 6) | ("admission/ingressclass-runtimeclass", 5) if minor >= 26 => {
            step["response"] = json!({"status": 201, "body": null});
        }
        // A claim may go back to what it really has, where a volume that does not grow can be recovered from.
        ("admission/storage", 14) if minor >= 32 => {
            let text = message.replace("previous value", "status.capacity");
            step["response"]["body"]["message"] = Value::from(text);
        }
        // Since 1.33, tokens are only for those that the pod's volumes name.
        ("admission/noderestriction-and-node-authorizer", 39) if minor >= 33 => {
            let why = "serviceaccounts \"default\" is forbidden: audience \"a\" not found in pod spec volume, \
                       system:node:n1 is not authorized to request tokens for this audience";
            let details = json!({"name": "default", "kind": "serviceaccounts"});
            let body = json!({"kind": "Status", "message": why, "reason": "Forbidden", "details": details});
            step["response"] = json!({"status": 403, "body": body});
        }
        // What may be changed in a pod is told in other words in every release.
        ("admission/priority", 13) => return false,
        // How a namespace's last finalizer goes is no plugin's matter.
        ("admission/namespacelifecycle", 16 | 17) => return false,
        _ => {}
    }
    true
}

/// What differs.
fn compare(answer: &Answer, want: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut expect = |what: &str, is: Value, wanted: Value| {
        if is != wanted {
            wrong.push(format!("{what} is {is}, want {wanted}"));
        }
    };
    let body = &want["body"];
    match answer {
        Err(status) => {
            expect("status", Value::from(status.code), want["status"].clone());
            expect("message", Value::from(status.message.as_str()), body["message"].clone());
            expect("reason", Value::from(status.reason.as_str()), body["reason"].clone());
            let details = serde_json::to_value(&status.details).unwrap();
            for field in ["name", "group", "kind"] {
                expect(field, details[field].clone(), body["details"][field].clone());
            }
        }
        Ok(object) => {
            let done = want["status"].as_u64().unwrap() < 300;
            expect("success", Value::from(true), Value::from(done));
            if !done || body["kind"] != object["kind"] || body["kind"] == "Status" {
                return wrong;
            }
            for field in ["annotations", "labels", "finalizers"] {
                // Namespaces are labelled with their names since 1.21.
                if field != "labels" || body["kind"] != "Namespace" {
                    expect(field, object["metadata"][field].clone(), body["metadata"][field].clone());
                }
            }
            for field in ["spec", "value", "preemptionPolicy"] {
                expect(field, masked(&object[field]), masked(&body[field]));
            }
        }
    }
    wrong
}

/// Takes what differs from run to run, and what newer servers add.
fn masked(value: &Value) -> Value {
    match value {
        Value::String(text) if text.starts_with("kube-api-access-") => Value::from("kube-api-access-<rand>"),
        Value::Array(items) => items.iter().map(masked).collect(),
        Value::Object(fields) => {
            let own =
                ["clusterIP", "clusterIPs", "nodePort", "internalTrafficPolicy", "healthCheckNodePort", "request"];
            let fields = fields.iter().filter(|(key, _)| !own.contains(&key.as_str()));
            // Since 1.34 what is made of a template does not say when the template was.
            let fields = fields.filter(|(key, value)| *key != "creationTimestamp" || !value.is_null());
            Value::Object(fields.map(|(key, value)| (key.clone(), masked(value))).collect())
        }
        other => other.clone(),
    }
}

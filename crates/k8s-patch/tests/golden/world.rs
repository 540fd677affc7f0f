//! The objects of one scenario, and one step in it.

use crate::crd::Crd;
use k8s_patch::fields::Set;
use k8s_patch::json::JsonPatch;
use k8s_patch::managed::{Manager, SameFields, zero_object};
use k8s_patch::typed::Schema;
use k8s_patch::{merge, strategic};
use k8s_types::Status;
use k8s_types::release::Release;
use k8s_types::schema::{Shape, Types};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// As the records write times: those of one scenario are as good as equal.
const NOW: &str = "<time>";

/// What came of comparing a step.
pub enum Outcome {
    /// There is nothing in it that this crate makes.
    Nothing,
    /// So many things were compared and are the same.
    Same(usize),
    /// They are not.
    Wrong(String),
}

pub struct World {
    objects: BTreeMap<String, Value>,
    crd: Option<Crd>,
    /// Recorded by 1.20, which kept no subresources and no reset fields.
    old: bool,
}

/// Where a request goes.
struct Target {
    /// The path of the object, without query and subresource.
    object: String,
    api_version: String,
    subresource: String,
    manager: String,
    force: bool,
    dry_run: bool,
}

fn release() -> &'static Release {
    static RELEASE: OnceLock<Release> = OnceLock::new();
    RELEASE.get_or_init(|| Release::load(24).unwrap())
}

/// The types of the oldest release as 1.20 had them: of structs and maps only label selectors were atomic, and no
/// Service port had a default protocol.
fn types() -> &'static Types {
    static TYPES: OnceLock<Types> = OnceLock::new();
    TYPES.get_or_init(|| {
        let mut types = Types::default();
        for (_, of_release) in release().types().iter() {
            let mut it = of_release.clone();
            let is_port = &*it.name == "io.k8s.api.core.v1.ServicePort";
            for field in &mut it.fields {
                if let Shape::Struct { id, atomic } = &mut field.shape {
                    let name = release().types().get(*id).map(|it| &*it.name).unwrap_or_default();
                    *atomic &= name.ends_with(".LabelSelector");
                } else {
                    granular(&mut field.shape);
                }
                if is_port {
                    field.default = None;
                }
            }
            types.add(it);
        }
        types
    })
}

fn granular(shape: &mut Shape) {
    match shape {
        Shape::Struct { atomic, .. } => *atomic = false,
        Shape::Map { atomic, value } => {
            *atomic = false;
            granular(value);
        }
        Shape::List { item, .. } => granular(item),
        _ => {}
    }
}

impl Target {
    fn new(path: &str, headers: &Value) -> Option<Self> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let steps: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (api_version, rest) = match steps.as_slice() {
            ["api", version, rest @ ..] => ((*version).to_owned(), rest),
            ["apis", group, version, rest @ ..] => (format!("{group}/{version}"), rest),
            _ => return None,
        };
        let (prefix, name, subresource) = match rest {
            ["namespaces", namespace, plural, rest @ ..] => {
                (format!("{namespace}/{plural}"), rest.first().copied(), rest.get(1).copied())
            }
            [plural, rest @ ..] => ((*plural).to_owned(), rest.first().copied(), rest.get(1).copied()),
            [] => return None,
        };
        let of = |name: &str| {
            let pairs = query.split('&').filter_map(|it| it.split_once('='));
            pairs.filter(|it| it.0 == name).map(|it| it.1.replace("%20", " ")).next()
        };
        let sent = headers.get("User-Agent").or(headers.get("user-agent"));
        let agent = sent.map_or("golden/1.0", |it| it.as_str().unwrap_or_default());
        let manager = of("fieldManager").filter(|it| !it.is_empty());
        Some(Self {
            object: name.map_or(prefix.clone(), |name| format!("{prefix}/{name}")),
            api_version,
            subresource: subresource.unwrap_or_default().to_owned(),
            manager: manager.unwrap_or_else(|| k8s_patch::managed::name_from_user_agent(agent)),
            force: of("force").as_deref() == Some("true"),
            dry_run: of("dryRun").is_some(),
        })
    }
}

impl World {
    pub fn new(oracle: &str) -> Self {
        Self { objects: BTreeMap::new(), crd: None, old: oracle.starts_with("1.20") }
    }

    pub fn step(&mut self, step: &Value) -> Outcome {
        let (request, response) = (&step["request"], &step["response"]);
        let (Some(method), Some(path)) = (request["method"].as_str(), request["path"].as_str()) else {
            return Outcome::Nothing;
        };
        let body = request.get("body").cloned().unwrap_or_default();
        if path.contains("/customresourcedefinitions") {
            if method == "POST" {
                self.crd = Some(Crd::new(&body));
            }
            return Outcome::Nothing;
        }
        let Some(mut target) = Target::new(path, &request["headers"]) else { return Outcome::Nothing };
        let answer = &response["body"];
        let status = response["status"].as_u64().unwrap_or_default();
        if method == "POST" {
            let name = answer["metadata"]["name"].as_str().unwrap_or_default();
            target.object = format!("{}/{name}", target.object);
        }
        let live = self.objects.get(&target.object).cloned();
        if response["bodyOmitted"] == true {
            return self.unrecorded(&target, live, &body);
        }
        let content = request["headers"]["content-type"].as_str().unwrap_or_default();
        let outcome = match method {
            "POST" if status == 201 => self.write(&target, None, &body, answer),
            "PUT" if status < 300 => self.write(&target, live.as_ref(), &body, answer),
            "PATCH" if content.contains("apply-patch") => self.apply(&target, live.as_ref(), &body, status, answer),
            "PATCH" => match live.as_ref() {
                Some(live) => self.patch(&target, live, content, &body, status, answer),
                None => Outcome::Nothing,
            },
            _ => Outcome::Nothing,
        };
        if target.dry_run {
            return outcome;
        }
        let whole = matches!(target.subresource.as_str(), "" | "status") && answer["items"].is_null();
        if method == "DELETE" && status < 300 {
            self.objects.remove(&target.object);
        } else if status < 300 && answer["metadata"]["name"].is_string() && whole {
            self.objects.insert(target.object, answer.clone());
        }
        outcome
    }

    /// A merge patch whose answer was left out of the record: what comes of it goes on.
    fn unrecorded(&mut self, target: &Target, live: Option<Value>, body: &Value) -> Outcome {
        if let (Some(live), true) = (live, body.is_object()) {
            let mut new = live.clone();
            merge::apply(&mut new, body.clone());
            let kind = live["kind"].as_str().unwrap_or_default().to_owned();
            self.with_manager(target, &kind, |it| it.update(Some(&live), &mut new, &target.manager, NOW));
            self.objects.insert(target.object.clone(), new);
        }
        Outcome::Nothing
    }

    fn schemas(&self, target: &Target, kind: &str) -> Option<Vec<(String, Schema<'_>)>> {
        if let Some(crd) = &self.crd {
            return Some(crd.schemas().into_iter().map(|(version, it)| (version.to_owned(), it)).collect());
        }
        let (group, version) = target.api_version.split_once('/').unwrap_or(("", &target.api_version));
        let root = release().kind(group, version, kind)?;
        Some(vec![(target.api_version.clone(), Schema { types: types(), root })])
    }

    fn with_manager<R>(&self, target: &Target, kind: &str, act: impl FnOnce(&Manager<'_>) -> R) -> Option<R> {
        let schemas = self.schemas(target, kind)?;
        let versions: Vec<(&str, Schema<'_>)> = schemas.iter().map(|(version, it)| (version.as_str(), *it)).collect();
        let schema = versions.iter().find(|it| it.0 == target.api_version)?.1;
        let reset = self.reset(target);
        let zero = zero_object(&schema);
        let versions = SameFields { versions: &versions };
        let subresource = if self.old { "" } else { &target.subresource };
        let (api_version, reset, zero, versions) = (&*target.api_version, &reset, &zero, &versions);
        Some(act(&Manager { schema, api_version, kind, subresource, zero, reset, versions }))
    }

    fn reset(&self, target: &Target) -> Set {
        match (&self.crd, target.subresource.as_str()) {
            (Some(crd), "") if crd.has_status => Set::of_names([["status"]]),
            (Some(_), "status") => Set::of_names([["metadata"], ["spec"]]),
            _ => Set::new(),
        }
    }

    /// A create or an update: who owns what of the answer.
    fn write(&self, target: &Target, live: Option<&Value>, body: &Value, answer: &Value) -> Outcome {
        if !matches!(target.subresource.as_str(), "" | "status") {
            return Outcome::Nothing;
        }
        let mut new = answer.clone();
        let Some(metadata) = new["metadata"].as_object_mut() else { return Outcome::Nothing };
        metadata.remove("managedFields");
        if let Some(sent) = body.get("metadata").and_then(|it| it.get("managedFields")) {
            metadata.insert("managedFields".to_owned(), sent.clone());
        }
        let kind = answer["kind"].as_str().unwrap_or_default();
        let done = self.with_manager(target, kind, |it| it.update(live, &mut new, &target.manager, NOW));
        if done.is_none() { Outcome::Nothing } else { same_owners(&new, answer) }
    }

    /// What of an object is compared: what the endpoint lets be written, without what the server writes.
    fn pick(&self, object: &Value, target: &Target) -> Value {
        let mut picked = object.clone();
        if let Value::Object(map) = &mut picked {
            let has_status = self.crd.as_ref().is_none_or(|it| it.has_status);
            map.retain(|name, _| match target.subresource.as_str() {
                "status" => name == "status",
                _ => name != "apiVersion" && !(has_status && name == "status"),
            });
            if let Some(Value::Object(metadata)) = map.get_mut("metadata") {
                let system = ["managedFields", "resourceVersion", "generation", "uid", "creationTimestamp"];
                let more = ["selfLink", "namespace"];
                metadata.retain(|name, _| !system.contains(&name.as_str()) && !more.contains(&name.as_str()));
            }
        }
        picked
    }

    fn patch(
        &self,
        target: &Target,
        live: &Value,
        content: &str,
        body: &Value,
        status: u64,
        answer: &Value,
    ) -> Outcome {
        if !matches!(target.subresource.as_str(), "" | "status") {
            return Outcome::Nothing;
        }
        let kind = live["kind"].as_str().unwrap_or_default();
        let mut patched = live.clone();
        let raw = body.as_str().map_or_else(|| body.to_string().into_bytes(), |it| it.as_bytes().to_vec());
        let result: Result<(), Status> = if content.contains("json-patch") {
            JsonPatch::parse(&raw).and_then(|it| it.apply(&mut patched)).map_err(|error| error.status())
        } else if content.contains("strategic") {
            let Some(schemas) = self.schemas(target, kind) else { return Outcome::Nothing };
            let applied = strategic::parse(&raw).and_then(|it| strategic::apply(&mut patched, it, &schemas[0].1));
            applied.map_err(|error| error.status())
        } else {
            let parsed = merge::parse(&raw).map(|it| merge::apply(&mut patched, it));
            parsed.map_err(|error| Status::bad_request(error.to_string()))
        };
        match result {
            Err(error) if status >= 400 => same_status(&error, answer),
            Err(error) => Outcome::Wrong(format!("refused ({}), recorded {status}", error.message)),
            Ok(()) if status >= 400 => must_have_failed(answer),
            Ok(()) => {
                let mut wrong = Vec::new();
                if let Some(crd) = &self.crd {
                    crd.default(&target.api_version, &mut patched);
                }
                covers(&self.pick(&patched, target), &self.pick(answer, target), self.crd.is_some(), "", &mut wrong);
                if !wrong.is_empty() {
                    return Outcome::Wrong(wrong.join("; "));
                }
                let sent = json!({"metadata": {"managedFields": patched["metadata"]["managedFields"]}});
                match self.write(target, Some(live), &sent, answer) {
                    Outcome::Same(parts) => Outcome::Same(parts + 1),
                    other => other,
                }
            }
        }
    }

    fn apply(&self, target: &Target, live: Option<&Value>, body: &Value, status: u64, answer: &Value) -> Outcome {
        if !matches!(target.subresource.as_str(), "" | "status") || !body.is_object() {
            return Outcome::Nothing;
        }
        let kind = match &self.crd {
            Some(crd) => &*crd.kind,
            None => live.unwrap_or(body)["kind"].as_str().unwrap_or_default(),
        };
        let result = self.with_manager(target, kind, |it| it.apply(live, body, &target.manager, target.force, NOW));
        match result {
            None => Outcome::Nothing,
            Some(Err(error)) if status >= 400 => same_status(&error.status(), answer),
            Some(Err(error)) => Outcome::Wrong(format!("refused ({error}), recorded {status}")),
            Some(Ok(_)) if status >= 400 => must_have_failed(answer),
            Some(Ok(mut object)) => {
                if let Some(crd) = &self.crd {
                    crd.default(&target.api_version, &mut object);
                }
                let mut wrong = Vec::new();
                covers(&self.pick(&object, target), &self.pick(answer, target), self.crd.is_some(), "", &mut wrong);
                if !wrong.is_empty() {
                    return Outcome::Wrong(wrong.join("; "));
                }
                match same_owners(&object, answer) {
                    Outcome::Same(parts) => Outcome::Same(parts + 1),
                    other => other,
                }
            }
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(it) => !it,
        Value::String(it) => it.is_empty(),
        Value::Number(it) => it.as_f64() == Some(0.0),
        Value::Array(it) => it.is_empty(),
        Value::Object(it) => it.values().all(is_empty),
    }
}

/// Whether `answer` has all of `made`; where not `exact` it may have more: defaults.
fn covers(made: &Value, answer: &Value, exact: bool, path: &str, wrong: &mut Vec<String>) {
    match (made, answer) {
        (Value::Object(a), Value::Object(b)) => {
            for (name, value) in a {
                match b.get(name) {
                    Some(other) => covers(value, other, exact, &format!("{path}.{name}"), wrong),
                    None if !exact && is_empty(value) => {}
                    None => wrong.push(format!("{path}.{name} is {value}, recorded nothing")),
                }
            }
            for name in b.keys().filter(|it| exact && !a.contains_key(*it)) {
                wrong.push(format!("{path}.{name} is not there, recorded {}", b[name]));
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (at, (a, b)) in a.iter().zip(b).enumerate() {
                covers(a, b, exact, &format!("{path}[{at}]"), wrong);
            }
        }
        _ if made == answer || (!exact && is_empty(made)) => {}
        _ => wrong.push(format!("{path} is {made}, recorded {answer}")),
    }
}

fn owners(object: &Value) -> BTreeMap<String, Value> {
    let list = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    let key =
        |it: &Value| ["manager", "operation", "apiVersion", "subresource"].map(|name| it[name].to_string()).join(" ");
    list.iter().map(|it| (key(it), it["fieldsV1"].clone())).collect()
}

fn same_owners(made: &Value, answer: &Value) -> Outcome {
    let (made, answer) = (owners(made), owners(answer));
    if made == answer {
        return Outcome::Same(1);
    }
    let mut text = String::new();
    let empty = Value::Object(Map::new());
    for name in made.keys().chain(answer.keys().filter(|it| !made.contains_key(*it))) {
        let set = |of: &BTreeMap<String, Value>| Set::from_json(of.get(name).unwrap_or(&empty)).unwrap();
        let (a, b) = (set(&made), set(&answer));
        if made.get(name) != answer.get(name) {
            text += &format!(
                "\n  {name} (here {}, recorded {}): too much {:?}, too little {:?}",
                made.contains_key(name),
                answer.contains_key(name),
                a.difference(&b).paths(),
                b.difference(&a).paths()
            );
        }
    }
    Outcome::Wrong(format!("owners differ{text}"))
}

fn same_status(made: &Status, answer: &Value) -> Outcome {
    let message = answer["message"].as_str().unwrap_or_default();
    // Texts as the later releases write them: with the object's name, and where the decoder stands.
    let named = |text: &str| match (text.split_once(" ("), text.split_once("): ")) {
        (Some((before, _)), Some((_, after))) if before.starts_with("failed to create typed") => {
            format!("{before}: {after}")
        }
        _ => text.to_owned(),
    };
    let same_text = made.message == message
        || named(&made.message) == message
        // What a JSON reader says is nothing that clients read.
        || (made.code == 400 && ["JSON", "json: ", "error decoding"].iter().any(|it| made.message.contains(it)));
    let causes = |of: &Value| {
        let list = of["details"]["causes"].as_array().cloned().unwrap_or_default();
        let mut list: Vec<String> = list.iter().map(ToString::to_string).collect();
        list.sort();
        list
    };
    let same_causes = causes(&made.to_value()) == causes(answer);
    if same_text && same_causes {
        Outcome::Same(1)
    } else {
        Outcome::Wrong(format!("error {} {:?}, recorded {:?}", made.code, made.message, message))
    }
}

/// An error that this crate does not make is the server's.
fn must_have_failed(answer: &Value) -> Outcome {
    let message = answer["message"].as_str().unwrap_or_default();
    let ours = [
        "the server rejected our request",
        "Apply failed",
        "failed to create typed",
        "metadata.managedFields must",
        "does not contain declared",
        "The order in patch list",
        "list element types",
        "invalid patch format",
        "invalid object type",
        "invalid operation",
        "error decoding patch",
    ];
    if ours.iter().any(|it| message.contains(it)) {
        Outcome::Wrong(format!("accepted, recorded {message:?}"))
    } else {
        Outcome::Nothing
    }
}

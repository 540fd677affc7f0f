//! The recorded scenarios, read from both formats into one.

use super::translate::SUCCESSOR_VERSIONS;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// One line of a file: steps that build on each other and on nothing else.
#[derive(Debug, Clone, Deserialize)]
pub struct Scenario {
    /// What it is called in its file.
    pub name: String,
    /// Namespaces that must be there before.
    #[serde(default)]
    pub namespaces: Vec<String>,
    /// Requests of which only the status is known, before the steps.
    #[serde(default)]
    setup: Vec<Bare>,
    /// Nothing in the files of controllers, which have a stream instead.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// Whether it was recorded for a version that is gone and is replayed for its successor.
    #[serde(skip)]
    pub successor: bool,
    /// Placeholders of versions, oldest first.
    #[serde(default, rename = "rvOrder")]
    pub order: Vec<String>,
}

/// A setup request of the second format.
#[derive(Debug, Clone, Deserialize)]
struct Bare {
    method: String,
    path: String,
    body: Option<Value>,
    status: u16,
}

/// A request with what came back, or something to do to the server.
#[derive(Debug, Clone, Deserialize)]
pub struct Step {
    /// What it shows.
    #[serde(alias = "case")]
    note: Option<String>,
    /// Only the status must match.
    #[serde(default)]
    pub setup: bool,
    /// Who asks, in the second format.
    #[serde(default, rename = "as")]
    asker: Option<Asker>,
    /// `compact`.
    pub action: Option<String>,
    /// What is sent.
    #[serde(default)]
    pub request: Request,
    /// What happens while the request, a watch, is open.
    #[serde(default)]
    pub during: Vec<Step>,
    /// What came back.
    #[serde(default)]
    pub response: Response,
    /// Where two recordings differed, as JSON pointers into the response.
    #[serde(default)]
    pub unstable: Vec<String>,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(untagged)]
pub enum Asker {
    /// Nobody.
    Anonymous(String),
    /// A user with groups.
    User {
        /// Its name.
        user: String,
        /// Its groups.
        groups: Vec<String>,
    },
}

impl Asker {
    fn new(user: &str, groups: &[&str]) -> Self {
        Self::User { user: user.to_owned(), groups: groups.iter().map(|it| (*it).to_owned()).collect() }
    }
}

/// What is sent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// The method.
    pub method: String,
    /// The target: percent-encoded, with the query.
    pub path: String,
    /// Headers that differ from the defaults; none: not sent.
    #[serde(default)]
    pub headers: BTreeMap<String, Option<String>>,
    body: Option<Value>,
    body_base64: Option<String>,
    body_template: Option<String>,
    #[serde(default)]
    body_templated: bool,
    user: Option<String>,
    /// Whether to repeat it until the answer is as recorded.
    #[serde(default)]
    pub retry: bool,
}

/// The bytes of a request, before values are put in.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// None.
    Empty,
    /// To be sent as JSON.
    Json(Value),
    /// To be sent as it is.
    Text(String),
}

/// What came back.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    /// The status.
    #[serde(default)]
    pub status: u16,
    /// The headers that were kept.
    #[serde(default)]
    pub headers: Map<String, Value>,
    /// The body: JSON, or text.
    pub body: Option<Value>,
    /// All items of a list, each with its kind.
    pub items: Option<Vec<Value>>,
    /// The frames of a watch.
    pub frames: Option<Vec<Value>>,
    /// How the watch ended: `closed` or still `open`.
    pub end: Option<String>,
}

impl Scenario {
    /// Reads a file's scenarios.
    pub fn read(file: &str) -> Vec<Self> {
        let path = format!("{}/../../tests/golden/{file}.jsonl", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{path}: {error}"));
        // Where the version itself is not the matter.
        let newer = |line: &str| {
            if !["kind-", "table-", "admission-", "fresh-apiserver"].iter().any(|start| file.starts_with(start)) {
                return parse(line);
            }
            let replaced = SUCCESSOR_VERSIONS.iter().fold(line.to_owned(), |line, (old, new)| line.replace(old, new));
            Self { successor: replaced != line, ..parse(&replaced) }
        };
        text.lines().map(newer).collect()
    }

    /// Whether it is of the second format, whose names are paths.
    pub fn is_of_kinds(&self) -> bool {
        self.name.contains('/')
    }

    /// The setup requests of the second format as steps.
    pub fn setup(&self) -> Vec<Step> {
        let step = |bare: &Bare| {
            let patch = (bare.method == "PATCH").then(|| "application/merge-patch+json".to_owned());
            let headers = patch.map(|kind| ("content-type".to_owned(), Some(kind))).into_iter().collect();
            let (method, path, body) = (bare.method.clone(), bare.path.clone(), bare.body.clone());
            Step {
                note: Some("setup".to_owned()),
                setup: true,
                asker: None,
                action: None,
                request: Request { method, path, headers, body, ..Request::default() },
                during: Vec::new(),
                response: Response { status: bare.status, ..Response::default() },
                unstable: Vec::new(),
            }
        };
        self.setup.iter().map(step).collect()
    }
}

impl Step {
    /// How to call it.
    pub fn label(&self, index: usize) -> String {
        match &self.note {
            Some(note) => format!("{index} ({note})"),
            None => index.to_string(),
        }
    }

    /// What it shows, or nothing.
    pub fn note(&self) -> &str {
        self.note.as_deref().unwrap_or_default()
    }

    /// Who asks.
    pub fn asker(&self) -> Asker {
        match (&self.asker, self.request.user.as_deref()) {
            (Some(asker), _) => asker.clone(),
            (None, Some("unprivileged")) => Asker::new("bob", &["devs"]),
            _ => Asker::new("admin", &["system:masters"]),
        }
    }
}

impl Request {
    /// The body with its templates written out.
    pub fn body(&self) -> Body {
        if let Some(template) = &self.body_template {
            return Body::Text(expand(template));
        }
        match &self.body {
            _ if self.body_base64.is_some() => Body::Empty,
            None => Body::Empty,
            Some(Value::String(text)) => Body::Text(text.clone()),
            Some(value) => {
                let mut value = value.clone();
                lengthen(&mut value, self.body_templated);
                Body::Json(value)
            }
        }
    }
}

/// Writes out `{{x*N}}` and the patch of 10,001 operations, which is described in words.
fn expand(template: &str) -> String {
    let Some((head, rest)) = template.split_once("{{") else { return template.to_owned() };
    if let Some((unit, tail)) = rest.split_once("*10001 joined by commas}}") {
        // Three braces in a row: the third is the unit's own.
        return format!("{head}{}{tail}", vec![unit.strip_prefix("{{").unwrap_or(unit); 10_001].join(","));
    }
    let Some((unit, tail)) = rest.split_once("}}") else { return template.to_owned() };
    let (letter, count) = unit.split_once('*').unwrap_or((unit, "1"));
    format!("{head}{}{}", letter.repeat(count.parse().unwrap_or(1)), expand(tail))
}

/// Writes out `{{x*N}}` (where said so) and `<N bytes of a>` in the texts of a value.
fn lengthen(value: &mut Value, templated: bool) {
    match value {
        Value::String(text) if templated && text.contains("{{") => *text = expand(text),
        Value::String(text) => {
            let count = text.strip_prefix('<').and_then(|rest| rest.strip_suffix(" bytes of a>"));
            if let Some(count) = count.and_then(|count| count.parse().ok()) {
                *text = "a".repeat(count);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|it| lengthen(it, templated)),
        Value::Object(map) => map.values_mut().for_each(|it| lengthen(it, templated)),
        _ => {}
    }
}

#[test]
fn templates_are_written_out() {
    assert_eq!(expand(r#"{"a":"{{x*3}}"}"#), r#"{"a":"xxx"}"#);
    let patch = expand(r#"[{{{"op":"add","value":{}}*10001 joined by commas}}]"#);
    let patch: Value = serde_json::from_str(&patch).unwrap();
    assert_eq!(patch.as_array().map(Vec::len), Some(10_001));
    let mut value = serde_json::json!({"a": ["<4 bytes of a>", "{{x*2}}"]});
    lengthen(&mut value, false);
    assert_eq!(value, serde_json::json!({"a": ["aaaa", "{{x*2}}"]}));
}

#[test]
fn every_file_is_read() {
    let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden")).unwrap();
    let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    for name in names.filter_map(|name| name.strip_suffix(".jsonl").map(str::to_owned)) {
        assert!(!Scenario::read(&name).is_empty(), "{name}");
    }
}

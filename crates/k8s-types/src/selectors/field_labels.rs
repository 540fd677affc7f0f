//! Which fields a kind's objects can be selected by, and where those stand in an object.

use super::SelectorError;
use crate::status::quote;
use serde_json::Value;

/// The fields that objects of one kind can be selected by.
#[derive(Debug, Clone)]
pub struct FieldLabels {
    table: &'static [Label],
    /// Labels of the table that this release does not know.
    hidden: &'static [&'static str],
    /// A custom resource's selectable fields, as `spec.color`.
    custom: Vec<Box<str>>,
    namespace: bool,
    refusal: Refusal,
}

/// The sentence about a label that a kind does not have.
#[derive(Debug, Clone)]
enum Refusal {
    MetadataOnly,
    Plain,
    /// With the group, version and kind.
    Kind(Box<str>),
    Job,
}

type Paths = &'static [&'static [&'static str]];

/// A label and where its value stands: at the first of these paths that has one, else it is the text given.
#[derive(Debug)]
pub(super) struct Label {
    name: &'static str,
    /// By what name the API knows it inside, where that is another one.
    alias: &'static str,
    paths: Paths,
    otherwise: &'static str,
}

/// A label's way into objects.
#[derive(Debug, Clone)]
pub(super) enum Place {
    Known(&'static Label),
    Custom(Box<[Box<str>]>),
}

const fn label(name: &'static str, paths: Paths) -> Label {
    Label { name, alias: name, paths, otherwise: "" }
}

const fn label_or(name: &'static str, paths: Paths, otherwise: &'static str) -> Label {
    Label { name, alias: name, paths, otherwise }
}

const fn renamed(name: &'static str, alias: &'static str, paths: Paths) -> Label {
    Label { name, alias, paths, otherwise: "" }
}

static NAME: Label = label("metadata.name", &[&["metadata", "name"]]);
static NAMESPACE: Label = label("metadata.namespace", &[&["metadata", "namespace"]]);

static POD: [Label; 10] = [
    label("spec.nodeName", &[&["spec", "nodeName"]]),
    label("spec.restartPolicy", &[&["spec", "restartPolicy"]]),
    label("spec.schedulerName", &[&["spec", "schedulerName"]]),
    label("spec.serviceAccountName", &[&["spec", "serviceAccountName"]]),
    label_or("spec.hostNetwork", &[&["spec", "hostNetwork"]], "false"),
    label("status.phase", &[&["status", "phase"]]),
    label("status.podIP", &[&["status", "podIP"]]),
    // Accepted, but no Pod has a value for it.
    label("status.podIPs", &[]),
    label("status.nominatedNodeName", &[&["status", "nominatedNodeName"]]),
    renamed("spec.host", "spec.nodeName", &[&["spec", "nodeName"]]),
];
static NODE: [Label; 1] = [label_or("spec.unschedulable", &[&["spec", "unschedulable"]], "false")];
static REPLICATION_CONTROLLER: [Label; 1] = [label_or("status.replicas", &[&["status", "replicas"]], "0")];
static NAMESPACE_PHASE: [Label; 1] = [label("status.phase", &[&["status", "phase"]])];
static SECRET: [Label; 1] = [label("type", &[&["type"]])];
static SERVICE: [Label; 2] =
    [label("spec.clusterIP", &[&["spec", "clusterIP"]]), label("spec.type", &[&["spec", "type"]])];
static JOB: [Label; 1] = [label_or("status.successful", &[&["status", "succeeded"]], "0")];
static SIGNER: [Label; 1] = [label("spec.signerName", &[&["spec", "signerName"]])];
static POD_CERTIFICATE: [Label; 3] = [
    label("spec.signerName", &[&["spec", "signerName"]]),
    label("spec.podName", &[&["spec", "podName"]]),
    label("spec.nodeName", &[&["spec", "nodeName"]]),
];
static RESOURCE_SLICE: [Label; 2] =
    [label("spec.nodeName", &[&["spec", "nodeName"]]), label("spec.driver", &[&["spec", "driver"]])];

// An Event is one object with two faces: what it is about, and who reports it, have a name in either group.
static EVENT: [Label; 11] = [
    label("involvedObject.kind", ABOUT_KIND),
    label("involvedObject.namespace", ABOUT_NAMESPACE),
    label("involvedObject.name", ABOUT_NAME),
    label("involvedObject.uid", ABOUT_UID),
    label("involvedObject.apiVersion", ABOUT_VERSION),
    label("involvedObject.resourceVersion", ABOUT_REVISION),
    label("involvedObject.fieldPath", ABOUT_FIELD),
    label("reason", &[&["reason"]]),
    label("reportingComponent", REPORTER),
    label(
        "source",
        &[
            &["source", "component"],
            &["deprecatedSource", "component"],
            &["reportingComponent"],
            &["reportingController"],
        ],
    ),
    label("type", &[&["type"]]),
];
static EVENTS_EVENT: [Label; 10] = [
    renamed("regarding.kind", "involvedObject.kind", ABOUT_KIND),
    renamed("regarding.namespace", "involvedObject.namespace", ABOUT_NAMESPACE),
    renamed("regarding.name", "involvedObject.name", ABOUT_NAME),
    renamed("regarding.uid", "involvedObject.uid", ABOUT_UID),
    renamed("regarding.apiVersion", "involvedObject.apiVersion", ABOUT_VERSION),
    renamed("regarding.resourceVersion", "involvedObject.resourceVersion", ABOUT_REVISION),
    renamed("regarding.fieldPath", "involvedObject.fieldPath", ABOUT_FIELD),
    label("reason", &[&["reason"]]),
    renamed("reportingController", "reportingComponent", REPORTER),
    label("type", &[&["type"]]),
];
const ABOUT_KIND: Paths = &[&["involvedObject", "kind"], &["regarding", "kind"]];
const ABOUT_NAMESPACE: Paths = &[&["involvedObject", "namespace"], &["regarding", "namespace"]];
const ABOUT_NAME: Paths = &[&["involvedObject", "name"], &["regarding", "name"]];
const ABOUT_UID: Paths = &[&["involvedObject", "uid"], &["regarding", "uid"]];
const ABOUT_VERSION: Paths = &[&["involvedObject", "apiVersion"], &["regarding", "apiVersion"]];
const ABOUT_REVISION: Paths = &[&["involvedObject", "resourceVersion"], &["regarding", "resourceVersion"]];
const ABOUT_FIELD: Paths = &[&["involvedObject", "fieldPath"], &["regarding", "fieldPath"]];
const REPORTER: Paths = &[&["reportingComponent"], &["reportingController"]];

impl FieldLabels {
    /// The labels of a built-in kind as the Kubernetes minor `minor` knows them.
    pub fn of(group: &str, version: &str, kind: &str, minor: u32) -> Self {
        let own = |table, namespace, refusal| Self { table, hidden: &[], custom: Vec::new(), namespace, refusal };
        match (group, kind) {
            ("", "Pod") => {
                let hidden: &[&str] = if minor < 28 { &["spec.hostNetwork"] } else { &[] };
                Self { hidden, ..own(&POD, true, Refusal::Plain) }
            }
            ("", "Node") => own(&NODE, false, Refusal::Plain),
            ("", "ReplicationController") => own(&REPLICATION_CONTROLLER, true, Refusal::Plain),
            ("", "Event") => own(&EVENT, true, Refusal::Plain),
            ("", "Namespace") => own(&NAMESPACE_PHASE, false, Refusal::Plain),
            ("", "Secret") => own(&SECRET, true, Refusal::Plain),
            ("", "Service") if minor >= 31 => own(&SERVICE, true, Refusal::Plain),
            ("events.k8s.io", "Event") => own(&EVENTS_EVENT, true, Refusal::Plain),
            ("batch", "Job") => own(&JOB, true, Refusal::Job),
            ("certificates.k8s.io", "CertificateSigningRequest" | "ClusterTrustBundle") => {
                own(&SIGNER, false, Refusal::Plain)
            }
            ("certificates.k8s.io", "PodCertificateRequest") => own(&POD_CERTIFICATE, false, Refusal::Plain),
            ("resource.k8s.io", "ResourceSlice") => {
                let kind = format!("{group}/{version}, Kind={kind}");
                own(&RESOURCE_SLICE, false, Refusal::Kind(kind.into()))
            }
            _ => own(&[], true, Refusal::MetadataOnly),
        }
    }

    /// The labels of a custom resource: `fields` are its selectable fields, as `spec.color` or `.spec.color`.
    pub fn custom<'a>(fields: impl IntoIterator<Item = &'a str>, namespaced: bool) -> Self {
        let custom = fields.into_iter().map(|it| it.strip_prefix('.').unwrap_or(it).into()).collect();
        Self { table: &[], hidden: &[], custom, namespace: namespaced, refusal: Refusal::Plain }
    }

    /// A label's way into objects, and the name by which the API knows it.
    pub(super) fn resolve(&self, name: &str) -> Result<(Place, &str), SelectorError> {
        if name == NAME.name {
            return Ok((Place::Known(&NAME), NAME.name));
        }
        if name == NAMESPACE.name && self.namespace {
            return Ok((Place::Known(&NAMESPACE), NAMESPACE.name));
        }
        if let Some(it) = self.table.iter().find(|it| it.name == name && !self.hidden.contains(&name)) {
            return Ok((Place::Known(it), it.alias));
        }
        if let Some(it) = self.custom.iter().find(|it| ***it == *name) {
            return Ok((Place::Custom(it.split('.').map(Into::into).collect()), it));
        }
        Err(SelectorError(match &self.refusal {
            Refusal::MetadataOnly => {
                format!("{} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"", quote(name))
            }
            Refusal::Plain => format!("field label not supported: {name}"),
            Refusal::Kind(kind) => format!("field label not supported for {kind}: {name}"),
            Refusal::Job => format!("field label {} not supported for batchv1.Job", quote(name)),
        }))
    }
}

impl Place {
    /// Whether `object` has the text `wanted` here.
    pub(super) fn is(&self, object: &Value, wanted: &str) -> bool {
        match self {
            Self::Known(label) => {
                for path in label.paths {
                    let found = path.iter().try_fold(object, |it, step| it.get(step));
                    if let Some(value) = found.filter(|it| !it.is_null() && it.as_str() != Some("")) {
                        return is_text(value, wanted);
                    }
                }
                wanted == label.otherwise
            }
            Self::Custom(path) => {
                let found = path.iter().try_fold(object, |it, step| it.get(&**step));
                is_text(found.unwrap_or(&Value::Null), wanted)
            }
        }
    }
}

/// Whether `value`, as text, is `wanted`.
fn is_text(value: &Value, wanted: &str) -> bool {
    match value {
        Value::String(text) => text == wanted,
        Value::Bool(it) => wanted == if *it { "true" } else { "false" },
        Value::Number(it) => it.to_string() == wanted,
        Value::Null | Value::Array(_) | Value::Object(_) => wanted.is_empty(),
    }
}

//! The cluster itself: its nodes, namespaces, events, leases and servers.

use super::network::few;
use crate::column::{AGE, Column, Description, NAME, field};
use crate::printer::Layout;
use crate::view::{Context, NONE, UNSET, View, join};
use serde_json::Value;
use std::collections::BTreeSet;

pub(super) static NODE: Layout = Layout::new(
    &[
        NAME,
        Column::text("Status", "Whether the node is ready, and takes pods."),
        Column::text("Roles", "What the node is for, by its labels."),
        AGE,
        Column::new("Version", field!("core.v1.NodeSystemInfo", "kubeletVersion")),
        Column::new("Internal-IP", field!("core.v1.NodeStatus", "addresses")).wide(),
        Column::new("External-IP", field!("core.v1.NodeStatus", "addresses")).wide(),
        Column::new("OS-Image", field!("core.v1.NodeSystemInfo", "osImage")).wide(),
        Column::new("Kernel-Version", field!("core.v1.NodeSystemInfo", "kernelVersion")).wide(),
        Column::new("Container-Runtime", field!("core.v1.NodeSystemInfo", "containerRuntimeVersion")).wide(),
    ],
    node,
);

pub(super) static NAMESPACE: Layout =
    Layout::new(&[NAME, Column::text("Status", "Whether the namespace is there to stay."), AGE], |it, context| {
        vec![it.name(), it.at("status").at("phase").text().into(), it.age(context)]
    });

pub(super) static EVENT: Layout = Layout::new(
    &[
        Column::new("Last Seen", field!("core.v1.Event", "lastTimestamp")),
        Column::new("Type", field!("core.v1.Event", "type")),
        Column::new("Reason", field!("core.v1.Event", "reason")),
        Column::new("Object", field!("core.v1.Event", "involvedObject")),
        Column::new("Subobject", field!("core.v1.ObjectReference", "fieldPath")).wide(),
        Column::new("Source", field!("core.v1.Event", "source")).wide(),
        Column::new("Message", field!("core.v1.Event", "message")),
        Column::new("First Seen", field!("core.v1.Event", "firstTimestamp")).wide(),
        Column::new("Count", field!("core.v1.Event", "count")).wide(),
        NAME.wide(),
    ],
    event,
);

pub(super) static COMPONENT_STATUS: Layout = Layout::new(
    &[
        NAME,
        Column::text("Status", "Whether the component is healthy."),
        Column::text("Message", "What the component says about it."),
        Column::text("Error", "Why the component couldn't be asked."),
    ],
    |it, _| {
        let healthy = it.at("conditions").of_type("Healthy");
        let status = match (healthy.is_set(), healthy.at("status").text()) {
            (false, _) => "Unknown",
            (true, "True") => "Healthy",
            (true, _) => "Unhealthy",
        };
        vec![it.name(), status.into(), healthy.at("message").text().into(), healthy.at("error").text().into()]
    },
);

pub(super) static STATUS: Layout = Layout::new(
    &[
        Column::new("Status", of_status("status")),
        Column::new("Reason", of_status("reason")),
        Column::new("Message", Description::None),
    ],
    |it, _| ["status", "reason", "message"].map(|name| it.at(name).text().into()).to_vec(),
);

pub(super) static LEASE: Layout = Layout::new(
    &[NAME, Column::new("Holder", field!("coordination.v1.LeaseSpec", "holderIdentity")), AGE],
    |it, context| vec![it.name(), it.at("spec").at("holderIdentity").text().into(), it.age(context)],
);

pub(super) static LEASE_CANDIDATE: Layout = Layout::new(
    &[
        NAME,
        Column::new("LeaseName", field!("coordination.v1beta1.LeaseCandidateSpec", "leaseName")),
        Column::new("BinaryVersion", Description::None),
        Column::new("EmulationVersion", Description::None),
        AGE,
    ],
    |it, context| {
        let spec = |name: &str| Value::from(it.at("spec").at(name).text());
        vec![it.name(), spec("leaseName"), spec("binaryVersion"), spec("emulationVersion"), it.age(context)]
    },
);

pub(super) static API_SERVICE: Layout = Layout::new(
    &[
        NAME,
        Column::text("Service", "Which service answers for this part of the API."),
        Column::text("Available", "Whether that service answers."),
        AGE,
    ],
    api_service,
);

pub(super) static STORAGE_VERSION: Layout = Layout::new(
    &[
        NAME,
        Column::new(
            "CommonEncodingVersion",
            field!("apiserverinternal.v1alpha1.StorageVersionStatus", "commonEncodingVersion"),
        ),
        Column::new("StorageVersions", field!("apiserverinternal.v1alpha1.StorageVersionStatus", "storageVersions")),
        AGE,
    ],
    |it, context| {
        let status = it.at("status");
        let versions = status.at("storageVersions").list();
        let text = |it: View<'_>| format!("{}={}", it.at("apiServerID").text(), it.at("encodingVersion").text());
        let common = status.at("commonEncodingVersion").set_or(UNSET).into();
        vec![it.name(), common, few(versions.map(text)), it.age(context)]
    },
);

pub(super) static MIGRATION: Layout =
    Layout::new(&[NAME.format(""), Column::text("Resource", "Which resource is stored anew.")], |it, _| {
        let resource = it.at("spec").at("resource");
        let parts = ["resource", "version", "group"].map(|name| resource.at(name));
        let parts = parts.into_iter().filter(|it| it.is_set()).map(View::text);
        vec![it.name(), join(parts, ".").into()]
    });

/// A field of a Status.
const fn of_status(field: &'static str) -> Description {
    Description::Field { definition: "io.k8s.apimachinery.pkg.apis.meta.v1.Status", field }
}

fn node(it: View<'_>, context: &Context) -> Vec<Value> {
    let (status, info) = (it.at("status"), it.at("status").at("nodeInfo"));
    // of several conditions of one type the last counts
    let ready = status.at("conditions").list().rev().find(|it| it.at("type").text() == "Ready");
    let mut state = match ready.map(|it| it.at("status").text()) {
        None => "Unknown",
        Some("True") => "Ready",
        Some(_) => "NotReady",
    }
    .to_owned();
    if it.at("spec").at("unschedulable").flag() == Some(true) {
        state.push_str(",SchedulingDisabled");
    }
    let address = |kind| Value::from(status.at("addresses").of_type(kind).at("address").set_or(NONE));
    let unless_known = |name| Value::from(info.at(name).text_or("<unknown>"));
    vec![
        it.name(),
        state.into(),
        roles(it.at("metadata").at("labels")),
        it.age(context),
        info.at("kubeletVersion").text().into(),
        address("InternalIP"),
        address("ExternalIP"),
        unless_known("osImage"),
        unless_known("kernelVersion"),
        unless_known("containerRuntimeVersion"),
    ]
}

fn roles(labels: View<'_>) -> Value {
    let roles: BTreeSet<&str> = labels
        .entries()
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
            Some(role) => Some(role),
            None => (key == "kubernetes.io/role").then(|| View::new(value).text()),
        })
        .filter(|it| !it.is_empty())
        .collect();
    if roles.is_empty() { NONE.into() } else { join(roles.into_iter(), ",").into() }
}

/// An event of either API: the older and the newer name of a field mean the same.
fn event(it: View<'_>, context: &Context) -> Vec<Value> {
    let either = |old: &str, new: &str| it.at(old).or(it.at(new));
    let (first, last) =
        (either("firstTimestamp", "deprecatedFirstTimestamp"), either("lastTimestamp", "deprecatedLastTimestamp"));
    let first = if first.time().is_some() { first } else { it.at("eventTime") }.since(context);
    let (mut last, mut count) = (
        if last.time().is_some() { last.since(context) } else { first.clone() },
        either("count", "deprecatedCount").number(),
    );
    let series = it.at("series");
    if series.is_set() {
        (last, count) = (series.at("lastObservedTime").since(context), series.at("count").number());
    } else if count == 0 {
        count = 1;
    }
    let object = either("involvedObject", "regarding");
    let (mut target, name) = (object.at("kind").text().to_lowercase(), object.at("name").text());
    if !name.is_empty() {
        target.push('/');
        target.push_str(name);
    }
    vec![
        last.into(),
        it.at("type").text().into(),
        it.at("reason").text().into(),
        target.into(),
        object.at("fieldPath").text().into(),
        source(it, either("source", "deprecatedSource")).into(),
        either("message", "note").text().trim().into(),
        first.into(),
        count.into(),
        it.name(),
    ]
}

fn source(it: View<'_>, source: View<'_>) -> String {
    let controller = it.at("reportingComponent").or(it.at("reportingController")).text();
    let component = source.at("component").text_or(controller);
    match source.at("host").text_or(it.at("reportingInstance").text()) {
        "" => component.to_owned(),
        host => format!("{component}, {host}"),
    }
}

fn api_service(it: View<'_>, context: &Context) -> Vec<Value> {
    let (service, available) = (it.at("spec").at("service"), it.at("status").at("conditions").of_type("Available"));
    let service = match service.is_set() {
        true => format!("{}/{}", service.at("namespace").text(), service.at("name").text()),
        false => "Local".to_owned(),
    };
    let state = match (available.at("status").text(), available.at("reason").text()) {
        _ if !available.is_set() => "Unknown".to_owned(),
        (status, "") | (status @ "True", _) => status.to_owned(),
        (status, reason) => format!("{status} ({reason})"),
    };
    vec![it.name(), service.into(), state.into(), it.age(context)]
}

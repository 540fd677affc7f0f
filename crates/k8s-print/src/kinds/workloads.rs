//! What keeps pods running.

use crate::column::{AGE, CONTAINERS, Column, IMAGES, NAME, field};
use crate::printer::Layout;
use crate::selector;
use crate::view::{Context, NONE, View, join};
use serde_json::Value;

pub(super) static POD_TEMPLATE: Layout = Layout::new(
    &[NAME, CONTAINERS, IMAGES, Column::text("Pod Labels", "The labels of pods of the template.")],
    |it, _| {
        let (names, images) = containers(it.at("template"));
        vec![it.name(), names, images, selector::labels(it.at("template").at("metadata").at("labels")).into()]
    },
);

pub(super) static REPLICATION_CONTROLLER: Layout = Layout::new(
    &[
        NAME,
        Column::new("Desired", field!("core.v1.ReplicationControllerSpec", "replicas")).integer(),
        Column::new("Current", field!("core.v1.ReplicationControllerStatus", "replicas")).integer(),
        Column::new("Ready", field!("core.v1.ReplicationControllerStatus", "readyReplicas")).integer(),
        AGE,
        CONTAINERS.wide(),
        IMAGES.wide(),
        Column::new("Selector", field!("core.v1.ReplicationControllerSpec", "selector")).wide(),
    ],
    |it, context| replicas(it, context, selector::labels(it.at("spec").at("selector"))),
);

pub(super) static REPLICA_SET: Layout = Layout::new(
    &[
        NAME,
        Column::new("Desired", field!("apps.v1.ReplicaSetSpec", "replicas")).integer(),
        Column::new("Current", field!("apps.v1.ReplicaSetStatus", "replicas")).integer(),
        Column::new("Ready", field!("apps.v1.ReplicaSetStatus", "readyReplicas")).integer(),
        AGE,
        CONTAINERS.wide(),
        IMAGES.wide(),
        Column::new("Selector", field!("apps.v1.ReplicaSetSpec", "selector")).wide(),
    ],
    |it, context| replicas(it, context, selector::shown(it.at("spec").at("selector"))),
);

pub(super) static DEPLOYMENT: Layout = Layout::new(
    &[
        NAME,
        READY,
        Column::new("Up-to-date", field!("apps.v1.DeploymentStatus", "updatedReplicas")),
        Column::new("Available", field!("apps.v1.DeploymentStatus", "availableReplicas")),
        AGE,
        CONTAINERS.wide(),
        IMAGES.wide(),
        Column::new("Selector", field!("apps.v1.DeploymentSpec", "selector")).wide(),
    ],
    deployment,
);

pub(super) static STATEFUL_SET: Layout =
    Layout::new(&[NAME, READY, AGE, CONTAINERS.wide(), IMAGES.wide()], |it, context| {
        let (names, images) = containers(it.at("spec").at("template"));
        vec![it.name(), ready(it), it.age(context), names, images]
    });

pub(super) static DAEMON_SET: Layout = Layout::new(
    &[
        NAME,
        Column::new("Desired", field!("apps.v1.DaemonSetStatus", "desiredNumberScheduled")).integer(),
        Column::new("Current", field!("apps.v1.DaemonSetStatus", "currentNumberScheduled")).integer(),
        Column::new("Ready", field!("apps.v1.DaemonSetStatus", "numberReady")).integer(),
        Column::new("Up-to-date", field!("apps.v1.DaemonSetStatus", "updatedNumberScheduled")).integer(),
        Column::new("Available", field!("apps.v1.DaemonSetStatus", "numberAvailable")).integer(),
        Column::new("Node Selector", field!("core.v1.PodSpec", "nodeSelector")),
        AGE,
        CONTAINERS.wide(),
        IMAGES.wide(),
        Column::new("Selector", field!("apps.v1.DaemonSetSpec", "selector")).wide(),
    ],
    daemon_set,
);

pub(super) static CONTROLLER_REVISION: Layout = Layout::new(
    &[
        NAME,
        Column::text("Controller", "What the revision is of."),
        Column::new("Revision", field!("apps.v1.ControllerRevision", "revision")),
        AGE,
    ],
    |it, context| vec![it.name(), controller(it), it.at("revision").number().into(), it.age(context)],
);

pub(super) static DISRUPTION_BUDGET: Layout = Layout::new(
    &[
        NAME,
        Column::text("Min Available", "How many pods must stay available."),
        Column::text("Max Unavailable", "How many pods may be unavailable."),
        Column::text("Allowed Disruptions", "How many pods may be disrupted now.").integer(),
        AGE,
    ],
    |it, context| {
        let limit = |name: &str| {
            let it = it.at("spec").at(name);
            Value::from(if it.is_set() { it.number_or_text().into_owned() } else { "N/A".to_owned() })
        };
        let allowed = it.at("status").at("disruptionsAllowed").number();
        vec![it.name(), limit("minAvailable"), limit("maxUnavailable"), allowed.into(), it.age(context)]
    },
);

const READY: Column = Column::text("Ready", "How many pods are ready, of how many.");

fn replicas(it: View<'_>, context: &Context, selector: String) -> Vec<Value> {
    let (spec, status) = (it.at("spec"), it.at("status"));
    let (names, images) = containers(spec.at("template"));
    vec![
        it.name(),
        spec.at("replicas").number().into(),
        status.at("replicas").number().into(),
        status.at("readyReplicas").number().into(),
        it.age(context),
        names,
        images,
        selector.into(),
    ]
}

fn deployment(it: View<'_>, context: &Context) -> Vec<Value> {
    let (spec, status) = (it.at("spec"), it.at("status"));
    let (names, images) = containers(spec.at("template"));
    vec![
        it.name(),
        ready(it),
        status.at("updatedReplicas").number().into(),
        status.at("availableReplicas").number().into(),
        it.age(context),
        names,
        images,
        selector::bare(spec.at("selector")).unwrap_or_else(|| "<invalid>".to_owned()).into(),
    ]
}

fn daemon_set(it: View<'_>, context: &Context) -> Vec<Value> {
    let (spec, status) = (it.at("spec"), it.at("status"));
    let count = |name: &str| Value::from(status.at(name).number());
    let (names, images) = containers(spec.at("template"));
    vec![
        it.name(),
        count("desiredNumberScheduled"),
        count("currentNumberScheduled"),
        count("numberReady"),
        count("updatedNumberScheduled"),
        count("numberAvailable"),
        selector::labels(spec.at("template").at("spec").at("nodeSelector")).into(),
        it.age(context),
        names,
        images,
        selector::shown(spec.at("selector")).into(),
    ]
}

fn ready(it: View<'_>) -> Value {
    let (ready, desired) = (it.at("status").at("readyReplicas").number(), it.at("spec").at("replicas").number());
    format!("{ready}/{desired}").into()
}

/// The names and images of a pod template's containers.
pub(super) fn containers(template: View<'_>) -> (Value, Value) {
    let containers = template.at("spec").at("containers").list();
    let texts = |name: &'static str| join(containers.clone().map(move |it| it.at(name).text()), ",");
    (texts("name").into(), texts("image").into())
}

fn controller(it: View<'_>) -> Value {
    let owner = it.at("metadata").at("ownerReferences").list().find(|it| it.at("controller").flag() == Some(true));
    let Some(owner) = owner else {
        return NONE.into();
    };
    let kind = owner.at("kind").text().to_lowercase();
    let name = owner.at("name").text();
    match owner.at("apiVersion").text().rsplit_once('/') {
        Some((group, _)) => format!("{kind}.{}/{name}", group.to_lowercase()).into(),
        None => format!("{kind}/{name}").into(),
    }
}

//! Pods: their status is a summary of their containers'.

use crate::column::{AGE, Column, NAME, field};
use crate::printer::Layout;
use crate::view::{Context, NONE, View};
use jiff::Timestamp;
use k8s_types::age;
use serde_json::{Value, json};
use std::borrow::Cow;

pub(super) static POD: Layout = Layout {
    columns: &[
        NAME,
        Column::text("Ready", "How many of the pod's containers are ready, of how many."),
        Column::text("Status", "The state of the pod and its containers in a word."),
        Column::text("Restarts", "How often the pod's containers were restarted, and when last."),
        AGE,
        Column::new("IP", field!("core.v1.PodStatus", "podIP")).wide(),
        Column::new("Node", field!("core.v1.PodSpec", "nodeName")).wide(),
        Column::new("Nominated Node", field!("core.v1.PodStatus", "nominatedNodeName")).wide(),
        Column::new("Readiness Gates", field!("core.v1.PodSpec", "readinessGates")).wide(),
    ],
    cells,
    conditions,
    order: None,
};

fn cells(pod: View<'_>, context: &Context) -> Vec<Value> {
    let (spec, status) = (pod.at("spec"), pod.at("status"));
    let summary = Summary::of(spec, status, context.minor, pod.is_deleting());
    let restarts = match summary.restarted {
        Some(when) if summary.restarts != 0 => {
            format!("{} ({} ago)", summary.restarts, age::since(when, context.now))
        }
        _ => summary.restarts.to_string(),
    };
    let address = status.at("podIPs").list().next().map(|it| it.at("ip").text());
    let address = address.unwrap_or_else(|| status.at("podIP").text());
    vec![
        pod.name(),
        format!("{}/{}", summary.ready, summary.total).into(),
        summary.word.into(),
        restarts.into(),
        pod.age(context),
        if address.is_empty() { NONE } else { address }.into(),
        spec.at("nodeName").text_or(NONE).into(),
        status.at("nominatedNodeName").text_or(NONE).into(),
        gates(spec.at("readinessGates"), status.at("conditions")).into(),
    ]
}

fn conditions(pod: View<'_>) -> Vec<Value> {
    let (reason, message) = match pod.at("status").at("phase").text() {
        "Succeeded" => ("Succeeded", "The pod has completed successfully."),
        "Failed" => ("Failed", "The pod failed."),
        _ => return Vec::new(),
    };
    vec![json!({"type": "Completed", "status": "True", "reason": reason, "message": message})]
}

fn gates(gates: View<'_>, conditions: View<'_>) -> Cow<'static, str> {
    if gates.count() == 0 {
        return NONE.into();
    }
    let open = gates.list().filter(|it| conditions.has_condition(it.at("conditionType").text())).count();
    format!("{open}/{}", gates.count()).into()
}

/// What a pod's containers say together.
struct Summary<'a> {
    word: Cow<'a, str>,
    ready: i64,
    total: i64,
    restarts: i64,
    /// When a container was last restarted.
    restarted: Option<Timestamp>,
}

/// The first minor in which a pod that has ended is no longer said to be terminating.
const ENDED_IS_NOT_TERMINATING: u32 = 31;

impl<'a> Summary<'a> {
    fn of(spec: View<'a>, status: View<'a>, minor: u32, deleting: bool) -> Self {
        let (phase, conditions) = (status.at("phase").text(), status.at("conditions"));
        let mut it = Self {
            word: status.at("reason").text_or(phase).into(),
            ready: 0,
            total: spec.at("containers").count(),
            restarts: 0,
            restarted: None,
        };
        if conditions.of_type("PodScheduled").at("reason").text() == "SchedulingGated" {
            it.word = "SchedulingGated".into();
        }
        let (done, sidecars) = it.add_init_containers(spec.at("initContainers"), status.at("initContainerStatuses"));
        // a pod that once was initialized shows its containers, whatever its init containers do now
        if done || conditions.has_condition("Initialized") {
            (it.restarts, it.restarted) = sidecars;
            it.add_containers(status.at("containerStatuses"), conditions);
        }
        if deleting {
            let ended = minor >= ENDED_IS_NOT_TERMINATING && matches!(phase, "Succeeded" | "Failed");
            if status.at("reason").text() == "NodeLost" {
                it.word = "Unknown".into();
            } else if !ended {
                it.word = "Terminating".into();
            }
        }
        it
    }

    /// Goes through the init containers up to the first that is not done. Whether all are; and in either case how
    /// often, and when last, those were restarted that go on beside the containers.
    fn add_init_containers(&mut self, specs: View<'a>, statuses: View<'a>) -> (bool, Restarts) {
        let sidecar = |it: &View<'a>| it.at("restartPolicy").text() == "Always";
        let mut sidecars: Vec<&str> = specs.list().filter(sidecar).map(|it| it.at("name").text()).collect();
        sidecars.sort_unstable();
        self.total += i64::try_from(sidecars.len()).unwrap_or_default();
        let (mut restarts, mut restarted) = (0, None);
        for (at, status) in statuses.list().enumerate() {
            let is_sidecar = !sidecars.is_empty() && sidecars.binary_search(&status.at("name").text()).is_ok();
            let (times, last) = self.add_restarts(status);
            if is_sidecar {
                restarts = times.saturating_add(restarts);
                restarted = restarted.max(last);
            }
            let state = status.at("state");
            let (terminated, waiting) = (state.at("terminated"), state.at("waiting"));
            if terminated.is_set() && terminated.at("exitCode").number() == 0 {
                continue;
            }
            if is_sidecar && status.at("started").flag() == Some(true) {
                self.ready += i64::from(status.at("ready").flag() == Some(true));
                continue;
            }
            self.word = if terminated.is_set() {
                format!("Init:{}", end(terminated)).into()
            } else {
                match waiting.at("reason").text() {
                    "" | "PodInitializing" => format!("Init:{at}/{}", specs.count()).into(),
                    reason => format!("Init:{reason}").into(),
                }
            };
            return (false, (restarts, restarted));
        }
        (true, (restarts, restarted))
    }

    fn add_containers(&mut self, statuses: View<'a>, conditions: View<'a>) {
        let mut running = false;
        for status in statuses.list().rev() {
            self.add_restarts(status);
            let state = status.at("state");
            let (waiting, terminated) = (state.at("waiting").at("reason").text(), state.at("terminated"));
            if !waiting.is_empty() {
                self.word = waiting.into();
            } else if terminated.is_set() {
                self.word = end(terminated);
            } else if status.at("ready").flag() == Some(true) && state.at("running").is_set() {
                running = true;
                self.ready += 1;
            }
        }
        if running && self.word == "Completed" {
            self.word = if conditions.has_condition("Ready") { "Running" } else { "NotReady" }.into();
        }
    }

    fn add_restarts(&mut self, status: View<'_>) -> Restarts {
        let (times, last) = (status.at("restartCount").number(), last_end(status));
        self.restarts = self.restarts.saturating_add(times);
        self.restarted = self.restarted.max(last);
        (times, last)
    }
}

/// How often containers were restarted, and when last.
type Restarts = (i64, Option<Timestamp>);

/// When a container's last run ended.
fn last_end(status: View<'_>) -> Option<Timestamp> {
    status.at("lastState").at("terminated").at("finishedAt").time()
}

/// How a container ended.
fn end(terminated: View<'_>) -> Cow<'_, str> {
    match (terminated.at("reason").text(), terminated.at("signal").number()) {
        ("", 0) => format!("ExitCode:{}", terminated.at("exitCode").number()).into(),
        ("", signal) => format!("Signal:{signal}").into(),
        (reason, _) => reason.into(),
    }
}

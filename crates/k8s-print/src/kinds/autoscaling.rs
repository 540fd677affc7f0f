//! What changes how many pods there are.

use crate::column::{AGE, Column, NAME, field};
use crate::printer::Layout;
use crate::view::{Context, NONE, UNSET, View, first_few};
use serde_json::Value;
use std::borrow::Cow;

pub(super) static AUTOSCALER: Layout = Layout::new(
    &[
        NAME,
        Column::new("Reference", field!("autoscaling.v2.HorizontalPodAutoscalerSpec", "scaleTargetRef")),
        Column::new("Targets", field!("autoscaling.v2.HorizontalPodAutoscalerSpec", "metrics")),
        Column::new("MinPods", field!("autoscaling.v2.HorizontalPodAutoscalerSpec", "minReplicas")),
        Column::new("MaxPods", field!("autoscaling.v2.HorizontalPodAutoscalerSpec", "maxReplicas")),
        Column::new("Replicas", field!("autoscaling.v2.HorizontalPodAutoscalerStatus", "currentReplicas")),
        AGE,
    ],
    autoscaler,
);

pub(super) static SCALE: Layout = Layout::new(
    &[
        NAME.format(""),
        Column::new("Desired", field!("autoscaling.v1.ScaleSpec", "replicas")).integer(),
        Column::new("Available", field!("autoscaling.v1.ScaleStatus", "replicas")).integer(),
        AGE,
    ],
    |it, context| {
        let replicas = |part: &str| Value::from(it.at(part).at("replicas").number());
        vec![it.name(), replicas("spec"), replicas("status"), it.age(context)]
    },
);

fn autoscaler(it: View<'_>, context: &Context) -> Vec<Value> {
    let (spec, status) = (it.at("spec"), it.at("status"));
    let (target, minimum) = (spec.at("scaleTargetRef"), spec.at("minReplicas"));
    vec![
        it.name(),
        format!("{}/{}", target.at("kind").text(), target.at("name").text()).into(),
        targets(spec, status, context).into(),
        if minimum.is_set() { minimum.number().to_string() } else { UNSET.to_owned() }.into(),
        spec.at("maxReplicas").number().into(),
        status.at("currentReplicas").number().into(),
        it.age(context),
    ]
}

/// The first minor that tells which resource a target is of.
const NAMED_TARGETS: u32 = 30;

const UNKNOWN: Cow<'static, str> = Cow::Borrowed("<unknown>");

fn targets(spec: View<'_>, status: View<'_>, context: &Context) -> String {
    let old = spec.at("targetCPUUtilizationPercentage");
    if old.is_set() {
        let current = percent(status.at("currentCPUUtilizationPercentage")).unwrap_or(UNKNOWN);
        return named("cpu", &current, &percent(old).unwrap_or_default(), context);
    }
    if spec.at("metrics").count() == 0 {
        return NONE.to_owned();
    }
    let mut states = status.at("currentMetrics").list();
    first_few(spec.at("metrics").list().map(|it| metric(it, states.next(), context)), 2, ", ")
}

fn metric(metric: View<'_>, state: Option<View<'_>>, context: &Context) -> String {
    let source = match metric.at("type").text() {
        "External" => "external",
        "Pods" => "pods",
        "Object" => "object",
        "Resource" => "resource",
        "ContainerResource" => "containerResource",
        _ => return "<unknown type>".to_owned(),
    };
    let (metric, state) = (metric.at(source), state.map(|it| it.at(source)).filter(|it| it.is_set()));
    let (target, current) = (metric.at("target"), state.map(|it| it.at("current")));
    let average = target.at("averageValue");
    let current_of = |name| current.map_or(UNKNOWN, |it| quantity(it.at(name)));
    match source {
        "pods" => format!("{}/{}", current_of("averageValue"), quantity(average)),
        "external" | "object" if average.is_set() => {
            let current = current.map(|it| it.at("averageValue")).filter(|it| it.is_set());
            format!("{}/{} (avg)", current.map_or(UNKNOWN, quantity), quantity(average))
        }
        "external" | "object" => format!("{}/{}", current_of("value"), quantity(target.at("value"))),
        _ if average.is_set() => {
            named(metric.at("name").text(), &current_of("averageValue"), &quantity(average), context)
        }
        _ => {
            let current = current.and_then(|it| percent(it.at("averageUtilization"))).unwrap_or(UNKNOWN);
            let target = percent(target.at("averageUtilization")).unwrap_or(Cow::Borrowed("<auto>"));
            named(metric.at("name").text(), &current, &target, context)
        }
    }
}

fn named(resource: &str, current: &str, target: &str, context: &Context) -> String {
    if context.minor >= NAMED_TARGETS {
        format!("{resource}: {current}/{target}")
    } else {
        format!("{current}/{target}")
    }
}

fn percent(it: View<'_>) -> Option<Cow<'static, str>> {
    it.is_set().then(|| format!("{}%", it.number()).into())
}

fn quantity(it: View<'_>) -> Cow<'_, str> {
    if it.is_set() { it.quantity() } else { "<nil>".into() }
}

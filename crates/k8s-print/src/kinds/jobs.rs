//! Work that ends.

use super::workloads::containers;
use crate::column::{AGE, CONTAINERS, Column, IMAGES, NAME, field};
use crate::printer::Layout;
use crate::selector;
use crate::view::{Context, NONE, View, spelled};
use k8s_types::age;
use serde_json::Value;

pub(super) static JOB: Layout = Layout::new(
    &[
        NAME,
        Column::text("Status", "How the job stands.").since(31),
        Column::new("Completions", field!("batch.v1.JobStatus", "succeeded")),
        Column::text("Duration", "How long the job took, or takes so far."),
        AGE,
        CONTAINERS.wide(),
        IMAGES.wide(),
        Column::new("Selector", field!("batch.v1.JobSpec", "selector")).wide(),
    ],
    job,
);

pub(super) static CRON_JOB: Layout = Layout::new(
    &[
        NAME,
        Column::new("Schedule", field!("batch.v1.CronJobSpec", "schedule")),
        Column::new("Timezone", field!("batch.v1.CronJobSpec", "timeZone")).since(29),
        Column::new("Suspend", field!("batch.v1.CronJobSpec", "suspend")).boolean(),
        Column::new("Active", field!("batch.v1.CronJobStatus", "active")).integer(),
        Column::new("Last Schedule", field!("batch.v1.CronJobStatus", "lastScheduleTime")),
        AGE,
        CONTAINERS.wide(),
        IMAGES.wide(),
        Column::new("Selector", field!("batch.v1.JobSpec", "selector")).wide(),
    ],
    cron_job,
);

/// The first minor that tells when a job has met its success policy and its pods still run.
const SUCCESS_CRITERIA: u32 = 34;

fn job(it: View<'_>, context: &Context) -> Vec<Value> {
    let spec = it.at("spec");
    let (names, images) = containers(spec.at("template"));
    vec![
        it.name(),
        state(it, context).into(),
        completions(it).into(),
        duration(it.at("status"), context).into(),
        it.age(context),
        names,
        images,
        selector::shown(spec.at("selector")).into(),
    ]
}

fn state(it: View<'_>, context: &Context) -> &'static str {
    let conditions = it.at("status").at("conditions");
    let is = |kind| conditions.has_condition(kind);
    if is("Complete") {
        "Complete"
    } else if is("Failed") {
        "Failed"
    } else if it.is_deleting() {
        "Terminating"
    } else if is("Suspended") {
        "Suspended"
    } else if is("FailureTarget") {
        "FailureTarget"
    } else if context.minor >= SUCCESS_CRITERIA && is("SuccessCriteriaMet") {
        "SuccessCriteriaMet"
    } else {
        "Running"
    }
}

fn completions(it: View<'_>) -> String {
    let (spec, succeeded) = (it.at("spec"), it.at("status").at("succeeded").number());
    let (completions, parallelism) = (spec.at("completions"), spec.at("parallelism").number());
    if completions.is_set() {
        format!("{succeeded}/{}", completions.number())
    } else if parallelism > 1 {
        format!("{succeeded}/1 of {parallelism}")
    } else {
        format!("{succeeded}/1")
    }
}

fn duration(status: View<'_>, context: &Context) -> String {
    let Some(start) = age::parse(status.at("startTime").text()) else {
        return String::new();
    };
    age::since(start, age::parse(status.at("completionTime").text()).unwrap_or(context.now))
}

fn cron_job(it: View<'_>, context: &Context) -> Vec<Value> {
    let (spec, status) = (it.at("spec"), it.at("status"));
    let (job, last) = (spec.at("jobTemplate").at("spec"), status.at("lastScheduleTime"));
    let (names, images) = containers(job.at("template"));
    vec![
        it.name(),
        spec.at("schedule").text().into(),
        spec.at("timeZone").set_or(NONE).into(),
        spelled(spec.at("suspend").flag()).into(),
        status.at("active").count().into(),
        if last.is_set() { last.since(context) } else { NONE.to_owned() }.into(),
        it.age(context),
        names,
        images,
        selector::shown(job.at("selector")).into(),
    ]
}

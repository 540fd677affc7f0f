//! CronJob: makes a job at given times.

use super::{cron, job_spec, zone};
use crate::checks::{drop_disabled, not_negative, required_one_of};
use crate::kind::{Context, Kind};
use crate::template;
use crate::value::{Look, copy_field, object_made, set, set_default, set_default_zero};
use k8s_types::{Errors, FieldError, Path, names};
use serde_json::{Value, json};

/// A job of the schedule is called by it, a dash and ten digits, and must fit a label.
const MOST_NAME: usize = 52;

const SINCE: &[(&str, u8)] = &[("timeZone", 25)];

/// See the module.
pub(crate) struct CronJob;

impl Kind for CronJob {
    fn default(&self, object: &mut Value, cx: &Context<'_>) {
        set_default(object, "status", json!({}));
        let Some(spec) = object_made(object, "spec") else { return };
        set_default_zero(spec, "concurrencyPolicy", "Allow");
        set_default(spec, "suspend", false);
        set_default(spec, "successfulJobsHistoryLimit", 3);
        set_default(spec, "failedJobsHistoryLimit", 1);
        let Some(job) = object_made(spec, "jobTemplate") else { return };
        template::default_metadata(job, cx);
        if let Some(spec) = object_made(job, "spec") {
            template::default(spec, cx);
        }
    }

    fn prepare_for_create(&self, object: &mut Value, cx: &Context<'_>) {
        set(object, "status", json!({}));
        drop_disabled(object, None, cx, SINCE);
        template::drop_disabled(object, None, &["spec", "jobTemplate", "spec", "template"], cx);
    }

    fn prepare_for_update(&self, object: &mut Value, old: &Value, cx: &Context<'_>) {
        copy_field(object, old, "status");
        drop_disabled(object, Some(old), cx, SINCE);
        template::drop_disabled(object, Some(old), &["spec", "jobTemplate", "spec", "template"], cx);
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn validate(&self, object: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        validate_spec(&mut errors, object.at("spec"), None, cx);
        let name = object.at("metadata").text("name");
        if name.len() > MOST_NAME {
            errors.push(FieldError::invalid(&Path::new("metadata.name"), name, &names::too_long(MOST_NAME)));
        }
        errors
    }

    /// A name that was taken once is not looked at again.
    fn validate_update(&self, object: &Value, old: &Value, cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        validate_spec(&mut errors, object.at("spec"), Some(old.at("spec")), cx);
        errors
    }

    fn warnings(&self, object: &Value, old: Option<&Value>, cx: &Context<'_>) -> Vec<String> {
        let mut warnings = if old.is_none() { template::name_warnings(object) } else { Vec::new() };
        warnings.extend(template::warnings(object, old, &["spec", "jobTemplate", "spec", "template"], cx));
        let schedule = object.at("spec").text("schedule");
        if schedule.contains("TZ") {
            warnings.push(
                "CRON_TZ or TZ used in spec.schedule is not officially supported, see \
                 https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"
                    .to_owned(),
            );
        }
        warnings
    }
}

fn validate_spec(errors: &mut Errors, spec: &Value, old: Option<&Value>, cx: &Context<'_>) {
    let path = Path::new("spec");
    let schedule = spec.text("schedule");
    if schedule.is_empty() {
        errors.push(FieldError::required(&path.child("schedule"), ""));
    } else {
        let had_zone = old.is_some_and(|old| old.text("schedule").contains("TZ"));
        validate_schedule(errors, spec, had_zone || cx.minor < 29, &path.child("schedule"));
    }
    not_negative(errors, spec, &path, "startingDeadlineSeconds");
    let zone_is_new = old.is_none_or(|old| old.at("timeZone") != spec.at("timeZone"));
    if let Some(zone) = spec.at("timeZone").as_str().filter(|_| zone_is_new)
        && let Some(fault) = zone::fault(zone)
    {
        errors.push(FieldError::invalid(&path.child("timeZone"), zone, &fault));
    }
    required_one_of(errors, spec, &path, "concurrencyPolicy", &["Allow", "Forbid", "Replace"]);
    let (job, job_path) = (spec.at("jobTemplate").at("spec"), path.child("jobTemplate.spec"));
    job_spec::validate(errors, job, &job_path, cx);
    if job.has("selector") {
        let why = "`selector` will be auto-generated";
        errors.push(FieldError::invalid(&job_path.child("selector"), job.at("selector").clone(), why));
    }
    if job.flag("manualSelector") {
        errors.push(FieldError::not_supported(&job_path.child("manualSelector"), true, &["nil", "false"]));
    }
    not_negative(errors, spec, &path, "successfulJobsHistoryLimit");
    not_negative(errors, spec, &path, "failedJobsHistoryLimit");
}

fn validate_schedule(errors: &mut Errors, spec: &Value, zone_allowed: bool, path: &Path) {
    let schedule = spec.text("schedule");
    if let Err(fault) = cron::Schedule::parse(schedule) {
        errors.push(FieldError::invalid(path, schedule, &fault));
    }
    if schedule.contains("TZ") {
        if !zone_allowed {
            let why = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
            errors.push(FieldError::invalid(path, schedule, why));
        } else if spec.has("timeZone") {
            let why = "cannot use both timeZone field and TZ or CRON_TZ in schedule";
            errors.push(FieldError::invalid(path, schedule, why));
        }
    }
}

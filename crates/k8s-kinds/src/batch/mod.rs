//! The group `batch`: pods that end.

pub mod cron;
mod cron_job;
mod failure_policy;
mod job;
mod job_spec;
mod zone;

pub(crate) use cron_job::CronJob;
pub(crate) use job::Job;

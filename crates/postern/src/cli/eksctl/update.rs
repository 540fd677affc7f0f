//! Changing a cluster's configuration and waiting for it, as all endpoint utilities do.

use super::work::Work;
use crate::cli::error::CliError;
use serde_json::{Value, json};
use std::time::Duration;

/// How long an update may take; eksctl's own limit.
pub const UPDATE_LIMIT: Duration = Duration::from_secs(25 * 60);

/// Refuses a cluster that can't be changed now.
///
/// # Errors
/// In eksctl's words.
pub fn check_updatable(work: &Work<'_, '_>, name: &str, cluster: &Value) -> Result<(), CliError> {
    let status = cluster["status"].as_str().unwrap_or_default();
    if status == "ACTIVE" {
        return Ok(());
    }
    let region = &work.region;
    Err(CliError::told(format!("cannot update cluster {name:?} in {region:?} region due to status {status:?}")))
}

/// Asks for new members of `resourcesVpcConfig` and waits until they are in force.
///
/// # Errors
/// When the update is refused, fails or does not end in time.
pub fn update(work: &mut Work<'_, '_>, name: &str, config: Value, limit: Duration) -> Result<(), CliError> {
    let input = json!({"name": name, "resourcesVpcConfig": config});
    let answer = work.call("eks", "UpdateClusterConfig", input)?;
    let field = |it: &str| answer["update"][it].as_str().unwrap_or_default().to_owned();
    let (id, kind) = (field("id"), field("type"));
    let what = format!("waiting for requested {kind:?} in cluster {name:?} to succeed");
    work.wait(limit, &what, |work| {
        work.debug(&what)?;
        let answer = work.call("eks", "DescribeUpdate", json!({"name": name, "updateId": id}))?;
        let update = &answer["update"];
        match update["status"].as_str() {
            Some("Successful") => Ok(Some(())),
            Some("InProgress") => Ok(None),
            other => Err(CliError::told(format!("{what}: it is {}{}", other.unwrap_or("gone"), reasons(update)))),
        }
    })
}

fn reasons(update: &Value) -> String {
    let errors = update["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    let texts: Vec<_> = errors.iter().filter_map(|it| it["errorMessage"].as_str()).collect();
    if texts.is_empty() { String::new() } else { format!(": {}", texts.join("; ")) }
}

/// A list as Go prints it.
pub fn go_list(list: &[String]) -> String {
    format!("[{}]", list.join(" "))
}

/// The strings of a JSON list.
pub fn strings(value: &Value) -> Vec<String> {
    let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

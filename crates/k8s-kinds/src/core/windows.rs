//! What pods on Windows can have, and what only they can.

use super::{check, containers};
use crate::value::{Look, is_empty};
use k8s_types::{Errors, FieldError, Path};
use serde_json::Value;

const SPEC_MAX_KIB: usize = 64;
const DOMAIN_MAX: usize = 256;
const USER_MAX: usize = 104;
const BAD_IN_USER: &str = "\"/\\:;|=,+*?<>@[]";

/// What is wrong with the options that only Windows knows.
pub(crate) fn validate_options(errors: &mut Errors, it: &Value, path: &Path) {
    if it.has("gmsaCredentialSpecName") {
        check::subdomain(errors, it.text("gmsaCredentialSpecName"), &path.child("gmsaCredentialSpecName"));
    }
    if let Some(spec) = it.at("gmsaCredentialSpec").as_str() {
        let at = path.child("gmsaCredentialSpec");
        if spec.is_empty() {
            errors.push(FieldError::invalid(&at, spec, "gmsaCredentialSpec cannot be an empty string"));
        } else if spec.len() > SPEC_MAX_KIB * 1024 {
            let text = format!("gmsaCredentialSpec size must be under {SPEC_MAX_KIB} KiB");
            errors.push(FieldError::invalid(&at, spec, &text));
        }
    }
    if let Some(name) = it.at("runAsUserName").as_str() {
        for text in user_name_errors(name) {
            errors.push(FieldError::invalid(&path.child("runAsUserName"), name, &text));
        }
    }
}

fn user_name_errors(name: &str) -> Vec<String> {
    if name.is_empty() {
        return vec!["runAsUserName cannot be an empty string".to_owned()];
    }
    if name.bytes().any(|c| c.is_ascii_control()) {
        return vec!["runAsUserName cannot contain control characters".to_owned()];
    }
    let parts: Vec<&str> = name.split('\\').collect();
    let (domain, user) = match parts.as_slice() {
        [user] => (None, *user),
        [domain, user] => (Some(*domain), *user),
        _ => return vec!["runAsUserName cannot contain more than one backslash".to_owned()],
    };
    let mut texts = Vec::new();
    if let Some(domain) = domain {
        if domain.len() >= DOMAIN_MAX {
            texts.push(format!("runAsUserName's Domain length must be under {DOMAIN_MAX} characters"));
        }
        if !is_net_bios(domain) && !is_dns(domain) {
            texts.push("runAsUserName's Domain doesn't match the NetBios nor the DNS format".to_owned());
        }
    }
    if user.is_empty() {
        texts.push("runAsUserName's User cannot be empty".to_owned());
    } else if user.len() > USER_MAX {
        texts.push(format!("runAsUserName's User length must not be longer than {USER_MAX} characters"));
    }
    if !user.is_empty() && user.bytes().all(|c| matches!(c, b'.' | b' ')) {
        texts.push("runAsUserName's User cannot contain only periods or spaces".to_owned());
    }
    if user.contains(|c| BAD_IN_USER.contains(c)) {
        texts.push(format!("runAsUserName's User cannot contain the following characters: {BAD_IN_USER}"));
    }
    texts
}

fn is_net_bios(domain: &str) -> bool {
    let bad = |c: char| "\\/:*?\"<>|".contains(c);
    (1..=15).contains(&domain.chars().count()) && !domain.starts_with('.') && !domain.contains(bad)
}

fn is_dns(domain: &str) -> bool {
    let label = |it: &str| {
        let bytes = it.as_bytes();
        let end = |c: Option<&u8>| c.is_some_and(u8::is_ascii_alphanumeric);
        bytes.len() <= 63
            && end(bytes.first())
            && end(bytes.last())
            && bytes.iter().all(|c| c.is_ascii_alphanumeric() || *c == b'-')
    };
    domain.split('.').all(label)
}

/// What is wrong with containers that run as processes of the host; `path` is the pod spec's.
pub(crate) fn validate_host_process(errors: &mut Errors, spec: &Value, path: &Path) {
    let of = |it: &Value| it.look(&["securityContext", "windowsOptions", "hostProcess"]).as_bool();
    let pod = of(spec);
    let all = containers::visit(spec, path);
    let mut count = 0;
    for (container, path) in &all {
        let own = of(container);
        if let (Some(pod), Some(own)) = (pod, own)
            && pod != own
        {
            let text = format!("pod hostProcess value must be identical if both are specified, was {pod}");
            errors.push(FieldError::invalid(&path.child("securityContext.windowsOptions.hostProcess"), own, &text));
        }
        count += usize::from(own.or(pod) == Some(true));
    }
    if count == 0 {
        return;
    }
    if count != all.len() {
        let text = "If pod contains any hostProcess containers then all containers must be HostProcess containers";
        errors.push(FieldError::invalid(path, "", text));
    }
    if !spec.flag("hostNetwork") {
        let text = "hostNetwork must be true if pod contains any hostProcess containers";
        errors.push(FieldError::invalid(&path.child("hostNetwork"), false, text));
    }
}

/// Fields of a pod that Windows has nothing for.
const NOT_WINDOWS_POD: [&str; 11] = [
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "fsGroup",
    "fsGroupChangePolicy",
    "sysctls",
    "runAsUser",
    "runAsGroup",
    "supplementalGroups",
    "supplementalGroupsPolicy",
    "seLinuxChangePolicy",
];
const NOT_WINDOWS_SPEC: [&str; 4] = ["hostUsers", "hostPID", "hostIPC", "shareProcessNamespace"];
const NOT_WINDOWS_CONTAINER: [&str; 10] = [
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "capabilities",
    "readOnlyRootFilesystem",
    "privileged",
    "allowPrivilegeEscalation",
    "procMount",
    "runAsUser",
    "runAsGroup",
];

/// What is wrong with a pod that names its operating system; `path` is the pod spec's.
pub(crate) fn validate_os(errors: &mut Errors, spec: &Value, path: &Path) {
    if !spec.has("os") {
        return;
    }
    match spec.at("os").text("name") {
        "" => errors.push(FieldError::required(&path.child("os.name"), "cannot be empty")),
        "linux" => {
            let text = "windows options cannot be set for a linux pod";
            for (it, path) in std::iter::once((spec, path.clone())).chain(containers::visit(spec, path)) {
                if it.at("securityContext").has("windowsOptions") {
                    errors.push(FieldError::forbidden(&path.child("securityContext.windowsOptions"), text));
                }
            }
        }
        "windows" => validate_windows(errors, spec, path),
        other => check::one_of(errors, other, &["linux", "windows"], &path.child("os")),
    }
}

fn validate_windows(errors: &mut Errors, spec: &Value, path: &Path) {
    let text = "cannot be set for a windows pod";
    let mut push = |path: Path| errors.push(FieldError::forbidden(&path, text));
    let context = spec.at("securityContext");
    for name in NOT_WINDOWS_POD.iter().filter(|it| context.has(it)) {
        push(path.child("securityContext").child(name));
    }
    for name in NOT_WINDOWS_SPEC {
        // The first and the last are set even where they say no.
        let pointer = matches!(name, "hostUsers" | "shareProcessNamespace");
        if (pointer && spec.has(name)) || !is_empty(spec.at(name)) {
            push(path.child(name));
        }
    }
    for (container, path) in containers::visit(spec, path) {
        let context = container.at("securityContext");
        for name in NOT_WINDOWS_CONTAINER.iter().filter(|it| context.has(it)) {
            push(path.child("securityContext").child(name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn user_names() {
        assert!(user_name_errors("DOMAIN\\user").is_empty() && user_name_errors("user").is_empty());
        assert_eq!(user_name_errors("a\\b\\c"), ["runAsUserName cannot contain more than one backslash"]);
        assert_eq!(user_name_errors("a\\"), ["runAsUserName's User cannot be empty"]);
        assert_eq!(user_name_errors("..").len(), 1);
    }

    #[test]
    fn linux_and_windows_have_their_own_fields() {
        let mut errors = Errors::new();
        let spec = json!({"os": {"name": "windows"}, "hostPID": true, "securityContext": {"runAsUser": 1},
            "containers": [{"securityContext": {"privileged": true}}]});
        validate_os(&mut errors, &spec, &Path::new("spec"));
        assert_eq!(errors.len(), 3);
        let spec = json!({"containers": [{"securityContext": {"windowsOptions": {"hostProcess": true}}}, {}]});
        validate_host_process(&mut errors, &spec, &Path::new("spec"));
        assert_eq!(errors.len(), 5);
    }
}

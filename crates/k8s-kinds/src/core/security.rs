//! Security contexts of pods and containers.

use super::{check, windows};
use crate::value::Look;
use k8s_types::names;
use k8s_types::{Errors, FieldError, Path};
use serde_json::Value;

const SYSCTL_MAX: usize = 253;
const SYSCTL_FORM: &str = "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";
const PROFILE_TYPES: [&str; 3] = ["Localhost", "RuntimeDefault", "Unconfined"];
/// A path has at most so many bytes.
const APPARMOR_MAX: usize = 4095;

/// What is wrong with a pod's security context; `path` leads to it.
pub(crate) fn validate_pod(errors: &mut Errors, spec: &Value, path: &Path) {
    let it = spec.at("securityContext");
    for name in ["fsGroup", "runAsUser", "runAsGroup"] {
        unix_id(errors, it.at(name), &path.child(name));
    }
    for (at, group) in it.items("supplementalGroups").iter().enumerate() {
        unix_id(errors, group, &path.child("supplementalGroups").index(at));
    }
    if spec.flag("shareProcessNamespace") && spec.flag("hostPID") {
        let text = "ShareProcessNamespace and HostPID cannot both be enabled";
        errors.push(FieldError::invalid(&path.child("shareProcessNamespace"), true, text));
    }
    validate_sysctls(errors, it.items("sysctls"), spec, &path.child("sysctls"));
    if it.has("fsGroupChangePolicy") {
        let at = path.child("fsGroupChangePolicy");
        check::one_of(errors, it.text("fsGroupChangePolicy"), &["Always", "OnRootMismatch"], &at);
    }
    validate_profiles(errors, it, path);
    for (name, supported) in
        [("supplementalGroupsPolicy", ["Merge", "Strict"]), ("seLinuxChangePolicy", ["MountOption", "Recursive"])]
    {
        if it.has(name) {
            check::one_of(errors, it.text(name), &supported, &path.child(name));
        }
    }
}

/// What is wrong with a container's security context; `path` leads to it.
pub(crate) fn validate_container(errors: &mut Errors, it: &Value, host_users: bool, path: &Path) {
    for name in ["runAsUser", "runAsGroup"] {
        unix_id(errors, it.at(name), &path.child(name));
    }
    if it.has("procMount") {
        let (mount, at) = (it.text("procMount"), path.child("procMount"));
        check::one_of(errors, mount, &["Default", "Unmasked"], &at);
        if host_users && mount == "Unmasked" {
            errors.push(FieldError::invalid(&at, mount, "`hostUsers` must be false to use `Unmasked`"));
        }
    }
    if it.at("allowPrivilegeEscalation") == false {
        if it.flag("privileged") {
            let text = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
            errors.push(FieldError::invalid(path, it.clone(), text));
        }
        if it.at("capabilities").texts("add").any(|it| it == "CAP_SYS_ADMIN") {
            let text = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
            errors.push(FieldError::invalid(path, it.clone(), text));
        }
    }
    validate_profiles(errors, it, path);
}

/// What pods and containers have alike.
fn validate_profiles(errors: &mut Errors, it: &Value, path: &Path) {
    if it.has("seccompProfile") {
        validate_seccomp(errors, it.at("seccompProfile"), &path.child("seccompProfile"));
    }
    windows::validate_options(errors, it.at("windowsOptions"), &path.child("windowsOptions"));
    if it.has("appArmorProfile") {
        validate_apparmor(errors, it.at("appArmorProfile"), &path.child("appArmorProfile"));
    }
}

fn unix_id(errors: &mut Errors, id: &Value, path: &Path) {
    if let Some(id) = id.as_i64() {
        errors.extend(names::invalid_each(path, id, names::unix_id(id)));
    }
}

fn profile_type(errors: &mut Errors, it: &Value, what: &str, path: &Path) {
    let (kind, at) = (it.text("type"), path.child("type"));
    if kind.is_empty() {
        errors.push(FieldError::required(&at, &format!("type is required when {what} is set")));
    } else {
        check::one_of(errors, kind, &PROFILE_TYPES, &at);
    }
}

fn validate_seccomp(errors: &mut Errors, it: &Value, path: &Path) {
    profile_type(errors, it, "seccompProfile", path);
    let at = path.child("localhostProfile");
    match (it.text("type") == "Localhost", it.has("localhostProfile")) {
        (true, false) => errors.push(FieldError::required(&at, "must be set when seccomp type is Localhost")),
        (true, true) => check::descending_path(errors, it.text("localhostProfile"), &at),
        (false, true) => {
            errors.push(FieldError::invalid(&at, it.clone(), "can only be set when seccomp type is Localhost"));
        }
        (false, false) => {}
    }
}

fn validate_apparmor(errors: &mut Errors, it: &Value, path: &Path) {
    let (profile, at) = (it.text("localhostProfile"), path.child("localhostProfile"));
    match it.text("type") {
        "Localhost" => {
            if profile.trim() != profile {
                errors.push(FieldError::invalid(&at, profile, "must not be padded with whitespace"));
            } else if profile.is_empty() {
                errors.push(FieldError::required(&at, "must be set when AppArmor type is Localhost"));
            }
            if profile.len() > APPARMOR_MAX {
                errors.push(FieldError::too_long(&at, APPARMOR_MAX));
            }
        }
        "RuntimeDefault" | "Unconfined" => {
            if it.has("localhostProfile") {
                errors.push(FieldError::invalid(&at, profile, "can only be set when AppArmor type is Localhost"));
            }
        }
        _ => profile_type(errors, it, "appArmorProfile", path),
    }
}

fn validate_sysctls(errors: &mut Errors, sysctls: &[Value], spec: &Value, path: &Path) {
    for (at, sysctl) in sysctls.iter().enumerate() {
        let (name, item) = (sysctl.text("name"), path.index(at));
        let path = item.child("name");
        if name.is_empty() {
            errors.push(FieldError::required(&path, ""));
        } else if !is_sysctl(name) {
            let text = format!("must have at most {SYSCTL_MAX} characters and match regex {SYSCTL_FORM}");
            errors.push(FieldError::invalid(&path, name, &text));
        } else if sysctls.iter().take(at).any(|it| it.text("name") == name) {
            errors.push(FieldError::duplicate(&path, name));
        }
        for (flag, owned) in [("hostNetwork", is_net as fn(&str) -> bool), ("hostIPC", is_ipc)] {
            if spec.flag(flag) && owned(&name.replace('/', ".")) {
                errors.push(FieldError::invalid(&path, name, &format!("may not be specified when '{flag}' is true")));
            }
        }
    }
}

fn is_sysctl(name: &str) -> bool {
    let part = |it: &str| {
        let bytes = it.as_bytes();
        let end = |c: Option<&u8>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        let fits = |c: &u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'-' | b'_');
        end(bytes.first()) && end(bytes.last()) && bytes.iter().all(fits)
    };
    name.len() <= SYSCTL_MAX && name.split(['.', '/']).all(part)
}

/// Whether a kernel parameter belongs to the network namespace.
fn is_net(name: &str) -> bool {
    name.starts_with("net.")
}

/// Whether a kernel parameter belongs to the namespace of interprocess communication.
fn is_ipc(name: &str) -> bool {
    ["kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem"].contains(&name)
        || name.starts_with("kernel.shm")
        || name.starts_with("fs.mqueue.")
}

/// What is wrong with the annotations that said the same before there were fields for it.
pub(crate) fn validate_annotations(errors: &mut Errors, meta: &Value, spec: &Value, path: &Path) {
    for (key, value) in meta.entries("annotations") {
        let value = value.as_str().unwrap_or_default();
        if key == "seccomp.security.alpha.kubernetes.io/pod"
            || key.starts_with("container.seccomp.security.alpha.kubernetes.io/")
        {
            validate_seccomp_text(errors, value, &path.child(key));
        }
        if let Some(name) = key.strip_prefix(APPARMOR_PREFIX) {
            let at = path.key(key);
            if !super::containers::visit(spec, path).iter().any(|(it, _)| it.text("name") == name) {
                errors.push(FieldError::invalid(&at, name, "container not found"));
            }
            if !matches!(value, "" | "runtime/default" | "unconfined") && !value.starts_with("localhost/") {
                let text = format!("invalid AppArmor profile name: {}", k8s_types::status::quote(value));
                errors.push(FieldError::invalid(&at, value, &text));
            }
        }
    }
}

/// Before the name of a container in the annotation of its AppArmor profile.
pub(crate) const APPARMOR_PREFIX: &str = "container.apparmor.security.beta.kubernetes.io/";

fn validate_seccomp_text(errors: &mut Errors, value: &str, path: &Path) {
    if matches!(value, "runtime/default" | "docker/default" | "unconfined") {
        return;
    }
    match value.strip_prefix("localhost/") {
        Some(profile) => check::descending_path(errors, profile, path),
        None => errors.push(FieldError::invalid(path, value, "must be a valid seccomp profile")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn texts(spec: &Value) -> Vec<String> {
        let mut errors = Errors::new();
        validate_pod(&mut errors, spec, &Path::new("s"));
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn sysctls_that_the_host_shares() {
        let spec =
            json!({"hostNetwork": true, "securityContext": {"sysctls": [{"name": "net.ipv4.x"}, {"name": "A"}]}});
        let found = texts(&spec);
        assert!(found[0].ends_with("may not be specified when 'hostNetwork' is true"));
        assert!(found[1].contains("must have at most 253 characters"));
    }

    #[test]
    fn profiles_have_a_type() {
        let spec = json!({"securityContext": {"seccompProfile": {}, "appArmorProfile": {"type": "Localhost"}}});
        assert_eq!(
            texts(&spec),
            [
                "s.seccompProfile.type: Required value: type is required when seccompProfile is set",
                "s.appArmorProfile.localhostProfile: Required value: must be set when AppArmor type is Localhost"
            ]
        );
    }
}

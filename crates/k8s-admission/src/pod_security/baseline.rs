//! The checks of the level baseline, in the order of their names.

use super::check::{Pod, Violation, containers, context, forbidden_values, plural, quoted, setters};
use k8s_kinds::value::Look;
use serde_json::Value;
use std::collections::BTreeSet;

/// All that a pod does against it. Checks that the level restricted has stricter ones for are left out under it.
pub(super) fn check(pod: &Pod<'_>, under_restricted: bool) -> Vec<Violation> {
    let mut found: Vec<Option<Violation>> = vec![app_armor(pod)];
    if !under_restricted {
        found.push(capabilities(pod));
    }
    found.push(host_namespaces(pod));
    if !under_restricted {
        found.push(host_paths(pod));
    }
    found.extend([host_ports(pod), probe_hosts(pod), privileged(pod)]);
    if !under_restricted || pod.version < 35 {
        found.push(if pod.has_own_users() { None } else { proc_mount(pod) });
    }
    found.push(selinux(pod));
    if !under_restricted {
        found.push(seccomp(pod));
    }
    found.extend([sysctls(pod), host_process(pod)]);
    found.into_iter().flatten().collect()
}

fn app_armor(pod: &Pod<'_>) -> Option<Violation> {
    let (own, names, values) = forbidden_values(
        pod,
        |context| context.at("appArmorProfile").at("type").as_str(),
        |it| matches!(it, "RuntimeDefault" | "Localhost"),
    );
    let mut values: Vec<String> = values.into_iter().map(str::to_owned).collect();
    let fine = |value: &str| value.is_empty() || value == "runtime/default" || value.starts_with("localhost/");
    let annotations = pod.annotations.as_object().into_iter().flatten();
    let mut notes: Vec<String> = annotations
        .filter(|(key, _)| key.starts_with("container.apparmor.security.beta.kubernetes.io/"))
        .filter_map(|(key, value)| value.as_str().filter(|it| !fine(it)).map(|it| format!("{key}={it:?}")))
        .collect();
    notes.sort_unstable();
    if pod.server < 30 {
        // There was no field then, and other words.
        let reason = plural("forbidden AppArmor profile", "forbidden AppArmor profiles", notes.len());
        return (!notes.is_empty()).then(|| Violation::new(reason, notes.join(", ")));
    }
    let mut guilty: Vec<String> = setters(own, &names).into_iter().collect();
    if !notes.is_empty() {
        guilty.push(plural("annotation", "annotations", notes.len()).to_owned());
        values.extend(notes);
    }
    if guilty.is_empty() {
        return None;
    }
    let reason = plural("forbidden AppArmor profile", "forbidden AppArmor profiles", values.len());
    let detail = format!("{} must not set AppArmor profile type to {}", guilty.join(" and "), quoted(&values));
    Some(Violation::new(reason, detail))
}

const CAPABILITIES: &[&str] = &[
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

fn capabilities(pod: &Pod<'_>) -> Option<Violation> {
    let added = |it: &'_ Value| -> Vec<String> {
        let added = context(it).at("capabilities").texts("add");
        added.filter(|it| !CAPABILITIES.contains(it)).map(str::to_owned).collect()
    };
    let names = pod.guilty(|it| !added(it).is_empty());
    let all: BTreeSet<String> = pod.containers().flat_map(added).collect();
    (!names.is_empty()).then(|| {
        let detail =
            format!("{} must not include {} in securityContext.capabilities.add", containers(&names), quoted(all));
        Violation::new("non-default capabilities", detail)
    })
}

fn host_namespaces(pod: &Pod<'_>) -> Option<Violation> {
    let shared = ["hostNetwork", "hostPID", "hostIPC"].into_iter().filter(|it| pod.spec.flag(it));
    let shared: Vec<String> = shared.map(|it| format!("{it}=true")).collect();
    (!shared.is_empty()).then(|| Violation::new("host namespaces", shared.join(", ")))
}

fn host_paths(pod: &Pod<'_>) -> Option<Violation> {
    let volumes = pod.spec.items("volumes").iter().filter(|it| it.has("hostPath"));
    let names: Vec<&str> = volumes.map(|it| it.text("name")).collect();
    (!names.is_empty()).then(|| {
        let detail = format!("{} {}", plural("volume", "volumes", names.len()), quoted(&names));
        Violation::new("hostPath volumes", detail)
    })
}

fn host_ports(pod: &Pod<'_>) -> Option<Violation> {
    let ports = |it: &'_ Value| -> Vec<String> {
        it.items("ports").iter().map(|it| it.int("hostPort")).filter(|it| *it != 0).map(|it| it.to_string()).collect()
    };
    let names = pod.guilty(|it| !ports(it).is_empty());
    let all: BTreeSet<String> = pod.containers().flat_map(ports).collect();
    (!names.is_empty()).then(|| {
        let listed = all.iter().cloned().collect::<Vec<_>>().join(", ");
        let uses = plural("uses", "use", names.len());
        let what = plural("hostPort", "hostPorts", all.len());
        Violation::new("hostPort", format!("{} {uses} {what} {listed}", containers(&names)))
    })
}

/// Since 1.34, kubelets can't be made to call whom they like.
fn probe_hosts(pod: &Pod<'_>) -> Option<Violation> {
    if pod.version < 34 {
        return None;
    }
    let hosts = |it: &'_ Value| -> Vec<String> {
        let probes = ["livenessProbe", "readinessProbe", "startupProbe"].map(|name| it.at(name));
        let handlers = ["postStart", "preStop"].map(|name| it.at("lifecycle").at(name));
        let callers = probes.into_iter().chain(handlers);
        let hosts = callers.flat_map(|it| ["httpGet", "tcpSocket"].map(|name| it.at(name).text("host")));
        hosts.filter(|it| !it.is_empty()).map(str::to_owned).collect()
    };
    let mut names = pod.guilty(|it| !hosts(it).is_empty());
    names.sort_unstable();
    let all: BTreeSet<String> = pod.containers().flat_map(hosts).collect();
    (!names.is_empty()).then(|| {
        let uses = plural("uses", "use", names.len());
        let what = plural("probe or lifecycle host", "probe or lifecycle hosts", all.len());
        Violation::new("probe or lifecycle host", format!("{} {uses} {what} {}", containers(&names), quoted(&all)))
    })
}

fn privileged(pod: &Pod<'_>) -> Option<Violation> {
    let names = pod.guilty(|it| context(it).flag("privileged"));
    (!names.is_empty()).then(|| {
        let detail = format!("{} must not set securityContext.privileged=true", containers(&names));
        Violation::new("privileged", detail)
    })
}

/// Who sees more of `/proc` than others.
pub(super) fn proc_mount(pod: &Pod<'_>) -> Option<Violation> {
    let mount = |it: &'_ Value| context(it).at("procMount").as_str().filter(|it| *it != "Default").map(str::to_owned);
    let names = pod.guilty(|it| mount(it).is_some());
    let all: BTreeSet<String> = pod.containers().filter_map(mount).collect();
    (!names.is_empty()).then(|| {
        let detail = format!("{} must not set securityContext.procMount to {}", containers(&names), quoted(all));
        Violation::new("procMount", detail)
    })
}

fn selinux(pod: &Pod<'_>) -> Option<Violation> {
    let allowed = |kind: &str| match kind {
        "" | "container_t" | "container_init_t" | "container_kvm_t" => true,
        "container_engine_t" => pod.version >= 31,
        _ => false,
    };
    let options = |it: &'_ Value| -> Value { context(it).at("seLinuxOptions").clone() };
    let wrong = |it: &Value| {
        let options = options(it);
        !allowed(options.text("type")) || !options.text("user").is_empty() || !options.text("role").is_empty()
    };
    let guilty = setters(wrong(pod.spec), &pod.guilty(wrong))?;
    let all: Vec<Value> = std::iter::once(pod.spec).chain(pod.containers()).map(options).collect();
    let kinds: BTreeSet<&str> = all.iter().map(|it| it.text("type")).filter(|it| !allowed(it)).collect();
    let mut wrongs = Vec::new();
    if !kinds.is_empty() {
        wrongs.push(format!("{} {}", plural("type", "types", kinds.len()), quoted(&kinds)));
    }
    for field in ["user", "role"] {
        if all.iter().any(|it| !it.text(field).is_empty()) {
            wrongs.push(format!("{field} may not be set"));
        }
    }
    let detail = format!("{guilty} set forbidden securityContext.seLinuxOptions: {}", wrongs.join("; "));
    Some(Violation::new("seLinuxOptions", detail))
}

fn seccomp(pod: &Pod<'_>) -> Option<Violation> {
    if pod.version < 19 { seccomp_annotations(pod) } else { seccomp_fields(pod) }
}

/// Who sets a profile that is none of the harmless ones.
pub(super) fn seccomp_fields(pod: &Pod<'_>) -> Option<Violation> {
    let (own, names, values) = forbidden_values(
        pod,
        |context| context.has("seccompProfile").then(|| context.at("seccompProfile").text("type")),
        |it| matches!(it, "RuntimeDefault" | "Localhost"),
    );
    let detail =
        format!("{} must not set securityContext.seccompProfile.type to {}", setters(own, &names)?, quoted(values));
    Some(Violation::new("seccompProfile", detail))
}

fn seccomp_annotations(pod: &Pod<'_>) -> Option<Violation> {
    let own = "seccomp.security.alpha.kubernetes.io/pod".to_owned();
    let of_containers =
        pod.containers().map(|it| format!("container.seccomp.security.alpha.kubernetes.io/{}", it.text("name")));
    let fine = |it: &str| matches!(it, "runtime/default" | "docker/default") || it.starts_with("localhost/");
    let wrong =
        |key: String| pod.annotations.at(&key).as_str().filter(|it| !fine(it)).map(|it| format!("{key}={it:?}"));
    let all: BTreeSet<String> = std::iter::once(own).chain(of_containers).filter_map(wrong).collect();
    (!all.is_empty()).then(|| {
        let what = plural("annotation", "annotations", all.len());
        let listed = all.into_iter().collect::<Vec<_>>().join(", ");
        Violation::new("seccompProfile", format!("forbidden {what} {listed}"))
    })
}

/// The sysctls that bear on nobody else, with the minor since which they are known as such.
const SYSCTLS: &[(&str, u8)] = &[
    ("kernel.shm_rmid_forced", 0),
    ("net.ipv4.ip_local_port_range", 0),
    ("net.ipv4.tcp_syncookies", 0),
    ("net.ipv4.ping_group_range", 0),
    ("net.ipv4.ip_unprivileged_port_start", 0),
    ("net.ipv4.ip_local_reserved_ports", 27),
    ("net.ipv4.tcp_keepalive_time", 29),
    ("net.ipv4.tcp_fin_timeout", 29),
    ("net.ipv4.tcp_keepalive_intvl", 29),
    ("net.ipv4.tcp_keepalive_probes", 29),
    ("net.ipv4.tcp_rmem", 32),
    ("net.ipv4.tcp_wmem", 32),
];

fn sysctls(pod: &Pod<'_>) -> Option<Violation> {
    let safe = |name: &str| SYSCTLS.iter().any(|(it, since)| *it == name && pod.version >= *since);
    let set = context(pod.spec).items("sysctls").iter().map(|it| it.text("name"));
    let unsafe_ones: Vec<&str> = set.filter(|it| !safe(it)).collect();
    (!unsafe_ones.is_empty()).then(|| Violation::new("forbidden sysctls", unsafe_ones.join(", ")))
}

fn host_process(pod: &Pod<'_>) -> Option<Violation> {
    let set = |it: &Value| context(it).at("windowsOptions").flag("hostProcess");
    let guilty = setters(set(pod.spec), &pod.guilty(set))?;
    let detail = format!("{guilty} must not set securityContext.windowsOptions.hostProcess=true");
    Some(Violation::new("hostProcess", detail))
}

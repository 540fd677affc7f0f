use super::*;
use serde_json::json;

fn texts(level: Level, version: u8, spec: Value) -> Vec<String> {
    let policy = Policy { level, version: Some(version) };
    evaluate(&policy, 36, &json!({"metadata": {}, "spec": spec})).iter().map(ToString::to_string).collect()
}

#[test]
fn a_plain_pod_is_not_restricted() {
    assert_eq!(
        texts(Level::Restricted, 25, json!({"containers": [{"name": "c"}]})),
        [
            "allowPrivilegeEscalation != false (container \"c\" must set \
             securityContext.allowPrivilegeEscalation=false)",
            "unrestricted capabilities (container \"c\" must set securityContext.capabilities.drop=[\"ALL\"])",
            "runAsNonRoot != true (pod or container \"c\" must set securityContext.runAsNonRoot=true)",
            "seccompProfile (pod or container \"c\" must set securityContext.seccompProfile.type to \
             \"RuntimeDefault\" or \"Localhost\")",
        ]
    );
    assert!(texts(Level::Baseline, 36, json!({"containers": [{"name": "c"}]})).is_empty());
}

#[test]
fn a_hardened_pod_is_restricted() {
    let context =
        json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}});
    let spec = json!({
        "containers": [{"name": "c", "securityContext": context}],
        "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
        "volumes": [{"name": "v", "emptyDir": {}}],
    });
    assert!(texts(Level::Restricted, 36, spec).is_empty());
}

#[test]
fn ways_out_are_not_baseline() {
    let spec = json!({
        "hostNetwork": true, "hostPID": true,
        "securityContext": {
            "sysctls": [{"name": "kernel.x"}, {"name": "net.ipv4.tcp_rmem"}],
            "seLinuxOptions": {"type": "foo", "user": "u"},
            "seccompProfile": {"type": "Unconfined"},
            "appArmorProfile": {"type": "Unconfined"},
            "windowsOptions": {"hostProcess": true},
        },
        "volumes": [{"name": "v", "hostPath": {"path": "/"}}],
        "initContainers": [{"name": "i", "ports": [{"hostPort": 80}]}],
        "containers": [{
            "name": "c",
            "ports": [{"hostPort": 81}],
            "livenessProbe": {"httpGet": {"host": "h"}},
            "securityContext": {"privileged": true, "procMount": "Unmasked", "capabilities": {"add": ["B", "A", "KILL"]}},
        }],
    });
    let want = [
        "forbidden AppArmor profile (pod must not set AppArmor profile type to \"Unconfined\")",
        "non-default capabilities (container \"c\" must not include \"A\", \"B\" in securityContext.capabilities.add)",
        "host namespaces (hostNetwork=true, hostPID=true)",
        "hostPath volumes (volume \"v\")",
        "hostPort (containers \"i\", \"c\" use hostPorts 80, 81)",
        "probe or lifecycle host (container \"c\" uses probe or lifecycle host \"h\")",
        "privileged (container \"c\" must not set securityContext.privileged=true)",
        "procMount (container \"c\" must not set securityContext.procMount to \"Unmasked\")",
        "seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: type \"foo\"; user may not be set)",
        "seccompProfile (pod must not set securityContext.seccompProfile.type to \"Unconfined\")",
        "forbidden sysctls (kernel.x)",
        "hostProcess (pod must not set securityContext.windowsOptions.hostProcess=true)",
    ];
    assert_eq!(texts(Level::Baseline, 36, spec.clone()), want);
    assert!(texts(Level::Baseline, 31, spec).contains(&"forbidden sysctls (kernel.x, net.ipv4.tcp_rmem)".to_owned()));
}

#[test]
fn volumes_are_named_with_their_types() {
    let spec =
        json!({"volumes": [{"name": "a", "nfs": {}}, {"name": "b", "hostPath": {}}, {"name": "c", "secret": {}}]});
    assert_eq!(
        texts(Level::Restricted, 36, spec),
        ["restricted volume types (volumes \"a\", \"b\" use restricted volume types \"hostPath\", \"nfs\")"]
    );
}

#[test]
fn own_users_and_windows_relax_rules() {
    let spec = json!({
        "hostUsers": false, "os": {"name": "windows"},
        "containers": [{"name": "c", "securityContext": {"runAsUser": 0, "procMount": "Unmasked"}}],
    });
    assert_eq!(texts(Level::Restricted, 36, spec.clone()).len(), 1);
    assert!(texts(Level::Baseline, 36, spec.clone()).is_empty());
    assert_eq!(texts(Level::Restricted, 34, spec.clone()).len(), 3);
    assert_eq!(texts(Level::Restricted, 24, spec).len(), 6);
}

#[test]
fn only_some_changes_matter() {
    let pod = |image: &str, privileged: bool| json!({"spec": {"containers": [{"image": image, "securityContext": {"privileged": privileged}}]}});
    assert!(!matters(&pod("a", true), &pod("b", true)));
    assert!(matters(&pod("a", true), &pod("a", false)));
}

//! Which secrets a pod may use, where its account insists.

use k8s_kinds::value::Look;
use serde_json::Value;

const INSISTS: &str = "kubernetes.io/enforce-mountable-secrets";

/// Whether an account's pods may use only what the account names.
fn insists(account: &Value) -> bool {
    let said = account.look(&["metadata", "annotations", INSISTS]).as_str().unwrap_or_default();
    matches!(said, "1" | "t" | "T" | "TRUE" | "true" | "True")
}

/// What is wrong with a pod's use of secrets.
pub(super) fn judge(account: &Value, pod: &Value) -> Result<(), String> {
    if !insists(account) {
        return Ok(());
    }
    let spec = pod.at("spec");
    let name = account.at("metadata").text("name");
    for secret in spec.items("volumes").iter().map(|it| it.at("secret")).filter(|it| it.is_object()) {
        let secret = secret.text("secretName");
        if !mountable(account, secret) {
            return Err(format!(
                "volume with secret.secretName=\"{secret}\" is not allowed because service account {name} does not \
                 reference that secret"
            ));
        }
    }
    judge_containers(account, "init container", spec.items("initContainers"))?;
    judge_containers(account, "container", spec.items("containers"))?;
    let pull: Vec<&str> = account.items("imagePullSecrets").iter().map(|it| it.text("name")).collect();
    for (index, secret) in spec.items("imagePullSecrets").iter().map(|it| it.text("name")).enumerate() {
        if !pull.contains(&secret) {
            return Err(format!(
                "imagePullSecrets[{index}].name=\"{secret}\" is not allowed because service account {name} does not \
                 reference that imagePullSecret"
            ));
        }
    }
    Ok(())
}

/// What is wrong with a pod's ephemeral containers.
pub(super) fn judge_ephemeral(account: &Value, pod: &Value) -> Result<(), String> {
    if !insists(account) {
        return Ok(());
    }
    judge_containers(account, "ephemeral container", pod.at("spec").items("ephemeralContainers"))
}

fn mountable(account: &Value, secret: &str) -> bool {
    account.items("secrets").iter().any(|it| it.text("name") == secret)
}

fn judge_containers(account: &Value, what: &str, containers: &[Value]) -> Result<(), String> {
    let why = |secret: &str| {
        let name = account.at("metadata").text("name");
        format!(
            "referencing secret.secretName=\"{secret}\" is not allowed because service account {name} does not \
             reference that secret"
        )
    };
    for container in containers {
        let name = container.text("name");
        for variable in container.items("env") {
            let secret = variable.look(&["valueFrom", "secretKeyRef"]);
            if secret.is_object() && !mountable(account, secret.text("name")) {
                let variable = variable.text("name");
                return Err(format!("{what} {name} with envVar {variable} {}", why(secret.text("name"))));
            }
        }
        for secret in container.items("envFrom").iter().map(|it| it.at("secretRef")).filter(|it| it.is_object()) {
            if !mountable(account, secret.text("name")) {
                return Err(format!("{what} {name} with envFrom {}", why(secret.text("name"))));
            }
        }
    }
    Ok(())
}

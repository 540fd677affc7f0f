//! Who may do what, and who says so.

use crate::column::{AGE, Column, NAME, field};
use crate::printer::Layout;
use crate::view::{Context, NONE, View, join};
use k8s_types::age;
use serde_json::Value;

pub(super) static ROLE_BINDING: Layout = Layout::new(
    &[
        NAME,
        Column::new("Role", field!("rbac.v1.RoleBinding", "roleRef")),
        AGE,
        Column::text("Users", "Which users have the role.").wide(),
        Column::text("Groups", "Which groups have the role.").wide(),
        Column::text("ServiceAccounts", "Which service accounts have the role.").wide(),
    ],
    binding,
);

pub(super) static CLUSTER_ROLE_BINDING: Layout = Layout::new(
    &[
        NAME,
        Column::new("Role", field!("rbac.v1.ClusterRoleBinding", "roleRef")),
        AGE,
        Column::text("Users", "Which users have the role everywhere.").wide(),
        Column::text("Groups", "Which groups have the role everywhere.").wide(),
        Column::text("ServiceAccounts", "Which service accounts have the role everywhere.").wide(),
    ],
    binding,
);

pub(super) static SIGNING_REQUEST: Layout = Layout::new(
    &[
        NAME,
        AGE,
        Column::new("SignerName", field!("certificates.v1.CertificateSigningRequestSpec", "signerName")),
        Column::new("Requestor", field!("certificates.v1.CertificateSigningRequestSpec", "request")),
        Column::new("RequestedDuration", field!("certificates.v1.CertificateSigningRequestSpec", "expirationSeconds")),
        Column::new("Condition", field!("certificates.v1.CertificateSigningRequestStatus", "conditions")),
    ],
    signing_request,
);

pub(super) static TRUST_BUNDLE: Layout = Layout::new(
    &[NAME, Column::new("SignerName", field!("certificates.v1beta1.ClusterTrustBundleSpec", "signerName"))],
    |it, _| vec![it.name(), it.at("spec").at("signerName").text_or(NONE).into()],
);

pub(super) static POD_CERTIFICATE: Layout = Layout::new(
    &[
        NAME,
        Column::new("PodName", field!("certificates.v1beta1.PodCertificateRequestSpec", "podName")),
        Column::new(
            "ServiceAccountName",
            field!("certificates.v1beta1.PodCertificateRequestSpec", "serviceAccountName"),
        ),
        Column::new("NodeName", field!("certificates.v1beta1.PodCertificateRequestSpec", "nodeName")),
        Column::new("SignerName", field!("certificates.v1beta1.PodCertificateRequestSpec", "signerName")),
        Column::text("State", "Whether a certificate was issued."),
    ],
    |it, _| {
        let spec = |name: &str| Value::from(it.at("spec").at(name).text());
        let conditions = it.at("status").at("conditions");
        let state = ["Denied", "Failed", "Issued"].into_iter().find(|kind| conditions.of_type(kind).is_set());
        vec![
            it.name(),
            spec("podName"),
            spec("serviceAccountName"),
            spec("nodeName"),
            spec("signerName"),
            state.unwrap_or("Pending").into(),
        ]
    },
);

/// Only 1.24 still has these.
pub(super) static POD_SECURITY_POLICY: Layout = Layout::new(
    &[
        NAME,
        Column::new("Priv", field!("policy.v1beta1.PodSecurityPolicySpec", "privileged")),
        Column::new("Caps", field!("policy.v1beta1.PodSecurityPolicySpec", "allowedCapabilities")),
        Column::new("SELinux", field!("policy.v1beta1.PodSecurityPolicySpec", "seLinux")),
        Column::new("RunAsUser", field!("policy.v1beta1.PodSecurityPolicySpec", "runAsUser")),
        Column::new("FsGroup", field!("policy.v1beta1.PodSecurityPolicySpec", "fsGroup")),
        Column::new("SupGroup", field!("policy.v1beta1.PodSecurityPolicySpec", "supplementalGroups")),
        Column::new("ReadOnlyRootFs", field!("policy.v1beta1.PodSecurityPolicySpec", "readOnlyRootFilesystem")),
        Column::new("Volumes", field!("policy.v1beta1.PodSecurityPolicySpec", "volumes")),
    ],
    security_policy,
);

fn binding(it: View<'_>, context: &Context) -> Vec<Value> {
    let (role, subjects) = (it.at("roleRef"), it.at("subjects"));
    let names = |kind: &'static str| {
        let of_kind = subjects.list().filter(move |it| it.at("kind").text() == kind);
        Value::from(join(of_kind.map(|it| it.at("name").text()), ", "))
    };
    let accounts = subjects.list().filter(|it| it.at("kind").text() == "ServiceAccount");
    let accounts: Vec<String> =
        accounts.map(|it| format!("{}/{}", it.at("namespace").text(), it.at("name").text())).collect();
    vec![
        it.name(),
        format!("{}/{}", role.at("kind").text(), role.at("name").text()).into(),
        it.age(context),
        names("User"),
        names("Group"),
        join(accounts.iter().map(String::as_str), ", ").into(),
    ]
}

fn signing_request(it: View<'_>, context: &Context) -> Vec<Value> {
    let (spec, seconds) = (it.at("spec"), it.at("spec").at("expirationSeconds"));
    let duration = match seconds.is_set() {
        true => age::human(i128::from(seconds.number()) * 1_000_000_000),
        false => NONE.to_owned(),
    };
    vec![
        it.name(),
        it.age(context),
        spec.at("signerName").text_or(NONE).into(),
        spec.at("username").text().into(),
        duration.into(),
        decision(it.at("status")).into(),
    ]
}

fn decision(status: View<'_>) -> String {
    let has = |kind| status.at("conditions").of_type(kind).is_set();
    let mut text = if has("Denied") {
        "Denied"
    } else if has("Approved") {
        "Approved"
    } else {
        "Pending"
    }
    .to_owned();
    if has("Failed") {
        text.push_str(",Failed");
    }
    if !status.at("certificate").text().is_empty() {
        text.push_str(",Issued");
    }
    text
}

fn security_policy(it: View<'_>, _: &Context) -> Vec<Value> {
    let spec = it.at("spec");
    let rule = |name: &str| Value::from(spec.at(name).at("rule").text());
    let is = |name: &str| spec.at(name).flag() == Some(true);
    vec![
        it.name(),
        is("privileged").to_string().into(),
        spec.at("allowedCapabilities").joined().into(),
        rule("seLinux"),
        rule("runAsUser"),
        rule("fsGroup"),
        rule("supplementalGroups"),
        is("readOnlyRootFilesystem").into(),
        spec.at("volumes").joined().into(),
    ]
}

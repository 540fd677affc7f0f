//! Objects that a later minor judges otherwise than 1.20 did, one by one.

use serde_json::Value;

/// A file's scenario and case, and the causes that are told now: reason, field, and a part of the message.
type Verdict = (&'static str, &'static str, &'static [(&'static str, &'static str, &'static str)]);

const VERDICTS: &[Verdict] = &[
    // Unknown words are told with the known ones.
    (
        "validation/pod",
        "bad termination policy",
        &[(
            "FieldValueNotSupported",
            "spec.containers[0].terminationMessagePolicy",
            "\"File\", \"FallbackToLogsOnError\"",
        )],
    ),
    (
        "validation/service",
        "externalTrafficPolicy bad",
        &[("FieldValueNotSupported", "spec.externalTrafficPolicy", "\"Cluster\", \"Local\"")],
    ),
    // The port that must follow the other is named, not the one it must follow.
    (
        "validation/pod",
        "hostNetwork port mismatch",
        &[(
            "FieldValueInvalid",
            "spec.containers[0].ports[0].hostPort",
            "must match `containerPort` when `hostNetwork` is true",
        )],
    ),
    // 1.32: anything that prints may be in a variable's name; a sign of equality still may not.
    (
        "validation/pod",
        "env bad name",
        &[("FieldValueInvalid", "spec.containers[0].env[0].name", "printable ASCII characters other than '='")],
    ),
    // 1.29: sidecars.
    (
        "validation/pod",
        "init with readiness",
        &[(
            "FieldValueForbidden",
            "spec.initContainers[0].readinessProbe",
            "may not be set for init containers without restartPolicy=Always",
        )],
    ),
    (
        "validation/pod",
        "init with lifecycle",
        &[(
            "FieldValueForbidden",
            "spec.initContainers[0].lifecycle",
            "may not be set for init containers without restartPolicy=Always",
        )],
    ),
    // 1.20 dropped them, its gate was off.
    (
        "validation/pod",
        "ephemeralContainers at create",
        &[("FieldValueForbidden", "spec.ephemeralContainers", "cannot be set on create")],
    ),
    // Every range is told by itself.
    (
        "validation/service",
        "sourceRanges bad",
        &[("FieldValueInvalid", "spec.LoadBalancerSourceRanges[0]", "must be a valid CIDR value")],
    ),
    // A dot is told by itself.
    ("validation/namespace", "dot", &[("FieldValueInvalid", "metadata.name", "must not contain dots")]),
    // 1.21: the name is a label, too.
    (
        "validation/namespace",
        "64",
        &[
            ("FieldValueInvalid", "metadata.name", "must be no more than 63 "),
            ("FieldValueInvalid", "metadata.labels", "must be no more than 63 bytes"),
        ],
    ),
    // The sentence about all of a node's spec is gone.
    (
        "validation/node",
        "update: podCIDR",
        &[("FieldValueForbidden", "spec.podCIDRs", "node updates may not change podCIDR except from \"\" to valid")],
    ),
    (
        "validation/node",
        "update: providerID",
        &[(
            "FieldValueForbidden",
            "spec.providerID",
            "node updates may not change providerID except from \"\" to valid",
        )],
    ),
    // 1.22: one pod alone.
    (
        "validation/persistentvolumeclaim",
        "bad mode",
        &[("FieldValueNotSupported", "spec.accessModes", "\"ReadWriteOncePod\"")],
    ),
    // 1.32: a claim without capacity may shrink; that it is unbound still counts.
    (
        "validation/persistentvolumeclaim",
        "update: shrink",
        &[("FieldValueForbidden", "spec", "except resources.requests and volumeAttributesClassName for bound claims")],
    ),
    // 1.22: a surge may stand for it.
    (
        "validation/daemonset",
        "maxUnavailable 0",
        &[("FieldValueRequired", "spec.updateStrategy.rollingUpdate.maxUnavailable", "cannot be 0 when maxSurge is 0")],
    ),
];

/// Whether a newer verdict is known of a case, and whether `body` is it.
pub fn verdict(scenario: &str, case: &str, body: &Value) -> Option<bool> {
    let (_, _, causes) = VERDICTS.iter().find(|(name, it, _)| (*name, *it) == (scenario, case))?;
    let found = body["details"]["causes"].as_array().cloned().unwrap_or_default();
    let is = |(reason, field, part): &(&str, &str, &str)| {
        found.iter().any(|it| {
            it["reason"] == *reason
                && it["field"] == *field
                && it["message"].as_str().is_some_and(|it| it.contains(part))
        })
    };
    Some(found.len() == causes.len() && causes.iter().all(is))
}

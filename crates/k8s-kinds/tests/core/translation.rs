//! From the words of 1.20 to those of 1.34.

/// Cases that later minors judge otherwise, each with what they say, as [`Told::short`] has it.
pub const NEWER: &[(&str, &str, &[&str])] = &[
    // Unknown words are told with the known ones.
    (
        "pod",
        "bad termination policy",
        &[
            "FieldValueNotSupported spec.containers[0].terminationMessagePolicy Unsupported value \"File\", \"FallbackToLogsOnError\"",
        ],
    ),
    (
        "service",
        "externalTrafficPolicy bad",
        &["FieldValueNotSupported spec.externalTrafficPolicy Unsupported value \"Cluster\", \"Local\""],
    ),
    // The port that must follow the other is named, not the one it must follow.
    (
        "pod",
        "hostNetwork port mismatch",
        &[
            "FieldValueInvalid spec.containers[0].ports[0].hostPort Invalid value must match `containerPort` when `hostNetwork` is true",
        ],
    ),
    // 1.32: anything that prints may be in a variable's name; a sign of equality still may not.
    (
        "pod",
        "env bad name",
        &[
            "FieldValueInvalid spec.containers[0].env[0].name Invalid value a valid environment variable name must consist only of printable ASCII characters other than '='",
        ],
    ),
    // 1.29: sidecars.
    (
        "pod",
        "init with readiness",
        &[
            "FieldValueForbidden spec.initContainers[0].readinessProbe Forbidden may not be set for init containers without restartPolicy=Always",
        ],
    ),
    (
        "pod",
        "init with lifecycle",
        &[
            "FieldValueForbidden spec.initContainers[0].lifecycle Forbidden may not be set for init containers without restartPolicy=Always",
        ],
    ),
    // 1.20 dropped them, its gate was off.
    (
        "pod",
        "ephemeralContainers at create",
        &["FieldValueForbidden spec.ephemeralContainers Forbidden cannot be set on create"],
    ),
    // 1.22: what was given out and is left out stays.
    ("service", "update: clusterIP clear", &[]),
    // Every range is told by itself.
    (
        "service",
        "sourceRanges bad",
        &[
            "FieldValueInvalid spec.LoadBalancerSourceRanges[0] Invalid value must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)",
        ],
    ),
    // A dot is told by itself.
    ("namespace", "dot", &["FieldValueInvalid metadata.name Invalid value must not contain dots"]),
    // 1.21: the name is a label, too.
    (
        "namespace",
        "64",
        &[
            "FieldValueInvalid metadata.name Invalid value must be no more than 63 characters",
            "FieldValueInvalid metadata.labels Invalid value must be no more than 63 bytes",
        ],
    ),
    // The sentence about all of a node's spec is gone.
    (
        "node",
        "update: podCIDR",
        &["FieldValueForbidden spec.podCIDRs Forbidden node updates may not change podCIDR except from \"\" to valid"],
    ),
    (
        "node",
        "update: providerID",
        &[
            "FieldValueForbidden spec.providerID Forbidden node updates may not change providerID except from \"\" to valid",
        ],
    ),
    // 1.22: one pod alone.
    (
        "persistentvolumeclaim",
        "bad mode",
        &[
            "FieldValueNotSupported spec.accessModes Unsupported value \"ReadOnlyMany\", \"ReadWriteMany\", \"ReadWriteOnce\", \"ReadWriteOncePod\"",
        ],
    ),
    // 1.32: a claim without capacity may shrink; that it is unbound still counts.
    (
        "persistentvolumeclaim",
        "update: shrink",
        &[
            "FieldValueForbidden spec Forbidden spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims",
        ],
    ),
];

/// Texts that were reworded, from what 1.20 says to what 1.34 says.
const REWORDED: &[(&str, &str)] = &[
    ("name must not be empty", "must not be empty"),
    ("uid must not be empty", "must not be empty"),
    ("in references for x and y", "in references for X/x and X/y"),
    ("less than or equal to cpu limit", "less than or equal to cpu limit of 1"),
    ("less than or equal to memory limit", "less than or equal to memory limit of 1Gi"),
    ("equal to example.com/gpu limit", "equal to example.com/gpu limit of 2"),
    ("must contain at least one letter or number (a-z, 0-9)", "must contain at least one letter (a-z)"),
    ("must be valid IP address", "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"),
    ("must be valid CIDR", "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"),
    (
        "match regex ([a-z0-9]([-_a-z0-9]*[a-z0-9])?\\.)*[a-z0-9]([-_a-z0-9]*[a-z0-9])?",
        "match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$",
    ),
    (
        "`spec.containers[*].image`, `spec.initContainers[*].image`, `spec.activeDeadlineSeconds` or `spec.tolerations` (only \
         additions to existing tolerations)",
        "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only \
         additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was \
         previously negative)",
    ),
    (
        "ExternalTrafficPolicy can only be set on NodePort and LoadBalancer service",
        "may only be set for externally-accessible services",
    ),
    (
        "HealthCheckNodePort can only be set on LoadBalancer service with ExternalTrafficPolicy=Local",
        "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
    ),
    ("element [0] must match clusterIP", "first value must match `clusterIP`"),
    ("(127.0.0.0/8)", "(127.0.0.0/8, ::1/128)"),
    ("(169.254.0.0/16)", "(169.254.0.0/16, fe80::/10)"),
    ("(224.0.0.0/24)", "(224.0.0.0/24, ff02::/10)"),
    (
        "except resources.requests for bound claims",
        "except resources.requests and volumeAttributesClassName for bound claims",
    ),
    ("must have at most 1048576 bytes", "may not be more than 1048576 bytes"),
    ("must have at most 262144 bytes", "may not be more than 262144 bytes"),
];

/// Paths that were written otherwise.
const RENAMED: &[(&str, &str)] = &[
    ("data[%s][", "data["),
    ("spec.hostAliases.ip", "spec.hostAliases[0].ip"),
    ("spec.hostAliases.hostnames", "spec.hostAliases[0].hostnames[0]"),
];

/// What other parts of the server say, so that it can't be told by the kind.
pub const ELSEWHERE: &[(&str, &str)] = &[
    // Who gives out addresses and ports.
    ("service", "nodePort out of range"),
    ("service", "clusterIP outside range"),
    ("service", "clusterIP taken"),
    ("service", "ipFamily IPv6"),
    ("service", "RequireDualStack"),
    ("service-nodeport-conflict", "nodePort taken"),
    ("service-nodeport-conflict", "nodePort taken other protocol"),
    ("service-nodeport-conflict", "clusterIP taken"),
];

/// One error, to be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Reason, field, kind of error and the last part of the sentence.
    pub short: String,
    /// Reason, field and the whole sentence, but for what follows its first line: how a difference is shown is free.
    pub whole: String,
    /// Whether the sentence shows a value in the syntax of Go, which later minors write as JSON.
    go: bool,
}

impl Told {
    pub fn new(reason: &str, field: &str, message: &str) -> Self {
        let (mut message, mut field) = (message.split('\n').next().unwrap_or_default().to_owned(), field.to_owned());
        for (old, new) in REWORDED {
            if old.contains(new) || !message.contains(new) {
                message = message.replace(old, new);
            }
        }
        for (old, new) in RENAMED {
            field = field.replace(old, new);
        }
        let head = message.split(':').next().unwrap_or_default();
        let tail = message.rsplit(": ").next().unwrap_or_default();
        let tail = if message.matches(": ").count() > 1 || head == "Forbidden" { tail } else { "" };
        let go = ["core.", "v1.", "Quantity{", "[]", "map[", "(nil)", "\"null\""].iter().any(|it| message.contains(it));
        Self { short: format!("{reason} {field} {head} {tail}"), whole: format!("{reason} {field} {message}"), go }
    }

    /// Whether what was found says what was recorded.
    pub fn says(&self, recorded: &Self) -> bool {
        if recorded.go { self.short == recorded.short } else { self.whole == recorded.whole }
    }
}

//! What is not replayed, and why.

/// Why a step is not replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// It needs custom resources.
    CustomResources,
    /// It needs controllers, or a scheduler.
    Controllers,
    /// It needs admission webhooks.
    Webhooks,
    /// It is about a beta version or a resource that is gone.
    Removed,
    /// It is data for tests of a codec, not for replay.
    CodecData,
}

impl Reason {
    /// In words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::CustomResources => "needs a feature of a later issue: custom resources",
            Self::Controllers => "needs a feature of a later issue: controllers",
            Self::Webhooks => "needs a feature of a later issue: admission webhooks",
            Self::Removed => "a beta API that was removed",
            Self::CodecData => "data for tests of the codec, with the recorded values",
        }
    }
}

/// A row: the file, the scenario and the step's note (a trailing `*` stands for the rest, and alone for all), the
/// reason.
type Skip = (&'static str, &'static str, &'static str, Reason);

const SKIPS: &[Skip] = &[
    ("controller-*", "*", "*", Reason::Controllers),
    ("fresh-with-controller-manager", "*", "*", Reason::Controllers),
    ("crd*", "*", "*", Reason::CustomResources),
    ("machinery-crd", "*", "*", Reason::CustomResources),
    ("ssa-crd", "*", "*", Reason::CustomResources),
    ("ssa-matrix", "*", "*", Reason::CustomResources),
    ("patch-json-crd", "*", "*", Reason::CustomResources),
    ("strict", "*", "*", Reason::CustomResources),
    ("protobuf", "*", "*", Reason::CodecData),
    ("kind-defaults", "defaults/certificatesigningrequest", "v1beta1 defaults", Reason::Removed),
    ("managedfields", "update-through-other-version", "*", Reason::Removed),
    ("admission-plugins", "admission/webhook-unreachable", "*", Reason::Webhooks),
];

/// Why a step is skipped, or nothing.
pub fn reason(file: &str, scenario: &str, step: &str) -> Option<Reason> {
    let matches = |pattern: &str, text: &str| match pattern.strip_suffix('*') {
        Some(start) => text.starts_with(start),
        None => text == pattern,
    };
    SKIPS
        .iter()
        .find(|(files, scenarios, steps, _)| {
            matches(files, file) && matches(scenarios, scenario) && matches(steps, step)
        })
        .map(|(.., reason)| *reason)
}

#[test]
fn patterns_match_from_the_start() {
    assert_eq!(reason("controller-job", "a", ""), Some(Reason::Controllers));
    assert_eq!(reason("crd", "a", "b"), Some(Reason::CustomResources));
    assert_eq!(reason("crud", "create", "x"), None);
}

//! What API servers answered, asked of a registry with the plugins.
//!
//! The records are of 1.20; what newer servers say instead is listed in [`crate::replay`].

use crate::replay::Replay;

/// The scenarios that are about plugins, with how many of their steps are compared in 1.25 and in 1.34.
const SCENARIOS: &[(&str, usize, usize)] = &[
    ("admission/limitranger", 14, 14),
    ("admission/resourcequota", 24, 24),
    ("admission/resourcequota-scopes", 12, 12),
    ("admission/serviceaccount", 16, 16),
    ("admission/priority", 13, 13),
    ("admission/namespacelifecycle", 14, 14),
    ("admission/storage", 19, 19),
    ("admission/ingressclass-runtimeclass", 13, 13),
    ("admission/noderestriction-and-node-authorizer", 40, 40),
    ("defaults/pod", 18, 18),
    ("defaults/persistentvolumeclaim", 2, 2),
    ("defaults/persistentvolume", 2, 2),
    ("defaults/node", 2, 2),
    ("defaults/ingress", 2, 2),
    ("defaults/priorityclass", 2, 2),
    ("defaults/certificatesigningrequest", 1, 1),
];

async fn replay(minor: u8, pick: fn(&(&'static str, usize, usize)) -> usize) {
    for scenario in SCENARIOS {
        let compared = Replay::new(minor).await.run(scenario.0).await;
        assert_eq!(compared, pick(scenario), "{} in 1.{minor}: compared steps", scenario.0);
    }
}

#[tokio::test]
async fn answers_are_those_of_1_25() {
    replay(25, |it| it.1).await;
}

#[tokio::test]
async fn answers_are_those_of_1_34() {
    replay(34, |it| it.2).await;
}

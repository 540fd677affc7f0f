//! A chart's whole life, with helm of several releases.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::cluster::Cluster;

/// Those that `.ci/kube-clients` brings.
const PROGRAMS: [&str; 3] = ["helm-3.9", "helm-3.17", "helm-4.2"];

/// Each must succeed; what it prints must have these words.
const LIFE: &[(&str, &str)] = &[
    ("helm create chart", "Creating chart"),
    ("helm install web chart -n $NS --create-namespace", "STATUS: deployed"),
    ("helm list -n $NS", "chart-0.1.0"),
    ("helm upgrade web chart -n $NS --set replicaCount=3,ingress.enabled=true", "REVISION: 2"),
    ("kubectl -n $NS get deployment,ingress,serviceaccount -l app.kubernetes.io/instance=web -o name", "ingress"),
    ("kubectl -n $NS get deployment web-chart -o jsonpath={.spec.replicas}", "3"),
    ("helm get values web -n $NS", "replicaCount: 3"),
    ("helm rollback web 1 -n $NS", "Rollback was a success"),
    ("kubectl -n $NS get deployment web-chart -o jsonpath={.spec.replicas}", "1"),
    ("kubectl -n $NS get ingress -o name | wc -l", "0"),
    ("helm history web -n $NS", "Rollback to 1"),
    ("helm template other chart -n $NS | kubectl -n $NS apply --dry-run=server -f -", "(server dry run)"),
    ("helm uninstall web -n $NS", "release \"web\" uninstalled"),
    ("kubectl -n $NS get deployment,service,secret -o name | wc -l", "0"),
];

#[test]
fn a_chart_is_installed_upgraded_rolled_back_and_removed() {
    let cluster = Cluster::new("eu-central-2", "charts", "1.34");
    let config = cluster.with_token();
    let (cluster, config) = (&cluster, &config);
    std::thread::scope(|scope| {
        for program in PROGRAMS {
            scope.spawn(move || {
                let mut shell = cluster.shell("helm", program, config);
                let namespace = program.replace('.', "-");
                for (command, words) in LIFE {
                    let (code, printed) = shell.run(&command.replace("$NS", &namespace));
                    let printed = printed.join("\n");
                    assert!(code == 0 && printed.contains(words), "{program}: $ {command}\n{printed}\n[exit {code}]");
                }
            });
        }
    });
}

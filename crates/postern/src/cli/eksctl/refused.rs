//! What eksctl has and this command line has not: refused by name.

use crate::cli::error::CliError;
use std::ffi::OsString;

/// eksctl's groups of commands that are not served at all.
const GROUPS: &[&str] = &[
    "anywhere",
    "associate",
    "deregister",
    "disassociate",
    "drain",
    "enable",
    "generate",
    "info",
    "register",
    "scale",
    "set",
    "unset",
    "update",
    "upgrade",
];

/// eksctl's resources besides clusters, in the forms that it takes.
const RESOURCES: &[&str] = &[
    "accessentry",
    "accessentries",
    "addon",
    "addons",
    "capability",
    "capabilities",
    "fargateprofile",
    "fargateprofiles",
    "iamidentitymapping",
    "iamidentitymappings",
    "iamserviceaccount",
    "iamserviceaccounts",
    "identityprovider",
    "labels",
    "nodegroup",
    "nodegroups",
    "ng",
    "podidentityassociation",
    "podidentityassociations",
];

/// eksctl's utilities that are not served.
const UTILITIES: &[&str] = &[
    "associate-iam-oidc-provider",
    "describe-addon-configuration",
    "describe-addon-versions",
    "describe-cluster-versions",
    "describe-stacks",
    "enable-secrets-encryption",
    "install-vpc-controllers",
    "migrate-to-access-entry",
    "migrate-to-pod-identity",
    "nodegroup-health",
    "schema",
    "update-authentication-mode",
    "update-auto-mode-config",
    "update-aws-node",
    "update-cluster-logging",
    "update-coredns",
    "update-kube-proxy",
    "update-legacy-subnet-settings",
    "update-zonal-shift-config",
    "write-kubeconfig",
];

/// The refusal of a word that is no command of ours.
pub fn group(words: &[OsString]) -> CliError {
    let word = first(words);
    if GROUPS.contains(&word.as_str()) {
        return CliError::told(format!(
            "`{word}` is eksctl's, and not served here yet: see `postern --help` for what is"
        ));
    }
    CliError::told(format!("there is no command {word:?}: see `postern --help` for what there is"))
}

/// The refusal of a word under `create`, `get`, `delete` or `utils`.
pub fn resource(verb: &str, words: &[OsString]) -> CliError {
    let word = first(words);
    if verb == "utils" && word == "write-kubeconfig" {
        return CliError::told(
            "`utils write-kubeconfig` is not served: `aws eks update-kubeconfig --name NAME` writes the same entry",
        );
    }
    let known = if verb == "utils" { UTILITIES } else { RESOURCES };
    if known.contains(&word.as_str()) {
        let served = if verb == "utils" { "the endpoint utilities are" } else { "only clusters are" };
        return CliError::told(format!("`{verb} {word}` is not served yet: {served}"));
    }
    CliError::told(format!("there is no `{verb} {word}`: see `postern {verb} --help` for what there is"))
}

fn first(words: &[OsString]) -> String {
    words.first().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::run;

    #[test]
    fn what_eksctl_has_besides_is_refused_by_name() {
        for verb in ["create", "get", "delete"] {
            for it in RESOURCES {
                let ran = run(&format!("postern {verb} {it} --cluster x --name y"));
                assert_eq!(ran.failure(), format!("Error: `{verb} {it}` is not served yet: only clusters are"));
            }
        }
        for it in UTILITIES {
            let ran = run(&format!("postern utils {it} --cluster x"));
            assert!(ran.failure().contains(&format!("`utils {it}` is not served")), "{}", ran.err);
        }
        for it in GROUPS {
            let ran = run(&format!("postern {it} nodegroup --name x"));
            assert!(ran.failure().contains(&format!("`{it}` is eksctl's")), "{}", ran.err);
        }
    }

    #[test]
    fn what_nobody_has_is_told_apart() {
        assert!(run("postern fly").failure().contains("there is no command \"fly\""));
        assert!(run("postern create castle").failure().contains("there is no `create castle`"));
    }
}

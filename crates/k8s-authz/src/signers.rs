//! Who may approve and sign certificates for a signer.

use crate::attributes::{Attributes, Authorizer, User};
use k8s_types::Status;
use k8s_types::status::{GroupResource, quote};

const GROUP: &str = "certificates.k8s.io";

/// What may be done for a signer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Approve or deny requests.
    Approve,
    /// Write certificates.
    Sign,
    /// Publish its trust anchors.
    Attest,
}

impl Act {
    fn verb(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Sign => "sign",
            Self::Attest => "attest",
        }
    }
}

/// Whether `user` may act for the signer of this name, by its own name or as one of its domain's (`example.com/*`).
pub fn may(authorizer: &dyn Authorizer, user: &User, act: Act, signer: &str) -> bool {
    let ask = |name: &str| {
        let asked = Attributes { name, version: "*", ..Attributes::resource(user, act.verb(), GROUP, "signers") };
        authorizer.decide(&asked).allowed
    };
    ask(signer) || signer.split_once('/').is_some_and(|(domain, _)| ask(&format!("{domain}/*")))
}

/// The answer to a write of the CertificateSigningRequest `name` by someone who may not act for its signer.
pub fn refusal(act: Act, name: &str, signer: &str) -> Status {
    let why = format!("user not permitted to {} requests with signerName {}", act.verb(), quote(signer));
    Status::forbidden(GroupResource { group: GROUP, resource: "certificatesigningrequests" }, name, &why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rbac::Rules;
    use serde_json::json;

    #[test]
    fn a_domain_stands_for_its_signers() {
        let user = User { name: "me".to_owned(), ..User::default() };
        for (names, signer, want) in [
            (json!(["a.io/x"]), "a.io/x", true),
            (json!(["a.io/*"]), "a.io/x", true),
            (json!(["a.io/y"]), "a.io/x", false),
            (json!(["b.io/*"]), "a.io/x", false),
            (json!([]), "a.io/x", true),
        ] {
            let mut rules = Rules::new();
            let rule =
                json!({"apiGroups": [GROUP], "resources": ["signers"], "verbs": ["sign"], "resourceNames": names});
            rules.put(&json!({"kind": "ClusterRole", "metadata": {"name": "r"}, "rules": [rule]}));
            rules.put(&json!({
                "kind": "ClusterRoleBinding",
                "metadata": {"name": "b"},
                "roleRef": {"kind": "ClusterRole", "name": "r"},
                "subjects": [{"kind": "User", "name": "me"}],
            }));
            assert_eq!(may(&rules, &user, Act::Sign, signer), want, "{rule}");
            assert!(!may(&rules, &user, Act::Approve, signer));
        }
    }
}

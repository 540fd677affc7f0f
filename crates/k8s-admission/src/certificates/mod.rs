//! CertificateApproval, CertificateSigning and CertificateSubjectRestriction: who may do what to a certificate request
//! follows from its signer. And who asks for a certificate is written into the request.

mod subject;

use crate::SharedAuthorizer;
use crate::step::{Outcome, does, forbidden, is_about, user_of};
use k8s_authz::signers::{Act, may, refusal};
use k8s_kinds::value::{Look, object_made, remove, same, set};
use k8s_registry::admission::{Admission, Attempt, Operation};
use serde_json::{Value, json};

const GROUP: &str = "certificates.k8s.io";
const REQUESTS: &str = "certificatesigningrequests";
/// The signer of certificates that say who their bearer is to the API server.
const CLIENTS: &str = "kubernetes.io/kube-apiserver-client";

/// Writes into a request who asks.
pub struct CertificateRequester;

impl Admission for CertificateRequester {
    fn change(&self, attempt: &Attempt<'_>, object: &mut Value, _old: Option<&Value>) -> Outcome {
        if !does(attempt, Operation::Create, GROUP, REQUESTS) {
            return Ok(());
        }
        let Some(spec) = object_made(object, "spec") else { return Ok(()) };
        let asker = &attempt.asker;
        let fields = [
            ("username", json!(asker.name)),
            ("uid", json!(asker.uid)),
            ("groups", json!(asker.groups)),
            ("extra", json!(asker.extra)),
        ];
        for (field, value) in fields {
            if k8s_kinds::value::is_empty(&value) { remove(spec, field) } else { set(spec, field, value) }
        }
        Ok(())
    }
}

/// CertificateApproval: requests are approved and denied by those who may for their signer.
pub struct CertificateApproval {
    authorizer: SharedAuthorizer,
}

impl CertificateApproval {
    /// The plugin.
    pub fn new(authorizer: SharedAuthorizer) -> Self {
        Self { authorizer }
    }
}

impl Admission for CertificateApproval {
    fn check(&self, attempt: &Attempt<'_>, _object: &Value, old: Option<&Value>) -> Outcome {
        let Some(old) = old.filter(|_| changes(attempt, "approval")) else { return Ok(()) };
        authorize(attempt, &self.authorizer, Act::Approve, old)
    }
}

/// CertificateSigning: certificates are written by those who may sign for their signer.
pub struct CertificateSigning {
    authorizer: SharedAuthorizer,
}

impl CertificateSigning {
    /// The plugin.
    pub fn new(authorizer: SharedAuthorizer) -> Self {
        Self { authorizer }
    }
}

impl Admission for CertificateSigning {
    fn check(&self, attempt: &Attempt<'_>, object: &Value, old: Option<&Value>) -> Outcome {
        let Some(old) = old.filter(|_| changes(attempt, "status")) else { return Ok(()) };
        let unchanged = |field: &str| same(object.at("status").at(field), old.at("status").at(field));
        if unchanged("certificate") && unchanged("conditions") {
            return Ok(());
        }
        authorize(attempt, &self.authorizer, Act::Sign, old)
    }
}

/// CertificateSubjectRestriction: no certificate makes anybody the cluster's master.
pub struct CertificateSubjectRestriction;

impl Admission for CertificateSubjectRestriction {
    fn check(&self, attempt: &Attempt<'_>, object: &Value, _old: Option<&Value>) -> Outcome {
        let spec = object.at("spec");
        if !does(attempt, Operation::Create, GROUP, REQUESTS) || spec.text("signerName") != CLIENTS {
            return Ok(());
        }
        match subject::organizations(spec.text("request")) {
            None => Err(forbidden(attempt, object, "failed to parse CSR: PEM block type must be CERTIFICATE REQUEST")),
            Some(organizations) if organizations.iter().any(|it| it == k8s_authz::attributes::MASTERS) => {
                let why = format!("use of {CLIENTS} signer with system:masters group is not allowed");
                Err(forbidden(attempt, object, why))
            }
            Some(_) => Ok(()),
        }
    }
}

fn changes(attempt: &Attempt<'_>, subresource: &str) -> bool {
    attempt.operation == Operation::Update && attempt.subresource == subresource && is_about(attempt, GROUP, REQUESTS)
}

fn authorize(attempt: &Attempt<'_>, authorizer: &SharedAuthorizer, act: Act, request: &Value) -> Outcome {
    let user = user_of(&attempt.asker);
    let signer = request.at("spec").text("signerName");
    if may(&**authorizer, &user, act, signer) { Ok(()) } else { Err(Box::new(refusal(act, attempt.name, signer))) }
}

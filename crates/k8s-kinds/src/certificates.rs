//! The group `certificates.k8s.io`: asking for certificates.
//!
//! Who asks is the API server's to fill in (`spec.username`, `uid`, `groups`, `extra`).

use crate::checks::one_of;
use crate::kind::{Context, Kind};
use crate::value::{Look, copy_field, object_made, set, set_default};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_types::{Errors, FieldError, Path, names};
use serde_json::{Value, json};

const LEGACY: &str = "kubernetes.io/legacy-unknown";
const SHORTEST: i64 = 600;
const LONGEST_SIGNER: usize = 571;
const USAGES: &[&str] = &[
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
];

/// CertificateSigningRequest: a request that a signer answers once it is approved.
pub(crate) struct CertificateSigningRequest;

impl Kind for CertificateSigningRequest {
    fn default(&self, object: &mut Value, _cx: &Context<'_>) {
        set_default(object, "status", json!({}));
    }

    fn prepare_for_create(&self, object: &mut Value, _cx: &Context<'_>) {
        set(object, "status", json!({}));
    }

    /// The main path changes neither what was asked for nor what became of it.
    fn prepare_for_update(&self, object: &mut Value, old: &Value, _cx: &Context<'_>) {
        copy_field(object, old, "spec");
        copy_field(object, old, "status");
    }

    /// A signer adds its certificate and its own conditions; decisions stay those that were made.
    fn prepare_for_status_update(&self, object: &mut Value, old: &Value, cx: &Context<'_>) {
        copy_field(object, old, "spec");
        let decided = |it: &&Value| ["Approved", "Denied"].contains(&it.text("type"));
        let before = old.at("status").items("conditions").iter().filter(decided);
        let new = object.at("status").items("conditions").iter().filter(|it| !decided(it));
        let conditions: Vec<Value> = before.chain(new).cloned().collect();
        if let Some(status) = object_made(object, "status") {
            if conditions.is_empty() {
                crate::value::remove(status, "conditions");
            } else {
                set(status, "conditions", conditions);
            }
        }
        stamp_conditions(object, cx);
    }

    fn validate(&self, object: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        let (spec, path) = (object.at("spec"), Path::new("spec"));
        if !is_certificate_request(spec.text("request")) {
            let why = "PEM block type must be CERTIFICATE REQUEST";
            errors.push(FieldError::invalid(&path.child("request"), spec.at("request").clone(), why));
        }
        validate_usages(&mut errors, spec, &path.child("usages"));
        let (signer, signer_path) = (spec.text("signerName"), path.child("signerName"));
        if signer == LEGACY {
            let why = "the legacy signerName is not allowed via this API version";
            errors.push(FieldError::invalid(&signer_path, signer, why));
        } else {
            validate_signer(&mut errors, signer, &signer_path);
        }
        if let Some(seconds) = spec.opt_int("expirationSeconds").filter(|it| *it < SHORTEST) {
            let why = "may not specify a duration less than 600 seconds (10 minutes)";
            errors.push(FieldError::invalid(&path.child("expirationSeconds"), seconds, why));
        }
        validate_conditions(&mut errors, object);
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        validate_conditions(&mut errors, object);
        decisions_stay(&mut errors, object, old, false);
        errors
    }

    fn validate_status_update(&self, object: &Value, old: &Value, _cx: &Context<'_>) -> Errors {
        let mut errors = Errors::new();
        validate_conditions(&mut errors, object);
        decisions_stay(&mut errors, object, old, false);
        let (new, before) = (object.at("status").text("certificate"), old.at("status").text("certificate"));
        if new != before {
            let path = Path::new("status.certificate");
            if !before.is_empty() {
                errors.push(FieldError::forbidden(&path, "updates may not modify existing certificate content"));
            } else if let Some(why) = certificate_fault(new) {
                errors.push(FieldError::invalid(&path, "<certificate data>", &why));
            }
        }
        errors
    }
}

/// What a write to `/approval` keeps from `old`: all but the conditions. Conditions get the times that they lack.
pub fn prepare_approval(object: &mut Value, old: &Value, cx: &Context<'_>) {
    copy_field(object, old, "spec");
    let conditions = object.at("status").at("conditions").clone();
    copy_field(object, old, "status");
    if let Some(status) = object_made(object, "status") {
        set(status, "conditions", conditions);
    }
    stamp_conditions(object, cx);
}

/// What is wrong with a write to `/approval`.
pub fn validate_approval(object: &Value, old: &Value) -> Errors {
    let mut errors = Errors::new();
    validate_conditions(&mut errors, object);
    decisions_stay(&mut errors, object, old, true);
    errors
}

fn stamp_conditions(object: &mut Value, cx: &Context<'_>) {
    let Some(status) = object_made(object, "status") else { return };
    for condition in crate::value::items_mut(status, "conditions") {
        for field in ["lastUpdateTime", "lastTransitionTime"] {
            set_default(condition, field, cx.now);
        }
    }
}

fn validate_usages(errors: &mut Errors, spec: &Value, path: &Path) {
    if spec.items("usages").is_empty() {
        errors.push(FieldError::required(path, "usages must be provided"));
    }
    let usages: Vec<&str> = spec.texts("usages").collect();
    for (index, usage) in usages.iter().enumerate() {
        if !USAGES.contains(usage) {
            errors.push(FieldError::not_supported(&path.index(index), *usage, USAGES));
        }
        if usages.iter().take(index).any(|other| other == usage) {
            errors.push(FieldError::duplicate(&path.index(index), *usage));
        }
    }
}

/// A domain and a path: `example.com/signer-name`.
fn validate_signer(errors: &mut Errors, signer: &str, path: &Path) {
    if signer.is_empty() {
        errors.push(FieldError::required(path, "signerName must be provided"));
        return;
    }
    let parts: Vec<&str> = signer.split('/').collect();
    let [domain, name] = parts.as_slice() else {
        let why = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
        errors.push(FieldError::invalid(path, signer, why));
        return;
    };
    if domain.len() > names::SUBDOMAIN_MAX {
        errors.push(FieldError::too_long(path, names::SUBDOMAIN_MAX));
    }
    for label in domain.split('.') {
        for fault in names::dns1123_label(label) {
            errors.push(FieldError::invalid(path, *domain, &format!("validating label {label:?}: {fault}")));
        }
    }
    if !domain.contains('.') {
        let why = "should be a domain with at least two segments separated by dots";
        errors.push(FieldError::invalid(path, *domain, why));
    }
    for label in name.split('.') {
        for fault in names::dns1123_label(label) {
            errors.push(FieldError::invalid(path, *name, &format!("validating label {label:?}: {fault}")));
        }
    }
    if signer.len() > LONGEST_SIGNER {
        errors.push(FieldError::too_long(path, LONGEST_SIGNER));
    }
}

fn validate_conditions(errors: &mut Errors, object: &Value) {
    let (conditions, path) = (object.at("status").items("conditions"), Path::new("status.conditions"));
    for (index, condition) in conditions.iter().enumerate() {
        let (kind, path) = (condition.text("type"), path.index(index));
        let before = || conditions.iter().take(index).map(|it| it.text("type"));
        if kind.is_empty() {
            errors.push(FieldError::required(&path.child("type"), ""));
        } else if before().any(|other| other == kind) {
            errors.push(FieldError::duplicate(&path.child("type"), kind));
        }
        let excluded = match kind {
            "Approved" => "Denied",
            "Denied" => "Approved",
            _ => "",
        };
        if !excluded.is_empty() && before().any(|other| other == excluded) {
            let why = "Approved and Denied conditions are mutually exclusive";
            errors.push(FieldError::invalid(&path.child("type"), kind, why));
        }
        match (kind, condition.text("status")) {
            (_, "") => errors.push(FieldError::required(&path.child("status"), "")),
            ("Approved" | "Denied" | "Failed", _) => one_of(errors, condition, &path, "status", &["True"]),
            _ => one_of(errors, condition, &path, "status", &["True", "False", "Unknown"]),
        }
    }
}

/// What was decided stays decided; only `/approval` decides.
fn decisions_stay(errors: &mut Errors, object: &Value, old: &Value, may_decide: bool) {
    let has = |it: &Value, kind: &str| it.at("status").items("conditions").iter().any(|it| it.text("type") == kind);
    let path = Path::new("status.conditions");
    for kind in ["Approved", "Denied", "Failed"] {
        let (new, before) = (has(object, kind), has(old, kind));
        if before && !new {
            let why = format!("updates may not remove a condition of type {kind:?}");
            errors.push(FieldError::forbidden(&path, &why));
        }
        if kind != "Failed" && new && !before && !may_decide {
            let why = format!("updates may not add a condition of type {kind:?}");
            errors.push(FieldError::forbidden(&path, &why));
        }
    }
}

/// The labels and contents of the PEM blocks in a text, as far as they can be read; headers are told.
fn pem_blocks(text: &str) -> Vec<(&str, bool, Vec<u8>)> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("-----BEGIN ") {
        let Some((label, after)) = after.split_once("-----") else { break };
        let Some((body, after)) = after.split_once(&format!("-----END {label}-----")) else { break };
        let headers = body.contains(':');
        let packed: String = body
            .lines()
            .filter(|line| !line.contains(':'))
            .flat_map(str::chars)
            .filter(|c| !c.is_whitespace())
            .collect();
        if let Ok(der) = STANDARD.decode(packed) {
            blocks.push((label, headers, der));
        }
        rest = after;
    }
    blocks
}

fn decoded(field: &str) -> String {
    STANDARD.decode(field).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}

/// Whether a field has a PKCS#10 request in PEM.
fn is_certificate_request(field: &str) -> bool {
    let text = decoded(field);
    let blocks = pem_blocks(&text);
    matches!(blocks.first(), Some((label, _, der)) if is_request_label(label) && der.first() == Some(&0x30))
}

fn is_request_label(label: &str) -> bool {
    label == "CERTIFICATE REQUEST"
}

fn certificate_fault(field: &str) -> Option<String> {
    if field.is_empty() {
        return None;
    }
    let text = decoded(field);
    let blocks = pem_blocks(&text);
    for (label, headers, der) in &blocks {
        if *label != "CERTIFICATE" {
            return Some(format!("only CERTIFICATE PEM blocks are allowed, found {label:?}"));
        }
        if *headers {
            return Some("no PEM block headers are permitted".to_owned());
        }
        if der.first() != Some(&0x30) {
            return Some("found CERTIFICATE PEM block containing 0 certificates".to_owned());
        }
    }
    blocks.is_empty().then(|| "must contain at least one CERTIFICATE PEM block".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem(label: &str) -> String {
        STANDARD.encode(format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode([0x30, 0])))
    }

    #[test]
    fn pem_is_read() {
        assert!(is_certificate_request(&pem("CERTIFICATE REQUEST")));
        assert!(!is_certificate_request(&pem("CERTIFICATE")) && !is_certificate_request("eHh4"));
        assert_eq!(certificate_fault(&pem("CERTIFICATE")), None);
        assert!(certificate_fault("eHh4").is_some() && certificate_fault(&pem("KEY")).is_some());
    }

    #[test]
    fn decisions_are_made_once_and_at_their_place() {
        let cx = Context { minor: 34, version: "v1", now: "2026-01-01T00:00:00Z" };
        let old = json!({"spec": {"signerName": "a.b/c"}, "status": {}});
        let approved = json!({"type": "Approved", "status": "True"});
        let mut new = json!({"spec": {}, "status": {"conditions": [approved], "certificate": "x"}});
        prepare_approval(&mut new, &old, &cx);
        let stamped =
            json!({"type": "Approved", "status": "True", "lastUpdateTime": cx.now, "lastTransitionTime": cx.now});
        assert_eq!(new, json!({"spec": {"signerName": "a.b/c"}, "status": {"conditions": [stamped]}}));
        assert!(validate_approval(&new, &old).is_empty());
        assert_eq!(validate_approval(&old, &new).len(), 1);
        assert_eq!(CertificateSigningRequest.validate_status_update(&new, &old, &cx).len(), 1);
        let mut signed = json!({"status": {"certificate": pem("CERTIFICATE")}});
        CertificateSigningRequest.prepare_for_status_update(&mut signed, &new, &cx);
        assert_eq!(signed.at("status").items("conditions"), [stamped]);
        assert!(CertificateSigningRequest.validate_status_update(&signed, &new, &cx).is_empty());
        assert_eq!(CertificateSigningRequest.validate_status_update(&new, &signed, &cx).len(), 1);
    }
}

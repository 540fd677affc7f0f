//! What real API servers said, said again.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not so")]

use base::KubernetesVersion;
use jiff::Timestamp;
use k8s_authn::impersonation::{Check, NoUser};
use k8s_authn::review::{self, Outcome};
use k8s_authn::service_account::{self, Live};
use k8s_authn::token_request::{BoundKind, Policy};
use k8s_authn::{Impersonation, KeySet, Signer, TokenError, TokenRequest, UserInfo, Verifier, oidc};
use serde_json::{Value, json};
use std::fs;

const ISSUER: &str = "https://issuer.example";
const NOW: i64 = 1_700_000_000;

fn scenarios(file: &str) -> Vec<Value> {
    let path = format!("{}/../../tests/golden/{file}.jsonl", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn scenario(file: &str, name: &str) -> Value {
    scenarios(file).into_iter().find(|it| it["name"] == name).unwrap()
}

/// The oldest servers that this is for; the records are older, but not different in what is compared.
fn version() -> KubernetesVersion {
    KubernetesVersion::new(24)
}

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

fn policy() -> Policy {
    Policy {
        issuer: ISSUER.to_owned(),
        audiences: vec![ISSUER.to_owned()],
        longest_seconds: None,
        extended_seconds: Some(k8s_authn::token_request::EXTENDED_SECONDS),
    }
}

fn account() -> Value {
    json!({"metadata": {"name": "default", "namespace": "gz-t", "uid": "sa-uid"}})
}

fn pod() -> Value {
    json!({"metadata": {"name": "p", "uid": "uid-of-p"}, "spec": {"serviceAccountName": "default"}})
}

/// As the API would do it: what is there is the account `default` and the pod `p`.
fn request_token(signer: &Signer, path: &str, body: &Value) -> Result<Value, Value> {
    let name = path.split('/').nth(6).unwrap();
    let not_found = |resource, name| {
        let it = k8s_types::status::GroupResource { group: "", resource };
        k8s_types::Status::not_found(it, name).to_value()
    };
    let no = |status: Box<k8s_types::Status>| status.to_value();
    let request = TokenRequest::read(body, "gz-t", name, &policy()).map_err(no)?;
    if name != "default" {
        return Err(not_found("serviceaccounts", name));
    }
    request.validate(version(), &account()).map_err(no)?;
    let binding = match request.bound_object(version()).map_err(no)? {
        None => None,
        Some((BoundKind::Pod, "p")) => Some(request.bind(BoundKind::Pod, &pod(), None).map_err(no)?),
        Some((_, name)) => return Err(not_found("pods", name)),
    };
    let granted = request.grant(version(), (&policy(), signer), &account(), binding, now(), "jti").map_err(no)?;
    Ok(granted.object)
}

fn verifier(signer: &Signer) -> Verifier {
    let keys = KeySet::new([signer.public().clone()]);
    Verifier { keys, issuers: vec![ISSUER.to_owned()], audiences: vec![ISSUER.to_owned()] }
}

/// The claims of a token, for comparing.
fn payload(token: &str) -> (Value, Value) {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let part = |at: usize| {
        let bytes = URL_SAFE_NO_PAD.decode(token.split('.').nth(at).unwrap()).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    };
    (part(0), part(1))
}

#[test]
fn tokens_are_granted_and_refused_as_recorded() {
    let signer = Signer::generate().unwrap();
    let record = scenario("admission-authz", "authz/tokens");
    let mut seen = 0;
    for step in record["steps"].as_array().unwrap() {
        let path = step["request"]["path"].as_str().unwrap();
        if !path.ends_with("/token") {
            continue;
        }
        seen += 1;
        let case = &step["case"];
        let want = &step["response"]["body"];
        match request_token(&signer, path, &step["request"]["body"]) {
            Ok(mut object) => {
                assert_eq!(object["status"]["expirationTimestamp"], "2023-11-14T23:13:20Z");
                object["status"] = want["status"].clone();
                assert_eq!(object["metadata"]["name"], "default", "since 1.24");
                object["metadata"] = want["metadata"].clone();
                assert_eq!(object.to_string(), want.to_string(), "{case}");
            }
            Err(status) => {
                assert_eq!(status.to_string(), want.to_string(), "{case}");
            }
        }
    }
    assert_eq!(seen, 9);
}

#[test]
fn a_token_says_what_is_recorded() {
    let signer = Signer::generate().unwrap();
    let record = scenario("admission-authz", "authz/tokens");
    let example = &record["jwt_example"];
    let body = json!({"spec": {"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "p"}}});
    let object = request_token(&signer, "/api/v1/namespaces/gz-t/serviceaccounts/default/token", &body).unwrap();
    let (header, mut claims) = payload(object["status"]["token"].as_str().unwrap());
    assert_eq!(header, json!({"alg": "RS256", "kid": signer.public().id()}));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), example["exp_minus_iat"]);
    for time in ["exp", "iat", "nbf"] {
        claims[time] = json!("<epoch>");
    }
    claims["kubernetes.io"]["pod"]["uid"] = json!("<uid>");
    claims["kubernetes.io"]["serviceaccount"]["uid"] = json!("<uid>");
    assert_eq!(claims.to_string(), example["claims"].to_string());
}

/// The answer to a review of `token`, where the account and the pod are there.
fn review_of(verifier: &Verifier, body: &Value, api_version: &str) -> Value {
    let question = match review::question(body) {
        Ok(question) => question,
        Err(status) => return status.to_value(),
    };
    let alice = UserInfo {
        name: "alice".to_owned(),
        uid: "alice".to_owned(),
        groups: vec!["dev".to_owned()],
        ..UserInfo::default()
    };
    let admitted = |found: k8s_authn::verify::Verified| {
        let (account, pod) = (account(), pod());
        let live = Live { service_account: Some(&account), pod: Some(&pod), ..Live::default() };
        let admitted = service_account::check(version(), question.token, &found.claims, &live, now())?;
        Ok((admitted.user.authenticated(), found.audiences))
    };
    let found: Result<Option<(UserInfo, Vec<String>)>, TokenError> = if question.token == "tok-alice" {
        Ok(Some((alice.authenticated(), vec![ISSUER.to_owned()])))
    } else {
        verifier.verify(question.token, now(), &question.audiences).and_then(|it| it.map(admitted).transpose())
    };
    let outcome = match &found {
        Ok(Some((user, audiences))) => Outcome::Known(user, audiences),
        Ok(None) => Outcome::Unknown,
        Err(error) => Outcome::Refused(error),
    };
    review::answer(version(), api_version, body, &outcome)
}

#[test]
fn reviews_are_answered_as_recorded() {
    let signer = Signer::generate().unwrap();
    let verifier = verifier(&signer);
    let path = "/api/v1/namespaces/gz-t/serviceaccounts/default/token";
    let plain = request_token(&signer, path, &json!({"spec": {}})).unwrap();
    let of_pod = json!({"spec": {"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "p"}}});
    let of_pod = request_token(&signer, path, &of_pod).unwrap();
    let record = scenario("admission-authz", "authz/tokens");
    let mut seen = 0;
    for step in record["steps"].as_array().unwrap() {
        if !step["request"]["path"].as_str().unwrap().ends_with("/tokenreviews") {
            continue;
        }
        seen += 1;
        let case = step["case"].as_str().unwrap();
        let token = if case.contains("pod") { &of_pod } else { &plain }["status"]["token"].as_str().unwrap();
        let text = step["request"]["body"].to_string().replace("<token>", token);
        let answer = review_of(&verifier, &serde_json::from_str(&text).unwrap(), "authentication.k8s.io/v1");
        let text = answer.to_string().replace(token, "<token>").replace("sa-uid", "<uid>").replace("uid-of-p", "<uid>");
        // The order of spec's members is that of the request.
        let (answer, want): (Value, &Value) = (serde_json::from_str(&text).unwrap(), &step["response"]["body"]);
        assert_eq!(answer["status"].to_string(), want["status"].to_string(), "{case}");
        assert_eq!(&answer, want, "{case}");
    }
    assert_eq!(seen, 7);
}

#[test]
fn a_cluster_describes_its_tokens_as_recorded() {
    let record = scenario("fresh-misc", "fresh/path /.well-known/openid-configuration");
    let want = &record["steps"][0]["response"]["body"];
    let uri = want["jwks_uri"].as_str().unwrap();
    assert_eq!(oidc::configuration(ISSUER, uri).to_string(), want.to_string());
    let signer = Signer::generate().unwrap();
    let jwks = oidc::jwks(&KeySet::new([signer.public().clone()]));
    let members: Vec<&String> = jwks["keys"][0].as_object().unwrap().keys().collect();
    assert_eq!(members, ["use", "kty", "kid", "alg", "n", "e"]);
}

/// Who may do what in the record: `admin` all, `mallory` be jane.
fn may(asker: &str, check: &Check) -> Result<(), Value> {
    let Check::Part(part) = check else { panic!("no narrower way in 1.24") };
    if asker == "admin" || (asker == "mallory" && part.resource == "users" && part.name == "jane") {
        return Ok(());
    }
    let subresource = if part.subresource.is_empty() { String::new() } else { format!("/{}", part.subresource) };
    let scope = match part.namespace.as_str() {
        "" => "at the cluster scope".to_owned(),
        namespace => format!("in the namespace \"{namespace}\""),
    };
    let why = format!(
        "User \"{asker}\" cannot {} resource \"{}{subresource}\" in API group \"{}\" {scope}",
        part.verb, part.resource, part.group
    );
    let it = k8s_types::status::GroupResource { group: part.group, resource: part.resource };
    Err(k8s_types::Status::forbidden(it, &part.name, &why).to_value())
}

#[test]
fn acting_as_others_is_refused_as_recorded() {
    let mut refused = 0;
    let mut acting = 0;
    for record in [scenario("admission-authz", "authz/impersonation"), scenario("errors", "auth-errors")] {
        for step in record["steps"].as_array().unwrap() {
            let Some(headers) = step["request"]["headers"].as_object() else { continue };
            let headers: Vec<(String, &str)> = headers
                .iter()
                .filter_map(|(name, value)| Some((name.to_ascii_lowercase(), value.as_str()?)))
                .filter(|(name, _)| Impersonation::is_header(name))
                .collect();
            if headers.is_empty() {
                continue;
            }
            let asker = match (step["as"]["user"].as_str(), step["request"]["user"].as_str()) {
                (Some(user), _) => user,
                (None, Some(_)) => "bob",
                (None, None) => "admin",
            };
            let (path, want) = (step["request"]["path"].as_str().unwrap(), &step["response"]["body"]);
            let headers = headers.iter().map(|(name, value)| (name.as_str(), *value));
            match Impersonation::from_headers(version(), headers) {
                Err(NoUser::Fault(text)) => {
                    assert_eq!(json!(NoUser::page(path, &text)), *want);
                    refused += 1;
                }
                Err(NoUser::BadRequest(_)) | Ok(None) => panic!("{step}"),
                Ok(Some(wish)) => {
                    let user = UserInfo { name: asker.to_owned(), ..UserInfo::default() };
                    match wish.resolve(version(), &user, |check| may(asker, check)) {
                        Err(status) => {
                            assert_eq!(status.to_string(), want.to_string());
                            refused += 1;
                        }
                        Ok(attempt) => {
                            let name = &attempt.user.name;
                            let told = want["message"].as_str().is_none_or(|it| it.contains(&format!("\"{name}\"")));
                            assert!(told, "{want} names {name}");
                            acting += 1;
                        }
                    }
                }
            }
        }
    }
    assert_eq!((refused, acting), (9, 7));
}

//! Tokens from their making to their end.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not so")]

use base::KubernetesVersion;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use k8s_authn::claims::{Binding, Lifetime, Reference};
use k8s_authn::service_account::{self, INVALID_SINCE, LAST_USED, Live, Needed};
use k8s_authn::token_request::{self, BoundKind, INJECTED_SECONDS, Policy};
use k8s_authn::verify::{LONGEST_TOKEN, Verified};
use k8s_authn::{Claims, KeySet, Signer, TokenError, TokenRequest, Verifier};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::LazyLock;

const ISSUER: &str = "https://oidc.example/id/1";
const API: &str = "https://kubernetes.default.svc";
const NOW: i64 = 1_700_000_000;

static SIGNER: LazyLock<Signer> = LazyLock::new(|| Signer::generate().unwrap());

fn version(minor: u8) -> KubernetesVersion {
    KubernetesVersion::new(minor)
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn verifier_of(signers: &[&Signer]) -> Verifier {
    let keys = KeySet::new(signers.iter().map(|it| it.public().clone()));
    Verifier { keys, issuers: vec![ISSUER.to_owned()], audiences: vec![API.to_owned()] }
}

fn verifier() -> Verifier {
    verifier_of(&[&SIGNER])
}

fn claims(minor: u8, binding: Option<Binding>) -> Claims {
    let account = ("ns", Reference::new("sa", "sa-uid"));
    let lifetime = Lifetime { seconds: 3600, warn_after: None };
    Claims::bound(version(minor), ISSUER, account, binding, vec![API.to_owned()], (at(NOW), lifetime), "the-id")
}

fn object(name: &str, uid: &str) -> Value {
    json!({"metadata": {"name": name, "uid": uid}})
}

fn deleted(name: &str, uid: &str, second: i64) -> Value {
    json!({"metadata": {"name": name, "uid": uid, "deletionTimestamp": at(second).to_string()}})
}

fn verify(token: &str) -> Result<Option<Verified>, TokenError> {
    verifier().verify(token, at(NOW), &[])
}

#[test]
fn a_token_is_good_for_its_time_and_its_audience() {
    let token = SIGNER.sign(&claims(36, None)).unwrap();
    let good = verify(&token).unwrap().unwrap();
    assert_eq!(good.claims, claims(36, None));
    assert_eq!(good.audiences, [API]);
    let verifier = verifier();
    let result = |second| verifier.verify(&token, at(second), &[]).map(|it| it.is_some());
    assert_eq!(result(NOW - 60), Ok(true), "clocks differ");
    assert_eq!(result(NOW - 61), Err(TokenError::NotYetValid));
    assert_eq!(result(NOW + 3660), Ok(true));
    assert_eq!(result(NOW + 3661), Err(TokenError::Expired));
    let other = ["zz".to_owned(), API.to_owned()];
    assert_eq!(verifier.verify(&token, at(NOW), &other).unwrap().unwrap().audiences, [API]);
    let error = verifier.verify(&token, at(NOW), &other[..1]).unwrap_err();
    let want = format!("token audiences [\"{API}\"] is invalid for the target audiences [\"zz\"]");
    assert_eq!(error.to_string(), want);
    assert!(verifier.is_addressed(&token));
    assert!(!verifier.is_addressed("k8s-aws-v1.aHR0cHM6"));
}

#[test]
fn times_that_no_clock_shows_are_harmless() {
    for (expires, issued) in [(Some(i64::MAX), Some(i64::MIN)), (None, None), (Some(i64::MAX), Some(0))] {
        let token = SIGNER.sign(&Claims { expires, issued, not_before: issued, ..claims(36, None) }).unwrap();
        assert!(verify(&token).unwrap().is_some());
        assert!(verifier().verify(&token, Timestamp::MAX, &[]).unwrap().is_some());
    }
    let future = Claims { issued: Some(i64::MAX), ..claims(36, None) };
    assert_eq!(verify(&SIGNER.sign(&future).unwrap()), Err(TokenError::IssuedInFuture));
}

#[test]
fn others_tokens_are_nobodys() {
    let other = Claims { issuer: "https://other".to_owned(), ..claims(36, None) };
    let token = SIGNER.sign(&other).unwrap();
    assert_eq!(verify(&token), Ok(None));
    for junk in ["", "junk", "a.b.c", "..", "e30.e30.", "{}.{}.{}", &"a.".repeat(1000), &"x".repeat(LONGEST_TOKEN + 1)]
    {
        assert_eq!(verify(junk), Ok(None), "{junk:.20}");
    }
}

#[test]
fn keys_come_and_go() {
    let next = Signer::generate().unwrap();
    let old = SIGNER.sign(&claims(36, None)).unwrap();
    let new = next.sign(&claims(36, None)).unwrap();
    let both = verifier_of(&[&next, &SIGNER]);
    assert!(both.verify(&old, at(NOW), &[]).unwrap().is_some());
    assert!(both.verify(&new, at(NOW), &[]).unwrap().is_some());
    let after = verifier_of(&[&next]);
    assert_eq!(after.verify(&old, at(NOW), &[]), Err(TokenError::UnknownKey));
    assert!(after.verify(&new, at(NOW), &[]).unwrap().is_some());
}

/// A token with another header, signed anew if `sign`.
fn with_header(token: &str, header: &Value) -> String {
    let (_, rest) = token.split_once('.').unwrap();
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()))
}

#[test]
fn the_algorithm_is_not_the_tokens_to_choose() {
    let token = SIGNER.sign(&claims(36, None)).unwrap();
    let kid = SIGNER.public().id();
    for header in [
        json!({"alg": "none"}),
        json!({"alg": "HS256", "kid": kid}),
        json!({"alg": "RS512", "kid": kid}),
        json!({"alg": "RS256", "kid": kid, "crit": ["exp"]}),
        json!({"alg": "RS256"}),
    ] {
        assert_eq!(verify(&with_header(&token, &header)), Err(TokenError::Signature), "{header}");
    }
    assert_eq!(verify(&with_header(&token, &json!({"alg": "RS256", "kid": "x"}))), Err(TokenError::UnknownKey));
    let unsigned = with_header(&token, &json!({"alg": "none"}));
    let (unsigned, _) = unsigned.rsplit_once('.').unwrap();
    assert_eq!(verify(&format!("{unsigned}.")), Err(TokenError::Signature));
}

#[test]
fn what_a_token_tells_of_its_user_grew_with_the_releases() {
    let (pod, node) = (Reference::new("p", "pod-uid"), Reference::new("n", "node-uid"));
    let claims = |minor| claims(minor, Some(Binding::Pod(pod.clone(), Some(node.clone()))));
    let (account, pod) = (object("sa", "sa-uid"), object("p", "pod-uid"));
    let live = Live { service_account: Some(&account), pod: Some(&pod), ..Live::default() };
    let extra = |minor| {
        let claims = claims(minor);
        let needed = Needed { service_account: "sa", pod: Some("p"), ..Needed::default() };
        assert_eq!(service_account::needed(&claims), needed);
        let admitted = service_account::check(version(minor), "", &claims, &live, at(NOW)).unwrap();
        assert_eq!(admitted.user.groups, ["system:serviceaccounts", "system:serviceaccounts:ns"]);
        json!(admitted.user.extra)
    };
    let old = json!({
        "authentication.kubernetes.io/pod-name": ["p"],
        "authentication.kubernetes.io/pod-uid": ["pod-uid"],
    });
    assert_eq!(extra(29), old);
    let mut new = old;
    new["authentication.kubernetes.io/credential-id"] = json!(["JTI=the-id"]);
    new["authentication.kubernetes.io/node-name"] = json!(["n"]);
    new["authentication.kubernetes.io/node-uid"] = json!(["node-uid"]);
    assert_eq!(extra(30), new);
}

/// What is said of a token bound to `binding` where `live` is what there is.
fn said(minor: u8, binding: Option<Binding>, live: &Live<'_>) -> String {
    match service_account::check(version(minor), "", &claims(minor, binding), live, at(NOW)) {
        Ok(_) => "good".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_token_ends_with_its_account() {
    let check = |account: Option<Value>| {
        let live = Live { service_account: account.as_ref(), ..Live::default() };
        said(36, None, &live)
    };
    assert_eq!(check(Some(object("sa", "sa-uid"))), "good");
    assert_eq!(check(None), "serviceaccounts \"sa\" not found");
    assert_eq!(check(Some(object("sa", "x"))), "service account UID (x) does not match claim (sa-uid)");
    assert_eq!(check(Some(deleted("sa", "sa-uid", NOW - 60))), "good", "clocks differ");
    assert_eq!(check(Some(deleted("sa", "sa-uid", NOW - 61))), "service account ns/sa has been deleted");
}

#[test]
fn a_token_ends_with_what_it_is_bound_to() {
    let account = object("sa", "sa-uid");
    for kind in ["secret", "pod", "node"] {
        let bind = |to| match kind {
            "secret" => Binding::Secret(to),
            "pod" => Binding::Pod(to, None),
            _ => Binding::Node(to),
        };
        let check = |minor, it: Option<Value>| {
            let mut live = Live { service_account: Some(&account), ..Live::default() };
            match kind {
                "secret" => live.secret = it.as_ref(),
                "pod" => live.pod = it.as_ref(),
                _ => live.node = it.as_ref(),
            }
            said(minor, Some(bind(Reference::new("x", "u"))), &live)
        };
        let gone = "service account token has been invalidated";
        assert_eq!(check(36, Some(object("x", "u"))), "good", "{kind}");
        assert_eq!(check(36, None), gone, "{kind}");
        assert_eq!(check(36, Some(deleted("x", "u", NOW - 60))), "good", "{kind}");
        assert_eq!(check(36, Some(deleted("x", "u", NOW - 61))), gone, "{kind}");
        let anew = format!("{kind} UID (v) does not match service account {kind} ref claim (u)");
        assert_eq!(check(36, Some(object("x", "v"))), anew);
        if kind == "node" {
            assert!(check(29, Some(object("x", "u"))).contains("feature gate is disabled"));
        }
    }
}

/// A secret with its token.
fn secret_of(token: &str) -> Value {
    json!({"metadata": {"name": "s", "uid": "s-uid", "labels": {}}, "data": {"token": STANDARD.encode(token)}})
}

#[test]
fn a_secrets_token_lasts_as_long_as_the_secret() {
    let token = SIGNER.sign(&Claims::legacy("ns", Reference::new("sa", "sa-uid"), "s")).unwrap();
    let found = verifier().verify(&token, at(NOW + 1_000_000_000), &[]).unwrap().unwrap();
    assert_eq!(found.audiences, [API]);
    let account = object("sa", "sa-uid");
    let check = |minor, account: &Value, secret: Option<&Value>| {
        let live = Live { service_account: Some(account), secret, ..Live::default() };
        service_account::check(version(minor), &token, &found.claims, &live, at(NOW)).map_err(|it| it.to_string())
    };
    let mut secret = secret_of(&token);
    let good = check(26, &account, Some(&secret)).unwrap();
    assert_eq!((good.user.uid.as_str(), good.last_used, good.warning), ("sa-uid", None, None));
    assert_eq!(check(27, &account, Some(&secret)).unwrap().last_used.as_deref(), Some("2023-11-14"));
    for day in ["2023-11-14", "2023-11-15"] {
        secret["metadata"]["labels"][LAST_USED] = json!(day);
        assert_eq!(check(36, &account, Some(&secret)).unwrap().last_used, None);
    }
    let mut generated = account.clone();
    generated["secrets"] = json!([{"name": "s"}]);
    assert!(check(36, &generated, Some(&secret)).unwrap().warning.is_some());
    assert_eq!(check(36, &account, None).unwrap_err(), "Token has been invalidated");
    assert_eq!(check(36, &account, Some(&secret_of("x"))).unwrap_err(), "Token does not match server's copy");
    let other = check(36, &object("sa", "x"), Some(&secret)).unwrap_err();
    assert_eq!(other, "ServiceAccount UID (x) does not match claim (sa-uid)");
    let gone = check(36, &deleted("sa", "sa-uid", NOW), Some(&secret)).unwrap_err();
    assert_eq!(gone, "ServiceAccount ns/sa has been deleted");
    secret["metadata"]["labels"][INVALID_SINCE] = json!("2023-01-01");
    assert!(check(28, &account, Some(&secret)).is_ok());
    assert!(check(29, &account, Some(&secret)).unwrap_err().contains("has been marked invalid"));
}

#[test]
fn a_secrets_token_says_all() {
    let whole = Claims::legacy("ns", Reference::new("sa", "u"), "s");
    for (broken, text) in [
        (Claims { subject: String::new(), ..whole.clone() }, "sub claim is missing"),
        (Claims { namespace: String::new(), ..whole.clone() }, "namespace claim is missing"),
        (Claims { secret: None, ..whole.clone() }, "secretName claim is missing"),
        (Claims { service_account: Reference::new("sa", ""), ..whole.clone() }, "serviceAccountUID claim is missing"),
        (Claims { service_account: Reference::new("", "u"), ..whole.clone() }, "serviceAccountName claim is missing"),
        (Claims { namespace: "x".to_owned(), ..whole.clone() }, "sub claim is invalid"),
    ] {
        assert_eq!(verify(&SIGNER.sign(&broken).unwrap()).unwrap_err().to_string(), text);
    }
}

fn policy() -> Policy {
    Policy {
        issuer: ISSUER.to_owned(),
        audiences: vec![API.to_owned()],
        longest_seconds: Some(86_400),
        extended_seconds: Some(token_request::EXTENDED_SECONDS),
    }
}

fn grant(spec: &Value, binding: Option<Binding>) -> (token_request::Granted, Claims) {
    let request = TokenRequest::read(&json!({"spec": spec}), "ns", "sa", &policy()).unwrap();
    let account = object("sa", "sa-uid");
    request.validate(version(36), &account).unwrap();
    let granted = request.grant(version(36), (&policy(), &SIGNER), &account, binding, at(NOW), "the-id").unwrap();
    let audiences: Vec<String> = serde_json::from_value(granted.object["spec"]["audiences"].clone()).unwrap();
    let token = granted.object["status"]["token"].as_str().unwrap();
    let claims = verifier().verify(token, at(NOW), &audiences).unwrap().unwrap().claims;
    (granted, claims)
}

#[test]
fn what_was_put_into_a_pod_lives_on() {
    let pod = || Some(Binding::Pod(Reference::new("p", "u"), None));
    let injected = json!({"expirationSeconds": INJECTED_SECONDS});
    let (granted, claims) = grant(&injected, pod());
    assert_eq!(claims.expires, Some(NOW + 365 * 86_400));
    assert_eq!(claims.warn_after, Some(NOW + INJECTED_SECONDS));
    assert_eq!(granted.object["status"]["expirationTimestamp"], "2023-11-14T23:13:27Z");
    assert_eq!(granted.credential_id.as_deref(), Some("JTI=the-id"));
    assert_eq!(granted.warning, None);
    for (spec, binding) in [
        (injected.clone(), None),
        (json!({"expirationSeconds": 3600}), pod()),
        (json!({"expirationSeconds": INJECTED_SECONDS, "audiences": ["x"]}), pod()),
    ] {
        let (_, claims) = grant(&spec, binding);
        assert_eq!(claims.warn_after, None, "{spec}");
        assert!(claims.expires <= Some(NOW + INJECTED_SECONDS));
    }
    let (account, of_pod) = (object("sa", "sa-uid"), object("p", "u"));
    let live = Live { service_account: Some(&account), pod: Some(&of_pod), ..Live::default() };
    let (_, claims) = grant(&injected, pod());
    let stale = |second| service_account::check(version(36), "", &claims, &live, at(second)).unwrap().stale_seconds;
    assert_eq!((stale(NOW + INJECTED_SECONDS), stale(NOW + INJECTED_SECONDS + 5)), (None, Some(5)));
}

#[test]
fn a_request_may_mean_one_account_of_the_name() {
    let answer = |minor, uid: &str| {
        let body = json!({"metadata": {"uid": uid, "labels": {"a": "b"}}});
        let request = TokenRequest::read(&body, "ns", "sa", &policy()).unwrap();
        let account = object("sa", "sa-uid");
        request.validate(version(minor), &account).map_err(|it| it.message.clone())?;
        let granted = request.grant(version(minor), (&policy(), &SIGNER), &account, None, at(NOW), "the-id").unwrap();
        Ok(granted.object["metadata"].clone())
    };
    let old = json!({
        "name": "sa",
        "namespace": "ns",
        "creationTimestamp": "2023-11-14T22:13:20Z",
        "labels": {"a": "b"},
    });
    assert_eq!(answer(33, "x"), Ok(old.clone()));
    let mut new = old;
    new["uid"] = json!("sa-uid");
    assert_eq!(answer(34, ""), Ok(new.clone()));
    assert_eq!(answer(34, "sa-uid"), Ok(new));
    let conflict: Result<Value, String> = Err("Operation cannot be fulfilled on TokenRequest.authentication.k8s.io \
        \"sa\": the UID in the token request (x) does not match the UID of the service account (sa-uid)"
        .to_owned());
    assert_eq!(answer(34, "x"), conflict);
}

#[test]
fn a_long_wish_is_cut() {
    let (granted, claims) = grant(&json!({"expirationSeconds": 100_000}), None);
    assert_eq!(claims.expires, Some(NOW + 86_400));
    assert_eq!(granted.object["spec"]["expirationSeconds"], 86_400);
    let warning = "requested expiration of 100000 seconds shortened to 86400 seconds";
    assert_eq!(granted.warning.as_deref(), Some(warning));
}

#[test]
fn a_request_is_for_one_account_and_one_object() {
    let read = |body: &Value| TokenRequest::read(body, "ns", "sa", &policy()).map_err(|it| it.message.clone());
    let error = read(&json!({"metadata": {"name": "x"}})).unwrap_err();
    assert_eq!(
        error,
        "TokenRequest.authentication.k8s.io \"sa\" is invalid: metadata.name: Invalid value: \"x\": must match the \
         service account name if specified"
    );
    assert!(read(&json!({"metadata": {"namespace": "x"}})).is_err());
    assert!(read(&json!({"spec": {"audiences": [1]}})).is_err());
    assert!(read(&json!({"spec": {"expirationSeconds": "1"}})).is_err());
    let bound = |minor, api_version: &str, kind: &str| {
        let reference = json!({"apiVersion": api_version, "kind": kind, "name": "x"});
        let request = read(&json!({"spec": {"boundObjectRef": reference}})).unwrap();
        let found = request.bound_object(version(minor)).map(|it| it.map(|(kind, name)| (kind, name.to_owned())));
        found.map_err(|it| it.message.clone())
    };
    assert_eq!(bound(36, "v1", "Node"), Ok(Some((BoundKind::Node, "x".to_owned()))));
    assert_eq!(bound(24, "v1", "Secret"), Ok(Some((BoundKind::Secret, "x".to_owned()))));
    assert!(bound(30, "v1", "Node").unwrap_err().contains("feature-gate is disabled"));
    assert_eq!(bound(28, "v1", "Node").unwrap_err(), "cannot bind token to object of type /v1, Kind=Node");
    assert_eq!(bound(36, "apps/v1", "Pod").unwrap_err(), "cannot bind token to object of type apps/v1, Kind=Pod");

    let request = read(&json!({"spec": {"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "x"}}})).unwrap();
    let mut pod = json!({"metadata": {"name": "x", "uid": "u"}, "spec": {"serviceAccountName": "sa", "nodeName": "n"}});
    let reference = || Reference::new("x", "u");
    let nameless = Binding::Pod(reference(), Some(Reference::new("n", "")));
    assert_eq!(request.bind(BoundKind::Pod, &pod, None).unwrap(), nameless);
    let node = object("n", "node-uid");
    let whole = Binding::Pod(reference(), Some(Reference::new("n", "node-uid")));
    assert_eq!(request.bind(BoundKind::Pod, &pod, Some(&node)).unwrap(), whole);
    pod["spec"]["serviceAccountName"] = json!("other");
    assert_eq!(request.bind(BoundKind::Pod, &pod, None).unwrap_err().code, 400);
}

proptest! {
    #[test]
    fn a_changed_token_is_never_good(at_byte in any::<proptest::sample::Index>(), byte in 0u8..128) {
        let token = SIGNER.sign(&claims(36, None)).unwrap();
        let mut changed = token.clone().into_bytes();
        let at_byte = at_byte.index(changed.len());
        changed[at_byte] = byte;
        let changed = String::from_utf8(changed).unwrap();
        // The last letter of a part has bits that count for nothing.
        let parts = |token: &str| -> Vec<_> { token.split('.').map(|it| it[..it.len() - 1].to_owned()).collect() };
        let same = changed.matches('.').count() == 2 && !changed.contains("..") && parts(&changed) == parts(&token);
        if !same {
            prop_assert!(!matches!(verify(&changed), Ok(Some(_))), "{}", changed);
        }
    }

    #[test]
    fn any_token_is_read_or_refused(token in "[-A-Za-z0-9_.]{0,200}", parts in proptest::array::uniform3(".{0,60}")) {
        let _ = verify(&token);
        let [header, payload, signature] = parts.map(|it| URL_SAFE_NO_PAD.encode(it));
        let _ = verify(&format!("{header}.{payload}.{signature}"));
    }

    #[test]
    fn any_claims_are_verified_without_harm(name in ".{0,40}", uid in ".{0,9}", aud in proptest::collection::vec(".{0,9}", 0..4)) {
        let whole = claims(36, None);
        let odd = Claims { namespace: name.clone(), service_account: Reference { name, uid }, audiences: aud, ..whole };
        let token = SIGNER.sign(&odd).unwrap();
        let found = verifier().verify(&token, at(NOW), &odd.audiences);
        prop_assert_eq!(found.unwrap().unwrap().claims, odd);
    }
}

//! Signatures against requests that botocore signed (`fixtures/record_sigv4.py`), and against our own signer.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not so")]

use aws_wire::Parts;
use aws_wire::sigv4::{Form, Keys, SigError, Verifier, parse, presign, sign};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize, Clone)]
struct Case {
    name: String,
    method: String,
    path: String,
    query: String,
    body: String,
    headers: Vec<(String, String)>,
    secret: String,
    service: String,
    region: String,
    token: Option<String>,
    now: Timestamp,
}

impl Case {
    fn parts(&self) -> Parts<'_> {
        Parts {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            headers: self.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect(),
            body: self.body.as_bytes(),
        }
    }

    fn verify(&self, secret: &str, now: Timestamp) -> Result<(), SigError> {
        let parts = self.parts();
        Verifier::default().verify(&parts, &parse(&parts)?, secret, now)
    }
}

fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("fixtures/sigv4.json")).unwrap()
}

fn case(name: &str) -> Case {
    cases().into_iter().find(|case| case.name == name).unwrap()
}

fn after(case: &Case, seconds: i64) -> Timestamp {
    case.now + SignedDuration::from_secs(seconds)
}

#[test]
fn every_request_that_botocore_signed_verifies() {
    let cases = cases();
    assert!(cases.len() >= 25);
    let verifier = Verifier::default();
    for case in cases {
        let parts = case.parts();
        let signed = parse(&parts).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        assert_eq!(signed.credential.access_key_id, "AKIDEXAMPLE0000");
        assert_eq!(signed.check_scope(&case.service, &case.region), Ok(()), "{}", case.name);
        assert_eq!(signed.session_token, case.token, "{}", case.name);
        assert_eq!(verifier.verify(&parts, &signed, &case.secret, case.now), Ok(()), "{}", case.name);
    }
}

#[test]
fn a_wrong_secret_never_verifies() {
    for case in cases() {
        assert_eq!(case.verify("another", case.now), Err(SigError::Mismatch), "{}", case.name);
    }
}

#[test]
fn whatever_is_changed_breaks_the_signature() {
    for case in cases() {
        let mut changed = vec![
            Case { method: "PATCH".to_owned(), ..case.clone() },
            Case { path: format!("{}x", case.path), ..case.clone() },
            Case { query: format!("{}&x=y", case.query), ..case.clone() },
        ];
        if !case.headers.iter().any(|(name, _)| name == "X-Amz-Content-SHA256") && case.service != "s3" {
            changed.push(Case { body: format!("{}x", case.body), ..case.clone() });
        }
        let mut host = case.clone();
        host.headers.iter_mut().filter(|(name, _)| name == "Host").for_each(|(_, value)| value.push('x'));
        changed.push(host);
        for other in changed {
            assert_eq!(other.verify(&case.secret, case.now), Err(SigError::Mismatch), "{}", case.name);
        }
    }
}

#[test]
fn a_body_hash_that_is_signed_must_be_the_bodys() {
    let mut case = case("s3 body hash");
    case.body = "tampered".to_owned();
    assert_eq!(case.verify(&case.secret, case.now), Err(SigError::Mismatch));
}

#[test]
fn a_signed_header_holds_for_five_minutes_both_ways() {
    let case = case("describe cluster");
    let at = |seconds| case.verify(&case.secret, after(&case, seconds));
    assert_eq!((at(300), at(-300)), (Ok(()), Ok(())));
    let SigError::Expired { signed, limit } = at(301).unwrap_err() else { panic!("not expired") };
    assert_eq!((signed.as_str(), limit.as_str()), ("20260102T030405Z", "20260102T030406Z"));
    assert!(matches!(at(-301), Err(SigError::NotYet { .. })));
    // The clock says nothing to someone who can't sign.
    assert_eq!(case.verify("another", after(&case, 9_999)), Err(SigError::Mismatch));
}

#[test]
fn a_presigned_url_holds_as_long_as_it_says() {
    let case = case("presigned");
    assert_eq!(parse(&case.parts()).unwrap().form, Form::Presigned { expires: 60 });
    let at = |seconds| case.verify(&case.secret, after(&case, seconds));
    assert_eq!((at(60), at(-900)), (Ok(()), Ok(())));
    assert!(matches!(at(61), Err(SigError::Expired { .. })));
    assert!(matches!(at(-901), Err(SigError::NotYet { .. })));
}

#[test]
fn a_token_is_for_the_cluster_whose_name_was_signed() {
    let mut case = case("eks token");
    assert!(parse(&case.parts()).unwrap().covers("x-k8s-aws-id"));
    case.headers.iter_mut().filter(|(name, _)| name == "x-k8s-aws-id").for_each(|(_, v)| *v = "other".to_owned());
    assert_eq!(case.verify(&case.secret, case.now), Err(SigError::Mismatch));
    case.headers.retain(|(name, _)| name != "x-k8s-aws-id");
    assert_eq!(case.verify(&case.secret, case.now), Err(SigError::Mismatch));
}

#[test]
fn a_header_that_decides_something_must_be_signed() {
    let mut case = case("ssm target");
    case.headers.push(("x-amz-security-token".to_owned(), "mine".to_owned()));
    assert!(matches!(case.verify(&case.secret, case.now), Err(SigError::Incomplete(_))));
}

#[test]
fn our_signature_is_botocores() {
    for case in cases().into_iter().filter(|case| case.name != "session token") {
        let Some((_, expected)) = case.headers.iter().find(|(name, _)| name == "Authorization") else { continue };
        // What botocore signs, and what it adds itself.
        let list = expected.split("SignedHeaders=").nth(1).unwrap().split(',').next().unwrap();
        let mut parts = case.parts();
        let added = ["x-amz-date", "x-amz-security-token"];
        parts.headers.retain(|(name, _)| {
            let name = name.to_ascii_lowercase();
            list.split(';').any(|signed| signed == name) && !added.contains(&name.as_str())
        });
        let headers = sign(&parts, &keys(&case), case.now);
        assert_eq!(&headers.last().unwrap().1, expected, "{}", case.name);
    }
}

#[test]
fn our_presigned_url_verifies() {
    let case = case("eks token");
    let headers = vec![("host", b"sts.x".as_slice()), ("x-k8s-aws-id", b"myeks")];
    let request = Parts { method: "GET", path: "/", query: "Action=GetCallerIdentity", headers, body: b"" };
    let keys = Keys { session_token: Some("t/o+k=".to_owned()), ..keys(&case) };
    let query = presign(&request, &keys, 60, case.now);
    let sent = Parts { query: &query, ..request };
    let signed = parse(&sent).unwrap();
    assert_eq!(signed.session_token.as_deref(), Some("t/o+k="));
    assert_eq!(Verifier::default().verify(&sent, &signed, &case.secret, case.now), Ok(()));
}

fn keys(case: &Case) -> Keys {
    Keys {
        access_key_id: "AKIDEXAMPLE0000".to_owned(),
        secret: case.secret.clone(),
        session_token: case.token.clone(),
        region: case.region.clone(),
        service: case.service.clone(),
    }
}

proptest! {
    #[test]
    fn what_we_sign_verifies(
        method in "GET|POST|PUT",
        path in "/[ -~]{0,24}",
        query in "[ -~]{0,24}",
        value in "[ -~]{0,24}",
        body in proptest::collection::vec(any::<u8>(), 0..64),
        service in "eks|s3",
    ) {
        let case = case("describe cluster");
        let keys = Keys { service, ..keys(&case) };
        let headers = vec![("host", b"h".as_slice()), ("My-Header", value.as_bytes())];
        let mut parts = Parts { method: &method, path: &path, query: &query, headers, body: &body };
        let added = sign(&parts, &keys, case.now);
        parts.headers.extend(added.iter().map(|(name, value)| (*name, value.as_bytes())));
        let signed = parse(&parts).unwrap();
        prop_assert_eq!(Verifier::default().verify(&parts, &signed, &keys.secret, case.now), Ok(()));
    }
}

use super::*;
use aws_wire::sigv4::{Keys, presign};
use proptest::prelude::*;

/// Made by `aws eks get-token --cluster-name blue --region ap-northeast-2` (aws-cli 1.45.11, botocore 1.43.11).
const RECORDED: &str = "k8s-aws-v1.aHR0cHM6Ly9zdHMuYXAtbm9ydGhlYXN0LTIuYW1hem9uYXdzLmNvbS8_QWN0aW9uPUdldENhbGxlcklkZW50aXR5JlZlcnNpb249MjAxMS0wNi0xNSZYLUFtei1BbGdvcml0aG09QVdTNC1ITUFDLVNIQTI1NiZYLUFtei1DcmVkZW50aWFsPUFLSUFJT1NGT0ROTjdFWEFNUExFJTJGMjAyNjExMjUlMkZhcC1ub3J0aGVhc3QtMiUyRnN0cyUyRmF3czRfcmVxdWVzdCZYLUFtei1EYXRlPTIwMjYxMTI1VDAzMjMyMFomWC1BbXotRXhwaXJlcz02MCZYLUFtei1TaWduZWRIZWFkZXJzPWhvc3QlM0J4LWs4cy1hd3MtaWQmWC1BbXotU2lnbmF0dXJlPThlYjY2Mjk0ZDE0MTdhZmZjYTc0ZjY1NDAwMjMxNGQxNmMyZjBjMGE1ZDJmNjBlMGI0OTY1YWM4NTgxOTI2ZmI";

/// The same with a session's key.
const RECORDED_SESSION: &str = "https://sts.ap-northeast-2.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=ASIAIOSFODNN7EXAMPLE%2F20261125%2Fap-northeast-2%2Fsts%2Faws4_request&X-Amz-Date=20261125T032328Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host%3Bx-k8s-aws-id&X-Amz-Security-Token=IQoJb3JpZ2luX2VjEXAMPLE%2B%2Ftoken%3D%3D&X-Amz-Signature=ebb8d1bf985bfd34d5a8e018ae7645c05b2b145593fc52ad05523a6179cf533c";

/// The same with `AWS_ENDPOINT_URL=http://127.0.0.1:4566`.
const RECORDED_OWN: &str = "http://127.0.0.1:4566/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20261125%2Fap-northeast-2%2Fsts%2Faws4_request&X-Amz-Date=20261125T032336Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host%3Bx-k8s-aws-id&X-Amz-Signature=089de8122e4d25350612445ddddd31dfc07e4b03394f10351c8ace5ebfa29ed2";

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const SESSION_TOKEN: &str = "IQoJb3JpZ2luX2VjEXAMPLE+/token==";

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

fn now() -> Timestamp {
    at("2026-11-25T03:24:00Z")
}

/// The keys of the user `dev` and of a session `me@home` of the role `dev`.
fn keys(id: &str) -> Option<Key> {
    let account: AccountId = "111122223333".parse().unwrap();
    let (principal, arn, user_id, session_token) = match id {
        "AKIAIOSFODNN7EXAMPLE" => {
            (Principal::User("dev".into()), "arn:aws:iam::111122223333:user/ops/dev", "AIDADEV", None)
        }
        "ASIAIOSFODNN7EXAMPLE" => (
            Principal::AssumedRole { role: "dev".into(), session: "me@home".into() },
            "arn:aws:sts::111122223333:assumed-role/dev/me@home",
            "AROADEV:me@home",
            Some(SESSION_TOKEN.to_owned()),
        ),
        _ => return None,
    };
    let (arn, user_id, access_key_id) = (arn.to_owned(), user_id.to_owned(), id.to_owned());
    let caller = Caller { account, principal, arn, user_id, access_key_id };
    Some(Key { secret: SECRET.to_owned(), session_token, active: true, expires: None, caller })
}

fn verifier() -> TokenVerifier {
    TokenVerifier::new(|host| host.starts_with("127.0.0.1"))
}

fn token(url: &str) -> String {
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(url))
}

fn url() -> String {
    decode(RECORDED).unwrap()
}

fn verify(token: &str) -> Result<StsIdentity, TokenError> {
    verifier().verify(token, "blue", now(), keys)
}

#[track_caller]
fn refused(url: &str, text: &str) {
    let error = verify(&token(url)).unwrap_err().to_string();
    assert!(error.contains(text), "{error}");
}

/// A token of our own signing.
fn signed(host: &str, region: &str, query: &str, expires: u32, time: &str) -> String {
    let parts = Parts {
        method: "GET",
        path: "/",
        query,
        headers: vec![("host", host.as_bytes()), (CLUSTER_HEADER, b"blue")],
        body: b"",
    };
    let keys = Keys {
        access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
        secret: SECRET.into(),
        session_token: None,
        region: region.into(),
        service: "sts".into(),
    };
    token(&format!("https://{host}/?{}", presign(&parts, &keys, expires, at(time))))
}

const ASK: &str = "Action=GetCallerIdentity&Version=2011-06-15";

#[test]
fn the_clis_token_names_its_user() {
    let who = verify(RECORDED).unwrap();
    assert_eq!(
        (who.arn.as_str(), who.canonical_arn.as_str()),
        ("arn:aws:iam::111122223333:user/ops/dev", &who.arn[..])
    );
    assert_eq!((who.principal_id.as_str(), who.session_name.as_str()), ("AIDADEV", ""));
    assert_eq!(who.access_key_id, "AKIAIOSFODNN7EXAMPLE");
}

#[test]
fn a_session_is_its_roles() {
    let who = verify(&token(RECORDED_SESSION)).unwrap();
    assert_eq!(who.arn, "arn:aws:sts::111122223333:assumed-role/dev/me@home");
    assert_eq!(who.canonical_arn, "arn:aws:iam::111122223333:role/dev");
    assert_eq!((who.principal_id.as_str(), who.session_name.as_str()), ("AROADEV", "me@home"));
}

#[test]
fn our_own_address_is_as_good_as_stss() {
    assert!(verify(&token(RECORDED_OWN)).is_ok());
    let strict = TokenVerifier::new(|_| false).verify(&token(RECORDED_OWN), "blue", now(), keys);
    assert!(matches!(strict, Err(TokenError::Host(host)) if host == "127.0.0.1:4566"));
}

#[test]
fn a_token_is_for_one_cluster() {
    let error = verifier().verify(RECORDED, "red", now(), keys).unwrap_err();
    assert!(matches!(error, TokenError::Signature(SigError::Mismatch)));
}

#[test]
fn tokens_are_good_for_fifteen_minutes_whatever_they_say() {
    let later = |now: &str| verifier().verify(RECORDED, "blue", at(now), keys);
    assert!(later("2026-11-25T03:38:20Z").is_ok() && later("2026-11-25T03:08:20Z").is_ok());
    for time in ["2026-11-25T03:38:21Z", "2026-11-25T03:08:19Z"] {
        assert!(matches!(later(time), Err(TokenError::Time(_))), "{time}");
    }
    let host = "sts.ap-northeast-2.amazonaws.com";
    for (expires, good) in [(0, true), (900, true), (901, false)] {
        let token = signed(host, "ap-northeast-2", ASK, expires, "2026-11-25T03:24:00Z");
        assert_eq!(verify(&token).is_ok(), good, "{expires}");
    }
}

#[test]
fn only_stss_endpoints_are_asked() {
    for (host, region, good) in [
        ("sts.amazonaws.com", "us-east-1", true),
        ("sts-fips.us-east-1.amazonaws.com", "us-east-1", true),
        ("sts.eu-west-1.api.aws", "eu-west-1", true),
        ("127.0.0.1", "eu-west-1", true),
        ("sts.eu-west-1.amazonaws.com", "us-east-1", false),
        ("sts.amazonaws.com", "eu-west-1", false),
        ("sts.nowhere-1.amazonaws.com", "nowhere-1", false),
        ("127.0.0.1", "nowhere-1", false),
        ("ec2.eu-west-1.amazonaws.com", "eu-west-1", false),
        ("sts.eu-west-1.amazonaws.com.evil.example", "eu-west-1", false),
        ("sts.eu-west-1.amazonaws.com:443", "eu-west-1", false),
        ("evil@sts.amazonaws.com", "us-east-1", false),
    ] {
        let token = signed(host, region, ASK, 60, "2026-11-25T03:24:00Z");
        assert_eq!(verify(&token).is_ok(), good, "{host} {region}");
    }
}

#[test]
fn the_request_is_who_am_i_and_nothing_else() {
    let host = "sts.ap-northeast-2.amazonaws.com";
    let ask = |query: &str| verify(&signed(host, "ap-northeast-2", query, 60, "2026-11-25T03:24:00Z"));
    assert!(ask(ASK).is_ok());
    for query in [
        "",
        "Action=GetCallerIdentity",
        "Action=AssumeRole&Version=2011-06-15",
        "Action=GetCallerIdentity&Version=2010-05-08",
        "Action=GetCallerIdentity&action=GetCallerIdentity&Version=2011-06-15",
        "Action=GetCallerIdentity&Version=2011-06-15&x-id=GetCallerIdentity",
        "Action=GetCallerIdentity&Version=2011-06-15&Action=GetCallerIdentity",
    ] {
        assert!(ask(query).is_err(), "{query}");
    }
}

#[test]
fn what_is_not_of_the_form_is_refused() {
    let url = url();
    refused(&url.replace("https://", "ftp://"), "scheme");
    refused(&url.replace("https://", "http://"), "host");
    refused(&url.replace("/?", "/x?"), "path");
    refused(&url.replace("/?", "?"), "path");
    refused(&format!("{url}#x"), "fragment");
    refused(&url.replace("%3Bx-k8s-aws-id", ""), "x-k8s-aws-id");
    refused(&url.replace("Expires=60", "Expires=x"), "X-Amz-Expires");
    refused(&url.replace("%2Fsts%2F", "%2Fec2%2F"), "scoped");
    refused(&url.replace("AKIAIOSFODNN7", "AKIANOBODYNN7"), "not valid");
    for text in ["", "k8s-aws-v1.", "k8s-aws-v1.!", "eyJhbGciOiJSUzI1NiJ9.e30.x"] {
        assert!(verify(text).is_err(), "{text}");
    }
    assert!(verify(&format!("{RECORDED}=")).is_err(), "no padding");
    assert!(verify(&format!("{PREFIX}{}", "A".repeat(MAX_LENGTH))).is_err());
}

#[test]
fn keys_that_are_off_over_or_of_another_session_are_refused() {
    let with = |change: &dyn Fn(&mut Key)| {
        let changed = |id: &str| {
            keys(id).map(|mut key| {
                change(&mut key);
                key
            })
        };
        verifier().verify(&token(RECORDED_SESSION), "blue", now(), changed)
    };
    assert!(with(&|key| key.expires = Some(now() + SignedDuration::from_secs(1))).is_ok());
    assert!(matches!(with(&|key| key.active = false), Err(TokenError::Key(_))));
    assert!(matches!(with(&|key| key.expires = Some(now())), Err(TokenError::Key(_))));
    assert!(matches!(with(&|key| key.session_token = None), Err(TokenError::Key(_))));
    assert!(matches!(with(&|key| key.session_token = Some("other".into())), Err(TokenError::Key(_))));
    assert!(matches!(with(&|key| key.secret.push('x')), Err(TokenError::Signature(_))));
}

/// Whether two URLs differ in nothing but the case of hexadecimal digits: in escapes and in the signature.
fn same_but_for_hex(a: &str, b: &str) -> bool {
    let plain = |url: &str| {
        let (rest, signature) = url.rsplit_once("X-Amz-Signature=").map(|(a, b)| (a.to_owned(), b.to_owned()))?;
        Some((form::decode(&rest, Plus::Literal), signature.to_ascii_lowercase()))
    };
    plain(a).is_some() && plain(a) == plain(b)
}

proptest! {
    #[test]
    fn no_token_makes_it_panic(text in ".{0,60}") {
        let _ = verify(&text);
        let _ = verify(&format!("{PREFIX}{text}"));
        prop_assert!(verify(&token(&text)).is_err());
    }

    #[test]
    fn no_url_makes_it_panic(
        tail in "(https://|sts\\.amazonaws\\.com|/\\?|&|=|%|Action=GetCallerIdentity|X-Amz-Date=|X-Amz-Algorithm=|.){0,24}",
    ) {
        prop_assert!(verify(&token(&tail)).is_err());
        let url = format!("https://sts.amazonaws.com/?{ASK}&{tail}");
        prop_assert!(verify(&token(&url)).is_err());
    }

    #[test]
    fn a_changed_byte_of_the_token_is_refused(place in 0usize..10_000, byte in 0x21u8..0x7f) {
        let mut changed = RECORDED.as_bytes().to_vec();
        let place = place % changed.len();
        prop_assume!(changed[place] != byte);
        changed[place] = byte;
        let changed = String::from_utf8(changed).unwrap();
        if let Ok(who) = verify(&changed) {
            prop_assert!(same_but_for_hex(&decode(&changed).unwrap(), &url()), "{changed} is {who:?}");
        }
    }

    #[test]
    fn a_changed_byte_of_the_url_is_refused(place in 0usize..10_000, byte in 0x21u8..0x7f) {
        let mut changed = url().into_bytes();
        let place = place % changed.len();
        prop_assume!(changed[place] != byte);
        changed[place] = byte;
        let changed = String::from_utf8(changed).unwrap();
        if verify(&token(&changed)).is_ok() {
            prop_assert!(same_but_for_hex(&changed, &url()), "{changed}");
        }
    }
}

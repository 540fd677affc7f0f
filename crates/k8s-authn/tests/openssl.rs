//! Keys, a token and certificates that OpenSSL made: the same of the same, and read alike.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not so")]

use base::KubernetesVersion;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use k8s_authn::certificate::CertificateError;
use k8s_authn::claims::{Binding, Lifetime, Reference};
use k8s_authn::{Claims, ClientCertificate, Signer};

/// Of `openssl genpkey -algorithm RSA` and `openssl pkcs8 -topk8`, for this test only.
const KEY: &str = "MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQCMsx2MIonIESX4izJqYV0JfPqNHr1jJxc+XQPm6/H/UpPPqcN7Qq5MRv+RjnvwiVKi5c/tH6A5MkrP5lRLWRYwCZlkXHuWYhbvZ6W6CvqBTl/37JmAX3Xa4cC7+Ma5SNUvvA18lTI0wuXFcdK8Av+Fc0umMPRqhVVCCXoksHPQATykm13YQBQvDO26swjRSKSpY/ShImLSfgQg/oYJbcAPEtntgMS2sHzfhTYFYEako7vcNO66VxA6cZyi7q5+l3ABQMKrY5hcbUXcVW2t00ameBlgBVBCx1oIgLoeQWAuS9lxXbfhefxC+7G2G0smARZ3uLAGN7Ot7ewrhlszOOzjAgMBAAECggEAActj8WccRtmNJBvgkFM7fArQQIg+ymT/YHxhrApx40osSaBAcMk+V5UqO76c+rKH2yXt2Kazvx+7fnH0SHTTdx5hrZgOXuw8Kr3I53bzvrKK4rZh8YqGJVQ0l9zJ0vjfyb6pINQ8rHaYzeZ2JuyKrvDRMQxNP4674McOnuNyJ2t7afEIpPLU3kWmQ0VAMdJYbwXeyF1GpQqSehF3aQR3JKcEs5CQ+pKCZEeG30bLgLdy4AVQchAdXrfhm/y9M0cBhI9ONi1oF9BLMiKkgXWjcqyrXS//fWUwl4NAagfJuR/CB/mdYXhxYpCHOnVeWakwyJ428tp3y8Xh7lPOefoV6QKBgQC+iqIFaEtZmJr30FxMVdHnsDT2pkpPxEj2vcPx1DECYvf3NCEuyzc2H60XpTv0elkByrJRJHXmCVpuH2n7MNB7p68+HEhSYydxOKb5zCk/SZsvyOV5vmtiLGswOUTrIx28cE9GJdxUuCEHcwJzhWkup2pI+qYeliD4K9On61seuwKBgQC9CRbqfeYOYGIQzuG5U+o1ElDk/R+EIAefDz6i+8QliAbs5y0bew/1VRQPNK8SvGXGm2KXwx6UHWmNMQLXE6JSDGMFVj5JSgYGrjpHBf8d3Hxl06CK2Gc4efHWvNEZF5cBSPGEoDsX+6TPoZDKq+KRoSQlCX36JNwe4cckKnIL+QKBgQCWD9y2YYMmVveFQAXQ4K3lyHKN5j0UQUQtfxp4tGK8vHEJsXaIwecDq0LJIorragf7T0XMfeiUeL1NiVQQTkuDd3aedevHZuvDUZi/lrjNbQzZP2Dq1rr/oHfyjMfoX8mlhNYKKvsxhaoNkdhWXrWN1q/wNebqo9XnXazdzJAAzQKBgFJYF0dmOESi75TqyaD1UNx1cg+Nw6DGYwuClIJisXq32mxv91I1NSplOSu2g1zh/GObZEM/l55lgYkjhF00DE05YBj/DHrYZ++ZDYHKturHFNk2aoSQ58XOOO6VqXAIupqwr6RaN+OmlpBrjKr8XOGbFCeeDuZcEBbTuu+iHbPhAoGBAL43k4ntA3XxOCFmhxdOKAQF/irni6gFiJIKmI01l+z948aHjLGMaFlft4gYV1bpnwrsg+RVdhBjE8SUkUU+3HYotI2o4G5e19vWRMaIOU+NEImlqOlRSgyG5yoHvqJp/a2x7+CuDwyrUuZuudCV7TDGYQQyNe8SvpVK+OEdzZ12";

/// Of `openssl dgst -sha256` over the public key's DER.
const KEY_ID: &str = "aTh2wNuwgsGHm8-yM4-b4W6o7rYyJYeC9Rd-CkdY_4Y";

/// Signed by `openssl dgst -sha256 -sign`.
const TOKEN: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImFUaDJ3TnV3Z3NHSG04LXlNNC1iNFc2bzdyWXlKWWVDOVJkLUNrZFlfNFkifQ.eyJhdWQiOlsiaHR0cHM6Ly9rdWJlcm5ldGVzLmRlZmF1bHQuc3ZjIl0sImV4cCI6MTcwMDAwMzYwMCwiaWF0IjoxNzAwMDAwMDAwLCJpc3MiOiJodHRwczovL29pZGMuZXhhbXBsZS9pZC8xIiwianRpIjoidGhlLWlkIiwia3ViZXJuZXRlcy5pbyI6eyJuYW1lc3BhY2UiOiJucyIsIm5vZGUiOnsibmFtZSI6Im4iLCJ1aWQiOiJub2RlLXVpZCJ9LCJwb2QiOnsibmFtZSI6InAiLCJ1aWQiOiJwb2QtdWlkIn0sInNlcnZpY2VhY2NvdW50Ijp7Im5hbWUiOiJzYSIsInVpZCI6InNhLXVpZCJ9fSwibmJmIjoxNzAwMDAwMDAwLCJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6bnM6c2EifQ.UNs0seOAopfmplcGwk8c6vOtSjdZI94OQ5z5riPquxcSPoHyHp8QrQAYK4RjQ-S5IPQrPJiibdInLkJ75atTdYGkuF_8fK7VeKydKwh83cIhVz9JBOTZroJjaXXDs3OKin-rl6jTLKDzNXURBp381u0E6Wjr0AIZka8slaAI1hLMqMQClSyJK8Z0-VrfGg3AIkOACpeB24fetGLrPT924hSfEw7UByO_uhb9_p-JZR2KQbgtJyALpiM41BxbLTJlSlFmeSfAhrsSHbCaBmmPVxMNMc6v1IVBDeS4sG6Yt2CGV61ajVu_C29OVe-_-wyKLD_3VRDi2IyyrxH49Qc37g";

/// Of `openssl req -x509 -subj '/O=dev/O=ops+OU=x/CN=first/CN=last/userUid=42'` for client
/// authentication; `userUid` is 1.3.6.1.4.1.57683.2.
const CERTIFICATE: &str = "MIIB6TCCAZCgAwIBAgIUCTcInsY4FxWQi9t1SyFWK1Oj7W0wCgYIKoZIzj0EAwIwWDEMMAoGA1UECgwDZGV2MRYwCAYDVQQLDAF4MAoGA1UECgwDb3BzMQ4wDAYDVQQDDAVmaXJzdDENMAsGA1UEAwwEbGFzdDERMA8GCSsGAQQBg8JTAgwCNDIwIBcNMjYxMTI1MDMzNTA1WhgPMjEyNjExMDEwMzM1MDVaMFgxDDAKBgNVBAoMA2RldjEWMAgGA1UECwwBeDAKBgNVBAoMA29wczEOMAwGA1UEAwwFZmlyc3QxDTALBgNVBAMMBGxhc3QxETAPBgkrBgEEAYPCUwIMAjQyMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEDJu6JjMo9NnwT62ngroj1Ic/qZPUyXdUvYxoyXhMpcDzCdh+xqQVBbv/NQvbSM83l3Q9a/f4YTq2DK8kgszXWKM2MDQwEwYDVR0lBAwwCgYIKwYBBQUHAwIwHQYDVR0OBBYEFKWGI1jG/huCgkQsjpsBHM/BNMZYMAoGCCqGSM49BAMCA0cAMEQCICuMmWcMaXzhRVa8VKHcj+QXiwsCZ6kwmj6IL2QtQV7lAiBvfFzDsVWX3jVI+bPKkCYld9/5Z7wN5nwT+wKLyDN57A==";
const FINGERPRINT: &str = "07dbdae528e55aed02826da08f8d5b3eeeb4d5713589e2f1f34c68f1ff2df4cf";

/// Of the subject `/CN=a/userUid=1/userUid=2`.
const TWO_UIDS: &str = "MIIBXTCCAQMCFHOQzp2i48F36x6n1SIHsMErBFj2MAoGCCqGSM49BAMCMDAxCjAIBgNVBAMMAWExEDAOBgkrBgEEAYPCUwIMATExEDAOBgkrBgEEAYPCUwIMATIwIBcNMjYxMTI1MDMzNTA1WhgPMjEyNjExMDEwMzM1MDVaMDAxCjAIBgNVBAMMAWExEDAOBgkrBgEEAYPCUwIMATExEDAOBgkrBgEEAYPCUwIMATIwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQMm7omMyj02fBPraeCuiPUhz+pk9TJd1S9jGjJeEylwPMJ2H7GpBUFu/81C9tIzzeXdD1r9/hhOrYMrySCzNdYMAoGCCqGSM49BAMCA0gAMEUCIQDZo2SUr4ApjDUi7ZSqMGVvJwjCgHbzr9IeHzzoMAjq2QIgGuTamvVkxJP2f4ItIvo6TOtfnTsNmpShcVtP8Mf4WuA=";

#[test]
fn a_token_is_the_same() {
    let signer = Signer::from_pkcs8(&STANDARD.decode(KEY).unwrap()).unwrap();
    assert_eq!(signer.public().id(), KEY_ID);
    let pod = Binding::Pod(Reference::new("p", "pod-uid"), Some(Reference::new("n", "node-uid")));
    let claims = Claims::bound(
        KubernetesVersion::new(36),
        "https://oidc.example/id/1",
        ("ns", Reference::new("sa", "sa-uid")),
        Some(pod),
        vec!["https://kubernetes.default.svc".to_owned()],
        (Timestamp::from_second(1_700_000_000).unwrap(), Lifetime { seconds: 3600, warn_after: None }),
        "the-id",
    );
    assert_eq!(signer.sign(&claims).unwrap(), TOKEN);
}

#[test]
fn a_certificate_is_read_alike() {
    let now: Timestamp = "2027-01-01T00:00:00Z".parse().unwrap();
    let read = |text: &str| ClientCertificate::read(&STANDARD.decode(text).unwrap()).unwrap();
    let certificate = read(CERTIFICATE);
    assert_eq!(certificate.fingerprint(), FINGERPRINT);
    let user = certificate.user(KubernetesVersion::new(36), now).unwrap().unwrap();
    assert_eq!((user.name.as_str(), user.uid.as_str()), ("last", "42"));
    assert_eq!(user.groups, ["dev", "ops"]);
    let two = read(TWO_UIDS);
    assert_eq!(two.user(KubernetesVersion::new(33), now), Err(CertificateError::Uid));
    assert_eq!(two.user(KubernetesVersion::new(32), now).unwrap().unwrap().uid, "");
}

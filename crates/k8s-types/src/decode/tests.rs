use super::*;
use crate::release::Release;
use proptest::prelude::*;
use serde_json::json;

const POD: [&str; 3] = ["", "v1", "Pod"];
const DEPLOYMENT: [&str; 3] = ["apps", "v1", "Deployment"];
const CONFIG_MAP: [&str; 3] = ["", "v1", "ConfigMap"];

fn release() -> Release {
    Release::load(33).unwrap()
}

fn read(of: [&str; 3], text: &str) -> Result<Decoded, DecodeError> {
    let release = release();
    decode(text.as_bytes(), release.types(), release.kind(of[0], of[1], of[2]).unwrap())
}

fn error(of: [&str; 3], text: &str) -> String {
    read(of, text).unwrap_err().to_string()
}

#[test]
fn values_get_the_form_that_they_are_written_back_in() {
    let text = json!({"spec": {
        "containers": [{"name": "c", "resources": {"limits": {"cpu": 0.5, "memory": "1024Ki", "x": null},
            "requests": {"cpu": "1000m", "memory": 1}}, "ports": [], "env": null, "stdin": false,
            "livenessProbe": {"httpGet": {"port": "http"}, "periodSeconds": 0}}],
        "hostname": "", "nodeSelector": {}, "automountServiceAccountToken": false},
        "metadata": {"labels": {}, "annotations": {"a": null}, "deletionTimestamp": "2024-01-02T03:04:05.6+01:00"}});
    let decoded = read(POD, &text.to_string()).unwrap();
    assert_eq!(decoded.strict, []);
    assert_eq!(
        decoded.value,
        json!({"spec": {
            "containers": [{"name": "c", "resources": {"limits": {"cpu": "500m", "memory": "1Mi", "x": "0"},
                "requests": {"cpu": "1", "memory": "1"}},
                "livenessProbe": {"httpGet": {"port": "http"}}}],
            "automountServiceAccountToken": false},
            "metadata": {"annotations": {"a": ""}, "deletionTimestamp": "2024-01-02T02:04:05Z"}})
    );
}

#[test]
fn unknown_and_duplicate_fields_are_told_in_the_order_of_the_text() {
    let text = r#"{"spec":{"replicas":1,"junk":{"a":1,"a":2},"replicas":2,"template":{"spec":{"containers":[
        {"name":"a"},{"name":"b","Image":"x"}]}}},"metadata":{"labels":{"a":"1","a":"2"}},"extra":null,"extra":1}"#;
    let decoded = read(DEPLOYMENT, text).unwrap();
    let told: Vec<String> = decoded.strict.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "unknown field \"spec.junk\"",
            "duplicate field \"spec.replicas\"",
            "unknown field \"spec.template.spec.containers[1].Image\"",
            "duplicate field \"metadata.labels.a\"",
            "unknown field \"extra\"",
        ]
    );
    assert_eq!(decoded.value["spec"]["replicas"], 2);
    assert_eq!(decoded.value["metadata"]["labels"]["a"], "2");
    assert_eq!((decoded.unknown().count(), decoded.duplicates().count()), (3, 2));
}

#[test]
fn values_of_another_type_are_refused() {
    for (of, text, message) in [
        (
            DEPLOYMENT,
            r#"{"spec":{"replicas":"x"}}"#,
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            DEPLOYMENT,
            r#"{"spec":{"replicas":1.5}}"#,
            "json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            DEPLOYMENT,
            r#"{"spec":{"template":{"spec":{"containers":[{"ports":{}}]}}}}"#,
            "json: cannot unmarshal object into Go struct field Container.spec.template.spec.containers.ports of type \
             []v1.ContainerPort",
        ),
        (
            CONFIG_MAP,
            r#"{"data":{"a":1}}"#,
            "json: cannot unmarshal number into Go struct field ConfigMap.data of type string",
        ),
        (
            ["", "v1", "Service"],
            r#"{"spec":{"ports":[{"targetPort":1.5}]}}"#,
            "json: cannot unmarshal number 1.5 into Go value of type int32",
        ),
        (
            ["", "v1", "Service"],
            r#"{"spec":{"ports":[{"targetPort":true}]}}"#,
            "json: cannot unmarshal bool into Go value of type int32",
        ),
        (CONFIG_MAP, "[]", "json: cannot unmarshal array into Go value of type v1.ConfigMap"),
        (CONFIG_MAP, r#"{"binaryData":{"a":"*"}}"#, "illegal base64 data at input byte 0"),
        (
            POD,
            r#"{"spec":{"containers":[{"resources":{"limits":{"cpu":"x"}}}]}}"#,
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
    ] {
        assert_eq!(error(of, text), message);
    }
    assert!(error(POD, r#"{"metadata":{"creationTimestamp":"yesterday"}}"#).starts_with("parsing time \"yesterday\""));
    assert_eq!(error(POD, "{\"a\":"), "unexpected end of JSON input");
    assert_eq!(error(POD, "{} x"), "invalid character 'x' after top-level value");
}

#[test]
fn whole_floats_are_whole_numbers_after_a_patch() {
    let release = release();
    let id = release.kind("apps", "v1", "Deployment").unwrap();
    let object = json!({"spec": {"replicas": 3.0}});
    assert_eq!(conform(object, release.types(), id).unwrap().value, json!({"spec": {"replicas": 3}}));
    assert!(read(DEPLOYMENT, r#"{"spec":{"replicas":3.0}}"#).is_err());
}

#[test]
fn a_schema_drops_what_it_does_not_know_without_a_word() {
    let text = json!({"spec": {"versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
        "type": "object", "junk": 1, "properties": {"a": {"type": "array", "items": {"type": "string", "junk": 2}},
        "b": {"additionalProperties": true, "default": {"any": null}}}}}}]}});
    let of = ["apiextensions.k8s.io", "v1", "CustomResourceDefinition"];
    let decoded = read(of, &text.to_string()).unwrap();
    let schema = &decoded.value["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    assert_eq!(schema["properties"]["a"]["items"], json!({"type": "string"}));
    assert_eq!(schema["properties"]["b"], json!({"additionalProperties": true, "default": {"any": null}}));
    let unknown: Vec<&str> = decoded.unknown().collect();
    assert_eq!(unknown, ["spec.versions[0].schema.openAPIV3Schema.junk"]);
}

#[test]
fn what_has_no_value_is_shown_as_the_minor_shows_it() {
    for (minor, template) in [(33, json!({"creationTimestamp": null})), (34, json!({}))] {
        let release = Release::load(minor).unwrap();
        let id = release.kind("apps", "v1", "Deployment").unwrap();
        let text = br#"{"spec":{"template":{"spec":{"containers":[{"name":"c"}]}}}}"#;
        let mut object = decode(text, release.types(), id).unwrap().value;
        show(&mut object, release.types(), id);
        assert_eq!(
            object["spec"],
            json!({"selector": null, "strategy": {}, "template": {"metadata": template, "spec": {
                "containers": [{"name": "c", "resources": {}}]}}})
        );
        assert_eq!(object["status"], json!({}));
    }
}

#[test]
fn a_list_keeps_the_place_of_what_is_null() {
    let text =
        r#"{"metadata":{"finalizers":["a",null]},"spec":{"containers":[null,{"name":"\xff","command":[null]}]}}"#;
    let bytes: Vec<u8> = text.replace("\\xff", "\u{1}").bytes().map(|it| if it == 1 { 0xff } else { it }).collect();
    let release = release();
    let decoded = decode(&bytes, release.types(), release.kind("", "v1", "Pod").unwrap()).unwrap();
    assert_eq!(
        decoded.value,
        json!({"metadata": {"finalizers": ["a", ""]}, "spec": {"containers": [{}, {"name": "\u{fffd}", "command": [""]}]}})
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_breaks_the_decoder(cut in any::<proptest::sample::Index>(), to in "[\\[\\]{}\",:0n1.]{0,3}") {
        thread_local!(static RELEASE: Release = release());
        let text = json!({"metadata": {"labels": {"a": "b"}, "creationTimestamp": null}, "spec": {"containers": [
            {"name": "c", "resources": {"limits": {"cpu": 1}}, "ports": [{"containerPort": 80}]}]}})
        .to_string();
        let at = cut.index(text.len());
        let text = format!("{}{to}{}", &text[..at], &text[at..]);
        RELEASE.with(|release| {
            let (types, id) = (release.types(), release.kind("", "v1", "Pod").unwrap());
            if let Ok(decoded) = decode(text.as_bytes(), types, id) {
                let again = conform(decoded.value.clone(), types, id).unwrap();
                assert_eq!(again.value, decoded.value);
            }
        });
    }
}

//! The committed facts as they are written in `models/<service>.json`; [`crate::model`] resolves them.

use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
pub struct Facts {
    pub service: String,
    pub metadata: Metadata,
    pub operations: BTreeMap<String, OperationFacts>,
    pub known: BTreeMap<String, HttpFacts>,
    pub shapes: BTreeMap<String, ShapeFacts>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    pub api_version: String,
    pub endpoint_prefix: String,
    pub global_endpoint: Option<String>,
    pub protocol: String,
    pub signing_name: Option<String>,
    pub target_prefix: Option<String>,
    pub xml_namespace: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OperationFacts {
    pub http: HttpFacts,
    pub input: Option<String>,
    pub output: Option<String>,
    pub result_wrapper: Option<String>,
    #[serde(default)]
    pub errors: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct HttpFacts {
    pub method: Option<String>,
    pub request_uri: Option<String>,
    pub response_code: Option<u16>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShapeFacts {
    #[serde(rename = "type")]
    pub kind: String,
    // A list, not a map: the order of members is the order on the wire.
    #[serde(default)]
    pub members: serde_json::Map<String, serde_json::Value>,
    #[serde(default)]
    pub required: Vec<String>,
    pub member: Option<MemberFacts>,
    pub key: Option<MemberFacts>,
    pub value: Option<MemberFacts>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub pattern: Option<String>,
    #[serde(rename = "enum", default)]
    pub values: Vec<String>,
    #[serde(default)]
    pub sensitive: bool,
    #[serde(default)]
    pub flattened: bool,
    pub payload: Option<String>,
    pub error: Option<ErrorEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberFacts {
    pub shape: String,
    pub location: Option<String>,
    pub location_name: Option<String>,
    pub query_name: Option<String>,
    #[serde(default)]
    pub flattened: bool,
    #[serde(default)]
    pub idempotency_token: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorEntry {
    pub code: Option<String>,
    pub http_status_code: Option<u16>,
}

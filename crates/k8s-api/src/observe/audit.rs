//! The record of a request: an `Event` of `audit.k8s.io/v1` at the level `Metadata`, one line of JSON. (Kubernetes
//! documentation, "Auditing"; API reference, `kube-apiserver Audit Configuration (v1)`.)

use super::journal::Journal;
use crate::request::RequestInfo;
use crate::respond::Failed;
use hyper::HeaderMap;
use hyper::header::USER_AGENT;
use jiff::Timestamp;
use k8s_authz::User;
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// How much of a client's description of itself is kept, as upstream does.
const LONGEST_AGENT: usize = 1024;

/// How far a request has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Stage {
    /// The answer has begun and goes on: a watch.
    ResponseStarted,
    /// It is over.
    ResponseComplete,
}

/// What authorization came to.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// Whether it was allowed.
    pub allowed: bool,
    /// Why, for people.
    pub reason: String,
}

/// All that is told of a request.
pub struct Record<'a> {
    /// Its id.
    pub audit_id: &'a str,
    /// The target as it was sent.
    pub uri: &'a hyper::Uri,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// What is asked; `None` for a path that can't be read.
    pub info: Option<&'a RequestInfo>,
    /// Who asks; `None` where nobody is behind the credential.
    pub user: Option<&'a User>,
    /// As whom.
    pub impersonated: Option<&'a User>,
    /// From where.
    pub source: IpAddr,
    /// Whether it was let through; `None` where it did not come to that question.
    pub verdict: Option<&'a Verdict>,
    /// The HTTP status of the answer.
    pub code: u16,
    /// What the answer says went wrong.
    pub failed: Option<&'a Failed>,
    /// When it came.
    pub received: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    kind: &'static str,
    api_version: &'static str,
    level: &'static str,
    #[serde(rename = "auditID")]
    audit_id: &'a str,
    stage: Stage,
    #[serde(rename = "requestURI")]
    request_uri: &'a str,
    verb: &'a str,
    user: Asker<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    impersonated_user: Option<Asker<'a>>,
    #[serde(rename = "sourceIPs")]
    source_ips: [IpAddr; 1],
    #[serde(skip_serializing_if = "str::is_empty")]
    user_agent: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    object_ref: Option<ObjectRef<'a>>,
    response_status: ResponseStatus<'a>,
    request_received_timestamp: String,
    stage_timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<Annotations<'a>>,
}

#[derive(Serialize, Default)]
struct Asker<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    username: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    uid: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    groups: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    extra: Option<&'a BTreeMap<String, Vec<String>>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ObjectRef<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    resource: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    namespace: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    api_group: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    api_version: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    subresource: &'a str,
}

#[derive(Serialize)]
struct ResponseStatus<'a> {
    metadata: BTreeMap<(), ()>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'a str,
    code: u16,
}

#[derive(Serialize)]
struct Annotations<'a> {
    #[serde(rename = "authorization.k8s.io/decision")]
    decision: &'static str,
    #[serde(rename = "authorization.k8s.io/reason")]
    reason: &'a str,
}

impl<'a> From<&'a User> for Asker<'a> {
    fn from(user: &'a User) -> Self {
        Self {
            username: &user.name,
            uid: &user.uid,
            groups: &user.groups,
            extra: Some(&user.extra).filter(|it| !it.is_empty()),
        }
    }
}

/// The last event of a request that goes on, written when this is dropped.
pub struct End {
    journal: Journal,
    /// The event, up to its time and from there on.
    before: Box<[u8]>,
    after: Box<[u8]>,
}

impl Drop for End {
    fn drop(&mut self) {
        self.journal.line(|out| {
            out.extend_from_slice(&self.before);
            out.extend_from_slice(micros(Timestamp::now()).as_bytes());
            out.extend_from_slice(&self.after);
        });
    }
}

impl Record<'_> {
    /// The end of a request that goes on, to be held for as long as it does.
    pub fn end(&self, journal: &Journal) -> End {
        let mut event = Vec::new();
        let now = Timestamp::UNIX_EPOCH;
        self.write(Stage::ResponseComplete, now, &mut event);
        let time = format!("\"stageTimestamp\":\"{}", micros(now));
        // Names and quotes can't stand in a text unescaped, so this is the member and nothing else.
        let at = event.windows(time.len()).position(|it| it == time.as_bytes()).unwrap_or_default();
        let end = at + time.len();
        let begin = end - micros(now).len();
        let part = |range: Option<&[u8]>| range.unwrap_or_default().into();
        End { journal: journal.clone(), before: part(event.get(..begin)), after: part(event.get(end..)) }
    }

    /// Writes the event of a stage.
    pub fn write(&self, stage: Stage, now: Timestamp, out: &mut Vec<u8>) {
        let agent = self.headers.get(USER_AGENT).and_then(|it| it.to_str().ok()).unwrap_or_default();
        let event = Event {
            kind: "Event",
            api_version: "audit.k8s.io/v1",
            level: "Metadata",
            audit_id: self.audit_id,
            stage,
            request_uri: self.uri.path_and_query().map_or("", |it| it.as_str()),
            verb: self.info.map_or("", |it| &it.verb),
            user: self.user.map(Asker::from).unwrap_or_default(),
            impersonated_user: self.impersonated.map(Asker::from),
            source_ips: [self.source],
            // Header values that are text here are ASCII, so any place is a character's border.
            user_agent: agent.get(..LONGEST_AGENT).unwrap_or(agent),
            object_ref: self.object_ref(),
            response_status: ResponseStatus {
                metadata: BTreeMap::new(),
                status: self.failed.map(|_| "Failure"),
                message: self.failed.map_or("", |it| &it.message),
                reason: self.failed.map_or("", |it| &it.reason),
                code: self.code,
            },
            request_received_timestamp: micros(self.received),
            stage_timestamp: micros(now),
            annotations: self
                .verdict
                .map(|it| Annotations { decision: if it.allowed { "allow" } else { "forbid" }, reason: &it.reason }),
        };
        // Writing what has only texts and numbers to memory can't fail.
        let _ = serde_json::to_writer(out, &event);
    }

    fn object_ref(&self) -> Option<ObjectRef<'_>> {
        let it = self.info?.resource.as_ref()?;
        Some(ObjectRef {
            resource: &it.resource,
            namespace: &it.namespace,
            name: &it.name,
            api_group: &it.group,
            api_version: &it.version,
            subresource: &it.subresource,
        })
    }
}

/// As the API writes a `MicroTime`.
fn micros(time: Timestamp) -> String {
    format!("{time:.6}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Method;
    use serde_json::{Value, json};

    #[test]
    fn an_event_says_who_did_what_and_whether_they_might() {
        let uri: hyper::Uri = "/apis/apps/v1/namespaces/a/deployments/d/scale?dryRun=All".parse().unwrap();
        let info = RequestInfo::parse(&Method::PUT, uri.path(), uri.query().unwrap()).unwrap();
        let headers = HeaderMap::from_iter([(USER_AGENT, "kubectl/v1.32".parse().unwrap())]);
        let user = |name: &str| User { name: name.to_owned(), groups: vec!["g".to_owned()], ..User::default() };
        let (asker, other) = (user("ann"), user("bob"));
        let verdict = Verdict { allowed: false, reason: "no".to_owned() };
        let failed = Failed { reason: "Forbidden".to_owned(), message: "bob may not".to_owned() };
        let record = Record {
            audit_id: "id",
            uri: &uri,
            headers: &headers,
            info: Some(&info),
            user: Some(&asker),
            impersonated: Some(&other),
            source: [10, 0, 0, 1].into(),
            verdict: Some(&verdict),
            code: 403,
            failed: Some(&failed),
            received: Timestamp::UNIX_EPOCH,
        };
        let mut out = Vec::new();
        record.write(Stage::ResponseComplete, Timestamp::from_microsecond(1_500_000).unwrap(), &mut out);
        let want = json!({"kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": "id",
            "stage": "ResponseComplete", "requestURI": "/apis/apps/v1/namespaces/a/deployments/d/scale?dryRun=All",
            "verb": "update", "user": {"username": "ann", "groups": ["g"]},
            "impersonatedUser": {"username": "bob", "groups": ["g"]}, "sourceIPs": ["10.0.0.1"],
            "userAgent": "kubectl/v1.32", "objectRef": {"resource": "deployments", "namespace": "a", "name": "d",
                "apiGroup": "apps", "apiVersion": "v1", "subresource": "scale"},
            "responseStatus": {"metadata": {}, "status": "Failure", "message": "bob may not", "reason": "Forbidden",
                "code": 403},
            "requestReceivedTimestamp": "1970-01-01T00:00:00.000000Z",
            "stageTimestamp": "1970-01-01T00:00:01.500000Z",
            "annotations": {"authorization.k8s.io/decision": "forbid", "authorization.k8s.io/reason": "no"}});
        assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), want);
    }
}

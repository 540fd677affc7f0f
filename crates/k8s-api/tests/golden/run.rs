//! Runs scenarios against a server.

use super::answers::{Found, compare, compare_frames};
use super::binding::{Bindings, Unbound};
use super::compare::identity;
use super::report::{Outcome, Result as StepResult};
use super::scenario::{Asker, Body, Scenario, Step};
use super::skips;
use super::target::Target;
use crate::harness::{Answer, Identity, Stream, World};
use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// How long a watch is open before things happen; the recorder's.
const BEFORE: Duration = Duration::from_millis(300);
/// How long to wait for a frame, and for the end of a watch past its own time.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long a repeated request may take to be answered as recorded.
const RETRY: Duration = Duration::from_secs(20);

/// One run of one scenario.
struct Run<'a> {
    world: &'a World,
    file: &'a str,
    scenario: &'a Scenario,
    bindings: Bindings,
    results: Vec<StepResult>,
}

/// Runs a scenario and returns what each step came to.
pub async fn run(world: &World, file: &str, scenario: &Scenario) -> Vec<StepResult> {
    let mut run = Run { world, file, scenario, bindings: Bindings::default(), results: Vec::new() };
    run.namespaces().await;
    for (index, step) in scenario.setup().iter().enumerate() {
        run.step(step, &format!("setup {index}")).await;
    }
    for (index, step) in scenario.steps.iter().enumerate() {
        run.step(step, &step.label(index)).await;
        run.clear(index, step).await;
    }
    run.order();
    run.results
}

impl Run<'_> {
    fn note(&mut self, step: &Step, label: &str, outcome: Outcome) {
        let request = format!("{} {}", step.request.method, step.request.path);
        let scenario = self.scenario.name.clone();
        self.results.push(StepResult { scenario, step: label.to_owned(), request, outcome });
    }

    async fn namespaces(&mut self) {
        for name in &self.scenario.namespaces {
            let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
            let request = Request::post("/api/v1/namespaces").header("content-type", "application/json");
            let request = request.header("host", "cluster.test").header("user-agent", "golden/1.0");
            let request = request.body(Full::from(body.to_string())).unwrap();
            let answer = self.world.client.send(&admin(), request).await;
            if let Ok(answer) = &answer
                && [201, 409].contains(&answer.status.as_u16())
            {
                continue;
            }
            let found = Found::one("/status", 201, format!("{answer:?}"));
            let (scenario, request) = (self.scenario.name.clone(), format!("namespace {name}"));
            let outcome = Outcome::of(found);
            self.results.push(StepResult { scenario, step: "namespaces".to_owned(), request, outcome });
        }
    }

    async fn step(&mut self, step: &Step, label: &str) {
        if let Some(reason) = skips::reason(self.file, &self.scenario.name, step.note()) {
            self.note(step, label, Outcome::Skipped(reason));
            return;
        }
        if step.action.is_some() {
            self.world.compact().await;
            return;
        }
        let until = Instant::now() + RETRY;
        loop {
            // What a failed attempt bound does not count.
            let bindings = self.bindings.clone();
            let found = match step.response.frames {
                Some(_) => Box::pin(self.watch(step, label)).await,
                None => self.exchange(step).await,
            };
            // A body that is refused before all of it was sent has its answer, or the connection is cut: what counts
            // is the answer.
            let cut = found.is_err() && step.response.status == 413;
            let found = found.unwrap_or_else(|error| Found::one("/request", "an answer", error));
            if found.differences.is_empty() || !(step.request.retry || cut) || Instant::now() > until {
                self.note(step, label, Outcome::of(found));
                return;
            }
            self.bindings = bindings;
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Sends a request and compares the answer.
    async fn exchange(&mut self, step: &Step) -> Result<Found, String> {
        let (who, request) = self.request(step)?;
        let answer = timeout(RETRY, self.world.client.send(&who, request)).await.map_err(|_| "no answer in time")??;
        self.remember(step, &answer);
        let mut found = compare(self.scenario, step, &mut self.bindings, &answer);
        // A controller may have made it already.
        let exists = step.setup && answer.status == 409 && step.request.method == "POST";
        if exists && self.scenario.is_of_kinds() {
            found.differences.clear();
        }
        Ok(found)
    }

    /// Opens a watch, lets things happen, and compares the frames.
    async fn watch(&mut self, step: &Step, label: &str) -> Result<Found, String> {
        let (who, request) = self.request(step)?;
        let opening = timeout(RETRY, self.world.client.open(&who, request)).await;
        let stream = opening.map_err(|_| "no answer in time")??;
        if stream.status != step.response.status {
            return Ok(compare(self.scenario, step, &mut self.bindings, &stream.rest().await?));
        }
        let answer = Answer { status: stream.status, headers: stream.headers.clone(), body: Bytes::new() };
        if !step.during.is_empty() {
            sleep(BEFORE).await;
        }
        for (index, during) in step.during.iter().enumerate() {
            Box::pin(self.step(during, &format!("{label}, during {index}"))).await;
        }
        let count = step.response.frames.as_ref().map_or(0, Vec::len);
        let stays = step.response.end.as_deref() == Some("open");
        let (frames, ended) = collect(stream, count, stays, seconds(&step.request.path)).await;
        for frame in &frames {
            self.remember_object(&step.request.path, &frame["object"]);
        }
        let mut found = compare_frames(self.scenario, step, &mut self.bindings, &answer, &frames);
        if ended == stays {
            found.differences.extend(Found::one("/end", if stays { "open" } else { "closed" }, ended).differences);
        }
        Ok(found)
    }

    /// The request of a step, and who sends it.
    fn request(&self, step: &Step) -> Result<(Identity, Request<Full<Bytes>>), String> {
        let unbound = |Unbound(name): Unbound| format!("nothing is known of <{name}>");
        let path = self.bindings.fill(&step.request.path, true).map_err(unbound)?;
        let mut headers =
            vec![("user-agent", Some("golden/1.0".to_owned())), ("accept", Some("application/json".to_owned()))];
        let body = match step.request.body() {
            Body::Empty => Bytes::new(),
            Body::Text(text) => self.bindings.fill(&text, false).map_err(unbound)?.into(),
            Body::Json(mut value) => {
                let (namespace, name) = identity(&value);
                let key = Target::new(&step.request.path).key(&namespace, &name);
                self.bindings.fill_body(&mut value, &key).map_err(unbound)?;
                value.to_string().into()
            }
        };
        if !body.is_empty() {
            headers.push(("content-type", Some("application/json".to_owned())));
        }
        let (mut who, token) = self.identity(step);
        headers.extend(token.map(|token| ("authorization", Some(format!("Bearer {token}")))));
        let mut request =
            Request::builder().method(step.request.method.as_str()).uri(path).header("host", "cluster.test");
        let own: Vec<(String, &Option<String>)> =
            step.request.headers.iter().map(|(name, value)| (name.to_lowercase(), value)).collect();
        if own.iter().any(|(name, _)| name == "authorization") {
            who = Identity::None;
        }
        for (name, value) in headers.iter().filter(|(name, _)| own.iter().all(|(it, _)| it != name)) {
            request = request.header(*name, value.as_deref().unwrap_or_default());
        }
        for (name, value) in own.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
            request = request.header(name, self.bindings.fill(value, false).map_err(unbound)?);
        }
        Ok((who, request.body(Full::from(body)).map_err(|error| error.to_string())?))
    }

    /// Who asks: users by certificate, service accounts by the newest token, strangers by one that nobody issued.
    fn identity(&self, step: &Step) -> (Identity, Option<String>) {
        match step.asker() {
            Asker::Anonymous(_) => (Identity::None, None),
            Asker::User { user, .. } if user.starts_with("system:serviceaccount:") => {
                (Identity::None, self.bindings.token().map(str::to_owned))
            }
            Asker::User { user, .. } if user.ends_with("-token") => (Identity::None, Some(user)),
            Asker::User { user, groups } => (Identity::Certificate(user, groups), None),
        }
    }

    fn remember(&mut self, step: &Step, answer: &Answer) {
        let Ok(body) = serde_json::from_slice::<Value>(&answer.body) else { return };
        if !answer.status.is_success() {
            return;
        }
        let items = body["items"].as_array().cloned().unwrap_or_default();
        for object in items.iter().chain([&body]) {
            self.remember_object(&step.request.path, object);
        }
    }

    fn remember_object(&mut self, path: &str, object: &Value) {
        let (namespace, name) = identity(object);
        if !name.is_empty() && object["metadata"]["uid"].is_string() {
            self.bindings.remember(Target::new(path).key(&namespace, &name), object);
        }
    }

    /// Deletes what a case of the second format made before the next one, as its recorder did.
    async fn clear(&mut self, index: usize, step: &Step) {
        // What should have been refused and was not must not stand in the way of the next case either.
        let made = step.request.method == "POST";
        let later = self.scenario.steps.iter().skip(index + 1).any(|it| it.note() == "valid base");
        let cleared = match self.file {
            "kind-defaults" => true,
            "kind-validation" => later,
            _ => false,
        };
        let Some(found) = self.results.last().filter(|_| made && cleared) else { return };
        if matches!(found.outcome, Outcome::Skipped(_)) {
            return;
        }
        let Body::Json(body) = step.request.body() else { return };
        let name = identity(&body).1;
        let path = step.request.path.split('?').next().unwrap_or_default();
        let world = self.world;
        let send = |request: hyper::http::request::Builder, body: Value| {
            let request = request.header("host", "cluster.test").body(Full::from(body.to_string())).unwrap();
            async move { world.client.send(&admin(), request).await }
        };
        let at = format!("{path}/{name}");
        let patch = Request::patch(&at).header("content-type", "application/merge-patch+json");
        let _ = send(patch, json!({"metadata": {"finalizers": null}})).await;
        let delete = Request::delete(&at).header("content-type", "application/json");
        let _ = send(delete, json!({"gracePeriodSeconds": 0})).await;
    }

    /// Versions must have the recorded order.
    fn order(&mut self) {
        let bound: Vec<(&String, u64)> = self
            .scenario
            .order
            .iter()
            .filter_map(|name| Some((name, self.bindings.get(name)?.parse::<u64>().ok()?)))
            .collect();
        let falls: Vec<String> = bound
            .windows(2)
            .filter(|pair| pair[0].1 > pair[1].1)
            .map(|pair| format!("{} = {} is before {} = {}", pair[0].0, pair[0].1, pair[1].0, pair[1].1))
            .collect();
        if !falls.is_empty() {
            let outcome = Outcome::of(Found::one("/rvOrder", "versions that don't fall", falls.join(", ")));
            let (scenario, step) = (self.scenario.name.clone(), "order of versions".to_owned());
            self.results.push(StepResult { scenario, step, request: String::new(), outcome });
        }
    }
}

fn admin() -> Identity {
    Identity::Certificate("admin".to_owned(), vec!["system:masters".to_owned()])
}

/// The time that a watch asked for.
fn seconds(path: &str) -> Duration {
    let value = path.split_once("timeoutSeconds=").map_or("0", |(_, rest)| rest.split('&').next().unwrap_or("0"));
    Duration::from_secs(value.parse().unwrap_or(0))
}

/// The frames of a watch, and whether the server ended it. One that stays is read until the frames are there and a
/// little longer.
async fn collect(mut stream: Stream, count: usize, stays: bool, lasts: Duration) -> (Vec<Value>, bool) {
    let (mut bytes, mut ended) = (Vec::new(), false);
    let until = Instant::now() + lasts + PATIENCE;
    loop {
        let enough = stays && frames(&bytes).len() >= count;
        let rest = if enough { BEFORE } else { until.saturating_duration_since(Instant::now()) };
        match timeout(rest, stream.next()).await {
            Ok(Some(piece)) => bytes.extend_from_slice(&piece),
            Ok(None) => {
                ended = true;
                break;
            }
            Err(_) => break,
        }
    }
    (frames(&bytes), ended)
}

fn frames(bytes: &[u8]) -> Vec<Value> {
    serde_json::Deserializer::from_slice(bytes).into_iter().map_while(Result::ok).collect()
}

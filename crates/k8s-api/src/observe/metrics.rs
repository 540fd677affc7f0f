//! `/metrics`: how many requests there were, how they ended, how long they took, what runs now, what is stored. Names,
//! labels and buckets are those of upstream's server (Kubernetes documentation, "Kubernetes Metrics Reference").
//!
//! What is counted of a request costs a look-up and some atomic additions. The number of series has a bound: resources
//! are those that are served, and everything else counts as one.
//!
//! The process is shared by all clusters, so its memory and processor time are no cluster's to tell.

use super::exposition::{CONTENT_TYPE, Exposition};
use super::journal::Journal;
use crate::flow::level::Load;
use crate::request::RequestInfo;
use crate::respond::{self, Body};
use crate::version::VersionInfo;
use hyper::{Method, Response, StatusCode};
use k8s_registry::{Endpoint, Registry};
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use store::KeyRange;

/// Upper bounds of durations in seconds.
const SECONDS: &[f64] = &[
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0,
    45.0, 60.0,
];
/// Upper bounds of sizes in bytes.
const BYTES: &[f64] = &[1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];
/// Label names of a request.
const LABELS: [&str; 7] = ["component", "group", "resource", "scope", "subresource", "verb", "version"];

/// What a request is counted as.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct What {
    /// The resource; `None` for everything that is none that is served.
    resource: Option<ByPlace>,
    /// The subresource, or the path of what is asked most beside resources.
    subresource: &'static str,
    scope: &'static str,
    verb: &'static str,
    dry_run: bool,
}

/// An endpoint, told by where it lies: there is one of each, for as long as its catalog lives.
#[derive(Clone)]
struct ByPlace(Arc<Endpoint>);

impl std::fmt::Debug for ByPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.resource().plural)
    }
}

impl PartialEq for ByPlace {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for ByPlace {}

impl Hash for ByPlace {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

/// One server's metrics.
#[derive(Debug)]
pub struct Metrics {
    started: f64,
    requests: Series<(What, u16), AtomicU64>,
    durations: Series<What, Histogram>,
    sizes: Series<What, Histogram>,
    long_running: Series<What, AtomicI64>,
    mutating: AtomicI64,
    reading: AtomicI64,
    authenticated: AtomicU64,
    unauthenticated: AtomicU64,
}

impl Default for Metrics {
    fn default() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            started: since.as_secs_f64(),
            requests: Series::default(),
            durations: Series::default(),
            sizes: Series::default(),
            long_running: Series::default(),
            mutating: AtomicI64::default(),
            reading: AtomicI64::default(),
            authenticated: AtomicU64::default(),
            unauthenticated: AtomicU64::default(),
        }
    }
}

/// Values by their labels. New labels are rare, so that readers need not wait for each other.
#[derive(Debug)]
struct Series<K, V>(RwLock<HashMap<K, Arc<V>>>);

impl<K, V> Default for Series<K, V> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<K: Hash + Eq + Clone, V: Default> Series<K, V> {
    fn get(&self, key: &K) -> Arc<V> {
        if let Some(known) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(key) {
            return known.clone();
        }
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.entry(key.clone()).or_default().clone()
    }

    /// All of them, sorted by what `by` makes of the labels.
    fn sorted<T: Ord>(&self, by: impl Fn(&K) -> T) -> Vec<(K, Arc<V>)> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = all.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        all.sort_by_cached_key(|(key, _)| by(key));
        all
    }
}

/// Observations by bucket, and their sum in millionths.
#[derive(Debug, Default)]
struct Histogram {
    counts: [AtomicU64; SECONDS.len() + 1],
    millionths: AtomicU64,
}

impl Histogram {
    fn observe(&self, bounds: &[f64], value: f64) {
        let bucket = bounds.iter().position(|bound| value <= *bound).unwrap_or(bounds.len());
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        // Values are neither negative nor anywhere near the end of the range.
        self.millionths.fetch_add((value * 1e6) as u64, Ordering::Relaxed);
    }

    fn write(&self, out: &mut Exposition, name: &str, labels: &[(&str, &str)], bounds: &[f64]) {
        let counts: Vec<u64> = self.counts.iter().map(|it| it.load(Ordering::Relaxed)).take(bounds.len() + 1).collect();
        out.histogram(name, labels, bounds, &counts, self.millionths.load(Ordering::Relaxed) as f64 / 1e6);
    }
}

impl What {
    /// What a request is counted as.
    pub fn of(registry: &Registry, method: &Method, info: &RequestInfo, query: &str) -> Self {
        let found = info.resource.as_ref().and_then(|it| {
            let endpoint = registry.catalog().endpoint(&it.group, &it.version, &it.resource)?;
            let scope = match (it.name.is_empty(), it.namespace.is_empty()) {
                _ if info.verb == "create" => "resource",
                (false, _) => "resource",
                (true, false) => "namespace",
                (true, true) => "cluster",
            };
            let subresource = endpoint.subresource(&it.subresource).map_or("", |found| known(&found.name));
            Some((ByPlace(endpoint.clone()), subresource, scope))
        });
        let beside = || known(&info.path);
        let (resource, subresource, scope) = match found {
            Some((resource, subresource, scope)) => (Some(resource), subresource, scope),
            None => (None, beside(), ""),
        };
        let dry_run = query.contains("dryRun=All");
        Self { verb: verb(method, resource.as_ref().map(|_| &*info.verb)), resource, subresource, scope, dry_run }
    }

    /// Whether it goes on for as long as the client likes.
    pub fn is_long_running(&self) -> bool {
        matches!(self.verb, "WATCH" | "CONNECT")
    }

    fn labels(&self) -> [(&'static str, &str); 7] {
        let resource = self.resource.as_ref().map(|it| it.0.resource());
        let [component, group, name, scope, subresource, verb, version] = LABELS;
        [
            (component, "apiserver"),
            (group, resource.map_or("", |it| &*it.group)),
            (name, resource.map_or("", |it| &*it.plural)),
            (scope, self.scope),
            (subresource, self.subresource),
            (verb, self.verb),
            (version, resource.map_or("", |it| &*it.version)),
        ]
    }

    /// As `dry_run` is labelled.
    fn dry_run(&self) -> &'static str {
        if self.dry_run { "All" } else { "" }
    }

    fn order(&self) -> ([String; 7], bool) {
        (self.labels().map(|(_, value)| value.to_owned()), self.dry_run)
    }
}

/// Subresources, and paths beside resources, that are told apart.
fn known(name: &str) -> &'static str {
    const KNOWN: &[&str] = &[
        "status",
        "scale",
        "token",
        "binding",
        "eviction",
        "log",
        "exec",
        "attach",
        "portforward",
        "proxy",
        "finalize",
        "approval",
        "ephemeralcontainers",
        "resize",
        "/healthz",
        "/livez",
        "/readyz",
        "/version",
        "/metrics",
        "/api",
        "/apis",
        "/openapi/v2",
        "/openapi/v3",
    ];
    KNOWN.iter().find(|it| **it == name).copied().unwrap_or_default()
}

/// As upstream writes verbs in labels.
fn verb(method: &Method, verb: Option<&str>) -> &'static str {
    match verb {
        Some("list") => "LIST",
        Some("watch") => "WATCH",
        Some("deletecollection") => "DELETECOLLECTION",
        _ => match *method {
            Method::GET => "GET",
            Method::HEAD => "HEAD",
            Method::POST => "POST",
            Method::PUT => "PUT",
            Method::PATCH => "PATCH",
            Method::DELETE => "DELETE",
            Method::OPTIONS => "OPTIONS",
            _ => "other",
        },
    }
}

/// Something that is counted for as long as this lives.
pub struct Counted(Arc<Metrics>, What);

impl Counted {
    /// What it is counted as.
    pub fn what(&self) -> &What {
        &self.1
    }

    fn add(&self, change: i64) {
        let Self(metrics, what) = self;
        if what.is_long_running() {
            metrics.long_running.get(what).fetch_add(change, Ordering::Relaxed);
        } else if matches!(what.verb, "POST" | "PUT" | "PATCH" | "DELETE" | "DELETECOLLECTION") {
            metrics.mutating.fetch_add(change, Ordering::Relaxed);
        } else {
            metrics.reading.fetch_add(change, Ordering::Relaxed);
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.add(-1);
    }
}

impl Metrics {
    /// A request runs from now until the returned value is dropped.
    pub fn begin(self: &Arc<Self>, what: What) -> Counted {
        let counted = Counted(self.clone(), what);
        counted.add(1);
        counted
    }

    /// A request was answered, with so many bytes where that is known.
    pub fn answered(&self, what: &What, code: u16, took: Duration, bytes: Option<u64>) {
        self.requests.get(&(what.clone(), code)).fetch_add(1, Ordering::Relaxed);
        self.durations.get(what).observe(SECONDS, took.as_secs_f64());
        if let Some(bytes) = bytes.filter(|_| matches!(what.verb, "GET" | "LIST")) {
            self.sizes.get(what).observe(BYTES, bytes as f64);
        }
    }

    /// Whether somebody was behind a request's credential.
    pub fn authenticated(&self, somebody: bool) {
        let counter = if somebody { &self.authenticated } else { &self.unauthenticated };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Answers `/metrics`.
    pub fn answer(
        &self,
        registry: &Registry,
        version: &VersionInfo,
        journal: &Journal,
        loads: &BTreeMap<String, Load>,
    ) -> Response<Body> {
        let mut out = Exposition::default();
        audit(&mut out, journal);
        self.running(&mut out);
        levels(&mut out, loads);
        self.requests(&mut out);
        stored(&mut out, registry);
        self.askers(&mut out);
        out.metric("kubernetes_build_info", "gauge", "What this server was built from; always 1.");
        out.sample("kubernetes_build_info", &version.labels(), 1);
        out.metric("process_start_time_seconds", "gauge", "When this server began, in seconds since 1970.");
        out.sample("process_start_time_seconds", &[], format!("{:.2}", self.started));
        respond::full(StatusCode::OK, CONTENT_TYPE, out.into_text().into())
    }

    fn running(&self, out: &mut Exposition) {
        let name = "apiserver_current_inflight_requests";
        out.metric(name, "gauge", "Requests that run now and are not long-running, by whether they write.");
        out.sample(name, &[("request_kind", "mutating")], self.mutating.load(Ordering::Relaxed));
        out.sample(name, &[("request_kind", "readOnly")], self.reading.load(Ordering::Relaxed));
        let name = "apiserver_longrunning_requests";
        out.metric(name, "gauge", "Long-running requests, as watches, that run now.");
        for (what, count) in self.long_running.sorted(What::order) {
            out.sample(name, &what.labels(), count.load(Ordering::Relaxed));
        }
    }

    fn requests(&self, out: &mut Exposition) {
        let name = "apiserver_request_total";
        out.metric(name, "counter", "Answered requests.");
        for ((what, code), count) in self.requests.sorted(|(what, code)| (what.order(), *code)) {
            let code = code.to_string();
            let [first @ .., verb, version] = what.labels();
            let [component, group, resource, scope, subresource] = first;
            let labels = [
                ("code", &*code),
                component,
                ("dry_run", what.dry_run()),
                group,
                resource,
                scope,
                subresource,
                verb,
                version,
            ];
            out.sample(name, &labels, count.load(Ordering::Relaxed));
        }
        let name = "apiserver_request_duration_seconds";
        out.metric(name, "histogram", "Seconds from a request to its answer; of a watch, to its beginning.");
        for (what, histogram) in self.durations.sorted(What::order) {
            let [component, rest @ ..] = what.labels();
            let mut labels = vec![component, ("dry_run", what.dry_run())];
            labels.extend(rest);
            histogram.write(out, name, &labels, SECONDS);
        }
        let name = "apiserver_response_sizes";
        out.metric(name, "histogram", "Bytes of answers to reads.");
        for (what, histogram) in self.sizes.sorted(What::order) {
            histogram.write(out, name, &what.labels(), BYTES);
        }
    }

    fn askers(&self, out: &mut Exposition) {
        let name = "authenticated_user_requests";
        out.metric(name, "counter", "Requests with somebody behind their credential.");
        out.sample(name, &[("username", "other")], self.authenticated.load(Ordering::Relaxed));
        let name = "authentication_attempts";
        out.metric(name, "counter", "Requests by whether somebody was behind their credential.");
        out.sample(name, &[("result", "failure")], self.unauthenticated.load(Ordering::Relaxed));
        out.sample(name, &[("result", "success")], self.authenticated.load(Ordering::Relaxed));
    }
}

/// What became of the records of requests.
fn audit(out: &mut Exposition, journal: &Journal) {
    out.metric("apiserver_audit_event_total", "counter", "Records that were handed to the audit log.");
    out.sample("apiserver_audit_event_total", &[], journal.taken());
    let name = "apiserver_audit_error_total";
    out.metric(name, "counter", "Records that were lost because the audit log could not be written.");
    out.sample(name, &[("plugin", "log")], journal.dropped());
}

/// How the priority levels do.
fn levels(out: &mut Exposition, loads: &BTreeMap<String, Load>) {
    type Value = fn(&Load) -> usize;
    let metrics: [(&str, &str, Value); 3] = [
        ("apiserver_flowcontrol_current_executing_seats", "Seats of a level that are taken.", |it| it.executing),
        ("apiserver_flowcontrol_current_inqueue_requests", "Requests that wait for a seat.", |it| it.waiting),
        ("apiserver_flowcontrol_nominal_limit_seats", "Seats of a level; 0 where they are not counted.", |it| {
            it.limits.seats.unwrap_or(0)
        }),
    ];
    for (name, help, value) in metrics {
        out.metric(name, "gauge", help);
        for (level, load) in loads {
            out.sample(name, &[("priority_level", level)], value(load));
        }
    }
}

/// How many objects of each resource there are.
fn stored(out: &mut Exposition, registry: &Registry) {
    let name = "apiserver_storage_objects";
    out.metric(name, "gauge", "Stored objects.");
    let mut counts = BTreeMap::new();
    for endpoint in registry.catalog().endpoints().iter().filter(|it| !it.prefix.is_empty()) {
        let resource = endpoint.resource();
        let full = match &*resource.group {
            "" => resource.plural.to_string(),
            group => format!("{}.{group}", resource.plural),
        };
        // Versions of a resource share their objects.
        counts
            .entry(full)
            .or_insert_with(|| registry.store().count(&KeyRange::prefix(endpoint.prefix.clone()), None).unwrap_or(0));
    }
    for (resource, count) in counts {
        out.sample(name, &[("resource", &*resource)], count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_into_the_first_bucket_that_holds_a_value() {
        let histogram = Histogram::default();
        for value in [0.0, 0.005, 0.006, 59.0, 61.0] {
            histogram.observe(SECONDS, value);
        }
        let mut out = Exposition::default();
        histogram.write(&mut out, "h", &[], SECONDS);
        let text = out.into_text();
        for line in ["h_bucket{le=\"0.005\"} 2", "h_bucket{le=\"60\"} 4", "h_bucket{le=\"+Inf\"} 5", "h_count 5"] {
            assert!(text.lines().any(|it| it == line), "{line} in {text}");
        }
        assert!(text.contains("h_sum 120.011"), "{text}");
    }

    #[test]
    fn verbs_are_those_of_labels() {
        assert_eq!(verb(&Method::GET, Some("list")), "LIST");
        assert_eq!(verb(&Method::GET, Some("watch")), "WATCH");
        assert_eq!(verb(&Method::DELETE, Some("deletecollection")), "DELETECOLLECTION");
        assert_eq!(verb(&Method::PATCH, Some("patch")), "PATCH");
        assert_eq!(verb(&Method::GET, None), "GET");
        assert_eq!(verb(&Method::TRACE, None), "other");
    }
}

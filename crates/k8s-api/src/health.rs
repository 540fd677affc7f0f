//! `/healthz`, `/livez`, `/readyz` and their checks.

use crate::query;
use hyper::StatusCode;
use k8s_types::status::quote;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Something that must work.
#[derive(Clone)]
pub struct Check {
    name: &'static str,
    readiness_only: bool,
    passes: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl Check {
    /// A check by its name, as `etcd`, for all three endpoints. `passes` is called for every request: it must be quick.
    pub fn new(name: &'static str, passes: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self { name, readiness_only: false, passes: Arc::new(passes) }
    }

    /// The same check, for `/readyz` only.
    #[must_use]
    pub fn readiness_only(mut self) -> Self {
        self.readiness_only = true;
        self
    }
}

/// A server's checks.
pub struct Health {
    checks: Vec<Check>,
    stopping: Arc<AtomicBool>,
}

/// What a health endpoint answers, always plain text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The HTTP status.
    pub status: StatusCode,
    /// The text.
    pub text: String,
    /// Whether browsers are told not to guess the type.
    pub nosniff: bool,
}

impl Health {
    /// The checks that every server has, and `more`.
    pub fn new(more: Vec<Check>) -> Self {
        let stopping = Arc::new(AtomicBool::new(false));
        let seen = stopping.clone();
        let mut checks = vec![Check::new("ping", || true)];
        checks.extend(more);
        checks.push(Check::new("shutdown", move || !seen.load(Ordering::Relaxed)).readiness_only());
        Self { checks, stopping }
    }

    /// From now on the server is not ready.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Answers `path` with its raw `query`. `None` where there is no such endpoint or check.
    pub fn report(&self, path: &str, query: &str) -> Option<Report> {
        let (endpoint, name) = match path.strip_prefix('/')?.split_once('/') {
            Some((endpoint, name)) => (endpoint, Some(name)),
            None => (path.strip_prefix('/')?, None),
        };
        if !matches!(endpoint, "healthz" | "livez" | "readyz") {
            return None;
        }
        let mut checks = self.checks.iter().filter(|check| endpoint == "readyz" || !check.readiness_only);
        match name {
            None => Some(all(endpoint, checks, query)),
            Some(name) => checks.find(|check| check.name == name).map(one),
        }
    }
}

fn one(check: &Check) -> Report {
    if (check.passes)() {
        Report { status: StatusCode::OK, text: "ok".to_owned(), nosniff: false }
    } else {
        let text = format!("internal server error: {} failed\n", check.name);
        Report { status: StatusCode::INTERNAL_SERVER_ERROR, text, nosniff: true }
    }
}

fn all<'a>(endpoint: &str, checks: impl Iterator<Item = &'a Check>, query: &str) -> Report {
    let mut excluded: BTreeSet<String> = query::values(query, "exclude").collect();
    let mut lines = String::new();
    let mut failed = false;
    for check in checks {
        let name = check.name;
        let _ = if excluded.remove(name) {
            writeln!(lines, "[+]{name} excluded: ok")
        } else if (check.passes)() {
            writeln!(lines, "[+]{name} ok")
        } else {
            failed = true;
            writeln!(lines, "[-]{name} failed: reason withheld")
        };
    }
    if !excluded.is_empty() {
        let names: Vec<String> = excluded.iter().map(|name| quote(name)).collect();
        let _ = writeln!(lines, "warn: some health checks cannot be excluded: no matches for {}", names.join(", "));
    }
    if failed {
        let text = format!("{lines}{endpoint} check failed\n");
        return Report { status: StatusCode::INTERNAL_SERVER_ERROR, text, nosniff: true };
    }
    let verbose = query::value(query, "verbose").is_some();
    let text = if verbose { format!("{lines}{endpoint} check passed\n") } else { "ok".to_owned() };
    Report { status: StatusCode::OK, text, nosniff: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(store_works: bool) -> Health {
        Health::new(vec![Check::new("etcd", move || store_works)])
    }

    #[track_caller]
    fn check(health: &Health, path: &str, query: &str, want: Option<(u16, &str)>) {
        let got = health.report(path, query);
        assert_eq!(got.as_ref().map(|it| (it.status.as_u16(), it.text.as_str())), want, "{path}?{query}");
    }

    #[test]
    fn a_healthy_server_says_ok() {
        let health = health(true);
        for path in ["/healthz", "/livez", "/readyz", "/readyz/ping", "/livez/etcd", "/readyz/shutdown"] {
            check(&health, path, "", Some((200, "ok")));
        }
        for path in ["/healthz/nope", "/healthz/", "/livez/shutdown", "/version", "healthz"] {
            check(&health, path, "", None);
        }
        let lines = "[+]ping ok\n[+]etcd ok\n[+]shutdown ok\nreadyz check passed\n";
        check(&health, "/readyz", "verbose", Some((200, lines)));
        check(&health, "/livez", "verbose=1", Some((200, "[+]ping ok\n[+]etcd ok\nlivez check passed\n")));
    }

    #[test]
    fn a_failed_check_is_named_and_can_be_excluded() {
        let health = health(false);
        let lines = "[+]ping ok\n[-]etcd failed: reason withheld\nhealthz check failed\n";
        check(&health, "/healthz", "", Some((500, lines)));
        check(&health, "/healthz/etcd", "", Some((500, "internal server error: etcd failed\n")));
        check(&health, "/healthz", "exclude=etcd", Some((200, "ok")));
        let lines = "[+]ping ok\n[+]etcd excluded: ok\n\
            warn: some health checks cannot be excluded: no matches for \"a\", \"b\"\nlivez check passed\n";
        check(&health, "/livez", "verbose&exclude=b&exclude=etcd&exclude=a", Some((200, lines)));
    }

    #[test]
    fn a_stopping_server_is_alive_but_not_ready() {
        let health = health(true);
        health.stop();
        check(&health, "/livez", "", Some((200, "ok")));
        assert_eq!(health.report("/readyz", "").unwrap().status, 500);
    }
}

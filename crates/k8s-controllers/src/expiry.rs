//! Events end some time after they were written last. Nothing is remembered of each: when some may be due, all are
//! looked at.

use crate::access::Cluster;
use crate::metadata::at;
use crate::queue::Outcome;
use crate::runner::Seen;
use jiff::Timestamp;
use k8s_registry::Stored;
use k8s_types::{Status, age};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use store::{Compare, KeyRange, Op, Txn};

/// How exactly Events end: so seldom are they looked at.
const GRAIN: Duration = Duration::from_secs(60);
/// How many end in one transaction.
const CHUNK: usize = 256;

/// Whether there are Events that will end.
#[derive(Debug, Default)]
pub(crate) struct Expiry {
    /// Somebody will look.
    watched: bool,
    /// Some were written since somebody last began to look.
    news: bool,
}

impl Expiry {
    /// Takes in a change. Returns whether Events have to be looked at once they may be due.
    pub(crate) fn observe(&mut self, seen: &Seen<'_>) -> bool {
        if seen.now.is_none() || !seen.place.is("", "events") {
            return false;
        }
        self.news = true;
        !std::mem::replace(&mut self.watched, true)
    }

    /// Somebody looks.
    pub(crate) fn begin(&mut self) {
        self.news = false;
    }

    /// Nothing was found that will end. Returns whether that is still so.
    pub(crate) fn rest(&mut self) -> bool {
        self.watched = self.news;
        !self.watched
    }
}

/// When an Event was written last, as it says itself: the times that servers and its writer put into it.
fn written(event: &Value) -> Option<Timestamp> {
    let fields = event.pointer("/metadata/managedFields").and_then(Value::as_array);
    let owned = fields.into_iter().flatten().map(|it| at(it, "/time"));
    let own = ["/metadata/creationTimestamp", "/lastTimestamp", "/series/lastObservedTime"].map(|it| at(event, it));
    own.into_iter().chain(owned).filter_map(age::parse).max()
}

/// Ends what is due. Says when the next will be.
pub(crate) async fn expire(cluster: Arc<Cluster>) -> Result<Outcome, Box<Status>> {
    let Some(endpoint) = cluster.catalog().any_version("", "events") else { return Ok(Outcome::Done) };
    let (now, ttl) = (Timestamp::now(), cluster.config.event_ttl);
    let mut due: Vec<Stored> = Vec::new();
    let mut next: Option<Duration> = None;
    for stored in cluster.all(endpoint, "")? {
        let written = written(&cluster.registry.read(endpoint, &stored)).unwrap_or(Timestamp::UNIX_EPOCH);
        // What lies in the future was written by a wrong clock, now at the latest.
        let passed = Duration::try_from(now.duration_since(written.min(now))).unwrap_or_default();
        match ttl.checked_sub(passed).filter(|it| !it.is_zero()) {
            Some(left) => next = Some(next.map_or(left, |it| it.min(left))),
            None => due.push(stored),
        }
    }
    for chunk in due.chunks(CHUNK) {
        let compares = chunk.iter().map(|it| Compare::ModRevision(it.key.clone(), it.revision)).collect();
        let success = chunk.iter().map(|it| Op::Delete(KeyRange::key(it.key.clone()))).collect();
        let done = cluster.registry.store().txn(Txn { compares, success, failure: Vec::new() }).await;
        let done = done.map_err(|error| Box::new(Status::internal(error.to_string())))?;
        if !done.succeeded {
            // One of them was written meanwhile.
            next = Some(Duration::ZERO);
        }
    }
    Ok(next.map_or(Outcome::Done, |it| Outcome::Later(it.max(GRAIN.min(ttl)))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_last_time_counts() {
        let event = json!({
            "metadata": {"creationTimestamp": "2026-01-01T00:00:00Z",
                "managedFields": [{"time": "2026-01-01T00:00:10Z"}, {"time": "2026-01-01T00:00:05Z"}]},
            "lastTimestamp": "2026-01-01T00:00:07Z",
            "series": {"lastObservedTime": null},
        });
        assert_eq!(written(&event), age::parse("2026-01-01T00:00:10Z"));
        assert_eq!(written(&json!({})), None);
    }
}

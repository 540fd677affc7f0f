//! Watches: what there is, if it is asked for, then every change, until somebody ends it.

use crate::api::Api;
use crate::api::documents::Documents;
use crate::api::options::ListOptions;
use crate::api::present::Presenter;
use crate::negotiate::{Format, Media, Shape};
use crate::respond::{self, Body};
use bytes::Bytes;
use futures::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::{Response, StatusCode};
use k8s_print::IncludeObject;
use k8s_registry::{Change, Changes, Endpoint, Gone, ListQuery, Registry, Stored, keys};
use k8s_types::Status;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// How long a watch lasts whose client does not say, at least; it lasts up to twice as long.
const LEAST_TIME: Duration = Duration::from_secs(1800);
/// How often a watcher hears how far the server is.
const BOOKMARKS: Duration = Duration::from_secs(60);
/// How many changes are taken from the log in one go.
const BATCH: usize = 128;
/// Tells a watcher that what was there at the beginning has been sent.
const INITIAL_END: &str = "k8s.io/initial-events-end";

/// A watch.
pub struct Watching {
    registry: Arc<Registry>,
    documents: Arc<Documents>,
    endpoint: Arc<Endpoint>,
    /// What the keys of its objects begin with.
    scope: String,
    options: ListOptions,
    format: Format,
    include: IncludeObject,
    changes: Changes,
    /// Frames to be sent before anything else.
    ready: VecDeque<Bytes>,
    /// The newest resource version that the watcher knows.
    revision: u64,
    /// Whether a table's columns were told.
    heads_told: bool,
    end: Instant,
    next_bookmark: Instant,
    ended: bool,
}

/// What an event does to what the watcher sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Added,
    Modified,
    Deleted,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }
}

/// Starts a watch in a scope, and answers with its stream.
///
/// # Errors
/// What the API answers instead of a stream.
pub fn start(
    api: &Api,
    endpoint: &Arc<Endpoint>,
    scope: (&str, Option<&str>),
    options: ListOptions,
    presenter: &Presenter<'_>,
) -> Result<Response<Body>, Box<Status>> {
    let registry = &api.registry;
    let format = presenter.format.clone();
    if matches!(format.shape, Shape::PartialList(_)) || format.media == Media::Yaml {
        let known = ["application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch"];
        return Err(Box::new(Status::not_acceptable(&known)));
    }
    let initial = wants_initial(&options);
    let listed = if initial { Some(list(registry, endpoint, scope, &options)?) } else { None };
    let after = match (&listed, options.resource_version) {
        (Some(list), _) => list.revision,
        (None, Some(version)) if version > 0 => version,
        (None, _) => registry.revision(),
    };
    let now = Instant::now();
    let time = options.timeout.unwrap_or_else(|| LEAST_TIME + LEAST_TIME.mul_f64(fraction()));
    let changes = match registry.changes(endpoint, after) {
        Ok(changes) => changes,
        Err(gone) => return Ok(only(error_frame(registry, &format, &gone, after), &format)),
    };
    let mut watching = Watching {
        registry: api.registry.clone(),
        documents: api.documents.clone(),
        endpoint: endpoint.clone(),
        scope: keys::scope(&endpoint.prefix, scope.0),
        options,
        format,
        include: presenter.include,
        changes,
        ready: VecDeque::new(),
        revision: after,
        heads_told: false,
        end: now + time,
        next_bookmark: now + BOOKMARKS.min(time.mul_f64(0.9)),
        ended: false,
    };
    for stored in listed.map(|it| it.items).unwrap_or_default() {
        let frame = watching.frame(Kind::Added, &stored);
        watching.ready.push_back(frame);
    }
    if watching.options.initial_events == Some(true) && watching.options.bookmarks {
        let frame = watching.bookmark(true);
        watching.ready.push_back(frame);
    }
    Ok(watching.into_response())
}

/// Whether a watch begins with what there is.
fn wants_initial(options: &ListOptions) -> bool {
    match options.initial_events {
        Some(wanted) => wanted,
        None => options.resource_version.is_none_or(|it| it == 0),
    }
}

fn list(
    registry: &Registry,
    endpoint: &Endpoint,
    (namespace, name): (&str, Option<&str>),
    options: &ListOptions,
) -> Result<k8s_registry::List, Box<Status>> {
    let matches = |object: &Value| options.matches(object);
    let picks: &(dyn Fn(&Value) -> bool + Sync) = &matches;
    let at = match options.resource_version {
        Some(version) if version > 0 => k8s_registry::read::At::NotOlderThan(version),
        _ => k8s_registry::read::At::Now,
    };
    let query =
        ListQuery { namespace, name, at, matches: (!options.is_everything()).then_some(picks), ..ListQuery::default() };
    registry.list(endpoint, &query)
}

/// A number from 0 to 1, so that watches that began together do not end together.
fn fraction() -> f64 {
    let mut byte = [0; 2];
    // Without random numbers they do.
    let _ = getrandom::fill(&mut byte);
    f64::from(u16::from_le_bytes(byte)) / f64::from(u16::MAX)
}

impl Watching {
    fn into_response(self) -> Response<Body> {
        let format = self.format.clone();
        let frames = stream::unfold(self, |mut watching| async move {
            let frame = watching.next().await?;
            Some((Ok::<_, Infallible>(Frame::data(frame)), watching))
        });
        streamed(&format, StreamBody::new(frames).boxed_unsync())
    }

    /// The next bytes to send; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(first) = self.ready.pop_front() {
                return Some(self.gather(first));
            }
            if self.ended {
                return None;
            }
            let wake = if self.options.bookmarks { self.end.min(self.next_bookmark) } else { self.end };
            tokio::select! {
                biased;
                changes = self.changes.next(BATCH) => match changes {
                    Ok(changes) => changes.iter().for_each(|it| self.take(it)),
                    Err(gone) => {
                        let frame = error_frame(&self.registry, &self.format, &gone, self.revision);
                        self.ready.push_back(frame);
                        self.ended = true;
                    }
                },
                () = sleep_until(wake) => {
                    if Instant::now() >= self.end {
                        return None;
                    }
                    self.next_bookmark = Instant::now() + BOOKMARKS;
                    let frame = self.bookmark(false);
                    self.ready.push_back(frame);
                }
            }
        }
    }

    /// Puts small frames together that wait anyway.
    fn gather(&mut self, first: Bytes) -> Bytes {
        const ENOUGH: usize = 16 * 1024;
        if self.ready.is_empty() || first.len() >= ENOUGH {
            return first;
        }
        let mut together = Vec::with_capacity(ENOUGH);
        together.extend_from_slice(&first);
        while together.len() < ENOUGH
            && let Some(next) = self.ready.pop_front()
        {
            together.extend_from_slice(&next);
        }
        together.into()
    }

    /// Takes in one change: most watchers send the same frame, and the first of them makes it.
    fn take(&mut self, change: &Arc<Change>) {
        self.revision = change.revision;
        if !change.key.starts_with(self.scope.as_bytes()) {
            return;
        }
        let plain =
            self.format.media == Media::Json && self.format.shape == Shape::Whole && !self.endpoint.is_converted();
        if plain && self.options.is_everything() {
            let frame = change.frame.get_or_init(|| {
                let (kind, stored) = plain_event(change);
                json_frame(kind, &self.endpoint, &stored)
            });
            self.ready.push_back(frame.clone());
            return;
        }
        let picks = |stored: &Stored| {
            self.options.is_everything() || self.options.matches(&self.registry.read(&self.endpoint, stored))
        };
        let before = change.before.as_ref().filter(|it| picks(it));
        let now = change.now.as_ref().filter(|it| picks(it));
        let event = match (before, now) {
            (None, Some(now)) => Some((Kind::Added, now.clone())),
            (Some(_), Some(now)) => Some((Kind::Modified, now.clone())),
            (Some(before), None) => Some((Kind::Deleted, Stored { revision: change.revision, ..before.clone() })),
            (None, None) => None,
        };
        if let Some((kind, stored)) = event {
            let frame = self.frame(kind, &stored);
            self.ready.push_back(frame);
        }
    }

    fn frame(&mut self, kind: Kind, stored: &Stored) -> Bytes {
        if self.format.media == Media::Json && self.format.shape == Shape::Whole && !self.endpoint.is_converted() {
            return json_frame(kind, &self.endpoint, stored);
        }
        let object = self.registry.read(&self.endpoint, stored);
        let shown = match self.format.shape {
            Shape::Whole | Shape::PartialList(_) => object,
            Shape::Partial(version) => k8s_print::partial_object_metadata(&object, version),
            Shape::Table(version) => {
                let heads = !std::mem::replace(&mut self.heads_told, true);
                let metadata = json!({"resourceVersion": stored.revision.to_string()});
                let presenter = Presenter {
                    registry: &self.registry,
                    documents: &self.documents,
                    format: self.format.clone(),
                    include: self.include,
                    now: jiff::Timestamp::now(),
                };
                presenter.table(&self.endpoint, &[&object], metadata, version, heads)
            }
        };
        frame(&self.registry, &self.format, kind.name(), &shown)
    }

    fn bookmark(&self, initial_end: bool) -> Bytes {
        let mut metadata = json!({"resourceVersion": self.revision.to_string()});
        if self.registry.catalog().release().minor() < 34 {
            metadata["creationTimestamp"] = Value::Null;
        }
        if initial_end {
            metadata["annotations"] = json!({ INITIAL_END: "true" });
        }
        let (kind, version) = match self.format.shape {
            Shape::Partial(version) => ("PartialObjectMetadata", format!("meta.k8s.io/{version}")),
            Shape::Table(version) => ("Table", format!("meta.k8s.io/{version}")),
            _ => (&*self.endpoint.resource().kind, self.endpoint.api_version.clone()),
        };
        let mut object = json!({"kind": kind, "apiVersion": version, "metadata": metadata});
        if let Shape::Table(_) = self.format.shape {
            object = json!({"kind": kind, "apiVersion": version, "metadata": {"resourceVersion": self.revision.to_string()},
                "columnDefinitions": null, "rows": []});
        } else if self.format.shape == Shape::Whole {
            self.endpoint.show(&mut object);
        }
        frame(&self.registry, &self.format, "BOOKMARK", &object)
    }
}

/// A change as those see it who see everything.
fn plain_event(change: &Change) -> (Kind, Stored) {
    match (&change.before, &change.now) {
        (None, Some(now)) => (Kind::Added, now.clone()),
        (Some(_), Some(now)) => (Kind::Modified, now.clone()),
        (before, None) => {
            let bytes = before.as_ref().map_or_else(|| Bytes::from_static(b"{\"metadata\":{}}"), |it| it.bytes.clone());
            (Kind::Deleted, Stored { key: change.key.clone(), bytes, revision: change.revision })
        }
    }
}

fn json_frame(kind: Kind, endpoint: &Endpoint, stored: &Stored) -> Bytes {
    let mut frame = Vec::with_capacity(stored.bytes.len() + endpoint.head.len() + 80);
    frame.extend_from_slice(b"{\"type\":\"");
    frame.extend_from_slice(kind.name().as_bytes());
    frame.extend_from_slice(b"\",\"object\":");
    stored.write(&endpoint.head, &mut frame);
    frame.extend_from_slice(b"}\n");
    frame.into()
}

fn frame(registry: &Registry, format: &Format, kind: &str, object: &Value) -> Bytes {
    if format.media == Media::Protobuf {
        let body = k8s_types::protobuf::encode(object, registry.catalog().release()).unwrap_or_default();
        return k8s_types::protobuf::watch_frame(kind, &body).into();
    }
    let mut frame = json!({"type": kind, "object": object}).to_string();
    frame.push('\n');
    frame.into()
}

/// The last frame of a watch that can't go on.
fn error_frame(registry: &Registry, format: &Format, gone: &Gone, wanted: u64) -> Bytes {
    let message = match gone {
        Gone::TooOld(oldest) => format!("too old resource version: {wanted} ({oldest})"),
        Gone::Lagged => "the watcher is too slow".to_owned(),
        Gone::Closed => "the server is stopping".to_owned(),
    };
    let status = match gone {
        Gone::TooOld(_) | Gone::Lagged => Status::expired(message),
        Gone::Closed => Status::failure(503, "ServiceUnavailable", message, None),
    };
    frame(registry, format, "ERROR", &status.to_value())
}

fn only(frame: Bytes, format: &Format) -> Response<Body> {
    let frames = stream::once(async move { Ok::<_, Infallible>(Frame::data(frame)) });
    streamed(format, StreamBody::new(frames).boxed_unsync())
}

fn streamed(format: &Format, body: Body) -> Response<Body> {
    let media = match format.media {
        Media::Protobuf => "application/vnd.kubernetes.protobuf;stream=watch",
        _ => "application/json",
    };
    respond::streamed(StatusCode::OK, media, body)
}

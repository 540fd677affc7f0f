//! Getting and listing.

use super::options::{ListOptions, Match, resource_version};
use super::present::{self, Presenter};
use super::{Answer, Api};
use crate::chain::Asked;
use crate::negotiate::{Media, Shape};
use crate::query;
use crate::respond::{self, Layout};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::StatusCode;
use hyper::body::Frame;
use hyper::header::{CONTENT_ENCODING, HeaderValue, VARY};
use k8s_registry::continue_token::ContinueToken;
use k8s_registry::read::{At, too_large};
use k8s_registry::{Endpoint, List, ListQuery, Registry, Target};
use k8s_types::Status;
use serde_json::Value;
use std::convert::Infallible;
use std::io::Write;
use std::sync::Arc;

/// How many objects of a long list are read in one go.
const CHUNK: usize = 1000;
/// How many bytes of a long list are sent in one go, about.
const PIECE: usize = 64 * 1024;

impl Api {
    pub(super) async fn get(&self, asked: &Asked<'_>, target: Target<'_>) -> Answer {
        let presenter = self.presenter(asked)?;
        let wanted = resource_version(&query::value(asked.query, "resourceVersion").unwrap_or_default())?;
        let current = self.registry.revision();
        if let Some(wanted) = wanted.filter(|it| *it > current) {
            return Err(Box::new(too_large(wanted, current)));
        }
        match target.subresource {
            "" | "status" | "ephemeralcontainers" | "resize" | "approval" | "finalize" => {}
            "scale" => return presenter.scale(StatusCode::OK, &self.registry.scale(target)?),
            _ => return Err(Box::new(Status::method_not_allowed())),
        }
        let found = self.registry.find(target.endpoint, target.namespace, target.name)?;
        match found {
            Some(stored) => presenter.stored(target.endpoint, &stored),
            None => Err(Box::new(Status::not_found(target.endpoint.group_resource(), target.name))),
        }
    }

    pub(super) fn list(&self, asked: &Asked<'_>, endpoint: &Arc<Endpoint>, namespace: &str) -> Answer {
        let presenter = self.presenter(asked)?;
        let options = ListOptions::parse(asked.query, endpoint, false)?;
        if endpoint.prefix.is_empty() {
            return super::reviews::component_statuses(&presenter, endpoint, &options);
        }
        let continue_token = match options.continue_text.as_str() {
            "" => None,
            text => Some(ContinueToken::parse(text)?),
        };
        let matches = |object: &Value| options.matches(object);
        let picks: &(dyn Fn(&Value) -> bool + Sync) = &matches;
        // The watch cache of an API server knows no limit at version 0; what goes on with a list is not asked of it.
        let unlimited =
            options.resource_version == Some(0) && options.version_match.is_none() && options.continue_text.is_empty();
        let query = ListQuery {
            namespace,
            name: options.fields.exact("metadata.name"),
            limit: if unlimited { 0 } else { options.limit },
            continue_token,
            at: state(&options),
            matches: (!options.is_everything()).then_some(picks),
            uncounted: false,
        };
        let plain = presenter.format.media == Media::Json
            && presenter.format.shape == Shape::Whole
            && presenter.format.layout == Layout::Compact
            && !endpoint.is_converted();
        if plain && options.is_everything() && query.limit == 0 && query.continue_token.is_none() {
            return self.stream(&presenter, endpoint, query);
        }
        presenter.list(endpoint, &self.registry.list(endpoint, &query)?)
    }

    /// Answers with a whole list piece by piece, so that its size is nobody's memory and the first byte does not wait
    /// for the last object.
    fn stream(&self, presenter: &Presenter<'_>, endpoint: &Arc<Endpoint>, query: ListQuery<'_>) -> Answer {
        let namespace = query.namespace.to_owned();
        let first = self.registry.list(endpoint, &ListQuery { limit: CHUNK, uncounted: true, ..query })?;
        if first.continue_token.is_empty() {
            return presenter.list(endpoint, &first);
        }
        let whole = List { revision: first.revision, ..List::default() };
        let gzip = presenter.format.gzip;
        let pieces = Pieces {
            registry: self.registry.clone(),
            endpoint: endpoint.clone(),
            namespace,
            head: Some(present::list_head(endpoint, &present::metadata(&whole))),
            page: first,
            at: 0,
            begun: false,
            encoder: gzip.then(|| GzEncoder::new(Vec::new(), Compression::fast())),
            ended: false,
        };
        let frames = stream::unfold(pieces, |mut pieces| async move {
            let piece = pieces.next()?;
            Some((Ok::<_, Infallible>(Frame::data(piece)), pieces))
        });
        let mut response =
            respond::streamed(StatusCode::OK, Media::Json.name(), StreamBody::new(frames).boxed_unsync());
        if gzip {
            response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            response.headers_mut().insert(VARY, HeaderValue::from_static("Accept-Encoding"));
        }
        Ok(response)
    }

    pub(super) fn watch(&self, asked: &Asked<'_>, endpoint: &Arc<Endpoint>, namespace: &str) -> Answer {
        let presenter = self.presenter(asked)?;
        let mut query = asked.query.to_owned();
        // The old way to watch one object names it in the path.
        let named = asked.info.resource.as_ref().map_or("", |it| it.name.as_str());
        if !named.is_empty() && query::value(&query, "fieldSelector").is_none() {
            query.push_str(&format!("&fieldSelector=metadata.name%3D{named}"));
        }
        let options = ListOptions::parse(&query, endpoint, true)?;
        let name = options.fields.exact("metadata.name").map(str::to_owned);
        super::watch::start(self, endpoint, (namespace, name.as_deref()), options, &presenter)
    }
}

fn state(options: &ListOptions) -> At {
    match (options.resource_version, options.version_match) {
        (None | Some(0), _) => At::Now,
        (Some(version), Some(Match::Exact)) => At::Exact(version),
        // How it was meant before there was a word for it.
        (Some(version), None) if options.limit > 0 => At::Exact(version),
        (Some(version), _) => At::NotOlderThan(version),
    }
}

/// A list on its way out.
struct Pieces {
    registry: Arc<Registry>,
    endpoint: Arc<Endpoint>,
    namespace: String,
    head: Option<Vec<u8>>,
    page: List,
    at: usize,
    begun: bool,
    encoder: Option<GzEncoder<Vec<u8>>>,
    ended: bool,
}

impl Pieces {
    fn next(&mut self) -> Option<Bytes> {
        while !self.ended {
            let piece = self.plain();
            let Some(encoder) = &mut self.encoder else { return Some(piece.into()) };
            // Writing to memory can't fail.
            let _ = encoder.write_all(&piece);
            let ready = if self.ended {
                self.encoder.take().and_then(|it| it.finish().ok()).unwrap_or_default()
            } else {
                std::mem::take(encoder.get_mut())
            };
            if !ready.is_empty() {
                return Some(ready.into());
            }
        }
        None
    }

    fn plain(&mut self) -> Vec<u8> {
        let mut piece = self.head.take().unwrap_or_else(|| Vec::with_capacity(PIECE + 4096));
        while piece.len() < PIECE {
            if let Some(item) = self.page.items.get(self.at) {
                if std::mem::replace(&mut self.begun, true) {
                    piece.push(b',');
                }
                item.write(b"{", &mut piece);
                self.at += 1;
                continue;
            }
            if self.page.continue_token.is_empty() {
                piece.extend_from_slice(b"]}\n");
                self.ended = true;
                break;
            }
            if !self.turn() {
                break;
            }
        }
        piece
    }

    /// Reads the next page. A state that was compacted away under a list that takes minutes ends it: the client sees
    /// broken JSON, and lists again.
    fn turn(&mut self) -> bool {
        let page = ContinueToken::parse(&self.page.continue_token).and_then(|token| {
            let namespace = &self.namespace;
            let continue_token = Some(token);
            let query = ListQuery { namespace, limit: CHUNK, continue_token, uncounted: true, ..ListQuery::default() };
            self.registry.list(&self.endpoint, &query)
        });
        match page {
            Ok(page) => (self.page, self.at) = (page, 0),
            Err(_) => self.ended = true,
        }
        !self.ended
    }
}

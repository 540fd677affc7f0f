//! Lists: pages at one resource version.

use crate::catalog::Endpoint;
use crate::continue_token::ContinueToken;
use crate::encoding::Stored;
use crate::keys;
use crate::registry::{Registry, failure};
use k8s_types::status::Details;
use k8s_types::{Cause, Status};
use serde_json::Value;
use store::{KeyRange, StoreError};

/// How many objects are looked at in one go while a page is filled by a selector.
const CHUNK: usize = 1000;

/// What a list asks for.
#[derive(Default)]
pub struct ListQuery<'a> {
    /// All namespaces when empty.
    pub namespace: &'a str,
    /// One object only.
    pub name: Option<&'a str>,
    /// At most so many; 0 is no limit.
    pub limit: usize,
    /// The next page of a list before.
    pub continue_token: Option<ContinueToken>,
    /// Which state.
    pub at: At,
    /// Which objects; all when `None`. Asked with the object in the endpoint's version.
    pub matches: Option<&'a (dyn Fn(&Value) -> bool + Sync)>,
    /// Whether it is no matter how many come after a page: counting them means passing over each.
    pub uncounted: bool,
}

/// The state that a list is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum At {
    /// As it is now.
    #[default]
    Now,
    /// This resource version or a later one.
    NotOlderThan(u64),
    /// Exactly this one.
    Exact(u64),
}

/// A page.
#[derive(Debug, Default)]
pub struct List {
    /// The objects.
    pub items: Vec<Stored>,
    /// The resource version that they are of.
    pub revision: u64,
    /// Where the next page begins; empty for the last one.
    pub continue_token: String,
    /// How many come after; unknown where a selector picks.
    pub remaining: Option<usize>,
}

impl Registry {
    /// Lists.
    ///
    /// # Errors
    /// 410 for a state that is gone, 504 for one that is not there yet.
    pub fn list(&self, endpoint: &Endpoint, query: &ListQuery<'_>) -> Result<List, Box<Status>> {
        let scope = keys::scope(&endpoint.prefix, query.namespace);
        let (at, start) = match &query.continue_token {
            Some(token) => (u64::try_from(token.revision).ok(), token.start.as_str()),
            None => (self.state(query.at)?, ""),
        };
        let resumed = query.continue_token.is_some();
        let mut range = match query.name {
            Some(name) if !query.namespace.is_empty() || !endpoint.resource().namespaced => {
                KeyRange::key(keys::object(&endpoint.prefix, query.namespace, name))
            }
            _ => keys::from(&scope, start),
        };
        let mut list = List::default();
        let mut at = at;
        loop {
            let chunk = match (query.limit, query.matches) {
                (0, _) => 0,
                (limit, None) => limit,
                (limit, Some(_)) => limit.max(CHUNK),
            };
            let found = self.store.range(&range, at, chunk).map_err(|error| self.gone(&error, resumed, start))?;
            list.revision = found.revision;
            at = Some(found.revision);
            let last = found.kvs.last().map(|kv| kv.key.clone());
            for kv in found.kvs {
                let stored = Stored::from(kv);
                if query.matches.is_some_and(|matches| !matches(&self.read(endpoint, &stored))) {
                    continue;
                }
                if query.limit > 0 && list.items.len() == query.limit {
                    // One more than fits: there is a next page.
                    Self::continue_after(&mut list, &scope);
                    return Ok(list);
                }
                list.items.push(stored);
            }
            if !found.more {
                return Ok(list);
            }
            if query.matches.is_none() {
                Self::continue_after(&mut list, &scope);
                if !query.uncounted {
                    self.count_rest(&mut list, &range);
                }
                return Ok(list);
            }
            let Some(last) = last else { return Ok(list) };
            range.start = [&last[..], &[0]].concat().into();
        }
    }

    /// Notes where the next page begins. It is of the state of this one, which for a list that had lost its state is
    /// the one that it goes on with.
    fn continue_after(list: &mut List, scope: &str) {
        let Some(last) = list.items.last() else { return };
        let suffix = last.key.strip_prefix(scope.as_bytes()).unwrap_or_default();
        let revision = i64::try_from(list.revision).unwrap_or(i64::MAX);
        list.continue_token = ContinueToken::after(revision, &String::from_utf8_lossy(suffix)).to_text();
    }

    fn count_rest(&self, list: &mut List, range: &KeyRange) {
        let Some(last) = list.items.last() else { return };
        let rest = KeyRange { start: [&last.key[..], &[0]].concat().into(), end: range.end.clone() };
        list.remaining = self.store.count(&rest, Some(list.revision)).ok();
    }

    /// The state to read, once it is known to be there.
    fn state(&self, at: At) -> Result<Option<u64>, Box<Status>> {
        let current = self.store.revision();
        match at {
            At::Now => Ok(None),
            At::NotOlderThan(wanted) if wanted > current => Err(Box::new(too_large(wanted, current))),
            At::NotOlderThan(_) => Ok(None),
            At::Exact(wanted) if wanted > current => Err(Box::new(too_large(wanted, current))),
            At::Exact(wanted) => Ok(Some(wanted)),
        }
    }

    /// A state that is gone; a list that was under way gets a token to go on without a common state.
    fn gone(&self, error: &StoreError, resumed: bool, start: &str) -> Box<Status> {
        let StoreError::Compacted { .. } = error else { return failure(error) };
        if !resumed {
            return failure(error);
        }
        let mut status = Status::expired(
            "The provided continue parameter is too old to display a consistent list result. You can start a new list \
             without the continue parameter, or use the continue token in this response to retrieve the remainder of \
             the results. Continuing with the provided token results in an inconsistent list - objects that were \
             created, modified, or deleted between the time the first chunk was returned and now may show up in the \
             list.",
        );
        let start = start.strip_suffix('\0').unwrap_or(start);
        status.metadata.continue_token = ContinueToken::after(-1, start).to_text();
        Box::new(status)
    }
}

/// The wanted state is in the future.
pub fn too_large(wanted: u64, current: u64) -> Status {
    let message = format!("Timeout: Too large resource version: {wanted}, current: {current}");
    let mut status = Status::timeout(message, Some(1));
    let cause = Cause {
        reason: "ResourceVersionTooLarge".to_owned(),
        message: "Too large resource version".to_owned(),
        field: String::new(),
    };
    status.details.get_or_insert_with(|| Box::new(Details::default())).causes.push(cause);
    status
}

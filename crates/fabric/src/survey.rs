//! Reading a namespace back: what of ours is in it. The packet filter is not read; see [`crate::fabric`] for why.

use crate::netlink::dump;
use crate::place::{Place, bare};
use crate::topology::{Anchor, Fact, Namespace, Profile, Ruleset};
use std::collections::BTreeSet;
use std::io;

/// What a survey found.
#[derive(Debug)]
pub(crate) struct Survey {
    /// The namespace without its packet filter.
    pub(crate) namespace: Namespace,
    /// The names of all its links, whoever made them.
    pub(crate) links: BTreeSet<String>,
}

/// Reads what a namespace has. The kernel does not tell a profile, so it is taken to be the wanted one.
pub(crate) fn survey(place: &Place, anchor: &Anchor, profile: Profile) -> io::Result<Survey> {
    place.forget_all();
    let found = place.with_route(|socket| {
        let links = dump::links(socket)?;
        let mut namespace = bare(anchor, profile);
        namespace.facts.extend(links.iter().filter_map(|link| link.veth.clone()).map(Fact::Veth));
        namespace.facts.extend(dump::facts(socket, &links, place.is_pinned())?);
        Ok((namespace, links))
    });
    place.rest();
    let (namespace, links) = found?;
    links.iter().for_each(|link| place.learn(&link.name, link.index));
    Ok(Survey { namespace, links: links.into_iter().map(|link| link.name).collect() })
}

/// A packet filter that stands in a namespace of ours where none is wanted.
pub(crate) fn stray_filter(place: &Place) -> io::Result<Option<Ruleset>> {
    if !place.is_pinned() {
        return Ok(None);
    }
    let tables = place.with_filter(crate::netlink::filter::tables)?;
    Ok(tables.into_iter().next().map(|table| Ruleset { table, ..Ruleset::default() }))
}

//! The bundle's form, which `k8s_types::release` reads: numbers of seven bits a byte, texts by their place in one list,
//! deflated.

use super::Minors;
use super::definitions::{Field, List, Merged, Shape};
use super::hashes::Hashes;
use super::resources::{Group, Resource, Subresource};
use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::DeflateEncoder;
use std::collections::{BTreeMap, HashMap};
use std::io::Write;

/// Goes up with the form.
const FORM: u32 = 1;

/// Writes all of it.
///
/// # Errors
/// When a field names a type that is nowhere.
pub fn encode(types: &Merged, groups: &[Group]) -> Result<Vec<u8>> {
    let mut writer = Writer {
        ids: (0u32..).zip(types.types.keys()).map(|(id, name)| (name.clone(), id)).collect(),
        ..Writer::default()
    };
    writer.types(types)?;
    writer.groups(groups, &super::hashes::of(groups)?);
    let mut out = Writer::default();
    out.number(FORM);
    out.count(writer.texts.len());
    let mut texts: Vec<(&String, &u32)> = writer.texts.iter().collect();
    texts.sort_by_key(|(_, at)| **at);
    for (text, _) in texts {
        out.count(text.len());
        out.bytes.extend_from_slice(text.as_bytes());
    }
    out.bytes.extend_from_slice(&writer.bytes);
    deflate(&out.bytes)
}

/// The strongest deflate there is.
///
/// # Errors
/// Never, for a buffer takes all.
pub fn deflate(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish().context("deflating")
}

#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    texts: HashMap<String, u32>,
    ids: BTreeMap<String, u32>,
}

impl Writer {
    fn number(&mut self, mut it: u32) {
        while it >= 0x80 {
            self.bytes.push((it & 0x7f) as u8 | 0x80);
            it >>= 7;
        }
        self.bytes.push(it as u8);
    }

    #[expect(clippy::cast_possible_truncation, reason = "nothing here has so many")]
    fn count(&mut self, it: usize) {
        self.number(it as u32);
    }

    fn text(&mut self, it: &str) {
        let next = self.texts.len();
        let at = *self.texts.entry(it.to_owned()).or_insert(u32::try_from(next).unwrap_or(u32::MAX));
        self.number(at);
    }

    fn minors(&mut self, it: Minors) {
        self.number(u32::from(it));
    }

    fn types(&mut self, merged: &Merged) -> Result<()> {
        self.count(merged.types.len());
        for (name, it) in &merged.types {
            self.text(name);
            self.minors(it.minors);
            self.count(it.kinds.len());
            for part in it.kinds.iter().flatten() {
                self.text(part);
            }
            self.count(it.fields.values().map(Vec::len).sum());
            for (field, variants) in &it.fields {
                for (minors, variant) in variants {
                    self.text(field);
                    self.minors(*minors);
                    self.field(variant).with_context(|| format!("in {name}.{field}"))?;
                }
            }
        }
        Ok(())
    }

    fn field(&mut self, it: &Field) -> Result<()> {
        let bits = [it.required, it.merge, it.retain_keys, it.merge_key.is_some(), it.default.is_some()];
        let flags = (0u32..).zip(bits).fold(0, |all, (at, bit)| all | u32::from(bit) << at);
        self.number(flags | (it.empty as u32) << bits.len());
        self.shape(&it.shape)?;
        for text in it.merge_key.iter().chain(&it.default) {
            self.text(text);
        }
        self.count(it.path.len());
        for tag in &it.path {
            self.number(*tag);
        }
        Ok(())
    }

    fn shape(&mut self, it: &Shape) -> Result<()> {
        match it {
            Shape::Scalar(scalar) => self.number(*scalar as u32),
            Shape::Any => self.number(16),
            Shape::Struct { name, atomic } => {
                self.number(17 + u32::from(*atomic));
                let id = *self.ids.get(name).with_context(|| format!("{name} is nowhere"))?;
                self.number(id);
            }
            Shape::Map { value, atomic } => {
                self.number(19 + u32::from(*atomic));
                self.shape(value)?;
            }
            Shape::List { item, kind } => {
                match kind {
                    List::Atomic => self.number(21),
                    List::Set => self.number(22),
                    List::Map(keys) => {
                        self.number(23);
                        self.count(keys.len());
                        keys.iter().for_each(|key| self.text(key));
                    }
                }
                self.shape(item)?;
            }
        }
        Ok(())
    }

    fn groups(&mut self, groups: &[Group], hashes: &Hashes) {
        self.count(groups.len());
        for group in groups {
            self.text(&group.name);
            self.number(group.priority);
            self.count(group.versions.len());
            for version in &group.versions {
                self.text(&version.name);
                self.number(version.priority);
                self.count(version.resources.len());
                version.resources.iter().for_each(|it| self.resource(it, [&group.name, &version.name], hashes));
            }
        }
    }

    fn resource(&mut self, it: &Resource, own: [&str; 2], hashes: &Hashes) {
        self.text(&it.plural);
        self.text(&it.kind);
        self.minors(it.minors);
        self.number(u32::from(it.namespaced) | u32::from(it.off) << 1);
        self.number(it.verbs);
        for list in [&it.short, &it.categories] {
            self.count(list.len());
            list.iter().for_each(|text| self.text(text));
        }
        let stored = it.stored(own);
        self.count(stored.len());
        for (minors, [group, version]) in stored {
            self.minors(minors);
            self.text(group);
            self.text(version);
            let hash = hashes.get(&super::hashes::name(group, version, &it.kind));
            self.text(hash.map_or("", String::as_str));
        }
        self.count(it.deprecated.len());
        for deprecated in &it.deprecated {
            self.minors(deprecated.minors);
            self.number(deprecated.since);
            self.number(deprecated.removed);
            self.text(&deprecated.instead);
        }
        self.count(it.subresources.len());
        it.subresources.iter().for_each(|it| self.subresource(it));
    }

    fn subresource(&mut self, it: &Subresource) {
        self.text(&it.name);
        self.minors(it.minors);
        self.number(it.verbs);
        for kinds in [it.kind.as_slice(), &it.accepts] {
            self.count(kinds.len());
            kinds.iter().flatten().for_each(|part| self.text(part));
        }
    }
}

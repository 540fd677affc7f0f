//! Reads the bundle that `xtask kubernetes` writes: numbers of seven bits a byte, texts by their place in one list,
//! deflated. The file is part of the program, so a malformed one is a mistake of ours; it reads as nothing.

use super::resource::{Deprecation, Group, GroupVersionKind, Resource, Stored, Subresource, Verbs, Version};
use super::{OLDEST, Release};
use crate::schema::{Empty, Field, ListKind, Patch, Scalar, Shape, Struct, TypeId, Types};
use std::io::Read;

static BUNDLE: &[u8] = include_bytes!("../../data/kubernetes.bin");

/// The form that this reads.
const FORM: u32 = 1;

/// Reads what a minor needs.
pub fn read(minor: u8) -> Option<Release> {
    let mut bytes = Vec::with_capacity(1 << 18);
    flate2::read::DeflateDecoder::new(BUNDLE).read_to_end(&mut bytes).ok()?;
    let mut reader = Reader::new(&bytes, minor)?;
    let (types, mut kinds) = reader.types()?;
    kinds.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    let mut release = Release {
        minor,
        order: crate::protobuf::Order::new(&types),
        types,
        kinds: kinds.into(),
        groups: Box::default(),
        resources: Box::default(),
        by_name: Box::default(),
    };
    let (groups, mut resources) = reader.groups()?;
    for it in &mut resources {
        it.type_id = release.kind(&it.group, &it.version, &it.kind);
    }
    let mut by_name: Vec<u32> = (0..u32::try_from(resources.len()).ok()?).collect();
    by_name.sort_by_key(|at| resources.get(*at as usize).map(|it| (&it.group, &it.version, &it.plural)));
    release.by_name = by_name.into();
    release.groups = groups.into();
    release.resources = resources.into();
    Some(release)
}

struct Reader<'a> {
    rest: &'a [u8],
    texts: Vec<&'a str>,
    /// The bit of the minor that is wanted.
    minor: u32,
    /// This minor's type by the bundle's number; the numbers of types that it lacks lead nowhere.
    ids: Vec<u32>,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8], minor: u8) -> Option<Self> {
        let mut it = Self { rest: bytes, texts: Vec::new(), minor: 1 << minor.checked_sub(OLDEST)?, ids: Vec::new() };
        if it.number()? != FORM {
            return None;
        }
        for _ in 0..it.number()? {
            let length = it.number()? as usize;
            let (text, rest) = it.rest.split_at_checked(length)?;
            it.rest = rest;
            it.texts.push(std::str::from_utf8(text).ok()?);
        }
        Some(it)
    }

    fn number(&mut self) -> Option<u32> {
        let mut number = 0;
        for shift in (0..32).step_by(7) {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            number |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn text(&mut self) -> Option<&'a str> {
        let at = self.number()? as usize;
        self.texts.get(at).copied()
    }

    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Box<[T]>> {
        (0..self.number()?).map(|_| item(self)).collect()
    }

    fn texts(&mut self) -> Option<Box<[Box<str>]>> {
        self.list(|it| it.text().map(Into::into))
    }

    /// Whether a set of minors that stands next has the one that is wanted.
    fn wanted(&mut self) -> Option<bool> {
        Some(self.number()? & self.minor != 0)
    }

    fn kind(&mut self) -> Option<GroupVersionKind> {
        Some(GroupVersionKind::new(self.text()?, self.text()?, self.text()?))
    }

    /// Two passes, for a type may name one that comes later: the first gives them their numbers.
    fn types(&mut self) -> Option<(Types, Vec<(GroupVersionKind, TypeId)>)> {
        let start = self.rest;
        let mut count = 0;
        let mut ids = Vec::new();
        for _ in 0..self.number()? {
            let (_, wanted) = (self.text()?, self.wanted()?);
            ids.push(if wanted { count } else { u32::MAX });
            count += u32::from(wanted);
            self.skip_type()?;
        }
        self.rest = start;
        self.ids = ids;
        let mut types = Types::default();
        let mut kinds = Vec::new();
        for _ in 0..self.number()? {
            let name = self.text()?;
            if !self.wanted()? {
                self.skip_type()?;
                continue;
            }
            let names = self.list(Self::kind)?;
            let fields = self.fields()?;
            let id = types.add(Struct { name: name.into(), fields, preserve_unknown: false });
            kinds.extend(names.into_iter().map(|name| (name, id)));
        }
        Some((types, kinds))
    }

    /// Skips a type's kinds and fields.
    fn skip_type(&mut self) -> Option<()> {
        for _ in 0..self.number()?.checked_mul(3)? {
            self.number()?;
        }
        for _ in 0..self.number()? {
            let (_, _, flags) = (self.number()?, self.number()?, self.number()?);
            self.skip_shape()?;
            for _ in 0..(flags >> 3 & 1) + (flags >> 4 & 1) {
                self.number()?;
            }
            for _ in 0..self.number()? {
                self.number()?;
            }
        }
        Some(())
    }

    fn skip_shape(&mut self) -> Option<()> {
        match self.number()? {
            17 | 18 => self.number().map(drop),
            19..=22 => self.skip_shape(),
            23 => {
                for _ in 0..self.number()? {
                    self.number()?;
                }
                self.skip_shape()
            }
            _ => Some(()),
        }
    }

    fn fields(&mut self) -> Option<Box<[Field]>> {
        let mut fields = Vec::new();
        for _ in 0..self.number()? {
            let name = self.text()?;
            let wanted = self.wanted()?;
            let field = self.field(name)?;
            fields.extend(wanted.then_some(field));
        }
        Some(fields.into())
    }

    fn field(&mut self, name: &str) -> Option<Field> {
        let flags = self.number()?;
        let bit = |at: u32| flags >> at & 1 == 1;
        let shape = self.shape()?;
        let merge_key = if bit(3) { Some(self.text()?.into()) } else { None };
        let default = if bit(4) { Some(serde_json::from_str(self.text()?).ok()?) } else { None };
        let path = self.list(Self::number)?;
        let (tag, nested_in) = path.split_last().map_or((0, &[][..]), |(tag, outer)| (*tag, outer));
        Some(Field {
            name: name.into(),
            shape,
            required: bit(0),
            default,
            patch: Patch { merge: bit(1), retain_keys: bit(2), merge_key },
            tag,
            nested_in: nested_in.into(),
            empty: match flags >> 5 {
                1 => Empty::Omitted,
                2 => Empty::Shown,
                3 => Empty::OmittedZero,
                4 => Empty::Null,
                _ => Empty::Kept,
            },
        })
    }

    fn shape(&mut self) -> Option<Shape> {
        let form = self.number()?;
        Some(match form {
            16 => Shape::Any,
            17 | 18 => {
                let at = self.number()? as usize;
                Shape::Struct { id: TypeId(*self.ids.get(at)?), atomic: form == 18 }
            }
            19 | 20 => Shape::Map { value: Box::new(self.shape()?), atomic: form == 20 },
            21..=23 => {
                let kind = match form {
                    21 => ListKind::Atomic,
                    22 => ListKind::Set,
                    _ => ListKind::Map { keys: self.texts()? },
                };
                Shape::List { item: Box::new(self.shape()?), kind }
            }
            _ => Shape::Scalar(scalar(form)?),
        })
    }

    fn groups(&mut self) -> Option<(Vec<Group>, Vec<Resource>)> {
        let mut resources = Vec::new();
        let mut groups = Vec::new();
        for _ in 0..self.number()? {
            let group = self.text()?;
            let priority = self.number()?;
            let mut versions = Vec::new();
            for _ in 0..self.number()? {
                let version = self.text()?;
                let priority = self.number()?;
                let first = resources.len();
                for _ in 0..self.number()? {
                    let resource = self.resource(group, version)?;
                    resources.extend(resource);
                }
                let own: &[Resource] = resources.get(first..)?;
                if !own.is_empty() {
                    let served_by_default = own.iter().any(|it| it.served_by_default);
                    versions.push(Version { name: version.into(), priority, served_by_default });
                }
            }
            if !versions.is_empty() {
                groups.push(Group { name: group.into(), priority, versions: versions.into() });
            }
        }
        Some((groups, resources))
    }

    /// A resource, where the minor has it.
    fn resource(&mut self, group: &str, version: &str) -> Option<Option<Resource>> {
        let plural = self.text()?;
        let kind = self.text()?;
        let wanted = self.wanted()?;
        let flags = self.number()?;
        let verbs = self.verbs()?;
        let short_names = self.texts()?;
        let categories = self.texts()?;
        let stored = self.list(|it| {
            let wanted = it.wanted()?;
            let stored = Stored { group: it.text()?.into(), version: it.text()?.into(), hash: it.text()?.into() };
            Some(wanted.then_some(stored))
        })?;
        let deprecated = self.list(Self::deprecation)?;
        let own = GroupVersionKind::new(group, version, kind);
        let subresources = self.list(|it| it.subresource(&own))?;
        Some(wanted.then(|| Resource {
            group: group.into(),
            version: version.into(),
            plural: plural.into(),
            singular: kind.to_lowercase().into(),
            kind: kind.into(),
            namespaced: flags & 1 == 1,
            short_names,
            categories,
            verbs,
            subresources: subresources.into_iter().flatten().collect(),
            type_id: None,
            stored: stored.into_iter().flatten().next(),
            served_by_default: flags & 2 == 0,
            deprecated: deprecated.into_iter().flatten().next(),
        }))
    }

    /// A deprecation, where it holds in the minor.
    fn deprecation(&mut self) -> Option<Option<Deprecation>> {
        let wanted = self.wanted()?;
        let in_minor = u8::try_from(self.number()?).ok()?;
        let removed = u8::try_from(self.number()?).ok()?;
        let mut instead = self.text()?.split('/');
        let replacement = match (instead.next(), instead.next(), instead.next()) {
            (Some(group), Some(version), Some(kind)) => Some(GroupVersionKind::new(group, version, kind)),
            _ => None,
        };
        let removed_in_minor = (removed != 0).then_some(removed);
        let holds = wanted && 1 << u32::from(in_minor.saturating_sub(OLDEST)) <= self.minor;
        Some(holds.then_some(Deprecation { in_minor, removed_in_minor, replacement }))
    }

    fn verbs(&mut self) -> Option<Verbs> {
        Some(Verbs(u8::try_from(self.number()?).ok()?))
    }

    /// A subresource, where the minor has it.
    fn subresource(&mut self, own: &GroupVersionKind) -> Option<Option<Subresource>> {
        let name = self.text()?.into();
        let wanted = self.wanted()?;
        let verbs = self.verbs()?;
        let kind = self.list(Self::kind)?.into_iter().next();
        let accepts = self.list(Self::kind)?;
        let own_kind = kind.is_none();
        let kind = kind.unwrap_or_else(|| own.clone());
        Some(wanted.then_some(Subresource { name, kind, own_kind, verbs, accepts }))
    }
}

fn scalar(form: u32) -> Option<Scalar> {
    Some(match form {
        0 => Scalar::String,
        1 => Scalar::Boolean,
        2 => Scalar::Int32,
        3 => Scalar::Int64,
        4 => Scalar::Double,
        5 => Scalar::Bytes,
        6 => Scalar::Time,
        7 => Scalar::MicroTime,
        8 => Scalar::Duration,
        9 => Scalar::Quantity,
        10 => Scalar::IntOrString,
        _ => return None,
    })
}

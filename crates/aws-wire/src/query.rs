//! The query protocols' requests: flat names with dots become a tree by the model.

use crate::{refuse, scalar};
use aws_model::{Fault, Kind, Model, Protocol, ShapeId};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// More segments than any served member's name has: what is deeper is no member, and a tree this deep is safe to walk.
const DEPTH: usize = 16;

/// Each parameter costs a node or two. EC2's largest calls (a thousand ids or tags) stay far below.
const PARAMETERS: usize = 20_000;

#[derive(Default)]
struct Node<'a> {
    text: Option<&'a str>,
    children: BTreeMap<&'a str, Node<'a>>,
}

/// The input of an operation from its parameters.
///
/// # Errors
/// When a value is not of its type, or there are too many.
pub fn read(model: &Model, input: ShapeId, pairs: &[(String, String)]) -> Result<Value, Fault> {
    if pairs.len() > PARAMETERS {
        return Err(refuse::unreadable(model.protocol(), format!("More than {PARAMETERS} parameters.")));
    }
    let mut root = Node::default();
    for (name, value) in pairs {
        let mut node = &mut root;
        for segment in name.splitn(DEPTH, '.') {
            node = node.children.entry(segment).or_default();
        }
        node.text = Some(value);
    }
    let reader = Reader { model };
    Ok(reader.read(input, &root, false, &Path::Root)?.unwrap_or_else(|| Value::Object(Map::new())))
}

/// Where a value stands, for messages: built only when one is written.
enum Path<'p> {
    Root,
    At(&'p Path<'p>, &'p str),
}

impl Path<'_> {
    fn text(&self) -> String {
        match self {
            Self::Root => String::new(),
            Self::At(Path::Root, segment) => (*segment).to_owned(),
            Self::At(above, segment) => format!("{}.{segment}", above.text()),
        }
    }
}

struct Reader<'a> {
    model: &'a Model,
}

impl<'a> Reader<'a> {
    fn read(&self, shape: ShapeId, node: &Node<'_>, flat: bool, path: &Path<'_>) -> Result<Option<Value>, Fault> {
        let kind = &self.model.shape(shape).kind;
        match kind {
            Kind::Structure(_) => self.structure(kind, node, path),
            Kind::List { .. } => self.list(kind, node, flat, path),
            Kind::Map { .. } => self.map(kind, node, flat, path),
            _ => {
                let text = node.text.unwrap_or_default();
                let value = node.text.and_then(|text| scalar::from_text(kind, text));
                value.map(Some).ok_or_else(|| self.mistyped(kind, text, path))
            }
        }
    }

    fn structure(&self, kind: &Kind, node: &Node<'_>, path: &Path<'_>) -> Result<Option<Value>, Fault> {
        let Kind::Structure(structure) = kind else { return Ok(None) };
        self.no_text(kind, node, path)?;
        let mut out = Map::new();
        for member in structure.members() {
            let name = self.flattened_name(member.shape, member.flattened).unwrap_or(&member.query_name);
            let Some(child) = node.children.get(name) else { continue };
            if let Some(value) = self.read(member.shape, child, member.flattened, &Path::At(path, name))? {
                out.insert(member.name.clone(), value);
            }
        }
        Ok(Some(Value::Object(out)))
    }

    /// The name that a flattened list's items have in place of the list's own, in the query protocol.
    fn flattened_name(&self, shape: ShapeId, here: bool) -> Option<&'a str> {
        match &self.model.shape(shape).kind {
            Kind::List { item_name, flattened, .. } if self.model.protocol() == Protocol::Query => {
                item_name.as_deref().filter(|_| here || *flattened)
            }
            _ => None,
        }
    }

    fn list(&self, kind: &Kind, node: &Node<'_>, here: bool, path: &Path<'_>) -> Result<Option<Value>, Fault> {
        let Kind::List { member, item_name, flattened } = kind else { return Ok(None) };
        self.no_text(kind, node, path)?;
        let flat = here || *flattened || self.model.protocol() == Protocol::Ec2;
        let name = item_name.as_deref().unwrap_or("member");
        let mut out = Vec::new();
        let inner = Path::At(path, name);
        let (node, path) = if flat { (Some(node), path) } else { (node.children.get(name), &inner) };
        for (number, item) in numbered(node) {
            out.extend(self.read(*member, item, false, &Path::At(path, number))?);
        }
        Ok(Some(Value::Array(out)))
    }

    fn map(&self, kind: &Kind, node: &Node<'_>, here: bool, path: &Path<'_>) -> Result<Option<Value>, Fault> {
        let Kind::Map { value, key_name, value_name, flattened, .. } = kind else { return Ok(None) };
        self.no_text(kind, node, path)?;
        let mut out = Map::new();
        let inner = Path::At(path, "entry");
        let (node, path) = if here || *flattened { (Some(node), path) } else { (node.children.get("entry"), &inner) };
        for (number, entry) in numbered(node) {
            let path = Path::At(path, number);
            let key = entry.children.get(key_name.as_str()).and_then(|key| key.text);
            let Some((key, item)) = key.zip(entry.children.get(value_name.as_str())) else {
                return Err(self.mistyped(kind, entry.text.unwrap_or_default(), &path));
            };
            if let Some(item) = self.read(*value, item, false, &Path::At(&path, value_name))? {
                out.insert(key.to_owned(), item);
            }
        }
        Ok(Some(Value::Object(out)))
    }

    /// Refuses text where parts are wanted. An empty text stands for none.
    fn no_text(&self, kind: &Kind, node: &Node<'_>, path: &Path<'_>) -> Result<(), Fault> {
        match node.text.filter(|text| !text.is_empty()) {
            Some(text) => Err(self.mistyped(kind, text, path)),
            None => Ok(()),
        }
    }

    fn mistyped(&self, kind: &Kind, text: &str, path: &Path<'_>) -> Fault {
        refuse::mistyped(self.model.protocol(), &path.text(), text, scalar::noun(kind))
    }
}

/// The children with a number for a name, in the numbers' order. Numbers may have gaps, as AWS allows.
fn numbered<'n, 'a>(node: Option<&'n Node<'a>>) -> Vec<(&'a str, &'n Node<'a>)> {
    let children = node.into_iter().flat_map(|node| &node.children);
    let mut items: Vec<(u32, &'a str, &Node<'a>)> =
        children.filter_map(|(&segment, child)| Some((segment.parse().ok()?, segment, child))).collect();
    items.sort_by_key(|(number, ..)| *number);
    items.into_iter().map(|(_, segment, child)| (segment, child)).collect()
}

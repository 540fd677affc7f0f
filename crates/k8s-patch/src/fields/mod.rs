//! Sets of fields: which places of an object somebody owns. A set is a sorted tree of path steps; a step may be a
//! member itself, lead to members, or both.

mod codec;
mod element;

pub use codec::FieldsError;
pub use element::Element;

use std::cmp::Ordering;
use std::fmt::Write as _;

/// A set of fields of one object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Set {
    /// Sorted by element; none is both no member and empty below.
    nodes: Vec<Node>,
}

/// One step in a [`Set`].
#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    element: Element,
    /// Whether the place that the step leads to is itself in the set.
    member: bool,
    below: Set,
}

impl Set {
    /// The empty set.
    pub const fn new() -> Self {
        Self { nodes: Vec::new() }
    }

    /// A set of named fields: each path is the names from the root on.
    pub fn of_names<'a, P: AsRef<[&'a str]>>(paths: impl IntoIterator<Item = P>) -> Self {
        let mut set = Self::new();
        for path in paths {
            let steps: Vec<Element> = path.as_ref().iter().map(|name| Element::field(name)).collect();
            set.insert(&steps);
        }
        set
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// How many places are in it.
    pub fn len(&self) -> usize {
        self.nodes.iter().map(|it| usize::from(it.member) + it.below.len()).sum()
    }

    /// Adds a place; the places on the way to it are not added. The root itself can't be in a set.
    pub fn insert(&mut self, path: &[Element]) {
        let [first, rest @ ..] = path else { return };
        let at = match self.find(first) {
            Ok(at) => at,
            Err(at) => {
                self.nodes.insert(at, Node { element: first.clone(), member: false, below: Self::new() });
                at
            }
        };
        if let Some(node) = self.nodes.get_mut(at) {
            if rest.is_empty() {
                node.member = true;
            } else {
                node.below.insert(rest);
            }
        }
    }

    /// Whether a place is in the set.
    pub fn has(&self, path: &[Element]) -> bool {
        match path {
            [] => false,
            [last] => self.has_member(last),
            [first, rest @ ..] => self.child(first).is_some_and(|it| it.has(rest)),
        }
    }

    /// Whether the place one step down is in the set.
    pub fn has_member(&self, element: &Element) -> bool {
        self.node(element).is_some_and(|it| it.member)
    }

    /// What of the set is below the place one step down, if anything is.
    pub fn child(&self, element: &Element) -> Option<&Self> {
        self.node(element).map(|it| &it.below).filter(|it| !it.is_empty())
    }

    /// What is in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut both = self.clone();
        both.add(other.clone());
        both
    }

    /// What is in this set and not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut left = self.clone();
        left.subtract(other);
        left
    }

    /// As [`Self::difference`], and without all that is below a place in `other`.
    #[must_use]
    pub fn recursive_difference(&self, other: &Self) -> Self {
        let mut left = self.clone();
        left.subtract_recursive(other);
        left
    }

    /// What is in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let mut nodes = Vec::new();
        zip(&self.nodes, &other.nodes, |mine, theirs| {
            if let (Some(mine), Some(theirs)) = (mine, theirs) {
                let member = mine.member && theirs.member;
                let below = mine.below.intersection(&theirs.below);
                if member || !below.is_empty() {
                    nodes.push(Node { element: mine.element.clone(), member, below });
                }
            }
        });
        Self { nodes }
    }

    /// Whether there is anything in both; as [`Self::intersection`] without making it.
    pub fn intersects(&self, other: &Self) -> bool {
        let mut found = false;
        zip(&self.nodes, &other.nodes, |mine, theirs| {
            if let (false, Some(mine), Some(theirs)) = (found, mine, theirs) {
                found = (mine.member && theirs.member) || mine.below.intersects(&theirs.below);
            }
        });
        found
    }

    /// The members that no other member is below of.
    #[must_use]
    pub fn leaves(&self) -> Self {
        let leaf = |it: &Node| Node {
            element: it.element.clone(),
            member: it.member && it.below.is_empty(),
            below: it.below.leaves(),
        };
        Self { nodes: self.nodes.iter().map(leaf).collect() }
    }

    /// Adds all of `other`.
    pub fn add(&mut self, other: Self) {
        if self.nodes.is_empty() {
            self.nodes = other.nodes;
            return;
        }
        // Two sorted runs: the sort is a merge of them.
        self.nodes.extend(other.nodes);
        self.sort();
    }

    /// Takes away what is in `other`, place by place.
    pub fn subtract(&mut self, other: &Self) {
        self.take_away(other, false);
    }

    /// Takes away what is in `other` with all that is below of it.
    pub fn subtract_recursive(&mut self, other: &Self) {
        self.take_away(other, true);
    }

    fn take_away(&mut self, other: &Self, recursive: bool) {
        if other.nodes.is_empty() {
            return;
        }
        self.nodes.retain_mut(|mine| {
            if let Some(theirs) = other.node(&mine.element) {
                if recursive && theirs.member {
                    return false;
                }
                mine.member &= !theirs.member;
                mine.below.take_away(&theirs.below, recursive);
            }
            mine.member || !mine.below.is_empty()
        });
    }

    /// Calls `each` with the way to every place in the set, members of a level before what is below of them.
    pub fn each<'a>(&'a self, each: &mut impl FnMut(&[&'a Element])) {
        self.each_below(&mut Vec::new(), each);
    }

    fn each_below<'a>(&'a self, way: &mut Vec<&'a Element>, each: &mut impl FnMut(&[&'a Element])) {
        for node in self.nodes.iter().filter(|it| it.member) {
            way.push(&node.element);
            each(way);
            way.pop();
        }
        for node in &self.nodes {
            way.push(&node.element);
            node.below.each_below(way, each);
            way.pop();
        }
    }

    /// The places as texts, as `.spec.l[k="a"].v`.
    pub fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.each(&mut |way| {
            let mut text = String::new();
            for element in way {
                // Writing to a String does not fail.
                let _ = write!(text, "{element}");
            }
            paths.push(text);
        });
        paths
    }

    /// Whether the member `name` of an object is in the set, and what of the set is below of it; `None` for neither.
    pub(crate) fn named(&self, name: &str) -> Option<(bool, &Self)> {
        let at = self.nodes.binary_search_by(|it| it.element.cmp_name(name)).ok()?;
        self.nodes.get(at).map(|it| (it.member, &it.below))
    }

    fn node(&self, element: &Element) -> Option<&Node> {
        self.nodes.get(self.find(element).ok()?)
    }

    fn find(&self, element: &Element) -> Result<usize, usize> {
        self.nodes.binary_search_by(|it| it.element.cmp(element))
    }

    /// The steps of this level, each with whether it is a member and what is below: for walks along a schema.
    pub(crate) fn steps_mut(&mut self) -> impl Iterator<Item = (&Element, &mut bool, &mut Self)> {
        self.nodes.iter_mut().map(|it| (&it.element, &mut it.member, &mut it.below))
    }

    /// Adds a step at the end, out of order; [`Self::sort`] must follow.
    pub(crate) fn push(&mut self, element: Element, member: bool, below: Self) {
        if member || !below.is_empty() {
            self.nodes.push(Node { element, member, below });
        }
    }

    /// Puts the steps of this level in order after [`Self::push`], and steps that came twice together.
    pub(crate) fn sort(&mut self) {
        if self.nodes.is_sorted_by(|a, b| a.element < b.element) {
            return;
        }
        self.nodes.sort_by(|a, b| a.element.cmp(&b.element));
        self.nodes.dedup_by(|later, kept| {
            let same = later.element == kept.element;
            if same {
                kept.member |= later.member;
                kept.below.add(std::mem::take(&mut later.below));
            }
            same
        });
    }
}

/// Goes through two sorted lists side by side.
fn zip<'a>(left: &'a [Node], right: &'a [Node], mut each: impl FnMut(Option<&'a Node>, Option<&'a Node>)) {
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    loop {
        let order = match (left.peek(), right.peek()) {
            (Some(a), Some(b)) => a.element.cmp(&b.element),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return,
        };
        match order {
            Ordering::Less => each(left.next(), None),
            Ordering::Greater => each(None, right.next()),
            Ordering::Equal => each(left.next(), right.next()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn element() -> impl Strategy<Value = Element> {
        prop_oneof![
            "[a-c]".prop_map(|it| Element::field(&it)),
            "[a-b]".prop_map(|it| Element::key([("k".into(), json!(it)), ("p".into(), json!("TCP"))].into())),
            (0..3).prop_map(|it| Element::Value(json!(it))),
            (0..2i64).prop_map(Element::Index),
        ]
    }

    fn set() -> impl Strategy<Value = Set> {
        proptest::collection::vec(proptest::collection::vec(element(), 1..4), 0..12).prop_map(|paths| {
            let mut set = Set::new();
            paths.iter().for_each(|it| set.insert(it));
            set
        })
    }

    proptest! {
        #[test]
        fn the_laws_of_sets_hold(a in set(), b in set(), c in set()) {
            prop_assert_eq!(a.union(&b), b.union(&a));
            prop_assert_eq!(a.union(&b).union(&c), a.union(&b.union(&c)));
            prop_assert_eq!(a.intersection(&b), b.intersection(&a));
            prop_assert_eq!(a.intersection(&b), a.difference(&a.difference(&b)));
            prop_assert_eq!(a.difference(&b).union(&a.intersection(&b)), a.clone());
            prop_assert_eq!(a.union(&a), a.clone());
            prop_assert_eq!(a.intersects(&b), !a.intersection(&b).is_empty());
            prop_assert!(a.difference(&a).is_empty());
            prop_assert!(a.recursive_difference(&b).difference(&a).is_empty());
            prop_assert!(!a.recursive_difference(&b).intersects(&b));
            prop_assert_eq!(a.len(), a.paths().len());
        }

        #[test]
        fn json_gives_back_the_same_set(a in set()) {
            let json = a.to_json();
            prop_assert_eq!(Set::from_json(&json).unwrap(), a.clone());
            let text = json.to_string();
            prop_assert_eq!(Set::from_json(&serde_json::from_str(&text).unwrap()).unwrap().to_json().to_string(), text);
        }
    }

    #[test]
    fn a_place_and_what_is_below_are_two_things() {
        let set = Set::from_json(&json!({"f:a": {".": {}, "f:b": {}}, "f:c": {"f:d": {}}})).unwrap();
        assert_eq!(set.paths(), [".a", ".a.b", ".c.d"]);
        let parent = Set::of_names([["a"], ["c"]]);
        assert_eq!(set.difference(&parent).paths(), [".a.b", ".c.d"]);
        assert_eq!(set.recursive_difference(&parent).paths(), Vec::<String>::new());
        assert_eq!(set.leaves().paths(), [".a.b", ".c.d"]);
    }
}

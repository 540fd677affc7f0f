//! Field sets that were written under an older schema: what is owned as a whole now is owned as a whole.

use super::{Schema, Slot};
use crate::fields::{Element, Set};
use k8s_types::schema::Shape;

impl Schema<'_> {
    /// Folds what is below of an atomic place into the place itself. Answers whether anything changed.
    pub fn reconcile(&self, set: &mut Set) -> bool {
        self.reconcile_in(&self.root_shape(), set)
    }

    fn reconcile_in(&self, shape: &Shape, set: &mut Set) -> bool {
        let mut changed = false;
        for (element, member, below) in set.steps_mut() {
            if below.is_empty() {
                continue;
            }
            let inner = match (element, shape) {
                (Element::Field(name), Shape::Struct { id, .. }) => {
                    Some(self.of_struct(*id, false).member(name)).filter(|it| it.field.is_some())
                }
                (_, Shape::Map { value: inner, .. } | Shape::List { item: inner, .. }) => Some(Slot::from(&**inner)),
                _ => None,
            };
            let Some(inner) = inner else { continue };
            let atomic = match inner.shape {
                Shape::Struct { atomic, .. } | Shape::Map { atomic, .. } => *atomic,
                Shape::List { .. } => inner.keys().is_none(),
                _ => false,
            };
            if atomic {
                *member = true;
                *below = Set::new();
                changed = true;
            } else {
                changed |= self.reconcile_in(inner.shape, below);
            }
        }
        changed
    }
}

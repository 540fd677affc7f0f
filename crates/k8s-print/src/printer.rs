//! From a kind to its columns and rows.

use crate::column::{CREATED_AT, Column, NAME};
use crate::kinds;
use crate::view::{Context, View};
use jiff::Timestamp;
use k8s_types::age;
use serde_json::Value;

/// Prints objects of one kind as one Kubernetes minor does.
#[derive(Clone, Copy)]
pub struct Printer {
    layout: &'static Layout,
    minor: u32,
}

/// A kind's table: the columns of all minors, and the cells of all of them in the same order.
pub(crate) struct Layout {
    pub columns: &'static [Column],
    pub cells: fn(View<'_>, &Context) -> Vec<Value>,
    /// What a row says about the whole object.
    pub conditions: fn(View<'_>) -> Vec<Value>,
    /// In which order a list is printed, where that is not the list's.
    pub order: Option<Order>,
}

/// What a list's items are sorted by.
pub(crate) type Order = fn(&Value) -> (i64, &str);

impl Layout {
    pub const fn new(columns: &'static [Column], cells: fn(View<'_>, &Context) -> Vec<Value>) -> Self {
        Self { columns, cells, conditions: |_| Vec::new(), order: None }
    }
}

/// One object's line.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Row {
    /// What stands under each column.
    pub cells: Vec<Value>,
    /// What holds for the whole row, as that a Pod has completed.
    pub conditions: Vec<Value>,
}

/// What is printed of kinds that nobody wrote columns for.
static PLAIN: Layout = Layout::new(&[NAME, CREATED_AT], |it, _| {
    let made = it.at("metadata").at("creationTimestamp");
    let made = age::parse(made.text()).map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), age::format);
    vec![it.name(), made.into()]
});

impl Printer {
    /// The printer of a built-in kind. One without columns of its own has its name and the time it was made.
    pub fn new(group: &str, kind: &str, minor: u32) -> Self {
        Self { layout: kinds::layout(group, kind).unwrap_or(&PLAIN), minor }
    }

    /// The heads of the columns.
    pub fn columns(&self) -> impl Iterator<Item = &'static Column> + use<> {
        let minor = self.minor;
        self.layout.columns.iter().filter(move |it| it.is_in(minor))
    }

    /// Whether a table without rows has `null` for them: so it is for kinds that nobody wrote columns for.
    pub fn empty_is_null(&self) -> bool {
        std::ptr::eq(self.layout, &PLAIN)
    }

    /// An object's row, with ages as of `now`.
    pub fn row(&self, object: &Value, now: Timestamp) -> Row {
        let (object, columns) = (View::new(object), self.layout.columns);
        let mut cells = (self.layout.cells)(object, &Context { now, minor: self.minor });
        if !columns.iter().all(Column::is_in_all) {
            let mut at = 0;
            cells.retain(|_| {
                at += 1;
                columns.get(at - 1).is_none_or(|it| it.is_in(self.minor))
            });
        }
        Row { cells, conditions: (self.layout.conditions)(object) }
    }

    /// Puts a list's items into the order in which they are printed. Most kinds leave them as they are.
    pub fn sort(&self, items: &mut [&Value]) {
        if let Some(order) = self.layout.order {
            items.sort_by(|a, b| order(a).cmp(&order(b)));
        }
    }
}

/// A built-in kind's columns in `1.minor`.
pub fn columns(group: &str, kind: &str, minor: u32) -> Vec<&'static Column> {
    Printer::new(group, kind, minor).columns().collect()
}

/// The row of an object of a built-in kind in `1.minor`, with ages as of `now`.
pub fn row(group: &str, kind: &str, minor: u32, object: &Value, now: Timestamp) -> Row {
    Printer::new(group, kind, minor).row(object, now)
}

//! Server-side printing: what `kubectl get` shows of an object.
//!
//! A [`Printer`] knows a kind's columns in a Kubernetes minor and makes one row of cells of an object; [`table`]
//! assembles the `Table` that clients ask for by `as=Table`; [`custom`] prints custom resources by the columns that
//! their definition declares. Cells are computed for wide output; clients hide what is of priority 1.
//! May use: k8s-types. Must never learn: storage, transport, which clients there are.
//! Invariant: every function here is pure, and prints something for any JSON, valid object or not.

pub mod column;
pub mod custom;
mod kinds;
mod printer;
mod selector;
mod table;
mod view;

pub use column::{Column, Description};
pub use printer::{Printer, Row, columns, row};
pub use table::{
    IncludeObject, TableOptions, column_definitions, partial_object_metadata, partial_object_metadata_list, table,
};

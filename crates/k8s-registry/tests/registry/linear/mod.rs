//! What several clients did at once, checked against one order: `checker` (is there one?), `snapshots` (lists and
//! watches), `record` (histories of a real registry), `broken` (stores that lie, which must be noticed).

mod broken;
mod checker;
mod record;
mod snapshots;

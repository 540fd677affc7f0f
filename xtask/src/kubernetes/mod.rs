//! Writes `crates/k8s-types/data/`: what every Kubernetes minor that we serve has for types and resources.
//!
//! Comes from the published API documents of each minor, which a public package carries, and two lists of facts beside
//! this crate: how fields go on the wire (`data/kubernetes/fields.txt`) and what discovery shows
//! (`data/kubernetes/resources.txt`).

mod bundle;
mod definitions;
mod descriptions;
mod fields;
mod hashes;
mod package;
mod resources;

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// The oldest minor of the bundle.
const FIRST: u32 = 24;
/// The newest minor of the bundle.
const LAST: u32 = 36;

/// A set of minors: bit 0 is [`FIRST`].
type Minors = u16;

/// All minors.
const ALL: Minors = ((1u32 << (LAST - FIRST + 1)) - 1) as Minors;

fn root() -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(here.parent().context("xtask lies in the workspace")?.to_owned())
}

/// Writes the facts, or with `check` fails where they differ from what is committed.
///
/// # Errors
/// When the packages can't be had or read, or a fact is malformed.
pub fn run(check: bool) -> Result<()> {
    let facts = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/kubernetes");
    let read = |name: &str| {
        let path = facts.join(name);
        std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
    };
    let fields = fields::parse(&read("fields.txt")?)?;
    let groups = resources::parse(&read("resources.txt")?)?;
    let mut types = definitions::Merged::default();
    let documents = package::documents()?;
    let extra: serde_json::Value = serde_json::from_str(&read("definitions.json")?)?;
    for (minor, document) in &documents {
        types.add(*minor, document, &fields)?;
        types.add(*minor, &extra, &fields)?;
    }
    let bytes = bundle::encode(&types, &groups)?;
    let path = root()?.join("crates/k8s-types/data/kubernetes.bin");
    if check {
        anyhow::ensure!(
            std::fs::read(&path).is_ok_and(|old| old == bytes),
            "{} is out of date, run `cargo run -p xtask -- kubernetes`",
            path.display()
        );
        return Ok(());
    }
    std::fs::create_dir_all(path.parent().context("a file lies in a directory")?)?;
    std::fs::write(&path, bytes).with_context(|| format!("writing {}", path.display()))
}

/// Writes the fields' descriptions, which are not committed: they are others' sentences.
///
/// # Errors
/// When the packages can't be had or read.
pub fn descriptions() -> Result<()> {
    let bytes = descriptions::encode(&package::documents()?)?;
    let path = root()?.join("crates/k8s-types/data/descriptions.bin");
    std::fs::write(&path, bytes).with_context(|| format!("writing {}", path.display()))
}

/// The set that has one minor.
fn only(minor: u32) -> Minors {
    1 << (minor - FIRST)
}

/// Reads `24-31`, `28-` or `30-30`.
fn minors(text: &str) -> Result<Minors> {
    let (first, last) = text.split_once('-').with_context(|| format!("`{text}` is no range of minors"))?;
    let first: u32 = first.parse()?;
    let last: u32 = if last.is_empty() { LAST } else { last.parse()? };
    anyhow::ensure!((FIRST..=LAST).contains(&first) && (first..=LAST).contains(&last), "`{text}` is out of range");
    Ok((first..=last).fold(0, |set, minor| set | only(minor)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_minors() {
        assert_eq!(minors("24-").unwrap(), ALL);
        assert_eq!(minors("25-26").unwrap(), 0b110);
        assert!(minors("23-24").is_err());
        assert!(minors("26-25").is_err());
        assert!(minors("26").is_err());
    }
}

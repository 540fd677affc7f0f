//! Reads `data/kubernetes/fields.txt`: protobuf numbers, defaults and what JSON leaves out.

use super::{ALL, Minors};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::HashMap;

/// What is said of one field for some minors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// For which.
    pub minors: Minors,
    /// Protobuf numbers, outermost first; 0 where it has none.
    pub path: Vec<u32>,
    /// Whether it is optional by a pointer, so that empty and absent differ.
    pub pointer: bool,
    /// Whether JSON leaves it out where it is empty.
    pub omit_empty: bool,
    /// Whether JSON leaves it out where it is zero.
    pub omit_zero: bool,
    /// JSON text.
    pub default: Option<String>,
}

/// Facts by definition and field.
pub type Facts = HashMap<String, HashMap<String, Vec<Fact>>>;

/// Reads the list.
///
/// # Errors
/// When a line is malformed.
pub fn parse(text: &str) -> Result<Facts> {
    let mut facts = Facts::new();
    let mut block: Option<&mut HashMap<String, Vec<Fact>>> = None;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        match line.strip_prefix("  ") {
            None => block = Some(facts.entry(line.to_owned()).or_default()),
            Some(line) => {
                let (name, fact) = field(line).with_context(|| format!("in `{line}`"))?;
                let block = block.as_deref_mut().context("a field stands in a definition")?;
                block.entry(name).or_default().push(fact);
            }
        }
    }
    Ok(facts)
}

fn field(line: &str) -> Result<(String, Fact)> {
    let (line, default) = match line.split_once(" =") {
        Some((line, default)) => (line, Some(default)),
        None => (line, None),
    };
    let words: Vec<&str> = line.split(' ').collect();
    let (name, path, flags, range) = match words.as_slice() {
        [name, path, flags] => (name, path, flags, None),
        [name, path, flags, range] => (name, path, flags, Some(range)),
        _ => bail!("a field has three or four words"),
    };
    let path = path.split('.').map(str::parse).collect::<Result<Vec<u32>, _>>()?;
    Ok((
        (*name).to_owned(),
        Fact {
            minors: range.map_or(Ok(ALL), |range| super::minors(range))?,
            path,
            pointer: flags.contains('*'),
            omit_empty: flags.contains('e'),
            omit_zero: flags.contains('z'),
            default: default
                .map(|it| Ok::<_, serde_json::Error>(serde_json::from_str::<Value>(it)?.to_string()))
                .transpose()?,
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_read() {
        let facts = parse("# note\na.B\n  name 1.2 *e 24-30 =\"x\"\n  n 3 -\n").unwrap();
        let fact = &facts["a.B"]["name"][0];
        assert_eq!(fact.path, [1, 2]);
        assert!(fact.pointer && fact.omit_empty && !fact.omit_zero);
        assert_eq!(fact.default.as_deref(), Some("\"x\""));
        assert_eq!(facts["a.B"]["n"][0].minors, ALL);
        assert!(parse("  n 3 -\n").is_err());
    }
}

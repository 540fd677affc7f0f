//! Storage version hashes: the first eight bytes of the SHA-256 of `group/version/kind`, base64.

use super::resources::Group;
use anyhow::{Context, Result, ensure};
use std::collections::{BTreeSet, HashMap};
use std::io::Write;
use std::process::{Command, Stdio};

/// Hashes by what they are of.
pub type Hashes = HashMap<String, String>;

/// What is hashed of a stored kind.
pub fn name(group: &str, version: &str, kind: &str) -> String {
    format!("{group}/{version}/{kind}")
}

/// The hashes of all versions that resources are stored in.
///
/// # Errors
/// When there is no `python3`, which has the algorithm.
pub fn of(groups: &[Group]) -> Result<Hashes> {
    let mut names = BTreeSet::new();
    for group in groups {
        for version in &group.versions {
            for resource in &version.resources {
                for (_, [stored, at]) in resource.stored([&group.name, &version.name]) {
                    names.insert(name(stored, at, &resource.kind));
                }
            }
        }
    }
    let script = "import base64, hashlib, sys\n\
                  for line in sys.stdin: print(base64.b64encode(hashlib.sha256(line.strip().encode()).digest()[:8]).decode())";
    let mut child = Command::new("python3")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("running python3")?;
    // Few enough to fit in a pipe, so nobody waits for the other.
    let lines: String = names.iter().map(|name| format!("{name}\n")).collect();
    child.stdin.take().context("python3 has a stdin")?.write_all(lines.as_bytes())?;
    let output = String::from_utf8(child.wait_with_output()?.stdout)?;
    ensure!(output.lines().count() == names.len(), "python3 did not hash every name");
    Ok(names.into_iter().zip(output.lines().map(str::to_owned)).collect())
}

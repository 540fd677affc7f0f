//! Writes `models/<service>.json` and `crates/aws-model/src/generated/` from `models/operations.json`.

use crate::{botocore, emit, facts};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Generates all; with `check` writes nothing and fails when a file would change.
///
/// # Errors
/// When a model or the allow-list can't be read, an operation is unknown, or a file differs under `check`.
pub fn run(check: bool) -> Result<()> {
    let root = root()?;
    let mut stale = Vec::new();
    for (path, text) in files(&root)? {
        let path = root.join(path);
        if std::fs::read_to_string(&path).is_ok_and(|old| old == text) {
            continue;
        }
        stale.push(path.display().to_string());
        if !check {
            let parent = path.parent().context("a file lies in a directory")?;
            std::fs::create_dir_all(parent)?;
            std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        }
    }
    if check && !stale.is_empty() {
        bail!("out of date, run `cargo run -p xtask -- generate`:\n{}", stale.join("\n"));
    }
    Ok(())
}

/// Every generated file by its path under the root.
fn files(root: &Path) -> Result<BTreeMap<PathBuf, String>> {
    let list = root.join("models/operations.json");
    let text = std::fs::read_to_string(&list).with_context(|| format!("reading {}", list.display()))?;
    let served: BTreeMap<String, Vec<String>> = serde_json::from_str(&text)?;
    let data = botocore::data_dir()?;
    let code = Path::new("crates/aws-model/src");
    let mut files = BTreeMap::new();
    for (service, mut operations) in served.clone() {
        operations.sort();
        let model = botocore::service(&data, &service)?;
        let facts = facts::trim(&service, botocore::VERSION, &model, &operations)?;
        files.insert(Path::new("models").join(format!("{service}.json")), facts::print(&facts)?);
        let dir = code.join("generated");
        files.insert(dir.join(format!("{service}.rs")), rustfmt(root, &emit::service(&service, &facts)?)?);
        files.insert(dir.join(&service).join("shapes.rs"), rustfmt(root, &emit::shapes(&facts)?)?);
    }
    files.insert(code.join("generated.rs"), rustfmt(root, &emit::index(served.keys()))?);
    Ok(files)
}

fn root() -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(here.parent().context("xtask lies in the workspace")?.to_owned())
}

fn rustfmt(root: &Path, code: &str) -> Result<String> {
    let mut child = Command::new("rustfmt")
        .args(["--edition", "2024", "--config-path"])
        .arg(root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("running rustfmt")?;
    let mut stdin = child.stdin.take().context("rustfmt has a stdin")?;
    let code = code.to_owned();
    // On a thread, so that neither side waits for the other when a pipe is full.
    let writer = std::thread::spawn(move || stdin.write_all(code.as_bytes()));
    let output = child.wait_with_output()?;
    writer.join().map_err(|_| anyhow::anyhow!("the writer to rustfmt panicked"))??;
    if !output.status.success() {
        bail!("rustfmt refused generated code");
    }
    Ok(String::from_utf8(output.stdout)?)
}

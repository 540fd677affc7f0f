//! Finds and reads the service models that botocore carries. They are read, never copied: what we commit is
//! trimmed to facts by [`crate::facts`].

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The one version whose models the committed facts come from.
pub const VERSION: &str = "1.43.11";

/// Names another data directory than that of `python3`'s botocore.
const DATA_ENV: &str = "POSTERN_BOTOCORE_DATA";

/// botocore's data directory, its version checked.
///
/// # Errors
/// When there is no botocore, or it is not [`VERSION`].
pub fn data_dir() -> Result<PathBuf> {
    let data = match std::env::var_os(DATA_ENV) {
        Some(dir) => PathBuf::from(dir),
        None => ask_python()?,
    };
    let init = data.join("../__init__.py");
    let text = std::fs::read_to_string(&init).with_context(|| format!("reading {}", init.display()))?;
    let found = version_in(&text).with_context(|| format!("no __version__ in {}", init.display()))?;
    if found != VERSION {
        bail!(
            "the facts come from botocore {VERSION}, found {found}: pip install botocore=={VERSION}, or set {DATA_ENV}"
        );
    }
    Ok(data)
}

/// The newest model of a service.
///
/// # Errors
/// When it is missing or not readable.
pub fn service(data: &Path, name: &str) -> Result<Value> {
    let dir = data.join(name);
    let mut versions = std::fs::read_dir(&dir)
        .with_context(|| format!("reading {}", dir.display()))?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<std::io::Result<Vec<_>>>()?;
    versions.retain(|path| path.join("service-2.json.gz").exists());
    versions.sort();
    let file = versions.pop().with_context(|| format!("no model in {}", dir.display()))?.join("service-2.json.gz");
    let unpacked = Command::new("gzip").arg("-dc").arg(&file).output().context("running gzip")?;
    if !unpacked.status.success() {
        bail!("gzip could not unpack {}", file.display());
    }
    serde_json::from_slice(&unpacked.stdout).with_context(|| format!("parsing {}", file.display()))
}

fn ask_python() -> Result<PathBuf> {
    let script = "import botocore, os; print(os.path.join(os.path.dirname(botocore.__file__), 'data'))";
    let output = Command::new("python3").args(["-c", script]).output().context("running python3")?;
    if !output.status.success() {
        bail!("python3 has no botocore: pip install botocore=={VERSION}, or set {DATA_ENV}");
    }
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
}

fn version_in(text: &str) -> Option<&str> {
    let line = text.lines().find(|line| line.starts_with("__version__"))?;
    Some(line.split('=').nth(1)?.trim().trim_matches(['\'', '"']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_the_package() {
        assert_eq!(version_in("import os\n\n__version__ = '1.2.3'\n"), Some("1.2.3"));
        assert_eq!(version_in("import os\n"), None);
    }
}

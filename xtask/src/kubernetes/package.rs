//! Fetches the packages that carry the API documents, by version and hash.

use super::{FIRST, LAST};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A version of `kubernetes-validate` and the minors that are read from it.
struct Package {
    version: &'static str,
    sha256: &'static str,
    minors: std::ops::RangeInclusive<u32>,
}

/// The older one is for the minor that the newer one left out.
const PACKAGES: [Package; 2] = [
    Package {
        version: "1.29.1",
        sha256: "dc7458b375dc00ab4db05d975970db7639cc37e8110204f2b020750121be0b1f",
        minors: FIRST..=24,
    },
    Package {
        version: "1.37.0",
        sha256: "85136d018a27b50ec7fc049d902bfa5193f5976807e6c0f408e3ab6fe078cad9",
        minors: 25..=LAST,
    },
];

/// Names a directory that already holds the packages' wheels.
const WHEELS_ENV: &str = "POSTERN_KUBERNETES_WHEELS";

/// The definitions of every minor.
///
/// # Errors
/// When a package can't be fetched, is not the one that was pinned, or lacks a minor.
pub fn documents() -> Result<BTreeMap<u32, Value>> {
    let mut documents = BTreeMap::new();
    let dir = super::root()?.join("target/kubernetes");
    std::fs::create_dir_all(&dir)?;
    for package in &PACKAGES {
        let unpacked = fetch(package, &dir)?;
        for minor in package.minors.clone() {
            let path = unpacked
                .join(format!("kubernetes_validate/kubernetes-json-schema/v1.{minor}.0-local/_definitions.json"));
            let text = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
            documents.insert(minor, serde_json::from_slice(&text)?);
        }
    }
    Ok(documents)
}

fn fetch(package: &Package, dir: &Path) -> Result<PathBuf> {
    let Package { version, sha256, .. } = package;
    let into = dir.join(version);
    std::fs::create_dir_all(&into)?;
    let wanted = into.join("requirements.txt");
    std::fs::write(&wanted, format!("kubernetes-validate=={version} --hash=sha256:{sha256}\n"))?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes", "-d"]);
    pip.arg(&into).arg("-r").arg(&wanted);
    if let Some(wheels) = std::env::var_os(WHEELS_ENV) {
        pip.arg("--no-index").arg("--find-links").arg(wheels);
    }
    run(&mut pip)?;
    let wheel = into.join(format!("kubernetes_validate-{version}-py3-none-any.whl"));
    run(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(&wheel).arg(&into))?;
    Ok(into)
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("running {command:?}"))?;
    if !status.success() {
        bail!("{command:?} failed");
    }
    Ok(())
}

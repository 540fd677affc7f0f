//! What the daemon was asked to be, judged once.

use crate::control::Hello;
use base::Region;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// What the command line hands over.
pub struct Options {
    /// Where state lies.
    pub data_dir: PathBuf,
    /// Where the AWS API listens on the host; a loopback address.
    pub listen: SocketAddr,
    /// The default region.
    pub region: Region,
    /// Called once, when everything answers.
    pub on_ready: Box<dyn FnOnce(&Hello) + Send>,
}

/// Options that hold up.
#[derive(Debug, Clone)]
pub struct Settled {
    /// The data directory, absolute.
    pub data_dir: PathBuf,
    /// The default region.
    pub region: Region,
}

/// An option that does not hold up, in one line.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A region that is not served.
    #[error("{0} is no region that is served; try ap-northeast-2")]
    Region(Region),
    /// The AWS API would be open to the network.
    #[error("{0} is not a loopback address: the AWS API listens on the host's loopback only")]
    Listen(SocketAddr),
}

impl Options {
    /// Judges them.
    ///
    /// # Errors
    /// The first that does not hold up.
    pub fn settle(&self) -> Result<Settled, ConfigError> {
        if !self.region.known() {
            return Err(ConfigError::Region(self.region.clone()));
        }
        if !self.listen.ip().is_loopback() {
            return Err(ConfigError::Listen(self.listen));
        }
        Ok(Settled { data_dir: absolute(&self.data_dir), region: self.region.clone() })
    }
}

/// A path from the root, links resolved where it exists: the same directory always gives the same names on the host.
pub fn absolute(path: &Path) -> PathBuf {
    path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned())
}

/// What tells this data directory's namespaces, cgroups and so on from another daemon's: eight digits of its path.
pub fn mark(data_dir: &Path) -> String {
    // FNV-1a: stable across versions, and names need only differ
    let digest = absolute(data_dir)
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .fold(0x811c_9dc5_u32, |digest, byte| (digest ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    format!("{digest:08x}")
}

/// The prefix of the namespaces' names.
pub fn namespace_prefix(data_dir: &Path) -> String {
    format!("pn{}-", &mark(data_dir)[..6])
}

/// Where machines are kept and how their cgroups are called.
pub fn machine_options(data_dir: &Path) -> machine::Options {
    machine::Options {
        executable: PathBuf::from("/proc/self/exe"),
        root: data_dir.join("machines"),
        cgroup_parent: format!("postern/{}", mark(data_dir)),
        isolation: None,
    }
}

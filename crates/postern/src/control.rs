//! What the command line and its daemon say to each other: one JSON line of request, JSON lines of reply, over a Unix
//! socket in the data directory that only root can open.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// The socket of a data directory.
pub fn socket_path(data_dir: &Path) -> PathBuf {
    data_dir.join("postern.sock")
}

/// What the command line asks.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Request {
    /// Whether the daemon answers, and what it is: [`Hello`].
    Hello,
    /// What runs: [`Status`].
    Status,
    /// Stop and remove everything that was made; state stays. Answered when done.
    Down,
    /// Keys of the first account's administrator: [`Credentials`].
    Credentials,
    /// All places: a list of [`PlaceInfo`].
    Places,
    /// How to stand at a place: [`Standing`].
    Stand {
        /// The place as typed.
        place: String,
    },
    /// A proxy that stands at a place: its [`SocketAddr`] on the loopback.
    Proxy {
        /// The place as typed.
        place: String,
    },
    /// Who can reach a cluster's endpoint: a list of [`ReachReport`], all places when `from` is `None`.
    Reach {
        /// The cluster's name.
        cluster: String,
        /// Its region; the daemon's own when `None`.
        region: Option<String>,
        /// One place only.
        from: Option<String>,
    },
    /// One AWS operation, asked as the first account's administrator: the operation's output.
    Call {
        /// The region; the daemon's own when `None`.
        region: Option<String>,
        /// The service, as `eks`.
        service: String,
        /// The operation, as `DescribeCluster`.
        operation: String,
        /// Its input in the model's member names.
        input: Value,
    },
    /// A new account with an administrator's key: [`Credentials`].
    CreateAccount,
}

/// One line of reply. Progress lines may come before the last one.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "kebab-case")]
pub enum Reply {
    /// Something worth showing while one waits.
    Progress {
        /// The line to show.
        text: String,
    },
    /// The answer; the last line.
    Done {
        /// The answer's value.
        value: Value,
    },
    /// The refusal; the last line.
    Failed {
        /// AWS's error code, for a refused [`Request::Call`].
        code: Option<String>,
        /// One line that says what to do.
        message: String,
    },
}

/// Who answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Hello {
    /// The daemon's version.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// Where the AWS API listens on the host.
    pub listen: SocketAddr,
    /// Its default region.
    pub region: String,
}

/// What runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Status {
    /// The daemon.
    pub hello: Hello,
    /// Its data directory.
    pub data_dir: PathBuf,
    /// The store's engine.
    pub store: String,
    /// The store's revision.
    pub revision: u64,
    /// The control plane's engine.
    pub control_plane: String,
    /// The clusters of all accounts and regions.
    pub clusters: Vec<ClusterInfo>,
    /// The VPCs that have something in them besides a default VPC's subnets.
    pub vpcs: Vec<VpcInfo>,
    /// The instances that are not terminated.
    pub instances: Vec<InstanceInfo>,
    /// What is not well, one line each: kernel features, repairs that fail, limits that are near.
    pub problems: Vec<String>,
}

/// A cluster in [`Status`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ClusterInfo {
    /// Its owner.
    pub account: String,
    /// Its region.
    pub region: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its status.
    pub status: String,
    /// `public`, `public+private` or `private`.
    pub access: String,
    /// Its endpoint.
    pub endpoint: String,
    /// Its public addresses.
    pub public_addresses: Vec<Ipv4Addr>,
    /// Its X-ENIs' addresses.
    pub private_addresses: Vec<Ipv4Addr>,
}

/// A VPC in [`Status`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct VpcInfo {
    /// Its owner.
    pub account: String,
    /// Its region.
    pub region: String,
    /// Its id.
    pub id: String,
    /// Its blocks.
    pub blocks: Vec<String>,
    /// Whether it is the region's default VPC.
    pub is_default: bool,
    /// How many subnets.
    pub subnets: usize,
    /// How many network interfaces.
    pub interfaces: usize,
    /// The namespace of its router as `ip netns` shows it.
    pub namespace: String,
}

/// An instance in [`Status`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InstanceInfo {
    /// Its owner.
    pub account: String,
    /// Its region.
    pub region: String,
    /// Its id.
    pub id: String,
    /// Its state.
    pub state: String,
    /// Its private address.
    pub private_address: Ipv4Addr,
    /// Its public address.
    pub public_address: Option<Ipv4Addr>,
}

/// An access key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Credentials {
    /// The account.
    pub account: String,
    /// The key's id.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
}

/// A place in [`Request::Places`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PlaceInfo {
    /// What to type.
    pub place: String,
    /// What it is.
    pub kind: String,
    /// Its addresses.
    pub addresses: Vec<Ipv4Addr>,
    /// Where it lies.
    pub location: String,
    /// A name the user gave it (the `Name` tag).
    pub name: Option<String>,
}

/// How to stand at a place.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Standing {
    /// A place that is only a network.
    Network {
        /// The file that pins its network namespace.
        namespace: PathBuf,
        /// Its resolver.
        resolver: Ipv4Addr,
        /// The certificate of the service's authority, PEM.
        authority: String,
        /// Variables for the command.
        environment: Vec<(String, String)>,
    },
    /// A place with a process tree of its own.
    Machine {
        /// Its first process.
        pid: u32,
        /// The cgroup directories it lives in are found by this id.
        id: String,
        /// Variables for the command.
        environment: Vec<(String, String)>,
    },
}

/// What [`Request::Reach`] answers for one place: what the records say, and what the packets said.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReachReport {
    /// What the records say.
    pub computed: landing::reach::Reach,
    /// For each way, in order: whether a connection was made within its time limit.
    pub confirmed: Vec<bool>,
}

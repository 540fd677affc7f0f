//! A cluster and its real clients.

use super::transcript::Shell;
use super::{Postern, Ran};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A cluster, seen from `outside`.
pub struct Cluster {
    pub postern: Postern,
    pub files: tempfile::TempDir,
    name: String,
}

impl Cluster {
    /// One in a Postern of its own, in a public VPC.
    pub fn new(region: &str, name: &str, version: &str) -> Self {
        let postern = Postern::up(region);
        let (_, subnets) = postern.public_vpc("10.70.0.0/16", [("a", "10.70.1.0/24"), ("b", "10.70.2.0/24")]);
        postern.cluster(name, version, &subnets, "");
        let it = Self { postern, files: tempfile::tempdir().unwrap(), name: name.to_owned() };
        it.update_kubeconfig();
        it
    }

    fn update_kubeconfig(&self) {
        let config = self.config();
        let config = config.to_str().unwrap();
        let update = ["aws", "eks", "update-kubeconfig", "--name", &self.name, "--kubeconfig", config];
        self.postern.at("outside", &update).ok();
    }

    /// Its administrator's kubeconfig.
    pub fn config(&self) -> PathBuf {
        self.files.path().join("kubeconfig")
    }

    /// Writes a file for its clients.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.files.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Runs kubectl at `outside`.
    pub fn kubectl(&self, words: &[&str]) -> Ran {
        let config = self.config();
        let cache = self.files.path().join("cache");
        let mut command = vec!["kubectl", "--kubeconfig", config.to_str().unwrap()];
        command.extend(["--cache-dir", cache.to_str().unwrap()]);
        command.extend(words);
        self.postern.at("outside", &command)
    }

    /// Runs kubectl with words that hold no blanks.
    pub fn words(&self, words: &str) -> Ran {
        self.kubectl(&words.split(' ').collect::<Vec<_>>())
    }

    /// `kubectl apply` of a file.
    pub fn apply(&self, file: &Path) -> String {
        self.kubectl(&["apply", "-f", file.to_str().unwrap()]).ok()
    }

    /// A kubeconfig with one token of `aws eks get-token`, for what runs many commands: the AWS CLI takes longer to
    /// make a token than kubectl to use it.
    pub fn with_token(&self) -> PathBuf {
        let token = self.postern.aws(&format!("eks get-token --cluster-name {} --output json", self.name)).json();
        let found = self.postern.aws(&format!("eks describe-cluster --name {} --output json", self.name)).json();
        let found = &found["cluster"];
        let cluster =
            json!({"server": found["endpoint"], "certificate-authority-data": found["certificateAuthority"]["data"]});
        let config = json!({"apiVersion": "v1", "kind": "Config", "current-context": "it",
            "clusters": [{"name": "it", "cluster": cluster}],
            "users": [{"name": "it", "user": {"token": token["status"]["token"]}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}]});
        self.write("with-token", &config.to_string())
    }

    /// A shell at `outside`, in a directory of its own under the tests' files, whose `name` is the program `program`.
    pub fn shell(&self, name: &str, program: &str, config: &Path) -> Shell {
        let home = self.files.path().join(program);
        std::fs::create_dir_all(&home).unwrap();
        let path = std::env::var("PATH").unwrap();
        let found = path.split(':').map(|it| Path::new(it).join(program)).find(|it| it.exists());
        let found = found.unwrap_or_else(|| panic!("{program} is not in PATH: `make venv` brings it"));
        std::os::unix::fs::symlink(found, home.join(name)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
        command.args(["at", "outside", "--", "bash"]).env("POSTERN_DATA_DIR", self.postern.data_dir());
        command.env("PATH", format!("{}:{path}", home.display())).env("HOME", &home).env("TMPDIR", &home);
        command.env("KUBECONFIG", config).env("TERM", "dumb").current_dir(&home);
        Shell::start(&mut command)
    }
}

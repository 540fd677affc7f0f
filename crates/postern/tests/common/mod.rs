//! A Postern of a test's own: its own data directory, port and namespaces, taken down again when the test ends,
//! however it ends. Everything is done as a user would: the real binary, the real `aws`, `dig`, `curl`.

#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod cluster;
pub mod transcript;

use serde_json::Value;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How long a state may take to come about. Generous: two cores may run many tests at once.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The outcome of a command.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Its output, if it succeeded.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "out: {}\nerr: {}", self.out, self.err);
        self.out
    }

    /// Its output as JSON, if it succeeded.
    #[track_caller]
    pub fn json(self) -> Value {
        let out = self.ok();
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }

    /// What it complained of, if it failed.
    #[track_caller]
    pub fn failed(self) -> String {
        assert_ne!(self.code, 0, "out: {}", self.out);
        self.err
    }
}

/// A running Postern.
pub struct Postern {
    dir: tempfile::TempDir,
    pub listen: SocketAddr,
    pub region: String,
    pub key: (String, String),
}

impl Postern {
    /// Starts one in a region, on a port that is free.
    pub fn up(region: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("postern-test-").tempdir().unwrap();
        let listen = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut it = Self { dir, listen, region: region.to_owned(), key: Default::default() };
        it.start();
        let env = it.cli(&["env"]).ok();
        let value = |name: &str| {
            let line = env.lines().find_map(|it| it.strip_prefix(&format!("export {name}="))).unwrap();
            line.trim_matches(['\'', '"']).to_owned()
        };
        it.key = (value("AWS_ACCESS_KEY_ID"), value("AWS_SECRET_ACCESS_KEY"));
        it
    }

    /// Its data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// `postern up --detach` (again).
    pub fn start(&self) {
        let (listen, region) = (self.listen.to_string(), self.region.clone());
        let ran = self.cli(&["up", "--detach", "--listen", &listen, "--region", &region]);
        assert_eq!(ran.code, 0, "{}\n{}\n{}", ran.out, ran.err, self.log());
    }

    /// What the daemon logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.data_dir().join("postern.log")).unwrap_or_default()
    }

    /// The daemon's process id.
    pub fn pid(&self) -> u32 {
        let status = self.cli(&["status", "--output", "json"]).json();
        u32::try_from(status["hello"]["pid"].as_u64().unwrap()).unwrap()
    }

    /// Kills the daemon without a word, and waits until it is gone.
    pub fn kill(&self) {
        let pid = self.pid().to_string();
        Command::new("kill").args(["-9", &pid]).status().unwrap();
        until("the daemon is gone", || !PathBuf::from(format!("/proc/{pid}")).exists());
    }

    /// Runs the command line.
    pub fn cli(&self, args: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
        command.args(args).env("POSTERN_DATA_DIR", self.data_dir()).stdin(Stdio::null());
        Ran::of(command.output().unwrap())
    }

    /// Runs a command standing at a place.
    pub fn at(&self, place: &str, command: &[&str]) -> Ran {
        let mut args = vec!["at", place, "--"];
        args.extend(command);
        self.cli(&args)
    }

    /// An environment in which the real tools talk to this Postern from the host.
    pub fn environment(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT_URL", format!("http://{}", self.listen)),
            ("AWS_ACCESS_KEY_ID", self.key.0.clone()),
            ("AWS_SECRET_ACCESS_KEY", self.key.1.clone()),
            ("AWS_DEFAULT_REGION", self.region.clone()),
            ("AWS_REGION", self.region.clone()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".to_owned()),
            ("AWS_PAGER", String::new()),
            ("NO_PROXY", "127.0.0.1".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    /// Runs the real `aws` on the host; its words are split at blanks.
    pub fn aws(&self, words: &str) -> Ran {
        let mut command = Command::new("aws");
        command.args(words.split_whitespace()).envs(self.environment()).stdin(Stdio::null());
        Ran::of(command.output().unwrap())
    }

    /// Runs a script of `tests/clients` with boto3, which must succeed.
    #[track_caller]
    pub fn python(&self, script: &str) {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(script);
        Ran::of(Command::new("python3").arg(path).envs(self.environment()).output().unwrap()).ok();
    }

    /// Runs `aws ... --output text --query Q` and gives its trimmed output.
    #[track_caller]
    pub fn query(&self, words: &str, query: &str) -> String {
        self.aws(&format!("{words} --output text --query {query}")).ok().trim().to_owned()
    }

    /// A VPC with an Internet gateway and a public subnet in each of two zones: its id and the subnets'.
    pub fn public_vpc(&self, block: &str, subnets: [(&str, &str); 2]) -> (String, Vec<String>) {
        let vpc = self.query(&format!("ec2 create-vpc --cidr-block {block}"), "Vpc.VpcId");
        self.aws(&format!("ec2 modify-vpc-attribute --vpc-id {vpc} --enable-dns-hostnames")).ok();
        let igw = self.query("ec2 create-internet-gateway", "InternetGateway.InternetGatewayId");
        self.aws(&format!("ec2 attach-internet-gateway --internet-gateway-id {igw} --vpc-id {vpc}")).ok();
        let table = self.query(
            &format!("ec2 describe-route-tables --filters Name=vpc-id,Values={vpc}"),
            "RouteTables[0].RouteTableId",
        );
        self.aws(&format!(
            "ec2 create-route --route-table-id {table} --destination-cidr-block 0.0.0.0/0 --gateway-id {igw}"
        ))
        .ok();
        let subnet = |(zone, block): (&str, &str)| {
            let zone = format!("{}{zone}", self.region);
            let make = format!("ec2 create-subnet --vpc-id {vpc} --cidr-block {block} --availability-zone {zone}");
            let id = self.query(&make, "Subnet.SubnetId");
            self.aws(&format!("ec2 modify-subnet-attribute --subnet-id {id} --map-public-ip-on-launch")).ok();
            id
        };
        let ids = subnets.map(subnet).to_vec();
        (vpc, ids)
    }

    /// A role that EKS may take on.
    pub fn cluster_role(&self) -> String {
        let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"eks.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
        let make = format!("iam create-role --role-name eks-{} --assume-role-policy-document {trust}", rand_name());
        self.query(&make, "Role.Arn")
    }

    /// An instance that runs, in a subnet.
    pub fn instance(&self, subnet: &str) -> String {
        let image = self.query("ec2 describe-images --owners amazon", "Images[0].ImageId");
        let make = format!("ec2 run-instances --image-id {image} --instance-type t3.micro --subnet-id {subnet}");
        let id = self.query(&make, "Instances[0].InstanceId");
        // The CLI's own waiter looks again only after 15 seconds.
        let look = format!("ec2 describe-instances --instance-ids {id}");
        until("it runs", || self.query(&look, "Reservations[0].Instances[0].State.Name") == "running");
        id
    }

    /// A cluster that is ACTIVE; `access` is what follows the subnets in `--resources-vpc-config`.
    pub fn cluster(&self, name: &str, version: &str, subnets: &[String], access: &str) -> Value {
        let (role, subnets) = (self.cluster_role(), subnets.join(","));
        self.aws(&format!(
            "eks create-cluster --name {name} --kubernetes-version {version} --role-arn {role} \
             --resources-vpc-config subnetIds={subnets}{access}"
        ))
        .ok();
        self.active(name)
    }

    /// Waits until a cluster is ACTIVE, and describes it.
    #[track_caller]
    pub fn active(&self, name: &str) -> Value {
        let mut cluster = Value::Null;
        until(&format!("{name} is ACTIVE"), || {
            cluster = self.aws(&format!("eks describe-cluster --name {name}")).json()["cluster"].take();
            assert_ne!(cluster["status"], "FAILED", "{cluster}");
            cluster["status"] == "ACTIVE"
        });
        cluster
    }

    /// Changes the access mode and waits until the update is done.
    #[track_caller]
    pub fn set_access(&self, name: &str, access: &str) {
        let change = format!("eks update-cluster-config --name {name} --resources-vpc-config {access}");
        let update = self.query(&change, "update.id");
        until("the update is done", || {
            let look = format!("eks describe-update --name {name} --update-id {update}");
            let status = self.query(&look, "update.status");
            assert!(["InProgress", "Successful"].contains(&&*status), "{status}");
            status == "Successful"
        });
    }
}

impl Drop for Postern {
    fn drop(&mut self) {
        let log = self.log();
        let reset = self.cli(&["reset"]);
        if std::thread::panicking() {
            eprintln!("--- the daemon's log\n{log}");
        } else {
            assert_eq!(reset.code, 0, "reset: {}{}", reset.out, reset.err);
        }
    }
}

/// The host part of an endpoint.
pub fn host(cluster: &Value) -> String {
    cluster["endpoint"].as_str().unwrap().trim_start_matches("https://").to_owned()
}

/// Polls until something holds.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(30));
    }
}

/// A name that no other test uses.
pub fn rand_name() -> String {
    base::hex(&base::random_bytes::<4>())
}

/// Lines, sorted.
pub fn sorted(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

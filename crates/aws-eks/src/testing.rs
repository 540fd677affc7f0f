//! A world in which EKS runs without AWS, disk or kernel: what the tests of this crate stand on. Everything that can be
//! awaited passes one gate, at which the world can be stopped as by a crash.

pub mod control_planes;
pub mod ec2;
pub mod gate;
pub mod iam;
pub mod store;

mod access_entries;
mod crashes;
mod life_cycle;
mod operations;
mod refusals;
mod trouble;

use crate::records::{Cluster, ClusterStatus, ControlPlaneInstance, EndpointAccess};
use crate::{EksService, Reconciler};
use ::store::Records;
use aws_model::{Caller, Context, Fault, Principal, eks};
use base::{AccountId, Clock, Ipv4Block};
use control_planes::FakeControlPlanes;
use ec2::FakeEc2;
use gate::Gate;
use iam::FakeIam;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::time::Instant;

/// A cluster that serves.
pub fn active_cluster() -> Cluster {
    let instance = |zone: &str, last: u8| ControlPlaneInstance {
        zone: zone.to_owned(),
        provider_address: [240, 0, 7, last].into(),
        public_address: [198, 19, 7, last].into(),
        interface: None,
    };
    Cluster {
        name: "blue".into(),
        account: "111122223333".parse().unwrap(),
        region: "ap-northeast-2".parse().unwrap(),
        status: ClusterStatus::Active,
        version: "1.34".into(),
        platform_version: "eks.19".into(),
        role_arn: ROLE.into(),
        created: Timestamp::UNIX_EPOCH,
        creator: "arn:aws:iam::111122223333:user/admin".into(),
        endpoint_id: "4EF9B1C9A5F24DCBD324557BF7056DC0".into(),
        shard: "gr7".into(),
        vpc: ec2::VPC.parse().unwrap(),
        subnets: vec![ec2::SUBNET_A.parse().unwrap(), ec2::SUBNET_C.parse().unwrap()],
        security_groups: vec![],
        cluster_security_group: None,
        access: EndpointAccess { public: true, private: false, public_cidrs: vec![Ipv4Block::ANY] },
        service_block: "10.100.0.0/16".parse().unwrap(),
        log_types: vec![],
        authentication_mode: "CONFIG_MAP".into(),
        creator_is_admin: true,
        support_type: "EXTENDED".into(),
        deletion_protection: false,
        bootstrap_self_managed_addons: true,
        client_token: None,
        control_plane: vec![instance("ap-northeast-2a", 1), instance("ap-northeast-2c", 2)],
        certificate_authority: None,
        issues: vec![],
        tags: Default::default(),
    }
}

/// A role that trusts EKS.
pub const ROLE: &str = "arn:aws:iam::111122223333:role/eks";

/// Time that goes with the runtime's, which tests stop.
pub struct RuntimeClock(Instant);

impl Clock for RuntimeClock {
    fn now(&self) -> Timestamp {
        let start: Timestamp = "2026-07-01T12:00:00Z".parse().unwrap();
        start + SignedDuration::try_from(self.0.elapsed()).unwrap()
    }
}

/// Everything, with a reconciler that may or may not run.
pub struct World {
    pub records: Records,
    pub gate: Arc<Gate>,
    pub ec2: Arc<FakeEc2>,
    pub iam: Arc<FakeIam>,
    pub control_planes: Arc<FakeControlPlanes>,
    pub clock: Arc<RuntimeClock>,
    pub reconciler: Arc<Reconciler>,
    pub service: EksService,
    task: Option<tokio::task::JoinHandle<()>>,
}

impl World {
    /// A world at rest: nothing reconciles.
    pub fn new() -> Self {
        let gate = Arc::new(Gate::default());
        let records = Records::new(store::memory_behind(Arc::clone(&gate)));
        let ec2 = Arc::new(FakeEc2::new(Arc::clone(&gate)));
        let iam = Arc::new(FakeIam::default());
        let control_planes = Arc::new(FakeControlPlanes::new(Arc::clone(&gate)));
        let clock = Arc::new(RuntimeClock(Instant::now()));
        let (reconciler, service) = Self::wire(&records, &clock, &ec2, &iam, &control_planes);
        Self { records, gate, ec2, iam, control_planes, clock, reconciler, service, task: None }
    }

    fn wire(
        records: &Records,
        clock: &Arc<RuntimeClock>,
        ec2: &Arc<FakeEc2>,
        iam: &Arc<FakeIam>,
        control_planes: &Arc<FakeControlPlanes>,
    ) -> (Arc<Reconciler>, EksService) {
        let reconciler = Reconciler::new(records.clone(), clock.clone(), ec2.clone(), control_planes.clone());
        let service = EksService::new(records.clone(), clock.clone(), ec2.clone(), iam.clone(), reconciler.nudge());
        (Arc::new(reconciler), service)
    }

    /// A world in which things get done.
    pub fn running() -> Self {
        let mut world = Self::new();
        world.start();
        world
    }

    /// Starts reconciling.
    pub fn start(&mut self) {
        let reconciler = Arc::clone(&self.reconciler);
        self.task = Some(tokio::spawn(async move { reconciler.run(std::future::pending()).await }));
    }

    /// Kills the reconciler where it stands; the next one knows nothing but the records.
    pub async fn stop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            let _ = task.await;
        }
        (self.reconciler, self.service) =
            Self::wire(&self.records, &self.clock, &self.ec2, &self.iam, &self.control_planes);
    }

    /// Kills the reconciler where it stands and starts the next one, with the gate open.
    pub async fn restart(&mut self) {
        self.stop().await;
        self.gate.open();
        self.start();
    }

    /// Waits until there is nothing to do.
    pub async fn settled(&self) {
        self.reconciler.nudge().idle().await;
    }

    /// The context of a user's request.
    pub fn context(&self) -> Context {
        let account: AccountId = "111122223333".parse().unwrap();
        Context {
            caller: Caller {
                arn: format!("arn:aws:iam::{account}:user/admin"),
                account,
                principal: Principal::User("admin".into()),
                user_id: "AIDAEXAMPLE".into(),
                access_key_id: "AKIAEXAMPLE".into(),
            },
            region: "ap-northeast-2".parse().unwrap(),
            request_id: "request-1".into(),
            now: self.clock.now(),
        }
    }

    /// Asks for an operation, as the gateway does.
    pub async fn ask(&self, operation: &str, input: Value) -> Result<Value, Fault> {
        eks::dispatch(&self.service, &self.context(), operation, input).await
    }

    /// Asks for an operation that must succeed.
    pub async fn get(&self, operation: &str, input: Value) -> Value {
        self.ask(operation, input).await.unwrap()
    }

    /// A request for a cluster in two zones, with changes.
    pub fn request(name: &str, change: Value) -> Value {
        let mut ask = json!({
            "name": name, "roleArn": ROLE,
            "resourcesVpcConfig": {"subnetIds": [ec2::SUBNET_A, ec2::SUBNET_C]},
        });
        merge(&mut ask, change);
        ask
    }

    /// Creates a cluster and waits until that is over.
    pub async fn create(&self, name: &str) {
        self.get("CreateCluster", Self::request(name, json!({}))).await;
        self.settled().await;
    }

    /// The cluster as DescribeCluster shows it.
    pub async fn describe(&self, name: &str) -> Value {
        self.get("DescribeCluster", json!({ "name": name })).await["cluster"].take()
    }

    /// All keys of reserved addresses.
    pub fn leases(&self) -> Vec<String> {
        self.records.scan::<Value>(crate::pool::ROOT).unwrap().into_iter().map(|(key, _)| key).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// Puts members of `change` over those of `into`, deep.
pub fn merge(into: &mut Value, change: Value) {
    match (into, change) {
        (Value::Object(into), Value::Object(change)) => {
            change.into_iter().for_each(|(key, value)| merge(into.entry(key).or_insert(Value::Null), value));
        }
        (into, change) => *into = change,
    }
}

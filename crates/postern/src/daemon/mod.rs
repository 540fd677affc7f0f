//! The daemon: joins everything and decides nothing.
//!
//! Read [`follower`] and [`scene`] (what is known), [`networks`], [`listeners`], [`control_planes`], [`instances`]
//! (what is made of it), [`server`] (the command line's questions), and `start` below (how they are wired).

mod api;
mod callers;
mod clean_up;
mod config;
mod control_planes;
mod follower;
mod identity;
mod instances;
mod kubernetes;
mod listeners;
mod names;
mod networks;
mod pki;
mod places;
mod probe;
mod proxy;
mod scene;
mod server;
mod start;
mod status;
mod trust;

pub use clean_up::clean_up;
pub use config::{Options, machine_options};
pub use start::run;

use crate::control::{Credentials, Hello};
use base::SystemClock;
use fabric::Fabric;
use machine::Machines;
use scene::SharedScene;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use store::Embedded;
use tokio::sync::Notify;

/// How long an instance's processes have when everything is taken down.
const TAKE_DOWN_GRACE: Duration = Duration::from_secs(2);

/// A running daemon, as the control socket sees it.
struct Daemon {
    options: config::Settled,
    listen: SocketAddr,
    clock: SystemClock,
    store: Arc<Embedded>,
    scene: SharedScene,
    fabric: Fabric,
    machines: Machines,
    iam: Arc<aws_iam::IamService>,
    services: api::Services,
    proxies: Arc<proxy::Proxies>,
    administrator: Credentials,
    administrator_caller: aws_model::Caller,
    authority: String,
    /// What was found missing at the start.
    missing: Vec<String>,
    /// Tells every loop to end.
    stop: tokio::sync::watch::Sender<bool>,
    /// Everything has been taken down: the process may end.
    down: Notify,
}

impl Daemon {
    fn hello(&self) -> Hello {
        Hello {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            listen: self.listen,
            region: self.options.region.to_string(),
        }
    }

    fn administrator(&self) -> Credentials {
        self.administrator.clone()
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = self.missing.clone();
        problems.extend(self.fabric.status().borrow().failing.iter().map(ToString::to_string));
        problems
    }

    /// Ends every loop and removes everything that was made on this host; the records stay.
    async fn take_down(self: &Arc<Self>) -> Result<(), String> {
        self.stop.send_replace(true);
        let machines = self.machines.clone();
        let stopped = tokio::task::spawn_blocking(move || clean_up::stop_machines(&machines, TAKE_DOWN_GRACE)).await;
        let stopped = stopped.map_err(|error| error.to_string())?;
        let removed = self.fabric.destroy().await.map_err(|error| error.to_string());
        self.down.notify_one();
        stopped.and(removed)
    }
}

//! Removing what a daemon made on this host, with or without that daemon.

use super::config;
use anyhow::Context as _;
use machine::Machines;
use std::path::Path;
use std::time::Duration;

/// How long processes have when nobody waits for them to end well.
const GRACE: Duration = Duration::from_millis(500);

/// Stops every machine; their files stay. All are tried; the first failure is reported.
pub fn stop_machines(machines: &Machines, grace: Duration) -> Result<(), String> {
    match machines.stop_all(grace).into_iter().next() {
        Some((id, error)) => Err(format!("instance {id}: {error}")),
        None => Ok(()),
    }
}

/// Removes what a daemon that is gone left behind; says what it did.
///
/// # Errors
/// When something cannot be removed.
pub fn clean_up(data_dir: &Path) -> anyhow::Result<Vec<String>> {
    let mut done = Vec::new();
    let options = config::machine_options(data_dir);
    if options.root.exists() {
        let machines = Machines::open(options).context("the machines")?;
        let count = machines.list().map_or(0, |it| it.len());
        stop_machines(&machines, GRACE).map_err(anyhow::Error::msg)?;
        if count > 0 {
            done.push(format!("stopped {count} instance(s)"));
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let prefix = config::namespace_prefix(data_dir);
    let removed = runtime.block_on(async {
        let fabric = fabric::Fabric::new(fabric::FabricOptions { prefix })?;
        fabric.destroy().await
    });
    removed.context("the namespaces")?;
    let socket = crate::control::socket_path(data_dir);
    if socket.exists() {
        std::fs::remove_file(&socket).context("the control socket")?;
    }
    Ok(done)
}

//! From options to a daemon that answers: the order of the start, and its end.

use super::api::Services;
use super::callers::{IamCredentials, WholeAccount};
use super::config::{self, Options, Settled};
use super::control_planes::LocalControlPlanes;
use super::follower::{self, Followed};
use super::identity::Identities;
use super::instances::{self, Instances};
use super::kubernetes::Kubernetes;
use super::listeners::{self, Listeners};
use super::networks::{self, Networks};
use super::pki::Authority;
use super::proxy::Proxies;
use super::scene::SharedScene;
use super::{Daemon, server, trust};
use crate::control::{self, Credentials};
use anyhow::{Context as _, anyhow};
use aws_ec2::Ec2Service;
use aws_eks::{EksService, Reconciler};
use aws_iam::IamService;
use aws_ssm::SsmService;
use base::{Clock, InstanceId, SystemClock};
use fabric::{Fabric, FabricOptions};
use gateway::{Gateway, GatewayConfig, ServiceEntry};
use machine::Machines;
use reconcile::{Backoff, Handle, Loop};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use store::{Embedded, Records, Store, StoreError};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// How machines are looked after. Starts are mostly the kernel's work on two or three cores; the period finds machines
/// that died on their own.
const MACHINES: reconcile::Options = reconcile::Options {
    period: Duration::from_secs(5),
    parallel: 8,
    backoff: Backoff { first: Duration::from_millis(200), cap: Duration::from_secs(30) },
    grace: Duration::from_secs(5),
};
/// How often terminated instances and the like are looked through for those that have been shown long enough.
const PURGE: Duration = Duration::from_secs(60);

/// How long what a killed daemon held may be held on.
const DYING: Duration = Duration::from_secs(1);

/// Runs the daemon until it is told to stop.
///
/// # Errors
/// What keeps it from starting, each in one line that says what to do.
pub fn run(options: Options) -> anyhow::Result<()> {
    let settled = options.settle()?;
    log_to_stderr();
    // The implicit default is never used; this keeps a library that would ask for it from panicking.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(start(options, settled))
}

/// Structured lines on standard error, which a detached start leads to the log file. `POSTERN_LOG` chooses what is
/// shown, as `debug` or `fabric=trace,info`.
fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("POSTERN_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    // Fails only when a subscriber is set already, as in a test; its lines are then as good.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(ansi).try_init();
}

async fn start(options: Options, settled: Settled) -> anyhow::Result<()> {
    private_dir(&settled.data_dir)?;
    // The store's lock comes first: it says whether another daemon has this directory.
    let store = patiently(|| open_store(&settled.data_dir), |error| matches!(error, StoreError::InUse(_))).await;
    let store = store.map_err(|error| match error {
        StoreError::InUse(_) => anyhow!("a daemon runs already with data directory {}", settled.data_dir.display()),
        error => anyhow!(error).context("the store cannot be opened"),
    })?;
    let taken = |error: &std::io::Error| error.kind() == std::io::ErrorKind::AddrInUse;
    let api = patiently(|| std::net::TcpListener::bind(options.listen), taken).await;
    let api = api.and_then(|it| it.set_nonblocking(true).map(|()| it)).and_then(TcpListener::from_std);
    let api = api.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            anyhow!("{} is taken by another program; choose another with --listen", options.listen)
        }
        _ => anyhow!("cannot listen at {}: {error}", options.listen),
    })?;
    let missing = probe(&settled.data_dir).await?;
    let listen = api.local_addr()?;
    let (daemon, parts) = assemble(settled, store, listen, missing).await?;
    let gateway = gateway(&daemon)?;
    let _api = gateway.serve_http(api);
    let listener = server::open(&control::socket_path(&daemon.options.data_dir)).context("the control socket")?;
    set_going(&daemon, parts, gateway).await?;
    let control = tokio::spawn(server::serve(daemon.clone(), listener));
    (options.on_ready)(&daemon.hello());
    until_told(&daemon).await?;
    control.abort();
    let _ = std::fs::remove_file(control::socket_path(&daemon.options.data_dir));
    Ok(())
}

/// Waits for a signal (the networks and instances then stay) or for everything to have been taken down.
async fn until_told(daemon: &Daemon) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => {}
        outcome = tokio::signal::ctrl_c() => outcome?,
        () = daemon.down.notified() => {
            // The answer to who asked for it is on its way; it is a few bytes into a socket's buffer.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    daemon.stop.send_replace(true);
    Ok(())
}

fn private_dir(path: &Path) -> anyhow::Result<()> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.with_context(|| format!("cannot make the data directory {}", path.display()))
}

fn open_store(data_dir: &Path) -> Result<Arc<Embedded>, StoreError> {
    Embedded::open(&data_dir.join("store")).map(Arc::new)
}

/// Tries again for a moment what a daemon that was just killed may still hold: the system takes a while to close its
/// descriptors.
async fn patiently<T, E>(mut attempt: impl FnMut() -> Result<T, E>, held: impl Fn(&E) -> bool) -> Result<T, E> {
    let deadline = tokio::time::Instant::now() + DYING;
    loop {
        match attempt() {
            Err(error) if held(&error) && tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            outcome => return outcome,
        }
    }
}

/// Looks at what the kernel can do. What nothing works without is an error; the rest is named in `postern status`.
async fn probe(data_dir: &Path) -> anyhow::Result<Vec<String>> {
    let network = tokio::task::spawn_blocking(fabric::probe).await?;
    let lacking: Vec<String> =
        network.iter().filter(|it| !it.ok).map(|it| format!("{}: {}", it.name, it.detail)).collect();
    if !lacking.is_empty() {
        return Err(anyhow!("this kernel lacks what networks need: {}", lacking.join("; ")));
    }
    let options = config::machine_options(data_dir);
    private_dir(&options.root)?;
    let machines = tokio::task::spawn_blocking(move || machine::probe(&options.executable, &options.root)).await??;
    Ok(machines.iter().filter(|it| !it.ok).map(|it| format!("{}: {}", it.name, it.detail)).collect())
}

/// What runs in tasks of its own and is not asked by the control socket.
struct Parts {
    followed: Followed,
    networks: Networks,
    opened: watch::Sender<Option<Arc<Listeners>>>,
    control_planes: Arc<LocalControlPlanes>,
    reconciler: Reconciler,
    instances: Arc<Instances>,
    machine_loop: Loop<InstanceId>,
    ec2: Arc<Ec2Service>,
}

async fn assemble(
    options: Settled,
    store: Arc<Embedded>,
    listen: std::net::SocketAddr,
    missing: Vec<String>,
) -> anyhow::Result<(Arc<Daemon>, Parts)> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let records = Records::new(store.clone() as Arc<dyn Store>);
    let iam = Arc::new(IamService::new(records.clone(), clock.clone()));
    let ec2 = Arc::new(Ec2Service::new(records.clone(), clock.clone(), iam.clone()));
    // The first account and its administrator, made at the very first start.
    let key = iam.bootstrap().await.context("the first account")?;
    let administrator = Credentials {
        account: key.account.to_string(),
        access_key_id: key.access_key_id,
        secret_access_key: key.secret_access_key,
    };
    ec2.ensure_region(&key.account, &options.region).await.context("the default VPC")?;

    let pki = options.data_dir.join("pki");
    let authority = Authority::open(&pki, "service", "Postern Service Authority").context("the service's authority")?;
    let authority = authority.certificate().to_owned();
    trust::write_bundle(&options.data_dir.join("ca-bundle.pem"), &authority)?;

    let fabric = Fabric::new(FabricOptions { prefix: config::namespace_prefix(&options.data_dir) })?;
    let machines = Machines::new(config::machine_options(&options.data_dir)).context("the instances")?;
    let scene = SharedScene::default();
    instances::recover(&machines, &scene).context("the instances that still run")?;
    let machine_loop = Loop::new(MACHINES);
    let (opened, listeners) = watch::channel(None);
    let (followed, networks) = observe(&store, &scene, &fabric, machine_loop.handle(), listeners)?;
    let instances = Arc::new(Instances {
        scene: scene.clone(),
        records: records.clone(),
        ec2: ec2.clone(),
        machines: machines.clone(),
        networks: networks.clone(),
        authority: authority.clone(),
    });
    let credentials = Arc::new(IamCredentials::new(iam.clone(), store.clone()));
    let identities = Identities::new(records.clone(), credentials, ec2.clone(), clock.clone());
    let kubernetes = Kubernetes::new(&options.data_dir, Arc::new(identities));
    let authorities = pki.join("clusters");
    let control_planes =
        LocalControlPlanes::new(scene.clone(), networks.clone(), fabric.clone(), authorities, kubernetes);
    let reconciler = Reconciler::new(records.clone(), clock.clone(), ec2.clone(), control_planes.clone());
    let eks = Arc::new(EksService::new(records, clock, ec2.clone(), iam.clone(), reconciler.nudge()));
    let daemon = Daemon {
        services: Services { ec2: ec2.clone(), eks, iam: iam.clone(), ssm: Arc::new(SsmService::new(ec2.clone())) },
        proxies: Proxies::new(scene.clone(), fabric.clone()),
        clock: SystemClock,
        stop: watch::Sender::new(false),
        down: tokio::sync::Notify::new(),
        options,
        listen,
        store,
        scene,
        fabric,
        machines,
        iam,
        administrator,
        administrator_caller: key.caller,
        authority,
        missing,
    };
    let parts = Parts { followed, networks, opened, control_planes, reconciler, instances, machine_loop, ec2 };
    Ok((Arc::new(daemon), parts))
}

/// Starts following the records and making networks of them.
fn observe(
    store: &Arc<Embedded>,
    scene: &SharedScene,
    fabric: &Fabric,
    machines: Handle<InstanceId>,
    listeners: watch::Receiver<Option<Arc<Listeners>>>,
) -> anyhow::Result<(Followed, Networks)> {
    let (nudges, mut nudged) = tokio::sync::mpsc::unbounded_channel();
    let followed = follower::follow(store.clone() as Arc<dyn Store>, scene.clone(), move |dirty| {
        dirty.instances.iter().for_each(|id| machines.nudge(id.clone()));
        // ends with the daemon
        let _ = nudges.send(());
    })?;
    let settle = listeners::spawn_settler(listeners);
    let settled = move |dirty: &landing::Dirty| {
        let _ = settle.send(dirty.clone());
    };
    let networks = Networks::start(scene.clone(), followed.clone(), fabric.clone(), settled);
    let follower = networks.clone();
    tokio::spawn(async move {
        while let Some(()) = nudged.recv().await {
            follower.nudge();
        }
    });
    Ok((followed, networks))
}

fn gateway(daemon: &Daemon) -> anyhow::Result<Arc<Gateway>> {
    let Services { ec2, eks, iam, ssm } = daemon.services.clone();
    let services = vec![
        ServiceEntry::ec2(ec2),
        ServiceEntry::eks(eks),
        ServiceEntry::iam(iam.clone()),
        ServiceEntry::sts(iam.clone()),
        ServiceEntry::ssm(ssm),
    ];
    Ok(Gateway::new(GatewayConfig {
        services,
        credentials: Arc::new(IamCredentials::new(iam, daemon.store.clone())),
        authorizer: Arc::new(WholeAccount),
        clock: Arc::new(SystemClock),
    })?)
}

/// Brings this host to what the records say, and lets the loops run.
async fn set_going(daemon: &Arc<Daemon>, parts: Parts, gateway: Arc<Gateway>) -> anyhow::Result<()> {
    parts.followed.catch_up().await;
    // The first plan opens what each cluster's mode opens; its sockets follow when the reconciler has ensured it.
    daemon.scene.change(|scene| {
        let gates = scene.world.clusters().map(|(id, it)| (id.clone(), landing::Gate::wanted(&it.access)));
        scene.gates = gates.collect();
    });
    let everything = landing::desired::everything(&daemon.scene.read().world);
    let wanted = networks::wanted(&daemon.scene.read());
    parts.networks.converge(everything.clone()).await?;
    daemon.fabric.retain(&wanted).await.context("leftovers of an earlier run")?;

    let authority = Authority::open(&daemon.options.data_dir.join("pki"), "service", "Postern Service Authority")?;
    let tls = trust::service_tls(authority)?;
    let serve_api = Box::new(move |listener| gateway.serve_tls(listener, &tls));
    let listeners = Listeners::new(daemon.scene.clone(), daemon.fabric.clone(), serve_api);
    listeners.open_internet().await.context("the resolver and the AWS APIs on the Internet")?;
    listeners.settle(&everything).await;
    parts.opened.send_replace(Some(listeners.clone()));

    reopen_what_is_rebuilt(daemon, listeners, parts.control_planes);
    let mut stop = daemon.stop.subscribe();
    let stopped = async move {
        let _ = stop.wait_for(|it| *it).await;
    };
    let (instances, machine_loop) = (parts.instances, parts.machine_loop);
    let reconciler = parts.reconciler;
    let mut also = daemon.stop.subscribe();
    tokio::spawn(async move { machine_loop.run(instances, stopped).await });
    tokio::spawn(async move {
        reconciler
            .run(async move {
                let _ = also.wait_for(|it| *it).await;
            })
            .await;
    });
    purge_now_and_then(daemon, parts.ec2);
    Ok(())
}

/// Sockets in a namespace that somebody destroyed are dead: they are made again with it.
fn reopen_what_is_rebuilt(daemon: &Arc<Daemon>, listeners: Arc<Listeners>, control_planes: Arc<LocalControlPlanes>) {
    let mut rebuilt = daemon.fabric.on_rebuilt();
    tokio::spawn(async move {
        loop {
            match rebuilt.recv().await {
                Ok(namespace) => {
                    listeners.reopen(&namespace).await;
                    control_planes.reopen(&namespace).await;
                }
                Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
                Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
            }
        }
    });
}

fn purge_now_and_then(daemon: &Arc<Daemon>, ec2: Arc<Ec2Service>) {
    let daemon = daemon.clone();
    tokio::spawn(async move {
        let mut stop = daemon.stop.subscribe();
        loop {
            tokio::select! {
                _ = stop.wait_for(|it| *it) => return,
                () = tokio::time::sleep(PURGE) => {}
            }
            let now = daemon.clock.now();
            if let Err(error) = ec2.purge(now).await {
                tracing::warn!(%error, "old instances and tokens could not be purged");
            }
            if let Err(error) = daemon.iam.purge(now).await {
                tracing::warn!(%error, "old sessions could not be purged");
            }
        }
    });
}

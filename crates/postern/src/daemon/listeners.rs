//! The services that stand inside networks: the public resolver, each VPC's resolver, the AWS APIs on the Internet.
//!
//! All are sockets of this process, made inside the right namespace. What should listen is computed from the scene;
//! what does is kept here. A namespace that was made anew gets its sockets anew.

use super::names::SceneZone;
use super::scene::{Scene, SharedScene};
use dns::{Server, ServerHandle, Zone};
use fabric::{Fabric, NsName};
use landing::names::View;
use landing::{Dirty, plan};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::sync::{Mutex, mpsc, watch};

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 1024;

/// A resolver that should stand somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Resolver {
    view: View,
    addresses: Vec<Ipv4Addr>,
}

/// Opens the AWS APIs' listener: given a socket, serves it until dropped.
pub type ServeApi = Box<dyn Fn(tokio::net::TcpListener) -> gateway::Serving + Send + Sync>;

/// Everything that listens inside namespaces, but for the API servers.
pub struct Listeners {
    scene: SharedScene,
    fabric: Fabric,
    serve_api: ServeApi,
    running: Mutex<BTreeMap<NsName, (Resolver, ServerHandle)>>,
    api: Mutex<Option<gateway::Serving>>,
}

impl Listeners {
    /// Listeners that are not opened yet.
    pub fn new(scene: SharedScene, fabric: Fabric, serve_api: ServeApi) -> Arc<Self> {
        let (running, api) = (Mutex::default(), Mutex::default());
        Arc::new(Self { scene, fabric, serve_api, running, api })
    }

    /// Opens what the Internet needs: the public resolver and the AWS APIs.
    ///
    /// # Errors
    /// When a socket cannot be made.
    pub async fn open_internet(&self) -> std::io::Result<()> {
        let resolver = Resolver { view: View::Public, addresses: vec![plan::PUBLIC_RESOLVER] };
        self.put(plan::internet(), Some(resolver)).await?;
        let address = SocketAddr::from((plan::SERVICE_ADDRESS, 443));
        let listener = self.fabric.tcp_listen(&plan::internet(), address, BACKLOG).await?;
        // The old one, if any, listened in a namespace that is gone: its connections are dead.
        self.api.lock().await.replace((self.serve_api)(listener));
        Ok(())
    }

    /// Opens and closes the resolvers of VPCs that were touched.
    pub async fn settle(&self, dirty: &Dirty) {
        for id in dirty.vpcs.keys() {
            let wanted = wanted(&self.scene.read(), id);
            if let Err(error) = self.put(plan::vpc(id), wanted).await {
                tracing::error!(vpc = %id, %error, "the resolver of a VPC cannot listen");
            }
        }
    }

    /// Opens again what listened in a namespace that was made anew.
    pub async fn reopen(&self, namespace: &NsName) {
        let resolver = self.running.lock().await.remove(namespace).map(|(resolver, _)| resolver);
        let outcome = if *namespace == plan::internet() {
            self.open_internet().await
        } else if resolver.is_some() {
            self.put(namespace.clone(), resolver).await
        } else {
            Ok(())
        };
        if let Err(error) = outcome {
            tracing::error!(%namespace, %error, "the sockets of a namespace cannot be made again");
        }
    }

    async fn put(&self, namespace: NsName, wanted: Option<Resolver>) -> std::io::Result<()> {
        let mut running = self.running.lock().await;
        if running.get(&namespace).map(|(resolver, _)| resolver) == wanted.as_ref() {
            return Ok(());
        }
        if let Some((_, old)) = running.remove(&namespace) {
            old.shutdown().await;
        }
        let Some(resolver) = wanted else { return Ok(()) };
        let (mut udp, mut tcp) = (Vec::new(), Vec::new());
        for address in &resolver.addresses {
            // one socket an address: an answer from the wildcard would leave by the route's own source
            let address = SocketAddr::from((*address, 53));
            udp.push(self.fabric.udp_bind(&namespace, address).await?);
            tcp.push(self.fabric.tcp_listen(&namespace, address, BACKLOG).await?);
        }
        let zone: Arc<dyn Zone> = Arc::new(SceneZone::new(self.scene.clone(), resolver.view.clone()));
        running.insert(namespace, (resolver, Server::start(zone, udp, tcp)));
        Ok(())
    }
}

/// Where a VPC's resolver should stand, if it has one.
fn wanted(scene: &Scene, id: &base::VpcId) -> Option<Resolver> {
    let vpc = scene.world.vpc(id)?.vpc.as_ref().filter(|it| it.dns_support)?;
    Some(Resolver { view: View::Vpc(id.clone()), addresses: vec![vpc.resolver(), plan::LINK_LOCAL_RESOLVER] })
}

/// Settles listeners one round after another, off the task that makes networks; before they are opened there is nothing
/// to settle.
pub fn spawn_settler(listeners: watch::Receiver<Option<Arc<Listeners>>>) -> mpsc::UnboundedSender<Dirty> {
    // Unbounded: one small set a round of the networks, and a round waits for its network.
    let (sender, mut inbox) = mpsc::unbounded_channel::<Dirty>();
    tokio::spawn(async move {
        while let Some(dirty) = inbox.recv().await {
            let open = listeners.borrow().clone();
            if let Some(listeners) = open {
                listeners.settle(&dirty).await;
            }
        }
    });
    sender
}

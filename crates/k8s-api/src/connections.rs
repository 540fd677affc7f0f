//! Who is connected, and hanging up on them.
//!
//! A change of access mode ends the connections of one leg while the network still carries their last packets. Whoever
//! changes it waits here until they are closed and only then takes the path away; the other order leaves clients with
//! half-dead sockets for minutes.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Notify, watch};

/// The side on which a connection came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Leg {
    /// Through the provider's edge: the public path.
    Provider,
    /// Through the interface in the user's subnet: the private path.
    CrossAccount,
}

/// One connection. Addresses are IPv4 where the socket speaks IPv4, whatever the listener's family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection {
    /// Unique in this server.
    pub id: u64,
    /// Our address.
    pub local: SocketAddr,
    /// The client's address.
    pub peer: SocketAddr,
    /// The side on which it came in.
    pub leg: Leg,
}

/// The connections of one server.
#[derive(Default)]
pub struct Connections {
    open: Mutex<HashMap<u64, Entry>>,
    next: AtomicU64,
}

struct Entry {
    connection: Connection,
    hang_up: Arc<Notify>,
    closed: watch::Receiver<()>,
}

/// A connection's place among the others. Its holder drops it after the socket.
pub struct Registered {
    connections: Arc<Connections>,
    /// What is registered.
    pub connection: Connection,
    /// Notified when the connection is to end.
    pub hang_up: Arc<Notify>,
    /// Dropped last, which tells those who wait that the socket is closed.
    _closed: watch::Sender<()>,
}

impl Connections {
    /// Registers a connection.
    pub fn register(self: &Arc<Self>, local: SocketAddr, peer: SocketAddr, leg: Leg) -> Registered {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let connection = Connection { id, local, peer, leg };
        let hang_up = Arc::new(Notify::new());
        let (sender, closed) = watch::channel(());
        let entry = Entry { connection, hang_up: hang_up.clone(), closed };
        self.lock().insert(id, entry);
        Registered { connections: self.clone(), connection, hang_up, _closed: sender }
    }

    /// All connections, in no order.
    pub fn list(&self) -> Vec<Connection> {
        self.lock().values().map(|entry| entry.connection).collect()
    }

    /// Ends those that `pick` names and returns their number when all of them are closed.
    pub async fn hang_up(&self, pick: impl Fn(&Connection) -> bool) -> usize {
        let picked: Vec<_> = {
            let open = self.lock();
            let picked = open.values().filter(|entry| pick(&entry.connection));
            picked.map(|entry| (entry.hang_up.clone(), entry.closed.clone())).collect()
        };
        for (hang_up, _) in &picked {
            // Leaves a permit where nobody waits yet, so a connection in its handshake is ended too.
            hang_up.notify_one();
        }
        let count = picked.len();
        for (_, mut closed) in picked {
            // Nothing is ever sent: this returns when the other end is dropped.
            let _ = closed.changed().await;
        }
        count
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Entry>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.connections.lock().remove(&self.connection.id);
    }
}

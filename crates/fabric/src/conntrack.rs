//! Cutting tracked connections: an access list only stops new ones.

use crate::fabric::{Fabric, FabricError};
use crate::netlink::{Request, filter};
use crate::topology::NsName;
use std::collections::BTreeSet;
use std::io;
use std::net::Ipv4Addr;

/// The kernel's way to say that a connection ended in the meantime.
const ENOENT: i32 = 2;

impl Fabric {
    /// Forgets the connections through a namespace that were first sent to one of these addresses, from a source that
    /// `from` picks. Their next packets are new ones to the packet filter. Returns how many there were.
    ///
    /// # Errors
    /// When the namespace does not exist or its connections can't be read or deleted.
    pub async fn cut<F>(&self, ns: &NsName, destinations: BTreeSet<Ipv4Addr>, from: F) -> Result<usize, FabricError>
    where
        F: Fn(Ipv4Addr) -> bool + Send + 'static,
    {
        let inner = self.inner.clone();
        let name = ns.clone();
        let work = move || -> io::Result<usize> {
            inner.place(&name)?.with_filter(|socket| {
                let doomed: Vec<Request> = filter::flows(socket)?
                    .iter()
                    .filter(|flow| destinations.contains(&flow.destination) && from(flow.source))
                    .map(filter::forget)
                    .collect();
                let mut cut = 0;
                for answer in socket.run(&doomed)? {
                    match answer {
                        Ok(_) => cut += 1,
                        Err(error) if error.raw_os_error() == Some(ENOENT) => {}
                        Err(error) => return Err(error),
                    }
                }
                Ok(cut)
            })
        };
        let cut = tokio::task::spawn_blocking(work).await.map_err(FabricError::Interrupted)?;
        cut.map_err(|cause| FabricError::Connections { ns: ns.clone(), cause })
    }
}

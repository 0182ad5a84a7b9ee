//! `[nat]`: forwarding and masquerading while the server runs.

use std::collections::BTreeSet;
use std::net::IpAddr;

use rustix::io::Errno;
use tracing::{info, warn};

use crate::config::Config;
use crate::io::SetupError;
use crate::io::forwarding::Forwarding;
use crate::io::links::LinkEvents;
use crate::io::nftables::{Range, Table};

/// What was set up of it, if it is wanted. Gone when dropped.
#[derive(Debug, Default)]
pub struct Masquerade {
    active: Option<Active>,
}

/// It goes from the top down: nothing is forwarded any more that is not masqueraded.
#[derive(Debug)]
struct Active {
    forwarding: Forwarding,
    table: Table,
    clients: Vec<Range>,
    /// Where each interface must be turned on by itself: tells that one has come.
    interfaces: Option<LinkEvents>,
}

impl Masquerade {
    /// Sets up what `config` wants, for clients with the addresses `hosts` outside of the pool. The
    /// interface of the clients must be there already.
    ///
    /// # Errors
    /// As a sentence.
    pub fn start(config: &Config, hosts: &BTreeSet<IpAddr>) -> Result<Self, SetupError> {
        let mut masquerade = Self::default();
        masquerade.follow(config, hosts)?;
        Ok(masquerade)
    }

    /// Waits for interfaces that come, and forwards what comes in there too. Never ends where that
    /// is not needed, and loses nothing if it is dropped while it waits.
    pub async fn tend(&mut self) {
        let Some(active) = &mut self.active else {
            return std::future::pending().await;
        };
        let Some(interfaces) = &mut active.interfaces else {
            return std::future::pending().await;
        };
        let covered = match interfaces.next().await {
            Ok(()) => active.forwarding.cover(),
            Err(error) => {
                // Whoever waits for this would be told the same again and again.
                active.interfaces = None;
                Err(error)
            }
        };
        if let Err(error) = covered {
            warn!("{}", SetupError::Forwarding(error));
        }
    }

    /// Does what has changed: it is wanted or not, and clients have other addresses.
    ///
    /// # Errors
    /// As a sentence; then everything is as before.
    pub fn follow(&mut self, config: &Config, hosts: &BTreeSet<IpAddr>) -> Result<(), SetupError> {
        if !config.nat.masquerade {
            if self.active.take().is_some() {
                info!("clients are no longer masqueraded");
            }
            return Ok(());
        }
        let clients = addresses(config, hosts);
        match &mut self.active {
            Some(active) => active.follow(clients),
            None => {
                self.active = Some(Active::start(clients)?);
                Ok(())
            }
        }
    }
}

impl Active {
    fn start(clients: Vec<Range>) -> Result<Self, SetupError> {
        let table = Table::install(&clients).map_err(explain)?;
        let forwarding = Forwarding::turn_on().map_err(SetupError::Forwarding)?;
        let interfaces = if forwarding.is_by_interface() {
            info!(
                "net.ipv4.ip_forward cannot be written here: forwarding is turned on for each \
                 interface"
            );
            Some(LinkEvents::open().map_err(SetupError::Forwarding)?)
        } else {
            None
        };
        info!("clients are masqueraded (nftables table ip adit)");
        Ok(Self {
            table,
            clients,
            forwarding,
            interfaces,
        })
    }

    fn follow(&mut self, clients: Vec<Range>) -> Result<(), SetupError> {
        if clients != self.clients {
            self.table.replace(&clients).map_err(explain)?;
            self.clients = clients;
        }
        self.forwarding.cover().map_err(SetupError::Forwarding)
    }
}

fn explain(error: std::io::Error) -> SetupError {
    match Errno::from_io_error(&error) {
        Some(Errno::PERM | Errno::ACCESS) => SetupError::NatNotAllowed,
        _ => SetupError::Nat(error),
    }
}

/// Every address that a client has or can have.
fn addresses(config: &Config, hosts: &BTreeSet<IpAddr>) -> Vec<Range> {
    let hosts = hosts.iter().map(|address| (*address, *address));
    let ranges = config.pool.ranges.iter().map(|r| (r.first, r.last));
    let both = |(first, last)| match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => Some((first, last)),
        _ => None,
    };
    ranges.chain(hosts).filter_map(both).collect()
}

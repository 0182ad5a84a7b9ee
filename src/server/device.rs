//! The interfaces of clients: one for all of them, with its address and routes, or one for each.
//!
//! The one for all is kept as it was made. When somebody takes it down the kernel forgets its routes,
//! which are set again once it is up; when somebody removes it, it is made again.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::time::{Instant, sleep_until};
use tracing::{error, info, warn};

use crate::config::{Config, TunMode};
use crate::io::links::{LinkWatch, Turn};
use crate::io::prefix::Prefix;
use crate::io::session_device::SessionDevices;
use crate::io::tun::{Tun, TunQueues};
use crate::io::worker::{Devices, Inside};

/// Between two times that the interface is made: somebody else may have made it a habit to remove it.
const PAUSE: Duration = Duration::from_secs(2);

/// What takes packets in and out inside.
pub(super) struct Interfaces {
    pub(super) shared: Option<SharedDevice>,
    /// One for each packet thread.
    pub(super) insides: Vec<Inside>,
    pub(super) devices: Option<Arc<SessionDevices>>,
}

impl Interfaces {
    /// What `config` wants, for so many packet threads and for clients with the addresses `hosts`
    /// outside of the pool. Within a runtime.
    ///
    /// # Errors
    /// As a sentence.
    pub(super) fn open(
        config: &Config,
        hosts: &BTreeSet<IpAddr>,
        threads: usize,
    ) -> anyhow::Result<Self> {
        match config.tun.mode {
            TunMode::Shared => {
                let (shared, queues) = SharedDevice::make(config, hosts, threads)?;
                Ok(Self {
                    shared: Some(shared),
                    insides: queues.into_iter().map(Inside::Tun).collect(),
                    devices: None,
                })
            }
            TunMode::PerSession => {
                let devices = SessionDevices::new(
                    config.tun.base(),
                    config.nat.masquerade,
                    config.tun.offload,
                );
                // What would fail with the first session fails now.
                let (device, queue) = devices.create()?;
                queue
                    .offload()
                    .tell_shortfall(device.name(), config.tun.offload);
                drop((queue, device));
                info!(
                    most = devices.most(),
                    "each session has an interface of its own"
                );
                Ok(Self {
                    shared: None,
                    insides: vec![Inside::PerSession(Devices::default())],
                    devices: Some(devices),
                })
            }
        }
    }
}

/// The interface of all clients, removed with its addresses and routes when this is dropped.
#[derive(Debug)]
pub(super) struct SharedDevice {
    tun: Tun,
    /// Without it nobody sees that the interface was taken down.
    watch: Option<LinkWatch>,
    threads: usize,
    /// Addresses outside of the pool that have a route.
    hosts: BTreeSet<IpAddr>,
    made: Instant,
    /// It is gone, and to be made again then.
    due: Option<Instant>,
}

/// What there is to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Routes: [`SharedDevice::route`].
    Routes,
    /// Another interface: [`SharedDevice::make_again`].
    Device,
}

impl SharedDevice {
    fn make(
        config: &Config,
        hosts: &BTreeSet<IpAddr>,
        threads: usize,
    ) -> anyhow::Result<(Self, Vec<TunQueues>)> {
        let (tun, queues) = Tun::create(
            &config.tun.name,
            TunQueues::wanted(threads),
            config.tun.offload,
        )?;
        if let Some(queue) = queues.first() {
            queue
                .offload()
                .tell_shortfall(&config.tun.name, config.tun.offload);
        }
        let mut device = Self {
            tun,
            watch: None,
            threads,
            hosts: BTreeSet::new(),
            made: Instant::now(),
            due: None,
        };
        device.tun.lengthen_queues();
        device.tun.add_address(config.pool.local)?;
        device.tun.up(u32::from(config.tun.mtu))?;
        device.watch();
        device.route(config, hosts)?;
        Ok((device, TunQueues::shared(queues, threads)))
    }

    fn watch(&mut self) {
        match LinkWatch::of(self.tun.index()) {
            Ok(watch) => self.watch = Some(watch),
            Err(error) => warn!(
                "{} is not watched ({error}): if somebody takes it down and up again, its routes are \
                 missing until the next start",
                self.tun.name()
            ),
        }
    }

    /// Sets the routes to every address that a client can have.
    ///
    /// # Errors
    /// As a sentence.
    pub(super) fn route(
        &mut self,
        config: &Config,
        hosts: &BTreeSet<IpAddr>,
    ) -> anyhow::Result<()> {
        for range in &config.pool.ranges {
            self.tun.add_range(range.first, range.last)?;
        }
        for address in hosts {
            self.tun.add_route(Prefix::host(*address), None)?;
            self.hosts.insert(*address);
        }
        Ok(())
    }

    /// Sets the routes to those of `hosts` that have none yet, and removes those to others: somebody
    /// else may have such an address next.
    pub(super) fn follow(&mut self, hosts: &BTreeSet<IpAddr>) {
        for address in self.hosts.difference(hosts) {
            self.tun.remove_route(Prefix::host(*address));
        }
        self.hosts.retain(|address| hosts.contains(address));
        for address in hosts {
            if self.hosts.contains(address) {
                continue;
            }
            match self.tun.add_route(Prefix::host(*address), None) {
                Ok(()) => {
                    self.hosts.insert(*address);
                }
                Err(error) => warn!("{error}"),
            }
        }
    }

    /// A packet thread says that its queue is of no more use.
    pub(super) fn lost(&mut self) {
        // Another thread may have said so before, and there is another interface already.
        if self.due.is_some() || self.tun.is_there() {
            return;
        }
        self.due = Some(Instant::now().max(self.made + PAUSE));
        error!(
            "the interface {} is gone: somebody has removed it. It is made again, with its address and \
             routes; what clients send and are sent until then is lost",
            self.tun.name()
        );
    }

    /// Waits until there is something to do. Nothing is lost if this is dropped while it waits.
    pub(super) async fn tend(&mut self) -> Need {
        if let Some(due) = self.due {
            sleep_until(due).await;
            return Need::Device;
        }
        loop {
            let Some(watch) = &mut self.watch else {
                return std::future::pending().await;
            };
            match watch.next().await {
                // One that is removed is taken down before.
                Ok(Turn::Down) if !self.tun.is_there() => {}
                Ok(Turn::Down) => warn!(
                    "the interface {} was taken down: what clients send and are sent is lost until it \
                     is up again (`ip link set {0} up`)",
                    self.tun.name()
                ),
                Ok(Turn::Up) => {
                    info!("the interface {} is up again", self.tun.name());
                    return Need::Routes;
                }
                Err(error) => {
                    warn!("{} is not watched any more: {error}", self.tun.name());
                    self.watch = None;
                }
            }
        }
    }

    /// Makes it again. The queues are for the packet threads.
    ///
    /// # Errors
    /// As a sentence.
    pub(super) fn make_again(
        &mut self,
        config: &Config,
        hosts: &BTreeSet<IpAddr>,
    ) -> anyhow::Result<Vec<TunQueues>> {
        let made = Self::make(config, hosts, self.threads);
        let (device, queues) = made.with_context(|| {
            format!(
                "the interface {} is gone, and cannot be made again",
                self.tun.name()
            )
        })?;
        *self = device;
        info!("the interface {} is there again", self.tun.name());
        Ok(queues)
    }
}

//! The TUN device: one for all clients of a server, one for a client.
//!
//! The device goes when its last queue is closed, and takes its addresses and routes with it;
//! only the route that keeps the way to a server outside the tunnel is on another interface and is
//! removed explicitly.

mod offload;
mod queue;
mod queues;

use std::io;
use std::net::IpAddr;

use rustix::io::Errno;
use tracing::debug;

use super::SetupError;
use super::netlink::{Netlink, Route};
use super::prefix::Prefix;

pub use offload::Offload;
pub use queue::TunQueue;
pub use queues::TunQueues;

/// Longest name of an interface, in bytes (IFNAMSIZ without the zero).
const NAME_LENGTH: usize = 15;

/// What waits in each queue of a device that many share, in packets or super-packets. A sender of
/// small ones that has a core for one time slice of the scheduler puts so many into it; of the
/// kernel's own 500 most would be lost, since nothing holds a sender back.
const QUEUE_LENGTH: u32 = 2000;

/// A TUN device that this process made.
#[derive(Debug)]
pub struct Tun {
    name: String,
    index: u32,
    netlink: Netlink,
    /// Routes on other interfaces.
    outside: Vec<Route>,
}

impl Tun {
    /// Makes the device `name` with so many queues. It is down and has no address yet. With
    /// `offload`, as much of that as the kernel grants ([`TunQueue::offload`]).
    ///
    /// # Errors
    /// As a sentence: no driver, no right, the name is in use.
    pub fn create(
        name: &str,
        queues: usize,
        offload: bool,
    ) -> Result<(Self, Vec<TunQueue>), SetupError> {
        let usable = |b: u8| b.is_ascii_graphic() && b != b'/' && b != b'%' && b != b':';
        if name.is_empty() || name.len() > NAME_LENGTH || !name.bytes().all(usable) {
            return Err(SetupError::BadTunName(name.to_owned()));
        }
        let failed = |what| {
            let name = name.to_owned();
            move |source| SetupError::Tun { name, what, source }
        };
        let mut netlink = Netlink::open().map_err(failed("netlink"))?;
        let shared = queues > 1;
        // A device of one queue is refused to a second holder by the kernel. One of several is
        // not: another process would silently get a part of the packets.
        if shared
            && let Ok(index) = netlink.index_of(name)
            && netlink.has_carrier(index).unwrap_or(true)
        {
            return Err(SetupError::TunInUse(name.to_owned()));
        }
        let first = offload::open(name, shared, offload).map_err(|source| explain(name, source))?;
        let mut devices = Vec::with_capacity(queues.max(1));
        for _ in 1..queues {
            devices.push(first.try_clone().map_err(failed("another queue"))?);
        }
        devices.insert(0, first);
        let queues = devices
            .into_iter()
            .map(TunQueue::new)
            .collect::<io::Result<Vec<_>>>()
            .map_err(failed("non-blocking reads"))?;
        let index = netlink.index_of(name).map_err(failed("its index"))?;
        Ok((
            Self {
                name: name.to_owned(),
                index,
                netlink,
                outside: Vec::new(),
            },
            queues,
        ))
    }

    /// The name of the device.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number by which the kernel knows it.
    pub const fn index(&self) -> u32 {
        self.index
    }

    /// Whether it is still there: not when somebody has removed it, be there another of its name.
    pub fn is_there(&self) -> bool {
        let index = self.netlink.index_of(&self.name);
        index.is_ok_and(|index| index == self.index)
    }

    /// Sets the MTU in bytes and brings the device up.
    ///
    /// # Errors
    /// As a sentence.
    pub fn up(&mut self, mtu: u32) -> Result<(), SetupError> {
        self.netlink
            .set_link(self.index, Some(mtu), true)
            .map_err(self.failed("MTU and up"))
    }

    /// Lets as much wait in the device's queues as a sender has for it before a worker gets its turn.
    /// For a device of many flows: each of its places takes memory.
    pub fn lengthen_queues(&mut self) {
        if let Err(error) = self.netlink.set_queue_length(self.index, QUEUE_LENGTH) {
            debug!(
                device = self.name,
                %error,
                "the length of the device's queues is the kernel's own"
            );
        }
    }

    /// Gives the device an address of its own, without a network around it.
    ///
    /// # Errors
    /// As a sentence.
    pub fn add_address(&mut self, local: IpAddr) -> Result<(), SetupError> {
        self.netlink
            .add_address(self.index, local, Prefix::host(local))
            .map_err(self.failed("its address"))
    }

    /// Gives the device an address and says who is at the other end, as PPP does.
    ///
    /// # Errors
    /// As a sentence.
    pub fn add_peer_address(&mut self, local: IpAddr, peer: IpAddr) -> Result<(), SetupError> {
        self.netlink
            .add_address(self.index, local, Prefix::host(peer))
            .map_err(self.failed("its address"))
    }

    /// Sends what is for `to` into the device. A route that is there already is left alone if it
    /// goes into the device.
    ///
    /// # Errors
    /// As a sentence; also when the way to `to` leads elsewhere already.
    pub fn add_route(&mut self, to: Prefix, source: Option<IpAddr>) -> Result<(), SetupError> {
        let route = Route {
            to,
            gateway: None,
            device: self.index,
            source,
        };
        match self.netlink.add_route(&route) {
            Err(error) if Errno::from_io_error(&error) == Some(Errno::EXIST) => {
                match self.netlink.next_hop(to.address()) {
                    Ok(hop) if hop.device == self.index => Ok(()),
                    _ => Err(error),
                }
            }
            other => other,
        }
        .map_err(|source| SetupError::Route {
            prefix: to.to_string(),
            device: self.name.clone(),
            source,
        })
    }

    /// Takes back what [`Tun::add_route`] has done for `to`.
    pub fn remove_route(&mut self, to: Prefix) {
        let route = Route {
            to,
            gateway: None,
            device: self.index,
            source: None,
        };
        // Gone already if somebody took the device down.
        if let Err(error) = self.netlink.delete_route(&route) {
            debug!(device = self.name, %to, %error, "the route is not removed");
        }
    }

    /// Sends what is for the addresses from `first` to `last` into the device.
    ///
    /// # Errors
    /// As a sentence.
    pub fn add_range(&mut self, first: IpAddr, last: IpAddr) -> Result<(), SetupError> {
        Prefix::covering(first, last)
            .into_iter()
            .try_for_each(|to| self.add_route(to, None))
    }

    /// Keeps the way to the server where it is now, whatever routes go into the device later: a
    /// tunnel whose packets enter the tunnel is none. Call it before [`Tun::add_route`].
    ///
    /// # Errors
    /// As a sentence. A host route that is there already is left alone, then and at the end.
    pub fn keep_outside(&mut self, server: IpAddr) -> Result<(), SetupError> {
        let to = Prefix::host(server);
        let failed = |source| SetupError::Route {
            prefix: to.to_string(),
            device: "the present interface".to_owned(),
            source,
        };
        let hop = self.netlink.next_hop(server).map_err(failed)?;
        if !hop.unicast || hop.device == self.index {
            return Ok(()); // on this very host
        }
        let route = Route {
            to,
            gateway: hop.gateway,
            device: hop.device,
            source: None,
        };
        match self.netlink.add_route(&route) {
            Ok(()) => self.outside.push(route),
            Err(error) if Errno::from_io_error(&error) == Some(Errno::EXIST) => {}
            Err(error) => return Err(failed(error)),
        }
        Ok(())
    }

    fn failed(&self, what: &'static str) -> impl FnOnce(io::Error) -> SetupError + use<> {
        let name = self.name.clone();
        move |source| SetupError::Tun { name, what, source }
    }
}

impl Drop for Tun {
    fn drop(&mut self) {
        for route in self.outside.drain(..) {
            // Gone already if its interface went.
            let _ = self.netlink.delete_route(&route);
        }
    }
}

fn explain(name: &str, source: io::Error) -> SetupError {
    let name = name.to_owned();
    match Errno::from_io_error(&source) {
        Some(Errno::NOENT | Errno::NODEV | Errno::NXIO) => SetupError::NoTunDriver,
        Some(Errno::PERM | Errno::ACCESS) => SetupError::TunNotAllowed(name),
        Some(Errno::BUSY) => SetupError::TunInUse(name),
        Some(Errno::MFILE | Errno::NFILE) => SetupError::NoDescriptors(None),
        Some(Errno::INVAL | Errno::EXIST) => SetupError::NotATun(name),
        _ => SetupError::Tun {
            name,
            what: "opening /dev/net/tun",
            source,
        },
    }
}

#[cfg(test)]
pub(crate) mod tests;

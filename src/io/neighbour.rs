//! Proxy ARP (RFC 1027): this host answers for clients whose addresses lie in the network of one of its
//! Ethernet interfaces, so that hosts there need no route to them.
//!
//! What pppd calls `proxyarp`. The kernel keeps such an entry until somebody removes it; ours carry a
//! number that says whose they are, so that those a crash has left behind are found again.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;
use tracing::{info, warn};

use super::netlink::Netlink;

/// An address for which this host answers on an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proxied {
    /// Index of the interface.
    pub device: u32,
    /// For whom.
    pub address: Ipv4Addr,
    /// Whether this program, or one before it, made the entry.
    pub ours: bool,
}

/// The entries of this process. They go when it is dropped.
#[derive(Debug, Default)]
pub struct Proxies {
    /// The interface, and how many sessions have the address: one that takes the place of another
    /// has it for a moment together with that.
    entries: Mutex<BTreeMap<Ipv4Addr, (u32, usize)>>,
}

impl Proxies {
    /// Removes what an earlier run has left behind, where `is_client` says that the address is one
    /// of a client.
    pub fn sweep(&self, is_client: impl Fn(IpAddr) -> bool) {
        let swept = Netlink::open().and_then(|mut netlink| {
            let mut swept = 0_usize;
            for entry in netlink.proxies()? {
                if entry.ours && is_client(entry.address.into()) {
                    netlink.delete_proxy(entry.device, entry.address)?;
                    swept += 1;
                }
            }
            Ok(swept)
        });
        match swept {
            Ok(0) => {}
            Ok(count) => info!(count, "removed proxy ARP entries of an earlier run"),
            Err(error) => warn!("looking for proxy ARP entries of an earlier run failed: {error}"),
        }
    }

    /// Answers for `address` from now on, if an Ethernet interface has a network that it lies in.
    /// Returns the index of that interface.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn add(&self, address: Ipv4Addr) -> io::Result<Option<u32>> {
        let mut entries = self.lock();
        if let Some((device, count)) = entries.get_mut(&address) {
            *count += 1;
            return Ok(Some(*device));
        }
        let mut netlink = Netlink::open()?;
        let Some(device) = netlink.ethernet_of(address)? else {
            return Ok(None);
        };
        netlink.add_proxy(device, address)?;
        entries.insert(address, (device, 1));
        Ok(Some(device))
    }

    /// The reverse of one [`Proxies::add`] that found an interface.
    pub fn remove(&self, address: Ipv4Addr) {
        let mut entries = self.lock();
        let Some((device, count)) = entries.get_mut(&address) else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            let device = *device;
            entries.remove(&address);
            delete(device, address);
        }
    }

    /// Removes all of them.
    pub fn clear(&self) {
        for (address, (device, _)) in std::mem::take(&mut *self.lock()) {
            delete(device, address);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Ipv4Addr, (u32, usize)>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Proxies {
    fn drop(&mut self) {
        self.clear();
    }
}

fn delete(device: u32, address: Ipv4Addr) {
    let deleted = Netlink::open().and_then(|mut netlink| netlink.delete_proxy(device, address));
    match deleted {
        Ok(()) => {}
        // The interface has gone, and its entries with it.
        Err(error) if Errno::from_io_error(&error) == Some(Errno::NODEV) => {}
        Err(error) => warn!("the proxy ARP entry of {address} cannot be removed: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::io::tun::tests::in_a_namespace;

    fn ip(arguments: &str) -> String {
        let output = Command::new("ip")
            .args(arguments.split(' '))
            .output()
            .unwrap();
        assert!(output.status.success(), "ip {arguments}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    const INSIDE: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 201);

    #[test]
    fn the_narrowest_network_of_an_ethernet_interface_answers() {
        in_a_namespace(
            "io::neighbour::tests::the_narrowest_network_of_an_ethernet_interface_answers",
            || {
                ip("link set lo up");
                ip("link add lan0 type veth peer name lan1");
                ip("address add 192.168.1.1/24 dev lan0");
                ip("address add 192.168.0.1/16 dev lan1");
                ip("link set lan0 up");
                ip("link set lan1 up");
                // No Ethernet, and just as narrow.
                ip("address add 192.168.1.2/24 dev lo");
                let index = |name| Netlink::open().unwrap().index_of(name).unwrap();
                let proxies = Proxies::default();
                assert_eq!(proxies.add(INSIDE).unwrap(), Some(index("lan0")));
                assert_eq!(proxies.add([10, 0, 0, 1].into()).unwrap(), None);
                let other = Ipv4Addr::new(192, 168, 9, 9);
                assert_eq!(proxies.add(other).unwrap(), Some(index("lan1")));
                let shown = ip("neigh show proxy");
                assert!(shown.contains("192.168.1.201 dev lan0"), "{shown}");

                // Two sessions, one after the other, with a moment of both.
                proxies.add(INSIDE).unwrap();
                proxies.remove(INSIDE);
                assert!(ip("neigh show proxy").contains("192.168.1.201"));
                proxies.remove(INSIDE);
                proxies.remove(INSIDE);
                assert!(!ip("neigh show proxy").contains("192.168.1.201"));
                drop(proxies);
                assert_eq!(ip("neigh show proxy"), "");
            },
        );
    }

    #[test]
    fn leftovers_are_known_by_their_number() {
        in_a_namespace(
            "io::neighbour::tests::leftovers_are_known_by_their_number",
            || {
                ip("link add lan0 type veth peer name lan1");
                ip("address add 192.168.1.1/24 dev lan0");
                ip("link set lan0 up");
                let before = Proxies::default();
                for host in [201, 202] {
                    before.add([192, 168, 1, host].into()).unwrap();
                }
                // A crash.
                std::mem::forget(before);
                ip("neigh add proxy 192.168.1.203 dev lan0");
                let mut seen = Netlink::open().unwrap().proxies().unwrap();
                seen.sort_by_key(|entry| entry.address);
                let ours: Vec<bool> = seen.iter().map(|entry| entry.ours).collect();
                assert_eq!(ours, [true, true, false]);

                let other = IpAddr::from([192, 168, 1, 202]);
                Proxies::default().sweep(|address| address != other);
                let shown = ip("neigh show proxy");
                assert!(!shown.contains("192.168.1.201"), "{shown}");
                // Of no client of ours, and not made by us.
                assert!(shown.contains("192.168.1.202") && shown.contains("192.168.1.203"));
            },
        );
    }
}

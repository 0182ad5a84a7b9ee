//! TUN devices of single sessions, named as pppd names its own: `ppp0`, `ppp1` and so on, each with the
//! lowest number that is free. For firewall rules and scripts that know a client by its interface.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::SetupError;
use super::netlink::Netlink;
use super::prefix::Prefix;
use super::tun::{Tun, TunQueue};

/// Descriptors that are left for everything else.
const RESERVE: u64 = 64;
/// Names in use by others that are passed over before it is given up.
const FOREIGN: usize = 4096;

/// The devices of all sessions.
#[derive(Debug)]
pub struct SessionDevices {
    base: String,
    forwarding: AtomicBool,
    offload: bool,
    most: usize,
    units: Mutex<BTreeSet<u32>>,
}

impl SessionDevices {
    /// Devices whose names are `base` and a number. As many as this process may have descriptors
    /// for, which is made as many as can be. With `forwarding`, what comes in by them is passed on,
    /// also where forwarding could not be turned on for all of the host. With `offload`, they hand
    /// over super-packets as far as the kernel can.
    pub fn new(base: &str, forwarding: bool, offload: bool) -> Arc<Self> {
        let limit = getrlimit(Resource::Nofile);
        // A refusal leaves what there was.
        let _ = setrlimit(
            Resource::Nofile,
            Rlimit {
                current: limit.maximum,
                ..limit
            },
        );
        let most = getrlimit(Resource::Nofile)
            .current
            .map_or(u64::MAX, |most| most.saturating_sub(RESERVE));
        Arc::new(Self {
            base: base.to_owned(),
            forwarding: AtomicBool::new(forwarding),
            offload,
            most: usize::try_from(most).unwrap_or(usize::MAX),
            units: Mutex::default(),
        })
    }

    /// Whether what comes in by devices that are brought up from now on is passed on.
    pub fn set_forwarding(&self, on: bool) {
        self.forwarding.store(on, Ordering::Relaxed);
    }

    /// How many there can be.
    pub const fn most(&self) -> usize {
        self.most
    }

    /// Makes the device with the lowest free number. It is down and has no address.
    ///
    /// # Errors
    /// As a sentence: no descriptor, no right, no driver.
    pub fn create(self: &Arc<Self>) -> Result<(SessionDevice, TunQueue), SetupError> {
        let mut foreign = BTreeSet::new();
        loop {
            let unit = self.reserve(&foreign)?;
            let name = format!("{}{unit}", self.base);
            // One that is there and that nobody holds would be taken over, with whatever it is set
            // up for.
            let there = Netlink::open().is_ok_and(|netlink| netlink.index_of(&name).is_ok());
            let made = match there {
                true => Err(SetupError::TunInUse(name.clone())),
                false => Tun::create(&name, 1, self.offload),
            };
            match made {
                Ok((tun, mut queues)) => {
                    let index = tun.index();
                    let Some(queue) = queues.pop() else {
                        self.give_back(unit);
                        return Err(SetupError::TunInUse(name));
                    };
                    let device = SessionDevice {
                        name,
                        unit,
                        index,
                        address: None,
                        devices: Arc::clone(self),
                    };
                    return Ok((device, queue));
                }
                Err(SetupError::TunInUse(_) | SetupError::NotATun(_))
                    if foreign.len() < FOREIGN =>
                {
                    self.give_back(unit);
                    foreign.insert(unit);
                }
                Err(error) => {
                    self.give_back(unit);
                    return Err(error);
                }
            }
        }
    }

    fn reserve(&self, foreign: &BTreeSet<u32>) -> Result<u32, SetupError> {
        let mut units = self.units.lock().unwrap_or_else(PoisonError::into_inner);
        if units.len() >= self.most {
            return Err(SetupError::NoDescriptors(Some(self.most)));
        }
        let free = (0..=u32::MAX).find(|unit| !units.contains(unit) && !foreign.contains(unit));
        let unit = free.ok_or(SetupError::NoDescriptors(Some(self.most)))?;
        units.insert(unit);
        Ok(unit)
    }

    fn give_back(&self, unit: u32) {
        let mut units = self.units.lock().unwrap_or_else(PoisonError::into_inner);
        units.remove(&unit);
    }
}

/// One device. Its number is free again when this is dropped, which is to be after its queue has
/// been closed, and the device with it.
#[derive(Debug)]
pub struct SessionDevice {
    name: String,
    unit: u32,
    index: u32,
    address: Option<(IpAddr, IpAddr)>,
    devices: Arc<SessionDevices>,
}

impl SessionDevice {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number at the end of its name.
    pub const fn unit(&self) -> u32 {
        self.unit
    }

    /// Gives it the addresses of both ends, which makes the route to the other one, and an MTU in
    /// bytes, and brings it up.
    ///
    /// # Errors
    /// As a sentence.
    pub fn up(&mut self, local: IpAddr, remote: IpAddr, mtu: u16) -> Result<(), SetupError> {
        let name = self.name.clone();
        let failed = |what| {
            let name = name.clone();
            move |source| SetupError::Tun { name, what, source }
        };
        let mut netlink = Netlink::open().map_err(failed("netlink"))?;
        self.forget_address(&mut netlink);
        netlink
            .add_address(self.index, local, Prefix::host(remote))
            .map_err(failed("its address"))?;
        self.address = Some((local, remote));
        netlink
            .set_link(self.index, Some(mtu.into()), true)
            .map_err(failed("MTU and up"))?;
        if self.devices.forwarding.load(Ordering::Relaxed) {
            netlink
                .set_forwarding(self.index, true)
                .map_err(failed("forwarding"))?;
        }
        Ok(())
    }

    /// Takes it down, and its addresses and routes away: what pppd does before ip-down.
    pub fn down(&mut self) {
        // It may have gone by itself.
        if let Ok(mut netlink) = Netlink::open() {
            let _ = netlink.take_down(self.index);
            self.forget_address(&mut netlink);
        }
    }

    fn forget_address(&mut self, netlink: &mut Netlink) {
        if let Some((local, remote)) = self.address.take() {
            let _ = netlink.delete_address(self.index, local, Prefix::host(remote));
        }
    }
}

impl Drop for SessionDevice {
    fn drop(&mut self) {
        self.devices.give_back(self.unit);
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

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn numbers_are_the_lowest_free_ones() {
        in_a_namespace(
            "io::session_device::tests::numbers_are_the_lowest_free_ones",
            || {
                // Somebody else's, and one that is left behind and held by nobody.
                ip("link add ppp1 type veth peer name other");
                ip("tuntap add dev ppp3 mode tun");
                let devices = SessionDevices::new("ppp", false, false);
                let mut all: Vec<_> = (0..4).map(|_| devices.create().unwrap()).collect();
                let names: Vec<&str> = all.iter().map(|(device, _)| device.name()).collect();
                assert_eq!(names, ["ppp0", "ppp2", "ppp4", "ppp5"]);
                let (device, queue) = all.remove(1);
                drop(queue);
                drop(device);
                assert_eq!(devices.create().unwrap().0.name(), "ppp2");
            },
        );
    }

    #[test]
    fn addresses_of_both_ends_as_pppd_sets_them() {
        in_a_namespace(
            "io::session_device::tests::addresses_of_both_ends_as_pppd_sets_them",
            || {
                let devices = SessionDevices::new("ppp", false, false);
                let (mut device, _queue) = devices.create().unwrap();
                let (local, remote) = (address("10.10.1.1"), address("10.10.1.2"));
                device.up(local, remote, 1380).unwrap();
                let shown = ip("address show dev ppp0");
                assert!(
                    shown.contains("inet 10.10.1.1 peer 10.10.1.2/32"),
                    "{shown}"
                );
                assert!(
                    shown.contains("mtu 1380") && shown.contains("POINTOPOINT"),
                    "{shown}"
                );
                assert!(ip("route show").contains("10.10.1.2 dev ppp0"));
                // Negotiated anew, with another address.
                device.up(local, address("10.10.1.9"), 1300).unwrap();
                let shown = ip("address show dev ppp0");
                assert!(!shown.contains("10.10.1.2/32") && shown.contains("10.10.1.9/32"));
                device.down();
                let shown = ip("address show dev ppp0");
                assert!(
                    !shown.contains("inet ") && shown.contains("state DOWN"),
                    "{shown}"
                );
                assert_eq!(ip("route show"), "");
            },
        );
    }

    #[test]
    fn without_descriptors_it_says_so() {
        in_a_namespace(
            "io::session_device::tests::without_descriptors_it_says_so",
            || {
                let limit = Rlimit {
                    current: Some(RESERVE + 3),
                    maximum: Some(RESERVE + 3),
                };
                setrlimit(Resource::Nofile, limit).unwrap();
                let devices = SessionDevices::new("ppp", false, false);
                let held: Vec<_> = (0..3).map(|_| devices.create().unwrap()).collect();
                let error = devices.create().err().unwrap().to_string();
                assert!(error.contains("LimitNOFILE"), "{error}");
                drop(held);
                devices.create().unwrap();
            },
        );
    }
}

//! The TUN device: one for all clients of a server, one for a client.
//!
//! The device goes when its last queue is closed, and takes its addresses and routes with it;
//! only the route that keeps the way to a server outside the tunnel is on another interface and is
//! removed explicitly.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use tun_rs::{DeviceBuilder, SyncDevice};

use super::SetupError;
use super::netlink::{Netlink, Route};
use super::prefix::Prefix;

/// Longest name of an interface, in bytes (IFNAMSIZ without the zero).
const NAME_LENGTH: usize = 15;

/// A TUN device that this process made.
#[derive(Debug)]
pub struct Tun {
    name: String,
    index: u32,
    netlink: Netlink,
    /// Routes on other interfaces.
    outside: Vec<Route>,
}

/// One queue of a TUN device: packets with no header in front, one per call.
pub struct TunQueue(SyncDevice);

impl std::fmt::Debug for TunQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("TunQueue").field(&self.as_fd()).finish()
    }
}

impl Tun {
    /// Makes the device `name` with so many queues. It is down and has no address yet.
    ///
    /// # Errors
    /// As a sentence: no driver, no right, the name is in use.
    pub fn create(name: &str, queues: usize) -> Result<(Self, Vec<TunQueue>), SetupError> {
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
        // An MTU, addresses and the state are set through netlink below; the crate's own way
        // through them is not asked for.
        let first = DeviceBuilder::new()
            .name(name)
            .multi_queue(shared)
            .enable(false)
            .build_sync()
            .map_err(|source| explain(name, source))?;
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

    /// Sets the MTU in bytes and brings the device up.
    ///
    /// # Errors
    /// As a sentence.
    pub fn up(&mut self, mtu: u32) -> Result<(), SetupError> {
        self.netlink
            .set_link(self.index, Some(mtu), true)
            .map_err(self.failed("MTU and up"))
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

impl TunQueue {
    fn new(device: SyncDevice) -> io::Result<Self> {
        fcntl_setfl(&device, fcntl_getfl(&device)? | OFlags::NONBLOCK)?;
        Ok(Self(device))
    }

    /// Reads one IP packet. Does not wait.
    ///
    /// # Errors
    /// `WouldBlock`, and what the kernel reports.
    pub fn recv(&self, packet: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(&self.0, packet)?)
    }

    /// Writes one IP packet. Does not wait.
    ///
    /// # Errors
    /// What the kernel reports.
    pub fn send(&self, packet: &[u8]) -> io::Result<()> {
        rustix::io::write(&self.0, packet)?;
        Ok(())
    }
}

impl AsFd for TunQueue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
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
pub(crate) mod tests {
    use std::net::UdpSocket;
    use std::process::Command;
    use std::time::Duration;

    use super::*;

    /// Set in the process that runs in a namespace of its own.
    const INSIDE: &str = "ADIT_TEST_IN_NAMESPACE";

    /// Runs `body` in a network namespace that is gone afterwards: the test starts itself again
    /// there, by its full name. Where that cannot be done, says so.
    pub(crate) fn in_a_namespace(test: &str, body: fn()) {
        if std::env::var_os(INSIDE).is_some() {
            return body();
        }
        if !rustix::process::geteuid().is_root() {
            println!("skipped: a TUN device needs root");
            return;
        }
        if !std::fs::exists("/dev/net/tun").unwrap_or(false) {
            println!("skipped: no /dev/net/tun");
            return;
        }
        let unshare = || {
            let mut command = Command::new("unshare");
            command.arg("--net");
            command
        };
        if !unshare()
            .arg("true")
            .status()
            .is_ok_and(|status| status.success())
        {
            println!("skipped: no network namespaces here");
            return;
        }
        let output = unshare()
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", test])
            .env(INSIDE, "1")
            .output()
            .unwrap();
        let shown = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{shown}{errors}");
        assert!(
            shown.contains("1 passed"),
            "the test did not run there: {shown}"
        );
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn net(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    /// The next IPv4 packet that the kernel sends into the device.
    fn next_ipv4(queues: &[TunQueue]) -> Vec<u8> {
        let mut packet = vec![0; 2000];
        for _ in 0..400 {
            for queue in queues {
                // IPv6 speaks up by itself on a new interface.
                if let Ok(length) = queue.recv(&mut packet)
                    && packet[0] >> 4 == 4
                {
                    packet.truncate(length);
                    return packet;
                }
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("nothing came out of the device");
    }

    #[test]
    fn packets_pass_both_ways() {
        in_a_namespace("io::tun::tests::packets_pass_both_ways", || {
            for count in [1, 2] {
                let (mut tun, queues) = Tun::create("adit-t0", count).unwrap();
                assert_eq!(queues.len(), count);
                tun.up(1400).unwrap();
                tun.add_address(ip("10.10.1.1")).unwrap();
                tun.add_range(ip("10.10.1.2"), ip("10.10.1.100")).unwrap();
                tun.add_range(ip("10.10.1.2"), ip("10.10.1.100")).unwrap();

                let socket = UdpSocket::bind("10.10.1.1:0").unwrap();
                socket
                    .set_read_timeout(Some(Duration::from_secs(5)))
                    .unwrap();
                socket.send_to(b"into the tunnel", "10.10.1.100:7").unwrap();
                let mut packet = next_ipv4(&queues);
                assert_eq!(packet[12..20], [10, 10, 1, 1, 10, 10, 1, 100]);
                assert_eq!(packet[28..], *b"into the tunnel");
                // Beyond the pool there is no way.
                assert!(socket.send_to(b"x", "10.10.1.101:7").is_err());

                // With both ends exchanged the checksums stay what they are.
                let (mut addresses, mut ports) = ([0; 8], [0; 4]);
                addresses.copy_from_slice(&packet[12..20]);
                ports.copy_from_slice(&packet[20..24]);
                addresses.rotate_left(4);
                ports.rotate_left(2);
                packet[12..20].copy_from_slice(&addresses);
                packet[20..24].copy_from_slice(&ports);
                queues[count - 1].send(&packet).unwrap();
                let mut answer = [0; 100];
                let (length, from) = socket.recv_from(&mut answer).unwrap();
                assert_eq!(&answer[..length], b"into the tunnel");
                assert_eq!(from, "10.10.1.100:7".parse().unwrap());
            }
        });
    }

    #[test]
    fn a_device_has_one_owner() {
        in_a_namespace("io::tun::tests::a_device_has_one_owner", || {
            let mut netlink = Netlink::open().unwrap();
            for count in [1, 2] {
                let (_tun, queues) = Tun::create("adit-t1", count).unwrap();
                let error = Tun::create("adit-t1", count).err().unwrap();
                assert!(matches!(error, SetupError::TunInUse(_)), "{error}");
                let index = netlink.index_of("adit-t1").unwrap();
                assert!(netlink.has_carrier(index).unwrap());
                drop(queues);
                assert!(
                    netlink.index_of("adit-t1").is_err(),
                    "the device outlived its queues"
                );
            }
            let error = Tun::create("lo", 1).err().unwrap();
            assert!(matches!(error, SetupError::NotATun(_)), "{error}");
        });
    }

    #[test]
    fn the_server_stays_outside() {
        in_a_namespace("io::tun::tests::the_server_stays_outside", || {
            let mut netlink = Netlink::open().unwrap();
            let server = ip("198.51.100.7");
            // What leads to the Internet here.
            let (mut outer, _outer_queue) = Tun::create("adit-out", 1).unwrap();
            outer.up(1500).unwrap();
            outer.add_address(ip("192.0.2.2")).unwrap();
            outer.add_route(net("0.0.0.0/0"), None).unwrap();

            let (mut tun, queues) = Tun::create("adit-in", 1).unwrap();
            tun.up(1400).unwrap();
            tun.add_peer_address(ip("10.10.1.2"), ip("10.10.1.1"))
                .unwrap();
            tun.keep_outside(server).unwrap();
            tun.keep_outside(server).unwrap();
            tun.add_route(net("0.0.0.0/1"), Some(ip("10.10.1.2")))
                .unwrap();
            tun.add_route(net("128.0.0.0/1"), None).unwrap();
            let mut device = |to: &str| netlink.next_hop(ip(to)).unwrap().device;
            assert_eq!(device("198.51.100.7"), outer.index);
            assert_eq!(device("198.51.100.8"), tun.index);
            assert_eq!(device("10.10.1.1"), tun.index);
            assert_eq!(device("8.8.8.8"), tun.index);
            let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
            socket.connect("8.8.8.8:53").unwrap();
            assert_eq!(socket.local_addr().unwrap().ip(), ip("10.10.1.2"));

            // Afterwards all is as it was: the host route, too, is gone.
            let index = outer.index;
            drop((tun, queues));
            assert_eq!(device("8.8.8.8"), index);
            outer.add_route(Prefix::host(server), None).unwrap();
            assert_eq!(outer.outside, []);
            let route = Route {
                to: Prefix::host(server),
                gateway: None,
                device: index,
                source: None,
            };
            netlink.delete_route(&route).unwrap();
            assert!(netlink.delete_route(&route).is_err(), "there were two");
        });
    }

    #[test]
    fn names_are_looked_at_before_the_kernel_is_asked() {
        for name in ["", "a name", "a/b", "tun%d", "a-name-of-16-byt", "t:0"] {
            let error = Tun::create(name, 1).err().unwrap();
            assert!(
                matches!(error, SetupError::BadTunName(_)),
                "{name}: {error}"
            );
        }
    }

    #[test]
    fn errors_say_what_to_do() {
        let sentence = |errno: Errno| explain("adit0", errno.into()).to_string();
        assert!(sentence(Errno::NOENT).contains("modprobe tun"));
        assert!(sentence(Errno::PERM).contains("CAP_NET_ADMIN"));
        assert!(sentence(Errno::BUSY).contains("in use"));
        assert!(sentence(Errno::INVAL).contains("ip link delete adit0"));
    }
}

//! A little of rtnetlink: what a TUN device needs, and nothing else.
//!
//! One request, one acknowledgement, over a socket of its own; calls take microseconds and are
//! made while sessions come and go, never per packet. Written by hand because it is a handful of
//! messages, and because the crates for it bring more code than this program has. Those about
//! neighbours are in [`neighbours`].

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::netdevice::name_to_index;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::net::{recv, send, socket_with};

use super::prefix::Prefix;

mod neighbours;

// linux/rtnetlink.h, linux/netlink.h, linux/if_link.h, linux/if_addr.h.
pub(super) const NLMSG_ERROR: u16 = 2;
pub(super) const NLMSG_DONE: u16 = 3;
pub(super) const RTM_NEWLINK: u16 = 16;
pub(super) const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_NEWROUTE: u16 = 24;
const RTM_DELROUTE: u16 = 25;
const RTM_GETROUTE: u16 = 26;
pub(super) const NLM_F_REQUEST: u16 = 0x001;
pub(super) const NLM_F_ACK: u16 = 0x004;
pub(super) const NLM_F_DUMP: u16 = 0x300;
const NLM_F_REPLACE: u16 = 0x100;
const NLM_F_EXCL: u16 = 0x200;
pub(super) const NLM_F_CREATE: u16 = 0x400;
pub(super) const IFF_UP: u32 = 1;
pub(super) const IFLA_MTU: u16 = 4;
const IFLA_TXQLEN: u16 = 13;
const IFLA_CARRIER: u16 = 33;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PREFSRC: u16 = 7;
const RT_TABLE_MAIN: u8 = 254;
const RTPROT_STATIC: u8 = 4;
const RT_SCOPE_UNIVERSE: u8 = 0;
const RT_SCOPE_LINK: u8 = 253;
const RTN_UNICAST: u8 = 1;
pub(super) const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// Bytes of `nlmsghdr`.
pub(super) const HEADER: usize = 16;
/// Bytes of `ifinfomsg`.
pub(super) const IFINFOMSG: usize = 16;
/// Bytes of `rtmsg`.
const RTMSG: usize = 12;

/// One way to somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Where to.
    pub to: Prefix,
    /// The next hop; none if the device reaches it directly.
    pub gateway: Option<IpAddr>,
    /// Index of the interface.
    pub device: u32,
    /// The source address to prefer.
    pub source: Option<IpAddr>,
}

/// What the kernel would do with a packet for some address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextHop {
    /// Whether it is sent to another host, and not delivered here or refused.
    pub unicast: bool,
    /// The next hop; none if the device reaches it directly.
    pub gateway: Option<IpAddr>,
    /// Index of the interface.
    pub device: u32,
}

/// An open rtnetlink socket.
#[derive(Debug)]
pub struct Netlink {
    socket: OwnedFd,
    sequence: u32,
}

impl Netlink {
    /// Opens one.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn open() -> io::Result<Self> {
        // Protocol none is 0, which is NETLINK_ROUTE. An unbound socket talks to the kernel.
        let socket = socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            None,
        )?;
        // The kernel answers while it handles `send`; this only guards against waiting for ever.
        set_socket_timeout(&socket, Timeout::Recv, Some(Duration::from_secs(2)))?;
        Ok(Self {
            socket,
            sequence: 0,
        })
    }

    /// The index of the interface `name`.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn index_of(&self, name: &str) -> io::Result<u32> {
        Ok(name_to_index(&self.socket, name)?)
    }

    /// Whether an interface has a carrier. A TUN device has one while somebody holds a queue of
    /// it.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn has_carrier(&mut self, device: u32) -> io::Result<bool> {
        let reply = self.request(RTM_GETLINK, 0, &ifinfomsg(device, 0, 0))?;
        let attributes = reply.get(IFINFOMSG..).unwrap_or_default();
        let mut carrier = attributes_of(attributes).filter(|(kind, _)| *kind == IFLA_CARRIER);
        Ok(carrier.next().is_some_and(|(_, value)| value == [1]))
    }

    /// Sets the MTU of an interface and brings it up.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn set_link(&mut self, device: u32, mtu: Option<u32>, up: bool) -> io::Result<()> {
        let flags = if up { IFF_UP } else { 0 };
        let mut body = ifinfomsg(device, flags, flags);
        if let Some(mtu) = mtu {
            attribute(&mut body, IFLA_MTU, &mtu.to_ne_bytes());
        }
        self.request(RTM_NEWLINK, 0, &body).map(drop)
    }

    /// Sets how many packets, or super-packets, may wait in each queue of an interface.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn set_queue_length(&mut self, device: u32, packets: u32) -> io::Result<()> {
        let mut body = ifinfomsg(device, 0, 0);
        attribute(&mut body, IFLA_TXQLEN, &packets.to_ne_bytes());
        self.request(RTM_NEWLINK, 0, &body).map(drop)
    }

    /// Gives an interface an address: `local` with the prefix of `net`, or a point-to-point
    /// address whose peer is `net`.
    ///
    /// # Errors
    /// What the kernel says; an address that is there already is none.
    pub fn add_address(&mut self, device: u32, local: IpAddr, net: Prefix) -> io::Result<()> {
        let body = address_body(device, local, net);
        self.request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &body)
            .map(drop)
    }

    /// Takes away an address that [`Netlink::add_address`] gave.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn delete_address(&mut self, device: u32, local: IpAddr, net: Prefix) -> io::Result<()> {
        let body = address_body(device, local, net);
        self.request(RTM_DELADDR, 0, &body).map(drop)
    }

    /// Takes an interface down.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn take_down(&mut self, device: u32) -> io::Result<()> {
        self.request(RTM_NEWLINK, 0, &ifinfomsg(device, 0, IFF_UP))
            .map(drop)
    }

    /// Adds a route.
    ///
    /// # Errors
    /// `AlreadyExists` if there is one with this destination, and what else the kernel says.
    pub fn add_route(&mut self, route: &Route) -> io::Result<()> {
        self.request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &route_body(route))
            .map(drop)
    }

    /// Removes a route that [`Netlink::add_route`] made.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn delete_route(&mut self, route: &Route) -> io::Result<()> {
        self.request(RTM_DELROUTE, 0, &route_body(route)).map(drop)
    }

    /// Asks how a packet for `to` would leave this host.
    ///
    /// # Errors
    /// `NetworkUnreachable` if there is no route, and what else the kernel says.
    pub fn next_hop(&mut self, to: IpAddr) -> io::Result<NextHop> {
        let host = Prefix::host(to);
        let mut body = vec![family(to), host.length(), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        attribute(&mut body, RTA_DST, &octets(to));
        let reply = self.request(RTM_GETROUTE, 0, &body)?;
        parse_next_hop(&reply).ok_or_else(|| io::Error::other("an unreadable rtnetlink answer"))
    }

    /// Sends one request and returns the body of the answer, which is empty for a mere
    /// acknowledgement.
    pub(super) fn request(&mut self, kind: u16, flags: u16, body: &[u8]) -> io::Result<Vec<u8>> {
        self.sequence = self.sequence.wrapping_add(1);
        // A question is answered by its answer; everything else by an acknowledgement.
        let ack = if matches!(kind, RTM_GETROUTE | RTM_GETLINK) {
            0
        } else {
            NLM_F_ACK
        };
        let message = message(kind, NLM_F_REQUEST | ack | flags, self.sequence, body);
        send(&self.socket, &message, SendFlags::empty())?;

        let mut buffer = [0_u8; 8192];
        loop {
            let (length, _) = recv(&self.socket, &mut buffer[..], RecvFlags::empty())?;
            let reply = buffer.get(..length).unwrap_or_default();
            if number::<4>(reply, 8).map(u32::from_ne_bytes) != Some(self.sequence) {
                continue; // an answer that came after its time-out
            }
            let kind = number::<2>(reply, 4).map(u16::from_ne_bytes);
            let body = reply.get(HEADER..).unwrap_or_default();
            if kind != Some(NLMSG_ERROR) {
                return Ok(body.to_vec());
            }
            return verdict(body).map(|()| Vec::new());
        }
    }

    /// Asks for everything of a kind, and returns the bodies of all answers.
    pub(super) fn dump(&mut self, kind: u16, body: &[u8]) -> io::Result<Vec<Vec<u8>>> {
        self.sequence = self.sequence.wrapping_add(1);
        dump(&self.socket, kind, self.sequence, body)
    }
}

/// One netlink message.
pub(super) fn message(kind: u16, flags: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
    // No message of ours comes near the limit; a wrong length is refused by the kernel.
    let length = u32::try_from(HEADER.saturating_add(body.len())).unwrap_or(u32::MAX);
    let mut message = Vec::with_capacity(HEADER.saturating_add(body.len()));
    message.extend(length.to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend(sequence.to_ne_bytes());
    message.extend(0_u32.to_ne_bytes()); // port id: the kernel fills it in
    message.extend(body);
    message.resize(message.len().next_multiple_of(4), 0);
    message
}

/// What the body of an `NLMSG_ERROR` says: zero is an acknowledgement.
pub(super) fn verdict(body: &[u8]) -> io::Result<()> {
    match number::<4>(body, 0).map(i32::from_ne_bytes) {
        Some(0) => Ok(()),
        Some(code) => Err(Errno::from_raw_os_error(code.saturating_neg()).into()),
        None => Err(io::Error::other("an unreadable netlink answer")),
    }
}

/// Kind, sequence number and body of each message in a datagram, up to the first that does not fit.
pub(super) fn messages_of(mut rest: &[u8]) -> impl Iterator<Item = (u16, u32, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::try_from(u32::from_ne_bytes(number(rest, 0)?)).ok()?;
        let kind = u16::from_ne_bytes(number(rest, 4)?);
        let sequence = u32::from_ne_bytes(number(rest, 8)?);
        let body = rest.get(HEADER..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, sequence, body))
    })
}

/// Sends a request for everything of a kind through `socket`, and collects the bodies of the
/// answers.
pub(super) fn dump(
    socket: &OwnedFd,
    kind: u16,
    sequence: u32,
    body: &[u8],
) -> io::Result<Vec<Vec<u8>>> {
    let request = message(kind, NLM_F_REQUEST | NLM_F_DUMP, sequence, body);
    send(socket, &request, SendFlags::empty())?;
    let mut bodies = Vec::new();
    // linux/netlink.h: the kernel fills no more than this into one datagram of a dump.
    let mut buffer = vec![0_u8; 32 * 1024];
    loop {
        let (length, _) = recv(socket, &mut buffer[..], RecvFlags::empty())?;
        for (kind, number, body) in messages_of(buffer.get(..length).unwrap_or_default()) {
            match kind {
                _ if number != sequence => {}
                NLMSG_DONE => return Ok(bodies),
                NLMSG_ERROR => verdict(body)?,
                _ => bodies.push(body.to_vec()),
            }
        }
    }
}

/// An `ifinfomsg` about one interface, of which the flags in `change` are to be as in `flags`.
pub(super) fn ifinfomsg(device: u32, flags: u32, change: u32) -> Vec<u8> {
    let mut body = vec![0, 0, 0, 0]; // any family, padding, any type
    body.extend(device.to_ne_bytes());
    body.extend(flags.to_ne_bytes());
    body.extend(change.to_ne_bytes());
    body
}

fn address_body(device: u32, local: IpAddr, net: Prefix) -> Vec<u8> {
    let mut body = vec![family(local), net.length(), 0, RT_SCOPE_UNIVERSE];
    body.extend(device.to_ne_bytes());
    attribute(&mut body, IFA_LOCAL, &octets(local));
    // For an ordinary address both attributes are the address itself; only the peer of a
    // point-to-point address differs.
    let peer = if net.is_host() { net.address() } else { local };
    attribute(&mut body, IFA_ADDRESS, &octets(peer));
    body
}

fn route_body(route: &Route) -> Vec<u8> {
    let to = route.to.address();
    let scope = if route.gateway.is_some() {
        RT_SCOPE_UNIVERSE
    } else {
        RT_SCOPE_LINK
    };
    let mut body = vec![family(to), route.to.length(), 0, 0];
    body.extend([RT_TABLE_MAIN, RTPROT_STATIC, scope, RTN_UNICAST]);
    body.extend(0_u32.to_ne_bytes());
    attribute(&mut body, RTA_DST, &octets(to));
    attribute(&mut body, RTA_OIF, &route.device.to_ne_bytes());
    if let Some(gateway) = route.gateway {
        attribute(&mut body, RTA_GATEWAY, &octets(gateway));
    }
    if let Some(source) = route.source {
        attribute(&mut body, RTA_PREFSRC, &octets(source));
    }
    body
}

fn parse_next_hop(reply: &[u8]) -> Option<NextHop> {
    let unicast = *reply.get(7)? == RTN_UNICAST;
    let mut hop = NextHop {
        unicast,
        gateway: None,
        device: 0,
    };
    for (kind, value) in attributes_of(reply.get(RTMSG..)?) {
        match kind {
            RTA_OIF => hop.device = u32::from_ne_bytes(number(value, 0)?),
            RTA_GATEWAY => hop.gateway = address(value),
            _ => {}
        }
    }
    Some(hop)
}

/// Types and values of attributes, up to the first that does not fit.
pub(super) fn attributes_of(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes(number(rest, 0)?));
        let kind = u16::from_ne_bytes(number(rest, 2)?);
        let value = rest.get(4..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

fn address(value: &[u8]) -> Option<IpAddr> {
    match value.len() {
        4 => number::<4>(value, 0).map(|octets| Ipv4Addr::from(octets).into()),
        16 => number::<16>(value, 0).map(|octets| Ipv6Addr::from(octets).into()),
        _ => None,
    }
}

pub(super) fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

pub(super) fn attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(value.len().saturating_add(4)).unwrap_or(u16::MAX);
    body.extend(length.to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

const fn family(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => AF_INET,
        IpAddr::V6(_) => AF_INET6,
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_loopback_is_local_delivery() {
        let mut netlink = Netlink::open().unwrap();
        let hop = netlink.next_hop("127.0.0.1".parse().unwrap()).unwrap();
        assert!(!hop.unicast);
        assert_eq!(hop.gateway, None);
        assert_eq!(hop.device, netlink.index_of("lo").unwrap());
    }

    #[test]
    fn a_refusal_arrives_as_an_error() {
        let mut netlink = Netlink::open().unwrap();
        // No interface has this index; without rights it is "operation not permitted".
        let error = netlink.set_link(0x7fff_fff0, None, true).unwrap_err();
        let error = Errno::from_io_error(&error).unwrap();
        assert!(matches!(error, Errno::NODEV | Errno::PERM), "{error:?}");
    }

    #[test]
    fn answers_cut_anywhere_do_not_panic() {
        let mut reply = vec![
            AF_INET,
            32,
            0,
            0,
            RT_TABLE_MAIN,
            0,
            0,
            RTN_UNICAST,
            0,
            0,
            0,
            0,
        ];
        attribute(&mut reply, RTA_GATEWAY, &[192, 0, 2, 1]);
        attribute(&mut reply, RTA_OIF, &7_u32.to_ne_bytes());
        assert_eq!(
            parse_next_hop(&reply),
            Some(NextHop {
                unicast: true,
                gateway: Some("192.0.2.1".parse().unwrap()),
                device: 7
            })
        );
        for length in 0..reply.len() {
            let _ = parse_next_hop(&reply[..length]);
        }
        reply[12] = 0; // an attribute of length zero: nothing from here on
        let hop = parse_next_hop(&reply).unwrap();
        assert_eq!((hop.gateway, hop.device), (None, 0));
    }
}

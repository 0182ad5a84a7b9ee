//! Raw ESP: IP protocol 50 without UDP around it, for peers with no NAT in between.
//!
//! Every raw socket of a host gets a copy of every packet, so exactly one thread's socket takes it:
//! the others have a filter that keeps it away. The kernel puts fragments together before it hands a
//! packet over, and with a raw socket there it does not answer "protocol unreachable".

use std::cell::RefCell;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::Ipv4PacketInfo;
use quinn_udp::{RecvMeta, Transmit, UdpSocketState};
use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use wire::{Carrier, Path};

use super::sending::{Sent, send_each};
use super::udp::{covers, prepare, send, source};
use super::{SetupError, steering};

/// IP protocol number of ESP (RFC 4303 §2).
const ESP: i32 = 50;
/// Local addresses with a socket to send from.
const SENDERS: usize = 64;

/// A socket that receives and sends ESP packets.
#[derive(Debug)]
pub struct RawSocket {
    socket: Socket,
    state: UdpSocketState,
    local: IpAddr,
    senders: Senders,
}

/// Which packets a socket takes, of all that come to its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Those of the peers that this thread owns,
    pub thread: usize,
    /// of so many.
    pub threads: usize,
}

impl Share {
    /// Every packet.
    pub const ALL: Self = Self {
        thread: 0,
        threads: 1,
    };
}

impl RawSocket {
    /// Listens on one address, which may be the unspecified one.
    ///
    /// # Errors
    /// As a sentence, above all when CAP_NET_RAW is missing.
    pub fn bind(local: IpAddr, share: Share) -> Result<Self, SetupError> {
        let failed = |source: io::Error| match Errno::from_io_error(&source) {
            Some(Errno::PERM | Errno::ACCESS) => SetupError::RawNotAllowed(local),
            Some(Errno::ADDRNOTAVAIL) => SetupError::NoSuchAddress(local),
            _ => SetupError::Raw {
                address: local,
                source,
            },
        };
        let socket = open(local, share).map_err(failed)?;
        // Without IP_HDRINCL the kernel writes the IP header and may cut the packet into
        // fragments; `prepare` sees to it that DF stays clear.
        let state = prepare(&socket, local.is_ipv4()).map_err(failed)?;
        if local.is_ipv4() {
            // The IP header in front of each packet says it, and to be told beside it costs a tenth
            // of what receiving a packet does.
            setsockopt(&socket, Ipv4PacketInfo, &false).map_err(|error| failed(error.into()))?;
        }
        Ok(Self {
            socket,
            state,
            local,
            senders: Senders::default(),
        })
    }

    /// Where the socket listens.
    pub const fn local(&self) -> IpAddr {
        self.local
    }

    /// Receives up to `buffers.len()` packets, for IPv4 with their IP header. Does not wait.
    ///
    /// # Errors
    /// `WouldBlock`, and what the kernel reports.
    pub fn recv(&self, buffers: &mut [IoSliceMut<'_>], meta: &mut [RecvMeta]) -> io::Result<usize> {
        self.state.recv((&self.socket).into(), buffers, meta)
    }

    /// The journey of a received packet, which lies at the start of `received`; the ports are zero.
    pub fn path_of(&self, meta: &RecvMeta, received: &[u8]) -> Path {
        let ip = match self.local {
            IpAddr::V4(_) => ipv4_destination(received).map(IpAddr::V4),
            IpAddr::V6(_) => meta.dst_ip,
        };
        let ip = ip.unwrap_or(self.local);
        Path {
            local: SocketAddr::new(ip, 0),
            remote: SocketAddr::new(meta.addr.ip(), 0),
            carrier: Carrier::Raw,
        }
    }

    /// Where in a received packet the ESP packet lies; `None` for what is no packet.
    ///
    /// The kernel delivers the IPv4 header in front (and never the IPv6 one).
    pub fn esp_within(&self, packet: &[u8]) -> Option<Range<usize>> {
        if self.local.is_ipv6() {
            return Some(0..packet.len());
        }
        behind_ipv4_header(packet)
    }

    /// Whether what travels on `path` leaves through this socket.
    pub fn serves(&self, path: &Path) -> bool {
        path.carrier == Carrier::Raw && covers(self.local, path.local.ip())
    }

    /// Sends one ESP packet from `path.local` to `path.remote`. Does not wait.
    ///
    /// # Errors
    /// `WouldBlock`, and what the kernel reports.
    pub fn send(&self, path: &Path, esp: &[u8]) -> io::Result<()> {
        let transmit = Transmit {
            // A raw IPv6 socket refuses a port, a raw IPv4 one ignores it.
            destination: SocketAddr::new(path.remote.ip(), 0),
            ecn: None,
            contents: esp,
            segment_size: None,
            src_ip: source(path.local.ip()),
        };
        send(&self.socket, &self.state, &transmit)
    }

    /// Sends ESP packets of `segment` bytes each, the last of which may be shorter, from
    /// `path.local` to `path.remote`. Does not wait.
    pub fn send_many(&self, path: &Path, packets: &[u8], segment: usize) -> Sent {
        let each = packets.chunks(segment.max(1));
        let remote = SocketAddr::new(path.remote.ip(), 0);
        if each.len() > 1 {
            let sent = match source(path.local.ip()) {
                Some(local) if local != self.local => self
                    .senders
                    .with(local, |socket| send_each(socket, remote, each.clone())),
                _ => Some(send_each(&self.socket, remote, each.clone())),
            };
            if let Some(sent) = sent {
                return sent;
            }
        }
        let mut sent = Sent::default();
        for packet in each {
            sent.add(1, self.send(path, packet));
        }
        sent
    }
}

/// Sockets to send many packets through with one system call, for a socket that listens on all
/// addresses: `sendmmsg` is told where packets go, but the sources have to be bound.
#[derive(Debug, Default)]
struct Senders(RefCell<Vec<(IpAddr, Option<Socket>)>>);

impl Senders {
    /// Hands over the socket that is bound to `local`; it is made when it is wanted first. `None`
    /// if it cannot be, or if there are too many.
    fn with<R>(&self, local: IpAddr, send: impl FnOnce(&Socket) -> R) -> Option<R> {
        let mut senders = self.0.try_borrow_mut().ok()?;
        if let Some((_, socket)) = senders.iter().find(|(address, _)| *address == local) {
            return socket.as_ref().map(send);
        }
        if senders.len() >= SENDERS {
            return None;
        }
        // One that cannot be made is not tried again with each packet.
        senders.push((local, sender(local).ok()));
        senders.last()?.1.as_ref().map(send)
    }
}

/// A socket that sends from `local`. It gets no copies of what comes in: as one that is connected to
/// its own address, it is for what this host sends to itself.
fn sender(local: IpAddr) -> io::Result<Socket> {
    let socket = open(local, Share::ALL)?;
    prepare(&socket, local.is_ipv4())?;
    socket.connect(&SocketAddr::new(local, 0).into())?;
    Ok(socket)
}

/// A socket of protocol 50 that is bound to an address.
fn open(local: IpAddr, share: Share) -> io::Result<Socket> {
    let address = SocketAddr::new(local, 0);
    let protocol = Some(Protocol::from(ESP));
    let socket = Socket::new(Domain::for_address(address), Type::RAW, protocol)?;
    if local.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if share != Share::ALL {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let (thread, threads) = (number(share.thread), number(share.threads));
        steering::restrict(&socket, local.is_ipv4(), thread, threads)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

impl AsFd for RawSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn ipv4_destination(packet: &[u8]) -> Option<Ipv4Addr> {
    let address: &[u8; 4] = packet.get(16..)?.first_chunk()?;
    Some(Ipv4Addr::from(*address))
}

fn behind_ipv4_header(packet: &[u8]) -> Option<Range<usize>> {
    let first = packet.first()?;
    let header = usize::from(first & 0x0f) * 4;
    (first >> 4 == 4 && header >= 20 && header <= packet.len()).then_some(header..packet.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ip_header_is_found_with_and_without_options() {
        let mut packet = [0_u8; 40];
        packet[0] = 0x45;
        assert_eq!(behind_ipv4_header(&packet), Some(20..40));
        packet[0] = 0x46;
        assert_eq!(behind_ipv4_header(&packet), Some(24..40));
        for bad in [0x44, 0x4f, 0x65, 0x00] {
            packet[0] = bad;
            assert_eq!(behind_ipv4_header(&packet), None, "{bad:#04x}");
        }
        assert_eq!(behind_ipv4_header(&[]), None);
    }

    #[test]
    fn the_destination_is_in_the_ip_header() {
        let packet: [u8; 20] = std::array::from_fn(|place| u8::try_from(place).unwrap());
        assert_eq!(
            ipv4_destination(&packet),
            Some(Ipv4Addr::new(16, 17, 18, 19))
        );
        assert_eq!(ipv4_destination(&packet[..19]), None);
        assert_eq!(ipv4_destination(&[]), None);
    }

    /// `None`, with the reason told, where raw sockets are not allowed.
    fn receiver(address: &str) -> Option<RawSocket> {
        match RawSocket::bind(address.parse().unwrap(), Share::ALL) {
            Ok(socket) => Some(socket),
            Err(error @ SetupError::RawNotAllowed(_)) => {
                println!("skipped: {error}");
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn esp_travels_over_loopback_from_the_chosen_source() {
        let Some(receiver) = receiver("127.0.0.41") else {
            return;
        };
        let sender = RawSocket::bind("0.0.0.0".parse().unwrap(), Share::ALL).unwrap();
        let path = Path {
            local: "127.0.0.40:0".parse().unwrap(),
            remote: "127.0.0.41:0".parse().unwrap(),
            carrier: Carrier::Raw,
        };
        let esp = [0xc0, 0, 0, 1, 0, 0, 0, 1, 0xaa, 0xbb, 0xcc, 0xdd];
        assert!(sender.serves(&path));
        sender.send(&path, &esp).unwrap();

        let mut storage = [0_u8; 2048];
        let mut meta = [RecvMeta::default()];
        let count = receiver
            .recv(&mut [IoSliceMut::new(&mut storage)], &mut meta)
            .unwrap();
        assert_eq!(count, 1);
        let packet = &storage[..meta[0].len];
        assert_eq!(&packet[receiver.esp_within(packet).unwrap()], &esp);
        let back = receiver.path_of(&meta[0], packet);
        assert_eq!((back.local, back.remote), (path.remote, path.local));
        // Neither DF nor a fragment: RFC 791's flags and offset are all zero.
        assert_eq!(&packet[6..8], &[0, 0]);
    }

    #[test]
    fn many_packets_leave_from_the_chosen_source() {
        let Some(receiver) = receiver("127.0.0.43") else {
            return;
        };
        let sender = RawSocket::bind("0.0.0.0".parse().unwrap(), Share::ALL).unwrap();
        let packets: Vec<u8> = (0..40).flat_map(|n| [n; 100]).take(3950).collect();
        for local in ["127.0.0.42:0", "127.0.0.44:0"] {
            let path = Path {
                local: local.parse().unwrap(),
                remote: "127.0.0.43:0".parse().unwrap(),
                carrier: Carrier::Raw,
            };
            let sent = sender.send_many(&path, &packets, 100);
            assert_eq!((sent.packets, sent.lost), (40, 0));
            let senders = sender.senders.0.borrow();
            assert!(senders.last().is_some_and(|(_, socket)| socket.is_some()));
            for expected in packets.chunks(100) {
                let (mut storage, mut meta) = ([0_u8; 2048], [RecvMeta::default()]);
                receiver
                    .recv(&mut [IoSliceMut::new(&mut storage)], &mut meta)
                    .unwrap();
                let packet = &storage[..meta[0].len];
                assert_eq!(&packet[receiver.esp_within(packet).unwrap()], expected);
                assert_eq!(receiver.path_of(&meta[0], packet).remote, path.local);
            }
        }
    }
}

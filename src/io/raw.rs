//! Raw ESP: IP protocol 50 without UDP around it, for peers with no NAT in between.
//!
//! Every raw socket of a host gets a copy of every packet, so exactly one worker reads one. The
//! kernel puts fragments together before it hands a packet over, and with a raw socket there it
//! does not answer "protocol unreachable".

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};

use quinn_udp::{RecvMeta, Transmit, UdpSocketState};
use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use wire::{Carrier, Path};

use super::SetupError;
use super::udp::{covers, prepare, send, source};

/// IP protocol number of ESP (RFC 4303 §2).
const ESP: i32 = 50;

/// A socket that receives and sends ESP packets.
#[derive(Debug)]
pub struct RawSocket {
    socket: Socket,
    state: UdpSocketState,
    local: IpAddr,
}

impl RawSocket {
    /// Listens on one address, which may be the unspecified one.
    ///
    /// # Errors
    /// As a sentence, above all when CAP_NET_RAW is missing.
    pub fn bind(local: IpAddr) -> Result<Self, SetupError> {
        let failed = |source: io::Error| match Errno::from_io_error(&source) {
            Some(Errno::PERM | Errno::ACCESS) => SetupError::RawNotAllowed(local),
            Some(Errno::ADDRNOTAVAIL) => SetupError::NoSuchAddress(local),
            _ => SetupError::Raw {
                address: local,
                source,
            },
        };
        let address = SocketAddr::new(local, 0);
        let socket = Socket::new(
            Domain::for_address(address),
            Type::RAW,
            Some(Protocol::from(ESP)),
        )
        .map_err(failed)?;
        if local.is_ipv6() {
            socket.set_only_v6(true).map_err(failed)?;
        }
        socket.bind(&address.into()).map_err(failed)?;
        // Without IP_HDRINCL the kernel writes the IP header and may cut the packet into
        // fragments; `prepare` sees to it that DF stays clear.
        let state = prepare(&socket, local.is_ipv4()).map_err(failed)?;
        Ok(Self {
            socket,
            state,
            local,
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

    /// The journey of a received packet; the ports are zero.
    pub fn path_of(&self, meta: &RecvMeta) -> Path {
        let ip = meta.dst_ip.unwrap_or(self.local);
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
}

impl AsFd for RawSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
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
    fn esp_travels_over_loopback_from_the_chosen_source() {
        let receiver = match RawSocket::bind("127.0.0.41".parse().unwrap()) {
            Ok(socket) => socket,
            Err(error @ SetupError::RawNotAllowed(_)) => {
                println!("skipped: {error}");
                return;
            }
            Err(error) => panic!("{error}"),
        };
        let sender = RawSocket::bind("0.0.0.0".parse().unwrap()).unwrap();
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
        let back = receiver.path_of(&meta[0]);
        assert_eq!((back.local, back.remote), (path.remote, path.local));
        // Neither DF nor a fragment: RFC 791's flags and offset are all zero.
        assert_eq!(&packet[6..8], &[0, 0]);
    }
}

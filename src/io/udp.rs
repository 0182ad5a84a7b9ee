//! The UDP sockets: one for IKE and one for IKE and ESP behind the marker, per listening address.
//!
//! The kernel's own `UDP_ENCAP` is not used: it would hand ESP to the kernel's IPsec, and we are
//! the one who opens it. To the kernel these are plain sockets.
//!
//! An answer must leave from the address that was asked, or the client (and the NAT before it)
//! does not recognise it. Therefore the destination address of every datagram is read and given
//! back as the source when answering, also where the socket listens on all addresses.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

use quinn_udp::{RecvMeta, Transmit, UdpSocketState};
use rustix::io::Errno;
use rustix::net::sockopt::{self, Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery};
use socket2::{Domain, Protocol, Socket, Type};
use tracing::info;
use wire::{Carrier, Path};

use super::holders::holder_of;
use super::sending::{Refusals, Sent, send_each};
use super::{SetupError, steering};

/// What the kernel may hold for us while a worker is busy: 8 MiB each way, some 40 ms at
/// 1.5 Gbit/s.
pub(super) const SOCKET_BUFFER: usize = 8 << 20;

/// One UDP socket.
#[derive(Debug)]
pub struct UdpSocket {
    socket: Socket,
    state: UdpSocketState,
    /// Whether the kernel can send several datagrams as one message.
    joins: bool,
    refusals: Refusals,
    local: SocketAddr,
    carrier: Carrier,
}

impl UdpSocket {
    /// Binds `local`, whose port may be 0. With `shared`, other sockets of this user may bind
    /// the same port and the kernel spreads the senders over them.
    pub(super) fn bind(
        local: SocketAddr,
        carrier: Carrier,
        shared: bool,
    ) -> Result<Self, SetupError> {
        let failed = |source| explain(local, source);
        let domain = Domain::for_address(local);
        let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP)).map_err(failed)?;
        if local.is_ipv6() {
            // IPv4 has its own socket; mapped addresses would be a second name for one peer.
            socket.set_only_v6(true).map_err(failed)?;
        }
        socket.set_reuse_port(shared).map_err(failed)?;
        socket.bind(&local.into()).map_err(failed)?;
        let state = prepare(&socket, local.is_ipv4()).map_err(failed)?;
        let local = socket
            .local_addr()
            .map_err(failed)?
            .as_socket()
            .unwrap_or(local);
        Ok(Self {
            // What the crate makes of a failure later is not asked for: it is for all paths then.
            joins: state.max_gso_segments() > 1,
            refusals: Refusals::new(),
            socket,
            state,
            local,
            carrier,
        })
    }

    /// Tells the log what the kernel cannot do. It is the same for all sockets.
    pub(super) fn tell_shortfall(&self) {
        if !self.joins {
            info!(
                "This kernel cannot be given many datagrams at a time (UDP_SEGMENT, since Linux \
                 4.18): they are sent one by one, which costs more"
            );
        }
    }

    /// Spreads what comes in over the sockets that share the port, by [`dataplane::owner`].
    pub(super) fn steer(&self, threads: usize) -> io::Result<()> {
        let threads = u32::try_from(threads).unwrap_or(u32::MAX);
        steering::share(&self.socket, self.carrier, self.local.is_ipv4(), threads)
    }

    /// Where the socket is bound: the address may be unspecified, the port is real.
    pub const fn local(&self) -> SocketAddr {
        self.local
    }

    /// What the socket carries: [`Carrier::Ike`] or [`Carrier::NatT`].
    pub const fn carrier(&self) -> Carrier {
        self.carrier
    }

    /// Receives up to `buffers.len()` messages; a message is several datagrams of `stride` bytes
    /// (the last may be shorter) where the kernel has joined them. Does not wait.
    ///
    /// # Errors
    /// `WouldBlock`, and what the kernel reports.
    pub fn recv(&self, buffers: &mut [IoSliceMut<'_>], meta: &mut [RecvMeta]) -> io::Result<usize> {
        self.state.recv((&self.socket).into(), buffers, meta)
    }

    /// The journey of a received message.
    pub fn path_of(&self, meta: &RecvMeta) -> Path {
        let ip = meta.dst_ip.unwrap_or_else(|| self.local.ip());
        Path {
            local: SocketAddr::new(ip, self.local.port()),
            remote: meta.addr,
            carrier: self.carrier,
        }
    }

    /// Whether what travels on `path` leaves through this socket.
    pub fn serves(&self, path: &Path) -> bool {
        self.carrier == path.carrier
            && self.local.port() == path.local.port()
            && covers(self.local.ip(), path.local.ip())
    }

    /// Sends one datagram from `path.local` to `path.remote`. Does not wait.
    ///
    /// # Errors
    /// `WouldBlock`, and what the kernel reports.
    pub fn send(&self, path: &Path, datagram: &[u8]) -> io::Result<()> {
        self.transmit(path, datagram, None)
    }

    /// Sends datagrams of `segment` bytes each, the last of which may be shorter, from `path.local`
    /// to `path.remote`: as one message where that can be, so that they share one way through the
    /// kernel. Such a message has at most 64 datagrams and 65,507 bytes. Does not wait.
    pub fn send_many(&self, path: &Path, datagrams: &[u8], segment: usize) -> Sent {
        let each = datagrams.chunks(segment.max(1));
        let mut sent = Sent::default();
        if each.len() <= 1 {
            sent.add(1, self.send(path, datagrams));
            return sent;
        }
        let remote = path.remote.ip();
        if self.joins && !self.refusals.covers(remote, segment) {
            match self.transmit(path, datagrams, Some(segment)) {
                Err(error) if self.refusals.learn(remote, segment, &error) => {}
                result => {
                    sent.add(each.len(), result);
                    return sent;
                }
            }
        }
        if source(path.local.ip()).is_none_or(|ip| ip == self.local.ip()) {
            return send_each(&self.socket, path.remote, each);
        }
        for datagram in each {
            sent.add(1, self.send(path, datagram));
        }
        sent
    }

    fn transmit(&self, path: &Path, contents: &[u8], segment: Option<usize>) -> io::Result<()> {
        let transmit = Transmit {
            destination: path.remote,
            ecn: None,
            contents,
            segment_size: segment,
            src_ip: source(path.local.ip()),
        };
        send(&self.socket, &self.state, &transmit)
    }
}

impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Whether a socket bound to `bound` may send from `address`.
pub(super) fn covers(bound: IpAddr, address: IpAddr) -> bool {
    bound == address || (bound.is_unspecified() && bound.is_ipv4() == address.is_ipv4())
}

/// The source to ask for: none where the path leaves it to the kernel's routing.
pub(super) fn source(local: IpAddr) -> Option<IpAddr> {
    (!local.is_unspecified()).then_some(local)
}

/// Options that the UDP and the raw sockets have in common.
pub(super) fn prepare(socket: &Socket, ipv4: bool) -> io::Result<UdpSocketState> {
    // Non-blocking, destination addresses on receipt, joined datagrams.
    let state = UdpSocketState::new(socket.into())?;
    // The crate is made for QUIC and forbids fragments; ESP must be able to travel in fragments
    // (a client's MRU is not ours to choose). No path MTU discovery either: most clients are
    // behind something that eats the ICMP messages, and whoever can send us a forged one
    // could make packets small. Routers may cut our packets, and we clamp the TCP MSS so that
    // they seldom have to.
    // Nor does anybody ask for what it has the kernel tell with every packet: its traffic class.
    if ipv4 {
        sockopt::set_ip_mtu_discover(socket, Ipv4PathMtuDiscovery::DONT)?;
        socket.set_recv_tos_v4(false)?;
    } else {
        sockopt::set_ipv6_mtu_discover(socket, Ipv6PathMtuDiscovery::DONT)?;
        socket.set_recv_tclass_v6(false)?;
    }
    // Forced where we may, else as much as net.core.rmem_max allows.
    if sockopt::set_socket_recv_buffer_size_force(socket, SOCKET_BUFFER).is_err() {
        let _ = socket.set_recv_buffer_size(SOCKET_BUFFER);
    }
    if sockopt::set_socket_send_buffer_size_force(socket, SOCKET_BUFFER).is_err() {
        let _ = socket.set_send_buffer_size(SOCKET_BUFFER);
    }
    Ok(state)
}

/// Sends once, and once more if the kernel reports an ICMP error of an earlier datagram instead
/// of sending this one.
pub(super) fn send(
    socket: &Socket,
    state: &UdpSocketState,
    transmit: &Transmit<'_>,
) -> io::Result<()> {
    match state.try_send(socket.into(), transmit) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            state.try_send(socket.into(), transmit)
        }
        other => other,
    }
}

pub(super) fn explain(address: SocketAddr, source: io::Error) -> SetupError {
    match Errno::from_io_error(&source) {
        Some(Errno::ADDRINUSE) => {
            let holder = holder_of(address).and_then(|holder| holder.process);
            SetupError::PortInUse(address, holder)
        }
        Some(Errno::ACCESS | Errno::PERM) => SetupError::PortNotAllowed(address),
        Some(Errno::ADDRNOTAVAIL) => SetupError::NoSuchAddress(address.ip()),
        _ => SetupError::Udp { address, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::ports::{ListenPorts, ephemeral, listen};
    use crate::io::tun::Tun;
    use crate::io::tun::tests::in_a_namespace;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn receive(socket: &UdpSocket) -> (Vec<Vec<u8>>, Path) {
        let mut storage = vec![0_u8; 65_535];
        let mut meta = [RecvMeta::default()];
        for _ in 0..200 {
            match socket.recv(&mut [IoSliceMut::new(&mut storage)], &mut meta) {
                Ok(_) => break,
                Err(_) => std::thread::sleep(std::time::Duration::from_millis(5)),
            }
        }
        let datagrams = storage[..meta[0].len].chunks(meta[0].stride.max(1));
        (
            datagrams.map(<[u8]>::to_vec).collect(),
            socket.path_of(&meta[0]),
        )
    }

    #[test]
    fn the_answer_leaves_from_the_address_that_was_asked() {
        let ports = ListenPorts { ike: 0, natt: 0 };
        let server = listen(&[ip("0.0.0.0")], ports, 1).unwrap();
        let server = &server.workers[0][0];
        let [client, _] = ephemeral(ip("127.0.0.3")).unwrap();
        for address in ["127.0.0.1", "127.0.0.77"] {
            let there = Path {
                local: client.local(),
                remote: SocketAddr::new(ip(address), server.local().port()),
                carrier: Carrier::Ike,
            };
            client.send(&there, b"question").unwrap();
            let (datagrams, path) = receive(server);
            assert_eq!(datagrams, [b"question"]);
            assert_eq!((path.local, path.remote), (there.remote, there.local));
            assert!(server.serves(&path));
            server.send(&path, b"answer").unwrap();
            assert_eq!(receive(&client).1, there);
        }
    }

    #[test]
    fn ipv6_has_sockets_of_its_own() {
        let ports = ListenPorts { ike: 0, natt: 0 };
        let server = match listen(&[ip("0.0.0.0"), ip("::")], ports, 1) {
            Ok(server) => server,
            Err(error @ (SetupError::NoSuchAddress(_) | SetupError::Udp { .. })) => {
                println!("skipped: no IPv6 on this host ({error})");
                return;
            }
            Err(error) => panic!("{error}"),
        };
        let natt6 = &server.workers[0][3];
        let [_, client] = ephemeral(ip("::1")).unwrap();
        let there = Path {
            local: client.local(),
            remote: SocketAddr::new(ip("::1"), natt6.local().port()),
            carrier: Carrier::NatT,
        };
        client.send(&there, b"question").unwrap();
        let (datagrams, path) = receive(natt6);
        assert_eq!(datagrams, [b"question"]);
        assert_eq!((path.local, path.remote), (there.remote, there.local));
    }

    #[test]
    fn datagrams_larger_than_the_mtu_travel_in_fragments() {
        // Loopback's MTU is 65,536: to see that fragments are allowed, look at the option.
        let [socket, _] = ephemeral(ip("127.0.0.1")).unwrap();
        let option = sockopt::ip_mtu_discover(&socket).unwrap();
        assert_eq!(option, Ipv4PathMtuDiscovery::DONT);
    }

    #[test]
    fn segments_arrive_as_datagrams() {
        let [sender, receiver] = ephemeral(ip("127.0.0.1")).unwrap();
        let path = Path {
            local: sender.local(),
            remote: receiver.local(),
            carrier: Carrier::Ike,
        };
        let sent = sender.send_many(&path, &[7; 2500], 1000);
        assert_eq!((sent.packets, sent.lost), (3, 0));
        let mut sizes = Vec::new();
        while sizes.len() < 3 {
            let (datagrams, _) = receive(&receiver);
            assert!(!datagrams.is_empty());
            sizes.extend(datagrams.iter().map(Vec::len));
        }
        assert_eq!(sizes, [1000, 1000, 500]);
    }

    /// A TUN device stands for a link of MTU 1280, so that what leaves can be seen.
    #[test]
    fn datagrams_that_do_not_fit_the_device_go_one_by_one_in_fragments() {
        in_a_namespace(
            "io::udp::tests::datagrams_that_do_not_fit_the_device_go_one_by_one_in_fragments",
            || {
                let (mut device, queues) = Tun::create("adit-out", 1, false).unwrap();
                device.up(1280).unwrap();
                device
                    .add_peer_address(ip("192.0.2.1"), ip("192.0.2.2"))
                    .unwrap();
                let [socket, _] = ephemeral(ip("192.0.2.1")).unwrap();
                let remote = "192.0.2.2:4500".parse().unwrap();
                let path = Path {
                    local: socket.local(),
                    remote,
                    carrier: Carrier::Ike,
                };
                let leave = |segment: usize| {
                    let sent = socket.send_many(&path, &[7; 2900], segment);
                    assert_eq!((sent.packets, sent.lost), (2900_usize.div_ceil(segment), 0));
                    let mut room = [0; 2000];
                    let mut lengths = Vec::new();
                    while let Ok((_, packet)) = queues[0].recv(&mut room) {
                        if packet[0] >> 4 == 4 {
                            lengths.push(packet.len() - 20);
                        }
                    }
                    lengths
                };
                assert_eq!(leave(1000), [1008, 1008, 908]);
                assert!(!socket.refusals.covers(remote.ip(), 1400));
                let cut = [1256, 1408 - 1256, 1256, 1408 - 1256, 108];
                assert_eq!(leave(1400), cut);
                assert!(socket.refusals.covers(remote.ip(), 1400));
                // Not tried again; what is shorter still goes together.
                assert_eq!(leave(1400), cut);
                assert!(!socket.refusals.covers(remote.ip(), 1000));
                assert_eq!(leave(1000), [1008, 1008, 908]);
            },
        );
    }
}

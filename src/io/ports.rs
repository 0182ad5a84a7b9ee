//! The ports of a server, which its threads share and nobody else, and those of a client.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::UnixDatagram;

use socket2::{Domain, Protocol, Socket, Type};
use tracing::info;
use wire::Carrier;

use super::SetupError;
use super::udp::{UdpSocket, explain};

/// The two ports of a server: 500 and 4500, other ones in tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenPorts {
    /// ISAKMP.
    pub ike: u16,
    /// NAT traversal.
    pub natt: u16,
}

impl Default for ListenPorts {
    fn default() -> Self {
        Self {
            ike: 500,
            natt: 4500,
        }
    }
}

/// The sockets of a server.
#[derive(Debug)]
pub struct Listeners {
    /// Per worker: both ports of every address.
    pub workers: Vec<Vec<UdpSocket>>,
    /// Keeps other processes away for as long as the ports are in use.
    pub claims: Claims,
}

/// The exclusive right to some shared ports; lost when dropped.
#[derive(Debug, Default)]
pub struct Claims(Vec<UnixDatagram>);

/// Binds both ports on every address, once for each of `workers` threads.
///
/// # Errors
/// The first that fails, as a sentence; nothing stays bound then.
pub fn listen(
    addresses: &[IpAddr],
    ports: ListenPorts,
    workers: usize,
) -> Result<Listeners, SetupError> {
    let mut listeners = Listeners {
        workers: (0..workers.max(1)).map(|_| Vec::new()).collect(),
        claims: Claims::default(),
    };
    for &address in addresses {
        for (port, carrier) in [(ports.ike, Carrier::Ike), (ports.natt, Carrier::NatT)] {
            let mut local = SocketAddr::new(address, port);
            if workers > 1 {
                local = claim(local, carrier, &mut listeners.claims)?;
            }
            for sockets in &mut listeners.workers {
                sockets.push(UdpSocket::bind(local, carrier, workers > 1)?);
            }
            if workers > 1
                && let Some(socket) = listeners.workers.first().and_then(|first| first.last())
                && let Err(error) = socket.steer(workers)
            {
                info!(
                    "The kernel does not let a program choose among the sockets of {local} \
                     ({error}): packets are handed from thread to thread"
                );
            }
        }
    }
    if let Some(socket) = listeners.workers.iter().flatten().next() {
        socket.tell_shortfall();
    }
    Ok(listeners)
}

/// Makes sure that nobody else has the port, before we share it among ourselves.
///
/// With `SO_REUSEPORT` a second process of the same user would bind without an error and
/// silently take a part of the packets. Hence two steps: binding without the option fails if
/// anybody has the port in whatever way; and two processes that start at the same moment are
/// told apart by an abstract Unix address, which exists once per network namespace (as ports
/// do) and vanishes with its process.
fn claim(
    local: SocketAddr,
    carrier: Carrier,
    claims: &mut Claims,
) -> Result<SocketAddr, SetupError> {
    if local.port() != 0 {
        let name = format!("adit/udp/{local}");
        let lock = std::os::unix::net::SocketAddr::from_abstract_name(name)
            .and_then(|name| UnixDatagram::bind_addr(&name))
            .map_err(|source| explain(local, source))?;
        claims.0.push(lock);
    }
    Ok(UdpSocket::bind(local, carrier, false)?.local())
}

/// The two sockets of a client, on ports that the kernel chooses: they need no rights, and
/// several clients fit on one host.
///
/// `local` should be what [`source_towards`] says, so that the paths name a real address, which
/// NAT detection hashes.
///
/// # Errors
/// As a sentence.
pub fn ephemeral(local: IpAddr) -> Result<[UdpSocket; 2], SetupError> {
    let any = SocketAddr::new(local, 0);
    let sockets = [
        UdpSocket::bind(any, Carrier::Ike, false)?,
        UdpSocket::bind(any, Carrier::NatT, false)?,
    ];
    let [first, _] = &sockets;
    first.tell_shortfall();
    Ok(sockets)
}

/// The address from which this host would talk to `remote`. Sends nothing.
///
/// # Errors
/// When there is no route.
pub fn source_towards(remote: IpAddr) -> io::Result<IpAddr> {
    let any: IpAddr = match remote {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let probe = Socket::new(
        Domain::for_address(SocketAddr::new(any, 0)),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    // Connecting a UDP socket only looks up the route. The port is of no account.
    probe.connect(&SocketAddr::new(remote, 4500).into())?;
    probe
        .local_addr()?
        .as_socket()
        .map(|address| address.ip())
        .ok_or_else(|| io::Error::other("a UDP socket without an IP address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_port_in_use_is_a_sentence_and_not_half_the_packets() {
        let taken = ephemeral(ip("127.0.0.1")).unwrap();
        let port = taken[0].local().port();
        let other = taken[1].local().port();
        let ports = ListenPorts {
            ike: port,
            natt: other,
        };
        for workers in [1, 3] {
            let error = listen(&[ip("127.0.0.1")], ports, workers).unwrap_err();
            let error = error.to_string();
            assert!(
                error.starts_with(&format!("UDP port {port} on 127.0.0.1 is in use")),
                "{error}"
            );
        }
        // The wildcard address conflicts with every other one.
        assert!(listen(&[ip("0.0.0.0")], ports, 2).is_err());
    }

    #[test]
    fn shared_ports_are_shared_within_one_process_only() {
        let free = ephemeral(ip("127.0.0.1")).unwrap();
        let ports = ListenPorts {
            ike: free[0].local().port(),
            natt: free[1].local().port(),
        };
        drop(free);
        let first = listen(&[ip("127.0.0.1")], ports, 2).unwrap();
        assert_eq!(
            first.workers.iter().map(Vec::len).collect::<Vec<_>>(),
            [2, 2]
        );
        assert!(matches!(
            listen(&[ip("127.0.0.1")], ports, 2).unwrap_err(),
            SetupError::PortInUse(..)
        ));
        drop(first);
        listen(&[ip("127.0.0.1")], ports, 2).unwrap();
    }

    #[test]
    fn an_address_of_somebody_else_is_a_sentence() {
        let ports = ListenPorts { ike: 0, natt: 0 };
        let error = listen(&[ip("192.0.2.1")], ports, 1)
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("The address 192.0.2.1 is not on any interface"),
            "{error}"
        );
    }

    #[test]
    fn the_source_address_follows_the_route() {
        assert_eq!(source_towards(ip("127.0.0.9")).unwrap(), ip("127.0.0.1"));
    }
}

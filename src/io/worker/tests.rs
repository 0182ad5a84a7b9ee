//! Two workers that talk over loopback, with keys that nobody negotiated.

mod device;
mod limits;
mod offload;
mod queues;
mod upcalls;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use dataplane::{AddSession, Config, Network, Notice, Remote, SessionId, Update};
use esp::{Cipher, Integrity, Keys, Suite};
use rand_core::SeedableRng;
use tokio::sync::mpsc::{Receiver, UnboundedReceiver};
use tokio::time::timeout;
use wire::{Carrier, Path, PeerId, Ports, Rng};

use super::*;
use crate::io::netlink::Netlink;
use crate::io::ports::ephemeral;
use crate::io::raw::Share;
use crate::io::tun::tests::in_a_namespace;
use crate::io::tun::{Tun, TunQueues};

const PEER: PeerId = PeerId(5);
const SESSION: SessionId = SessionId(9);
const PORTS: Ports = Ports {
    local: 1701,
    remote: 1701,
};
const SUITE: Suite = Suite::new(Cipher::AesCbc256, Some(Integrity::HmacSha256_128));
const SERVER: [u8; 4] = [10, 10, 1, 1];
const CLIENT: [u8; 4] = [10, 10, 1, 2];
const MTU: u16 = 1400;

/// One end: its worker, and everything the worker fills.
struct End {
    worker: Worker,
    plane: Arc<DataPlane>,
    upcalls: Upcalls<FromPeer>,
    packets: Receiver<Vec<u8>>,
    notices: Arc<Notify>,
    cookies: ike::Cookies,
    lost: UnboundedReceiver<Lost>,
    ike: SocketAddr,
    natt: SocketAddr,
}

impl End {
    fn start(address: &str, raw: bool) -> Self {
        Self::start_with(address, raw, None)
    }

    fn start_with(address: &str, raw: bool, tun: Option<TunQueues>) -> Self {
        Self::start_limited(address, raw, tun, Limits::default())
    }

    fn start_limited(address: &str, raw: bool, tun: Option<TunQueues>, limits: Limits) -> Self {
        let address: IpAddr = address.parse().unwrap();
        let udp = ephemeral(address).unwrap();
        let (ike, natt) = (udp[0].local(), udp[1].local());
        let raw = if raw {
            vec![RawSocket::bind(address, Share::ALL).unwrap()]
        } else {
            Vec::new()
        };
        let plane = Arc::new(DataPlane::new(Config::for_peers(16)));
        let (sender, upcalls) = upcalls(&limits);
        let (inside, packets) = mpsc::channel(1000);
        let notices = Arc::new(Notify::new());
        let cookies = ike::Cookies::new(&mut Rng::seed_from_u64(1));
        let (tell_lost, lost) = mpsc::unbounded_channel();
        let worker = Worker::start(Parts {
            number: 0,
            udp: udp.into(),
            raw,
            inside: tun.map_or(Inside::Queue(inside), Inside::Tun),
            plane: Arc::clone(&plane),
            upcalls: sender,
            cookies: cookies.clone(),
            limits,
            notices: Arc::clone(&notices),
            lost: tell_lost,
        })
        .unwrap();
        Self {
            worker,
            plane,
            upcalls,
            packets,
            notices,
            cookies,
            lost,
            ike,
            natt,
        }
    }

    async fn command(&self, command: Command) {
        self.worker.commands().send(command).await.unwrap();
    }

    /// An IKE message with a cookie of ours.
    fn known_message(&self, length: u8) -> Vec<u8> {
        let mut rng = Rng::seed_from_u64(9);
        ike_message_to(self.cookies.responder(INITIATOR, &mut rng), length)
    }

    /// Waits until a counter has a value.
    async fn counted(&self, label: &str, value: u64) {
        let mut last = 0;
        for _ in 0..500 {
            let found = self
                .worker
                .counters()
                .all()
                .find(|(name, _)| *name == label);
            last = found.unwrap().1;
            if last >= value {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(last, value, "{label}");
    }

    async fn upcall(&mut self) -> Upcall<FromPeer> {
        timeout(Duration::from_secs(5), self.upcalls.recv())
            .await
            .expect("an upcall")
            .unwrap()
    }

    async fn packet(&mut self) -> Vec<u8> {
        timeout(Duration::from_secs(5), self.packets.recv())
            .await
            .expect("a packet")
            .unwrap()
    }

    /// Makes the other end a peer with a session, as the engine would.
    async fn know(&self, path: Path, spis: (u32, u32), ids: (u16, u16), remote: Remote) {
        let keys = |spi: u32| {
            let material: Vec<u8> = (0..SUITE.key_lengths().total())
                .map(|n| u8::try_from(n).unwrap_or(0) ^ spi.to_be_bytes()[3])
                .collect();
            Keys::from_material(SUITE, &material).unwrap()
        };
        let (inbound, outbound) = spis;
        let (peer, suite, carrier) = (PEER, SUITE, path.carrier);
        let session = AddSession {
            session: SESSION,
            peer,
            ports: PORTS,
            local_tunnel: ids.0,
            local_session: ids.0,
            remote_tunnel: ids.1,
            remote_session: ids.1,
            sequencing: false,
            length: false,
        };
        let network = Network {
            remote,
            gateway: Some(SERVER.into()),
            mtu: MTU,
            mru: MTU,
            acfc: false,
            pfc: false,
            ipv6: false,
            dhcp: None,
        };
        for update in [
            Update::AddPeer {
                peer,
                path,
                port: 1701,
            },
            Update::InstallInbound {
                spi: inbound,
                peer,
                suite,
                keys: keys(inbound),
                carrier,
            },
            Update::ActivateOutbound {
                peer,
                spi: outbound,
                suite,
                keys: keys(outbound),
            },
            Update::AddSession(session),
            Update::SetNetwork {
                session: SESSION,
                network: Some(network),
            },
        ] {
            self.command(Command::Apply(update)).await;
        }
    }
}

/// Server and client, connected.
async fn connected(carrier: Carrier) -> (End, End) {
    connected_with(carrier, None).await
}

/// Server with or without a TUN device, and client without.
async fn connected_with(carrier: Carrier, tun: Option<TunQueues>) -> (End, End) {
    // Addresses of their own: raw ESP has no ports to tell tests apart by.
    let (server, client) = match carrier {
        Carrier::Raw => ("127.0.0.61", "127.0.0.62"),
        Carrier::Ike | Carrier::NatT => ("127.0.0.1", "127.0.0.1"),
    };
    let raw = carrier == Carrier::Raw;
    let (server, client) = (End::start_with(server, raw, tun), End::start(client, raw));
    join(carrier, &server, &client).await;
    (server, client)
}

/// Makes two ends peers of one another.
async fn join(carrier: Carrier, server: &End, client: &End) {
    let path = |from: &End, to: &End| match carrier {
        Carrier::Raw => Path {
            local: SocketAddr::new(from.natt.ip(), 0),
            remote: SocketAddr::new(to.natt.ip(), 0),
            carrier,
        },
        Carrier::Ike | Carrier::NatT => Path {
            local: from.natt,
            remote: to.natt,
            carrier,
        },
    };
    let (down, up) = (path(server, client), path(client, server));
    server
        .know(
            down,
            (0x1001, 0x2002),
            (1, 2),
            Remote::Address(CLIENT.into()),
        )
        .await;
    client.know(up, (0x2002, 0x1001), (2, 1), Remote::Any).await;
}

/// An IPv4 packet with UDP in it.
fn ip_packet(from: [u8; 4], to: [u8; 4], length: usize, dont_fragment: bool) -> Vec<u8> {
    let mut header = etherparse::Ipv4Header::new(
        u16::try_from(length - 20).unwrap(),
        64,
        etherparse::IpNumber::UDP,
        from,
        to,
    )
    .unwrap();
    header.dont_fragment = dont_fragment;
    let mut packet = Vec::new();
    header.write(&mut packet).unwrap();
    let udp = u16::try_from(length - 20).unwrap().to_be_bytes();
    packet.extend([0x12, 0x34, 0x56, 0x78, udp[0], udp[1], 0, 0]);
    packet.resize(length, 0x5a);
    packet
}

async fn passes_both_ways(carrier: Carrier) {
    let (mut server, mut client) = connected(carrier).await;
    for length in [28, 100, usize::from(MTU)] {
        let question = ip_packet(CLIENT, SERVER, length, true);
        client.command(Command::Inject(question.clone())).await;
        assert_eq!(server.packet().await, question);
        let answer = ip_packet(SERVER, CLIENT, length, true);
        server.command(Command::Inject(answer.clone())).await;
        assert_eq!(client.packet().await, answer);
    }
    // Nobody may send from another's address.
    let forged = ip_packet([10, 10, 1, 3], SERVER, 100, true);
    client.command(Command::Inject(forged)).await;
    let last = ip_packet(CLIENT, SERVER, 99, true);
    client.command(Command::Inject(last.clone())).await;
    assert_eq!(server.packet().await, last);
    assert_eq!(server.plane.peer_usage(PEER).unwrap().heard, 5);
}

#[tokio::test]
async fn packets_pass_both_ways_in_udp() {
    passes_both_ways(Carrier::NatT).await;
}

#[tokio::test]
async fn packets_pass_both_ways_in_protocol_50() {
    match RawSocket::bind("127.0.0.60".parse().unwrap(), Share::ALL) {
        Ok(_) => passes_both_ways(Carrier::Raw).await,
        Err(error) => println!("skipped: {error}"),
    }
}

/// The initiator's cookie of all IKE messages here.
const INITIATOR: ike::Cookie = ike::Cookie([0x11; 8]);

/// A message that begins something.
fn ike_message(length: u8) -> Vec<u8> {
    ike_message_to(ike::Cookie::ZERO, length)
}

/// An ISAKMP header that says of itself how long it is, and what is behind it.
fn ike_message_to(responder: ike::Cookie, length: u8) -> Vec<u8> {
    let mut message = INITIATOR.0.to_vec();
    message.extend(responder.0);
    message.extend([1, 0x10, 2, 0, 0, 0, 0, 0, 0, 0, 0, length]);
    message.resize(length.into(), 0x77);
    message
}

#[tokio::test]
async fn an_association_goes_after_the_packets_queued_before() {
    let (mut server, client) = connected(Carrier::NatT).await;
    for number in 0..50_u8 {
        let bytes = vec![0xc8, 2, 0, 12, 0, 1, 0, 0, 0, number, 0, 0];
        client
            .command(Command::SealControl {
                peer: PEER,
                ports: PORTS,
                bytes,
            })
            .await;
    }
    client
        .command(Command::Apply(Update::RemovePeer { peer: PEER }))
        .await;
    let bytes = vec![0xc8, 2, 0, 12, 0, 1, 0, 0, 0, 99, 0, 0];
    client
        .command(Command::SealControl {
            peer: PEER,
            ports: PORTS,
            bytes,
        })
        .await;
    assert!(client.worker.finish());
    for number in 0..50_u8 {
        let Upcall::Authenticated(FromPeer::Control { bytes, .. }) = server.upcall().await else {
            panic!("no control message");
        };
        assert_eq!(bytes[9], number);
    }
    server.counted("received", 50).await;
}

#[tokio::test]
async fn packets_beyond_the_mtu_are_cut_or_answered() {
    let (mut server, mut client) = connected(Carrier::NatT).await;
    client
        .command(Command::Inject(ip_packet(CLIENT, SERVER, 3000, false)))
        .await;
    let mut sizes = Vec::new();
    for _ in 0..3 {
        sizes.push(server.packet().await.len());
    }
    assert_eq!(sizes.iter().sum::<usize>(), 3000 + 2 * 20, "{sizes:?}");
    client
        .command(Command::Inject(ip_packet(CLIENT, SERVER, 1401, true)))
        .await;
    let answer = client.packet().await;
    assert_eq!(answer[9], 1, "ICMP");
    assert_eq!(answer[20..22], [3, 4], "fragmentation needed");
    assert_eq!(answer[16..20], CLIENT);
    server.counted("received", 3).await;
}

#[tokio::test]
async fn garbage_is_counted_and_goes_nowhere() {
    let mut server = End::start("127.0.0.1", false);
    let sender = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut sent = 0;
    for length in [0_usize, 1, 2, 3, 4, 5, 7, 8, 27, 28, 29, 100, 1400] {
        for byte in [0x01, 0x80, 0xfe] {
            sender
                .send_to(&vec![byte; length], server.natt)
                .await
                .unwrap();
            sent += 1;
        }
        if length < 28 {
            sender.send_to(&vec![0; length], server.ike).await.unwrap();
            sent += 1;
        }
    }
    server.counted("received", sent).await;
    assert!(server.upcalls.recv_now().is_none());
    assert!(server.packets.try_recv().is_err());
    // Too short for ESP, or an association that does not exist.
    let unknown: u64 = server.plane.drops().map(|(_, count)| count).sum();
    let runts = server.worker.counters().runts.value();
    assert_eq!(unknown + runts, sent);
    assert!(server.worker.finish());
}

#[tokio::test]
async fn one_source_cannot_fill_the_queue_of_beginnings() {
    let limits = Limits {
        first_messages: 50,
        ..Limits::default()
    };
    let mut server = End::start_limited("127.0.0.1", false, None, limits);
    let flood = tokio::net::UdpSocket::bind("127.0.0.2:0").await.unwrap();
    let other = tokio::net::UdpSocket::bind("127.0.0.3:0").await.unwrap();
    for round in 1..=10 {
        for _ in 0..100 {
            flood.send_to(&ike_message(80), server.ike).await.unwrap();
        }
        server.counted("received", round * 100).await; // no more than a small buffer holds
    }
    other.send_to(&ike_message(81), server.ike).await.unwrap();
    server.counted("received", 1001).await;
    let limited = server.worker.counters().limited_first_ike.value();
    assert!((500..=800).contains(&limited), "{limited}");
    let mut last = None;
    for _ in 0..1001 - limited {
        last = Some(server.upcall().await);
    }
    let Some(Upcall::Ike(message)) = last else {
        panic!("no message")
    };
    assert_eq!(message.bytes.len(), 81, "the other source got through");
}

#[tokio::test]
async fn the_end_is_orderly_and_frees_the_ports() {
    let (server, client) = (
        End::start("127.0.0.1", false),
        End::start("127.0.0.1", false),
    );
    let path = Path {
        local: client.ike,
        remote: server.ike,
        carrier: Carrier::Ike,
    };
    for _ in 0..1000 {
        client
            .command(Command::Send {
                path,
                bytes: server.known_message(60),
            })
            .await;
    }
    let commands = client.worker.commands().clone();
    let counters = Arc::clone(&client.worker.counters);
    assert!(client.worker.finish());
    assert_eq!(counters.sent.value(), 1000);
    std::net::UdpSocket::bind(client.ike).expect("the port is free again");
    let late = Command::Send {
        path,
        bytes: Vec::new(),
    };
    assert!(matches!(commands.try_send(late), Err(Refused::Gone(_))));
}

#[tokio::test]
async fn what_no_socket_serves_is_counted() {
    let end = End::start("127.0.0.1", false);
    let path = Path {
        local: "127.0.0.1:1".parse().unwrap(),
        remote: end.ike,
        carrier: Carrier::Ike,
    };
    end.command(Command::Send {
        path,
        bytes: vec![1],
    })
    .await;
    end.command(Command::Send {
        path: Path {
            carrier: Carrier::Raw,
            ..path
        },
        bytes: vec![1],
    })
    .await;
    end.counted("no-socket", 2).await;
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(test);
}

/// In a namespace of its own: the server's device `adit-t5`, and the loopback, which is what lies
/// between server and client, with an MTU.
fn devices(offload: bool, loopback: Option<u32>) -> (Tun, TunQueues) {
    let mut netlink = Netlink::open().unwrap();
    netlink
        .set_link(netlink.index_of("lo").unwrap(), loopback, true)
        .unwrap();
    let (mut tun, queues) = Tun::create("adit-t5", TunQueues::wanted(1), offload).unwrap();
    tun.up(MTU.into()).unwrap();
    tun.add_address(SERVER.into()).unwrap();
    tun.add_range(CLIENT.into(), CLIENT.into()).unwrap();
    (tun, queues.into())
}

/// The kernel of the server answers the client's ping.
async fn ping_the_kernel(client: &mut End, words: &[u8]) {
    let mut ping = Vec::new();
    let echo = etherparse::Icmpv4Type::EchoRequest(etherparse::IcmpEchoHeader { id: 7, seq: 1 });
    etherparse::PacketBuilder::ipv4(CLIENT, SERVER, 64)
        .icmpv4(echo)
        .write(&mut ping, words)
        .unwrap();
    client.command(Command::Inject(ping)).await;
    let answer = client.packet().await;
    assert_eq!(answer[12..20], [SERVER, CLIENT].concat());
    assert_eq!(answer[20..22], [0, 0], "echo reply");
    assert!(answer.ends_with(words));
}

//! Two data planes that talk to each other.

mod batches;
mod control;
mod dhcp;
mod drops;
mod handed_over;
mod notices;
mod outbox;
mod packets;
mod properties;
mod segments;
mod serially;
mod truncation;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use esp::{Cipher, Integrity, Keys, Suite};
use wire::{Carrier, Instant, Path, PeerId, Ports};

use crate::{
    AddSession, Buffer, Config, DataPlane, Egress, Ingress, Network, Remote, SessionId, Update,
};

const PEER: PeerId = PeerId(1);
const SESSION: SessionId = SessionId(7);
const PORTS: Ports = Ports {
    local: 1701,
    remote: 1701,
};

/// Our inner address, the client's, and somebody's beyond us.
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 10, 1, 1);
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 10, 1, 2);
const WORLD: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 80);

const SERVER_SPI: u32 = 0x5e00_0101;
const CLIENT_SPI: u32 = 0xc100_0202;

const GCM: Suite = Suite::new(Cipher::AesGcm128, None);
const CBC: Suite = Suite::new(Cipher::AesCbc256, Some(Integrity::HmacSha1_96));

fn now() -> Instant {
    Instant::from_boot(Duration::from_secs(100))
}

/// The path as the server sees it.
fn path(carrier: Carrier) -> Path {
    let port = if carrier == Carrier::NatT { 4500 } else { 0 };
    Path {
        local: ([198, 51, 100, 1], port).into(),
        remote: ([203, 0, 113, 5], port).into(),
        carrier,
    }
}

fn reversed(path: Path) -> Path {
    Path {
        local: path.remote,
        remote: path.local,
        ..path
    }
}

fn keys(suite: Suite, seed: u8) -> Keys {
    let material = vec![seed; suite.key_lengths().total()];
    Keys::from_material(suite, &material).unwrap()
}

/// Key seeds of the two directions.
const TO_SERVER: u8 = 1;
const TO_CLIENT: u8 = 2;

fn session(peer: PeerId, session: SessionId, ids: [u16; 4]) -> AddSession {
    let [local_tunnel, local_session, remote_tunnel, remote_session] = ids;
    AddSession {
        session,
        peer,
        ports: PORTS,
        local_tunnel,
        local_session,
        remote_tunnel,
        remote_session,
        sequencing: false,
        length: false,
    }
}

fn network(remote: Remote) -> Network {
    Network {
        remote,
        gateway: Some(GATEWAY.into()),
        mtu: 1400,
        mru: 1400,
        acfc: false,
        pfc: false,
        ipv6: false,
        dhcp: None,
    }
}

fn apply(plane: &DataPlane, updates: impl IntoIterator<Item = Update>) {
    for update in updates {
        plane.apply(update).unwrap();
    }
}

/// Peer, both associations, session, network.
fn server_updates(suite: Suite, carrier: Carrier) -> Vec<Update> {
    vec![
        Update::AddPeer {
            peer: PEER,
            path: path(carrier),
            port: 1701,
        },
        Update::InstallInbound {
            spi: SERVER_SPI,
            peer: PEER,
            suite,
            keys: keys(suite, TO_SERVER),
            carrier,
        },
        Update::ActivateOutbound {
            peer: PEER,
            spi: CLIENT_SPI,
            suite,
            keys: keys(suite, TO_CLIENT),
        },
        Update::AddSession(session(PEER, SESSION, [10, 20, 30, 40])),
        Update::SetNetwork {
            session: SESSION,
            network: Some(network(Remote::Address(CLIENT.into()))),
        },
    ]
}

fn client_updates(suite: Suite, carrier: Carrier) -> Vec<Update> {
    vec![
        Update::AddPeer {
            peer: PEER,
            path: reversed(path(carrier)),
            port: 1701,
        },
        Update::InstallInbound {
            spi: CLIENT_SPI,
            peer: PEER,
            suite,
            keys: keys(suite, TO_CLIENT),
            carrier,
        },
        Update::ActivateOutbound {
            peer: PEER,
            spi: SERVER_SPI,
            suite,
            keys: keys(suite, TO_SERVER),
        },
        Update::AddSession(session(PEER, SESSION, [30, 40, 10, 20])),
        Update::SetNetwork {
            session: SESSION,
            network: Some(network(Remote::Any)),
        },
    ]
}

fn server(suite: Suite, carrier: Carrier) -> DataPlane {
    let plane = DataPlane::new(Config::for_peers(16));
    apply(&plane, server_updates(suite, carrier));
    plane
}

fn client(suite: Suite, carrier: Carrier) -> DataPlane {
    let plane = DataPlane::new(Config::for_peers(16));
    apply(&plane, client_updates(suite, carrier));
    plane
}

/// A UDP packet made by somebody else.
fn packet(source: Ipv4Addr, destination: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
    let builder =
        etherparse::PacketBuilder::ipv4(source.octets(), destination.octets(), 64).udp(5000, 53);
    let mut packet = Vec::new();
    builder.write(&mut packet, payload).unwrap();
    packet
}

fn buffer(packet: &[u8]) -> Buffer {
    let mut buffer = Buffer::with_capacity(packet.len().max(1500));
    buffer.load(packet).unwrap();
    buffer
}

/// Sends an IP packet and returns the ESP packet.
fn send(plane: &DataPlane, packet: &[u8]) -> Vec<u8> {
    let mut buffer = buffer(packet);
    match plane.egress(&mut buffer) {
        Egress::Sealed { .. } => buffer.packet().to_vec(),
        other => panic!("{other:?}"),
    }
}

/// Receives an ESP packet and returns the IP packet.
fn receive(plane: &DataPlane, path: Path, mut packet: Vec<u8>) -> Vec<u8> {
    match plane.ingress(now(), path, &mut packet) {
        Ingress::Ip { packet, .. } => packet.to_vec(),
        other => panic!("{other:?}"),
    }
}

/// Makes ESP packets for the server of suite GCM around anything, as nobody well-behaved would.
struct Forge {
    sealer: esp::Sealer,
    sequence: u32,
}

impl Forge {
    fn new() -> Self {
        let sealer = esp::Sealer::new(GCM, SERVER_SPI, &keys(GCM, TO_SERVER)).unwrap();
        Self {
            sealer,
            sequence: 0,
        }
    }

    fn esp(&mut self, next_header: u8, payload: &[u8]) -> Vec<u8> {
        self.sequence += 1;
        let mut bytes = vec![0; 64];
        bytes.extend(payload);
        bytes.extend([0; 64]);
        let place = 64..64 + payload.len();
        let range = self
            .sealer
            .seal(self.sequence, next_header, &mut bytes, place)
            .unwrap();
        bytes[range].to_vec()
    }

    fn l2tp(&mut self, message: &[u8]) -> Vec<u8> {
        let mut udp = crate::net::udp::header(1701, 1701, message.len())
            .unwrap()
            .to_vec();
        udp.extend(message);
        self.esp(17, &udp)
    }

    /// A PPP frame of the server's session.
    fn ppp(&mut self, frame: &[u8]) -> Vec<u8> {
        let mut message = vec![0, 2, 0, 10, 0, 20];
        message.extend(frame);
        self.l2tp(&message)
    }

    fn ip(&mut self, packet: &[u8]) -> Vec<u8> {
        let mut frame = vec![0xff, 3, 0, 0x21];
        frame.extend(packet);
        self.ppp(&frame)
    }
}

fn v4(address: Ipv4Addr) -> IpAddr {
    address.into()
}

//! The data plane between two ends: packets under a right SA with anything in them, and packets of the host's
//! for a client.

use std::net::Ipv4Addr;
use std::time::Duration;

use dataplane::net::ip::Header;
use dataplane::net::udp;
use dataplane::{
    AddSession, Buffer, Config, DataPlane, Dhcp, Egress, Ingress, Network, Remote, SessionId,
    Update,
};
use esp::{Cipher, Integrity, Keys, Sealer, Suite};
use wire::{Carrier, Instant, Path, PeerId, Ports};

use crate::input::Input;

const PEER: PeerId = PeerId(1);
const SESSION: SessionId = SessionId(7);
const PORTS: Ports = Ports {
    local: 1701,
    remote: 1701,
};
const SPIS: [u32; 2] = [0x5e00_0101, 0xc100_0202];
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 10, 1, 1);
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 10, 1, 2);
const MTU: u16 = 1_400;
/// What is sealed here is read by a server with this suite.
const SUITES: [Suite; 2] = [
    Suite::new(Cipher::AesGcm128, None),
    Suite::new(Cipher::AesCbc256, Some(Integrity::HmacSha1_96)),
];

fn keys(suite: Suite, end: usize) -> Keys {
    let material = vec![u8::from(end == 0) + 1; suite.key_lengths().total()];
    Keys::from_material(suite, &material).expect("enough for the keys")
}

fn path(end: usize) -> Path {
    let ends = [([198, 51, 100, 1], 4500), ([203, 0, 113, 5], 4500)];
    Path {
        local: ends[end].into(),
        remote: ends[1 - end].into(),
        carrier: Carrier::NatT,
    }
}

fn now() -> Instant {
    Instant::from_boot(Duration::from_secs(100))
}

/// One end: 0 is the server.
fn plane(suite: Suite, end: usize) -> DataPlane {
    let ids = [[10, 20, 30, 40], [30, 40, 10, 20]][end];
    let [local_tunnel, local_session, remote_tunnel, remote_session] = ids;
    let plane = DataPlane::new(Config::for_peers(4));
    let updates = [
        Update::AddPeer {
            peer: PEER,
            path: path(end),
            port: 1701,
        },
        Update::InstallInbound {
            spi: SPIS[end],
            peer: PEER,
            suite,
            keys: keys(suite, end),
            carrier: Carrier::NatT,
        },
        Update::ActivateOutbound {
            peer: PEER,
            spi: SPIS[1 - end],
            suite,
            keys: keys(suite, 1 - end),
        },
        Update::AddSession(AddSession {
            session: SESSION,
            peer: PEER,
            ports: PORTS,
            local_tunnel,
            local_session,
            remote_tunnel,
            remote_session,
            sequencing: false,
            length: false,
        }),
        Update::SetNetwork {
            session: SESSION,
            network: Some(Network {
                remote: match end {
                    0 => Remote::Address(CLIENT.into()),
                    _ => Remote::Any,
                },
                gateway: (end == 0).then_some(GATEWAY.into()),
                mtu: MTU,
                mru: MTU,
                acfc: false,
                pfc: false,
                ipv6: false,
                dhcp: (end == 0).then_some(Dhcp::Server),
            }),
        },
    ];
    for update in updates {
        plane.apply(update).expect("an update that can be made");
    }
    plane
}

/// What a client that is logged in puts under its SA, wrapped as often as the input says.
pub fn ingress(data: &[u8]) {
    let mut input = Input::new(data);
    let suite = input.choose(&SUITES);
    let server = plane(suite, 0);
    let sealer = Sealer::new(suite, SPIS[0], &keys(suite, 0)).expect("right keys");
    let mut sequence = 0;
    while !input.is_empty() {
        let kind = input.byte();
        let mut payload = input.bytes().to_vec();
        let mut next_header = 17;
        match kind & 7 {
            // In ESP, whatever protocol it is.
            0 => next_header = input.byte(),
            1 => {}
            // In UDP, in L2TP, in PPP, in IP.
            2 => payload = in_udp(&payload),
            3 | 4 => payload = in_udp(&in_l2tp(&payload)),
            _ => {
                own_source(&mut payload);
                let frame = [&[0xff, 3, 0, 0x21][..], &payload].concat();
                payload = in_udp(&in_l2tp(&frame));
            }
        }
        sequence += match kind >> 3 {
            // Now and then it comes twice, or the window jumps.
            0 => 0,
            1 => 5_000,
            _ => 1,
        };
        let mut packet = sealed(&sealer, sequence.max(1), next_header, &payload);
        let length = packet.len();
        match server.ingress(now(), path(0), &mut packet) {
            Ingress::Ip { session, packet } => {
                assert_eq!(session, SESSION);
                let header = Header::parse(packet).expect("an IP packet");
                assert_eq!(header.source, std::net::IpAddr::from(CLIENT));
                assert_eq!(header.total_len, packet.len());
            }
            Ingress::Control { message, .. } => assert!(message.len() < length),
            Ingress::Ppp { frame, .. } => assert!(frame.len() < length),
            Ingress::Dhcp { message, .. } => assert!(message.len() < length),
            Ingress::Stray { message, .. } => assert!(message.len() < length),
            Ingress::Dropped(_) => {}
        }
    }
}

fn in_udp(message: &[u8]) -> Vec<u8> {
    let header = udp::header(1701, 1701, message.len()).expect("a short message");
    [&header, message].concat()
}

fn in_l2tp(frame: &[u8]) -> Vec<u8> {
    [&[0, 2, 0, 10, 0, 20][..], frame].concat()
}

/// A packet that says it comes from the client gets further.
fn own_source(packet: &mut [u8]) {
    if packet.first().is_some_and(|first| first >> 4 == 4)
        && let Some(source) = packet.get_mut(12..16)
    {
        source.copy_from_slice(&CLIENT.octets());
    }
}

fn sealed(sealer: &Sealer, sequence: u32, next_header: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; esp::MAX_HEADROOM];
    bytes.extend(payload);
    bytes.resize(bytes.len() + esp::MAX_TAILROOM, 0);
    let place = esp::MAX_HEADROOM..esp::MAX_HEADROOM + payload.len();
    let sealed = sealer
        .seal(sequence, next_header, &mut bytes, place)
        .expect("room enough");
    bytes[sealed].to_vec()
}

/// A packet of the host's for the client: it arrives as it was, or in fragments that make it up, or the
/// sender is told why not.
pub fn egress(data: &[u8]) {
    let mut input = Input::new(data);
    let suite = input.choose(&SUITES);
    let mut packet = input.rest().to_vec();
    if packet.first().is_some_and(|first| first >> 4 == 4)
        && let Some(destination) = packet.get_mut(16..20)
    {
        destination.copy_from_slice(&CLIENT.octets());
    }
    let (server, client) = (plane(suite, 0), plane(suite, 1));
    let mut buffer = Buffer::with_capacity(packet.len().max(1_500));
    buffer.load(&packet).expect("a buffer of that size");
    match server.egress(&mut buffer) {
        Egress::Sealed { .. } => {
            let arrived = received(&client, &buffer);
            // The MSS of a SYN may have been clamped, and the checksum with it.
            let header = Header::parse(&packet).expect("what was sent is IP");
            assert_eq!(arrived.len(), header.total_len);
            assert!(arrived.len() <= usize::from(MTU));
            if header.protocol != 6 {
                assert_eq!(arrived, packet[..header.total_len]);
            }
        }
        Egress::Fragments(mut fragments) => {
            let header = Header::parse(&packet).expect("what was sent is IP");
            let mut piece = Buffer::with_capacity(1_500);
            let mut payload: Vec<u8> = Vec::new();
            let source = buffer;
            while let Some(outcome) = server.egress_fragment(&mut fragments, &source, &mut piece) {
                assert!(matches!(outcome, Egress::Sealed { .. }), "{outcome:?}");
                let arrived = received(&client, &piece);
                assert!(arrived.len() <= usize::from(MTU));
                let fragment = Header::parse(&arrived).expect("a fragment is IP");
                let at = fragment.fragment_offset - header.fragment_offset;
                assert_eq!(at, payload.len());
                payload.extend(&arrived[fragment.header_len..]);
            }
            assert_eq!(payload, packet[header.header_len..header.total_len]);
        }
        Egress::Reply => {
            Header::parse(buffer.packet()).expect("what the sender is told is IP");
        }
        Egress::Dropped(_) => {}
    }
}

fn received(client: &DataPlane, buffer: &Buffer) -> Vec<u8> {
    let mut packet = buffer.packet().to_vec();
    match client.ingress(now(), path(1), &mut packet) {
        Ingress::Ip { packet, .. } => packet.to_vec(),
        other => panic!("{other:?}"),
    }
}

//! What leaves in batches is what leaves one by one: the same packets with the same numbers.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use esp::Opener;
use etherparse::NetHeaders;
use proptest::prelude::*;

use super::outbox::{Left, leave};
use super::segments::{Whole, super_packets};
use super::*;
use crate::DropReason;
use crate::offload::VnetHeader;

/// More than there are places for. The first half has IPv4 addresses inside.
const PEERS: u64 = 24;

const SUITES: [Suite; 4] = [
    CBC,
    GCM,
    Suite::new(Cipher::AesCbc128, Some(Integrity::HmacSha256_128)),
    Suite::new(Cipher::TripleDesCbc, Some(Integrity::HmacMd5_96)),
];

fn suite(peer: u64) -> Suite {
    SUITES[peer as usize % SUITES.len()]
}

fn address(peer: u64) -> IpAddr {
    if peer < PEERS / 2 {
        Ipv4Addr::new(10, 10, 2, peer as u8).into()
    } else {
        Ipv6Addr::from(0x2001_0db8_u128 << 96 | u128::from(peer)).into()
    }
}

fn plane() -> DataPlane {
    let plane = DataPlane::new(Config::for_peers(PEERS as usize));
    for peer in 0..PEERS {
        let bit = |bit: u32| peer & (1 << bit) != 0;
        let carrier = if bit(2) { Carrier::Raw } else { Carrier::NatT };
        let link = AddSession {
            sequencing: bit(3),
            length: bit(0),
            ..session(PeerId(peer), SessionId(peer), [1, 2, 3, 4])
        };
        let network = Network {
            mtu: if bit(1) { 1400 } else { 1280 },
            acfc: bit(2),
            pfc: bit(1),
            ipv6: true,
            ..network(Remote::Address(address(peer)))
        };
        let updates = [
            Update::AddPeer {
                peer: PeerId(peer),
                path: path(carrier),
                port: 1701,
            },
            Update::ActivateOutbound {
                peer: PeerId(peer),
                spi: 1000 + peer as u32,
                suite: suite(peer),
                keys: keys(suite(peer), peer as u8),
            },
            Update::AddSession(link),
            Update::SetNetwork {
                session: SessionId(peer),
                network: Some(network),
            },
        ];
        apply(&plane, updates);
    }
    plane
}

/// Gives it another destination.
fn towards(mut whole: Whole, peer: u64) -> Whole {
    let peer = peer % (PEERS / 2);
    match (&mut whole.net, address(peer), address(peer + PEERS / 2)) {
        (NetHeaders::Ipv4(ip, _), IpAddr::V4(address), _) => ip.destination = address.octets(),
        (NetHeaders::Ipv6(ip, _), _, IpAddr::V6(address)) => ip.destination = address.octets(),
        _ => unreachable!(),
    }
    whole
}

/// An ESP packet and whose it is.
type Sealed = (PeerId, Vec<u8>);

/// What a host without offload would have sent, one by one; until it is told that a packet is too
/// long, as are the others then.
fn serially(plane: &DataPlane, packets: &[Vec<u8>]) -> (Vec<Sealed>, Vec<Vec<u8>>) {
    let (mut sent, mut replies) = (Vec::new(), Vec::new());
    let mut piece = Buffer::default();
    for packet in packets {
        let mut buffer = buffer(packet);
        match plane.egress(&mut buffer) {
            Egress::Sealed { peer, .. } => sent.push((peer, buffer.packet().to_vec())),
            Egress::Reply => {
                replies.push(buffer.packet().to_vec());
                break;
            }
            Egress::Fragments(mut fragments) => {
                while let Some(egress) = plane.egress_fragment(&mut fragments, &buffer, &mut piece)
                {
                    let Egress::Sealed { peer, .. } = egress else {
                        panic!("{egress:?}")
                    };
                    sent.push((peer, piece.packet().to_vec()));
                }
            }
            Egress::Dropped(reason) => {
                assert_eq!(reason, DropReason::TooBig);
                break;
            }
        }
    }
    (sent, replies)
}

fn by_peer(packets: impl IntoIterator<Item = Sealed>) -> BTreeMap<PeerId, Vec<Vec<u8>>> {
    let mut all = BTreeMap::<_, Vec<_>>::new();
    for (peer, packet) in packets {
        all.entry(peer).or_default().push(packet);
    }
    all
}

/// Each has a run of its own while there are places; then it is the oldest that departs.
#[test]
fn as_many_runs_as_places() {
    for (peers, expected) in [
        (8, vec![(0, 3), (1, 3), (2, 3), (7, 3)]),
        // The ninth takes the place of the first, that of the second, and so on.
        (9, vec![(0, 1), (1, 1), (2, 1), (8, 1)]),
    ] {
        let handed: Vec<_> = (0..3 * peers)
            .map(|number| match address(number % peers) {
                IpAddr::V4(address) => (VnetHeader::PLAIN, packet(WORLD, address, b"hello")),
                IpAddr::V6(_) => unreachable!(),
            })
            .collect();
        let (left, _) = leave(&plane(), &handed);
        let runs: Vec<_> = left
            .iter()
            .map(|left| (left.peer.0, left.packets.len()))
            .collect();
        assert_eq!(runs[..3], expected[..3]);
        assert_eq!(runs.last(), expected.last());
        assert_eq!(left.len() as u64, if peers == 8 { 8 } else { 27 });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn in_batches_as_one_by_one(
        // A packet several times: who comes behind another like it is not looked up again.
        journeys in proptest::collection::vec(
            (super_packets(), 0..PEERS, any::<bool>(), 1..4_usize),
            0..40,
        ),
    ) {
        let (singly, together) = (plane(), plane());
        let (mut handed, mut expected, mut answers) = (Vec::new(), Vec::new(), Vec::new());
        for ((whole, segment), peer, cut, times) in journeys {
            let mut whole = towards(whole, peer);
            let segment = if cut { segment } else { 0 };
            whole.payload.truncate(if cut { usize::MAX } else { 1500 });
            let header = whole.header(segment);
            let packets = if cut { whole.cut(segment) } else { vec![whole.bytes()] };
            for _ in 0..times {
                handed.push((header, whole.handed_over()));
                let (sent, replies) = serially(&singly, &packets);
                expected.extend(sent);
                answers.extend(replies);
            }
        }
        let (left, replies) = leave(&together, &handed);
        let packets = |left: Left| left.packets.into_iter().map(move |packet| (left.peer, packet));
        let got = by_peer(left.into_iter().flat_map(packets));
        for (peer, packets) in &got {
            let opener = Opener::new(suite(peer.0), &keys(suite(peer.0), peer.0 as u8)).unwrap();
            for (number, packet) in (1..).zip(packets) {
                let opened = opener.open(&mut packet.clone()).unwrap();
                prop_assert_eq!(opened.sequence, number);
            }
        }
        prop_assert!(got == by_peer(expected));
        prop_assert!(replies == answers);
        prop_assert!(singly.drops().eq(together.drops()));
        for peer in 0..PEERS {
            let spi = 1000 + peer as u32;
            let usage = |plane: &DataPlane| (
                plane.session_usage(SessionId(peer)),
                plane.outbound_usage(PeerId(peer), spi),
            );
            prop_assert_eq!(usage(&singly), usage(&together));
        }
    }

    #[test]
    fn any_header_and_any_bytes(
        handed in proptest::collection::vec(
            (any::<[u8; VnetHeader::LEN]>(), super_packets(), 0..PEERS, any::<(u16, u8)>()),
            0..10,
        ),
    ) {
        let plane = plane();
        let handed: Vec<_> = handed
            .into_iter()
            .filter_map(|(header, (whole, segment), peer, (at, value))| {
                let whole = towards(whole, peer);
                let mut bytes = whole.handed_over();
                // One wrong thing in a right packet gets further than noise does.
                let front = bytes.len().min(90);
                bytes[usize::from(at) % front] = value;
                let header = match at % 3 {
                    0 => whole.header(segment),
                    1 => VnetHeader { segment: at, ..whole.header(segment) },
                    _ => VnetHeader::parse(header).ok()?,
                };
                Some((header, bytes))
            })
            .collect();
        leave(&plane, &handed);
    }
}

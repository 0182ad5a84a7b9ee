//! Packets on their way out, many at a time.

use std::sync::Arc;

use etherparse::{IpNumber, Ipv4Header, NetHeaders, TcpHeader, TransportHeader};

use super::segments::{Whole, noise};
use super::*;
use crate::offload::VnetHeader;
use crate::sa::OutboundSa;
use crate::{Departure, DropReason, Notice, Outbox};

/// A departure, kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) peer: PeerId,
    path: Path,
    pub(super) packets: Vec<Vec<u8>>,
}

impl Left {
    fn new(departure: Departure<'_>) -> Self {
        let packets: Vec<_> = departure.packets().map(<[u8]>::to_vec).collect();
        let (last, others) = packets.split_last().unwrap();
        assert!(
            others
                .iter()
                .all(|packet| packet.len() == departure.segment)
        );
        assert!(!last.is_empty() && last.len() <= departure.segment);
        assert!(packets.len() <= 64);
        assert!(packets.len() == 1 || departure.bytes.len() <= 65_499);
        Self {
            peer: departure.peer,
            path: departure.path,
            packets,
        }
    }
}

/// Sends one after another out, then flushes; what leaves, and what is answered.
pub(super) fn leave(
    plane: &DataPlane,
    handed: &[(VnetHeader, Vec<u8>)],
) -> (Vec<Left>, Vec<Vec<u8>>) {
    let (mut left, mut replies) = (Vec::new(), Vec::new());
    let mut outbox = Outbox::new();
    let mut send = |departure: Departure<'_>| left.push(Left::new(departure));
    let mut reply = |packet: &[u8]| replies.push(packet.to_vec());
    for (header, packet) in handed {
        let mut packet = packet.clone();
        plane.egress_batch(*header, &mut packet, &mut outbox, &mut send, &mut reply);
    }
    plane.flush(&mut outbox, &mut send);
    assert!(outbox.is_empty());
    (left, replies)
}

/// TCP to the client, of which no segment is longer than 1400 bytes when it is cut at 1348.
fn bulk(payload: usize) -> Whole {
    let (source, destination) = (WORLD.octets(), CLIENT.octets());
    let mut ip = Ipv4Header::new(0, 64, IpNumber::TCP, source, destination).unwrap();
    (ip.dont_fragment, ip.identification) = (true, 0xfff0);
    let mut tcp = TcpHeader::new(443, 50_000, 0xffff_ff00, 8000);
    tcp.set_options_raw(&[1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8])
        .unwrap();
    (tcp.ack, tcp.psh) = (true, true);
    Whole {
        net: NetHeaders::Ipv4(ip, Default::default()),
        transport: TransportHeader::Tcp(tcp),
        payload: noise(1).take(payload).collect(),
    }
}

/// A packet of the host for somebody, whole.
fn plain(source: Ipv4Addr, destination: Ipv4Addr, len: usize) -> (VnetHeader, Vec<u8>) {
    let payload = vec![5; len - 28];
    (VnetHeader::PLAIN, packet(source, destination, &payload))
}

/// What the client gets.
fn arrived(client: &DataPlane, left: Vec<Left>) -> Vec<Vec<u8>> {
    let packets = left.into_iter().flat_map(|left| left.packets);
    packets
        .map(|packet| receive(client, reversed(path(Carrier::NatT)), packet))
        .collect()
}

fn sequence(esp: &[u8]) -> u32 {
    esp::peek(esp).unwrap().1
}

#[test]
fn a_super_packet_leaves_as_few_messages() {
    for (suite, expected) in [(GCM, [45, 3]), (CBC, [44, 4])] {
        let (client, server) = (client(suite, Carrier::NatT), server(suite, Carrier::NatT));
        let whole = bulk(48 * 1348);
        let (left, replies) = leave(&server, &[(whole.header(1348), whole.handed_over())]);
        assert!(replies.is_empty());
        let counts: Vec<_> = left.iter().map(|left| left.packets.len()).collect();
        assert_eq!(counts, expected, "{suite}");
        assert!(arrived(&client, left) == whole.cut(1348));
    }
}

/// Groups are of one length and a shorter one, and at most 64.
#[test]
fn mixed_sizes_leave_in_order() {
    let (client, server) = (client(CBC, Carrier::NatT), server(CBC, Carrier::NatT));
    let sizes = [200, 200, 100, 100, 100, 300, 60, 60, 1400, 1400];
    let many = [40; 130];
    let handed: Vec<_> = sizes
        .into_iter()
        .chain(many)
        .map(|size| plain(WORLD, CLIENT, size))
        .collect();
    let (left, _) = leave(&server, &handed);
    let counts: Vec<_> = left.iter().map(|left| left.packets.len()).collect();
    // 128 packets are one run: 10 and 118 of the many.
    assert_eq!(counts, [3, 2, 2, 1, 3, 64, 53, 12]);
    let expected: Vec<_> = handed.into_iter().map(|(_, packet)| packet).collect();
    assert_eq!(arrived(&client, left), expected);
}

/// What is left of the numbers is used, and the rest is counted.
#[test]
fn numbers_that_end_in_the_middle_of_a_batch() {
    let server = server(CBC, Carrier::NatT);
    let exhausted = OutboundSa {
        sequence: esp::SequenceCounter::resume(u64::from(u32::MAX) - 20),
        ..OutboundSa::new(esp::Sealer::new(CBC, CLIENT_SPI, &keys(CBC, TO_CLIENT)).unwrap())
    };
    server
        .by_peer
        .with(PEER, |peer| peer.outbound.store(Some(Arc::new(exhausted))));
    let whole = bulk(48 * 1348);
    let (left, _) = leave(&server, &[(whole.header(1348), whole.handed_over())]);
    let numbers: Vec<_> = left
        .iter()
        .flat_map(|left| left.packets.iter().map(|packet| sequence(packet)))
        .collect();
    assert_eq!(numbers, (u32::MAX - 19..=u32::MAX).collect::<Vec<_>>());
    assert_eq!(server.dropped(DropReason::SequenceExhausted), 28);
    let sent = server.session_usage(SESSION).unwrap().sent;
    assert_eq!((sent.packets, sent.bytes), (20, 20 * 1400));
    let (left, _) = leave(&server, &[(whole.header(1348), whole.handed_over())]);
    assert_eq!(left, []);
    assert_eq!(server.dropped(DropReason::SequenceExhausted), 28 + 48);
    let low = Notice::SequenceLow {
        peer: PEER,
        spi: CLIENT_SPI,
    };
    assert!(server.notices().contains(&low));
}

/// What waits leaves under the association that was the newest when it came, before what came
/// under the next.
#[test]
fn an_association_that_is_replaced_meanwhile() {
    const NEXT_SPI: u32 = CLIENT_SPI + 1;
    let (client, server) = (client(GCM, Carrier::NatT), server(GCM, Carrier::NatT));
    let install = Update::InstallInbound {
        spi: NEXT_SPI,
        peer: PEER,
        suite: GCM,
        keys: keys(GCM, 9),
        carrier: Carrier::NatT,
    };
    apply(&client, [install]);
    let mut left = Vec::new();
    let mut outbox = Outbox::new();
    let mut send = |departure: Departure<'_>| left.push(Left::new(departure));
    let mut push = |outbox: &mut Outbox, mark: u8| {
        let mut packet = packet(WORLD, CLIENT, &[mark; 100]);
        server.egress_batch(
            VnetHeader::PLAIN,
            &mut packet,
            outbox,
            &mut send,
            &mut |_| (),
        );
    };
    push(&mut outbox, 1);
    push(&mut outbox, 2);
    let activate = Update::ActivateOutbound {
        peer: PEER,
        spi: NEXT_SPI,
        suite: GCM,
        keys: keys(GCM, 9),
    };
    apply(&server, [activate]);
    push(&mut outbox, 3);
    let gone = [CLIENT_SPI, NEXT_SPI].map(|spi| Update::RemoveOutbound { peer: PEER, spi });
    apply(&server, gone);
    push(&mut outbox, 4);
    server.flush(&mut outbox, &mut send);
    let spis: Vec<_> = left
        .iter()
        .flat_map(|left| &left.packets)
        .map(|packet| esp::peek(packet).unwrap())
        .collect();
    assert_eq!(spis, [(CLIENT_SPI, 1), (CLIENT_SPI, 2), (NEXT_SPI, 1)]);
    let expected = [1, 2, 3].map(|mark| packet(WORLD, CLIENT, &[mark; 100]));
    assert_eq!(arrived(&client, left), expected);
    assert_eq!(server.dropped(DropReason::NoOutboundSa), 1);
}

#[test]
fn a_peer_that_moves_meanwhile() {
    let server = server(GCM, Carrier::NatT);
    let mut left = Vec::new();
    let mut outbox = Outbox::new();
    let mut send = |departure: Departure<'_>| left.push(Left::new(departure));
    let elsewhere = Path {
        remote: ([203, 0, 113, 77], 61_000).into(),
        ..path(Carrier::NatT)
    };
    for _ in 0..2 {
        let mut packet = packet(WORLD, CLIENT, b"hello");
        let header = VnetHeader::PLAIN;
        server.egress_batch(header, &mut packet, &mut outbox, &mut send, &mut |_| ());
        let path = elsewhere;
        apply(&server, [Update::MovePeer { peer: PEER, path }]);
    }
    server.flush(&mut outbox, &mut send);
    let paths: Vec<_> = left.iter().map(|left| left.path).collect();
    assert_eq!(paths, [path(Carrier::NatT), elsewhere]);
}

/// Packets that are alike follow one another without being looked up, but not past a change.
#[test]
fn a_session_that_goes_meanwhile() {
    let (client, server) = (client(GCM, Carrier::NatT), server(GCM, Carrier::NatT));
    let mut left = Vec::new();
    let mut outbox = Outbox::new();
    let mut send = |departure: Departure<'_>| left.push(Left::new(departure));
    let alike = |mark| packet(WORLD, CLIENT, &[mark; 100]);
    for mark in 0..6 {
        if mark == 4 {
            let session = SESSION;
            apply(&server, [Update::RemoveSession { session }]);
        }
        let header = VnetHeader::PLAIN;
        server.egress_batch(
            header,
            &mut alike(mark),
            &mut outbox,
            &mut send,
            &mut |_| (),
        );
    }
    server.flush(&mut outbox, &mut send);
    let counts: Vec<_> = left.iter().map(|left| left.packets.len()).collect();
    assert_eq!(counts, [4]);
    assert_eq!(arrived(&client, left), [0, 1, 2, 3].map(alike));
    assert_eq!(server.dropped(DropReason::NoSession), 2);
}

/// A client behind which the host sends a packet back to another.
#[test]
fn what_goes_nowhere_is_counted_once() {
    let isolated = Config {
        isolate_clients: true,
        ..Config::for_peers(16)
    };
    let plane = DataPlane::new(isolated);
    apply(&plane, server_updates(GCM, Carrier::NatT));
    let mut returned = bulk(4000);
    if let NetHeaders::Ipv4(ip, _) = &mut returned.net {
        ip.source = CLIENT.octets();
    }
    let mut to_nobody = bulk(4000);
    if let NetHeaders::Ipv4(ip, _) = &mut to_nobody.net {
        ip.destination = WORLD.octets();
    }
    let handed = [&returned, &to_nobody].map(|it| (it.header(1348), it.handed_over()));
    assert_eq!(leave(&plane, &handed), (vec![], vec![]));
    assert_eq!(plane.dropped(DropReason::ClientIsolation), 1);
    assert_eq!(plane.dropped(DropReason::NoSession), 1);
}

/// The sender learns of it once, by an answer to the first segment.
#[test]
fn a_super_packet_of_segments_that_are_too_long() {
    let server = server(CBC, Carrier::NatT);
    let whole = bulk(20_000);
    let (left, replies) = leave(&server, &[(whole.header(1349), whole.handed_over())]);
    assert_eq!(left, []);
    let [reply] = &replies[..] else {
        panic!("{} answers", replies.len())
    };
    assert_eq!(reply[20..22], [3, 4]);
    assert_eq!(reply[26..28], 1400_u16.to_be_bytes());
    assert_eq!(reply[28..], whole.cut(1349)[0][..reply.len() - 28]);
    assert_eq!(server.dropped(DropReason::TooBig), 1);
}

/// A peer that cuts SHA-256 to 96 bits, of which that is learnt while a packet waits.
#[test]
fn a_peer_that_truncates() {
    const FULL: Suite = Suite::new(Cipher::AesCbc256, Some(Integrity::HmacSha256_128));
    const CUT: Suite = Suite::new(Cipher::AesCbc256, Some(Integrity::HmacSha256_96));
    let (server, phone) = (server(FULL, Carrier::NatT), client(CUT, Carrier::NatT));
    let follow = Update::FollowTruncation {
        peer: PEER,
        spi: CLIENT_SPI,
        inbound: SERVER_SPI,
    };
    let detect = Update::DetectTruncation { spi: SERVER_SPI };
    apply(&server, [detect, follow]);
    let mut left = Vec::new();
    let mut outbox = Outbox::new();
    let first = send(&phone, &packet(CLIENT, WORLD, b"hello"));
    let mut send = |departure: Departure<'_>| left.push(Left::new(departure));
    let mut early = packet(WORLD, CLIENT, &[1; 100]);
    let header = VnetHeader::PLAIN;
    server.egress_batch(header, &mut early, &mut outbox, &mut send, &mut |_| ());
    receive(&server, path(Carrier::NatT), first);
    let whole = bulk(10_000);
    let mut late = whole.handed_over();
    let header = whole.header(1348);
    server.egress_batch(header, &mut late, &mut outbox, &mut send, &mut |_| ());
    server.flush(&mut outbox, &mut send);
    let early = left.remove(0);
    let payload = |packet: usize| packet + 4 + 6 + 8;
    assert_eq!(early.packets[0].len(), FULL.sealed_len(payload(128)));
    assert_eq!(left[0].packets[0].len(), CUT.sealed_len(payload(1400)));
    assert_eq!(sequence(&left[0].packets[0]), 2);
    assert!(arrived(&phone, left) == whole.cut(1348));
}

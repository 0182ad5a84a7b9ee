//! Packets on their way out, many at a time.

use etherparse::{IpNumber, Ipv4Header, NetHeaders, TcpHeader, TransportHeader};

use super::segments::{Whole, noise};
use super::*;
use crate::offload::VnetHeader;
use crate::{Departure, Outbox};

/// A departure, kept.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Left {
    peer: PeerId,
    path: Path,
    packets: Vec<Vec<u8>>,
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
fn leave(plane: &DataPlane, handed: &[(VnetHeader, Vec<u8>)]) -> (Vec<Left>, Vec<Vec<u8>>) {
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

/// What the client gets.
fn arrived(client: &DataPlane, left: Vec<Left>) -> Vec<Vec<u8>> {
    let packets = left.into_iter().flat_map(|left| left.packets);
    packets
        .map(|packet| receive(client, reversed(path(Carrier::NatT)), packet))
        .collect()
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

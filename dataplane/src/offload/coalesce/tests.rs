//! Against a plain model of the other direction: what is put together is cut again, and compared.

mod captures;
mod differential;
mod model;
mod rules;
mod streams;

use std::collections::BTreeMap;

use super::{Coalescer, Delivery, Mergeable};
use crate::session::SessionId;

/// What the host got in one piece.
struct Piece {
    session: Option<SessionId>,
    /// How many it stands for, as we say.
    packets: usize,
    /// The header as it is written.
    header: [u8; 10],
    packet: Vec<u8>,
}

/// All that comes out of one round.
fn round<'a>(
    coalescer: &mut Coalescer<'a>,
    packets: impl IntoIterator<Item = (Option<SessionId>, &'a mut [u8])>,
) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut write = |delivery: Delivery<'_>| {
        let [header, packet @ ..] = delivery.with_header() else {
            panic!("nothing to write")
        };
        assert_eq!(header[..], delivery.header.encode());
        assert_eq!(delivery.packet().len(), packet.len());
        pieces.push(Piece {
            session: delivery.session,
            packets: delivery.packets,
            header: delivery.header.encode(),
            packet: packet.iter().flat_map(|slice| slice.to_vec()).collect(),
        });
    };
    for (session, packet) in packets {
        coalescer.push(session, packet, &mut write);
    }
    coalescer.flush(&mut write);
    pieces
}

/// One round of packets that came through no session in particular.
fn merged(mergeable: Mergeable, packets: &[Vec<u8>]) -> Vec<Piece> {
    let mut packets = packets.to_vec();
    let packets = packets.iter_mut().map(|packet| (None, &mut packet[..]));
    round(&mut Coalescer::new(mergeable), packets)
}

/// How many packets are in each piece, where all that is mergeable may merge.
fn counts(packets: &[Vec<u8>]) -> Vec<usize> {
    let pieces = merged(Mergeable::TcpAndUdp, packets);
    let mut out = cut_again(&pieces);
    let mut expected = canonical(packets);
    out.sort();
    expected.sort();
    assert_eq!(out, expected);
    pieces.iter().map(|piece| piece.packets).collect()
}

/// All pieces cut again, as far as they mean something.
fn cut_again(pieces: &[Piece]) -> Vec<Vec<u8>> {
    let cut = pieces.iter().flat_map(|piece| {
        let cut = model::cut(piece.header, &piece.packet);
        assert_eq!(cut.len(), piece.packets);
        cut
    });
    cut.map(model::canonical).collect()
}

/// Packets, as far as they mean something.
fn canonical(packets: &[Vec<u8>]) -> Vec<Vec<u8>> {
    packets.iter().cloned().map(model::canonical).collect()
}

/// Session, protocol, addresses and ports.
type Flow = (Option<SessionId>, Vec<u8>);

/// The packets of each flow in their order. What has no flow, because its length is wrong, is
/// under an empty one, sorted.
fn by_flow(
    packets: impl Iterator<Item = (Option<SessionId>, Vec<u8>)>,
) -> BTreeMap<Flow, Vec<Vec<u8>>> {
    let mut flows: BTreeMap<Flow, Vec<Vec<u8>>> = BTreeMap::new();
    for (session, packet) in packets {
        let is_long = |len: usize| packet.len() == len && len > 44;
        let word = |at: usize| usize::from(model::word(&packet, at));
        let flow = match packet[0] {
            0x45 if is_long(word(2)) => [&packet[9..10], &packet[12..24]].concat(),
            0x60..0x70 if is_long(word(4) + 40) => [&packet[6..7], &packet[8..44]].concat(),
            _ => vec![],
        };
        flows.entry((session, flow)).or_default().push(packet);
    }
    for (flow, packets) in &mut flows {
        if flow.1.is_empty() {
            packets.sort();
        }
    }
    flows
}

fn flows_of(pieces: &[Piece]) -> BTreeMap<Flow, Vec<Vec<u8>>> {
    let cut = pieces.iter().flat_map(|piece| {
        let packets = cut_again(std::slice::from_ref(piece));
        packets.into_iter().map(|packet| (piece.session, packet))
    });
    by_flow(cut)
}

//! Against a plain model of the other direction: what is put together is cut again, and compared.

mod model;
mod rules;

use super::{Coalescer, Mergeable};
use crate::session::SessionId;

/// What went to the host: the session, how many packets it stands for, the header, the packet.
type Piece = (Option<SessionId>, usize, [u8; 10], Vec<u8>);

/// All that comes out of one round.
fn round<'a>(
    coalescer: &mut Coalescer<'a>,
    packets: impl IntoIterator<Item = (Option<SessionId>, &'a mut [u8])>,
) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut write = |delivery: super::Delivery<'_>| {
        let [header, packet @ ..] = delivery.with_header() else {
            panic!("nothing to write")
        };
        assert_eq!(delivery.packet().len(), packet.len());
        let header: [u8; 10] = header[..].try_into().unwrap();
        assert_eq!(header, delivery.header.encode());
        let packet = packet.iter().flat_map(|slice| slice.to_vec()).collect();
        pieces.push((delivery.session, delivery.packets, header, packet));
    };
    for (session, packet) in packets {
        coalescer.push(session, packet, &mut write);
    }
    coalescer.flush(&mut write);
    pieces
}

/// One round of packets that all came through no session in particular.
fn merged(mergeable: Mergeable, packets: &[Vec<u8>]) -> Vec<Piece> {
    let mut packets = packets.to_vec();
    let packets = packets.iter_mut().map(|packet| (None, &mut packet[..]));
    round(&mut Coalescer::new(mergeable), packets)
}

/// How many packets are in each piece that comes out.
fn counts(packets: &[Vec<u8>]) -> Vec<usize> {
    let pieces = merged(Mergeable::TcpAndUdp, packets);
    pieces.into_iter().map(|(_, packets, ..)| packets).collect()
}

/// The packets, as far as they mean something.
fn canonical(packets: &[Vec<u8>]) -> Vec<Vec<u8>> {
    packets.iter().cloned().map(model::canonical).collect()
}

/// All pieces cut again: what came in, as far as it means something.
fn cut_again(pieces: &[Piece]) -> Vec<Vec<u8>> {
    let cut = pieces.iter().flat_map(|(_, count, header, packet)| {
        let cut = model::cut(*header, packet);
        assert_eq!(cut.len(), *count);
        cut
    });
    cut.map(model::canonical).collect()
}

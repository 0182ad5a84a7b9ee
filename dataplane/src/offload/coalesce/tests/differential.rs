//! There and back: what the host hands over is cut by [`Segments`] at one end, put together at the
//! other, and cut again, by the code of this crate and by the model.

use proptest::prelude::*;
use proptest::sample::select;

use super::model::{ACK, FIN, PSH, Packet};
use super::*;
use crate::offload::{Segments, VnetHeader};

/// A super-packet that a host sends: of which flow, in segments how long, how many, how long the
/// last one.
fn whole() -> impl Strategy<Value = (usize, usize, usize, usize, u8)> {
    let segment = select(vec![1_usize, 64, 100, 536, 1348]);
    let flags = select(vec![ACK, ACK | PSH, ACK | FIN]);
    (segment, flags).prop_flat_map(|(segment, flags)| {
        let most = (60_000 / segment).min(63);
        (
            0..4_usize,
            Just(segment),
            1..=most,
            1..=segment,
            Just(flags),
        )
    })
}

fn cut_by_segments(header: [u8; 10], packet: &[u8]) -> Vec<Vec<u8>> {
    let mut packet = packet.to_vec();
    let header = VnetHeader::parse(header).unwrap();
    let mut segments = Segments::new(header, &mut packet).unwrap();
    let mut out = Vec::new();
    while let Some(len) = segments.next_len() {
        let mut room = vec![0; len];
        assert_eq!(segments.next_into(&mut room), Some(len));
        out.push(room);
    }
    out
}

proptest! {
    #[test]
    fn cut_merged_and_cut_again(steps in proptest::collection::vec(whole(), 1..20)) {
        let v6 = |packet: &mut Packet| packet.v6 = true;
        let (tcp, udp) = (Packet::tcp(0), Packet::udp(0));
        let cuttable = udp.with(|packet| (packet.df, packet.ports.0) = (false, 9));
        let mut senders = [tcp.with(v6), udp.with(v6), tcp, cuttable];
        let mut on_the_wire = Vec::new();
        for (sender, segment, full, last, flags) in steps {
            let sender = &mut senders[sender];
            *sender = sender.next(full * segment + last);
            sender.flags = flags;
            let (header, packet) = sender.handed_over(segment);
            let cut = cut_by_segments(header, &packet);
            prop_assert!(cut == model::cut(header, &packet));
            sender.id = sender.id.wrapping_add(full as u16);
            on_the_wire.extend(cut);
        }
        let sent = by_flow(canonical(&on_the_wire).into_iter().map(|packet| (None, packet)));
        for mergeable in [Mergeable::TcpAndUdp, Mergeable::Tcp, Mergeable::Nothing] {
            let pieces = merged(mergeable, &on_the_wire);
            prop_assert!(flows_of(&pieces) == sent);
            let again = pieces.iter().flat_map(|piece| cut_by_segments(piece.header, &piece.packet));
            let again = again.map(|packet| (None, model::canonical(packet)));
            prop_assert!(by_flow(again) == sent);
            if mergeable == Mergeable::Nothing {
                let packets: Vec<_> = pieces.into_iter().map(|piece| piece.packet).collect();
                prop_assert!(packets == on_the_wire);
            }
        }
    }
}

//! Each rule by itself.

use super::model::Packet;
use super::*;

/// So many packets of one flow, each of so many bytes.
fn stream(first: &Packet, count: usize) -> Vec<Vec<u8>> {
    let payload = first.payload.len();
    std::iter::successors(Some(first.clone()), |packet| Some(packet.next(payload)))
        .map(|packet| packet.bytes())
        .take(count)
        .collect()
}

#[test]
fn runs_of_all_kinds() {
    for first in [Packet::tcp(1348), Packet::udp(64)] {
        for v6 in [false, true] {
            let packets = stream(&first.with(|packet| packet.v6 = v6), 44);
            assert_eq!(counts(&packets), [44], "{first:?}");
            let pieces = merged(Mergeable::TcpAndUdp, &packets);
            assert_eq!(cut_again(&pieces), canonical(&packets));
            let pieces = merged(Mergeable::Nothing, &packets);
            assert_eq!(pieces.len(), 44);
            assert_eq!(cut_again(&pieces), canonical(&packets));
        }
    }
}

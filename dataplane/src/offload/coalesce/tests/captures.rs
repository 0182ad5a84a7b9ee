//! Real packets.

#[path = "../../../../../tests/common/captures.rs"]
mod shared;

use super::*;
use crate::{l2tp, ppp};

/// The IP packet within an L2TP message, if there is one.
fn inner(message: Vec<u8>) -> Option<Vec<u8>> {
    let Some(l2tp::Kind::Data(data)) = l2tp::parse(&message) else {
        return None;
    };
    let (protocol, start) = ppp::parse(&message[data.frame.clone()])?;
    (protocol == ppp::IP).then(|| message[data.frame][start..].to_vec())
}

/// A session of Windows that nobody encrypted: TCP with retransmissions, resets and many
/// acknowledgements, multicasts with options in their headers, ICMP.
#[test]
fn what_a_client_and_its_server_said() {
    let Some(path) = shared::shared("captures/l2tp/winxp-l2tp-full-session.pcap") else {
        return;
    };
    let datagrams = shared::datagrams(&path).into_iter();
    let packets: Vec<_> = datagrams
        .filter_map(|datagram| inner(datagram.payload))
        .collect();
    assert_eq!(packets.len(), 115);
    let pieces = merged(Mergeable::TcpAndUdp, &packets);
    let went_in = canonical(&packets).into_iter().map(|packet| (None, packet));
    assert!(flows_of(&pieces) == by_flow(went_in));
}

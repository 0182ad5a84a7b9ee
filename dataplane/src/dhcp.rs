//! Telling DHCP messages from the packets that go to the TUN.

use std::net::IpAddr;
use std::ops::Range;

use crate::net::ip::{self, Header};
use crate::net::udp;
use crate::session::Network;

/// Where in `packet` the UDP payload of a DHCP message for us lies; `None` if it is none, or not
/// one that goes up. The UDP checksum is not looked at: ESP has authenticated every byte.
///
/// Clients send to all ones, which stays on the link (RFC 2131 §4.1), or to the address of the
/// other end; what is for a server further away is none of our business.
pub(crate) fn find(network: &Network, packet: &[u8], header: &Header) -> Option<Range<usize>> {
    let dhcp = network.dhcp?;
    if header.protocol != ip::UDP || header.is_fragment() {
        return None;
    }
    let IpAddr::V4(destination) = header.destination else {
        return None;
    };
    if !destination.is_broadcast() && network.gateway != Some(header.destination) {
        return None;
    }
    let datagram = packet.get(header.header_len..header.total_len)?;
    let (source, destination, payload) = udp::peek(datagram)?;
    let start = header.header_len.saturating_add(payload.start);
    let end = header.header_len.saturating_add(payload.end);
    ((source, destination) == dhcp.ports()).then_some(start..end)
}

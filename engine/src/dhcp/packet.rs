//! The IP packet around a message.

use std::net::Ipv4Addr;

use dataplane::net::{ip, udp};

/// The port of servers (RFC 2131 §4.1).
pub(crate) const SERVER_PORT: u16 = 67;
/// The port of clients.
pub(crate) const CLIENT_PORT: u16 = 68;

/// What stands in the headers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packet {
    pub(crate) source: (Ipv4Addr, u16),
    pub(crate) destination: (Ipv4Addr, u16),
    pub(crate) identification: u16,
    pub(crate) time_to_live: u8,
}

impl Packet {
    /// The whole packet, which may be fragmented; `None` if the message is too long for one.
    pub(crate) fn around(&self, message: &[u8]) -> Option<Vec<u8>> {
        let (source, destination) = (self.source.0, self.destination.0);
        let header = udp::header(self.source.1, self.destination.1, message.len())?;
        let mut datagram = [&header, message].concat();
        udp::fill_checksum(&mut datagram, source.into(), destination.into());
        let len = u16::try_from(datagram.len()).ok()?;
        let mut header = ip::v4_header(source, destination, ip::UDP, len);
        let [high, low] = self.identification.to_be_bytes();
        // Identification, then flags and offset, then the time to live (RFC 791 §3.1).
        for (at, byte) in [(4, high), (5, low), (6, 0), (7, 0), (8, self.time_to_live)] {
            if let Some(field) = header.get_mut(at) {
                *field = byte;
            }
        }
        ip::fill_v4_checksum(&mut header);
        Some([&header, datagram.as_slice()].concat())
    }
}

//! An IP packet with a UDP datagram in it.

use std::net::{Ipv4Addr, SocketAddrV4};

const IP_HEADER: usize = 20;
#[cfg(test)]
const UDP_HEADER: usize = 8;
const VERSION_AND_WORDS: u8 = 0x45;
const DONT_FRAGMENT: u16 = 0x4000;
const TIME_TO_LIVE: u8 = 64;
const UDP: u8 = 17;
/// Zero is "none" (RFC 768): what is sent need not be summed up.
const NO_CHECKSUM: u16 = 0;

/// Begins a packet; what is appended to it afterwards is the payload. [`finish`] makes it whole.
pub fn begin(packet: &mut Vec<u8>, from: SocketAddrV4, to: Ipv4Addr, port: u16) {
    packet.clear();
    packet.extend([VERSION_AND_WORDS, 0]);
    // The lengths are not known yet; identification and checksum are the kernel's where they are
    // zero (raw(7)).
    packet.extend([0; 4]);
    packet.extend(DONT_FRAGMENT.to_be_bytes());
    packet.extend([TIME_TO_LIVE, UDP, 0, 0]);
    packet.extend(from.ip().octets());
    packet.extend(to.octets());
    packet.extend(from.port().to_be_bytes());
    packet.extend(port.to_be_bytes());
    packet.extend([0; 2]);
    packet.extend(NO_CHECKSUM.to_be_bytes());
}

/// Writes the lengths.
pub fn finish(packet: &mut [u8]) {
    let length = u16::try_from(packet.len()).unwrap_or(u16::MAX);
    put(packet, 2, length);
    put(
        packet,
        IP_HEADER + 4,
        length.saturating_sub(IP_HEADER as u16),
    );
}

/// Where the payload begins.
#[cfg(test)]
pub const PAYLOAD: usize = IP_HEADER + UDP_HEADER;

fn put(packet: &mut [u8], at: usize, value: u16) {
    if let Some(field) = packet.get_mut(at..at + 2) {
        field.copy_from_slice(&value.to_be_bytes());
    }
}

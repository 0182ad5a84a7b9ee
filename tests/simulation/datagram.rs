//! ISAKMP messages in datagrams, and their checksum.

use wire::Path;

use crate::net::{Datagram, Protocol};

/// The datagram that carries an ISAKMP message, or a keep-alive.
pub fn isakmp(path: Path, message: Vec<u8>) -> Datagram {
    Datagram {
        src: path.local,
        dst: path.remote,
        protocol: Protocol::Udp,
        bytes: ike::framed(path.carrier, &checked(message)).into_owned(),
    }
}

/// An ISAKMP message with the UDP checksum that goes with it, unlike with ESP in UDP (RFC 3948
/// §2.1), and that the receiver's kernel looks at; it stands behind the message here.
fn checked(mut message: Vec<u8>) -> Vec<u8> {
    // A keep-alive is a single byte, whatever it is.
    if message.len() > 1 {
        message.extend(checksum(&message).to_be_bytes());
    }
    message
}

/// The message, if it arrived as it was sent.
pub fn unchecked(bytes: &[u8]) -> Option<&[u8]> {
    let (message, sum) = bytes.split_last_chunk::<2>()?;
    (u16::from_be_bytes(*sum) == checksum(message)).then_some(message)
}

/// RFC 1071, with the length in it.
fn checksum(message: &[u8]) -> u16 {
    let mut sum = u32::try_from(message.len()).expect("short");
    for pair in message.chunks(2) {
        sum += u32::from(pair[0]) << 8 | pair.get(1).copied().map_or(0, u32::from);
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("folded")
}

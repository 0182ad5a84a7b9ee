//! UDP headers (RFC 768).

use std::net::IpAddr;
use std::ops::Range;

use super::ip;

/// Bytes of the header.
pub const HEADER_LEN: usize = 8;

/// The two ports and the payload of a UDP packet; what its length field leaves out is cut off.
/// The checksum is not looked at. `None` if the length does not fit.
pub fn parse(packet: &mut [u8]) -> Option<(u16, u16, &mut [u8])> {
    let (source, destination, payload) = peek(packet)?;
    Some((source, destination, packet.get_mut(payload)?))
}

/// Like [`parse`], with the place of the payload in the packet.
pub fn peek(packet: &[u8]) -> Option<(u16, u16, Range<usize>)> {
    let ([s0, s1, d0, d1, l0, l1, _, _], _) = packet.split_first_chunk::<HEADER_LEN>()?;
    let source = u16::from_be_bytes([*s0, *s1]);
    let destination = u16::from_be_bytes([*d0, *d1]);
    let len = usize::from(u16::from_be_bytes([*l0, *l1]));
    // A length that leaves out the header itself, or more than there is.
    packet.get(HEADER_LEN..len)?;
    Some((source, destination, HEADER_LEN..len))
}

/// The header for `payload` bytes, with checksum 0, which over IPv4 means that there is none.
pub fn header(source: u16, destination: u16, payload: usize) -> Option<[u8; HEADER_LEN]> {
    let len = u16::try_from(payload.checked_add(HEADER_LEN)?).ok()?;
    let [s0, s1] = source.to_be_bytes();
    let [d0, d1] = destination.to_be_bytes();
    let [l0, l1] = len.to_be_bytes();
    Some([s0, s1, d0, d1, l0, l1, 0, 0])
}

/// Computes the checksum of a packet anew and fills it in.
pub fn fill_checksum(packet: &mut [u8], source: IpAddr, destination: IpAddr) {
    ip::put_u16(packet, 6, 0);
    let sum = ip::pseudo_header(source, destination, ip::UDP, packet.len()).bytes(packet);
    ip::put_u16(packet, 6, nonzero(sum.finish()));
}

/// What is sent of a checksum: all ones instead of zero, which says that there is none (RFC 768).
/// Both are the same number in ones' complement.
pub const fn nonzero(checksum: u16) -> u16 {
    match checksum {
        0 => 0xffff,
        checksum => checksum,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths() {
        let mut packet = [0, 1, 0, 2, 0, 10, 0, 0, 7, 8, 9];
        assert_eq!(parse(&mut packet), Some((1, 2, &mut [7, 8][..])));
        for len in [0, 7, 12] {
            packet[5] = len;
            assert_eq!(parse(&mut packet), None, "{len}");
        }
        assert_eq!(parse(&mut [0; 7]), None);
        assert_eq!(header(1, 2, 65_528), None);
    }

    proptest! {
        #[test]
        fn checksums_are_those_of_others(
            a: u32, b: u32, ports: (u16, u16),
            payload in proptest::collection::vec(any::<u8>(), 0..100),
        ) {
            let (a, b) = (Ipv4Addr::from(a), Ipv4Addr::from(b));
            let mut packet = header(ports.0, ports.1, payload.len()).unwrap().to_vec();
            packet.extend(&payload);
            fill_checksum(&mut packet, a.into(), b.into());
            let other = etherparse::UdpHeader::with_ipv4_checksum(
                ports.0, ports.1,
                &etherparse::Ipv4Header::new(0, 1, etherparse::IpNumber::UDP, a.octets(), b.octets())
                    .unwrap(),
                &payload,
            ).unwrap();
            prop_assert_eq!(&packet[..8], &other.to_bytes()[..]);

            let (a, b): (Ipv6Addr, Ipv6Addr) = (a.to_ipv6_mapped(), b.to_ipv6_mapped());
            fill_checksum(&mut packet, a.into(), b.into());
            let sum = other.calc_checksum_ipv6_raw(a.octets(), b.octets(), &payload).unwrap();
            prop_assert_eq!(ip::u16_at(&packet, 6), Some(sum));
        }
    }
}

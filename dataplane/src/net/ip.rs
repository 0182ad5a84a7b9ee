//! IPv4 and IPv6 headers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use wire::DecodeError;

use super::checksum::{Sum, checksum};

/// ICMP (RFC 792).
pub const ICMP: u8 = 1;
/// TCP.
pub const TCP: u8 = 6;
/// UDP.
pub const UDP: u8 = 17;
/// ICMP for IPv6 (RFC 4443).
pub const ICMP_V6: u8 = 58;

/// Bytes of an IPv4 header without options.
pub const V4_HEADER_LEN: usize = 20;
/// Bytes of an IPv6 header without extensions.
pub const V6_HEADER_LEN: usize = 40;

/// An IP header, as far as it concerns us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Sender.
    pub source: IpAddr,
    /// Receiver.
    pub destination: IpAddr,
    /// What follows the header (IPv6: the next header, which may be an extension).
    pub protocol: u8,
    /// Bytes of the header, options included.
    pub header_len: usize,
    /// Bytes of the packet: the input may be longer.
    pub total_len: usize,
    /// IPv4 "don't fragment"; always set for IPv6.
    pub dont_fragment: bool,
    /// IPv4: bytes of the whole packet's payload before this fragment's.
    pub fragment_offset: usize,
    /// IPv4: this is a fragment, and not the last.
    pub more_fragments: bool,
}

impl Header {
    /// Reads the header at the beginning of a packet. Lengths are checked; the checksum is not.
    ///
    /// # Errors
    /// If it is neither IPv4 nor IPv6, or a length does not fit into `packet`.
    pub fn parse(packet: &[u8]) -> Result<Self, DecodeError> {
        match packet.first().map(|first| first >> 4) {
            Some(4) => Self::parse_v4(packet),
            Some(6) => Self::parse_v6(packet),
            _ => Err(DecodeError::new(0, "IP version")),
        }
    }

    fn parse_v4(packet: &[u8]) -> Result<Self, DecodeError> {
        let short = DecodeError::new(packet.len(), "IPv4 header");
        let fixed = packet.first_chunk::<V4_HEADER_LEN>().ok_or(short)?;
        let [vihl, _, l0, l1, _, _, f0, f1, _, protocol, _, _, rest @ ..] = *fixed;
        let [s0, s1, s2, s3, d0, d1, d2, d3] = rest;
        let header_len = usize::from(vihl & 0x0f).saturating_mul(4);
        let total_len = usize::from(u16::from_be_bytes([l0, l1]));
        if header_len < V4_HEADER_LEN || header_len > total_len {
            return Err(DecodeError::new(0, "IPv4 header length"));
        }
        if total_len > packet.len() {
            return Err(DecodeError::new(2, "IPv4 total length beyond the packet"));
        }
        let fragment = u16::from_be_bytes([f0, f1]);
        let fragment_offset = usize::from(fragment & 0x1fff).saturating_mul(8);
        // Nobody could put it together, and pieces of it would begin again at 0.
        if fragment_offset.saturating_add(total_len) > usize::from(u16::MAX) {
            return Err(DecodeError::new(
                6,
                "IPv4 fragment beyond the longest packet",
            ));
        }
        Ok(Self {
            source: Ipv4Addr::new(s0, s1, s2, s3).into(),
            destination: Ipv4Addr::new(d0, d1, d2, d3).into(),
            protocol,
            header_len,
            total_len,
            dont_fragment: fragment & 0x4000 != 0,
            fragment_offset,
            more_fragments: fragment & 0x2000 != 0,
        })
    }

    fn parse_v6(packet: &[u8]) -> Result<Self, DecodeError> {
        let short = DecodeError::new(packet.len(), "IPv6 header");
        let (fixed, rest) = packet.split_first_chunk::<8>().ok_or(short)?;
        let (source, rest) = rest.split_first_chunk::<16>().ok_or(short)?;
        let (destination, _) = rest.split_first_chunk::<16>().ok_or(short)?;
        let [_, _, _, _, l0, l1, protocol, _] = *fixed;
        let payload = usize::from(u16::from_be_bytes([l0, l1]));
        let total_len = payload.saturating_add(V6_HEADER_LEN);
        if total_len > packet.len() {
            return Err(DecodeError::new(4, "IPv6 payload length beyond the packet"));
        }
        Ok(Self {
            source: Ipv6Addr::from(*source).into(),
            destination: Ipv6Addr::from(*destination).into(),
            protocol,
            header_len: V6_HEADER_LEN,
            total_len,
            dont_fragment: true,
            fragment_offset: 0,
            more_fragments: false,
        })
    }

    /// Whether it is a fragment of a larger packet.
    pub const fn is_fragment(&self) -> bool {
        self.fragment_offset > 0 || self.more_fragments
    }
}

/// A header of 20 bytes in front of `payload` bytes, checksum filled in, not to be fragmented.
pub fn v4_header(
    source: Ipv4Addr,
    destination: Ipv4Addr,
    protocol: u8,
    payload: u16,
) -> [u8; V4_HEADER_LEN] {
    let [l0, l1] = payload.saturating_add(V4_HEADER_LEN as u16).to_be_bytes();
    let [s0, s1, s2, s3] = source.octets();
    let [d0, d1, d2, d3] = destination.octets();
    let mut header = [
        0x45, 0, l0, l1, 0, 0, 0x40, 0, 64, protocol, 0, 0, s0, s1, s2, s3, d0, d1, d2, d3,
    ];
    fill_v4_checksum(&mut header);
    header
}

/// Computes the checksum of an IPv4 header anew; `header` is the header with its options.
pub fn fill_v4_checksum(header: &mut [u8]) {
    put_u16(header, 10, 0);
    let sum = checksum(header);
    put_u16(header, 10, sum);
}

/// A header of 40 bytes in front of `payload` bytes.
pub fn v6_header(
    source: Ipv6Addr,
    destination: Ipv6Addr,
    protocol: u8,
    payload: u16,
) -> [u8; V6_HEADER_LEN] {
    let mut header = [0; V6_HEADER_LEN];
    let [l0, l1] = payload.to_be_bytes();
    let fixed = [0x60, 0, 0, 0, l0, l1, protocol, 64];
    let bytes = fixed
        .into_iter()
        .chain(source.octets())
        .chain(destination.octets());
    header
        .iter_mut()
        .zip(bytes)
        .for_each(|(to, from)| *to = from);
    header
}

/// The part of a checksum that covers addresses, protocol and length (RFC 9293 §3.1, RFC 8200
/// §8.1). Addresses of different families give a sum that no receiver expects.
pub fn pseudo_header(source: IpAddr, destination: IpAddr, protocol: u8, len: usize) -> Sum {
    let add = |sum: Sum, address| match address {
        IpAddr::V4(address) => sum.bytes(&Ipv4Addr::octets(&address)),
        IpAddr::V6(address) => sum.bytes(&Ipv6Addr::octets(&address)),
    };
    let len = u32::try_from(len).unwrap_or(u32::MAX);
    add(add(Sum::new(), source), destination)
        .word(protocol.into())
        .bytes(&len.to_be_bytes())
}

/// Raw sockets for IPv4 deliver the header in front of the payload: this is the payload.
/// `None` if there is no such header, or the packet is a fragment.
pub fn v4_payload(packet: &mut [u8]) -> Option<&mut [u8]> {
    let header = Header::parse_v4(packet)
        .ok()
        .filter(|header| !header.is_fragment())?;
    (packet.first()? >> 4 == 4).then_some(())?;
    packet.get_mut(header.header_len..header.total_len)
}

pub(crate) fn put_u16(bytes: &mut [u8], at: usize, value: u16) {
    if let Some(field) = bytes.get_mut(at..at.saturating_add(2)) {
        field.copy_from_slice(&value.to_be_bytes());
    }
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|field| u16::from_be_bytes(*field))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const B: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);

    #[test]
    fn own_headers_are_read_by_others() {
        let four = v4_header(A, B, UDP, 100);
        let other = etherparse::Ipv4HeaderSlice::from_slice(&four).unwrap();
        assert_eq!(other.source_addr(), A);
        assert_eq!(other.destination_addr(), B);
        assert_eq!(other.total_len(), 120);
        assert_eq!(
            other.header_checksum(),
            other.to_header().calc_header_checksum()
        );
        assert!(other.dont_fragment());

        let (a, b) = (A.to_ipv6_mapped(), B.to_ipv6_compatible());
        let six = v6_header(a, b, TCP, 100);
        let other = etherparse::Ipv6HeaderSlice::from_slice(&six).unwrap();
        assert_eq!((other.source_addr(), other.destination_addr()), (a, b));
        assert_eq!((other.payload_length(), other.hop_limit()), (100, 64));
    }

    #[test]
    fn headers_of_others_are_read() {
        let mut other =
            etherparse::Ipv4Header::new(5, 9, etherparse::IpNumber::UDP, [1; 4], [2; 4]).unwrap();
        other.options = [1, 1, 1, 0].into();
        other.set_payload_len(5).unwrap();
        other.more_fragments = true;
        other.dont_fragment = false;
        other.fragment_offset = 185.try_into().unwrap();
        let mut packet = other.to_bytes().to_vec();
        packet.extend([0; 9]);
        let header = Header::parse(&packet).unwrap();
        assert_eq!(header.source, IpAddr::from([1; 4]));
        assert_eq!(header.destination, IpAddr::from([2; 4]));
        assert_eq!(
            (header.header_len, header.total_len, header.protocol),
            (24, 29, UDP)
        );
        assert_eq!(
            (header.fragment_offset, header.more_fragments),
            (1480, true)
        );
        assert!(header.is_fragment() && !header.dont_fragment);
    }

    #[test]
    fn lengths_that_do_not_fit() {
        let what = |packet: &[u8]| Header::parse(packet).unwrap_err().what;
        assert_eq!(what(&[]), "IP version");
        assert_eq!(what(&[0x50; 40]), "IP version");
        let good = v4_header(A, B, UDP, 0);
        assert!(Header::parse(&good).is_ok());
        assert_eq!(what(&good[..19]), "IPv4 header");
        let mut bad = good;
        bad[0] = 0x44;
        assert_eq!(what(&bad), "IPv4 header length");
        bad[0] = 0x46;
        assert_eq!(what(&bad), "IPv4 header length");
        assert_eq!(
            what(&v4_header(A, B, UDP, 1)),
            "IPv4 total length beyond the packet"
        );
        let six = v6_header(Ipv6Addr::LOCALHOST, Ipv6Addr::LOCALHOST, UDP, 1);
        assert_eq!(what(&six), "IPv6 payload length beyond the packet");
        assert_eq!(what(&six[..39]), "IPv6 header");
    }

    #[test]
    fn a_fragment_ends_within_the_longest_packet() {
        // 65,504 bytes come before it.
        let fragment = |payload: u16| {
            let mut packet = v4_header(A, B, UDP, payload).to_vec();
            packet[6..8].copy_from_slice(&8188_u16.to_be_bytes());
            packet.resize(usize::from(payload) + V4_HEADER_LEN, 0);
            Header::parse(&packet)
        };
        assert_eq!(fragment(11).unwrap().fragment_offset, 65_504);
        assert_eq!(
            fragment(12).unwrap_err().what,
            "IPv4 fragment beyond the longest packet"
        );
    }

    #[test]
    fn the_payload_of_a_raw_packet() {
        let mut packet = v4_header(A, B, 50, 3).to_vec();
        packet.extend([7, 8, 9, 0xee]);
        assert_eq!(v4_payload(&mut packet), Some(&mut [7, 8, 9][..]));
        packet[6] |= 0x20;
        assert_eq!(v4_payload(&mut packet), None);
    }
}

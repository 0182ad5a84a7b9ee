//! Limiting the segments that TCP connections agree on (RFC 9293 §3.7.1).

use crate::net::checksum::adjust;
use crate::net::ip::{self, Header};

/// Bytes of a TCP header without options.
const HEADER_LEN: usize = 20;
const SYN: u8 = 0x02;
/// Kinds of options.
const END: u8 = 0;
const NO_OPERATION: u8 = 1;
const MAXIMUM_SEGMENT_SIZE: u8 = 2;

/// Lowers the maximum segment size in a SYN so that segments fit into packets of `mtu` bytes:
/// clients behind a tunnel often never learn of its MTU otherwise. Never raises it, and leaves
/// alone what is not a SYN with that option.
pub(crate) fn clamp(packet: &mut [u8], header: &Header, mtu: u16) {
    if header.protocol == ip::TCP && header.fragment_offset == 0 {
        let headers = header.header_len.saturating_add(HEADER_LEN);
        let limit = usize::from(mtu).saturating_sub(headers);
        if let Some(segment) = packet.get_mut(header.header_len..header.total_len) {
            // `None` is a malformed header: the receiver's business.
            let _ = clamp_segment(segment, u16::try_from(limit).unwrap_or(u16::MAX));
        }
    }
}

fn clamp_segment(segment: &mut [u8], limit: u16) -> Option<()> {
    let flags = *segment.get(13)?;
    if flags & SYN == 0 {
        return None;
    }
    let end = usize::from(segment.get(12)? >> 4).saturating_mul(4);
    if end > segment.len() {
        return None;
    }
    let mut at = HEADER_LEN;
    while at < end {
        let len = match *segment.get(at)? {
            END => return None,
            NO_OPERATION => 1,
            kind => {
                let len = usize::from(*segment.get(at.saturating_add(1))?);
                if kind == MAXIMUM_SEGMENT_SIZE && len == 4 && at.saturating_add(4) <= end {
                    return lower(segment, at.saturating_add(2), limit);
                }
                // A length below 2 would go on for ever.
                (len >= 2).then_some(len)?
            }
        };
        at = at.saturating_add(len);
    }
    None
}

fn lower(segment: &mut [u8], at: usize, limit: u16) -> Option<()> {
    let offered = ip::u16_at(segment, at)?;
    if offered > limit {
        ip::put_u16(segment, at, limit);
        // At an odd place the value lies across two words of the checksum: summed up, that is
        // the same value with its bytes swapped.
        let swap = |value: u16| {
            if at.is_multiple_of(2) {
                value
            } else {
                value.swap_bytes()
            }
        };
        let sum = adjust(ip::u16_at(segment, 16)?, swap(offered), swap(limit));
        ip::put_u16(segment, 16, sum);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use etherparse::{PacketBuilder, PacketHeaders, TcpOptionElement, TransportHeader};

    use super::*;

    /// A SYN, whose option lies at an even or odd place.
    fn syn(v6: bool, odd: bool, mss: u16) -> Vec<u8> {
        let ip = if v6 {
            PacketBuilder::ipv6([1; 16], [2; 16], 64)
        } else {
            PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        };
        let mut options = vec![TcpOptionElement::Noop; usize::from(odd)];
        options.push(TcpOptionElement::MaximumSegmentSize(mss));
        options.push(TcpOptionElement::WindowScale(7));
        let builder = ip
            .tcp(1000, 80, 12345, 4000)
            .syn()
            .options(&options)
            .unwrap();
        let mut packet = Vec::new();
        builder.write(&mut packet, b"data").unwrap();
        packet
    }

    fn mss_of(packet: &[u8]) -> u16 {
        let headers = PacketHeaders::from_ip_slice(packet).unwrap();
        let Some(TransportHeader::Tcp(tcp)) = headers.transport else {
            panic!("not TCP")
        };
        tcp.options_iterator()
            .find_map(|option| match option {
                Ok(TcpOptionElement::MaximumSegmentSize(mss)) => Some(mss),
                _ => None,
            })
            .unwrap()
    }

    fn clamped(mut packet: Vec<u8>, mtu: u16) -> Vec<u8> {
        let header = Header::parse(&packet).unwrap();
        clamp(&mut packet, &header, mtu);
        packet
    }

    /// The result is byte for byte what etherparse makes with the lower value.
    #[test]
    fn lowers_the_option_and_mends_the_checksum() {
        for odd in [false, true] {
            assert_eq!(clamped(syn(false, odd, 1460), 1400), syn(false, odd, 1360));
            assert_eq!(clamped(syn(true, odd, 1440), 1400), syn(true, odd, 1340));
            assert_eq!(mss_of(&clamped(syn(false, odd, 65_535), 1280)), 1240);
        }
    }

    #[test]
    fn never_raises() {
        assert_eq!(
            clamped(syn(false, false, 536), 1400),
            syn(false, false, 536)
        );
        assert_eq!(
            clamped(syn(false, false, 1360), 1400),
            syn(false, false, 1360)
        );
    }

    #[test]
    fn leaves_other_segments_alone() {
        let mut packet = syn(false, false, 1460);
        packet[20 + 13] &= !SYN;
        assert_eq!(clamped(packet.clone(), 1000), packet);
        let mut packet = syn(false, false, 1460);
        packet[9] = ip::UDP;
        assert_eq!(clamped(packet.clone(), 1000), packet);
    }

    #[test]
    fn ends_with_malformed_options() {
        for (place, value) in [(21, 0), (21, 1), (20, END), (12, 0xf0), (12, 0x00)] {
            let mut packet = syn(false, false, 1460);
            packet[20 + place] = value;
            assert_eq!(clamped(packet.clone(), 1000), packet, "{place} {value}");
        }
    }
}

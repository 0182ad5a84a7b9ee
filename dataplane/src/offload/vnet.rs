//! The header in front of each packet of a TUN device with `IFF_VNET_HDR`
//! (virtio 1.2 §5.1.6, `struct virtio_net_hdr`).

/// `VIRTIO_NET_HDR_F_NEEDS_CSUM`: the checksum field holds the sum of the pseudo-header only.
const NEEDS_CSUM: u8 = 1;
/// `VIRTIO_NET_HDR_GSO_ECN`, on top of a TCP type: the first segment has CWR.
const ECN: u8 = 0x80;

/// What a super-packet is to be cut into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Gso {
    /// Nothing: it is one packet.
    #[default]
    None,
    /// TCP segments in IPv4.
    TcpV4,
    /// TCP segments in IPv6.
    TcpV6,
    /// UDP datagrams, in IPv4 or IPv6 (`VIRTIO_NET_HDR_GSO_UDP_L4`).
    Udp,
}

/// The header, in the byte order of the host. Offsets count from the IP header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VnetHeader {
    /// What the packet is to be cut into.
    pub gso: Gso,
    /// Whether the first TCP segment has CWR, which only that one keeps (RFC 3168 §6.1.2).
    pub ecn: bool,
    /// Whether the checksum at `csum_start + csum_offset` is still to be made, over everything
    /// from `csum_start` on.
    pub needs_checksum: bool,
    /// Bytes in front of the payload. A hint; what counts is what the packet says.
    pub header_len: u16,
    /// Bytes of payload of each segment, but for the last.
    pub segment: u16,
    /// Where the transport header begins.
    pub csum_start: u16,
    /// Where the checksum is, from `csum_start` on.
    pub csum_offset: u16,
}

/// A header of a kind that was not agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a packet was handed over with an offload of a kind that was not agreed on")]
pub struct BadVnetHeader;

impl VnetHeader {
    /// Bytes of the header.
    pub const LEN: usize = 10;

    /// One packet, complete as it is.
    pub const PLAIN: Self = Self {
        gso: Gso::None,
        ecn: false,
        needs_checksum: false,
        header_len: 0,
        segment: 0,
        csum_start: 0,
        csum_offset: 0,
    };

    /// Reads a header.
    ///
    /// # Errors
    /// If the type of the segments is unknown.
    pub fn parse(bytes: [u8; Self::LEN]) -> Result<Self, BadVnetHeader> {
        let [flags, kind, l0, l1, s0, s1, c0, c1, o0, o1] = bytes;
        let gso = match kind & !ECN {
            0 => Gso::None,
            1 => Gso::TcpV4,
            4 => Gso::TcpV6,
            5 => Gso::Udp,
            _ => return Err(BadVnetHeader),
        };
        Ok(Self {
            gso,
            ecn: kind & ECN != 0,
            needs_checksum: flags & NEEDS_CSUM != 0,
            header_len: u16::from_ne_bytes([l0, l1]),
            segment: u16::from_ne_bytes([s0, s1]),
            csum_start: u16::from_ne_bytes([c0, c1]),
            csum_offset: u16::from_ne_bytes([o0, o1]),
        })
    }

    /// Writes the header.
    pub const fn encode(self) -> [u8; Self::LEN] {
        let kind = match self.gso {
            Gso::None => 0,
            Gso::TcpV4 => 1,
            Gso::TcpV6 => 4,
            Gso::Udp => 5,
        };
        let flags = if self.needs_checksum { NEEDS_CSUM } else { 0 };
        let ecn = if self.ecn { ECN } else { 0 };
        let [l0, l1] = self.header_len.to_ne_bytes();
        let [s0, s1] = self.segment.to_ne_bytes();
        let [c0, c1] = self.csum_start.to_ne_bytes();
        let [o0, o1] = self.csum_offset.to_ne_bytes();
        [flags, kind | ecn, l0, l1, s0, s1, c0, c1, o0, o1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the kernel writes it for a TCP super-packet of 1,348-byte segments.
    #[test]
    fn a_header_of_the_kernel() {
        let mut bytes = [1, 0x81, 0, 0, 0, 0, 0, 0, 0, 0];
        bytes[2..4].copy_from_slice(&52_u16.to_ne_bytes());
        bytes[4..6].copy_from_slice(&1348_u16.to_ne_bytes());
        bytes[6..8].copy_from_slice(&20_u16.to_ne_bytes());
        bytes[8..].copy_from_slice(&16_u16.to_ne_bytes());
        let header = VnetHeader {
            gso: Gso::TcpV4,
            ecn: true,
            needs_checksum: true,
            header_len: 52,
            segment: 1348,
            csum_start: 20,
            csum_offset: 16,
        };
        assert_eq!(VnetHeader::parse(bytes), Ok(header));
        assert_eq!(header.encode(), bytes);
        assert_eq!(VnetHeader::PLAIN.encode(), [0; VnetHeader::LEN]);
    }

    #[test]
    fn kinds_that_nobody_asked_for() {
        // 3 is UDP fragmentation, which no kernel since 4.14 does.
        for kind in [2, 3, 6, 0x7f] {
            assert_eq!(
                VnetHeader::parse([0, kind, 0, 0, 0, 0, 0, 0, 0, 0]),
                Err(BadVnetHeader)
            );
        }
    }
}

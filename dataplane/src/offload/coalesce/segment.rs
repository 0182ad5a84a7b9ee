//! What a packet says about itself, as far as it decides with which others it can be one.

use std::ops::Range;

use crate::net::checksum::{Sum, checksum};
use crate::net::ip::{self, Header, u16_at};
use crate::net::udp;

/// Bytes of a TCP header without options (RFC 9293 §3.1).
const TCP_HEADER_LEN: usize = 20;
const ACK: u16 = 0x10;
/// TCP: the receiver is to be told without delay.
pub const PSH: u16 = 0x08;

/// What lies above IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Tcp,
    Udp,
}

impl Transport {
    /// Where the checksum is, from the beginning of the header on.
    pub const fn checksum_at(self) -> usize {
        match self {
            Self::Tcp => 16,
            Self::Udp => 6,
        }
    }
}

/// A TCP segment or UDP datagram that lies in an IP packet with nothing around it.
#[derive(Debug, Clone, Copy)]
pub struct Segment {
    pub ip: Header,
    pub transport: Transport,
    /// Both ports, as one number.
    pub ports: u32,
    /// Bytes in front of the payload.
    pub headers: usize,
    /// IPv4: the identification.
    pub id: u16,
    /// TCP: the sequence number of the first byte of payload.
    pub sequence: u32,
    /// TCP: the flags, with the four reserved bits in front of them.
    flags: u16,
}

impl Segment {
    /// Reads a packet behind its IP header. `None` if it is something else: a fragment, options or
    /// extension headers in front of the transport, bytes left over, lengths that cannot be.
    pub fn parse(packet: &[u8], ip: Header) -> Option<Self> {
        let (plain, id) = if ip.source.is_ipv4() {
            (ip::V4_HEADER_LEN, u16_at(packet, 4)?)
        } else {
            (ip::V6_HEADER_LEN, 0)
        };
        if ip.header_len != plain || ip.is_fragment() || ip.total_len != packet.len() {
            return None;
        }
        let body = packet.get(plain..)?;
        let &[p0, p1, p2, p3, s0, s1, s2, s3] = body.first_chunk()?;
        let (transport, header_len, sequence, flags) = match ip.protocol {
            ip::TCP => {
                let offset_and_flags = u16_at(body, 12)?;
                let header_len = usize::from(offset_and_flags >> 12).saturating_mul(4);
                let sequence = u32::from_be_bytes([s0, s1, s2, s3]);
                (
                    Transport::Tcp,
                    header_len,
                    sequence,
                    offset_and_flags & 0xfff,
                )
            }
            ip::UDP if usize::from(u16::from_be_bytes([s0, s1])) == body.len() => {
                (Transport::Udp, udp::HEADER_LEN, 0, 0)
            }
            _ => return None,
        };
        if transport == Transport::Tcp && header_len < TCP_HEADER_LEN || header_len > body.len() {
            return None;
        }
        Some(Self {
            ip,
            transport,
            ports: u32::from_be_bytes([p0, p1, p2, p3]),
            headers: plain.saturating_add(header_len),
            id,
            sequence,
            flags,
        })
    }

    /// Bytes of payload.
    pub const fn payload_len(&self) -> usize {
        self.ip.total_len.saturating_sub(self.headers)
    }

    /// TCP: whether the receiver is to be told without delay. Cut again, only the last segment of
    /// a super-packet says so.
    pub const fn pushes(&self) -> bool {
        self.flags & PSH != 0
    }

    /// Whether two are of one flow.
    pub fn is_of_flow(&self, other: &Self) -> bool {
        self.ports == other.ports
            && self.transport == other.transport
            && self.ip.source == other.ip.source
            && self.ip.destination == other.ip.destination
    }

    /// Whether it can be a part of a super-packet at all; the packet is its own.
    pub fn is_mergeable(&self, packet: &[u8]) -> bool {
        let may = match self.transport {
            // All other flags are news, which count where they stand in the stream; CWR and ECE
            // among them (RFC 3168 §6.1).
            Transport::Tcp => self.flags & !PSH == ACK,
            // Without a checksum, which IPv4 allows, one would be made up (RFC 768).
            Transport::Udp => u16_at(packet, self.checksum_place()) != Some(0),
        };
        may && self.payload_len() > 0 && self.is_intact(packet)
    }

    /// Whether the checksums are right, that of IPv4 too: it is made anew for a super-packet.
    fn is_intact(&self, packet: &[u8]) -> bool {
        let (header, body) = packet
            .split_at_checked(self.ip.header_len)
            .unwrap_or_default();
        let header_is = self.ip.source.is_ipv6() || checksum(header) == 0;
        header_is && self.pseudo_header(body.len()).bytes(body).finish() == 0
    }

    /// The sum over what the transport's checksum covers beside `len` bytes of its own.
    pub fn pseudo_header(&self, len: usize) -> Sum {
        ip::pseudo_header(self.ip.source, self.ip.destination, self.ip.protocol, len)
    }

    /// Where the checksum of the transport is, from the beginning of the packet on.
    pub const fn checksum_place(&self) -> usize {
        self.ip
            .header_len
            .saturating_add(self.transport.checksum_at())
    }

    /// Whether `other`, of the same flow, has the same headers, but for what is expected to
    /// differ: lengths, checksums, the identification, the sequence number, PSH.
    ///
    /// That the differentiated services and ECN bits are equal keeps a mark of congestion where it
    /// is (RFC 3168 §5.3); that the options are, keeps every time stamp (RFC 7323 §3).
    pub fn has_headers_of(&self, packet: &[u8], other: &Self, others: &[u8]) -> bool {
        let equal = |range: Range<usize>| packet.get(range.clone()) == others.get(range);
        let at = self.ip.header_len;
        let of_transport = |from: usize, to: usize| at.saturating_add(from)..at.saturating_add(to);
        // Version, class or TOS, flow label; DF; TTL or hop limit.
        let ip = if self.ip.source.is_ipv4() {
            equal(0..2) && equal(6..9)
        } else {
            equal(0..4) && equal(7..8)
        };
        self.headers == other.headers
            && ip
            && match self.transport {
                // Acknowledgement; window; urgent pointer and options.
                Transport::Tcp => {
                    equal(of_transport(8, 12))
                        && equal(of_transport(14, 16))
                        && equal(at.saturating_add(18)..self.headers)
                }
                Transport::Udp => true,
            }
    }
}

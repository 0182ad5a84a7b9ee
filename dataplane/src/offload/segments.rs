//! Cutting what the host hands over into packets, as its own stack would have done
//! (`tcp_gso_segment`, `__udp_gso_segment` in Linux are what it has in mind).

use crate::drops::DropReason;
use crate::net::checksum::Sum;
use crate::net::ip::{self, Header};
use crate::net::udp;
use crate::offload::{Gso, VnetHeader};

/// Bytes of a TCP header without options.
const TCP_HEADER_LEN: usize = 20;
/// Where the checksum is in a TCP header.
const TCP_CHECKSUM: usize = 16;
/// Where the checksum is in a UDP header.
const UDP_CHECKSUM: usize = 6;

const FIN: u16 = 0x01;
const SYN: u16 = 0x02;
const PSH: u16 = 0x08;
const CWR: u16 = 0x80;

/// The packets that a packet of the host stands for: itself, or the segments that it is to be cut
/// into. Each comes complete with lengths, numbers, flags and checksums.
#[derive(Debug)]
pub struct Segments<'a> {
    packet: &'a mut [u8],
    header: Header,
    /// `None`: it is one packet.
    cut: Option<Cut>,
    /// Bytes of the payload that have been written; of the packet, if it is one.
    done: usize,
    /// Segments that have been written.
    count: u16,
}

/// How to cut.
#[derive(Debug)]
struct Cut {
    /// Bytes of payload of each segment, but for the last.
    segment: usize,
    /// Bytes of the IP and the transport header.
    headers: usize,
    /// The IPv4 identification of the first segment.
    id: u16,
    /// Over the IPv4 header, without what differs from segment to segment.
    ip_sum: Sum,
    /// Over pseudo-header and transport header, likewise.
    sum: Sum,
    /// `None`: it is UDP.
    tcp: Option<Tcp>,
}

/// What differs from TCP segment to TCP segment.
#[derive(Debug)]
struct Tcp {
    /// The number of the first byte of the packet.
    sequence: u32,
    /// The header's length and the flags, as in the packet.
    flags: u16,
}

impl<'a> Segments<'a> {
    /// Checks what the host says about `packet`, which is all that was read behind the header, and
    /// makes the checksum of a packet that is whole.
    ///
    /// # Errors
    /// [`DropReason::BadOffload`] if the header does not fit the packet, and
    /// [`DropReason::BadIp`] if a packet without an offload is no IP packet.
    pub fn new(header: VnetHeader, packet: &'a mut [u8]) -> Result<Self, DropReason> {
        let is_plain = header == VnetHeader::PLAIN;
        let parsed = match Header::parse(packet) {
            Ok(parsed) if is_plain || parsed.total_len == packet.len() => parsed,
            Err(_) if is_plain => return Err(DropReason::BadIp),
            _ => return Err(DropReason::BadOffload),
        };
        let cut = if header.gso == Gso::None {
            complete(header, &parsed, packet).ok_or(DropReason::BadOffload)?;
            None
        } else {
            Some(Cut::new(header, &parsed, packet).ok_or(DropReason::BadOffload)?)
        };
        // Behind a plain packet there may be the padding of a link.
        let packet = packet
            .get_mut(..parsed.total_len)
            .ok_or(DropReason::BadIp)?;
        Ok(Self {
            packet,
            header: parsed,
            cut,
            done: 0,
            count: 0,
        })
    }

    /// The IP header of the packet that was handed over.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Whether it is one packet, which need not be cut.
    pub const fn is_whole(&self) -> bool {
        self.cut.is_none()
    }

    /// The packet that was handed over.
    pub const fn packet(&self) -> &[u8] {
        self.packet
    }

    /// The packet that was handed over. Whoever changes it before it is cut changes all segments,
    /// but not what has been summed up already.
    pub(crate) const fn packet_mut(&mut self) -> &mut [u8] {
        self.packet
    }

    /// Bytes of the next segment; `None` after the last. None is longer than the first.
    pub fn next_len(&self) -> Option<usize> {
        let headers = self.cut.as_ref().map_or(0, |cut| cut.headers);
        let rest = self.packet.len().checked_sub(headers)?;
        let rest = rest.checked_sub(self.done).filter(|rest| *rest > 0)?;
        let most = self.cut.as_ref().map_or(rest, |cut| cut.segment);
        headers.checked_add(rest.min(most))
    }

    /// Writes the next segment to the beginning of `room` and tells how long it is. `None` after
    /// the last, or if it does not fit.
    pub fn next_into(&mut self, room: &mut [u8]) -> Option<usize> {
        let len = self.next_len()?;
        let room = room.get_mut(..len)?;
        let Some(cut) = &self.cut else {
            room.copy_from_slice(self.packet);
            self.done = len;
            return Some(len);
        };
        let payload = len.checked_sub(cut.headers)?;
        let done = self.done.checked_add(payload)?;
        let (head, body) = self.packet.split_at_checked(cut.headers)?;
        let (to_head, to_body) = room.split_at_mut_checked(cut.headers)?;
        to_head.copy_from_slice(head);
        to_body.copy_from_slice(body.get(self.done..done)?);
        let place = Place {
            first: self.done == 0,
            last: done == body.len(),
            offset: self.done,
            count: self.count,
        };
        cut.complete(&self.header, place, to_head, to_body)?;
        self.done = done;
        self.count = self.count.wrapping_add(1);
        Some(len)
    }
}

/// Which segment it is.
struct Place {
    first: bool,
    last: bool,
    /// Bytes of payload in front of it.
    offset: usize,
    /// Segments in front of it.
    count: u16,
}

impl Cut {
    /// `None` if the header does not fit the packet.
    fn new(header: VnetHeader, ip: &Header, packet: &[u8]) -> Option<Self> {
        let is_v4 = ip.source.is_ipv4();
        let (protocol, field, is_possible) = match header.gso {
            Gso::None => return None,
            Gso::TcpV4 => (ip::TCP, TCP_CHECKSUM, is_v4),
            Gso::TcpV6 => (ip::TCP, TCP_CHECKSUM, !is_v4),
            Gso::Udp => (ip::UDP, UDP_CHECKSUM, !header.ecn),
        };
        let is_honest = is_possible
            && ip.protocol == protocol
            && !ip.is_fragment()
            && header.needs_checksum
            && usize::from(header.csum_start) == ip.header_len
            && usize::from(header.csum_offset) == field;
        let (network, transport) = packet.split_at_checked(ip.header_len)?;
        let (tcp, len) = if protocol == ip::TCP {
            let tcp = Tcp::parse(transport)?;
            let len = tcp.header_len();
            (Some(tcp), len)
        } else {
            let (_, _, payload) = udp::peek(transport)?;
            (
                None,
                (payload.end == transport.len()).then_some(udp::HEADER_LEN)?,
            )
        };
        let payload = transport.len().checked_sub(len)?;
        let segment = usize::from(header.segment);
        if !is_honest || segment == 0 || segment > payload {
            return None;
        }
        // Without what each segment has its own of.
        let ip_sum = if is_v4 {
            let (a, b) = (network.get(..2)?, network.get(6..10)?);
            Sum::new().bytes(a).bytes(b).bytes(network.get(12..)?)
        } else {
            Sum::new()
        };
        let sum = ip::pseudo_header(ip.source, ip.destination, protocol, 0);
        let sum = match tcp {
            Some(_) => {
                let (a, b) = (transport.get(..4)?, transport.get(8..12)?);
                let (c, d) = (transport.get(14..16)?, transport.get(18..len)?);
                sum.bytes(a).bytes(b).bytes(c).bytes(d)
            }
            None => sum.bytes(transport.get(..4)?),
        };
        Some(Self {
            segment,
            headers: ip.header_len.checked_add(len)?,
            id: ip::u16_at(network, 4)?,
            ip_sum,
            sum,
            tcp,
        })
    }

    /// Writes into the headers of a segment what is its own.
    fn complete(&self, ip: &Header, place: Place, head: &mut [u8], body: &[u8]) -> Option<()> {
        let total = u16::try_from(head.len().checked_add(body.len())?).ok()?;
        let (network, transport) = head.split_at_mut_checked(ip.header_len)?;
        let len = total.checked_sub(u16::try_from(ip.header_len).ok()?)?;
        if ip.source.is_ipv4() {
            let id = self.id.wrapping_add(place.count);
            ip::put_u16(network, 2, total);
            ip::put_u16(network, 4, id);
            ip::put_u16(network, 10, self.ip_sum.word(total).word(id).finish());
        } else {
            ip::put_u16(network, 4, len);
        }
        // The length of the pseudo-header.
        let sum = self.sum.word(len);
        match &self.tcp {
            Some(tcp) => {
                let offset = u32::try_from(place.offset).ok()?;
                let sequence = tcp.sequence.wrapping_add(offset).to_be_bytes();
                let flags = tcp.flags_at(&place);
                transport.get_mut(4..8)?.copy_from_slice(&sequence);
                ip::put_u16(transport, 12, flags);
                let sum = sum.bytes(&sequence).word(flags).bytes(body);
                ip::put_u16(transport, TCP_CHECKSUM, sum.finish());
            }
            None => {
                ip::put_u16(transport, 4, len);
                let sum = sum.word(len).bytes(body);
                ip::put_u16(transport, UDP_CHECKSUM, udp::nonzero(sum.finish()));
            }
        }
        Some(())
    }
}

impl Tcp {
    fn parse(transport: &[u8]) -> Option<Self> {
        let fixed = transport.first_chunk::<TCP_HEADER_LEN>()?;
        let [_, _, _, _, s0, s1, s2, s3, _, _, _, _, f0, f1, ..] = *fixed;
        let tcp = Self {
            sequence: u32::from_be_bytes([s0, s1, s2, s3]),
            flags: u16::from_be_bytes([f0, f1]),
        };
        // A connection begins with a single packet: nothing is known of the other end before.
        let is_honest = tcp.flags & SYN == 0 && tcp.header_len() >= TCP_HEADER_LEN;
        is_honest.then_some(tcp)
    }

    /// Options included.
    fn header_len(&self) -> usize {
        usize::from(self.flags >> 12).saturating_mul(4)
    }

    /// What ends or hurries on the data stands behind all of it; that the window was reduced is
    /// said once (RFC 3168 §6.1.2).
    const fn flags_at(&self, place: &Place) -> u16 {
        let mut flags = self.flags;
        if !place.last {
            flags &= !(FIN | PSH);
        }
        if !place.first {
            flags &= !CWR;
        }
        flags
    }
}

/// Makes the checksum that a packet lacks: over everything from `csum_start` on, where the field
/// itself holds the sum of the pseudo-header. It may be that of a packet within the packet. `None`
/// if the header does not fit the packet.
fn complete(header: VnetHeader, ip: &Header, packet: &mut [u8]) -> Option<()> {
    if header.ecn || header.segment > 0 {
        return None;
    }
    if !header.needs_checksum {
        return Some(());
    }
    let (start, offset) = (header.csum_start.into(), header.csum_offset.into());
    let is_outer = start == ip.header_len;
    let is_honest = match ip.protocol {
        _ if ip.is_fragment() => false,
        ip::TCP => is_outer && offset == TCP_CHECKSUM,
        ip::UDP if is_outer => offset == UDP_CHECKSUM,
        ip::UDP => start >= ip.header_len.saturating_add(udp::HEADER_LEN),
        _ => start >= ip.header_len,
    };
    let summed = packet.get_mut(start..).filter(|_| is_honest)?;
    let sum = Sum::new().bytes(summed).finish();
    let field = summed.get_mut(offset..)?.first_chunk_mut::<2>()?;
    *field = udp::nonzero(sum).to_be_bytes();
    Some(())
}

//! A run: packets of one flow, each of which goes on where the one before it ends.

use std::io::IoSlice;

use super::Delivery;
use super::parts::{Chain, Parts};
use super::segment::{self, Segment, Transport};
use crate::net::ip::{self, Header, put_u16, u16_at};
use crate::offload::vnet::{Gso, VnetHeader};
use crate::session::SessionId;

/// Packets of a run, at most: for UDP the kernel takes no more (`UDP_MAX_SEGMENTS`; 128 in newer
/// ones).
pub const PACKETS: usize = 64;
/// Bytes of a super-packet, at most: what the length field of IPv4 can say.
const MAX_LEN: usize = 65_535;

/// Packets that will be one; or a single one that waits for more.
#[derive(Debug)]
pub struct Run<'a> {
    session: Option<SessionId>,
    /// What the first packet says: how long the others are, and where each must begin.
    head: Segment,
    /// The first packet.
    first: &'a mut [u8],
    /// The payloads of the others.
    rest: Chain,
    /// How many packets there are, the first included.
    packets: usize,
    /// Bytes of the super-packet.
    len: usize,
    /// Whether the last one has PSH.
    pushes: bool,
}

impl<'a> Run<'a> {
    /// A run of one packet, which is mergeable and does not push.
    pub fn new(session: Option<SessionId>, head: Segment, first: &'a mut [u8]) -> Self {
        Self {
            session,
            head,
            len: first.len(),
            first,
            rest: Chain::default(),
            packets: 1,
            pushes: false,
        }
    }

    /// Whether a packet is of the same flow.
    pub fn is_of(&self, session: Option<SessionId>, segment: &Segment) -> bool {
        self.head.is_of_flow(segment) && self.session == session
    }

    /// Whether a packet is from and to the same hosts.
    pub fn is_between(&self, session: Option<SessionId>, ip: &Header) -> bool {
        let own = &self.head.ip;
        (self.session, own.source, own.destination) == (session, ip.source, ip.destination)
    }

    /// Whether a mergeable packet of the same flow goes on where this run ends.
    pub fn takes(&self, next: &Segment, packet: &[u8]) -> bool {
        let payload = next.payload_len();
        payload <= self.head.payload_len()
            && self.len.saturating_add(payload) <= MAX_LEN
            && next.sequence == self.next_sequence()
            && self.may_have_id(next)
            && next.has_headers_of(packet, &self.head, self.first)
    }

    /// Joins a packet to the run that takes it.
    pub fn join(&mut self, segment: &Segment, packet: &'a [u8], parts: &mut Parts<'a>) {
        let payload = packet.get(segment.headers..).unwrap_or_default();
        parts.push(&mut self.rest, payload);
        self.len = self.len.saturating_add(payload.len());
        self.packets = self.packets.saturating_add(1);
        self.pushes = segment.pushes();
    }

    /// Whether nothing more can join, after `last` did: the segments of a super-packet but the
    /// last are of equal length, and only the last has PSH.
    pub const fn is_complete(&self, last: &Segment) -> bool {
        self.pushes || last.payload_len() < self.head.payload_len() || self.packets >= PACKETS
    }

    /// UDP has no numbers: there, every datagram has the one that is expected, 0.
    fn next_sequence(&self) -> u32 {
        match self.head.transport {
            Transport::Tcp => {
                let payload = self.len.saturating_sub(self.head.headers);
                let payload = u32::try_from(payload).unwrap_or(u32::MAX);
                self.head.sequence.wrapping_add(payload)
            }
            Transport::Udp => 0,
        }
    }

    /// Who cuts a super-packet counts the identification up (as the kernel does). Where it has no
    /// meaning, because the packets must not be fragmented, senders count in many ways, or put
    /// zero (RFC 6864 §4.1); there any will do. Elsewhere it must be what cutting gives: what a
    /// sender has used must not come from us a second time, in other packets.
    fn may_have_id(&self, next: &Segment) -> bool {
        let expected = u16::try_from(self.packets).map(|n| self.head.id.wrapping_add(n));
        next.ip.dont_fragment || Ok(next.id) == expected
    }

    /// Writes the run: as a super-packet, or unchanged if there is one packet only.
    pub fn write(mut self, parts: &Parts<'_>, write: &mut impl FnMut(Delivery<'_>)) {
        if self.packets == 1 {
            return write_alone(self.session, self.first, write);
        }
        self.edit_headers();
        let header = self.describe();
        let encoded = header.encode();
        let mut slices = [IoSlice::new(&[]); 1 + PACKETS];
        let filled = [&encoded[..], self.first]
            .into_iter()
            .chain(parts.iter(self.rest));
        slices
            .iter_mut()
            .zip(filled)
            .for_each(|(slice, bytes)| *slice = IoSlice::new(bytes));
        write(Delivery {
            session: self.session,
            packets: self.packets,
            header,
            slices: slices.get(..=self.packets).unwrap_or_default(),
        });
    }

    /// Makes the headers of the first packet those of the super-packet: the lengths are those of
    /// the whole, the checksum of the transport is still to be made.
    fn edit_headers(&mut self) {
        let Header {
            source, header_len, ..
        } = self.head.ip;
        let body = self.len.saturating_sub(header_len);
        if source.is_ipv4() {
            put_u16(self.first, 2, short(self.len));
            let header = self.first.get_mut(..header_len).unwrap_or_default();
            ip::fill_v4_checksum(header);
        } else {
            put_u16(self.first, 4, short(body));
        }
        match self.head.transport {
            Transport::Tcp if self.pushes => {
                let at = header_len.saturating_add(12);
                let flags = u16_at(self.first, at).unwrap_or_default();
                put_u16(self.first, at, flags | segment::PSH);
            }
            Transport::Tcp => {}
            Transport::Udp => put_u16(self.first, header_len.saturating_add(4), short(body)),
        }
        // Folded, not inverted: what completes it adds the rest.
        let sum = self.head.pseudo_header(body).fold();
        put_u16(self.first, self.head.checksum_place(), sum);
    }

    fn describe(&self) -> VnetHeader {
        let Segment { ip, transport, .. } = self.head;
        VnetHeader {
            gso: match (transport, ip.source.is_ipv4()) {
                (Transport::Tcp, true) => Gso::TcpV4,
                (Transport::Tcp, false) => Gso::TcpV6,
                (Transport::Udp, _) => Gso::Udp,
            },
            ecn: false,
            needs_checksum: true,
            header_len: short(self.head.headers),
            segment: short(self.head.payload_len()),
            csum_start: short(ip.header_len),
            csum_offset: short(transport.checksum_at()),
        }
    }
}

/// Writes a packet as it is.
pub fn write_alone(
    session: Option<SessionId>,
    packet: &[u8],
    write: &mut impl FnMut(Delivery<'_>),
) {
    let encoded = VnetHeader::PLAIN.encode();
    write(Delivery {
        session,
        packets: 1,
        header: VnetHeader::PLAIN,
        slices: &[IoSlice::new(&encoded), IoSlice::new(packet)],
    });
}

/// A number of bytes of a packet, which is no longer than [`MAX_LEN`].
fn short(bytes: usize) -> u16 {
    u16::try_from(bytes).unwrap_or(u16::MAX)
}

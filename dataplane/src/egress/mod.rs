//! The way out: PPP, L2TP, UDP and ESP around what is sent.

mod batch;
mod headers;
mod latest;

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use esp::{Exhausted, SealError};
use wire::{Carrier, Path, PeerId, Ports};

use self::headers::Headers;
pub(crate) use self::latest::Latest;
use crate::buffer::Buffer;
use crate::drops::DropReason;
use crate::fragment::Fragments;
use crate::mss;
use crate::net::ip::Header;
use crate::net::{icmp, udp};
use crate::peer::{Flag, Peer};
use crate::plane::DataPlane;
use crate::sa::OutboundSa;
use crate::session::{Network, Session, SessionId};

/// What became of a packet on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Egress {
    /// The buffer holds an ESP packet. By [`Path::carrier`] it goes to the path as a UDP payload
    /// ([`Carrier::NatT`]) or as protocol 50 ([`Carrier::Raw`]).
    Sealed {
        /// Whose it is.
        peer: PeerId,
        /// Where it goes.
        path: Path,
    },
    /// The packet was too long. The buffer holds an IP packet for its sender, that is for the
    /// TUN, which says so.
    Reply,
    /// The packet is too long and may be cut: it is still in its buffer, and
    /// [`DataPlane::egress_fragment`] makes the pieces.
    Fragments(Fragments),
    /// The packet goes nowhere; counted.
    Dropped(DropReason),
}

impl DataPlane {
    /// Sends an IP packet out: finds the session for its destination and seals it in place.
    ///
    /// The sequence number is drawn here: for numbers to leave in order, one thread at a time
    /// sends what belongs to one peer.
    pub fn egress(&self, buffer: &mut Buffer) -> Egress {
        let Ok(header) = Header::parse(buffer.packet()) else {
            return self.drop_out(DropReason::BadIp);
        };
        let outcome = self.check_isolation(&header).and_then(|()| {
            self.with_session_for(header.destination, |session| {
                self.egress_to(session, header, buffer)
            })
        });
        self.settled(outcome)
    }

    /// Makes the next piece of a packet that [`DataPlane::egress`] gave [`Egress::Fragments`] for:
    /// `source` is the buffer it was given, `piece` another. To be called until `None`.
    pub fn egress_fragment(
        &self,
        fragments: &mut Fragments,
        source: &Buffer,
        piece: &mut Buffer,
    ) -> Option<Egress> {
        fragments.next(source.packet(), piece)?;
        let destination = fragments.header().destination;
        let outcome = self.with_session_for(destination, |session| {
            let network = session.network.load();
            let network = network.as_ref().ok_or(DropReason::NetworkDown)?;
            self.egress_ip(session, network, piece)
        });
        Some(self.settled(outcome))
    }

    /// Sends an L2TP control message, `buffer`, to a peer.
    pub fn seal_control(&self, peer: PeerId, ports: Ports, buffer: &mut Buffer) -> Egress {
        let headers = Headers::of_message(ports, buffer.packet().len());
        let outcome = self
            .by_peer
            .with(peer, |peer| self.seal(peer, headers, buffer));
        self.settled(outcome.unwrap_or(Err(DropReason::UnknownPeer)))
    }

    /// Sends a PPP frame, `buffer`, through a session. The frame is sent as it is, with address
    /// and control field or without.
    pub fn seal_ppp(&self, session: SessionId, buffer: &mut Buffer) -> Egress {
        let outcome = self.by_session.with(session, |session| {
            let headers = Headers::of_frame(session, buffer.packet().len());
            self.seal(&session.peer, headers, buffer)
        });
        self.settled(outcome.unwrap_or(Err(DropReason::UnknownPeer)))
    }

    /// Sends an IP packet of our own, `buffer`, through a session, whatever its destination.
    pub fn seal_ip(&self, session: SessionId, buffer: &mut Buffer) -> Egress {
        let Ok(header) = Header::parse(buffer.packet()) else {
            return self.drop_out(DropReason::BadIp);
        };
        let outcome = self
            .by_session
            .with(session, |session| self.egress_to(session, header, buffer));
        self.settled(outcome.unwrap_or(Err(DropReason::UnknownPeer)))
    }

    /// Whose packet it is that goes to `destination`, and which packet thread seals it. The path a
    /// peer had when it was added decides ([`crate::owner`]): a peer that moves keeps its thread,
    /// so that its numbers go on in order.
    pub fn owner_for(&self, destination: IpAddr) -> Option<(PeerId, usize)> {
        let of = |session: &Session| (session.peer.id, session.peer.owner);
        let own = self.by_address.with(destination, |session| of(session));
        own.or_else(|| self.default.load().as_deref().map(of))
    }

    fn with_session_for<R>(
        &self,
        destination: IpAddr,
        send: impl FnOnce(&Arc<Session>) -> Result<R, DropReason>,
    ) -> Result<R, DropReason> {
        // `send` can be given away once only, and has two takers.
        let mut send = Some(send);
        let own = self.by_address.with(destination, |session| {
            send.take()
                .map_or(Err(DropReason::NoSession), |send| send(session))
        });
        own.unwrap_or_else(|| match (self.default.load().as_ref(), send) {
            (Some(session), Some(send)) => send(session),
            _ => Err(DropReason::NoSession),
        })
    }

    /// What a client sends to another never gets to the TUN; but a client may be able to talk this
    /// host into sending it there itself (a source route, a forwarded port).
    fn check_isolation(&self, header: &Header) -> Result<(), DropReason> {
        if self.config.isolate_clients && self.by_address.contains(header.source) {
            return Err(DropReason::ClientIsolation);
        }
        Ok(())
    }

    fn settled(&self, outcome: Result<Egress, DropReason>) -> Egress {
        outcome.unwrap_or_else(|reason| self.drop_out(reason))
    }

    fn drop_out(&self, reason: DropReason) -> Egress {
        self.drops.count(reason);
        Egress::Dropped(reason)
    }

    fn egress_to(
        &self,
        session: &Session,
        header: Header,
        buffer: &mut Buffer,
    ) -> Result<Egress, DropReason> {
        let network = session.network.load();
        let network = network.as_ref().ok_or(DropReason::NetworkDown)?;
        if !network.carries(&header) {
            return Err(DropReason::NoSession);
        }
        if header.total_len > usize::from(network.mtu) {
            return self.too_long(network, header, buffer);
        }
        buffer
            .set_len(header.total_len)
            .map_err(|_| DropReason::NoRoom)?;
        mss::clamp(buffer.packet_mut(), &header, network.mtu.min(network.mru));
        self.egress_ip(session, network, buffer)
    }

    fn too_long(
        &self,
        network: &Network,
        header: Header,
        buffer: &mut Buffer,
    ) -> Result<Egress, DropReason> {
        if !header.dont_fragment {
            let fragments = Fragments::new(header, network.mtu).ok_or(DropReason::TooBig)?;
            return Ok(Egress::Fragments(fragments));
        }
        self.drops.count(DropReason::TooBig);
        let message = icmp::too_big(buffer.space(), &header, network.mtu);
        match message.and_then(|len| buffer.set_len(len).ok()) {
            Some(()) => Ok(Egress::Reply),
            None => Ok(Egress::Dropped(DropReason::TooBig)),
        }
    }

    /// An IP packet that fits.
    fn egress_ip(
        &self,
        session: &Session,
        network: &Network,
        buffer: &mut Buffer,
    ) -> Result<Egress, DropReason> {
        let len = buffer.packet().len();
        let is_v4 = buffer.packet().first().is_none_or(|first| first >> 4 != 6);
        let headers = Headers::of_packet(session, network, is_v4, len);
        let egress = self.seal(&session.peer, headers, buffer)?;
        session.sent.count(len);
        Ok(egress)
    }

    /// Puts the headers in front and seals all.
    fn seal(
        &self,
        peer: &Peer,
        headers: Option<Headers>,
        buffer: &mut Buffer,
    ) -> Result<Egress, DropReason> {
        let headers = headers.ok_or(DropReason::NoRoom)?;
        let front = buffer.prepend(headers.as_slice().len());
        front
            .ok_or(DropReason::NoRoom)?
            .copy_from_slice(headers.as_slice());
        let path = **peer.path.load();
        fill_checksum(&path, buffer.packet_mut());
        let sa = peer.outbound.load();
        let sa = sa.as_ref().ok_or(DropReason::NoOutboundSa)?;
        let numbers = self
            .draw(peer, sa, 1)
            .map_err(|Exhausted| DropReason::SequenceExhausted)?;
        let (bytes, range) = buffer.parts();
        let sealed = sa
            .seal(*numbers.start(), bytes, range)
            .map_err(|_: SealError| DropReason::NoRoom)?;
        sa.meter.count(sealed.len());
        buffer.set_range(sealed);
        Ok(Egress::Sealed {
            peer: peer.id,
            path,
        })
    }

    /// The next numbers of an association: `most`, or as many as are left.
    fn draw(
        &self,
        peer: &Peer,
        sa: &OutboundSa,
        most: u32,
    ) -> Result<RangeInclusive<u32>, Exhausted> {
        let numbers = sa.sequence.draw(most)?;
        if sa.sequence.is_low() && !sa.low.swap(true, Ordering::AcqRel) {
            peer.low_spi.store(sa.sealer.spi(), Ordering::Relaxed);
            peer.raise(Flag::SequenceLow);
            self.dirty_peers.mark(peer.index);
            self.urgent.store(true, Ordering::Release);
        }
        Ok(numbers)
    }
}

/// Fills the checksum of a UDP packet in, where it has to have one.
///
/// Behind a NAT the client's idea of its address is not ours, and 0 means that there is no checksum
/// (RFC 768). IPv6 has no such way out (RFC 8200 §8.1).
fn fill_checksum(path: &Path, packet: &mut [u8]) {
    if path.carrier != Carrier::NatT || path.remote.is_ipv6() {
        udp::fill_checksum(packet, path.local.ip(), path.remote.ip());
    }
}

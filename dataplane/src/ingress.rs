//! The way in: RFC 4303 §3.4, then UDP, L2TP, PPP and IP.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arc_swap::Guard;
use esp::{Acceptance, OpenError, Opened, ReplayError};
use wire::{Carrier, Instant, Path, PeerId, Ports};

use crate::dhcp;
use crate::drops::DropReason;
use crate::l2tp::{self, Data, Kind};
use crate::mss;
use crate::net::ip::{self, Header};
use crate::net::udp;
use crate::peer::{Flag, Peer};
use crate::plane::DataPlane;
use crate::ppp;
use crate::sa::InboundSa;
use crate::session::{Network, Remote, Session, SessionId};

/// Next header of dummy packets (RFC 4303 §2.6).
const NO_NEXT_HEADER: u8 = 59;

/// What became of an ESP packet. All that is borrowed lies in the packet's own buffer.
#[derive(Debug, PartialEq, Eq)]
pub enum Ingress<'a> {
    /// For the TUN: an IP packet from the peer it claims to be from.
    Ip {
        /// The session it came through.
        session: SessionId,
        /// The packet.
        packet: &'a mut [u8],
    },
    /// For the engine: an L2TP control message.
    Control {
        /// Whose it is.
        peer: PeerId,
        /// The UDP ports inside.
        ports: Ports,
        /// The message.
        message: &'a mut [u8],
    },
    /// For the engine: a PPP frame that is not an IP packet, or is one of IPv6 where that is not
    /// open ([`crate::Network::ipv6`]).
    Ppp {
        /// Whose it is.
        peer: PeerId,
        /// Its session.
        session: SessionId,
        /// The frame, with or without address and control field.
        frame: &'a mut [u8],
    },
    /// For the engine: a DHCP message, where [`crate::Network::dhcp`] says so; from the peer it
    /// claims to be from, and no more often than a session may.
    Dhcp {
        /// Whose it is.
        peer: PeerId,
        /// The session it came through.
        session: SessionId,
        /// The UDP payload.
        message: &'a mut [u8],
    },
    /// For the engine: an L2TP data message with ids that are not those of a session of its peer.
    /// The peer may turn out to be the continuation of an older one that has such a session, or the
    /// message that opened the session may be on its way up: [`DataPlane::deliver`] takes this one again.
    Stray {
        /// Under whose association it came.
        peer: PeerId,
        /// The UDP ports inside.
        ports: Ports,
        /// Our tunnel id, as the message has it.
        tunnel: u16,
        /// Our session id, as the message has it.
        session: u16,
        /// The message.
        message: &'a mut [u8],
    },
    /// For nobody; counted.
    Dropped(DropReason),
}

/// The session that the last packet of a run came through, and what was looked up for it: mostly
/// the next one needs the same.
#[derive(Default)]
pub(crate) struct Recent<'s> {
    visit: Option<Visit<'s>>,
}

struct Visit<'s> {
    session: &'s Session,
    network: Guard<Option<Arc<Network>>>,
    /// The destination that was last found not to be a client's.
    outside: Option<IpAddr>,
    /// What has come through the session and is not in its books: [`Visit::drop`] sees to that.
    packets: usize,
    bytes: usize,
}

impl<'s> Recent<'s> {
    fn visit(&mut self, session: &'s Session) -> &mut Visit<'s> {
        let same = |visit: &Visit<'_>| std::ptr::eq(visit.session, session);
        if !self.visit.as_ref().is_some_and(same) {
            self.visit = None;
        }
        self.visit.get_or_insert_with(|| Visit {
            session,
            network: session.network.load(),
            outside: None,
            packets: 0,
            bytes: 0,
        })
    }
}

impl Visit<'_> {
    fn count(&mut self, bytes: usize) {
        self.packets = self.packets.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        if self.packets > 0 {
            self.session.received.count_all(self.packets, self.bytes);
        }
    }
}

impl DataPlane {
    /// Takes an ESP packet in. `packet` starts at the SPI: an encapsulating UDP header, or the IP
    /// header that a raw socket delivers, is already off. It is opened in place.
    ///
    /// How a packet came ([`Path::carrier`]) need not be what was negotiated: it is authentic
    /// either way, and peers change over when a NAT appears (RFC 7296 §2.23 demands the same of
    /// its implementations). But only what came by UDP, under an association negotiated for UDP,
    /// can tell that a peer has moved.
    pub fn ingress<'a>(&self, now: Instant, path: Path, packet: &'a mut [u8]) -> Ingress<'a> {
        self.counted(self.open(now, path, packet))
    }

    /// Takes an L2TP message in that has been opened before: one that came back as
    /// [`Ingress::Stray`] and whose peer is known by now. It is not a stray a second time, but
    /// dropped as [`DropReason::PeerMismatch`]. What is no UDP payload out of an association of that
    /// very peer must never get here.
    pub fn deliver<'a>(&self, peer: PeerId, ports: Ports, message: &'a mut [u8]) -> Ingress<'a> {
        let found = self.by_peer.with(peer, Arc::clone);
        let outcome = match found {
            Some(peer) => {
                let sessions = peer.sessions.load();
                self.deliver_l2tp(&peer, &sessions, &mut Recent::default(), ports, message)
            }
            None => Err(DropReason::UnknownPeer),
        };
        self.counted(outcome.and_then(|ingress| match ingress {
            Ingress::Stray { .. } => Err(DropReason::PeerMismatch),
            ingress => Ok(ingress),
        }))
    }

    pub(crate) fn counted<'a>(&self, outcome: Result<Ingress<'a>, DropReason>) -> Ingress<'a> {
        outcome.unwrap_or_else(|reason| {
            self.drops.count(reason);
            Ingress::Dropped(reason)
        })
    }

    fn open<'a>(
        &self,
        now: Instant,
        path: Path,
        packet: &'a mut [u8],
    ) -> Result<Ingress<'a>, DropReason> {
        let (spi, sequence) = esp::peek(packet).ok_or(DropReason::BadEspLength)?;
        self.with_inbound(spi, |slot, sa| {
            sa.window.check(sequence.into()).map_err(refused)?;
            let outcome = sa.open(packet);
            self.opened(now, path, (slot, sa), packet, outcome)
        })?
    }

    /// The association that a packet names.
    pub(crate) fn with_inbound<R>(
        &self,
        spi: u32,
        then: impl FnOnce(usize, &InboundSa) -> R,
    ) -> Result<R, DropReason> {
        let slot = self.config.slots.slot(spi);
        let guard = self.inbound.get(slot).ok_or(DropReason::UnknownSpi)?.load();
        let sa = guard
            .as_ref()
            .filter(|sa| sa.spi == spi)
            .ok_or(DropReason::UnknownSpi)?;
        Ok(then(slot, sa))
    }

    /// Goes on with a packet that was opened, if it did open.
    fn opened<'a>(
        &self,
        now: Instant,
        path: Path,
        (slot, sa): (usize, &InboundSa),
        packet: &'a mut [u8],
        outcome: Result<Opened, OpenError>,
    ) -> Result<Ingress<'a>, DropReason> {
        let (opened, acceptance) = accept(sa, outcome)?;
        sa.meter.count(packet.len());
        let peer = sa.peer.load();
        self.notice(now, sa, slot, &peer, 1);
        self.notice_path(path, sa, &peer, acceptance);
        let sessions = peer.sessions.load();
        self.deliver_opened(&peer, &sessions, &mut Recent::default(), packet, opened)
    }

    /// Goes on with a packet that is authentic and new.
    pub(crate) fn deliver_opened<'s, 'a>(
        &self,
        peer: &Peer,
        sessions: &'s [Arc<Session>],
        recent: &mut Recent<'s>,
        packet: &'a mut [u8],
        opened: Opened,
    ) -> Result<Ingress<'a>, DropReason> {
        match opened.next_header {
            ip::UDP => {}
            NO_NEXT_HEADER => return Err(DropReason::Dummy),
            _ => return Err(DropReason::NotUdp),
        }
        // The UDP checksum is not verified: a NAT has made it wrong (RFC 3948 §3.1.2), and ESP has
        // authenticated every byte.
        let datagram = packet.get_mut(opened.payload).ok_or(DropReason::BadUdp)?;
        let (remote, local, message) = udp::parse(datagram).ok_or(DropReason::BadUdp)?;
        self.deliver_l2tp(peer, sessions, recent, Ports { local, remote }, message)
    }

    /// Leaves behind what the control plane should know when authentic packets have come.
    pub(crate) fn notice(
        &self,
        now: Instant,
        sa: &InboundSa,
        slot: usize,
        peer: &Peer,
        packets: usize,
    ) {
        peer.on_heard(now, packets);
        if !peer.is_raised(Flag::Heard) {
            peer.raise(Flag::Heard);
            self.dirty_peers.mark(peer.index);
        }
        if !sa.used.load(Ordering::Relaxed) && !sa.used.swap(true, Ordering::AcqRel) {
            self.dirty_inbound.mark(slot);
            self.urgent.store(true, Ordering::Release);
        }
    }

    /// Leaves behind where an authentic packet came from, if the peer has moved.
    ///
    /// An endpoint moves only on what is authentic and newer than everything before, so that nobody
    /// can move it by repeating or delaying packets.
    pub(crate) fn notice_path(
        &self,
        path: Path,
        sa: &InboundSa,
        peer: &Peer,
        acceptance: Acceptance,
    ) {
        let by_udp = sa.carrier == Carrier::NatT && path.carrier == Carrier::NatT;
        if !by_udp || acceptance != Acceptance::Newest {
            return;
        }
        if **peer.path.load() == path {
            // It may have gone and come back.
            if peer.seen_at.load().is_some() {
                peer.seen_at.store(None);
            }
        } else if peer.seen_at.load().as_deref() != Some(&path) {
            peer.seen_at.store(Some(Arc::new(path)));
            peer.raise(Flag::Moved);
            self.dirty_peers.mark(peer.index);
            self.urgent.store(true, Ordering::Release);
        }
    }

    fn deliver_l2tp<'s, 'a>(
        &self,
        peer: &Peer,
        sessions: &'s [Arc<Session>],
        recent: &mut Recent<'s>,
        ports: Ports,
        message: &'a mut [u8],
    ) -> Result<Ingress<'a>, DropReason> {
        let kind = l2tp::parse(message);
        let is_l2tp = ports.local == peer.port
            || sessions
                .iter()
                .any(|session| session.link.ports.local == ports.local);
        if !is_l2tp {
            return Err(DropReason::WrongPort);
        }
        let Data {
            tunnel,
            session: id,
            frame,
        } = match kind.ok_or(DropReason::BadL2tp)? {
            Kind::Control => {
                return Ok(Ingress::Control {
                    peer: peer.id,
                    ports,
                    message,
                });
            }
            Kind::Data(data) => data,
        };
        let found = sessions.iter().find(|session| {
            (session.link.local_tunnel, session.link.local_session) == (tunnel, id)
        });
        let Some(session) = found else {
            return Ok(Ingress::Stray {
                peer: peer.id,
                ports,
                tunnel,
                session: id,
                message,
            });
        };
        let frame = message.get_mut(frame).ok_or(DropReason::BadL2tp)?;
        self.deliver_frame(recent.visit(session), frame)
    }

    fn deliver_frame<'a>(
        &self,
        visit: &mut Visit<'_>,
        frame: &'a mut [u8],
    ) -> Result<Ingress<'a>, DropReason> {
        let session = visit.session;
        session.on_heard();
        let (protocol, start) = ppp::parse(frame).ok_or(DropReason::BadPpp)?;
        let is_data = match protocol {
            ppp::IP => true,
            ppp::IPV6 => visit.network.as_deref().is_some_and(|network| network.ipv6),
            _ => false,
        };
        if !is_data {
            let (peer, session) = (session.link.peer, session.link.session);
            return Ok(Ingress::Ppp {
                peer,
                session,
                frame,
            });
        }
        let network = visit.network.as_deref().ok_or(DropReason::NetworkDown)?;
        let packet = frame.get_mut(start..).ok_or(DropReason::BadPpp)?;
        let header = Header::parse(packet).map_err(|_| DropReason::BadIp)?;
        if header.source.is_ipv4() != (protocol == ppp::IP) {
            return Err(DropReason::BadIp);
        }
        if let Remote::Address(address) = network.remote
            && address != header.source
        {
            return Err(DropReason::SpoofedSource);
        }
        if let Some(message) = dhcp::find(network, packet, &header) {
            visit.count(header.total_len);
            // The clock of this session: its peer was heard a moment ago.
            let now = session.peer.last_heard().unwrap_or(Instant::BOOT);
            if !session.dhcp.take(now) {
                return Err(DropReason::DhcpTooOften);
            }
            let (peer, session) = (session.link.peer, session.link.session);
            let message = packet.get_mut(message).ok_or(DropReason::BadIp)?;
            return Ok(Ingress::Dhcp {
                peer,
                session,
                message,
            });
        }
        if self.config.isolate_clients && visit.outside != Some(header.destination) {
            if self.by_address.contains(header.destination) {
                return Err(DropReason::ClientIsolation);
            }
            visit.outside = Some(header.destination);
        }
        mss::clamp(packet, &header, network.mtu.min(network.mru));
        visit.count(header.total_len);
        // What lies behind the packet is padding of PPP (RFC 1661 §2).
        let packet = packet
            .get_mut(..header.total_len)
            .ok_or(DropReason::BadIp)?;
        Ok(Ingress::Ip {
            session: session.link.session,
            packet,
        })
    }
}

/// Whether what was opened is authentic and new; the window knows it from here on.
pub(crate) fn accept(
    sa: &InboundSa,
    outcome: Result<Opened, OpenError>,
) -> Result<(Opened, Acceptance), DropReason> {
    let opened = outcome.map_err(|error| match error {
        OpenError::Length => DropReason::BadEspLength,
        OpenError::Integrity => DropReason::BadIntegrity,
        OpenError::Padding => DropReason::BadPadding,
    })?;
    let acceptance = sa.window.accept(opened.sequence.into()).map_err(refused)?;
    Ok((opened, acceptance))
}

pub(crate) fn refused(error: ReplayError) -> DropReason {
    match error {
        ReplayError::Seen => DropReason::Replayed,
        ReplayError::TooOld => DropReason::OutsideWindow,
    }
}

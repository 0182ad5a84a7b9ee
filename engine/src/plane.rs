//! The engine's side of the data plane: what it tells, and what comes up.

use dataplane::{AddSession, Network, Notice, Remote, Update};
use l2tp::codec::Header;
use ppp::NetworkUp;
use wire::{Instant, Path, PeerId, Ports};

use crate::engine::Pending;
use crate::peer::{Child, Peer};
use crate::session::Session;
use crate::timers::Timer;
use crate::{Config, Engine, Output, Request, SessionId, suite};

/// Bytes around an inner IP packet between the outer IP header and the ESP payload's end: UDP
/// encapsulation, inner UDP, L2TP and PPP.
const OUTER_IP: usize = 20;
const ENCAPSULATION: usize = 8;
const INSIDE: usize = 8 + 6 + 4;
/// When a child SA is replaced that we proposed to somebody who dialled us, in thousandths of its
/// lifetime in kilobytes.
const REKEY_AT: u16 = 800;

/// What the data plane passes up. All of it came out of an SA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upcall {
    /// An L2TP control message.
    Control {
        /// Whose SA it came under.
        peer: PeerId,
        /// The UDP ports inside.
        ports: Ports,
        /// The message.
        bytes: Vec<u8>,
    },
    /// A PPP frame that is not an IPv4 packet.
    Ppp {
        /// Its session.
        session: SessionId,
        /// The frame.
        frame: Vec<u8>,
    },
    /// A DHCP message, in a session of which [`dataplane::Network::dhcp`] says that it goes up.
    Dhcp {
        /// Its session.
        session: SessionId,
        /// The UDP payload.
        message: Vec<u8>,
    },
    /// An L2TP data message for a session that the peer of its SA does not have, or not yet.
    Stray {
        /// Whose SA it came under.
        peer: PeerId,
        /// The UDP ports inside.
        ports: Ports,
        /// The tunnel id and the session id it names.
        ids: (u16, u16),
        /// The message.
        bytes: Vec<u8>,
    },
}

impl Config {
    /// The largest inner IP packet whose sealed form fits the outer path.
    pub(crate) fn inner_mtu(&self, peer: &Peer, session: &Session) -> u16 {
        let outer = usize::from(self.outer_mtu).saturating_sub(OUTER_IP + ENCAPSULATION);
        let payload = peer.suite.and_then(|suite| suite.max_payload(outer));
        // RFC 2661 §3.1: the length field; Ns and Nr.
        let length = 2 * usize::from(session.length_in_data);
        let numbers = 4 * usize::from(session.sequencing);
        let inner = payload
            .unwrap_or(0)
            .saturating_sub(INSIDE + length + numbers);
        u16::try_from(inner).unwrap_or(u16::MAX)
    }
}

impl Engine {
    pub(crate) fn on_upcall(&mut self, now: Instant, upcall: Upcall) {
        match upcall {
            Upcall::Ppp { session, frame } => {
                self.on_frame(now, session, frame);
            }
            Upcall::Dhcp { session, message } => self.on_dhcp(session, &message),
            Upcall::Control { peer, ports, bytes } => {
                let peer = self.rejoin(now, peer, control_ids(&bytes));
                // Its SAs may have gone while the message was waiting.
                if self.peers.contains_key(&peer) {
                    self.note_l2tp(peer);
                    self.l2tp.handle_message(now, peer, ports, &bytes);
                }
            }
            Upcall::Stray {
                peer,
                ports,
                ids,
                bytes,
            } => {
                // Also where it is nobody else's: what comes right behind the message that opens a
                // session is ahead of the news of it, and the data plane knows better by now.
                let peer = self.rejoin(now, peer, Some(ids));
                self.output(Output::Deliver { peer, ports, bytes });
            }
        }
    }

    /// Whose packet it is that came under the SA of `peer` and names a tunnel and a session that
    /// `peer` does not have, or nothing of the kind. The first such packet joins the peer to the one
    /// whose these are; those that were on their way up meanwhile still name the younger one.
    fn rejoin(&mut self, now: Instant, peer: PeerId, ids: Option<(u16, u16)>) -> PeerId {
        if let Some(elder) = self.joined.get(&peer) {
            return *elder;
        }
        let Some(elder) = ids.and_then(|ids| self.elder(peer, ids)) else {
            return peer;
        };
        self.join(now, peer, elder);
        elder
    }

    /// The older peer that a provisional one continues, if the packet proves it: one of equal
    /// identity and key, at the address that this one has proved to be at, that has the tunnel *and* the session it names.
    fn elder(&self, provisional: PeerId, ids: (u16, u16)) -> Option<PeerId> {
        let peer = self
            .peers
            .get(&provisional)
            .filter(|peer| peer.is_provisional())?;
        let info = peer.info.as_ref()?;
        let mut namesakes = self.kindred.namesakes(ids);
        namesakes.find(|elder| *elder != provisional && self.may_continue(info, *elder))
    }

    pub(crate) fn on_notice(&mut self, now: Instant, notice: Notice) {
        match notice {
            Notice::FirstPacket { spi, truncated, .. } => {
                if let Some(child) = self.by_spi.get(&spi).copied() {
                    if truncated {
                        self.on_truncated(child);
                    }
                    self.ike.confirm_child(now, child);
                }
            }
            Notice::Moved { peer, path } => {
                // It may have turned out meanwhile whose continuation the peer is.
                let peer = self.joined.get(&peer).copied().unwrap_or(peer);
                self.on_peer_moved(now, peer, path);
            }
            Notice::SequenceLow { peer, spi } => {
                let peer = self.peers.get(&peer);
                let child = peer.and_then(|peer| {
                    peer.children
                        .iter()
                        .find(|(_, child)| child.outbound == spi)
                });
                if let Some((child, _)) = child {
                    self.ike.rekey_child(now, *child);
                }
            }
            Notice::Heard { peer, at } => self.on_heard(now, peer, at),
            Notice::SessionHeard { session } => self.on_session_heard(now, session),
        }
    }

    /// A session that carries data is alive, and its tunnel is; of other sessions of the same peer
    /// that says nothing.
    fn on_session_heard(&mut self, now: Instant, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        self.l2tp.note_data(now, session.call.tunnel);
        self.touch_link(id, |link| link.note_data(now));
    }

    /// The first packet of a child SA has shown that the peer cuts SHA-256. The data plane does the
    /// same from now on; here it is a matter of names, and of sizes, if the child is the newest.
    fn on_truncated(&mut self, child: ike::ChildId) {
        let peer = self.by_child.get(&child).copied();
        let Some(peer) = peer.and_then(|peer| self.peers.get_mut(&peer)) else {
            return;
        };
        let newest = peer.children.keys().next_back() == Some(&child);
        if let Some(suite) = peer
            .suite
            .and_then(esp::Suite::truncated)
            .filter(|_| newest)
        {
            peer.suite = Some(suite);
            peer.phase2 = suite.to_string();
        }
    }

    /// The algorithms of a child SA, as we use them.
    pub(crate) fn suite_of(&self, child: &ike::ChildSa) -> esp::Suite {
        let suite = suite::suite(child.suite);
        let truncated = suite.truncated().filter(|_| self.config.truncate_sha256);
        truncated.unwrap_or(suite)
    }

    /// Whether the peer may cut SHA-256 under a child SA.
    fn may_be_truncated(&self, child: &ike::ChildSa) -> bool {
        self.config
            .ike
            .policy
            .is_on(ike::LegacyOption::EspSha256Cut)
            && self.suite_of(child).truncated().is_some()
    }

    /// A peer that sends data is alive, whatever it leaves unanswered.
    fn on_heard(&mut self, now: Instant, id: PeerId, at: Instant) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        if peer.doubtful.is_some_and(|since| at > since) {
            peer.doubtful = None;
            self.timers.set(Timer::Doubt(id), None);
        }
        let newest = peer.children.keys().next_back().copied();
        let mut counted = Vec::new();
        for (child, details) in &mut peer.children {
            if details.kilobytes.is_some() && !details.measuring {
                details.measuring = true;
                counted.push((*child, details.inbound, details.outbound));
            }
        }
        if let Some(child) = newest {
            self.ike.note_traffic(now, child);
        }
        for (child, inbound, outbound) in counted {
            self.request(
                Pending::Usage(child),
                Request::Usage {
                    peer: id,
                    inbound,
                    outbound,
                },
            );
        }
    }

    /// A lifetime in kilobytes: the side that proposed it makes a successor in time; the other
    /// waits a quarter longer, so that it never pulls the rug first.
    pub(crate) fn on_usage(&mut self, now: Instant, id: ike::ChildId, bytes: u64) {
        let peer = self
            .by_child
            .get(&id)
            .and_then(|peer| self.peers.get_mut(peer));
        let Some(peer) = peer else { return };
        let dialled = peer.dialled.as_ref();
        let rekey_at = dialled.map_or(REKEY_AT, |dialled| dialled.rekey_at());
        let Some(child) = peer.children.get_mut(&id) else {
            return;
        };
        let Some(limit) = child
            .kilobytes
            .map(|kilobytes| kilobytes.saturating_mul(1024))
        else {
            return;
        };
        let soft = limit / 1000 * u64::from(rekey_at);
        let hard = limit.saturating_add(limit / 4);
        if child.initiator && bytes >= soft {
            // `measuring` stays set: once is enough.
            self.ike.rekey_child(now, id);
        } else if bytes >= hard {
            self.ike.delete_child(now, id);
        } else {
            child.measuring = false;
        }
    }

    fn plane(&mut self, update: Update) {
        self.output(Output::DataPlane(update));
    }

    pub(crate) fn plane_add_peer(&mut self, peer: PeerId, path: Path, port: u16) {
        self.plane(Update::AddPeer { peer, path, port });
    }

    pub(crate) fn plane_move_peer(&mut self, peer: PeerId, path: Path) {
        self.plane(Update::MovePeer { peer, path });
    }

    pub(crate) fn plane_join(&mut self, from: PeerId, into: PeerId) {
        self.plane(Update::JoinPeer { from, into });
    }

    pub(crate) fn plane_remove_peer(&mut self, peer: PeerId) {
        self.plane(Update::RemovePeer { peer });
    }

    pub(crate) fn plane_install_inbound(&mut self, peer: PeerId, child: &ike::ChildSa) {
        self.plane(Update::InstallInbound {
            spi: child.inbound.spi,
            peer,
            suite: self.suite_of(child),
            keys: suite::keys(&child.inbound),
            carrier: child.path.carrier,
        });
        if self.may_be_truncated(child) {
            let spi = child.inbound.spi;
            self.plane(Update::DetectTruncation { spi });
        }
    }

    pub(crate) fn plane_activate_outbound(&mut self, peer: PeerId, child: &ike::ChildSa) {
        self.plane(Update::ActivateOutbound {
            peer,
            spi: child.outbound.spi,
            suite: self.suite_of(child),
            keys: suite::keys(&child.outbound),
        });
        if self.may_be_truncated(child) {
            self.plane(Update::FollowTruncation {
                peer,
                spi: child.outbound.spi,
                inbound: child.inbound.spi,
            });
        }
    }

    pub(crate) fn plane_remove_outbound(&mut self, peer: PeerId, spi: u32) {
        self.plane(Update::RemoveOutbound { peer, spi });
    }

    /// The outbound half is there only if it was confirmed.
    pub(crate) fn plane_remove_child(&mut self, peer: PeerId, child: &Child) {
        if child.is_active() {
            self.plane_remove_outbound(peer, child.outbound);
        }
        self.plane(Update::RemoveInbound { spi: child.inbound });
    }

    pub(crate) fn plane_add_session(
        &mut self,
        session: SessionId,
        peer: PeerId,
        up: &l2tp::SessionUp,
    ) {
        self.plane(Update::AddSession(AddSession {
            session,
            peer,
            ports: up.ports,
            local_tunnel: up.session.tunnel.id,
            local_session: up.session.id,
            remote_tunnel: up.remote_tunnel,
            remote_session: up.remote_session,
            sequencing: up.sequencing,
            length: up.length,
        }));
    }

    pub(crate) fn plane_open_session(
        &mut self,
        session: SessionId,
        remote: Remote,
        mtu: u16,
        up: &NetworkUp,
    ) {
        let network = Network {
            remote,
            gateway: Some(up.local.into()),
            mtu,
            mru: up.local_mru,
            acfc: up.acfc,
            pfc: up.pfc,
            // There is no IPV6CP yet.
            ipv6: false,
            dhcp: self.dhcp_role(session),
        };
        self.plane(Update::SetNetwork {
            session,
            network: Some(network),
        });
    }

    pub(crate) fn plane_close_session(&mut self, session: SessionId) {
        self.plane(Update::SetNetwork {
            session,
            network: None,
        });
    }

    pub(crate) fn plane_remove_session(&mut self, session: SessionId) {
        self.plane(Update::RemoveSession { session });
    }
}

/// The tunnel and session ids of a control message, if it names both.
fn control_ids(bytes: &[u8]) -> Option<(u16, u16)> {
    match Header::parse(bytes).ok()? {
        Header::Control(header, _) if header.tunnel != 0 && header.session != 0 => {
            Some((header.tunnel, header.session))
        }
        _ => None,
    }
}

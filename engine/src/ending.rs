//! How peers and sessions end by our will: after the event that made us want it, and layer by
//! layer from the top, since each layer's farewell travels in the one below.

use wire::{Instant, PeerId};

use crate::{Engine, Reason, SessionId};

/// Something that is to end once the current event has been dealt with.
#[derive(Debug)]
pub(crate) enum Ending {
    /// A peer, with everything that is its.
    Peer {
        peer: PeerId,
        reason: Reason,
        /// Whether the peer is told.
        farewell: bool,
    },
    /// One session. The peer is told.
    Session { session: SessionId, reason: Reason },
}

impl Engine {
    /// Asks for a peer to be ended when the current event has been dealt with.
    pub(crate) fn end_peer(&mut self, peer: PeerId, reason: Reason, farewell: bool) {
        self.endings.push_back(Ending::Peer {
            peer,
            reason,
            farewell,
        });
    }

    /// Asks for a session to be ended when the current event has been dealt with, and its peer
    /// with it when nothing else lives there.
    pub(crate) fn end_session(&mut self, session: SessionId, reason: Reason) {
        self.endings.push_back(Ending::Session { session, reason });
    }

    pub(crate) fn on_ending(&mut self, now: Instant, ending: Ending) {
        match ending {
            Ending::Peer {
                peer,
                reason,
                farewell,
            } => self.on_peer_ending(now, peer, reason, farewell),
            Ending::Session { session, reason } => self.on_session_ending(now, session, reason),
        }
    }

    fn on_session_ending(&mut self, now: Instant, id: SessionId, reason: Reason) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let (peer, call) = (session.peer, session.call);
        if !self.has_others(peer, id, call.tunnel) {
            return self.on_peer_ending(now, peer, reason, true);
        }
        self.say_goodbye(now, id, &reason);
        let first = l2tp::SessionId { id: 0, ..call };
        let last = l2tp::SessionId {
            id: u16::MAX,
            ..call
        };
        if self.by_call.range(first..=last).count() > 1 {
            self.l2tp.close_session(now, call, reason.for_l2tp());
        } else {
            // What is left of a client that was killed and has started again.
            self.l2tp.close_tunnel(now, call.tunnel, reason.for_l2tp());
        }
        self.drain_children(now);
        // L2TP has ended it, unless the call was over before.
        self.remove_session(id, &reason);
    }

    /// Whether a peer has another session than this one, or a tunnel in which one may come up.
    fn has_others(&self, peer: PeerId, session: SessionId, tunnel: l2tp::TunnelId) -> bool {
        self.peers.get(&peer).is_some_and(|peer| {
            peer.dialled.is_none()
                && (peer.sessions.iter().any(|other| *other != session)
                    || peer.tunnels.iter().any(|other| *other != tunnel))
        })
    }

    /// Ends the link of a session with a Terminate-Request, whose answer is not waited for.
    fn say_goodbye(&mut self, now: Instant, id: SessionId, reason: &Reason) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.reason.get_or_insert_with(|| reason.clone());
        }
        self.let_go(id);
        self.touch_link(id, |link| {
            link.close(now, reason.for_ppp());
        });
        self.drain_children(now);
    }

    fn on_peer_ending(&mut self, now: Instant, id: PeerId, reason: Reason, farewell: bool) {
        let Some(peer) = self.peers.get(&id) else {
            return;
        };
        let (sessions, tunnels) = (peer.sessions.clone(), peer.tunnels.clone());
        for session in &sessions {
            if let Some(session) = self.sessions.get_mut(session) {
                session.reason.get_or_insert_with(|| reason.clone());
            }
        }
        if farewell {
            for id in sessions {
                self.say_goodbye(now, id, &reason);
            }
            for tunnel in tunnels {
                self.l2tp.close_tunnel(now, tunnel, reason.for_l2tp());
            }
            self.drain_children(now);
        }
        // Nothing is sent twice to a peer that is being left: its SAs go next.
        self.l2tp.forget_peer(now, id);
        self.drain_children(now);
        let Some(peer) = self.peers.get(&id) else {
            return;
        };
        let (children, sas): (Vec<_>, Vec<_>) = (
            peer.children.keys().copied().collect(),
            peer.sas.iter().copied().collect(),
        );
        for child in children {
            self.ike.delete_child(now, child);
        }
        for sa in sas {
            self.ike.close(now, sa, ike::CloseReason::Requested);
        }
        self.drain_children(now);
        self.remove_peer(id, reason);
    }
}

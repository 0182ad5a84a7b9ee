//! What L2TP says: tunnels and sessions come and go.

use std::sync::Arc;

use l2tp::{CloseReason, Event as L2tp, SessionUp, TunnelId};
use rand_core::SeedableRng;
use wire::{Instant, PeerId, Rng};

use crate::limits::Idleness;
use crate::session::Session;
use crate::timers::Timer;
use crate::{Cause, Engine, Event, Output, Reason, SessionId, Stage};

impl Engine {
    pub(crate) fn on_l2tp_output(&mut self, now: Instant, output: l2tp::Output) {
        match output {
            l2tp::Output::Transmit(l2tp::Transmit { peer, ports, bytes }) => {
                self.output(Output::SealControl { peer, ports, bytes });
            }
            l2tp::Output::Event(event) => self.on_l2tp_event(now, event),
        }
    }

    fn on_l2tp_event(&mut self, now: Instant, event: L2tp) {
        match event {
            L2tp::TunnelUp(up) => self.on_tunnel_up(up),
            L2tp::SessionUp(up) => self.on_session_up(now, up),
            L2tp::SessionDown { session, reason } => self.on_session_down(session, reason),
            L2tp::TunnelDown { tunnel, reason } => self.on_tunnel_down(now, tunnel, reason),
            L2tp::Refused { peer, refusal, .. } => {
                self.refuse(now, peer, Cause::of_l2tp(&refusal), refusal.to_string());
            }
        }
    }

    fn on_tunnel_up(&mut self, up: l2tp::TunnelUp) {
        let id = up.tunnel.peer;
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.tunnels.insert(up.tunnel);
        peer.introduced = up.info;
        if peer.dozes() {
            let patience = self.config.timing.doze;
            self.l2tp.set_patience(up.tunnel, patience);
        }
        self.end_doubtful_twins(id);
        self.progress(id, Stage::Tunnel);
    }

    fn on_session_up(&mut self, now: Instant, up: SessionUp) {
        let peer = up.session.tunnel.peer;
        let Some(config) = self.link_config(peer) else {
            return;
        };
        let id = SessionId(self.next_id());
        let mut link = ppp::Link::new(config, Rng::from_rng(&mut self.rng));
        link.open(now);
        let Some(owner) = self.peers.get_mut(&peer) else {
            return;
        };
        // QUIRK(xl2tpd): dials again under the IKE SA that there is, which may be hours old.
        let first = owner.sessions.is_empty() && owner.last_reason.is_none();
        let info = owner.info.as_ref().filter(|_| first);
        let begun = info.map_or(now, |info| info.started);
        owner.sessions.insert(id);
        self.kin_gains_session(peer);
        self.by_call.insert(up.session, id);
        self.kindred.insert_call(up.session);
        self.plane_add_session(id, peer, &up);
        self.sessions.insert(
            id,
            Box::new(Session {
                id,
                peer,
                call: up.session,
                remote_tunnel: up.remote_tunnel,
                remote_session: up.remote_session,
                length_in_data: up.length,
                sequencing: up.sequencing,
                link,
                login: None,
                account: None,
                terms: Arc::default(),
                begun,
                setup: None,
                expires: None,
                idleness: Idleness::default(),
                pending: None,
                address: None,
                held: None,
                network: None,
                inform: None,
                given: None,
                announced: false,
                reason: None,
            }),
        );
        self.progress(peer, Stage::Session);
        self.touched.insert(id);
    }

    /// The settings of a link with `peer`: the dial's own, or those of all clients.
    fn link_config(&self, peer: PeerId) -> Option<Arc<ppp::Config>> {
        let peer = self.peers.get(&peer)?;
        match &peer.dialled {
            Some(dialled) => Some(dialled.link()),
            None if peer.dozes() => self.dozing_link.clone(),
            None => self.server_link.clone(),
        }
    }

    fn on_session_down(&mut self, call: l2tp::SessionId, reason: CloseReason) {
        if let Some(session) = self.by_call.get(&call).copied() {
            self.remove_session(session, &Reason::L2tp(reason));
        }
        self.end_dialled(call.tunnel.peer);
    }

    /// A peer that we dialled is of no use without its session. What ended that first is the best
    /// explanation.
    fn end_dialled(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get(&id).filter(|peer| peer.dialled.is_some()) else {
            return;
        };
        if let Some(reason) = peer.last_reason.clone() {
            self.end_peer(id, reason, true);
        }
    }

    fn on_tunnel_down(&mut self, now: Instant, tunnel: TunnelId, reason: CloseReason) {
        let id = tunnel.peer;
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.tunnels.remove(&tunnel);
        if peer.dialled.is_some() {
            peer.last_reason.get_or_insert(Reason::L2tp(reason));
            self.end_dialled(id);
        } else if peer.tunnels.is_empty() && reason == CloseReason::Unanswered {
            // Whoever is gone without a word does not delete his SAs either, and some last for
            // hours. If he is there after all, he is told.
            self.end_peer(id, Reason::L2tp(reason), true);
        } else {
            let reason = Reason::L2tp(reason);
            self.on_tunnel_missed(id, &reason);
            self.check_peer(now, id, reason);
        }
    }

    fn is_server_of(&self, peer: PeerId) -> bool {
        let peer = self.peers.get(&peer);
        peer.is_some_and(|peer| peer.dialled.is_none())
    }

    /// Takes a session out of all tables, whatever ended it.
    pub(crate) fn remove_session(&mut self, id: SessionId, reason: &Reason) {
        self.let_go(id);
        let Some(mut session) = self.sessions.remove(&id) else {
            return;
        };
        let reason = session.reason.take().unwrap_or_else(|| reason.clone());
        if let Some(info) = self.session_info(&session) {
            self.event(Event::SessionDown(Box::new(info), reason.clone()));
        } else if !session.announced {
            self.on_session_missed(session.peer, &reason);
        }
        if session.login.is_some() && self.is_server_of(session.peer) {
            self.event(Event::LoggedOut(id));
        }
        self.by_call.remove(&session.call);
        self.kindred.remove_call(session.call);
        self.touched.remove(&id);
        self.timers.set(Timer::Link(id), None);
        self.timers.set(Timer::Inform(id), None);
        self.stop_limits(id);
        if let Some(address) = session.address {
            self.pool.release(address);
        }
        if let Some(account) = &session.account {
            self.users.remove(account, id);
        }
        if let Some(pending) = session.pending {
            self.requests.remove(&pending.request);
        }
        self.plane_remove_session(id);
        if let Some(peer) = self.peers.get_mut(&session.peer) {
            peer.last_reason = Some(reason);
            if peer.sessions.remove(&id) {
                self.kin_loses_session(session.peer);
            }
        }
    }
}

//! What PPP says: links open, ask who somebody is, and end.

use std::sync::Arc;

use ppp::Event as Ppp;
use wire::Instant;

use crate::session::Network;
use crate::timers::Timer;
use crate::{Engine, Event, LoggedIn, Output, Reason, SessionId, SessionInfo, Stage};

impl Engine {
    /// Does something with a link, and marks it to be drained.
    pub(crate) fn touch_link(&mut self, id: SessionId, act: impl FnOnce(&mut ppp::Link)) {
        if let Some(session) = self.sessions.get_mut(&id) {
            act(&mut session.link);
            self.touched.insert(id);
        }
    }

    pub(crate) fn drain_link(&mut self, now: Instant, id: SessionId) {
        // What a held link has to say waits: the next thing may be the message with which the peer
        // learns that it can send.
        while let Some(output) = self
            .sessions
            .get_mut(&id)
            .filter(|session| session.held.is_none())
            .and_then(|session| session.link.poll_output())
        {
            match output {
                ppp::Output::Transmit(frame) => self.output(Output::SealPpp { session: id, frame }),
                ppp::Output::Request(request) => self.on_authenticate(now, id, request),
                ppp::Output::Event(event) => self.on_ppp_event(now, id, event),
            }
        }
        if let Some(session) = self.sessions.get(&id) {
            let at = match session.held {
                Some(_) => None,
                None => session.link.poll_timeout().map(|(at, _)| at),
            };
            self.timers.set(Timer::Link(id), at);
        }
    }

    fn on_ppp_event(&mut self, now: Instant, id: SessionId, event: Ppp) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let peer = session.peer;
        match event {
            Ppp::LcpUp(_) => self.progress(peer, Stage::Link),
            Ppp::Authenticated { user, method } => {
                session.login = Some((user, method));
                self.progress(peer, Stage::Authentication);
                self.on_logged_in(id);
            }
            Ppp::NetworkUp(up) => self.on_network_up(now, id, up),
            Ppp::NetworkDown => self.on_network_down(id),
            Ppp::Down { reason } => {
                let call = session.call;
                let cause = disconnect_cause(&reason);
                session.reason.get_or_insert(Reason::Ppp(reason));
                self.l2tp
                    .close_session(now, call, l2tp::CloseReason::Ppp(cause));
            }
        }
    }

    /// A client has proved who it is, and the verdict has said whose session it is.
    fn on_logged_in(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        let terms = Arc::clone(&session.terms);
        let peer = self.peers.get(&session.peer);
        let path = peer
            .filter(|peer| peer.dialled.is_none())
            .and_then(|peer| peer.outer_path());
        if let (Some(path), Some(account)) = (path, session.account.clone()) {
            self.event(Event::LoggedIn(Box::new(LoggedIn {
                session: id,
                account,
                terms,
                path,
            })));
        }
    }

    fn on_network_down(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        if let Some(info) = self.session_info(session) {
            let ending = || session.link.ending().cloned().map(Reason::Ppp);
            // A link that is not ending is one that the peer negotiates anew.
            let anew = || Reason::Ppp(ppp::CloseReason::PeerTerminated(String::new()));
            let reason = session.reason.clone().or_else(ending).unwrap_or_else(anew);
            self.event(Event::SessionDown(Box::new(info), reason));
        }
        if let Some(session) = self.sessions.get_mut(&id) {
            session.network = None;
            session.inform = None;
            session.given = None;
        }
        self.timers.set(Timer::Inform(id), None);
        self.stop_limits(id);
        self.plane_close_session(id);
    }

    pub(crate) fn on_timer(&mut self, now: Instant, timer: Timer) {
        match timer {
            Timer::Link(id) => self.touch_link(id, |link| link.handle_timeout(now)),
            Timer::Inform(id) => self.on_inform(now, id),
            Timer::Idle(id) => self.on_idle_look(id),
            Timer::Expiry(id) => self.on_expiry(id),
            Timer::Grace(peer) => self.on_grace(now, peer),
            Timer::Doubt(peer) => self.end_peer(peer, Reason::StartedAgain, false),
            Timer::Attempt(peer) => self.on_attempt_overdue(now, peer),
        }
    }

    /// Everything about a session that carries traffic.
    pub(crate) fn session_info(&self, session: &crate::session::Session) -> Option<SessionInfo> {
        self.describe(session, &session.network?)
    }

    /// The same of a session that has agreed on `network`.
    pub(crate) fn describe(
        &self,
        session: &crate::session::Session,
        network: &Network,
    ) -> Option<SessionInfo> {
        let peer = self.peers.get(&session.peer)?;
        let info = peer.info.as_ref()?;
        let (user, authentication) = match (&session.login, &peer.dialled) {
            (Some((user, method)), _) => (user.to_string(), Some(*method)),
            (None, Some(dialled)) => (dialled.user(), None),
            (None, None) => (String::new(), None),
        };
        let given = session.given.as_ref();
        let setup = session.setup.unwrap_or(network.since - session.begun);
        Some(SessionInfo {
            session: session.id,
            peer: session.peer,
            user,
            account: session.account.clone(),
            authentication,
            path: peer.outer_path()?,
            identity: info.peer_identity.to_string(),
            key: info.key.to_string(),
            make: peer.make(),
            host_name: peer.introduced.host_name.clone(),
            phase1: info.suite.clone(),
            phase2: peer.phase2.clone(),
            nat: info.nat,
            local_address: network.local.into(),
            remote_address: network.remote.into(),
            dns: network.dns,
            wins: network.wins,
            routes: given.map_or_else(Vec::new, |given| given.routes.clone()),
            domain: given.and_then(|given| given.domain.clone()),
            tunnel_ids: (session.call.tunnel.id, session.remote_tunnel),
            session_ids: (session.call.id, session.remote_session),
            mtu: network.mtu,
            terms: Arc::clone(&session.terms),
            since: network.since,
            setup,
        })
    }
}

/// What CDN tells of the end of PPP (RFC 3145).
pub(crate) fn disconnect_cause(reason: &ppp::CloseReason) -> l2tp::DisconnectCause {
    let cause = reason.disconnect_cause();
    l2tp::DisconnectCause {
        code: l2tp::codec::DisconnectCode(cause.code),
        protocol: cause.protocol,
        direction: l2tp::codec::DisconnectDirection(cause.direction as u8),
        message: String::new(),
    }
}

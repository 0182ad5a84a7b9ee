//! DHCP that comes up, and our own questions.

use wire::Instant;

use crate::dhcp::{
    self, CLIENT_PORT, Inform, Message, MessageType, Packet, SERVER_PORT, Site, acknowledge,
};
use crate::timers::Timer;
use crate::{Engine, Event, Output, SessionId};

impl Engine {
    /// The UDP payload of a DHCP message. Those of clients come from the address we gave them: the
    /// data plane has looked.
    pub(crate) fn on_dhcp(&mut self, id: SessionId, bytes: &[u8]) {
        let Ok(message) = Message::parse(bytes) else {
            self.dhcp.malformed = self.dhcp.malformed.saturating_add(1);
            return;
        };
        let counter = if self.on_dhcp_reply(id, &message) {
            return;
        } else if self.on_dhcp_request(id, &message) {
            &mut self.dhcp.answered
        } else {
            &mut self.dhcp.ignored
        };
        *counter = counter.saturating_add(1);
    }

    /// Answers a DHCPINFORM, and nothing else; whether it was one.
    ///
    /// RFC 2131 §4.3.5 sends the answer to the address that the client says it has. It goes to
    /// the one it really has, which is the same unless it forgot to say.
    fn on_dhcp_request(&mut self, id: SessionId, request: &Message) -> bool {
        let wanted = request.op == Message::REQUEST
            && request.message_type() == Some(MessageType::INFORM)
            && request.relay == [0; 4];
        let session = self.sessions.get(&id);
        let (Some(network), Some(server)) = (
            session.and_then(|session| session.network.as_ref()),
            self.config.server.as_ref(),
        ) else {
            return false;
        };
        if !wanted || !self.answers_dhcp(id) {
            return false;
        }
        let site = Site {
            local: server.local,
            // What IPCP has given: a user may have others than everybody.
            dns: network.dns,
            wins: network.wins,
            parameters: &server.parameters,
        };
        let packet = Packet {
            source: (server.local, SERVER_PORT),
            destination: (network.remote, CLIENT_PORT),
            identification: 0,
            time_to_live: 64,
        };
        let packet = packet.around(&acknowledge(request, &site).emit());
        if let Some(packet) = packet {
            self.output(Output::SealIp {
                session: id,
                packet,
            });
        }
        true
    }

    /// Whether a session is a client's, and there is something to tell clients.
    fn answers_dhcp(&self, id: SessionId) -> bool {
        let session = self.sessions.get(&id);
        let peer = session.and_then(|session| self.peers.get(&session.peer));
        let server = self.config.server.as_ref();
        peer.is_some_and(|peer| peer.dialled.is_none())
            && server.is_some_and(|server| !server.parameters.is_empty())
    }

    /// What the data plane hands up of a session's DHCP.
    pub(crate) fn dhcp_role(&self, id: SessionId) -> Option<dataplane::Dhcp> {
        let session = self.sessions.get(&id)?;
        let asks = self
            .peers
            .get(&session.peer)
            .and_then(|peer| peer.dialled.as_ref())
            .is_some_and(|dialled| dialled.inform().is_some());
        if asks {
            return Some(dataplane::Dhcp::Client);
        }
        self.answers_dhcp(id).then_some(dataplane::Dhcp::Server)
    }

    /// Traffic can flow: we ask, if that is our habit.
    pub(crate) fn begin_inform(&mut self, now: Instant, id: SessionId) {
        let peer = self.sessions.get(&id).map(|session| session.peer);
        let habits = peer
            .and_then(|peer| self.peers.get(&peer))
            .and_then(|peer| peer.dialled.as_ref()?.inform().cloned());
        let (Some(habits), Some(session)) = (habits, self.sessions.get_mut(&id)) else {
            return;
        };
        let delay = habits.delay;
        session.inform = Some(Box::new(Inform::new(habits, &mut self.rng)));
        if delay.is_zero() {
            self.on_inform(now, id);
        } else {
            self.timers.set(Timer::Inform(id), Some(now + delay));
        }
    }

    /// Time to ask (again).
    pub(crate) fn on_inform(&mut self, now: Instant, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let (Some(network), Some(inform)) = (&session.network, &mut session.inform) else {
            return;
        };
        if !inform.goes_on() {
            return;
        }
        let packet = inform.request(network.local);
        let at = now + inform.habits().interval;
        let again = inform.goes_on().then_some(at);
        self.timers.set(Timer::Inform(id), again);
        if let Some(packet) = packet {
            self.output(Output::SealIp {
                session: id,
                packet,
            });
        }
    }

    /// Takes the answer to our question; whether it was one.
    fn on_dhcp_reply(&mut self, id: SessionId, message: &Message) -> bool {
        let Some(session) = self.sessions.get_mut(&id) else {
            return false;
        };
        let given = session
            .inform
            .as_ref()
            .and_then(|inform| inform.answer(message));
        let Some(given) = given else {
            return false;
        };
        session.inform = None;
        session.given = Some(Box::new(given));
        self.timers.set(Timer::Inform(id), None);
        let session = self.sessions.get(&id);
        if let Some(info) = session.and_then(|session| self.session_info(session)) {
            self.event(Event::SessionInformed(Box::new(info)));
        }
        true
    }

    /// What became of DHCP messages.
    pub const fn dhcp_counters(&self) -> dhcp::Counters {
        self.dhcp
    }
}

//! The calls in a tunnel (RFC 2661 §5.2, §7.4).

use super::connection::{Awaited, Tunnel, unfinished};
use super::session::Session;
use super::session_table::{self, Action as CallAction, Event as CallEvent, State as CallState};
use super::table::State;
use super::{Context, Role, SessionId, free_id};
use crate::codec::{AvpType, CallConnected, CallRequest, Cdn, Message, MessageType};
use crate::habits::{Farewells, Ids};
use crate::{CloseReason, DropReason, Event, PeerResult, Refusal, SessionUp};

impl Tunnel {
    pub(super) fn on_icrq(
        &mut self,
        cx: &mut Context<'_>,
        request: CallRequest,
        fault: Option<Refusal>,
    ) {
        let message = MessageType::ICRQ;
        if self.state != State::Established {
            return cx.counters.drop(DropReason::Unexpected);
        }
        let Some(remote_id) = request.assigned_session_id.filter(|id| *id != 0) else {
            let avp = AvpType::ASSIGNED_SESSION_ID;
            return self.refuse_call(cx, None, Refusal::MissingAvp { message, avp });
        };
        if let Some(id) = self.find_remote(remote_id) {
            let reason = CloseReason::Refused(Refusal::OutOfOrder(message));
            return self.call_step(cx, id, CallEvent::Icrq, reason);
        }
        let full = self.full(cx);
        let wrong_way = (self.role == Role::Client).then_some(Refusal::CallTowardsClient);
        if let Some(refusal) = fault.or(wrong_way).or(full) {
            return self.refuse_call(cx, Some(remote_id), refusal);
        }
        if let Some(id) = self.new_session(cx, Role::Server, request) {
            if let Some(session) = self.sessions.get_mut(&id) {
                session.remote_id = remote_id;
            }
            self.call_step(cx, id, CallEvent::Icrq, CloseReason::Done);
        }
    }

    /// Why there is no room for one more call.
    fn full(&self, cx: &Context<'_>) -> Option<Refusal> {
        let (limits, peer) = (&cx.config.limits, self.id.peer);
        // No more than the tunnels of one peer hold.
        let of_peer = || cx.session_ids.range((peer, 0)..=(peer, u16::MAX)).count();
        if self.sessions.len() >= limits.sessions_per_tunnel {
            Some(Refusal::Sessions(limits.sessions_per_tunnel))
        } else if of_peer() >= limits.sessions_per_peer {
            Some(Refusal::SessionsOfPeer(limits.sessions_per_peer))
        } else if cx.session_ids.len() >= limits.sessions {
            Some(Refusal::SessionsInAll(limits.sessions))
        } else {
            None
        }
    }

    pub(super) fn on_icrp(
        &mut self,
        cx: &mut Context<'_>,
        id: u16,
        assigned: Option<u16>,
        fault: Option<Refusal>,
    ) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return cx.counters.drop(DropReason::UnknownSession);
        };
        let message = MessageType::ICRP;
        let waiting = session.state() == CallState::WaitReply;
        let refusal = match assigned.filter(|id| *id != 0) {
            _ if !waiting => Some(Refusal::OutOfOrder(message)),
            Some(assigned) => {
                session.remote_id = assigned;
                fault
            }
            None => Some(Refusal::MissingAvp {
                message,
                avp: AvpType::ASSIGNED_SESSION_ID,
            }),
        };
        match refusal {
            Some(refusal) => {
                self.call_step(
                    cx,
                    id,
                    CallEvent::IcrpRefused,
                    CloseReason::Refused(refusal),
                );
            }
            None => self.call_step(cx, id, CallEvent::Icrp, CloseReason::Done),
        }
    }

    pub(super) fn on_iccn(
        &mut self,
        cx: &mut Context<'_>,
        id: u16,
        connected: CallConnected,
        fault: Option<Refusal>,
    ) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return cx.counters.drop(DropReason::UnknownSession);
        };
        let waiting = session.state() == CallState::WaitConnect;
        match fault {
            Some(refusal) => {
                self.call_step(
                    cx,
                    id,
                    CallEvent::IccnRefused,
                    CloseReason::Refused(refusal),
                );
            }
            None if waiting => {
                session.connected = connected;
                self.call_step(cx, id, CallEvent::Iccn, CloseReason::Done);
            }
            None => {
                let reason = CloseReason::Refused(Refusal::OutOfOrder(MessageType::ICCN));
                self.call_step(cx, id, CallEvent::Iccn, reason);
            }
        }
    }

    pub(super) fn on_cdn(&mut self, cx: &mut Context<'_>, id: u16, cdn: Cdn) {
        // QUIRK(Windows): old versions put a wrong session id into the header.
        let named = || {
            cdn.assigned_session_id
                .and_then(|remote| self.find_remote(remote))
        };
        let found = if self.sessions.contains_key(&id) {
            Some(id)
        } else {
            named()
        };
        let Some(id) = found else {
            return cx.counters.drop(DropReason::UnknownSession);
        };
        let result = PeerResult {
            of_tunnel: false,
            result: cdn.result,
            cause: cdn.cause,
        };
        self.call_step(cx, id, CallEvent::Cdn, CloseReason::Peer(result));
    }

    /// The session that the peer calls `remote_id`.
    fn find_remote(&self, remote_id: u16) -> Option<u16> {
        self.sessions
            .values()
            .find(|session| session.remote_id == remote_id && remote_id != 0)
            .map(|session| session.id.id)
    }

    /// Refuses a call for which no session exists.
    pub(super) fn refuse_call(
        &mut self,
        cx: &mut Context<'_>,
        assigned: Option<u16>,
        refusal: Refusal,
    ) {
        if self.state == State::Established
            && let Some(remote_id) = assigned.filter(|id| *id != 0)
        {
            let id = free_id(cx.rng, Ids::Random, |id| {
                cx.session_ids.contains(&(self.id.peer, id))
            });
            let cdn = Cdn {
                result: Some(refusal.session_result()),
                assigned_session_id: id,
                cause: None,
            };
            self.send(cx, remote_id, &Message::Cdn(cdn));
        }
        self.report(cx, refusal);
    }

    /// Ends a session, telling the peer.
    pub fn close_session(&mut self, cx: &mut Context<'_>, id: u16, reason: CloseReason) {
        self.call_step(cx, id, CallEvent::Close, reason);
    }

    pub(super) fn new_session(
        &mut self,
        cx: &mut Context<'_>,
        role: Role,
        request: CallRequest,
    ) -> Option<u16> {
        let peer = self.id.peer;
        let id = free_id(cx.rng, self.habits.ids, |id| {
            cx.session_ids.contains(&(peer, id))
        })?;
        cx.session_ids.insert((peer, id));
        let session = Session::new(
            SessionId {
                tunnel: self.id,
                id,
            },
            role,
            request,
            cx.now,
        );
        self.sessions.insert(id, Box::new(session));
        Some(id)
    }

    /// Something happens to a session. `reason` counts if that is its end.
    pub(super) fn call_step(
        &mut self,
        cx: &mut Context<'_>,
        id: u16,
        event: CallEvent,
        reason: CloseReason,
    ) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return cx.counters.drop(DropReason::UnknownSession);
        };
        let (next, action) = session_table::step(session.state(), event);
        session.assign(next, cx.now);
        let remote_id = session.remote_id;
        match action {
            CallAction::Ignore => {}
            CallAction::SendIcrq => {
                let message = Message::Icrq(session.request.clone());
                self.send(cx, 0, &message);
            }
            CallAction::SendIcrp => self.send(cx, remote_id, &Message::Icrp(Some(id))),
            CallAction::SendIccn => {
                session.connected = self.habits.connected();
                let message = Message::Iccn(session.connected.clone());
                self.send(cx, remote_id, &message);
                if self.habits.waits_for_acknowledgement {
                    self.awaited = Some(Awaited::Session(id));
                } else {
                    self.call_up(cx, id);
                }
            }
            CallAction::Up => self.call_up(cx, id),
            CallAction::Disconnect => {
                let cdn = Cdn {
                    result: Some(reason.session_result()),
                    assigned_session_id: Some(id),
                    cause: reason.disconnect_cause().cloned(),
                };
                if self.habits.farewell.messages != Farewells::OnlyStopCcn {
                    self.send(cx, remote_id, &Message::Cdn(cdn));
                }
                self.end_call(cx, id, reason);
            }
            CallAction::CleanUp => self.end_call(cx, id, reason),
        }
    }

    pub(super) fn call_up(&mut self, cx: &mut Context<'_>, id: u16) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        session.announced = true;
        cx.events.push(Event::SessionUp(SessionUp {
            session: session.id,
            remote_tunnel: self.remote_id,
            remote_session: session.remote_id,
            ports: self.ports,
            role: session.role,
            sequencing: session.connected.sequencing,
            length: self.habits.length_in_data,
            serial: session.request.serial,
            tx_speed: session.connected.tx_speed,
            rx_speed: session.connected.rx_speed,
            framing: session.connected.framing,
        }));
    }

    fn end_call(&mut self, cx: &mut Context<'_>, id: u16, reason: CloseReason) {
        let Some(session) = self.sessions.remove(&id) else {
            return;
        };
        cx.session_ids.remove(&(self.id.peer, id));
        self.empty_since = cx.now;
        if session.announced {
            cx.events.push(Event::SessionDown {
                session: session.id,
                reason,
            });
        } else if self.state != State::Closed
            && let Some(refusal) = unfinished("session", reason)
        {
            self.report(cx, refusal);
        }
    }
}

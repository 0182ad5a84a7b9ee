//! One tunnel: its control connection and the calls in it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rand_core::Rng as _;
use wire::{Instant, Ports};

use super::session::Session;
use super::session_table::Event as CallEvent;
use super::table::{self, Action, Event as Step, State};
use super::{Context, Role, TunnelId};
use crate::codec::{
    CallRequest, Cdn, ControlHeader, Message, MessageType, Received, Start, StopCcn,
};
use crate::habits::{Farewells, Habits};
use crate::reliable::{Channel, Incoming, Receipt};
use crate::{CloseReason, DropReason, Event, PeerInfo, PeerResult, Refusal, TunnelUp};

/// One tunnel.
#[derive(Debug)]
pub(crate) struct Tunnel {
    pub(super) id: TunnelId,
    pub(super) role: Role,
    pub(super) state: State,
    pub(super) ports: Ports,
    pub(super) habits: Arc<Habits>,
    /// The id that the peer assigned; 0 as long as it has assigned none.
    pub(super) remote_id: u16,
    pub(super) channel: Channel,
    pub(super) info: PeerInfo,
    // Boxed: there is one as a rule, and the map keeps room for eleven.
    pub(super) sessions: BTreeMap<u16, Box<Session>>,
    /// Whether the owner was told of it, and so must be told of its end.
    pub(super) announced: bool,
    /// The Challenge that we sent.
    pub(super) challenge: Option<Vec<u8>>,
    /// The answer to the peer's Challenge.
    pub(super) answer: Option<[u8; 16]>,
    pub(super) created: Instant,
    /// When anything of the peer was last received.
    pub(super) last_heard: Instant,
    /// Silence that is forgiven this tunnel, if it is not that of all.
    pub(super) patience: Option<Duration>,
    /// Since when there has been no session.
    pub(super) empty_since: Instant,
    /// When it was closed.
    pub(super) closed: Option<Instant>,
    /// Whether the peer has put 0 for our tunnel id.
    addressed_by_zero: bool,
    /// What is to be done when the peer has acknowledged everything.
    pub(super) awaited: Option<Awaited>,
}

/// What a client does only after an acknowledgement, if that is its habit.
#[derive(Debug, Clone, Copy)]
pub(super) enum Awaited {
    /// The tunnel is up: sends ICRQ.
    Calls,
    /// The session of this id is up: begins with PPP.
    Session(u16),
}

impl Tunnel {
    fn new(cx: &Context<'_>, id: TunnelId, role: Role, ports: Ports, habits: Arc<Habits>) -> Self {
        let config = cx.config;
        let backoff = habits.first_retransmit.as_ref();
        let backoff = backoff.unwrap_or(&config.timing.retransmit).clone();
        let window = habits.receive_window(config);
        Self {
            id,
            role,
            state: State::Idle,
            ports,
            remote_id: 0,
            channel: Channel::new(backoff, window, config.limits.send_queue),
            habits,
            info: PeerInfo::default(),
            sessions: BTreeMap::new(),
            announced: role == Role::Client,
            challenge: None,
            answer: None,
            created: cx.now,
            last_heard: cx.now,
            patience: None,
            empty_since: cx.now,
            closed: None,
            addressed_by_zero: false,
            awaited: None,
        }
    }

    /// Opens a tunnel and one session in it.
    pub fn open(cx: &mut Context<'_>, id: TunnelId, ports: Ports, habits: Arc<Habits>) -> Self {
        let mut tunnel = Self::new(cx, id, Role::Client, ports, habits);
        (0..tunnel.habits.wake_up_hellos).for_each(|_| tunnel.send_wake_up(cx));
        if let Some(session) = tunnel.new_session(cx, Role::Client, CallRequest::default()) {
            // The serial number need only be recognisable in logs; Windows counts, Android draws.
            let drawn = cx.rng.next_u32();
            let request = CallRequest {
                assigned_session_id: Some(session),
                serial: Some(tunnel.habits.serial.unwrap_or(drawn)),
                bearer: Some(tunnel.habits.bearer),
            };
            if let Some(call) = tunnel.sessions.get_mut(&session) {
                call.request = request;
                call.announced = true;
            }
            tunnel.call_step(cx, session, CallEvent::Open, CloseReason::Done);
        }
        tunnel.step(cx, Step::Open, CloseReason::Done);
        tunnel
    }

    /// Answers an SCCRQ that was found acceptable, was numbered `ns` and assigned `remote_id`.
    pub fn accept(
        cx: &mut Context<'_>,
        id: TunnelId,
        ports: Ports,
        habits: Arc<Habits>,
        (ns, remote_id): (u16, u16),
        request: &Start,
    ) -> Self {
        let mut tunnel = Self::new(cx, id, Role::Server, ports, habits);
        tunnel.channel.begin_after(ns);
        tunnel.learn(cx, MessageType::SCCRP, remote_id, request);
        tunnel.step(cx, Step::Sccrq, CloseReason::Done);
        tunnel
    }

    /// The peer asks again for the tunnel that it is getting: the first answer, or what
    /// acknowledged it, was lost.
    pub fn on_repeated_sccrq(&mut self, cx: &mut Context<'_>) {
        self.last_heard = cx.now;
        self.channel.acknowledge_again();
        if self.state == State::WaitCtlConn {
            cx.counters.repeated_requests = cx.counters.repeated_requests.saturating_add(1);
            self.channel.repeat();
        } else {
            cx.counters.drop(DropReason::Duplicate);
        }
    }

    /// Takes a message that is addressed to this tunnel.
    pub fn on_message(
        &mut self,
        cx: &mut Context<'_>,
        ports: Ports,
        header: &ControlHeader,
        body: &[u8],
    ) {
        self.last_heard = cx.now;
        let (receipt, sensible) =
            self.channel
                .receive(cx.now, header.ns, header.nr, header.session, body);
        if !sensible {
            cx.counters.drop(DropReason::BadAcknowledgement);
        }
        match receipt {
            Receipt::Duplicate => cx.counters.drop(DropReason::Duplicate),
            Receipt::OutsideWindow => cx.counters.drop(DropReason::OutsideWindow),
            Receipt::Acknowledgement | Receipt::InOrder | Receipt::Held => {}
        }
        while let Some(incoming) = self.channel.deliver() {
            // A closed tunnel only acknowledges (RFC 2661 §5.7).
            if self.state != State::Closed {
                self.on_delivery(cx, ports, &incoming);
            }
        }
        if self.channel.is_idle() {
            self.on_all_acknowledged(cx);
        }
    }

    /// Takes a message that is addressed to tunnel 0 and can only be meant for this one.
    pub fn on_zero_addressed(
        &mut self,
        cx: &mut Context<'_>,
        ports: Ports,
        header: &ControlHeader,
        body: &[u8],
    ) {
        self.addressed_by_zero |= !body.is_empty();
        self.on_message(cx, ports, header, body);
    }

    pub fn is_addressed_by_zero(&self) -> bool {
        self.addressed_by_zero
    }

    fn on_all_acknowledged(&mut self, cx: &mut Context<'_>) {
        match self.awaited.take() {
            None => {}
            Some(Awaited::Calls) => self.start_calls(cx),
            Some(Awaited::Session(id)) => self.call_up(cx, id),
        }
    }

    /// A message whose turn it is.
    fn on_delivery(&mut self, cx: &mut Context<'_>, ports: Ports, incoming: &Incoming) {
        let received = match Message::parse(&incoming.body, cx.config.secret.as_ref()) {
            Ok(received) => received,
            Err(error) => return self.refuse(cx, Step::Close, Refusal::Unreadable(error)),
        };
        let Received {
            message,
            mandatory,
            fault,
        } = received;
        let kind = message.kind();
        tracing::trace!(tunnel = %self.id, session = incoming.session, %kind, "received");
        let fault = fault.map(|fault| Refusal::of_fault(kind, fault));
        match message {
            // QUIRK(Apple): these two close whatever is wrong with their AVPs.
            Message::StopCcn(stop) => self.on_stop_ccn(cx, stop),
            Message::Cdn(cdn) => self.on_cdn(cx, incoming.session, cdn),
            Message::Sccrq(_) => self.refuse(cx, Step::Sccrq, Refusal::OutOfOrder(kind)),
            Message::Sccrp(start) => self.on_sccrp(cx, ports, &start, fault),
            Message::Scccn(response) => self.on_scccn(cx, response.as_ref(), fault),
            Message::Icrq(request) => self.on_icrq(cx, request, fault),
            Message::Icrp(assigned) => self.on_icrp(cx, incoming.session, assigned, fault),
            Message::Iccn(connected) => self.on_iccn(cx, incoming.session, connected, fault),
            Message::Ocrq(assigned) => {
                self.refuse_call(cx, assigned, fault.unwrap_or(Refusal::OutgoingCall));
            }
            Message::Hello | Message::Other(_) | Message::Wen | Message::Sli => match fault {
                Some(refusal) if incoming.session != 0 => {
                    let reason = CloseReason::Refused(refusal);
                    self.call_step(cx, incoming.session, CallEvent::Close, reason);
                }
                Some(refusal) => self.refuse(cx, Step::Close, refusal),
                // RFC 2661 §4.4.1: a mandatory message type that is not known ends the tunnel.
                None if mandatory && matches!(message, Message::Other(_)) => {
                    self.refuse(cx, Step::Close, Refusal::MandatoryMessage(kind));
                }
                None => {}
            },
        }
    }

    /// The peer ends the tunnel.
    pub fn on_stop_ccn(&mut self, cx: &mut Context<'_>, stop: StopCcn) {
        if self.remote_id == 0 {
            // Refused before SCCRP: the acknowledgement wants to be addressed.
            self.remote_id = stop.assigned_tunnel_id.unwrap_or_default();
        }
        let result = PeerResult {
            of_tunnel: true,
            result: stop.result,
            cause: None,
        };
        self.step(cx, Step::StopCcn, CloseReason::Peer(result));
    }

    pub(super) fn report(&self, cx: &mut Context<'_>, refusal: Refusal) {
        cx.events.push(Event::Refused {
            peer: self.id.peer,
            ports: self.ports,
            refusal,
        });
    }

    pub(super) fn refuse(&mut self, cx: &mut Context<'_>, step: Step, refusal: Refusal) {
        self.step(cx, step, CloseReason::Refused(refusal));
    }

    /// Ends the tunnel, telling the peer.
    pub fn close(&mut self, cx: &mut Context<'_>, reason: CloseReason) {
        self.step(cx, Step::Close, reason);
    }

    /// Ends the tunnel without a word to the peer.
    pub fn lose(&mut self, cx: &mut Context<'_>, reason: CloseReason) {
        self.step(cx, Step::Lost, reason);
    }

    /// The one place where a tunnel's state changes. `reason` counts if that is the end.
    pub(super) fn step(&mut self, cx: &mut Context<'_>, step: Step, reason: CloseReason) {
        let (next, action) = table::step(self.state, step);
        if next != self.state {
            tracing::debug!(tunnel = %self.id, from = ?self.state, to = ?next, ?step, "tunnel state");
            self.state = next;
        }
        match action {
            Action::Ignore => {}
            Action::SendSccrq => self.send_sccrq(cx),
            Action::SendSccrp => self.send_sccrp(cx),
            Action::SendScccn => {
                self.send(cx, 0, &Message::Scccn(self.answer));
                self.up(cx);
            }
            Action::Up => self.up(cx),
            Action::Stop => {
                if self.habits.farewell.messages == Farewells::Both {
                    self.disconnect_calls(cx, &reason);
                }
                let stop = StopCcn {
                    assigned_tunnel_id: Some(self.id.id),
                    result: Some(self.habits.stop_result(reason.tunnel_result())),
                };
                let body = self.encode(cx, &Message::StopCcn(stop));
                self.channel.send_last(0, body);
                self.end(cx, reason);
            }
            Action::CleanUp => {
                self.channel.abandon();
                self.end(cx, reason);
            }
        }
    }

    fn up(&mut self, cx: &mut Context<'_>) {
        self.announced = true;
        self.empty_since = cx.now;
        cx.events.push(Event::TunnelUp(TunnelUp {
            tunnel: self.id,
            remote_id: self.remote_id,
            ports: self.ports,
            role: self.role,
            info: self.info.clone(),
        }));
        if self.habits.waits_for_acknowledgement {
            self.awaited = Some(Awaited::Calls);
        } else {
            self.start_calls(cx);
        }
    }

    fn start_calls(&mut self, cx: &mut Context<'_>) {
        let ids: Vec<u16> = self.sessions.keys().copied().collect();
        for id in ids {
            self.call_step(cx, id, CallEvent::TunnelUp, CloseReason::Done);
        }
    }

    /// Says of each call that it ends, before saying it of the tunnel.
    fn disconnect_calls(&mut self, cx: &mut Context<'_>, reason: &CloseReason) {
        let calls: Vec<(u16, u16)> = self
            .sessions
            .values()
            .map(|session| (session.id.id, session.remote_id))
            .filter(|(_, remote_id)| *remote_id != 0)
            .collect();
        for (id, remote_id) in calls {
            let cdn = Cdn {
                result: Some(reason.session_result()),
                assigned_session_id: Some(id),
                cause: None,
            };
            let body = self.encode(cx, &Message::Cdn(cdn));
            self.channel.send_last(remote_id, body);
        }
    }

    fn end(&mut self, cx: &mut Context<'_>, reason: CloseReason) {
        self.closed = Some(cx.now);
        self.awaited = None;
        let ids: Vec<u16> = self.sessions.keys().copied().collect();
        for id in ids {
            self.call_step(cx, id, CallEvent::TunnelDown, reason.clone());
        }
        if self.announced {
            cx.events.push(Event::TunnelDown {
                tunnel: self.id,
                reason,
            });
        } else if let Some(refusal) = unfinished("tunnel", reason) {
            self.report(cx, refusal);
        }
    }

    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    pub fn role(&self) -> Role {
        self.role
    }

    pub fn remote_id(&self) -> u16 {
        self.remote_id
    }

    pub fn created(&self) -> Instant {
        self.created
    }

    /// Whether the peer has acknowledged SCCRP with SCCCN, or the other way round.
    pub fn is_established(&self) -> bool {
        self.state == State::Established
    }

    pub fn has_session(&self, id: u16) -> bool {
        self.sessions.contains_key(&id)
    }
}

/// What to report of something that a peer began and did not finish.
pub(super) fn unfinished(what: &'static str, reason: CloseReason) -> Option<Refusal> {
    match reason {
        CloseReason::Refused(refusal) => Some(refusal),
        CloseReason::Peer(result) => Some(Refusal::GaveUp(what, result)),
        CloseReason::Unanswered => Some(Refusal::HalfOpen(what)),
        CloseReason::Administrative
        | CloseReason::ShuttingDown
        | CloseReason::Done
        | CloseReason::Ppp(_)
        | CloseReason::Resources
        | CloseReason::Empty
        | CloseReason::Restarted
        | CloseReason::PathGone => None,
    }
}

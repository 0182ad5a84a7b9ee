//! One PPP connection: LCP, then authentication, then IPCP (RFC 1661 §3).
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use wire::{Instant, Rng};

use crate::auth::{authenticator, client};
use crate::automaton::State;
use crate::config::{Config, Role};
use crate::event::{Authenticate, AuthenticateId, Event, NetworkUp, Output, Timer, Verdict};
use crate::frame::{Compression, Frame, Protocol};
use crate::ipcp::Ipcp;
use crate::lcp::Lcp;
use crate::negotiation::{Context, Negotiation, Step};
use crate::packet::{Code, Packet};
use crate::user::printable;
use crate::{CloseReason, Method, UserName};

/// Protocol-Rejects sent per second at most: a peer that floods us learns it from the first few.
const REJECTS_PER_SECOND: u32 = 16;

/// Where a link stands (RFC 1661 §3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not opened yet.
    Dead,
    /// LCP is being negotiated.
    Establish,
    /// LCP is open, the client shows who it is.
    Authenticate,
    /// Network protocols are negotiated or open.
    Network,
    /// The link is being closed.
    Terminate,
    /// Over.
    Ended,
}

/// Our part in authentication.
enum Authentication {
    None,
    Server(authenticator::Authenticator),
    Client(client::Client),
}

/// Whether the peer is there.
struct Liveness {
    /// When anything was last received from it.
    heard: Instant,
    /// When we last asked.
    asked: Instant,
    /// Echo-Requests since it was last heard.
    unanswered: u32,
}

/// How many Protocol-Rejects have been sent in the second that starts at `since`.
struct RejectBudget {
    since: Instant,
    sent: u32,
}

/// One PPP connection. See the crate's documentation for how to drive it.
pub struct Link {
    config: Arc<Config>,
    rng: Rng,
    outputs: VecDeque<Output>,
    phase: Phase,
    lcp: Negotiation<Lcp>,
    authentication: Authentication,
    ipcp: Option<Negotiation<Ipcp>>,
    /// [`Event::NetworkUp`] was the last word about the network.
    network_up: bool,
    /// When the network phase must be reached.
    network_deadline: Option<Instant>,
    liveness: Liveness,
    rejects: RejectBudget,
    last_request: u32,
    /// An LCP packet that could be read has arrived.
    lcp_heard: bool,
    /// Why the link is ending; the first cause stays.
    cause: Option<CloseReason>,
}

impl Link {
    /// A link that has not been opened. Links may share their configuration. `rng` must be seeded
    /// for this link alone: challenges come from it.
    pub fn new(config: impl Into<Arc<Config>>, mut rng: Rng) -> Self {
        let config = config.into();
        let lcp = Negotiation::new(Lcp::new(&config, &mut rng));
        Self {
            config,
            rng,
            outputs: VecDeque::new(),
            phase: Phase::Dead,
            lcp,
            authentication: Authentication::None,
            ipcp: None,
            network_up: false,
            network_deadline: None,
            liveness: Liveness {
                heard: Instant::BOOT,
                asked: Instant::BOOT,
                unanswered: 0,
            },
            rejects: RejectBudget {
                since: Instant::BOOT,
                sent: 0,
            },
            last_request: 0,
            lcp_heard: false,
            cause: None,
        }
    }

    /// Where the link stands.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The layer below is up: negotiation starts.
    pub fn open(&mut self, now: Instant) {
        if self.phase != Phase::Dead {
            return;
        }
        self.set_phase(Phase::Establish);
        self.network_deadline = Some(now + self.config.timers.network_deadline);
        self.drive_lcp(now, |lcp, cx| lcp.open(cx));
    }

    /// Takes a PPP frame from the peer, with or without `ff03`, with a one- or two-byte protocol.
    /// IP packets belong to the data plane; one that comes here counts as a sign of life.
    pub fn handle_frame(&mut self, now: Instant, bytes: &[u8]) {
        if matches!(self.phase, Phase::Dead | Phase::Ended) {
            return;
        }
        match Frame::parse(bytes) {
            Ok(frame) => self.on_frame(now, &frame),
            Err(error) => tracing::debug!(%error, "malformed PPP frame"),
        }
    }

    /// The answer to [`Output::Request`]. One to a request that no longer matters is ignored.
    pub fn handle_verdict(&mut self, now: Instant, id: AuthenticateId, verdict: Verdict) {
        let Authentication::Server(authenticator) = &mut self.authentication else {
            return;
        };
        let Some(user) = authenticator.awaits(id) else {
            return;
        };
        let Some(method) = self.lcp.protocol.agreed().method else {
            return;
        };
        let answer = authenticator.on_verdict(&verdict, &mut self.rng);
        let proven = answer.is_some();
        if let Some(packet) = answer {
            self.transmit(method.protocol(), &packet);
        }
        match verdict {
            Verdict::Accept { network, .. } if proven => {
                self.on_authenticated(now, user, method, Ipcp::server(network));
            }
            Verdict::Accept { .. } => self.close(now, CloseReason::ProofMissing),
            Verdict::Reject { code, message } => {
                let reason = CloseReason::AuthenticationFailed {
                    user,
                    method,
                    code,
                    message,
                };
                self.close(now, reason);
            }
        }
    }

    /// Data from the peer was seen on the fast path: it is alive.
    pub fn note_data(&mut self, now: Instant) {
        self.liveness.heard = self.liveness.heard.max(now);
        self.liveness.unanswered = 0;
    }

    /// Does whatever is due; nothing if nothing is.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((due, timer)) = self.poll_timeout() {
            if due > now {
                return;
            }
            match timer {
                Timer::LcpRestart => self.drive_lcp(now, |lcp, cx| lcp.handle_timeout(cx)),
                Timer::IpcpRestart => self.drive_ipcp(now, |ipcp, cx| ipcp.handle_timeout(cx)),
                Timer::Authentication => self.on_authentication_timeout(now),
                Timer::NetworkDeadline => self.on_network_deadline(now),
                Timer::Echo => self.on_echo_timeout(now),
            }
        }
    }

    /// Hangs up. [`Event::Down`] follows when the peer has confirmed or Max-Terminate restart
    /// periods have passed, and at once if nothing can be sent ([`CloseReason::LowerLayerDown`]).
    pub fn close(&mut self, now: Instant, reason: CloseReason) {
        if self.phase == Phase::Ended {
            return;
        }
        let unreachable = reason == CloseReason::LowerLayerDown;
        let farewell = reason.farewell();
        self.cause.get_or_insert(reason);
        if self.phase == Phase::Dead || unreachable {
            return self.end();
        }
        if self.phase != Phase::Terminate {
            self.set_phase(Phase::Terminate);
            self.stop_network();
            self.drive_lcp(now, |lcp, cx| lcp.close(farewell, cx));
        }
    }

    /// The next thing to do; `None` until something else is handled.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Self::handle_timeout`] is due, and what for.
    pub fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        if matches!(self.phase, Phase::Dead | Phase::Ended) {
            return None;
        }
        let authentication = match &self.authentication {
            Authentication::None => None,
            Authentication::Server(authenticator) => authenticator.deadline(),
            Authentication::Client(client) => client.deadline(),
        };
        let ipcp = self.ipcp.as_ref().and_then(Negotiation::deadline);
        [
            (self.lcp.deadline(), Timer::LcpRestart),
            (authentication, Timer::Authentication),
            (ipcp, Timer::IpcpRestart),
            (self.network_deadline, Timer::NetworkDeadline),
            (self.echo_deadline(), Timer::Echo),
        ]
        .into_iter()
        .filter_map(|(due, timer)| Some((due?, timer)))
        .min_by_key(|(due, _)| *due)
    }

    // Frames

    fn on_frame(&mut self, now: Instant, frame: &Frame<'_>) {
        if frame.protocol == Protocol::IPV4 {
            return self.note_data(now);
        }
        let own_method = self.lcp.protocol.agreed().method.map(Method::protocol);
        match (frame.protocol, self.phase) {
            (Protocol::LCP, _) => self.on_lcp_frame(now, frame),
            (protocol, Phase::Authenticate | Phase::Network) if Some(protocol) == own_method => {
                self.note_data(now);
                self.on_authentication_frame(now, frame);
            }
            (Protocol::IPCP, Phase::Network) => {
                self.note_data(now);
                self.on_ipcp_frame(now, frame);
            }
            (_, Phase::Network) => {
                self.note_data(now);
                self.reject_protocol(now, frame);
            }
            // Before the network phase everything else is to be dropped silently
            // (RFC 1661 §3.4, §3.5), and after it as well.
            _ => tracing::debug!(protocol = ?frame.protocol, phase = ?self.phase, "too early"),
        }
    }

    fn on_lcp_frame(&mut self, now: Instant, frame: &Frame<'_>) {
        let packet = match Packet::parse(frame.information) {
            Ok(packet) => packet,
            Err(error) => return tracing::debug!(%error, "malformed LCP packet"),
        };
        self.lcp_heard = true;
        let carries_magic = matches!(packet.code, Code::ECHO_REQUEST | Code::ECHO_REPLY);
        if carries_magic && self.lcp.protocol.is_own(packet.data) {
            // A reply with our own number is a mistake seen in the field; a request is an echo of
            // ours. Neither shows that somebody else is there.
            return tracing::debug!("LCP echo with our own magic number");
        }
        self.note_data(now);
        match packet.code {
            Code::PROTOCOL_REJECT => self.on_protocol_reject(now, packet.data),
            Code::ECHO_REPLY | Code::DISCARD_REQUEST => {}
            // QUIRK(Windows): three of these follow the opening of LCP. A Code-Reject, which the
            // automaton would send for a code it does not know, ends the connection.
            Code::IDENTIFICATION => {
                let text = printable(packet.data.get(4..).unwrap_or_default());
                tracing::debug!(%text, "the peer identifies itself");
            }
            Code::TIME_REMAINING => {}
            Code::TERMINATE_REQUEST => {
                let text = printable(packet.data.get(..64).unwrap_or(packet.data));
                self.cause.get_or_insert(CloseReason::PeerTerminated(text));
                let negotiating = matches!(
                    self.lcp.state(),
                    State::ReqSent | State::AckRcvd | State::AckSent
                );
                self.drive_lcp(now, |lcp, cx| lcp.handle_packet(&packet, cx));
                if negotiating {
                    // The automaton would go on asking; somebody who hangs up before LCP is open
                    // does not like what we ask for.
                    self.close(now, CloseReason::PeerTerminated(String::new()));
                }
            }
            _ => self.drive_lcp(now, |lcp, cx| lcp.handle_packet(&packet, cx)),
        }
    }

    fn on_ipcp_frame(&mut self, now: Instant, frame: &Frame<'_>) {
        match Packet::parse(frame.information) {
            Ok(packet) => self.drive_ipcp(now, |ipcp, cx| ipcp.handle_packet(&packet, cx)),
            Err(error) => tracing::debug!(%error, "malformed IPCP packet"),
        }
    }

    /// RFC 1661 §5.7, for a protocol of ours that the peer does not have.
    fn on_protocol_reject(&mut self, now: Instant, data: &[u8]) {
        let Some(number) = data.first_chunk().copied() else {
            return;
        };
        if !self.lcp.is_open() {
            return;
        }
        match Protocol(u16::from_be_bytes(number)) {
            Protocol::LCP => self.close(now, CloseReason::ProtocolRejected("LCP")),
            Protocol::PAP | Protocol::CHAP if self.phase == Phase::Authenticate => {
                let reason = self.lcp.protocol.refused();
                self.close(now, reason);
            }
            Protocol::IPCP if self.ipcp.is_some() => {
                self.close(now, CloseReason::NetworkRefused);
            }
            other => tracing::debug!(protocol = ?other, "the peer rejects a protocol"),
        }
    }

    /// Tells the peer that we do not do `frame.protocol` (RFC 1661 §5.7).
    fn reject_protocol(&mut self, now: Instant, frame: &Frame<'_>) {
        if now - self.rejects.since >= Duration::from_secs(1) {
            self.rejects = RejectBudget {
                since: now,
                sent: 0,
            };
        }
        if !self.lcp.is_open() || self.rejects.sent >= REJECTS_PER_SECOND {
            return;
        }
        self.rejects.sent = self.rejects.sent.saturating_add(1);
        tracing::debug!(protocol = ?frame.protocol, "protocol rejected");
        // Code, identifier, length and protocol take six bytes of the peer's MRU.
        let room = usize::from(self.lcp.protocol.agreed().peer_mru.saturating_sub(6));
        let mut data = frame.protocol.0.to_be_bytes().to_vec();
        data.extend_from_slice(frame.information.get(..room).unwrap_or(frame.information));
        let id = self.lcp.next_id();
        let packet = Packet {
            code: Code::PROTOCOL_REJECT,
            id,
            data: &data,
        }
        .emit();
        self.transmit(Protocol::LCP, &packet);
    }

    fn transmit(&mut self, protocol: Protocol, packet: &[u8]) {
        let agreed = self.lcp.protocol.agreed();
        let open = self.lcp.is_open();
        let compression = Compression {
            protocol: open && agreed.pfc,
            address_control: open && agreed.acfc,
        };
        let frame = Frame {
            protocol,
            information: packet,
        };
        self.outputs
            .push_back(Output::Transmit(frame.emit(compression)));
    }

    // LCP

    fn drive_lcp(
        &mut self,
        now: Instant,
        act: impl FnOnce(&mut Negotiation<Lcp>, &mut Context<'_>),
    ) {
        let mut steps = Vec::new();
        let timers = &self.config.timers;
        act(
            &mut self.lcp,
            &mut Context {
                now,
                rng: &mut self.rng,
                timers,
                steps: &mut steps,
            },
        );
        for step in steps {
            match step {
                Step::Send(packet) => self.transmit(Protocol::LCP, &packet),
                Step::Up => self.on_lcp_up(now),
                Step::Down => self.on_lcp_down(now),
                Step::Finished => self.end(),
            }
        }
        if let Some(reason) = self.lcp.protocol.take_trouble() {
            self.close(now, reason);
        }
    }

    fn on_lcp_up(&mut self, now: Instant) {
        self.set_phase(Phase::Authenticate);
        let agreed = self.lcp.protocol.agreed();
        self.outputs.push_back(Output::Event(Event::LcpUp(agreed)));
        let config = Arc::clone(&self.config);
        match (&config.role, agreed.method) {
            (Role::Server(server), Some(method)) => {
                let mut authenticator =
                    authenticator::Authenticator::new(method, &server.name, &mut self.rng);
                let step = authenticator.start(now, &config.timers);
                self.authentication = Authentication::Server(authenticator);
                self.on_authenticator_step(now, method, step);
            }
            (Role::Client(settings), Some(method)) => {
                let mut client = client::Client::new(method);
                let step = client.start(now, settings, &config.timers);
                self.authentication = Authentication::Client(client);
                self.on_client_step(now, method, settings.user.clone(), step);
            }
            (Role::Client(settings), None) if settings.allow_unauthenticated => {
                self.start_network(now, Ipcp::client());
            }
            (_, None) => self.close(now, CloseReason::ServerUnauthenticated),
        }
    }

    /// LCP has left Opened: everything above it starts anew, or ends.
    fn on_lcp_down(&mut self, now: Instant) {
        self.stop_network();
        match self.lcp.state() {
            State::Closing | State::Stopping => self.set_phase(Phase::Terminate),
            _ => {
                tracing::debug!("the peer negotiates anew");
                self.set_phase(Phase::Establish);
                self.network_deadline = Some(now + self.config.timers.network_deadline);
            }
        }
    }

    // Authentication

    fn on_authentication_frame(&mut self, now: Instant, frame: &Frame<'_>) {
        let packet = match Packet::parse(frame.information) {
            Ok(packet) => packet,
            Err(error) => return tracing::debug!(%error, "malformed authentication packet"),
        };
        let config = Arc::clone(&self.config);
        let Some(method) = self.lcp.protocol.agreed().method else {
            return;
        };
        match (&mut self.authentication, &config.role) {
            (Authentication::Server(authenticator), _) => {
                let request = AuthenticateId(self.last_request.wrapping_add(1));
                let step = authenticator.handle_packet(&packet, request);
                self.on_authenticator_step(now, method, step);
            }
            (Authentication::Client(client), Role::Client(settings)) => {
                let (timers, rng) = (&config.timers, &mut self.rng);
                let step = client.handle_packet(now, &packet, settings, timers, rng);
                self.on_client_step(now, method, settings.user.clone(), step);
            }
            (Authentication::Client(_) | Authentication::None, _) => {}
        }
    }

    fn on_authentication_timeout(&mut self, now: Instant) {
        let config = Arc::clone(&self.config);
        let Some(method) = self.lcp.protocol.agreed().method else {
            return;
        };
        match (&mut self.authentication, &config.role) {
            (Authentication::Server(authenticator), _) => {
                let step = authenticator.handle_timeout(now, &config.timers);
                self.on_authenticator_step(now, method, step);
            }
            (Authentication::Client(client), Role::Client(settings)) => {
                let step = client.handle_timeout(now, &config.timers);
                self.on_client_step(now, method, settings.user.clone(), step);
            }
            (Authentication::Client(_) | Authentication::None, _) => {}
        }
    }

    fn on_authenticator_step(
        &mut self,
        now: Instant,
        method: Method,
        step: Option<authenticator::Step>,
    ) {
        match step {
            None => {}
            Some(authenticator::Step::Send(packet)) => self.transmit(method.protocol(), &packet),
            Some(authenticator::Step::Check(user, exchange)) => {
                self.last_request = self.last_request.wrapping_add(1);
                let id = AuthenticateId(self.last_request);
                let request = Authenticate {
                    id,
                    user,
                    method,
                    exchange,
                };
                self.outputs.push_back(Output::Request(request));
            }
            Some(authenticator::Step::GiveUp) => {
                self.close(now, CloseReason::AuthenticationTimeout);
            }
        }
    }

    fn on_client_step(
        &mut self,
        now: Instant,
        method: Method,
        user: UserName,
        step: Option<client::Step>,
    ) {
        match step {
            None => {}
            Some(client::Step::Send(packet)) => self.transmit(method.protocol(), &packet),
            Some(client::Step::Accepted) => {
                self.on_authenticated(now, user, method, Ipcp::client());
            }
            Some(client::Step::Refused { code, message }) => {
                let reason = CloseReason::AuthenticationFailed {
                    user,
                    method,
                    code,
                    message,
                };
                self.close(now, reason);
            }
            Some(client::Step::NotGenuine) => {
                self.close(now, CloseReason::ServerNotGenuine { user });
            }
        }
    }

    fn on_authenticated(&mut self, now: Instant, user: UserName, method: Method, ipcp: Ipcp) {
        self.outputs
            .push_back(Output::Event(Event::Authenticated { user, method }));
        self.start_network(now, ipcp);
    }

    // IPCP

    /// QUIRK(Windows): its IPCP request follows its acceptance without delay, and if it meets a
    /// Terminate-Ack because ours has not started, it waits one or two seconds.
    fn start_network(&mut self, now: Instant, ipcp: Ipcp) {
        self.set_phase(Phase::Network);
        self.ipcp = Some(Negotiation::new(ipcp));
        self.drive_ipcp(now, |ipcp, cx| ipcp.open(cx));
    }

    fn drive_ipcp(
        &mut self,
        now: Instant,
        act: impl FnOnce(&mut Negotiation<Ipcp>, &mut Context<'_>),
    ) {
        let Some(ipcp) = &mut self.ipcp else { return };
        let hung_up = ipcp.state() == State::Stopping;
        let mut steps = Vec::new();
        let timers = &self.config.timers;
        act(
            ipcp,
            &mut Context {
                now,
                rng: &mut self.rng,
                timers,
                steps: &mut steps,
            },
        );
        // The network exists before the Ack leaves that lets the peer use it. RFC 1661 §4.1
        // leaves the order of the actions of one event to us.
        steps.sort_by_key(|step| *step != Step::Up);
        for step in steps {
            match step {
                Step::Send(packet) => self.transmit(Protocol::IPCP, &packet),
                Step::Up => self.on_ipcp_up(now),
                Step::Down => self.on_network_down(now),
                Step::Finished if hung_up => {
                    self.close(now, CloseReason::PeerTerminated("no more IP".to_owned()));
                }
                Step::Finished => self.close(now, CloseReason::NetworkTimeout),
            }
            if self.phase != Phase::Network {
                return;
            }
        }
    }

    fn on_ipcp_up(&mut self, now: Instant) {
        let lcp = self.lcp.protocol.agreed();
        match self.ipcp.as_ref().map(|ipcp| ipcp.protocol.agreed()) {
            None => {}
            Some(Err(reason)) => self.close(now, reason),
            Some(Ok(network)) => {
                self.network_deadline = None;
                self.network_up = true;
                self.outputs
                    .push_back(Output::Event(Event::NetworkUp(NetworkUp {
                        local: network.local,
                        peer: network.peer,
                        dns: network.dns,
                        wins: network.wins,
                        local_mru: lcp.local_mru,
                        peer_mru: lcp.peer_mru,
                        pfc: lcp.pfc,
                        acfc: lcp.acfc,
                    })));
            }
        }
    }

    /// IPCP has left Opened: it is negotiated anew, or the peer wants no more of it.
    fn on_network_down(&mut self, now: Instant) {
        self.announce_network_down();
        self.network_deadline = Some(now + self.config.timers.network_deadline);
    }

    fn announce_network_down(&mut self) {
        if std::mem::take(&mut self.network_up) {
            self.outputs.push_back(Output::Event(Event::NetworkDown));
        }
    }

    fn stop_network(&mut self) {
        self.announce_network_down();
        self.authentication = Authentication::None;
        self.ipcp = None;
        self.network_deadline = None;
    }

    // Time

    fn on_network_deadline(&mut self, now: Instant) {
        let reason = match self.phase {
            Phase::Authenticate => CloseReason::AuthenticationTimeout,
            Phase::Network => CloseReason::NetworkTimeout,
            _ => CloseReason::Deadline(self.config.timers.network_deadline),
        };
        self.network_deadline = None;
        self.close(now, reason);
    }

    fn echo_deadline(&self) -> Option<Instant> {
        let interval = self
            .config
            .timers
            .echo_interval
            .filter(|_| self.lcp.is_open())?;
        Some(self.liveness.heard.max(self.liveness.asked) + interval)
    }

    fn on_echo_timeout(&mut self, now: Instant) {
        if self.liveness.unanswered >= self.config.timers.echo_failures {
            let requests = self.liveness.unanswered;
            let period = now - self.liveness.heard;
            return self.close(now, CloseReason::EchoTimeout { requests, period });
        }
        self.liveness.unanswered = self.liveness.unanswered.saturating_add(1);
        self.liveness.asked = now;
        let (id, data) = (self.lcp.next_id(), self.lcp.protocol.magic());
        let packet = Packet {
            code: Code::ECHO_REQUEST,
            id,
            data: &data,
        }
        .emit();
        self.transmit(Protocol::LCP, &packet);
    }

    // The end

    fn end(&mut self) {
        if self.phase == Phase::Ended {
            return;
        }
        self.stop_network();
        self.set_phase(Phase::Ended);
        let unexplained = if self.lcp_heard {
            CloseReason::LcpTimeout
        } else {
            CloseReason::NoLcp
        };
        let reason = self.cause.take().unwrap_or(unexplained);
        self.outputs
            .push_back(Output::Event(Event::Down { reason }));
    }

    fn set_phase(&mut self, phase: Phase) {
        tracing::debug!(from = ?self.phase, to = ?phase, "phase");
        self.phase = phase;
    }
}

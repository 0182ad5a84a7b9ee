//! The layers above one another: what happens when LCP, authentication or IPCP has something to
//! say, and how the next one starts.
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;
use std::time::Duration;

use wire::Instant;

use super::{Authentication, Link, Phase};
use crate::auth::{authenticator, client};
use crate::automaton::State;
use crate::config::Role;
use crate::event::{Authenticate, AuthenticateId, Event, NetworkUp, Output};
use crate::frame::{Frame, Protocol};
use crate::habits::{AddressControl, Identifiers};
use crate::ipcp::Ipcp;
use crate::lcp::Lcp;
use crate::negotiation::{Context, Negotiation, Step};
use crate::packet::{Code, Packet};
use crate::{CloseReason, Method, UserName};

/// How often a peer may make LCP or IPCP start anew within a minute. Real ones do so after they
/// were suspended, or hardly ever.
const RENEGOTIATIONS_PER_MINUTE: u32 = 8;

impl Link {
    // LCP

    pub(super) fn drive_lcp(
        &mut self,
        now: Instant,
        act: impl FnOnce(&mut Negotiation<Lcp>, &mut Context<'_>),
    ) {
        let mut steps = Vec::new();
        let timers = &self.config.timers;
        let shared = self.config.habits.identifiers == Identifiers::SharedFromZero;
        if shared {
            self.lcp.count_on(self.last_id);
        }
        act(
            &mut self.lcp,
            &mut Context {
                now,
                rng: &mut self.rng,
                timers,
                steps: &mut steps,
            },
        );
        self.last_id = self.lcp.last_id();
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
        self.identify();
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
                self.start_network(now, Ipcp::client(&config.habits));
            }
            (_, None) => self.close(now, CloseReason::ServerUnauthenticated),
        }
    }

    /// Says who we are, as far as that is our habit (RFC 1570 §2.1).
    fn identify(&mut self) {
        let config = Arc::clone(&self.config);
        for text in &config.habits.identifications {
            let mut data = self.lcp.protocol.magic().to_vec();
            data.extend_from_slice(text);
            let (code, id) = (Code::IDENTIFICATION, self.next_lcp_id());
            let data = &data;
            self.transmit(Protocol::LCP, &Packet { code, id, data }.emit());
        }
    }

    /// LCP has left Opened: everything above it starts anew, or ends.
    ///
    /// Who has not logged in yet gains no time by it: a deadline that runs goes on.
    fn on_lcp_down(&mut self, now: Instant) {
        let running = self.network_deadline;
        self.stop_network();
        match self.lcp.state() {
            State::Closing | State::Stopping => self.set_phase(Phase::Terminate),
            _ => {
                tracing::debug!("the peer negotiates anew");
                self.set_phase(Phase::Establish);
                let deadline = now + self.config.timers.network_deadline;
                self.network_deadline = Some(running.unwrap_or(deadline));
                if !self.may_renegotiate(now) {
                    self.lcp.protocol.give_up(CloseReason::Renegotiations);
                }
            }
        }
    }

    // Authentication

    pub(super) fn on_authentication_frame(&mut self, now: Instant, frame: &Frame<'_>) {
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

    pub(super) fn on_authentication_timeout(&mut self, now: Instant) {
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
                let ipcp = Ipcp::client(&self.config.habits);
                self.on_authenticated(now, user, method, ipcp);
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

    pub(super) fn on_authenticated(
        &mut self,
        now: Instant,
        user: UserName,
        method: Method,
        ipcp: Ipcp,
    ) {
        self.outputs
            .push_back(Output::Event(Event::Authenticated { user, method }));
        self.start_network(now, ipcp);
    }

    // IPCP

    /// QUIRK(Windows): its IPCP request follows its acceptance without delay, and if it meets a
    /// Terminate-Ack because ours has not started, it waits one or two seconds.
    fn start_network(&mut self, now: Instant, ipcp: Ipcp) {
        self.set_phase(Phase::Network);
        self.ipcp = Some(Negotiation::new(ipcp, &self.config.habits));
        self.ask_companions(now, true);
        self.drive_ipcp(now, |ipcp, cx| ipcp.open(cx));
        self.ask_companions(now, false);
    }

    pub(super) fn drive_ipcp(
        &mut self,
        now: Instant,
        act: impl FnOnce(&mut Negotiation<Ipcp>, &mut Context<'_>),
    ) {
        let Some(ipcp) = &mut self.ipcp else { return };
        let hung_up = ipcp.state() == State::Stopping;
        let mut steps = Vec::new();
        let timers = &self.config.timers;
        let shared = self.config.habits.identifiers == Identifiers::SharedFromZero;
        if shared {
            ipcp.count_on(self.last_id);
        }
        act(
            ipcp,
            &mut Context {
                now,
                rng: &mut self.rng,
                timers,
                steps: &mut steps,
            },
        );
        self.last_id = ipcp.last_id();
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

    /// IPCP is open, and nothing else is waited for.
    pub(super) fn on_ipcp_up(&mut self, now: Instant) {
        if self.awaits_companion() {
            return;
        }
        let lcp = self.lcp.protocol.agreed();
        match self.ipcp.as_ref().map(|ipcp| ipcp.protocol.agreed()) {
            None => {}
            Some(Err(reason)) => self.close(now, reason),
            Some(Ok(network)) => {
                self.network_deadline = None;
                self.network_up = true;
                let habits = &self.config.habits;
                self.outputs
                    .push_back(Output::Event(Event::NetworkUp(NetworkUp {
                        local: network.local,
                        peer: network.peer,
                        dns: network.dns,
                        wins: network.wins,
                        local_mru: lcp.local_mru,
                        peer_mru: lcp.peer_mru.min(habits.mtu.unwrap_or(u16::MAX)),
                        pfc: lcp.pfc,
                        acfc: match habits.address_control {
                            AddressControl::NeverSent => true,
                            AddressControl::AlwaysSent => false,
                            _ => lcp.acfc,
                        },
                    })));
            }
        }
    }

    /// IPCP has left Opened: it is negotiated anew, or the peer wants no more of it.
    fn on_network_down(&mut self, now: Instant) {
        self.announce_network_down();
        self.network_deadline = Some(now + self.config.timers.network_deadline);
        if !self.may_renegotiate(now) {
            self.close(now, CloseReason::Renegotiations);
        }
    }

    /// Each new negotiation may cost a check of credentials, a log line, an update of routes.
    fn may_renegotiate(&mut self, now: Instant) -> bool {
        let period = Duration::from_secs(60);
        self.renegotiations
            .spend(now, period, RENEGOTIATIONS_PER_MINUTE)
    }

    fn announce_network_down(&mut self) {
        if std::mem::take(&mut self.network_up) {
            self.outputs.push_back(Output::Event(Event::NetworkDown));
        }
    }

    pub(super) fn stop_network(&mut self) {
        self.announce_network_down();
        self.authentication = Authentication::None;
        self.ipcp = None;
        self.companions.clear();
        self.network_deadline = None;
    }
}

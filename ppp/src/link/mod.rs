//! One PPP connection: LCP, then authentication, then IPCP (RFC 1661 §3).
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

mod companions;
mod frames;
mod layers;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use wire::{Instant, Rng};

use self::companions::Companion;
use crate::CloseReason;
use crate::auth::{authenticator, client};
use crate::config::Config;
use crate::event::{AuthenticateId, Event, Output, Timer, Verdict};
use crate::frame::{Frame, Protocol};
use crate::habits::{Farewell, Habits, Identifiers, Start};
use crate::ipcp::Ipcp;
use crate::lcp::{DEFAULT_MRU, Lcp};
use crate::negotiation::Negotiation;
use crate::packet::{Code, Packet};

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

/// How often something has been done in the period that starts at `since`.
struct Budget {
    since: Instant,
    spent: u32,
}

impl Budget {
    const FULL: Self = Self {
        since: Instant::BOOT,
        spent: 0,
    };

    /// Whether it may be done once more, if `limit` times in each `period` are allowed.
    fn spend(&mut self, now: Instant, period: Duration, limit: u32) -> bool {
        if now - self.since >= period {
            *self = Self {
                since: now,
                spent: 0,
            };
        }
        let left = self.spent < limit;
        self.spent = self.spent.saturating_add(u32::from(left));
        left
    }
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
    /// Protocol-Rejects sent.
    rejects: Budget,
    /// How often the peer has made LCP or IPCP start anew.
    renegotiations: Budget,
    last_request: u32,
    /// When LCP begins, if not at once.
    starts: Option<Instant>,
    /// The identifier given last, if all protocols share the counter.
    last_id: u8,
    companions: Vec<Companion>,
    /// An LCP packet that could be read has arrived.
    lcp_heard: bool,
    /// Why the link is ending; the first cause stays.
    cause: Option<CloseReason>,
}

impl Link {
    /// A link that has not been opened. Links may share their configuration. `rng` must be seeded
    /// for this link alone: challenges come from it.
    pub fn new(config: impl Into<Arc<Config>>, mut rng: Rng) -> Self {
        let config = Habits::settle(config.into());
        let lcp = Negotiation::new(Lcp::new(&config, &mut rng), &config.habits);
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
            rejects: Budget::FULL,
            renegotiations: Budget::FULL,
            last_request: 0,
            starts: None,
            last_id: u8::MAX,
            companions: Vec::new(),
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
        match self.config.habits.start {
            Start::AtOnce => self.begin(now),
            Start::Deaf(time) | Start::Listening(time) => self.starts = Some(now + time),
        }
    }

    fn begin(&mut self, now: Instant) {
        self.starts = None;
        self.drive_lcp(now, |lcp, cx| lcp.open(cx));
    }

    /// Takes a PPP frame from the peer, with or without `ff03`, with a one- or two-byte protocol.
    /// IP packets belong to the data plane; one that comes here counts as a sign of life.
    pub fn handle_frame(&mut self, now: Instant, bytes: &[u8]) {
        if matches!(self.phase, Phase::Dead | Phase::Ended) {
            return;
        }
        match self.config.habits.start {
            Start::Deaf(_) if self.starts.is_some() => return,
            Start::Listening(_) if self.starts.is_some() => self.begin(now),
            _ => {}
        }
        match Frame::parse(bytes) {
            Ok(frame) if frame.information.len() > self.longest() => {
                tracing::debug!(length = frame.information.len(), "PPP frame above the MRU");
            }
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

    /// Sends an Echo-Request at once, for something to be on its way: an answer is welcome, and
    /// none is not held against the peer.
    pub fn probe(&mut self, _now: Instant) {
        if self.lcp.is_open() {
            self.send_echo_request();
        }
    }

    /// Does whatever is due; nothing if nothing is.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((due, timer)) = self.poll_timeout() {
            if due > now {
                return;
            }
            match timer {
                Timer::Start => self.begin(now),
                Timer::LcpRestart => self.drive_lcp(now, |lcp, cx| lcp.handle_timeout(cx)),
                Timer::IpcpRestart => self.drive_ipcp(now, |ipcp, cx| ipcp.handle_timeout(cx)),
                Timer::Companion => self.on_companion_timeout(now),
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
        let farewell = self.farewell(&reason);
        self.cause.get_or_insert(reason);
        if self.phase == Phase::Dead || self.starts.is_some() || unreachable {
            return self.end();
        }
        if self.phase != Phase::Terminate {
            self.set_phase(Phase::Terminate);
            self.stop_network();
            self.drive_lcp(now, |lcp, cx| lcp.close(farewell, cx));
        }
    }

    /// Why the link is ending or has ended, as soon as that is known.
    pub fn ending(&self) -> Option<&CloseReason> {
        self.cause.as_ref()
    }

    /// The next thing to do; `None` until something else is handled.
    pub fn poll_output(&mut self) -> Option<Output> {
        let next = self.outputs.pop_front();
        if next.is_none() {
            // Of thousands of links hardly one has something to say at a time.
            self.outputs = VecDeque::new();
        }
        next
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
            (self.starts, Timer::Start),
            (self.companion_deadline(), Timer::Companion),
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

    /// The longest information field that is looked at. A peer that ignores our MRU may still mean
    /// well up to the default one; what is longer only costs memory, long before anybody has logged
    /// in.
    fn longest(&self) -> usize {
        usize::from(self.config.mru.max(DEFAULT_MRU))
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
        self.send_echo_request();
    }

    fn send_echo_request(&mut self) {
        let (id, data) = (self.next_lcp_id(), self.lcp.protocol.magic());
        let packet = Packet {
            code: Code::ECHO_REQUEST,
            id,
            data: &data,
        }
        .emit();
        self.transmit(Protocol::LCP, &packet);
    }

    /// An identifier for an LCP packet that is no Configure-Request.
    fn next_lcp_id(&mut self) -> u8 {
        let shared = self.config.habits.identifiers == Identifiers::SharedFromZero;
        if shared {
            self.lcp.count_on(self.last_id);
        }
        self.last_id = self.lcp.next_id();
        self.last_id
    }

    // The end

    /// The data of our Terminate-Requests.
    fn farewell(&self, reason: &CloseReason) -> Vec<u8> {
        match self.config.habits.farewell {
            Farewell::Reason => reason.farewell().into(),
            Farewell::Text(text) => text.into(),
            Farewell::MagicAndNumber => {
                let mut data = self.lcp.protocol.magic().to_vec();
                data.extend_from_slice(&[0x00, 0x3c, 0xcd, 0x74, 0, 0, 0, 0]);
                data
            }
        }
    }

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

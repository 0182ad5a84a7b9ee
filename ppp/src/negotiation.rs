//! Drives the automaton for one protocol: packets in and out, restart timer, counters, and the
//! judgement of options that is the same for every protocol.
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

use std::collections::VecDeque;
use std::time::Duration;

use wire::{Instant, Rng};

use crate::automaton::{Action, Event, State, transition};
use crate::config::Timers;
use crate::habits::Habits;
use crate::option::{self, ConfigOption};
use crate::packet::{Code, Packet};

/// How many of the peer's requests are remembered, to know them when they come again.
const REMEMBERED: usize = 4;

/// For how long after opening a repeated request is taken for a late copy.
const LATE: Duration = Duration::from_secs(30);

/// How often the acknowledged request is acknowledged again under another identifier.
const RENUMBERED: u32 = 2;

/// How many Naks and Rejects of ours are acted upon before the peer is left to the restart timer.
const MAX_REFUSALS: u32 = 20;

/// The longest part of a packet that is quoted in a Code-Reject, in bytes. The RFC wants the
/// packet cut to the peer's MRU; no MRU is below this.
const QUOTED: usize = 120;

/// What a protocol thinks of one option of the peer's request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Opinion {
    /// As it is.
    Accept,
    /// With another value: this whole option.
    Nak(Vec<u8>),
    /// Not at all.
    Reject,
}

/// What differs between LCP and the network control protocols.
pub(crate) trait Protocol {
    /// For logs.
    const NAME: &'static str;
    /// Whether Echo-Request belongs to the protocol.
    const HAS_ECHO: bool;
    /// Whether an unanswered request is repeated at the peer's first sign of life.
    const PROMPTED: bool;

    /// Appends the options we ask for at present.
    fn request(&self, out: &mut Vec<u8>);
    /// Judges one option of the peer's.
    fn opinion(&mut self, option: &ConfigOption<'_>, rng: &mut Rng) -> Opinion;
    /// Appends options that the peer should have sent but did not.
    fn missing(&self, options: &[ConfigOption<'_>], out: &mut Vec<u8>);
    /// The peer's options are all acceptable and agreed; those not in the list have their default.
    fn accept(&mut self, options: &[ConfigOption<'_>]);
    /// The peer proposes another value for an option of ours.
    fn on_nak(&mut self, option: &ConfigOption<'_>, rng: &mut Rng);
    /// The peer does not want an option of ours.
    fn on_reject(&mut self, option: &ConfigOption<'_>);
    /// The data of an Echo-Reply.
    fn echo_reply(&self, _request: &[u8]) -> Vec<u8> {
        Vec::new()
    }
}

/// What follows from an event, in order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Send this packet.
    Send(Vec<u8>),
    /// The layer is open.
    Up,
    /// The layer is not open any more.
    Down,
    /// The layer is done for good.
    Finished,
}

/// What every call needs.
pub(crate) struct Context<'a> {
    pub now: Instant,
    pub rng: &'a mut Rng,
    pub timers: &'a Timers,
    pub steps: &'a mut Vec<Step>,
}

/// A Configure-Request of ours.
struct Sent {
    id: u8,
    options: Vec<u8>,
    /// An answer has come; another one is a copy. So it is before anything was sent.
    answered: bool,
}

/// A Configure-Request of the peer's.
struct Seen {
    id: u8,
    options: Vec<u8>,
    acknowledged: bool,
}

/// The answer to the packet being handled.
struct Reply<'a> {
    packet: Packet<'a>,
    code: Code,
    options: Vec<u8>,
}

/// One protocol's automaton with its timer, counters and memory.
pub(crate) struct Negotiation<P> {
    pub protocol: P,
    state: State,
    counter: u32,
    deadline: Option<Instant>,
    last_id: u8,
    sent: Sent,
    seen: VecDeque<Seen>,
    opened: Option<Instant>,
    /// Naks and Rejects received since the last opening.
    refusals: u32,
    /// Acknowledged requests that came again under another identifier since then.
    renumbered: u32,
    /// Naks sent since the last Ack (Max-Failure).
    failures: u32,
    prompted: bool,
    /// What our Terminate-Requests say.
    farewell: Vec<u8>,
    /// Whether every Configure-Request gets a new identifier.
    fresh: bool,
}

impl<P: Protocol> Negotiation<P> {
    pub fn new(protocol: P, habits: &Habits) -> Self {
        Self {
            protocol,
            state: State::Initial,
            counter: 0,
            deadline: None,
            last_id: 0,
            sent: Sent {
                id: 0,
                options: Vec::new(),
                answered: true,
            },
            seen: VecDeque::new(),
            opened: None,
            refusals: 0,
            renumbered: 0,
            failures: 0,
            prompted: !habits.repeats_when_prompted,
            farewell: Vec::new(),
            fresh: habits.fresh_identifiers,
        }
    }

    pub fn state(&self) -> State {
        self.state
    }

    pub fn is_open(&self) -> bool {
        self.state == State::Opened
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Starts over a lower layer that is up.
    pub fn open(&mut self, cx: &mut Context<'_>) {
        self.on_event(Event::Open, None, cx);
        self.on_event(Event::Up, None, cx);
    }

    /// Ends in an orderly way, with some words for the peer.
    pub fn close(&mut self, farewell: Vec<u8>, cx: &mut Context<'_>) {
        self.farewell = farewell;
        self.on_event(Event::Close, None, cx);
    }

    pub fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        if self.deadline.is_some_and(|deadline| deadline <= cx.now) {
            let event = if self.counter > 0 {
                Event::Timeout
            } else {
                Event::LastTimeout
            };
            self.on_event(event, None, cx);
        }
    }

    /// The identifier given last. The next one is one more.
    pub fn last_id(&self) -> u8 {
        self.last_id
    }

    /// Goes on counting after `id`.
    pub fn count_on(&mut self, id: u8) {
        self.last_id = id;
    }

    /// An identifier for a packet that is no Configure-Request.
    pub fn next_id(&mut self) -> u8 {
        self.last_id = self.last_id.wrapping_add(1);
        self.last_id
    }

    /// Handles a packet of the seven common codes, or Echo-Request.
    pub fn handle_packet(&mut self, packet: &Packet<'_>, cx: &mut Context<'_>) {
        let reply = Reply {
            packet: *packet,
            code: Code::CONFIGURE_ACK,
            options: Vec::new(),
        };
        let event = match packet.code {
            Code::CONFIGURE_REQUEST => return self.on_configure_request(packet, cx),
            Code::CONFIGURE_ACK => {
                if !self.expects(packet) || packet.data != self.sent.options {
                    return ignored::<P>(packet, "no answer to our last request");
                }
                self.sent.answered = true;
                Event::Ack
            }
            Code::CONFIGURE_NAK | Code::CONFIGURE_REJECT => {
                if !self.expects(packet) || !self.on_refusal(packet, cx) {
                    return ignored::<P>(packet, "no answer to our last request");
                }
                self.sent.answered = true;
                Event::Nak
            }
            Code::TERMINATE_REQUEST => Event::TerminateRequest,
            Code::TERMINATE_ACK => Event::TerminateAck,
            Code::CODE_REJECT => match packet.data.first() {
                // Without the codes of the automaton itself nothing can be negotiated.
                Some(1..=7) => Event::FatalReject,
                Some(_) => Event::TolerableReject,
                None => return ignored::<P>(packet, "quotes nothing"),
            },
            Code::ECHO_REQUEST if P::HAS_ECHO => Event::Echo,
            _ => Event::UnknownCode,
        };
        self.on_event(event, Some(&reply), cx);
    }

    /// Whether `packet` has the identifier of a request that still waits for its answer. A second
    /// answer is a copy made by the network, or late, and would only start the negotiation anew.
    fn expects(&self, packet: &Packet<'_>) -> bool {
        packet.id == self.sent.id && !self.sent.answered
    }

    /// A Nak or Reject. False if it does not fit our request (RFC 1661 §5.3, §5.4).
    fn on_refusal(&mut self, packet: &Packet<'_>, cx: &mut Context<'_>) -> bool {
        let Ok(options) = option::parse(packet.data) else {
            return false;
        };
        if self.refusals >= MAX_REFUSALS {
            return false;
        }
        if packet.code == Code::CONFIGURE_NAK {
            options
                .iter()
                .for_each(|option| self.protocol.on_nak(option, cx.rng));
        } else {
            let Ok(ours) = option::parse(&self.sent.options) else {
                return false;
            };
            if options.is_empty() || !options.iter().all(|option| ours.contains(option)) {
                return false;
            }
            options
                .iter()
                .for_each(|option| self.protocol.on_reject(option));
        }
        self.refusals = self.refusals.saturating_add(1);
        true
    }

    fn on_configure_request(&mut self, packet: &Packet<'_>, cx: &mut Context<'_>) {
        let Ok(options) = option::parse(packet.data) else {
            return ignored::<P>(packet, "options beyond the packet");
        };
        if self.repeat_answer(packet, cx) {
            return;
        }
        // QUIRK(Windows): it drops our first LCP Configure-Request, sent before its own stack is
        // up, and would otherwise hear from us only when the restart timer has run out. Ours goes
        // before the answer to its own, so that it cannot arrive in the peer's Opened state and
        // start everything anew.
        if P::PROMPTED && self.state == State::ReqSent && !self.prompted && !self.sent.answered {
            cx.steps.push(Step::Send(self.request_packet()));
        }
        self.prompted = true;

        let (event, code, answer) = self.judge(&options, cx);
        if self.seen.len() >= REMEMBERED {
            self.seen.pop_front();
        }
        let acknowledged = event == Event::GoodRequest;
        self.seen.push_back(Seen {
            id: packet.id,
            options: packet.data.to_vec(),
            acknowledged,
        });
        self.on_event(
            event,
            Some(&Reply {
                packet: *packet,
                code,
                options: answer,
            }),
            cx,
        );
    }

    /// In Opened, a request of which we have a copy is no wish to negotiate anew: our answer was
    /// lost, or the network made the copy. The last one gets its Ack again, and nothing changes.
    ///
    /// RFC 1661 §5.1 gives a new request a new identifier, and a new LCP a new magic number.
    fn repeat_answer(&mut self, packet: &Packet<'_>, cx: &mut Context<'_>) -> bool {
        let late = self.opened.is_some_and(|opened| cx.now < opened + LATE);
        if !self.is_open() || !late {
            return false;
        }
        let same = |seen: &&Seen| seen.id == packet.id && seen.options == packet.data;
        match self.seen.iter().rev().find(same) {
            None => self.repeat_renumbered(packet, cx),
            Some(seen) => {
                if seen.acknowledged {
                    let ack = Packet {
                        code: Code::CONFIGURE_ACK,
                        ..*packet
                    };
                    cx.steps.push(Step::Send(ack.emit()));
                }
                true
            }
        }
    }

    /// QUIRK(Windows): a request that is repeated gets a new identifier (RFC 1661 §5.1 lets it), so
    /// the one that was acknowledged last comes again after a lost Ack. A peer that does negotiate
    /// anew with the same options sees no request of ours, and asks more often than we take for
    /// that.
    fn repeat_renumbered(&mut self, packet: &Packet<'_>, cx: &mut Context<'_>) -> bool {
        let last = self.seen.back();
        let same = last.is_some_and(|seen| seen.acknowledged && seen.options == packet.data);
        if !same || self.renumbered >= RENUMBERED {
            return false;
        }
        self.renumbered = self.renumbered.saturating_add(1);
        let ack = Packet {
            code: Code::CONFIGURE_ACK,
            ..*packet
        };
        cx.steps.push(Step::Send(ack.emit()));
        true
    }

    /// Decides on a whole request: everything to be rejected in one Reject, else everything to be
    /// changed in one Nak, else an Ack (RFC 1661 §5.2 to §5.4).
    fn judge(
        &mut self,
        options: &[ConfigOption<'_>],
        cx: &mut Context<'_>,
    ) -> (Event, Code, Vec<u8>) {
        let (mut ack, mut naks, mut unchanged, mut rejects) = (vec![], vec![], vec![], vec![]);
        for option in options {
            option.emit(&mut ack);
            match self.protocol.opinion(option, cx.rng) {
                Opinion::Accept => {}
                Opinion::Nak(other) => {
                    naks.extend(other);
                    option.emit(&mut unchanged);
                }
                Opinion::Reject => option.emit(&mut rejects),
            }
        }
        // Not converging: what would be changed is refused, and nothing asked for (Max-Failure,
        // RFC 1661 §4.6).
        if self.failures >= cx.timers.max_failure {
            rejects.extend(unchanged);
            naks.clear();
        } else {
            self.protocol.missing(options, &mut naks);
        }
        if !rejects.is_empty() {
            (Event::BadRequest, Code::CONFIGURE_REJECT, rejects)
        } else if !naks.is_empty() {
            self.failures = self.failures.saturating_add(1);
            (Event::BadRequest, Code::CONFIGURE_NAK, naks)
        } else {
            self.failures = 0;
            self.protocol.accept(options);
            (Event::GoodRequest, Code::CONFIGURE_ACK, ack)
        }
    }

    fn on_event(&mut self, event: Event, reply: Option<&Reply<'_>>, cx: &mut Context<'_>) {
        let Some((actions, next)) = transition(self.state, event) else {
            tracing::trace!(protocol = P::NAME, state = ?self.state, ?event, "cannot happen");
            return;
        };
        for action in actions {
            match action {
                Action::LayerUp => cx.steps.push(Step::Up),
                Action::LayerDown => cx.steps.push(Step::Down),
                Action::LayerStarted => {}
                Action::LayerFinished => cx.steps.push(Step::Finished),
                Action::InitializeCounter => {
                    self.counter = if actions.contains(&Action::TerminateRequest) {
                        cx.timers.max_terminate
                    } else {
                        cx.timers.max_configure
                    };
                }
                Action::ZeroCounter => {
                    self.counter = 0;
                    self.deadline = Some(cx.now + cx.timers.restart);
                }
                Action::ConfigureRequest => {
                    self.start_timer(cx);
                    cx.steps.push(Step::Send(self.request_packet()));
                }
                Action::TerminateRequest => {
                    self.start_timer(cx);
                    let (code, id) = (Code::TERMINATE_REQUEST, self.next_id());
                    let data = &self.farewell;
                    cx.steps.push(Step::Send(Packet { code, id, data }.emit()));
                }
                Action::ConfigureAck
                | Action::ConfigureNak
                | Action::TerminateAck
                | Action::CodeReject
                | Action::EchoReply => {
                    if let Some(reply) = reply {
                        let answer = self.answer(*action, reply);
                        cx.steps.push(Step::Send(answer));
                    }
                }
            }
        }
        self.set_state(next, event, cx.now);
    }

    /// The packet that answers the one being handled.
    fn answer(&mut self, action: Action, reply: &Reply<'_>) -> Vec<u8> {
        let id = reply.packet.id;
        match action {
            Action::CodeReject => {
                let whole = reply.packet.emit();
                let data = whole.get(..QUOTED).unwrap_or(&whole);
                Packet {
                    code: Code::CODE_REJECT,
                    id: self.next_id(),
                    data,
                }
                .emit()
            }
            Action::EchoReply => {
                let data = self.protocol.echo_reply(reply.packet.data);
                Packet {
                    code: Code::ECHO_REPLY,
                    id,
                    data: &data,
                }
                .emit()
            }
            Action::TerminateAck => Packet {
                code: Code::TERMINATE_ACK,
                id,
                data: &[],
            }
            .emit(),
            _ => Packet {
                code: reply.code,
                id,
                data: &reply.options,
            }
            .emit(),
        }
    }

    /// Our Configure-Request. A repetition keeps its identifier, so that a late answer to an
    /// earlier copy still counts; a new content, or one already answered, gets a new one
    /// (RFC 1661 §5.1).
    fn request_packet(&mut self) -> Vec<u8> {
        let mut options = Vec::new();
        self.protocol.request(&mut options);
        if self.sent.answered || self.fresh || options != self.sent.options {
            self.sent = Sent {
                id: self.next_id(),
                options,
                answered: false,
            };
        }
        let Sent { id, options, .. } = &self.sent;
        Packet {
            code: Code::CONFIGURE_REQUEST,
            id: *id,
            data: options,
        }
        .emit()
    }

    fn start_timer(&mut self, cx: &Context<'_>) {
        self.counter = self.counter.saturating_sub(1);
        self.deadline = Some(cx.now + cx.timers.restart);
    }

    fn set_state(&mut self, next: State, event: Event, now: Instant) {
        if !next.is_timed() {
            self.deadline = None;
        }
        if next != self.state {
            tracing::debug!(protocol = P::NAME, from = ?self.state, ?event, to = ?next, "state");
        }
        if next == State::Opened && self.state != State::Opened {
            self.opened = Some(now);
            self.refusals = 0;
            self.renumbered = 0;
        }
        self.state = next;
    }
}

fn ignored<P: Protocol>(packet: &Packet<'_>, why: &str) {
    tracing::debug!(
        protocol = P::NAME,
        code = packet.code.0,
        id = packet.id,
        why,
        "ignored"
    );
}

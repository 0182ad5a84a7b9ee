//! Reliable delivery of control messages (RFC 2661 §5.8 and appendix A).
//!
//! A [`Channel`] numbers and keeps what is sent until it is acknowledged, sends it again, never
//! has more in flight than the peer's receive window and the congestion window allow, and puts
//! what is received into order. It knows neither tunnels nor message types.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects
)]

use std::collections::VecDeque;
use std::collections::btree_map::{BTreeMap, Entry};
use std::time::Duration;

use wire::Instant;

/// The receive window of a peer that did not state one (RFC 2661 §4.4.3).
pub const DEFAULT_WINDOW: u16 = 4;

/// When to send again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backoff {
    /// The first wait; each further one is twice as long.
    pub initial: Duration,
    /// The longest wait.
    pub cap: Duration,
    /// How often a message is sent again before its tunnel may be given up.
    pub tries: u32,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            initial: Duration::from_secs(1),
            cap: Duration::from_secs(8),
            tries: 5,
        }
    }
}

impl Backoff {
    /// How long to wait for an answer after having sent again `tries` times.
    pub fn wait(&self, tries: u32) -> Duration {
        let factor = 1u32.checked_shl(tries).unwrap_or(u32::MAX);
        self.initial.saturating_mul(factor).min(self.cap)
    }

    /// One full retransmission cycle: from sending a message to giving it up.
    pub fn cycle(&self) -> Duration {
        (0..=self.tries).fold(Duration::ZERO, |sum, n| sum.saturating_add(self.wait(n)))
    }
}

/// A message that waits to be sent or acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Outgoing {
    session: u16,
    body: Vec<u8>,
}

/// A message to be sent now.
#[derive(Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Session id for the header.
    pub session: u16,
    /// Its number.
    pub ns: u16,
    /// Number of the message expected next, which acknowledges all before it.
    pub nr: u16,
    /// The AVPs.
    pub body: &'a [u8],
    /// Whether it was sent before.
    pub repeated: bool,
}

/// A message received in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// Session id of the header.
    pub session: u16,
    /// The AVPs.
    pub body: Vec<u8>,
}

/// What became of a received message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receipt {
    /// A ZLB: nothing to deliver.
    Acknowledgement,
    /// [`Channel::deliver`] has it now, and perhaps some that waited for it.
    InOrder,
    /// It waits for one before it.
    Held,
    /// Received before; will be acknowledged again.
    Duplicate,
    /// Too far ahead; dropped.
    OutsideWindow,
}

/// The queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueFull;

/// One direction each of sending and receiving, between two tunnel ends.
#[derive(Debug)]
pub struct Channel {
    backoff: Backoff,
    // Sending. The queue's front has the number `base`. Of the queue, the first `in_flight` were
    // sent since the last timeout and the first `sent` were sent at all; in_flight <= sent.
    base: u16,
    queue: VecDeque<Outgoing>,
    limit: usize,
    in_flight: usize,
    sent: usize,
    peer_window: u16,
    congestion_window: u16,
    threshold: u16,
    acknowledged: u16,
    finishing: bool,
    tries: u32,
    deadline: Option<Instant>,
    // Receiving.
    nr: u16,
    window: u16,
    held: BTreeMap<u16, Incoming>,
    ready: VecDeque<Incoming>,
    acknowledgement_due: bool,
}

impl Channel {
    /// A channel that has neither sent nor received. `window` is our own receive window,
    /// `limit` bounds the messages that wait to be sent or acknowledged.
    pub fn new(backoff: Backoff, window: u16, limit: usize) -> Self {
        Self {
            backoff,
            base: 0,
            queue: VecDeque::new(),
            limit: limit.max(1),
            in_flight: 0,
            sent: 0,
            peer_window: DEFAULT_WINDOW,
            congestion_window: 1,
            threshold: DEFAULT_WINDOW,
            acknowledged: 0,
            finishing: false,
            tries: 0,
            deadline: None,
            nr: 0,
            window: window.max(1),
            held: BTreeMap::new(),
            ready: VecDeque::new(),
            acknowledgement_due: false,
        }
    }

    /// The peer's Receive Window Size AVP. A window of 0 cannot be meant and counts as 1.
    pub fn set_peer_window(&mut self, window: u16) {
        self.peer_window = window.max(1);
        self.threshold = self.peer_window;
        self.congestion_window = self.congestion_window.min(self.peer_window);
    }

    /// From now on, repeats what is not acknowledged by these rules.
    pub fn set_backoff(&mut self, backoff: Backoff) {
        self.backoff = backoff;
    }

    /// Appends a message. Call [`poll_transmit`](Self::poll_transmit) afterwards.
    ///
    /// # Errors
    /// If `limit` messages are waiting.
    pub fn send(&mut self, session: u16, body: Vec<u8>) -> Result<(), QueueFull> {
        if self.queue.len() >= self.limit {
            return Err(QueueFull);
        }
        self.queue.push_back(Outgoing { session, body });
        Ok(())
    }

    /// Appends the last message there will be, or the last but few: those before that were never
    /// sent are dropped in its favour, and it need not wait for the congestion window (only for
    /// the peer's).
    pub fn send_last(&mut self, session: u16, body: Vec<u8>) {
        if !self.finishing {
            self.queue.truncate(self.sent);
        }
        self.queue.push_back(Outgoing { session, body });
        self.finishing = true;
    }

    /// Takes the numbers and the body of a received message. An empty body is a ZLB.
    ///
    /// The acknowledgement in `nr` counts whatever becomes of the message itself. It is the
    /// second result whether it makes sense.
    pub fn receive(
        &mut self,
        now: Instant,
        ns: u16,
        nr: u16,
        session: u16,
        body: &[u8],
    ) -> (Receipt, bool) {
        let sensible = self.on_acknowledgement(now, nr);
        if body.is_empty() {
            return (Receipt::Acknowledgement, sensible);
        }
        self.acknowledgement_due = true;
        let ahead = ns.wrapping_sub(self.nr);
        let receipt = if ahead >= 0x8000 {
            // RFC 2661 §5.8: the 32,768 numbers below Nr have been received before.
            Receipt::Duplicate
        } else if ahead >= self.window {
            Receipt::OutsideWindow
        } else if ahead == 0 {
            // Not by way of `held`, which takes memory for good once it has been used.
            self.nr = self.nr.wrapping_add(1);
            self.ready.push_back(Incoming {
                session,
                body: body.to_vec(),
            });
            Receipt::InOrder
        } else if let Entry::Vacant(place) = self.held.entry(ns) {
            place.insert(Incoming {
                session,
                body: body.to_vec(),
            });
            Receipt::Held
        } else {
            Receipt::Duplicate
        };
        while let Some(next) = self.held.remove(&self.nr) {
            self.nr = self.nr.wrapping_add(1);
            self.ready.push_back(next);
        }
        (receipt, sensible)
    }

    /// Begins to receive after the message `ns`, which was handled elsewhere.
    pub fn begin_after(&mut self, ns: u16) {
        self.nr = ns.wrapping_add(1);
        self.acknowledgement_due = true;
    }

    /// The next message in order.
    pub fn deliver(&mut self) -> Option<Incoming> {
        self.ready.pop_front()
    }

    fn on_acknowledgement(&mut self, now: Instant, nr: u16) -> bool {
        let count = nr.wrapping_sub(self.base);
        if count >= 0x8000 {
            // An old one, overtaken on the way.
            return true;
        }
        let count_usize = usize::from(count);
        if count_usize > self.sent {
            return false;
        }
        if count == 0 {
            return true;
        }
        self.queue.drain(..count_usize.min(self.queue.len()));
        self.base = nr;
        self.sent = self.sent.saturating_sub(count_usize);
        self.in_flight = self.in_flight.saturating_sub(count_usize);
        (0..count).for_each(|_| self.open_window());
        self.tries = 0;
        self.deadline = (self.in_flight > 0).then(|| self.wait_from(now));
        true
    }

    /// Slow start up to the threshold, congestion avoidance beyond (RFC 2661 appendix A).
    fn open_window(&mut self) {
        if self.congestion_window >= self.threshold {
            self.acknowledged = self.acknowledged.saturating_add(1);
            if self.acknowledged < self.congestion_window {
                return;
            }
        }
        self.acknowledged = 0;
        self.congestion_window = self
            .congestion_window
            .saturating_add(1)
            .min(self.peer_window);
    }

    #[expect(
        clippy::arithmetic_side_effects,
        reason = "the addition of Instant saturates"
    )]
    fn wait_from(&self, now: Instant) -> Instant {
        now + self.backoff.wait(self.tries)
    }

    /// How many messages may be in flight now.
    fn allowed(&self) -> usize {
        let window = if self.finishing {
            self.peer_window
        } else {
            self.congestion_window
        };
        usize::from(window.min(self.peer_window))
    }

    /// The next message to be sent now. It carries the acknowledgement of all that was received.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Segment<'_>> {
        if self.in_flight >= self.allowed() {
            return None;
        }
        let next = self.queue.get(self.in_flight)?;
        let index = u16::try_from(self.in_flight).unwrap_or(u16::MAX);
        let repeated = self.in_flight < self.sent;
        self.in_flight = self.in_flight.saturating_add(1);
        self.sent = self.sent.max(self.in_flight);
        if self.deadline.is_none() {
            self.deadline = Some(self.wait_from(now));
        }
        self.acknowledgement_due = false;
        let ns = self.base.wrapping_add(index);
        Some(Segment {
            session: next.session,
            ns,
            nr: self.nr,
            body: &next.body,
            repeated,
        })
    }

    /// Ns and Nr of a ZLB, if something was received that no sent message has acknowledged since.
    /// To be asked after [`poll_transmit`](Self::poll_transmit) has nothing more, in the same
    /// call that received: acknowledgements are never delayed.
    pub fn poll_acknowledgement(&mut self) -> Option<(u16, u16)> {
        let due = std::mem::take(&mut self.acknowledgement_due);
        let sent = u16::try_from(self.sent).unwrap_or(u16::MAX);
        due.then(|| (self.base.wrapping_add(sent), self.nr))
    }

    /// Sends what is in flight again at once, without counting it as a try: the peer has shown
    /// that it did not get it.
    pub fn repeat(&mut self) {
        self.in_flight = 0;
    }

    /// The peer shows that it lacks our acknowledgement.
    pub fn acknowledge_again(&mut self) {
        self.acknowledgement_due = true;
    }

    /// Drops all that waits to be sent or acknowledged: the peer has no use for it any more.
    pub fn abandon(&mut self) {
        let sent = u16::try_from(self.sent).unwrap_or(u16::MAX);
        self.base = self.base.wrapping_add(sent);
        self.queue.clear();
        self.in_flight = 0;
        self.sent = 0;
        self.deadline = None;
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Begins to send again, one message at first, if the peer has not acknowledged in time.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return;
        }
        self.tries = self.tries.saturating_add(1);
        self.threshold = self.congestion_window.checked_div(2).unwrap_or(1).max(1);
        self.congestion_window = 1;
        self.acknowledged = 0;
        self.in_flight = 0;
        self.deadline = None;
    }

    /// Whether a message was sent again `tries` times and still not acknowledged in time.
    pub fn is_exhausted(&self) -> bool {
        self.tries > self.backoff.tries
    }

    /// Whether nothing waits to be sent or acknowledged.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// Number of the message expected next.
    pub fn nr(&self) -> u16 {
        self.nr
    }
}

#[cfg(test)]
mod tests;

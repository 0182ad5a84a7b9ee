//! One PPP connection.

use std::collections::VecDeque;
use std::sync::Arc;

use wire::{Instant, Rng};

use crate::{AuthenticateId, CloseReason, Config, Output, Timer, Verdict};

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

/// One PPP connection: LCP, authentication and IPCP.
pub struct Link {
    config: Arc<Config>,
    rng: Rng,
    outputs: VecDeque<Output>,
    phase: Phase,
}

impl Link {
    /// A link that has not been opened. Links may share their configuration.
    pub fn new(config: impl Into<Arc<Config>>, rng: Rng) -> Self {
        Self {
            config: config.into(),
            rng,
            outputs: VecDeque::new(),
            phase: Phase::Dead,
        }
    }

    /// Where the link stands.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The layer below is up: negotiation starts.
    pub fn open(&mut self, _now: Instant) {
        let _ = (&self.config, &self.rng);
    }

    /// Takes a PPP frame from the peer, with or without `ff03`, with a one- or two-byte protocol.
    pub fn handle_frame(&mut self, _now: Instant, _bytes: &[u8]) {}

    /// The answer to [`Output::Request`]. An answer to a request that no longer matters is ignored.
    pub fn handle_verdict(&mut self, _now: Instant, _id: AuthenticateId, _verdict: Verdict) {}

    /// Data from the peer was seen on the fast path: it is alive.
    pub fn note_data(&mut self, _now: Instant) {}

    /// Something is due, or not.
    pub fn handle_timeout(&mut self, _now: Instant) {}

    /// Hangs up. [`crate::Event::Down`] follows when the peer has confirmed or two seconds passed.
    pub fn close(&mut self, _now: Instant, _reason: CloseReason) {}

    /// The next thing to do; `None` until something else is handled.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Self::handle_timeout`] is due, and what for.
    pub fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        None
    }
}

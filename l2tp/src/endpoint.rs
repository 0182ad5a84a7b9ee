//! All tunnels and sessions of this host.

use std::collections::VecDeque;

use wire::{Instant, PeerId, Ports, Rng};

use crate::{CloseReason, Config, Counters, Output, SessionId, Timer, TunnelId};

/// All tunnels and sessions of this host.
#[derive(Debug)]
pub struct Endpoint {
    config: Config,
    rng: Rng,
    out: VecDeque<Output>,
    counters: Counters,
}

impl Endpoint {
    /// An endpoint without tunnels.
    pub fn new(config: Config, rng: Rng) -> Self {
        Self { config, rng, out: VecDeque::new(), counters: Counters::default() }
    }

    /// Takes one UDP payload that came out of `peer`'s secured path and whose T bit says control.
    pub fn handle_message(&mut self, now: Instant, peer: PeerId, ports: Ports, bytes: &[u8]) {
        let _ = (now, peer, ports, bytes);
    }

    /// Opens a tunnel and one session in it (client role).
    pub fn open_tunnel(&mut self, now: Instant, peer: PeerId, ports: Ports) -> TunnelId {
        let _ = (now, ports);
        TunnelId { peer, id: 1 }
    }

    /// Ends a tunnel with StopCCN.
    pub fn close_tunnel(&mut self, now: Instant, tunnel: TunnelId, reason: CloseReason) {
        let _ = (now, tunnel, reason);
    }

    /// Ends a session with CDN.
    pub fn close_session(&mut self, now: Instant, session: SessionId, reason: CloseReason) {
        let _ = (now, session, reason);
    }

    /// The peer's secured path is gone: all of it ends without sending.
    pub fn forget_peer(&mut self, now: Instant, peer: PeerId) {
        let _ = (now, peer);
    }

    /// Data came from the peer: it is alive.
    pub fn note_data(&mut self, now: Instant, peer: PeerId) {
        let _ = (now, peer);
    }

    /// Whether the peer has this session.
    pub fn has_session(&self, session: SessionId) -> bool {
        let _ = session;
        false
    }

    /// Does what is due. Spurious calls do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        let _ = now;
    }

    /// The next output; to be called until None after each other call.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When `handle_timeout` is to be called.
    pub fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        None
    }

    /// What was dropped, and how often.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }
}

//! All IKE SAs of a host.

use std::sync::Arc;

use wire::{Instant, Path, Rng, Secret};

use crate::codec::Identity;
use crate::crypto::Group;
use crate::{Answer, ChildId, CloseReason, Config, Keyring, Output, RequestId, SaId, Timer};

/// What the initiator needs to know.
#[derive(Debug, Clone)]
pub struct Initiate {
    /// From here to the peer's port 500. The local address must be the one the peer will see
    /// without NAT, not a wildcard.
    pub ike: Path,
    /// From here to the peer's port 4500: where Main Mode goes on when there is a NAT. The local
    /// port may be any.
    pub natt: Path,
    /// The pre-shared key.
    pub key: Secret,
    /// Our phase 1 identity; the local address if there is none.
    pub identity: Option<Identity>,
    /// Falsify the hash of our own end, so that ESP goes in UDP even without a NAT: for a process
    /// that may not use raw sockets.
    pub force_udp: bool,
    /// Our end of the traffic: the UDP port L2TP is spoken from; 1701 or ephemeral.
    pub l2tp_port: u16,
    /// The group for perfect forward secrecy, if it is wanted.
    pub pfs: Option<Group>,
}

/// What was seen and not worth an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Datagrams handed in.
    pub received: u64,
    /// Datagrams handed out.
    pub sent: u64,
    /// Messages that are not ISAKMP, or whose payloads do not follow their format.
    pub malformed: u64,
    /// Messages with cookies that name no IKE SA here.
    pub unknown_cookies: u64,
    /// Encrypted messages that do not decrypt or whose hash is wrong.
    pub unauthentic: u64,
    /// Messages that came again.
    pub repeated: u64,
    /// Messages that fit no exchange, or not its state.
    pub unexpected: u64,
    /// Half-open IKE SAs that gave way to newer ones.
    pub evicted: u64,
    /// Half-open IKE SAs that were never finished.
    pub half_open_timeouts: u64,
    /// Main Modes begun by others.
    pub main_modes: u64,
    /// Quick Modes begun by others.
    pub quick_modes: u64,
    /// Refusals, reported or not.
    pub refused: u64,
    /// Refusals that were not reported because there were too many.
    pub refused_silently: u64,
}

/// All IKE SAs of a host.
#[derive(Debug)]
pub struct Endpoint {
    config: Config,
}

#[allow(unused_variables, clippy::needless_pass_by_value)]
impl Endpoint {
    /// An endpoint without keys and SAs.
    pub fn new(config: Config, rng: Rng) -> Self {
        Self { config }
    }

    /// Sets the pre-shared keys for Main Modes that others start from now on.
    pub fn set_keys(&mut self, keys: Arc<Keyring>) {}

    /// Takes an ISAKMP message, without the non-ESP marker.
    pub fn handle_datagram(&mut self, now: Instant, path: Path, datagram: &[u8]) {}

    /// Does what is due. Calls without need do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {}

    /// Takes the answer to a request. Answers to requests that no longer matter are ignored.
    pub fn handle_answer(&mut self, now: Instant, request: RequestId, answer: Answer) {}

    /// The next thing to do; to be called until `None` after every other call.
    pub fn poll_output(&mut self) -> Option<Output> {
        None
    }

    /// When [`handle_timeout`](Self::handle_timeout) must be called next, and why.
    pub fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        None
    }

    /// Starts a Main Mode.
    pub fn initiate(&mut self, now: Instant, initiate: Initiate) -> SaId {
        SaId(0)
    }

    /// Starts a Quick Mode under an IKE SA that we started. `None` if there is no such SA.
    pub fn start_child(&mut self, now: Instant, sa: SaId) -> Option<ChildId> {
        None
    }

    /// Starts a Quick Mode that is to replace `child`, because its volume or its sequence numbers
    /// run out. Only for child SAs that we proposed; does nothing while one is under way.
    pub fn rekey_child(&mut self, now: Instant, child: ChildId) {}

    /// The peer's first valid ESP packet has come on `child`: as good as Quick Mode message 3.
    pub fn confirm_child(&mut self, now: Instant, child: ChildId) {}

    /// A valid ESP packet has come lately on `child`: the peer is alive. Calls at intervals of
    /// seconds are enough.
    pub fn note_traffic(&mut self, now: Instant, child: ChildId) {}

    /// Ends a child SA and tells the peer.
    pub fn delete_child(&mut self, now: Instant, child: ChildId) {}

    /// Ends an IKE SA and the child SAs negotiated under it, and tells the peer.
    pub fn close(&mut self, now: Instant, sa: SaId, reason: CloseReason) {}

    /// What was seen and not worth an event.
    pub fn counters(&self) -> Counters {
        Counters::default()
    }
}

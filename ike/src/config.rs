//! What an [`Endpoint`](crate::Endpoint) is told at construction.

use std::net::IpAddr;
use std::time::Duration;

use crate::Policy;

/// Everything that is decided outside: algorithms, NAT behaviour, limits, timers.
#[derive(Debug, Clone)]
pub struct Config {
    /// Which algorithms are taken, in order of preference.
    pub policy: Policy,
    /// Whether clients are made to encapsulate ESP in UDP when there is no NAT.
    pub encapsulation: Encapsulation,
    /// The address under which clients know us, when it is not an address of this host (1:1 NAT).
    pub public_address: Option<IpAddr>,
    /// Whether Main Modes that others start are answered. A pure client says `false`; everything
    /// unknown is then ignored.
    pub respond: bool,
    /// Messages that make larger IP packets than this many bytes leave in fragments, if the peer
    /// says that it can put them together; 0 leaves that to IP.
    pub fragment_size: u16,
    /// Bounds on what unauthenticated peers can make us hold.
    pub limits: Limits,
    /// How long things take.
    pub timing: Timing,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            encapsulation: Encapsulation::Auto,
            public_address: None,
            respond: true,
            fragment_size: 1280,
            limits: Limits::default(),
            timing: Timing::default(),
        }
    }
}

/// When ESP travels inside UDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encapsulation {
    /// Only when there is a NAT between the two hosts: otherwise ESP is protocol 50.
    #[default]
    Auto,
    /// Always: peers that do NAT traversal are told that they are behind a NAT.
    Always,
}

/// Bounds on what unauthenticated peers can make us hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Half-open IKE SAs that one address may have.
    pub half_open_per_source: usize,
    /// Half-open IKE SAs altogether.
    pub half_open_total: usize,
    /// What handshakes that have begun may be work for before new ones have to wait.
    pub backlog: Duration,
    /// First messages that may wait for that.
    pub waiting: usize,
    /// Established IKE SAs altogether; beyond it new Main Modes are not answered.
    pub established_total: usize,
    /// Established IKE SAs of one address, or /64 of IPv6, likewise.
    pub established_per_source: usize,
    /// Pre-shared keys tried on one message 5. Never more than
    /// [`MAX_KEYS_PER_TRIAL`](crate::MAX_KEYS_PER_TRIAL).
    pub keys_per_trial: usize,
    /// Messages 5 that no key decrypts before the half-open SA stops listening.
    pub undecryptable: u8,
    /// Bytes of a message before authentication; longer ones are dropped.
    pub message_size: usize,
    /// Bytes that all messages may hold together of which some fragments have not come.
    pub fragment_bytes: usize,
    /// Such messages that one address may have before it knows a cookie of ours.
    pub fragmented_per_source: usize,
    /// Quick Modes in progress on one IKE SA.
    pub quick_modes_per_sa: usize,
    /// Live child SAs of one IKE SA; the oldest goes when one more comes.
    pub children_per_sa: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            half_open_per_source: 64,
            half_open_total: 4096,
            backlog: Duration::from_secs(1),
            waiting: 4096,
            established_total: 200_000,
            established_per_source: 16_384,
            keys_per_trial: 256,
            undecryptable: 3,
            message_size: 8192,
            fragment_bytes: 4 << 20,
            fragmented_per_source: 8,
            quick_modes_per_sa: 16,
            children_per_sa: 64,
        }
    }
}

/// How long things take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// A Main Mode that is not finished by then is forgotten.
    pub half_open: Duration,
    /// The pauses after each sending of a request of ours; after the last one it has failed.
    pub retransmit: Vec<Duration>,
    /// How long the answer to a request is kept for repetitions of the request.
    pub answer_memory: Duration,
    /// An IKE SA that we did not start and whose peer has no child SA ends after this.
    pub without_child: Duration,
    /// Silence after which a peer that announced Dead Peer Detection is asked, unless what the sessions
    /// inside ask by then is answered within two seconds more; zero never asks.
    pub dpd_idle: Duration,
    /// Pause between two unanswered questions.
    pub dpd_interval: Duration,
    /// Questions before a peer counts as dead.
    pub dpd_tries: u16,
    /// Silence that is forgiven peers that sleep for long ([`Make::dozes`](crate::Make::dozes)).
    pub doze: Duration,
    /// Pause between NAT keepalives (RFC 3948 §4).
    pub keepalive: Duration,
    /// Lifetime we propose for an IKE SA.
    pub ike_lifetime: Duration,
    /// Lifetime we propose for a child SA.
    pub child_lifetime: Duration,
    /// Shortest lifetime we take from a peer.
    pub lifetime_floor: Duration,
    /// Longest lifetime we take from a peer.
    pub lifetime_ceiling: Duration,
    /// How long the initiator keeps an old SA beside its successor.
    pub overlap: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        let s = Duration::from_secs;
        Self {
            half_open: s(30),
            retransmit: vec![s(1), s(2), s(4), s(8), s(8)],
            answer_memory: s(60),
            without_child: s(120),
            dpd_idle: s(30),
            dpd_interval: s(10),
            dpd_tries: 5,
            doze: s(600),
            keepalive: s(20),
            ike_lifetime: s(28_800),
            child_lifetime: s(3_600),
            lifetime_floor: s(300),
            lifetime_ceiling: s(86_400 * 7),
            overlap: s(10),
        }
    }
}

//! What an [`Endpoint`](crate::Endpoint) says: datagrams, events, requests.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use wire::{Instant, Path, Secret};

use crate::codec::{Cookie, Identity};
use crate::{EspSuite, Job, JobResult, KeyName, Make, Refusal};

/// Names one IKE SA, from its first message on. Never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SaId(pub u64);

/// Names one child SA: a pair of ESP SAs. Never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChildId(pub u64);

/// Names one request, so that its answer finds home. Never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

macro_rules! shown_as_number {
    ($($name:ident)+) => { $(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )+ };
}
shown_as_number!(SaId ChildId RequestId);

/// One thing to do, in the order in which it must be done.
#[derive(Debug)]
pub enum Output {
    /// Send a datagram.
    ///
    /// On a [`Carrier::NatT`](wire::Carrier::NatT) path an ISAKMP message needs the non-ESP
    /// marker in front (four zero bytes, RFC 3948 §2.2), and a single byte is a NAT keepalive
    /// and goes without: [`framed`](crate::framed) does both.
    Transmit {
        /// Where to.
        path: Path,
        /// The ISAKMP message, or the one byte of a keepalive.
        bytes: Vec<u8>,
    },
    /// Something happened.
    Event(Event),
    /// Something is needed; [`handle_answer`](crate::Endpoint::handle_answer) brings it back.
    Request(RequestId, Request),
}

/// What the endpoint cannot do or decide by itself.
#[derive(Debug)]
pub enum Request {
    /// A computation too long for the control loop. Run it anywhere, answer with
    /// [`Answer::Computed`].
    Compute(Job),
    /// An inbound SPI for a child SA, chosen by the owner of the SA table. Answer with
    /// [`Answer::Spi`]. An SPI that is not used after all comes back as [`Event::SpiUnused`].
    Spi {
        /// The IKE SA under which the child SA is negotiated.
        sa: SaId,
        /// The child SA it is for.
        child: ChildId,
    },
}

/// The answer to a [`Request`].
#[derive(Debug)]
pub enum Answer {
    /// To [`Request::Compute`].
    Computed(JobResult),
    /// To [`Request::Spi`]; `None` when no more child SAs are wanted.
    Spi(Option<u32>),
    /// To either: it cannot be met. A Main Mode of the peer's goes on when the peer repeats its
    /// message; everything else has failed.
    Unavailable,
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// An IKE SA is authenticated.
    SaUp {
        /// The IKE SA.
        sa: SaId,
        /// What is known about it.
        info: Box<SaInfo>,
    },
    /// The IKE SA `new`, just reported up, continues the logical connection `old`: we rekeyed.
    /// The child SAs of `old` belong to `new` from now on. [`Event::SaDown`] of `old` follows.
    SaRekeyed {
        /// The IKE SA that is about to end.
        old: SaId,
        /// The one that carries on.
        new: SaId,
    },
    /// A child SA exists. Its inbound half must accept packets before the next output is
    /// processed; its outbound half may send when it is confirmed.
    ChildUp {
        /// The IKE SA that negotiated it.
        sa: SaId,
        /// The child SA.
        child: ChildId,
        /// Its keys and properties.
        details: Box<ChildSa>,
    },
    /// The peer uses the child SA: the outbound half may send, and is the newest one.
    ChildConfirmed {
        /// The child SA.
        child: ChildId,
    },
    /// A child SA has ended, or one that [`start_child`](crate::Endpoint::start_child) was to
    /// bring up has failed.
    ChildDown {
        /// The child SA.
        child: ChildId,
        /// Why.
        reason: CloseReason,
    },
    /// An SPI that was given in answer to [`Request::Spi`] is free again.
    SpiUnused(u32),
    /// An IKE SA has ended. Child SAs that were negotiated under it live on unless a
    /// [`Event::ChildDown`] says otherwise. For an IKE SA that we started and that never came up
    /// this is the report of the failure.
    SaDown {
        /// The IKE SA.
        sa: SaId,
        /// Why.
        reason: CloseReason,
    },
    /// The peer says that it remembers no earlier SA with us (RFC 2407 §4.6.3.3).
    InitialContact {
        /// The IKE SA over which it was said.
        sa: SaId,
    },
    /// A fresh authenticated message came over another NAT-T path than before: ESP follows.
    PathChanged {
        /// The IKE SA.
        sa: SaId,
        /// The new path.
        path: Path,
    },
    /// The peer does not answer Dead Peer Detection. The events that end its SAs follow.
    DeadPeer {
        /// The IKE SA.
        sa: SaId,
    },
    /// None of our keys fits a Main Mode of somebody who gets our answers: message 5 does not
    /// decrypt. Comes each time, where [`Event::Refused`] keeps silent about repetitions.
    WrongKey {
        /// Where message 5 came from, with the address that is proven: [`SaInfo::proven`].
        path: Path,
    },
    /// A peer was turned away, and why: to be logged for the administrator. Nothing changes by it.
    Refused {
        /// Where the peer was.
        path: Path,
        /// The IKE SA, if it was about one that is established.
        sa: Option<SaId>,
        /// What is known of the peer's make.
        make: Make,
        /// Whether the peer gets our answers: message 3 of its Main Mode has come. If not, its
        /// address may be forged.
        proven: bool,
        /// Why.
        refusal: Refusal,
    },
}

/// What is known about an established IKE SA, for logs and status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaInfo {
    /// Whether we started it.
    pub initiator: bool,
    /// Where its last fresh message came from.
    pub path: Path,
    /// The peer's address when it began: that one is proven, because the cookie that we sent there
    /// came back. Whoever has the keys may write any address on later messages.
    pub proven: IpAddr,
    /// Our cookie and the peer's, the initiator's first: the name of the SA on the wire.
    pub cookies: (Cookie, Cookie),
    /// The peer's phase 1 identity.
    pub peer_identity: Identity,
    /// Encryption, hash and group in words: `aes256-sha1-ecp384`.
    pub suite: String,
    /// Seconds the peer and we agreed on.
    pub lifetime: Duration,
    /// Who is behind a NAT.
    pub nat: Nat,
    /// Which NAT traversal specification is used, in words, if any: `RFC 3947`.
    pub nat_traversal: Option<&'static str>,
    /// The pre-shared key that fitted.
    pub key: KeyName,
    /// The peer's make.
    pub make: Make,
    /// Whether the peer announced Dead Peer Detection.
    pub dpd: bool,
    /// When its first message came or left.
    pub started: Instant,
    /// When it was authenticated.
    pub established: Instant,
}

/// Who is behind a NAT, as far as the NAT-D payloads say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Nat {
    /// The peer's address or port is changed on the way.
    pub peer: bool,
    /// Ours is.
    pub here: bool,
    /// UDP encapsulation was forced although there may be no NAT.
    pub forced: bool,
}

impl Nat {
    /// Whether ESP is to travel inside UDP.
    pub const fn any(self) -> bool {
        self.peer || self.here || self.forced
    }
}

/// One direction of a child SA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EspSa {
    /// The SPI; at least 256.
    pub spi: u32,
    /// The encryption key. For AES-GCM the four bytes of salt follow it (RFC 4106 §8.1).
    pub encryption: Secret,
    /// The integrity key; empty for AES-GCM.
    pub integrity: Secret,
}

/// A child SA: two ESP SAs in transport mode, and what both sides agreed about them.
#[derive(Debug, Clone)]
pub struct ChildSa {
    /// Packets from the peer. We chose its SPI.
    pub inbound: EspSa,
    /// Packets to the peer.
    pub outbound: EspSa,
    /// The algorithms.
    pub suite: EspSuite,
    /// How ESP travels.
    pub mode: EspMode,
    /// Where ESP goes at first. `carrier` is `NatT` for [`EspMode::Udp`], else `Raw`.
    pub path: Path,
    /// Whether we proposed it.
    pub initiator: bool,
    /// The child SA that it is to replace, when we rekey. The old one ends after a short overlap.
    pub replaces: Option<ChildId>,
    /// Agreed lifetime. The end comes as [`Event::ChildDown`], later than the peer's by a margin.
    pub lifetime: Duration,
    /// Agreed volume, in units of 1,024 bytes. The owner counts: the initiator calls
    /// [`rekey_child`](crate::Endpoint::rekey_child) before it is reached, the responder
    /// [`delete_child`](crate::Endpoint::delete_child) when it is exceeded by a quarter.
    pub kilobytes: Option<u64>,
    /// Whether a Diffie-Hellman exchange of its own was made (PFS), and in which group, in words.
    pub pfs: Option<&'static str>,
    /// The initiator's traffic: address and UDP port, port 0 for any.
    pub initiator_traffic: Traffic,
    /// The responder's traffic.
    pub responder_traffic: Traffic,
    /// What the peer says are the original addresses: the initiator's and the responder's
    /// (RFC 3947 §5.2). With a NAT, UDP checksums inside ESP are over these.
    pub nat_oa: Option<(IpAddr, IpAddr)>,
}

/// How ESP travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EspMode {
    /// In UDP, on the path of the IKE messages (RFC 3948).
    Udp,
    /// As IP protocol 50.
    Raw,
}

/// One end of what a child SA carries: a Quick Mode identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traffic {
    /// The host; `None` when the peer named itself otherwise than by address.
    pub address: Option<IpAddr>,
    /// 17 for UDP, 0 for any.
    pub protocol: u8,
    /// The UDP port, 0 for any.
    pub port: u16,
}

/// Why an IKE SA or a child SA ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// We wanted it.
    #[error("closed by request")]
    Requested,
    /// The peer deleted it.
    #[error("deleted by the peer")]
    PeerDeleted,
    /// Its lifetime is over.
    #[error("its lifetime is over")]
    Expired,
    /// A successor has taken its place.
    #[error("replaced by its successor")]
    Rekeyed,
    /// Dead Peer Detection had no answer.
    #[error("the peer does not answer dead peer detection")]
    DeadPeer,
    /// An IKE SA whose peer made no child SA.
    #[error("no child SA was made under it")]
    NoChild,
    /// The peer never used the child SA we agreed on.
    #[error("the peer never confirmed it")]
    Unconfirmed,
    /// A request of ours was not answered, with what the peer may have said instead. The hint is
    /// not authenticated.
    #[error("no answer to {request}{}", hint.as_deref().map(|h| format!(" ({h})")).unwrap_or_default())]
    NoAnswer {
        /// Which message.
        request: &'static str,
        /// An unauthenticated notification that came meanwhile, in words.
        hint: Option<String>,
    },
    /// The exchange failed: the peer's answer was not acceptable, or the peer refused.
    #[error("{0}")]
    Failed(Refusal),
    /// No SPI, no place, or nobody to compute.
    #[error("no room for one more")]
    NoRoom,
}

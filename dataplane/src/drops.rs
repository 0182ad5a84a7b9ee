//! Why packets are dropped, and how many.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! reasons {
    ($($(#[$doc:meta])+ $name:ident = $sentence:literal,)+) => {
        /// Why the data plane dropped a packet. Each has a counter; nothing is logged per packet.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum DropReason {
            $($(#[$doc])+ $name,)+
        }

        impl DropReason {
            /// Every reason, in the order of a packet's way in, then out.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// A sentence for an operator.
            pub const fn sentence(self) -> &'static str {
                match self {
                    $(Self::$name => $sentence,)+
                }
            }
        }
    };
}

reasons! {
    /// No SPI and sequence number in it, or not a length of the association's suite.
    BadEspLength = "an ESP packet was too short or its length does not fit the cipher",
    /// We have no such association (any more).
    UnknownSpi = "an ESP packet named a security association that does not exist",
    /// RFC 4303 §3.4.3: the sequence number was seen before.
    Replayed = "an ESP packet came a second time",
    /// RFC 4303 §3.4.3: left of the window.
    OutsideWindow = "an ESP packet came so late that the replay window had moved past it",
    /// Forged, damaged, or a wrong key.
    BadIntegrity = "an ESP packet failed its integrity check",
    /// Authentic, but not padded 1, 2, 3 …
    BadPadding = "an authentic ESP packet had malformed padding",
    /// Next header 59: the peer hides its traffic pattern (RFC 4303 §2.6).
    Dummy = "an ESP packet was a dummy",
    /// Next header is not 17; in transport mode for L2TP nothing else may come.
    NotUdp = "an ESP packet carried something else than UDP",
    /// The inner UDP length does not fit.
    BadUdp = "a UDP header inside ESP was malformed",
    /// The inner UDP packet is for another port than L2TP's.
    WrongPort = "a UDP packet inside ESP was not for the L2TP port",
    /// Version other than 2, or lengths that do not fit.
    BadL2tp = "an L2TP data header was malformed",
    /// The ids are not those of a session of the peer under whose association the packet came.
    PeerMismatch = "an L2TP data packet named a session that is not its peer's",
    /// No protocol field, or an even one (RFC 1661 §2).
    BadPpp = "a PPP frame was malformed",
    /// An IP packet before the network protocol is open, or after it closed.
    NetworkDown = "an IP packet came or went while its session has no address",
    /// Not an IP packet, or its lengths do not fit.
    BadIp = "an IP packet was malformed",
    /// The source is not the address the client was given.
    SpoofedSource = "an IP packet from a client had a source address that is not the client's",
    /// Client to client while that is forbidden.
    ClientIsolation = "a client sent to another client while clients are isolated",
    /// DHCP messages of one session faster than the control plane takes them.
    DhcpTooOften = "a session sent DHCP messages faster than they are looked at",
    /// A super-packet whose header does not fit it.
    BadOffload = "the host handed over a packet with an offload header that does not fit it",
    /// No session for the destination, or one without this version of IP.
    NoSession = "an IP packet was for an address that no session has",
    /// Longer than the session's MTU; the sender was told.
    TooBig = "an IP packet was too long for its session and may not be fragmented",
    /// The peer or session is gone.
    UnknownPeer = "a control message was for a peer or session that is gone",
    /// The peer has no outbound association.
    NoOutboundSa = "a packet was for a peer without an outbound security association",
    /// RFC 4303 §3.3.3: the association's last number is used.
    SequenceExhausted = "an outbound security association has used up its sequence numbers",
    /// The buffer leaves no room for the headers or the trailer.
    NoRoom = "a packet left no room in its buffer for headers and trailer",
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

/// One counter per reason.
pub(crate) struct Drops(Box<[AtomicU64]>);

impl Drops {
    pub(crate) fn new() -> Self {
        Self(DropReason::ALL.iter().map(|_| AtomicU64::new(0)).collect())
    }

    pub(crate) fn count(&self, reason: DropReason) {
        self.count_all(reason, 1);
    }

    /// Counts packets that are dropped for the same reason.
    pub(crate) fn count_all(&self, reason: DropReason, packets: usize) {
        if let Some(counter) = self.0.get(reason as usize) {
            counter.fetch_add(packets as u64, Ordering::Relaxed);
        }
    }

    pub(crate) fn of(&self, reason: DropReason) -> u64 {
        self.0
            .get(reason as usize)
            .map_or(0, |counter| counter.load(Ordering::Relaxed))
    }
}

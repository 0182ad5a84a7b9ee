//! What the control plane can change.

use std::net::IpAddr;

use esp::{KeyError, Keys, Suite};
use wire::{Carrier, Path, PeerId};

use crate::session::{AddSession, Network, SessionId};

/// One change. They are applied in the order given, each as a whole: a packet sees the tables
/// before or after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update {
    /// A new peer, before its first association.
    AddPeer {
        /// Its name.
        peer: PeerId,
        /// Where its packets go.
        path: Path,
        /// Our UDP port for L2TP inside its ESP.
        port: u16,
    },
    /// The peer's packets go elsewhere from now on.
    MovePeer {
        /// Which peer.
        peer: PeerId,
        /// Where its packets go.
        path: Path,
    },
    /// The provisional peer `from` has turned out to be the older peer `into`: its associations
    /// and its path become those of `into`, and `from` is gone. `from` must have no session.
    JoinPeer {
        /// The provisional one.
        from: PeerId,
        /// The one that stays.
        into: PeerId,
    },
    /// The peer is gone, with all its associations and sessions.
    RemovePeer {
        /// Which peer.
        peer: PeerId,
    },
    /// Packets with this SPI are the peer's.
    InstallInbound {
        /// Our number, from [`crate::SpiAllocator`].
        spi: u32,
        /// Whose it is.
        peer: PeerId,
        /// How its packets are sealed.
        suite: Suite,
        /// With which keys.
        keys: Keys,
        /// [`Carrier::NatT`] if UDP encapsulation was negotiated, else [`Carrier::Raw`]. Packets
        /// of the other kind are taken too, but only packets of the first kind on associations of
        /// the first kind can move the peer.
        carrier: Carrier,
    },
    /// The peer's packets are sealed with this from now on. Those before it stay behind it: they
    /// come back when this one is removed first.
    ActivateOutbound {
        /// Which peer.
        peer: PeerId,
        /// The peer's number.
        spi: u32,
        /// How packets are sealed.
        suite: Suite,
        /// With which keys.
        keys: Keys,
    },
    /// Packets with this SPI may have check values of SHA-256 cut to 96 bits instead of 128: the
    /// first authentic one decides, for good. Nothing changes with other hashes.
    DetectTruncation {
        /// Our number.
        spi: u32,
    },
    /// An outbound association uses what was found on the inbound one of its pair.
    FollowTruncation {
        /// Whose it is.
        peer: PeerId,
        /// The peer's number.
        spi: u32,
        /// Our number of the pair.
        inbound: u32,
    },
    /// Packets with this SPI are nobody's.
    RemoveInbound {
        /// Our number.
        spi: u32,
    },
    /// No more packets are sealed with this.
    RemoveOutbound {
        /// Whose it is.
        peer: PeerId,
        /// The peer's number.
        spi: u32,
    },
    /// A new session; PPP control frames pass, IP packets do not.
    AddSession(AddSession),
    /// From now on IP packets pass (`Some`), or no longer do (`None`).
    SetNetwork {
        /// Which session.
        session: SessionId,
        /// On what terms.
        network: Option<Network>,
    },
    /// The session is gone.
    RemoveSession {
        /// Which session.
        session: SessionId,
    },
}

/// Why a change could not be made. Nothing has changed then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UpdateError {
    /// There is no such peer.
    #[error("there is no peer {0}")]
    UnknownPeer(PeerId),
    /// There is such a peer already.
    #[error("there is a peer {0} already")]
    PeerExists(PeerId),
    /// The provisional peer has sessions of its own.
    #[error("peer {0} has sessions and cannot join another")]
    PeerHasSessions(PeerId),
    /// There is room for no more peers.
    #[error("there is no room for another peer")]
    Full,
    /// There is no association with this number.
    #[error("there is no security association {0:#010x}")]
    UnknownSpi(u32),
    /// The number, or its slot, is taken.
    #[error("the number {0:#010x}, or its slot, is taken by another security association")]
    SpiTaken(u32),
    /// The keys do not fit the suite.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// There is no such session.
    #[error("there is no session {0}")]
    UnknownSession(SessionId),
    /// There is such a session already.
    #[error("there is a session {0} already")]
    SessionExists(SessionId),
    /// Another session of the peer has the same tunnel and session id.
    #[error("tunnel id {0:#06x} with session id {1:#06x} are those of another session of the peer")]
    IdsTaken(u16, u16),
    /// Another session has the address.
    #[error("address {0} belongs to another session")]
    AddressTaken(IpAddr),
    /// Another session is the way to the world.
    #[error("another session carries all other traffic already")]
    DefaultTaken,
}

//! Peers: one secured path each, with everything that hangs on it.
//!
//! A peer is not an address. What ties packets to it is the SA under which they came: SPI → SA →
//! peer → tunnel → session. Any number of clients behind one NAT, with equal inner addresses and
//! ports, are so many peers.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use wire::{Few, Instant, Path, PeerId};

use crate::dial::Dialled;
use crate::failing::Attempt;
use crate::status::PeerStatus;
use crate::{Reason, SessionId};

/// One secured path.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) id: PeerId,
    /// What the newest IKE SA says; `None` while we dial and none is up.
    pub(crate) info: Option<ike::SaInfo>,
    /// Its IKE SAs, those included that are still being made when we dial.
    pub(crate) sas: Few<ike::SaId>,
    // Boxed: a node of the map has room for eleven.
    pub(crate) children: BTreeMap<ike::ChildId, Box<Child>>,
    /// Where ESP goes; `None` before the first child SA, when the data plane does not know the
    /// peer yet.
    pub(crate) path: Option<Path>,
    pub(crate) tunnels: Few<l2tp::TunnelId>,
    pub(crate) sessions: Few<SessionId>,
    /// What its L2TP says of itself.
    pub(crate) introduced: l2tp::PeerInfo,
    /// How far it has come, and what has been said about it.
    pub(crate) attempt: Attempt,
    /// We dialled it, with this in hand; `None` for peers that dialled us.
    pub(crate) dialled: Option<Box<Dialled>>,
    /// It has been found elsewhere than where it began.
    pub(crate) moved: bool,
    /// When INITIAL-CONTACT came from its endpoint; nothing has been heard from it since.
    pub(crate) doubtful: Option<Instant>,
    /// The younger peer that last turned out to be this one.
    pub(crate) absorbed: Option<PeerId>,
    /// Why its last session ended.
    pub(crate) last_reason: Option<Reason>,
    /// Algorithms of its newest child SA, in words.
    pub(crate) phase2: String,
    /// The ESP suite of its newest child SA.
    pub(crate) suite: Option<esp::Suite>,
}

/// A child SA, as far as the engine has to remember it.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) inbound: u32,
    pub(crate) outbound: u32,
    /// Agreed volume, in units of 1,024 bytes.
    pub(crate) kilobytes: Option<u64>,
    /// Whether we proposed it.
    pub(crate) initiator: bool,
    /// The question how much it has carried is under way, or was answered with too much.
    pub(crate) measuring: bool,
    pub(crate) half: OutboundHalf,
}

impl Child {
    /// Whether the peer has confirmed it, and it is in use.
    pub(crate) const fn is_active(&self) -> bool {
        matches!(self.half, OutboundHalf::Active)
    }
}

/// Where the outbound half of a child SA is.
#[derive(Debug)]
pub(crate) enum OutboundHalf {
    /// Here, until the peer has confirmed the child SA.
    Unconfirmed(Box<ike::ChildSa>),
    /// In the data plane.
    Active,
    /// Nowhere any more: the peer has given its number to a newer child SA.
    Retired,
}

impl Peer {
    pub(crate) fn new(id: PeerId) -> Self {
        Self {
            id,
            info: None,
            sas: Few::default(),
            children: BTreeMap::new(),
            path: None,
            tunnels: Few::default(),
            sessions: Few::default(),
            introduced: l2tp::PeerInfo::default(),
            attempt: Attempt::default(),
            dialled: None,
            doubtful: None,
            absorbed: None,
            moved: false,
            last_reason: None,
            phase2: String::new(),
            suite: None,
        }
    }

    /// Its make, as far as it is known.
    pub(crate) fn make(&self) -> ike::Make {
        let said = self.info.as_ref().map(|info| info.make).unwrap_or_default();
        crate::recognise(said, &self.introduced)
    }

    /// Where the peer is: the path of its ESP, or of its IKE before there is any.
    pub(crate) fn outer_path(&self) -> Option<Path> {
        self.path
            .or_else(|| self.info.as_ref().map(|info| info.path))
            .or_else(|| self.dialled.as_ref().map(|dialled| dialled.path()))
    }

    /// The same for whoever counts failures, with the address that is proven: a peer with a key of
    /// ours can send packets under any other.
    pub(crate) fn proven_outer(&self) -> Option<SocketAddr> {
        let mut outer = self.outer_path()?.remote;
        if let Some(info) = &self.info {
            outer.set_ip(info.proven);
        }
        Some(outer)
    }

    /// Whether it is a client that sleeps for minutes without answering anything.
    pub(crate) fn dozes(&self) -> bool {
        let make = self.info.as_ref().map(|info| info.make);
        self.dialled.is_none() && make.is_some_and(ike::Make::dozes)
    }

    /// Whether nothing of L2TP has happened yet under its SAs: such a peer may turn out to be
    /// the continuation of an older one.
    pub(crate) fn is_provisional(&self) -> bool {
        self.dialled.is_none() && self.tunnels.is_empty()
    }

    pub(crate) fn status(&self) -> Option<PeerStatus> {
        Some(PeerStatus {
            peer: self.id,
            path: self.outer_path()?,
            identity: self
                .info
                .as_ref()
                .map_or_else(String::new, |info| info.peer_identity.to_string()),
            make: self.make(),
            ike_sas: self.sas.len(),
            child_sas: self.children.len(),
            tunnels: self.tunnels.len(),
            sessions: self.sessions.len(),
        })
    }
}

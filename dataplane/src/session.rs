//! Sessions: what an L2TP data packet belongs to.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};

use arc_swap::ArcSwapOption;
use wire::{PeerId, Ports};

use crate::allowance::Allowance;
use crate::net::ip::Header;
use crate::peer::Peer;
use crate::traffic::{Meter, Traffic};

/// Names one session. Given by the control plane, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

impl std::fmt::Display for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A session as L2TP establishes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddSession {
    /// Its name.
    pub session: SessionId,
    /// Whose it is.
    pub peer: PeerId,
    /// UDP ports of its data packets.
    pub ports: Ports,
    /// The tunnel id that we gave: packets towards us carry it.
    pub local_tunnel: u16,
    /// The session id that we gave.
    pub local_session: u16,
    /// The tunnel id that the peer gave: packets towards it carry it.
    pub remote_tunnel: u16,
    /// The session id that the peer gave.
    pub remote_session: u16,
    /// Whether data packets we send carry sequence numbers: the peer required it
    /// (RFC 2661 §5.4). Those that come may always have them; they are not used.
    pub sequencing: bool,
    /// Whether data packets we send carry the length field (RFC 2661 §3.1). Those that come may
    /// always have it.
    pub length: bool,
}

/// What IPCP (and LCP before it) establishes: from here on IP packets may pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Who may be at the other end.
    pub remote: Remote,
    /// Our inner address: DHCP messages for it are for us, like those for everybody.
    pub gateway: Option<IpAddr>,
    /// The longest IP packet that we send, in bytes: the peer's MRU, or less where the outer path
    /// takes less.
    pub mtu: u16,
    /// The longest IP packet that the peer may send, in bytes: our MRU. Like `mtu` it limits the
    /// segments that TCP connections through the session agree on.
    pub mru: u16,
    /// The peer takes frames without address and control field (RFC 1661 §6.6).
    pub acfc: bool,
    /// The peer takes a protocol field of one byte (RFC 1661 §6.5).
    pub pfc: bool,
    /// IPV6CP is open as well: before that no IPv6 packet may pass (RFC 5072 §2). Those that come
    /// go up, for the link to reject their protocol; those that are to leave have no session.
    pub ipv6: bool,
    /// Which DHCP messages go up instead of to the TUN; `None`: none do.
    pub dhcp: Option<Dhcp>,
}

impl Network {
    /// Whether packets of this version of IP may leave.
    pub(crate) fn carries(&self, header: &Header) -> bool {
        self.ipv6 || header.source.is_ipv4()
    }
}

/// Our part in DHCP on a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dhcp {
    /// Requests come from the peer, to port 67.
    Server,
    /// Answers come from the peer, to port 68.
    Client,
}

impl Dhcp {
    /// The UDP ports of what comes in (RFC 2131 §4.1): source, destination.
    pub const fn ports(self) -> (u16, u16) {
        match self {
            Self::Server => (68, 67),
            Self::Client => (67, 68),
        }
    }
}

/// Which addresses are at the other end of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remote {
    /// This one: packets for it go there, and packets from there must come from it.
    Address(IpAddr),
    /// All: the other end is our way to the world (client role). There can be one such session.
    Any,
    /// All, and no packet goes there because of its destination: only what names the session
    /// ([`crate::DataPlane::seal_ip`]) does (client role). There can be any number of such sessions.
    Unrouted,
}

/// What has passed through a session: IP packets only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SessionUsage {
    /// From the peer.
    pub received: Traffic,
    /// To the peer.
    pub sent: Traffic,
}

pub(crate) struct Session {
    pub(crate) link: AddSession,
    pub(crate) peer: Arc<Peer>,
    pub(crate) network: ArcSwapOption<Network>,
    /// The next Ns, if the peer wants them.
    pub(crate) next_ns: AtomicU16,
    /// Data has come since the control plane asked last.
    heard: AtomicBool,
    pub(crate) received: Meter,
    pub(crate) sent: Meter,
    /// DHCP that goes up.
    pub(crate) dhcp: Allowance,
}

impl Session {
    pub(crate) fn new(link: AddSession, peer: Arc<Peer>) -> Self {
        Self {
            link,
            peer,
            network: ArcSwapOption::empty(),
            next_ns: AtomicU16::new(0),
            heard: AtomicBool::new(false),
            received: Meter::default(),
            sent: Meter::default(),
            dhcp: Allowance::default(),
        }
    }

    /// A frame has come out of one of its data messages.
    pub(crate) fn on_heard(&self) {
        // Mostly it is set already, and a look is cheaper than a store.
        if !self.heard.load(Ordering::Relaxed) {
            self.heard.store(true, Ordering::Release);
        }
    }

    /// Whether data has come since the last time.
    pub(crate) fn take_heard(&self) -> bool {
        self.heard.swap(false, Ordering::AcqRel)
    }

    pub(crate) fn usage(&self) -> SessionUsage {
        SessionUsage {
            received: self.received.read(),
            sent: self.sent.read(),
        }
    }
}

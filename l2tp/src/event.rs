//! What an endpoint says.

use std::fmt;

use wire::{PeerId, Ports};

use crate::codec::{FramingCapabilities, FramingType};
use crate::{CloseReason, Refusal, Role, SessionId, TunnelId};

/// One item of the ordered output queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send a control message.
    Transmit(Transmit),
    /// Something happened.
    Event(Event),
}

/// A control message to be sent inside a peer's secured path.
#[derive(Clone, PartialEq, Eq)]
pub struct Transmit {
    /// Whose path.
    pub peer: PeerId,
    /// The UDP ports to use.
    pub ports: Ports,
    /// The UDP payload.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Transmit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Transmit(peer {}, {:?}, {} bytes)",
            self.peer,
            self.ports,
            self.bytes.len()
        )
    }
}

/// What happened.
///
/// Each `TunnelUp` and each `SessionUp` is followed by exactly one `TunnelDown` and `SessionDown`,
/// the sessions' before the tunnel's. A tunnel made by
/// [`open_tunnel`](crate::Endpoint::open_tunnel) and its session end with these events even when
/// they never came up. What a peer began and did not finish ends with `Refused` instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A tunnel is established.
    TunnelUp(TunnelUp),
    /// A session is established: PPP may begin.
    SessionUp(SessionUp),
    /// A session has ended.
    SessionDown {
        /// Which.
        session: SessionId,
        /// Why.
        reason: CloseReason,
    },
    /// A tunnel has ended; nothing more is said about it. Acknowledgements may still be sent
    /// for it, and the StopCCN that ends it may still be repeated.
    TunnelDown {
        /// Which.
        tunnel: TunnelId,
        /// Why.
        reason: CloseReason,
    },
    /// Something a peer asked for was refused, or a peer did not finish what it began.
    Refused {
        /// Who.
        peer: PeerId,
        /// The UDP ports it used.
        ports: Ports,
        /// Why; displays as a sentence for the operator.
        refusal: Refusal,
    },
}

/// Particulars of an established tunnel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TunnelUp {
    /// The tunnel; holds the peer and the id that we assigned.
    pub tunnel: TunnelId,
    /// The id that the peer assigned.
    pub remote_id: u16,
    /// The UDP ports.
    pub ports: Ports,
    /// Who opened it.
    pub role: Role,
    /// What the peer says of itself.
    pub info: PeerInfo,
}

/// What a peer says of itself in SCCRQ or SCCRP. The texts are cleaned of control and
/// formatting characters and cut to 64 characters; they are claims, not identities.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PeerInfo {
    /// Host Name AVP; may be empty.
    pub host_name: String,
    /// Vendor Name AVP.
    pub vendor_name: String,
    /// Firmware Revision AVP.
    pub firmware_revision: Option<u16>,
    /// Framing Capabilities AVP.
    pub framing: Option<FramingCapabilities>,
    /// How many messages we may have in flight towards it.
    pub receive_window: u16,
    /// Whether it proved that it knows the tunnel secret.
    pub authenticated: bool,
}

/// Particulars of an established session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionUp {
    /// The session; holds the peer and the ids that we assigned.
    pub session: SessionId,
    /// The tunnel id that the peer assigned: to be put in the data header.
    pub remote_tunnel: u16,
    /// The session id that the peer assigned: to be put in the data header.
    pub remote_session: u16,
    /// The UDP ports.
    pub ports: Ports,
    /// Who opened it.
    pub role: Role,
    /// The peer sent Sequencing Required (RFC 2661 §4.4.4): data messages to it must carry
    /// sequence numbers.
    pub sequencing: bool,
    /// Data messages we send are to carry the Length field: a habit of the client role.
    pub length: bool,
    /// Call Serial Number AVP.
    pub serial: Option<u32>,
    /// Tx Connect Speed AVP of ICCN in bit/s. Cisco IOS leaves it out.
    pub tx_speed: Option<u32>,
    /// Rx Connect Speed AVP of ICCN in bit/s.
    pub rx_speed: Option<u32>,
    /// Framing Type AVP of ICCN.
    pub framing: Option<FramingType>,
}

/// Why the endpoint wants to be called again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// Anything about the tunnels: they share one ordered set of deadlines.
    Tunnel,
}

//! What a link tells its owner, and what it asks of it.

use std::fmt;
use std::net::Ipv4Addr;

use crate::{CloseReason, Exchange, Method, NetworkConfig, UserName, mschapv2};

/// One item of a link's output queue. The order matters: a network is announced before the packet
/// leaves that lets the peer use it.
#[derive(Clone, PartialEq, Eq)]
pub enum Output {
    /// A PPP frame to send to the peer, from the address field or, where that was agreed to be
    /// left out, from the protocol field on.
    Transmit(Vec<u8>),
    /// Something happened.
    Event(Event),
    /// Somebody must check credentials and answer with [`crate::Link::handle_verdict`].
    Request(Authenticate),
}

/// Shows the length of a frame only: one of PAP holds a password.
impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transmit(frame) => write!(f, "Transmit({} bytes)", frame.len()),
            Self::Event(event) => write!(f, "{event:?}"),
            Self::Request(request) => write!(f, "{request:?}"),
        }
    }
}

/// Something that happened to the link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// LCP is open.
    LcpUp(LcpUp),
    /// The peer has shown who it is (server), or the server has accepted us (client).
    Authenticated {
        /// Who.
        user: UserName,
        /// How.
        method: Method,
    },
    /// IP packets may flow.
    NetworkUp(NetworkUp),
    /// IP packets may flow no more. [`Event::NetworkUp`] may follow again if the peer negotiates
    /// anew; it is authenticated anew before that.
    NetworkDown,
    /// The link has ended. Nothing follows.
    Down {
        /// Why.
        reason: CloseReason,
    },
}

/// What LCP agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LcpUp {
    /// Our MRU: the longest information field the peer may send us, in bytes.
    pub local_mru: u16,
    /// The peer's MRU: the longest information field we may send, in bytes.
    pub peer_mru: u16,
    /// The peer accepts one-byte protocol fields (PFC).
    pub pfc: bool,
    /// The peer accepts frames without address and control field (ACFC).
    pub acfc: bool,
    /// How the client is to authenticate itself.
    pub method: Option<Method>,
}

/// What IPCP agreed on, together with what the data plane needs from LCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetworkUp {
    /// Our address.
    pub local: Ipv4Addr,
    /// The peer's address; 0.0.0.0 for a server that does not tell its own.
    pub peer: Ipv4Addr,
    /// Primary and secondary DNS server: those we gave (server) or were given (client).
    pub dns: [Option<Ipv4Addr>; 2],
    /// Primary and secondary NetBIOS name server, likewise.
    pub wins: [Option<Ipv4Addr>; 2],
    /// Our MRU: the longest IP packet the peer may send us, in bytes.
    pub local_mru: u16,
    /// The peer's MRU: the longest IP packet we may send, in bytes.
    pub peer_mru: u16,
    /// The peer accepts the one-byte protocol field 21.
    pub pfc: bool,
    /// The peer accepts frames without `ff03`.
    pub acfc: bool,
}

/// Names one request for a verdict within its link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuthenticateId(pub u32);

/// Credentials to be checked. A peer that repeats itself causes one request only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticate {
    /// To be given back with the verdict.
    pub id: AuthenticateId,
    /// Who the peer says it is.
    pub user: UserName,
    /// How it shows it.
    pub method: Method,
    /// What it showed.
    pub exchange: Exchange,
}

/// The answer to [`Authenticate`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The peer is who it says.
    Accept {
        /// Our own proof for MS-CHAPv2, without which the client hangs up; `None` for the other
        /// methods.
        authenticator_response: Option<mschapv2::AuthenticatorResponse>,
        /// The addresses of the session.
        network: NetworkConfig,
    },
    /// The peer is not let in.
    Reject {
        /// The number the client shows to its user: 691 wrong name or password, 646 wrong hour,
        /// 647 disabled, 648 expired, 649 no dial-in permission (RFC 2759 §6).
        code: u32,
        /// A text for the client's user.
        message: String,
    },
}

/// What a timeout is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// Begin with LCP.
    Start,
    /// Repeat the request of a protocol beside IPCP.
    Companion,
    /// Repeat an LCP request.
    LcpRestart,
    /// Repeat a step of authentication.
    Authentication,
    /// Repeat an IPCP request.
    IpcpRestart,
    /// Give up a link that has not reached the network phase in time.
    NetworkDeadline,
    /// See whether a silent peer is there.
    Echo,
}

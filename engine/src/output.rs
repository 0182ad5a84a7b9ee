//! What the engine says to the world around it.

use std::sync::Arc;

use wire::{Path, PeerId, Ports};

use crate::status::SessionInfo;
use crate::{Cause, Failure, Reason, SessionId, Slowed, Terms};

/// One thing the engine wants done or known. They leave in the order in which they must happen:
/// an inbound SA is installed before the message that lets the peer use it, and what is sealed
/// with an SA precedes the removal of that SA.
#[derive(Debug)]
pub enum Output {
    /// Send an ISAKMP message, or on [`wire::Carrier::NatT`] a NAT keep-alive of one byte 0xff.
    /// The non-ESP marker is not in the bytes.
    Transmit {
        /// From where to where.
        path: Path,
        /// The message.
        bytes: Vec<u8>,
    },
    /// Seal an L2TP control message with the peer's newest outbound SA and send it.
    SealControl {
        /// Whose SA.
        peer: PeerId,
        /// The UDP ports inside.
        ports: Ports,
        /// The L2TP message.
        bytes: Vec<u8>,
    },
    /// Wrap a PPP control frame for a session, seal and send it.
    SealPpp {
        /// Which session.
        session: SessionId,
        /// From the protocol field (or address and control) on.
        frame: Vec<u8>,
    },
    /// Seal an IP packet of our own and send it through a session.
    SealIp {
        /// Which session.
        session: SessionId,
        /// The packet.
        packet: Vec<u8>,
    },
    /// Change the tables of the data plane.
    DataPlane(dataplane::Update),
    /// Hand an L2TP message that came up as a stray back to the data plane, now that its peer and
    /// its session are known; if they are not, it is dropped there
    /// ([`dataplane::DataPlane::deliver`]).
    Deliver {
        /// The peer it belongs to.
        peer: PeerId,
        /// The UDP ports inside.
        ports: Ports,
        /// The L2TP message.
        bytes: Vec<u8>,
    },
    /// Do something that takes long or is not ours to know, and answer with
    /// [`crate::Engine::handle_answer`].
    Request(RequestId, Request),
    /// Something happened that people or programs may want to know.
    Event(Event),
}

/// Matches an answer to its request. Never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// What the engine cannot do by itself.
#[derive(Debug)]
pub enum Request {
    /// Run the job where it does not hold up the control plane; answer with its result.
    Compute(ike::Job),
    /// Decide whether somebody may log in.
    Login(Login),
    /// Make everything around a session ready for its traffic: its interface, routes, scripts that
    /// come first. The peer learns that it may send only after the answer. Server role only.
    Prepare(Box<SessionInfo>),
    /// Tell how many bytes a pair of SAs has carried so far, both directions together
    /// ([`dataplane::DataPlane::inbound_usage`] and `outbound_usage`): its lifetime may be
    /// counted in them.
    Usage {
        /// Whose SAs.
        peer: PeerId,
        /// SPI of the inbound one.
        inbound: u32,
        /// SPI of the outbound one.
        outbound: u32,
    },
    /// Tell how many IP packets a session has carried so far, both directions together
    /// ([`dataplane::DataPlane::session_usage`]).
    Packets {
        /// Which session.
        session: SessionId,
    },
}

/// Somebody wants to log in.
#[derive(Debug)]
pub struct Login {
    /// The session that waits for the verdict.
    pub session: SessionId,
    /// Where the client is, outside.
    pub path: Path,
    /// Which pre-shared key admitted the client, by its label.
    pub key: String,
    /// The name and the proof.
    pub request: ppp::Authenticate,
}

/// The answer to a [`Request`].
#[derive(Debug)]
pub enum Answer {
    /// To [`Request::Compute`].
    Computed(ike::JobResult),
    /// To [`Request::Login`].
    Login(Verdict),
    /// To [`Request::Prepare`]. The error is a sentence for the log; the session ends.
    Prepared(Result<(), String>),
    /// To [`Request::Usage`], in bytes.
    Usage(u64),
    /// To [`Request::Packets`].
    Packets(u64),
    /// To any of them: it cannot be met, now or ever. A handshake stays unanswered until the peer
    /// sends again, one of ours has failed, a login is turned away, a session ends.
    Unavailable,
}

/// Whether a login is accepted, and on what terms.
#[derive(Debug)]
pub enum Verdict {
    /// Let the user in.
    Accept {
        /// Whose sessions this one is counted with: the user's name as the administrator writes it,
        /// where clients have several ways to (with a domain in front, for example).
        account: ppp::UserName,
        /// What MS-CHAPv2 must tell the client to prove that we know the password too.
        proof: Option<ppp::mschapv2::AuthenticatorResponse>,
        /// What the user gets.
        terms: Arc<Terms>,
    },
    /// Turn the user away.
    Reject {
        /// What kind of reason it is. The client learns its number
        /// ([`Cause::login_error`]) and nothing else.
        cause: Cause,
        /// For the log.
        why: String,
    },
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// A peer has reached the next stage of connecting.
    Progress {
        /// Which peer.
        peer: PeerId,
        /// The stage that is complete.
        stage: Stage,
    },
    /// A user has proved to be one (server role). The session may or may not come to carry
    /// traffic. Comes again when the link is negotiated anew.
    LoggedIn(Box<LoggedIn>),
    /// A session has ended that [`Event::LoggedIn`] was said of, whether it has carried traffic or
    /// not. Comes after [`Event::SessionDown`], once.
    LoggedOut(SessionId),
    /// A session can carry traffic.
    SessionUp(Box<SessionInfo>),
    /// The server has told a session of ours its routes and its search domain.
    SessionInformed(Box<SessionInfo>),
    /// A session that could carry traffic has ended. Comes before its removal from the data
    /// plane, so that the last counters can still be read.
    SessionDown(Box<SessionInfo>, Reason),
    /// Somebody could not log in.
    LoginFailed {
        /// The name, fit for a log line.
        user: String,
        /// Why.
        failure: Box<Failure>,
    },
    /// Somebody else was turned away, or gave up before traffic could flow. One connection
    /// attempt ends in one of these, or in a [`Event::LoginFailed`], or in a session.
    Refused(Box<Failure>),
    /// Somebody has failed too often and has to wait.
    Slowed(Box<Slowed>),
    /// A peer is gone, with everything that was its.
    PeerDown {
        /// Which peer.
        peer: PeerId,
        /// Why.
        reason: Reason,
    },
}

/// Somebody who has logged in.
#[derive(Debug, Clone)]
pub struct LoggedIn {
    /// The session.
    pub session: SessionId,
    /// The user's name as the administrator writes it ([`Verdict::Accept`]).
    pub account: ppp::UserName,
    /// On what terms.
    pub terms: Arc<Terms>,
    /// Where the client is, outside.
    pub path: Path,
}

/// The stages of connecting, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Main Mode is complete: the pre-shared keys match.
    Phase1,
    /// Quick Mode is complete: there are SAs.
    Phase2,
    /// The L2TP tunnel is up.
    Tunnel,
    /// The L2TP session is up.
    Session,
    /// LCP is open.
    Link,
    /// The user is authenticated.
    Authentication,
    /// IPCP is open: traffic flows.
    Network,
}

impl Stage {
    /// The key of this stage in JSON reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Phase1 => "phase1",
            Self::Phase2 => "phase2",
            Self::Tunnel => "tunnel",
            Self::Session => "session",
            Self::Link => "lcp",
            Self::Authentication => "authentication",
            Self::Network => "ipcp",
        }
    }

    /// All of them, in order.
    pub const ALL: [Self; 7] = [
        Self::Phase1,
        Self::Phase2,
        Self::Tunnel,
        Self::Session,
        Self::Link,
        Self::Authentication,
        Self::Network,
    ];

    /// The one that comes after this one, or this one if it is the last.
    pub const fn next(self) -> Self {
        match self {
            Self::Phase1 => Self::Phase2,
            Self::Phase2 => Self::Tunnel,
            Self::Tunnel => Self::Session,
            Self::Session => Self::Link,
            Self::Link => Self::Authentication,
            Self::Authentication | Self::Network => Self::Network,
        }
    }
}

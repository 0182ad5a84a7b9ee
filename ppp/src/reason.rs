//! Why a link ended: a sentence for the administrator, and the numbers of RFC 3145 for the peer's.

use std::time::Duration;

use crate::{Method, UserName};

/// Why a link ended.
///
/// `Display` is a sentence for the log. Texts that came from the peer are already escaped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// An operator or the program's end asked for it.
    #[error("closed by the administrator{}", colon(.0))]
    Administrative(String),
    /// What carries the link is gone.
    #[error("the tunnel below went away")]
    LowerLayerDown,
    /// A time limit of the session, or of its idleness, has passed.
    #[error("the session's time limit has passed{}", colon(.0))]
    TimeLimit(String),
    /// The peer sent a Terminate-Request.
    #[error("the peer hung up{}", colon(.0))]
    PeerTerminated(String),
    /// No LCP packet that could be understood ever arrived.
    #[error(
        "the peer never answered our LCP requests: does the tunnel carry data in both directions?"
    )]
    NoLcp,
    /// LCP packets arrived, but the negotiation did not end.
    #[error("LCP did not reach an agreement with the peer")]
    LcpTimeout,
    /// We hear ourselves.
    #[error("the link is looped back: the peer sends our own magic number")]
    LoopedBack,
    /// The peer stopped answering echo requests.
    #[error("the peer did not answer {requests} echo requests in {period:?}")]
    EchoTimeout {
        /// How many went unanswered.
        requests: u32,
        /// Since the peer was last heard.
        period: Duration,
    },
    /// The peer refuses the control protocol itself.
    #[error("the peer rejected {0}, without which there is no link")]
    ProtocolRejected(&'static str),
    /// The peer does not take a method we accept.
    #[error("the client refuses to authenticate with {}{}: allow its method in `authentication`, or {} in the client", list(.offered), wish(.wanted), list(.offered))]
    AuthenticationRefused {
        /// What we asked for.
        offered: Vec<Method>,
        /// What it asked for instead, in words; empty if it did not say.
        wanted: String,
    },
    /// The server insists on a method we do not allow.
    #[error("the server insists on authentication with {wanted}, and we are allowed {} only", list(.allowed))]
    AuthenticationUnacceptable {
        /// What it asks for, in words.
        wanted: String,
        /// What we allow.
        allowed: Vec<Method>,
    },
    /// The server asks for no authentication, and that is not allowed.
    #[error("the server asks for no authentication and so cannot show that it is the right one")]
    ServerUnauthenticated,
    /// The peer never went through authentication.
    #[error("the peer did not complete authentication in time")]
    AuthenticationTimeout,
    /// Wrong name, password, time, or permission. We refused the peer (server), or were refused
    /// (client).
    #[error("authentication of user {user} with {method} failed: {message} (error {code})")]
    AuthenticationFailed {
        /// The name given.
        user: UserName,
        /// The method used.
        method: Method,
        /// The number shown to the client's user (691 and its like, RFC 2759 §6).
        code: u32,
        /// In words.
        message: String,
    },
    /// The server accepted us but does not know our password.
    #[error(
        "the server's proof is wrong: it accepted user {user} without knowing the password, so it is not the server it claims to be"
    )]
    ServerNotGenuine {
        /// The name we gave.
        user: UserName,
    },
    /// Whoever checked the credentials gave an answer that does not fit the method.
    #[error(
        "the credentials were accepted without the proof that MS-CHAPv2 needs: the password's source does not support this method"
    )]
    ProofMissing,
    /// The peer refused to speak IP.
    #[error("the peer refused IPCP, and there is nothing else to carry")]
    NetworkRefused,
    /// IPCP packets stayed unanswered, or went back and forth without end.
    #[error("IPCP did not reach an agreement with the peer")]
    NetworkTimeout,
    /// The server gave us no address.
    #[error("the server assigned no IPv4 address")]
    NoAddress,
    /// We have no address for the user.
    #[error("no address is left or permitted for user {user}")]
    AddressUnavailable {
        /// The name given.
        user: UserName,
    },
    /// The peer negotiates again and again.
    #[error("the peer would not stop negotiating anew")]
    Renegotiations,
    /// Everything together took too long.
    #[error("the link was not up {0:?} after its start")]
    Deadline(Duration),
}

fn colon(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!(": {text}")
    }
}

fn wish(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!(" and asks for {text}")
    }
}

fn list(methods: &[Method]) -> String {
    methods
        .iter()
        .map(|method| method.name())
        .collect::<Vec<_>>()
        .join(" or ")
}

/// Which end of the link a [`DisconnectCause`] blames (RFC 3145 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Neither, or both.
    Global = 0,
    /// The one that receives the message.
    AtPeer = 1,
    /// The one that sends the message.
    AtLocal = 2,
}

/// The numbers of L2TP's PPP Disconnect Cause Code AVP (RFC 3145).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DisconnectCause {
    /// Disconnect code (§3).
    pub code: u16,
    /// The control protocol concerned, or 0.
    pub protocol: u16,
    /// Who is to blame.
    pub direction: Direction,
}

impl CloseReason {
    /// What to tell the other end of the tunnel.
    pub fn disconnect_cause(&self) -> DisconnectCause {
        use Direction::{AtLocal, AtPeer, Global};
        let (code, protocol, direction) = match self {
            Self::Administrative(_) => (1, 0, Global),
            Self::LowerLayerDown | Self::Deadline(_) | Self::ProofMissing => (0, 0, Global),
            Self::Renegotiations => (2, 0, AtPeer),
            Self::TimeLimit(_) => (3, 0, AtLocal),
            Self::PeerTerminated(_) => (3, 0, AtPeer),
            Self::LcpTimeout => (5, 0xc021, Global),
            Self::ProtocolRejected(_) => (5, 0xc021, AtPeer),
            Self::NoLcp => (6, 0xc021, Global),
            Self::LoopedBack => (7, 0xc021, Global),
            Self::EchoTimeout { .. } => (8, 0xc021, AtPeer),
            Self::AuthenticationTimeout => (13, 0, AtPeer),
            Self::AuthenticationRefused { offered, .. } => (
                15,
                offered.first().map_or(0, |method| method.protocol().0),
                AtPeer,
            ),
            Self::AuthenticationUnacceptable { .. } => (15, 0, AtLocal),
            Self::ServerUnauthenticated => (15, 0, AtPeer),
            Self::AuthenticationFailed { method, .. } => (16, method.protocol().0, AtPeer),
            Self::ServerNotGenuine { .. } => (16, Method::MsChapV2.protocol().0, AtPeer),
            Self::NetworkTimeout => (17, 0x8021, Global),
            Self::NetworkRefused => (18, 0x8021, AtPeer),
            Self::NoAddress => (19, 0x8021, AtPeer),
            Self::AddressUnavailable { .. } => (20, 0x8021, AtLocal),
        };
        DisconnectCause {
            code,
            protocol,
            direction,
        }
    }

    /// What the Terminate-Request says. Short, and nothing about names or settings of ours.
    pub(crate) fn farewell(&self) -> &'static str {
        match self {
            Self::Administrative(_) => "Closed by the administrator",
            Self::TimeLimit(_) => "Time limit",
            Self::LoopedBack => "Looped back",
            Self::EchoTimeout { .. } => "Peer not responding",
            Self::AuthenticationRefused { .. } | Self::AuthenticationUnacceptable { .. } => {
                "No common authentication protocol"
            }
            Self::AuthenticationTimeout
            | Self::AuthenticationFailed { .. }
            | Self::ServerUnauthenticated
            | Self::ServerNotGenuine { .. }
            | Self::ProofMissing => "Authentication failed",
            Self::NetworkRefused
            | Self::NetworkTimeout
            | Self::NoAddress
            | Self::AddressUnavailable { .. } => "No network protocols running",
            Self::LowerLayerDown
            | Self::PeerTerminated(_)
            | Self::NoLcp
            | Self::LcpTimeout
            | Self::ProtocolRejected(_)
            | Self::Renegotiations
            | Self::Deadline(_) => "Link failure",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_login_reads_well_and_names_its_cause() {
        let reason = CloseReason::AuthenticationFailed {
            user: UserName::from("ann"),
            method: Method::MsChapV2,
            code: 691,
            message: "wrong user name or password".to_owned(),
        };
        assert_eq!(
            reason.to_string(),
            "authentication of user ann with mschap-v2 failed: wrong user name or password (error 691)"
        );
        let cause = reason.disconnect_cause();
        assert_eq!(
            (cause.code, cause.protocol, cause.direction as u8),
            (16, 0xc223, 1)
        );
    }

    #[test]
    fn a_refused_method_says_what_would_help() {
        let reason = CloseReason::AuthenticationRefused {
            offered: vec![Method::MsChapV2],
            wanted: "PAP".to_owned(),
        };
        assert_eq!(
            reason.to_string(),
            "the client refuses to authenticate with mschap-v2 and asks for PAP: allow its method \
             in `authentication`, or mschap-v2 in the client"
        );
    }
}

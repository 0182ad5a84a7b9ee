//! Why tunnels and sessions end or never begin, and the codes that tell the peer.

use wire::DecodeError;

use crate::codec::{
    AvpFault, AvpType, DisconnectCode, DisconnectDirection, ErrorCode, MessageType, ResultCode,
    SessionResult, TunnelResult, Vendor,
};

/// Well-formed or not, a request that was not met. Displays as a sentence for the operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A version in the header other than 2.
    #[error(
        "the peer speaks version {0} of L2TP in its packet headers; only version 2 (RFC 2661) is served"
    )]
    HeaderVersion(u8),
    /// A Protocol Version AVP other than 1.x.
    #[error("the peer asks for L2TP protocol version {0}.{1}; only 1.0 (RFC 2661) is served")]
    ProtocolVersion(u8, u8),
    /// Bytes that do not follow the format.
    #[error("the peer sent a malformed {message} message: {error}")]
    Malformed {
        /// The kind of message.
        message: MessageType,
        /// What is wrong with it.
        error: DecodeError,
    },
    /// Bytes in which not even the Message Type can be found.
    #[error("the peer sent a control message that cannot be read: {0}")]
    Unreadable(DecodeError),
    /// A message without an AVP that it cannot do without.
    #[error("the peer sent {message} without a usable {avp} AVP")]
    MissingAvp {
        /// The kind of message.
        message: MessageType,
        /// What is missing.
        avp: AvpType,
    },
    /// RFC 2661 §4.1: an AVP with the mandatory bit that we do not know or cannot read.
    #[error(
        "the peer insists on AVP {avp} of vendor {vendor} in {message}, which is not supported"
    )]
    MandatoryAvp {
        /// The kind of message.
        message: MessageType,
        /// Its vendor.
        vendor: Vendor,
        /// Its type.
        avp: AvpType,
    },
    /// RFC 2661 §4.3: a hidden AVP with the mandatory bit that our secret does not open.
    #[error(
        "the peer hides the {avp} AVP in {message} with a tunnel secret that is not the one set \
         here; set the same L2TP secret on both sides or remove it from the peer"
    )]
    HiddenAvp {
        /// The kind of message.
        message: MessageType,
        /// Its type.
        avp: AvpType,
    },
    /// RFC 2661 §4.4.1: a message type with the mandatory bit that we do not know.
    #[error("the peer insists on message type {0}, which is not supported")]
    MandatoryMessage(MessageType),
    /// The peer sent a Challenge and we have no secret to answer with.
    #[error(
        "the peer demands L2TP tunnel authentication and no tunnel secret is set here; \
         set the same L2TP secret on both sides or remove it from the peer"
    )]
    NoSecret,
    /// The peer's Challenge Response is wrong.
    #[error("the peer's answer to the L2TP tunnel challenge is wrong: the tunnel secrets differ")]
    WrongSecret,
    /// We sent a Challenge and no Challenge Response came.
    #[error("the peer did not answer the L2TP tunnel challenge: it has no tunnel secret")]
    NoChallengeResponse,
    /// Too many tunnels in all.
    #[error("all {0} L2TP tunnels are in use")]
    Tunnels(usize),
    /// Too many tunnels of this peer.
    #[error("the peer already has {0} L2TP tunnels, which is the limit")]
    TunnelsOfPeer(usize),
    /// Too many sessions in this tunnel.
    #[error("the tunnel already has {0} sessions, which is the limit")]
    Sessions(usize),
    /// Too many sessions of this peer.
    #[error("the peer already has {0} sessions, which is the limit")]
    SessionsOfPeer(usize),
    /// Too many sessions of all peers together.
    #[error("there are already {0} sessions, which is the limit")]
    SessionsInAll(usize),
    /// OCRQ: nothing here can place an outgoing call.
    #[error("the peer asked for an outgoing call (OCRQ), which this server does not place")]
    OutgoingCall,
    /// ICRQ towards the client role.
    #[error("the peer, which is our server, asked for an incoming call (ICRQ)")]
    CallTowardsClient,
    /// SCCRQ towards the client role.
    #[error("the peer, which is our server, asked for a tunnel (SCCRQ)")]
    TunnelTowardsClient,
    /// A message that the state table answers with the end of the tunnel or session.
    #[error("the peer sent {0} at a point where it has no place")]
    OutOfOrder(MessageType),
    /// A tunnel or session that did not come up in time.
    #[error("the peer began to open a {0} and did not finish in time")]
    HalfOpen(&'static str),
    /// The peer ended what it had begun.
    #[error("the peer gave up before the {0} was established: {1}")]
    GaveUp(&'static str, PeerResult),
}

impl Refusal {
    /// What is not acceptable about the AVPs of a message.
    pub(crate) fn of_fault(message: MessageType, fault: AvpFault) -> Self {
        match fault {
            AvpFault::Mandatory { vendor, kind: avp } => Self::MandatoryAvp {
                message,
                vendor,
                avp,
            },
            AvpFault::Hidden { kind: avp } => Self::HiddenAvp { message, avp },
            AvpFault::Malformed(error) => Self::Malformed { message, error },
        }
    }

    /// The Result Code AVP of a StopCCN that says so.
    pub fn tunnel_result(&self) -> ResultCode {
        let (result, error) = match self {
            Self::HeaderVersion(_) | Self::ProtocolVersion(..) => {
                return ResultCode::tunnel(TunnelResult::VERSION);
            }
            Self::NoSecret
            | Self::WrongSecret
            | Self::NoChallengeResponse
            | Self::TunnelTowardsClient => {
                return ResultCode::tunnel(TunnelResult::UNAUTHORIZED).with_message(self);
            }
            Self::OutOfOrder(_) | Self::HalfOpen(_) | Self::CallTowardsClient => {
                return ResultCode::tunnel(TunnelResult::STATE_MACHINE);
            }
            Self::GaveUp(..) => return ResultCode::tunnel(TunnelResult::CLEAR),
            Self::Malformed { .. } | Self::Unreadable(_) => {
                (TunnelResult::GENERAL_ERROR, ErrorCode::LENGTH)
            }
            Self::MissingAvp { .. } => (TunnelResult::GENERAL_ERROR, ErrorCode::VALUE),
            Self::MandatoryAvp { .. } | Self::HiddenAvp { .. } | Self::MandatoryMessage(_) => {
                (TunnelResult::GENERAL_ERROR, ErrorCode::MANDATORY_AVP)
            }
            Self::Tunnels(_)
            | Self::TunnelsOfPeer(_)
            | Self::Sessions(_)
            | Self::SessionsOfPeer(_)
            | Self::SessionsInAll(_) => (TunnelResult::GENERAL_ERROR, ErrorCode::RESOURCES),
            Self::OutgoingCall => (TunnelResult::GENERAL_ERROR, ErrorCode::VENDOR),
        };
        ResultCode::tunnel(result).with_error(error)
    }

    /// The Result Code AVP of a CDN that says so.
    pub fn session_result(&self) -> ResultCode {
        let (result, error) = match self {
            Self::Malformed { .. } | Self::Unreadable(_) => {
                (SessionResult::GENERAL_ERROR, ErrorCode::LENGTH)
            }
            Self::MissingAvp { .. } => (SessionResult::GENERAL_ERROR, ErrorCode::VALUE),
            Self::MandatoryAvp { .. } | Self::HiddenAvp { .. } | Self::MandatoryMessage(_) => {
                (SessionResult::GENERAL_ERROR, ErrorCode::MANDATORY_AVP)
            }
            Self::Tunnels(_)
            | Self::TunnelsOfPeer(_)
            | Self::Sessions(_)
            | Self::SessionsOfPeer(_)
            | Self::SessionsInAll(_) => {
                return ResultCode::session(SessionResult::NO_FACILITIES_NOW);
            }
            Self::OutgoingCall | Self::CallTowardsClient => {
                return ResultCode::session(SessionResult::NO_FACILITIES);
            }
            Self::HalfOpen(_) => return ResultCode::session(SessionResult::TOO_SLOW),
            Self::OutOfOrder(_) => (SessionResult::GENERAL_ERROR, ErrorCode::VENDOR),
            Self::HeaderVersion(_)
            | Self::ProtocolVersion(..)
            | Self::NoSecret
            | Self::WrongSecret
            | Self::NoChallengeResponse
            | Self::TunnelTowardsClient
            | Self::GaveUp(..) => {
                return ResultCode::session(SessionResult::ADMINISTRATIVE);
            }
        };
        ResultCode::session(result).with_error(error)
    }
}

/// Why a tunnel or session ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// The operator ended it.
    #[error("closed by the operator")]
    Administrative,
    /// This program is going down.
    #[error("this side is shutting down")]
    ShuttingDown,
    /// The user of the client role is done.
    #[error("no longer needed")]
    Done,
    /// PPP ended, for the stated cause, which CDN carries on (RFC 3145).
    #[error("PPP ended: {0}")]
    Ppp(DisconnectCause),
    /// Something this side needs is used up.
    #[error("out of resources")]
    Resources,
    /// The tunnel had no session for too long.
    #[error("the tunnel had no session any more")]
    Empty,
    /// The peer neither acknowledged our messages nor sent anything else.
    #[error("the peer does not answer any more")]
    Unanswered,
    /// The peer began anew with the same tunnel id: it has forgotten this tunnel.
    #[error("the peer started again")]
    Restarted,
    /// The secured path is gone. Nothing was sent.
    #[error("the IPsec connection is gone")]
    PathGone,
    /// What the peer did or asked for is not acceptable.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// The peer ended it.
    #[error("closed by the peer: {0}")]
    Peer(PeerResult),
}

impl CloseReason {
    /// The Result Code AVP of the StopCCN that tells the peer.
    pub fn tunnel_result(&self) -> ResultCode {
        match self {
            Self::Administrative | Self::ShuttingDown => {
                ResultCode::tunnel(TunnelResult::SHUTTING_DOWN)
            }
            Self::Done
            | Self::Ppp(_)
            | Self::Empty
            | Self::Restarted
            | Self::PathGone
            | Self::Peer(_) => ResultCode::tunnel(TunnelResult::CLEAR),
            Self::Resources => {
                ResultCode::tunnel(TunnelResult::GENERAL_ERROR).with_error(ErrorCode::RESOURCES)
            }
            Self::Unanswered => ResultCode::tunnel(TunnelResult::STATE_MACHINE),
            Self::Refused(refusal) => refusal.tunnel_result(),
        }
    }

    /// The Result Code AVP of the CDN that tells the peer.
    pub fn session_result(&self) -> ResultCode {
        match self {
            Self::Administrative
            | Self::ShuttingDown
            | Self::Done
            | Self::Empty
            | Self::Restarted
            | Self::PathGone
            | Self::Peer(_) => ResultCode::session(SessionResult::ADMINISTRATIVE),
            Self::Ppp(cause) if cause.code == DisconnectCode::NORMAL => {
                ResultCode::session(SessionResult::ADMINISTRATIVE)
            }
            Self::Ppp(_) | Self::Unanswered => ResultCode::session(SessionResult::LOST_CARRIER),
            Self::Resources => ResultCode::session(SessionResult::NO_FACILITIES_NOW),
            Self::Refused(refusal) => refusal.session_result(),
        }
    }

    /// The PPP Disconnect Cause Code AVP of the CDN (RFC 3145), where there is something to say.
    pub fn disconnect_cause(&self) -> Option<&DisconnectCause> {
        match self {
            Self::Ppp(cause) => Some(cause),
            _ => None,
        }
    }
}

/// Why PPP ended: the value of the PPP Disconnect Cause Code AVP (RFC 3145 §2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisconnectCause {
    /// What happened.
    pub code: DisconnectCode,
    /// The PPP protocol number of the control protocol concerned, 0 if none.
    pub protocol: u16,
    /// Whose fault it is.
    pub direction: DisconnectDirection,
    /// Text for a human; may be empty.
    pub message: String,
}

impl std::fmt::Display for DisconnectCause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.code, self.direction)?;
        if !self.message.is_empty() {
            write!(f, " ({:?})", self.message)?;
        }
        Ok(())
    }
}

/// What a peer said in StopCCN or CDN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerResult {
    /// Whether it came in StopCCN, whose codes are others than those of CDN.
    pub of_tunnel: bool,
    /// The Result Code AVP, if there was one that could be read.
    pub result: Option<ResultCode>,
    /// The PPP Disconnect Cause Code AVP of a CDN.
    pub cause: Option<DisconnectCause>,
}

impl std::fmt::Display for PeerResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.result {
            None => f.write_str("no reason given")?,
            Some(result) if self.of_tunnel => result.describe_tunnel(f)?,
            Some(result) => result.describe_session(f)?,
        }
        match &self.cause {
            Some(cause) => write!(f, "; PPP: {cause}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusals() -> Vec<Refusal> {
        let message = MessageType::ICRQ;
        let error = DecodeError::new(6, "AVP longer than the message");
        vec![
            Refusal::HeaderVersion(3),
            Refusal::ProtocolVersion(2, 0),
            Refusal::Malformed { message, error },
            Refusal::Unreadable(error),
            Refusal::MissingAvp {
                message,
                avp: AvpType::ASSIGNED_SESSION_ID,
            },
            Refusal::MandatoryAvp {
                message,
                vendor: Vendor(9),
                avp: AvpType(77),
            },
            Refusal::HiddenAvp {
                message,
                avp: AvpType::ASSIGNED_SESSION_ID,
            },
            Refusal::MandatoryMessage(MessageType(77)),
            Refusal::NoSecret,
            Refusal::WrongSecret,
            Refusal::NoChallengeResponse,
            Refusal::Tunnels(10),
            Refusal::TunnelsOfPeer(2),
            Refusal::Sessions(1),
            Refusal::SessionsOfPeer(32),
            Refusal::SessionsInAll(100),
            Refusal::OutgoingCall,
            Refusal::CallTowardsClient,
            Refusal::TunnelTowardsClient,
            Refusal::OutOfOrder(message),
            Refusal::HalfOpen("tunnel"),
            Refusal::GaveUp("tunnel", peer_result()),
        ]
    }

    fn peer_result() -> PeerResult {
        PeerResult {
            of_tunnel: true,
            result: None,
            cause: None,
        }
    }

    fn reasons() -> Vec<CloseReason> {
        let cause = |code| DisconnectCause {
            code,
            protocol: 0,
            direction: DisconnectDirection::GLOBAL,
            message: String::new(),
        };
        let mut reasons = vec![
            CloseReason::Administrative,
            CloseReason::ShuttingDown,
            CloseReason::Done,
            CloseReason::Ppp(cause(DisconnectCode::NORMAL)),
            CloseReason::Ppp(cause(DisconnectCode::LCP_ECHO_TIMEOUT)),
            CloseReason::Resources,
            CloseReason::Empty,
            CloseReason::Unanswered,
            CloseReason::Restarted,
            CloseReason::PathGone,
            CloseReason::Peer(peer_result()),
        ];
        reasons.extend(refusals().into_iter().map(CloseReason::Refused));
        reasons
    }

    /// Each reason in words, and what StopCCN and CDN say of it.
    #[test]
    fn codes() {
        struct Words(ResultCode, bool);
        impl std::fmt::Display for Words {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let code = ResultCode {
                    message: String::new(),
                    ..self.0.clone()
                };
                write!(
                    f,
                    "{}/{} ",
                    code.result,
                    code.error.map_or(0, |error| error.0)
                )?;
                if self.1 {
                    code.describe_tunnel(f)
                } else {
                    code.describe_session(f)
                }
            }
        }
        let mut table = String::new();
        for reason in reasons() {
            let tunnel = Words(reason.tunnel_result(), true);
            let session = Words(reason.session_result(), false);
            table += &format!("{reason}\n  StopCCN {tunnel}\n  CDN {session}\n");
        }
        insta::assert_snapshot!(table);
    }
}

//! From what the protocols say to a [`Cause`].

use ike::{CloseReason as IkeClose, Refusal as Ike};
use l2tp::{CloseReason as L2tpClose, Refusal as L2tp};
use ppp::CloseReason as Ppp;

use super::{Cause, Failure};
use crate::Reason;

impl Cause {
    /// Why IKE turned somebody away.
    pub(crate) const fn of_ike(refusal: &Ike) -> Self {
        match refusal {
            Ike::WrongKey { .. } => Self::WrongKey,
            Ike::NoKey { .. } => Self::NoKey,
            Ike::NoIkeProposal { .. } => Self::NoIkeProposal,
            Ike::NoEspProposal { .. } => Self::NoEspProposal,
            Ike::TunnelMode => Self::TunnelMode,
            Ike::NeedsUdpEncapsulation => Self::NeedsUdpEncapsulation,
            Ike::Traffic { .. } => Self::WrongTraffic,
            Ike::AggressiveMode => Self::AggressiveMode,
            Ike::AuthenticationMethod(_) => Self::Certificate,
            Ike::Version { .. } => Self::IkeVersion,
            Ike::ExchangeType(_) => Self::Xauth,
            Ike::KeyExchange(_) | Ike::Malformed { .. } => Self::IkeProtocol,
            Ike::Unheard => Self::Unheard,
            Ike::Unfinished { .. } => Self::NeverFinished,
            Ike::Overloaded { .. } | Ike::NotComputed => Self::Overload,
            Ike::Full(_) | Ike::SourceFull { .. } | Ike::NoSpi => Self::Full,
            Ike::ByPeer(_) => Self::HungUp,
        }
    }

    /// Why L2TP turned somebody away.
    pub(crate) const fn of_l2tp(refusal: &L2tp) -> Self {
        match refusal {
            L2tp::HiddenAvp { .. }
            | L2tp::NoSecret
            | L2tp::WrongSecret
            | L2tp::NoChallengeResponse => Self::TunnelSecret,
            L2tp::Tunnels(_)
            | L2tp::TunnelsOfPeer(_)
            | L2tp::Sessions(_)
            | L2tp::SessionsOfPeer(_)
            | L2tp::SessionsInAll(_) => Self::Full,
            L2tp::HalfOpen(_) => Self::L2tpUnfinished,
            L2tp::GaveUp(..) => Self::HungUp,
            L2tp::HeaderVersion(_)
            | L2tp::ProtocolVersion(..)
            | L2tp::Malformed { .. }
            | L2tp::Unreadable(_)
            | L2tp::MissingAvp { .. }
            | L2tp::MandatoryAvp { .. }
            | L2tp::MandatoryMessage(_)
            | L2tp::OutgoingCall
            | L2tp::CallTowardsClient
            | L2tp::TunnelTowardsClient
            | L2tp::OutOfOrder(_) => Self::L2tpProtocol,
        }
    }

    /// Why a session ended that never carried traffic, or a peer that never had one. `None` when
    /// that was our own wish, which is no failure.
    pub(crate) const fn of_reason(reason: &Reason) -> Option<Self> {
        Some(match reason {
            Reason::Ppp(reason) => match Self::of_ppp(reason) {
                Some(cause) => cause,
                None => return None,
            },
            Reason::L2tp(reason) => match reason {
                L2tpClose::Refused(refusal) => Self::of_l2tp(refusal),
                L2tpClose::Peer(_) | L2tpClose::Restarted => Self::HungUp,
                L2tpClose::Unanswered | L2tpClose::PathGone => Self::Gone,
                L2tpClose::Empty => Self::L2tpUnfinished,
                L2tpClose::Resources => Self::Full,
                L2tpClose::Ppp(_) => Self::Other,
                L2tpClose::Administrative | L2tpClose::ShuttingDown | L2tpClose::Done => {
                    return None;
                }
            },
            Reason::Ike(reason) => match reason {
                IkeClose::Failed(refusal) => Self::of_ike(refusal),
                IkeClose::PeerDeleted => Self::HungUp,
                IkeClose::NoChild | IkeClose::Unconfirmed => Self::NoPhase2,
                IkeClose::Expired | IkeClose::DeadPeer | IkeClose::NoAnswer { .. } => Self::Gone,
                IkeClose::NoRoom => Self::Full,
                IkeClose::Requested | IkeClose::Rekeyed => return None,
            },
            Reason::PathGone => Self::Gone,
            Reason::Unprepared(_) | Reason::InterfaceGone => Self::Other,
            Reason::StartedAgain => Self::HungUp,
            Reason::Operator
            | Reason::Replaced
            | Reason::Idle(_)
            | Reason::SessionTimeout(_)
            | Reason::ShuttingDown
            | Reason::Done => {
                return None;
            }
        })
    }

    const fn of_ppp(reason: &Ppp) -> Option<Self> {
        Some(match reason {
            Ppp::Administrative(_) | Ppp::TimeLimit(_) => return None,
            Ppp::LowerLayerDown | Ppp::EchoTimeout { .. } => Self::Gone,
            Ppp::PeerTerminated(_) => Self::HungUp,
            Ppp::NoLcp => Self::LcpSilent,
            Ppp::LcpTimeout
            | Ppp::LoopedBack
            | Ppp::ProtocolRejected(_)
            | Ppp::Renegotiations
            | Ppp::Deadline(_) => Self::LcpTimeout,
            Ppp::AuthenticationRefused { .. }
            | Ppp::AuthenticationUnacceptable { .. }
            | Ppp::ServerUnauthenticated => Self::NoCommonAuthentication,
            Ppp::AuthenticationTimeout => Self::AuthenticationTimeout,
            Ppp::AuthenticationFailed { .. } => Self::WrongPassword,
            Ppp::ServerNotGenuine { .. } => Self::HungUp,
            Ppp::ProofMissing => Self::UsersUnavailable,
            Ppp::NetworkRefused | Ppp::NetworkTimeout | Ppp::NoAddress => Self::IpcpFailed,
            Ppp::AddressUnavailable { .. } => Self::NoAddressLeft,
        })
    }
}

impl Failure {
    /// Names the options that would admit what IKE refused, if there are some.
    pub(crate) fn with_options_of(mut self, refusal: &Ike) -> Self {
        if let Ike::NoIkeProposal {
            admitted_by_options,
            ..
        }
        | Ike::NoEspProposal {
            admitted_by_options,
            ..
        } = refusal
            && !admitted_by_options.is_empty()
        {
            let names: Vec<String> = admitted_by_options
                .iter()
                .map(|option| format!("\"{option}\""))
                .collect();
            self.setting = Some(format!("add {} to `ipsec.legacy`", names.join(", ")));
        }
        self
    }
}

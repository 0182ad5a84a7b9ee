//! Why a session or a peer ended.

use std::time::Duration;

/// Why something ended; displays as a clause for the log line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// IKE ended it, or it never came up there.
    #[error("IKE: {0}")]
    Ike(ike::CloseReason),
    /// L2TP ended it.
    #[error("L2TP: {0}")]
    L2tp(l2tp::CloseReason),
    /// PPP ended it.
    #[error("PPP: {0}")]
    Ppp(ppp::CloseReason),
    /// The operator wanted it.
    #[error("closed by the operator")]
    Operator,
    /// This program is going down.
    #[error("this side is shutting down")]
    ShuttingDown,
    /// All SAs of the peer are gone and none came in time.
    #[error("the peer has no security association any more")]
    PathGone,
    /// The peer says that it started anew (INITIAL-CONTACT), and it did.
    #[error("the client has started again")]
    StartedAgain,
    /// The user logged in again, and may not have, or cannot have, this session as well.
    #[error("replaced by a newer session of the same user")]
    Replaced,
    /// Its interface or something else around it could not be set up.
    #[error("it cannot be set up here: {0}")]
    Unprepared(String),
    /// Its own interface was there, and is no more.
    #[error("its interface is gone: somebody has removed it")]
    InterfaceGone,
    /// No IP packet has passed for as long as is allowed.
    #[error("no traffic for {0:?}")]
    Idle(Duration),
    /// It has lasted as long as is allowed.
    #[error("the session's time of {0:?} is over")]
    SessionTimeout(Duration),
    /// The client role's user is done.
    #[error("disconnected")]
    Done,
}

impl Reason {
    /// What L2TP tells the peer about it.
    pub(crate) fn for_l2tp(&self) -> l2tp::CloseReason {
        match self {
            Self::L2tp(reason) => reason.clone(),
            Self::Ppp(reason) => l2tp::CloseReason::Ppp(crate::on_ppp::disconnect_cause(reason)),
            Self::Operator | Self::Replaced | Self::Unprepared(_) | Self::InterfaceGone => {
                l2tp::CloseReason::Administrative
            }
            Self::ShuttingDown => l2tp::CloseReason::ShuttingDown,
            Self::Idle(_) | Self::SessionTimeout(_) => {
                l2tp::CloseReason::Ppp(crate::on_ppp::disconnect_cause(&self.for_ppp()))
            }
            Self::Done => l2tp::CloseReason::Done,
            Self::Ike(_) | Self::PathGone | Self::StartedAgain => l2tp::CloseReason::PathGone,
        }
    }

    /// What PPP tells the peer about it, where it is our will.
    pub(crate) fn for_ppp(&self) -> ppp::CloseReason {
        match self {
            Self::Idle(_) | Self::SessionTimeout(_) => ppp::CloseReason::TimeLimit(String::new()),
            _ => ppp::CloseReason::Administrative(String::new()),
        }
    }
}

//! One call in a tunnel.

use wire::Instant;

use super::session_table::State;
use super::{Role, SessionId};
use crate::codec::{CallConnected, CallRequest};

/// One call in a tunnel.
#[derive(Debug)]
pub(crate) struct Session {
    pub id: SessionId,
    /// The id that the peer assigned; 0 as long as it has assigned none.
    pub remote_id: u16,
    pub role: Role,
    state: State,
    /// When the state was reached.
    pub since: Instant,
    /// Whether the owner was told of it, and so must be told of its end.
    pub announced: bool,
    /// ICRQ as received or to be sent.
    pub request: CallRequest,
    /// ICCN as received or sent.
    pub connected: CallConnected,
}

impl Session {
    pub fn new(id: SessionId, role: Role, request: CallRequest, now: Instant) -> Self {
        Self {
            id,
            remote_id: 0,
            role,
            state: State::Idle,
            since: now,
            announced: false,
            request,
            connected: CallConnected::default(),
        }
    }

    pub fn state(&self) -> State {
        self.state
    }

    /// Whether it waits for a message of the peer. One that waits for its tunnel does not: it has
    /// sent nothing yet, and its time is the tunnel's.
    pub fn is_half_open(&self) -> bool {
        matches!(self.state, State::WaitReply | State::WaitConnect)
    }

    /// The one place where a session's state changes.
    pub fn assign(&mut self, state: State, now: Instant) {
        if self.state != state {
            tracing::debug!(session = %self.id, from = ?self.state, to = ?state, "session state");
            self.state = state;
            self.since = now;
        }
    }
}

//! Sessions end when their time is over, or when nothing has used them for long.
//!
//! Packets are counted where they pass. Whether there were any is asked for from time to time:
//! an idle session ends at most one such interval late.

use std::time::Duration;

use wire::Instant;

use crate::engine::Pending;
use crate::timers::Timer;
use crate::{Engine, Reason, Request, SessionId};

/// Bounds of the interval in which an idle session is looked at, a tenth of its time.
const SHORTEST_LOOK: Duration = Duration::from_secs(1);
const LONGEST_LOOK: Duration = Duration::from_secs(60);

/// How long a session was idle, as far as is known.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Idleness {
    /// When its packets were found to be more than before.
    used: Instant,
    /// How many there were then, in both directions.
    packets: u64,
}

impl Engine {
    /// Traffic can flow: the clocks run.
    pub(crate) fn begin_limits(&mut self, now: Instant, id: SessionId) {
        let Some(limit) = self.session_timeout(id) else {
            return;
        };
        if let Some(session) = self.sessions.get_mut(&id) {
            session.idleness = Idleness {
                used: now,
                packets: 0,
            };
            // A client that negotiates anew gains no time by it.
            if let Some(limit) = limit.filter(|_| session.expires.is_none()) {
                session.expires = Some(now + limit);
            }
            let expires = session.expires;
            self.timers.set(Timer::Expiry(id), expires);
        }
        let look = self.idle_timeout(id).map(look);
        self.timers
            .set(Timer::Idle(id), look.map(|look| now + look));
    }

    /// Traffic can flow no more.
    pub(crate) fn stop_limits(&mut self, id: SessionId) {
        self.timers.set(Timer::Expiry(id), None);
        self.timers.set(Timer::Idle(id), None);
    }

    pub(crate) fn on_expiry(&mut self, id: SessionId) {
        if let Some(Some(limit)) = self.session_timeout(id) {
            self.end_session(id, Reason::SessionTimeout(limit));
        }
    }

    /// It is time to see whether a session is used.
    pub(crate) fn on_idle_look(&mut self, id: SessionId) {
        self.request(Pending::Packets(id), Request::Packets { session: id });
    }

    /// So many packets have passed through a session.
    pub(crate) fn on_packets(&mut self, now: Instant, id: SessionId, packets: u64) {
        let Some(limit) = self.idle_timeout(id) else {
            return;
        };
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if session.network.is_none() {
            return;
        }
        if packets != session.idleness.packets {
            session.idleness = Idleness { used: now, packets };
        }
        let idle = now - session.idleness.used;
        if idle >= limit {
            return self.end_session(id, Reason::Idle(limit));
        }
        let next = look(limit).min(limit.saturating_sub(idle));
        self.timers.set(Timer::Idle(id), Some(now + next));
    }

    /// The limit of a session, if there is one; `None` if there is no session, or not of a server.
    fn session_timeout(&self, id: SessionId) -> Option<Option<Duration>> {
        let session = self.sessions.get(&id)?;
        let server = self.config.server.as_ref()?;
        session.account.as_ref()?;
        let own = session.terms.session_timeout;
        Some(
            own.or(server.session_timeout)
                .filter(|limit| !limit.is_zero()),
        )
    }

    fn idle_timeout(&self, id: SessionId) -> Option<Duration> {
        let session = self.sessions.get(&id)?;
        let server = self.config.server.as_ref()?;
        session.account.as_ref()?;
        let own = session.terms.idle_timeout;
        own.or(server.idle_timeout).filter(|limit| !limit.is_zero())
    }
}

fn look(limit: Duration) -> Duration {
    (limit / 10).clamp(SHORTEST_LOOK, LONGEST_LOOK)
}

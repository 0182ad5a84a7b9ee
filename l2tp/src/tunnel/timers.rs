//! What becomes of a tunnel when nothing is received.

use std::time::Duration;

use wire::Instant;

use super::connection::Tunnel;
use super::session_table::Event as CallEvent;
use super::table::State;
use super::{Context, Role};
use crate::codec::Message;
use crate::habits::KeepAlive;
use crate::reliable::Backoff;
use crate::{CloseReason, Config, Refusal};

impl Tunnel {
    /// When [`on_timeout`](Self::on_timeout) is due.
    pub fn deadline(&self, config: &Config) -> Option<Instant> {
        let timing = &config.timing;
        let mut deadline = self.channel.deadline();
        let mut consider = |at: Instant| deadline = Some(deadline.map_or(at, |d| d.min(at)));
        if let Some(closed) = self.closed {
            consider(closed + timing.retransmit.cycle());
            return deadline;
        }
        if self.state != State::Established {
            consider(self.created + self.patience(config));
            return deadline;
        }
        if let Some(silence) = self.keep_alive(config)
            && self.channel.is_idle()
        {
            consider(self.last_heard + silence);
        }
        if self.sessions.is_empty() {
            consider(self.empty_since + timing.empty);
        }
        for session in self.sessions.values() {
            if session.is_half_open() {
                consider(session.since + timing.half_open);
            }
        }
        deadline
    }

    /// Does what is due.
    pub fn on_timeout(&mut self, cx: &mut Context<'_>) {
        let timing = &cx.config.timing;
        let now = cx.now;
        self.channel.handle_timeout(now);
        if self.closed.is_some() {
            if self.channel.is_exhausted() {
                self.channel.abandon();
            }
            return;
        }
        if self.state != State::Established {
            if now >= self.created + self.patience(cx.config) {
                let reason = self.too_slow("tunnel");
                if self.channel.is_exhausted() && self.remote_id == 0 {
                    // Repeated to the end: there is nobody to tell.
                    self.lose(cx, reason);
                } else {
                    self.close(cx, reason);
                }
            }
            return;
        }
        // Phones that doze do not answer, so silence must be long as well.
        let own = self.patience.or(self.habits.dead_after);
        let dead_after = own.unwrap_or(timing.dead_after);
        if self.channel.is_exhausted() && now >= self.last_heard + dead_after {
            return self.lose(cx, CloseReason::Unanswered);
        }
        if self.sessions.is_empty() && now >= self.empty_since + timing.empty {
            return self.close(cx, CloseReason::Empty);
        }
        let late: Vec<u16> = self
            .sessions
            .values()
            .filter(|session| session.is_half_open())
            .filter(|session| now >= session.since + timing.half_open)
            .map(|session| session.id.id)
            .collect();
        for id in late {
            self.call_step(cx, id, CallEvent::Close, self.too_slow("session"));
        }
        let silence = self.keep_alive(cx.config);
        if self.channel.is_idle() && silence.is_some_and(|silence| now >= self.last_heard + silence)
        {
            self.send(cx, 0, &Message::Hello);
        }
    }

    /// How long the tunnel may take to come up.
    fn patience(&self, config: &Config) -> Duration {
        let own = self.habits.first_retransmit.as_ref();
        own.map_or(config.timing.half_open, Backoff::cycle)
    }

    /// After which silence HELLO is sent.
    fn keep_alive(&self, config: &Config) -> Option<Duration> {
        match self.habits.keep_alive {
            KeepAlive::Configured => Some(config.timing.hello),
            KeepAlive::After(silence) => Some(silence),
            KeepAlive::Never => None,
        }
    }

    fn too_slow(&self, what: &'static str) -> CloseReason {
        match self.role {
            Role::Client => CloseReason::Unanswered,
            Role::Server => CloseReason::Refused(Refusal::HalfOpen(what)),
        }
    }

    /// Unanswered messages do not end this tunnel before so much silence.
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = Some(patience);
    }

    /// Data of the peer was seen.
    pub fn note_data(&mut self, now: Instant) {
        self.last_heard = now;
    }

    /// Whether nothing is left to be done, not even to acknowledge again.
    pub fn is_finished(&self, now: Instant, config: &Config) -> bool {
        let Some(closed) = self.closed else {
            return false;
        };
        let linger = config.timing.retransmit.cycle();
        now >= closed + linger || self.channel.is_exhausted()
    }
}

//! The log of a server: one line when a session comes up, one when it ends, one for each way of
//! not getting in. `docs/operations.md` documents the lines; programs read them.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use dataplane::{DataPlane, SessionUsage};
use engine::{Event, Failure, SessionInfo};
use tracing::{debug, info};
use wire::{Carrier, Instant};

use super::Tally;
use crate::io::clock;

/// Lines about one source in [`PERIOD`]; more are only counted.
const LINES: u32 = 6;
/// The period of [`LINES`].
const PERIOD: Duration = Duration::from_secs(60);
/// Sources that are told apart.
const SOURCES: usize = 4096;
/// Failures that are remembered for `adit status`.
const FAILURES: usize = 64;

/// What is logged, and what is counted instead.
#[derive(Debug, Default)]
pub(super) struct Journal {
    sources: BTreeMap<IpAddr, Source>,
    refusals: Tally,
    failures: VecDeque<Remembered>,
}

/// A failed attempt, for whoever asks later.
#[derive(Debug)]
pub(super) struct Remembered {
    pub(super) at: Instant,
    /// Who wanted to log in, if it came to that.
    pub(super) user: Option<String>,
    pub(super) failure: Failure,
}

/// How much a source has had logged.
#[derive(Debug)]
struct Source {
    since: Instant,
    lines: u32,
}

impl Journal {
    /// Refusals by kind, since the start.
    pub(super) fn refusals(&self) -> &Tally {
        &self.refusals
    }

    /// The last failures that were logged, the latest last.
    pub(super) fn failures(&self) -> impl Iterator<Item = &Remembered> {
        self.failures.iter()
    }

    pub(super) fn event(&mut self, event: &Event, plane: &DataPlane) {
        match event {
            Event::Progress { peer, stage } => debug!(%peer, stage = stage.name(), "progress"),
            Event::SessionUp(session) => up(session),
            Event::SessionDown(session, reason) => {
                let usage = plane.session_usage(session.session).unwrap_or_default();
                down(session, usage, &reason.to_string());
            }
            Event::LoginFailed { user, failure } => {
                self.count(failure.cause.name());
                // Each failed login is a line: tools that watch for guessing count them. The peer
                // has completed phase 1, so its address is not forged.
                info!(
                    user,
                    outer = %failure.outer,
                    reason = failure.what,
                    client = failure.make.to_string(),
                    stage = failure.stage.name(),
                    cause = failure.cause.name(),
                    help = failure.help(),
                    shown = failure.shown(),
                    "login failed"
                );
                self.remember(Some(user.as_str()), failure);
            }
            Event::Refused(failure) => {
                self.count(failure.cause.name());
                if self.may_log(failure.outer.ip()) {
                    info!(
                        outer = %failure.outer,
                        reason = failure.what,
                        client = failure.make.to_string(),
                        stage = failure.stage.name(),
                        cause = failure.cause.name(),
                        help = failure.help(),
                        shown = failure.shown(),
                        "client refused"
                    );
                    self.remember(None, failure);
                }
            }
            // A server asks nobody.
            Event::SessionInformed(_) => {}
            // The line comes when traffic can flow.
            Event::LoggedIn(_) | Event::LoggedOut(_) => {}
            Event::PeerDown { peer, reason } => debug!(%peer, %reason, "peer gone"),
        }
    }

    fn remember(&mut self, user: Option<&str>, failure: &Failure) {
        if self.failures.len() >= FAILURES {
            self.failures.pop_front();
        }
        self.failures.push_back(Remembered {
            at: clock::now(),
            user: user.map(str::to_owned),
            failure: failure.clone(),
        });
    }

    fn count(&mut self, what: &str) {
        match self.refusals.get_mut(what) {
            Some(count) => *count += 1,
            None => {
                self.refusals.insert(what.to_owned(), 1);
            }
        }
    }

    /// Whether one more line about this source is in order. Sources can be forged, so their
    /// number is bounded: when there are too many the book is begun anew.
    fn may_log(&mut self, source: IpAddr) -> bool {
        let now = clock::now();
        if self.sources.len() >= SOURCES && !self.sources.contains_key(&source) {
            self.sources.clear();
        }
        let entry = self.sources.entry(source).or_insert(Source {
            since: now,
            lines: 0,
        });
        if now - entry.since >= PERIOD {
            *entry = Source {
                since: now,
                lines: 0,
            };
        }
        entry.lines = entry.lines.saturating_add(1);
        entry.lines <= LINES
    }
}

fn up(session: &SessionInfo) {
    info!(
        session = session.session.0,
        user = session.user,
        outer = %session.path.remote,
        inner = %session.remote_address,
        client = session.make.to_string(),
        host = session.host_name,
        phase1 = session.phase1,
        phase2 = session.phase2,
        esp = esp(session.path.carrier),
        nat = nat(&session.nat),
        authentication = session.authentication.map_or("none", |method| method.name()),
        key = session.key,
        mtu = session.mtu,
        setup_ms = session.setup.as_millis(),
        "session up"
    );
}

fn down(session: &SessionInfo, usage: SessionUsage, reason: &str) {
    info!(
        session = session.session.0,
        user = session.user,
        outer = %session.path.remote,
        inner = %session.remote_address,
        seconds = (clock::now() - session.since).as_secs(),
        bytes_in = usage.received.bytes,
        bytes_out = usage.sent.bytes,
        packets_in = usage.received.packets,
        packets_out = usage.sent.packets,
        reason,
        "session down"
    );
}

/// How ESP travels.
pub(super) const fn esp(carrier: Carrier) -> &'static str {
    match carrier {
        Carrier::Raw => "raw",
        Carrier::Ike | Carrier::NatT => "udp",
    }
}

/// Who is behind NAT.
pub(crate) const fn nat(nat: &ike::Nat) -> &'static str {
    match (nat.peer, nat.here) {
        (false, false) => "none",
        (true, false) => "client",
        (false, true) => "server",
        (true, true) => "both",
    }
}

#[cfg(test)]
mod tests {
    use engine::{Cause, Stage};

    use super::*;

    fn failure(cause: Cause) -> Box<Failure> {
        let outer = ([203, 0, 113, 5], 4500).into();
        let (make, at) = (ike::Make::Apple, Stage::Phase1);
        Box::new(Failure::new(
            outer,
            make,
            at,
            cause,
            "a sentence".to_owned(),
        ))
    }

    /// The last failures are remembered and no more; all of them are counted.
    #[test]
    fn failures_are_counted_and_the_last_ones_remembered() {
        let plane = DataPlane::new(dataplane::Config::for_peers(1));
        let mut journal = Journal::default();
        for _ in 0..10 {
            let refused = Event::Refused(failure(Cause::AggressiveMode));
            journal.event(&refused, &plane);
        }
        let logged = usize::try_from(LINES).unwrap();
        assert_eq!(journal.failures().count(), logged);
        for number in 0..100 {
            let login = Event::LoginFailed {
                user: format!("user {number}"),
                failure: failure(Cause::WrongPassword),
            };
            journal.event(&login, &plane);
        }
        assert_eq!(journal.failures().count(), FAILURES);
        let last = journal.failures().last().unwrap();
        assert_eq!(last.user.as_deref(), Some("user 99"));
        assert_eq!(last.failure.stage, Stage::Authentication);
        assert_eq!(journal.refusals()["aggressive-mode"], 10);
        assert_eq!(journal.refusals()["wrong-password"], 100);
    }
}

//! The log of a server: one line when a session comes up, one when it ends, one for each way of
//! not getting in. `docs/operations.md` documents the lines; programs read them.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use dataplane::SessionUsage;
use engine::{Cause, Event, Failure, SessionInfo, Slowed, Suspect};
use tracing::{debug, info, warn};
use wire::{Carrier, Instant};

use super::Tally;
use crate::io::clock;

/// Lines about one source in [`PERIOD`]; more are only counted.
const LINES: u32 = 6;
/// Lines in [`PERIOD`] about all sources together that may be forged: a flood of these must fill no
/// disk, nor keep the lines of others out of the log.
const UNPROVEN_LINES: u32 = 600;
/// The period of [`LINES`] and [`UNPROVEN_LINES`].
const PERIOD: Duration = Duration::from_secs(60);
/// Sources that are told apart.
const SOURCES: usize = 4096;
/// Failures that are remembered for `adit status`.
const FAILURES: usize = 64;

/// What is logged, and what is counted instead.
#[derive(Debug, Default)]
pub(super) struct Journal {
    sources: BTreeMap<IpAddr, Logged>,
    /// All sources that may be forged.
    unproven: Option<Logged>,
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

/// How much has been logged about somebody.
#[derive(Debug)]
struct Logged {
    since: Instant,
    lines: u32,
}

impl Logged {
    const fn new(since: Instant) -> Self {
        Self { since, lines: 0 }
    }

    /// Whether one more line is in order, of at most so many in [`PERIOD`].
    fn admit(&mut self, now: Instant, most: u32) -> bool {
        if now - self.since >= PERIOD {
            *self = Self::new(now);
        }
        self.lines = self.lines.saturating_add(1);
        self.lines <= most
    }
}

impl Journal {
    /// Refusals by kind, since the start, and those that no event has told of.
    pub(super) fn refusals(&self, silent: impl Iterator<Item = (Cause, u64)>) -> Tally {
        let mut refusals = self.refusals.clone();
        for (cause, count) in silent {
            let sum: &mut u64 = refusals.entry(cause.name().to_owned()).or_default();
            *sum = sum.saturating_add(count);
        }
        refusals
    }

    /// The last failures that were logged, the latest last.
    pub(super) fn failures(&self) -> impl Iterator<Item = &Remembered> {
        self.failures.iter()
    }

    /// Logs an event; `usage` is that of a session whose end it is.
    pub(super) fn event(&mut self, event: &Event, usage: SessionUsage) {
        match event {
            Event::Progress { peer, stage } => debug!(%peer, stage = stage.name(), "progress"),
            Event::SessionUp(session) => up(session),
            Event::SessionDown(session, reason) => down(session, usage, &reason.to_string()),
            Event::LoginFailed { user, failure } => {
                self.count(failure.cause.name());
                // Each password that was wrong is a line: tools that watch for guessing count them.
                // The peer has completed phase 1, so its address is not forged.
                let unseen = matches!(failure.cause, Cause::Slowed | Cause::LockedOut);
                if unseen && !self.may_log(failure.outer.ip()) {
                    return;
                }
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
                let may_log = self.may_log(failure.outer.ip());
                if may_log && (failure.proven || self.may_log_unproven()) {
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
            Event::Slowed(slowed) => warn_of(slowed),
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
        let logged = self.sources.entry(source).or_insert(Logged::new(now));
        logged.admit(now, LINES)
    }

    /// Whether one more line about a source that may be forged is in order.
    fn may_log_unproven(&mut self) -> bool {
        let now = clock::now();
        let logged = self.unproven.get_or_insert(Logged::new(now));
        logged.admit(now, UNPROVEN_LINES)
    }
}

/// Somebody has to wait; 0 seconds: until the operator ends it.
fn warn_of(slowed: &Slowed) {
    let failures = slowed.failures;
    let seconds = slowed.wait.map_or(0, |wait| wait.as_secs());
    match &slowed.who {
        Suspect::UserAt(user, source) => {
            let user = user.to_string();
            warn!(user, %source, failures, seconds, "login slowed");
        }
        Suspect::Users(source) => {
            warn!(%source, what = "logins", failures, seconds, "source slowed");
        }
        Suspect::Keys(source) => {
            warn!(%source, what = "keys", failures, seconds, "source slowed");
        }
        Suspect::User(user) => {
            let user = user.to_string();
            warn!(user, failures, seconds, "user locked out");
        }
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
    use std::io::Write;
    use std::net::Ipv4Addr;
    use std::process::{Command, Stdio};
    use std::sync::{Arc, Mutex};

    use engine::Stage;

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
        let usage = SessionUsage::default();
        let mut journal = Journal::default();
        for _ in 0..10 {
            let refused = Event::Refused(failure(Cause::AggressiveMode));
            journal.event(&refused, usage);
        }
        let logged = usize::try_from(LINES).unwrap();
        assert_eq!(journal.failures().count(), logged);
        for number in 0..100 {
            let login = Event::LoginFailed {
                user: format!("user {number}"),
                failure: failure(Cause::WrongPassword),
            };
            journal.event(&login, usage);
        }
        assert_eq!(journal.failures().count(), FAILURES);
        let last = journal.failures().last().unwrap();
        assert_eq!(last.user.as_deref(), Some("user 99"));
        assert_eq!(last.failure.stage, Stage::Authentication);
        let silent = [
            (Cause::AggressiveMode, 3),
            (Cause::Full, 2),
            (Cause::Full, 5),
        ];
        let refusals = journal.refusals(silent.into_iter());
        assert_eq!(refusals["aggressive-mode"], 13);
        assert_eq!(refusals["full"], 7);
        assert_eq!(refusals["wrong-password"], 100);
    }

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What is logged of `events`, as text or as JSON.
    fn logged(events: &[Event], json: bool) -> Vec<u8> {
        let lines = Lines::default();
        let writer = lines.clone();
        let base = tracing_subscriber::fmt().with_writer(move || writer.clone());
        let subscriber: Box<dyn tracing::Subscriber + Send + Sync> = match json {
            true => Box::new(base.json().flatten_event(true).finish()),
            false => Box::new(base.with_ansi(false).without_time().finish()),
        };
        tracing::subscriber::with_default(subscriber, || {
            let (mut journal, usage) = (Journal::default(), SessionUsage::default());
            events.iter().for_each(|event| journal.event(event, usage));
        });
        let lines = lines.0.lock().unwrap();
        lines.clone()
    }

    /// The addresses that the filter of etc/fail2ban finds in `lines`; none if it cannot be run.
    fn banned(mode: &str, lines: &[u8]) -> Option<Vec<String>> {
        let root = env!("CARGO_MANIFEST_DIR");
        let mut filter = Command::new("python3")
            .arg(format!("{root}/tests/common/fail2ban.py"))
            .arg(format!("{root}/etc/fail2ban/filter.d/adit.conf"))
            .arg(mode)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        filter.stdin.take().unwrap().write_all(lines).unwrap();
        let output = filter.wait_with_output().unwrap();
        assert!(output.status.success());
        let found = String::from_utf8(output.stdout).unwrap();
        Some(found.lines().map(str::to_owned).collect())
    }

    #[test]
    fn fail2ban_finds_who_guesses_and_nobody_else() {
        let failed = |user: &str, outer: &str, cause| {
            let outer = outer.parse().unwrap();
            let (make, at) = (ike::Make::Apple, Stage::Phase1);
            let what = "no \"such\" user".to_owned();
            let failure = Box::new(Failure::new(outer, make, at, cause, what));
            let user = user.to_owned();
            Event::LoginFailed { user, failure }
        };
        // A name that goes on like the line of somebody else.
        let forged = "x\" outer=192.0.2.99:1 reason=\"y\" client=\"z\" stage=\"authentication\" \
                      cause=\"wrong-password\"";
        let forged_json = "x\",\"outer\":\"192.0.2.98:1\",\"reason\":\"y\",\"client\":\"z\"";
        let events = [
            failed("ann", "203.0.113.5:4500", Cause::WrongPassword),
            failed("bob", "203.0.113.6:0", Cause::UnknownUser),
            failed("ann", "[2001:db8::7]:4500", Cause::WrongPassword),
            failed(forged, "203.0.113.8:4500", Cause::WrongPassword),
            failed(forged_json, "203.0.113.9:4500", Cause::WrongPassword),
            // Refused, but no guesses.
            failed("ann", "203.0.113.10:4500", Cause::Slowed),
            failed(forged, "203.0.113.11:4500", Cause::SessionsLimit),
            Event::Refused(failure(Cause::AggressiveMode)),
            Event::Refused(Box::new(Failure::new(
                "203.0.113.12:500".parse().unwrap(),
                ike::Make::Unknown,
                Stage::Phase1,
                Cause::WrongKey,
                forged.to_owned(),
            ))),
        ];
        let mut guessers = vec![
            "203.0.113.5",
            "203.0.113.6",
            "2001:db8::7",
            "203.0.113.8",
            "203.0.113.9",
        ];
        for json in [false, true] {
            let lines = logged(&events, json);
            let text = String::from_utf8_lossy(&lines);
            let Some(found) = banned("normal", &lines) else {
                println!("skipped: there is no python3");
                return;
            };
            assert_eq!(found, guessers, "{text}");
        }
        guessers.push("203.0.113.12");
        for json in [false, true] {
            let lines = logged(&events, json);
            assert_eq!(banned("aggressive", &lines).unwrap(), guessers);
        }
    }

    /// However many addresses somebody invents: who has got our answers has a line all the same.
    #[test]
    fn forged_addresses_cannot_fill_the_log() {
        let refused = |number: u32, cause, proven| {
            let outer = (Ipv4Addr::from_bits(0x6440_0000 + number), 500).into();
            let (make, at) = (ike::Make::Unknown, Stage::Phase1);
            let what = "a sentence".to_owned();
            let mut failure = Failure::new(outer, make, at, cause, what);
            failure.proven = proven;
            Event::Refused(Box::new(failure))
        };
        let mut events: Vec<Event> = (0..2 * UNPROVEN_LINES)
            .map(|number| refused(number, Cause::AggressiveMode, false))
            .collect();
        events.push(refused(0, Cause::WrongKey, true));
        events.push(refused(1, Cause::Overload, true));
        events.push(refused(2, Cause::L2tpSilent, true));
        let lines = logged(&events, false);
        let text = String::from_utf8_lossy(&lines);
        let count = |words: &str| text.lines().filter(|line| line.contains(words)).count();
        let most = usize::try_from(UNPROVEN_LINES).unwrap();
        assert_eq!(count("cause=\"aggressive-mode\""), most);
        assert_eq!(count("cause=\"wrong-key\""), 1);
        assert_eq!(count("cause=\"overload\""), 1);
        assert_eq!(count("cause=\"l2tp-silent\""), 1);
    }

    /// Refusals without a look at the password may be many; the lines of them are few.
    #[test]
    fn who_has_to_wait_cannot_fill_the_log() {
        let slowed = || Event::LoginFailed {
            user: "ann".to_owned(),
            failure: failure(Cause::Slowed),
        };
        let events: Vec<Event> = (0..50).map(|_| slowed()).collect();
        let lines = logged(&events, false);
        let count = String::from_utf8_lossy(&lines).lines().count();
        assert_eq!(count, usize::try_from(LINES).unwrap());
    }
}

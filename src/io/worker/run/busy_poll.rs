//! Looking for more, for a while, before sleeping.
//!
//! Who has something for a thread that sleeps must wake it, mostly on another core, and it goes on tens of
//! microseconds later: most of all in a virtual machine, where the host has taken the sleeping core away. Under
//! load that happens thousands of times a second, at both ends of every connection.

use std::time::Duration;

use wire::Instant;

/// For how long nothing may have come before a thread sleeps after all; and the least time that is
/// looked at to tell how busy it is. Packets of a connection that fills a tunnel come in trains, with
/// pauses of some hundred microseconds.
const PATIENCE: Duration = Duration::from_micros(500);
/// A thread polls if it has worked for one part in so many of the time: then polling at most doubles
/// what it takes, and one that has little to do takes no more than that.
const WORKED: u32 = 2;

/// Whether a thread polls or sleeps when there is nothing for it.
#[derive(Debug)]
pub(super) struct BusyPoll {
    enabled: bool,
    /// It has worked for much of the last span.
    busy: bool,
    /// Since when the present span lasts, and for how much of it the thread has worked.
    since: Instant,
    worked: Duration,
    /// When there was something last.
    last: Instant,
}

impl BusyPoll {
    pub(super) const fn new(now: Instant, enabled: bool) -> Self {
        Self {
            enabled,
            busy: false,
            since: now,
            worked: Duration::ZERO,
            last: now,
        }
    }

    /// Whether to look for more, rather than sleep until there is some.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.enabled && self.busy && now.saturating_since(self.last) < PATIENCE
    }

    /// There was a round of work.
    pub(super) fn worked(&mut self, began: Instant, ended: Instant) {
        self.last = ended;
        self.worked = self.worked.saturating_add(ended.saturating_since(began));
        let span = ended.saturating_since(self.since);
        if span >= PATIENCE {
            self.busy = self.worked >= span / WORKED;
            self.since = ended;
            self.worked = Duration::ZERO;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Instant = Instant::from_boot(Duration::from_secs(1));

    fn at(micros: u64) -> Instant {
        START + Duration::from_micros(micros)
    }

    /// Rounds of work that take so long, one in every `period`, for ten milliseconds.
    fn after_rounds(work: u64, period: u64) -> BusyPoll {
        let mut poll = BusyPoll::new(START, true);
        for begin in (0..10_000).step_by(usize::try_from(period).unwrap()) {
            poll.worked(at(begin), at(begin + work));
        }
        poll
    }

    #[test]
    fn who_has_much_to_do_polls_for_half_a_millisecond_and_then_sleeps() {
        let poll = after_rounds(60, 100);
        let last = 9_960;
        assert!(poll.is_due(at(last)));
        assert!(poll.is_due(at(last + 499)));
        assert!(!poll.is_due(at(last + 500)));
        assert!(!poll.is_due(at(last + 10_000_000)));
    }

    #[test]
    fn who_has_little_to_do_sleeps_at_once() {
        let new = BusyPoll::new(START, true);
        assert!(!new.is_due(at(0)));
        for (work, period) in [(5, 100), (40, 100), (200, 2_000), (900, 2_000)] {
            let poll = after_rounds(work, period);
            assert!(!poll.is_due(poll.last), "{work} of {period} µs");
        }
    }

    #[test]
    fn a_train_after_a_pause_is_not_yet_much() {
        let mut poll = after_rounds(60, 100);
        poll.worked(at(1_000_000), at(1_000_400));
        assert!(!poll.is_due(at(1_000_400)));
        for begin in (1_000_400..1_001_000).step_by(100) {
            poll.worked(at(begin), at(begin + 60));
        }
        assert!(poll.is_due(at(1_001_000)));
    }

    #[test]
    fn who_must_not_poll_does_not() {
        let poll = BusyPoll {
            enabled: false,
            ..after_rounds(60, 100)
        };
        assert!(!poll.is_due(poll.last));
    }
}

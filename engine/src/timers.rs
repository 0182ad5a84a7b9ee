//! The engine's own deadlines, in one ordered set.

use std::collections::{BTreeMap, BTreeSet};

use wire::{Instant, PeerId};

use crate::SessionId;

/// What falls due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// A link wants to be called.
    Link(SessionId),
    /// A DHCPINFORM is to be sent, first or again.
    Inform(SessionId),
    /// It is time to see whether a session is used.
    Idle(SessionId),
    /// The time of a session is over.
    Expiry(SessionId),
    /// A peer without SAs, or without anything else, has had its grace.
    Grace(PeerId),
    /// A doubtful peer has had its time.
    Doubt(PeerId),
    /// A client that connects should have opened a tunnel.
    Attempt(PeerId),
}

/// At most one deadline for each [`Timer`].
#[derive(Debug, Default)]
pub(crate) struct Timers {
    due: BTreeSet<(Instant, Timer)>,
    at: BTreeMap<Timer, Instant>,
}

impl Timers {
    /// Sets, moves or (with `None`) clears a deadline.
    pub(crate) fn set(&mut self, timer: Timer, at: Option<Instant>) {
        let before = match at {
            Some(at) => self.at.insert(timer, at),
            None => self.at.remove(&timer),
        };
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.due.remove(&(before, timer));
        }
        if let Some(at) = at {
            self.due.insert((at, timer));
        }
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<(Instant, Timer)> {
        self.due.first().copied()
    }

    /// How many deadlines there are.
    pub(crate) fn len(&self) -> usize {
        self.at.len()
    }

    /// Takes one deadline that has come.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<Timer> {
        let (at, timer) = self.next()?;
        if at > now {
            return None;
        }
        self.set(timer, None);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn deadlines_come_in_order_once_and_can_be_moved() {
        let at = |s| Instant::from_boot(Duration::from_secs(s));
        let (a, b) = (Timer::Link(SessionId(1)), Timer::Grace(PeerId(1)));
        let mut timers = Timers::default();
        timers.set(a, Some(at(5)));
        timers.set(b, Some(at(3)));
        timers.set(a, Some(at(2)));
        assert_eq!(timers.pop(at(1)), None);
        assert_eq!(timers.pop(at(9)), Some(a));
        timers.set(b, None);
        assert_eq!(timers.pop(at(9)), None);
    }
}

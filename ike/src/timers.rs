//! Deadlines in order, each with the reason for it.

use std::collections::{BTreeMap, BTreeSet};

use wire::Instant;

use crate::codec::MessageId;
use crate::{ChildId, SaId};

/// Why the endpoint wants to be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// A half-open IKE SA is given up.
    HalfOpen,
    /// A request is sent again, or given up.
    Retransmit,
    /// A remembered answer is forgotten.
    Forget,
    /// An IKE SA whose peer has no child SA ends.
    WithoutChild,
    /// Dead Peer Detection.
    Dpd,
    /// A NAT keepalive is due.
    KeepAlive,
    /// An IKE SA or a child SA is replaced.
    Rekey,
    /// A replaced one is deleted.
    Overlap,
    /// An IKE SA or a child SA has reached its end.
    Expire,
    /// First messages wait for their turn.
    Admission,
}

/// Whom a deadline concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Owner {
    /// An IKE SA.
    Sa(SaId),
    /// A Quick Mode: the IKE SA and the message id.
    QuickMode(SaId, MessageId),
    /// A child SA.
    Child(ChildId),
    /// The messages of which some fragments have not come.
    Fragments,
    /// The first messages that wait for their turn.
    Admission,
}

/// All deadlines. Each owner has at most one per reason.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    order: BTreeSet<(Instant, Owner, Timer)>,
    due: BTreeMap<(Owner, Timer), Instant>,
}

impl Timers {
    /// Sets the deadline of `owner` for `timer`, in place of an earlier one.
    pub(crate) fn set(&mut self, owner: Owner, timer: Timer, at: Instant) {
        if let Some(before) = self.due.insert((owner, timer), at) {
            self.order.remove(&(before, owner, timer));
        }
        self.order.insert((at, owner, timer));
    }

    /// Forgets one deadline.
    pub(crate) fn cancel(&mut self, owner: Owner, timer: Timer) {
        if let Some(at) = self.due.remove(&(owner, timer)) {
            self.order.remove(&(at, owner, timer));
        }
    }

    /// Forgets all deadlines of `owner`.
    pub(crate) fn cancel_all(&mut self, owner: Owner) {
        let range = (owner, Timer::HalfOpen)..=(owner, Timer::Expire);
        let timers: Vec<Timer> = self
            .due
            .range(range)
            .map(|((_, timer), _)| *timer)
            .collect();
        for timer in timers {
            self.cancel(owner, timer);
        }
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<(Instant, Timer)> {
        self.order.first().map(|(at, _, timer)| (*at, *timer))
    }

    /// Takes the earliest deadline that has come.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<(Owner, Timer)> {
        let (at, owner, timer) = *self.order.first()?;
        if at > now {
            return None;
        }
        self.cancel(owner, timer);
        Some((owner, timer))
    }

    /// How many deadlines there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn deadlines_come_in_order_and_the_latest_setting_counts() {
        let at = |seconds| Instant::from_boot(Duration::from_secs(seconds));
        let (a, b) = (Owner::Sa(SaId(1)), Owner::Child(ChildId(1)));
        let mut timers = Timers::default();
        timers.set(a, Timer::Dpd, at(5));
        timers.set(b, Timer::Expire, at(3));
        timers.set(a, Timer::Dpd, at(2));
        timers.set(a, Timer::Rekey, at(9));
        assert_eq!(timers.next(), Some((at(2), Timer::Dpd)));
        assert_eq!(timers.pop(at(1)), None);
        assert_eq!(timers.pop(at(4)), Some((a, Timer::Dpd)));
        assert_eq!(timers.pop(at(4)), Some((b, Timer::Expire)));
        timers.cancel_all(a);
        assert_eq!((timers.next(), timers.len()), (None, 0));
    }
}

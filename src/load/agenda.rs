//! What falls due for single clients, in the order of time.

use std::collections::BTreeSet;

use wire::Instant;

/// What falls due. A deadline that was for an earlier turn of its client is found to be so when it
/// comes: it is never searched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Task {
    /// It has had its time to connect.
    GiveUp,
    /// It dials again.
    Redial,
    /// It pings.
    Ping,
}

/// A deadline of one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Due {
    pub(super) at: Instant,
    pub(super) task: Task,
    /// The client.
    pub(super) slot: u32,
    /// Which of its dials it was for.
    pub(super) turn: u32,
}

/// All deadlines.
#[derive(Debug, Default)]
pub(super) struct Agenda(BTreeSet<Due>);

impl Agenda {
    pub(super) fn add(&mut self, due: Due) {
        self.0.insert(due);
    }

    /// Takes one that has come.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Due> {
        self.next().filter(|at| *at <= now)?;
        self.0.pop_first()
    }

    /// The earliest.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.first().map(|due| due.at)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn deadlines_come_in_order_and_none_before_its_time() {
        let at = |s| Instant::from_boot(Duration::from_secs(s));
        let due = |s, slot| Due {
            at: at(s),
            task: Task::Ping,
            slot,
            turn: 0,
        };
        let mut agenda = Agenda::default();
        for due in [due(5, 1), due(3, 2), due(3, 1)] {
            agenda.add(due);
        }
        assert_eq!((agenda.next(), agenda.pop(at(2))), (Some(at(3)), None));
        let order: Vec<u32> =
            std::iter::from_fn(|| agenda.pop(at(4)).map(|due| due.slot)).collect();
        assert_eq!((order, agenda.next()), (vec![1, 2], Some(at(5))));
    }
}

//! When the next one is due: so many a second (open loop), so many at a time (closed loop), or both.

use std::time::Duration;

use wire::Instant;

/// Counts what was begun against what should have been by now. What could not be begun in time is
/// made up for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Each second; `None`: no limit.
    rate: Option<f64>,
    /// At a time; `None`: no limit.
    at_once: Option<usize>,
    started: Instant,
    begun: u64,
}

impl Pace {
    pub(super) const fn new(now: Instant, rate: Option<f64>, at_once: Option<usize>) -> Self {
        Self {
            rate,
            at_once,
            started: now,
            begun: 0,
        }
    }

    /// How many may begin now, while `busy` are under way.
    pub(super) fn due(&self, now: Instant, busy: usize) -> usize {
        let by_rate = self.rate.map_or(usize::MAX, |rate| {
            let elapsed = now.saturating_since(self.started).as_secs_f64();
            let wanted = whole(elapsed * rate).saturating_add(1);
            usize::try_from(wanted.saturating_sub(self.begun)).unwrap_or(usize::MAX)
        });
        by_rate.min(self.room(busy))
    }

    /// How many more may be under way than `busy`, whatever the rate says.
    pub(super) fn room(&self, busy: usize) -> usize {
        self.at_once
            .map_or(usize::MAX, |most| most.saturating_sub(busy))
    }

    /// Some have begun.
    pub(super) fn note(&mut self, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.begun = self.begun.saturating_add(count);
    }

    /// When the next one is due by the rate; `None` where time has no part in it.
    pub(super) fn next(&self) -> Option<Instant> {
        let seconds = self.begun as f64 / self.rate?;
        let after = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        Some(self.started + after)
    }
}

/// The whole part of a number that is not negative.
fn whole(number: f64) -> u64 {
    number as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_boot(Duration::from_secs(1_000) + Duration::from_millis(millis))
    }

    #[test]
    fn so_many_a_second_whatever_becomes_of_them() {
        let mut pace = Pace::new(at(0), Some(10.0), None);
        assert_eq!((pace.due(at(0), 1_000), pace.next()), (1, Some(at(0))));
        pace.note(1);
        assert_eq!((pace.due(at(99), 0), pace.next()), (0, Some(at(100))));
        assert_eq!(pace.due(at(100), 0), 1);
        // Those of a pause are made up for.
        assert_eq!(pace.due(at(1_000), 0), 10);
    }

    #[test]
    fn so_many_at_a_time() {
        let mut pace = Pace::new(at(0), None, Some(3));
        assert_eq!((pace.due(at(0), 0), pace.next()), (3, None));
        pace.note(3);
        assert_eq!((pace.due(at(9_000), 3), pace.due(at(9_000), 1)), (0, 2));
    }

    #[test]
    fn both_limits_hold() {
        let pace = Pace::new(at(0), Some(100.0), Some(5));
        assert_eq!((pace.due(at(10), 0), pace.due(at(1_000), 0)), (2, 5));
        assert_eq!((pace.due(at(1_000), 4), pace.room(7)), (1, 0));
    }

    proptest! {
        /// Somebody who always begins what is due has begun as many as the rate says, and is
        /// always told when the next one is due.
        #[test]
        fn the_rate_is_kept(rate in 0.1_f64..5_000.0, steps in prop::collection::vec(1_u64..500, 1..60)) {
            let mut pace = Pace::new(at(0), Some(rate), None);
            let (mut now, mut begun) = (0, 0);
            for step in steps {
                now += step;
                let next = pace.next().unwrap();
                let due = pace.due(at(now), 0);
                // Rounding may put the very moment on either side.
                let margin = Duration::from_micros(1);
                prop_assert!(due > 0 || next + margin >= at(now));
                prop_assert!(due == 0 || next <= at(now) + margin);
                pace.note(due);
                begun += due;
            }
            let wanted = now as f64 / 1_000.0 * rate + 1.0;
            prop_assert!((begun as f64 - wanted).abs() <= 1.0, "{begun} for {wanted}");
        }
    }
}

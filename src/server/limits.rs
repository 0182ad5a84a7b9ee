//! Limits that are reached without anybody being refused by name: a line of the log, at most one a
//! minute for each of them.

use std::time::Duration;

use super::Tally;

/// How often is looked.
pub(super) const PERIOD: Duration = Duration::from_secs(60);

/// The counters of [`StatusReport`](crate::control::StatusReport) that grow because of a limit; a page
/// in docs/ says which limit each belongs to.
const REACHED: [&str; 14] = [
    super::status::QUICK_MODES,
    super::status::CHILDREN,
    super::status::WAITED,
    super::status::TURNED_AWAY,
    "foreign-cookies",
    "limited-first-ike",
    "limited-ike",
    "dropped-first-ike",
    "dropped-ike",
    "dropped-upcalls",
    "dropped-credit",
    super::status::GAVE_WAY,
    "fragmented IKE message that gave way to others",
    super::status::NO_TIME,
];

/// What the counters were when they were last looked at.
#[derive(Debug, Default)]
pub(super) struct Watch {
    seen: Tally,
}

impl Watch {
    /// Which of the counters have grown since the last look, and by how much.
    pub(super) fn look(&mut self, counters: &Tally) -> Vec<(&'static str, u64)> {
        let mut grown = Vec::new();
        for name in REACHED {
            let now = counters.get(name).copied().unwrap_or(0);
            let before = self.seen.insert(name.to_owned(), now).unwrap_or(0);
            if now > before {
                grown.push((name, now - before));
            }
        }
        grown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_grown_is_told_once() {
        let counters = |limited, dropped| {
            let pairs = [("limited-ike", limited), ("no session", dropped)];
            pairs.map(|(name, count)| (name.to_owned(), count)).into()
        };
        let mut watch = Watch::default();
        assert_eq!(watch.look(&Tally::new()), []);
        assert_eq!(watch.look(&counters(5, 9)), [("limited-ike", 5)]);
        assert_eq!(watch.look(&counters(5, 10)), []);
        assert_eq!(watch.look(&counters(12, 10)), [("limited-ike", 7)]);
    }
}

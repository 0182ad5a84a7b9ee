//! When memory is given back: after a flood, and after many have left.

use std::time::Duration;

use engine::Occupancy;

/// How often is looked.
pub(super) const PERIOD: Duration = Duration::from_secs(10);

/// So many fewer handshakes and peers are worth the time that it takes to give their memory back:
/// some MiB.
const WORTH: usize = 1_000;

/// How much the server has held since it last gave memory back.
#[derive(Debug, Default)]
pub(super) struct Ebb {
    most: usize,
    latest: usize,
}

impl Ebb {
    /// Whether it is time to give memory back: there is much less than there was, and it gets less
    /// no more.
    pub(super) fn look(&mut self, held: &Occupancy) -> bool {
        let now = held.half_open + held.peers;
        let falls = now < self.latest;
        self.latest = now;
        self.most = self.most.max(now);
        let is_time = !falls && self.most - now >= WORTH;
        if is_time {
            self.most = now;
        }
        is_time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_given_back_once_and_when_the_flood_is_over() {
        let mut ebb = Ebb::default();
        let mut look = |half_open, peers| {
            ebb.look(&Occupancy {
                half_open,
                peers,
                ..Occupancy::default()
            })
        };
        // Comes, lasts, and falls.
        assert!(!look(0, 50));
        assert!(!look(4_096, 60));
        assert!(!look(4_096, 70));
        assert!(!look(900, 70));
        assert!(!look(0, 70));
        assert!(look(0, 70));
        assert!(!look(0, 70));
        // Some come and go all the time.
        assert!(!look(0, 1_000));
        assert!(!look(0, 70));
        assert!(!look(0, 70));
        // The next one, also when others come meanwhile.
        assert!(!look(4_096, 70));
        assert!(!look(0, 80));
        assert!(look(0, 90));
        // Everybody leaves.
        assert!(!look(0, 10_000));
        assert!(!look(0, 0));
        assert!(look(0, 0));
    }
}
